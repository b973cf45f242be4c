package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"tocsin/internal/fault"
	"tocsin/internal/push"
)

const pushKeyColumns = `id, public, private, created, retired, environment,
	(SELECT count(*) FROM push_subscription WHERE key_id = k.id)`

func (db *DB) scanPushKey(s scanner) (k push.Key, err error) {
	var created, retired int64
	if err = s.Scan(&k.ID, &k.Public, &k.Private, &created, &retired, &k.Environment, &k.Subscriptions); err != nil {
		return k, err
	}
	k.Created, k.Retired = fromMillis(created), fromMillis(retired)
	return k, db.open(pushPrivate, k.ID, k.Private, &k.Private)
}

// PushKeys lists the keys that name this server to push services, the current
// one first, then the youngest, each with how many devices are bound to it.
func (db *DB) PushKeys(ctx context.Context) ([]push.Key, error) {
	ks, err := collect(ctx, db.many, db.scanPushKey, "SELECT "+pushKeyColumns+` FROM push_key k
		ORDER BY CASE WHEN retired = 0 THEN 0 ELSE 1 END, created DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list the server's push keys: %w", err)
	}
	return ks, nil
}

// SavePushKey makes k the current key and retires the former one. Of two that
// are saved at once by two nodes, one ends as the current one and the other as
// retired. Saving the current one again changes nothing but Environment.
func (db *DB) SavePushKey(ctx context.Context, k push.Key) error {
	sealed, err := db.sealed(k.ID, pushPrivate, k.Private)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.pushKeyThing(k.ID), func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		created := k.Created
		if created.IsZero() {
			created = now
		}
		if _, err := w.exec(ctx, "UPDATE push_key SET retired = $1 WHERE retired = 0 AND id <> $2", millis(now), k.ID); err != nil {
			return fmt.Errorf("retire the push key before: %w", err)
		}
		_, err = w.exec(ctx, `INSERT INTO push_key (id, public, private, created, retired, environment) VALUES ($1, $2, $3, $4, 0, $5)
			ON CONFLICT (id) DO UPDATE SET retired = 0, environment = excluded.environment`, k.ID, k.Public, sealed[0], millis(created), k.Environment)
		if err != nil {
			return fmt.Errorf("save push key %s: %w", k.ID, err)
		}
		return nil
	})
}

// DeletePushKey deletes a retired key; fault.ErrInUse for the current one and
// while devices are bound to it, fault.ErrNotFound if there is none.
func (db *DB) DeletePushKey(ctx context.Context, id string) error {
	return db.changeOf(ctx, db.pushKeyThing(id), func(ctx context.Context, w *work) error {
		var retired int64
		err := w.row(ctx, "SELECT retired FROM push_key WHERE id = $1"+db.d.forUpdate, []any{id}, &retired)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("push key", id)
		} else if err != nil {
			return fmt.Errorf("read push key %s: %w", id, err)
		}
		if retired == 0 {
			return fmt.Errorf("push key %s is the current one, which %w", id, fault.ErrInUse)
		}
		bound, err := collect(ctx, w, scanText, "SELECT id FROM push_subscription WHERE key_id = $1 LIMIT 1", id)
		if err != nil {
			return fmt.Errorf("look for devices of push key %s: %w", id, err)
		}
		if len(bound) > 0 {
			return fmt.Errorf("devices are bound to push key %s, which %w", id, fault.ErrInUse)
		}
		return w.remove(ctx, "push key", "push_key", id)
	})
}

// secretSize is the length of a secret in bytes.
const secretSize = 32

// Secret answers the secret of that name, 32 random bytes, which all nodes
// share. It is made when it is first asked for.
func (db *DB) Secret(ctx context.Context, name string) ([]byte, error) {
	read := func(q querier) (value []byte, err error) {
		if err = q.row(ctx, "SELECT value FROM secret WHERE name = $1", []any{name}, &value); err != nil {
			return nil, err
		}
		var plain string
		err = db.open(secretValue, name, string(value), &plain)
		return []byte(plain), err
	}
	value, err := read(db.reads)
	if errors.Is(err, sql.ErrNoRows) {
		fresh := make([]byte, secretSize)
		_, _ = rand.Read(fresh) // it never fails
		sealed, failed := db.sealed(name, secretValue, string(fresh))
		if failed != nil {
			return nil, failed
		}
		err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
			if _, err = w.exec(ctx, "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, []byte(sealed[0])); err == nil {
				value, err = read(w)
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	return value, nil
}
