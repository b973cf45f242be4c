package wire

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxReason     = 300            // characters of a Response's Reason
	maxRetryAfter = 24 * time.Hour // what is longer counts as this
)

func contentType(r *Request) string {
	if r.ContentType == "" {
		return "application/octet-stream"
	}
	return r.ContentType
}

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// parseRetryAfter reads seconds or a date, and answers 0 for anything else and
// for what is past.
func parseRetryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 64 {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return maxRetryAfter
		}
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// textual says whether a body of that type is for people or made of JSON.
func textual(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "" || strings.HasPrefix(kind, "text/") || kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// printable is the beginning of a body in one line that is safe to show.
func printable(body []byte) string {
	var out strings.Builder
	space := false
	for n := 0; len(body) > 0 && n < maxReason; {
		r, size := utf8.DecodeRune(body)
		body = body[size:]
		switch {
		case unicode.IsSpace(r):
			space = out.Len() > 0
			continue
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			continue
		}
		if space {
			space = false
			out.WriteByte(' ')
			if n++; n == maxReason {
				break
			}
		}
		out.WriteRune(r)
		n++
	}
	return out.String()
}
