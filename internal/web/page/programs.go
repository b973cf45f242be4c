package page

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/feed"
	"tocsin/internal/status/statuspage"
)

// programs are what is read by programs, by path.
func (s *Site) programs(ctx context.Context, set *pageSet, a address) map[string]func() (*document, error) {
	feedOf := func(kind string, write func(feed.Feed) ([]byte, error)) func() (*document, error) {
		return func() (*document, error) {
			f := feed.Make(s.told(ctx, set), set.at.URL, set.zone, set.changed, a.language, s.text)
			f.Lang = a.language.Tag
			body, err := write(f)
			if err != nil {
				return nil, err
			}
			return shareable(kind+"; charset=utf-8", body)
		}
	}
	v2 := func(of func(*statuspage.Writer) any) func() (*document, error) {
		return func() (*document, error) {
			w := &statuspage.Writer{Snapshot: set.snapshot, Zone: set.zone, URL: set.at.URL, Updated: set.changed, Text: s.text.Text}
			w.Ended, w.Done = s.over(ctx, set)
			return inJSON("application/json; charset=utf-8", of(w))
		}
	}
	return map[string]func() (*document, error){
		"history.atom": feedOf("application/atom+xml", feed.Feed.Atom),
		"history.rss":  feedOf("application/rss+xml", feed.Feed.RSS),
		"history.json": feedOf("application/feed+json", feed.Feed.JSON),
		"maintenance.ics": func() (*document, error) {
			return shareable("text/calendar; charset=utf-8", feed.ICal(s.told(ctx, set), set.at.URL, set.changed, s.text.Text))
		},
		"badge.svg": func() (*document, error) { return picture(badge(set.page.Name, set.snapshot.State, a.language)) },
		"live.json": func() (*document, error) {
			return inJSON("application/json; charset=utf-8", struct {
				Content string    `json:"content"`
				At      time.Time `json:"at"`
			}{contentOf(&set.snapshot, set.at.Stale), set.taken.UTC().Truncate(time.Second)})
		},
		"status.webmanifest":                          func() (*document, error) { return inJSON("application/manifest+json", manifestOf(set, a)) },
		"api/v2/summary.json":                         v2(func(w *statuspage.Writer) any { return w.Summary() }),
		"api/v2/status.json":                          v2(func(w *statuspage.Writer) any { return w.Status() }),
		"api/v2/components.json":                      v2(func(w *statuspage.Writer) any { return w.Components() }),
		"api/v2/incidents.json":                       v2(func(w *statuspage.Writer) any { return w.Incidents() }),
		"api/v2/incidents/unresolved.json":            v2(func(w *statuspage.Writer) any { return w.Unresolved() }),
		"api/v2/scheduled-maintenances.json":          v2(func(w *statuspage.Writer) any { return w.Maintenances() }),
		"api/v2/scheduled-maintenances/upcoming.json": v2(func(w *statuspage.Writer) any { return w.Upcoming() }),
		"api/v2/scheduled-maintenances/active.json":   v2(func(w *statuspage.Writer) any { return w.Active() }),
	}
}

func inJSON(kind string, v any) (*document, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return shareable(kind, body)
}

// shareable may be read by scripts of other sites.
func shareable(kind string, body []byte) (*document, error) {
	d, err := newDocument(kind, body, varyOther)
	if err != nil {
		return nil, err
	}
	d.open = true
	return d, nil
}

func picture(body []byte) (*document, error) {
	d, err := shareable("image/svg+xml", body)
	if err != nil {
		return nil, err
	}
	d.policy = []string{pictureOnly}
	return d, nil
}

// recent is what ended lately.
type recent struct {
	mu   sync.Mutex
	read bool
	in   []status.Incident
	work []status.Maintenance
}

// mostTold is of how much that is over feeds and lists tell: some readers look
// once a week.
const mostTold = 50

// over are the incidents and maintenances that are over, the newest first: of the
// days that bars show, or of those that the record has while the database is away.
func (s *Site) over(ctx context.Context, set *pageSet) ([]status.Incident, []status.Maintenance) {
	x := set.recent
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.read {
		return x.in, x.work
	}
	in, work := set.record.Incidents, set.record.Maintenances
	err := s.ask(ctx, func(ctx context.Context) (err error) {
		in, work, err = s.store.StatusMonth(ctx, set.page.ID, set.taken.AddDate(0, 0, -status.BarDays), set.taken)
		return err
	})
	if err != nil {
		s.o.Log.Warn("what is over cannot be read", "page", set.page.Slug, "error", err)
		in, work = set.record.Incidents, set.record.Maintenances
	}
	in, work = slices.Clone(in), slices.Clone(work)
	in = slices.DeleteFunc(in, func(i status.Incident) bool {
		return i.Draft || i.Phase != status.Resolved && i.Phase != status.Postmortem
	})
	slices.SortStableFunc(in, func(a, b status.Incident) int { return b.Started.Compare(a.Started) })
	work = slices.DeleteFunc(work, func(m status.Maintenance) bool { return m.Phase != status.Completed })
	slices.SortStableFunc(work, func(a, b status.Maintenance) int { return b.Start.Compare(a.Start) })
	in, work = in[:min(mostTold, len(in))], work[:min(mostTold, len(work))]
	if err == nil {
		x.read, x.in, x.work = true, in, work
	}
	return in, work
}

// told is the snapshot with all of the past that feeds tell.
func (s *Site) told(ctx context.Context, set *pageSet) status.Snapshot {
	snapshot := set.snapshot
	in, work := s.over(ctx, set)
	snapshot.Past = []status.PastDay{{Incidents: in, Maintenances: work}}
	return snapshot
}

// manifest makes the page an app.
type manifest struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Short      string         `json:"short_name"`
	Lang       string         `json:"lang"`
	Dir        string         `json:"dir"`
	Start      string         `json:"start_url"`
	Scope      string         `json:"scope"`
	Display    string         `json:"display"`
	Theme      string         `json:"theme_color"`
	Background string         `json:"background_color"`
	Icons      []manifestIcon `json:"icons"`
}

type manifestIcon struct {
	Src     string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
}

func manifestOf(set *pageSet, a address) manifest {
	home := set.at.Base + "/"
	m := manifest{ID: home, Name: set.page.Name, Short: set.page.Name, Lang: a.language.Tag, Dir: a.language.Dir, Start: home, Scope: home,
		Display: "standalone", Theme: "#1d5fd1", Background: "#ffffff"}
	if c := accentOf(set.page.Accent); c != nil {
		m.Theme = c.Light
	}
	// Browsers fetch what they would install with the first visit: a drawing is the
	// lightest, and those that do not take it find the others.
	m.Icons = []manifestIcon{
		{assets().url("app.svg"), "any", "image/svg+xml", "any"},
		{"/static/icons/apple-touch-icon.png", "180x180", "image/png", "any"}, // takes no drawing
		{"/static/icons/app-maskable-192.png", "192x192", "image/png", "maskable"}, {"/static/icons/app-maskable-512.png", "512x512", "image/png", "maskable"},
	}
	return m
}
