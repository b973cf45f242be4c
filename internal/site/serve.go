package site

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// mimes are those of the files that there are; the machine's own list may say anything.
var mimes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".json": "application/json", ".yaml": "text/plain; charset=utf-8", ".yml": "text/plain; charset=utf-8",
}

// maxQuery is the longest search that is answered.
const maxQuery = 200

// ServeHTTP answers requests for the site's files; its paths begin with the site's beginning,
// see http.StripPrefix. Headers that say what a page may do are the caller's.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are possible here", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if words := r.URL.Query().Get("q"); name == searchFile && words != "" {
		body, err := s.searchPage(strings.ToValidUTF8(words[:min(len(words), maxQuery)], ""))
		send(w, r, http.StatusOK, name, body, err)
		return
	}
	body, err := s.File(name)
	if errors.Is(err, fs.ErrNotExist) {
		if p := s.byName[name]; p != nil { // without its end
			// Relative as it is: http.Redirect would leave out what StripPrefix took away.
			w.Header().Set("Location", path.Base(p.Name)+".html")
			w.WriteHeader(http.StatusFound)
			return
		}
		if s.byName[name+"/index"] != nil {
			w.Header().Set("Location", path.Base(name)+"/index.html")
			w.WriteHeader(http.StatusFound)
			return
		}
		body, err = s.missing(name)
		send(w, r, http.StatusNotFound, "x.html", body, err)
		return
	}
	send(w, r, http.StatusOK, name, body, err)
}

// send answers a file. Browsers keep it, and ask whether it is still so.
func send(w http.ResponseWriter, r *http.Request, status int, name string, body []byte, err error) {
	if err != nil {
		http.Error(w, "This page could not be drawn.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	mime := mimes[path.Ext(name)]
	if mime == "" {
		mime = "text/plain; charset=utf-8"
	}
	h.Set("Content-Type", mime)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:8])
	if !strings.HasPrefix(mime, "image/") || strings.HasSuffix(mime, "xml") {
		h.Add("Vary", "Accept-Encoding")
		if len(body) > 1024 && gzipped(r.Header.Get("Accept-Encoding")) {
			if packed, err := pack(body); err == nil {
				body = packed
				tag += "-gz"
				h.Set("Content-Encoding", "gzip")
			}
		}
	}
	if status == http.StatusOK {
		h.Set("ETag", `"`+tag+`"`)
		if r.Header.Get("If-None-Match") == `"`+tag+`"` {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // a file of ours, or a page of html/template
	}
}

func gzipped(accept string) bool {
	return slices.ContainsFunc(strings.Split(accept, ","), func(part string) bool { return strings.TrimSpace(part) == "gzip" })
}

func pack(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
