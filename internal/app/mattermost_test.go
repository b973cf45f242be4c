package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
)

func TestMattermostByAPI(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	t.Run("settings that are left out stay, and secrets are said to be there", func(t *testing.T) {
		h.call("PUT", "/api/v1/mattermost", admin, `{"enabled":true,"server_url":"https://chat.example.com/","bot_token":"abcdefghijklmnopqrstuvwxyz","command_tokens":["abcdefghijkl"]}`)
		got := h.call("PUT", "/api/v1/mattermost", admin, `{"no_emoji":true}`)
		if got.status != http.StatusOK || got.field(t, "enabled") != "true" || got.field(t, "server_url") != "https://chat.example.com" ||
			got.field(t, "has_bot_token") != "true" || got.field(t, "command_tokens") != "1" || got.field(t, "no_emoji") != "true" {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("a bot's token does not go to another server", func(t *testing.T) {
		got := h.call("PUT", "/api/v1/mattermost", admin, `{"server_url":"https://evil.example.com"}`)
		if got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body.bot_token" {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := h.call("PUT", "/api/v1/mattermost", admin, `{"server_url":"https://new.example.com","bot_token":"zyxwvutsrqponmlkjihgfedcba"}`); got.status != http.StatusOK {
			t.Errorf("with its own token: %d %s", got.status, got.body)
		}
		if got := h.call("PUT", "/api/v1/mattermost", admin, `{"bot_token":"","command_tokens":[]}`); got.field(t, "has_bot_token") != "false" || got.field(t, "command_tokens") != "0" {
			t.Errorf("removed: %s", got.body)
		}
	})
	t.Run("what will not do is named", func(t *testing.T) {
		for body, where := range map[string]string{
			`{"server_url":"ftp://chat"}`:              "body.server_url",
			`{"callback_url":"https://a:b@x.example"}`: "body.callback_url",
			`{"command_tokens":["x"]}`:                 "body.command_tokens[0]",
			`{"bot_tokens":"x"}`:                       "body.bot_tokens",
		} {
			if got := h.call("PUT", "/api/v1/mattermost", admin, body); got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != where {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
	})
	room := h.call("POST", "/api/v1/mattermost/rooms", admin, `{"name":"Operations","kind":"webhook","webhook_url":"https://chat.example.com/hooks/abcdefghijklmnop"}`)
	if room.status != http.StatusCreated || room.field(t, "has_webhook_url") != "true" || strings.Contains(room.body, "abcdefghijklmnop") {
		t.Fatalf("room: %d %s", room.status, room.body)
	}
	path := "/api/v1/mattermost/rooms/" + room.field(t, "id")
	t.Run("a webhook's address that is left out stays", func(t *testing.T) {
		got := h.call("PUT", path, admin, `{"name":"Ops","kind":"webhook","everything":true}`)
		if got.status != http.StatusOK || got.field(t, "has_webhook_url") != "true" || got.field(t, "created") != room.field(t, "created") {
			t.Errorf("%d %s", got.status, got.body)
		}
		if kept, err := h.app.Store().Room(t.Context(), room.field(t, "id")); err != nil || !strings.HasSuffix(kept.WebhookURL, "/abcdefghijklmnop") {
			t.Errorf("kept %q, %v", kept.WebhookURL, err)
		}
	})
	t.Run("a refused room does not repeat the webhook's address", func(t *testing.T) {
		for _, bad := range []string{"https://a:b@chat.example.com/hooks/hushhushhush", "https://chat.example.com/hushhushhush", "hushhushhush"} {
			got := h.call("PUT", path, admin, `{"name":"Ops","kind":"webhook","webhook_url":"`+bad+`"}`)
			if got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "hushhush") {
				t.Errorf("%d %s", got.status, got.body)
			}
		}
	})
	t.Run("rules and contacts name rooms that there are", func(t *testing.T) {
		id := room.field(t, "id")
		if got := h.call("POST", "/api/v1/rules", admin, `{"name":"all","rooms":["`+id+`"]}`); got.status != http.StatusCreated || got.field(t, "rooms.0") != id {
			t.Errorf("rule: %d %s", got.status, got.body)
		}
		if got := h.call("POST", "/api/v1/contacts", admin, `{"name":"ops","mattermost":"`+id+`"}`); got.status != http.StatusCreated || got.field(t, "mattermost") != id {
			t.Errorf("contact: %d %s", got.status, got.body)
		}
		if got := h.call("POST", "/api/v1/contacts", admin, `{"name":"dm","mattermost":"direct"}`); got.status != http.StatusCreated || got.field(t, "mattermost") != "direct" {
			t.Errorf("contact: %d %s", got.status, got.body)
		}
		for body, path := range map[string]string{`{"name":"x","rooms":["nowhere"]}`: "/rules", `{"name":"x","mattermost":"nowhere"}`: "/contacts"} {
			if got := h.call("POST", "/api/v1"+path, admin, body); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if got := h.call("DELETE", path, admin, ""); got.status != http.StatusConflict {
			t.Errorf("a room in use is removed: %d %s", got.status, got.body)
		}
	})
	t.Run("names are taken once", func(t *testing.T) {
		if got := h.call("POST", "/api/v1/mattermost/rooms", admin, `{"name":"Ops","kind":"bot","team":"t","channel":"c"}`); got.status != http.StatusConflict {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

func TestLinkingSomebodyInMattermost(t *testing.T) {
	h := startHub(t)
	anna, vera := h.user("anna", auth.Operator), h.user("vera", auth.Viewer)
	annas, _ := h.linked("ops", anna)
	veras, _ := h.linked("watch", vera)
	cookie := h.cookie("anna")
	link := func(t *testing.T) string {
		t.Helper()
		token, hash, _ := auth.NewToken("")
		l := chat.Link{Hash: hash, UserID: "mm-1", Name: "anna.w", Expires: time.Now().Add(10 * time.Minute)}
		if err := h.app.Store().SaveLink(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		return token
	}
	send := func(token, contactID string, headers ...string) answer {
		return h.call("POST", "/api/v1/mattermost/link", cookie, `{"token":"`+token+`","contact_id":"`+contactID+`"}`, headers...)
	}
	t.Run("nobody takes another one's contact, and the link stays good", func(t *testing.T) {
		token := link(t)
		for _, other := range []string{veras, "nothing"} {
			if got := send(token, other); got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body.contact_id" {
				t.Errorf("%d %s", got.status, got.body)
			}
		}
		if got := send(token, annas); got.status != http.StatusOK || got.field(t, "user_id") != "mm-1" || got.field(t, "contact_id") != annas {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("a link is good once, and for its time", func(t *testing.T) {
		token := link(t)
		if got := send(token, annas); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for _, bad := range []string{token, "nonsense", strings.Repeat("x", 43)} {
			if got := send(bad, annas); got.status != http.StatusNotFound || !strings.Contains(got.body, "/tocsin link") {
				t.Errorf("%d %s", got.status, got.body)
			}
		}
		old, hash, _ := auth.NewToken("")
		if err := h.app.Store().SaveLink(t.Context(), chat.Link{Hash: hash, UserID: "mm-2", Name: "x", Expires: time.Now().Add(-time.Second)}); err != nil {
			t.Fatal(err)
		}
		if got := send(old, annas); got.status != http.StatusNotFound {
			t.Errorf("too old: %d %s", got.status, got.body)
		}
	})
	t.Run("another site cannot link with somebody's cookie", func(t *testing.T) {
		if got := send(link(t), annas, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); got.status != http.StatusForbidden {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("who is linked is listed, and unlinked", func(t *testing.T) {
		admin := h.key(auth.Administer)
		if got := h.call("GET", "/api/v1/mattermost/people", admin, ""); !strings.Contains(got.body, `"name":"anna.w"`) {
			t.Errorf("%s", got.body)
		}
		if got := h.call("DELETE", "/api/v1/mattermost/people/mm-1", admin, ""); got.status != http.StatusNoContent {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := h.call("DELETE", "/api/v1/mattermost/people/mm-1", admin, ""); got.status != http.StatusNotFound {
			t.Errorf("again: %d %s", got.status, got.body)
		}
	})
}

func TestWhatMattermostCallsIsNobodysSession(t *testing.T) {
	h := startHub(t)
	h.user("root", auth.Admin)
	root := h.cookie("root")
	id := h.tell(problem)
	paths := []string{"/callback/mattermost/action", "/callback/mattermost/dialog", "/callback/mattermost/command"}
	bodies := []string{
		"", "{", "[]", "null", `"text"`, `{"context":null}`, `{"context":{"secret":7}}`, `{"user_id":"u","context":{"secret":"","alert":"` + id + `","action":"ack"}}`,
		`{"user_id":"u","channel_id":"c","post_id":"p","context":{"secret":"` + strings.Repeat("A", 43) + `","alert":"` + id + `","action":"ack"}}`,
		`{"type":"dialog_submission","callback_id":"x","state":"a.b","user_id":"u","submission":{"comment":"x"}}`,
		"token=&text=ack+" + id[len(id)-6:] + "&user_id=u&user_name=u", "%%%", "\x00\xff", strings.Repeat("[", 10000),
	}
	for _, path := range paths {
		for _, body := range bodies {
			// A cookie of an admin, another site's origin and an API key change nothing.
			got := h.call("POST", path, root, body, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer "+h.token)
			if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("POST %s %.60q: %d %s", path, body, got.status, got.body)
			}
			if got.header.Get("Set-Cookie") != "" || got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" ||
				got.header.Get("Content-Security-Policy") == "" {
				t.Errorf("POST %s: headers %v", path, got.header)
			}
		}
		if got := h.call("POST", path, nil, strings.Repeat("x", 70<<10)); got.status != http.StatusRequestEntityTooLarge && got.status != http.StatusOK {
			t.Errorf("POST %s with 70 KiB: %d", path, got.status)
		}
		if got := h.call("GET", path, root, ""); got.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/callback/", "/callback/mattermost", "/callback/mattermost/", "/callback/mattermost/other", "/callback/webpush/x", "/callback/mattermost/../../api/v1/me"} {
		if got := h.call("POST", path, root, "{}"); got.status == http.StatusOK && !strings.Contains(got.body, "password") {
			t.Errorf("POST %s: %d %.100s", path, got.status, got.body)
		}
	}
	if got := h.call("GET", "/api/v1/alerts/"+id, root, ""); got.field(t, "status") != "firing" {
		t.Errorf("something was changed: %s", got.body)
	}
	if got := h.call("GET", "/metrics", nil, ""); !strings.Contains(got.body, `tocsin_mattermost_callbacks_total{kind="action",result=`) ||
		!strings.Contains(got.body, `tocsin_http_request_duration_seconds_count{area="callback"}`) {
		t.Error("the figures do not tell of it")
	}
}
