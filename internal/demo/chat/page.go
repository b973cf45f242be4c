package chat

import (
	"cmp"
	"embed"
	"encoding/json"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

//go:embed page
var pages embed.FS

// shown is how many posts of each channel a page gets when it opens.
const shown = 200

// Describe says in the page who a person is, next to their name.
func (s *Server) Describe(userID, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[userID].About = text
}

func (s *Server) pageRoutes(m *http.ServeMux) {
	files, err := fs.Sub(pages, "page")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	m.Handle("/", s.here(http.FileServerFS(files)))
	m.Handle("GET /chat/people", s.here(http.HandlerFunc(s.visitors)))
	m.Handle("GET /chat/state", s.here(http.HandlerFunc(s.state)))
	m.Handle("GET /chat/live", s.here(http.HandlerFunc(s.live)))
}

// here lets in who asks for this machine by name or number: a page of somewhere
// else whose name was made to lead here is not let in.
func (s *Server) here(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own, _ := url.Parse(s.URL())
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) && (own == nil || r.Host != own.Host) {
			http.Error(w, "the chat is shown at "+s.URL()+" only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// visitors are the people whom a visitor can be, with their sessions.
func (s *Server) visitors(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	out := []any{}
	for _, u := range s.people() {
		out = append(out, map[string]any{"id": u.ID, "name": u.Name, "display": u.Display, "about": u.About, "token": u.Token})
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, out)
}

// state is all that a user sees when a page opens.
func (s *Server) state(w http.ResponseWriter, r *http.Request) {
	userID, ok := s.session(r)
	if !ok {
		answer(w, http.StatusUnauthorized, noSession())
		return
	}
	s.mu.Lock()
	users := map[string]any{}
	for id, u := range s.users {
		users[id] = map[string]any{"name": u.Name, "display": u.Display, "bot": u.Bot}
	}
	channels := []any{}
	for _, c := range slices.SortedFunc(maps.Values(s.channels), func(a, b *room) int { return cmp.Or(cmp.Compare(b.Type, a.Type), cmp.Compare(a.Display, b.Display)) }) {
		if !c.members[userID] {
			continue
		}
		posts := []any{}
		for _, id := range c.order[max(0, len(c.order)-shown):] {
			posts = append(posts, s.posts[id].wire())
		}
		name, team := c.Display, ""
		for other := range c.members {
			if c.Type == "D" && other != userID {
				name = s.users[other].Display
			}
		}
		if t := s.teams[c.TeamID]; t != nil {
			team = t.Display
		}
		channels = append(channels, map[string]any{"id": c.ID, "name": name, "type": c.Type, "team": team, "posts": posts})
	}
	whispers := []any{}
	for _, p := range s.private[userID] {
		whispers = append(whispers, p.wire())
	}
	commands := []string{}
	for _, c := range s.commands {
		commands = append(commands, "/"+c.Trigger)
	}
	v := map[string]any{"me": userID, "users": users, "channels": channels, "private": whispers, "commands": commands}
	if d, ok := s.dialogs[userID]; ok {
		v["dialog"] = d
	}
	raw, err := json.Marshal(v)
	s.mu.Unlock()
	if err != nil {
		answer(w, http.StatusInternalServerError, badBody("state"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(raw)
}

// live is the event stream of one page.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	userID, ok := s.session(r)
	if !ok {
		answer(w, http.StatusUnauthorized, noSession())
		return
	}
	watcher := s.watch(userID)
	defer s.unwatch(watcher)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	beat := time.NewTicker(20 * time.Second)
	defer beat.Stop()
	frame := []byte(": hello\n\n")
	for {
		if _, err := w.Write(frame); err != nil || out.Flush() != nil {
			return
		}
		select {
		case data, more := <-watcher.frames:
			if !more {
				return
			}
			frame = append(append([]byte("data: "), data...), '\n', '\n')
		case <-beat.C:
			frame = []byte(": still here\n\n")
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		}
	}
}
