package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// step is what was tried when the CA said no.
type step struct {
	what string
	err  error
}

func (s *step) Error() string { return s.what + ": " + s.err.Error() }
func (s *step) Unwrap() error { return s.err }

// explain says an order's error in two sentences, the second of them the mend, and
// for how long the CA wants to be left alone.
func explain(err error, name, directory, way string) (problem, mend string, wait time.Duration) {
	what := "get a certificate"
	if s, ok := errors.AsType[*step](err); ok {
		what = s.what
	}
	said, found := caSaid(err)
	if !found {
		problem, mend = unanswered(err, what, name, directory)
		return problem, mend, 0
	}
	wait, _ = acme.RateLimit(said)
	kind := said.ProblemType[strings.LastIndexByte(said.ProblemType, ':')+1:]
	problem = fmt.Sprintf("%s: could not %s; the CA says: %s.", name, what, clip(said.Detail))
	port := "443"
	if way == byHTTP {
		port = "80"
	}
	if kind == "malformed" && strings.Contains(said.Detail, "resolv") { // as Pebble says it
		kind = "dns"
	}
	switch kind {
	case "connection", "tls":
		mend = "Let port " + port + " of " + name + " lead here from the internet: its DNS, the firewall and a forwarding router; both 80 and 443 are tried."
	case "dns":
		mend = "Make a DNS record (A or AAAA) of " + name + " that leads here; if it has one of IPv6, that is tried first."
	case "unauthorized", "incorrectResponse":
		mend = "Another server answers as " + name + ": look where its DNS leads (IPv6, too), and whether a proxy or a CDN stands before this machine."
	case "caa":
		mend = "A CAA record of the domain does not allow this CA: add it there, or choose another CA by TOCSIN_ACME_DIRECTORY."
	case "rateLimited":
		mend = "The CA's limit is reached. It is tried again by itself; do not delete the database meanwhile, or the count begins anew."
	case "rejectedIdentifier", "unsupportedIdentifier":
		mend = "This CA gives no certificates for such a name: take a public one, or an internal CA by TOCSIN_ACME_DIRECTORY, or TOCSIN_TLS_CERT and TOCSIN_TLS_KEY."
	case "invalidContact", "unsupportedContact":
		mend = "Correct TOCSIN_ACME_EMAIL."
	case "externalAccountRequired":
		mend = "This CA wants accounts that are bound to one made elsewhere, which Tocsin does not do: choose another by TOCSIN_ACME_DIRECTORY, or get the certificate by another program and name it in TOCSIN_TLS_CERT."
	case "userActionRequired":
		mend = "The CA's terms have changed: read them, and accept them there."
	case "serverInternal":
		mend = "The CA has trouble of its own; it is tried again by itself."
	default:
		mend = "It is tried again by itself; docs/https.md has what a CA may say."
	}
	return problem, mend, wait
}

// caSaid finds the CA's own words.
func caSaid(err error) (*acme.Error, bool) {
	if z, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		for _, e := range z.Errors {
			if said, ok := errors.AsType[*acme.Error](e); ok {
				return said, true
			}
		}
	}
	if o, ok := errors.AsType[*acme.OrderError](err); ok && o.Problem != nil {
		return o.Problem, true
	}
	said, ok := errors.AsType[*acme.Error](err)
	return said, ok
}

// unanswered is for what no CA said.
func unanswered(err error, what, name, directory string) (problem, mend string) {
	if s, ok := errors.AsType[*step](err); ok {
		err = s.err // what was tried is said already
	}
	problem = fmt.Sprintf("%s: could not %s: %s.", name, what, clip(err.Error()))
	var unknown x509.UnknownAuthorityError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &unknown):
		mend = "The CA's own certificate is not known here: name its root certificate in TOCSIN_ACME_CA."
	case errors.As(err, &dns), errors.As(err, &op):
		mend = "Let this machine reach " + directory + ": its DNS, its way out (port 443), or TOCSIN_ACME_DIRECTORY."
	case errors.Is(err, context.DeadlineExceeded):
		mend = "The CA did not answer in time; it is tried again by itself."
	default:
		mend = "It is tried again by itself; docs/https.md has more."
	}
	return problem, mend
}

// clip keeps what a CA says short, and one line.
func clip(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.TrimRight(strings.TrimSpace(text), ".")
}
