package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

// engineSays is what the engine made of something that was asked for here, in a
// word with a shape.
type engineSays struct {
	Look         look
	Words        string // its own, or why it is not known
	Confirmation alert.Confirmation
	Engine       string // name of its source
}

// Short is the word without the engine's name, for the list.
func (s engineSays) Short() string {
	switch s.Confirmation {
	case alert.Pending:
		return "waiting"
	case alert.Confirmed:
		return "confirmed"
	case alert.Refused:
		return "refused"
	case alert.Unconfirmed:
		return "not confirmed"
	}
	return ""
}

// saysOf puts a confirmation into words. engine is the name of the source.
func saysOf(c alert.Confirmation, words, engine string, origin alert.Origin) engineSays {
	s := engineSays{Words: words, Confirmation: c, Engine: engine}
	if engine == "" {
		engine = "the engine"
	}
	switch c {
	case alert.Pending:
		s.Look = look{"Waiting for " + engine + " to confirm", "wait", "info"}
	case alert.Confirmed:
		s.Look = look{"Confirmed by " + engine, "ok", "good"}
		if !origin.Here() {
			s.Look.Word = "Made in " + engine
		}
	case alert.Refused:
		s.Look = look{"Refused by " + engine, "no", "bad"}
	case alert.Unconfirmed:
		s.Look = look{"Not confirmed by " + engine, "warn", "warn"}
	default:
		s.Look = look{"Known here only", "dash", "dim"}
	}
	return s
}

// ackSays is what the engine made of an acknowledgement.
func ackSays(a *alert.Ack, engine string) engineSays {
	return saysOf(a.Confirmation, a.Words, engine, a.Origin)
}

// asked is the last downtime that was asked for here, or its end.
type asked struct {
	alert.Event
	Says engineSays
	Over bool // a later word of the engine made it history
}

// Begins says whether it asks for a downtime, and not for the end of one.
func (a asked) Begins() bool { return a.Type == alert.ScheduleDowntime }

// replies are the engine's answers by the event that asked, the last word of each.
func replies(events []alert.Event) map[string]alert.Event {
	m := map[string]alert.Event{}
	for _, e := range events {
		if e.Type == alert.EngineReply && e.ReplyTo != "" {
			m[e.ReplyTo] = e
		}
	}
	return m
}

// askedOf is what is to be said of a downtime that was asked for here, nil when
// there is nothing any more. events are oldest first.
func askedOf(events []alert.Event, engine string, now time.Time) *asked {
	answers := replies(events)
	for _, e := range slices.Backward(events) {
		switch e.Type {
		case alert.DowntimeEnd, alert.DowntimeCancelled:
			return nil
		case alert.ScheduleDowntime, alert.CancelDowntime:
		default:
			continue
		}
		if e.Type == alert.ScheduleDowntime && !e.Until.IsZero() && !e.Until.After(now) {
			return nil
		}
		a := &asked{Event: e, Says: saysOf(alert.Pending, "", engine, e.Origin)}
		if r, ok := answers[e.ID]; ok {
			a.Says = saysOf(r.Reply, r.Comment, engine, e.Origin)
		}
		if e.Type == alert.CancelDowntime && a.Says.Confirmation == alert.Confirmed {
			return nil
		}
		return a
	}
	return nil
}

// ackLengths are the ends of an acknowledgement that are offered, in minutes.
func ackLengths() []option {
	return []option{{Value: "", Title: "No end"}, {Value: "60", Title: "1 hour"}, {Value: "240", Title: "4 hours"}, {Value: "480", Title: "8 hours"},
		{Value: "1440", Title: "1 day"}, {Value: "10080", Title: "1 week"}}
}

// downtimeLengths are those offered, in minutes.
func downtimeLengths() []option {
	return []option{{Value: "30", Title: "30 min"}, {Value: "120", Title: "2 hours"}, {Value: "480", Title: "8 hours"}, {Value: "1440", Title: "1 day"}, {Value: "10080", Title: "1 week"}}
}

// minutesOf reads a length in minutes as forms have it. A form that says nothing
// of it answers zero.
func minutesOf(v *visit, name string) (time.Duration, error) {
	s := strings.TrimSpace(v.PostFormValue(name))
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 30*24*60 {
		return 0, &contact.FieldError{Field: name, Problem: "this is no length of time", Mend: "choose one of the list"}
	}
	return time.Duration(n) * time.Minute, nil
}

// refusedHere ends a form of the alert's page that was not taken, in a sentence.
func (c *console) refusedHere(w http.ResponseWriter, v *visit, back, text string) error {
	if v.Header.Get("Tocsin-Fragment") != "" {
		http.Error(w, text, http.StatusConflict)
		return nil
	}
	say(w, "bad", text)
	http.Redirect(w, v.Request, back, http.StatusSeeOther)
	return nil
}

// engineProblem is what to tell of something that cannot be asked of an engine,
// empty if the error is none of that kind.
func engineProblem(err error) string {
	switch {
	case errors.Is(err, dispatch.ErrNotOpen):
		return "It has recovered in the meantime: there is nothing left to do."
	case errors.Is(err, dispatch.ErrNoEngine):
		return "The engine of this source takes nothing back. Set the downtime there, or have an administrator say how it is told: Sources, “Tell the engine”."
	case errors.Is(err, dispatch.ErrDowntimeLength):
		return "A downtime lasts from 1 minute to 30 days."
	case errors.Is(err, dispatch.ErrNoComment):
		return "There is no comment. Write what others should know, then send it."
	}
	return ackProblem(err)
}

func (c *console) commentOn(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	_, err := c.Acks.Comment(v.Context(), id, dispatch.CommentRequest{
		UserID: v.who.UserID, Author: v.who.Label(), Comment: strings.TrimSpace(v.PostFormValue("comment")), Origin: alert.FromConsole,
	})
	if text := engineProblem(err); err != nil && text != "" {
		return c.refusedHere(w, v, back, text)
	}
	return c.answered(w, v, back, err, "The comment stands on the timeline.")
}

func (c *console) downtimeRequest(v *visit) dispatch.DowntimeRequest {
	return dispatch.DowntimeRequest{
		UserID: v.who.UserID, Author: v.who.Label(), Comment: strings.TrimSpace(v.PostFormValue("comment")), Origin: alert.FromConsole,
	}
}

func (c *console) scheduleDowntime(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	r := c.downtimeRequest(v)
	var err error
	if r.For, err = minutesOf(v, "minutes"); err != nil || r.For == 0 {
		return c.refusedHere(w, v, back, "For how long? Choose one of the lengths.")
	}
	_, err = c.Acks.ScheduleDowntime(v.Context(), id, r)
	if text := engineProblem(err); err != nil && text != "" {
		return c.refusedHere(w, v, back, text)
	}
	return c.answered(w, v, back, err, "The engine is asked for a downtime of "+length(r.For)+". It begins as soon as it confirms.")
}

func (c *console) cancelDowntime(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	_, err := c.Acks.CancelDowntime(v.Context(), id, c.downtimeRequest(v))
	if text := engineProblem(err); err != nil && text != "" {
		return c.refusedHere(w, v, back, text)
	}
	return c.answered(w, v, back, err, "The engine is asked to end the downtime.")
}

// tells says whether a source's engine is told what is done here.
func tells(s source.Source) bool { return s.WriteBack.On() && !s.Disabled }
