package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/storm"
)

// reckoned are the rules that these tests reckon with.
func reckoned() storm.Rules {
	return storm.Rules{By: storm.BySource, Burst: 3, Refill: 30, Place: 10, Regain: 20, Wait: 10, AtMost: 60, Again: 30, CalmFor: 300}
}

// rules has a service live by these rules, changed by edit.
func rules(edit ...func(*storm.Rules)) func(context.Context) (config.Settings, error) {
	s := config.Defaults()
	s.Storm = reckoned()
	for _, f := range edit {
		f(&s.Storm)
	}
	return func(context.Context) (config.Settings, error) { return s, nil }
}

// stormy is a rig where storms are collected. Its clock is the real one, moved.
func stormy(t *testing.T, db *store.DB, edit ...func(*storm.Rules)) (*rig, *clock) {
	t.Helper()
	c := &clock{}
	return &rig{db: db, s: run(t, db, dispatch.Options{Clock: c.now, Settings: rules(edit...)})}, c
}

// problems are n problems of n services of web01, numbered from from on.
func problems(from, n int, edit ...func(*alert.Event)) []alert.Event {
	out := make([]alert.Event, n)
	for i := range out {
		out[i] = event(append(edit, func(e *alert.Event) { e.Object.Service = fmt.Sprintf("svc-%04d", from+i) })...)
	}
	return out
}

// all are all deliveries there are, oldest first, those with their bundles last.
func (r *rig) all(t *testing.T) []delivery.Delivery {
	t.Helper()
	var out []delivery.Delivery
	f := delivery.Filter{Limit: 500}
	for {
		list, next, err := r.db.Deliveries(t.Context(), f)
		must(t, err)
		out = append(out, list...)
		if f.Cursor = next; next == "" {
			slices.SortFunc(out, func(a, b delivery.Delivery) int { return strings.Compare(a.ID, b.ID) })
			return out
		}
	}
}

// log is what the delivery log says of a contact's place: how many deliveries are
// of which notice and state, as "3 problem waiting".
func (r *rig) log(t *testing.T, contactID, channel string) []string {
	t.Helper()
	n := map[string]int{}
	for _, d := range r.all(t) {
		if d.ContactID != contactID || d.Channel != channel {
			continue
		}
		words := string(d.Notice) + " " + string(d.State)
		if d.Quiet {
			words += " quiet"
		}
		if d.State == delivery.Skipped {
			words += " " + string(d.Reason)
		}
		n[words]++
	}
	var out []string
	for words, n := range n {
		out = append(out, fmt.Sprint(n, " ", words))
	}
	slices.Sort(out)
	return out
}

// digests are those of a contact's place, in the order of their making.
func (r *rig) digests(t *testing.T, contactID string) []delivery.Delivery {
	t.Helper()
	return slices.DeleteFunc(r.all(t), func(d delivery.Delivery) bool { return d.Notice != alert.NoticeDigest || d.ContactID != contactID })
}

