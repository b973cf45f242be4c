package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// pageTx is the desk's view of a write transaction.
type pageTx struct {
	*work
	now  time.Time
	held pageRow // without an id for a new page
}

var _ publish.Tx = (*pageTx)(nil)

// ChangePage runs fn in one write transaction while nobody else changes the page,
// and is durable when it returns nil. fn may run again, from the start, when
// PostgreSQL ends it to resolve a deadlock. fault.ErrNotFound if there is no
// such page; the empty id is for a new one.
func (db *DB) ChangePage(ctx context.Context, pageID string, fn func(ctx context.Context, tx publish.Tx) error) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		t := &pageTx{work: w}
		if pageID != "" {
			// What is read afterwards is read by other statements: PostgreSQL would
			// join what it had seen before it waited.
			if _, err := collect(ctx, w, scanText, "SELECT id FROM page WHERE id = $1"+db.d.forUpdate, pageID); err != nil {
				return fmt.Errorf("hold page %s: %w", pageID, err)
			}
			held, err := readPage(ctx, w, pageID)
			if err != nil {
				return err
			}
			t.held = held
		}
		var err error
		if t.now, err = db.now(ctx, w); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}

func (t *pageTx) Now() time.Time { return t.now }

func (t *pageTx) Page() (p *status.Page, closed string, kept time.Time) {
	if t.held.ID == "" {
		return nil, "", time.Time{}
	}
	held := t.held.Page
	return &held, t.held.closed, fromMillis(t.held.kept)
}

func (t *pageTx) Raise(ctx context.Context) error {
	t.wake(topicPage)
	if _, err := t.exec(ctx, "UPDATE page SET version = version + 1 WHERE id = $1", t.held.ID); err != nil {
		return fmt.Errorf("raise the version of page %s: %w", t.held.Slug, err)
	}
	return nil
}

func (t *pageTx) Publish(ctx context.Context, p push.Publication, to publish.Audience) error {
	return t.addPublication(ctx, p, to.Expected, to.Until)
}

// Audience is who a message to all of a page goes to if it is published now. It
// counts the page's subscriptions, some 100 ms for a million: ask before the
// transaction begins.
func (db *DB) Audience(ctx context.Context, pageID string) (a publish.Audience, err error) {
	err = db.many.row(ctx, "SELECT count(*), COALESCE(max(subscription_id), '') FROM subscription_page WHERE page_id = $1", []any{pageID}, &a.Expected, &a.Until)
	if err != nil {
		return a, fmt.Errorf("count the subscriptions of page %s: %w", pageID, err)
	}
	return a, nil
}

// Interested counts who would be told of a publication now, by channel.
func (db *DB) Interested(ctx context.Context, p *push.Publication) (map[string]int, error) {
	type wish struct {
		push.Subscription
		n int
	}
	// Most visitors want one of a few things.
	wishes, err := collect(ctx, db.many, func(s scanner) (w wish, err error) {
		var want string
		if err = s.Scan(&want, &w.n); err != nil {
			return w, err
		}
		wants, err := decodeWants(want)
		w.Pages = []push.Follow{{PageID: p.PageID, Wants: wants}}
		return w, err
	}, "SELECT want, count(*) FROM subscription_page WHERE page_id = $1 GROUP BY want", p.PageID)
	if err != nil {
		return nil, fmt.Errorf("count who wants to hear of page %s: %w", p.PageID, err)
	}
	told := map[string]int{"webpush": 0}
	for i := range wishes {
		if wishes[i].Wants(p) {
			told["webpush"] += wishes[i].n
		}
	}
	return told, db.interestedVisitors(ctx, p, told)
}

// PageOf answers the page that something belongs to; fault.ErrNotFound if there
// is no such thing.
func (db *DB) PageOf(ctx context.Context, of publish.Subject, id string) (string, error) {
	table := map[publish.Subject]string{
		publish.OfGroup: "page_group", publish.OfComponent: "component", publish.OfIncident: "incident", publish.OfMaintenance: "maintenance",
		publish.OfSeries: "maintenance_series", publish.OfTemplate: "page_template", publish.OfImage: "page_image",
	}[of]
	if table == "" {
		return "", fmt.Errorf("read the page of a %q: there is no such thing", of)
	}
	return find(ctx, db.reads, scanText, string(of), id, "SELECT page_id FROM "+table+" WHERE id = $1", id)
}

