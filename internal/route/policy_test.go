package route_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
)

func rota(id string, people ...string) oncall.Schedule {
	return oncall.Schedule{ID: id, Name: id, Zone: "Europe/Berlin", Layers: []oncall.Layer{
		{Name: "Primary", ContactIDs: people, Start: "2026-11-23T08:00", Every: 1, Unit: oncall.Days}}}
}

func TestWhoIsOnCallIsTold(t *testing.T) {
	d := office(route.Rule{Name: "Nights", ScheduleIDs: []string{"s"}})
	d.Schedules = []oncall.Schedule{rota("s", "a", "b")}
	q := problem(service, alert.Critical)
	for after, want := range map[time.Duration]string{0: "Anna", 19 * time.Hour: "Bob", 43 * time.Hour: "Anna"} {
		x := only(t, route.Decide(d, at(q, monday.Add(after))))
		if x.ContactName != want || !x.Told || x.Why != "rule “Nights” chose whoever is on call in “s”" || x.Rule != "Nights" {
			t.Errorf("after %s: %+v", after, x)
		}
	}
	t.Run("as a member of a group", func(t *testing.T) {
		d := office(route.Rule{Name: "Ops", GroupIDs: []string{"g"}})
		d.Schedules = []oncall.Schedule{rota("s", "a")}
		d.Groups = []contact.Group{{ID: "g", Name: "Operators", ContactIDs: []string{"b"}, ScheduleIDs: []string{"s", "gone"}}}
		run(t, []decideCase{{"both", d, q, []string{"Bob browser rule", "Anna browser rule"}, "rule “Ops” chose group “Operators”, for which this contact is on call in “s”"}})
		d.Groups[0].ContactIDs = []string{"a"}
		run(t, []decideCase{{"once", d, q, []string{"Anna browser rule"}, ""}})
	})
	gaps := map[string]struct {
		schedule oncall.Schedule
		why      string
	}{
		"before it begins": {func() oncall.Schedule { s := rota("s", "a"); s.Layers[0].Start = "2027-01-01T00:00"; return s }(), "nobody is on call in it now; fill the gap"},
		"nobody by an override": {func() oncall.Schedule {
			s := rota("s", "a")
			s.Overrides = []oncall.Override{{ID: "o", From: monday.Add(-time.Hour), To: monday.Add(time.Hour)}}
			return s
		}(), "by an override; end that"},
		"somebody who is gone":       {rota("s", "gone"), "is no contact any more; put somebody else there"},
		"a rotation with nobody":     {rota("s"), "nobody is on call in it now; fill the gap"},
		"one that cannot be read":    {func() oncall.Schedule { s := rota("s", "a"); s.Zone = "Mars/Olympus"; return s }(), "it cannot be read"},
		"no layers, nobody, nothing": {oncall.Schedule{ID: "s", Name: "s"}, "nobody is on call in it now"},
	}
	for name, c := range gaps {
		t.Run("a gap is said: "+name, func(t *testing.T) {
			d := d
			d.Schedules = []oncall.Schedule{c.schedule}
			x := only(t, route.Decide(d, q))
			if x.Told || x.Reason != route.ReasonNobody || !strings.Contains(x.Why, c.why) || x.Rule != "Nights" {
				t.Errorf("%+v", x)
			}
		})
	}
	t.Run("the layers that are left count where one lost its people", func(t *testing.T) {
		d := d
		s := rota("s", "a")
		s.Layers = append(s.Layers, oncall.Layer{Name: "Above", Start: "2026-11-01T00:00", Every: 1, Unit: oncall.Weeks})
		d.Schedules = []oncall.Schedule{s}
		if x := only(t, route.Decide(d, q)); x.ContactName != "Anna" {
			t.Errorf("%+v", x)
		}
		if duty, ok := d.Duty("s", monday); !ok || duty.ContactID != "a" {
			t.Errorf("%+v %v", duty, ok)
		}
		if _, ok := d.Duty("gone", monday); ok {
			t.Error("a schedule that is not there has a duty")
		}
	})
	t.Run("overlapping layers: the upper one counts", func(t *testing.T) {
		d := d
		s := rota("s", "a")
		s.Layers = append(s.Layers, rota("", "b").Layers...)
		d.Schedules = []oncall.Schedule{s}
		if x := only(t, route.Decide(d, q)); x.ContactName != "Bob" {
			t.Errorf("%+v", x)
		}
	})
}

