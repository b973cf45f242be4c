// Package static holds what browsers load: style sheets, icons and ES modules,
// embedded in the binary.
//
// A page names a file by URL("js/live.js"), which carries a version made of
// the contents of all files, so browsers keep it for a year and still never
// see an old one. Modules import their neighbours by relative path, without a
// version; those are revalidated by ETag, which costs one small 304 answer.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:embed css icons js sw-push.js manifest.webmanifest
var files embed.FS

// file is one embedded file, ready to be served.
type file struct {
	mime string
	etag string
	body []byte
	gzip func() []byte // made when it is first asked for; answers nil where it would save less than a tenth
}

// catalogue is every file by its path below /static/, and their version.
type catalogue struct {
	files   map[string]file
	version string
}

// load reads the embedded files once, on first use.
var load = sync.OnceValue(func() catalogue {
	c := catalogue{files: map[string]file{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Ext(name) == ".js" {
			body = Lean(body)
		}
		sum := sha256.Sum256(body)
		c.files[name] = file{
			mime: mimeOf(name),
			etag: hex.EncodeToString(sum[:8]),
			body: body,
			gzip: sync.OnceValue(func() []byte { return compress(body) }),
		}
		return nil
	})
	if err != nil {
		// Embedded files are part of the binary: reading them cannot fail on a sound one.
		panic(fmt.Sprintf("read embedded files: %v", err))
	}
	all := sha256.New()
	for _, name := range Names() {
		fmt.Fprintf(all, "%s %s\n", name, c.files[name].etag)
	}
	c.version = hex.EncodeToString(all.Sum(nil)[:6])
	return c
})

// Names lists the embedded files by their path below /static/, sorted.
func Names() []string {
	var names []string
	walk := func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	}
	if err := fs.WalkDir(files, ".", walk); err != nil {
		panic(fmt.Sprintf("list embedded files: %v", err))
	}
	sort.Strings(names)
	return names
}

// mimeOf does not ask the machine's mime.types, which may say anything.
func mimeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".json", ".webmanifest":
		return "application/manifest+json"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Lean takes the lines out of a script that are comments and nothing else, but not
// their ends: numbers of lines stay true. Half of what a visitor of a public page
// loads would be words to people who change the script. Within a text of several
// lines nothing is a comment.
func Lean(script []byte) []byte {
	var out bytes.Buffer
	text := false
	for line := range bytes.Lines(script) {
		if !text && bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("//")) {
			out.WriteByte('\n')
			continue
		}
		out.Write(line)
		if bytes.Count(line, []byte("`"))%2 == 1 {
			text = !text
		}
	}
	return out.Bytes()
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(body); err != nil {
		return nil
	}
	if err := w.Close(); err != nil || b.Len() > len(body)*9/10 {
		return nil
	}
	return b.Bytes()
}

// Version changes whenever any file does.
func Version() string { return load().version }

// Exists tells whether there is a file of that path below /static/.
func Exists(name string) bool { _, ok := load().files[name]; return ok }

// URL answers where browsers find a file: URL("js/live.js") is
// "/static/js/live.js?v=0123456789ab". An unknown name gets no version, so it
// shows as a 404 in the page that names it.
func URL(name string) string {
	if !Exists(name) {
		return "/static/" + name
	}
	return "/static/" + name + "?v=" + Version()
}

// Handler serves the files under /static/.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := load()
		f, ok := c.files[strings.TrimPrefix(path.Clean(r.URL.Path), "/static/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("v") == c.version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			w.Header().Set("Cache-Control", "no-cache")
		}
		serve(w, r, f)
	})
}

// WorkerHandler serves /sw-push.js, the service worker. It has to come from the
// root to be allowed to look after the whole site, and browsers must always see
// the newest one.
func WorkerHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Service-Worker-Allowed", "/")
		serve(w, r, load().files["sw-push.js"])
	})
}

// ManifestHandler serves /manifest.webmanifest, by which browsers install the
// console as an app.
func ManifestHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		serve(w, r, load().files["manifest.webmanifest"])
	})
}

func serve(w http.ResponseWriter, r *http.Request, f file) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are possible here", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("X-Content-Type-Options", "nosniff")
	body, etag := f.body, f.etag
	if packed := f.gzip(); packed != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = packed, f.etag+"-gz"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// A visitor who left cannot be told of the error.
	_, _ = w.Write(body)
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q = strings.ReplaceAll(q, " ", "")
		return q != "q=0" && !strings.HasPrefix(q, "q=0.000")
	}
	return false
}

// matches compares weakly, as RFC 9110 section 13.1.2 wants for If-None-Match.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == "*" || part == `"`+etag+`"` {
			return true
		}
	}
	return false
}
