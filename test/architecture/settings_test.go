package architecture_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/config"
	"tocsin/internal/notify"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

const settingsPage = "docs/settings.md"

// schema is what the API's document says of one kind of thing, or of one field.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"`
	Description string             `json:"description"`
	Properties  map[string]*schema `json:"properties"`
	Additional  json.RawMessage    `json:"additionalProperties"`
	Items       *schema            `json:"items"`
	Required    []string           `json:"required"`
	Enum        []string           `json:"enum"`
	Examples    []any              `json:"examples"`
	Default     any                `json:"default"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	MinLength   *int               `json:"minLength"`
	MaxLength   *int               `json:"maxLength"`
	MaxItems    *int               `json:"maxItems"`
	WriteOnly   bool               `json:"writeOnly"`
	ReadOnly    bool               `json:"readOnly"`
}

type document struct {
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
}

// openapi is the document that a test in internal/web/api holds to the code.
func openapi(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal([]byte(read(t, "internal/web/api/testdata/openapi.json")), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// thing is one kind of thing that people set, as the API takes it.
type thing struct{ title, schema, intro string }

// parts are the things, by the sections of the page.
func parts() []struct {
	title, intro string
	things       []thing
} {
	type part = struct {
		title, intro string
		things       []thing
	}
	return []part{
		{"Sources", "A source is one monitoring engine: the console's page “Sources”, `/api/v1/sources`, `tocsin source`. [engines.md](engines.md) has each engine.", []thing{
			{"A source", "SourceIn", ""},
			{"How an engine is told", "WriteBackIO", "`write_back` of a source. Which fields a way has, the next table says."},
			{"A mapping", "MappingIO", "`mapping` of a source of the kind `generic`. [api.md](api.md#send-an-event) has an example."},
		}},
		{"Contacts, groups and rules", "The console's pages “Contacts” and “Rules”, `/api/v1/contacts` and its neighbours, `tocsin contact`.", []thing{
			{"A contact", "ContactIn", ""}, {"A group of contacts", "GroupIn", ""}, {"A rule", "RuleIn", ""},
			{"A time period", "PeriodIn", "[quiet.md](quiet.md) explains it."}, {"A day of the week in it", "WeekIO", ""}, {"An exception in it", "ExceptionIO", ""}, {"A stretch of a day", "RangeIO", ""},
		}},
		{"Channels", "What each channel needs. Whom it tells, contacts and rules say.", []thing{
			{"Mattermost", "MattermostIn", "The console's page “Mattermost”, `/api/v1/mattermost`. [mattermost.md](mattermost.md) explains it."},
			{"A room of Mattermost", "RoomIn", ""},
			{"E-mail: the mail server", "EmailIn", "The console's page “E-mail”, `/api/v1/email`. [email.md](email.md) explains it."},
			{"A webhook", "WebhookIn", "The console's page “Webhooks”, `/api/v1/webhooks`. [webhooks.md](webhooks.md) has the forms."},
		}},
		{"On call, and windows", "[on-call.md](on-call.md) and [quiet.md](quiet.md) explain these.", []thing{
			{"A schedule", "ScheduleIn", ""}, {"A layer of it", "LayerIO", ""}, {"An override", "OverrideIn", ""},
			{"An escalation policy", "PolicyIn", ""}, {"A step of it", "StepIO", ""},
			{"A maintenance window", "WindowIn", ""}, {"Its line on a status page", "WindowPageIn", ""},
		}},
		{"Status pages", "The console's page “Status pages”, `/api/v1/status`. [status-page.md](status-page.md) explains these.", []thing{
			{"A page", "PageIn", ""}, {"A private page", "PrivateIn", ""}, {"What a page tells visitors", "TriggersIO", ""},
			{"A component", "ComponentIn", ""}, {"What a component follows", "BindingIO", ""}, {"A group of components", "StatusGroupIn", ""},
			{"A template of incidents", "TemplateIn", ""}, {"A series of maintenance", "SeriesIn", ""},
		}},
		{"Users and keys", "[sign-in.md](sign-in.md) explains roles, [api.md](api.md#who-you-are) scopes.", []thing{
			{"A user", "UserIn", ""}, {"A change of a user", "UserChangeIn", ""}, {"A passkey", "PasskeyIn", ""}, {"An API key", "KeyIn", ""},
		}},
	}
}

// acts are what is put by the API and is no setting: what people and
// their browsers do.
func acts() []string {
	return []string{"StateIn", "IncidentEdit", "PostmortemIn", "UpdateEdit", "MaintenanceIn", "OrderIn", "VisitorIn", "DeviceIn"}
}

func TestSettingsPageIsAsTheCodeSays(t *testing.T) {
	t.Parallel()
	text := settingsText(t, openapi(t))
	file := filepath.Join(root, settingsPage)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(text, read(t, settingsPage)); d != "" {
		t.Errorf("%s is not what the code says; if that is meant, run go test ./test/architecture -run TestSettingsPage -update\n%s", settingsPage, d)
	}
}

func TestEverythingThatIsSetIsOnTheSettingsPage(t *testing.T) {
	t.Parallel()
	doc := openapi(t)
	listed := acts()
	for _, p := range parts() {
		for _, x := range p.things {
			if doc.Components.Schemas[x.schema] == nil {
				t.Errorf("the API has no %s", x.schema)
			}
			listed = append(listed, x.schema)
		}
	}
	listed = append(listed, "SettingsIO", "StormIO") // of config.SettingTable
	seen := 0
	var known func(from, name string)
	known = func(from, name string) {
		if seen++; !slices.Contains(listed, name) {
			t.Errorf("%s has %s, which docs/settings.md does not have; add it to parts()", from, name)
			return
		}
		if slices.Contains(acts(), name) {
			return
		}
		for field, s := range doc.Components.Schemas[name].Properties {
			if ref := within(s); ref != "" {
				known(name+"."+field, ref)
			}
		}
	}
	for path, ops := range doc.Paths {
		for _, c := range ops["put"].RequestBody.Content {
			if c.Schema.Ref != "" {
				known("PUT "+path, refName(c.Schema.Ref))
			}
		}
	}
	if seen < 30 {
		t.Errorf("read only %d schemas", seen)
	}
	// The API's own words of the settings are held to the table.
	table := map[string]config.Setting{}
	for _, s := range config.SettingTable() {
		table[s.Name] = s
	}
	for prefix, name := range map[string]string{"": "SettingsIO", "storm.": "StormIO"} {
		for field, s := range doc.Components.Schemas[name].Properties {
			row, ok := table[prefix+field]
			if !ok && field != "storm" && !s.ReadOnly {
				t.Errorf("the API takes the setting %s%s, which the table does not have", prefix, field)
			}
			if usual, has := config.Defaults().InWords(prefix + field); ok && has && len(s.Examples) > 0 && row.Number() && fmt.Sprint(s.Examples[0]) != usual {
				t.Errorf("the API's example of %s%s is %v, and the default is %s", prefix, field, s.Examples[0], usual)
			}
			delete(table, prefix+field)
		}
	}
	for name := range table {
		t.Errorf("the API does not take the setting %s", name)
	}
}

// within is the schema that a field holds, one or a list or a map of it; empty: none.
func within(s *schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return refName(s.Ref)
	case s.Items != nil:
		return within(s.Items)
	}
	var more schema
	if len(s.Additional) > 0 && s.Additional[0] == '{' && json.Unmarshal(s.Additional, &more) == nil {
		return within(&more)
	}
	return ""
}

func row(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", "\\|")
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// settingsText is docs/settings.md.
func settingsText(t *testing.T, doc document) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Every setting

This page is made from the code: what is not here, there is not. ` + "`tocsin config`" + ` shows what is in force, and from where;
[configuration.md](configuration.md) explains where keys are read from, and [commands.md](commands.md) has the flags.

| you look for | section |
|---|---|
| what the program needs to start, in the environment or a file | [Keys](#keys), [of other commands](#keys-of-notify-and-bounce), [of others](#variables-that-are-not-tocsins-own) |
| what people change in daily life | [Settings](#settings) |
`)
	for _, p := range parts() {
		b.WriteString(row("what is set of each: "+strings.ToLower(p.title[:1])+p.title[1:], "["+p.title+"](#"+headings("# " + p.title)[0]+")"))
	}
	b.WriteString("\n## Keys\n\nOf a key with a `_FILE` a file may hold the value: then `KEY_FILE` is its name. Secrets are never shown or logged.\n")
	section := ""
	for _, k := range config.Table() {
		if k.Section != section {
			section = k.Section
			b.WriteString("\n### " + section + "\n\n| key | default | write | meaning |\n|---|---|---|---|\n")
		}
		name := code(k.Name)
		if k.File {
			name += ", " + code(k.Name+"_FILE")
		}
		if k.Flag != "" {
			name += ", " + code(k.Flag)
		}
		meaning := k.Meaning
		if k.Secret {
			meaning += ". A secret"
		}
		b.WriteString(row(name, joined(", ", k.Usual()), joined("; ", k.Shape, k.Limits), meaning))
	}
	b.WriteString("\n### Keys of notify and bounce\n\n`tocsin notify` reads them from its flags, the environment and `/etc/tocsin/notify.env` ([notify.md](notify.md)); `tocsin bounce` has `TOCSIN_URL` and\n`TOCSIN_KEY_FILE`, the name of the file with its API key ([email.md](email.md)). They may stand beside the others.\n\n| key | flag | default | meaning |\n|---|---|---|---|\n")
	for _, f := range notify.Flags() {
		if f.Key != "" {
			b.WriteString(row(code(f.Key), code("--"+f.Name), f.Usual, f.Help))
		}
	}
	b.WriteString("\n### Variables that are not Tocsin's own\n\n| variable | of | meaning |\n|---|---|---|\n")
	for _, f := range config.Foreigners() {
		b.WriteString(row(code(f.Name), f.Command, f.Meaning))
	}
	settingRows(&b)
	for _, p := range parts() {
		b.WriteString("\n## " + p.title + "\n\n" + p.intro + "\n")
		if p.title == "Channels" {
			b.WriteString("\n**Browser.** A contact with a user is told in every tab that the user has open: `push_host` and `push_service` of the [contact](#a-contact); how long a notification\nwaits and stays, the [settings](#settings) say. There is nothing else to set.\n\n**Web Push.** Each device is set on the page “My notifications” of its own browser ([webpush.md](webpush.md)); the keys are [above](#web-push-and-the-way-out).\n")
		}
		for _, x := range p.things {
			b.WriteString("\n### " + x.title + "\n\n")
			if x.intro != "" {
				b.WriteString(x.intro + "\n\n")
			}
			fieldRows(&b, doc, x.schema)
			if x.schema == "SourceIn" {
				kindRows(&b)
			}
			if x.schema == "WriteBackIO" {
				wayRows(&b)
			}
		}
	}
	return b.String()
}

