package store

import (
	"context"
	"fmt"
	"slices"

	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/route"
)

// Groups lists all groups by name, with their contacts.
func (db *DB) Groups(ctx context.Context) ([]contact.Group, error) { return readGroups(ctx, db.reads) }

// readGroups reads groups and members in one statement, so that they belong together.
func readGroups(ctx context.Context, q querier) ([]contact.Group, error) {
	var groups []contact.Group
	_, err := collect(ctx, q, func(s scanner) (struct{}, error) {
		var g contact.Group
		var member, schedules string
		err := s.Scan(&g.ID, &g.Name, &g.Description, &schedules, &member)
		if err == nil {
			g.ScheduleIDs, err = decodeList[string](schedules)
		}
		if n := len(groups); n == 0 || groups[n-1].ID != g.ID {
			groups = append(groups, g)
		}
		if member != "" {
			last := &groups[len(groups)-1]
			last.ContactIDs = append(last.ContactIDs, member)
		}
		return struct{}{}, err
	}, `SELECT g.id, g.name, g.description, g.schedule_ids, COALESCE(m.contact_id, '') FROM contact_group g
		LEFT JOIN contact_group_member m ON m.group_id = g.id ORDER BY g.name, g.id, m.position`)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return groups, nil
}

// Group answers one group, fault.ErrNotFound if there is none.
func (db *DB) Group(ctx context.Context, id string) (contact.Group, error) {
	return readGroup(ctx, db.reads, id)
}

func readGroup(ctx context.Context, q querier, id string) (contact.Group, error) {
	groups, err := readGroups(ctx, q)
	if err != nil {
		return contact.Group{}, err
	}
	i := slices.IndexFunc(groups, func(g contact.Group) bool { return g.ID == id })
	if i < 0 {
		return contact.Group{}, notFound("group", id)
	}
	return groups[i], nil
}

// SaveGroup inserts or updates by ID; fault.ErrTaken when another has the
// name, fault.ErrNotFound when a contact does not exist.
func (db *DB) SaveGroup(ctx context.Context, g contact.Group) error {
	return db.changeOf(ctx, groupThing(g.ID), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO contact_group (id, name, description, schedule_ids) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
			SET name = excluded.name, description = excluded.description, schedule_ids = excluded.schedule_ids`,
			g.ID, g.Name, g.Description, encodeList(g.ScheduleIDs))
		if err != nil {
			return taken(err, "group", g.Name)
		}
		if err := w.each(ctx, g.ID, "DELETE FROM contact_group_member WHERE group_id = $1"); err != nil {
			return fmt.Errorf("empty group %q: %w", g.Name, err)
		}
		for i, c := range g.ContactIDs {
			if slices.Contains(g.ContactIDs[:i], c) {
				continue
			}
			n, err := w.exec(ctx, `INSERT INTO contact_group_member (group_id, contact_id, position)
				SELECT $1, id, $2 FROM contact WHERE id = $3`, g.ID, int64(i), c)
			if err != nil {
				return fmt.Errorf("put contact %s into group %q: %w", c, g.Name, err)
			}
			if n == 0 {
				return notFound("contact", c)
			}
		}
		return nil
	})
}

// DeleteGroup deletes a group; fault.ErrInUse, with the names, while rules or
// escalation policies name it.
func (db *DB) DeleteGroup(ctx context.Context, id string) error {
	return db.changeOf(ctx, groupThing(id), func(ctx context.Context, w *work) error {
		u := users{
			rule: func(r *route.Rule) bool { return slices.Contains(r.GroupIDs, id) },
			step: func(s *escalation.Step) bool { return slices.Contains(s.GroupIDs, id) },
		}
		if err := w.unused(ctx, "group", id, u); err != nil {
			return err
		}
		return w.remove(ctx, "group", "contact_group", id)
	})
}
