package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// What a page has very much of is written many rows at a time: whoever imports a
// page of years holds up everything else that is written meanwhile.

// monthKey is the key of a row of closed days.
type monthKey struct{ component, month string }

// haveDays answers the texts of months that there are, among them those that are
// asked for.
func (t *pageTx) haveDays(ctx context.Context, months map[monthKey][]*status.Day) (map[monthKey]string, error) {
	component, least, most, several := "", "9999-12", "", false
	for k := range months {
		several = several || component != "" && component != k.component
		component, least, most = k.component, min(least, k.month), max(most, k.month)
	}
	query, of := "SELECT component_id, month, days FROM component_days WHERE component_id = $1 AND month >= $2 AND month <= $3", component
	if several {
		query, of = "SELECT component_id, month, days FROM component_days WHERE page_id = $1 AND month >= $2 AND month <= $3", t.held.ID
	}
	rows, err := collect(ctx, t, scanMonth, query, of, least, most)
	if err != nil {
		return nil, fmt.Errorf("read closed days: %w", err)
	}
	have := make(map[monthKey]string, len(rows))
	for _, m := range rows {
		have[monthKey{m.component, m.month}] = m.days
	}
	return have, nil
}

// putDays writes days down, in the place of those of the same dates.
func (t *pageTx) putDays(ctx context.Context, days []status.Day) error {
	if len(days) == 0 {
		return nil
	}
	months := map[monthKey][]*status.Day{}
	for i := range days {
		k := monthKey{days[i].ComponentID, days[i].Date[:7]}
		months[k] = append(months[k], &days[i])
	}
	have, err := t.haveDays(ctx, months)
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(months), func(a, b monthKey) int {
		if n := strings.Compare(a.component, b.component); n != 0 {
			return n
		}
		return strings.Compare(a.month, b.month)
	})
	var reader dayReader
	texts := make([]string, len(keys))
	for i, k := range keys {
		old, err := reader.read(k.component, k.month, have[k], nil)
		if err != nil {
			return err
		}
		byDate := make(map[string]*status.Day, len(old)+len(months[k]))
		for n := range old {
			byDate[old[n].Date] = &old[n]
		}
		for _, d := range months[k] {
			byDate[d.Date] = d
		}
		b := make([]byte, 0, 16*len(byDate))
		for _, date := range slices.Sorted(maps.Keys(byDate)) {
			b = appendDay(b, byDate[date])
		}
		texts[i] = string(b)
	}
	err = t.db.t.days.write(ctx, t, len(keys), func(i int, args []any) []any {
		return append(args, keys[i].component, keys[i].month, t.held.ID, texts[i])
	})
	if err != nil {
		return fmt.Errorf("write closed days: %w", err)
	}
	return nil
}

// addIntervals writes intervals of a component that begin at from or later.
func (t *pageTx) addIntervals(ctx context.Context, componentID string, from time.Time, list []status.Interval) error {
	for i := range list {
		if millis(list[i].Start) < millis(from) {
			return fmt.Errorf("write intervals of component %s: one begins before those that are replaced", componentID)
		}
	}
	return t.db.t.interval.write(ctx, t, len(list), func(n int, args []any) []any {
		i, ends := &list[n], int64(forever)
		if !i.End.IsZero() {
			ends = millis(i.End)
		}
		return append(args, componentID, millis(i.Start), ends, string(i.State), cleaned(i.By, mostName), t.held.ID)
	})
}

// Audits writes lines of the audit trail.
func (t *pageTx) Audits(ctx context.Context, list []publish.Audit) error {
	err := t.db.t.audit.write(ctx, t, len(list), func(i int, args []any) []any {
		a := &list[i]
		return append(args, a.ID, a.PageID, millis(a.At), a.UserID, cleaned(a.By, mostName), a.What, a.SubjectID, cleaned(a.Name, mostDetail), string(a.Before), string(a.After))
	})
	return taken(err, "lines of the audit trail of page", t.held.Slug)
}
