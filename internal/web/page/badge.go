package page

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// badge is a small picture that says how something is, for other sites and
// README files: a name, and its state by shape, word and colour.
func badge(name string, s status.State, w *words.Language) []byte {
	const most = 40
	if utf8.RuneCountInString(name) > most {
		name = string([]rune(name)[:most-1]) + "…"
	}
	word, c := w.State(s), class(s)
	left, right := width(name)+16, width(word)+32
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="22" role="img" aria-label="%s: %s">`, left+right, html.EscapeString(name), html.EscapeString(word))
	fmt.Fprintf(&b, `<title>%s: %s</title>`, html.EscapeString(name), html.EscapeString(word))
	fmt.Fprintf(&b, `<rect width="%d" height="22" rx="4" fill="#2f3642"/>`, left+right)
	fmt.Fprintf(&b, `<path d="M%d 0h%da4 4 0 0 1 4 4v14a4 4 0 0 1-4 4H%dz" fill="%s"/>`, left, right-4, left, inks[c])
	fmt.Fprintf(&b, `<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11"><text x="8" y="15" textLength="%d">%s</text>`, width(name), html.EscapeString(name))
	fmt.Fprintf(&b, `<text x="%d" y="15" textLength="%d">%s</text></g>`, left+24, width(word), html.EscapeString(word))
	fmt.Fprintf(&b, `<svg x="%d" y="5" width="12" height="12" viewBox="0 0 24 24" fill="#fff">%s</svg></svg>`, left+7, drawn(c, inks[c], "#fff"))
	return []byte(b.String())
}

// width is about how wide a text is at 11 pixels; the letters are then set to
// that, whatever font there is.
func width(s string) int {
	w := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfI.,:;|' !", r):
			w += 4
		case strings.ContainsRune("mwMW%@", r):
			w += 10.5
		case r >= 'A' && r <= 'Z':
			w += 7.8
		case r > 0x2e80:
			w += 11
		default:
			w += 6.8
		}
	}
	return int(w + 0.5)
}

// shown answers the name and state of a component or a group that visitors see.
func shown(groups []status.GroupView, id string) (name string, s status.State, ok bool) {
	for i := range groups {
		g := &groups[i]
		if g.ID == id && id != "" {
			return g.Name, g.State, true
		}
		for j := range g.Components {
			if c := &g.Components[j]; c.ID == id {
				return c.Name, c.Shown, true
			}
		}
		if name, s, ok = shown(g.Groups, id); ok {
			return name, s, true
		}
	}
	return "", "", false
}
