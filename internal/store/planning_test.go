package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	hooks "tocsin/internal/hook"
	"tocsin/internal/mail"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/window"
)

func webhook(id, name string) hooks.Hook {
	return hooks.Hook{ID: id, Name: name, Form: hooks.Slack, Template: map[string]any{"text": "{{state}}"}, Headers: map[string]string{"X-A": "b"},
		URL: "https://hooks.example/T0/secret", Secret: "key-of-signatures", Token: "bearer", Host: "hooks.example", Created: day()}
}

func rota(id, name string, people ...string) oncall.Schedule {
	return oncall.Schedule{ID: id, Name: name, Zone: "Europe/Berlin",
		Layers: []oncall.Layer{{Name: "all", ContactIDs: people, Start: "2026-03-02T09:00", Every: 1, Unit: oncall.Weeks}}}
}

func policy(id, name string, steps ...escalation.Step) escalation.Policy {
	return escalation.Policy{ID: id, Name: name, Steps: steps, Rounds: 2, Remind: 10}
}

func TestSchedulesPoliciesAndWindows(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		w := window.Window{ID: "w1", Name: "Patch day", Enabled: true, Zone: "Europe/Berlin", Start: "2026-03-02T22:00", Minutes: 120,
			RRule: "FREQ=MONTHLY", Hosts: []string{"web*"}, Labels: map[string]string{"team": "ops"}, Page: window.Public{PageID: "p1"}, Created: day()}
		s, p := rota("s1", "Night", "c1", "c2"), policy("p1", "Default", escalation.Step{After: 15, ScheduleIDs: []string{"s1"}})
		raises(t, db, true, "a schedule", func() { ok(t, db.SaveSchedule(ctx, s)) })
		raises(t, db, true, "a policy", func() { ok(t, db.SavePolicy(ctx, p)) })
		raises(t, db, true, "a window", func() { ok(t, db.SaveWindow(ctx, w)) })
		ok(t, db.SaveSchedule(ctx, rota("s2", "day")))

		t.Run("what was saved comes back, by name", func(t *testing.T) {
			list, err := db.Schedules(ctx)
			ok(t, err)
			same(t, "schedules", len(list), 2)
			if d := cmp.Diff(s, list[1]); d != "" {
				t.Fatal(d)
			}
			got, err := db.Policy(ctx, "p1")
			ok(t, err)
			if d := cmp.Diff(p, got); d != "" {
				t.Fatal(d)
			}
			gotWindow, err := db.Window(ctx, "w1")
			ok(t, err)
			if d := cmp.Diff(w, gotWindow); d != "" {
				t.Fatal(d)
			}
			windows, err := db.Windows(ctx)
			ok(t, err)
			same(t, "windows", len(windows), 1)
			policies, err := db.Policies(ctx)
			ok(t, err)
			same(t, "policies", len(policies), 1)
		})
		t.Run("a name is there once, whatever its case", func(t *testing.T) {
			wants(t, db.SaveSchedule(ctx, rota("s3", "NIGHT")), fault.ErrTaken)
			wants(t, db.SavePolicy(ctx, policy("p3", "default")), fault.ErrTaken)
			other := w
			other.ID = "w2"
			wants(t, db.SaveWindow(ctx, other), fault.ErrTaken)
			wants(t, db.SaveHook(ctx, webhook("h1", "One")), nil)
			wants(t, db.SaveHook(ctx, webhook("h2", "ONE")), fault.ErrTaken)
		})
		t.Run("what is not there", func(t *testing.T) {
			_, err := db.Schedule(ctx, "s9")
			wants(t, err, fault.ErrNotFound)
			_, err = db.Policy(ctx, "p9")
			wants(t, err, fault.ErrNotFound)
			_, err = db.Window(ctx, "w9")
			wants(t, err, fault.ErrNotFound)
			_, err = db.Hook(ctx, "h9")
			wants(t, err, fault.ErrNotFound)
			wants(t, db.DeletePolicy(ctx, "p9"), fault.ErrNotFound)
			wants(t, db.DeleteWindow(ctx, "w9"), fault.ErrNotFound)
		})
		t.Run("routing knows them", func(t *testing.T) {
			once := window.Window{ID: "w3", Name: "Over", Enabled: true, Start: "2026-03-02T22:00", Minutes: 60}
			year := time.Now().AddDate(1, 0, 0).Format(window.StartFormat)
			ahead := window.Window{ID: "w4", Name: "Ahead", Enabled: true, Start: year, Minutes: 60}
			off := window.Window{ID: "w5", Name: "Off", Start: year, Minutes: 60}
			for _, w := range []window.Window{once, ahead, off} {
				ok(t, db.SaveWindow(ctx, w))
			}
			quiet := webhook("h3", "Off")
			quiet.Disabled = true
			ok(t, db.SaveHook(ctx, quiet))
			loud := webhook("h1", "One")
			loud.Everything = true
			ok(t, db.SaveHook(ctx, loud))
			ok(t, db.SaveMailSettings(ctx, mail.Settings{Enabled: true, Host: "mail.example", Security: mail.TLS}))
			ok(t, db.SaveSource(ctx, source.Source{ID: "n", Name: "nagios", Kind: "nagios"}))
			ok(t, db.SaveSource(ctx, source.Source{ID: "g", Name: "generic", Kind: "generic"}))
			d := directory(t, db)
			if diff := cmp.Diff([]window.Window{ahead, w}, d.Windows); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]route.Hook{{ID: "h1", Name: "One", Everything: true}}, d.Hooks); diff != "" {
				t.Error(diff)
			}
			same(t, "schedules", len(d.Schedules), 2)
			same(t, "policies", len(d.Policies), 1)
			same(t, "mail", d.Mail, true)
			if diff := cmp.Diff(map[string]bool{"g": true}, d.FlapsHere); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(map[string]string{"g": "generic", "n": "nagios"}, d.Sources); diff != "" {
				t.Error(diff)
			}
		})
	})
}

func TestWhatIsNamedIsNotDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		ok(t, db.SaveSchedule(ctx, rota("s1", "Night", "c1")))
		ok(t, db.SaveHook(ctx, webhook("h1", "Pager")))
		ok(t, db.SaveRoom(ctx, hook("m1", "Ops")))
		ok(t, db.SaveGroup(ctx, contact.Group{ID: "g1", Name: "Staff"}))
		ok(t, db.SaveGroup(ctx, contact.Group{ID: "g2", Name: "Duty", ScheduleIDs: []string{"s1"}}))
		ok(t, db.SavePeriod(ctx, contact.TimePeriod{ID: "t1", Name: "Nights"}))
		ok(t, db.SaveContact(ctx, contact.Contact{ID: "c1", Name: "ann", Hook: "h1", QuietPeriodID: "t1"}))
		ok(t, db.SavePolicy(ctx, policy("p1", "Default", escalation.Step{After: 15, ScheduleIDs: []string{"s1"}, Hooks: []string{"h1"}, Rooms: []string{"m1"}, GroupIDs: []string{"g1"}})))
		ok(t, db.SaveRule(ctx, route.Rule{ID: "r1", Name: "All", PolicyID: "p1", ScheduleIDs: []string{"s1"}, Hooks: []string{"h1"}}))
		named := func(err error, names ...string) {
			t.Helper()
			wants(t, err, fault.ErrInUse)
			for _, n := range names {
				if !strings.Contains(err.Error(), n) {
					t.Errorf("%v does not name %s", err, n)
				}
			}
		}
		named(db.DeleteSchedule(ctx, "s1"), "rule “All”", "group “Duty”", "escalation policy “Default”")
		named(db.DeleteHook(ctx, "h1"), "rule “All”", "contact “ann”", "escalation policy “Default”")
		named(db.DeletePolicy(ctx, "p1"), "rule “All”")
		named(db.DeleteRoom(ctx, "m1"), "escalation policy “Default”")
		named(db.DeleteGroup(ctx, "g1"), "escalation policy “Default”")
		wants(t, db.DeletePeriod(ctx, "t1"), fault.ErrInUse)

		ok(t, db.DeleteRule(ctx, "r1"))
		ok(t, db.DeletePolicy(ctx, "p1"))
		ok(t, db.DeleteGroup(ctx, "g1"))
		ok(t, db.DeleteRoom(ctx, "m1"))
		named(db.DeleteSchedule(ctx, "s1"), "group “Duty”")
		ok(t, db.DeleteGroup(ctx, "g2"))
		ok(t, db.DeleteSchedule(ctx, "s1"))
		named(db.DeleteHook(ctx, "h1"), "contact “ann”")
		ok(t, db.DeleteContact(ctx, "c1"))
		ok(t, db.DeleteHook(ctx, "h1"))
	})
}

