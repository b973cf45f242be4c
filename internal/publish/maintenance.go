package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
	"tocsin/internal/status/words"
)

// SaveMaintenance announces a maintenance, with what there is to say of it, or
// changes one that has an id: its title, times, components and what happens by
// itself, not its phase. ErrOver when it is.
func (d *Desk) SaveMaintenance(ctx context.Context, who Who, given status.Maintenance, n Note) (status.Maintenance, Told, error) {
	var made status.Maintenance
	again := false
	t, err := d.change(ctx, given.PageID, who, n.Silent, func(j *job) error {
		m := given
		id, err := keyed(who, OfMaintenance, given.PageID, n.Key)
		if err != nil {
			return err
		}
		if m.ID == "" && n.Key != "" {
			if made, err = j.tx.Maintenance(ctx, id); !errors.Is(err, fault.ErrNotFound) {
				again = err == nil
				return err
			}
		}
		m.Start, m.End = m.Start.UTC().Truncate(time.Millisecond), m.End.UTC().Truncate(time.Millisecond)
		m.Impact = impactOf(m.Impact)
		if err := j.known(m.Components); err != nil {
			return err
		}
		if m.ID == "" {
			m.ID = id
			err = j.announce(&m, n)
		} else {
			err = j.changeMaintenance(&m, n)
		}
		made = m
		return err
	})
	d.WakeClock()
	t.Again = again
	return made, t, err
}

func (j *job) announce(m *status.Maintenance, n Note) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	if len(j.active) >= MaxOpen {
		return refuse("maintenance", fmt.Sprintf("%d are not over yet", len(j.active)), "cancel one first")
	}
	if m.AutoEnd && !m.End.After(j.now) {
		return refuse("end", "lies back", "use a later time")
	}
	u, err := j.update(&n, status.Scheduled)
	if err != nil {
		return err
	}
	u.Changes = nil
	m.Phase, m.Created, m.Reminded, m.Automatic = status.Scheduled, j.now, nil, false
	m.Updates = []status.Update{u}
	if err := m.Validate(j.now); err != nil {
		return err
	}
	if err := j.saveMaintenance(m, &u); err != nil {
		return err
	}
	if err := j.audit("maintenance.announce", m.ID, m.Title, nil, m); err != nil {
		return err
	}
	return j.tell(j.maintenanceMessage(m, func(l *words.Language) string { return l.Phase(status.Scheduled) }, u.Body))
}

func (j *job) changeMaintenance(m *status.Maintenance, n Note) error {
	have, err := j.tx.Maintenance(j.ctx, m.ID)
	if err != nil {
		return err
	}
	if done(have.Phase) {
		return fmt.Errorf("maintenance %q %w", have.Title, ErrOver)
	}
	before, moved := have, !have.Start.Equal(m.Start)
	told := moved || !have.End.Equal(m.End) // whoever heard of its times hears of others
	m.Phase, m.Created, m.Series, m.Updates, m.Automatic, m.Reminded = have.Phase, have.Created, have.Series, have.Updates, false, have.Reminded
	if moved {
		m.Reminded = nil
	}
	if n.Body != "" {
		u, err := j.update(&n, m.Phase)
		if err != nil {
			return err
		}
		u.Changes = nil
		m.Updates = append(m.Updates, u)
		if err := j.tx.SaveUpdate(j.ctx, m.ID, &u); err != nil {
			return err
		}
	}
	if err := m.Validate(j.now); err != nil {
		return err
	}
	if err := j.saveMaintenance(m, nil); err != nil {
		return err
	}
	if err := j.reshow(slices.Concat(before.Components, m.Components), "maintenance "+m.Title); err != nil {
		return err
	}
	if err := j.audit("maintenance.change", m.ID, m.Title, &before, m); err != nil || !told && n.Body == "" {
		return err
	}
	return j.tell(j.maintenanceMessage(m, func(l *words.Language) string { return l.Phase(m.Phase) }, n.Body))
}

func done(p status.Phase) bool { return p == status.Completed || p == status.Cancelled }

