package app

import (
	"log/slog"
	"testing"
	"time"

	"tocsin/internal/store"
	"tocsin/test/database"
)

func TestJumpsOfTheClockAreSeen(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		wall time.Time
		want time.Duration
	}{
		"as it should":   {noon.Add(5 * time.Second), 0},
		"NTP slews":      {noon.Add(6 * time.Second), 0},
		"set forwards":   {noon.Add(time.Hour + 5*time.Second), time.Hour},
		"set back":       {noon.Add(-time.Hour + 5*time.Second), -time.Hour},
		"a day and more": {noon.AddDate(1, 0, 0).Add(5 * time.Second), 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := jumped(row.wall, noon, 65*time.Second, time.Minute); got != row.want {
				t.Errorf("%s, not %s", got, row.want)
			}
		})
	}
}

// hand is a clock that a test sets.
type hand struct {
	ahead time.Duration
	begin time.Time
}

func (h *hand) read() (time.Time, time.Duration) {
	now := time.Now()
	return now.Add(h.ahead).Round(0), now.Sub(h.begin)
}

func TestAClockThatLeapsDeletesNoHistory(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{URL: database.SQLite(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := &hand{begin: time.Now()}
	a := &App{db: db, log: slog.New(slog.DiscardHandler)}
	a.clock.read = h.read
	look := func(want bool, when string) {
		t.Helper()
		if may, err := a.mayDelete(t.Context()); err != nil || may != want {
			t.Errorf("%s: %v, %v", when, may, err)
		}
	}
	look(true, "the first time")
	h.ahead = time.Hour
	look(true, "an hour ahead")
	h.ahead = 10 * 365 * 24 * time.Hour
	look(false, "ten years ahead")
	look(false, "and a moment later")
	h.begin = h.begin.Add(-keepAfter) // an hour goes by
	look(true, "an hour later, when that seems to be right")
	h.ahead = 0
	look(true, "set back again")
}

// A node whose own clock is years ahead deletes nothing for it where the database has
// a clock, and moves nothing.
func TestANodeGoesByTheDatabasesClock(t *testing.T) {
	url := database.Postgres(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := &hand{begin: time.Now()}
	a := &App{db: db, log: slog.New(slog.DiscardHandler)}
	a.cfg.DatabaseURL = url
	a.clock.read = h.read
	first := a.lookAtClock(t.Context(), look{})
	h.ahead = 10 * 365 * 24 * time.Hour
	if may, err := a.mayDelete(t.Context()); err != nil || !may {
		t.Errorf("the database's clock is right: %v, %v", may, err)
	}
	wall, _, _, err := a.time(t.Context())
	if err != nil || time.Until(wall).Abs() > time.Hour {
		t.Errorf("what is old is told by %v, %v", wall, err)
	}
	if next := a.lookAtClock(t.Context(), first); next.wall.Sub(first.wall) > time.Hour {
		t.Errorf("the clock is %v", next.wall)
	}
	if a.clock.careful.Load() != 0 {
		t.Error("it counts as a leap")
	}
}
