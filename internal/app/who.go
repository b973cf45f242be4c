package app

import (
	"context"
	"fmt"

	"tocsin/internal/auth"
	"tocsin/internal/auth/oidc"
	"tocsin/internal/auth/passkey"
	"tocsin/internal/health"
	"tocsin/internal/web/console"
)

// keyFacts are the API keys that have an end.
func (a *App) keyFacts(ctx context.Context) (out []health.Key) {
	all, err := a.db.APIKeys(ctx)
	if err != nil {
		return nil // without the database, its part says so
	}
	for _, k := range all {
		if !k.ExpiresAt.IsZero() && k.RevokedAt.IsZero() {
			out = append(out, health.Key{Name: k.Name, Expires: k.ExpiresAt, LastUsed: k.LastUsedAt})
		}
	}
	return out
}

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
