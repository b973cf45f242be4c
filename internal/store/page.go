package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/status"
)

// page is a status.Page as it is kept, but for its columns.
type page struct {
	About    string          `json:"about,omitempty"`
	Language string          `json:"language,omitempty"`
	Zone     string          `json:"zone"`
	Accent   string          `json:"accent,omitempty"`
	Logo     string          `json:"logo,omitempty"`
	Support  string          `json:"support,omitempty"`
	Triggers map[string]bool `json:"triggers,omitempty"`
	SignedIn bool            `json:"signed_in,omitempty"`
	Networks []string        `json:"networks,omitempty"`
}

const pageColumns = "p.id, p.slug, p.host, p.main, p.name, p.body, p.password_hash, p.version, p.created, p.closed, p.kept, p.days"

// pageRow is a page with how far its days are closed and its intervals kept. days
// is another one whenever closed days are.
type pageRow struct {
	status.Page
	closed string
	kept   int64
	days   int64
}

func scanPage(s scanner) (r pageRow, err error) {
	var body string
	var created int64
	err = s.Scan(&r.ID, &r.Slug, &r.Host, &r.Main, &r.Name, &body, &r.Private.PasswordHash, &r.Version, &created, &r.closed, &r.kept, &r.days)
	if err != nil {
		return r, err
	}
	var b page
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return r, fmt.Errorf("read a stored page: %w", err)
	}
	r.Created = fromMillis(created)
	r.About, r.Language, r.Zone, r.Accent, r.Logo, r.Support, r.Triggers = b.About, b.Language, b.Zone, b.Accent, b.Logo, b.Support, b.Triggers
	r.Private.SignedIn, r.Private.Networks = b.SignedIn, b.Networks
	return r, nil
}

func readPages(ctx context.Context, q querier) ([]pageRow, error) {
	list, err := collect(ctx, q, scanPage, "SELECT "+pageColumns+" FROM page p ORDER BY p.created, p.id")
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	return list, nil
}

