package store_test

import (
	"slices"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/store"
)

func TestOpenAlertsHaveTheGravestFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for n, as := range []struct {
			status alert.Status
			state  alert.State
		}{
			{alert.Firing, alert.Down}, {alert.Firing, alert.Critical}, {alert.Firing, alert.Unknown}, {alert.Firing, alert.Unreachable},
			{alert.Firing, alert.Warning}, {alert.Firing, alert.OK}, {alert.Firing, alert.Critical},
			{alert.Acknowledged, alert.Warning}, {alert.Acknowledged, alert.Down}, {alert.Resolved, alert.Down},
		} {
			c := problem(n)
			a := &c.Alerts[0]
			if a.Status, a.State = as.status, as.state; as.status == alert.Resolved {
				a.Resolved = day()
			}
			write(t, db, c)
		}
		all := []string{"web0000", "web0006", "web0001", "web0003", "web0002", "web0004", "web0005", "web0008", "web0007"}
		for _, row := range []struct {
			text  string
			limit int
			want  []string
		}{
			{"", 20, all}, {"", 3, all[:3]}, {"GRÖßE WEB", 20, all}, {"gröSSe", 20, nil}, {"web0007", 20, []string{"web0007"}},
			{"%", 20, nil}, {"web0009", 20, nil}, {"Störung", 20, nil}, {"größe", 2, all[:2]},
		} {
			list, err := db.OpenAlerts(t.Context(), row.text, row.limit)
			ok(t, err)
			var got []string
			for i := range list {
				got = append(got, list[i].Object.Host)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%q, %d: got %v, want %v", row.text, row.limit, got, row.want)
			}
		}
		n, err := db.CountOpen(t.Context())
		ok(t, err)
		same(t, "open", n, 9)
	})
}
