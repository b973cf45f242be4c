package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
)

const (
	// Frames that bring nothing (PING, SETTINGS, empty DATA, unknown types …)
	// are taken out of a budget, which answers and time fill up again.
	budgetMost     = 2000
	budgetSecond   = 200
	maxHeaderBlock = 32 << 10 // of an answer, in one or more frames
	maxParts       = 16       // CONTINUATION frames of a header block
	maxHeadSize    = 64 << 10 // of a header block, taken out of the compression
	maxInforms     = 16       // 1xx answers before the real one
	maxKept        = 2 << 10  // bytes of an error's body
)

// head is what a header block says, as far as it matters here.
type head struct {
	status     int
	retryAfter string
	mime       string
	size       int
	bad        bool
	plain      bool // a header without colon has come
}

// header takes one header from the decoder.
func (c *conn) header(f hpack.HeaderField) {
	h := &c.head
	if h.size += len(f.Name) + len(f.Value) + entryOverhead; h.size > maxHeadSize {
		return
	}
	if f.IsPseudo() {
		n, err := strconv.Atoi(f.Value)
		if f.Name != ":status" || h.plain || h.status != 0 || err != nil || len(f.Value) != 3 || n < 100 {
			h.bad = true
			return
		}
		h.status = n
		return
	}
	h.plain = true
	switch f.Name {
	case "retry-after":
		h.retryAfter = f.Value
	case "content-type":
		h.mime = f.Value
	}
}

// read is the goroutine that reads.
func (c *conn) read() {
	o := c.o
	buf := make([]byte, 2*(maxFrame+frameHead))
	var done []completion
	n := 0
	for {
		more, err := c.tls.Read(buf[n:])
		n += more
		done = done[:0]
		o.mu.Lock()
		if c.state == stateDead {
			o.mu.Unlock()
			return
		}
		now := o.c.now()
		used, bad := c.take(buf[:n], now, &done)
		var b *broken
		switch {
		case errors.As(bad, &b):
			c.kill(b.code, b, now, &done)
		case err != nil:
			c.kill(codeNo, ended(err), now, &done)
		case c.state == stateDraining && c.active == 0:
			c.kill(codeNo, errIdle, now, &done)
		}
		o.settle(now, &done)
		dead := c.state == stateDead
		o.mu.Unlock()
		run(done)
		if dead {
			return
		}
		clear(done)
		n = copy(buf, buf[used:n])
	}
}

// take reads the frames that are complete in buf and answers their length.
func (c *conn) take(buf []byte, now int64, done *[]completion) (int, error) {
	if len(buf) > 0 {
		c.heard = now
	}
	if s := (now - c.refilled) / int64(time.Second); s > 0 {
		c.refilled = now
		c.earn(int(min(s, budgetMost)) * budgetSecond)
	}
	used := 0
	for len(buf)-used >= frameHead {
		f := buf[used:]
		length := int(f[0])<<16 | int(f[1])<<8 | int(f[2])
		if length > maxFrame {
			return used, breaks(codeSize, "a frame is longer than was agreed")
		}
		if len(f) < frameHead+length {
			break
		}
		id := binary.BigEndian.Uint32(f[5:]) & maxID
		if err := c.frame(frameType(f[3]), f[4], id, f[frameHead:frameHead+length], now, done); err != nil {
			return used, err
		}
		used += frameHead + length
	}
	return used, nil
}

func (c *conn) earn(n int) { c.budget = min(c.budget+n, budgetMost) }

// spend pays for a frame that brings nothing.
func (c *conn) spend() error {
	if c.budget--; c.budget < 0 {
		return breaks(codeCalm, "the service sends too many frames that bring nothing")
	}
	return nil
}

// reply is called after an answer to a frame of the service was queued.
func (c *conn) reply(bytes int) error {
	if c.replies += bytes; c.replies > maxReplies {
		return breaks(codeCalm, "the service does not read what it asks for")
	}
	c.push()
	return c.spend()
}

