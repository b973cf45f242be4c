package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tocsin/internal/backup"
)

// RestoreOptions say how a backup is put back.
type RestoreOptions struct {
	// Force puts it where there is a database already, which is moved aside.
	Force bool
	// AsItWas keeps what waits to be told, and who is signed in: for a database that
	// moves, from which nobody was told anything since the backup. Else all that ends;
	// see settle.
	AsItWas bool
	// Tell hears of the progress.
	Tell func(table string, rows int64)
}

// Restored is what a restore did.
type Restored struct {
	Where  string // the database, for people
	Aside  string // where the one before is now; empty: there was none
	Schema int64  // what it was brought to
	Rows   int64
	Ended  int64 // messages that waited and are not told any more
}

// ErrNotEmpty says that there is a database already where a backup is to go.
var ErrNotEmpty = errors.New("there is a database already")

// Restore puts a backup into an empty database, of either engine: it makes the
// schema that the backup has, fills it, and brings it up to date. That happens
// beside what is there, which takes its place in one step when all of it is good;
// before that nothing is touched. open begins to read the backup.
//
// It fails while a hub serves from the database, and with ErrNotEmpty where there
// is one already, unless Force moves that aside.
func Restore(ctx context.Context, o Options, open func() (*backup.Reader, error), ro RestoreOptions) (Restored, error) {
	r, err := open()
	if err != nil {
		return Restored{}, err
	}
	know, err := newest()
	if err != nil {
		return Restored{}, err
	}
	if have := r.Manifest.Schema; have > know {
		return Restored{}, newerError("the backup", have, know)
	} else if have < 1 {
		return Restored{}, fmt.Errorf("%w: its schema is %d", backup.ErrDamaged, have)
	}
	if ro.Tell == nil {
		ro.Tell = func(string, int64) {}
	}
	if path, lite := o.sqlitePath(); lite {
		return restoreSQLite(ctx, path, r, know, ro)
	}
	return restorePostgres(ctx, o.URL, r, know, ro)
}

// filling is an empty database that a backup is put into.
type filling struct {
	pool   *sql.DB
	d      dialect
	insert func(ctx context.Context, t backup.Table, next func(values []any) error) (int64, error)
}

// fill answers how many rows were put in, and how many messages were ended.
func (f *filling) fill(ctx context.Context, r *backup.Reader, know int64, ro RestoreOptions) (rows, ended int64, err error) {
	m := r.Manifest
	tables, err := tablesOf(ctx, m.Schema)
	if err != nil {
		return 0, 0, err
	}
	if err := migrateTo(ctx, f.pool, f.d, m.Schema); err != nil {
		return 0, 0, err
	}
	for _, t := range slices.Backward(tables) { // what migrations put there is in the backup too
		if _, err := f.pool.ExecContext(ctx, "DELETE FROM "+quoted(t.Name)); err != nil { //nolint:gosec // names are of our own schema, quoted
			return 0, 0, fmt.Errorf("empty the table %s: %w", t.Name, err)
		}
	}
	missing := map[string]backup.Table{}
	for _, t := range tables {
		missing[t.Name] = t
	}
	for {
		t, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, 0, err
		}
		if err := f.fillTable(ctx, r, t, missing, &rows, ro.Tell); err != nil {
			return 0, 0, err
		}
	}
	for name := range missing {
		return 0, 0, fmt.Errorf("%w: it lacks the table %s", backup.ErrDamaged, name)
	}
	if err := migrateTo(ctx, f.pool, f.d, know); err != nil {
		return 0, 0, err
	}
	ended, err = f.settle(ctx, m.Made, ro.AsItWas)
	return rows, ended, err
}

