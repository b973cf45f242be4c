package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/mail"
)

// mailName is the name of the settings of e-mail, and of the password in them,
// each in the table of its kind.
const mailName = "email"

// MailSettings answers what was set for e-mail, with its password.
func (db *DB) MailSettings(ctx context.Context) (mail.Settings, error) {
	return db.readMailSettings(ctx, db.reads)
}

func (db *DB) readMailSettings(ctx context.Context, q querier) (mail.Settings, error) {
	s := mail.Settings{Security: mail.StartTLS}
	var text string
	var secret []byte
	err := q.row(ctx, "SELECT COALESCE((SELECT value FROM setting WHERE name = $1), ''), (SELECT value FROM secret WHERE name = $1)",
		[]any{mailName}, &text, &secret)
	if err != nil {
		return s, fmt.Errorf("read the settings of e-mail: %w", err)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return s, fmt.Errorf("read the stored settings of e-mail: %w", err)
		}
	}
	return s, db.open(secretValue, mailName, string(secret), &s.Password)
}

// SaveMailSettings replaces the settings of e-mail and the password: who does not
// change that passes on what was read.
func (db *DB) SaveMailSettings(ctx context.Context, s mail.Settings) error {
	sealed, err := db.sealed(mailName, secretValue, s.Password)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.mailThing(), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, mailName, encodeJSON(s))
		if err != nil {
			return fmt.Errorf("save the settings of e-mail: %w", err)
		}
		_, err = w.exec(ctx, `INSERT INTO secret (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, mailName, []byte(sealed[0]))
		if err != nil {
			return fmt.Errorf("save the password of e-mail: %w", err)
		}
		return nil
	})
}
