package route_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/route"
)

// monday is a Monday at noon, UTC.
var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// person is a contact with a user, who hears of everything.
func person(id, name string, change ...func(*contact.Contact)) contact.Contact {
	c := contact.NewContact(name)
	c.ID, c.UserID = id, "user-"+id
	for _, f := range change {
		f(&c)
	}
	return c
}

// office is a directory of three people, a group, and what is given.
func office(rules ...route.Rule) route.Directory {
	night := contact.TimePeriod{ID: "night", Name: "Night", Zone: "Europe/Berlin"}
	for d := range night.Weekdays {
		night.Weekdays[d] = []contact.Range{{From: 0, To: 360}, {From: 1200, To: 1440}}
	}
	for i := range rules {
		rules[i].Enabled = true
	}
	return route.Directory{
		Contacts: []contact.Contact{
			person("a", "Anna"),
			person("b", "Bob", func(c *contact.Contact) { c.EngineUserID = "7" }),
			person("c", "Cleo", func(c *contact.Contact) { c.ServicePeriodID = "night" }),
		},
		Groups:  []contact.Group{{ID: "g", Name: "Operators", ContactIDs: []string{"c", "b", "gone"}}},
		Periods: []contact.TimePeriod{night},
		Users:   map[string]bool{"user-a": true, "user-b": true, "user-c": true},
		Rules:   rules,
	}
}

var (
	service = alert.Object{ID: "o1", SourceID: "nagios", Host: "web01", Service: "HTTP Check", HostDisplay: "Web One",
		Labels: map[string]string{"team": "Web"}}
	host = alert.Object{ID: "o2", SourceID: "nagios", Host: "web01"}
)

// problem asks about a firing alert that the engine tells.
func problem(o alert.Object, s alert.State, contacts ...string) route.Question {
	return route.Question{
		Event:  alert.Event{SourceID: o.SourceID, Object: o, Type: alert.Problem, State: s, Origin: alert.FromEngine, Contacts: contacts},
		Alert:  &alert.Alert{ID: "1", Object: o, Status: alert.Firing, State: s, Worst: s},
		Notice: alert.NoticeProblem,
		Now:    monday,
	}
}

func recovery(o alert.Object, worst alert.State, contacts ...string) route.Question {
	q := problem(o, o.Kind().Good(), contacts...)
	q.Event.Type, q.Notice = alert.Recovery, alert.NoticeRecovery
	q.Alert.Status, q.Alert.Worst = alert.Resolved, worst
	return q
}

func notice(q route.Question, t alert.Type, n alert.Notice) route.Question {
	q.Event.Type, q.Notice = t, n
	return q
}

// ackHere asks about an acknowledgement in the console.
func ackHere(user string, told ...string) route.Question {
	q := notice(problem(service, alert.Critical), alert.Acknowledgement, alert.NoticeAck)
	q.Event.Origin, q.Event.UserID, q.Told = alert.FromConsole, user, toldBefore(told...)
	return q
}

// toldBefore are contacts that were told by every channel.
func toldBefore(ids ...string) []route.Told {
	var out []route.Told
	for _, id := range ids {
		out = append(out, route.Told{ContactID: id})
	}
	return out
}

// short is a decision as "Anna browser rule", with a minus in front for those
// who are not told.
func short(ds []route.Decision) []string {
	var out []string
	for _, d := range ds {
		s := strings.Join(strings.Fields(d.ContactName+" "+d.Channel+" "+d.DestinationName+" "+string(d.Reason)), " ")
		if !d.Told {
			s = "-" + s
		}
		out = append(out, s)
	}
	return out
}

type decideCase struct {
	name string
	dir  route.Directory
	q    route.Question
	want []string
	why  string // part of the last decision's reason
}

func run(t *testing.T, tests []decideCase) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := route.Decide(tt.dir, tt.q)
			if !reflect.DeepEqual(short(got), tt.want) {
				t.Errorf("got  %q\nwant %q", short(got), tt.want)
			}
			for _, d := range got {
				if d.Why == "" || d.Told && (d.ContactID == "" && d.Channel != route.Mattermost || d.Channel == "" || d.Destination != "phone of "+d.DestinationName && d.Channel == route.Webpush) {
					t.Errorf("incomplete: %+v", d)
				}
			}
			if len(got) > 0 && !strings.Contains(got[len(got)-1].Why, tt.why) {
				t.Errorf("why %q, want %q in it", got[len(got)-1].Why, tt.why)
			}
			if again := route.Decide(tt.dir.Indexed(), tt.q); !reflect.DeepEqual(got, again) {
				t.Errorf("an indexed directory decides otherwise:\n%+v\n%+v", got, again)
			}
		})
	}
}

