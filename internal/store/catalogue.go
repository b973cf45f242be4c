package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"tocsin/internal/alert"
)

// spot is where an alert stands among resolved ones in the list.
type spot struct {
	since int64
	id    string
}

func (p spot) compare(q spot) int {
	return cmp.Or(cmp.Compare(p.since, q.since), strings.Compare(p.id, q.id))
}

// block is a stretch of the list of resolved alerts: from its first spot to where the
// next one begins.
type block struct {
	number      int64
	first, last spot
	alerts      int64
	signs       int64
}

const blockColumns = "number, since, id, last_since, last_id, alerts, signs"

func scanBlock(s scanner) (b block, err error) {
	err = s.Scan(&b.number, &b.first.since, &b.first.id, &b.last.since, &b.last.id, &b.alerts, &b.signs)
	return b, err
}

// leftLoose is how many alerts may wait for a block. A list reads all of these, so it is
// few enough, and a hub with few alerts has no blocks at all.
const leftLoose = 512

// Catalogue counts up to limit resolved alerts to blocks, the newest first, so that lists
// with filters and searches need not look at each of them; it answers how many. It does
// nothing while few wait for it. Call it again while it did something. Of several nodes
// one at a time does it.
func (db *DB) Catalogue(ctx context.Context, limit int) (n int, err error) {
	var waiting int
	err = db.reads.row(ctx, "SELECT count(*) FROM (SELECT 1 FROM alert a WHERE a.block = 0 AND +a.rank = 0 LIMIT $1) w", []any{int64(leftLoose + 1)}, &waiting)
	if err != nil {
		return 0, fmt.Errorf("look for alerts in no block: %w", err)
	}
	if waiting <= leftLoose {
		return 0, nil
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		c := cataloguer{w: w, shelves: map[int64]*shelf{}}
		n, err = c.fill(ctx, limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count alerts to blocks: %w", err)
	}
	return n, nil
}

// cataloguer does it in one transaction.
type cataloguer struct {
	w       *work
	next    int64   // the number of the next new block
	blocks  []block // those known so far, in the order of the list, the oldest first
	changed map[int64]bool
	shelves map[int64]*shelf
}

// shelf is what is known of 64 blocks.
type shelf struct {
	there   [signs / signsAPage]bool // the page is in the database
	changed [signs / signsAPage]bool
	words   [signs]uint64
}

// loose is an alert that is counted to no block.
type loose struct {
	spot
	state, source, service, output string
	contacts                       []string
}

func scanLoose(s scanner) (a loose, err error) {
	err = s.Scan(&a.id, &a.since, &a.state, &a.output, &a.source, &a.service)
	return a, err
}

func (c *cataloguer) fill(ctx context.Context, limit int) (int, error) {
	w, d := c.w, c.w.db.d
	lock := ""
	if d.forUpdate != "" {
		lock = " FOR UPDATE OF a"
	}
	if err := w.row(ctx, "SELECT value FROM counter WHERE name = 'alert_block'"+d.forUpdate, nil, &c.next); err != nil {
		return 0, err
	}
	list, err := collect(ctx, w, scanLoose, `SELECT a.id, a.since, a.state, a.search, o.source_id, o.service FROM alert a CROSS JOIN object o
		WHERE o.id = a.object_id AND a.block = 0 AND +a.rank = 0 ORDER BY a.since DESC, a.id DESC LIMIT $1`+lock, int64(limit))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	slices.Reverse(list)
	if err := c.readContacts(ctx, list); err != nil {
		return 0, err
	}
	if err := c.readBlocks(ctx, list[0].spot, list[len(list)-1].spot); err != nil {
		return 0, err
	}
	c.changed = map[int64]bool{}
	in := map[int64][]string{}
	for i := range list {
		b, err := c.place(ctx, &list[i])
		if err != nil {
			return 0, err
		}
		in[b] = append(in[b], list[i].id)
	}
	for number, ids := range in {
		if _, err := w.exec(ctx, "UPDATE alert SET block = $1 WHERE "+d.among("id", d.list("$2")), number, encodeList(ids)); err != nil {
			return 0, err
		}
	}
	return len(list), c.write(ctx)
}

// readContacts reads who was told of each.
func (c *cataloguer) readContacts(ctx context.Context, list []loose) error {
	at := make(map[string]*loose, len(list))
	ids := make([]string, len(list))
	for i := range list {
		ids[i], at[list[i].id] = list[i].id, &list[i]
	}
	d := c.w.db.d
	_, err := collect(ctx, c.w, func(s scanner) (struct{}, error) {
		var id, contact string
		err := s.Scan(&id, &contact)
		at[id].contacts = append(at[id].contacts, contact)
		return struct{}{}, err
	}, "SELECT DISTINCT alert_id, contact_id FROM delivery WHERE "+d.among("alert_id", d.list("$1"))+" AND state <> 'skipped' AND contact_id <> ''", encodeList(ids))
	return err
}

// readBlocks reads those that alerts between two spots may belong to.
func (c *cataloguer) readBlocks(ctx context.Context, from, to spot) error {
	before, err := collect(ctx, c.w, scanBlock, "SELECT "+blockColumns+" FROM alert_block WHERE (since, id) <= ($1, $2) ORDER BY since DESC, id DESC LIMIT 1", from.since, from.id)
	if err != nil {
		return err
	}
	within, err := collect(ctx, c.w, scanBlock, "SELECT "+blockColumns+" FROM alert_block WHERE (since, id) > ($1, $2) AND (since, id) <= ($3, $4) ORDER BY since, id",
		from.since, from.id, to.since, to.id)
	c.blocks = append(before, within...)
	return err
}

// place counts an alert to the block where it stands in the list, or to a new one.
func (c *cataloguer) place(ctx context.Context, a *loose) (number int64, err error) {
	i, exact := slices.BinarySearchFunc(c.blocks, a.spot, func(b block, p spot) int { return b.first.compare(p) })
	if !exact {
		i--
	}
	// A full one ends where its newest stands, and only behind that may another begin.
	if i < 0 || (c.blocks[i].alerts >= fullBlock || c.blocks[i].signs >= fullSigns) && a.compare(c.blocks[i].last) > 0 {
		c.next++
		i++
		c.blocks = slices.Insert(c.blocks, i, block{number: c.next, first: a.spot, last: a.spot})
	}
	b := &c.blocks[i]
	s, err := c.shelfOf(ctx, b.number)
	if err != nil {
		return 0, err
	}
	b.signs += s.add(b.number%blocksAShelf, a.signs())
	b.alerts++
	if a.compare(b.last) > 0 {
		b.last = a.spot
	}
	c.changed[b.number] = true
	return b.number, nil
}

// signs is what the alert can be found by.
func (a *loose) signs() *signSet {
	var s signSet
	s.addText(a.output)
	word := func(kind byte, word string) {
		for _, sign := range wordSigns(kind, word) {
			s.add(sign)
		}
	}
	word(signState, a.state)
	word(signSource, a.source)
	kind := alert.Host
	if a.service != "" {
		kind = alert.Service
	}
	word(signObject, string(kind))
	for _, contact := range a.contacts {
		word(signContact, contact)
	}
	return &s
}

// add answers how many of the signs are new to the block.
func (s *shelf) add(place int64, set *signSet) (n int64) {
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			sign := i*64 + bits.TrailingZeros64(word)
			if bit := uint64(1) << place; s.words[sign]&bit == 0 {
				s.words[sign] |= bit
				s.changed[sign/signsAPage] = true
				n++
			}
		}
	}
	return n
}