func TestAContactThatIsDeletedLeavesSchedulesAndPolicies(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for _, id := range []string{"c1", "c2"} {
			ok(t, db.SaveContact(ctx, contact.Contact{ID: id, Name: id}))
		}
		s := rota("s1", "Night", "c1", "c2")
		s.Layers = append(s.Layers, oncall.Layer{Name: "alone", ContactIDs: []string{"c1"}, Start: "2026-03-02T09:00", Every: 1, Unit: oncall.Days})
		s.Overrides = []oncall.Override{{ID: "o1", ContactID: "c1", From: day(), To: day().Add(time.Hour)}, {ID: "o2", ContactID: "", From: day(), To: day().Add(time.Hour)}}
		ok(t, db.SaveSchedule(ctx, s))
		ok(t, db.SaveSchedule(ctx, rota("s2", "Day", "c2")))
		ok(t, db.SavePolicy(ctx, policy("p1", "Default", escalation.Step{After: 5, ContactIDs: []string{"c1"}}, escalation.Step{After: 5, ContactIDs: []string{"c2", "c1"}})))
		ok(t, db.DeleteContact(ctx, "c1"))

		got, err := db.Schedule(ctx, "s1")
		ok(t, err)
		if d := cmp.Diff([]string{"c2"}, got.Layers[0].ContactIDs); d != "" {
			t.Error(d)
		}
		same(t, "left of the other layer", len(got.Layers[1].ContactIDs), 0)
		same(t, "overrides", len(got.Overrides), 1)
		same(t, "the one", got.Overrides[0].ID, "o2")
		p, err := db.Policy(ctx, "p1")
		ok(t, err)
		same(t, "left of the first step", len(p.Steps[0].ContactIDs), 0)
		if d := cmp.Diff([]string{"c2"}, p.Steps[1].ContactIDs); d != "" {
			t.Error(d)
		}
		other, err := db.Schedule(ctx, "s2")
		ok(t, err)
		if d := cmp.Diff(rota("s2", "Day", "c2"), other); d != "" {
			t.Error(d)
		}
	})
}

