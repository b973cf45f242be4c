package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"tocsin/internal/audit"
	"tocsin/internal/vault"
)

// Lost is what of one kind nobody can open any more.
type Lost struct {
	What  string   // for people: "the private key of Web Push"
	Names []string // of what; empty where there are too many to be of use
	Count int
	Mend  string // what is to be done after it was given up
}

// ErrNotLost says that secrets can be opened: there is no reason to give them up.
var ErrNotLost = errors.New("the key that secrets are sealed with is here: nothing is lost")

// LostKey is the key from outside that a database needs, and that was not found.
type LostKey struct {
	ID    string
	Where string // it was looked for, for people
	// Other says that another key was there. Where none was at all, hubs may well have
	// the right one from where nobody looked: the environment of their service.
	Other bool
}

// LostKey answers which key is lost, of a database that was opened with
// Options.KeyLost.
func (db *DB) LostKey() LostKey { return db.vault.needs }

// lostKind is a column of secrets, when they are lost.
type lostKind struct {
	column     string // as in the constants
	what, mend string
	name       string // of the row, in SQL; empty: not told
	row        bool   // the row is of no use without it and goes
}

func lostKinds() []lostKind {
	return []lostKind{
		{sourceBackSecret, "passwords and tokens for engines", "Give them again under Sources; until then these engines are not told of acknowledgements.", "name", false},
		{sourceSecret, "secrets that engines sign their requests with", "Give them again under Sources at once: until then the token of the source alone lets events in.", "name", false},
		{hookURL, "addresses of webhooks", "Give them again under Webhooks.", "name", false},
		{hookSecret, "secrets that webhooks are signed with", "Give them again under Webhooks.", "name", false},
		{hookToken, "tokens of webhooks", "Give them again under Webhooks.", "name", false},
		{roomURL, "addresses of rooms of Mattermost", "Give them again under Mattermost.", "name", false},
		{secretValue, "tokens and passwords of settings, and what signs our own tokens", "Give the bot’s token, the password of the mail server and the address that is pinged again, where there were any; what signs is made anew: buttons and links that were sent before do nothing.", "name", true},
		{pushPrivate, "private keys of Web Push", "Give VAPID_PRIVATE_KEY again where it came from there; else a new pair is made, and devices subscribe anew when their browsers next open the console or the page.", "id", true},
		{visitorAddress, "addresses of subscribers of public pages", "They subscribe again: nobody knows who they were.", "", true},
		{visitorSecret, "secrets of subscribers’ webhooks", "They subscribe again.", "", true},
		{certificateKey, "private keys of certificates", "New ones are ordered by themselves.", "name", true},
		{acmeKey, "accounts at certificate authorities", "New ones are made by themselves.", "directory", true},
	}
}

// columnsOfSecrets are secretColumns by their names.
func columnsOfSecrets() map[string]secretColumn {
	columns := map[string]secretColumn{}
	for _, c := range secretColumns() {
		columns[c.name] = c
	}
	return columns
}

// sealedAtAll is the condition for what is sealed with whatever key.
func (c secretColumn) sealedAtAll() (where string, arg any) {
	where = fmt.Sprintf("substr(%s, 1, %d) = $1", c.column, len(vault.Mark))
	if c.bytes {
		return where, []byte(vault.Mark)
	}
	return where, vault.Mark
}

// LostSecrets lists what cannot be opened without the key, of a database that was
// opened with Options.KeyLost.
func (db *DB) LostSecrets(ctx context.Context) ([]Lost, error) { return lostSecrets(ctx, db.reads) }

func lostSecrets(ctx context.Context, q querier) (all []Lost, err error) {
	columns := columnsOfSecrets()
	for _, k := range lostKinds() {
		c := columns[k.column]
		where, mark := c.sealedAtAll()
		lost := Lost{What: k.what, Mend: k.mend}
		if k.name == "" {
			err = q.row(ctx, "SELECT count(*) FROM "+c.table+" WHERE "+where, []any{mark}, &lost.Count)
		} else {
			lost.Names, err = collect(ctx, q, scanText, "SELECT "+k.name+" FROM "+c.table+" WHERE "+where+" ORDER BY 1", mark)
			lost.Count = len(lost.Names)
		}
		if err != nil {
			return nil, fmt.Errorf("list what is lost of %s: %w", k.what, err)
		}
		if lost.Count > 0 {
			all = append(all, lost)
		}
	}
	return all, nil
}