// Timetable is what the clock has to look at, of every page.
func (db *DB) Timetable(ctx context.Context) ([]publish.Timetable, error) {
	pages, err := readPages(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list := make([]publish.Timetable, len(pages))
	for i := range pages {
		p, t := &pages[i], &list[i]
		t.Page, t.Closed = p.Page, p.closed
		if t.Maintenances, err = readMaintenances(ctx, db.reads, db.d, "page_id = $1 AND ended = 0 ORDER BY begins, id", p.ID); err != nil {
			return nil, err
		}
		if t.Series, err = readSeries(ctx, db.reads, p.ID); err != nil {
			return nil, err
		}
		t.Drafts, err = collect(ctx, db.reads, scanTime, "SELECT publish_at FROM incident WHERE draft AND publish_at > 0 AND page_id = $1 ORDER BY publish_at", p.ID)
		if err != nil {
			return nil, fmt.Errorf("look for drafts of page %s: %w", p.Slug, err)
		}
	}
	return list, nil
}

func scanBound(s scanner) (b publish.Bound, err error) {
	var r componentRow
	var state string
	if err = s.Scan(r.dest(&state, &b.Watch.Downtime)...); err != nil {
		return b, err
	}
	b.Watch.State = status.State(state)
	b.Component, err = r.value()
	return b, err
}

const boundSQL = "SELECT " + componentColumns + `, COALESCE(w.state, 'operational'), COALESCE(w.downtime, FALSE)
	FROM component c LEFT JOIN component_watch w ON w.component_id = c.id WHERE c.bindings <> ''`

// Bound are the components that are bound to alerts, of every page.
func (db *DB) Bound(ctx context.Context) ([]publish.Bound, error) {
	list, err := collect(ctx, db.reads, scanBound, boundSQL+" ORDER BY c.page_id, c.position, c.id")
	if err != nil {
		return nil, fmt.Errorf("list components that are bound to alerts: %w", err)
	}
	return list, markMaintained(ctx, db.reads, db.d, list)
}

// markMaintained says of components with downtimes as maintenance at which of them
// work goes on.
func markMaintained(ctx context.Context, q querier, d dialect, list []publish.Bound) error {
	var pages []string
	for i := range list {
		c := &list[i].Component
		if !slices.Contains(pages, c.PageID) && slices.ContainsFunc(c.Bindings, func(b status.Binding) bool { return b.Downtime }) {
			pages = append(pages, c.PageID)
		}
	}
	if len(pages) == 0 {
		return nil
	}
	texts, err := collect(ctx, q, scanText, "SELECT components FROM maintenance WHERE "+d.among("page_id", d.list("$1"))+
		" AND ended = 0 AND phase IN ('in_progress', 'verifying')", encodeList(pages))
	if err != nil {
		return fmt.Errorf("look at what work goes on: %w", err)
	}
	at := map[string]bool{}
	for _, text := range texts {
		ids, err := decodeList[string](text)
		if err != nil {
			return err
		}
		for _, id := range ids {
			at[id] = true
		}
	}
	for i := range list {
		list[i].Maintained = at[list[i].Component.ID]
	}
	return nil
}

func (t *pageTx) Bound(ctx context.Context) ([]publish.Bound, error) {
	list, err := collect(ctx, t, scanBound, boundSQL+" AND c.page_id = $1 ORDER BY c.position, c.id", t.held.ID)
	if err != nil {
		return nil, fmt.Errorf("list components that are bound to alerts: %w", err)
	}
	return list, markMaintained(ctx, t, t.db.d, list)
}

func (t *pageTx) SaveWatch(ctx context.Context, componentID string, w publish.Watch) error {
	_, err := t.exec(ctx, `INSERT INTO component_watch (component_id, state, downtime) VALUES ($1, $2, $3)
		ON CONFLICT (component_id) DO UPDATE SET state = excluded.state, downtime = excluded.downtime`, componentID, string(w.State), w.Downtime)
	if err != nil {
		return fmt.Errorf("note what alerts say of component %s: %w", componentID, err)
	}
	return nil
}

// troubleSQL answers open alerts with their objects, and objects that are in a
// downtime without one.
const troubleSQL = "SELECT " + objectColumns + `, a.id, a.state, a.since FROM alert a JOIN object o ON o.id = a.object_id WHERE a.rank IN (1, 2)
	UNION ALL SELECT ` + objectColumns + ", '', o.state, o.changed FROM object o WHERE o.downtime AND o.alert_id IN ('', '" + keepAlert + "')"

func readTroubles(ctx context.Context, q querier) ([]publish.Trouble, error) {
	list, err := collect(ctx, q, func(s scanner) (t publish.Trouble, err error) {
		var o objectRow
		var state string
		var since int64
		if err = s.Scan(append(o.dest(nil), &t.AlertID, &state, &since)...); err != nil {
			return t, err
		}
		t.State, t.Since = alert.State(state), fromMillis(since)
		t.Object, err = o.value()
		return t, err
	}, troubleSQL)
	if err != nil {
		return nil, fmt.Errorf("list open alerts and downtimes: %w", err)
	}
	return list, nil
}

// Troubles are the open alerts, and the objects in a downtime.
func (db *DB) Troubles(ctx context.Context) ([]publish.Trouble, error) {
	return readTroubles(ctx, db.reads)
}

func (t *pageTx) Troubles(ctx context.Context) ([]publish.Trouble, error) {
	return readTroubles(ctx, t)
}

// nameKey is what names are compared by.
func nameKey(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
