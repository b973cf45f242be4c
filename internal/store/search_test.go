package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

// manyAlerts writes 600 objects of three sources, and alerts 1 to n, of which the i-th
// began at i and the first 10 are open.
func manyAlerts(t *testing.T, db *store.DB, n int) {
	t.Helper()
	ctx := t.Context()
	ok(t, store.Exec(ctx, db, `INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels, state, downtime, flapping, changed, search, alert_id, last_event_id)
		WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 599)
		SELECT 'o' || CAST(i AS TEXT), CASE WHEN i = 7 THEN 'rare' WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 'web' || CAST(i AS TEXT), CASE WHEN i % 3 = 0 THEN '' ELSE 'http' END,
		'', '', '', '', 'ok', FALSE, FALSE, 1, 'web' || CAST(i AS TEXT) || '!', CASE WHEN i BETWEEN 1 AND 10 THEN 'a' || CAST(i AS TEXT) ELSE '' END, '' FROM n`))
	moreAlerts(t, db, 1, n)
}

func moreAlerts(t *testing.T, db *store.DB, from, to int) {
	t.Helper()
	ok(t, store.Exec(t.Context(), db, `INSERT INTO alert (id, object_id, status, rank, state, worst, output, long, search, since, updated, resolved, ack, repeats, marks)
		WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)
		SELECT 'a' || CAST(i AS TEXT), 'o' || CAST(i % 600 AS TEXT), CASE WHEN i <= 10 THEN 'firing' ELSE 'resolved' END, CASE WHEN i <= 10 THEN 2 ELSE 0 END,
		CASE WHEN i % 1000 = 99 THEN 'unknown' ELSE 'critical' END, 'critical', '', '',
		'ticket ' || CAST(i AS TEXT) || '!' || CASE WHEN i % 700 = 5 THEN ' käfer_50%' ELSE '' END, i, i, CASE WHEN i <= 10 THEN 0 ELSE i END, '', 0, '' FROM n`, from, to))
}

// told writes that a contact was told of alert i, or was not.
func toldOf(t *testing.T, db *store.DB, contact string, i int, state string) {
	t.Helper()
	ok(t, store.Exec(t.Context(), db, `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why, detail, created, due, attempt, expires, done)
		VALUES ('d' || CAST($1 AS TEXT), 'e', $1, '', $2, '', '', 'browser', 'problem', $3, '', '', '', 1, 1, 1, 1, 1)`, fmt.Sprintf("a%d", i), contact, state))
}

// found walks through all pages and answers the ids, and how many pages there were.
func found(t *testing.T, db *store.DB, f alert.Filter) (ids []string, pages int) {
	t.Helper()
	for {
		items, next, err := db.Alerts(t.Context(), f)
		ok(t, err)
		for _, a := range items {
			ids = append(ids, a.ID)
		}
		if pages++; pages > 10_000 {
			t.Fatal("the pages do not end")
		}
		if f.Cursor = next; next == "" {
			return ids, pages
		}
	}
}

func catalogue(t *testing.T, db *store.DB, batch int) (n int) {
	t.Helper()
	for {
		done, err := db.Catalogue(t.Context(), batch)
		ok(t, err)
		if n += done; done == 0 {
			return n
		}
	}
}

