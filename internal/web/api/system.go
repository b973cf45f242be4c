package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/health"
	"tocsin/internal/storm"
)

// MeOut is who makes the request.
type MeOut struct {
	UserID      string   `json:"user_id" doc:"Empty for an API key"`
	Name        string   `json:"name"`
	DisplayName string   `json:"display_name"`
	Role        string   `json:"role" doc:"Empty for an API key"`
	Scopes      []string `json:"scopes" doc:"What it may do"`
}

// SettingsIO is what people change in daily life. On PUT, what is left out
// stays as it is.
type SettingsIO struct {
	AutoClose          map[string]int `json:"auto_close,omitempty" doc:"Seconds that a notification stays, by state and kind; 0: until it is closed"`
	BrowserTTL         *int           `json:"browser_ttl_minutes,omitempty" doc:"Minutes that a notification waits for a tab to open" example:"480"`
	CollapseAfter      *int           `json:"collapse_after,omitempty" doc:"How many missed notifications are shown one by one" example:"5"`
	RetentionDays      *int           `json:"retention_days,omitempty" doc:"How long resolved alerts are kept" example:"400"`
	AuditDays          *int           `json:"audit_days,omitempty" doc:"How long the audit trail is kept" example:"400"`
	AckSticky          *bool          `json:"ack_sticky,omitempty" doc:"Acknowledgements stay until recovery unless said otherwise"`
	SourceQuietMinutes *int           `json:"source_quiet_minutes,omitempty" doc:"Warn of a source that said nothing for so long; 0: never"`
	PingURL            *string        `json:"ping_url,omitempty" writeOnly:"true" maxLength:"2000" doc:"Is told that all is well, and at /fail below it what is not; with {status} in it, up or down stands there. Left out, it stays, empty removes it. Never shown"`
	HasPingURL         *bool          `json:"has_ping_url,omitempty" readOnly:"true"`
	PingEvery          *int           `json:"ping_every_seconds,omitempty" doc:"So often, 10 to 86400" example:"60"`

	WebPush     *bool             `json:"webpush_enabled,omitempty" doc:"Tell devices by Web Push"`
	PushSubject *string           `json:"push_subject,omitempty" doc:"How push services reach who runs this, mailto: or https:; empty: VAPID_SUBJECT, else the base URL" example:"mailto:ops@example.org"`
	PushHosts   []string          `json:"push_hosts" required:"false" doc:"Push services besides those of the browsers' makers, host or host:port; given, it replaces the list"`
	PushProxy   *string           `json:"push_proxy,omitempty" doc:"Outgoing proxy, http://host:port; empty: TOCSIN_PUSH_PROXY, else none. Mattermost and engines go through it where that is switched on"`
	PushUrgency map[string]string `json:"push_urgency,omitempty" doc:"very-low, low, normal or high, by state and kind"`
	PushTTL     *int              `json:"push_ttl_minutes,omitempty" doc:"Minutes that a push service keeps a message for a device that is off, 1 to 40320 (28 days)" example:"240"`
	PushReady   *int              `json:"push_ready_max,omitempty" doc:"For how many devices the next message is prepared ahead, 1000000 at most; 0: none" example:"20000"`

	MattermostTTL *int `json:"mattermost_ttl_minutes,omitempty" doc:"Minutes that it is tried to post a notification in Mattermost, 1 to 43200 (30 days)" example:"240"`
	MailTTL       *int `json:"mail_ttl_minutes,omitempty" doc:"Minutes that it is tried to send an e-mail, 1 to 43200 (30 days)" example:"1440"`
	HookTTL       *int `json:"hook_ttl_minutes,omitempty" doc:"Minutes that it is tried to post to a webhook, 1 to 43200 (30 days)" example:"240"`

	Storm         *StormIO           `json:"storm,omitempty" doc:"When alerts are told together: docs/storms.md"`
	StormBySource map[string]StormIO `json:"storm_by_source,omitempty" doc:"Rules of single sources, by id; given, it replaces all of them. What one leaves out is as in storm, and so are place and regain always"`
	FlapChanges   *int               `json:"flap_changes,omitempty" doc:"After how many changes within flap_minutes an object counts as flapping where its engine does not say so, 3 to 20; 0: never" example:"6"`
	FlapMinutes   *int               `json:"flap_minutes,omitempty" doc:"1 to 1440" example:"15"`
	AckLinkHours  *int               `json:"ack_link_hours,omitempty" doc:"For how long the link in a letter may be used to acknowledge, 1 to 168; 0: letters have none" example:"4"`
	Passkeys      *string            `json:"passkeys,omitempty" enum:"optional,admins" doc:"Who needs a passkey besides the password: whoever has one, or administrators too, from the next sign-in on"`
}

