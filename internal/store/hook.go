package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/escalation"
	"tocsin/internal/hook"
	"tocsin/internal/route"
)

const hookColumns = "body, url, secret, token, last_sent, last_error, last_error_at, created"

func (db *DB) scanHook(s scanner) (h hook.Hook, err error) {
	var body, url, secret, token, problem string
	var sent, failed, created int64
	if err := s.Scan(&body, &url, &secret, &token, &sent, &problem, &failed, &created); err != nil {
		return h, err
	}
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		return h, fmt.Errorf("read a stored webhook: %w", err)
	}
	for _, v := range []struct {
		at     string
		sealed string
		to     *string
	}{{hookURL, url, &h.URL}, {hookSecret, secret, &h.Secret}, {hookToken, token, &h.Token}} {
		if err := db.open(v.at, h.ID, v.sealed, v.to); err != nil {
			return h, err
		}
	}
	h.LastSent, h.LastError, h.LastErrorAt, h.Created = fromMillis(sent), problem, fromMillis(failed), fromMillis(created)
	return h, nil
}

// Hooks lists all webhooks by name, with their secrets.
func (db *DB) Hooks(ctx context.Context) ([]hook.Hook, error) { return db.readHooks(ctx, db.reads) }

func (db *DB) readHooks(ctx context.Context, q querier) ([]hook.Hook, error) {
	list, err := collect(ctx, q, db.scanHook, "SELECT "+hookColumns+" FROM hook ORDER BY name_key")
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return list, nil
}

// Hook answers one webhook with its secrets, fault.ErrNotFound if there is none.
func (db *DB) Hook(ctx context.Context, id string) (hook.Hook, error) {
	return find(ctx, db.reads, db.scanHook, "webhook", id, "SELECT "+hookColumns+" FROM hook WHERE id = $1", id)
}

// SaveHook inserts or updates by ID; fault.ErrTaken when another has the name. The
// secrets are written as they are given: who does not change them passes on what was
// read. An update leaves alone what NoteHook says, and when the webhook was made.
func (db *DB) SaveHook(ctx context.Context, h hook.Hook) error {
	sealed, err := db.sealed(h.ID, hookURL, h.URL, hookSecret, h.Secret, hookToken, h.Token)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.hookThing(h.ID), func(ctx context.Context, w *work) error {
		kept := h
		kept.LastSent, kept.LastError, kept.LastErrorAt, kept.Created = time.Time{}, "", time.Time{}, time.Time{}
		_, err := w.exec(ctx, `INSERT INTO hook (id, name, name_key, body, url, secret, token, last_sent, last_error, last_error_at, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET name = excluded.name,
			name_key = excluded.name_key, body = excluded.body, url = excluded.url, secret = excluded.secret, token = excluded.token`,
			h.ID, h.Name, strings.ToLower(h.Name), encodeJSON(kept), sealed[0], sealed[1], sealed[2],
			millis(h.LastSent), h.LastError, millis(h.LastErrorAt), millis(h.Created))
		return taken(err, "webhook", h.Name)
	})
}

// DeleteHook deletes a webhook and cancels what waits for it. fault.ErrInUse, with
// the names, while rules, contacts or escalation policies name it; fault.ErrNotFound
// if there is none.
func (db *DB) DeleteHook(ctx context.Context, id string) error {
	return db.changeOf(ctx, db.hookThing(id), func(ctx context.Context, w *work) error {
		u := users{
			rule:    func(r *route.Rule) bool { return slices.Contains(r.Hooks, id) },
			contact: func(hook, _ string) bool { return hook == id },
			step:    func(s *escalation.Step) bool { return slices.Contains(s.Hooks, id) },
		}
		if err := w.unused(ctx, "webhook", id, u); err != nil {
			return err
		}
		if err := w.remove(ctx, "webhook", "hook", id); err != nil {
			return err
		}
		if err := w.cancelPlace(ctx, hookChannel, id, "the webhook was deleted"); err != nil {
			return fmt.Errorf("cancel what waits for webhook %q: %w", id, err)
		}
		return nil
	})
}

// hookChannel is the channel of deliveries to webhooks.
const hookChannel = "webhook"

// cancelPlace ends what waits for one destination of a channel, other than the
// browser, alone or together with others.
func (w *work) cancelPlace(ctx context.Context, channel, destination, why string) error {
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	ended, err := collect(ctx, w, scanEnded, `UPDATE delivery SET state = 'cancelled', detail = $3, done = $4, room = ''
		WHERE channel = $1 AND channel <> 'browser' AND destination = $2 AND `+unfinishedSQL+endedSQL,
		channel, destination, why, millis(now))
	if err != nil {
		return err
	}
	return w.endCollected(ctx, ended, now)
}

// NoteHook notes how it went with a webhook: what is wrong there, in a sentence for
// people, or that a message was taken where problem is empty. It is no change of the
// configuration. The same again within a minute writes nothing.
func (db *DB) NoteHook(ctx context.Context, id, problem string, at time.Time) error {
	problem = cleaned(problem, mostDetail)
	h, err := db.Hook(ctx, id)
	if err != nil {
		return err
	}
	before := h.LastErrorAt
	if problem == "" {
		before = h.LastSent
	}
	if h.LastError == problem && at.Sub(before).Abs() < noteRoomEvery || staleNote(problem, at, h.LastSent, h.LastErrorAt) {
		return nil
	}
	if problem == "" {
		return db.plain(ctx, "note a webhook's message", "UPDATE hook SET last_sent = $2, last_error = '', last_error_at = 0 WHERE id = $1", id, millis(at))
	}
	return db.plain(ctx, "note a webhook's trouble", "UPDATE hook SET last_error = $2, last_error_at = $3 WHERE id = $1", id, problem, millis(at))
}

// loadHooks reads the webhooks that are on.
func (db *DB) loadHooks(ctx context.Context, q querier, d *route.Directory) error {
	hooks, err := db.readHooks(ctx, q)
	if err != nil {
		return err
	}
	for i := range hooks {
		if h := &hooks[i]; !h.Disabled {
			d.Hooks = append(d.Hooks, route.Hook{ID: h.ID, Name: h.Name, Everything: h.Everything,
				Storms: h.Form == hook.JSON || h.Form == hook.Fields})
		}
	}
	return nil
}
