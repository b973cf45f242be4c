package page

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
)

// Gate is what it takes to decide who may see a page that is not public. Each of
// a page's conditions opens it by itself: whoever comes from one of its networks,
// or is signed in where that is enough, or knows its password.
type Gate struct {
	Key      []byte // 32 bytes that sign cookies, the same on all nodes; empty: made anew with each start
	Verify   func(ctx context.Context, hash, password string) (bool, error)
	SignedIn func(r *http.Request) bool
	SignIn   string // where people sign in; a path
}

func public(p *status.Private) bool {
	return p.PasswordHash == "" && !p.SignedIn && len(p.Networks) == 0
}

const (
	cookieName = "tocsin_page_" // and a part of the page's hash: one browser may open several
	cookieFor  = 30 * 24 * time.Hour
	// A password is tried so often from one place, and again after each of everyTry.
	tries      = 5
	everyTry   = 12 * time.Second
	mostPlaces = 10_000
	mostForm   = 4 << 10
)

// gate keeps the tries.
type gate struct {
	o   Gate
	now func() time.Time

	mu     sync.Mutex
	places map[string]time.Time // when a place has all of its tries again
	hashes chan struct{}        // bounds how many passwords are looked at at once
	cross  *http.CrossOriginProtection
}

func newGate(o Gate, now func() time.Time) (*gate, error) {
	if len(o.Key) == 0 {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // never fails
	}
	if len(o.Key) < 32 {
		return nil, fmt.Errorf("the gate's key has %d bytes; give it 32", len(o.Key))
	}
	return &gate{o: o, now: now, places: map[string]time.Time{}, hashes: make(chan struct{}, 2), cross: http.NewCrossOriginProtection()}, nil
}

// passes says whether a request may see a page. Where not, it has answered: with
// the way in for people, with 401 and nothing else for programs.
func (g *gate) passes(s *Site, set *pageSet, path string, w http.ResponseWriter, r *http.Request) bool {
	if path == "unlock" && set.page.Private.PasswordHash != "" && r.Method == http.MethodPost {
		g.unlock(s, set, w, r)
		return false
	}
	if g.allows(set, r) {
		return true
	}
	g.refuse(s, set, path, w, r, http.StatusUnauthorized, "")
	return false
}

func (g *gate) allows(set *pageSet, r *http.Request) bool {
	p := &set.page.Private
	return within(r.RemoteAddr, set.networks) ||
		p.SignedIn && g.o.SignedIn != nil && g.o.SignedIn(r) ||
		p.PasswordHash != "" && g.known(set, r)
}

// MaySee says whether who sends a request may see a page, and so be told of it. A
// page that there is not is as one that may not be seen.
func (s *Site) MaySee(pageID string, r *http.Request) bool {
	set := s.made.Load().byID[pageID]
	return set != nil && (!set.at.Private || s.gate.allows(set, r))
}

// CheckWant answers a *status.FieldError for what a visitor of a page cannot want:
// a component or an incident that it does not show.
func (s *Site) CheckWant(pageID string, w *push.Want) error {
	set := s.made.Load().byID[pageID]
	if set == nil {
		return &status.FieldError{Field: "page", Problem: "is not known", Mend: "open the page anew"}
	}
	known := map[string]bool{}
	each(set.snapshot.Groups, func(id string) { known[id] = true })
	for i, id := range w.Components {
		if !known[id] {
			return &status.FieldError{Field: fmt.Sprintf("components[%d]", i), Problem: "is none of this page", Mend: "choose among those that it shows"}
		}
	}
	if w.Incident != "" && !slices.ContainsFunc(set.record.Incidents, func(i status.Incident) bool { return i.ID == w.Incident && !i.Draft }) &&
		!slices.ContainsFunc(set.record.Maintenances, func(m status.Maintenance) bool { return m.ID == w.Incident }) {
		return &status.FieldError{Field: "incident", Problem: "is none of this page, or long over", Mend: "choose one that it shows"}
	}
	return nil
}

func cookieOf(set *pageSet) string {
	sum := sha256.Sum256([]byte(set.page.ID))
	return cookieName + hex.EncodeToString(sum[:6])
}

func within(remote string, networks []netip.Prefix) bool {
	if len(networks) == 0 {
		return false
	}
	from := addr(remote)
	for _, n := range networks {
		if n.Contains(from) {
			return true
		}
	}
	return false
}

func addr(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, _ := netip.ParseAddr(remote) // the zero Addr is in no network
	return a.Unmap().WithZone("")
}

// sign is what a cookie of a page has to hold until a time. Another password ends
// all of them.
func (g *gate) sign(set *pageSet, until int64) []byte {
	m := hmac.New(sha256.New, g.o.Key)
	fmt.Fprintf(m, "page\x00%s\x00%s\x00%d", set.page.ID, set.page.Private.PasswordHash, until)
	return m.Sum(binary.BigEndian.AppendUint64(nil, uint64(until)))
}

