// Package page is the public status page: made once for each change and language,
// kept as bytes, and served from memory.
//
//	site, err := page.NewSite(store, markdown.New(), page.Options{BaseURL: …, Dir: …})
//	go site.Run(ctx)          // makes anew what changed; Wake makes it look at once
//	if !site.Handle(w, r) {…} // false: none of ours
//
// A Renderer makes one page of a Snapshot. A pageSet is one page of the store in
// all its forms, each made when it is first asked for. The gate of private pages
// is in Handle, before anything else is looked at.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/page.css
var style string

//go:embed assets/chart.css
var chartStyle string

//go:embed assets/embed.css
var embedStyle string

// Renderer makes pages. It is safe for use by several goroutines at once.
type Renderer struct {
	languages words.Languages
	text      Text
	t         *template.Template
}

// NewRenderer reads templates and languages; an error is a defect of this program.
func NewRenderer(text Text) (*Renderer, error) {
	languages, err := words.Load()
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"style":      func() template.CSS { return template.CSS(style) },      //nolint:gosec // ours
		"embedded":   func() template.CSS { return template.CSS(embedStyle) }, //nolint:gosec // ours
		"chartstyle": func() template.CSS { return template.CSS(chartStyle) }, //nolint:gosec // ours
		"columns":    columns,
		"asset":      func(name string) string { return assets().url(name) },
		"shape":      shape,
		"part":       func(page, part any) pair { return pair{page, part} },
		"sentence":   sentence,
		"stamp":      stamp,
		"link":       link,
		"slot":       func(name string) template.HTML { return `<span data-slot="` + escaped(name) + `"></span>` },
	}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read templates of the page: %w", err)
	}
	return &Renderer{languages: languages, text: text, t: t}, nil
}

// pair is a part of a page together with the page.
type pair struct{ Page, Part any }

// sentence is a text of a language with marked-up values at its names.
func sentence(w *words.Language, key string, pairs ...any) (template.HTML, error) {
	values := map[string]template.HTML{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		value, marked := pairs[i+1].(template.HTML)
		if !ok || !marked {
			return "", fmt.Errorf("sentence %s: value %d is not marked up", key, i)
		}
		values[name] = value
	}
	var b strings.Builder
	for _, p := range w.Parts(key) {
		if p.Name == "" {
			b.WriteString(template.HTMLEscapeString(p.Text))
		} else {
			b.WriteString(string(values[p.Name]))
		}
	}
	return template.HTML(b.String()), nil //nolint:gosec // escaped above
}

func escaped(s string) template.HTML {
	return template.HTML(template.HTMLEscapeString(s)) //nolint:gosec // escaped
}

// stamp marks a time up, so that a script can show it in the visitor's zone.
func stamp(m moment, name string) template.HTML {
	mark := template.HTML("")
	if name != "" {
		mark = " data-" + escaped(name)
	}
	return `<time datetime="` + escaped(m.At) + `"` + mark + `>` + escaped(m.Shown) + `</time>`
}

// link marks an address of ours up.
func link(url string) template.HTML {
	return `<a href="` + escaped(url) + `">` + escaped(url) + `</a>`
}

// shapes are the states' own, so that colour is never all there is.
var shapes = map[string]string{
	"ok":    `<circle cx="12" cy="12" r="11"/><path d="M6.5 12.5l3.8 3.8 7.4-8" stroke="%[1]s" stroke-width="2.6" fill="none"/>`,
	"maint": `<rect x="1" y="1" width="22" height="22" rx="4"/><path d="M7 12h10" stroke="%[1]s" stroke-width="3"/>`,
	"degr":  `<path d="M12 1l11 11-11 11L1 12z"/><path d="M12 7v6m0 2.5v2" stroke="%[1]s" stroke-width="2.6"/>`,
	"part":  `<path d="M12 1.5l11.4 20.5H.6z"/><path d="M12 9v6m0 2v2.4" stroke="%[1]s" stroke-width="2.4"/>`,
	"major": `<path d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z"/><path d="M8 8l8 8m0-8l-8 8" stroke="%[1]s" stroke-width="2.6"/>`,
	"none":  `<circle cx="12" cy="12" r="10" fill="none" stroke="%[2]s" stroke-width="2.4"/>`,
}

func drawn(class, mark, ink string) string {
	return fmt.Sprintf(shapes[class]+"%.0[1]s%.0[2]s", mark, ink)
}

// inline are the shapes within a page, in the colour of its text.
var inline = sync.OnceValue(func() map[string]template.HTML {
	out := map[string]template.HTML{}
	for class := range shapes {
		out[class] = template.HTML(`<svg viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">` + drawn(class, "var(--bg)", "currentColor") + `</svg>`) //nolint:gosec // ours
	}
	return out
})

func shape(class string) template.HTML { return inline()[class] }

// Languages are those that pages can be made in.
func (r *Renderer) Languages() words.Languages { return r.languages }

// Place is where a page stands, as its links need to know.
type Place struct {
	Base    string // of the page: "" or "/s/SLUG"
	Home    string // Base, and the language where the address names one
	URL     string // of the page, with its host
	Copy    string // of the live page, where this is a static copy of it
	Stale   bool   // the snapshot could not be renewed
	Private bool
	Ways    Ways // of subscribing, besides in the browser
}

// Page makes the page itself in a language.
func (r *Renderer) Page(s status.Snapshot, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	v := m.page()
	return r.executeInto(make([]byte, 0, weight(v.Groups)), "page", v)
}

// weight is about how many bytes a page with these groups has.
func weight(groups []group) int {
	n := 32 << 10
	for i := range groups {
		n += 1<<10 + len(groups[i].Components)
		for j := range groups[i].Groups {
			n += 1<<10 + len(groups[i].Groups[j].Components)
		}
	}
	return n
}

func (r *Renderer) maker(s status.Snapshot, language *words.Language, zone *time.Location, at Place) *maker {
	m := &maker{s: s, w: language, zone: zone, text: r.text, at: at, all: r.languages, names: map[string]string{}, under: 3}
	name(m.names, s.Groups)
	return m
}

func (r *Renderer) execute(name string, view any) ([]byte, error) {
	return r.executeInto(nil, name, view)
}

func (r *Renderer) executeInto(room []byte, name string, view any) ([]byte, error) {
	b := bytes.NewBuffer(room)
	if err := r.t.ExecuteTemplate(b, name, view); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return b.Bytes(), nil
}
