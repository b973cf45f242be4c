package static_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"tocsin/internal/web/static"
)

func get(t *testing.T, h http.Handler, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	t.Run("are kept for a year under their version and revalidated without", func(t *testing.T) {
		a := get(t, static.Handler(), static.URL("js/live.js"))
		if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Fatalf("%d %v", a.StatusCode, a.Header)
		}
		if a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%v", a.Header)
		}
		for _, target := range []string{"/static/js/live.js", "/static/js/live.js?v=old"} {
			b := get(t, static.Handler(), target)
			if b.Header.Get("Cache-Control") != "no-cache" {
				t.Fatalf("%s: %v", target, b.Header)
			}
			if c := get(t, static.Handler(), target, "If-None-Match", "W/"+b.Header.Get("ETag")); c.StatusCode != 304 || body(t, c) != "" {
				t.Fatalf("with its tag: %d", c.StatusCode)
			}
		}
	})
	t.Run("are compressed for who takes it", func(t *testing.T) {
		plain := get(t, static.Handler(), "/static/js/live.js", "Accept-Encoding", "br, gzip;q=0")
		small := get(t, static.Handler(), "/static/js/live.js", "Accept-Encoding", "br, gzip;q=0.5")
		if plain.Header.Get("Content-Encoding") != "" || small.Header.Get("Content-Encoding") != "gzip" || small.Header.Get("Vary") != "Accept-Encoding" {
			t.Fatalf("plain %v, small %v", plain.Header, small.Header)
		}
		if plain.Header.Get("ETag") == small.Header.Get("ETag") {
			t.Fatal("one tag for two representations")
		}
		z, err := gzip.NewReader(small.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil || string(text) != body(t, plain) {
			t.Fatalf("uncompressed differs (%v)", err)
		}
	})
	t.Run("that are none are not found", func(t *testing.T) {
		for _, target := range []string{"/static/", "/static/js", "/static/static.go", "/static/../static.go", "/static/js/none.js", "/static/%2e%2e/go.mod"} {
			if a := get(t, static.Handler(), target); a.StatusCode != 404 {
				t.Errorf("%s: %d", target, a.StatusCode)
			}
		}
	})
	t.Run("the worker may look after the whole site and is never old", func(t *testing.T) {
		a := get(t, static.WorkerHandler(), "/sw-push.js")
		if a.Header.Get("Service-Worker-Allowed") != "/" || a.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(body(t, a), "notificationclick") {
			t.Fatalf("%v", a.Header)
		}
	})
}

func TestTheWorkerSaysThatAnAcknowledgementWasMadeOnTheNotification(t *testing.T) {
	worker := body(t, get(t, static.Handler(), "/static/js/worker-act.js"))
	if !regexp.MustCompile(`/acknowledge` + "`" + `, \{[^}]*\borigin: 'notification'`).MatchString(worker) {
		t.Error("the call to acknowledge says no origin")
	}
}

// The worker is installed only if all of its parts are there, and takes no
// newer JavaScript than a classic script may have.
func TestTheWorkerIsWhole(t *testing.T) {
	worker := body(t, get(t, static.WorkerHandler(), "/sw-push.js"))
	parts := regexp.MustCompile(`importScripts\(([^)]*)\)`).FindStringSubmatch(worker)
	if parts == nil {
		t.Fatal("it imports nothing")
	}
	for _, m := range regexp.MustCompile(`'/static/([^']+)'`).FindAllStringSubmatch(parts[1], -1) {
		text := body(t, get(t, static.Handler(), "/static/"+m[1]))
		if regexp.MustCompile(`(?m)^(?:import|export)\b`).MatchString(text) {
			t.Errorf("%s is a module: a classic worker cannot import it", m[1])
		}
		worker += text
	}
	for _, event := range []string{"push", "notificationclick", "notificationclose", "pushsubscriptionchange", "sync", "fetch", "message"} {
		if !strings.Contains(worker, "addEventListener('"+event+"'") {
			t.Errorf("it does not listen to %s", event)
		}
	}
}

