package console

import (
	"strings"
	"time"

	"tocsin/internal/contact"
)

// refusalFor is how long a letter that did not arrive is worth knowing of.
const refusalFor = 30 * 24 * time.Hour

// mailRefusal says why the last letter to a contact that was refused, or came back,
// did; nil when there is none of late. It says too whether the address is another one
// since.
func (c *console) mailRefusal(v *visit, k contact.Contact) (*flash, error) {
	if k.ID == "" || c.Mail == nil {
		return nil, nil //nolint:nilnil // there is nothing to say
	}
	dead, err := c.Mail.DeadLetters(v.Context(), k.ID, v.now.Add(-refusalFor), 1)
	if err != nil || len(dead) == 0 {
		return nil, err
	}
	d := dead[0]
	said := "The letter of " + d.Done.UTC().Format("2 Jan 2006, 15:04 MST")
	if d.DestinationName != "" {
		said += " to " + d.DestinationName
	}
	said += " did not arrive: " + strings.TrimSuffix(d.Detail, ".") + "."
	if d.DestinationName != "" && !strings.EqualFold(d.DestinationName, k.Email) {
		return &flash{Kind: "good", Text: said + " The address is another one now."}, nil
	}
	return &flash{Kind: "bad", Text: said + " Correct the address if it is wrong."}, nil
}
