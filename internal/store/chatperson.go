package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

const personColumns = "user_id, name, contact_id, linked"

func scanPerson(s scanner) (chat.Person, error) {
	var p chat.Person
	var linked int64
	err := s.Scan(&p.UserID, &p.Name, &p.ContactID, &linked)
	p.Linked = fromMillis(linked)
	return p, err
}

// People lists the users of Mattermost that are linked to contacts, the first
// that was linked first.
func (db *DB) People(ctx context.Context) ([]chat.Person, error) { return readPeople(ctx, db.reads) }

func readPeople(ctx context.Context, q querier) ([]chat.Person, error) {
	list, err := collect(ctx, q, scanPerson, "SELECT "+personColumns+" FROM chat_person ORDER BY linked, user_id")
	if err != nil {
		return nil, fmt.Errorf("list who is linked in Mattermost: %w", err)
	}
	return list, nil
}

// Person answers who a user of Mattermost is here; fault.ErrNotFound if it is
// linked to no contact.
func (db *DB) Person(ctx context.Context, userID string) (chat.Person, error) {
	return find(ctx, db.reads, scanPerson, "user of Mattermost", userID, "SELECT "+personColumns+" FROM chat_person WHERE user_id = $1", userID)
}

// SavePerson links a user of Mattermost to a contact, and to no other one any
// more; a contact may have several. fault.ErrNotFound when there is no such
// contact. Saving what is known already is no change.
func (db *DB) SavePerson(ctx context.Context, p chat.Person) error {
	p.Name = cleaned(p.Name, mostName)
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		// In PostgreSQL the contact is held, so that it cannot go at this moment.
		_, err := find(ctx, w, scanText, "contact", p.ContactID, "SELECT id FROM contact WHERE id = $1"+db.d.forUpdate, p.ContactID)
		if err != nil {
			return err
		}
		return w.recorded(ctx, personThing(p.UserID), func() error {
			n, err := w.exec(ctx, "INSERT INTO chat_person ("+personColumns+`) VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE SET
				name = excluded.name, contact_id = excluded.contact_id, linked = excluded.linked
				WHERE chat_person.name <> excluded.name OR chat_person.contact_id <> excluded.contact_id OR chat_person.linked <> excluded.linked`,
				p.UserID, p.Name, p.ContactID, millis(p.Linked))
			if err != nil || n == 0 {
				return err
			}
			return w.raise(ctx)
		})
	})
	if err != nil {
		return fmt.Errorf("link user %q of Mattermost: %w", p.UserID, err)
	}
	return nil
}

// DeletePerson ends that a user of Mattermost is a contact; fault.ErrNotFound if
// it is none.
func (db *DB) DeletePerson(ctx context.Context, userID string) error {
	return db.changeOf(ctx, personThing(userID), func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "DELETE FROM chat_person WHERE user_id = $1", userID)
		if err != nil {
			return fmt.Errorf("unlink user %q of Mattermost: %w", userID, err)
		}
		if n == 0 {
			return notFound("user of Mattermost", userID)
		}
		return nil
	})
}

// SaveLink keeps a one-time link until it is taken or its time has passed.
func (db *DB) SaveLink(ctx context.Context, l chat.Link) error {
	return db.plain(ctx, "save a link", "INSERT INTO chat_link (hash, user_id, name, expires) VALUES ($1, $2, $3, $4)",
		l.Hash, l.UserID, cleaned(l.Name, mostName), millis(l.Expires))
}

func scanLink(s scanner) (chat.Link, error) {
	var l chat.Link
	var expires int64
	err := s.Scan(&l.Hash, &l.UserID, &l.Name, &expires)
	l.Expires = fromMillis(expires)
	return l, err
}

// oneLink answers a link without saying which one there is not: it may come from
// anybody.
func oneLink(ctx context.Context, q querier, query, hash string, now time.Time) (chat.Link, error) {
	l, err := one(ctx, q, scanLink, query, hash, millis(now))
	if errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("link: %w", fault.ErrNotFound)
	} else if err != nil {
		return l, fmt.Errorf("read a link: %w", err)
	}
	return l, nil
}

// PeekLink answers a link without using it; fault.ErrNotFound when there is none,
// or it was taken, or has expired.
func (db *DB) PeekLink(ctx context.Context, hash string, now time.Time) (chat.Link, error) {
	return oneLink(ctx, db.reads, "SELECT hash, user_id, name, expires FROM chat_link WHERE hash = $1 AND expires > $2", hash, now)
}

// TakeLink answers a link and deletes it: of many at once exactly one gets it. The
// others, and whoever comes when it has expired, get fault.ErrNotFound.
func (db *DB) TakeLink(ctx context.Context, hash string, now time.Time) (l chat.Link, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
		l, err = oneLink(ctx, w, "DELETE FROM chat_link WHERE hash = $1 AND expires > $2 RETURNING hash, user_id, name, expires", hash, now)
		return err
	})
	return l, err
}
