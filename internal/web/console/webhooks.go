package console

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/hook"
	"tocsin/internal/route"
	"tocsin/internal/web"
)

func (c *console) webhookRoutes() []routing {
	return []routing{
		{"GET " + webhooksPath, auth.ReadConfig, c.webhooks},
		{"GET " + webhooksPath + "/{id}", auth.ReadConfig, c.webhook},
		{"POST " + webhooksPath + "/{id}", auth.Administer, c.saveWebhook},
		{"POST " + webhooksPath + "/{id}/check", auth.Administer, c.checkWebhook},
		{"POST " + webhooksPath + "/{id}/test", auth.Administer, c.testWebhook},
		{"POST " + webhooksPath + "/{id}/secret", auth.Administer, c.renewWebhookSecret},
		{"GET " + webhooksPath + "/{id}/delete", auth.Administer, c.askDeleteWebhook},
		{"POST " + webhooksPath + "/{id}/delete", auth.Administer, c.deleteWebhook},
	}
}

type webhooksView struct {
	shell
	Rows  []webhookRow
	Fresh string // a secret that was just made, shown this once
	Name  string // of its webhook
}

// webhookRow is a webhook as pages show it: nothing of its secrets.
type webhookRow struct {
	ID, Name, Host string
	Form           string
	Everything     bool
	Disabled       bool
	Look           look
	LastSent       time.Time
	LastError      string
	LastErrorAt    time.Time
	Used           []use
	Said           *flash // what became of a test of it just now
}

func (c *console) webhooks(w http.ResponseWriter, v *visit) error {
	return c.showWebhooks(w, v, hook.Hook{}, "")
}

func (c *console) showWebhooks(w http.ResponseWriter, v *visit, of hook.Hook, fresh string) error {
	all, err := c.Store.Hooks(v.Context())
	if err != nil {
		return err
	}
	view := webhooksView{shell: c.shell(w, v, webhooksPath, "Webhooks"), Fresh: fresh, Name: of.Name}
	for i := range all {
		h := &all[i]
		row := webhookRow{ID: h.ID, Name: h.Name, Host: h.Host, Form: formName(h.Form), Everything: h.Everything, Disabled: h.Disabled,
			Look: look{"Works", "ok", "good"}, LastSent: h.LastSent, LastError: h.LastError, LastErrorAt: h.LastErrorAt}
		switch {
		case h.Disabled:
			row.Look = look{"Off", "dash", "dim"}
		case h.LastError != "":
			row.Look = look{"Trouble", "warn", "bad"}
		case h.LastSent.IsZero():
			row.Look = look{"Not used yet", "dash", "dim"}
		}
		if row.Used, err = c.usesOfHook(v, h.ID); err != nil {
			return err
		}
		if view.Flash != nil && view.Flash.About == h.ID {
			row.Said, view.Flash = view.Flash, nil
		}
		view.Rows = append(view.Rows, row)
	}
	return c.show(w, v, "webhooks", view)
}

// formName is a form in as few words as a list has room for.
func formName(f hook.Form) string {
	return map[hook.Form]string{hook.JSON: "JSON", hook.Slack: "Slack-compatible", hook.Teams: "Microsoft Teams", hook.Ntfy: "ntfy", hook.Gotify: "Gotify", hook.Fields: "JSON, own fields"}[f]
}

func (c *console) usesOfHook(v *visit, id string) ([]use, error) {
	return c.usesOf(v, uses{
		rule: func(r *route.Rule) bool { return slices.Contains(r.Hooks, id) },
		policy: func(p *escalation.Policy) bool {
			return slices.ContainsFunc(p.Steps, func(s escalation.Step) bool { return slices.Contains(s.Hooks, id) })
		},
		contact: func(k *contact.Contact) bool { return k.Hook == id },
	})
}

type webhookFormView struct {
	shell
	Heading string
	New     bool
	Row     webhookRow
	Signed  bool // it has a secret
	Form    form
	Means   hookMeans
	Values  []hook.Value
}

// hookMeans is what is posted with a webhook's form.
type hookMeans struct {
	Problem string
	To      string
	Body    string
	Own     bool // its fields are one's own
}

func (c *console) loadWebhook(v *visit) (hook.Hook, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Hook(v.Context(), id)
	}
	return hook.Hook{Form: hook.Slack, Everything: true}, nil
}

// sampleTemplate is what the fields of one's own begin with.
const sampleTemplate = "{\n  \"title\": \"{{title}}\",\n  \"text\": \"{{text}}\",\n  \"state\": \"{{state}}\",\n  \"link\": \"{{url}}\"\n}"

