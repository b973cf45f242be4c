package console_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/route"
)

const hook = "https://chat.example.com/hooks/secretsecretsecret"

// mattermostForm is the form of the page as a browser sends it, with more.
func mattermostForm(more url.Values) url.Values {
	in := url.Values{"enabled": {"on"}, "everything": {"on"}, "mattermost_ttl_minutes": {"240"}}
	for k, v := range more {
		in[k] = v
	}
	return in
}

func TestMattermostSettings(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	t.Run("whoever sets it up first finds it switched on in the form", func(t *testing.T) {
		if _, body := admin.get("/console/mattermost"); !regexp.MustCompile(`id="f-enabled"[^>]* checked`).MatchString(body) {
			t.Error("a newcomer must find the switch")
		}
	})
	t.Run("a webhook's URL makes the first room, and is never shown", func(t *testing.T) {
		res, _ := admin.post("/console/mattermost", mattermostForm(url.Values{"webhook_url": {hook}, "channel_override": {"town-square"}}))
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		rooms, err := h.db.Rooms(t.Context())
		if err != nil || len(rooms) != 1 || rooms[0].WebhookURL != hook || rooms[0].Override != "town-square" || !rooms[0].Everything || rooms[0].Kind != chat.Webhook {
			t.Fatalf("%+v %v", rooms, err)
		}
		for _, path := range []string{"/console/mattermost", "/console/mattermost/rooms/" + rooms[0].ID} {
			if _, body := admin.get(path); strings.Contains(body, "secretsecret") || !strings.Contains(body, "Stored.") {
				t.Errorf("%s shows the address, or not that there is one", path)
			}
		}
	})
	t.Run("what is off is not said to be in force", func(t *testing.T) {
		in := mattermostForm(nil)
		in.Del("enabled")
		res, _ := admin.post("/console/mattermost", in)
		var said []byte
		for _, k := range res.Cookies() {
			if k.Name == "tocsin_flash" {
				said, _ = base64.RawURLEncoding.DecodeString(k.Value)
			}
		}
		if !strings.Contains(string(said), "Saved. Nothing is posted until Mattermost is on.") {
			t.Errorf("it says %s", said)
		}
		admin.post("/console/mattermost", mattermostForm(nil))
	})
	t.Run("buttons that nobody could use are no success", func(t *testing.T) {
		admin.post("/console/mattermost/key", mattermostForm(url.Values{"two_way": {"on"}}))
		if _, body := admin.get("/console/mattermost"); !strings.Contains(body, "Nobody can use the buttons yet") {
			t.Error("without command and links the buttons are said to work")
		}
		admin.post("/console/mattermost", mattermostForm(url.Values{"two_way": {"on"}, "allow_unlinked": {"on"}}))
		if _, body := admin.get("/console/mattermost"); strings.Contains(body, "Nobody can use the buttons yet") {
			t.Error("unlinked people may use them")
		}
		admin.post("/console/mattermost", mattermostForm(nil))
	})
	t.Run("an empty field keeps the stored one", func(t *testing.T) {
		admin.post("/console/mattermost", mattermostForm(url.Values{"channel_override": {""}}))
		rooms, err := h.db.Rooms(t.Context())
		if err != nil || len(rooms) != 1 || rooms[0].WebhookURL != hook || rooms[0].Override != "" {
			t.Fatalf("%+v %v", rooms, err)
		}
	})
	t.Run("one click makes the key, shown once, and the former one ends", func(t *testing.T) {
		show := regexp.MustCompile(`id="token">([^<]+)<`)
		var keys []string
		for range 2 {
			_, body := admin.post("/console/mattermost/key", mattermostForm(url.Values{"two_way": {"on"}}))
			m := show.FindStringSubmatch(body)
			if m == nil {
				t.Fatal("no key shown")
			}
			keys = append(keys, m[1])
		}
		if _, body := admin.get("/console/mattermost"); strings.Contains(body, keys[1]) {
			t.Error("the key is shown again")
		}
		s, err := h.db.ChatSettings(t.Context())
		if err != nil || !s.TwoWay {
			t.Fatalf("the form beside the button was not kept: %+v %v", s, err)
		}
		all, err := h.db.APIKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if live := k.RevokedAt.IsZero(); live != (k.ID == s.APIKeyID) || len(k.Scopes) != 1 || k.Scopes[0] != auth.AckAlerts {
				t.Errorf("%+v, and the settings name %s", k, s.APIKeyID)
			}
		}
	})
	t.Run("the bot's token does not go to another server unasked", func(t *testing.T) {
		admin.post("/console/mattermost", mattermostForm(url.Values{"server_url": {"https://chat.example.com"}, "bot_token": {"aaaabbbbccccddddeeeeffff11"}}))
		res, body := admin.post("/console/mattermost", mattermostForm(url.Values{"server_url": {"https://evil.example.com"}}))
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-bot_token-problem"`) {
			t.Errorf("answered %d", res.StatusCode)
		}
		if strings.Contains(body, "aaaabbbb") {
			t.Error("the token is shown")
		}
		s, err := h.db.ChatSettings(t.Context())
		if err != nil || s.ServerURL != "https://chat.example.com" || s.BotToken == "" {
			t.Errorf("%+v %v", s, err)
		}
	})
	t.Run("a bot that is let in is kept as the form has it: its token is not shown, so it could not be sent again", func(t *testing.T) {
		before := h.bot
		h.letIn = true
		_, body := admin.post("/console/mattermost/bot", mattermostForm(url.Values{"server_url": {"https://chat.example.com"}, "bot_token": {"freshfreshfreshfreshfresh1"}, "allow_unlinked": {"on"}}))
		h.letIn = false
		s, err := h.db.ChatSettings(t.Context())
		if err != nil || s.BotToken != "freshfreshfreshfreshfresh1" || !s.Unlinked || h.bot.BotToken == before.BotToken || !strings.Contains(body, "Saved.") {
			t.Errorf("kept %v, %v", s.Unlinked, err)
		}
		admin.post("/console/mattermost", mattermostForm(url.Values{"server_url": {"https://chat.example.com"}}))
	})
	t.Run("a bot that is refused leaves all as it was, and the mend is said", func(t *testing.T) {
		_, body := admin.post("/console/mattermost/bot", mattermostForm(url.Values{"server_url": {"https://chat.example.com"}, "allow_unlinked": {"on"}}))
		if !strings.Contains(body, "make a new one") || !strings.Contains(body, "Nothing was saved.") || h.bot.BotToken == "" || strings.Contains(body, h.bot.BotToken) {
			t.Errorf("tried %+v", h.bot.ServerURL)
		}
		if s, err := h.db.ChatSettings(t.Context()); err != nil || s.Unlinked {
			t.Errorf("kept: %+v %v", s, err)
		}
	})
	t.Run("what is stored can be removed", func(t *testing.T) {
		admin.post("/console/mattermost", mattermostForm(url.Values{"server_url": {"https://chat.example.com"}, "command_tokens": {"tokentoken1\ntokentoken2"}}))
		s, _ := h.db.ChatSettings(t.Context())
		if len(s.CommandHashes) != 2 || s.CommandHashes[0] != auth.Hash("tokentoken1") {
			t.Fatalf("%v", s.CommandHashes)
		}
		admin.post("/console/mattermost", mattermostForm(url.Values{"bot_token_clear": {"on"}, "command_tokens_clear": {"on"}, "webhook_url_clear": {"on"}}))
		s, err := h.db.ChatSettings(t.Context())
		rooms, _ := h.db.Rooms(t.Context())
		if err != nil || s.BotToken != "" || len(s.CommandHashes) != 0 || len(rooms) != 0 {
			t.Errorf("%+v %v %v", s, rooms, err)
		}
	})
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"an address that is no webhook":  {url.Values{"webhook_url": {"https://chat.example.com/x"}}, "f-webhook_url-problem"},
		"an override that leads nowhere": {url.Values{"channel_override": {"town-square"}}, "f-webhook_url-problem"},
		"a callback that is no address":  {url.Values{"callback_url": {"here"}}, "f-callback_url-problem"},
		"a time zone that is none":       {url.Values{"time_zone": {"Mars/Olympus"}}, "f-time_zone-problem"},
		"a time that is no number":       {url.Values{"mattermost_ttl_minutes": {"soon"}}, "f-mattermost_ttl_minutes-problem"},
		"a bot without a server":         {url.Values{"bot_token": {"aaaabbbbccccddddeeeeffff11"}}, "f-server_url-problem"},
		"a command's token that is none": {url.Values{"command_tokens": {"x"}}, "f-command_tokens-problem"},
	} {
		t.Run(name+" is refused at the field", func(t *testing.T) {
			for _, path := range []string{"/console/mattermost", "/console/mattermost/key"} {
				res, body := admin.post(path, mattermostForm(c.form))
				if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
					t.Errorf("%s: %d, and the page lacks %q", path, res.StatusCode, c.want)
				}
			}
		})
	}
}

