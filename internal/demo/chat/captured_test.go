package chat_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/demo/chat"
)

// captured reads what a real server of version 5.37 said, from the section of
// that name.
func captured(t *testing.T, section string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/mattermost-5.37-api.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "### "+section+"\n")
	if !ok {
		t.Fatalf("no section %q", section)
	}
	body, _, _ := strings.Cut(after, "\n### ")
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", section, err)
	}
	if list, ok := v.([]any); ok {
		v = list[0]
	}
	return v.(map[string]any)
}

func in(t *testing.T, v map[string]any, keys ...string) map[string]any {
	t.Helper()
	for _, k := range keys {
		next, ok := v[k].(map[string]any)
		if !ok {
			t.Fatalf("no %s in %v", k, v)
		}
		v = next
	}
	return v
}

// sameShape says where got has other keys or kinds of values than want.
func sameShape(path string, want, got any) []string {
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s: captured %T, got %T", path, want, got)}
	}
	var out []string
	switch w := want.(type) {
	case map[string]any:
		g := got.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if _, ok := g[k]; !ok {
				out = append(out, path+"."+k+" is missing")
				continue
			}
			out = append(out, sameShape(path+"."+k, w[k], g[k])...)
		}
		for _, k := range slices.Sorted(maps.Keys(g)) {
			if _, ok := w[k]; !ok {
				out = append(out, path+"."+k+" was not captured")
			}
		}
	case []any:
		g := got.([]any)
		for i := range min(len(w), len(g)) {
			out = append(out, sameShape(fmt.Sprintf("%s[%d]", path, i), w[i], g[i])...)
		}
	}
	return out
}

func wantShape(t *testing.T, want, got any) {
	t.Helper()
	for _, d := range sameShape("", want, got) {
		t.Error(d)
	}
}

// wantRefusal holds a refusal against a captured one, word by word but its id.
func wantRefusal(t *testing.T, section string, status int, got map[string]any) {
	t.Helper()
	c := captured(t, section)
	want, ok := c["body"].(map[string]any)
	if !ok {
		if err := json.Unmarshal([]byte(c["body"].(string)), &want); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"id", "message", "status_code"} {
		if want[k] != got[k] {
			t.Errorf("%s: captured %v, got %v", k, want[k], got[k])
		}
	}
	if float64(status) != c["status"] {
		t.Errorf("status %d, captured %v", status, c["status"])
	}
	wantShape(t, want, got)
}

