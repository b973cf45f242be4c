// Package kill ends the hub with kill -9 at random moments while events come
// in, starts it again, and looks whether everything that was answered is
// there, once, and whether every contact was told.
package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"tocsin/test/hub"
)

// Options say what is done.
type Options struct {
	Bin      string
	Dir      string // data folder, new
	Database string // empty: SQLite in Dir
	Rounds   int    // kills
	Clients  int    // senders at the same time
	Most     int    // a round is killed after 1 to Most answered events
	Seed     uint64 // of the moments
}

// Result is what was seen.
type Result struct {
	Rounds     int
	Answered   int           // events that were answered with success
	Again      int           // sent a second time, because the kill cut off the answer
	Duplicates int           // of those, had been taken all the same
	Told       int           // notifications that came in, over all contacts
	Slowest    time.Duration // longest start after a kill, to being ready
}

// people are the contacts: every event names both.
var people = []string{"anna", "ben"}

const password = "a long password"

// Run does it. An error names what was lost.
func Run(ctx context.Context, o Options) (Result, error) {
	r := &rounds{o: o, random: rand.New(rand.NewPCG(o.Seed, 7))}
	if err := r.setUp(ctx); err != nil {
		return r.res, err
	}
	defer r.hub.Kill()
	following, stop := context.WithCancel(ctx)
	defer stop()
	var tabs sync.WaitGroup
	defer tabs.Wait()
	defer stop()
	for _, name := range people {
		tab, err := r.hub.SignIn(ctx, name, password)
		if err != nil {
			return r.res, err
		}
		r.tabs = append(r.tabs, tab)
		tabs.Go(func() { tab.Follow(following) })
	}
	for i := range o.Rounds {
		if err := r.round(ctx); err != nil {
			return r.res, fmt.Errorf("round %d: %w; the hub said: %.3000s", i+1, err, r.hub.Log())
		}
		r.res.Rounds++
	}
	return r.res, r.check(ctx)
}

type rounds struct {
	o      Options
	hub    *hub.Hub
	token  string
	tabs   []*hub.Tab
	random *rand.Rand
	next   int   // number of the next event
	again  []int // not answered when the hub was killed
	all    []int // answered

	res Result
}

func (r *rounds) setUp(ctx context.Context) error {
	h, err := hub.New(hub.Options{Bin: r.o.Bin, Dir: r.o.Dir, Database: r.o.Database})
	if err != nil {
		return err
	}
	r.hub = h
	for _, name := range people {
		if _, err := h.CLI(ctx, password+"\n", "user", "add", name, "--role", "operator", "--password-stdin"); err != nil {
			return err
		}
		if _, err := h.CLI(ctx, "", "contact", "add", name, "--user", name); err != nil {
			return err
		}
	}
	if r.token, err = r.value(ctx, "token", "source", "add", "test", "--kind", "generic", "--json"); err != nil {
		return err
	}
	if h.Key, err = r.value(ctx, "key", "apikey", "add", "test", "--scope", "admin", "--json"); err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return err
	}
	return h.OneByOne(ctx) // each alert is looked for in each tab
}

// value runs a command that prints JSON and answers one of its fields.
func (r *rounds) value(ctx context.Context, field string, args ...string) (string, error) {
	out, err := r.hub.CLI(ctx, "", args...)
	if err != nil {
		return "", err
	}
	var m map[string]any
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("%s: %w", out, err)
	}
	s, _ := m[field].(string)
	if s == "" {
		return "", fmt.Errorf("no %s in %s", field, out)
	}
	return s, nil
}

