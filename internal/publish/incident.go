package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// Note is what a person writes of an incident or a maintenance.
type Note struct {
	Phase   status.Phase
	Body    string          // Markdown
	At      time.Time       // zero: now; may lie back
	Changes []status.Change // what becomes of components: From is filled in
	Restore bool            // all of its components work again, but for those in Changes
	Silent  bool            // nobody is told
	Key     string          // the caller's name of this call: the same again, by the same caller, changes nothing; empty: each is another

	id string // of the update that comes of it; empty: a new one
}

// Opening is a new incident.
type Opening struct {
	PageID     string
	Title      string
	Impact     status.Impact
	Components []string
	Started    time.Time // zero: at the note's time
	Draft      bool      // shown to nobody until PublishDraft; its changes are made then
	AlertIDs   []string
	Note       Note
}

// OpenIncident makes an incident with its first update. One that its key has made
// before is answered as it is by now.
func (d *Desk) OpenIncident(ctx context.Context, who Who, o Opening) (status.Incident, Told, error) {
	var made status.Incident
	again := false
	t, err := d.change(ctx, o.PageID, who, o.Note.Silent || o.Draft, func(j *job) error {
		id, err := keyed(who, OfIncident, o.PageID, o.Note.Key)
		if err != nil {
			return err
		}
		if o.Note.Key != "" {
			if made, err = j.tx.Incident(ctx, id); !errors.Is(err, fault.ErrNotFound) {
				again = err == nil
				return err
			}
		}
		if len(o.AlertIDs) > mostLinked || slices.ContainsFunc(o.AlertIDs, func(id string) bool { return id == "" || len(id) > 64 }) {
			return refuse("alert_ids", "are too many, or hold what is no id", fmt.Sprintf("name up to %d alerts", mostLinked))
		}
		open, err := j.tx.Incidents(ctx)
		if err != nil {
			return err
		}
		if len(open) >= MaxOpen {
			return refuse("incident", fmt.Sprintf("%d are open already", len(open)), "resolve one first")
		}
		i := status.Incident{ID: id, PageID: o.PageID, Title: o.Title, Phase: o.Note.Phase, Impact: o.Impact, Draft: o.Draft, Created: j.now,
			Started: o.Started.UTC().Truncate(time.Millisecond), Components: slices.Clone(o.Components), AlertIDs: o.AlertIDs}
		if i.Phase == "" {
			i.Phase = status.Investigating
		}
		if i.Impact == "" {
			i.Impact = status.ImpactMinor
		}
		u, err := j.update(&o.Note, i.Phase)
		if err != nil {
			return err
		}
		if i.Started.IsZero() {
			i.Started = u.At
		}
		made = i
		if err := j.post(&made, u, o.Note.Restore); err != nil {
			return err
		}
		what := "incident.open"
		if o.Draft {
			what = "incident.draft"
		}
		if err := j.audit(what, i.ID, i.Title, nil, pair{&made, &made.Updates[0]}); err != nil || o.Draft {
			return err
		}
		kind := push.IncidentNew
		if over(made.Phase) { // told of late
			kind = push.IncidentResolved
		}
		return j.tell(j.incidentMessage(kind, &made, &u))
	})
	t.Again = again
	return made, t, err
}

func over(p status.Phase) bool { return p == status.Resolved || p == status.Postmortem }

// update makes an update of a note.
func (j *job) update(n *Note, phase status.Phase) (status.Update, error) {
	id, err := newID()
	u := status.Update{ID: id, Phase: phase, Body: n.Body, At: n.At.UTC().Truncate(time.Millisecond), Posted: j.now, By: j.who.Name,
		Changes: slices.Clone(n.Changes), Silent: n.Silent}
	if n.At.IsZero() {
		u.At = j.now
	}
	return u, err
}

