package app

import (
	"context"
	"errors"
	"sync"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	"tocsin/internal/source/icinga2"
	"tocsin/internal/source/nagios"
	"tocsin/internal/source/openitcockpit"
	"tocsin/internal/writeback"
)

// WriteBacks are the ways of telling engines what was done here, in the order in
// which they are offered.
func WriteBacks() []source.WriteBackKind {
	return []source.WriteBackKind{nagios.CommandFile(), nagios.Livestatus(), icinga2.API(), openitcockpit.API(), alertmanager.API()}
}

// engines is the channel to the engines, with what became of its deliveries
// counted.
type engines struct {
	*writeback.Writer
	links *links

	mu     sync.Mutex
	counts map[[2]string]int64 // kind of write-back and result
}

// SendAll tells engines.
func (e *engines) SendAll(ctx context.Context, msgs []channel.Message) []error {
	results := e.Writer.SendAll(ctx, msgs)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, err := range results {
		kind := "gone"
		if s := e.links.source(ctx, msgs[i].Destination); s.WriteBack.On() {
			kind = s.WriteBack.Kind
		}
		e.counts[[2]string{kind, became(err)}]++
	}
	return results
}

// became is what an answer of a channel says, in a word.
func became(err error) string {
	if err == nil {
		return "confirmed"
	}
	switch s := channel.As(err); {
	case s.Accepted:
		return "confirmed"
	case s.Moot:
		return "cancelled"
	case s.Permanent:
		return "refused"
	case s.Handed:
		return "handed"
	}
	return "retried"
}

func (e *engines) figures() map[[2]string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[[2]string]int64, len(e.counts))
	for k, n := range e.counts {
		out[k] = n
	}
	return out
}

// probe tries a source's engine.
func (e *engines) probe(ctx context.Context, s source.Source) error {
	err := e.Writer.Probe(ctx, s)
	var fe *source.FieldError
	if errors.As(err, &fe) {
		return errors.New(fe.Error())
	}
	return err
}

// ingest is dispatch as the API has it: when an event came about an object that
// has no name for people, and its engine may know one, the engine is asked soon.
type ingest struct {
	*dispatch.Service
	a *App
}

// Receive takes events.
func (i ingest) Receive(ctx context.Context, sourceID string, events []alert.Event) ([]dispatch.Receipt, error) {
	receipts, err := i.Service.Receive(ctx, sourceID, events)
	if err == nil && i.a.links.names(ctx, sourceID) {
		for k := range events {
			if o := &events[k].Object; o.HostDisplay == "" || (o.Service != "" && o.ServiceDisplay == "") {
				i.a.engines.Wake()
				break
			}
		}
	}
	return receipts, err
}