// StormIO says when it is a storm; what is left out stays as it is. Times are in
// seconds.
type StormIO struct {
	Off     *bool   `json:"off,omitempty" doc:"Everything is told one by one"`
	By      *string `json:"by,omitempty" maxLength:"120" doc:"What is of a kind: source, host, or label: and the name of a label" example:"source"`
	Burst   *int    `json:"burst,omitempty" doc:"How many of a kind are told one by one" example:"5"`
	Refill  *int    `json:"refill,omitempty" doc:"After so long one more is" example:"20"`
	Place   *int    `json:"place,omitempty" doc:"How many of all kinds are told one by one, to one contact by one channel" example:"15"`
	Regain  *int    `json:"regain,omitempty" doc:"After so long one more is" example:"10"`
	Wait    *int    `json:"wait,omitempty" doc:"What is collected is told so long after the last of it" example:"10"`
	AtMost  *int    `json:"at_most,omitempty" doc:"And at most so long after the first" example:"60"`
	Again   *int    `json:"again,omitempty" doc:"A storm's message is told anew after so long, at the soonest" example:"30"`
	CalmFor *int    `json:"calm,omitempty" doc:"A storm is over when nothing came for so long" example:"300"`
}

func stormOut(r storm.Rules) *StormIO {
	return &StormIO{Off: &r.Off, By: &r.By, Burst: &r.Burst, Refill: &r.Refill, Place: &r.Place, Regain: &r.Regain, Wait: &r.Wait, AtMost: &r.AtMost, Again: &r.Again, CalmFor: &r.CalmFor}
}

func (in *StormIO) into(r *storm.Rules) {
	if in == nil {
		return
	}
	set(&r.Off, in.Off)
	set(&r.By, in.By)
	set(&r.Burst, in.Burst)
	set(&r.Refill, in.Refill)
	set(&r.Place, in.Place)
	set(&r.Regain, in.Regain)
	set(&r.Wait, in.Wait)
	set(&r.AtMost, in.AtMost)
	set(&r.Again, in.Again)
	set(&r.CalmFor, in.CalmFor)
}

func settingsOut(s config.Settings, pinged bool) SettingsIO {
	var bySource map[string]StormIO
	for id, r := range s.StormBySource {
		if bySource == nil {
			bySource = make(map[string]StormIO, len(s.StormBySource))
		}
		bySource[id] = *stormOut(r)
	}
	return SettingsIO{
		AutoClose: s.AutoClose, BrowserTTL: &s.BrowserTTL, CollapseAfter: &s.CollapseAfter,
		RetentionDays: &s.RetentionDays, AuditDays: &s.AuditDays, AckSticky: &s.AckSticky, SourceQuietMinutes: &s.SourceQuietMinutes,
		HasPingURL: &pinged, PingEvery: &s.PingEvery,
		WebPush: &s.WebPush, PushSubject: &s.PushSubject, PushHosts: words(s.PushHosts), PushProxy: &s.PushProxy,
		PushUrgency: s.PushUrgency, PushTTL: &s.PushTTL, PushReady: &s.PushReady,
		MattermostTTL: &s.MattermostTTL, MailTTL: &s.MailTTL, HookTTL: &s.HookTTL, Storm: stormOut(s.Storm), StormBySource: bySource,
		FlapChanges: &s.FlapChanges, FlapMinutes: &s.FlapMinutes, AckLinkHours: &s.AckLinkHours, Passkeys: &s.Passkeys,
	}
}

