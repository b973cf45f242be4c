package webpush

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"sync"
	"time"
	"unsafe"

	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/push"
)

// ReadyOptions are what a ReadyAhead needs. Next must be given.
type ReadyOptions struct {
	Max func() int // devices to prepare for at most; 0 prepares none; nil: 20,000
	// Next reads devices with ids above after, up to limit, ascending by id.
	Next func(ctx context.Context, after string, limit int) ([]push.Subscription, error)
	// Devices reads the contacts' devices, which come first; nil: they are found
	// among those of Next, when their turn comes.
	Devices func(ctx context.Context) ([]push.Subscription, error)
	Busy    func() bool // whether there is better to do; nil: never
	Log     *slog.Logger
	// Memory reads a file of /proc or /sys; nil is os.ReadFile.
	Memory func(name string) ([]byte, error)
	Pause  time.Duration // between looks for devices that want preparing; 5 s
}

const (
	defaultReady = 20_000
	readyPage    = 200
	// One device costs about 70 µs of processor time. A burst of them is
	// followed by a rest of three times as long, so that preparing takes a
	// quarter of one processor at most.
	readyBurst = 16
	readyRest  = 3
)

// ReadyAhead prepares the next message's encryption for devices while there is
// nothing better to do, so that when something is published only the text is
// left to encrypt. It keeps that in memory only, gives each out once, and
// drops what does not fit a device's key any more. Contacts' devices come
// first, then visitors' in turn; when all places are taken, a contact's device
// takes that of a visitor's.
//
// Make one with NewReady and call Run once.
type ReadyAhead struct {
	o ReadyOptions

	mu      sync.Mutex
	at      map[readyID]uint32 // places in entries
	entries [][]readyEntry     // in blocks, so that growing copies nothing
	free    []uint32
	hand    uint32 // looks for visitors' places to take
	stats   ReadyStats
}

// readyID is a subscription's id, a UUID, as it is in memory.
type readyID [16]byte

// readyEntry holds no pointer, so that the collector of garbage passes over it.
type readyEntry struct {
	id      readyID
	key     [8]byte // of the hash of p256dh
	contact bool
	sealed  seal.Prepared
}

// readyBlock is how many entries are allocated at a time.
const readyBlock = 512

// ReadyBytes is what one prepared device takes in memory: its entry, its place
// in the index with the room that a map leaves free, and its place in the list
// of free ones.
const ReadyBytes = int(unsafe.Sizeof(readyEntry{})) + 38 + 4

// NewReady makes a ReadyAhead. It does nothing before Run.
func NewReady(o ReadyOptions) *ReadyAhead {
	if o.Max == nil {
		o.Max = func() int { return defaultReady }
	}
	if o.Busy == nil {
		o.Busy = func() bool { return false }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Memory == nil {
		o.Memory = os.ReadFile
	}
	if o.Pause <= 0 {
		o.Pause = 5 * time.Second
	}
	return &ReadyAhead{o: o, at: map[readyID]uint32{}}
}

// Take gives out what was prepared for a device's next message, once. It is of
// no use, and dropped, when the device has other keys by now.
func (r *ReadyAhead) Take(sub *push.Subscription) (seal.Prepared, bool) {
	id, ok := readyIDOf(sub.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := r.at[id]
	if !ok || !found {
		r.stats.Missed++
		return seal.Prepared{}, false
	}
	e := r.entry(i)
	out, fits := e.sealed, e.key == readyKey(sub)
	r.drop(i)
	if !fits {
		r.stats.Missed++
		return seal.Prepared{}, false
	}
	r.stats.Used++
	return out, true
}

// Forget drops everything that was prepared.
func (r *ReadyAhead) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, block := range r.entries {
		clear(block) // these are secrets
	}
	r.at, r.entries, r.free = map[readyID]uint32{}, nil, nil
}

// ReadyStats is how a ReadyAhead is doing.
type ReadyStats struct {
	Prepared int   // devices that the next message is prepared for
	Made     int64 // prepared since the beginning
	Used     int64
	Missed   int64 // asked for and not there, or of another key
	Bytes    int64 // of memory for what is prepared, about
	Short    bool  // switched off: memory is short
}

// Stats answers the figures of this moment.
func (r *ReadyAhead) Stats() ReadyStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Prepared = len(r.at)
	s.Bytes = int64(len(r.at) * ReadyBytes)
	return s
}

// Run prepares until ctx ends, and forgets everything then.
func (r *ReadyAhead) Run(ctx context.Context) error {
	defer r.Forget()
	after := ""
	for {
		wait := r.o.Pause
		if r.may() {
			next, more, err := r.round(ctx, after)
			if err != nil && ctx.Err() == nil {
				r.o.Log.Warn("messages could not be prepared", "error", err)
			} else if after = next; more {
				wait = time.Millisecond
			}
		}
		if !waited(ctx, wait) {
			return nil
		}
	}
}

