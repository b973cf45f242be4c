package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/web/console"
)

// linkDesk is the storage and the dispatch behind a letter's link.
type linkDesk struct {
	mu    sync.Mutex
	links map[string]mail.AckLink
	alert alert.Alert
	who   console.LinkActor
	acked []dispatch.AckRequest
	fails error // of the next acknowledgement
	away  error // of the storage
	now   time.Time
	log   bytes.Buffer
}

func (d *linkDesk) AckLinkByHash(_ context.Context, hash string) (mail.AckLink, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.links[hash]
	if d.away != nil {
		return l, d.away
	}
	if !ok {
		return l, fmt.Errorf("link: %w", fault.ErrNotFound)
	}
	return l, nil
}

func (d *linkDesk) UseAckLink(_ context.Context, hash string, now time.Time) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[hash]
	first := l.Used.IsZero() && now.Before(l.Expires)
	if first {
		l.Used = now
		d.links[hash] = l
	}
	return first, nil
}

func (d *linkDesk) ReleaseAckLink(_ context.Context, hash string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[hash]
	l.Used = time.Time{}
	d.links[hash] = l
	return nil
}

func (d *linkDesk) Alert(_ context.Context, id string) (alert.Alert, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != d.alert.ID {
		return alert.Alert{}, fmt.Errorf("alert: %w", fault.ErrNotFound)
	}
	return d.alert, nil
}

func (d *linkDesk) Acknowledge(_ context.Context, id string, r dispatch.AckRequest) (alert.Alert, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fails != nil:
		err := d.fails
		d.fails = nil
		return alert.Alert{}, err
	case d.alert.Status == alert.Acknowledged:
		return d.alert, dispatch.ErrAckedBefore
	case d.alert.Status == alert.Resolved:
		return d.alert, dispatch.ErrNotOpen
	}
	d.acked = append(d.acked, r)
	d.alert.Status, d.alert.Ack = alert.Acknowledged, &alert.Ack{Author: r.Author, Comment: r.Comment, At: d.now, Origin: r.Origin}
	return d.alert, nil
}

type linkPage struct {
	*linkDesk
	token   string
	handler http.Handler
}

