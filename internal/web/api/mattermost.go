package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// MattermostIn changes the settings of Mattermost; what is left out stays.
type MattermostIn struct {
	Enabled       *bool    `json:"enabled,omitempty" doc:"Mattermost is used at all"`
	ServerURL     *string  `json:"server_url,omitempty" maxLength:"300" doc:"Its address; needed for the bot and for dialogs" example:"https://chat.example.com"`
	TwoWay        *bool    `json:"two_way,omitempty" doc:"Buttons, dialogs and the slash command; needs an API key (POST /mattermost/key)"`
	CallbackURL   *string  `json:"callback_url,omitempty" maxLength:"300" doc:"Under which Mattermost reaches Tocsin; empty: the base URL"`
	UseProxy      *bool    `json:"use_proxy,omitempty" doc:"Through the outgoing proxy"`
	Unlinked      *bool    `json:"allow_unlinked,omitempty" doc:"People of Mattermost who are linked to no contact may acknowledge, too"`
	NoEmoji       *bool    `json:"no_emoji,omitempty" doc:"No emoji in messages"`
	TimeZone      *string  `json:"time_zone,omitempty" maxLength:"60" doc:"Of times in posts and answers; empty: UTC" example:"Europe/Berlin"`
	BotToken      *string  `json:"bot_token,omitempty" writeOnly:"true" maxLength:"200" doc:"Of the bot; empty removes it. Never shown"`
	CommandTokens []string `json:"command_tokens" required:"false" writeOnly:"true" maxItems:"50" doc:"Of the slash command, one for each team; given, they replace all. Only their hashes are kept"`
}

// MattermostOut are the settings of Mattermost, without secrets.
type MattermostOut struct {
	Enabled       bool   `json:"enabled"`
	ServerURL     string `json:"server_url"`
	TwoWay        bool   `json:"two_way"`
	CallbackURL   string `json:"callback_url"`
	UseProxy      bool   `json:"use_proxy"`
	Unlinked      bool   `json:"allow_unlinked"`
	NoEmoji       bool   `json:"no_emoji"`
	TimeZone      string `json:"time_zone" doc:"Of times in posts and answers; empty: UTC"`
	HasBotToken   bool   `json:"has_bot_token"`
	CommandTokens int    `json:"command_tokens" doc:"How many there are"`
	APIKeyID      string `json:"api_key_id" doc:"The API key in whose name buttons act; when it is revoked, they stop"`
}

func mattermostOut(s chat.Settings) MattermostOut {
	return MattermostOut{
		Enabled: s.Enabled, ServerURL: s.ServerURL, TwoWay: s.TwoWay, CallbackURL: s.CallbackURL, UseProxy: s.UseProxy, Unlinked: s.Unlinked,
		NoEmoji: s.NoEmoji, TimeZone: s.TimeZone, HasBotToken: s.BotToken != "", CommandTokens: len(s.CommandHashes), APIKeyID: s.APIKeyID,
	}
}

// into changes the settings. A bot's token never goes to another server than it
// was given for.
func (in MattermostIn) into(s *chat.Settings) error {
	before := s.ServerURL
	set(&s.Enabled, in.Enabled)
	set(&s.TwoWay, in.TwoWay)
	set(&s.UseProxy, in.UseProxy)
	set(&s.Unlinked, in.Unlinked)
	set(&s.NoEmoji, in.NoEmoji)
	set(&s.TimeZone, in.TimeZone)
	if in.ServerURL != nil {
		s.ServerURL = strings.TrimRight(strings.TrimSpace(*in.ServerURL), "/")
	}
	if in.CallbackURL != nil {
		s.CallbackURL = strings.TrimRight(strings.TrimSpace(*in.CallbackURL), "/")
	}
	if in.BotToken != nil {
		s.BotToken = strings.TrimSpace(*in.BotToken)
	} else if s.BotToken != "" && s.ServerURL != before {
		return fieldProblem("bot_token", "is kept for another server; give it again, or an empty one to remove it", nil)
	}
	if in.CommandTokens != nil {
		var err error
		if s.CommandHashes, err = web.CommandHashes(in.CommandTokens); err != nil {
			return err
		}
	}
	return web.CheckMattermost(*s)
}

// PersonOut is a Mattermost user who is linked to a contact.
type PersonOut struct {
	UserID    string    `json:"user_id" doc:"Mattermost's id, which never changes"`
	Name      string    `json:"name" doc:"Their user name as last seen"`
	ContactID string    `json:"contact_id"`
	Linked    time.Time `json:"linked"`
}

