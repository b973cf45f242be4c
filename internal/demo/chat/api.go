package chat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// apiError is how /api/v4 refuses.
type apiError struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Detail  string `json:"detailed_error"`
	Request string `json:"request_id,omitempty"`
	Status  int    `json:"status_code"`
}

func refuse(status int, id, message string) *apiError {
	return &apiError{ID: id, Message: message, Request: newID(), Status: status}
}

func noSession() *apiError {
	return refuse(http.StatusUnauthorized, "api.context.session_expired.app_error", "Invalid or expired session, please login again.")
}

func noPermission() *apiError {
	return refuse(http.StatusForbidden, "api.context.permissions.app_error", "You do not have the appropriate permissions.")
}

func badBody(name string) *apiError {
	return refuse(http.StatusBadRequest, "api.context.invalid_body_param.app_error", "Invalid or missing "+name+" in request body.")
}

func badParam(name string) *apiError {
	return refuse(http.StatusBadRequest, "api.context.invalid_url_param.app_error", "Invalid or missing "+name+" parameter in request URL.")
}

func missing(what string) *apiError {
	return refuse(http.StatusNotFound, "app."+what+".get.app_error", "Unable to get the "+what+".")
}

// done is the body of requests that have nothing to say.
var done = map[string]any{"status": "OK"}

// maxBody bounds a request; Mattermost's limit is of that order.
const maxBody = 8 << 20

// call is one request to /api/v4 by somebody who is known.
type call struct {
	*http.Request
	user string
	body []byte
}

func (c call) decode(to any) *apiError {
	if json.Unmarshal(c.body, to) != nil {
		return badBody("body")
	}
	return nil
}

// routes are the parts of the API that an integration uses, and what the page
// needs.
func (s *Server) routes() {
	m := http.NewServeMux()
	api := func(pattern string, f func(call) (int, any, *apiError)) {
		method, path, _ := strings.Cut(pattern, " ")
		m.HandleFunc(method+" /api/v4"+path, s.api(true, f))
	}
	api("GET /users/me", s.me)
	api("GET /users/{user}", s.user)
	api("GET /users/username/{name}", s.username)
	api("POST /users/ids", s.usersByID)
	api("GET /teams/name/{team}", s.team)
	api("GET /teams/name/{team}/channels/name/{channel}", s.teamChannel)
	api("GET /users/me/teams", s.myTeams)
	api("GET /channels/{channel}", s.channel)
	api("GET /channels/{channel}/posts", s.channelPosts)
	api("GET /channels/{channel}/members/{user}", s.member)
	api("POST /channels/direct", s.makeDirect)
	api("POST /posts", s.create)
	api("POST /posts/ephemeral", func(call) (int, any, *apiError) { return 0, nil, noPermission() })
	api("GET /posts/{post}", s.get)
	api("PUT /posts/{post}", s.put)
	api("PUT /posts/{post}/patch", s.patch)
	api("DELETE /posts/{post}", s.remove)
	api("GET /posts/{post}/thread", s.thread)
	api("POST /posts/{post}/actions/{action}", s.act)
	api("POST /actions/dialogs/submit", s.submit)
	api("POST /commands/execute", s.execute)
	m.HandleFunc("POST /api/v4/actions/dialogs/open", s.api(false, s.openDialog))
	m.HandleFunc("GET /api/v4/system/ping", s.api(false, func(call) (int, any, *apiError) { return http.StatusOK, done, nil }))
	m.HandleFunc("/api/v4/", notFound)
	m.HandleFunc("POST /hooks/{hook}", s.incoming)
	m.HandleFunc("POST /hooks/commands/{reply}", s.delayed)
	if s.o.Page {
		s.pageRoutes(m)
	}
	s.mux = m
}

