package hook_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/channel"
	"tocsin/internal/hook"
)

func TestBodies(t *testing.T) {
	for _, f := range hook.Forms() {
		h := hookOf(f)
		if err := h.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, name := range append(slices.Sorted(maps.Keys(messages())), "test") {
			t.Run(string(f)+" "+name, func(t *testing.T) {
				golden(t, string(f)+"_"+name+".json", body(t, h, name))
			})
		}
	}
}

func body(t *testing.T, h hook.Hook, name string) []byte {
	t.Helper()
	if name == "test" {
		got, err := h.Test("test-1", at, around())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	m := messages()[name]
	got, err := h.Body(&m, around())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, got, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	out.WriteByte('\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
	}
}

func TestWhatIsNotPosted(t *testing.T) {
	quiet, last := storm(), over()
	quiet.Quiet = true
	for _, f := range hook.Forms() {
		h := hookOf(f)
		if h.Left(&quiet) == "" {
			t.Errorf("%s is posted what only brings something up to date", f)
		}
		if got, want := h.Left(&last) == "", f == hook.JSON || f == hook.Fields; got != want {
			t.Errorf("%s is told that a storm is over: %v", f, got)
		}
		if m := problem(); h.Left(&m) != "" {
			t.Errorf("%s is not told of a problem", f)
		}
	}
}

// hostile is what a check may write.
const hostile = "<!channel> <http://evil.example|here> @channel @everyone [click](http://evil.example) ![x](http://evil.example/x.png) `code` *b* &amp; \u202egpj.exe\x07\r\n\"}]},\xff {{token}}"

func TestTextsFromOutsideMeanNothing(t *testing.T) {
	m := problem()
	a := *m.Alert
	a.Output, m.Event.Output, m.Object.Service = hostile, hostile, hostile
	a.Object, m.Alert = m.Object, &a
	d := storm()
	d.Digest.Worst[0].Output, d.Digest.Worst[0].Object.Service, d.Digest.Title = hostile, hostile, hostile
	for _, f := range hook.Forms() {
		for name, m := range map[string]channel.Message{"alert": m, "digest": d} {
			t.Run(string(f)+" "+name, func(t *testing.T) {
				h := hookOf(f)
				raw, err := h.Body(&m, around())
				if err != nil {
					t.Fatal(err)
				}
				var v any
				if err := json.Unmarshal(raw, &v); err != nil || !utf8.Valid(raw) {
					t.Fatalf("%v: %q", err, raw)
				}
				texts(v, func(s string) {
					switch f {
					case hook.Slack:
						for _, bad := range []string{"<", ">", "@channel", "@everyone", "](", "\u202e", "\x07", "&amp;amp ", "`c"} {
							if strings.Contains(s, bad) {
								t.Errorf("%q is in %q", bad, s)
							}
						}
					case hook.Ntfy, hook.Gotify, hook.Teams:
						if strings.ContainsAny(s, "\u202e\x07\r") {
							t.Errorf("%q does more than it shows", s)
						}
					case hook.Fields:
						if strings.Contains(s, h.Token) && s != h.Token {
							t.Errorf("a check's output named a value: %q", s)
						}
					}
				})
				if f == hook.Teams && bytes.Contains(raw, []byte(`"TextBlock"`)) {
					t.Error("Markdown would be read in it")
				}
			})
		}
	}
}

func texts(v any, look func(string)) {
	switch v := v.(type) {
	case string:
		look(v)
	case []any:
		for _, x := range v {
			texts(x, look)
		}
	case map[string]any:
		for _, x := range v {
			texts(x, look)
		}
	}
}

// Each form is bounded by its receivers: Teams takes 28 KB, ntfy 4,096 bytes of text
// in 8,192 of JSON, Discord 6,000 characters.
func TestBodiesAreBounded(t *testing.T) {
	long := strings.Repeat("\U0001F525", 40_000)
	m := acknowledged()
	a := *m.Alert
	k := *a.Ack
	k.Comment, k.Author = long, long
	a.Output, a.Long, a.Ack = long, long, &k
	m.Event.Output, m.Event.Long, m.Event.Comment, m.Object.Host, m.Duty, m.Alert = long, long, long, long, long, &a
	p := m
	p.Notice = problem().Notice
	d := storm()
	for i := range d.Digest.Worst {
		d.Digest.Worst[i].Output, d.Digest.Worst[i].Object.Host = long, long
	}
	d.Digest.Title, d.Digest.About = long, long
	most := map[hook.Form]int{hook.Slack: 24_000, hook.Teams: 28_000, hook.Ntfy: 8192, hook.Gotify: 40_000, hook.JSON: 2 << 20, hook.Fields: 2 << 20}
	for _, f := range hook.Forms() {
		for name, m := range map[string]channel.Message{"acknowledgement": m, "problem": p, "digest": d} {
			h := hookOf(f)
			raw, err := h.Body(&m, around())
			if err != nil || len(raw) > most[f] {
				t.Errorf("%s, %s: %d bytes, %v", f, name, len(raw), err)
			}
			if f != hook.Ntfy {
				continue
			}
			var n struct{ Message string }
			if err := json.Unmarshal(raw, &n); err != nil || len(n.Message) > 4096 || n.Message == "" {
				t.Errorf("%s: %d bytes of text, %v", name, len(n.Message), err)
			}
		}
	}
}
