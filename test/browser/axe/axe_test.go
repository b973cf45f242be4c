package axe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

func TestCheck(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>t</title><main><h1>t</h1><input><img src="x"></main>`)
	}))
	defer site.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tab, err := b.Open(ctx, site.URL)
	if err != nil {
		t.Fatal(err)
	}
	found, err := axe.Check(ctx, tab)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, v := range found {
		ids[v.ID] = true
	}
	if !ids["label"] || !ids["image-alt"] {
		t.Errorf("a field without a label and a picture without a text were not found: %v", found)
	}
}
