package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/source"
)

func TestWhereToPingIsNeverShownAgain(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	const address = "https://hc.example.org/5f0c-secret-word"
	kept := func(want string) {
		t.Helper()
		if got, err := h.db.PingURL(t.Context()); err != nil || got != want {
			t.Errorf("kept %q: %v", got, err)
		}
		if _, body := admin.get("/console/settings"); strings.Contains(body, "secret-word") {
			t.Error("it is shown")
		}
	}
	in := admin.filled("/console/settings", "/console/settings")
	in.Set("ping_url", "not an address, secret-word")
	if res, body := admin.post("/console/settings", in); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-ping_url-problem"`) || strings.Contains(body, "secret-word") {
		t.Errorf("a wrong one is answered %d", res.StatusCode)
	}
	in.Set("ping_url", address)
	in.Set("ping_every_seconds", "30")
	if res, _ := admin.post("/console/settings", in); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d", res.StatusCode)
	}
	kept(address)
	in = admin.filled("/console/settings", "/console/settings")
	if in.Get("ping_every_seconds") != "30" || in.Get("ping_url") != "" {
		t.Errorf("the form has %q and %q", in.Get("ping_every_seconds"), in.Get("ping_url"))
	}
	admin.post("/console/settings", in)
	kept(address) // what is not given again stays
	in.Set("ping_url_clear", "on")
	admin.post("/console/settings", in)
	kept("")
}

func TestASourcesSilenceInItsForm(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	if err := h.db.SaveSource(t.Context(), source.Source{ID: "job", Name: "job", Kind: "generic", TokenHash: "job", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	in := admin.filled("/console/sources/job", "/console/sources/job")
	for _, wrong := range []string{"soon", "-1", "50000"} {
		in.Set("silent_after_minutes", wrong)
		if res, body := admin.post("/console/sources/job", in); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-silent_after_minutes-problem"`) {
			t.Errorf("%q is answered %d", wrong, res.StatusCode)
		}
	}
	in.Set("silent_after_minutes", "90")
	if res, _ := admin.post("/console/sources/job", in); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d", res.StatusCode)
	}
	if err := h.db.SourceAlive(t.Context(), "job"); err != nil {
		t.Fatal(err)
	}
	_, body := admin.get("/console/sources/job")
	for _, want := range []string{"is an alert after 90 minutes", "Last heartbeat", "Receiving"} {
		if !strings.Contains(body, want) {
			t.Errorf("its page does not say %q", want)
		}
	}
}
