package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/test/database"
	"tocsin/test/oidc"
)

// house is a hub with a sign-in provider.
type house struct {
	*hub
	p   *oidc.Provider
	log *journal
}

func startHouse(t *testing.T, settings ...string) *house {
	t.Helper()
	p := oidc.New(t, "tocsin", "a client’s secret")
	flags := map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": database.Folder(t), "TOCSIN_OIDC_ISSUER": p.Issuer(), "TOCSIN_OIDC_CLIENT_ID": "tocsin",
		"TOCSIN_OIDC_CLIENT_SECRET": "a client’s secret", "TOCSIN_OIDC_NAME": "Example ID", "TOCSIN_OIDC_ADMIN_GROUPS": "wheel",
		"TOCSIN_OIDC_OPERATOR_GROUPS": "cn=ops,dc=example;oncall", "TOCSIN_OIDC_RESPONDER_GROUPS": "first line",
	}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		flags[k] = v
	}
	cfg, err := config.Load(config.Sources{Flags: flags, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	a, err := app.Start(t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), oidc.Secret) {
			t.Error("a secret of the provider is in the log")
		}
	})
	return &house{&hub{T: t, app: a, url: a.URL()}, p, log}
}

// tab is one browser: it keeps cookies and follows no redirect by itself.
type tab struct {
	*house
	c *http.Client
}

func (h *house) tab() *tab {
	h.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{}}
	h.Cleanup(c.CloseIdleConnections)
	return &tab{h, c}
}

// open answers a page, and where it leads.
func (b *tab) open(to string) (status int, page, leads string) {
	b.Helper()
	if strings.HasPrefix(to, "/") {
		to = b.url + to
	}
	return b.do(http.MethodGet, to, nil)
}

func (b *tab) post(to string, form url.Values) (status int, page, leads string) {
	b.Helper()
	return b.do(http.MethodPost, b.url+to, form)
}

func (b *tab) do(method, to string, form url.Values) (status int, page, leads string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, to, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	resp, err := b.c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	if strings.Contains(string(body), oidc.Secret) && !strings.HasPrefix(to, b.p.Issuer()) {
		b.Errorf("%s shows a secret of the provider", to)
	}
	return resp.StatusCode, string(body), resp.Header.Get("Location")
}

// back goes to the provider, and answers where that sends the browser.
func (b *tab) back() string {
	b.Helper()
	status, page, to := b.open("/console/sign-in/provider?next=/console/deliveries")
	if status != http.StatusSeeOther || !strings.HasPrefix(to, b.p.Issuer()+"/authorize?") {
		b.Fatalf("begin: %d to %q: %s", status, to, words(page))
	}
	status, page, to = b.open(to)
	if status != http.StatusFound {
		b.Fatalf("the provider: %d %s", status, page)
	}
	return to
}

// signIn goes the whole way and answers what the hub says.
func (b *tab) signIn() (status int, page, leads string) {
	b.Helper()
	return b.open(b.back())
}

// words is the part of a page that says what is wrong.
func words(page string) string {
	_, rest, _ := strings.Cut(page, `id="sign-in-problem"`)
	text, _, _ := strings.Cut(rest, "</p>")
	return text
}

// me is who the browser is signed in as, with the role.
func (b *tab) me() string {
	b.Helper()
	status, page, _ := b.open("/api/v1/me")
	if status != http.StatusOK {
		return fmt.Sprint(status)
	}
	a := answer{body: page}
	return a.field(b.T, "name") + " " + a.field(b.T, "role")
}