func (in SettingsIO) into(s *config.Settings) {
	s.AutoClose = merged(s.AutoClose, in.AutoClose)
	s.PushUrgency = merged(s.PushUrgency, in.PushUrgency)
	set(&s.BrowserTTL, in.BrowserTTL)
	set(&s.CollapseAfter, in.CollapseAfter)
	set(&s.RetentionDays, in.RetentionDays)
	set(&s.AuditDays, in.AuditDays)
	set(&s.SourceQuietMinutes, in.SourceQuietMinutes)
	set(&s.PingEvery, in.PingEvery)
	set(&s.AckSticky, in.AckSticky)
	set(&s.WebPush, in.WebPush)
	set(&s.PushSubject, in.PushSubject)
	set(&s.PushProxy, in.PushProxy)
	set(&s.PushTTL, in.PushTTL)
	set(&s.PushReady, in.PushReady)
	set(&s.MattermostTTL, in.MattermostTTL)
	set(&s.MailTTL, in.MailTTL)
	set(&s.HookTTL, in.HookTTL)
	set(&s.FlapChanges, in.FlapChanges)
	set(&s.FlapMinutes, in.FlapMinutes)
	set(&s.AckLinkHours, in.AckLinkHours)
	set(&s.Passkeys, in.Passkeys)
	in.Storm.into(&s.Storm)
	if in.StormBySource != nil {
		s.StormBySource = make(map[string]storm.Rules, len(in.StormBySource))
		for id, given := range in.StormBySource {
			r := s.Storm
			given.into(&r)
			s.StormBySource[id] = r
		}
	}
	if in.PushHosts != nil {
		s.PushHosts = in.PushHosts
	}
}

// set takes what was given.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// merged is a map of its own: what was, and over it what was given.
func merged[T any](was, given map[string]T) map[string]T {
	out := make(map[string]T, len(was)+len(given))
	for k, v := range was {
		out[k] = v
	}
	for k, v := range given {
		out[k] = v
	}
	return out
}

// WarningOut is one thing that is not well.
type WarningOut struct {
	Part    string `json:"part" example:"database"`
	Problem string `json:"problem"`
	Mend    string `json:"mend" doc:"What to do"`
	Vital   bool   `json:"vital" doc:"The hub itself does not take, store or tell; the ping to the outside says so"`
}

// PartOut is one thing that works in Tocsin, or does not.
type PartOut struct {
	Name    string      `json:"name" example:"delivery"`
	Title   string      `json:"title"`
	OK      bool        `json:"ok"`
	Detail  string      `json:"detail"`
	Last    *time.Time  `json:"last" doc:"Its last sign of life"`
	Figures []FigureOut `json:"figures"`
}

// FigureOut is one figure of a part, for people.
type FigureOut struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// HealthOut says whether Tocsin itself is well.
type HealthOut struct {
	OK       bool         `json:"ok" doc:"No warnings"`
	Ready    bool         `json:"ready" doc:"Fit to take requests"`
	At       time.Time    `json:"at"`
	Node     string       `json:"node"`
	Version  string       `json:"version"`
	Warnings []WarningOut `json:"warnings"`
	Parts    []PartOut    `json:"parts"`
}

func healthOut(r health.Report) HealthOut {
	return HealthOut{
		OK: r.OK, Ready: r.Ready, At: r.At.UTC(), Node: r.Node, Version: r.Version,
		Warnings: each(r.Warnings, func(w health.Warning) WarningOut { return WarningOut(w) }),
		Parts: each(r.Parts, func(p health.Part) PartOut {
			return PartOut{
				Name: p.Name, Title: p.Title, OK: p.OK, Detail: p.Detail, Last: timeOut(p.Last),
				Figures: each(p.Figures, func(f health.Figure) FigureOut { return FigureOut(f) }),
			}
		}),
	}
}

