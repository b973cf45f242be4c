package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/hub"
	"tocsin/test/nagios"
)

// engine starts Nagios with contacts that are told by `tocsin notify`, as the
// documentation says. It notes the time of each call.
func (w *world) engine(contacts ...string) *nagios.Nagios {
	w.Helper()
	return w.engineOf([]string{"web01", "db01"},
		[]nagios.Service{{Host: "web01", Name: "HTTP Check"}, {Host: "web01", Name: "Disk /"}, {Host: "db01", Name: "Replication"}}, contacts...)
}

// engineOf is the same with other hosts and services.
func (w *world) engineOf(hosts []string, services []nagios.Service, contacts ...string) *nagios.Nagios {
	w.Helper()
	dir := w.TempDir()
	// A semicolon would begin a comment in Nagios' files.
	common := "exec 2>> " + filepath.Join(w.dir, "complaints") + " && /bin/date +%s%N >> " + filepath.Join(w.dir, "calls") + " && " + bin + ` notify --notificationtype="$NOTIFICATIONTYPE$" --hostname="$HOSTNAME$" ` +
		`--ackauthor="$NOTIFICATIONAUTHOR$" --ackcomment="$NOTIFICATIONCOMMENT$" --contact="$CONTACTNAME$" --time="$TIMET$" `
	n, err := nagios.Start(w.ctx, nagios.Config{
		Dir: dir, Contacts: contacts, Hosts: hosts, Services: services,
		HostCommand: common + `--type=Host --state="$HOSTSTATEID$" --output="$HOSTOUTPUT$" --longoutput="$LONGHOSTOUTPUT$"`,
		ServiceCommand: common + `--type=Service --service="$SERVICEDESC$" --state="$SERVICESTATEID$" ` +
			`--output="$SERVICEOUTPUT$" --longoutput="$LONGSERVICEOUTPUT$"`,
		Env: []string{
			"TOCSIN_URL=http://" + w.hub.Listen, "TOCSIN_TOKEN=" + w.token, "TOCSIN_SOURCE=nagios",
			"TOCSIN_SPOOL=" + filepath.Join(dir, "spool"),
		},
	})
	w.must(err)
	w.Cleanup(func() {
		n.Stop()
		if w.Failed() {
			w.Logf("Nagios said:\n%s\nand its notification command:\n%s", n.Log(), w.complaints())
		}
	})
	return n
}

// called answers when the notification command was last called.
func (w *world) called() time.Time {
	w.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "calls"))
	w.must(err)
	lines := bytes.Fields(b)
	ns, err := strconv.ParseInt(string(lines[len(lines)-1]), 10, 64)
	w.must(err)
	return time.Unix(0, ns)
}

// fields of an external command of Nagios for a downtime from now on.
func downtime(length time.Duration) []string {
	now := time.Now()
	return []string{fmt.Sprint(now.Unix()), fmt.Sprint(now.Add(length).Unix()), "1", "0", fmt.Sprint(int(length.Seconds())), "anna", "New disk"}
}

