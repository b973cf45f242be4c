package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// RoomIn is what a room is made of.
type RoomIn struct {
	Name       string  `json:"name" minLength:"1" maxLength:"100" doc:"For people" example:"Operations"`
	Kind       string  `json:"kind" enum:"webhook,bot"`
	WebhookURL *string `json:"webhook_url,omitempty" writeOnly:"true" maxLength:"500" doc:"Of a webhook: as Mattermost shows it; left out, it stays. Never shown"`
	Override   string  `json:"channel_override,omitempty" maxLength:"100" doc:"Of a webhook: another channel than its own" example:"town-square"`
	Team       string  `json:"team,omitempty" maxLength:"100" doc:"Of a bot's: as in Mattermost's addresses" example:"company"`
	Channel    string  `json:"channel,omitempty" maxLength:"100" doc:"Of a bot's: as in Mattermost's addresses" example:"operations"`
	Everything bool    `json:"everything,omitempty" doc:"It gets every alert; else what rules and contacts send there"`
	Disabled   bool    `json:"disabled,omitempty" doc:"Nothing is posted there"`
}

// RoomOut is one place in Mattermost where alerts are posted.
type RoomOut struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Kind          string     `json:"kind" enum:"webhook,bot"`
	HasWebhookURL bool       `json:"has_webhook_url"`
	Override      string     `json:"channel_override"`
	Team          string     `json:"team"`
	Channel       string     `json:"channel"`
	ChannelID     string     `json:"channel_id" doc:"Of a bot's: Mattermost's id of it, as soon as it was found"`
	Everything    bool       `json:"everything"`
	Disabled      bool       `json:"disabled"`
	LastPost      *time.Time `json:"last_post" doc:"When a message was taken last"`
	LastError     string     `json:"last_error" doc:"What went wrong since then, and the mend; empty: nothing"`
	LastErrorAt   *time.Time `json:"last_error_at"`
	Created       time.Time  `json:"created"`
}

func roomOut(r chat.Room) RoomOut {
	return RoomOut{
		ID: r.ID, Name: r.Name, Kind: string(r.Kind), HasWebhookURL: r.WebhookURL != "", Override: r.Override, Team: r.Team, Channel: r.Channel,
		ChannelID: r.ChannelID, Everything: r.Everything, Disabled: r.Disabled, LastPost: timeOut(r.LastPost), LastError: r.LastError,
		LastErrorAt: timeOut(r.LastErrorAt), Created: r.Created.UTC(),
	}
}

func (a *API) roomRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[RoomIn, RoomOut, chat.Room]{
		tag: "mattermost", path: "/mattermost/rooms", one: "room", many: "rooms", read: readConfig(), write: access{scope: auth.Administer},
		list: st.Rooms, get: st.Room, save: st.SaveRoom, remove: st.DeleteRoom, out: roomOut, fill: a.fillRoom,
		key: func(r chat.Room) string { return strings.ToLower(r.Name) + "\x00" + r.ID },
	})
	test := route("mattermost", http.MethodPost, "/mattermost/rooms/{id}/test", "test-room", "Post a test message into a room")
	registerTry(a, test, st.Room, func(ctx context.Context, r chat.Room) (TriedOut, error) {
		got, err := a.d.TestRoom(ctx, r)
		return TriedOut(got), err
	})
}

// registerTry posts a test message to something that is kept.
func registerTry[T any](a *API, op huma.Operation, get func(context.Context, string) (T, error), try func(context.Context, T) (TriedOut, error)) {
	op.Errors = []int{http.StatusNotFound}
	register(a, administer(), op, func(ctx context.Context, in *byID) (*body[TriedOut], error) {
		kept, err := get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, probeWithin)
		defer cancel()
		got, err := try(ctx, kept)
		if err != nil {
			return nil, err
		}
		return give(got), nil
	})
}

// fillRoom makes a room of what was given; of one that is there, the secret that
// was left out and what is known of it stay.
func (a *API) fillRoom(ctx context.Context, id string, in RoomIn) (chat.Room, error) {
	was, err := a.d.Store.Room(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		was = chat.Room{ID: id, Created: a.d.Now().Truncate(time.Millisecond)}
	} else if err != nil {
		return was, err
	}
	r := web.ChangedRoom(was, chat.Room{
		Name: strings.TrimSpace(in.Name), Kind: chat.Kind(in.Kind), Override: strings.TrimSpace(in.Override), Team: strings.TrimSpace(in.Team),
		Channel: strings.TrimSpace(in.Channel), Everything: in.Everything, Disabled: in.Disabled,
	}, in.WebhookURL)
	return r, web.CheckRoom(r)
}
