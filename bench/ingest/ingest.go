// Package ingest measures how many events a second the hub takes when each is
// on disk before it is answered, from 1 to 256 clients, on both databases;
// against the same program with a commit for each event, and against
// Alertmanager, which keeps alerts in memory.
package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/bench/load"
	"tocsin/bench/table"
	"tocsin/test/hub"
)

// Options say what is measured.
type Options struct {
	Bin      string                                // the built program
	Dir      string                                // for data
	Postgres func(context.Context) (string, error) // makes an empty database and answers its address
	Clients  []int                                 // numbers of clients
	For      time.Duration                         // length of each run
	Rounds   int                                   // runs of each; the median counts
}

// peer is one thing that takes events.
type peer struct {
	name    string
	address string
	request load.Request
	pid     int
	end     func()
	next    int // number of the next request

	runs map[int][]run // by number of clients
}

type run struct {
	load.Result
	cpu time.Duration // of the server
}

// goalClients is the number of clients that the goals are about.
const goalClients = 64

// the names of the table's rows
const (
	sqlite     = "Tocsin, SQLite"
	sqliteEach = "the same, a commit for each event"
	postgres   = "Tocsin, PostgreSQL"
	pgEach     = "the same, a commit for each event "
	alerts     = "Alertmanager (in memory)"
)

// Run measures, and writes its tables to w as it goes.
func Run(ctx context.Context, w io.Writer, o Options) error {
	peers, err := start(ctx, o)
	defer func() {
		for _, p := range peers {
			p.end()
		}
	}()
	if err != nil {
		return err
	}
	for round := range o.Rounds {
		for _, clients := range o.Clients {
			for _, p := range peers {
				alone(p, peers)
				r, err := p.measure(ctx, clients, o.For)
				if err != nil {
					return fmt.Errorf("%s with %d clients, round %d: %w", p.name, clients, round+1, err)
				}
				p.runs[clients] = append(p.runs[clients], r)
			}
		}
	}
	return report(w, peers, o)
}

// start starts everybody; who was started is answered with an error, too.
func start(ctx context.Context, o Options) ([]*peer, error) {
	var peers []*peer
	each := []string{"TOCSIN_TEST_INGEST_GROUP=1"}
	for _, h := range []struct {
		name     string
		postgres bool
		env      []string
	}{{sqlite, false, nil}, {sqliteEach, false, each}, {postgres, true, nil}, {pgEach, true, each}} {
		database := ""
		if h.postgres {
			var err error
			if database, err = o.Postgres(ctx); err != nil {
				return peers, err
			}
		}
		p, err := startHub(ctx, o, h.name, database, h.env)
		if err != nil {
			return peers, fmt.Errorf("%s: %w", h.name, err)
		}
		peers = append(peers, p)
	}
	p, err := startAlertmanager(ctx, o.Dir)
	if err != nil {
		return peers, err
	}
	return append(peers, p), nil
}

// objects is how many services the events are about; each is in trouble and
// well again in turns.
const objects = 2000

func startHub(ctx context.Context, o Options, name, database string, env []string) (*peer, error) {
	dir, err := os.MkdirTemp(o.Dir, "hub")
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	h, err := hub.New(hub.Options{Bin: o.Bin, Dir: dir, Database: database, Env: append(env, "TOCSIN_LOG_LEVEL=warn")})
	if err != nil {
		return nil, err
	}
	token, err := SetUp(ctx, h)
	if err != nil {
		return nil, err
	}
	if err := h.Start(ctx); err != nil {
		return nil, err
	}
	head := "POST /api/v1/sources/bench/events HTTP/1.1\r\nHost: " + h.Listen +
		"\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\nContent-Length: "
	return &peer{
		name: name, address: h.Listen, pid: h.Pid(), runs: map[int][]run{},
		end:     h.Kill,
		request: func(dst []byte, n int) []byte { return post(dst, head, Event(nil, n, time.Now())) },
	}, nil
}

// SetUp makes a user, a contact of hers and a source, and answers its token.
func SetUp(ctx context.Context, h *hub.Hub) (token string, err error) {
	if _, err := h.CLI(ctx, "a long password\n", "user", "add", "ops", "--role", "operator", "--password-stdin"); err != nil {
		return "", err
	}
	if _, err := h.CLI(ctx, "", "contact", "add", "ops", "--user", "ops"); err != nil {
		return "", err
	}
	out, err := h.CLI(ctx, "", "source", "add", "bench", "--kind", "generic", "--json")
	if err != nil {
		return "", err
	}
	var s struct{ Token string }
	if err := json.Unmarshal(out, &s); err != nil || s.Token == "" {
		return "", fmt.Errorf("token of the source in %s: %w", out, errors.Join(err))
	}
	return s.Token, nil
}

// Event appends the n-th event, of some 300 bytes: a service in trouble, or
// well again every second time. It names one contact, who must be told.
func Event(dst []byte, n int, now time.Time) []byte {
	kind, state, output := "PROBLEM", "2", "CRITICAL - Socket timeout after 10 seconds while waiting for the answer of port 443"
	if (n/objects)%2 == 1 {
		kind, state, output = "RECOVERY", "0", "HTTP OK: HTTP/1.1 200 OK - 9274 bytes in 0.034 second response time on port 443 ok"
	}
	return fmt.Appendf(dst, `{"id":"bench-%d","type":%q,"host":"web%04d.example.com","service":"HTTP","state":%s,"output":%q,"contact":"ops","time":%d,"labels":{"team":"web","site":"fra1"}}`,
		n, kind, n%objects, state, output, now.Unix())
}

