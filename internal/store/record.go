package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
		"page_id = $1 AND (ended = 0 OR ended >= $2) AND NOT draft ORDER BY CASE WHEN ended = 0 THEN 0 ELSE 1 END, started DESC, id DESC LIMIT $3", pageID, past, int64(mostOpen))
	if err != nil {
		return r, err
	}
	r.Maintenances, err = readMaintenances(ctx, db.reads, db.d,
		"page_id = $1 AND (ended = 0 OR ended >= $2) AND phase <> 'cancelled' ORDER BY CASE WHEN ended = 0 THEN 0 ELSE 1 END, begins DESC, id LIMIT $3", pageID, past, int64(mostOpen))
	if err != nil {
		return r, err
	}
	// What is open comes first, so that however much ended lately leaves none of it out.
	slices.SortStableFunc(r.Incidents, func(a, b status.Incident) int {
		return cmp.Or(b.Started.Compare(a.Started), strings.Compare(b.ID, a.ID))
	})
	slices.SortStableFunc(r.Maintenances, func(a, b status.Maintenance) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		zone = time.UTC // was checked when it was stored; this machine may know fewer
	}
	first := now.In(zone).AddDate(0, 0, 1-status.BarDays)
	if r.Days, err = db.closings.read(ctx, db.reads, &p, first.Format("2006-01")); err != nil {
		return r, err
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

// keptDays are the closed days that pages were last told with. A page of 1,000
// components has 90,000 of them, which is most of what is read of it, and they
// change once a day.
type keptDays struct {
	mu   sync.Mutex
	of   map[string]pageDays // by page
	held int                 // days in all
}

type pageDays struct {
	days  int64  // of the page, when they were read
	from  string // month
	list  map[string][]status.Day
	count int
}

// mostDays is how many days are kept, some 60 bytes each.
const mostDays = 500_000

// read answers the days of a page from a month on, up to the last one that is
// closed. Nobody changes what is answered.
func (k *keptDays) read(ctx context.Context, q querier, p *pageRow, from string) (map[string][]status.Day, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, known := k.of[p.ID]
	if known && have.days == p.days && have.from == from {
		return have.list, nil
	}
	// They are at least as new as p: when they are newer, the next one who reads p
	// finds that out.
	list, err := readDays(ctx, q, p.ID, from, "9999-12")
	if err != nil {
		return nil, err
	}
	count := 0
	for id, days := range list {
		// Days that are to be closed anew are told from intervals meanwhile.
		for len(days) > 0 && days[len(days)-1].Date > p.closed {
			days = days[:len(days)-1]
		}
		list[id] = days
		count += cap(days)
	}
	delete(k.of, p.ID)
	k.held -= have.count
	if k.held+count > mostDays {
		k.of, k.held = nil, 0
	}
	if count <= mostDays {
		if k.of == nil {
			k.of = map[string]pageDays{}
		}
		k.of[p.ID] = pageDays{p.days, from, list, count}
		k.held += count
	}
	return list, nil
}
