package rain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"tocsin/test/hub"
	"tocsin/test/postgres"
)

// weather is a hub with a source, from which everything goes to three webhooks.
type weather struct {
	*testing.T
	hub   *hub.Hub
	token string

	mu  sync.Mutex
	got []call
}

// call is what a webhook was sent.
type call struct {
	Place, ID string
	Alert     *struct{ ID string }
	Digest    *struct{ Total, Open, Acknowledged int }
}

var places = []string{"board", "siren", "ledger"}

func on(t *testing.T, database string) *weather {
	h, err := hub.New(hub.Options{Bin: bin, Dir: t.TempDir(), Database: database})
	w := &weather{T: t, hub: h}
	w.ok(err)
	t.Cleanup(h.Kill)
	w.token = w.value("token", "source", "add", "test", "--kind", "generic", "--json")
	h.Key = w.value("key", "apikey", "add", "test", "--scope", "admin", "--json")
	w.ok(h.Start(t.Context()))
	w.ok(h.Call(t.Context(), http.MethodPut, "/settings", h.Key, map[string]any{"storm": map[string]any{"wait": 2, "at_most": 6, "again": 2, "calm": 60}}, nil))
	for _, place := range places {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			c := call{Place: place}
			if body, err := io.ReadAll(q.Body); err == nil && json.Unmarshal(body, &c) == nil { // else it is never seen
				w.mu.Lock()
				w.got = append(w.got, c)
				w.mu.Unlock()
			}
		}))
		t.Cleanup(s.Close)
		w.ok(h.Post(t.Context(), "/webhooks", map[string]any{"name": place, "form": "json", "url": s.URL, "everything": true, "private": true}, nil))
	}
	return w
}

func (w *weather) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// value runs a command that prints JSON and answers one of its fields.
func (w *weather) value(field string, args ...string) string {
	w.Helper()
	out, err := w.hub.CLI(w.Context(), "", args...)
	w.ok(err)
	var m map[string]any
	w.ok(json.Unmarshal(out, &m))
	s, _ := m[field].(string)
	return s
}

// calls is what the webhooks were sent so far.
func (w *weather) calls() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]call{}, w.got...)
}

var client = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// send sends the problem of one host.
func (w *weather) send(ctx context.Context, n int) error {
	body := fmt.Appendf(nil, `{"id":"r-%d","type":"PROBLEM","host":"host%04d","state":1,"output":"CRITICAL - no route to host","time":%d}`, n, n, time.Now().Unix())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.hub.Listen+"/api/v1/sources/test/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s: %s", resp.Status, text)
	}
	return err
}

// rain sends the problems of hosts from many callers; after so many answers it calls
// then, once. It answers those that were not answered.
func (w *weather) rain(from, to, after int, then func()) (cut []int) {
	var mu sync.Mutex
	var callers sync.WaitGroup
	next, answered := from, 0
	for range 16 {
		callers.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= to {
					return
				}
				err := w.send(w.Context(), n)
				mu.Lock()
				if answered++; err != nil {
					answered--
					cut = append(cut, n)
				}
				now := answered == after
				mu.Unlock()
				if now {
					then()
				}
			}
		})
	}
	callers.Wait()
	return cut
}

// delivery is one line of the delivery log.
type delivery struct {
	ID, Bundle, State, Notice, Detail string
	AlertID                           string `json:"alert_id"`
	Destination                       string
}

func list[T any](w *weather, path string) (all []T) {
	w.Helper()
	for next := ""; ; {
		var page struct {
			Items []T
			Next  string
		}
		w.ok(w.hub.Get(w.Context(), path+"limit=500&cursor="+next, &page))
		all = append(all, page.Items...)
		if next = page.Next; next == "" {
			return all
		}
	}
}

// ended waits until nothing is left to be told, and answers the log.
func (w *weather) ended() []delivery {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		all, open := list[delivery](w, "/deliveries?"), 0
		for _, d := range all {
			if d.State == "waiting" || d.State == "handed" || d.State == "collected" {
				open++
			}
		}
		if open == 0 && len(all) > 0 {
			return all
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.Fatalf("%d of %d deliveries do not end; the hub said: %.2000s", open, len(all), w.hub.Log())
		}
	}
}

func onBoth(t *testing.T, f func(w *weather)) {
	t.Parallel()
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := ""
			if name == "PostgreSQL" {
				url = postgres.URL(t)
			}
			f(on(t, url))
		})
	}
}

