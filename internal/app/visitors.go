package app

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/channel/email"
	"tocsin/internal/channel/webhook"
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
	a        *App
	settings kept[mail.Settings]
	mail     *email.Sender
	hooks    *webhook.Poster
	tokens   *visitor.Tokens
	teller   *tell.Teller
	visits   *visit.Visits // nil until there is a site
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

func (v *visitors) close() {
	v.mail.Close()
	v.hooks.Close()
}
