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

type contactsView struct {
	shell
	Rows []contactRow
}

type contactRow struct {
	contact.Contact
	User     string // the linked user's label
	Disabled bool   // that user may not sign in
	Hosts    string // what it hears of hosts
	Services string
	Groups   []string
	Chat     string // how it is told in Mattermost
	Mail     string // of what by e-mail; empty: of nothing, or there is none
	Hook     string // name of its webhook
	Warning  string // why nothing reaches it
}

func contactLabel(k contact.Contact) string {
	if k.DisplayName != "" {
		return k.DisplayName
	}
	return k.Name
}

func hostOptionWords() [][2]string {
	return [][2]string{{"d", "Down"}, {"u", "Unreachable"}, {"r", "Recovery"}, {"f", "Flapping"}, {"s", "Scheduled downtime"}}
}

func serviceOptionWords() [][2]string {
	return [][2]string{{"w", "Warning"}, {"u", "Unknown"}, {"c", "Critical"}, {"r", "Recovery"}, {"f", "Flapping"}, {"s", "Scheduled downtime"}}
}

func optionSummary(o contact.Options, words [][2]string) string {
	var on []string
	for _, w := range words {
		if o.Has(w[0][0]) {
			on = append(on, w[1])
		}
	}
	switch len(on) {
	case 0:
		return "nothing"
	case len(words):
		return "everything"
	}
	return strings.Join(on, ", ")
}

func hearsOfHosts(k contact.Contact) string {
	if !k.HostNotifications {
		return "off"
	}
	return optionSummary(k.HostOptions, hostOptionWords())
}

func hearsOfServices(k contact.Contact) string {
	if !k.ServiceNotifications {
		return "off"
	}
	return optionSummary(k.ServiceOptions, serviceOptionWords())
}

func (c *console) contacts(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	all, err := c.Store.Contacts(ctx)
	if err != nil {
		return err
	}
	users, err := c.usersByID(v)
	if err != nil {
		return err
	}
	groups, err := c.Store.Groups(ctx)
	if err != nil {
		return err
	}
	now, err := c.chatNow(v)
	if err != nil {
		return err
	}
	hooks, err := c.Store.Hooks(ctx)
	if err != nil {
		return err
	}
	post, err := c.Mail.MailSettings(ctx)
	if err != nil {
		return err
	}
	view := contactsView{shell: c.shell(w, v, "/console/contacts", "Contacts")}
	for _, k := range all {
		r := contactRow{Contact: k}
		r.Hosts, r.Services = hearsOfHosts(k), hearsOfServices(k)
		var reached bool
		r.Chat, reached = now.words(k)
		if post.Enabled {
			r.Mail = mailedOf(k)
		}
		for _, h := range hooks {
			if h.ID == k.Hook {
				r.Hook, reached = h.Name, reached || !h.Disabled
			}
		}
		reached = reached || r.Mail != "" && k.Email != ""
		u, known := users[k.UserID]
		switch {
		case k.UserID == "" && reached:
		case k.UserID == "":
			r.Warning = "No user is linked, so no browser is reached, and no other way is open."
		case !known:
			r.Warning = "The linked user is gone."
		case u.Disabled:
			r.User, r.Warning = u.Label(), "The linked user is disabled."
		default:
			r.User = u.Label()
		}
		for _, g := range groups {
			if slices.Contains(g.ContactIDs, k.ID) {
				r.Groups = append(r.Groups, g.Name)
			}
		}
		view.Rows = append(view.Rows, r)
	}
	return c.show(w, v, "contacts", view)
}

// mailedOf says of what a contact is told by e-mail.
func mailedOf(k contact.Contact) string {
	switch {
	case k.MailHost && k.MailService:
		return "hosts and services"
	case k.MailHost:
		return "hosts"
	case k.MailService:
		return "services"
	}
	return ""
}

// chatNow is what contacts can be told of in Mattermost.
type chatNow struct {
	set    chat.Settings
	rooms  []chat.Room
	people []chat.Person
}

