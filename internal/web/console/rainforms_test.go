package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	outgoing "tocsin/internal/hook"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// planned is a hub with all that a contact, a group and a rule can name.
func planned(t *testing.T) *hub {
	t.Helper()
	h := rota(t)
	night := contact.TimePeriod{ID: "night", Name: "Night", Zone: "Europe/Berlin"}
	always := contact.TimePeriod{ID: "always", Name: "Always", Zone: "UTC"}
	for d := range night.Weekdays {
		night.Weekdays[d] = []contact.Range{{From: 0, To: 360}}
		always.Weekdays[d] = []contact.Range{{From: 0, To: 1440}}
	}
	for _, err := range []error{
		h.db.SavePeriod(t.Context(), night), h.db.SavePeriod(t.Context(), always),
		h.db.SavePolicy(t.Context(), escalation.Policy{ID: "esc", Name: "By night", Remind: 30, Steps: []escalation.Step{{After: 15, ScheduleIDs: []string{"s1"}}, {After: 30, ContactIDs: []string{"c2"}}}}),
		h.db.SaveHook(t.Context(), outgoing.Hook{ID: "phone", Name: "Phone", Form: outgoing.Ntfy, URL: "https://ntfy.example.org", Host: "ntfy.example.org", Topic: "ops", Created: time.Now()}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestAContactsNewFields(t *testing.T) {
	h := planned(t)
	admin := h.as("admin")
	const path = "/console/contacts/c2"
	in := admin.filled(path, path)
	t.Run("quiet hours, e-mail and webhook are kept and shown again", func(t *testing.T) {
		set := with(in, "email", "ben@example.org", "mail_host", "on", "mail_service", "on", "hook", "phone", "quiet_period_id", "night", "quiet_pass", contact.QuietCritical)
		admin.lands(path, set, "/console/contacts")
		k, err := h.db.Contact(t.Context(), "c2")
		if err != nil || !k.MailHost || !k.MailService || k.Hook != "phone" || k.QuietPeriodID != "night" || k.QuietPass != contact.QuietCritical {
			t.Fatalf("kept %+v %v", k, err)
		}
		again := admin.filled(path, path)
		for _, name := range []string{"mail_host", "mail_service", "hook", "quiet_period_id", "quiet_pass", "email"} {
			if again.Get(name) != set.Get(name) {
				t.Errorf("%s shows %q", name, again.Get(name))
			}
		}
		if _, body := admin.get("/console/contacts"); !strings.Contains(body, "hosts and services") || !strings.Contains(body, "Webhook: Phone") {
			t.Error("the list does not say by which ways")
		}
	})
	t.Run("they can be taken back", func(t *testing.T) {
		off := with(in, "email", "", "hook", "", "quiet_period_id", "", "quiet_pass", contact.QuietNothing)
		off.Del("mail_host")
		off.Del("mail_service")
		admin.lands(path, off, "/console/contacts")
		if k, err := h.db.Contact(t.Context(), "c2"); err != nil || k.MailHost || k.MailService || k.Hook != "" || k.QuietPeriodID != "" {
			t.Errorf("kept %+v %v", k, err)
		}
	})
	t.Run("what is wrong stands at its field, and nothing else is lost", func(t *testing.T) {
		admin.refuses(path, with(in, "email", "nowhere"), "email", "no e-mail address")
		admin.refuses(path, with(in, "quiet_pass", "some"), "quiet_pass", "nothing that passes")
		admin.refuses(path, with(in, "quiet_period_id", "gone"), "quiet_period_id", "")
		admin.refuses(path, with(in, "quiet_period_id", "always"), "quiet_period_id", "whole week")
		admin.refuses(path, with(in, "hook", "gone"), "hook", "")
		_, body := admin.post(path, with(in, "email", "nowhere", "mail_host", "on", "hook", "phone", "quiet_period_id", "night"))
		if got := fieldsOf(t, body, path); got.Get("hook") != "phone" || got.Get("quiet_period_id") != "night" || got.Get("mail_host") != "on" || got.Get("email") != "nowhere" {
			t.Errorf("the form has lost what was chosen: %v", got)
		}
	})
}

func TestAGroupsAndARulesNewFields(t *testing.T) {
	h := planned(t)
	admin := h.as("admin")
	t.Run("a group takes who is on call", func(t *testing.T) {
		in := with(admin.filled("/console/groups/g1", "/console/groups/g1"), "schedule_ids", "s1")
		admin.lands("/console/groups/g1", in, "/console/groups")
		if g, err := h.db.Group(t.Context(), "g1"); err != nil || strings.Join(g.ScheduleIDs, " ") != "s1" || len(g.ContactIDs) != 1 {
			t.Errorf("kept %+v %v", g, err)
		}
		if got := admin.filled("/console/groups/g1", "/console/groups/g1"); got.Get("schedule_ids") != "s1" {
			t.Error("it is not shown again")
		}
		if _, body := admin.get("/console/groups"); !strings.Contains(body, "On call: Servers") {
			t.Error("the list does not say it")
		}
		admin.refuses("/console/groups/g1", with(in, "schedule_ids", "gone"), "schedule_ids", "")
	})
	const path = "/console/rules/r1"
	in := admin.filled(path, path)
	t.Run("a rule takes schedules, webhooks and a policy", func(t *testing.T) {
		admin.lands(path, with(in, "schedule_ids", "s1", "hooks", "phone", "policy_id", "esc"), "/console/rules")
		r, err := h.db.Rule(t.Context(), "r1")
		if err != nil || strings.Join(r.ScheduleIDs, " ") != "s1" || strings.Join(r.Hooks, " ") != "phone" || r.PolicyID != "esc" {
			t.Fatalf("kept %+v %v", r, err)
		}
		got := admin.filled(path, path)
		if got.Get("schedule_ids") != "s1" || got.Get("hooks") != "phone" || got.Get("policy_id") != "esc" {
			t.Errorf("it shows %v", got)
		}
		_, body := admin.get("/console/rules")
		for _, want := range []string{"On call: Servers", "Webhook: Phone", "While nobody takes it: “By night”"} {
			if !strings.Contains(body, want) {
				t.Errorf("the list lacks %q", want)
			}
		}
	})
	t.Run("a rule that only names a policy is one", func(t *testing.T) {
		only := with(in, "policy_id", "esc", "name", "Escalates")
		only.Del("group_ids")
		admin.lands("/console/rules/new", only, "/console/rules")
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		admin.refuses(path, with(in, "schedule_ids", "gone"), "schedule_ids", "")
		admin.refuses(path, with(in, "hooks", "gone"), "hooks", "")
		admin.refuses(path, with(in, "policy_id", "gone"), "policy_id", "")
		nobody := with(in)
		nobody.Del("group_ids")
		admin.refuses(path, nobody, "contact_ids", "tells nobody")
	})
	t.Run("who would be told names who is on call", func(t *testing.T) {
		_, body := admin.get("/console/rules?" + url.Values{"host": {"web01"}, "service": {"HTTP"}, "state": {"critical"}, "source": {"s1"}}.Encode())
		if !strings.Contains(body, "Phone") {
			t.Error("the webhook is not named")
		}
	})
}

func TestSettingsOfStorms(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	const path = "/console/settings"
	in := admin.filled(path, path)
	t.Run("each is kept and shown again", func(t *testing.T) {
		set := with(in, "storm.by", storm.ByLabel, "storm.label", "team", "storm.burst", "4", "storm.refill", "31", "storm.place", "12", "storm.regain", "22", "storm.wait", "11",
			"storm.at_most", "61", "storm.again", "33", "storm.calm", "301", "flap_changes", "5", "flap_minutes", "20", "mail_ttl_minutes", "77", "hook_ttl_minutes", "78", "ack_link_hours", "9")
		admin.lands(path, set, path)
		s, err := h.db.Settings(t.Context())
		want := storm.Rules{By: "label:team", Burst: 4, Refill: 31, Place: 12, Regain: 22, Wait: 11, AtMost: 61, Again: 33, CalmFor: 301}
		if err != nil || s.Storm != want || s.FlapChanges != 5 || s.FlapMinutes != 20 || s.MailTTL != 77 || s.HookTTL != 78 || s.AckLinkHours != 9 {
			t.Errorf("kept %+v %v", s, err)
		}
		if again := admin.filled(path, path); !reflect.DeepEqual(again, set) {
			t.Errorf("it shows %v", again)
		}
	})
	t.Run("storms can be off, and flapping", func(t *testing.T) {
		off := with(in, "flap_changes", "0")
		off.Del("storm.on")
		admin.lands(path, off, path)
		if s, err := h.db.Settings(t.Context()); err != nil || !s.Storm.Off || s.FlapChanges != 0 {
			t.Errorf("kept %+v %v", s, err)
		}
		if again := admin.filled(path, path); again.Has("storm.on") {
			t.Error("it shows it as on")
		}
	})
	t.Run("what is wrong stands at its field", func(t *testing.T) {
		for field, value := range map[string]string{"storm.burst": "0", "storm.refill": "many", "storm.place": "1001", "storm.regain": "0", "storm.wait": "-1", "storm.at_most": "90000",
			"storm.again": "0", "storm.calm": "9", "flap_changes": "21", "flap_minutes": "0", "mail_ttl_minutes": "0", "hook_ttl_minutes": "", "ack_link_hours": "169"} {
			admin.refuses(path, with(in, field, value), field, "")
		}
		admin.refuses(path, with(in, "flap_changes", "2"), "flap_changes", "")
		admin.refuses(path, with(in, "storm.at_most", "5"), "storm.at_most", "")
		admin.refuses(path, with(in, "storm.by", "moon"), "storm.by", "no kind")
		admin.refuses(path, with(in, "storm.by", storm.ByLabel, "storm.label", ""), "storm.label", "empty")
		admin.refuses(path, with(in, "storm.by", storm.ByLabel, "storm.label", strings.Repeat("x", 300)), "storm.label", "")
	})
}

func TestWhatHappensIfNobodyTakesIt(t *testing.T) {
	h := planned(t)
	ctx := t.Context()
	if err := h.db.SaveRule(ctx, route.Rule{ID: "r1", Name: "All", Enabled: true, GroupIDs: []string{"g1"}, PolicyID: "esc"}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	o := alert.Object{SourceID: "s1", Host: "db01", State: alert.Down}
	o.ID = alert.ObjectID(o.SourceID, o.Host, "")
	got, err := h.acks.Receive(ctx, "s1", []alert.Event{{SourceID: "s1", Object: o, Type: alert.Problem, State: alert.Down, Time: now, Received: now}})
	if err != nil {
		t.Fatal(err)
	}
	path := "/console/alerts/" + got[0].AlertID
	operator, viewer := h.as("operator"), h.as("viewer")
	_, body := operator.get(path)
	for _, want := range []string{"If nobody takes it", "who is on call in “Servers”", `href="/console/policies/esc"`, `class="nexts"`, "next reminder"} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if _, body := viewer.get(path); !strings.Contains(body, "If nobody takes it") || strings.Contains(body, `href="/console/policies/esc"`) {
		t.Error("a viewer is led to what is not theirs, or sees nothing")
	}
	if _, body := operator.get("/console/alerts/" + h.alert); strings.Contains(body, "If nobody takes it") {
		t.Error("an alert without a policy has the card")
	}
	operator.post(path+"/acknowledge", url.Values{"form": {"page"}})
	if _, body := operator.get(path); strings.Contains(body, "If nobody takes it") {
		t.Error("somebody has taken it, and the card stays")
	}
}

func TestListsOfAStorm(t *testing.T) {
	h := newHub(t)
	ctx := t.Context()
	service := dispatch.New(h.db, dispatch.Options{Node: "test", Settings: h.db.Settings, Log: slog.New(slog.DiscardHandler)})
	run, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = service.Run(run) }()
	t.Cleanup(func() { stop(); <-ended })
	for i := range 9 {
		now := time.Now()
		o := alert.Object{SourceID: "s1", Host: fmt.Sprintf("app%02d", i), Service: "Disk", State: alert.Critical}
		o.ID = alert.ObjectID(o.SourceID, o.Host, o.Service)
		if _, err := service.Receive(ctx, "s1", []alert.Event{{SourceID: "s1", Object: o, Type: alert.Problem, State: alert.Critical, Time: now, Received: now}}); err != nil {
			t.Fatal(err)
		}
	}
	rows, _, err := h.db.Deliveries(ctx, delivery.Filter{States: []delivery.State{delivery.Collected}, Limit: 50})
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d collected: %v", len(rows), err)
	}
	d := rows[0]
	viewer := h.as("viewer")
	t.Run("its alerts", func(t *testing.T) {
		res, body := viewer.get("/console/alerts?storm=" + d.Storm)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, "told together") || !strings.Contains(body, "app08") || strings.Contains(body, "web01") {
			t.Errorf("answers %d, or lists others", res.StatusCode)
		}
		if !strings.Contains(body, `name="storm" value="`+d.Storm+`"`) {
			t.Error("a filter leaves the storm")
		}
	})
	t.Run("its deliveries, and those of one message", func(t *testing.T) {
		for _, q := range []string{"storm=" + d.Storm, "bundle=" + d.Bundle, "state=collected"} {
			res, body := viewer.get("/console/deliveries?" + q)
			if res.StatusCode != http.StatusOK || !strings.Contains(body, "Collected") || strings.Contains(body, "Told together with others") == strings.HasPrefix(q, "storm") {
				t.Errorf("%s answers %d", q, res.StatusCode)
			}
		}
		if _, body := viewer.get("/console/deliveries?storm=" + d.Storm); !strings.Contains(body, "/console/alerts?status=all&amp;storm="+d.Storm) || !strings.Contains(body, "What it tells") {
			t.Error("it does not lead to its alerts, or to what a message tells")
		}
	})
	t.Run("an alert says that it was told with others", func(t *testing.T) {
		if _, body := viewer.get("/console/alerts/" + d.AlertID); !strings.Contains(body, "Told together with others") {
			t.Error("it does not")
		}
	})
	t.Run("one that there is not is empty, and no fault", func(t *testing.T) {
		for _, path := range []string{"/console/alerts?storm=nothing", "/console/deliveries?storm=nothing", "/console/deliveries?bundle=nothing", "/console/alerts?storm=" + strings.Repeat("x", 200)} {
			if res, _ := viewer.get(path); res.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d", path, res.StatusCode)
			}
		}
	})
}