// GiveUpSecrets removes what cannot be opened without the key, and the keys that it
// opened, so that a hub can start again, with another one. Nothing but secrets is
// removed, and rows that are of no use without theirs; and nothing while a hub serves,
// which has the key, and would go on sealing with what nobody opens after it.
// ErrNotLost where somebody else gave them up since the database was opened.
func (db *DB) GiveUpSecrets(ctx context.Context) (all []Lost, err error) {
	if err := db.nobodyServes(ctx, db.reads); err != nil {
		return nil, fmt.Errorf("give up secrets: %w", err)
	}
	err = db.change(ctx, func(ctx context.Context, w *work) error {
		if err := db.alone(ctx, w); err != nil {
			return err
		}
		if err := db.withoutKey(ctx, w); err != nil {
			return err
		}
		if all, err = lostSecrets(ctx, w); err != nil {
			return err
		}
		columns := columnsOfSecrets()
		for _, k := range lostKinds() {
			c := columns[k.column]
			where, mark := c.sealedAtAll()
			query := "UPDATE " + c.table + " SET " + c.column + " = '' WHERE " + where
			if k.row {
				query = "DELETE FROM " + c.table + " WHERE " + where
			}
			if _, err := w.exec(ctx, query, mark); err != nil {
				return fmt.Errorf("give up %s: %w", k.what, err)
			}
		}
		if _, err := w.exec(ctx, "DELETE FROM vault_key"); err != nil {
			return fmt.Errorf("give up the keys of secrets: %w", err)
		}
		total := 0
		for _, l := range all {
			total += l.Count
		}
		return w.record(ctx, audit.Entry{Action: "secret_key.given_up", Subject: audit.Subject{Kind: "secret_key", ID: "secret_key", Name: "Key of secrets"},
			Note: fmt.Sprintf("The key of secrets was lost; %d secrets were given up.", total)})
	})
	if err != nil {
		return nil, fmt.Errorf("give up secrets: %w", err)
	}
	return all, nil
}

// alone keeps hubs from reading the keys until w ends, and fails while one serves: who
// connected before is seen, and who connects from now on finds the keys gone.
func (db *DB) alone(ctx context.Context, w *work) error {
	if db.d.engine != enginePostgres {
		return nil // Options.Exclusive sees to it
	}
	if _, err := w.exec(ctx, "LOCK TABLE vault_key IN ACCESS EXCLUSIVE MODE"); err != nil {
		return fmt.Errorf("keep hubs from starting: %w", err)
	}
	return db.nobodyServes(ctx, w)
}

// nobodyServes fails while a hub, or a command, has the database open. A transaction
// gets one answer, however often it asks.
func (db *DB) nobodyServes(ctx context.Context, q querier) error {
	if db.d.engine != enginePostgres {
		return nil
	}
	var n int
	err := q.row(ctx, servedBy, []any{db.vault.hubs}, &n)
	return served(n, err)
}

// withoutKey is openVault for a database whose key is lost. A key that is there and
// cannot be read, because the disk or its mode is wrong, is not.
func (db *DB) withoutKey(ctx context.Context, q querier) error {
	rows, err := readInnerKeys(ctx, q)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return ErrNotLost
	}
	from := db.vault.source
	from.Make = false
	outer, ok, err := from.Read()
	db.vault.needs = LostKey{ID: rows[0].outer, Where: db.vault.source.Where(), Other: ok || err != nil}
	var unread *fs.PathError
	if errors.As(err, &unread) {
		return err //nolint:wrapcheck // a sentence for people
	}
	if _, was := db.pendingKey(rows[0].outer); was {
		return ErrNotLost
	}
	if err != nil || !ok {
		return nil //nolint:nilerr // a key that is none opens nothing
	}
	if rows[0].outer == outer.ID() {
		if _, err := vault.Unwrap(outer, rows[0].id, rows[0].sealed); err == nil {
			return ErrNotLost
		}
	}
	return nil
}