func TestASearchFindsNamesAndOutputsInAllThereIs(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 6000)
		toldOf(t, db, "ann", 3000, "sent")
		toldOf(t, db, "ann", 3001, "skipped")
		toldOf(t, db, "ann", 4, "waiting")
		check := func(t *testing.T) {
			for _, row := range []struct {
				f    alert.Filter
				want string
			}{
				{alert.Filter{Search: "Ticket 5999!"}, "[a5999]"},
				{alert.Filter{Search: "ticket 900!"}, "[a900]"},
				{alert.Filter{Search: "ticket 900!", Older: true}, "[a900]"},
				{alert.Filter{Search: "ticket 3!"}, "[a3]"}, // it is open
				{alert.Filter{Search: "KÄFER_50%", Limit: 3}, "[a5 a5605 a4905 a4205 a3505 a2805 a2105 a1405 a705]"},
				{alert.Filter{Search: "käfer%50"}, "[]"}, // no pattern
				{alert.Filter{Search: "12!", Status: []alert.Status{alert.Resolved}, Since: time.UnixMilli(5900)}, "[a5912]"},
				{alert.Filter{Search: "web300!"}, "[a5700 a5100 a4500 a3900 a3300 a2700 a2100 a1500 a900 a300]"},
				{alert.Filter{Search: "web300!", Limit: 3}, "[a5700 a5100 a4500 a3900 a3300 a2700 a2100 a1500 a900 a300]"},
				{alert.Filter{Search: "web300!", Status: []alert.Status{alert.Firing}}, "[]"},
				{alert.Filter{Search: "web300!", States: []alert.State{alert.Unknown}}, "[]"},
				{alert.Filter{Search: "web3!"}, "[a3 a5403 a4803 a4203 a3603 a3003 a2403 a1803 a1203 a603]"},
				{alert.Filter{Search: "web3!", SourceIDs: []string{"even"}}, "[]"},
				{alert.Filter{Search: "nothing"}, "[]"},
				{alert.Filter{Search: "!!"}, "[]"},
				{alert.Filter{States: []alert.State{alert.Unknown}}, "[a5099 a4099 a3099 a2099 a1099 a99]"},
				{alert.Filter{States: []alert.State{alert.Unknown}, Limit: 2}, "[a5099 a4099 a3099 a2099 a1099 a99]"},
				{alert.Filter{States: []alert.State{alert.Warning}}, "[]"},
				{alert.Filter{SourceIDs: []string{"rare", "other"}}, "[a7 a5407 a4807 a4207 a3607 a3007 a2407 a1807 a1207 a607]"},
				{alert.Filter{SourceIDs: []string{"rare"}, Kind: alert.Host}, "[]"},
				{alert.Filter{ContactID: "ann"}, "[a4 a3000]"},
				{alert.Filter{ContactID: "bob"}, "[]"},
				{alert.Filter{ObjectID: "o7", Limit: 4}, "[a7 a5407 a4807 a4207 a3607 a3007 a2407 a1807 a1207 a607]"},
				{alert.Filter{Since: time.UnixMilli(5999)}, "[a6000 a5999]"},
			} {
				if got, _ := found(t, db, row.f); fmt.Sprint(got) != row.want {
					t.Errorf("%+v finds %s, not %s", row.f, got, row.want)
				}
			}
			if got, _ := found(t, db, alert.Filter{Search: "web", Limit: 500}); len(got) != 6000 || got[0] != "a10" || got[10] != "a6000" || got[5999] != "a11" {
				t.Errorf("a name that all have finds %d, from %v", len(got), got[:min(12, len(got))])
			}
			if got, _ := found(t, db, alert.Filter{Kind: alert.Host, Limit: 500}); len(got) != 2000 {
				t.Errorf("hosts have %d alerts", len(got))
			}
		}
		t.Run("none in blocks", check)
		same(t, "into blocks", catalogue(t, db, 1000) > 5000, true)
		t.Run("most in blocks", check)
		n, err := store.CountWhere(t.Context(), db, "alert", "block = 0")
		ok(t, err)
		same(t, "few wait", n <= 1000, true)
		blocks, err := store.Count(t.Context(), db, "alert_block")
		ok(t, err)
		same(t, "blocks", blocks > 15 && blocks < 40, true)
	})
}

// Whatever part of them is in blocks, in whatever order they came there: lists are the same.
func TestListsAreTheSameWithBlocksAndWithout(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		manyAlerts(t, db, 3000)
		r := rand.New(rand.NewPCG(1, 2))
		for i := 20; i < 3000; i += 1 + r.IntN(200) {
			toldOf(t, db, "ann", i, "sent")
		}
		filters := []alert.Filter{{}, {Kind: alert.Service}, {SourceIDs: []string{"odd"}, States: []alert.State{alert.Unknown, alert.Critical}}, {ContactID: "ann"},
			{Search: "ticket 2"}, {Search: "99!"}, {Search: "9!", ContactID: "ann"}, {Search: "web1"}, {Search: "käfer", SourceIDs: []string{"even", "rare"}}, {Search: "1", Kind: alert.Host}}
		want := map[int][]string{}
		for i, f := range filters {
			f.Limit = 500
			want[i], _ = found(t, db, f)
		}
		check := func(what string) {
			t.Helper()
			for i, f := range filters {
				f.Limit = 1 + r.IntN(500)
				if got, _ := found(t, db, f); !slices.Equal(got, want[i]) {
					t.Errorf("%s: %+v finds %d alerts, not the same %d", what, f, len(got), len(want[i]))
				}
			}
		}
		// Those of the middle come last, some of the oldest too: they were open for long.
		ok(t, store.Exec(ctx, db, "UPDATE alert SET rank = 3 WHERE rank = 0 AND (since BETWEEN 1000 AND 1800 OR since % 7 = 1)"))
		catalogue(t, db, 700)
		ok(t, store.Exec(ctx, db, "UPDATE alert SET rank = 0 WHERE rank = 3"))
		check("some")
		catalogue(t, db, 100)
		check("most")
		moreAlerts(t, db, 3001, 4000)
		want = map[int][]string{}
		for i, f := range filters {
			f.Limit = 500
			want[i], _ = found(t, db, f)
		}
		catalogue(t, db, 5000)
		check("new ones too")
		// What is resolved may be told of once more, and its block may go while some are left elsewhere.
		_, err := db.Prune(ctx, time.UnixMilli(1200), 5000)
		ok(t, err)
		for i, f := range filters {
			want[i] = slices.DeleteFunc(want[i], func(id string) bool {
				var n int
				_, err := fmt.Sscanf(id, "a%d", &n)
				ok(t, err)
				return n > 10 && n < 1200
			})
			_ = f
		}
		check("old ones are deleted")
		ok(t, store.Exec(ctx, db, "UPDATE alert SET block = 0 WHERE since % 2 = 0"))
		check("half are looked at again")
		catalogue(t, db, 333)
		check("and stand where they stood")
	})
}

