package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tocsin/internal/auth"
	"tocsin/internal/channel/webhook"
	"tocsin/internal/publish"
	"tocsin/test/mailsink"
)

// form posts a form as a browser without JavaScript does.
func (h *hub) form(path string, in url.Values) answer {
	h.Helper()
	return h.call("POST", path, nil, in.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// linkIn is the path of a link in a letter.
func linkIn(t *testing.T, l mailsink.Letter, h *hub, what string) string {
	t.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(h.url) + `(\S*` + what + `/[\w-]+)`).FindStringSubmatch(l.Text)
	if m == nil {
		t.Fatalf("no link to %s in %q", what, l.Text)
	}
	return m[1]
}

func says(t *testing.T, a answer, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("answer is %d, want %d: %s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(a.body), text) {
			t.Fatalf("%q is not in %s", text, a.body)
		}
	}
}

// mails switches e-mail on by the API.
func (h *hub) mails(sink *mailsink.Sink) string {
	h.Helper()
	key := h.key(auth.ReadConfig, auth.WriteConfig, auth.Publish, auth.Administer)
	ca, err := json.Marshal(sink.CA)
	if err != nil {
		h.Fatal(err)
	}
	got := h.call("PUT", "/api/v1/email", key, fmt.Sprintf(`{"enabled":true,"host":%q,"port":%d,"security":"starttls","ca":%s,"from":"status@example.org"}`, sink.Host, sink.Port, ca))
	says(h.T, got, http.StatusOK)
	return key
}

