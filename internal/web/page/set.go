package page

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/status"
	"tocsin/internal/status/statuspage"
	"tocsin/internal/status/words"
)

// pageSet is one page in all its forms. What most people ask for is made with
// it, all else when it is first asked for. Nobody changes it.
type pageSet struct {
	page     status.Page
	record   status.Record
	snapshot status.Snapshot
	zone     *time.Location
	taken    time.Time // when the record was read
	changed  time.Time // when something was last changed
	at       Place
	networks []netip.Prefix  // see Private
	language *words.Language // for visitors whose own we do not have
	home     *document       // in its own language, for addresses that name none
	docs     *drawer         // made of the snapshot
	past     *drawer         // made of what the store was asked for; outlives a page that is only made anew
	recent   *recent         // likewise
	year     *year           // of closed days; outlives every change
}

// drawer keeps documents by what they are, each made once.
type drawer struct {
	mu    sync.Mutex
	slots map[string]*slot
}

type slot struct {
	once sync.Once
	d    *document // nil: there is none
	err  error
	done bool // with a document; under the drawer's lock
}

// mostKept bounds a drawer: 1,000 components have as many badges in each language.
const mostKept = 5000

func newDrawer() *drawer { return &drawer{slots: map[string]*slot{}} }

// get answers what is kept under a key, or makes it; who comes meanwhile waits.
// What went wrong is tried again by the next one.
func (w *drawer) get(key string, fill func() (*document, error)) (*document, error) {
	w.mu.Lock()
	x := w.slots[key]
	if x == nil {
		if len(w.slots) >= mostKept {
			clear(w.slots)
		}
		x = &slot{}
		w.slots[key] = x
	}
	w.mu.Unlock()
	x.once.Do(func() {
		x.err = errUnmade
		defer func() { // also when fill panics
			w.mu.Lock()
			defer w.mu.Unlock()
			if x.done = x.d != nil; x.err != nil && w.slots[key] == x {
				delete(w.slots, key)
			}
		}()
		x.d, x.err = fill()
	})
	return x.d, x.err
}

// peek answers what is kept already, or nil.
func (w *drawer) peek(key string) *document {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.slots[key]; x != nil && x.done {
		return x.d
	}
	return nil
}

// errUnmade is what those who wait get when the making panics.
var errUnmade = errors.New("could not be made")

const (
	varyPage  = "Accept-Encoding, Accept-Language"
	varyOther = "Accept-Encoding"
	// Styles stand in the page; nothing is loaded from elsewhere, and nothing runs
	// that is not ours.
	policy      = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; script-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
	nobodys     = "'none'"
	everybodys  = "*"
	pictureOnly = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
)

// place is where a page stands while it is served.
func (s *Site) place(p *status.Page) Place {
	at := Place{Base: "/s/" + p.Slug, URL: s.o.BaseURL + "/s/" + p.Slug, Private: !public(&p.Private)}
	if p.Main {
		at.Base, at.URL = "", s.o.BaseURL
	}
	if p.Host != "" {
		at.Base, at.URL = "", "https://"+p.Host
	}
	if s.o.Ways != nil {
		at.Ways = s.o.Ways()
	}
	return at
}

// build makes a page; before is the same one as it was, or nil.
func (s *Site) build(r status.Record, now time.Time, stale bool, before *pageSet) (*pageSet, error) {
	at := s.place(&r.Page)
	at.Stale = stale
	return s.buildAt(r, now, at, before)
}

func (s *Site) buildAt(r status.Record, now time.Time, at Place, before *pageSet) (*pageSet, error) {
	zone, err := time.LoadLocation(r.Page.Zone)
	if err != nil {
		zone = time.UTC // was checked when it was stored; this machine may know fewer
	}
	set := &pageSet{page: r.Page, record: r, zone: zone, taken: now, changed: statuspage.Changed(&r), at: at,
		snapshot: status.Take(r, zone, now), language: s.renderer.languages.For(r.Page.Language, ""),
		docs: newDrawer(), past: newDrawer(), recent: &recent{}, year: &year{}}
	for _, n := range r.Page.Private.Networks {
		if prefix, err := netip.ParsePrefix(n); err == nil { // was checked when it was stored
			set.networks = append(set.networks, prefix)
		}
	}
	if before != nil && before.page.Version == r.Page.Version && before.at.Copy == at.Copy {
		set.past, set.recent = before.past, before.recent
	}
	if before != nil {
		set.year = before.year
	}
	a := address{language: set.language}
	set.home, err = set.docs.get(a.key(), func() (*document, error) { return s.forReading(set, a) })
	return set, err
}

