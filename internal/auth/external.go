package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"tocsin/internal/auth/oidc"
	"tocsin/internal/fault"
)

// ProviderError is a sign-in by the provider that came to nothing, in words for people.
type ProviderError = oidc.Error

// Provider is the OpenID provider by which people sign in.
type Provider struct {
	*oidc.Provider
	Issuer string
	Name   string // for people
	// Mapped says that the provider's groups say who is what; Role is what somebody of
	// these groups is, empty: nothing.
	Mapped bool
	Role   func(groups []string) Role
}

// ProviderName is what the provider is called; empty: there is none.
func (s *Service) ProviderName() string {
	if s.o.Provider == nil {
		return ""
	}
	return s.o.Provider.Name
}

// ProviderEnd is where somebody signs out at the provider; empty where that is not
// known.
func (s *Service) ProviderEnd(back string) string {
	if s.o.Provider == nil {
		return ""
	}
	return s.o.Provider.EndURL(back)
}

// sent is what is kept while a browser is at the provider.
type sent struct {
	Ask  string `json:"ask"`
	Next string `json:"next"`
	Link string `json:"link,omitempty"` // id of the user who wants to link an account
}

// BeginProvider answers where the browser is sent to sign in, and comes back with a
// query for FinishProvider. next is where the sign-in leads. With link, who is signed
// in wants to link an account. *ProviderError, *LimitError, ErrConfirm.
func (s *Service) BeginProvider(ctx context.Context, next string, link bool, remote string) (to string, err error) {
	if s.o.Provider == nil {
		return "", &ProviderError{Problem: "This hub has no sign-in provider.", Mend: "Sign in with your name and password."}
	}
	x := sent{Next: next}
	if link {
		p, _ := From(ctx)
		if !s.Recently(p) {
			return "", ErrConfirm
		}
		x.Link = p.UserID
	}
	if err := s.mayBegin(remote); err != nil {
		return "", err
	}
	to, ask, err := s.o.Provider.Begin(ctx)
	if err != nil {
		return "", s.logged(err, remote)
	}
	x.Ask = ask.Text()
	body, err := json.Marshal(x)
	if err != nil {
		return "", fmt.Errorf("write a sign-in under way: %w", err)
	}
	browser, ctx := s.browser(ctx, false)
	return to, s.keep(ctx, stepProvider, browser, ask.State, x.Link, string(body))
}

// Came is what became of a sign-in by the provider.
type Came struct {
	User User
	Next string
	Link string // an account that is to be linked, by its name; nobody was signed in
}

// FinishProvider ends a sign-in by the provider. A user is found by issuer and subject
// alone, never by a name or an address; one who is not known is made, with the role
// that the groups say. *ProviderError, *LimitError.
func (s *Service) FinishProvider(ctx context.Context, query url.Values, remote string) (Came, error) {
	if s.o.Provider == nil {
		return Came{}, &ProviderError{Problem: "This hub has no sign-in provider.", Mend: "Sign in with your name and password."}
	}
	from := remoteKey(remote)
	if wait, ok := s.byRemote.take(from, s.o.Now()); !ok {
		return Came{}, &LimitError{wait}
	}
	state := query.Get("state")
	if state == "" || len(state) > 100 {
		return Came{}, &ProviderError{Problem: "This sign-in was not begun in this browser.", Mend: "Begin again."}
	}
	step, err := s.take(ctx, stepProvider, state)
	if errors.Is(err, ErrStep) {
		return Came{}, &ProviderError{Problem: "This sign-in took too long, or was begun in another browser.", Mend: "Begin again."}
	}
	if err != nil {
		return Came{}, err
	}
	var x sent
	if err := json.Unmarshal([]byte(step.Body), &x); err != nil {
		return Came{}, fmt.Errorf("read a sign-in under way: %w", err)
	}
	ask, err := oidc.ReadAsk(x.Ask)
	if err != nil {
		return Came{}, err
	}
	who, err := s.o.Provider.Finish(ctx, ask, query)
	if err != nil {
		s.refuse(ctx, User{}, ByProvider, remote, "the provider's answer was not taken")
		return Came{}, s.logged(err, remote)
	}
	if x.Link != "" {
		err = s.offerLink(ctx, x.Link, who)
		s.byRemote.giveBack(from)
		return Came{Next: x.Next, Link: who.Name}, err
	}
	u, err := s.userOf(ctx, who, remote)
	if err != nil {
		return Came{}, err
	}
	s.byRemote.giveBack(from)
	if c, ok := ctx.Value(carrierKey{}).(carrier); ok {
		c.of = providedHash(who.Session)
		ctx = context.WithValue(ctx, carrierKey{}, c)
	}
	u, err = s.enter(ctx, u, ByProvider, remote)
	return Came{User: u, Next: x.Next}, err
}

