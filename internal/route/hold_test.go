package route_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// daily is a time period of the same ranges every day.
func daily(id, zone string, ranges ...contact.Range) contact.TimePeriod {
	p := contact.TimePeriod{ID: id, Name: id, Zone: zone}
	for d := range p.Weekdays {
		p.Weekdays[d] = ranges
	}
	return p
}

func clock(h, m int) int { return h*60 + m }

// night are quiet hours from 22:00 to 06:30.
func night(zone string) contact.TimePeriod {
	return daily("quiet", zone, contact.Range{From: 0, To: clock(6, 30)}, contact.Range{From: clock(22, 0), To: 1440})
}

// quiet is an office whose Anna has quiet hours.
func quiet(p contact.TimePeriod, pass string) route.Directory {
	d := office()
	d.Periods = append(d.Periods, p)
	d.Contacts[0].QuietPeriodID, d.Contacts[0].QuietPass = p.ID, pass
	return d
}

func at(q route.Question, now time.Time) route.Question {
	q.Now = now
	return q
}

// only answers the one decision that there is.
func only(t *testing.T, ds []route.Decision) route.Decision {
	t.Helper()
	if len(ds) != 1 {
		t.Fatalf("%d decisions: %q", len(ds), short(ds))
	}
	return ds[0]
}

func wantHeld(t *testing.T, d route.Decision, reason route.Reason, until time.Time, why string) {
	t.Helper()
	if !d.Told || d.Reason != reason || !d.HoldUntil.Equal(until) || !strings.Contains(d.Why, why) {
		t.Errorf("told %v, %s until %s: %s\nwant %s until %s: … %s", d.Told, d.Reason, d.HoldUntil.UTC(), d.Why, reason, until.UTC(), why)
	}
}

// The ends of nights in which the clock changes are those that the clock shows.
func TestQuietHoursEndByTheClock(t *testing.T) {
	for _, c := range []struct{ zone, now, until string }{
		{"Europe/Berlin", "2026-11-22T22:00:00Z", "2026-11-23T05:30:00Z"},
		{"Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T04:30:00Z"},
		{"Europe/Berlin", "2026-10-24T21:00:00Z", "2026-10-25T05:30:00Z"},
		{"America/New_York", "2026-03-08T04:00:00Z", "2026-03-08T10:30:00Z"},
		{"America/New_York", "2026-11-01T03:00:00Z", "2026-11-01T11:30:00Z"},
		{"Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T20:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T19:30:00Z"},
		{"Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T16:30:00Z"}, // 29 December 23:00 to 31 December 06:30
	} {
		d := only(t, route.Decide(quiet(night(c.zone), ""), at(problem(service, alert.Critical, "Anna"), moment(t, c.now))))
		wantHeld(t, d, route.ReasonQuiet, moment(t, c.until), "Anna has quiet hours (“quiet”) until ")
		if !strings.Contains(d.Why, "06:30 ("+c.zone+")") {
			t.Errorf("%s: %s", c.zone, d.Why)
		}
	}
}

