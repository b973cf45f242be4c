package live

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller watches the sockets of streams: it notices peers that went away and
// slow ones that take bytes again. One epoll instance and one goroutine serve
// all of them. Go's own poller would do too, but only with a goroutine waiting
// on each socket, at more than the memory that a stream may have.
type poller struct {
	file *os.File // the epoll instance, itself watched by Go's poller

	mu   sync.Mutex
	byFD []*stream
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	// Only a non-blocking descriptor is given to Go's poller by NewFile; then
	// waiting for events parks a goroutine instead of a thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make the epoll instance non-blocking: %w", err)
	}
	return &poller{file: os.NewFile(uintptr(fd), "epoll")}, nil
}

func (p *poller) control(f func(epfd int) error) error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(epfd uintptr) { inner = f(int(epfd)) }); err != nil {
		return err
	}
	return inner
}

// add watches fd. Edge-triggered, reading and writing at once: an edge for
// writing comes only after a write found the socket full, so a healthy stream
// costs no event and no further system call.
func (p *poller) add(fd int32, s *stream) error {
	p.mu.Lock()
	if n := int(fd) + 1; n > len(p.byFD) {
		p.byFD = append(p.byFD, make([]*stream, n-len(p.byFD))...)
	}
	p.byFD[fd] = s
	p.mu.Unlock()
	return p.control(func(epfd int) error {
		return unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{
			Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
			Fd:     fd,
		})
	})
}

// remove forgets fd; closing it takes it out of the epoll instance.
func (p *poller) remove(fd int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(fd) < len(p.byFD) {
		p.byFD[fd] = nil
	}
}

func (p *poller) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 256)
	scratch := make([]byte, 4096)
	for {
		n := 0
		err := raw.Read(func(epfd uintptr) bool {
			got, err := unix.EpollWait(int(epfd), events, 0)
			n = max(got, 0)
			// Interrupted is as good as nothing: Read would wait for the next edge.
			return n > 0 || errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			p.mu.Lock()
			s := p.byFD[e.Fd]
			p.mu.Unlock()
			if s != nil {
				s.ready(e.Fd, e.Events, scratch)
			}
		}
	}
}

func (p *poller) close() { _ = p.file.Close() }

// ready handles an event of the socket fd. It may be one of a descriptor that
// meanwhile became another stream's; so nothing is believed but what a read says.
func (s *stream) ready(fd int32, events uint32, scratch []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.fd != fd {
		return
	}
	if events&^uint32(unix.EPOLLOUT) != 0 && gone(fd, scratch) {
		s.closeLocked()
		return
	}
	s.flushLocked()
}

// gone tells whether the peer closed the connection, or says more than a reader
// of an event stream has any reason to. A half-closed one counts as closed:
// browsers close both ways at once.
func gone(fd int32, scratch []byte) bool {
	for range 4 {
		n, err := unix.Read(int(fd), scratch)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR):
		case err != nil || n == 0:
			return true
		}
	}
	return true
}

// writeSocket writes what the socket takes without waiting.
func writeSocket(fd int32, b []byte) (int, error) {
	for {
		n, err := unix.Write(int(fd), b)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case !errors.Is(err, unix.EINTR):
			return 0, err
		}
	}
}

func closeSocket(fd int32) { _ = unix.Close(int(fd)) }

// takeSocket takes the socket out of a hijacked connection, which is closed by
// it; what net/http and net keep for a connection (some 10 KB) becomes garbage.
// unacked is after how many milliseconds without any sign of life the kernel
// gives the peer up: one that vanished without a word (a laptop that was shut).
func takeSocket(conn net.Conn, unacked int) (int32, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("%T has no socket of its own", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("find the socket: %w", err)
	}
	fd, inner := -1, error(nil)
	err = raw.Control(func(old uintptr) {
		// The copy shares O_NONBLOCK with the original, but not its place in
		// Go's poller.
		fd, inner = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, inner); err != nil {
		return -1, fmt.Errorf("copy the socket: %w", err)
	}
	// Not every connection is TCP (a Unix socket behind a proxy): then the proxy
	// closes it, and this is not needed.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unacked)
	_ = conn.Close()
	return int32(fd), nil
}
