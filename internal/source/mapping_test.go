package source_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

func mapping() *source.Mapping {
	return &source.Mapping{
		Events: "/checks", ID: "/id", Host: "/machine/name", Service: "/name", State: "/status", Output: "/message", Long: "/details",
		Author: "=robot", Contact: "/to", Time: "/at", URL: "/links/0", Labels: "/tags", Type: "/kind",
		States: map[string]string{"red": "critical", "green": "ok"}, Types: map[string]string{"note": "CUSTOM"},
	}
}

func TestAMappingMakesEventsOfAnyJSON(t *testing.T) {
	const body = `{"version":7,"checks":[
		{"id":12345678901234567890,"machine":{"name":"web01"},"name":"HTTP","status":"RED","message":"no answer","details":true,"to":["ops",7],
		 "at":1795219190500,"links":["https://x.example.com/1"],"tags":{"site":"Fulda","tier":1,"deep":{"a":1}},"unknown":[1,2]},
		{"machine":{"name":"web01"},"name":"HTTP","status":"green","at":"2026-11-21T23:59:59Z"},
		{"machine":{"name":"web02"},"status":"red"},
		{"machine":{"name":"web02"},"status":"green","kind":"Note","name":null}]}`
	m := mapping()
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	events, err := m.Decode([]byte(body), now, source.MaxEvents)
	if err != nil {
		t.Fatal(err)
	}
	first := alert.Event{CallID: "12345678901234567890", Type: alert.Problem, State: alert.Critical, Output: "no answer", Long: "true", Author: "robot",
		Contacts: []string{"ops", "7"}, Origin: alert.FromEngine, Time: time.UnixMilli(1795219190500).UTC(), Marks: []alert.Mark{alert.MarkLate},
		Object: alert.Object{Host: "web01", Service: "HTTP", State: alert.Critical, URL: "https://x.example.com/1", Labels: map[string]string{"site": "Fulda", "tier": "1"}}}
	if diff := cmp.Diff(first, events[0]); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{"PROBLEM critical", "RECOVERY ok", "PROBLEM down", "CUSTOM up"} {
		if got := string(events[i].Type) + " " + string(events[i].State); got != want {
			t.Errorf("events[%d]: got %s, want %s", i, got, want)
		}
	}
	t.Run("numbers are written in many ways", func(t *testing.T) {
		m := &source.Mapping{Host: "/h", Service: "/n", State: "/s", Time: "/t", States: map[string]string{"2": "critical", "-1": "unknown"}}
		for _, c := range []struct{ body, want string }{
			{`{"h":10.0,"n":1e3,"s":2.0,"t":1795305600}`, "10 1000 critical"},
			{`{"h":"1.0","n":1.5,"s":"2","t":1795305600000}`, "1.0 1.5 critical"},
			{`{"h":1e999,"n":12345678901234567890,"s":-1,"t":1795305600000000}`, "1e999 12345678901234567890 unknown"},
			{`{"h":9007199254740993.0,"n":-0.0,"s":2,"t":1795305600000000000}`, "9007199254740993.0 -0 critical"},
		} {
			events, err := m.Decode([]byte(c.body), now, source.MaxEvents)
			if err != nil {
				t.Errorf("%s: %v", c.body, err)
				continue
			}
			e := events[0]
			if got := e.Object.Host + " " + e.Object.Service + " " + string(e.State); got != c.want || !e.Time.Equal(now) {
				t.Errorf("%s: got %s of %v, want %s", c.body, got, e.Time, c.want)
			}
		}
	})
	t.Run("labels that are too much are left out, the event is not", func(t *testing.T) {
		labels := map[string]any{strings.Repeat("n", 300): "x", "v": strings.Repeat("ü", 5000), "a\nb": "x", "": "x", " ": "x", "deep": map[string]any{}, "list": []int{1}, "none": nil, "yes": true}
		for i := range 200 {
			labels["z"+strconv.Itoa(i)] = i
		}
		body, err := json.Marshal(map[string]any{"h": "web01", "l": labels})
		if err != nil {
			t.Fatal(err)
		}
		m := &source.Mapping{Host: "/h", Service: "=s", State: "=2", Labels: "/l"}
		events, err := m.Decode(body, now, source.MaxEvents)
		if err != nil {
			t.Fatal(err)
		}
		got := events[0].Object.Labels
		if len(got) != source.MaxLabels || got["yes"] != "true" || !strings.HasPrefix(got["v"], "üü") {
			t.Errorf("got %d: %v", len(got), got)
		}
		check(t, events[0])
	})
	t.Run("the body may be one event, or an array of them", func(t *testing.T) {
		m := &source.Mapping{Host: "/h~1~0", State: "=2", Service: "=s"}
		for _, body := range []string{`{"h/~":"x"}`, `[{"h/~":"x"}]`} {
			events, err := m.Decode([]byte(body), now, source.MaxEvents)
			if err != nil || len(events) != 1 || events[0].Object.Host != "x" || events[0].State != alert.Critical {
				t.Errorf("%s: got %+v, %v", body, events, err)
			}
		}
	})
}

