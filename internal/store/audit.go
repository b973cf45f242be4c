package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/audit"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
)

// thing is what a change is about, as the trail knows it.
type thing struct {
	kind, id string
	// state reads it as it is; fault.ErrNotFound where there is none.
	state func(ctx context.Context, w *work) (*audit.State, error)
}

// changeOf is change with a line in the trail: the thing is read before and after fn,
// and what differs is written in the same transaction. Where nothing differs, nothing
// is written.
func (db *DB) changeOf(ctx context.Context, t thing, fn func(ctx context.Context, w *work) error) error {
	return db.change(ctx, func(ctx context.Context, w *work) error {
		return w.recorded(ctx, t, func() error { return fn(ctx, w) })
	})
}

// recorded runs fn and writes into the trail what it made of a thing.
func (w *work) recorded(ctx context.Context, t thing, fn func() error) error {
	before, err := w.stateOf(ctx, t)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	after, err := w.stateOf(ctx, t)
	if err != nil {
		return err
	}
	changes, err := audit.Diff(before, after)
	if err != nil {
		return err
	}
	e := audit.Entry{Subject: audit.Subject{Kind: t.kind, ID: t.id}, Changes: changes}
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		e.Action, e.Subject.Name = t.kind+".created", after.Name
	case after == nil:
		e.Action, e.Subject.Name = t.kind+".deleted", before.Name
	case len(changes) == 0:
		return nil
	default:
		e.Action, e.Subject.Name = t.kind+".changed", after.Name
	}
	return w.record(ctx, e)
}

func (w *work) stateOf(ctx context.Context, t thing) (*audit.State, error) {
	s, err := t.state(ctx, w)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

const auditTrailColumns = "id, happened, actor_kind, actor_id, actor, address, action, subject_kind, subject_id, subject, note, changes"

// mostChanges is how long the JSON of what changed may be; more is left out, with the
// names of the fields.
const mostChanges = 64 << 10

// record writes a line of the trail.
func (w *work) record(ctx context.Context, e audit.Entry) error {
	e = e.Fill(ctx)
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	if e.At.IsZero() {
		e.At = now
	}
	if e.ID == "" {
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
	_, err = w.exec(ctx, "INSERT INTO audit ("+auditTrailColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		e.ID, millis(e.At), string(e.Actor.Kind), e.Actor.ID, cleaned(e.Actor.Name, mostName), cleaned(e.Address, mostName), e.Action,
		e.Subject.Kind, e.Subject.ID, cleaned(e.Subject.Name, mostDetail), cleaned(e.Note, mostDetail), encodeChanges(e.Changes))
	if err != nil {
		return fmt.Errorf("write %s into the audit trail: %w", e.Action, err)
	}
	return nil
}

func encodeChanges(list []audit.Change) string {
	if len(list) == 0 {
		return ""
	}
	text := encodeJSON(list)
	if len(text) <= mostChanges {
		return text
	}
	short := make([]audit.Change, len(list))
	for i, c := range list {
		short[i] = c
		if len(c.Before)+len(c.After) > mostChanges/(2*len(list)) {
			short[i] = audit.Change{Field: c.Field, Before: cutValue(c.Before), After: cutValue(c.After)}
		}
	}
	return encodeJSON(short)
}

// cutValue says of a value that is too long to be kept how long it was.
func cutValue(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return json.RawMessage(encodeJSON(fmt.Sprintf("(%d characters, not kept)", len(raw))))
}

// Record writes a line of the audit trail by itself.
func (db *DB) Record(ctx context.Context, e audit.Entry) error {
	return db.write(ctx, func(ctx context.Context, w *work) error { return w.record(ctx, e) })
}

// PruneTrail deletes up to limit lines of the audit trail from before a time, of both
// of its tables. It answers how many; call it again while that is limit or more.
func (db *DB) PruneTrail(ctx context.Context, before time.Time, limit int) (total int, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		total = 0
		for _, table := range []string{"audit", "page_audit"} {
			n, err := w.exec(ctx, "DELETE FROM "+table+" WHERE "+db.d.among("id", "SELECT id FROM "+table+" WHERE happened < $1 ORDER BY happened LIMIT $2"),
				millis(before), int64(limit))
			if err != nil {
				return fmt.Errorf("delete from the audit trail what is older than %s: %w", before.Format(time.DateOnly), err)
			}
			total += int(n)
		}
		return nil
	})
	return total, err
}

func (t *tx) writeTrail(ctx context.Context, c *dispatch.Changes) error {
	for i := range c.Trail {
		if err := t.record(ctx, c.Trail[i]); err != nil {
			return err
		}
	}
	return nil
}
