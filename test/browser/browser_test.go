package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
)

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>
<input id="name"><button id="show" style="margin-top:1500px">show</button><p id="out"></p>
<script>
document.getElementById('show').onclick = e => {
  const n = new Notification('Disk full on db01', {body: 'Only 1 % is free', tag: 'a'});
  n.onclick = () => { window.open('/opened'); };
  window.last = n;
  document.getElementById('out').textContent = 'shown by ' + document.getElementById('name').value + ' ' + e.isTrusted;
};
</script>`

// The drivers are what the other browser tests stand on: here they are tried
// on a page of a few lines.
func TestBrowsers(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	}))
	defer site.Close()
	origin := strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
	starts := map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox}
	for name, start := range starts {
		t.Run(name+" shows a notification on the desktop and opens what is clicked", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			bus, err := notifyd.StartBus(ctx)
			must(err)
			defer bus.Close()
			b, err := start(ctx, browser.Options{Dir: t.TempDir(), Env: bus.Env()})
			must(err)
			defer b.Close()
			must(b.Permit(ctx, origin, browser.Granted))
			tab, err := b.Open(ctx, origin+"/")
			must(err)
			must(browser.Type(ctx, tab, "#name", "Zoë"))
			must(browser.Click(ctx, tab, "#show"))
			must(browser.Until(ctx, tab, "document.getElementById('out').textContent === 'shown by Zoë true'"))
			n, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == "Disk full on db01" })
			must(err)
			if !strings.Contains(n.Body, "Only 1 % is free") {
				t.Errorf("body %q", n.Body)
			}
			must(bus.Click(n.ID, "default"))
			_, err = browser.UntilTab(ctx, b, "/opened")
			must(err)
			must(tab.Eval(ctx, "window.last.close()", nil))
			_, err = bus.WaitClosed(ctx, n.ID)
			must(err)

			must(tab.Front(ctx))
			must(tab.Size(ctx, 390, 844))
			must(browser.Until(ctx, tab, "innerWidth === 390"))
			must(tab.Dark(ctx, true))
			must(browser.Until(ctx, tab, "matchMedia('(prefers-color-scheme: dark)').matches"))
			shot, err := tab.Shot(ctx, true)
			must(err)
			picture, err := png.Decode(bytes.NewReader(shot))
			must(err)
			if h := picture.Bounds().Dy(); h < 1500 {
				t.Errorf("the picture of the whole page is %d high", h)
			}
		})
	}
}
