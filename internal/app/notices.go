package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel/browser"
	"tocsin/internal/delivery"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// links answers where a click leads. It keeps the sources at hand.
type links struct {
	db *store.DB

	mu      sync.Mutex
	version int64
	byID    map[string]source.Source
	naming  map[string]bool // sources whose engine knows its objects' names
}

func (l *links) source(ctx context.Context, id string) source.Source {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read(ctx)
	return l.byID[id]
}

// names says whether a source's engine knows its objects' names.
func (l *links) names(ctx context.Context, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read(ctx)
	return l.naming[id]
}

// read reads the sources when they have changed.
func (l *links) read(ctx context.Context) {
	if v := l.db.ConfigVersion(); l.byID == nil || l.version != v {
		all, err := l.db.Sources(ctx)
		if err != nil {
			return // a message without the engine's page is better than none
		}
		l.version, l.byID, l.naming = v, make(map[string]source.Source, len(all)), map[string]bool{}
		for _, s := range all {
			l.byID[s.ID] = s
			if namer(s) {
				l.naming[s.ID] = true
			}
		}
	}
}

// namer says whether the source's engine is one that can be asked for names. It is
// opened for that, which touches nothing.
func namer(s source.Source) bool {
	if s.Disabled {
		return false
	}
	for _, k := range WriteBacks() {
		if k.Name() == s.WriteBack.Kind {
			e, err := k.Open(s.WriteBack, source.EngineOptions{Now: time.Now, Proxy: &url.URL{Scheme: "http", Host: "proxy.invalid:1"}})
			_, ok := e.(source.Namer)
			return err == nil && ok
		}
	}
	return false
}

// of answers the page that a click opens and the engine's own page. Our own
// pages are given by their path: the tab knows best how it reaches us.
func (l *links) of(ctx context.Context, o alert.Object, alertID string) (page, engine string) {
	s := l.source(ctx, o.SourceID)
	engine = o.URL
	if engine == "" && !o.Heartbeat() {
		if u, err := s.ObjectURL(o); err == nil {
			engine = u
		}
	}
	switch {
	case s.Straight && engine != "":
		return engine, engine
	case alertID != "":
		return "/console/alerts/" + alertID, engine
	}
	return "/console/objects/" + o.ID, engine
}

// pending renders unfinished deliveries as the live channel does. One whose
// event or object is gone, or that is no longer true, is left out.
func (a *App) pending(ctx context.Context, ds []delivery.Delivery) ([]json.RawMessage, error) {
	settings, err := a.db.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var out []json.RawMessage
	for _, d := range ds {
		c := delivery.Claimed{Delivery: d}
		if d.Notice == alert.NoticeDigest {
			if d.State != delivery.Handed {
				continue // it is sent in a moment, as what it tells of then
			}
			if err := a.db.FillDigest(ctx, &c); err != nil {
				return nil, fmt.Errorf("digest %s: %w", d.ID, err)
			}
		}
		ok, err := a.complete(ctx, &c)
		if err != nil {
			return nil, err
		}
		if !ok || c.Untrue() != "" {
			continue
		}
		page, engine := a.links.of(ctx, c.Object, c.AlertID)
		m := c.Message(page, engine)
		frame, err := json.Marshal(browser.Frame(&m, settings))
		if err != nil {
			return nil, fmt.Errorf("render delivery %s: %w", d.ID, err)
		}
		out = append(out, frame)
	}
	return out, nil
}

// complete looks up what a delivery is about.
func (a *App) complete(ctx context.Context, c *delivery.Claimed) (bool, error) {
	o, err := a.db.Object(ctx, c.ObjectID)
	if errors.Is(err, fault.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("object %s: %w", c.ObjectID, err)
	}
	c.Object = o
	if c.AlertID != "" {
		al, err := a.db.Alert(ctx, c.AlertID)
		switch {
		case errors.Is(err, fault.ErrNotFound):
		case err != nil:
			return false, fmt.Errorf("alert %s: %w", c.AlertID, err)
		default:
			c.Alert = &al
		}
	}
	e, err := a.db.Event(ctx, c.EventID)
	if errors.Is(err, fault.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("event %s: %w", c.EventID, err)
	}
	c.Event = e
	return true, nil
}

// test renders a test notification.
func (a *App) test(ctx context.Context, id string) (json.RawMessage, error) {
	settings, err := a.db.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	n := browser.TestFrame("/console/me", time.Now(), settings)
	n.Tag = "test-" + id
	return json.Marshal(n)
}
