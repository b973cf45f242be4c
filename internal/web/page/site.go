package page

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/feed"
	"tocsin/internal/status/statuspage"
	"tocsin/internal/status/words"
)

// Store is what pages are made of.
type Store interface {
	// StatusPages are all pages, each with the version that it has.
	StatusPages(ctx context.Context) ([]status.Page, error)
	// StatusRecord is all that is shown of a page.
	StatusRecord(ctx context.Context, pageID string) (status.Record, error)
}

// Options are what a Site needs besides its store. The zero value of each is its
// default.
type Options struct {
	BaseURL string        // how visitors reach us, without a slash at its end
	Poll    time.Duration // the safety net behind Wake; 1 s
	Renew   time.Duration // how old a page that nothing changed may get; 1 min
	Now     func() time.Time
	Log     *slog.Logger
}

// Site holds every page as bytes, in every language and form, and serves them
// from memory. Run keeps it up to date; while the database cannot be reached it
// serves what it has and says from when that is.
type Site struct {
	store    Store
	renderer *Renderer
	text     Markdown
	o        Options

	wake  chan struct{}
	made  atomic.Pointer[made]
	mu    sync.Mutex // of making
	pages map[string]*pageSet
}

// Markdown makes HTML and plain text of Markdown.
type Markdown interface {
	Text
	Text(markdown string) string
}

// made is all there is to serve; nobody changes it once it is there.
type made struct {
	byHost map[string]*pageSet
	bySlug map[string]*pageSet
	main   *pageSet
}

// pageSet is one page in all its forms.
type pageSet struct {
	page      status.Page
	record    status.Record
	at        time.Time
	stale     bool
	language  *words.Language
	documents map[string]*document // by path below the page, with the language before it where that matters: "en/"
}

