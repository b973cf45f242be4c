package keep_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/internal/auth"
	"tocsin/internal/store"
	"tocsin/test/database"
	"tocsin/test/hub"
	"tocsin/test/keep/cut"
)

// A restore that is killed at whatever change of a file's name leaves what was there, or
// what was restored: never neither. The next start and the next restore go on with it, and
// the database before, damaged as it may be, is kept in one piece.
func TestARestoreKilledAtAnyRenameIsFinished(t *testing.T) {
	t.Parallel()
	bin, err := hub.Build(t.Context(), t.TempDir())
	ok(t, err)
	const backed, before = "backed-up", "before-it"
	saved := database.Folder(t)
	ok(t, named(t, saved, backed))
	archive := filepath.Join(t.TempDir(), "one.backup")
	if out, err := exec.CommandContext(t.Context(), bin, "backup", archive, "--data", saved).CombinedOutput(); err != nil {
		t.Fatalf("make a backup: %v: %s", err, out)
	}
	restore := func(dir string, n int) (e cut.Ended, said string) {
		t.Helper()
		cmd := exec.Command(bin, "restore", "--force", archive, "--data", dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		e, err := cut.RunAt(t.Context(), cmd, n, cut.Moves())
		ok(t, err)
		return e, out.String()
	}
	for _, damaged := range []bool{false, true} {
		what := map[bool]string{false: "sound", true: "damaged"}[damaged]
		t.Run(what, func(t *testing.T) {
			there := map[string]string{} // the files of the database before, by how their names end
			begin := func() (dir string) {
				dir = database.Folder(t)
				ok(t, named(t, dir, before))
				path := filepath.Join(dir, "tocsin.db")
				if damaged {
					there = map[string]string{"": strings.Repeat("no database. ", 1000), "-wal": strings.Repeat("no log. ", 1000), "-shm": "none"}
					for end, text := range there {
						ok(t, os.WriteFile(path+end, []byte(text), 0o600))
					}
				}
				return dir
			}
			kept := func(dir string, n int) {
				t.Helper()
				asides, err := filepath.Glob(filepath.Join(dir, "tocsin.db.before-*"))
				ok(t, err)
				if !damaged {
					if len(asides) == 0 {
						t.Errorf("killed at %d: what was there is not kept", n)
					}
					return
				}
				pieces := map[string]string{}
				for _, a := range asides {
					name := strings.TrimSuffix(strings.TrimSuffix(a, "-wal"), "-shm")
					text, err := os.ReadFile(a)
					ok(t, err)
					if there[strings.TrimPrefix(a, name)] == string(text) {
						pieces[name] += "x"
					}
				}
				for _, p := range pieces {
					if p == "xxx" {
						return
					}
				}
				t.Errorf("killed at %d: what was there is not kept in one piece: %v", n, asides)
			}
			whole, said := restore(begin(), 0)
			if whole.Code != 0 || whole.Points < 3 {
				t.Fatalf("the recorded run: %+v: %s", whole, said)
			}
			t.Logf("the recorded run comes to %d changes of names", whole.Points)
			finished := 0
			first := 1
			if !all { // before the last of them nothing was touched
				first = max(1, whole.Points-points)
			}
			for n := first; n <= whole.Points; n++ {
				dir := begin()
				if e, said := restore(dir, n); !e.Killed {
					t.Fatalf("at %d of %d it was not killed: %+v: %s", n, whole.Points, e, said)
				}
				again := filepath.Join(t.TempDir(), "again")
				ok(t, os.CopyFS(again, os.DirFS(dir)))
				ready := func(dir string) bool {
					_, err := os.Stat(filepath.Join(dir, "tocsin.db.restored"))
					return err == nil
				}

				// The next start.
				half := ready(dir)
				name, log, err := whose(t, dir)
				switch {
				case damaged && err != nil && !half: // as it was
				case err != nil:
					t.Errorf("killed at %d: %v", n, err)
				case half:
					finished++
					if name != backed || !strings.Contains(log, "is finished now") {
						t.Errorf("killed at %d: %q is there, and it says %s", n, name, log)
					}
					kept(dir, n)
				case name != backed && (damaged || name != before):
					t.Errorf("killed at %d: %q is there", n, name)
				}

				// The next restore, where nothing was started before.
				if e, said := restore(again, 0); e.Code != 0 || ready(again) {
					t.Errorf("killed at %d, the next restore ends with %d: %s", n, e.Code, said)
				}
				if name, _, err := whose(t, again); name != backed {
					t.Errorf("killed at %d, after the next restore %q is there, %v", n, name, err)
				}
				kept(again, n)
			}
			if finished == 0 {
				t.Error("no start found a restore to finish")
			}
		})
	}
}

// named puts a user into the database of a folder.
func named(t *testing.T, dir, name string) error {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DataDir: dir})
	if err != nil {
		return err
	}
	return errors.Join(db.SaveUser(t.Context(), auth.User{ID: "u1", Name: name, Role: auth.Admin}), db.Close())
}

// whose is the user in a database that is opened as a hub does, and what that logs.
func whose(t *testing.T, dir string) (name, log string, err error) {
	t.Helper()
	var said bytes.Buffer
	db, err := store.Open(t.Context(), store.Options{DataDir: dir, Exclusive: true, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		return "", said.String(), err
	}
	u, err := db.UserByID(t.Context(), "u1")
	err = errors.Join(err, db.Close())
	return u.Name, said.String(), err
}
