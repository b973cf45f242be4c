//go:build linux

// Command child is one of the processes of the benchmark of package streams:
// "hub" and "floor" are the servers, "client ADDRESS N" holds N connections. It
// is asked by lines on standard input and answers each with a line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/bench/streams"
	"tocsin/internal/live"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if err := allowFiles(); err != nil {
		return err
	}
	if len(args) == 3 && args[0] == "client" {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return client(args[1], n)
	}
	if len(args) != 1 {
		return errors.New("usage: child hub | child floor | child client ADDRESS N")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var s server
	switch args[0] {
	case "hub":
		s = startHub(l)
	case "floor":
		s = startFloor(l)
	default:
		return fmt.Errorf("unknown role %q", args[0])
	}
	return serve(s, l.Addr().String())
}

// server is what is measured.
type server interface {
	open() int
	// event writes one event of about that size to all connections and answers
	// how many bytes each was given, when all are written.
	event(size int) int
}

func serve(s server, address string) error {
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, size, _ := strings.Cut(in.Text(), " ")
		sample := streams.Sample{Address: address, Open: s.open()}
		switch word {
		case "sample":
			sample.RSSRaw = resident()
			// Twice: what has a finalizer or was pooled is gone after the second.
			runtime.GC()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			sample.Heap, sample.Stack, sample.RSS = int64(m.HeapInuse), int64(m.StackInuse), resident()
		case "event":
			n, err := strconv.Atoi(size)
			if err != nil {
				return err
			}
			cpu, wall := used(), time.Now()
			sample.Frame = s.event(n)
			sample.Wall, sample.CPU = time.Since(wall).Nanoseconds(), used()-cpu
			// The clients read on; the next round is not to disturb them.
			time.Sleep(150 * time.Millisecond)
		}
		if err := out.Encode(sample); err != nil {
			return err
		}
	}
	return nil
}

// ---- the hub

// log is a live log of the last frame alone.
type log struct {
	mu   sync.Mutex
	last live.Frame
}

func (l *log) LiveAfter(_ context.Context, after int64, _ string, _ int) ([]live.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last.Seq <= after {
		return nil, nil
	}
	return []live.Frame{l.last}, nil
}

func (l *log) LiveBounds(context.Context) (int64, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Seq, l.last.Seq, nil
}

type hub struct {
	*live.Hub
	log *log
}

func startHub(l net.Listener) *hub {
	h := &hub{log: &log{}}
	// No heartbeat and no poll within a round: only the fan-out is measured.
	h.Hub = live.NewHub(h.log, live.Options{Node: "bench", Heartbeat: time.Hour, Poll: time.Hour})
	go func() { _ = h.Run(context.Background()) }()
	var users atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := users.Add(1)
		h.Serve(w, r, live.Viewer{UserID: fmt.Sprintf("user-%032d", id/2), Session: fmt.Sprintf("%064d", id)})
	})}
	go func() { _ = server.Serve(l) }()
	return h
}

func (h *hub) open() int { return h.Stats().Streams }

func (h *hub) event(size int) int {
	before := h.Stats()
	h.log.mu.Lock()
	h.log.last.Seq++
	h.log.last.Kind = "alert"
	h.log.last.Body = `{"object_id":"o","fill":"` + strings.Repeat("x", size-60) + `"}`
	seq, body := h.log.last.Seq, h.log.last.Body
	h.log.mu.Unlock()
	h.Wake()
	for h.Stats().FramesOut < before.FramesOut+uint64(before.Streams) {
		time.Sleep(time.Millisecond)
	}
	return len(fmt.Sprintf("id: %d\nevent: alert\ndata: %s\n\n", seq, body))
}

// ---- the floor

type floor struct {
	mu  sync.Mutex
	fds []int
}

func startFloor(l net.Listener) *floor {
	f := &floor{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			file, err := conn.(*net.TCPConn).SyscallConn()
			if err != nil {
				return
			}
			_ = file.Control(func(old uintptr) {
				if fd, err := unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err == nil {
					// The client counts a stream as open when its head has come.
					_, _ = unix.Write(fd, []byte("HTTP/1.1 200 OK\r\n\r\nevent: hello\n\n"))
					f.mu.Lock()
					f.fds = append(f.fds, fd)
					f.mu.Unlock()
				}
			})
			_ = conn.Close()
		}
	}()
	return f
}

func (f *floor) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.fds)
}

func (f *floor) event(size int) int {
	b := []byte(strings.Repeat("x", size))
	for _, fd := range f.fds {
		if n, err := unix.Write(fd, b); n != len(b) {
			fmt.Fprintln(os.Stderr, "floor: short write", n, err)
		}
	}
	return size
}

// ---- the client

// client opens n connections and reads what comes, with one epoll instance.
func client(address string, n int) error {
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	_ = host
	p, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// Several addresses of this machine, so that ports are enough for any n.
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%4)}}); err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: p}); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if _, err := unix.Write(fd, []byte("GET / HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nCookie: tocsin_session=abcdefghijklmnopqrstuvwxyz\r\n\r\n")); err != nil {
			return err
		}
		// The head has come before the next is opened: the server is not measured
		// while it accepts.
		if _, err := unix.Read(fd, make([]byte, 4096)); err != nil {
			return err
		}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	go func() {
		b := make([]byte, 64<<10)
		events := make([]unix.EpollEvent, 512)
		for {
			got, err := unix.EpollWait(ep, events, -1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			for _, e := range events[:max(got, 0)] {
				if n, err := unix.Read(int(e.Fd), b); n == 0 || err != nil {
					_ = unix.Close(int(e.Fd))
				}
			}
		}
	}()
	if err := json.NewEncoder(os.Stdout).Encode(streams.Sample{Open: n}); err != nil {
		return err
	}
	in.Scan() // until the end
	return nil
}

// ---- what the machine says

func allowFiles() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur = l.Max; l.Max < 12_000 {
		l.Cur, l.Max = 12_000, 12_000 // root may
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("allow %d open files (ulimit -n): %w", l.Cur, err)
	}
	return nil
}

func used() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
