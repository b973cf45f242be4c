package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/simulate"
)

// OpenReadOnly opens a database that is there, to read alone: no file is made, no
// schema brought up to date, and the engine itself refuses every change. It is for
// commands beside a hub that only look.
func OpenReadOnly(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{node: o.Node, log: o.Log, vault: safe{source: o.Secrets}}
	db.wakes.init()
	err := db.readOnly(ctx, o)
	if err == nil {
		err = db.upToDate(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) readOnly(ctx context.Context, o Options) error {
	kind, _, _ := strings.Cut(o.URL, ":")
	switch kind {
	case "", "sqlite":
		db.d = sqliteDialect()
		path := strings.TrimPrefix(o.URL, "sqlite:")
		if path == "" {
			path = "tocsin.db"
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(o.DataDir, path)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database %s: name its folder with --data, or run the hub once", path)
		} else if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		db.vault.source = besideSQLite(o, path)
		q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(ON)", "temp_store(MEMORY)", "cache_size(-32768)"}}
		address := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
		pool, err := sql.Open("sqlite", address)
		if err != nil {
			return fmt.Errorf("open the database %s to read: %w", path, err)
		}
		db.pools = append(db.pools, pool)
		db.reads = &statements{pool: pool, prepare: true}
	case "postgres", "postgresql":
		db.d = postgresDialect()
		cfg, err := pgx.ParseConfig(o.URL)
		if err != nil {
			return fmt.Errorf("read the database URL: %w", err)
		}
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
		pool := stdlib.OpenDB(*cfg)
		db.pools = append(db.pools, pool)
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("connect to the PostgreSQL database %s on %s:%d: %w", cfg.Database, cfg.Host, cfg.Port, err)
		}
		db.reads = &statements{pool: pool}
	default:
		return fmt.Errorf("the database URL begins with %q: write sqlite:PATH or postgres://USER@HOST/NAME", kind+":")
	}
	db.many = db.reads
	db.t = newTables(db.d)
	return nil
}

// upToDate refuses a schema that is not this program's.
func (db *DB) upToDate(ctx context.Context) error {
	have, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	p, err := migrator(db.pools[0], db.d)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	know := sources[len(sources)-1].Version
	switch {
	case have > know:
		return fmt.Errorf("the database was made by a newer version of Tocsin (its schema is %d, this program knows %d): use that one", have, know)
	case have < know:
		return fmt.Errorf("the database is of an older version of Tocsin (its schema is %d, this program's %d): start the hub of this version once, which brings it up to date", have, know)
	}
	return nil
}

// SimulationPlan is what is set at one moment.
func (db *DB) SimulationPlan(ctx context.Context) (p simulate.Plan, err error) {
	// Several statements: what is changed between them is read once more.
	for range 5 {
		var before, after int64
		if err = db.reads.row(ctx, configVersionSQL, nil, &before); err != nil {
			return p, fmt.Errorf("read the configuration's version: %w", err)
		}
		if p.Directory, err = db.loadDirectory(ctx, db.reads); err != nil {
			return p, err
		}
		if p.Settings, err = readSettings(ctx, db.reads); err != nil {
			return p, err
		}
		if p.Sources, err = db.readSources(ctx, db.reads); err != nil {
			return p, err
		}
		if err = db.reads.row(ctx, configVersionSQL, nil, &after); err != nil {
			return p, fmt.Errorf("read the configuration's version: %w", err)
		}
		if before == after {
			break
		}
	}
	for i := range p.Sources { // nobody needs them there
		p.Sources[i].Secret, p.Sources[i].WriteBack.Secret, p.Sources[i].TokenHash = "", "", ""
	}
	return p, nil
}

// SimulationStanding is what is known of objects, with their open alerts.
func (db *DB) SimulationStanding(ctx context.Context, objectIDs []string) (s simulate.Standing, err error) {
	s.Records, s.Snoozes = map[string]*dispatch.Record{}, map[string]map[string]time.Time{}
	ids := distinct(objectIDs)
	err = db.t.records.read(ctx, db.reads, len(ids), texts(ids), func(row scanner) error {
		r, err := scanRecord(row)
		if err == nil {
			s.Records[r.Object.ID] = r
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("read objects: %w", err)
	}
	// A transaction's view of what is read alone.
	t := &tx{work: &work{querier: db.reads, db: db}}
	if t.now, err = db.now(ctx, db.reads); err != nil {
		return s, err
	}
	var alerts []string
	for _, id := range ids {
		if r := s.Records[id]; r != nil && r.Alert != nil {
			alerts = append(alerts, r.Alert.ID)
		}
	}
	if s.Addresses, err = t.Addresses(ctx, alerts); err != nil {
		return s, err
	}
	for _, id := range ids {
		r := s.Records[id]
		if r == nil || r.Alert == nil {
			continue
		}
		if !r.Alert.Snoozed.IsZero() {
			if s.Snoozes[r.Alert.ID], err = t.Snoozed(ctx, r.Alert.ID); err != nil {
				return s, err
			}
		}
		e, err := readEscalation(ctx, db.reads, r.Alert.ID)
		if err != nil {
			return s, err
		}
		if e != nil {
			s.Escalations = append(s.Escalations, *e)
		}
	}
	return s, nil
}

// SimulationEvents answers what came in within a time, in the order of ids. These
// begin with the time at which a node made them, so no index of times is needed:
// what lies a little outside by that node's clock is looked at, too.
func (db *DB) SimulationEvents(ctx context.Context, p simulate.Page) ([]alert.Event, string, error) {
	const astray = 5 * time.Minute
	var c conditions
	after := p.After
	if after == "" {
		after = idAt(p.From.Add(-astray))
	}
	limit := max(1, min(p.Limit, 5000))
	c.add("e.id > " + c.arg(after))
	c.add("e.id < " + c.arg(idAt(p.To.Add(astray))))
	c.add("e.received >= " + c.arg(millis(p.From)))
	c.add("e.received < " + c.arg(millis(p.To)))
	if p.SourceID != "" {
		c.add("e.source_id = " + c.arg(p.SourceID))
	}
	events, err := collect(ctx, db.reads, scanEvent, "SELECT "+orNone(objectColumns)+", "+eventColumns+
		" FROM event e LEFT JOIN object o ON o.id = e.object_id"+c.String()+" ORDER BY e.id LIMIT "+c.arg(int64(limit)), c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("read what came in: %w", err)
	}
	if len(events) < limit {
		return events, "", nil
	}
	return events, events[limit-1].ID, nil
}

// idAt is less than the ids that are made at a time (RFC 9562, version 7) or later,
// and not less than those made before it.
func idAt(t time.Time) string {
	ms := max(0, millis(t))
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// SimulationBefore answers what came in about alerts that were open at a time, up to
// it.
func (db *DB) SimulationBefore(ctx context.Context, at time.Time, sourceID string, limit int) ([]alert.Event, error) {
	var c conditions
	ms := c.arg(millis(at))
	c.add(db.d.among("e.alert_id", "SELECT id FROM alert WHERE rank > 0 AND since < "+ms+
		" UNION ALL SELECT id FROM alert"+db.d.by("alert_resolved")+" WHERE rank = 0 AND resolved >= "+ms+" AND since < "+ms))
	c.add("e.received < " + ms)
	if sourceID != "" {
		c.add("e.source_id = " + c.arg(sourceID))
	}
	events, err := collect(ctx, db.reads, scanEvent, "SELECT "+orNone(objectColumns)+", "+eventColumns+
		" FROM event e LEFT JOIN object o ON o.id = e.object_id"+c.String()+" ORDER BY e.id DESC LIMIT "+c.arg(int64(max(1, limit))), c.args...)
	if err != nil {
		return nil, fmt.Errorf("read what was open: %w", err)
	}
	slices.Reverse(events)
	return events, nil
}
