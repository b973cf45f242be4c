package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
)

// memory is a Store for what is about auth alone; the rooms above test it on
// real databases.
type memory struct {
	auth.Factors // what is not asked for here
	mu           sync.Mutex
	users        map[string]auth.User
	sessions     map[string]auth.Session
	keys         map[string]auth.APIKey
	trail        []audit.Entry
	writes       int // of sessions

	beforeUser func() // called before a user is read by id, if not nil
	// called before passkeys are looked for, the last of what a sign-in asks, if not nil
	beforePasskeys func()
	broken         error // answered instead of a user by id, if not nil
}

func newMemory() *memory {
	return &memory{users: map[string]auth.User{}, sessions: map[string]auth.Session{}, keys: map[string]auth.APIKey{}}
}

func (m *memory) lock() func() { m.mu.Lock(); return m.mu.Unlock }

func (m *memory) Users(context.Context) ([]auth.User, error) {
	defer m.lock()()
	var out []auth.User
	for _, u := range m.users {
		out = append(out, u)
	}
	return out, nil
}

func (m *memory) UserByID(_ context.Context, id string) (auth.User, error) {
	defer m.lock()()
	if m.beforeUser != nil {
		m.beforeUser()
	}
	if m.broken != nil {
		return auth.User{}, m.broken
	}
	u, ok := m.users[id]
	if !ok {
		return u, fault.ErrNotFound
	}
	return u, nil
}

func (m *memory) UserByName(_ context.Context, name string) (auth.User, error) {
	defer m.lock()()
	for _, u := range m.users {
		if strings.EqualFold(u.Name, name) {
			return u, nil
		}
	}
	return auth.User{}, fault.ErrNotFound
}

func (m *memory) SaveUser(_ context.Context, u auth.User) error {
	defer m.lock()()
	for id, other := range m.users {
		if id != u.ID && strings.EqualFold(other.Name, u.Name) {
			return fault.ErrTaken
		}
	}
	m.users[u.ID] = u
	return nil
}

func (m *memory) ChangeUser(_ context.Context, id string, f func(u *auth.User, others []auth.User) error) (before, after auth.User, err error) {
	defer m.lock()()
	u, others, err := m.alone(id)
	if before = u; err == nil {
		err = f(&u, others)
	}
	if err == nil {
		m.users[id] = u
	}
	return before, u, err
}

func (m *memory) alone(id string) (u auth.User, others []auth.User, err error) {
	u, ok := m.users[id]
	if !ok {
		return u, nil, fault.ErrNotFound
	}
	for other, u := range m.users {
		if other != id {
			others = append(others, u)
		}
	}
	return u, others, nil
}

func (m *memory) DeleteUser(_ context.Context, id string, may func(u auth.User, others []auth.User) error) error {
	defer m.lock()()
	u, others, err := m.alone(id)
	if err == nil {
		err = may(u, others)
	}
	if err == nil {
		delete(m.users, id)
	}
	return err
}

func (m *memory) NoteSignIn(_ context.Context, id string, at time.Time) error {
	defer m.lock()()
	u, ok := m.users[id]
	if !ok || u.Disabled {
		return fault.ErrNotFound
	}
	u.LastSignIn = at
	m.users[id] = u
	return nil
}

func (m *memory) Session(ctx context.Context, token string) (auth.Session, error) {
	defer m.lock()()
	if err := ctx.Err(); err != nil {
		return auth.Session{}, err
	}
	s, ok := m.sessions[token]
	if !ok || time.Now().After(s.Expires) {
		return auth.Session{}, fault.ErrNotFound
	}
	return s, nil
}

func (m *memory) SaveSession(_ context.Context, s auth.Session) error {
	defer m.lock()()
	m.writes++
	m.sessions[s.Token] = s
	return nil
}

func (m *memory) Sessions(context.Context) (all []auth.Session, err error) {
	defer m.lock()()
	for _, s := range m.sessions {
		all = append(all, s)
	}
	return all, nil
}

func (m *memory) SessionsOf(_ context.Context, userID string) (all []auth.Session, err error) {
	defer m.lock()()
	for _, s := range m.sessions {
		if s.UserID == userID {
			all = append(all, s)
		}
	}
	return all, nil
}

