package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tocsin/test/browser/cdp"
)

type chromium struct {
	b        *cdp.Browser
	sessions map[string]string // target id to session
}

type chromiumTab struct {
	b       *cdp.Browser
	target  string
	session string
}

// Chromium starts Debian's Chromium.
func Chromium(ctx context.Context, o Options) (Browser, error) {
	if err := grant(o.Dir, o.Granted); err != nil {
		return nil, err
	}
	b, err := cdp.Launch(ctx, "/usr/bin/chromium", o.Dir, o.Env, o.Flags...)
	if err != nil {
		return nil, err
	}
	return &chromium{b: b, sessions: map[string]string{}}, nil
}

// grant writes into a profile that origins may show notifications: what the
// DevTools protocol permits ends with the browser.
func grant(dir string, origins []string) error {
	if len(origins) == 0 {
		return nil
	}
	file := filepath.Join(dir, "Default", "Preferences")
	all := map[string]any{}
	switch text, err := os.ReadFile(file); {
	case err == nil:
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("preferences of the profile: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("preferences of the profile: %w", err)
	}
	at := all
	for _, name := range []string{"profile", "content_settings", "exceptions", "notifications"} {
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	for _, origin := range origins {
		at[origin+",*"] = map[string]any{"setting": 1}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("preferences of the profile: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("preferences of the profile: %w", err)
	}
	return os.WriteFile(file, text, 0o600)
}

func (c *chromium) Name() string { return "chromium" }
func (c *chromium) Close()       { c.b.Close() }

func (c *chromium) Permit(ctx context.Context, origin string, p Permission) error {
	return c.b.Send(ctx, "", "Browser.setPermission", map[string]any{
		"permission": map[string]any{"name": "notifications"}, "setting": p, "origin": origin,
	}, nil)
}

// Revoke goes through the settings page: what Permit sets is an override of the
// DevTools protocol, of which the push service hears nothing.
func (c *chromium) Revoke(ctx context.Context, origin string) error {
	tab, err := c.Open(ctx, "chrome://settings/content/notifications")
	if err != nil {
		return err
	}
	name, err := json.Marshal(origin)
	if err != nil {
		return err
	}
	if err := tab.Eval(ctx, fmt.Sprintf("chrome.send('setOriginPermissions', [%s, 'notifications', 'block'])", name), nil); err != nil {
		return fmt.Errorf("block the notifications of %s: %w", origin, err)
	}
	return tab.Close(ctx)
}

func (c *chromium) Open(ctx context.Context, url string) (Tab, error) {
	session, target, err := c.b.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	c.sessions[target] = session
	return &chromiumTab{b: c.b, target: target, session: session}, nil
}

func (c *chromium) Tabs(ctx context.Context) ([]Tab, error) {
	var r struct {
		TargetInfos []struct{ TargetID, Type string }
	}
	if err := c.b.Send(ctx, "", "Target.getTargets", nil, &r); err != nil {
		return nil, err
	}
	var out []Tab
	for _, t := range r.TargetInfos {
		if t.Type != "page" {
			continue
		}
		if c.sessions[t.TargetID] == "" {
			s, err := c.b.Attach(ctx, t.TargetID)
			if err != nil {
				continue // closed meanwhile
			}
			c.sessions[t.TargetID] = s
		}
		out = append(out, &chromiumTab{b: c.b, target: t.TargetID, session: c.sessions[t.TargetID]})
	}
	return out, nil
}

func (t *chromiumTab) ID() string { return t.target }

func (t *chromiumTab) send(ctx context.Context, method string, params, out any) error {
	return t.b.Send(ctx, t.session, method, params, out)
}

func (t *chromiumTab) URL(ctx context.Context) (string, error) {
	var r struct{ TargetInfo struct{ URL string } }
	err := t.b.Send(ctx, "", "Target.getTargetInfo", map[string]any{"targetId": t.target}, &r)
	return r.TargetInfo.URL, err
}

func (t *chromiumTab) Go(ctx context.Context, url string) error {
	return t.b.Navigate(ctx, t.session, url)
}

func (t *chromiumTab) Eval(ctx context.Context, expr string, out any) error {
	return t.b.Eval(ctx, t.session, expr, out)
}

func (t *chromiumTab) Press(ctx context.Context, x, y float64) error {
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		p := map[string]any{"type": kind, "x": x, "y": y}
		if kind != "mouseMoved" {
			p["button"], p["clickCount"] = "left", 1
		}
		if err := t.send(ctx, "Input.dispatchMouseEvent", p, nil); err != nil {
			return err
		}
	}
	return nil
}

func (t *chromiumTab) Drag(ctx context.Context, x, y, toX, toY float64) error {
	send := func(kind string, x, y float64, held int) error {
		return t.send(ctx, "Input.dispatchMouseEvent", map[string]any{"type": kind, "x": x, "y": y, "button": "left", "buttons": held, "clickCount": 1}, nil)
	}
	if err := errors.Join(send("mouseMoved", x, y, 0), send("mousePressed", x, y, 1)); err != nil {
		return err
	}
	for i := 1; i <= dragSteps; i++ {
		far := float64(i) / dragSteps
		if err := send("mouseMoved", x+(toX-x)*far, y+(toY-y)*far, 1); err != nil {
			return err
		}
	}
	return send("mouseReleased", toX, toY, 0)
}

// namedKey is a key that writes nothing, as the protocol has it.
type namedKey struct {
	key  string
	code int
	text string // that comes with it all the same
}

// named is the key at a place of a text; the zero one for a letter.
func named(r rune) namedKey {
	switch string(r) {
	case Enter:
		return namedKey{"Enter", 13, "\r"}
	case Escape:
		return namedKey{"Escape", 27, ""}
	case Left:
		return namedKey{"ArrowLeft", 37, ""}
	case Up:
		return namedKey{"ArrowUp", 38, ""}
	case Right:
		return namedKey{"ArrowRight", 39, ""}
	case Down:
		return namedKey{"ArrowDown", 40, ""}
	}
	return namedKey{}
}

func (t *chromiumTab) Keys(ctx context.Context, text string) error {
	for _, r := range text {
		for _, kind := range []string{"keyDown", "keyUp"} {
			p := map[string]any{"type": kind, "key": string(r)}
			if kind == "keyDown" {
				p["text"] = string(r)
			}
			if k := named(r); k.code > 0 {
				p["key"], p["code"], p["windowsVirtualKeyCode"] = k.key, k.key, k.code
				delete(p, "text")
				if kind == "keyDown" && k.text != "" {
					p["text"] = k.text
				}
			}
			if err := t.send(ctx, "Input.dispatchKeyEvent", p, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *chromiumTab) Dark(ctx context.Context, dark bool) error {
	value := "light"
	if dark {
		value = "dark"
	}
	return t.send(ctx, "Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}},
	}, nil)
}

func (t *chromiumTab) Size(ctx context.Context, width, height int) error {
	return t.send(ctx, "Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	}, nil)
}

func (t *chromiumTab) Shot(ctx context.Context, whole bool) ([]byte, error) {
	var r struct{ Data string }
	if err := t.send(ctx, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Data)
}

func (t *chromiumTab) Front(ctx context.Context) error {
	return t.send(ctx, "Page.bringToFront", nil, nil)
}

func (t *chromiumTab) Close(ctx context.Context) error {
	var r json.RawMessage
	if err := t.b.Send(ctx, "", "Target.closeTarget", map[string]any{"targetId": t.target}, &r); err != nil {
		return fmt.Errorf("close the tab: %w", err)
	}
	return nil
}
