package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"tocsin/internal/channel"
)

// user is an account of a server.
type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Bot      bool   `json:"is_bot"`
}

// place is a channel of a server.
type place struct {
	ID      string `json:"id"`
	Deleted int64  `json:"delete_at"`
}

// post is what is read of one that stands in a channel.
type post struct {
	ID        string          `json:"id"`
	UserID    string          `json:"user_id"`
	ChannelID string          `json:"channel_id"`
	Deleted   int64           `json:"delete_at"`
	Props     json.RawMessage `json:"props"`
}

// ours is what our posts carry in their props.
type ours struct {
	ID    string `json:"id,omitempty"`    // of a post: the nonce
	Reply string `json:"reply,omitempty"` // of a reply: the delivery
}

func (p *post) ours() ours {
	var props struct {
		Tocsin ours `json:"tocsin"`
	}
	// What others wrote there is no concern of ours.
	if json.Unmarshal(p.Props, &props) != nil {
		return ours{}
	}
	return props.Tocsin
}

// props are those of a post that we make.
type props struct {
	Attachments []attachment `json:"attachments,omitempty"`
	Tocsin      ours         `json:"tocsin"`
}

// newPost is a post that is to be made.
type newPost struct {
	ChannelID string `json:"channel_id"`
	RootID    string `json:"root_id,omitempty"`
	Message   string `json:"message"`
	Props     props  `json:"props"`
}

// edit is what is changed of a post. It is a patch, so that a post which people
// have pinned stays so.
type edit struct {
	Message string `json:"message"`
	Props   props  `json:"props"`
}

// Names are 64 characters at most in Mattermost, and nobody looks at more teams.
const (
	maxNames = 64
	maxTeams = 200
)

func (c *client) me(ctx context.Context, s *server) (u user, err error) {
	if err = c.call(ctx, s, http.MethodGet, "/users/me", nil, &u); err == nil && !isID(u.ID) {
		err = &answerError{status: http.StatusOK, words: "nothing that says who the token belongs to"}
	}
	u.Username = channel.Cut(oneLine(u.Username), maxNames)
	return u, err
}

func (c *client) teams(ctx context.Context, s *server) ([]string, error) {
	var teams []struct {
		Name string `json:"name"`
	}
	err := c.call(ctx, s, http.MethodGet, "/users/me/teams", nil, &teams)
	names := make([]string, min(len(teams), maxTeams))
	for i := range names {
		names[i] = channel.Cut(oneLine(teams[i].Name), maxNames)
	}
	return names, err
}

func (c *client) channelByName(ctx context.Context, s *server, team, name string) (p place, err error) {
	err = c.call(ctx, s, http.MethodGet, "/teams/name/"+segment(team)+"/channels/name/"+segment(strings.TrimPrefix(name, "~")), nil, &p)
	return found(p, err)
}

func (c *client) direct(ctx context.Context, s *server, me, other string) (p place, err error) {
	err = c.call(ctx, s, http.MethodPost, "/channels/direct", []string{me, other}, &p)
	return found(p, err)
}

func found(p place, err error) (place, error) {
	if err == nil && !isID(p.ID) {
		err = &answerError{status: http.StatusOK, words: "no channel"}
	}
	if err == nil && p.Deleted > 0 {
		err = &answerError{status: http.StatusNotFound, id: "archived", words: "the channel is archived"}
	}
	return p, err
}

func segment(s string) string { return url.PathEscape(strings.ToLower(strings.TrimSpace(s))) }

func (c *client) create(ctx context.Context, s *server, n newPost) (p post, err error) {
	if err = c.call(ctx, s, http.MethodPost, "/posts", n, &p); err == nil && !isID(p.ID) {
		err = &answerError{status: http.StatusOK, words: "no post"}
	}
	return p, err
}

func (c *client) edit(ctx context.Context, s *server, postID string, e edit) error {
	return c.call(ctx, s, http.MethodPut, "/posts/"+url.PathEscape(postID)+"/patch", e, nil)
}

func (c *client) post(ctx context.Context, s *server, postID string) (p post, err error) {
	err = c.call(ctx, s, http.MethodGet, "/posts/"+url.PathEscape(postID), nil, &p)
	return p, err
}

type postList struct {
	Posts map[string]post `json:"posts"`
}

// lastPosts are the last ones of a channel, 200 at most, in no order.
func (c *client) lastPosts(ctx context.Context, s *server, channelID string) (map[string]post, error) {
	var list postList
	err := c.call(ctx, s, http.MethodGet, "/channels/"+url.PathEscape(channelID)+"/posts?page=0&per_page=200", nil, &list)
	return list.Posts, err
}

func (c *client) thread(ctx context.Context, s *server, rootID string) (map[string]post, error) {
	var list postList
	err := c.call(ctx, s, http.MethodGet, "/posts/"+url.PathEscape(rootID)+"/thread", nil, &list)
	return list.Posts, err
}

// openDialog opens one for whoever made the trigger.
func (c *client) openDialog(ctx context.Context, s *server, d dialogRequest) error {
	ctx, cancel := context.WithTimeout(ctx, dialogWithin)
	defer cancel()
	return c.call(ctx, s, http.MethodPost, "/actions/dialogs/open", d, nil)
}

// statusOf is that of an answer, 0 for another error.
func statusOf(err error) int {
	var e *answerError
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}
