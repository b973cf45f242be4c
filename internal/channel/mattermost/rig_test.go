package mattermost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	demo "tocsin/internal/demo/chat"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/test/database"
)

const (
	botRoom  = "room-bot"
	hookRoom = "room-hook"
)

// rig is a channel with the real store and dispatch on one side and a chat server
// that behaves as Mattermost on the other.
type rig struct {
	testing.TB
	db      *store.DB
	hub     *dispatch.Service
	mm      *demo.Server
	ch      *mattermost.Channel
	web     *httptest.Server // where Mattermost calls us
	desk    *desk
	log     *safeBuffer
	shift   atomic.Int64 // how far our clock is ahead
	proxy   atomic.Pointer[url.URL]
	team    demo.Team
	town    demo.Channel
	jane    demo.User
	bot     demo.User
	token   string
	hook    demo.Hook
	command demo.Command
	n       atomic.Int64
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{TB: t, log: &safeBuffer{}, mm: demo.New(demo.Options{})}
	r.must(r.mm.Start("127.0.0.1:0"))
	t.Cleanup(r.mm.Close)
	var err error
	r.db, err = store.Open(t.Context(), store.Options{URL: database.SQLite(t), Node: "test"})
	r.must(err)
	t.Cleanup(func() { r.must(r.db.Close()) })

	r.team = r.mm.AddTeam("ops", "Operations")
	r.town = r.mm.AddChannel(r.team.ID, "alerts", "Alerts", false)
	r.jane = r.mm.AddUser("jane", "Jane Doe")
	r.bot, r.token = r.mm.AddBot("tocsin", "Tocsin")
	r.mm.Join(r.town.ID, r.jane.ID, r.bot.ID)
	r.hook = r.mm.AddHook(r.town.ID, r.jane.ID, "Tocsin")

	r.must(r.db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now(),
		WriteBack: source.WriteBack{Kind: "command_file", CommandFile: "/nowhere/nagios.cmd"}}))
	r.must(r.db.SaveUser(t.Context(), auth.User{ID: "user-jane", Name: "jane", Role: auth.Operator, CreatedAt: time.Now()}))
	c := contact.NewContact("jane")
	c.ID, c.UserID = "contact-jane", "user-jane"
	r.must(r.db.SaveContact(t.Context(), c))
	r.must(r.db.SavePerson(t.Context(), chat.Person{UserID: r.jane.ID, Name: "jane", ContactID: c.ID, Linked: time.Now()}))

	r.hub = dispatch.New(r.db, dispatch.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.hub.Run(ctx) }()
	t.Cleanup(func() { cancel(); r.must(<-done) })

	r.desk = &desk{r: r}
	r.desk.valid.Store(true)
	r.desk.may.Store(true)
	r.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.ch.Callback().ServeHTTP(w, q) }))
	t.Cleanup(r.web.Close)
	r.command = r.mm.AddCommand(r.team.ID, "tocsin", r.web.URL+"/callback/mattermost/command")
	r.settings(func(*chat.Settings) {})
	for _, room := range []chat.Room{
		{ID: botRoom, Name: "Operations", Kind: chat.Bot, Team: "ops", Channel: "alerts", Created: time.Now()},
		{ID: hookRoom, Name: "Simple", Kind: chat.Webhook, WebhookURL: r.hook.URL, Created: time.Now()},
	} {
		r.must(r.db.SaveRoom(t.Context(), room))
	}
	r.renew()
	return r
}

