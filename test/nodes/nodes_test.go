package nodes_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/test/hub"
	"tocsin/test/nodes"
	"tocsin/test/postgres"
)

// Three nodes, and what happens to nodes and their database, one thing after the
// other while events come in.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	w := begin(t, 3, postgres.Options{})
	w.tabs = w.follow(w.All)
	w.part("any node takes events, and tabs on every node see them", w.anyNode)
	w.part("a public page follows on every node", w.publicPage)
	w.part("what is due is done once", w.once)
	w.part("a node is killed", w.killed)
	w.part("PostgreSQL is restarted", w.restarted)
	w.part("PostgreSQL hangs", w.paused)
	w.part("a node is told to end", w.ended)
	w.part("and again, by who does not want to wait", w.endedAtOnce)
	w.part("nothing is missing", func() { w.complete(w.Nodes[0]) })
	w.part("Mattermost calls any node", w.callbacks)
}

func (w *world) anyNode() {
	var everywhere []*hub.Tab
	for _, n := range w.Nodes {
		everywhere = append(everywhere, w.follow(n)...)
	}
	for _, n := range w.Nodes {
		w.sent++
		if a := nodes.Send(w.ctx, nil, n.Listen, w.Token, w.sent); !a.Taken() {
			w.Fatalf("answered %d: %s", a.Status, a.Body)
		}
		w.all = append(w.all, w.sent)
	}
	open, err := nodes.Open(w.ctx, w.Nodes[1])
	w.must(err)
	for i, tab := range everywhere {
		ctx, cancel := context.WithTimeout(w.ctx, 40*time.Second)
		if err := tab.Wait(ctx, func(shown []hub.Notification) bool { return len(shown) >= len(w.Nodes) }); err != nil {
			w.Errorf("tab %d: %v", i, err)
		}
		cancel()
	}
	// What is done on one node is true on all.
	id := open[nodes.Service(1)]
	w.must(w.Nodes[2].Post(w.ctx, "/alerts/"+id+"/acknowledge", map[string]any{"comment": "mine"}, nil))
	for _, n := range w.Nodes {
		var a struct{ Status string }
		w.must(n.Get(w.ctx, "/alerts/"+id, &a))
		if a.Status != "acknowledged" {
			w.Errorf("on another node it is %s", a.Status)
		}
	}
	if taken := w.Front.Taken(); taken["node-1"] == 0 || taken["node-2"] == 0 || taken["node-3"] == 0 {
		w.Errorf("the balancer gave work to %v", taken)
	}
}

// patient has a limit: what hangs must fail its test and not hang all of them.
var patient = &http.Client{Timeout: 40 * time.Second}

