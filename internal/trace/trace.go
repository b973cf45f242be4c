// Package trace follows an event through the program: a span for its receipt, one for
// the commit, one for each delivery and one for what the channel did. Spans go to a
// collector of OpenTelemetry as OTLP in JSON over HTTP.
//
//	t := trace.New(trace.Options{URL: "http://localhost:4318/v1/traces"})
//	s := t.Start(parent, "receive events", trace.Server, time.Now())
//	defer s.End(time.Now())
//
// A nil Tracer makes nil Spans, and all that is asked of those does nothing: a program
// that is not traced pays for a comparison.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Parent is what a span is below, as W3C's Trace Context has it.
type Parent struct {
	TraceID [16]byte
	SpanID  [8]byte
	Sampled bool
}

// IsZero says whether there is none.
func (p Parent) IsZero() bool { return p.TraceID == [16]byte{} }

// String is it as a traceparent header.
func (p Parent) String() string {
	flags := "00"
	if p.Sampled {
		flags = "01"
	}
	return "00-" + hex.EncodeToString(p.TraceID[:]) + "-" + hex.EncodeToString(p.SpanID[:]) + "-" + flags
}

// Parse reads a traceparent header; the zero Parent of what is none.
func Parse(header string) Parent {
	// version-trace-span-flags; a later version may have more after these.
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || len(header) > 55 && (header[:2] == "00" || header[55] != '-') || header[:2] == "ff" {
		return Parent{}
	}
	for i := range 55 {
		if c := header[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && c != '-' {
			return Parent{}
		}
	}
	var p Parent
	var flags [1]byte
	_, bad1 := hex.Decode(p.TraceID[:], []byte(header[3:35]))
	_, bad2 := hex.Decode(p.SpanID[:], []byte(header[36:52]))
	_, bad3 := hex.Decode(flags[:], []byte(header[53:55]))
	if bad1 != nil || bad2 != nil || bad3 != nil || p.IsZero() || p.SpanID == [8]byte{} {
		return Parent{}
	}
	p.Sampled = flags[0]&1 == 1
	return p
}

type parentKey struct{}

// With puts a span into a context, as what further ones are below.
func With(ctx context.Context, s *Span) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, parentKey{}, s)
}

// From answers the span of a context, nil for none.
func From(ctx context.Context) *Span {
	s, _ := ctx.Value(parentKey{}).(*Span)
	return s
}

// Kind says which side of something a span is.
type Kind int

// The kinds, in OTLP's numbering.
const (
	Internal Kind = 1
	Server   Kind = 2
	Client   Kind = 3
	Consumer Kind = 5
)

// Span is one thing that took time. It is one goroutine's; nil does nothing.
type Span struct {
	tracer     *Tracer
	at         Parent
	above      [8]byte
	name       string
	kind       Kind
	begin, end time.Time
	texts      [][2]string
	numbers    []number
	links      []Parent
	problem    string
}

type number struct {
	name  string
	value int64
}

// Parent is what spans below it name.
func (s *Span) Parent() Parent {
	if s == nil {
		return Parent{}
	}
	return s.at
}

// Text adds an attribute. No secret, and nothing of what people are told, is one.
func (s *Span) Text(name, value string) {
	if s != nil {
		s.texts = append(s.texts, [2]string{name, value})
	}
}

// Number adds an attribute.
func (s *Span) Number(name string, value int64) {
	if s != nil {
		s.numbers = append(s.numbers, number{name, value})
	}
}

// Link names a span of another trace, or another one of the same, that has to do with it.
func (s *Span) Link(to Parent) {
	if s != nil && !to.IsZero() && len(s.links) < 128 {
		s.links = append(s.links, to)
	}
}

// Fail says that it did not go well, and why.
func (s *Span) Fail(why string) {
	if s != nil {
		s.problem = why
	}
}

// Child begins a span below it; nil of nil.
func (s *Span) Child(name string, kind Kind, begin time.Time) *Span {
	if s == nil {
		return nil
	}
	return s.tracer.Start(s.at, name, kind, begin)
}

// End ends it, and hands it to the tracer.
func (s *Span) End(at time.Time) {
	if s != nil {
		s.end = at
		s.tracer.take(s)
	}
}

// Start begins a span below a parent, or a trace of its own. It is nil where nothing is
// traced: t is nil, the parent is not sampled, or chance has it.
func (t *Tracer) Start(p Parent, name string, kind Kind, begin time.Time) *Span {
	if t == nil || !p.IsZero() && !p.Sampled {
		return nil
	}
	s := &Span{tracer: t, name: name, kind: kind, begin: begin, at: Parent{TraceID: p.TraceID, Sampled: true}, above: p.SpanID}
	if p.IsZero() {
		if t.o.Ratio < 1 && rand.Float64() >= t.o.Ratio {
			return nil
		}
		binary.BigEndian.PutUint64(s.at.TraceID[:], rand.Uint64())
		binary.BigEndian.PutUint64(s.at.TraceID[8:], rand.Uint64()|1)
	}
	binary.BigEndian.PutUint64(s.at.SpanID[:], rand.Uint64()|1)
	return s
}

// counts is how the spans fare.
type counts struct{ sent, dropped, failed atomic.Int64 }