// renew makes the channel anew, as after a restart.
func (r *rig) renew() {
	r.ch = mattermost.New(mattermost.Options{
		Store: r.db, Desk: r.desk, BaseURL: r.web.URL, Now: r.now, Proxy: r.proxy.Load,
		Log: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) settings(change func(*chat.Settings)) {
	r.Helper()
	s := chat.Settings{Enabled: true, ServerURL: r.mm.URL(), TwoWay: true, CallbackURL: r.web.URL, BotToken: r.token, CommandHashes: []string{chat.Hash(r.command.Token)}}
	change(&s)
	r.must(r.db.SaveChatSettings(r.Context(), s))
}

// problem opens an alert of a new host, or changes that of one.
func (r *rig) event(host string, typ alert.Type, state alert.State, output string) alert.Alert {
	r.Helper()
	receipts, err := r.hub.Receive(r.Context(), "s1", []alert.Event{{
		Object: alert.Object{Host: host, Service: "HTTP"}, Type: typ, State: state, Output: output, Origin: alert.FromEngine,
		Time: time.Now(), CallID: fmt.Sprint("call-", r.n.Add(1)),
	}})
	r.must(err)
	return r.alert(receipts[0].AlertID)
}

func (r *rig) firing() alert.Alert {
	r.Helper()
	return r.event(fmt.Sprintf("web%02d", r.n.Add(1)), alert.Problem, alert.Critical, "connection refused")
}

func (r *rig) alert(id string) alert.Alert {
	r.Helper()
	a, err := r.db.Alert(r.Context(), id)
	r.must(err)
	return a
}

// message is a delivery about an alert as it is now.
func (r *rig) message(destination string, a alert.Alert, n alert.Notice, e alert.Event) channel.Message {
	e.ID, e.AlertID, e.Object = uuid.NewString(), a.ID, a.Object
	return channel.Message{
		DeliveryID: uuid.NewString(), Attempt: 1, Notice: n, Event: e, Object: a.Object, Alert: &a,
		Destination: destination, DestinationName: "Operations", Asked: r.now(), ExpiresAt: r.now().Add(time.Hour),
	}
}

func (r *rig) opened(destination string, a alert.Alert) channel.Message {
	return r.message(destination, a, alert.NoticeProblem, alert.Event{Type: alert.Problem, Outcome: alert.Opened, State: a.State, Origin: alert.FromEngine})
}

// send sends one message.
func (r *rig) send(m channel.Message) *channel.SendError {
	r.Helper()
	errs := r.ch.SendAll(r.Context(), []channel.Message{m})
	if len(errs) != 1 || errs[0] == nil {
		r.Fatalf("answered %v", errs)
	}
	return channel.As(errs[0])
}

// posted sends a problem, and answers the post that stands there then.
func (r *rig) posted(destination string, a alert.Alert) demo.Post {
	r.Helper()
	before := len(r.mm.Posts(r.town.ID))
	if e := r.send(r.opened(destination, a)); !e.Accepted {
		r.Fatalf("%+v", e)
	}
	posts := r.mm.Posts(r.town.ID)
	if len(posts) != before+1 {
		r.Fatalf("%d posts instead of %d", len(posts), before+1)
	}
	return posts[before]
}

func (r *rig) post(id string) demo.Post {
	r.Helper()
	p, ok := r.mm.Post(id)
	if !ok {
		r.Fatal("there is no such post")
	}
	return p
}

// click clicks as jane, and answers what she alone reads.
func (r *rig) click(p demo.Post, action, option string) string {
	r.Helper()
	before := len(r.mm.Private(r.jane.ID))
	r.must(r.mm.Click(r.Context(), r.jane.ID, p.ID, action, option))
	said := r.mm.Private(r.jane.ID)
	if len(said) == before {
		return ""
	}
	return said[len(said)-1].Message
}

// patient has a limit: what hangs must fail its test and not hang all of them.
var patient = &http.Client{Timeout: time.Minute}

// forge sends a click to us as anybody could.
func (r *rig) forge(path string, body any) (status int, answer map[string]any) {
	r.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		raw, err = json.Marshal(body)
		r.must(err)
	}
	res, err := patient.Post(r.web.URL+"/callback/mattermost/"+path, "application/json", bytes.NewReader(raw))
	r.must(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	r.must(err)
	_ = json.Unmarshal(text, &answer)
	return res.StatusCode, answer
}

// body is what Mattermost would send for a click.
func (r *rig) body(p demo.Post, action string) map[string]any {
	r.Helper()
	in, ok := r.mm.Secrets(p.ID, action)
	if !ok {
		r.Fatalf("there is no button %s", action)
	}
	return map[string]any{
		"user_id": r.jane.ID, "user_name": "jane", "channel_id": p.ChannelID, "post_id": p.ID, "team_id": r.team.ID,
		"trigger_id": "x", "type": "button", "context": in.Context,
	}
}

func (r *rig) say(line string) string {
	r.Helper()
	said, err := r.mm.Say(r.Context(), r.jane.ID, r.town.ID, "", line)
	r.must(err)
	return said
}

// desk does things through the real dispatch, as the program's own desk does.
type desk struct {
	r          *rig
	valid, may atomic.Bool
	barred     atomic.Bool
	rotas      atomic.Pointer[[]mattermost.Rota]
	slow       atomic.Int64 // how many requests dispatch is to be too busy for
}

func (d *desk) refusal(err error) error {
	for theirs, ours := range map[error]error{
		dispatch.ErrNotOpen: mattermost.ErrNotOpen, dispatch.ErrAckedBefore: mattermost.ErrAcked,
		dispatch.ErrNotAcked: mattermost.ErrNotAcked, fault.ErrNotFound: mattermost.ErrNotFound,
	} {
		if errors.Is(err, theirs) {
			return ours
		}
	}
	return err
}

func (d *desk) Acknowledge(ctx context.Context, id string, who mattermost.Actor, comment string, until time.Time, sticky *bool) (alert.Alert, error) {
	if d.slow.Add(-1) >= 0 {
		return alert.Alert{}, mattermost.ErrBusy
	}
	a, err := d.r.hub.Acknowledge(ctx, id, dispatch.AckRequest{
		UserID: who.UserID, Author: who.Name, Comment: comment, Origin: alert.FromMattermost, Until: until, Sticky: sticky != nil && *sticky,
	})
	return a, d.refusal(err)
}

func (d *desk) Unacknowledge(ctx context.Context, id string, who mattermost.Actor) (alert.Alert, error) {
	a, err := d.r.hub.Unacknowledge(ctx, id, dispatch.AckRequest{UserID: who.UserID, Author: who.Name, Origin: alert.FromMattermost})
	return a, d.refusal(err)
}

func (d *desk) Snooze(ctx context.Context, id string, who mattermost.Actor, destination string, length time.Duration) (time.Time, error) {
	s := dispatch.SnoozeRequest{UserID: who.UserID, Author: who.Name, For: length, Origin: alert.FromMattermost, RoomDestinations: []string{destination}}
	if who.ContactID != "" {
		s.ContactIDs = []string{who.ContactID}
	}
	until, err := d.r.hub.Snooze(ctx, id, s)
	return until, d.refusal(err)
}

func (d *desk) Open(ctx context.Context, text string, limit int) ([]alert.Alert, int, error) {
	all, next, err := d.r.db.Alerts(ctx, alert.Filter{Status: []alert.Status{alert.Firing, alert.Acknowledged}, Search: text, Limit: limit})
	if next != "" {
		return all, mattermost.Many, err
	}
	return all, len(all), err
}

func (d *desk) Alert(ctx context.Context, id string) (alert.Alert, error) {
	a, err := d.r.db.Alert(ctx, id)
	return a, d.refusal(err)
}

func (d *desk) Find(ctx context.Context, short string) ([]alert.Alert, error) {
	return d.r.db.FindAlerts(ctx, short, 10)
}

func (d *desk) Rotas(context.Context) ([]mattermost.Rota, error) {
	if rotas := d.rotas.Load(); rotas != nil {
		return *rotas, nil
	}
	return nil, nil
}

func (d *desk) OnCall(context.Context) ([]mattermost.OnCall, error) {
	return []mattermost.OnCall{{Contact: "jane *doe*", Now: true}, {Contact: "night", Until: at}}, nil
}

func (d *desk) Who(ctx context.Context, id string) (mattermost.Actor, error) {
	p, err := d.r.db.Person(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		return mattermost.Actor{}, nil
	}
	return mattermost.Actor{UserID: "user-jane", ContactID: p.ContactID, Name: "Jane Doe", Linked: true, May: d.may.Load() && !d.barred.Load(), Barred: d.barred.Load()}, err
}

func (d *desk) EngineName(context.Context, string) string { return "Nagios north" }
func (d *desk) KeyValid(context.Context) (bool, error)    { return d.valid.Load(), nil }

// safeBuffer is a log that several may write.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
