package icinga2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Way is how Icinga 2 is told what was done here: by its REST API, which also
// shows what became of it.
type Way struct{}

// API is that way.
func API() Way { return Way{} }

// Name is the word of the setting.
func (Way) Name() string { return "icinga2" }

// Title is its name for people.
func (Way) Title() string { return "Icinga 2's REST API" }

// For is the one kind of source that it can be used with.
func (Way) For() []string { return []string{"icinga2"} }

// Fields are what its form asks for.
func (Way) Fields() []source.Field {
	return []source.Field{
		{Name: "url", Label: "Address of the API", Kind: "text", Required: true, Default: "https://icinga.example.com:5665",
			Hint: "Of the master. Its port is 5665 unless it was changed."},
		{Name: "user", Label: "API user", Kind: "text", Required: true, Default: "tocsin"},
		{Name: "secret", Label: "Password", Kind: "secret", Required: true, Hint: "As in the ApiUser object. It is not shown again."},
		{Name: "ca", Label: "CA certificate", Kind: "pem", Hint: "Icinga's own: /var/lib/icinga2/certs/ca.crt. Empty: what the system trusts."},
		{Name: "server_name", Label: "Name in the certificate", Kind: "text", Hint: "Where it is not the address' host name: usually Icinga's NodeName."},
		{Name: "use_proxy", Label: "Use the outgoing proxy", Kind: "checkbox"},
		{Name: "notify", Label: "Icinga notifies its own contacts of acknowledgements, too", Kind: "checkbox"},
		{Name: "confirm_seconds", Label: "Not confirmed after (seconds)", Kind: "number", Default: "120"},
	}
}

// Releases is false: nothing outlives the problem there.
func (Way) Releases(source.WriteBack) bool { return false }

// Open checks the settings and makes the engine.
func (Way) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	if w.User == "" {
		return nil, &source.FieldError{Field: "write_back.user", Problem: "is missing", Mend: "give the name of an ApiUser object"}
	}
	if w.Secret == "" {
		return nil, &source.FieldError{Field: "write_back_secret", Problem: "is missing", Mend: "give the ApiUser's password"}
	}
	client, err := source.NewClient(w, o, func(r *http.Request) { r.SetBasicAuth(w.User, w.Secret) })
	if err != nil {
		return nil, err
	}
	return &engine{client: client, notify: w.Notify, now: o.Now}, nil
}

// engine is one Icinga 2. It honours source.Engine, Watcher and Prober.
type engine struct {
	client *source.Client
	notify bool
	now    func() time.Time
}

// target is which object a request is about. The filter is code in Icinga's
// language, so that names only ever are its variables.
type target struct {
	Type   string            `json:"type"`
	Filter string            `json:"filter"`
	Vars   map[string]string `json:"filter_vars"`
}

func of(o alert.Object) target {
	if o.Kind() == alert.Host {
		return target{Type: "Host", Filter: "host.name == h", Vars: map[string]string{"h": o.Host}}
	}
	return target{Type: "Service", Filter: "host.name == h && service.name == s", Vars: map[string]string{"h": o.Host, "s": o.Service}}
}

// path is where objects of that type are read.
func (t target) path() string { return "/v1/objects/" + strings.ToLower(t.Type) + "s" }

// about is the filter for comments and downtimes of the object.
func about(o alert.Object, kind string) target {
	t := target{Type: kind, Vars: map[string]string{"h": o.Host, "s": o.Service}}
	own := strings.ToLower(kind)
	t.Filter = own + ".host_name == h && " + own + ".service_name == s"
	return t
}

// Do hands a command over and looks at once what became of it: Icinga has done
// it when it answers.
func (e *engine) Do(ctx context.Context, c source.Command) (source.Reply, error) {
	switch c.Verb {
	case source.Acknowledge:
		return e.acknowledge(ctx, c)
	case source.Unacknowledge:
		return e.act(ctx, c, "remove-acknowledgement", map[string]any{"author": author(c)})
	case source.Comment:
		return e.comment(ctx, c)
	case source.ScheduleDowntime:
		return e.schedule(ctx, c)
	case source.CancelDowntime:
		return e.cancel(ctx, c)
	}
	return source.Reply{Confirmation: alert.Confirmed}, nil // Release: nothing is kept there
}