// StatusPages are all public pages in the order of their making, each with the
// version that it has. The topic of OnWake is "page".
func (db *DB) StatusPages(ctx context.Context) ([]status.Page, error) {
	rows, err := readPages(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list := make([]status.Page, len(rows))
	for i := range rows {
		list[i] = rows[i].Page
	}
	return list, nil
}

func readPage(ctx context.Context, q querier, id string) (pageRow, error) {
	return find(ctx, q, scanPage, "page", id, "SELECT "+pageColumns+" FROM page p WHERE p.id = $1", id)
}

func (t *pageTx) SavePage(ctx context.Context, p *status.Page) error {
	if p.Main {
		// Whoever becomes the main page takes that from the one that was.
		if _, err := t.exec(ctx, "UPDATE page SET main = FALSE, version = version + 1 WHERE main AND id <> $1", p.ID); err != nil {
			return fmt.Errorf("save page %q: %w", p.Slug, err)
		}
	}
	// A new one takes nobody's place: two people may make the first page at once.
	change := ` ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, host = excluded.host,
		main = excluded.main, name = excluded.name, body = excluded.body, password_hash = excluded.password_hash`
	if t.held.ID == "" {
		change = ""
	}
	_, err := t.exec(ctx, `INSERT INTO page (id, slug, host, main, name, body, password_hash, version, closed, kept, days, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 1, '', 0, $8, $9)`+change,
		p.ID, p.Slug, p.Host, p.Main, p.Name, encodeJSON(page{p.About, p.Language, p.Zone, p.Accent, p.Logo, p.Support, p.Triggers,
			p.Private.SignedIn, p.Private.Networks}), p.Private.PasswordHash, millis(t.now), millis(p.Created)) // days begins where no page before it was
	t.wake(topicPage)
	if t.held.ID == "" {
		t.held.Page = *p // what is saved after it belongs to it
	}
	return taken(err, "page", p.Slug)
}

func (t *pageTx) DeletePage(ctx context.Context) error {
	err := t.each(ctx, t.held.ID,
		"DELETE FROM page_update WHERE "+t.db.d.among("of_id", "SELECT id FROM incident WHERE page_id = $1 UNION ALL SELECT id FROM maintenance WHERE page_id = $1"),
		"DELETE FROM push_subscription WHERE user_id = '' AND "+t.db.d.among("id", "SELECT subscription_id FROM subscription_page WHERE page_id = $1")+
			" AND NOT EXISTS (SELECT 1 FROM subscription_page o WHERE o.subscription_id = push_subscription.id AND o.page_id <> $1)",
		"DELETE FROM subscription_page WHERE page_id = $1",
		"DELETE FROM page WHERE id = $1")
	if err != nil {
		return fmt.Errorf("delete page %q: %w", t.held.Slug, err)
	}
	t.wake(topicPage)
	return nil
}

const groupColumns = "id, page_id, parent_id, name, about, position, unfolded, created"

func scanGroup(s scanner) (g status.Group, err error) {
	var created int64
	err = s.Scan(&g.ID, &g.PageID, &g.ParentID, &g.Name, &g.About, &g.Position, &g.Open, &created)
	g.Created = fromMillis(created)
	return g, err
}

func readPageGroups(ctx context.Context, q querier, pageID string) ([]status.Group, error) {
	list, err := collect(ctx, q, scanGroup, "SELECT "+groupColumns+" FROM page_group WHERE page_id = $1 ORDER BY position, id", pageID)
	if err != nil {
		return nil, fmt.Errorf("list the groups of page %s: %w", pageID, err)
	}
	return list, nil
}

func (t *pageTx) Groups(ctx context.Context) ([]status.Group, error) {
	return readPageGroups(ctx, t, t.held.ID)
}

func (t *pageTx) SaveGroup(ctx context.Context, g *status.Group) error {
	_, err := t.exec(ctx, "INSERT INTO page_group ("+groupColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET
		parent_id = excluded.parent_id, name = excluded.name, about = excluded.about, position = excluded.position, unfolded = excluded.unfolded`,
		g.ID, t.held.ID, g.ParentID, g.Name, g.About, int64(g.Position), g.Open, millis(g.Created))
	return taken(err, "group", g.Name)
}

func (t *pageTx) DeleteGroup(ctx context.Context, id string) error {
	return t.drop(ctx, "group", "page_group", id)
}

// drop deletes a row of this page; fault.ErrNotFound if there is none.
func (t *pageTx) drop(ctx context.Context, what, table, id string) error {
	n, err := t.exec(ctx, "DELETE FROM "+table+" WHERE id = $1 AND page_id = $2", id, t.held.ID)
	if err != nil {
		return fmt.Errorf("delete %s %q: %w", what, id, err)
	}
	if n == 0 {
		return notFound(what, id)
	}
	return nil
}

const componentColumns = "c.id, c.page_id, c.group_id, c.name, c.about, c.link, c.position, c.hidden, c.state, c.since, c.by_hand, c.bindings, c.created"

type componentRow struct {
	c              status.Component
	state          string
	bindings       string
	since, created int64
}

func (r *componentRow) dest(more ...any) []any {
	c := &r.c
	return append([]any{&c.ID, &c.PageID, &c.GroupID, &c.Name, &c.About, &c.Link, &c.Position, &c.Hidden, &r.state, &r.since, &c.ByHand, &r.bindings, &r.created}, more...)
}

func (r *componentRow) value() (status.Component, error) {
	c := r.c
	c.State, c.Since, c.Created = status.State(r.state), fromMillis(r.since), fromMillis(r.created)
	if r.bindings != "" {
		if err := json.Unmarshal([]byte(r.bindings), &c.Bindings); err != nil {
			return c, fmt.Errorf("read the stored bindings of component %s: %w", c.ID, err)
		}
	}
	return c, nil
}

func scanComponent(s scanner) (status.Component, error) {
	var r componentRow
	if err := s.Scan(r.dest()...); err != nil {
		return r.c, err
	}
	return r.value()
}

func readComponents(ctx context.Context, q querier, pageID string) ([]status.Component, error) {
	list, err := collect(ctx, q, scanComponent, "SELECT "+componentColumns+" FROM component c WHERE c.page_id = $1 ORDER BY c.position, c.id", pageID)
	if err != nil {
		return nil, fmt.Errorf("list the components of page %s: %w", pageID, err)
	}
	return list, nil
}

func (t *pageTx) Components(ctx context.Context) ([]status.Component, error) {
	return readComponents(ctx, t, t.held.ID)
}

func (t *pageTx) SaveComponent(ctx context.Context, c *status.Component) error {
	bindings := ""
	if len(c.Bindings) > 0 {
		bindings = encodeJSON(c.Bindings)
	}
	_, err := t.exec(ctx, `INSERT INTO component (id, page_id, group_id, name, about, link, position, hidden, state, since, by_hand, bindings, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO UPDATE SET group_id = excluded.group_id,
		name = excluded.name, about = excluded.about, link = excluded.link, position = excluded.position, hidden = excluded.hidden,
		state = excluded.state, since = excluded.since, by_hand = excluded.by_hand, bindings = excluded.bindings`,
		c.ID, t.held.ID, c.GroupID, c.Name, c.About, c.Link, int64(c.Position), c.Hidden, string(c.State), millis(c.Since), c.ByHand, bindings, millis(c.Created))
	if err == nil && bindings == "" {
		_, err = t.exec(ctx, "DELETE FROM component_watch WHERE component_id = $1", c.ID)
	}
	return taken(err, "component", c.Name)
}

func (t *pageTx) DeleteComponent(ctx context.Context, id string) error {
	if err := t.drop(ctx, "component", "component", id); err != nil {
		return err
	}
	return t.touchDays(ctx)
}
