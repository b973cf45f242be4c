package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Options say where spans go.
type Options struct {
	URL     string      // of the collector, with its path: http://localhost:4318/v1/traces
	Headers [][2]string // sent along; secrets
	Service string      // how we are called there
	Node    string
	Version string
	Ratio   float64 // how many of the traces that begin here are kept; 0 none, 1 all
	Log     *slog.Logger
	Every   time.Duration // how long spans wait for others; 1 s
}

const (
	mostWaiting = 4096 // spans; more are dropped, for a collector must hold up nothing
	mostAtOnce  = 512
	sendWithin  = 10 * time.Second
	quietFor    = time.Minute // a collector that is away is logged so often
)

// Tracer makes spans and sends them.
type Tracer struct {
	o      Options
	queue  chan *Span
	client *http.Client
	logged time.Time
	counts
}

// New makes a Tracer; nil where no URL is given. What it takes is sent by Run.
func New(o Options) *Tracer {
	if o.URL == "" {
		return nil
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	return &Tracer{o: o, queue: make(chan *Span, mostWaiting), client: &http.Client{
		Timeout:       sendWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: sendWithin}).DialContext,
			IdleConnTimeout: time.Minute, ResponseHeaderTimeout: sendWithin, MaxResponseHeaderBytes: 32 << 10,
		},
	}}
}

// Stats is how it goes since the start.
type Stats struct{ Sent, Dropped, Failed int64 }

// Stats answers it; zero of nil.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return Stats{t.sent.Load(), t.dropped.Load(), t.failed.Load()}
}

// take queues an ended span, unless too many wait.
func (t *Tracer) take(s *Span) {
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
	}
}

// Run sends spans until ctx ends, and then what waits. It does nothing for nil.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		<-ctx.Done()
		return nil
	}
	defer t.client.CloseIdleConnections()
	tick := time.NewTicker(t.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.flush(context.WithoutCancel(ctx)) // what is under way at the end is sent, too
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			t.flush(last)
			return nil
		}
	}
}

// flush sends all that waits.
func (t *Tracer) flush(ctx context.Context) {
	for {
		var batch []*Span
		for len(batch) < mostAtOnce && len(t.queue) > 0 {
			batch = append(batch, <-t.queue)
		}
		if len(batch) == 0 {
			return
		}
		if err := t.send(ctx, batch); err != nil {
			t.failed.Add(int64(len(batch)))
			if now := time.Now(); now.Sub(t.logged) > quietFor {
				t.logged = now
				t.o.Log.Warn("spans were not taken by the collector", "spans", len(batch), "error", err)
			}
			return
		}
		t.sent.Add(int64(len(batch)))
	}
}

// send posts a batch. Its errors name no header, and the address only as the
// configuration has it without what follows the host.
func (t *Tracer) send(ctx context.Context, batch []*Span) error {
	body, err := json.Marshal(t.request(batch))
	if err != nil {
		return fmt.Errorf("write spans: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the collector's address cannot be called")
	}
	for _, h := range t.o.Headers {
		r.Header.Set(h[0], h[1])
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Tocsin/"+t.o.Version)
	answer, err := t.client.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return nil
}

// What follows is OTLP's ExportTraceServiceRequest in its JSON form: names in
// camelCase, ids in hex, 64-bit numbers as texts.

type export struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resource     `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resource struct {
	Attributes []attribute `json:"attributes"`
}

type scopeSpans struct {
	Scope scope      `json:"scope"`
	Spans []spanJSON `json:"spans"`
}

type scope struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type spanJSON struct {
	TraceID      string      `json:"traceId"`
	SpanID       string      `json:"spanId"`
	ParentSpanID string      `json:"parentSpanId,omitempty"`
	Name         string      `json:"name"`
	Kind         Kind        `json:"kind"`
	Begin        string      `json:"startTimeUnixNano"`
	End          string      `json:"endTimeUnixNano"`
	Attributes   []attribute `json:"attributes,omitempty"`
	Links        []linkJSON  `json:"links,omitempty"`
	Status       *status     `json:"status,omitempty"`
}

type linkJSON struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
}

type status struct {
	Code    int    `json:"code"` // 2: error
	Message string `json:"message,omitempty"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	Text   *string `json:"stringValue,omitempty"`
	Number *string `json:"intValue,omitempty"`
}

func text(key, v string) attribute { return attribute{key, value{Text: &v}} }

func (t *Tracer) request(batch []*Span) export {
	spans := make([]spanJSON, len(batch))
	for i, s := range batch {
		spans[i] = s.json()
	}
	about := []attribute{text("service.name", t.o.Service), text("service.version", t.o.Version), text("service.instance.id", t.o.Node)}
	return export{[]resourceSpans{{resource{about}, []scopeSpans{{scope{"tocsin", t.o.Version}, spans}}}}}
}

func (s *Span) json() spanJSON {
	out := spanJSON{
		TraceID: hex.EncodeToString(s.at.TraceID[:]), SpanID: hex.EncodeToString(s.at.SpanID[:]), Name: s.name, Kind: s.kind,
		Begin: strconv.FormatInt(s.begin.UnixNano(), 10), End: strconv.FormatInt(s.end.UnixNano(), 10),
	}
	if s.above != [8]byte{} {
		out.ParentSpanID = hex.EncodeToString(s.above[:])
	}
	for _, a := range s.texts {
		out.Attributes = append(out.Attributes, text(a[0], a[1]))
	}
	for _, a := range s.numbers {
		n := strconv.FormatInt(a.value, 10)
		out.Attributes = append(out.Attributes, attribute{a.name, value{Number: &n}})
	}
	for _, l := range s.links {
		out.Links = append(out.Links, linkJSON{hex.EncodeToString(l.TraceID[:]), hex.EncodeToString(l.SpanID[:])})
	}
	if s.problem != "" {
		out.Status = &status{2, s.problem}
	}
	return out
}