func (f *filling) fillTable(ctx context.Context, r *backup.Reader, t backup.Table, missing map[string]backup.Table, rows *int64, tell func(string, int64)) error {
	ours, ok := missing[t.Name]
	if !ok {
		return fmt.Errorf("%w: its table %.60q is none of this schema, or comes twice", backup.ErrDamaged, t.Name)
	}
	delete(missing, t.Name)
	if len(t.Columns) != len(ours.Columns) {
		return fmt.Errorf("%w: its table %s has %d columns and not %d", backup.ErrDamaged, t.Name, len(t.Columns), len(ours.Columns))
	}
	seen := map[string]bool{}
	for _, c := range t.Columns {
		if !slices.Contains(ours.Columns, c) || seen[c.Name] {
			return fmt.Errorf("%w: the column %.60q of its table %s is none of this schema", backup.ErrDamaged, c.Name, t.Name)
		}
		seen[c.Name] = true
	}
	tell(t.Name, *rows)
	var given int64
	n, err := f.insert(ctx, t, func(values []any) error {
		if err := r.Row(values); err != nil {
			return err
		}
		if given++; (*rows+given)%tellEvery == 0 {
			tell(t.Name, *rows+given)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fill the table %s: %w", t.Name, err)
	}
	var there int64
	if err := f.pool.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(t.Name)).Scan(&there); err != nil {
		return fmt.Errorf("count the table %s: %w", t.Name, err)
	}
	if n != given || there != given {
		return fmt.Errorf("the table %s has %d rows and not the %d of the backup", t.Name, there, given)
	}
	*rows += given
	return nil
}

// settle makes of a database as it was one to go on with. Nobody knows what was
// told, and what happened, since the backup was made. So nothing that waited then
// is told: neither messages about alerts, nor the next step of a policy, nor what
// was on its way to visitors or to an engine. Nobody is signed in, for a session may have been
// ended since. What alerts and pages are is as it was; engines and people say what
// has changed. With asItWas that is left as it is.
//
// In any case numbers that others remember begin far behind what they can have been: of
// live frames, of the configuration and of pages.
func (f *filling) settle(ctx context.Context, made time.Time, asItWas bool) (ended int64, err error) {
	const leap = "1000000"
	now := millis(time.Now())
	why := "not told: it waited when the backup of " + made.UTC().Format("2006-01-02 15:04 MST") +
		" was made, which was restored; whether it was told since then is not known"
	type change struct {
		query string
		args  []any
		into  *int64
	}
	list := []change{
		{"UPDATE counter SET value = value + " + leap + " WHERE name IN ('live', 'config')", nil, nil},
		{"UPDATE page SET version = version + " + leap + ", days = days + " + leap, nil, nil},
		{"DELETE FROM live_event", nil, nil},
	}
	if !asItWas {
		list = append(list, []change{
			{"UPDATE delivery SET state = 'cancelled', done = $1, detail = $2, room = '' WHERE state IN ('waiting', 'handed', 'collected')", []any{now, why}, &ended},
			{"DELETE FROM pace", nil, nil},
			{"UPDATE escalation SET due = 0", nil, nil},
			{"DELETE FROM publication_retry", nil, nil},
			{"DELETE FROM visitor_retry", nil, nil},
			{"UPDATE publication_piece SET done = TRUE WHERE NOT done", nil, nil},
			{"UPDATE publication SET planned = TRUE, finished = $1 WHERE finished = 0", []any{now}, nil},
			{"UPDATE visitor_part SET done = TRUE, waits = '', finished = $1 WHERE finished = 0", []any{now}, nil},
			{"DELETE FROM session", nil, nil},
			{"DELETE FROM sign_in_step", nil, nil},
		}...)
	}
	tx, err := f.pool.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("settle what was restored: %w", err)
	}
	defer tx.Rollback()
	for _, c := range list {
		res, err := tx.ExecContext(ctx, c.query, c.args...)
		if err != nil {
			return 0, fmt.Errorf("settle what was restored: %w", err)
		}
		if c.into != nil {
			if *c.into, err = res.RowsAffected(); err != nil {
				return 0, fmt.Errorf("settle what was restored: %w", err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("settle what was restored: %w", err)
	}
	return ended, nil
}
