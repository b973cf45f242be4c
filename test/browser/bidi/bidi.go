// Package bidi drives Firefox by WebDriver BiDi.
package bidi

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"tocsin/test/browser/wire"
)

// Browser is one running Firefox with its own profile.
type Browser struct {
	conn *wire.Conn
}

// BasePrefs keep Firefox quiet and away from the network. The remote agent's
// recommended preferences turn dom.push.connection.enabled off unless the
// profile sets it, so both are set here.
func BasePrefs() map[string]any {
	return map[string]any{
		"remote.prefs.recommended":                   false,
		"dom.push.connection.enabled":                true,
		"app.normandy.api_url":                       "",
		"app.update.disabledForTesting":              true,
		"browser.aboutwelcome.enabled":               false,
		"browser.newtabpage.enabled":                 false,
		"browser.safebrowsing.malware.enabled":       false,
		"browser.safebrowsing.phishing.enabled":      false,
		"browser.shell.checkDefaultBrowser":          false,
		"browser.startup.page":                       0,
		"browser.startup.homepage_override.mstone":   "ignore",
		"browser.tabs.warnOnClose":                   false,
		"browser.uitour.enabled":                     false,
		"browser.warnOnQuit":                         false,
		"captivedetect.canonicalURL":                 "",
		"network.captive-portal-service.enabled":     false,
		"network.connectivity-service.enabled":       false,
		"network.manage-offline-status":              false,
		"datareporting.policy.dataSubmissionEnabled": false,
		"extensions.update.enabled":                  false,
		"extensions.systemAddon.update.enabled":      false,
		"focusmanager.testmode":                      true,
		"services.settings.server":                   "data:,#remote-settings-dummy/v1",
		"termsofuse.bypassNotification":              true,
		"toolkit.telemetry.server":                   "https://localhost/telemetry-dummy/",
		"fission.webContentIsolationStrategy":        0,
		"security.notification_enable_delay":         0,
	}
}

var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// Launch starts Firefox without a window, with the profile in dir and the
// preferences written there. env and args are added to what it gets anyway.
func Launch(ctx context.Context, exe, dir string, prefs map[string]any, env []string, args ...string) (*Browser, error) {
	var js strings.Builder
	for k, v := range prefs {
		value, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("preference %s: %w", k, err)
		}
		fmt.Fprintf(&js, "user_pref(%q, %s);\n", k, value)
	}
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(js.String()), 0o600); err != nil {
		return nil, fmt.Errorf("preferences: %w", err)
	}
	conn, err := wire.Start(ctx, wire.Command{
		Exe:     exe,
		Args:    append([]string{"--headless", "--no-remote", "--profile", dir, "--remote-debugging-port=0", "about:blank"}, args...),
		Env:     append([]string{"MOZ_CRASHREPORTER_DISABLE=1", "HOME=" + dir}, env...),
		Listens: listening,
		Suffix:  "/session",
	})
	if err != nil {
		return nil, err
	}
	b := &Browser{conn: conn}
	if _, err := b.Send(ctx, "session.new", map[string]any{"capabilities": map[string]any{}}); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Pid is the browser's main process.
func (b *Browser) Pid() int { return b.conn.Pid() }

// Send sends one command and answers its result.
func (b *Browser) Send(ctx context.Context, method string, params any) (json.RawMessage, error) {
	var r json.RawMessage
	err := b.conn.Call(ctx, "", method, params, &r)
	return r, err
}

// NewTab opens url, waits until it is complete and returns the tab's context.
func (b *Browser) NewTab(ctx context.Context, url string) (string, error) {
	r, err := b.Send(ctx, "browsingContext.create", map[string]any{"type": "tab"})
	if err != nil {
		return "", err
	}
	var t struct{ Context string }
	if err := json.Unmarshal(r, &t); err != nil {
		return "", fmt.Errorf("new tab: %w", err)
	}
	return t.Context, b.Navigate(ctx, t.Context, url)
}

// Navigate leads a tab to url and waits until it is complete.
func (b *Browser) Navigate(ctx context.Context, tab, url string) error {
	_, err := b.Send(ctx, "browsingContext.navigate", map[string]any{"context": tab, "url": url, "wait": "complete"})
	return err
}

// Eval runs an expression whose value can be written as JSON and decodes it
// into out unless that is nil. A promise is awaited. A tab that the page
// opened is found by Send(ctx, "browsingContext.getTree", …).
func (b *Browser) Eval(ctx context.Context, tab, expr string, out any) error {
	r, err := b.Send(ctx, "script.evaluate", map[string]any{
		"expression": "(async () => JSON.stringify((await (" + expr + ")) ?? null))()",
		"target":     map[string]any{"context": tab}, "awaitPromise": true,
	})
	if err != nil {
		return err
	}
	var e struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	if err := json.Unmarshal(r, &e); err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if e.Type != "success" {
		return fmt.Errorf("eval: %s", e.ExceptionDetails.Text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal([]byte(e.Result.Value), out)
}

// closing is how long a browser may take to write down what it keeps; one that was killed
// then would begin with less the next time.
const closing = 30 * time.Second

// Close ends the browser and waits until its processes have let go of the
// profile.
func (b *Browser) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_, _ = b.Send(ctx, "browser.close", map[string]any{})
	b.conn.Wait(closing)
}
