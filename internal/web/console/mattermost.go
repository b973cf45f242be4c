package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/config"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

const (
	mattermostPath = "/console/mattermost"

	// firstRoom is what the room of the webhook on this page is called until
	// somebody gives it another name.
	firstRoom = "Mattermost"
)

// mattermostView is the page of all that concerns Mattermost.
type mattermostView struct {
	shell
	Form   form
	Fresh  string // the API key that was just made, shown once
	Works  []working
	Rooms  []roomRow
	People []personRow
	Hints  []hint
	Admin  bool
	Tested bool // a test's answer stands beside its room, and is not drawn over
}

// working is one thing that Mattermost can do here, and whether it does.
type working struct {
	Look        look
	Title, Text string
}

// hint is something for Mattermost's administrator to set, with what to paste.
type hint struct {
	Title, When, Code string
	Needed            bool // as far as can be told from here
}

// mattermostNow is all that the page is drawn from.
type mattermostNow struct {
	set   config.Settings
	chat  chat.Settings
	rooms []chat.Room
	key   *auth.APIKey // nil: none, or one that is gone
	said  *flash       // what became of a test of the bot
}

func (c *console) mattermostNow(v *visit) (now mattermostNow, err error) {
	ctx := v.Context()
	if now.set, err = c.Store.Settings(ctx); err != nil {
		return now, err
	}
	if now.chat, err = c.Store.ChatSettings(ctx); err != nil {
		return now, err
	}
	if now.rooms, err = c.Store.Rooms(ctx); err != nil {
		return now, err
	}
	keys, err := c.Store.APIKeys(ctx)
	if err != nil {
		return now, err
	}
	if i := slices.IndexFunc(keys, func(k auth.APIKey) bool { return k.ID == now.chat.APIKeyID && k.ID != "" }); i >= 0 {
		now.key = &keys[i]
	}
	return now, nil
}

// simple is the room of the page's own webhook: the webhook that was made first,
// nil if there is none.
func (n mattermostNow) simple() *chat.Room {
	var first *chat.Room
	for i := range n.rooms {
		if r := &n.rooms[i]; r.Kind == chat.Webhook && (first == nil || r.Created.Before(first.Created)) {
			first = r
		}
	}
	return first
}

// untouched says whether nobody has set anything yet: who does so now wants it on.
func (n mattermostNow) untouched() bool {
	return !n.chat.Enabled && n.chat.ServerURL == "" && n.chat.BotToken == "" && n.chat.APIKeyID == "" && len(n.rooms) == 0
}

func (n mattermostNow) texts() url.Values {
	in := url.Values{
		"server_url": {n.chat.ServerURL}, "time_zone": {n.chat.TimeZone}, "callback_url": {n.chat.CallbackURL},
		"mattermost_ttl_minutes": {strconv.Itoa(n.set.MattermostTTL)}, "everything": {"on"},
	}
	for name, on := range map[string]bool{
		"enabled": n.chat.Enabled, "two_way": n.chat.TwoWay, "use_proxy": n.chat.UseProxy, "allow_unlinked": n.chat.Unlinked, "no_emoji": n.chat.NoEmoji,
	} {
		if on {
			in.Set(name, "on")
		}
	}
	if n.untouched() {
		in.Set("enabled", "on")
	}
	if r := n.simple(); r != nil {
		in.Set("channel_override", r.Override)
		if !r.Everything {
			in.Del("everything")
		}
	}
	return in
}

func (c *console) mattermost(w http.ResponseWriter, v *visit) error {
	now, err := c.mattermostNow(v)
	if err != nil {
		return err
	}
	return c.showMattermost(w, v, http.StatusOK, now, now.texts(), "", nil)
}

// callbackBase is where Mattermost reaches this hub.
func (c *console) callbackBase(v *visit, s chat.Settings) string {
	if s.CallbackURL != "" {
		return strings.TrimRight(s.CallbackURL, "/")
	}
	return c.base(v)
}

// keyLook is how the API key of Mattermost stands, in a word with a shape.
func (n mattermostNow) keyLook(v *visit) (look, string) {
	switch {
	case n.key == nil:
		return look{"None yet", "dash", "warn"}, ""
	case !n.key.Live(v.now):
		return keyRow{APIKey: *n.key}.look(v.now), "tk_…" + n.key.Hint
	}
	return look{"In force", "ok", "good"}, "tk_…" + n.key.Hint + ", made " + n.key.CreatedAt.UTC().Format("2 January 2006")
}

