package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

const sourceColumns = `id, name, kind, token_hash, token_hint, host_url, service_url, straight, disabled, created,
	last_event, last_error, last_error_at, spooled, spooled_at, write_back, write_back_secret, mapping, secret, quiet_minutes, last_sign, silent_since`

func (db *DB) scanSource(s scanner) (source.Source, error) {
	var v source.Source
	var created, event, failed, spooled, sign, silent int64
	var back, backSecret, mapping string
	err := s.Scan(&v.ID, &v.Name, &v.Kind, &v.TokenHash, &v.TokenHint, &v.HostURL, &v.ServiceURL, &v.Straight, &v.Disabled, &created,
		&event, &v.LastError, &failed, &v.Spooled, &spooled, &back, &backSecret, &mapping, &v.Secret, &v.QuietMinutes, &sign, &silent)
	if err != nil {
		return v, err
	}
	v.CreatedAt, v.LastEventAt, v.LastErrorAt, v.SpooledAt = fromMillis(created), fromMillis(event), fromMillis(failed), fromMillis(spooled)
	v.LastSign, v.SilentSince = fromMillis(sign), fromMillis(silent)
	if back != "" {
		if err := json.Unmarshal([]byte(back), &v.WriteBack); err != nil {
			return v, fmt.Errorf("read how source %q is told: %w", v.Name, err)
		}
	}
	if err := db.open(sourceBackSecret, v.ID, backSecret, &v.WriteBack.Secret); err != nil {
		return v, err
	}
	if err := db.open(sourceSecret, v.ID, v.Secret, &v.Secret); err != nil {
		return v, err
	}
	if mapping != "" {
		if err := json.Unmarshal([]byte(mapping), &v.Mapping); err != nil {
			return v, fmt.Errorf("read the mapping of source %q: %w", v.Name, err)
		}
	}
	return v, nil
}

// encodeWriteBack makes JSON of it without its secret, the empty text of none.
func encodeWriteBack(w source.WriteBack) string {
	w.Secret = ""
	if w == (source.WriteBack{}) {
		return ""
	}
	return encodeJSON(w)
}

func encodeMapping(m *source.Mapping) string {
	if m == nil {
		return ""
	}
	return encodeJSON(m)
}

// Sources lists all sources by name, with their secrets.
func (db *DB) Sources(ctx context.Context) ([]source.Source, error) {
	return db.readSources(ctx, db.reads)
}

func (db *DB) readSources(ctx context.Context, q querier) ([]source.Source, error) {
	list, err := collect(ctx, q, db.scanSource, "SELECT "+sourceColumns+" FROM source ORDER BY name_key")
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return list, nil
}

// SourceByID answers one source, fault.ErrNotFound if there is none.
func (db *DB) SourceByID(ctx context.Context, id string) (source.Source, error) {
	return find(ctx, db.reads, db.scanSource, "source", id, "SELECT "+sourceColumns+" FROM source WHERE id = $1", id)
}

// SourceByName answers one source without regard to case, fault.ErrNotFound if there is none.
func (db *DB) SourceByName(ctx context.Context, name string) (source.Source, error) {
	return find(ctx, db.reads, db.scanSource, "source", name, "SELECT "+sourceColumns+" FROM source WHERE name_key = $1", strings.ToLower(name))
}

