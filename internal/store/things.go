package store

import (
	"context"
	"net/url"
	"strings"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/hook"
	"tocsin/internal/oncall"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/window"
)

// thingOf is a thing that read answers as it is stored; state makes of it what the
// trail compares.
func thingOf[T any](kind, id string, read func(ctx context.Context, w *work) (T, error), state func(*T) audit.State) thing {
	return thing{kind, id, func(ctx context.Context, w *work) (*audit.State, error) {
		v, err := read(ctx, w)
		if err != nil {
			return nil, err
		}
		s := state(&v)
		return &s, nil
	}}
}

// rowOf reads one row of a table by its id.
func rowOf[T any](scan func(scanner) (T, error), kind, table, columns, id string) func(ctx context.Context, w *work) (T, error) {
	return func(ctx context.Context, w *work) (T, error) {
		return find(ctx, w, scan, kind, id, "SELECT "+columns+" FROM "+table+" WHERE id = $1", id)
	}
}

// shown are the fields of a thing that may be shown, by name.
type shown map[string]any

func userThing(id string) thing {
	return thingOf("user", id, rowOf(scanUser, "user", "users", userColumns, id), func(u *auth.User) audit.State {
		return audit.State{Name: u.Name, Shown: shown{"name": u.Name, "display_name": u.DisplayName, "role": u.Role, "disabled": u.Disabled},
			Secrets: map[string]string{"password": u.PasswordHash}}
	})
}

func keyThing(id string) thing {
	return thingOf("key", id, rowOf(scanAPIKey, "API key", "api_key", apiKeyColumns, id), func(k *auth.APIKey) audit.State {
		return audit.State{Name: k.Name, Shown: shown{"name": k.Name, "ends_with": k.Hint, "scopes": k.Scopes, "expires_at": k.ExpiresAt, "revoked_at": k.RevokedAt}}
	})
}

func (db *DB) sourceThing(id string) thing {
	return thingOf("source", id, rowOf(db.scanSource, "source", "source", sourceColumns, id), func(s *source.Source) audit.State {
		f := shown{"name": s.Name, "kind": s.Kind, "token_ends_with": s.TokenHint, "host_url": s.HostURL, "service_url": s.ServiceURL, "straight": s.Straight,
			"disabled": s.Disabled, "quiet_minutes": s.QuietMinutes, "mapping": s.Mapping}
		if s.WriteBack.On() {
			f["write_back"] = s.WriteBack
		}
		return audit.State{Name: s.Name, Shown: f, Secrets: map[string]string{"token": s.TokenHash, "secret": s.Secret, "write_back_secret": s.WriteBack.Secret}}
	})
}

func contactThing(id string) thing {
	return thingOf("contact", id, rowOf(scanContact, "contact", "contact", contactColumns, id), func(c *contact.Contact) audit.State {
		return audit.State{Name: c.Name, Shown: c}
	})
}

func groupThing(id string) thing {
	return thingOf("group", id, func(ctx context.Context, w *work) (contact.Group, error) { return readGroup(ctx, w, id) }, func(g *contact.Group) audit.State {
		return audit.State{Name: g.Name, Shown: g}
	})
}

func ruleThing(id string) thing {
	return thingOf("rule", id, rowOf(scanRule, "rule", "rule", "body", id), func(r *route.Rule) audit.State { return audit.State{Name: r.Name, Shown: r} })
}

func periodThing(id string) thing {
	return thingOf("period", id, rowOf(scanPeriod, "time period", "time_period", "body", id), func(p *contact.TimePeriod) audit.State {
		return audit.State{Name: p.Name, Shown: p}
	})
}

func policyThing(id string) thing {
	return thingOf("policy", id, rowOf(scanBody[escalation.Policy], "escalation policy", "policy", "body", id), func(p *escalation.Policy) audit.State {
		return audit.State{Name: p.Name, Shown: p}
	})
}

func scheduleThing(id string) thing {
	return thingOf("schedule", id, rowOf(scanBody[oncall.Schedule], "schedule", "schedule", "body", id), func(s *oncall.Schedule) audit.State {
		return audit.State{Name: s.Name, Shown: s}
	})
}

func windowThing(id string) thing {
	return thingOf("window", id, rowOf(scanBody[window.Window], "maintenance window", "maintenance_window", "body", id), func(v *window.Window) audit.State {
		return audit.State{Name: v.Name, Shown: v}
	})
}

