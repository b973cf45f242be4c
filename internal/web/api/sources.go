package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

// SourceIn is what a source is made of.
type SourceIn struct {
	Name       string `json:"name" doc:"In the address of its events: a-z, 0-9 and -" example:"nagios-berlin"`
	Kind       string `json:"kind" doc:"Which engine" example:"nagios"`
	HostURL    string `json:"host_url,omitempty" doc:"Its page of a host, with {host}" example:"https://nagios.example.com/cgi-bin/extinfo.cgi?type=1&host={host}"`
	ServiceURL string `json:"service_url,omitempty" doc:"Its page of a service, with {host} and {service}"`
	Straight   bool   `json:"straight,omitempty" doc:"A click on a notification leads straight to that page"`
	Disabled   bool   `json:"disabled,omitempty" doc:"Its events are refused"`

	SilentAfter *int `json:"silent_after_minutes,omitempty" minimum:"0" maximum:"43200" doc:"After so many minutes without an event or a heartbeat it is alerted of; 0: never. Left out, it stays, at first 0" example:"30"`

	WriteBack       *WriteBackIO `json:"write_back,omitempty" doc:"How its engine is told what was done here; left out, it stays as it is, at first none"`
	WriteBackSecret *string      `json:"write_back_secret,omitempty" writeOnly:"true" maxLength:"2000" doc:"The password, API key or token for that; left out, it stays, empty removes it. Never shown"`
	Secret          *string      `json:"secret,omitempty" writeOnly:"true" maxLength:"500" doc:"Signs the requests of an engine that can do so (Grafana); left out, it stays, empty removes it. Never shown"`
	Mapping         *MappingIO   `json:"mapping,omitempty" doc:"Of the kind generic: where its JSON has what; left out, it stays. An empty one removes it"`
}

// SourceOut is one monitoring engine, without its token.
type SourceOut struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Kind        string     `json:"kind"`
	TokenHint   string     `json:"token_hint" doc:"The last four characters of its token"`
	HostURL     string     `json:"host_url"`
	ServiceURL  string     `json:"service_url"`
	Straight    bool       `json:"straight"`
	Disabled    bool       `json:"disabled"`
	CreatedAt   time.Time  `json:"created_at"`
	LastEventAt *time.Time `json:"last_event_at"`
	LastError   string     `json:"last_error" doc:"Of the last call that was refused; empty after a good one"`
	LastErrorAt *time.Time `json:"last_error_at"`
	Spooled     int        `json:"spooled" doc:"Events in the sender's spool, as its last call said"`
	SpooledAt   *time.Time `json:"spooled_at"`
	SilentAfter int        `json:"silent_after_minutes" doc:"After so many minutes without an event or a heartbeat it is alerted of; 0: never"`
	LastSignAt  *time.Time `json:"last_heartbeat_at" doc:"When it last said that it is alive, without an event"`
	SilentSince *time.Time `json:"silent_since" doc:"While it is alerted of as silent: since when"`
	EventsURL   string     `json:"events_url" doc:"Where its events go"`

	WriteBack          WriteBackIO `json:"write_back" doc:"How its engine is told what was done here"`
	HasWriteBackSecret bool        `json:"has_write_back_secret"`
	HasSecret          bool        `json:"has_secret" doc:"Its requests must be signed"`
	Mapping            *MappingIO  `json:"mapping" doc:"Of the kind generic: where its JSON has what; null: it sends canonical JSON"`
}

// SourceWithToken is answered once, when the token is made.
type SourceWithToken struct {
	SourceOut
	Token string       `json:"token" doc:"Shown this once and never again" example:"ts_…"`
	Setup []SnippetOut `json:"setup" doc:"Configuration for the engine, ready to paste, with the token in it"`
}

