package cdp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tocsin/test/browser/cdp"
)

// A page that is left while it loads may tell of its load event when the way to
// the next one has begun.
func TestNavigateWaitsForThePageItLeadsTo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	asked, loaded := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>first</title><img src="/picture"><script>onload = () => fetch('/loaded')</script>`)
	})
	mux.HandleFunc("/picture", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-asked:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/loaded", func(http.ResponseWriter, *http.Request) { close(loaded) })
	mux.HandleFunc("/second", func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-loaded:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `<!doctype html><title>second</title><script type="module" src="/late.js"></script>`)
	})
	mux.HandleFunc("/late.js", func(w http.ResponseWriter, r *http.Request) {
		select { // a slow server
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "globalThis.ran = true")
	})
	mux.HandleFunc("/on", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>on</title><script>location.replace('/third')</script>`)
	})
	mux.HandleFunc("/third", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<!doctype html><title>third</title>`) })
	server := httptest.NewServer(mux)
	defer server.Close()

	b, err := cdp.Launch(ctx, "/usr/bin/chromium", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tab, err := b.NewTab(ctx, "about:blank")
	if err != nil {
		t.Fatal(err)
	}
	var at string
	read := func(expr, want string) {
		t.Helper()
		if err := b.Eval(ctx, tab, expr, &at); err != nil || at != want {
			t.Errorf("%s is %q, %v, not %q", expr, at, err, want)
		}
	}
	// The first page is not waited for: its picture does not come before it is left.
	if err := b.Eval(ctx, tab, fmt.Sprintf("location.href = %q", server.URL+"/first"), nil); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for at != "first" {
		<-tick.C
		if err := b.Eval(ctx, tab, "document.title", &at); err != nil {
			at = "" // between two pages
		}
		if ctx.Err() != nil {
			t.Fatal("the first page does not come")
		}
	}
	if err := b.Navigate(ctx, tab, server.URL+"/second"); err != nil {
		t.Fatal(err)
	}
	read("`${document.title} ${document.readyState} ${globalThis.ran}`", "second complete true")
	// The same page and another place of it, and one that leads on.
	for _, path := range []string{"/third", "/third", "/third#place"} {
		if err := b.Navigate(ctx, tab, server.URL+path); err != nil {
			t.Fatal(err)
		}
		read("document.title + location.pathname + location.hash", "third"+path)
	}
	if err := b.Navigate(ctx, tab, server.URL+"/on"); err != nil {
		t.Fatal(err)
	}
}