// round sends events from several clients at once, kills the hub when a random
// number of them has been answered, starts it again, and sends what was not
// answered once more, as tocsin notify does.
func (r *rounds) round(ctx context.Context) error {
	var (
		mu       sync.Mutex
		answered []int
		cut      []int
		failed   error
		killed   = make(chan struct{})
		once     sync.Once
		after    = 1 + r.random.IntN(r.o.Most)
		pause    = time.Duration(r.random.IntN(3000)) * time.Microsecond
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		r.next++
		return r.next
	}
	kill := func() {
		// A moment later, so that it is not always right after an answer.
		time.AfterFunc(pause, func() { r.hub.Kill(); close(killed) })
	}
	var senders sync.WaitGroup
	for range r.o.Clients {
		senders.Go(func() {
			for {
				select {
				case <-killed:
					return
				default:
				}
				n := take()
				_, err := r.send(ctx, n)
				mu.Lock()
				if err == nil {
					answered = append(answered, n)
				} else {
					cut, failed = append(cut, n), err
				}
				enough := len(answered) >= after
				mu.Unlock()
				if enough {
					once.Do(kill)
				}
				if err != nil {
					return
				}
			}
		})
	}
	senders.Wait()
	if len(answered) < after {
		return fmt.Errorf("the hub stopped to answer after %d events, before it was killed: %w", len(answered), failed)
	}
	<-killed
	r.all = append(r.all, answered...)
	r.again = cut
	begin := time.Now()
	if err := r.hub.Start(ctx); err != nil {
		return err
	}
	r.res.Slowest = max(r.res.Slowest, time.Since(begin))
	for _, n := range r.again {
		duplicate, err := r.send(ctx, n)
		if err != nil {
			return fmt.Errorf("event %d again: %w", n, err)
		}
		r.res.Again++
		if duplicate {
			r.res.Duplicates++
		}
		r.all = append(r.all, n)
	}
	return nil
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// send sends the n-th event, each about a service of its own, and answers
// whether the hub had it before.
func (r *rounds) send(ctx context.Context, n int) (duplicate bool, err error) {
	body := fmt.Appendf(nil, `{"id":"k-%d","type":"PROBLEM","host":"host","service":%q,"state":2,"output":"CRITICAL","contacts":["anna","ben"],"time":%d}`,
		n, service(n), time.Now().Unix())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.hub.Listen+"/api/v1/sources/test/events", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("answered %s: %s", resp.Status, text)
	}
	var answer struct{ Receipts []struct{ Duplicate bool } }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Receipts) != 1 {
		return false, fmt.Errorf("answered %s", text)
	}
	return answer.Receipts[0].Duplicate, nil
}

func service(n int) string { return "service-" + strconv.Itoa(n) }

// check looks at everything at the end.
func (r *rounds) check(ctx context.Context) error {
	r.res.Answered = len(r.all)
	alerts := map[string]string{} // service to the alert's id
	err := r.pages(ctx, "/alerts", func(item json.RawMessage) error {
		var a struct {
			ID     string
			Object struct{ Service string }
			Status string
		}
		if err := json.Unmarshal(item, &a); err != nil {
			return err
		}
		if alerts[a.Object.Service] != "" {
			return fmt.Errorf("%s has two alerts", a.Object.Service)
		}
		alerts[a.Object.Service] = a.ID
		return nil
	})
	if err != nil {
		return err
	}
	lost := 0
	for _, n := range r.all {
		if alerts[service(n)] == "" {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d of %d answered events are not there", lost, len(r.all))
	}
	return r.told(ctx, alerts)
}

// told waits until each contact's tab has shown a notification of each alert,
// and until every delivery has ended as sent.
func (r *rounds) told(ctx context.Context, alerts map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for i, tab := range r.tabs {
		missing := func(shown []hub.Notification) int {
			have := map[string]bool{}
			for _, n := range shown {
				have[n.AlertID] = true
			}
			left := 0
			for _, n := range r.all {
				if !have[alerts[service(n)]] {
					left++
				}
			}
			return left
		}
		if err := tab.Wait(ctx, func(shown []hub.Notification) bool {
			return len(shown) >= len(r.all) && missing(shown) == 0
		}); err != nil {
			return fmt.Errorf("%s was not told of %d of %d alerts: %w", people[i], missing(tab.Shown()), len(r.all), err)
		}
		r.res.Told += len(tab.Shown())
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		states := map[string]int{}
		err := r.pages(ctx, "/deliveries", func(item json.RawMessage) error {
			var d struct{ State string }
			err := json.Unmarshal(item, &d)
			states[d.State]++
			return err
		})
		if err != nil {
			return err
		}
		if want := len(people) * len(alerts); states["sent"] == want && len(states) == 1 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("deliveries have ended as %v, and %d of each of %d contacts were to be sent", states, len(alerts), len(people))
		}
	}
}

// pages walks a list of the API.
func (r *rounds) pages(ctx context.Context, path string, each func(json.RawMessage) error) error {
	cursor := ""
	for {
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := r.hub.Get(ctx, path+"?limit=500&cursor="+cursor, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := each(item); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
