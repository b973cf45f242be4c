package browser_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
)

// workerIn runs the service worker's script with what a browser of that kind
// gives it, hands it the messages, and answers what is on screen then: each with
// its title, and where a click leads. The browser neither replaces by tag nor,
// without keepsTag, tells the tag.
const workerIn = `(async ({ agent, actions, keepsTag }, messages) => {
  await import('/static/js/shared.js');
  const { tocsin } = window;
  const text = await (await fetch('/sw-push.js')).text();
  const shown = [], handlers = {};
  const scope = {
    location, addEventListener: (kind, f) => { handlers[kind] = f; },
    clients: { matchAll: async () => [] },
    registration: {
      getNotifications: async ({ tag } = {}) => shown.filter((n) => n.open && (!tag || n.tag === tag)),
      showNotification: async (title, o) => { shown.push({ title, ...o, tag: keepsTag ? o.tag : '', open: true, close() { this.open = false; } }); },
    },
  };
  const Notification = actions ? { maxActions: actions } : {};
  const nothing = async () => {};
  new Function('self', 'navigator', 'Notification', 'importScripts', 'tocsin', 'act', 'flush', 'forget', 'learn', 'learnFrom', 'own', 'fetch', text)(
    scope, { userAgent: agent }, Notification, () => {}, { ...tocsin, settled: async () => true }, nothing, nothing, nothing, nothing, nothing, nothing, nothing);
  for (const m of messages) {
    let done;
    handlers.push({ data: { text: () => JSON.stringify(m) }, waitUntil: (p) => { done = p; } });
    await done;
  }
  return shown.filter((n) => n.open).map((n) => n.title + ' > ' + new URL(n.data.url).pathname);
})`

const told = `(() => {
  const at = (s) => new Date(Date.now() + s * 1000).toISOString();
  const of = (alert, title, notice, state, s, quiet = false) => ({ web_push: 8030, notification: {
    title, navigate: location.origin + '/console/act/' + alert, tag: 'alert-' + alert, silent: quiet,
    data: { v: 1, kind: 'alert', alert_id: alert, notice, state, url: location.origin + '/engine/' + alert, at: at(s), quiet, renotify: !quiet } } });
  const a = 'a' + Math.random(), b = 'b' + Math.random();
  return [of(a, 'PROBLEM A', 'problem', 'critical', 0), of(b, 'PROBLEM B', 'problem', 'critical', 0), of(a, 'ACK A', 'acknowledgement', 'critical', 1), of(a, 'RECOVERY A', 'recovery', 'ok', 2)];
})()`

// Safari neither replaces by tag nor has buttons: the worker makes up for both.
func TestTheWorkerInABrowserWithoutTags(t *testing.T) {
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
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir(), Env: bus.Env()})
	must(err)
	defer b.Close()
	tab, err := b.Open(ctx, site.url+"/static/js/shared.js")
	must(err)
	const safari = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15`
	const chrome = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36`
	const firefox = `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0`
	for name, c := range map[string]struct {
		browser string
		want    []string // without what follows the alert's letter
	}{
		"Safari":                           {`{agent: '` + safari + `', keepsTag: true}`, []string{"PROBLEM B > /console/act/b", "RECOVERY A > /console/act/a"}},
		"a Safari that tells no tag":       {`{agent: '` + safari + `', keepsTag: false}`, []string{"PROBLEM B > /console/act/b", "RECOVERY A > /console/act/a"}},
		"Chrome, which does it by itself":  {`{agent: '` + chrome + `', actions: 2, keepsTag: true}`, []string{"PROBLEM A > /engine/a", "PROBLEM B > /engine/b", "ACK A > /engine/a", "RECOVERY A > /engine/a"}},
		"Firefox, which does it by itself": {`{agent: '` + firefox + `', keepsTag: true}`, []string{"PROBLEM A > /engine/a", "PROBLEM B > /engine/b", "ACK A > /engine/a", "RECOVERY A > /engine/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			must(tab.Eval(ctx, workerIn+"("+c.browser+", "+told+").then((all) => all.map((s) => s.replace(/0\\.\\d+$/, '')))", &got))
			if !slices.Equal(got, c.want) {
				t.Errorf("on screen is %q, not %q", got, c.want)
			}
		})
	}
}
