// Package site makes web pages of the documentation, and finds words in it.
//
//	s, err := site.New(site.Options{Files: tocsin.Documents, API: openapi, Version: "v1.2.3"})
//	page, ok := s.Page("webpush")
//	found := s.Search("permission denied")
//	err = s.Write("/usr/share/doc/tocsin/html")
//	mux.Handle("/docs/", http.StripPrefix("/docs/", s))
//
// The pages are the project's Markdown. docs/README.md says which there are, in which
// sections and in which order: its links are the navigation. The reference of the API is
// made from the OpenAPI document as Markdown too, so that everything that is done with a
// page is done with it.
//
// Pages need no script, load nothing from elsewhere, and refer to each other by relative
// addresses: they work from a folder as they do from a hub. With JavaScript there are a
// search that answers while one types, buttons that copy, and a choice of colours.
//
// A page is read when it is first asked for. A Site is safe for use by several goroutines.
package site

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Options are what a site is made of.
type Options struct {
	// Files are README.md, ARCHITECTURE.md, CHANGELOG.md and docs with everything that
	// these refer to, by their paths in the project.
	Files fs.FS
	// API is the OpenAPI document; nil: there is no reference.
	API     []byte
	Version string
	// Home is where a link at the top of each page leads; empty: there is none.
	Home string
}

// Site is a documentation.
type Site struct {
	o        Options
	sections []Section
	order    []*Page          // as one reads them
	byPath   map[string]*Page // by the path of their Markdown
	byName   map[string]*Page

	index func() []passage
	made  struct {
		sync.Mutex
		files map[string][]byte
	}
}

// Section is a part of the navigation.
type Section struct {
	Title string
	Pages []*Page
}

// Page is one text.
type Page struct {
	Name  string // without its end: webpush, adr/0001-…; the first is index
	Path  string // of its Markdown in the project
	Short string // its name in the navigation
	About string // for whom it is, where docs/README.md says so, as plain text
	Under *Page  // the page whose part it is: decisions, the reference of the API
	Parts []*Page

	source []byte
	render func() *rendered
}

// index is the page that says which pages there are.
const indexPath = "docs/README.md"

// New reads the list of pages. It answers an error where the files have none; what is
// wrong within pages, Problems says.
func New(o Options) (*Site, error) {
	s := &Site{o: o, byPath: map[string]*Page{}, byName: map[string]*Page{}}
	s.made.files = map[string][]byte{}
	s.index = sync.OnceValue(s.passages)
	front, err := s.add(indexPath, "Documentation")
	if err != nil {
		return nil, err
	}
	s.order = append(s.order, front)
	for _, list := range listed(front.source) {
		sec := Section{Title: list.title}
		for _, e := range list.entries {
			at := path.Join("docs", e.to)
			if s.byPath[at] != nil {
				continue
			}
			p, err := s.add(at, e.text)
			if err != nil {
				continue // Problems names the link
			}
			p.About = e.about
			sec.Pages, s.order = append(sec.Pages, p), append(s.order, p)
			if err := s.parts(p); err != nil {
				return nil, err
			}
		}
		s.sections = append(s.sections, sec)
	}
	if len(s.order) < 2 {
		return nil, fmt.Errorf("read the list of pages: %s names none", indexPath)
	}
	return s, nil
}

// parts adds the pages that are part of one.
func (s *Site) parts(p *Page) error {
	add := func(part *Page) {
		part.Under = p
		p.Parts, s.order = append(p.Parts, part), append(s.order, part)
	}
	switch {
	case p.Path == "docs/api.md" && s.o.API != nil:
		pages, err := reference(s.o.API)
		if err != nil {
			return err
		}
		for _, r := range pages {
			part := s.page("docs/"+r.name+".md", r.short, r.markdown)
			part.About = r.about
			add(part)
		}
	case p.Path != indexPath && path.Base(p.Path) == "README.md" && strings.HasPrefix(p.Path, "docs/"):
		for _, list := range listed(p.source) {
			for _, e := range list.entries {
				at := path.Join(path.Dir(p.Path), e.to)
				if s.byPath[at] != nil || path.Dir(at) != path.Dir(p.Path) {
					continue
				}
				if part, err := s.add(at, strings.TrimSpace(e.text+" "+e.about)); err == nil {
					add(part)
				}
			}
		}
	}
	return nil
}

