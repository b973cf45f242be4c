package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/markdown"
	"tocsin/internal/push"
	"tocsin/internal/status"
	public "tocsin/internal/web/page"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// publicStore has two pages: one that everybody sees, and one with a password.
type publicStore struct {
	mu    sync.Mutex
	r     status.Record
	bytes map[string]int    // that were sent, by path
	wants []byte            // of the one visitor who subscribes; nil: does not
	told  map[string][]byte // the same by page and incident
}

func (s *publicStore) note(wants []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants = wants
	s.told[about(wants)] = wants
}

// forget ends what is told of a page with its incidents, or of the one that is named.
func (s *publicStore) forget(of []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants = nil
	maps.DeleteFunc(s.told, func(key string, _ []byte) bool { return strings.HasPrefix(key, about(of)) })
}

// known is what is wanted of a page or an incident, as the hub says it.
func (s *publicStore) known(of []byte) (answer map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[about(of)] == nil || json.Unmarshal(s.told[about(of)], &answer) != nil {
		return nil
	}
	incidents := []string{}
	for key := range s.told {
		if _, incident, _ := strings.Cut(key, "/"); incident != "" {
			incidents = append(incidents, incident)
		}
	}
	answer["incidents"], answer["pages"] = incidents, []string{"main-page"}
	return answer
}

// about is what a call of a visitor is about.
func about(raw []byte) string {
	var of struct{ Page, Incident string }
	_ = json.Unmarshal(raw, &of)
	return of.Page + "/" + of.Incident
}

// want is what the visitor wants to hear.
func (s *publicStore) want(t *testing.T) (w struct {
	Page, Incident, Language string
	Components, Kinds        []string
	MinImpact                string `json:"min_impact"`
}) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.Unmarshal(s.wants, &w); err != nil {
		t.Fatalf("%v: %s", err, s.wants)
	}
	return w
}

// weigher counts what an answer weighs.
type weigher struct {
	http.ResponseWriter
	n int
}

func (w *weigher) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n += n
	return n, err
}

func (s *publicStore) weighed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &weigher{ResponseWriter: w}
		next.ServeHTTP(x, r)
		var head strings.Builder
		_ = w.Header().Write(&head)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bytes[r.URL.Path] += x.n + head.Len()
	})
}

func (s *publicStore) weight() (sum int, of map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.bytes {
		sum += n
	}
	return sum, maps.Clone(s.bytes)
}

func (s *publicStore) StatusPages(context.Context) ([]status.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []status.Page{s.r.Page, s.closed().Page}, nil
}

func (s *publicStore) closed() status.Record {
	r := s.r
	r.Page.ID, r.Page.Slug, r.Page.Main, r.Page.Private.PasswordHash = "closed", "closed", false, "open sesame"
	return r
}

func (s *publicStore) StatusRecord(_ context.Context, id string) (status.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "closed" {
		return s.closed(), nil
	}
	return s.r, nil
}

func (s *publicStore) StatusMonth(_ context.Context, _ string, from, to time.Time) ([]status.Incident, []status.Maintenance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in []status.Incident
	for _, i := range s.r.Incidents {
		if !i.Started.Before(from) && i.Started.Before(to) {
			in = append(in, i)
		}
	}
	return in, nil, nil
}

// StatusDays are a year of days, of which a few were bad.
func (s *publicStore) StatusDays(_ context.Context, _, from, to string) (map[string][]status.Day, error) {
	days := map[string][]status.Day{}
	begin, _ := time.Parse(status.DateFormat, from)
	for n, c := range s.r.Components {
		for i := n * 20; begin.AddDate(0, 0, i).Format(status.DateFormat) <= to; i++ {
			day := status.Day{ComponentID: c.ID, Date: begin.AddDate(0, 0, i).Format(status.DateFormat), Worst: status.Operational, Seconds: map[status.State]int{status.Operational: 86400}}
			if (i*7+n*13)%61 == 3 {
				day.Worst, day.Seconds = status.Major, map[status.State]int{status.Major: 600 * (1 + i%9), status.Operational: 86400 - 600*(1+i%9)}
			}
			days[c.ID] = append(days[c.ID], day)
		}
	}
	return days, nil
}

func (s *publicStore) Incident(context.Context, string) (status.Incident, error) {
	return status.Incident{}, fault.ErrNotFound
}

