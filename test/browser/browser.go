// Package browser drives the real Chromium and the real Firefox of Debian
// behind one small interface, so that a test is written once and sees what a
// person would see in either.
//
//	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir(), Env: bus.Env()})
//	err = b.Permit(ctx, origin, browser.Granted)
//	tab, err := b.Open(ctx, origin+"/console/")
//	err = tab.Click(ctx, "button.ack")
package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tocsin/test/await"
)

// Keys that write nothing, as WebDriver has them in a text.
const (
	Enter  = "\uE007"
	Escape = "\uE00C"
	Left   = "\uE012"
	Up     = "\uE013"
	Right  = "\uE014"
	Down   = "\uE015"
)

// dragSteps is in how many steps a drag goes.
const dragSteps = 12

// Permission is a site's permission to show notifications.
type Permission string

// The permissions; Ask is what a new site has.
const (
	Granted Permission = "granted"
	Denied  Permission = "denied"
	Ask     Permission = "prompt"
)

// Options say how a browser starts.
type Options struct {
	// Dir is the profile: empty, or that of a browser that was closed, which
	// goes on with its cookies, permissions, workers and subscriptions.
	Dir string
	Env []string // notifyd's Env, for desktop notifications
	// Granted are origins that may show notifications from the first moment:
	// what waits for a browser comes before anybody can call Permit.
	Granted []string
	Flags   []string       // further switches of Chromium, see pushlab
	Prefs   map[string]any // further preferences of Firefox, see pushlab
}

// Browser is one running browser with its own profile.
type Browser interface {
	// Name is "chromium" or "firefox".
	Name() string
	// Permit sets an origin's permission to show notifications.
	Permit(ctx context.Context, origin string, p Permission) error
	// Revoke blocks an origin's notifications in the browser's own settings, as
	// its user does: its push subscription ends with that.
	Revoke(ctx context.Context, origin string) error
	// Open opens url in a new tab and waits until it is loaded.
	Open(ctx context.Context, url string) (Tab, error)
	// Tabs answers all tabs, those that a page or a notification opened too.
	Tabs(ctx context.Context) ([]Tab, error)
	// Close ends the browser.
	Close()
}

// Tab is one tab of a browser.
type Tab interface {
	// ID is the same for the life of the tab.
	ID() string
	// URL is where the tab is.
	URL(ctx context.Context) (string, error)
	// Go leads the tab to url and waits until it is loaded.
	Go(ctx context.Context, url string) error
	// Eval runs an expression, awaits it if it is a promise, and decodes its
	// value into out unless that is nil.
	Eval(ctx context.Context, expr string, out any) error
	// Press moves the pointer to a point of the visible page, in CSS pixels,
	// and presses the main button: a real click, which counts as the user's.
	Press(ctx context.Context, x, y float64) error
	// Drag presses the main button at one point, moves to another in small steps,
	// and lets it go there.
	Drag(ctx context.Context, x, y, toX, toY float64) error
	// Keys types text into what has the focus. The keys that write nothing are
	// Up, Down and the others here.
	Keys(ctx context.Context, text string) error
	// Dark sets prefers-color-scheme, at once; in Firefox of all its tabs.
	Dark(ctx context.Context, dark bool) error
	// Size sets the visible page, in CSS pixels.
	Size(ctx context.Context, width, height int) error
	// Shot is a PNG of the whole page, or of the visible part.
	Shot(ctx context.Context, whole bool) ([]byte, error)
	// Front brings the tab before the others.
	Front(ctx context.Context) error
	// Close closes the tab.
	Close(ctx context.Context) error
}

// Until waits until the expression is true in the tab: pages have no event for "any of
// this became true". While the page loads anew its errors do not count.
func Until(ctx context.Context, t Tab, expr string) error {
	var last error
	err := await.True(ctx, func() bool {
		var ok bool
		last = t.Eval(ctx, "Boolean("+expr+")", &ok)
		return last == nil && ok
	})
	if err != nil {
		return fmt.Errorf("waited for %s: %w", expr, errors.Join(err, last))
	}
	return nil
}

// UntilTab waits for a tab whose address contains part.
func UntilTab(ctx context.Context, b Browser, part string) (found Tab, err error) {
	var have []string
	var last error
	err = await.True(ctx, func() bool {
		tabs, err := b.Tabs(ctx)
		last = err
		if ctx.Err() == nil {
			have = nil
		}
		for _, t := range tabs {
			u, err := t.URL(ctx)
			if err != nil {
				continue // it was closed meanwhile
			}
			if strings.Contains(u, part) {
				found = t
				return true
			}
			have = append(have, u)
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("no tab at %s, but %q: %w", part, have, errors.Join(err, last))
	}
	return found, nil
}

// Click scrolls the first element that the CSS selector fits into view and
// clicks its middle. It waits for the element to be there and to be visible.
func Click(ctx context.Context, t Tab, selector string) error {
	find := fmt.Sprintf("document.querySelector(%q)", selector)
	if err := Until(ctx, t, find+"?.checkVisibility()"); err != nil {
		return err
	}
	var at struct{ X, Y float64 }
	err := t.Eval(ctx, "(e => { e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect(); "+
		"return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })("+find+")", &at)
	if err != nil {
		return fmt.Errorf("find %s: %w", selector, err)
	}
	if err := t.Press(ctx, at.X, at.Y); err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	return nil
}

// Type clicks a field and types text after what it holds.
func Type(ctx context.Context, t Tab, selector, text string) error {
	if err := Click(ctx, t, selector); err != nil {
		return err
	}
	if err := t.Keys(ctx, text); err != nil {
		return fmt.Errorf("type into %s: %w", selector, err)
	}
	return nil
}

// Text is the visible text of the first element that fits, empty if none does.
func Text(ctx context.Context, t Tab, selector string) (string, error) {
	var s string
	err := t.Eval(ctx, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &s)
	return s, err
}
