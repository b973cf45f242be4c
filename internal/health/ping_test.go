package health_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/health"
)

func TestThePingToTheOutside(t *testing.T) {
	now := time.Now()
	good := health.Ping{Host: "hc.example.org", Every: time.Minute, Last: now.Add(-20 * time.Second), LastOK: now.Add(-20 * time.Second), Status: 200, Well: true, Told: 3}
	for name, row := range map[string]struct {
		edit   func(*health.Ping)
		detail string
		warns  string
	}{
		"taken":          {nil, "told that all is well 20 seconds ago", ""},
		"not well":       {func(p *health.Ping) { p.Well = false }, "told that the hub does not do its work", ""},
		"another node's": {func(p *health.Ping) { *p = health.Ping{Host: p.Host, Other: true} }, "another node does it", ""},
		"not yet":        {func(p *health.Ping) { *p = health.Ping{Host: p.Host} }, "begins in a moment", ""},
		"lost once":      {func(p *health.Ping) { p.Failing, p.Problem = now.Add(-time.Minute), "no answer came in time" }, "is not taken for 60 seconds", ""},
		"lost for long": {func(p *health.Ping) { p.Failing, p.Problem = now.Add(-5*time.Minute), "no answer came in time" }, "is not taken for 5 minutes",
			"is not taken for 5 minutes: no answer came in time"},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			if row.edit != nil {
				row.edit(&p)
			}
			r := health.Assess(health.Facts{Now: now, Ping: p})
			part := r.Part("ping")
			if part == nil || !strings.HasPrefix(part.Detail, row.detail) {
				t.Fatalf("%+v", part)
			}
			said := ""
			for _, w := range r.Warnings {
				if w.Part == "ping" {
					said += w.Problem
				}
			}
			if (said == "") != (row.warns == "") || !strings.Contains(said, row.warns) {
				t.Errorf("warns %q", said)
			}
		})
	}
	if r := health.Assess(health.Facts{Now: now}); r.Part("ping") != nil {
		t.Error("there is one without an address")
	}
}

func TestASilentSourceIsShown(t *testing.T) {
	now := time.Now()
	r := health.Assess(health.Facts{Now: now, Sources: []health.Source{
		{Name: "lab", Title: "Nagios", LastEvent: now.Add(-time.Hour), LastSign: now.Add(-time.Minute), SilentAfter: 30 * time.Minute},
		{Name: "job", Title: "Generic", LastSign: now.Add(-time.Hour), SilentAfter: 30 * time.Minute, SilentSince: now.Add(-time.Hour)},
	}, Quiet: 10 * time.Minute})
	if p := r.Part("source:lab"); p == nil || !p.OK || !strings.Contains(p.Detail, "last heartbeat 60 seconds ago") {
		t.Errorf("%+v", p)
	}
	said := ""
	for _, w := range r.Warnings {
		if w.Part == "source:job" {
			said += w.Problem
		}
	}
	if !strings.Contains(said, "is silent for 60 minutes, and is to be heard of every 30 minutes") {
		t.Errorf("warns %q", said)
	}
}
