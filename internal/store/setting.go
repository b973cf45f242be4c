package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"tocsin/internal/config"
)

// Settings answers what was set, and the default for what was not.
func (db *DB) Settings(ctx context.Context) (config.Settings, error) {
	return readSettings(ctx, db.reads)
}

func readSettings(ctx context.Context, q querier) (config.Settings, error) {
	values, err := collect(ctx, q, scanText, "SELECT value FROM setting WHERE name = 'settings'")
	if err != nil {
		return config.Defaults(), fmt.Errorf("read the settings: %w", err)
	}
	return decodeSettings(strings.Join(values, "")) // there is one, or none
}

func decodeSettings(text string) (config.Settings, error) {
	s := config.Defaults()
	if text == "" {
		return s, nil
	}
	// Into the defaults: a setting that a newer version knows has its own.
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("read the stored settings: %w", err)
	}
	return s, nil
}

// keptSettings are the settings that were decoded last: every transaction reads
// their text, which hardly ever changes.
type keptSettings struct {
	mu    sync.Mutex
	have  bool
	text  string
	value config.Settings
}

func (k *keptSettings) decode(text string) (config.Settings, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.have && k.text == text {
		return k.value, nil
	}
	s, err := decodeSettings(text)
	if err == nil {
		k.have, k.text, k.value = true, text, s
	}
	return s, err
}

// SaveSettings replaces the settings, in force at once on every node.
func (db *DB) SaveSettings(ctx context.Context, s config.Settings) error {
	return db.changeOf(ctx, settingsThing(), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO setting (name, value) VALUES ('settings', $1)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, encodeJSON(s))
		if err != nil {
			return fmt.Errorf("save the settings: %w", err)
		}
		return nil
	})
}
