package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
)

// pageLimit bounds the length of a page: 1 to 500, 100 when none is given.
func pageLimit(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 500)
}

// cursor is where the next page begins: after the row with these values.
type cursor struct {
	List string `json:"l"` // which list it is of
	Rank int64  `json:"r,omitempty"`
	At   int64  `json:"a,omitempty"`
	ID   string `json:"i"`
}

func (c cursor) String() string { return base64.RawURLEncoding.EncodeToString([]byte(encodeJSON(c))) }

// parseCursor reads what String wrote; fault.ErrCursor for anything else.
func parseCursor(list, text string) (cursor, error) {
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.List != list {
		return c, fmt.Errorf("cursor %.40q: %w", text, fault.ErrCursor)
	}
	return c, nil
}

// conditions collects a WHERE with its arguments.
type conditions struct {
	terms []string
	args  []any
}

// arg adds an argument and answers its placeholder.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *conditions) add(term string) { c.terms = append(c.terms, term) }

func (c *conditions) String() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// in adds that a column is one of a list, if there is one.
func in[T ~string](c *conditions, d dialect, column string, list []T) {
	if len(list) > 0 {
		c.add(d.among(column, d.list(c.arg(encodeList(list)))))
	}
}

// Alerts lists alerts: firing ones first, then acknowledged ones, then
// resolved ones, each with the newest first. A page goes on where the one
// before ended, whatever came in meanwhile. With a filter that few fit a page may
// end before it is full: next is then where it stopped looking, and only without
// next nothing more is to be found. fault.ErrCursor for a cursor that is not of
// this list.
func (db *DB) Alerts(ctx context.Context, f alert.Filter) (items []alert.Alert, next string, err error) {
	l := alertList{db: db, f: f, limit: pageLimit(f.Limit)}
	if f.Cursor != "" {
		at, err := parseCursor("alerts", f.Cursor)
		if err != nil {
			return nil, "", err
		}
		l.after = &at
	}
	if items, next, err = l.page(ctx); err != nil {
		return nil, "", fmt.Errorf("list alerts: %w", err)
	}
	return items, next, nil
}

// AlertCounts answers the figures above the list.
func (db *DB) AlertCounts(ctx context.Context) (alert.Counts, error) {
	c := alert.Counts{ByState: map[alert.State]int{}}
	rows, err := collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var rank int64
		var state string
		var n int
		err := s.Scan(&rank, &state, &n)
		if rank == 2 {
			c.Firing += n
		} else {
			c.Acknowledged += n
		}
		c.ByState[alert.State(state)] += n
		return struct{}{}, err
	}, "SELECT rank, state, count(*) FROM alert WHERE rank > 0 GROUP BY rank, state")
	_ = rows
	if err != nil {
		return c, fmt.Errorf("count alerts: %w", err)
	}
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return c, err
	}
	midnight := now.UTC().Truncate(24 * time.Hour)
	err = db.reads.row(ctx, "SELECT count(*) FROM alert"+db.d.by("alert_resolved")+" WHERE rank = 0 AND resolved >= $1", []any{millis(midnight)}, &c.ResolvedToday)
	if err != nil {
		return c, fmt.Errorf("count resolved alerts: %w", err)
	}
	return c, nil
}

// Event answers one event with its object, fault.ErrNotFound if there is none.
func (db *DB) Event(ctx context.Context, id string) (alert.Event, error) {
	return find(ctx, db.reads, scanEvent, "event", id, "SELECT "+orNone(objectColumns)+", "+eventColumns+
		" FROM event e LEFT JOIN object o ON o.id = e.object_id WHERE e.id = $1", id)
}

// Events is a timeline, oldest first: of an alert, or of an object when
// alertID is empty. Of more than limit (1 to 500) the newest are answered.
func (db *DB) Events(ctx context.Context, alertID, objectID string, limit int) ([]alert.Event, error) {
	events, _, err := db.Timeline(ctx, alert.TimelineFilter{AlertID: alertID, ObjectID: objectID, Limit: limit})
	slices.Reverse(events)
	return events, err
}

// Timeline answers a timeline page by page, the newest first. fault.ErrCursor for a
// cursor that is none.
func (db *DB) Timeline(ctx context.Context, f alert.TimelineFilter) (items []alert.Event, next string, err error) {
	var c conditions
	if f.AlertID != "" {
		c.add("e.alert_id = " + c.arg(f.AlertID))
	} else {
		id := c.arg(f.ObjectID)
		c.add(db.d.among("e.id", "SELECT id FROM event WHERE "+db.d.among("alert_id", "SELECT id FROM alert WHERE object_id = "+id)+
			" UNION ALL SELECT id FROM event WHERE alert_id = '' AND object_id = "+id))
	}
	if f.Cursor != "" {
		at, err := parseCursor("timeline", f.Cursor)
		if err != nil {
			return nil, "", err
		}
		c.add("(e.received, e.id) < (" + c.arg(at.At) + ", " + c.arg(at.ID) + ")")
	}
	limit := pageLimit(f.Limit)
	query := "SELECT " + orNone(objectColumns) + ", " + eventColumns + " FROM event e LEFT JOIN object o ON o.id = e.object_id" +
		c.String() + " ORDER BY e.received DESC, e.id DESC LIMIT " + c.arg(int64(limit+1))
	items, err = collect(ctx, db.reads, scanEvent, query, c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("read a timeline: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		last := &items[limit-1]
		next = cursor{List: "timeline", At: millis(last.Received), ID: last.ID}.String()
	}
	return items, next, nil
}
