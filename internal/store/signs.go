package store

import (
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"tocsin/internal/alert"
)

// What may be in a block of alerts is told by signs: each word of a filter, and each few
// bytes of an output, stand for one of 16,384 signs. A block without the sign has nothing
// of it; one with it may have, for different things share a sign.
const (
	signs        = 1 << 14
	signsAPage   = 64
	blocksAShelf = 64

	// fullBlock is how many alerts a block has, fullSigns of how many signs it is full
	// before: with a quarter of all set, what is looked for by five of them is found
	// wrongly once in a thousand times.
	fullBlock = 256
	fullSigns = signs / 4

	// mostGrams is by how many signs a text is looked for at most.
	mostGrams = 12
)

// signSet is what is known of one block.
type signSet [signs / 64]uint64

func (s *signSet) add(sign int) { s[sign/64] |= 1 << (sign % 64) }

// signOf is the sign of a word, by FNV-1a. It is in the database, so it stays as it is.
func signOf(kind byte, word string) int {
	h := uint32(2166136261)
	h = (h ^ uint32(kind)) * 16777619
	for i := range len(word) {
		h = (h ^ uint32(word[i])) * 16777619
	}
	return int((h ^ h>>14 ^ h>>28) % signs)
}

// The kinds of words.
const (
	signGram    = 'g' // three or four bytes of an output
	signState   = 's'
	signSource  = 'e'
	signObject  = 'k' // a host or a service
	signContact = 'c' // somebody who was told
)

// addText adds what a text, in lower case, can be found by.
func (s *signSet) addText(text string) {
	for i := 0; i+3 <= len(text); i++ {
		s.add(signOf(signGram, text[i:i+3]))
		if i+4 <= len(text) {
			s.add(signOf(signGram, text[i:i+4]))
		}
	}
}

// textSigns are those that a block with the text has, none for a text that is too short.
func textSigns(text string) (list []int) {
	const n = 4
	if len(text) == 3 {
		return []int{signOf(signGram, text)}
	}
	for i := 0; i+n <= len(text); i++ {
		list = append(list, signOf(signGram, text[i:i+n]))
	}
	slices.Sort(list)
	list = slices.Compact(list)
	for step := 2; len(list) > mostGrams; step++ { // some of them, from all over the text
		var kept []int
		for i, sign := range list {
			if i%step != 0 {
				kept = append(kept, sign)
			}
		}
		list = kept
	}
	return list
}

// signsAWord is how many signs a word has by itself. A text is found by several in any
// case; a block that is a quarter full has four of them wrongly once in 256 times.
const signsAWord = 4

// wordSigns are those of a block in which a word stands.
func wordSigns(kind byte, word string) (list []int) {
	for i := range signsAWord {
		list = append(list, signOf(kind, string(rune('0'+i))+word))
	}
	return list
}

// wanted are ways in which a block may have something: it has all signs of one of them.
type wanted [][]int

// wantedOf is what a block has in which something fits the filter, the text aside.
func wantedOf(f alert.Filter) (all []wanted) {
	some := func(kind byte, words []string) {
		if len(words) > 0 {
			var w wanted
			for _, word := range words {
				w = append(w, wordSigns(kind, word))
			}
			all = append(all, w)
		}
	}
	var states []string
	for _, s := range f.States {
		states = append(states, string(s))
	}
	some(signState, states)
	some(signSource, f.SourceIDs)
	if f.Kind != "" {
		some(signObject, []string{string(f.Kind)})
	}
	if f.ContactID != "" {
		some(signContact, []string{f.ContactID})
	}
	return all
}

// shelves says of each shelf which of its blocks may have all that is wanted. all is
// true where nothing is, and all of them may.
type shelves struct {
	all  bool
	bits map[int64]uint64
}

func (s shelves) may(number int64) bool {
	return s.all || s.bits[number/blocksAShelf]&(1<<(number%blocksAShelf)) != 0
}

// few answers the numbers of the blocks that may, if these are no more than n.
func (s shelves) few(n int) (numbers []int64, few bool) {
	if s.all {
		return nil, false
	}
	numbers = []int64{}
	for shelf, word := range s.bits {
		for ; word != 0; word &= word - 1 {
			if len(numbers) == n {
				return nil, false
			}
			numbers = append(numbers, shelf*blocksAShelf+int64(bits.TrailingZeros64(word)))
		}
	}
	return numbers, true
}

type signPage struct {
	page, shelf int64
	bits        []byte
}

func (p signPage) word(sign int) uint64 {
	at := 8 * (sign % signsAPage)
	if len(p.bits) < at+8 {
		return 0
	}
	return binary.LittleEndian.Uint64(p.bits[at:])
}

func scanSignPage(s scanner) (p signPage, err error) {
	err = s.Scan(&p.page, &p.shelf, &p.bits)
	return p, err
}

// lookUp reads which blocks may have all that is wanted.
func (db *DB) lookUp(ctx context.Context, all []wanted) (shelves, error) {
	if len(all) == 0 {
		return shelves{all: true}, nil
	}
	var pages []int
	for _, w := range all {
		for _, sign := range slices.Concat(w...) {
			pages = append(pages, sign/signsAPage)
		}
	}
	slices.Sort(pages)
	found, err := collect(ctx, db.reads, scanSignPage, "SELECT page, shelf, bits FROM alert_sign WHERE "+
		db.d.among("page", db.d.numbers("$1")), encodeJSON(slices.Compact(pages)))
	if err != nil {
		return shelves{}, err
	}
	type place struct{ page, shelf int64 }
	at := make(map[place]signPage, len(found))
	s := shelves{bits: map[int64]uint64{}}
	for _, p := range found {
		at[place{p.page, p.shelf}] = p
		s.bits[p.shelf] = ^uint64(0)
	}
	for shelf := range s.bits {
		for _, w := range all {
			var some uint64
			for _, way := range w {
				has := ^uint64(0)
				for _, sign := range way {
					has &= at[place{int64(sign / signsAPage), shelf}].word(sign)
				}
				some |= has
			}
			s.bits[shelf] &= some
		}
	}
	return s, nil
}
