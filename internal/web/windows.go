package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
	"tocsin/internal/window"
)

// WindowDesk changes maintenance windows, and keeps what status pages say of them
// in step: a window that happens once has a maintenance there, one that comes again
// a series of them.
//
// A window and a page are changed in transactions of their own. So the window is
// kept first, marked Pending; then the page is changed; then the mark is taken away.
// What a crash leaves pending the next save, or Mend, brings to its end. Nothing is
// made twice by that: a maintenance that is already as the window says, and that no
// other window has, is taken for its own.
type WindowDesk struct {
	Store interface {
		Referred
		Windows(ctx context.Context) ([]window.Window, error)
		Window(ctx context.Context, id string) (window.Window, error)
		SaveWindow(ctx context.Context, w window.Window) error
		DeleteWindow(ctx context.Context, id string) error
	}
	Desk   Desk
	Status Status
	// Alone says whether this node alone may do what is named, for a time: two that
	// mend the same would announce it twice. Nil: there is only one.
	Alone func(ctx context.Context, what string, d time.Duration) (bool, error)
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nowhere

	mu   sync.Mutex
	seen map[string]window.Window // what Mend found pending when it looked last
}

func (d *WindowDesk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// Save makes a window, or changes one, with what visitors see of it. What is wrong
// is a *contact.FieldError, fields of the page are named "page.title"; nothing is
// changed then. Page.MaintenanceID and Page.Pending of the given one do not count.
func (d *WindowDesk) Save(ctx context.Context, who publish.Who, given window.Window) (window.Window, error) {
	if err := CheckWindow(ctx, d.Store, given); err != nil {
		return given, err
	}
	if err := d.checkPublic(ctx, given); err != nil {
		return given, err
	}
	was, err := d.Store.Window(ctx, given.ID)
	isNew := errors.Is(err, fault.ErrNotFound)
	if err != nil && !isNew {
		return given, fmt.Errorf("read window %s: %w", given.ID, err)
	}
	given.Page.MaintenanceID, given.Page.Pending = was.Page.MaintenanceID, was.Page.Pending
	if given.Page.PageID == "" && given.Page.MaintenanceID == "" || !isNew && !given.Page.Pending && !publicly(was, given) {
		return given, d.keep(ctx, given)
	}
	given.Page.Pending = true
	if err := d.keep(ctx, given); err != nil {
		return given, err
	}
	done, err := d.settle(ctx, who, given.ID)
	var refused *status.FieldError
	if errors.As(err, &refused) {
		back := d.Store.SaveWindow(ctx, was)
		if isNew {
			back = d.Store.DeleteWindow(ctx, given.ID)
		}
		return given, errors.Join(onPage(refused), back)
	}
	return done, err
}

func (d *WindowDesk) keep(ctx context.Context, w window.Window) error {
	if err := d.Store.SaveWindow(ctx, w); err != nil {
		return fmt.Errorf("keep window %q: %w", w.Name, err)
	}
	return nil
}

// onPage is what the desk of public pages refused, in the words of a window.
func onPage(e *status.FieldError) error {
	field := e.Field
	switch field {
	case "start", "minutes", "zone":
	case "end":
		field = "minutes"
	case "rule":
		field = "rrule"
	default:
		field = "page." + field
	}
	return &contact.FieldError{Field: field, Problem: e.Problem, Mend: e.Mend}
}

// checkPublic refuses what no page could show.
func (d *WindowDesk) checkPublic(ctx context.Context, w window.Window) error {
	p := w.Page
	if p.PageID == "" {
		return nil
	}
	pages, err := d.Status.StatusPages(ctx)
	if err != nil {
		return fmt.Errorf("list status pages: %w", err)
	}
	switch {
	case !slices.ContainsFunc(pages, func(x status.Page) bool { return x.ID == p.PageID }):
		return &contact.FieldError{Field: "page.page_id", Problem: "names a status page that does not exist", Mend: "choose another one, or leave it out"}
	case strings.TrimSpace(p.Title) == "":
		return &contact.FieldError{Field: "page.title", Problem: "is empty", Mend: "say what visitors shall read"}
	case strings.TrimSpace(p.Body) == "":
		return &contact.FieldError{Field: "page.body", Problem: "is empty", Mend: "say in a sentence what visitors shall know"}
	}
	_, parts, err := d.Status.StatusParts(ctx, p.PageID)
	if err != nil {
		return fmt.Errorf("list components: %w", err)
	}
	for i, id := range p.ComponentIDs {
		if !slices.ContainsFunc(parts, func(c status.Component) bool { return c.ID == id }) {
			return &contact.FieldError{Field: fmt.Sprintf("page.component_ids[%d]", i), Problem: "names a component that is not on this page", Mend: "choose another one, or leave it out"}
		}
	}
	return nil
}

// publicly says whether visitors see something else of a window than before.
func publicly(was, is window.Window) bool {
	return was.Enabled != is.Enabled || was.Zone != is.Zone || was.Start != is.Start || was.RRule != is.RRule || was.Minutes != is.Minutes ||
		was.Page.PageID != is.Page.PageID || was.Page.Title != is.Page.Title || was.Page.Body != is.Page.Body || !sameIDs(was.Page.ComponentIDs, is.Page.ComponentIDs)
}

// Delete takes a window away, and what is still to come of it from its page; what
// goes on there is over.
func (d *WindowDesk) Delete(ctx context.Context, who publish.Who, id string) error {
	w, err := d.Store.Window(ctx, id)
	if err != nil {
		return fmt.Errorf("read window %s: %w", id, err)
	}
	if w.Page.MaintenanceID != "" || w.Page.Pending {
		w.Enabled, w.Page.Pending = false, true
		if err := d.keep(ctx, w); err != nil {
			return err
		}
		if _, err := d.settle(ctx, who, id); err != nil {
			return err
		}
	}
	if err := d.Store.DeleteWindow(ctx, id); err != nil {
		return fmt.Errorf("delete window %q: %w", w.Name, err)
	}
	return nil
}

// Mend brings to its end what was pending when it looked before and is so still: a
// crash, or a database that was away, left it. It is to be called now and then.
func (d *WindowDesk) Mend(ctx context.Context) error {
	all, err := d.Store.Windows(ctx)
	if err != nil {
		return fmt.Errorf("list windows: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := map[string]window.Window{}
	var errs []error
	for _, w := range all {
		if !w.Page.Pending {
			continue
		}
		now[w.ID] = w
		if before, ok := d.seen[w.ID]; !ok || !reflect.DeepEqual(before, w) {
			continue
		}
		if ours, err := d.alone(ctx, w); err != nil || !ours {
			errs = append(errs, err)
			continue
		}
		mending, enough := context.WithTimeout(ctx, mendWithin)
		_, err := d.settle(mending, publish.Who{Name: "maintenance window “" + w.Name + "”"}, w.ID)
		enough()
		if err != nil {
			errs = append(errs, fmt.Errorf("window %q on its status page: %w", w.Name, err))
		} else if d.Log != nil {
			d.Log.Info("a window and its status page are in step again", "window", w.Name)
		}
	}
	d.seen = now
	return errors.Join(errs...)
}

// mendWithin is how long a node may take to mend a window, before another may.
const mendWithin = 30 * time.Second

// alone says whether it is for this node to mend a window, which is still as it was
// seen: another node may have done it a moment ago.
func (d *WindowDesk) alone(ctx context.Context, seen window.Window) (bool, error) {
	if d.Alone == nil {
		return true, nil
	}
	if ours, err := d.Alone(ctx, "window "+seen.ID, mendWithin); err != nil || !ours {
		return false, err
	}
	is, err := d.Store.Window(ctx, seen.ID)
	if err != nil {
		return false, fmt.Errorf("read window %s: %w", seen.ID, err)
	}
	return reflect.DeepEqual(is, seen), nil
}

// bound is what a page has of a window.
type bound struct {
	page   string
	once   *status.Maintenance
	series *publish.Planned
}

func (b bound) none() bool { return b.once == nil && b.series == nil }

// find answers what a page has under an id.
func (d *WindowDesk) find(ctx context.Context, id string) (bound, error) {
	if id == "" {
		return bound{}, nil
	}
	m, err := d.Status.Maintenance(ctx, id)
	if err == nil {
		return bound{page: m.PageID, once: &m}, nil
	}
	if !errors.Is(err, fault.ErrNotFound) {
		return bound{}, fmt.Errorf("read maintenance %s: %w", id, err)
	}
	pages, err := d.Status.StatusPages(ctx)
	if err != nil {
		return bound{}, fmt.Errorf("list status pages: %w", err)
	}
	for _, p := range pages {
		all, err := d.Status.StatusSeries(ctx, p.ID)
		if err != nil {
			return bound{}, fmt.Errorf("list series of maintenance: %w", err)
		}
		if i := slices.IndexFunc(all, func(s publish.Planned) bool { return s.ID == id }); i >= 0 {
			return bound{page: p.ID, series: &all[i]}, nil
		}
	}
	return bound{}, nil
}

// settle makes the page say what the window says, and takes the mark away.
func (d *WindowDesk) settle(ctx context.Context, who publish.Who, windowID string) (window.Window, error) {
	w, err := d.Store.Window(ctx, windowID)
	if err != nil {
		return w, fmt.Errorf("read window %s: %w", windowID, err)
	}
	have, err := d.find(ctx, w.Page.MaintenanceID)
	if err != nil {
		return w, err
	}
	start, end, err := FirstOf(w)
	if err != nil {
		return w, err
	}
	wanted := w.Enabled && w.Page.PageID != ""
	fits := have.page == w.Page.PageID && (have.once != nil) == (w.RRule == "")
	id := w.Page.MaintenanceID
	if !have.none() && !(wanted && fits) {
		if err := d.end(ctx, who, have); err != nil {
			return w, err
		}
		have = bound{}
	}
	switch {
	case !wanted:
		id = ""
	case w.RRule == "" && !end.After(d.now()): // over: the page keeps what it has
	case w.RRule == "":
		id, err = d.showOnce(ctx, who, w, have.once, start, end)
	default:
		id, err = d.showSeries(ctx, who, w, have.series, start)
	}
	if err != nil {
		return w, err
	}
	is, err := d.Store.Window(ctx, w.ID)
	if err != nil {
		return w, fmt.Errorf("read window %s: %w", w.ID, err)
	}
	// Somebody changed it meanwhile: what they have begun is still pending.
	is.Page.Pending = !reflect.DeepEqual(is, w)
	is.Page.MaintenanceID = id
	return is, d.keep(ctx, is)
}

// FirstOf answers the begin and the end of a window's first time.
func FirstOf(w window.Window) (start, end time.Time, err error) {
	plan, err := w.Plan()
	if err != nil {
		return start, end, err //nolint:wrapcheck // a sentence of its own
	}
	local, err := time.ParseInLocation(window.StartFormat, w.Start, plan.Zone())
	if err != nil {
		return start, end, fmt.Errorf("the start of window %q: %w", w.Name, err)
	}
	if first, ok := plan.Next(local.Add(-48 * time.Hour)); ok { // whatever daylight saving does to it
		return first.From, first.To, nil
	}
	return local, local.Add(time.Duration(w.Minutes) * time.Minute), nil
}

// end ends what a page has of a window: what is announced does not take place, what
// goes on is over.
func (d *WindowDesk) end(ctx context.Context, who publish.Who, b bound) error {
	if b.once != nil {
		return d.finish(ctx, who, *b.once)
	}
	now := d.now()
	running, err := d.Status.Maintenances(ctx, b.page, now, now.Add(time.Minute))
	if err != nil {
		return fmt.Errorf("list maintenances: %w", err)
	}
	for _, m := range running {
		if m.Series == b.series.ID && m.Phase != status.Scheduled {
			if err := d.finish(ctx, who, m); err != nil {
				return err
			}
		}
	}
	if err := d.Desk.DeleteSeries(ctx, who, b.series.ID); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return fmt.Errorf("end the series of maintenance: %w", err)
	}
	return nil
}

func (d *WindowDesk) finish(ctx context.Context, who publish.Who, m status.Maintenance) error {
	to := status.Cancelled
	switch m.Phase {
	case status.Completed, status.Cancelled:
		return nil
	case status.InProgress, status.Verifying:
		to = status.Completed
	}
	_, _, err := d.Desk.PostMaintenance(ctx, who, m.ID, publish.Note{Phase: to})
	if err != nil && !errors.Is(err, fault.ErrNotFound) && !errors.Is(err, publish.ErrOver) {
		return fmt.Errorf("end the maintenance: %w", err)
	}
	return nil
}

func (d *WindowDesk) showOnce(ctx context.Context, who publish.Who, w window.Window, have *status.Maintenance, start, end time.Time) (string, error) {
	want := status.Maintenance{PageID: w.Page.PageID, Title: strings.TrimSpace(w.Page.Title), Impact: status.ImpactNone, Components: w.Page.ComponentIDs, Start: start, End: end, AutoStart: true, AutoEnd: true}
	if have == nil {
		near, err := d.Status.Maintenances(ctx, want.PageID, start, end)
		if err != nil {
			return "", fmt.Errorf("list maintenances: %w", err)
		}
		others, err := d.others(ctx, w.ID)
		if err != nil {
			return "", err
		}
		for i := range near {
			m := &near[i]
			if !others[m.ID] && m.Series == "" && m.Title == want.Title && m.Start.Equal(start) && m.End.Equal(end) && (m.Phase == status.Scheduled || m.Phase == status.InProgress) && sameIDs(m.Components, want.Components) {
				return m.ID, nil
			}
		}
	}
	note := publish.Note{Body: w.Page.Body}
	if have != nil && have.Phase != status.Completed && have.Phase != status.Cancelled {
		want.ID, want.Impact, want.AutoStart, want.AutoEnd = have.ID, have.Impact, have.AutoStart, have.AutoEnd
		if slices.ContainsFunc(have.Updates, func(u status.Update) bool { return u.Body == w.Page.Body }) {
			note.Body = "" // visitors have read it
		}
	}
	m, _, err := d.Desk.SaveMaintenance(ctx, who, want, note)
	if want.ID != "" && (errors.Is(err, publish.ErrOver) || errors.Is(err, fault.ErrNotFound)) { // ended at this moment
		want.ID = ""
		m, _, err = d.Desk.SaveMaintenance(ctx, who, want, publish.Note{Body: w.Page.Body})
	}
	if err != nil {
		return "", fmt.Errorf("announce the maintenance: %w", err)
	}
	return m.ID, nil
}

func (d *WindowDesk) showSeries(ctx context.Context, who publish.Who, w window.Window, have *publish.Planned, start time.Time) (string, error) {
	zone := w.Zone
	if zone == "" {
		zone = "UTC"
	}
	want := status.Series{PageID: w.Page.PageID, Title: strings.TrimSpace(w.Page.Title), Body: w.Page.Body, Components: w.Page.ComponentIDs, Impact: status.ImpactNone,
		Rule: w.RRule, Zone: zone, Start: start, Minutes: w.Minutes}
	if have != nil {
		want.ID, want.Impact, want.Until = have.ID, have.Impact, have.Until
	} else {
		own, err := d.same(ctx, w.ID, want)
		if own != "" || err != nil {
			return own, err
		}
	}
	made, err := d.Desk.SaveSeries(ctx, who, want)
	if want.ID != "" && errors.Is(err, fault.ErrNotFound) { // deleted at this moment
		want.ID = ""
		made, err = d.Desk.SaveSeries(ctx, who, want)
	}
	if err != nil {
		return "", fmt.Errorf("announce the series of maintenance: %w", err)
	}
	return made.ID, nil
}

// same answers the series that is as wanted, and that no other window has.
func (d *WindowDesk) same(ctx context.Context, id string, want status.Series) (string, error) {
	rule, err := recur.Parse(want.Rule, want.Zone, want.Start)
	if err != nil {
		return "", nil //nolint:nilerr // the desk says what is wrong with it
	}
	all, err := d.Status.StatusSeries(ctx, want.PageID)
	if err != nil {
		return "", fmt.Errorf("list series of maintenance: %w", err)
	}
	others, err := d.others(ctx, id)
	if err != nil {
		return "", err
	}
	for i := range all {
		s := &all[i]
		if !others[s.ID] && s.Title == want.Title && s.Body == want.Body && s.Rule == rule.String() && s.Zone == want.Zone && s.Start.Equal(want.Start) && s.Minutes == want.Minutes &&
			sameIDs(s.Components, want.Components) {
			return s.ID, nil
		}
	}
	return "", nil
}

// others are the maintenances and series that other windows have.
func (d *WindowDesk) others(ctx context.Context, id string) (map[string]bool, error) {
	all, err := d.Store.Windows(ctx)
	if err != nil {
		return nil, fmt.Errorf("list windows: %w", err)
	}
	out := map[string]bool{}
	for _, w := range all {
		if w.ID != id && w.Page.MaintenanceID != "" {
			out[w.Page.MaintenanceID] = true
		}
	}
	return out, nil
}

func sameIDs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
