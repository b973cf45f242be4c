package publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// Subjects that are known by whom they belong to, see Moves.
const (
	OfUpdate Subject = "update" // of an incident or a maintenance
	OfAudit  Subject = "audit"
	OfSource Subject = "source"
)

// Whole is everything of a page.
type Whole struct {
	Page         status.Page
	Closed       string
	Kept         time.Time
	Groups       []status.Group
	Components   []status.Component
	Incidents    []status.Incident    // all, drafts too, by their start
	Maintenances []status.Maintenance // all, by their start
	Ended        map[string]time.Time // when maintenances were over, by id
	Series       []Planned
	Templates    []Template
	Intervals    map[string][]status.Interval

	// Not within a transaction.
	Days  map[string][]status.Day
	Audit []Audit // the oldest first
	Logo  *Image  // nil: none
}

// Moves is what an import needs of a transaction besides.
type Moves interface {
	// Whole is the page as it is, without days, audit trail and logo.
	Whole(ctx context.Context) (Whole, error)
	// Held answers by id whom things belong to: a page; an update its incident or
	// maintenance, a page and a source themselves. What there is not is not in it.
	Held(ctx context.Context, of Subject, ids []string) (map[string]string, error)
	// SetKept says since when intervals are kept.
	SetKept(ctx context.Context, from time.Time) error
	// SetEnded says when a maintenance that is over was.
	SetEnded(ctx context.Context, maintenanceID string, at time.Time) error
}

// Export is everything of pages, of all where none is named: all but visitors and
// secrets. fault.ErrNotFound if there is no such page.
func (d *Desk) Export(ctx context.Context, program string, pageIDs ...string) (*transfer.Document, error) {
	now := d.now().UTC().Truncate(time.Millisecond)
	if len(pageIDs) == 0 {
		pages, err := d.store.StatusPages(ctx)
		if err != nil {
			return nil, err
		}
		for i := range pages {
			pageIDs = append(pageIDs, pages[i].ID)
		}
	}
	doc := &transfer.Document{Format: transfer.Format, Version: transfer.Version, Exported: now, Program: program}
	for _, id := range pageIDs {
		w, err := d.store.StatusWhole(ctx, id)
		if err != nil {
			return nil, err
		}
		doc.Pages = append(doc.Pages, written(&w))
	}
	return doc, nil
}

// written is a page as it is exported.
func written(w *Whole) transfer.Page {
	p := transfer.PageOf(&w.Page, w.Closed, w.Kept)
	if w.Logo != nil {
		p.Logo = &transfer.Logo{ID: w.Logo.ID, Kind: w.Logo.Kind, Body: w.Logo.Body, Created: w.Logo.Created}
	}
	for i := range w.Groups {
		p.Groups = append(p.Groups, transfer.GroupOf(&w.Groups[i]))
	}
	for i := range w.Components {
		c := &w.Components[i]
		p.Components = append(p.Components, transfer.ComponentOf(c, w.Intervals[c.ID], w.Days[c.ID]))
	}
	for i := range w.Incidents {
		p.Incidents = append(p.Incidents, transfer.IncidentOf(&w.Incidents[i]))
	}
	for i := range w.Maintenances {
		m := &w.Maintenances[i]
		p.Maintenances = append(p.Maintenances, transfer.MaintenanceOf(m, w.Ended[m.ID]))
	}
	for i := range w.Series {
		p.Series = append(p.Series, transfer.SeriesOf(&w.Series[i].Series, w.Series[i].Last))
	}
	for i := range w.Templates {
		t := &w.Templates[i]
		p.Templates = append(p.Templates, transfer.Template{ID: t.ID, Name: t.Name, Title: t.Title, Body: t.Body, Phase: t.Phase, Impact: t.Impact, Components: t.Components})
	}
	for i := range w.Audit {
		a := &w.Audit[i]
		p.Audit = append(p.Audit, transfer.Audit{ID: a.ID, At: a.At, UserID: a.UserID, By: a.By, What: a.What, SubjectID: a.SubjectID, Name: a.Name,
			Before: transfer.Compact(a.Before), After: transfer.Compact(a.After)})
	}
	return p
}

// ImportOptions are how a page is imported.
type ImportOptions struct {
	// Page is the slug of the page to import into; one that there is not is made.
	// Empty: the page that an export is of, else the slug that the page had.
	Page string
	// Exported is when it was written: what happened here since then stays. Zero:
	// now.
	Exported time.Time
	// DryRun changes nothing, and answers what would be.
	DryRun bool
	// Locked makes the hash of a password that nobody knows, for a page whose own
	// is in no export. nil: such a page is not imported.
	Locked func() (string, error)
	// Progress is called now and then.
	Progress func(what string, done, of int)
}

