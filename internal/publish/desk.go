package publish

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// ErrOver is answered for a change of what has ended and does not go on.
var ErrOver = errors.New("is over")

// Bounds of a page, so that one person cannot make it too large to be served.
const (
	MaxPages     = 100
	MaxGroups    = 200
	MaxOpen      = 200 // open incidents of a page, and maintenances that are not over
	MaxSeries    = 100
	MaxTemplates = 200
	MaxImage     = 256 << 10
)

// Options are what a Desk needs besides its store. The zero value of each is its
// default.
type Options struct {
	Text  func(markdown string) string // plain text of Markdown; default: as it is
	Storm time.Duration                // alerts that follow each other within it are one incident; 10 min
	Poll  time.Duration                // how often the clock looks at least; 20 s
	Pause time.Duration                // between two looks at the alerts; 1 s
	Node  string
	Now   func() time.Time // the database's
	Log   *slog.Logger
}

// Desk changes what the public sees. It is safe for use by several goroutines at
// once.
type Desk struct {
	store     Store
	o         Options
	languages words.Languages
	clock     chan struct{}
	alerts    chan struct{}

	// Of RunAlerts alone.
	pending  map[string]pending
	begun    begun
	all      matcher
	matchers map[string]*matcher // by page
}

// New makes a Desk; an error is a defect of this program.
func New(store Store, o Options) (*Desk, error) {
	languages, err := words.Load()
	if err != nil {
		return nil, err
	}
	if o.Text == nil {
		o.Text = func(s string) string { return s }
	}
	if o.Storm <= 0 {
		o.Storm = 10 * time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = 20 * time.Second
	}
	if o.Pause <= 0 {
		o.Pause = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{store: store, o: o, languages: languages, clock: make(chan struct{}, 1), alerts: make(chan struct{}, 1),
		pending: map[string]pending{}, matchers: map[string]*matcher{}}, nil
}

// Who is who changes something. UserID is empty for the clock and for alerts.
type Who struct{ UserID, Name string }

// Told is which messages went out with a change; their progress is that of
// publications. Again says that the change was made before, by a call with the
// same key: nothing was changed, and nobody told.
type Told struct {
	Publications []string
	Again        bool
}

// job is one change of one page.
type job struct {
	ctx    context.Context
	d      *Desk
	tx     Tx
	who    Who
	now    time.Time
	page   *status.Page // nil for a new one
	closed string
	kept   time.Time
	zone   *time.Location

	parts  []status.Component // all of the page's, once asked for
	index  map[string]int
	active []status.Maintenance // not over; once asked for
	looked bool
	raised bool
	well   bool // a component became operational
	worked bool // a maintenance began or ended: a downtime may excuse alerts no longer
	to     Audience
	silent bool
	told   []string
}

// change is one transaction at a page that there is; fault.ErrNotFound where no
// page is named.
func (d *Desk) change(ctx context.Context, pageID string, who Who, silent bool, fn func(j *job) error) (Told, error) {
	if pageID == "" {
		return Told{}, fmt.Errorf("page %q: %w", pageID, fault.ErrNotFound)
	}
	return d.begin(ctx, pageID, who, silent, fn)
}

// begin is change also for a page that fn makes: its id is empty then, and the job
// has none.
func (d *Desk) begin(ctx context.Context, pageID string, who Who, silent bool, fn func(j *job) error) (Told, error) {
	var to Audience
	if !silent && pageID != "" {
		var err error
		if to, err = d.store.Audience(ctx, pageID); err != nil {
			return Told{}, err
		}
	}
	var told []string
	worked := false
	err := d.store.ChangePage(ctx, pageID, func(ctx context.Context, tx Tx) error {
		j := &job{ctx: ctx, d: d, tx: tx, who: who, now: tx.Now(), to: to, silent: silent, zone: time.UTC}
		if d.o.Now != nil {
			j.now = d.o.Now()
		}
		// Times are kept in whole milliseconds.
		j.now = j.now.UTC().Truncate(time.Millisecond)
		if j.page, j.closed, j.kept = tx.Page(); j.page != nil {
			if zone, err := time.LoadLocation(j.page.Zone); err == nil {
				j.zone = zone
			}
		}
		if err := fn(j); err != nil {
			return err
		}
		if err := j.settle(); err != nil {
			return err
		}
		if j.raised {
			if err := tx.Raise(ctx); err != nil {
				return err
			}
		}
		told, worked = j.told, j.worked
		return nil
	})
	if err != nil {
		return Told{}, err
	}
	if worked {
		d.WakeAlerts()
	}
	return Told{Publications: told}, nil
}

// at is change for something that belongs to a page.
func (d *Desk) at(ctx context.Context, of Subject, id string, who Who, silent bool, fn func(j *job) error) (Told, error) {
	pageID, err := d.store.PageOf(ctx, of, id)
	if err != nil {
		return Told{}, err
	}
	return d.change(ctx, pageID, who, silent, fn)
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// keyed is the id of what a call with a key makes. It follows from the key, from
// who calls, and from what it is made of, so that a call that comes again finds
// what it made before. Without a key it is a new one.
func keyed(who Who, of Subject, in, key string) (string, error) {
	if key == "" {
		return newID()
	}
	h := sha256.New()
	for _, s := range []string{"tocsin call", who.UserID, who.Name, string(of), in} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // never fails
	}
	var space uuid.UUID
	copy(space[:], h.Sum(nil))
	return uuid.NewHash(sha256.New(), space, []byte(key), 8).String(), nil
}

// audit writes a line of the trail. before and after are nil where there is none.
func (j *job) audit(what, id, name string, before, after any) error {
	line := Audit{At: j.now, UserID: j.who.UserID, By: j.who.Name, What: what, SubjectID: id, Name: name}
	if j.page != nil {
		line.PageID = j.page.ID
	} else {
		line.PageID = id
	}
	var err error
	if line.ID, err = newID(); err != nil {
		return err
	}
	if line.Before, err = view(before); err == nil {
		line.After, err = view(after)
	}
	if err != nil {
		return fmt.Errorf("write %s into the audit trail: %w", what, err)
	}
	return j.tx.Audit(j.ctx, line)
}

// view is a thing as the audit trail has it: no secret, no empty field, times to
// the second.
func view(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case *status.Page:
		p := *v
		m := map[string]any{"slug": p.Slug, "host": p.Host, "main": p.Main, "name": p.Name, "about": p.About, "language": p.Language, "zone": p.Zone,
			"accent": p.Accent, "logo": p.Logo, "support": p.Support, "triggers": p.Triggers, "signed_in": p.Private.SignedIn, "networks": p.Private.Networks,
			"password": p.Private.PasswordHash != ""}
		return json.Marshal(m)
	case *status.Group:
		return json.Marshal(map[string]any{"name": v.Name, "about": v.About, "parent_id": v.ParentID, "position": v.Position, "open": v.Open})
	case *status.Component:
		return json.Marshal(map[string]any{"name": v.Name, "about": v.About, "link": v.Link, "group_id": v.GroupID, "position": v.Position, "hidden": v.Hidden,
			"state": v.State, "by_hand": v.ByHand, "bindings": v.Bindings})
	case *status.Incident:
		return json.Marshal(map[string]any{"title": v.Title, "phase": v.Phase, "impact": v.Impact, "draft": v.Draft, "automatic": v.Automatic, "started": stamp(v.Started),
			"resolved_at": stamp(v.ResolvedAt), "components": v.Components, "postmortem": v.Postmortem})
	case *status.Maintenance:
		return json.Marshal(map[string]any{"title": v.Title, "phase": v.Phase, "impact": v.Impact, "start": stamp(v.Start), "end": stamp(v.End),
			"auto_start": v.AutoStart, "auto_end": v.AutoEnd, "components": v.Components, "series": v.Series, "automatic": v.Automatic})
	case *status.Update:
		changes := make([]map[string]string, 0, len(v.Changes))
		for _, c := range v.Changes {
			changes = append(changes, map[string]string{"component_id": c.ComponentID, "from": string(c.From), "to": string(c.To)})
		}
		return json.Marshal(map[string]any{"id": v.ID, "phase": v.Phase, "body": v.Body, "at": stamp(v.At), "silent": v.Silent, "changes": changes})
	case pair:
		i, err := view(v.incident)
		if err != nil {
			return nil, err
		}
		u, err := view(v.update)
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]json.RawMessage{"incident": i, "update": u})
	case *Planned:
		return json.Marshal(map[string]any{"title": v.Title, "body": v.Body, "components": v.Components, "impact": v.Impact, "rule": v.Rule, "zone": v.Zone,
			"start": stamp(v.Start), "minutes": v.Minutes, "until": stamp(v.Until)})
	}
	return json.Marshal(v)
}

