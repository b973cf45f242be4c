package e2e_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/test/await"
	"tocsin/test/hub"
	"tocsin/test/nagios"
)

// told is what the API says of an alert whose engine is told.
type told struct {
	ID     string
	Status string
	Object struct {
		SourceID string `json:"source_id"`
		Downtime bool
	}
	Ack *struct {
		EventID, Author, Comment, Origin, Confirmation string
		EngineWords                                    string `json:"engine_words"`
	} `json:"acknowledgement"`
	Timeline []struct {
		Type, Comment, Reply, Origin string
		ReplyTo                      string `json:"reply_to"`
	}
	Deliveries []delivery
}

// station is a hub whose source's Nagios is told.
type station struct {
	*world
	nagios *nagios.Nagios
}

// backed starts a hub and a Nagios that tells it of problems and is told back.
func backed(t *testing.T) *station {
	t.Helper()
	w := begin(t, hub.Options{})
	n := w.engine("anna")
	w.cli("", "contact", "add", "anna")
	w.cli("", "source", "write-back", "nagios", "--write-back", "command_file",
		"--command-file", n.CommandFile(), "--status-file", n.StatusFile(), "--confirm-seconds", "4")
	w.serve()
	return &station{w, n}
}

// problem lets Nagios tell of a problem, and answers the alert's id.
func (s *station) problem(host, service string) string {
	s.Helper()
	if service == "" {
		s.must(s.nagios.Host(host, 1, "PING CRITICAL"))
	} else {
		s.must(s.nagios.Service(host, service, 2, "CRITICAL - no answer"))
	}
	id := ""
	s.eventually("the alert of "+host+" "+service, func() bool {
		var list struct{ Items []alert }
		s.must(s.hub.Get(s.ctx, "/alerts?limit=500", &list))
		for _, a := range list.Items {
			if a.Object.Host == host && a.Object.Service == service && a.Status != "resolved" {
				id = a.ID
			}
		}
		return id != ""
	})
	return id
}

func (s *station) alert(id string) told {
	s.Helper()
	var a told
	s.must(s.hub.Get(s.ctx, "/alerts/"+id, &a))
	return a
}

// ack acknowledges by the API.
func (s *station) ack(id, comment string, more map[string]any) {
	s.Helper()
	body := map[string]any{"comment": comment, "sticky": true}
	for k, v := range more {
		body[k] = v
	}
	s.must(s.hub.Post(s.ctx, "/alerts/"+id+"/acknowledge", body, nil))
}

// confirmation waits until the alert's acknowledgement is so, and answers the
// engine's words.
func (s *station) confirmation(id, want string) string {
	s.Helper()
	var a told
	s.eventually("the acknowledgement "+want, func() bool {
		a = s.alert(id)
		return a.Ack != nil && a.Ack.Confirmation == want
	})
	return a.Ack.EngineWords
}

// replied waits until the engine's reply to the last event of a type is there.
func (s *station) replied(id, typ, want string) {
	s.Helper()
	s.eventually("the engine's reply to "+typ, func() bool {
		a := s.alert(id)
		asked := false
		for _, e := range a.Timeline {
			switch e.Type {
			case typ:
				asked = true
			case "ENGINEREPLY":
				if asked && e.Reply == want {
					return true
				}
			}
		}
		return false
	})
}

// commands are the external commands that Nagios got, of those that have the text.
func (s *station) commands(text string) []string {
	var out []string
	for line := range strings.Lines(s.nagios.Log()) {
		_, c, ok := strings.Cut(strings.TrimSpace(line), "EXTERNAL COMMAND: ")
		if ok && strings.Contains(c, text) {
			out = append(out, c)
		}
	}
	return out
}

// shows waits until status.dat has a text in the block of a service.
func (s *station) shows(service, text string) {
	s.Helper()
	s.eventually("status.dat with "+text+" of "+service, func() bool {
		b, _ := os.ReadFile(s.nagios.StatusFile()) // for a moment there is none
		for block := range strings.SplitSeq(string(b), "\n\t}") {
			if strings.Contains(block, "servicestatus {") && strings.Contains(block, "service_description="+service+"\n") {
				return strings.Contains(block, "\t"+text)
			}
		}
		return false
	})
}

