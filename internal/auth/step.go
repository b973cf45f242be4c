package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tocsin/internal/fault"
)

// stepFor is for how long a sign-in, or a ceremony, may be under way.
const stepFor = 10 * time.Minute

// The kinds of steps.
const (
	stepSecond    = "second"    // the password was right
	stepChallenge = "challenge" // a passkey was asked for
	stepProvider  = "provider"  // the browser is at the provider
	stepLink      = "link"      // the provider said who somebody is, who is signed in here
	stepLogout    = "logout"    // a logout token that was used
)

// ErrStep is a step that there is not: it took too long, was taken before, or belongs
// to another browser.
var ErrStep = errors.New("this sign-in is not under way any more")

// StepCookie is the name of the cookie that binds a sign-in under way to its browser.
func (s *Service) StepCookie() string {
	if s.o.Secure {
		return "__Host-tocsin_step" // browsers let no neighbour set it
	}
	return "tocsin_step"
}

func (s *Service) stepOf(r *http.Request) string {
	c, err := r.Cookie(s.StepCookie())
	if err != nil || len(c.Value) != len("st_")+43 {
		return ""
	}
	return c.Value
}

// browser answers what binds a step to this browser, and gives it one where it has
// none or another one is wanted.
func (s *Service) browser(ctx context.Context, fresh bool) (string, context.Context) {
	c, _ := ctx.Value(carrierKey{}).(carrier)
	if c.step != "" && !fresh {
		return c.step, ctx
	}
	c.step, _, _ = NewToken("st_")
	s.setStep(c, c.step, int(stepFor/time.Second)+60)
	return c.step, context.WithValue(ctx, carrierKey{}, c)
}

func (s *Service) dropStep(ctx context.Context) {
	if c, ok := ctx.Value(carrierKey{}).(carrier); ok && c.step != "" {
		s.setStep(c, "", -1)
	}
}

func (s *Service) setStep(c carrier, value string, age int) {
	if c.header == nil {
		return
	}
	http.SetCookie(c.header, &http.Cookie{ //nolint:gosec // Secure where browsers come by https
		// Lax: the way back from the provider is a link of another site.
		Name: s.StepCookie(), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.o.Secure, MaxAge: age,
	})
}

// stepHash is what a step is known by: its kind, its browser, and what it was sent
// away with, if that was something.
func stepHash(kind, browser, more string) string {
	return Hash(kind + "\x00" + browser + "\x00" + more)
}

// keep keeps a step of this browser. One of the same kind is over with it.
func (s *Service) keep(ctx context.Context, kind, browser, more, userID, body string) error {
	return s.st.SaveStep(ctx, Step{Hash: stepHash(kind, browser, more), Kind: kind, UserID: userID, Body: body, Expires: s.o.Now().Add(stepFor)})
}

// at answers this browser's step of a kind, and leaves it; ErrStep.
func (s *Service) at(ctx context.Context, kind string) (Step, error) {
	c, _ := ctx.Value(carrierKey{}).(carrier)
	if c.step == "" {
		return Step{}, ErrStep
	}
	x, err := s.st.Step(ctx, stepHash(kind, c.step, ""), kind)
	return x, stepErr(err)
}

// take is at, once.
func (s *Service) take(ctx context.Context, kind, more string) (Step, error) {
	c, _ := ctx.Value(carrierKey{}).(carrier)
	if c.step == "" {
		return Step{}, ErrStep
	}
	x, err := s.st.TakeStep(ctx, stepHash(kind, c.step, more), kind)
	return x, stepErr(err)
}

func stepErr(err error) error {
	if errors.Is(err, fault.ErrNotFound) {
		return ErrStep
	}
	if err != nil {
		return fmt.Errorf("look up a sign-in under way: %w", err)
	}
	return nil
}

// mayBegin bounds what strangers may begin, each of which is a row for some minutes.
func (s *Service) mayBegin(remote string) error {
	now, from := s.o.Now(), remoteKey(remote)
	if wait, ok := s.begun.take(from, now); !ok {
		return &LimitError{wait}
	}
	if wait, ok := s.allBegun.take("", now); !ok {
		return &LimitError{wait}
	}
	return nil
}