func (c *cataloguer) shelfOf(ctx context.Context, number int64) (*shelf, error) {
	n := number / blocksAShelf
	if s := c.shelves[n]; s != nil {
		return s, nil
	}
	s := &shelf{}
	c.shelves[n] = s
	pages, err := collect(ctx, c.w, scanSignPage, "SELECT page, shelf, bits FROM alert_sign WHERE "+c.w.db.d.among("page", c.w.db.d.numbers("$1"))+" AND shelf = $2", allPages(), n)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		if p.page < 0 || p.page >= signs/signsAPage || len(p.bits) != 8*signsAPage {
			return nil, errors.New("alert_sign has a row that is none of this version's")
		}
		s.there[p.page] = true
		for i := range signsAPage {
			s.words[int(p.page)*signsAPage+i] = binary.LittleEndian.Uint64(p.bits[8*i:])
		}
	}
	return s, nil
}

// allPages lists them, so that each is found by the key.
func allPages() string {
	var pages []int
	for page := range signs / signsAPage {
		pages = append(pages, page)
	}
	return encodeJSON(pages)
}

func (c *cataloguer) write(ctx context.Context) error {
	var blocks [][]any
	for _, b := range c.blocks {
		if c.changed[b.number] {
			blocks = append(blocks, []any{b.number, b.first.since, b.first.id, b.last.since, b.last.id, b.alerts, b.signs})
		}
	}
	err := c.w.db.t.block.write(ctx, c.w, len(blocks), func(i int, args []any) []any { return append(args, blocks[i]...) })
	if err != nil {
		return err
	}
	var pages [][]any
	for n, s := range c.shelves {
		for page := range s.changed {
			if s.changed[page] {
				b := make([]byte, 0, 8*signsAPage)
				for _, word := range s.words[page*signsAPage:][:signsAPage] {
					b = binary.LittleEndian.AppendUint64(b, word)
				}
				pages = append(pages, []any{int64(page), n, b})
			}
		}
	}
	err = c.w.db.t.sign.write(ctx, c.w, len(pages), func(i int, args []any) []any { return append(args, pages[i]...) })
	if err != nil {
		return err
	}
	_, err = c.w.exec(ctx, "UPDATE counter SET value = $1 WHERE name = 'alert_block'", c.next)
	return err
}

