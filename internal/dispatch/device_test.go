package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// device gives a user a device of that name and answers its id.
func (r *rig) device(t *testing.T, userID, name string) string {
	t.Helper()
	s, _, err := r.db.SaveSubscription(t.Context(), push.Subscription{
		Endpoint: "https://push.example.com/" + userID + "/" + name, P256dh: []byte(strings.Repeat("p", 65)), Auth: []byte(strings.Repeat("a", 16)),
		KeyID: "key", UserID: userID, Name: name,
	}, nil)
	must(t, err)
	return s.ID
}

// send has all that is due by now sent, by every channel: as if the tabs of jane
// and joe were open and their devices on.
func (r *rig) send(t *testing.T) {
	t.Helper()
	for _, channel := range route.Channels() {
		claim := delivery.Claim{Channel: channel, Limit: 500, Lease: time.Minute, Node: "test"}
		if channel == route.Browser {
			claim.Users = []string{janeUser, joeUser}
		}
		held, err := r.db.ClaimDeliveries(t.Context(), claim)
		must(t, err)
		var done []delivery.Completion
		for _, c := range held {
			done = append(done, delivery.Completion{ID: c.ID, Attempt: c.Attempt, State: delivery.Sent, Result: "sent", At: time.Now()})
		}
		must(t, r.db.CompleteDeliveries(t.Context(), "test", done))
	}
}

// story are the deliveries of an alert as "recovery jane phone sent", in the
// order of their making and then of names; quiet ones and those that are not
// told say so.
func (r *rig) story(t *testing.T, alertID string, notices ...alert.Notice) []string {
	t.Helper()
	var out []string
	for _, d := range r.deliveries(t, alertID) {
		if len(notices) > 0 && !slices.Contains(notices, d.Notice) {
			continue
		}
		words := []string{string(d.Notice), d.ContactName, d.Channel, d.DestinationName, string(d.State)}
		if d.DestinationName != "" {
			words[2] = ""
		}
		if d.Quiet {
			words = append(words, "quiet")
		}
		if d.State == delivery.Skipped {
			words = append(words, string(d.Reason))
		}
		out = append(out, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	slices.Sort(out)
	return out
}

func (r *rig) ack(t *testing.T, alertID, userID string) {
	t.Helper()
	_, err := r.s.Acknowledge(t.Context(), alertID, dispatch.AckRequest{UserID: userID, Author: userID, Origin: alert.FromConsole})
	must(t, err)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func TestEachDeviceGetsADeliveryOfItsOwn(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		before := r.receive(t, event(call("before")))[0]
		same(t, "before", r.story(t, before.AlertID), "problem jane browser waiting")
		phone, desk := r.device(t, janeUser, "phone"), r.device(t, janeUser, "desk")
		got := r.receive(t, event(named("jane", "joe"), call("1"), func(e *alert.Event) { e.Object.Host = "web02" }))[0]
		same(t, "with devices", r.story(t, got.AlertID), "problem jane browser waiting", "problem jane desk waiting",
			"problem jane phone waiting", "problem joe browser waiting")
		if got.Deliveries != 4 {
			t.Errorf("receipt %+v", got)
		}
		for _, d := range r.deliveries(t, got.AlertID) {
			lives, ids := 480*time.Minute, []string{""}
			if d.Channel == route.Webpush {
				lives, ids = 240*time.Minute, []string{phone, desk}
			}
			if !d.Expires.Equal(d.Created.Add(lives)) || !slices.Contains(ids, d.Destination) || d.Quiet {
				t.Errorf("%+v", d)
			}
		}
		must(t, db.DeleteSubscription(t.Context(), desk))
		off := config.Defaults()
		got = r.receive(t, event(call("2"), func(e *alert.Event) { e.Object.Host = "web03" }))[0]
		same(t, "one device gone", r.story(t, got.AlertID), "problem jane browser waiting", "problem jane phone waiting")
		off.WebPush = false
		must(t, db.SaveSettings(t.Context(), off))
		got = r.receive(t, event(call("3"), func(e *alert.Event) { e.Object.Host = "web04" }))[0]
		same(t, "off", r.story(t, got.AlertID), "problem jane browser waiting")
	})
}

func TestWhatADeviceShowsIsReplacedQuietly(t *testing.T) {
	const n = alert.NoticeAck
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, janeUser, "phone")
		r.device(t, joeUser, "laptop")
		gone := r.device(t, janeUser, "old phone")
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		r.device(t, janeUser, "new phone")
		must(t, db.DeleteSubscription(t.Context(), gone))

		r.ack(t, id, janeUser)
		same(t, "jane took it at her desk", r.story(t, id, n), "acknowledgement jane phone waiting quiet",
			"acknowledgement jane skipped own_action", "acknowledgement joe browser waiting", "acknowledgement joe laptop waiting")
		r.send(t)
		_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{UserID: joeUser, Author: "joe", Origin: alert.FromConsole})
		must(t, err)
		same(t, "joe gave it back", r.story(t, id, alert.NoticeProblem), "problem jane browser sent", "problem jane old phone sent",
			"problem jane phone sent", "problem jane phone waiting quiet", "problem joe browser sent", "problem joe laptop sent", "problem joe laptop waiting quiet")
		r.ack(t, id, joeUser)
		same(t, "what waited to be replaced is not true any more", r.story(t, id, alert.NoticeProblem), "problem jane browser sent",
			"problem jane old phone sent", "problem jane phone cancelled quiet", "problem jane phone sent", "problem joe browser sent",
			"problem joe laptop cancelled quiet", "problem joe laptop sent")

		c := newContact(jane, "jane", janeUser, "7")
		c.ServiceOptions = "w,u,c,f,s"
		must(t, db.SaveContact(t.Context(), c))
		got := r.receive(t, event(recovered, call("2")))[0]
		same(t, "a recovery that jane does not want to hear of, and nobody tells joe", r.story(t, id, alert.NoticeRecovery),
			"recovery jane phone waiting quiet", "recovery jane skipped option_off", "recovery joe laptop waiting quiet")
		if got.Deliveries != 0 {
			t.Errorf("quiet ones are counted: %+v", got)
		}
		for _, d := range r.deliveries(t, id) {
			if d.Quiet && (d.Reason != route.ReasonReplace || d.Why == "" || d.ContactID == "" || d.UserID == "" || d.Destination == "" || d.State == delivery.Waiting && d.Due.After(d.Created)) {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestWhatNeverReachedADeviceNeedNotBeReplaced(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, janeUser, "phone")
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.ack(t, id, janeUser)
		same(t, "unsent", r.story(t, id), "acknowledgement jane skipped own_action",
			"problem jane browser cancelled", "problem jane phone cancelled")
		got := r.receive(t, event(named("joe"), recovered, call("2")))[0]
		same(t, "over", r.story(t, got.AlertID, alert.NoticeRecovery), "recovery joe browser waiting")
	})
}