func TestWhatPassesQuietHours(t *testing.T) {
	now := moment(t, "2026-11-22T23:00:00Z")
	told, held, skipped := "told", "held", "skipped"
	for _, c := range []struct {
		name string
		pass string
		q    route.Question
		want string
	}{
		{"nothing does, if nothing is to", contact.QuietNothing, problem(service, alert.Critical, "Anna"), held},
		{"critical does", contact.QuietCritical, problem(service, alert.Critical, "Anna"), told},
		{"down does", contact.QuietCritical, problem(host, alert.Down, "Anna"), told},
		{"a warning does not pass as critical", contact.QuietCritical, problem(service, alert.Warning, "Anna"), held},
		{"nor does unreachable", contact.QuietCritical, problem(host, alert.Unreachable, "Anna"), held},
		{"a warning passes where warnings do", contact.QuietWarning, problem(service, alert.Warning, "Anna"), told},
		{"unreachable, too", contact.QuietWarning, problem(host, alert.Unreachable, "Anna"), told},
		{"a recovery waits", contact.QuietWarning, recovery(service, alert.Critical, "Anna"), held},
		{"an acknowledgement is told at once or never", contact.QuietWarning, notice(problem(service, alert.Critical, "Anna"), alert.Acknowledgement, alert.NoticeAck), skipped},
		{"flapping is, too", contact.QuietCritical, notice(problem(service, alert.Critical, "Anna"), alert.FlappingStart, alert.NoticeFlapping), skipped},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := only(t, route.Decide(quiet(night("UTC"), c.pass), at(c.q, now)))
			got := told
			switch {
			case !d.Told:
				got = skipped
			case !d.HoldUntil.IsZero():
				got = held
			}
			if got != c.want || got != told && d.Reason != route.ReasonQuiet {
				t.Errorf("%s, want %s: %+v", got, c.want, d)
			}
		})
	}
	t.Run("whoever is on call is told of everything", func(t *testing.T) {
		dir := quiet(night("UTC"), "")
		dir.Schedules = []oncall.Schedule{{ID: "s", Name: "Night shift", Layers: []oncall.Layer{{ContactIDs: []string{"a"}, Start: "2026-01-01T00:00", Every: 1, Unit: oncall.Weeks}}}}
		for _, q := range []route.Question{problem(service, alert.Warning, "Anna"), recovery(service, alert.Critical, "Anna"),
			notice(problem(service, alert.Critical, "Anna"), alert.Acknowledgement, alert.NoticeAck)} {
			d := only(t, route.Decide(dir, at(q, now)))
			if !d.Told || !d.HoldUntil.IsZero() || !strings.Contains(d.Why, "is on call, so quiet hours hold nothing back") {
				t.Errorf("%s: %+v", q.Notice, d)
			}
		}
		dir.Windows = []window.Window{{Name: "Patches", Enabled: true, Start: "2026-11-22T22:30", Minutes: 60}}
		wantHeld(t, only(t, route.Decide(dir, at(problem(service, alert.Critical, "Anna"), now))), route.ReasonWindow, now.Add(30*time.Minute), "it is in maintenance (“Patches”) until ")
	})
	t.Run("quiet hours that cover the whole week say so", func(t *testing.T) {
		d := only(t, route.Decide(quiet(daily("quiet", "Europe/Berlin", contact.Range{From: 0, To: 1440}), ""), at(problem(service, alert.Critical, "Anna"), now)))
		if d.Told || d.Reason != route.ReasonQuiet || !strings.Contains(d.Why, "do not end within a week; shorten") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a period that is gone holds nothing", func(t *testing.T) {
		dir := quiet(night("UTC"), "")
		dir.Periods = nil
		if d := only(t, route.Decide(dir, at(problem(service, alert.Critical, "Anna"), now))); !d.Told || !d.HoldUntil.IsZero() {
			t.Errorf("%+v", d)
		}
	})
}

func TestTimePeriodsHold(t *testing.T) {
	dir := office()
	dir.Periods = []contact.TimePeriod{
		daily("day", "Europe/Berlin", contact.Range{From: clock(8, 0), To: clock(18, 0)}),
		{ID: "once", Name: "once", Exceptions: []contact.Exception{{First: "2026-12-24", Ranges: []contact.Range{{From: 0, To: 1440}}}}},
		{ID: "never", Name: "never"},
	}
	with := func(period, quiet string) route.Directory {
		d := dir
		d.Contacts = append([]contact.Contact(nil), dir.Contacts...)
		d.Contacts[0].ServicePeriodID, d.Contacts[0].QuietPeriodID = period, quiet
		return d
	}
	evening := moment(t, "2026-11-23T20:00:00Z")
	q := at(problem(service, alert.Critical, "Anna"), evening)
	wantHeld(t, only(t, route.Decide(with("day", ""), q)), route.ReasonPeriod, moment(t, "2026-11-24T07:00:00Z"), "which opens on Tuesday 24 November at 08:00 (Europe/Berlin)")
	for _, id := range []string{"once", "never"} {
		d := only(t, route.Decide(with(id, ""), q))
		if d.Told || d.Reason != route.ReasonPeriod || !strings.Contains(d.Why, "does not open within a week") {
			t.Errorf("%s: %+v", id, d)
		}
	}
	if d := only(t, route.Decide(with("once", ""), at(q, moment(t, "2026-12-17T00:00:00Z")))); !d.HoldUntil.Equal(moment(t, "2026-12-24T00:00:00Z")) {
		t.Errorf("in exactly a week: %+v", d)
	}
	t.Run("a hold ends when nothing holds any more", func(t *testing.T) {
		// Quiet until 09:00, and the period opens at 08:00.
		d := with("day", "quiet")
		d.Periods = append(d.Periods, daily("quiet", "Europe/Berlin", contact.Range{From: 0, To: clock(9, 0)}))
		wantHeld(t, only(t, route.Decide(d, q)), route.ReasonQuiet, moment(t, "2026-11-24T08:00:00Z"), "quiet hours")
		// Quiet for all of the time in which the period is open: never both.
		d.Periods[len(d.Periods)-1] = daily("quiet", "Europe/Berlin", contact.Range{From: clock(7, 0), To: clock(19, 0)})
		if got := only(t, route.Decide(d, q)); got.Told {
			t.Errorf("%+v", got)
		}
	})
}

