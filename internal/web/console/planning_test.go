package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

// rota is a hub with three contacts and a weekly schedule.
func rota(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	for _, k := range []struct{ id, name, shown string }{{"c2", "ben", "Ben"}, {"c3", "cleo", "Cleo"}} {
		c := contact.NewContact(k.name)
		c.ID, c.DisplayName = k.id, k.shown
		if err := h.db.SaveContact(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	err := h.db.SaveSchedule(t.Context(), oncall.Schedule{ID: "s1", Name: "Servers", Zone: "Europe/Berlin",
		Layers: []oncall.Layer{{Name: "Week", ContactIDs: []string{"c2", "c3"}, Start: "2026-01-05T09:00", Every: 1, Unit: oncall.Weeks}}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// lands wants an answer that leads on to a page.
func (v *visitor) lands(path string, form url.Values, to string) {
	v.t.Helper()
	res, body := v.post(path, form)
	if at := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(at, to) {
		v.t.Fatalf("%s answers %d and leads to %q, want %q\n%s", path, res.StatusCode, at, to, wrongs(body))
	}
}

// refuses wants an answer that says what is wrong at a field.
func (v *visitor) refuses(path string, form url.Values, field, says string) {
	v.t.Helper()
	res, body := v.post(path, form)
	if res.StatusCode != http.StatusUnprocessableEntity {
		v.t.Errorf("%s answers %d", path, res.StatusCode)
	}
	at := regexp.MustCompile(`(?s)id="f-` + regexp.QuoteMeta(field) + `-problem">.*?<span>([^<]*)</span>`).FindStringSubmatch(body)
	if field != "" && (at == nil || !strings.Contains(strings.ToLower(at[1]), strings.ToLower(says))) || field == "" && !strings.Contains(body, says) {
		v.t.Errorf("%s: the field %q does not say %q, but\n%s", path, field, says, wrongs(body))
	}
}

func wrongs(body string) string {
	return strings.Join(regexp.MustCompile(`(?s)(problem"|flash-bad).{0,300}`).FindAllString(body, 3), "\n")
}

func layerForm(people ...string) url.Values {
	return url.Values{"name": {"Night"}, "zone": {"Europe/Berlin"}, "layer": {"0"}, "l0_name": {"All"}, "l0_people": people, "l0_every": {"1"}, "l0_unit": {"weeks"}, "l0_start": {"2026-03-02T09:00"}}
}

func TestSchedules(t *testing.T) {
	h := rota(t)
	admin, viewer := h.as("operator"), h.as("viewer")
	t.Run("one is made, with its layers as they lie", func(t *testing.T) {
		in := layerForm("c2", "c3", "c2")
		in["layer"] = []string{"4", "0"}
		for name, value := range map[string]string{"name": "Day", "every": "12", "unit": "hours", "start": "2026-03-02T08:00", "limit": "own", "day_1": "08:00-20:00"} {
			in.Set("l4_"+name, value)
		}
		in["l4_people"] = []string{"c1"}
		admin.lands("/console/schedules/new", in, "/console/on-call#schedule-")
		all, err := h.db.Schedules(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatal(len(all), err)
		}
		s := all[0]
		if s.Name != "Night" {
			s = all[1]
		}
		if len(s.Layers) != 2 || s.Layers[1].Name != "Day" || s.Layers[1].Weekdays[1][0].From != 480 || strings.Join(s.Layers[0].ContactIDs, "") != "c2c3c2" {
			t.Errorf("kept %+v", s.Layers)
		}
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		wrong := func(field, value, says string) {
			t.Helper()
			in := layerForm("c2")
			in.Set(field, value)
			admin.refuses("/console/schedules/new", in, field, says)
		}
		wrong("name", "", "")
		wrong("zone", "Mars/Olympus", "no time zone")
		wrong("l0_every", "five", "no whole number")
		wrong("l0_start", "soon", "is no time")
		wrong("l0_until", "2026-01-01T09:00", "not after the start")
		in := layerForm("c2")
		in.Set("l0_unit", "hours")
		in.Set("l0_every", "5")
		admin.refuses("/console/schedules/new", in, "l0_every", "other times each day")
		in = layerForm("c2")
		in.Set("l0_limit", "own")
		in.Set("l0_day_3", "25:00-26:00")
		admin.refuses("/console/schedules/new", in, "l0_day_3", "no range of times")
		admin.refuses("/console/schedules/new", layerForm(), "", "nobody in it")
		admin.refuses("/console/schedules/new", layerForm("gone"), "", "does not exist")
	})
	t.Run("the form says who is next, and what daylight saving does", func(t *testing.T) {
		h.ahead = time.Until(time.Date(2027, 3, 20, 12, 0, 0, 0, time.UTC))
		defer func() { h.ahead = 0 }()
		_, body := admin.post("/console/schedules/new/check", layerForm("c2", "c3"))
		for _, want := range []string{"Mon 22 Mar 09:00 CET – Mon 29 Mar 2027 09:00 CEST", "the clocks go forward", "Somebody is on call at every moment"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
	})
	t.Run("layers and turns are moved without keeping anything", func(t *testing.T) {
		in := layerForm("c2", "c3")
		in.Set("do", "turn-down 0 0")
		_, body := admin.post("/console/schedules/new/layers", in)
		if cleo, ben := strings.Index(body, `turn-name">Cleo`), strings.Index(body, `turn-name">Ben`); cleo < 0 || cleo > ben {
			t.Error("Ben was not moved behind Cleo")
		}
		in.Set("do", "add")
		if _, body = admin.post("/console/schedules/new/layers", in); !strings.Contains(body, "<legend>Layer 2</legend>") || strings.Index(body, "Layer 2") > strings.Index(body, "Layer 1") {
			t.Error("no layer on top")
		}
		for _, nonsense := range []string{"up 99", "remove x", "turn-add 0", "turn-up 0 -1", "turn-remove 7 7", strings.Repeat("9", 40)} {
			in.Set("do", nonsense)
			if res, _ := admin.post("/console/schedules/new/layers", in); res.StatusCode != http.StatusOK {
				t.Errorf("%q answers %d", nonsense, res.StatusCode)
			}
		}
	})
	t.Run("one that is named is not deleted", func(t *testing.T) {
		if err := h.db.SaveRule(t.Context(), route.Rule{ID: "r9", Name: "Nights", Enabled: true, ScheduleIDs: []string{"s1"}}); err != nil {
			t.Fatal(err)
		}
		if _, body := admin.get("/console/schedules/s1/delete"); !strings.Contains(body, "It is named by the rule “Nights”") || strings.Contains(body, "danger-solid") {
			t.Error("deleting is offered")
		}
		admin.lands("/console/schedules/s1/delete", nil, "/console/schedules")
		if _, err := h.db.Schedule(t.Context(), "s1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a viewer looks and changes nothing", func(t *testing.T) {
		_, body := viewer.get("/console/schedules/s1")
		if !strings.Contains(body, "Changing it needs another role") || strings.Contains(body, "data-check") || !strings.Contains(body, "The next shifts") {
			t.Error("not as a viewer sees it")
		}
		for _, path := range []string{"/console/schedules/s1", "/console/schedules/s1/layers", "/console/on-call/override", "/console/policies/new", "/console/windows/new", "/console/windows/hold", "/console/webhooks/new"} {
			if res, _ := viewer.post(path, layerForm("c2")); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
	})
}

func TestOnCall(t *testing.T) {
	h := rota(t)
	operator, admin, viewer := h.as("operator"), h.as("admin"), h.as("viewer")
	t.Run("who is on call, and who is next", func(t *testing.T) {
		_, body := viewer.get("/console/on-call")
		for _, want := range []string{"Servers", "Ben", "Cleo", "then", "As a list", "No contact is linked to you"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		if strings.Contains(body, "Take over") {
			t.Error("a viewer may take over")
		}
	})
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	clock := func(d time.Duration) string { return time.Now().In(zone).Add(d).Format("2006-01-02T15:04") }
	t.Run("somebody takes over, and it is ended", func(t *testing.T) {
		operator.lands("/console/on-call/override", url.Values{"schedule": {"s1"}, "contact": {"c1"}, "to": {clock(3 * time.Hour)}, "note": {"a <b>dentist</b>"}}, "/console/on-call#schedule-s1")
		_, body := admin.get("/console/on-call")
		if !strings.Contains(body, "stands in") || !strings.Contains(body, `>you</span>`) || strings.Contains(body, "<b>dentist") {
			t.Error("the override is not shown")
		}
		s, err := h.db.Schedule(t.Context(), "s1")
		if err != nil || len(s.Overrides) != 1 || s.Overrides[0].By != "operator" {
			t.Fatalf("%+v, %v", s.Overrides, err)
		}
		path := "/console/schedules/s1/overrides/" + s.Overrides[0].ID + "/end"
		operator.lands(path, nil, "/console/schedules/s1#overrides")
		operator.lands(path, nil, "/console/schedules/s1#overrides") // over already, which is said
		if _, body := admin.get("/console/on-call"); strings.Contains(body, "stands in: a") && strings.Contains(body, `>you</span>`) {
			t.Error("the override goes on")
		}
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		form := func(contact, to string) url.Values {
			return url.Values{"schedule": {"s1"}, "contact": {contact}, "to": {to}}
		}
		operator.refuses("/console/on-call/override", form("c1", clock(-3*time.Hour)), "to", "Lies back")
		operator.refuses("/console/on-call/override", form("c1", "tomorrow"), "to", "is no time")
		operator.refuses("/console/on-call/override", form("", clock(time.Hour)), "contact", "not chosen")
		if res, _ := operator.post("/console/on-call/override", url.Values{"schedule": {"none"}}); res.StatusCode != http.StatusNotFound {
			t.Errorf("a schedule that there is not: %d", res.StatusCode)
		}
	})
	t.Run("the calendar's link is shown once, to whom it belongs", func(t *testing.T) {
		_, body := admin.post("/console/on-call/calendar", url.Values{"contact": {"c1"}})
		link := regexp.MustCompile(`/oncall/[^<"]+\.ics`).FindString(body)
		if link == "" {
			t.Fatal("no link is shown")
		}
		if _, body := admin.get("/console/on-call"); strings.Contains(body, link) || !strings.Contains(body, "There is a link") {
			t.Error("it is shown again, or not known")
		}
		if res, _ := viewer.post("/console/on-call/calendar", url.Values{"contact": {"c1"}}); res.StatusCode != http.StatusNotFound {
			t.Errorf("somebody else's: %d", res.StatusCode)
		}
		admin.lands("/console/on-call/calendar/end?contact=c1", nil, "/console/on-call#mine")
		if _, body := admin.get("/console/on-call"); strings.Contains(body, "There is a link") {
			t.Error("it is not revoked")
		}
	})
	t.Run("other days than today", func(t *testing.T) {
		for query, want := range map[string]string{"from=2027-03-22&weeks=1": "22 Mar – 28 Mar 2027", "from=2027-03-22&weeks=4": "22 Mar – 18 Apr 2027", "from=nonsense&weeks=99": "As a list"} {
			if res, body := viewer.get("/console/on-call?" + query); res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s answers %d and not %q", query, res.StatusCode, want)
			}
		}
	})
}

func TestPolicies(t *testing.T) {
	h := rota(t)
	operator := h.as("operator")
	form := func() url.Values {
		return url.Values{"name": {"Night"}, "rounds": {"2"}, "remind_minutes": {"30"}, "step": {"3", "1"}, "s3_after": {"15"}, "s3_who": {"schedule:s1"}, "s1_after": {"30"}, "s1_who": {"group:g1", "contact:c3"}, "s1_channels": {"browser"}}
	}
	t.Run("one is made, and says in a sentence what it does", func(t *testing.T) {
		_, body := operator.post("/console/policies/new/check", form())
		for _, want := range []string{"After 15 minutes", "who is on call in “Servers”", "After 45 minutes", "the group “Operators” and Cleo, by Browser only", "Then all of it once more.", "reminded every 30 minutes"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		operator.lands("/console/policies/new", form(), "/console/policies")
		all, err := h.db.Policies(t.Context())
		if err != nil || len(all) != 1 || len(all[0].Steps) != 2 || all[0].Steps[0].ScheduleIDs[0] != "s1" || all[0].Steps[1].After != 30 {
			t.Fatalf("%+v, %v", all, err)
		}
	})
	t.Run("what is wrong stands at its step", func(t *testing.T) {
		in := form()
		in.Set("s3_after", "0")
		operator.refuses("/console/policies/new", in, "s0_after", "out of bounds")
		in = form()
		in.Set("s1_after", "soon")
		operator.refuses("/console/policies/new", in, "s1_after", "no whole number")
		in = form()
		in.Del("s1_who")
		operator.refuses("/console/policies/new", in, "s1_who", "leads to nobody")
		in = form()
		in.Set("s1_who", "group:gone")
		operator.refuses("/console/policies/new", in, "s1_who", "does not exist")
		in = form()
		in.Set("rounds", "99")
		operator.refuses("/console/policies/new", in, "rounds", "out of bounds")
	})
	t.Run("one that a rule names is not deleted", func(t *testing.T) {
		err := h.db.SavePolicy(t.Context(), escalation.Policy{ID: "p1", Name: "Day", Remind: 60})
		if err == nil {
			err = h.db.SaveRule(t.Context(), route.Rule{ID: "r9", Name: "Nights", Enabled: true, PolicyID: "p1"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, body := operator.get("/console/policies/p1/delete"); !strings.Contains(body, "the rule “Nights”") {
			t.Error("does not say what names it")
		}
	})
}

func TestWindows(t *testing.T) {
	h := newHub(t)
	operator := h.as("operator")
	windows := func() []window.Window {
		t.Helper()
		all, err := h.db.Windows(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	form := func() url.Values {
		return url.Values{"name": {"Patch night"}, "enabled": {"on"}, "zone": {"Europe/Berlin"}, "start": {"2027-03-28T02:30"}, "hours": {"2"}, "minutes": {"30"},
			"repeat": {"week"}, "every": {"1"}, "weekdays": {"SU"}, "ends": {"until"}, "until": {"2027-12-31"}, "hosts": {"web*"}}
	}
	t.Run("one is planned, and says when it comes and what it holds", func(t *testing.T) {
		h.ahead = time.Until(time.Date(2027, 3, 20, 12, 0, 0, 0, time.UTC))
		defer func() { h.ahead = 0 }()
		_, body := operator.post("/console/windows/new/check", form())
		for _, want := range []string{"every week on Sunday, until 31 Dec 2027", "there is no 02:30 that day", "1 object matches now", "web01 / &lt;script&gt;"} {
			if !strings.Contains(body, want) {
				t.Errorf("lacks %q", want)
			}
		}
		operator.lands("/console/windows/new", form(), "/console/windows")
		w := windows()[0]
		if w.Minutes != 150 || !strings.Contains(w.RRule, "UNTIL=20271231T225959Z") || w.By != "operator" {
			t.Errorf("kept %+v", w)
		}
		if _, body := operator.get("/console/windows/" + w.ID); !strings.Contains(body, `value="2027-12-31"`) {
			t.Error("its end is not in the form again")
		}
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		wrong := func(field, value, at, says string) {
			t.Helper()
			in := form()
			in.Set(field, value)
			operator.refuses("/console/windows/new", in, at, says)
		}
		wrong("name", "", "name", "")
		wrong("zone", "Nowhere", "zone", "no time zone")
		wrong("start", "soon", "start", "no date and time")
		wrong("hours", "0x", "minutes", "out of range")
		wrong("weekdays", "", "weekdays", "") // told by where it stands
		wrong("until", "never", "until", "no date")
		wrong("labels", "team", "labels", "line 1")
		in := form()
		in.Set("repeat", "rule")
		in.Set("rule", "FREQ=SECONDLY")
		operator.refuses("/console/windows/new", in, "rule", "more often than daily")
	})
	t.Run("alerts about an object are held for an hour, and no more", func(t *testing.T) {
		operator.lands("/console/windows/hold", url.Values{"object": {h.object}, "minutes": {"60"}, "back": {"/console/alerts/" + h.alert}}, "/console/alerts/"+h.alert)
		_, body := operator.get("/console/alerts/" + h.alert)
		if !strings.Contains(body, "held back") {
			t.Fatal("the alert's page does not say so")
		}
		end := regexp.MustCompile(`action="(/console/windows/[^"]+/end)"`).FindStringSubmatch(body)
		operator.lands(end[1], url.Values{"back": {"/console/alerts/" + h.alert}}, "/console/alerts/"+h.alert)
		if _, body := operator.get("/console/alerts/" + h.alert); strings.Contains(body, "held back</span>") {
			t.Error("it is held on")
		}
		operator.lands(end[1], url.Values{"back": {"https://evil.example/"}}, "/console/alerts")
	})
	t.Run("ending one that comes again leaves the times to come", func(t *testing.T) {
		now := time.Now().UTC()
		w := window.Window{ID: "w9", Name: "Daily", Enabled: true, Start: now.AddDate(0, 0, -2).Add(-10 * time.Minute).Format(window.StartFormat), Minutes: 60, RRule: "FREQ=DAILY;COUNT=5", Hosts: []string{"web*"}}
		if err := h.db.SaveWindow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		operator.lands("/console/windows/w9/end", nil, "/console/windows")
		got, err := h.db.Window(t.Context(), "w9")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := got.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if next := plan.Upcoming(now, 9); len(next) != 2 || next[0].From.Before(now.Add(23*time.Hour)) {
			t.Errorf("comes at %v", next)
		}
	})
	t.Run("one is deleted", func(t *testing.T) {
		operator.lands("/console/windows/w9/delete", nil, "/console/windows")
		for _, w := range windows() {
			if w.ID == "w9" {
				t.Error("it is still there")
			}
		}
	})
}

func TestWebhooks(t *testing.T) {
	h := newHub(t)
	admin, operator := h.as("admin"), h.as("operator")
	form := func(kind string) url.Values {
		return url.Values{"name": {"Phone"}, "form": {kind}, "url": {"https://hooks.example.org/a-secret-path"}, "everything": {"on"}}
	}
	t.Run("its key is shown once, its address never", func(t *testing.T) {
		_, body := admin.post("/console/webhooks/new", form("json"))
		key := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`).FindString(strings.ReplaceAll(body, "&#43;", "+"))
		if key == "" {
			t.Fatal("no key is shown")
		}
		all, err := h.db.Hooks(t.Context())
		if err != nil || len(all) != 1 || all[0].Secret != key || all[0].Host != "hooks.example.org" {
			t.Fatal(len(all), err)
		}
		for _, path := range []string{"/console/webhooks", "/console/webhooks/" + all[0].ID} {
			if _, body := admin.get(path); strings.Contains(body, "a-secret-path") || strings.Contains(body, "whsec_") {
				t.Errorf("%s shows a secret", path)
			}
		}
		if _, body := admin.post("/console/webhooks/"+all[0].ID+"/secret", nil); !strings.Contains(body, "whsec_") || strings.Contains(strings.ReplaceAll(body, "&#43;", "+"), key) {
			t.Error("no new key")
		}
		admin.lands("/console/webhooks/"+all[0].ID, url.Values{"name": {"Phone"}, "form": {"json"}}, "/console/webhooks")
		if kept, _ := h.db.Hook(t.Context(), all[0].ID); kept.URL != "https://hooks.example.org/a-secret-path" || kept.Everything {
			t.Errorf("kept %v", kept.Host)
		}
		admin.lands("/console/webhooks/"+all[0].ID+"/test", nil, "/console/webhooks#hook-")
		if _, body := admin.get("/console/webhooks"); strings.Contains(body, "posts to no webhooks.") {
			t.Error("what is said is said once, beside the webhook")
		}
	})
	t.Run("the form shows what is posted, without secrets", func(t *testing.T) {
		in := form("fields")
		in.Set("token", "tk-very-secret")
		in.Set("template", `{"what": "{{title}}", "auth": "{{token}}"}`)
		_, body := admin.post("/console/webhooks/new/check", in)
		if !strings.Contains(body, "HTTP on web01") || strings.Contains(body, "tk-very-secret") {
			t.Error("not what is posted")
		}
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		wrong := func(kind, field, value, says string) {
			t.Helper()
			in := form(kind)
			in.Set(field, value)
			admin.refuses("/console/webhooks/new", in, field, says)
		}
		wrong("slack", "url", "http://hooks.example.org/", "begins with http://")
		wrong("slack", "url", "https://10.0.0.7/", "private network")
		wrong("slack", "url", "", "is missing")
		in := form("ntfy")
		in.Set("url", "https://ntfy.example.org")
		in.Set("topic", "no topic")
		admin.refuses("/console/webhooks/new", in, "topic", "no topic of ntfy")
		wrong("fields", "template", "{", "no JSON object")
		wrong("fields", "template", `{"a": "{{nothing}}"}`, "which there is not")
		wrong("json", "headers", "Authorization: x", "written by Tocsin")
		wrong("json", "headers", "nonsense", "has no colon")
	})
	t.Run("an operator looks and changes nothing", func(t *testing.T) {
		if _, body := operator.get("/console/webhooks"); strings.Contains(body, "New webhook") || strings.Contains(body, "/test\"") {
			t.Error("offers what is for administrators")
		}
		if res, _ := operator.post("/console/webhooks/new", form("slack")); res.StatusCode != http.StatusForbidden {
			t.Errorf("%d", res.StatusCode)
		}
	})
}
