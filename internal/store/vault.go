package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/vault"
)

// The columns of secrets that must be sent as they are, so that no hash of them would
// do. What is looked up by, or compared alone, is a hash in the database already.
const (
	sourceBackSecret = "source.write_back_secret"
	sourceSecret     = "source.secret"
	hookURL          = "hook.url"
	hookSecret       = "hook.secret"
	hookToken        = "hook.token"
	roomURL          = "chat_room.webhook_url"
	secretValue      = "secret.value"
	pushPrivate      = "push_key.private"
	visitorAddress   = "visitor.address"
	visitorSecret    = "visitor.secret"
	certificateKey   = "certificate.private_key"
	acmeKey          = "acme_account.private_key"
)

// secretColumn is one of them as SQL knows it.
type secretColumn struct {
	name               string // as in the constants
	table, key, column string
	bytes              bool // BLOB, BYTEA
}

// secretColumns are all of them.
func secretColumns() []secretColumn {
	return []secretColumn{
		{sourceBackSecret, "source", "id", "write_back_secret", false},
		{sourceSecret, "source", "id", "secret", false},
		{hookURL, "hook", "id", "url", false},
		{hookSecret, "hook", "id", "secret", false},
		{hookToken, "hook", "id", "token", false},
		{roomURL, "chat_room", "id", "webhook_url", false},
		{secretValue, "secret", "name", "value", true},
		{pushPrivate, "push_key", "id", "private", false},
		{visitorAddress, "visitor", "id", "address", false},
		{visitorSecret, "visitor", "id", "secret", true},
		{certificateKey, "certificate", "name", "private_key", false},
		{acmeKey, "acme_account", "directory", "private_key", false},
	}
}

// safe is what a DB seals with.
type safe struct {
	source  vault.Source
	lost    bool                       // the key is, see withoutKey
	needs   LostKey                    // then
	hubs    string                     // what hubs call their connections, where it is lost; on PostgreSQL
	ring    atomic.Pointer[vault.Ring] // nil: nothing is sealed
	loads   sync.Mutex
	sealing sync.Mutex // one goes over all values at a time
}

// open reads what sealed wrote into a column of a row.
func (db *DB) open(column, id, text string, to *string) error {
	plain, err := db.vault.ring.Load().Open(vault.Place(column, id), text)
	if errors.Is(err, vault.ErrNoKey) && db.vault.ring.Load() == nil {
		// A command that only looks, or another node has just been given a key.
		db.reloadVault()
		plain, err = db.vault.ring.Load().Open(vault.Place(column, id), text)
	}
	if errors.Is(err, vault.ErrNoKey) && db.vault.ring.Load() == nil {
		return fmt.Errorf("read %s of %s: %w: give this node TOCSIN_SECRET_KEY, too", column, id, err)
	} else if err != nil {
		return fmt.Errorf("read %s of %s: %w", column, id, err)
	}
	*to = plain
	return nil
}

// sealed seals texts for columns of a row, given as column, text, column, text ….
func (db *DB) sealed(id string, columnsAndTexts ...string) ([]string, error) {
	list := make([]string, 0, len(columnsAndTexts)/2)
	for pair := range slices.Chunk(columnsAndTexts, 2) {
		text, err := db.vault.ring.Load().Seal(vault.Place(pair[0], id), pair[1])
		if err != nil {
			return nil, fmt.Errorf("seal %s of %s: %w: choose another one", pair[0], id, err)
		}
		list = append(list, text)
	}
	return list, nil
}

// besideSQLite is where the key is kept where nothing else is said.
func besideSQLite(o Options, path string) vault.Source {
	if o.Secrets != (vault.Source{}) {
		return o.Secrets
	}
	dir := o.DataDir
	if dir == "" {
		dir = filepath.Dir(path)
	}
	return vault.Source{File: filepath.Join(dir, vault.FileName), Make: o.Exclusive}
}

// innerKey is a row of vault_key.
type innerKey struct {
	id, sealed, outer string
	retired           int64
}

