package mail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
)

// Bounce is what a mail server says became of a letter after it was taken: a
// delivery status notification (RFC 3464).
type Bounce struct {
	MessageID  string // of the letter, without the angle brackets
	Recipients []Bounced
}

// Bounced is what became of a letter to one recipient.
type Bounced struct {
	Address string // as the server calls it, which may be another one than was written to
	Action  Action
	Status  string // like 5.1.1, empty where none is said
	Words   string // of the server that did not take it, in one line
	By      string // which that is, empty where none is said
}

// Action is what a server has done with a letter, in RFC 3464's words.
type Action string

// The actions. Only ActionFailed is an end; ActionDelayed goes on.
const (
	ActionFailed    Action = "failed"
	ActionDelayed   Action = "delayed"
	ActionDelivered Action = "delivered"
	ActionRelayed   Action = "relayed"
	ActionExpanded  Action = "expanded"
)

// Says is for people what the server said, in at most maxSays bytes: servers write in
// all languages, and the store counts bytes.
func (b *Bounced) Says() string {
	s := b.Words
	if s == "" {
		s = "no reason is given"
	}
	if b.Status != "" && !strings.Contains(s, b.Status) {
		s = b.Status + " " + s
	}
	if b.By != "" {
		s = b.By + " says: " + s
	}
	if len(s) > maxSays {
		s = strings.ToValidUTF8(s[:maxSays-len("…")], "") + "…"
	}
	return s
}

// ErrNoBounce is about a letter that is no delivery status notification.
var ErrNoBounce = errors.New("this letter is no delivery status notification (multipart/report with report-type=delivery-status)")

// Bounds of a notification. The letter that comes back in it is one of ours, which is
// never as long.
const (
	MaxBounce     = 2 << 20 // bytes
	maxParts      = 10
	maxStatus     = 64 << 10 // bytes of the part for machines
	maxReturned   = 64 << 10 // of the letter that comes back: its headers are in them
	maxRecipients = 20
	maxSaid       = 300 // characters of a text
	maxMessageID  = 250
	maxSays       = 900 // bytes of all that is said of one
)

// ReadBounce reads a notification as a mail server hands it to a program, with or
// without a line "From " before it. It is ErrNoBounce for another letter; else the
// error says what is missing.
func ReadBounce(r io.Reader) (Bounce, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxBounce+1))
	if err != nil {
		return Bounce{}, fmt.Errorf("read the letter: %w", err)
	}
	if len(raw) > MaxBounce {
		return Bounce{}, fmt.Errorf("the letter is longer than %d MiB, which no notification is: %w", MaxBounce>>20, ErrNoBounce)
	}
	if bytes.HasPrefix(raw, []byte("From ")) { // an mbox's
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Bounce{}, fmt.Errorf("the letter has no readable headers: %w", ErrNoBounce)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || !strings.EqualFold(params["report-type"], "delivery-status") || params["boundary"] == "" {
		return Bounce{}, ErrNoBounce
	}
	var b Bounce
	parts := multipart.NewReader(m.Body, params["boundary"])
	for range maxParts {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Bounce{}, fmt.Errorf("the notification breaks off or is not put together well: %w", ErrNoBounce)
		}
		if err := b.part(p); err != nil {
			return Bounce{}, err
		}
	}
	switch {
	case len(b.Recipients) == 0:
		return Bounce{}, errors.New("the notification says of no recipient what became of the letter (message/delivery-status with Final-Recipient and Action)")
	case b.MessageID == "":
		return Bounce{}, errors.New("the notification does not say which letter it is about: have the mail server return its headers (message/rfc822 or text/rfc822-headers with a Message-ID)")
	}
	return b, nil
}

