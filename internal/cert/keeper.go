package cert

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
)

// LetsEncrypt is the CA unless another is named.
const LetsEncrypt = acme.LetsEncryptURL

// Options say for which names certificates are got, and where.
type Options struct {
	// Names answers the host names that get certificates, our own first. Asked
	// often, so it must be cheap; nil answers none.
	Names func() []string
	Node  string
	// Directory is the CA's address; empty: LetsEncrypt. Email is told to it, if
	// not empty. Roots are who may sign the CA's own certificate; nil: the system's.
	Directory string
	Email     string
	Roots     *x509.CertPool
	// HTTP says that port 80 is answered by Door.
	HTTP bool
	// Dir is a folder for copies, for a start without the database; empty: none.
	Dir string
	// Pauses are the pauses after the first, the second … failure, the last for all
	// after it; nil: Pauses.
	Pauses []time.Duration
	Log    *slog.Logger
	Now    func() time.Time
}

// Pauses keep well below what CAs take: Let's Encrypt lets five authorizations of a
// name fail in an hour, and here it are four at most.
func Pauses() []time.Duration {
	return []time.Duration{30 * time.Second, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour}
}

// mostNames is for how many names certificates are got: each is an order every two
// months, and CAs count.
const mostNames = 100

// Keeper gets certificates by ACME, keeps them in a Store, and renews them.
type Keeper struct {
	o     Options
	http  *http.Client
	wake  chan struct{}
	seats chan struct{} // for who asks for challenges

	certs atomic.Pointer[map[string]*tls.Certificate] // by name

	mu      sync.Mutex
	store   Store
	account crypto.Signer
	states  []State
	chains  map[string]string // what is in certs, by name
	broken  string            // the last that was wrong with the store
}

// NewKeeper makes a keeper. Copies that are in Options.Dir are there at once.
func NewKeeper(o Options) (*Keeper, error) {
	if o.Directory == "" {
		o.Directory = LetsEncrypt
	}
	if o.Pauses == nil {
		o.Pauses = Pauses()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Names == nil {
		return nil, errors.New("certificates for no names")
	}
	k := &Keeper{o: o, wake: make(chan struct{}, 1), seats: make(chan struct{}, 8), chains: map[string]string{}}
	k.http = &http.Client{
		Timeout: callWithin,
		Transport: &bounded{&http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second, MaxIdleConns: 2, ForceAttemptHTTP2: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.certs.Store(&map[string]*tls.Certificate{})
	k.hold(k.copies())
	return k, nil
}

// Use gives it the store, once that is open, and reads what is there.
func (k *Keeper) Use(ctx context.Context, store Store) {
	k.mu.Lock()
	k.store = store
	k.mu.Unlock()
	k.read(ctx, store)
}

// Recall takes the copies on disk once more, when more names are known and the
// database is not there yet.
func (k *Keeper) Recall() { k.hold(k.copies()) }

// Wake has it look at once: names may have changed, or another node has ordered.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

const (
	readEvery = 5 * time.Second // what other nodes got is in force after that
	// settled is how long what woke it gets to be known everywhere: a page's host name
	// is the site's first.
	settled = 300 * time.Millisecond
	// renewAt is how much of its life a certificate has left when it is renewed.
	renewAt = 1.0 / 3
)

// Run orders what is missing and renews what ends, one after the other.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-k.wake:
			pause := time.NewTimer(settled)
			select {
			case <-ctx.Done():
				pause.Stop()
			case <-pause.C:
			}
		}
	}
}

// round looks once at all names.
func (k *Keeper) round(ctx context.Context) {
	k.mu.Lock()
	store := k.store
	k.mu.Unlock()
	if store == nil {
		return
	}
	kept, ok := k.read(ctx, store)
	if !ok {
		return
	}
	for _, name := range k.names() {
		if ctx.Err() != nil {
			return
		}
		at := slices.IndexFunc(kept, func(c Kept) bool { return c.Name == name })
		have := Kept{Name: name}
		if at >= 0 {
			have = kept[at]
		}
		now := k.o.Now()
		if now.Before(have.Next) || !have.Asked && !now.After(renewal(have)) {
			continue
		}
		taken, err := store.TakeCertificate(ctx, name, k.o.Node, now, now.Add(leaseFor))
		if err != nil || !taken {
			continue // said by the next reading; or another node is at it
		}
		k.try(ctx, store, have)
	}
	k.read(ctx, store)
}

// try orders one certificate, and keeps it or what went wrong.
func (k *Keeper) try(ctx context.Context, store Store, have Kept) {
	way := byTLS
	if k.o.HTTP && have.Tries%2 == 1 {
		way = byHTTP
	}
	got, err := k.order(ctx, store, have.Name, way)
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err == nil {
		if err = store.SaveCertificate(done, got); err == nil {
			k.o.Log.Info("a certificate came", "name", got.Name, "until", got.Until)
			return
		}
	}
	if ctx.Err() != nil { // we stop: no failure of its own, another node or start goes on
		have.Next = time.Time{}
		_ = store.NoteCertificate(done, have)
		return
	}
	now := k.o.Now()
	problem, mend, wait := explain(err, have.Name, k.o.Directory, way)
	pause := k.o.Pauses[min(have.Tries, len(k.o.Pauses)-1)]
	pause += time.Duration(rand.Int64N(int64(pause/10) + 1)) // many installations do not come in one second
	have.Tries++
	have.Next, have.Problem, have.Mend, have.ProblemAt = now.Add(max(pause, min(wait, 7*24*time.Hour))), problem, mend, now
	k.o.Log.Error("no certificate", "name", have.Name, "error", err, "mend", mend, "tried_again", have.Next)
	if err := store.NoteCertificate(done, have); err != nil {
		k.o.Log.Error("the failure of a certificate cannot be kept", "name", have.Name, "error", err)
	}
}

