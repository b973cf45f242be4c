package nagios_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/nagios"
)

// server is a Livestatus as Naemon's is: one request a connection, ended by an
// empty line; fixed16 headers where asked for; no answer to a command.
type server struct {
	address string // as in the settings

	mu       sync.Mutex
	rows     map[string][]map[string]any // by table
	requests []string
	answer   func(c net.Conn, request string) bool // what it does instead, if anything
}

func serve(t *testing.T, network string) *server {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "live") //nolint:usetesting // a socket's path is short, that of t.TempDir is not
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "live")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: network + ":" + l.Addr().String(), rows: map[string][]map[string]any{"status": {{"program_version": "1.5.2"}}}}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { defer c.Close(); s.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return s
}

func (s *server) talk(c net.Conn) {
	in := bufio.NewReader(c)
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\n" {
			break
		}
		b.WriteString(line)
	}
	request := b.String()
	s.mu.Lock()
	s.requests = append(s.requests, request)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(c, request) || strings.HasPrefix(request, "COMMAND ") {
		return
	}
	code, body := s.get(request)
	if strings.Contains(request, "ResponseHeader: fixed16\n") {
		fmt.Fprintf(c, "%d %11d\n", code, len(body))
	}
	_, _ = io.WriteString(c, body)
}

// asked are the requests so far, and last is the newest.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *server) last() string {
	all := s.asked()
	return all[len(all)-1]
}

// get answers a question: the columns asked for of the rows that its filters let
// through.
func (s *server) get(request string) (int, string) {
	lines := strings.Split(strings.TrimSuffix(request, "\n"), "\n")
	table, ok := strings.CutPrefix(lines[0], "GET ")
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, known := s.rows[table]
	if !ok || !known {
		return 404, fmt.Sprintf("Invalid GET request, no such table '%s'\n", table)
	}
	var columns []string
	var stack [][]int // of the rows that each filter lets through
	for _, line := range lines[1:] {
		head, value, _ := strings.Cut(line, ": ")
		switch head {
		case "Columns":
			columns = strings.Fields(value)
		case "Filter":
			column, want, _ := strings.Cut(value, " = ")
			var fits []int
			for i, r := range rows {
				if fmt.Sprint(r[column]) == want {
					fits = append(fits, i)
				}
			}
			stack = append(stack, fits)
		case "And", "Or":
			n := 0
			if _, err := fmt.Sscan(value, &n); err != nil || n > len(stack) {
				return 400, "Bad combination\n"
			}
			last := slices.Clone(stack[len(stack)-n:])
			stack = append(stack[:len(stack)-n], combine(last, head == "Or"))
		case "OutputFormat", "ResponseHeader":
		default:
			return 400, "Undefined request header '" + head + "'\n"
		}
	}
	out := [][]any{}
	for i, r := range rows {
		if len(stack) > 0 && !slices.Contains(combine(stack, false), i) {
			continue
		}
		var row []any
		for _, c := range columns {
			row = append(row, r[c])
		}
		out = append(out, row)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return 500, err.Error()
	}
	return 200, string(b) + "\n"
}