func newLinkPage(t *testing.T) *linkPage {
	t.Helper()
	token := mail.NewToken()
	d := &linkDesk{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), who: console.LinkActor{UserID: "u1", Name: "Mira Example", May: true}}
	o := alert.Object{ID: "o1", SourceID: "s1", Host: "web01", Service: "HTTP <b>"}
	d.alert = alert.Alert{ID: "a1", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Output: "connection <refused>", Since: d.now.Add(-time.Hour)}
	d.links = map[string]mail.AckLink{mail.HashToken(token): {Hash: mail.HashToken(token), AlertID: "a1", ContactID: "c1", Made: d.now, Expires: d.now.Add(4 * time.Hour)}}
	h := console.NewAckLinks(console.AckLinkDeps{
		Store: d, Acknowledge: d.Acknowledge, Actor: func(context.Context, string) (console.LinkActor, error) { return d.who, nil },
		Sticky: func(context.Context) bool { return true }, Version: "v1", Now: func() time.Time { return d.now },
		Log: slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return &linkPage{d, token, h}
}

func (p *linkPage) do(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

func (p *linkPage) path() string { return console.AckLinkPath + p.token }

// form opens the page as a browser does, and answers what its form would send.
func (p *linkPage) form(t *testing.T, comment string) url.Values {
	t.Helper()
	doc, err := html.Parse(p.do(http.MethodGet, p.path(), nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	values := url.Values{"comment": {comment}}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" {
			at := map[string]string{}
			for _, a := range n.Attr {
				at[a.Key] = a.Val
			}
			values.Set(at["name"], at["value"])
		}
	}
	return values
}

func says(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("answers %d, want %d", w.Code, status)
	}
	for _, s := range texts {
		if !strings.Contains(w.Body.String(), s) {
			t.Errorf("does not say %q:\n%s", s, w.Body)
		}
	}
	for key, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Set-Cookie": ""} {
		if got := w.Header().Get(key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
}

func TestAProgramThatOpensTheLinkChangesNothing(t *testing.T) {
	p := newLinkPage(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
		says(t, p.do(method, p.path(), nil), http.StatusOK, "Do you take this alert?", "HTTP &lt;b&gt; on web01", "connection &lt;refused&gt;", "Acknowledge as Mira Example")
	}
	// Some try what they find with a POST: without what the page alone has it is nothing.
	says(t, p.do(http.MethodPost, p.path(), nil), http.StatusForbidden, "Nothing was changed yet")
	says(t, p.do(http.MethodPost, p.path(), url.Values{"confirm": {"yes"}}), http.StatusForbidden)
	says(t, p.do(http.MethodPost, p.path(), p.form(t, ""), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), http.StatusForbidden)
	says(t, p.do(http.MethodPost, p.path(), p.form(t, ""), "Sec-Fetch-Site", "same-site"), http.StatusForbidden)
	if w := p.do(http.MethodPut, p.path(), nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT answers %d", w.Code)
	}
	if len(p.acked) > 0 || p.alert.Status != alert.Firing || !p.links[mail.HashToken(p.token)].Used.IsZero() {
		t.Errorf("it was acknowledged: %+v", p.acked)
	}
}

func TestTheLinkAcknowledgesOnceAsItsContact(t *testing.T) {
	p := newLinkPage(t)
	form := p.form(t, " on it ")
	w := p.do(http.MethodPost, p.path(), form, "Sec-Fetch-Site", "same-origin", "Origin", "null")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != p.path() {
		t.Fatalf("%d to %s: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	if len(p.acked) != 1 {
		t.Fatalf("acknowledged %d times", len(p.acked))
	}
	if r := p.acked[0]; r.Origin != alert.FromMail || r.UserID != "u1" || r.Author != "Mira Example" || r.Comment != "on it" || !r.Sticky {
		t.Errorf("request is %+v", r)
	}
	says(t, p.do(http.MethodGet, p.path(), nil), http.StatusOK, "Acknowledged", "Mira Example", "on it")
	says(t, p.do(http.MethodPost, p.path(), form), http.StatusConflict, "Acknowledged")
	// Given back in the console: the link is used all the same.
	p.alert.Status, p.alert.Ack = alert.Firing, nil
	says(t, p.do(http.MethodGet, p.path(), nil), http.StatusOK, "used already", "/console/alerts/a1")
	says(t, p.do(http.MethodPost, p.path(), form), http.StatusConflict, "used already")
	if len(p.acked) != 1 {
		t.Errorf("acknowledged %d times", len(p.acked))
	}
	if strings.Contains(p.log.String(), p.token) || strings.Contains(p.log.String(), mail.HashToken(p.token)) {
		t.Errorf("the log has the token: %s", p.log.String())
	}
}

func TestTwoWhoPressAtTheSameMomentAcknowledgeOnce(t *testing.T) {
	p := newLinkPage(t)
	form := p.form(t, "")
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() { p.do(http.MethodPost, p.path(), form) })
	}
	both.Wait()
	if len(p.acked) != 1 {
		t.Errorf("acknowledged %d times", len(p.acked))
	}
}

func TestALinkThatDoesNothingSaysWhy(t *testing.T) {
	for name, row := range map[string]struct {
		change func(p *linkPage)
		status int // of a GET
		post   int
		says   string
		silent bool // about the alert
	}{
		"expired":      {func(p *linkPage) { p.now = p.now.Add(5 * time.Hour) }, http.StatusGone, http.StatusGone, "This link is over", true},
		"cut off":      {func(p *linkPage) { p.token = p.token[:30] }, http.StatusNotFound, http.StatusNotFound, "leads nowhere", true},
		"made up":      {func(p *linkPage) { p.token = mail.NewToken() }, http.StatusNotFound, http.StatusNotFound, "leads nowhere", true},
		"recovered":    {func(p *linkPage) { p.alert.Status, p.alert.State, p.alert.Resolved = alert.Resolved, alert.OK, p.now }, http.StatusOK, http.StatusConflict, "It has recovered", false},
		"taken":        {func(p *linkPage) { p.alert.Status, p.alert.Ack = alert.Acknowledged, &alert.Ack{Author: "Noor"} }, http.StatusOK, http.StatusConflict, "Noor", false},
		"may not":      {func(p *linkPage) { p.who.May = false }, http.StatusForbidden, http.StatusForbidden, "You may not acknowledge", true},
		"alert pruned": {func(p *linkPage) { p.alert.ID = "other" }, http.StatusNotFound, http.StatusNotFound, "leads nowhere", true},
		"storage away": {func(p *linkPage) { p.away = errors.New("disk on fire") }, http.StatusServiceUnavailable, http.StatusServiceUnavailable, "did not work just now", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newLinkPage(t)
			form := p.form(t, "")
			row.change(p)
			got := p.do(http.MethodGet, p.path(), nil)
			says(t, got, row.status, row.says)
			if row.silent && strings.Contains(got.Body.String(), "web01") {
				t.Error("it tells of the alert")
			}
			if strings.Contains(got.Body.String(), "<form") || strings.Contains(got.Body.String(), "on fire") {
				t.Errorf("it has a form, or tells too much: %s", got.Body)
			}
			says(t, p.do(http.MethodPost, p.path(), form), row.post, row.says)
			if len(p.acked) > 0 {
				t.Error("it acknowledged")
			}
		})
	}
}

