package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/publish"
)

// StatusWhole is everything of a page, as it goes into an export; fault.ErrNotFound
// if there is no such page. What changes while it is read is read anew, a few times.
func (db *DB) StatusWhole(ctx context.Context, pageID string) (publish.Whole, error) {
	const tries = 5
	for n := 1; ; n++ {
		p, err := readPage(ctx, db.many, pageID)
		if err != nil {
			return publish.Whole{}, err
		}
		w, err := readWhole(ctx, db.many, db.d, &p)
		if err != nil {
			return w, err
		}
		if w.Days, err = readDays(ctx, db.many, pageID, "0000-00", "9999-12"); err != nil {
			return w, err
		}
		w.Audit, err = collect(ctx, db.many, scanAudit, "SELECT "+auditColumns+" FROM page_audit WHERE page_id = $1 ORDER BY id", pageID)
		if err != nil {
			return w, fmt.Errorf("list the audit trail of page %s: %w", p.Slug, err)
		}
		if p.Logo != "" {
			i, err := find(ctx, db.many, scanImage, "image", p.Logo, "SELECT id, page_id, kind, body, created FROM page_image WHERE id = $1", p.Logo)
			if err == nil {
				w.Logo = &i
			}
		}
		after, err := readPage(ctx, db.many, pageID)
		if err != nil || n == tries || after.Version == p.Version && after.closed == p.closed {
			return w, err
		}
	}
}

// readWhole is a page but for its closed days, its logo and its audit trail.
func readWhole(ctx context.Context, q querier, d dialect, p *pageRow) (w publish.Whole, err error) {
	w.Page, w.Closed, w.Kept = p.Page, p.closed, fromMillis(p.kept)
	if w.Groups, err = readPageGroups(ctx, q, p.ID); err != nil {
		return w, err
	}
	if w.Components, err = readComponents(ctx, q, p.ID); err != nil {
		return w, err
	}
	if w.Incidents, err = readIncidents(ctx, q, d, true, "page_id = $1 ORDER BY started, id", p.ID); err != nil {
		return w, err
	}
	if w.Maintenances, err = readMaintenances(ctx, q, d, "page_id = $1 ORDER BY begins, id", p.ID); err != nil {
		return w, err
	}
	w.Ended = map[string]time.Time{}
	_, err = collect(ctx, q, func(s scanner) (struct{}, error) {
		var id string
		var ended int64
		err := s.Scan(&id, &ended)
		w.Ended[id] = fromMillis(ended)
		return struct{}{}, err
	}, "SELECT id, ended FROM maintenance WHERE page_id = $1 AND ended > 0", p.ID)
	if err != nil {
		return w, fmt.Errorf("read when maintenances ended: %w", err)
	}
	if w.Series, err = readSeries(ctx, q, p.ID); err != nil {
		return w, err
	}
	if w.Templates, err = readTemplates(ctx, q, p.ID); err != nil {
		return w, err
	}
	w.Intervals, err = readIntervals(ctx, q, p.ID, "", time.Time{})
	return w, err
}

func (t *pageTx) Whole(ctx context.Context) (publish.Whole, error) {
	return readWhole(ctx, t, t.db.d, &t.held)
}

func (t *pageTx) Held(ctx context.Context, of publish.Subject, ids []string) (map[string]string, error) {
	column, table := "page_id", pageTables[of]
	switch of { //nolint:exhaustive // the others have a page
	case publish.OfPage:
		column, table = "id", "page"
	case publish.OfUpdate:
		column, table = "of_id", "page_update"
	case publish.OfAudit:
		table = "page_audit"
	case publish.OfSource:
		column, table = "id", "source"
	}
	held := make(map[string]string, len(ids))
	if table == "" {
		return nil, fmt.Errorf("look for the page of a %q: there is no such thing", of)
	}
	const most = 10_000
	for len(ids) > 0 {
		some := ids[:min(most, len(ids))]
		ids = ids[len(some):]
		_, err := collect(ctx, t, func(s scanner) (struct{}, error) {
			var id, by string
			err := s.Scan(&id, &by)
			held[id] = by
			return struct{}{}, err
		}, "SELECT id, "+column+" FROM "+table+" WHERE "+t.db.d.among("id", t.db.d.list("$1")), encodeList(some))
		if err != nil {
			return nil, fmt.Errorf("look for the page of each %s: %w", of, err)
		}
	}
	return held, nil
}

func (t *pageTx) SetKept(ctx context.Context, from time.Time) error {
	t.held.kept = millis(from)
	if _, err := t.exec(ctx, "UPDATE page SET kept = $2 WHERE id = $1", t.held.ID, t.held.kept); err != nil {
		return fmt.Errorf("note since when page %s is recorded: %w", t.held.Slug, err)
	}
	return nil
}

func (t *pageTx) SetEnded(ctx context.Context, maintenanceID string, at time.Time) error {
	if _, err := t.exec(ctx, "UPDATE maintenance SET ended = $3 WHERE id = $1 AND page_id = $2 AND ended > 0", maintenanceID, t.held.ID, millis(at)); err != nil {
		return fmt.Errorf("note when maintenance %s ended: %w", maintenanceID, err)
	}
	return nil
}

// pageTables are where things of a page are.
var pageTables = map[publish.Subject]string{
	publish.OfGroup: "page_group", publish.OfComponent: "component", publish.OfIncident: "incident", publish.OfMaintenance: "maintenance",
	publish.OfSeries: "maintenance_series", publish.OfTemplate: "page_template", publish.OfImage: "page_image",
}