func TestSigningInByAProvider(t *testing.T) {
	h := startHouse(t)
	anna := oidc.Person{Subject: "4711", Name: "Anna Example", Display: "Anna", Email: "anna@example.com", Groups: []string{"staff", "cn=ops,dc=example"}}
	h.p.Be(anna)
	b := h.tab()
	status, page, to := b.signIn()
	if status != http.StatusSeeOther || to != "/console/deliveries" || b.me() != "anna.example operator" {
		t.Fatalf("first sign-in: %d to %q as %s: %s", status, to, b.me(), words(page))
	}
	asked := h.p.Asked[0]
	if asked.Get("redirect_uri") != h.url+"/console/sign-in/provider/back" || len(asked.Get("code_challenge")) != 43 || asked.Get("scope") != "openid profile email" {
		t.Errorf("asked with %v", asked)
	}
	t.Run("the next sign-in is the same user, with the role that the groups say then", func(t *testing.T) {
		anna.Name, anna.Groups = "anna.married", []string{"wheel"}
		h.p.Be(anna)
		h.user("root", auth.Admin)
		other := h.tab()
		if other.signIn(); other.me() != "anna.example admin" {
			t.Fatalf("as %s", other.me())
		}
		if b.me() != "401" {
			t.Errorf("the session under the role before goes on, as %s", b.me())
		}
	})
	t.Run("who is in no group any more is refused, and signed out everywhere", func(t *testing.T) {
		b := h.tab()
		if b.signIn(); b.me() != "anna.example admin" {
			t.Fatal(b.me())
		}
		anna.Groups = []string{"staff"}
		h.p.Be(anna)
		other := h.tab()
		status, page, _ := other.signIn()
		if status != http.StatusForbidden || !strings.Contains(words(page), "none of your groups there may use this hub") || other.me() != "401" || b.me() != "401" {
			t.Errorf("%d as %s, before as %s: %s", status, other.me(), b.me(), words(page))
		}
	})
	t.Run("groups and names that only userinfo has count as well", func(t *testing.T) {
		h.p.Be(oidc.Person{Subject: "4712", Name: "bert", Groups: []string{"first line"}, Beside: true})
		b := h.tab()
		if b.signIn(); b.me() != "bert responder" {
			t.Errorf("as %s", b.me())
		}
	})
	t.Run("a name that is somebody's here is not taken over", func(t *testing.T) {
		h.p.Be(oidc.Person{Subject: "4713", Name: "root", Email: "root@example.com", Groups: []string{"oncall"}})
		b := h.tab()
		if b.signIn(); b.me() != "root-2 operator" {
			t.Errorf("as %s", b.me())
		}
	})
	t.Run("a disabled user is refused", func(t *testing.T) {
		u, err := h.app.Store().UserByName(t.Context(), "bert")
		if err != nil {
			t.Fatal(err)
		}
		off := true
		if _, err := h.app.Auth().ChangeUser(t.Context(), u.ID, auth.UserChange{Disabled: &off}); err != nil {
			t.Fatal(err)
		}
		h.p.Be(oidc.Person{Subject: "4712", Name: "bert", Groups: []string{"first line"}})
		b := h.tab()
		if status, page, _ := b.signIn(); status != http.StatusForbidden || !strings.Contains(words(page), "may not sign in here any more") || b.me() != "401" {
			t.Errorf("%d as %s: %s", status, b.me(), words(page))
		}
	})
	t.Run("signing out says that the provider may go on, and where to end it", func(t *testing.T) {
		h.p.Be(oidc.Person{Subject: "4713", Name: "root", Groups: []string{"oncall"}})
		b := h.tab()
		b.signIn()
		_, _, to := b.post("/console/sign-out", url.Values{})
		_, page, _ := b.open(to)
		if !strings.Contains(page, "At Example ID you may still be signed in") || !strings.Contains(page, h.p.Issuer()+"/end?client_id=tocsin") {
			t.Errorf("%s: %s", to, page)
		}
	})
	t.Run("a password goes on", func(t *testing.T) {
		if h.hub.cookie("root") == nil {
			t.Error("no session")
		}
	})
}