func (db *DB) hookThing(id string) thing {
	return thingOf("webhook", id, rowOf(db.scanHook, "webhook", "hook", hookColumns, id), func(h *hook.Hook) audit.State {
		v := *h
		v.LastSent, v.LastError, v.LastErrorAt, v.Created = time.Time{}, "", time.Time{}, time.Time{}
		return audit.State{Name: h.Name, Shown: v, Secrets: map[string]string{"url": h.URL, "secret": h.Secret, "token": h.Token}}
	})
}

func (db *DB) roomThing(id string) thing {
	return thingOf("room", id, rowOf(db.scanRoom, "room", "chat_room", roomColumns, id), func(r *chat.Room) audit.State {
		return audit.State{Name: r.Name, Shown: shown{"name": r.Name, "kind": r.Kind, "override": r.Override, "team": r.Team, "channel": r.Channel,
			"everything": r.Everything, "disabled": r.Disabled}, Secrets: map[string]string{"webhook_url": r.WebhookURL}}
	})
}

// personThing is a user of Mattermost who is linked to a contact.
func personThing(userID string) thing {
	read := func(ctx context.Context, w *work) (chat.Person, error) {
		return find(ctx, w, scanPerson, "user of Mattermost", userID, "SELECT "+personColumns+" FROM chat_person WHERE user_id = $1", userID)
	}
	return thingOf("mattermost_link", userID, read, func(p *chat.Person) audit.State {
		return audit.State{Name: "@" + p.Name, Shown: shown{"name": p.Name, "contact_id": p.ContactID}}
	})
}

func (db *DB) pushKeyThing(id string) thing {
	return thingOf("push_key", id, rowOf(db.scanPushKey, "push key", "push_key k", pushKeyColumns, id), func(k *push.Key) audit.State {
		return audit.State{Name: k.ID, Shown: shown{"public": k.Public, "retired": k.Retired, "environment": k.Environment}, Secrets: map[string]string{"private": k.Private}}
	})
}

// noteDevice says what somebody did with a device of a user. What it is besides, a
// visitor's, is not written down: the trail is no record of who reads public pages.
func (w *work) noteDevice(ctx context.Context, did string, s *push.Subscription) error {
	f := shown{"name": s.Name, "user_id": s.UserID}
	if u, err := url.Parse(s.Endpoint); err == nil {
		f["service"] = u.Host // the address itself is a secret
	}
	before, after := &audit.State{Name: s.Name, Shown: f}, (*audit.State)(nil)
	if did == "created" {
		before, after = after, before
	}
	changes, err := audit.Diff(before, after)
	if err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	return w.record(ctx, audit.Entry{Action: "device." + did, Subject: audit.Subject{Kind: "device", ID: s.ID, Name: s.Name}, Changes: changes})
}

func calendarThing(contactID string) thing {
	read := func(ctx context.Context, w *work) (k struct{ name, hash string }, err error) {
		err = w.row(ctx, "SELECT COALESCE((SELECT name FROM contact WHERE id = $1), ''), COALESCE((SELECT calendar FROM contact WHERE id = $1), '')",
			[]any{contactID}, &k.name, &k.hash)
		if err == nil && k.hash == "" {
			err = notFound("calendar of contact", contactID)
		}
		return k, err
	}
	return thingOf("calendar", contactID, read, func(k *struct{ name, hash string }) audit.State {
		return audit.State{Name: k.name, Secrets: map[string]string{"address": k.hash}}
	})
}

func settingsThing() thing {
	return thing{"settings", "settings", func(ctx context.Context, w *work) (*audit.State, error) {
		s, err := readSettings(ctx, w)
		return &audit.State{Name: "Settings", Shown: s}, err
	}}
}

// vaultThing is the keys that secrets are sealed with: which there are, and no more.
func vaultThing() thing {
	return thing{"secret_key", "secret_key", func(ctx context.Context, w *work) (*audit.State, error) {
		rows, err := readInnerKeys(ctx, w)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return &audit.State{Name: "Key of secrets", Shown: shown{"key": rows[0].id, "opened_by": rows[0].outer}}, nil
	}}
}

func (db *DB) chatThing() thing {
	return thing{"settings", chatName, func(ctx context.Context, w *work) (*audit.State, error) {
		s, err := db.readChatSettings(ctx, w)
		return &audit.State{Name: "Mattermost", Shown: s, Secrets: map[string]string{"bot_token": s.BotToken, "command_tokens": strings.Join(s.CommandHashes, " ")}}, err
	}}
}

func (db *DB) mailThing() thing {
	return thing{"settings", mailName, func(ctx context.Context, w *work) (*audit.State, error) {
		s, err := db.readMailSettings(ctx, w)
		return &audit.State{Name: "E-mail", Shown: s, Secrets: map[string]string{"password": s.Password}}, err
	}}
}
