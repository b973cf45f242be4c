package openitcockpit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Way is how openITCOCKPIT is told what was done here: by its API, which puts
// commands into its engine's queue and does not say what becomes of them. That
// is read from the page of the host or the service, which the API also serves.
type Way struct{}

// API is that way.
func API() Way { return Way{} }

// Name is the word of the setting.
func (Way) Name() string { return "openitcockpit" }

// Title is its name for people.
func (Way) Title() string { return "openITCOCKPIT's API" }

// For is the one kind of source that it can be used with.
func (Way) For() []string { return []string{"openitcockpit"} }

// Fields are what its form asks for.
func (Way) Fields() []source.Field {
	return []source.Field{
		{Name: "url", Label: "Address", Kind: "text", Required: true, Default: "https://openitcockpit.example.com"},
		{Name: "secret", Label: "API key", Kind: "secret", Required: true,
			Hint: "Made in the profile of a user there. The user must see the hosts and may send external commands. It is not shown again."},
		{Name: "ca", Label: "CA certificate", Kind: "pem", Hint: "Empty: what the system trusts."},
		{Name: "server_name", Label: "Name in the certificate", Kind: "text", Hint: "Where it is not the address' host name."},
		{Name: "use_proxy", Label: "Use the outgoing proxy", Kind: "checkbox"},
		{Name: "notify", Label: "The engine notifies its own contacts of acknowledgements, too", Kind: "checkbox"},
		{Name: "confirm_seconds", Label: "Not confirmed after (seconds)", Kind: "number", Default: "120"},
	}
}

// Releases is false: nothing outlives the problem there.
func (Way) Releases(source.WriteBack) bool { return false }

// Open checks the settings and makes the engine.
func (Way) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	if w.Secret == "" {
		return nil, &source.FieldError{Field: "write_back_secret", Problem: "is missing", Mend: "give the API key of a user of openITCOCKPIT"}
	}
	client, err := source.NewClient(w, o, func(r *http.Request) { r.Header.Set("Authorization", "X-OITC-API "+w.Secret) })
	if err != nil {
		return nil, err
	}
	return &engine{client: client, notify: w.Notify, now: o.Now, known: make(map[string]named)}, nil
}

// Do puts a command into the queue.
func (e *engine) Do(ctx context.Context, c source.Command) (source.Reply, error) {
	form, words := e.form(c)
	if words != "" {
		return source.Reply{Confirmation: alert.Refused, Words: source.ReplyWords(words)}, nil
	}
	if form == nil {
		return source.Reply{Confirmation: alert.Confirmed}, nil
	}
	a, err := e.client.Call(ctx, http.MethodPost, "/nagios_module/cmd/submit.json", nil, form)
	if err != nil {
		return source.Reply{}, fmt.Errorf("openITCOCKPIT: %w", err)
	}
	if err := denied(a); err != nil {
		return source.Reply{}, err
	}
	var answer struct {
		Message string `json:"message"`
	}
	if err := a.JSON(&answer); err != nil {
		return source.Reply{}, fmt.Errorf("openITCOCKPIT: %w", err)
	}
	switch {
	case a.Status >= 500 || a.Status == http.StatusTooManyRequests:
		return source.Reply{}, fmt.Errorf("openITCOCKPIT: answered %d: %s", a.Status, source.ReplyWords(answer.Message))
	case a.Status >= 400:
		return source.Reply{Confirmation: alert.Refused,
			Words: source.ReplyWords(fmt.Sprintf("openITCOCKPIT answered %d: %s", a.Status, answer.Message))}, nil
	}
	return source.Reply{Confirmation: alert.Pending, Words: "put into openITCOCKPIT's queue"}, nil
}

// denied is the error for an answer that says nothing of what was asked.
func denied(a source.APIAnswer) error {
	switch a.Status {
	case http.StatusUnauthorized:
		return errors.New("openITCOCKPIT: the API key was refused (401): make a new one in the profile of a user there")
	case http.StatusForbidden:
		return errors.New("openITCOCKPIT: the user of the API key may not do this (403): give its role the right to it, and the user the host's container")
	}
	return nil
}