func readInnerKeys(ctx context.Context, q querier) ([]innerKey, error) {
	list, err := collect(ctx, q, func(s scanner) (k innerKey, err error) {
		err = s.Scan(&k.id, &k.sealed, &k.outer, &k.retired)
		return k, err
	}, "SELECT id, sealed, outer_id, retired FROM vault_key ORDER BY CASE WHEN retired = 0 THEN 0 ELSE 1 END, created DESC")
	if err != nil {
		return nil, fmt.Errorf("read the keys of secrets: %w", err)
	}
	return list, nil
}

// openVault finds the keys, makes the first where there is none yet, and refuses to go
// on where those that are needed are not there: what is sealed would be lost to whoever
// saves over it.
func (db *DB) openVault(ctx context.Context) error {
	if db.vault.lost {
		return db.withoutKey(ctx, db.reads)
	}
	rows, err := readInnerKeys(ctx, db.reads)
	if err != nil {
		return err
	}
	from := db.vault.source
	if len(rows) > 0 {
		from.Make = false // one that is made now opens nothing
	}
	outer, ok, err := from.Read()
	switch {
	case err != nil:
		return err //nolint:wrapcheck // a sentence for people
	case ok && len(rows) == 0:
		return db.firstKey(ctx, outer)
	case !ok && len(rows) == 0:
		return nil
	}
	if ok && rows[0].outer != outer.ID() {
		if next, was := db.pendingKey(rows[0].outer); was {
			outer = next
		}
	}
	if !ok || rows[0].outer != outer.ID() {
		return db.noKey(ok, outer, rows[0].outer)
	}
	return db.fillRing(outer, rows)
}

// noKey says what is wrong with the key, and the mend.
func (db *DB) noKey(have bool, outer vault.Key, needs string) error {
	mend := "put the right one into " + db.vault.source.Where() + ", from where it is kept besides"
	if db.vault.source == (vault.Source{}) {
		mend = "give it as TOCSIN_SECRET_KEY or TOCSIN_SECRET_KEY_FILE"
	}
	mend += "; if it is lost for good, `tocsin secret give-up` says what is lost with it"
	if have {
		return fmt.Errorf("the secrets in this database are sealed with %s, and %s has %s: %s. Nothing was changed", "key "+needs, db.vault.source.Where(), outer, mend)
	}
	return fmt.Errorf("the secrets in this database are sealed with key %s, and there is no key: %s. Nothing was changed", needs, mend)
}

// fillRing gives the ring the keys of rows, the current one first.
func (db *DB) fillRing(outer vault.Key, rows []innerKey) error {
	keys := make([]vault.Key, len(rows))
	for i, r := range rows {
		k, err := vault.Unwrap(outer, r.id, r.sealed)
		if err != nil {
			return fmt.Errorf("key %s, which secrets are sealed with, does not open with %s: %w: restore a backup of the database", r.id, outer, err)
		}
		keys[i] = k
	}
	if ring := db.vault.ring.Load(); ring != nil {
		ring.Set(keys[0], keys[1:]...)
		return nil
	}
	ring := vault.NewRing(keys[0], keys[1:]...)
	ring.OnMissing(func(string) { db.reloadVault() })
	db.vault.ring.Store(ring)
	return nil
}

// firstKey makes the first inner key, or takes that of a node that was quicker, and
// seals what stands there plain.
func (db *DB) firstKey(ctx context.Context, outer vault.Key) error {
	inner := vault.NewKey()
	wrapped, err := vault.Wrap(outer, inner)
	if err != nil {
		return fmt.Errorf("make a key for secrets: %w", err)
	}
	var rows []innerKey
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, "INSERT INTO vault_key (id, sealed, outer_id, created, retired) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING",
			inner.ID(), wrapped, outer.ID(), millis(now))
		if err == nil {
			rows, err = readInnerKeys(ctx, w)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the key of secrets: %w", err)
	}
	if rows[0].outer != outer.ID() {
		return db.noKey(true, outer, rows[0].outer)
	}
	if err := db.fillRing(outer, rows); err != nil {
		return err
	}
	db.vault.sealing.Lock()
	defer db.vault.sealing.Unlock()
	n, err := db.sealAll(ctx)
	if n > 0 && err == nil {
		db.log.Info("secrets are sealed from now on", "sealed", n, "key_from", db.vault.source.Where())
	}
	return err
}

