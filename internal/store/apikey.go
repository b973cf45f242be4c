package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/auth"
)

const apiKeyColumns = "id, name, hash, hint, scopes, created, last_used, expires, revoked, last_address"

func scanAPIKey(s scanner) (auth.APIKey, error) {
	var k auth.APIKey
	var scopes string
	var created, used, expires, revoked int64
	if err := s.Scan(&k.ID, &k.Name, &k.Hash, &k.Hint, &scopes, &created, &used, &expires, &revoked, &k.LastUsedBy); err != nil {
		return k, err
	}
	k.CreatedAt, k.LastUsedAt, k.ExpiresAt, k.RevokedAt = fromMillis(created), fromMillis(used), fromMillis(expires), fromMillis(revoked)
	var err error
	k.Scopes, err = decodeList[auth.Scope](scopes)
	return k, err
}

// APIKeys lists all keys by name, revoked ones too.
func (db *DB) APIKeys(ctx context.Context) ([]auth.APIKey, error) {
	ks, err := collect(ctx, db.reads, scanAPIKey, "SELECT "+apiKeyColumns+" FROM api_key ORDER BY name_key, created, id")
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return ks, nil
}

// APIKeyByHash answers one key, also a revoked or expired one; fault.ErrNotFound if there is none.
func (db *DB) APIKeyByHash(ctx context.Context, hash string) (auth.APIKey, error) {
	k, err := find(ctx, db.reads, scanAPIKey, "API key", "", "SELECT "+apiKeyColumns+" FROM api_key WHERE hash = $1", hash)
	return k, err
}

// SaveAPIKey inserts or updates by ID; fault.ErrTaken when another key that is
// not revoked has the name, without regard to case.
func (db *DB) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	return db.changeOf(ctx, keyThing(k.ID), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO api_key (id, name, name_key, hash, hint, scopes, created, last_used, expires, revoked)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET name = excluded.name,
			name_key = excluded.name_key, hash = excluded.hash, hint = excluded.hint, scopes = excluded.scopes,
			created = excluded.created, last_used = excluded.last_used, expires = excluded.expires, revoked = excluded.revoked`,
			k.ID, k.Name, strings.ToLower(k.Name), k.Hash, k.Hint, encodeList(k.Scopes), millis(k.CreatedAt), millis(k.LastUsedAt),
			millis(k.ExpiresAt), millis(k.RevokedAt))
		return taken(err, "API key", k.Name)
	})
}

// TouchAPIKey notes the time of the last use, and the address it came from.
func (db *DB) TouchAPIKey(ctx context.Context, id string, at time.Time, address string) error {
	return db.plain(ctx, "note the use of an API key", "UPDATE api_key SET last_used = $1, last_address = $3 WHERE id = $2 AND last_used < $1", millis(at), id, address)
}
