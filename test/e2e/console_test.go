package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"tocsin/test/browser"
	"tocsin/test/hub"
)

// spooled hands in an event and says how many wait behind it, as tocsin notify
// does.
func (w *world) spooled(n int) {
	w.Helper()
	body := fmt.Sprintf(`{"type":"CUSTOM","host":"web01","state":0,"output":"%d wait"}`, n)
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://"+w.hub.Listen+"/api/v1/sources/nagios/events", strings.NewReader(body))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Tocsin-Spool", strconv.Itoa(n))
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		w.Fatalf("answered %s", resp.Status)
	}
}

// The list of alerts is worked through without a mouse, and several alerts are
// taken at once.
func TestKeyboardAndTicks(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("anna", "operator")
	w.serve()
	for _, service := range []string{"HTTP", "SMTP", "IMAP", "LDAP"} {
		w.trouble(service, "no answer")
	}
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	tab := anna.tab
	w.must(browser.Until(w.ctx, tab, "document.querySelectorAll('#alert-rows tr').length === 4"))

	w.must(tab.Keys(w.ctx, "?"))
	w.must(browser.Until(w.ctx, tab, "document.getElementById('keys-help').open"))
	w.must(browser.Click(w.ctx, tab, "#keys-help button"))
	w.must(browser.Until(w.ctx, tab, "!document.getElementById('keys-help').open"))

	w.must(tab.Keys(w.ctx, "j"))
	w.must(browser.Until(w.ctx, tab, "document.activeElement === document.querySelectorAll('.row-link')[0]"))
	w.must(tab.Keys(w.ctx, "x"))
	w.must(tab.Keys(w.ctx, "j"))
	w.must(tab.Keys(w.ctx, "x"))
	anna.reads(tab, "2 ticked")
	w.must(tab.Keys(w.ctx, "x"))
	anna.reads(tab, "1 ticked")
	w.must(tab.Keys(w.ctx, "x"))
	w.must(browser.Type(w.ctx, tab, "#bulk input[name=comment]", "the mail server moves"))
	w.must(browser.Click(w.ctx, tab, "#bulk button"))
	anna.reads(tab, "Acknowledged 2 alerts.")
	taken := 0
	for _, service := range []string{"HTTP", "SMTP", "IMAP", "LDAP"} {
		if a := w.alertOf("web01", service); a.Status == "acknowledged" {
			taken++
			if a.Acknowledgement.Author != "anna" || a.Acknowledgement.Comment != "the mail server moves" || a.Acknowledgement.Origin != "console" {
				t.Errorf("%s is acknowledged as %+v", service, *a.Acknowledgement)
			}
		}
	}
	if taken != 2 {
		t.Errorf("%d alerts are acknowledged, 2 were ticked", taken)
	}

	// One by one: the key a takes the row that has the focus, and it can be undone.
	anna.live(tab)
	w.must(browser.Until(w.ctx, tab, "document.querySelectorAll('#alert-rows [data-ack]').length === 2"))
	w.must(tab.Eval(w.ctx, "document.querySelector('#alert-rows [data-ack]').closest('.row').querySelector('.row-link').focus()", nil))
	w.must(tab.Keys(w.ctx, "a"))
	w.must(browser.Until(w.ctx, tab, "document.querySelectorAll('#alert-rows [data-ack]').length === 1"))
	anna.reads(tab, "Undo")
}

// The header warns of what is not well, also when that is only the live
// channel, and no longer when it is well again; nobody has to reload a page.
func TestHeaderWarns(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{Proxy: true})
	w.Cleanup(w.hub.Line.Close)
	w.user("anna", "admin")
	w.serve()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	const badge = "document.getElementById('health-badge')"
	w.must(browser.Until(w.ctx, anna.tab, badge+".hidden"))

	w.hub.Line.Cut()
	w.must(browser.Until(w.ctx, anna.tab, "!"+badge+".hidden && "+badge+".innerText.includes('1 warning')"))
	w.hub.Line.Mend()
	anna.live(anna.tab)
	w.must(browser.Until(w.ctx, anna.tab, badge+".hidden"))

	// A source whose spool has not been handed in is a warning of the hub's.
	w.spooled(3)
	w.must(browser.Until(w.ctx, anna.tab, "!"+badge+".hidden && "+badge+".innerText.includes('1 warning')"))
	w.spooled(0)
	w.must(browser.Until(w.ctx, anna.tab, badge+".hidden"))
}