func TestBehavesAsCaptured(t *testing.T) {
	l := newLab(t, chat.Options{})
	t.Run("a bot's post is answered in full, without what its buttons carry", func(t *testing.T) {
		status, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "message": "**PROBLEM** web01", "props": object{"attachments": l.attachments()}})
		if status != http.StatusCreated {
			t.Fatal(status, p)
		}
		wantShape(t, in(t, captured(t, "bot POST /posts answer"), "body"), p)
	})
	id := l.post()
	t.Run("a webhook answers ok and no id, and its post is a slack_attachment", func(t *testing.T) {
		l := newLab(t, chat.Options{})
		status, said := l.do("", http.MethodPost, "/hooks/"+l.hook.ID, object{"text": "**PROBLEM** web01", "username": "Nagios", "icon_url": "http://127.0.0.1:1/x.png",
			"props": object{"card": "sidebar *md*"}, "attachments": l.attachments()})
		if status != http.StatusOK || said["text"] != "ok" {
			t.Fatal(status, said)
		}
		_, list := l.do(l.jane.Token, http.MethodGet, "/api/v4/channels/"+l.room.ID+"/posts", nil)
		one := in(t, list, "posts", list["order"].([]any)[0].(string))
		wantShape(t, captured(t, "webhook post as a member sees it (GET /channels/{id}/posts)"), one)
		status, refusal := l.do(l.token, http.MethodPut, "/api/v4/posts/"+one["id"].(string)+"/patch", object{"message": "mine"})
		wantRefusal(t, "bot patches a post made by the incoming webhook", status, refusal)
	})
	t.Run("a click tells the integration who, where and what", func(t *testing.T) {
		status, said := l.do(l.jane.Token, http.MethodPost, "/api/v4/posts/"+id+"/actions/ack", object{})
		if status != http.StatusOK {
			t.Fatal(status, said)
		}
		wantShape(t, in(t, captured(t, "CLICK ack, stub answers {}: client gets"), "body"), said)
		g := l.other.last(t)
		want := captured(t, "STUB GOT (button)")
		var body map[string]any
		if err := json.Unmarshal(g.body, &body); err != nil {
			t.Fatal(err)
		}
		wantShape(t, want["json"], body)
		wantHeader(t, in(t, want, "header"), g.header)
		if body["user_id"] != l.jane.ID || body["post_id"] != id || body["team_domain"] != "ops" {
			t.Errorf("got %v", body)
		}
	})
	t.Run("a select menu adds the option", func(t *testing.T) {
		if status, said := l.do(l.jane.Token, http.MethodPost, "/api/v4/posts/"+id+"/actions/snooze", object{"selected_option": "3600"}); status != http.StatusOK {
			t.Fatal(status, said)
		}
		var body map[string]any
		if err := json.Unmarshal(l.other.last(t).body, &body); err != nil {
			t.Fatal(err)
		}
		wantShape(t, captured(t, "STUB GOT (select)"), body)
		if in(t, body, "context")["selected_option"] != "3600" {
			t.Error(body)
		}
	})
	t.Run("clicks that go nowhere", func(t *testing.T) {
		before := l.other.count()
		for _, c := range []struct{ section, token, action string }{
			{`CLICK id "ack_me-2" (non-alphanumeric id)`, l.jane.Token, "ack_me-2"},
			{"CLICK by eve (not in the private channel)", l.eve.Token, "ack"},
			{"CLICK without session", "", "ack"},
			{"CLICK again after the button is gone", l.jane.Token, "gone"},
		} {
			status, said := l.do(c.token, http.MethodPost, "/api/v4/posts/"+id+"/actions/"+c.action, object{})
			wantRefusal(t, c.section, status, said)
		}
		if l.other.count() != before {
			t.Error("the integration was called")
		}
	})
	t.Run("an ephemeral text is for who clicked", func(t *testing.T) {
		l.other.answers(http.StatusOK, `{"ephemeral_text":"You acknowledged [alert a1](http://127.0.0.1/x)"}`)
		if err := l.Click(t.Context(), l.jane.ID, id, "ack", ""); err != nil {
			t.Fatal(err)
		}
		p := l.Private(l.jane.ID)
		want := in(t, captured(t, "ephemeral over WebSocket"), "data", "post")
		if len(p) != 1 || p[0].Message != want["message"] || p[0].RootID != id || p[0].Type != want["type"] || len(l.Private(l.eve.ID)) != 0 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("an update without props leaves the buttons, one with props replaces them", func(t *testing.T) {
		l.other.answers(http.StatusOK, `{"update":{"message":"upd without props"}}`)
		if err := l.Click(t.Context(), l.jane.ID, id, "ack", ""); err != nil {
			t.Fatal(err)
		}
		p, _ := l.Post(id)
		if p.Message != "upd without props" || len(p.Actions()) != 4 || p.EditAt == 0 {
			t.Errorf("got %+v", p)
		}
		l.other.answers(http.StatusOK, `{"update":{"message":"acked","props":{"attachments":[{"color":"#888888","title":"web01 / HTTP Check","text":"Acknowledged by @jane","fields":[]}]}}}`)
		if err := l.Click(t.Context(), l.jane.ID, id, "ack", ""); err != nil {
			t.Fatal(err)
		}
		_, got := l.do(l.jane.Token, http.MethodGet, "/api/v4/posts/"+id, nil)
		wantShape(t, captured(t, "update with props.attachments without actions")["post"], got)
		err := l.Click(t.Context(), l.jane.ID, id, "ack", "")
		if err == nil || err.Error() != "Invalid action id." {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a webhook's post keeps its name when its props are replaced", func(t *testing.T) {
		l := newLab(t, chat.Options{})
		l.do("", http.MethodPost, "/hooks/"+l.hook.ID, object{"text": "x", "username": "Nagios", "attachments": l.attachments()})
		p := l.Posts(l.room.ID)[0]
		l.other.answers(http.StatusOK, `{"update":{"message":"hook upd","props":{}}}`)
		if err := l.Click(t.Context(), l.jane.ID, p.ID, "ack", ""); err != nil {
			t.Fatal(err)
		}
		p, _ = l.Post(p.ID)
		if want := (map[string]any{"from_webhook": "true", "override_username": "Nagios"}); !reflect.DeepEqual(p.Props, want) || p.Message != "hook upd" {
			t.Errorf("got %+v", p)
		}
	})
}

func wantHeader(t *testing.T, want map[string]any, got http.Header) {
	t.Helper()
	for k, v := range want {
		if w := v.([]any)[0]; k != "Content-Length" && k != "Authorization" && got.Get(k) != w {
			t.Errorf("%s: %q, captured %q", k, got.Get(k), w)
		}
	}
}

func TestAnswersOfIntegrations(t *testing.T) {
	l := newLab(t, chat.Options{ActionTimeout: 200 * time.Millisecond})
	id := l.post()
	click := func(url string) (int, map[string]any) {
		return l.do(l.jane.Token, http.MethodPost, "/api/v4/posts/"+id+"/actions/"+url, object{})
	}
	for _, c := range []struct {
		section string
		status  int
		body    string
	}{
		{"stub answers 500", 500, "{}"},
		{"stub answers 204-like empty 200", 200, ""},
		{"stub answers text/plain body", 200, "thanks"},
		{"stub answers 201 {}", 201, "{}"},
	} {
		t.Run(c.section, func(t *testing.T) {
			l.other.answers(c.status, c.body)
			status, said := click("ack")
			wantRefusal(t, c.section, status, said)
		})
	}
	t.Run("an error in the answer is ignored", func(t *testing.T) {
		l.other.answers(http.StatusOK, `{"error":{"message":"nope"}}`)
		if status, said := click("ack"); status != http.StatusOK || said["status"] != "OK" {
			t.Error(status, said)
		}
	})
	t.Run("one that takes too long", func(t *testing.T) {
		l.other.mu.Lock()
		l.other.wait = make(chan struct{})
		l.other.mu.Unlock()
		status, said := click("ack")
		wantRefusal(t, "stub answers 35 s slow", status, said)
		close(l.other.wait)
	})
	t.Run("this machine is called only where the administrators allow it", func(t *testing.T) {
		before := l.other.count()
		l.AllowInternal(false)
		status, said := click("ack")
		wantRefusal(t, `CLICK with AllowedUntrustedInternalConnections=""`, status, said)
		if l.other.count() != before {
			t.Error("the integration was called")
		}
		l.AllowInternal(true)
	})
	t.Run("an address without a host", func(t *testing.T) {
		_, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "props": object{"attachments": []any{object{"actions": []any{
			object{"id": "rel", "type": "button", "name": "x", "integration": object{"url": "/mm/ack"}}}}}}})
		status, said := l.do(l.jane.Token, http.MethodPost, "/api/v4/posts/"+p["id"].(string)+"/actions/rel", object{})
		wantRefusal(t, "relative integration url", status, said)
	})
}

