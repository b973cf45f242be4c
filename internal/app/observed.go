package app

import (
	"context"
	"runtime"
)

// mostSourceLabels is how many sources have a figure of their own; there are seldom
// more than ten.
const mostSourceLabels = 200

// mostCertificateLabels is the same for certificates: each name of a status page may
// have one.
const mostCertificateLabels = 100

// observed collects how sources, the ping and traces fare.
func (f *figures) observed(ctx context.Context, count, gauge func(name, help string, v float64, kv ...string)) {
	gauge("tocsin_build_info", "1; its labels are the version of the program and of Go.", 1, "version", Version, "goversion", runtime.Version())
	if all, err := f.a.db.Sources(ctx); err == nil {
		silent, n := 0, 0
		for i := range all {
			s := &all[i]
			if !s.SilentSince.IsZero() {
				silent++
			}
			if heard := s.Heard(); !s.Disabled && !heard.IsZero() && n < mostSourceLabels {
				n++
				gauge("tocsin_source_last_heard_timestamp_seconds", "When a source was heard of last, by an event or a heartbeat.", float64(heard.UnixMilli())/1000, "source", s.Name)
			}
		}
		gauge("tocsin_sources_silent", "Sources that are alerted of as silent.", float64(silent))
	}
	p := f.a.ping.State()
	count("tocsin_pings_total", "Pings of the address that is told that all is well, by whether they were taken.", float64(p.Taken), "result", "taken")
	count("tocsin_pings_total", "Pings of the address that is told that all is well, by whether they were taken.", float64(p.NotTaken), "result", "failed")
	if !p.LastOK.IsZero() {
		gauge("tocsin_ping_last_success_timestamp_seconds", "When this node's last ping was taken.", float64(p.LastOK.UnixMilli())/1000)
	}
	n := 0
	for _, c := range f.a.gate.facts().Certificates {
		if !c.Until.IsZero() && n < mostCertificateLabels {
			n++
			gauge("tocsin_certificate_expiry_timestamp_seconds", "When a certificate that https is spoken with ends.", float64(c.Until.Unix()), "name", c.Name)
		}
	}
	t := f.a.tracer.Stats()
	for result, n := range map[string]int64{"sent": t.Sent, "dropped": t.Dropped, "failed": t.Failed} {
		count("tocsin_trace_spans_total", "Spans, by what became of them.", float64(n), "result", result)
	}
}
