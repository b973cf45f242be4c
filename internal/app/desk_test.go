package app_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/source"
)

// linked makes a contact, of a user or of nobody, and a Mattermost user who is it.
func (h *hub) linked(name, userID string) (contactID, mattermostUser string) {
	h.Helper()
	c := contact.NewContact(name)
	c.ID, c.UserID, c.DisplayName = "contact-"+name, userID, strings.ToUpper(name)
	if err := h.app.Store().SaveContact(h.Context(), c); err != nil {
		h.Fatal(err)
	}
	p := chat.Person{UserID: "mm-" + name, Name: name, ContactID: c.ID, Linked: time.Now()}
	if err := h.app.Store().SavePerson(h.Context(), p); err != nil {
		h.Fatal(err)
	}
	return c.ID, p.UserID
}

func TestWhoSomebodyInMattermostIs(t *testing.T) {
	h := startHub(t)
	d := h.app.Desk()
	who := func(t *testing.T, id string) mattermost.Actor {
		t.Helper()
		got, err := d.Who(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("somebody unknown is not linked, which is no error", func(t *testing.T) {
		if got := who(t, "nobody"); got != (mattermost.Actor{}) {
			t.Errorf("%+v", got)
		}
	})
	for name, row := range map[string]struct {
		role auth.Role
		may  bool
	}{"olga": {auth.Operator, true}, "adam": {auth.Admin, true}, "vera": {auth.Viewer, false}} {
		t.Run("a contact acts as its user, who may as the role says: "+name, func(t *testing.T) {
			id := h.user(name, row.role)
			c, m := h.linked(name, id)
			if got := who(t, m); got != (mattermost.Actor{UserID: id, ContactID: c, Name: name, Linked: true, May: row.may}) {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("a contact without a user may, under its own name", func(t *testing.T) {
		c, m := h.linked("desk", "")
		if got := who(t, m); got != (mattermost.Actor{ContactID: c, Name: "DESK", Linked: true, May: true}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a user who is disabled may not any more", func(t *testing.T) {
		id := h.user("otto", auth.Operator)
		_, m := h.linked("otto", id)
		disabled := true
		if _, err := h.app.Auth().ChangeUser(t.Context(), id, auth.UserChange{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
		if got := who(t, m); !got.Linked || got.May || !got.Barred {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a contact that is removed is nobody's any more", func(t *testing.T) {
		c, m := h.linked("gone", "")
		if err := h.app.Store().DeleteContact(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := who(t, m); got.Linked || got.May {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatMattermostDoesHere(t *testing.T) {
	h := startHub(t)
	d := h.app.Desk()
	user := h.user("olga", auth.Operator)
	contactID, _ := h.linked("olga", user)
	olga := mattermost.Actor{UserID: user, ContactID: contactID, Name: "olga", Linked: true, May: true}
	id := h.tell(problem)
	newer := 0
	worse := h.tell(`{"type":"PROBLEM","host":"db01","state":1,"output":"down","contact":"ops"}`)

	t.Run("the list has the worst first and says how many there are", func(t *testing.T) {
		h.tell(`{"type":"PROBLEM","host":"web02","service":"HTTP","state":1,"output":"slow"}`)
		all, total, err := d.Open(t.Context(), "", 2)
		if err != nil || total != 3 || len(all) != 2 || all[0].State == alert.Warning || all[1].State == alert.Warning {
			t.Errorf("%d of %d, %v", len(all), total, err)
		}
		some, total, err := d.Open(t.Context(), "DB01", 10)
		if err != nil || total != 1 || len(some) != 1 || some[0].ID != worse {
			t.Errorf("%d of %d, %v", len(some), total, err)
		}
	})
	t.Run("what is worst is in it, however many newer ones there are", func(t *testing.T) {
		for range 6 {
			var many []string
			for range 100 {
				many = append(many, fmt.Sprintf(`{"type":"PROBLEM","host":"new%d","service":"Disk","state":1,"output":"x"}`, newer))
				newer++
			}
			h.tell("[" + strings.Join(many, ",") + "]")
		}
		all, total, err := d.Open(t.Context(), "", 20)
		if err != nil || total != 603 || len(all) != 20 || all[0].State.Severity() < 3 || all[1].State.Severity() < 3 || all[2].State != alert.Warning {
			t.Errorf("%d of %d, %v", len(all), total, err)
		}
		some, total, err := d.Open(t.Context(), "new", 20)
		if err != nil || total != mattermost.Many || len(some) != 20 {
			t.Errorf("%d of %d, %v", len(some), total, err)
		}
		if some, total, err = d.Open(t.Context(), "new59", 20); err != nil || total != 11 || len(some) != 11 { // 59 and 590 to 599
			t.Errorf("%d of %d, %v", len(some), total, err)
		}
	})
	t.Run("a short id finds its alert", func(t *testing.T) {
		got, err := d.Find(t.Context(), id[len(id)-6:])
		if err != nil || len(got) != 1 || got[0].ID != id {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("an acknowledgement is recorded as made in Mattermost", func(t *testing.T) {
		until := time.Now().Add(time.Hour)
		got, err := d.Acknowledge(t.Context(), id, olga, "on it", until, nil)
		if err != nil || got.Status != alert.Acknowledged || got.Ack.Origin != alert.FromMattermost || got.Ack.UserID != user ||
			got.Ack.Comment != "on it" || !got.Ack.Sticky || got.Ack.Until.Unix() != until.Unix() {
			t.Errorf("%+v %+v, %v", got, got.Ack, err)
		}
	})
	t.Run("a second one is answered with the alert as it is", func(t *testing.T) {
		no := false
		got, err := d.Acknowledge(t.Context(), id, mattermost.Actor{Name: "@late (Mattermost)"}, "", time.Time{}, &no)
		if !errors.Is(err, mattermost.ErrAcked) || got.Ack == nil || got.Ack.Author != "olga" {
			t.Errorf("%+v, %v", got.Ack, err)
		}
		if _, err := d.Snooze(t.Context(), id, olga, "", time.Hour); !errors.Is(err, mattermost.ErrAcked) {
			t.Errorf("a snooze of it: %v", err)
		}
	})
	t.Run("it is given back, once", func(t *testing.T) {
		if got, err := d.Unacknowledge(t.Context(), id, olga); err != nil || got.Status != alert.Firing {
			t.Errorf("%+v, %v", got.Status, err)
		}
		if got, err := d.Unacknowledge(t.Context(), id, olga); !errors.Is(err, mattermost.ErrNotAcked) || got.ID != id {
			t.Errorf("%+v, %v", got.ID, err)
		}
	})
	t.Run("a snooze is for the contact and for the room", func(t *testing.T) {
		room := chat.Room{ID: "room-1", Name: "Operations", Kind: chat.Webhook, WebhookURL: "http://127.0.0.1:1/hooks/x", Everything: true, Created: time.Now()}
		if err := h.app.Store().SaveRoom(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		if err := h.app.Store().SaveChatSettings(t.Context(), chat.Settings{Enabled: true}); err != nil {
			t.Fatal(err)
		}
		until, err := d.Snooze(t.Context(), worse, olga, room.ID, time.Hour)
		if err != nil || time.Until(until) < 59*time.Minute {
			t.Errorf("%s, %v", until, err)
		}
		if until, err := d.Snooze(t.Context(), worse, mattermost.Actor{Name: "@x"}, room.ID, 2*time.Hour); err != nil || until.IsZero() {
			t.Errorf("by somebody who is linked to nobody: %s, %v", until, err)
		}
	})
	t.Run("what has recovered is left alone", func(t *testing.T) {
		h.tell(`{"type":"RECOVERY","host":"web01","service":"HTTP","state":0}`)
		if got, err := d.Acknowledge(t.Context(), id, olga, "", time.Time{}, nil); !errors.Is(err, mattermost.ErrNotOpen) || got.Status != alert.Resolved {
			t.Errorf("%+v, %v", got.Status, err)
		}
		if _, err := d.Snooze(t.Context(), id, olga, "", time.Hour); !errors.Is(err, mattermost.ErrNotOpen) {
			t.Errorf("a snooze of it: %v", err)
		}
		if _, err := d.Acknowledge(t.Context(), "nothing", olga, "", time.Time{}, nil); !errors.Is(err, mattermost.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
	})
	t.Run("an engine has a name where it is told", func(t *testing.T) {
		if got := d.EngineName(t.Context(), "source-lab"); got != "" {
			t.Errorf("%q", got)
		}
		s, err := h.app.Store().SourceByID(t.Context(), "source-lab")
		if err != nil {
			t.Fatal(err)
		}
		s.WriteBack = source.WriteBack{Kind: "command_file", CommandFile: "/nowhere/nagios.cmd"}
		if err := h.app.Store().SaveSource(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if got := d.EngineName(t.Context(), "source-lab"); got != "lab" {
			t.Errorf("%q", got)
		}
	})
}

func TestOnCallSaysWhoIsToldNow(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	// A period of this hour and one of no hour, whatever the clock says.
	now := time.Now().UTC()
	if now.Minute() == 59 && now.Second() > 50 {
		t.Log("close to the full hour: what follows is of the next one")
		now = now.Add(time.Minute)
	}
	day := strings.ToLower(now.Weekday().String())
	end := "24:00"
	if now.Hour() < 23 {
		end = now.Truncate(time.Hour).Add(time.Hour).Format("15:04")
	}
	period := func(name, weekdays string) string {
		got := h.call("POST", "/api/v1/periods", admin, `{"name":"`+name+`","zone":"UTC","weekdays":{`+weekdays+`}}`)
		if got.status != http.StatusCreated {
			t.Fatal(got.body)
		}
		return got.field(t, "id")
	}
	current := period("now", `"`+day+`":[{"from":"`+now.Format("15")+`:00","to":"`+end+`"}]`)
	never := period("never", "")
	for name, fields := range map[string]string{
		"always": ``,
		"now":    `,"host_period_id":"` + current + `","service_period_id":"` + current + `"`,
		"hosts":  `,"host_period_id":"` + never + `","service_notifications":false`,
		"mixed":  `,"host_period_id":"` + never + `"`,
	} {
		if got := h.call("POST", "/api/v1/contacts", admin, `{"name":"`+name+`"`+fields+`}`); got.status != http.StatusCreated {
			t.Fatal(got.body)
		}
	}
	all, err := h.app.Desk().OnCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]mattermost.OnCall{}
	order := ""
	for _, c := range all {
		got[c.Contact] = c
		order += c.Contact + " "
	}
	if order != "always mixed now hosts " {
		t.Errorf("order %q: who is told now comes first", order)
	}
	if c := got["always"]; !c.Now || !c.Until.IsZero() {
		t.Errorf("always: %+v", c)
	}
	if c := got["now"]; !c.Now || c.Until.IsZero() || time.Until(c.Until) > 61*time.Minute {
		t.Errorf("now: %+v", c)
	}
	if c := got["hosts"]; c.Now || !c.Until.IsZero() {
		t.Errorf("hosts: %+v", c)
	}
}

func TestTheKeyOfMattermost(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	valid := func(t *testing.T) bool {
		t.Helper()
		ok, err := h.app.Desk().KeyValid(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if valid(t) {
		t.Error("there is none, and it is good")
	}
	first := h.call("POST", "/api/v1/mattermost/key", admin, "")
	if first.status != http.StatusCreated || first.field(t, "scopes.0") != "alerts:acknowledge" || first.field(t, "scopes.1") != "" || !strings.HasPrefix(first.field(t, "key"), "tk_") {
		t.Fatalf("made: %d %s", first.status, first.body)
	}
	if !valid(t) {
		t.Error("it was made, and is not good")
	}
	if got := h.call("GET", "/api/v1/alerts", first.field(t, "key"), ""); got.status != http.StatusForbidden {
		t.Errorf("it may list alerts: %d", got.status)
	}
	second := h.call("POST", "/api/v1/mattermost/key", admin, "")
	if got := h.call("GET", "/api/v1/me", first.field(t, "key"), ""); got.status != http.StatusUnauthorized {
		t.Errorf("the one before goes on: %d", got.status)
	}
	if got := h.call("GET", "/api/v1/mattermost", admin, ""); got.field(t, "api_key_id") != second.field(t, "id") || strings.Contains(got.body, "tk_") {
		t.Errorf("settings: %s", got.body)
	}
	h.call("PUT", "/api/v1/mattermost", admin, `{"enabled":true,"two_way":true}`)
	key := "/api/v1/apikeys/" + second.field(t, "id")
	if got := h.call("GET", key, admin, ""); got.field(t, "last_used_at") != "" {
		t.Errorf("used before anybody acted: %s", got.body)
	}
	if _, err := h.app.Desk().Acknowledge(t.Context(), h.tell(problem), mattermost.Actor{Name: "@x (Mattermost)"}, "", time.Time{}, nil); err != nil {
		t.Error(err)
	}
	if got := h.call("GET", key, admin, ""); got.field(t, "last_used_at") == "" {
		t.Errorf("not used after somebody acted: %s", got.body)
	}
	h.call("DELETE", "/api/v1/apikeys/"+second.field(t, "id"), admin, "")
	if valid(t) {
		t.Error("it is revoked, and good")
	}
	h.await("System health says that buttons do nothing", func() bool {
		return strings.Contains(h.call("GET", "/api/v1/health", admin, "").body, "Buttons in Mattermost do nothing")
	})
}