// pruneBlocks forgets the oldest blocks, as long as no alert is left in them; an alert
// that stands there after all is counted to the one before, or to a new one. It leaves
// them for the next time while another node counts alerts to blocks. To wait for that
// node would make a circle: it may wait for alerts that are deleted here.
func (w *work) pruneBlocks(ctx context.Context, limit int) error {
	free, err := collect(ctx, w, scanText, "SELECT name FROM counter WHERE name = 'alert_block'"+w.db.d.skipLocked)
	if err != nil || len(free) == 0 {
		return err
	}
	oldest, err := collect(ctx, w, scanBlock, "SELECT "+blockColumns+" FROM alert_block ORDER BY since, id LIMIT $1", int64(limit+1))
	if err != nil || len(oldest) < 2 {
		return err
	}
	for i, b := range oldest[:len(oldest)-1] {
		var left int
		end := oldest[i+1].first
		err := w.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM alert WHERE rank = 0 AND since >= $1 AND since <= $3 AND (since, id) >= ($1, $2) AND (since, id) < ($3, $4) LIMIT 1) a`,
			[]any{b.first.since, b.first.id, end.since, end.id}, &left)
		if err != nil {
			return err
		}
		if left > 0 {
			continue
		}
		if _, err := w.exec(ctx, "DELETE FROM alert_block WHERE number = $1", b.number); err != nil {
			return err
		}
		shelf := b.number / blocksAShelf
		if err := w.row(ctx, "SELECT count(*) FROM alert_block WHERE number >= $1 AND number < $2", []any{shelf * blocksAShelf, (shelf + 1) * blocksAShelf}, &left); err != nil {
			return err
		}
		if left == 0 {
			if _, err := w.exec(ctx, "DELETE FROM alert_sign WHERE "+w.db.d.among("page", w.db.d.numbers("$1"))+" AND shelf = $2", allPages(), shelf); err != nil {
				return err
			}
		}
	}
	return nil
}
