package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"tocsin/internal/demo/station"
	"tocsin/internal/notify"
)

// trouble is one thing that goes wrong in the made-up company: the calls of
// the notification command, one after the other.
type trouble struct {
	host, service string
	steps         []step
}

// step is one call.
type step struct {
	kind    string // notification type
	state   string
	output  string
	author  string
	comment string
	wait    float64 // after the step before, in paces
}

// troubles are the company's, in the order in which they happen, over and over.
func troubles() []trouble {
	return []trouble{
		{"shop01", "HTTPS", []step{
			{kind: "PROBLEM", state: "CRITICAL", output: "CRITICAL - no answer from shop01:443 within 10 seconds"},
			{kind: "RECOVERY", state: "OK", output: "HTTP OK: HTTP/1.1 200 OK - 18213 bytes in 0.121 seconds", wait: 3},
		}},
		{"db01", "Disk /var", []step{
			{kind: "PROBLEM", state: "WARNING", output: "DISK WARNING - free space: /var 9.1 GB (12 %)"},
			{kind: "PROBLEM", state: "CRITICAL", output: "DISK CRITICAL - free space: /var 2.7 GB (3 %)", wait: 1.4},
			{kind: "ACKNOWLEDGEMENT", state: "CRITICAL", output: "DISK CRITICAL - free space: /var 2.7 GB (3 %)", author: "Jonas Feld", comment: "old backups are being moved away", wait: 1},
			{kind: "RECOVERY", state: "OK", output: "DISK OK - free space: /var 41.5 GB (56 %)", wait: 2.5},
		}},
		{"switch-hall2", "", []step{
			{kind: "PROBLEM", state: "DOWN", output: "PING CRITICAL - Packet loss = 100%"},
			{kind: "RECOVERY", state: "UP", output: "PING OK - Packet loss = 0%, RTA = 0.84 ms", wait: 2},
		}},
		{"mail01", "Queue", []step{
			{kind: "PROBLEM", state: "WARNING", output: "WARNING: mailq is 412 (threshold w = 300)"},
			{kind: "RECOVERY", state: "OK", output: "OK: mailq is 8", wait: 3},
		}},
		{"wlan-ap-04", "Clients", []step{
			{kind: "FLAPPINGSTART", state: "WARNING", output: "WARNING - 61 clients"},
			{kind: "FLAPPINGSTOP", state: "OK", output: "OK - 22 clients", wait: 3},
		}},
		{"printer-3f", "", []step{
			{kind: "DOWNTIMESTART", state: "UP", output: "PING OK", author: "Mira Sand", comment: "new drum unit"},
			{kind: "DOWNTIMEEND", state: "UP", output: "PING OK", author: "Mira Sand", comment: "new drum unit", wait: 3},
		}},
		{"db02", "Replication", []step{
			{kind: "PROBLEM", state: "CRITICAL", output: "CRITICAL - replica is 734 seconds behind db01"},
			{kind: "PROBLEM", state: "WARNING", output: "WARNING - replica is 95 seconds behind db01", wait: 1.5},
			{kind: "RECOVERY", state: "OK", output: "OK - replica is 0 seconds behind db01", wait: 1.2},
		}},
		{"shop02", "Certificate", []step{
			{kind: "PROBLEM", state: "WARNING", output: "WARNING - certificate of shop.example.com expires in 9 days"},
			{kind: "RECOVERY", state: "OK", output: "OK - certificate of shop.example.com expires in 89 days", wait: 4},
		}},
		{"vpn01", "Tunnels", []step{
			{kind: "PROBLEM", state: "UNKNOWN", output: "UNKNOWN - no answer from the SNMP agent"},
			{kind: "RECOVERY", state: "OK", output: "OK - 14 tunnels up", wait: 2},
		}},
		{"branch-north", "", []step{
			{kind: "PROBLEM", state: "UNREACHABLE", output: "PING CRITICAL - switch-hall2 is in between"},
			{kind: "RECOVERY", state: "UP", output: "PING OK - RTA = 18.2 ms", wait: 2},
		}},
		{"erp01", "Backup", []step{
			{kind: "PROBLEM", state: "CRITICAL", output: "CRITICAL - last good backup was 31 hours ago"},
			{kind: "CUSTOM", state: "CRITICAL", output: "CRITICAL - last good backup was 31 hours ago", author: "Helga Brandt", comment: "please call me when this is solved", wait: 1},
			{kind: "RECOVERY", state: "OK", output: "OK - last good backup was 12 minutes ago", wait: 3},
		}},
		{"cooling-rack-b", "Temperature", []step{
			{kind: "PROBLEM", state: "WARNING", output: "WARNING - 29.4 °C at the inlet"},
			{kind: "PROBLEM", state: "CRITICAL", output: "CRITICAL - 33.1 °C at the inlet", wait: 1},
			{kind: "RECOVERY", state: "OK", output: "OK - 22.8 °C at the inlet", wait: 3},
		}},
	}
}