func policy(id string, steps ...escalation.Step) escalation.Policy {
	return escalation.Policy{ID: id, Name: id, Steps: steps}
}

func TestThePolicyIsThatOfTheFirstRuleThatNamesOne(t *testing.T) {
	d := office(
		route.Rule{Name: "hosts", Services: []string{""}, PolicyID: "hosts"},
		route.Rule{Name: "silent", ContactIDs: []string{"a"}},
		route.Rule{Name: "gone", PolicyID: "gone"},
		route.Rule{Name: "critical", States: []alert.State{alert.Critical}, PolicyID: "fast"},
		route.Rule{Name: "rest", PolicyID: "slow"},
	)
	d.Policies = []escalation.Policy{policy("slow"), policy("fast"), policy("hosts")}
	for want, q := range map[string]route.Question{
		"fast by critical": problem(service, alert.Critical),
		"slow by rest":     problem(service, alert.Warning),
		"hosts by hosts":   problem(host, alert.Down, "Anna"), // also where the engine named somebody
	} {
		p, rule := route.PolicyOf(d, q)
		if p == nil || p.ID+" by "+rule != want {
			t.Errorf("%v by %q, want %s", p, rule, want)
		}
	}
	d.Rules[1].ContactIDs = nil
	if x := only(t, route.Decide(d, problem(service, alert.Warning))); x.Told || x.Reason != route.ReasonNoRule || !strings.Contains(x.Why, "leads to nobody at first; its policy") {
		t.Errorf("rules that name a policy and nobody: %+v", x)
	}
	d.Rules[1].Stop = true
	if p, rule := route.PolicyOf(d, problem(service, alert.Critical)); p != nil {
		t.Errorf("behind a rule that stops: %s by %s", p.ID, rule)
	}
	d.Policies = nil
	if p, _ := route.PolicyOf(d, problem(host, alert.Down)); p != nil {
		t.Errorf("there are none: %v", p)
	}
}

