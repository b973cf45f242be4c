package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/demo/chat"
	"tocsin/test/hub"
	"tocsin/test/team"
)

// office is a hub with its team in a chat, for one test.
type office struct {
	*world
	*team.Lab
}

func newOffice(t *testing.T, o team.Options) *office {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	t.Cleanup(cancel)
	o.Hub.Bin, o.Hub.Dir = bin, t.TempDir()
	lab, err := team.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	f := &office{&world{T: t, ctx: ctx, hub: lab.Hub, token: lab.Token}, lab}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the hub said:\n%s", lab.Hub.Log())
		}
	})
	return f
}

// soon is a context for what must be there in some seconds.
func (f *office) soon() context.Context {
	ctx, cancel := context.WithTimeout(f.ctx, moment)
	f.Cleanup(cancel)
	return ctx
}

// alerts sends a problem and answers its post.
func (f *office) alerts(host string) chat.Post {
	f.Helper()
	p, err := f.Lab.Alert(f.soon(), host, "HTTP", 2, "CRITICAL - no answer from "+host)
	f.must(err)
	return p
}

// reads waits until a post says all of it.
func (f *office) reads(id string, parts ...string) chat.Post {
	f.Helper()
	p, err := f.Until(f.soon(), id, parts...)
	f.must(err)
	return p
}

// clicks presses a button, and answers what only the one who pressed it sees.
func (f *office) clicks(who chat.User, post, action, option string) string {
	f.Helper()
	before := len(f.Chat.Private(who.ID))
	f.must(f.Chat.Click(f.ctx, who.ID, post, action, option))
	said := f.Chat.Private(who.ID)
	if len(said) == before {
		return ""
	}
	return said[len(said)-1].Message
}

// line waits for a line of the engine's command file.
func (f *office) line(parts ...string) string {
	f.Helper()
	l, err := f.Line(f.soon(), parts...)
	f.must(err)
	return l.Text
}

func wantText(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s says %q, without %q", what, got, p)
		}
	}
}

