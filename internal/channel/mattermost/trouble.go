package mattermost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/chat"
)

// RoomState is how posting into a room goes, for System health.
type RoomState struct {
	Room    string // id; for direct messages chat.Direct
	Name    string
	LastOK  time.Time // of the last message that Mattermost took from here; zero: none yet
	Since   time.Time // since when there is a problem; zero: there is none
	Problem string    // with what mends it
	failed  time.Time // when that was seen last
}

// States answers the rooms that were written to since the channel was made, in
// order of name.
func (c *Channel) States() []RoomState { return c.rooms.states() }

// maxRooms is of how many rooms and people is known how it goes. Those that went
// well longest ago are forgotten first.
const maxRooms = 1000

type rooms struct {
	mu sync.Mutex
	m  map[string]RoomState
}

func (r *rooms) states() []RoomState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.m), func(a, b RoomState) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Room, b.Room))
	})
}

func (r *rooms) note(id, name, problem string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[string]RoomState{}
	}
	s, known := r.m[id]
	if !known && len(r.m) >= maxRooms {
		oldest := slices.MinFunc(slices.Collect(maps.Values(r.m)), func(a, b RoomState) int { return a.LastOK.Compare(b.LastOK) })
		delete(r.m, oldest.Room)
	}
	s.Room, s.Name = id, name
	switch {
	case problem == "" && !s.failed.After(now): // of two under way at once, the later one may be noted first
		s.LastOK, s.Since, s.Problem = now, time.Time{}, ""
	case problem != "" && !s.LastOK.After(now):
		if s.Problem == "" {
			s.Since = now
		}
		s.Problem, s.failed = problem, now
	}
	r.m[id] = s
}

// forget drops what is known of a room that there is no more.
func (r *rooms) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, id)
}

// trouble is what an error of Mattermost's means.
type trouble struct {
	words  string        // for people, with what mends it
	pause  time.Duration // how long to leave alone what it is about
	server bool          // it is about the server or the token, and not about one room
	final  bool          // it is about this message alone, and trying again is of no use
}

// pauses: what a person must mend is asked again at this pace, what passes by
// itself soon.
const (
	untilMended = 5 * time.Minute
	untilBack   = 5 * time.Second
	longestHold = 10 * time.Minute
)

// diagnose puts an error into words. at is the room or the person, empty where it
// is about neither; webhook says which of the forms it was.
func diagnose(err error, host, at string, webhook bool) trouble {
	var away *awayError
	if errors.As(err, &away) {
		return trouble{words: fmt.Sprintf("%s could not be reached: %v", host, away), pause: untilBack, server: true}
	}
	var e *answerError
	if !errors.As(err, &e) {
		return trouble{words: err.Error()}
	}
	switch {
	case e.status == http.StatusTooManyRequests:
		return trouble{words: host + " asks to be sent less for a moment (429)", pause: max(e.after, time.Second), server: true}
	case e.status >= 500:
		return trouble{words: fmt.Sprintf("%s is in trouble: %v", host, e), pause: max(e.after, untilBack), server: true}
	case e.html:
		return trouble{words: host + " answered HTML: is this the address of a Mattermost server?", pause: time.Minute, server: true}
	case e.status >= 300 && e.status < 400:
		return trouble{words: fmt.Sprintf("%s leads elsewhere (%d): enter the address that it leads to", host, e.status), pause: time.Minute, server: true}
	case e.status == http.StatusUnauthorized && !webhook:
		return trouble{words: "the bot’s token was refused (401): make a new one in Mattermost under Integrations → Bot Accounts, and enter it under API → Mattermost", pause: untilMended, server: true}
	case at == "" && e.status == http.StatusNotFound:
		return trouble{words: host + " has no such thing as Mattermost’s API (404): is this the address of a Mattermost server?"}
	case at == "":
		return trouble{words: fmt.Sprintf("%s refused: %v", host, e)}
	case webhook && (e.status == http.StatusNotFound && strings.Contains(e.id, "channel")):
		return trouble{words: "Mattermost knows no such channel for the webhook of " + at + " (404): mend the channel override, or leave it empty", pause: untilMended}
	case webhook && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden || e.status == http.StatusNotFound || strings.Contains(e.id, "invalid")):
		return trouble{words: fmt.Sprintf("Mattermost does not take the webhook of %s (%v): make a new one under Integrations → Incoming Webhooks, and enter its URL", at, e), pause: untilMended}
	case e.status == http.StatusForbidden:
		return trouble{words: fmt.Sprintf("the bot may not post in %s (403): invite it into that team and channel", at), pause: untilMended}
	case e.status == http.StatusNotFound, strings.Contains(e.id, "deleted"), strings.Contains(e.id, "archived"):
		return trouble{words: fmt.Sprintf("the bot finds no %s (%v): was it renamed, archived or deleted? Mend the team and channel, or invite the bot", at, e), pause: untilMended}
	}
	return trouble{words: fmt.Sprintf("Mattermost refused the message for %s: %v", at, e), final: e.status >= 400 && e.status < 500}
}

