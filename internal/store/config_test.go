package store_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

func mustSettings(t testing.TB) config.Settings {
	t.Helper()
	return config.Defaults()
}

func TestPeople(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		u := auth.User{ID: "u1", Name: "Ann.Smith", DisplayName: "Ann", Role: auth.Admin, PasswordHash: "$argon2id$x", CreatedAt: day(), LastSignIn: day()}
		ok(t, db.SaveUser(ctx, u))
		got, err := db.UserByName(ctx, "ANN.smith")
		ok(t, err)
		if d := cmp.Diff(u, got); d != "" {
			t.Fatal(d)
		}
		_, err = db.UserByID(ctx, "nobody")
		wants(t, err, fault.ErrNotFound)
		wants(t, db.SaveUser(ctx, auth.User{ID: "u2", Name: "ann.SMITH"}), fault.ErrTaken)
		u.Disabled = true
		ok(t, db.SaveUser(ctx, u))
		us, err := db.Users(ctx)
		ok(t, err)
		if d := cmp.Diff([]auth.User{u}, us); d != "" {
			t.Fatal(d)
		}

		s := auth.Session{Token: "t1", UserID: "u1", Data: []byte{0, 1, 255}, Expires: recent().Add(time.Hour)}
		old := auth.Session{Token: "t2", UserID: "u1", Expires: recent()}
		ok(t, db.SaveSession(ctx, s))
		ok(t, db.SaveSession(ctx, old))
		gotS, err := db.Session(ctx, "t1")
		ok(t, err)
		if d := cmp.Diff(s, gotS); d != "" {
			t.Fatal(d)
		}
		_, err = db.Session(ctx, "t2")
		wants(t, err, fault.ErrNotFound)
		s.Data, s.Expires = []byte{2}, s.Expires.Add(time.Hour)
		ok(t, db.MoveSession(ctx, s))
		ok(t, db.MoveSession(ctx, auth.Session{Token: "gone", UserID: "u1", Expires: s.Expires}))
		all, err := db.Sessions(ctx)
		ok(t, err)
		if d := cmp.Diff([]auth.Session{s}, all); d != "" {
			t.Fatal(d)
		}
		ok(t, db.SweepSessions(ctx))
		ok(t, db.DeleteSession(ctx, "t1"))
		_, err = db.Session(ctx, "t1")
		wants(t, err, fault.ErrNotFound)
		ok(t, db.SaveSession(ctx, s))

		c := contact.Contact{ID: "c1", Name: "ann", UserID: "u1", HostOptions: "d,r"}
		ok(t, db.SaveContact(ctx, c))
		ok(t, db.DeleteUser(ctx, "u1", nil))
		wants(t, db.DeleteUser(ctx, "u1", nil), fault.ErrNotFound)
		_, err = db.Session(ctx, "t1")
		wants(t, err, fault.ErrNotFound)
		c, err = db.Contact(ctx, "c1")
		ok(t, err)
		same(t, "linked user", c.UserID, "")

		k := auth.APIKey{ID: "k1", Name: "grafana", Hash: "h1", Hint: "abcd", Scopes: []auth.Scope{auth.ReadAlerts}, CreatedAt: day()}
		ok(t, db.SaveAPIKey(ctx, k))
		wants(t, db.SaveAPIKey(ctx, auth.APIKey{ID: "k2", Name: "Grafana", Hash: "h2"}), fault.ErrTaken)
		ok(t, db.TouchAPIKey(ctx, "k1", day().Add(time.Hour), "192.0.2.7"))
		k.LastUsedAt, k.LastUsedBy = day().Add(time.Hour), "192.0.2.7"
		gotK, err := db.APIKeyByHash(ctx, "h1")
		ok(t, err)
		if d := cmp.Diff(k, gotK); d != "" {
			t.Fatal(d)
		}
		k.RevokedAt = day()
		ok(t, db.SaveAPIKey(ctx, k))
		ok(t, db.SaveAPIKey(ctx, auth.APIKey{ID: "k2", Name: "grafana", Hash: "h2"}))
		ks, err := db.APIKeys(ctx)
		ok(t, err)
		same(t, "keys", len(ks), 2)
		_, err = db.APIKeyByHash(ctx, "h9")
		wants(t, err, fault.ErrNotFound)
	})
}

func TestSources(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		s := source.Source{ID: "s1", Name: "nagios-1", Kind: "nagios", TokenHash: "h", TokenHint: "wxyz", HostURL: "https://x/{host}",
			ServiceURL: "https://x/{service}", Straight: true, CreatedAt: day()}
		ok(t, db.SaveSource(ctx, s))
		wants(t, db.SaveSource(ctx, source.Source{ID: "s2", Name: "Nagios-1"}), fault.ErrTaken)
		ok(t, db.NoteSourceError(ctx, "s1", "wrong token", day()))
		ok(t, db.NoteSpool(ctx, "s1", 12, day()))
		got, err := db.SourceByName(ctx, "NAGIOS-1")
		ok(t, err)
		want := s
		want.LastError, want.LastErrorAt, want.Spooled, want.SpooledAt = "wrong token", day(), 12, day()
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		c := problem(1)
		write(t, db, c)
		s.Disabled = true // edited from what was read before the event
		ok(t, db.SaveSource(ctx, s))
		got, err = db.SourceByID(ctx, "s1")
		ok(t, err)
		same(t, "last event", got.LastEventAt, c.Events[0].Received)
		same(t, "last error", got.LastError, "")
		same(t, "disabled", got.Disabled, true)
		wants(t, db.DeleteSource(ctx, "s1"), fault.ErrInUse)
		a := c.Alerts[0]
		a.Status = alert.Resolved
		write(t, db, dispatch.Changes{Alerts: []alert.Alert{a}})
		ok(t, db.DeleteSource(ctx, "s1"))
		wants(t, db.DeleteSource(ctx, "s1"), fault.ErrNotFound)
		list, err := db.Sources(ctx)
		ok(t, err)
		same(t, "sources", len(list), 0)
	})
}

