package page

import (
	"net/http"
	"slices"
	"strconv"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// Ways are the ways of subscribing that need an address.
type Ways struct{ Email, Webhook bool }

// Visit is a request about a page by somebody who subscribes to it or did.
type Visit struct {
	PageID string
	Base   string // of the page: "" or "/s/SLUG"
	Path   string // below it
	May    bool   // see the page
	W      *words.Language

	set *pageSet
}

// Visit answers which page a request is for, and whether who sent it may see that;
// false where there is no page. Of a page that may not be seen nothing but its
// language is to be told.
func (s *Site) Visit(r *http.Request) (Visit, bool) {
	set, path := s.made.Load().find(r.Host, r.URL.Path)
	if set == nil {
		return Visit{}, false
	}
	return s.visit(set, path, r), true
}

// VisitOf is Visit for a page that is known by its id, wherever it stands by now.
func (s *Site) VisitOf(pageID string, r *http.Request) (Visit, bool) {
	set := s.made.Load().byID[pageID]
	if set == nil {
		return Visit{}, false
	}
	return s.visit(set, "", r), true
}

func (s *Site) visit(set *pageSet, path string, r *http.Request) Visit {
	v := Visit{PageID: set.page.ID, Base: set.at.Base, Path: path, W: set.language, set: set}
	v.May = !set.at.Private || s.gate.allows(set, r)
	if accept := r.Header.Get("Accept-Language"); accept != "" {
		v.W = s.renderer.languages.Accept(accept, set.page.Language)
	}
	return v
}

// In answers the visit in a language that a form named.
func (s *Site) In(v Visit, tag string) Visit {
	if tag != "" && len(tag) < 36 {
		v.W = s.renderer.languages.For(tag, v.W.Tag)
	}
	return v
}

// Saying is what such a visitor is answered: a heading, a text, and perhaps something
// to keep and a form.
type Saying struct {
	Status  int // of HTTP
	Heading string
	Text    string
	Problem string
	Secret  string // shown once
	Action  string // where the form leads; empty: there is none
	Button  string
	Want    *push.Want // what the form shows as chosen; nil: it asks for nothing
	More    string     // where a second button leads, with its words
	MoreSay string
	Back    bool // a link to the page of subscriptions
}

type visitView struct {
	frame
	Saying
	wants
}

// Say answers a visitor. Nobody keeps the answer, and no address that it leads to is
// told where its link stood.
func (s *Site) Say(w http.ResponseWriter, r *http.Request, v Visit, what Saying) {
	m := s.renderer.maker(v.set.snapshot, v.W, v.set.zone, v.set.at)
	view := visitView{frame: m.frame(what.Heading, "/subscribe"), Saying: what}
	if what.Want != nil && v.May {
		view.wants = m.wants(what.Want)
	}
	if !v.May {
		view.Shut, view.Title, view.State, view.Page = true, what.Heading, "none", status.Page{Name: what.Heading}
	}
	body, err := s.renderer.execute("visit", view)
	if err != nil {
		s.o.Log.Error("answer to a visitor cannot be made", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h["Cache-Control"] = private
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = []string{policy + nobodys}
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(max(what.Status, http.StatusOK))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// wants are the controls for what somebody wants to hear.
type wants struct {
	Groups  []choices
	Kinds   []choice
	Impacts []choice
}

func (m *maker) wants(w *push.Want) wants {
	out := wants{Groups: choosable(m.s.Groups)}
	mark(out.Groups, w.Components)
	kinds := w.Kinds
	if len(kinds) == 0 {
		kinds = push.DefaultKinds()
	}
	for _, k := range push.Kinds() {
		if told(&m.s.Page, k) {
			out.Kinds = append(out.Kinds, choice{string(k), m.w.T("kind." + string(k)), slices.Contains(kinds, k)})
		}
	}
	for _, i := range push.Impacts() {
		out.Impacts = append(out.Impacts, choice{string(i), m.w.T("from." + string(i)), i == w.MinImpact})
	}
	return out
}

func mark(groups []choices, ids []string) {
	for i := range groups {
		for j := range groups[i].Parts {
			groups[i].Parts[j].On = slices.Contains(ids, groups[i].Parts[j].Value)
		}
		mark(groups[i].Groups, ids)
	}
}
