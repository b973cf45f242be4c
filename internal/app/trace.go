package app

import (
	"context"
	"time"

	"tocsin/internal/delivery"
	"tocsin/internal/trace"
)

func newTracer(a *App) *trace.Tracer {
	o := a.cfg.Observe
	return trace.New(trace.Options{URL: o.TraceURL, Headers: o.TraceHeaders, Service: o.TraceService, Node: a.cfg.Node, Version: Version, Ratio: o.TraceRatio, Log: a.log})
}

// keepTraces is how long it is kept below which span deliveries are traced: what is
// told later than that is a trace of nothing.
const keepTraces = 24 * time.Hour

// sent makes spans of what channels were given: one of each delivery, below that of
// the commit of its event on whichever node that was, and one of the sending. It is
// nil where nothing is traced.
func (a *App) sent() func(context.Context, delivery.Batch) {
	if a.tracer == nil {
		return nil
	}
	return func(ctx context.Context, b delivery.Batch) {
		ids := make([]string, 0, len(b.Deliveries))
		for _, d := range b.Deliveries {
			if d.EventID != "" {
				ids = append(ids, d.EventID)
			}
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		parents, err := a.db.Traces(ctx, ids)
		if err != nil {
			a.log.WarnContext(ctx, "deliveries are not traced", "channel", b.Channel, "error", err)
			return
		}
		for i, d := range b.Deliveries {
			p, ok := parents[d.EventID]
			if !ok {
				continue
			}
			s := a.tracer.Start(trace.Parse(p), "deliver "+b.Channel, trace.Consumer, b.Claimed)
			c := s.Child("send "+b.Channel, trace.Client, b.Begun)
			c.End(b.Answered)
			s.Text("tocsin.delivery_id", d.ID)
			s.Text("tocsin.alert_id", d.AlertID)
			s.Text("tocsin.notice", string(d.Notice))
			s.Text("tocsin.state", string(b.Results[i].State))
			s.Number("tocsin.attempt", int64(d.Attempt))
			if b.Results[i].State != delivery.Sent && b.Results[i].State != delivery.Handed {
				s.Fail(b.Results[i].Result)
			}
			s.End(b.Answered)
		}
	}
}