func settingRows(b *strings.Builder) {
	b.WriteString("\n## Settings\n\nIn the console, by `PUT /api/v1/settings`, in force at once on every node; `tocsin config settings` shows them.\n\n| setting | default | write | page | meaning |\n|---|---|---|---|---|\n")
	for _, s := range config.SettingTable() {
		usual, _ := config.Defaults().InWords(s.Name)
		switch {
		case strings.HasPrefix(usual, "{"):
			usual = "see below"
		case usual == `""` || usual == "" || usual == "[]":
			usual = "none"
		default:
			usual = code(strings.Trim(usual, `"`))
		}
		meaning := s.Meaning
		if s.Secret {
			meaning += ". A secret"
		}
		b.WriteString(row(code(s.Name), usual, joined("; ", s.Shape, s.Limits()), s.Page, meaning))
	}
	b.WriteString("\nThe defaults by state and kind:\n\n| | `auto_close` | `push_urgency` |\n|---|---|---|\n")
	d := config.Defaults()
	for _, key := range slices.Sorted(maps.Keys(d.AutoClose)) {
		b.WriteString(row(code(key), strconv.Itoa(d.AutoClose[key]), code(d.PushUrgency[key])))
	}
}

// fieldRows are the fields of a schema, those that must be given first.
func fieldRows(b *strings.Builder, doc document, name string) {
	s := doc.Components.Schemas[name]
	b.WriteString("| field | write | meaning |\n|---|---|---|\n")
	names := slices.SortedFunc(maps.Keys(s.Properties), func(x, y string) int {
		a, c := slices.Index(s.Required, x), slices.Index(s.Required, y)
		if (a < 0) != (c < 0) {
			return c - a
		}
		return strings.Compare(x, y)
	})
	for _, field := range names {
		f := s.Properties[field]
		if f.ReadOnly {
			continue
		}
		meaning := f.Description
		if slices.Contains(s.Required, field) {
			meaning = joined(". ", meaning, "Must be given")
		}
		if f.WriteOnly {
			meaning = joined(". ", meaning, "A secret")
		}
		if len(f.Examples) > 0 {
			meaning = joined(". ", meaning, fmt.Sprintf("Example: `%v`", f.Examples[0]))
		}
		b.WriteString(row(code(field), f.shape(), strings.ReplaceAll(meaning, "<", "&lt;")))
	}
}