// post adds an update to an incident and makes what it says so, unless it is a
// draft. The incident may be a new one.
func (j *job) post(i *status.Incident, u status.Update, restore bool) error {
	if u.At.Before(i.Started) && !i.Started.After(j.now) { // one that lies ahead is refused below
		return refuse("at", "is before the incident began", "use a later time, or an earlier start")
	}
	if err := j.affect(i, u.Changes); err != nil {
		return err
	}
	if restore {
		for _, id := range i.Components {
			at, ok := j.index[id] // one that was deleted needs nothing
			if ok && j.parts[at].State != status.Operational && !slices.ContainsFunc(u.Changes, func(o status.Change) bool { return o.ComponentID == id }) {
				u.Changes = append(u.Changes, status.Change{ComponentID: id, To: status.Operational})
			}
		}
	}
	i.Phase = u.Phase
	switch {
	case !over(u.Phase):
		i.ResolvedAt = time.Time{}
	case i.ResolvedAt.IsZero():
		i.ResolvedAt = u.At
	}
	i.Updates = append(i.Updates, u)
	if err := i.Validate(j.now); err != nil {
		return err
	}
	if len(i.Updates) == 1 { // later on, one of them may be gone
		if err := j.known(i.Components); err != nil {
			return err
		}
	}
	if !i.Draft {
		if err := j.apply(u.Changes, u.At, j.who.Name, true); err != nil {
			return err
		}
		j.raised = true
	}
	if err := j.tx.SaveIncident(j.ctx, i); err != nil {
		return err
	}
	return j.tx.SaveUpdate(j.ctx, i.ID, &u)
}

// affect checks what an update makes of components, and has its incident be about
// them.
func (j *job) affect(i *status.Incident, changes []status.Change) error {
	if err := j.components(); err != nil {
		return err
	}
	for n, c := range changes {
		if c.To == status.Maintained || c.To.Rank() < 0 {
			return refuse(fmt.Sprintf("changes[%d].to", n), fmt.Sprintf("%q cannot be set", c.To), "use operational, degraded_performance, partial_outage or major_outage")
		}
		if slices.ContainsFunc(changes[:n], func(o status.Change) bool { return o.ComponentID == c.ComponentID }) {
			return refuse(fmt.Sprintf("changes[%d]", n), "is of a component that is there before", "leave one out")
		}
		if _, err := j.component(fmt.Sprintf("changes[%d].component_id", n), c.ComponentID); err != nil {
			return err
		}
		if !slices.Contains(i.Components, c.ComponentID) {
			i.Components = append(i.Components, c.ComponentID)
		}
	}
	return nil
}

// PostUpdate adds an update to an incident. It may resolve it, or open it again.
func (d *Desk) PostUpdate(ctx context.Context, who Who, id string, n Note) (status.Incident, Told, error) {
	var made status.Incident
	again := false
	t, err := d.at(ctx, OfIncident, id, who, n.Silent, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		before, n := i, n
		updateID, err := keyed(who, OfIncident, id, n.Key)
		if err != nil {
			return err
		}
		if again = said(i.Updates, updateID); again {
			made = i
			return nil
		}
		if n.Phase == "" {
			n.Phase = i.Phase
		}
		if n.Phase == status.Postmortem {
			return refuse("phase", "is no update's", "write the postmortem itself")
		}
		u, err := j.update(&n, n.Phase)
		if err != nil {
			return err
		}
		u.ID = updateID
		i.Automatic, i.PublishAt = false, time.Time{}
		made = i
		if err := j.post(&made, u, n.Restore); err != nil {
			return err
		}
		last := made.Updates[len(made.Updates)-1]
		if err := j.audit("incident.update", id, i.Title, &before, pair{&made, &last}); err != nil || i.Draft {
			return err
		}
		kind := push.IncidentUpdate
		if over(made.Phase) && !over(before.Phase) {
			kind = push.IncidentResolved
		}
		return j.tell(j.incidentMessage(kind, &made, &last))
	})
	t.Again = again
	return made, t, err
}

// said says whether an update is there already.
func said(list []status.Update, id string) bool {
	return slices.ContainsFunc(list, func(u status.Update) bool { return u.ID == id })
}

// Edit is a correction of an incident; nil leaves as it is.
type Edit struct {
	Title      *string
	Impact     *status.Impact
	Components *[]string
	Started    *time.Time
}

// EditIncident corrects an incident. Nobody is told of it.
func (d *Desk) EditIncident(ctx context.Context, who Who, id string, e Edit) (status.Incident, error) {
	var made status.Incident
	_, err := d.at(ctx, OfIncident, id, who, true, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		before := i
		if err := j.edit(&i, e); err != nil {
			return err
		}
		if err := i.Validate(j.now); err != nil {
			return err
		}
		if err := j.tx.SaveIncident(ctx, &i); err != nil {
			return err
		}
		made, j.raised = i, !i.Draft
		return j.audit("incident.change", id, i.Title, &before, &i)
	})
	return made, err
}

