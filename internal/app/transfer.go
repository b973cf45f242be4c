package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"tocsin/internal/config"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/store"
	"tocsin/internal/web/page"
)

// NewDesk is the desk of the public pages for a command beside the hub.
func NewDesk(db *store.DB) (*publish.Desk, error) {
	return publish.New(db, publish.Options{Text: markdown.New().Text, Node: "command"}) //nolint:wrapcheck // the constructor's own words
}

// ExportStatic writes every public page as files, see page.Site.ExportStatic.
func ExportStatic(ctx context.Context, db *store.DB, cfg config.Config, dir string) (page.Exported, error) {
	site, err := page.NewSite(db, markdown.New(), page.Options{BaseURL: cfg.BaseURL, Log: slog.New(slog.DiscardHandler),
		Image: func(ctx context.Context, id string) (string, []byte, error) {
			i, err := db.StatusImage(ctx, id)
			return i.Kind, i.Body, err //nolint:wrapcheck // the page's to branch on
		}})
	if err != nil {
		return page.Exported{}, err //nolint:wrapcheck // the constructor's own words
	}
	if err := site.Refresh(ctx); err != nil {
		return page.Exported{}, err //nolint:wrapcheck // says what it was
	}
	return site.ExportStatic(ctx, dir) //nolint:wrapcheck // says which page
}

// OutgoingProxy is the one that the settings or the configuration name, nil for
// none.
func OutgoingProxy(ctx context.Context, db *store.DB, cfg config.Config) (*url.URL, error) {
	text := cfg.PushProxy
	s, err := db.Settings(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it was
	}
	if s.PushProxy != "" {
		text = s.PushProxy
	}
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the outgoing proxy cannot be read")
	}
	return u, nil
}