func (a *API) sourceOut(s source.Source) SourceOut {
	return SourceOut{
		ID: s.ID, Name: s.Name, Kind: s.Kind, TokenHint: s.TokenHint, HostURL: s.HostURL, ServiceURL: s.ServiceURL,
		Straight: s.Straight, Disabled: s.Disabled, CreatedAt: s.CreatedAt.UTC(), LastEventAt: timeOut(s.LastEventAt),
		LastError: s.LastError, LastErrorAt: timeOut(s.LastErrorAt), Spooled: s.Spooled, SpooledAt: timeOut(s.SpooledAt),
		SilentAfter: s.QuietMinutes, LastSignAt: timeOut(s.LastSign), SilentSince: timeOut(s.SilentSince),
		EventsURL: a.d.BaseURL + Prefix + "/sources/" + s.Name + "/events",
		WriteBack: writeBackOut(s.WriteBack), HasWriteBackSecret: s.WriteBack.Secret != "", HasSecret: s.Secret != "", Mapping: mappingOut(s.Mapping),
	}
}

func (a *API) sourceRoutes() {
	st := a.d.Store
	register(a, readConfig(), route("sources", http.MethodGet, "/sources", "list-sources", "List sources"),
		func(ctx context.Context, in *Paging) (*body[list[SourceOut]], error) {
			all, err := st.Sources(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, func(s source.Source) string { return s.Name + "\x00" + s.ID })
			if err != nil {
				return nil, err
			}
			return give(list[SourceOut]{Items: each(page.Items, a.sourceOut), Next: page.Next}), nil
		})
	create := route("sources", http.MethodPost, "/sources", "create-source", "Make a source")
	create.Description = "The answer has its token, this once."
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	register(a, administer(), create, func(ctx context.Context, in *postIn[SourceIn]) (*body[SourceWithToken], error) {
		s := source.Source{ID: newID(), CreatedAt: a.d.Now()}
		if err := in.Body.into(&s); err != nil {
			return nil, err
		}
		return a.saveWithToken(ctx, s)
	})
	get := route("sources", http.MethodGet, "/sources/{id}", "get-source", "One source")
	get.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), get, func(ctx context.Context, in *byID) (*body[SourceOut], error) {
		s, err := a.source(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return give(a.sourceOut(s)), nil
	})
	put := route("sources", http.MethodPut, "/sources/{id}", "replace-source", "Replace a source; its token stays")
	put.Description = "Secrets that are left out stay; but one that was given for another address of the engine is asked for again."
	put.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, administer(), put, func(ctx context.Context, in *putIn[SourceIn]) (*body[SourceOut], error) {
		s, err := a.source(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if err := in.Body.into(&s); err != nil {
			return nil, err
		}
		if err := a.checkSource(s); err != nil {
			return nil, err
		}
		if err := st.SaveSource(ctx, s); err != nil {
			return nil, err
		}
		return give(a.sourceOut(s)), nil
	})
	a.sourceKindRoutes()
	rotate := route("sources", http.MethodPost, "/sources/{id}/token", "rotate-source-token", "Make a new token; the old one is void at once")
	rotate.Errors = []int{http.StatusNotFound}
	register(a, administer(), rotate, func(ctx context.Context, in *byID) (*body[SourceWithToken], error) {
		s, err := a.source(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return a.saveWithToken(ctx, s)
	})
	del := route("sources", http.MethodDelete, "/sources/{id}", "delete-source", "Remove a source")
	del.Description = "409 while it has open alerts. That of its silence ends with it."
	del.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, administer(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		s, err := a.source(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return nil, st.DeleteSource(ctx, s.ID)
	})
}

// source finds by id, or by name, which is what scripts have.
func (a *API) source(ctx context.Context, id string) (source.Source, error) {
	s, err := a.d.Store.SourceByID(ctx, id)
	if err == nil {
		return s, nil
	}
	if byName, nameErr := a.d.Store.SourceByName(ctx, id); nameErr == nil {
		return byName, nil
	}
	return s, err
}

func (in SourceIn) into(s *source.Source) error {
	s.Name, s.Kind = strings.ToLower(strings.TrimSpace(in.Name)), in.Kind
	s.HostURL, s.ServiceURL, s.Straight, s.Disabled = strings.TrimSpace(in.HostURL), strings.TrimSpace(in.ServiceURL), in.Straight, in.Disabled
	set(&s.QuietMinutes, in.SilentAfter)
	given := s.WriteBack
	if in.WriteBack != nil {
		given = in.WriteBack.writeBack()
	}
	set(&s.Secret, in.Secret)
	if in.Mapping != nil {
		s.Mapping = in.Mapping.mapping()
	}
	var err error
	s.WriteBack, err = web.Replaced(s.WriteBack, given, in.WriteBackSecret)
	return err
}

