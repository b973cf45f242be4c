package alertmanager

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// span is for how long a silence is made at a time: if Tocsin is away, what it
// silenced is heard of again soon.
const span = time.Hour

// silence is one as Alertmanager shows and takes it.
type silence struct {
	ID        string     `json:"id,omitempty"`
	Matchers  []matcher  `json:"matchers"`
	StartsAt  time.Time  `json:"startsAt"`
	EndsAt    time.Time  `json:"endsAt"`
	CreatedBy string     `json:"createdBy"`
	Comment   string     `json:"comment"`
	UpdatedAt *time.Time `json:"updatedAt,omitempty"`
	Status    *struct {
		State string `json:"state"`
	} `json:"status,omitempty"`
}

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

func (s silence) stands() bool {
	return s.Status != nil && (s.Status.State == "active" || s.Status.State == "pending")
}

func (s silence) path() string { return url.PathEscape(s.ID) }

// of says whether the silence was made here for the same: it is found again by
// its comment, also when the note of its id is lost.
func (s silence) of(c source.Command) bool { return strings.HasSuffix(s.Comment, mark(c)) }

// ended says whether somebody ended the silence before its time, after the
// acknowledgement was made.
func (s silence) ended(c source.Command) bool {
	return !s.stands() && s.UpdatedAt != nil && s.EndsAt.Sub(*s.UpdatedAt).Abs() < 2*time.Second && s.UpdatedAt.After(c.From)
}

// mark ends the comments of our silences.
func mark(c source.Command) string {
	if c.Verb == source.ScheduleDowntime || c.Verb == source.CancelDowntime {
		return "[tocsin downtime " + c.AlertID + "]"
	}
	return "[tocsin " + c.AlertID + "]"
}

// newest is the last silence that was made here for the same, those that stand
// first.
func newest(list []silence, c source.Command) (found silence, ok bool) {
	for _, s := range list {
		if !s.of(c) {
			continue
		}
		switch {
		case !ok, s.stands() && !found.stands(), s.stands() == found.stands() && s.EndsAt.After(found.EndsAt):
			found, ok = s, true
		}
	}
	return found, ok
}

func (e *engine) silences(ctx context.Context) ([]silence, error) {
	a, err := e.client.Call(ctx, http.MethodGet, "/api/v2/silences", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	if a.Status != http.StatusOK {
		return nil, failed(a)
	}
	var list []silence
	if err := a.JSON(&list); err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	return list, nil
}

// put makes the silence, or gives one that stands the end that it should have.
func (e *engine) put(ctx context.Context, c source.Command, s silence) (source.Reply, error) {
	now := e.now().UTC()
	ends := c.Until.UTC()
	if c.Until.IsZero() {
		ends = now.Add(span)
	}
	if !ends.After(now) {
		return refused("its time is over already"), nil
	}
	if s.ID != "" && s.EndsAt.Sub(ends).Abs() < time.Second {
		return hushed(s), nil
	}
	if s.ID == "" {
		var ok bool
		if s, ok = fresh(c, now); !ok {
			return refused("a silence would not be for this alert alone: its labels are missing, or were too many or too long to be kept"), nil
		}
	}
	s.EndsAt, s.Status, s.UpdatedAt = ends, nil, nil
	a, err := e.client.Call(ctx, http.MethodPost, "/api/v2/silences", nil, s)
	if err != nil {
		return source.Reply{}, fmt.Errorf("alertmanager: %w", err)
	}
	switch {
	case a.Status == http.StatusBadRequest || a.Status == http.StatusUnprocessableEntity:
		return refused("Alertmanager took no silence: " + a.Words()), nil
	case a.Status != http.StatusOK:
		return source.Reply{}, failed(a)
	}
	var made struct {
		ID string `json:"silenceID"`
	}
	if err := a.JSON(&made); err != nil {
		return source.Reply{}, fmt.Errorf("alertmanager: %w", err)
	}
	return e.readBack(ctx, made.ID)
}

func (e *engine) readBack(ctx context.Context, id string) (source.Reply, error) {
	a, err := e.client.Call(ctx, http.MethodGet, "/api/v2/silence/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return source.Reply{}, fmt.Errorf("alertmanager: %w", err)
	}
	var s silence
	if a.Status == http.StatusOK && a.JSON(&s) == nil && s.stands() {
		return hushed(s), nil
	}
	r := pending("Alertmanager does not show the silence")
	r.Note = id
	return r, nil
}

func hushed(s silence) source.Reply {
	r := confirmed("silenced in Alertmanager until " + s.EndsAt.UTC().Format(time.DateTime) + " UTC")
	r.Note = s.ID
	return r
}

// fresh is a silence of exactly the alert's labels; false where they are not
// known as they are.
func fresh(c source.Command, now time.Time) (silence, bool) {
	labels := c.Object.Labels
	if _, altered := labels[source.TrueFingerprint]; altered || len(labels) == 0 {
		return silence{}, false
	}
	s := silence{StartsAt: now, CreatedBy: c.Author, Comment: strings.TrimSpace(c.Comment + " " + mark(c))}
	if s.CreatedBy == "" {
		s.CreatedBy = "Tocsin"
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" { // an empty label is none to Alertmanager
			s.Matchers = append(s.Matchers, matcher{Name: name, Value: labels[name], IsEqual: true})
		}
	}
	return s, len(s.Matchers) > 0
}

// status of the Alertmanager itself; Uptime is since when it runs.
type status struct {
	Uptime time.Time `json:"uptime"`
}

