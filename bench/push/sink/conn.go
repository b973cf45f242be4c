package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// The frames of RFC 9113 that a push service meets.
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32
)

const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	head    = 9       // bytes before each frame
	streams = 100     // at the same time, as the big services allow
	window  = 1 << 30 // of a connection; renewed at half
)

// accepted is the answer to every message, as HPACK: ":status: 201" and a
// location, as push services give, without touching the dynamic table.
var accepted = func() []byte {
	b := []byte{0x08, 3, '2', '0', '1'}
	location := "https://push.example.com/m/gAAAAABl0mYkQv7w3JrTn9cUe4oZs8Xb1HfPd6LaRg5M"
	b = append(b, 0x0f, 31, byte(len(location))) // literal, index 46 (location)
	return append(b, location...)
}()

// answer is one that is to be written when its time has come.
type answer struct {
	stream uint32
	due    time.Time
}

// stream is a request that is not at its end.
type stream struct {
	request
	body   []byte // kept of samples only
	length int
}

// conn is one connection. One goroutine reads and counts, another writes what
// has been answered, all of it in one go.
type conn struct {
	service *service
	tls     *tls.Conn
	hpack   *hpack.Decoder
	block   []byte // a head in several frames
	blockOf uint32
	open    map[uint32]*stream
	free    []*stream
	current *stream
	got     int // body bytes since the window was renewed

	mu      sync.Mutex
	ready   sync.Cond
	answers []answer
	control []byte // frames that are no answers
	closed  bool
}

// serve speaks HTTP/2 until the peer ends.
func (s *service) serve(t *tls.Conn) error {
	c := &conn{service: s, tls: t, open: map[uint32]*stream{}}
	c.ready.L = &c.mu
	c.hpack = hpack.NewDecoder(4096, c.field)
	first := make([]byte, len(preface))
	if _, err := io.ReadFull(t, first); err != nil || string(first) != preface {
		return fmt.Errorf("no HTTP/2 preface: %w", err)
	}
	c.control = frame(nil, frameSettings, 0, 0, []byte{0, 3, 0, 0, 0, streams, 0, 4, 0, 16, 0, 0})
	c.control = frame(c.control, frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, window-65535))
	written := make(chan error, 1)
	go func() { written <- c.write() }()
	err := c.read()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.ready.Signal()
	return errors.Join(err, <-written)
}

// frame appends one.
func frame(dst []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	dst = append(dst, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	dst = binary.BigEndian.AppendUint32(dst, stream)
	return append(dst, payload...)
}

func (c *conn) read() error {
	buf := make([]byte, 0, 64<<10)
	for {
		for len(buf) >= head {
			n := int(buf[0])<<16 | int(buf[1])<<8 | int(buf[2])
			if n > 32<<10 {
				return fmt.Errorf("a frame of %d bytes", n)
			}
			if len(buf) < head+n {
				break
			}
			if err := c.frame(buf[3], buf[4], binary.BigEndian.Uint32(buf[5:])&^(1<<31), buf[head:head+n]); err != nil {
				return err
			}
			buf = buf[head+n:]
		}
		if cap(buf)-len(buf) < 17<<10 {
			buf = append(make([]byte, 0, 64<<10), buf...)
		}
		n, err := c.tls.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
	}
}

func (c *conn) frame(kind, flags byte, id uint32, p []byte) error {
	if flags&flagPadded != 0 && (kind == frameData || kind == frameHeaders) {
		if len(p) == 0 || len(p) < 1+int(p[0]) {
			return errors.New("wrong padding")
		}
		p = p[1 : len(p)-int(p[0])]
	}
	switch kind {
	case frameHeaders:
		if flags&flagPriority != 0 {
			if len(p) < 5 {
				return errors.New("wrong priority")
			}
			p = p[5:]
		}
		c.begin(id)
		if flags&flagEndStream != 0 {
			return errors.New("a message without a body")
		}
		c.block, c.blockOf = c.block[:0], id
		if flags&flagEndHeaders == 0 {
			c.block = append(c.block, p...)
			return nil
		}
		return c.headers(p)
	case frameContinuation:
		if id != c.blockOf {
			return errors.New("a continuation of nothing")
		}
		c.block = append(c.block, p...)
		if flags&flagEndHeaders != 0 {
			return c.headers(c.block)
		}
	case frameData:
		return c.data(id, p, flags&flagEndStream != 0)
	case frameReset:
		if s := c.open[id]; s != nil {
			c.end(id, s)
		}
	case frameSettings:
		if flags&flagAck == 0 {
			c.send(frameSettings, flagAck, nil)
		}
	case framePing:
		if flags&flagAck == 0 {
			c.send(framePing, flagAck, p)
		}
	}
	return nil
}

func (c *conn) begin(id uint32) {
	s := &stream{}
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
	}
	c.open[id], c.current = s, s
}