// form is the command as its API takes it; words say why there is none. The
// API joins the fields with semicolons and hands them to its engine as a line.
func (e *engine) form(c source.Command) (form url.Values, words string) {
	kind := "SVC"
	form = url.Values{"hostUuid": {c.Object.Host}, "serviceUuid": {c.Object.Service}}
	if c.Object.Kind() == alert.Host {
		kind = "HOST"
		form.Del("serviceUuid")
	}
	if uuid.Validate(c.Object.Host) != nil || kind == "SVC" && uuid.Validate(c.Object.Service) != nil {
		return nil, "the object is not known by its UUID, which openITCOCKPIT's API asks for"
	}
	switch c.Verb {
	case source.Acknowledge:
		form.Set("command", "ACKNOWLEDGE_"+kind+"_PROBLEM")
		form.Set("sticky", "0")
		if c.Sticky {
			form.Set("sticky", "2") // never 1, which engines read differently
		}
		form.Set("notify", "0")
		if e.notify {
			form.Set("notify", "1")
		}
		form.Set("persistent", "1")
	case source.Unacknowledge:
		form.Set("command", "REMOVE_"+kind+"_ACKNOWLEDGEMENT")
		return form, ""
	case source.ScheduleDowntime:
		from := c.From
		if from.IsZero() {
			from = e.now()
		}
		form.Set("command", "SCHEDULE_"+kind+"_DOWNTIME")
		form.Set("start_time", strconv.FormatInt(from.Unix(), 10))
		form.Set("end_time", strconv.FormatInt(c.Until.Unix(), 10))
		form.Set("fixed", "1")
		form.Set("trigger_id", "0")
		form.Set("duration", strconv.FormatInt(max(0, c.Until.Unix()-from.Unix()), 10))
	case source.Comment:
		return nil, "openITCOCKPIT's API takes no comments; it is kept here"
	case source.CancelDowntime:
		return nil, "openITCOCKPIT's API cannot tell which downtime was scheduled here: end it there"
	default:
		return nil, ""
	}
	form.Set("author", field(c.Author, "Tocsin"))
	form.Set("comment", text(c.Comment))
	return form, ""
}

// field is a text that stays one field of the engine's command.
func field(s, instead string) string {
	s = strings.NewReplacer(";", "_", "\n", " ", "\t", " ", `\`, "/").Replace(s)
	s, _, _ = source.Line(s, 100)
	if s = strings.TrimSpace(s); s == "" {
		return instead
	}
	return s
}

// text is the last field, in which only the end of the line matters.
func text(s string) string {
	s = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ", `\`, "/").Replace(s)
	s, _, _ = source.Line(s, 1000)
	if s = strings.TrimSpace(s); s == "" {
		return "acknowledged"
	}
	return s
}

// Check reads the page of the object. Where it cannot be read it answers Pending
// without words.
func (e *engine) Check(ctx context.Context, c source.Command) (source.Reply, error) {
	unknown := source.Reply{Confirmation: alert.Pending}
	if c.Verb == source.Comment || c.Verb == source.Release {
		return unknown, nil
	}
	s, readable, err := e.status(ctx, c.Object)
	if err != nil || !readable {
		return unknown, err
	}
	done, words := false, ""
	switch c.Verb {
	case source.Acknowledge:
		done, words = s.Acknowledged, "the acknowledgement"
	case source.Unacknowledge:
		done, words = !s.Acknowledged, "the removal of the acknowledgement"
	case source.ScheduleDowntime:
		done, words = s.Depth > 0, "the downtime"
	case source.CancelDowntime:
		done, words = s.Depth == 0, "the end of the downtime"
	}
	if !done {
		return source.Reply{Confirmation: alert.Pending, Words: "openITCOCKPIT does not show " + words}, nil
	}
	return source.Reply{Confirmation: alert.Confirmed, Words: "openITCOCKPIT shows " + words}, nil
}

// status is an object as its page shows it.
type status struct {
	Monitored    *bool `json:"isInMonitoring"`
	Acknowledged bool  `json:"problemHasBeenAcknowledged"`
	Depth        int   `json:"scheduledDowntimeDepth"`
	State        *int  `json:"currentState"`
}

func (e *engine) status(ctx context.Context, o alert.Object) (s status, readable bool, err error) {
	path := "/hosts/browser/" + url.PathEscape(o.Host)
	if o.Kind() == alert.Service {
		path = "/services/browser/" + url.PathEscape(o.Service)
	}
	a, err := e.client.Call(ctx, http.MethodGet, path+".json?angular=true", nil, nil)
	if err != nil {
		return s, false, fmt.Errorf("openITCOCKPIT: %w", err)
	}
	if a.Status == http.StatusUnauthorized {
		return s, false, denied(a)
	}
	if a.Status >= 500 {
		return s, false, fmt.Errorf("openITCOCKPIT: answered %d", a.Status)
	}
	var page struct {
		Host    *status `json:"hoststatus"`
		Service *status `json:"servicestatus"`
	}
	if a.Status == http.StatusOK {
		_ = a.JSON(&page) // a page that is none shows nothing
	}
	found := page.Service
	if o.Kind() == alert.Host {
		found = page.Host
	}
	if found == nil || found.Monitored != nil && !*found.Monitored {
		return s, false, nil
	}
	return *found, true, nil
}

// Probe asks for something that every user may read.
func (e *engine) Probe(ctx context.Context) error {
	a, err := e.client.Call(ctx, http.MethodGet, "/angular/user_timezone.json?angular=true", nil, nil)
	if err != nil {
		return fmt.Errorf("openITCOCKPIT: %w", err)
	}
	if err := denied(a); err != nil {
		return err
	}
	var body map[string]any
	if err := a.JSON(&body); err != nil {
		return fmt.Errorf("openITCOCKPIT: %w", err)
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("openITCOCKPIT: answered %d: is this its address?", a.Status)
	}
	return nil
}

// remembered is for how long a name is taken as it was read.
const remembered = time.Hour