// It looks at how soon people see a problem, so nothing goes on beside it: see scripts/test.
func TestFromNagiosToTheDesktop(t *testing.T) {
	w := begin(t, hub.Options{})
	w.user("anna", "operator")
	w.user("ben", "operator")
	w.cli("", "contact", "add", "carl") // known, but without a user
	w.serve()
	anna, ben := w.sit("anna", browser.Chromium, browser.Granted), w.sit("ben", browser.Firefox, browser.Granted)
	anna.signIn()
	ben.signIn()
	n := w.engine("anna", "ben", "carl", "stranger")

	const problem = "PROBLEM: HTTP Check on web01 is Critical!"
	w.must(n.Service("web01", "HTTP Check", 2, "CRITICAL - Socket timeout after 10 seconds"))
	for _, p := range []*person{anna, ben} {
		shown := p.sees(problem)
		if !strings.Contains(shown.Body, "Socket timeout after 10 seconds") {
			w.Errorf("%s reads %q", p.name, shown.Body)
		}
		if len(shown.Image) == 0 && shown.Hints["image-path"] == "" {
			w.Errorf("%s sees no icon: %v", p.name, shown.Hints)
		}
		took := shown.Shown.Sub(w.called())
		w.Logf("%s saw it in %s %v after the last call of the command", p.name, p.browser.Name(), took.Round(time.Millisecond))
		if took > time.Second {
			w.Errorf("%s saw it only %v after the call", p.name, took)
		}
	}

	alertPath := "/console/alerts/" + w.alertOf("web01", "HTTP Check").ID
	pages := map[string]browser.Tab{}
	for _, p := range []*person{anna, ben} {
		w.must(p.desktop.Click(p.sees(problem).ID, "default"))
		ctx, cancel := context.WithTimeout(w.ctx, moment)
		tab, err := browser.UntilTab(ctx, p.browser, alertPath)
		cancel()
		w.must(err)
		if tab.ID() == p.tab.ID() {
			w.Errorf("the click of %s took the open tab instead of a new one", p.name)
		}
		p.live(tab)
		p.reads(tab, "Critical", "web01", "HTTP Check", "Socket timeout after 10 seconds")
		pages[p.name] = tab
	}

	w.part("the page says who was told and why, and why not", func() {
		anna.reads(pages["anna"], "Who was told", "anna", "ben", "Not told", "carl", "stranger")
		reasons := map[string]string{}
		w.eventually("both deliveries have their receipts", func() bool {
			sent := 0
			for _, d := range w.alertOf("web01", "HTTP Check").Deliveries {
				reasons[d.ContactName] = d.State + " " + d.Reason
				if d.State == "sent" && d.Detail != "" && len(d.Attempts) > 0 {
					sent++
				}
			}
			return sent == 2
		})
		for name, want := range map[string]string{
			"anna": "sent named_by_engine", "ben": "sent named_by_engine", "carl": "skipped no_user", "stranger": "skipped contact_unknown",
		} {
			if reasons[name] != want {
				w.Errorf("%s: %q, want %q", name, reasons[name], want)
			}
		}
	})

	w.part("an acknowledgement in one browser shows in the other's open tab", func() {
		w.must(pages["anna"].Front(w.ctx))
		w.must(browser.Type(w.ctx, pages["anna"], "#comment", "On it"))
		w.must(browser.Click(w.ctx, pages["anna"], "#ack-button"))
		ben.reads(pages["ben"], "Acknowledged", "On it")
		ben.sees("Acknowledgement for web01/HTTP Check (Critical)")
		if a := w.alertOf("web01", "HTTP Check"); a.Status != "acknowledged" || a.Acknowledgement.Origin != "console" || a.Acknowledgement.Author != "anna" {
			w.Errorf("the alert is %s, acknowledged by %+v", a.Status, a.Acknowledgement)
		}
	})

	w.part("a recovery takes what is on screen away and goes away itself", func() {
		w.must(n.Service("web01", "HTTP Check", 0, "HTTP OK: 200"))
		for _, p := range []*person{anna, ben} {
			shown := p.sees("RECOVERY: HTTP Check on web01 is OK!")
			w.empties(p, moment)
			gone, err := p.desktop.WaitClosed(w.ctx, shown.ID)
			w.must(err)
			w.Logf("%s saw the recovery for %v", p.name, gone.Closed.Sub(gone.Shown).Round(time.Millisecond))
			p.reads(pages[p.name], "Resolved")
		}
	})

	w.part("a host that is down is acknowledged in Nagios", func() {
		w.must(n.Host("db01", 1, "PING CRITICAL - 100 % lost"))
		anna.sees("PROBLEM: db01 is Down!")
		ben.sees("PROBLEM: db01 is Down!")
		w.must(n.Command("ACKNOWLEDGE_HOST_PROBLEM", "db01", "2", "1", "1", "Ben", "Disk ordered"))
		for _, p := range []*person{anna, ben} {
			if shown := p.sees("Acknowledgement for db01 (Down)"); !strings.Contains(shown.Body, "Ben: Disk ordered") {
				w.Errorf("%s reads %q", p.name, shown.Body)
			}
		}
		a := w.alertOf("db01", "")
		if a.Status != "acknowledged" || a.Acknowledgement.Origin != "engine" || a.Acknowledgement.Comment != "Disk ordered" {
			w.Errorf("the alert is %s, acknowledged by %+v", a.Status, a.Acknowledgement)
		}
		anna.reads(anna.open("/console/alerts/"+a.ID), "Ben", "Disk ordered", "Acknowledged")
	})

	w.part("a downtime begins and ends", func() {
		w.must(n.Command(append([]string{"SCHEDULE_HOST_DOWNTIME", "db01"}, downtime(3*time.Second)...)...))
		over := func(a alert) bool {
			return slices.ContainsFunc(a.Timeline, func(e event) bool { return e.Type == "DOWNTIMEEND" })
		}
		w.eventually("the downtime of db01", func() bool { a := w.alertOf("db01", ""); return a.Object.Downtime || over(a) })
		w.eventually("its end", func() bool { a := w.alertOf("db01", ""); return !a.Object.Downtime && over(a) })
		var types []string
		for _, e := range w.alertOf("db01", "").Timeline {
			types = append(types, e.Type)
		}
		if got := strings.Join(types, " "); got != "PROBLEM ACKNOWLEDGEMENT DOWNTIMESTART DOWNTIMEEND" {
			w.Errorf("the timeline is %s", got)
		}
		for _, p := range []*person{anna, ben} {
			p.sees("Downtime started for db01")
			p.sees("Downtime ended for db01")
		}
	})
}

