package app

import (
	"context"
	"time"
)

const (
	// catalogueEvery is how often it is looked whether resolved alerts wait for a block.
	catalogueEvery = 30 * time.Second
	// catalogueAtOnce is of how many alerts one transaction is: others wait for it on
	// SQLite, and it takes some 20 ms.
	catalogueAtOnce = 512
)

// catalogue counts resolved alerts to blocks, so that lists and searches stay quick with
// a million of them. A database of before is caught up with, the newest first; between two
// transactions others have as long as one took.
func (a *App) catalogue(ctx context.Context) {
	for ctx.Err() == nil {
		begin := time.Now()
		n, err := a.db.Catalogue(ctx, catalogueAtOnce)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Warn("alerts not counted to blocks", "error", err)
			}
			return
		}
		if n == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Since(begin)):
		}
	}
}
