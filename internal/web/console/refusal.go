package console

import (
	"strings"
	"time"

	"tocsin/internal/channel/email"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
)

// refusalFor is how long a letter that did not arrive is worth knowing of.
const refusalFor = 30 * 24 * time.Hour

// mailRefusal says why the last letter to a contact that was refused, or came back,
// did; nil when there is none of late. It says too whether one was taken since.
func (c *console) mailRefusal(v *visit, k contact.Contact) (*flash, error) {
	if k.ID == "" {
		return nil, nil //nolint:nilnil // there is nothing to say
	}
	last := func(s delivery.State) (delivery.Delivery, error) {
		found, _, err := c.Store.Deliveries(v.Context(), delivery.Filter{States: []delivery.State{s}, Channel: email.Name, ContactID: k.ID, Limit: 1})
		if err != nil || len(found) == 0 {
			return delivery.Delivery{}, err
		}
		return found[0], nil
	}
	dead, err := last(delivery.Dead)
	if err != nil || dead.ID == "" || v.now.Sub(dead.Done) > refusalFor {
		return nil, err
	}
	sent, err := last(delivery.Sent)
	if err != nil {
		return nil, err
	}
	said := "The letter of " + dead.Done.UTC().Format("2 Jan 2006, 15:04 MST")
	if dead.DestinationName != "" {
		said += " to " + dead.DestinationName
	}
	said += " did not arrive: " + strings.TrimSuffix(dead.Detail, ".") + "."
	if sent.Created.After(dead.Created) {
		return &flash{Kind: "good", Text: said + " Later ones were taken by the mail server."}, nil
	}
	return &flash{Kind: "bad", Text: said + " Correct the address if it is wrong."}, nil
}
