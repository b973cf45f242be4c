package chat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// Dialog is a form that an integration opened for a user.
type Dialog struct {
	URL        string    `json:"url"`
	TriggerID  string    `json:"trigger_id"` // the client's part
	CallbackID string    `json:"callback_id"`
	Title      string    `json:"title"`
	Intro      string    `json:"introduction_text"`
	State      string    `json:"state"`
	Submit     string    `json:"submit_label"`
	OnCancel   bool      `json:"notify_on_cancel"`
	Elements   []Element `json:"elements"`
	ChannelID  string    `json:"-"` // where the user was when it opened
}

// Element is a field of a dialog.
type Element struct {
	DisplayName string   `json:"display_name"`
	Name        string   `json:"name"`
	Type        string   `json:"type"` // text, textarea, select, bool, radio
	SubType     string   `json:"subtype"`
	Default     string   `json:"default"`
	Placeholder string   `json:"placeholder"`
	HelpText    string   `json:"help_text"`
	Optional    bool     `json:"optional"`
	MinLength   int      `json:"min_length"`
	MaxLength   int      `json:"max_length"`
	DataSource  string   `json:"data_source"`
	Options     []Option `json:"options"`
}

// check is what the documentation asks of a dialog. New servers only log it;
// here it is refused, so that it is seen.
func (d Dialog) check() string {
	if d.Title == "" || utf8.RuneCountInString(d.Title) > 24 {
		return "title"
	}
	if len(d.Elements) > 5 {
		return "elements"
	}
	for _, e := range d.Elements {
		switch {
		case e.DisplayName == "" || utf8.RuneCountInString(e.DisplayName) > 24:
			return "display_name"
		case e.Name == "" || utf8.RuneCountInString(e.Name) > 300:
			return "name"
		case utf8.RuneCountInString(e.HelpText) > 150:
			return "help_text"
		case e.Type == "text" && e.MaxLength > 150, e.Type == "textarea" && e.MaxLength > 3000:
			return "max_length"
		case (e.Type == "select" || e.Type == "radio") && len(e.Options) == 0 && e.DataSource == "":
			return "options"
		}
		switch e.Type {
		case "text", "textarea", "select", "bool", "radio":
		default:
			return "type"
		}
	}
	return ""
}

func (s *Server) openDialog(c call) (int, any, *apiError) {
	var g struct {
		TriggerID string `json:"trigger_id"`
		URL       string `json:"url"`
		Dialog    Dialog `json:"dialog"`
	}
	if e := c.decode(&g); e != nil {
		return 0, nil, badBody("dialog")
	}
	client, userID, e := s.triggered(g.TriggerID)
	if e != nil {
		return 0, nil, e
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Host == "" {
		return 0, nil, badBody("url")
	}
	if wrong := g.Dialog.check(); wrong != "" {
		return 0, nil, badBody(wrong)
	}
	d := g.Dialog
	d.URL, d.TriggerID = g.URL, client
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs[userID] = d
	s.tell(event{Name: "open_dialog", Dialog: &d}, func(u string) bool { return u == userID })
	return http.StatusOK, done, nil
}

// submission is what a client sends; all of it is the client's to choose.
type submission struct {
	URL        string         `json:"url"`
	CallbackID string         `json:"callback_id"`
	State      string         `json:"state"`
	ChannelID  string         `json:"channel_id"`
	TeamID     string         `json:"team_id"`
	Submission map[string]any `json:"submission"`
	Cancelled  bool           `json:"cancelled"`
}

// DialogAnswer is what the person sees of a submission: nothing, or what is
// wrong with it.
type DialogAnswer struct {
	Error  string            `json:"error,omitempty"`
	Errors map[string]string `json:"errors,omitempty"`
}

func (s *Server) submit(c call) (int, any, *apiError) {
	var g submission
	if e := c.decode(&g); e != nil {
		return 0, nil, badBody("dialog")
	}
	a, e := s.submitted(c.Context(), c.user, g)
	return http.StatusOK, a, e
}

func (s *Server) submitted(ctx context.Context, userID string, g submission) (DialogAnswer, *apiError) {
	s.mu.Lock()
	r := s.channels[g.ChannelID]
	if r == nil || !r.members[userID] {
		s.mu.Unlock()
		return DialogAnswer{}, noPermission()
	}
	team := r.TeamID
	s.mu.Unlock()
	if g.Submission == nil {
		g.Submission = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{
		"type": "dialog_submission", "callback_id": g.CallbackID, "state": g.State, "user_id": userID,
		"channel_id": g.ChannelID, "team_id": team, "submission": g.Submission, "cancelled": g.Cancelled,
	})
	if err != nil {
		return DialogAnswer{}, badBody("submission")
	}
	c := s.ask(ctx, g.URL, "application/json", nil, body)
	if c.Err != nil || c.Status != http.StatusOK {
		return DialogAnswer{}, integrationError()
	}
	var a DialogAnswer
	_ = json.Unmarshal(c.Answer, &a) // an empty answer is fine
	if a.Error == "" && len(a.Errors) == 0 {
		s.mu.Lock()
		delete(s.dialogs, userID)
		s.touch()
		s.mu.Unlock()
	}
	return a, nil
}