// NewSite makes a Site that has nothing to serve until Run or Refresh has looked.
func NewSite(store Store, text Markdown, o Options) (*Site, error) {
	r, err := NewRenderer(text)
	if err != nil {
		return nil, err
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Renew <= 0 {
		o.Renew = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{store: store, renderer: r, text: text, o: o, wake: make(chan struct{}, 1), pages: map[string]*pageSet{}}
	s.made.Store(&made{})
	return s, nil
}

// Wake makes Run look at once: something public changed. It never blocks.
func (s *Site) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run keeps the pages up to date until ctx ends.
func (s *Site) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("pages are not renewed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// Refresh looks once, and makes anew what changed or got old. When the database
// cannot be read the pages say so from then on.
func (s *Site) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	pages, err := s.store.StatusPages(ctx)
	if err != nil {
		return s.allStale(fmt.Errorf("list pages: %w", err))
	}
	changed := false
	next := map[string]*pageSet{}
	for _, p := range pages {
		known := s.pages[p.ID]
		if known != nil && known.page.Version == p.Version && !known.stale && now.Sub(known.at) < s.o.Renew {
			next[p.ID] = known
			continue
		}
		record, err := s.store.StatusRecord(ctx, p.ID)
		if err != nil {
			return s.allStale(fmt.Errorf("read page %s: %w", p.Slug, err))
		}
		set, err := s.build(record, now, false)
		if err != nil {
			return err
		}
		next[p.ID], changed = set, true
	}
	if changed || len(next) != len(s.pages) {
		s.publish(next)
	}
	return nil
}

// allStale makes every page say from when it is, once.
func (s *Site) allStale(why error) error {
	next := maps.Clone(s.pages)
	changed := false
	for id, set := range s.pages {
		if set.stale {
			continue
		}
		old, err := s.build(set.record, set.at, true)
		if err != nil {
			return err
		}
		next[id], changed = old, true
	}
	if changed {
		s.publish(next)
	}
	return why
}

func (s *Site) publish(pages map[string]*pageSet) {
	m := &made{byHost: map[string]*pageSet{}, bySlug: map[string]*pageSet{}}
	for _, set := range pages {
		m.bySlug[set.page.Slug] = set
		if set.page.Host != "" {
			m.byHost[set.page.Host] = set
		}
		if set.page.Main {
			m.main = set
		}
	}
	s.pages = pages
	s.made.Store(m)
}

// base is the page's address below the host, without a slash at its end.
func base(p *status.Page) string {
	if p.Main || p.Host != "" {
		return ""
	}
	return "/s/" + p.Slug
}

func (s *Site) url(p *status.Page) string {
	if p.Host != "" {
		return "https://" + p.Host
	}
	return s.o.BaseURL + base(p)
}

const (
	varyPage  = "Accept-Encoding, Accept-Language"
	varyOther = "Accept-Encoding"
	// Styles stand in the page; nothing is loaded from elsewhere, and nothing runs
	// that is not ours.
	policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; script-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

// build makes a page in all its forms.
func (s *Site) build(r status.Record, now time.Time, stale bool) (*pageSet, error) {
	zone, err := time.LoadLocation(r.Page.Zone)
	if err != nil {
		zone = time.UTC // was checked when it was stored; this machine may know fewer
	}
	snapshot := status.Take(r, zone, now)
	p := &r.Page
	set := &pageSet{page: r.Page, record: r, at: now, stale: stale, language: s.renderer.languages.For(p.Language, ""), documents: map[string]*document{}}
	for tag, language := range s.renderer.languages {
		body, err := s.renderer.Page(snapshot, language, zone, base(p), stale)
		if err != nil {
			return nil, err
		}
		d, err := newDocument("text/html; charset=utf-8", body, varyPage)
		if err != nil {
			return nil, err
		}
		d.policy = []string{policy}
		set.documents[tag+"/"] = d
	}
	return set, s.machines(set, snapshot, zone)
}

// machines adds what is read by programs.
func (s *Site) machines(set *pageSet, snapshot status.Snapshot, zone *time.Location) error {
	url := s.url(&set.page)
	w := &statuspage.Writer{Snapshot: snapshot, Zone: zone, URL: url, Updated: set.at, Text: s.text.Text}
	for path, doc := range map[string]any{
		"api/v2/summary.json": w.Summary(), "api/v2/status.json": w.Status(), "api/v2/components.json": w.Components(),
		"api/v2/incidents.json": w.Incidents(), "api/v2/incidents/unresolved.json": w.Unresolved(),
		"api/v2/scheduled-maintenances.json": w.Maintenances(), "api/v2/scheduled-maintenances/upcoming.json": w.Upcoming(),
		"api/v2/scheduled-maintenances/active.json": w.Active(),
	} {
		body, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := set.add(path, "application/json; charset=utf-8", body); err != nil {
			return err
		}
	}
	f := feed.Make(snapshot, url, zone, set.at, set.language, s.text)
	for path, write := range map[string]func() ([]byte, error){"history.atom": f.Atom, "history.rss": f.RSS, "history.json": f.JSON} {
		body, err := write()
		if err != nil {
			return err
		}
		kind := map[string]string{"history.atom": "application/atom+xml", "history.rss": "application/rss+xml", "history.json": "application/feed+json"}[path]
		if err := set.add(path, kind+"; charset=utf-8", body); err != nil {
			return err
		}
	}
	return set.add("maintenance.ics", "text/calendar; charset=utf-8", feed.ICal(snapshot, url, set.at, s.text.Text))
}

func (set *pageSet) add(path, kind string, body []byte) error {
	d, err := newDocument(kind, body, varyOther)
	if err != nil {
		return err
	}
	d.open = true
	set.documents[path] = d
	return nil
}

// Handle answers a request for a page, or says false when there is none at its
// address.
func (s *Site) Handle(w http.ResponseWriter, r *http.Request) bool {
	m := s.made.Load()
	set, path := m.find(r)
	if set == nil {
		return false
	}
	d := set.documents[path]
	if d == nil && path == "" {
		language := set.language
		if tag := r.URL.Query().Get("lang"); tag != "" {
			language = s.renderer.languages.For(tag, set.page.Language)
		} else if accept := r.Header.Get("Accept-Language"); accept != "" {
			language = s.renderer.languages.Accept(accept, set.page.Language)
		}
		d = set.documents[language.Tag+"/"]
	}
	if d == nil {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This address can only be read.", http.StatusMethodNotAllowed)
		return true
	}
	d.serve(w, r, false)
	return true
}

// find answers the page that a request is for, and the path below it without a
// slash before it.
func (m *made) find(r *http.Request) (*pageSet, string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if len(m.byHost) > 0 {
		host := strings.ToLower(r.Host)
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			host = host[:i]
		}
		if set := m.byHost[host]; set != nil {
			return set, path
		}
	}
	if rest, ok := strings.CutPrefix(path, "s/"); ok {
		slug, below, _ := strings.Cut(rest, "/")
		if set := m.bySlug[slug]; set != nil {
			return set, below
		}
		return nil, ""
	}
	return m.main, path
}