func (g *gate) known(set *pageSet, r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieOf(set)) {
		raw, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil || len(raw) != 8+sha256.Size {
			continue
		}
		until := int64(binary.BigEndian.Uint64(raw))
		if hmac.Equal(raw, g.sign(set, until)) && g.now().Unix() < until {
			return true
		}
	}
	return false
}

// unlock looks at a password, and leads on with a cookie if it is the one.
func (g *gate) unlock(s *Site, set *pageSet, w http.ResponseWriter, r *http.Request) {
	if err := g.cross.Check(r); err != nil {
		g.refuse(s, set, "", w, r, http.StatusForbidden, "")
		return
	}
	if wait := g.take(set, r.RemoteAddr); wait > 0 {
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		w.Header().Set("Retry-After", seconds)
		g.refuse(s, set, "", w, r, http.StatusTooManyRequests, s.address(set, "", r).language.T("too_many_tries", "seconds", seconds))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	ok, err := false, r.ParseForm()
	if err == nil {
		ok, err = g.verify(r.Context(), set.page.Private.PasswordHash, r.PostForm.Get("password"))
	}
	if err != nil {
		s.o.Log.Warn("password of a page cannot be checked", "page", set.page.Slug, "error", err)
	}
	if !ok {
		g.refuse(s, set, "", w, r, http.StatusUnauthorized, s.address(set, "", r).language.T("wrong_password"))
		return
	}
	g.giveBack(set, r.RemoteAddr)
	until := g.now().Add(cookieFor)
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever visitors come by https
		Name: cookieOf(set), Value: base64.RawURLEncoding.EncodeToString(g.sign(set, until.Unix())), Path: "/",
		Expires: until, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil || strings.HasPrefix(set.at.URL, "https:"),
	})
	w.Header()["Cache-Control"] = private
	http.Redirect(w, r, local(r.PostForm.Get("to"), set.at.Base), http.StatusSeeOther) //nolint:gosec // see local
}

func (g *gate) verify(ctx context.Context, hash, password string) (bool, error) {
	if g.o.Verify == nil || password == "" || len(password) > 200 {
		return false, nil
	}
	select {
	case g.hashes <- struct{}{}:
		defer func() { <-g.hashes }()
	case <-ctx.Done():
		return false, fmt.Errorf("wait to check a password: %w", ctx.Err())
	}
	return g.o.Verify(ctx, hash, password)
}

// local is where somebody wanted to go, if that is on the page.
func local(to, base string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, base+"/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		return base + "/"
	}
	return u.EscapedPath()
}

// place is what tries are counted by: the page, whose password tells nothing of
// another one's, and an IPv4 address, or the /64 that one household gets.
func place(set *pageSet, remote string) string {
	a := addr(remote)
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return set.page.ID + " " + p.String()
		}
	}
	return set.page.ID + " " + a.String()
}

// take takes one try, and answers how long to wait if there is none left.
func (g *gate) take(set *pageSet, remote string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := g.now(), place(set, remote)
	full := g.places[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(everyTry)
	if wait := full.Sub(now) - tries*everyTry; wait > 0 {
		return wait
	}
	if len(g.places) >= mostPlaces {
		for k, t := range g.places {
			if t.Before(now) || len(g.places) >= mostPlaces {
				delete(g.places, k)
			}
		}
	}
	g.places[key] = full
	return 0
}

func (g *gate) giveBack(set *pageSet, remote string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.places, place(set, remote))
}

// refuse shows the way in.
func (g *gate) refuse(s *Site, set *pageSet, path string, w http.ResponseWriter, r *http.Request, code int, problem string) {
	h := w.Header()
	h["Cache-Control"] = private
	h["X-Content-Type-Options"] = nosniff
	h.Set("Vary", "Cookie")
	a := s.address(set, path, r)
	if !forPeople(a.path) && !(r.Method == http.MethodPost) {
		h.Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"title":%q,"status":%d}`+"\n", http.StatusText(code), code)
		return
	}
	to := r.URL.EscapedPath()
	if r.Method == http.MethodPost {
		to = local(r.PostForm.Get("to"), set.at.Base)
	}
	p := &set.page.Private
	view := &gateView{Password: p.PasswordHash != "", To: to, Problem: problem}
	if p.SignedIn {
		view.SignIn = g.o.SignIn
	}
	about := "private_about"
	if !view.Password && view.SignIn == "" {
		about = "private_network"
	}
	// Of the page itself only its address and language are known outside.
	closed := status.Snapshot{Page: status.Page{Language: set.page.Language}}
	body, err := s.renderer.message(closed, a.language.T("private_title"), a.language.T(about), a.language, Place{Base: set.at.Base, Home: set.at.Base}, view)
	if err != nil {
		s.o.Log.Error("gate cannot be made", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h["Content-Security-Policy"] = []string{policy + nobodys}
	h["Referrer-Policy"] = []string{"same-origin"}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
