// Package mixed runs a hub for a long time with a bit of everything: events that
// come and go, thousands of open streams, people who look, acknowledge and comment,
// visitors of a public page, incidents. It looks whether memory and goroutines stay
// what they are.
package mixed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tocsin/bench/table"
	"tocsin/test/hub"
)

// Options say what is done.
type Options struct {
	Bin      string
	Dir      string
	Postgres func(ctx context.Context) (string, error) // makes an empty database
	For      time.Duration
	Streams  int
}

const (
	perUser  = 50 // streams, as many as a user may have
	password = "a long password"
	objects  = 2000
	samples  = 10
	// What may be more at the end than after the first tenth, in which caches fill.
	moreHeap       = 0.10
	moreBytes      = 6 << 20 // beyond that
	moreGoroutines = 100
)

// sample is what the hub says of itself after a collection.
type sample struct {
	At         time.Duration `json:"-"`
	RSS        int64         `json:"-"`
	Streams    int64         `json:"-"`
	Heap       int64         `json:"heap"`
	Stack      int64         `json:"stack"`
	Goroutines int           `json:"goroutines"`
	profile    string
}

type mix struct {
	o       Options
	hub     *hub.Hub
	token   string
	dir     string // of profiles
	client  *http.Client
	streams atomic.Int64 // open now
	dropped atomic.Int64
	counts  struct{ events, refused, views, visits, acks, incidents, failed atomic.Int64 }
	mu      sync.Mutex
	why     error // of the first failure
}

