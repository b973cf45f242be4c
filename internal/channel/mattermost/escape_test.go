package mattermost_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/channel/mattermost"
)

// What Mattermost's Markdown reacts to, written from its rules (its fork of
// marked, its text formatting, and what its webhooks do for Slack's texts), to be
// looked for in what escape made. An escaped character is taken out first: it is
// shown, and means nothing.
var (
	escapedChar = regexp.MustCompile("\\\\([\\\\`*{}\\[\\]()#+\\-.!_>~|])")
	means       = map[string]*regexp.Regexp{
		"a backslash that would be seen": regexp.MustCompile(`\\`),
		"a mention":                      regexp.MustCompile(`@[\pL\pN._-]`),
		"bold, italics, struck, code":    regexp.MustCompile("[*_`~]"),
		"a link or a picture":            regexp.MustCompile(`[\[\]]`),
		"a table":                        regexp.MustCompile(`\|`),
		"a hashtag or a heading":         regexp.MustCompile(`#`),
		"a quote":                        regexp.MustCompile(`>`),
		"a list":                         regexp.MustCompile(`(?m)^ *(?:[-+]|\d+[.)])(?: |$)`),
		"a rule or a heading below":      regexp.MustCompile(`(?m)^ *(?:-+|=+)$`),
		"code by blanks":                 regexp.MustCompile(`(?m)^(?: {4}|\t)`),
		"a link by itself":               regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*:(?://|[a-zA-Z0-9])|[wW]{3}\d{0,3}[.]`),
		"an emoji":                       regexp.MustCompile(`:(?:\d{3,}|\d*[a-zA-Z_+-][a-zA-Z0-9_+-]*):`),
		"Slack's commands and links":     regexp.MustCompile(`<[!@#a-zA-Z]`),
		"a character by its number":      regexp.MustCompile(`&[#a-zA-Z0-9]`),
		"a formula":                      regexp.MustCompile(`\$\$`),
		"what is not seen":               regexp.MustCompile("[\\x00-\\x09\\x0b-\\x1f\\x7f\u202a-\u202e\u2066-\u2069\u2424]"),
		"a gap between paragraphs":       regexp.MustCompile(`\n\n\n`),
	}
)

func check(t *testing.T, s string) {
	t.Helper()
	out := mattermost.Escape(s)
	if !utf8.ValidString(out) {
		t.Fatalf("%q became %q, which is not UTF-8", s, out)
	}
	// What is left of an escape is a letter that no rule knows.
	rest := escapedChar.ReplaceAllString(out, "\uE000")
	for what, r := range means {
		if found := r.FindString(rest); found != "" {
			t.Fatalf("%q became %q, in which %q is %s", s, out, found, what)
		}
	}
	// Nothing is lost but blanks and what is not seen.
	if got, want := shown(escapedChar.ReplaceAllString(out, "$1")), shown(s); got != want {
		t.Fatalf("%q is shown as %q", want, got)
	}
	if inline := mattermost.EscapeInline(s); strings.Contains(inline, "\n") {
		t.Fatalf("%q became lines: %q", s, inline)
	}
	if p := mattermost.Plain(s); means["a mention"].MatchString(p) || strings.ContainsAny(p, "\n\r") {
		t.Fatalf("%q became %q", s, p)
	}
}

var unseen = regexp.MustCompile("[\\s\\x00-\\x1f\\x7f-\\x9f\\p{Z}\u200b\u2060\ufeff\u00ad\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2424]+")

func shown(s string) string { return unseen.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "") }

// hostile is what check output may have in it.
var hostile = []string{
	"@channel", "@here", "@all", "@jane", "user@example.com", "<!channel>", "<!here>", "<@U123>", "<http://evil.example.com|click>", "&#64;channel", "&commat;all",
	"**bold**", "_italic_", "`code`", "```\ncode\n```", "~~gone~~", "~town-square", "#hashtag", "# heading", "> quote", "- item", "+ item", "* item", "1. one", "2) two",
	"| a | b |\n|---|---|\n| 1 | 2 |", "a\n===", "a\n---", "    code", "\tcode", "[x](http://evil.example.com)", "![x](http://evil.example.com/p.png)", "[ref]: http://x",
	"http://example.com/a_b", "https://x", "ftp://x", "mailto:a@b.c", "tel:123", "www.example.com", "WWW2.example.com", ":smile:", ":+1:", ":100:", "x:100:y", "12:30:45", "8:08ball:1",
	"\\@channel", "\\*", "\\\\", "C:\\dir\\new", "$$x$$", "$5 and $6", "a\r\nb\rc\u2028d\u2424- e", "\u202eevil", "@\u200bchannel", "@\u00adall", "\x00\x1b[31m", "\xff\xfe@all",
	"\n\n\n\n", " ", "", ":", "@", "-", "+", "=", "1.", "…", "🔥", "👨‍👩‍👧", "|", "<", "&", "a:b", "disk_free=3%;;;", "PING OK - Packet loss = 0%, RTA = 0.80 ms|rta=0.8ms;;;0",
}

func TestWhatChecksSayMeansNothingToMattermost(t *testing.T) {
	for _, s := range hostile {
		check(t, s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		var b strings.Builder
		for range random.IntN(12) + 1 {
			switch random.IntN(3) {
			case 0:
				b.WriteString(hostile[random.IntN(len(hostile))])
			case 1:
				b.WriteByte("@#*_`~[]()<>|\\:&-+=.!$1 a\n"[random.IntN(26)])
			default:
				b.WriteRune(rune(random.IntN(0x3000)))
			}
		}
		check(t, b.String())
	}
}

func TestWhatIsHarmlessStaysAsItIs(t *testing.T) {
	for in, want := range map[string]string{
		"DISK CRITICAL - free space: / 120 MB (3%)": "DISK CRITICAL - free space: / 120 MB (3%)",
		"at 12:30:45 (load 0.5, 1.2)":               "at 12:30:45 (load 0.5, 1.2)",
		"a\n\n\n\nb":                                "a\n\nb",
		"costs $5":                                  "costs $5",
	} {
		if got := mattermost.Escape(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(check)
}