// saveMaintenance writes a maintenance, and an update of it where there is one.
func (j *job) saveMaintenance(m *status.Maintenance, u *status.Update) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	if err := j.tx.SaveMaintenance(j.ctx, m); err != nil {
		return err
	}
	j.raised = true
	at := slices.IndexFunc(j.active, func(o status.Maintenance) bool { return o.ID == m.ID })
	if at < 0 {
		j.active = append(j.active, *m)
	} else {
		j.active[at] = *m
	}
	if u == nil {
		return nil
	}
	return j.tx.SaveUpdate(j.ctx, m.ID, u)
}

// reshow records how components show after a maintenance changed.
func (j *job) reshow(ids []string, by string) error {
	if err := j.components(); err != nil {
		return err
	}
	for _, id := range ids {
		if i, ok := j.index[id]; ok {
			if err := j.record(&j.parts[i], j.now, by); err != nil {
				return err
			}
		}
	}
	return nil
}

// PostMaintenance adds an update to a maintenance that is not over; its phase may
// begin, end or cancel it.
func (d *Desk) PostMaintenance(ctx context.Context, who Who, id string, n Note) (status.Maintenance, Told, error) {
	var made status.Maintenance
	again := false
	t, err := d.at(ctx, OfMaintenance, id, who, n.Silent, func(j *job) error {
		m, err := j.tx.Maintenance(ctx, id)
		if err != nil {
			return err
		}
		n := n
		if n.id, err = keyed(who, OfMaintenance, id, n.Key); err != nil {
			return err
		}
		if again = said(m.Updates, n.id); again {
			made = m
			return nil
		}
		if done(m.Phase) {
			return fmt.Errorf("maintenance %q %w", m.Title, ErrOver)
		}
		before := m
		if n.Phase == "" {
			n.Phase = m.Phase
		}
		if len(n.Changes) > 0 {
			return refuse("changes", "are no maintenance's", "set the components' state, or open an incident")
		}
		m.Automatic = false
		if err := j.step(&m, n.Phase, n.Body, &n); err != nil {
			return err
		}
		made = m
		return j.audit("maintenance.update", id, m.Title, &before, &m)
	})
	d.WakeClock()
	t.Again = again
	return made, t, err
}

// DeleteMaintenance deletes a maintenance for good, whatever its phase; what was
// recorded of components stays.
func (d *Desk) DeleteMaintenance(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfMaintenance, id, who, true, func(j *job) error {
		m, err := j.tx.Maintenance(ctx, id)
		if err != nil {
			return err
		}
		if err := j.maintenances(); err != nil {
			return err
		}
		j.active = slices.DeleteFunc(j.active, func(o status.Maintenance) bool { return o.ID == id })
		j.raised = true
		if err := j.tx.DeleteMaintenance(ctx, id); err != nil {
			return err
		}
		if err := j.reshow(m.Components, "maintenance "+m.Title); err != nil {
			return err
		}
		return j.audit("maintenance.delete", id, m.Title, &m, nil)
	})
	d.WakeClock()
	return err
}

// CancelMaintenance ends a maintenance that does not take place.
func (d *Desk) CancelMaintenance(ctx context.Context, who Who, id, body string, silent bool) (status.Maintenance, Told, error) {
	return d.PostMaintenance(ctx, who, id, Note{Phase: status.Cancelled, Body: body, Silent: silent})
}

// step brings a maintenance into a phase, says so and tells of it. Without a body
// it says what there is to say.
func (j *job) step(m *status.Maintenance, to status.Phase, body string, n *Note) error {
	if body == "" {
		body = j.language().T("maintenance_says." + string(to))
	}
	note := Note{Body: body, Silent: j.silent}
	if n != nil {
		note.At = n.At
	}
	u, err := j.update(&note, to)
	if err != nil {
		return err
	}
	if n != nil && n.id != "" {
		u.ID = n.id
	}
	m.Phase, m.Updates = to, append(m.Updates, u)
	j.worked = true
	if n != nil { // what the clock and engines do is always done: all else of the page waits behind it
		if err := m.Validate(j.now); err != nil {
			return err
		}
	}
	if err := j.saveMaintenance(m, &u); err != nil {
		return err
	}
	if err := j.reshow(m.Components, "maintenance "+m.Title); err != nil {
		return err
	}
	return j.tell(j.maintenanceMessage(m, func(l *words.Language) string { return l.Phase(to) }, body))
}

