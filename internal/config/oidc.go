package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// OIDC is the provider by which people sign in. It is off without an Issuer.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string // a secret; empty: none
	Name         string // on the button: "Sign in with NAME"
	Scopes       []string
	RoleClaim    string
	// Groups are the groups that make somebody something, by role.
	Groups map[string][]string
	// DefaultRole is the role of somebody in none of them; empty: they are refused.
	DefaultRole string
}

// On says whether there is a provider.
func (o OIDC) On() bool { return o.Issuer != "" }

// Mapped says whether the provider says who is what. Else its users begin with the
// default role, and an administrator gives them another one.
func (o OIDC) Mapped() bool {
	for _, g := range o.Groups {
		if len(g) > 0 {
			return true
		}
	}
	return false
}

// Role is what somebody of these groups is: the most that any of them makes; empty:
// nothing.
func (o OIDC) Role(groups []string) string {
	for _, role := range oidcRoles() {
		for _, g := range o.Groups[role] {
			if slices.Contains(groups, g) {
				return role
			}
		}
	}
	return o.DefaultRole
}

// oidcRoles are the roles, the most powerful first.
func oidcRoles() []string { return []string{"admin", "operator", "responder", "viewer"} }

// oidc reads the keys of the provider.
func oidc(f found) (OIDC, error) {
	issuer := f.get("TOCSIN_OIDC_ISSUER")
	o := OIDC{
		Issuer: issuer.text, ClientID: f.get("TOCSIN_OIDC_CLIENT_ID").text, ClientSecret: f.get("TOCSIN_OIDC_CLIENT_SECRET").text,
		Name: f.get("TOCSIN_OIDC_NAME").text, Scopes: strings.Fields(strings.ReplaceAll(f.get("TOCSIN_OIDC_SCOPES").text, ",", " ")),
		RoleClaim: f.get("TOCSIN_OIDC_ROLE_CLAIM").text, Groups: map[string][]string{},
	}
	if o.Issuer == "" {
		for _, key := range Keys() {
			if strings.HasPrefix(key, "TOCSIN_OIDC_") && f.given(key) {
				return o, &Error{f[key].where, key, "is given without TOCSIN_OIDC_ISSUER", "name the provider, or leave all of them out"}
			}
		}
		return OIDC{}, nil
	}
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || (u.Scheme != "https" && (u.Scheme != "http" || !thisMachine(u.Hostname()))) {
		return o, &Error{issuer.where, "TOCSIN_OIDC_ISSUER", fmt.Sprintf("%q is no issuer", o.Issuer), "write what the provider's discovery document has as issuer, https://…; http only for one on this machine"}
	}
	if o.ClientID == "" {
		return o, &Error{issuer.where, "TOCSIN_OIDC_CLIENT_ID", "is not given", "register this hub at the provider and give the id that it gets there"}
	}
	if name := f.get("TOCSIN_OIDC_NAME"); len([]rune(name.text)) > 60 {
		return o, &Error{name.where, "TOCSIN_OIDC_NAME", "is too long", "shorten it to 60 characters; it stands on a button"}
	}
	for _, role := range oidcRoles() {
		o.Groups[role] = groupList(f.get("TOCSIN_OIDC_" + strings.ToUpper(role) + "_GROUPS").text)
	}
	role := f.get("TOCSIN_OIDC_DEFAULT_ROLE")
	if o.DefaultRole = role.text; o.DefaultRole == "none" {
		o.DefaultRole = ""
	}
	if o.DefaultRole != "" && !slices.Contains(oidcRoles(), o.DefaultRole) {
		return o, &Error{role.where, "TOCSIN_OIDC_DEFAULT_ROLE", fmt.Sprintf("%q is no role", role.text), "take none, viewer, responder, operator or admin"}
	}
	if o.DefaultRole == "" && !o.Mapped() {
		return o, &Error{issuer.where, "TOCSIN_OIDC_DEFAULT_ROLE", "is none, and no group makes anybody anything", "name groups, TOCSIN_OIDC_ADMIN_GROUPS for instance, or a default role: else nobody could sign in"}
	}
	return o, nil
}

// groupList reads groups with commas between them; with semicolons where a name has
// commas, as those of directories do.
func groupList(text string) []string {
	sep := ","
	if strings.Contains(text, ";") {
		sep = ";"
	}
	var out []string
	for g := range strings.SplitSeq(text, sep) {
		if g = strings.TrimSpace(g); g != "" {
			out = append(out, g)
		}
	}
	return out
}

// thisMachine says whether a host is the one that this runs on.
func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}