func (s *publicStore) Maintenance(context.Context, string) (status.Maintenance, error) {
	return status.Maintenance{}, fault.ErrNotFound
}

func (s *publicStore) change(f func(r *status.Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.r)
	s.r.Page.Version++
}

func publicRecord(now time.Time) status.Record {
	r := status.Record{Page: status.Page{ID: "main-page", Slug: "main", Main: true, Name: "Sandbank Online", Language: "en", Zone: "Europe/Berlin", Version: 1,
		About: "How our services do. **Support** answers around the clock.", Support: "mailto:help@example.com", Accent: "#ffcc00", Created: now.AddDate(-1, 0, 0),
		Triggers: map[string]bool{"incident_new": true, "incident_update": true, "incident_resolved": true, "component_down": true, "maintenance": true}},
		Groups: []status.Group{{ID: "web", Name: "Website", Position: 1}, {ID: "pay", Name: "Payments", Position: 2, About: "Cards and transfers"}, {ID: "cards", ParentID: "pay", Name: "Cards", Position: 1}},
		Days:   map[string][]status.Day{}, Intervals: map[string][]status.Interval{}}
	for i, c := range []status.Component{
		{ID: "shop", GroupID: "web", Name: "Shop", State: status.Operational, Link: "https://shop.example.com"},
		{ID: "search", GroupID: "web", Name: "Search", State: status.Degraded, About: "Also the suggestions"},
		{ID: "visa", GroupID: "cards", Name: "Visa", State: status.Major}, {ID: "master", GroupID: "cards", Name: "Mastercard", State: status.Partial},
		{ID: "sepa", GroupID: "pay", Name: "Transfers", State: status.Operational}, {ID: "mail", Name: "E-mail", State: status.Operational},
	} {
		c.Position, c.Created, c.Since = i, now.AddDate(-1, 0, 0), now.Add(-time.Hour)
		r.Components = append(r.Components, c)
		for d := 89; d > 0; d-- {
			day := status.Day{ComponentID: c.ID, Date: now.AddDate(0, 0, -d).Format(status.DateFormat), Worst: status.Operational, Seconds: map[status.State]int{status.Operational: 86400}}
			if d%(17+i) == 3 {
				day.Worst = status.States()[1+(d+i)%4]
				day.Seconds = map[status.State]int{day.Worst: 5000, status.Operational: 81400}
			} else if d > 75 && i > 3 {
				day.Worst, day.Seconds = status.NoData, map[status.State]int{status.NoData: 86400}
			}
			r.Days[c.ID] = append(r.Days[c.ID], day)
		}
		r.Intervals[c.ID] = []status.Interval{{ComponentID: c.ID, State: c.State, Start: now.Add(-time.Hour)}}
	}
	begin := now.Add(-time.Hour)
	r.Incidents = []status.Incident{
		{ID: "cards-fail", PageID: "main-page", Title: "Card payments are refused", Phase: status.Identified, Impact: status.ImpactCritical, Started: begin, Created: begin, Components: []string{"visa", "master"},
			Updates: []status.Update{{Phase: status.Investigating, Body: "We are **looking** into it.", At: begin, Posted: begin, Changes: []status.Change{{ComponentID: "visa", From: status.Operational, To: status.Major}}},
				{Phase: status.Identified, Body: "A switch is being replaced, see [details](https://example.com).\n\n- first\n- `second`", At: begin.Add(20 * time.Minute), Posted: begin.Add(20 * time.Minute)}}},
		{ID: "slow", PageID: "main-page", Title: "Search is slow", Phase: status.Monitoring, Impact: status.ImpactMinor, Started: begin, Created: begin, Components: []string{"search"},
			Updates: []status.Update{{Phase: status.Monitoring, Body: "It gets better.", At: begin, Posted: begin}}},
		{ID: "over", PageID: "main-page", Title: "Sign-in did not work", Phase: status.Postmortem, Impact: status.ImpactMajor, Started: now.AddDate(0, 0, -3), ResolvedAt: now.AddDate(0, 0, -3).Add(90 * time.Minute),
			Postmortem: "## What happened\n\nA certificate had run out.\n\n| when | what |\n|---|---|\n| 08:00 | it ran out |", Components: []string{"shop"},
			Updates: []status.Update{{Phase: status.Resolved, Body: "All is well again.", At: now.AddDate(0, 0, -3).Add(90 * time.Minute)}}},
	}
	r.Maintenances = []status.Maintenance{{ID: "storage", PageID: "main-page", Title: "New storage", Phase: status.Scheduled, Start: now.AddDate(0, 0, 2), End: now.AddDate(0, 0, 2).Add(2 * time.Hour), Components: []string{"mail"},
		Updates: []status.Update{{Phase: status.Scheduled, Body: "Short interruptions are possible.", At: now}}},
		{ID: "cable", PageID: "main-page", Title: "A cable is moved", Phase: status.InProgress, Start: begin, End: now.Add(time.Hour), Components: []string{"sepa"}, Updates: []status.Update{{Phase: status.InProgress, Body: "It has begun.", At: begin}}}}
	return r
}

