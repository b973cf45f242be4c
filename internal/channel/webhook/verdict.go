package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"tocsin/internal/channel"
	"tocsin/internal/hook"
)

// Pauses: what a person must mend is tried at this pace; what passes by itself first
// soon, then ever more seldom.
const (
	untilMended  = 5 * time.Minute
	firstBackOff = 5 * time.Second
	mostBackOff  = 2 * time.Minute
)

// backOff is when a message comes again, by how often it was tried.
func backOff(attempt int) time.Duration {
	if attempt = max(attempt, 1); attempt > 6 {
		return mostBackOff
	}
	return min(firstBackOff<<(attempt-1), mostBackOff)
}

// verdict is what an answer means.
type verdict struct {
	err     error         // for the delivery worker
	problem string        // for people; empty: it went well
	pause   time.Duration // all messages to this webhook wait for so long; 0: it is about this one alone
	again   time.Duration // this message comes again; 0: it does not
}

func judge(h *hook.Hook, r Result, attempt int) verdict {
	host := hook.HostOf(h.URL)
	if r.Verdict == Sent {
		return verdict{err: channel.Accepted(fmt.Sprintf("accepted by %s, %d", host, r.Status))}
	}
	v := verdict{problem: host + ": " + r.Detail, again: backOff(attempt)}
	if r.Status != 0 {
		v.problem = fmt.Sprintf("%s answered %d", host, r.Status)
		if said := firstWords(h, r.Body); said != "" {
			v.problem += ": “" + said + "”"
		}
	}
	switch {
	case r.Status == 0 && r.After > 0: // its site lets us wait
		v.again, v.pause = r.After, r.After
	case r.Status == 0:
		v.pause = v.again
		if !r.Passing {
			v.again, v.pause = untilMended, untilMended
		}
	case r.Status == http.StatusTooManyRequests, r.Status == http.StatusServiceUnavailable:
		v.again = max(r.After, v.again)
		if r.After > 0 {
			v.again = r.After
		}
		v.pause = v.again
	case r.Status == http.StatusRequestTimeout, r.Status == http.StatusTooEarly:
	case r.Status/100 == 3:
		v.problem = fmt.Sprintf("%s leads elsewhere (%d), and redirects are not followed: enter the address that it leads to", host, r.Status)
		v.again, v.pause = untilMended, untilMended
	case r.Status/100 == 4:
		v.again = 0
		v.err = channel.Permanent(errors.New(v.problem))
		return v
	}
	v.err = channel.RetryAfter(errors.New(v.problem), v.again)
	return v
}

// words is how many characters of an answer are kept.
const words = 160

// firstWords are the beginning of what a receiver said, in one line, and without
// what only we and the receiver are to know: some repeat what they were sent.
func firstWords(h *hook.Hook, body []byte) string {
	s := strings.ToValidUTF8(string(body), "")
	if t := strings.TrimSpace(s); strings.HasPrefix(t, "<") {
		return "" // a page: its first words are none
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r): // turns the direction of writing, or is not seen
			return -1
		}
		return r
	}, s)
	for _, secret := range secrets(h) {
		s = strings.ReplaceAll(s, secret, "…")
	}
	return channel.Cut(strings.Join(strings.Fields(s), " "), words)
}

// secrets are the texts that must not be shown again: the token, the key, and of the
// address what is not its host.
func secrets(h *hook.Hook) []string {
	var out []string
	add := func(s string, least int) {
		if len(s) >= least {
			out = append(out, s)
		}
	}
	add(h.URL, 1)
	add(h.Token, 1)
	add(h.Secret, 1)
	if u, err := url.Parse(h.URL); err == nil {
		add(u.RequestURI(), 2)
		add(u.RawQuery, 1)
		for _, values := range u.Query() {
			for _, v := range values {
				add(v, 4)
			}
		}
		for part := range strings.SplitSeq(u.Path, "/") {
			add(part, 8)
		}
	}
	return out
}