// The next maintenances of a series that are announced ahead.
const (
	ahead   = 3
	horizon = 400 * 24 * time.Hour

	farthest = 2200 // year in which a series may still end
)

// SaveSeries makes maintenance that comes again, or changes one that has an id:
// what was announced of it and has not begun is announced anew, but for what a
// person changed, moved or said more of since: that stays. A date that was deleted
// does not come back, unless the series comes at another time from now on.
func (d *Desk) SaveSeries(ctx context.Context, who Who, given status.Series) (status.Series, error) {
	var made status.Series
	_, err := d.change(ctx, given.PageID, who, true, func(j *job) error {
		s := given
		if err := j.checkSeries(&s); err != nil {
			return err
		}
		have, err := j.tx.Series(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(have, func(o Planned) bool { return o.ID == s.ID })
		p := Planned{Series: s}
		var gone []time.Time
		var before any
		switch {
		case s.ID != "" && at < 0:
			return fmt.Errorf("series %q: %w", s.ID, fault.ErrNotFound)
		case s.ID != "":
			before = &have[at]
			if gone, err = j.dropped(&have[at]); err != nil {
				return err
			}
			if err := j.withdraw(s.ID, &have[at].Series); err != nil {
				return err
			}
		case len(have) >= MaxSeries:
			return refuse("series", fmt.Sprintf("there are %d already", len(have)), "delete one first")
		default:
			if p.ID, err = newID(); err != nil {
				return err
			}
		}
		made = p.Series
		if err := j.plan(&p, gone...); err != nil {
			return err
		}
		return j.audit("series.save", p.ID, p.Title, before, &p)
	})
	d.WakeClock()
	return made, err
}

// checkSeries holds a series to the rules of the maintenances that come of it.
func (j *job) checkSeries(s *status.Series) error {
	s.Impact, s.Start = impactOf(s.Impact), s.Start.UTC().Truncate(time.Minute)
	if s.Minutes < 1 || s.Minutes > 14*24*60 {
		return refuse("minutes", "is out of range", "use 1 minute to 14 days")
	}
	m := occurrence(s, s.Start)
	m.Updates = []status.Update{{Body: s.Body}}
	if err := m.Validate(j.now); err != nil {
		return err
	}
	if !s.Until.IsZero() && s.Until.Before(s.Start) {
		return refuse("until", "is before the first one", "use a later time")
	}
	if s.Until.Year() > farthest {
		return refuse("until", "lies too far ahead", "leave it out where there is no end")
	}
	r, err := recur.Parse(s.Rule, s.Zone, s.Start)
	if err != nil {
		var e *recur.Error
		if errors.As(err, &e) {
			return refuse(e.Field, e.Problem, e.Mend)
		}
		return err
	}
	s.Rule = r.String()
	return j.known(s.Components)
}

func occurrence(s *status.Series, at time.Time) status.Maintenance {
	return status.Maintenance{PageID: s.PageID, Title: s.Title, Phase: status.Scheduled, Impact: s.Impact, Components: s.Components, Start: at,
		End: at.Add(time.Duration(s.Minutes) * time.Minute), AutoStart: true, AutoEnd: true, Series: s.ID}
}

// dropped are the dates of a series to come that were planned once and are not
// there any more: somebody deleted or moved what was announced of them.
func (j *job) dropped(p *Planned) ([]time.Time, error) {
	if !p.Last.After(j.now) {
		return nil, nil
	}
	r, err := recur.Parse(p.Rule, p.Zone, p.Start)
	if err != nil {
		return nil, nil //nolint:nilerr // was checked when it was saved; this machine may know fewer zones
	}
	made, err := j.tx.Begins(j.ctx, p.ID, j.now)
	if err != nil {
		return nil, err
	}
	// No more than the days until then: no series comes more often than daily.
	dates := r.After(j.now, int(p.Last.Sub(j.now)/(24*time.Hour))+2)
	return slices.DeleteFunc(dates, func(at time.Time) bool { return at.After(p.Last) || slices.ContainsFunc(made, at.Equal) }), nil
}

// untouched says whether a maintenance is as its series announced it.
func untouched(m *status.Maintenance, s *status.Series) bool {
	r, err := recur.Parse(s.Rule, s.Zone, s.Start)
	if err != nil {
		return false
	}
	on := r.After(m.Start.Add(-time.Millisecond), 1)
	o := occurrence(s, m.Start)
	return len(on) > 0 && on[0].Equal(m.Start) && m.Title == o.Title && m.Impact == o.Impact && m.End.Equal(o.End) && slices.Equal(m.Components, o.Components) &&
		m.AutoStart && m.AutoEnd && len(m.Updates) == 1 && m.Updates[0].Body == s.Body
}

// withdraw deletes what was announced of a series and has not begun; of one that
// stays as it was, nothing that a person changed.
func (j *job) withdraw(id string, stays *status.Series) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	var left []status.Maintenance
	for i := range j.active {
		m := &j.active[i]
		if m.Series != id || m.Phase != status.Scheduled || stays != nil && !untouched(m, stays) {
			left = append(left, *m)
			continue
		}
		j.raised = true
		if err := j.tx.DeleteMaintenance(j.ctx, m.ID); err != nil {
			return err
		}
	}
	j.active = left
	return nil
}

