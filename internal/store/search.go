package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/alert"
)

// lookAt is how many resolved alerts are looked at for one page, those that are known
// not to fit aside. A page that is not full by then ends there.
const lookAt = 10_000

// CROSS JOIN: SQLite is not to begin with the objects.
const alertsFrom = "SELECT " + objectColumns + ", " + alertColumns + " FROM alert a CROSS JOIN object o"

// latestFirst is the order of resolved alerts.
const latestFirst = " ORDER BY a.since DESC, a.id DESC LIMIT "

// alertList makes one page of a list of alerts. What is open is few, and is read as it
// is. Resolved alerts are very many: those that fit a filter are looked for only where
// they may be, in the blocks that Catalogue made, among the few that are in no block, and
// by the objects whose name fits.
type alertList struct {
	db    *DB
	f     alert.Filter
	limit int
	after *cursor
}

// page answers the alerts of the page and where the next one begins.
func (l *alertList) page(ctx context.Context) (items []alert.Alert, next string, err error) {
	if items, err = l.open(ctx); err != nil {
		return nil, "", err
	}
	return l.goOn(ctx, items)
}

// goOn is page where the open ones are read.
func (l *alertList) goOn(ctx context.Context, items []alert.Alert) ([]alert.Alert, string, error) {
	var stopped *spot
	if n := l.limit + 1 - len(items); n > 0 && l.wants(0) {
		resolved, at, err := l.resolved(ctx, n)
		if err != nil {
			return nil, "", err
		}
		if stopped = at; len(resolved) == n {
			last := spotOf(&resolved[n-1])
			stopped = &last
		}
		items = append(items, resolved...)
	}
	// What resolved between the two readings is in both.
	seen := make(map[string]bool, len(items))
	items = slices.DeleteFunc(items, func(a alert.Alert) bool {
		had := seen[a.ID]
		seen[a.ID] = true
		return had
	})
	next := ""
	switch {
	case len(items) > l.limit:
		items = items[:l.limit]
		last := &items[l.limit-1]
		next = cursor{List: "alerts", Rank: rank(last.Status), At: millis(last.Since), ID: last.ID}.String()
	case stopped != nil:
		next = cursor{List: "alerts", At: stopped.since, ID: stopped.id}.String()
	}
	return items, next, nil
}

// wants says whether the list has alerts of a rank.
func (l *alertList) wants(r int64) bool {
	if l.after != nil && l.after.Rank < r {
		return false
	}
	return len(l.f.Status) == 0 || slices.ContainsFunc(l.f.Status, func(s alert.Status) bool { return rank(s) == r })
}

// conditions are those of the filter, the text and the place in the list aside.
func (l *alertList) conditions() *conditions {
	c, d, f := &conditions{}, l.db.d, &l.f
	c.add("o.id = a.object_id")
	in(c, d, "a.state", f.States)
	in(c, d, "o.source_id", f.SourceIDs)
	switch f.Kind {
	case alert.Host:
		c.add("o.service = ''")
	case alert.Service:
		c.add("o.service <> ''")
	}
	if f.ObjectID != "" {
		c.add("a.object_id = " + c.arg(f.ObjectID))
	}
	if f.ContactID != "" {
		c.add("EXISTS (SELECT 1 FROM delivery d WHERE d.alert_id = a.id AND d.state <> 'skipped' AND d.contact_id = " + c.arg(f.ContactID) + ")")
	}
	if f.Storm != "" {
		c.add(d.among("a.id", "SELECT alert_id FROM delivery WHERE storm <> '' AND storm = "+c.arg(f.Storm)+" AND notice <> 'digest'"))
	}
	if !f.Since.IsZero() {
		c.add("a.since >= " + c.arg(millis(f.Since)))
	}
	return c
}

// text is what is searched for, in lower case.
func (l *alertList) text() string { return strings.ToLower(l.f.Search) }

const (
	named  = 1 << iota // the text is in a name
	stated             // the text is in the output
)

// says adds that the text is there.
func (l *alertList) says(c *conditions, where int) {
	if l.f.Search == "" {
		return
	}
	text := c.arg(l.text())
	var terms []string
	if where&named != 0 {
		terms = append(terms, l.db.d.has("o.search", text))
	}
	if where&stated != 0 {
		terms = append(terms, l.db.d.has("a.search", text))
	}
	c.add("(" + strings.Join(terms, " OR ") + ")")
}

// read answers the alerts that conditions hold for, in the order given.
func (l *alertList) read(ctx context.Context, c *conditions, order string, limit int) ([]alert.Alert, error) {
	return collect(ctx, l.db.reads, scanAlert, alertsFrom+c.String()+order+c.arg(int64(limit)), c.args...)
}

