package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	"tocsin/internal/push"
	"tocsin/internal/store"
	"tocsin/internal/web"
	"tocsin/internal/web/api"
)

// webPush is Web Push put together: the connections, the sender, the channel
// for alerts, the fan-out for publications, and what they are told of keys and
// settings.
type webPush struct {
	db  *store.DB
	cfg config.Config
	log *slog.Logger

	settings kept[config.Settings]
	keys     kept[[]push.Key]

	tokens  *push.Tokens
	client  *wire.Client
	ready   *webpush.ReadyAhead
	sender  *webpush.Sender
	channel *webpush.Channel
	fanout  *webpush.Fanout
	garbage garbage

	mu      sync.Mutex
	figures map[string]push.ServiceFigures // not written yet, by origin
}

// tokenSecret is the name of the secret that the buttons' tokens are made with.
const tokenSecret = "push-token"

// newWebPush makes the key pair when there is none, and puts the parts
// together. Nothing runs yet. busy says whether there is better to do than to
// prepare messages.
func newWebPush(ctx context.Context, db *store.DB, cfg config.Config, log *slog.Logger, busy func() bool) (*webPush, error) {
	p := &webPush{garbage: garbage{tight: 1}, db: db, cfg: cfg, log: log, figures: map[string]push.ServiceFigures{}}
	p.settings = kept[config.Settings]{version: db.ConfigVersion, read: db.Settings}
	p.keys = kept[[]push.Key]{version: db.ConfigVersion, read: db.PushKeys}
	if err := p.ownKey(ctx); err != nil {
		return nil, err
	}
	secret, err := db.Secret(ctx, tokenSecret)
	if err != nil {
		return nil, fmt.Errorf("read the secret of notifications' buttons: %w", err)
	}
	if p.tokens, err = push.NewTokens(secret); err != nil {
		return nil, err
	}
	p.client = wire.New(wire.Options{Proxy: p.proxy, AllowPrivate: cfg.PushPrivate, Log: log})
	p.ready = webpush.NewReady(webpush.ReadyOptions{
		Max: p.readyMax, Next: db.SubscriptionsAfter, Busy: busy, Log: log,
		Devices: func(ctx context.Context) ([]push.Subscription, error) { return db.Devices(ctx, "") },
	})
	p.sender = webpush.NewSender(webpush.SenderOptions{
		Client: p.client, Keys: p.keys.get, Settings: p.settings.get, Subject: p.subject, Ready: p.ready, BaseURL: cfg.BaseURL, Log: log,
	})
	p.channel = webpush.New(p.sender, db, p.settings.get, cfg.BaseURL, p.tokens)
	p.fanout = webpush.NewFanout(p.sender, db, webpush.FanoutOptions{Node: cfg.Node, BaseURL: cfg.BaseURL, Log: log, Working: p.garbage.keepSmall})
	return p, nil
}

// ownKey sees to it that there is a current key: the one that is configured,
// else the one in the database, else a new one.
func (p *webPush) ownKey(ctx context.Context) error {
	keys, err := p.db.PushKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the keys of Web Push: %w", err)
	}
	var current *push.Key
	if len(keys) > 0 && keys[0].Retired.IsZero() {
		current = &keys[0]
	}
	given := p.cfg.VAPIDPublicKey != ""
	switch {
	case given:
		k, err := push.ParseKey(p.cfg.VAPIDPublicKey, p.cfg.VAPIDPrivateKey)
		if err != nil {
			return fmt.Errorf("the key pair of Web Push: %w", err)
		}
		if current != nil && current.ID == k.ID && current.Environment {
			return nil
		}
		k.Created, k.Environment = time.Now(), true
		if i := slices.IndexFunc(keys, func(old push.Key) bool { return old.ID == k.ID }); i >= 0 {
			k.Created = keys[i].Created
		}
		if current != nil && current.ID != k.ID {
			p.log.Info("the key of Web Push is another one now; devices move to it when their browsers come by, and the old one sends to them until then", "key_id", k.ID, "retired_key_id", current.ID)
		}
		return p.saveKey(ctx, k)
	case current == nil:
		k, err := push.GenerateKey(time.Now())
		if err != nil {
			return err
		}
		p.log.Info("a key pair for Web Push was made; it is kept in the database: back that up, or every device must subscribe anew", "public_key", k.Public)
		return p.saveKey(ctx, k)
	case current.Environment:
		k := *current
		k.Environment = false
		p.log.Info("VAPID_PUBLIC_KEY is not given any more; its pair, which the database has, goes on: back the database up", "key_id", k.ID)
		return p.saveKey(ctx, k)
	}
	return nil
}

