package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"tocsin/internal/auth"
)

// Over https a session is known by a cookie that no other host of the domain can set.
func TestNoNeighbourPlantsASession(t *testing.T) {
	t.Parallel()
	st := newMemory()
	secure, err := auth.NewService(st, auth.Options{Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	before, err := auth.NewService(st, auth.Options{}) // as versions were that knew no other cookie
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secure.AddUser(t.Context(), auth.NewUser{Name: "anna", Role: auth.Admin, Password: password}); err != nil {
		t.Fatal(err)
	}
	visit := func(s *auth.Service, f http.HandlerFunc, cookies ...*http.Cookie) *http.Cookie {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		s.Sessions(f).ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			if c.HttpOnly && c.Value != "" {
				return c
			}
		}
		return nil
	}
	signIn := func(s *auth.Service) *http.Cookie {
		return visit(s, func(_ http.ResponseWriter, r *http.Request) {
			if _, err := s.SignIn(r.Context(), "anna", password, "192.0.2.1:1"); err != nil {
				t.Error(err)
			}
		})
	}
	in := func(cookies ...*http.Cookie) (is bool) {
		visit(secure, func(_ http.ResponseWriter, r *http.Request) { _, is = auth.From(r.Context()) }, cookies...)
		return is
	}
	own, older := signIn(secure), signIn(before)
	if own.Name != "__Host-tocsin_session" || !own.Secure || own.Path != "/" || own.Domain != "" || older.Name != "tocsin_session" {
		t.Fatalf("%v %v", own, older)
	}
	planted := &http.Cookie{Name: "tocsin_session", Value: own.Value}
	junk := &http.Cookie{Name: "tocsin_session", Value: "junk"}
	if !in(own) || !in(junk, own) || !in(planted, own) {
		t.Error("its own cookie does not let it in")
	}
	if in(planted) || in(junk) || in() {
		t.Error("a cookie that a neighbour may set lets in")
	}
	if !in(older) {
		t.Error("a session of before is over")
	}
}
