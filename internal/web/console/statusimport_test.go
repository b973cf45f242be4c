package console_test

import (
	"bytes"
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

func TestPagesAreImportedAndExported(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	kuma, err := os.ReadFile("../../status/transfer/testdata/kuma-page.json")
	if err != nil {
		t.Fatal(err)
	}
	says := func(res *http.Response, body string, code int, words ...string) {
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