func (c *conn) end(id uint32, s *stream) {
	delete(c.open, id)
	*s = stream{body: s.body[:0]}
	c.free = append(c.free, s)
}

func (c *conn) field(f hpack.HeaderField) { c.current.set(f.Name, f.Value) }

func (c *conn) headers(block []byte) error {
	if _, err := c.hpack.Write(block); err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if err := c.hpack.Close(); err != nil {
		return fmt.Errorf("head: %w", err)
	}
	return c.service.check(&c.current.request)
}

func (c *conn) data(id uint32, p []byte, last bool) error {
	s := c.open[id]
	if s == nil {
		return fmt.Errorf("data of stream %d, which is not open", id)
	}
	s.length += len(p)
	if s.sample {
		s.body = append(s.body, p...)
	}
	if c.got += len(p); c.got > window/2 {
		c.send(frameWindowUpdate, 0, binary.BigEndian.AppendUint32(nil, uint32(c.got)))
		c.got = 0
	}
	if !last {
		return nil
	}
	c.service.count(&s.request, s.length, s.body)
	c.end(id, s)
	a := answer{stream: id}
	if l := c.service.latency.Load(); l > 0 {
		a.due = time.Now().Add(time.Duration(l))
	}
	c.mu.Lock()
	c.answers = append(c.answers, a)
	first := len(c.answers) == 1
	c.mu.Unlock()
	if first {
		c.ready.Signal()
	}
	return nil
}

func (c *conn) send(kind, flags byte, p []byte) {
	c.mu.Lock()
	c.control = frame(c.control, kind, flags, 0, p)
	c.mu.Unlock()
	c.ready.Signal()
}

// write writes what waits. Answers are in the order of their time, since the
// latency is the same for all.
func (c *conn) write() error {
	var out []byte
	var taken []answer
	for {
		c.mu.Lock()
		for len(c.answers) == 0 && len(c.control) == 0 && !c.closed {
			c.ready.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return c.tls.Close()
		}
		out = append(out[:0], c.control...)
		c.control = c.control[:0]
		taken, c.answers = c.answers, taken[:0]
		c.mu.Unlock()
		for i, a := range taken {
			if wait := time.Until(a.due); !a.due.IsZero() && wait > 0 {
				if err := c.flush(out); err != nil {
					return err
				}
				out = out[:0]
				c.service.wait(wait)
			}
			out = frame(out, frameHeaders, flagEndHeaders|flagEndStream, a.stream, accepted)
			if i == len(taken)-1 || len(out) > 15<<10 {
				if err := c.flush(out); err != nil {
					return err
				}
				out = out[:0]
			}
		}
		if err := c.flush(out); err != nil {
			return err
		}
	}
}

func (c *conn) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := c.tls.Write(b)
	return err
}

// serve1 speaks HTTP/1.1, which is all that some senders know.
func (s *service) serve1(t *tls.Conn) error {
	in := bufio.NewReaderSize(t, 16<<10)
	defer t.Close()
	for {
		r, length, err := head1(in)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := s.check(r); err != nil {
			return err
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		s.count(r, length, body)
		if l := s.latency.Load(); l > 0 {
			s.wait(time.Duration(l))
		}
		if _, err := io.WriteString(t, "HTTP/1.1 201 Created\r\nLocation: https://push.example.com/m/gAAAAABl0mYkQv7w3JrTn9cUe4oZs8Xb\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return err
		}
	}
}