// The benchmarks tell more people of it: here each alert is looked for at each place.
func TestAStormIsAHandfulOfMessagesAndEachAlertIsAccountedFor(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		const alerts, people = 1400, 3
		names := make([]string, people)
		for i := range names {
			names[i] = fmt.Sprint("guard-", i)
			must(t, db.SaveUser(t.Context(), auth.User{ID: "u-" + names[i], Name: names[i], Role: auth.Operator, CreatedAt: time.Now()}))
			must(t, db.SaveContact(t.Context(), newContact("c-"+names[i], names[i], "u-"+names[i], "")))
		}
		r, _ := stormy(t, db)
		for _, name := range names {
			r.device(t, "u-"+name, "phone")
		}
		var sending sync.WaitGroup
		for i := range 14 {
			sending.Go(func() {
				if _, err := r.s.Receive(t.Context(), sourceID, problems(i*alerts/14, alerts/14, named(names...))); err != nil {
					t.Error(err)
				}
			})
		}
		sending.Wait()
		type place struct{ contact, channel, destination string }
		told, together, seen := map[place]int{}, map[place]int{}, map[place]map[string]bool{}
		bundles := map[string]delivery.Delivery{}
		all := r.all(t)
		for _, d := range all {
			if d.Notice == alert.NoticeDigest {
				bundles[d.ID] = d
			}
		}
		for _, d := range all {
			p := place{d.ContactID, d.Channel, d.Destination}
			if seen[p] == nil {
				seen[p] = map[string]bool{}
			}
			switch {
			case d.Notice == alert.NoticeDigest:
				together[p]++
				if d.State != delivery.Waiting || d.Reason != route.ReasonStorm || d.Storm == "" || d.Due.Sub(d.Created) > 75*time.Second ||
					!strings.HasPrefix(d.Why, "tells of the storm of “source nagios” since ") {
					t.Errorf("digest %+v", d)
				}
				continue
			case d.State == delivery.Waiting:
				told[p]++
				if d.Due.After(d.Created) {
					t.Errorf("told later than without a storm: %+v", d)
				}
			case d.State != delivery.Collected || bundles[d.Bundle].Storm != d.Storm || d.Reason != route.ReasonNamed ||
				placeOf(d) != placeOf(bundles[d.Bundle]) || !strings.Contains(d.Why, "; collected by the rule “by source: 3 at once, then one every 30 s” into the storm of “source nagios” since "):
				t.Fatalf("collected %+v", d)
			}
			seen[p][d.AlertID] = true
		}
		if len(seen) != 2*people {
			t.Errorf("%d places were told", len(seen))
		}
		for p, ids := range seen {
			// It may take longer than the wait to take them all in.
			if len(ids) != alerts || told[p] != 3 || together[p] > 3 {
				t.Errorf("%v: %d alerts are accounted for by %d messages and %d that tell of several", p, len(ids), told[p], together[p])
			}
		}
	})
}

func placeOf(d delivery.Delivery) string {
	return dispatch.PlaceKey(d.Channel, d.Destination, d.ContactID)
}

func TestAStormHoldsUpNothingOfAnotherKind(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		must(t, db.SaveSource(t.Context(), source.Source{ID: "source-2", Name: "icinga", Kind: "icinga2", TokenHash: "h2", CreatedAt: time.Now()}))
		r, _ := stormy(t, db)
		r.receive(t, problems(0, 50)...)
		got, err := r.s.Receive(t.Context(), "source-2", problems(0, 5))
		must(t, err)
		same(t, "the first of another source", r.story(t, got[0].AlertID), "problem jane browser waiting")
		same(t, "all of them", r.log(t, jane, route.Browser), "2 digest waiting", "49 problem collected", "6 problem waiting")
	})
}

func TestEachSourceMayHaveRulesOfItsOwn(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		s := config.Defaults()
		s.Storm.Off = true
		s.StormBySource = map[string]storm.Rules{"source-2": reckoned()}
		must(t, db.SaveSource(t.Context(), source.Source{ID: "source-2", Name: "icinga", Kind: "icinga2", TokenHash: "h2", CreatedAt: time.Now()}))
		r := &rig{db: db, s: run(t, db, dispatch.Options{Settings: func(context.Context) (config.Settings, error) { return s, nil }})}
		r.receive(t, problems(0, 20)...)
		same(t, "a source without", r.log(t, jane, route.Browser), "20 problem waiting")
		_, err := r.s.Receive(t.Context(), "source-2", problems(0, 20))
		must(t, err)
		same(t, "one with rules", r.log(t, jane, route.Browser), "1 digest waiting", "17 problem collected", "23 problem waiting")
	})
}

func TestWhatIsOverIsTakenOutOfTheStorm(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, _ := stormy(t, db)
		got := r.receive(t, problems(0, 10)...)
		r.receive(t, problems(3, 5, recovered)...)
		same(t, "five recovered before they were told", r.log(t, jane, route.Browser),
			"1 digest waiting", "2 problem collected", "3 problem waiting", "5 problem cancelled", "5 recovery skipped never_told")
		for _, d := range r.deliveries(t, got[3].AlertID) {
			if d.State == delivery.Cancelled && !strings.HasPrefix(d.Detail, "recovered before it was sent, at ") {
				t.Errorf("%+v", d)
			}
		}
		r.ack(t, got[8].AlertID, joeUser)
		same(t, "one has somebody", r.log(t, jane, route.Browser),
			"1 acknowledgement collected", "1 digest waiting", "1 problem collected", "3 problem waiting", "5 recovery skipped never_told", "6 problem cancelled")
	})
}