// shape says what is written, and its limits.
func (s *schema) shape() string {
	kind := fmt.Sprint(s.Type)
	if list, ok := s.Type.([]any); ok && len(list) > 0 {
		kind = fmt.Sprint(list[0])
	}
	if s.Ref != "" {
		return "an object, see below"
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, w := range s.Enum {
			if words[i] = code(w); w == "" {
				words[i] = "empty"
			}
		}
		return strings.Join(words, ", ")
	}
	text := map[string]string{"string": "text", "integer": "a number", "number": "a number", "boolean": "`true` or `false`", "array": "a list", "object": "an object"}[kind]
	if s.Items != nil && len(s.Items.Enum) > 0 {
		text += " of " + s.Items.shape()
	}
	limits := ""
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		limits = fmt.Sprintf("%v to %v", *s.Minimum, *s.Maximum)
	case s.MaxLength != nil && s.MinLength != nil:
		limits = fmt.Sprintf("%d to %d characters", *s.MinLength, *s.MaxLength)
	case s.MaxLength != nil:
		limits = fmt.Sprintf("up to %d characters", *s.MaxLength)
	case s.MinLength != nil:
		limits = fmt.Sprintf("at least %d characters", *s.MinLength)
	case s.MaxItems != nil:
		limits = fmt.Sprintf("up to %d entries", *s.MaxItems)
	case s.Maximum != nil:
		limits = fmt.Sprintf("up to %v", *s.Maximum)
	case s.Minimum != nil:
		limits = fmt.Sprintf("%v or more", *s.Minimum)
	}
	return joined(", ", text, limits)
}

