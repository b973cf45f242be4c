package hub

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Notification is what a tab gets to show.
type Notification struct {
	DeliveryID string `json:"delivery_id"`
	AlertID    string `json:"alert_id"`
	ObjectID   string `json:"object_id"`
	Title      string `json:"title"`
	Body       string `json:"body"`
}

// Tab is an open tab without a browser: it signs in, keeps the event stream,
// comes back to it after a lost connection with the last id it saw, and sends
// receipts for what it showed.
type Tab struct {
	h      *Hub
	client *http.Client

	mu      sync.Mutex
	last    string
	shown   []Notification
	known   map[string]bool // ids of their deliveries
	changed chan struct{}
	opening sync.Once
	opened  chan struct{} // closed when its stream has begun for the first time
}

// SignIn opens a tab of that user.
func (h *Hub) SignIn(ctx context.Context, name, password string) (*Tab, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	t := &Tab{h: h, client: &http.Client{Jar: jar}, known: map[string]bool{}, changed: make(chan struct{}), opened: make(chan struct{})}
	form := url.Values{"name": {name}, "password": {password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/console/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sign in as %s: %w", name, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || strings.HasSuffix(resp.Request.URL.Path, "/sign-in") {
		return nil, fmt.Errorf("sign in as %s: answered %s: %.300s", name, resp.Status, text)
	}
	return t, nil
}

// Follow keeps the stream until ctx ends, and comes back whenever it is lost.
func (t *Tab) Follow(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = t.stream(ctx) // a hub that is away is what this is about
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Shown answers what was shown so far, without the same delivery twice.
func (t *Tab) Shown() []Notification {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Notification(nil), t.shown...)
}

// Hold keeps one stream, and answers what it ended with: the name of the last event
// but pings.
func (t *Tab) Hold(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.h.URL+"/api/v1/live", nil)
	if err != nil {
		return "", err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("stream: %s", resp.Status)
	}
	last := ""
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if name, ok := strings.CutPrefix(sc.Text(), "event: "); ok && name != "ping" {
			last = name
		}
	}
	return last, sc.Err()
}

// Opened waits until the stream that Follow keeps has begun: from then on the tab sees
// what is told, also when another tab of the same person was first.
func (t *Tab) Opened(ctx context.Context) error {
	select {
	case <-t.opened:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the tab's stream has not begun: %w", ctx.Err())
	}
}

// Wait waits until enough says yes of what was shown.
func (t *Tab) Wait(ctx context.Context, enough func([]Notification) bool) error {
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if enough(t.Shown()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the tab has %d notifications: %w", len(t.Shown()), ctx.Err())
		}
	}
}

func (t *Tab) stream(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.h.URL+"/api/v1/live", nil)
	if err != nil {
		return err
	}
	t.mu.Lock()
	if t.last != "" {
		req.Header.Set("Last-Event-ID", t.last)
	}
	t.mu.Unlock()
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("stream: %s", resp.Status)
	}
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, 1<<20)
	var id, event, data string
	for sc.Scan() {
		name, value, _ := strings.Cut(sc.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if err := t.take(ctx, id, event, data); err != nil {
				return err
			}
			id, event, data = "", "", ""
		}
	}
	return sc.Err()
}

// take shows one frame and sends its receipt.
func (t *Tab) take(ctx context.Context, id, event, data string) error {
	switch event {
	case "notification":
		var n Notification
		if err := json.Unmarshal([]byte(data), &n); err != nil {
			return fmt.Errorf("frame %s: %w", data, err)
		}
		if _, err := t.show(ctx, []Notification{n}); err != nil {
			return err
		}
	case "hello", "reset", "many":
		if err := t.pending(ctx); err != nil {
			return err
		}
	}
	if event == "hello" {
		t.opening.Do(func() { close(t.opened) })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != "" {
		t.last = id
	}
	return nil
}

// pending asks for what was missed and is not replayed, as a page does. An
// answer has a page of it: there may be more once these have their receipts.
func (t *Tab) pending(ctx context.Context) error {
	for {
		var list struct{ Items []Notification }
		if err := t.Ask(ctx, http.MethodGet, "/live/pending", nil, &list); err != nil {
			return err
		}
		if fresh, err := t.show(ctx, list.Items); err != nil || fresh == 0 {
			return err
		}
	}
}

// show keeps those that were not shown yet, sends receipts for all, and
// answers how many were new.
func (t *Tab) show(ctx context.Context, ns []Notification) (fresh int, err error) {
	if len(ns) == 0 {
		return 0, nil
	}
	type receipt struct {
		DeliveryID string `json:"delivery_id"`
		Result     string `json:"result"`
	}
	var rs struct {
		Receipts []receipt `json:"receipts"`
	}
	t.mu.Lock()
	for _, n := range ns {
		rs.Receipts = append(rs.Receipts, receipt{n.DeliveryID, "shown"})
		if !t.known[n.DeliveryID] {
			t.known[n.DeliveryID] = true
			t.shown = append(t.shown, n)
			fresh++
		}
	}
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
	return fresh, t.Ask(ctx, http.MethodPost, "/live/receipts", rs, nil)
}

// Ask makes one request to path of /api/v1 as the signed-in user. An answer
// that is no success is a *RefusedError.
func (t *Tab) Ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.h.URL+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %w", method, path, &RefusedError{resp.StatusCode, string(text)})
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Page answers the text of a page, as the signed-in user. An answer that is no success
// is a *RefusedError.
func (t *Tab) Page(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.h.URL+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode > 299 {
		return "", fmt.Errorf("%s: %w", path, &RefusedError{resp.StatusCode, string(text)})
	}
	return string(text), nil
}
