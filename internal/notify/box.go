package notify

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// What a spool holds at most. Beyond it the newest event is refused: the
	// older ones tell how the trouble began.
	maxWaiting      = 100_000
	maxWaitingBytes = 256 << 20

	// maxAside bounds rejected/ and corrupt/, of which the newest are kept.
	maxAside = 1000

	// maxEventBytes is more than any event that add writes: the hub takes 1 MiB.
	maxEventBytes = 8 << 20

	rejectedDir = "rejected"
	corruptDir  = "corrupt"

	// A file shorter than its name says is being written, if it is this young.
	beingWritten = 10 * time.Second
)

var errFull = errors.New("the spool is full")

// box is the part of the spool for one hub and source (or for settings that name
// none, see openBox): a folder with one file
// an event. A file's name is TIME-PID-RANDOM-SIZE.json, where TIME is in
// nanoseconds and never less than that of the call before, so that names sort
// in the order of calls; SIZE tells a whole file from one whose writer was
// killed. The folder itself is what calls lock.
type box struct {
	dir string
	f   *os.File // the folder, for locking and syncing
}

// openBox opens the spool, making folders as needed.
func openBox(s settings) (*box, error) {
	root, err := spoolDir(s)
	if err != nil {
		return nil, err
	}
	// Whose an event is cannot be told while the settings are wrong: it waits in
	// a box of its own, from which the first call with good ones takes it.
	sum := sha256.Sum256([]byte(s.origin))
	unsent := filepath.Join(root, "unsent-"+hex.EncodeToString(sum[:6]))
	if s.fault != nil {
		return openDir(unsent, root, map[string]string{"settings": s.fault.Error()})
	}
	sum = sha256.Sum256([]byte(s.url + "\n" + s.source))
	_, host, _ := strings.Cut(s.url, "://")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '_'
	}, host)
	dir := filepath.Join(root, fmt.Sprintf("%.60s-%s", name, hex.EncodeToString(sum[:6])))
	b, err := openDir(dir, root, map[string]string{"url": s.url, "source": s.source})
	if err != nil {
		return nil, err
	}
	b.takeOver(&box{dir: unsent})
	return b, nil
}

// takeOver moves the events of another box into this one. Their names keep
// their places. What cannot be moved now stays for the next call.
func (b *box) takeOver(other *box) {
	names, err := other.list()
	if err != nil {
		return // as a rule there is none
	}
	for _, name := range names {
		// Another call may do the same at this moment: one of the two moves it.
		_ = os.Rename(other.path(name), b.path(name))
	}
}

// openDir opens a box in the spool's folder root, and makes it if need be;
// target says for people whose events these are.
func openDir(dir, root string, target map[string]string) (*box, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make the spool: %w; create %s for the engine's user, or set TOCSIN_SPOOL", err, root)
		}
		adopt(dir, root)
		text, _ := json.Marshal(target)
		note := filepath.Join(dir, "target")
		if err := os.WriteFile(note, append(text, '\n'), 0o600); err == nil {
			adopt(note, root)
		}
		if err := syncDir(root); err != nil { // else a power cut takes the box with all that is in it
			return nil, fmt.Errorf("make the spool: %w", err)
		}
		f, err = os.Open(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the spool: %w; make it writable for the engine's user, or set TOCSIN_SPOOL", err)
	}
	return &box{dir: dir, f: f}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return cmp.Or(d.Sync(), d.Close())
}

// spoolDir is the folder of all boxes.
func spoolDir(s settings) (string, error) {
	if s.spool != "" {
		if err := os.MkdirAll(s.spool, 0o700); err != nil {
			return "", fmt.Errorf("make the spool: %w; create that folder for the engine's user, or set TOCSIN_SPOOL to another", err)
		}
		return s.spool, nil
	}
	const writeAndSearch = 3
	if system := "/var/spool/tocsin"; syscall.Access(system, writeAndSearch) == nil {
		return system, nil
	}
	state := s.getenv("XDG_STATE_HOME")
	if home := s.getenv("HOME"); state == "" && home != "" {
		state = filepath.Join(home, ".local", "state")
	}
	if filepath.IsAbs(state) {
		dir := filepath.Join(state, "tocsin", "spool")
		if os.MkdirAll(dir, 0o700) == nil && syscall.Access(dir, writeAndSearch) == nil {
			return dir, nil
		}
	}
	// Anybody may have made a folder of that name in /tmp: it must be ours.
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tocsin-spool-%d", os.Geteuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the spool: %w; set TOCSIN_SPOOL to a folder that the engine's user may write", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the spool: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is not a private folder of this user; set TOCSIN_SPOOL to one that is", dir)
	}
	return dir, nil
}

