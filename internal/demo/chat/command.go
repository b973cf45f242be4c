package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// replyTo is where a response_url leads.
type replyTo struct{ userID, channelID, name string }

// said is what a slash command answers.
type said struct {
	ResponseType string         `json:"response_type"`
	Text         string         `json:"text"`
	Username     string         `json:"username"`
	ChannelID    string         `json:"channel_id"`
	IconURL      string         `json:"icon_url"`
	Type         string         `json:"type"`
	Props        map[string]any `json:"props"`
	GotoLocation string         `json:"goto_location"`
	TriggerID    string         `json:"trigger_id"`
	SkipParsing  bool           `json:"skip_slack_parsing"`
	Attachments  []any          `json:"attachments"`
	Extra        []any          `json:"extra_responses"`
}

func (s *Server) execute(c call) (int, any, *apiError) {
	var g struct {
		ChannelID string `json:"channel_id"`
		Command   string `json:"command"`
		RootID    string `json:"root_id"`
	}
	if e := c.decode(&g); e != nil || len(g.Command) <= 1 || g.Command[0] != '/' {
		return 0, nil, badBody("command")
	}
	v, e := s.command(c.Context(), c.user, g.ChannelID, g.RootID, g.Command)
	return http.StatusOK, v, e
}

func (s *Server) command(ctx context.Context, userID, channelID, rootID, line string) (any, *apiError) {
	trigger, text, _ := strings.Cut(line[1:], " ")
	s.mu.Lock()
	r := s.channels[channelID]
	if r == nil || !r.members[userID] {
		s.mu.Unlock()
		return nil, noPermission()
	}
	var cmd *Command
	for _, c := range s.commands {
		if c.Trigger == strings.ToLower(trigger) && (c.TeamID == r.TeamID || r.TeamID == "") {
			cmd = c
		}
	}
	if cmd == nil {
		s.mu.Unlock()
		return nil, refuse(http.StatusNotFound, "api.command.execute_command.not_found.app_error",
			fmt.Sprintf("Command with a trigger of '%s' not found. To send a message beginning with \"/\" try adding an empty space at the beginning of the message.", trigger))
	}
	id, client := s.trigger(userID)
	reply := newID()
	s.replies[reply] = replyTo{userID, channelID, ""}
	form := url.Values{
		"channel_id": {r.ID}, "channel_name": {r.Name}, "command": {"/" + trigger}, "response_url": {s.url + "/hooks/commands/" + reply},
		"team_id": {cmd.TeamID}, "team_domain": {s.teams[cmd.TeamID].Name}, "text": {strings.TrimSpace(text)}, "token": {cmd.Token},
		"trigger_id": {id}, "user_id": {userID}, "user_name": {s.users[userID].Name},
	}
	if rootID != "" {
		form.Set("root_id", rootID)
	}
	to, token := cmd.URL, cmd.Token
	s.mu.Unlock()

	c := s.ask(ctx, to, "application/x-www-form-urlencoded", http.Header{"Authorization": {"Token " + token}}, []byte(form.Encode()))
	if c.Err != nil {
		return nil, refuse(http.StatusInternalServerError, "api.command.execute_command.failed.app_error", fmt.Sprintf("Command with a trigger of '%s' failed.", trigger))
	}
	if c.Status != http.StatusOK {
		return nil, refuse(http.StatusInternalServerError, "api.command.execute_command.failed_resp.app_error",
			fmt.Sprintf("Command with a trigger of '%s' returned response %d %s.", trigger, c.Status, http.StatusText(c.Status)))
	}
	var a said
	if json.Unmarshal(c.Answer, &a) != nil {
		a = said{Text: string(c.Answer), ResponseType: "ephemeral"} // text/plain is taken, too
	}
	if a.ResponseType == "" {
		a.ResponseType = "ephemeral"
	}
	a.TriggerID = client
	s.mu.Lock()
	defer s.mu.Unlock()
	return a, s.respond(userID, channelID, rootID, a)
}

// respond shows what a command answered; s.mu is held.
func (s *Server) respond(userID, channelID, rootID string, a said) *apiError {
	if a.Text == "" && len(a.Attachments) == 0 {
		return nil
	}
	text := a.Text
	if !a.SkipParsing {
		text = slackText(text)
	}
	p := &post{Post: Post{ChannelID: channelID, RootID: rootID, UserID: userID, Message: cut(text, maxMessage)}}
	props := map[string]any{"from_webhook": "true", "override_username": a.Username, "override_icon_url": a.IconURL}
	if len(a.Attachments) > 0 {
		props["attachments"] = a.Attachments
	}
	p.setProps(props)
	if a.ResponseType != "in_channel" {
		s.whisper(userID, p.public())
		return nil
	}
	return s.add(s.channels[channelID], p)
}

// delayed is a post to a response_url.
func (s *Server) delayed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, http.StatusBadRequest, badBody("body"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	to, ok := s.replies[r.PathValue("reply")]
	if !ok {
		answer(w, http.StatusNotFound, refuse(http.StatusNotFound, "web.command_webhook.invalid.app_error", "Invalid webhook."))
		return
	}
	var a said
	if json.Unmarshal(body, &a) != nil {
		answer(w, http.StatusBadRequest, refuse(http.StatusBadRequest, "web.command_webhook.parse.app_error", "Unable to parse incoming data."))
		return
	}
	if e := s.respond(to.userID, to.channelID, "", a); e != nil {
		answer(w, e.Status, e)
		return
	}
	ok200(w)
}

func ok200(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, "ok")
}
