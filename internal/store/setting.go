package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/config"
)

// Settings answers what was set, and the default for what was not.
func (db *DB) Settings(ctx context.Context) (config.Settings, error) {
	return readSettings(ctx, db.reads)
}

func readSettings(ctx context.Context, q querier) (config.Settings, error) {
	s := config.Defaults()
	values, err := collect(ctx, q, scanText, "SELECT value FROM setting WHERE name = 'settings'")
	if err != nil {
		return s, fmt.Errorf("read the settings: %w", err)
	}
	for _, v := range values {
		// Into the defaults: a setting that a newer version knows has its own.
		if err := json.Unmarshal([]byte(v), &s); err != nil {
			return s, fmt.Errorf("read the stored settings: %w", err)
		}
	}
	return s, nil
}

// SaveSettings replaces the settings, in force at once on every node.
func (db *DB) SaveSettings(ctx context.Context, s config.Settings) error {
	return db.change(ctx, func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO setting (name, value) VALUES ('settings', $1)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, encodeJSON(s))
		if err != nil {
			return fmt.Errorf("save the settings: %w", err)
		}
		return nil
	})
}