func (c *console) chatNow(v *visit) (now chatNow, err error) {
	if now.set, err = c.Store.ChatSettings(v.Context()); err != nil {
		return now, err
	}
	if now.rooms, err = c.Store.Rooms(v.Context()); err != nil {
		return now, err
	}
	now.people, err = c.Store.People(v.Context())
	return now, err
}

// linked are the Mattermost users who are a contact.
func (n chatNow) linked(contactID string) []chat.Person {
	var out []chat.Person
	for _, p := range n.people {
		if p.ContactID == contactID && contactID != "" {
			out = append(out, p)
		}
	}
	return out
}

// words say how a contact is told in Mattermost, and whether that reaches
// somebody now.
func (n chatNow) words(k contact.Contact) (words string, reached bool) {
	switch k.Mattermost {
	case "":
		return "", false
	case contact.MattermostDirect:
		who := n.linked(k.ID)
		switch {
		case len(who) == 0:
			return "direct, but nobody is linked", false
		case n.set.BotToken == "":
			return "direct, but there is no bot", false
		}
		return "direct, " + atName(who[0].Name, who[0].UserID), n.set.Enabled
	}
	for _, r := range n.rooms {
		if r.ID == k.Mattermost {
			return r.Name, n.set.Enabled && !r.Disabled
		}
	}
	return "a room that is gone", false
}

// options are the ways of telling a contact in Mattermost, to choose from.
func (n chatNow) options(k contact.Contact) []option {
	o := []option{{"", "Not there", k.Mattermost == ""}, {contact.MattermostDirect, "Direct messages", k.Mattermost == contact.MattermostDirect}}
	for _, r := range n.rooms {
		title := "In " + r.Name
		if r.Disabled {
			title += " (off)"
		}
		o = append(o, option{r.ID, title, k.Mattermost == r.ID})
	}
	return o
}

// hint says who is linked, and what direct messages still lack.
func (n chatNow) hint(k contact.Contact) string {
	who := n.linked(k.ID)
	var names []string
	for _, p := range who {
		names = append(names, atName(p.Name, p.UserID))
	}
	text := "Nobody in Mattermost is linked to this contact yet: /tocsin link there does it."
	if len(names) > 0 {
		text = "Linked in Mattermost: " + strings.Join(names, ", ") + "."
	}
	switch {
	case !n.set.Enabled:
		text += " Mattermost is off for this hub."
	case n.set.BotToken == "":
		text += " Direct messages need a bot, which is not set up."
	}
	return text
}

func (c *console) usersByID(v *visit) (map[string]auth.User, error) {
	users, err := c.Store.Users(v.Context())
	if err != nil {
		return nil, err
	}
	m := map[string]auth.User{}
	for _, u := range users {
		m[u.ID] = u
	}
	return m, nil
}

func (c *console) loadContact(v *visit) (contact.Contact, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Contact(v.Context(), id)
	}
	return contact.NewContact(text(v.URL.Query(), "name")), nil
}

func (c *console) contact(w http.ResponseWriter, v *visit) error {
	k, err := c.loadContact(v)
	if err != nil {
		return err
	}
	f, err := c.contactForm(v, k)
	if err != nil {
		return err
	}
	return c.showContact(w, v, http.StatusOK, k, f)
}

func (c *console) showContact(w http.ResponseWriter, v *visit, status int, k contact.Contact, f form) error {
	heading := "New contact"
	if v.PathValue("id") != "new" {
		heading = contactLabel(k)
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/contacts", heading), Heading: heading,
		Intro: "Somebody who is told. Changes are in force with the next event.", Form: f})
}

