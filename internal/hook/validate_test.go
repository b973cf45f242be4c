package hook_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tocsin/internal/contact"
	"tocsin/internal/hook"
)

func TestValidate(t *testing.T) {
	deep := any("x")
	for range hook.MaxDepth + 1 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		name   string
		change func(*hook.Hook)
		field  string // empty: it is taken
		says   string
	}{
		{"as it is", func(*hook.Hook) {}, "", ""},
		{"no name", func(h *hook.Hook) { h.Name = " " }, "name", ""},
		{"no form", func(h *hook.Hook) { h.Form = "xml" }, "form", "json, slack"},
		{"no address", func(h *hook.Hook) { h.URL = "" }, "url", "missing"},
		{"no web address", func(h *hook.Hook) { h.URL = "hooks.example.org/secret" }, "url", ""},
		{"a file", func(h *hook.Hook) { h.URL = "file:///etc/passwd" }, "url", ""},
		{"a mail address", func(h *hook.Hook) { h.URL = "mailto:jane@example.org" }, "url", ""},
		{"another scheme", func(h *hook.Hook) { h.URL = "gopher://hooks.example.org/" }, "url", "https"},
		{"control characters", func(h *hook.Hook) { h.URL = "https://hooks.example.org/a\nb" }, "url", ""},
		{"a password", func(h *hook.Hook) { h.URL = "https://jane:pw@hooks.example.org/" }, "url", "token"},
		{"a fragment", func(h *hook.Hook) { h.URL = "https://hooks.example.org/#secret" }, "url", "#"},
		{"plain http", func(h *hook.Hook) { h.URL = "http://hooks.example.org/" }, "url", "https://"},
		{"plain http in a private network", func(h *hook.Hook) { h.URL, h.Private = "http://gotify.lan:8080/", true }, "", ""},
		{"plain http to a public address", func(h *hook.Hook) { h.URL, h.Private = "http://8.8.8.8/", true }, "url", "https://"},
		{"a private address", func(h *hook.Hook) { h.URL = "https://10.0.0.1/" }, "url", "private"},
		{"a private address that is allowed", func(h *hook.Hook) { h.URL, h.Private = "https://10.0.0.1/", true }, "", ""},
		{"this machine", func(h *hook.Hook) { h.URL = "https://localhost/" }, "url", "private"},
		{"this machine that is allowed", func(h *hook.Hook) { h.URL, h.Private = "http://localhost:8080/", true }, "", ""},
		{"this machine in disguise", func(h *hook.Hook) { h.URL, h.Private = "http://2130706433/", true }, "url", ""},
		{"a cloud's credentials", func(h *hook.Hook) { h.URL, h.Private = "http://169.254.169.254/latest", true }, "url", ""},
		{"a cloud's credentials by IPv6", func(h *hook.Hook) { h.URL, h.Private = "http://[::ffff:169.254.169.254]/latest", true }, "url", ""},
		{"a link-local address", func(h *hook.Hook) { h.URL, h.Private = "http://[fe80::1]/", true }, "url", ""},
		{"a group", func(h *hook.Hook) { h.URL, h.Private = "https://224.0.0.1/", true }, "url", ""},
		{"a long address", func(h *hook.Hook) { h.URL += strings.Repeat("x", hook.MaxURL) }, "url", "too long"},
		{"a topic elsewhere", func(h *hook.Hook) { h.Topic = "ops" }, "topic", ""},
		{"ntfy", func(h *hook.Hook) { *h = hookOf(hook.Ntfy) }, "", ""},
		{"ntfy without a topic", func(h *hook.Hook) { *h = hookOf(hook.Ntfy); h.Topic = "" }, "topic", ""},
		{"ntfy with the topic in the address", func(h *hook.Hook) { *h = hookOf(hook.Ntfy); h.URL += "/ops" }, "url", "topic"},
		{"a token with a line break", func(h *hook.Hook) { h.Token = "a\r\nX-Evil: 1" }, "token", ""},
		{"a key that is cut", func(h *hook.Hook) { h.Secret = "whsec_***" }, "secret", "base64"},
		{"a header", func(h *hook.Hook) { h.Headers = map[string]string{"X-Team": "shop"} }, "", ""},
		{"a header of ours", func(h *hook.Hook) { h.Headers = map[string]string{"authorization": "x"} }, "headers.authorization", "token"},
		{"the host's header", func(h *hook.Hook) { h.Headers = map[string]string{"Host": "internal"} }, "headers.Host", ""},
		{"a header with a line break", func(h *hook.Hook) { h.Headers = map[string]string{"X-Team": "a\r\nX-Evil: 1"} }, "headers.X-Team", ""},
		{"no name of a header", func(h *hook.Hook) { h.Headers = map[string]string{"X Team:": "a"} }, "headers", ""},
		{"many headers", func(h *hook.Hook) {
			h.Headers = map[string]string{}
			for i := range hook.MaxHeaders + 1 {
				h.Headers[fmt.Sprintf("X-%d", i)] = ""
			}
		}, "headers", ""},
		{"a template elsewhere", func(h *hook.Hook) { h.Template = map[string]any{"a": "b"} }, "template", ""},
		{"no template", func(h *hook.Hook) { h.Form = hook.Fields }, "template", "empty"},
		{"a template that refers to nothing", func(h *hook.Hook) {
			*h = hookOf(hook.Fields)
			h.Template["blocks"] = []any{"a", map[string]any{"text": "{{state}}: {{hostname}}"}}
		}, "template.blocks[1].text", "the values are type, title, "},
		{"a template that does not close", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = "{{state" }, "template.a", "}}"},
		{"a template with an empty name", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = "{{ }}" }, "template.a", ""},
		{"a template with a label without a name", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = "{{label.}}" }, "template.a", ""},
		{"a template with blanks", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = "{{ state }} of {{label.team}}" }, "", ""},
		{"a value for a name", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["{{state}}"] = "a" }, "template.{{state}}", ""},
		{"a deep template", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = deep }, "template.a" + strings.Repeat("[0]", hook.MaxDepth-1), "deep"},
		{"a large template", func(h *hook.Hook) {
			*h = hookOf(hook.Fields)
			h.Template["a"] = strings.Repeat("x", hook.MaxTemplate)
		}, "template", "too large"},
		{"a long template", func(h *hook.Hook) { *h = hookOf(hook.Fields); h.Template["a"] = make([]any, hook.MaxEntries) }, "template", "entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hookOf(hook.JSON)
			c.change(&h)
			err := h.Validate()
			if c.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var wrong *contact.FieldError
			if !errors.As(err, &wrong) || wrong.Field != c.field || !strings.Contains(err.Error(), c.says) || wrong.Mend == "" {
				t.Fatalf("got %v", err)
			}
			if c.field == "url" && h.URL != "" && strings.Contains(err.Error(), h.URL) {
				t.Errorf("%q shows the address", err)
			}
		})
	}
}