// notFound is what the router answers; *seen*, with its odd detail.
func notFound(w http.ResponseWriter, r *http.Request) {
	e := refuse(http.StatusNotFound, "api.context.404.app_error", "Sorry, we could not find the page.")
	e.Request = ""
	e.Detail = fmt.Sprintf("There doesn't appear to be an api call for the url='%s'.  Typo? are you missing a team_id or user_id as part of the url?", r.URL.Path)
	answer(w, e.Status, e)
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9]+$`)

func (s *Server) api(session bool, f func(call) (int, any, *apiError)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"post", "action", "channel", "user"} {
			// The router's patterns take letters and digits only; names of channels have more.
			if v := r.PathValue(name); v != "" && !idForm.MatchString(v) && !strings.Contains(r.Pattern, "/name/") {
				notFound(w, r)
				return
			}
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			answer(w, http.StatusRequestEntityTooLarge, refuse(http.StatusRequestEntityTooLarge, "api.context.request_body_too_large.app_error", "The request body is too large."))
			return
		}
		c := call{Request: r, body: body}
		if session {
			var ok bool
			if c.user, ok = s.session(r); !ok {
				answer(w, http.StatusUnauthorized, noSession())
				return
			}
		}
		status, v, refused := f(c)
		if refused != nil {
			status, v = refused.Status, refused
		}
		answer(w, status, v)
	}
}

// session finds whose request it is.
func (s *Server) session(r *http.Request) (userID string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Token") {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	userID, ok = s.tokens[token]
	return userID, ok
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client that has gone away need not be told
}

func (u User) wire() map[string]any {
	return map[string]any{"id": u.ID, "username": u.Name, "nickname": u.Display, "first_name": "", "last_name": "", "is_bot": u.Bot, "delete_at": 0, "roles": "system_user"}
}

func (t Team) wire() map[string]any {
	return map[string]any{"id": t.ID, "name": t.Name, "display_name": t.Display, "type": "O", "delete_at": 0}
}

func (r *room) wire() map[string]any {
	var gone int64
	if r.Archived {
		gone = 1
	}
	return map[string]any{"id": r.ID, "team_id": r.TeamID, "name": r.Name, "display_name": r.Display, "type": r.Type, "delete_at": gone}
}

func (s *Server) me(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return http.StatusOK, s.users[c.user].wire(), nil
}

func (s *Server) user(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[c.PathValue("user")]
	if u == nil {
		return 0, nil, missing("user")
	}
	return http.StatusOK, u.wire(), nil
}

func (s *Server) username(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.userByName(c.PathValue("name"))
	if u == nil {
		return 0, nil, missing("user")
	}
	return http.StatusOK, u.wire(), nil
}

func (s *Server) usersByID(c call) (int, any, *apiError) {
	var asked []string
	if e := c.decode(&asked); e != nil {
		return 0, nil, e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []any{}
	for _, id := range asked {
		if u := s.users[id]; u != nil {
			out = append(out, u.wire())
		}
	}
	return http.StatusOK, out, nil
}

func (s *Server) team(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.teamByName(c.PathValue("team"))
	if t == nil {
		return 0, nil, missing("team")
	}
	return http.StatusOK, t.wire(), nil
}

func (s *Server) myTeams(call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []any{}
	for _, t := range s.teams {
		out = append(out, t.wire())
	}
	return http.StatusOK, out, nil
}

func (s *Server) teamChannel(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.teamByName(c.PathValue("team"))
	if t == nil {
		return 0, nil, missing("team")
	}
	r := s.channelByName(t.ID, c.PathValue("channel"))
	if r == nil || (r.Type == "P" && !r.members[c.user]) {
		return 0, nil, refuse(http.StatusNotFound, "app.channel.get_by_name.missing.app_error", "Channel does not exist.")
	}
	return http.StatusOK, r.wire(), nil
}

// readable finds a channel that the user may read.
func (s *Server) readable(channelID, userID string) (*room, *apiError) {
	r := s.channels[channelID]
	if r == nil {
		return nil, refuse(http.StatusNotFound, "app.channel.get.existing.app_error", "Unable to find the existing channel.")
	}
	if r.Type != "O" && !r.members[userID] {
		return nil, noPermission()
	}
	return r, nil
}

func (s *Server) channel(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, e := s.readable(c.PathValue("channel"), c.user)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, r.wire(), nil
}

func (s *Server) member(c call) (int, any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, e := s.readable(c.PathValue("channel"), c.user)
	if e != nil {
		return 0, nil, e
	}
	id := c.PathValue("user")
	if id == "me" {
		id = c.user
	}
	if !r.members[id] {
		return 0, nil, refuse(http.StatusNotFound, "app.channel.get_member.missing.app_error", "No channel member found for that user ID and channel ID.")
	}
	return http.StatusOK, map[string]any{"channel_id": r.ID, "user_id": id}, nil
}

func (s *Server) makeDirect(c call) (int, any, *apiError) {
	var two []string
	if e := c.decode(&two); e != nil || len(two) != 2 {
		return 0, nil, badBody("user_ids")
	}
	if two[0] != c.user && two[1] != c.user {
		return 0, nil, noPermission()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[two[0]] == nil || s.users[two[1]] == nil {
		return 0, nil, badBody("user_id")
	}
	return http.StatusCreated, s.direct(two[0], two[1]).wire(), nil
}
