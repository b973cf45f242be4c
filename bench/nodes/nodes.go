// Package nodes measures several nodes on one PostgreSQL: three against one on the
// same machine, when a change is seen at all of them, and what becomes of events while
// the database is away.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/bench/load"
	"tocsin/bench/table"
	"tocsin/test/hub"
	"tocsin/test/nodes"
	"tocsin/test/postgres"
)

// Options say what is done.
type Options struct {
	Bin      string
	Dir      string                                    // for folders of nodes
	Postgres func(ctx context.Context) (string, error) // makes an empty database
	Clients  int                                       // of each node
	For      time.Duration                             // of each run
	Rounds   int                                       // of one and of three; the median counts
	Away     time.Duration                             // for which PostgreSQL is
	Changes  int                                       // of a public page
}

// mostCost is what an event may cost on three nodes, in terms of one.
const mostCost = 1.3

// Run does it and writes tables. An error names what was lost.
func Run(ctx context.Context, w io.Writer, o Options) error {
	if err := compare(ctx, w, o); err != nil {
		return err
	}
	if err := follow(ctx, w, o); err != nil {
		return err
	}
	return away(ctx, w, o)
}

// taken is what one run came to.
type taken struct {
	events  int
	rate    float64
	p99     time.Duration
	cost    time.Duration // CPU of the nodes for an event
	least   float64       // share of the node that took the fewest
	missing int
}

// setting is a number of nodes, with so many clients of all together.
type setting struct{ nodes, clients int }

