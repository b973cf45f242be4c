package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tocsin/internal/mail"
)

// deliver brings one letter over a connection. stale says that the connection had
// ended before anything of the letter was taken.
func (n *line) deliver(ctx context.Context, set *mail.Settings, l mail.Letter, within time.Duration, now time.Time) (r mail.Result, stale bool) {
	m, err := compose(set, &l, now)
	if err != nil {
		return mail.Result{Verdict: mail.Failed, Detail: "it cannot be written as a letter: " + said(err)}, false
	}
	deadline := time.Now().Add(within)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := n.conn.SetDeadline(deadline); err != nil {
		n.broken = true
		return lost(err), true
	}
	// A context that ends is heard at once, whatever the server is doing.
	defer context.AfterFunc(ctx, func() { _ = n.conn.SetDeadline(time.Unix(1, 0)) })()
	n.used++
	if err := n.client.Mail(set.From); err != nil {
		return n.refused(err, "sender")
	}
	if err := n.client.Rcpt(l.To); err != nil {
		r, _ := n.refused(err, "recipient")
		return r, false
	}
	w, err := n.client.Data()
	if err != nil {
		r, _ := n.refused(err, "data")
		return r, false
	}
	if _, err := m.WriteTo(w); err != nil {
		n.broken = true // in the middle of a letter: only the end of the connection ends it
		return lost(err), false
	}
	n.heard.reset()
	if err := w.Close(); err != nil {
		return n.unfinished(err), false
	}
	return mail.Result{Verdict: mail.Sent, Code: 250}, false
}

// unfinished says what became of a letter that the server had all of. An answer
// that broke off after its number is an answer; without one nobody can know.
func (n *line) unfinished(err error) mail.Result {
	if answer := (*textproto.Error)(nil); errors.As(err, &answer) {
		r, _ := n.refused(err, "data")
		return r
	}
	n.broken = true
	if n.heard.yes() {
		return mail.Result{Verdict: mail.Sent, Code: 250}
	}
	r := lost(err)
	r.Maybe = true
	return r
}

// heard is what a server said first since it was last asked to be noted.
type heard struct {
	from  io.Reader
	first []byte
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if room := codeLength - len(h.first); room > 0 {
		h.first = append(h.first, p[:min(n, room)]...)
	}
	return n, err //nolint:wrapcheck // a reader's own
}

func (h *heard) reset() { h.first = h.first[:0] }

// codeLength is a number and what stands behind it.
const codeLength = 4

// yes says whether it began with a number that takes a letter.
func (h *heard) yes() bool {
	return len(h.first) == codeLength && string(h.first[:3]) == "250" && (h.first[3] == ' ' || h.first[3] == '-')
}

func lost(err error) mail.Result {
	return mail.Result{Verdict: mail.Later, Detail: "the connection to the mail server broke: " + said(err)}
}

// refused says what an answer of the server means, and makes the connection ready
// for the next letter.
func (n *line) refused(err error, step string) (r mail.Result, stale bool) {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		n.broken = true
		if step == "sender" {
			return mail.Result{Verdict: mail.Down, Detail: "the connection to the mail server broke: " + said(err)}, true
		}
		return lost(err), false
	}
	r = mail.Result{Code: answer.Code, Detail: fmt.Sprintf("the mail server answers %d %s", answer.Code, redacted(answer.Msg))}
	switch {
	case answer.Code == 421: // it closes
		n.broken = true
		r.Verdict = mail.Down
		return r, step == "sender" && n.used > 1
	case step == "sender":
		r.Verdict = mail.Down
		r.Detail += " to the sender's address"
	case answer.Code < 500:
		r.Verdict = mail.Later
	case step == "recipient" && nobody(answer):
		r.Verdict = mail.Refused
	default:
		r.Verdict = mail.Failed
	}
	if n.client.Reset() != nil {
		n.broken = true
	}
	return r, false
}

var enhanced = regexp.MustCompile(`^5\.(\d{1,3})\.(\d{1,3})\b`)

// nobody says whether a final answer to a recipient is about the address: then it
// is never written to again. Whatever may be about us (policy, relaying, signing
// in, too large) or passes (a full mailbox) costs no subscriber its place.
func nobody(answer *textproto.Error) bool {
	if m := enhanced.FindStringSubmatch(strings.TrimSpace(answer.Msg)); m != nil {
		// RFC 3463: 1 is the address, 2.0 and 2.1 a mailbox that is disabled.
		return m[1] == "1" && m[2] != "7" && m[2] != "8" || m[1] == "2" && (m[2] == "1" || m[2] == "0")
	}
	text := strings.ToLower(answer.Msg)
	for _, ours := range []string{"relay", "denied", "block", "spam", "policy", "authent", "quota", "full", "size", "blacklist", "denylist"} {
		if strings.Contains(text, ours) {
			return false
		}
	}
	return answer.Code == 550 || answer.Code == 551 || answer.Code == 553
}

var addresses = regexp.MustCompile(`\S*@\S*`)

// redacted is what a server said, in one line and without anybody's address: it is
// kept longer than the address may be.
func redacted(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = addresses.ReplaceAllString(text, "…")
	const most = 200
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}

func said(err error) string { return redacted(err.Error()) }

func contains(text, part string) bool { return strings.Contains(text, part) }

// compose writes a letter down: both parts, and the headers that tell machines
// that no person wrote it and how it is ended (RFC 2369, 3834, 8058).
func compose(set *mail.Settings, l *mail.Letter, now time.Time) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	m.FromMailAddress(&netmail.Address{Name: set.FromName, Address: set.From})
	if err := m.To(l.To); err != nil {
		return nil, errors.New("the recipient's address cannot be written")
	}
	if set.ReplyTo != "" {
		if err := m.ReplyTo(set.ReplyTo); err != nil {
			return nil, fmt.Errorf("address for answers: %w", err)
		}
	}
	m.Subject(oneLine(l.Subject))
	if !l.Date.IsZero() {
		now = l.Date
	}
	m.SetDateWithValue(now)
	domain := set.From[strings.LastIndexByte(set.From, '@')+1:]
	if l.Host != "" {
		domain = oneLine(l.Host)
	}
	if l.ID != "" {
		m.SetMessageIDWithValue(oneLine(l.ID) + "@" + domain)
	}
	if l.Thread != "" {
		root := "<" + oneLine(l.Thread) + "@" + domain + ">"
		m.SetGenHeader("References", root)
		m.SetGenHeader("In-Reply-To", root) // some go by this one alone
	}
	if l.Language != "" {
		m.SetGenHeader("Content-Language", oneLine(l.Language))
	}
	if l.Urgent {
		m.SetImportance(gomail.ImportanceHigh)
	}
	for name, value := range l.Marks {
		if strings.HasPrefix(name, markPrefix) {
			m.SetGenHeader(gomail.Header(oneLine(name)), oneLine(value))
		}
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	if u := l.Unsubscribe; u != "" {
		m.SetGenHeaderPreformatted(gomail.HeaderListUnsubscribe, "<"+oneLine(u)+">")
		if strings.HasPrefix(u, "https://") {
			m.SetListUnsubscribePost()
		}
	}
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	}
	return m, nil
}

// markPrefix begins the names of headers for filters.
const markPrefix = "X-Tocsin-"

// oneLine keeps a text from beginning a header of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