// A digest collects no more when it is being told: what comes then is told by the
// next one, of the same storm, and not too soon.
func TestADigestThatIsBeingToldCollectsNoMore(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-20 * time.Second) // so the digest is due now
		r.receive(t, problems(0, 10)...)
		claimed, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Browser, Users: []string{janeUser}, Limit: 100, Lease: time.Minute, Node: "test"})
		must(t, err)
		if len(claimed) != 4 {
			t.Fatalf("%d claimed", len(claimed))
		}
		now.move(10 * time.Second)
		r.receive(t, problems(10, 5)...)
		ds := r.digests(t, jane)
		if len(ds) != 2 || ds[0].Storm != ds[1].Storm || ds[1].Attempt != 0 || ds[1].Due.Sub(ds[0].Created) < 40*time.Second {
			t.Errorf("%+v", ds)
		}
		n := map[string]int{}
		for _, d := range r.all(t) {
			n[d.Bundle]++
		}
		if n[ds[0].ID] != 7 || n[ds[1].ID] != 5 {
			t.Errorf("collected by each: %v", n)
		}
	})
}

func TestWhatIsRolledBackIsInNoStorm(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		hold := make(chan struct{})
		close(hold)
		r := &rig{db: db, s: run(t, poisoned{db, hold, nil}, dispatch.Options{Settings: rules()})}
		bad := problems(0, 10)
		bad[9].Output = "poison"
		if _, err := r.s.Receive(t.Context(), sourceID, bad); !errors.Is(err, errPoison) {
			t.Fatal(err)
		}
		if left := r.all(t); len(left) != 0 {
			t.Errorf("%d deliveries of what was rolled back", len(left))
		}
		bad[9].Output = "fine"
		r.receive(t, bad...)
		same(t, "sent again", r.log(t, jane, route.Browser), "1 digest waiting", "3 problem waiting", "7 problem collected")
	})
}

func TestTwoNodesMakeOneStorm(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.url(t)
			var nodes []*rig
			for _, name := range []string{"a", "b"} {
				db, err := store.Open(t.Context(), store.Options{URL: url, Node: name})
				must(t, err)
				t.Cleanup(func() { must(t, db.Close()) })
				if len(nodes) == 0 {
					fill(t, db)
				}
				nodes = append(nodes, &rig{db: db, s: run(t, db, dispatch.Options{Node: name, Settings: rules()})})
			}
			var sending sync.WaitGroup
			for i := range 40 {
				sending.Go(func() {
					if _, err := nodes[i%2].s.Receive(t.Context(), sourceID, problems(i*10, 10, named("jane", "joe"))); err != nil {
						t.Error(err)
					}
				})
			}
			sending.Wait()
			for _, who := range []string{jane, joe} {
				same(t, who, nodes[0].log(t, who, route.Browser), "1 digest waiting", "3 problem waiting", "397 problem collected")
			}
			ids := map[string]bool{}
			for _, d := range nodes[1].digests(t, jane) {
				ids[d.ID] = true
			}
			for _, d := range nodes[1].all(t) {
				if d.ContactID == jane && d.State == delivery.Collected && !ids[d.Bundle] {
					t.Errorf("collected by nobody: %+v", d)
				}
			}
		})
	}
}

// counted is the real store; it counts what is asked of places and digests.
type counted struct {
	*store.DB
	paces, collecting, saved *int
}

type countedTx struct {
	dispatch.Tx
	c counted
}

func (c counted) Commit(ctx context.Context, fn func(ctx context.Context, tx dispatch.Tx) error) error {
	return c.DB.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error { return fn(ctx, countedTx{tx, c}) })
}

