package publish

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// moveUpdates gives updates the ids that they have here.
func (im *importer) moveUpdates(owner string, list []status.Update) {
	for i := range list {
		u := &list[i]
		u.ID = im.updates[owner+"/"+u.ID]
		for j := range u.Changes {
			u.Changes[j].ComponentID = im.id(OfComponent, u.Changes[j].ComponentID)
		}
		if u.Posted.IsZero() {
			u.Posted = u.At
		}
	}
}

// merged are the updates that something has and those that come, and of these the
// ones that are to be written.
func merged(have, given []status.Update) (all, todo []status.Update) {
	all = slices.Clone(have)
	for _, u := range given {
		at := slices.IndexFunc(all, func(o status.Update) bool { return o.ID == u.ID })
		if at < 0 {
			all, todo = append(all, u), append(todo, u)
			continue
		}
		u.Posted, u.By = all[at].Posted, all[at].By
		if !reflect.DeepEqual(all[at], u) {
			all[at] = u
			todo = append(todo, u)
		}
	}
	slices.SortStableFunc(all, func(a, b status.Update) int {
		if n := a.At.Compare(b.At); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, todo
}

// since says whether something was said here, that does not come, after what comes
// was written.
func (im *importer) since(have, given []status.Update) bool {
	return slices.ContainsFunc(have, func(u status.Update) bool { return u.Posted.After(im.cut) && !said(given, u.ID) })
}

func (im *importer) putIncidents() error {
	have, open := map[string]*status.Incident{}, 0
	for i := range im.was.Incidents {
		n := &im.was.Incidents[i]
		have[n.ID] = n
		if n.ResolvedAt.IsZero() {
			open++
		}
	}
	for k := range im.given.Incidents {
		if k%some == 0 {
			im.progress("incidents", k, len(im.given.Incidents))
		}
		i := im.given.Incidents[k].Own()
		i.ID, i.PageID, i.Components = im.id(OfIncident, i.ID), im.page.ID, im.parted(i.Components)
		im.moveUpdates(i.ID, i.Updates)
		was := have[i.ID]
		todo := i.Updates
		if was != nil {
			i.Created = was.Created
			if !im.ours() && i.Postmortem == "" {
				i.Postmortem = was.Postmortem
				if was.Phase == status.Postmortem && i.Phase == status.Resolved {
					i.Phase = was.Phase
				}
			}
			if !im.ours() {
				i.AlertIDs = was.AlertIDs
			}
			if im.since(was.Updates, i.Updates) { // it went on here
				i.Phase, i.ResolvedAt = was.Phase, was.ResolvedAt
			}
			// What was shown is not hidden again, and what a person took over stays hers.
			i.Draft, i.Automatic, i.PublishAt = i.Draft && was.Draft, i.Automatic && was.Automatic, was.PublishAt
			i.Updates, todo = merged(was.Updates, i.Updates)
		} else if !i.PublishAt.After(im.now) {
			i.PublishAt = time.Time{} // nobody is told by an import: the draft waits for a person
		}
		if err := i.Validate(im.now); err != nil {
			return below(fmt.Sprintf("incidents[%d].", k), err)
		}
		changed := was == nil || len(todo) > 0 || !sameIncident(was, &i)
		im.out.Incidents.count(was == nil, changed)
		if i.ResolvedAt.IsZero() && (was == nil || !was.ResolvedAt.IsZero()) {
			open++
		} else if was != nil && was.ResolvedAt.IsZero() && !i.ResolvedAt.IsZero() {
			open--
		}
		if !changed {
			continue
		}
		if err := im.tx.SaveIncident(im.ctx, &i); err != nil {
			return err
		}
		for n := range todo {
			if err := im.tx.SaveUpdate(im.ctx, i.ID, &todo[n]); err != nil {
				return err
			}
		}
	}
	return room("incidents that are open", open, MaxOpen)
}

// sameIncident compares all but updates and alerts, which are only ever added to.
func sameIncident(a, b *status.Incident) bool {
	x, y := *a, *b
	x.Updates, y.Updates = nil, nil
	if !slices.ContainsFunc(y.AlertIDs, func(id string) bool { return !slices.Contains(x.AlertIDs, id) }) {
		x.AlertIDs, y.AlertIDs = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func (im *importer) putMaintenances() error {
	have, open := map[string]*status.Maintenance{}, 0
	type begin struct {
		series string
		at     int64
	}
	begins := map[begin]string{}
	for i := range im.was.Maintenances {
		m := &im.was.Maintenances[i]
		have[m.ID] = m
		if m.Series != "" {
			begins[begin{m.Series, m.Start.UnixMilli()}] = m.ID
		}
		if !done(m.Phase) {
			open++
		}
	}
	for k := range im.given.Maintenances {
		if k%some == 0 {
			im.progress("maintenances", k, len(im.given.Maintenances))
		}
		given := &im.given.Maintenances[k]
		m := given.Own()
		m.ID, m.PageID, m.Series, m.Components = im.id(OfMaintenance, m.ID), im.page.ID, im.id(OfSeries, m.Series), im.parted(m.Components)
		im.moveUpdates(m.ID, m.Updates)
		if other := begins[begin{m.Series, m.Start.UnixMilli()}]; m.Series != "" && other != "" && other != m.ID {
			im.out.Maintenances.count(false, false)
			continue // was announced anew since
		}
		was := have[m.ID]
		todo := m.Updates
		if was != nil {
			m.Created = was.Created
			if !im.ours() { // what was decided here of it stays
				m.AutoStart, m.AutoEnd, m.Reminded = was.AutoStart, was.AutoEnd, was.Reminded
				if len(m.Components) == 0 {
					m.Components = was.Components
				}
				if done(was.Phase) && !done(m.Phase) {
					m.Phase = was.Phase
				}
			}
			if im.ours() {
				if im.since(was.Updates, m.Updates) { // it went on here
					m.Phase = was.Phase
				}
				if m.Automatic = m.Automatic && was.Automatic; m.Start.Equal(was.Start) {
					m.Reminded = was.Reminded // nobody is reminded twice
				}
			}
			m.Updates, todo = merged(was.Updates, m.Updates)
		}
		if err := m.Validate(im.now); err != nil {
			return below(fmt.Sprintf("maintenances[%d].", k), err)
		}
		ended := given.Ended.UTC().Truncate(time.Millisecond)
		changed := was == nil || len(todo) > 0 || !sameMaintenance(was, &m) || done(m.Phase) && !given.Ended.IsZero() && !im.was.Ended[m.ID].Equal(ended)
		im.out.Maintenances.count(was == nil, changed)
		switch {
		case !done(m.Phase) && (was == nil || done(was.Phase)):
			open++
		case was != nil && !done(was.Phase) && done(m.Phase):
			open--
		}
		if !changed {
			continue
		}
		if err := im.saveOne(&m, todo, ended); err != nil {
			return err
		}
	}
	if err := room("maintenances that are not over", open, MaxOpen); err != nil {
		return err
	}
	im.active, im.looked = nil, false
	if im.ours() {
		return nil // is recorded already
	}
	// What is under maintenance shows so.
	if err := im.maintenances(); err != nil {
		return err
	}
	for i := range im.active {
		if m := &im.active[i]; m.Phase == status.InProgress || m.Phase == status.Verifying {
			if err := im.reshow(m.Components, "maintenance "+m.Title); err != nil {
				return err
			}
		}
	}
	return nil
}

func (im *importer) saveOne(m *status.Maintenance, todo []status.Update, ended time.Time) error {
	if err := im.tx.SaveMaintenance(im.ctx, m); err != nil {
		return err
	}
	if done(m.Phase) && !ended.IsZero() {
		if err := im.tx.SetEnded(im.ctx, m.ID, ended); err != nil {
			return err
		}
	}
	for n := range todo {
		if err := im.tx.SaveUpdate(im.ctx, m.ID, &todo[n]); err != nil {
			return err
		}
	}
	return nil
}

func sameMaintenance(a, b *status.Maintenance) bool {
	x, y := *a, *b
	x.Updates, y.Updates = nil, nil
	return reflect.DeepEqual(x, y)
}

func (im *importer) putSeries() error {
	have, total := map[string]*Planned{}, len(im.was.Series)
	for i := range im.was.Series {
		have[im.was.Series[i].ID] = &im.was.Series[i]
	}
	for k := range im.given.Series {
		p := Planned{Series: im.given.Series[k].Own(), Last: im.given.Series[k].Planned.UTC().Truncate(time.Millisecond)}
		p.ID, p.PageID, p.Components = im.id(OfSeries, p.ID), im.page.ID, im.parted(p.Components)
		was := have[p.ID]
		if was != nil && !im.ours() {
			im.out.Series.count(false, false)
			continue // what was made of it is decided here
		}
		if err := im.checkSeries(&p.Series); err != nil {
			if !im.ours() {
				im.note("The maintenance “%s” recurs in a way that is not known here (%v): make a series of it.", p.Title, err)
				continue
			}
			// One of its components may have been deleted since.
			var f *status.FieldError
			if !errors.As(err, &f) || !strings.HasPrefix(f.Field, "components") {
				return below(fmt.Sprintf("series[%d].", k), err)
			}
		}
		changed := was == nil || !reflect.DeepEqual(*was, p)
		im.out.Series.count(was == nil, changed)
		if was == nil {
			total++
		}
		if err := room("series", total, MaxSeries); err != nil {
			return err
		}
		var err error
		switch {
		case !im.ours():
			err = im.plan(&p)
		case changed:
			err = im.tx.SaveSeries(im.ctx, &p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