// contentOf changes whenever a page shows something else, but for the time that
// it is from and the seconds of today.
func contentOf(s *status.Snapshot, stale bool) string {
	h := sha256.New()
	fmt.Fprintln(h, s.Page.Version, stale, s.State, len(s.Open), len(s.Active), len(s.Upcoming))
	var walk func([]status.GroupView)
	walk = func(groups []status.GroupView) {
		for i := range groups {
			for j := range groups[i].Components {
				c := &groups[i].Components[j]
				fmt.Fprintln(h, c.ID, c.Shown)
				if n := len(c.Days); n > 0 {
					fmt.Fprintln(h, c.Days[n-1].Date, c.Days[n-1].Worst)
				}
			}
			walk(groups[i].Groups)
		}
	}
	walk(s.Groups)
	for i := range s.Active {
		fmt.Fprintln(h, s.Active[i].ID)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// beginning is before all that anybody can have told.
var beginning = time.Unix(0, 0)

var (
	monthPath = regexp.MustCompile(`^history/\d{4}-(0[1-9]|1[0-2])$`)
	idForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// forPeople says whether a path is that of a page in a language.
func forPeople(path string) bool {
	switch path {
	case "", "subscribe", "history", "embed", "uptime":
		return true
	}
	return strings.HasPrefix(path, "incidents/") || strings.HasPrefix(path, "uptime/") || strings.HasPrefix(path, "history/") && !strings.Contains(path, ".")
}

// document answers what there is at an address: nil if nothing, false if the
// address has no form of ours. An error is the database's.
func (s *Site) document(ctx context.Context, set *pageSet, a address) (*document, bool, error) {
	key := a.key()
	if d := set.docs.peek(key); d != nil {
		return d, true, nil
	}
	switch id, ok := strings.CutPrefix(a.path, "incidents/"); {
	case ok:
		d, err := s.entry(ctx, set, a, key, strings.TrimSuffix(id, "/"))
		return d, true, err
	case a.path == "history" || monthPath.MatchString(a.path):
		d, err := set.past.get(key+set.taken.In(set.zone).Format(" 2006-01"), func() (*document, error) { return s.month(ctx, set, a) })
		return d, true, err
	case a.path == "uptime" || strings.HasPrefix(a.path, "uptime/"):
		id, one := strings.CutPrefix(a.path, "uptime/")
		if !one {
			id = ""
		} else if componentOf(set.snapshot.Groups, id) == nil { // a drawer keeps what there is not, too
			return nil, true, nil
		}
		d, err := set.docs.get(key, func() (*document, error) { return s.uptime(ctx, set, a, id) })
		return d, true, err
	case forPeople(a.path):
		if strings.HasPrefix(a.path, "history/") {
			return nil, true, nil
		}
		d, err := set.docs.get(key, func() (*document, error) { return s.forReading(set, a) })
		return d, true, err
	case a.path == "logo":
		d, err := set.past.get("logo", func() (*document, error) { return s.logo(ctx, set) })
		return d, true, err
	}
	if id, ok := strings.CutPrefix(a.path, "badge/"); ok {
		name, state, known := shown(set.snapshot.Groups, strings.TrimSuffix(id, ".svg"))
		if !known || !strings.HasSuffix(id, ".svg") {
			return nil, true, nil
		}
		d, err := set.docs.get(key, func() (*document, error) { return picture(badge(name, state, a.language)) })
		return d, true, err
	}
	write := s.programs(ctx, set, a)[a.path]
	if write == nil {
		return nil, false, nil
	}
	d, err := set.docs.get(key, write)
	return d, true, err
}

// forReading makes a page that needs nothing but the snapshot.
func (s *Site) forReading(set *pageSet, a address) (*document, error) {
	at, r := a.place(set), s.renderer
	var body []byte
	var err error
	ancestors := nobodys
	switch a.path {
	case "":
		body, err = r.Page(set.snapshot, a.language, set.zone, at)
	case "subscribe":
		body, err = r.Subscribe(set.snapshot, a.language, set.zone, at)
	case "embed":
		body, err = r.Embed(set.snapshot, a.language, set.zone, at)
		if !at.Private {
			ancestors = everybodys
		}
	}
	return inHTML(body, err, a, ancestors)
}

// place is where the page stands at an address.
func (a address) place(set *pageSet) Place {
	at := set.at
	if at.Home = at.Base; a.named {
		at.Home += "/" + a.language.Tag
	}
	return at
}

func inHTML(body []byte, err error, a address, ancestors string) (*document, error) {
	if err != nil {
		return nil, err
	}
	vary := varyPage
	if a.named {
		vary = varyOther
	}
	d, err := newDocument("text/html; charset=utf-8", body, vary)
	if err != nil {
		return nil, err
	}
	d.policy, d.framed = []string{policy + ancestors}, ancestors == everybodys
	return d, nil
}

// entry makes the page of an incident or a maintenance: of the snapshot's, else
// of the store's.
func (s *Site) entry(ctx context.Context, set *pageSet, a address, key, id string) (*document, error) {
	if !idForm.MatchString(id) {
		return nil, nil
	}
	a.path = "incidents/" + id
	at := a.place(set)
	incident := func(i *status.Incident) (*document, error) {
		if i.Draft {
			return nil, nil
		}
		body, err := s.renderer.Incident(set.snapshot, i, a.language, set.zone, at)
		return inHTML(body, err, a, nobodys)
	}
	maintenance := func(m *status.Maintenance) (*document, error) {
		body, err := s.renderer.Maintenance(set.snapshot, m, a.language, set.zone, at)
		return inHTML(body, err, a, nobodys)
	}
	for i := range set.record.Incidents {
		if set.record.Incidents[i].ID == id {
			return set.docs.get(key, func() (*document, error) { return incident(&set.record.Incidents[i]) })
		}
	}
	for i := range set.record.Maintenances {
		if set.record.Maintenances[i].ID == id {
			return set.docs.get(key, func() (*document, error) { return maintenance(&set.record.Maintenances[i]) })
		}
	}
	return set.past.get(key, func() (d *document, err error) {
		err = s.ask(ctx, func(ctx context.Context) error {
			i, err := s.store.Incident(ctx, id)
			if err == nil && i.PageID == set.page.ID {
				d, err = incident(&i)
				return err
			}
			if !errors.Is(err, fault.ErrNotFound) {
				return err
			}
			m, err := s.store.Maintenance(ctx, id)
			if err == nil && m.PageID == set.page.ID {
				d, err = maintenance(&m)
			}
			return err
		})
		return d, err
	})
}

// month makes the page of a month; without one it is the present one.
func (s *Site) month(ctx context.Context, set *pageSet, a address) (d *document, err error) {
	now := set.taken.In(set.zone)
	this := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, set.zone)
	m := Month{Of: this}
	if text, ok := strings.CutPrefix(a.path, "history/"); ok {
		if m.Of, err = time.ParseInLocation(monthFormat, text, set.zone); err != nil {
			return nil, nil // no such month
		}
	}
	next := m.Of.AddDate(0, 1, 0)
	err = s.ask(ctx, func(ctx context.Context) error {
		if m.Incidents, m.Maintenances, err = s.store.StatusMonth(ctx, set.page.ID, m.Of, next); err != nil {
			return err
		}
		older := set.page.Created.Before(m.Of)
		if !older { // what was brought from elsewhere is older than the page
			in, work, err := s.store.StatusMonth(ctx, set.page.ID, beginning, m.Of)
			if err != nil {
				return err
			}
			older = len(in)+len(work) > 0
		}
		if older {
			m.Earlier = m.Of.AddDate(0, -1, 0)
		}
		if !next.After(this) {
			m.Later = next
		}
		nothing := len(m.Incidents)+len(m.Maintenances) == 0
		if nothing && !m.Of.Equal(this) && (m.Of.After(this) || !older && !set.page.Created.Before(next)) {
			return nil // before and after all that there is
		}
		body, err := s.renderer.History(set.snapshot, m, a.language, set.zone, a.place(set))
		if err != nil {
			return err
		}
		d, err = inHTML(body, nil, a, nobodys)
		return err
	})
	return d, err
}

func (s *Site) logo(ctx context.Context, set *pageSet) (d *document, err error) {
	if set.page.Logo == "" || s.o.Image == nil {
		return nil, nil
	}
	err = s.ask(ctx, func(ctx context.Context) error {
		kind, body, err := s.o.Image(ctx, set.page.Logo)
		if err != nil {
			return err
		}
		d, err = newDocument(kind, body, varyOther)
		if err == nil {
			d.policy = []string{pictureOnly}
		}
		return err
	})
	return d, err
}

// ask asks the database because of a request: few at a time, and what is not
// there is no error.
func (s *Site) ask(ctx context.Context, f func(ctx context.Context) error) error {
	select {
	case s.asked <- struct{}{}:
		defer func() { <-s.asked }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the database: %w", ctx.Err())
	}
	// Others wait for the answer, so it does not end with whoever asked first.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := f(ctx); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	return nil
}

// message is a document that says one thing, with a status of its own.
func (s *Site) message(set *pageSet, language *words.Language, code int, key string) *document {
	d, err := set.docs.get(fmt.Sprintf("%s!%d", language.Tag, code), func() (*document, error) {
		a := address{language: language}
		body, err := s.renderer.message(set.snapshot, language.T(key), language.T(key+"_about"), language, a.place(set), nil)
		d, err := inHTML(body, err, a, nobodys)
		if err == nil {
			d.status, d.caching = code, private
		}
		return d, err
	})
	if err != nil {
		s.o.Log.Error("message cannot be made", "error", err)
		return &document{status: code, kind: []string{"text/plain; charset=utf-8"}, forms: [3]form{newForm([]byte(http.StatusText(code)), "", "")}}
	}
	return d
}