// A page that looks for what few alerts have ends where it has looked long enough, and the
// next one goes on there.
func TestASearchGoesOnWhereItStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 24_000)
		store.SetPatience(db, time.Hour)
		for _, blocks := range []bool{false, true} {
			if blocks {
				catalogue(t, db, 4096)
			}
			// Two bytes say nothing of blocks, and no alert has them together.
			f := alert.Filter{Search: "!k"}
			got, pages := found(t, db, f)
			same(t, "found", len(got), 0)
			same(t, "pages", pages, 3)
			f.Older = true
			_, pages = found(t, db, f)
			same(t, "pages when all is looked at", pages, 1)
		}
		// A sign that no block has is not looked for at all.
		_, pages := found(t, db, alert.Filter{Search: "none of them says so"})
		same(t, "pages", pages, 1)
		got, pages := found(t, db, alert.Filter{Search: "ticket 77!"})
		same(t, "found", strings.Join(got, " "), "a77")
		same(t, "pages", pages, 1)
	})
}

// Alerts that only a few objects have may still be very many, and not all are looked at
// for one page.
func TestASearchByObjectsStopsToo(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 24_000)
		store.SetPatience(db, time.Hour)
		warnings := alert.Filter{SourceIDs: []string{"even"}, States: []alert.State{alert.Warning}}
		unknown := alert.Filter{Search: "web", States: []alert.State{alert.Unknown}}
		check := func(pages int) {
			t.Helper()
			got, n := found(t, db, warnings)
			same(t, "warnings", len(got), 0)
			same(t, "pages of them", n, pages)
			older := warnings
			older.Older = true
			_, n = found(t, db, older)
			same(t, "pages when all is looked at", n, 1)
			got, _ = found(t, db, unknown)
			same(t, "unknown", len(got), 24)
			same(t, "the newest and the oldest", got[0]+" "+got[23], "a23099 a99")
			got, _ = found(t, db, alert.Filter{SourceIDs: []string{"even"}, Limit: 500})
			same(t, "of the source", len(got), 12_000)
			same(t, "its newest", got[5], "a24000")
		}
		check(2)
		_, n := found(t, db, unknown)
		same(t, "pages by name", n, 3)
		catalogue(t, db, 4096)
		check(1) // no block has the state
	})
}

// A page that takes long ends before it has looked at as many as it may, but never before
// it has looked at some, and nothing is passed over between one page and the next.
func TestASearchThatTakesLongGoesOnWhereItStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 24_000)
		for i := 15; i < 24_000; i += 470 {
			toldOf(t, db, "ann", i, "sent")
		}
		catalogue(t, db, 4096)
		for _, row := range []struct {
			f     alert.Filter
			ids   int
			quick int // pages
			slow  int // at least, without patience
		}{
			{alert.Filter{Search: "!k"}, 0, 3, 6},
			{alert.Filter{ContactID: "ann"}, 52, 2, 4},
			{alert.Filter{States: []alert.State{alert.Unknown}}, 24, 1, 2},
			{alert.Filter{Search: "77!", Limit: 500}, 240, 3, 6},
		} {
			store.SetPatience(db, time.Hour)
			want, pages := found(t, db, row.f)
			same(t, "found", len(want), row.ids)
			same(t, "pages", pages, row.quick)
			store.SetPatience(db, 0)
			got, pages := found(t, db, row.f)
			if !slices.Equal(got, want) {
				t.Errorf("%+v finds %v in small pages, not %v", row.f, got, want)
			}
			if pages < row.slow || pages > 24_000/2048+1 {
				t.Errorf("%+v has %d pages without patience", row.f, pages)
			}
			row.f.Older = true
			_, pages = found(t, db, row.f)
			same(t, "pages when all is looked at", pages, 1)
		}
	})
}

