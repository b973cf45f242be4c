package app

import (
	"context"
	"fmt"

	"tocsin/internal/auth"
	"tocsin/internal/auth/oidc"
	"tocsin/internal/auth/passkey"
	"tocsin/internal/web/console"
)

// who adds the ways in besides passwords to what auth needs.
func (a *App) who(o auth.Options) auth.Options {
	o.Passkeys, o.PasskeysOff = passkey.New(a.cfg.BaseURL)
	o.NeedsPasskey = func(ctx context.Context, r auth.Role) (bool, error) {
		s, err := a.db.Settings(ctx)
		if err != nil {
			return false, fmt.Errorf("read settings: %w", err)
		}
		return s.NeedsPasskey(string(r)), nil
	}
	if p := a.cfg.OIDC; p.On() {
		a.provider = oidc.New(oidc.Config{
			Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: a.cfg.BaseURL + console.ProviderBack,
			Scopes: p.Scopes, Claim: p.RoleClaim,
		})
		o.Provider = &auth.Provider{Provider: a.provider, Issuer: p.Issuer, Name: p.Name, Mapped: p.Mapped(), Role: func(groups []string) auth.Role { return auth.Role(p.Role(groups)) }}
	}
	return o
}