// The whole way: an alert is posted, a click on its button reaches the engine's
// command file, the engine's status file confirms it, and the post says so.
func TestMattermostBothWays(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	f.must(f.LinkJane(f.ctx))
	var post chat.Post
	var secret chat.Integration
	f.part("one post for an alert, with what one must know and the buttons", func() {
		p, err := f.Lab.Alert(f.soon(), "web01", "HTTP", 2, "CRITICAL @channel **bold** [click](http://evil.example.com) `x` <!here> \\@all")
		f.must(err)
		post = p
		a := p.Attachments[0]
		if a.Color != "#d9534f" || !strings.Contains(a.TitleLink, f.Hub.URL+"/console/alerts/") || !slices.Equal(p.Actions(), []string{"ack", "ackdialog", "snooze"}) {
			f.Errorf("got %+v", a)
		}
		if m := p.Mentions(); len(m) != 0 {
			f.Errorf("it calls %v", m)
		}
		wantText(f.T, "the post", p.Text(), "web01", "HTTP", "Critical")
	})
	f.part("a click goes to the engine, and the post says when it is confirmed", func() {
		secret, _ = f.Chat.Secrets(post.ID, "ack")
		wantText(f.T, "the answer", f.clicks(f.Jane, post.ID, "ack", ""), "You have acknowledged")
		line := f.line("ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP;")
		if !strings.Contains(line, ";jane;") && !strings.Contains(line, ";Jane;") {
			f.Errorf("the line is %q", line)
		}
		p := f.reads(post.ID, "ACKNOWLEDGED", "confirmed by nagios")
		if !slices.Equal(p.Actions(), []string{"unack"}) || p.Attachments[0].Color != "#1895f5" {
			f.Errorf("got %+v", p)
		}
		a := f.alertOf("web01", "HTTP")
		if k := a.Acknowledgement; k == nil || k.Confirmation != "confirmed" || k.Origin != "mattermost" {
			f.Errorf("got %+v", k)
		}
	})
	f.part("a second click, a replay and a forgery change nothing", func() {
		if err := f.Chat.Click(f.ctx, f.Jane.ID, post.ID, "ack", ""); err == nil {
			f.Error("the button is still there")
		}
		for name, change := range map[string]func(m map[string]any){
			"a replay":       func(map[string]any) {},
			"another secret": func(m map[string]any) { m["context"].(map[string]any)["secret"] = strings.Repeat("A", 43) },
			"another alert": func(m map[string]any) {
				m["context"].(map[string]any)["alert"] = "0190a1b2-0000-7000-8000-000000000000"
			},
			"another channel": func(m map[string]any) { m["channel_id"] = strings.Repeat("a", 26) },
			"another post":    func(m map[string]any) { m["post_id"] = strings.Repeat("b", 26) },
		} {
			m := map[string]any{"user_id": f.Jane.ID, "user_name": "jane", "channel_id": f.Channel.ID, "post_id": post.ID, "type": "button", "context": secret.Context, "trigger_id": "x"}
			raw, err := json.Marshal(m)
			f.must(err)
			var own map[string]any
			f.must(json.Unmarshal(raw, &own))
			change(own)
			said := f.callback("/callback/mattermost/action", own)
			if strings.Contains(said, "You have") || !strings.Contains(said, "ephemeral_text") {
				f.Errorf("%s is answered %s", name, said)
			}
		}
		n := 0
		for _, l := range f.Lines() {
			if strings.Contains(l.Text, "web01") {
				n++
			}
		}
		if n != 1 {
			f.Errorf("%d lines came to the engine: %v", n, f.Lines())
		}
		f.reads(post.ID, "ACKNOWLEDGED")
	})
	f.part("removing it goes to the engine, too", func() {
		wantText(f.T, "the answer", f.clicks(f.Jane, post.ID, "unack", ""), "You have removed the acknowledgement")
		f.line("REMOVE_SVC_ACKNOWLEDGEMENT;web01;HTTP")
		p := f.reads(post.ID, "PROBLEM")
		if !slices.Equal(p.Actions(), []string{"ack", "ackdialog", "snooze"}) {
			f.Errorf("got %v", p.Actions())
		}
	})
	f.part("snoozing is said", func() {
		wantText(f.T, "the answer", f.clicks(f.Jane, post.ID, "snooze", "30"), "Snoozed until")
		f.reads(post.ID, "Snoozed until")
	})
	f.part("a recovery edits the post, and takes the buttons away", func() {
		late, _ := f.Chat.Secrets(post.ID, "ack")
		f.must(f.Send(f.ctx, "RECOVERY", "web01", "HTTP", 0, "HTTP OK"))
		p := f.reads(post.ID, "RECOVERY")
		if len(p.Actions()) != 0 || p.Attachments[0].Color != "#5cb85c" {
			f.Errorf("got %+v", p)
		}
		if late.Context != nil {
			said := f.callback("/callback/mattermost/action", map[string]any{"user_id": f.Jane.ID, "user_name": "jane", "channel_id": f.Channel.ID, "post_id": post.ID, "type": "button", "context": late.Context})
			if strings.Contains(said, "You have") {
				f.Errorf("a click on an old button is answered %s", said)
			}
		}
		_, err := f.Post(f.soon(), func(p chat.Post) bool { return p.RootID == post.ID && strings.Contains(p.Message, "Recovered") })
		f.must(err)
		tops := 0
		for _, p := range f.Chat.Posts(f.Channel.ID) {
			if p.RootID == "" {
				tops++
			}
		}
		if tops != 1 {
			f.Errorf("%d posts for one alert", tops)
		}
	})
}