// EditDraft writes a draft anew: the incident, and what its last update says. What
// alerts made of components stays theirs, unless n has changes of its own; those
// are made when it is published. fault.ErrNotFound when there is no such draft any
// more.
func (d *Desk) EditDraft(ctx context.Context, who Who, id string, e Edit, n Note) (status.Incident, error) {
	var made status.Incident
	_, err := d.at(ctx, OfIncident, id, who, true, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		if !i.Draft || len(i.Updates) == 0 {
			return fmt.Errorf("draft %q: %w", id, fault.ErrNotFound)
		}
		before, was := i, i.Updates[len(i.Updates)-1]
		made = i
		if err := j.edit(&made, e); err != nil {
			return err
		}
		u := was
		u.Body = n.Body
		if n.Phase != "" {
			u.Phase = n.Phase
		}
		if !n.At.IsZero() {
			u.At = n.At.UTC().Truncate(time.Millisecond)
		}
		if u.By != automation || len(n.Changes) > 0 {
			u.By, u.Changes = who.Name, slices.Clone(n.Changes)
		}
		if err := j.affect(&made, u.Changes); err != nil {
			return err
		}
		if u.At.Before(made.Started) {
			return refuse("at", "is before the incident began", "use a later time, or an earlier start")
		}
		made.Updates = slices.Clone(i.Updates)
		made.Updates[len(made.Updates)-1] = u
		if made.Phase = u.Phase; !over(u.Phase) {
			made.ResolvedAt = time.Time{}
		} else if made.ResolvedAt.IsZero() || made.ResolvedAt.Equal(was.At) {
			made.ResolvedAt = u.At
		}
		if err := made.Validate(j.now); err != nil {
			return err
		}
		if err := j.tx.SaveIncident(ctx, &made); err != nil {
			return err
		}
		if err := j.tx.SaveUpdate(ctx, id, &u); err != nil {
			return err
		}
		return j.audit("incident.change", id, made.Title, pair{&before, &was}, pair{&made, &u})
	})
	return made, err
}

// edit corrects an incident, which is a person's from then on: a draft that
// somebody looked into waits for that person.
func (j *job) edit(i *status.Incident, e Edit) error {
	if e.Title != nil {
		i.Title = *e.Title
	}
	if e.Impact != nil {
		i.Impact = *e.Impact
	}
	if e.Components != nil {
		// One that was deleted stays where it was named.
		if err := j.known(slices.DeleteFunc(slices.Clone(*e.Components), func(id string) bool { return slices.Contains(i.Components, id) })); err != nil {
			return err
		}
		i.Components = slices.Clone(*e.Components)
	}
	if e.Started != nil {
		i.Started = e.Started.UTC().Truncate(time.Millisecond)
	}
	i.Automatic, i.PublishAt = false, time.Time{}
	return nil
}

// EditUpdate corrects what an update of an incident or a maintenance says, and
// when, where at is not zero. Nobody is told of it.
func (d *Desk) EditUpdate(ctx context.Context, who Who, of Subject, id, updateID, body string, at time.Time) error {
	_, err := d.at(ctx, of, id, who, true, func(j *job) error {
		var i status.Incident
		var m status.Maintenance
		var err error
		var list []status.Update
		if of == OfMaintenance {
			m, err = j.tx.Maintenance(ctx, id)
			list = m.Updates
		} else {
			i, err = j.tx.Incident(ctx, id)
			list = i.Updates
		}
		if err != nil {
			return err
		}
		n := slices.IndexFunc(list, func(u status.Update) bool { return u.ID == updateID })
		if n < 0 {
			return fmt.Errorf("update %q: %w", updateID, fault.ErrNotFound)
		}
		before := list[n]
		list[n].Body = body
		if !at.IsZero() {
			list[n].At = at.UTC().Truncate(time.Millisecond)
		}
		name := m.Title
		if of == OfMaintenance {
			m.Automatic = false
			if err := m.Validate(j.now); err != nil {
				return err
			}
			err = j.tx.SaveMaintenance(ctx, &m)
		} else {
			name = i.Title
			if list[n].At.Before(i.Started) {
				return refuse("at", "is before the incident began", "use a later time, or an earlier start")
			}
			i.Automatic, i.PublishAt = false, time.Time{}
			if over(before.Phase) && i.ResolvedAt.Equal(before.At) {
				i.ResolvedAt = list[n].At
			}
			if err := i.Validate(j.now); err != nil {
				return err
			}
			err = j.tx.SaveIncident(ctx, &i)
		}
		if err == nil {
			err = j.tx.SaveUpdate(ctx, id, &list[n])
		}
		if err != nil {
			return err
		}
		j.raised = !i.Draft
		return j.audit(string(of)+".update.change", id, name, &before, &list[n])
	})
	return err
}

