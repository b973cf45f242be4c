package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/route"
)

func scanRule(s scanner) (route.Rule, error) {
	var r route.Rule
	var body string
	if err := s.Scan(&body); err != nil {
		return r, err
	}
	err := json.Unmarshal([]byte(body), &r)
	return r, err
}

// Rules lists all rules in the order in which they are looked at.
func (db *DB) Rules(ctx context.Context) ([]route.Rule, error) { return readRules(ctx, db.reads) }

func readRules(ctx context.Context, q querier) ([]route.Rule, error) {
	rs, err := collect(ctx, q, scanRule, "SELECT body FROM rule ORDER BY position, id")
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	return rs, nil
}

// Rule answers one rule, fault.ErrNotFound if there is none.
func (db *DB) Rule(ctx context.Context, id string) (route.Rule, error) {
	return find(ctx, db.reads, scanRule, "rule", id, "SELECT body FROM rule WHERE id = $1", id)
}

// SaveRule inserts or updates by ID. Rules with one position are looked at in
// the order of their ids.
func (db *DB) SaveRule(ctx context.Context, r route.Rule) error {
	return db.changeOf(ctx, ruleThing(r.ID), func(ctx context.Context, w *work) error { return w.saveRule(ctx, r) })
}

func (w *work) saveRule(ctx context.Context, r route.Rule) error {
	_, err := w.exec(ctx, `INSERT INTO rule (id, position, body) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET position = excluded.position, body = excluded.body`, r.ID, int64(r.Position), encodeJSON(r))
	return taken(err, "rule", r.Name)
}

// DeleteRule deletes a rule.
func (db *DB) DeleteRule(ctx context.Context, id string) error {
	return db.changeOf(ctx, ruleThing(id), func(ctx context.Context, w *work) error { return w.remove(ctx, "rule", "rule", id) })
}
