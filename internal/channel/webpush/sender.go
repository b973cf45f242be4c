package webpush

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/push"
)

// SenderOptions are what a Sender needs. All but Ready, Subject, BaseURL, Log
// and Now must be given.
type SenderOptions struct {
	Client   Client
	Keys     func(ctx context.Context) ([]push.Key, error) // the current one first, then the retired ones
	Settings func(ctx context.Context) (config.Settings, error)
	// Subject answers how push services reach who runs this; nil: what the
	// settings say. See push.Subject.
	Subject func(s config.Settings) string
	Ready   Ready  // nil: nothing is prepared
	BaseURL string // this server's address as browsers reach it; for messages that must be made shorter
	Log     *slog.Logger
	Now     func() time.Time
}

// Sender sends messages to many devices at once. Its methods may be called from
// several goroutines at a time. It remembers of each push service whether it
// takes our key, and whether it asked to be left alone.
type Sender struct {
	o    SenderOptions
	seed maphash.Seed
	jobs sync.Pool // of *job

	mu       sync.RWMutex
	services map[string]*service // by origin
	signers  map[string]*signer  // by key id
	known    map[string]*service // by authority as endpoints have it; those that were found to be push hosts …
	allowed  string              // … with these hosts of the settings
}

// maxServices is how many push services are remembered. There are about ten;
// Windows has a name for each of its data centres.
const maxServices = 1000

// NewSender makes a Sender. It starts nothing by itself.
func NewSender(o SenderOptions) *Sender {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Subject == nil {
		o.Subject = func(s config.Settings) string { return s.PushSubject }
	}
	s := &Sender{o: o, seed: maphash.MakeSeed(), services: map[string]*service{}, signers: map[string]*signer{}, known: map[string]*service{}}
	s.jobs.New = func() any {
		j := &job{}
		j.request.Done = j.answered
		return j
	}
	return s
}

// terms are what holds for all messages of one call.
type terms struct {
	subject string
	hosts   []string
	allowed string // hosts as one text
	signers map[string]*signer
	off     bool
}

func (s *Sender) terms(ctx context.Context) (terms, error) {
	settings, err := s.o.Settings(ctx)
	if err != nil {
		return terms{}, fmt.Errorf("read settings: %w", err)
	}
	keys, err := s.o.Keys(ctx)
	if err != nil {
		return terms{}, fmt.Errorf("read server keys: %w", err)
	}
	t := terms{
		subject: s.o.Subject(settings), hosts: settings.PushHosts, allowed: strings.Join(settings.PushHosts, " "),
		signers: make(map[string]*signer, len(keys)), off: !settings.WebPush,
	}
	for _, k := range keys {
		if sign := s.signer(k); sign != nil {
			t.signers[k.ID] = sign
		}
	}
	if len(t.signers) == 0 {
		return terms{}, errors.New("there is no server key to send with")
	}
	return t, nil
}

// signer reads a key once; nil for one that is spoilt, which must not keep the
// others' devices from being told.
func (s *Sender) signer(k push.Key) *signer {
	s.mu.RLock()
	sign := s.signers[k.ID]
	s.mu.RUnlock()
	if sign != nil && sign.key.Private == k.Private {
		if sign.private == nil {
			return nil
		}
		return sign
	}
	sign, err := newSigner(k)
	if err != nil {
		s.o.Log.Error("server key cannot be used", "key_id", k.ID, "error", err)
		sign = &signer{key: k} // remembered, to be told once
	}
	s.mu.Lock()
	s.signers[k.ID] = sign
	s.mu.Unlock()
	if err != nil {
		return nil
	}
	return sign
}

// locate finds the service of an endpoint. A host that is not, or no longer, a
// push host is an error for people.
func (s *Sender) locate(endpoint string, t *terms, now time.Time) (*service, error) {
	authority, path := authorityOf(endpoint), pathOf(endpoint)
	if path != "" && len(endpoint) <= push.MaxEndpoint && printable(path) {
		s.mu.RLock()
		v := s.known[authority]
		same := s.allowed == t.allowed
		s.mu.RUnlock()
		if v != nil && same {
			return v, nil
		}
	}
	origin, err := push.CheckEndpoint(endpoint, t.hosts)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.allowed != t.allowed {
		s.allowed = t.allowed
		clear(s.known)
	}
	v := s.services[origin]
	if v == nil {
		if len(s.services) >= maxServices {
			s.forget(now)
		}
		v = newService(origin)
		v.used = now
		s.services[origin] = v
	}
	s.known[authority] = v
	return v, nil
}

// authorityOf is what stands between https:// and the path, empty for what is
// no endpoint.
func authorityOf(endpoint string) string {
	after, ok := strings.CutPrefix(endpoint, "https://")
	end := strings.IndexByte(after, '/')
	if !ok || end < 0 {
		return ""
	}
	return after[:end]
}

// pathOf is what follows the authority, empty for what is no endpoint.
func pathOf(endpoint string) string {
	a := authorityOf(endpoint)
	if a == "" {
		return ""
	}
	return endpoint[len("https://")+len(a):]
}

// forget makes room for another service.
func (s *Sender) forget(now time.Time) {
	clear(s.known)
	for origin, v := range s.services {
		if v.idle(now) {
			delete(s.services, origin)
		}
	}
	for origin := range s.services {
		if len(s.services) < maxServices {
			return
		}
		delete(s.services, origin)
	}
}

func printable(path string) bool {
	for i := range len(path) {
		if path[i] <= ' ' || path[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Warm opens connections to origins, so that the first messages need not wait
// for them. It returns when they stand, or could not be opened: what is wrong
// then, sending will tell. Origins that are no push services, and those that
// are to be left alone, are passed over.
func (s *Sender) Warm(ctx context.Context, origins []string) {
	t, err := s.terms(ctx)
	if err != nil || t.off {
		return
	}
	const atOnce = 16
	room := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for _, origin := range origins {
		now := s.o.Now()
		v, err := s.locate(origin+"/", &t, now)
		if err != nil || !v.state(now).Pause.IsZero() {
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			defer func() { <-room }()
			if err := s.o.Client.Warm(ctx, v.origin); err != nil {
				s.o.Log.Debug("push service not reached ahead", "origin", v.origin, "error", err)
			}
		})
	}
}

// ServiceState is what a push service does for us since this process began.
type ServiceState struct {
	push.ServiceFigures
	Breaker time.Time // it refuses our key and is left alone until then; zero: it does not
	Pause   time.Time // it asked to be left alone until then, or does not answer; zero: it did not
	Why     string    // of Breaker or Pause, for people, with the mend
}

// Services are the push services that messages were sent to, by their origin.
func (s *Sender) Services() []ServiceState {
	now := s.o.Now()
	var out []ServiceState
	for _, v := range s.all() {
		out = append(out, v.state(now))
	}
	return out
}

// DrainFigures answers what became of messages since it was last called, for
// the store to add to what it has; services without news are left out.
func (s *Sender) DrainFigures() []push.ServiceFigures {
	var out []push.ServiceFigures
	for _, v := range s.all() {
		v.mu.Lock()
		if v.fresh != (push.ServiceFigures{}) {
			v.fresh.Origin = v.origin
			out = append(out, v.fresh)
			v.fresh = push.ServiceFigures{}
		}
		v.mu.Unlock()
	}
	return out
}

func (s *Sender) all() []*service {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*service, 0, len(s.services))
	for _, v := range s.services {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *service) int { return strings.Compare(a.origin, b.origin) })
	return out
}