func TestRooms(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	offered := func() bool {
		_, body := admin.get("/console/mattermost/rooms/new")
		return regexp.MustCompile(`id="f-everything"[^>]* checked`).MatchString(body)
	}
	if !offered() {
		t.Error("the first room is offered without a single alert for it")
	}
	res, body := admin.post("/console/mattermost/rooms/new", url.Values{"name": {"Ops"}, "kind": {"bot"}, "team": {""}, "channel": {"ops"}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "f-team-problem") {
		t.Fatalf("a room without a team: %d", res.StatusCode)
	}
	admin.post("/console/mattermost/rooms/new", url.Values{"name": {"Ops"}, "kind": {"bot"}, "team": {"it"}, "channel": {"~ops"}, "everything": {"on"}})
	rooms, err := h.db.Rooms(t.Context())
	if err != nil || len(rooms) != 1 || rooms[0].Channel != "ops" || !rooms[0].Everything {
		t.Fatalf("%+v %v", rooms, err)
	}
	id := rooms[0].ID
	t.Run("a test is answered beside the room", func(t *testing.T) {
		res, _ := admin.post("/console/mattermost/rooms/"+id+"/test", nil)
		if res.StatusCode != http.StatusSeeOther || !strings.HasSuffix(res.Header.Get("Location"), "#room-"+id) || h.posted != id {
			t.Errorf("%d %q, posted to %q", res.StatusCode, res.Header.Get("Location"), h.posted)
		}
	})
	t.Run("a rule sends there, and then it is not deleted", func(t *testing.T) {
		admin.post("/console/rules/r1", url.Values{"name": {"All"}, "enabled": {"on"}, "rooms": {id}})
		r, err := h.db.Rule(t.Context(), "r1")
		if err != nil || len(r.Rooms) != 1 || r.Rooms[0] != id {
			t.Fatalf("%+v %v", r, err)
		}
		if _, body := admin.get("/console/mattermost/rooms/" + id + "/delete"); !strings.Contains(body, "“All”") {
			t.Error("the page does not name the rule")
		}
		admin.post("/console/mattermost/rooms/"+id+"/delete", nil)
		if _, err := h.db.Room(t.Context(), id); err != nil {
			t.Errorf("the room is gone: %v", err)
		}
	})
	t.Run("a contact can be told there, or directly, and in no room that there is not", func(t *testing.T) {
		form := url.Values{"name": {"ops"}, "mattermost": {id}}
		for _, want := range []string{id, contact.MattermostDirect, ""} {
			form.Set("mattermost", want)
			admin.post("/console/contacts/c1", form)
			if k, err := h.db.Contact(t.Context(), "c1"); err != nil || k.Mattermost != want {
				t.Errorf("%q: %+v %v", want, k, err)
			}
		}
		form.Set("mattermost", "none-such")
		if res, body := admin.post("/console/contacts/c1", form); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "f-mattermost-problem") {
			t.Errorf("a room that there is not: %d", res.StatusCode)
		}
	})
}