func (c *console) mattermostForm(v *visit, now mattermostNow, in url.Values) form {
	ticked := func(name, label, hint string) field {
		return field{Name: name, Label: label, Kind: "checkbox", Checked: in.Get(name) != "", Hint: hint}
	}
	keyState, keyText := now.keyLook(v)
	keyButton := "Create key"
	if now.key != nil {
		keyButton = "Create another key"
	}
	proxy := "None is named in Settings → Notifications: TOCSIN_PUSH_PROXY, where it is given."
	if now.set.PushProxy != "" {
		proxy = "It is " + now.set.PushProxy + ", of Settings → Notifications."
	}
	var tokens string
	if n := len(now.chat.CommandHashes); n > 0 {
		tokens = count(n, "token is", "tokens are") + " known. What you write replaces them all. "
	}
	return form{Action: mattermostPath, Submit: "Save", Locked: !v.may(auth.Administer), Sections: []section{
		{Title: "Posting with an incoming webhook", Hint: "The simple form: alerts are posted where the webhook leads. A post of a webhook cannot be changed afterwards, so each turn of an alert is a post of its own.", Fields: []field{
			ticked("enabled", "Mattermost is on", ""),
			{Name: "webhook_url", Label: "Webhook URL", Kind: "password", Secret: true, Stored: now.simple() != nil, Auto: "off", Mono: true, Hint: "From Mattermost: Integrations → Incoming Webhooks. Whoever knows it can post there, so it is never shown again."},
			{Name: "channel_override", Label: "Channel override", Kind: "text", Value: in.Get("channel_override"), Half: true, Auto: "off", Sample: "the webhook’s own channel", Hint: "Another channel than its own: town-square, or @jane. The webhook must not be locked to its channel."},
			ticked("everything", "This webhook gets every alert", "Else what rules and contacts send there."),
			ticked("use_proxy", "Use proxy server", "Also for the bot. "+proxy),
		}},
		{Title: "Two-way integration", ID: "two-way", Hint: "Buttons under each post: Acknowledge, Acknowledge with a comment, Snooze. With a bot also dialogs, threads and the command /tocsin.", Fields: []field{
			ticked("two_way", "Enable Two-Way Integration", ""),
			{Name: "callback_url", Label: "Public base URL", Kind: "text", Value: in.Get("callback_url"), Half: true, Mono: true, Auto: "off", Sample: c.base(v), Hint: "Under which the Mattermost server reaches this hub; it may be another one than people use. Empty: " + c.base(v)},
			{Name: "api_key", Label: "API key", Kind: "static", Half: true, Look: &keyState, Value: keyText, Hint: "In its name Mattermost’s buttons act. It may acknowledge and nothing else; when it is revoked under API keys, the buttons stop."},
			ticked("allow_unlinked", "People who are linked to no contact may acknowledge, too", "They are recorded by their name in Mattermost. Else they are told to type /tocsin link first."),
		}, Buttons: c.adminButtons(v, formButton{Title: keyButton, Action: mattermostPath + "/key"})},
		{Title: "With a bot", ID: "bot", Buttons: c.botButtons(v), Hint: "The full form: one post per alert that is kept up to date in place, short replies in its thread, several teams and channels, direct messages to contacts, and a form for the comment.", Fields: []field{
			{Name: "server_url", Label: "Mattermost’s address", Kind: "text", Value: in.Get("server_url"), Half: true, Mono: true, Auto: "off", Sample: "https://chat.example.org"},
			{Name: "bot_token", Label: "Bot token", Kind: "password", Secret: true, Stored: now.chat.BotToken != "", Half: true, Mono: true, Auto: "off", Hint: "The access token of a bot account that is a member of the channels below."},
			{Name: "command_tokens", Label: "Tokens of the slash command", Kind: "textarea", Secret: true, Stored: len(now.chat.CommandHashes) > 0, Rows: 2, Mono: true, Hint: tokens + "Mattermost makes one for each team in which /tocsin is added: one a line. Only their hashes are kept."},
		}},
		{Title: "All posts", ID: "posts", Fields: []field{
			{Name: "time_zone", Label: "Time zone", Kind: "text", Value: in.Get("time_zone"), Half: true, List: "zones", Auto: "off", Sample: "UTC", Hint: "Of the times in posts and answers, which are the same for everybody who reads them: as Europe/Berlin."},
			numberField(in, "mattermost_ttl_minutes", "Minutes that posting is tried", "While Mattermost is away. Then it is old news, and its delivery expires."),
			ticked("no_emoji", "Without emoji in the posts", ""),
		}},
	}}
}