func webhookTexts(h *hook.Hook) url.Values {
	in := url.Values{"name": {h.Name}, "form": {string(h.Form)}, "topic": {h.Topic}, "template": {sampleTemplate}}
	if len(h.Template) > 0 {
		if body, err := json.MarshalIndent(h.Template, "", "  "); err == nil {
			in.Set("template", string(body))
		}
	}
	var headers []string
	for name, value := range h.Headers {
		headers = append(headers, name+": "+value)
	}
	slices.Sort(headers)
	in.Set("headers", strings.Join(headers, "\n"))
	for name, on := range map[string]bool{"everything": h.Everything, "disabled": h.Disabled, "private": h.Private, "use_proxy": h.UseProxy} {
		if on {
			in.Set(name, "on")
		}
	}
	return in
}

// readWebhook puts what a form says into a webhook. What it could read is in it also
// when it answers an error.
func readWebhook(was hook.Hook, in url.Values) (hook.Hook, error) {
	h := hook.Hook{Name: text(in, "name"), Form: hook.Form(in.Get("form")), Headers: map[string]string{},
		Everything: in.Get("everything") != "", Disabled: in.Get("disabled") != "", Private: in.Get("private") != "", UseProxy: in.Get("use_proxy") != ""}
	var err error
	if h.Form == hook.Ntfy {
		h.Topic = text(in, "topic")
	}
	if h.Form == hook.Fields {
		if bad := json.Unmarshal([]byte(in.Get("template")), &h.Template); bad != nil {
			err = &contact.FieldError{Field: "template", Problem: "is no JSON object: " + jsonProblem(bad), Mend: `write one such as {"text": "{{title}}"}`}
		}
	}
	for line := range strings.SplitSeq(in.Get("headers"), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok && err == nil {
			err = &contact.FieldError{Field: "headers", Problem: "“" + line + "” has no colon", Mend: "write one a line as Name: value"}
		}
		h.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	given := func(name string) *string {
		if s := text(in, name); s != "" {
			return &s
		}
		if in.Get(name+"_clear") != "" {
			return new(string)
		}
		return nil
	}
	changed, bad := web.ChangedHook(was, h, web.HookSecrets{URL: given("url"), Secret: given("secret"), Token: given("token")})
	if err == nil {
		err = bad
	}
	return changed, err
}

// jsonProblem is what encoding/json says, without its own name.
func jsonProblem(err error) string {
	var of *json.UnmarshalTypeError
	if errors.As(err, &of) {
		return "it is a " + of.Value
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func (c *console) webhook(w http.ResponseWriter, v *visit) error {
	h, err := c.loadWebhook(v)
	if err != nil {
		return err
	}
	return c.showWebhook(w, v, http.StatusOK, h, webhookTexts(&h), nil)
}

func (c *console) checkWebhook(w http.ResponseWriter, v *visit) error {
	h, err := c.loadWebhook(v)
	if err != nil {
		return err
	}
	return c.showWebhook(w, v, http.StatusOK, h, v.PostForm, nil)
}

// newHookSecret is a key for signatures, as libraries for Standard Webhooks take it.
func newHookSecret() string {
	key := make([]byte, 24)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func (c *console) saveWebhook(w http.ResponseWriter, v *visit) error {
	was, err := c.loadWebhook(v)
	if err != nil {
		return err
	}
	h, err := readWebhook(was, v.PostForm)
	fresh := ""
	if err == nil {
		if h.ID == "" {
			h.ID, h.Created = c.NewID(), v.now
			if h.Secret == "" && (h.Form == hook.JSON || h.Form == hook.Fields) {
				fresh = newHookSecret()
				h.Secret = fresh
			}
		}
		err = c.Store.SaveHook(v.Context(), h)
	}
	if err != nil {
		return c.showWebhook(w, v, http.StatusUnprocessableEntity, was, v.PostForm, err)
	}
	if fresh != "" {
		return c.showWebhooks(w, v, h, fresh)
	}
	return done(w, v, webhooksPath, "Saved the webhook “"+h.Name+"”. Send a test to see whether it works.")
}

func (c *console) renewWebhookSecret(w http.ResponseWriter, v *visit) error {
	h, err := c.Store.Hook(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	h.Secret = newHookSecret()
	if err := c.Store.SaveHook(v.Context(), h); err != nil {
		return err
	}
	return c.showWebhooks(w, v, h, h.Secret)
}

func (c *console) showWebhook(w http.ResponseWriter, v *visit, code int, have hook.Hook, in url.Values, why error) error {
	id := v.PathValue("id")
	base := webhooksPath + "/" + id
	view := webhookFormView{Heading: "New webhook", New: id == "new", Signed: have.Secret != "", Values: hook.Values(), Row: webhookRow{ID: have.ID, Name: have.Name, Host: have.Host}}
	f := form{Action: base, Check: base + "/check", Submit: "Save webhook", Cancel: webhooksPath, Locked: !v.may(auth.Administer), Sections: webhookSections(&have, in)}
	if f.Locked {
		f.Check = ""
	}
	if !view.New {
		view.Heading, f.Delete = have.Name, base+"/delete"
	}
	if why != nil && !f.refused(inHookForm(why)) {
		return why
	}
	view.Form = f
	h, bad := readWebhook(have, in)
	view.Means = c.meansOfHook(v, h, bad)
	view.shell = c.shell(w, v, webhooksPath, view.Heading)
	c.write(w, v.Request, code, "webhook", "shell", view)
	return nil
}

// inHookForm keeps where in a template something is wrong: the form has one field for
// all of it.
func inHookForm(err error) error {
	var fe *contact.FieldError
	if errors.As(err, &fe) {
		if at, ok := strings.CutPrefix(fe.Field, "template."); ok {
			return &contact.FieldError{Field: "template", Problem: "“" + at + "” " + fe.Problem, Mend: fe.Mend}
		}
		if at, ok := strings.CutPrefix(fe.Field, "headers."); ok {
			return &contact.FieldError{Field: "headers", Problem: "“" + at + "” " + fe.Problem, Mend: fe.Mend}
		}
	}
	return err
}

func webhookSections(have *hook.Hook, in url.Values) []section {
	var forms []option
	for _, f := range hook.Forms() {
		forms = append(forms, option{Value: string(f), Title: f.Word()})
	}
	kind := selectField(in, "form", "What is posted", forms...)
	kind.Half = false
	on := func(name string) bool { return in.Get(name) != "" }
	return []section{
		{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Auto: "off", Sample: "Operations’ phone", Hint: "For people, here and in rules."},
			kind,
		}},
		{Title: "Slack, and what takes the same", For: "form=slack", Hint: "Slack: your app → Incoming Webhooks → Add New Webhook. Mattermost and Rocket.Chat: Integrations → Incoming webhook. Discord: the channel → Integrations → Webhooks, with /slack behind its address."},
		{Title: "Microsoft Teams", For: "form=msteams", Hint: "The channel’s … → Workflows → “Post to a channel when a webhook request is received”. The address is what the workflow shows at its end."},
		{Title: "ntfy", For: "form=ntfy", Hint: "The address of the server alone, such as https://ntfy.sh. On a public server whoever knows a topic can read it: choose a long one, or protect it and give a token.", Fields: []field{
			{Name: "topic", Label: "Topic", Kind: "text", Value: in.Get("topic"), Half: true, Mono: true, Auto: "off", Sample: "ops-7h2kq9"},
		}},
		{Title: "Gotify", For: "form=gotify", Hint: "The address of the server, and the token of an application: Apps → Create Application."},
		{Title: "JSON with all that is known", For: "form=json", Hint: "One object with the alert, its object and what happened; docs/webhooks.md has its schema. It is signed as Standard Webhooks say; a key is made on saving, and shown once."},
		{Title: "Your own fields", For: "form=fields", Hint: "A JSON object. Texts in it may name values, as {{title}}: all are listed beside, with what becomes of it.", Fields: []field{
			{Name: "template", Label: "Object", Kind: "textarea", Value: in.Get("template"), Rows: 9, Mono: true},
		}},
		{Title: "Where to", Fields: []field{
			{Name: "url", Label: "Address", Kind: "password", Secret: true, Stored: have.URL != "", Keep: true, Mono: true, Auto: "off", Hint: "With https://. It is never shown again."},
			{Name: "token", Label: "Token", Kind: "password", Secret: true, Stored: have.Token != "", Mono: true, Auto: "off", When: "form=json ntfy gotify fields", Half: true, Hint: "Where the receiver asks for one."},
			{Name: "secret", Label: "Key of the signature", Kind: "password", Secret: true, Stored: have.Secret != "", Mono: true, Auto: "off", When: "form=json fields", Half: true, Hint: "By which the receiver knows that it is us."},
			{Name: "headers", Label: "Further headers", Kind: "textarea", Value: in.Get("headers"), Rows: 2, Mono: true, Sample: "X-Team: operations", Hint: "One a line. They are shown here: nothing secret."},
			{Name: "private", Label: "In a private network", Kind: "checkbox", Checked: on("private"), Half: true, Hint: "Without it only public addresses are posted to."},
			{Name: "use_proxy", Label: "Through the outgoing proxy", Kind: "checkbox", Checked: on("use_proxy"), Half: true},
		}},
		{Title: "What it gets", Fields: []field{
			{Name: "everything", Label: "Every alert", Kind: "checkbox", Checked: on("everything"), Half: true, Hint: "Else what rules, contacts and escalation policies send there."},
			{Name: "disabled", Label: "Off: nothing is posted", Kind: "checkbox", Checked: on("disabled"), Half: true},
		}, Buttons: []formButton{{Title: "Show what is posted", Action: webhooksPath + "/" + cmp.Or(have.ID, "new") + "/check", Wait: "Looking…"}}},
	}
}

// meansOfHook is what would be posted of a problem; bad is why the form could not be
// read. Secrets are not in it.
func (c *console) meansOfHook(v *visit, h hook.Hook, bad error) hookMeans {
	m := hookMeans{Own: h.Form == hook.Fields, To: h.Host}
	var fe *contact.FieldError
	if !errors.As(bad, &fe) || fe.Field != "template" { // what is not filled in yet is no reason not to look at the rest
		alone := h
		alone.Name, alone.URL = "x", "https://hooks.example.org"
		bad = alone.Validate()
	}
	if errors.As(inHookForm(bad), &fe) && (fe.Field == "template" || fe.Field == "topic") {
		m.Problem = sentence(fe.Problem) + " " + sentence(fe.Mend)
		if fe.Field == "template" && len(fe.Mend) > 200 { // all values: they are listed below it
			m.Problem = sentence(fe.Problem) + " All values stand below."
		}
		return m
	}
	if h.Token != "" {
		h.Token = "••••••"
	}
	body, err := h.Body(sampleMessage(v.now), hook.Around{BaseURL: c.base(v), Source: "headquarters"})
	var shown any
	if err == nil {
		err = json.Unmarshal(body, &shown)
	}
	if err == nil {
		body, err = json.MarshalIndent(shown, "", "  ")
	}
	if err != nil {
		m.Problem = "What is posted cannot be shown so far."
		return m
	}
	m.Body = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(body))
	return m
}

// sampleMessage is a problem as there may be one.
func sampleMessage(now time.Time) *channel.Message {
	began := now.Add(-2 * time.Minute).UTC().Truncate(time.Second)
	o := alert.Object{SourceID: "example", Host: "web01", Service: "HTTP", State: alert.Critical, Labels: map[string]string{"team": "shop"}}
	o.ID = alert.ObjectID(o.SourceID, o.Host, o.Service)
	output := "HTTP CRITICAL: connection refused"
	a := &alert.Alert{ID: "example", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Since: began, Output: output}
	return &channel.Message{DeliveryID: "example", Notice: alert.NoticeProblem, Object: o, Alert: a, URL: "/console/alerts/example",
		Event: alert.Event{ID: "example", SourceID: o.SourceID, Object: o, Type: alert.Problem, State: alert.Critical, Output: output, Time: began, Received: began}}
}

func (c *console) testWebhook(w http.ResponseWriter, v *visit) error {
	h, err := c.Store.Hook(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	got, err := c.TestHook(v.Context(), h)
	if err != nil {
		return err
	}
	kind := "bad"
	if got.OK {
		kind = "good"
	}
	sayOf(w, h.ID, kind, sentence(got.Detail))
	http.Redirect(w, v.Request, webhooksPath+"#hook-"+h.ID, http.StatusSeeOther)
	return nil
}

func (c *console) askDeleteWebhook(w http.ResponseWriter, v *visit) error {
	h, err := c.Store.Hook(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	used, err := c.usesOfHook(v, h.ID)
	if err != nil {
		return err
	}
	return c.confirm(w, v, webhooksPath, confirmView{Heading: "Delete the webhook “" + h.Name + "”?", Action: webhooksPath + "/" + h.ID + "/delete", Back: webhooksPath + "/" + h.ID, Button: "Delete webhook",
		Refused: inUse(used), Effects: []string{"Nothing is posted there any more.", "Its address, its token and its key are forgotten."}})
}

func (c *console) deleteWebhook(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteHook(v.Context(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, webhooksPath, "The webhook is deleted.", "A rule, a contact or a policy names the webhook. Take it out there first, or switch it off.")
}
