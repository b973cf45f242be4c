package store

import (
	"context"

	"tocsin/internal/alert"
)

// ByName says whether DB.Alerts finds resolved alerts by the objects that have the text in
// their name.
func ByName(ctx context.Context, db *DB, f alert.Filter) (bool, error) {
	l := alertList{db: db, f: f, limit: pageLimit(f.Limit)}
	end, err := l.looseEnd(ctx)
	if err != nil {
		return false, err
	}
	objects, err := l.objects(ctx)
	if err != nil {
		return false, err
	}
	_, few, err := l.ofObjects(ctx, objects, l.limit+1, end == nil)
	return few, err
}
