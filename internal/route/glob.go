package route

import (
	"strings"
	"unicode/utf8"
)

// glob is a pattern in which * stands for any text and ? for one character.
// Case does not count.
type glob struct {
	pattern string // in lower case
	prefix  string // of the pattern, up to its first * or ?
	literal bool   // no * and no ?
}

func newGlob(pattern string) glob {
	g := glob{pattern: strings.ToLower(pattern)}
	g.prefix, g.literal = g.pattern, true
	if i := strings.IndexAny(g.pattern, "*?"); i >= 0 {
		g.prefix, g.literal = g.pattern[:i], false
	}
	return g
}

// fits compares with a text in lower case. It goes back only to the last *
// it met, so it takes at most len(pattern)·len(text) steps, whatever the
// pattern.
func (g *glob) fits(text string) bool {
	if g.literal {
		return g.pattern == text
	}
	if !strings.HasPrefix(text, g.prefix) { // most are decided here
		return false
	}
	p, t := len(g.prefix), len(g.prefix)
	star, mark := -1, 0 // the last * and the text it covers up to
	for t < len(text) {
		switch {
		case p < len(g.pattern) && g.pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(g.pattern) && g.pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(text[t:])
			p, t = p+1, t+n
		case p < len(g.pattern) && g.pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			_, n := utf8.DecodeRuneInString(text[mark:])
			mark += n
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(g.pattern[p:], "*") == ""
}

// Match says whether a rule's pattern fits a text: * stands for any text, ?
// for one character, and case does not count.
func Match(pattern, text string) bool {
	g := newGlob(pattern)
	return g.fits(strings.ToLower(text))
}