func TestMaintenanceHolds(t *testing.T) {
	dir := office(route.Rule{Name: "all", ContactIDs: []string{"b"}, Rooms: []string{"ops"}, Hooks: []string{"siren"}})
	dir.Chat, dir.Rooms = true, []route.Room{{ID: "ops", Name: "Ops"}}
	dir.Hooks = []route.Hook{{ID: "siren", Name: "Siren"}}
	now := moment(t, "2026-11-23T12:00:00Z")
	on := func(minutes int, change ...func(*window.Window)) window.Window {
		w := window.Window{Name: "W", Enabled: true, Start: "2026-11-23T11:00", Minutes: 60 + minutes}
		for _, f := range change {
			f(&w)
		}
		return w
	}
	fits := map[string]struct {
		windows []window.Window
		until   time.Duration // zero: not held
	}{
		"all objects":                 {[]window.Window{on(30)}, 30 * time.Minute},
		"its host by pattern":         {[]window.Window{on(30, func(w *window.Window) { w.Hosts = []string{"WEB*"} })}, 30 * time.Minute},
		"its label":                   {[]window.Window{on(30, func(w *window.Window) { w.Labels = map[string]string{"team": "web"} })}, 30 * time.Minute},
		"another source":              {[]window.Window{on(30, func(w *window.Window) { w.Sources = []string{"other"} })}, 0},
		"hosts only":                  {[]window.Window{on(30, func(w *window.Window) { w.Services = []string{""} })}, 0},
		"another service":             {[]window.Window{on(30, func(w *window.Window) { w.Services = []string{"Ping"} })}, 0},
		"one that is switched off":    {[]window.Window{on(30, func(w *window.Window) { w.Enabled = false })}, 0},
		"one that cannot be read":     {[]window.Window{on(30, func(w *window.Window) { w.Zone = "Mars/Olympus" })}, 0},
		"one that is over":            {[]window.Window{on(0)}, 0},
		"two that overlap":            {[]window.Window{on(30), on(90)}, 90 * time.Minute},
		"one that follows":            {[]window.Window{on(30), {Name: "Next", Enabled: true, Start: "2026-11-23T12:30", Minutes: 30}}, time.Hour},
		"one that follows later":      {[]window.Window{on(30), {Name: "Next", Enabled: true, Start: "2026-11-23T12:31", Minutes: 30}}, 30 * time.Minute},
		"two days of the calendar":    {[]window.Window{{Name: "WE", Enabled: true, Zone: "Europe/Berlin", Start: "2026-11-23T00:00", Minutes: 2880}}, 35 * time.Hour},
		"daily, whole days, for ever": {[]window.Window{{Name: "Off", Enabled: true, Start: "2026-11-23T00:00", Minutes: 1440, RRule: "FREQ=DAILY"}}, -1},
	}
	for name, c := range fits {
		t.Run(name, func(t *testing.T) {
			d := dir
			d.Windows = c.windows
			o := service
			o.Labels = map[string]string{"team": "web"}
			got := route.Decide(d, at(problem(o, alert.Critical), now))
			if len(got) != 3 {
				t.Fatalf("%q", short(got))
			}
			for _, x := range got {
				switch {
				case c.until < 0 && x.Told || c.until >= 0 && !x.Told:
					t.Errorf("%+v", x)
				case c.until > 0:
					wantHeld(t, x, route.ReasonWindow, now.Add(c.until), "it is in maintenance (“")
				case c.until == 0 && !x.HoldUntil.IsZero():
					t.Errorf("%+v", x)
				}
			}
		})
	}
	d := dir
	d.Windows = []window.Window{on(30)}
	for n, want := range map[alert.Notice]bool{alert.NoticeProblem: true, alert.NoticeRecovery: true, alert.NoticeFlapping: true,
		alert.NoticeAck: false, alert.NoticeDowntime: false, alert.NoticeCustom: false} {
		for _, x := range route.Decide(d, at(notice(problem(service, alert.Critical, "Bob"), alert.Custom, n), now)) {
			if x.Told && x.HoldUntil.IsZero() == want {
				t.Errorf("%s: held %v", n, !want)
			}
		}
	}
	if until, names := route.Held(d, service, now); !until.Equal(now.Add(30*time.Minute)) || !reflect.DeepEqual(names, []string{"W"}) {
		t.Errorf("Held: %s %q", until, names)
	}
}

