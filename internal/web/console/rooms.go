package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// roomRow is one room as the page shows it. The webhook's address is a secret:
// nothing of it is shown.
type roomRow struct {
	chat.Room
	Look  look
	Where string
	Said  *flash // what became of a test of it just now
}

// roomRows are the rooms, with the sentence about the one that was tested.
func roomRows(now mattermostNow, said *flash) []roomRow {
	rows := make([]roomRow, 0, len(now.rooms))
	for _, r := range now.rooms {
		row := roomRow{Room: r, Where: "~" + r.Channel + " in " + r.Team, Look: look{"Posting", "ok", "good"}}
		if r.Kind == chat.Webhook {
			row.Where = "Webhook"
			if r.Override != "" {
				row.Where += ", to " + r.Override
			}
		}
		switch {
		case r.Disabled:
			row.Look = look{"Off", "dash", "dim"}
		case !now.chat.Enabled:
			row.Look = look{"Mattermost is off", "dash", "dim"}
		case r.LastError != "":
			row.Look = look{"Trouble", "warn", "bad"}
		case r.Kind == chat.Bot && now.chat.BotToken == "":
			row.Look = look{"No bot token", "warn", "warn"}
		case r.LastPost.IsZero():
			row.Look = look{"Not used yet", "dash", "dim"}
		}
		if said != nil && said.About == r.ID && r.ID != "" {
			row.Said = said
		}
		rows = append(rows, row)
	}
	return rows
}

func (c *console) loadRoom(v *visit) (chat.Room, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Room(v.Context(), id)
	}
	s, err := c.Store.ChatSettings(v.Context())
	r := chat.Room{Kind: chat.Webhook}
	if s.BotToken != "" {
		r.Kind = chat.Bot
	}
	if err != nil {
		return r, err
	}
	// The first room gets everything, or nothing would be seen there.
	rooms, err := c.Store.Rooms(v.Context())
	r.Everything = !slices.ContainsFunc(rooms, func(x chat.Room) bool { return x.Kind == r.Kind && x.Everything && !x.Disabled })
	return r, err
}

func (c *console) room(w http.ResponseWriter, v *visit) error {
	r, err := c.loadRoom(v)
	if err != nil {
		return err
	}
	return c.showRoom(w, v, http.StatusOK, r, nil)
}

func (c *console) showRoom(w http.ResponseWriter, v *visit, status int, r chat.Room, why error) error {
	s, err := c.Store.ChatSettings(v.Context())
	if err != nil {
		return err
	}
	id, heading := v.PathValue("id"), "New room"
	stored := false
	if id != "new" {
		old, err := c.Store.Room(v.Context(), id)
		if err != nil {
			return err
		}
		heading, stored = old.Name, old.WebhookURL != ""
	}
	needsBot := "Its posts are kept up to date in place."
	if s.BotToken == "" {
		needsBot = "There is no bot token yet: give it on the page before."
	}
	f := form{
		Action: mattermostPath + "/rooms/" + id, Submit: "Save room", Cancel: mattermostPath + "#rooms", Locked: !v.may(auth.Administer),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: r.Name, Required: true, Half: true, Auto: "off", Hint: "For people, here and in rules: Operations."},
				{Name: "kind", Label: "Reached by", Kind: "select", Half: true, Options: []option{{string(chat.Bot), "The bot", r.Kind == chat.Bot}, {string(chat.Webhook), "An incoming webhook", r.Kind == chat.Webhook}}},
				{Name: "everything", Label: "Gets every alert", Kind: "checkbox", Checked: r.Everything, Hint: "Else what rules and contacts send there."},
				{Name: "disabled", Label: "Off: nothing is posted there", Kind: "checkbox", Checked: r.Disabled},
			}},
			{Title: "The bot’s channel", For: "kind=bot", Hint: "As in the channel’s address, chat.example.org/TEAM/channels/CHANNEL. The bot must be a member of it. " + needsBot, Fields: []field{
				{Name: "team", Label: "Team", Kind: "text", Value: r.Team, Half: true, Mono: true, Auto: "off"},
				{Name: "channel", Label: "Channel", Kind: "text", Value: r.Channel, Half: true, Mono: true, Auto: "off"},
			}},
			{Title: "The webhook", For: "kind=webhook", Fields: []field{
				{Name: "webhook_url", Label: "Webhook URL", Kind: "password", Secret: true, Stored: stored, Keep: true, Mono: true, Auto: "off", Hint: "From Mattermost: Integrations → Incoming Webhooks. It is never shown again."},
				{Name: "channel_override", Label: "Channel override", Kind: "text", Value: r.Override, Half: true, Auto: "off", Sample: "the webhook’s own channel", Hint: "town-square, or @jane."},
			}},
		},
	}
	if id != "new" {
		f.Delete = mattermostPath + "/rooms/" + id + "/delete"
	}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, mattermostPath, heading), Heading: heading, Intro: "A place in Mattermost where alerts are posted.", Form: f})
}