func TestDirectory(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		ok(t, db.SaveUser(ctx, auth.User{ID: "u1", Name: "ann"}))
		ok(t, db.SaveUser(ctx, auth.User{ID: "u2", Name: "bob", Disabled: true}))
		p := contact.TimePeriod{ID: "p1", Name: "office", Zone: "Europe/Berlin", Exceptions: []contact.Exception{{First: "12-24", Note: "Christmas"}}}
		p.Weekdays[1] = []contact.Range{{From: 480, To: 1020}}
		ok(t, db.SavePeriod(ctx, p))
		wants(t, db.SavePeriod(ctx, contact.TimePeriod{ID: "p2", Name: "office"}), fault.ErrTaken)
		a := contact.Contact{ID: "c1", Name: "ann", UserID: "u1", EngineUserID: "7", HostOptions: "d,u,r,f,s", ServiceOptions: "c",
			HostPeriodID: "p1", HostNotifications: true, PushService: true, Email: "a@example.org", DisplayName: "Ann"}
		b := contact.Contact{ID: "c2", Name: "bob"}
		ok(t, db.SaveContact(ctx, a))
		ok(t, db.SaveContact(ctx, b))
		wants(t, db.SaveContact(ctx, contact.Contact{ID: "c3", Name: "bob"}), fault.ErrTaken)
		g := contact.Group{ID: "g1", Name: "ops", Description: "all", ContactIDs: []string{"c2", "c1"}}
		ok(t, db.SaveGroup(ctx, g))
		wants(t, db.SaveGroup(ctx, contact.Group{ID: "g2", Name: "dba", ContactIDs: []string{"nobody"}}), fault.ErrNotFound)
		late := route.Rule{ID: "r1", Name: "late", Position: 2, Enabled: true, ContactIDs: []string{"c1", "c2"}, GroupIDs: []string{"g1"},
			Labels: map[string]string{"team": "o*"}, States: []alert.State{alert.Critical}}
		early := route.Rule{ID: "r2", Name: "early", Position: 1, Stop: true}
		ok(t, db.SaveRule(ctx, late))
		ok(t, db.SaveRule(ctx, early))

		load := func() (d route.Directory, version int64) {
			ok(t, db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
				v, err := tx.DirectoryVersion(ctx)
				ok(t, err)
				d, version, err = tx.Directory(ctx)
				same(t, "version", version, v)
				return err
			}))
			return d, version
		}
		d, v1 := load()
		want := route.Directory{Contacts: []contact.Contact{a, b}, Groups: []contact.Group{g}, Rules: []route.Rule{early, late},
			Periods: []contact.TimePeriod{p}, Users: map[string]bool{"u1": true}, WebPush: true}
		if diff := cmp.Diff(want, d, cmpopts.IgnoreUnexported(route.Directory{})); diff != "" {
			t.Fatal(diff)
		}
		same(t, "version here", db.ConfigVersion(), v1)

		wants(t, db.DeletePeriod(ctx, "p1"), fault.ErrInUse)
		wants(t, db.DeleteGroup(ctx, "g1"), fault.ErrInUse)
		ok(t, db.DeleteContact(ctx, "c1"))
		d, v2 := load()
		if v2 <= v1 {
			t.Fatalf("version %d after %d", v2, v1)
		}
		if diff := cmp.Diff([]string{"c2"}, d.Groups[0].ContactIDs); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff([]string{"c2"}, d.Rules[1].ContactIDs); diff != "" {
			t.Fatal(diff)
		}
		ok(t, db.DeletePeriod(ctx, "p1"))
		ok(t, db.DeleteRule(ctx, "r1"))
		ok(t, db.DeleteGroup(ctx, "g1"))
		_, err := db.Group(ctx, "g1")
		wants(t, err, fault.ErrNotFound)
		_, err = db.Rule(ctx, "r1")
		wants(t, err, fault.ErrNotFound)
		_, err = db.Period(ctx, "p1")
		wants(t, err, fault.ErrNotFound)
		_, err = db.Contact(ctx, "c1")
		wants(t, err, fault.ErrNotFound)
	})
}

func TestSettings(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		s, err := db.Settings(ctx)
		ok(t, err)
		if d := cmp.Diff(config.Defaults(), s); d != "" {
			t.Fatal(d)
		}
		s.RetentionDays, s.AutoClose = 7, map[string]int{"critical": 5}
		other := open()
		before := other.ConfigVersion()
		var woken atomic.Bool
		other.OnWake("config", func() { woken.Store(true) })
		ok(t, db.SaveSettings(ctx, s))
		eventually(t, "the other DB notices the change", func() bool { return other.ConfigVersion() > before && woken.Load() })
		got, err := other.Settings(ctx)
		ok(t, err)
		same(t, "retention", got.RetentionDays, 7)
		same(t, "critical stays", got.AutoClose["critical"], 5)
		same(t, "warning stays", got.AutoClose["warning"], config.Defaults().AutoClose["warning"])
	})
}
