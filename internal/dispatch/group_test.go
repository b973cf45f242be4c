package dispatch_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// sent are the bodies that a real Alertmanager sent.
func sent(t *testing.T, version string) (bodies []string) {
	t.Helper()
	text, err := os.ReadFile("../source/testdata/alertmanager-" + version + ".json")
	must(t, err)
	var list []struct{ Body json.RawMessage }
	must(t, json.Unmarshal(text, &list))
	for _, l := range list {
		bodies = append(bodies, string(l.Body))
	}
	return bodies
}

// groups is a rig that takes webhooks, by a clock of its own.
type groups struct {
	*rig
	now time.Time
}

func newGroups(t *testing.T, db *store.DB) *groups {
	g := &groups{now: time.Now().UTC().Truncate(time.Minute)}
	g.rig = &rig{db: db, s: run(t, db, dispatch.Options{Clock: func() time.Time { return g.now }})}
	return g
}

// take hands a body in, later than the one before.
func (g *groups) take(t *testing.T, later time.Duration, body string) []dispatch.Receipt {
	t.Helper()
	g.now = g.now.Add(later)
	events, err := source.DecodeWebhook([]byte(body), g.now, source.MaxEvents, "alertmanager")
	must(t, err)
	return g.receive(t, events...)
}

// last is the newest event of the receipt's alert.
func (g *groups) last(t *testing.T, r dispatch.Receipt) alert.Event {
	t.Helper()
	events, err := g.db.Events(t.Context(), r.AlertID, "", 1)
	must(t, err)
	return events[0]
}

// told fails unless a receipt says that and the alert's timeline says why. Of a
// recovery nobody is told here, because the problem itself was not sent yet.
func (g *groups) told(t *testing.T, r dispatch.Receipt, outcome alert.Outcome, aloud bool, why string) {
	t.Helper()
	if r.Duplicate || r.Outcome != outcome || outcome != alert.Closed && (r.Deliveries > 0) != aloud {
		t.Errorf("got %+v, want %s, told: %v", r, outcome, aloud)
	}
	if e := g.last(t, r); !strings.Contains(e.Why, why) {
		t.Errorf("why: %q, want %q", e.Why, why)
	}
}

const quiet = "nobody is told again"

func TestAnAlertThatIsToldWithItsGroupIsToldToNobodyAgain(t *testing.T) {
	for _, version := range []string{"0.25", "0.34"} {
		onEach(t, func(t *testing.T, db *store.DB) {
			bodies := sent(t, version)
			g := newGroups(t, db)
			two, mixed, over := bodies[0], bodies[1], bodies[2]
			opened := g.take(t, 0, two)
			g.told(t, opened[0], alert.Opened, true, "A new problem")
			g.told(t, opened[1], alert.Opened, true, "A new problem")

			again := g.take(t, 5*time.Minute, mixed)
			g.told(t, again[0], alert.Repeated, false, quiet)
			g.told(t, again[1], alert.Closed, true, "It recovered")

			closed := g.take(t, 5*time.Minute, over)
			g.told(t, closed[0], alert.Closed, true, "It recovered")
		})
	}
}

func TestTheEnginesOwnRepetitionIsTold(t *testing.T) {
	for _, version := range []string{"0.25", "0.34"} {
		onEach(t, func(t *testing.T, db *store.DB) {
			bodies := sent(t, version)
			g := newGroups(t, db)
			g.told(t, g.take(t, 0, bodies[3])[0], alert.Opened, true, "A new problem")
			g.told(t, g.take(t, 4*time.Hour, bodies[4])[0], alert.Repeated, true, "the engine told it again")
			g.told(t, g.take(t, 4*time.Hour, bodies[5])[0], alert.Repeated, true, "the engine told it again")
		})
	}
}