func TestAStepTellsWhomItLeadsTo(t *testing.T) {
	d := office()
	d.Chat, d.Rooms, d.Hooks = true, []route.Room{{ID: "ops", Name: "Ops"}}, []route.Hook{{ID: "siren", Name: "Siren"}}
	d.Schedules = []oncall.Schedule{rota("s", "a")}
	p := policy("Night", escalation.Step{After: 5, ContactIDs: []string{"b"}}, escalation.Step{After: 10,
		ScheduleIDs: []string{"s"}, GroupIDs: []string{"g"}, Rooms: []string{"ops"}, Hooks: []string{"siren"}})
	q := problem(service, alert.Critical, "Cleo") // whom the engine named is beside the point
	since := monday.Add(-75 * time.Minute)
	got := route.Escalate(d, q, &p, 1, since)
	if want := []string{"Ops mattermost Ops escalation", "Siren webhook Siren escalation", "Cleo browser outside_period", "Bob browser escalation", "Anna browser escalation"}; !reflect.DeepEqual(short(got), want) {
		t.Errorf("got  %q\nwant %q", short(got), want)
	}
	if why := got[3].Why; why != "not acknowledged for 1 hour 15 minutes: step 2 of policy “Night”; it chose group “Operators”" {
		t.Error(why)
	}
	if got := route.Escalate(d, q, &p, 2, since); got != nil {
		t.Errorf("a step that is no longer there: %q", short(got))
	}
	t.Run("only by the channels that it names", func(t *testing.T) {
		p := policy("Night", escalation.Step{ContactIDs: []string{"a"}, Channels: []string{route.Email}})
		if got := route.Escalate(d, q, &p, 0, since); only(t, got).Reason != route.ReasonChannelOff {
			t.Errorf("%+v", got)
		}
	})
	t.Run("who has it snoozed is left in peace", func(t *testing.T) {
		p, q := policy("Night", escalation.Step{ContactIDs: []string{"a"}}), q
		q.Snoozed = map[string]time.Time{"a": monday.Add(time.Hour)}
		if x := only(t, route.Escalate(d, q, &p, 0, since)); x.Told || x.Reason != route.ReasonSnoozed {
			t.Errorf("%+v", x)
		}
	})
	t.Run("what is gone is said, and the rest is told", func(t *testing.T) {
		d := d
		d.Groups = append(slices.Clone(d.Groups), contact.Group{ID: "empty", Name: "Empty", ContactIDs: []string{"gone"}})
		p := policy("Night", escalation.Step{ContactIDs: []string{"gone", "a"}, GroupIDs: []string{"gone", "empty"}, ScheduleIDs: []string{"gone"}, Rooms: []string{"gone"}, Hooks: []string{"gone too"}})
		var said []string
		for _, x := range route.Escalate(d, q, &p, 0, since) {
			if x.Told {
				said = append(said, x.ContactName)
				continue
			}
			_, what, _ := strings.Cut(x.Why, "“Night”; it ")
			said = append(said, string(x.Reason)+": "+what)
		}
		if want := []string{
			"channel_off: names a room of Mattermost that is switched off", "channel_off: names a webhook that is switched off or gone; correct it", "Anna",
			"nobody: leads to a contact that is no longer there; correct it", "nobody: leads to a group that is no longer there; correct it",
			"nobody: leads to group “Empty”, which is empty; correct it", "nobody: leads to a schedule that is no longer there; correct it",
		}; !reflect.DeepEqual(said, want) {
			t.Errorf("got\n  %s\nwant\n  %s", strings.Join(said, "\n  "), strings.Join(want, "\n  "))
		}
	})
	t.Run("steps may lead to the same people again", func(t *testing.T) {
		// A circle of references there cannot be: a step names groups and schedules, a
		// group names schedules and contacts, a schedule names contacts, and none of
		// them names its like. What can be is that all of them lead to one person.
		d := d
		d.Groups = []contact.Group{{ID: "g", Name: "Operators", ContactIDs: []string{"a"}, ScheduleIDs: []string{"s"}}}
		step := escalation.Step{ContactIDs: []string{"a"}, GroupIDs: []string{"g"}, ScheduleIDs: []string{"s"}}
		p := policy("Circle", step, step)
		for i := range p.Steps {
			if x := only(t, route.Escalate(d, q, &p, i, since)); x.ContactName != "Anna" {
				t.Errorf("%+v", x)
			}
		}
	})
}

func TestWhoWasToldIsReminded(t *testing.T) {
	d := office()
	d.Chat, d.Rooms, d.Hooks = true, []route.Room{{ID: "ops", Name: "Ops"}}, []route.Hook{{ID: "siren", Name: "Siren"}}
	p := policy("Night")
	q := problem(service, alert.Critical)
	q.Told = []route.Told{{Destination: "ops"}, {ContactID: "b", Channels: []string{route.Browser}}, {Destination: "siren"}, {ContactID: "gone"}, {Destination: "gone"}}
	got := route.Remind(d, q, &p, monday.Add(-time.Hour))
	if want := []string{"Ops mattermost Ops reminder", "Siren webhook Siren reminder", "Bob browser reminder"}; !reflect.DeepEqual(short(got), want) {
		t.Errorf("%q", short(got))
	}
	if got[2].Why != "not acknowledged for 1 hour: reminder of policy “Night”" {
		t.Error(got[2].Why)
	}
}

