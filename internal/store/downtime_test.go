package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

func TestDowntimesThatWereAskedForHere(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		inDowntime := func(n int, edit func(*dispatch.Changes)) {
			c := problem(n)
			c.Objects[0].Downtime = true
			for i, until := range []time.Time{day().Add(time.Hour), day().Add(2 * time.Hour)} {
				e := asked(n)[0]
				e.ID, e.Type, e.Until = fmt.Sprintf("ask-%d-%d", n, i), alert.ScheduleDowntime, until
				c.Events = append(c.Events, e)
			}
			edit(&c)
			write(t, db, c)
		}
		inDowntime(1, func(*dispatch.Changes) {})
		inDowntime(2, func(c *dispatch.Changes) { c.Alerts[0].Status, c.Alerts[0].Resolved = alert.Resolved, day() })
		inDowntime(3, func(c *dispatch.Changes) { c.Objects[0].Downtime = false })
		inDowntime(4, func(c *dispatch.Changes) { c.Events = c.Events[:1] }) // the engine began it
		inDowntime(5, func(c *dispatch.Changes) { c.Objects[0].SourceID = "s2" })
		inDowntime(6, func(c *dispatch.Changes) { c.Alerts[0].Status = alert.Acknowledged })
		// The engine tells of this one, long after that which was asked for.
		for n, alertID := range map[int]string{7: problem(7).Alerts[0].ID, 8: ""} {
			inDowntime(n, func(c *dispatch.Changes) {
				e := asked(n)[0]
				e.ID, e.Type, e.AlertID, e.Origin = fmt.Sprintf("engine-%d", n), alert.DowntimeStart, alertID, alert.FromEngine
				c.Events = append(c.Events, e)
			})
		}
		want := map[string]string{}
		for n, since := range map[int]time.Time{1: problem(1).Alerts[0].Since, 2: {}, 6: problem(6).Alerts[0].Since} {
			want[problem(n).Objects[0].ID] = fmt.Sprint(since, problem(n).Alerts[0].ID, fmt.Sprintf("ask-%d-1", n), day().Add(2*time.Hour))
		}
		for _, limit := range []int{1, 2, 3, 500} {
			got := map[string]string{}
			for after := ""; ; {
				list, err := db.Downtimes(t.Context(), "s1", after, limit)
				ok(t, err)
				for _, d := range list {
					after = d.Object.ID
					got[after] = fmt.Sprint(d.Since, d.Asked.AlertID, d.Asked.ID, d.Asked.Until)
				}
				if len(list) < limit {
					break
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%d at a time: %s", limit, d)
			}
		}
	})
}