func (a *API) saveWithToken(ctx context.Context, s source.Source) (*body[SourceWithToken], error) {
	if err := a.checkSource(s); err != nil {
		return nil, err
	}
	var token string
	token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
	if err := a.d.Store.SaveSource(ctx, s); err != nil {
		return nil, err
	}
	return give(SourceWithToken{SourceOut: a.sourceOut(s), Token: token, Setup: a.snippets(s, token)}), nil
}

func (a *API) checkSource(s source.Source) error {
	return web.CheckSource(s, a.d.Kinds, a.d.WriteBacks)
}

// UserIn is what a new user is made of.
type UserIn struct {
	Name        string `json:"name" doc:"To sign in with: a-z, 0-9 and . _ @ -" example:"anna"`
	DisplayName string `json:"display_name,omitempty" doc:"For people" example:"Anna Weber"`
	Role        string `json:"role" enum:"viewer,responder,operator,admin"`
	Password    string `json:"password" writeOnly:"true" doc:"At least 10 characters"`
}

// UserChangeIn changes a user; what is left out stays.
type UserChangeIn struct {
	DisplayName *string `json:"display_name,omitempty"`
	Role        *string `json:"role,omitempty" enum:"viewer,responder,operator,admin"`
	Disabled    *bool   `json:"disabled,omitempty" doc:"May not sign in; sessions and streams end at once"`
	Password    *string `json:"password,omitempty" writeOnly:"true" doc:"A new password; sessions end at once"`
}

// UserOut is who signs in, without the password.
type UserOut struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	DisplayName string     `json:"display_name"`
	Role        string     `json:"role" enum:"viewer,responder,operator,admin"`
	Disabled    bool       `json:"disabled"`
	CreatedAt   time.Time  `json:"created_at"`
	LastSignIn  *time.Time `json:"last_sign_in"`
}

func userOut(u auth.User) UserOut {
	return UserOut{
		ID: u.ID, Name: u.Name, DisplayName: u.DisplayName, Role: string(u.Role), Disabled: u.Disabled,
		CreatedAt: u.CreatedAt.UTC(), LastSignIn: timeOut(u.LastSignIn),
	}
}

