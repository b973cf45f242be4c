package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/contact"
	"tocsin/internal/fault"
)

func scanPeriod(s scanner) (contact.TimePeriod, error) {
	var p contact.TimePeriod
	var body string
	if err := s.Scan(&body); err != nil {
		return p, err
	}
	err := json.Unmarshal([]byte(body), &p)
	return p, err
}

// Periods lists all time periods by name.
func (db *DB) Periods(ctx context.Context) ([]contact.TimePeriod, error) {
	return readPeriods(ctx, db.reads)
}

func readPeriods(ctx context.Context, q querier) ([]contact.TimePeriod, error) {
	ps, err := collect(ctx, q, scanPeriod, "SELECT body FROM time_period ORDER BY name, id")
	if err != nil {
		return nil, fmt.Errorf("list time periods: %w", err)
	}
	return ps, nil
}

// Period answers one time period, fault.ErrNotFound if there is none.
func (db *DB) Period(ctx context.Context, id string) (contact.TimePeriod, error) {
	return find(ctx, db.reads, scanPeriod, "time period", id, "SELECT body FROM time_period WHERE id = $1", id)
}

// SavePeriod inserts or updates by ID; fault.ErrTaken when another has the name.
func (db *DB) SavePeriod(ctx context.Context, p contact.TimePeriod) error {
	return db.changeOf(ctx, periodThing(p.ID), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO time_period (id, name, body) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, body = excluded.body`, p.ID, p.Name, encodeJSON(p))
		return taken(err, "time period", p.Name)
	})
}

// DeletePeriod deletes a time period; fault.ErrInUse while a contact has it.
func (db *DB) DeletePeriod(ctx context.Context, id string) error {
	return db.changeOf(ctx, periodThing(id), func(ctx context.Context, w *work) error {
		names, err := collect(ctx, w, scanText, "SELECT name FROM contact WHERE host_period_id = $1 OR service_period_id = $1 OR quiet_period_id = $1 ORDER BY name LIMIT 1", id)
		if err != nil {
			return fmt.Errorf("look for contacts with time period %q: %w", id, err)
		}
		if len(names) > 0 {
			return fmt.Errorf("contact “%s” has time period %q: %w", names[0], id, fault.ErrInUse)
		}
		return w.remove(ctx, "time period", "time_period", id)
	})
}