// adopt gives what root made to the folder's owner, so that a call made by
// hand does not leave files that the engine's user cannot read.
func adopt(path, like string) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(like); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			// Where that is not allowed, the file stays root's, which is no worse.
			_ = os.Lchown(path, int(st.Uid), int(st.Gid))
		}
	}
}

func (b *box) close() { _ = b.f.Close() }

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

func (b *box) asidePath(kind, name string) string { return filepath.Join(b.dir, kind, name) }

// add writes an event at the end and answers its name.
func (b *box) add(body []byte) (string, error) {
	names, err := b.list()
	if err != nil {
		return "", fmt.Errorf("list the spool: %w", err)
	}
	bytes := int64(len(body))
	for _, n := range names {
		bytes += sizeIn(n)
	}
	if len(names) >= maxWaiting || bytes > maxWaitingBytes {
		return "", fmt.Errorf("%w: %s in %s; see why the hub takes none, then run `tocsin notify --flush`", errFull, count(len(names), "event waits", "events wait"), b.dir)
	}
	var r [4]byte
	_, _ = rand.Read(r[:])
	name := fmt.Sprintf("%019d-%07d-%x-%07d.json", b.next(), os.Getpid(), r, len(body))
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write to the spool: %w; make %s writable for the engine's user", err, b.dir)
	}
	adopt(b.path(name), b.dir)
	// One write: the file is either whole or, by its size, known not to be.
	_, err = f.Write(body)
	if err = cmp.Or(err, f.Close()); err != nil {
		_ = os.Remove(b.path(name))
		return "", fmt.Errorf("write to the spool: %w; free that disk", err)
	}
	return name, nil
}

// next is a time that no earlier call has had, also when the clock was set
// back since: the file "last" remembers. Calls that overlap have no order and
// may get the same.
func (b *box) next() int64 {
	now := time.Now().UnixNano()
	path := b.path("last")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return now
	}
	defer func() { _ = f.Close() }()
	var buf [19]byte
	if n, _ := f.ReadAt(buf[:], 0); n == len(buf) {
		if last, err := strconv.ParseInt(string(buf[:]), 10, 64); err == nil && last < 1<<62 {
			now = max(now, last+1)
		}
	} else {
		adopt(path, b.dir)
	}
	// If this is not written, the clock alone orders the calls.
	_, _ = f.WriteAt(fmt.Appendf(nil, "%019d", now), 0)
	return now
}

