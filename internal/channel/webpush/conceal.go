package webpush

import (
	"strings"
	"unicode/utf8"
)

const (
	// secretRun is from how many characters on a word of a request is a secret:
	// the parts of addresses that name a device are far longer.
	secretRun = 12
	// longestSaid is how many bytes of what went wrong are kept: what net/http
	// says of an answer that is none quotes all of it.
	longestSaid = 500
)

// conceal takes out of a text what could be of the request: services like to
// repeat the address that they were asked for, which is as good as a password.
func conceal(text string, secrets ...string) string {
	if len(text) > longestSaid {
		end := longestSaid
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	var out strings.Builder
	for rest := text; rest != ""; {
		n := 0
		for n < len(rest) && inToken(rest[n]) {
			n++
		}
		if n == 0 {
			out.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		run := rest[:n]
		rest = rest[n:]
		if secret(run, secrets) {
			run = "…"
		}
		out.WriteString(run)
	}
	return out.String()
}

func secret(run string, secrets []string) bool {
	if len(run) < secretRun {
		return false
	}
	for _, s := range secrets {
		if strings.Contains(s, run) {
			return true
		}
	}
	return false
}

// inToken says whether c is of the alphabet of base64url.
func inToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// quiet is an error with another text.
type quiet struct {
	error
	text string
}

func (q quiet) Error() string { return q.text }
func (q quiet) Unwrap() error { return q.error }
