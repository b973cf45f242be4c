package store_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tocsin/internal/store"
)

// What root makes by a command before the hub's first start is the hub's user's, who
// could not open it else. Who is not root makes what is his own.
func TestWhatRootMakesBelongsToTheFoldersOwner(t *testing.T) {
	const somebody = 61234
	file := archive(t, engines()[0].ready(t))
	for name, do := range map[string]func(o store.Options) error{
		"a restore": func(o store.Options) error {
			_, err := store.Restore(t.Context(), o, reading(file), store.RestoreOptions{})
			return err
		},
		"another command": func(o store.Options) error {
			db, err := store.Open(t.Context(), o)
			if err == nil {
				err = db.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, want := t.TempDir(), os.Geteuid()
			if want == 0 {
				ok(t, os.Chown(dir, somebody, somebody))
				want = somebody
			}
			ok(t, do(store.Options{DataDir: dir}))
			made, err := os.ReadDir(dir)
			ok(t, err)
			if len(made) < 2 {
				t.Errorf("made: %v", made)
			}
			for _, f := range made {
				info, err := os.Stat(filepath.Join(dir, f.Name()))
				ok(t, err)
				if st, known := info.Sys().(*syscall.Stat_t); !known || int(st.Uid) != want {
					t.Errorf("%s is %d's and not %d's", f.Name(), st.Uid, want)
				}
			}
		})
	}
}
