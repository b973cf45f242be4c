package transfer

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// clip cuts a text to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	r := []rune(s)
	return string(r[:most-1]) + "…"
}

// clean leaves out what no text of ours may hold: control characters, those that
// turn the direction of writing, and what is not UTF-8.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, s))
}

// oneLine is a cleaned text in one line, cut to so many characters.
func oneLine(s string, most int) string {
	s = s[:min(len(s), 10*most)]
	return clip(strings.Join(strings.Fields(clean(html.UnescapeString(tag.ReplaceAllString(s, " ")))), " "), most)
}

var (
	tag    = regexp.MustCompile(`<[a-zA-Z/!][^<>]*>`)
	anchor = regexp.MustCompile(`(?is)<a\s[^<>]*?href\s*=\s*["']?([^"'\s<>]+)["']?[^<>]*>(.*?)</a\s*>`)
	breaks = regexp.MustCompile(`(?i)<br\s*/?>`)
	blocks = regexp.MustCompile(`(?i)</?(p|div|ul|ol|h[1-6]|blockquote|table|tr)(\s[^<>]*)?>`)
	items  = regexp.MustCompile(`(?i)<li(\s[^<>]*)?>`)
	strong = regexp.MustCompile(`(?i)</?(b|strong)>`)
	weak   = regexp.MustCompile(`(?i)</?(i|em)>`)
	hidden = regexp.MustCompile(`(?is)<(script|style)[\s>].*?</(script|style)\s*>`)
	many   = regexp.MustCompile(`\n{3,}`)
)

// body is a text for people as Markdown: HTML in it becomes the Markdown that says
// the same, or goes.
func body(s string, most int) string {
	s = clean(s[:min(len(s), 8*most)])
	if strings.Contains(s, "<") {
		s = hidden.ReplaceAllString(s, "")
		s = anchor.ReplaceAllStringFunc(s, func(a string) string {
			m := anchor.FindStringSubmatch(a)
			words := strings.TrimSpace(tag.ReplaceAllString(m[2], ""))
			to := html.UnescapeString(m[1])
			if u, err := url.Parse(to); err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "mailto" || words == "" {
				return words
			}
			return "[" + words + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(to) + ")"
		})
		s = breaks.ReplaceAllString(s, "\n")
		s = blocks.ReplaceAllString(s, "\n\n")
		s = items.ReplaceAllString(s, "\n- ")
		s = strong.ReplaceAllString(s, "**")
		s = weak.ReplaceAllString(s, "*")
		s = tag.ReplaceAllString(s, "")
	}
	if strings.Contains(s, "&") {
		s = clean(html.UnescapeString(s))
	}
	return clip(strings.TrimSpace(many.ReplaceAllString(s, "\n\n")), most)
}

// web is an address that visitors can be led to, else nothing.
func web(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(s) > 2000 || clean(u.String()) != u.String() {
		return ""
	}
	return u.String()
}

// Slug makes part of an address of a name, "status" of one that has nothing to
// make it of.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == 'ä' || r == 'ö' || r == 'ü':
			b.WriteString(map[rune]string{'ä': "ae", 'ö': "oe", 'ü': "ue"}[r])
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 50 {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "status"
}

// when is a time as others write it: with an offset, without one (then in the
// zone that is given), or as seconds since 1970. Whatever else it is, it is none.
type when struct {
	text    string
	seconds int64
}

// UnmarshalJSON never fails: a time that cannot be read is none.
func (w *when) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		w.text = strings.TrimSpace(s)
	} else if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n > 0 {
		w.seconds = n
	}
	return nil
}

func (w when) in(zone *time.Location) time.Time {
	if w.seconds > 0 && w.seconds < 4_000_000_000 {
		return time.Unix(w.seconds, 0).UTC()
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
		"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.ParseInLocation(form, w.text, zone); err == nil && t.Year() > 1970 && t.Year() < 2200 {
			return ms(t)
		}
	}
	return time.Time{}
}

// name is an id, which others write as a number or as a text.
type name string

// UnmarshalJSON never fails: whatever is no id is none.
func (n *name) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*n = name(clip(strings.TrimSpace(s), 200))
		return nil
	}
	if i, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*n = name(strconv.FormatInt(i, 10))
	}
	return nil
}

// number is a whole number, which others write as a number, a text or a truth.
type number int

// UnmarshalJSON never fails: whatever is no number is 0.
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e9 && f < 1e9 {
		*n = number(f)
	} else if s == "true" {
		*n = 1
	}
	return nil
}

// text is a text; whatever else it is, it is none.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// list is a list of things; whatever else it is, it is empty, and what cannot be
// read of it is left out.
type list[T any] []T

// UnmarshalJSON never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	_ = json.Unmarshal(b, &raw) // of no list, nothing is taken
	for i, r := range raw {
		if i == mostEntries {
			break
		}
		var v T
		if string(r) != "null" && json.Unmarshal(r, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// notes are what to tell who imports, each once.
type notes struct {
	list []string
	seen map[string]bool
}

func (n *notes) add(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	const most = 200
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	if n.seen[s] || len(n.list) > most {
		return
	}
	n.seen[s] = true
	if len(n.list) == most {
		s = "There is more of this kind, which is not listed."
	}
	n.list = append(n.list, s)
}
