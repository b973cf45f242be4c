package auth

import (
	"context"
	"slices"

	"tocsin/internal/audit"
)

// Scopes are what a role may do, in the words that API keys use.
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{ReadAlerts, ReadConfig}
	case Responder:
		return []Scope{ReadAlerts, AckAlerts}
	case Operator:
		return []Scope{ReadAlerts, AckAlerts, Downtime, ReadConfig, WriteConfig, Publish}
	case Admin:
		return []Scope{ReadAlerts, AckAlerts, Downtime, ReadConfig, WriteConfig, Publish, Administer}
	}
	return nil
}

// Valid says whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(AllRoles(), r) }

// Valid says whether s is one of the scopes.
func (s Scope) Valid() bool { return slices.Contains(AllScopes(), s) }

// AllRoles are the roles, the least powerful first.
func AllRoles() []Role { return []Role{Viewer, Responder, Operator, Admin} }

// AllScopes are the scopes, the least powerful first.
func AllScopes() []Scope {
	return []Scope{ReadAlerts, AckAlerts, Downtime, ReadConfig, WriteConfig, Publish, Bounces, Administer}
}

// May says whether the principal may do what the scope stands for; admin
// implies everything. An API key that may acknowledge may also schedule downtimes, as
// keys could before that was a scope of its own.
func (p Principal) May(s Scope) bool {
	if s == Downtime && p.UserID == "" && slices.Contains(p.Scopes, AckAlerts) {
		return true
	}
	return slices.Contains(p.Scopes, s) || slices.Contains(p.Scopes, Administer)
}

// Label is the principal's name for people.
func (p Principal) Label() string {
	if p.Display != "" {
		return p.Display
	}
	return p.Name
}

type principalKey struct{}

// With puts the principal of a request into its context, and makes it the one whom
// the audit trail names.
func With(ctx context.Context, p Principal) context.Context {
	return audit.With(context.WithValue(ctx, principalKey{}, p), p.actor())
}

// actor is the principal as the audit trail has it.
func (p Principal) actor() audit.Actor {
	if p.UserID == "" {
		return audit.Actor{Kind: audit.Key, ID: p.KeyID, Name: p.Name}
	}
	return audit.Actor{Kind: audit.User, ID: p.UserID, Name: p.Label()}
}

// From answers who makes the request; false if nobody signed in.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// principal is a user as the maker of a request.
func (u User) principal(session string) Principal {
	return Principal{
		UserID: u.ID, Name: u.Name, Display: u.DisplayName, Role: u.Role,
		Scopes: u.Role.Scopes(), Session: session,
	}
}

// Label is the user's name for people.
func (u User) Label() string {
	if u.DisplayName != "" {
		return u.DisplayName
	}
	return u.Name
}
