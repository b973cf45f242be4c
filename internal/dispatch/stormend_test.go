package dispatch_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
	"tocsin/internal/storm"
)

// Times in these tests lie an hour back, so that whatever waits a while is due.

// claimOf takes what is due now of a channel other than the tabs'.
func (r *rig) claimOf(t *testing.T, channel string) []delivery.Claimed {
	t.Helper()
	out, err := r.db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: channel, Limit: 200, Lease: time.Minute, Node: "test"})
	must(t, err)
	return out
}

// tick does what is due, without a loop.
func tick(t *testing.T, db *store.DB, now *clock, edit ...func(*storm.Rules)) {
	t.Helper()
	dispatch.New(db, dispatch.Options{Inline: true, Clock: now.now, Settings: rules(edit...)}).Tick(t.Context())
}

func TestADigestTellsWhatIsTrueWhenItIsSent(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-time.Hour)
		got := r.receive(t, problems(0, 12, func(e *alert.Event) { e.State = alert.Warning })...)
		r.receive(t, problems(3, 4, recovered)...)
		now.move(time.Second)
		r.receive(t, problems(9, 1)...) // worse than the others now
		r.ack(t, got[8].AlertID, joeUser)
		held := r.claim(t)
		var digests []delivery.Claimed
		for _, c := range held {
			if c.Notice == alert.NoticeDigest {
				digests = append(digests, c)
			}
		}
		// It was due before, and there was no tab: it went on collecting.
		if len(digests) != 1 || len(held) != 4 {
			t.Fatalf("%d digests of %d messages", len(digests), len(held))
		}
		for _, c := range digests {
			d := c.Message("", "").Digest
			if c.Untrue() != "" || d == nil || d.Total != 9 || d.Open != 4 || d.Acked != 1 || d.Recovered != 4 || d.Title != "Storm: source nagios" || d.Held || d.Over ||
				d.Storm != digests[0].Storm || len(d.Worst) != 5 || d.Worst[0].AlertID != got[9].AlertID || d.Worst[0].State != alert.Critical {
				t.Errorf("%q: %+v", c.Untrue(), d)
			}
		}
		r.complete(t, held)
		for _, d := range r.all(t) {
			switch d.State {
			case delivery.Sent, delivery.Cancelled, delivery.Skipped:
			default:
				t.Errorf("without an end: %+v", d)
			}
			if d.State == delivery.Sent && d.Bundle != "" && d.Detail != "told together: shown by Firefox" {
				t.Errorf("%q", d.Detail)
			}
		}
	})
}

func TestWhatIsLeftAloneOfAStormIsToldAsItself(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-time.Hour)
		got := r.receive(t, problems(0, 8)...)
		r.receive(t, problems(3, 4, recovered)...)
		held := r.claim(t)
		if len(held) != 4 {
			t.Fatalf("%d messages", len(held))
		}
		at := slices.IndexFunc(held, func(c delivery.Claimed) bool { return c.AlertID == got[7].AlertID })
		if at < 0 || held[at].Digest != nil || held[at].Notice != alert.NoticeProblem || held[at].Untrue() != "" {
			t.Errorf("%+v", held)
		}
		r.complete(t, held)
		same(t, "its log", r.story(t, got[7].AlertID), "problem jane browser sent")
	})
}

func TestNobodyIsToldOfAStormThatIsOverBeforeItIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-time.Hour)
		r.receive(t, problems(0, 8)...)
		r.complete(t, r.claim(t)[:3]) // those that were told at once
		r2, _ := stormy(t, db)
		r2.receive(t, problems(3, 5, recovered)...)
		_ = now
		for _, c := range r.claim(t) {
			if c.Notice == alert.NoticeDigest {
				t.Errorf("%+v", c)
			}
		}
	})
}

// The recovery of what was told together is told, too: its digest may have been
// seen by the time.
func TestARecoveryOfWhatWasToldTogetherIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-time.Hour)
		got := r.receive(t, problems(0, 8)...)
		held := r.claim(t) // on their way
		r.receive(t, problems(5, 1, recovered)...)
		same(t, "while it is on its way", r.story(t, got[5].AlertID, alert.NoticeRecovery), "recovery jane browser collected")
		r.complete(t, held)
		r.receive(t, problems(6, 1, recovered)...)
		same(t, "after it was told", r.story(t, got[6].AlertID, alert.NoticeProblem, alert.NoticeRecovery), "problem jane browser sent", "recovery jane browser collected")
	})
}

