// Package chat is a chat server that behaves as Mattermost does towards bots,
// webhooks, buttons, dialogs and slash commands, failures included; with a page
// that looks like a chat. `tocsin demo` shows it, and tests stand on it. It is no
// Mattermost, and shares no code with one.
//
//	s := chat.New(chat.Options{})
//	defer s.Close()
//	if err := s.Start("127.0.0.1:0"); err != nil { … }
//	team := s.AddTeam("ops", "Operations")
//	room := s.AddChannel(team.ID, "alerts", "Alerts", false)
//	jane := s.AddUser("jane", "Jane Doe")
//	s.Join(room.ID, jane.ID)
//	bot, token := s.AddBot("tocsin", "Tocsin")
//	s.Join(room.ID, bot.ID)
//	hook := s.AddHook(room.ID, jane.ID, "Tocsin")           // hook.URL
//	command := s.AddCommand(team.ID, "tocsin", callbackURL) // command.Token
//
// What programs see is at URL() + "/api/v4/…" and "/hooks/…". What a person does
// in the page, a test does with Click, Submit, Cancel and Say; what they see is in
// Posts, Thread, Private and Dialog; Wait waits until something is there. Calls
// are the requests that the server made to integrations, Requests those that
// programs made to it.
//
// Fail makes the next requests fail: RateLimited, Broken, HTML, Lost (done, but
// its answer never arrives), Hanging. RevokeToken, Archive, RemoveChannel,
// RemovePost and AllowInternal do what administrators do.
//
// What it is strict about, because the real one is (*seen* on 5.37 unless said
// otherwise):
//
//   - ids of actions are letters and digits; a click on another is 404, silently;
//   - an action's context is shown to nobody, not even to the bot that made it;
//   - a click's answer must be 200 with JSON, within 30 s, else the person sees an
//     error (400). An update without props leaves the buttons; one with props
//     replaces all of them but from_webhook and override_…;
//   - a bot may edit its own posts only: 403 for those of a webhook, and for posts
//     that are gone (GET of such a one is 404);
//   - a trigger id opens dialogs for 3 s, and needs no other authentication;
//   - a webhook answers "ok" and no id, cuts long texts into several posts, and
//     turns <!channel> into @channel and <url|text> into a link;
//   - a backslash does not keep @channel from calling everybody: mentions are
//     looked for in the text as shown (from the source of 5.37);
//   - posting into an archived channel is 400, into one that is gone or that the
//     bot has not joined 403 (from the source);
//   - a message has at most 16,383 characters and all props 800,000 (from the
//     source); a webhook's longer attachment is cut.
package chat

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options are how a Server behaves; the zero value behaves as the real one.
type Options struct {
	ActionTimeout time.Duration    // for answers of integrations; 0: 30 s
	TriggerLife   time.Duration    // of trigger ids; 0: 3 s
	Keep          int              // posts kept in each channel; 0: 5000
	Now           func() time.Time // nil: time.Now
	Client        *http.Client     // for requests to integrations; nil: one that uses no proxy
	Log           *slog.Logger     // nil: none
	// Page serves the chat page at /, where a visitor is whom they choose to be:
	// for loopback only, and requests for another host than that are refused.
	Page bool
}

// Server is the chat. It is an http.Handler, and listens by itself after Start.
type Server struct {
	o      Options
	mux    *http.ServeMux
	client *http.Client
	key    []byte // signs trigger ids

	mu       sync.Mutex
	url      string
	changed  chan struct{} // closed at each change, then another
	teams    map[string]*Team
	users    map[string]*User
	tokens   map[string]string // token → id of its user
	channels map[string]*room
	posts    map[string]*post
	hooks    map[string]*Hook
	commands map[string]*Command
	replies  map[string]replyTo // response_url's id → where to
	dialogs  map[string]Dialog  // id of the user → the one that is open
	private  map[string][]Post  // id of the user → ephemeral messages
	faults   []*fault
	internal bool // integrations at loopback are allowed
	calls    []Call
	requests []Request
	watchers map[*watcher]bool

	server *http.Server
	served chan struct{}
	closed chan struct{}
	once   sync.Once
}

// New makes a server that does not listen yet.
func New(o Options) *Server {
	if o.ActionTimeout == 0 {
		o.ActionTimeout = 30 * time.Second
	}
	if o.TriggerLife == 0 {
		o.TriggerLife = 3 * time.Second
	}
	if o.Keep == 0 {
		o.Keep = 5000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o: o, client: o.Client, key: make([]byte, 32), internal: true,
		changed: make(chan struct{}), closed: make(chan struct{}),
		teams: map[string]*Team{}, users: map[string]*User{}, tokens: map[string]string{}, channels: map[string]*room{},
		posts: map[string]*post{}, hooks: map[string]*Hook{}, commands: map[string]*Command{}, replies: map[string]replyTo{},
		dialogs: map[string]Dialog{}, private: map[string][]Post{}, watchers: map[*watcher]bool{},
	}
	_, _ = rand.Read(s.key) // it never fails
	if s.client == nil {
		s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	}
	s.routes()
	return s
}

// Start listens at addr, host:port, and serves until Close.
func (s *Server) Start(addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("chat: listen at %s: %w", addr, err)
	}
	s.SetURL("http://" + l.Addr().String())
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.o.Log.Error("the chat server ended", "error", err)
		}
	}()
	return nil
}

// SetURL says where the server is reached, for who serves it without Start.
func (s *Server) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = url
}

// URL is where the server is reached, without a slash at the end.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Close ends it, with all requests that hang.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		if s.server != nil {
			_ = s.server.Close()
			<-s.served
		}
		s.client.CloseIdleConnections()
	})
}

// Wait waits until done, which is asked again after each change. It answers
// ctx's error when that ends first.
func (s *Server) Wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-s.closed:
			return errors.New("chat: closed")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// touch wakes those who wait; s.mu is held.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// ids are made of these characters, 26 of them, as Mattermost's are.
var ids = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

func newID() string {
	b := make([]byte, 16)
	_, _ = io.ReadFull(rand.Reader, b) // it never fails
	return ids.EncodeToString(b)
}

func (s *Server) millis() int64 { return s.o.Now().UnixMilli() }
