package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Out is who signed out at the provider, as a logout token says it: an account, one of
// its sessions there, or both.
type Out struct {
	Issuer  string
	Subject string
	Session string
	ID      string // the token's own: it counts once
}

// OutFor is for how long a logout token counts after it was made.
const OutFor = 5 * time.Minute

// outEvent is what a logout token is about, and no other token is.
const outEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout verifies a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6), which
// the provider sends by itself: its signature, issuer, audience and times as those of an
// ID token, and that it is none. *Error.
func (p *Provider) Logout(ctx context.Context, raw string) (Out, error) {
	f, err := p.discover(ctx)
	if err != nil {
		return Out{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.c.Within)
	defer cancel()
	t, err := f.verifier.Verify(oidc.ClientContext(ctx, p.client), raw)
	if err != nil {
		return Out{}, unbelieved(err)
	}
	var said struct {
		Events  map[string]json.RawMessage `json:"events"`
		Session string                     `json:"sid"`
		ID      string                     `json:"jti"`
		Nonce   json.RawMessage            `json:"nonce"`
	}
	if err := t.Claims(&said); err != nil {
		return Out{}, unbelieved(errors.New("its claims cannot be read"))
	}
	now := p.c.Now()
	switch _, out := said.Events[outEvent]; {
	case !out, said.Nonce != nil:
		err = errors.New("it is no logout token")
	case said.ID == "" || len(said.ID) > 255:
		err = errors.New("it has no usable id")
	case t.Subject == "" && said.Session == "":
		err = errors.New("it says of nobody that they signed out")
	case t.IssuedAt.After(now.Add(skew)), t.IssuedAt.Before(now.Add(-OutFor)):
		err = errors.New("it was not made just now")
	}
	if err != nil {
		return Out{}, unbelieved(err)
	}
	return Out{Issuer: p.c.Issuer, Subject: t.Subject, Session: said.Session, ID: said.ID}, nil
}
