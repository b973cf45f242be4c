package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/web/console"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// linkStore has one link for each way that an alert can stand.
type linkStore struct {
	mu     sync.Mutex
	links  map[string]mail.AckLink
	alerts map[string]alert.Alert
}

func (s *linkStore) AckLinkByHash(_ context.Context, hash string) (mail.AckLink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.links[hash]
	if !ok {
		return l, fmt.Errorf("link: %w", fault.ErrNotFound)
	}
	return l, nil
}

func (s *linkStore) UseAckLink(_ context.Context, hash string, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[hash]
	first := l.Used.IsZero()
	l.Used = now
	s.links[hash] = l
	return first, nil
}

func (s *linkStore) ReleaseAckLink(context.Context, string) error { return nil }

func (s *linkStore) Alert(_ context.Context, id string) (alert.Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alerts[id], nil
}

func (s *linkStore) Acknowledge(_ context.Context, id string, r dispatch.AckRequest) (alert.Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.alerts[id]
	a.Status, a.Ack = alert.Acknowledged, &alert.Ack{Author: r.Author, Comment: r.Comment, At: time.Now(), Origin: r.Origin}
	s.alerts[id] = a
	return a, nil
}

// linkSite serves it with the headers of the hub, and answers a path for each way.
func linkSite(t *testing.T) (url string, paths map[string]string, st *linkStore) {
	t.Helper()
	st = &linkStore{links: map[string]mail.AckLink{}, alerts: map[string]alert.Alert{}}
	paths = map[string]string{"unknown": console.AckLinkPath + mail.NewToken(), "cut": console.AckLinkPath + "abc"}
	for _, way := range []string{"firing", "host", "acknowledged", "resolved", "used", "expired"} {
		token, now := mail.NewToken(), time.Now()
		o := alert.Object{ID: way, Host: "web01", Service: "HTTP"}
		a := alert.Alert{ID: way, Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Since: now.Add(-time.Hour), Output: "CRITICAL - Socket timeout after 10 seconds: " + strings.Repeat("unbroken", 20)}
		l := mail.AckLink{Hash: mail.HashToken(token), AlertID: way, ContactID: "c", Expires: now.Add(4 * time.Hour)}
		switch way {
		case "host":
			a.Object.Service, a.State = "", alert.Down
		case "acknowledged":
			a.Status, a.Ack = alert.Acknowledged, &alert.Ack{Author: "Noor", Comment: "on it", At: now}
		case "resolved":
			a.Status, a.State, a.Resolved = alert.Resolved, alert.OK, now
		case "used":
			l.Used = now
		case "expired":
			l.Expires = now.Add(-time.Minute)
		}
		st.links[l.Hash], st.alerts[way], paths[way] = l, a, console.AckLinkPath+token
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	links := console.NewAckLinks(console.AckLinkDeps{Store: st, Acknowledge: st.Acknowledge, Version: "v1", Log: slog.New(slog.DiscardHandler),
		Actor: func(context.Context, string) (console.LinkActor, error) {
			return console.LinkActor{Name: "Mira Example", May: true}, nil
		},
		Sticky: func(context.Context) bool { return true }})
	mux.HandleFunc(console.AckLinkPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'")
		links.ServeHTTP(w, r)
	})
	// The letters themselves, as a mail program would draw them.
	letters, err := filepath.Glob("../../internal/channel/email/testdata/*.html")
	if err != nil || len(letters) < 10 {
		t.Fatal(letters, err)
	}
	for _, file := range letters {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := "/letter/" + strings.TrimSuffix(filepath.Base(file), ".html")
		paths[path] = path
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			_, _ = w.Write(raw)
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, paths, st
}

// What stands behind the link in a letter, and letters themselves: no barriers in
// light and dark, on a screen and on a telephone. TOCSIN_TEST_SHOTS names a folder
// for pictures.
func TestLettersAndTheirLinksHaveNoBarriers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	url, paths, _ := linkSite(t)
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	must(err)
	defer b.Close()
	tab, err := b.Open(ctx, url+paths["firing"])
	must(err)
	shots := os.Getenv("TOCSIN_TEST_SHOTS")
	for name, path := range paths {
		must(tab.Go(ctx, url+path))
		for _, dark := range []bool{false, true} {
			for _, width := range []int{1280, 390} {
				if !axe.Looks(path, width, dark) {
					continue
				}
				must(tab.Dark(ctx, dark))
				must(tab.Size(ctx, width, 900))
				found, err := axe.Check(ctx, tab)
				must(err)
				for _, v := range found {
					if strings.HasPrefix(path, "/letter/") && (v.ID == "region" || v.ID == "landmark-one-main") {
						continue // a letter stands within a mail program's page
					}
					t.Errorf("%s, dark %v, %d wide: %s", name, dark, width, v)
				}
				var over int
				must(tab.Eval(ctx, "document.documentElement.scrollWidth - innerWidth", &over))
				if over > 0 {
					t.Errorf("%s, %d wide: %d pixels wider than the screen", name, width, over)
				}
				if shots != "" {
					shot, err := tab.Shot(ctx, true)
					must(err)
					must(os.WriteFile(filepath.Join(shots, fmt.Sprintf("link-%s-%v-%d.png", strings.ReplaceAll(name, "/", "_"), dark, width)), shot, 0o600))
				}
			}
		}
	}
}

// In both browsers the form is sent though the page names no origin, and a page of
// another site cannot send it.
func TestTheLinkInALetterIsPressed(t *testing.T) {
	t.Parallel()
	starts := map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			url, paths, st := linkSite(t)
			b, err := start(ctx, browser.Options{Dir: t.TempDir()})
			must(err)
			defer b.Close()
			tab, err := b.Open(ctx, url+paths["firing"])
			must(err)
			must(browser.Until(ctx, tab, "document.querySelector('time')?.textContent === '1 h'"))
			must(browser.Type(ctx, tab, "#comment", "on it"))
			must(browser.Click(ctx, tab, "button[type=submit]"))
			must(browser.Until(ctx, tab, "document.querySelector('h1')?.textContent === 'Acknowledged'"))
			st.mu.Lock()
			got := st.alerts["firing"].Ack
			st.mu.Unlock()
			if got == nil || got.Comment != "on it" || got.Origin != alert.FromMail {
				t.Errorf("acknowledgement is %+v", got)
			}
			var referrer string
			must(tab.Eval(ctx, "document.referrer", &referrer))
			if referrer != "" {
				t.Errorf("the page that came after was told where from: %q", referrer)
			}
		})
	}
}
