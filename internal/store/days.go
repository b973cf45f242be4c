package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/status"
)

// forever is the end of an interval that lasts, so that one range of the index
// finds what lasts and what ended lately.
const forever = 253402300799000

// letters stand for the states in a row of days.
const letters = "omdpjn"

// letterState is the state that a letter stands for, empty for another.
func letterState(l byte) status.State {
	if i := strings.IndexByte(letters, l); i >= 0 && i < len(letters)-1 {
		return status.States()[i]
	} else if i >= 0 {
		return status.NoData
	}
	return ""
}

// appendDay adds a closed day to the text of its month: the day's number, the
// seconds in each state, the worst one, as in "07o86000j400=j;". A page of many
// components reads tens of thousands of days at once: JSON would take longer
// than all the rest.
func appendDay(b []byte, d *status.Day) []byte {
	b = append(b, d.Date[len(d.Date)-2:]...)
	for _, l := range []byte(letters) {
		if n := d.Seconds[letterState(l)]; n > 0 {
			b = strconv.AppendInt(append(b, l), int64(n), 10)
		}
	}
	b = append(b, '=')
	for _, l := range []byte(letters) {
		if letterState(l) == d.Worst {
			b = append(b, l)
		}
	}
	return append(b, ';')
}

// dayReader is the reverse. Most days are like many others: what is the same is
// made once and shared, as nobody changes what was read.
type dayReader struct {
	dates map[string]*[100]string         // of a month, by the day's number
	parts map[string]map[status.State]int // by their text
}

func (r *dayReader) read(componentID, month, text string, into []status.Day) ([]status.Day, error) {
	if r.dates == nil {
		r.dates, r.parts = map[string]*[100]string{}, map[string]map[status.State]int{}
	}
	dates := r.dates[month]
	if dates == nil {
		dates = &[100]string{}
		r.dates[month] = dates
	}
	for rest := text; rest != ""; {
		one, more, whole := strings.Cut(rest, ";")
		parts, worst, marked := strings.Cut(one, "=")
		if !whole || !marked || len(parts) < 2 || len(worst) != 1 || letterState(worst[0]) == "" {
			return into, fmt.Errorf("read the days of component %s in %s: no days", componentID, month)
		}
		n, err := strconv.ParseUint(parts[:2], 10, 8)
		if err != nil {
			return into, fmt.Errorf("read the days of component %s in %s: %w", componentID, month, err)
		}
		if dates[n] == "" {
			dates[n] = month + "-" + parts[:2]
		}
		seconds := r.parts[parts[2:]]
		if seconds == nil {
			seconds = parseParts(parts[2:])
			r.parts[parts[2:]] = seconds
		}
		into, rest = append(into, status.Day{ComponentID: componentID, Date: dates[n], Seconds: seconds, Worst: letterState(worst[0])}), more
	}
	return into, nil
}

func parseParts(text string) map[status.State]int {
	seconds := make(map[status.State]int, 2)
	for i := 0; i < len(text); {
		state, n := letterState(text[i]), 0
		for i++; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
			n = n*10 + int(text[i]-'0')
		}
		seconds[state] = n
	}
	return seconds
}

type monthRow struct{ component, month, days string }

func scanMonth(s scanner) (m monthRow, err error) {
	err = s.Scan(&m.component, &m.month, &m.days)
	return m, err
}

