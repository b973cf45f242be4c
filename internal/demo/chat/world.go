package chat

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Team is a Mattermost team.
type Team struct{ ID, Name, Display string }

// User is a person or a bot.
type User struct {
	ID, Name, Display string
	Bot               bool
	Token             string // of the session in which a person acts; a bot's is answered by AddBot alone
	About             string // see Describe
}

// Channel is a channel, or a direct one of two users.
type Channel struct {
	ID, TeamID, Name, Display string
	Type                      string // "O" open, "P" private, "D" direct
	Archived                  bool
}

// room is a channel with who is in it and what was posted.
type room struct {
	Channel
	members map[string]bool
	order   []string // ids of posts, oldest first
}

// Hook is an incoming webhook.
type Hook struct {
	ID, URL                            string
	ChannelID, TeamID, UserID, Display string
}

// Command is a slash command.
type Command struct{ ID, TeamID, Trigger, URL, Token string }

// AddTeam makes a team.
func (s *Server) AddTeam(name, display string) Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Team{newID(), name, display}
	s.teams[t.ID] = t
	return *t
}

// AddUser makes a person with a session.
func (s *Server) AddUser(name, display string) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: newID(), Name: name, Display: display, Token: newID()}
	s.users[u.ID], s.tokens[u.Token] = u, u.ID
	return *u
}

// AddBot makes a bot that is no administrator, and its access token.
func (s *Server) AddBot(name, display string) (bot User, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: newID(), Name: name, Display: display, Bot: true}
	token = newID()
	s.users[u.ID], s.tokens[token] = u, u.ID
	return *u, token
}

// NewToken makes another token for a bot or a person.
func (s *Server) NewToken(userID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := newID()
	s.tokens[token] = userID
	return token
}

// RevokeToken ends a token: from then on it is answered 401.
func (s *Server) RevokeToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// AddChannel makes a channel with nobody in it.
func (s *Server) AddChannel(teamID, name, display string, private bool) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "O"
	if private {
		kind = "P"
	}
	r := &room{Channel: Channel{ID: newID(), TeamID: teamID, Name: name, Display: display, Type: kind}, members: map[string]bool{}}
	s.channels[r.ID] = r
	s.touch()
	return r.Channel
}

// Join puts users into a channel.
func (s *Server) Join(channelID string, userIDs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range userIDs {
		s.channels[channelID].members[u] = true
	}
}

// Leave takes a user out of a channel.
func (s *Server) Leave(channelID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels[channelID].members, userID)
}

// Archive is what Mattermost's "Archive channel" does: posting there is 400.
func (s *Server) Archive(channelID string, archived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[channelID].Archived = archived
	s.touch()
}

// RemoveChannel removes a channel for good, with its posts.
func (s *Server) RemoveChannel(channelID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.channels[channelID].order {
		delete(s.posts, id)
	}
	delete(s.channels, channelID)
	s.touch()
}

// AddHook makes an incoming webhook; its posts are those of userID.
func (s *Server) AddHook(channelID, userID, display string) Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &Hook{ID: newID(), ChannelID: channelID, TeamID: s.channels[channelID].TeamID, UserID: userID, Display: display}
	h.URL = s.url + "/hooks/" + h.ID
	s.hooks[h.ID] = h
	return *h
}

// RemoveHook removes a webhook: it is answered 400 from then on.
func (s *Server) RemoveHook(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hooks, id)
}

// AddCommand makes a slash command, "tocsin" for /tocsin.
func (s *Server) AddCommand(teamID, trigger, url string) Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Command{newID(), teamID, trigger, url, newID()}
	s.commands[c.ID] = c
	return *c
}

// Direct answers the direct channel of two users, making it if need be.
func (s *Server) Direct(a, b string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct(a, b).Channel
}

// direct is Direct with s.mu held.
func (s *Server) direct(a, b string) *room {
	name := min(a, b) + "__" + max(a, b)
	for _, r := range s.channels {
		if r.Type == "D" && r.Name == name {
			return r
		}
	}
	r := &room{Channel: Channel{ID: newID(), Name: name, Type: "D"}, members: map[string]bool{a: true, b: true}}
	s.channels[r.ID] = r
	s.tell(event{Name: "channel"}, func(u string) bool { return r.members[u] })
	return r
}

// AllowInternal is whether AllowedUntrustedInternalConnections lists this
// machine; without it, integrations here are not called.
func (s *Server) AllowInternal(allowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.internal = allowed
}

// channelByName finds one of a team that is not archived.
func (s *Server) channelByName(teamID, name string) *room {
	for _, r := range s.channels {
		if r.TeamID == teamID && r.Name == name && !r.Archived {
			return r
		}
	}
	return nil
}

func (s *Server) teamByName(name string) *Team {
	for _, t := range s.teams {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (s *Server) userByName(name string) *User {
	for _, u := range s.users {
		if u.Name == strings.ToLower(name) {
			return u
		}
	}
	return nil
}

// people are those who are no bots, by name.
func (s *Server) people() []User {
	var out []User
	for _, u := range slices.SortedFunc(maps.Values(s.users), func(a, b *User) int { return cmp.Compare(a.Name, b.Name) }) {
		if !u.Bot {
			out = append(out, *u)
		}
	}
	return out
}