// may says whether there is room, and time, for preparing. What is there is
// dropped when memory is short, or more than it may be.
func (r *ReadyAhead) may() bool {
	most := r.o.Max()
	short := most > 0 && memoryShort(r.o.Memory)
	r.mu.Lock()
	changed := short != r.stats.Short
	r.stats.Short = short
	full, over := len(r.at) >= most, len(r.at) > most
	r.mu.Unlock()
	if changed {
		r.o.Log.Info("preparing messages ahead", "on", !short, "why", "memory")
	}
	if short || over {
		r.Forget()
	}
	return most > 0 && !short && !r.o.Busy() && (!full || r.o.Devices != nil)
}

// round prepares for the contacts' devices and for one page of all devices, and
// answers where the next begins. more says that there is more to look at.
func (r *ReadyAhead) round(ctx context.Context, after string) (next string, more bool, err error) {
	most := r.o.Max()
	if r.o.Devices != nil && after == "" {
		subs, err := r.o.Devices(ctx)
		if err != nil {
			return after, false, err
		}
		if !r.prepare(ctx, subs, most) {
			return after, false, nil
		}
	}
	if r.full(most) {
		return "", false, nil
	}
	subs, err := r.o.Next(ctx, after, readyPage)
	if err != nil {
		return after, false, err
	}
	if !r.prepare(ctx, subs, most) {
		return after, false, nil
	}
	if len(subs) < readyPage {
		return "", false, nil // once round
	}
	return subs[len(subs)-1].ID, true, nil
}

// prepare does it for those of subs that nothing is prepared for, with rests.
// It answers false when it was not to go on.
func (r *ReadyAhead) prepare(ctx context.Context, subs []push.Subscription, most int) bool {
	begin, burst := time.Now(), 0
	for i := range subs {
		sub := &subs[i]
		id, ok := readyIDOf(sub.ID)
		if !ok || r.has(id, sub) {
			continue
		}
		if r.full(most) && sub.Visitor() {
			continue
		}
		sealed, err := seal.Prepare(sub.P256dh, sub.Auth)
		if err != nil {
			continue // sending will say what is wrong with it
		}
		r.put(readyEntry{id: id, key: readyKey(sub), contact: !sub.Visitor(), sealed: sealed}, most)
		if burst++; burst < readyBurst {
			continue
		}
		if !waited(ctx, readyRest*time.Since(begin)) || r.o.Busy() {
			return false
		}
		begin, burst = time.Now(), 0
	}
	return true
}

func (r *ReadyAhead) full(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.at) >= most
}

// has says whether something is prepared for a device, and drops what is for
// other keys of it.
func (r *ReadyAhead) has(id readyID, sub *push.Subscription) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.at[id]
	if ok && r.entry(i).key != readyKey(sub) {
		r.drop(i)
		return false
	}
	return ok
}

// put keeps an entry. Where there is no place, a contact's device takes a
// visitor's.
func (r *ReadyAhead) put(e readyEntry, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.at) >= most && (!e.contact || !r.evict()) {
		return
	}
	if len(r.free) == 0 {
		first := uint32(len(r.entries) * readyBlock)
		r.entries = append(r.entries, make([]readyEntry, readyBlock))
		for i := range uint32(readyBlock) {
			r.free = append(r.free, first+readyBlock-1-i)
		}
	}
	i := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	*r.entry(i) = e
	r.at[e.id] = i
	r.stats.Made++
}

// evict drops a visitor's entry; false when there is none.
func (r *ReadyAhead) evict() bool {
	total := uint32(len(r.entries) * readyBlock)
	for range total {
		r.hand = (r.hand + 1) % total
		if e := r.entry(r.hand); e.sealed.Ready() && !e.contact {
			r.drop(r.hand)
			return true
		}
	}
	return false
}

func (r *ReadyAhead) entry(i uint32) *readyEntry { return &r.entries[i/readyBlock][i%readyBlock] }

// drop frees a place and wipes it.
func (r *ReadyAhead) drop(i uint32) {
	e := r.entry(i)
	delete(r.at, e.id)
	*e = readyEntry{}
	r.free = append(r.free, i)
}

// waited waits; false when ctx ended.
func waited(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// readyIDOf reads a UUID; nothing is prepared for an id of another form.
func readyIDOf(s string) (id readyID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	var text [32]byte
	n := 0
	for _, part := range [...]string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		n += copy(text[n:], part)
	}
	_, err := hex.Decode(id[:], text[:])
	return id, err == nil
}

// readyKey stands for the two keys of a device that a message is encrypted for.
func readyKey(s *push.Subscription) (k [8]byte) {
	sum := sha256.Sum256(append(append(make([]byte, 0, 96), s.P256dh...), s.Auth...))
	copy(k[:], sum[:])
	return k
}

// memoryShort says whether little memory is left: under a tenth of what this
// process may have, or of the machine's.
func memoryShort(read func(string) ([]byte, error)) bool {
	if left, limit, ok := groupMemory(read); ok && left < limit/10 {
		return true
	}
	text, err := read("/proc/meminfo")
	if err != nil {
		return false // not a Linux: nothing is known
	}
	total, available := field(text, "MemTotal:"), field(text, "MemAvailable:")
	return total > 0 && bytes.Contains(text, []byte("MemAvailable:")) && available < total/10
}
