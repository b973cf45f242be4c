package page

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/status"
)

// Store is what pages are made of.
type Store interface {
	// StatusPages are all pages, each with the version that it has.
	StatusPages(ctx context.Context) ([]status.Page, error)
	// StatusRecord is all that is shown of a page.
	StatusRecord(ctx context.Context, pageID string) (status.Record, error)
	// StatusMonth is what began from one moment up to another, drafts and what was
	// cancelled left out, the oldest first.
	StatusMonth(ctx context.Context, pageID string, from, to time.Time) ([]status.Incident, []status.Maintenance, error)
	// StatusDays answers the closed days of a page's components between two dates,
	// both included, by component and in order.
	StatusDays(ctx context.Context, pageID, from, to string) (map[string][]status.Day, error)
	// Incident answers one of any page, draft or not; fault.ErrNotFound.
	Incident(ctx context.Context, id string) (status.Incident, error)
	// Maintenance is the same for announced work.
	Maintenance(ctx context.Context, id string) (status.Maintenance, error)
}

// Options are what a Site needs besides its store. The zero value of each is its
// default.
type Options struct {
	BaseURL string        // how visitors reach us, without a slash at its end
	Dir     string        // where the last records are kept, for a start without database; empty: nowhere
	Poll    time.Duration // the safety net behind Wake; 1 s
	Renew   time.Duration // how old a page that nothing changed may get; 1 min
	Wait    time.Duration // how long the database may take to answer before it counts as away; 5 s
	Gate    Gate          // who may see pages that are not public
	// Image answers a page's logo by its id, PNG or JPEG; fault.ErrNotFound. Without
	// it pages have none.
	Image func(ctx context.Context, id string) (kind string, body []byte, err error)
	// Ways answers how visitors can subscribe who give an address; nil: not at all.
	Ways func() Ways
	Now  func() time.Time
	Log  *slog.Logger
}

// Site holds every page as bytes, in every language and form, and serves them
// from memory. Run keeps it up to date; while the database cannot be reached it
// serves what it has and says from when that is.
type Site struct {
	store    Store
	renderer *Renderer
	text     Markdown
	o        Options
	gate     *gate

	wake  chan struct{}
	made  atomic.Pointer[made]
	mu    sync.Mutex // of making
	pages map[string]*pageSet
	kept  map[string]keptFile // what is in Dir, by id of the page
	asked chan struct{}       // bounds who asks the database because of a request
}

// Markdown makes HTML and plain text of Markdown.
type Markdown interface {
	Text
	Text(markdown string) string
}

// made is all there is to serve; nobody changes it once it is there.
type made struct {
	byID   map[string]*pageSet
	byHost map[string]*pageSet
	bySlug map[string]*pageSet
	main   *pageSet
}

// NewSite makes a Site that serves what is kept in Options.Dir until Run or
// Refresh has looked.
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
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g, err := newGate(o.Gate, o.Now)
	if err != nil {
		return nil, err
	}
	s := &Site{store: store, renderer: r, text: text, o: o, gate: g, wake: make(chan struct{}, 1), pages: map[string]*pageSet{},
		kept: map[string]keptFile{}, asked: make(chan struct{}, 4)}
	s.publish(s.load())
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
			s.mu.Lock()
			defer s.mu.Unlock()
			s.keep(s.pages, s.o.Now(), 0)
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// Refresh looks once, and makes anew what changed or got old. A page that cannot
// be made leaves the others alone. When the database cannot be read all pages say
// so from then on.
func (s *Site) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	pages, err := patiently(ctx, s.o.Wait, s.store.StatusPages)
	if err != nil {
		return s.allStale(fmt.Errorf("list pages: %w", err))
	}
	changed := len(pages) != len(s.pages)
	next := map[string]*pageSet{}
	var fresh []*pageSet
	for _, p := range pages {
		known := s.pages[p.ID]
		if known != nil && known.page.Version == p.Version && !known.at.Stale && now.Sub(known.taken) < s.o.Renew {
			next[p.ID] = known
			continue
		}
		record, err := patiently(ctx, s.o.Wait, func(ctx context.Context) (status.Record, error) { return s.store.StatusRecord(ctx, p.ID) })
		if err != nil {
			return s.allStale(fmt.Errorf("read page %s: %w", p.Slug, err))
		}
		set, err := s.build(record, now, false, known)
		if err != nil {
			s.o.Log.Error("page cannot be made", "page", p.Slug, "error", err)
			if known == nil {
				continue
			}
			set = known
		}
		next[p.ID], changed = set, true
		fresh = append(fresh, set)
	}
	if changed {
		s.publish(next)
	}
	s.warm(ctx, fresh)
	if !s.woken() {
		s.keep(next, now, keepAfter)
	}
	return nil
}

// patiently asks the database for a time: one that takes connections and then says
// nothing is as good as none, and visitors must be told so.
func patiently[T any](ctx context.Context, d time.Duration, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return ask(ctx)
}

// woken says that something changed meanwhile, which is more urgent than what is
// made ahead: that is made when it is asked for.
func (s *Site) woken() bool { return len(s.wake) > 0 }

// warm makes the page in the other languages and what open tabs ask for, so that
// no visitor waits for it. All see the change by then.
func (s *Site) warm(ctx context.Context, sets []*pageSet) {
	for _, set := range sets {
		for _, l := range s.renderer.languages {
			if s.woken() {
				return
			}
			if _, _, err := s.document(ctx, set, address{language: l}); err != nil {
				s.o.Log.Error("page cannot be made", "page", set.page.Slug, "language", l.Tag, "error", err)
			}
		}
		_, _, _ = s.document(ctx, set, address{language: set.language, path: "live.json"}) // said when it is asked for
	}
}

// allStale makes every page say from when it is, once.
func (s *Site) allStale(why error) error {
	next := maps.Clone(s.pages)
	changed := false
	for id, set := range s.pages {
		if set.at.Stale {
			continue
		}
		old, err := s.build(set.record, set.taken, true, set)
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
	m := &made{byID: pages, byHost: map[string]*pageSet{}, bySlug: map[string]*pageSet{}}
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

// Ready says whether there is anything to serve.
func (s *Site) Ready() bool {
	m := s.made.Load()
	return len(m.bySlug) > 0
}

// Hosts says whether a page has the host name of a request, see status.Page.
func (s *Site) Hosts(host string) bool { return s.made.Load().hosts(host) != nil }

// HostNames are the host names of all pages that have one.
func (s *Site) HostNames() []string { return slices.Collect(maps.Keys(s.made.Load().byHost)) }
