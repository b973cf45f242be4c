package chat

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// agent is how Mattermost names itself to integrations; *seen*.
const agent = "Mattermost-Bot/1.1"

// maxAnswer bounds what is read of an integration's answer.
const maxAnswer = 1 << 20

// trigger makes a trigger id for one interaction of a user. The client knows it
// by its first part alone.
func (s *Server) trigger(userID string) (id, client string) {
	client = newID()
	base := client + ":" + userID + ":" + strconv.FormatInt(s.millis(), 10)
	return base64.StdEncoding.EncodeToString([]byte(base + ":" + s.sign(base))), client
}

func (s *Server) sign(text string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// triggered reads a trigger id.
func (s *Server) triggered(id string) (client, userID string, refused *apiError) {
	bad := func(why, message string) (string, string, *apiError) {
		return "", "", refuse(http.StatusBadRequest, "interactive_message.decode_trigger_id."+why, message)
	}
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		return bad("base64_decode_failed", "Failed to decode base64 for trigger ID for interactive dialog.")
	}
	part := strings.SplitN(string(raw), ":", 4)
	if len(part) != 4 {
		return bad("missing_data", "Trigger ID missing required data for interactive dialog.")
	}
	at, err := strconv.ParseInt(part[2], 10, 64)
	if err != nil || s.o.Now().Sub(time.UnixMilli(at)) > s.o.TriggerLife {
		return bad("expired", "Trigger ID for interactive dialog is expired. Trigger IDs live for a maximum of 3 seconds.")
	}
	if !hmac.Equal([]byte(part[3]), []byte(s.sign(strings.Join(part[:3], ":")))) {
		return bad("verify_signature_failed", "Signature verification failed of trigger ID for interactive dialog.")
	}
	return part[0], part[1], nil
}

// Call is a request that the server made to an integration.
type Call struct {
	URL    string
	Header http.Header
	Body   []byte
	Status int    // 0: no answer
	Answer []byte // at most 1 MiB
	Took   time.Duration
	Err    error
}

// Calls are the requests to integrations so far, the last 1000.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

var errNotAllowed = errors.New("address forbidden, you may need to set AllowedUntrustedInternalConnections to allow an integration access to your internal network")

// ask calls an integration.
func (s *Server) ask(ctx context.Context, to, contentType string, header http.Header, body []byte) (c Call) {
	c = Call{URL: to, Body: body}
	begin := time.Now()
	defer func() {
		c.Took = time.Since(begin)
		s.mu.Lock()
		s.calls = append(s.calls, c)
		if len(s.calls) > 1000 {
			s.calls = slices.Delete(s.calls, 0, len(s.calls)-1000)
		}
		s.touch()
		s.mu.Unlock()
	}()
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		c.Err = fmt.Errorf("not an address: %q", to)
		return c
	}
	s.mu.Lock()
	allowed := s.internal
	s.mu.Unlock()
	if ip := net.ParseIP(u.Hostname()); !allowed && (u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())) {
		c.Err = errNotAllowed
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.ActionTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		c.Err = err
		return c
	}
	r.Header = maps.Clone(header)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", agent)
	c.Header = r.Header
	resp, err := s.client.Do(r)
	if err != nil {
		c.Err = err
		return c
	}
	defer resp.Body.Close()
	c.Status = resp.StatusCode
	c.Answer, c.Err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return c
}

func integrationError() *apiError {
	return refuse(http.StatusBadRequest, "api.post.do_action.action_integration.app_error", "Action integration error.")
}

// act is a click by HTTP.
func (s *Server) act(c call) (int, any, *apiError) {
	var g struct {
		SelectedOption string `json:"selected_option"`
	}
	if len(c.body) > 0 {
		_ = json.Unmarshal(c.body, &g) // an old client sends nothing of use
	}
	v, e := s.click(c.Context(), c.user, c.PathValue("post"), c.PathValue("action"), g.SelectedOption)
	return http.StatusOK, v, e
}

// click does what a click does, and answers what the client gets.
func (s *Server) click(ctx context.Context, userID, postID, actionID, option string) (any, *apiError) {
	s.mu.Lock()
	p, refused := s.find(postID, userID)
	if refused != nil {
		s.mu.Unlock()
		return nil, refused
	}
	r := s.channels[p.ChannelID]
	if !r.members[userID] {
		s.mu.Unlock()
		return nil, noPermission()
	}
	a, ok := p.action(actionID)
	if !ok {
		s.mu.Unlock()
		return nil, refuse(http.StatusNotFound, "api.post.do_action.action_id.app_error", "Invalid action id.")
	}
	trigger, client := s.trigger(userID)
	request := map[string]any{
		"user_id": userID, "user_name": s.users[userID].Name, "channel_id": r.ID, "channel_name": r.Name,
		"team_id": r.TeamID, "team_domain": "", "post_id": p.ID, "trigger_id": trigger, "type": a.Type, "data_source": "",
	}
	if t := s.teams[r.TeamID]; t != nil {
		request["team_domain"] = t.Name
	}
	given := maps.Clone(a.Integration.Context)
	if a.Type == "select" {
		if given == nil {
			given = map[string]any{}
		}
		given["selected_option"] = option
	}
	if given != nil {
		request["context"] = given
	}
	s.mu.Unlock()

	body, err := json.Marshal(request)
	if err != nil {
		return nil, integrationError()
	}
	c := s.ask(ctx, a.Integration.URL, "application/json", nil, body)
	if c.Err != nil || c.Status != http.StatusOK {
		return nil, integrationError()
	}
	var said struct {
		Update *struct {
			Message string         `json:"message"`
			Props   map[string]any `json:"props"`
		} `json:"update"`
		EphemeralText    string `json:"ephemeral_text"`
		SkipSlackParsing bool   `json:"skip_slack_parsing"`
	}
	if json.Unmarshal(c.Answer, &said) != nil {
		return nil, integrationError()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.posts[postID]; p == nil || p.deleted != 0 {
		return map[string]any{"status": "OK", "trigger_id": client}, nil
	}
	if u := said.Update; u != nil {
		props := u.Props
		for _, kept := range []string{"from_webhook", "override_username", "override_icon_url"} {
			if props != nil && p.Props[kept] != nil {
				props[kept] = p.Props[kept]
			} else if props != nil {
				delete(props, kept)
			}
		}
		if refused := s.change(p, &u.Message, props, props != nil); refused != nil {
			return nil, refused
		}
	}
	if said.EphemeralText != "" {
		text := said.EphemeralText
		if !said.SkipSlackParsing {
			text = slackLinks(text)
		}
		root := p.ID
		if p.RootID != "" {
			root = p.RootID
		}
		s.whisper(userID, Post{ChannelID: p.ChannelID, RootID: root, UserID: userID, Message: text})
	}
	return map[string]any{"status": "OK", "trigger_id": client}, nil
}

// whisper shows a message to one user; s.mu is held.
func (s *Server) whisper(userID string, p Post) {
	p.ID, p.Type, p.Arrived = newID(), "system_ephemeral", s.o.Now()
	p.CreateAt = p.Arrived.UnixMilli()
	said := append(s.private[userID], p)
	s.private[userID] = said[max(0, len(said)-100):]
	s.tell(event{Name: "ephemeral_message", Post: p.wire()}, func(u string) bool { return u == userID })
}
