package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tocsin/internal/chat"
	"tocsin/internal/route"
)

// chatName is the name of the settings of Mattermost, and of what is secret in
// them, each in the table of its kind.
const chatName = "mattermost"

// chatSecrets is what of the settings is shown to nobody.
type chatSecrets struct {
	BotToken      string   `json:"bot_token,omitempty"`
	CommandHashes []string `json:"command_hashes,omitempty"`
}

// ChatSettings answers what was set for Mattermost, with its secrets; all of it
// is empty where nothing was.
func (db *DB) ChatSettings(ctx context.Context) (chat.Settings, error) {
	return db.readChatSettings(ctx, db.reads)
}

// readChatSettings reads both parts in one statement, so that they belong together.
func (db *DB) readChatSettings(ctx context.Context, q querier) (s chat.Settings, err error) {
	s, err = one(ctx, q, db.scanChatSettings, chatSettingsSQL, chatName)
	if err != nil {
		return s, fmt.Errorf("read the settings of Mattermost: %w", err)
	}
	return s, nil
}

const chatSettingsSQL = "SELECT COALESCE((SELECT value FROM setting WHERE name = $1), ''), (SELECT value FROM secret WHERE name = $1)"

func (db *DB) scanChatSettings(row scanner) (s chat.Settings, err error) {
	var text string
	var secret []byte
	if err := row.Scan(&text, &secret); err != nil {
		return s, err
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return s, fmt.Errorf("as stored: %w", err)
		}
	}
	if len(secret) > 0 {
		var k chatSecrets
		var plain string
		if err := db.open(secretValue, chatName, string(secret), &plain); err != nil {
			return s, err
		}
		if json.Unmarshal([]byte(plain), &k) != nil { // its words may quote what it read
			return s, errors.New("its stored secrets are not what was written there")
		}
		s.BotToken, s.CommandHashes = k.BotToken, k.CommandHashes
	}
	return s, nil
}

// SaveChatSettings replaces the settings of Mattermost and their secrets: who
// does not change those passes on what was read.
func (db *DB) SaveChatSettings(ctx context.Context, s chat.Settings) error {
	sealed, err := db.sealed(chatName, secretValue, encodeJSON(chatSecrets{s.BotToken, s.CommandHashes}))
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.chatThing(), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, chatName, encodeJSON(s))
		if err != nil {
			return fmt.Errorf("save the settings of Mattermost: %w", err)
		}
		_, err = w.exec(ctx, `INSERT INTO secret (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, chatName, []byte(sealed[0]))
		if err != nil {
			return fmt.Errorf("save the secrets of Mattermost: %w", err)
		}
		return nil
	})
}

// loadChat reads what routing depends on of Mattermost, when contacts and users are
// there.
func (db *DB) loadChat(ctx context.Context, q querier, d *route.Directory) error {
	s, err := db.readChatSettings(ctx, q)
	if err != nil {
		return err
	}
	d.Chat = s.Enabled
	rooms, err := db.readRooms(ctx, q)
	if err != nil {
		return err
	}
	for i := range rooms {
		if r := &rooms[i]; !r.Disabled {
			d.Rooms = append(d.Rooms, route.Room{ID: r.ID, Name: r.Name, Everything: r.Everything, Bot: r.Kind == chat.Bot})
		}
	}
	if s.BotToken == "" { // a webhook reaches its channel alone
		return nil
	}
	people, err := readPeople(ctx, q)
	if err != nil {
		return err
	}
	users := make(map[string]string, len(d.Contacts))
	for i := range d.Contacts {
		users[d.Contacts[i].ID] = d.Contacts[i].UserID
	}
	for i := range people { // of several the last that was linked
		if user := users[people[i].ContactID]; user != "" && !d.Users[user] {
			continue // may not sign in any more
		}
		if d.Direct == nil {
			d.Direct = map[string]string{}
		}
		d.Direct[people[i].ContactID] = people[i].UserID
	}
	return nil
}