// result is what the delivery worker is told.
func (t trouble) result() error {
	err := errors.New(t.words)
	switch {
	case t.final:
		return channel.Permanent(err)
	case t.pause > 0:
		return channel.RetryAfter(err, t.pause)
	}
	return err
}

// servers is what is to be left alone for a while, and what was found out about
// servers: who we are there, and the ids of channels. Another address or token is
// another server, so that what was mended is tried at once.
type servers struct {
	mu   sync.Mutex
	m    map[string]*knowledge
	hold map[string]hold // by room: one that does not exist need not be asked for each message
}

type knowledge struct {
	held     hold
	me       user
	channels map[string]string
}

type hold struct {
	until time.Time
	words string
}

// maxServers bounds what is kept: each change of settings may add one.
const maxServers = 50

func (s *servers) of(key string) *knowledge {
	if k := s.m[key]; k != nil {
		return k
	}
	if s.m == nil || len(s.m) >= maxServers {
		s.m = map[string]*knowledge{}
	}
	k := &knowledge{channels: map[string]string{}}
	s.m[key] = k
	return k
}

func (s *server) key() string { return chat.Hash(s.base + "\x00" + s.token) }

// held says whether a server, or a room of it, is to be left alone, as the answer
// to a delivery.
func (s *servers) held(sv *server, room string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range []hold{s.of(sv.key()).held, s.hold[roomKey(sv, room)]} {
		if left := h.until.Sub(now); left > 0 && left <= longestHold {
			return channel.RetryAfter(errors.New("not sent: "+h.words), left)
		}
	}
	return nil
}

func roomKey(sv *server, room string) string { return sv.key() + room }

// pause leaves alone what a trouble is about.
func (s *servers) pause(sv *server, room string, t trouble, now time.Time) {
	if t.pause <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := hold{now.Add(min(t.pause, longestHold)), t.words}
	if t.server {
		s.of(sv.key()).held = h
		return
	}
	if s.hold == nil || len(s.hold) >= maxRooms {
		s.hold = map[string]hold{}
	}
	s.hold[roomKey(sv, room)] = h
	// What is known of its channel may be why: it is looked up anew.
	clear(s.of(sv.key()).channels)
}

// release forgets every pause of a server and a room: somebody wants to know now.
func (s *servers) release(sv *server, room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(sv.key()).held = hold{}
	delete(s.hold, roomKey(sv, room))
	clear(s.of(sv.key()).channels)
}

func (s *servers) me(sv *server) user {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(sv.key()).me
}

func (s *servers) setMe(sv *server, u user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(sv.key()).me = u
}

func (s *servers) channel(sv *server, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(sv.key()).channels[name]
}

func (s *servers) setChannel(sv *server, name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.of(sv.key())
	if len(k.channels) >= maxRooms {
		clear(k.channels)
	}
	k.channels[name] = id
}

// who answers who we are at a server.
func (c *Channel) who(ctx context.Context, sv *server) (user, error) {
	if u := c.servers.me(sv); u.ID != "" {
		return u, nil
	}
	u, err := c.client.me(ctx, sv)
	if err == nil {
		c.servers.setMe(sv, u)
	}
	return u, err
}
