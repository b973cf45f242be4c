package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/escalation"
	"tocsin/internal/route"
)

const roomColumns = `id, name, kind, webhook_url, override, team, channel, channel_id, everything, disabled,
	last_post, last_error, last_error_at, created`

func (db *DB) scanRoom(s scanner) (chat.Room, error) {
	var r chat.Room
	var kind string
	var post, failed, created int64
	err := s.Scan(&r.ID, &r.Name, &kind, &r.WebhookURL, &r.Override, &r.Team, &r.Channel, &r.ChannelID, &r.Everything, &r.Disabled,
		&post, &r.LastError, &failed, &created)
	r.Kind, r.LastPost, r.LastErrorAt, r.Created = chat.Kind(kind), fromMillis(post), fromMillis(failed), fromMillis(created)
	if err == nil {
		err = db.open(roomURL, r.ID, r.WebhookURL, &r.WebhookURL)
	}
	return r, err
}

// Rooms lists all rooms of Mattermost by name, with their webhooks' addresses.
func (db *DB) Rooms(ctx context.Context) ([]chat.Room, error) { return db.readRooms(ctx, db.reads) }

func (db *DB) readRooms(ctx context.Context, q querier) ([]chat.Room, error) {
	list, err := collect(ctx, q, db.scanRoom, "SELECT "+roomColumns+" FROM chat_room ORDER BY name_key")
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	return list, nil
}

// Room answers one room, fault.ErrNotFound if there is none.
func (db *DB) Room(ctx context.Context, id string) (chat.Room, error) {
	return find(ctx, db.reads, db.scanRoom, "room", id, "SELECT "+roomColumns+" FROM chat_room WHERE id = $1", id)
}

// SaveRoom inserts or updates by ID; fault.ErrTaken when another has the name. An
// update leaves alone what NoteRoom says, and when the room was made. The id of a
// bot's channel that is not given is kept while team and channel are the same.
func (db *DB) SaveRoom(ctx context.Context, r chat.Room) error {
	sealed, err := db.sealed(r.ID, roomURL, r.WebhookURL)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.roomThing(r.ID), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO chat_room (id, name, name_key, kind, webhook_url, override, team, channel, channel_id, everything,
			disabled, last_post, last_error, last_error_at, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO UPDATE SET
			name = excluded.name, name_key = excluded.name_key, kind = excluded.kind, webhook_url = excluded.webhook_url,
			override = excluded.override, team = excluded.team, channel = excluded.channel,
			channel_id = CASE WHEN excluded.channel_id = '' AND excluded.team = chat_room.team AND excluded.channel = chat_room.channel
			AND excluded.kind = chat_room.kind THEN chat_room.channel_id ELSE excluded.channel_id END,
			everything = excluded.everything, disabled = excluded.disabled`,
			r.ID, r.Name, strings.ToLower(r.Name), string(r.Kind), sealed[0], r.Override, r.Team, r.Channel, r.ChannelID, r.Everything,
			r.Disabled, millis(r.LastPost), r.LastError, millis(r.LastErrorAt), millis(r.Created))
		return taken(err, "room", r.Name)
	})
}

// DeleteRoom deletes a room with what is known of its posts, whose buttons act no
// more, and cancels what waits for it. fault.ErrInUse, with the names, while rules,
// contacts or escalation policies name it; fault.ErrNotFound if there is none.
func (db *DB) DeleteRoom(ctx context.Context, id string) error {
	return db.changeOf(ctx, db.roomThing(id), func(ctx context.Context, w *work) error {
		u := users{
			rule:    func(r *route.Rule) bool { return slices.Contains(r.Rooms, id) },
			contact: func(_, room string) bool { return room == id },
			step:    func(s *escalation.Step) bool { return slices.Contains(s.Rooms, id) },
		}
		if err := w.unused(ctx, "room", id, u); err != nil {
			return err
		}
		if err := w.remove(ctx, "room", "chat_room", id); err != nil {
			return err
		}
		if err := w.each(ctx, id, "DELETE FROM chat_button WHERE destination = $1", "DELETE FROM chat_post WHERE destination = $1"); err != nil {
			return fmt.Errorf("delete what is known of the posts in room %q: %w", id, err)
		}
		if err := w.cancelPlace(ctx, route.Mattermost, id, "the room was deleted"); err != nil {
			return fmt.Errorf("cancel what waits for room %q: %w", id, err)
		}
		return nil
	})
}

// noteRoomEvery is how often the time alone of a room's last post or trouble is
// written.
const noteRoomEvery = time.Minute

// NoteRoom notes how it went with a room: what is wrong there, in a sentence for
// people, or that a message was taken where problem is empty. It is no change of
// the configuration. The same again within a minute writes nothing.
func (db *DB) NoteRoom(ctx context.Context, id string, at time.Time, problem string) error {
	problem = cleaned(problem, mostDetail)
	r, err := db.Room(ctx, id)
	if err != nil {
		return err
	}
	before := r.LastErrorAt
	if problem == "" {
		before = r.LastPost
	}
	if r.LastError == problem && at.Sub(before).Abs() < noteRoomEvery || staleNote(problem, at, r.LastPost, r.LastErrorAt) {
		return nil
	}
	if problem == "" {
		return db.plain(ctx, "note a room's post", "UPDATE chat_room SET last_post = $2, last_error = '', last_error_at = 0 WHERE id = $1", id, millis(at))
	}
	return db.plain(ctx, "note a room's trouble", "UPDATE chat_room SET last_error = $2, last_error_at = $3 WHERE id = $1", id, problem, millis(at))
}

// staleNote says whether something newer was noted already: of two messages under
// way at once, the later one's note may be written first.
func staleNote(problem string, at, wentWell, failed time.Time) bool {
	if problem == "" {
		return failed.After(at)
	}
	return wentWell.After(at)
}
