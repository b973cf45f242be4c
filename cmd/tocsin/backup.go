package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/backup"
	"tocsin/internal/config"
	"tocsin/internal/health"
	"tocsin/internal/store"
	"tocsin/internal/vault"
)

func (c *cli) backup() *cobra.Command {
	var withKey bool
	cmd := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Write all data to one file, while the hub runs",
		Long: "Write everything that the database holds to one file, as it is at one moment. The hub may go\n" +
			"on meanwhile. The file can be restored into SQLite and into PostgreSQL, whichever it came from.\n" +
			"Without FILE it gets a name with the time, in this folder; with - it goes to standard output.\n" +
			"A file that is there is never overwritten. See docs/backup.md.",
		Example: "  tocsin backup /var/backups/tocsin/monday.backup\n  tocsin backup - | ssh safe 'cat > tocsin.backup'",
		Args:    atMostOne,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runBackup(cmd.Context(), args, withKey) },
	}
	cmd.Flags().BoolVar(&withKey, "with-key", false, "put the key in that passwords and tokens are sealed with: who has the file then has all of them")
	c.jsonFlag(cmd)
	return cmd
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return &usageError{fmt.Errorf("%s takes one file, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

func (c *cli) runBackup(ctx context.Context, args []string, withKey bool) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	path := "tocsin-" + now.Format("20060102T150405Z") + ".backup"
	if len(args) == 1 {
		path = args[0]
	}
	out := c.out
	var file *backup.File
	if path != "-" {
		if file, err = backup.Create(path); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, file.Abort())
			}
		}()
		out = file
	}
	db, err := store.OpenSnapshot(ctx, store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m := backup.Manifest{Schema: db.Schema(), Engine: db.Engine(), Program: app.Version, Made: now}
	if m.SecretKeyID, err = db.SecretKeyID(ctx); err != nil {
		return err
	}
	if withKey {
		if m.SecretKey, err = keyToKeep(cfg, m.SecretKeyID); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	w, err := backup.NewWriter(buffered, m)
	if err != nil {
		return err
	}
	if err := db.Dump(ctx, w, c.progress("backing up")); err != nil {
		return err
	}
	sum, err := w.Close()
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if file == nil {
		return nil // what was written is the answer
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := file.Commit(); err != nil {
		return err
	}
	text := fmt.Sprintf("%s has %d rows of %d tables, in %s.", path, sum.Rows, sum.Tables, health.Bytes(uint64(info.Size())))
	if m.SecretKey != "" {
		text += "\nThe key that passwords and tokens are sealed with is in it: keep it as safe as they are."
	} else if m.SecretKeyID != "" {
		text += fmt.Sprintf("\nPasswords and tokens in it are sealed with the key %s, which is not in it: keep that apart, without it they are lost.", m.SecretKeyID)
	}
	return c.answer(backupMade{File: path, Rows: sum.Rows, Tables: sum.Tables, Bytes: info.Size(), SecretKeyID: m.SecretKeyID}, text)
}

// secretKeyOf is where the hub finds the key that secrets are sealed with.
func secretKeyOf(cfg config.Config) vault.Source {
	if cfg.Secrets == (vault.Source{}) && !cfg.Postgres() {
		return vault.Source{File: filepath.Join(cfg.DataDir, vault.FileName)}
	}
	cfg.Secrets.Make = false
	return cfg.Secrets
}

// keyToKeep is the key that the secrets of a database are sealed with, to be kept with them.
func keyToKeep(cfg config.Config, id string) (string, error) {
	if id == "" {
		return "", nil // they are plain
	}
	from := secretKeyOf(cfg)
	k, there, err := from.Read()
	if err != nil {
		return "", fmt.Errorf("--with-key: %w", err)
	}
	if !there || k.ID() != id {
		return "", fmt.Errorf("--with-key: the key %s is not in %s: give this command the hub's own TOCSIN_SECRET_KEY or TOCSIN_SECRET_KEY_FILE", id, from.Where())
	}
	return k.Text(), nil
}

// backupMade is what backup answers with --json.
type backupMade struct {
	File        string `json:"file"`
	Rows        int64  `json:"rows"`
	Tables      int    `json:"tables"`
	Bytes       int64  `json:"bytes"`
	SecretKeyID string `json:"secret_key_id,omitempty"`
}

// progress tells once a second how far it is, for people who wait.
func (c *cli) progress(what string) func(table string, rows int64) {
	said := time.Now()
	return func(table string, rows int64) {
		if now := time.Now(); now.Sub(said) >= time.Second {
			said = now
			fmt.Fprintf(c.err, "%s: %d rows, now %s\n", what, rows, table)
		}
	}
}

func (c *cli) restore() *cobra.Command {
	var o restoring
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup back, into an empty database",
		Long: "Put a file of tocsin backup into the database, SQLite or PostgreSQL, wherever it came from. The\n" +
			"file is read to its end and checked first; what it holds is put together beside the database and\n" +
			"takes its place in one step. The hub must be stopped. A database that is there is left alone,\n" +
			"unless --force moves it aside; it is never deleted.\n\n" +
			"What waited to be told when the backup was made is not told any more, because nobody knows\n" +
			"whether it was, and everybody signs in anew; --move keeps both. See docs/backup.md.",
		Example: "  tocsin restore --check monday.backup\n  tocsin restore --move monday.backup --database-url postgres://tocsin@db/tocsin",
		Args:    oneFile,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runRestore(cmd.Context(), args[0], o) },
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "move the database that is there aside")
	cmd.Flags().BoolVar(&o.move, "move", false, "the database moves: nothing ran since the backup, so keep what waits and who is signed in")
	cmd.Flags().BoolVar(&o.check, "check", false, "only look whether the file is whole")
	c.jsonFlag(cmd)
	return cmd
}