// add makes a page of a file.
func (s *Site) add(at, short string) (*Page, error) {
	source, err := fs.ReadFile(s.o.Files, at)
	if err != nil {
		return nil, fmt.Errorf("read a page: %w", err)
	}
	return s.page(at, short, source), nil
}

func (s *Site) page(at, short string, source []byte) *Page {
	p := &Page{Name: nameOf(at), Path: at, Short: short, source: source}
	p.render = sync.OnceValue(func() *rendered { return s.draw(p) })
	s.byPath[at], s.byName[p.Name] = p, p
	return p
}

// nameOf is the name of the page of a file.
func nameOf(at string) string {
	switch name := strings.TrimSuffix(at, ".md"); {
	case at == "README.md":
		return "about"
	case !strings.HasPrefix(name, "docs/"):
		return strings.ToLower(name)
	case path.Base(name) == "README":
		return strings.TrimPrefix(path.Join(strings.TrimPrefix(path.Dir(name), "docs"), "index"), "/")
	default:
		return strings.TrimPrefix(name, "docs/")
	}
}

// Sections are the navigation.
func (s *Site) Sections() []Section { return s.sections }

// Pages are all pages in the order in which they are read.
func (s *Site) Pages() []*Page { return s.order }

// Page finds a page by what somebody calls it: its name, with or without .md or .html,
// its path in the project, or the beginning of its name where only one begins so.
func (s *Site) Page(called string) (*Page, bool) {
	if called == "" {
		return nil, false
	}
	name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(called, "./"), ".md"), ".html")
	for _, n := range []string{name, strings.ToLower(name), strings.TrimPrefix(name, "docs/"), path.Join(name, "index")} {
		if p := s.byName[n]; p != nil {
			return p, true
		}
	}
	if p := s.byPath[strings.TrimPrefix(called, "/")]; p != nil {
		return p, true
	}
	var found []*Page
	for _, p := range s.order {
		if name != "" && (strings.HasPrefix(p.Name, name) || strings.HasPrefix(path.Base(p.Name), name)) {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return nil, false
}

// Like are names of pages that somebody may have meant.
func (s *Site) Like(called string) []string {
	var out []string
	for _, p := range s.order {
		if part := strings.ToLower(called); len(part) > 2 && (strings.Contains(p.Name, part) || strings.Contains(strings.ToLower(p.Short), part)) {
			out = append(out, p.Name)
		}
	}
	return out[:min(len(out), 8)]
}

// Title is the page's first heading.
func (p *Page) Title() string { return p.render().title }

// Markdown is the page's source.
func (p *Page) Markdown() []byte { return slices.Clone(p.source) }

// file is the page's name as a file.
func (p *Page) file() string { return p.Name + ".html" }

// Problems are links that lead nowhere, pages that no list names, and what is written in a
// way that the site does not show. It reads all pages.
func (s *Site) Problems() []string {
	var out []string
	for _, p := range s.order {
		out = append(out, p.render().problems...)
		for _, l := range p.render().inner {
			if to := s.byPath[l.to]; l.anchor != "" && !to.render().ids[l.anchor] {
				out = append(out, fmt.Sprintf("%s links to #%s of %s, and there is no such heading", p.Path, l.anchor, l.to))
			}
		}
	}
	_ = fs.WalkDir(s.o.Files, "docs", func(at string, _ fs.DirEntry, err error) error {
		if err == nil && path.Ext(at) == ".md" && s.byPath[at] == nil {
			out = append(out, at+" is in no list: docs/README.md, or the README.md of its folder, must name it")
		}
		return err
	})
	return out
}
