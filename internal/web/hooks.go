package web

import (
	"strings"

	"tocsin/internal/contact"
	"tocsin/internal/hook"
)

// HookSecrets are the secrets of a webhook that somebody gives; what is nil stays.
type HookSecrets struct{ URL, Secret, Token *string }

// ChangedHook is a webhook as given says, with what is known of it and the secrets
// that were kept, unless others are given. A token never goes to another server than
// it was given for. The error is a *contact.FieldError.
func ChangedHook(was, given hook.Hook, s HookSecrets) (hook.Hook, error) {
	given.ID, given.Created = was.ID, was.Created
	given.LastSent, given.LastError, given.LastErrorAt = was.LastSent, was.LastError, was.LastErrorAt
	given.URL, given.Secret, given.Token = was.URL, was.Secret, was.Token
	for _, f := range []struct {
		to   *string
		from *string
	}{{&given.URL, s.URL}, {&given.Secret, s.Secret}, {&given.Token, s.Token}} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
	given.Host = hook.HostOf(given.URL)
	if s.Token == nil && was.Token != "" && server(was.URL) != server(given.URL) {
		return given, &contact.FieldError{Field: "token", Problem: "is kept for another server", Mend: "give it again, or an empty one to remove it"}
	}
	if given.URL != was.URL {
		given.LastError = "" // said of another address
	}
	return given, given.Validate()
}

// server is scheme and host of an address.
func server(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	return strings.ToLower(scheme + "://" + hook.HostOf(address))
}