func (a *API) systemRoutes() {
	register(a, access{}, route("system", http.MethodGet, "/me", "me", "Who makes this request, and what they may do"),
		func(ctx context.Context, _ *struct{}) (*body[MeOut], error) {
			p, _ := auth.From(ctx)
			return give(MeOut{UserID: p.UserID, Name: p.Name, DisplayName: p.Display, Role: string(p.Role), Scopes: words(p.Scopes)}), nil
		})
	register(a, readConfig(), route("system", http.MethodGet, "/health", "health", "Is Tocsin well?"),
		func(ctx context.Context, _ *struct{}) (*body[HealthOut], error) {
			return give(healthOut(a.d.Health(ctx))), nil
		})
	register(a, readConfig(), route("administration", http.MethodGet, "/settings", "get-settings", "The settings"),
		func(ctx context.Context, _ *struct{}) (*body[SettingsIO], error) {
			s, err := a.d.Store.Settings(ctx)
			if err != nil {
				return nil, err
			}
			address, err := a.d.Store.PingURL(ctx)
			if err != nil {
				return nil, err
			}
			return give(settingsOut(s, address != "")), nil
		})
	register(a, administer(), route("administration", http.MethodPut, "/settings", "change-settings", "Change settings; in force at once"),
		func(ctx context.Context, in *postIn[SettingsIO]) (*body[SettingsIO], error) {
			s, err := a.d.Store.Settings(ctx)
			if err != nil {
				return nil, err
			}
			in.Body.into(&s)
			if err := s.Validate(); err != nil {
				return nil, err
			}
			if off := a.d.Auth.PasskeysOff(); off != nil && s.Passkeys == config.PasskeysAdmins {
				return nil, &config.FieldError{Field: "passkeys", Problem: "cannot be had here", Mend: off.Error()}
			}
			address, err := a.d.Store.PingURL(ctx)
			if err != nil {
				return nil, err
			}
			if in.Body.PingURL != nil {
				address = strings.TrimSpace(*in.Body.PingURL)
				if wrong := config.CheckPingURL(address); wrong != nil {
					return nil, wrong
				}
			}
			if err := a.d.Store.SaveSettings(ctx, s); err != nil {
				return nil, err
			}
			if in.Body.PingURL != nil {
				if err := a.d.Store.SavePingURL(ctx, address); err != nil {
					return nil, err
				}
			}
			return give(settingsOut(s, address != "")), nil
		})
}

// Healthz says that the process is alive, and nothing more.
func Healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("alive\n"))
}

// Readyz answers 200 when the database answers and the workers run, else 503
// with what is missing. It tells no more than that: nobody signs in for it.
func (a *API) Readyz(w http.ResponseWriter, r *http.Request) {
	report := a.d.Health(r.Context())
	out := struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
	}{report.Ready, []string{}}
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
		for _, p := range report.Parts {
			if !p.OK && (p.Name == "database" || p.Name == "committer" || p.Name == "delivery" || p.Name == "live") {
				out.Reasons = append(out.Reasons, p.Name+": "+p.Detail)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// streamOperation describes GET /live, which the hub serves.
func (a *API) streamOperation() {
	op := route("live", http.MethodGet, "/live", "live", "The event stream of a signed-in user")
	op.Description = "Server-sent events: `hello`, `health`, `ping`, `reset`, and the frames of the live log with their id. " +
		"Name the last id you saw in `Last-Event-ID` or `?last=` to get what you missed. For sessions only."
	op.Security = []map[string][]string{{"session": {}}}
	op.Parameters = []*huma.Param{
		{Name: "Last-Event-ID", In: "header", Description: "The last id seen", Schema: &huma.Schema{Type: "string"}},
		{Name: "last", In: "query", Description: "The same, where no header can be set", Schema: &huma.Schema{Type: "string"}},
	}
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}},
	}
	for status, text := range map[string]string{
		"401": "Nobody is signed in", "403": "An API key has no stream",
		"503": "Too many streams, or the live log cannot be read; Retry-After says when to come back",
	} {
		op.Responses[status] = &huma.Response{Description: text, Content: a.problemContent()}
	}
	a.huma.OpenAPI().AddOperation(&op)
}
