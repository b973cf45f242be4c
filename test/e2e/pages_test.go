package e2e_test

import (
	"testing"
	"time"

	"tocsin/internal/web/console"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
	"tocsin/test/hub"
)

// scene fills a hub with what a console shows on an ordinary day.
func (w *world) scene() {
	w.Helper()
	w.user("anna", "admin")
	w.user("ben", "operator")
	w.cli("", "contact", "add", "night-shift")
	w.serve()
	at := time.Now().Add(-4 * time.Minute)
	say := func(kind, host, service string, state int, output string, more map[string]any) {
		w.Helper()
		at = at.Add(20 * time.Second)
		e := map[string]any{
			"id": kind + host + service + output, "type": kind, "host": host, "state": state, "output": output,
			"contacts": []string{"anna", "ben", "night-shift"}, "time": at.Unix(), "labels": map[string]string{"site": "fra1"},
		}
		if service != "" {
			e["service"] = service
		}
		for k, v := range more {
			e[k] = v
		}
		w.send(e)
	}
	say("PROBLEM", "db01.example.com", "", 1, "PING CRITICAL - Packet loss = 100%", nil)
	say("PROBLEM", "web01.example.com", "HTTP", 2, "CRITICAL - Socket timeout after 10 seconds", nil)
	say("PROBLEM", "web02.example.com", "HTTP", 1, "HTTP WARNING: HTTP/1.1 200 OK - 4.812 second response time", nil)
	say("PROBLEM", "mail.example.com", "Queue", 3, "UNKNOWN - postqueue: no such file or directory", nil)
	say("PROBLEM", "store01.example.com", "Disk /srv", 2, "DISK CRITICAL - free space: /srv 812 MiB (1 %)", nil)
	say("ACKNOWLEDGEMENT", "store01.example.com", "Disk /srv", 2, "DISK CRITICAL - free space: /srv 812 MiB (1 %)", map[string]any{"author": "Ben", "comment": "Moving the old backups away"})
	say("DOWNTIMESTART", "db01.example.com", "", 1, "PING CRITICAL - Packet loss = 100%", map[string]any{"author": "Anna", "comment": "New memory"})
	say("FLAPPINGSTART", "web02.example.com", "HTTP", 1, "HTTP WARNING: HTTP/1.1 200 OK - 4.812 second response time", nil)
	say("PROBLEM", "ldap.example.com", "LDAP", 2, "Could not bind to the LDAP server", nil)
	say("RECOVERY", "ldap.example.com", "LDAP", 0, "LDAP OK - 0.004 seconds response time", nil)
}

// look goes over the page of a tab, as axe.Looks has it.
func (w *world) look(tab browser.Tab, path string) {
	w.Helper()
	for _, dark := range []bool{false, true} {
		for _, width := range []int{1280, 390} {
			if axe.Looks(path, width, dark) {
				w.check(tab, path, width, dark)
			}
		}
	}
}

// glance goes over it in one of the ways in which axe.Looks does not.
func (w *world) glance(tab browser.Tab, path string) {
	w.Helper()
	w.check(tab, path, 390, !axe.Looks(path, 390, true))
}

// check looks at a page in one way: nothing that axe-core knows as a barrier, and nothing
// that is wider than the screen.
func (w *world) check(tab browser.Tab, path string, width int, dark bool) {
	w.Helper()
	w.must(tab.Dark(w.ctx, dark))
	w.must(tab.Size(w.ctx, width, 900))
	found, err := axe.Check(w.ctx, tab)
	w.must(err)
	for _, v := range found {
		w.Errorf("%s, dark %v, %d wide: %s", path, dark, width, v)
	}
	var over int
	w.must(tab.Eval(w.ctx, "document.documentElement.scrollWidth - innerWidth", &over))
	if over > 0 {
		w.Errorf("%s, %d wide: the page is %d pixels wider than the screen", path, width, over)
	}
}

// Each page of the console, in both colour schemes, wide and narrow: nothing
// that axe-core knows as a barrier, and nothing that is wider than the screen.
func TestPagesHaveNoBarriers(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.scene()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	tab, err := anna.browser.Open(w.ctx, w.hub.URL+"/console/sign-in")
	w.must(err)
	look := func(path string) { w.look(tab, path) }
	look("/console/sign-in")
	anna.signIn()
	tab = anna.tab
	a := w.alertOf("web01.example.com", "HTTP")
	var source string
	w.must(tab.Go(w.ctx, w.hub.URL+"/console/sources"))
	w.must(tab.Eval(w.ctx, "document.querySelector('tbody a').pathname", &source))
	pages := append(console.Paths(), "/console/alerts/"+a.ID, "/console/act/"+a.ID, "/console/objects/"+a.Object.ID, "/console/nowhere", source)
	for _, path := range pages {
		w.must(tab.Go(w.ctx, w.hub.URL+path))
		look(path)
	}
}
