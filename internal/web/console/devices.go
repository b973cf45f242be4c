package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/web"
)

// deviceRow is one browser that takes Web Push. Its address is a secret: only
// the name of its push service is shown.
type deviceRow struct {
	push.Subscription
	Service    string
	KeyCurrent bool
	Look       look
	Said       *flash // what became of a test of it just now
}

// beside takes the sentence about a device from the top of the page to its row.
func (s *shell) beside(rows []deviceRow) {
	for i := range rows {
		if s.Flash != nil && s.Flash.About == rows[i].ID {
			rows[i].Said, s.Flash = s.Flash, nil
		}
	}
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

// mute says why nothing can be sent by Web Push yet, and the mend; empty when
// nothing is in the way.
func (c *console) mute(v *visit) (string, error) {
	if c.Push.Reach == nil {
		return "", nil
	}
	reach, err := c.Push.Reach(v.Context())
	if err != nil || reach {
		return "", err
	}
	return push.NoSubject, nil
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
func (v *visit) devicesPath(s push.Subscription, anchor string) string {
	if s.UserID == v.who.UserID && v.FormValue("from") != "settings" {
		return "/console/me#" + anchor
	}
	return notificationsPath + "#" + anchor
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
	kind, words, anchor := "good", "The push service took the test. It is on the device in a moment; if not, look whether the device is online and lets this browser notify.", "device-"+s.ID
	if !got.Accepted {
		kind, words = "bad", "The test was not sent: "+strings.TrimRight(got.Detail, ".")+"."+mendOf(got)
	}
	// A device that is gone has no row to stand beside any more.
	if left, err := c.Store.DevicesByID(v.Context(), []string{s.ID}); err != nil {
		return err
	} else if _, ok := left[s.ID]; !ok {
		words, anchor = s.Name+" has turned Web Push off, so it was removed. Turn it on again in that browser, under My notifications.", "devices"
	}
	sayOf(w, s.ID, kind, words)
	http.Redirect(w, v.Request, v.devicesPath(s, anchor), http.StatusSeeOther)
	return nil
}

// mendOf says what to do about a test that failed, where its detail does not.
func mendOf(t web.PushTest) string {
	switch {
	case strings.Contains(t.Detail, "Settings"):
		return ""
	case t.Status == 0 && strings.Contains(t.Detail, "reached"), t.Status == 0 && strings.Contains(t.Detail, "no answer"):
		return " Look whether this hub’s machine gets there, and at the outgoing proxy in Settings → Notifications."
	case t.Status == http.StatusTooManyRequests, t.Status >= 500:
		return " Alerts are tried again by themselves; try the test again in a minute."
	}
	return ""
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
		Heading: "Remove " + s.Name + "?", Action: "/console/devices/" + s.ID + "/remove?" + url.Values{"from": {v.FormValue("from")}}.Encode(), Back: v.devicesPath(s, "devices"), Button: "Remove device",
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
	return done(w, v, v.devicesPath(s, "devices"), s.Name+" is removed.")
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
