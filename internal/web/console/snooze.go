package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
)

// snoozeLengths are the ones offered.
func snoozeLengths() []option {
	return []option{{Value: "30", Title: "30 min"}, {Value: "120", Title: "2 h"}, {Value: "480", Title: "8 h"}}
}

// snoozed is who is left in peace about an alert, and until when.
type snoozed struct {
	AlertID string
	Mine    time.Time // the end of the visitor's own; zero when they have none
	MineBy  string    // who asked for that, when it was somebody else
	Others  []snoozedOther
	MayEnd  bool
	Back    string // the page that it stands on
}

type snoozedOther struct {
	Contact, By string // By is empty when it was the contact's own user
	Until       time.Time
}

// Any says whether somebody has it snoozed.
func (s snoozed) Any() bool { return !s.Mine.IsZero() || len(s.Others) > 0 }

// snoozedNow reads it, with the visitor's own set apart.
func (c *console) snoozedNow(v *visit, a *alert.Alert) (snoozed, error) {
	if !a.Open() || !a.Snoozed.After(v.now) {
		return snoozed{}, nil
	}
	all, err := c.Store.Snoozes(v.Context(), a.ID)
	if err != nil {
		return snoozed{}, err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return snoozed{}, err
	}
	users, err := c.usersByID(v)
	if err != nil {
		return snoozed{}, err
	}
	s := snoozed{AlertID: a.ID, MayEnd: v.may(auth.AckAlerts), Back: v.URL.Path}
	for _, z := range all {
		i := slices.IndexFunc(contacts, func(k contact.Contact) bool { return k.ID == z.ContactID })
		if i < 0 || !z.Until.After(v.now) {
			continue
		}
		user := users[contacts[i].UserID]
		by := z.By
		if by == user.Label() {
			by = ""
		}
		if user.ID != v.who.UserID {
			s.Others = append(s.Others, snoozedOther{contactLabel(contacts[i]), by, z.Until})
		} else if z.Until.After(s.Mine) {
			s.Mine, s.MineBy = z.Until, by
		}
	}
	return s, nil
}

// unsnooze ends the visitor's own snooze.
func (c *console) unsnooze(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	if b := v.PostFormValue("back"); b != "" {
		back = local(b)
	}
	contacts, err := c.ownContacts(v)
	if err != nil {
		return err
	}
	_, err = c.Acks.Unsnooze(v.Context(), id, dispatch.SnoozeRequest{
		ContactIDs: contacts, UserID: v.who.UserID, Author: v.who.Label(), Origin: alert.FromConsole,
	})
	var text string
	switch {
	case errors.Is(err, dispatch.ErrNotSnoozed):
		text = "It is not snoozed for you any more: you are told of it as ever."
	case errors.Is(err, dispatch.ErrNotOpen):
		text = "It has recovered in the meantime, which ended the snooze."
	default:
		return c.answered(w, v, back, err, "The snooze is ended: you hear of it again when something happens.")
	}
	say(w, "bad", text)
	http.Redirect(w, v.Request, back, http.StatusSeeOther)
	return nil
}

func (c *console) snooze(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	if b := v.PostFormValue("back"); b != "" {
		back = local(b)
	}
	refuse := func(text string) error {
		say(w, "bad", text)
		http.Redirect(w, v.Request, back, http.StatusSeeOther)
		return nil
	}
	minutes, err := strconv.Atoi(v.PostFormValue("minutes"))
	if err != nil {
		return refuse("For how long? Choose one of the lengths.")
	}
	contacts, err := c.ownContacts(v)
	if err != nil {
		return err
	}
	if len(contacts) == 0 {
		return refuse("No contact is linked to you, so you are not told of it, and there is nothing to snooze.")
	}
	_, err = c.Acks.Snooze(v.Context(), id, dispatch.SnoozeRequest{
		ContactIDs: contacts, UserID: v.who.UserID, Author: v.who.Label(), For: time.Duration(minutes) * time.Minute, Origin: alert.FromConsole,
	})
	switch {
	case errors.Is(err, dispatch.ErrNotOpen):
		return refuse("It has recovered in the meantime: there is nothing left to snooze.")
	case errors.Is(err, dispatch.ErrSnoozeLength), errors.Is(err, dispatch.ErrSnoozeContact):
		return refuse(sentence(err.Error()))
	}
	return c.answered(w, v, back, err, "Snoozed for you for "+length(time.Duration(minutes)*time.Minute)+": then you are reminded, unless it has recovered or somebody has taken it.")
}

// actView is the page of one alert for a thumb.
type actView struct {
	shell
	A       *alert.Alert
	MayAck  bool
	Lengths []option
	Snoozed snoozed
	Sticky  bool
	Says    engineSays
}

// act is where a notification leads whose buttons cannot act by themselves:
// Safari has none, and a declarative message opens an address.
func (c *console) act(w http.ResponseWriter, v *visit) error {
	a, err := c.Store.Alert(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	now, err := c.snoozedNow(v, &a)
	if err != nil {
		return err
	}
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	view := actView{
		shell: c.shell(w, v, "/console/alerts", stateOf(a.State).Word+": "+a.Object.Name()), A: &a, Sticky: s.AckSticky,
		MayAck: a.Status == alert.Firing && v.may("alerts:acknowledge"), Snoozed: now,
	}
	if a.Ack != nil {
		src, _ := c.engine(v.Context(), a.Object)
		view.Says = ackSays(a.Ack, src.Name)
	}
	if view.MayAck {
		if mine, err := c.ownContacts(v); err != nil {
			return err
		} else if len(mine) > 0 {
			view.Lengths = snoozeLengths()
		}
	}
	return c.show(w, v, "act", view)
}
