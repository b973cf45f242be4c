package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// automation is who did what alerts did.
const automation = "Tocsin, for the alerts"

// WakeAlerts has RunAlerts look: something about alerts or bindings may have
// changed. It never blocks.
func (d *Desk) WakeAlerts() { poke(d.alerts) }

// RunAlerts makes components what the alerts that they are bound to say, until ctx
// ends. What is true is read from the database each time, so nothing that was
// missed stays wrong, and any number of nodes may run it.
func (d *Desk) RunAlerts(ctx context.Context) error {
	for ctx.Err() == nil {
		next, err := d.Watch(ctx)
		if err != nil && ctx.Err() == nil {
			d.o.Log.Error("components do not follow their alerts", "node", d.o.Node, "error", err)
		}
		// A storm is looked at once in a while, not once an alert.
		pause := time.NewTimer(d.o.Pause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
		wait := d.o.Poll
		if !next.IsZero() {
			wait = min(wait, max(0, next.Sub(d.now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.alerts:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Watch looks once at all alerts, and makes so what has held for as long as it
// must. It answers when a hold-down ends next, zero for none. It is for one
// goroutine at a time.
func (d *Desk) Watch(ctx context.Context) (next time.Time, err error) {
	bound, err := d.store.Bound(ctx)
	if err != nil || len(bound) == 0 {
		return next, err
	}
	troubles, err := d.store.Troubles(ctx)
	if err != nil {
		return next, err
	}
	if err := d.held(ctx, bound, troubles); err != nil {
		return next, err
	}
	now := d.now()
	pages := map[string]map[string]want{}
	alive := make(map[string]pending, len(bound))
	for i, v := range d.all.judge(bound, troubles) {
		b := &bound[i]
		c := &b.Component
		p := d.pending[c.ID]
		lasted, then := p.look(&v, now)
		alive[c.ID] = p
		if !then.IsZero() && (next.IsZero() || then.Before(next)) {
			next = then
		}
		w := want{state: b.Watch.State, downtime: v.downtime}
		switch {
		case v.state.Rank() < b.Watch.State.Rank():
			w.state = v.state
		case lasted.Rank() > b.Watch.State.Rank():
			w.state = lasted
		}
		w.agree = c.ByHand && c.State == w.state
		// Nobody's hand is on it, and it is not what its alerts say: it was bound, or
		// came from elsewhere, in a state of its own.
		stray := !c.ByHand && c.State != w.state
		if w.state != b.Watch.State || w.downtime != b.Watch.Downtime || w.agree || stray {
			if pages[c.PageID] == nil {
				pages[c.PageID] = map[string]want{}
			}
			pages[c.PageID][c.ID] = w
		}
	}
	d.pending = alive
	for _, id := range slices.Sorted(maps.Keys(pages)) {
		m := d.matchers[id]
		if m == nil {
			m = &matcher{}
			d.matchers[id] = m
		}
		// Which alert is whose is found out here rather than in the transaction, for
		// which everybody waits.
		m.judge(slices.DeleteFunc(slices.Clone(bound), func(b Bound) bool { return b.Component.PageID != id }), troubles)
		if _, failed := d.change(ctx, id, Who{Name: automation}, false, func(j *job) error { return j.follow(m, pages[id]) }); failed != nil {
			err = fmt.Errorf("page %s: %w", id, failed)
			next = now.Add(d.o.Pause)
		}
	}
	return next, err
}

// moved is a component that alerts brought into another state.
type moved struct {
	b      *Bound
	v      *verdict
	change status.Change
}

// follow makes so what was wanted, as far as it is still true now that its turn
// has come.
func (j *job) follow(m *matcher, wants map[string]want) error {
	bound, err := j.tx.Bound(j.ctx)
	if err != nil {
		return err
	}
	troubles, err := j.tx.Troubles(j.ctx)
	if err != nil {
		return err
	}
	if err := j.components(); err != nil {
		return err
	}
	verdicts := m.judge(bound, troubles)
	var worse []moved
	var changes []status.Change
	better, before := false, map[string]bool{}
	for i := range bound {
		b, v := &bound[i], &verdicts[i]
		before[b.Component.ID] = b.Watch.Downtime
		w, asked := wants[b.Component.ID]
		if !asked {
			continue
		}
		was := b.Watch
		b.Watch.State = still(was.State, w.state, v.state)
		b.Watch.Downtime = v.downtime
		if b.Watch != was {
			if err := j.tx.SaveWatch(j.ctx, b.Component.ID, b.Watch); err != nil {
				return err
			}
		}
		change, err := j.obey(b, v)
		if err != nil {
			return err
		}
		if change.From != change.To {
			changes = append(changes, change)
		}
		if b.Watch.State.Rank() > was.State.Rank() {
			worse = append(worse, moved{b, v, change})
		}
		better = better || b.Watch.State.Rank() < was.State.Rank()
	}
	if err := j.tellComponents(changes); err != nil {
		return err
	}
	if err := j.raiseIncident(worse); err != nil {
		return err
	}
	if better {
		if err := j.endIncidents(bound); err != nil {
			return err
		}
	}
	return j.followDowntimes(bound, verdicts, before)
}

// still is what a component's alerts say by now: what was wanted if it is still at
// least so bad, or no longer so bad.
func still(was, wanted, now status.State) status.State {
	switch {
	case now.Rank() < was.Rank():
		return now
	case wanted.Rank() > was.Rank() && now.Rank() >= wanted.Rank():
		return wanted
	}
	return was
}

// obey makes a component what its alerts say, unless a person has said otherwise
// and they do not agree yet.
func (j *job) obey(b *Bound, v *verdict) (status.Change, error) {
	c := &j.parts[j.index[b.Component.ID]]
	change := status.Change{ComponentID: c.ID, From: c.State, To: c.State}
	if c.ByHand {
		if c.State != b.Watch.State {
			return change, nil
		}
		c.ByHand = false
		return change, j.tx.SaveComponent(j.ctx, c)
	}
	if c.State == b.Watch.State {
		return change, nil
	}
	by := v.by
	if by == "" {
		by = "its alerts are over"
	}
	change.To = b.Watch.State
	before := *c
	if err := j.set(c, change.To, j.now, by, false); err != nil {
		return change, err
	}
	return change, j.audit("component.state", c.ID, c.Name, &before, c)
}

// impactFor is the impact of an incident in which components got so bad.
func impactFor(s status.State) status.Impact {
	switch s {
	case status.Major:
		return status.ImpactCritical
	case status.Partial:
		return status.ImpactMajor
	}
	return status.ImpactMinor
}

func rank(i status.Impact) int { return push.Impact(i).Rank() }

// raiseIncident makes an incident of components that got worse, where they ask for
// one, or lets the one grow that the same storm has made already. A component
// that a person writes about gets none of its own, and one that a person is to
// decide about does not get into what is published without one.
func (j *job) raiseIncident(worse []moved) error {
	worse = slices.DeleteFunc(worse, func(m moved) bool { return m.v.incident == "" })
	if len(worse) == 0 {
		return nil
	}
	open, err := j.tx.Incidents(j.ctx)
	if err != nil {
		return err
	}
	storms := map[bool]*status.Incident{} // by whether nobody is asked
	for i := range open {
		n := &open[i]
		var mine, left []moved
		for _, m := range worse {
			if slices.Contains(n.Components, m.b.Component.ID) {
				mine = append(mine, m)
			} else {
				left = append(left, m)
			}
		}
		if n.Automatic && len(n.Updates) > 0 && j.now.Sub(n.Updates[len(n.Updates)-1].At) <= j.d.o.Storm {
			storms[!n.Draft || !n.PublishAt.IsZero()] = n
		}
		if len(mine) == 0 {
			continue
		}
		worse = left
		if n.Automatic {
			err = j.growOn(n, mine)
		} else { // who writes sees the alerts beside
			n.AlertIDs = nil
			for _, m := range mine {
				n.AlertIDs = append(n.AlertIDs, m.v.alerts...)
			}
			err = j.tx.SaveIncident(j.ctx, n)
		}
		if err != nil {
			return err
		}
	}
	for _, alone := range []bool{true, false} {
		some := slices.DeleteFunc(slices.Clone(worse), func(m moved) bool { return (m.v.incident == "publish") != alone })
		if len(some) == 0 {
			continue
		}
		if err := j.raise(some, storms[alone], len(open), alone); err != nil {
			return err
		}
	}
	return nil
}

// raise has the incident of a storm grow, or makes one. open is how many there are;
// alone says that nobody is asked before it is published.
func (j *job) raise(worse []moved, storm *status.Incident, open int, alone bool) error {
	if storm != nil {
		return j.growOn(storm, worse)
	}
	if open >= MaxOpen {
		return nil
	}
	if !alone { // what was to be published and ended first is gone
		if again, err := j.again(worse); err != nil || again != nil {
			if err != nil {
				return err
			}
			return j.grow(again, worse, "incident.again", nil)
		}
	}
	made := status.Incident{PageID: j.page.ID, Phase: status.Investigating, Impact: status.ImpactMinor, Draft: true, Automatic: true, Created: j.now, Started: j.now}
	var err error
	if made.ID, err = newID(); err != nil {
		return err
	}
	u, err := j.update(&Note{}, status.Investigating)
	if err != nil {
		return err
	}
	made.Updates = []status.Update{u}
	return j.grow(&made, worse, "incident.draft", nil)
}

// mostAgain is how much is said of a draft that ends and begins again and again.
const mostAgain = 40

// again is a draft of the same storm that ended a moment ago, as what begins once
// more: a component that comes and goes makes no draft each time. Nil if there is
// none.
func (j *job) again(worse []moved) (*status.Incident, error) {
	ended, err := j.tx.EndedDrafts(j.ctx, j.now.Add(-j.d.o.Storm))
	if err != nil {
		return nil, err
	}
	for at := range ended {
		i := &ended[len(ended)-1-at]
		if len(i.Updates) >= mostAgain || !slices.ContainsFunc(worse, func(m moved) bool { return slices.Contains(i.Components, m.b.Component.ID) }) {
			continue
		}
		u, err := j.update(&Note{}, status.Investigating)
		if err != nil {
			return nil, err
		}
		i.Phase, i.ResolvedAt, i.Updates = status.Investigating, time.Time{}, append(i.Updates, u)
		return i, nil
	}
	return nil, nil
}

func (j *job) growOn(i *status.Incident, worse []moved) error {
	was := *i
	return j.grow(i, worse, "incident.grow", &was)
}

// grow adds components to an automatic incident, and says anew what it is about.
func (j *job) grow(i *status.Incident, worse []moved, what string, before any) error {
	i.Components, i.AlertIDs = slices.Clone(i.Components), nil
	u := &i.Updates[len(i.Updates)-1]
	for _, m := range worse {
		id := m.b.Component.ID
		if !slices.Contains(i.Components, id) {
			i.Components = append(i.Components, id)
		}
		u.Changes = append(slices.DeleteFunc(slices.Clone(u.Changes), func(c status.Change) bool { return c.ComponentID == id }),
			status.Change{ComponentID: id, From: m.change.From, To: m.b.Watch.State})
		i.AlertIDs = append(i.AlertIDs, m.v.alerts...)
		if impact := impactFor(m.b.Watch.State); rank(impact) > rank(i.Impact) {
			i.Impact = impact
		}
		if m.v.since.Before(i.Started) {
			i.Started = m.v.since
		}
		if at := j.now.Add(m.v.after); m.v.incident == "publish" && i.Draft && (i.PublishAt.IsZero() || at.Before(i.PublishAt)) {
			i.PublishAt = at
		}
	}
	l := j.language()
	names := j.names(l, i.Components)
	i.Title = cut(l.T("alert_title", "names", names), status.MaxTitle)
	u.Body, u.At, u.By = l.T("alert_says", "names", escaped(names)), j.now, automation
	if err := i.Validate(j.now); err != nil {
		return err
	}
	if err := j.tx.SaveIncident(j.ctx, i); err != nil {
		return err
	}
	if err := j.tx.SaveUpdate(j.ctx, i.ID, u); err != nil {
		return err
	}
	j.raised = j.raised || !i.Draft
	if err := j.audit(what, i.ID, i.Title, before, pair{i, u}); err != nil {
		return err
	}
	if i.Draft && !i.PublishAt.IsZero() && !i.PublishAt.After(j.now) {
		return j.publishDraft(i, "incident.publish")
	}
	return nil
}

// escaped is a text that Markdown leaves as it is.
func escaped(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		switch s[i] {
		case '\\', '`', '*', '_', '{', '}', '[', ']', '(', ')', '#', '+', '-', '!', '<', '>', '|', '~', '&':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}

// settle ends what only waited for a component to be called well: where a person's
// hand was on it, its alerts' recovery ended nothing.
func (j *job) settle() error {
	if !j.well {
		return nil
	}
	bound, err := j.tx.Bound(j.ctx)
	if err != nil {
		return err
	}
	return j.endIncidents(bound)
}

// endIncidents ends automatic incidents whose components all work again. A draft
// that was to be published by itself goes, as nobody heard of it; one that waits
// for a person is marked as over.
func (j *job) endIncidents(bound []Bound) error {
	open, err := j.tx.Incidents(j.ctx)
	if err != nil {
		return err
	}
	if err := j.components(); err != nil {
		return err
	}
	bad := map[string]bool{}
	for i := range bound {
		if bound[i].Watch.State != status.Operational {
			bad[bound[i].Component.ID] = true
		}
	}
	for i := range j.parts {
		if j.parts[i].State != status.Operational {
			bad[j.parts[i].ID] = true
		}
	}
	for i := range open {
		n := &open[i]
		if !n.Automatic || slices.ContainsFunc(n.Components, func(id string) bool { return bad[id] }) {
			continue
		}
		if err := j.endIncident(n); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) endIncident(n *status.Incident) error {
	before := *n
	if n.Draft && !n.PublishAt.IsZero() {
		return j.discard(n, "incident.recovered")
	}
	l := j.language()
	u, err := j.update(&Note{Body: l.T("alert_over", "names", escaped(j.names(l, n.Components)))}, status.Resolved)
	if err != nil {
		return err
	}
	u.By = automation
	n.Phase, n.ResolvedAt, n.Updates = status.Resolved, j.now, append(n.Updates, u)
	if err := j.tx.SaveIncident(j.ctx, n); err != nil {
		return err
	}
	if err := j.tx.SaveUpdate(j.ctx, n.ID, &u); err != nil {
		return err
	}
	if err := j.audit("incident.recovered", n.ID, n.Title, &before, pair{n, &u}); err != nil || n.Draft {
		return err
	}
	j.raised = true
	return j.tell(j.incidentMessage(push.IncidentResolved, n, &u))
}

// downtimeLasts is for how long a maintenance of a downtime is announced at a
// time: engines tell that one began, not when it is to end.
const downtimeLasts = 2 * time.Hour

// followDowntimes keeps one automatic maintenance of what is in a downtime now.
// before says which components were. Each downtime makes one once: what a person
// ends stays ended.
func (j *job) followDowntimes(bound []Bound, verdicts []verdict, before map[string]bool) error {
	if err := j.maintenances(); err != nil {
		return err
	}
	var open *status.Maintenance
	covered := map[string]bool{}
	for i := range j.active {
		m := j.active[i]
		if m.Automatic {
			open = &m
			continue
		}
		for _, id := range m.Components {
			covered[id] = covered[id] || m.Phase == status.InProgress || m.Phase == status.Verifying
		}
	}
	var in []string
	object := ""
	for i := range bound {
		b := &bound[i]
		id := b.Component.ID
		mine := open != nil && slices.Contains(open.Components, id)
		began := b.Watch.Downtime && !before[id]
		if b.Watch.Downtime && (mine || began && !covered[id]) {
			in = append(in, id)
			object = verdicts[i].object
		}
	}
	switch {
	case open == nil && len(in) == 0, open != nil && slices.Equal(slices.Sorted(slices.Values(open.Components)), slices.Sorted(slices.Values(in))):
		return nil
	case open == nil:
		return j.beginDowntime(in, object)
	case len(in) == 0:
		was := *open
		open.End = j.now
		if !open.End.After(open.Start) {
			open.End = open.Start.Add(time.Second)
		}
		if err := j.step(open, status.Completed, "", nil); err != nil {
			return err
		}
		return j.audit("maintenance.completed", open.ID, open.Title, &was, open)
	}
	was := *open
	l := j.language()
	open.Components = in
	open.Title = cut(l.T("downtime_title", "names", j.names(l, in)), status.MaxTitle)
	if err := j.saveMaintenance(open, nil); err != nil {
		return err
	}
	if err := j.reshow(slices.Concat(was.Components, in), "maintenance "+open.Title); err != nil {
		return err
	}
	return j.audit("maintenance.change", open.ID, open.Title, &was, open)
}

func (j *job) beginDowntime(in []string, object string) error {
	l := j.language()
	names := j.names(l, in)
	m := status.Maintenance{PageID: j.page.ID, Title: cut(l.T("downtime_title", "names", names), status.MaxTitle), Phase: status.InProgress, Impact: status.ImpactNone,
		Components: in, Start: j.now, End: j.now.Add(downtimeLasts), Automatic: true, Created: j.now}
	var err error
	if m.ID, err = newID(); err != nil {
		return err
	}
	u, err := j.update(&Note{Body: l.T("downtime_says", "names", escaped(names))}, status.InProgress)
	if err != nil {
		return err
	}
	u.By = automation
	m.Updates = []status.Update{u}
	if err := j.saveMaintenance(&m, &u); err != nil {
		return err
	}
	if err := j.reshow(in, "downtime of "+object); err != nil {
		return err
	}
	if err := j.audit("maintenance.downtime", m.ID, m.Title, nil, &m); err != nil {
		return err
	}
	return j.tell(j.maintenanceMessage(&m, func(l *words.Language) string { return l.Phase(status.InProgress) }, u.Body))
}