// readDays answers the closed days of a page's components from a month on.
func readDays(ctx context.Context, q querier, pageID, from, to string) (map[string][]status.Day, error) {
	rows, err := collect(ctx, q, scanMonth, `SELECT component_id, month, days FROM component_days WHERE page_id = $1 AND month >= $2 AND month <= $3
		ORDER BY month, component_id`, pageID, from, to)
	if err != nil {
		return nil, fmt.Errorf("read closed days of page %s: %w", pageID, err)
	}
	found := make(map[string][]status.Day)
	var reader dayReader
	for _, m := range rows {
		list := found[m.component]
		if list == nil {
			list = make([]status.Day, 0, status.BarDays+31)
		}
		if found[m.component], err = reader.read(m.component, m.month, m.days, list); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// StatusDays answers the closed days of a page's components between two dates,
// both included, by component and in order.
func (db *DB) StatusDays(ctx context.Context, pageID, from, to string) (map[string][]status.Day, error) {
	if len(from) != len(status.DateFormat) || len(to) != len(status.DateFormat) {
		return nil, fmt.Errorf("read closed days of page %s: %q to %q are no dates", pageID, from, to)
	}
	found, err := readDays(ctx, db.reads, pageID, from[:7], to[:7])
	for id, list := range found {
		found[id] = slices.DeleteFunc(list, func(d status.Day) bool { return d.Date < from || d.Date > to })
	}
	return found, err
}

func (t *pageTx) SaveDays(ctx context.Context, days []status.Day) error {
	if err := t.putDays(ctx, days); err != nil {
		return err
	}
	return t.touchDays(ctx)
}

// touchDays says that the closed days of the page are others now, see keptDays.
func (t *pageTx) touchDays(ctx context.Context) error {
	if _, err := t.exec(ctx, "UPDATE page SET days = days + 1 WHERE id = $1", t.held.ID); err != nil {
		return fmt.Errorf("write closed days: %w", err)
	}
	return nil
}

// Close notes the last day that is closed. Days after it are forgotten: they are
// closed anew when they are over.
func (t *pageTx) Close(ctx context.Context, date string) error {
	if date < t.held.closed {
		if err := t.dropDays(ctx, date); err != nil {
			return fmt.Errorf("open days of page %s again: %w", t.held.Slug, err)
		}
	}
	t.held.closed = date
	_, err := t.exec(ctx, "UPDATE page SET closed = $2, days = days + 1 WHERE id = $1", t.held.ID, date)
	if err != nil {
		return fmt.Errorf("close the days of page %s: %w", t.held.Slug, err)
	}
	return nil
}

// dropDays forgets the days after a date.
func (t *pageTx) dropDays(ctx context.Context, after string) error {
	month := after[:min(len("2006-01"), len(after))]
	if _, err := t.exec(ctx, "DELETE FROM component_days WHERE page_id = $1 AND month > $2", t.held.ID, month); err != nil {
		return err
	}
	found, err := readDays(ctx, t, t.held.ID, month, month)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		var text []byte
		for i := range found[id] {
			if d := &found[id][i]; d.Date <= after {
				text = appendDay(text, d)
			}
		}
		if _, err := t.exec(ctx, "UPDATE component_days SET days = $3 WHERE component_id = $1 AND month = $2", id, month, string(text)); err != nil {
			return err
		}
	}
	return nil
}

func scanInterval(s scanner) (i status.Interval, err error) {
	var begins, ends int64
	var state string
	err = s.Scan(&i.ComponentID, &begins, &ends, &state, &i.By)
	i.State, i.Start = status.State(state), fromMillis(begins)
	if ends != forever {
		i.End = fromMillis(ends)
	}
	return i, err
}

// readIntervals answers the intervals of a page that end after from, by component
// and in order; of one component where it is given.
func readIntervals(ctx context.Context, q querier, pageID, componentID string, from time.Time) (map[string][]status.Interval, error) {
	query, args := "SELECT component_id, begins, ends, state, author FROM component_interval WHERE page_id = $1 AND ends > $2", []any{pageID, millis(from)}
	if componentID != "" {
		query, args = "SELECT component_id, begins, ends, state, author FROM component_interval WHERE component_id = $1 AND ends > $2", []any{componentID, millis(from)}
	}
	list, err := collect(ctx, q, scanInterval, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read intervals of page %s: %w", pageID, err)
	}
	slices.SortFunc(list, func(a, b status.Interval) int {
		if c := strings.Compare(a.ComponentID, b.ComponentID); c != 0 {
			return c
		}
		return a.Start.Compare(b.Start)
	})
	found := make(map[string][]status.Interval)
	for begin := 0; begin < len(list); {
		end := begin + 1
		for end < len(list) && list[end].ComponentID == list[begin].ComponentID {
			end++
		}
		found[list[begin].ComponentID] = list[begin:end:end]
		begin = end
	}
	return found, nil
}

// StatusIntervals answers for how long a component was how, and by whom, from a
// time on.
func (db *DB) StatusIntervals(ctx context.Context, componentID string, from time.Time) ([]status.Interval, error) {
	found, err := readIntervals(ctx, db.reads, "", componentID, from)
	return found[componentID], err
}

func (t *pageTx) Intervals(ctx context.Context, componentID string, from time.Time) (map[string][]status.Interval, error) {
	return readIntervals(ctx, t, t.held.ID, componentID, from)
}

func (t *pageTx) PutIntervals(ctx context.Context, componentID string, from time.Time, list []status.Interval) error {
	_, err := t.exec(ctx, "DELETE FROM component_interval WHERE component_id = $1 AND begins >= $2", componentID, millis(from))
	if err == nil {
		err = t.addIntervals(ctx, componentID, from, list)
	}
	if err == nil {
		// The one that lasts into them ends where the first begins.
		_, err = t.exec(ctx, "UPDATE component_interval SET ends = $2 WHERE component_id = $1 AND begins < $2 AND ends > $2", componentID, millis(from))
	}
	if err != nil {
		return fmt.Errorf("write intervals of component %s: %w", componentID, err)
	}
	return nil
}

// PruneStatus deletes up to limit intervals that ended before a time and lie in
// closed days. Closed days stay as they are, for ever. It answers how many it deleted; call it again while that
// is limit or more.
func (db *DB) PruneStatus(ctx context.Context, before time.Time, limit int) (int, error) {
	total := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		total = 0
		pages, err := collect(ctx, w, scanPage, "SELECT "+pageColumns+" FROM page p ORDER BY p.id"+w.db.d.forUpdate)
		if err != nil {
			return err
		}
		for i := range pages {
			n, err := w.pruneIntervals(ctx, &pages[i], before, limit)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("delete intervals of before %s: %w", before.Format(time.DateOnly), err)
	}
	return total, nil
}

func (w *work) pruneIntervals(ctx context.Context, p *pageRow, before time.Time, limit int) (int, error) {
	if p.closed == "" {
		return 0, nil
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		zone = time.UTC
	}
	_, open, err := status.DayBounds(p.closed, zone)
	if err != nil {
		return 0, err
	}
	if open.Before(before) {
		before = open
	}
	// A day of which a part would be gone is never counted anew.
	day := before.In(zone).Format(status.DateFormat)
	if before, _, err = status.DayBounds(day, zone); err != nil || millis(before) <= p.kept {
		before = fromMillis(p.kept)
	}
	if before.IsZero() {
		return 0, err
	}
	if _, err = w.exec(ctx, "UPDATE page SET kept = $2 WHERE id = $1", p.ID, millis(before)); err != nil {
		return 0, err
	}
	type old struct {
		component string
		begins    int64
	}
	rows, err := collect(ctx, w, func(s scanner) (o old, err error) {
		err = s.Scan(&o.component, &o.begins)
		return o, err
	}, "SELECT component_id, begins FROM component_interval WHERE page_id = $1 AND ends <= $2 ORDER BY ends LIMIT $3", p.ID, millis(before), int64(limit))
	for _, o := range rows {
		if err == nil {
			_, err = w.exec(ctx, "DELETE FROM component_interval WHERE component_id = $1 AND begins = $2", o.component, o.begins)
		}
	}
	return len(rows), err
}
