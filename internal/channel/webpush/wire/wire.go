// Package wire carries messages to push services over HTTP.
//
// A Client keeps, for each origin (https://host[:port]), a few HTTP/2
// connections, opened one after the other as they fill. Requests of several
// callers that are ready at the same time go out in one write; one goroutine
// reads a connection and one writes it, and none is started for a request. An
// origin that does not speak HTTP/2 is served through net/http. How many
// requests are under way at a time is found out: the window of an origin grows
// while it answers well and shrinks when it is overloaded. Nothing is ever
// redirected, and no address is dialled that is not a public one, see
// Options.AllowPrivate.
//
//	c := wire.New(wire.Options{})
//	defer c.Close(ctx)
//	err := c.Send(ctx, &wire.Request{Origin: "https://push.example", Path: "/p/…", Body: sealed,
//		Authorization: "vapid t=…", TTL: 60, Done: func(r *wire.Request, answer wire.Response) { … }})
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// Options are what a Client is made with. The zero value is good.
type Options struct {
	// Proxy answers the proxy that origins are to be reached through, or nil
	// for none: http://[user:password@]host:port. It is asked at each dial,
	// and a connection that went another way is given up when it is free.
	Proxy func() *url.URL
	// AllowPrivate are networks that may be dialled although they are not
	// public ones.
	AllowPrivate []netip.Prefix
	// RootCAs are whom to believe, nil for the system's.
	RootCAs *x509.CertPool
	// MaxConns is how many connections an origin may have, 0 for 8.
	MaxConns int
	// MaxOrigins is how many origins are kept at a time, 0 for 256. One more
	// takes the place of one that is idle.
	MaxOrigins int
	// Lookup answers the addresses of a host; nil for the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Timeouts, each 0 for its default.
	Timeouts Timeouts
	// Log is told of connections that end badly; nil for nothing.
	Log *slog.Logger
}

// Timeouts bound each step.
type Timeouts struct {
	Dial     time.Duration // to resolve and connect, the tunnel of a proxy included; 10 s
	TLS      time.Duration // for the handshake; 10 s
	Settings time.Duration // until the service greets with its settings; 10 s
	Request  time.Duration // from Send to the end of the answer; 30 s
	Write    time.Duration // for one write; 15 s
	Ping     time.Duration // of silence with requests under way, until it is asked, and again until it must have answered; 5 s
	Idle     time.Duration // until an unused connection is closed, and an unused origin forgotten after as much again; 90 s
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&t.Dial, 10*time.Second)
	set(&t.TLS, 10*time.Second)
	set(&t.Settings, 10*time.Second)
	set(&t.Request, 30*time.Second)
	set(&t.Write, 15*time.Second)
	set(&t.Ping, 5*time.Second)
	set(&t.Idle, 90*time.Second)
	return t
}

// Request is one message to a push service. The caller must not touch it
// between Send and Done; afterwards it may be used again.
type Request struct {
	Origin        string // https://host[:port], lower case; the caller has checked that it is a push service
	Path          string // with the query, starting with /
	Authorization string
	ContentType   string // of the body; empty for application/octet-stream. Content-Encoding is always aes128gcm
	Urgency       string // empty: not sent
	Topic         string // empty: not sent
	TTL           int    // in seconds
	Body          []byte // not touched after Done; 64 KiB at most
	// Done is called exactly once for a request that Send took, from a
	// goroutine of the client. It must not block, nor call Send.
	Done  func(*Request, Response)
	Index int // the caller's

	start int64 // nanoseconds of the client's clock
	tries int   // how often it was handed to a connection
}

// Response is what became of a Request. Err is nil when the service answered,
// whatever it answered.
type Response struct {
	Status     int
	RetryAfter time.Duration // as the service asked, seconds or date; 0 for not
	Reason     string        // what the body of an error says, at most 300 printable characters
	Err        error         // an *Error; see MaybeProcessed
	Proto      string        // "h2" or "http/1.1"
}

// OriginStats is what an origin is doing.
type OriginStats struct {
	Origin  string
	Proto   string // "h2", "http/1.1", or empty before the first connection
	Conns   int    // open connections
	Active  int    // requests taken and not done, those that wait for a stream included
	Waiting int    // calls of Send that wait for the window
	Window  int    // how many requests may be under way
	Latency time.Duration

	Sent      int64 // requests taken
	Answered  int64 // with a status
	Failed    int64 // without one
	Retried   int64 // sent again elsewhere by the client itself
	Writes    int64 // calls of write; Sent/Writes is how well requests are coalesced
	Dials     int64
	Shrinks   int64 // how often the window shrank
	LastError string
}

// Client sends requests to push services. Its methods may be called from
// several goroutines at a time.
type Client struct {
	o        Options
	t        Timeouts
	sessions tls.ClientSessionCache
	began    time.Time

	ctx  context.Context // ends when the client is closed
	stop context.CancelFunc
	all  sync.WaitGroup // goroutines

	mu      sync.Mutex
	origins map[string]*origin
	closed  bool
	minding bool // the goroutine that looks after time-outs runs
}

// New makes a client. It starts nothing before the first Send or Warm.
func New(o Options) *Client {
	if o.MaxConns <= 0 {
		o.MaxConns = 8
	}
	if o.MaxOrigins <= 0 {
		o.MaxOrigins = 256
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		o: o, t: o.Timeouts.withDefaults(), began: time.Now(),
		sessions: tls.NewLRUClientSessionCache(o.MaxOrigins),
		origins:  map[string]*origin{},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}
