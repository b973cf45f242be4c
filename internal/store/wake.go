package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The topics of OnWake.
const (
	topicLive     = "live"
	topicDelivery = "delivery"
	topicConfig   = "config"
	topicPush     = "push"
	topicPage     = "page"
	topicVisitor  = "visitor"
)

// wakes is who wants to hear of commits.
type wakes struct {
	mu      sync.RWMutex
	calls   map[string][]func()
	version atomic.Int64
	// others is told of topics for the other nodes; nil on SQLite.
	others func(topic string)
}

func (w *wakes) init() { w.calls = map[string][]func(){} }

// wake calls who wants to hear of the topic: of "delivery/engine" those of
// "delivery" too, and of "delivery", of which it is not known what, those of any.
func (w *wakes) wake(topic string) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	whole, _, part := strings.Cut(topic, "/")
	for wanted, calls := range w.calls {
		if wanted == topic || part && wanted == whole || !part && strings.HasPrefix(wanted, topic+"/") {
			for _, f := range calls {
				f()
			}
		}
	}
}

func (w *wakes) tellOthers(topic string) {
	if w.others != nil {
		w.others(topic)
	}
}

// raise takes a version that was seen in the database, and says whether it is new.
func (w *wakes) raise(version int64) bool {
	for {
		have := w.version.Load()
		if have >= version {
			return false
		}
		if w.version.CompareAndSwap(have, version) {
			return true
		}
	}
}

// OnWake has f called after every commit that wrote rows of the topic: "live"
// (frames for tabs, or objects), "delivery" (something to send; "delivery/engine" by that channel alone), "push" (a publication, a piece of one or
// retries to send), "visitor" (the same by e-mail or webhook), "page" (what
// visitors see of a public page) or "config". On PostgreSQL also when another
// node did, some milliseconds later; several may become one call. A call may
// be lost, so poll too. f must not block, and must not call OnWake.
func (db *DB) OnWake(topic string, f func()) {
	db.wakes.mu.Lock()
	defer db.wakes.mu.Unlock()
	db.wakes.calls[topic] = append(db.wakes.calls[topic], f)
}

// ConfigVersion rises whenever contacts, groups, rules, periods, users,
// sources, API keys, contacts' devices, server keys, rooms of Mattermost, who is
// linked there, or settings were changed: at once for a change made by this DB,
// within about a second for one made elsewhere. It asks nobody.
func (db *DB) ConfigVersion() int64 { return db.wakes.version.Load() }

func (db *DB) readConfigVersion(ctx context.Context) error {
	var v, asks, keys int64
	key := db.vault.ring.Load().Current()
	if err := db.reads.row(ctx, versionsSQL, []any{key}, &v, &asks, &keys); err != nil {
		return fmt.Errorf("read the configuration's version: %w", err)
	}
	db.supersede(asks)
	if key != "" && keys == 0 {
		if err := db.keysGone(ctx, key); err != nil {
			return err
		}
	}
	if db.wakes.raise(v) {
		db.wakes.wake(topicConfig)
	}
	return nil
}

const (
	configVersionSQL = "SELECT value FROM counter WHERE name = 'config'"
	// One statement for all: it is asked every second. $1 is the key that is sealed with.
	versionsSQL = "SELECT value, COALESCE((" + schemaAsksSQL + "), 0), (SELECT count(*) FROM vault_key WHERE id = $1) FROM counter WHERE name = 'config'"
)

// pollConfig notices what commands beside a serving hub changed, and on
// PostgreSQL what a lost NOTIFY did not tell.
func (db *DB) pollConfig(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := db.readConfigVersion(ctx); err != nil && ctx.Err() == nil {
			db.log.Warn("database does not answer", "error", err)
		}
	}
}
