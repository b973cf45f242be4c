package app

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/health"
	"tocsin/internal/source"
	"tocsin/internal/writeback"
)

const (
	// healthFor is how long a report is good for who asks how everything is.
	healthFor = time.Second

	// lately is how long it is for the header of a page: a new one is made more often
	// than that, and the live channel tells each tab what it says.
	lately = 2 * watchEvery
)

type healthCache struct {
	mu   sync.Mutex // held while a report is made
	last atomic.Pointer[health.Report]
}

// younger answers the last report if it is not too old.
func (c *healthCache) younger(than time.Duration) (health.Report, bool) {
	if r := c.last.Load(); r != nil && time.Since(r.At) < than {
		return *r, true
	}
	return health.Report{}, false
}

// Health says how everything here is.
func (a *App) Health(ctx context.Context) health.Report {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	if r, ok := a.health.younger(healthFor); ok {
		return r
	}
	// The caller may go away; the report is for the next one too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	r := health.Assess(a.facts(ctx))
	a.health.last.Store(&r)
	return r
}

// healthLately says how everything was at the last look, without another one.
func (a *App) healthLately(ctx context.Context) health.Report {
	if r, ok := a.health.younger(lately); ok {
		return r
	}
	return a.Health(ctx)
}

func (a *App) facts(ctx context.Context) health.Facts {
	f := health.Facts{Now: time.Now(), Started: a.started, Node: a.cfg.Node, Version: Version}
	begin := time.Now()
	f.Database.Engine = a.db.Engine()
	f.Database.Err = a.db.Ping(ctx)
	f.Database.Latency = time.Since(begin)
	_ = a.db.TryRoom(ctx) // whether there is room, Full says
	f.Database.Full = a.db.Full()
	f.Database.Sealed = a.db.Sealed()
	if f.Database.Err == nil {
		if off, err := a.db.ClockOffset(ctx); err == nil && off != 0 {
			f.Database.Now = f.Now.Add(off)
		}
		f.Database.Schema, _ = a.db.SchemaVersion(ctx) // a figure; the ping speaks for the rest
	}
	if path, ok := strings.CutPrefix(a.cfg.DatabaseURL, "sqlite:"); ok {
		f.Database.Size = fileSizes(path, path+"-wal")
	}
	f.Disk = disk(a.cfg.DataDir)
	a.workerFacts(&f)
	f.Push = a.pushFacts(ctx)
	a.chatFacts(ctx, &f)
	a.planning.facts(ctx, &f)
	f.Keys = a.keyFacts(ctx)
	f.Ping = a.ping.facts(ctx)
	f.HTTPS = a.gate.facts()
	f.Mail = a.visitors.facts(ctx)
	a.letters.facts(ctx, f.Mail)

	q, err := a.db.QueueFigures(ctx)
	f.Queue = health.Queue{
		Waiting: q.Waiting, Handed: q.Handed, Oldest: q.Oldest, Ends: q.Ends,
		Sent: q.Sent24h, Expired: q.Expired24h, DeadDay: q.Dead24h, Err: err,
	}
	if s, err := a.db.Settings(ctx); err == nil {
		f.Quiet = time.Duration(s.SourceQuietMinutes) * time.Minute
	}
	titles := map[string]string{}
	for _, k := range Kinds() {
		titles[k.Name()] = k.Title()
	}
	sources, _ := a.db.Sources(ctx) // without the database, its part says so
	states := map[string]writeback.State{}
	for _, s := range a.engines.States() {
		states[s.SourceID] = s
	}
	for _, s := range sources {
		if s.WriteBack.On() && !s.Disabled {
			e := states[s.ID]
			f.Engines = append(f.Engines, health.Engine{Source: s.Name, LastOK: e.LastOK, Failing: e.Failing, Problem: e.Problem, Waiting: e.Waiting})
		}
		f.Sources = append(f.Sources, health.Source{
			Name: s.Name, Title: titles[s.Kind], Disabled: s.Disabled, LastEvent: s.LastEventAt,
			LastSign: s.LastSign, SilentAfter: time.Duration(s.QuietMinutes) * time.Minute, SilentSince: s.SilentSince,
			LastError: s.LastError, LastErrorAt: s.LastErrorAt, Stranger: s.LastError == source.WrongToken, Spooled: s.Spooled, SpooledAt: s.SpooledAt,
		})
	}
	return f
}