func TestRefusalsOfAMappingNameThePointer(t *testing.T) {
	for _, c := range []struct{ name, body, field, mend string }{
		{"no events", `{"check":[]}`, "events (/checks)", "mapping's events"},
		{"events that are a text", `{"checks":"x"}`, "events (/checks)", "array"},
		{"none of them", `{"checks":[]}`, "events (/checks)", "at least one"},
		{"no host", `{"checks":[{"status":"red"}]}`, "events[0].host (/machine/name)", "mapping's host"},
		{"a host that is an object", `{"checks":[{"machine":{"name":{}}}]}`, "events[0].host (/machine/name)", "text or a number"},
		{"a state without a meaning", `{"checks":[{"machine":{"name":"a"},"status":"red"},{"machine":{"name":"a"},"status":"purple"}]}`, "events[1].state (/status)", "mapping's states"},
		{"a type without a meaning", `{"checks":[{"machine":{"name":"a"},"status":"red","kind":"?"}]}`, "events[0].type (/kind)", "mapping's types"},
		{"a time that is none", `{"checks":[{"machine":{"name":"a"},"status":"red","at":"soon"}]}`, "events[0].time (/at)", "RFC 3339"},
		{"labels that are a text", `{"checks":[{"machine":{"name":"a"},"status":"red","tags":"x"}]}`, "events[0].labels (/tags)", "object"},
		{"contacts of objects", `{"checks":[{"machine":{"name":"a"},"status":"red","to":[{}]}]}`, "events[0].contacts (/to)", ""},
		{"no JSON", `x`, "body", "valid JSON"},
		{"too many", `{"checks":[{},{},{},{}]}`, "events (/checks)", "several requests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mapping().Decode([]byte(c.body), now, 3)
			var f *source.FieldError
			if !errors.As(err, &f) || f.Field != c.field || !strings.Contains(f.Mend, c.mend) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestValidateNamesWhatIsWrongWithAMapping(t *testing.T) {
	long := make(map[string]string, 101)
	for i := range 101 {
		long[strings.Repeat("x", i)] = "ok"
	}
	for _, c := range []struct {
		field  string
		change func(*source.Mapping)
	}{
		{"", func(*source.Mapping) {}},
		{"", func(m *source.Mapping) { m.Host, m.Service = "=web01", "=" }},
		{"mapping.host", func(m *source.Mapping) { m.Host = "" }},
		{"mapping.host", func(m *source.Mapping) { m.Host = "host" }},
		{"mapping.host", func(m *source.Mapping) { m.Host = "=" }},
		{"mapping.output", func(m *source.Mapping) { m.Output = "/a~2" }},
		{"mapping.output", func(m *source.Mapping) { m.Output = "/" + strings.Repeat("x", 500) }},
		{"mapping.events", func(m *source.Mapping) { m.Events = "=x" }},
		{"mapping.labels", func(m *source.Mapping) { m.Labels = "=x" }},
		{"mapping.states.red", func(m *source.Mapping) { m.States["red"] = "awful" }},
		{"mapping.states", func(m *source.Mapping) { m.States = long }},
		{"mapping.types.note", func(m *source.Mapping) { m.Types["note"] = "UNACKNOWLEDGED" }},
		{"mapping.types.note", func(m *source.Mapping) { m.Types["note"] = "COMMENT" }},
	} {
		m := mapping()
		c.change(m)
		err := m.Validate()
		var f *source.FieldError
		if errors.As(err, &f); (f == nil) != (c.field == "") || f != nil && (f.Field != c.field || f.Mend == "") {
			t.Errorf("got %v, want %q", err, c.field)
		}
	}
}

// FuzzMapping holds that neither a mapping that is valid nor any body breaks
// anything, and that no refusal is silent.
func FuzzMapping(f *testing.F) {
	text, err := json.Marshal(mapping())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, []byte(`{"checks":[{"machine":{"name":"web01"},"status":"red","at":1e99,"tags":{"":1}}]}`))
	f.Add([]byte(`{"host":"/a/0","state":"=2"}`), []byte(`[{"a":["x"]},{"a":[]}]`))
	f.Fuzz(func(t *testing.T, text, body []byte) {
		var m source.Mapping
		if json.Unmarshal(text, &m) != nil || m.Validate() != nil {
			return
		}
		events, err := m.Decode(body, now, 10)
		if err != nil {
			var f *source.FieldError
			if !errors.As(err, &f) || f.Field == "" || f.Problem == "" || f.Mend == "" {
				t.Fatalf("a refusal that does not say enough: %#v", err)
			}
			return
		}
		for _, e := range events {
			check(t, e)
		}
	})
}