// Run does it and writes tables. An error says what grew.
func Run(ctx context.Context, w io.Writer, o Options) error {
	database, err := o.Postgres(ctx)
	if err != nil {
		return err
	}
	m := &mix{o: o, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	if m.dir, err = os.MkdirTemp(o.Dir, "profiles"); err != nil {
		return fmt.Errorf("folder of profiles: %w", err)
	}
	data := filepath.Join(m.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if m.hub, err = hub.New(hub.Options{Bin: o.Bin, Dir: data, Database: database, Env: []string{"TOCSIN_TEST_PROFILE=" + m.dir, "TOCSIN_DRAIN=0s"}}); err != nil {
		return err
	}
	if err := m.setUp(ctx); err != nil {
		return err
	}
	defer m.hub.Kill()
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	if err := m.open(running, &all); err != nil {
		return err
	}
	m.drive(running, &all)
	var got []sample
	begin := time.Now()
	for i := range samples {
		timer := time.NewTimer(time.Until(begin.Add(o.For * time.Duration(i+1) / samples)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("stopped: %w", ctx.Err())
		}
		s, err := m.sample(ctx, i+1)
		if err != nil {
			return err
		}
		s.At = time.Since(begin)
		got = append(got, s)
	}
	stop()
	all.Wait()
	return m.judge(ctx, w, got)
}

func (m *mix) setUp(ctx context.Context) error {
	value := func(field string, args ...string) (string, error) {
		out, err := m.hub.CLI(ctx, "", args...)
		if err != nil {
			return "", err
		}
		var all map[string]any
		if err := json.Unmarshal(out, &all); err != nil {
			return "", fmt.Errorf("%s: %w", out, err)
		}
		s, _ := all[field].(string)
		return s, nil
	}
	var err error
	if m.token, err = value("token", "source", "add", "test", "--kind", "generic", "--json"); err != nil {
		return err
	}
	if m.hub.Key, err = value("key", "apikey", "add", "test", "--scope", "admin", "--json"); err != nil {
		return err
	}
	if err := m.hub.Start(ctx); err != nil {
		return err
	}
	if err := m.hub.Post(ctx, "/status/pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "UTC", "language": "en"}, nil); err != nil {
		return err
	}
	return m.hub.Post(ctx, "/status/components", map[string]any{"page": "main", "name": "Website"}, nil)
}

// open signs people in, each of whom opens as many tabs as one may.
func (m *mix) open(ctx context.Context, all *sync.WaitGroup) error {
	for i := range (m.o.Streams + perUser - 1) / perUser {
		name := "person-" + strconv.Itoa(i)
		if _, err := m.hub.CLI(ctx, password+"\n", "user", "add", name, "--role", "operator", "--password-stdin"); err != nil {
			return err
		}
		tab, err := m.hub.SignIn(ctx, name, password)
		if err != nil {
			return err
		}
		for range min(perUser, m.o.Streams-i*perUser) {
			all.Go(func() {
				for ctx.Err() == nil {
					m.streams.Add(1)
					_, err := tab.Hold(ctx)
					m.streams.Add(-1)
					if ctx.Err() == nil {
						m.dropped.Add(1)
						m.failed(fmt.Errorf("a stream ended: %w", errors.Join(err, io.EOF)))
						pause(ctx, time.Second)
					}
				}
			})
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (m *mix) failed(err error) {
	m.counts.failed.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why == nil {
		m.why = err
	}
}

// drive does a bit of everything, at rates that a large site has.
func (m *mix) drive(ctx context.Context, all *sync.WaitGroup) {
	every := func(d time.Duration, do func(ctx context.Context) error) {
		all.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				if err := do(ctx); err != nil && ctx.Err() == nil {
					m.failed(err)
				}
			}
		})
	}
	every(50*time.Millisecond, m.event)
	every(200*time.Millisecond, m.view)
	every(50*time.Millisecond, m.visit)
	every(time.Second, m.ack)
	every(20*time.Second, m.incident)
}

// event is a problem or a recovery of one of the objects.
func (m *mix) event(ctx context.Context) error {
	typ, state := "PROBLEM", 2
	if rand.IntN(2) == 0 {
		typ, state = "RECOVERY", 0
	}
	err := m.hub.Call(ctx, http.MethodPost, "/sources/test/events", m.token, map[string]any{"type": typ, "host": "host", "service": "service-" + strconv.Itoa(rand.IntN(objects)),
		"state": state, "output": "it is so", "contacts": []string{"person"}, "time": time.Now().Unix()}, nil)
	m.counts.events.Add(1)
	return err
}

func (m *mix) view(ctx context.Context) error {
	paths := []string{"/alerts?limit=50", "/deliveries?limit=50", "/health", "/sources", "/alerts?limit=50&q=service-1"}
	m.counts.views.Add(1)
	return m.hub.Get(ctx, paths[rand.IntN(len(paths))], nil)
}

func (m *mix) visit(ctx context.Context) error {
	paths := []string{"/", "/de/", "/history", "/live.json", "/api/v2/summary.json"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.hub.Listen+paths[rand.IntN(len(paths))], nil)
	if err != nil {
		return err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	m.counts.visits.Add(1)
	return nil
}

// ack acknowledges some open alert, or comments on it.
func (m *mix) ack(ctx context.Context) error {
	var page struct {
		Items []struct{ ID, Status string }
	}
	if err := m.hub.Get(ctx, "/alerts?limit=20", &page); err != nil || len(page.Items) == 0 {
		return err
	}
	a := page.Items[rand.IntN(len(page.Items))]
	path, body := "/acknowledge", map[string]any{"comment": "I look into it"}
	if a.Status == "acknowledged" {
		path, body = "/comments", map[string]any{"comment": "still at it"}
	}
	err := m.hub.Post(ctx, "/alerts/"+a.ID+path, body, nil)
	var refused *hub.RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return nil // it recovered meanwhile
	}
	m.counts.acks.Add(1)
	return err
}

// incident is one that begins and ends on the public page.
func (m *mix) incident(ctx context.Context) error {
	var made struct{ ID string }
	if err := m.hub.Post(ctx, "/status/incidents", map[string]any{"page": "main", "title": "Slow", "body": "We look into it."}, &made); err != nil {
		return err
	}
	m.counts.incidents.Add(1)
	return m.hub.Post(ctx, "/status/incidents/"+made.ID+"/updates", map[string]any{"phase": "resolved", "body": "It is over."}, nil)
}

// sample asks the hub for a collection and a profile.
func (m *mix) sample(ctx context.Context, n int) (sample, error) {
	if err := m.hub.Signal(syscall.SIGUSR1); err != nil {
		return sample{}, err
	}
	name := filepath.Join(m.dir, fmt.Sprintf("heap-%d", n))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		text, err := os.ReadFile(name + ".json")
		if err == nil {
			s := sample{profile: name + ".pprof", Streams: m.streams.Load()}
			if s.RSS, err = resident(m.hub.Pid()); err != nil {
				return s, err
			}
			return s, json.Unmarshal(text, &s)
		}
		if ctx.Err() != nil {
			return sample{}, fmt.Errorf("the hub writes no profile: %w", err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of the hub: %w", err)
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

func (m *mix) judge(ctx context.Context, w io.Writer, got []sample) error {
	mb := func(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
	c := &m.counts
	fmt.Fprintf(w, "%v on PostgreSQL with %d open streams: %d events of %d objects, %d views of lists and health, %d views of the public page, %d acknowledgements and comments, "+
		"%d incidents. %d requests failed, %d streams ended.\n\n", m.o.For, m.o.Streams, c.events.Load(), objects, c.views.Load(), c.visits.Load(), c.acks.Load(), c.incidents.Load(), c.failed.Load(), m.dropped.Load())
	t := table.Table{Head: []string{"after", "streams", "heap in use", "stacks", "goroutines", "resident"}}
	for _, s := range got {
		t.Add(s.At.Round(time.Second).String(), strconv.FormatInt(s.Streams, 10), mb(s.Heap), mb(s.Stack), strconv.Itoa(s.Goroutines), mb(s.RSS))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	first, last := got[1], got[len(got)-1]
	diff, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-sample_index=inuse_space", "-top", "-nodecount=8", "-diff_base", first.profile, last.profile).Output()
	if err != nil {
		return fmt.Errorf("compare the profiles: %w", err)
	}
	fmt.Fprintf(w, "What the heap holds at the end and did not after the second sample:\n\n```\n%s```\n\n", diff)
	switch limit := int64(float64(first.Heap)*(1+moreHeap)) + moreBytes; {
	case c.failed.Load() > 0:
		return fmt.Errorf("%d requests failed, the first: %w", c.failed.Load(), m.why)
	case last.Heap > limit:
		return fmt.Errorf("the heap grew from %s to %s", mb(first.Heap), mb(last.Heap))
	case last.Goroutines > first.Goroutines+moreGoroutines:
		return fmt.Errorf("goroutines grew from %d to %d", first.Goroutines, last.Goroutines)
	}
	return nil
}