func (c *console) botButtons(v *visit) []formButton {
	if c.Mattermost.CheckBot == nil {
		return nil
	}
	return c.adminButtons(v, formButton{Title: "Test and save", Action: mattermostPath + "/bot#bot", Wait: "Trying…"})
}

// checkBot tries the bot as the form has it, and keeps the form if it is let in:
// the page does not show a token again, so what was tried would be lost with the
// next press of a button.
func (c *console) checkBot(w http.ResponseWriter, v *visit) error {
	now, err := c.mattermostNow(v)
	if err != nil {
		return err
	}
	if c.Mattermost.CheckBot == nil {
		return fault.ErrNotFound
	}
	_, s, _, err := c.readMattermost(v, now)
	if err != nil {
		return c.showMattermost(w, v, http.StatusUnprocessableEntity, now, v.PostForm, "", err)
	}
	ctx, cancel := context.WithTimeout(v.Context(), probePatience)
	defer cancel()
	got, err := c.Mattermost.CheckBot(ctx, s)
	if err != nil {
		return err
	}
	if !got.OK {
		now.said = &flash{Kind: "bad", Text: sentence(got.Detail) + " Nothing was saved."}
		return c.showMattermost(w, v, http.StatusOK, now, v.PostForm, "", nil)
	}
	if err := c.keepMattermost(v, now); err != nil {
		return c.showMattermost(w, v, http.StatusUnprocessableEntity, now, v.PostForm, "", err)
	}
	if now, err = c.mattermostNow(v); err != nil {
		return err
	}
	now.said = &flash{Kind: "good", Text: sentence(got.Detail) + " Saved."}
	return c.showMattermost(w, v, http.StatusOK, now, now.texts(), "", nil)
}

// adminButtons are those of a form that only administrators can send.
func (c *console) adminButtons(v *visit, bs ...formButton) []formButton {
	if !v.may(auth.Administer) {
		return nil
	}
	return bs
}

func (c *console) showMattermost(w http.ResponseWriter, v *visit, status int, now mattermostNow, in url.Values, fresh string, why error) error {
	view := mattermostView{Form: c.mattermostForm(v, now, in), Fresh: fresh, Admin: v.may(auth.Administer)}
	view.Form.Sections[2].Said = now.said
	if why != nil && !view.Form.refused(why) {
		return why
	}
	var err error
	if view.People, err = c.chatPeople(v); err != nil {
		return err
	}
	view.shell = c.shell(w, v, mattermostPath, "Mattermost")
	view.Rooms = roomRows(now, view.Flash)
	if slices.ContainsFunc(view.Rooms, func(r roomRow) bool { return r.Said != nil }) {
		view.Flash, view.Tested = nil, true
	}
	view.Works = works(v, now, len(view.People))
	view.Hints = mattermostHints(c.callbackBase(v, now.chat))
	c.write(w, v.Request, status, "mattermost", "shell", view)
	return nil
}

