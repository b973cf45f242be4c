package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/status"
)

// StatusRecord is all that is shown of a page, drafts and what ended long ago
// left out; fault.ErrNotFound if there is no such page. However long the page has
// been there, it reads what is open, what ended within status.PastDays, the closed
// days of status.BarDays, and intervals from the first day that is not closed on.
func (db *DB) StatusRecord(ctx context.Context, pageID string) (status.Record, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return status.Record{}, err
	}
	return db.StatusRecordAt(ctx, pageID, now)
}

// StatusRecordAt is the same as of a moment.
func (db *DB) StatusRecordAt(ctx context.Context, pageID string, now time.Time) (r status.Record, err error) {
	ctx = db.brief(ctx)
	p, err := readPage(ctx, db.reads, pageID)
	if err != nil {
		return r, err
	}
	r.Page = p.Page
	if r.Groups, err = readPageGroups(ctx, db.reads, pageID); err != nil {
		return r, err
	}
	if r.Components, err = readComponents(ctx, db.reads, pageID); err != nil {
		return r, err
	}
	// A day more: the page's day began before ours.
	past := millis(now.AddDate(0, 0, -status.PastDays-1))
	r.Incidents, err = readIncidents(ctx, db.reads, db.d, false,
		"page_id = $1 AND (ended = 0 OR ended >= $2) AND NOT draft ORDER BY started DESC, id DESC LIMIT $3", pageID, past, int64(mostOpen))
	if err != nil {
		return r, err
	}
	r.Maintenances, err = readMaintenances(ctx, db.reads, db.d,
		"page_id = $1 AND (ended = 0 OR ended >= $2) AND phase <> 'cancelled' ORDER BY begins, id LIMIT $3", pageID, past, int64(mostOpen))
	if err != nil {
		return r, err
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		zone = time.UTC // was checked when it was stored; this machine may know fewer
	}
	first := now.In(zone).AddDate(0, 0, 1-status.BarDays)
	if r.Days, err = readDays(ctx, db.reads, pageID, first.Format("2006-01"), "9999-12"); err != nil {
		return r, err
	}
	for id, list := range r.Days {
		// Days that are to be closed anew are told from intervals meanwhile.
		for len(list) > 0 && list[len(list)-1].Date > p.closed {
			list = list[:len(list)-1]
		}
		r.Days[id] = list
	}
	open := first.AddDate(0, 0, -1)
	if p.closed != "" {
		_, after, err := status.DayBounds(p.closed, zone)
		if err != nil {
			return r, fmt.Errorf("read page %s: %w", p.Slug, err)
		}
		if after.After(open) {
			open = after
		}
	}
	r.Intervals, err = readIntervals(ctx, db.reads, pageID, "", open)
	return r, err
}