// list is the waiting events in the order of calls.
func (b *box) list() ([]string, error) {
	d, err := os.Open(b.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(all, func(n string) bool { return sizeIn(n) < 0 })
	slices.Sort(names)
	return names, nil
}

// sizeIn is the SIZE in a file's name, or -1 if it is no event's name.
func sizeIn(name string) int64 {
	part := strings.Split(strings.TrimSuffix(name, ".json"), "-")
	if len(part) != 4 || len(part[0]) != 19 || !strings.HasSuffix(name, ".json") {
		return -1
	}
	n, err := strconv.ParseInt(part[3], 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func (b *box) count() int {
	names, _ := b.list() // a number for people
	return len(names)
}

// has says that the event still waits.
func (b *box) has(name string) bool {
	_, err := os.Lstat(b.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// What reading one file may find.
var (
	errGone      = errors.New("gone")
	errUnwritten = errors.New("being written")
	errCorrupt   = errors.New("not an event")
)

// read reads a waiting event.
func (b *box) read(name string) ([]byte, error) {
	// Whatever lies there under such a name: opening it neither waits nor follows it elsewhere.
	f, err := os.OpenFile(b.path(name), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errGone
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO):
		return nil, fmt.Errorf("%w: it is no plain file", errCorrupt)
	case err != nil:
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch size := info.Size(); {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no plain file", errCorrupt)
	case size > sizeIn(name):
		return nil, fmt.Errorf("%w: it has %d bytes, more than were written", errCorrupt, size)
	case size > maxEventBytes:
		return nil, fmt.Errorf("%w: it has %d bytes, more than an event has", errCorrupt, size)
	case size < sizeIn(name) && time.Since(info.ModTime()).Abs() < beingWritten:
		return nil, errUnwritten
	case size < sizeIn(name):
		return nil, fmt.Errorf("%w: only %d of %d bytes of it are there", errCorrupt, size, sizeIn(name))
	}
	body := make([]byte, info.Size())
	if n, err := f.ReadAt(body, 0); err != nil && n < len(body) {
		return nil, err
	}
	var e struct{ ID string }
	if json.Unmarshal(body, &e) != nil || e.ID == "" {
		return nil, fmt.Errorf("%w: what is in it is none", errCorrupt)
	}
	return body, nil
}

// readPlain reads a file that is known not to be large, and waits for nothing that
// lies there instead of one.
func readPlain(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, errCorrupt)
	}
	return io.ReadAll(io.LimitReader(f, 2*maxEventBytes))
}

// remove takes out an event that the hub has.
func (b *box) remove(name string) error {
	if err := os.Remove(b.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take a handed-in event out of the spool: %w; make %s writable for this user", err, b.dir)
	}
	return nil
}

// setAside moves what can never be handed in out of the way, into rejected/
// or corrupt/.
func (b *box) setAside(kind, name string, body []byte) error {
	dir := b.path(kind)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		// What else has that name is moved out of the way, too.
		_ = os.Rename(dir, fmt.Sprintf("%s-%d", dir, time.Now().UnixNano())) // as a rule there is nothing
		if os.Mkdir(dir, 0o700) == nil {
			adopt(dir, b.dir)
		}
	}
	if body != nil {
		// The reason first, the event out of the spool last: killed between the
		// two, the event is tried and refused once more.
		err := os.WriteFile(b.asidePath(kind, name), body, 0o600)
		if err == nil {
			adopt(b.asidePath(kind, name), b.dir)
			err = b.remove(name)
		} else if os.Rename(b.path(name), b.asidePath(kind, name)) == nil {
			err = nil // a full disk: the reason is said on stderr, and the others are not to wait
		}
		if err != nil {
			return fmt.Errorf("set a refused event aside: %w", err)
		}
	} else if err := os.Rename(b.path(name), b.asidePath(kind, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set a broken file of the spool aside: %w", err)
	}
	kept, err := os.ReadDir(dir)
	if err != nil {
		return nil //nolint:nilerr // the file is aside; tidying can wait for the next call
	}
	for _, old := range kept[:max(0, len(kept)-maxAside)] {
		_ = os.RemoveAll(filepath.Join(dir, old.Name())) // tidying; the next call tries again
	}
	return nil
}

// corrupt moves a broken file into corrupt/, with a note beside it.
func (b *box) corrupt(name string, why error) error {
	if err := b.setAside(corruptDir, name, nil); err != nil {
		return err
	}
	note := b.asidePath(corruptDir, name+".note")
	text := fmt.Sprintf("%s: %v; it was moved here and nothing of it was handed in\n", time.Now().UTC().Format(time.RFC3339), why)
	if os.WriteFile(note, []byte(text), 0o600) == nil { // it is said on stderr too
		adopt(note, b.dir)
	}
	return nil
}

// rejection is a file in rejected/.
type rejection struct {
	Reason string          `json:"reason"`
	Status int             `json:"status"`
	At     time.Time       `json:"at"`
	Event  json.RawMessage `json:"event"`
}

func (b *box) reject(name string, body []byte, r *refusal) error {
	out, err := json.MarshalIndent(rejection{Reason: r.reason, Status: r.status, At: time.Now().UTC(), Event: body}, "", "  ")
	if err != nil {
		return fmt.Errorf("set a refused event aside: %w", err)
	}
	return b.setAside(rejectedDir, name, append(out, '\n'))
}

// refused says whether an event was set aside, and why.
func (b *box) refused(name string) (string, bool) {
	body, err := readPlain(b.asidePath(rejectedDir, name))
	if err != nil {
		return "", false
	}
	var r rejection
	if json.Unmarshal(body, &r) != nil || r.Reason == "" {
		return "see that file", true
	}
	return r.Reason, true
}

// sync makes certain that the event survives a power cut. An event that
// another call handed in meanwhile is at the hub and needs none.
func (b *box) sync(name string) error {
	f, err := os.Open(b.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	return cmp.Or(err, f.Close(), b.f.Sync())
}

// lock takes the box for handing in, without waiting. The lock ends with the
// process, also when that is killed. It is taken on a handle of its own.
func (b *box) lock() (unlock func(), ok bool, err error) {
	f, err := os.Open(b.dir)
	if err != nil {
		return nil, false, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("lock the spool: %w", err)
	}
	return func() { _ = f.Close() }, true, nil
}

// down reads the hint that the hub kept a call waiting in vain a moment ago.
func (b *box) down(now time.Time) (why string, ok bool) {
	body, err := readPlain(b.path("down"))
	if err != nil {
		return "", false
	}
	until, why, _ := strings.Cut(string(body), " ")
	ms, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return "", false
	}
	left := time.UnixMilli(ms).Sub(now)
	return why, left > 0 && left <= longestDown
}

func (b *box) setDown(until time.Time, why string) {
	path := b.path("down")
	// Only a hint: without it the next call finds out for itself.
	if os.WriteFile(path, fmt.Appendf(nil, "%d %s", until.UnixMilli(), why), 0o600) == nil {
		adopt(path, b.dir)
	}
}

func (b *box) clearDown() { _ = os.Remove(b.path("down")) }