func TestAReminderIsNotHeldBack(t *testing.T) {
	d := quiet(night("UTC"), "")
	p := policy("Night")
	q := at(problem(service, alert.Critical), moment(t, "2026-11-22T23:00:00Z"))
	q.Told = []route.Told{{ContactID: "a", Channels: []string{route.Browser}}}
	x := only(t, route.Remind(d, q, &p, q.Now.Add(-time.Hour)))
	if x.Told || !x.HoldUntil.IsZero() || x.Reason != route.ReasonQuiet || !strings.Contains(x.Why, "reminder of policy “Night”, but Anna has quiet hours") {
		t.Errorf("%+v", x)
	}
	q.Now = moment(t, "2026-11-23T06:30:00Z")
	if x := only(t, route.Remind(d, q, &p, q.Now.Add(-time.Hour))); !x.Told || x.Reason != route.ReasonReminder {
		t.Errorf("after them: %+v", x)
	}
}

func TestLettersAndWebhooksOfContacts(t *testing.T) {
	base := office(route.Rule{Name: "all", ContactIDs: []string{"a"}})
	base.Mail, base.Hooks = true, []route.Hook{{ID: "siren", Name: "Siren"}, {ID: "every", Name: "Everything", Everything: true}}
	base.Contacts[0].Email, base.Contacts[0].Hook = "anna@example.org", "siren"
	with := func(f func(*route.Directory)) route.Directory {
		d := base
		d.Contacts, d.Rules = slices.Clone(base.Contacts), slices.Clone(base.Rules)
		f(&d)
		return d
	}
	q := problem(service, alert.Critical)
	every := "Everything webhook Everything hook_everything"
	named := func(channel string, f func(*route.Directory)) route.Directory {
		return with(func(d *route.Directory) { d.Rules[0].Channels = []string{channel}; f(d) })
	}
	for name, c := range map[string]struct {
		dir  route.Directory
		want []string
	}{
		"by all that they have":          {base, []string{every, "Anna browser rule", "Anna email anna@example.org rule", "Anna webhook Siren rule"}},
		"no letters where they are off":  {with(func(d *route.Directory) { d.Contacts[0].MailService = false }), []string{every, "Anna browser rule", "Anna webhook Siren rule"}},
		"no letters where mail is off":   {with(func(d *route.Directory) { d.Mail = false; d.Contacts[0].Hook = "" }), []string{every, "Anna browser rule"}},
		"a webhook that is gone is said": {with(func(d *route.Directory) { d.Contacts[0].Hook, d.Contacts[0].Email = "gone", "" }), []string{every, "Anna browser rule", "-Anna webhook no_webhook"}},
		"named: letters off":             {named(route.Email, func(d *route.Directory) { d.Contacts[0].MailService = false }), []string{every, "-Anna email mail_off"}},
		"named: no address":              {named(route.Email, func(d *route.Directory) { d.Contacts[0].Email = "" }), []string{every, "-Anna email no_address"}},
		"named: mail is off":             {named(route.Email, func(d *route.Directory) { d.Mail = false }), []string{every, "-Anna email channel_off"}},
		"named: may not sign in":         {named(route.Email, func(d *route.Directory) { d.Users = nil }), []string{every, "-Anna email user_disabled"}},
		"named: no webhook":              {named(route.Webhook, func(d *route.Directory) { d.Contacts[0].Hook = "" }), []string{every, "-Anna webhook no_webhook"}},
		"a webhook hears it once":        {with(func(d *route.Directory) { d.Rules[0].Hooks = []string{"siren", "every"} }), []string{every, "Siren webhook Siren rule", "Anna browser rule", "Anna email anna@example.org rule"}},
		"one that is off is said":        {with(func(d *route.Directory) { d.Rules[0].Hooks, d.Rules[0].ContactIDs = []string{"off"}, nil }), []string{every, "-webhook channel_off"}},
	} {
		if got := short(route.Decide(c.dir, q)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\ngot  %q\nwant %q", name, got, c.want)
		}
	}
	ack := ackHere("user-b")
	ack.Told = []route.Told{{ContactID: "a", Channels: []string{route.Email}}, {Destination: "every"}}
	if got := short(route.Decide(base, ack)); !reflect.DeepEqual(got, []string{"Everything webhook Everything told_before", "Anna email anna@example.org told_before"}) {
		t.Errorf("what became of it: %q", got)
	}
	joined := problem(service, alert.Critical, "Bob")
	joined.Joined, joined.Before = true, []string{"Anna"}
	if got := short(route.Decide(base, joined)); !reflect.DeepEqual(got, []string{"Bob browser named_by_engine"}) {
		t.Errorf("a further call: %q", got)
	}
}

