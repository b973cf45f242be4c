// Package signin_test signs people in as browsers do: with passkeys of Chromium's
// virtual authenticator, and by the test's OpenID provider.
package signin_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
	"tocsin/test/database"
	"tocsin/test/oidc"
)

const password = "a quiet evening"

// door is a hub on localhost, which browsers take for safe, and a browser before it.
type door struct {
	*testing.T
	ctx context.Context
	app *app.App
	p   *oidc.Provider
	tab browser.Tab
	key *browser.Authenticator
}

func newDoor(t *testing.T) *door {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	p := oidc.New(t, "tocsin", "secret")
	cfg, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_BASE_URL": "http://localhost:0", "TOCSIN_DATA": database.Folder(t), "TOCSIN_OIDC_ISSUER": p.Issuer(),
		"TOCSIN_OIDC_CLIENT_ID": "tocsin", "TOCSIN_OIDC_CLIENT_SECRET": "secret", "TOCSIN_OIDC_NAME": "Example ID", "TOCSIN_OIDC_OPERATOR_GROUPS": "ops",
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(ctx, cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	d := &door{T: t, ctx: ctx, app: a, p: p}
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	d.must(err)
	t.Cleanup(b.Close)
	d.tab, err = b.Open(ctx, a.URL()+"/console/sign-in")
	d.must(err)
	d.key, err = browser.Plug(ctx, d.tab)
	d.must(err)
	return d
}

func (d *door) must(err error) {
	d.Helper()
	if err != nil {
		var page string
		_ = d.tab.Eval(context.WithoutCancel(d.ctx), "location.href + ' ' + document.body.innerText.slice(0, 800)", &page)
		d.Fatalf("%v\nat %s", err, page)
	}
}

func (d *door) user(name string, role auth.Role) string {
	d.Helper()
	u, err := d.app.Auth().AddUser(d.ctx, auth.NewUser{Name: name, Role: role, Password: password})
	d.must(err)
	return u.ID
}

func (d *door) open(path string) { d.Helper(); d.must(d.tab.Go(d.ctx, d.app.URL()+path)) }

func (d *door) until(expr string) { d.Helper(); d.must(browser.Until(d.ctx, d.tab, expr)) }

func (d *door) at(path string) {
	d.Helper()
	d.until("location.pathname === '" + path + "' && document.readyState === 'complete'")
}

func (d *door) click(selector string) { d.Helper(); d.must(browser.Click(d.ctx, d.tab, selector)) }

// password signs in with name and password as far as that leads.
func (d *door) password(name string) {
	d.Helper()
	d.open("/console/sign-in")
	d.must(browser.Type(d.ctx, d.tab, "#name", name))
	d.must(browser.Type(d.ctx, d.tab, "#password", password))
	d.click("form button[type=submit]")
}

// out forgets the session.
func (d *door) out() {
	d.Helper()
	d.must(d.tab.Eval(d.ctx, "fetch('/console/sign-out', {method: 'POST', redirect: 'manual'}).then(() => 1)", nil))
}

// me is who is signed in.
func (d *door) me() (name string) {
	d.Helper()
	d.must(d.tab.Eval(d.ctx, "fetch('/api/v1/me').then(r => r.ok ? r.json() : {name: ''}).then(m => m.name)", &name))
	return name
}

func (d *door) texts(selector string) (list []string) {
	d.Helper()
	d.must(d.tab.Eval(d.ctx, "[...document.querySelectorAll('"+selector+"')].map(e => e.innerText.trim())", &list))
	return list
}

// look finds barriers of the page as it stands, in light and dark, wide and narrow.
// TOCSIN_TEST_SHOTS names a folder for pictures.
func (d *door) look(name string) {
	d.Helper()
	for _, dark := range []bool{false, true} {
		for _, width := range []int{1280, 390} {
			if !axe.Looks(name, width, dark) {
				continue
			}
			d.must(d.tab.Dark(d.ctx, dark))
			d.must(d.tab.Size(d.ctx, width, 900))
			found, err := axe.Check(d.ctx, d.tab)
			d.must(err)
			for _, v := range found {
				d.Errorf("%s, dark %v, %d wide: %s", name, dark, width, v)
			}
			var over int
			d.must(d.tab.Eval(d.ctx, "document.documentElement.scrollWidth - innerWidth", &over))
			if over > 0 {
				d.Errorf("%s, %d wide: %d pixels wider than the screen", name, width, over)
			}
			if shots := os.Getenv("TOCSIN_TEST_SHOTS"); shots != "" {
				shot, err := d.tab.Shot(d.ctx, true)
				d.must(err)
				d.must(os.WriteFile(filepath.Join(shots, name+map[bool]string{false: "-light", true: "-dark"}[dark]+map[int]string{1280: "", 390: "-narrow"}[width]+".png"), shot, 0o600))
			}
		}
	}
	d.must(d.tab.Size(d.ctx, 1280, 900))
}

const usePasskey = "[data-passkey=get] button"

func TestPasskeys(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.user("anna", auth.Admin)
	d.look("door")
	d.password("anna")
	d.at("/console/alerts")

	// The first passkey brings recovery codes.
	d.open("/console/account")
	d.look("account-new")
	d.must(browser.Type(d.ctx, d.tab, "#passkey-name", "Laptop"))
	d.click("[data-passkey=add] button")
	d.until("document.querySelectorAll('.code-list li').length === 10")
	codes := d.texts(".code-list li")
	d.look("codes")
	d.open("/console/account")
	if rows := d.texts("#passkeys ~ table tbody th"); len(rows) != 1 || !strings.HasPrefix(rows[0], "Laptop") {
		t.Fatalf("passkeys %q", rows)
	}
	d.look("account")
	if set, err := d.app.Store().Passkeys(d.ctx, id); err != nil || len(set) != 1 || strings.Contains(set[0].Body, "clientDataJSON\":\"ey") {
		t.Errorf("%+v %v", set, err)
	}

	// After the password it is asked for, and nothing is let in before.
	d.out()
	d.password("anna")
	d.at("/console/sign-in/second")
	if d.me() != "" {
		t.Error("the password alone is let in")
	}
	d.look("second")
	d.click(usePasskey)
	d.at("/console/alerts")
	if d.me() != "anna" {
		t.Errorf("as %q", d.me())
	}

	// Alone, without a name, to the page that was asked for.
	d.out()
	d.open("/console/deliveries")
	d.at("/console/sign-in")
	d.click(usePasskey)
	d.at("/console/deliveries")

	// A device that does not verify its user is no only factor.
	d.out()
	d.must(d.key.Verifies(d.ctx, false))
	d.open("/console/sign-in")
	d.click(usePasskey)
	d.until("document.querySelector('[data-passkey=get] [role=alert]:not([hidden])')")
	if d.me() != "" {
		t.Error("nobody was verified, and somebody is in")
	}
	d.must(d.key.Verifies(d.ctx, true))

	// What a browser answered is good once.
	var answers []int
	d.must(d.tab.Eval(d.ctx, `(async () => {
		const send = (url, body) => fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
		const {publicKey} = await (await send('/console/sign-in/passkey/begin', {})).json();
		const got = await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey)});
		const body = {response: got.toJSON(), next: ''};
		const out = [(await send('/console/sign-in/passkey/finish', body)).status];
		await fetch('/console/sign-out', {method: 'POST', redirect: 'manual'});
		out.push((await send('/console/sign-in/passkey/finish', body)).status);
		await send('/console/sign-in/passkey/begin', {});
		out.push((await send('/console/sign-in/passkey/finish', body)).status);
		out.push((await send('/console/sign-in/passkey/finish', {response: {id: 'x'}})).status);
		return out;
	})()`, &answers))
	if len(answers) != 4 || answers[0] != 200 || answers[1] != 409 || answers[2] != 401 || answers[3] == 200 || d.me() != "" {
		t.Errorf("answers %v as %q; want 200, then 409 without a challenge and 401 for another one", answers, d.me())
	}

	// A recovery code works once, however it is typed.
	for i, want := range []string{"/console/alerts", "/console/sign-in/second"} {
		d.out()
		d.password("anna")
		d.at("/console/sign-in/second")
		d.must(browser.Type(d.ctx, d.tab, "#code", " "+strings.ToUpper(codes[3])))
		d.click("form button[type=submit]")
		d.at(want)
		if in := d.me() == "anna"; in != (i == 0) {
			t.Errorf("the code, time %d: in is %v", i+1, in)
		}
	}
	d.look("second-wrong")

	// A copy of a passkey is found out by its counter.
	keys, err := d.key.Passkeys(d.ctx)
	d.must(err)
	if len(keys) != 1 || keys[0].SignCount < 2 {
		t.Fatalf("keys %+v", keys)
	}
	keys[0].SignCount = 1
	d.must(d.key.Put(d.ctx, keys[0]))
	d.open("/console/sign-in")
	d.click(usePasskey)
	d.until("document.querySelector('[data-passkey=get] [role=alert]:not([hidden])')")
	if text, _ := browser.Text(d.ctx, d.tab, "[data-passkey=get] [role=alert]"); !strings.Contains(text, "refused") || d.me() != "" {
		t.Errorf("says %q as %q", text, d.me())
	}

	// Reset, the password alone signs in again.
	if n, err := d.app.Auth().ResetFactors(d.ctx, id); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	d.password("anna")
	d.at("/console/alerts")
}

func TestAdministratorsNeedAPasskey(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	root := d.user("root", auth.Admin)
	d.user("ben", auth.Operator)
	s, err := d.app.Store().Settings(d.ctx)
	d.must(err)
	s.Passkeys = config.PasskeysAdmins
	d.must(d.app.Store().SaveSettings(d.ctx, s))
	d.password("ben")
	d.at("/console/alerts")
	d.out()
	d.password("root")
	d.at("/console/sign-in/second")
	d.look("enrol")
	if d.me() != "" {
		t.Error("the password alone is let in")
	}
	d.click("[data-passkey=add] button")
	d.until("document.querySelectorAll('.code-list li').length === 10")
	d.look("enrolled")
	d.click(".codes a")
	d.at("/console/alerts")
	if d.me() != "root" {
		t.Errorf("as %q", d.me())
	}
	d.open("/console/users/" + root)
	d.look("user")
	// By the provider no passkey is asked for: it has its own ways.
	d.out()
	d.p.Be(oidc.Person{Subject: "1", Name: "carla", Groups: []string{"ops"}})
	d.open("/console/sign-in")
	d.click("#provider")
	d.at("/console/alerts")
	if d.me() != "carla" {
		t.Errorf("as %q", d.me())
	}
	d.open("/console/account")
	d.look("account-provider")
}
