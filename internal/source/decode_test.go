package source_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func decode(t *testing.T, body string) []alert.Event {
	t.Helper()
	events, err := source.DecodeEvents([]byte(body), now, source.MaxEvents)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return events
}

func one(t *testing.T, body string) alert.Event {
	t.Helper()
	events := decode(t, body)
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	return events[0]
}

func TestWhatNagiosSentBecomesEvents(t *testing.T) {
	body, err := os.ReadFile("testdata/nagios-4.4.6.json")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1795299460, 0)
	events, err := source.DecodeEvents(body, at, source.MaxEvents)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(events, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/nagios-4.4.6.golden.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestOneEventAnArrayAndAnEnvelopeAreTheSame(t *testing.T) {
	const e = `{"type":"PROBLEM","host":"web01","service":"HTTP","host_display":"Web 1","service_display":"Shop",
		"state":"critical","output":"down","long_output":"line\nline","author":"jane","comment":"mine","contacts":["ops","dev","ops"],
		"contact":"boss","user_id":7,"time":1795219200.25,"url":"https://n.example.com/x?y=1","labels":{"site":"Fulda","tier":null},
		"no_emoji":true,"id":"7b-1"}`
	want := alert.Event{
		CallID: "7b-1", Type: alert.Problem, State: alert.Critical, Output: "down", Long: "line\nline", Author: "jane", Comment: "mine",
		Contacts: []string{"ops", "dev", "boss"}, UserIDs: []string{"7"}, Origin: alert.FromEngine,
		Time: time.UnixMilli(1795219200250).UTC(), Marks: []alert.Mark{alert.MarkNoEmoji, alert.MarkLate},
		Object: alert.Object{Host: "web01", Service: "HTTP", HostDisplay: "Web 1", ServiceDisplay: "Shop", State: alert.Critical,
			URL: "https://n.example.com/x?y=1", Labels: map[string]string{"site": "Fulda"}},
	}
	for _, body := range []string{e, "[" + e + "]", `{"events":[` + e + `]}`, " \n{ \"events\" : [ " + e + " ] } \t"} {
		events := decode(t, body)
		if diff := cmp.Diff([]alert.Event{want}, events); diff != "" {
			t.Error(diff)
		}
	}
	if n := len(decode(t, `[`+e+`,`+e+`]`)); n != 2 {
		t.Errorf("%d events of 2", n)
	}
}

func TestStates(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       alert.State
		marks      []alert.Mark
	}{
		{"a number of a service", `"type":"PROBLEM","service":"s","state":3`, alert.Unknown, nil},
		{"a number as text", `"type":"PROBLEM","state":"1"`, alert.Down, nil},
		{"a word in capitals", `"type":"PROBLEM","service":"s","state":"WARNING"`, alert.Warning, nil},
		{"none of a host", `"type":"PROBLEM"`, alert.Unreachable, []alert.Mark{alert.MarkStateMissing}},
		{"an empty one of a service", `"type":"PROBLEM","service":"s","state":""`, alert.Unknown, []alert.Mark{alert.MarkStateMissing}},
		{"null", `"type":"PROBLEM","service":"s","state":null`, alert.Unknown, []alert.Mark{alert.MarkStateMissing}},
		{"none of a recovery", `"type":"RECOVERY","service":"s"`, alert.OK, nil},
		{"none of a host's recovery", `"type":"RECOVERY","state":""`, alert.Up, nil},
		{"a bad one of a recovery", `"type":"RECOVERY","service":"s","state":2`, alert.OK, nil},
		{"an acknowledgement keeps it", `"type":"ACKNOWLEDGEMENT","service":"s","state":2`, alert.Critical, nil},
		{"a downtime of something well", `"type":"DOWNTIMESTART","state":0`, alert.Up, nil},
		{"Icinga's words for types", `"type":"flappingend","state":0`, alert.Up, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, `{"host":"h",`+c.body+`}`)
			if e.State != c.want || !cmp.Equal(e.Marks, c.marks) {
				t.Errorf("got %s %v, want %s %v", e.State, e.Marks, c.want, c.marks)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	unix := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	for _, c := range []struct {
		name, value string
		want        time.Time
		marks       []alert.Mark
	}{
		{"none is now", `null`, now, nil},
		{"an empty text is now", `""`, now, nil},
		{"seconds", unix(-time.Minute), now.Add(-time.Minute), nil},
		{"seconds as text", `"` + unix(-time.Minute) + `"`, now.Add(-time.Minute), nil},
		{"decimals", unix(-2*time.Second) + ".5", now.Add(-1500 * time.Millisecond), nil},
		{"RFC 3339 with a zone", `"2026-11-22T00:59:00+01:00"`, now.Add(-time.Minute), nil},
		{"a little ahead", unix(59 * time.Second), now, nil},
		{"far ahead", unix(61 * time.Second), now, []alert.Mark{alert.MarkClockAhead}},
		{"absurdly far ahead", "9223372036854775807", now, []alert.Mark{alert.MarkClockAhead}},
		{"five minutes ago", unix(-5 * time.Minute), now.Add(-5 * time.Minute), nil},
		{"last week", unix(-7 * 24 * time.Hour), now.Add(-7 * 24 * time.Hour), []alert.Mark{alert.MarkLate}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, `{"type":"CUSTOM","host":"h","state":0,"time":`+c.value+`}`)
			if !e.Time.Equal(c.want) || !cmp.Equal(e.Marks, c.marks) {
				t.Errorf("got %s %v, want %s %v", e.Time, e.Marks, c.want, c.marks)
			}
		})
	}
}