// works says what Mattermost does here now, and what is missing for more.
func works(v *visit, now mattermostNow, people int) []working {
	good := func(title, text string) working { return working{look{"Works", "ok", "good"}, title, text} }
	off := func(title, text string) working { return working{look{"Off", "dash", "dim"}, title, text} }
	lacks := func(title, text string) working { return working{look{"Needs something", "warn", "warn"}, title, text} }
	if !now.chat.Enabled {
		return []working{off("Nothing is posted", "Mattermost is off. What is set below is kept.")}
	}
	var out []working
	used, troubled, bots := 0, 0, 0
	for _, r := range now.rooms {
		if r.Disabled {
			continue
		}
		used++
		if r.LastError != "" {
			troubled++
		}
		if r.Kind == chat.Bot {
			bots++
		}
	}
	switch {
	case used == 0:
		out = append(out, lacks("Nowhere to post", "Give a webhook URL, or a bot and a room."))
	case troubled > 0:
		out = append(out, lacks("Posting fails in "+count(troubled, "room", "rooms"), "What is wrong stands with the room."))
	default:
		out = append(out, good("Posting in "+count(used, "room", "rooms"), "What a post looks like, a test shows."))
	}
	switch {
	case !now.chat.TwoWay:
		out = append(out, off("No buttons under the posts", "Enable Two-Way Integration to acknowledge in Mattermost."))
	case now.key == nil || !now.key.Live(v.now):
		out = append(out, lacks("No buttons under the posts", "Create the API key in whose name they act."))
	case people == 0 && !now.chat.Unlinked && len(now.chat.CommandHashes) == 0:
		out = append(out, lacks("Nobody can use the buttons yet", "Add the command /tocsin, with which people say who they are, or let people act who are linked to no contact."))
	default:
		out = append(out, good("Buttons under the posts", "If a click shows an error, Mattermost does not reach the public base URL: see below for its administrator."))
	}
	switch {
	case now.chat.BotToken == "" && bots > 0:
		out = append(out, lacks("The bot’s rooms are silent", "Give the bot’s token."))
	case now.chat.BotToken == "":
		out = append(out, off("No bot", "Posts are not changed afterwards, and contacts get no direct messages."))
	case people == 0:
		out = append(out, lacks("Nobody is linked", "Who acts in Mattermost is known here as a contact after /tocsin link there."))
	default:
		out = append(out, good("Bot, with "+count(people, "person", "people")+" linked", "Posts are kept up to date; contacts can have direct messages."))
	}
	if now.chat.TwoWay && len(now.chat.CommandHashes) == 0 {
		out = append(out, off("No command /tocsin", "Add it in Mattermost, and its token below."))
	}
	return out
}

// mattermostHints are for Mattermost's administrator.
func mattermostHints(base string) []hint {
	host := base
	private := false
	if u, err := url.Parse(base); err == nil && u.Hostname() != "" {
		host = u.Hostname()
		if a, err := netip.ParseAddr(host); err == nil {
			private = a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
		} else {
			private = host == "localhost" || !strings.Contains(host, ".")
		}
	}
	return []hint{
		{"Let Mattermost reach this hub", "Where " + host + " is an address of your own network, Mattermost calls it only if it is listed. Several are divided by a blank: keep what is there.",
			"mmctl config set ServiceSettings.AllowedUntrustedInternalConnections '" + host + "'", private},
		{"A certificate of your own", "Where this hub’s certificate is signed by nobody whom Mattermost’s machine trusts. Adding the CA to that machine is better: this turns the check off for all.",
			"mmctl config set ServiceSettings.EnableInsecureOutgoingConnections true", false},
		{"The bot and its token", "The token goes into “Bot token” above. The bot must be a member of each team and channel where it posts.",
			"mmctl config set ServiceSettings.EnableBotAccountCreation true\n" +
				"mmctl bot create tocsin --display-name Tocsin\n" +
				"mmctl token generate tocsin Tocsin\n" +
				"mmctl team users add TEAM tocsin\n" +
				"mmctl channel users add TEAM:CHANNEL tocsin", false},
		{"The command /tocsin", "Once in each team. The token that it answers goes into “Tokens of the slash command” above.",
			"mmctl command create TEAM --title Tocsin --trigger-word tocsin --creator YOU \\\n" +
				"  --url " + base + "/callback/mattermost/command --post \\\n" +
				"  --autocomplete --autocompleteHint '[list|ack|unack|oncall|link|help]' --autocompleteDesc 'Alerts of Tocsin'", false},
	}
}

// readMattermost reads the form: the settings, and the room of its webhook, nil
// if there is to be none.
func (c *console) readMattermost(v *visit, now mattermostNow) (config.Settings, chat.Settings, *chat.Room, error) {
	in, set, s := v.PostForm, now.set, now.chat
	n := numbers{in: in}
	set.MattermostTTL = n.read("mattermost_ttl_minutes")
	s.Enabled, s.TwoWay, s.UseProxy = in.Get("enabled") != "", in.Get("two_way") != "", in.Get("use_proxy") != ""
	s.Unlinked, s.NoEmoji = in.Get("allow_unlinked") != "", in.Get("no_emoji") != ""
	s.TimeZone = text(in, "time_zone")
	s.ServerURL, s.CallbackURL = strings.TrimRight(text(in, "server_url"), "/"), strings.TrimRight(text(in, "callback_url"), "/")
	if n.err != nil {
		return set, s, nil, n.err
	}

	switch token := text(in, "bot_token"); {
	case token != "":
		s.BotToken = token
	case in.Get("bot_token_clear") != "":
		s.BotToken = ""
	case s.BotToken != "" && s.ServerURL != now.chat.ServerURL && now.chat.ServerURL != "":
		// Else the stored one would go to whoever the new address belongs to.
		return set, s, nil, &config.FieldError{Field: "bot_token", Problem: "is wanted once more, as Mattermost’s address is another one", Mend: "paste it again, or remove it"}
	}
	if typed := lines(in.Get("command_tokens")); len(typed) > 0 {
		hashes, err := web.CommandHashes(typed)
		if err != nil {
			return set, s, nil, err
		}
		s.CommandHashes = hashes
	} else if in.Get("command_tokens_clear") != "" {
		s.CommandHashes = nil
	}
	if err := web.CheckMattermost(s); err != nil {
		return set, s, nil, err
	}
	room, err := c.readSimple(v, now)
	return set, s, room, err
}

