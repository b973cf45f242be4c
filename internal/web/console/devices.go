package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/push"
)

// deviceRow is one browser that takes Web Push. Its address is a secret: only
// the name of its push service is shown.
type deviceRow struct {
	push.Subscription
	Service    string
	KeyCurrent bool
	Look       look
}

// deviceRows is a table of them; From is the page that it stands on.
type deviceRows struct {
	Rows []deviceRow
	From string
}

func deviceOf(s push.Subscription, currentKey string) deviceRow {
	r := deviceRow{Subscription: s, KeyCurrent: s.KeyID == currentKey, Look: look{"Told", "ok", "good"}}
	if u, err := url.Parse(s.Endpoint); err == nil {
		r.Service = u.Host
	}
	switch {
	case s.Failures > 0:
		r.Look = look{"Failing", "warn", "warn"}
	case s.LastSuccess.IsZero():
		r.Look = look{"Not used yet", "dash", "dim"}
	}
	return r
}

// myDevices are those of the visitor.
func (c *console) myDevices(v *visit) ([]deviceRow, error) {
	devices, err := c.Store.Devices(v.Context(), v.who.UserID)
	if err != nil {
		return nil, err
	}
	current := ""
	if k, err := c.currentKey(v); err != nil {
		return nil, err
	} else if k != nil {
		current = k.ID
	}
	rows := make([]deviceRow, 0, len(devices))
	for _, s := range devices {
		rows = append(rows, deviceOf(s, current))
	}
	return rows, nil
}

// device is one that the visitor may touch: their own, or any for
// administrators; others are not there.
func (c *console) device(v *visit) (push.Subscription, error) {
	id := v.PathValue("id")
	found, err := c.Store.DevicesByID(v.Context(), []string{id})
	if err != nil {
		return push.Subscription{}, err
	}
	s, ok := found[id]
	if !ok || s.Visitor() || (s.UserID != v.who.UserID && !v.may(auth.Administer)) {
		return push.Subscription{}, fmt.Errorf("device %w", fault.ErrNotFound)
	}
	return s, nil
}

// devicesPath is the page on which somebody came to a device.
func (v *visit) devicesPath(s push.Subscription) string {
	if s.UserID == v.who.UserID && v.FormValue("from") != "settings" {
		return "/console/me#devices"
	}
	return notificationsPath + "#devices"
}

func (c *console) testDevice(w http.ResponseWriter, v *visit) error {
	s, err := c.device(v)
	if err != nil {
		return err
	}
	got, err := c.Push.Test(v.Context(), s)
	if err != nil {
		return err
	}
	kind, words := "good", "The push service took a test for "+s.Name+". It should be there in a moment."
	if !got.Accepted {
		kind, words = "bad", "The test for "+s.Name+" was not sent. "+sentence(got.Detail)
	}
	say(w, kind, words)
	http.Redirect(w, v.Request, v.devicesPath(s), http.StatusSeeOther)
	return nil
}

func (c *console) askRemoveDevice(w http.ResponseWriter, v *visit) error {
	s, err := c.device(v)
	if err != nil {
		return err
	}
	whose := "You are"
	if s.UserID != v.who.UserID {
		users, err := c.usersByID(v)
		if err != nil {
			return err
		}
		u := users[s.UserID]
		whose = u.Label() + " is"
	}
	return c.confirm(w, v, "/console/me", confirmView{
		Heading: "Remove " + s.Name + "?", Action: "/console/devices/" + s.ID + "/remove?" + url.Values{"from": {v.FormValue("from")}}.Encode(), Back: v.devicesPath(s), Button: "Remove device",
		Effects: []string{whose + " not told on it any more while no tab is open there.", "It can be turned on again in that browser, under My notifications."},
	})
}

func (c *console) removeDevice(w http.ResponseWriter, v *visit) error {
	s, err := c.device(v)
	if err != nil {
		return err
	}
	if err := c.Store.DeleteSubscription(v.Context(), s.ID); err != nil {
		return err
	}
	return done(w, v, v.devicesPath(s), s.Name+" is removed.")
}

// ownContacts are the ids of the contacts that are linked to the visitor.
func (c *console) ownContacts(v *visit) ([]string, error) {
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, k := range contacts {
		if k.UserID == v.who.UserID && !slices.Contains(ids, k.ID) {
			ids = append(ids, k.ID)
		}
	}
	return ids, nil
}