// PublishDraft shows a draft to visitors, and makes what a person wrote into it of
// components so. fault.ErrNotFound when there is no such draft any more.
func (d *Desk) PublishDraft(ctx context.Context, who Who, id string, silent bool) (status.Incident, Told, error) {
	var made status.Incident
	t, err := d.at(ctx, OfIncident, id, who, silent, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		if !i.Draft {
			return fmt.Errorf("draft %q: %w", id, fault.ErrNotFound)
		}
		i.Automatic = false
		made = i
		return j.publishDraft(&made, "incident.publish")
	})
	return made, t, err
}

// publishDraft shows a draft. What alerts made of components stays theirs.
func (j *job) publishDraft(i *status.Incident, what string) error {
	before := *i
	i.Draft, i.PublishAt = false, time.Time{}
	if err := j.components(); err != nil {
		return err
	}
	for n := range i.Updates {
		u := &i.Updates[n]
		if u.By == automation {
			continue
		}
		u.Changes = slices.DeleteFunc(u.Changes, func(c status.Change) bool { _, ok := j.index[c.ComponentID]; return !ok })
		if err := j.apply(u.Changes, u.At, j.who.Name, true); err != nil {
			return err
		}
		if err := j.tx.SaveUpdate(j.ctx, i.ID, u); err != nil {
			return err
		}
	}
	if err := j.tx.SaveIncident(j.ctx, i); err != nil {
		return err
	}
	j.raised = true
	if len(i.Updates) == 0 {
		return j.audit(what, i.ID, i.Title, &before, i)
	}
	if err := j.audit(what, i.ID, i.Title, &before, pair{i, &i.Updates[len(i.Updates)-1]}); err != nil {
		return err
	}
	kind := push.IncidentNew
	if over(i.Phase) {
		kind = push.IncidentResolved
	}
	return j.tell(j.incidentMessage(kind, i, &i.Updates[len(i.Updates)-1]))
}

// DiscardDraft deletes a draft that visitors never saw. fault.ErrNotFound when
// there is no such draft any more.
func (d *Desk) DiscardDraft(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfIncident, id, who, true, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		if !i.Draft {
			return fmt.Errorf("draft %q: %w", id, fault.ErrNotFound)
		}
		return j.discard(&i, "incident.discard")
	})
	return err
}

func (j *job) discard(i *status.Incident, what string) error {
	if err := j.tx.DeleteIncident(j.ctx, i.ID); err != nil {
		return err
	}
	return j.audit(what, i.ID, i.Title, i, nil)
}

// DeleteIncident deletes an incident for good, whatever its phase; what was
// recorded of components stays.
func (d *Desk) DeleteIncident(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfIncident, id, who, true, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		j.raised = !i.Draft
		return j.discard(&i, "incident.delete")
	})
	return err
}

// Postmortem writes what was learned from an incident that is resolved; an empty
// text takes it away.
func (d *Desk) Postmortem(ctx context.Context, who Who, id, text string, silent bool) (Told, error) {
	return d.at(ctx, OfIncident, id, who, silent, func(j *job) error {
		i, err := j.tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		if !over(i.Phase) {
			return refuse("postmortem", "comes before the end", "resolve the incident first")
		}
		before := i
		i.Postmortem, i.Phase, i.Automatic = text, status.Postmortem, false
		if text == "" {
			i.Phase = status.Resolved
		}
		if err := i.Validate(j.now); err != nil {
			return err
		}
		if err := j.tx.SaveIncident(ctx, &i); err != nil {
			return err
		}
		j.raised = !i.Draft
		if err := j.audit("incident.postmortem", id, i.Title, &before, &i); err != nil || text == "" || i.Draft {
			return err
		}
		return j.tell(j.incidentMessage(push.IncidentUpdate, &i, &status.Update{Phase: status.Postmortem, Body: text}))
	})
}

// ByAlerts says whether alerts wrote an update, and no person has taken it over.
func ByAlerts(u *status.Update) bool { return u.By == automation }