// frame takes one frame.
func (c *conn) frame(t frameType, flags byte, id uint32, p []byte, now int64, done *[]completion) error {
	switch {
	case c.state == stateGreeting && (t != frameSettings || flags&flagEnd != 0):
		return breaks(codeProtocol, "the service does not start with its settings")
	case (c.blockID != 0) != (t == frameContinuation) || t == frameContinuation && id != c.blockID:
		return breaks(codeProtocol, "a header block is interrupted or goes on from nowhere")
	}
	switch t {
	case frameData:
		return c.data(flags, id, p, now, done)
	case frameHeaders:
		return c.headers(flags, id, p, now, done)
	case frameContinuation:
		return c.goesOn(flags, p, now, done)
	case frameReset:
		return c.resetBy(id, p, now, done)
	case frameSettings:
		return c.settings(flags, id, p, now)
	case framePing:
		return c.pong(flags, id, p)
	case frameGoAway:
		return c.goAway(id, p, now, done)
	case frameWindow:
		return c.widen(id, p, now, done)
	case framePush:
		return breaks(codeProtocol, "the service pushes, which was refused")
	}
	return c.spend() // PRIORITY, and what is unknown
}

// known checks the number of a stream that a frame is about.
func (c *conn) known(id uint32) error {
	if id == 0 || id%2 == 0 || id >= c.nextID {
		return breaks(codeProtocol, "a frame is about a stream that there never was")
	}
	return nil
}

// unpad takes the padding off.
func unpad(flags byte, p []byte) ([]byte, error) {
	if flags&flagPadded == 0 {
		return p, nil
	}
	if len(p) == 0 || int(p[0]) > len(p)-1 {
		return nil, breaks(codeProtocol, "the padding is longer than its frame")
	}
	return p[1 : len(p)-int(p[0])], nil
}

func (c *conn) data(flags byte, id uint32, p []byte, now int64, done *[]completion) error {
	if err := c.known(id); err != nil {
		return err
	}
	if c.recv -= int64(len(p)); c.recv < 0 {
		return breaks(codeFlow, "the service sends more than the connection's window")
	}
	if c.taken += len(p); c.taken >= ourWindow/4 {
		c.out = appendWindow(c.out, 0, c.taken)
		c.recv += int64(c.taken)
		c.taken = 0
		c.push()
	}
	content, err := unpad(flags, p)
	if err != nil {
		return err
	}
	s := c.slot(id)
	if s == nil || len(content) == 0 && flags&flagEnd == 0 {
		if err := c.spend(); err != nil || s == nil {
			return err // of a stream that we have ended
		}
	}
	if s.status == 0 {
		return c.spoilt(s, "a body without a head", now, done)
	}
	if s.text && len(s.reason) < maxKept {
		s.reason = append(s.reason, content[:min(len(content), maxKept-len(s.reason))]...)
	}
	// Padding counts: nobody needs that much of it either.
	s.got += max(len(p), 1)
	switch {
	case flags&flagEnd != 0:
		c.over(s, false, now, done)
	case s.got >= maxAnswerBody:
		c.over(s, true, now, done)
	}
	return nil
}

func (c *conn) headers(flags byte, id uint32, p []byte, now int64, done *[]completion) error {
	if err := c.known(id); err != nil {
		return err
	}
	p, err := unpad(flags, p)
	if err != nil {
		return err
	}
	if flags&flagPriority != 0 {
		if len(p) < 5 {
			return breaks(codeSize, "HEADERS is too short for its priority")
		}
		p = p[5:]
	}
	end := flags&flagEnd != 0
	if flags&flagEndHeaders != 0 {
		return c.headed(id, end, p, now, done)
	}
	c.block = append(c.block[:0], p...)
	c.blockID, c.blockEnd, c.parts = id, end, 0
	return nil
}

func (c *conn) goesOn(flags byte, p []byte, now int64, done *[]completion) error {
	c.parts++
	if c.parts > maxParts || len(c.block)+len(p) > maxHeaderBlock {
		return breaks(codeCalm, "the headers of an answer have no end")
	}
	c.block = append(c.block, p...)
	if flags&flagEndHeaders == 0 {
		return nil
	}
	id, block := c.blockID, c.block
	c.blockID = 0
	if cap(c.block) > 4<<10 {
		c.block = nil
	}
	return c.headed(id, c.blockEnd, block, now, done)
}