// reloadVault reads the keys anew, of which another program made one. What is there
// stays when it cannot be.
func (db *DB) reloadVault() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rows, err := readInnerKeys(ctx, db.reads)
	if err == nil {
		err = db.takeKeys(rows)
	}
	if err != nil {
		db.log.Warn("the keys of secrets were not read anew", "error", err)
	}
}

// takeKeys has the ring be of rows, unless there are none or it is already.
func (db *DB) takeKeys(rows []innerKey) error {
	db.vault.loads.Lock()
	defer db.vault.loads.Unlock()
	if len(rows) == 0 || db.vault.ring.Load().Current() == rows[0].id {
		return nil
	}
	from := db.vault.source
	from.Make = false
	outer, ok, err := from.Read()
	if err != nil || !ok {
		return err //nolint:wrapcheck // a sentence for people
	}
	return db.fillRing(outer, rows)
}

// ErrKeysGone says that what this program seals nobody could open any more.
var ErrKeysGone = errors.New("the keys that this program seals secrets with are in the database no more: while it was cut off from it, they were given up, or a backup was restored. " +
	"It ends, for nobody could open what it seals; start it again")

// keysGone is called when the key that is sealed with was not in the database: whoever
// gave up or restored saw no connection of this program. It goes on with the keys that
// are there, or ends.
func (db *DB) keysGone(ctx context.Context, had string) error {
	rows, err := readInnerKeys(ctx, db.reads)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(k innerKey) bool { return k.id == had }) {
		return nil
	}
	why := db.takeKeys(rows)
	if now := db.vault.ring.Load().Current(); why == nil && now != had {
		db.log.Warn("the keys of secrets are others now, as after a restore", "key", now)
		return nil
	}
	db.end(errors.Join(ErrKeysGone, why))
	return nil
}

// atOnceSealed is how many values are sealed in one transaction.
const atOnceSealed = 200

// sealAll seals with the current key whatever is not, and answers how many it did. It
// may run while others read and write, and be run again after it was stopped. The
// caller holds sealing.
func (db *DB) sealAll(ctx context.Context) (int, error) {
	total := 0
	for _, c := range secretColumns() {
		for {
			n, err := db.sealSome(ctx, c)
			if err != nil {
				return total, fmt.Errorf("seal %s: %w", c.name, err)
			}
			total += n
			if n < atOnceSealed {
				break
			}
		}
	}
	if total > 0 {
		return total, db.wipe(ctx)
	}
	return total, nil
}

// unsealed is the condition for what is not sealed with the key whose beginning $1 is.
func (c secretColumn) unsealed() string {
	return fmt.Sprintf("length(%[1]s) > 0 AND substr(%[1]s, 1, CAST($2 AS INTEGER)) <> $1", c.column)
}

// begins is how what is sealed with the current key begins, as the column has it.
func (db *DB) begins(c secretColumn) (beginning any, length int64) {
	text := vault.Beginning(db.vault.ring.Load().Current())
	if c.bytes {
		return []byte(text), int64(len(text))
	}
	return text, int64(len(text))
}

