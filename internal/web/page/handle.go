package page

import (
	"net/http"
	"strings"

	"tocsin/internal/status/words"
)

// Handle answers a request for a page, or says false when there is none at its
// address. Whoever may not see a page learns nothing here but that.
func (s *Site) Handle(w http.ResponseWriter, r *http.Request) bool {
	set, path := s.made.Load().find(r.Host, r.URL.Path)
	if set == nil || strings.HasPrefix(path, assetsBelow) {
		d := assets().documents[strings.TrimPrefix(r.URL.Path, "/")]
		if d != nil && onlyRead(w, r) {
			d.serve(w, r, false)
		}
		return d != nil
	}
	// The gate of what is not public: nothing of a page is looked at before it.
	if set.at.Private && !s.gate.passes(s, set, path, w, r) {
		return true
	}
	a := s.address(set, path, r)
	d := set.home
	if a.path != "" || a.named || a.language != set.language {
		var ours bool
		if d, ours = s.find(set, a, r); !ours {
			return false
		}
	}
	if onlyRead(w, r) {
		d.serve(w, r, set.at.Private)
	}
	return true
}

func onlyRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "This address can only be read.", http.StatusMethodNotAllowed)
	return false
}

// hosts answers the page that has a host name, as a request gives it; nil for none.
func (m *made) hosts(host string) *pageSet {
	if len(m.byHost) == 0 {
		return nil
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return m.byHost[strings.TrimSuffix(strings.ToLower(host), ".")]
}

// find answers the page that a request is for, and the path below it without a
// slash before it.
func (m *made) find(host, path string) (*pageSet, string) {
	path = strings.TrimPrefix(path, "/")
	if set := m.hosts(host); set != nil {
		return set, path
	}
	if rest, ok := strings.CutPrefix(path, "s/"); ok {
		slug, below, _ := strings.Cut(rest, "/")
		return m.bySlug[slug], below
	}
	return m.main, path
}

// address is what is asked for of a page.
type address struct {
	language *words.Language
	named    bool   // the path begins with the language
	path     string // below that
}

// key is what the document at an address is kept under.
func (a address) key() string {
	if a.named {
		return "/" + a.language.Tag + "/" + a.path
	}
	return a.language.Tag + "/" + a.path
}

// address takes a path apart. The language is the one that it names, else, for
// what people read, the one that their browser asks for.
func (s *Site) address(set *pageSet, path string, r *http.Request) address {
	a := address{language: set.language, path: path}
	if tag, rest, _ := strings.Cut(path, "/"); s.renderer.languages[tag] != nil {
		return address{s.renderer.languages[tag], true, rest}
	}
	if r.URL.RawQuery != "" {
		if tag := r.URL.Query().Get("lang"); tag != "" {
			a.language = s.renderer.languages.For(tag, set.page.Language)
			return a
		}
	}
	if accept := r.Header["Accept-Language"]; len(accept) > 0 && accept[0] != "" && forPeople(path) {
		a.language = s.renderer.languages.Accept(accept[0], set.page.Language)
	}
	return a
}

// find answers the document at an address, or one that says why there is none;
// false where the address is none of ours.
func (s *Site) find(set *pageSet, a address, r *http.Request) (*document, bool) {
	d, ours, err := s.document(r.Context(), set, a)
	switch {
	case !ours:
		return nil, false
	case err != nil:
		s.o.Log.Warn("page cannot be read", "page", set.page.Slug, "path", a.path, "error", err)
		return s.message(set, a.language, http.StatusServiceUnavailable, "unavailable"), true
	case d == nil:
		return s.message(set, a.language, http.StatusNotFound, "not_found"), true
	}
	return d, true
}