func readRoom(r chat.Room, in url.Values) chat.Room {
	was := r
	r.Name, r.Kind = text(in, "name"), chat.Kind(in.Get("kind"))
	r.Everything, r.Disabled = in.Get("everything") != "", in.Get("disabled") != ""
	if r.Kind == chat.Bot {
		r.Team, r.Channel = text(in, "team"), strings.TrimPrefix(text(in, "channel"), "~")
		r.WebhookURL, r.Override = "", ""
		if r.Team != was.Team || r.Channel != was.Channel {
			r.ChannelID = "" // found anew
		}
	} else {
		if address := text(in, "webhook_url"); address != "" {
			r.WebhookURL = address
		}
		r.Override = text(in, "channel_override")
		r.Team, r.Channel, r.ChannelID = "", "", ""
	}
	if r.Kind != was.Kind || r.WebhookURL != was.WebhookURL || r.Team != was.Team || r.Channel != was.Channel || r.Override != was.Override {
		r.LastError = "" // of where it led before
	}
	return r
}

func (c *console) saveRoom(w http.ResponseWriter, v *visit) error {
	r, err := c.loadRoom(v)
	if err != nil {
		return err
	}
	r = readRoom(r, v.PostForm)
	if err = web.CheckRoom(r); err == nil {
		if r.ID == "" {
			r.ID, r.Created = c.NewID(), v.now
		}
		err = c.Store.SaveRoom(v.Context(), r)
	}
	if err != nil {
		return c.showRoom(w, v, http.StatusUnprocessableEntity, r, err)
	}
	return done(w, v, mattermostPath, "Saved the room "+r.Name+". Send a test to see whether it works.")
}

func (c *console) testRoom(w http.ResponseWriter, v *visit) error {
	r, err := c.Store.Room(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	got, err := c.Mattermost.TestRoom(v.Context(), r)
	if err != nil {
		return err
	}
	kind := "bad"
	if got.OK {
		kind = "good"
	}
	sayOf(w, r.ID, kind, sentence(got.Detail))
	http.Redirect(w, v.Request, mattermostPath+"#room-"+r.ID, http.StatusSeeOther)
	return nil
}

// usesOfRoom are the rules and contacts that name a room.
func (c *console) usesOfRoom(v *visit, id string) ([]string, error) {
	rules, err := c.Store.Rules(v.Context())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range rules {
		if slices.Contains(r.Rooms, id) {
			out = append(out, "the rule “"+r.Name+"”")
		}
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return nil, err
	}
	for _, k := range contacts {
		if k.Mattermost == id {
			out = append(out, "the contact "+contactLabel(k))
		}
	}
	return out, nil
}

func (c *console) askDeleteRoom(w http.ResponseWriter, v *visit) error {
	r, err := c.Store.Room(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	uses, err := c.usesOfRoom(v, r.ID)
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the room " + r.Name + "?", Action: mattermostPath + "/rooms/" + r.ID + "/delete", Back: mattermostPath + "/rooms/" + r.ID, Button: "Delete room",
		Effects: []string{"Nothing is posted there any more.", "What was posted stays in Mattermost; its buttons stop, and it is not changed any more."}}
	if len(uses) > 0 {
		if len(uses) > 5 {
			uses = append(uses[:5], "others")
		}
		view.Refused = "It is named by " + strings.Join(uses, ", ") + ". Take it out there first, or switch the room off."
	}
	return c.confirm(w, v, mattermostPath, view)
}

func (c *console) deleteRoom(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteRoom(v.Context(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, mattermostPath, "The room is deleted.", "A rule or a contact names the room. Take it out there first, or switch the room off.")
}

// personRow is a Mattermost user who is a contact here.
type personRow struct {
	chat.Person
	Contact  string
	Gone     bool // that contact was deleted
	Disabled bool // its user may not sign in, and not act here either
	User     string
}

func (c *console) chatPeople(v *visit) ([]personRow, error) {
	people, err := c.Store.People(v.Context())
	if err != nil {
		return nil, err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return nil, err
	}
	users, err := c.usersByID(v)
	if err != nil {
		return nil, err
	}
	rows := make([]personRow, 0, len(people))
	for _, p := range people {
		row := personRow{Person: p, Gone: true}
		if i := slices.IndexFunc(contacts, func(k contact.Contact) bool { return k.ID == p.ContactID }); i >= 0 {
			row.Contact, row.Gone = contactLabel(contacts[i]), false
			if u, ok := users[contacts[i].UserID]; ok {
				row.User, row.Disabled = u.Label(), u.Disabled
			}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b personRow) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return rows, nil
}

// unlink ends that a Mattermost user is a contact. One may end it for one's own.
func (c *console) unlink(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	people, err := c.Store.People(v.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(people, func(p chat.Person) bool { return p.UserID == id })
	if i < 0 {
		return done(w, v, v.linkBack(), "That person is not linked any more.")
	}
	if !v.may(auth.WriteConfig) {
		mine, err := c.ownContacts(v)
		if err != nil {
			return err
		}
		if !slices.Contains(mine, people[i].ContactID) {
			return fault.ErrNotFound
		}
	}
	if err := c.Store.DeletePerson(v.Context(), id); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	return done(w, v, v.linkBack(), atName(people[i].Name, id)+" is not linked any more. /tocsin link in Mattermost links again.")
}

// linkBack is the page on which somebody came to a linked person.
func (v *visit) linkBack() string {
	if v.FormValue("from") == "me" {
		return "/console/me"
	}
	return mattermostPath + "#people"
}
