package store

import (
	"sync"

	"tocsin/internal/storm"
)

// keptPaces are paces of places as they were written last, so that the next
// transaction need not read them: those of a storm ask for the same ones again and
// again. Whoever takes one changes it, so it is gone from here until it is written
// once more.
type keptPaces struct {
	mu   sync.Mutex
	kept map[string]keptPace
}

type keptPace struct {
	body string
	pace storm.Pace
}

// The bounds of what is kept: 16 MB at the very worst.
const (
	pacesMost = 4096
	paceText  = 4096 // bytes of a body; longer ones are read each time
)

// take answers the pace that was kept with a body; "" is any.
func (k *keptPaces) take(place, body string) (storm.Pace, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.kept[place]
	if !ok || body != "" && p.body != body {
		return storm.Pace{}, false
	}
	delete(k.kept, place)
	return p.pace, true
}

// put keeps what was written with a transaction that is about to be committed.
// Where its word alone is taken, all must be forgotten if it is not.
func (k *keptPaces) put(paces map[string]keptPace) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for place, p := range paces {
		if len(p.body) > paceText {
			delete(k.kept, place)
			continue
		}
		if len(k.kept) >= pacesMost {
			for other := range k.kept { // any: Go's order is random
				delete(k.kept, other)
				break
			}
		}
		k.kept[place] = p
	}
}

// has says whether all of some places are kept.
func (k *keptPaces) has(places []string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, place := range places {
		if _, ok := k.kept[place]; !ok {
			return false
		}
	}
	return true
}

func (k *keptPaces) drop(places []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, place := range places {
		delete(k.kept, place)
	}
}

func (k *keptPaces) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.kept)
}
