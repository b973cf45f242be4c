package health_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/health"
)

func TestKeysThatEnd(t *testing.T) {
	const day = 24 * time.Hour
	for name, row := range map[string]struct {
		left, unused time.Duration // until its end, and since its last use
		says         string
	}{
		"one that ends in a week and is used":        {7 * day, time.Hour, "“bot” expires in 7 days"},
		"one that ended yesterday and was used":      {-day, 25 * time.Hour, "“bot” expired 24 hours ago"},
		"one that ends in a month":                   {30 * day, time.Hour, ""},
		"one that ends in a week and nobody uses":    {7 * day, 60 * day, ""},
		"one that ended long ago":                    {-20 * day, 21 * day, ""},
		"one that ends in a week and was never used": {7 * day, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			k := health.Key{Name: "bot", Expires: f.Now.Add(row.left)}
			if row.unused > 0 {
				k.LastUsed = f.Now.Add(-row.unused)
			}
			f.Keys = []health.Key{k}
			r := health.Assess(f)
			if row.says == "" {
				if len(r.Warnings) > 0 {
					t.Errorf("warns: %+v", r.Warnings)
				}
				return
			}
			if len(r.Warnings) != 1 || r.Warnings[0].Part != "keys" || !strings.Contains(r.Warnings[0].Problem, row.says) {
				t.Errorf("says %+v", r.Warnings)
			}
		})
	}
}