func TestDialogs(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	l := newLab(t, chat.Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	id := l.post()
	trigger := func() string {
		if err := l.Click(t.Context(), l.jane.ID, id, "ack", ""); err != nil {
			t.Fatal(err)
		}
		var body struct {
			TriggerID string `json:"trigger_id"`
		}
		if err := json.Unmarshal(l.other.last(t).body, &body); err != nil {
			t.Fatal(err)
		}
		return body.TriggerID
	}
	dialog := func(trigger string) object {
		return object{"trigger_id": trigger, "url": l.other.URL + "/mm/dialog", "dialog": object{"callback_id": "ack-dialog", "title": "Acknowledge web01", "state": "a1|deadbeef",
			"introduction_text": "md **intro**", "submit_label": "Acknowledge", "notify_on_cancel": true, "elements": []any{
				object{"display_name": "Comment", "name": "comment", "type": "textarea", "max_length": 500, "placeholder": "why"}}}}
	}
	open := func(trigger string) (int, map[string]any) {
		return l.do("", http.MethodPost, "/api/v4/actions/dialogs/open", dialog(trigger))
	}
	t.Run("a trigger id opens one for who clicked, more than once, without any authentication", func(t *testing.T) {
		tr := trigger()
		for range 2 {
			if status, said := open(tr); status != http.StatusOK || said["status"] != "OK" {
				t.Fatal(status, said)
			}
		}
		d, ok := l.Dialog(l.jane.ID)
		if _, eves := l.Dialog(l.eve.ID); !ok || eves || d.State != "a1|deadbeef" || d.Elements[0].Name != "comment" {
			t.Errorf("got %+v", d)
		}
	})
	t.Run("it is dead after three seconds", func(t *testing.T) {
		tr := trigger()
		mu.Lock()
		now = now.Add(3500 * time.Millisecond)
		mu.Unlock()
		status, said := open(tr)
		wantRefusal(t, "same trigger_id after 3.5 s", status, said)
	})
	t.Run("a forged one opens none", func(t *testing.T) {
		tr := trigger()
		if status, said := open(tr[:40] + "AAAA" + tr[44:]); status != http.StatusBadRequest {
			t.Error(status, said)
		}
	})
	t.Run("what is documented as refused is refused", func(t *testing.T) {
		d := dialog(trigger())
		d["dialog"].(object)["title"] = strings.Repeat("x", 25)
		if status, said := l.do("", http.MethodPost, "/api/v4/actions/dialogs/open", d); status != http.StatusBadRequest {
			t.Error(status, said)
		}
	})
	t.Run("a submission says who, where and what", func(t *testing.T) {
		open(trigger())
		l.other.answers(http.StatusOK, "")
		a, err := l.Submit(t.Context(), l.jane.ID, l.room.ID, object{"comment": "on it é", "expire": "3600", "n": 5, "sticky": true})
		if err != nil || a.Error != "" || a.Errors != nil {
			t.Fatal(a, err)
		}
		want := captured(t, "STUB GOT (dialog submit)")
		var body map[string]any
		if err := json.Unmarshal(l.other.last(t).body, &body); err != nil {
			t.Fatal(err)
		}
		wantShape(t, want["json"], body)
		wantHeader(t, in(t, want, "header"), l.other.last(t).header)
		if _, still := l.Dialog(l.jane.ID); still {
			t.Error("it is still open")
		}
	})
	t.Run("errors leave it open", func(t *testing.T) {
		l.other.answers(http.StatusOK, "{}")
		open(trigger())
		l.other.answers(http.StatusOK, `{"error":"general","errors":{"comment":"too short"}}`)
		a, err := l.Submit(t.Context(), l.jane.ID, l.room.ID, object{"comment": "x"})
		want := in(t, captured(t, "dialog answers errors: client gets"), "body")
		if err != nil || a.Error != want["error"] || a.Errors["comment"] != in(t, want, "errors")["comment"] {
			t.Error(a, err)
		}
		if _, still := l.Dialog(l.jane.ID); !still {
			t.Error("it was closed")
		}
	})
	t.Run("cancelling is told to who asked for that", func(t *testing.T) {
		l.other.answers(http.StatusOK, "")
		if err := l.Cancel(t.Context(), l.jane.ID, l.room.ID); err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(l.other.last(t).body, &body); err != nil {
			t.Fatal(err)
		}
		wantShape(t, captured(t, "dialog cancelled: STUB GOT"), body)
		if body["cancelled"] != true {
			t.Error(body)
		}
	})
}

func TestCommands(t *testing.T) {
	l := newLab(t, chat.Options{})
	cmd := l.AddCommand(l.team.ID, "oncall", l.other.URL+"/mm/slash")
	run := func(line string) (int, map[string]any) {
		return l.do(l.jane.Token, http.MethodPost, "/api/v4/commands/execute", object{"channel_id": l.room.ID, "command": line})
	}
	t.Run("one comes as a form with its token", func(t *testing.T) {
		l.other.answers(http.StatusOK, `{"response_type":"ephemeral","text":"2 open alerts","username":"hub"}`)
		status, said := run(`/oncall ack a1 looking & "quoted" é`)
		if status != http.StatusOK {
			t.Fatal(status, said)
		}
		want := captured(t, "execute slash: client gets")
		wantShape(t, want["body"], said)
		g := l.other.last(t)
		wantHeader(t, in(t, captured(t, "STUB GOT (slash)"), "header"), g.header)
		if g.header.Get("Authorization") != "Token "+cmd.Token {
			t.Errorf("got %q", g.header.Get("Authorization"))
		}
		form, err := url.ParseQuery(string(g.body))
		if err != nil {
			t.Fatal(err)
		}
		seen, err := url.ParseQuery(captured(t, "STUB GOT (slash)")["body"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if k, w := slices.Sorted(maps.Keys(form)), slices.Sorted(maps.Keys(seen)); !slices.Equal(k, w) {
			t.Errorf("fields %v, captured %v", k, w)
		}
		if form.Get("text") != seen.Get("text") || form.Get("token") != cmd.Token {
			t.Errorf("got %v", form)
		}
		if p := l.Private(l.jane.ID); len(p) != 1 || p[0].Message != "2 open alerts" {
			t.Errorf("got %v", p)
		}
		status, said = l.do("", http.MethodPost, strings.TrimPrefix(form.Get("response_url"), l.URL()), object{"text": "later"})
		if status != http.StatusOK || said["text"] != "ok" || len(l.Private(l.jane.ID)) != 2 {
			t.Error(status, said)
		}
	})
	t.Run("one may answer everybody", func(t *testing.T) {
		l.other.answers(http.StatusOK, `{"response_type":"in_channel","text":"ack ok"}`)
		run("/oncall list")
		posts := l.Posts(l.room.ID)
		if len(posts) != 1 || posts[0].Message != "ack ok" || posts[0].UserID != l.jane.ID || posts[0].Props["from_webhook"] != "true" {
			t.Errorf("got %+v", posts)
		}
	})
	t.Run("one that fails is said", func(t *testing.T) {
		l.other.answers(http.StatusInternalServerError, "{}")
		status, said := run("/oncall list")
		wantRefusal(t, "slash stub answers 500", status, said)
	})
	t.Run("one that there is not", func(t *testing.T) {
		if status, said := run("/nothing"); status != http.StatusNotFound {
			t.Error(status, said)
		}
	})
}

func TestWebhooks(t *testing.T) {
	l := newLab(t, chat.Options{})
	for _, c := range []struct {
		section, body string
	}{
		{"incoming webhook: no text, no attachments", `{}`},
		{"incoming webhook: broken json", `{"text":`},
		{"incoming webhook: unknown channel", `{"text":"x","channel":"nowhere"}`},
	} {
		t.Run(c.section, func(t *testing.T) {
			status, said := l.do("", http.MethodPost, "/hooks/"+l.hook.ID, c.body)
			wantRefusal(t, c.section, status, said)
		})
	}
	t.Run("unknown hook id", func(t *testing.T) {
		status, said := l.do("", http.MethodPost, "/hooks/ajgu3fyyqpr1785iuijrwseybh", object{"text": "x"})
		wantRefusal(t, "unknown hook id", status, said)
	})
	t.Run("a long text becomes several posts, a long attachment is cut", func(t *testing.T) {
		l := newLab(t, chat.Options{})
		for _, body := range []object{{"text": strings.Repeat("ä", 17000)}, {"attachments": []any{object{"text": strings.Repeat("x", 900_000)}}}} {
			if status, said := l.do("", http.MethodPost, "/hooks/"+l.hook.ID, body); status != http.StatusOK || said["text"] != "ok" {
				t.Fatal(status, said)
			}
		}
		if n := len(l.Posts(l.room.ID)); n != 3 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("what calls everybody there", func(t *testing.T) {
		l := newLab(t, chat.Options{})
		for text, want := range map[string][]string{
			"<!channel> look":        {"channel"},
			`\@here look`:            {"here"}, // a backslash does not help
			"`@all` in code":         nil,
			"mail jane@example.com":  nil,
			"@\u200bchannel":         nil,
			"(@Jane, @all)":          {"all", "jane"},
			"<http://x|*@channel*>.": {"channel"},
		} {
			l.do("", http.MethodPost, "/hooks/"+l.hook.ID, object{"attachments": []any{object{"text": text}}})
			posts := l.Posts(l.room.ID)
			if got := posts[len(posts)-1].Mentions(); !slices.Equal(got, want) {
				t.Errorf("%q calls %v, want %v", text, got, want)
			}
		}
	})
}
