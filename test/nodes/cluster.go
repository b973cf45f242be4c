package nodes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tocsin/test/hub"
)

// Options say what a cluster is made of.
type Options struct {
	Bin      string
	Dir      string // of the nodes' own folders
	Database string
	Nodes    int
	Env      []string // of every node
}

// Cluster is several nodes on one database behind a balancer.
type Cluster struct {
	Nodes []*hub.Hub
	Front *Balancer
	All   *hub.Hub // the nodes as one, behind the balancer: for Tab and the API
	Token string   // of the source "test"
}

// Password is everybody's.
const Password = "a long password"

// Start makes the database's people, a source and a key by the command line, and
// starts all nodes.
func Start(ctx context.Context, o Options, people ...string) (*Cluster, error) {
	front, err := NewBalancer(20 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Front: front}
	for i := range o.Nodes {
		if _, err := c.Add(o, "node-"+strconv.Itoa(i+1)); err != nil {
			return c, err
		}
	}
	if err := c.people(ctx, people); err != nil {
		return c, err
	}
	c.All = hub.Front(front.Address(), front.URL(), c.Nodes[0].Key)
	failed := make(chan error)
	for _, n := range c.Nodes {
		go func() { failed <- n.Start(ctx) }()
	}
	for range c.Nodes {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		return c, err
	}
	if err := c.Wait(ctx, o.Nodes); err != nil {
		return c, err
	}
	return c, c.Nodes[0].OneByOne(ctx)
}

// Add makes one more node, which is not started.
func (c *Cluster) Add(o Options, name string) (*hub.Hub, error) {
	return c.add(o, name, "", nil)
}

// AddWithin makes one in a network of its own, where it is reached at the host.
func (c *Cluster) AddWithin(o Options, name, host string, within []string) (*hub.Hub, error) {
	return c.add(o, name, host, within)
}

func (c *Cluster) add(o Options, name, host string, within []string) (*hub.Hub, error) {
	dir := filepath.Join(o.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	env := append([]string{"TOCSIN_BASE_URL=" + c.Front.URL(), "TOCSIN_NODE=" + name, "TOCSIN_DRAIN=300ms"}, o.Env...)
	n, err := hub.New(hub.Options{Bin: o.Bin, Dir: dir, Database: o.Database, Env: env, Host: host, Within: within})
	if err != nil {
		return nil, err
	}
	if len(c.Nodes) > 0 {
		n.Key = c.Nodes[0].Key
	}
	c.Nodes = append(c.Nodes, n)
	c.Front.Add(name, n.Listen, nil)
	return n, nil
}

func (c *Cluster) people(ctx context.Context, names []string) error {
	h := c.Nodes[0]
	for _, name := range names {
		if _, err := h.CLI(ctx, Password+"\n", "user", "add", name, "--role", "operator", "--password-stdin"); err != nil {
			return err
		}
		if _, err := h.CLI(ctx, "", "contact", "add", name, "--user", name); err != nil {
			return err
		}
	}
	var err error
	if c.Token, err = field(ctx, h, "token", "source", "add", "test", "--kind", "generic", "--json"); err != nil {
		return err
	}
	key, err := field(ctx, h, "key", "apikey", "add", "test", "--scope", "admin", "--json")
	for _, n := range c.Nodes {
		n.Key = key
	}
	return err
}

// field runs a command that prints JSON and answers one of its fields.
func field(ctx context.Context, h *hub.Hub, name string, args ...string) (string, error) {
	out, err := h.CLI(ctx, "", args...)
	if err != nil {
		return "", err
	}
	var m map[string]any
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("%s: %w", out, err)
	}
	s, _ := m[name].(string)
	if s == "" {
		return "", fmt.Errorf("no %s in %s", name, out)
	}
	return s, nil
}

// Wait waits until so many nodes are ready for the balancer.
func (c *Cluster) Wait(ctx context.Context, ready int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		names := c.Front.Ready()
		if len(names) == ready {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("ready are %v, %d were to be: %w", names, ready, ctx.Err())
		}
	}
}

// Close ends all at once.
func (c *Cluster) Close() {
	for _, n := range c.Nodes {
		n.Kill()
	}
	c.Front.Close()
}

// Logs are what all nodes have said.
func (c *Cluster) Logs() string {
	var b bytes.Buffer
	for i, n := range c.Nodes {
		fmt.Fprintf(&b, "--- node-%d\n%.6000s\n", i+1, n.Log())
	}
	return b.String()
}

// client makes a connection for each request, so that each is handed to another node.
var client = &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Answer is what a sender was told.
type Answer struct {
	Status     int // 0: nobody answered
	Duplicate  bool
	RetryAfter string
	Body       string
}

// Taken says whether the event is on disk.
func (a Answer) Taken() bool { return a.Status == http.StatusOK }

// Service is the name of the n-th event's service.
func Service(n int) string { return "service-" + strconv.Itoa(n) }

// Send sends the n-th event to an address, each about a service of its own.
func Send(ctx context.Context, by *http.Client, address, token string, n int) Answer {
	if by == nil {
		by = client
	}
	body := fmt.Appendf(nil, `{"id":"n-%d","type":"PROBLEM","host":"host","service":%q,"state":2,"output":"CRITICAL","contacts":["anna","ben"],"time":%d}`,
		n, Service(n), time.Now().Unix())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v1/sources/test/events", bytes.NewReader(body))
	if err != nil {
		return Answer{Body: err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := by.Do(req)
	if err != nil {
		return Answer{Body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{Body: err.Error()}
	}
	a := Answer{Status: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After"), Body: string(text)}
	var answer struct{ Receipts []struct{ Duplicate bool } }
	if a.Taken() && json.Unmarshal(text, &answer) == nil && len(answer.Receipts) == 1 {
		a.Duplicate = answer.Receipts[0].Duplicate
	}
	return a
}

// Deliver sends an event until it is taken, as `tocsin notify` does, and answers
// how often it was sent, and whether it had been taken before the last time.
func (c *Cluster) Deliver(ctx context.Context, n int) (times int, duplicate bool, err error) {
	for i := 1; ; i++ {
		a := Send(ctx, nil, c.Front.Address(), c.Token, n)
		if a.Taken() {
			return i, a.Duplicate, nil
		}
		if a.Status != 0 && a.Status != http.StatusServiceUnavailable {
			return i, false, fmt.Errorf("event %d: answered %d: %s", n, a.Status, a.Body)
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return i, false, fmt.Errorf("event %d: %w; last answer %d: %s", n, ctx.Err(), a.Status, a.Body)
		}
	}
}

// Open walks the list of open alerts and answers their ids by service.
func Open(ctx context.Context, h *hub.Hub) (map[string]string, error) {
	out := map[string]string{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				ID     string
				Object struct{ Service string }
			}
			Next string
		}
		if err := h.Get(ctx, "/alerts?limit=500&cursor="+cursor, &page); err != nil {
			return nil, err
		}
		for _, a := range page.Items {
			if out[a.Object.Service] != "" {
				return nil, fmt.Errorf("%s has two alerts", a.Object.Service)
			}
			out[a.Object.Service] = a.ID
		}
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
	}
}
