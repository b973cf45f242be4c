// Package cdp drives Chromium by the Chrome DevTools Protocol.
package cdp

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"

	"tocsin/test/browser/wire"
)

// Browser is one running Chromium with its own profile.
type Browser struct {
	conn *wire.Conn

	mu     sync.Mutex
	visits map[string]*visit // the last one of each session
}

var listening = regexp.MustCompile(`DevTools listening on (ws://\S+)`)

// flags keep Chromium quiet and away from the network. Root needs
// --no-sandbox; without the network flags Chromium looks up Google's hosts at
// every start. Incognito has no notifications from service workers, so the
// default profile is used.
var flags = []string{
	"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
	"--remote-debugging-port=0",
	"--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-component-update",
	"--disable-background-networking", "--disable-default-apps", "--disable-extensions",
	"--password-store=basic", "--use-mock-keychain",
	"--metrics-recording-only", "--disable-breakpad", "--disable-client-side-phishing-detection",
	"--disable-features=Translate,OptimizationHints,MediaRouter", "--disable-search-engine-choice-screen",
	// Tabs that are behind another must not be slowed down: a test has several.
	"--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
	"about:blank",
}

// Launch starts Chromium without a window, with the profile in dir. env and
// args are added to what it gets anyway.
func Launch(ctx context.Context, exe, dir string, env []string, args ...string) (*Browser, error) {
	conn, err := wire.Start(ctx, wire.Command{
		Exe:     exe,
		Args:    append(append([]string{"--user-data-dir=" + dir}, flags...), args...),
		Env:     append([]string{"HOME=" + dir}, env...),
		Listens: listening,
	})
	if err != nil {
		return nil, err
	}
	b := &Browser{conn: conn, visits: map[string]*visit{}}
	conn.On("Page.lifecycleEvent", b.follow)
	return b, nil
}

// Pid is the browser's main process.
func (b *Browser) Pid() int { return b.conn.Pid() }

// On calls f for each event named method, on the goroutine that reads: f must
// not wait for a reply.
func (b *Browser) On(method string, f func(session string, params json.RawMessage)) {
	b.conn.On(method, f)
}

// Send sends one command, to the tab of that session or to the browser if it
// is empty, and decodes the result into out unless that is nil.
func (b *Browser) Send(ctx context.Context, session, method string, params, out any) error {
	return b.conn.Call(ctx, session, method, params, out)
}

// Attach answers a session with the tab of that target id.
func (b *Browser) Attach(ctx context.Context, target string) (string, error) {
	var s struct{ SessionID string }
	err := b.Send(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target, "flatten": true}, &s)
	return s.SessionID, err
}

// NewTab opens url, waits for its load event and returns a session.
func (b *Browser) NewTab(ctx context.Context, url string) (string, error) {
	session, _, err := b.Open(ctx, url)
	return session, err
}

// Open is NewTab that answers the target id, too.
func (b *Browser) Open(ctx context.Context, url string) (session, target string, err error) {
	var t struct{ TargetID string }
	if err := b.Send(ctx, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &t); err != nil {
		return "", "", err
	}
	if session, err = b.Attach(ctx, t.TargetID); err != nil {
		return "", "", err
	}
	return session, t.TargetID, b.Navigate(ctx, session, url)
}

// Navigate leads a tab to url and waits for its load event: that page's, not that
// of the page before it, which may still be loading when it is left. A page that
// leads on before it is loaded counts as loaded when the next one is.
func (b *Browser) Navigate(ctx context.Context, session, url string) error {
	v := &visit{changed: make(chan struct{}, 1)}
	b.mu.Lock()
	b.visits[session] = v
	b.mu.Unlock()
	if err := b.Send(ctx, session, "Page.enable", nil, nil); err != nil {
		return err
	}
	if err := b.Send(ctx, session, "Page.setLifecycleEventsEnabled", map[string]any{"enabled": true}, nil); err != nil {
		return err
	}
	var r struct{ FrameID, LoaderID, ErrorText string }
	if err := b.Send(ctx, session, "Page.navigate", map[string]any{"url": url}, &r); err != nil {
		return err
	}
	if r.ErrorText != "" {
		return fmt.Errorf("open %s: %s", url, r.ErrorText)
	}
	if r.LoaderID == "" {
		return nil // another place of the same page
	}
	for !v.loaded(r.FrameID, r.LoaderID) {
		select {
		case <-v.changed:
		case <-ctx.Done():
			return fmt.Errorf("open %s: %w", url, ctx.Err())
		}
	}
	return nil
}

// visit is what becomes of the pages of a tab since it was led somewhere.
type visit struct {
	mu      sync.Mutex
	steps   []step
	changed chan struct{}
}

// step is Page.lifecycleEvent: what became of one loading of a page.
type step struct{ FrameID, LoaderID, Name string }

// loaded says whether that loading has ended, or one after it.
func (v *visit) loaded(frame, loader string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	begun := false
	for _, s := range v.steps {
		begun = begun || s.LoaderID == loader
		if begun && s.FrameID == frame && s.Name == "load" {
			return true
		}
	}
	return false
}

// follow notes the steps of all tabs that are led somewhere.
func (b *Browser) follow(session string, params json.RawMessage) {
	var s step
	b.mu.Lock()
	v := b.visits[session]
	b.mu.Unlock()
	if v == nil || json.Unmarshal(params, &s) != nil {
		return
	}
	v.mu.Lock()
	v.steps = append(v.steps, s)
	v.mu.Unlock()
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// Eval runs an expression whose value can be written as JSON and decodes it
// into out unless that is nil. A promise is awaited.
func (b *Browser) Eval(ctx context.Context, session, expr string, out any) error {
	var r struct {
		Result           struct{ Value json.RawMessage } // of an exception an object
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := b.Send(ctx, session, "Runtime.evaluate", map[string]any{
		"expression":   "(async () => JSON.stringify((await (" + expr + ")) ?? null))()",
		"awaitPromise": true, "returnByValue": true,
	}, &r)
	if err != nil {
		return err
	}
	if r.ExceptionDetails != nil {
		return fmt.Errorf("eval: %s %s", r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	if out == nil {
		return nil
	}
	var text string
	if err := json.Unmarshal(r.Result.Value, &text); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	return json.Unmarshal([]byte(text), out)
}

// closing is how long a browser may take to write down what it keeps; one that was killed
// then would begin with less the next time.
const closing = 30 * time.Second

// Close ends the browser and waits until its processes have let go of the
// profile.
func (b *Browser) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_ = b.Send(ctx, "", "Browser.close", nil, nil)
	b.conn.Wait(closing)
}
