package dispatch

import (
	"encoding/json"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/live"
)

// FrameKind is the kind of the live frames that tell of every event.
const FrameKind = "alert"

// frameOutput is how many characters of a check's output a frame carries: a
// row of the list shows no more.
const frameOutput = 200

// AlertFrame is the body of a live frame of the kind FrameKind, for everybody.
type AlertFrame struct {
	ID       string        `json:"id"` // the alert; empty for an object without one
	ObjectID string        `json:"object_id"`
	Status   alert.Status  `json:"status"`
	State    alert.State   `json:"state"`
	Worst    alert.State   `json:"worst"`
	Outcome  alert.Outcome `json:"outcome"`
	Notice   alert.Notice  `json:"notice"`
	Type     alert.Type    `json:"type"`
	Name     string        `json:"name"`
	Host     string        `json:"host"`
	Service  string        `json:"service"`
	SourceID string        `json:"source_id"`
	Output   string        `json:"output"`
	Since    time.Time     `json:"since,omitzero"`
	Updated  time.Time     `json:"updated"`
	Author   string        `json:"author"`
	Comment  string        `json:"comment"`
	Downtime bool          `json:"downtime"`
	Flapping bool          `json:"flapping"`
	Snoozed  time.Time     `json:"snoozed,omitzero"` // when the last snooze of it ends

	// Of the acknowledgement, where there is one.
	Confirmation alert.Confirmation `json:"confirmation,omitempty"`
	EngineWords  string             `json:"engine_words,omitempty"`
	AckUntil     time.Time          `json:"ack_until,omitzero"` // when it ends by itself
}

// frame tells open tabs what an event did.
func frame(e *alert.Event, r alert.Result, now time.Time) live.Frame {
	o := r.Object
	f := AlertFrame{
		ObjectID: o.ID, State: o.State, Worst: o.State, Outcome: r.Outcome, Notice: r.Notice, Type: e.Type,
		Name: o.Name(), Host: o.HostName(), Service: o.ServiceName(), SourceID: o.SourceID,
		Output: e.Output, Updated: now, Author: e.Author, Comment: e.Comment,
		Downtime: o.Downtime, Flapping: o.Flapping,
	}
	if a := r.Alert; a != nil {
		f.ID, f.Status, f.State, f.Worst = a.ID, a.Status, a.State, a.Worst
		f.Output, f.Since, f.Updated, f.Snoozed = a.Output, a.Since.UTC(), a.Updated.UTC(), a.Snoozed
		if k := a.Ack; k != nil {
			f.Confirmation, f.EngineWords, f.AckUntil = k.Confirmation, k.Words, k.Until
			if f.Author == "" || r.Outcome == alert.AckAnswered {
				f.Author, f.Comment = k.Author, k.Comment
			}
		}
	}
	f.Output = runes(f.Output, frameOutput)
	body, err := json.Marshal(f)
	if err != nil {
		// Texts, times after year 0 and flags: there is nothing to fail on.
		panic(err)
	}
	return live.Frame{Kind: FrameKind, Body: string(body), At: now}
}

// runes answers the first n characters of s.
func runes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