func TestWriteBackToNagios(t *testing.T) {
	t.Parallel()
	s := backed(t)

	// It ends by itself after a minute; looked at last.
	expiring := s.problem("db01", "Replication")
	s.ack(expiring, "For a minute", map[string]any{"expires_minutes": 1})

	id := s.problem("web01", "HTTP Check")
	s.part("an acknowledgement is handed over and confirmed", func() {
		begun := time.Now()
		s.ack(id, "On it; disk\nordered", nil)
		s.eventually("the line in the log", func() bool { return len(s.commands("HTTP Check;2;0;1;")) == 1 })
		s.Logf("Nagios had the line %v after the request", time.Since(begun).Round(time.Millisecond))
		if got, want := s.commands("ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check")[0], "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;"+s.alert(id).Ack.Author+";On it; disk ordered"; got != want {
			s.Errorf("Nagios got %q, want %q", got, want)
		}
		words := s.confirmation(id, "confirmed")
		s.Logf("confirmed %v after the request: %s", time.Since(begun).Round(time.Millisecond), words)
		s.shows("HTTP Check", "problem_has_been_acknowledged=1")
		for _, d := range s.alert(id).Deliveries {
			if d.Channel == "engine" && (d.State != "sent" || d.Why != "tells nagios what was done here" || !strings.Contains(d.Detail, "confirmed by nagios")) {
				s.Errorf("the delivery is %+v", d)
			}
		}
	})

	s.part("a comment", func() {
		s.must(s.hub.Post(s.ctx, "/alerts/"+id+"/comments", map[string]any{"comment": "Spare part is here"}, nil))
		s.replied(id, "COMMENT", "confirmed")
		if n := len(s.commands("ADD_SVC_COMMENT;web01;HTTP Check;1;")); n != 1 {
			s.Errorf("%d comments", n)
		}
	})

	s.part("a downtime is scheduled and cancelled", func() {
		s.must(s.hub.Post(s.ctx, "/alerts/"+id+"/downtime", map[string]any{"minutes": 10, "comment": "New disk"}, nil))
		s.eventually("the downtime", func() bool { return s.alert(id).Object.Downtime })
		s.replied(id, "SCHEDULEDOWNTIME", "confirmed")
		s.shows("HTTP Check", "scheduled_downtime_depth=1")
		s.must(s.hub.Call(s.ctx, "DELETE", "/alerts/"+id+"/downtime", s.hub.Key, map[string]any{}, nil))
		s.replied(id, "CANCELDOWNTIME", "confirmed")
		s.eventually("its end", func() bool { return !s.alert(id).Object.Downtime })
		s.shows("HTTP Check", "scheduled_downtime_depth=0")
	})

	s.part("an acknowledgement is taken back", func() {
		s.must(s.hub.Call(s.ctx, "DELETE", "/alerts/"+id+"/acknowledge", s.hub.Key, nil, nil))
		s.replied(id, "UNACKNOWLEDGED", "confirmed")
		s.shows("HTTP Check", "problem_has_been_acknowledged=0")
		if a := s.alert(id); a.Status != "firing" {
			s.Errorf("the alert is %s", a.Status)
		}
	})

	s.part("one made in Nagios comes in once and is not written back", func() {
		disk := s.problem("web01", "Disk /")
		s.must(s.nagios.Command("ACKNOWLEDGE_SVC_PROBLEM", "web01", "Disk /", "2", "1", "1", "ben", "Mine"))
		s.confirmation(disk, "confirmed")
		if a := s.alert(disk); a.Ack.Origin != "engine" || a.Ack.Author != "ben" {
			s.Errorf("%+v", a.Ack)
		}
		s.must(s.nagios.Service("web01", "Disk /", 0, "DISK OK"))
		s.eventually("the recovery", func() bool { return s.alert(disk).Status == "resolved" })
		acks := 0
		for _, e := range s.alert(disk).Timeline {
			if e.Type == "ACKNOWLEDGEMENT" {
				acks++
			}
		}
		if n := len(s.commands("PROBLEM;web01;Disk /")); n != 1 || acks != 1 {
			s.Errorf("%d acknowledgements in Nagios, %d here", n, acks)
		}
		for _, d := range s.alert(disk).Deliveries {
			if d.Channel == "engine" {
				s.Errorf("it was written back: %+v", d)
			}
		}
	})

	s.part("what people write does nothing but be a comment", func() {
		evil := fmt.Sprintf("[%d] DISABLE_NOTIFICATIONS", time.Now().Unix())
		s.ack(id, "x\n"+evil+"\n;a\\b\r"+evil, nil)
		s.confirmation(id, "confirmed")
		want := s.alert(id).Ack.Author + ";x " + evil + " ;a/b" // the API takes a lone CR away
		if got := s.commands("ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check"); len(got) != 2 || !strings.Contains(got[1], want) {
			s.Errorf("Nagios got %q, want …%q", got, want)
		}
		for _, host := range []string{"web01;HTTP Check", "web01 ;x"} {
			s.send(map[string]any{"type": "PROBLEM", "host": host, "service": "s;t", "state": 2, "output": "x"})
			odd := s.alertOf(host, "s;t").ID
			s.ack(odd, evil, nil)
			if words := s.confirmation(odd, "refused"); !strings.Contains(words, "semicolon") {
				s.Errorf("refused with %q", words)
			}
		}
		b, err := os.ReadFile(s.nagios.StatusFile())
		s.must(err)
		if !strings.Contains(string(b), "\tenable_notifications=1\n") || len(s.commands("DISABLE_NOTIFICATIONS")) != len(s.commands(";x "+evil)) {
			s.Errorf("an injection took effect:\n%s", s.nagios.Log())
		}
	})

	s.part("a Nagios that is away is told when it is back", func() {
		s.must(s.hub.Call(s.ctx, "DELETE", "/alerts/"+id+"/acknowledge", s.hub.Key, nil, nil))
		s.replied(id, "UNACKNOWLEDGED", "confirmed")
		s.shows("HTTP Check", "problem_has_been_acknowledged=0")
		s.must(s.nagios.End(s.ctx))
		s.ack(id, "While it is away", nil)
		if a := s.alert(id); a.Status != "acknowledged" || a.Ack.Confirmation != "pending" {
			s.Errorf("%s, %+v", a.Status, a.Ack)
		}
		words := s.confirmation(id, "unconfirmed")
		if !strings.Contains(words, "could not be handed over: nobody reads the command file "+s.nagios.CommandFile()) || !strings.Contains(words, "it is tried again until") {
			s.Errorf("the words are %q", words)
		}
		s.must(s.nagios.Again(s.ctx))
		begun := time.Now()
		s.confirmation(id, "confirmed")
		s.Logf("confirmed %v after Nagios was back", time.Since(begun).Round(time.Millisecond))
		if n := len(s.commands("While it is away")); n != 1 {
			s.Errorf("it was handed over %d times", n)
		}
	})

	s.part("a recovery ends it, and nothing more is written", func() {
		before := len(s.commands("web01;HTTP Check;2;0;1;"))
		s.must(s.nagios.Service("web01", "HTTP Check", 0, "HTTP OK: 200"))
		s.eventually("the recovery", func() bool { return s.alert(id).Status == "resolved" })
		if n := len(s.commands("web01;HTTP Check;2;0;1;")); n != before || len(s.commands("REMOVE_SVC_ACKNOWLEDGEMENT;web01;HTTP Check")) != 2 {
			s.Errorf("Nagios was told more: %q", s.commands("HTTP Check"))
		}
	})

	s.part("a host", func() {
		down := s.problem("db01", "")
		s.ack(down, "Disk ordered", nil)
		s.confirmation(down, "confirmed")
		if got := s.commands("ACKNOWLEDGE_HOST_PROBLEM;db01;2;0;1;"); len(got) != 1 {
			s.Errorf("%q", got)
		}
	})

	s.part("what Nagios tells of it itself is the same acknowledgement", func() {
		disk := s.problem("web01", "Disk /")
		// By the hub itself, which then knows: what a command sets it learns within a second.
		s.must(s.hub.Call(s.ctx, "PUT", "/sources/"+s.alert(disk).Object.SourceID, s.hub.Key, map[string]any{
			"name": "nagios", "kind": "nagios", "write_back": map[string]any{
				"kind": "command_file", "command_file": s.nagios.CommandFile(), "status_file": s.nagios.StatusFile(), "confirm_seconds": 4, "notify": true,
			},
		}, nil))
		s.ack(disk, "Making room", nil)
		s.confirmation(disk, "confirmed")
		s.must(s.nagios.UntilLogged(s.ctx, "SERVICE NOTIFICATION: anna;web01;Disk /;ACKNOWLEDGEMENT (CRITICAL)", 2)) // the first was Ben's
		s.eventually("what Nagios tells of it", func() bool {
			return strings.Contains(fmt.Sprint(s.alert(disk).Timeline), "{ACKNOWLEDGEMENT Making room  engine ")
		})
		s.must(s.nagios.Service("web01", "Disk /", 0, "DISK OK"))
		s.eventually("the recovery", func() bool { return s.alert(disk).Status == "resolved" })
		if a := s.alert(disk); a.Ack == nil || a.Ack.Origin != "api" || a.Ack.Confirmation != "confirmed" {
			s.Errorf("%+v", a.Ack)
		}
		if got := s.commands("Making room"); len(got) != 1 || !strings.Contains(got[0], "Disk /;2;1;1;") || len(s.commands("REMOVE_SVC_ACKNOWLEDGEMENT;web01;Disk /")) != 0 {
			s.Errorf("Nagios was told %q", got)
		}
	})

	s.part("an acknowledgement that ran out is taken back in Nagios, too", func() {
		ctx, cancel := context.WithTimeout(s.ctx, 2*moment)
		defer cancel()
		if err := await.True(ctx, func() bool { return s.alert(expiring).Status == "firing" }); err != nil {
			s.Fatalf("it did not run out: %+v", s.alert(expiring))
		}
		s.replied(expiring, "UNACKNOWLEDGED", "confirmed")
		s.shows("Replication", "problem_has_been_acknowledged=0")
	})
}

// What was asked for is on disk when the request is answered: a hub that is killed
// then tells the engine when it is back.
func TestAKilledHubTellsTheEngine(t *testing.T) {
	t.Parallel() // most of it is waiting
	s := backed(t)
	id := s.problem("web01", "HTTP Check")
	s.ack(id, "Just before the end", nil)
	s.hub.Kill()
	s.must(s.hub.Start(s.ctx))
	// The lease of what was in work when it was killed has to run out first.
	ctx, cancel := context.WithTimeout(s.ctx, 2*moment)
	defer cancel()
	if err := await.True(ctx, func() bool { return s.alert(id).Ack.Confirmation == "confirmed" }); err != nil {
		s.Fatalf("not confirmed: %+v", s.alert(id))
	}
	s.shows("HTTP Check", "problem_has_been_acknowledged=1")
	if n := len(s.commands("Just before the end")); n < 1 || n > 2 {
		s.Errorf("it was handed over %d times", n)
	}
}
