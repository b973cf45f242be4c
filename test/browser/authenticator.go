package browser

import (
	"context"
	"errors"
	"fmt"
)

// Authenticator is a virtual one in a tab of Chromium: a device that keeps passkeys and
// is touched whenever it is asked.
type Authenticator struct {
	tab *chromiumTab
	id  string
}

// Passkey is one that an Authenticator keeps, as the DevTools protocol has it.
type Passkey struct {
	CredentialID         string `json:"credentialId"`
	IsResidentCredential bool   `json:"isResidentCredential"`
	RPID                 string `json:"rpId"`
	PrivateKey           string `json:"privateKey"`
	UserHandle           string `json:"userHandle,omitempty"`
	SignCount            int    `json:"signCount"`
}

// Plug gives a tab an authenticator that verifies its user.
func Plug(ctx context.Context, t Tab) (*Authenticator, error) {
	tab, ok := t.(*chromiumTab)
	if !ok {
		return nil, errors.New("only Chromium has virtual authenticators")
	}
	if err := tab.send(ctx, "WebAuthn.enable", map[string]any{"enableUI": false}, nil); err != nil {
		return nil, fmt.Errorf("enable authenticators: %w", err)
	}
	var r struct{ AuthenticatorID string }
	err := tab.send(ctx, "WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
	}}, &r)
	if err != nil {
		return nil, fmt.Errorf("add an authenticator: %w", err)
	}
	return &Authenticator{tab, r.AuthenticatorID}, nil
}

// Verifies says whether it verifies its user from now on.
func (a *Authenticator) Verifies(ctx context.Context, yes bool) error {
	return a.tab.send(ctx, "WebAuthn.setUserVerified", map[string]any{"authenticatorId": a.id, "isUserVerified": yes}, nil)
}

// Passkeys are those that it keeps.
func (a *Authenticator) Passkeys(ctx context.Context) ([]Passkey, error) {
	var r struct{ Credentials []Passkey }
	err := a.tab.send(ctx, "WebAuthn.getCredentials", map[string]any{"authenticatorId": a.id}, &r)
	return r.Credentials, err
}

// Put gives it a passkey, in the place of the one with this id.
func (a *Authenticator) Put(ctx context.Context, p Passkey) error {
	if err := a.tab.send(ctx, "WebAuthn.removeCredential", map[string]any{"authenticatorId": a.id, "credentialId": p.CredentialID}, nil); err != nil {
		return fmt.Errorf("remove a passkey: %w", err)
	}
	return a.tab.send(ctx, "WebAuthn.addCredential", map[string]any{"authenticatorId": a.id, "credential": p}, nil)
}

// Clear has it forget all.
func (a *Authenticator) Clear(ctx context.Context) error {
	return a.tab.send(ctx, "WebAuthn.clearCredentials", map[string]any{"authenticatorId": a.id}, nil)
}
