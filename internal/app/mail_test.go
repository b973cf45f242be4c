package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/test/mailsink"
)

// writesTo makes a contact that is told of services by e-mail, and a rule that
// chooses it. userID may be empty.
func (h *hub) writesTo(name, userID string) string {
	h.Helper()
	k := contact.NewContact(name)
	k.ID, k.Email, k.UserID = "contact-"+name, name+"@example.org", userID
	k.PushHost, k.PushService, k.MailHost, k.MailService = false, false, true, true
	st := h.app.Store()
	if err := st.SaveContact(h.Context(), k); err != nil {
		h.Fatal(err)
	}
	if err := st.SaveRule(h.Context(), route.Rule{ID: "rule-" + name, Name: name, Enabled: true, ContactIDs: []string{k.ID}}); err != nil {
		h.Fatal(err)
	}
	return k.ID
}

// wrong hands in a problem of a service, and answers the alert's id.
func (h *hub) wrong(service string) string {
	return h.tell(fmt.Sprintf(`{"type":"PROBLEM","state":"CRITICAL","host":"web01","service":%q,"output":"connection refused"}`, service))
}

func (h *hub) mailed(alertID string) []delivery.Delivery {
	h.Helper()
	all, err := h.app.Store().AlertDeliveries(h.Context(), alertID, "")
	if err != nil {
		h.Fatal(err)
	}
	var out []delivery.Delivery
	for _, d := range all {
		if d.Channel == route.Email && d.State != delivery.Skipped {
			out = append(out, d)
		}
	}
	return out
}

