package nagios

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of a status file. A line that is longer holds output that nobody
// here needs, and is passed over.
const (
	maxStatus     = 256 << 20
	maxStatusLine = 64 << 10
)

// patience is how long one reading, one dialogue or one opening may take.
const patience = 5 * time.Second

// statusFile is an engine's status.dat. Many who look at the same time share one
// reading, and one that did not change is not read again.
type statusFile struct {
	path string
	turn chan struct{} // held by who reads
	last seen          // what was read last; of who has the turn

	mu   sync.Mutex
	next *reading // that the next reader will make
}

// reading is one pass over the file, for all who wait for it.
type reading struct {
	want map[key]bool
	done chan struct{} // closed when view and err are there
	view view
	err  error
}

// seen is what one reading showed, and of what.
type seen struct {
	file os.FileInfo // nil: none that is worth keeping
	want map[key]bool
	view view
}

// A file that was changed a moment ago may be changed again without another time
// of change; and of so many objects what was read is kept for the next reading.
const (
	restless = time.Second
	mostKept = 1000
)

// shows says whether the file is the one that was read, and the objects are among
// those that were looked for in it.
func (s *seen) shows(file os.FileInfo, want map[key]bool) bool {
	if s.file == nil || !os.SameFile(s.file, file) || s.file.Size() != file.Size() || !s.file.ModTime().Equal(file.ModTime()) {
		return false
	}
	for k := range want {
		if !s.want[k] {
			return false
		}
	}
	return true
}

func newStatusFile(path string) *statusFile {
	return &statusFile{path: path, turn: make(chan struct{}, 1)}
}

func (f *statusFile) name() string { return "status.dat" }

// look waits for a reading that begins after it was called.
func (f *statusFile) look(ctx context.Context, objects []key) (view, error) {
	f.mu.Lock()
	if f.next == nil {
		f.next = &reading{want: map[key]bool{}, done: make(chan struct{})}
	}
	r := f.next
	for _, k := range objects {
		r.want[k] = true
	}
	f.mu.Unlock()
	select {
	case <-r.done: // another one had the turn
		return r.view, r.err
	case <-ctx.Done():
		return view{}, fmt.Errorf("read the status file %s: %w", f.path, ctx.Err())
	case f.turn <- struct{}{}:
	}
	defer func() { <-f.turn }()
	select {
	case <-r.done:
		return r.view, r.err
	default:
	}
	f.mu.Lock()
	f.next = nil // who comes from here on is for the next reading
	f.mu.Unlock()
	// Others wait for it, too: it does not end with who began it.
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	r.view, r.err = f.read(reading, r.want)
	close(r.done)
	return r.view, r.err
}

// read goes through the file once.
func (f *statusFile) read(ctx context.Context, want map[key]bool) (view, error) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return view{}, readable("status file", f.path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	st, err := file.Stat()
	if err != nil {
		return view{}, readable("status file", f.path, err)
	}
	if !st.Mode().IsRegular() {
		return view{}, fmt.Errorf("the status file %s is no regular file: give the path of the engine's setting status_file", f.path)
	}
	if st.Size() > maxStatus {
		return view{}, fmt.Errorf("the status file %s has %d MiB, and at most %d are read: choose Livestatus for so large an engine", f.path, st.Size()>>20, maxStatus>>20)
	}
	if f.last.shows(st, want) {
		return f.last.view, nil
	}
	// What was looked for before is likely to be looked for again.
	if len(f.last.want)+len(want) <= mostKept {
		maps.Copy(want, f.last.want)
	}
	v, err := parseStatus(ctx, io.LimitReader(file, maxStatus), want)
	f.last = seen{want: want}
	if err != nil {
		return view{}, fmt.Errorf("the status file %s %w", f.path, err)
	}
	if time.Since(st.ModTime()) > restless {
		f.last.file, f.last.view = st, v
	}
	return v, nil
}

// probe says whether the file is there and is still being written.
func (f *statusFile) probe(ctx context.Context) error {
	v, err := f.look(ctx, nil)
	if err != nil {
		return err
	}
	if age := time.Since(v.at); age > 10*time.Minute {
		return fmt.Errorf("the status file %s was written %s ago: the engine is not running, or its setting status_file is another", f.path, age.Truncate(time.Minute))
	}
	return nil
}

