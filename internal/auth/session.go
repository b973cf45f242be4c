package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"tocsin/internal/audit"
	"tocsin/internal/fault"
)

// Cookie is the name of the session cookie where browsers come by plain HTTP, see
// SessionCookie.
const Cookie = "tocsin_session"

// SessionCookie is the name of the session cookie. Of one that begins so browsers
// promise that no other host of the domain set it: else a neighbour could have
// somebody act in a session that is the neighbour's own, or shut them out.
func (s *Service) SessionCookie() string { return sessionCookie(s.o.Secure) }

func sessionCookie(secure bool) string {
	if secure {
		return "__Host-" + Cookie
	}
	return Cookie
}

// How long a session lives: without a request or an open stream, and at all.
const (
	idleTimeout = 12 * time.Hour
	lifetime    = 30 * 24 * time.Hour
)

// touchEvery is how often the end of a session is moved on; more often would
// make a write of each page view.
const touchEvery = time.Minute

// What a session keeps.
const (
	keyUser    = "user_id"
	keyStamp   = "stamp"   // of the password it was made with
	keyTouched = "touched" // Unix seconds of the last write

	keyWay       = "way"       // how it began
	keyBegun     = "begun"     // Unix seconds
	keyAgent     = "agent"     // the browser, as it calls itself
	keyAddress   = "address"   // where it was used from last
	keyConfirmed = "confirmed" // Unix seconds at which its owner last proved to be there
	keyProvided  = "provided"  // hash of the provider's own session, where it began by one
	keyHost      = "host"      // it began with a cookie that no neighbour can set
)

// newSessions is not made by scs.New, which starts a goroutine, for a store that
// we do not use, that cannot be stopped without a race.
func newSessions(st Store, secure bool) *scs.SessionManager {
	return &scs.SessionManager{
		IdleTimeout:      idleTimeout,
		Lifetime:         lifetime,
		Store:            sessionStore{st},
		Codec:            jsonCodec{},
		HashTokenInStore: true,
		Cookie: scs.SessionCookie{
			Name: sessionCookie(secure), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure, Persist: true,
		},
	}
}

// carrier takes the response along in the context, so that SignIn and SignOut
// can set the cookie. It leaves the ResponseWriter itself alone: streams
// behind this middleware hijack it.
type carrier struct {
	header http.ResponseWriter
	agent  string
	remote string
	step   string // what the browser has of a sign-in under way
	of     string // hash of the provider's own session, by which somebody comes in
}

type carrierKey struct{}

