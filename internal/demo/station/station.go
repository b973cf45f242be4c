// Package station is a simulated monitoring engine as Tocsin tells and reads it:
// a command file that is a FIFO, and a status.dat, both in the form that Nagios
// gives them. It takes what people do in Tocsin, and shows it a moment later. The
// demo and tests stand on it.
package station

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Station is the engine. Run makes it work.
type Station struct {
	Commands, Status string // paths of the command file and of status.dat
	// Every is the time between two writings of status.dat, Told is called when a
	// downtime begins or ends, Heard with each line of the command file and when it
	// came. All are set before Run.
	Every time.Duration
	Told  func(kind, host, service, author, comment string)
	Heard func(line string, at time.Time)

	mu      sync.Mutex
	objects map[[2]string]*watched
}

// watched is what the station knows of one host or service.
type watched struct {
	state     int
	acked     bool
	comments  []note
	downtimes []downtime
}

// note is a comment; of an acknowledgement if ack is set.
type note struct {
	ack          bool
	at           time.Time
	author, text string
}

type downtime struct {
	start, end   time.Time
	author, text string
}

// New makes the files in a folder.
func New(dir string) (*Station, error) {
	s := &Station{
		Commands: filepath.Join(dir, "command.fifo"), Status: filepath.Join(dir, "status.dat"), Every: 700 * time.Millisecond,
		Told: func(_, _, _, _, _ string) {}, Heard: func(string, time.Time) {}, objects: map[[2]string]*watched{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the simulated engine: %w", err)
	}
	if err := os.Remove(s.Commands); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("the simulated engine's command file of before: %w", err)
	}
	if err := syscall.Mkfifo(s.Commands, 0o600); err != nil {
		return nil, fmt.Errorf("make the simulated engine's command file: %w", err)
	}
	return s, s.write()
}

// Run takes commands and writes the status file until ctx ends.
func (s *Station) Run(ctx context.Context) error {
	// Open for both, so that it does not end when the last writer closes it.
	f, err := os.OpenFile(s.Commands, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open the simulated engine's command file: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // which ends the reading below
	defer stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			s.Heard(lines.Text(), time.Now())
			s.take(lines.Text())
		}
	}()
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			<-read
			return nil
		case <-tick.C:
			s.over()
			if err := s.write(); err != nil {
				return err
			}
		}
	}
}

// See is what the engine sees itself: an event of an object, as its notification
// says it.
func (s *Station) See(kind, host, service, state, author, comment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.object(host, service)
	switch kind {
	case "PROBLEM":
		w.state = number(state)
	case "RECOVERY":
		w.state, w.acked = 0, false
		w.comments = slices.DeleteFunc(w.comments, func(n note) bool { return n.ack })
	case "ACKNOWLEDGEMENT":
		w.acked = true
		w.comments = append(w.comments, note{true, time.Now(), author, comment})
	}
}

// Word is an object's state as its notifications say it.
func (s *Station) Word(host, service string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.object(host, service).state
	if service == "" {
		return []string{"UP", "DOWN", "UNREACHABLE", "UNREACHABLE"}[n]
	}
	return []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[n]
}

func number(state string) int {
	switch state {
	case "WARNING", "DOWN":
		return 1
	case "CRITICAL", "UNREACHABLE":
		return 2
	case "UNKNOWN":
		return 3
	}
	return 0
}

// object answers what is known of one; s.mu is held.
func (s *Station) object(host, service string) *watched {
	k := [2]string{host, service}
	if s.objects[k] == nil {
		s.objects[k] = &watched{}
	}
	return s.objects[k]
}