func TestWhatAStormShowsIsBroughtUpToDateQuietlyAndToldToBeOver(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		c := newContact(jane, "jane", janeUser, "7")
		c.ServiceOptions = "w,u,c" // of recoveries she does not want to hear
		must(t, db.SaveContact(t.Context(), c))
		r, now := stormy(t, db)
		r.device(t, janeUser, "phone")
		now.move(-time.Hour)
		r.receive(t, problems(0, 20)...)
		for _, ch := range []string{route.Webpush, route.Mattermost} {
			r.complete(t, r.claimOf(t, ch))
		}
		r.complete(t, r.claim(t))
		now.move(20 * time.Second)
		r.receive(t, problems(5, 3, recovered)...)
		phone := func() []delivery.Delivery {
			return slices.DeleteFunc(r.digests(t, jane), func(d delivery.Delivery) bool { return d.Channel != route.Webpush })
		}
		ds := phone()
		if len(ds) != 2 || !ds[1].Quiet || ds[1].Storm != ds[0].Storm || ds[1].Due.Sub(ds[0].Created) < 40*time.Second || ds[1].State != delivery.Waiting ||
			!strings.HasPrefix(ds[1].Why, "brings up to date what was told of the storm of “source nagios” since ") {
			t.Fatalf("the phone: %+v", ds)
		}
		for _, d := range r.all(t) {
			if d.Quiet && d.Notice != alert.NoticeDigest {
				t.Errorf("a quiet message of its own: %+v", d)
			}
		}
		push := r.claimOf(t, route.Webpush)
		if len(push) != 1 || push[0].Untrue() != "" || push[0].Digest.Open != 14 || push[0].Digest.Recovered != 3 {
			t.Errorf("%+v", push)
		}
		r.complete(t, push)

		tick(t, db, now) // nothing: it is not calm yet
		if n := len(phone()); n != 2 {
			t.Errorf("%d messages to the phone before it is calm", n)
		}
		now.move(6 * time.Minute)
		tick(t, db, now)
		tick(t, db, now)
		var over []string
		for _, d := range r.all(t) {
			if d.Reason == route.ReasonOver {
				over = append(over, d.Channel+" "+d.DestinationName)
				if !d.Quiet || d.Notice != alert.NoticeDigest || !strings.HasPrefix(d.Why, "tells the end of the storm of “source nagios” since ") {
					t.Errorf("%+v", d)
				}
			}
		}
		// The webhook's posts cannot be edited.
		slices.Sort(over)
		same(t, "told that it is over", over, "browser ", "mattermost Hall", "mattermost Ops", "webpush phone")
		push = r.claimOf(t, route.Webpush)
		if len(push) != 1 || !push[0].Message("", "").Digest.Over || push[0].Untrue() != "" {
			t.Errorf("%+v", push)
		}
		// What comes now is told at once again, and what is shown of the storm follows still.
		r.complete(t, push)
		got := r.receive(t, problems(100, 1)...)
		same(t, "after the storm", r.story(t, got[0].AlertID, alert.NoticeProblem),
			"problem Hall Hall waiting", "problem Hook Hook waiting", "problem Ops Ops waiting", "problem jane browser waiting", "problem jane phone waiting")
		now.move(time.Minute)
		r.receive(t, problems(10, 1, recovered)...)
		if ds = phone(); !ds[len(ds)-1].Quiet || ds[len(ds)-1].Reason != route.ReasonStorm || ds[len(ds)-1].State != delivery.Waiting {
			t.Errorf("%+v", ds[len(ds)-1])
		}
	})
}

func TestRunStormsEndsThem(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-time.Hour)
		r.receive(t, problems(0, 9)...)
		r.complete(t, r.claim(t))
		now.move(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- r.s.RunStorms(ctx) }()
		for ctx.Err() == nil {
			if ds := r.digests(t, jane); len(ds) > 0 && ds[len(ds)-1].Reason == route.ReasonOver {
				break
			}
		}
		if ctx.Err() != nil {
			t.Error("it did not end")
		}
		cancel()
		must(t, <-done)
	})
}

// A message that nobody took in time takes with it what it collected.
func TestWhatWasCollectedEndsAsItsDigestDoes(t *testing.T) {
	for state, detail := range map[delivery.State]string{
		delivery.Dead: "told together: given up", delivery.Expired: "told together: given up", delivery.Cancelled: "told together: given up",
	} {
		t.Run(string(state), func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r, now := stormy(t, db)
				now.move(-time.Hour)
				r.receive(t, problems(0, 9)...)
				for _, c := range r.claim(t) {
					must(t, db.CompleteDeliveries(t.Context(), "test", []delivery.Completion{{ID: c.ID, Attempt: c.Attempt, State: state, Detail: "given up", At: time.Now()}}))
				}
				n := 0
				for _, d := range r.all(t) {
					if d.Bundle != "" {
						n++
						if d.State != state || d.Detail != detail || d.Done.IsZero() {
							t.Errorf("%+v", d)
						}
					}
				}
				if n != 6 {
					t.Errorf("%d were collected", n)
				}
			})
		})
	}
}
