package browser

import (
	"context"
	"errors"
	"fmt"
)

// Still has a tab of Chromium look the same wherever pictures are taken of it: in that
// time zone, in British English, without bars to scroll. Movement ends with the page
// that is there: see Hold.
func Still(ctx context.Context, t Tab, zone string) error {
	tab, ok := t.(*chromiumTab)
	if !ok {
		return errors.New("only Chromium can be made to stand still")
	}
	for method, params := range map[string]map[string]any{
		"Emulation.setTimezoneOverride": {"timezoneId": zone},
		"Emulation.setLocaleOverride":   {"locale": "en-GB"},
		"Emulation.setScrollbarsHidden": {"hidden": true},
	} {
		if err := tab.send(ctx, method, params, nil); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return nil
}

// Hold ends what moves on the page, takes the focus from its fields, and waits until it
// was drawn with all its images.
func Hold(ctx context.Context, t Tab) error {
	return t.Eval(ctx, `(async () => {
		const s = new CSSStyleSheet();
		s.replaceSync('*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important }');
		document.adoptedStyleSheets = [...document.adoptedStyleSheets, s];
		document.activeElement?.blur?.();
		await document.fonts.ready;
		await Promise.all([...document.images].filter((i) => i.loading !== 'lazy').map((i) => i.decode().catch(() => 0)));
		await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	})()`, nil)
}
