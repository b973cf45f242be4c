package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/channel/browser"
	tabs "tocsin/test/browser"
	"tocsin/test/browser/notifyd"
)

// stormNote is a frame of a storm: at seconds after it began.
func stormNote(t *testing.T, delivery, title string, at int, quiet bool) string {
	t.Helper()
	raw, err := json.Marshal(browser.Notification{
		DeliveryID: delivery, Notice: "digest", State: "critical", Title: title, Body: "9 open", Icon: "/static/icons/service-critical.png", Tag: "storm-1",
		URL: "/console/alerts?storm=st1", At: time.Date(2026, 11, 22, 0, 0, at, 0, time.UTC), Quiet: quiet, Total: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A storm is one notification in the tabs of a browser: it is replaced as it goes on,
// and without a sound when it only brings up to date what stands there.
func TestAStormOnScreen(t *testing.T) {
	t.Parallel()
	starts := map[string]func(context.Context, tabs.Options) (tabs.Browser, error){"chromium": tabs.Chromium, "firefox": tabs.Firefox}
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
			b, err := start(ctx, tabs.Options{Dir: t.TempDir(), Env: bus.Env()})
			must(err)
			defer b.Close()
			must(b.Permit(ctx, site.url, tabs.Granted))
			tab, err := b.Open(ctx, site.url+"/console/first")
			must(err)
			must(tabs.Until(ctx, tab, "window.now?.state === 'live' && now.leader && permission() === 'granted'"))
			onScreen := func(title string) notifyd.Notification {
				t.Helper()
				n, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == title && n.Open() })
				must(err)
				return n
			}
			received := func(receipt string) {
				t.Helper()
				tick := time.NewTicker(15 * time.Millisecond)
				defer tick.Stop()
				for !site.got(receipt)() {
					select {
					case <-ctx.Done():
						t.Fatalf("waited for %s", receipt)
					case <-tick.C:
					}
				}
			}

			// What brings up to date what does not stand there shows nothing.
			site.tell("anna", "notification", stormNote(t, "d0", "Nothing is there to replace", 0, true))
			received("d0 shown")
			if shown := bus.OnScreen(); len(shown) != 0 {
				t.Fatalf("on screen: %v", shown)
			}

			site.tell("anna", "notification", stormNote(t, "d1", "4 alerts – Storm", 0, false))
			onScreen("4 alerts – Storm")
			received("d1 shown")
			// The same by another contact of this person, and by Web Push: once.
			site.tell("anna", "notification", stormNote(t, "d2", "4 alerts – Storm", 0, false))
			received("d2 shown")
			site.tell("anna", "notification", stormNote(t, "d3", "9 alerts – Storm", 40, false))
			onScreen("9 alerts – Storm")
			site.tell("anna", "notification", stormNote(t, "d4", "9 alerts – Storm, brought up to date", 40, true))
			n := onScreen("9 alerts – Storm, brought up to date")
			if shown := bus.OnScreen(); len(shown) != 1 {
				t.Errorf("%d are on screen: %v", len(shown), shown)
			}
			rang := 0
			for _, n := range bus.List() {
				if strings.Contains(n.Summary, "4 alerts") {
					rang++
				}
			}
			if rang != 1 {
				t.Errorf("the first was shown %d times", rang)
			}

			// A click leads to the list of its alerts.
			must(bus.Click(n.ID, "default"))
			list, err := tabs.UntilTab(ctx, b, "/console/alerts?storm=st1")
			must(err)
			must(list.Close(ctx))

			// Missed while no tab led: counted with its alerts.
			site.mu.Lock()
			site.pending = []json.RawMessage{json.RawMessage(stormNote(t, "d5", "9 alerts – Storm", 90, false))}
			for i := range 4 {
				site.pending = append(site.pending, json.RawMessage(note(fmt.Sprintf("e%d", i), fmt.Sprintf("b%d", i), "PROBLEM: many", 0)))
			}
			site.mu.Unlock()
			must(tab.Close(ctx))
			_, err = b.Open(ctx, site.url+"/console/second")
			must(err)
			onScreen("13 alerts while you were away")
		})
	}
}

const stormTold = `(() => {
  const of = (title, s, quiet = false) => ({ web_push: 8030, notification: {
    title, navigate: location.origin + '/console/alerts?storm=st1', tag: 'storm-1', silent: quiet,
    data: { v: 1, kind: 'storm', notice: 'digest', state: 'critical', url: location.origin + '/console/alerts?storm=st1', at: new Date(Date.now() + s * 1000).toISOString(), quiet, renotify: !quiet,
      worst: [{ id: 'a1', name: 'HTTP on web01', state: 'critical', status: 'firing', since: '2026-11-22T00:00:00Z' }, null, 5, { id: '' }] } } });
  const other = { ...of('ANOTHER', 1) };
  other.notification.tag = 'storm-2';
  return [of('4 alerts', 0), other, of('9 alerts', 40), of('9 alerts, up to date', 40, true)];
})()`

// The service worker shows one notification for a storm, where the browser does not
// replace by tag, too; and a click leads to the list.
func TestAStormInTheWorker(t *testing.T) {
	t.Parallel()
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
	b, err := tabs.Chromium(ctx, tabs.Options{Dir: t.TempDir(), Env: bus.Env()})
	must(err)
	defer b.Close()
	tab, err := b.Open(ctx, site.url+"/static/js/shared.js")
	must(err)
	const safari = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15`
	for _, keeps := range []string{"true", "false"} {
		var got []string
		must(tab.Eval(ctx, workerIn+"({agent: '"+safari+"', keepsTag: "+keeps+"}, "+strings.ReplaceAll(stormTold, "storm-", "storm-"+keeps)+")", &got))
		if want := []string{"ANOTHER > /console/alerts", "9 alerts, up to date > /console/alerts"}; !slices.Equal(got, want) {
			t.Errorf("on screen is %q, not %q", got, want)
		}
	}

	// What it names of the storm is among what the device knows without a network.
	const learned = `(async (message) => {
  await import('/static/js/shared.js');
  const text = await (await fetch('/static/js/worker-known.js')).text();
  await self.tocsin.put('kept', { listed: 1, at: 1, items: [{ id: 'a1', name: 'old', state: 'warning', status: 'firing', output: 'kept', since: 'x' }, { id: 'b', name: 'B', state: 'ok' }] }, 'known');
  const scope = { addEventListener() {}, registration: {}, location };
  const learnFrom = new Function('self', 'tocsin', 'fetch', text + '; return learnFrom;')(scope, self.tocsin, () => Promise.reject(new Error('offline')));
  await learnFrom(message);
  return (await self.tocsin.get('kept', 'known')).items.map((x) => [x.id, x.name, x.state, x.output].join(' '));
})`
	var got []string
	must(tab.Eval(ctx, learned+`({ title: 't', data: { kind: 'storm', worst: [{ id: 'a1', name: 'HTTP on web01', state: 'critical', status: 'firing', since: 's' }, { id: 'c', name: 'C', state: 'down', status: 'firing', since: 's' }] } })`, &got))
	if want := []string{"a1 HTTP on web01 critical kept", "c C down ", "b B ok "}; !slices.Equal(got, want) {
		t.Errorf("known is %q, not %q", got, want)
	}
}
