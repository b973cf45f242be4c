// Package cert has the certificates for https: it gets them from a CA by ACME
// (RFC 8555) and has them renewed, or reads them from files.
//
//	keeper, err := cert.NewKeeper(cert.Options{Directory: …, Names: …})
//	keeper.Use(store)              // once the database is open
//	go keeper.Run(ctx)
//	tls.NewListener(l, cert.Config(keeper))
//
// What is kept is the same on all nodes: any of them answers the CA's challenge,
// one orders at a time, and a pause after a failure is everybody's. A handshake
// never orders anything: it finds a certificate in memory or none, whatever name
// it asks for.
package cert

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// Holder has certificates: a Keeper or Files.
type Holder interface {
	// Certificate is for tls.Config.GetCertificate.
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Run keeps them fresh until ctx ends.
	Run(ctx context.Context) error
	// States says how each is, for people, by name.
	States() []State
}

// State is how one certificate is.
type State struct {
	Name  string // the host name; of Files the path of the certificate
	Hosts []string
	Since time.Time // it is valid from then; zero: there is none
	Until time.Time // to then

	Problem   string    // the last attempt's, one sentence; empty: it went well
	Mend      string    // what to do about it, one sentence
	ProblemAt time.Time // when it was met
	Next      time.Time // when it is tried again
	Tries     int       // that failed, one after the other
}

// Kept is what the database has of one name's certificate.
type Kept struct {
	Name  string // the host name, in small letters
	Chain string // PEM, ours first; empty: none yet
	Key   string // PEM, the private key: a secret
	Since time.Time
	Until time.Time
	Asked bool // a person wants a new one at once

	Tries     int
	Next      time.Time // not to be tried before; zero: at once
	Problem   string
	Mend      string
	ProblemAt time.Time
}

// Challenge is what the CA will ask for, by either of two ways.
type Challenge struct {
	Token   string // of the CA's making
	Name    string // the host name
	Answer  string // to http-01: the token and the account key's thumbprint
	Expires time.Time
}

// Store keeps certificates for all nodes.
type Store interface {
	// Certificates lists what is kept, keys included.
	Certificates(ctx context.Context) ([]Kept, error)
	// TakeCertificate gives the order of a name to one node, until a moment;
	// false where another has it, or the pause after a failure is not over.
	TakeCertificate(ctx context.Context, name, node string, now, until time.Time) (bool, error)
	// SaveCertificate keeps a new one, and gives the order back.
	SaveCertificate(ctx context.Context, k Kept) error
	// NoteCertificate keeps what went wrong (Tries, Next, Problem, Mend and
	// ProblemAt), and gives the order back.
	NoteCertificate(ctx context.Context, k Kept) error
	// ACMEAccount answers the key of the account at a CA, PEM. The first that is
	// given for a CA stays; an empty one only reads.
	ACMEAccount(ctx context.Context, directory, key string) (string, error)
	// SaveChallenge keeps a challenge until it expires or is dropped.
	SaveChallenge(ctx context.Context, c Challenge) error
	DropChallenge(ctx context.Context, token string) error
	// ChallengeByToken and ChallengeByName answer one that has not expired;
	// fault.ErrNotFound if there is none.
	ChallengeByToken(ctx context.Context, token string, now time.Time) (Challenge, error)
	ChallengeByName(ctx context.Context, name string, now time.Time) (Challenge, error)
}

// ErrUnknownName is the answer to a handshake for a name that there is no
// certificate for.
var ErrUnknownName = errors.New("no certificate for this name")

// Config is how a server speaks TLS with the certificates of h: HTTP/2 where the
// client has it, nothing before TLS 1.2.
func Config(h Holder) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: h.Certificate,
		NextProtos:     []string{"h2", "http/1.1", acme.ALPNProto},
	}
}

// Name makes a host name as it is kept, of what a client wrote, with or without
// a port; empty when it is none, or an address.
func Name(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > 253 {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return ""
		}
	}
	return host
}
