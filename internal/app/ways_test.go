package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
)

// Sessions and passkeys, one's own and others', by the API; and what the trail has of it.
func TestWaysInByAPI(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.user("root", auth.Admin)
	id := h.user("bert", auth.Viewer)
	other := h.user("carl", auth.Viewer)
	root, carl := h.cookie("root"), h.cookie("carl")
	one, two, three := h.cookie("bert"), h.cookie("bert"), h.cookie("bert")
	newest := func() string {
		got := h.call("GET", "/api/v1/audit?limit=1", root, "")
		return got.field(t, "items.0.action") + " of " + got.field(t, "items.0.subject.name") + " by " + got.field(t, "items.0.actor.name")
	}
	do := func(method, path string, who any, body string, want int) answer {
		t.Helper()
		got := h.call(method, "/api/v1"+path, who, body)
		if got.status != want {
			t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
		}
		return got
	}
	mine := func(who any) (list []string, this string) {
		t.Helper()
		got := do("GET", "/me/sessions", who, "", http.StatusOK)
		for i := range strings.Count(got.body, `"id"`) {
			at := "items." + string(rune('0'+i))
			if list = append(list, got.field(t, at+".id")); got.field(t, at+".this") == "true" {
				this = list[i]
			}
		}
		return list, this
	}
	all, this := mine(one)
	if len(all) != 3 || this == "" {
		t.Fatalf("bert has %v, this is %q", all, this)
	}
	do("DELETE", "/me/sessions/"+this, carl, "", http.StatusNotFound) // it is not carl's
	_, of := mine(two)
	do("DELETE", "/me/sessions/"+of, one, "", http.StatusNoContent)
	if got := newest(); got != "session.ended of bert by bert" {
		t.Error(got)
	}
	do("GET", "/me", two, "", http.StatusUnauthorized)
	if got := do("DELETE", "/me/sessions", one, "", http.StatusOK); got.field(t, "ended") != "1" {
		t.Error(got.body)
	}
	do("GET", "/me", three, "", http.StatusUnauthorized)
	do("GET", "/me", one, "", http.StatusOK)

	got := do("GET", "/users/"+id+"/sessions", root, "", http.StatusOK)
	if got.field(t, "items.0.id") != this || got.field(t, "items.0.way") != "password" || got.field(t, "items.0.this") != "false" || got.field(t, "items.0.address") != "127.0.0.1" || strings.Contains(got.body, one.Value) {
		t.Error(got.body)
	}
	do("DELETE", "/users/"+id+"/sessions/"+this, root, "", http.StatusNoContent)
	do("GET", "/me", one, "", http.StatusUnauthorized)
	key := h.key(auth.Administer)
	if got := do("DELETE", "/users/"+other+"/sessions", key, "", http.StatusOK); got.field(t, "ended") != "1" {
		t.Error(got.body)
	}
	if got := newest(); !strings.HasPrefix(got, "session.ended of carl by ") {
		t.Error(got)
	}
	do("GET", "/users/nobody/sessions", key, "", http.StatusNotFound)
	do("GET", "/users/nobody/passkeys", key, "", http.StatusNotFound)
	do("DELETE", "/users/nobody/sessions", key, "", http.StatusNotFound)
	do("DELETE", "/users/nobody/passkeys", key, "", http.StatusNotFound)

	one = h.cookie("bert")
	for n, name := range []string{"phone", "laptop", "lost"} {
		p := auth.Passkey{ID: name, UserID: id, Credential: name, Name: name, Body: "{}", Made: time.Now().Add(time.Duration(n) * time.Second)}
		if err := h.app.Store().AddPasskey(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if got := do("GET", "/me/passkeys", one, "", http.StatusOK); got.field(t, "items.0.name") != "phone" || got.field(t, "recovery_codes") != "0" {
		t.Error(got.body)
	}
	do("PUT", "/me/passkeys/phone", one, `{"name":"Old phone"}`, http.StatusNoContent)
	do("PUT", "/me/passkeys/phone", root, `{"name":"Mine"}`, http.StatusNotFound)
	do("PUT", "/me/passkeys/phone", one, `{"name":""}`, http.StatusUnprocessableEntity)
	do("DELETE", "/me/passkeys/phone", one, "", http.StatusNoContent)
	if got := newest(); got != "passkey.deleted of bert by bert" {
		t.Error(got)
	}
	do("DELETE", "/users/"+id+"/passkeys/lost", root, "", http.StatusNoContent)
	if got := newest(); got != "passkey.deleted of bert by root" {
		t.Error(got)
	}
	if got := do("GET", "/users/"+id+"/passkeys", root, "", http.StatusOK); got.field(t, "items.0.name") != "laptop" || got.field(t, "items.1.name") != "" {
		t.Error(got.body)
	}
	if got := do("DELETE", "/users/"+id+"/passkeys", root, "", http.StatusOK); got.field(t, "removed") != "1" {
		t.Error(got.body)
	}
	do("GET", "/me", one, "", http.StatusUnauthorized)
}
