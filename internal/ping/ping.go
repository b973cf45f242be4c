// Package ping tells an address outside that all is well, over and over: what is not
// told any more has somebody look who would else never hear of a hub that is dead. Well
// is a hub that takes, stores and tells: whoever is woken by it is to find the hub broken,
// and not a mail server that was away for a minute.
//
//	p := ping.New(ping.Options{Where: …, Health: …, Turn: …})
//	err := p.Run(ctx)
//
// The address is a secret: who has it can say in our name that all is well. It stands
// in no error and no log.
package ping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/guard"
	"tocsin/internal/guard/dial"
	"tocsin/internal/health"
)

// Options are what a Pinger needs.
type Options struct {
	// Where answers the address, empty for none, and how often it is told.
	Where  func(ctx context.Context) (address string, every time.Duration, err error)
	Health func(ctx context.Context) health.Report
	// Turn says whether it is this node's turn: of several one tells, and another one
	// when that has not for longer than lease.
	Turn    func(ctx context.Context, lease time.Duration) (bool, error)
	Private []netip.Prefix  // networks that may be called though they are not public
	Proxy   func() *url.URL // the outgoing proxy; nil, or answering nil: none
	Timeout time.Duration   // of one ping; 10 s
	First   time.Duration   // until the first one; 5 s, for all to have begun
	Again   time.Duration   // what is not well is looked at again after so long, before it is told; 30 s
	Agent   string
	Log     *slog.Logger
}

// mostWords is how many bytes of what is not well are told.
const mostWords = 4 << 10

// Pinger pings.
type Pinger struct {
	o      Options
	client *http.Client

	doubt bool // it was not well when it was last looked at; of Run alone

	mu sync.Mutex
	s  State
}

// State is how pinging goes on this node.
type State struct {
	Host     string    // of the address; empty: there is none
	Other    bool      // another node does it
	Last     time.Time // of the last answer
	Status   int       // of it, 0: none came
	Well     bool      // what was told
	Problem  string    // why it was not taken; empty: it was
	Failing  time.Time // since when it is not; zero: it is
	LastOK   time.Time
	Taken    int64 // pings that were taken
	NotTaken int64
}

// New makes a Pinger. It does nothing before Run.
func New(o Options) *Pinger {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.First <= 0 {
		o.First = 5 * time.Second
	}
	if o.Again <= 0 {
		o.Again = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	check := func(address string) error {
		return guard.CheckDial(address, o.Private) //nolint:wrapcheck // ErrForbidden, with the address
	}
	return &Pinger{o: o, client: dial.Client(dial.Options{Timeout: o.Timeout, Check: check, Proxy: o.Proxy})}
}

// State answers how it goes.
func (p *Pinger) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s
}

// Close lets go of connections.
func (p *Pinger) Close() { p.client.CloseIdleConnections() }

// idle is how often it is looked whether there is an address now.
const idle = 10 * time.Second

// Run pings until ctx ends.
func (p *Pinger) Run(ctx context.Context) error {
	wait := p.o.First
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wait = p.once(ctx)
	}
}

// once pings if it is this node's turn, and answers how long to wait until the next
// time. Without the database the address is as it was known last.
func (p *Pinger) once(ctx context.Context) time.Duration {
	address, every, err := p.o.Where(ctx)
	if err != nil {
		p.o.Log.WarnContext(ctx, "where to ping is not known", "error", err)
		return idle
	}
	if address == "" {
		p.note(State{})
		return idle
	}
	// Where the database cannot say whose turn it is, each node tells that this is not
	// well.
	mine, err := p.o.Turn(ctx, 2*every+p.o.Timeout)
	if err == nil && !mine {
		p.mu.Lock()
		p.s = State{Host: Host(address), Other: true, Taken: p.s.Taken, NotTaken: p.s.NotTaken}
		p.mu.Unlock()
		return min(every, idle)
	}
	words := Words(p.o.Health(ctx))
	if words != "" && !p.doubt {
		// A database that changes over to its standby is back before anybody is up, and
		// services like these call people at once.
		p.doubt = true
		return min(every, p.o.Again)
	}
	p.doubt = words != ""
	p.tell(ctx, address, words)
	return every
}

// note replaces the state but for what is counted.
func (p *Pinger) note(s State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Taken, s.NotTaken = p.s.Taken, p.s.NotTaken
	p.s = s
}

// Ping tells an address once how it is.
func (p *Pinger) Ping(ctx context.Context, address string) State {
	return p.tell(ctx, address, Words(p.o.Health(ctx)))
}

func (p *Pinger) tell(ctx context.Context, address, words string) State {
	status, err := p.send(ctx, address, words)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Host, p.s.Other, p.s.Last, p.s.Status, p.s.Well = Host(address), false, time.Now(), status, words == ""
	if err == nil {
		p.s.Problem, p.s.Failing, p.s.LastOK = "", time.Time{}, p.s.Last
		p.s.Taken++
		return p.s
	}
	p.s.NotTaken++
	p.s.Problem = err.Error()
	if p.s.Failing.IsZero() {
		p.s.Failing = p.s.Last
		p.o.Log.WarnContext(ctx, "the ping was not taken", "host", p.s.Host, "problem", p.s.Problem)
	}
	return p.s
}

// Host is the part of an address that may be shown.
func Host(address string) string {
	u, err := url.Parse(strings.ReplaceAll(address, config.PingStatus, ""))
	if err != nil {
		return "its address"
	}
	return u.Host
}

// Words are what is not well with the hub itself, a line for each thing; empty when it
// does its work, whatever else System health warns of.
func Words(r health.Report) string {
	var b strings.Builder
	for _, w := range r.Warnings {
		if !w.Vital {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "Tocsin on %s does not do its work:\n", r.Node)
		}
		b.WriteString(w.Problem + " " + w.Mend + "\n")
	}
	if b.Len() > mostWords {
		return strings.ToValidUTF8(b.String()[:mostWords], "") + "…\n"
	}
	return b.String()
}

// target is what is called: with {status} in the address up or down stands there, else
// /fail follows its path when something is not well.
func target(address string, well bool) (*url.URL, error) {
	word := "down"
	if well {
		word = "up"
	}
	filled := strings.ReplaceAll(address, config.PingStatus, word)
	u, err := url.Parse(filled)
	if err != nil {
		return nil, errors.New("its address cannot be read")
	}
	if !well && filled == address {
		u = u.JoinPath("fail")
	}
	return u, nil
}

func (p *Pinger) send(ctx context.Context, address, words string) (status int, err error) {
	u, err := target(address, words == "")
	if err != nil {
		return 0, err
	}
	if err := guard.CheckHost(u.Hostname(), p.o.Private); err != nil {
		return 0, errors.New("the address is not a public one; TOCSIN_PING_PRIVATE lists other networks where it may be")
	}
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if words != "" && !strings.Contains(address, config.PingStatus) {
		method, body = http.MethodPost, strings.NewReader(words)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return 0, errors.New("its address cannot be called")
	}
	r.Header.Set("User-Agent", p.o.Agent)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	r.Close = true // the next one is a minute away
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, reason(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return answer.StatusCode, fmt.Errorf("it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return answer.StatusCode, nil
}

// reason says why there was no answer, without the address.
func reason(err error) error {
	var at *url.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, guard.ErrForbidden):
		return errors.New("the address is not a public one; TOCSIN_PING_PRIVATE lists other networks where it may be")
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &at) && at.Timeout():
		return errors.New("no answer came in time")
	case errors.As(err, &dns):
		return errors.New("its host name cannot be resolved")
	case errors.As(err, &at):
		return at.Err
	}
	return errors.New("it could not be called")
}