func TestTextIsMadeFitToBeStored(t *testing.T) {
	long := strings.Repeat("é", source.MaxOutput/2+1) // two bytes each, so the cut lies between two
	for _, c := range []struct {
		name, value, want string
		marks             []alert.Mark
	}{
		{"tidy", `"ok ü 🎉 line\n\ttab"`, "ok ü 🎉 line\n\ttab", nil},
		{"escapes", `"\u00e9 \ud83c\udf89 \/ \" \\ \b\f"`, "é 🎉 / \" \\ ", []alert.Mark{alert.MarkText}},
		{"NUL and others", `"a\u0000b\u0007c\u0085d\u007fe"`, "abcde", []alert.Mark{alert.MarkText}},
		{"carriage return", `"a\r\nb"`, "a\nb", []alert.Mark{alert.MarkText}},
		{"overrides of the direction", `"a\u202eb\u202ac\u202cd"`, "abcd", []alert.Mark{alert.MarkText}},
		{"isolates of the direction", "\"a\u2066b\u2068c\u2069d\"", "abcd", []alert.Mark{alert.MarkText}},
		{"a right-to-left text with its marks", "\"\u200fשלום\u200e – ok…\"", "\u200fשלום\u200e – ok…", nil},
		{"half a surrogate pair", `"a\ud83cb"`, "a\uFFFDb", []alert.Mark{alert.MarkText}},
		{"two first halves", `"\ud83c\ud83c\udf89"`, "\uFFFD🎉", []alert.Mark{alert.MarkText}},
		{"invalid UTF-8", "\"a\xffb\"", "a\uFFFDb", []alert.Mark{alert.MarkText}},
		{"too long", `"` + long + `"`, strings.Repeat("é", source.MaxOutput/2), []alert.Mark{alert.MarkCut}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, `{"type":"CUSTOM","host":"h","state":0,"output":`+c.value+`}`)
			if e.Output != c.want || !cmp.Equal(e.Marks, c.marks) {
				t.Errorf("got %q %v", e.Output, e.Marks)
			}
		})
	}
	t.Run("an author is one line of 255 characters", func(t *testing.T) {
		e := one(t, `{"type":"CUSTOM","host":"h","state":0,"author":"a\nb`+strings.Repeat("é", 300)+`"}`)
		if want := "a b" + strings.Repeat("é", 252); e.Author != want {
			t.Errorf("got %q", e.Author)
		}
	})
	t.Run("a name cannot look like another by turning the direction", func(t *testing.T) {
		e := one(t, `{"type":"CUSTOM","host":"\u202e10bew","host_display":"\u2067web\u2069","service":"a","contact":"\u202dops","state":0}`)
		if e.Object.Host != "10bew" || e.Object.HostDisplay != "web" || !cmp.Equal(e.Contacts, []string{"ops"}) || !cmp.Equal(e.Marks, []alert.Mark{alert.MarkText}) {
			t.Errorf("got %q %q %q %v", e.Object.Host, e.Object.HostDisplay, e.Contacts, e.Marks)
		}
	})
	t.Run("a name with invalid UTF-8 is taken and marked", func(t *testing.T) {
		e := one(t, "{\"type\":\"CUSTOM\",\"host\":\"h\xe9\",\"state\":0}")
		if e.Object.Host != "h\uFFFD" || !cmp.Equal(e.Marks, []alert.Mark{alert.MarkText}) {
			t.Errorf("got %q %v", e.Object.Host, e.Marks)
		}
	})
}

