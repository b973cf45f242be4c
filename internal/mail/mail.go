// Package mail is e-mail before anything is sent: what is set of the mail
// server, what is an address, a letter, and what may become of one. Who sends is
// in channel/email, who writes whom is in the rooms that have something to say.
package mail

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/config"
)

// Security is how the connection to the mail server is kept private.
type Security string

// The ways. With StartTLS a server that does not offer it is sent nothing.
const (
	StartTLS Security = "starttls"
	TLS      Security = "tls"  // from the first byte
	Plain    Security = "none" // for a server on this machine or in this network
)

// Securities are all of them, the best known first.
func Securities() []Security { return []Security{StartTLS, TLS, Plain} }

// Settings say by which server mail is sent, and as whom.
type Settings struct {
	Enabled  bool     `json:"enabled"`
	Host     string   `json:"host"`
	Port     int      `json:"port"` // 0: that of Security
	Security Security `json:"security"`
	CA       string   `json:"ca,omitempty"`    // certificates besides the system's, PEM
	Hello    string   `json:"hello,omitempty"` // name of this machine in EHLO; empty: the system's
	Username string   `json:"username,omitempty"`
	Password string   `json:"-"` // kept apart; never shown
	From     string   `json:"from"`
	FromName string   `json:"from_name,omitempty"`
	ReplyTo  string   `json:"reply_to,omitempty"`
}

// PortOr is the port to dial: that of Security unless another one is set.
func (s *Settings) PortOr() int {
	switch {
	case s.Port != 0:
		return s.Port
	case s.Security == TLS:
		return 465
	case s.Security == Plain:
		return 25
	}
	return 587
}

// Server names where a password goes to: it may not travel to another one than
// it was given for, nor without the encryption that it was given for.
func (s *Settings) Server() string {
	return fmt.Sprintf("%s:%d/%s/%s/%s", strings.ToLower(s.Host), s.PortOr(), s.Security, s.Username, s.CA)
}

// Bounds of what is set.
const (
	maxName = 100
	maxCA   = 64 << 10
)

// Validate answers a *config.FieldError for the first field that will not do,
// nil if there is none. Settings that are switched off may be empty.
func (s *Settings) Validate() error {
	refuse := func(field, problem, mend string) error {
		return &config.FieldError{Field: field, Problem: problem, Mend: mend}
	}
	switch s.Security {
	case StartTLS, TLS, Plain:
	default:
		return refuse("security", "is not known", "take starttls, tls or none")
	}
	if s.Host == "" && s.Enabled {
		return refuse("host", "is empty", "write the mail server's name, for example mail.example.org")
	}
	if s.Host != "" && !host(s.Host) {
		return refuse("host", "is no name of a machine", "write a name like mail.example.org or an address, without port")
	}
	if s.Port < 0 || s.Port > 65535 {
		return refuse("port", fmt.Sprintf("is %d", s.Port), "take 1 to 65535, or 0 for the usual one")
	}
	if s.Hello != "" && !host(s.Hello) {
		return refuse("hello", "is no name of a machine", "write this machine's name, or leave it empty")
	}
	if s.CA != "" && (len(s.CA) > maxCA || !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA))) {
		return refuse("ca", "has no certificate in it", "paste certificates that begin with -----BEGIN CERTIFICATE-----")
	}
	if bad(s.Username, 200) {
		return refuse("username", "is too long or has control characters", "copy it once more")
	}
	if bad(s.Password, 500) {
		return refuse("password", "is too long or has control characters", "copy it once more")
	}
	if s.Password != "" && s.Username == "" {
		return refuse("username", "is empty, and there is a password", "give the user name, or remove the password")
	}
	if s.Username != "" && s.Password == "" && s.Enabled {
		return refuse("password", "is empty, and there is a user name", "give the password, or remove the user name")
	}
	if s.From == "" && s.Enabled {
		return refuse("from", "is empty", "write the address that mail comes from, for example status@example.org")
	}
	for _, f := range []struct{ field, address string }{{"from", s.From}, {"reply_to", s.ReplyTo}} {
		if f.address == "" {
			continue
		}
		if _, err := Address(f.address); err != nil {
			return refuse(f.field, err.Error(), "write an address like status@example.org")
		}
	}
	if bad(s.FromName, maxName) {
		return refuse("from_name", "is too long or has control characters", fmt.Sprintf("take at most %d characters", maxName))
	}
	return nil
}

func bad(s string, most int) bool {
	return !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, unicode.IsControl)
}

// host says whether s may be the name or the address of a machine.
func host(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == ""
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// MaxAddress is how many bytes an address may have (RFC 5321, 4.5.3.1.3).
const MaxAddress = 254

// Address answers an address as it is kept: without blanks around it, the domain
// in small letters. What has a name before it, quotes, a domain without a dot or
// an address of a machine in it is refused: no visitor has such a one, and two
// programs might read it in two ways.
func Address(text string) (string, error) {
	text = strings.TrimSpace(text)
	local, domain, ok := strings.Cut(text, "@")
	domain = strings.ToLower(domain)
	switch {
	case text == "":
		return "", fmt.Errorf("is empty")
	case !ok || local == "" || domain == "":
		return "", fmt.Errorf("is no e-mail address")
	case len(text) > MaxAddress || len(local) > 64:
		return "", fmt.Errorf("is longer than an e-mail address can be")
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "", fmt.Errorf("is no e-mail address")
	case strings.Trim(strings.ToLower(local), "abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-") != "":
		return "", fmt.Errorf("has a character that is not sent everywhere before its @")
	}
	if !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") || !host(domain) {
		return "", fmt.Errorf("has no name of a domain behind its @")
	}
	if _, err := netip.ParseAddr(domain); err == nil || strings.Trim(domain[strings.LastIndexByte(domain, '.')+1:], "0123456789") == "" {
		return "", fmt.Errorf("has no name of a domain behind its @")
	}
	return local + "@" + domain, nil
}

// Letter is one mail to one person, in plain text and in HTML.
type Letter struct {
	To      string
	Subject string
	Text    string
	HTML    string
	// ID is the same each time that the same letter is sent: what comes twice after
	// a crash can be told by it. It becomes the Message-ID, with our domain behind.
	ID string
	// Thread is the same for letters that belong together; empty: alone.
	Thread   string
	Language string // BCP 47
	// Unsubscribe is where a POST ends what the letter is part of (RFC 8058); empty:
	// it is part of nothing.
	Unsubscribe string
	Urgent      bool
	Date        time.Time // zero: now
	// Host is what stands behind the @ of ID and Thread; empty: the sender's domain.
	Host string
	// Marks are headers for filters, by their names, which begin with "X-Tocsin-".
	Marks map[string]string
}

// Verdict is what became of a letter.
type Verdict int

// The verdicts. Down is about the server and our settings: no letter gets
// through, so none of them is to blame.
const (
	Sent    Verdict = iota // taken by the server
	Refused                // there is no such address, says the server: never again
	Failed                 // this letter will not be taken; the address may be good
	Later                  // try again
	Down                   // nothing can be sent now
)

// String is its name in figures.
func (v Verdict) String() string {
	return [...]string{"sent", "refused", "failed", "later", "down"}[v]
}

// Result is a verdict with its reason.
type Result struct {
	Verdict Verdict
	Code    int    // the server's; 0: none
	Detail  string // for people; names no recipient
	// Maybe says of Later that the server had all of the letter and did not say
	// whether it took it: it may arrive all the same.
	Maybe bool
}