// An Alertmanager whose request was taken, but not answered in time, sends it
// again.
func TestARequestThatIsTakenTwiceIsToldOnce(t *testing.T) {
	for _, version := range []string{"0.25", "0.34"} {
		t.Run(version, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				two := sent(t, version)[0]
				g := newGroups(t, db)
				g.now = g.now.Add(58 * time.Second)
				g.take(t, 0, two)
				for _, r := range g.take(t, time.Second, two) {
					if !r.Duplicate || r.Deliveries != 0 {
						t.Errorf("at once: %+v", r)
					}
				}
				for _, r := range g.take(t, 3*time.Second, two) { // in the next minute
					g.told(t, r, alert.Repeated, false, quiet)
				}
			})
		})
	}
}

func TestAnotherAlertOfTheGroupFires(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		const one = `{"status":"firing","labels":{"alertname":"DiskFull","instance":"web0N"},"startsAt":"2026-11-21T22:31:04Z"}`
		first, second := strings.ReplaceAll(one, "N", "1"), strings.ReplaceAll(one, "N", "2")
		body := func(reason string, alerts ...string) string {
			return `{"notification_reason":"` + reason + `","alerts":[` + strings.Join(alerts, ",") + `]}`
		}
		g := newGroups(t, db)
		g.take(t, 0, body("", first))
		for _, order := range []string{first + "," + second, second + "," + first} {
			got := g.take(t, 5*time.Minute, body("", order))
			if strings.HasPrefix(order, second) { // nothing changed any more: the engine's own repetition
				g.told(t, got[0], alert.Repeated, true, "the engine told it again")
				g.told(t, got[1], alert.Repeated, true, "the engine told it again")
				continue
			}
			g.told(t, got[0], alert.Repeated, false, quiet)
			g.told(t, got[1], alert.Opened, true, "A new problem")
		}
		// What it was that changed, the engine may know better than the request shows.
		for reason, aloud := range map[string]bool{"first notification": false, "new alerts added": false, "some alerts resolved": false,
			"repeat interval elapsed": true, "something new": true} {
			if got := g.take(t, 5*time.Minute, body(reason, first))[0]; got.Outcome != alert.Repeated || (got.Deliveries > 0) != aloud {
				t.Errorf("%s: %+v", reason, got)
			}
		}
		// Another's state is another matter: a group in which one is resolved, and one
		// that was not known, fires.
		third := strings.ReplaceAll(one, "N", "3")
		got := g.take(t, 5*time.Minute, body("", strings.Replace(second, "firing", "resolved", 1), first, third))
		g.told(t, got[0], alert.Closed, true, "It recovered")
		g.told(t, got[1], alert.Repeated, false, quiet)
		g.told(t, got[2], alert.Opened, true, "A new problem")
		// A recovery that is known here already was the reason, too.
		got = g.take(t, 5*time.Minute, body("", strings.Replace(second, "firing", "resolved", 1), first, third))
		g.told(t, got[1], alert.Repeated, false, quiet)
	})
}

// Nobody heard that it was over: the hub was away for longer than Alertmanager
// tries. What fires now is another problem, also where it is told as the first.
func TestAnAlertThatFiresAnewIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		g := newGroups(t, db)
		body := func(reason string, starts time.Time) string {
			return `{"notification_reason":"` + reason + `","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"` + starts.Format(time.RFC3339) + `"}]}`
		}
		first := g.now
		g.take(t, 0, body("first notification", first))
		g.told(t, g.take(t, 24*time.Hour, body("first notification", first))[0], alert.Repeated, false, quiet)
		later := g.now.Add(time.Hour)
		g.told(t, g.take(t, 70*time.Minute, body("first notification", later))[0], alert.Repeated, true, "the engine told it again")
		g.told(t, g.take(t, time.Hour, body("first notification", later))[0], alert.Repeated, false, quiet)
	})
}

func TestProblemsOfNagiosAreToldAgainWhateverComesWithThem(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		g := newGroups(t, db)
		g.receive(t, event(at(g.now)))
		g.now = g.now.Add(time.Hour)
		other := event(at(g.now))
		other.Object.Service = "Disk"
		got := g.receive(t, event(at(g.now)), other)
		g.told(t, got[0], alert.Repeated, true, "the engine told it again")
		g.told(t, got[1], alert.Opened, true, "A new problem")
	})
}