// The hub is killed twice while the alerts of a storm come in, and once when it has
// collected all of them. Each of them is told at each place, by itself or together
// with others, and at each place it is a few messages.
func TestAStormIsAccountedForHoweverOftenTheHubIsKilled(t *testing.T) {
	onBoth(t, func(w *weather) {
		const alerts = 300
		again := func(cut []int) {
			w.ok(w.hub.Start(w.Context()))
			for _, n := range cut {
				w.ok(w.send(w.Context(), n))
			}
		}
		again(w.rain(0, 140, 60, w.hub.Kill))
		again(w.rain(140, alerts, 90, w.hub.Kill))
		w.hub.Kill()
		again(nil)

		log := w.ended()
		open := list[struct{ ID, Status string }](w, "/alerts?")
		if len(open) != alerts {
			w.Fatalf("%d alerts, want %d", len(open), alerts)
		}
		heard := map[string]int{} // alert and place
		digests := map[string]string{}
		for _, d := range log {
			if d.Notice == "digest" {
				digests[d.ID] = d.State
			}
		}
		took := map[string]bool{}
		for _, c := range w.calls() {
			took[c.ID] = true
		}
		for _, d := range log {
			if d.Notice == "digest" {
				continue
			}
			heard[d.AlertID+d.Destination]++
			by := d.ID
			if d.Bundle != "" {
				by = d.Bundle
			}
			if d.State != "sent" || d.Bundle != "" && digests[d.Bundle] != "sent" || !took[by] {
				w.Errorf("%+v; its digest is %q, and the receiver took it: %t", d, digests[d.Bundle], took[by])
			}
		}
		for _, a := range open {
			for key, n := range heard {
				if n != 1 {
					w.Fatalf("%s was told %d times", key, n)
				}
			}
			if a.Status != "firing" {
				w.Errorf("%+v", a)
			}
		}
		if len(heard) != alerts*len(places) {
			w.Errorf("%d alerts at a place, want %d", len(heard), alerts*len(places))
		}
		if n := len(took); n > 25*len(places) {
			w.Errorf("%d messages", n)
		}
	})
}

// Five hundred alerts of a storm are acknowledged at once while it goes on. All are
// taken, each is accounted for, and nobody is told afterwards that one of them is open.
func TestFiveHundredAcknowledgementsAtOnceDuringAStorm(t *testing.T) {
	onBoth(t, func(w *weather) {
		const first, all = 500, 600
		if cut := w.rain(0, first, 0, nil); len(cut) > 0 {
			w.Fatalf("%d were not answered", len(cut))
		}
		ids := list[struct{ ID string }](w, "/alerts?")
		var clicks sync.WaitGroup
		errs := make([]error, len(ids)+1)
		clicks.Go(func() {
			if cut := w.rain(first, all, 0, nil); len(cut) > 0 {
				errs[len(ids)] = fmt.Errorf("%d were not answered", len(cut))
			}
		})
		for i, a := range ids {
			clicks.Go(func() { errs[i] = w.take(a.ID) })
		}
		clicks.Wait()
		if err := errors.Join(errs...); err != nil {
			w.Fatalf("%.1000s; the hub said: %.2000s", err, w.hub.Log())
		}

		open := map[string]string{}
		for _, a := range list[struct{ ID, Status string }](w, "/alerts?") {
			open[a.ID] = a.Status
		}
		acked := 0
		for _, status := range open {
			if status == "acknowledged" {
				acked++
			}
		}
		if len(open) != all || acked != first {
			w.Errorf("%d alerts, %d of them acknowledged", len(open), acked)
		}
		told := map[string]int{}
		for _, d := range w.ended() {
			switch {
			case d.Notice == "digest":
			case d.State == "sent", d.State == "cancelled" && d.Detail != "":
				told[d.Notice]++
			default:
				w.Errorf("%+v", d)
			}
		}
		if told["problem"] != all*len(places) || told["acknowledgement"] != first*len(places) {
			w.Errorf("accounted for: %v", told)
		}
		calls := w.calls()
		if len(calls) > 30*len(places) {
			w.Errorf("%d messages", len(calls))
		}
		last := map[string]call{}
		for _, c := range calls {
			if c.Digest != nil {
				last[c.Place] = c
			}
		}
		for _, place := range places {
			if d := last[place].Digest; d == nil || d.Open > all-first {
				w.Errorf("%s was told at last: %+v", place, d)
			}
		}
	})
}

// take acknowledges an alert, once more where the hub says that it is too busy: it may
// have been done all the same by then.
func (w *weather) take(id string) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for tries := 1; ; tries++ {
		status, err := w.acknowledge(id)
		if err != nil {
			return err
		}
		switch {
		case status == http.StatusOK || tries > 1 && status == http.StatusConflict:
			return nil
		case status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests:
			return fmt.Errorf("alert %s: answered %d", id, status)
		}
		select {
		case <-tick.C:
		case <-w.Context().Done():
			return w.Context().Err()
		}
	}
}

func (w *weather) acknowledge(id string) (status int, err error) {
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, "http://"+w.hub.Listen+"/api/v1/alerts/"+id+"/acknowledge", bytes.NewReader([]byte(`{"comment":"on it"}`)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+w.hub.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
