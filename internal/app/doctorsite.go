package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth/oidc"
	"tocsin/internal/cert"
	"tocsin/internal/config"
	"tocsin/internal/doctor"
	"tocsin/internal/guard"
	"tocsin/internal/web/console"
)

// around are the checks of what the configuration names besides the database.
func around(cfg *config.Config) []doctor.Check {
	var checks []doctor.Check
	if cfg.TLSCert != "" {
		checks = append(checks, doctor.Check{ID: "certificate", Group: doctor.GroupSite, Title: "Certificate", Slow: "look at the disk that its files are on",
			Look: func(context.Context) doctor.Verdict { return certificate(cfg, time.Now()) }})
	}
	if cfg.OIDC.On() {
		checks = append(checks, doctor.Check{ID: "sign-in", Group: doctor.GroupSite, Title: "Sign-in provider", Slow: "look whether the provider runs, and at the firewall between",
			Look: func(ctx context.Context) doctor.Verdict { return provider(ctx, cfg) }})
	}
	return checks
}

// certificate reads the files that https is spoken with.
func certificate(cfg *config.Config, now time.Time) doctor.Verdict {
	files, err := cert.NewFiles(cfg.TLSCert, cfg.TLSKey, slog.New(slog.DiscardHandler))
	if err != nil {
		return doctor.Bad("TOCSIN_TLS_CERT and TOCSIN_TLS_KEY: "+err.Error(), "give the certificate with its chain, and the key that it was made for, as PEM files that the hub's user may read")
	}
	states := files.States()
	if len(states) == 0 {
		return doctor.Unseen("it says nothing of itself")
	}
	s := states[0]
	if v := doctor.Expiry(s.Until, now); v.Result != doctor.OK {
		v.Detail = strings.Replace(v.Detail, "its certificate", cfg.TLSCert, 1)
		return v
	}
	if u, err := url.Parse(cfg.BaseURL); err == nil && !slices.ContainsFunc(s.Hosts, func(h string) bool { return covers(h, u.Hostname()) }) {
		return doctor.Bad(fmt.Sprintf("%s is for %s, and people come to %s", cfg.TLSCert, strings.Join(s.Hosts, ", "), u.Hostname()), "have one made for that name, or write the name that it is for into TOCSIN_BASE_URL")
	}
	return doctor.Good("%s is good until %s", cfg.TLSCert, s.Until.UTC().Format("2 January 2006"))
}

// covers says whether a name in a certificate stands for a host.
func covers(name, host string) bool {
	if rest, wild := strings.CutPrefix(name, "*."); wild {
		_, parent, _ := strings.Cut(host, ".")
		return strings.EqualFold(rest, parent)
	}
	return strings.EqualFold(name, host)
}

// provider asks the sign-in provider what it says of itself, as the hub does.
func provider(ctx context.Context, cfg *config.Config) doctor.Verdict {
	p := oidc.New(oidc.Config{Issuer: cfg.OIDC.Issuer, ClientID: cfg.OIDC.ClientID, RedirectURL: cfg.BaseURL + console.ProviderBack, Scopes: cfg.OIDC.Scopes, Claim: cfg.OIDC.RoleClaim})
	defer p.Close()
	err := p.Check(ctx)
	var e *oidc.Error
	switch {
	case err == nil:
		return doctor.Good("%s answers", cfg.OIDC.Issuer)
	case errors.As(err, &e) && !e.Away:
		return doctor.Bad(e.Problem+" ("+e.Cause.Error()+")", e.Mend)
	case errors.As(err, &e):
		return doctor.Bad(fmt.Sprintf("%s does not answer as a provider: %v", cfg.OIDC.Issuer, e.Cause), "open "+strings.TrimRight(cfg.OIDC.Issuer, "/")+"/.well-known/openid-configuration from this machine; until it answers, people sign in by password")
	}
	return doctor.Bad(err.Error(), "compare TOCSIN_OIDC_ISSUER with what the provider says")
}

// outside looks whether the address can be reached that is told while all is well.
func (p *patient) outside(ctx context.Context) doctor.Verdict {
	address, err := p.db.PingURL(ctx)
	if err != nil {
		return unread(err)
	}
	if address = cmp.Or(address, p.cfg.Observe.PingURL); address == "" {
		return doctor.Good("nobody outside is told that all is well; see docs/heartbeat.md")
	}
	u, err := url.Parse(strings.ReplaceAll(address, config.PingStatus, "up"))
	if err != nil || u.Host == "" {
		return doctor.Bad("its address is none", "enter it anew in the settings, or as TOCSIN_PING_URL")
	}
	w := doctor.Way{Guarded: true, Allow: p.cfg.Observe.PingPrivate, Proxy: p.push.proxy()}
	if expires, err := w.Knock(ctx, u); errors.Is(err, guard.ErrForbidden) {
		return doctor.Bad(u.Host+" is no public address", "name its network in TOCSIN_PING_PRIVATE")
	} else if v, ok := reached(u, expires, err); !ok {
		return v
	}
	return doctor.Good("%s can be reached", u.Host)
}