func TestWhoIsACandidate(t *testing.T) {
	all := route.Rule{Name: "All", ContactIDs: []string{"a"}}
	ops := route.Rule{Name: "Ops", GroupIDs: []string{"g"}}
	inferred := notice(recovery(service, alert.Critical, "Anna"), alert.DowntimeEnd, alert.NoticeRecovery)
	inferred.Told = toldBefore("b", "a")
	named := problem(service, alert.Critical)
	named.Event.UserIDs = []string{"7", "8"}
	off := office(all)
	off.Rules[0].Enabled = false
	run(t, []decideCase{
		{"no notice, nobody comes into question", office(all), notice(problem(service, alert.Critical), alert.Problem, alert.NoNotice), nil, ""},
		{"the engine names a contact", office(all), problem(service, alert.Critical, "Bob"),
			[]string{"Bob browser named_by_engine"}, "the engine named this contact"},
		{"in other letters, and twice", office(all), problem(service, alert.Critical, "BOB", "bob"),
			[]string{"Bob browser named_by_engine"}, ""},
		{"the engine names its user", office(all), named,
			[]string{"Bob browser named_by_engine", "-user 8 contact_unknown"}, "enter 8 as the engine user id"},
		{"one known, one not: rules are not asked", office(all), problem(service, alert.Critical, "Opps", "Bob"),
			[]string{"-Opps contact_unknown", "Bob browser named_by_engine"}, ""},
		{"nobody known: rules are asked so that nothing is lost", office(all), problem(service, alert.Critical, "Opps"),
			[]string{"-Opps contact_unknown", "Anna browser rule"}, "the engine named nobody who is known here"},
		{"nobody known and no rule", office(), problem(service, alert.Critical, "Opps"),
			[]string{"-Opps contact_unknown", "-no_rule"}, "no rule fits HTTP Check on Web One (Critical)"},
		{"the rule names contacts and groups", office(all, ops), problem(service, alert.Critical),
			[]string{"Anna browser rule", "Cleo browser outside_period", "Bob browser rule"}, "rule “Ops” chose group “Operators”"},
		{"each contact once", office(all, all, route.Rule{Name: "More", ContactIDs: []string{"b", "a"}, GroupIDs: []string{"g"}}), problem(host, alert.Down),
			[]string{"Anna browser rule", "Bob browser rule", "Cleo browser rule"}, ""},
		{"who is kept from it is so once", office(ops, ops), problem(service, alert.Critical),
			[]string{"Cleo browser outside_period", "Bob browser rule"}, ""},
		{"stop is honoured", office(route.Rule{Name: "First", ContactIDs: []string{"b"}, Stop: true}, all), problem(service, alert.Critical),
			[]string{"Bob browser rule"}, ""},
		{"a rule that does not fit stops nothing", office(route.Rule{Name: "First", Hosts: []string{"db*"}, ContactIDs: []string{"b"}, Stop: true}, all), problem(service, alert.Critical),
			[]string{"Anna browser rule"}, ""},
		{"a rule that is off is not asked", off, problem(service, alert.Critical),
			[]string{"-no_rule"}, "make a rule"},
		{"a rule that leads to nobody says so", office(route.Rule{Name: "Empty", ContactIDs: []string{"gone"}}), problem(service, alert.Critical),
			[]string{"-no_rule"}, "rule “Empty” fits, but leads to nobody"},
		{"what is done here goes to those who were told", office(all), ackHere("user-x", "b", "gone", "a", "b"),
			[]string{"Anna browser told_before", "Bob browser told_before"}, "was told of the problem"},
		{"but not to who did it", office(all), ackHere("user-a", "b", "a"),
			[]string{"-Anna own_action", "Bob browser told_before"}, ""},
		{"nobody had been told", office(all), ackHere("user-a"),
			[]string{"-silent"}, "nobody had been told"},
		{"an acknowledgement of the engine is routed as events are", office(all), notice(problem(service, alert.Critical), alert.Acknowledgement, alert.NoticeAck),
			[]string{"Anna browser rule"}, ""},
		{"a recovery found out by a downtime's end goes to those who were told too", office(), inferred,
			[]string{"Anna browser told_before", "Bob browser told_before"}, ""},
	})
}

