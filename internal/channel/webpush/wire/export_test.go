package wire

import (
	"crypto/tls"
	"net"
)

// Feed gives bytes of a service to the reader of a connection with n requests
// under way, in two parts, and answers how often each request was done and
// what the connection ended with.
func Feed(n int, first, second []byte) (calls []int, err error) {
	c := New(Options{MaxConns: 1})
	o := newOrigin(c, target{origin: "https://push.example", host: "push.example", port: "443", authority: "push.example"})
	near, far := net.Pipe()
	far.Close()
	conn := newConn(o, tls.Client(near, &tls.Config{ServerName: "push.example"}), "", c.now())
	o.conns = append(o.conns, conn)
	calls = make([]int, n)
	var done []completion
	_, err = conn.take([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, c.now(), &done)
	for i := range n {
		o.active++
		o.place(&Request{Origin: o.t.origin, Path: "/", Body: make([]byte, 10), Index: i, start: 1, Done: func(r *Request, _ Response) { calls[r.Index]++ }}, c.now())
	}
	conn.base += int64(len(conn.out)) // as if written
	conn.out = conn.out[:0]
	var rest []byte
	for _, part := range [][]byte{first, second} {
		if err != nil {
			break
		}
		rest = append(rest, part...)
		var used int
		used, err = conn.take(rest, c.now(), &done)
		rest = rest[used:]
	}
	o.cutOff, o.closing = true, ErrClosed
	conn.kill(codeNo, ErrClosed, c.now(), &done)
	for _, r := range o.pending {
		o.finish(r, Response{Err: ErrClosed}, c.now(), &done)
	}
	run(done)
	conn.timer.Stop()
	c.stop()
	return calls, err
}
