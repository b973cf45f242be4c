package page_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/web/page"
)

func TestAPreviewIsThePageThatVisitorsWouldSee(t *testing.T) {
	db := stored(t)
	site, err := page.NewSite(db, markdown.New(), page.Options{BaseURL: "https://hub.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := site.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := status.Incident{ID: "new", Title: "<b>Slow</b>", Phase: status.Identified, Impact: status.ImpactMajor, Started: time.Now(),
		Updates: []status.Update{{Phase: status.Identified, Body: "It **is** <script>alert(1)</script> slow.", At: time.Now()}}}
	body := func(page, language string) string {
		t.Helper()
		b, err := site.Preview(t.Context(), page, i, language)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	t.Run("it shows what is written, as the page makes it", func(t *testing.T) {
		got := body("company", "")
		for _, want := range []string{"&lt;b&gt;Slow&lt;/b&gt;", "<strong>is</strong>", "Identified", "<style>"} {
			if !strings.Contains(got, want) {
				t.Errorf("the preview lacks %q", want)
			}
		}
	})
	t.Run("it speaks the language that is asked for", func(t *testing.T) {
		if got := body("company", "de"); !strings.Contains(got, `lang="de"`) || !strings.Contains(got, "Ursache") {
			t.Error("it is not German")
		}
	})
	t.Run("nothing in it runs or leads away", func(t *testing.T) {
		got := body("company", "")
		if strings.Contains(got, "<script") || strings.Contains(got, "manifest") || !strings.Contains(got, `<base target="_blank">`) {
			t.Error("it has scripts, or links that lead away")
		}
	})
	t.Run("nothing is kept of it", func(t *testing.T) {
		if _, err := db.Incident(t.Context(), "new"); err == nil {
			t.Error("it was stored")
		}
	})
	t.Run("there is none of a page that is not there", func(t *testing.T) {
		_, err := site.Preview(t.Context(), "nowhere", i, "")
		if !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a page that was made a moment ago has one", func(t *testing.T) {
		fresh, err := page.NewSite(db, markdown.New(), page.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := fresh.Preview(t.Context(), "company", i, ""); err != nil || !strings.Contains(string(b), "Slow") {
			t.Errorf("%v", err)
		}
	})
}