// take does one external command: "[time] NAME;field;field…". What it does not
// know it passes over, as an engine does.
func (s *Station) take(line string) {
	_, rest, ok := strings.Cut(line, "] ")
	verb, fields, _ := strings.Cut(rest, ";")
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// part gives n fields; the last of them has what is left.
	part := func(n int) []string {
		p := strings.SplitN(fields, ";", n)
		return append(p, make([]string, n-len(p))...)
	}
	find := func(p []string) *watched { return s.objects[[2]string{p[0], p[1]}] }
	if strings.Contains(verb, "_HOST_") && verb != "DEL_DOWNTIME_BY_HOST_NAME" { // it has no service
		host, more, _ := strings.Cut(fields, ";")
		fields = host + ";;" + more
	}
	switch strings.ReplaceAll(verb, "HOST", "SVC") {
	case "ACKNOWLEDGE_SVC_PROBLEM":
		p := part(7)
		if w := find(p); w != nil && w.state != 0 {
			w.acked = true
			w.comments = append(w.comments, note{true, time.Now(), p[5], p[6]})
		}
	case "REMOVE_SVC_ACKNOWLEDGEMENT":
		if w := find(part(3)); w != nil {
			w.acked = false
			w.comments = slices.DeleteFunc(w.comments, func(n note) bool { return n.ack })
		}
	case "ADD_SVC_COMMENT":
		p := part(5)
		if w := find(p); w != nil {
			w.comments = append(w.comments, note{false, time.Now(), p[3], p[4]})
		}
	case "SCHEDULE_SVC_DOWNTIME":
		p := part(9)
		if w := find(p); w != nil {
			w.downtimes = append(w.downtimes, downtime{moment(p[2]), moment(p[3]), p[7], p[8]})
			go s.Told("DOWNTIMESTART", p[0], p[1], p[7], p[8])
		}
	case "DEL_DOWNTIME_BY_SVC_NAME":
		p := part(4)
		if w := find(p); w != nil {
			w.downtimes = slices.DeleteFunc(w.downtimes, func(d downtime) bool {
				gone := d.text == p[3]
				if gone {
					go s.Told("DOWNTIMECANCELLED", p[0], p[1], d.author, d.text)
				}
				return gone
			})
		}
	}
}

func moment(seconds string) time.Time {
	n, _ := strconv.ParseInt(seconds, 10, 64) // not a number: long ago
	return time.Unix(n, 0)
}

// over ends downtimes whose time has passed.
func (s *Station) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, w := range s.objects {
		w.downtimes = slices.DeleteFunc(w.downtimes, func(d downtime) bool {
			if time.Now().Before(d.end) {
				return false
			}
			go s.Told("DOWNTIMEEND", k[0], k[1], d.author, d.text)
			return true
		})
	}
}

// write makes status.dat anew; who reads sees the one of before or this one.
func (s *Station) write() error {
	var b strings.Builder
	s.mu.Lock()
	block := func(kind string, k [2]string, more ...string) {
		if k[1] == "" {
			kind = "host" + kind
		} else {
			kind = "service" + kind
		}
		fmt.Fprintf(&b, "%s {\n\thost_name=%s\n", kind, k[0])
		if k[1] != "" {
			fmt.Fprintf(&b, "\tservice_description=%s\n", k[1])
		}
		for _, line := range more {
			fmt.Fprintf(&b, "\t%s\n", line)
		}
		b.WriteString("\t}\n\n")
	}
	fmt.Fprintf(&b, "info {\n\tcreated=%d\n\t}\n\n", time.Now().Unix())
	for k, w := range s.objects {
		acked := 0
		if w.acked {
			acked = 1
		}
		block("status", k, fmt.Sprint("current_state=", w.state), fmt.Sprint("problem_has_been_acknowledged=", acked),
			fmt.Sprint("scheduled_downtime_depth=", len(w.downtimes)))
		for _, n := range w.comments {
			entry := "1"
			if n.ack {
				entry = "4"
			}
			block("comment", k, "entry_type="+entry, fmt.Sprint("entry_time=", n.at.Unix()), "author="+n.author, "comment_data="+n.text)
		}
		for _, d := range w.downtimes {
			block("downtime", k, fmt.Sprint("start_time=", d.start.Unix()), fmt.Sprint("end_time=", d.end.Unix()), "author="+d.author, "comment="+d.text)
		}
	}
	s.mu.Unlock()
	if err := os.WriteFile(s.Status+".new", []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the simulated engine's status file: %w", err)
	}
	if err := os.Rename(s.Status+".new", s.Status); err != nil {
		return fmt.Errorf("write the simulated engine's status file: %w", err)
	}
	return nil
}
