package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/live"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
)

// liveSite is as much of a hub as the modules of the live channel talk to.
type liveSite struct {
	*live.Hub
	url string

	mu       sync.Mutex
	frames   []live.Frame
	pending  []json.RawMessage
	receipts []string // "delivery result"
	acks     []string // alert ids
	opens    int      // requests for a stream
}

const livePage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>live</title><p id="state"></p>
<script type="module">
import { startLive } from '/static/js/live.js';
import { startNotifications, selftest, ask, state, explain } from '/static/js/notifications.js';
window.seen = []; window.paged = []; window.explain = explain; window.permission = state; window.ask = ask;
window.notes = startNotifications({ userId: 'anna', collapseAfter: 3, onPage: (b) => paged.push(b.title) });
window.live = startLive({ userId: 'anna',
  onFrame(f) { notes.frame(f); if (f.kind !== 'hello') seen.push(f.kind + ' ' + f.seq); },
  onState(s) { window.now = s; document.getElementById('state').textContent = s.state; } });
window.selftest = async () => { const out = []; for await (const s of selftest({ live, notes })) if (s.status !== 'running') out.push(s.name + ' ' + s.status + (s.mend ? ': ' + s.detail : '')); return out; };
</script>`

func (l *liveSite) LiveAfter(_ context.Context, after int64, userID string, limit int) ([]live.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []live.Frame
	for _, f := range l.frames {
		if f.Seq > after && len(out) < limit && (userID == "" || f.UserID == "" || f.UserID == userID) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (l *liveSite) LiveBounds(context.Context) (int64, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(min(1, len(l.frames))), int64(len(l.frames)), nil
}

func (l *liveSite) tell(user, kind, body string) {
	l.mu.Lock()
	l.frames = append(l.frames, live.Frame{Seq: int64(len(l.frames)) + 1, UserID: user, Kind: kind, Body: body, At: time.Now()})
	l.mu.Unlock()
	l.Wake()
}

func note(delivery, alert, title string, autoClose int) string {
	return fmt.Sprintf(`{"delivery_id":%q,"alert_id":%q,"object_id":"o","notice":"problem","state":"critical","title":%q,"body":"on the disk","icon":"/static/icons/service-critical.png","tag":"alert-%s","url":"/console/alerts/%s","auto_close":%d,"at":"2026-11-22T00:00:00Z","test":false}`,
		delivery, alert, title, alert, alert, autoClose)
}

func (l *liveSite) got(receipt string) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Contains(l.receipts, receipt)
	}
}

func startLiveSite(t *testing.T) *liveSite {
	t.Helper()
	l := &liveSite{}
	l.Hub = live.NewHub(l, live.Options{Poll: 50 * time.Millisecond, Heartbeat: time.Second})
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.Handle("/sw-push.js", static.WorkerHandler())
	mux.HandleFunc("GET /console/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, livePage)
	})
	mux.HandleFunc("GET /api/v1/me", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /api/v1/live", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.opens++
		l.mu.Unlock()
		l.Serve(w, r, live.Viewer{UserID: "anna", Session: "s"})
	})
	mux.HandleFunc("GET /api/v1/live/pending", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := json.NewEncoder(w).Encode(map[string]any{"items": append([]json.RawMessage{}, l.pending...)}); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /api/v1/live/test", func(w http.ResponseWriter, r *http.Request) {
		l.tell("anna", "notification", `{"delivery_id":"","title":"Test notification from Tocsin","body":"b","tag":"test-1","url":"/console/alerts","auto_close":5,"test":true}`)
		fmt.Fprint(w, `{"id":"1"}`)
	})
	mux.HandleFunc("POST /api/v1/live/receipts", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Receipts []struct {
				DeliveryID string `json:"delivery_id"`
				Result     string `json:"result"`
			} `json:"receipts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, x := range in.Receipts {
			l.receipts = append(l.receipts, x.DeliveryID+" "+x.Result)
		}
	})
	mux.HandleFunc("POST /api/v1/alerts/{id}/acknowledge", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.acks = append(l.acks, r.PathValue("id"))
		if r.PathValue("id") == "refused" {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"detail":"the alert is resolved"}`)
		}
	})
	server := httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; server.CloseClientConnections(); server.Close() })
	l.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return l
}

// The modules of the live channel, in real browsers: what a person would see.
func TestLiveChannel(t *testing.T) {
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
			site := startLiveSite(t)
			bus, err := notifyd.StartBus(ctx)
			must(err)
			defer bus.Close()
			b, err := start(ctx, browser.Options{Dir: t.TempDir(), Env: bus.Env()})
			must(err)
			defer b.Close()
			wait := func(what string, ok func() bool) {
				t.Helper()
				tick := time.NewTicker(15 * time.Millisecond)
				defer tick.Stop()
				for !ok() {
					select {
					case <-ctx.Done():
						t.Fatalf("waited for %s; receipts %q", what, site.receipts)
					case <-tick.C:
					}
				}
			}
			onScreen := func(title string) notifyd.Notification {
				t.Helper()
				n, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == title && n.Open() })
				must(err)
				return n
			}

			// Without permission the page shows it, and the receipt says so.
			must(b.Permit(ctx, site.url, browser.Denied))
			first, err := b.Open(ctx, site.url+"/console/first")
			must(err)
			must(browser.Until(ctx, first, "window.now?.state === 'live' && now.leader"))
			site.tell("anna", "notification", note("d0", "a0", "In the page", 0))
			must(browser.Until(ctx, first, "paged.includes('In the page')"))
			wait("the receipt", site.got("d0 page"))
			var steps []string
			must(first.Eval(ctx, "selftest()", &steps))
			if len(steps) != 7 || !strings.HasPrefix(steps[1], "permission failed: ") || steps[2] != "worker skipped" {
				t.Errorf("self-test without permission: %q", steps)
			}
			must(b.Permit(ctx, site.url, browser.Granted))

			// Two tabs: one stream, one notification.
			second, err := b.Open(ctx, site.url+"/console/second")
			must(err)
			must(browser.Until(ctx, second, "window.now?.state === 'live' && !now.leader && permission() === 'granted'"))
			site.tell("anna", "notification", note("d1", "a1", "PROBLEM: disk is Critical!", 0))
			n := onScreen("PROBLEM: disk is Critical!")
			wait("the receipt", site.got("d1 shown"))
			must(browser.Until(ctx, first, "seen.includes('notification 2')"))
			must(browser.Until(ctx, second, "seen.includes('notification 2')"))
			if got := len(bus.OnScreen()); got != 1 || site.Stats().Streams != 1 {
				t.Errorf("%d notifications on screen, %d streams", got, site.Stats().Streams)
			}

			// A click opens the alert in a new tab.
			must(bus.Click(n.ID, "default"))
			third, err := browser.UntilTab(ctx, b, "/console/alerts/a1")
			must(err)
			must(third.Close(ctx))

			// Recovery closes what is still on screen.
			site.tell("anna", "notification", note("d2", "a2", "PROBLEM: load is Critical!", 0))
			n = onScreen("PROBLEM: load is Critical!")
			site.tell("", "alert", `{"id":"a2","object_id":"o","status":"resolved"}`)
			_, err = bus.WaitClosed(ctx, n.ID)
			must(err)

			// It goes away by itself.
			site.tell("anna", "notification", note("d3", "a3", "PROBLEM: swap is Warning!", 1))
			n = onScreen("PROBLEM: swap is Warning!")
			_, err = bus.WaitClosed(ctx, n.ID)
			must(err)

			must(first.Eval(ctx, "selftest()", &steps))
			if slices.ContainsFunc(steps, func(s string) bool { return !strings.HasSuffix(s, " ok") }) {
				t.Errorf("self-test: %q", steps)
			}

			// The leader goes, something happens, the next one shows it: once.
			site.mu.Lock()
			site.pending = []json.RawMessage{json.RawMessage(note("d4", "a4", "PROBLEM: missed one!", 0)), json.RawMessage(note("d1", "a1", "PROBLEM: disk is Critical!", 0))}
			site.mu.Unlock()
			must(first.Close(ctx))
			site.tell("anna", "notification", note("d4", "a4", "PROBLEM: missed one!", 0))
			must(browser.Until(ctx, second, "now.state === 'live' && now.leader"))
			onScreen("PROBLEM: missed one!")
			must(browser.Until(ctx, second, "seen.includes('notification 7')"))
			if again := slices.ContainsFunc(bus.OnScreen(), func(n notifyd.Notification) bool { return n.Summary == "PROBLEM: disk is Critical!" }); again {
				t.Error("what had been shown was shown again")
			}

			// The node stops and the tab comes back to much that it missed: one notification.
			site.mu.Lock()
			site.pending = nil
			for i := range 5 {
				site.pending = append(site.pending, json.RawMessage(note(fmt.Sprintf("e%d", i), fmt.Sprintf("b%d", i), "PROBLEM: many", 0)))
			}
			site.mu.Unlock()
			must(second.Eval(ctx, "live.reconnect()", nil))
			onScreen("5 alerts while you were away")
			wait("the receipts", site.got("e4 collapsed"))

			// Acknowledge on the notification; a refusal is shown.
			site.tell("anna", "notification", note("d5", "refused", "PROBLEM: to be acknowledged", 0))
			n = onScreen("PROBLEM: to be acknowledged")
			if name == "chromium" || slices.Contains(n.Actions, "Acknowledge") {
				key := ""
				for i := 0; i+1 < len(n.Actions); i += 2 {
					if n.Actions[i+1] == "Acknowledge" {
						key = n.Actions[i]
					}
				}
				must(bus.Click(n.ID, key))
				onScreen("Not acknowledged")
			}

			// Signed out: said, and no stream any more.
			site.CloseSession("s")
			must(browser.Until(ctx, second, "now.state === 'signed-out'"))
		})
	}
}
