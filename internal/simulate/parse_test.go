package simulate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin/internal/simulate"
)

func TestWhatCannotBeTriedIsRefusedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		line   int
		field  string
	}{
		"a state that there is not":         {"{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":1}\n\n{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":9}", 3, "state"},
		"a field that there is not":         {`{"type":"PROBLEM","host":"a","colour":1}`, 1, "colour"},
		"a field twice":                     {`{"type":"PROBLEM","host":"a","time":"+1m","time":"+2m"}`, 1, "time"},
		"an event's field twice":            {`{"type":"PROBLEM","host":"a","host":"b","time":"+1m"}`, 1, "host"},
		"a time that is none":               {`{"type":"PROBLEM","host":"a","time":"later"}`, 1, "time"},
		"an offset that is none":            {`{"type":"PROBLEM","host":"a","time":"+later"}`, 1, "time"},
		"an offset back":                    {`{"type":"PROBLEM","host":"a","time":"+-5m"}`, 1, "time"},
		"an offset beyond the bound":        {`{"type":"PROBLEM","host":"a","time":"+1000h"}`, 1, "time"},
		"a time that is an object":          {`{"type":"PROBLEM","host":"a","time":{}}`, 1, "time"},
		"a time before there was any":       {`{"type":"PROBLEM","host":"a","time":-5}`, 1, "time"},
		"times too far apart":               {"{\"type\":\"PROBLEM\",\"host\":\"a\",\"time\":1700000000}\n{\"type\":\"PROBLEM\",\"host\":\"a\",\"time\":1800000000}", 2, "time"},
		"a source that there is not":        {`{"type":"PROBLEM","host":"a","state":1,"source":"none"}`, 1, "source"},
		"a source that is no text":          {`{"type":"PROBLEM","host":"a","source":7}`, 1, "source"},
		"somebody whom nobody knows":        {`{"type":"ACKNOWLEDGEMENT","host":"a","by":"nobody"}`, 1, "by"},
		"what nobody can do here":           {`{"type":"PROBLEM","host":"a","by":"jane"}`, 1, "type"},
		"a snooze without an end":           {`{"type":"SNOOZE","host":"a","by":"jane"}`, 1, "minutes"},
		"an end of what has none":           {`{"type":"UNACKNOWLEDGED","host":"a","by":"jane","minutes":5}`, 1, "minutes"},
		"minutes of what the engine says":   {`{"type":"ACKNOWLEDGEMENT","host":"a","minutes":5}`, 1, "minutes"},
		"no minutes at all":                 {`{"type":"SNOOZE","host":"a","by":"jane","minutes":0}`, 1, "minutes"},
		"minutes that are no number":        {`{"type":"SNOOZE","host":"a","by":"jane","minutes":"5"}`, 1, "minutes"},
		"a state of what somebody does":     {`{"type":"ACKNOWLEDGEMENT","host":"a","by":"jane","state":1}`, 1, "state"},
		"what somebody does without a host": {`{"type":"ACKNOWLEDGEMENT","by":"jane"}`, 1, "host"},
		"half a line":                       {"{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":1}\n{\"type\":", 2, "events"},
		"no JSON":                           {"\n\nweb01 is down", 3, "events"},
		"a number":                          {"7", 1, "events"},
		"a list in a list":                  {"[[]]", 1, "events"},
		"the second of a list":              {"[{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":1},\n{\"type\":\"PROBLEM\"}]", 2, "host"},
		"nothing":                           {"  \n ", 0, "events"},
		"an empty list":                     {"[]", 0, "events"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := simulate.New(office(), simulate.Options{}).Simulate(t.Context(), simulate.Request{Events: []byte(c.events)})
			var wrong *simulate.Error
			if !errors.As(err, &wrong) || wrong.Line != c.line || wrong.Field != c.field || wrong.Problem == "" || wrong.Mend == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestARequestThatCannotBeIsRefused(t *testing.T) {
	event := []byte(`{"type":"PROBLEM","host":"a","state":1}`)
	for field, q := range map[string]simulate.Request{
		"zone":   {Events: event, Zone: "Mars/Olympus"},
		"after":  {Events: event, After: 1000 * time.Hour},
		"limit":  {Events: event, Limit: -1},
		"at":     {Events: event, At: time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)},
		"events": {},
		"to":     {History: &simulate.History{From: night, To: night}},
		"from":   {History: &simulate.History{From: night, To: night.Add(time.Hour)}},
		"source": {History: &simulate.History{From: night, To: night.Add(time.Hour), Source: "none"}},
	} {
		_, err := simulate.New(office(), simulate.Options{}).Simulate(t.Context(), q)
		var wrong *simulate.Error
		if !errors.As(err, &wrong) || wrong.Field != field || wrong.Mend == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAListAndAnEnvelopeAreEventsToo(t *testing.T) {
	for _, events := range []string{
		"[{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":1},\n {\"type\":\"RECOVERY\",\"host\":\"a\",\"time\":\"+90\"}]",
		"{\"events\":[{\"type\":\"PROBLEM\",\"host\":\"a\",\"state\":1},{\"type\":\"RECOVERY\",\"host\":\"a\",\"time\":\"+1m30s\"}]}",
		"{\n \"type\": \"PROBLEM\",\n \"host\": \"a\", \"state\": 1\n}\n{\"type\":\"RECOVERY\",\"host\":\"a\",\"time\":\"+1m30s\"}",
	} {
		r := try(t, office(), simulate.Request{Events: []byte(events), Clean: true})
		if r.Events != 2 || !r.To.Equal(night.Add(90*time.Second)) || r.People[0].Told != 2 {
			t.Errorf("%+v", r)
		}
	}
}

func TestMomentsAreThoseOfTheZonesClock(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-29T01:30":          "2026-03-29T00:30:00Z",
		"2026-03-29T02:30":          "2026-03-29T01:00:00Z", // there is none: the first moment after the gap
		"2026-10-25T02:30":          "2026-10-25T00:30:00Z", // there are two: the first
		"2026-10-25 03:30:00":       "2026-10-25T02:30:00Z",
		"2026-03-29":                "2026-03-28T23:00:00Z",
		"2026-03-29T02:30:00-05:00": "2026-03-29T07:30:00Z",
	} {
		got, err := simulate.Moment("at", text, "Europe/Berlin")
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s is %s, %v; want %s", text, got.UTC(), err, want)
		}
	}
	for _, zone := range []string{"Local", "Nowhere"} {
		if _, err := simulate.Moment("at", "2026-03-29T01:30", zone); err == nil {
			t.Error(zone)
		}
	}
	if _, err := simulate.Moment("at", "tomorrow", ""); err == nil || !strings.HasPrefix(err.Error(), "at: ") {
		t.Error(err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"type":"PROBLEM","host":"a","state":1,"time":"+5m","source":"nagios"}`))
	f.Add([]byte(`[{"type":"ACKNOWLEDGEMENT","host":"a","by":"jane","minutes":5}]`))
	f.Add([]byte(`{"events":[{"type":"RECOVERY","host":"a"}]}`))
	f.Add([]byte("{\"type\":\"PROBLEM\",\"host\":\"a\",\"time\":1800000000}\n{\"type\":\"SNOOZE\",\"by\":\"joe\",\"host\":\"a\",\"minutes\":1}"))
	f.Fuzz(func(t *testing.T, events []byte) {
		r, err := simulate.New(office(), simulate.Options{}).Simulate(t.Context(), simulate.Request{Events: events, Clean: true, After: time.Hour})
		var wrong *simulate.Error
		if err != nil && (!errors.As(err, &wrong) || wrong.Field == "" || wrong.Problem == "" || wrong.Mend == "") {
			t.Errorf("%v", err)
		}
		if err == nil && r.Events == 0 {
			t.Error("nothing came in, and nothing is wrong")
		}
	})
}