// Of objects with many alerts, the newest are looked for in the newest blocks first.
func TestASearchByNamesOfManyAlertsFindsOldOnesToo(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 26_000)
		// Those with a 1 at the beginning have had peace for long, but for one.
		ok(t, store.Exec(t.Context(), db, "UPDATE alert SET object_id = 'o0' WHERE since > 8000 AND id <> 'a25000'"))
		ok(t, store.Exec(t.Context(), db, "UPDATE alert SET object_id = 'o1' WHERE id = 'a25000'"))
		catalogue(t, db, 4096)
		want := []string{"a1", "a10"}
		var resolved []string
		for i := 8000; i > 10; i-- {
			if strings.HasPrefix(fmt.Sprint(i%600), "1") {
				resolved = append(resolved, fmt.Sprintf("a%d", i))
			}
		}
		slices.Reverse(want) // the newer of the open ones first
		want = append(append(want, "a25000"), resolved...)
		for _, f := range []alert.Filter{{Search: "web1"}, {Search: "web1", Limit: 7}, {Search: "web1", Limit: 500, Older: true},
			{Search: "web1", Limit: 500, States: []alert.State{alert.Critical, alert.Unknown}}} {
			if got, _ := found(t, db, f); !slices.Equal(got, want) {
				t.Errorf("%+v finds %d, not %d: %v", f, len(got), len(want), got[:min(9, len(got))])
			}
		}
	})
}

// Alerts that were open for long are counted to the block where they stand, however full
// it is. So few blocks may have very many of them.
func TestVeryManyAlertsOfFewBlocksAreNotSortedForOnePage(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx, web := t.Context(), alert.Filter{Search: "web"}
		manyAlerts(t, db, 24_000)
		byName := func(want bool) {
			t.Helper()
			few, err := store.ByName(ctx, db, web)
			ok(t, err)
			same(t, "found by the objects", few, want)
			got, _ := found(t, db, alert.Filter{Search: "web", Limit: 500})
			same(t, "found", len(got), 24_000)
		}
		catalogue(t, db, 4096)
		byName(true)
		for _, s := range []string{"DELETE FROM alert_block", "DELETE FROM alert_sign", "UPDATE alert SET block = 0",
			"UPDATE alert SET rank = 3 WHERE rank = 0 AND since % 40 <> 0"} {
			ok(t, store.Exec(ctx, db, s))
		}
		catalogue(t, db, 4096)
		ok(t, store.Exec(ctx, db, "UPDATE alert SET rank = 0 WHERE rank = 3"))
		catalogue(t, db, 4096)
		byName(false)
	})
}

// However many alerts are in no block: who asks for the newest does not wait for the others.
func TestAListSinceATimeEndsThere(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 24_000)
		for _, f := range []alert.Filter{{Kind: alert.Host}, {Search: "0"}, {SourceIDs: []string{"even"}, States: []alert.State{alert.Critical}}} {
			f.Since, f.Limit, f.Status = time.UnixMilli(23_950), 500, []alert.Status{alert.Resolved}
			got, pages := found(t, db, f)
			same(t, "pages", pages, 1)
			same(t, "found some", len(got) > 5 && len(got) < 52, true)
		}
	})
}

// What another node has just written is found.
func TestASearchFindsWhatAnotherNodeHasJustWritten(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, again func() *store.DB) {
		manyAlerts(t, db, 1200)
		other := again()
		for i := range 3 {
			name := fmt.Sprintf("fresh%d", i)
			got, _ := found(t, db, alert.Filter{Search: name})
			same(t, "before", len(got), 0)
			ok(t, store.Exec(t.Context(), other, "UPDATE object SET host = $1, search = $1 WHERE id = $2", name, fmt.Sprintf("o%d", 20+i)))
			got, _ = found(t, db, alert.Filter{Search: name})
			same(t, "of the object", fmt.Sprint(got), fmt.Sprintf("[a%d a%d]", 620+i, 20+i))
		}
	})
}

