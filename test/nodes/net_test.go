package nodes_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tocsin/test/nodes"
	"tocsin/test/postgres"
)

// room is a network namespace with two lines to this machine: one to the database,
// which can be cut, and one by which the node in it is reached.
type room struct {
	name        string
	line        string // this end of the line to the database
	here, there string // of the other line
	database    string // this end's address on the line to the database
	networks    []string
}

// ip runs iproute2's command.
func ip(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ip")
	if err != nil {
		t.Fatal("network namespaces are made with iproute2; install it with: apt-get install --no-install-recommends -y iproute2")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s (it needs root)", strings.Join(args, " "), err, out)
	}
}

func newRoom(t *testing.T) *room {
	t.Helper()
	pid := os.Getpid()
	net := fmt.Sprintf("10.%d.%d", 200+pid/250%50, pid%250) // another test process has another one
	r := &room{name: fmt.Sprintf("tocsin%d", pid), line: fmt.Sprintf("tcd%d", pid), here: net + ".5", there: net + ".6", database: net + ".1",
		networks: []string{net + ".0/30"}}
	ip(t, "netns", "add", r.name)
	t.Cleanup(func() { ip(t, "netns", "del", r.name) }) // the lines go with it
	for _, l := range []struct{ here, there, mine, its string }{
		{r.line, "db0", r.database, net + ".2"}, {fmt.Sprintf("tcm%d", pid), "web0", r.here, r.there},
	} {
		ip(t, "link", "add", l.here, "type", "veth", "peer", "name", l.there, "netns", r.name)
		ip(t, "addr", "add", l.mine+"/30", "dev", l.here)
		ip(t, "link", "set", l.here, "up")
		ip(t, "-n", r.name, "addr", "add", l.its+"/30", "dev", l.there)
		ip(t, "-n", r.name, "link", "set", l.there, "up")
	}
	ip(t, "-n", r.name, "link", "set", "lo", "up")
	return r
}

// The network between one node and the database is cut: nobody says so to either.
func TestANodeThatIsCutOffFromItsDatabase(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	w := begin(t, 1, postgres.Options{Networks: r.networks})
	o := w.options
	o.Database = strings.Replace(w.database, "127.0.0.1", r.database, 1)
	o.Env = []string{"TOCSIN_TRUSTED_PROXIES=" + r.here}
	node, err := w.AddWithin(o, "far", r.there, []string{"ip", "netns", "exec", r.name})
	w.must(err)
	w.must(node.Start(w.ctx))
	w.must(w.Wait(w.ctx, 2))
	w.tabs = w.follow(w.All)
	l := w.load(4)
	l.more(20)

	ip(t, "link", "set", r.line, "down")
	begin := time.Now()
	no := w.until("it says that it is not ready", func() bool { return len(w.Front.Ready()) == 1 })
	refused := w.until("it refuses events", func() bool {
		ctx, cancel := context.WithTimeout(w.ctx, time.Second) // what came first waits for the commit that hangs
		defer cancel()
		a := nodes.Send(ctx, nil, node.Listen, w.Token, 1_000_000)
		if a.Taken() {
			w.Fatal("it took an event without the database")
		}
		return a.Status == http.StatusServiceUnavailable && a.RetryAfter != ""
	})
	w.Logf("not ready after %v, events are answered 503 after another %v", no.Round(time.Millisecond), refused.Round(time.Millisecond))
	l.more(20) // the other node takes them, and nothing that the far one had locked is in its way
	w.until("the connection that listens counts as lost", func() bool { return strings.Contains(node.Log(), "listening for other nodes was interrupted") })
	w.Logf("a connection in which nothing comes is given up after %v", time.Since(begin).Round(time.Millisecond))

	ip(t, "link", "set", r.line, "up")
	back := w.until("it is back", func() bool { return len(w.Front.Ready()) == 2 })
	w.Logf("back after %v", back.Round(time.Millisecond))
	w.until("it takes events", func() bool {
		a := nodes.Send(w.ctx, nil, node.Listen, w.Token, 1_000_001)
		return a.Taken()
	})
	l.end()
	w.complete(node)
}