func combine(sets [][]int, or bool) []int {
	var out []int
	for _, set := range sets {
		for _, i := range set {
			all := or || !slices.ContainsFunc(sets, func(s []int) bool { return !slices.Contains(s, i) })
			if all && !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
	}
	return out
}

// service is one row of the table of services, with comments and downtimes as
// Naemon's Livestatus tells them.
func service(host, name string, state, acked int, comments, downtimes []any) map[string]any {
	if comments == nil {
		comments = []any{}
	}
	if downtimes == nil {
		downtimes = []any{}
	}
	return map[string]any{
		"host_name": host, "description": name, "name": host, "state": state, "acknowledged": acked,
		"comments_with_info": comments, "downtimes_with_info": downtimes,
	}
}

func (s *server) set(table string, rows ...map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[table] = rows
}

func viaLivestatus(t *testing.T, address string) source.Engine {
	t.Helper()
	e, err := nagios.Livestatus().Open(source.WriteBack{Kind: "livestatus", Livestatus: address}, source.EngineOptions{Now: func() time.Time { return noon.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLivestatusTakesAndShows(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := serve(t, network)
			s.set("services", service("web01", "HTTP Check", 2, 0, nil, nil), service("web01", "Disk", 2, 1, nil, nil))
			s.set("hosts", service("web01", "", 1, 0, nil, nil))
			e := viaLivestatus(t, s.address)
			if err := e.(source.Prober).Probe(t.Context()); err != nil {
				t.Fatalf("probe: %v", err)
			}
			reply, err := e.Do(t.Context(), ack)
			if err != nil || reply.Confirmation != alert.Pending {
				t.Fatalf("%+v, %v", reply, err)
			}
			if got, want := s.last(), "COMMAND [1795299517] ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;jane.doe;Looking into it\n"; got != want {
				t.Errorf("%q", got)
			}
			if reply, err := e.Check(t.Context(), ack); err != nil || reply.Confirmation != alert.Pending || reply.Words == "" {
				t.Errorf("before it is there: %+v, %v", reply, err)
			}
			s.set("services", service("web01", "HTTP Check", 2, 1, []any{[]any{4, "jane.doe", "Looking into it", noon.Unix(), 4, 0, 0}}, nil))
			if reply, err := e.Check(t.Context(), ack); err != nil || reply.Confirmation != alert.Confirmed || reply.Words != "Livestatus shows it" {
				t.Errorf("after it: %+v, %v", reply, err)
			}
			host := ack
			host.Object.Service = ""
			if reply, err := e.Check(t.Context(), host); err != nil || reply.Confirmation != alert.Pending {
				t.Errorf("a host: %+v, %v", reply, err)
			}
		})
	}
}

// The answers as they were captured, to the byte.
func TestLivestatusAsCaptured(t *testing.T) {
	s := serve(t, "unix")
	row := `[["web01","HTTP Check",2,1,[[1,"jane.doe","Looking into it: \"disk\" & more; ticket #42 \u00e9",1795300126,4,0,0],[4,"jane.doe","via livestatus",1795300159,4,0,0]],[]]]`
	s.answer = func(c net.Conn, request string) bool {
		if strings.Contains(request, "GET services") {
			fmt.Fprintf(c, "200 %11d\n%s\n", len(row)+1, row)
			return true
		}
		_, _ = io.WriteString(c, "404          44\nInvalid GET request, no such table 'nosuch'\n")
		return true
	}
	e := viaLivestatus(t, s.address)
	c := ack
	c.Comment, c.From = `Looking into it: "disk" & more; ticket #42 é`, time.Unix(1795300126, 0)
	if reply, err := e.Check(t.Context(), c); err != nil || reply.Confirmation != alert.Confirmed {
		t.Errorf("%+v, %v", reply, err)
	}
	c.Object.Service = ""
	if _, err := e.Check(t.Context(), c); err == nil || !strings.Contains(err.Error(), "says 404: Invalid GET request, no such table 'nosuch'") {
		t.Errorf("%v", err)
	}
}

func TestLivestatusIsAskedOnceForMany(t *testing.T) {
	s := serve(t, "unix")
	var rows []map[string]any
	var acks []source.Command
	for n := range 120 {
		rows = append(rows, service(fmt.Sprint("h", n), "s", 2, n%2, nil, nil))
		c := ack
		c.Object = alert.Object{Host: fmt.Sprint("h", n), Service: "s"}
		acks = append(acks, c)
	}
	s.set("services", rows...)
	replies, err := viaLivestatus(t, s.address).(source.Watcher).Watch(t.Context(), acks)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range replies {
		if want := []alert.Confirmation{alert.Refused, alert.Confirmed}[n%2]; r.Confirmation != want {
			t.Fatalf("%d: %+v", n, r)
		}
	}
	if n := len(s.asked()); n != 3 {
		t.Errorf("%d questions", n)
	}
}

func TestDowntimesByLivestatus(t *testing.T) {
	s := serve(t, "unix")
	s.set("services", service("web01", "HTTP Check", 2, 0, nil, []any{
		[]any{3, "jane.doe", "Disk (Tocsin 0198)", noon.Unix(), noon.Unix(), noon.Unix() + 3600, 1, 3600, 0},
		[]any{4, "ben", "his own", noon.Unix(), noon.Unix(), noon.Unix() + 3600, 1, 3600, 0},
	}))
	e := viaLivestatus(t, s.address)
	schedule, cancel := ack, ack
	schedule.Verb, schedule.Comment, schedule.Until, cancel.Verb = source.ScheduleDowntime, "Disk", noon.Add(time.Hour), source.CancelDowntime
	if reply, err := e.Check(t.Context(), schedule); err != nil || reply.Confirmation != alert.Confirmed {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := e.Do(t.Context(), cancel); err != nil || reply.Confirmation != alert.Pending {
		t.Errorf("%+v, %v", reply, err)
	}
	if got, want := s.last(), "COMMAND [1795299517] DEL_DOWNTIME_BY_HOST_NAME;web01;HTTP Check;1795299457;Disk (Tocsin 0198)\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestAnOlderLivestatusTellsLessOfComments(t *testing.T) {
	s := serve(t, "unix")
	s.set("services", service("web01", "HTTP Check", 2, 1, []any{[]any{4, "jane.doe", "Looking into it"}}, nil))
	if reply, err := viaLivestatus(t, s.address).Check(t.Context(), ack); err != nil || reply.Confirmation != alert.Confirmed {
		t.Errorf("%+v, %v", reply, err)
	}
}

// Every way in which a Livestatus is not there, or is none.
func TestWhatIsNoLivestatus(t *testing.T) {
	for _, c := range []struct {
		name, do, check string // what is said of a command, and of a question
		answer          func(c net.Conn, request string) bool
	}{
		{"a web server", "which Livestatus does not", "is no Livestatus", func(c net.Conn, _ string) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return true
		}},
		{"hangs up", "", "hung up without an answer", func(net.Conn, string) bool { return true }},
		{"too much", "", "answers with 99999999999 bytes, and at most 16777216", func(c net.Conn, r string) bool {
			if !strings.HasPrefix(r, "COMMAND") {
				_, _ = io.WriteString(c, "200 99999999999\n")
			}
			return true
		}},
		{"half", "", "ended its answer after 2 of 100 bytes", func(c net.Conn, r string) bool {
			if !strings.HasPrefix(r, "COMMAND") {
				_, _ = io.WriteString(c, "200         100\n[]")
			}
			return true
		}},
		{"no JSON", "", "something else than rows in JSON", func(c net.Conn, r string) bool {
			if !strings.HasPrefix(r, "COMMAND") {
				_, _ = io.WriteString(c, "200           5\nweb01")
			}
			return true
		}},
		{"other columns", "", "a row of services that cannot be read: it has 1 columns", func(c net.Conn, r string) bool {
			if !strings.HasPrefix(r, "COMMAND") {
				_, _ = io.WriteString(c, "200           7\n[[\"x\"]]")
			}
			return true
		}},
		{"wrong types", "", "cannot be read: column 3", func(c net.Conn, r string) bool {
			body := `[["web01","HTTP Check","two",0,[],[]]]`
			if !strings.HasPrefix(r, "COMMAND") {
				fmt.Fprintf(c, "200 %11d\n%s", len(body), body)
			}
			return true
		}},
		{"hangs", "no answer within 5s", "no answer within 5s", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "unix")
			if s.answer = c.answer; c.answer == nil {
				over := make(chan struct{})
				t.Cleanup(func() { close(over) })
				s.answer = func(net.Conn, string) bool { <-over; return true }
			}
			e := viaLivestatus(t, s.address)
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // who asks may give up before
			defer cancel()
			if _, err := e.Do(ctx, ack); (err == nil) != (c.do == "") || err != nil && !strings.Contains(err.Error(), c.do) {
				t.Errorf("do: %v", err)
			}
			if _, err := e.Check(t.Context(), ack); err == nil || !strings.Contains(err.Error(), c.check) {
				t.Errorf("check: %v", err)
			}
			if took := time.Since(begun); took > 12*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAnAnswerIsReadNoFurtherThanItsLimit(t *testing.T) {
	s := serve(t, "unix")
	s.answer = func(c net.Conn, r string) bool {
		_, err := fmt.Fprintf(c, "200 %11d\n", 17<<20)
		for err == nil { // for ever, if it is let
			_, err = c.Write(make([]byte, 64<<10))
		}
		return true
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := viaLivestatus(t, s.address).Check(t.Context(), ack); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("%v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were taken", grown)
	}
}

func TestADeadLivestatus(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"unix:" + filepath.Join(dir, "live"): "there is no Livestatus at",
		"unix:" + filepath.Join(dir, "file"): "nobody answers for Livestatus",
		"tcp:" + closed:                      "nobody answers for Livestatus at tcp:" + closed + ": connection refused; is the engine running",
	} {
		e := viaLivestatus(t, address)
		for what, do := range map[string]func() error{
			"do":    func() error { _, err := e.Do(t.Context(), ack); return err },
			"check": func() error { _, err := e.Check(t.Context(), ack); return err },
			"probe": func() error { return e.(source.Prober).Probe(t.Context()) },
		} {
			if err := do(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v", what, address, err)
			}
		}
	}
}

// A name with a newline would be a second question.
func TestNamesDoNotInjectIntoQuestions(t *testing.T) {
	s := serve(t, "unix")
	s.set("services")
	c := ack
	c.Object.Service = "x\n\nCOMMAND [0] DISABLE_NOTIFICATIONS"
	e := viaLivestatus(t, s.address)
	if reply, err := e.Check(t.Context(), c); err != nil || reply.Confirmation != alert.Refused {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := e.(source.Watcher).Watch(t.Context(), []source.Command{c}); err != nil {
		t.Error(err)
	}
	if q := s.asked(); len(q) != 0 {
		t.Errorf("it asked %q", q)
	}
}
