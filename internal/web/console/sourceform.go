package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

// wayField is the name of a field of one way of telling an engine. Each way has
// fields of its own, so that what is typed in one is not taken for another's.
func wayField(way, name string) string { return "wb_" + way + "_" + name }

// sourceTexts is a source as its form's fields have it.
func (c *console) sourceTexts(s source.Source) url.Values {
	in := url.Values{
		"name": {s.Name}, "kind": {s.Kind}, "host_url": {s.HostURL}, "service_url": {s.ServiceURL}, "write_back": {s.WriteBack.Kind},
		"silent_after_minutes": {strconv.Itoa(s.QuietMinutes)},
	}
	for name, on := range map[string]bool{"straight": s.Straight, "disabled": s.Disabled} {
		if on {
			in.Set(name, "on")
		}
	}
	if s.WriteBack.Kind == "none" {
		in.Set("write_back", "")
	}
	for _, way := range c.WriteBacks {
		for _, f := range way.Fields() {
			value := usual(f)
			if s.WriteBack.Kind == way.Name() {
				value = wayText(s.WriteBack, f.Name)
			}
			in.Set(wayField(way.Name(), f.Name), value)
		}
	}
	m := source.Mapping{}
	if s.Mapping != nil {
		m = *s.Mapping
		in.Set("shape", "own")
	}
	for _, f := range mappingFields() {
		in.Set("mapping_"+f.name, *f.of(&m))
	}
	in.Set("mapping_states", strings.Join(wordLines(m.States), "\n"))
	in.Set("mapping_types", strings.Join(wordLines(m.Types), "\n"))
	return in
}

// usual is what a field of a way that was not chosen yet begins with. An address
// that is only an example is shown as one, not filled in.
func usual(f source.Field) string {
	if f.Kind == "checkbox" && f.Default != "true" && f.Default != "on" {
		return ""
	}
	if strings.Contains(f.Default, "example") {
		return ""
	}
	return f.Default
}

// wayText is one field of a write-back as text; secrets have none.
func wayText(w source.WriteBack, name string) string {
	tick := func(on bool) string {
		if on {
			return "on"
		}
		return ""
	}
	switch name {
	case "command_file":
		return w.CommandFile
	case "status_file":
		return w.StatusFile
	case "livestatus":
		return w.Livestatus
	case "url":
		return w.URL
	case "user":
		return w.User
	case "ca":
		return w.CA
	case "server_name":
		return w.ServerName
	case "use_proxy":
		return tick(w.UseProxy)
	case "silence":
		return tick(w.Silence)
	case "expire":
		return tick(w.Expire)
	case "notify":
		return tick(w.Notify)
	case "confirm_seconds":
		if w.ConfirmSeconds != 0 {
			return strconv.Itoa(w.ConfirmSeconds)
		}
	}
	return ""
}

