package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/hook"
	"tocsin/internal/web"
)

// WebhookIn is what a webhook is made of.
type WebhookIn struct {
	Name       string            `json:"name" minLength:"1" maxLength:"100" doc:"For people" example:"On-call phone"`
	Form       string            `json:"form" enum:"json,slack,msteams,ntfy,gotify,fields" doc:"What is posted: docs/webhooks.md"`
	URL        *string           `json:"url,omitempty" writeOnly:"true" maxLength:"2000" doc:"Where it is posted to; left out, it stays. Never shown"`
	Secret     *string           `json:"secret,omitempty" writeOnly:"true" maxLength:"500" doc:"Key of the signature; left out, it stays, empty removes it. Never shown"`
	Token      *string           `json:"token,omitempty" writeOnly:"true" maxLength:"500" doc:"Sent with it, as the form has it; left out, it stays, empty removes it. Never shown"`
	Topic      string            `json:"topic,omitempty" maxLength:"64" doc:"Of ntfy"`
	Template   map[string]any    `json:"template,omitempty" doc:"Of the form fields: a JSON object whose texts may name values, such as {{state}}"`
	Headers    map[string]string `json:"headers,omitempty" doc:"Sent with it. They are shown: nothing secret"`
	Everything bool              `json:"everything,omitempty" doc:"It gets every alert; else what rules, contacts and policies send there"`
	Disabled   bool              `json:"disabled,omitempty" doc:"Nothing is posted there"`
	Private    bool              `json:"private,omitempty" doc:"It may be in a network that is not public"`
	UseProxy   bool              `json:"use_proxy,omitempty" doc:"Through the outgoing proxy"`
}

// WebhookOut is a webhook that is told of alerts, without its secrets.
type WebhookOut struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Form        string            `json:"form" enum:"json,slack,msteams,ntfy,gotify,fields"`
	Host        string            `json:"host" doc:"Of its address, which is not shown" example:"hooks.slack.com"`
	HasURL      bool              `json:"has_url"`
	HasSecret   bool              `json:"has_secret"`
	HasToken    bool              `json:"has_token"`
	Topic       string            `json:"topic"`
	Template    map[string]any    `json:"template"`
	Headers     map[string]string `json:"headers"`
	Everything  bool              `json:"everything"`
	Disabled    bool              `json:"disabled"`
	Private     bool              `json:"private"`
	UseProxy    bool              `json:"use_proxy"`
	LastSent    *time.Time        `json:"last_sent" doc:"When a message was taken last"`
	LastError   string            `json:"last_error" doc:"What went wrong since then, and the mend; empty: nothing"`
	LastErrorAt *time.Time        `json:"last_error_at"`
	Created     time.Time         `json:"created"`
}

func webhookOut(h hook.Hook) WebhookOut {
	out := WebhookOut{
		ID: h.ID, Name: h.Name, Form: string(h.Form), Host: h.Host, HasURL: h.URL != "", HasSecret: h.Secret != "", HasToken: h.Token != "", Topic: h.Topic,
		Template: h.Template, Headers: h.Headers, Everything: h.Everything, Disabled: h.Disabled, Private: h.Private, UseProxy: h.UseProxy,
		LastSent: timeOut(h.LastSent), LastError: h.LastError, LastErrorAt: timeOut(h.LastErrorAt), Created: h.Created.UTC(),
	}
	if out.Template == nil {
		out.Template = map[string]any{}
	}
	if out.Headers == nil {
		out.Headers = map[string]string{}
	}
	return out
}

func (a *API) webhookRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[WebhookIn, WebhookOut, hook.Hook]{
		tag: "planning", path: "/webhooks", one: "webhook", many: "webhooks", read: readConfig(), write: access{scope: auth.Administer},
		list: st.Hooks, get: st.Hook, save: st.SaveHook, remove: st.DeleteHook, out: webhookOut, fill: a.fillWebhook,
		key: func(h hook.Hook) string { return strings.ToLower(h.Name) + "\x00" + h.ID },
	})
	test := route("planning", http.MethodPost, "/webhooks/{id}/test", "test-webhook", "Post a test message to a webhook")
	registerTry(a, test, st.Hook, func(ctx context.Context, h hook.Hook) (TriedOut, error) {
		got, err := a.d.TestHook(ctx, h)
		return TriedOut(got), err
	})
}

// fillWebhook makes a webhook of what was given; of one that is there, the secrets
// that were left out and what is known of it stay.
func (a *API) fillWebhook(ctx context.Context, id string, in WebhookIn) (hook.Hook, error) {
	was, err := a.d.Store.Hook(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		was = hook.Hook{ID: id, Created: a.d.Now().Truncate(time.Millisecond)}
	} else if err != nil {
		return was, err
	}
	return web.ChangedHook(was, hook.Hook{
		Name: strings.TrimSpace(in.Name), Form: hook.Form(in.Form), Topic: strings.TrimSpace(in.Topic), Template: in.Template, Headers: in.Headers,
		Everything: in.Everything, Disabled: in.Disabled, Private: in.Private, UseProxy: in.UseProxy,
	}, web.HookSecrets{URL: in.URL, Secret: in.Secret, Token: in.Token})
}
