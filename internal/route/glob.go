package route

import (
	"strings"
	"unicode/utf8"
)

// glob is a pattern in which * stands for any text and ? for one character.
// Case does not count.
type glob struct {
	pattern string // in lower case
	literal bool   // no * and no ?
}

func newGlob(pattern string) glob {
	return glob{strings.ToLower(pattern), !strings.ContainsAny(pattern, "*?")}
}

// fits compares with a text in lower case. It goes back only to the last *
// it met, so it takes at most len(pattern)·len(text) steps, whatever the
// pattern.
func (g glob) fits(text string) bool {
	if g.literal {
		return g.pattern == text
	}
	p, t := 0, 0
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
	return newGlob(pattern).fits(strings.ToLower(text))
}
