package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"tocsin/test/browser/bidi"
)

type firefox struct{ b *bidi.Browser }

type firefoxTab struct {
	b   *bidi.Browser
	tab string
}

// schemePref is what pages see as prefers-color-scheme: 0 dark, 1 light.
const schemePref = "layout.css.prefers-color-scheme.content-override"

// Firefox starts Debian's Firefox. Its notifications go to the desktop only
// with libnotify4 installed. It keeps the permissions of its profile, so
// Granted is needed for the first start alone.
func Firefox(ctx context.Context, o Options) (Browser, error) {
	p := bidi.BasePrefs()
	p["alerts.useSystemBackend"] = true
	maps.Copy(p, o.Prefs)
	if err := firefoxes.profile(ctx, o.Dir); err != nil {
		return nil, err
	}
	b, err := bidi.Launch(ctx, firefoxExe, o.Dir, p, o.Env, "--remote-allow-system-access")
	if err != nil {
		return nil, err
	}
	f := &firefox{b}
	for _, origin := range o.Granted {
		if err := f.Permit(ctx, origin, Granted); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func (f *firefox) Name() string { return "firefox" }
func (f *firefox) Close()       { f.b.Close() }

func (f *firefox) Permit(ctx context.Context, origin string, p Permission) error {
	_, err := f.b.Send(ctx, "permissions.setPermission", map[string]any{
		"descriptor": map[string]any{"name": "notifications"}, "state": p, "origin": origin,
	})
	return err
}

func (f *firefox) Revoke(ctx context.Context, origin string) error {
	return f.Permit(ctx, origin, Denied)
}

func (f *firefox) Open(ctx context.Context, url string) (Tab, error) {
	tab, err := f.b.NewTab(ctx, url)
	if err != nil {
		return nil, err
	}
	return &firefoxTab{f.b, tab}, nil
}

// tree is one answer of browsingContext.getTree.
type tree struct {
	Contexts []struct{ Context, URL string }
}

func (f *firefox) Tabs(ctx context.Context) ([]Tab, error) {
	r, err := f.b.Send(ctx, "browsingContext.getTree", map[string]any{"maxDepth": 0})
	if err != nil {
		return nil, err
	}
	var t tree
	if err := json.Unmarshal(r, &t); err != nil {
		return nil, fmt.Errorf("tabs: %w", err)
	}
	var out []Tab
	for _, c := range t.Contexts {
		out = append(out, &firefoxTab{f.b, c.Context})
	}
	return out, nil
}

func (t *firefoxTab) ID() string { return t.tab }

// send sends one command about this tab.
func (t *firefoxTab) send(ctx context.Context, method string, params map[string]any) (json.RawMessage, error) {
	params["context"] = t.tab
	return t.b.Send(ctx, method, params)
}

func (t *firefoxTab) URL(ctx context.Context) (string, error) {
	r, err := t.b.Send(ctx, "browsingContext.getTree", map[string]any{"maxDepth": 0, "root": t.tab})
	if err != nil {
		return "", err
	}
	var c tree
	if err := json.Unmarshal(r, &c); err != nil || len(c.Contexts) != 1 {
		return "", fmt.Errorf("address of the tab in %s: %w", r, err)
	}
	return c.Contexts[0].URL, nil
}

func (t *firefoxTab) Go(ctx context.Context, url string) error { return t.b.Navigate(ctx, t.tab, url) }

func (t *firefoxTab) Eval(ctx context.Context, expr string, out any) error {
	return t.b.Eval(ctx, t.tab, expr, out)
}

func (t *firefoxTab) Press(ctx context.Context, x, y float64) error {
	_, err := t.send(ctx, "input.performActions", map[string]any{"actions": []any{map[string]any{
		"type": "pointer", "id": "mouse", "actions": []any{
			map[string]any{"type": "pointerMove", "x": int(x), "y": int(y)},
			map[string]any{"type": "pointerDown", "button": 0},
			map[string]any{"type": "pointerUp", "button": 0},
		},
	}}})
	return err
}

func (t *firefoxTab) Drag(ctx context.Context, x, y, toX, toY float64) error {
	steps := []any{map[string]any{"type": "pointerMove", "x": int(x), "y": int(y)}, map[string]any{"type": "pointerDown", "button": 0}}
	for i := 1; i <= dragSteps; i++ {
		far := float64(i) / dragSteps
		steps = append(steps, map[string]any{"type": "pointerMove", "x": int(x + (toX-x)*far), "y": int(y + (toY-y)*far), "duration": 20})
	}
	steps = append(steps, map[string]any{"type": "pointerUp", "button": 0})
	_, err := t.send(ctx, "input.performActions", map[string]any{"actions": []any{map[string]any{"type": "pointer", "id": "mouse", "actions": steps}}})
	return err
}

func (t *firefoxTab) Keys(ctx context.Context, text string) error {
	var keys []any
	for _, r := range text {
		keys = append(keys, map[string]any{"type": "keyDown", "value": string(r)}, map[string]any{"type": "keyUp", "value": string(r)})
	}
	_, err := t.send(ctx, "input.performActions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": keys}}})
	return err
}

// Dark sets it for the whole browser: BiDi has no command for a tab's colour
// scheme, but a preference that is watched, reached through the window's own
// (privileged) context.
func (t *firefoxTab) Dark(ctx context.Context, dark bool) error {
	r, err := t.b.Send(ctx, "browsingContext.getTree", map[string]any{"maxDepth": 0, "moz:scope": "chrome"})
	if err != nil {
		return err
	}
	var window tree
	if err := json.Unmarshal(r, &window); err != nil || len(window.Contexts) == 0 {
		return fmt.Errorf("the browser's window in %s: %w", r, err)
	}
	scheme := 1
	if dark {
		scheme = 0
	}
	return t.b.Eval(ctx, window.Contexts[0].Context, fmt.Sprintf("Services.prefs.setIntPref(%q, %d)", schemePref, scheme), nil)
}

func (t *firefoxTab) Size(ctx context.Context, width, height int) error {
	_, err := t.send(ctx, "browsingContext.setViewport", map[string]any{"viewport": map[string]any{"width": width, "height": height}})
	return err
}

func (t *firefoxTab) Shot(ctx context.Context, whole bool) ([]byte, error) {
	origin := "viewport"
	if whole {
		origin = "document"
	}
	r, err := t.send(ctx, "browsingContext.captureScreenshot", map[string]any{"origin": origin})
	if err != nil {
		return nil, err
	}
	var d struct{ Data string }
	if err := json.Unmarshal(r, &d); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return base64.StdEncoding.DecodeString(d.Data)
}

func (t *firefoxTab) Front(ctx context.Context) error {
	_, err := t.send(ctx, "browsingContext.activate", map[string]any{})
	return err
}

func (t *firefoxTab) Close(ctx context.Context) error {
	_, err := t.send(ctx, "browsingContext.close", map[string]any{})
	return err
}