func (p *webPush) saveKey(ctx context.Context, k push.Key) error {
	if err := p.db.SavePushKey(ctx, k); err != nil {
		return fmt.Errorf("keep the key of Web Push: %w", err)
	}
	return nil
}

// proxy is the outgoing proxy, nil when there is none; it is asked at each dial. The settings are at hand, or read in a moment.
func (p *webPush) proxy() *url.URL {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	text := p.cfg.PushProxy
	if s, err := p.settings.get(ctx); err == nil && s.PushProxy != "" {
		text = s.PushProxy
	}
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		// Both were checked when they were given. An address that leads nowhere is
		// better than going past the proxy.
		p.log.Error("the outgoing proxy cannot be read; nothing is sent through it")
		return &url.URL{Scheme: "http", Host: "proxy.invalid:1"}
	}
	return u
}

// subject is how push services reach who runs this, empty when nothing that
// they take is known.
func (p *webPush) subject(s config.Settings) string {
	base := ""
	if p.cfg.Secure() {
		base = p.cfg.BaseURL
	}
	subject, err := push.Subject(s.PushSubject, p.cfg.VAPIDSubject, base)
	if err != nil {
		return ""
	}
	return subject
}

// reach says whether a subject is known: without, nothing is sent.
func (p *webPush) reach(ctx context.Context) (bool, error) {
	s, err := p.settings.get(ctx)
	if err != nil {
		return false, fmt.Errorf("read settings: %w", err)
	}
	return p.subject(s) != "", nil
}

// readyMax is for how many devices messages are prepared.
func (p *webPush) readyMax() int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := p.settings.get(ctx)
	if err != nil || !s.WebPush {
		return 0
	}
	return s.PushReady
}

// figuresEvery is how often what became of messages is written.
const figuresEvery = 5 * time.Second

// writeFigures adds what became of messages to the database's figures, now and
// then; flush does it at the end.
func (p *webPush) writeFigures(ctx context.Context) error {
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.flush(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("figures of the push services not written; they are kept for the next time", "error", err)
		}
	}
}

func (p *webPush) flush(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.sender.DrainFigures() {
		p.figures[f.Origin] = sum(p.figures[f.Origin], f)
	}
	if len(p.figures) == 0 {
		return nil
	}
	out := make([]push.ServiceFigures, 0, len(p.figures))
	for _, f := range p.figures {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b push.ServiceFigures) int { return strings.Compare(a.Origin, b.Origin) })
	if err := p.db.AddServiceFigures(ctx, out); err != nil {
		return fmt.Errorf("add the figures of the push services: %w", err)
	}
	clear(p.figures)
	return nil
}

// sum adds two figures of one origin.
func sum(a, b push.ServiceFigures) push.ServiceFigures {
	b.Accepted += a.Accepted
	b.Gone += a.Gone
	b.Failed += a.Failed
	b.Retried += a.Retried
	b.Refused += a.Refused
	if a.LastSuccess.After(b.LastSuccess) {
		b.LastSuccess = a.LastSuccess
	}
	if a.LastFailure.After(b.LastFailure) {
		b.LastFailure, b.LastError = a.LastFailure, a.LastError
	}
	return b
}

// close ends the connections and writes the last figures. Everything that
// sends has ended before, so there is nothing to wait for.
func (p *webPush) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := p.client.Close(ctx); err != nil {
		p.log.Warn("connections to push services were cut off", "error", err)
	}
	if err := p.flush(ctx); err != nil {
		p.log.Warn("the last figures of the push services are lost", "error", err)
	}
}