func TestRefusalsNameTheField(t *testing.T) {
	labels := make([]string, 65)
	for i := range labels {
		labels[i] = fmt.Sprintf(`"l%d":"x"`, i)
	}
	const good = `{"type":"PROBLEM","host":"h","state":1}`
	for _, c := range []struct{ name, body, field, says string }{
		{"nothing", ``, "body", "missing"},
		{"a text", `"x"`, "body", "a text"},
		{"no JSON", `type=PROBLEM`, "body", "true or false"},
		{"cut off", `{"type":"PROBLEM","host":`, "host", "cut off"},
		{"cut off in a text", `{"type":"PROBLEM","host":"h`, "host", "ends inside"},
		{"cut off in an array", `[` + good, "events[0]", "cut off"},
		{"something after the end", good + good, "body", "after its end"},
		{"something after the envelope", `{"events":[` + good + `],"x":1}`, "events", "another field"},
		{"events beside fields", `{"type":"PROBLEM","events":[]}`, "events", "beside"},
		{"events that are no array", `{"events":{}}`, "events", "an object"},
		{"an empty array", `[]`, "events", "empty"},
		{"an array in the array", `[[` + good + `]]`, "events[0]", "an array"},
		{"an unknown field", `[` + good + `,{"type":"PROBLEM","hostname":"h"}]`, "events[1].hostname", "not a field"},
		{"another case", `{"Type":"PROBLEM"}`, "Type", "not a field"},
		{"a repeated field", `{"type":"PROBLEM","host":"a","host":"b"}`, "host", "twice"},
		{"a field repeated by escape", `{"type":"PROBLEM","host":"a","h\u006fst":"b"}`, "host", "twice"},
		{"no type", `{"host":"h"}`, "type", "missing"},
		{"an unknown type", `{"type":"PROBLEMS","host":"h"}`, "type", "PROBLEMS"},
		{"a type of ours", `{"type":"UNACKNOWLEDGED","host":"h"}`, "type", "UNACKNOWLEDGED"},
		{"a number as type", `{"type":1,"host":"h"}`, "type", "a number"},
		{"no host", `{"type":"PROBLEM","state":1}`, "host", "missing"},
		{"an empty host", `{"type":"PROBLEM","host":"","state":1}`, "host", "missing"},
		{"a blank host", `{"type":"PROBLEM","host":" ","state":1}`, "host", "white space"},
		{"a host that only turns the direction", `{"type":"PROBLEM","host":"\u202e","state":1}`, "host", "white space"},
		{"NUL in a host", `{"type":"PROBLEM","host":"a\u0000","state":1}`, "host", "control character"},
		{"a newline in a service", `{"type":"PROBLEM","host":"a","service":"b\n","state":1}`, "service", "control character"},
		{"a long host", `{"type":"PROBLEM","host":"` + strings.Repeat("x", 256) + `"}`, "host", "256 characters"},
		{"a display name alone", `{"type":"PROBLEM","host":"h","service_display":"x","state":1}`, "service_display", "without a service"},
		{"a deep value", `{"type":"PROBLEM","host":{"a":{"b":{}}}}`, "host", "an object"},
		{"a raw control character", "{\"type\":\"PROBLEM\",\"output\":\"a\nb\"}", "output", "0x0a"},
		{"a state out of range", `[` + good + `,` + good + `,` + good + `,{"type":"PROBLEM","host":"h","service":"s","state":7}]`, "events[3].state", "is 7"},
		{"a service's state on a host", `{"type":"PROBLEM","host":"h","state":"critical"}`, "state", "no state of a host"},
		{"a negative state", `{"type":"PROBLEM","host":"h","state":-1}`, "state", "is -1"},
		{"a fraction as state", `{"type":"PROBLEM","host":"h","state":1.5}`, "state", "is 1.5"},
		{"a state out of range of a recovery", `{"type":"RECOVERY","host":"h","state":9}`, "state", "is 9"},
		{"a problem that is none", `{"type":"PROBLEM","host":"h","state":0}`, "state", "no problem"},
		{"a bool as state", `{"type":"PROBLEM","host":"h","state":true}`, "state", "true or false"},
		{"a broken number", `{"type":"PROBLEM","host":"h","state":01}`, "body", "not JSON"},
		{"last year", `{"type":"PROBLEM","host":"h","state":1,"time":1700000000}`, "time", "more than a year"},
		{"the year 1970", `{"type":"PROBLEM","host":"h","state":1,"time":0}`, "time", "more than a year"},
		{"before that", `{"type":"PROBLEM","host":"h","state":1,"time":-9223372036854775808}`, "time", "more than a year"},
		{"no time", `{"type":"PROBLEM","host":"h","state":1,"time":"yesterday"}`, "time", "yesterday"},
		{"not a number", `{"type":"PROBLEM","host":"h","state":1,"time":"NaN"}`, "time", "NaN"},
		{"a script as url", `{"type":"PROBLEM","host":"h","state":1,"url":"javascript:alert(1)"}`, "url", "web address"},
		{"a url without host", `{"type":"PROBLEM","host":"h","state":1,"url":"http:///x"}`, "url", "web address"},
		{"a long url", `{"type":"PROBLEM","host":"h","state":1,"url":"http://x/` + strings.Repeat("x", 2000) + `"}`, "url", "2000"},
		{"a long id", `{"type":"PROBLEM","host":"h","state":1,"id":"` + strings.Repeat("x", 101) + `"}`, "id", "100"},
		{"an id not to be printed", `{"type":"PROBLEM","host":"h","state":1,"id":"a\u0007"}`, "id", "printable"},
		{"contacts that are none", `{"type":"PROBLEM","host":"h","contacts":"ops"}`, "contacts", "a text"},
		{"a number as contact", `[{"type":"PROBLEM","host":"h","contacts":["ops",7]}]`, "events[0].contacts[1]", "a number"},
		{"labels that are none", `{"type":"PROBLEM","host":"h","labels":[]}`, "labels", "an array"},
		{"a label that is no text", `{"type":"PROBLEM","host":"h","labels":{"a":1}}`, "labels.a", "a number"},
		{"a label twice", `{"type":"PROBLEM","host":"h","labels":{"a":"1","a":"2"}}`, "labels.a", "twice"},
		{"too many labels", `{"type":"PROBLEM","host":"h","labels":{` + strings.Join(labels, ",") + `}}`, "labels", "64"},
		{"a long label", `{"type":"PROBLEM","host":"h","labels":{"a":"` + strings.Repeat("x", 1001) + `"}}`, "labels.a", "1000"},
		{"no_emoji as text", `{"type":"PROBLEM","host":"h","no_emoji":"yes"}`, "no_emoji", "a text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, err := source.DecodeEvents([]byte(c.body), now, source.MaxEvents)
			var f *source.FieldError
			if !errors.As(err, &f) || events != nil {
				t.Fatalf("got %v, %v", events, err)
			}
			if f.Field != c.field || !strings.Contains(f.Problem, c.says) || f.Mend == "" {
				t.Errorf("got %v", f)
			}
		})
	}
	t.Run("too many events", func(t *testing.T) {
		_, err := source.DecodeEvents([]byte("["+strings.TrimSuffix(strings.Repeat(good+",", 3), ",")+"]"), now, 2)
		if err == nil || !strings.Contains(err.Error(), "more than 2 events") {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzDecodeEvents holds that whatever comes in, what goes out can be stored,
// and that no refusal is silent.
func FuzzDecodeEvents(f *testing.F) {
	for _, name := range []string{"testdata/nagios-4.4.6.json"} {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"type":"PROBLEM","host":"h","service":"s","state":"","labels":{"a":"\ud800"},"time":"2026-11-22T00:00:00Z"}`))
	f.Add([]byte(`[{"type":"RECOVERY","host":"h\u00e9","contacts":["a","b"],"user_id":1e3,"time":1.5e9,"no_emoji":false}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := source.DecodeEvents(body, now, 10)
		if err != nil {
			var fe *source.FieldError
			if !errors.As(err, &fe) || fe.Field == "" || fe.Problem == "" || fe.Mend == "" || !utf8.ValidString(err.Error()) || events != nil {
				t.Fatalf("a refusal that does not say enough: %#v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("took what is no JSON: %q", body)
		}
		if len(events) == 0 || len(events) > 10 {
			t.Fatalf("%d events", len(events))
		}
		for _, e := range events {
			check(t, e)
		}
	})
}

func check(t *testing.T, e alert.Event) {
	t.Helper()
	kind := e.Object.Kind()
	switch {
	case !e.Type.Valid() || e.Type == alert.Unacknowledged:
		t.Fatalf("type %q", e.Type)
	case !kind.Has(e.State):
		t.Fatalf("state %q of a %s", e.State, kind)
	case e.Type == alert.Problem && !e.State.Problem(), e.Type == alert.Recovery && e.State.Problem():
		t.Fatalf("%s %s", e.Type, e.State)
	case e.Time.After(now) || e.Time.Before(now.AddDate(-1, 0, -1)):
		t.Fatalf("time %s", e.Time)
	case e.Object.Host == "":
		t.Fatal("no host")
	case len(e.Output) > source.MaxOutput || len(e.Long) > source.MaxLong || len(e.Comment) > source.MaxComment:
		t.Fatal("a text is too long")
	}
	lines := []string{e.CallID, e.Object.Host, e.Object.Service, e.Object.HostDisplay, e.Object.ServiceDisplay, e.Author, e.Object.URL}
	lines = append(append(lines, e.Contacts...), e.UserIDs...)
	texts := []string{e.Output, e.Long, e.Comment}
	for k, v := range e.Object.Labels {
		lines, texts = append(lines, k), append(texts, v)
	}
	for _, s := range append(texts, lines...) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Fatalf("%q cannot be stored", s)
		}
	}
	for _, s := range lines {
		if strings.IndexFunc(s, unicode.IsControl) >= 0 || utf8.RuneCountInString(s) > source.MaxURL {
			t.Fatalf("%q is no line", s)
		}
	}
}

const typical = `{"id":"0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11","type":"PROBLEM","host":"web01.example.com","service":"HTTP Check","state":"2",` +
	`"output":"CRITICAL - connection to 192.0.2.10:443 timed out after 10 s","long_output":"second line\nthird","author":"","comment":"",` +
	`"contact":"ops","time":1795219190,"labels":{"site":"Fulda"}}`

func BenchmarkDecodeEvents(b *testing.B) {
	body := []byte(typical)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.DecodeEvents(body, now, source.MaxEvents); err != nil {
			b.Fatal(err)
		}
	}
}
