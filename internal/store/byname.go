package store

import (
	"context"
	"slices"

	"tocsin/internal/alert"
)

const (
	// fewObjects is up to how many objects of a name their alerts are looked up. More of
	// them are met often enough in the order of the list.
	fewObjects = 1000

	// readAll is up to how many alerts of some objects are sorted to find the newest. Where
	// there are more, those of the newest blocks are looked up first, then of thenTimes as
	// many blocks, and so on.
	readAll     = 1000
	firstBlocks = 64
	thenTimes   = 8
)

// objects are those with the text in a name, of which the filter wants alerts: up to one
// more than are few.
func (l *alertList) objects(ctx context.Context) ([]string, error) {
	c := &conditions{}
	l.says(c, named) // where nothing is searched for, a source alone may have few
	in(c, l.db.d, "o.source_id", l.f.SourceIDs)
	switch l.f.Kind {
	case alert.Host:
		c.add("o.service = ''")
	case alert.Service:
		c.add("o.service <> ''")
	}
	return collect(ctx, l.db.reads, scanText, "SELECT o.id FROM object o"+c.String()+" LIMIT "+c.arg(int64(fewObjects+1)), c.args...)
}

// ofObjects answers the newest resolved alerts of some objects, if they are few: looked up
// by these, not many more than lookAt are met. Who asks for older ones too waits for all
// there is in any case. fewLoose says that no more than lookAt are in no block.
func (l *alertList) ofObjects(ctx context.Context, objects []string, n int, fewLoose bool) (items []alert.Alert, few bool, err error) {
	if len(objects) == 0 || len(objects) > fewObjects {
		return nil, len(objects) == 0, nil
	}
	list, to := encodeList(objects), l.resolvedFrom()
	all := readAll
	if l.picky() { // all of them may have to be read
		all = lookAt
	}
	if !l.f.Older {
		count, err := l.countOf(ctx, list, to, nil, all)
		if err != nil || count > all && l.picky() {
			return nil, false, err
		}
		if count <= readAll {
			items, err = l.ofThem(ctx, list, to, nil, n)
			return items, true, err
		}
	}
	for behind := firstBlocks; ; behind *= thenTimes {
		at, alerts, err := l.blocksBehind(ctx, to, behind)
		if err != nil {
			return nil, false, err
		}
		// What few blocks have needs no counting, unless many alerts resolved so late that
		// they were counted to blocks that were full.
		if !l.f.Older && !l.picky() && (behind > firstBlocks || alerts > 2*lookAt || !fewLoose) {
			if count, err := l.countOf(ctx, list, to, at, lookAt); err != nil || count > lookAt {
				return nil, false, err
			}
		}
		more, err := l.ofThem(ctx, list, to, at, n-len(items))
		if items = append(items, more...); err != nil || len(items) == n || at == nil {
			return items, true, err
		}
		to = at
	}
}

// picky says whether the filter asks more of an alert than its object and its time.
func (l *alertList) picky() bool { return len(l.f.States) > 0 || l.f.ContactID != "" }

// countOf counts the alerts of a list of objects that stand between two spots, up to one
// more than most.
func (l *alertList) countOf(ctx context.Context, objects string, to, at *spot, most int) (n int, err error) {
	c := &conditions{}
	c.add(l.db.d.among("a.object_id", l.db.d.list(c.arg(objects))))
	if !l.f.Since.IsZero() {
		c.add("a.since >= " + c.arg(millis(l.f.Since)))
	}
	before(c, to)
	from(c, at)
	err = l.db.reads.row(ctx, "SELECT count(*) FROM (SELECT 1 FROM alert a"+c.String()+" LIMIT "+c.arg(int64(most+1))+") n", c.args, &n)
	return n, err
}

// blocksBehind is the spot that some blocks lie before, nil if there are fewer. Of the
// first ones it says too how many alerts were counted to them.
func (l *alertList) blocksBehind(ctx context.Context, to *spot, blocks int) (at *spot, alerts int64, err error) {
	if blocks == firstBlocks {
		list, err := l.nextBlocks(ctx, to, nil, blocks+1)
		for _, b := range list {
			alerts += b.alerts
		}
		if len(list) > blocks {
			at = &list[blocks].first
		}
		return at, alerts, err
	}
	c := &conditions{}
	before(c, to)
	spots, err := collect(ctx, l.db.reads, scanSpot, "SELECT a.since, a.id FROM alert_block a"+c.String()+latestFirst+"1 OFFSET "+c.arg(int64(blocks)), c.args...)
	if err != nil || len(spots) == 0 {
		return nil, 0, err
	}
	return &spots[0], 0, nil
}

func scanSpot(s scanner) (p spot, err error) {
	err = s.Scan(&p.since, &p.id)
	return p, err
}

// ofThem answers the newest n of a list of objects that stand between two spots.
func (l *alertList) ofThem(ctx context.Context, objects string, to, at *spot, n int) ([]alert.Alert, error) {
	slowly := func() ([]alert.Alert, error) {
		c := l.conditions()
		c.add(l.db.d.among("a.object_id", l.db.d.list(c.arg(objects))))
		c.add("+a.rank = 0")
		before(c, to)
		from(c, at)
		return l.read(ctx, c, latestFirst, n)
	}
	// The index alone says which these are; only of those the rest is read. Where more is
	// asked of an alert, each of them is.
	if l.picky() {
		return slowly()
	}
	c := &conditions{}
	list := l.db.d.list(c.arg(objects))
	c.add(l.db.d.among("a.object_id", list))
	c.add("a.id NOT IN (SELECT alert_id FROM object WHERE " + l.db.d.among("id", list) + ")") // those are open
	if !l.f.Since.IsZero() {
		c.add("a.since >= " + c.arg(millis(l.f.Since)))
	}
	before(c, to)
	from(c, at)
	ids := "SELECT a.id FROM alert a" + c.String() + latestFirst + c.arg(int64(n))
	items, err := collect(ctx, l.db.reads, scanAlert, alertsFrom+" WHERE o.id = a.object_id AND "+l.db.d.among("a.id", ids)+
		" ORDER BY +a.since DESC, a.id DESC", c.args...)
	if err != nil || !slices.ContainsFunc(items, func(a alert.Alert) bool { return a.Open() }) {
		return items, err
	}
	return slowly() // an open one that its object does not name would end the page too early
}
