// Package page is the public status page: made once for each change and language,
// kept as bytes, and served from memory.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/page.css
var style string

// Renderer makes pages. It is safe for use by several goroutines at once.
type Renderer struct {
	languages words.Languages
	text      Text
	page      *template.Template
}

// NewRenderer reads templates and languages; an error is a defect of this program.
func NewRenderer(text Text) (*Renderer, error) {
	languages, err := words.Load()
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"style":   func() template.CSS { return template.CSS(style) }, //nolint:gosec // ours
		"shape":   shape,
		"part":    func(v view, part any) pair { return pair{v, part} },
		"asOf":    asOf,
		"between": between,
	}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read templates of the page: %w", err)
	}
	return &Renderer{languages: languages, text: text, page: t}, nil
}

// pair is a part of the page together with the page.
type pair struct {
	Page view
	Part any
}

// asOf is the sentence that says from when the page is, its time marked up.
func asOf(v view) template.HTML {
	return marked(v.W.T("as_of", "time", "\x00"), v.AsOf)
}

func between(v view, i incident) template.HTML {
	s := v.W.T("from_to", "from", "\x00", "to", "\x01")
	return template.HTML(bytes.ReplaceAll([]byte(marked(s, i.From)), []byte("\x01"), []byte(tag(i.To)))) //nolint:gosec // made of escaped parts
}

func marked(s string, m moment) template.HTML {
	return template.HTML(bytes.ReplaceAll([]byte(template.HTMLEscapeString(s)), []byte("\uFFFD"), []byte(tag(m)))) //nolint:gosec // made of escaped parts
}

func tag(m moment) string {
	return `<time datetime="` + template.HTMLEscapeString(m.At) + `">` + template.HTMLEscapeString(m.Shown) + `</time>`
}

// shape is a state's own shape, so that colour is never all there is.
func shape(class string) template.HTML {
	paths := map[string]string{
		"ok":    `<circle cx="12" cy="12" r="11"/><path d="M6.5 12.5l3.8 3.8 7.4-8" stroke="var(--bg)" stroke-width="2.6" fill="none"/>`,
		"maint": `<rect x="1" y="1" width="22" height="22" rx="4"/><path d="M7 12h10" stroke="var(--bg)" stroke-width="3"/>`,
		"degr":  `<path d="M12 1l11 11-11 11L1 12z"/><path d="M12 7v6m0 2.5v2" stroke="var(--bg)" stroke-width="2.6"/>`,
		"part":  `<path d="M12 1.5l11.4 20.5H.6z"/><path d="M12 9v6m0 2v2.4" stroke="var(--bg)" stroke-width="2.4"/>`,
		"major": `<path d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z"/><path d="M8 8l8 8m0-8l-8 8" stroke="var(--bg)" stroke-width="2.6"/>`,
		"none":  `<circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2.4"/>`,
	}
	return template.HTML(`<svg viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">` + paths[class] + `</svg>`) //nolint:gosec // ours
}

// Languages are those that pages can be made in.
func (r *Renderer) Languages() words.Languages { return r.languages }

// Page makes a page in a language. base is its address without a slash at its
// end, "" for the main page; stale says that the snapshot could not be renewed.
func (r *Renderer) Page(s status.Snapshot, language *words.Language, zone *time.Location, base string, stale bool) ([]byte, error) {
	m := &maker{s: s, w: language, zone: zone, text: r.text, base: base}
	var b bytes.Buffer
	if err := r.page.ExecuteTemplate(&b, "page", m.make(r.languages, stale)); err != nil {
		return nil, fmt.Errorf("make page %s: %w", s.Page.Slug, err)
	}
	return b.Bytes(), nil
}
