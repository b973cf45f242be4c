package store_test

import (
	"fmt"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/store"
)

func TestASearchFindsNamesInAllAndOutputsInWhatIsRecent(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		const many = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) SELECT `
		ok(t, store.Exec(ctx, db, `INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels, state, downtime, flapping, changed, search, alert_id, last_event_id)
			WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599)
			SELECT 'o' || CAST(i AS TEXT), 's', 'web' || CAST(i AS TEXT), '', '', '', '', '', 'ok', FALSE, FALSE, 1, 'web' || CAST(i AS TEXT) || '!', '', '' FROM n`))
		// The i-th began at i; the first 10 are open.
		ok(t, store.Exec(ctx, db, `INSERT INTO alert (id, object_id, status, rank, state, worst, output, long, search, since, updated, resolved, ack, repeats, marks) `+many+
			`'a' || CAST(i AS TEXT), 'o' || CAST(i % 600 AS TEXT), CASE WHEN i <= 10 THEN 'firing' ELSE 'resolved' END, CASE WHEN i <= 10 THEN 2 ELSE 0 END, 'critical', 'critical',
			'', '', 'ticket ' || CAST(i AS TEXT) || '!', i, i, CASE WHEN i <= 10 THEN 0 ELSE i END, '', 0, '' FROM n`))
		search := func(f alert.Filter) (ids []string) {
			t.Helper()
			for {
				items, next, err := db.Alerts(ctx, f)
				ok(t, err)
				for _, a := range items {
					ids = append(ids, a.ID)
				}
				if f.Cursor = next; next == "" {
					return ids
				}
			}
		}
		for _, row := range []struct {
			f    alert.Filter
			want string
		}{
			{alert.Filter{Search: "Ticket 5999!"}, "[a5999]"},
			{alert.Filter{Search: "ticket 1001!"}, "[a1001]"},
			{alert.Filter{Search: "ticket 900!"}, "[]"}, // its output is of long ago
			{alert.Filter{Search: "ticket 900!", Older: true}, "[a900]"},
			{alert.Filter{Search: "ticket 3!"}, "[a3]"}, // it is open
			{alert.Filter{Search: "web300!"}, "[a5700 a5100 a4500 a3900 a3300 a2700 a2100 a1500 a900 a300]"},
			{alert.Filter{Search: "web300!", Limit: 3}, "[a5700 a5100 a4500 a3900 a3300 a2700 a2100 a1500 a900 a300]"},
			{alert.Filter{Search: "web300!", Status: []alert.Status{alert.Firing}}, "[]"},
			{alert.Filter{Search: "web3!"}, "[a3 a5403 a4803 a4203 a3603 a3003 a2403 a1803 a1203 a603]"},
			{alert.Filter{Search: "nothing"}, "[]"},
		} {
			if got := fmt.Sprint(search(row.f)); got != row.want {
				t.Errorf("%+v finds %s, not %s", row.f, got, row.want)
			}
		}
		if got := search(alert.Filter{Search: "web", Limit: 500}); len(got) != 6000 || got[0] != "a10" || got[10] != "a6000" || got[5999] != "a11" {
			t.Errorf("a name that all have finds %d, from %v", len(got), got[:min(12, len(got))])
		}
	})
}
