package live

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are how a hub behaves; the zero value of each field means its default.
type Options struct {
	Node         string        // named in the hello event
	Poll         time.Duration // how often the log is looked at without a wake; 1 s
	Heartbeat    time.Duration // between two pings of a stream; 15 s
	WriteTimeout time.Duration // a stream that takes nothing for so long is closed; 30 s
	MaxStreams   int           // on this node; more are answered 503; 20,000
	MaxPerUser   int           // more close the user's oldest; 50
	MaxReplay    int           // frames that a stream that comes back gets; more are a reset; 500
	MaxQueued    int           // bytes that wait for a slow stream before it is closed; 1 MiB
	Log          *slog.Logger
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	setInt := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	set(&o.Poll, time.Second)
	set(&o.Heartbeat, 15*time.Second)
	set(&o.WriteTimeout, 30*time.Second)
	setInt(&o.MaxStreams, 20000)
	setInt(&o.MaxPerUser, 50)
	setInt(&o.MaxReplay, 500)
	setInt(&o.MaxQueued, 1<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Viewer is whose stream it is.
type Viewer struct {
	UserID  string
	Session string // empty for a program with an API key
}

// Stats are the hub's figures since it was made.
type Stats struct {
	Streams   int       // open now
	Users     int       // with a stream open now
	Seq       int64     // the last frame that was handed out
	Opened    uint64    // streams
	Refused   uint64    // streams that were answered 503
	Dropped   uint64    // streams closed because they took nothing, or too slowly
	FramesOut uint64    // frames written or queued, counted for each stream
	Resets    uint64    // streams that came back and could not be given what they missed
	Collapsed uint64    // frames left out of a storm because a newer one of the object followed
	LastTail  time.Time // when the log was last read without an error
	LastError string    // of the last reading, empty if it went well
}

// Hub keeps the streams of one node.
//
// Run reads the log and writes to the streams. Everything else may be called at
// any time from any goroutine; Serve works before Run does, but its streams
// hear nothing until then.
type Hub struct {
	log    Log
	o      Options
	poller *poller // nil where streams cannot be taken out of net/http
	wake   chan struct{}

	tailing sync.Mutex // held while the log is read and handed out
	scratch []target   // used under tailing

	mu       sync.Mutex
	seq      int64 // frames up to here were handed out; -1 before the log was read
	streams  []*stream
	users    map[string]*audience
	nextSlot int
	draining bool
	onReach  []func()
	lastTail time.Time
	lastErr  string
	told     map[string][]byte // what Tell said last, by kind

	opened, refused, dropped, framesOut, resets, collapsed atomic.Uint64
}

// audience is one user with their open streams, oldest first.
type audience struct {
	userID  string
	streams []*stream
}

// NewHub makes a hub that reads log. Run has to be started for it to do so.
func NewHub(log Log, o Options) *Hub {
	h := &Hub{log: log, o: o.withDefaults(), wake: make(chan struct{}, 1), users: map[string]*audience{}, told: map[string][]byte{}, seq: -1}
	p, err := newPoller()
	if err != nil {
		h.o.Log.Warn("streams stay with net/http", "error", err)
	}
	h.poller = p
	return h
}

// Run reads the log and hands its frames out until ctx ends; then it closes all
// streams, having told the tabs to come back elsewhere or later.
func (h *Hub) Run(ctx context.Context) error {
	var polling sync.WaitGroup
	if h.poller != nil {
		polling.Go(h.poller.run)
	}
	poll := time.NewTicker(h.o.Poll)
	defer poll.Stop()
	beat := time.NewTicker(h.o.Heartbeat / wheelSlots)
	defer beat.Stop()
	slot := 0
	h.tail(ctx)
	for {
		select {
		case <-ctx.Done():
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			h.Drain(drain)
			cancel()
			if h.poller != nil {
				h.poller.close()
				polling.Wait()
			}
			return nil
		case <-h.wake:
			h.tail(ctx)
		case <-poll.C:
			h.tail(ctx)
		case now := <-beat.C:
			h.beat(slot, now)
			slot = (slot + 1) % wheelSlots
		}
	}
}

// Wake makes the hub look at the log now. It never blocks.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Tell gives an event that stands in no log to every stream of this node, and
// to each that opens later, after its hello: what is true of this node now, such
// as whether it is well. It has no id and is never replayed; of each kind only
// what was told last counts. It needs no database, so that a tab also hears that
// the database is away.
func (h *Hub) Tell(kind, body string) {
	bytes := event(nil, -1, kind, body)
	h.mu.Lock()
	h.told[kind] = bytes
	all := slices.Clone(h.streams)
	h.mu.Unlock()
	for _, s := range all {
		s.send(bytes)
	}
}

// toldSoFar is what Tell said last of each kind.
func (h *Hub) toldSoFar() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []byte
	for _, kind := range slices.Sorted(maps.Keys(h.told)) {
		out = append(out, h.told[kind]...)
	}
	return out
}

// ReachableUsers are those with a stream open on this node, in no order.
func (h *Hub) ReachableUsers() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.users))
	for id := range h.users {
		if id != "" { // programs with an API key are nobody to be told
			ids = append(ids, id)
		}
	}
	return ids
}