func TestRulesFit(t *testing.T) {
	rule := func(r route.Rule) route.Directory {
		r.Name, r.ContactIDs = "R", []string{"a"}
		return office(r)
	}
	yes, no := []string{"Anna browser rule"}, []string{"-no_rule"}
	run(t, []decideCase{
		{"source", rule(route.Rule{SourceIDs: []string{"x", "nagios"}}), problem(service, alert.Critical), yes, ""},
		{"other source", rule(route.Rule{SourceIDs: []string{"x"}}), problem(service, alert.Critical), no, ""},
		{"host by name in other letters", rule(route.Rule{Hosts: []string{"WEB01"}}), problem(service, alert.Critical), yes, ""},
		{"host by display name", rule(route.Rule{Hosts: []string{"web one"}}), problem(service, alert.Critical), yes, ""},
		{"host by pattern", rule(route.Rule{Hosts: []string{"db*", "w?b*"}}), problem(service, alert.Critical), yes, ""},
		{"other host", rule(route.Rule{Hosts: []string{"web02"}}), problem(service, alert.Critical), no, ""},
		{"service by pattern", rule(route.Rule{Services: []string{"http*"}}), problem(service, alert.Critical), yes, ""},
		{"other service", rule(route.Rule{Services: []string{"ssh", ""}}), problem(service, alert.Critical), no, ""},
		{"a host alert fits no service pattern", rule(route.Rule{Services: []string{"*"}}), problem(host, alert.Down), no, ""},
		{"but the empty one", rule(route.Rule{Services: []string{"x", ""}}), problem(host, alert.Down), yes, ""},
		{"state", rule(route.Rule{States: []alert.State{alert.Critical}}), problem(service, alert.Critical), yes, ""},
		{"other state", rule(route.Rule{States: []alert.State{alert.Critical}}), problem(service, alert.Warning), no, ""},
		{"a recovery fits by the worst state", rule(route.Rule{States: []alert.State{alert.Critical}}), recovery(service, alert.Critical), yes, ""},
		{"a recovery of less does not", rule(route.Rule{States: []alert.State{alert.Critical}}), recovery(service, alert.Warning), no, ""},
		{"label", rule(route.Rule{Labels: map[string]string{"team": "w*"}}), problem(service, alert.Critical), yes, ""},
		{"other label", rule(route.Rule{Labels: map[string]string{"team": "db"}}), problem(service, alert.Critical), no, ""},
		{"a label that is not there", rule(route.Rule{Labels: map[string]string{"tier": "*"}}), problem(service, alert.Critical), no, ""},
		{"a label that must not be there", rule(route.Rule{Labels: map[string]string{"tier": ""}}), problem(service, alert.Critical), yes, ""},
		{"all at once", rule(route.Rule{SourceIDs: []string{"nagios"}, Hosts: []string{"web01"}, Services: []string{"*"},
			States: []alert.State{alert.Critical}, Labels: map[string]string{"team": "web"}, Channels: []string{route.Browser}}), problem(service, alert.Critical), yes, ""},
	})
}

