package nagios_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/nagios"
)

var ack = source.Command{
	ID: "d1", EventID: "e1", Verb: source.Acknowledge, Object: alert.Object{Host: "web01", Service: "HTTP Check"}, AlertID: "0198",
	Author: "jane.doe", Comment: "Looking into it", Sticky: true, From: noon,
}

// commandFile is the way by command file and status file, at a time that stands.
func commandFile(t *testing.T, path, status string) source.Engine {
	t.Helper()
	e, err := nagios.CommandFile().Open(source.WriteBack{Kind: "command_file", CommandFile: path, StatusFile: status}, source.EngineOptions{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func fifo(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o660); err != nil {
		t.Fatal(err)
	}
	return path
}

// reader opens a FIFO as an engine does: for reading and writing, so that it never
// ends.
func reader(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// fill opens a FIFO as an engine does that then hangs, and fills its pipe.
func fill(t *testing.T, path string) (fd int) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	return fd
}

// soon fails the test when f takes longer than some seconds: nothing here may wait
// for an engine.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(4 * time.Second):
		t.Fatal("it hangs")
	}
}

func TestALineReachesWhoReadsTheCommandFile(t *testing.T) {
	path := fifo(t, filepath.Join(t.TempDir(), "nagios.cmd"))
	r := reader(t, path)
	e := commandFile(t, path, "")
	reply, err := e.Do(t.Context(), ack)
	if err != nil || reply.Confirmation != alert.Pending || reply.Note != "1795299457" {
		t.Errorf("%+v, %v", reply, err)
	}
	buf := make([]byte, 8192)
	n, err := r.Read(buf)
	if want := "[1795299457] ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;jane.doe;Looking into it\n"; err != nil || string(buf[:n]) != want {
		t.Errorf("%v, %q", err, buf[:n])
	}
	if reply, err := e.Check(t.Context(), ack); err != nil || reply.Confirmation != alert.Pending || reply.Words != "" {
		t.Errorf("what cannot be read is neither known nor unknown: %+v, %v", reply, err)
	}
	if err := e.(source.Prober).Probe(t.Context()); err != nil {
		t.Errorf("probe: %v", err)
	}
}

// Every way in which a command file is not what it should be.
func TestWhatIsNoCommandFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fifo(t, at("unread"))
	must(os.WriteFile(at("regular"), []byte("kept"), 0o600))
	must(os.Mkdir(at("folder"), 0o700))
	reader(t, fifo(t, at("real")))
	must(os.Symlink(at("real"), at("link")))
	must(os.Symlink(at("nothing"), at("dangling")))
	must(os.WriteFile(at("target"), []byte("kept"), 0o600))
	must(os.Symlink(at("target"), at("out")))
	must(unix.Mknod(at("socket"), unix.S_IFSOCK|0o600, 0))
	fill(t, fifo(t, at("full")))
	for name, want := range map[string]string{
		"unread":       "nobody reads the command file",
		"regular":      "is a regular file and not a FIFO: delete it and start the engine anew",
		"folder":       "is a directory: give the path of the FIFO in it",
		"link":         "is a symbolic link, which is not followed: give the path that it leads to",
		"dangling":     "is a symbolic link, which is not followed",
		"out":          "is a symbolic link, which is not followed",
		"socket":       "is no FIFO but a socket; for Livestatus choose that way",
		"missing":      "there is no command file",
		"regular/x":    "there can be no command file",
		"full":         "is full: the engine holds it open and reads nothing; look whether it hangs",
		"missing/fifo": "there is no command file",
	} {
		t.Run(name, func(t *testing.T) {
			e := commandFile(t, at(name), "")
			soon(t, func() {
				if _, err := e.Do(t.Context(), ack); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at(name)) {
					t.Errorf("%v", err)
				}
			})
			if name == "full" {
				return // it could be told in a moment
			}
			soon(t, func() {
				if err := e.(source.Prober).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("probe: %v", err)
				}
			})
		})
	}
	for _, name := range []string{"regular", "target"} {
		if b, err := os.ReadFile(at(name)); err != nil || string(b) != "kept" {
			t.Errorf("%s was written to: %q, %v", name, b, err)
		}
	}
	if _, err := os.Lstat(at("missing")); !os.IsNotExist(err) {
		t.Error("a missing command file was made")
	}
}

func TestAFullPipeTakesTheLineLater(t *testing.T) {
	path := fifo(t, filepath.Join(t.TempDir(), "nagios.cmd"))
	fd := fill(t, path)
	e := commandFile(t, path, "")
	if _, err := e.Do(t.Context(), ack); err == nil || !strings.Contains(err.Error(), "is full") {
		t.Fatalf("%v", err)
	}
	buf := make([]byte, 1<<20)
	if _, err := unix.Read(fd, buf); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Do(t.Context(), ack); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(fd, buf); err != nil || !strings.HasPrefix(string(buf[:n]), "[1795299457] ACK") {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

func TestNoPermissionNamesTheGroup(t *testing.T) {
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := fifo(t, filepath.Join(dir, "nagios.cmd"))
	reader(t, path)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	e := commandFile(t, path, "")
	asNobody(t, func() {
		if _, err := e.Do(t.Context(), ack); err == nil || !strings.Contains(err.Error(), "permission denied; add the user") || !strings.Contains(err.Error(), "to the group") {
			t.Errorf("%v", err)
		}
	})
}

// asNobody runs f with the rights on files of a user who owns none: root, whom
// nothing stops, is given up on this thread alone.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, id := range []int{65534, 0} {
		if err := unix.Setfsuid(id); err != nil {
			t.Fatal(err)
		}
		if id != 0 {
			f()
		}
	}
}

// Lines of several writers do not mix: each is at most what a pipe takes in one
// piece.
func TestLinesOfManyWritersStayWhole(t *testing.T) {
	path := fifo(t, filepath.Join(t.TempDir(), "nagios.cmd"))
	r := reader(t, path)
	e := commandFile(t, path, "")
	const writers, each = 8, 40
	long := ack
	long.Comment = strings.Repeat("x", 5000)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range writers {
		go func() {
			for n := 0; n < each && ctx.Err() == nil; {
				if _, err := e.Do(ctx, long); err == nil {
					n++
				} else {
					runtime.Gosched() // full; it is being read
				}
			}
		}()
	}
	first := make([]byte, 4096)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	line := string(first)
	if !strings.HasSuffix(line, "\n") {
		t.Fatalf("the line has %d bytes and not 4096", strings.IndexByte(line, '\n')+1)
	}
	for n := 1; n < writers*each; n++ {
		if _, err := io.ReadFull(r, first); err != nil {
			t.Fatal(err)
		}
		if string(first) != line {
			t.Fatalf("line %d is mixed: %.80q…", n, first)
		}
	}
}