// headed takes a whole header block: an informational one, that of the answer,
// or trailers.
func (c *conn) headed(id uint32, end bool, block []byte, now int64, done *[]completion) error {
	c.head = head{}
	if _, err := c.dec.Write(block); err != nil {
		return breaks(codeCompress, "the compression of headers is broken")
	}
	if err := c.dec.Close(); err != nil {
		return breaks(codeCompress, "a header block is cut off")
	}
	h := &c.head
	if h.size > maxHeadSize {
		return breaks(codeCalm, "the headers of an answer are too large")
	}
	s := c.slot(id)
	if s == nil {
		return c.spend() // of a stream that we have ended
	}
	switch {
	case s.status != 0: // trailers
		if !end || h.bad || h.status != 0 {
			return c.spoilt(s, "trailers that are none", now, done)
		}
	case h.bad || h.status == 0 || h.status == 101:
		return c.spoilt(s, "a head without a good status", now, done)
	case h.status < 200:
		if s.informs++; end || s.informs > maxInforms {
			return c.spoilt(s, "informational answers only", now, done)
		}
		return c.spend()
	default:
		s.status = h.status
		if h.retryAfter != "" {
			s.retryAfter = parseRetryAfter(h.retryAfter, time.Now())
		}
		s.text = h.status >= 300 && textual(h.mime)
	}
	if end {
		c.over(s, false, now, done)
	}
	return nil
}

// over ends a stream whose answer is complete, or cut off as too long.
func (c *conn) over(s *slot, cut bool, now int64, done *[]completion) {
	switch {
	case cut:
		c.reset(s.id, codeCancel)
	case s.sent < len(s.r.Body):
		c.reset(s.id, codeNo) // answered early: the rest of the body is of no use
	}
	c.earn(10)
	if !c.useful {
		c.useful = true
		c.o.backoff = 0
	}
	r, a := s.r, c.answer(s)
	c.release(s)
	c.o.finish(r, a, now, done)
}

// spoilt ends a stream that broke the protocol, and only that.
func (c *conn) spoilt(s *slot, why string, now int64, done *[]completion) error {
	r := s.r
	c.reset(s.id, codeProtocol)
	c.release(s)
	c.o.finish(r, Response{Err: c.maybe(fmt.Errorf("%w: %s", ErrProtocol, why))}, now, done)
	return c.spend()
}

func (c *conn) maybe(err error) error {
	return &Error{Origin: c.o.t.origin, Step: StepAnswer, Maybe: true, Err: err}
}

func (c *conn) resetBy(id uint32, p []byte, now int64, done *[]completion) error {
	if len(p) != 4 {
		return breaks(codeSize, "RST_STREAM has not 4 bytes")
	}
	if err := c.known(id); err != nil {
		return err
	}
	s := c.slot(id)
	if s == nil {
		return c.spend()
	}
	r, why := s.r, code(binary.BigEndian.Uint32(p))
	a := c.answer(s)
	c.release(s)
	switch {
	case a.Status != 0:
		c.o.finish(r, a, now, done) // only the rest of the answer is missing
	case why == codeRefused:
		c.o.window.overload(r.start, now)
		c.o.again(r, ErrRefused, now, done)
	default:
		if why == codeCalm {
			c.o.window.overload(r.start, now)
		}
		c.o.finish(r, Response{Err: c.maybe(fmt.Errorf("the service reset the stream: %v", why))}, now, done)
	}
	return c.spend()
}