func TestAnAcknowledgementThatFailedCostsNoLink(t *testing.T) {
	p := newLinkPage(t)
	form := p.form(t, "")
	p.fails = dispatch.ErrBusy
	says(t, p.do(http.MethodPost, p.path(), form), http.StatusServiceUnavailable, "did not work just now")
	if w := p.do(http.MethodPost, p.path(), form); w.Code != http.StatusSeeOther || len(p.acked) != 1 {
		t.Errorf("%d, acknowledged %d times", w.Code, len(p.acked))
	}
	p = newLinkPage(t)
	form = p.form(t, "")
	p.fails = dispatch.ErrAckedBefore
	p.do(http.MethodPost, p.path(), form)
	if !p.links[mail.HashToken(p.token)].Used.IsZero() {
		t.Error("the link counts as used, though somebody else was faster")
	}
}

func TestAFormThatIsTooMuchIsRefused(t *testing.T) {
	p := newLinkPage(t)
	says(t, p.do(http.MethodPost, p.path(), p.form(t, strings.Repeat("ä", 2001))), http.StatusUnprocessableEntity, "too long")
	says(t, p.do(http.MethodPost, p.path(), p.form(t, strings.Repeat("x", 1<<20))), http.StatusBadRequest, "could not be read")
	says(t, p.do(http.MethodPost, p.path(), p.form(t, "a\x00b")), http.StatusBadRequest, "could not be read")
	if len(p.acked) > 0 {
		t.Error("it acknowledged")
	}
}

func TestWhoTriesLinksIsSlowedDown(t *testing.T) {
	p := newLinkPage(t)
	for range 30 {
		says(t, p.do(http.MethodGet, console.AckLinkPath+mail.NewToken(), nil), http.StatusNotFound)
	}
	w := p.do(http.MethodGet, p.path(), nil)
	says(t, w, http.StatusTooManyRequests, "Wait a moment")
	if w.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	p.now = p.now.Add(3 * time.Second)
	says(t, p.do(http.MethodGet, p.path(), nil), http.StatusOK)
}

func TestALinkThatIsOutDoesNothingWhenLinksAreSwitchedOff(t *testing.T) {
	p := newLinkPage(t)
	form := p.form(t, "mine")
	p.handler = console.NewAckLinks(console.AckLinkDeps{
		Store: p.linkDesk, Acknowledge: p.Acknowledge, Actor: func(context.Context, string) (console.LinkActor, error) { return p.who, nil },
		On: func(context.Context) (bool, error) { return false, nil }, Sticky: func(context.Context) bool { return true }, Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler),
	})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if got := p.do(method, p.path(), form); got.Code != http.StatusGone || !strings.Contains(got.Body.String(), "switched off") || len(p.acked) > 0 {
			t.Errorf("%s: %d, acknowledged %v", method, got.Code, p.acked)
		}
	}
}