func TestAVisitorSubscribesByEMailAndUnsubscribesWithOneClick(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	key := h.mails(sink)
	page, components := h.publicPage("main", "API", "Shop")

	asked := h.form("/subscribe/email", url.Values{"email": {" Mira@Example.org"}, "component": {components[0]}, "kind": {"incident_new"}, "lang": {"de"}})
	says(t, asked, http.StatusOK, "Fast geschafft")
	again := h.form("/subscribe/email", url.Values{"email": {"mira@example.org"}, "lang": {"de"}, "component": {components[0]}, "kind": {"incident_new"}})
	if again.body != asked.body || again.status != asked.status {
		t.Fatal("the answer tells whether an address is known")
	}
	letter := sink.Await(t, 1)[0]
	if letter.To != "Mira@example.org" || !strings.Contains(letter.Subject(), "Bitte bestätigen") {
		t.Fatalf("letter is to %s, %q", letter.To, letter.Subject())
	}
	confirm := linkIn(t, letter, h, "/subscribe/confirm")
	says(t, h.call("GET", confirm, nil, ""), http.StatusOK, "Mira@example.org") // programs that look after mail open links
	publish := func(title, component string) string {
		got := h.call("POST", "/api/v1/status/incidents", key, fmt.Sprintf(`{"page":%q,"title":%q,"impact":"major","body":"We look into it.","components":[%q]}`, page, title, component))
		says(t, got, http.StatusCreated)
		return got.field(t, "publications.0")
	}
	publish("Too early", components[0])
	says(t, h.form(confirm, url.Values{"lang": {"de"}}), http.StatusOK, "Sie haben abonniert")
	publish("Of no concern", components[1])
	publish("API is slow", components[0])
	letters := sink.Await(t, 2)
	news := letters[1]
	if len(letters) != 2 || !strings.Contains(news.Subject(), "API is slow") || !strings.Contains(news.Text, "We look into it.") || !strings.Contains(news.HTML, "We look into it.") {
		t.Fatalf("%d letters, the last is %q: %s", len(letters), news.Subject(), news.Text)
	}

	t.Run("and changes what is wanted", func(t *testing.T) {
		manage := linkIn(t, news, h, "/subscribe/manage")
		says(t, h.call("GET", manage, nil, ""), http.StatusOK, `value="`+components[0]+`" checked`)
		says(t, h.form(manage, url.Values{"component": {components[1]}, "kind": {"incident_new"}}), http.StatusOK, `value="`+components[1]+`" checked`)
		says(t, h.form(manage, url.Values{"component": {"of-another-page"}}), http.StatusUnprocessableEntity)
		publish("Shop is slow", components[1])
		if got := sink.Await(t, 3)[2]; !strings.Contains(got.Subject(), "Shop is slow") {
			t.Fatalf("letter is %q", got.Subject())
		}
	})
	end := linkIn(t, news, h, "/unsubscribe")
	if want := "<" + h.url + end + ">"; news.Header.Get("List-Unsubscribe") != want {
		t.Fatalf("List-Unsubscribe is %q, want %q", news.Header.Get("List-Unsubscribe"), want)
	}
	says(t, h.call("GET", end, nil, ""), http.StatusOK)
	// As providers of mail send it: no cookie, from elsewhere.
	for range 2 {
		says(t, h.call("POST", end, nil, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"), http.StatusOK)
	}
	says(t, h.call("GET", confirm, nil, ""), http.StatusNotFound)
	if n, err := h.app.Store().VisitorCounts(t.Context(), page); err != nil || len(n) != 0 {
		t.Fatalf("counts are %v %v", n, err)
	}
}

func TestRefusedAddressesEndAndTheEditorSeesIt(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	key := h.mails(sink)
	page, _ := h.publicPage("main", "API")
	for _, to := range []string{"a@example.org", "b@example.org"} {
		says(t, h.form("/subscribe/email", url.Values{"email": {to}}), http.StatusOK)
	}
	for _, l := range sink.Await(t, 2) {
		says(t, h.form(linkIn(t, l, h, "/subscribe/confirm"), url.Values{}), http.StatusOK)
	}
	sink.Change(func(o *mailsink.Options) {
		o.Refuse = func(to string) *smtp.SMTPError {
			if to == "a@example.org" {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "a@example.org is unknown"}
			}
			return nil
		}
	})
	says(t, h.call("POST", "/api/v1/status/incidents", key, `{"page":"main","title":"T","impact":"major","body":"b"}`), http.StatusCreated)
	sink.Await(t, 3)
	for late := time.Now().Add(30 * time.Second); ; {
		items, progress, _, err := h.app.Store().Publications(t.Context(), 1, "")
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		if g := progress[0].Channels["email"]; g.Done {
			if g.Sent != 1 || g.Gone != 1 || len(g.Problems) != 1 {
				t.Fatalf("progress is %+v", g)
			}
			for why := range g.Problems {
				if strings.Contains(why, "@") {
					t.Fatalf("%q names an address", why)
				}
			}
			break
		}
		if time.Now().After(late) {
			t.Fatalf("it never ends: %+v", progress[0].Channels)
		}
		<-time.After(10 * time.Millisecond)
	}
	ended, err := h.app.Store().EndedVisitors(t.Context(), page, 10)
	if err != nil || len(ended) != 1 {
		t.Fatal(ended, err)
	}
}

func TestAWebhookMustAgreeAndIsSentSignedMessages(t *testing.T) {
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 10)
	echo := make(chan call, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/echo" {
			echo <- call{r.Header, body}
			_, _ = w.Write(body)
			return
		}
		var v struct{ Challenge string }
		_ = json.Unmarshal(body, &v)
		_, _ = io.WriteString(w, v.Challenge)
		calls <- call{r.Header, body}
	}))
	defer s.Close()
	h := startHub(t, "TOCSIN_WEBHOOK_PRIVATE=127.0.0.1/32")
	page, _ := h.publicPage("main", "API")
	key := h.key(auth.Publish)
	asked := h.form("/subscribe/webhook", url.Values{"url": {s.URL + "/hook"}})
	says(t, asked, http.StatusOK, "whsec_")
	says(t, h.form("/subscribe/webhook", url.Values{"url": {s.URL + "/echo"}}), http.StatusOK)
	<-calls
	<-echo
	for late := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if n, err := h.app.Store().VisitorCounts(t.Context(), page); err == nil && len(n) == 1 && n[0].Confirmed == 1 && n[0].Waiting == 1 {
			break
		}
		if time.Now().After(late) {
			t.Fatal("it is never confirmed")
		}
	}
	says(t, h.call("POST", "/api/v1/status/incidents", key, `{"page":"main","title":"API is slow","impact":"major","body":"b"}`), http.StatusCreated)
	got := <-calls
	var body struct{ Type, Title, URL, Unsubscribe_url string }
	if err := json.Unmarshal(got.body, &body); err != nil || body.Type != "incident_new" || !strings.Contains(body.Title, "API is slow") || !strings.HasPrefix(body.URL, h.url+"/incidents/") {
		t.Fatalf("body is %s %v", got.body, err)
	}
	if !strings.HasPrefix(got.header.Get("Webhook-Signature"), "v1,") || webhook.Secret(nil) == "" {
		t.Fatalf("headers are %v", got.header)
	}
	says(t, h.call("POST", strings.TrimPrefix(body.Unsubscribe_url, h.url), nil, ""), http.StatusOK)
}