// hidden is what a form on a page would send besides what is typed.
func hidden(t *testing.T, page string) url.Values {
	t.Helper()
	m := regexp.MustCompile(`name="confirm" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("there is no form in %s", page)
	}
	return url.Values{"confirm": {m[1]}}
}

func TestAContactTakesAnAlertFromALetter(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	h.mails(sink)
	h.writesTo("mira", h.user("mira", auth.Operator))
	h.writesTo("noor", "")
	id := h.wrong("HTTP")
	byName := map[string]mailsink.Letter{}
	for _, l := range sink.Await(t, 2) {
		byName[l.To] = l
	}
	l := byName["mira@example.org"]
	if !strings.HasPrefix(l.Subject(), "PROBLEM: HTTP on web01 is Critical") || l.Header.Get("X-Tocsin-Alert") != id || l.Header.Get("References") != "<"+id+"@[127.0.0.1]>" {
		t.Fatalf("%q, headers %v", l.Subject(), l.Header)
	}
	path := linkIn(t, l, h, "/a")
	if other := linkIn(t, byName["noor@example.org"], h, "/a"); other == path {
		t.Fatal("two contacts have one link")
	}
	opened := h.call("GET", path, nil, "")
	says(t, opened, http.StatusOK, "Do you take this alert?", "Acknowledge as mira")
	if got := opened.header.Get("Referrer-Policy") + opened.header.Get("Set-Cookie"); got != "no-referrer" {
		t.Errorf("headers are %v", opened.header)
	}
	if a, err := h.app.Store().Alert(t.Context(), id); err != nil || a.Status != alert.Firing {
		t.Fatalf("a program that opened the link changed it: %s, %v", a.Status, err)
	}
	in := hidden(t, opened.body)
	in.Set("comment", "on it")
	says(t, h.form(path, in), http.StatusOK, "Acknowledged", "on it") // and goes there
	a, err := h.app.Store().Alert(t.Context(), id)
	if err != nil || a.Status != alert.Acknowledged || a.Ack.Origin != alert.FromMail || a.Ack.Author != "mira" || a.Ack.UserID == "" || a.Ack.Comment != "on it" {
		t.Fatalf("alert is %+v, %v", a.Ack, err)
	}
	told := sink.Await(t, 3)[2]
	if told.To != "noor@example.org" || !strings.HasPrefix(told.Subject(), "ACKNOWLEDGED: ") || told.Header.Get("References") != "<"+id+"@[127.0.0.1]>" || !strings.Contains(told.Text, "mira has HTTP on web01") {
		t.Errorf("%s is told %q: %s", told.To, told.Subject(), told.Text)
	}
	says(t, h.call("GET", linkIn(t, byName["noor@example.org"], h, "/a"), nil, ""), http.StatusOK, "Somebody has it already")
	h.tell(`{"type":"RECOVERY","state":"OK","host":"web01","service":"HTTP","output":"HTTP OK"}`)
	for _, l := range sink.Await(t, 5)[3:] {
		if !strings.HasPrefix(l.Subject(), "RECOVERY: ") || l.Header.Get("References") != "<"+id+"@[127.0.0.1]>" {
			t.Errorf("%q in %q", l.Subject(), l.Header.Get("References"))
		}
	}
	says(t, h.call("GET", path, nil, ""), http.StatusOK, "It has recovered")
	says(t, h.call("GET", "/a/nonsense", nil, ""), http.StatusNotFound, "leads nowhere")
}

func TestWhatAMailServerRefusesIsSaidWhereItIsLookedFor(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{Refuse: func(to string) *smtp.SMTPError {
		if to == "gone@example.org" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "mailbox unavailable"}
		}
		return nil
	}})
	h := startHub(t)
	h.mails(sink)
	viewer := h.user("vera", auth.Viewer)
	h.writesTo("gone", "")
	h.writesTo("vera", viewer)
	id := h.wrong("HTTP")
	if l := sink.Await(t, 1)[0]; l.To != "vera@example.org" || strings.Contains(l.Text, "/a/") {
		t.Errorf("who may not acknowledge has a link: %s", l.Text)
	}
	var dead delivery.Delivery
	h.await("a delivery that is dead", func() bool {
		for _, d := range h.mailed(id) {
			if d.State == delivery.Dead {
				dead = d
			}
		}
		return dead.ID != ""
	})
	if dead.ContactName != "gone" || dead.Attempt != 1 || !strings.Contains(dead.Detail, "550 5.1.1 mailbox unavailable") {
		t.Errorf("%+v", dead)
	}
	says(t, h.call("GET", "/console/contacts/contact-gone", h.cookieOf("olga", auth.Operator), ""), http.StatusOK, "did not arrive", "mailbox unavailable")
	key := h.key(auth.ReadConfig)
	h.await("a warning", func() bool {
		said := h.call("GET", "/api/v1/health", key, "").body
		return strings.Contains(said, "1 letter to contacts did not arrive") && strings.Contains(said, "mailbox unavailable")
	})
}

// cookieOf makes a user and signs in.
func (h *hub) cookieOf(name string, role auth.Role) *http.Cookie {
	h.Helper()
	h.user(name, role)
	return h.cookie(name)
}

func TestALetterThatCameBackIsSaidByItsDelivery(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	h.mails(sink)
	h.writesTo("mira", "")
	id := h.wrong("HTTP")
	messageID := sink.Await(t, 1)[0].Header.Get("Message-Id")
	h.await("a delivery that is sent", func() bool { all := h.mailed(id); return len(all) == 1 && all[0].State == delivery.Sent })
	key := h.key(auth.Bounces)
	report := func(who any, messageID, action string) answer {
		body, err := json.Marshal(map[string]any{"message_id": messageID, "recipients": []map[string]string{{"address": "mira@example.org", "action": action, "status": "5.1.1", "words": "550 5.1.1 User unknown", "by": "mx.example.org"}}})
		if err != nil {
			t.Fatal(err)
		}
		return h.call("POST", "/api/v1/email/bounces", who, string(body))
	}
	says(t, report(nil, messageID, "failed"), http.StatusUnauthorized)
	says(t, report(h.key(auth.ReadAlerts, auth.AckAlerts), messageID, "failed"), http.StatusForbidden, "email:bounces")
	says(t, h.call("GET", "/api/v1/alerts", key, ""), http.StatusForbidden)
	says(t, report(key, "nonsense", "failed"), http.StatusUnprocessableEntity, "message_id")
	says(t, report(key, "<p1.s1@status.example.org>", "failed"), http.StatusOK, `"noted":false`)
	says(t, report(key, messageID, "delivered"), http.StatusOK, `"noted":false`)
	if d := h.mailed(id)[0]; d.State != delivery.Sent {
		t.Fatalf("delivery is %s", d.State)
	}
	says(t, report(key, messageID, "failed"), http.StatusOK, `"noted":true`)
	d := h.mailed(id)[0]
	if d.State != delivery.Dead || d.Detail != "came back: mx.example.org says: 550 5.1.1 User unknown" || d.Attempts[len(d.Attempts)-1].Result != "bounced" {
		t.Errorf("%+v", d)
	}
	says(t, h.call("GET", "/console/contacts/contact-mira", h.cookieOf("olga", auth.Operator), ""), http.StatusOK, "came back: mx.example.org says")
}
