package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// StatusIncidents lists incidents, drafts too, with their updates and the ids of
// their alerts: what began last comes first. fault.ErrCursor for a cursor that is
// not of this list.
func (db *DB) StatusIncidents(ctx context.Context, f publish.IncidentFilter) (list []status.Incident, next string, err error) {
	var c conditions
	between(&c, "page_id", "started", "started", f.PageID, f.From, f.To)
	switch f.Which {
	case publish.Open:
		c.add("ended = 0 AND NOT draft")
	case publish.Over:
		c.add("ended <> 0 AND NOT draft") // no range: by that index SQLite would sort them all
	case publish.Drafts:
		c.add("draft")
	}
	if f.AlertID != "" {
		c.add(db.d.among("id", "SELECT incident_id FROM incident_alert WHERE alert_id = "+c.arg(f.AlertID)))
	}
	limit, order, err := newestFirst(&c, "page_incidents", "started", f.Cursor, f.Limit)
	if err != nil {
		return nil, "", err
	}
	list, err = readIncidents(ctx, db.reads, db.d, true, "1 = 1"+c.and()+order, c.args...)
	if len(list) > limit {
		list = list[:limit]
		last := &list[limit-1]
		next = cursor{List: "page_incidents", At: millis(last.Started), ID: last.ID}.String()
	}
	return list, next, err
}

// StatusMaintenances lists maintenances, cancelled ones too, with their updates:
// what begins last comes first. fault.ErrCursor for a cursor that is not of this
// list.
func (db *DB) StatusMaintenances(ctx context.Context, f publish.MaintenanceFilter) (list []status.Maintenance, next string, err error) {
	var c conditions
	between(&c, "page_id", "begins", "ends", f.PageID, f.From, f.To)
	switch f.Which {
	case publish.Open:
		c.add("ended = 0")
	case publish.Over:
		c.add("ended <> 0")
	case publish.Upcoming:
		c.add("phase = 'scheduled'")
	case publish.Active:
		c.add("phase IN ('in_progress', 'verifying')")
	}
	limit, order, err := newestFirst(&c, "page_maintenances", "begins", f.Cursor, f.Limit)
	if err != nil {
		return nil, "", err
	}
	list, err = readMaintenances(ctx, db.reads, db.d, "1 = 1"+c.and()+order, c.args...)
	if len(list) > limit {
		list = list[:limit]
		last := &list[limit-1]
		next = cursor{List: "page_maintenances", At: millis(last.Start), ID: last.ID}.String()
	}
	return list, next, err
}

// Began answers since when open alerts have been in the state that they have, by
// this hub's clock: when the event came in that told it first.
func (db *DB) Began(ctx context.Context, alertIDs []string) (map[string]time.Time, error) {
	since := make(map[string]time.Time, len(alertIDs))
	if len(alertIDs) == 0 {
		return since, nil
	}
	_, err := collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var id string
		var at int64
		err := s.Scan(&id, &at)
		since[id] = fromMillis(at)
		return struct{}{}, err
	}, "SELECT alert_id, max(received) FROM event WHERE "+db.d.among("alert_id", db.d.list("$1"))+
		" AND outcome IN ('opened', 'changed', 'reopened') GROUP BY alert_id", encodeList(alertIDs))
	if err != nil {
		return nil, fmt.Errorf("look since when alerts have their state: %w", err)
	}
	return since, nil
}

// between narrows a list to a page, and to what lies at least partly within a time.
func between(c *conditions, page, begins, ends, pageID string, from, to time.Time) {
	if pageID != "" {
		c.add(page + " = " + c.arg(pageID))
	}
	if !from.IsZero() {
		c.add(ends + " >= " + c.arg(millis(from)))
	}
	if !to.IsZero() {
		c.add(begins + " < " + c.arg(millis(to)))
	}
}

// newestFirst adds where a page of a list begins, and answers how it is ordered
// and how long it is; one more is read, to know whether there is a next.
func newestFirst(c *conditions, list, column, from string, length int) (limit int, order string, err error) {
	if from != "" {
		at, err := parseCursor(list, from)
		if err != nil {
			return 0, "", err
		}
		c.add("(" + column + ", id) < (" + c.arg(at.At) + ", " + c.arg(at.ID) + ")")
	}
	limit = pageLimit(length)
	return limit, fmt.Sprintf(" ORDER BY %s DESC, id DESC LIMIT %d", column, limit+1), nil
}

// and is what String is, where other conditions are before it.
func (c *conditions) and() string {
	out := ""
	for _, t := range c.terms {
		out += " AND " + t
	}
	return out
}
