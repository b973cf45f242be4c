package app

import (
	"context"
	"errors"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	"tocsin/internal/source/icinga2"
	"tocsin/internal/source/nagios"
	"tocsin/internal/source/openitcockpit"
)

// WriteBacks are the ways of telling engines what was done here, in the order in
// which they are offered.
func WriteBacks() []source.WriteBackKind {
	return []source.WriteBackKind{nagios.CommandFile(), nagios.Livestatus(), icinga2.API(), openitcockpit.API(), alertmanager.API()}
}

// probe tries a source's engine.
func (a *App) probe(ctx context.Context, s source.Source) error {
	err := a.engines.Probe(ctx, s)
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
