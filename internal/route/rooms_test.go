package route_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/route"
)

// chatty is an office with Mattermost: rooms Ops and Hall, of which Hall gets
// everything, and a Mattermost user who is Anna. change is made to Anna.
func chatty(change func(*contact.Contact), rules ...route.Rule) route.Directory {
	d := office(rules...)
	d.Chat = true
	d.Rooms = []route.Room{{ID: "hall", Name: "Hall", Everything: true, Bot: true}, {ID: "ops", Name: "Ops"}}
	d.Direct = map[string]string{"a": "mm-anna"}
	if change != nil {
		change(&d.Contacts[0])
	}
	return d
}

func hears(where string) func(*contact.Contact) {
	return func(c *contact.Contact) { c.Mattermost = where }
}

// without is the directory after a change.
func without(d route.Directory, change func(*route.Directory)) route.Directory {
	change(&d)
	return d
}

func TestAPlaceInMattermostHearsOnceOfAnEvent(t *testing.T) {
	ops := route.Rule{Name: "Ops", Rooms: []string{"ops"}}
	anna := route.Rule{Name: "Anna", ContactIDs: []string{"a"}}
	both := route.Rule{Name: "Both", ContactIDs: []string{"a", "b"}, Rooms: []string{"ops", "hall"}}
	named := route.Rule{Name: "Chat", ContactIDs: []string{"a", "b"}, Channels: []string{route.Mattermost}}
	off := func(d *route.Directory) { d.Chat = false }
	gone := func(d *route.Directory) { d.Rooms = d.Rooms[:1] }
	nobot := func(d *route.Directory) { d.Direct = nil }
	disabled := func(d *route.Directory) { d.Users = map[string]bool{} }
	q := problem(service, alert.Critical)
	run(t, []decideCase{
		{"the room that gets everything", without(chatty(nil), gone), q, []string{"Hall mattermost Hall room_everything"}, ""},
		{"a rule's room", chatty(nil, ops), q, []string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule"}, "rule “Ops” names this room"},
		{"a rule's room where the engine names the contacts", chatty(nil, ops), problem(service, alert.Critical, "Bob"),
			[]string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule", "Bob browser named_by_engine"}, ""},
		{"a rule's room where the engine names nobody who is known", chatty(nil, ops), problem(service, alert.Critical, "Zoe"),
			[]string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule", "-Zoe contact_unknown"}, ""},
		{"a rule that does not fit", chatty(nil, route.Rule{Name: "Ops", Hosts: []string{"db*"}, Rooms: []string{"ops"}}), q,
			[]string{"Hall mattermost Hall room_everything"}, ""},
		{"two rules and everything", chatty(nil, ops, both), q,
			[]string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule", "Anna browser rule", "Bob browser rule"}, ""},
		{"a rule after one that stops", chatty(nil, route.Rule{Name: "First", ContactIDs: []string{"b"}, Stop: true}, ops), problem(service, alert.Critical, "Bob"),
			[]string{"Hall mattermost Hall room_everything", "Bob browser named_by_engine"}, ""},
		{"a recovery", chatty(nil, ops), recovery(service, alert.Critical), []string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule"}, ""},
		{"flapping", chatty(nil, ops), notice(q, alert.FlappingStart, alert.NoticeFlapping), []string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule"}, ""},
		{"a direct message", chatty(hears(contact.MattermostDirect), anna), q,
			[]string{"Hall mattermost Hall room_everything", "Anna browser rule", "Anna mattermost direct message rule"}, ""},
		{"a direct message to somebody who may not sign in any more", without(chatty(hears(contact.MattermostDirect), anna), disabled), q,
			[]string{"Hall mattermost Hall room_everything", "-Anna browser user_disabled", "-Anna mattermost user_disabled"}, "may not sign in"},
		{"a contact's room", chatty(hears("ops"), anna), q,
			[]string{"Hall mattermost Hall room_everything", "Anna browser rule", "Anna mattermost Ops rule"}, ""},
		{"a contact's room that has it already", chatty(hears("ops"), both), q,
			[]string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule", "Anna browser rule", "Bob browser rule"}, ""},
		{"whose options do not want it", chatty(func(c *contact.Contact) { c.Mattermost, c.ServiceOptions = "ops", "w" }, anna), q,
			[]string{"Hall mattermost Hall room_everything", "-Anna option_off"}, ""},
		{"whose push is off", chatty(func(c *contact.Contact) { c.Mattermost, c.PushService, c.UserID = "ops", false, "" }, anna), q,
			[]string{"Hall mattermost Hall room_everything", "-Anna browser push_off", "Anna mattermost Ops rule"}, ""},
		{"a rule for Mattermost alone", chatty(hears("ops"), named), q,
			[]string{"Hall mattermost Hall room_everything", "Anna mattermost Ops rule", "-Bob mattermost no_mattermost"}, "choose direct messages or a room at the contact"},
		{"no bot's token", without(chatty(hears(contact.MattermostDirect), anna), nobot), q,
			[]string{"Hall mattermost Hall room_everything", "Anna browser rule", "-Anna mattermost no_mattermost"}, "/tocsin link"},
		{"a contact's room that is off", without(chatty(hears("ops"), anna), gone), q,
			[]string{"Hall mattermost Hall room_everything", "Anna browser rule", "-Anna mattermost no_mattermost"}, "switched off or gone"},
		{"a rule's room that is off", without(chatty(nil, ops), gone), q,
			[]string{"Hall mattermost Hall room_everything", "-mattermost channel_off"}, "names a room of Mattermost that is switched off"},
		{"off, and a rule names a room", without(chatty(hears("ops"), anna, ops, both), off), q,
			[]string{"Anna browser rule", "-mattermost channel_off", "-mattermost channel_off", "Bob browser rule"}, ""},
		{"off, and a rule names it", without(chatty(hears("ops"), named), off), q,
			[]string{"-Anna mattermost channel_off", "-Bob mattermost channel_off"}, "Mattermost is switched off in the settings"},
		{"off, and nobody names it: no line about it", without(chatty(hears("ops"), anna), off), q, []string{"Anna browser rule"}, ""},
		{"a rule that leads to nobody", without(chatty(nil, route.Rule{Name: "Empty"}), func(d *route.Directory) { d.Rooms = nil }), q, []string{"-no_rule"}, "a room of Mattermost"},
	})
}

func TestFurtherCallsOfAnEventTellNoPlaceAgain(t *testing.T) {
	ops := route.Rule{Name: "Ops", Rooms: []string{"ops"}}
	joined := func(contact string, before ...string) route.Question {
		q := problem(service, alert.Critical, contact)
		q.Joined, q.Before = true, before
		return q
	}
	shared := chatty(hears("ops"))
	shared.Contacts[1].Mattermost = "ops"
	quiet := chatty(hears("ops"))
	quiet.Contacts[0].ServiceOptions, quiet.Contacts[1].Mattermost = "w", "ops"
	byUser := joined("Anna")
	byUser.BeforeIDs = []string{"7"}
	run(t, []decideCase{
		{"rooms", chatty(nil, ops), joined("Bob", "Anna"), []string{"Bob browser named_by_engine"}, ""},
		{"rooms, for somebody unknown", chatty(nil, ops), joined("Zoe", "Anna"), []string{"-Zoe contact_unknown"}, ""},
		{"a room of two contacts", shared, joined("Bob", "Anna"), []string{"Bob browser named_by_engine"}, ""},
		{"a room of two contacts, one named by its user's id", shared, byUser, []string{"Anna browser named_by_engine"}, ""},
		{"a room of two contacts, of whom the first did not want it", quiet, joined("Bob", "Anna"),
			[]string{"Bob browser named_by_engine", "Bob mattermost Ops named_by_engine"}, ""},
		{"a place that nobody had", chatty(hears(contact.MattermostDirect)), joined("Anna", "Bob"),
			[]string{"Anna browser named_by_engine", "Anna mattermost direct message named_by_engine"}, ""},
	})
}

func TestPlacesThatHeardOfAProblemHearWhatBecameOfIt(t *testing.T) {
	told := func(q route.Question, places ...string) route.Question {
		for _, p := range places {
			q.Told = append(q.Told, route.Told{Destination: p})
		}
		return q
	}
	byBot := ackHere("user-a", "a")
	byBot.Told[0].Channels = []string{route.Mattermost}
	over := told(notice(recovery(service, alert.Critical), alert.DowntimeEnd, alert.NoticeRecovery), "ops")
	ranOut := told(problem(service, alert.Critical), "ops")
	ranOut.Event.Type, ranOut.Event.Origin = alert.Unacknowledged, alert.FromExpiry
	begun := told(notice(problem(service, alert.Critical), alert.EngineReply, alert.NoticeDowntime), "ops")
	fromChat := told(ackHere("user-a", "a"), "hall")
	fromChat.Event.Origin = alert.FromMattermost
	d := chatty(hears(contact.MattermostDirect))
	run(t, []decideCase{
		{"an acknowledgement", d, told(ackHere("user-b"), "ops"), []string{"Ops mattermost Ops told_before"}, ""},
		{"from the room itself", d, fromChat, []string{"Hall mattermost Hall told_before", "-Anna own_action"}, ""},
		{"a room that is gone", d, told(ackHere("user-b"), "ops", "cellar"), []string{"Ops mattermost Ops told_before"}, ""},
		{"nobody heard", d, ackHere("user-b"), []string{"-silent"}, ""},
		{"who took it in person", d, byBot, []string{"-Anna own_action"}, ""},
		{"a time that ran out", d, ranOut, []string{"Ops mattermost Ops told_before"}, ""},
		{"a downtime that was asked for here", d, begun, []string{"Ops mattermost Ops told_before"}, ""},
		{"a recovery that the machine found, besides those that hear everything", d, over,
			[]string{"Ops mattermost Ops told_before", "Hall mattermost Hall room_everything"}, ""},
	})
}

func TestAPlaceThatHasAProblemSnoozedIsNotTold(t *testing.T) {
	d := chatty(hears(contact.MattermostDirect), route.Rule{Name: "All", ContactIDs: []string{"a"}, Rooms: []string{"ops"}})
	until := monday.Add(time.Hour)
	snoozed := func(q route.Question, places ...string) route.Question {
		q.Snoozed = map[string]time.Time{}
		for _, p := range places {
			q.Snoozed[route.SnoozedRoom(p)] = until
		}
		return q
	}
	late := snoozed(problem(service, alert.Critical), "ops")
	late.Now = until
	all := []string{"Hall mattermost Hall room_everything", "Ops mattermost Ops rule", "Anna browser rule", "Anna mattermost direct message rule"}
	run(t, []decideCase{
		{"a room", d, snoozed(problem(service, alert.Critical), "ops"),
			[]string{all[0], "-Ops mattermost Ops snoozed", all[2], all[3]}, ""},
		{"direct messages", d, snoozed(problem(service, alert.Critical), chat.Direct("mm-anna")),
			[]string{all[0], all[1], all[2], "-Anna mattermost direct message snoozed"}, "snoozed there until 13:00 UTC on 23 November"},
		{"its end", d, late, all, ""},
		{"a recovery", d, snoozed(recovery(service, alert.Critical), "ops"), all, ""},
	})
}

func TestTheDestinationOfAPlaceIsItsKey(t *testing.T) {
	d := chatty(hears(contact.MattermostDirect), route.Rule{Name: "All", ContactIDs: []string{"a"}}).Indexed()
	for _, got := range route.Decide(d, problem(service, alert.Critical)) {
		switch {
		case got.Channel != route.Mattermost:
		case got.ContactID == "" && got.Destination != "hall", got.ContactID == "a" && got.Destination != chat.Direct("mm-anna"):
			t.Errorf("%+v", got)
		}
	}
	for place, want := range map[string]bool{"hall": true, "cellar": false, chat.Direct("mm-anna"): true, chat.Direct("mm-bob"): false, "": false} {
		if d.ReachesRoom(place) != want {
			t.Errorf("reaches %q: %v", place, !want)
		}
	}
	if d.Chat = false; d.ReachesRoom("hall") || d.ReachesRoom(chat.Direct("mm-anna")) || d.Chats() {
		t.Error("Mattermost is off, and reaches somebody")
	}
}

func TestARuleMayLeadToRoomsAlone(t *testing.T) {
	if err := (route.Rule{Name: "Ops", Rooms: []string{"ops"}}).Validate(); err != nil {
		t.Error(err)
	}
	for _, r := range []route.Rule{{Name: "Nobody"}, {Name: "Twice", Rooms: []string{"ops", "ops"}}, {Name: "Empty", Rooms: []string{""}}} {
		if err := r.Validate(); err == nil || r.Name != "Nobody" && !strings.HasPrefix(err.Error(), "rooms[") {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}