// read gets a public page from a node.
func (w *world) read(n *hub.Hub, path string) string {
	w.Helper()
	resp, err := patient.Get("http://" + n.Listen + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	return string(text)
}

func (w *world) publicPage() {
	w.must(w.Nodes[0].Post(w.ctx, "/status/pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "UTC", "language": "en"}, nil))
	w.must(w.Nodes[0].Post(w.ctx, "/status/components", map[string]any{"page": "main", "name": "Website"}, nil))
	for _, n := range w.Nodes {
		w.until("the page", func() bool { return strings.Contains(w.read(n, "/"), "Website") })
	}
	var took []time.Duration
	for i, title := range []string{"First trouble", "Second trouble", "Third trouble", "Fourth trouble", "Fifth trouble"} {
		from := w.Nodes[i%len(w.Nodes)]
		w.must(from.Post(w.ctx, "/status/incidents", map[string]any{"page": "main", "title": title, "body": "We look into it."}, nil))
		answered := time.Now()
		for _, n := range w.Nodes {
			w.until(title, func() bool { return strings.Contains(w.read(n, "/"), title) })
		}
		took = append(took, time.Since(answered))
	}
	slices.Sort(took)
	w.Logf("every node shows a change after %v (median), %v (slowest)", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if took[len(took)/2] > 900*time.Millisecond {
		w.Errorf("only the poll brings changes to other nodes: %v", took)
	}
}

// once: a maintenance begins and ends by itself, on three clocks.
func (w *world) once() {
	var m struct{ ID string }
	start := time.Now().Add(time.Second)
	w.must(w.Nodes[1].Post(w.ctx, "/status/maintenance", map[string]any{"page": "main", "title": "New memory", "body": "Short.", "start": start, "end": start.Add(time.Second),
		"auto_start": true, "auto_end": true}, &m))
	var got struct {
		Phase   string
		Updates []struct{ Phase string }
	}
	w.until("the end of the maintenance", func() bool {
		w.must(w.Nodes[2].Get(w.ctx, "/status/maintenance/"+m.ID, &got))
		return got.Phase == "completed"
	})
	var phases []string
	for _, u := range got.Updates {
		phases = append(phases, u.Phase)
	}
	slices.Sort(phases)
	if strings.Join(phases, " ") != "completed in_progress scheduled" {
		w.Errorf("its updates are %v", phases)
	}
}

func (w *world) killed() {
	l := w.load(4)
	l.more(20)
	w.Nodes[1].Kill()
	l.more(20)
	w.must(w.Nodes[1].Start(w.ctx))
	w.must(w.Wait(w.ctx, 3))
	l.end()
}

// held is a stream that is only listened to.
type held struct {
	stop context.CancelFunc
	end  chan string // what it ended with
}

// hold opens one on each node.
func (w *world) hold() []held {
	w.Helper()
	var out []held
	for _, n := range w.Nodes {
		tab, err := hub.Front(n.Listen, "http://"+n.Listen, n.Key).SignIn(w.ctx, people[0], nodes.Password)
		w.must(err)
		ctx, stop := context.WithCancel(w.ctx)
		h := held{stop, make(chan string, 1)}
		go func() {
			last, _ := tab.Hold(ctx) // how it ended is the last event
			h.end <- last
		}()
		out = append(out, h)
	}
	return out
}

func (w *world) restarted() {
	streams := w.hold()
	l := w.load(4)
	l.more(20)
	w.must(w.server.Halt())
	w.until("a node says that it is not ready", func() bool { return len(w.Front.Ready()) == 0 })
	for _, n := range w.Nodes {
		a := nodes.Send(w.ctx, nil, n.Listen, w.Token, 1_000_000)
		if a.Status != http.StatusServiceUnavailable || a.RetryAfter == "" {
			w.Errorf("without the database an event is answered %d, Retry-After %q: %s", a.Status, a.RetryAfter, a.Body)
		}
	}
	w.must(w.server.Continue())
	back := w.until("all nodes are back", func() bool { return len(w.Front.Ready()) == 3 })
	w.Logf("all nodes are ready %v after PostgreSQL", back.Round(time.Millisecond))
	l.more(20)
	l.end()
	for i, h := range streams {
		select {
		case last := <-h.end:
			w.Errorf("the stream of node %d ended with %q", i+1, last)
		default:
		}
		h.stop()
	}
}

func (w *world) paused() {
	l := w.load(4)
	l.more(10)
	w.must(w.server.Pause())
	defer w.server.Resume()
	w.until("the nodes say that they are not ready", func() bool { return len(w.Front.Ready()) == 0 })
	begin := time.Now()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second) // once the first has hung for 4 s, nobody else does
	defer cancel()
	for ctx.Err() == nil {
		brief, enough := context.WithTimeout(w.ctx, 2*time.Second)
		a := nodes.Send(brief, nil, w.Nodes[0].Listen, w.Token, 1_000_001)
		enough()
		if a.Status == http.StatusServiceUnavailable && a.RetryAfter != "" {
			break
		}
		if a.Taken() {
			w.Error("taken though nothing can be on disk")
		}
	}
	if ctx.Err() != nil {
		w.Errorf("events still hang after %v", time.Since(begin))
	}
	w.must(w.server.Resume())
	back := w.until("all nodes are back", func() bool { return len(w.Front.Ready()) == 3 })
	w.Logf("all nodes are ready %v after PostgreSQL", back.Round(time.Millisecond))
	l.more(20)
	l.end()
}

func (w *world) ended() {
	streams := w.hold()
	l := w.load(4)
	l.more(20)
	node := w.Nodes[0]
	w.must(node.Signal(syscall.SIGTERM))
	w.until("/readyz says no", func() bool {
		resp, err := patient.Get("http://" + node.Listen + "/readyz")
		if err != nil {
			return true
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	begin := time.Now()
	select {
	case <-node.Exited():
	case <-time.After(25 * time.Second):
		w.Fatal("it does not end")
	}
	w.Logf("it ended after %v", time.Since(begin).Round(time.Millisecond))
	if last := <-streams[0].end; last != "moved" {
		w.Errorf("its streams were told %q at last", last)
	}
	for _, h := range streams {
		h.stop()
	}
	if !strings.Contains(node.Log(), "stopped") {
		w.Error("it did not end by itself")
	}
	l.more(20)
	w.must(node.Start(w.ctx))
	w.must(w.Wait(w.ctx, 3))
	l.end()
	if l.again > 0 {
		w.Logf("%d events were sent again", l.again)
	}
}

func (w *world) endedAtOnce() {
	o := w.options
	o.Env = []string{"TOCSIN_DRAIN=1m"}
	node, err := w.Add(o, "patient")
	w.must(err)
	w.must(node.Start(w.ctx))
	w.must(node.Signal(syscall.SIGTERM))
	w.until("it has heard", func() bool { return strings.Contains(node.Log(), "stopping") })
	w.until("its end", func() bool {
		// Sent again and again: the first one may still be on its way.
		if err := node.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			w.Log(err)
		}
		select {
		case <-node.Exited():
			return true
		default:
			return false
		}
	})
}