// Tally is what became of things of a kind.
type Tally struct {
	New     int `json:"new"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
}

// Imported is what an import did, or would do.
type Imported struct {
	PageID       string   `json:"page_id"`
	Slug         string   `json:"slug"`
	Name         string   `json:"name"`
	New          bool     `json:"new"` // the page was made
	DryRun       bool     `json:"dry_run"`
	Groups       Tally    `json:"groups"`
	Components   Tally    `json:"components"`
	Incidents    Tally    `json:"incidents"`
	Maintenances Tally    `json:"maintenances"`
	Series       Tally    `json:"series"`
	Templates    Tally    `json:"templates"`
	Audit        int      `json:"audit"` // lines of the audit trail that came along
	Notes        []string `json:"notes"`
}

// errDry takes back what a dry run did.
var errDry = errors.New("only looked")

// Import makes a page what another was, in one transaction, or updates it: what was
// imported before is known again by the ids that it had. What the import does not
// name stays. Nobody is told of it. A *status.FieldError names what cannot be.
func (d *Desk) Import(ctx context.Context, who Who, p *transfer.Page, o ImportOptions) (Imported, error) {
	var out Imported
	pages, err := d.store.StatusPages(ctx)
	if err != nil {
		return out, err
	}
	im := &importer{given: p, o: o, pages: pages}
	target, err := im.target()
	if err != nil {
		return out, err
	}
	if target == "" && len(pages) >= MaxPages {
		return out, refuse("page", fmt.Sprintf("there are %d already", len(pages)), "delete one first")
	}
	_, err = d.begin(ctx, target, who, true, func(j *job) error {
		im.out = Imported{DryRun: o.DryRun, Notes: []string{}}
		im.job = j
		if err := im.run(); err != nil {
			return err
		}
		out = im.out
		if o.DryRun {
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	if err == nil && !o.DryRun {
		d.WakeClock()
		d.WakeAlerts()
	}
	return out, err
}

// importer is one import in its transaction.
type importer struct {
	*job
	given *transfer.Page
	o     ImportOptions
	pages []status.Page
	slug  string // of the page that is to be made
	guess bool   // the page was not named: it must know some of what comes
	was   Whole
	cut   time.Time // what happened here since then stays
	out   Imported

	updates map[string]string             // by "OWNER/ID"
	ids     map[Subject]map[string]string // from what they had to what they have here
}

func (im *importer) ours() bool { return im.given.From == "" }

// target answers the id of the page to import into, empty for one that is to be
// made.
func (im *importer) target() (string, error) {
	bySlug := func(slug string) *status.Page {
		if i := slices.IndexFunc(im.pages, func(o status.Page) bool { return o.Slug == slug }); i >= 0 {
			return &im.pages[i]
		}
		return nil
	}
	if im.slug = im.o.Page; im.slug != "" {
		if p := bySlug(im.slug); p != nil {
			return p.ID, nil
		}
		return "", nil
	}
	im.slug = im.given.Slug
	if im.ours() {
		if slices.ContainsFunc(im.pages, func(o status.Page) bool { return o.ID == im.given.ID }) {
			return im.given.ID, nil
		}
		if bySlug(im.slug) != nil {
			return "", refuse("slug", fmt.Sprintf("%q is another page's here", im.slug), "say which page it is to be: --page SLUG")
		}
		return "", nil
	}
	if p := bySlug(im.slug); p != nil {
		im.guess = true
		return p.ID, nil
	}
	return "", nil
}

func (im *importer) run() error {
	im.cut = im.now
	if !im.o.Exported.IsZero() && im.o.Exported.Before(im.now) {
		im.cut = im.o.Exported.UTC().Truncate(time.Millisecond)
	}
	if err := im.thePage(); err != nil {
		return err
	}
	for _, step := range []func() error{im.makeIDs, im.putGroups, im.putComponents, im.putIncidents, im.putMaintenances, im.putSeries, im.putTemplates, im.putLogo, im.putAudit} {
		if err := step(); err != nil {
			return err
		}
	}
	im.out.PageID, im.out.Slug, im.out.Name = im.page.ID, im.page.Slug, im.page.Name
	im.raised = im.raised || !im.out.New
	return im.audit("page.import", im.page.ID, im.page.Name, nil, map[string]any{"from": im.given.From, "new": im.out.New, "groups": im.out.Groups, "components": im.out.Components,
		"incidents": im.out.Incidents, "maintenances": im.out.Maintenances, "series": im.out.Series, "templates": im.out.Templates})
}

func (im *importer) progress(what string, done, of int) {
	if im.o.Progress != nil {
		im.o.Progress(what, done, of)
	}
}

func (im *importer) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(im.out.Notes, s) {
		im.out.Notes = append(im.out.Notes, s)
	}
}

// thePage makes the page, or changes it to what an export of ours says. A page of
// others that is here already keeps what it says of itself.
func (im *importer) thePage() error {
	given := im.given.Own()
	for k := range given.Triggers {
		if !slices.Contains(kinds(), k) {
			return refuse("triggers", fmt.Sprintf("%q is none", k), fmt.Sprintf("the triggers are %v", kinds()))
		}
	}
	if im.page == nil {
		return im.makePage(given)
	}
	var err error
	if im.was, err = im.tx.Whole(im.ctx); err != nil || !im.ours() {
		return err
	}
	before, after := *im.page, given
	after.ID, after.Slug, after.Main, after.Logo, after.Created, after.Version = before.ID, before.Slug, before.Main, before.Logo, before.Created, before.Version
	if given.ID != before.ID || im.taken(before.ID, given.Host) {
		after.Host = before.Host
	}
	if after.Private.PasswordHash = before.Private.PasswordHash; im.given.Private.Password && before.Private.PasswordHash == "" {
		if after.Private.PasswordHash, err = im.locked(); err != nil {
			return err
		}
	}
	if !im.given.Private.Password {
		after.Private.PasswordHash = ""
	}
	if im.private() {
		// What comes may be of a time when everybody could see the page.
		if after.Private = before.Private; !samePrivate(&before.Private, &given.Private, im.given.Private.Password) {
			im.note("Who may see the page stays as it is here.")
		}
	}
	if err := after.Validate(); err != nil {
		return err
	}
	im.page = &after
	if zone, err := time.LoadLocation(after.Zone); err == nil {
		im.zone = zone
	}
	if err := im.tx.SavePage(im.ctx, &after); err != nil || after.Zone == before.Zone {
		return err
	}
	err = im.reopenDays(after.Zone)
	_, im.closed, _ = im.tx.Page()
	return err
}

func samePrivate(here, given *status.Private, password bool) bool {
	return (here.PasswordHash != "") == password && here.SignedIn == given.SignedIn && slices.Equal(here.Networks, given.Networks)
}

// taken says whether a host is another page's.
func (im *importer) taken(pageID, host string) bool {
	return host != "" && slices.ContainsFunc(im.pages, func(o status.Page) bool { return o.Host == host && o.ID != pageID })
}

func (im *importer) makePage(p status.Page) error {
	id, err := newID()
	if err != nil {
		return err
	}
	first := len(im.pages) == 0
	switch {
	case im.ours():
		held, err := im.tx.Held(im.ctx, OfPage, []string{p.ID})
		if err != nil {
			return err
		}
		if held[p.ID] == "" && (im.o.Page == "" || im.o.Page == p.Slug) {
			id = p.ID
		}
	case first:
		id = MainPage
	}
	if p.Main && !first {
		im.note("It was the main page where it came from; here another one is.")
	}
	p.ID, p.Slug, p.Main, p.Version = id, im.slug, first, 1
	if p.Created.IsZero() || p.Created.After(im.now) || !im.ours() {
		p.Created = im.now
	}
	if im.taken(id, p.Host) {
		im.note("The host %s is another page's here: this one has none.", p.Host)
		p.Host = ""
	}
	if im.given.Private.Password {
		if p.Private.PasswordHash, err = im.locked(); err != nil {
			return err
		}
	}
	if err := p.Validate(); err != nil {
		return err
	}
	im.page, im.out.New = &p, true
	if im.zone, err = time.LoadLocation(p.Zone); err != nil {
		return fmt.Errorf("load the zone of the page: %w", err)
	}
	return im.tx.SavePage(im.ctx, &p)
}

// locked is the password of a page whose own is in no export.
func (im *importer) locked() (string, error) {
	if im.o.Locked == nil {
		return "", refuse("private.password", "is in no export", "import it where a password can be set")
	}
	im.note("The page has a password, which is in no export: set a new one, nobody knows the one that it has now.")
	return im.o.Locked()
}

// space is what ids that are made of others' are made in.
var space = uuid.MustParse("7a0c1f6e-2f4e-5c1d-9d57-0f4b6a3c9e21")

// derived is the id that a thing of elsewhere has on this page.
func (im *importer) derived(of Subject, id string) string {
	return Derived(im.page.ID, im.given.From, im.given.ID, of, id)
}

// Derived is the id that a thing of another page has after an import into the page,
// where it could not keep its own. From and fromID are what transfer.Page.From and ID
// were then.
func Derived(pageID, from, fromID string, of Subject, id string) string {
	key := pageID + "\x00" + from + "\x00" + fromID + "\x00" + string(of) + "\x00" + id
	return uuid.NewHash(sha256.New(), space, []byte(key), 8).String()
}

// makeIDs finds an id for everything that comes: the one that it had, unless that is
// no id of ours or belongs to another page, else always the same one.
func (im *importer) makeIDs() error {
	im.ids = map[Subject]map[string]string{}
	p, lists := im.given, map[Subject][]string{}
	for i := range p.Groups {
		lists[OfGroup] = append(lists[OfGroup], p.Groups[i].ID)
	}
	for i := range p.Components {
		lists[OfComponent] = append(lists[OfComponent], p.Components[i].ID)
	}
	for i := range p.Incidents {
		lists[OfIncident] = append(lists[OfIncident], p.Incidents[i].ID)
	}
	for i := range p.Maintenances {
		lists[OfMaintenance] = append(lists[OfMaintenance], p.Maintenances[i].ID)
	}
	for i := range p.Series {
		lists[OfSeries] = append(lists[OfSeries], p.Series[i].ID)
	}
	for i := range p.Templates {
		lists[OfTemplate] = append(lists[OfTemplate], p.Templates[i].ID)
	}
	if p.Logo != nil {
		lists[OfImage] = []string{p.Logo.ID}
	}
	known := false
	for _, of := range slices.Sorted(maps.Keys(lists)) {
		found, err := im.find(of, lists[of])
		if err != nil {
			return err
		}
		known = known || found && of == OfComponent
	}
	if im.guess && !known && len(lists[OfComponent]) > 0 {
		return refuse("page", fmt.Sprintf("%q is here already, and has nothing of what would come", im.page.Slug),
			"if it is to be imported into that page, say so: --page "+im.page.Slug+"; else name another one")
	}
	return im.findUpdates()
}

// findUpdates finds ids for updates: each belongs to what it says something of.
func (im *importer) findUpdates() error {
	type one struct{ owner, id string }
	var list []one
	var ids []string
	add := func(updates []transfer.Update, owner string) {
		for i := range updates {
			o := one{owner, updates[i].ID}
			list, ids = append(list, o), append(ids, o.id, im.derived(OfUpdate, o.owner+"/"+o.id))
		}
	}
	for i := range im.given.Incidents {
		add(im.given.Incidents[i].Updates, im.id(OfIncident, im.given.Incidents[i].ID))
	}
	for i := range im.given.Maintenances {
		add(im.given.Maintenances[i].Updates, im.id(OfMaintenance, im.given.Maintenances[i].ID))
	}
	held, err := im.tx.Held(im.ctx, OfUpdate, ids)
	if err != nil {
		return err
	}
	im.updates = make(map[string]string, len(list))
	for _, o := range list {
		other, to := im.derived(OfUpdate, o.owner+"/"+o.id), o.id
		if held[other] == o.owner || !im.keeps(o.id) || held[o.id] != "" && held[o.id] != o.owner {
			to = other
		}
		held[to] = o.owner
		im.updates[o.owner+"/"+o.id] = to
	}
	return nil
}

// keeps says whether an id can stay what it is.
func (im *importer) keeps(id string) bool {
	return (im.ours() || im.given.From == transfer.FromStatuspage) && transfer.Fit(id)
}

// find finds ids for things of a kind. known says that some are here already.
func (im *importer) find(of Subject, given []string) (known bool, err error) {
	both := slices.Clone(given)
	for _, id := range given {
		both = append(both, im.derived(of, id))
	}
	held, err := im.tx.Held(im.ctx, of, both)
	if err != nil {
		return false, err
	}
	to := make(map[string]string, len(given))
	for _, id := range given {
		other := im.derived(of, id)
		switch {
		case held[other] == im.page.ID:
			to[id], known = other, true
		case im.keeps(id) && held[id] == im.page.ID:
			to[id], known = id, true
		case im.keeps(id) && held[id] == "":
			to[id] = id
		default:
			to[id] = other
		}
	}
	im.ids[of] = to
	return known, nil
}

// id is what a thing has here. What does not come along is what it was where ids
// stay, as an incident may name a component that was deleted long ago.
func (im *importer) id(of Subject, id string) string {
	if to, ok := im.ids[of][id]; ok || id == "" {
		return to
	}
	if im.ours() && im.page.ID == im.given.ID {
		return id
	}
	return im.derived(of, id)
}

// parted are components as they are here.
func (im *importer) parted(ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = im.id(OfComponent, id)
	}
	return out
}

// room refuses more of a kind than a page holds.
func room(what string, n, most int) error {
	if n > most {
		return refuse(what, fmt.Sprintf("would be %d", n), fmt.Sprintf("a page holds %d: import into another page, or delete some first", most))
	}
	return nil
}

func (t *Tally) count(isNew, changed bool) {
	switch {
	case isNew:
		t.New++
	case changed:
		t.Changed++
	default:
		t.Same++
	}
}