// empties waits until a person's screen has no notification.
func (w *world) empties(p *person, patience time.Duration) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	_, err := p.desktop.Wait(ctx, func(notifyd.Notification) bool { return len(p.desktop.OnScreen()) == 0 })
	if err != nil {
		w.Fatalf("the screen of %s is not empty: %v", p.name, err)
	}
}

func TestSpool(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("anna", "operator")
	w.serve()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	n := w.engine("anna")
	w.must(n.Service("web01", "Disk /", 1, "DISK WARNING - 9 % free"))
	anna.sees("PROBLEM: Disk / on web01 is Warning!")

	w.must(w.hub.Stop(w.ctx))
	for i, event := range []struct {
		state  int
		output string
	}{{2, "DISK CRITICAL - 2 % free"}, {0, "DISK OK - 40 % free"}, {2, "DISK CRITICAL - 1 % free"}} {
		w.must(n.Service("web01", "Disk /", event.state, event.output))
		w.eventually("one event more in the spool", func() bool { return strings.Count(w.complaints(), "spooled") == i+1 })
	}
	w.must(w.hub.Start(w.ctx))
	// The next call hands in what waits, before its own.
	w.must(n.Service("db01", "Replication", 2, "REPLICATION CRITICAL - 900 s behind"))
	anna.sees("PROBLEM: Replication on db01 is Critical!")
	anna.sees("PROBLEM: Disk / on web01 is Critical!")

	w.eventually("the events of the disk in their order, each once", func() bool {
		var o struct {
			Timeline []struct{ Type, Output string }
		}
		w.must(w.hub.Get(w.ctx, "/objects/"+w.alertOf("web01", "Disk /").Object.ID, &o))
		var got []string
		for _, e := range o.Timeline {
			got = append(got, e.Type+" "+e.Output)
		}
		return strings.Join(got, "; ") == "PROBLEM DISK WARNING - 9 % free; PROBLEM DISK CRITICAL - 2 % free; RECOVERY DISK OK - 40 % free; PROBLEM DISK CRITICAL - 1 % free"
	})
	if a := w.alertOf("web01", "Disk /"); a.Status != "firing" || a.State != "critical" {
		w.Errorf("the disk is %s, %s", a.Status, a.State)
	}
}

// complaints is what the notification command wrote to stderr.
func (w *world) complaints() string {
	b, _ := os.ReadFile(filepath.Join(w.dir, "complaints")) // none before the first call
	return string(b)
}
