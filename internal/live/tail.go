package live

import (
	"context"
	"fmt"
	"time"
)

const (
	// batch is how many frames are read and joined at a time.
	batch = 256
	// wheelSlots is into how many parts the streams are divided for pings, so
	// that 10,000 of them are not written to at the same moment.
	wheelSlots = 16
)

// target is one stream and what it is to be given.
type target struct {
	s *stream
	c chunk
}

// tail hands out what is new in the log.
func (h *Hub) tail(ctx context.Context) {
	h.tailing.Lock()
	defer h.tailing.Unlock()
	err := h.catchUp(ctx)
	h.mu.Lock()
	before := h.lastErr
	if err == nil {
		h.lastTail, h.lastErr = time.Now(), ""
	} else if ctx.Err() == nil {
		h.lastErr = err.Error()
	}
	after := h.lastErr
	h.mu.Unlock()
	// Once when it begins and once when it ends: the log is looked at every second.
	switch {
	case before == "" && after != "":
		h.o.Log.Error("live log cannot be read", "error", err)
	case before != "" && after == "":
		h.o.Log.Info("live log can be read again")
	}
}

func (h *Hub) catchUp(ctx context.Context) error {
	seq, err := h.begin(ctx)
	if err != nil {
		return err
	}
	for {
		if skipped, err := h.skip(ctx); skipped || err != nil {
			return err
		}
		frames, err := h.log.LiveAfter(ctx, seq, "", batch)
		if err != nil {
			return fmt.Errorf("read the live log after %d: %w", seq, err)
		}
		if len(frames) == 0 {
			return nil
		}
		seq = frames[len(frames)-1].Seq
		h.handOut(frames, seq)
		if len(frames) < batch {
			return nil
		}
	}
}

// begin answers where to read on. The first time that is the end of the log:
// nobody listened before.
func (h *Hub) begin(ctx context.Context) (int64, error) {
	h.mu.Lock()
	seq := h.seq
	h.mu.Unlock()
	if seq >= 0 {
		return seq, nil
	}
	_, newest, err := h.log.LiveBounds(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the end of the live log: %w", err)
	}
	h.mu.Lock()
	h.seq = newest
	h.mu.Unlock()
	return newest, nil
}

// skip moves on to the end of the log while nobody listens: a stream that enters
// later asks the log for what it missed.
func (h *Hub) skip(ctx context.Context) (bool, error) {
	if !h.deserted() {
		return false, nil
	}
	_, newest, err := h.log.LiveBounds(ctx)
	if err != nil {
		return false, fmt.Errorf("find the end of the live log: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) > 0 {
		return false, nil // somebody came meanwhile, and was told to start where h.seq is
	}
	h.seq = max(h.seq, newest)
	return true, nil
}

func (h *Hub) deserted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams) == 0
}

// handOut writes frames to the streams they are for. The hub's position moves
// on in the same moment in which it is decided who listens: a stream that enters
// before gets the frames here, one that enters after finds them in the log.
func (h *Hub) handOut(frames []Frame, seq int64) {
	frames, left := collapse(frames)
	h.collapsed.Add(uint64(left))
	everybody := renderFor(frames, "")
	own := map[string]chunk{} // users who have frames of their own
	for _, f := range frames {
		if f.UserID != "" {
			own[f.UserID] = chunk{}
		}
	}
	h.mu.Lock()
	for id := range own {
		if h.users[id] == nil {
			delete(own, id)
			continue
		}
		own[id] = renderFor(frames, id)
	}
	to := h.scratch[:0]
	if everybody.frames > 0 {
		for _, s := range h.streams {
			c := everybody
			if len(own) > 0 {
				if mine, ok := own[s.user.userID]; ok {
					c = mine
				}
			}
			to = append(to, target{s, c})
		}
	} else {
		for id, c := range own {
			for _, s := range h.users[id].streams {
				to = append(to, target{s, c})
			}
		}
	}
	h.seq = seq
	h.mu.Unlock()
	total := 0
	for _, t := range to {
		t.s.send(t.c.bytes)
		total += t.c.frames
	}
	h.framesOut.Add(uint64(total))
	clear(to)
	h.scratch = to
	if cap(to) > 4096 && len(to) < cap(to)/4 {
		h.scratch = nil // after a peak the memory goes back
	}
}

// beat pings the streams of one slot and cuts those that take nothing.
func (h *Hub) beat(slot int, now time.Time) {
	h.mu.Lock()
	var mine []*stream
	for _, s := range h.streams {
		if int(s.slot) == slot {
			mine = append(mine, s)
		}
	}
	h.mu.Unlock()
	bytes := ping(now)
	for _, s := range mine {
		if s.stuck(now) {
			h.dropped.Add(1)
			s.cut()
			continue
		}
		s.send(bytes)
	}
}