// Nobody here has anything but a password.
func (m *memory) Passkeys(context.Context, string) ([]auth.Passkey, error) {
	defer m.lock()()
	if m.beforePasskeys != nil {
		m.beforePasskeys()
	}
	return nil, nil
}

func (m *memory) MoveSession(_ context.Context, s auth.Session) error {
	defer m.lock()()
	if _, ok := m.sessions[s.Token]; ok {
		m.writes++
		m.sessions[s.Token] = s
	}
	return nil
}

func (m *memory) DeleteSession(_ context.Context, token string) error {
	defer m.lock()()
	delete(m.sessions, token)
	return nil
}

func (m *memory) DeleteSessionsOf(_ context.Context, userID string) error {
	defer m.lock()()
	for t, s := range m.sessions {
		if s.UserID == userID {
			delete(m.sessions, t)
		}
	}
	return nil
}

func (m *memory) SweepSessions(context.Context) error { return nil }

func (m *memory) APIKeys(context.Context) ([]auth.APIKey, error) {
	defer m.lock()()
	var out []auth.APIKey
	for _, k := range m.keys {
		out = append(out, k)
	}
	return out, nil
}

func (m *memory) APIKeyByHash(_ context.Context, hash string) (auth.APIKey, error) {
	defer m.lock()()
	for _, k := range m.keys {
		if k.Hash == hash {
			return k, nil
		}
	}
	return auth.APIKey{}, fault.ErrNotFound
}

func (m *memory) SaveAPIKey(_ context.Context, k auth.APIKey) error {
	defer m.lock()()
	m.keys[k.ID] = k
	return nil
}

func (m *memory) TouchAPIKey(_ context.Context, id string, at time.Time, _ string) error {
	defer m.lock()()
	k := m.keys[id]
	k.LastUsedAt = at
	m.keys[id] = k
	return nil
}

func (m *memory) Record(ctx context.Context, e audit.Entry) error {
	defer m.lock()()
	m.trail = append(m.trail, e.Fill(ctx))
	return nil
}

const password = "a quiet evening"

// desk is a service with one user, anna, and a clock that is set by hand.
type desk struct {
	*auth.Service
	t     *testing.T
	st    *memory
	now   time.Time
	anna  auth.User
	log   bytes.Buffer
	ended []string // sessions and users whose streams were ended
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, st: newMemory(), now: time.Now()}
	var err error
	d.Service, err = auth.NewService(d.st, auth.Options{
		Now:          func() time.Time { return d.now },
		Log:          slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelError})),
		SessionEnded: func(s string) { d.ended = append(d.ended, "session "+s) },
		UserEnded:    func(id string) { d.ended = append(d.ended, "user "+id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.anna, err = d.AddUser(t.Context(), auth.NewUser{Name: "Anna", Role: auth.Admin, Password: password}); err != nil {
		t.Fatal(err)
	}
	return d
}

// visit sends a request through the session middleware.
func (d *desk) visit(cookie *http.Cookie, f http.HandlerFunc) *http.Cookie {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, "/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	d.Sessions(f).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == auth.Cookie {
			return c
		}
	}
	return nil
}

func (d *desk) signIn(cookie *http.Cookie) *http.Cookie {
	d.t.Helper()
	return d.visit(cookie, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := d.SignIn(r.Context(), "ANNA ", password, "192.0.2.1:1"); err != nil {
			d.t.Error(err)
		}
	})
}

// who is the name of the user that a cookie stands for.
func (d *desk) who(cookie *http.Cookie) (name string) {
	d.visit(cookie, func(_ http.ResponseWriter, r *http.Request) {
		p, _ := auth.From(r.Context())
		name = p.Name
	})
	return name
}

