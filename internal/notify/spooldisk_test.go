package notify_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhatHasTheNamesOfTheSpoolsOwnFilesHoldsUpNothing(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	c.tell("before")
	dir := filepath.Dir(c.files(t, "")[0])
	for name, put := range map[string]func(path string) error{
		"down":     func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"corrupt":  func(path string) error { return os.WriteFile(path, []byte("in the way"), 0o600) },
		"rejected": func(path string) error { return os.Symlink("/nonexistent/elsewhere", path) },
	} {
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, name)), put(filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, fmt.Sprintf("%019d-0000001-00000001-0000005.json", 1)), "nojsn")
	up := c.env["TOCSIN_TOKEN"]
	c.env["TOCSIN_TOKEN"] = ""
	c.run("--notificationtype=PROBLEM", "--hostname=refuse-me")
	c.env["TOCSIN_TOKEN"] = up
	c.tell("after")
	rehomeAll(t, c, h.URL)
	got := c.run("--flush")
	if got.code != 0 || strings.Join(h.outputs(), " ") != "before after" {
		t.Errorf("ended with %+v, the hub has %v", got, h.outputs())
	}
	if bad, no := len(c.files(t, "corrupt")), len(c.files(t, "rejected")); bad != 1 || no != 1 {
		t.Errorf("%d files are in corrupt/, %d in rejected/", bad, no)
	}
}

// rehomeAll lets all that lies in the spool of one hub wait for another.
func rehomeAll(t *testing.T, c *caller, url string) {
	t.Helper()
	root := c.env["TOCSIN_SPOOL"]
	from, err := filepath.Glob(filepath.Join(root, "127*"))
	if err != nil || len(from) != 1 {
		t.Fatal(from, err)
	}
	token := c.env["TOCSIN_TOKEN"]
	c.env["TOCSIN_URL"], c.env["TOCSIN_TOKEN"] = url, ""
	c.run("--flush") // makes the folder
	all, err := filepath.Glob(filepath.Join(root, "127*"))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	to := all[0]
	if to == from[0] {
		to = all[1]
	}
	if err := errors.Join(os.RemoveAll(to), os.Rename(from[0], to)); err != nil {
		t.Fatal(err)
	}
	c.env["TOCSIN_TOKEN"] = token
}

// A disk that is full keeps no event, also not one that the hub refuses; those behind
// it are handed in all the same.
func TestARefusalOnAFullDiskHoldsUpNothing(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	up := c.env["TOCSIN_TOKEN"]
	c.env["TOCSIN_TOKEN"] = ""
	c.run("--notificationtype=PROBLEM", "--hostname=refuse-me")
	c.tell("next")
	c.env["TOCSIN_TOKEN"] = up
	first := c.files(t, "")[0]
	aside := filepath.Join(filepath.Dir(first), "rejected", filepath.Base(first))
	// Nothing that is written there gets a byte; what is renamed needs none.
	if err := errors.Join(os.Mkdir(filepath.Dir(aside), 0o700), os.Symlink("/dev/full", aside)); err != nil {
		t.Fatal(err)
	}
	got := c.run("--flush")
	if got.code != 0 || strings.Join(h.outputs(), " ") != "next" || !strings.Contains(got.err, "refused here") {
		t.Errorf("ended with %+v, the hub has %v", got, h.outputs())
	}
	if info, err := os.Lstat(aside); err != nil || !info.Mode().IsRegular() {
		t.Fatalf("what was refused is not kept: %v, %v", info, err)
	}
	if body, err := os.ReadFile(aside); err != nil || !strings.Contains(string(body), "refuse-me") {
		t.Errorf("what was refused is kept as %q, %v", body, err)
	}
}