// Sessions puts the signed-in user, if there is one, into the request's
// context (see From) and makes SignIn and SignOut work in next. A session
// whose user is gone, disabled or has a new password is ended.
func (s *Service) Sessions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := s.load(w, r)
		if err != nil && errors.Is(r.Context().Err(), context.Canceled) {
			return // the browser went away: a page was left, or loaded anew
		}
		if err != nil {
			s.o.Log.Error("session not loaded", "error", err)
			http.Error(w, "The database does not answer. Please try again in a moment.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Carries says whether a request has a session's cookie, whatever that is worth.
func (s *Service) Carries(r *http.Request) bool {
	token, _ := s.tokenOf(r)
	return token != ""
}

// tokenOf is the token that a request brings, and whether its cookie is one that
// neighbours may set: versions before had no other.
func (s *Service) tokenOf(r *http.Request) (token string, plain bool) {
	if c, err := r.Cookie(s.SessionCookie()); err == nil && len(c.Value) < 200 {
		return c.Value, false
	}
	if !s.o.Secure {
		return "", false
	}
	if c, err := r.Cookie(Cookie); err == nil && len(c.Value) < 200 {
		return c.Value, true
	}
	return "", false
}

func (s *Service) load(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	token, plain := s.tokenOf(r)
	begin := context.WithValue(r.Context(), carrierKey{}, carrier{header: w, agent: agentOf(r), remote: r.RemoteAddr, step: s.stepOf(r)})
	ctx, err := s.sessions.Load(begin, token)
	if err == nil && plain && s.sessions.GetString(ctx, keyHost) != "" {
		// It was given another cookie than this one: somebody planted it here.
		token = ""
		ctx, err = s.sessions.Load(begin, token)
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	id := s.sessions.GetString(ctx, keyUser)
	if id == "" {
		return ctx, nil
	}
	u, err := s.st.UserByID(ctx, id)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return nil, fmt.Errorf("look up the session's user: %w", err)
	}
	if err != nil || u.Disabled || s.sessions.GetString(ctx, keyStamp) != stamp(u) {
		if err := s.sessions.Destroy(ctx); err != nil {
			return nil, fmt.Errorf("end session: %w", err)
		}
		s.sessions.WriteSessionCookie(ctx, w, "", time.Time{})
		return ctx, nil
	}
	touched, _ := strconv.ParseInt(s.sessions.GetString(ctx, keyTouched), 10, 64)
	if s.o.Now().Sub(time.Unix(touched, 0)) > touchEvery {
		if err := s.touch(ctx, w, token); err != nil {
			// Reading goes on while writing does not: the session only lives less long.
			s.o.Log.Warn("session not moved on", "user_id", u.ID, "error", err)
		}
	}
	p := u.principal(sessionHash(token))
	p.Way, p.Confirmed = Way(s.sessions.GetString(ctx, keyWay)), unix(s.sessions.GetString(ctx, keyConfirmed))
	return With(ctx, p), nil
}

// unix reads a time of a session; zero where there is none.
func unix(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// commit writes the session and its cookie.
func (s *Service) commit(ctx context.Context) error {
	s.sessions.Put(ctx, keyTouched, strconv.FormatInt(s.o.Now().Unix(), 10))
	token, _, err := s.sessions.Commit(ctx)
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	if c, ok := ctx.Value(carrierKey{}).(carrier); ok {
		// The browser keeps it for as long as the session may live at all: a tab
		// that only listens to its stream gets no new one, see Attend.
		s.sessions.WriteSessionCookie(ctx, c.header, token, s.sessions.Deadline(ctx))
	}
	return nil
}

// touch moves on the end of the session with this token. It makes none: one that
// was signed out a moment ago must not come back.
func (s *Service) touch(ctx context.Context, w http.ResponseWriter, token string) error {
	x, err := s.st.Session(ctx, sessionHash(token))
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	c, _ := ctx.Value(carrierKey{}).(carrier)
	if err := s.move(ctx, x, touchEvery, address(c.remote)); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	s.sessions.WriteSessionCookie(ctx, w, token, s.sessions.Deadline(ctx))
	return nil
}

// Attend looks after the sessions of open streams, given by their hashes: each
// is used, so its end is moved on; and the streams of those that are gone, also
// when that was done at another node, are ended.
func (s *Service) Attend(ctx context.Context, open []string) error {
	if len(open) == 0 {
		return nil
	}
	all, err := s.st.Sessions(ctx)
	if err != nil {
		return fmt.Errorf("look after sessions: %w", err)
	}
	there := make(map[string]Session, len(all))
	for _, x := range all {
		there[x.Token] = x
	}
	var errs []error
	for _, hash := range open {
		x, ok := there[hash]
		if !ok {
			if s.o.SessionEnded != nil {
				s.o.SessionEnded(hash)
			}
			continue
		}
		errs = append(errs, s.move(ctx, x, attendEvery, ""))
	}
	return errors.Join(errs...)
}

// attendEvery is how often a stream alone moves its session on.
const attendEvery = 30 * time.Minute

// move moves a session's end on, unless that was done less than every ago. from is
// where it was used, empty where that is not known.
func (s *Service) move(ctx context.Context, x Session, every time.Duration, from string) error {
	deadline, values, err := jsonCodec{}.Decode(x.Data)
	if err != nil {
		return err
	}
	now := s.o.Now()
	text, _ := values[keyTouched].(string)
	touched, _ := strconv.ParseInt(text, 10, 64)
	if now.Sub(time.Unix(touched, 0)) < every {
		return nil
	}
	values[keyTouched] = strconv.FormatInt(now.Unix(), 10)
	if from != "" {
		values[keyAddress] = from
	}
	if x.Data, err = (jsonCodec{}).Encode(deadline, values); err != nil {
		return err
	}
	if x.Expires = now.Add(idleTimeout); x.Expires.After(deadline) {
		x.Expires = deadline
	}
	return s.st.MoveSession(ctx, x)
}

// start begins the session of a user who just signed in.
func (s *Service) start(ctx context.Context, u User, by Way) error {
	c, ok := ctx.Value(carrierKey{}).(carrier)
	if !ok {
		return nil // a check of name and password alone
	}
	if old, ok := From(ctx); ok && old.Session != "" && s.o.SessionEnded != nil {
		defer s.o.SessionEnded(old.Session)
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	s.sessions.Put(ctx, keyUser, u.ID)
	s.sessions.Put(ctx, keyStamp, stamp(u))
	now := strconv.FormatInt(s.o.Now().Unix(), 10)
	for key, text := range map[string]string{keyWay: string(by), keyBegun: now, keyConfirmed: now, keyAgent: c.agent, keyAddress: address(c.remote)} {
		s.sessions.Put(ctx, key, text)
	}
	if c.of != "" {
		s.sessions.Put(ctx, keyProvided, c.of)
	}
	if s.o.Secure {
		s.sessions.Put(ctx, keyHost, "yes")
	}
	s.dropStep(ctx)
	return s.commit(ctx)
}

// SignOut ends the session of the request, its cookie and its streams.
func (s *Service) SignOut(ctx context.Context) error {
	c, ok := ctx.Value(carrierKey{}).(carrier)
	if !ok {
		return nil
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.sessions.WriteSessionCookie(ctx, c.header, "", time.Time{})
	if p, ok := From(ctx); ok && p.UserID != "" {
		e := audit.Entry{Action: "session.signed_out", Subject: audit.Subject{Kind: "user", ID: p.UserID, Name: p.Label()}}
		if err := s.st.Record(ctx, e); err != nil {
			return fmt.Errorf("write a sign-out into the audit trail: %w", err)
		}
	}
	if p, ok := From(ctx); ok && p.Session != "" && s.o.SessionEnded != nil {
		s.o.SessionEnded(p.Session)
	}
	return nil
}

// agentOf is what the browser calls itself, cut to what anybody needs of it.
func agentOf(r *http.Request) string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, r.UserAgent())
	return text[:min(len(text), 300)]
}

// address is a remote address without its port.
func address(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("").String()
	}
	if len(remote) > 64 {
		return ""
	}
	return remote
}

// stamp binds a session to the password and role it was made under: after a
// change it is void, even where its row was written back by a request under way.
func stamp(u User) string { return Hash(u.PasswordHash + "\x00" + string(u.Role))[:16] }

// sessionStore lets scs keep its sessions in our store.
type sessionStore struct{ st Store }

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	x, err := s.st.Session(ctx, token)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return x.Data, true, nil
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	_, values, err := jsonCodec{}.Decode(data)
	if err != nil {
		return err
	}
	user, _ := values[keyUser].(string)
	return s.st.SaveSession(ctx, Session{Token: token, UserID: user, Data: data, Expires: expires})
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.st.DeleteSession(ctx, token)
}

// The methods without a context complete scs.Store; scs prefers the others.

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// jsonCodec keeps sessions legible, and free of gob's types.
type jsonCodec struct{}

type sessionData struct {
	Deadline int64             `json:"deadline"` // Unix seconds
	Values   map[string]string `json:"values"`
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{Deadline: deadline.Unix(), Values: make(map[string]string, len(values))}
	for k, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("session value %s is a %T, only texts are kept", k, v)
		}
		d.Values[k] = text
	}
	return json.Marshal(d)
}

func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, fmt.Errorf("read session: %w", err)
	}
	values := make(map[string]any, len(d.Values))
	for k, v := range d.Values {
		values[k] = v
	}
	return time.Unix(d.Deadline, 0).UTC(), values, nil
}
