package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
)

// Chat is what the HTTP edge reads and changes of Mattermost. The secrets in it
// are for those who send; the edge never shows them.
type Chat interface {
	ChatSettings(ctx context.Context) (chat.Settings, error)
	SaveChatSettings(ctx context.Context, s chat.Settings) error

	Rooms(ctx context.Context) ([]chat.Room, error)
	Room(ctx context.Context, id string) (chat.Room, error) // fault.ErrNotFound
	SaveRoom(ctx context.Context, r chat.Room) error        // fault.ErrTaken
	DeleteRoom(ctx context.Context, id string) error        // fault.ErrInUse while a rule or a contact names it

	People(ctx context.Context) ([]chat.Person, error)
	SavePerson(ctx context.Context, p chat.Person) error
	DeletePerson(ctx context.Context, userID string) error // fault.ErrNotFound

	// PeekLink looks at a one-time link without using it, TakeLink uses it;
	// fault.ErrNotFound when there is none, or it was used, or has run out.
	PeekLink(ctx context.Context, hash string, now time.Time) (chat.Link, error)
	TakeLink(ctx context.Context, hash string, now time.Time) (chat.Link, error)
}

// RoomTest is what became of a test message.
type RoomTest struct {
	OK     bool
	Detail string // that it stands there; or which step failed, and the mend
}

// Keys makes API keys and ends them; *auth.Service does.
type Keys interface {
	AddKey(ctx context.Context, name string, scopes []auth.Scope, expires time.Time) (auth.APIKey, string, error)
	RevokeKey(ctx context.Context, id string) error
}

// MattermostKey makes the API key in whose name Mattermost acts, which may
// acknowledge and nothing else, and ends the one before. The key is answered
// this once.
func MattermostKey(ctx context.Context, st Chat, keys Keys) (auth.APIKey, string, error) {
	s, err := st.ChatSettings(ctx)
	if err != nil {
		return auth.APIKey{}, "", fmt.Errorf("read the settings of Mattermost: %w", err)
	}
	if s.APIKeyID != "" {
		if err := keys.RevokeKey(ctx, s.APIKeyID); err != nil && !errors.Is(err, fault.ErrNotFound) {
			return auth.APIKey{}, "", fmt.Errorf("end the key of Mattermost: %w", err)
		}
	}
	name := "Mattermost"
	k, token, err := keys.AddKey(ctx, name, []auth.Scope{auth.AckAlerts}, time.Time{})
	for n := 2; errors.Is(err, fault.ErrTaken) && n < 100; n++ { // somebody made one of that name by hand
		k, token, err = keys.AddKey(ctx, fmt.Sprintf("%s %d", name, n), []auth.Scope{auth.AckAlerts}, time.Time{})
	}
	if err != nil {
		return auth.APIKey{}, "", fmt.Errorf("make a key for Mattermost: %w", err)
	}
	s.APIKeyID = k.ID
	if err := st.SaveChatSettings(ctx, s); err != nil {
		return auth.APIKey{}, "", fmt.Errorf("keep which key is Mattermost's: %w", err)
	}
	return k, token, nil
}

// MayLink says whether somebody may link a contact to a Mattermost user: their
// own; and who changes contacts, one that is nobody's. Whoever is linked acts in
// the name of the contact's user, so it is never another one's.
func MayLink(p auth.Principal, c contact.Contact) bool {
	if c.UserID != "" {
		return c.UserID == p.UserID
	}
	return p.May(auth.WriteConfig)
}

// LinkPerson uses a one-time link: whom it was given to in Mattermost is the
// contact from now on. fault.ErrNotFound: the link is none, was used, or has run
// out. *config.FieldError: the contact will not do; the link stays good.
func LinkPerson(ctx context.Context, st Store, p auth.Principal, token, contactID string, now time.Time) (chat.Person, error) {
	notYours := &config.FieldError{Field: "contact_id", Problem: "is the id of no contact of yours", Mend: "take one that is linked to your user"}
	c, err := st.Contact(ctx, contactID)
	if errors.Is(err, fault.ErrNotFound) || (err == nil && !MayLink(p, c)) {
		return chat.Person{}, notYours
	}
	if err != nil {
		return chat.Person{}, fmt.Errorf("contact %s: %w", contactID, err)
	}
	l, err := st.TakeLink(ctx, auth.Hash(token), now)
	if err != nil {
		return chat.Person{}, fmt.Errorf("use the link: %w", err)
	}
	person := chat.Person{UserID: l.UserID, Name: l.Name, ContactID: c.ID, Linked: now}
	if err := st.SavePerson(ctx, person); err != nil {
		return chat.Person{}, fmt.Errorf("link %s to %s: %w", l.UserID, c.Name, err)
	}
	// It may have become somebody else's in between, who did not agree.
	after, err := st.Contact(ctx, contactID)
	if err == nil && after.UserID == c.UserID {
		return person, nil
	}
	if err := errors.Join(err, st.DeletePerson(ctx, person.UserID)); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return chat.Person{}, fmt.Errorf("unlink %s from %s: %w", l.UserID, c.Name, err)
	}
	return chat.Person{}, notYours
}