// pair is an incident with the update that it got.
type pair struct {
	incident *status.Incident
	update   *status.Update
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// components are those of the page.
func (j *job) components() error {
	if j.index != nil {
		return nil
	}
	list, err := j.tx.Components(j.ctx)
	if err != nil {
		return err
	}
	j.parts, j.index = list, make(map[string]int, len(list))
	for i := range list {
		j.index[list[i].ID] = i
	}
	return nil
}

// component is one of the page; a *status.FieldError if it is none of it.
func (j *job) component(field, id string) (*status.Component, error) {
	if err := j.components(); err != nil {
		return nil, err
	}
	i, ok := j.index[id]
	if !ok {
		return nil, &status.FieldError{Field: field, Problem: fmt.Sprintf("%q is no component of this page", id), Mend: "choose one of the page's components"}
	}
	return &j.parts[i], nil
}

// known checks that a list of components has none but the page's.
func (j *job) known(ids []string) error {
	for i, id := range ids {
		if _, err := j.component(fmt.Sprintf("components[%d]", i), id); err != nil {
			return err
		}
	}
	return nil
}

// names are those of components, as many as a title has room for.
func (j *job) names(l *words.Language, ids []string) string {
	var list []string
	for _, id := range ids {
		if i, ok := j.index[id]; ok && !j.parts[i].Hidden {
			list = append(list, j.parts[i].Name)
		}
	}
	const most = 3
	if len(list) == 0 {
		return j.page.Name
	}
	if len(list) > most {
		return l.T("names_more", "names", join(list[:most-1]), "count", fmt.Sprint(len(list)-most+1))
	}
	return join(list)
}

func join(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += cut(s, 60)
	}
	return out
}