func (c *console) contactForm(v *visit, k contact.Contact) (form, error) {
	users, err := c.Store.Users(v.Context())
	if err != nil {
		return form{}, err
	}
	periods, err := c.Store.Periods(v.Context())
	if err != nil {
		return form{}, err
	}
	userOptions := []option{{"", "Nobody", k.UserID == ""}}
	for _, u := range users {
		title := u.Label()
		if u.Disabled {
			title += " (disabled)"
		}
		userOptions = append(userOptions, option{u.ID, title, u.ID == k.UserID})
	}
	now, err := c.chatNow(v)
	if err != nil {
		return form{}, err
	}
	periodOptions := func(id string) []option {
		o := []option{{"", "Always", id == ""}}
		for _, p := range periods {
			o = append(o, option{p.ID, p.Name, p.ID == id})
		}
		return o
	}
	letters := func(o contact.Options, words [][2]string) []option {
		var out []option
		for _, w := range words {
			out = append(out, option{w[0], w[1], o.Has(w[0][0])})
		}
		return out
	}
	hooks, err := c.hookOptions(v, func(id string) bool { return id == k.Hook })
	if err != nil {
		return form{}, err
	}
	hooks = slices.Insert(hooks, 0, option{"", "None", k.Hook == ""})
	quiet := periodOptions(k.QuietPeriodID)
	quiet[0].Title = "Never"
	post, err := c.Mail.MailSettings(v.Context())
	if err != nil {
		return form{}, err
	}
	mailHint := ""
	if !post.Enabled {
		mailHint = "E-mail is off for this hub: see E-mail in the menu."
	}
	id := v.PathValue("id")
	f := form{
		Action: "/console/contacts/" + id, Submit: "Save contact", Cancel: "/console/contacts", Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Title: "Who", Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: k.Name, Required: true, Half: true, Hint: "As the engine calls the contact."},
				{Name: "display_name", Label: "Display name", Kind: "text", Value: k.DisplayName, Half: true, Hint: "Shown to people. Empty: the name."},
				{Name: "email", Label: "E-mail", Kind: "email", Value: k.Email, Half: true, Auto: "off"},
				{Name: "user_id", Label: "Linked user", Kind: "select", Options: userOptions, Half: true, Hint: "Whose tabs and devices show the notifications."},
				{Name: "engine_user_id", Label: "The engine's user id", Kind: "text", Value: k.EngineUserID, Half: true, Hint: "What openITCOCKPIT passes as --user-id. Empty if none."},
			}},
			{Title: "Mattermost and webhook", Fields: []field{
				{Name: "hook", Label: "Webhook", Kind: "select", Options: hooks, Half: true, Hint: "Of its own: a topic of ntfy, an app of Gotify."},
				{Name: "mattermost", Label: "Told in Mattermost", Kind: "select", Options: now.options(k), Half: true, Hint: now.hint(k)},
			}},
			{Title: "Hosts", Fields: []field{
				{Name: "host_notifications", Label: "Notifications for hosts", Kind: "checkbox", Checked: k.HostNotifications, Half: true},
				{Name: "push_host", Label: "By push, for hosts: open tabs and Web Push", Kind: "checkbox", Checked: k.PushHost, Half: true},
				{Name: "mail_host", Label: "By e-mail, for hosts", Kind: "checkbox", Checked: k.MailHost, Half: true, Hint: mailHint},
				{Name: "host_options", Label: "Tell of", Kind: "checks", Options: letters(k.HostOptions, hostOptionWords())},
				{Name: "host_period_id", Label: "When", Kind: "select", Options: periodOptions(k.HostPeriodID), Half: true},
			}},
			{Title: "Services", Fields: []field{
				{Name: "service_notifications", Label: "Notifications for services", Kind: "checkbox", Checked: k.ServiceNotifications, Half: true},
				{Name: "push_service", Label: "By push, for services: open tabs and Web Push", Kind: "checkbox", Checked: k.PushService, Half: true},
				{Name: "mail_service", Label: "By e-mail, for services", Kind: "checkbox", Checked: k.MailService, Half: true, Hint: mailHint},
				{Name: "service_options", Label: "Tell of", Kind: "checks", Options: letters(k.ServiceOptions, serviceOptionWords())},
				{Name: "service_period_id", Label: "When", Kind: "select", Options: periodOptions(k.ServicePeriodID), Half: true},
			}},
			{Title: "Quiet hours", Hint: "What is held back is told together when they are over, as far as it is still true. Whoever is on call hears of everything.", Fields: []field{
				{Name: "quiet_period_id", Label: "Left in peace", Kind: "select", Options: quiet, Half: true, Hint: "A time period."},
				{Name: "quiet_pass", Label: "Told all the same", Kind: "select", Half: true, Options: []option{
					{contact.QuietNothing, "Nothing", k.QuietPass == contact.QuietNothing},
					{contact.QuietCritical, "Critical services, hosts that are down", k.QuietPass == contact.QuietCritical},
					{contact.QuietWarning, "All problems, but no recoveries", k.QuietPass == contact.QuietWarning},
				}},
			}},
		},
	}
	if id != "new" {
		f.Delete = "/console/contacts/" + id + "/delete"
	}
	f.Sections[0].Said, err = c.mailRefusal(v, k)
	return f, err
}