func TestFurtherCallsOfAnEventTellAloudWhomTheFirstWouldHaveToldQuietly(t *testing.T) {
	const n = alert.NoticeRecovery
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, janeUser, "phone")
		r.device(t, joeUser, "laptop")
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		when := time.Now()
		r.receive(t, event(at(when), named("jane"), recovered, call("2")))
		same(t, "the first call", r.story(t, id, n), "recovery jane browser waiting", "recovery jane phone waiting", "recovery joe laptop waiting quiet")
		for _, d := range r.deliveries(t, id) {
			if d.Quiet && !d.Due.After(d.Created) {
				t.Errorf("it does not wait for the next call: %+v", d)
			}
		}
		r.receive(t, event(at(when), named("joe"), recovered, call("3")))
		same(t, "the second", r.story(t, id, n), "recovery jane browser waiting", "recovery jane phone waiting",
			"recovery joe browser waiting", "recovery joe laptop cancelled quiet", "recovery joe laptop waiting")

		next := r.receive(t, event(named("jane", "joe"), call("4")))[0].AlertID
		r.send(t)
		when = time.Now()
		r.receive(t, event(at(when), named("jane"), recovered, call("5")), event(at(when), named("joe"), recovered, call("6")))
		same(t, "both in one transaction", r.story(t, next, n), "recovery jane browser waiting", "recovery jane phone waiting",
			"recovery joe browser waiting", "recovery joe laptop waiting")
	})
}

func TestOnlyTheLastTurnOfATransactionIsShown(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, joeUser, "laptop")
		id := r.receive(t, event(named("joe"), call("1")))[0].AlertID
		r.send(t)
		taken := func(e *alert.Event) { e.Type, e.Author = alert.Acknowledgement, "Jane" }
		when := time.Now()
		r.receive(t, event(at(when), taken, call("2")), event(at(when), recovered, call("3")))
		same(t, "taken and over", r.story(t, id), "acknowledgement jane browser cancelled", "problem joe browser sent", "problem joe laptop sent",
			"recovery jane browser skipped never_told", "recovery joe laptop waiting quiet")
		id = r.receive(t, event(named("joe"), call("4")))[0].AlertID
		r.send(t)
		when = time.Now()
		r.receive(t, event(at(when), taken, call("5")), event(at(when), func(e *alert.Event) { e.State = alert.Warning }, call("6")))
		same(t, "taken and firing again", r.story(t, id), "acknowledgement jane browser waiting", "problem joe browser sent",
			"problem jane browser waiting", "problem joe laptop sent")
	})
}