// logged writes why a provider's answer was not taken; people are told less.
func (s *Service) logged(err error, remote string) error {
	s.o.Log.Warn("sign-in by the provider failed", "remote", remoteKey(remote), "error", err)
	return err
}

// userOf answers the user of an account, with the role that it has now.
func (s *Service) userOf(ctx context.Context, who oidc.Who, remote string) (User, error) {
	role := s.o.Provider.Role(who.Groups)
	known, err := s.st.Identity(ctx, who.Issuer, who.Subject)
	if errors.Is(err, fault.ErrNotFound) {
		u, err := s.newcomer(ctx, who, role, remote)
		if !errors.Is(err, errKnown) {
			return u, err
		}
		known, err = s.st.Identity(ctx, who.Issuer, who.Subject)
		if err != nil {
			return User{}, err
		}
	} else if err != nil {
		return User{}, err
	}
	u, err := s.st.UserByID(ctx, known.UserID)
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %w", known.UserID, err)
	}
	if u.Disabled {
		s.refuse(ctx, u, ByProvider, remote, "the user is disabled")
		return User{}, &ProviderError{Problem: "You may not sign in here any more.", Mend: "An administrator of this hub can change that."}
	}
	if s.o.Provider.Mapped && role != u.Role {
		if u, err = s.become(ctx, u, role, remote); err != nil {
			return User{}, err
		}
	}
	if err := s.st.UseIdentity(ctx, who.Issuer, who.Subject, who.Name, s.o.Now()); err != nil {
		return User{}, err
	}
	return u, nil
}

// nobody refuses somebody whom no group makes anything.
func (s *Service) nobody(who oidc.Who) error {
	name := who.Name
	if name == "" {
		name = "that account"
	}
	return &ProviderError{
		Problem: "You are signed in at " + s.o.Provider.Name + " as " + name + ", but none of your groups there may use this hub.",
		Mend:    "Ask whoever runs it to put you into one of them.",
	}
}

// become gives a user the role that the provider's groups say. Sessions under the one
// before end.
func (s *Service) become(ctx context.Context, u User, role Role, remote string) (User, error) {
	if role == "" {
		s.refuse(ctx, u, ByProvider, remote, "no group of the account may sign in")
		return u, errors.Join(s.endSessions(ctx, u.ID), s.nobody(oidc.Who{Name: u.Name}))
	}
	after, err := s.ChangeUser(ctx, u.ID, UserChange{Role: &role})
	var last *FieldError
	if errors.As(err, &last) {
		return u, &ProviderError{
			Problem: "Your groups make you " + string(role) + ", and you are the last administrator of this hub.",
			Mend:    "Make another administrator first; your password, if you have one, still signs in.",
		}
	}
	return after, err
}

// errKnown says that an account was linked meanwhile.
var errKnown = errors.New("the account is known")

// newcomer makes the user of an account that is not known.
func (s *Service) newcomer(ctx context.Context, who oidc.Who, role Role, remote string) (User, error) {
	if role == "" {
		s.refuse(ctx, User{}, ByProvider, remote, "no group of the account may sign in")
		return User{}, s.nobody(who)
	}
	now := s.o.Now()
	u := User{ID: newID(), Role: role, DisplayName: who.Display, CreatedAt: now}
	i := Identity{Issuer: who.Issuer, Subject: who.Subject, UserID: u.ID, Name: who.Name, Made: now, LastUsed: now}
	base := plainName(who.Name)
	for n := 1; n <= 50; n++ {
		// A name that is somebody's here is not theirs because it is the same there.
		if u.Name = base; n > 1 {
			u.Name = base + "-" + strconv.Itoa(n)
		}
		err := s.st.AddIdentity(ctx, i, &u)
		if err == nil {
			s.o.Log.Info("user made at the first sign-in by the provider", "user_id", u.ID, "role", string(role))
			return u, nil
		}
		if !errors.Is(err, fault.ErrTaken) {
			return User{}, err
		}
		if _, err := s.st.Identity(ctx, who.Issuer, who.Subject); err == nil {
			return User{}, errKnown // in two tabs at once
		}
	}
	return User{}, fmt.Errorf("make a user for an account of the provider: %w", fault.ErrTaken)
}

