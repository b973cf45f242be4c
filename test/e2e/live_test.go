package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/hub"
)

// both runs a test in either browser.
func both(t *testing.T, f func(*testing.T, start)) {
	for name, s := range map[string]start{"chromium": browser.Chromium, "firefox": browser.Firefox} {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
}

// trouble sends a problem of a service on web01 that names anna.
func (w *world) trouble(service, output string) {
	w.Helper()
	w.send(map[string]any{
		"id": fmt.Sprintf("%s %x", service, output), "type": "PROBLEM", "host": "web01", "service": service, "state": 2, "output": output,
		"contact": "anna", "time": time.Now().Unix(),
	})
}

// count is how many notifications with that title there ever were.
func (p *person) count(title string) int {
	n := 0
	for _, shown := range p.desktop.List() {
		if shown.Summary == title {
			n++
		}
	}
	return n
}

func problemOf(service string) string {
	return fmt.Sprintf("PROBLEM: %s on web01 is Critical!", service)
}

func TestLostConnection(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s start) {
		w := begin(t, hub.Options{Proxy: true})
		w.Cleanup(w.hub.Line.Close)
		w.user("anna", "operator")
		w.serve()
		anna := w.sit("anna", s, browser.Granted)
		anna.signIn()

		w.hub.Line.Cut()
		w.must(browser.Until(w.ctx, anna.tab, "document.querySelector('#live-state').dataset.state !== 'live'"))
		w.trouble("Mail", "queue of 900")
		w.trouble("Backup", "none since Friday")
		if got := anna.count(problemOf("Mail")); got != 0 {
			t.Fatalf("the line is cut, and anna saw it %d times", got)
		}
		w.hub.Line.Mend()
		anna.sees(problemOf("Mail"))
		anna.sees(problemOf("Backup"))
		anna.live(anna.tab)
		anna.reads(anna.tab, "queue of 900", "none since Friday")

		// What comes later comes once, and the old does not come again.
		w.trouble("DNS", "no answer")
		anna.sees(problemOf("DNS"))
		for _, service := range []string{"Mail", "Backup", "DNS"} {
			if got := anna.count(problemOf(service)); got != 1 {
				t.Errorf("anna saw %s %d times", service, got)
			}
		}
	})
}

func TestMuchMissedIsCollapsed(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{Proxy: true})
	w.Cleanup(w.hub.Line.Close)
	w.user("anna", "operator")
	w.serve()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	w.hub.Line.Cut()
	for i := range 12 {
		w.trouble(fmt.Sprintf("Service %d", i), "down")
	}
	w.hub.Line.Mend()
	anna.sees("12 alerts while you were away")
	if got := len(anna.desktop.List()); got != 1 {
		t.Errorf("anna saw %d notifications: %s", got, anna.desktop)
	}
	w.eventually("every delivery ended as collapsed", func() bool {
		ended := 0
		for i := range 12 {
			for _, d := range w.alertOf("web01", fmt.Sprintf("Service %d", i)).Deliveries {
				if d.State == "sent" {
					ended++
				}
			}
		}
		return ended == 12
	})
}

