package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// snoozeLengths are the ones offered.
func snoozeLengths() []option {
	return []option{{Value: "30", Title: "30 min"}, {Value: "120", Title: "2 h"}, {Value: "480", Title: "8 h"}}
}

// snoozed is who asked to be left in peace about an alert, and until when.
type snoozed struct {
	Until time.Time // of the longest; zero when nobody does
	By    []alert.Event
}

// snoozedNow reads it from the alert and its timeline: the last request of each
// person since somebody last took it.
func snoozedNow(a *alert.Alert, events []alert.Event, now time.Time) snoozed {
	if !a.Open() || !a.Snoozed.After(now) {
		return snoozed{}
	}
	s := snoozed{Until: a.Snoozed}
	for _, e := range slices.Backward(events) {
		if e.Outcome == alert.Acked || e.Outcome == alert.Closed {
			break
		}
		same := func(x alert.Event) bool { return x.Author == e.Author }
		if e.Type == alert.Snooze && !slices.ContainsFunc(s.By, same) {
			s.By = append(s.By, e)
		}
	}
	return s
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
}

// act is where a notification leads whose buttons cannot act by themselves:
// Safari has none, and a declarative message opens an address.
func (c *console) act(w http.ResponseWriter, v *visit) error {
	a, err := c.Store.Alert(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	events, err := c.Store.Events(v.Context(), a.ID, "", timelineLimit)
	if err != nil {
		return err
	}
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	view := actView{
		shell: c.shell(w, v, "/console/alerts", stateOf(a.State).Word+": "+a.Object.Name()), A: &a, Sticky: s.AckSticky,
		MayAck: a.Status == alert.Firing && v.may("alerts:acknowledge"), Snoozed: snoozedNow(&a, events, v.now),
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