func TestRulesAreTriedInTheirOrder(t *testing.T) {
	// By name of host, by display name and by pattern: found in three ways.
	d := office(
		route.Rule{Name: "1", Hosts: []string{"web one"}, ContactIDs: []string{"b"}},
		route.Rule{Name: "2", ContactIDs: []string{"a", "b"}},
		route.Rule{Name: "3", Hosts: []string{"web01", "WEB01", "web one"}, GroupIDs: []string{"g"}, Stop: true},
		route.Rule{Name: "4", ContactIDs: []string{"a"}},
	)
	var got []string
	for _, x := range route.Decide(d, problem(service, alert.Critical)) {
		got = append(got, x.Rule+x.ContactName)
	}
	if want := []string{"1Bob", "2Anna", "3Cleo"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatKeepsACandidateFromBeingTold(t *testing.T) {
	with := func(f func(*contact.Contact)) route.Directory {
		d := office()
		f(&d.Contacts[0])
		return d
	}
	told := []string{"Anna browser named_by_engine"}
	not := func(r route.Reason) []string { return []string{"-Anna " + string(r)} }
	by := func(r route.Reason) []string { return []string{"-Anna browser " + string(r)} }
	hostOptions := func(o contact.Options) route.Directory {
		return with(func(c *contact.Contact) { c.HostOptions = o })
	}
	options := func(o contact.Options) route.Directory {
		return with(func(c *contact.Contact) { c.ServiceOptions = o })
	}
	disabled := office()
	disabled.Users = map[string]bool{"user-a": false}
	everything := with(func(c *contact.Contact) {
		c.ServiceNotifications, c.ServiceOptions, c.ServicePeriodID, c.PushService, c.UserID = false, "n", "night", false, ""
	})
	onlyPeriod := with(func(c *contact.Contact) { c.ServicePeriodID = "night" })
	atNight := problem(service, alert.Critical, "Anna")
	atNight.Now = monday.Add(9 * time.Hour)
	flapping := func(o alert.Object) route.Question {
		return notice(problem(o, o.Kind().Missing(), "Anna"), alert.FlappingStart, alert.NoticeFlapping)
	}
	downtime := func(o alert.Object) route.Question {
		return notice(problem(o, o.Kind().Missing(), "Anna"), alert.DowntimeEnd, alert.NoticeDowntime)
	}
	run(t, []decideCase{
		{"the first that applies is given", everything, problem(service, alert.Critical, "Anna"), not(route.ReasonDisabled), "the engine named this contact, but all notifications for services are switched off"},
		{"host switches do not count for services", with(func(c *contact.Contact) {
			c.HostNotifications, c.HostOptions, c.HostPeriodID, c.PushHost = false, "n", "night", false
		}), problem(service, alert.Critical, "Anna"), told, ""},
		{"service switches do not count for hosts", everything, problem(host, alert.Down, "Anna"), by(route.ReasonNoUser), ""},
		{"host notifications off", with(func(c *contact.Contact) { c.HostNotifications = false }), problem(host, alert.Down, "Anna"), not(route.ReasonDisabled), ""},
		{"d off", hostOptions("u,r,f,s"), problem(host, alert.Down, "Anna"), not(route.ReasonOption), "leave out Down (d)"},
		{"d on", hostOptions("d"), problem(host, alert.Down, "Anna"), told, ""},
		{"u off for a host", hostOptions("d,r,f,s"), problem(host, alert.Unreachable, "Anna"), not(route.ReasonOption), "(u)"},
		{"w off", options("u,c,r,f,s"), problem(service, alert.Warning, "Anna"), not(route.ReasonOption), "leave out Warning (w)"},
		{"u off", options("w,c,r,f,s"), problem(service, alert.Unknown, "Anna"), not(route.ReasonOption), "(u)"},
		{"c off", options("w,u,r,f,s"), problem(service, alert.Critical, "Anna"), not(route.ReasonOption), "(c)"},
		{"c on", options("c"), problem(service, alert.Critical, "Anna"), told, ""},
		{"r off", options("w,u,c,f,s"), recovery(service, alert.Critical, "Anna"), not(route.ReasonOption), "leave out recoveries (r)"},
		{"r on", options("r"), recovery(service, alert.Critical, "Anna"), told, ""},
		{"f off", options("w,u,c,r,s"), flapping(service), not(route.ReasonOption), "(f)"},
		{"f on", hostOptions("f"), flapping(host), told, ""},
		{"s off", hostOptions("d,u,r,f"), downtime(host), not(route.ReasonOption), "(s)"},
		{"s on", options("s"), downtime(service), told, ""},
		{"acknowledgements are not subject to options", options("n"), notice(problem(service, alert.Critical, "Anna"), alert.Acknowledgement, alert.NoticeAck), told, ""},
		{"nor are custom notifications", hostOptions("n"), notice(problem(host, alert.Up, "Anna"), alert.Custom, alert.NoticeCustom), told, ""},
		{"what people do, outside the period", onlyPeriod, notice(problem(service, alert.Critical, "Anna"), alert.Acknowledgement, alert.NoticeAck), not(route.ReasonPeriod),
			"outside the time period “Night”, which opens on Monday 23 November at 20:00 (Europe/Berlin)"},
		{"outside the period it waits for its beginning", onlyPeriod, problem(service, alert.Critical, "Anna"), []string{"Anna browser outside_period"},
			"outside the time period “Night”, which opens on Monday 23 November at 20:00 (Europe/Berlin)"},
		{"inside the period", onlyPeriod, atNight, told, ""},
		{"a period that is gone keeps nobody from it", with(func(c *contact.Contact) { c.ServicePeriodID = "gone" }), problem(service, alert.Critical, "Anna"), told, ""},
		{"push off for services", with(func(c *contact.Contact) { c.PushService = false }), problem(service, alert.Critical, "Anna"), by(route.ReasonPushOff), ""},
		{"push off for hosts", with(func(c *contact.Contact) { c.PushHost = false }), problem(host, alert.Down, "Anna"), by(route.ReasonPushOff), ""},
		{"no user", with(func(c *contact.Contact) { c.UserID = "" }), problem(service, alert.Critical, "Anna"), by(route.ReasonNoUser), "no user is linked to Anna"},
		{"the user may not sign in", disabled, problem(service, alert.Critical, "Anna"), by(route.ReasonUserDisabled), ""},
	})
}

// devices gives people devices, named by their users, and switches Web Push on.
func devices(d route.Directory, names ...string) route.Directory {
	d.WebPush, d.Devices = true, map[string][]route.Device{}
	for _, n := range names {
		user, _, _ := strings.Cut(n, ".")
		d.Devices["user-"+user] = append(d.Devices["user-"+user], route.Device{ID: "phone of " + n, Name: n})
	}
	return d
}

func TestWebPushIsOneDecisionForEachDevice(t *testing.T) {
	with := func(d route.Directory, f func(*contact.Contact)) route.Directory {
		f(&d.Contacts[0])
		return d
	}
	all := route.Rule{Name: "All", ContactIDs: []string{"a", "b"}}
	push := route.Rule{Name: "Push", ContactIDs: []string{"a", "b"}, Channels: []string{route.Webpush}}
	tab := route.Rule{Name: "Tab", ContactIDs: []string{"a"}, Channels: []string{route.Browser}}
	off := devices(office(push), "a.1")
	off.WebPush = false
	offUnnamed := devices(office(all), "a.1")
	offUnnamed.WebPush = false
	disabled := devices(office(push), "a.1", "b.1")
	disabled.Users = map[string]bool{"user-b": true}
	toldByTab := ackHere("user-x", "a")
	toldByTab.Told[0].Channels = []string{route.Browser}
	toldByPush := ackHere("user-x", "a", "b")
	toldByPush.Told[0].Channels = []string{route.Webpush}
	q := problem(service, alert.Critical)
	run(t, []decideCase{
		{"each device, after the tabs", devices(office(all), "a.1", "a.2"), q,
			[]string{"Anna browser rule", "Anna webpush a.1 rule", "Anna webpush a.2 rule", "Bob browser rule"}, ""},
		{"whom the engine names, too", devices(office(), "a.1"), problem(service, alert.Critical, "Anna", "Bob"),
			[]string{"Anna browser named_by_engine", "Anna webpush a.1 named_by_engine", "Bob browser named_by_engine"}, ""},
		{"a rule that names it", devices(office(push), "a.1"), q,
			[]string{"Anna webpush a.1 rule", "-Bob webpush no_device"}, "no device of Bob takes Web Push yet; it is switched on in the console under My devices"},
		{"nobody has a device", devices(office(push)), q,
			[]string{"-Anna webpush no_device", "-Bob webpush no_device"}, ""},
		{"nobody has a device and no rule names it: no line about it", devices(office(all)), q,
			[]string{"Anna browser rule", "Bob browser rule"}, ""},
		{"off in the settings", off, q, []string{"-Anna webpush channel_off", "-Bob webpush channel_off"}, "Web Push is switched off in the settings"},
		{"off and no rule names it: no line about it", offUnnamed, q, []string{"Anna browser rule", "Bob browser rule"}, ""},
		{"one rule for all, one that names it", devices(office(all, push), "a.1"), q,
			[]string{"Anna browser rule", "Anna webpush a.1 rule", "Bob browser rule", "-Bob webpush no_device"}, ""},
		{"a rule for tabs alone", devices(office(tab), "a.1"), q, []string{"Anna browser rule"}, ""},
		{"push off for services", with(devices(office(all), "a.1", "a.2"), func(c *contact.Contact) { c.PushService = false }), q,
			[]string{"-Anna browser push_off", "-Anna webpush push_off", "Bob browser rule"}, ""},
		{"push off for hosts does not count", with(devices(office(tab, push), "a.1"), func(c *contact.Contact) { c.PushHost = false }), q,
			[]string{"Anna browser rule", "Anna webpush a.1 rule", "-Bob webpush no_device"}, ""},
		{"no user", with(devices(office(push), "b.1"), func(c *contact.Contact) { c.UserID = "" }), q,
			[]string{"-Anna webpush no_user", "Bob webpush b.1 rule"}, ""},
		{"the user may not sign in", disabled, q, []string{"-Anna webpush user_disabled", "Bob webpush b.1 rule"}, ""},
		{"options count as for tabs", with(devices(office(all), "a.1"), func(c *contact.Contact) { c.ServiceOptions = "w" }), q,
			[]string{"-Anna option_off", "Bob browser rule"}, ""},
		{"who was told by tabs alone hears the rest by tabs", devices(office(all), "a.1"), toldByTab, []string{"Anna browser told_before"}, ""},
		{"who was told by push alone hears the rest by push", devices(office(all), "a.1", "b.1"), toldByPush,
			[]string{"Anna webpush a.1 told_before", "Bob browser told_before", "Bob webpush b.1 told_before"}, ""},
	})
}

func TestASnoozeKeepsProblemsFromItsContactAlone(t *testing.T) {
	d := devices(office(route.Rule{Name: "All", ContactIDs: []string{"a", "b"}}), "a.1")
	snoozed := func(q route.Question, until time.Duration) route.Question {
		q.Snoozed = map[string]time.Time{"a": q.Now.Add(until)}
		return q
	}
	q := problem(service, alert.Critical)
	told := []string{"Anna browser rule", "Anna webpush a.1 rule", "Bob browser rule"}
	run(t, []decideCase{
		{"while it lasts", d, snoozed(q, time.Minute), []string{"-Anna snoozed", "Bob browser rule"}, ""},
		{"and says until when", d, snoozed(problem(service, alert.Critical, "Anna"), time.Hour), []string{"-Anna snoozed"},
			"Anna snoozed this problem until 13:00 UTC on 23 November"},
		{"when it is over", d, snoozed(q, 0), told, ""},
		{"a recovery is told", d, snoozed(recovery(service, alert.Critical), time.Minute), told, ""},
		{"an acknowledgement is told", d, snoozed(notice(q, alert.Acknowledgement, alert.NoticeAck), time.Minute), told, ""},
	})
}

func TestDirectoryKnowsWhomItCanReach(t *testing.T) {
	d := devices(office(), "a.1")
	if c, ok := d.Contact("b"); !ok || c.Name != "Bob" {
		t.Errorf("contact %+v, %t", c, ok)
	}
	if _, ok := d.Contact("nobody"); ok {
		t.Error("a contact that does not exist was found")
	}
	off, disabled := d, d
	off.WebPush = false
	disabled.Users = nil
	for _, c := range []struct {
		name         string
		dir          route.Directory
		user, device string
		want         bool
	}{
		{"a device of the user", d, "user-a", "phone of a.1", true},
		{"of another user", d, "user-b", "phone of a.1", false},
		{"that is gone", d, "user-a", "phone of a.2", false},
		{"Web Push is off", off, "user-a", "phone of a.1", false},
		{"the user may not sign in", disabled, "user-a", "phone of a.1", false},
	} {
		if got := c.dir.Reaches(c.user, c.device); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if !d.Pushes() || off.Pushes() || office().Pushes() {
		t.Error("whether Web Push reaches anybody")
	}
}

func ExampleDecide() {
	anna := contact.NewContact("anna")
	anna.ID, anna.UserID, anna.DisplayName = "1", "u1", "Anna"
	bob := contact.NewContact("bob")
	bob.ID, bob.UserID, bob.DisplayName, bob.ServiceOptions = "2", "u2", "Bob", "c,r"

	d := route.Directory{
		Contacts: []contact.Contact{anna, bob},
		Groups:   []contact.Group{{ID: "g1", Name: "Operators", ContactIDs: []string{"1", "2"}}},
		Rules:    []route.Rule{{Name: "Night shift", Enabled: true, Hosts: []string{"web*"}, GroupIDs: []string{"g1"}}},
		Users:    map[string]bool{"u1": true, "u2": true},
	}.Indexed()

	web := alert.Object{SourceID: "nagios", Host: "web01", Service: "HTTP"}
	for _, decision := range route.Decide(d, route.Question{
		Event:  alert.Event{Object: web, Type: alert.Problem, State: alert.Warning},
		Alert:  &alert.Alert{Object: web, Status: alert.Firing, State: alert.Warning, Worst: alert.Warning},
		Notice: alert.NoticeProblem,
		Now:    time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
	}) {
		fmt.Println(decision.ContactName, decision.Told, decision.Reason)
		fmt.Println("  " + decision.Why)
	}
	// Output:
	// Anna true rule
	//   rule “Night shift” chose group “Operators”
	// Bob false option_off
	//   rule “Night shift” chose group “Operators”, but the service options of Bob leave out Warning (w)
}
