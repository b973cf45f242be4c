// Package mattermost is the channel to Mattermost, in both directions.
//
// A room is reached in one of two forms. The simple one has nothing but an
// incoming webhook: every notice is a post of its own, for what a webhook made
// cannot be edited from here. The full one has a bot's token: one post for each
// alert, which is edited in place as the alert goes on, and a short reply in its
// thread for what people should notice.
//
// Posts carry buttons where the two-way integration is on. What Mattermost calls
// when one is clicked, a dialog is submitted or /tocsin is typed is answered by
// Callback. None of it is trusted: a button's secret is known by its hash alone
// and is good for one act, of one alert, in one post.
//
// What is posted is always the alert as it is now, so that a message which was
// held up says nothing that is over.
package mattermost

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tocsin/internal/channel"
)

// Name is the channel's name, in rules and on deliveries.
const Name = "mattermost"

const (
	// lanes is how many calls of SendAll run at the same time.
	lanes = 4
	// maxAttempts is how often a delivery is tried: with ten minutes between, for
	// six hours. What ends it is its time.
	maxAttempts = 40
)

// Options are what a Channel is made with.
type Options struct {
	Store   Store
	Desk    Desk
	BaseURL string // this server's address as people reach it
	// Proxy answers the outgoing proxy, nil when none is set. It is used where the
	// settings for Mattermost say so, and never else.
	Proxy func() *url.URL
	Log   *slog.Logger
	Now   func() time.Time
	// Client replaces the HTTP client, for tests; nil: one that follows no
	// redirects, is bounded in time, and takes no proxy from the environment.
	Client *http.Client
}

// Channel is the Mattermost channel.
type Channel struct {
	o       Options
	client  *client
	servers servers
	queue   channel.Queue
	rooms   rooms
	door    *door
	figures figures
	key     keyring
	zones   zones
}

// New makes the channel. It reads its settings from the store whenever it needs
// them, so that changes take effect at once.
func New(o Options) *Channel {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Proxy == nil {
		o.Proxy = func() *url.URL { return nil }
	}
	c := &Channel{o: o, client: newClient(o)}
	c.door = newDoor(o.Now)
	return c
}

// Name is "mattermost".
func (c *Channel) Name() string { return Name }

// Lanes is how many calls of SendAll there may be at the same time.
func (c *Channel) Lanes() int { return lanes }

// MaxAttempts is how often a delivery is tried. A Mattermost that is away, or a
// token that is refused until somebody makes a new one, is waited for until the
// delivery's time runs out.
func (c *Channel) MaxAttempts() int { return maxAttempts }

// Seen is what a bot's token can see of a server, for the console.
type Seen struct {
	UserID   string
	UserName string   // without the @
	Bot      bool     // an account for bots, and not a person's
	Teams    []string // their names as in Mattermost's addresses, in order
}

// Stats counts what came in since the channel was made, for /metrics.
type Stats struct {
	// Actions, Dialogs and Commands count requests by what became of them: "done",
	// "opened" (a dialog), "answered" (a command that only asks), "refused" (known
	// who, but not possible or not allowed), "forged", "replayed", "expired",
	// "off" (switched off), "limited" (too many), "malformed", "failed" (our fault).
	Actions, Dialogs, Commands map[string]int64
}

// Stats answers the figures of this moment.
func (c *Channel) Stats() Stats { return c.figures.stats() }

type figures struct {
	mu                         sync.Mutex
	actions, dialogs, commands map[string]int64
}

// which of the figures.
type which int

const (
	actions which = iota
	dialogs
	commands
)

func (f *figures) count(w which, result string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := map[which]*map[string]int64{actions: &f.actions, dialogs: &f.dialogs, commands: &f.commands}[w]
	if *m == nil {
		*m = map[string]int64{}
	}
	(*m)[result]++
}

func (f *figures) stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Stats{Actions: copied(f.actions), Dialogs: copied(f.dialogs), Commands: copied(f.commands)}
}

func copied(m map[string]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for k, n := range m {
		out[k] = n
	}
	return out
}

// zones keeps the zone that was asked for last: to load one is to read a file.
type zones struct {
	mu   sync.Mutex
	name string
	zone *time.Location
}

// get answers a zone by its IANA name; UTC for none, and for one that this machine
// does not know.
func (z *zones) get(name string) *time.Location {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.zone == nil || z.name != name {
		zone, err := time.LoadLocation(name)
		if err != nil {
			zone = time.UTC
		}
		z.name, z.zone = name, zone
	}
	return z.zone
}

// detached gives what must still be written after a request has ended some
// seconds of its own.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