func TestTheProviderMisbehaves(t *testing.T) {
	h := startHouse(t)
	h.p.Be(oidc.Person{Subject: "4711", Name: "anna", Groups: []string{"oncall"}})
	if b := h.tab(); true {
		if b.signIn(); b.me() != "anna operator" {
			t.Fatal(b.me())
		}
	}
	for wrong, says := range map[oidc.Misbehaviour]string{
		oidc.WrongNonce: "cannot be believed", oidc.NoNonce: "cannot be believed", oidc.WrongAudience: "cannot be believed", oidc.OtherParty: "cannot be believed",
		oidc.Expired: "clocks", oidc.Future: "cannot be believed", oidc.Unsigned: "cannot be believed", oidc.Symmetric: "cannot be believed",
		oidc.OtherKey: "cannot be believed", oidc.OtherIssuer: "cannot be believed", oidc.NoToken: "did not say who you are", oidc.NoSubject: "cannot be believed",
		oidc.HugeToken: "does not answer as one", oidc.Redirects: "does not answer as one", oidc.Garbage: "does not answer as one", oidc.Denies: "did not let you in",
	} {
		t.Run(string(wrong), func(t *testing.T) {
			h.p.Do(wrong)
			defer h.p.Do("")
			b := h.tab()
			status, page, to := b.signIn()
			if status < 400 || status == http.StatusInternalServerError || to != "" || !strings.Contains(words(page), says) || b.me() != "401" {
				t.Errorf("%d to %q as %s: %s", status, to, b.me(), words(page))
			}
		})
	}
	t.Run(string(oidc.SomebodyElse), func(t *testing.T) {
		h.p.Be(oidc.Person{Subject: "4711", Name: "anna", Groups: []string{"oncall"}, Beside: true})
		h.p.Do(oidc.SomebodyElse)
		defer h.p.Do("")
		b := h.tab()
		if status, page, _ := b.signIn(); status != http.StatusForbidden || !strings.Contains(words(page), "cannot be believed") {
			t.Errorf("%d %s", status, words(page))
		}
	})
	t.Run("keys are rotated", func(t *testing.T) {
		h.p.Be(oidc.Person{Subject: "4711", Name: "anna", Groups: []string{"oncall"}})
		h.p.Rotate()
		b := h.tab()
		if b.signIn(); b.me() != "anna operator" {
			t.Errorf("as %s", b.me())
		}
	})
	t.Run("nobody goes on with another's sign-in", func(t *testing.T) {
		b, thief := h.tab(), h.tab()
		to := b.back()
		if status, page, _ := thief.open(to); status != http.StatusForbidden || !strings.Contains(words(page), "another browser") || thief.me() != "401" {
			t.Errorf("a thief of the address: %d as %s: %s", status, thief.me(), words(page))
		}
		forged := strings.Replace(to, "state=", "state=x", 1)
		if status, _, _ := b.open(forged); status != http.StatusForbidden || b.me() != "401" {
			t.Errorf("another state: %d as %s", status, b.me())
		}
		if status, _, _ := b.open(strings.Replace(to, url.QueryEscape(h.p.Issuer()), "https%3A%2F%2Fevil.example", 1)); status != http.StatusForbidden || b.me() != "401" {
			t.Errorf("another issuer: %d as %s", status, b.me())
		}
		if status, _, _ := b.open(to); status != http.StatusForbidden || b.me() != "401" {
			t.Errorf("a state that was used: %d as %s", status, b.me())
		}
	})
	t.Run("an address behind the hub is not where a sign-in leads", func(t *testing.T) {
		b := h.tab()
		_, _, to := b.open("/console/sign-in/provider?next=https%3A%2F%2Fevil.example%2F")
		_, _, to = b.open(to)
		if _, _, to = b.open(to); to != "/console/alerts" {
			t.Errorf("it leads to %q", to)
		}
	})
	t.Run("whoever keeps beginning is stopped", func(t *testing.T) {
		b := h.tab()
		for range 80 {
			if status, page, _ := b.open("/console/sign-in/provider"); status == http.StatusTooManyRequests {
				if !strings.Contains(words(page), "Wait ") {
					t.Error("it does not say for how long")
				}
				return
			}
		}
		t.Error("it goes on and on")
	})
}

func TestAProviderThatIsNone(t *testing.T) {
	for wrong, says := range map[oidc.Misbehaviour]string{oidc.Liar: "calls itself otherwise", oidc.Unsafe: "not safe", oidc.HugeDiscovery: "does not answer as one"} {
		t.Run(string(wrong), func(t *testing.T) {
			h := startHouse(t)
			h.p.Do(wrong)
			b := h.tab()
			begin := time.Now()
			status, page, to := b.open("/console/sign-in/provider")
			if status < 400 || to != "" || !strings.Contains(words(page), says) {
				t.Errorf("%d to %q: %s", status, to, words(page))
			}
			if took := time.Since(begin); took > 9*time.Second {
				t.Errorf("it took %s", took)
			}
			// It mends by itself.
			h.p.Do("")
			h.p.Be(oidc.Person{Subject: "1", Name: "anna", Groups: []string{"oncall"}})
			if b.signIn(); b.me() != "anna operator" {
				t.Errorf("as %s", b.me())
			}
		})
	}
}