// engine tells of troubles, as a monitoring engine does.
type engine struct {
	env    map[string]string
	o      Options
	log    *slog.Logger
	inside *station.Station
	tell   func(ctx context.Context, args []string) // one call of the notification command
}

func newEngine(url, token, spool string, s *station.Station, o Options) *engine {
	e := &engine{o: o, log: o.Log, inside: s, env: map[string]string{
		"TOCSIN_URL": url, "TOCSIN_TOKEN": token, "TOCSIN_SOURCE": sourceName, "TOCSIN_SPOOL": spool,
	}}
	e.tell = e.notify
	return e
}

func (e *engine) notify(ctx context.Context, args []string) {
	var said bytes.Buffer
	code := notify.Run(ctx, args, strings.NewReader(""), &said, &said, func(key string) string { return e.env[key] })
	if code != 0 && ctx.Err() == nil {
		e.log.Warn("the simulated engine could not tell", "exit_code", code, "said", strings.TrimSpace(said.String()))
	}
}

// call is a step whose time has been set.
type call struct {
	at   time.Time
	of   trouble
	step step
}

// run takes what it is told, waits until somebody looks, then tells until ctx
// ends.
func (e *engine) run(ctx context.Context, somebody func() bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.inside.Told = func(kind, host, service, author, comment string) {
		e.tell(ctx, args(trouble{host: host, service: service}, step{kind: kind, state: e.inside.Word(host, service), output: "(as before)", author: author, comment: comment}))
	}
	done := make(chan error, 1)
	go func() { done <- e.inside.Run(ctx) }()
	err := e.story(ctx, somebody)
	cancel()
	return errors.Join(err, <-done)
}

// story tells of troubles.
func (e *engine) story(ctx context.Context, somebody func() bool) error {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for !somebody() {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
	all, next := troubles(), 0
	begin := time.Now().Add(e.o.First)
	var planned []call
	for {
		if len(planned) == 0 || begin.Before(planned[0].at) {
			planned = plan(planned, all[next%len(all)], begin, e.o.Pace)
			// About twice the pace between troubles: their later steps fill it up.
			begin = begin.Add(time.Duration((1.2 + 1.2*rand.Float64()) * float64(e.o.Pace)))
			next++
			continue
		}
		wait := time.NewTimer(time.Until(planned[0].at))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		of, now := planned[0].of, planned[0].step
		e.inside.See(now.kind, of.host, of.service, now.state, now.author, now.comment)
		e.tell(ctx, args(of, now))
		planned = planned[1:]
	}
}

// plan sets the times of a trouble's steps and sorts them in.
func plan(planned []call, t trouble, at time.Time, pace time.Duration) []call {
	for _, s := range t.steps {
		at = at.Add(time.Duration(s.wait * float64(pace)))
		i := len(planned)
		for i > 0 && planned[i-1].at.After(at) {
			i--
		}
		planned = append(planned, call{})
		copy(planned[i+1:], planned[i:])
		planned[i] = call{at, t, s}
	}
	return planned
}

// args are the command line that the engine's configuration would have.
func args(t trouble, s step) []string {
	kind := "Service"
	if t.service == "" {
		kind = "Host"
	}
	out := []string{"--type", kind, "--notificationtype", s.kind, "--hostname", t.host, "--state", s.state, "--output", s.output}
	if t.service != "" {
		out = append(out, "--service", t.service)
	}
	if s.author != "" {
		out = append(out, "--ackauthor", s.author, "--ackcomment", s.comment)
	}
	return out
}