func (e *engine) acknowledge(ctx context.Context, c source.Command) (source.Reply, error) {
	more := map[string]any{"author": author(c), "comment": comment(c), "sticky": c.Sticky, "notify": e.notify, "persistent": true}
	if !c.Until.IsZero() {
		if !c.Until.After(e.now()) {
			return refused("its time is over already"), nil // Icinga would take it and drop it at once
		}
		more["expiry"] = c.Until.Unix()
	}
	return e.act(ctx, c, "acknowledge-problem", more)
}

// act runs an action on the command's object.
func (e *engine) act(ctx context.Context, c source.Command, action string, more map[string]any) (source.Reply, error) {
	t := of(c.Object)
	body := map[string]any{"type": t.Type, "filter": t.Filter, "filter_vars": t.Vars}
	for name, value := range more {
		body[name] = value
	}
	code, words, err := e.post(ctx, "/v1/actions/"+action, body)
	if err != nil {
		return source.Reply{}, err
	}
	switch code {
	case http.StatusOK:
		return e.Check(ctx, c)
	case http.StatusConflict:
		return e.conflict(ctx, c, words)
	case http.StatusNotFound:
		return refused("Icinga 2 has no such object, or its API user lacks a permission for it (404)"), nil
	}
	return refused(words), nil
}

