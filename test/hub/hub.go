// Package hub builds the program and runs it as its users do: the built
// binary on a spare port, set up by its own command line, looked at through
// its own API.
//
//	bin, err := hub.Build(ctx, dir)
//	h, err := hub.New(hub.Options{Bin: bin, Dir: t.TempDir()})
//	_, err = h.CLI(ctx, "secret\n", "user", "add", "anna", "--role", "admin", "--password-stdin")
//	err = h.Start(ctx)
//	defer h.Kill()
package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tocsin/test/port"
)

// Options say where a hub lives.
type Options struct {
	Bin      string   // the built program
	Dir      string   // its data folder
	Database string   // empty: SQLite in Dir
	Env      []string // further settings
	Proxy    bool     // browsers reach it through a Proxy, which can be cut
	Host     string   // its address; empty: 127.0.0.1
	Within   []string // a command that runs it, such as one that enters a network namespace
}

// Hub is one hub that can be started, stopped and killed, and started again
// on the same port with the same data.
type Hub struct {
	o      Options
	Listen string // address it listens on
	URL    string // address it is reached at: http://localhost:port
	Line   *Proxy // nil unless asked for
	Key    string // API key for Get and Post, set by the test

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	log    bytes.Buffer
	logMu  sync.Mutex
}

// Build builds the program into dir and answers its path: without C, as it is
// shipped, and with paths, so that what `go vet` compiled serves here too.
func Build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "tocsin")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "tocsin/cmd/tocsin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return bin, nil
}

// New takes a spare port; it starts nothing.
func New(o Options) (*Hub, error) {
	spare, err := port.Spare()
	if err != nil {
		return nil, err
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	h := &Hub{o: o, Listen: fmt.Sprintf("%s:%d", o.Host, spare), URL: fmt.Sprintf("http://localhost:%d", spare)}
	if o.Proxy {
		if h.Line, err = NewProxy(h.Listen); err != nil {
			return nil, err
		}
		h.URL = "http://localhost:" + h.Line.Port()
	}
	return h, nil
}

// Env is what the program's commands need to know of this hub.
func (h *Hub) Env() []string {
	env := []string{"TOCSIN_LISTEN=" + h.Listen, "TOCSIN_DATA=" + h.o.Dir, "TOCSIN_BASE_URL=" + h.URL}
	if h.o.Database != "" {
		env = append(env, "TOCSIN_DATABASE_URL="+h.o.Database)
	}
	return append(env, h.o.Env...)
}

// CLI runs one command of the program against the hub's data and answers what
// it printed.
func (h *Hub) CLI(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.o.Bin, args...)
	cmd.Env = append(os.Environ(), h.Env()...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("tocsin %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// logWriter collects what the hub logs.
type logWriter struct{ h *Hub }

func (w logWriter) Write(p []byte) (int, error) {
	w.h.logMu.Lock()
	defer w.h.logMu.Unlock()
	return w.h.log.Write(p)
}

// Log is what the hub has logged so far.
func (h *Hub) Log() string {
	h.logMu.Lock()
	defer h.logMu.Unlock()
	return h.log.String()
}

// Start starts `tocsin serve` and returns when it is ready.
func (h *Hub) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := append(slices.Clone(h.o.Within), h.o.Bin, "serve")
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), h.Env()...)
	cmd.Stdout, cmd.Stderr = logWriter{h}, logWriter{h}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	h.cmd, h.exited = cmd, exited
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if h.ready(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("the hub ended at its start: %s", h.Log())
		case <-ctx.Done():
			return fmt.Errorf("the hub is not ready: %w: %s", ctx.Err(), h.Log())
		}
	}
}

func (h *Hub) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Listen+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Pid is the hub's process.
func (h *Hub) Pid() int { return h.cmd.Process.Pid }

// ErrStuck is answered when a hub that was told to stop goes on.
var ErrStuck = errors.New("the hub did not end")

// Stop tells the hub to end, as an init system does, and waits for it.
func (h *Hub) Stop(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the hub: %w", err)
	}
	select {
	case <-h.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %s", ErrStuck, h.Log())
	}
}

// Kill ends the hub as a power cut does, as far as a process can tell.
func (h *Hub) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Kill()
	<-h.exited
}

// Front is a hub that others run: nodes behind a balancer, as one. It is for the
// API and for tabs, and cannot be started.
func Front(listen, url, key string) *Hub { return &Hub{Listen: listen, URL: url, Key: key} }

// Signal sends a signal to the hub's process.
func (h *Hub) Signal(s syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal the hub: %w", err)
	}
	return nil
}

// Exited is closed when the hub's process has ended.
func (h *Hub) Exited() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exited
}

// Use has the next start, and commands, run another program.
func (h *Hub) Use(bin string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.o.Bin = bin
}