// plainName makes a name of ours of what the provider calls somebody.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune("._@-", r):
			return r
		case r == ' ':
			return '.'
		}
		return -1
	}, strings.ToLower(name))
	if name = name[:min(len(name), 58)]; name == "" {
		return "user"
	}
	return name
}

// offer is an account that is to be linked, once its owner says so.
type offer struct {
	Issuer, Subject, Name string
}

func (s *Service) offerLink(ctx context.Context, userID string, who oidc.Who) error {
	p, ok := From(ctx)
	if !ok || p.UserID != userID {
		return &ProviderError{Problem: "Somebody else is signed in here now than when this began.", Mend: "Begin again on the page of your account."}
	}
	body, err := json.Marshal(offer{who.Issuer, who.Subject, who.Name})
	if err != nil {
		return fmt.Errorf("write an account that is to be linked: %w", err)
	}
	browser, ctx := s.browser(ctx, false)
	return s.keep(ctx, stepLink, browser, "", userID, string(body))
}

// LinkOffered answers the name of the account that the user of the session may link
// now; ErrStep when there is none.
func (s *Service) LinkOffered(ctx context.Context, userID string) (string, error) {
	x, err := s.at(ctx, stepLink)
	if err != nil {
		return "", err
	}
	var o offer
	if err := json.Unmarshal([]byte(x.Body), &o); err != nil {
		return "", fmt.Errorf("read an account that is to be linked: %w", err)
	}
	if x.UserID != userID {
		return "", ErrStep
	}
	return o.Name, nil
}

// TakeLink links it. ErrStep; *FieldError when it is somebody's.
func (s *Service) TakeLink(ctx context.Context, userID string) error {
	x, err := s.take(ctx, stepLink, "")
	if err != nil {
		return err
	}
	if x.UserID != userID {
		return ErrStep
	}
	var o offer
	if err := json.Unmarshal([]byte(x.Body), &o); err != nil {
		return fmt.Errorf("read an account that is to be linked: %w", err)
	}
	s.dropStep(ctx)
	return s.link(ctx, userID, Identity{Issuer: o.Issuer, Subject: o.Subject, Name: o.Name})
}

// LinkSubject links an account of the provider to a user by its subject, for an
// administrator. *FieldError when it is somebody's, or there is no provider.
func (s *Service) LinkSubject(ctx context.Context, userID, subject string) error {
	if s.o.Provider == nil {
		return &FieldError{"subject", "cannot be linked", "set up a sign-in provider first"}
	}
	subject = strings.TrimSpace(subject)
	if err := checkLabel("subject", subject, 1, 255); err != nil {
		return err
	}
	return s.link(ctx, userID, Identity{Issuer: s.o.Provider.Issuer, Subject: subject, Name: subject})
}

func (s *Service) link(ctx context.Context, userID string, i Identity) error {
	i.UserID, i.Made = userID, s.o.Now()
	err := s.st.AddIdentity(ctx, i, nil)
	if errors.Is(err, fault.ErrTaken) {
		return &FieldError{"subject", "is the account of a user already", "unlink it there first, or delete that user"}
	}
	return err
}

// Unlink ends that an account signs in as a user, and the sessions that began so. Who
// has no other way in keeps it.
func (s *Service) Unlink(ctx context.Context, userID, issuer, subject string, byAdmin bool) error {
	u, err := s.st.UserByID(ctx, userID)
	if err != nil {
		return fmt.Errorf("look up user %q: %w", userID, err)
	}
	f, err := s.FactorsOf(ctx, userID)
	if err != nil {
		return err
	}
	if !byAdmin && u.PasswordHash == "" && len(f.Passkeys) == 0 && len(f.Accounts) == 1 {
		return &FieldError{"account", "this is the only way in", "add a passkey first"}
	}
	if err := s.st.DeleteIdentity(ctx, userID, issuer, subject); err != nil {
		return err
	}
	_, err = s.endThose(ctx, userID, "", func(x Session) bool {
		_, values, err := jsonCodec{}.Decode(x.Data)
		me, _ := From(ctx)
		return err == nil && values[keyWay] == string(ByProvider) && x.Token != me.Session
	})
	return err
}