func TestWhatFlapsIsToldWhenItIsCalm(t *testing.T) {
	d := office(route.Rule{Name: "all", ContactIDs: []string{"a"}, Rooms: []string{"ops"}})
	d.Chat, d.Rooms = true, []route.Room{{ID: "ops", Name: "Ops"}}
	for n, told := range map[alert.Notice]bool{alert.NoticeProblem: false, alert.NoticeRecovery: false, alert.NoticeFlapping: true, alert.NoticeAck: true, alert.NoticeDowntime: true} {
		q := notice(problem(service, alert.Critical), alert.Custom, n)
		q.Flapping = true
		for _, x := range route.Decide(d, q) {
			if x.Told != told || !told && x.Reason != route.ReasonFlapping {
				t.Errorf("%s: %+v", n, x)
			}
		}
	}
}

// Rules are found by what they name; that must leave out none that fits, and keep
// their order.
func TestRulesAreFoundAsIfEachWereTried(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 7))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	some := func(from ...string) (out []string) {
		for range rnd.IntN(3) {
			if x := pick(from...); !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
		return out
	}
	d := office()
	for i := range 400 {
		r := route.Rule{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Enabled: true, Rooms: []string{"gone" + fmt.Sprint(i)},
			Hosts:     some("web01", "WEB*", "db?", "*1", "w*1", "Web One", "ü*", "*eb0*", "?eb*1", "*b01*", "*EB O?e"),
			Services:  some("HTTP", "ht*", "*", "", "?isk", "Disk /", "*isk*", "*TT?"),
			SourceIDs: some("s1", "s2")}
		if rnd.IntN(2) == 0 {
			r.Labels = map[string]string{"team": pick("web", "W*", "", "*")}
		}
		if rnd.IntN(4) == 0 {
			r.States = []alert.State{alert.Critical}
		}
		d.Rules = append(d.Rules, r)
	}
	d = d.Indexed()
	for range 300 {
		o := alert.Object{SourceID: pick("s1", "s2", "s3"), Host: pick("web01", "db1", "WEB01", "über1"), Service: pick("", "HTTP", "Disk /"),
			HostDisplay: pick("", "Web One"), ServiceDisplay: pick("", "http check")}
		if rnd.IntN(2) == 0 {
			o.Labels = map[string]string{"team": pick("web", "Web", "other")}
		}
		state := alert.Critical
		if rnd.IntN(2) == 0 {
			state = alert.Warning
		}
		var got, want []string
		for _, x := range route.Decide(d, problem(o, state)) {
			if x.Rule != "" {
				got = append(got, x.Rule)
			}
		}
		for _, r := range d.Rules {
			if naive(r, o, state) {
				want = append(want, r.Name)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v %s\ngot  %v\nwant %v", o, state, got, want)
		}
	}
}

// naive says whether a rule fits, as its documentation says it.
func naive(r route.Rule, o alert.Object, s alert.State) bool {
	fits := func(patterns []string, names ...string) bool {
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return route.Match(p, n) })
		})
	}
	service := len(r.Services) == 0 || slices.Contains(r.Services, "") && o.Service == ""
	if o.Service != "" {
		service = fits(slices.DeleteFunc(slices.Clone(r.Services), func(p string) bool { return p == "" }), o.Service, o.ServiceName())
		if len(r.Services) == 1 && r.Services[0] == "" {
			service = false
		}
	}
	for name, p := range r.Labels {
		v, ok := o.Labels[name]
		if ok && !route.Match(p, v) || !ok && p != "" {
			return false
		}
	}
	return service && fits(r.Hosts, o.Host, o.HostName()) && (len(r.States) == 0 || slices.Contains(r.States, s)) &&
		(len(r.SourceIDs) == 0 || slices.Contains(r.SourceIDs, o.SourceID))
}