func TestContactsAndGroupsKeepWhatIsNew(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		c := contact.Contact{ID: "c1", Name: "ann", MailHost: true, MailService: true, Hook: "h1", QuietPeriodID: "t1", QuietPass: contact.QuietCritical}
		ok(t, db.SaveContact(ctx, c))
		got, err := db.Contact(ctx, "c1")
		ok(t, err)
		if d := cmp.Diff(c, got); d != "" {
			t.Error(d)
		}
		g := contact.Group{ID: "g1", Name: "Staff", ContactIDs: []string{"c1"}, ScheduleIDs: []string{"s1", "s2"}}
		ok(t, db.SaveGroup(ctx, g))
		gotGroup, err := db.Group(ctx, "g1")
		ok(t, err)
		if d := cmp.Diff(g, gotGroup); d != "" {
			t.Error(d)
		}
		t.Run("an address of a calendar is known until there is another one", func(t *testing.T) {
			raises(t, db, false, "a calendar", func() { ok(t, db.SetCalendarToken(ctx, "c1", "hash1", day())) })
			id, err := db.CalendarContact(ctx, "hash1")
			ok(t, err)
			same(t, "contact", id, "c1")
			made, err := db.CalendarToken(ctx, "c1")
			ok(t, err)
			same(t, "made", made, day())
			ok(t, db.SaveContact(ctx, c))
			ok(t, db.SetCalendarToken(ctx, "c1", "hash2", day()))
			_, err = db.CalendarContact(ctx, "hash1")
			wants(t, err, fault.ErrNotFound)
			ok(t, db.SetCalendarToken(ctx, "c1", "", day()))
			for _, hash := range []string{"hash2", ""} {
				_, err = db.CalendarContact(ctx, hash)
				wants(t, err, fault.ErrNotFound)
				if strings.Contains(err.Error(), "hash") {
					t.Errorf("%v repeats what it was asked", err)
				}
			}
			_, err = db.CalendarToken(ctx, "c1")
			wants(t, err, fault.ErrNotFound)
			wants(t, db.SetCalendarToken(ctx, "c9", "hash", day()), fault.ErrNotFound)
		})
	})
}

func TestWebhooks(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		h := webhook("h1", "Pager")
		raises(t, db, true, "a webhook", func() { ok(t, db.SaveHook(ctx, h)) })
		got, err := db.Hook(ctx, "h1")
		ok(t, err)
		if d := cmp.Diff(h, got); d != "" {
			t.Fatal(d)
		}
		at := recent()
		raises(t, db, false, "a note", func() { ok(t, db.NoteHook(ctx, "h1", "answered 500", at)) })
		ok(t, db.NoteHook(ctx, "h1", "answered 500", at.Add(time.Second)))
		h.Name, h.Created = "Pager 2", day().Add(time.Hour)
		ok(t, db.SaveHook(ctx, h))
		list, err := db.Hooks(ctx)
		ok(t, err)
		same(t, "webhooks", len(list), 1)
		same(t, "name", list[0].Name, "Pager 2")
		same(t, "trouble", list[0].LastError, "answered 500")
		same(t, "since", list[0].LastErrorAt, at)
		same(t, "made", list[0].Created, day())
		ok(t, db.NoteHook(ctx, "h1", "", at.Add(-time.Second))) // sent before, noted late
		list, err = db.Hooks(ctx)
		ok(t, err)
		same(t, "trouble after an older message", list[0].LastError, "answered 500")
		ok(t, db.NoteHook(ctx, "h1", "", at.Add(2*time.Second)))
		got, err = db.Hook(ctx, "h1")
		ok(t, err)
		same(t, "trouble", got.LastError, "")
		same(t, "sent", got.LastSent, at.Add(2*time.Second))
		wants(t, db.NoteHook(ctx, "h9", "", at), fault.ErrNotFound)
	})
}

// Two people take over two nights at the same moment: both stand in.
func TestWhatManyChangeInAScheduleAtOnceIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ok(t, db.SaveSchedule(t.Context(), rota("s1", "Night", "c1")))
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				err := db.ChangeSchedule(t.Context(), "s1", func(s oncall.Schedule) (oncall.Schedule, error) {
					s.Overrides = append(s.Overrides, oncall.Override{ID: fmt.Sprint(i), ContactID: "c1", From: day(), To: day().Add(time.Hour)})
					return s, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s, err := db.Schedule(t.Context(), "s1")
		ok(t, err)
		same(t, "overrides", len(s.Overrides), 12)

		wants(t, db.ChangeSchedule(t.Context(), "nothing", func(s oncall.Schedule) (oncall.Schedule, error) { return s, nil }), fault.ErrNotFound)
		wants(t, db.ChangeSchedule(t.Context(), "s1", func(s oncall.Schedule) (oncall.Schedule, error) { s.Name = "lost"; return s, fault.ErrInUse }), fault.ErrInUse)
		s, err = db.Schedule(t.Context(), "s1")
		ok(t, err)
		same(t, "name", s.Name, "Night")
	})
}
