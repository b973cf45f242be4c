package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/test/database"
)

// What a page's editors, their programs and strangers may send: each thing that is
// wrong is said with its field, what is only odd is taken, and what was there before
// is there afterwards.
func TestWhatIsWrongOfAPublicPageIsSaidAndNothingIsLost(t *testing.T) {
	for name, settings := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"TOCSIN_DATABASE_URL=" + database.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) { wrongThings(t, startPushHub(t, settings()...)) })
	}
}

// What there is before: nothing wrong may change it.
const (
	goodTitle = "Orders are slow"
	goodBody  = "We are looking for the cause."
)

func wrongThings(t *testing.T, h *hub) {
	_, parts := h.publicPage("main", "Shop", "Mail")
	_, others := h.publicPage("other", "Payroll")
	key := h.key(auth.ReadConfig, auth.WriteConfig, auth.Publish)
	api := func(method, path, body string) answer {
		t.Helper()
		return h.call(method, "/api/v1/status"+path, key, body)
	}
	opened := api("POST", "/incidents", `{"title":"`+goodTitle+`","impact":"major","body":"`+goodBody+`","changes":[{"component_id":"`+parts[0]+`","to":"partial_outage"}]}`)
	opened.want(t, "the incident", http.StatusCreated, "")
	incident := "/incidents/" + opened.field(t, "id")
	at := func(hours int) string {
		return time.Now().Add(time.Duration(hours) * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	work := func(from, to int) string {
		return `{"title":"Work","body":"b","components":["` + parts[1] + `"],"start":"` + at(from) + `","end":"` + at(to) + `"}`
	}
	first := api("POST", "/maintenance", work(24, 26))
	first.want(t, "the maintenance", http.StatusCreated, "")
	maintenance := "/maintenance/" + first.field(t, "id")
	series := func(rule, zone string) string {
		return `{"title":"Weekly","body":"b","rule":"` + rule + `","zone":"` + zone + `","start":"` + at(48) + `","minutes":30}`
	}
	long := strings.Repeat("x", 1<<20)
	h.shows("main", goodTitle, goodBody, "Work")
	before := api("GET", "/export?page=main", "").body

	refused := []struct {
		what, method, path, body string
		status                   int
		location                 string
	}{
		{"a title of 1 MB", "POST", "/incidents", `{"title":"` + long + `","body":"b"}`, 413, ""},
		{"a body of 1 MB", "POST", incident + "/updates", `{"body":"` + long + `"}`, 413, ""},
		{"a name of 1 MB", "PUT", "/components/" + parts[0], `{"name":"` + long + `"}`, 413, ""},
		{"a title that is too long", "POST", "/incidents", `{"title":"` + long[:201] + `","body":"b"}`, 422, "body.title"},
		{"a body that is too long", "POST", incident + "/updates", `{"body":"` + long[:20_001] + `"}`, 422, "body.body"},
		{"a title of nothing", "POST", "/incidents", `{"title":" ","body":"b"}`, 422, "body.title"},
		{"a title in two lines", "POST", "/incidents", `{"title":"a\nb","body":"b"}`, 422, "body.title"},
		{"a title that turns the direction", "POST", "/incidents", `{"title":"a\u202egnp.exe","body":"b"}`, 422, "body.title"},
		{"a body that turns the direction", "POST", incident + "/updates", `{"body":"a\u2066b"}`, 422, "body.body"},
		{"a name that turns the direction", "PUT", "/components/" + parts[0], `{"name":"a\u202eb"}`, 422, "body.name"},
		{"a control character", "POST", "/incidents", `{"title":"a\u0007b","body":"b"}`, 422, "body.title"},
		{"a NUL", "POST", incident + "/updates", `{"body":"a\u0000b"}`, 422, "body.body"},
		{"a component's link that is a script", "PUT", "/components/" + parts[0], `{"name":"Shop","link":"javascript:alert(1)"}`, 422, "body.link"},
		{"a page's support that is a script", "PUT", "/pages/main", `{"slug":"main","name":"The main","zone":"UTC","support":"javascript:alert(1)"}`, 422, "body.support"},
		{"a page's zone that does not exist", "PUT", "/pages/main", `{"slug":"main","name":"The main","zone":"Mars/Olympus"}`, 422, "body.zone"},
		{"a page's zone that is a file", "PUT", "/pages/main", `{"slug":"main","name":"The main","zone":"../../etc/passwd"}`, 422, "body.zone"},
		{"a new page's zone of nothing", "POST", "/pages", `{"slug":"third","name":"Third","zone":""}`, 422, "body.zone"},
		{"a series' zone that does not exist", "POST", "/series", series("FREQ=WEEKLY", "Europe/Atlantis"), 422, "body.zone"},
		{"an end before the start", "POST", "/maintenance", work(26, 24), 422, "body.end"},
		{"an end with the start", "POST", "/maintenance", work(24, 24), 422, "body.end"},
		{"an end before the start, of what there is", "PUT", maintenance, work(26, 24), 422, "body.end"},
		{"an end in a hundred years", "POST", "/maintenance", work(24, 24*365*100), 422, "body.end"},
		{"a rule each second", "POST", "/series", series("FREQ=SECONDLY", "UTC"), 422, "body.rule"},
		{"a rule with hours", "POST", "/series", series("FREQ=DAILY;BYHOUR=1,2,3", "UTC"), 422, "body.rule"},
		{"a rule that is none", "POST", "/series", series("DROP TABLE", "UTC"), 422, "body.rule"},
		{"deleting a component of an open incident", "DELETE", "/components/" + parts[0], "", 409, ""},
		{"deleting a component of a maintenance to come", "DELETE", "/components/" + parts[1], "", 409, ""},
		{"an incident of another page's component", "POST", "/incidents", `{"title":"t","body":"b","components":["` + others[0] + `"]}`, 422, "body.components[0]"},
		{"a change of another page's component", "POST", incident + "/updates", `{"body":"b","changes":[{"component_id":"` + others[0] + `","to":"major_outage"}]}`, 422, "body.changes[0].component_id"},
		{"a maintenance of a component that there is not", "POST", "/maintenance", strings.Replace(work(1, 2), parts[1], "gone", 1), 422, "body.components[0]"},
	}
	for _, r := range refused {
		got := api(r.method, r.path, r.body)
		if got.status != r.status || got.header.Get("Content-Type") != "application/problem+json" || r.location != "" && got.field(t, "errors.0.location") != r.location {
			t.Errorf("%s: %d %.400s, want %d %s", r.what, got.status, got.body, r.status, r.location)
		}
		if len(got.body) > 2_000 {
			t.Errorf("%s: the answer has %d bytes", r.what, len(got.body))
		}
	}
	if after := api("GET", "/export?page=main", "").body; trimExport(after) != trimExport(before) {
		t.Errorf("what was refused changed the page:\n%s\n%s", before, after)
	}

	t.Run("subscriptions to a component of another page are refused", func(t *testing.T) {
		subscribe := func(parts []string) answer {
			_, s := h.browserOf()
			return h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s, "page", pageOf(t, h, key, "main"), "components", parts))
		}
		subscribe(others).want(t, "Web Push", http.StatusUnprocessableEntity, "body.components[0]")
		subscribe(parts[:1]).want(t, "Web Push of one's own", http.StatusOK, "")
		for _, way := range []string{"component=" + others[0] + "&url=https%3A%2F%2Fexample.com%2Fhook", "component=gone&url=https%3A%2F%2Fexample.com%2Fhook"} {
			got := h.call("POST", "/subscribe/webhook", nil, way, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
			if got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "Payroll") {
				t.Errorf("webhook with %s: %d", way, got.status)
			}
		}
	})
	t.Run("what overlaps is taken, and said", func(t *testing.T) {
		got := api("POST", "/maintenance", work(25, 27))
		got.want(t, "overlapping", http.StatusCreated, "")
		if got.field(t, "overlaps.0") != first.field(t, "id") {
			t.Errorf("overlaps %s", got.body)
		}
	})
	t.Run("a rule without end is taken, and announced a few times ahead", func(t *testing.T) {
		begin := time.Now()
		got := api("POST", "/series", series("FREQ=DAILY", "Europe/Berlin"))
		got.want(t, "daily for ever", http.StatusCreated, "")
		if got.field(t, "next.4") == "" || got.field(t, "next.5") != "" || time.Since(begin) > 5*time.Second {
			t.Errorf("next of %s after %s", got.body, time.Since(begin))
		}
		id := got.field(t, "id")
		announced := func() int {
			return strings.Count(api("GET", "/maintenance?limit=100", "").body, `"series_id":"`+id+`"`)
		}
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for deadline := time.Now().Add(20 * time.Second); announced() != 3; <-look.C {
			if time.Now().After(deadline) {
				t.Fatalf("%d are announced", announced())
			}
		}
	})
	t.Run("what attacks is shown as what it is", func(t *testing.T) {
		attack := api("POST", "/incidents", text(map[string]any{
			"title": `</title><script>alert(1)</script><img src=x onerror=alert(2)>`, "components": parts[:1],
			"body": "<script>alert(3)</script>\n\nRead [a](javascript:alert(4)) ![b](javascript:alert(5)) <a href=\"javascript:alert(6)\">c</a> <iframe src=//evil.example></iframe> [d](data:text/html,x) <b onmouseover=alert(7)>e</b> **bold**",
		}))
		attack.want(t, "attack", http.StatusCreated, "")
		h.shows("main", "<strong>bold</strong>")
		for _, path := range []string{"/", "/de/", "/incidents/" + attack.field(t, "id"), "/history", "/embed", "/history.atom", "/history.rss", "/api/v2/incidents.json", "/badge.svg", "/live.json"} {
			got := h.call("GET", path, nil, "")
			low := strings.ToLower(got.body)
			if got.status != http.StatusOK {
				t.Errorf("%s: %d", path, got.status)
			}
			for _, never := range []string{"<script>", "<img src=x", "href=\"javascript", "href='javascript", "src=\"javascript", "<iframe", "href=\"data:", "<b onmouseover"} {
				if strings.Contains(low, never) && !strings.HasSuffix(path, ".json") {
					t.Errorf("%s has %s", path, never)
				}
			}
		}
	})
	t.Run("an open incident outlives what was tried with it", func(t *testing.T) {
		got := api("GET", incident, "")
		if got.field(t, "title") != goodTitle || got.field(t, "updates.0.body") != goodBody || got.field(t, "updates.1.body") != "" || got.field(t, "components.0") != parts[0] {
			t.Errorf("incident %s", got.body)
		}
		api("PUT", "/components/"+parts[0], `{"name":"Shop","hidden":true}`).want(t, "hidden instead of deleted", http.StatusOK, "")
		api("POST", incident+"/updates", `{"phase":"resolved","body":"Well.","restore":true}`).want(t, "resolved", http.StatusCreated, "")
	})
}

// trimExport leaves out when an export was made.
func trimExport(s string) string {
	head, tail, found := strings.Cut(s, `"exported":"`)
	if !found {
		return s
	}
	_, tail, _ = strings.Cut(tail, `"`)
	return head + tail
}

func pageOf(t *testing.T, h *hub, key, slug string) string {
	t.Helper()
	return h.call("GET", "/api/v1/status/pages/"+slug, key, "").field(t, "id")
}