// part reads one part of a notification; those for people are passed over.
func (b *Bounce) part(p *multipart.Part) error {
	kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil {
		return nil //nolint:nilerr // a part for nobody
	}
	switch kind {
	case "message/delivery-status", "message/global-delivery-status":
		text, err := io.ReadAll(io.LimitReader(plain(p), maxStatus+1))
		if err != nil || len(text) > maxStatus {
			return fmt.Errorf("the part for machines cannot be read: %w", ErrNoBounce)
		}
		b.Recipients = append(b.Recipients, recipients(text)...)
		if len(b.Recipients) > maxRecipients {
			return fmt.Errorf("the notification is about more than %d recipients, and letters have one: %w", maxRecipients, ErrNoBounce)
		}
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		text, _ := io.ReadAll(io.LimitReader(plain(p), maxReturned))
		// Headers alone may end without the empty line that ends headers.
		returned, err := mail.ReadMessage(io.MultiReader(bytes.NewReader(text), strings.NewReader("\r\n\r\n")))
		if err == nil && b.MessageID == "" {
			b.MessageID = messageID(returned.Header.Get("Message-Id"))
		}
	}
	return nil
}

// plain is a part's content, decoded.
func plain(p *multipart.Part) io.Reader {
	switch strings.ToLower(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, p)
	case "quoted-printable":
		return quotedprintable.NewReader(p)
	}
	return p
}

// recipients reads message/delivery-status: groups of fields with empty lines
// between them, of which all that have a recipient are about one.
func recipients(text []byte) []Bounced {
	var out []Bounced
	fields := map[string]string{}
	reporter, last := "", ""
	end := func() {
		if by := typed(fields["reporting-mta"]); by != "" {
			reporter = by
		}
		r := Bounced{Action: Action(strings.ToLower(said(fields["action"]))), Status: status(fields["status"]), Words: typed(fields["diagnostic-code"]), By: typed(fields["remote-mta"])}
		if r.Address = typed(fields["final-recipient"]); r.Address == "" {
			r.Address = typed(fields["original-recipient"])
		}
		switch r.Action {
		case ActionFailed, ActionDelayed, ActionDelivered, ActionRelayed, ActionExpanded:
			if r.Address != "" {
				if r.By == "" {
					r.By = reporter
				}
				out = append(out, r)
			}
		}
		fields, last = map[string]string{}, ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(make([]byte, 0, 4096), maxStatus+1)
	for lines.Scan() && len(out) <= maxRecipients {
		line := strings.TrimRight(lines.Text(), "\r")
		switch {
		case strings.TrimSpace(line) == "":
			end()
		case (line[0] == ' ' || line[0] == '\t') && last != "":
			fields[last] += " " + strings.TrimSpace(line)
		default:
			name, value, ok := strings.Cut(line, ":")
			if name = strings.ToLower(strings.TrimSpace(name)); !ok || fields[name] != "" {
				last = ""
				continue // the first one counts
			}
			fields[name], last = strings.TrimSpace(value), name
		}
	}
	end()
	return out
}

// typed is what stands behind the type of a field: "smtp; 550 no", "rfc822; a@b".
func typed(value string) string {
	if _, rest, ok := strings.Cut(value, ";"); ok {
		value = rest
	}
	return said(value)
}

// said is a text of another server in one line that can be shown.
func said(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid]) + "…"
	}
	return text
}

// status is a code as in RFC 3463, without the comment that may follow; empty for
// anything else.
func status(text string) string {
	text, _, _ = strings.Cut(said(text), " ")
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("245", parts[0]) {
		return ""
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return ""
		}
	}
	return text
}

// messageID is what stands in the angle brackets; empty where nothing usable does.
func messageID(header string) string {
	id, ok := strings.CutPrefix(strings.TrimSpace(header), "<")
	id, closed := strings.CutSuffix(id, ">")
	local, host, at := strings.Cut(id, "@")
	if !ok || !closed || !at || local == "" || host == "" || len(id) > maxMessageID {
		return ""
	}
	for _, r := range id {
		if r <= ' ' || r >= 0x7f || r == '<' || r == '>' {
			return ""
		}
	}
	return id
}

// IDHost is what stands behind the @ of the Message-IDs of letters about alerts: the
// host of the base URL, an address in brackets (RFC 5321, 4.1.3).
func IDHost(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return "tocsin.invalid"
	}
	host := strings.ToLower(u.Hostname())
	switch ip := net.ParseIP(host); {
	case ip == nil:
		return host
	case ip.To4() == nil:
		return "[IPv6:" + host + "]"
	}
	return "[" + host + "]"
}
