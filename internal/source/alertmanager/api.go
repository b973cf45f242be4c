package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Way is how Alertmanager is told what was done here. It has no
// acknowledgements; a silence is the nearest to one, and suppresses the news of
// a recovery too, so that one is only made where that is switched on.
type Way struct{}

// API is that way.
func API() Way { return Way{} }

// Name is the word of the setting.
func (Way) Name() string { return "alertmanager" }

// Title is its name for people.
func (Way) Title() string { return "Alertmanager's API" }

// For is the one kind of source that it can be used with.
func (Way) For() []string { return []string{"alertmanager"} }

// Fields are what its form asks for.
func (Way) Fields() []source.Field {
	return []source.Field{
		{Name: "url", Label: "Address", Kind: "text", Required: true, Default: "http://alertmanager.example.com:9093",
			Hint: "Of one Alertmanager. Those of a cluster tell each other."},
		{Name: "silence", Label: "An acknowledgement makes a silence", Kind: "checkbox",
			Hint: "Exactly for the alert's labels, kept up while it fires and ended with it. A silence also keeps Alertmanager from telling of the recovery: Tocsin then looks for that itself."},
		{Name: "user", Label: "User", Kind: "text", Hint: "Only where it asks for one. With a password alone, that is sent as a bearer token."},
		{Name: "secret", Label: "Password or token", Kind: "secret"},
		{Name: "ca", Label: "CA certificate", Kind: "pem", Hint: "Empty: what the system trusts."},
		{Name: "server_name", Label: "Name in the certificate", Kind: "text", Hint: "Where it is not the address' host name."},
		{Name: "use_proxy", Label: "Use the outgoing proxy", Kind: "checkbox"},
	}
}

// Releases says that an alert's end is to be told where silences are made.
func (Way) Releases(w source.WriteBack) bool { return w.Silence }

// Open checks the settings and makes the engine.
func (Way) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	client, err := source.NewClient(w, o, func(r *http.Request) {
		switch {
		case w.User != "":
			r.SetBasicAuth(w.User, w.Secret)
		case w.Secret != "":
			r.Header.Set("Authorization", "Bearer "+w.Secret)
		}
	})
	if err != nil {
		return nil, err
	}
	return &engine{client: client, silence: w.Silence, now: o.Now, missing: make(map[string]absence), ended: make(map[string]time.Time)}, nil
}

// engine is one Alertmanager. It honours source.Engine, Watcher and Prober.
type engine struct {
	client  *source.Client
	silence bool
	now     func() time.Time

	mu      sync.Mutex
	started time.Time            // of the Alertmanager that missing is about
	missing map[string]absence   // alerts that are not among those that it lists, by their fingerprints
	ended   map[string]time.Time // silences that somebody ended there, by their ids and the acknowledgements' events
}

const noAcknowledgement = "Alertmanager knows no acknowledgement; Tocsin stops its own reminders"

// Do hands a command over. Where no silences are made there is nothing to hand
// over, and what was done here is all that there is.
func (e *engine) Do(ctx context.Context, c source.Command) (source.Reply, error) {
	switch {
	case c.Verb == source.Comment:
		return confirmed("Alertmanager knows no comments; it is kept here"), nil
	case !e.silence && (c.Verb == source.ScheduleDowntime || c.Verb == source.CancelDowntime):
		return refused("Alertmanager knows no downtimes, and silences are not switched on for this source"), nil
	case !e.silence:
		return confirmed(noAcknowledgement), nil
	case c.Verb == source.Acknowledge, c.Verb == source.ScheduleDowntime:
		return e.hush(ctx, c)
	}
	return e.lift(ctx, c)
}

// Check looks whether the silence stands, or does no more.
func (e *engine) Check(ctx context.Context, c source.Command) (source.Reply, error) {
	if !e.silence || c.Verb == source.Comment {
		return e.Do(ctx, c)
	}
	list, err := e.silences(ctx)
	if err != nil {
		return source.Reply{}, err
	}
	s, stands := newest(list, c)
	stands = stands && s.stands()
	switch c.Verb {
	case source.Acknowledge, source.ScheduleDowntime:
		if !stands {
			return pending("Alertmanager does not show the silence"), nil
		}
		return hushed(s), nil
	}
	if stands {
		return pending("Alertmanager still shows the silence"), nil
	}
	return confirmed("no silence of Tocsin's stands in Alertmanager"), nil
}

// hush makes a silence, unless one for the same stands: it may have been made
// before a crash. One that ends too early is extended.
func (e *engine) hush(ctx context.Context, c source.Command) (source.Reply, error) {
	list, err := e.silences(ctx)
	if err != nil {
		return source.Reply{}, err
	}
	s, found := newest(list, c)
	if !found || !s.stands() {
		s = silence{}
	}
	return e.put(ctx, c, s)
}

// lift ends the silences that were made here for the alert; for a downtime, that
// of the downtime.
func (e *engine) lift(ctx context.Context, c source.Command) (source.Reply, error) {
	list, err := e.silences(ctx)
	if err != nil {
		return source.Reply{}, err
	}
	lifted := false
	for _, s := range list {
		if !s.stands() || !s.of(c) {
			continue
		}
		a, err := e.client.Call(ctx, http.MethodDelete, "/api/v2/silence/"+s.path(), nil, nil)
		if err != nil {
			return source.Reply{}, fmt.Errorf("alertmanager: %w", err)
		}
		if a.Status >= 300 && a.Status != http.StatusNotFound {
			return source.Reply{}, failed(a)
		}
		lifted = true
	}
	if lifted {
		return e.Check(ctx, c)
	}
	return confirmed("no silence of Tocsin's stands in Alertmanager"), nil
}

// Probe asks for its status.
func (e *engine) Probe(ctx context.Context) error {
	s, err := e.status(ctx)
	if err == nil && s.Uptime.IsZero() {
		return errors.New("alertmanager: answered without its status: is this the address of its API?")
	}
	return err
}

func confirmed(words string) source.Reply {
	return source.Reply{Confirmation: alert.Confirmed, Words: source.ReplyWords(words)}
}

func refused(words string) source.Reply {
	return source.Reply{Confirmation: alert.Refused, Words: source.ReplyWords(words)}
}

func pending(words string) source.Reply {
	return source.Reply{Confirmation: alert.Pending, Words: source.ReplyWords(words)}
}

// failed is the error for an answer that says nothing of what was asked.
func failed(a source.APIAnswer) error {
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("alertmanager: the user or password was refused (%d)", a.Status)
	}
	return fmt.Errorf("alertmanager: answered %d: %s", a.Status, a.Words())
}
