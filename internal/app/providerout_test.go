package app_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"tocsin/internal/auth"
	"tocsin/test/database"
	"tocsin/test/oidc"
)

// Whoever signs out at the provider is signed out here, when the provider says so.
func TestSigningOutAtTheProvider(t *testing.T) {
	t.Parallel()
	dir := database.Folder(t)
	h := startHouse(t, "TOCSIN_DATA="+dir)
	h.user("root", auth.Admin)
	in := func(who oidc.Person) *tab {
		h.p.Be(who)
		b := h.tab()
		b.signIn()
		return b
	}
	anna := oidc.Person{Subject: "1", Name: "anna", Groups: []string{"oncall"}, Session: "s-1"}
	bert := oidc.Person{Subject: "2", Name: "bert", Groups: []string{"oncall"}}
	one := in(anna)
	anna.Session = "s-2"
	two, other := in(anna), in(bert)
	byPassword := h.tab()
	byPassword.post("/console/sign-in", url.Values{"name": {"root"}, "password": {password}})
	say := func(token string) int {
		t.Helper()
		got := h.call("POST", "/console/sign-in/provider/logout", nil, url.Values{"logout_token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		return got.status
	}
	everybody := func(want ...string) {
		t.Helper()
		for i, b := range []*tab{one, two, other, byPassword} {
			if got := b.me(); got != want[i] {
				t.Errorf("tab %d is %q, want %q", i, got, want[i])
			}
		}
	}
	const a, b, r, out = "anna operator", "bert operator", "root admin", "401"
	everybody(a, a, b, r)
	t.Run("what is no logout token of this provider for this hub, made just now, ends nothing", func(t *testing.T) {
		for name, change := range map[string]func(map[string]any){
			"an ID token":      func(c map[string]any) { c["sub"], c["nonce"] = "1", "n"; delete(c, "events") },
			"with a nonce":     func(c map[string]any) { c["sub"], c["nonce"] = "1", "n" },
			"another event":    func(c map[string]any) { c["sub"], c["events"] = "1", map[string]any{"x": map[string]any{}} },
			"another audience": func(c map[string]any) { c["sub"], c["aud"] = "1", "another" },
			"another issuer":   func(c map[string]any) { c["sub"], c["iss"] = "1", "https://evil.example" },
			"old":              func(c map[string]any) { c["sub"], c["iat"] = "1", c["iat"].(int64)-3600 },
			"of the future":    func(c map[string]any) { c["sub"], c["iat"] = "1", c["iat"].(int64)+3600 },
			"expired":          func(c map[string]any) { c["sub"], c["exp"] = "1", c["exp"].(int64)-3600 },
			"without an id":    func(c map[string]any) { c["sub"] = "1"; delete(c, "jti") },
			"of nobody":        func(map[string]any) {},
		} {
			if status := say(h.p.LogoutToken(change)); status != http.StatusBadRequest {
				t.Errorf("%s: %d", name, status)
			}
		}
		for _, wrong := range []oidc.Misbehaviour{oidc.Unsigned, oidc.Symmetric, oidc.OtherKey} {
			h.p.Do(wrong)
			if status := say(h.p.LogoutToken(func(c map[string]any) { c["sub"] = "1" })); status != http.StatusBadRequest {
				t.Errorf("%s: %d", wrong, status)
			}
		}
		h.p.Do("")
		for _, text := range []string{"", "x", "a.b.c"} {
			if status := say(text); status != http.StatusBadRequest {
				t.Errorf("%q: %d", text, status)
			}
		}
		everybody(a, a, b, r)
	})
	t.Run("one session of the provider's ends the one that began by it", func(t *testing.T) {
		if status := say(h.p.LogoutToken(func(c map[string]any) { c["sid"] = "s-1" })); status != http.StatusOK {
			t.Errorf("%d", status)
		}
		everybody(out, a, b, r)
	})
	t.Run("an account ends all that began by it, once", func(t *testing.T) {
		token := h.p.LogoutToken(func(c map[string]any) { c["sub"] = "1" })
		if status := say(token); status != http.StatusOK {
			t.Errorf("%d", status)
		}
		everybody(out, out, b, r)
		one = in(anna)
		if status := say(token); status != http.StatusBadRequest {
			t.Errorf("again: %d", status)
		}
		everybody(a, out, b, r)
	})
	t.Run("a session that is not known by its name ends with its account", func(t *testing.T) {
		if status := say(h.p.LogoutToken(func(c map[string]any) { c["sub"], c["sid"] = "2", "s-9" })); status != http.StatusOK {
			t.Errorf("%d", status)
		}
		everybody(a, out, out, r)
		got := h.call("GET", "/api/v1/audit?action=session.ended&limit=1", h.key(auth.Administer), "")
		if got.field(t, "items.0.note") != "Signed out at the sign-in provider. One session was ended." || got.field(t, "items.0.subject.name") != "bert" {
			t.Error(got.body)
		}
	})
	t.Run("what could not be done is done when the provider says it again", func(t *testing.T) {
		one = in(anna)
		everybody(a, out, out, r)
		token, path := h.p.LogoutToken(func(c map[string]any) { c["sub"] = "1" }), filepath.Join(dir, "tocsin.db")
		alter(t, path, "ALTER TABLE identity RENAME TO away")
		if status := say(token); status != http.StatusServiceUnavailable {
			t.Errorf("while the database is away: %d", status)
		}
		alter(t, path, "ALTER TABLE away RENAME TO identity")
		if status := say(token); status != http.StatusOK {
			t.Errorf("again: %d", status)
		}
		everybody(out, out, out, r)
		if status := say(token); status != http.StatusBadRequest {
			t.Errorf("once more: %d", status)
		}
	})
	t.Run("an account that is nobody's is no error", func(t *testing.T) {
		if status := say(h.p.LogoutToken(func(c map[string]any) { c["sub"] = "99" })); status != http.StatusOK {
			t.Errorf("%d", status)
		}
	})
}