func TestLinkingAPersonInMattermost(t *testing.T) {
	h := newHub(t)
	admin, operator := h.as("admin"), h.as("operator")
	const token = "one-time-token"
	if err := h.db.SaveLink(t.Context(), chat.Link{Hash: auth.Hash(token), UserID: "u1", Name: "jane", Expires: time.Now().Add(10 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	t.Run("a token that is none is said, with the mend", func(t *testing.T) {
		res, body := admin.post("/console/link/mattermost", url.Values{"token": {"nonsense"}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "/tocsin link") {
			t.Errorf("%d", res.StatusCode)
		}
	})
	t.Run("it asks first, also for the whole link", func(t *testing.T) {
		_, body := admin.post("/console/link/mattermost", url.Values{"token": {h.server.URL + "/console/link/mattermost#" + token}})
		if !strings.Contains(body, "@jane") || !strings.Contains(body, `value="c1" selected`) {
			t.Error("it does not ask")
		}
		if people, err := h.db.People(t.Context()); err != nil || len(people) != 0 {
			t.Errorf("linked unasked: %v %v", people, err)
		}
	})
	t.Run("nobody links somebody else's contact", func(t *testing.T) {
		res, body := operator.post("/console/link/mattermost", url.Values{"token": {token}, "contact_id": {"c1"}})
		if res.StatusCode != http.StatusUnprocessableEntity || strings.Contains(body, `value="c1"`) {
			t.Errorf("%d", res.StatusCode)
		}
		if people, err := h.db.People(t.Context()); err != nil || len(people) != 0 {
			t.Errorf("linked: %v %v", people, err)
		}
	})
	t.Run("once", func(t *testing.T) {
		form := url.Values{"token": {token}, "contact_id": {"c1"}}
		if res, _ := admin.post("/console/link/mattermost", form); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d", res.StatusCode)
		}
		if res, _ := admin.post("/console/link/mattermost", form); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a second time: %d", res.StatusCode)
		}
		if people, err := h.db.People(t.Context()); err != nil || len(people) != 1 || people[0].ContactID != "c1" || people[0].Name != "jane" {
			t.Errorf("%v %v", people, err)
		}
	})
	t.Run("one ends it for oneself, and nobody for another without the right to", func(t *testing.T) {
		if _, body := admin.get("/console/me"); !strings.Contains(body, "@jane") {
			t.Error("it is not on the page of one's own")
		}
		if res, _ := h.as("viewer").post("/console/mattermost/people/u1/unlink", nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("a viewer: %d", res.StatusCode)
		}
		admin.post("/console/mattermost/people/u1/unlink", url.Values{"from": {"me"}})
		if people, err := h.db.People(t.Context()); err != nil || len(people) != 0 {
			t.Errorf("%v %v", people, err)
		}
	})
}

func TestRulesPreviewNamesRooms(t *testing.T) {
	h := newHub(t)
	for _, err := range []error{
		h.db.SaveChatSettings(t.Context(), chat.Settings{Enabled: true}),
		h.db.SaveRoom(t.Context(), chat.Room{ID: "m1", Name: "Operations", Kind: chat.Webhook, WebhookURL: hook, Everything: true, Created: time.Now()}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, body := h.as("viewer").get("/console/rules?host=web01&state=" + string(alert.Down))
	if !strings.Contains(body, "Operations") || !strings.Contains(body, "Mattermost") {
		t.Error("the room is not among those told")
	}
	if _, body := h.as("viewer").get("/console/deliveries?channel=" + route.Mattermost); !strings.Contains(body, `value="mattermost" selected`) {
		t.Error("deliveries cannot be narrowed to Mattermost")
	}
}
