package site

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// passage is what stands below one heading.
type passage struct {
	page    *Page
	heading string // empty: what is above the first one
	id      string
	text    string
}

// Hit is a place where words were found.
type Hit struct {
	Page    *Page
	Heading string // empty: the page's beginning
	ID      string // of the heading
	Excerpt string
}

// URL is where the place is, from the beginning of the site.
func (h Hit) URL() string {
	if h.ID == "" {
		return h.Page.file()
	}
	return h.Page.file() + "#" + h.ID
}

// most is how many places a search answers.
const most = 30

// passages cuts a page at its headings.
func (d *drawing) passages(doc ast.Node) {
	now := passage{page: d.p}
	var text []string
	done := func() {
		now.text = strings.Join(text, " ")
		if now.text != "" || now.heading != "" {
			d.out.passages = append(d.out.passages, now)
		}
		text = nil
	}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			if said := plain(n, d.src); said != "" {
				text = append(text, said)
			}
			continue
		}
		if h.Level == 1 {
			continue // the page's own
		}
		done()
		at, _ := h.AttributeString("id")
		id, _ := at.(string)
		now = passage{page: d.p, heading: plain(h, d.src), id: id}
	}
	done()
}

func (s *Site) passages() []passage {
	var out []passage
	for _, p := range s.order {
		out = append(out, p.render().passages...)
	}
	return out
}

// Search answers the places that have all the words, the best first; where none has them
// all, those that have most of them. A word is found where a word begins with it.
func (s *Site) Search(words string) []Hit {
	terms := termsOf(words)
	if len(terms) == 0 {
		return nil
	}
	type found struct {
		passage
		has, weight int
	}
	var all []found
	best := 0
	for _, x := range s.index() {
		f := found{passage: x}
		heading, text := folded(x.heading), folded(x.text)
		title := folded(x.page.Short + " " + x.page.Title())
		for _, t := range terms {
			w := 10*min(occurs(heading, t), 2) + 4*min(occurs(title, t), 1) + min(occurs(text, t), 4)
			if x.heading == "" {
				w += 6 * min(occurs(title, t), 1)
			}
			if w > 0 {
				f.has++
			}
			f.weight += w
		}
		if len(terms) > 1 && strings.Contains(heading+" "+text, strings.Join(terms, " ")) {
			f.weight += 8
		}
		if x.page.Under != nil {
			f.weight /= 2 // decisions and single calls come after what explains
		}
		if f.has > 0 {
			all = append(all, f)
			best = max(best, f.has)
		}
	}
	all = slices.DeleteFunc(all, func(f found) bool { return f.has < best })
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.weight, a.weight) })
	var out []Hit
	for _, f := range all[:min(len(all), most)] {
		out = append(out, Hit{Page: f.page, Heading: f.heading, ID: f.id, Excerpt: excerpt(f.text, terms)})
	}
	return out
}

// termsOf are the words that are looked for, each once.
func termsOf(words string) []string {
	var out []string
	for _, t := range strings.Fields(folded(words)) {
		if !slices.Contains(out, t) && len(out) < 12 {
			out = append(out, t)
		}
	}
	return out
}

// folded is text for comparing: small letters, and a blank for all that is neither letter,
// digit nor one of the marks that names of settings and commands have.
func folded(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' || r == '.' || r == '/' {
			return unicode.ToLower(r)
		}
		return ' '
	}, text)
}

// occurs counts words in text that begin with a term, or have a part after _, -, . or / that
// does.
func occurs(text, term string) (n int) {
	for at := 0; ; {
		i := strings.Index(text[at:], term)
		if i < 0 {
			return n
		}
		at += i
		if at == 0 || strings.IndexByte(" _-./", text[at-1]) >= 0 {
			n++
		}
		at += len(term)
	}
}

// excerpt is some words around the first place where a term is.
func excerpt(text string, terms []string) string {
	const before, length = 60, 200
	runes := []rune(text)
	low := []rune(folded(text))
	begin := 0
	for _, t := range terms {
		if i := strings.Index(string(low), t); i >= 0 {
			begin = max(0, len([]rune(string(low)[:i]))-before)
			break
		}
	}
	for begin > 0 && runes[begin-1] != ' ' {
		begin--
	}
	end := min(len(runes), begin+length)
	for end < len(runes) && runes[end] != ' ' {
		end++
	}
	out := strings.TrimSpace(string(runes[begin:end]))
	if begin > 0 {
		out = "… " + out
	}
	if end < len(runes) {
		out += " …"
	}
	return out
}