func TestTheManifestCanBeInstalled(t *testing.T) {
	a := get(t, static.ManifestHandler(), "/manifest.webmanifest")
	if a.Header.Get("Content-Type") != "application/manifest+json" || a.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%v", a.Header)
	}
	var m struct {
		Name, Display, Scope string
		ID                   string
		ShortName            string `json:"short_name"`
		StartURL             string `json:"start_url"`
		Theme                string `json:"theme_color"`
		Background           string `json:"background_color"`
		Icons                []struct{ Src, Sizes, Type, Purpose string }
		Shortcuts            []struct {
			Name, URL string
			Icons     []struct{ Src string }
		}
	}
	if err := json.Unmarshal([]byte(body(t, a)), &m); err != nil {
		t.Fatal(err)
	}
	if m.Name == "" || m.ShortName == "" || m.ID == "" || m.Display != "standalone" || m.Scope != "/" || m.StartURL != "/console/alerts" || m.Theme == "" || m.Background == "" {
		t.Errorf("%+v", m)
	}
	have := map[string]bool{}
	for _, icon := range m.Icons {
		picture, err := png.DecodeConfig(strings.NewReader(body(t, get(t, static.Handler(), icon.Src))))
		if err != nil {
			t.Errorf("%s: %v", icon.Src, err)
		}
		if size := fmt.Sprintf("%dx%d", picture.Width, picture.Height); size != icon.Sizes {
			t.Errorf("%s is %s, not %s", icon.Src, size, icon.Sizes)
		}
		have[icon.Purpose+" "+icon.Sizes] = true
	}
	for _, want := range []string{"any 192x192", "any 512x512", "maskable 192x192", "maskable 512x512", "monochrome 512x512"} {
		if !have[want] {
			t.Errorf("no icon %s", want)
		}
	}
	for _, s := range m.Shortcuts {
		if s.Name == "" || !strings.HasPrefix(s.URL, "/console/") || len(s.Icons) == 0 || !static.Exists(strings.TrimPrefix(s.Icons[0].Src, "/static/")) {
			t.Errorf("shortcut %+v", s)
		}
	}
}

// What a module, a style sheet or the worker names has to be there: nothing else
// would notice before a person does.
func TestEveryReferenceExists(t *testing.T) {
	imports := regexp.MustCompile(`(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]`)
	absolute := regexp.MustCompile("['\"`(]/static/([A-Za-z0-9._/-]+\\.[a-z0-9]+)")
	urls := regexp.MustCompile(`url\(['"]?(\.[^'")?#]+)`)
	checked := 0
	for _, name := range static.Names() {
		if ext := path.Ext(name); ext != ".js" && ext != ".css" {
			continue
		}
		target := "/static/" + name
		text := body(t, get(t, static.Handler(), target))
		var wants []string
		for _, re := range []*regexp.Regexp{imports, urls} {
			for _, m := range re.FindAllStringSubmatch(text, -1) {
				wants = append(wants, path.Join(path.Dir(name), m[1]))
			}
		}
		for _, m := range absolute.FindAllStringSubmatch(text, -1) {
			wants = append(wants, m[1])
		}
		for _, want := range wants {
			checked++
			if !static.Exists(want) {
				t.Errorf("%s names %s, which does not exist", name, want)
			}
		}
	}
	// The icons that notifications name by state.
	for _, icon := range strings.Fields("host-up host-down host-unreachable service-ok service-warning service-critical service-unknown acknowledgement downtime flapping custom app app-512 app-maskable-512 apple-touch-icon badge snooze") {
		checked++
		if !static.Exists("icons/" + icon + ".png") {
			t.Errorf("icon %s does not exist", icon)
		}
	}
	if checked < 15 {
		t.Fatalf("only %d references found: the patterns no longer fit", checked)
	}
}

func TestScriptsAreSentWithoutTheirComments(t *testing.T) {
	script := "// Of the file.\nimport './a.js'; // stays\n\n  // inside\nconst css = `\n// no comment\na{}`;\nconst url = `https://x`;\n\t//x\nend();\n"
	want := "\nimport './a.js'; // stays\n\n\nconst css = `\n// no comment\na{}`;\nconst url = `https://x`;\n\nend();\n"
	if got := string(static.Lean([]byte(script))); got != want {
		t.Errorf("%q", got)
	}
	// A backtick in a comment at the end of a line, or in a regular expression,
	// would be taken for the beginning of a text.
	for _, name := range static.Names() {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		text := body(t, get(t, static.Handler(), "/static/"+name))
		if strings.Count(text, "`")%2 == 1 {
			t.Errorf("%s: an odd number of backticks", name)
		}
		if i := strings.Index(text, "\n//"); i >= 0 {
			t.Errorf("%s: a comment was left in: %.60q", name, text[i:])
		}
	}
}