func TestAddressesThatWillNotDoAreRefused(t *testing.T) {
	h := startHub(t)
	h.publicPage("main", "API")
	says(t, h.form("/subscribe/email", url.Values{"email": {"a@example.org"}}), http.StatusNotFound) // is switched off
	for _, to := range []string{"", "http://example.org/", "https://127.0.0.1/", "https://localhost/x", "https://[::1]/", "https://2130706433/", "https://u:p@example.org/", "ftp://example.org/"} {
		got := h.form("/subscribe/webhook", url.Values{"url": {to}})
		if got.status == http.StatusTooManyRequests {
			return // which is what is meant to come
		}
		says(t, got, http.StatusUnprocessableEntity)
	}
	t.Fatal("nobody is ever told to wait")
}

func TestWhoMayNotSeeAPageMayNotSubscribeToIt(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	key := h.mails(sink)
	page, _ := h.publicPage("main", "API")
	says(t, h.form("/subscribe/email", url.Values{"email": {"a@example.org"}}), http.StatusOK)
	letter := sink.Await(t, 1)[0]
	confirm, forget := linkIn(t, letter, h, "/subscribe/confirm"), linkIn(t, letter, h, "/unsubscribe")
	got := h.call("PUT", "/api/v1/status/pages/"+page, key, `{"slug":"main","name":"The main","zone":"UTC","private":{"signed_in":true}}`)
	if got.status/100 != 2 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for late := time.Now().Add(30 * time.Second); h.call("GET", "/", nil, "").status != http.StatusUnauthorized; <-time.After(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the page never becomes private")
		}
	}
	says(t, h.form("/subscribe/email", url.Values{"email": {"b@example.org"}}), http.StatusUnauthorized)
	says(t, h.form(confirm, url.Values{}), http.StatusUnauthorized)
	says(t, h.call("POST", forget, nil, ""), http.StatusOK)
	if strings.Contains(h.call("GET", forget, nil, "").body, "The main") {
		t.Error("it tells the name of a page that may not be seen")
	}
}

// shown waits until a page is served.
func (h *hub) shown(path string) {
	h.Helper()
	for late := time.Now().Add(30 * time.Second); h.call("GET", path, nil, "").status != http.StatusOK; <-time.After(10 * time.Millisecond) {
		if time.Now().After(late) {
			h.Fatalf("there is never a page at %s", path)
		}
	}
}