func (c *conn) settings(flags byte, id uint32, p []byte, now int64) error {
	if id != 0 {
		return breaks(codeProtocol, "SETTINGS on a stream")
	}
	if flags&flagEnd != 0 {
		if len(p) != 0 {
			return breaks(codeSize, "an ACK of SETTINGS with settings")
		}
		c.acked = true
		return c.spend()
	}
	if len(p)%6 != 0 {
		return breaks(codeSize, "SETTINGS is cut off")
	}
	for ; len(p) > 0; p = p[6:] {
		if err := c.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	c.out = appendFrame(c.out, 0, frameSettings, flagEnd, 0)
	if c.state == stateGreeting {
		c.state = stateOpen
		c.idle = now
		c.o.dialed(nil, now)
		c.o.roomier(c.maxStreams)
	}
	c.unblock()
	return c.reply(frameHead)
}

func (c *conn) setting(id uint16, v uint32) error {
	switch id {
	case settingTable:
		c.enc.resize(v)
	case settingPush:
		if v != 0 {
			return breaks(codeProtocol, "a service must not ask for pushes")
		}
	case settingStreams:
		c.maxStreams = int(min(v, mostStream))
		c.makeRoom()
		if c.state == stateOpen {
			c.o.roomier(c.maxStreams)
		}
	case settingWindow:
		if v > maxWindow {
			return breaks(codeFlow, "the initial window is too large")
		}
		change := int64(v) - c.firstWin
		c.firstWin = int64(v)
		for i := range c.slots {
			if s := &c.slots[i]; s.r != nil {
				if s.window += change; s.window > maxWindow {
					return breaks(codeFlow, "the window of a stream is too large")
				}
			}
		}
	case settingFrame:
		if v < maxFrame || v > 1<<24-1 {
			return breaks(codeProtocol, "the frame size is out of bounds")
		}
	}
	return nil
}

// makeRoom widens the table of streams, so that half of it stays free.
func (c *conn) makeRoom() {
	n := len(c.slots)
	for n < 2*c.maxStreams {
		n *= 2
	}
	if n == len(c.slots) {
		return
	}
	wider := make([]slot, n)
	for _, s := range c.slots {
		if s.r != nil {
			wider[int(s.id>>1)&(n-1)] = s
		}
	}
	c.slots = wider
}

func (c *conn) pong(flags byte, id uint32, p []byte) error {
	switch {
	case id != 0:
		return breaks(codeProtocol, "PING on a stream")
	case len(p) != 8:
		return breaks(codeSize, "PING has not 8 bytes")
	case flags&flagEnd != 0:
		if c.pinged != 0 {
			c.pinged = 0
			return nil
		}
		return c.spend()
	}
	c.out = appendPing(c.out, flagEnd, p)
	return c.reply(frameHead + 8)
}

func (c *conn) goAway(id uint32, p []byte, now int64, done *[]completion) error {
	if id != 0 {
		return breaks(codeProtocol, "GOAWAY on a stream")
	}
	if len(p) < 8 {
		return breaks(codeSize, "GOAWAY is too short")
	}
	last, why := binary.BigEndian.Uint32(p)&maxID, code(binary.BigEndian.Uint32(p[4:]))
	c.drain()
	if why == codeCalm {
		c.o.window.overload(now, now)
	}
	if why != codeNo {
		c.o.stats.LastError = fmt.Sprintf("GOAWAY: %v %s", why, strings.TrimSpace(printable(p[8:])))
	}
	gone := fmt.Errorf("the service said GOAWAY: %v", why)
	for i := range c.slots {
		if s := &c.slots[i]; s.r != nil && s.id > last {
			r := s.r
			c.release(s)
			c.o.again(r, gone, now, done)
		}
	}
	return c.spend()
}

func (c *conn) widen(id uint32, p []byte, now int64, done *[]completion) error {
	if len(p) != 4 {
		return breaks(codeSize, "WINDOW_UPDATE has not 4 bytes")
	}
	n := int64(binary.BigEndian.Uint32(p) & maxID)
	if id == 0 {
		if n == 0 {
			return breaks(codeProtocol, "WINDOW_UPDATE of nothing")
		}
		refills := c.window < 65535
		if c.window += n; c.window > maxWindow {
			return breaks(codeFlow, "the window of the connection is too large")
		}
		if c.unblock() || refills {
			return nil
		}
		return c.spend()
	}
	if err := c.known(id); err != nil {
		return err
	}
	s := c.slot(id)
	if s == nil {
		return c.spend()
	}
	if s.window += n; n == 0 || s.window > maxWindow {
		return c.spoilt(s, "a WINDOW_UPDATE out of bounds", now, done)
	}
	before := s.sent
	if c.body(s); s.sent == before {
		return c.spend() // it lacks room on the connection, or nothing
	}
	if s.sent == len(s.r.Body) {
		c.unblock() // drops it from the list
	}
	c.flush()
	return nil
}
