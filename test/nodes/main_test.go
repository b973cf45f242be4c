package nodes_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"tocsin/test/hub"
	"tocsin/test/nodes"
	"tocsin/test/postgres"
)

var bin string // the built program

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tocsin-nodes-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bin, err = hub.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is several nodes on a PostgreSQL of their own, with two people before tabs.
type world struct {
	*testing.T
	ctx      context.Context
	server   *postgres.Server
	database string
	options  nodes.Options
	*nodes.Cluster
	tabs []*hub.Tab
	sent int   // number of the last event
	all  []int // what was answered with success
}

var people = []string{"anna", "ben"}

func begin(t *testing.T, n int, o postgres.Options) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx}
	o.NoSync = true
	var err error
	w.server, err = postgres.Start(o)
	w.must(err)
	t.Cleanup(func() {
		if err := w.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.database, err = w.server.Database(ctx, "nodes")
	w.must(err)
	w.options = nodes.Options{Bin: bin, Dir: t.TempDir(), Database: w.database, Nodes: n}
	w.Cluster, err = nodes.Start(ctx, w.options, people...)
	t.Cleanup(func() {
		w.Close()
		if t.Failed() {
			t.Log(w.Logs())
		}
	})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// part is one part of a story: what fails in it is named by it.
func (w *world) part(name string, f func()) {
	whole := w.T
	whole.Run(name, func(t *testing.T) {
		w.T = t
		defer func() { w.T = whole }()
		f()
	})
	if whole.Failed() {
		whole.FailNow() // what comes after would only say it again
	}
}

// follow opens a tab of each person, at a hub, for as long as the test.
func (w *world) follow(h *hub.Hub) []*hub.Tab {
	w.Helper()
	var tabs []*hub.Tab
	for _, name := range people {
		tab, err := h.SignIn(w.ctx, name, nodes.Password)
		w.must(err)
		tabs = append(tabs, tab)
		ctx, stop := context.WithCancel(w.ctx)
		var done sync.WaitGroup
		done.Go(func() { tab.Follow(ctx) })
		w.Cleanup(func() { stop(); done.Wait() })
		w.must(tab.Opened(w.ctx))
	}
	return tabs
}

// until waits, and looks every 5 ms: there is no event for everything.
func (w *world) until(what string, ok func() bool) time.Duration {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > time.Minute {
			w.Fatalf("not seen: %s", what)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// load is events that are sent all the time, each until it is taken.
type load struct {
	w      *world
	stop   chan struct{}
	done   sync.WaitGroup
	mu     sync.Mutex
	failed error
	again  int
}

func (w *world) load(clients int) *load {
	l := &load{w: w, stop: make(chan struct{})}
	for range clients {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				l.mu.Lock()
				w.sent++
				n := w.sent
				l.mu.Unlock()
				times, _, err := w.Deliver(w.ctx, n)
				l.mu.Lock()
				l.again += times - 1
				if err != nil {
					l.failed = err
				} else {
					w.all = append(w.all, n)
				}
				l.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	return l
}

// taken is how many events were answered with success so far, in all.
func (l *load) taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.w.all)
}

// more waits until so many more were.
func (l *load) more(n int) {
	l.w.Helper()
	want := l.taken() + n
	l.w.until("more events are taken", func() bool { return l.taken() >= want })
}

func (l *load) end() {
	l.w.Helper()
	close(l.stop)
	l.done.Wait()
	l.w.must(l.failed)
}

// complete looks whether everything that was answered is there, once, and was told
// to both people.
func (w *world) complete(at *hub.Hub) {
	w.Helper()
	open, err := nodes.Open(w.ctx, at)
	w.must(err)
	for _, n := range w.all {
		if open[nodes.Service(n)] == "" {
			w.Errorf("event %d was answered and is not there", n)
		}
	}
	for i, tab := range w.tabs {
		ctx, cancel := context.WithTimeout(w.ctx, 40*time.Second) // a lease is 30 s
		err := tab.Wait(ctx, func(shown []hub.Notification) bool {
			have := map[string]bool{}
			for _, n := range shown {
				have[n.AlertID] = true
			}
			for _, n := range w.all {
				if !have[open[nodes.Service(n)]] {
					return false
				}
			}
			return true
		})
		cancel()
		if err != nil {
			w.Errorf("%s was not told of everything: %v", people[i], err)
		}
	}
}
