package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"tocsin/internal/auth/oidc"
	provider "tocsin/test/oidc"
)

// start answers a provider and its client, which waits for it within a time.
func start(t *testing.T, within time.Duration) (*provider.Provider, *oidc.Provider) {
	t.Helper()
	p := provider.New(t, "tocsin", "secret")
	p.Be(provider.Person{Subject: "1", Name: "anna", Groups: []string{"ops"}, Beside: true})
	c := oidc.New(oidc.Config{Issuer: p.Issuer(), ClientID: "tocsin", ClientSecret: "secret", RedirectURL: "http://localhost/back", Claim: "groups", Within: within})
	t.Cleanup(c.Close)
	return p, c
}

// through goes the whole way of a sign-in.
func through(ctx context.Context, c *oidc.Provider) error {
	to, ask, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return err
	}
	_, err = c.Finish(ctx, ask, back.Query())
	return err
}

func TestAProviderThatHangsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, where := range []provider.Misbehaviour{provider.HangsFirst, provider.Hangs, provider.HangsKeys, provider.HangsLast} {
		t.Run(string(where), func(t *testing.T) {
			t.Parallel()
			p, c := start(t, 2*time.Second)
			p.Do(where)
			err := through(t.Context(), c)
			var e *oidc.Error
			if !errors.As(err, &e) || e.Problem == "" || e.Mend == "" {
				t.Fatalf("%v", err)
			}
			select {
			case <-p.Hung():
			default:
				t.Error("it was not asked")
			}
		})
	}
}

// Strangers who begin sign-ins while the provider hangs are one question to it, and
// stand in nobody's way.
func TestManyWaitForOneAnswer(t *testing.T) {
	t.Parallel()
	p, c := start(t, time.Hour)
	p.Do(provider.HangsFirst)
	var all sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	for range 20 {
		all.Go(func() {
			var e *oidc.Error
			if _, _, err := c.Begin(ctx); !errors.As(err, &e) || !e.Away {
				t.Errorf("who goes away: %v", err)
			}
		})
	}
	<-p.Hung()
	if to := c.EndURL("http://localhost/"); to != "" {
		t.Errorf("where to sign out is known before it was said: %s", to)
	}
	leave()
	all.Wait() // though the provider goes on saying nothing
	select {
	case <-p.Hung():
		t.Error("it was asked more than once")
	default:
	}
}
