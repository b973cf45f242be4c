package mattermost

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/channel"
)

// gap is a zero-width space. Where Mattermost knows no escape for a character, a
// gap behind it keeps what follows from being read together with it.
const gap = '\u200b'

// escape makes a text from outside show as it is written, wherever Mattermost
// reads Markdown: nobody is mentioned, nothing is set in bold or as a heading,
// no table, list or block of code begins, and no Slack command such as
// <!channel>, which incoming webhooks understand, takes effect. Lines stay
// lines, of blank ones at most one in a row. URLs are shown and lead nowhere.
func escape(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	blank := 1 // lines since the last that was not blank; none at the start
	for line := range strings.SplitSeq(printable(s), "\n") {
		line = strings.TrimRight(line, " ")
		if line == "" {
			blank++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if blank > 0 {
				b.WriteByte('\n')
			}
		}
		blank = 0
		escapeLine(&b, line)
	}
	return b.String()
}

// escapeInline is escape for what must stay in one line.
func escapeInline(s string) string {
	return escape(oneLine(s))
}

// plain makes a text safe where Mattermost reads no Markdown, but may look for
// people and for Slack's markup: the title of an attachment that has a link, and its
// fallback.
func plain(s string) string {
	return strings.NewReplacer("@", "@"+string(gap), "<", "<"+string(gap)).Replace(oneLine(s))
}

func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// printable takes out what is not seen but does something: control characters,
// those that turn the direction of writing, and gaps that are not ours.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r', r == '\u2028', r == '\u2029', r == '\v', r == '\f', r == '\u0085':
			return '\n'
		case r == '\u2424': // Mattermost's Markdown takes it for the end of a line
			return ' '
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case r == gap, r == '\u2060', r == '\ufeff', r == '\u00ad', r == '\u200e', r == '\u200f', r == '\u061c',
			r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, s)
}

// escapeLine writes one line that is not blank and has no other white space than
// blanks, none at its end.
func escapeLine(b *strings.Builder, line string) {
	text := strings.TrimLeft(line, " ")
	// Four blanks begin a block of code.
	b.WriteString(line[:min(len(line)-len(text), 2)])
	lineStart(b, &text)
	for i, r := range text {
		next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
		switch r {
		case '\\', '`', '*', '_', '~', '[', ']', '#', '>', '|':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '@', '<', '&':
			b.WriteRune(r)
			b.WriteRune(gap)
		case ':':
			b.WriteRune(r)
			if !clock(text[:i], text[i+1:]) && next != ' ' && next != utf8.RuneError {
				b.WriteRune(gap) // an emoji, or the scheme of an URL
			}
		case '.':
			// www.example.com becomes a link by itself.
			if strings.HasSuffix(strings.ToLower(strings.TrimRight(text[:i], "0123456789")), "www") {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		case '$':
			b.WriteRune(r)
			if next == '$' {
				b.WriteRune(gap)
			}
		default:
			b.WriteRune(r)
		}
	}
}

// lineStart writes what has a meaning only where a line begins, and takes it off
// the text: a list, a number of a list, a rule, a heading's underline.
func lineStart(b *strings.Builder, text *string) {
	t := *text
	switch t[0] {
	case '-', '+':
		b.WriteByte('\\')
		b.WriteByte(t[0])
		*text = t[1:]
		return
	case '=':
		b.WriteRune(gap)
		return
	}
	digits := len(t) - len(strings.TrimLeft(t, "0123456789"))
	if digits > 0 && digits < len(t) && (t[digits] == '.' || t[digits] == ')') {
		b.WriteString(t[:digits])
		b.WriteByte('\\')
		b.WriteByte(t[digits])
		*text = t[digits+1:]
	}
}

// clock says whether a colon between two texts is one of a time, 12:30:45. No
// emoji has a name of one or two digits, and no scheme of an URL begins with one.
func clock(before, after string) bool {
	left, right := strings.TrimRight(before, "0123456789"), strings.TrimLeft(after, "0123456789")
	l, r := len(before)-len(left), len(after)-len(right)
	if l == 0 || l > 2 || r == 0 || r > 2 {
		return false
	}
	return (left == "" || !nameByte(left[len(left)-1])) && (right == "" || !nameByte(right[0]))
}

// nameByte says whether a character may be part of a name of an emoji or a scheme.
func nameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == '+' || b == '-' || b == '.'
}

// escapeCut is escape of as much of s as fits into limit characters of Markdown,
// with an ellipsis where something is left out.
func escapeCut(s string, limit int) string {
	s = channel.Cut(s, limit)
	for keep := limit; keep > 0; {
		out := escape(s)
		n := utf8.RuneCountInString(out)
		if n <= limit {
			return out
		}
		keep = min(keep*limit/n, keep-1)
		s = channel.Cut(s, keep)
	}
	return ""
}
