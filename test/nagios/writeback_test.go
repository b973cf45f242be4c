package nagios_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	kind "tocsin/internal/source/nagios"
	"tocsin/test/nagios"
)

// rig is a Nagios with a problem, and the way of telling it that is under test.
type rig struct {
	*testing.T
	ctx    context.Context
	nagios *nagios.Nagios
	engine source.Engine
}

func begin(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	n, err := nagios.Start(ctx, nagios.Config{
		Dir: t.TempDir(), Contacts: []string{"anna"}, Hosts: []string{"web01"},
		Services:    []nagios.Service{{Host: "web01", Name: "HTTP Check"}, {Host: "web01", Name: "Platte C:\\ & <böse>"}},
		HostCommand: "/bin/true", ServiceCommand: "/bin/true",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	e, err := kind.CommandFile().Open(source.WriteBack{CommandFile: n.CommandFile(), StatusFile: n.StatusFile()}, source.EngineOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, ctx, n, e}
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// hand hands a command over, and answers it as it is to be looked for.
func (r *rig) hand(c source.Command) source.Command {
	r.Helper()
	c.From = time.Now()
	if c.Verb == source.ScheduleDowntime {
		c.Until = c.From.Add(time.Hour)
	}
	reply, err := r.engine.Do(r.ctx, c)
	if err != nil {
		r.Errorf("%s: %v", c.Verb, err)
	}
	c.Note = reply.Note
	return c
}

// answer waits until the engine shows what came of a command.
func (r *rig) answer(c source.Command) source.Reply {
	r.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := r.engine.Check(r.ctx, c)
		if err == nil && reply.Confirmation != alert.Pending {
			return reply
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.Errorf("%s is not known: %+v, %v\n%s", c.Verb, reply, err, r.nagios.Log())
			return reply
		}
	}
}

// setting is one value of status.dat.
func (r *rig) setting(name string) string {
	r.Helper()
	b, err := os.ReadFile(r.nagios.StatusFile())
	r.must(err)
	_, rest, _ := strings.Cut(string(b), "\t"+name+"=")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// Nothing that a person can write does anything but be a comment, and the engine
// has the very texts: reading them back is what confirms each.
func TestNagiosTakesTheSameFields(t *testing.T) {
	t.Parallel()
	r := begin(t)
	r.must(r.nagios.Service("web01", "HTTP Check", 2, "CRITICAL - no answer"))
	r.must(r.nagios.UntilLogged(r.ctx, "SERVICE NOTIFICATION: anna;web01;HTTP Check;CRITICAL", 1))
	now := time.Now().Unix()
	var handed []source.Command
	evil := fmt.Sprintf("[%d] DISABLE_NOTIFICATIONS", now)
	for i, c := range []struct{ author, comment string }{
		{"jane.doe", "Looking into it"},
		{"jane;doe", "a;b;c"},
		{"jane\n" + evil + "\n", "x"},
		{"jane", "x\n" + evil},
		{"jane", "x\r" + evil + "\r\n" + evil},
		{"", ""},
		{";", "\n"},
		{"jane\x00", "x\x00\n" + evil},
		{"Jürgen 日本", `C:\disk "quoted" 'single' $USER1$ ` + "`id` | & <b> ~"},
		{strings.Repeat("a", 600), strings.Repeat("日", 4000)},
		{"]", "] " + evil},
		{"\u2028\u202e", "\u0085" + evil},
	} {
		for _, verb := range []source.Verb{source.Acknowledge, source.Comment, source.ScheduleDowntime} {
			cmd := source.Command{
				Verb: verb, Object: alert.Object{Host: "web01", Service: "HTTP Check"}, AlertID: fmt.Sprint("0198-", i),
				Author: c.author, Comment: c.comment, Sticky: true,
			}
			handed = append(handed, r.hand(cmd))
		}
	}
	for _, c := range handed {
		if reply := r.answer(c); reply.Confirmation != alert.Confirmed || reply.Words != "status.dat shows it" {
			t.Errorf("%s by %.20q, %.20q: %+v", c.Verb, c.Author, c.Comment, reply)
		}
	}
	for _, host := range []string{"web01\n" + evil, "web01;HTTP Check", "web01\x00"} {
		reply, err := r.engine.Do(r.ctx, source.Command{Verb: source.Acknowledge, Object: alert.Object{Host: host}, Author: "jane", Comment: "x"})
		if err != nil || reply.Confirmation != alert.Refused {
			t.Errorf("%q: %+v, %v", host, reply, err)
		}
	}
	if got := r.setting("enable_notifications"); got != "1" {
		t.Errorf("enable_notifications=%s", got)
	}
	log := r.nagios.Log()
	for _, bad := range []string{"EXTERNAL COMMAND: DISABLE", "returned error", "Unrecognized", "Malformed", "External command failed"} {
		if strings.Contains(log, bad) {
			t.Errorf("the log has %q:\n%s", bad, log)
		}
	}
}

func TestNagiosConfirmsEachVerb(t *testing.T) {
	t.Parallel()
	r := begin(t)
	host, service := alert.Object{Host: "web01"}, alert.Object{Host: "web01", Service: `Platte C:\ & <böse>`}
	r.must(r.nagios.Service("web01", service.Service, 2, "CRITICAL"))
	r.must(r.nagios.Host("web01", 1, "PING CRITICAL"))
	r.must(r.nagios.UntilLogged(r.ctx, "HOST NOTIFICATION: anna;web01;DOWN", 1))
	unknown := r.hand(source.Command{Verb: source.Acknowledge, Object: alert.Object{Host: "nosuch"}, AlertID: "0198", Author: "jane", Comment: "x"})
	var both sync.WaitGroup
	for _, o := range []alert.Object{host, service} {
		both.Go(func() {
			c := source.Command{Object: o, AlertID: "0198-" + string(o.Kind()), Author: "jane.doe", Comment: "Looking; into it", Sticky: true}
			for _, verb := range []source.Verb{source.Acknowledge, source.Comment, source.ScheduleDowntime, source.CancelDowntime, source.Unacknowledge} {
				c.Verb = verb
				if reply := r.answer(r.hand(c)); reply.Confirmation != alert.Confirmed {
					t.Errorf("%s of %q: %+v", verb, o.Service, reply)
				}
			}
		})
	}
	both.Wait()
	// The service's downtime was ended apart from the host's, and each alone.
	if n := strings.Count(r.nagios.Log(), "DEL_DOWNTIME_BY_HOST_NAME"); n != 2 {
		t.Errorf("%d downtimes were ended:\n%s", n, r.nagios.Log())
	}
	if reply := r.answer(unknown); reply.Confirmation != alert.Refused || !strings.Contains(reply.Words, "does not know nosuch") {
		t.Errorf("%+v", reply)
	}
}

func TestNagiosShowsWhetherAnAcknowledgementStands(t *testing.T) {
	t.Parallel()
	r := begin(t)
	r.must(r.nagios.Service("web01", "HTTP Check", 2, "CRITICAL - no answer"))
	r.must(r.nagios.UntilLogged(r.ctx, "SERVICE NOTIFICATION: anna;web01;HTTP Check;CRITICAL", 1))
	c := r.hand(source.Command{Verb: source.Acknowledge, Object: alert.Object{Host: "web01", Service: "HTTP Check"}, AlertID: "0198", Author: "jane", Comment: "x"})
	r.answer(c)
	stands := func(want alert.Confirmation, recovered bool) {
		t.Helper()
		c.From = time.Now()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			replies, err := r.engine.(source.Watcher).Watch(r.ctx, []source.Command{c})
			r.must(err)
			if replies[0].Confirmation == want && replies[0].Recovered == recovered {
				return
			}
			select {
			case <-tick.C:
			case <-r.ctx.Done():
				t.Fatalf("%+v, not %s\n%s", replies[0], want, r.nagios.Log())
			}
		}
	}
	stands(alert.Confirmed, false)
	r.must(r.nagios.Command("REMOVE_SVC_ACKNOWLEDGEMENT", "web01", "HTTP Check"))
	stands(alert.Refused, false)
	r.must(r.nagios.Service("web01", "HTTP Check", 0, "OK"))
	stands(alert.Refused, true)
	r.must(r.engine.(source.Prober).Probe(r.ctx))
	r.must(r.nagios.End(r.ctx))
	if err := r.engine.(source.Prober).Probe(r.ctx); err == nil || !strings.Contains(err.Error(), "nobody reads the command file") {
		t.Errorf("%v", err)
	}
}
