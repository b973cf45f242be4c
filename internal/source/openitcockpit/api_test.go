package openitcockpit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/openitcockpit"
)

const (
	hostID    = "c36b8048-93ce-4385-ac19-ab5c90574b77"
	serviceID = "74f14950-a58f-4f18-b6c3-5cfa9dffef4e"
	plainID   = "11111111-a58f-4f18-b6c3-5cfa9dffef4e"
	key       = "s3cret-api-key"
)

// cockpit behaves as openITCOCKPIT's API does: it joins a command's fields with
// semicolons into one line, queues it, and its engine carries it out later.
type cockpit struct {
	mu        sync.Mutex
	lines     []string
	asked     int
	acked     bool
	down      int
	state     int
	unseen    bool   // its role may not see pages
	broken    string // answers this to everything
	status    int
	wrongKeys int
}

func (o *cockpit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if o.status != 0 {
		w.WriteHeader(o.status)
		fmt.Fprint(w, o.broken)
		return
	}
	if r.Header.Get("Authorization") != "X-OITC-API "+key {
		o.wrongKeys++
		http.Error(w, `{"message":"Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.URL.Path {
	case "/nagios_module/cmd/submit.json":
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.Form.Get("command") == "" {
			http.Error(w, `{"message":"Bad Request"}`, http.StatusBadRequest)
			return
		}
		o.lines = append(o.lines, o.line(r.Form))
		answer(map[string]any{"message": "Command added successfully to queue"})
	case "/hosts/browser/" + hostID + ".json", "/services/browser/" + serviceID + ".json":
		if o.unseen {
			http.Error(w, `{"message":"Forbidden"}`, http.StatusForbidden)
			return
		}
		status := map[string]any{"isInMonitoring": true, "problemHasBeenAcknowledged": o.acked, "scheduledDowntimeDepth": o.down, "currentState": o.state}
		answer(map[string]any{"hoststatus": status, "servicestatus": status, "mergedHost": map[string]any{"id": 1}})
	case "/hosts/byUuid/" + hostID + ".json":
		answer(map[string]any{"host": map[string]any{"id": 1, "uuid": hostID, "name": "default host"}})
	case "/services/byUuid/" + serviceID + ".json":
		answer(map[string]any{"service": map[string]any{"uuid": serviceID, "name": nil, "host": map[string]any{"name": "default host"}, "servicetemplate": map[string]any{"name": "Ping"}}})
	case "/services/byUuid/" + plainID + ".json":
		answer(map[string]any{"service": map[string]any{"uuid": plainID, "name": "Disk\nx", "servicetemplate": map[string]any{"name": "template"}}})
	case "/angular/user_timezone.json":
		answer(map[string]any{"timezone": map[string]any{"user_timezone": "Europe/Berlin"}})
	default:
		http.Error(w, `{"message":"Host not found"}`, http.StatusNotFound)
	}
}

// line is the external command as its engine reads it.
func (o *cockpit) line(f url.Values) string {
	order := map[string][]string{
		"ACKNOWLEDGE_HOST_PROBLEM":    {"hostUuid", "sticky", "notify", "persistent", "author", "comment"},
		"ACKNOWLEDGE_SVC_PROBLEM":     {"hostUuid", "serviceUuid", "sticky", "notify", "persistent", "author", "comment"},
		"REMOVE_HOST_ACKNOWLEDGEMENT": {"hostUuid"},
		"REMOVE_SVC_ACKNOWLEDGEMENT":  {"hostUuid", "serviceUuid"},
		"SCHEDULE_SVC_DOWNTIME":       {"hostUuid", "serviceUuid", "start_time", "end_time", "fixed", "trigger_id", "duration", "author", "comment"},
	}[f.Get("command")]
	parts := []string{f.Get("command")}
	for _, name := range order {
		parts = append(parts, f.Get(name))
	}
	return strings.Join(parts, ";")
}

func open(t *testing.T, o *cockpit, secret string) source.Engine {
	t.Helper()
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	e, err := openitcockpit.API().Open(source.WriteBack{Kind: "openitcockpit", URL: s.URL + "/", Secret: secret}, source.EngineOptions{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func command(verb source.Verb, service string) source.Command {
	return source.Command{Verb: verb, AlertID: "a", Object: alert.Object{ID: "o", Host: hostID, Service: service}, Author: "Jane Döe", Comment: "looking; into it",
		Sticky: true, From: time.Unix(1795219190, 0), Until: time.Unix(1795222790, 0)}
}

func TestCommandsOfOpenITCOCKPIT(t *testing.T) {
	o := &cockpit{}
	e := open(t, o, key)
	for _, c := range []struct {
		name string
		c    source.Command
		line string
	}{
		{"a service", command(source.Acknowledge, serviceID), "ACKNOWLEDGE_SVC_PROBLEM;" + hostID + ";" + serviceID + ";2;0;1;Jane Döe;looking; into it"},
		{"a host", command(source.Acknowledge, ""), "ACKNOWLEDGE_HOST_PROBLEM;" + hostID + ";2;0;1;Jane Döe;looking; into it"},
		{"taken back", command(source.Unacknowledge, serviceID), "REMOVE_SVC_ACKNOWLEDGEMENT;" + hostID + ";" + serviceID},
		{"of a host", command(source.Unacknowledge, ""), "REMOVE_HOST_ACKNOWLEDGEMENT;" + hostID},
		{"a downtime", command(source.ScheduleDowntime, serviceID), "SCHEDULE_SVC_DOWNTIME;" + hostID + ";" + serviceID + ";1795219190;1795222790;1;0;3600;Jane Döe;looking; into it"},
	} {
		r, err := e.Do(t.Context(), c.c)
		if err != nil || r.Confirmation != alert.Pending {
			t.Fatalf("%s: %+v, %v", c.name, r, err)
		}
		if got := o.lines[len(o.lines)-1]; got != c.line {
			t.Errorf("%s: got %q, want %q", c.name, got, c.line)
		}
	}
	for _, c := range []source.Command{command(source.Comment, serviceID), command(source.CancelDowntime, serviceID),
		{Verb: source.Acknowledge, Object: alert.Object{Host: "web01"}}, {Verb: source.Acknowledge, Object: alert.Object{Host: hostID, Service: "x;y\nz"}}} {
		if r, err := e.Do(t.Context(), c); err != nil || r.Confirmation != alert.Refused || r.Words == "" {
			t.Errorf("%+v: got %+v, %v", c, r, err)
		}
	}
	if len(o.lines) != 5 {
		t.Errorf("%d commands, want none for what it does not take", len(o.lines))
	}
}

func FuzzOneLineIn(f *testing.F) {
	f.Add("Jane", "on it")
	f.Add("a;2;0\nb", "x\n[1] DISABLE_NOTIFICATIONS\r\\n")
	f.Add("", "")
	o := &cockpit{}
	s := httptest.NewServer(o)
	f.Cleanup(s.Close)
	e, err := openitcockpit.API().Open(source.WriteBack{URL: s.URL, Secret: key}, source.EngineOptions{Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, author, comment string) {
		c := command(source.Acknowledge, serviceID)
		c.Author, c.Comment = author, comment
		if _, err := e.Do(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		line := o.lines[len(o.lines)-1]
		o.lines = o.lines[:0]
		fields := strings.SplitN(line, ";", 8)
		if len(fields) != 8 || strings.ContainsAny(line, "\n\r\x00\\") || fields[5] != "1" || fields[6] == "" || fields[7] == "" {
			t.Fatalf("%q and %q became %q", author, comment, line)
		}
	})
}

func TestWhatBecameOfACommandIsRead(t *testing.T) {
	o := &cockpit{}
	e := open(t, o, key)
	check := func(verb source.Verb, service string) source.Reply {
		t.Helper()
		r, err := e.Check(t.Context(), command(verb, service))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, service := range []string{"", serviceID} {
		o.acked, o.down = false, 0
		if r := check(source.Acknowledge, service); r.Confirmation != alert.Pending || r.Words == "" {
			t.Errorf("not there: %+v", r)
		}
		if r := check(source.Unacknowledge, service); r.Confirmation != alert.Confirmed {
			t.Errorf("taken back: %+v", r)
		}
		if r := check(source.ScheduleDowntime, service); r.Confirmation != alert.Pending || r.Words == "" {
			t.Errorf("no downtime: %+v", r)
		}
		o.acked, o.down = true, 1
		if r := check(source.Acknowledge, service); r.Confirmation != alert.Confirmed {
			t.Errorf("there: %+v", r)
		}
		if r := check(source.ScheduleDowntime, service); r.Confirmation != alert.Confirmed {
			t.Errorf("downtime: %+v", r)
		}
	}
	o.unseen = true
	if r := check(source.Acknowledge, serviceID); r.Confirmation != alert.Pending || r.Words != "" {
		t.Errorf("a page that may not be seen: %+v", r)
	}
	if r := check(source.Acknowledge, plainID); r.Confirmation != alert.Pending || r.Words != "" {
		t.Errorf("a page that is not there: %+v", r)
	}
	o.status, o.broken = http.StatusOK, "<html>Sign in</html>"
	if r := check(source.Acknowledge, serviceID); r.Confirmation != alert.Pending || r.Words != "" {
		t.Errorf("another page: %+v", r)
	}
}

func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		says   string
	}{
		{"a sign-in page", 200, "<!DOCTYPE html>", "web page"},
		{"forbidden", 403, `{"message":"Forbidden"}`, "(403)"},
		{"an inner error", 500, `{"message":"An Internal Error Has Occurred."}`, "500"},
		{"too many", 429, `{"message":"slow down"}`, "429"},
	} {
		e := open(t, &cockpit{status: c.status, broken: c.body}, key)
		if r, err := e.Do(t.Context(), command(source.Acknowledge, serviceID)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %+v, %v", c.name, r, err)
		}
	}
	e := open(t, &cockpit{}, "wrong-key")
	for name, err := range map[string]error{
		"do":    func() error { _, err := e.Do(t.Context(), command(source.Acknowledge, serviceID)); return err }(),
		"check": func() error { _, err := e.Check(t.Context(), command(source.Acknowledge, serviceID)); return err }(),
		"names": func() error {
			_, err := e.(source.Namer).Names(t.Context(), []alert.Object{{ID: "1", Host: hostID}})
			return err
		}(),
		"probe": e.(source.Prober).Probe(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "API key was refused (401)") || strings.Contains(err.Error(), "wrong-key") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := open(t, &cockpit{}, key).(source.Prober).Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNamesOfUUIDs(t *testing.T) {
	o := &cockpit{}
	s := httptest.NewServer(o)
	defer s.Close()
	now := time.Unix(1795219190, 0)
	e, err := openitcockpit.API().Open(source.WriteBack{URL: s.URL, Secret: key}, source.EngineOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	objects := []alert.Object{
		{ID: "host", Host: hostID}, {ID: "template", Host: hostID, Service: serviceID}, {ID: "own", Host: hostID, Service: plainID},
		{ID: "no uuid", Host: "../../x"}, {ID: "unknown", Host: "99999999-93ce-4385-ac19-ab5c90574b77"},
	}
	names := func() map[string]source.Names {
		t.Helper()
		got, err := e.(source.Namer).Names(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]source.Names{"host": {Host: "default host"}, "template": {Host: "default host", Service: "Ping"}, "own": {Host: "default host", Service: "Disk x"}}
	got := names()
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("%s: got %v, want %v", id, got[id], n)
		}
	}
	if o.asked != 4 {
		t.Errorf("asked %d times for four UUIDs", o.asked)
	}
	now = now.Add(59 * time.Minute)
	names()
	if o.asked != 4 {
		t.Errorf("asked again within the hour, %d times", o.asked-4)
	}
	now = now.Add(2 * time.Minute)
	names()
	if o.asked != 8 {
		t.Errorf("after the hour asked %d times", o.asked-4)
	}
}

// One page that openITCOCKPIT cannot serve keeps no other name away, and one that
// is slow for all is not asked for each of many.
func TestOneNameThatFailsKeepsNoOtherAway(t *testing.T) {
	const broken = "11111111-93ce-4385-ac19-ab5c90574b77"
	asked, all := 0, false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if all || strings.Contains(r.URL.Path, broken) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(`{"host":{"name":"web01"}}`))
	}))
	defer s.Close()
	objects := []alert.Object{{ID: "broken", Host: broken}, {ID: "fine", Host: hostID}}
	for i := range 10 {
		objects = append(objects, alert.Object{ID: "more", Host: fmt.Sprintf("%08d-93ce-4385-ac19-ab5c90574b77", i)})
	}
	ask := func() (map[string]source.Names, error) {
		e, err := openitcockpit.API().Open(source.WriteBack{URL: s.URL, Secret: key}, source.EngineOptions{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return e.(source.Namer).Names(t.Context(), objects)
	}
	got, err := ask()
	if err == nil || got["fine"].Host != "web01" || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	asked, all = 0, true
	if got, err := ask(); err == nil || len(got) != 0 || asked != 3 {
		t.Errorf("asked %d times: %v, %v", asked, got, err)
	}
}

func TestWatchReadsSomePagesInEachRound(t *testing.T) {
	o := &cockpit{acked: true, state: 2}
	e := open(t, o, key)
	acks := make([]source.Command, 25)
	for i := range acks {
		acks[i] = command(source.Acknowledge, serviceID)
	}
	watch := func() (n map[string]int) {
		t.Helper()
		replies, err := e.(source.Watcher).Watch(t.Context(), acks)
		if err != nil || len(replies) != len(acks) {
			t.Fatalf("%d replies, %v", len(replies), err)
		}
		n = make(map[string]int)
		for _, r := range replies {
			n[fmt.Sprint(r.Confirmation, " ", r.Recovered)]++
		}
		return n
	}
	for round, want := range []int{20, 5, 20} {
		if n := watch(); n["confirmed false"] != want || n["pending false"] != 25-want {
			t.Errorf("round %d: %v", round, n)
		}
	}
	o.acked = false
	if n := watch(); n["refused false"] != 5 {
		t.Errorf("removed there: %v", n)
	}
	o.state = 0
	if n := watch(); n["refused true"] != 20 {
		t.Errorf("recovered: %v", n)
	}
	o.unseen = true
	if n := watch(); n["pending false"] != 25 {
		t.Errorf("not to be seen: %v", n)
	}
}
