package route

import (
	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
)

// A place in Mattermost, a room or somebody's direct messages, gets one message of
// an event, however many ways lead there: because it gets everything, because a
// rule names it, or because it is a contact's. Of what was done here those places
// hear that heard of the problem.

// everything decides for the rooms that get every alert.
func (c *decider) everything() {
	for _, i := range c.index.everything {
		c.room(&c.Rooms[i], choice{ReasonRoom, "this room gets every alert", ""})
	}
}

// roomsOfRules decides for the rooms of all rules that fit, also where the engine
// named the contacts: it cannot name rooms.
func (c *decider) roomsOfRules() {
	if c.index.roomRules {
		f := c.facts()
		c.index.fitting(&f, func(r *preparedRule) { c.roomsOf(r, "") })
	}
}

// roomsOf decides for the rooms of a rule that fits.
func (c *decider) roomsOf(r *preparedRule, preface string) {
	for _, id := range r.Rooms {
		if room, ok := c.Room(id); ok {
			c.room(&room, choice{ReasonRule, preface + "rule “" + r.Name + "” names this room", r.Name})
			continue
		}
		if c.taken(id) {
			continue
		}
		d := Decision{Channel: Mattermost, Reason: ReasonChannelOff, Rule: r.Name}
		if d.Why = preface + "rule “" + r.Name + "” names a room of Mattermost that is switched off"; !c.Chat {
			d.Why = preface + "rule “" + r.Name + "” names a room, but Mattermost is switched off in the settings"
		}
		c.out = append(c.out, d)
	}
}

// toldRoom decides for a place that heard of the problem: one that is no longer
// there has no reader to be told.
func (c *decider) toldRoom(destination string) {
	if room, ok := c.Room(destination); ok {
		c.room(&room, choice{ReasonTold, "was told of the problem, so hears what became of it", ""})
	}
}

func (c *decider) room(r *Room, ch choice) {
	if c.taken(r.ID) {
		return
	}
	c.place(Decision{ContactName: r.Name, Channel: Mattermost, Destination: r.ID, DestinationName: r.Name, Rule: ch.rule}, ch)
}

// chat decides for a contact that is to hear in Mattermost. A place that has the
// message already does not get it for the contact's sake, too.
func (c *decider) chat(i int, d Decision, ch choice) {
	who := &c.Contacts[i]
	destination, name, reason, why := c.chatOf(who)
	if reason != "" {
		d.Reason, d.Why = reason, ch.why+", but "+why
		c.out = append(c.out, d)
		return
	}
	if c.taken(destination) {
		return
	}
	d.Destination, d.DestinationName = destination, name
	c.place(d, ch)
}

// chatOf is where a contact hears in Mattermost, or why it does not.
func (c *decider) chatOf(who *contact.Contact) (destination, name string, reason Reason, why string) {
	switch {
	case !c.Chat:
		return "", "", ReasonChannelOff, "Mattermost is switched off in the settings"
	case who.Mattermost == "":
		return "", "", ReasonNoChat, who.ShownName() + " is not to hear in Mattermost; choose direct messages or a room at the contact"
	case who.Mattermost == contact.MattermostDirect && who.UserID != "" && !c.Users[who.UserID]:
		return "", "", ReasonUserDisabled, "the user of " + who.ShownName() + " may not sign in"
	case who.Mattermost == contact.MattermostDirect:
		user := c.Direct[who.ID]
		if user == "" {
			return "", "", ReasonNoChat, "no Mattermost user who could get direct messages is linked to " + who.ShownName() +
				"; they write /tocsin link in Mattermost, and a bot's token must be set"
		}
		return chat.Direct(user), "direct message", "", ""
	}
	room, ok := c.Room(who.Mattermost)
	if !ok {
		return "", "", ReasonNoChat, "the room of " + who.ShownName() + " is switched off or gone; choose another one at the contact"
	}
	return room.ID, room.Name, "", ""
}

// place adds what is told, unless who is there has the problem snoozed.
func (c *decider) place(d Decision, ch choice) {
	d.Told, d.Reason, d.Why = true, ch.reason, ch.why
	if until, ok := c.q.Snoozed[SnoozedRoom(d.Destination)]; ok && c.q.Notice == alert.NoticeProblem && c.q.Now.Before(until) {
		d.Told, d.Reason = false, ReasonSnoozed
		d.Why += ", but the problem was snoozed there until " + until.UTC().Format("15:04 MST on 2 January") + ", when a reminder follows"
	}
	c.out = append(c.out, d)
}

// taken says whether a place is decided already, and takes it.
func (c *decider) taken(destination string) bool {
	if c.places[destination] {
		return true
	}
	if c.places == nil {
		c.places = map[string]bool{}
	}
	c.places[destination] = true
	return false
}

// roomsBefore takes the places that the calls of this event before have told.
func (c *decider) roomsBefore() {
	if !c.Chats() {
		return
	}
	for _, i := range c.index.everything {
		c.taken(c.Rooms[i].ID)
	}
	if c.index.roomRules {
		f := c.facts()
		c.index.fitting(&f, func(r *preparedRule) {
			for _, id := range r.Rooms {
				c.taken(id)
			}
		})
	}
	for _, i := range c.people(c.q.Before, c.q.BeforeIDs) {
		who := &c.Contacts[i]
		if who.Mattermost == "" {
			continue
		}
		if reason, _ := c.refusal(who); reason != "" {
			continue
		}
		if destination, _, reason, _ := c.chatOf(who); reason == "" {
			c.taken(destination)
		}
	}
}

// people are the places of contacts that the engine named.
func (c *decider) people(names, userIDs []string) []int {
	var out []int
	for _, name := range names {
		if i, ok := c.index.named(name); ok {
			out = append(out, i)
		}
	}
	for _, id := range userIDs {
		out = append(out, c.index.engineIDs[id]...)
	}
	return out
}