// callback posts to one of Tocsin's callbacks, as Mattermost or somebody else
// would, and answers what it says.
func (f *office) callback(path string, body any) string {
	f.Helper()
	raw, err := json.Marshal(body)
	f.must(err)
	r, err := http.NewRequestWithContext(f.ctx, http.MethodPost, f.Hub.URL+path, bytes.NewReader(raw))
	f.must(err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	f.must(err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	f.must(err)
	if resp.StatusCode != http.StatusOK {
		f.Errorf("%s answers %s", path, resp.Status)
	}
	return string(said)
}

func TestMattermostDialog(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	f.must(f.LinkJane(f.ctx))
	p := f.alerts("db01")
	if said := f.clicks(f.Jane, p.ID, "ackdialog", ""); said != "" {
		t.Errorf("the click is answered %q", said)
	}
	d, open := f.Chat.Dialog(f.Jane.ID)
	if !open {
		t.Fatal("no dialog")
	}
	var hour string
	for _, e := range d.Elements {
		for _, o := range e.Options {
			if strings.HasPrefix(o.Text, "in 1 hour") || strings.HasPrefix(o.Text, "1 hour") || strings.HasSuffix(o.Text, "1 hour") {
				hour = o.Value
			}
		}
	}
	t.Run("somebody else's, or one that was tampered with, does nothing", func(t *testing.T) {
		for name, g := range map[string]struct {
			user  string
			state string
		}{
			"another's":     {f.Eve.ID, d.State},
			"tampered with": {f.Jane.ID, "A" + d.State[1:]},
		} {
			forged := d
			forged.State = g.state
			a, err := f.Chat.SubmitAs(f.ctx, g.user, f.Channel.ID, forged, map[string]any{"comment": "x"}, false)
			if err != nil || (a.Error == "" && a.Errors == nil) {
				t.Errorf("%s: %+v %v", name, a, err)
			}
		}
	})
	t.Run("without a comment it stays open and says so", func(t *testing.T) {
		a, err := f.Chat.Submit(f.ctx, f.Jane.ID, f.Channel.ID, map[string]any{"comment": "  ", "sticky": true})
		if err != nil || a.Errors["comment"] == "" {
			t.Errorf("got %+v %v", a, err)
		}
	})
	t.Run("comment, expiry and sticky go to the engine as one line", func(t *testing.T) {
		a, err := f.Chat.Submit(f.ctx, f.Jane.ID, f.Channel.ID, map[string]any{"comment": "on it;\n[1] DISABLE_NOTIFICATIONS", "expire": hour, "sticky": false})
		if err != nil || a.Error != "" || a.Errors != nil {
			t.Fatalf("got %+v %v", a, err)
		}
		line := f.line("ACKNOWLEDGE_SVC_PROBLEM;db01;HTTP;0;0;1;")
		wantText(t, "the line", line, "on it; [1] DISABLE_NOTIFICATIONS")
		got := f.reads(p.ID, "ACKNOWLEDGED", "confirmed by nagios", "Expires")
		wantText(t, "the post", got.Text(), "on it;")
		for _, l := range f.Lines() {
			if strings.HasPrefix(l.Text, "[1] ") {
				t.Errorf("a second command came in: %q", l.Text)
			}
		}
	})
	t.Run("submitted a second time it does nothing", func(t *testing.T) {
		a, err := f.Chat.SubmitAs(f.ctx, f.Jane.ID, f.Channel.ID, d, map[string]any{"comment": "again"}, false)
		if err != nil || (a.Error == "" && a.Errors == nil) {
			t.Errorf("got %+v %v", a, err)
		}
	})
}

func TestMattermostCommand(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	say := func(who chat.User, line string) string {
		t.Helper()
		said, err := f.Chat.Say(f.ctx, who.ID, f.Channel.ID, "", line)
		f.must(err)
		return said
	}
	p := f.alerts("mail01")
	wantText(t, "who is not linked", say(f.Eve, "/tocsin list"), "/tocsin link")
	f.must(f.LinkJane(f.ctx))
	list := say(f.Jane, "/tocsin list")
	wantText(t, "list", list, "1 open", "mail01")
	wantText(t, "list with a text that none has", say(f.Jane, "/tocsin list nothing-such"), "No open alert")
	_, short, _ := strings.Cut(list, "`")
	short, _, _ = strings.Cut(short, "`")
	wantText(t, "ack", say(f.Jane, "/tocsin ack "+short+" looking into it"), "You have acknowledged")
	wantText(t, "the line", f.line("ACKNOWLEDGE_SVC_PROBLEM;mail01;HTTP;"), ";looking into it")
	f.reads(p.ID, "ACKNOWLEDGED", "looking into it", "confirmed by nagios")
	wantText(t, "a second ack", say(f.Jane, "/tocsin ack "+short), "already")
	wantText(t, "unack", say(f.Jane, "/tocsin unack "+short), "You have removed")
	f.reads(p.ID, "PROBLEM")
	wantText(t, "oncall", say(f.Jane, "/tocsin oncall"), "jane")
	wantText(t, "what it does not know", say(f.Jane, "/tocsin dance"), "/tocsin help")
	wantText(t, "link, when linked", say(f.Jane, "/tocsin link"), "You are linked to")
	t.Run("a token that is not the command's", func(t *testing.T) {
		form := url.Values{"user_id": {f.Jane.ID}, "user_name": {"jane"}, "text": {"ack " + short}, "token": {strings.Repeat("a", 26)}}
		resp, err := http.PostForm(f.Hub.URL+"/callback/mattermost/command", form)
		f.must(err)
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		f.must(err)
		if strings.Contains(string(said), "You have") || f.alertOf("mail01", "HTTP").Status != "firing" {
			t.Errorf("answered %s", said)
		}
	})
}

func TestMattermostWhoIsNotLinked(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	p := f.alerts("app01")
	wantText(t, "a click", f.clicks(f.Eve, p.ID, "ack", ""), "/tocsin link")
	if a := f.alertOf("app01", "HTTP"); a.Status != "firing" {
		t.Errorf("the alert is %s", a.Status)
	}
	f.must(f.Settings(f.ctx, map[string]any{"allow_unlinked": true}))
	f.eventually("the setting takes effect", func() bool {
		err := f.Chat.Click(f.ctx, f.Eve.ID, p.ID, "ack", "")
		return err == nil && f.alertOf("app01", "HTTP").Status == "acknowledged"
	})
	if k := f.alertOf("app01", "HTTP").Acknowledgement; k.Author != "@eve (Mattermost)" {
		t.Errorf("acknowledged by %q", k.Author)
	}
	f.line("ACKNOWLEDGE_SVC_PROBLEM;app01;HTTP;", "@eve (Mattermost)")
}

// Nothing but an incoming webhook: posts have the buttons, and a click edits
// the post by its own answer; a recovery is a post of its own.
func TestMattermostWebhookAlone(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{Webhook: true})
	f.must(f.LinkJane(f.ctx))
	p := f.alerts("shop01")
	if !slices.Equal(p.Actions(), []string{"ack", "snooze"}) || p.Props["from_webhook"] != "true" {
		t.Errorf("got %v, %v", p.Actions(), p.Props)
	}
	wantText(t, "the answer", f.clicks(f.Jane, p.ID, "ack", ""), "You have acknowledged")
	f.line("ACKNOWLEDGE_SVC_PROBLEM;shop01;HTTP;")
	got := f.reads(p.ID, "ACKNOWLEDGED")
	if slices.Contains(got.Actions(), "ack") {
		t.Errorf("got %v", got.Actions())
	}
	f.must(f.Send(f.ctx, "RECOVERY", "shop01", "HTTP", 0, "HTTP OK"))
	_, err := f.Post(f.soon(), func(q chat.Post) bool { return q.ID != p.ID && strings.Contains(q.Text(), "RECOVERY") })
	f.must(err)
	for _, r := range f.Chat.Requests() {
		if strings.HasPrefix(r.Path, "/api/") {
			t.Errorf("without a bot, %s %s was asked for", r.Method, r.Path)
		}
	}
}

// An engine that nobody reads, and one that refuses: the post says it.
func TestMattermostSaysWhatTheEngineDoesNot(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	f.must(f.LinkJane(f.ctx))
	f.must(f.WriteBack(f.ctx, map[string]any{"kind": "command_file", "command_file": f.Station.Commands + ".gone", "confirm_seconds": 1}))
	p := f.alerts("lonely01")
	f.clicks(f.Jane, p.ID, "ack", "")
	f.reads(p.ID, "not confirmed by nagios")
	var refused *hub.RefusedError
	if err := f.Hub.Get(f.ctx, "/alerts/none", nil); !errors.As(err, &refused) {
		t.Error(err) // the hub still answers
	}
}