// plan makes the next maintenances of a series, as many as are announced ahead.
// None is made twice, and one that was cancelled or deleted does not come again:
// gone are those of which the series itself does not know it.
func (j *job) plan(p *Planned, gone ...time.Time) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	made, err := j.tx.Begins(j.ctx, p.ID, j.now)
	if err != nil {
		return err
	}
	for due := nextOf(p, j.active, j.now); len(due) > 0; due = nextOf(p, j.active, j.now) {
		at := due[0]
		if p.Last = at; slices.ContainsFunc(made, at.Equal) || slices.ContainsFunc(gone, at.Equal) {
			continue
		}
		m := occurrence(&p.Series, at)
		if m.ID, err = newID(); err != nil {
			return err
		}
		m.Created = j.now
		u, err := j.update(&Note{Body: p.Body, Silent: true}, status.Scheduled)
		if err != nil {
			return err
		}
		m.Updates = []status.Update{u}
		if err := j.saveMaintenance(&m, &u); err != nil {
			return err
		}
	}
	return j.tx.SaveSeries(j.ctx, p)
}

// nextOf are the begins of a series that are still to be made.
func nextOf(p *Planned, active []status.Maintenance, now time.Time) []time.Time {
	n := 0
	for i := range active {
		if active[i].Series == p.ID && active[i].Phase == status.Scheduled {
			n++
		}
	}
	if n >= ahead {
		return nil
	}
	r, err := recur.Parse(p.Rule, p.Zone, p.Start)
	if err != nil {
		return nil // was checked when it was saved; this machine may know fewer zones
	}
	from := now
	if p.Last.After(from) {
		from = p.Last
	}
	return slices.DeleteFunc(r.After(from, ahead-n), func(at time.Time) bool {
		return at.Sub(now) > horizon || !p.Until.IsZero() && at.After(p.Until)
	})
}

// DeleteSeries ends a series; what was announced of it and has not begun goes too.
func (d *Desk) DeleteSeries(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfSeries, id, who, true, func(j *job) error {
		have, err := j.tx.Series(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(have, func(o Planned) bool { return o.ID == id })
		if at < 0 {
			return fmt.Errorf("series %q: %w", id, fault.ErrNotFound)
		}
		if err := j.withdraw(id, nil); err != nil {
			return err
		}
		if err := j.tx.DeleteSeries(ctx, id); err != nil {
			return err
		}
		return j.audit("series.delete", id, have[at].Title, &have[at], nil)
	})
	return err
}