// setWay fills one field of a write-back from a form.
func setWay(w *source.WriteBack, name, value string) error {
	switch name {
	case "command_file":
		w.CommandFile = value
	case "status_file":
		w.StatusFile = value
	case "livestatus":
		w.Livestatus = value
	case "url":
		w.URL = strings.TrimRight(value, "/")
	case "user":
		w.User = value
	case "ca":
		w.CA = value
	case "server_name":
		w.ServerName = value
	case "use_proxy":
		w.UseProxy = value != ""
	case "silence":
		w.Silence = value != ""
	case "expire":
		w.Expire = value != ""
	case "notify":
		w.Notify = value != ""
	case "confirm_seconds":
		if value == "" {
			return nil
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 86400 {
			return &source.FieldError{Field: "write_back.confirm_seconds", Problem: fmt.Sprintf("“%s” will not do", value), Mend: "give a whole number of seconds from 1 to 86400"}
		}
		w.ConfirmSeconds = n
	}
	return nil
}

// readSource reads the form. stored is what is kept now: secrets that are not
// given again stay.
func (c *console) readSource(stored source.Source, in url.Values) (source.Source, error) {
	s := stored
	s.Name, s.Kind = text(in, "name"), in.Get("kind")
	s.HostURL, s.ServiceURL = text(in, "host_url"), text(in, "service_url")
	var err error
	if s.QuietMinutes, err = readQuiet(in); err != nil {
		return s, err
	}
	s.Straight, s.Disabled = in.Get("straight") != "", in.Get("disabled") != ""
	signed := slices.ContainsFunc(c.Kinds, func(k source.Kind) bool {
		_, is := k.(source.Signed)
		return is && k.Name() == s.Kind
	})
	switch secret := text(in, "secret"); {
	case !signed || in.Get("secret_clear") != "" && secret == "":
		s.Secret = ""
	case secret != "":
		s.Secret = secret
	}
	if s.Mapping, err = readMapping(s.Kind, in); err != nil {
		return s, err
	}
	s.WriteBack, err = c.readWriteBack(stored.WriteBack, in)
	return s, err
}

// readQuiet is after how many minutes its silence is an alert; a form of before that
// could be said means never.
func readQuiet(in url.Values) (int, error) {
	given := text(in, "silent_after_minutes")
	if given == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil {
		return 0, &source.FieldError{Field: "silent_after_minutes", Problem: fmt.Sprintf("“%s” will not do", given), Mend: "give a whole number from 0 to 43200"}
	}
	return n, nil
}

func (c *console) readWriteBack(was source.WriteBack, in url.Values) (source.WriteBack, error) {
	kind := in.Get("write_back")
	given := source.WriteBack{Kind: kind}
	i := slices.IndexFunc(c.WriteBacks, func(k source.WriteBackKind) bool { return k.Name() == kind })
	if i < 0 {
		return given, nil // none; or one that CheckSource refuses
	}
	var secret *string
	for _, f := range c.WriteBacks[i].Fields() {
		value := text(in, wayField(kind, f.Name))
		if f.Name == "secret" {
			if value != "" || in.Get(wayField(kind, f.Name)+"_clear") != "" {
				secret = &value
			}
			continue
		}
		if err := setWay(&given, f.Name, value); err != nil {
			return given, err
		}
	}
	if was.Kind != kind && secret == nil {
		secret = new(string) // the other way's is not this one's
	}
	return web.Replaced(was, given, secret)
}

// mappingField is one pointer of a mapping as the form shows it.
type mappingField struct {
	name, label, hint, sample string
	of                        func(*source.Mapping) *string
}

func mappingFields() []mappingField {
	return []mappingField{
		{"events", "Array of events", "Empty: the body is one event, or an array of them.", "/alerts", func(m *source.Mapping) *string { return &m.Events }},
		{"id", "Id of the call", "What is the same when a call is repeated. Empty: the whole event.", "/id", func(m *source.Mapping) *string { return &m.ID }},
		{"host", "Host", "", "/labels/host", func(m *source.Mapping) *string { return &m.Host }},
		{"service", "Service", "Empty: events are of hosts.", "/labels/check", func(m *source.Mapping) *string { return &m.Service }},
		{"state", "State", "", "/status", func(m *source.Mapping) *string { return &m.State }},
		{"type", "Type of event", "Empty: RECOVERY for a good state, else PROBLEM.", "/kind", func(m *source.Mapping) *string { return &m.Type }},
		{"output", "Output", "", "/message", func(m *source.Mapping) *string { return &m.Output }},
		{"long_output", "Further output", "", "", func(m *source.Mapping) *string { return &m.Long }},
		{"time", "Time", "RFC 3339, or seconds since 1970. Empty: the time of arrival.", "/startsAt", func(m *source.Mapping) *string { return &m.Time }},
		{"url", "Link", "", "/url", func(m *source.Mapping) *string { return &m.URL }},
		{"author", "Author", "", "", func(m *source.Mapping) *string { return &m.Author }},
		{"comment", "Comment", "", "", func(m *source.Mapping) *string { return &m.Comment }},
		{"contact", "Contact", "Empty: rules choose.", "", func(m *source.Mapping) *string { return &m.Contact }},
		{"labels", "Labels", "An object of texts.", "/labels", func(m *source.Mapping) *string { return &m.Labels }},
	}
}

func wordLines(words map[string]string) []string {
	var out []string
	for from, to := range words {
		out = append(out, from+" = "+to)
	}
	slices.Sort(out)
	return out
}

// readWords reads lines of "firing = critical".
func readWords(field, s string) (map[string]string, error) {
	all := lines(s)
	if len(all) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for i, line := range all {
		from, to, ok := strings.Cut(line, "=")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if !ok || from == "" || to == "" {
			return nil, &source.FieldError{Field: field, Problem: "line " + strconv.Itoa(i+1) + " is “" + line + "”", Mend: "write its word = ours, as in firing = critical"}
		}
		out[from] = to
	}
	return out, nil
}

func readMapping(kind string, in url.Values) (*source.Mapping, error) {
	if kind != "generic" || in.Get("shape") != "own" {
		return nil, nil
	}
	m := &source.Mapping{}
	for _, f := range mappingFields() {
		*f.of(m) = text(in, "mapping_"+f.name)
	}
	var err error
	if m.States, err = readWords("mapping.states", in.Get("mapping_states")); err != nil {
		return m, err
	}
	m.Types, err = readWords("mapping.types", in.Get("mapping_types"))
	return m, err
}

// blameSource puts a refusal to the field of the form that it is about.
func blameSource(f *form, way string, err error) bool {
	var fe *source.FieldError
	if !errors.As(err, &fe) {
		return f.refused(err)
	}
	named := *fe
	switch field := fe.Field; {
	case field == "write_back.kind":
		named.Field = "write_back"
	case field == "write_back_secret":
		named.Field = wayField(way, "secret")
	case strings.HasPrefix(field, "write_back."):
		named.Field = wayField(way, strings.TrimPrefix(field, "write_back."))
	case strings.HasPrefix(field, "mapping."):
		named.Field = "mapping_" + strings.TrimPrefix(field, "mapping.")
	case field == "mapping":
		named.Field = "shape"
	}
	return f.refused(&named)
}

// sourceForm draws a source's form. stored is what is kept, in what stands in the
// fields.
func (c *console) sourceForm(v *visit, id string, stored source.Source, in url.Values, said *sourceSaid) form {
	f := form{Action: "/console/sources/" + id, Submit: "Save source", Cancel: "/console/sources", Locked: !v.may(auth.Administer)}
	if id == "new" {
		f.Submit = "Create source and show its token"
	} else {
		f.Delete = "/console/sources/" + id + "/delete"
	}
	kind := in.Get("kind")
	var kinds []option
	signed := []string{}
	for _, k := range c.Kinds {
		kinds = append(kinds, option{k.Name(), k.Title(), k.Name() == kind})
		if _, is := k.(source.Signed); is {
			signed = append(signed, k.Name())
		}
	}
	f.Sections = []section{{Fields: []field{
		{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true, Auto: "off", Hint: "Part of its address: small letters, digits and hyphens."},
		{Name: "kind", Label: "Kind of engine", Kind: "select", Options: kinds, Half: true},
		{Name: "silent_after_minutes", Label: "Minutes until its silence is an alert", Kind: "number", Value: in.Get("silent_after_minutes"), Min: "0", Max: "43200", Half: true,
			Hint: "Without an event or a heartbeat. Rules route it as any alert. 0: never."},
		{Name: "disabled", Label: "Disabled: its events are refused", Kind: "checkbox", Checked: in.Get("disabled") != ""},
	}}}
	if len(signed) > 0 {
		f.Sections = append(f.Sections, section{Title: "Signature", For: "kind=" + strings.Join(signed, " "), Fields: []field{
			{Name: "secret", Label: "Secret that signs its requests", Kind: "password", Secret: true, Stored: stored.Secret != "", Half: true, Mono: true, Auto: "off", Hint: "The same as in the engine. Calls without a right signature are refused then. Empty: they are not signed, the token alone counts."},
		}})
	}
	f.Sections = append(f.Sections, c.mappingSections(v, id, in, said)...)
	f.Sections = append(f.Sections, c.waySections(v, id, stored, in, said)...)
	f.Sections = append(f.Sections, section{Title: "The engine’s own pages", Hint: "Alerts link to them. {host}, {host_display}, {service} and {service_display} stand for the names.", Fields: []field{
		{Name: "host_url", Label: "Page of a host", Kind: "text", Value: in.Get("host_url"), Mono: true, Auto: "off", Hint: c.templateHint(kind, true)},
		{Name: "service_url", Label: "Page of a service", Kind: "text", Value: in.Get("service_url"), Mono: true, Auto: "off", Hint: c.templateHint(kind, false)},
		{Name: "straight", Label: "A click on a notification leads straight to the engine’s page", Kind: "checkbox", Checked: in.Get("straight") != ""},
	}})
	return f
}

// sourceSaid is what became of a button of the form that tries something.
type sourceSaid struct {
	About string // "tell" or "example"
	flash
}

func (s *sourceSaid) on(about string) *flash {
	if s == nil || s.About != about {
		return nil
	}
	return &s.flash
}

func (c *console) mappingSections(v *visit, id string, in url.Values, said *sourceSaid) []section {
	shape := section{Title: "What it sends", For: "kind=generic", ID: "example", Fields: []field{
		{Name: "shape", Label: "Its JSON", Kind: "select", Half: true, Options: []option{{"", "As Tocsin’s API describes it", in.Get("shape") == ""}, {"own", "Of its own: I say where things are", in.Get("shape") == "own"}}},
		{Name: "example", Label: "Try it with an example", Kind: "textarea", Value: in.Get("example"), Rows: 4, Mono: true, Hint: "A body as it sends one. Nothing of it is kept, and nobody is told.", Sample: `{"host":"web01","service":"HTTP","state":"critical","output":"no answer"}`},
	}, Buttons: c.adminButtons(v, formButton{Title: "Try the example", Action: "/console/sources/" + id + "/try#example"}), Said: said.on("example")}
	where := section{Title: "Where things are", For: "kind=generic;shape=own", Hint: "JSON pointers into one event: /labels/host is the host in labels. A text that is always the same is written with = before it: =web01. What is left empty is not there."}
	for _, m := range mappingFields() {
		where.Fields = append(where.Fields, field{Name: "mapping_" + m.name, Label: m.label, Kind: "text", Value: in.Get("mapping_" + m.name), Half: true, Mono: true, Auto: "off", Hint: m.hint, Sample: m.sample})
	}
	where.Fields = append(where.Fields,
		field{Name: "mapping_states", Label: "Its words for states", Kind: "textarea", Value: in.Get("mapping_states"), Rows: 3, Half: true, Mono: true, Hint: "One a line, its word = ours. Ours: up, down, unreachable; ok, warning, critical, unknown.", Sample: "firing = critical\nresolved = ok"},
		field{Name: "mapping_types", Label: "Its words for types", Kind: "textarea", Value: in.Get("mapping_types"), Rows: 3, Half: true, Mono: true, Hint: "One a line. Ours: PROBLEM, RECOVERY, ACKNOWLEDGEMENT, CUSTOM and the others.", Sample: "alarm = PROBLEM\nclear = RECOVERY"})
	return []section{shape, where}
}

// waySections are the choice of how the engine is told, and the fields of each way.
func (c *console) waySections(v *visit, id string, stored source.Source, in url.Values, said *sourceSaid) []section {
	chosen := in.Get("write_back")
	ways := field{Name: "write_back", Label: "How", Kind: "select", Half: true, Options: []option{{"", "Not at all: acknowledgements are known here only", chosen == ""}}, For: map[string]string{}}
	var out []section
	for _, way := range c.WriteBacks {
		fits := "kind=" + strings.Join(way.For(), " ")
		ways.Options = append(ways.Options, option{way.Name(), way.Title(), way.Name() == chosen})
		ways.For[way.Name()] = fits
		s := section{Title: way.Title(), For: fits + ";write_back=" + way.Name()}
		for _, x := range way.Fields() {
			s.Fields = append(s.Fields, wayControl(way.Name(), x, stored.WriteBack, in))
		}
		s.Buttons = c.adminButtons(v, formButton{Title: "Test", Action: "/console/sources/" + id + "/probe#tell", Wait: "Trying…"})
		if chosen == way.Name() {
			s.ID, s.Said = "tell", said.on("tell")
		}
		out = append(out, s)
	}
	first := section{Title: "Tell the engine", Fields: []field{ways},
		Hint: "What is done here, from wherever, goes to the engine: acknowledgements, their removal, comments, downtimes. Then it is read whether the engine knows, and each alert says so."}
	if !slices.ContainsFunc(out, func(s section) bool { return s.ID != "" }) {
		first.ID = "tell"
	}
	return append([]section{first}, out...)
}

// wayControl is one field of a way of telling an engine.
func wayControl(way string, x source.Field, was source.WriteBack, in url.Values) field {
	name := wayField(way, x.Name)
	f := field{Name: name, Label: x.Label, Hint: x.Hint, Kind: "text", Value: in.Get(name), Half: true, Mono: true, Auto: "off"}
	if x.Kind != "checkbox" {
		f.Sample = x.Default
	}
	switch x.Kind {
	case "secret":
		f.Kind, f.Secret, f.Stored = "password", true, was.Kind == way && was.Secret != ""
	case "checkbox":
		f.Kind, f.Checked, f.Half, f.Mono = "checkbox", in.Get(name) != "", false, false
	case "number":
		f.Kind, f.Mono, f.Min = "number", false, "1"
	case "pem":
		f.Kind, f.Rows, f.Half = "textarea", 3, false
		f.Sample = "-----BEGIN CERTIFICATE-----"
	}
	return f
}

// decodedWords say what an example was understood as.
func decodedWords(events []alert.Event) string {
	parts := make([]string, 0, 4)
	for i, e := range events {
		if i == 3 {
			parts = append(parts, "and "+strconv.Itoa(len(events)-3)+" more")
			break
		}
		words := e.Type.Word() + " of " + e.Object.Name()
		if e.State != "" {
			words += ": " + stateOf(e.State).Word
		}
		if e.Output != "" {
			line, _, _ := strings.Cut(e.Output, "\n")
			if r := []rune(line); len(r) > 80 {
				line = string(r[:80]) + "…"
			}
			words += ", “" + line + "”"
		}
		parts = append(parts, words)
	}
	return "Understood as " + count(len(events), "event", "events") + ". " + strings.Join(parts, "; ") + "."
}
