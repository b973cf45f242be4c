package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
)

// mostWarm is how many events are read of alerts that were open already when a
// history begins.
const mostWarm = 20_000

// history reads what came in, and before it what led to what was open then.
func (s *Simulator) history(ctx context.Context, r *run) error {
	h := r.request.History
	p := Page{From: h.From, To: h.To, Limit: 2000}
	if h.Source != "" {
		id, err := r.sourceOf(&input{source: h.Source})
		if err != nil {
			return err
		}
		p.SourceID = id
	}
	limit := h.Limit
	if limit == 0 {
		limit = MaxEvents
	}
	before, err := s.store.SimulationBefore(ctx, h.From, p.SourceID, mostWarm)
	if err != nil {
		return fmt.Errorf("read what was open: %w", err)
	}
	p2 := past{r: r, shift: 0}
	if !r.request.At.IsZero() {
		p2.shift = r.request.At.Sub(h.From)
	}
	for i := range before {
		p2.add(&before[i], 0)
	}
	if len(before) == mostWarm {
		r.note("More was open when it begins than is looked at: of some alerts the beginning is missing.")
	}
	r.warm, r.begin = len(r.inputs), h.From.Add(p2.shift)
	for n := 0; ; {
		events, next, err := s.store.SimulationEvents(ctx, p)
		if err != nil {
			return fmt.Errorf("read what came in: %w", err)
		}
		for i := range events {
			if n++; n > limit {
				r.note(fmt.Sprintf("The first %d events are looked at; there are more.", limit))
				break
			}
			p2.add(&events[i], n)
		}
		if p.After = next; next == "" || n > limit {
			break
		}
	}
	p2.said()
	slices.SortStableFunc(r.inputs[r.warm:], func(a, b *input) int { return a.at.Compare(b.at) })
	if len(r.inputs) == r.warm {
		return &Error{Field: "from", Problem: "and to have nothing between them that came in", Mend: "choose another stretch; events are kept as long as the settings say"}
	}
	return nil
}

// past turns what came in once into what comes in again.
type past struct {
	r       *run
	shift   time.Duration
	snoozes int
}

// add adds an event as what its cause did then. What the clock did it does by itself.
func (p *past) add(was *alert.Event, number int) {
	in := input{line: number, source: was.SourceID, at: was.Received.Add(p.shift), event: &alert.Event{
		CallID: was.ID, SourceID: was.SourceID, Type: was.Type, State: was.State, Output: was.Output, Long: was.Long,
		Author: was.Author, Comment: was.Comment, UserID: was.UserID, Origin: was.Origin, Contacts: was.Contacts, UserIDs: was.UserIDs,
		Marks: was.Marks, Sticky: was.Sticky,
		Object: alert.Object{Host: was.Object.Host, Service: was.Object.Service, HostDisplay: was.Object.HostDisplay,
			ServiceDisplay: was.Object.ServiceDisplay, URL: was.Object.URL, Labels: was.Object.Labels, State: was.State},
	}}
	e := in.event
	switch {
	case was.Origin == alert.FromExpiry || was.Origin == alert.FromDetection:
		return
	case was.Type == alert.EngineReply && was.Outcome == alert.DowntimeBegan:
		e.Type, e.Origin = alert.DowntimeStart, alert.FromEngine
	case was.Type == alert.EngineReply && was.Outcome == alert.DowntimeOver:
		e.Type, e.Origin = alert.DowntimeEnd, alert.FromEngine
	case was.Type == alert.Snooze || was.Type == alert.Unsnoozed:
		p.snoozes++
		return
	case was.Type == alert.Acknowledgement && was.Origin.Here():
		if !was.Until.IsZero() {
			in.minutes = max(1, int(was.Until.Sub(was.Received).Round(time.Minute)/time.Minute))
		}
	case was.Type == alert.Unacknowledged:
		e.Origin = alert.FromConsole
	case was.Type.Ours() || was.Origin.Here():
		return // asks the engine for something, or answers it: nobody is told
	}
	if in.late = was.Received.Sub(was.Time); in.late < 0 {
		in.late = 0
	}
	e.Grouped = restated(was)
	e.Restated = e.Grouped
	p.r.inputs = append(p.r.inputs, &in)
}

// said notes what was left out.
func (p *past) said() {
	if p.snoozes > 0 {
		p.r.note(fmt.Sprintf("%d snoozes of that time are left out: a history does not keep whose they were.", p.snoozes))
	}
}

// restated says whether an event was told for the sake of another one of its group.
// That is not kept, but what became of it is said in the words of its row.
func restated(e *alert.Event) bool {
	if e.Outcome != alert.Repeated {
		return false
	}
	for _, row := range alert.Rows(alert.Problem) {
		if row.When == alert.ForAnother {
			return strings.HasSuffix(e.Why, row.Why[strings.LastIndexByte(row.Why, '}')+1:])
		}
	}
	return false
}

// stand takes over what is known now. What lies behind the beginning of the
// simulation is as it is; what lies ahead of it began with it.
func (m *mem) stand(now *Standing) {
	clamp := func(t *time.Time) {
		if t.After(m.now) {
			*t = m.now
		}
	}
	for id, rec := range now.Records {
		clamp(&rec.Object.Changed)
		rec.Known = true
		if rec.Last != nil {
			clamp(&rec.Last.Received)
			clamp(&rec.Last.Time)
		}
		m.records[id] = rec
		if !rec.Object.Flaps.IsZero() {
			for i := range rec.Object.Turns {
				clamp(&rec.Object.Turns[i])
			}
			m.watch(rec)
		}
		a := rec.Alert
		if a == nil {
			continue
		}
		clamp(&a.Since)
		clamp(&a.Updated)
		m.writeAlert(a)
		k := m.alerts[a.ID]
		for _, x := range now.Addresses[a.ID] {
			k.at(x.ContactID, x.Channel, x.Destination).Address = x
		}
		if rec.Last != nil && rec.Last.AlertID == a.ID {
			k.latest = []*alert.Event{rec.Last}
		}
		m.asleep[a.ID] = now.Snoozes[a.ID]
	}
	for _, e := range now.Escalations {
		if m.alerts[e.AlertID] == nil {
			continue
		}
		m.run(&e)
	}
}
