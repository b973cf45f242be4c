package chat

import (
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// given is the JSON of a post as programs send it.
type given struct {
	ID            string         `json:"id"`
	ChannelID     string         `json:"channel_id"`
	RootID        string         `json:"root_id"`
	Message       string         `json:"message"`
	Type          string         `json:"type"`
	PendingPostID string         `json:"pending_post_id"`
	Props         map[string]any `json:"props"`
}

func tooLong() *apiError {
	return refuse(http.StatusBadRequest, "model.post.is_valid.message_length.app_error", "Post Message property is longer than the maximum permitted length.")
}

func (s *Server) create(c call) (int, any, *apiError) {
	var g given
	if e := c.decode(&g); e != nil {
		return 0, nil, badBody("post")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.channels[g.ChannelID]
	if r == nil || !r.members[c.user] {
		return 0, nil, noPermission()
	}
	p := &post{Post: Post{ChannelID: r.ID, RootID: g.RootID, UserID: c.user, Message: g.Message}, pending: g.PendingPostID}
	p.setProps(g.Props)
	if s.users[c.user].Bot {
		p.Props = with(p.Props, "from_bot", "true")
	}
	if e := s.add(r, p); e != nil {
		return 0, nil, e
	}
	return http.StatusCreated, p.wire(), nil
}

func with(props map[string]any, key string, value any) map[string]any {
	if props == nil {
		props = map[string]any{}
	}
	props[key] = value
	return props
}

// add checks a post and puts it into its channel; s.mu is held.
func (s *Server) add(r *room, p *post) *apiError {
	if r.Archived {
		return refuse(http.StatusBadRequest, "api.post.create_post.can_not_post_to_deleted.error", "Can not post to deleted channel.")
	}
	if utf8.RuneCountInString(p.Message) > maxMessage {
		return tooLong()
	}
	if p.size() > maxProps {
		return refuse(http.StatusBadRequest, "model.post.is_valid.props.app_error", "Invalid props.")
	}
	if p.RootID != "" {
		root := s.posts[p.RootID]
		if root == nil || root.deleted != 0 || root.RootID != "" {
			return refuse(http.StatusBadRequest, "api.post.create_post.root_id.app_error", "Invalid RootId parameter.")
		}
		if root.ChannelID != r.ID {
			return refuse(http.StatusBadRequest, "api.post.create_post.channel_root_id.app_error", "Invalid ChannelId for RootId parameter.")
		}
		root.Replies++
	}
	p.ID, p.Arrived = newID(), s.o.Now()
	p.CreateAt, p.UpdateAt, p.Edited = p.Arrived.UnixMilli(), p.Arrived.UnixMilli(), p.Arrived
	s.posts[p.ID] = p
	r.order = append(r.order, p.ID)
	for len(r.order) > s.o.Keep {
		delete(s.posts, r.order[0])
		r.order = r.order[1:]
	}
	s.posted("posted", p)
	return nil
}

// posted tells those in the channel of a post.
func (s *Server) posted(what string, p *post) {
	r := s.channels[p.ChannelID]
	s.tell(event{Name: what, Post: p.wire()}, func(u string) bool { return r != nil && r.members[u] })
}

// find answers a post that the user may read.
func (s *Server) find(id, userID string) (*post, *apiError) {
	p := s.posts[id]
	if p == nil || p.deleted != 0 {
		return nil, missing("post")
	}
	if _, e := s.readable(p.ChannelID, userID); e != nil {
		return nil, e
	}
	return p, nil
}

func (s *Server) get(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, e := s.find(c.PathValue("post"), c.user)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, p.wire(), nil
}

// put replaces message and props: what is not sent is gone.
func (s *Server) put(c call) (int, any, *apiError) {
	var g given
	if e := c.decode(&g); e != nil {
		return 0, nil, badBody("post")
	}
	if g.ID != c.PathValue("post") {
		return 0, nil, badBody("id")
	}
	return s.edit(c, &g.Message, g.Props, true)
}

// patch replaces what is sent.
func (s *Server) patch(c call) (int, any, *apiError) {
	var g struct {
		Message *string        `json:"message"`
		Props   map[string]any `json:"props"`
	}
	if e := c.decode(&g); e != nil {
		return 0, nil, badBody("post")
	}
	return s.edit(c, g.Message, g.Props, g.Props != nil)
}

func (s *Server) edit(c call, message *string, props map[string]any, whole bool) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.posts[c.PathValue("post")]
	// A post that is gone cannot be told from one that is another's.
	if p == nil || p.deleted != 0 || p.UserID != c.user || p.Props["from_webhook"] == "true" {
		return 0, nil, noPermission()
	}
	r := s.channels[p.ChannelID]
	if r == nil || !r.members[c.user] {
		return 0, nil, noPermission()
	}
	if r.Archived {
		return 0, nil, refuse(http.StatusBadRequest, "api.post.update_post.can_not_update_post_in_deleted.error", "Can not update a post in a deleted channel.")
	}
	if e := s.change(p, message, props, whole); e != nil {
		return 0, nil, e
	}
	return http.StatusOK, p.wire(), nil
}

// change edits a post; s.mu is held.
func (s *Server) change(p *post, message *string, props map[string]any, whole bool) *apiError {
	next := *p
	if message != nil {
		next.Message = *message
	}
	if whole {
		next.setProps(props)
	}
	if utf8.RuneCountInString(next.Message) > maxMessage {
		return tooLong()
	}
	if next.size() > maxProps {
		return refuse(http.StatusBadRequest, "model.post.is_valid.props.app_error", "Invalid props.")
	}
	next.Edited = s.o.Now()
	next.UpdateAt = next.Edited.UnixMilli()
	if next.Message != p.Message {
		next.EditAt = next.UpdateAt
	}
	*p = next
	s.posted("post_edited", p)
	return nil
}

func (s *Server) remove(c call) (int, any, *apiError) {
	s.mu.Lock()
	p := s.posts[c.PathValue("post")]
	allowed := p != nil && p.deleted == 0 && p.UserID == c.user
	s.mu.Unlock()
	if !allowed {
		return 0, nil, noPermission()
	}
	s.RemovePost(p.ID)
	return http.StatusOK, done, nil
}

// RemovePost is what "Delete" in a post's menu does.
func (s *Server) RemovePost(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.posts[id]
	p.deleted = s.millis()
	if r := s.channels[p.ChannelID]; r != nil {
		r.order = slices.DeleteFunc(r.order, func(other string) bool { return other == id || s.posts[other].RootID == id })
	}
	s.posted("post_deleted", p)
}

// list is the JSON of several posts.
func list(posts []*post) map[string]any {
	order, all := []string{}, map[string]wire{}
	for _, p := range posts {
		order = append(order, p.ID)
		all[p.ID] = p.wire()
	}
	return map[string]any{"order": order, "posts": all, "next_post_id": "", "prev_post_id": ""}
}

func (s *Server) channelPosts(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, e := s.readable(c.PathValue("channel"), c.user)
	if e != nil {
		return 0, nil, e
	}
	number := func(name string, otherwise, most int) (int, *apiError) {
		v := c.URL.Query().Get(name)
		if v == "" {
			return otherwise, nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return 0, badParam(name)
		}
		return min(n, most), nil
	}
	page, e := number("page", 0, 1<<20)
	if e != nil {
		return 0, nil, e
	}
	per, e := number("per_page", 60, 200)
	if e != nil {
		return 0, nil, e
	}
	newest := slices.Clone(r.order)
	slices.Reverse(newest)
	from := min(page*per, len(newest))
	var out []*post
	for _, id := range newest[from:min(from+per, len(newest))] {
		out = append(out, s.posts[id])
	}
	return http.StatusOK, list(out), nil
}

func (s *Server) thread(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, e := s.find(c.PathValue("post"), c.user)
	if e != nil {
		return 0, nil, e
	}
	root := p.ID
	if p.RootID != "" {
		root = p.RootID
	}
	var out []*post
	for _, id := range s.channels[p.ChannelID].order {
		if q := s.posts[id]; q.ID == root || q.RootID == root {
			out = append(out, q)
		}
	}
	slices.Reverse(out)
	return http.StatusOK, list(out), nil
}