func TestWhoNeverHeardOfAProblemDoesNotHearOfItsEnd(t *testing.T) {
	const n = alert.NoticeRecovery
	short := config.Defaults()
	short.BrowserTTL = 0 // all that waits for a tab expires at once
	for _, c := range []struct {
		name     string
		settings config.Settings
		do       func(t *testing.T, r *rig) []dispatch.Receipt
		want     []string
		made     int // deliveries of the last receipt
	}{
		{"no tab was open", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser skipped never_told"}, 0},
		{"in one transaction", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			return r.receive(t, event(named("jane"), call("1")), event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser skipped never_told"}, 0},
		{"it was told", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			r.send(t)
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser waiting"}, 1},
		{"told once and then again in vain", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			r.send(t)
			r.receive(t, event(named("jane"), call("1b")))
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser waiting"}, 1},
		{"an attempt was made, nobody knows with what success", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			_, err := r.db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Browser, Users: []string{janeUser}, Limit: 9, Lease: time.Minute, Node: "test"})
			must(t, err)
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser waiting"}, 1},
		{"one was told, one was not", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			r.send(t)
			r.receive(t, event(named("joe"), call("1b")))
			return r.receive(t, event(named("jane", "joe"), recovered, call("2")))
		}, []string{"recovery jane browser waiting", "recovery joe browser skipped never_told"}, 1},
		{"the phone was told, the tab was not", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.device(t, janeUser, "phone")
			r.receive(t, event(named("jane"), call("1")))
			held, err := r.db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Webpush, Limit: 9, Lease: time.Minute, Node: "test"})
			must(t, err)
			must(t, r.db.CompleteDeliveries(t.Context(), "test", []delivery.Completion{{ID: held[0].ID, Attempt: 1, State: delivery.Sent, At: time.Now()}}))
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser skipped never_told", "recovery jane phone waiting"}, 1},
		{"its time ran out unsent", short, func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			if n, err := r.db.ExpireDeliveries(t.Context(), 9); err != nil || n != 1 {
				t.Fatalf("expired %d, %v", n, err)
			}
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser skipped never_told"}, 0},
		{"somebody took it before it was told", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.ack(t, r.receive(t, event(named("jane"), call("1")))[0].AlertID, joeUser)
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser skipped never_told"}, 0},
		{"the engine told only another that somebody took it", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			r.receive(t, event(named("joe"), call("2"), func(e *alert.Event) { e.Type, e.Author = alert.Acknowledgement, "Bob" }))
			return r.receive(t, event(named("jane"), recovered, call("3")))
		}, []string{"recovery jane browser skipped never_told"}, 0},
		{"who took it knows of it", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.ack(t, r.receive(t, event(named("jane"), call("1")))[0].AlertID, janeUser)
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser waiting"}, 1},
		{"who heard that somebody took it", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.ack(t, r.receive(t, event(named("jane"), call("1")))[0].AlertID, joeUser)
			r.send(t)
			return r.receive(t, event(named("jane"), recovered, call("2")))
		}, []string{"recovery jane browser waiting"}, 1},
		{"who was not to hear of the problem at all", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			return r.receive(t, event(named("joe"), recovered, call("2")))
		}, []string{"recovery joe browser waiting"}, 1},
		{"a further call of the recovery", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane", "joe"), call("1")))
			when := time.Now()
			r.receive(t, event(at(when), named("jane"), recovered, call("2")))
			return r.receive(t, event(at(when), named("joe"), recovered, call("3")))
		}, []string{"recovery jane browser skipped never_told", "recovery joe browser skipped never_told"}, 0},
		{"a downtime's end that finds it well", config.Defaults(), func(t *testing.T, r *rig) []dispatch.Receipt {
			r.receive(t, event(named("jane"), call("1")))
			r.send(t)
			r.receive(t, event(named("joe"), call("2")))
			r.receive(t, event(call("3"), func(e *alert.Event) { e.Type = alert.DowntimeStart }))
			return r.receive(t, event(named("joe"), call("4"), func(e *alert.Event) { e.Type, e.State = alert.DowntimeEnd, alert.OK }))
		}, []string{"recovery jane browser waiting", "recovery joe browser skipped never_told"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r := &rig{db: db, s: run(t, db, dispatch.Options{Settings: func(context.Context) (config.Settings, error) { return c.settings, nil }})}
				got := c.do(t, r)
				last := got[len(got)-1]
				same(t, "recoveries", r.story(t, last.AlertID, n), c.want...)
				if last.Deliveries != c.made {
					t.Errorf("receipt %+v", last)
				}
				for _, d := range r.deliveries(t, last.AlertID) {
					if d.Reason == route.ReasonNeverTold && (d.Done.IsZero() || !strings.HasSuffix(d.Why, "but the problem was over before it was told")) {
						t.Errorf("%+v", d)
					}
				}
			})
		})
	}
}

func TestReceiptsOfABatchCountTheirOwn(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		var events []alert.Event
		on := func(host string) func(*alert.Event) { return func(e *alert.Event) { e.Object.Host = host } }
		for i := range 5 {
			events = append(events, event(on(fmt.Sprint("h", i)), named("jane", "joe"), call(fmt.Sprint("p", i))))
		}
		r.receive(t, events[:3]...)
		r.send(t)
		r.receive(t, events[3:]...)
		var over []alert.Event
		for i := range 5 {
			over = append(over, event(on(fmt.Sprint("h", i)), named("jane", "joe"), recovered, call(fmt.Sprint("r", i))))
		}
		over = slices.Insert(over, 1, event(on("h0"), call("p0"))) // known: makes none
		var got []int
		for _, receipt := range r.receive(t, over...) {
			got = append(got, receipt.Deliveries)
		}
		if diff := cmp.Diff([]int{2, 0, 2, 2, 0, 0}, got); diff != "" {
			t.Error(diff)
		}
	})
}