// readSimple reads what the form says of its webhook.
func (c *console) readSimple(v *visit, now mattermostNow) (*chat.Room, error) {
	in, old := v.PostForm, now.simple()
	address := text(in, "webhook_url")
	if old != nil && address == "" && in.Get("webhook_url_clear") != "" {
		return nil, nil
	}
	r := chat.Room{Kind: chat.Webhook, Created: v.now}
	if old != nil {
		r = *old
	} else if address == "" {
		if text(in, "channel_override") != "" {
			return nil, &config.FieldError{Field: "webhook_url", Problem: "a channel override alone leads nowhere", Mend: "give the webhook’s URL, too"}
		}
		return nil, nil
	} else {
		r.ID = c.NewID()
		taken := func() bool {
			return slices.ContainsFunc(now.rooms, func(x chat.Room) bool { return strings.EqualFold(x.Name, r.Name) })
		}
		r.Name = firstRoom
		for i := 2; taken(); i++ {
			r.Name = fmt.Sprintf("%s %d", firstRoom, i)
		}
	}
	if address != "" {
		r.WebhookURL = address
	}
	r.Override, r.Everything = text(in, "channel_override"), in.Get("everything") != ""
	return &r, web.CheckRoom(r)
}

// keepMattermost checks the form and keeps it.
func (c *console) keepMattermost(v *visit, now mattermostNow) error {
	set, s, room, err := c.readMattermost(v, now)
	if err != nil {
		return err
	}
	if err := c.keepSettings(v, set); err != nil {
		return err
	}
	if old := now.simple(); room == nil && old != nil {
		if err := c.Store.DeleteRoom(v.Context(), old.ID); errors.Is(err, fault.ErrInUse) {
			return &config.FieldError{Field: "webhook_url", Problem: "rules or contacts send to this webhook’s room", Mend: "take it out there first; until then switch Mattermost off, or the room"}
		} else if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return err
		}
	} else if room != nil {
		if err := c.Store.SaveRoom(v.Context(), *room); err != nil {
			return err
		}
	}
	return c.Store.SaveChatSettings(v.Context(), s)
}

func (c *console) saveMattermost(w http.ResponseWriter, v *visit) error {
	now, err := c.mattermostNow(v)
	if err != nil {
		return err
	}
	if err := c.keepMattermost(v, now); err != nil {
		return c.showMattermost(w, v, http.StatusUnprocessableEntity, now, v.PostForm, "", err)
	}
	if v.PostForm.Get("enabled") == "" {
		return done(w, v, mattermostPath, "Saved. Nothing is posted until Mattermost is on.")
	}
	return done(w, v, mattermostPath, "Saved. It is in force with the next post.")
}

// makeMattermostKey saves the form and makes the key; pressing for a key in a form
// whose rest is then forgotten would be a trap.
func (c *console) makeMattermostKey(w http.ResponseWriter, v *visit) error {
	now, err := c.mattermostNow(v)
	if err != nil {
		return err
	}
	if err := c.keepMattermost(v, now); err != nil {
		return c.showMattermost(w, v, http.StatusUnprocessableEntity, now, v.PostForm, "", err)
	}
	_, token, err := web.MattermostKey(v.Context(), c.Store, c.Auth)
	if err != nil {
		return err
	}
	if now, err = c.mattermostNow(v); err != nil {
		return err
	}
	// The key is nowhere but in this answer.
	return c.showMattermost(w, v, http.StatusOK, now, now.texts(), token, nil)
}