func personOut(p chat.Person) PersonOut {
	return PersonOut{UserID: p.UserID, Name: p.Name, ContactID: p.ContactID, Linked: p.Linked.UTC()}
}

// LinkBody is what came by /tocsin link, and whom it is for.
type LinkBody struct {
	Token     string `json:"token" minLength:"1" maxLength:"200" doc:"From the link that /tocsin link gave, after its #; good once, for ten minutes"`
	ContactID string `json:"contact_id" minLength:"1" maxLength:"100" doc:"A contact of yours"`
}

func (a *API) mattermostRoutes() {
	st := a.d.Store
	register(a, readConfig(), route("mattermost", http.MethodGet, "/mattermost", "get-mattermost", "The settings of Mattermost"),
		func(ctx context.Context, _ *struct{}) (*body[MattermostOut], error) {
			s, err := st.ChatSettings(ctx)
			if err != nil {
				return nil, err
			}
			return give(mattermostOut(s)), nil
		})
	register(a, administer(), route("mattermost", http.MethodPut, "/mattermost", "change-mattermost", "Change the settings of Mattermost; in force at once"),
		func(ctx context.Context, in *postIn[MattermostIn]) (*body[MattermostOut], error) {
			s, err := st.ChatSettings(ctx)
			if err != nil {
				return nil, err
			}
			if err := in.Body.into(&s); err != nil {
				return nil, err
			}
			if err := st.SaveChatSettings(ctx, s); err != nil {
				return nil, err
			}
			return give(mattermostOut(s)), nil
		})
	key := route("mattermost", http.MethodPost, "/mattermost/key", "create-mattermost-key", "Make the API key in whose name Mattermost acts; the one before is revoked")
	key.Description = "Its scope is `alerts:acknowledge` alone. The answer has the key, this once."
	key.DefaultStatus = http.StatusCreated
	register(a, administer(), key, func(ctx context.Context, _ *struct{}) (*body[KeyWithSecret], error) {
		k, token, err := web.MattermostKey(ctx, st, a.d.Auth)
		if err != nil {
			return nil, err
		}
		return give(KeyWithSecret{KeyOut: keyOut(k), Key: token}), nil
	})
	a.personRoutes()
}

func (a *API) personRoutes() {
	st := a.d.Store
	register(a, readConfig(), route("mattermost", http.MethodGet, "/mattermost/people", "list-mattermost-people", "Mattermost users who are linked to contacts"),
		func(ctx context.Context, in *Paging) (*body[list[PersonOut]], error) {
			all, err := st.People(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, func(p chat.Person) string { return p.Name + "\x00" + p.UserID })
			if err != nil {
				return nil, err
			}
			return give(list[PersonOut]{Items: each(page.Items, personOut), Next: page.Next}), nil
		})
	del := route("mattermost", http.MethodDelete, "/mattermost/people/{id}", "unlink-mattermost-person", "Unlink a Mattermost user from their contact")
	del.Errors = []int{http.StatusNotFound}
	register(a, writeConfig(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		all, err := st.People(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(p chat.Person) bool { return p.UserID == in.ID }) {
			return nil, fault.ErrNotFound
		}
		return nil, st.DeletePerson(ctx, in.ID)
	})
	link := route("mattermost", http.MethodPost, "/mattermost/link", "link-mattermost-person", "Say which contact of yours you are in Mattermost")
	link.Description = "404: the link is none that this Tocsin gave, was used before, or has run out."
	link.Errors = []int{http.StatusNotFound}
	register(a, access{sessionOnly: true}, link, func(ctx context.Context, in *postIn[LinkBody]) (*body[PersonOut], error) {
		p, _ := auth.From(ctx)
		if strings.ContainsRune(in.Body.ContactID, 0) {
			return nil, fieldProblem("contact_id", "is the id of no contact of yours; take one that is linked to your user", nil)
		}
		person, err := web.LinkPerson(ctx, st, p, in.Body.Token, in.Body.ContactID, a.d.Now())
		if errors.Is(err, fault.ErrNotFound) {
			return nil, problem(http.StatusNotFound, "The link was used before, has run out, or is none; type /tocsin link in Mattermost for another one.")
		}
		if err != nil {
			return nil, err
		}
		return give(personOut(person)), nil
	})
}