// SaveSource inserts or updates by ID; fault.ErrTaken when another has the
// name. The secrets are written as they are given: who does not change them
// passes on what was read. An update leaves alone what the source itself reports:
// its last event, its last error and its spool. When its minutes of silence, or whether
// it is disabled, change, its silence counts from then on.
func (db *DB) SaveSource(ctx context.Context, s source.Source) error {
	sealed, err := db.sealed(s.ID, sourceBackSecret, s.WriteBack.Secret, sourceSecret, s.Secret)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.sourceThing(s.ID), func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, `INSERT INTO source (id, name, name_key, kind, token_hash, token_hint, host_url, service_url, straight, disabled,
			created, last_event, last_error, last_error_at, spooled, spooled_at, write_back, write_back_secret, mapping, secret, quiet_minutes, quiet_since)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT (id) DO UPDATE SET
			name = excluded.name, name_key = excluded.name_key, kind = excluded.kind, token_hash = excluded.token_hash,
			token_hint = excluded.token_hint, host_url = excluded.host_url, service_url = excluded.service_url,
			straight = excluded.straight, disabled = excluded.disabled, write_back = excluded.write_back,
			write_back_secret = excluded.write_back_secret, mapping = excluded.mapping, secret = excluded.secret,
			quiet_minutes = excluded.quiet_minutes, quiet_since = CASE WHEN source.quiet_minutes <> excluded.quiet_minutes
				OR source.disabled <> excluded.disabled THEN excluded.quiet_since ELSE source.quiet_since END`,
			s.ID, s.Name, strings.ToLower(s.Name), s.Kind, s.TokenHash, s.TokenHint, s.HostURL, s.ServiceURL, s.Straight, s.Disabled,
			millis(s.CreatedAt), millis(s.LastEventAt), s.LastError, millis(s.LastErrorAt), int64(s.Spooled), millis(s.SpooledAt),
			encodeWriteBack(s.WriteBack), sealed[0], encodeMapping(s.Mapping), sealed[1], int64(s.QuietMinutes), millis(now))
		return taken(err, "source", s.Name)
	})
}

// DeleteSource deletes a source; its objects and their history stay.
// fault.ErrInUse while it has open alerts.
func (db *DB) DeleteSource(ctx context.Context, id string) error {
	return db.changeOf(ctx, db.sourceThing(id), func(ctx context.Context, w *work) error {
		var open int
		err := w.row(ctx, "SELECT count(*) FROM alert a JOIN object o ON o.id = a.object_id WHERE a.rank > 0 AND o.source_id = $1", []any{id}, &open)
		if err != nil {
			return fmt.Errorf("count the open alerts of source %q: %w", id, err)
		}
		if open > 0 {
			return fmt.Errorf("source %q has open alerts (%d): %w", id, open, fault.ErrInUse)
		}
		return w.remove(ctx, "source", "source", id)
	})
}

// NoteSourceError notes why the source's last call was refused.
func (db *DB) NoteSourceError(ctx context.Context, id, problem string, at time.Time) error {
	return db.plain(ctx, "note a source's error", "UPDATE source SET last_error = $1, last_error_at = $2 WHERE id = $3", problem, millis(at), id)
}

// NoteSpool notes how many events wait in the sender's spool.
func (db *DB) NoteSpool(ctx context.Context, id string, spooled int, at time.Time) error {
	return db.plain(ctx, "note a source's spool", "UPDATE source SET spooled = $1, spooled_at = $2 WHERE id = $3", int64(spooled), millis(at), id)
}

// loadSources reads what routing depends on of sources: the engines that are told
// what was done here, and those that do not say when something flaps. A silence must
// not outlive its alert, so whoever makes one is told of its end.
func (db *DB) loadSources(ctx context.Context, q querier, d *route.Directory) error {
	list, err := db.readSources(ctx, q)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		d.Sources = make(map[string]string, len(list))
	}
	for i := range list {
		s := &list[i]
		d.Sources[s.ID] = s.Name
		if s.Disabled {
			continue
		}
		if s.WriteBack.On() {
			if d.Engines == nil {
				d.Engines = map[string]route.WriteBack{}
			}
			d.Engines[s.ID] = route.WriteBack{Name: s.Name, Releases: s.WriteBack.Silence}
		}
		if !source.DetectsFlapping(s.Kind) {
			if d.FlapsHere == nil {
				d.FlapsHere = map[string]bool{}
			}
			d.FlapsHere[s.ID] = true
		}
	}
	return nil
}
