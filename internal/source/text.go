package source

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of texts. Names are counted in characters and a longer one is
// refused, because a cut name would be another object; the others are counted
// in bytes and cut.
const (
	MaxName    = 255      // characters of a host's, service's or contact's name
	MaxAuthor  = 255      // characters
	MaxOutput  = 8 << 10  // bytes
	MaxLong    = 64 << 10 // bytes
	MaxComment = 4 << 10  // bytes
	MaxURL     = 2000     // bytes
	MaxCallID  = 100      // characters
	MaxLabels  = 64
	MaxLabel   = 100  // characters of a label's name
	MaxValue   = 1000 // characters of a label's value
)

// Text makes s fit to be stored and shown: valid UTF-8, no control characters
// but newline and tab, none that turn the direction of writing, at most limit
// bytes, cut between two characters.
func Text(s string, limit int) (text string, cleaned, cut bool) {
	text, cleaned = clean(s, true)
	if len(text) > limit {
		return cutBytes(text, limit), cleaned, true
	}
	return text, cleaned, false
}

// Line is Text for one line, such as an author's name: newlines and tabs
// become spaces, and limit counts characters.
func Line(s string, limit int) (line string, cleaned, cut bool) {
	line, cleaned = clean(s, false)
	if len(line) <= limit {
		return line, cleaned, false
	}
	n := 0
	for i := range line {
		if n == limit {
			return line[:i], cleaned, true
		}
		n++
	}
	return line, cleaned, false
}

// clean answers s itself where nothing is wrong with it, which is nearly always.
func clean(s string, lines bool) (string, bool) {
	if tidy(s, lines) {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s { // an invalid byte ranges as U+FFFD
		switch {
		case r == '\n' || r == '\t':
			if !lines {
				r = ' '
			}
		case unicode.IsControl(r), turns(r):
			continue
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// turns says whether r embeds, overrides or isolates a direction of writing:
// with one of these "web01" can be made to look like another name. The plain
// marks U+200E and U+200F turn nothing, and right-to-left texts need them.
func turns(r rune) bool {
	return (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069)
}

// straight is s without the characters that turn.
func straight(s string) string {
	return strings.Map(func(r rune) rune {
		if turns(r) {
			return -1
		}
		return r
	}, s)
}

// tidy says whether s is valid UTF-8 without control characters and without
// those that turn the direction of writing; newline and tab are allowed where
// lines is set.
func tidy(s string, lines bool) bool {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			ascii = false
			continue
		}
		if (c < ' ' && (!lines || (c != '\n' && c != '\t'))) || c == 0x7f {
			return false
		}
	}
	if ascii {
		return true
	}
	if !utf8.ValidString(s) {
		return false
	}
	for i := 0; i+1 < len(s); i++ {
		switch s[i] {
		case 0xC2: // The C1 controls U+0080 to U+009F are 0xC2 and their own number.
			if s[i+1] <= 0x9F {
				return false
			}
		case 0xE2: // U+2000 to U+2FFF, of which some turn.
			if r, _ := utf8.DecodeRuneInString(s[i:]); turns(r) {
				return false
			}
		}
	}
	return true
}

func cutBytes(s string, limit int) string {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