// publicSite serves them as the program does.
func publicSite(t *testing.T) (*publicStore, *public.Site, *httptest.Server) {
	t.Helper()
	st := &publicStore{r: publicRecord(time.Now()), bytes: map[string]int{}, told: map[string][]byte{}}
	var srv *httptest.Server
	mux := http.NewServeMux()
	srv = httptest.NewUnstartedServer(st.weighed(mux))
	s, err := public.NewSite(st, markdown.New(), public.Options{BaseURL: "http://" + srv.Listener.Addr().String(),
		Ways: func() public.Ways { return public.Ways{Email: true, Webhook: true} },
		Gate: public.Gate{Verify: func(_ context.Context, hash, password string) (bool, error) { return hash == password, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	mux.Handle("/static/", static.Handler())
	mux.Handle("/sw-push.js", static.WorkerHandler())
	// A hub with Web Push, as far as a visitor sees it who has not subscribed.
	mux.HandleFunc("/api/v1/push/key", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"enabled":true,"key_id":"k","public_key":"BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"}`)
	})
	mux.HandleFunc("/api/v1/push/subscription", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		st.note(raw)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"key_id":"k"}`)
	})
	mux.HandleFunc("/api/v1/push/subscription/lookup", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		answer := st.known(raw)
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("/api/v1/push/subscription/delete", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		st.forget(raw)
		w.WriteHeader(http.StatusNoContent)
	})
	// What who came by a letter is asked and answered.
	mux.HandleFunc("/subscribe/choose", func(w http.ResponseWriter, r *http.Request) {
		v, _ := s.Visit(r)
		s.Say(w, r, v, public.Saying{Heading: "What you are told", Text: "Choose what you want to hear.", Problem: "That did not work.", Secret: "a-secret-that-is-shown-once",
			Action: "/subscribe/choose", Button: "Save", Want: &push.Want{Components: []string{"visa"}}, More: "/subscribe/end", MoreSay: "Unsubscribe", Back: true})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY") // as the program has it on all that it serves
		if !s.Handle(w, r) {
			http.NotFound(w, r)
		}
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return st, s, srv
}

// Each public page, in both colour schemes, wide and narrow, two of these four from
// left to right and two from right to left: nothing that axe-core knows as a barrier,
// nothing that is wider than the screen. TOCSIN_TEST_SHOTS names a folder for pictures of all.
func TestPublicPagesHaveNoBarriers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, srv := publicSite(t)
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	must(err)
	defer b.Close()
	tab, err := b.Open(ctx, srv.URL+"/")
	must(err)
	shots := os.Getenv("TOCSIN_TEST_SHOTS")
	for _, path := range []string{"/", "/incidents/cards-fail", "/incidents/over", "/incidents/storage", "/history", "/uptime", "/de/uptime/search", "/subscribe", "/de/subscribe?incident=cards-fail", "/subscribe/choose", "/embed", "/incidents/none", "/s/closed/"} {
		must(tab.Go(ctx, srv.URL+path))
		if strings.Contains(path, "subscribe") && !strings.HasSuffix(path, "choose") {
			must(browser.Until(ctx, tab, "document.querySelector('[data-says]').textContent"))
			must(tab.Eval(ctx, "document.querySelectorAll('[data-some]').forEach(e => e.hidden = false)", nil))
		}
		must(tab.Eval(ctx, "document.querySelectorAll('details').forEach(d => { d.open = true })", nil))
		for _, dir := range []string{"ltr", "rtl"} {
			must(tab.Eval(ctx, fmt.Sprintf("document.documentElement.dir = %q", dir), nil))
			look := path
			if dir == "rtl" {
				look += "!" // an odd character: the other two ways
			}
			for _, dark := range []bool{false, true} {
				for _, width := range []int{1280, 360} {
					if !axe.Looks(look, width, dark) {
						continue
					}
					must(tab.Dark(ctx, dark))
					must(tab.Size(ctx, width, 900))
					found, err := axe.Check(ctx, tab)
					must(err)
					for _, v := range found {
						t.Errorf("%s, %s, dark %v, %d wide: %s", path, dir, dark, width, v)
					}
					var over int
					must(tab.Eval(ctx, "document.documentElement.scrollWidth - innerWidth", &over))
					if over > 0 {
						t.Errorf("%s, %s, %d wide: the page is %d pixels wider than the screen", path, dir, width, over)
					}
					if shots == "" {
						continue
					}
					shot, err := tab.Shot(ctx, true)
					must(err)
					name := fmt.Sprintf("%s-%s-%v-%d.png", strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(path), dir, dark, width)
					must(os.WriteFile(filepath.Join(shots, name), shot, 0o600))
				}
			}
		}
	}
}

// In both browsers: what changes is seen without loading the page anew, times are
// the visitor's own, a password opens what is closed, and without network the
// last page is there and says so.
func TestAPublicPageInBrowsers(t *testing.T) {
	t.Parallel()
	starts := map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
			defer cancel()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			st, s, srv := publicSite(t)
			b, err := start(ctx, browser.Options{Dir: t.TempDir()})
			must(err)
			defer b.Close()
			tab, err := b.Open(ctx, srv.URL+"/")
			must(err)
			must(browser.Until(ctx, tab, "/^(today|heute|yesterday|gestern)/.test(document.querySelector('[data-asof]').textContent)"))
			must(browser.Until(ctx, tab, "document.querySelector('button[aria-pressed=false]')"))

			must(browser.Until(ctx, tab, "navigator.serviceWorker.controller"))
			kept := func(path, what string) {
				t.Helper()
				must(tab.Eval(ctx, fmt.Sprintf(`(async () => { for (;;) {
					const text = await (await (await caches.open('page')).match(%q))?.text() || '';
					if (text.includes(%q)) return true;
					await new Promise((go) => { setTimeout(go, 50); });
				} })()`, path, what), nil))
			}
			kept("/", "Card payments are refused")
			sum, parts := st.weight()
			t.Logf("a first visit: %d bytes in all, headers too: %v", sum, parts)
			const more = 2_500 // 50 components instead of 6
			if sum+more > 30_000 {
				t.Errorf("a first visit is %d bytes: %v", sum, parts)
			}

			// A person looks again at a tab: that is when it looks for changes.
			st.change(func(r *status.Record) { r.Incidents[0].Title = "Cards work again" })
			must(s.Refresh(ctx))
			must(tab.Eval(ctx, "(() => { document.querySelector('.group').open = false; window.same = true; dispatchEvent(new Event('online')); })()", nil))
			must(browser.Until(ctx, tab, "document.querySelector('.incident h3').textContent === 'Cards work again'"))
			must(browser.Until(ctx, tab, "window.same")) // it was not loaded anew

			// Once the page is kept, the server may go.
			kept("/", "Cards work again")

			must(tab.Go(ctx, srv.URL+"/s/closed/subscribe"))
			must(browser.Until(ctx, tab, "document.querySelector('#password')"))
			must(browser.Type(ctx, tab, "#password", "open sesame"))
			must(browser.Click(ctx, tab, "form.gate button"))
			must(browser.Until(ctx, tab, "document.querySelector('[data-says]')?.textContent"))
			must(tab.Go(ctx, srv.URL+"/subscribe")) // it is kept after what came before it
			kept("/subscribe", "data-says")
			var secret bool
			must(tab.Eval(ctx, "caches.open('page').then(c => c.match('/s/closed/subscribe')).then(Boolean)", &secret))
			if secret {
				t.Error("a page that is not public is kept")
			}

			srv.CloseClientConnections()
			srv.Close()
			must(tab.Go(ctx, srv.URL+"/"))
			must(browser.Until(ctx, tab, "document.querySelector('[data-offline]').checkVisibility() && document.querySelector('.incident h3').textContent === 'Cards work again'"))
		})
	}
}

