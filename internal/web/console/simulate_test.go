package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
)

const simulatePage = "/console/simulate"

func trial(events string, more ...string) url.Values {
	in := url.Values{"mode": {"events"}, "events": {events}, "zone": {"Europe/Berlin"}, "at": {"2027-03-28T01:30"}}
	return with(in, more...)
}

const oneNight = `{"type":"PROBLEM","host":"db01","state":"down","output":"no answer"}
{"type":"ACKNOWLEDGEMENT","host":"db01","by":"ops","minutes":30,"time":"+10m"}
{"type":"RECOVERY","host":"db01","time":"+2h"}`

func TestSimulator(t *testing.T) {
	h := newHub(t)
	operator := h.as("operator")
	t.Run("the example is of the hub's own objects and works as it stands", func(t *testing.T) {
		for _, path := range []string{simulatePage, simulatePage + "?example=storm"} {
			in := operator.filled(path, simulatePage+"#answer")
			if !strings.Contains(in.Get("events"), "web01") {
				t.Errorf("%s offers %q", path, in.Get("events"))
			}
			if res, body := operator.post(simulatePage, in); res.StatusCode != http.StatusOK || !strings.Contains(body, "What would come of it") {
				t.Errorf("%s: answers %d\n%s", path, res.StatusCode, wrongs(body))
			}
		}
	})
	t.Run("the answer says who is told, when, by which way and why", func(t *testing.T) {
		_, body := operator.post(simulatePage, trial(oneNight))
		for _, want := range []string{"Sunday, 28 March 2027 (CET)", "Sunday, 28 March 2027 (CEST)", "01:30:00", "04:30:00", ">ops</strong>", "Browser", "Problem: db01", "Recovery: db01",
			"by the clock", "1</dd>", "tocsin simulate - --at 2027-03-28T01:30 --zone Europe/Berlin", "EOF", "Told"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		if strings.Contains(body, "Nobody is told.") {
			t.Error("it says that nobody is told")
		}
		if _, list := operator.get("/console/deliveries"); strings.Contains(list, "db01") {
			t.Error("something was kept")
		}
	})
	t.Run("who is not told, and why not", func(t *testing.T) {
		k, err := h.db.Contact(t.Context(), "c1")
		if err != nil {
			t.Fatal(err)
		}
		off := k
		off.HostNotifications = false
		if err := h.db.SaveContact(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		_, body := operator.post(simulatePage, trial(oneNight))
		for _, want := range []string{"Nobody is told.", "Notifications are off (", "Not told"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		if err := h.db.SaveContact(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("real history comes in again", func(t *testing.T) {
		now := time.Now().UTC()
		in := url.Values{"mode": {"history"}, "zone": {"UTC"}, "from": {now.Add(-time.Hour).Format("2006-01-02T15:04")}, "to": {now.Add(time.Hour).Format("2006-01-02T15:04")}, "source": {"hq"}, "limit": {"10"}}
		res, body := operator.post(simulatePage, in)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, "event came in") || !strings.Contains(body, "--from "+in.Get("from")) || !strings.Contains(body, "--source hq") {
			t.Errorf("answers %d\n%s", res.StatusCode, wrongs(body))
		}
		if strings.Contains(body, "<script>alert(1)") || strings.Contains(body, "<img src=x") {
			t.Error("what came in is markup")
		}
	})
	t.Run("what is wrong is said at its line, or at its field", func(t *testing.T) {
		for _, x := range []struct {
			field, says string
			in          url.Values
		}{
			{"events", "line 2, state", trial(`{"type":"PROBLEM","host":"a","state":"down"}` + "\n" + `{"type":"PROBLEM","host":"b","state":"broken"}`)},
			{"events", "line 1: is no json", trial(`{"type":`)},
			{"events", "line 1, by", trial(`{"type":"SNOOZE","host":"a","by":"nobody","minutes":5}`)},
			{"events", "line 1, source", trial(`{"type":"PROBLEM","host":"a","state":"down","source":"elsewhere"}`)},
			{"events", "there are none", trial(" ")},
			{"events", "more than 4 mib", trial(strings.Repeat("x", 4<<20+1))},
			{"zone", "no time zone", trial(oneNight, "zone", "Mars/Olympus")},
			{"at", "no time", trial(oneNight, "at", "soon")},
			{"after", "no number", trial(oneNight, "after", "999")},
			{"to", "not after from", url.Values{"mode": {"history"}, "from": {"2026-03-02T00:00"}, "to": {"2026-03-01T00:00"}}},
			{"from", "no time", url.Values{"mode": {"history"}, "from": {"x"}, "to": {"2026-03-01T00:00"}}},
			{"from", "nothing between", url.Values{"mode": {"history"}, "from": {"2001-03-01T00:00"}, "to": {"2001-03-02T00:00"}}},
			{"limit", "no number", url.Values{"mode": {"history"}, "from": {"2026-03-01T00:00"}, "to": {"2026-03-02T00:00"}, "limit": {"-1"}}},
		} {
			operator.refuses(simulatePage, x.in, x.field, x.says)
		}
		if _, body := operator.post(simulatePage, trial("{}\n")); !strings.Contains(body, `data-line="1"`) {
			t.Error("the line is not marked")
		}
	})
	t.Run("those who may change nothing are not let in", func(t *testing.T) {
		viewer := h.as("viewer")
		if res, _ := viewer.get(simulatePage); res.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer is answered %d", res.StatusCode)
		}
		if _, body := viewer.get("/console/rules"); strings.Contains(body, simulatePage) {
			t.Error("a viewer is led there")
		}
		for _, path := range []string{"/console/rules"} {
			if _, body := operator.get(path); !strings.Contains(body, `href="`+simulatePage+`">Try it`) {
				t.Errorf("%s does not lead there", path)
			}
		}
	})
}

func TestSimulatorOfMany(t *testing.T) {
	h := newHub(t)
	ctx := t.Context()
	for i, name := range []string{"anna", "bert"} {
		k := contact.NewContact(name)
		k.ID, k.UserID = fmt.Sprintf("m%d", i), "nobody"
		if err := h.db.SaveContact(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.db.SaveRule(ctx, route.Rule{ID: "r2", Name: "Databases", Enabled: true, Hosts: []string{"db*"}, ContactIDs: []string{"m0"}}); err != nil {
		t.Fatal(err)
	}
	if err := h.db.SaveSource(ctx, source.Source{ID: "s2", Name: "branch", Kind: "nagios", TokenHash: "y", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	admin := h.as("admin")
	var lines strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&lines, `{"type":"PROBLEM","host":"web%04d","service":"HTTP","state":"critical","time":"+%ds"}`+"\n", i, i%40)
	}
	lines.WriteString(`{"type":"PROBLEM","host":"db01","state":"down","time":"+2h"}` + "\n")
	storm := trial(lines.String(), "source", "hq")
	t.Run("a storm is shown with what each message tells, and no more of it than a page holds", func(t *testing.T) {
		res, body := admin.post(simulatePage, storm)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("answers %d\n%s", res.StatusCode, wrongs(body))
		}
		for _, want := range []string{"of them for several alerts", "Told together", "more like it", "events.jsonl --at", "--source hq", " open, 0 acknowledged, "} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		if n := strings.Count(body, `class="trial-moment"`) + strings.Count(body, `<li id="message-`); n > 1000 || len(body) > 1<<20 {
			t.Errorf("the page has %d rows and %d bytes", n, len(body))
		}
		if n := len(regexp.MustCompile(`<dd>1,?201</dd>`).FindAllString(body, -1)); n == 0 {
			t.Error("the figures do not count all")
		}
	})
	t.Run("what a page does not hold is counted", func(t *testing.T) {
		var slow strings.Builder
		for i := range 300 {
			fmt.Fprintf(&slow, `{"type":"PROBLEM","host":"db%03d","state":"down","time":"+%dm","source":"hq"}`+"\n", i, 10*i)
			fmt.Fprintf(&slow, `{"type":"RECOVERY","host":"db%03d","time":"+%dm","source":"hq"}`+"\n", i, 10*i+5)
		}
		_, body := admin.post(simulatePage, trial(slow.String()))
		if !strings.Contains(body, "lines are not shown here") || strings.Count(body, `<time datetime`) > 520 {
			t.Errorf("it shows %d moments", strings.Count(body, `<time datetime`))
		}
	})
	t.Run("the part of somebody is shown, with what it comes of", func(t *testing.T) {
		_, body := admin.post(simulatePage, with(storm, "contact", "m0"))
		timeline := body[strings.Index(body, `class="trial-days"`):]
		if !strings.Contains(timeline, "db01") || strings.Contains(timeline, "HTTP on web") && strings.Contains(timeline, ">ops</strong>") {
			t.Error("it is not her part")
		}
		if !strings.Contains(body, `<option value="m0" selected>anna`) {
			t.Error("the choice is forgotten")
		}
		if _, body := admin.post(simulatePage, with(storm, "channel", "email")); !strings.Contains(body, "Nothing of this goes there.") {
			t.Error("a way that nothing takes says nothing")
		}
	})
	t.Run("all of it comes as a file", func(t *testing.T) {
		res, body := admin.post(simulatePage, with(storm, "as", "json", "contact", "m0"))
		var got simulate.Result
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Events != 1201 || got.Left != 0 || len(got.Lines) < 1201 {
			t.Errorf("%d events, %d lines, %d left: %v", got.Events, len(got.Lines), got.Left, err)
		}
		if !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
			t.Error("it is no file")
		}
	})
	t.Run("an example of several sources names them", func(t *testing.T) {
		if in := admin.filled(simulatePage, simulatePage+"#answer"); !strings.Contains(in.Get("events"), `"source":"hq"`) {
			t.Errorf("it is %s", in.Get("events"))
		}
	})
}