func readContact(k contact.Contact, in url.Values) (contact.Contact, error) {
	k.Name, k.DisplayName, k.Email = text(in, "name"), text(in, "display_name"), text(in, "email")
	k.UserID, k.EngineUserID = in.Get("user_id"), text(in, "engine_user_id")
	k.Mattermost, k.Hook = in.Get("mattermost"), in.Get("hook")
	k.MailHost, k.MailService = in.Get("mail_host") != "", in.Get("mail_service") != ""
	k.QuietPeriodID, k.QuietPass = in.Get("quiet_period_id"), in.Get("quiet_pass")
	k.HostPeriodID, k.ServicePeriodID = in.Get("host_period_id"), in.Get("service_period_id")
	k.HostNotifications, k.ServiceNotifications = in.Get("host_notifications") != "", in.Get("service_notifications") != ""
	k.PushHost, k.PushService = in.Get("push_host") != "", in.Get("push_service") != ""
	var errs [2]error
	k.HostOptions, errs[0] = contact.ParseOptions("host", strings.Join(chosen(in, "host_options"), ","))
	k.ServiceOptions, errs[1] = contact.ParseOptions("service", strings.Join(chosen(in, "service_options"), ","))
	return k, errors.Join(errs[0], errs[1])
}

func (c *console) saveContact(w http.ResponseWriter, v *visit) error {
	k, err := c.loadContact(v)
	if err != nil {
		return err
	}
	k, err = readContact(k, v.PostForm)
	if err == nil {
		err = web.CheckContact(v.Context(), c.Store, k)
	}
	if err == nil {
		if k.ID == "" {
			k.ID = c.NewID()
		}
		err = c.Store.SaveContact(v.Context(), k)
	}
	if err != nil {
		f, ferr := c.contactForm(v, k)
		if ferr != nil {
			return ferr
		}
		if !f.refused(err) {
			return err
		}
		return c.showContact(w, v, http.StatusUnprocessableEntity, k, f)
	}
	return done(w, v, "/console/contacts", "Saved "+contactLabel(k)+". It is in force with the next event.")
}

func (c *console) askDeleteContact(w http.ResponseWriter, v *visit) error {
	k, err := c.Store.Contact(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	var effects []string
	groups, err := c.Store.Groups(v.Context())
	if err != nil {
		return err
	}
	for _, g := range groups {
		if slices.Contains(g.ContactIDs, k.ID) {
			effects = append(effects, "It leaves the group "+g.Name+".")
		}
	}
	rules, err := c.Store.Rules(v.Context())
	if err != nil {
		return err
	}
	for _, r := range rules {
		if slices.Contains(r.ContactIDs, k.ID) {
			effects = append(effects, "It leaves the rule “"+r.Name+"”.")
		}
	}
	effects = append(effects, "Calls of the engine that name it are shown as “unknown contact” from then on.", "What it was told stays in the timelines.")
	return c.confirm(w, v, "/console/contacts", confirmView{Heading: "Delete the contact " + contactLabel(k) + "?",
		Effects: effects, Action: "/console/contacts/" + k.ID + "/delete", Back: "/console/contacts/" + k.ID, Button: "Delete contact"})
}

func (c *console) deleteContact(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteContact(v.Context(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, "/console/contacts", "The contact is deleted.", "The contact is in use.")
}