// Two contacts share a room: that one of them has quiet hours keeps nothing from the
// other.
func TestARoomIsToldAsSoonAsOneOfItsContactsIs(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		d := quiet(night("UTC"), "")
		d.Rules = []route.Rule{{Name: "all", Enabled: true, ContactIDs: order, Channels: []string{route.Mattermost}}}
		d.Chat, d.Rooms = true, []route.Room{{ID: "ops", Name: "Ops"}}
		d.Contacts[0].Mattermost, d.Contacts[1].Mattermost = "ops", "ops"
		got := only(t, route.Decide(d, at(problem(service, alert.Critical), moment(t, "2026-11-22T23:00:00Z"))))
		if !got.Told || !got.HoldUntil.IsZero() || got.ContactID != "b" {
			t.Errorf("%v: %+v", order, got)
		}
	}
}

// A hold ends at the first minute at which nothing holds: whatever the period, the
// quiet hours and the windows, also in the nights in which clocks change.
func TestAHoldEndsAtTheFirstMinuteThatIsFree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 4))
	ranges := func() (out []contact.Range) {
		for from := rnd.IntN(700); from < 1440 && len(out) < 3; {
			to := min(from+1+rnd.IntN(700), 1440)
			out = append(out, contact.Range{From: from, To: to})
			from = to + 1 + rnd.IntN(500)
		}
		return out
	}
	held, free := 0, 0
	for _, c := range []struct{ zone, from string }{
		{"Europe/Berlin", "2026-03-28T20:00:00Z"}, {"Europe/Berlin", "2026-10-24T20:00:00Z"},
		{"America/New_York", "2026-03-08T02:00:00Z"}, {"America/New_York", "2026-11-01T02:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-04T10:00:00Z"}, {"Australia/Lord_Howe", "2026-10-03T10:00:00Z"},
		{"Pacific/Apia", "2011-12-29T20:00:00Z"}, {"UTC", "2026-11-22T12:00:00Z"},
	} {
		for range 6 {
			d := quiet(daily("quiet", c.zone, ranges()...), "")
			d.Periods = append(d.Periods, daily("open", c.zone, ranges()...))
			d.Contacts[0].ServicePeriodID = "open"
			start := moment(t, c.from)
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			for i := range rnd.IntN(3) {
				d.Windows = append(d.Windows, window.Window{Name: fmt.Sprint(i), Enabled: true, Zone: c.zone, RRule: "FREQ=DAILY",
					Start: start.In(zone).Add(-24*time.Hour).Format("2006-01-02T") + fmt.Sprintf("%02d:%02d", rnd.IntN(24), rnd.IntN(60)), Minutes: 1 + rnd.IntN(600)})
			}
			d = d.Indexed()
			ask := func(at time.Time) route.Decision {
				q := problem(service, alert.Critical, "Anna")
				q.Now = at
				return only(t, route.Decide(d, q))
			}
			now := start.Add(time.Duration(rnd.IntN(600)) * time.Minute)
			x := ask(now)
			if !x.Told { // never within a week
				continue
			}
			if x.HoldUntil.IsZero() {
				free++
				continue
			}
			held++
			if y := ask(x.HoldUntil); !y.Told || !y.HoldUntil.IsZero() {
				t.Fatalf("%s: held until %s, and at that time until %s", c.zone, x.HoldUntil.UTC(), y.HoldUntil.UTC())
			}
			for at := x.HoldUntil.Add(-time.Minute); !at.Before(now); at = at.Add(-7 * time.Minute) {
				if y := ask(at); y.HoldUntil.IsZero() {
					t.Fatalf("%s from %s: held until %s, though at %s nothing holds", c.zone, now.UTC(), x.HoldUntil.UTC(), at.UTC())
				}
			}
		}
	}
	if held < 10 || free == 0 {
		t.Errorf("only %d were held, %d were not", held, free)
	}
}
