package delivery_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// digest is one of a storm, as the store claims it.
func digest(edit ...func(*delivery.Claimed)) delivery.Claimed {
	c := delivery.Claimed{
		Digest: &channel.Digest{Storm: "s1", About: "host web01", Total: 5, Open: 3, Acked: 1, Recovered: 1, New: 5,
			Worst: []channel.Line{{AlertID: "a1", State: alert.Critical, Status: alert.Firing}}},
		Object: alert.Object{ID: "o1", Host: "web01"}, Left: 4, Gone: 1,
	}
	c.ID, c.Notice, c.Reason, c.Storm, c.AlertID = "d1", alert.NoticeDigest, route.ReasonStorm, "s1", "a1"
	c.Why = delivery.StormWhy("tells of", "source nagios", time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)) + ", by the rule “by source”"
	c.Alert = &alert.Alert{ID: "a1", Status: alert.Resolved}
	for _, f := range edit {
		f(&c)
	}
	return c
}

func TestADigestIsToldAsLongAsThereIsSomethingToTell(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*delivery.Claimed)
		why  string
	}{
		{"four are left, though the first is over", func(*delivery.Claimed) {}, ""},
		{"all were over", func(c *delivery.Claimed) { c.Left, c.Gone = 0, 5 }, "all 5 were over before it was told"},
		{"the only one was over", func(c *delivery.Claimed) { c.Left, c.Gone = 0, 1 }, "the only one was over before it was told"},
		{"nothing was collected", func(c *delivery.Claimed) { c.Left, c.Gone = 0, 0 }, "there is nothing to tell"},
		{"it brings up to date", func(c *delivery.Claimed) { c.Left, c.Gone, c.Quiet, c.Before = 0, 0, true, true }, ""},
		{"it would bring up to date what nobody was told", func(c *delivery.Claimed) { c.Left, c.Gone, c.Quiet = 0, 0, true },
			"nothing of it had been told, so there is nothing to bring up to date"},
		{"its alerts are not known any more", func(c *delivery.Claimed) { c.Digest = nil }, "nothing is known any more of what it was to tell"},
	} {
		d := digest(c.edit)
		if got := d.Untrue(); got != c.why {
			t.Errorf("%s: %q, not %q", c.name, got, c.why)
		}
	}
}

func TestADigestsMessageSaysWhatItIsOf(t *testing.T) {
	for _, c := range []struct {
		name         string
		edit         func(*delivery.Claimed)
		title, about string
		held, over   bool
	}{
		{"a storm, as it was called when it began", func(*delivery.Claimed) {}, "Storm: source nagios", "source nagios", false, false},
		{"one of which that is not known", func(c *delivery.Claimed) { c.Why = "" }, "Storm: host web01", "host web01", false, false},
		{"one of several things", func(c *delivery.Claimed) { c.Why, c.Digest.About = "", "" }, "Storm", "", false, false},
		{"its last one", func(c *delivery.Claimed) { c.Reason = route.ReasonOver }, "Storm: source nagios", "source nagios", false, true},
		{"quiet hours", func(c *delivery.Claimed) { c.Reason = route.ReasonQuiet }, "While quiet hours lasted", "host web01", true, false},
		{"a period", func(c *delivery.Claimed) { c.Reason = route.ReasonPeriod }, "Outside the time period", "host web01", true, false},
		{"a window", func(c *delivery.Claimed) { c.Reason = route.ReasonWindow }, "While maintenance lasted", "host web01", true, false},
	} {
		d := digest(c.edit)
		m := d.Message("/console/alerts/a1", "https://nagios.example.com/")
		if m.Digest == nil || m.Alert != nil || m.URL != "/console/alerts?storm=s1" || m.EngineURL != "" {
			t.Fatalf("%s: %+v", c.name, m)
		}
		g := m.Digest
		if g.Title != c.title || g.About != c.about || g.Held != c.held || g.Over != c.over || g.URL != m.URL || g.Worst[0].URL != "/console/alerts/a1" || g.Open != 3 {
			t.Errorf("%s: %+v", c.name, g)
		}
		if d.Digest.Worst[0].URL != "" {
			t.Errorf("%s: the claim was changed", c.name)
		}
	}
}

func TestWhoIsToldLaterHearsWhy(t *testing.T) {
	for _, c := range []struct {
		reason   route.Reason
		why      string
		duty     string
		reminder bool
	}{
		{route.ReasonEscalation, "not acknowledged for 15 minutes: step 2 of policy “Night; Berlin”; group Operators",
			"not acknowledged for 15 minutes: step 2 of policy “Night; Berlin”", false},
		{route.ReasonEscalation, "not acknowledged for 15 minutes: step 2 of policy “Night”", "not acknowledged for 15 minutes: step 2 of policy “Night”", false},
		{route.ReasonReminder, "told before, and nobody has it", "", true},
		{route.ReasonRule, "rule “All” chose this contact; collected", "", false},
	} {
		d := delivery.Claimed{Alert: &alert.Alert{ID: "a1", Status: alert.Firing}}
		d.Notice, d.Reason, d.Why = alert.NoticeProblem, c.reason, c.why
		if m := d.Message("", ""); m.Duty != c.duty || m.Reminder != c.reminder || m.Alert == nil {
			t.Errorf("%s: %q, %v", c.why, m.Duty, m.Reminder)
		}
	}
}

func TestWhatADigestCollectedEndsInItsWords(t *testing.T) {
	for detail, want := range map[string]string{"": "told together with others", "shown by Firefox": "told together: shown by Firefox"} {
		if got := delivery.Together(detail); got != want {
			t.Errorf("%q", got)
		}
	}
}

func TestTheWorkerSendsDigestsAndEndsEmptyOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := digest(func(c *delivery.Claimed) {
			c.Channel, c.State, c.Due = "test", delivery.Waiting, time.Now().Add(10*time.Second)
		})
		empty := digest(func(c *delivery.Claimed) {
			c.ID, c.Channel, c.State, c.Due = "d2", "test", delivery.Waiting, time.Now()
			c.Left, c.Gone = 0, 7
		})
		box, way := newOutbox(told, empty), &teller{name: "test", send: all(nil)}
		during(t, 9*time.Second, box, delivery.WorkerOptions{}, way)
		if way.count() != 0 {
			t.Errorf("told before its time: %+v", way.sent)
		}
		during(t, 2*time.Second, box, delivery.WorkerOptions{}, way)
		if way.count() != 1 || way.sent[0].Digest == nil || way.sent[0].DeliveryID != "d1" {
			t.Errorf("%+v", way.sent)
		}
		if r := box.row("d2"); r.State != delivery.Cancelled || !strings.HasPrefix(r.Detail, "all 7 were over") {
			t.Errorf("%s: %s", r.State, r.Detail)
		}
	})
}
