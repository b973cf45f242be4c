package chat

import (
	"encoding/json"
)

// event is what open pages are told, with one of post and dialog.
type event struct {
	Name   string  `json:"event"`
	Post   any     `json:"post,omitempty"`
	Dialog *Dialog `json:"dialog,omitempty"`
}

// watcher is one open page.
type watcher struct {
	user   string
	frames chan []byte // closed when it is too slow, or somebody else now
}

// tell sends an event to those whom who names; s.mu is held.
func (s *Server) tell(e event, who func(userID string) bool) {
	s.touch()
	if len(s.watchers) == 0 {
		return
	}
	frame, err := json.Marshal(e)
	if err != nil {
		s.o.Log.Error("an event cannot be told", "error", err)
		return
	}
	for w := range s.watchers {
		if !who(w.user) {
			continue
		}
		select {
		case w.frames <- frame:
		default: // too slow: it connects anew and reads all
			delete(s.watchers, w)
			close(w.frames)
		}
	}
}

func (s *Server) watch(userID string) *watcher {
	w := &watcher{user: userID, frames: make(chan []byte, 256)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = true
	return w
}

func (s *Server) unwatch(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers[w] {
		delete(s.watchers, w)
		close(w.frames)
	}
}

// Visitors is how many pages are open.
func (s *Server) Visitors() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}