// kindRows are the kinds of source.
func kindRows(b *strings.Builder) {
	b.WriteString("\nThe kinds, and how each can be told what was done here (`write_back.kind`; `none` for all of them):\n\n| `kind` | engine | `write_back.kind` |\n|---|---|---|\n")
	for _, k := range app.Kinds() {
		var ways []string
		for _, w := range app.WriteBacks() {
			if slices.Contains(w.For(), k.Name()) {
				ways = append(ways, code(w.Name()))
			}
		}
		b.WriteString(row(code(k.Name()), k.Title(), strings.Join(ways, ", ")))
	}
}

// wayRows are the fields of each way of telling an engine.
func wayRows(b *strings.Builder) {
	b.WriteString("\n| `kind` | field | default | meaning |\n|---|---|---|---|\n")
	for _, w := range app.WriteBacks() {
		for i, f := range w.Fields() {
			kind := ""
			if i == 0 {
				kind = code(w.Name()) + ", " + w.Title()
			}
			meaning := f.Label
			if f.Hint != "" {
				meaning += ": " + strings.TrimSuffix(f.Hint, ".")
			}
			if f.Required {
				meaning += ". Must be given"
			}
			if f.Kind == "secret" {
				meaning += ". A secret: `write_back_secret` of the source"
			}
			b.WriteString(row(kind, code(f.Name), code(f.Default), meaning))
		}
	}
}