// services are those that the database knows, with how they stand here.
func (p *webPush) services(ctx context.Context) ([]web.PushService, error) {
	all, err := p.db.ServiceFigures(ctx)
	if err != nil {
		return nil, err
	}
	states := map[string]webpush.ServiceState{}
	for _, s := range p.sender.Services() {
		states[s.Origin] = s
		if !slices.ContainsFunc(all, func(f push.ServiceFigures) bool { return f.Origin == s.Origin }) {
			all = append(all, push.ServiceFigures{Origin: s.Origin}) // its figures come with the next flush
		}
	}
	now := time.Now()
	out := make([]web.PushService, 0, len(all))
	for _, f := range all {
		s := web.PushService{ServiceFigures: f, State: "open"}
		switch st := states[f.Origin]; {
		case !st.Breaker.IsZero(): // also when its time has come, until it takes our key
			s.State, s.Until, s.Why = "stopped", st.Breaker, st.Why
		case st.Pause.After(now):
			s.State, s.Until, s.Why = "paused", st.Pause, st.Why
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b web.PushService) int { return strings.Compare(a.Origin, b.Origin) })
	return out, nil
}

// testWithin bounds a test, so that it is answered before the page gives up.
const testWithin = 8 * time.Second

// test sends a test to one device.
func (p *webPush) test(ctx context.Context, s push.Subscription) (web.PushTest, error) {
	settings, err := p.settings.get(ctx)
	if err != nil {
		return web.PushTest{}, fmt.Errorf("read settings: %w", err)
	}
	if !settings.WebPush {
		return web.PushTest{Detail: "Web Push is switched off; switch it on in Settings → Notifications."}, nil
	}
	short, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	r := p.channel.SendTest(short, s)
	out := web.PushTest{Accepted: r.Verdict == webpush.Sent, Status: r.Status, Detail: r.Detail}
	if !out.Accepted && errors.Is(short.Err(), context.DeadlineExceeded) {
		out.Detail = fmt.Sprintf("The push service did not answer within %.0f seconds: look whether this machine reaches it, and at the outgoing proxy in Settings → Notifications.", testWithin.Seconds())
	}
	return out, nil
}

// checkToken says what a notification's button may do.
func (p *webPush) checkToken(_ context.Context, token string) (push.Action, error) {
	return p.tokens.Check(token, time.Now())
}

// forAPI is what the API gets of it.
func (p *webPush) forAPI() api.Push {
	return api.Push{Keys: p.keys.get, KeysChanged: p.keys.forget, CheckToken: p.checkToken, Reach: p.reach, Test: p.test, Services: p.services}
}

// keepRetired is for how long a key that no device is bound to is kept after it
// was retired: a page that was loaded before may still subscribe with it.
const keepRetired = 7 * 24 * time.Hour

// dropKeys forgets retired keys that nobody is bound to any more.
func (p *webPush) dropKeys(ctx context.Context, now time.Time) error {
	keys, err := p.db.PushKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the keys of Web Push: %w", err)
	}
	for _, k := range keys {
		if k.Retired.IsZero() || k.Subscriptions > 0 || now.Sub(k.Retired) < keepRetired {
			continue
		}
		if err := p.db.DeletePushKey(ctx, k.ID); err != nil {
			return fmt.Errorf("forget the key %s: %w", k.ID, err)
		}
		p.log.Info("a retired key of Web Push, to which no device was bound any more, is forgotten", "key_id", k.ID)
	}
	return nil
}

// kept is something of the configuration that is read again when that changed.
type kept[T any] struct {
	version func() int64
	read    func(ctx context.Context) (T, error)

	mu    sync.Mutex
	at    int64
	have  bool
	value T
}

// get answers the value; the one before when it cannot be read now, because a
// database that is away for a moment must not stop what is being sent.
func (k *kept[T]) get(ctx context.Context) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.version()
	if k.have && k.at == v {
		return k.value, nil
	}
	value, err := k.read(ctx)
	if err != nil {
		if k.have {
			return k.value, nil
		}
		return value, err
	}
	k.value, k.at, k.have = value, v, true
	return value, nil
}

// forget has the next get read.
func (k *kept[T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = -1
}
