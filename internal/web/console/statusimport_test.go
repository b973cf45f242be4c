package console_test

import (
	"bytes"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
)

// hand sends a form with files.
func (v *visitor) hand(path string, fields map[string]string, files ...[]byte) (*http.Response, string) {
	v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			v.t.Fatal(err)
		}
	}
	for _, f := range files {
		part, err := w.CreateFormFile("file", "page.json")
		if err == nil {
			_, err = part.Write(f)
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.server.URL+path, &b)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return v.do(r)
}

// saysIn looks for words in a page that was answered with a code.
func saysIn(t *testing.T) func(res *http.Response, body string, code int, words ...string) {
	return func(res *http.Response, body string, code int, words ...string) {
		t.Helper()
		if res.StatusCode != code {
			t.Fatalf("the answer is %d, want %d", res.StatusCode, code)
		}
		for _, w := range words {
			if !strings.Contains(body, w) {
				t.Fatalf("the page does not say %q:\n%s", w, body)
			}
		}
	}
}

// What ATStatus answers below /api/public/status/shop: components, incidents, maintenance.
func atStatus() [][]byte {
	return [][]byte{
		[]byte(`{"components":[{"id":"comp_1","name":"Checkout","status":"PARTIAL_OUTAGE","group":"Shop","order":1},{"id":2,"name":"Search","status":"operational","groupId":"grp_1","order":2}],
			"groups":[{"id":"grp_1","name":"Shop","order":0}]}`),
		[]byte(`{"incidents":[{"id":"inc_1","title":"Payments are slow","status":"resolved","impact":"minor","createdAt":"2026-11-14T10:00:00Z","resolvedAt":"2026-11-14T12:30:00Z",
			"affectedComponents":["comp_1"],"updates":[{"status":"resolved","message":"It is <b>over</b>.","createdAt":"2026-11-14T12:30:00Z"}]},
			{"id":"inc_2","title":"Never dated","status":"identified"}]}`),
		[]byte(`{"maintenance":[{"id":"maint_1","title":"New disks","status":"COMPLETED","scheduledStartTime":"2026-10-20T02:00:00Z","scheduledEndTime":"2026-10-20T04:00:00Z"}]}`),
	}
}

// A page of ATStatus comes by the form: looked at first, then made, and from then on
// brought up to date, whichever way the form names the page.
func TestAPageOfATStatusIsImported(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	const path = "/console/pages/import"
	says := saysIn(t)
	fields := map[string]string{"from": "atstatus", "zone": "Europe/Berlin", "page": "new", "slug": "shop", "action": "look"}
	row := func(what string, numbers ...int) string {
		return fmt.Sprintf(`<tr><th scope="row" data-label="What">%s</th><td data-label="New" class="n">%d</td><td data-label="Changed" class="n">%d</td><td data-label="As they were" class="n">%d</td></tr>`, what, numbers[0], numbers[1], numbers[2])
	}
	res, body := admin.hand(path, fields, atStatus()...)
	says(res, body, http.StatusOK, "Would make “shop”", "/s/shop", "“Never dated” has no time", "name and time zone", row("Groups", 1, 0, 0), row("Components", 2, 0, 0), row("Incidents", 1, 0, 0), row("Maintenances", 1, 0, 0))
	if pages, err := h.db.StatusPages(t.Context()); err != nil || len(pages) != 0 {
		t.Fatalf("after looking there are %d pages, %v", len(pages), err)
	}
	fields["action"] = "import"
	res, body = admin.hand(path, fields, atStatus()...)
	says(res, body, http.StatusOK, "Made “shop”")
	pages, err := h.db.StatusPages(t.Context())
	if err != nil || len(pages) != 1 || pages[0].Slug != "shop" || pages[0].Zone != "Europe/Berlin" {
		t.Fatalf("there are %+v, %v", pages, err)
	}
	_, export := admin.get("/console/pages/export")
	for _, want := range []string{`"name": "Checkout"`, `"state": "partial_outage"`, `"title": "Payments are slow"`, "It is **over**.", `"title": "New disks"`, `"name": "Shop"`} {
		if !strings.Contains(export, want) {
			t.Errorf("what came has no %s", want)
		}
	}
	// Once more: by its address, and by choosing the page that is there now.
	for _, into := range []map[string]string{{"page": "new", "slug": "shop"}, {"page": pages[0].ID, "slug": ""}} {
		again := maps.Clone(fields)
		maps.Copy(again, into)
		res, body = admin.hand(path, again, atStatus()...)
		says(res, body, http.StatusOK, "Changed “shop”", row("Groups", 0, 0, 1), row("Components", 0, 0, 2), row("Incidents", 0, 0, 1), row("Maintenances", 0, 0, 1))
	}
	res, body = admin.hand(path, fields, atStatus()[1:]...)
	says(res, body, http.StatusUnprocessableEntity, "components are missing", "/components", "Nothing was imported")
}

