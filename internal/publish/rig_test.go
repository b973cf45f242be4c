package publish_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// begin is when every test begins, on a Friday in Berlin's winter time.
var begin = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

var mira = publish.Who{UserID: "u1", Name: "Mira Sand"}

// rig is a store with a desk over it whose clock the test moves.
type rig struct {
	t      *testing.T
	db     *store.DB
	desk   *publish.Desk
	clock  *time.Time
	open   func() *rig // another node
	page   status.Page
	n      int
	events int
	said   map[string]alert.State // of alerts, in their newest event
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// refused wants a *status.FieldError of a field.
func refused(t *testing.T, err error, field string) {
	t.Helper()
	var f *status.FieldError
	if !errors.As(err, &f) || f.Field != field || f.Mend == "" {
		t.Fatalf("error is %v, want one of the field %s", err, field)
	}
}

// onBoth runs a test on both databases, with a page in Berlin's time.
func onBoth(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   database.SQLite,
		"postgres": database.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, clock := url(t), begin
			var open func() *rig
			open = func() *rig {
				db, err := store.Open(t.Context(), store.Options{URL: at, Node: "test"})
				must(t, err)
				t.Cleanup(func() { must(t, db.Close()) })
				desk, err := publish.New(db, publish.Options{Now: func() time.Time { return clock }})
				must(t, err)
				return &rig{t: t, db: db, desk: desk, clock: &clock, open: open}
			}
			r := open()
			var err error
			r.page, err = r.desk.SavePage(t.Context(), mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"})
			must(t, err)
			must(t, r.db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h"}))
			f(t, r)
		})
	}
}

func (r *rig) pass(d time.Duration) { *r.clock = r.clock.Add(d) }

func (r *rig) component(name string, bindings ...status.Binding) status.Component {
	r.t.Helper()
	c, err := r.desk.SaveComponent(r.t.Context(), mira, status.Component{PageID: r.page.ID, Name: name, Bindings: bindings})
	must(r.t, err)
	return c
}

func (r *rig) record() status.Record {
	r.t.Helper()
	rec, err := r.db.StatusRecordAt(r.t.Context(), r.page.ID, *r.clock)
	must(r.t, err)
	return rec
}

// state is a component's, and how it is shown.
func (r *rig) state(id string) status.Component {
	r.t.Helper()
	rec := r.record()
	i := slices.IndexFunc(rec.Components, func(c status.Component) bool { return c.ID == id })
	if i < 0 {
		r.t.Fatalf("there is no component %s", id)
	}
	return rec.Components[i]
}

func (r *rig) version() int64 { return r.record().Page.Version }

// published are the titles of what visitors were told, the oldest first.
func (r *rig) published() (titles []string) {
	r.t.Helper()
	list, _, _, err := r.db.Publications(r.t.Context(), 500, "")
	must(r.t, err)
	for i := range list {
		titles = append(titles, string(list[i].Kind)+" "+list[i].Texts[""].Title)
	}
	slices.Reverse(titles)
	return titles
}

// lines are what the audit trail says was done, the oldest first.
func (r *rig) lines() (list []string) {
	r.t.Helper()
	trail, _, err := r.db.StatusAudit(r.t.Context(), publish.AuditFilter{Limit: 500})
	must(r.t, err)
	for i := range trail {
		list = append(list, trail[i].What)
	}
	slices.Reverse(list)
	return list
}

func (r *rig) tick() {
	r.t.Helper()
	_, err := r.desk.Tick(r.t.Context())
	must(r.t, err)
}

func (r *rig) watch() time.Time {
	r.t.Helper()
	next, err := r.desk.Watch(r.t.Context())
	must(r.t, err)
	return next
}

// alert writes an alert of a service as it is after a change; it answers its id.
func (r *rig) alert(host, service string, s alert.State, edit ...func(*alert.Alert)) string {
	r.t.Helper()
	o := alert.Object{ID: alert.ObjectID("s1", host, service), SourceID: "s1", Host: host, Service: service, State: s, Changed: *r.clock}
	a := alert.Alert{ID: "alert-" + host + "-" + service + fmt.Sprint(r.n), Object: o, Status: alert.Firing, State: s, Worst: s, Since: *r.clock, Updated: *r.clock}
	if s == alert.OK {
		a.Status, a.Resolved = alert.Resolved, *r.clock
	}
	for _, e := range edit {
		e(&a)
	}
	c := dispatch.Changes{Objects: []alert.Object{a.Object}, Alerts: []alert.Alert{a}}
	if r.said == nil {
		r.said = map[string]alert.State{}
	}
	if r.said[a.ID] != s {
		r.said[a.ID] = s
		r.events++
		c.Events = []alert.Event{{ID: fmt.Sprintf("event-%d", r.events), AlertID: a.ID, SourceID: "s1", Object: o, Type: alert.Problem, State: s,
			Time: r.clock.Add(-time.Hour), Received: *r.clock, Outcome: alert.Changed}} // engines' clocks do not count
	}
	must(r.t, r.db.Commit(r.t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) }))
	if s == alert.OK {
		r.n++ // the next one is another alert
	}
	return a.ID
}

// visitor subscribes a device to the page.
func (r *rig) visitor(n int, w push.Want) {
	r.t.Helper()
	key := make([]byte, 65)
	key[0] = 4
	_, _, err := r.db.SaveSubscription(r.t.Context(), push.Subscription{
		Endpoint: fmt.Sprintf("https://updates.push.services.mozilla.com/wpush/v2/%d", n), P256dh: key, Auth: []byte(fmt.Sprintf("%016d", n)),
		KeyID: base64.RawURLEncoding.EncodeToString(make([]byte, 16)), Pages: []push.Follow{{PageID: r.page.ID, Wants: []push.Want{w}}},
	}, nil)
	must(r.t, err)
}

func containsAll(t *testing.T, what string, list []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, w) }) {
			t.Fatalf("%s are %q, without %q", what, list, w)
		}
	}
}
