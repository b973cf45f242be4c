package app

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/channel/email"
	"tocsin/internal/channel/webhook"
	"tocsin/internal/health"
	"tocsin/internal/mail"
	"tocsin/internal/markdown"
	"tocsin/internal/tell"
	"tocsin/internal/visitor"
	"tocsin/internal/web"
	"tocsin/internal/web/page"
	"tocsin/internal/web/visit"
)

// visitors is telling visitors by e-mail and webhook put together.
type visitors struct {
	a           *App
	settings    kept[mail.Settings]
	mail        *email.Sender
	hooks       *webhook.Poster
	tokens      *visitor.Tokens
	teller      *tell.Teller
	visits      *visit.Visits // nil until there is a site
	counting    sync.Mutex    // over the two below
	subscribers int           // by e-mail, as they were counted last
	counted     time.Time

	posted [3]atomic.Int64 // by webhook.Verdict
}

// visitorSecret is the name of the secret that visitors' links are made with.
const visitorSecret = "visitor-link"

func newVisitors(ctx context.Context, a *App) (*visitors, error) {
	secret, err := a.db.Secret(ctx, visitorSecret)
	if err != nil {
		return nil, err //nolint:wrapcheck // says which secret
	}
	v := &visitors{a: a}
	if v.tokens, err = visitor.NewTokens(secret); err != nil {
		return nil, err //nolint:wrapcheck // the constructor's own words
	}
	v.settings = kept[mail.Settings]{version: a.db.ConfigVersion, read: a.db.MailSettings}
	v.mail = email.New(email.Options{Settings: v.settings.get, Log: a.log})
	v.hooks = webhook.New(webhook.Options{Private: a.cfg.WebhookPrivate, Proxy: a.push.proxy, Agent: "Tocsin/" + Version})
	v.teller, err = tell.New(tell.Options{Store: a.db, Mail: v.mail.Send, Post: v.post, Tokens: v.tokens, Text: markdown.New(), Pages: a.db.StatusPages, BaseURL: a.cfg.BaseURL,
		Node: a.cfg.Node, Log: a.log})
	if err != nil {
		return nil, err //nolint:wrapcheck // the constructor's own words
	}
	a.db.OnWake("visitor", v.teller.Wake)
	a.db.OnWake("config", v.teller.Wake)
	return v, nil
}

// at says where they are answered.
func (v *visitors) at(site *page.Site) {
	v.visits = visit.New(visit.Options{Store: v.a.db, Site: site, Tokens: v.tokens, Ways: v.ways, Private: v.a.cfg.WebhookPrivate, Secret: webhook.Secret, Log: v.a.log})
}

func (v *visitors) handle(w http.ResponseWriter, r *http.Request) bool { return v.visits.Handle(w, r) }

// ways are how visitors can subscribe now.
func (v *visitors) ways() page.Ways {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return page.Ways{Email: v.mail.On(ctx), Webhook: true}
}

// post adapts the one's words to the other's.
func (v *visitors) post(ctx context.Context, m tell.Message) tell.Reply {
	r := v.hooks.Post(ctx, webhook.Request{URL: m.URL, ID: m.ID, Secret: m.Secret, Body: m.Body})
	v.posted[r.Verdict].Add(1)
	verdict := map[webhook.Verdict]tell.Verdict{webhook.Sent: tell.Sent, webhook.Gone: tell.Gone, webhook.Later: tell.Later}[r.Verdict]
	return tell.Reply{Verdict: verdict, Detail: r.Detail, After: r.After, Body: r.Body}
}

// testMail sends a test by settings that need not be saved.
func (v *visitors) testMail(ctx context.Context, s mail.Settings, to string) (web.MailTest, error) {
	short, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	r := v.mail.Test(short, s, tell.TestLetter(to, time.Now()))
	if r.Verdict == mail.Sent {
		return web.MailTest{OK: true, Detail: "The mail server took the letter."}, nil
	}
	return web.MailTest{Detail: sentence(r.Detail)}, nil
}

// facts are how letters fare.
func (v *visitors) facts(ctx context.Context) *health.Mail {
	s := v.mail.State()
	m := &health.Mail{Enabled: v.mail.On(ctx), LastOK: s.LastOK, Failing: s.Failing, Problem: s.Problem}
	v.counting.Lock()
	defer v.counting.Unlock()
	if time.Since(v.counted) < countFor {
		m.Subscribers = v.subscribers
		return m
	}
	counts, err := v.a.db.VisitorCounts(ctx, "")
	if err != nil {
		return nil // the database's part says so
	}
	for _, c := range counts {
		if c.Channel == visitor.Email {
			m.Subscribers += c.Confirmed
		}
	}
	v.subscribers, v.counted = m.Subscribers, time.Now()
	return m
}

// countFor is how long a count of all subscribers is good for: there may be many.
const countFor = time.Minute

// figures are for Prometheus.
func (v *visitors) figures(count, gauge func(name, help string, v float64, kv ...string)) {
	for result, n := range v.mail.Stats() {
		count("tocsin_mail_letters_total", "Letters that were brought to the mail server, by what became of the attempt.", float64(n), "result", result)
	}
	gauge("tocsin_mail_failing", "1 when no letter gets through.", truth(!v.mail.State().Failing.IsZero()))
	for verdict, result := range map[webhook.Verdict]string{webhook.Sent: "sent", webhook.Gone: "gone", webhook.Later: "later"} {
		count("tocsin_visitor_webhooks_total", "Messages posted to webhooks of visitors, by what became of the attempt.", float64(v.posted[verdict].Load()), "result", result)
	}
}

func (v *visitors) close() {
	v.mail.Close()
	v.hooks.Close()
}