type restoring struct{ force, move, check bool }

func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &usageError{fmt.Errorf("%s takes one file, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

// restored is what restore answers with --json.
type restored struct {
	Database    string    `json:"database,omitempty"`
	Aside       string    `json:"aside,omitempty"`
	Rows        int64     `json:"rows"`
	Tables      int       `json:"tables"`
	Made        time.Time `json:"made"`
	Schema      int64     `json:"schema"`
	From        string    `json:"from"`
	Program     string    `json:"program"`
	Ended       int64     `json:"ended"`
	SecretKeyID string    `json:"secret_key_id,omitempty"`
}

func (c *cli) runRestore(ctx context.Context, path string, o restoring) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is no file: a backup is read twice, once to look whether it is whole", path), err)
	}
	fmt.Fprintln(c.err, "looking whether the backup is whole")
	m, sum, err := backup.Verify(until{ctx, file})
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was changed", path, err)
	}
	answer := restored{Rows: sum.Rows, Tables: sum.Tables, Made: m.Made, Schema: m.Schema, From: m.Engine, Program: m.Program, SecretKeyID: m.SecretKeyID}
	text := fmt.Sprintf("%s is whole: made %s by Tocsin %s from %s, schema %d, with %d rows of %d tables.",
		path, m.Made.UTC().Format("2006-01-02 15:04 MST"), shown(m.Program), engineTitle(m.Engine), m.Schema, sum.Rows, sum.Tables)
	if o.check {
		return c.answer(answer, text+keyNeeded(cfg, m))
	}
	open := func() (*backup.Reader, error) {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read the backup: %w", err)
		}
		return backup.NewReader(file)
	}
	done, err := store.Restore(ctx, store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir}, open,
		store.RestoreOptions{Force: o.force, AsItWas: o.move, Tell: c.progress("restoring")})
	if errors.Is(err, store.ErrNotEmpty) {
		return fmt.Errorf("%w: nothing was changed; restore into another place, or with --force, which moves it aside and keeps it", err)
	} else if errors.Is(err, store.ErrUnfinished) {
		return err //nolint:wrapcheck // a sentence for people
	} else if err != nil {
		return fmt.Errorf("%w; what was there is as it was", err)
	}
	if err := keepKey(cfg, m); err != nil {
		fmt.Fprintln(c.err, "tocsin:", err)
	}
	answer.Database, answer.Aside, answer.Ended = done.Where, done.Aside, done.Ended
	text += fmt.Sprintf("\nIt is now in %s.", done.Where)
	if done.Aside != "" {
		text += fmt.Sprintf("\nWhat was there is kept in %s; delete it when you need it no more.", done.Aside)
	}
	if done.Ended > 0 {
		text += fmt.Sprintf("\n%s, and not told any more: see the list of deliveries.", health.Count(int(done.Ended), "message waited in the backup", "messages waited in the backup"))
	}
	return c.answer(answer, text+keyNeeded(cfg, m))
}

// until reads until somebody ends the command: a large file takes minutes.
type until struct {
	ctx context.Context //nolint:containedctx // io.Reader has no other way to it
	r   io.Reader
}

// Read reads, if that has not happened.
func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, fmt.Errorf("stopped: %w", err)
	}
	return u.r.Read(p) //nolint:wrapcheck // a reader's io.EOF is no error to be told
}

// shown is a text out of a file that somebody else may have written, for a terminal.
func shown(text string) string {
	const most = 60
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}

func engineTitle(name string) string {
	switch name {
	case "sqlite":
		return "SQLite"
	case "postgres":
		return "PostgreSQL"
	}
	return strings.ToValidUTF8(fmt.Sprintf("%.20q", name), "")
}

// keyNeeded says which key the secrets of a backup need, and whether it is there.
func keyNeeded(cfg config.Config, m backup.Manifest) string {
	if m.SecretKeyID == "" {
		return ""
	}
	from := secretKeyOf(cfg)
	if k, there, err := from.Read(); err == nil && there && k.ID() == m.SecretKeyID {
		return fmt.Sprintf("\nPasswords and tokens in it are sealed with the key %s, which is in %s.", k.ID(), from.Where())
	}
	text := fmt.Sprintf("\nPasswords and tokens in it are sealed with the key %.40q, which is not in %s. The hub needs that one to start: put it into secret.key of the data folder, "+
		"or into TOCSIN_SECRET_KEY.", m.SecretKeyID, from.Where())
	if m.SecretKey != "" {
		text += " The backup holds it."
	}
	return text
}

// keepKey puts the key that came with a backup where the hub looks for it, if there is
// none.
func keepKey(cfg config.Config, m backup.Manifest) error {
	from := secretKeyOf(cfg)
	if m.SecretKey == "" || from.Text != "" || from.File == "" {
		return nil
	}
	k, err := vault.ParseKey(m.SecretKey)
	if err != nil || k.ID() != m.SecretKeyID {
		return fmt.Errorf("the key in the backup is not the one that it names, and was left alone: %w", errors.Join(err, backup.ErrDamaged))
	}
	if err := vault.WriteFile(from.File, k, false); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("put the key that came with the backup into %s: %w", from.File, err)
	}
	backup.Adopt(from.File)
	return nil
}
