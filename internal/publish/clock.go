package publish

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// clockName is who the audit trail says it was.
const clockName = "the clock"

// soon is how long the clock waits at least: the database's clock is not this
// machine's.
const soon = 250 * time.Millisecond

// WakeClock has the clock look at once. It never blocks.
func (d *Desk) WakeClock() { poke(d.clock) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// RunClock does what is due by the time until ctx ends. Any number of nodes may
// run it: each thing is done once.
func (d *Desk) RunClock(ctx context.Context) error {
	for ctx.Err() == nil {
		next, err := d.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			d.o.Log.Error("what is due on a public page was not done", "node", d.o.Node, "error", err)
		}
		wait := d.o.Poll
		if !next.IsZero() {
			wait = min(wait, max(soon, next.Sub(d.now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.clock:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (d *Desk) now() time.Time {
	if d.o.Now != nil {
		return d.o.Now()
	}
	return time.Now()
}

// Tick does once what is due by now, on every page: maintenance begins and ends,
// visitors are reminded of it, series are planned ahead, drafts are published, days
// are closed. It answers when something is due next, zero for nothing that is
// known. What goes wrong at one page holds up no other.
func (d *Desk) Tick(ctx context.Context) (next time.Time, err error) {
	tables, err := d.store.Timetable(ctx)
	if err != nil {
		return next, err
	}
	now := d.now()
	for i := range tables {
		t := &tables[i]
		due, then := t.due(now)
		for more := due; more; {
			var failed error
			_, failed = d.change(ctx, t.Page.ID, Who{Name: clockName}, false, func(j *job) (err error) {
				more, err = j.tick()
				return err
			})
			if failed != nil {
				err = fmt.Errorf("page %s: %w", t.Page.Slug, failed)
				more, then = false, now.Add(time.Second)
			}
		}
		if !then.IsZero() && (next.IsZero() || then.Before(next)) {
			next = then
		}
	}
	return next, err
}

// due says whether there is something to do at a page, and when to look again.
func (t *Timetable) due(now time.Time) (due bool, next time.Time) {
	soonest := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for i := range t.Maintenances {
		s := t.Maintenances[i].Tick(now)
		due = due || s.To != "" || s.Remind != ""
		soonest(s.Next)
		if m := &t.Maintenances[i]; endless(m) {
			due = due || !m.End.After(now)
			soonest(m.End)
		}
	}
	for i := range t.Series {
		due = due || len(nextOf(&t.Series[i], t.Maintenances, now)) > 0
	}
	for _, at := range t.Drafts {
		if at.After(now) {
			soonest(at)
		} else {
			due = true
		}
	}
	zone, err := time.LoadLocation(t.Page.Zone)
	if err != nil {
		zone = time.UTC
	}
	yesterday, midnight := lastDay(now, zone)
	soonest(midnight)
	if now.Before(t.Page.Created) {
		return due, next // see closeDays
	}
	return due || t.Closed > yesterday || t.Closed < yesterday && t.Page.Created.In(zone).Format(status.DateFormat) <= yesterday, next
}

// lastDay is the date of the last day that is over, and when the next one will be.
func lastDay(now time.Time, zone *time.Location) (date string, next time.Time) {
	today, next, err := status.DayBounds(now.In(zone).Format(status.DateFormat), zone)
	if err != nil {
		return "", time.Time{}
	}
	return today.Add(-time.Second).In(zone).Format(status.DateFormat), next
}

// tick does what is due at a page, as it is now that its turn has come. more says
// that there is too much for one transaction.
func (j *job) tick() (more bool, err error) {
	if err := j.maintenances(); err != nil {
		return false, err
	}
	for _, m := range slices.Clone(j.active) {
		if err := j.tickMaintenance(&m); err != nil {
			return false, err
		}
	}
	series, err := j.tx.Series(j.ctx)
	if err != nil {
		return false, err
	}
	for i := range series {
		if len(nextOf(&series[i], j.active, j.now)) > 0 {
			if err := j.plan(&series[i]); err != nil {
				return false, err
			}
		}
	}
	if err := j.publishDue(); err != nil {
		return false, err
	}
	return j.closeDays()
}

func (j *job) tickMaintenance(m *status.Maintenance) error {
	before := *m
	s := m.Tick(j.now)
	switch {
	case s.Remind != "":
		m.Reminded = append(slices.Clone(m.Reminded), s.Remind)
		raised := j.raised
		if err := j.saveMaintenance(m, nil); err != nil {
			return err
		}
		j.raised = raised // nobody sees that
		return j.tell(j.maintenanceMessage(m, func(l *words.Language) string { return l.T("reminder." + s.Remind) }, ""))
	case endless(m) && !m.End.After(j.now):
		return j.prolong(m)
	case s.To != "":
		if err := j.step(m, s.To, "", nil); err != nil {
			return err
		}
		return j.audit("maintenance."+string(s.To), m.ID, m.Title, &before, m)
	}
	return nil
}

// endless says whether a maintenance lasts as long as a downtime of an engine.
func endless(m *status.Maintenance) bool { return m.Automatic && m.Phase == status.InProgress }

// prolong announces a downtime that lasts for longer. One that nobody tells about
// any more, as a binding was taken away, ends.
func (j *job) prolong(m *status.Maintenance) error {
	bound, err := j.tx.Bound(j.ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(bound, func(b Bound) bool { return b.Watch.Downtime && slices.Contains(m.Components, b.Component.ID) }) {
		m.End = j.now.Add(downtimeLasts)
		return j.saveMaintenance(m, nil)
	}
	before := *m
	if err := j.step(m, status.Completed, "", nil); err != nil {
		return err
	}
	return j.audit("maintenance.completed", m.ID, m.Title, &before, m)
}

// publishDue publishes drafts of alerts that nobody looked into in time. One whose
// components a person has called well waits for a person.
func (j *job) publishDue() error {
	open, err := j.tx.Incidents(j.ctx)
	if err != nil {
		return err
	}
	if err := j.components(); err != nil {
		return err
	}
	for i := range open {
		n := &open[i]
		if !n.Draft || !n.Automatic || n.PublishAt.IsZero() || n.PublishAt.After(j.now) {
			continue
		}
		if slices.ContainsFunc(j.parts, func(c status.Component) bool {
			return c.State != status.Operational && slices.Contains(n.Components, c.ID)
		}) {
			err = j.publishDraft(n, "incident.publish")
		} else {
			n.PublishAt = time.Time{}
			err = j.tx.SaveIncident(j.ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reopenDays has the clock close days anew when the page goes by another zone, from
// all that is recorded: days of two zones beside each other would have hours twice,
// or leave some out. Older days, of which no intervals are kept, stay as they are.
func (j *job) reopenDays(name string) error {
	zone, err := time.LoadLocation(name)
	if err != nil || j.closed == "" {
		return err //nolint:wrapcheck // was checked before
	}
	var last time.Time
	switch {
	case !j.kept.After(j.page.Created):
		last = j.page.Created.Add(-48 * time.Hour) // by the zone before, its first day may have been an earlier one
	case dayOf(j.kept, zone).Equal(j.kept):
		last = j.kept.Add(-time.Second)
	default:
		last = j.kept
	}
	return j.tx.Close(j.ctx, last.In(zone).Format(status.DateFormat))
}

// mostDays is how many days are closed in one transaction.
const mostDays = 31

// closeDays writes down the days that are over. The page's version stays, as
// visitors see what they saw, unless there are several: they may have been closed
// before, by another zone. more says that some are left. Days that were closed while
// the clock was ahead are opened again: what is still to come cannot be known. Where
// that would lose days, as not all is kept that they were counted from, or the page
// would be older than its clock, the clock is taken for one that is behind, as that of
// a machine that begins in 1970, and nothing is done before it is right.
func (j *job) closeDays() (more bool, err error) {
	last, _ := lastDay(j.now, j.zone)
	switch {
	case j.now.Before(j.page.Created), j.closed > last && dayOf(j.now, j.zone).Before(j.kept):
		return false, nil
	case last == "" || j.closed == last:
		return false, nil
	case j.closed > last:
		j.raised = true
		return false, j.tx.Close(j.ctx, last)
	}
	from := dayOf(j.page.Created, j.zone)
	if j.closed != "" {
		_, after, err := status.DayBounds(j.closed, j.zone)
		if err != nil {
			return false, err
		}
		from = after
	}
	if most := from.In(j.zone).AddDate(0, 0, mostDays).Format(status.DateFormat); most < last {
		last, more = most, true
	}
	_, end, err := status.DayBounds(last, j.zone)
	if err != nil {
		return false, err
	}
	if from.Before(end) {
		if err := j.components(); err != nil {
			return false, err
		}
		intervals, err := j.tx.Intervals(j.ctx, "", from)
		if err != nil {
			return false, err
		}
		var days []status.Day
		several := end.Sub(from) > 36*time.Hour
		for i := range j.parts {
			id := j.parts[i].ID
			list := status.Days(id, intervals[id], j.zone, from, end)
			if !several {
				list = known(list)
			}
			days = append(days, list...)
		}
		j.raised = j.raised || several
		if err := j.tx.SaveDays(j.ctx, days); err != nil {
			return false, err
		}
	}
	return more, j.tx.Close(j.ctx, last)
}