func cut(s string, most int) string {
	n := 0
	for i := range s {
		if n == most-1 && len(s)-i > 1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

func (j *job) language() *words.Language { return j.d.languages.For(j.page.Language, "") }

// maintenances are those that are not over.
func (j *job) maintenances() error {
	if j.looked {
		return nil
	}
	list, err := j.tx.Maintenances(j.ctx)
	j.active, j.looked = list, err == nil
	return err
}

// maintained says whether work goes on at a component.
func (j *job) maintained(id string) bool {
	return slices.ContainsFunc(j.active, func(m status.Maintenance) bool {
		return (m.Phase == status.InProgress || m.Phase == status.Verifying) && slices.Contains(m.Components, id)
	})
}

// Reach is who would be told of a change, before it is made.
type Reach struct {
	Kind     push.Kind
	On       bool           // whether the page tells of this kind at all
	Channels map[string]int // how many, by channel
}

// Reach answers who would be told of a kind of change of some components. of is
// the incident or maintenance that it is about, empty for a new one.
func (d *Desk) Reach(ctx context.Context, pageID string, kind push.Kind, impact status.Impact, components []string, of string) (Reach, error) {
	pages, err := d.store.StatusPages(ctx)
	if err != nil {
		return Reach{}, err
	}
	i := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == pageID })
	if i < 0 {
		return Reach{}, fmt.Errorf("page %q: %w", pageID, fault.ErrNotFound)
	}
	r := Reach{Kind: kind, On: Triggered(&pages[i], kind)}
	r.Channels, err = d.store.Interested(ctx, &push.Publication{PageID: pageID, Kind: kind, Impact: push.Impact(impact), Components: told(components), Topic: of})
	if !r.On {
		for c := range r.Channels {
			r.Channels[c] = 0
		}
	}
	return r, err
}

// Triggered says whether visitors of a page are told of a kind of change at all.
func Triggered(p *status.Page, kind push.Kind) bool {
	if on, set := p.Triggers[string(kind)]; set {
		return on
	}
	return slices.Contains(push.DefaultKinds(), kind)
}