func (e *engine) status(ctx context.Context) (s status, err error) {
	a, err := e.client.Call(ctx, http.MethodGet, "/api/v2/status", nil, nil)
	if err != nil {
		return s, fmt.Errorf("alertmanager: %w", err)
	}
	if a.Status != http.StatusOK {
		return s, failed(a)
	}
	if err := a.JSON(&s); err != nil {
		return s, fmt.Errorf("alertmanager: %w", err)
	}
	return s, nil
}

// patience is for how long an alert must be missing from an Alertmanager that
// runs for at least as long, before it is taken for recovered: after a restart
// it knows none until Prometheus tells it again.
const patience = 5 * time.Minute

// memory is for how long what one reading showed is kept for the next ones.
const memory = time.Hour

// absence is since when an alert is not listed, and when that was last seen.
type absence struct{ since, seen time.Time }

// Watch extends silences of which less than half is left, makes those anew that
// Alertmanager forgot, and finds the alerts that are over, of which it says
// nothing while they are silenced. A downtime whose alert is no longer listed is
// not said to be over before it is clear that the alert is: nobody would look
// for that any more.
func (e *engine) Watch(ctx context.Context, acks []source.Command) ([]source.Reply, error) {
	over, absent, err := e.over(ctx, acks)
	if err != nil {
		return nil, err
	}
	var list []silence
	if e.silence {
		if list, err = e.silences(ctx); err != nil {
			return nil, err
		}
	}
	replies := make([]source.Reply, len(acks))
	for i, c := range acks {
		if c.Verb != source.ScheduleDowntime {
			c.Verb = source.Acknowledge
		}
		downtime := c.Verb == source.ScheduleDowntime
		switch {
		case downtime && !c.Since.IsZero() && over[i]:
			replies[i] = source.Reply{Confirmation: alert.Confirmed, Words: "Alertmanager lists the alert no more", Recovered: true}
		case downtime && !c.Since.IsZero() && absent[i]:
			replies[i] = source.Reply{Confirmation: alert.Pending}
		case over[i] && !downtime:
			replies[i] = refused("Alertmanager lists the alert no more")
			replies[i].Recovered = true
		case !e.silence:
			replies[i] = source.Reply{Confirmation: alert.Confirmed}
		default:
			if replies[i], err = e.keep(ctx, c, list); err != nil {
				return nil, err
			}
		}
	}
	return replies, nil
}

// keep keeps a silence up.
func (e *engine) keep(ctx context.Context, c source.Command, list []silence) (source.Reply, error) {
	s, found := newest(list, c)
	switch {
	case found && s.stands() && s.EndsAt.Sub(e.now()) > span/2:
		return hushed(s), nil
	case found && !s.stands() && e.wasEnded(s, c):
		return refused("the silence was ended in Alertmanager"), nil
	case !found || !s.stands():
		s = silence{} // forgotten, or over because nobody was there to extend it
	}
	return e.put(ctx, c, s)
}

// over says which of the alerts are over, and which are absent, so that they may
// be. A list that is too long to be read says nothing of them, and keeps no
// silence from being kept up.
func (e *engine) over(ctx context.Context, acks []source.Command) (over, absent []bool, err error) {
	s, err := e.status(ctx)
	if err != nil {
		return nil, nil, err
	}
	var list []struct {
		Fingerprint string `json:"fingerprint"`
	}
	a, err := e.client.Call(ctx, http.MethodGet, "/api/v2/alerts", nil, nil)
	if err != nil || a.Status != http.StatusOK || a.JSON(&list) != nil {
		return make([]bool, len(acks)), make([]bool, len(acks)), ctx.Err()
	}
	listed := make(map[string]bool, len(list))
	for _, l := range list {
		listed[l.Fingerprint] = true
	}
	over, absent = e.judge(acks, listed, s.Uptime)
	return over, absent, nil
}

func (e *engine) judge(acks []source.Command, listed map[string]bool, started time.Time) (over, absent []bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if !started.Equal(e.started) {
		clear(e.missing)
		e.started = started
	}
	over, absent = make([]bool, len(acks)), make([]bool, len(acks))
	for i, c := range acks {
		f := fingerprint(c.Object)
		if f == "" || listed[f] {
			delete(e.missing, f)
			continue
		}
		m, known := e.missing[f]
		if !known {
			m.since = now
		}
		m.seen = now
		e.missing[f] = m
		absent[i] = true
		over[i] = now.Sub(m.since) >= patience && now.Sub(started) >= patience
	}
	maps.DeleteFunc(e.missing, func(_ string, m absence) bool { return now.Sub(m.seen) > memory })
	return over, absent
}

// wasEnded says whether somebody ended the silence before its time. Once that
// was said it stays so, because the command's time moves on with each reading.
func (e *engine) wasEnded(s silence, c source.Command) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	maps.DeleteFunc(e.ended, func(_ string, at time.Time) bool { return now.Sub(at) > memory })
	key := s.ID + " " + c.EventID
	if _, said := e.ended[key]; !said && !s.ended(c) {
		return false
	}
	e.ended[key] = now
	return true
}

// fingerprint is what Alertmanager calls the alert, empty where that cannot be
// known.
func fingerprint(o alert.Object) string {
	if f, ok := o.Labels[source.TrueFingerprint]; ok {
		return f
	}
	if len(o.Labels) == 0 {
		return ""
	}
	return source.Fingerprint(o.Labels)
}