// An account is linked by who is signed in, after a look at it, or by an
// administrator; never by a name or an address.
func TestLinkingAnAccount(t *testing.T) {
	h := startHouse(t)
	h.user("root", auth.Admin)
	id := h.user("bert", auth.Viewer)
	h.p.Be(oidc.Person{Subject: "4711", Name: "bert@example.com", Groups: []string{"oncall"}})
	b := h.tab()
	if _, _, to := b.post("/console/sign-in", url.Values{"name": {"bert"}, "password": {password}}); to != "/console/alerts" {
		t.Fatal(to)
	}
	_, _, to := b.open("/console/account/link")
	_, _, to = b.open(to)
	if _, _, to = b.open(to); to != "/console/account/linked" {
		t.Fatalf("it leads to %q", to)
	}
	if ids, err := h.app.Store().Identities(t.Context(), id); err != nil || len(ids) != 0 {
		t.Fatalf("linked before it was asked: %v %v", ids, err)
	}
	if _, page, _ := b.open(to); !strings.Contains(page, "Sign in as bert@example.com at Example ID?") {
		t.Error(page)
	}
	b.post("/console/account/linked", url.Values{})
	b = h.tab()
	if b.signIn(); b.me() != "bert operator" {
		t.Errorf("as %s", b.me())
	}
	_, page, _ := b.open("/console/account")
	if !strings.Contains(page, "<strong>bert@example.com</strong>") || !strings.Contains(page, "by the sign-in provider") || !strings.Contains(page, "Firefox on Linux") {
		t.Error("the page of the account lacks something")
	}
	t.Run("an administrator links by the subject, and unlinks", func(t *testing.T) {
		root := h.tab()
		root.post("/console/sign-in", url.Values{"name": {"root"}, "password": {password}})
		carl := h.user("carl", auth.Viewer)
		if _, _, to := root.post("/console/users/"+carl+"/link", url.Values{"subject": {"4711"}}); to == "" {
			t.Error("no answer")
		}
		if ids, _ := h.app.Store().Identities(context.Background(), carl); len(ids) != 0 {
			t.Error("an account of somebody was linked to another")
		}
		root.post("/console/users/"+carl+"/link", url.Values{"subject": {"4799"}})
		h.p.Be(oidc.Person{Subject: "4799", Name: "somebody", Groups: []string{"first line"}})
		c := h.tab()
		if c.signIn(); c.me() != "carl responder" {
			t.Errorf("as %s", c.me())
		}
		root.post("/console/users/"+carl+"/unlink", url.Values{"issuer": {h.p.Issuer()}, "subject": {"4799"}})
		if c.me() != "401" {
			t.Error("the session that began so goes on")
		}
	})
	t.Run("the last administrator is not made less by a provider", func(t *testing.T) {
		root := h.tab()
		root.post("/console/sign-in", url.Values{"name": {"root"}, "password": {password}})
		u, err := h.app.Store().UserByName(t.Context(), "root")
		if err != nil {
			t.Fatal(err)
		}
		root.post("/console/users/"+u.ID+"/link", url.Values{"subject": {"1"}})
		h.p.Be(oidc.Person{Subject: "1", Name: "root", Groups: []string{"oncall"}})
		b := h.tab()
		if status, page, _ := b.signIn(); status != http.StatusForbidden || !strings.Contains(words(page), "last administrator") || root.me() != "root admin" {
			t.Errorf("%d: %s; root is %s", status, words(page), root.me())
		}
	})
}

func TestSessionsAreSeenAndEnded(t *testing.T) {
	h := startHouse(t)
	h.user("root", auth.Admin)
	id := h.user("bert", auth.Viewer)
	in := func(name string) *tab {
		b := h.tab()
		b.post("/console/sign-in", url.Values{"name": {name}, "password": {password}})
		return b
	}
	one, two, three := in("bert"), in("bert"), in("bert")
	list, err := h.app.Auth().SessionsOf(t.Context(), id)
	if err != nil || len(list) != 3 || list[0].Browser != "Firefox on Linux" || list[0].Address != "127.0.0.1" || list[0].Begun.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	_, page, _ := one.open("/console/account")
	if strings.Count(page, "this one") != 1 || strings.Count(page, "/end\"") != 3 {
		t.Error("the page does not say which is this one, or cannot end the others")
	}
	for _, s := range list {
		if strings.Contains(page, "/console/account/sessions/"+s.ID+"/end") {
			one.post("/console/account/sessions/"+s.ID+"/end", url.Values{})
			break
		}
	}
	left := 0
	for _, b := range []*tab{two, three} {
		if b.me() == "bert viewer" {
			left++
		}
	}
	if left != 1 || one.me() != "bert viewer" {
		t.Errorf("%d of the two others are left, this one is %s", left, one.me())
	}
	one.post("/console/account/sessions/end", url.Values{})
	if two.me() != "401" || three.me() != "401" || one.me() != "bert viewer" {
		t.Error("ending all others did something else")
	}
	t.Run("nobody ends another's, but administrators do", func(t *testing.T) {
		root := in("root")
		mine, err := h.app.Auth().SessionsOf(t.Context(), id)
		if err != nil || len(mine) != 1 {
			t.Fatal(mine, err)
		}
		carl := h.user("carl", auth.Viewer)
		c := in("carl")
		c.post("/console/account/sessions/"+mine[0].ID+"/end", url.Values{})
		if one.me() != "bert viewer" {
			t.Error("carl ended bert's session")
		}
		if _, page, _ := root.open("/console/users/" + carl); !strings.Contains(page, "/console/users/"+carl+"/sessions/") {
			t.Error("the user's page lists no session")
		}
		root.post("/console/users/"+id+"/sessions/"+mine[0].ID+"/end", url.Values{})
		if one.me() != "401" {
			t.Error("root could not end bert's session")
		}
	})
}