func TestHeadersAndAddresses(t *testing.T) {
	gotify := hookOf(hook.Gotify)
	gotify.URL, gotify.Token = "https://push.example.org/gotify/", "AbCd"
	ntfy := hookOf(hook.Ntfy)
	ntfy.Token = "tk_1"
	own := hookOf(hook.JSON)
	own.Token, own.Headers = "t", map[string]string{"X-Team": "shop"}
	for _, c := range []struct {
		h       hook.Hook
		address string
		want    map[string]string
	}{
		{gotify, "https://push.example.org/gotify/message", map[string]string{"X-Gotify-Key": "AbCd"}},
		{ntfy, "https://ntfy.example.org", map[string]string{"Authorization": "Bearer tk_1"}},
		{own, "https://hooks.example.org/in", map[string]string{"Authorization": "Bearer t", "X-Team": "shop"}},
		{hookOf(hook.Fields), "https://hooks.example.org/in", map[string]string{}}, // the template has the token
	} {
		if got := c.h.Address(); got != c.address {
			t.Errorf("%s is posted to %s", c.h.Form, got)
		}
		if got := c.h.Sent(); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s is posted with %v", c.h.Form, got)
		}
	}
	gotify.URL = "https://push.example.org/message"
	if got := gotify.Address(); got != gotify.URL {
		t.Errorf("posted to %s", got)
	}
}

func TestKeys(t *testing.T) {
	key := []byte{0, 1, 2, 255}
	for secret, want := range map[string]string{"": "", "plain words": "plain words", "whsec_" + base64.StdEncoding.EncodeToString(key): string(key)} {
		if got := (hook.Hook{Secret: secret}).Key(); string(got) != want {
			t.Errorf("%q is the key %q", secret, got)
		}
	}
}

func TestEveryValueIsInThePages(t *testing.T) {
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range hook.Values() {
		if !strings.Contains(string(page), "| `"+v.Name+"` | "+v.About+" |") {
			t.Errorf("docs/webhooks.md lacks: | `%s` | %s |", v.Name, v.About)
		}
	}
}

// Every value that Values names is there, also of a message that has it not.
func TestEveryValueHasOne(t *testing.T) {
	h := hookOf(hook.Fields)
	h.Template = map[string]any{}
	for _, v := range hook.Values() {
		h.Template[v.Name] = "{{" + v.Name + "}}"
	}
	h.Token = "t"
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for name := range messages() {
		var got map[string]any
		if err := json.Unmarshal(body(t, h, name), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range got {
			if v == nil {
				t.Errorf("%s is null in %s", k, name)
			}
			if v != "" {
				seen[k] = true
			}
		}
	}
	for _, v := range hook.Values() {
		if !seen[v.Name] {
			t.Errorf("%s is empty in every message", v.Name)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"a":"{{state}} {{label.x}}","b":[1,null,{"c":"}}{{"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		h := hookOf(hook.Fields)
		h.Template = nil
		if json.Unmarshal([]byte(text), &h.Template) != nil || h.Validate() != nil {
			return
		}
		m := problem()
		raw, err := h.Body(&m, around())
		if err != nil || !json.Valid(raw) {
			t.Errorf("%v: %q", err, raw)
		}
	})
}