// CheckMattermost says what is wrong with the settings of Mattermost, as a
// *config.FieldError.
func CheckMattermost(s chat.Settings) error {
	if err := checkSite("server_url", s.ServerURL, "write Mattermost's address, for example https://chat.example.com"); err != nil {
		return err
	}
	if err := checkSite("callback_url", s.CallbackURL, "write the address under which Mattermost reaches Tocsin, for example https://alerts.example.com"); err != nil {
		return err
	}
	if s.BotToken != "" && s.ServerURL == "" {
		return &config.FieldError{Field: "server_url", Problem: "is empty, and there is a bot's token", Mend: "write Mattermost's address, for example https://chat.example.com"}
	}
	if err := checkSecret("bot_token", s.BotToken, 200); err != nil {
		return err
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		return &config.FieldError{Field: "time_zone", Problem: fmt.Sprintf("%q is no time zone that is known here", s.TimeZone[:min(len(s.TimeZone), 60)]), Mend: "write one like Europe/Berlin, or leave it empty for UTC"}
	}
	if len(s.CommandHashes) > MaxCommandTokens {
		return &config.FieldError{Field: "command_tokens", Problem: fmt.Sprintf("has %d entries", len(s.CommandHashes)), Mend: fmt.Sprintf("take at most %d, one for each team", MaxCommandTokens)}
	}
	return nil
}

// MaxCommandTokens is how many tokens of slash commands there may be: Mattermost
// makes one for each team.
const MaxCommandTokens = 50

// CommandHashes are the hashes that are kept of the slash commands' tokens.
func CommandHashes(tokens []string) ([]string, error) {
	out := make([]string, 0, min(len(tokens), MaxCommandTokens))
	for i, t := range tokens {
		t = strings.TrimSpace(t)
		if len(t) < 8 {
			return nil, &config.FieldError{Field: fmt.Sprintf("command_tokens[%d]", i), Problem: "is too short for a token", Mend: "copy the token that Mattermost shows with the slash command"}
		}
		if err := checkSecret(fmt.Sprintf("command_tokens[%d]", i), t, 200); err != nil {
			return nil, err
		}
		if h := auth.Hash(t); !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out, nil
}

// CheckRoom says what is wrong with a room, as a *config.FieldError. It never
// repeats the webhook's address: who has it may post there.
func CheckRoom(r chat.Room) error {
	for _, f := range []struct {
		field, text string
		most        int
	}{{"name", r.Name, 100}, {"channel_override", r.Override, 100}, {"team", r.Team, 100}, {"channel", r.Channel, 100}} {
		if !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return &config.FieldError{Field: f.field, Problem: "has control characters or broken UTF-8", Mend: "write it in one line of plain text"}
		}
		if n := utf8.RuneCountInString(f.text); n > f.most {
			return &config.FieldError{Field: f.field, Problem: fmt.Sprintf("has %d characters", n), Mend: fmt.Sprintf("take at most %d", f.most)}
		}
	}
	if r.Name == "" {
		return &config.FieldError{Field: "name", Problem: "is empty", Mend: "give the room a name, for example Operations"}
	}
	switch r.Kind {
	case chat.Webhook:
		return checkWebhook(r.WebhookURL)
	case chat.Bot:
		if r.Team == "" || strings.ContainsAny(r.Team, " /") {
			return &config.FieldError{Field: "team", Problem: fmt.Sprintf("is %q", r.Team), Mend: "write the team's name as in its address: chat.example.com/TEAM/channels/…"}
		}
		if r.Channel == "" || strings.ContainsAny(r.Channel, " /#") {
			return &config.FieldError{Field: "channel", Problem: fmt.Sprintf("is %q", r.Channel), Mend: "write the channel's name as in its address: …/channels/CHANNEL"}
		}
		return nil
	}
	return &config.FieldError{Field: "kind", Problem: fmt.Sprintf("is %q", string(r.Kind)), Mend: "take webhook or bot"}
}

func checkWebhook(text string) error {
	const mend = "copy the address that Mattermost shows for the incoming webhook: https://chat.example.com/hooks/…"
	u, err := url.Parse(text)
	switch {
	case text == "":
		return &config.FieldError{Field: "webhook_url", Problem: "is empty", Mend: mend}
	case len(text) > 500 || err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.Opaque != "":
		return &config.FieldError{Field: "webhook_url", Problem: "is no web address", Mend: mend}
	case u.User != nil || u.Fragment != "":
		return &config.FieldError{Field: "webhook_url", Problem: "has a user name or a fragment", Mend: mend}
	case !strings.Contains(u.Path, "/hooks/"):
		return &config.FieldError{Field: "webhook_url", Problem: "has no /hooks/ in it", Mend: mend}
	}
	return nil
}

// checkSite is for an address of a site, which may have a path but nothing
// secret. Empty is fine.
func checkSite(field, text, mend string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if len(text) > 300 || err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.Opaque != "" {
		return &config.FieldError{Field: field, Problem: "is no web address", Mend: mend}
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return &config.FieldError{Field: field, Problem: "has more than a host and a path", Mend: mend}
	}
	return nil
}

func checkSecret(field, text string, most int) error {
	if len(text) > most || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return &config.FieldError{Field: field, Problem: "has blanks or other characters that no token has, or is too long", Mend: "copy it once more, alone"}
	}
	return nil
}

// ChangedRoom is a room as given says, with what is known of it and the webhook's
// address that was kept, unless another one is given.
func ChangedRoom(was, given chat.Room, webhook *string) chat.Room {
	given.ID, given.Created = was.ID, was.Created
	given.LastPost, given.LastError, given.LastErrorAt = was.LastPost, was.LastError, was.LastErrorAt
	if given.Kind == chat.Bot {
		given.WebhookURL, given.Override = "", ""
		if was.Kind == chat.Bot && was.Team == given.Team && was.Channel == given.Channel {
			given.ChannelID = was.ChannelID
		}
		return given
	}
	given.Team, given.Channel = "", ""
	given.WebhookURL = was.WebhookURL
	if webhook != nil {
		given.WebhookURL = strings.TrimSpace(*webhook)
	}
	return given
}