// compare measures one node, and three. What an event costs depends on how many go
// into one transaction, and that on how many wait at one node; so three nodes stand
// against one with as many clients a node, and one with as many in all is shown too.
func compare(ctx context.Context, w io.Writer, o Options) error {
	all := []setting{{1, o.Clients}, {3, 3 * o.Clients}, {1, 3 * o.Clients}}
	runs := map[setting][]taken{}
	for range o.Rounds {
		for _, s := range all { // in turns: the machine's mood is the same for all
			t, err := o.once(ctx, s)
			if err != nil {
				return fmt.Errorf("%d nodes: %w", s.nodes, err)
			}
			runs[s] = append(runs[s], t)
		}
	}
	fmt.Fprintf(w, "%v each, PostgreSQL with fsync, all on this machine, medians of %d rounds. The cost is processor time of the nodes.\n\n", o.For, o.Rounds)
	t := table.Table{Head: []string{"nodes", "clients", "events/s", "p99", "cost of an event", "share of the least busy", "lost"}}
	cost := map[setting]time.Duration{}
	lost := 0
	for _, s := range all {
		m := median(runs[s], func(t taken) float64 { return float64(t.cost) })
		cost[s] = m.cost
		missing := 0
		for _, r := range runs[s] {
			missing += r.missing
		}
		lost += missing
		t.Add(strconv.Itoa(s.nodes), strconv.Itoa(s.clients), table.Thousands(m.rate), m.p99.Round(100*time.Microsecond).String(), m.cost.Round(time.Microsecond).String(),
			fmt.Sprintf("%.0f %%", 100*m.least), strconv.Itoa(missing))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	ratio := float64(cost[all[1]]) / float64(cost[all[0]])
	verdict := "reached"
	if ratio > mostCost {
		verdict = "missed"
	}
	fmt.Fprintf(w, "- Goal: with as many clients a node an event costs at most %.1f times as much on three nodes as on one, measured %.2f: %s.\n\n", mostCost, ratio, verdict)
	fmt.Fprintf(w, "With as many clients in all it is %.2f times: each node then has a third of the events at a time, and fewer go into one transaction.\n\n",
		float64(cost[all[1]])/float64(cost[all[2]]))
	if lost > 0 {
		return fmt.Errorf("%d events were answered and are not there", lost)
	}
	return nil
}

func median(all []taken, by func(taken) float64) taken {
	sorted := append([]taken(nil), all...)
	for i := range sorted {
		for j := i; j > 0 && by(sorted[j]) < by(sorted[j-1]); j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

// start makes a cluster on an empty database.
func (o Options) start(ctx context.Context, database string, n int, people ...string) (*nodes.Cluster, func(), error) {
	dir, err := os.MkdirTemp(o.Dir, "nodes")
	if err != nil {
		return nil, nil, fmt.Errorf("folder of nodes: %w", err)
	}
	c, err := nodes.Start(ctx, nodes.Options{Bin: o.Bin, Dir: dir, Database: database, Nodes: n}, people...)
	end := func() {
		if c != nil {
			c.Close()
		}
		_ = os.RemoveAll(dir) // of what was measured nothing is needed any more
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return c, end, nil
}

func (o Options) once(ctx context.Context, s setting) (taken, error) {
	database, err := o.Postgres(ctx)
	if err != nil {
		return taken{}, err
	}
	c, end, err := o.start(ctx, database, s.nodes)
	if err != nil {
		return taken{}, err
	}
	defer end()
	if _, err := drive(ctx, c, s.clients, time.Second, 1_000_000_000); err != nil { // caches are warm then
		return taken{}, err
	}
	used := func() (sum time.Duration, err error) {
		for _, node := range c.Nodes {
			cpu, failed := load.CPU(node.Pid())
			sum, err = sum+cpu, errors.Join(err, failed)
		}
		return sum, err
	}
	before, err := used()
	if err != nil {
		return taken{}, err
	}
	t, err := drive(ctx, c, s.clients, o.For, 0)
	if err != nil {
		return t, err
	}
	after, err := used()
	if err != nil {
		return t, err
	}
	t.cost = (after - before) / time.Duration(t.events)
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return t, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var kept int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM object WHERE service LIKE 'load-0%'").Scan(&kept); err != nil {
		return t, err
	}
	t.missing = max(0, t.events-kept) // what was cut off at the end may be there as well
	return t, nil
}

// drive sends events to all nodes at once, each by its share of the clients.
func drive(ctx context.Context, c *nodes.Cluster, clients int, d time.Duration, first int) (taken, error) {
	results := make([]load.Result, len(c.Nodes))
	errs := make([]error, len(c.Nodes))
	var all sync.WaitGroup
	for i, node := range c.Nodes {
		all.Go(func() {
			prefix := fmt.Sprintf("load-%d-%d", first, i)
			results[i], errs[i] = load.Run(ctx, load.Plan{Address: node.Listen, Clients: clients / len(c.Nodes), For: d,
				Request: func(dst []byte, n int) []byte { return request(dst, c.Token, node.Listen, prefix, n) }})
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return taken{}, err
	}
	t := taken{least: 1}
	for _, r := range results {
		if r.Refused+r.Broken > 0 {
			return t, fmt.Errorf("%d refused, %d broken: %s", r.Refused, r.Broken, r.Worst)
		}
		t.events += r.Requests
		t.rate += r.PerSecond()
		t.p99 = max(t.p99, r.P99)
	}
	for _, r := range results {
		t.least = min(t.least, float64(r.Requests)/float64(t.events))
	}
	return t, nil
}

func request(dst []byte, token, host, prefix string, n int) []byte {
	body := fmt.Sprintf(`{"id":"%s-%d","type":"PROBLEM","host":"host-%d","service":"%s-%d","state":2,"output":"CRITICAL - it does not answer","time":%d}`,
		prefix, n, n%100, prefix, n, time.Now().Unix())
	return fmt.Appendf(dst, "POST /api/v1/sources/test/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		host, token, len(body), body)
}

// away shuts PostgreSQL down for a time while events come in.
func away(ctx context.Context, w io.Writer, o Options) error {
	server, err := postgres.Start(postgres.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	database, err := server.Database(ctx, "away")
	if err != nil {
		return err
	}
	people := []string{"anna", "ben"}
	c, end, err := o.start(ctx, database, 3, people...)
	if err != nil {
		return err
	}
	defer end()
	following, stop := context.WithCancel(ctx)
	var tabs []*hub.Tab
	var following2 sync.WaitGroup
	defer following2.Wait()
	defer stop()
	for _, name := range people {
		tab, err := c.All.SignIn(ctx, name, nodes.Password)
		if err != nil {
			return err
		}
		tabs = append(tabs, tab)
		following2.Go(func() { tab.Follow(following) })
	}
	l := Send(ctx, c, 8, 50*time.Millisecond)
	steady := func(d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	steady(5 * time.Second)
	if err := server.Halt(); err != nil {
		return err
	}
	before := l.Taken()
	steady(o.Away)
	during := l.Taken() - before
	if err := server.Continue(); err != nil {
		return err
	}
	back := time.Now()
	for l.Taken() == before+during && ctx.Err() == nil {
		steady(5 * time.Millisecond)
	}
	again := time.Since(back)
	steady(5 * time.Second)
	sent, err := l.End()
	if err != nil {
		return err
	}
	begin := time.Now()
	told, err := Complete(ctx, c.Nodes[0], tabs, sent.All, 2*time.Minute)
	if err != nil {
		return err
	}
	t := table.Table{Head: []string{"PostgreSQL away", "events answered", "requests repeated", "answered while it was away", "first one after it", "lost", "told", "all told after"}}
	t.Add(o.Away.String(), table.Thousands(float64(len(sent.All))), table.Thousands(float64(sent.Again)), strconv.Itoa(during), again.Round(time.Millisecond).String(), "0",
		table.Thousands(float64(told)), time.Since(begin).Round(time.Millisecond).String())
	return t.Write(w)
}

// Complete waits until every one of the events that were answered is there, and was
// told to each tab; it answers how many notifications were shown.
func Complete(ctx context.Context, at *hub.Hub, tabs []*hub.Tab, all []int, within time.Duration) (told int, err error) {
	open, err := nodes.Open(ctx, at)
	if err != nil {
		return 0, err
	}
	for _, n := range all {
		if open[nodes.Service(n)] == "" {
			return 0, fmt.Errorf("event %d was answered and is not there", n)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for i, tab := range tabs {
		missing := 0
		if err := tab.Wait(ctx, func(shown []hub.Notification) bool {
			have := make(map[string]bool, len(shown))
			for _, n := range shown {
				have[n.AlertID] = true
			}
			missing = 0
			for _, n := range all {
				if !have[open[nodes.Service(n)]] {
					missing++
				}
			}
			return missing == 0
		}); err != nil {
			return told, fmt.Errorf("tab %d was not told of %d of %d: %w", i+1, missing, len(all), err)
		}
		told += len(tab.Shown())
	}
	return told, nil
}