func TestSession(t *testing.T) {
	t.Run("signing in sets a cookie that scripts and other sites do not get", func(t *testing.T) {
		d := newDesk(t)
		c := d.signIn(nil)
		if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure {
			t.Fatalf("cookie %+v", c)
		}
		if d.who(c) != "anna" {
			t.Error("the cookie stands for nobody")
		}
		if _, stored := d.st.sessions[c.Value]; stored {
			t.Error("the cookie's value is in the store as it is")
		}
	})
	t.Run("signing in gives a new token, so that a planted one is worth nothing", func(t *testing.T) {
		d := newDesk(t)
		first := d.signIn(nil)
		second := d.signIn(first)
		if first.Value == second.Value || d.who(first) != "" || d.who(second) != "anna" {
			t.Error("the old token lives on")
		}
	})
	t.Run("a browser that leaves while its session is looked up is no error", func(t *testing.T) {
		d := newDesk(t)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		r.AddCookie(d.signIn(nil))
		d.Sessions(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if d.log.Len() > 0 {
			t.Errorf("logged: %s", d.log.String())
		}
	})
	t.Run("signing out ends the session and its streams", func(t *testing.T) {
		d := newDesk(t)
		c := d.signIn(nil)
		gone := d.visit(c, func(_ http.ResponseWriter, r *http.Request) {
			if err := d.SignOut(r.Context()); err != nil {
				t.Error(err)
			}
		})
		if gone == nil || gone.MaxAge >= 0 || d.who(c) != "" || len(d.ended) != 1 || !strings.HasPrefix(d.ended[0], "session ") {
			t.Errorf("cookie %+v, ended %v", gone, d.ended)
		}
	})
	t.Run("a page view within a minute writes nothing", func(t *testing.T) {
		d := newDesk(t)
		c := d.signIn(nil)
		before := d.st.writes
		for range 5 {
			d.who(c)
		}
		if d.st.writes != before {
			t.Errorf("%d writes", d.st.writes-before)
		}
		d.now = d.now.Add(2 * time.Minute)
		d.who(c)
		if d.st.writes != before+1 {
			t.Errorf("%d writes after two minutes", d.st.writes-before)
		}
	})
	t.Run("a page view under way while somebody signs out does not bring the session back", func(t *testing.T) {
		d := newDesk(t)
		c := d.signIn(nil)
		d.now = d.now.Add(2 * time.Minute)
		d.st.beforeUser = func() { clear(d.st.sessions) }
		d.who(c)
		d.st.beforeUser = nil
		if d.who(c) != "" {
			t.Error("the session is back")
		}
	})
	t.Run("an open stream keeps a session, a session that is gone ends its streams", func(t *testing.T) {
		d := newDesk(t)
		var open []string
		first := d.signIn(nil)
		d.visit(first, func(_ http.ResponseWriter, r *http.Request) {
			p, _ := auth.From(r.Context())
			open = append(open, p.Session, "of another time")
		})
		if err := d.Attend(t.Context(), open); err != nil {
			t.Fatal(err)
		}
		if len(d.ended) != 1 || d.ended[0] != "session of another time" {
			t.Errorf("ended %v", d.ended)
		}
		before := d.st.sessions[open[0]].Expires
		d.now = d.now.Add(2 * time.Hour)
		if err := d.Attend(t.Context(), open[:1]); err != nil {
			t.Fatal(err)
		}
		if moved := d.st.sessions[open[0]].Expires.Sub(before); moved < time.Hour || moved > 3*time.Hour {
			t.Errorf("the session's end was moved by %s", moved)
		}
		d.now = d.now.AddDate(0, 0, 29)
		if err := d.Attend(t.Context(), open[:1]); err != nil {
			t.Fatal(err)
		}
		if left := d.st.sessions[open[0]].Expires.Sub(before); left > 30*24*time.Hour {
			t.Errorf("a stream keeps a session beyond its life: %s", left)
		}
		// The browser has to keep the cookie for as long as that, without a page view.
		if time.Until(first.Expires) < 29*24*time.Hour {
			t.Errorf("the cookie ends at %s", first.Expires)
		}
	})
	for name, change := range map[string]auth.UserChange{
		"another password": {Password: ptr("another quiet evening")},
		"another role":     {Role: ptr(auth.Viewer)},
		"being disabled":   {Disabled: ptr(true)},
	} {
		t.Run(name+" ends the sessions, also one that is written back later", func(t *testing.T) {
			d := newDesk(t)
			if _, err := d.AddUser(t.Context(), auth.NewUser{Name: "other", Role: auth.Admin, Password: password}); err != nil {
				t.Fatal(err)
			}
			c := d.signIn(nil)
			var late auth.Session
			for _, s := range d.st.sessions {
				late = s
			}
			if _, err := d.ChangeUser(t.Context(), d.anna.ID, change); err != nil {
				t.Fatal(err)
			}
			if err := d.st.SaveSession(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if d.who(c) != "" || len(d.ended) != 1 || d.ended[0] != "user "+d.anna.ID {
				t.Errorf("the session lives on; ended %v", d.ended)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestSignInRefusals(t *testing.T) {
	t.Run("wrong name, wrong password and a disabled user are told alike", func(t *testing.T) {
		d := newDesk(t)
		if _, err := d.AddUser(t.Context(), auth.NewUser{Name: "bert", Role: auth.Viewer, Password: password}); err != nil {
			t.Fatal(err)
		}
		bert, _ := d.st.UserByName(t.Context(), "bert")
		if _, err := d.ChangeUser(t.Context(), bert.ID, auth.UserChange{Disabled: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		for _, row := range [][2]string{{"nobody", password}, {"anna", "wrong"}, {"bert", password}, {"anna", ""}, {"", ""}, {"anna", strings.Repeat("x", 1<<20)}} {
			if _, err := d.SignIn(t.Context(), row[0], row[1], "192.0.2.1:1"); !errors.Is(err, auth.ErrSignIn) {
				t.Errorf("%s: %v", row[0], err)
			}
		}
	})
	t.Run("a database that does not answer is no wrong password", func(t *testing.T) {
		d := newDesk(t)
		d.st.broken = context.DeadlineExceeded
		if _, err := d.SignIn(t.Context(), "anna", password, "192.0.2.1:1"); errors.Is(err, auth.ErrSignIn) || !errors.Is(err, d.st.broken) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("after too many failures for a name it says when to try again, and then takes it", func(t *testing.T) {
		d := newDesk(t)
		var limit *auth.LimitError
		var err error
		for range 11 {
			_, err = d.SignIn(t.Context(), "anna", "wrong", "192.0.2.1:1")
		}
		if !errors.As(err, &limit) || limit.Wait <= 0 || limit.Wait > 10*time.Second || !strings.Contains(err.Error(), "try again in ") {
			t.Fatalf("error %v", err)
		}
		d.now = d.now.Add(limit.Wait + time.Second)
		if _, err := d.SignIn(t.Context(), "anna", password, "192.0.2.1:1"); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
	t.Run("who guesses a name's password does not lock out its owner elsewhere", func(t *testing.T) {
		d := newDesk(t)
		for range 200 {
			_, _ = d.SignIn(t.Context(), "anna", "wrong", "192.0.2.1:1")
			d.now = d.now.Add(time.Second)
		}
		if _, err := d.SignIn(t.Context(), "anna", password, "192.0.2.9:1"); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
	})
	t.Run("a name is limited for all addresses together", func(t *testing.T) {
		d := newDesk(t)
		var err error
		for i := range 101 {
			_, err = d.SignIn(t.Context(), "anna", "wrong", "192.0.2."+strconv.Itoa(i)+":1")
		}
		var limit *auth.LimitError
		if !errors.As(err, &limit) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("many names from one address are limited, a whole IPv6 household alike", func(t *testing.T) {
		d := newDesk(t)
		var err error
		for i := range 31 {
			_, err = d.SignIn(t.Context(), "name"+string(rune('a'+i)), "wrong", "[2001:db8::"+string(rune('a'+i%6))+"]:1")
		}
		var limit *auth.LimitError
		if !errors.As(err, &limit) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("signing in rightly does not use up the tries", func(t *testing.T) {
		d := newDesk(t)
		for range 12 {
			if _, err := d.SignIn(t.Context(), "anna", password, "192.0.2.1:1"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What an admin does while somebody signs in is not undone by the sign-in.
func TestASignInUndoesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		does func(u *auth.User)
		in   bool // the sign-in is taken, though its session is worth nothing
	}{
		"disabled":         {func(u *auth.User) { u.Disabled = true }, false},
		"another role":     {func(u *auth.User) { u.Role = auth.Viewer }, true},
		"another password": {func(u *auth.User) { u.PasswordHash = "another" }, true},
		"another name":     {func(u *auth.User) { u.DisplayName = "Anna Sand" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			want := d.anna
			c.does(&want)
			d.st.beforePasskeys = func() { d.st.users[want.ID] = want }
			_, err := d.SignIn(t.Context(), "anna", password, "192.0.2.1:1")
			if (err == nil) != c.in || err != nil && !errors.Is(err, auth.ErrSignIn) {
				t.Errorf("the sign-in: %v", err)
			}
			got := d.st.users[want.ID]
			if want.LastSignIn = got.LastSignIn; got != want || got.LastSignIn.IsZero() == c.in {
				t.Errorf("the user is %+v, want %+v", got, want)
			}
		})
	}
}

func TestPasswords(t *testing.T) {
	hash, err := auth.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", hash)
	}
	if ok, err := auth.VerifyPassword(hash, password); err != nil || !ok {
		t.Errorf("the right password: %v %v", ok, err)
	}
	if ok, err := auth.VerifyPassword(hash, password+" "); err != nil || ok {
		t.Errorf("a wrong password: %v %v", ok, err)
	}
	for _, bad := range []string{"", "plain", "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$argon2i$v=19$m=19456,t=2,p=1$a$b"} {
		if ok, err := auth.VerifyPassword(bad, password); ok || err == nil {
			t.Errorf("hash %q was taken", bad)
		}
	}
	for password, problem := range map[string]string{
		"short": "characters", strings.Repeat("x", 201): "characters", "annaannaanna": "user's name",
		strings.Repeat("z", 12): "one character", "\xff\xfe and something": "UTF-8",
	} {
		if err := auth.CheckPassword("annaannaanna", password); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("password %q: %v", password, err)
		}
	}
}

func TestKeys(t *testing.T) {
	d := newDesk(t)
	k, token, err := d.AddKey(t.Context(), "dashboard", []auth.Scope{auth.ReadConfig, auth.ReadAlerts, auth.ReadConfig}, d.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token, "tk_") || len(token) != 46 || !strings.HasSuffix(token, k.Hint) || k.Hash != auth.Hash(token) || len(k.Scopes) != 2 {
		t.Errorf("key %+v", k)
	}
	p, err := d.Key(t.Context(), token, "192.0.2.7:1")
	if err != nil || p.Name != "dashboard" || p.UserID != "" || !p.May(auth.ReadAlerts) || p.May(auth.AckAlerts) {
		t.Errorf("principal %+v, %v", p, err)
	}
	if _, _, err := d.AddKey(t.Context(), "Dashboard", []auth.Scope{auth.ReadAlerts}, time.Time{}); !errors.Is(err, fault.ErrTaken) {
		t.Errorf("a taken name: %v", err)
	}
	for _, wrong := range []string{"", "tk_", token + "x", strings.TrimPrefix(token, "tk_"), "ts_" + token[3:]} {
		if _, err := d.Key(t.Context(), wrong, ""); !errors.Is(err, auth.ErrSignIn) {
			t.Errorf("token %q: %v", wrong, err)
		}
	}
	d.now = d.now.Add(2 * time.Hour)
	if _, err := d.Key(t.Context(), token, ""); !errors.Is(err, auth.ErrSignIn) {
		t.Errorf("an expired key: %v", err)
	}
}

func TestScopes(t *testing.T) {
	for role, may := range map[auth.Role]string{
		auth.Viewer:    "alerts:read config:read",
		auth.Responder: "alerts:read alerts:acknowledge",
		auth.Operator:  "alerts:read alerts:acknowledge alerts:downtime config:read config:write status:publish",
		auth.Admin:     "alerts:read alerts:acknowledge alerts:downtime config:read config:write status:publish email:bounces admin",
		"king":         "",
	} {
		var got []string
		for _, s := range auth.AllScopes() {
			if (auth.Principal{UserID: "u", Scopes: role.Scopes()}).May(s) {
				got = append(got, string(s))
			}
		}
		if strings.Join(got, " ") != may {
			t.Errorf("%s may %v, want %s", role, got, may)
		}
	}
	if key := (auth.Principal{KeyID: "k", Scopes: []auth.Scope{auth.AckAlerts}}); !key.May(auth.Downtime) || key.May(auth.ReadAlerts) {
		t.Error("an API key that may acknowledge may schedule downtimes, as before there was a scope for it, and no more")
	}
}
