package store

import (
	"context"
	"errors"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// StatusParts are the groups and components of a page in their order, hidden ones
// too, without what was recorded of them.
func (db *DB) StatusParts(ctx context.Context, pageID string) (groups []status.Group, components []status.Component, err error) {
	if groups, err = readPageGroups(ctx, db.reads, pageID); err != nil {
		return nil, nil, err
	}
	components, err = readComponents(ctx, db.reads, pageID)
	return groups, components, err
}

// StatusComponent answers a component, of whichever page, with what alerts last
// said of it; fault.ErrNotFound if there is none.
func (db *DB) StatusComponent(ctx context.Context, id string) (publish.Bound, error) {
	return find(ctx, db.reads, scanBound, "component", id, "SELECT "+componentColumns+
		`, COALESCE(w.state, 'operational'), COALESCE(w.downtime, FALSE)
		FROM component c LEFT JOIN component_watch w ON w.component_id = c.id WHERE c.id = $1`, id)
}

// StatusGroup answers a group, of whichever page; fault.ErrNotFound if there is
// none.
func (db *DB) StatusGroup(ctx context.Context, id string) (status.Group, error) {
	return find(ctx, db.reads, scanGroup, "group", id, "SELECT "+groupColumns+" FROM page_group WHERE id = $1", id)
}

// EachObject calls fn with the hosts and services that are known, in no order,
// until it answers false. It keeps none of them in memory.
func (db *DB) EachObject(ctx context.Context, fn func(o *alert.Object) bool) (err error) {
	rows, err := db.many.query(ctx, "SELECT "+objectColumns+" FROM object o")
	if err != nil {
		return fmt.Errorf("look through the objects: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		o, err := scanObject(rows)
		if err != nil {
			return fmt.Errorf("look through the objects: %w", err)
		}
		if !fn(&o) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look through the objects: %w", err)
	}
	return nil
}
