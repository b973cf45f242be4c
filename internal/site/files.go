package site

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed assets
var assets embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

var templates = sync.OnceValues(func() (*template.Template, error) {
	return template.ParseFS(templateFiles, "templates/*.html")
})

const (
	searchFile = "search.html"
	indexFile  = "search-index.js"
)

// Names are all files of the site, by their paths from its beginning. It reads all pages.
func (s *Site) Names() []string {
	names := map[string]bool{searchFile: true, indexFile: true}
	for _, p := range s.order {
		names[p.file()] = true
		for _, f := range p.render().files {
			names[fileName(f)] = true
		}
	}
	found, err := fs.ReadDir(assets, "assets")
	if err != nil {
		panic(fmt.Sprintf("list embedded files: %v", err)) // part of the binary
	}
	for _, f := range found {
		names["assets/"+f.Name()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// File answers one file of the site, fs.ErrNotExist if there is none of that name.
func (s *Site) File(name string) ([]byte, error) {
	s.made.Lock()
	body, ok := s.made.files[name]
	s.made.Unlock()
	if ok {
		return body, nil
	}
	body, keep, err := s.file(name)
	if err == nil && keep {
		s.made.Lock()
		s.made.files[name] = body
		s.made.Unlock()
	}
	return body, err
}

// file makes a file; what only has to be read is not kept.
func (s *Site) file(name string) (body []byte, keep bool, err error) {
	if p := s.byName[strings.TrimSuffix(name, ".html")]; p != nil && path.Ext(name) == ".html" {
		body, err := s.whole(p)
		return body, true, err
	}
	switch {
	case !fs.ValidPath(name):
		return nil, false, fs.ErrNotExist
	case name == searchFile:
		body, err := s.searchPage("")
		return body, true, err
	case name == indexFile:
		body, err := s.script()
		return body, true, err
	case strings.HasPrefix(name, "assets/"):
		body, err := assets.ReadFile(name)
		return body, false, err //nolint:wrapcheck // not there, if anything
	case strings.HasPrefix(name, "deploy/"):
		body, err := s.read(name)
		return body, false, err
	case path.Ext(name) == ".md":
		return nil, false, fs.ErrNotExist
	}
	body, err = s.read(path.Join("docs", name))
	return body, false, err
}

// read answers a file of the project as it is; a folder is none.
func (s *Site) read(name string) ([]byte, error) {
	if info, err := fs.Stat(s.o.Files, name); err != nil || info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return fs.ReadFile(s.o.Files, name) //nolint:wrapcheck // not there, if anything
}

// view is what the pages' frame shows.
type view struct {
	Title    string
	Up       string // leads to the site's beginning
	Name     string
	Sections []navSection
	Body     template.HTML
	Contents []heading
	Trail    []navLink
	Back, On *navLink
	Version  string
	Home     string
	Query    string
	Hits     []Hit
	All      []navSection // for the page that lists everything
	Missing  bool
}

type navSection struct {
	Title string
	Links []navLink
}

type navLink struct {
	To, Text, About string
	Current         bool // it is this page
	Open            bool // this page is one of its parts
	Parts           []navLink
}

func (s *Site) frame(p *Page, name string) view {
	v := view{Name: name, Version: s.o.Version, Home: s.o.Home, Up: strings.Repeat("../", strings.Count(name, "/"))}
	to := func(q *Page) navLink {
		return navLink{To: v.Up + q.file(), Text: q.Short, About: q.About, Current: q == p}
	}
	for _, sec := range s.sections {
		n := navSection{Title: sec.Title}
		for _, q := range sec.Pages {
			l := to(q)
			if p != nil && (q == p || p.Under == q) {
				l.Open = p.Under == q
				for _, part := range q.Parts {
					l.Parts = append(l.Parts, to(part))
				}
			}
			n.Links = append(n.Links, l)
		}
		v.Sections = append(v.Sections, n)
	}
	return v
}

// whole is a page with its frame.
func (s *Site) whole(p *Page) ([]byte, error) {
	d := p.render()
	v := s.frame(p, p.Name)
	v.Title, v.Body, v.Contents = d.title, d.html, d.contents
	if len(v.Contents) < 2 {
		v.Contents = nil
	}
	link := func(q *Page) *navLink { return &navLink{To: v.Up + q.file(), Text: q.Short} }
	if p.Under != nil {
		v.Trail = append(v.Trail, *link(p.Under))
	}
	i := slices.Index(s.order, p)
	if i > 0 {
		v.Back = link(s.order[i-1])
	}
	if i+1 < len(s.order) {
		v.On = link(s.order[i+1])
	}
	return execute("page", v)
}

// searchPage has what was found, or all that there is.
func (s *Site) searchPage(words string) ([]byte, error) {
	v := s.frame(nil, strings.TrimSuffix(searchFile, ".html"))
	v.Title, v.Query = "Search", words
	if words != "" {
		v.Hits = s.Search(words)
	}
	for _, sec := range s.sections {
		n := navSection{Title: sec.Title}
		for _, p := range sec.Pages {
			for _, q := range append([]*Page{p}, p.Parts...) {
				l := navLink{To: q.file(), Text: q.Short, About: q.About}
				if q.Under == nil {
					for _, h := range q.render().contents {
						l.Parts = append(l.Parts, navLink{To: q.file() + "#" + h.ID, Text: h.Text})
					}
				}
				n.Links = append(n.Links, l)
			}
		}
		v.All = append(v.All, n)
	}
	return execute("search", v)
}

// missing is the page for an address that has none.
func (s *Site) missing(name string) ([]byte, error) {
	v := s.frame(nil, name)
	v.Title, v.Missing = "There is no such page", true
	return execute("search", v)
}

func execute(name string, v view) ([]byte, error) {
	all, err := templates()
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	var b bytes.Buffer
	if err := all.ExecuteTemplate(&b, name, v); err != nil {
		return nil, fmt.Errorf("draw the page: %w", err)
	}
	return b.Bytes(), nil
}

// script is what the search in the browser reads. It is a script, because a page that was
// opened from a folder may not read other files.
func (s *Site) script() ([]byte, error) {
	type one struct {
		To    string `json:"u"`
		Page  string `json:"p"`
		Title string `json:"t"`
		Head  string `json:"h,omitempty"`
		Text  string `json:"x,omitempty"`
		Part  bool   `json:"d,omitempty"`
	}
	var all []one
	for _, x := range s.index() {
		to := Hit{Page: x.page, ID: x.id}.URL()
		all = append(all, one{to, x.page.Short, x.page.Title(), x.heading, x.text, x.page.Under != nil})
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("write the index: %w", err)
	}
	return append(append([]byte("window.tocsinIndex="), raw...), ";\n"...), nil
}