// pushService stands in for the browser's, which is tried for real in test/e2e:
// here it is about the form.
const pushService = `(() => {
  const mine = { endpoint: 'https://push.example.com/1', options: {}, getKey: () => new Uint8Array(16).buffer,
    toJSON: () => ({ endpoint: mine.endpoint, keys: { p256dh: 'p', auth: 'a' } }), unsubscribe: async () => { window.subscribed = false; return true; } };
  PushManager.prototype.getSubscription = async () => (window.subscribed ? mine : null);
  PushManager.prototype.subscribe = async () => { window.subscribed = true; return mine; };
})()`

func TestAVisitorChoosesWhatToHear(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	st, _, srv := publicSite(t)
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	must(err)
	defer b.Close()
	must(b.Permit(ctx, srv.URL, browser.Granted))
	tab, err := b.Open(ctx, srv.URL+"/de/subscribe")
	must(err)
	says := func(text string) {
		t.Helper()
		must(browser.Until(ctx, tab, fmt.Sprintf("document.querySelector('[data-says]').textContent === %q", text)))
	}
	says("Dieser Browser hat nicht abonniert.")
	must(tab.Eval(ctx, pushService, nil))

	must(browser.Click(ctx, tab, "input[value=some]"))
	must(browser.Click(ctx, tab, "fieldset.inner fieldset.inner [data-group]")) // all cards
	must(browser.Until(ctx, tab, "document.querySelector('.inner:has(.inner) > legend [data-group]').indeterminate"))
	must(browser.Click(ctx, tab, "input[value=incident_new]"))
	must(tab.Eval(ctx, "document.querySelector('#impact').value = 'major'", nil))
	must(browser.Click(ctx, tab, "form.choice [type=submit]"))
	says("Gespeichert. Dieser Browser hat abonniert.")
	w := st.want(t)
	if w.Page != "main-page" || w.Language != "de" || w.MinImpact != "major" || w.Incident != "" || !slices.Equal(w.Components, []string{"visa", "master"}) || !slices.Equal(w.Kinds, []string{"incident_update", "incident_resolved"}) {
		t.Errorf("%+v", w)
	}
	must(browser.Click(ctx, tab, "[data-remove]"))
	says("Dieser Browser erfährt davon nichts mehr.")
	if st.wants != nil {
		t.Error("the hub was not told")
	}

	must(tab.Go(ctx, srv.URL+"/incidents/cards-fail"))
	must(browser.Click(ctx, tab, "article a[href*=incident]"))
	must(browser.Until(ctx, tab, "document.querySelector('[data-slot=one]')?.textContent === 'Card payments are refused'"))
	must(tab.Eval(ctx, pushService, nil))
	must(browser.Click(ctx, tab, "form.choice [type=submit]"))
	says("Saved. This browser is subscribed.")
	if w := st.want(t); w.Incident != "cards-fail" || len(w.Components) > 0 {
		t.Errorf("%+v", w)
	}
	// The page is followed beside the incident, each with kinds of its own.
	must(browser.Click(ctx, tab, "input[value=all]"))
	says("This browser is not subscribed.")
	must(browser.Click(ctx, tab, "input[value=incident_update]"))
	must(browser.Click(ctx, tab, "form.choice [type=submit]"))
	says("Saved. This browser is subscribed.")
	if w := st.want(t); w.Incident != "" || slices.Contains(w.Kinds, "incident_update") {
		t.Errorf("%+v", w)
	}
	must(browser.Click(ctx, tab, "input[value=one]"))
	must(browser.Until(ctx, tab, "document.querySelector('input[value=incident_update]').checked"))
	must(browser.Click(ctx, tab, "[data-remove]"))
	says("This browser is told no more of this.")
	must(browser.Click(ctx, tab, "input[value=all]"))
	says("This browser is subscribed.")
	must(browser.Click(ctx, tab, "[data-remove]"))
	says("This browser is told no more of this.")

	// The button on the page itself is pressed with the keyboard.
	must(tab.Go(ctx, srv.URL+"/"))
	must(browser.Until(ctx, tab, "document.querySelector('button[aria-pressed=false]')"))
	must(tab.Eval(ctx, pushService, nil))
	must(tab.Eval(ctx, "document.querySelector('button[aria-pressed]').focus()", nil))
	must(tab.Keys(ctx, " "))
	must(browser.Until(ctx, tab, "location.pathname === '/subscribe'"))
	if w := st.want(t); w.Page != "main-page" || w.Incident != "" {
		t.Errorf("%+v", w)
	}
}