func TestPagesAreImportedAndExported(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	kuma, err := os.ReadFile("../../status/transfer/testdata/kuma-page.json")
	if err != nil {
		t.Fatal(err)
	}
	says := saysIn(t)
	const path = "/console/pages/import"
	fields := map[string]string{"from": "uptime-kuma", "zone": "Europe/Berlin", "page": "", "action": "look"}
	res, body := admin.hand(path, fields, kuma)
	says(res, body, http.StatusOK, "Would make “Shop”", "Nothing was changed yet", "cron line")
	if pages, err := h.db.StatusPages(t.Context()); err != nil || len(pages) != 0 {
		t.Fatalf("after looking there are %d pages, %v", len(pages), err)
	}
	fields["action"] = "import"
	res, body = admin.hand(path, fields, kuma)
	says(res, body, http.StatusOK, "Made “Shop”", "Look at its components")

	res, export := admin.get("/console/pages/export")
	says(res, export, http.StatusOK, `"format": "tocsin-status"`, `"name": "Shop"`)
	if got := res.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; filename=tocsin-status-pages-") {
		t.Errorf("the file is %q", got)
	}
	res, body = admin.hand(path, map[string]string{"from": "tocsin", "zone": "UTC", "page": "new", "slug": "copy", "action": "import"}, []byte(export))
	says(res, body, http.StatusOK, "Made “Shop”", "audit trail")

	t.Run("what is wrong is said with its mend", func(t *testing.T) {
		for words, send := range map[string]struct {
			fields map[string]string
			files  [][]byte
		}{
			"is missing":             {fields: fields},
			"web page (HTML)":        {fields, [][]byte{[]byte("<html>")}},
			"is no time zone":        {map[string]string{"from": "cachet", "zone": "Mars"}, [][]byte{kuma}},
			"is none of these":       {map[string]string{"from": "fax", "zone": "UTC"}, [][]byte{kuma}},
			"be part of an address":  {map[string]string{"from": "uptime-kuma", "zone": "UTC", "page": "new", "slug": "A b"}, [][]byte{kuma}},
			"is no field of version": {map[string]string{"from": "tocsin", "zone": "UTC"}, [][]byte{[]byte(strings.Replace(export, `"slug"`, `"slugg"`, 1))}},
		} {
			res, body := admin.hand(path, send.fields, send.files...)
			says(res, body, http.StatusUnprocessableEntity, words, "Nothing was imported")
		}
	})
	t.Run("an administrator imports, everybody exports what they may read", func(t *testing.T) {
		operator := h.as("operator")
		if res, _ := operator.hand(path, fields, kuma); res.StatusCode != http.StatusForbidden {
			t.Errorf("an operator's import answers %d", res.StatusCode)
		}
		res, body := operator.get(path)
		says(res, body, http.StatusOK, "Importing needs an administrator")
	})
}