func post(dst []byte, head string, body []byte) []byte {
	dst = append(dst, head...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// alone stops all but one of the peers, and has the disk take what they wrote:
// what they do by themselves is nobody else's cost.
func alone(p *peer, peers []*peer) {
	for _, other := range peers {
		signal := syscall.SIGSTOP
		if other == p {
			signal = syscall.SIGCONT
		}
		_ = syscall.Kill(other.pid, signal) // one that is gone fails its own measurement
	}
	syscall.Sync()
}

func (p *peer) measure(ctx context.Context, clients int, length time.Duration) (run, error) {
	before, err := load.CPU(p.pid)
	if err != nil {
		return run{}, err
	}
	r, err := load.Run(ctx, load.Plan{Address: p.address, Clients: clients, For: length, Request: p.request, First: p.next})
	if err != nil {
		return run{}, err
	}
	// The hub goes on working on what it took: its deliveries. They are part of
	// the cost.
	if err := settle(ctx, p.pid); err != nil {
		return run{}, err
	}
	after, err := load.CPU(p.pid)
	if err != nil {
		return run{}, err
	}
	// Numbers differ between runs, and begin with a whole turn of the objects.
	p.next += (r.Requests + r.Refused + clients + 2*objects) / (2 * objects) * 2 * objects
	if r.Refused+r.Broken > 0 {
		return run{}, fmt.Errorf("%d requests refused, %d connections broken: %s", r.Refused, r.Broken, r.Worst)
	}
	return run{r, after - before}, nil
}

// settle waits until a process is idle: it used less than a tenth of a
// processor over 200 ms.
func settle(ctx context.Context, pid int) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last := time.Duration(-1)
	for {
		now, err := load.CPU(pid)
		if err != nil {
			return err
		}
		if last >= 0 && now-last <= 20*time.Millisecond {
			return nil
		}
		last = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// median is the run with the middle throughput.
func median(runs []run) run {
	s := slices.Clone(runs)
	slices.SortFunc(s, func(a, b run) int { return int(a.PerSecond() - b.PerSecond()) })
	return s[len(s)/2]
}

func report(w io.Writer, peers []*peer, o Options) error {
	fmt.Fprintf(w, "Events answered a second, one event of about 300 bytes a request, each of which tells one contact; median of %d runs of %v.\n"+
		"Tocsin answers when the event and its delivery are on disk; Alertmanager keeps alerts in memory. Who is not measured is stopped meanwhile.\n\n", o.Rounds, o.For)
	head := []string{"clients"}
	for _, c := range o.Clients {
		head = append(head, strconv.Itoa(c))
	}
	throughput, slowest, cpu := table.Table{Head: head}, table.Table{Head: head}, table.Table{Head: head}
	rate := map[string]map[int]float64{}
	for _, p := range peers {
		rate[p.name] = map[int]float64{}
		a, b, c := []string{p.name}, []string{p.name}, []string{p.name}
		for _, n := range o.Clients {
			m := median(p.runs[n])
			rate[p.name][n] = m.PerSecond()
			a = append(a, table.Thousands(m.PerSecond()))
			b = append(b, fmt.Sprintf("%.1f / %.1f", ms(m.P50), ms(m.P99)))
			c = append(c, fmt.Sprintf("%.3f", ms(m.cpu)/float64(m.Requests)))
		}
		throughput.Rows, slowest.Rows, cpu.Rows = append(throughput.Rows, a), append(slowest.Rows, b), append(cpu.Rows, c)
	}
	if err := throughput.Write(w); err != nil {
		return err
	}
	ratios := table.Table{Head: head}
	for _, r := range []struct{ name, of, to string }{
		{"SQLite: shared commits to a commit each", sqlite, sqliteEach},
		{"PostgreSQL: shared commits to a commit each", postgres, pgEach},
		{"Tocsin on SQLite to Alertmanager", sqlite, alerts},
		{"Tocsin on PostgreSQL to Alertmanager", postgres, alerts},
	} {
		row := []string{r.name}
		for _, n := range o.Clients {
			row = append(row, fmt.Sprintf("%.1f×", rate[r.of][n]/rate[r.to][n]))
		}
		ratios.Add(row...)
	}
	fmt.Fprint(w, "Ratios of these:\n\n")
	if err := ratios.Write(w); err != nil {
		return err
	}
	for _, g := range []struct {
		of, to string
		least  float64
	}{{sqlite, sqliteEach, 8}, {postgres, pgEach, 8}, {sqlite, alerts, 1}, {postgres, alerts, 1}} {
		if !slices.Contains(o.Clients, goalClients) {
			break
		}
		reached, ratio := "missed", rate[g.of][goalClients]/rate[g.to][goalClients]
		if ratio >= g.least {
			reached = "reached"
		}
		fmt.Fprintf(w, "- Goal with %d clients, %s to %s: at least %.0f×, measured %.1f×: %s.\n", goalClients, g.of, strings.TrimSpace(g.to), g.least, ratio, reached)
	}
	fmt.Fprintln(w)
	fmt.Fprint(w, "Time to the answer in ms, half of the requests / 99 of 100:\n\n")
	if err := slowest.Write(w); err != nil {
		return err
	}
	fmt.Fprint(w, "Processor time of the server in ms a request, with all that follows it (PostgreSQL's own is not in it):\n\n")
	return cpu.Write(w)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// dataDir makes a folder for one server.
func dataDir(parent, name string) (string, error) {
	dir := filepath.Join(parent, name)
	return dir, os.MkdirAll(dir, 0o700)
}
