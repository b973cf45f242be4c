package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres opens a pool, and a connection of its own that listens.
func (db *DB) openPostgres(ctx context.Context, url string) error {
	db.d = postgresDialect()
	db.t = newTables(db.d)
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx hides the password in what it says of the URL.
		return fmt.Errorf("read the database URL: %w", err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "tocsin"
	}
	if db.vault.lost {
		db.vault.hubs = cfg.RuntimeParams["application_name"]
		cfg.RuntimeParams["application_name"] = backupName // so that nobody takes it for a hub
	}
	// The lists' filters make many texts.
	cfg.StatementCacheCapacity = 1024
	noticeCuts(cfg)
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(letServerNoticeCuts))
	n := max(8, 4*runtime.GOMAXPROCS(0))
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db.pools = append(db.pools, pool)
	where := fmt.Sprintf("%s on %s:%d", cfg.Database, cfg.Host, cfg.Port)
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the PostgreSQL database %s: %w", where, err)
	}
	if err := db.migrate(ctx, pool); err != nil {
		return fmt.Errorf("open the PostgreSQL database %s: %w", where, err)
	}
	db.reads = &statements{pool: pool}
	db.many = db.reads
	db.writer = &pgWriter{pool}
	n2 := &notifier{db: db, pool: pool, cfg: cfg, me: rand.Text(), pending: make(chan string, 64)}
	db.wakes.others = n2.tell
	return db.start(ctx, n2.send, n2.listen)
}

// pgWriter runs write transactions on the pool.
type pgWriter struct{ pool *sql.DB }

func (w *pgWriter) close() error { return nil }

// transact tries again after a deadlock or a serialization error, which
// PostgreSQL ends by refusing one of those concerned, when another node was
// first with what there is once: now it can be seen, and when the connection was
// found broken before anything was sent.
func (w *pgWriter) transact(ctx context.Context, fn func(context.Context, querier) error) error {
	return w.again(ctx, func() error { return w.once(ctx, fn) })
}

func (w *pgWriter) again(ctx context.Context, once func() error) error {
	const tries = 8
	for i := 1; ; i++ {
		err := once()
		if i == tries || ctx.Err() != nil || !contested(err) && !pgconn.SafeToRetry(err) {
			return err
		}
	}
}

func contested(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.ConstraintName {
	case "event_call_pkey", "push_subscription_endpoint", "push_key_current", "push_key_pkey":
		return true // a call, an endpoint, a server key: another node was first
	}
	return e.Code == "40P01" || e.Code == "40001"
}

// pgCode is PostgreSQL's code of an error, empty for another.
func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// notifyChannel is the name that all nodes listen to. The payload is the
// sender and the topics, with spaces between.
const notifyChannel = "tocsin_wake"

// notifyEvery bounds how often a node says the same. A NOTIFY takes a lock
// that all committing transactions share, so it stays out of them and is rare.
const notifyEvery = 20 * time.Millisecond

// notifier tells the other nodes of commits, and hears of theirs.
type notifier struct {
	db      *DB
	pool    *sql.DB
	cfg     *pgx.ConnConfig
	me      string
	pending chan string
}

// tell never blocks: with the queue full, what is to be told is in it already,
// or the others' poll finds it.
func (n *notifier) tell(topic string) {
	select {
	case n.pending <- topic:
	default:
	}
}

func (n *notifier) send(ctx context.Context) {
	for {
		topics := map[string]bool{}
		select {
		case <-ctx.Done():
			return
		case t := <-n.pending:
			topics[t] = true
		}
		for more := true; more; {
			select {
			case t := <-n.pending:
				topics[t] = true
			default:
				more = false
			}
		}
		said := strings.Join(slices.Sorted(maps.Keys(topics)), " ")
		if _, err := n.pool.ExecContext(ctx, "SELECT pg_notify($1, $2)", notifyChannel, n.me+" "+said); err != nil && ctx.Err() == nil {
			n.db.log.Warn("other nodes were not woken", "topics", said, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(notifyEvery):
		}
	}
}

// listen hears of other nodes' commits. After a broken connection it wakes
// everybody, for what was said meanwhile is lost.
func (n *notifier) listen(ctx context.Context) {
	wait := 100 * time.Millisecond
	for first := true; ctx.Err() == nil; first = false {
		err := n.listenOnce(ctx, func() {
			wait = 100 * time.Millisecond
			if !first {
				n.wakeAll(ctx)
			}
		})
		if ctx.Err() != nil {
			return
		}
		n.db.log.Warn("listening for other nodes was interrupted", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

func (n *notifier) listenOnce(ctx context.Context, listening func()) error {
	conn, err := pgx.ConnectConfig(ctx, n.cfg)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listening()
	for {
		note, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
		from, topics, _ := strings.Cut(note.Payload, " ")
		if from == n.me {
			continue
		}
		for topic := range strings.FieldsSeq(topics) {
			n.heard(ctx, topic)
		}
	}
}

func (n *notifier) heard(ctx context.Context, topic string) {
	if topic != topicConfig {
		n.db.wakes.wake(topic)
		return
	}
	if err := n.db.readConfigVersion(ctx); err != nil && ctx.Err() == nil {
		n.db.log.Warn("database does not answer", "error", err)
	}
}

func (n *notifier) wakeAll(ctx context.Context) {
	for _, topic := range []string{topicLive, topicDelivery, topicPush, topicPage, topicVisitor, topicConfig} {
		n.heard(ctx, topic)
	}
}
