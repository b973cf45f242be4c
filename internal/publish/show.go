package publish

import (
	"slices"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
)

// set gives a component a state since a time, which may lie back. What was
// recorded after that time is replaced; work that went on meanwhile still shows
// where nothing was wrong.
func (j *job) set(c *status.Component, to status.State, since time.Time, by string, byHand bool) error {
	if c.State == to && c.ByHand == byHand && !since.Before(c.Since) {
		return nil
	}
	if c.State != to || since.Before(c.Since) {
		j.well = j.well || to == status.Operational
		c.State, c.Since = to, since
		j.raised = true
	}
	c.ByHand = byHand
	if err := j.tx.SaveComponent(j.ctx, c); err != nil {
		return err
	}
	return j.record(c, since, by)
}

// record writes down how a component shows since a time.
func (j *job) record(c *status.Component, since time.Time, by string) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	shown := c.State
	if j.maintained(c.ID) {
		shown = status.Worst(c.State, status.Maintained)
	}
	for _, least := range []time.Time{j.kept, c.Created} {
		if since.Before(least) {
			since = least
		}
	}
	if since.After(j.now) {
		since = j.now
	}
	found, err := j.tx.Intervals(j.ctx, c.ID, since)
	if err != nil {
		return err
	}
	old := found[c.ID]
	list := rewritten(old, c.State, shown, since, j.now, by)
	if n := len(old); n > 0 && old[n-1].State == list[0].State && !old[n-1].Start.After(since) && len(list) == 1 {
		return nil // it showed so already
	}
	j.raised = true
	if err := j.tx.PutIntervals(j.ctx, c.ID, since, list); err != nil {
		return err
	}
	return j.recount(c.ID, since)
}

// rewritten is what is recorded from since on when a component has state, and
// shows as shown now.
func rewritten(old []status.Interval, state, shown status.State, since, now time.Time, by string) []status.Interval {
	var out []status.Interval
	add := func(s status.State, start time.Time) {
		if n := len(out); n > 0 && (out[n-1].State == s || !start.After(out[n-1].Start)) {
			out[n-1].State = s
			return
		}
		out = append(out, status.Interval{State: s, Start: start, By: by})
	}
	for _, i := range old {
		if !i.Start.Before(now) {
			break
		}
		s := state
		if i.State == status.Maintained {
			s = status.Worst(state, status.Maintained)
		}
		start := i.Start
		if start.Before(since) {
			start = since
		}
		add(s, start)
	}
	if len(out) == 0 && since.Before(now) {
		add(state, since)
	}
	add(shown, now)
	for i := range out[:len(out)-1] {
		out[i].End = out[i+1].Start
	}
	return out
}

// recount closes anew what was closed of a component since a time: who writes
// down later what happened means to change it.
func (j *job) recount(id string, since time.Time) error {
	if j.closed == "" {
		return nil
	}
	_, open, err := status.DayBounds(j.closed, j.zone)
	if err != nil || !since.Before(open) {
		return err
	}
	if day := dayOf(since, j.zone); day.Before(j.kept) {
		// Of its first hours nothing is kept any more: the page goes by another zone
		// than when they were pruned. It stays as it was counted.
		if _, since, err = status.DayBounds(day.In(j.zone).Format(status.DateFormat), j.zone); err != nil || !since.Before(open) {
			return err
		}
	}
	found, err := j.tx.Intervals(j.ctx, id, dayOf(since, j.zone))
	if err != nil {
		return err
	}
	return j.tx.SaveDays(j.ctx, known(status.Days(id, found[id], j.zone, since, open)))
}

// dayOf is the beginning of the day of a time.
func dayOf(t time.Time, zone *time.Location) time.Time {
	from, _, err := status.DayBounds(t.In(zone).Format(status.DateFormat), zone)
	if err != nil {
		return t
	}
	return from
}

// known leaves out days of which nothing is known: they need no row.
func known(days []status.Day) []status.Day {
	return slices.DeleteFunc(days, func(d status.Day) bool { return d.Worst == status.NoData })
}

// down and up say whether a change of state is told as a component that is down,
// or as one that has recovered.
func down(from, to status.State) bool {
	return from.Rank() < status.Partial.Rank() && to.Rank() >= status.Partial.Rank()
}

func up(from, to status.State) bool { return down(to, from) }

// apply makes changes of components' states, and fills in what they were. It
// tells those who want to hear of components.
func (j *job) apply(changes []status.Change, since time.Time, by string, byHand bool) error {
	for i := range changes {
		c, err := j.component("changes", changes[i].ComponentID)
		if err != nil {
			return err
		}
		changes[i].From = c.State
		if err := j.set(c, changes[i].To, since, by, byHand); err != nil {
			return err
		}
	}
	return j.tellComponents(changes)
}

// tellComponents tells of components that went down or recovered, all that did so
// at once in one message each.
func (j *job) tellComponents(changes []status.Change) error {
	for _, k := range []struct {
		kind push.Kind
		did  func(from, to status.State) bool
	}{{push.ComponentDown, down}, {push.ComponentRecovered, up}} {
		var ids []string
		worst := status.Operational
		for _, c := range changes {
			if i, ok := j.index[c.ComponentID]; ok && k.did(c.From, c.To) && !j.parts[i].Hidden {
				ids = append(ids, c.ComponentID)
				worst = status.Worst(worst, c.To)
			}
		}
		if len(ids) > 0 {
			if err := j.tell(componentMessage(k.kind, worst, ids)); err != nil {
				return err
			}
		}
	}
	return nil
}