func (db *DB) sealSome(ctx context.Context, c secretColumn) (n int, err error) {
	type row struct{ id, value string }
	beginning, length := db.begins(c)
	query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s LIMIT %d", c.key, c.column, c.table, c.unsealed(), atOnceSealed)
	some, err := collect(ctx, db.reads, func(s scanner) (r row, err error) {
		var b []byte
		err = s.Scan(&r.id, &b)
		r.value = string(b)
		return r, err
	}, query, beginning, length)
	if err != nil || len(some) == 0 {
		return 0, err
	}
	given := func(text string) any {
		if c.bytes {
			return []byte(text)
		}
		return text
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		if db.d.engine != enginePostgres {
			// What stood there is to be gone from the file, and not free space in it.
			if _, err := w.exec(ctx, "PRAGMA secure_delete = ON"); err != nil {
				return err
			}
			defer func() { _, _ = w.exec(ctx, "PRAGMA secure_delete = OFF") }()
		}
		for _, r := range some {
			var plain string
			if err := db.open(c.name, r.id, r.value, &plain); err != nil {
				return err
			}
			anew, err := db.sealed(r.id, c.name, plain)
			if err != nil {
				return err
			}
			// Whoever saved it meanwhile has sealed it.
			_, err = w.exec(ctx, fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2 AND %s = $3", c.table, c.column, c.key, c.column),
				given(anew[0]), r.id, given(r.value))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return len(some), err
}

// wipe has SQLite write what was changed into its file, and empty the log that still
// has what stood there before. Readers may keep it from that; then it is done with the
// next one.
func (db *DB) wipe(ctx context.Context) error {
	w, ok := db.writer.(*liteWriter)
	if !ok {
		return nil
	}
	if _, err := w.pool.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("write what was sealed: %w", err)
	}
	return nil
}

// sealRest seals what a program without the key, or an older one, left plain. It runs
// beside all else.
func (db *DB) sealRest(ctx context.Context) {
	if db.vault.ring.Load() == nil {
		return
	}
	db.vault.sealing.Lock()
	defer db.vault.sealing.Unlock()
	if n, err := db.sealAll(ctx); err != nil && ctx.Err() == nil {
		db.log.Warn("not all secrets are sealed", "error", err)
	} else if n > 0 {
		db.log.Info("secrets that stood plain, or were sealed with a former key, are sealed", "sealed", n)
	}
}

// VaultState says how secrets are kept.
type VaultState struct {
	Sealed  bool
	Outer   string // id of the key from outside
	From    string // where that one comes from, for people
	Current string // id of the key that is sealed with
	Keys    int    // how many there are, with those that retired
	Plain   int    // values that are not sealed with the current one
}

// Vault answers how secrets are kept.
func (db *DB) Vault(ctx context.Context) (v VaultState, err error) {
	rows, err := readInnerKeys(ctx, db.reads)
	if err != nil {
		return v, err
	}
	v.Sealed, v.From, v.Keys = len(rows) > 0, db.vault.source.Where(), len(rows)
	if v.Sealed {
		v.Outer, v.Current = rows[0].outer, rows[0].id
	}
	for _, c := range secretColumns() {
		var n int
		beginning, length := any("none"), int64(4)
		if v.Sealed && db.vault.ring.Load() != nil {
			beginning, length = db.begins(c)
		} else if c.bytes {
			beginning = []byte("none")
		}
		if err := db.reads.row(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", c.table, c.unsealed()), []any{beginning, length}, &n); err != nil {
			return v, fmt.Errorf("count what is not sealed of %s: %w", c.name, err)
		}
		v.Plain += n
	}
	return v, nil
}

// ErrNoVault says that nothing is sealed, for there is no key.
var ErrNoVault = errors.New("there is no key that secrets are sealed with")

// RotateKey seals every secret anew, with a new key, and answers how many. Hubs go on
// meanwhile: they find the new key in the database when they first meet it. Former keys
// that nothing needs any more are deleted the next time.
func (db *DB) RotateKey(ctx context.Context) (int, error) {
	outer, err := db.outerKey()
	if err != nil {
		return 0, err
	}
	db.vault.sealing.Lock()
	defer db.vault.sealing.Unlock()
	// Whatever an interrupted rotation left is sealed with the present key first, so
	// that all before it can go.
	if _, err := db.sealAll(ctx); err != nil {
		return 0, err
	}
	inner := vault.NewKey()
	wrapped, err := vault.Wrap(outer, inner)
	if err != nil {
		return 0, fmt.Errorf("make a key for secrets: %w", err)
	}
	var rows []innerKey
	err = db.change(ctx, func(ctx context.Context, w *work) error {
		return w.recorded(ctx, vaultThing(), func() error {
			now, err := db.now(ctx, w)
			if err != nil {
				return err
			}
			// A hub that has not met the present key may still seal with the one before.
			if _, err := w.exec(ctx, "DELETE FROM vault_key WHERE retired > 0 AND retired < $1", millis(now.Add(-retiredKept))); err != nil {
				return err
			}
			if _, err := w.exec(ctx, "UPDATE vault_key SET retired = $1 WHERE retired = 0", millis(now)); err != nil {
				return err
			}
			_, err = w.exec(ctx, "INSERT INTO vault_key (id, sealed, outer_id, created, retired) VALUES ($1, $2, $3, $4, 0)",
				inner.ID(), wrapped, outer.ID(), millis(now))
			if err == nil {
				rows, err = readInnerKeys(ctx, w)
			}
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("keep a new key of secrets: %w", err)
	}
	if err := db.fillRing(outer, rows); err != nil {
		return 0, err
	}
	return db.sealAll(ctx)
}

// retiredKept is how long a key stays after it was replaced, at least.
const retiredKept = 24 * time.Hour

// Rekey has another key from outside be the one that opens all. Values stay as they
// are. Who serves goes on; whoever starts next needs the new one. Where the key is in a
// file of ours, the file gets it.
func (db *DB) Rekey(ctx context.Context, next vault.Key) error {
	outer, err := db.outerKey()
	if err != nil {
		return err
	}
	file := db.vault.source.File
	if file != "" {
		// First beside it: from the commit on the database opens with the new one alone,
		// and whoever starts then finds it there, see pendingKey.
		if err := vault.WriteFile(file+pendingSuffix, next, true); err != nil {
			return fmt.Errorf("write the new key: %w", err)
		}
	}
	err = db.change(ctx, func(ctx context.Context, w *work) error {
		return w.recorded(ctx, vaultThing(), func() error {
			rows, err := readInnerKeys(ctx, w)
			if err != nil {
				return err
			}
			for _, r := range rows {
				inner, err := vault.Unwrap(outer, r.id, r.sealed)
				if err != nil {
					return fmt.Errorf("open key %s: %w", r.id, err)
				}
				wrapped, err := vault.Wrap(next, inner)
				if err != nil {
					return fmt.Errorf("seal key %s: %w", r.id, err)
				}
				if _, err := w.exec(ctx, "UPDATE vault_key SET sealed = $2, outer_id = $3 WHERE id = $1", r.id, wrapped, next.ID()); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		if file != "" {
			err = errors.Join(err, os.Remove(file+pendingSuffix))
		}
		return fmt.Errorf("change the key that opens secrets: %w", err)
	}
	if file == "" {
		return nil
	}
	if err := os.Rename(file+pendingSuffix, file); err != nil {
		return fmt.Errorf("put the new key in its place: %w", err)
	}
	return nil
}

// pendingSuffix names the file of a key that is about to be the key.
const pendingSuffix = ".new"

// pendingKey is the key of a Rekey that was stopped between the database and the file,
// if it is the one that is needed. It is put in its place.
func (db *DB) pendingKey(needs string) (vault.Key, bool) {
	file := db.vault.source.File
	if file == "" {
		return vault.Key{}, false
	}
	k, ok, err := vault.Source{File: file + pendingSuffix}.Read()
	if err != nil || !ok || k.ID() != needs {
		return k, false
	}
	if err := os.Rename(file+pendingSuffix, file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		db.log.Warn("the new key of secrets was not put in its place", "error", err)
	}
	return k, true
}

func (db *DB) outerKey() (vault.Key, error) {
	if db.vault.ring.Load() == nil {
		return vault.Key{}, ErrNoVault
	}
	from := db.vault.source
	from.Make = false
	k, ok, err := from.Read()
	if err == nil && !ok {
		err = ErrNoVault
	}
	return k, err
}

// Sealed says whether secrets are sealed.
func (db *DB) Sealed() bool { return db.vault.ring.Load() != nil }