// renewal is from when on a certificate is to be renewed; zero for none.
func renewal(k Kept) time.Time {
	if k.Chain == "" || k.Until.IsZero() {
		return time.Time{}
	}
	life := k.Until.Sub(k.Since)
	return k.Until.Add(-time.Duration(float64(life) * renewAt))
}

// names are who gets certificates, each once.
func (k *Keeper) names() []string {
	var out []string
	for _, n := range k.o.Names() {
		if n = Name(n); n != "" && !slices.Contains(out, n) && len(out) < mostNames {
			out = append(out, n)
		}
	}
	return out
}

// read takes what the store has into memory.
func (k *Keeper) read(ctx context.Context, store Store) ([]Kept, bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	kept, err := store.Certificates(ctx)
	k.mu.Lock()
	told := k.broken
	k.broken = ""
	if err != nil {
		k.broken = err.Error()
	}
	k.mu.Unlock()
	if err != nil {
		if told == "" && !errors.Is(err, context.Canceled) {
			k.o.Log.Warn("certificates cannot be read", "error", err)
		}
		return nil, false
	}
	k.hold(kept)
	k.tidy()
	return kept, true
}

// hold puts certificates where handshakes find them, of the names that there are,
// and says how each is.
func (k *Keeper) hold(kept []Kept) {
	names := k.names()
	states := make([]State, 0, len(names))
	k.mu.Lock()
	defer k.mu.Unlock()
	certs, changed := maps.Clone(*k.certs.Load()), false
	for _, name := range names {
		s := State{Name: name, Hosts: []string{name}}
		if i := slices.IndexFunc(kept, func(c Kept) bool { return c.Name == name }); i >= 0 {
			c := kept[i]
			s.Since, s.Until = c.Since, c.Until
			s.Problem, s.Mend, s.ProblemAt, s.Next, s.Tries = c.Problem, c.Mend, c.ProblemAt, c.Next, c.Tries
			if c.Chain != "" && c.Chain != k.chains[name] {
				if pair, err := c.pair(); err == nil {
					certs[name], k.chains[name], changed = pair, c.Chain, true
					k.copy(c)
				} else {
					s.Problem, s.Mend = clip(err.Error())+".", "tocsin certificate renew "+name+" orders a new one."
				}
			}
		}
		states = append(states, s)
	}
	for name := range certs { // a page that gave its host name up
		if !slices.Contains(names, name) && len(kept) > 0 {
			delete(certs, name)
			delete(k.chains, name)
			changed = true
		}
	}
	k.states = states
	if changed {
		k.certs.Store(&certs)
	}
}

// States says how each certificate is, ours first.
func (k *Keeper) States() []State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.states)
}

// Certificate finds the certificate for a handshake in memory; a challenge of the
// CA's, for one of our names, by the store. Who names no host gets our own.
func (k *Keeper) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := Name(hello.ServerName)
	if slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return k.challenge(hello.Context(), name)
	}
	certs := *k.certs.Load()
	if hello.ServerName == "" {
		if names := k.o.Names(); len(names) > 0 {
			name = Name(names[0])
		}
	}
	if c := certs[name]; c != nil {
		return c, nil
	}
	return nil, ErrUnknownName
}

// challenge is what the CA looks at by tls-alpn-01.
func (k *Keeper) challenge(ctx context.Context, name string) (*tls.Certificate, error) {
	if !slices.Contains(k.names(), name) {
		return nil, ErrUnknownName
	}
	var c *tls.Certificate
	err := k.ask(ctx, func(ctx context.Context, store Store) error {
		ch, err := store.ChallengeByName(ctx, name, k.o.Now())
		if err != nil {
			return err
		}
		client, err := k.client(ctx, store)
		if err != nil {
			return err
		}
		made, err := client.TLSALPN01ChallengeCert(ch.Token, name)
		c = &made
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("answer the CA's challenge for %s: %w", name, err)
	}
	return c, nil
}

// ask asks the store for few at once: anybody may.
func (k *Keeper) ask(ctx context.Context, f func(context.Context, Store) error) error {
	k.mu.Lock()
	store := k.store
	k.mu.Unlock()
	if store == nil {
		return errors.New("the database is away")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	select {
	case k.seats <- struct{}{}:
		defer func() { <-k.seats }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return f(ctx, store)
}

// token says whether text can be one: RFC 8555, 8.3 has them in base64url.
func token(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return text != "" && len(text) <= 200 && strings.Trim(text, letters) == ""
}