func TestLinksOfLettersStayGoodWhereverThePageGoes(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	key := h.mails(sink)
	h.publicPage("main", "API")
	got := h.call("POST", "/api/v1/status/pages", key, `{"slug":"shop","name":"The shop","zone":"UTC"}`)
	says(t, got, http.StatusCreated)
	page := got.field(t, "id")
	h.shown("/s/shop/")
	says(t, h.form("/s/shop/subscribe/email", url.Values{"email": {"a@example.org"}}), http.StatusOK)
	letter := sink.Await(t, 1)[0]
	confirm, end := linkIn(t, letter, h, "/subscribe/confirm"), linkIn(t, letter, h, "/unsubscribe")
	says(t, h.call("PUT", "/api/v1/status/pages/"+page, key, `{"slug":"store","name":"The store","zone":"UTC"}`), http.StatusOK)
	h.shown("/s/store/")
	says(t, h.form(confirm, url.Values{}), http.StatusOK)
	says(t, h.call("GET", end, nil, ""), http.StatusOK)
	// A mail provider's POST in a form that cannot be read is a POST all the same.
	says(t, h.call("POST", end, nil, "List-Unsubscribe=One-Click", "Content-Type", "multipart/form-data"), http.StatusOK)
	if n, err := h.app.Store().VisitorCounts(t.Context(), page); err != nil || len(n) != 0 {
		t.Fatalf("counts are %v %v", n, err)
	}
	// The first place is left to another page.
	says(t, h.form("/subscribe/email", url.Values{"email": {"b@example.org"}}), http.StatusOK)
	letter = sink.Await(t, 2)[1]
	pages, err := h.app.Store().StatusPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, main := range []bool{true, false} { // there is one at most
		for i := range pages {
			if p := pages[i]; p.Main != main {
				continue
			} else if err := h.app.Store().ChangePage(t.Context(), p.ID, func(ctx context.Context, tx publish.Tx) error {
				p := pages[i]
				p.Main = !main
				return tx.SavePage(ctx, &p)
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.shown("/s/main/")
	says(t, h.form(linkIn(t, letter, h, "/subscribe/confirm"), url.Values{}), http.StatusOK, "b@example.org", "The main")
	says(t, h.call("POST", "/s/shop/unsubscribe/"+strings.Repeat("A", 55), nil, ""), http.StatusNotFound)
}

func TestAMailboxIsNotAskedOftenHoweverItIsWritten(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	h.mails(sink)
	page, _ := h.publicPage("main", "API")
	for _, to := range []string{"mi.ra@example.org", "mira+1@example.org", "m.ira+2@EXAMPLE.org", "mira+3@example.org", "mira+4@example.org", "other@Bücher.example"} {
		says(t, h.form("/subscribe/email", url.Values{"email": {to}}), http.StatusOK, "Nearly done")
	}
	if n, err := h.app.Store().VisitorCounts(t.Context(), page); err != nil || n[0].Waiting != 4 {
		t.Fatalf("counts are %v %v, want three of one mailbox and another one", n, err)
	}
}

func TestOneIncidentIsFollowedWithoutJavaScript(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	h := startHub(t)
	key := h.mails(sink)
	page, components := h.publicPage("main", "API")
	got := h.call("POST", "/api/v1/status/incidents", key, fmt.Sprintf(`{"page":%q,"title":"API is slow","impact":"major","body":"b","components":[%q]}`, page, components[0]))
	says(t, got, http.StatusCreated)
	id := got.field(t, "id")
	field := `name="incident" value="` + id + `"`
	for late := time.Now().Add(30 * time.Second); !strings.Contains(h.call("GET", "/", nil, "").body, "API is slow"); <-time.After(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the page never shows the incident")
		}
	}
	says(t, h.call("GET", "/incidents/"+id, nil, ""), http.StatusOK, field, `action="/subscribe/email"`)
	says(t, h.form("/subscribe/email", url.Values{"email": {"a@example.org"}, "incident": {id}}), http.StatusOK)
	says(t, h.form(linkIn(t, sink.Await(t, 1)[0], h, "/subscribe/confirm"), url.Values{}), http.StatusOK)
	says(t, h.call("POST", "/api/v1/status/incidents", key, fmt.Sprintf(`{"page":%q,"title":"Another","impact":"major","body":"b"}`, page)), http.StatusCreated)
	long := strings.Repeat("We know **why**. ", 60)
	says(t, h.call("POST", "/api/v1/status/incidents/"+id+"/updates", key, fmt.Sprintf(`{"phase":"identified","body":%q}`, long)), http.StatusCreated)
	news := sink.Await(t, 2)[1]
	if !strings.Contains(news.Subject(), "API is slow") || strings.Count(news.HTML, "<strong>why</strong>") != 60 || strings.Count(news.Text, "We know why.") != 60 {
		t.Fatalf("letter is %q %s", news.Subject(), news.Text)
	}
}
