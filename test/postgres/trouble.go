package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// allow lets whoever comes from the networks in.
func allow(file string, networks []string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("say who may connect: %w", err)
	}
	for _, n := range networks {
		if _, err := fmt.Fprintf(f, "host all all %s trust\n", n); err != nil {
			return fmt.Errorf("say who may connect: %w", err)
		}
	}
	return f.Close()
}

// demand asks WithPassword for a password: the first line that fits counts.
func demand(file string) error {
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append([]byte("host all "+WithPassword+" all scram-sha-256\n"), text...), 0o600)
	}
	if err != nil {
		return fmt.Errorf("say who needs a password: %w", err)
	}
	return nil
}

// Database makes an empty database and answers its URL.
func (s *Server) Database(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return of(s.URL, name)
}

// Halt shuts the server down, which ends all connections, and returns when it is
// down. Go on with Continue.
func (s *Server) Halt() error {
	if err := os.WriteFile(filepath.Join(s.dir, "hold"), nil, 0o644); err != nil {
		return fmt.Errorf("halt PostgreSQL: %w", err)
	}
	pid, err := s.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("halt PostgreSQL: %w", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if _, err := os.Stat(filepath.Join(s.dir, "held")); err == nil {
			return nil
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) does not end", pid)
}

// Continue starts a server that was halted, and returns when it answers.
func (s *Server) Continue() error {
	if err := os.Remove(filepath.Join(s.dir, "hold")); err != nil {
		return fmt.Errorf("start PostgreSQL again: %w", err)
	}
	return s.ready()
}

// Pause stops all processes of the server as a machine does that hangs: connections
// stay, and nothing answers. Resume has them go on.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	pid, err := s.postmaster()
	if err != nil {
		return err
	}
	// The first one first: it starts no others then.
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal PostgreSQL: %w", err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name may hold spaces and ends with the last bracket; then state and parent.
		rest := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(rest) > 1 && rest[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				return err
			}
			if err := syscall.Kill(child, sig); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("signal PostgreSQL: %w", err)
			}
		}
	}
	return nil
}

// postmaster is the process that the others are children of.
func (s *Server) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("find PostgreSQL's process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}
