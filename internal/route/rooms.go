package route

import (
	"slices"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
)

// A place, which is a room of Mattermost, somebody's direct messages there, or a
// webhook, gets one message of
// an event, however many ways lead there: because it gets everything, because a
// rule names it, or because it is a contact's. Of what was done here those places
// hear that heard of the problem.

// everything decides for the rooms and webhooks that get every alert.
func (c *decider) everything() {
	for _, i := range c.index.everything {
		c.room(&c.Rooms[i], choice{ReasonRoom, "this room gets every alert", ""})
	}
	for _, i := range c.index.allHooks {
		if h := &c.Hooks[i]; !c.taken(h.ID) {
			c.hook(h, choice{ReasonHook, "this webhook gets every alert", ""})
		}
	}
}

// placesOfRules decides for the rooms and webhooks of all rules that fit, also where
// the engine named the contacts: it cannot name those.
func (c *decider) placesOfRules() {
	if c.index.placeRules {
		for _, r := range c.rules() {
			by := leader{reason: ReasonRule, head: "rule “" + r.Name + "”", rule: r.Name}
			c.roomsOf(r.lead.rooms, by)
			c.hooksOf(r.lead.hooks, by)
		}
	}
}

// roomsOf decides for the rooms that a rule or a step names.
func (c *decider) roomsOf(ids []string, by leader) {
	for _, id := range ids {
		if room, ok := c.Room(id); ok {
			c.room(&room, choice{by.reason, by.head + " names this room", by.rule})
			continue
		}
		if c.taken(id) {
			continue
		}
		d := Decision{Channel: Mattermost, Reason: ReasonChannelOff, Rule: by.rule}
		if d.Why = by.head + " names a room of Mattermost that is switched off"; !c.Chat {
			d.Why = by.head + " names a room, but Mattermost is switched off in the settings"
		}
		c.out = append(c.out, d)
	}
}

// toldPlace decides for a room or a webhook that heard of the problem: one that is no
// longer there has no reader to be told.
func (c *decider) toldPlace(destination string, ch choice) {
	if room, ok := c.Room(destination); ok {
		c.room(&room, ch)
	} else if h, ok := c.Hook(destination); ok && !c.taken(h.ID) {
		c.hook(&h, ch)
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
func (c *decider) chat(i int, d Decision, ch choice, h hold) {
	who := &c.Contacts[i]
	destination, name, reason, why := c.chatOf(who)
	if reason != "" {
		d.Reason, d.Why = reason, ch.why+", but "+why
		c.out = append(c.out, d)
		return
	}
	d.Destination, d.DestinationName = destination, name
	if c.taken(destination) {
		c.sooner(d, ch, h)
		return
	}
	c.placeFor(d, ch, h)
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

// place adds what a room or a webhook is told.
func (c *decider) place(d Decision, ch choice) {
	if c.placeHold == nil {
		h := c.hold(nil)
		c.placeHold = &h
	}
	c.placeFor(d, ch, *c.placeHold)
}

// placeFor adds what is told at a place, unless it flaps or who is there has the
// problem snoozed.
func (c *decider) placeFor(d Decision, ch choice, h hold) {
	d.Told, d.Reason, d.Why = true, ch.reason, ch.why
	switch until, snoozed := c.q.Snoozed[SnoozedRoom(d.Destination)]; {
	case c.flaps():
		d.Told, d.Reason = false, ReasonFlapping
		d.Why += ", but " + flapping
	case snoozed && c.q.Notice == alert.NoticeProblem && c.q.Now.Before(until):
		d.Told, d.Reason = false, ReasonSnoozed
		d.Why += ", but the problem was snoozed there until " + until.UTC().Format("15:04 MST on 2 January") + ", when a reminder follows"
	default:
		d.holdBack(h)
	}
	c.out = append(c.out, d)
}

// sooner lets a place that is told later for one contact's sake hear it as soon as
// another contact does, who has the same place.
func (c *decider) sooner(d Decision, ch choice, h hold) {
	at := slices.IndexFunc(c.out, func(x Decision) bool {
		return x.Destination == d.Destination && !x.HoldUntil.IsZero() && (h.reason == "" || h.until.Before(x.HoldUntil))
	})
	if at < 0 {
		return
	}
	d.Told, d.Reason, d.Why = true, ch.reason, ch.why
	d.holdBack(h)
	c.out[at] = d
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

// placesBefore takes the places that the calls of this event before have told.
func (c *decider) placesBefore() {
	if !c.Chats() && len(c.Hooks) == 0 {
		return
	}
	for _, i := range c.index.everything {
		c.taken(c.Rooms[i].ID)
	}
	for _, i := range c.index.allHooks {
		c.taken(c.Hooks[i].ID)
	}
	if c.index.placeRules {
		for _, r := range c.rules() {
			for _, id := range r.lead.rooms {
				c.taken(id)
			}
			for _, id := range r.lead.hooks {
				c.taken(id)
			}
		}
	}
	for _, i := range c.people(c.q.Before, c.q.BeforeIDs) {
		who := &c.Contacts[i]
		if who.Mattermost == "" && who.Hook == "" {
			continue
		}
		if reason, _ := c.refusal(who); reason != "" {
			continue
		}
		if _, ok := c.Hook(who.Hook); ok {
			c.taken(who.Hook)
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