func (a *App) workerFacts(f *health.Facts) {
	d := a.dispatch.Stats()
	c := health.Worker{Name: "committer", Title: "Committer", Last: d.LastCommit, Busy: d.Busy, Stopped: a.state.stopped("committer"), Figures: []health.Figure{
		{Name: "waiting", Value: strconv.Itoa(d.Queue) + " of " + strconv.Itoa(d.QueueLimit)},
		{Name: "events taken", Value: strconv.FormatInt(d.Events, 10)},
		{Name: "last commit took", Value: health.Took(d.LastTook)},
	}}
	if d.LastErrorAt.After(d.LastCommit) && d.LastError != "" {
		c.Err, c.ErrAt = errors.New(d.LastError), d.LastErrorAt
	}
	f.Committer = c

	w := health.Worker{Name: "delivery", Title: "Delivery worker", Every: 10 * time.Second, Stopped: a.state.stopped("delivery")}
	s := a.worker.Stats()
	w.Last = s.LastLoop
	for _, ch := range s.Channels {
		// An error that a later round did not meet again is past.
		if ch.LastError != "" && f.Now.Sub(ch.LastErrorAt) < 10*time.Second {
			w.Err = errors.New(ch.Name + ": " + ch.LastError)
		}
	}
	f.Delivery = []health.Worker{w}

	h := a.hub.Stats()
	f.Live = health.Live{Streams: h.Streams, Users: h.Users, LastTail: h.LastTail, Stopped: a.state.stopped("live")}
}

func (a *App) pushFacts(ctx context.Context) *health.Push {
	p := a.push
	st := p.fanout.Stats()
	out := &health.Push{
		Enabled: true, Stopped: a.state.stopped("push"), Last: st.LastLoop, Err: st.LastError, ErrAt: st.LastErrorAt,
		Given: p.cfg.VAPIDPublicKey != "",
	}
	if s, err := p.settings.get(ctx); err == nil {
		out.Enabled, out.Reach = s.WebPush, p.subject(s) != ""
	}
	if some, err := a.db.SubscriptionsAfter(ctx, "", 1); err == nil {
		out.Devices = len(some) > 0
	}
	if keys, err := p.keys.get(ctx); err == nil && len(keys) > 0 {
		out.KeySince = keys[0].Created
	}
	if due, err := a.db.NextPush(ctx); err == nil && !due.IsZero() && due.Before(time.Now()) {
		out.Overdue = due
	}
	now := time.Now()
	for _, s := range p.sender.Services() {
		h := health.PushService{Origin: s.Origin, Why: s.Why, LastFailure: s.LastFailure}
		switch {
		case !s.Breaker.IsZero():
			h.Refuses, h.Until = true, s.Breaker
		case s.Pause.After(now):
			h.Paused, h.Until = true, s.Pause
		}
		out.Services = append(out.Services, h)
	}
	return out
}

// chatFacts are what is known of Mattermost: of its rooms by all nodes, of direct
// messages by this one.
func (a *App) chatFacts(ctx context.Context, f *health.Facts) {
	s, err := a.chat.get(ctx)
	if err != nil || !s.Enabled {
		return // without the database, its part says so
	}
	c := &health.Chat{TwoWay: s.TwoWay}
	if s.TwoWay {
		c.Key, c.KeyErr = desk{a}.KeyValid(ctx)
	}
	rooms, _ := a.db.Rooms(ctx)
	for _, r := range rooms {
		if !r.Disabled {
			c.Rooms = append(c.Rooms, health.Room{Name: r.Name, LastPost: r.LastPost, Problem: r.LastError, ProblemAt: r.LastErrorAt})
		}
	}
	for _, d := range a.chat.channel.States() {
		if _, direct := chat.DirectUser(d.Room); direct && d.Problem != "" {
			c.Rooms = append(c.Rooms, health.Room{Name: d.Name, LastPost: d.LastOK, Problem: d.Problem, ProblemAt: d.Since})
		}
	}
	f.Chat = c
}

func fileSizes(paths ...string) int64 {
	var sum int64
	for _, p := range paths {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Clean(p), &st); err == nil {
			sum += st.Size
		}
	}
	return sum
}

// disk answers the room left, nil where it cannot be told.
func disk(path string) *health.Disk {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil || st.Bsize <= 0 {
		return nil
	}
	size := uint64(st.Bsize)
	return &health.Disk{Path: path, Free: st.Bavail * size, Total: st.Blocks * size}
}