func (a *API) userRoutes() {
	register(a, administer(), route("administration", http.MethodGet, "/users", "list-users", "List users"),
		func(ctx context.Context, in *Paging) (*body[list[UserOut]], error) {
			all, err := a.d.Store.Users(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, func(u auth.User) string { return u.Name + "\x00" + u.ID })
			if err != nil {
				return nil, err
			}
			return give(list[UserOut]{Items: each(page.Items, userOut), Next: page.Next}), nil
		})
	create := route("administration", http.MethodPost, "/users", "create-user", "Make a user")
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	register(a, administer(), create, func(ctx context.Context, in *postIn[UserIn]) (*body[UserOut], error) {
		u, err := a.d.Auth.AddUser(ctx, auth.NewUser{Name: in.Body.Name, DisplayName: in.Body.DisplayName, Role: auth.Role(in.Body.Role), Password: in.Body.Password})
		if err != nil {
			return nil, err
		}
		return give(userOut(u)), nil
	})
	get := route("administration", http.MethodGet, "/users/{id}", "get-user", "One user")
	get.Errors = []int{http.StatusNotFound}
	register(a, administer(), get, func(ctx context.Context, in *byID) (*body[UserOut], error) {
		u, err := a.d.Store.UserByID(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return give(userOut(u)), nil
	})
	put := route("administration", http.MethodPut, "/users/{id}", "change-user", "Change a user")
	put.Errors = []int{http.StatusNotFound}
	register(a, administer(), put, func(ctx context.Context, in *putIn[UserChangeIn]) (*body[UserOut], error) {
		c := auth.UserChange{DisplayName: in.Body.DisplayName, Disabled: in.Body.Disabled, Password: in.Body.Password}
		if in.Body.Role != nil {
			r := auth.Role(*in.Body.Role)
			c.Role = &r
		}
		u, err := a.d.Auth.ChangeUser(ctx, in.ID, c)
		if err != nil {
			return nil, err
		}
		return give(userOut(u)), nil
	})
	del := route("administration", http.MethodDelete, "/users/{id}", "delete-user", "Remove a user; linked contacts stay")
	del.Errors = []int{http.StatusNotFound}
	register(a, administer(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, a.d.Auth.RemoveUser(ctx, in.ID)
	})
}

// KeyIn is what a new API key is made of.
type KeyIn struct {
	Name      string     `json:"name" doc:"For people" example:"dashboard"`
	Scopes    []string   `json:"scopes" minItems:"1" enum:"alerts:read,alerts:acknowledge,alerts:downtime,config:read,config:write,status:publish,email:bounces,admin" doc:"What it may do"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"None: never"`
}

// KeyOut is an API key without the key itself.
type KeyOut struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Hint       string     `json:"hint" doc:"Its last four characters"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"To the minute"`
	LastUsedBy string     `json:"last_used_by" doc:"The address that it was used from then, or Mattermost"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
}

// KeyWithSecret is answered once, when the key is made.
type KeyWithSecret struct {
	KeyOut
	Key string `json:"key" doc:"Shown this once and never again" example:"tk_…"`
}

func keyOut(k auth.APIKey) KeyOut {
	return KeyOut{
		ID: k.ID, Name: k.Name, Hint: k.Hint, Scopes: words(k.Scopes), CreatedAt: k.CreatedAt.UTC(),
		LastUsedAt: timeOut(k.LastUsedAt), LastUsedBy: k.LastUsedBy, ExpiresAt: timeOut(k.ExpiresAt), RevokedAt: timeOut(k.RevokedAt),
	}
}

func (a *API) keyRoutes() {
	register(a, administer(), route("administration", http.MethodGet, "/apikeys", "list-api-keys", "List API keys"),
		func(ctx context.Context, in *Paging) (*body[list[KeyOut]], error) {
			all, err := a.d.Store.APIKeys(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, func(k auth.APIKey) string { return strings.ToLower(k.Name) + "\x00" + k.ID })
			if err != nil {
				return nil, err
			}
			return give(list[KeyOut]{Items: each(page.Items, keyOut), Next: page.Next}), nil
		})
	create := route("administration", http.MethodPost, "/apikeys", "create-api-key", "Make an API key")
	create.Description = "The answer has the key, this once."
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	register(a, administer(), create, func(ctx context.Context, in *postIn[KeyIn]) (*body[KeyWithSecret], error) {
		var expires time.Time
		if in.Body.ExpiresAt != nil {
			expires = *in.Body.ExpiresAt
		}
		scopes := each(in.Body.Scopes, func(s string) auth.Scope { return auth.Scope(s) })
		k, key, err := a.d.Auth.AddKey(ctx, in.Body.Name, scopes, expires)
		if err != nil {
			return nil, err
		}
		return give(KeyWithSecret{KeyOut: keyOut(k), Key: key}), nil
	})
	get := route("administration", http.MethodGet, "/apikeys/{id}", "get-api-key", "One API key")
	get.Errors = []int{http.StatusNotFound}
	register(a, administer(), get, func(ctx context.Context, in *byID) (*body[KeyOut], error) {
		all, err := a.d.Store.APIKeys(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(k auth.APIKey) bool { return k.ID == in.ID })
		if i < 0 {
			return nil, fault.ErrNotFound
		}
		return give(keyOut(all[i])), nil
	})
	del := route("administration", http.MethodDelete, "/apikeys/{id}", "revoke-api-key", "Revoke an API key; it stays in the list")
	del.Errors = []int{http.StatusNotFound}
	register(a, administer(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, a.d.Auth.RevokeKey(ctx, in.ID)
	})
}
