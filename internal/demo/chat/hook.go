package chat

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// incoming is a post by an incoming webhook.
func (s *Server) incoming(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, badBody("body"))
		return
	}
	if e := s.hooked(r.PathValue("hook"), r.Header.Get("Content-Type"), body); e != nil {
		answer(w, e.Status, e)
		return
	}
	ok200(w)
}

func (s *Server) hooked(id, contentType string, body []byte) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooks[id]
	if h == nil {
		return refuse(http.StatusBadRequest, "web.incoming_webhook.invalid.app_error", "Invalid webhook.")
	}
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return refuse(http.StatusBadRequest, "api.webhook.incoming.error", "Could not decode the multipart payload of incoming webhook.")
		}
		body = []byte(form.Get("payload"))
	}
	var g struct {
		Text        string         `json:"text"`
		Username    string         `json:"username"`
		IconURL     string         `json:"icon_url"`
		ChannelName string         `json:"channel"`
		Props       map[string]any `json:"props"`
		Attachments []any          `json:"attachments"`
		Type        string         `json:"type"`
	}
	if json.Unmarshal(body, &g) != nil {
		return refuse(http.StatusBadRequest, "model.incoming_hook.parse_data.app_error", "Unable to parse incoming data.")
	}
	if g.Text == "" && g.Attachments == nil {
		return refuse(http.StatusBadRequest, "web.incoming_webhook.text.app_error", "No text specified.")
	}
	r, e := s.target(h, g.ChannelName)
	if e != nil {
		return e
	}
	if r.Archived {
		return refuse(http.StatusInternalServerError, "api.post.create_webhook_post.creating.app_error", "Error creating post.")
	}
	props := map[string]any{"from_webhook": "true", "webhook_display_name": h.Display}
	for k, v := range g.Props {
		if k != "attachments" {
			props[k] = v
		}
	}
	if g.Username != "" {
		props["override_username"] = g.Username
	}
	if g.IconURL != "" {
		props["override_icon_url"] = g.IconURL
	}
	if len(g.Attachments) > 0 {
		props["attachments"] = cutAttachments(g.Attachments)
	}
	text := slackText(g.Text)
	for {
		head := cut(text, maxMessage)
		text = text[len(head):]
		p := &post{Post: Post{ChannelID: r.ID, UserID: h.UserID, Message: head}}
		if text == "" { // attachments come with the last part
			p.setProps(props)
		} else {
			p.setProps(map[string]any{"from_webhook": "true"})
		}
		if p.Attachments != nil {
			p.Type = "slack_attachment"
		}
		if e := s.add(r, p); e != nil {
			return e
		}
		if text == "" {
			return nil
		}
	}
}

// cutAttachments does what Mattermost does with texts that do not fit and with
// <!channel>.
func cutAttachments(all []any) []any {
	for _, one := range all {
		a, ok := one.(map[string]any)
		if !ok {
			continue
		}
		for _, key := range []string{"text", "pretext", "title"} {
			if t, ok := a[key].(string); ok {
				a[key] = slackText(t)
			}
		}
		if t, ok := a["text"].(string); ok && utf8.RuneCountInString(t) > maxProps/2 {
			a["text"] = cut(t, maxProps/2)
		}
		fields, _ := a["fields"].([]any)
		for _, f := range fields {
			if f, ok := f.(map[string]any); ok {
				if v, ok := f["value"].(string); ok {
					f["value"] = slackText(v)
				}
			}
		}
	}
	return all
}

// target is where a webhook posts.
func (s *Server) target(h *Hook, name string) (*room, *apiError) {
	none := refuse(http.StatusNotFound, "web.incoming_webhook.channel.app_error", "Couldn't find the channel.")
	if name == "" {
		if r := s.channels[h.ChannelID]; r != nil {
			return r, nil
		}
		return nil, none
	}
	if user, ok := strings.CutPrefix(name, "@"); ok {
		u := s.userByName(user)
		if u == nil {
			return nil, refuse(http.StatusBadRequest, "web.incoming_webhook.user.app_error", "Couldn't find the user.")
		}
		return s.direct(h.UserID, u.ID), nil
	}
	r := s.channelByName(h.TeamID, strings.TrimPrefix(name, "#"))
	if r == nil {
		return nil, none
	}
	if r.Type == "P" && !r.members[h.UserID] {
		return nil, refuse(http.StatusForbidden, "web.incoming_webhook.permissions.app_error", "Inappropriate channel permissions.")
	}
	return r, nil
}
