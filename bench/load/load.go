// Package load sends many small HTTP requests and costs little itself: it
// writes prepared bytes to plain sockets and reads of an answer only what it
// must. On a machine that client and server share, every microsecond of the
// client is one that the server does not get.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Request appends the n-th request, head and body, to dst. Every n is asked
// for once. It must be safe for several goroutines.
type Request func(dst []byte, n int) []byte

// Plan is what Run does.
type Plan struct {
	Address string        // host:port
	Clients int           // connections, each with one request at a time
	For     time.Duration // how long
	Request Request
	First   int // number of the first request
	// Answered is called with the number of each request that was answered
	// with success, unless it is nil. It must be safe for several goroutines.
	Answered func(n int)
}

// Result is what came of it.
type Result struct {
	Requests int           // answered with success
	Refused  int           // answered otherwise (503 when a queue is full)
	Broken   int           // connections that ended
	Took     time.Duration // from the first request to the last answer
	P50      time.Duration
	P99      time.Duration
	Worst    string // first answer that was no success
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Took.Seconds() }

// worker is one connection.
type worker struct {
	plan  Plan
	times []time.Duration
	res   Result
}

// Run runs the plan and waits for its end. A connection that breaks is counted
// and not opened again.
func Run(ctx context.Context, p Plan) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, p.For)
	defer cancel()
	workers := make([]*worker, p.Clients)
	conns := make([]net.Conn, p.Clients)
	for i := range conns {
		c, err := net.Dial("tcp", p.Address)
		if err != nil {
			return Result{}, fmt.Errorf("connect to %s: %w", p.Address, err)
		}
		defer c.Close()
		conns[i], workers[i] = c, &worker{plan: p}
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for i, w := range workers {
		wg.Go(func() { w.run(ctx, conns[i], i) })
	}
	wg.Wait()
	sum := Result{Took: time.Since(begin)}
	var times []time.Duration
	for _, w := range workers {
		sum.Requests += w.res.Requests
		sum.Refused += w.res.Refused
		sum.Broken += w.res.Broken
		if sum.Worst == "" {
			sum.Worst = w.res.Worst
		}
		times = append(times, w.times...)
	}
	if len(times) == 0 {
		return sum, errors.New("no request was answered with success; first answer: " + sum.Worst)
	}
	slices.Sort(times)
	sum.P50, sum.P99 = times[len(times)/2], times[len(times)*99/100]
	return sum, nil
}

func (w *worker) run(ctx context.Context, c net.Conn, i int) {
	r := bufio.NewReaderSize(c, 8<<10)
	var buf []byte
	for n := w.plan.First + i; ctx.Err() == nil; n += w.plan.Clients {
		buf = w.plan.Request(buf[:0], n)
		begin := time.Now()
		if _, err := c.Write(buf); err != nil {
			w.res.Broken++
			return
		}
		ok, err := w.answer(r)
		if err != nil {
			w.res.Broken++
			return
		}
		if ok {
			w.times = append(w.times, time.Since(begin))
			w.res.Requests++
			if w.plan.Answered != nil {
				w.plan.Answered(n)
			}
		}
	}
}

// answer reads one answer and says whether it was a success.
func (w *worker) answer(r *bufio.Reader) (bool, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	ok := bytes.HasPrefix(line, []byte("HTTP/1.1 2"))
	status := ""
	if !ok {
		status = string(bytes.TrimSpace(line))
	}
	length, chunked, err := head(r)
	if err != nil {
		return false, err
	}
	var body []byte
	if chunked {
		return false, errors.New("a chunked answer")
	}
	if ok || w.res.Worst != "" {
		_, err = r.Discard(length)
	} else {
		body = make([]byte, length)
		_, err = io.ReadFull(r, body)
	}
	if !ok {
		w.res.Refused++
		if w.res.Worst == "" {
			w.res.Worst = status + " " + string(body)
		}
	}
	return ok, err
}

// head reads the header's lines and answers what they say of the body.
func head(r *bufio.Reader) (length int, chunked bool, err error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		if len(line) <= 2 {
			return length, chunked, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, false, fmt.Errorf("content-length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
}