func (t countedTx) Paces(ctx context.Context, places []string) (map[string]storm.Pace, error) {
	*t.c.paces++
	return t.Tx.Paces(ctx, places)
}

func (t countedTx) Collecting(ctx context.Context, ids []string) (map[string]bool, error) {
	*t.c.collecting++
	return t.Tx.Collecting(ctx, ids)
}

func (t countedTx) Write(ctx context.Context, c *dispatch.Changes) error {
	*t.c.saved += len(c.Paces)
	return t.Tx.Write(ctx, c)
}

func TestWhatTellsNobodyAsksForNoPlace(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		c := counted{db, new(int), new(int), new(int)}
		r := &rig{db: db, s: run(t, c, dispatch.Options{Settings: rules()})}
		none := newContact(jane, "jane", janeUser, "7")
		none.ServiceNotifications = false
		must(t, db.SaveContact(t.Context(), none))
		r.receive(t, problems(0, 10, named("jane"))...)
		r.receive(t, event(call("custom"), func(e *alert.Event) { e.Type = alert.Custom }))
		if *c.paces+*c.collecting+*c.saved != 0 {
			t.Errorf("nobody is told: asked %d times for places, %d times for digests, %d saved", *c.paces, *c.collecting, *c.saved)
		}
		must(t, db.SaveContact(t.Context(), newContact(jane, "jane", janeUser, "7")))
		*c.paces, *c.collecting, *c.saved = 0, 0, 0
		r.receive(t, problems(10, 2, named("jane"))...)
		if *c.paces != 1 || *c.collecting != 0 || *c.saved != 1 {
			t.Errorf("no storm: asked %d times for places, %d times for digests, %d saved", *c.paces, *c.collecting, *c.saved)
		}
	})
}

func TestWithoutStormsAllIsToldOneByOne(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		c := counted{db, new(int), new(int), new(int)}
		r := &rig{db: db, s: run(t, c, dispatch.Options{Settings: rules(func(r *storm.Rules) { r.Off = true })})}
		r.receive(t, problems(0, 60)...)
		r.receive(t, problems(0, 30, recovered)...)
		same(t, "all", r.log(t, jane, route.Browser), "30 problem cancelled", "30 problem waiting", "30 recovery skipped never_told")
		if *c.paces != 0 || *c.collecting != 0 || *c.saved != 0 {
			t.Errorf("asked %d times for places, %d times for digests, %d saved", *c.paces, *c.collecting, *c.saved)
		}
	})
}

// What somebody asked for is told as it is, also in a storm.
func TestAReminderAndACustomNotificationAreInNoStorm(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, _ := stormy(t, db)
		got := r.receive(t, problems(0, 20)...)
		r.snooze(t, got[10].AlertID, 30*time.Minute)
		custom := event(call("custom"), func(e *alert.Event) { e.Type, e.Object.Service = alert.Custom, "svc-0011" })
		r.receive(t, custom)
		same(t, "all", r.log(t, jane, route.Browser), "1 custom waiting", "1 digest waiting", "1 problem cancelled", "16 problem collected", "4 problem waiting")
	})
}

func TestAllKindsOfPlacesAreCollected(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		r, _ := stormy(t, db)
		r.device(t, janeUser, "phone")
		c := newContact(jane, "jane", janeUser, "7")
		c.Email = "jane@example.com"
		must(t, db.SaveContact(t.Context(), c))
		r.receive(t, problems(0, 12, named("jane", "joe"))...)
		n := map[string][4]int{}
		for _, d := range r.all(t) {
			x := n[placeOf(d)]
			switch {
			case d.Notice == alert.NoticeDigest:
				x[1]++
			case d.State == delivery.Waiting:
				x[0]++
			case d.State == delivery.Collected:
				x[2]++
			default:
				x[3]++
			}
			n[placeOf(d)] = x
		}
		if len(n) != 7 { // two browsers, a phone, three rooms, a direct message
			t.Errorf("%d places: %v", len(n), n)
		}
		for p, x := range n {
			if x != [4]int{3, 1, 9, 0} {
				t.Errorf("%s: %v", p, x)
			}
		}
	})
}
