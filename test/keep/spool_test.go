package keep_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tocsin/internal/notify"
)

// over has a file be another one, which can neither be renamed nor removed.
func over(t *testing.T, file, other string) (undo func()) {
	t.Helper()
	if err := syscall.Mount(other, file, "", syscall.MS_BIND, ""); err != nil {
		t.Fatalf("mount over a file: %v; only root may do that: run this test as root", err)
	}
	gone := false
	undo = func() {
		if !gone {
			gone = true
			ok(t, syscall.Unmount(file, syscall.MNT_DETACH))
		}
	}
	t.Cleanup(undo)
	return undo
}

// A file of the spool that cannot be read, or not be moved, is passed over; what it
// holds is handed in later.
func TestABadFileOfTheSpoolHoldsUpNothing(t *testing.T) {
	h := &taking{seen: map[string]int{}}
	s := httptest.NewUnstartedServer(h)
	address := s.Listener.Addr().String()
	ok(t, s.Listener.Close())
	spool := filepath.Join(t.TempDir(), "spool")
	env := map[string]string{"TOCSIN_URL": "http://" + address, "TOCSIN_TOKEN": "ts_x", "TOCSIN_SPOOL": spool, "TOCSIN_NOTIFY_CONFIG": os.DevNull, "TOCSIN_TIMEOUT": "20s"}
	run := func(args ...string) (code int, said string) {
		t.Helper()
		var out bytes.Buffer
		code = notify.Run(t.Context(), args, nil, &out, &out, func(k string) string { return env[k] })
		return code, out.String()
	}
	tell := func(name string) (int, string) {
		t.Helper()
		return run("--type=Host", "--notificationtype=PROBLEM", "--hostname=web01", "--state=1", "--output="+name)
	}
	waiting := func() []string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(spool, "*", "[0-9]*.json"))
		ok(t, err)
		return list
	}
	for _, name := range []string{"first", "second"} {
		if code, said := tell(name); code != 0 {
			t.Fatal(said)
		}
	}
	dir := filepath.Dir(waiting()[0])
	body, err := os.ReadFile(waiting()[0])
	ok(t, err)
	put := func(n int, text string, size int) (path string) {
		t.Helper()
		path = filepath.Join(dir, fmt.Sprintf("%019d-0000001-%08x-%07d.json", n, n, size))
		ok(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	// 4,096 bytes, says the kernel, and then that they cannot be read.
	unread := over(t, put(1, "x", 4096), "/sys/class/net/lo/speed")
	noise := put(2, "nojsn", 5)
	unmoved := over(t, noise, noise)
	stays := put(3, string(bytes.Replace(body, []byte("first"), []byte("stays"), 1)), len(body))
	unremoved := over(t, stays, stays)

	s.Listener, err = net.Listen("tcp", address)
	ok(t, err)
	s.Start()
	defer s.Close()
	has := func(want map[string]int) {
		t.Helper()
		h.mu.Lock()
		defer h.mu.Unlock()
		for name, n := range want {
			if h.seen[name] != n {
				t.Errorf("%q was handed in %d times and not %d", name, h.seen[name], n)
			}
		}
	}
	code, said := tell("third")
	if code != 0 || !strings.Contains(said, "is passed over") || strings.Contains(said, "spooled") {
		t.Errorf("a call beside bad files ends with %d: %s", code, said)
	}
	has(map[string]int{"first": 1, "second": 1, "third": 1, "stays": 1})
	if code, said := run("--flush"); code != 1 || !strings.Contains(said, "3 events still wait") || !strings.Contains(said, "is passed over") {
		t.Errorf("a flush beside bad files ends with %d: %s", code, said)
	}
	unread()
	unmoved()
	unremoved()
	ok(t, os.Remove(waiting()[0])) // what was below the one that could not be read
	if code, said := run("--flush"); code != 0 || len(waiting()) != 0 {
		t.Errorf("a flush when all is well ends with %d: %s; %v wait", code, said, waiting())
	}
	has(map[string]int{"first": 1, "second": 1, "third": 1})
	if aside, err := filepath.Glob(filepath.Join(dir, "corrupt", "*.json")); err != nil || len(aside) != 1 {
		t.Errorf("corrupt/ has %v, %v", aside, err)
	}
}