func TestTabs(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s start) {
		w := begin(t, hub.Options{})
		w.user("anna", "operator")
		w.serve()
		anna := w.sit("anna", s, browser.Granted)
		anna.signIn()
		second, third := anna.open("/console/alerts"), anna.open("/console/health")
		w.trouble("HTTP", "no answer")
		shown := anna.sees(problemOf("HTTP"))
		anna.reads(second, "no answer") // a row, live
		var h struct{ Streams int }
		w.eventually("one stream for three tabs", func() bool {
			h.Streams = w.streams()
			return h.Streams == 1
		})

		// The tab that holds the stream goes away; another one goes on.
		w.must(anna.tab.Close(w.ctx))
		w.trouble("SMTP", "no answer either")
		anna.sees(problemOf("SMTP"))
		for _, service := range []string{"HTTP", "SMTP"} {
			if got := anna.count(problemOf(service)); got != 1 {
				t.Errorf("three tabs, and %s came %d times", service, got)
			}
		}
		// A click still leads to the alert, though the tab that showed it is gone.
		w.must(anna.desktop.Click(shown.ID, "default"))
		ctx, cancel := context.WithTimeout(w.ctx, moment)
		defer cancel()
		_, err := browser.UntilTab(ctx, anna.browser, "/console/alerts/"+w.alertOf("web01", "HTTP").ID)
		w.must(err)

		// Signing out in one tab ends the stream of all.
		w.must(third.Front(w.ctx))
		w.must(browser.Click(w.ctx, third, ".user-menu summary"))
		w.must(browser.Click(w.ctx, third, "form[action='/console/sign-out'] button"))
		w.must(browser.Until(w.ctx, third, "location.pathname === '/console/sign-in'"))
		w.eventually("no stream after signing out", func() bool { return w.streams() == 0 })
		w.trouble("IMAP", "no answer as well")
		w.eventually("nobody to show it to", func() bool {
			ds := w.alertOf("web01", "IMAP").Deliveries
			return len(ds) == 1 && ds[0].State == "waiting"
		})
		if got := anna.count(problemOf("IMAP")); got != 0 {
			t.Errorf("anna is signed out and saw it %d times", got)
		}
	})
}

// Who is told as two contacts, in person and as the team, hears it once.
func TestTwoContactsOfOneUser(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("anna", "operator")
	w.cli("", "contact", "add", "team", "--user", "anna")
	w.serve()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	now := time.Now().Unix()
	for _, name := range []string{"anna", "team"} {
		w.send(map[string]any{"type": "PROBLEM", "host": "web01", "service": "HTTP", "state": 2, "output": "no answer", "contact": name, "time": now})
	}
	anna.sees(problemOf("HTTP"))
	w.eventually("both deliveries ended", func() bool {
		ds := w.alertOf("web01", "HTTP").Deliveries
		return len(ds) == 2 && ds[0].State == "sent" && ds[1].State == "sent"
	})
	if got := anna.count(problemOf("HTTP")); got != 1 {
		t.Errorf("anna saw it %d times", got)
	}
}

// streams is how many event streams the hub has open, by its metrics.
func (w *world) streams() int {
	w.Helper()
	return int(w.metric("tocsin_live_streams"))
}

func TestPermissionDenied(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s start) {
		w := begin(t, hub.Options{})
		w.user("anna", "operator")
		w.serve()
		anna := w.sit("anna", s, browser.Denied)
		anna.signIn()
		page := anna.open("/console/me")
		anna.reads(page, "blocked for this site", "Reload this page.")
		w.trouble("HTTP", "no answer")
		anna.reads(anna.tab, "no answer")
		w.eventually("the delivery says that the page alone showed it", func() bool {
			ds := w.alertOf("web01", "HTTP").Deliveries
			return len(ds) == 1 && ds[0].State == "sent" && ds[0].Detail != ""
		})
		if got := anna.desktop.List(); len(got) != 0 {
			t.Errorf("denied, and shown all the same: %v", got)
		}
	})
}

func TestPermissionIsAskedOnAClick(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("anna", "operator")
	w.serve()
	anna := w.sit("anna", browser.Chromium, browser.Ask)
	anna.signIn()
	// A page that asked by itself would have been refused for good.
	w.must(browser.Until(w.ctx, anna.tab, "Notification.permission === 'default'"))
	anna.reads(anna.tab, "Turn on notifications")
}

func TestSelfTest(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s start) {
		w := begin(t, hub.Options{})
		w.user("anna", "operator")
		w.serve()
		anna := w.sit("anna", s, browser.Granted)
		anna.signIn()
		page := anna.open("/console/me")
		w.must(browser.Click(w.ctx, page, "#self-test"))
		anna.reads(page, "The browser shows it")
		ctx, cancel := context.WithTimeout(w.ctx, moment)
		defer cancel()
		n, err := anna.desktop.Wait(ctx, always)
		w.must(err)
		t.Logf("the test notification is %q %q", n.Summary, n.Body)
	})
}