// An engine calls once for each contact, and a call may come after the alert was counted.
func TestWhoIsToldOfACountedAlertFindsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 6000)
		catalogue(t, db, 1000)
		e := problem(1).Events[0]
		e.AlertID = "a3000"
		d := problem(1, "bob").Deliveries[0]
		d.AlertID, d.State, d.Done = e.AlertID, delivery.Sent, recent()
		write(t, db, dispatch.Changes{Joined: []alert.Event{e}, Deliveries: []delivery.Delivery{d}})
		check := func() {
			t.Helper()
			got, _ := found(t, db, alert.Filter{ContactID: d.ContactID})
			same(t, "bob's", fmt.Sprint(got), "[a3000]")
		}
		check()
		moreAlerts(t, db, 6001, 7000)
		catalogue(t, db, 5000)
		n, err := store.CountWhere(t.Context(), db, "alert", "id = 'a3000' AND block > 0")
		ok(t, err)
		same(t, "counted again", n, 1)
		check()
	})
}

// Between the two readings of a page an alert may resolve.
func TestAnAlertThatResolvesMeanwhileIsOnThePageOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		manyAlerts(t, db, 30)
		for _, limit := range []int{100, 15} {
			ok(t, store.Exec(t.Context(), db, "UPDATE alert SET rank = 2, status = 'firing', since = 25 WHERE id = 'a5'"))
			f := alert.Filter{Limit: limit}
			items, next, err := store.AlertsWith(t.Context(), db, f, func() {
				ok(t, store.Exec(t.Context(), db, "UPDATE alert SET rank = 0, status = 'resolved', resolved = 40 WHERE id = 'a5'"))
			})
			ok(t, err)
			var ids []string
			for _, a := range items {
				ids = append(ids, a.ID)
			}
			if f.Cursor = next; next != "" {
				rest, _ := found(t, db, f)
				ids = append(ids, rest...)
			}
			slices.Sort(ids)
			same(t, "alerts", len(ids), 30)
			same(t, "different ones", len(slices.Compact(ids)), 30)
		}
	})
}

// On PostgreSQL another node may count an alert to a block just when that looks empty.
func TestABlockStaysForAnAlertThatAnotherNodeCountsToIt(t *testing.T) {
	t.Parallel()
	url := engines()[1].ready(t) // on SQLite one writes at a time
	db, ctx := openURL(t, url), t.Context()
	manyAlerts(t, db, 20_000)
	ok(t, store.Exec(ctx, db, "UPDATE alert SET rank = 2, status = 'firing' WHERE id = 'a50'")) // for long
	catalogue(t, db, 4096)
	prune := func() {
		for n := 1; n > 0; {
			var err error
			n, err = db.Prune(ctx, time.UnixMilli(17_000), 5000)
			ok(t, err)
		}
	}
	count := func() int {
		n, err := store.Count(ctx, db, "alert_block")
		ok(t, err)
		return n
	}
	before := count()
	other, err := raw(t, url).BeginTx(ctx, nil)
	ok(t, err)
	for _, s := range []string{"SELECT value FROM counter WHERE name = 'alert_block' FOR UPDATE",
		`UPDATE alert SET rank = 0, status = 'resolved', resolved = 30000,
			block = (SELECT number FROM alert_block WHERE since <= 50 ORDER BY since DESC LIMIT 1) WHERE id = 'a50'`} {
		_, err := other.ExecContext(ctx, s)
		ok(t, err)
	}
	prune()
	ok(t, other.Commit())
	for range 2 {
		got, _ := found(t, db, alert.Filter{States: []alert.State{alert.Critical}, Limit: 500})
		same(t, "found", slices.Contains(got, "a50"), true)
		prune()
	}
	if left := count(); left > before/4 {
		t.Errorf("of %d blocks %d are left", before, left)
	}
}

// Blocks go when the alerts in them are deleted.
func TestBlocksGoWithTheirAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		manyAlerts(t, db, 20_000)
		catalogue(t, db, 4096)
		for _, old := range []int64{17_000, 30_000} {
			for {
				n, err := db.Prune(ctx, time.UnixMilli(old), 5000)
				ok(t, err)
				if n == 0 {
					break
				}
			}
			blocks, err := store.Count(ctx, db, "alert_block")
			ok(t, err)
			shelves, err := store.CountWhere(ctx, db, "alert_sign", "page = 0")
			ok(t, err)
			if left := int(20_000-min(old, 20_000))/200 + 2; blocks > left || shelves > left/64+2 {
				t.Errorf("of alerts before %d there are %d blocks left on %d shelves", old, blocks, shelves)
			}
		}
	})
}
