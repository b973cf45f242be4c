package chat

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// RefusedError is how the server answers a person whose act did not go well.
type RefusedError struct {
	Status  int
	ID      string // "api.post.do_action.action_id.app_error"
	Message string // what the client shows
}

func (r *RefusedError) Error() string { return r.Message }

func refused(e *apiError) error {
	if e == nil {
		return nil
	}
	return &RefusedError{e.Status, e.ID, e.Message}
}

// Click presses a button of a post, or chooses the option of its select menu. It
// returns when the integration has answered; a *RefusedError is what the person sees.
func (s *Server) Click(ctx context.Context, userID, postID, actionID, option string) error {
	if !idForm.MatchString(actionID) {
		return &RefusedError{404, "api.context.404.app_error", "Sorry, we could not find the page."}
	}
	_, e := s.click(ctx, userID, postID, actionID, option)
	return refused(e)
}

// Say types a line into a channel's message box: a message, or a slash command,
// whose answer for this person alone is answered, too. rootID is the thread's.
func (s *Server) Say(ctx context.Context, userID, channelID, rootID, line string) (answer string, err error) {
	if len(line) > 1 && line[0] == '/' {
		v, e := s.command(ctx, userID, channelID, rootID, line)
		if e != nil {
			return "", refused(e)
		}
		return v.(said).Text, nil
	}
	body, err := json.Marshal(given{ChannelID: channelID, RootID: rootID, Message: line})
	if err != nil {
		return "", err
	}
	_, _, e := s.create(call{user: userID, body: body})
	return "", refused(e)
}

// Dialog is the one that is open before the user.
func (s *Server) Dialog(userID string) (d Dialog, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, open = s.dialogs[userID]
	return d, open
}

var errNoDialog = errors.New("chat: no dialog is open")

// Submit sends the dialog that is open, from a channel. What it answers is shown
// to the person; it closes when that is nothing.
func (s *Server) Submit(ctx context.Context, userID, channelID string, values map[string]any) (DialogAnswer, error) {
	return s.end(ctx, userID, channelID, values, false)
}

// Cancel closes the dialog that is open; the integration hears of it if it asked
// for that.
func (s *Server) Cancel(ctx context.Context, userID, channelID string) error {
	_, err := s.end(ctx, userID, channelID, nil, true)
	return err
}

func (s *Server) end(ctx context.Context, userID, channelID string, values map[string]any, cancelled bool) (DialogAnswer, error) {
	d, ok := s.Dialog(userID)
	if !ok {
		return DialogAnswer{}, errNoDialog
	}
	if cancelled && !d.OnCancel {
		s.mu.Lock()
		delete(s.dialogs, userID)
		s.mu.Unlock()
		return DialogAnswer{}, nil
	}
	return s.SubmitAs(ctx, userID, channelID, d, values, cancelled)
}

// SubmitAs sends a dialog that may have been tampered with, or be another's: its
// URL, callback id and state are the client's to choose.
func (s *Server) SubmitAs(ctx context.Context, userID, channelID string, d Dialog, values map[string]any, cancelled bool) (DialogAnswer, error) {
	a, e := s.submitted(ctx, userID, submission{
		URL: d.URL, CallbackID: d.CallbackID, State: d.State, ChannelID: channelID, Submission: values, Cancelled: cancelled,
	})
	return a, refused(e)
}

// Posts are those of a channel, oldest first, replies among them.
func (s *Server) Posts(channelID string) []Post {
	return s.collect(channelID, func(*post) bool { return true })
}

// Thread are the replies to a post, oldest first.
func (s *Server) Thread(rootID string) []Post {
	s.mu.Lock()
	p := s.posts[rootID]
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	return s.collect(p.ChannelID, func(p *post) bool { return p.RootID == rootID })
}

func (s *Server) collect(channelID string, fits func(*post) bool) []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.channels[channelID]
	if r == nil {
		return nil
	}
	var out []Post
	for _, id := range r.order {
		if p := s.posts[id]; fits(p) {
			out = append(out, p.public())
		}
	}
	return out
}

// Post is one post.
func (s *Server) Post(id string) (Post, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.posts[id]
	if p == nil || p.deleted != 0 {
		return Post{}, false
	}
	return p.public(), true
}

// Secrets is what a button of a post carries, which nobody else gets to see.
func (s *Server) Secrets(postID, actionID string) (Integration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.posts[postID]
	if p == nil {
		return Integration{}, false
	}
	a, ok := p.action(actionID)
	if !ok {
		return Integration{}, false
	}
	return Integration{a.Integration.URL, maps.Clone(a.Integration.Context)}, true
}

// Private are the messages that only this user saw, oldest first, the last 100.
func (s *Server) Private(userID string) []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.private[userID])
}

// Actions are the ids of a post's buttons and menus, in order.
func (p Post) Actions() []string {
	var out []string
	for _, a := range p.Attachments {
		for _, b := range a.Actions {
			out = append(out, b.ID)
		}
	}
	return out
}

// Text is all that a person reads in the post, one line each.
func (p Post) Text() string {
	out := p.Message
	for _, a := range p.Attachments {
		for _, t := range []string{a.Pretext, a.Title, a.Text, a.Footer} {
			if t != "" {
				out += "\n" + t
			}
		}
		for _, f := range a.Fields {
			if v, ok := f.Value.(string); ok {
				out += "\n" + f.Title + ": " + v
			}
		}
	}
	return out
}