// block is one block of a status file.
type block struct {
	kind          string
	host, service string
	skip          bool // of an object that nobody asked for
	sight         sight
	remark        remark
	downtime      Downtime
}

// The blocks that are looked at.
var blocks = map[string]string{
	"info": "info", "hoststatus": "hoststatus", "servicestatus": "servicestatus",
	"hostcomment": "hostcomment", "servicecomment": "servicecomment",
	"hostdowntime": "hostdowntime", "servicedowntime": "servicedowntime",
}

// parseStatus reads a status file of Nagios or Naemon: blocks "kind {", lines
// "\tkey=value", "\t}". Only what is wanted of it is kept.
func parseStatus(ctx context.Context, r io.Reader, want map[key]bool) (view, error) {
	hosts := map[string]bool{}
	for k := range want {
		hosts[k.host] = true
	}
	v := view{objects: make(map[key]*sight, len(want))}
	in := bufio.NewReaderSize(r, maxStatusLine)
	var one block
	var b *block // &one while in a block: there may be hundreds of thousands
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return view{}, fmt.Errorf("took too long to read: %w", ctx.Err())
		}
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if err := rest(in); err != nil {
				return view{}, fmt.Errorf("cannot be read: %w", err)
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return view{}, fmt.Errorf("cannot be read: %w", err)
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case b == nil:
			if kind, ok := bytes.CutSuffix(line, []byte(" {")); ok {
				known := blocks[string(kind)]
				one = block{kind: known, skip: known == ""}
				b = &one
			}
		case len(line) == 1 && line[0] == '}':
			v.take(b, want)
			b = nil
		case !b.skip:
			if name, value, ok := bytes.Cut(line, []byte("=")); ok {
				b.set(string(name), value, &v, hosts)
			}
		}
		if err != nil {
			break
		}
	}
	switch {
	case v.at.IsZero():
		return view{}, errors.New("is no status.dat: it does not say when it was made; give the path of the engine's setting status_file")
	case b != nil:
		return view{}, errors.New("ends in the middle: the engine has not finished it")
	}
	return v, nil
}

// rest passes over the rest of a line that is too long.
func rest(in *bufio.Reader) error {
	for {
		_, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil, errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// set takes over one line of a block. The object's names come first in it, so
// that the rest of what nobody asked for is passed over.
func (b *block) set(name string, value []byte, v *view, hosts map[string]bool) {
	switch name {
	case "created":
		if b.kind == "info" {
			v.at = stamp(value)
		}
	case "host_name":
		if b.skip = !hosts[string(value)]; !b.skip {
			b.host = string(value)
		}
	case "service_description":
		b.service = string(value)
	case "current_state":
		b.sight.state, _ = strconv.Atoi(string(value)) // not a number: as good as 0, like the engine's own atoi
	case "problem_has_been_acknowledged":
		b.sight.acked = len(value) == 1 && value[0] != '0'
	case "author":
		b.remark.author = string(value)
	case "comment_data", "comment":
		b.remark.text = string(value)
	case "entry_time":
		b.remark.at = stamp(value)
	case "entry_type":
		b.remark.ack = string(value) == ackEntry
	case "start_time":
		b.downtime.Start = stamp(value)
	case "end_time":
		b.downtime.End = stamp(value)
	}
}

// ackEntry is the entry_type of a comment that came with an acknowledgement.
const ackEntry = "4"

// take takes over a block that has ended.
func (v *view) take(b *block, want map[key]bool) {
	k := key{b.host, b.service}
	if b.skip || !want[k] {
		return
	}
	s := v.objects[k]
	if s == nil {
		s = &sight{}
		v.objects[k] = s
	}
	switch b.kind {
	case "hoststatus", "servicestatus":
		s.known, s.state, s.acked = true, b.sight.state, b.sight.acked
	case "hostcomment", "servicecomment":
		s.comments = append(s.comments, b.remark)
	case "hostdowntime", "servicedowntime":
		b.downtime.Author, b.downtime.Comment = b.remark.author, b.remark.text
		s.downtimes = append(s.downtimes, b.downtime)
	}
}

// stamp is a time in whole seconds; zero for what is none.
func stamp(value []byte) time.Time {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}