// open are the firing and acknowledged ones.
func (l *alertList) open(ctx context.Context) ([]alert.Alert, error) {
	var ranks []string
	for _, r := range []int64{2, 1} {
		if l.wants(r) {
			ranks = append(ranks, fmt.Sprint(r))
		}
	}
	if ranks == nil {
		return nil, nil
	}
	c := l.conditions()
	c.add("a.rank IN (" + strings.Join(ranks, ", ") + ")")
	l.says(c, named|stated)
	if l.after != nil {
		c.add("(a.rank, a.since, a.id) < (" + c.arg(l.after.Rank) + ", " + c.arg(l.after.At) + ", " + c.arg(l.after.ID) + ")")
	}
	return l.read(ctx, c, " ORDER BY a.rank DESC, a.since DESC, a.id DESC LIMIT ", l.limit+1)
}

// resolvedFrom is where the resolved ones of this page begin; nil: with the newest.
func (l *alertList) resolvedFrom() *spot {
	if l.after == nil || l.after.Rank > 0 {
		return nil
	}
	return &spot{l.after.At, l.after.ID}
}

// before adds that an alert stands behind a spot in the list, which is before it in time.
func before(c *conditions, at *spot) {
	if at != nil {
		c.add("a.since <= " + c.arg(at.since))
		c.add("(a.since, a.id) < (" + c.arg(at.since) + ", " + c.arg(at.id) + ")")
	}
}

// from adds that an alert stands at a spot or is newer.
func from(c *conditions, at *spot) {
	if at != nil {
		c.add("a.since >= " + c.arg(at.since))
		c.add("(a.since, a.id) >= (" + c.arg(at.since) + ", " + c.arg(at.id) + ")")
	}
}

// resolved answers up to n resolved alerts, and where it stopped looking if it did.
func (l *alertList) resolved(ctx context.Context, n int) ([]alert.Alert, *spot, error) {
	f := &l.f
	if f.ObjectID != "" || f.Storm != "" || f.Search == "" && f.ContactID == "" && f.Kind == "" && len(f.States)+len(f.SourceIDs) == 0 {
		c := l.conditions()
		l.says(c, named|stated)
		before(c, l.resolvedFrom())
		if f.ObjectID != "" || f.Storm != "" {
			c.add("+a.rank = 0") // their own index serves, not that of the list
		} else {
			c.add("a.rank = 0")
		}
		items, err := l.read(ctx, c, latestFirst, n)
		return items, nil, err
	}
	looseEnd, err := l.looseEnd(ctx)
	if err != nil {
		return nil, nil, err
	}
	where := stated
	var byName []alert.Alert
	var floor *spot // what stands behind it is on no page that has all of these
	if f.Search != "" || len(f.SourceIDs) > 0 && f.Kind == "" {
		objects, err := l.objects(ctx)
		if err != nil {
			return nil, nil, err
		}
		var few bool
		if byName, few, err = l.ofObjects(ctx, objects, n, looseEnd == nil); err != nil || few && f.Search == "" {
			return byName, nil, err
		}
		if !few {
			where |= named
		}
		if len(byName) == n {
			last := spotOf(&byName[n-1])
			floor = &last
		}
	}
	loose, err := l.loose(ctx, where, n, later(looseEnd, floor))
	if err != nil {
		return nil, nil, err
	}
	blocks, blocksEnd, err := l.blocks(ctx, where, n, floor)
	if err != nil {
		return nil, nil, err
	}
	all := slices.Concat(byName, loose, blocks)
	slices.SortFunc(all, func(a, b alert.Alert) int { return spotOf(&b).compare(spotOf(&a)) })
	all = slices.CompactFunc(all, func(a, b alert.Alert) bool { return a.ID == b.ID })
	// What stands behind the spot where looking stopped comes when it goes on there.
	end := later(looseEnd, blocksEnd)
	if end != nil {
		all = slices.DeleteFunc(all, func(a alert.Alert) bool { return spotOf(&a).compare(*end) < 0 })
	}
	return all[:min(n, len(all))], end, nil
}

func spotOf(a *alert.Alert) spot { return spot{millis(a.Since), a.ID} }

// later answers the spot that comes first in the list; nil is behind all.
func later(a, b *spot) *spot {
	if a == nil || b != nil && b.compare(*a) > 0 {
		return b
	}
	return a
}

const looseOnes = "a.block = 0 AND +a.rank = 0" // so that the index of these is taken

// looseEnd is where looking at those that are in no block stops: nil if they are few, or
// the older ones are asked for too.
func (l *alertList) looseEnd(ctx context.Context) (*spot, error) {
	if l.f.Older {
		return nil, nil
	}
	c := &conditions{}
	c.add(looseOnes)
	if !l.f.Since.IsZero() { // the others are not looked at in any case
		c.add("a.since >= " + c.arg(millis(l.f.Since)))
	}
	before(c, l.resolvedFrom())
	ends, err := collect(ctx, l.db.reads, scanSpot, "SELECT a.since, a.id FROM alert a"+c.String()+latestFirst+"1 OFFSET "+c.arg(int64(lookAt)), c.args...)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	return &ends[0], nil
}

// loose answers those that are in no block and stand at a spot or before it in the list.
func (l *alertList) loose(ctx context.Context, where, n int, end *spot) ([]alert.Alert, error) {
	c := l.conditions()
	c.add(looseOnes)
	l.says(c, where)
	before(c, l.resolvedFrom())
	from(c, end)
	return l.read(ctx, c, latestFirst, n)
}
