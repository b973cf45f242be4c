package delivery

import (
	"sync"
	"time"
)

// Stats is how a Worker is doing since it was made.
type Stats struct {
	LastLoop time.Time // the oldest of the channels' last looks: when it is old, a loop hangs
	Swept    int64     // ended by the sweep because their time ran out
	Channels []ChannelStats
}

// ChannelStats is one channel's part.
type ChannelStats struct {
	Name        string
	LastLoop    time.Time // zero before the first
	LastSend    time.Time
	LastError   string // of a round that failed altogether
	LastErrorAt time.Time
	Ended       map[State]int64 // by state after an attempt; Waiting: to be tried again
}

type figures struct {
	mu    sync.Mutex
	stats ChannelStats
}

func (f *figures) looked(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.LastLoop = time.Now()
	if err != nil {
		f.stats.LastError, f.stats.LastErrorAt = err.Error(), time.Now()
	}
}

func (f *figures) completed(cs []Completion) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stats.Ended == nil {
		f.stats.Ended = map[State]int64{}
	}
	for _, c := range cs {
		f.stats.Ended[c.State]++
	}
	f.stats.LastSend = time.Now()
}

// Stats answers the figures of this moment.
func (w *Worker) Stats() Stats {
	s := Stats{Swept: w.swept.Load()}
	for i, l := range w.loops {
		l.figures.mu.Lock()
		c := l.figures.stats
		ended := make(map[State]int64, len(c.Ended))
		for k, n := range c.Ended {
			ended[k] = n
		}
		l.figures.mu.Unlock()
		c.Name, c.Ended = l.channel.Name(), ended
		if i == 0 || c.LastLoop.Before(s.LastLoop) {
			s.LastLoop = c.LastLoop
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}
