package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// The most of an answer's body that is read.
const maxAnswerBody = 8 << 10

// fallback serves an origin that does not speak HTTP/2, through net/http.
type fallback struct {
	c *Client
	t target
	*http.Transport
	via string // the proxy

	spare chan *tls.Conn // the connection that told us, to be used first
}

func newFallback(c *Client, t target, first *tls.Conn, via string) *fallback {
	f := &fallback{c: c, t: t, via: via, spare: make(chan *tls.Conn, 1)}
	f.spare <- first
	f.Transport = &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-f.spare:
				return conn, nil
			default:
			}
			conn, _, err := c.dial(ctx, t, "http/1.1")
			if err != nil {
				return nil, err
			}
			return conn, nil
		},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/2 is ours to speak
		MaxConnsPerHost:        c.o.MaxConns,
		MaxIdleConnsPerHost:    c.o.MaxConns,
		IdleConnTimeout:        c.t.Idle,
		MaxResponseHeaderBytes: maxHeaderBlock,
		DisableCompression:     true,
	}
	return f
}

// close gives up connections that are not in use.
func (f *fallback) close() {
	f.CloseIdleConnections()
	select {
	case conn := <-f.spare:
		conn.NetConn().Close()
	default:
	}
}

// do sends one request and waits for its answer.
func (f *fallback) do(ctx context.Context, r *Request) Response {
	ctx, cancel := context.WithTimeout(ctx, f.c.t.Request)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	hr, err := f.request(ctx, r)
	if err != nil {
		return Response{Err: failed(r.Origin, StepCheck, err)}
	}
	answer, err := f.RoundTrip(hr)
	if err != nil {
		return Response{Err: f.explain(r.Origin, sent.Load(), err)}
	}
	defer answer.Body.Close()
	out := Response{Status: answer.StatusCode, Proto: "http/1.1", RetryAfter: parseRetryAfter(answer.Header.Get("Retry-After"), time.Now())}
	if out.Status >= 300 && textual(answer.Header.Get("Content-Type")) {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBody)) // the status has arrived; what there is of the rest will do
		out.Reason = printable(body)
		return out
	}
	io.CopyN(io.Discard, answer.Body, maxAnswerBody) //nolint:errcheck // read for the connection's sake only
	return out
}

func (f *fallback) request(ctx context.Context, r *Request) (*http.Request, error) {
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, f.t.origin+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, ErrBadRequest // the error's text holds the path
	}
	hr.GetBody = nil // never sent twice behind our back
	h := hr.Header
	h.Set("Content-Type", contentType(r))
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("Ttl", strconv.Itoa(r.TTL))
	h["User-Agent"] = nil
	for name, value := range map[string]string{"Authorization": r.Authorization, "Urgency": r.Urgency, "Topic": r.Topic} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return hr, nil
}

// explain makes an Error of what net/http says; ours come through as they are.
func (f *fallback) explain(origin string, sent bool, err error) error {
	if ours, ok := asError(err); ok && !sent {
		return ours
	}
	if f.c.ctx.Err() != nil {
		err = ErrClosed
	}
	step := StepConnect
	if sent {
		step = StepAnswer
	}
	return &Error{Origin: origin, Step: step, Maybe: sent, Err: inTime(err)}
}
