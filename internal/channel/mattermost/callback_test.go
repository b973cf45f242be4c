package mattermost_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	demo "tocsin/internal/demo/chat"
	"tocsin/internal/dispatch"
)

// notOurs is what every forgery is answered, whatever is wrong with it.
const notOurs = "That did not come from a button or a dialog of Tocsin"

func TestAClickActsOnceAndAnswersTheOneWhoClicked(t *testing.T) {
	for _, room := range []string{botRoom, hookRoom} {
		t.Run(room, func(t *testing.T) {
			r := newRig(t)
			a := r.firing()
			p := r.posted(room, a)
			old := r.body(p, "ack")
			asked := len(r.mm.Requests())
			if said := r.click(p, "ack", ""); said != "You have acknowledged HTTP on "+a.Object.Host+". Nagios north is being told." {
				t.Errorf("%q", said)
			}
			if n := len(r.mm.Requests()); n != asked {
				t.Errorf("%d requests while the click was answered", n-asked)
			}
			a = r.alert(a.ID)
			if a.Ack == nil || a.Ack.Author != "Jane Doe" || a.Ack.UserID != "user-jane" || a.Ack.Origin != alert.FromMattermost || a.Ack.Confirmation != alert.Pending {
				t.Fatalf("%+v", a.Ack)
			}
			p = r.post(p.ID)
			if !slices.Equal(p.Actions(), []string{"unack"}) || !strings.Contains(p.Text(), "Acknowledged by: Jane Doe") {
				t.Errorf("%s", p.Text())
			}
			// The same again: a replay.
			if _, answer := r.forge("action", old); !strings.Contains(answer["ephemeral_text"].(string), "was used before") || answer["update"] != nil {
				t.Errorf("%v", answer)
			}
			if said := r.click(p, "unack", ""); !strings.Contains(said, "You have removed the acknowledgement") {
				t.Errorf("%q", said)
			}
			if a = r.alert(a.ID); a.Status != alert.Firing {
				t.Errorf("it is %s", a.Status)
			}
			if _, answer := r.forge("action", old); !strings.Contains(answer["ephemeral_text"].(string), "was used before") || r.alert(a.ID).Status != alert.Firing {
				t.Errorf("%v", answer)
			}
			// The new buttons work again and again.
			if said := r.click(r.post(p.ID), "snooze", "120"); !strings.Contains(said, "Snoozed until") {
				t.Errorf("%q", said)
			}
			if p = r.post(p.ID); !strings.Contains(p.Text(), "Snoozed until: ") || len(p.Actions()) != 3 {
				t.Errorf("%s", p.Text())
			}
			if id := p.Props["tocsin"]; id == nil {
				t.Error("our id is gone from the post")
			}
			if got := r.ch.Stats().Actions; got["done"] != 3 || got["replayed"] != 2 {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestManyClicksAtOnceActOnce(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	body := r.body(p, "ack")
	var running sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 10 {
		running.Go(func() {
			_, answer := r.forge("action", body)
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(answer["ephemeral_text"].(string), "You have acknowledged") {
				done++
			}
		})
	}
	running.Wait()
	if done != 1 || r.alert(a.ID).Status != alert.Acknowledged {
		t.Errorf("%d of them did it", done)
	}
}

func TestForgedClicksChangeNothing(t *testing.T) {
	r := newRig(t)
	a, b := r.firing(), r.firing()
	p, q := r.posted(botRoom, a), r.posted(botRoom, b)
	h := r.posted(hookRoom, r.firing())
	other := r.mm.AddChannel(r.team.ID, "other", "Other", false)
	context := func(body map[string]any) map[string]any { return body["context"].(map[string]any) }
	clip := func(n int) string { return strings.Repeat("x", n) }
	for name, change := range map[string]func(map[string]any){
		"a secret that was made up":    func(b map[string]any) { context(b)["secret"] = clip(43) },
		"no secret":                    func(b map[string]any) { delete(context(b), "secret") },
		"a secret of another type":     func(b map[string]any) { context(b)["secret"] = []string{"x"} },
		"the hash instead of secret":   func(b map[string]any) { context(b)["secret"] = chat.Hash(context(b)["secret"].(string)) },
		"a secret without an end":      func(b map[string]any) { context(b)["secret"] = clip(5000) },
		"another action":               func(b map[string]any) { context(b)["action"] = "unack" },
		"an action that there is not":  func(b map[string]any) { context(b)["action"] = "delete" },
		"another alert":                func(m map[string]any) { context(m)["alert"] = b.ID },
		"another post":                 func(m map[string]any) { m["post_id"] = q.ID },
		"another channel":              func(m map[string]any) { m["channel_id"] = other.ID },
		"a user of another type":       func(m map[string]any) { m["user_id"] = 7 },
		"no user":                      func(m map[string]any) { m["user_id"] = "" },
		"a user with a path in the id": func(m map[string]any) { m["user_id"] = "../../x" },
		"a user’s name without an end": func(m map[string]any) { m["user_name"] = clip(5000) },
		"no context":                   func(m map[string]any) { delete(m, "context") },
		"a context of another type":    func(m map[string]any) { m["context"] = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			body := r.body(p, "ack")
			change(body)
			status, answer := r.forge("action", body)
			if said, _ := answer["ephemeral_text"].(string); status != 200 || !strings.HasPrefix(said, notOurs) || answer["update"] != nil {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	for name, raw := range map[string]string{"no JSON": "{", "an array": "[]", "nothing": "", "HTML": "<html>", "null": "null", "deep": strings.Repeat("[", 30000)} {
		t.Run(name, func(t *testing.T) {
			if status, answer := r.forge("action", []byte(raw)); status != 200 || !strings.HasPrefix(answer["ephemeral_text"].(string), notOurs) {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	t.Run("a webhook’s button in another post once it is known", func(t *testing.T) {
		body := r.body(h, "snooze")
		context(body)["selected_option"] = "30"
		r.must(r.mm.Click(t.Context(), r.jane.ID, h.ID, "snooze", "30"))
		body["post_id"] = q.ID
		if _, answer := r.forge("action", body); !strings.HasPrefix(answer["ephemeral_text"].(string), notOurs) {
			t.Errorf("%v", answer)
		}
	})
	for _, x := range []alert.Alert{a, b} {
		if got := r.alert(x.ID); got.Status != alert.Firing {
			t.Errorf("%s is %s", x.ID, got.Status)
		}
	}
	if !strings.Contains(r.log.String(), "a callback of mattermost was refused") {
		t.Error("nothing is logged")
	}
	for _, act := range []string{"ack", "snooze", "ackdialog"} {
		if in, _ := r.mm.Secrets(p.ID, act); strings.Contains(r.log.String(), in.Context["secret"].(string)) {
			t.Error("a secret is logged")
		}
	}
}

func TestTheHandlersAreBounded(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"action", "dialog", "command"} {
		res, err := patient.Get(r.web.URL + "/callback/mattermost/" + path)
		r.must(err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: %d", path, res.StatusCode)
		}
		if status, _ := r.forge(path, bytes.Repeat([]byte("x"), 65<<10)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("65 KiB to %s: %d", path, status)
		}
	}
	for _, path := range []string{"", "other", "action/more"} {
		if status, _ := r.forge(path, []byte("{}")); status != http.StatusNotFound {
			t.Errorf("%q: %d", path, status)
		}
	}
	p := r.posted(botRoom, r.firing())
	body := r.body(p, "snooze") // nothing is chosen
	limited := false
	for range 40 {
		_, answer := r.forge("action", body)
		limited = limited || strings.Contains(answer["ephemeral_text"].(string), "more than 30 times in a minute")
	}
	if !limited {
		t.Error("one user clicks as often as they like")
	}
	// Somebody who only uses a name locks nobody out.
	eve := r.mm.AddUser("eve", "Eve")
	r.mm.Join(r.town.ID, eve.ID)
	for range 40 {
		r.forge("action", map[string]any{"user_id": eve.ID, "channel_id": "c", "post_id": "p", "context": map[string]any{"secret": "x"}})
	}
	body["user_id"] = eve.ID
	if _, answer := r.forge("action", body); strings.Contains(answer["ephemeral_text"].(string), "30 times") {
		t.Errorf("%v", answer)
	}
}

func TestAClickFreesAPostOfWhatIsOverFromItsButtons(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	// Whatever kept the message of the recovery from it: its time ran out, or
	// Mattermost lets nobody edit what is old.
	r.event(a.Object.Host, alert.Recovery, alert.OK, "fine")
	if said := r.click(p, "ack", ""); !strings.Contains(said, "has recovered (") {
		t.Errorf("%q", said)
	}
	if p = r.post(p.ID); len(p.Actions()) > 0 || !strings.Contains(p.Text(), "RECOVERY") {
		t.Errorf("%v\n%s", p.Actions(), p.Text())
	}
}

func TestTimesAreInTheZoneOfTheSettings(t *testing.T) {
	r := newRig(t)
	r.settings(func(s *chat.Settings) { s.TimeZone = "Asia/Tokyo" })
	a := r.firing()
	p := r.posted(botRoom, a)
	if !strings.Contains(p.Text(), a.Since.UTC().Add(9*time.Hour).Format("2 Jan 2006, 15:04")+" JST") {
		t.Errorf("the post says %s", p.Text())
	}
	if said := r.click(p, "snooze", "30"); !strings.Contains(said, " JST: this room and you hear of it again then, if it is still firing.") {
		t.Errorf("the answer is %q", said)
	}
}

func TestWhyNothingWasDone(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *rig, a alert.Alert)
		says   string
	}{
		{"it has recovered", func(r *rig, a alert.Alert) { r.event(a.Object.Host, alert.Recovery, alert.OK, "fine") }, "has recovered ("},
		{"somebody was faster", func(r *rig, a alert.Alert) {
			_, err := r.hub.Acknowledge(r.Context(), a.ID, dispatch.AckRequest{Author: "Ann", Origin: alert.FromConsole})
			r.must(err)
		}, "is acknowledged already, by Ann"},
		{"two-way is off", func(r *rig, _ alert.Alert) { r.settings(func(s *chat.Settings) { s.TwoWay = false }) }, "switched off"},
		{"the key was revoked", func(r *rig, _ alert.Alert) { r.desk.valid.Store(false) }, "switched off"},
		{"not allowed", func(r *rig, _ alert.Alert) { r.desk.may.Store(false) }, "may not acknowledge"},
		{"not linked", func(r *rig, _ alert.Alert) { r.must(r.db.DeletePerson(r.Context(), r.jane.ID)) }, "`/tocsin link`"},
		{"nobody can link themselves, for there is no command", func(r *rig, _ alert.Alert) {
			r.must(r.db.DeletePerson(r.Context(), r.jane.ID))
			r.settings(func(s *chat.Settings) { s.CommandHashes = nil })
		}, "Its admin adds the command `/tocsin` to Mattermost"},
		{"too old", func(r *rig, _ alert.Alert) { r.shift.Add(int64(8 * 24 * time.Hour)) }, "older than a week"},
		{"too busy", func(r *rig, _ alert.Alert) { r.desk.slow.Store(1) }, "too much to do"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			a := r.firing()
			p := r.posted(botRoom, a)
			c.change(r, a)
			before := r.alert(a.ID)
			if said := r.click(p, "ack", ""); !strings.Contains(said, c.says) {
				t.Errorf("%q", said)
			}
			if after := r.alert(a.ID); after.Status != before.Status || !after.Updated.Equal(before.Updated) {
				t.Errorf("it is %s, was %s", after.Status, before.Status)
			}
			if got := r.post(p.ID); got.EditAt != 0 {
				t.Error("the post was changed")
			}
		})
	}
}

func TestSomebodyWhoIsNotLinkedMayWhereThatIsSet(t *testing.T) {
	r := newRig(t)
	r.must(r.db.DeletePerson(t.Context(), r.jane.ID))
	r.settings(func(s *chat.Settings) { s.Unlinked = true })
	a := r.firing()
	r.click(r.posted(botRoom, a), "ack", "")
	if a = r.alert(a.ID); a.Ack == nil || a.Ack.Author != "@jane (Mattermost)" || a.Ack.UserID != "" {
		t.Errorf("%+v", a.Ack)
	}
}

func TestTheDialog(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	if said := r.click(p, "ackdialog", ""); said != "" {
		t.Fatalf("%q", said)
	}
	d, open := r.mm.Dialog(r.jane.ID)
	if !open || len(d.Elements) != 3 || strings.Contains(d.State, r.jane.ID) {
		t.Fatalf("%+v", d)
	}
	eve := r.mm.AddUser("eve", "Eve")
	r.mm.Join(r.town.ID, eve.ID)
	other := r.mm.AddChannel(r.team.ID, "other", "Other", false)
	r.mm.Join(other.ID, r.jane.ID)
	good := map[string]any{"comment": "on it\n- @all; rm", "expire": "240", "sticky": true}
	submit := func(user, channel string, d demo.Dialog, values map[string]any) map[string]string {
		t.Helper()
		answer, err := r.mm.SubmitAs(t.Context(), user, channel, d, values, false)
		r.must(err)
		return answer.Errors
	}
	tampered := func(change func(string) string) demo.Dialog {
		x := d
		x.State = change(d.State)
		return x
	}
	for name, answer := range map[string]map[string]string{
		"somebody else’s":   submit(eve.ID, r.town.ID, d, good),
		"another channel":   submit(r.jane.ID, other.ID, d, good),
		"changed":           submit(r.jane.ID, r.town.ID, tampered(func(s string) string { return "A" + s[1:] }), good),
		"without signature": submit(r.jane.ID, r.town.ID, tampered(func(s string) string { return strings.SplitN(s, ".", 2)[0] }), good),
		"empty":             submit(r.jane.ID, r.town.ID, tampered(func(string) string { return "" }), good),
		"very long":         submit(r.jane.ID, r.town.ID, tampered(func(s string) string { return s + strings.Repeat("A", 20000) }), good),
	} {
		if !strings.HasPrefix(answer["comment"], notOurs) {
			t.Errorf("%s: %v", name, answer)
		}
	}
	for name, c := range map[string]struct {
		values map[string]any
		field  string
	}{
		"no comment":                  {map[string]any{"comment": " \n"}, "comment"},
		"nothing":                     {nil, "comment"},
		"a comment of another type":   {map[string]any{"comment": 7}, "comment"},
		"a comment that is too long":  {map[string]any{"comment": strings.Repeat("x", 1001)}, "comment"},
		"an expiry that there is not": {map[string]any{"comment": "x", "expire": "-5"}, "expire"},
		"an expiry of another type":   {map[string]any{"comment": "x", "expire": map[string]any{}}, "expire"},
	} {
		if answer := submit(r.jane.ID, r.town.ID, d, c.values); answer[c.field] == "" || r.alert(a.ID).Status != alert.Firing {
			t.Errorf("%s: %v", name, answer)
		}
	}
	before := time.Now()
	if answer := submit(r.jane.ID, r.town.ID, d, good); len(answer) != 0 {
		t.Fatalf("%v", answer)
	}
	a = r.alert(a.ID)
	if a.Ack == nil || !strings.HasPrefix(a.Ack.Comment, "on it") || !a.Ack.Sticky || a.Ack.Author != "Jane Doe" ||
		a.Ack.Until.Before(before.Add(239*time.Minute)) || a.Ack.Until.After(before.Add(241*time.Minute)) {
		t.Fatalf("%+v", a.Ack)
	}
	if answer := submit(r.jane.ID, r.town.ID, d, good); !strings.Contains(answer["comment"], "submitted before") {
		t.Errorf("%v", answer)
	}
	// The button itself was not used up, but there is nothing left to do.
	if said := r.click(p, "ackdialog", ""); !strings.Contains(said, "acknowledged already") {
		t.Errorf("%q", said)
	}
}

func TestADialogThatCannotDoWhatItSays(t *testing.T) {
	t.Run("it recovered meanwhile", func(t *testing.T) {
		r := newRig(t)
		a := r.firing()
		r.click(r.posted(botRoom, a), "ackdialog", "")
		r.event(a.Object.Host, alert.Recovery, alert.OK, "fine")
		answer, err := r.mm.Submit(t.Context(), r.jane.ID, r.town.ID, map[string]any{"comment": "x"})
		if r.must(err); !strings.Contains(answer.Errors["comment"], "has recovered (") {
			t.Errorf("%v", answer)
		}
	})
	t.Run("it was open for too long", func(t *testing.T) {
		r := newRig(t)
		r.click(r.posted(botRoom, r.firing()), "ackdialog", "")
		r.shift.Add(int64(2 * time.Hour))
		answer, err := r.mm.Submit(t.Context(), r.jane.ID, r.town.ID, map[string]any{"comment": "x"})
		if r.must(err); !strings.Contains(answer.Errors["comment"], "more than an hour") {
			t.Errorf("%v", answer)
		}
	})
	t.Run("Mattermost does not open it", func(t *testing.T) {
		r := newRig(t)
		a := r.firing()
		p := r.posted(botRoom, a)
		r.mm.Fail(1, demo.Fault{Path: "/api/v4/actions/dialogs/open", Status: 400, Body: `{"id":"interactive_message.decode_trigger_id.expired","message":"Trigger ID for interactive dialog is expired."}`})
		if said := r.click(p, "ackdialog", ""); !strings.Contains(said, "expired") || !strings.Contains(said, "`/tocsin ack "+a.ID[30:]+" comment`") {
			t.Errorf("%q", said)
		}
	})
	t.Run("it was cancelled", func(t *testing.T) {
		r := newRig(t)
		p := r.posted(botRoom, r.firing())
		r.click(p, "ackdialog", "")
		d, _ := r.mm.Dialog(r.jane.ID)
		if _, err := r.mm.SubmitAs(t.Context(), r.jane.ID, r.town.ID, d, nil, true); err != nil {
			t.Error(err)
		}
		// And another one may be opened.
		if said := r.click(p, "ackdialog", ""); said != "" {
			t.Errorf("%q", said)
		}
	})
}

func TestTheSlashCommand(t *testing.T) {
	r := newRig(t)
	if said := r.say("/tocsin list"); said != "There is no open alert." {
		t.Errorf("%q", said)
	}
	a, b := r.event("web_01", alert.Problem, alert.Critical, "x"), r.event("db01", alert.Problem, alert.Warning, "y")
	short := a.ID[len(a.ID)-6:]
	if said := r.say("/tocsin list"); !strings.Contains(said, "2 open:") || !strings.Contains(said, "`"+short+"` 🔴 **Critical** HTTP on web\\_01") {
		t.Errorf("%q", said)
	}
	if said := r.say("/tocsin list db"); strings.Contains(said, "web") || !strings.Contains(said, "1 open:") {
		t.Errorf("%q", said)
	}
	if said := r.say("/tocsin list *nobody* @all"); strings.Contains(said, "@all") || !strings.Contains(said, "No open alert has “\\*nobody\\*") {
		t.Errorf("%q", said)
	}
	if said := r.say("/tocsin ack " + short + "  on it; really "); !strings.Contains(said, "You have acknowledged HTTP on web\\_01. Nagios north is being told.") {
		t.Errorf("%q", said)
	}
	if a = r.alert(a.ID); a.Ack == nil || a.Ack.Comment != "on it; really" || a.Ack.Author != "Jane Doe" {
		t.Errorf("%+v", a.Ack)
	}
	for line, want := range map[string]string{
		"/tocsin":                    "These are understood",
		"/tocsin help":               "These are understood",
		"/tocsin `evil` @all":        "does not know `evil`",
		"/tocsin ack":                "Please say which",
		"/tocsin ack xyz":            "Please say which",
		"/tocsin ack %%%%%%":         "Please say which",
		"/tocsin ack 00000000":       "No open alert is called 00000000",
		"/tocsin ack " + short:       "is acknowledged already, by Jane Doe",
		"/tocsin unack " + b.ID[24:]: "is not acknowledged any more",
		"/tocsin oncall":             "jane \\*doe\\*",
		"/tocsin ack " + b.ID + " " + strings.Repeat("x", 1001): "1000 are the most",
	} {
		if said := r.say(line); !strings.Contains(said, want) {
			t.Errorf("%.60s: %q", line, said)
		}
	}
	r.desk.rotas.Store(&[]mattermost.Rota{{Schedule: "Servers *1*", Now: "Ann", Until: at, Next: "Ben"}, {Schedule: "Network", Until: at, Next: "Cid"}, {Schedule: "Phones", Now: "Dee"}})
	said := r.say("/tocsin oncall")
	for _, want := range []string{"**Servers \\*1\\***: Ann, until ", "; then Ben\n", "**Network**: nobody, until ", "; then Cid\n", "**Phones**: Dee\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in %q", want, said)
		}
	}
	if strings.Contains(said, "jane") {
		t.Errorf("where there are schedules, they say who is on call: %q", said)
	}
	r.desk.rotas.Store(nil)
	if said := r.say("/tocsin UNACK " + short); !strings.Contains(said, "You have removed") || r.alert(a.ID).Status != alert.Firing {
		t.Errorf("%q", said)
	}
	r.desk.may.Store(false)
	if said := r.say("/tocsin ack " + short); !strings.Contains(said, "may not acknowledge") {
		t.Errorf("%q", said)
	}
	if said := r.say("/tocsin list"); !strings.Contains(said, "2 open:") {
		t.Errorf("who may not act may look: %q", said)
	}
	r.desk.barred.Store(true)
	for _, line := range []string{"list", "oncall", "ack " + short} {
		if said := r.say("/tocsin " + line); !strings.Contains(said, "may not sign in") || strings.Contains(said, "web") || strings.Contains(said, "night") {
			t.Errorf("who may not sign in: %s: %q", line, said)
		}
	}
	if said := r.click(r.posted(botRoom, b), "ack", ""); !strings.Contains(said, "may not sign in") || r.alert(b.ID).Status != alert.Firing {
		t.Errorf("%q", said)
	}
	r.must(r.db.DeletePerson(t.Context(), r.jane.ID))
	if said := r.say("/tocsin list"); !strings.Contains(said, "`/tocsin link`") {
		t.Errorf("%q", said)
	}
}

func TestALinkIsGivenOnce(t *testing.T) {
	r := newRig(t)
	if said := r.say("/tocsin link"); !strings.Contains(said, "You are linked to **Jane Doe**") {
		t.Errorf("%q", said)
	}
	r.must(r.db.DeletePerson(t.Context(), r.jane.ID))
	said := r.say("/tocsin link")
	_, token, ok := strings.Cut(said, r.web.URL+"/console/link/mattermost#")
	if !ok || len(token) != 43 {
		t.Fatalf("%q", said)
	}
	l, err := r.db.TakeLink(t.Context(), chat.Hash(token), time.Now())
	if err != nil || l.UserID != r.jane.ID || l.Name != "jane" || l.Expires.After(time.Now().Add(10*time.Minute)) {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := r.db.TakeLink(t.Context(), chat.Hash(token), time.Now()); err == nil {
		t.Error("it works twice")
	}
	if strings.Contains(r.log.String(), token) {
		t.Error("the token is logged")
	}
}

func TestForgedCommandsChangeNothing(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	ask := func(token string, inHeader bool, form url.Values) string {
		t.Helper()
		if !inHeader {
			form.Set("token", token)
		}
		req, err := http.NewRequest(http.MethodPost, r.web.URL+"/callback/mattermost/command", strings.NewReader(form.Encode()))
		r.must(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if inHeader {
			req.Header.Set("Authorization", "Token "+token)
		}
		res, err := patient.Do(req)
		r.must(err)
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		r.must(err)
		var answer struct{ Response_type, Text string }
		if err := json.Unmarshal(raw, &answer); err != nil || res.StatusCode != 200 || answer.Response_type != "ephemeral" {
			t.Fatalf("%d %s", res.StatusCode, raw)
		}
		return answer.Text
	}
	form := func() url.Values {
		return url.Values{"user_id": {r.jane.ID}, "user_name": {"jane"}, "text": {"ack " + a.ID[30:]}}
	}
	for name, said := range map[string]string{
		"no token":        ask("", true, form()),
		"an empty one":    ask("", false, form()),
		"a wrong one":     ask("upid58hjtbftjpgqnfa7t5sqbe", true, form()),
		"the hash of it":  ask(chat.Hash(r.command.Token), true, form()),
		"a user of no id": ask(r.command.Token, true, url.Values{"user_id": {"a b"}, "text": {"ack " + a.ID[30:]}}),
		"nobody":          ask(r.command.Token, true, url.Values{"text": {"ack " + a.ID[30:]}}),
		"no UTF-8":        ask(r.command.Token, true, url.Values{"user_id": {r.jane.ID}, "text": {"\xff"}}),
	} {
		if !strings.Contains(said, "othing was done") && !strings.Contains(said, "does not know") {
			t.Errorf("%s: %q", name, said)
		}
	}
	if got := r.alert(a.ID); got.Status != alert.Firing {
		t.Errorf("it is %s", got.Status)
	}
	if said := ask(r.command.Token, false, form()); !strings.Contains(said, "You have acknowledged") {
		t.Errorf("a good one in the form: %q", said)
	}
}

func TestAPostThatManyReadersSeeHasNoSecrets(t *testing.T) {
	r := newRig(t)
	p := r.posted(botRoom, r.firing())
	in, _ := r.mm.Secrets(p.ID, "ack")
	raw, err := json.Marshal(p)
	r.must(err)
	if secret := fmt.Sprint(in.Context["secret"]); len(secret) != 43 || bytes.Contains(raw, []byte(secret)) || strings.Contains(in.URL, secret) {
		t.Errorf("%s", raw)
	}
}

// Whoever sends slowly must not take the places of those who send at once.
func TestRequestsThatNeverEndLeaveRoomForOthers(t *testing.T) {
	r := newRig(t)
	p := r.posted(botRoom, r.firing())
	u, err := url.Parse(r.web.URL)
	r.must(err)
	for range 100 {
		slow, err := net.Dial("tcp", u.Host)
		r.must(err)
		t.Cleanup(func() { _ = slow.Close() })
		_, err = io.WriteString(slow, "POST /callback/mattermost/action HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
		r.must(err)
		// It is being read now: the server asks for the rest.
		_, err = bufio.NewReader(slow).ReadString('\n')
		r.must(err)
		_, err = io.WriteString(slow, "{")
		r.must(err)
	}
	if said := r.click(p, "ack", ""); !strings.Contains(said, "You have acknowledged") {
		t.Errorf("%q", said)
	}
}

func TestALongListSaysThatThereIsMore(t *testing.T) {
	r := newRig(t)
	for range 21 {
		r.firing()
	}
	if said := r.say("/tocsin list"); !strings.HasPrefix(said, "More than 20 open:\n") || strings.Count(said, "\n- ") != 20 || !strings.Contains(said, "… and others; `/tocsin list text`") {
		t.Errorf("%q", said)
	}
}
