package store_test

import (
	"slices"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/store"
)

func TestObjectsWithAnOpenAlert(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for n := range 4 {
			c := problem(n)
			switch n {
			case 1:
				c.Alerts[0].Status, c.Alerts[0].Resolved = alert.Resolved, day()
			case 2:
				c.Objects[0].SourceID = "s2"
			case 3:
				c.Alerts[0].Status = alert.Acknowledged
			}
			write(t, db, c)
		}
		for limit, want := range map[int][]string{10: {"web0003", "web0000"}, 1: {"web0003"}} {
			list, err := db.OpenObjects(t.Context(), "s1", limit)
			ok(t, err)
			var got []string
			for _, o := range list {
				got = append(got, o.Host)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d: got %v", limit, got)
			}
		}
	})
}
