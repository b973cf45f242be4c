package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/auth/passkey"
)

// SessionOut is one signed-in browser.
type SessionOut struct {
	ID        string    `json:"id" doc:"Names it, and lets nobody in"`
	Browser   string    `json:"browser" example:"Firefox on Linux"`
	Address   string    `json:"address" doc:"Where it was used from last"`
	BegunAt   time.Time `json:"begun_at"`
	SeenAt    time.Time `json:"seen_at" doc:"To the minute; an open tab counts every half hour"`
	ExpiresAt time.Time `json:"expires_at" doc:"Unless it is used"`
	Way       string    `json:"way" enum:"password,password+passkey,password+code,passkey,provider" doc:"How it began"`
	This      bool      `json:"this" doc:"It is the one that asks"`
}

func sessionOut(s auth.Active) SessionOut {
	if s.Way == "" {
		s.Way = auth.ByPassword
	}
	return SessionOut{s.ID, s.Browser, s.Address, s.Begun.UTC(), s.Seen.UTC(), s.Expires.UTC(), string(s.Way), s.This}
}

// PasskeyOut is a passkey, of which nothing is a secret.
type PasskeyOut struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" example:"Phone"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Alone      bool       `json:"alone" doc:"It signs in without name and password"`
	Synced     bool       `json:"synced" doc:"It may be on several devices, by its maker's service"`
}

// PasskeysOut are somebody's.
type PasskeysOut struct {
	Items []PasskeyOut `json:"items"`
	Codes int          `json:"recovery_codes" doc:"How many are left"`
}

// SessionsEnded says how many sessions ended.
type SessionsEnded struct {
	Ended int `json:"ended"`
}

// PasskeysRemoved says how many passkeys were removed.
type PasskeysRemoved struct {
	Removed int `json:"removed"`
}

// PasskeyIn is what somebody changes of a passkey.
type PasskeyIn struct {
	Name string `json:"name" maxLength:"60" doc:"Its owner's word for it"`
}

// bySession is the input of routes about a session of a user.
type bySession struct {
	ID      string `path:"id" maxLength:"100" doc:"The user's id"`
	Session string `path:"session" maxLength:"100" doc:"The session's id"`
}

// byPasskey is the input of routes about a passkey of a user.
type byPasskey struct {
	ID      string `path:"id" maxLength:"100" doc:"The user's id"`
	Passkey string `path:"passkey" maxLength:"100" doc:"The passkey's id"`
}

func (a *API) sessionsOf(ctx context.Context, userID string) (*body[list[SessionOut]], error) {
	if _, err := a.d.Store.UserByID(ctx, userID); err != nil {
		return nil, err
	}
	all, err := a.d.Auth.SessionsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	return give(list[SessionOut]{Items: each(all, sessionOut)}), nil
}

func (a *API) endOthers(ctx context.Context, userID string) (*body[SessionsEnded], error) {
	n, err := a.d.Auth.EndOthers(ctx, userID)
	if err != nil {
		return nil, err
	}
	return give(SessionsEnded{n}), nil
}

func (a *API) passkeysOf(ctx context.Context, userID string) (*body[PasskeysOut], error) {
	if _, err := a.d.Store.UserByID(ctx, userID); err != nil {
		return nil, err
	}
	f, err := a.d.Auth.FactorsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	return give(PasskeysOut{each(f.Passkeys, func(p auth.Passkey) PasskeyOut {
		about := passkey.Tell(p.Body)
		return PasskeyOut{p.ID, p.Name, p.Made.UTC(), timeOut(p.LastUsed), about.Alone, about.Synced}
	}), f.Codes}), nil
}

// sure refuses to change somebody's ways in by a session whose owner did not prove to
// be there a short while ago.
func (a *API) sure(p auth.Principal) error {
	if a.d.Auth.Recently(p) {
		return nil
	}
	return problem(http.StatusForbidden, "It is a while since the password was given: give it again on the page of your account, then send this once more.")
}