// Sessions are those of the streams open on this node, each once, in no order.
func (h *Hub) Sessions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[string]bool)
	for _, s := range h.streams {
		if s.session != "" {
			seen[s.session] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// OnReach adds a function that is called whenever a user without a stream on
// this node gets one. It must not block.
func (h *Hub) OnReach(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onReach = append(h.onReach, f)
}

// CloseSession ends the streams of a session, after it was signed out.
func (h *Hub) CloseSession(session string) {
	if session == "" {
		return
	}
	h.closeThose(func(s *stream) bool { return s.session == session }, signedOut)
}

// CloseUser ends all streams of a user, after they were disabled or deleted.
func (h *Hub) CloseUser(userID string) {
	h.closeThose(func(s *stream) bool { return s.user.userID == userID }, signedOut)
}

func (h *Hub) closeThose(concerned func(*stream) bool, farewell []byte) {
	h.mu.Lock()
	var gone []*stream
	for _, s := range h.streams {
		if concerned(s) {
			gone = append(gone, s)
		}
	}
	h.mu.Unlock()
	for _, s := range gone {
		s.end(farewell)
	}
}

// Drain refuses new streams from now on, tells the tabs of the open ones to
// come back, and closes them; those that still have bytes waiting get until ctx
// ends to take them.
func (h *Hub) Drain(ctx context.Context) {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	h.closeThose(func(*stream) bool { return true }, moved)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		h.mu.Lock()
		left := append([]*stream(nil), h.streams...)
		h.mu.Unlock()
		if len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			for _, s := range left {
				s.cut()
			}
			return
		case <-tick.C:
		}
	}
}

// Stats answers the figures of now.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{
		Streams: len(h.streams), Users: len(h.users), Seq: max(h.seq, 0),
		Opened: h.opened.Load(), Refused: h.refused.Load(), Dropped: h.dropped.Load(),
		FramesOut: h.framesOut.Load(), Resets: h.resets.Load(), Collapsed: h.collapsed.Load(),
		LastTail: h.lastTail, LastError: h.lastErr,
	}
}

// enter lists a stream, and with it decides from which frame on it hears what is
// handed out: all after the answered seq. The oldest streams of the user are
// answered if there are too many of theirs now; some of them may be ending
// already. ok is false if the node takes no more.
func (h *Hub) enter(s *stream, v Viewer) (seq int64, surplus []*stream, ok bool) {
	h.mu.Lock()
	if h.draining || len(h.streams) >= h.o.MaxStreams {
		h.mu.Unlock()
		h.refused.Add(1)
		return 0, nil, false
	}
	a := h.users[v.UserID]
	reached := a == nil
	if reached {
		a = &audience{userID: v.UserID}
		h.users[v.UserID] = a
	}
	s.user = a
	a.streams = append(a.streams, s)
	if n := len(a.streams) - h.o.MaxPerUser; n > 0 {
		surplus = slices.Clone(a.streams[:n])
	}
	s.index = len(h.streams)
	h.streams = append(h.streams, s)
	s.slot = uint8(h.nextSlot)
	h.nextSlot = (h.nextSlot + 1) % wheelSlots
	seq = h.seq
	var tell []func()
	if reached && v.UserID != "" {
		tell = h.onReach
	}
	h.mu.Unlock()
	h.opened.Add(1)
	for _, f := range tell {
		f()
	}
	return seq, surplus, true
}

// leave takes a stream off the lists. It may be called more than once.
func (h *Hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.index < 0 {
		return
	}
	last := len(h.streams) - 1
	h.streams[s.index] = h.streams[last]
	h.streams[s.index].index = s.index
	h.streams[last] = nil
	h.streams = h.streams[:last]
	s.index = -1
	a := s.user
	for i, o := range a.streams {
		if o == s {
			a.streams = append(a.streams[:i], a.streams[i+1:]...)
			break
		}
	}
	if len(a.streams) == 0 && h.users[a.userID] == a {
		delete(h.users, a.userID)
	}
}
