package store

import (
	"context"
	"time"

	"tocsin/internal/alert"
)

const (
	// blocksAtOnce is how many blocks are read about at a time.
	blocksAtOnce = 1024

	// blocksTogether is of how many the alerts are read at a time, at most.
	blocksTogether = 4

	// patience is how long blocks are looked through for one page. Some are in any case: a
	// busy machine is not to make pages of nearly nothing.
	patience  = 15 * time.Millisecond
	leastLook = 8 * fullBlock
)

// stretch is a part of the list, from a spot up to just before another one.
type stretch struct{ from, to spot }

// blockWalk looks through blocks for alerts that fit, the newest first.
type blockWalk struct {
	l     *alertList
	where int   // of the text
	n     int   // so many are wanted
	floor *spot // none that stands behind it; nil: there is no such spot
	may   shelves
	begin time.Time

	to     *spot     // what stands behind it was not looked at; nil: nothing was
	parts  []stretch // of these the alerts are read next
	blocks int       // in the parts
	alerts int64
	most   int // blocks for the next time

	items  []alert.Alert
	looked int64 // at so many alerts
	end    *spot // where it stopped looking, if it did
}

// blocks answers those that are in blocks, and where it stopped looking if it did. Of those
// that stand behind floor, if there is one, nobody wants to know.
func (l *alertList) blocks(ctx context.Context, where, n int, floor *spot) ([]alert.Alert, *spot, error) {
	all := wantedOf(l.f)
	if l.f.Search != "" && where&named == 0 {
		if signs := textSigns(l.text()); len(signs) > 0 {
			all = append(all, wanted{signs})
		}
	}
	may, err := l.db.lookUp(ctx, all)
	if err != nil {
		return nil, nil, err
	}
	w := blockWalk{l: l, where: where, n: n, floor: floor, may: may, begin: time.Now(), to: l.resolvedFrom(), most: 1}
	err = w.walk(ctx)
	return w.items, w.end, err
}

func (w *blockWalk) walk(ctx context.Context) error {
	if numbers, few := w.may.few(blocksAtOnce); few { // the others are not even read about
		list, err := w.l.nextBlocks(ctx, w.to, numbers, len(numbers))
		if err != nil {
			return err
		}
		done, err := w.through(ctx, list, false)
		if err != nil || done {
			return err
		}
		return w.read(ctx)
	}
	for size := 64; ; size = blocksAtOnce {
		list, err := w.l.nextBlocks(ctx, w.to, nil, size)
		if err != nil {
			return err
		}
		done, err := w.through(ctx, list, true)
		if err != nil || done {
			return err
		}
		if len(list) < size {
			return w.read(ctx)
		}
	}
}

// through looks through some blocks and answers whether it is done. Where they are all
// that there are, one ends where the next one begins, and several are read as one part.
func (w *blockWalk) through(ctx context.Context, list []block, all bool) (done bool, err error) {
	touches := false
	for _, b := range list {
		if may := w.may.may(b.number); may {
			w.add(&b, touches)
			touches = all
		} else {
			touches = false
		}
		w.to = &b.first
		last := b.first.since < millis(w.l.f.Since) || w.floor != nil && b.first.compare(*w.floor) <= 0
		if w.blocks < w.most && !last && (w.l.f.Older || w.looked+w.alerts < lookAt) {
			continue
		}
		if err := w.read(ctx); err != nil || last || len(w.items) >= w.n {
			return true, err
		}
		if !w.l.f.Older && (w.looked >= lookAt || w.looked >= leastLook && time.Since(w.begin) > w.l.db.patience) {
			w.end = w.to
			return true, nil
		}
	}
	return false, nil
}

// add has a block read next. What was counted to it is not newer than its last.
func (w *blockWalk) add(b *block, touches bool) {
	w.blocks++
	w.alerts += b.alerts
	if touches && len(w.parts) > 0 {
		w.parts[len(w.parts)-1].from = b.first
		return
	}
	to := spot{since: b.last.since + 1}
	if w.to != nil && w.to.compare(to) < 0 {
		to = *w.to
	}
	w.parts = append(w.parts, stretch{from: b.first, to: to})
}

// read reads the alerts of the parts, on PostgreSQL in one round trip.
func (w *blockWalk) read(ctx context.Context) error {
	parts := w.parts
	w.looked += w.alerts
	w.parts, w.blocks, w.alerts, w.most = nil, 0, 0, min(2*w.most, blocksTogether)
	if len(parts) == 0 {
		return nil
	}
	err := w.l.db.together(ctx, func(q querier) error {
		for _, p := range parts {
			left := w.n - len(w.items)
			if left <= 0 {
				return nil
			}
			c := w.l.conditions()
			c.add("a.rank = 0")
			w.l.says(c, w.where)
			before(c, &p.to)
			from(c, &p.from)
			err := q.later(ctx, func(s scanner) error {
				a, err := scanAlert(s)
				w.items = append(w.items, a)
				return err
			}, alertsFrom+c.String()+latestFirst+c.arg(int64(left)), c.args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.items = w.items[:min(w.n, len(w.items))]
	return err
}

// nextBlocks are those that begin before a spot, the newest first; of some numbers where
// these are given.
func (l *alertList) nextBlocks(ctx context.Context, to *spot, numbers []int64, n int) ([]block, error) {
	if n == 0 {
		return nil, nil
	}
	c := &conditions{}
	if numbers != nil {
		c.add(l.db.d.among("a.number", l.db.d.numbers(c.arg(encodeJSON(numbers)))))
	}
	before(c, to)
	return collect(ctx, l.db.reads, scanBlock, "SELECT a.number, a.since, a.id, a.last_since, a.last_id, a.alerts, a.signs FROM alert_block a"+
		c.String()+latestFirst+c.arg(int64(n)), c.args...)
}