// conflict finds out whether it was us who acknowledged before: a crash may
// have come between the handing over and its noting.
func (e *engine) conflict(ctx context.Context, c source.Command, words string) (source.Reply, error) {
	if c.Verb != source.Acknowledge {
		return refused(words), nil
	}
	comments, err := e.comments(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	for _, m := range comments {
		if m.EntryType != acknowledgementComment {
			continue
		}
		if m.Author == author(c) && m.Text == comment(c) {
			return e.Check(ctx, c)
		}
		words = strings.TrimRight(words, ".") + ", by " + m.Author + ": " + m.Text
	}
	return refused(words), nil
}

// status is an object as it is read.
type status struct {
	Name            string  `json:"__name"`
	Acknowledgement float64 `json:"acknowledgement"` // 0 none, 1 normal, 2 sticky
	Depth           float64 `json:"downtime_depth"`
	State           float64 `json:"state"`
	Checked         float64 `json:"last_check"` // Unix seconds; not above 0: never, which an Icinga without its state file shows
}

// well says whether the object is known to have no problem.
func (s status) well() bool { return s.State == 0 && s.Checked > 0 }

func (e *engine) status(ctx context.Context, o alert.Object) (s status, found bool, err error) {
	var list []status
	t := of(o)
	if err := e.get(ctx, t.path(), t, []string{"__name", "acknowledgement", "downtime_depth", "state", "last_check"}, &list); err != nil {
		return status{}, false, err
	}
	if len(list) == 0 {
		return status{}, false, nil
	}
	return list[0], true, nil
}

// Check reads what became of a command.
func (e *engine) Check(ctx context.Context, c source.Command) (source.Reply, error) {
	switch c.Verb {
	case source.Comment:
		return e.commented(ctx, c)
	case source.ScheduleDowntime:
		return e.scheduled(ctx, c)
	case source.Acknowledge, source.Unacknowledge, source.CancelDowntime:
	default:
		return source.Reply{Confirmation: alert.Confirmed}, nil
	}
	s, found, err := e.status(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	if !found {
		return refused("Icinga 2 has no such object, or its API user may not see it"), nil
	}
	switch {
	case c.Verb == source.Acknowledge && s.Acknowledgement > 0:
		return confirmed("acknowledged in Icinga 2"), nil
	case c.Verb == source.Acknowledge && s.well():
		return refused("Icinga 2 shows no problem any more"), nil
	case c.Verb == source.Acknowledge:
		return pending("Icinga 2 does not show the acknowledgement"), nil
	case c.Verb == source.Unacknowledge && s.Acknowledgement == 0:
		return confirmed("the acknowledgement is removed in Icinga 2"), nil
	case c.Verb == source.Unacknowledge:
		return pending("Icinga 2 still shows an acknowledgement"), nil
	case s.Depth == 0:
		return confirmed("Icinga 2 shows no downtime any more"), nil
	}
	return refused("Icinga 2 still shows a downtime: it was not scheduled here"), nil
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

// Watch reads all acknowledgements that stand, and asks about the objects that
// are not among them one by one.
func (e *engine) Watch(ctx context.Context, acks []source.Command) ([]source.Reply, error) {
	standing := make(map[string]bool)
	for _, t := range []target{
		{Type: "Host", Filter: "host.acknowledgement != 0"},
		{Type: "Service", Filter: "service.acknowledgement != 0"},
	} {
		if !slices.ContainsFunc(acks, func(c source.Command) bool { return of(c.Object).Type == t.Type }) {
			continue
		}
		var list []status
		if err := e.get(ctx, t.path(), t, []string{"__name"}, &list); err != nil {
			return nil, err
		}
		for _, s := range list {
			standing[s.Name] = true
		}
	}
	const asked = 50 // of those that are gone, in one round: the others are asked about in the next
	replies := make([]source.Reply, len(acks))
	gone := 0
	for i, c := range acks {
		name := c.Object.Host
		if c.Object.Service != "" {
			name += "!" + c.Object.Service
		}
		switch {
		case standing[name]:
			replies[i] = source.Reply{Confirmation: alert.Confirmed}
		case gone == asked:
			replies[i] = source.Reply{Confirmation: alert.Pending}
		default:
			gone++
			var err error
			if replies[i], err = e.missing(ctx, c); err != nil {
				return nil, err
			}
		}
	}
	return replies, nil
}

// missing says what is known of an acknowledgement that does not stand.
func (e *engine) missing(ctx context.Context, c source.Command) (source.Reply, error) {
	s, found, err := e.status(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	var r source.Reply
	switch {
	case !found:
		r = refused("Icinga 2 has no such object any more")
		r.Recovered = true
	case s.Acknowledgement > 0:
		r = source.Reply{Confirmation: alert.Confirmed}
	case s.Checked <= 0:
		r = pending("Icinga 2 has not checked it since it lost its state")
	case s.well():
		r = refused("Icinga 2 shows no problem any more")
		r.Recovered = true
	default:
		r = refused("the acknowledgement was removed in Icinga 2")
	}
	return r, nil
}

// needed are the permissions that the API user must have.
func needed() []string {
	return []string{"actions/acknowledge-problem", "actions/remove-acknowledgement", "actions/add-comment", "actions/schedule-downtime",
		"actions/remove-downtime", "objects/query/Host", "objects/query/Service", "objects/query/Comment", "objects/query/Downtime"}
}

// Probe asks who we are and what we may.
func (e *engine) Probe(ctx context.Context) error {
	a, err := e.client.Call(ctx, http.MethodGet, "/v1", nil, nil)
	if err != nil {
		return fmt.Errorf("icinga 2: %w", err)
	}
	if err := denied(a); err != nil {
		return err
	}
	var body struct {
		Results []struct {
			Permissions []string `json:"permissions"`
			User        string   `json:"user"`
		} `json:"results"`
	}
	if err := a.JSON(&body); err != nil {
		return fmt.Errorf("icinga 2: %w", err)
	}
	if len(body.Results) == 0 {
		return errors.New("icinga 2: answered without saying who we are: is this the address of its API?")
	}
	var missing []string
	for _, p := range needed() {
		if !slices.ContainsFunc(body.Results[0].Permissions, func(has string) bool { return covers(has, p) }) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("icinga 2: the API user %s may not all that is needed: add %s to its permissions", body.Results[0].User, strings.Join(missing, ", "))
	}
	return nil
}

// covers says whether a permission, with * for anything, is or includes another.
func covers(has, p string) bool {
	has, p = strings.ToLower(has), strings.ToLower(p)
	before, after, wild := strings.Cut(has, "*")
	if !wild {
		return has == p
	}
	return len(p) >= len(before)+len(after) && strings.HasPrefix(p, before) && strings.HasSuffix(p, after)
}

// author and comment are never empty, which Icinga refuses.
func author(c source.Command) string {
	if name, _, _ := source.Line(strings.TrimSpace(c.Author), source.MaxAuthor); name != "" {
		return name
	}
	return "Tocsin"
}

func comment(c source.Command) string {
	if text, _, _ := source.Text(strings.TrimSpace(c.Comment), source.MaxComment); text != "" {
		return text
	}
	return "acknowledged"
}