// wayRoutes are about where people are signed in, and with what.
func (a *API) wayRoutes() {
	own := access{sessionOnly: true}
	register(a, own, route("system", http.MethodGet, "/me/sessions", "my-sessions", "Where I am signed in, the session used last first"),
		func(ctx context.Context, _ *struct{}) (*body[list[SessionOut]], error) {
			p, _ := auth.From(ctx)
			return a.sessionsOf(ctx, p.UserID)
		})
	register(a, own, route("system", http.MethodDelete, "/me/sessions", "end-my-other-sessions", "End all my sessions but this one, with their streams, on every node"),
		func(ctx context.Context, _ *struct{}) (*body[SessionsEnded], error) {
			p, _ := auth.From(ctx)
			return a.endOthers(ctx, p.UserID)
		})
	register(a, own, missing(route("system", http.MethodDelete, "/me/sessions/{id}", "end-my-session", "End one of my sessions")),
		func(ctx context.Context, in *byID) (*struct{}, error) {
			p, _ := auth.From(ctx)
			return nil, a.d.Auth.EndSession(ctx, p.UserID, in.ID)
		})
	register(a, own, route("system", http.MethodGet, "/me/passkeys", "my-passkeys", "My passkeys, and how many recovery codes are left"),
		func(ctx context.Context, _ *struct{}) (*body[PasskeysOut], error) {
			p, _ := auth.From(ctx)
			return a.passkeysOf(ctx, p.UserID)
		})
	register(a, own, missing(route("system", http.MethodPut, "/me/passkeys/{id}", "rename-my-passkey", "Name one of my passkeys")),
		func(ctx context.Context, in *putIn[PasskeyIn]) (*struct{}, error) {
			p, _ := auth.From(ctx)
			return nil, a.d.Auth.RenamePasskey(ctx, p.UserID, in.ID, in.Body.Name)
		})
	remove := missing(route("system", http.MethodDelete, "/me/passkeys/{id}", "remove-my-passkey", "Remove one of my passkeys"))
	remove.Description = "403 when the password was given longer than 15 minutes ago. With the last one the recovery codes go. Passkeys are added on the page of the account: a browser makes them."
	register(a, own, remove, func(ctx context.Context, in *byID) (*struct{}, error) {
		p, _ := auth.From(ctx)
		if err := a.sure(p); err != nil {
			return nil, err
		}
		return nil, a.d.Auth.RemovePasskey(ctx, p.UserID, in.ID)
	})

	register(a, administer(), missing(route("administration", http.MethodGet, "/users/{id}/sessions", "list-sessions", "Where a user is signed in, the session used last first")),
		func(ctx context.Context, in *byID) (*body[list[SessionOut]], error) { return a.sessionsOf(ctx, in.ID) })
	register(a, administer(), missing(route("administration", http.MethodDelete, "/users/{id}/sessions", "end-sessions", "End all sessions of a user but the one that asks")),
		func(ctx context.Context, in *byID) (*body[SessionsEnded], error) { return a.endOthers(ctx, in.ID) })
	register(a, administer(), missing(route("administration", http.MethodDelete, "/users/{id}/sessions/{session}", "end-session", "End one session of a user")),
		func(ctx context.Context, in *bySession) (*struct{}, error) {
			return nil, a.d.Auth.EndSession(ctx, in.ID, in.Session)
		})
	register(a, administer(), missing(route("administration", http.MethodGet, "/users/{id}/passkeys", "list-passkeys", "A user's passkeys, and how many recovery codes are left")),
		func(ctx context.Context, in *byID) (*body[PasskeysOut], error) { return a.passkeysOf(ctx, in.ID) })
	register(a, administer(), missing(route("administration", http.MethodDelete, "/users/{id}/passkeys/{passkey}", "remove-passkey", "Remove one passkey of a user, of a device that was lost")),
		func(ctx context.Context, in *byPasskey) (*struct{}, error) {
			return nil, a.d.Auth.RemovePasskey(ctx, in.ID, in.Passkey)
		})
	reset := missing(route("administration", http.MethodDelete, "/users/{id}/passkeys", "reset-passkeys", "Remove all passkeys and recovery codes of a user"))
	reset.Description = "For somebody who lost them: the password alone signs in then. All the user's sessions end."
	register(a, administer(), reset, func(ctx context.Context, in *byID) (*body[PasskeysRemoved], error) {
		n, err := a.d.Auth.ResetFactors(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return give(PasskeysRemoved{n}), nil
	})
}

// missing says that there may be none.
func missing(op huma.Operation) huma.Operation {
	op.Errors = append(op.Errors, http.StatusNotFound)
	return op
}
