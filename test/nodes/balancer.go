// Package nodes runs several built Tocsins on one PostgreSQL, behind a balancer, and
// does to them what happens to machines: kills, restarts, pauses, cut networks,
// upgrades.
package nodes

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Balancer hands each connection to the node with the fewest that is ready, as it
// asks /readyz again and again.
type Balancer struct {
	listener net.Listener
	every    time.Duration
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu    sync.Mutex
	nodes []*backend
}

type backend struct {
	name, address string
	dial          Dial
	client        *http.Client
	ready         bool
	open          int
	taken         int
}

// Dial connects to a node: some are in a network of their own.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// NewBalancer listens on a port of its own, and looks at the nodes so often.
func NewBalancer(every time.Duration) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Balancer{listener: l, every: every, stop: stop}
	b.done.Go(b.accept)
	b.done.Go(func() { b.watch(ctx) })
	return b, nil
}

// Address is where it listens.
func (b *Balancer) Address() string { return b.listener.Addr().String() }

// URL is where browsers reach it.
func (b *Balancer) URL() string {
	return "http://localhost:" + strconv.Itoa(b.listener.Addr().(*net.TCPAddr).Port)
}

// Add has it ask a node; nil dials as usual.
func (b *Balancer) Add(name, address string, dial Dial) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, &backend{name: name, address: address, dial: dial, client: client})
}

// Ready are the names of the nodes that were ready at the last look.
func (b *Balancer) Ready() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, n := range b.nodes {
		if n.ready {
			names = append(names, n.name)
		}
	}
	return names
}

// Taken is how many connections each node was given, by name.
func (b *Balancer) Taken() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for _, n := range b.nodes {
		out[n.name] = n.taken
	}
	return out
}

// Close ends it; connections end with their ends.
func (b *Balancer) Close() {
	b.stop()
	_ = b.listener.Close()
	b.done.Wait()
}

// watch looks at each node by itself: one that hangs keeps the others' state fresh.
func (b *Balancer) watch(ctx context.Context) {
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	asking := map[*backend]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	defer all.Wait()
	for {
		b.mu.Lock()
		nodes := append([]*backend(nil), b.nodes...)
		b.mu.Unlock()
		for _, n := range nodes {
			mu.Lock()
			busy := asking[n]
			asking[n] = true
			mu.Unlock()
			if busy {
				continue
			}
			all.Go(func() {
				ok := n.ask(ctx)
				b.mu.Lock()
				n.ready = ok
				b.mu.Unlock()
				mu.Lock()
				asking[n] = false
				mu.Unlock()
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *backend) ask(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// pick answers the ready node with the fewest connections, past those tried.
func (b *Balancer) pick(tried map[*backend]bool) *backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	var best *backend
	for _, n := range b.nodes {
		if n.ready && !tried[n] && (best == nil || n.open < best.open || n.open == best.open && n.taken < best.taken) {
			best = n
		}
	}
	if best != nil {
		best.open++
		best.taken++
	}
	return best
}

func (b *Balancer) accept() {
	for {
		in, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.serve(in)
	}
}

// serve hands one connection on; a node that refuses it is passed over.
func (b *Balancer) serve(in net.Conn) {
	defer in.Close()
	tried := map[*backend]bool{}
	for n := b.pick(tried); n != nil; n = b.pick(tried) {
		tried[n] = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		out, err := n.dial(ctx, "tcp", n.address)
		cancel()
		if err == nil {
			pump(in, out)
		} else {
			b.mu.Lock()
			n.ready = false
			b.mu.Unlock()
		}
		b.mu.Lock()
		n.open--
		b.mu.Unlock()
		if err == nil {
			return
		}
	}
}

// pump copies both directions, and ends both when one has ended.
func pump(in, out net.Conn) {
	defer out.Close()
	ended := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(out, in); ended <- struct{}{} }()
	go func() { _, _ = io.Copy(in, out); ended <- struct{}{} }()
	<-ended
}
