package oncall_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/oncall"
)

func plan(t *testing.T, s oncall.Schedule) *oncall.Plan {
	t.Helper()
	s.Name = "Operations"
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func local(t *testing.T, zone, text string) time.Time {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func weekly(people ...string) oncall.Layer {
	return oncall.Layer{Name: "Primary", ContactIDs: people, Start: "2026-01-05T09:00", Every: 1, Unit: oncall.Weeks}
}

func TestARotation(t *testing.T) {
	t.Run("hands over at the same time of the clock through both changes of daylight saving", func(t *testing.T) {
		for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"} {
			p := plan(t, oncall.Schedule{Zone: zone, Layers: []oncall.Layer{weekly("ann", "ben", "cid")}})
			at := local(t, zone, "2026-01-05 09:00")
			for n := range 60 {
				want := []string{"ann", "ben", "cid"}[n%3]
				if got := p.At(at).ContactID; got != want {
					t.Fatalf("%s at %s: %q, want %q", zone, at, got, want)
				}
				if got := p.At(at.Add(-time.Minute)).ContactID; n > 0 && got == want {
					t.Fatalf("%s a minute before %s: still %q is expected not to be on", zone, at, got)
				}
				next := time.Date(at.Year(), at.Month(), at.Day()+7, 9, 0, 0, 0, at.Location())
				if got := p.Next(at); !got.Equal(next) {
					t.Fatalf("%s after %s: next is %s, want %s", zone, at, got, next)
				}
				at = next
			}
		}
	})
	t.Run("of a skipped hour begins its turn when the gap ends", func(t *testing.T) {
		p := plan(t, oncall.Schedule{Zone: "Europe/Berlin", Layers: []oncall.Layer{{ContactIDs: []string{"ann", "ben"}, Start: "2026-03-28T02:30", Every: 1, Unit: oncall.Days}}})
		if got, want := p.Next(local(t, "Europe/Berlin", "2026-03-29 00:00")), local(t, "Europe/Berlin", "2026-03-29 03:00"); !got.Equal(want) {
			t.Errorf("handover at %s, want %s", got, want)
		}
	})
	t.Run("of a repeated hour begins its turn the first time", func(t *testing.T) {
		p := plan(t, oncall.Schedule{Zone: "Europe/Berlin", Layers: []oncall.Layer{{ContactIDs: []string{"ann", "ben"}, Start: "2026-10-24T02:30", Every: 1, Unit: oncall.Days}}})
		want := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 02:30 summer time
		if got := p.Next(local(t, "Europe/Berlin", "2026-10-25 00:00")); !got.Equal(want) {
			t.Errorf("handover at %s, want %s", got.UTC(), want)
		}
		if a, b := p.At(want), p.At(want.Add(time.Hour)); a != b {
			t.Errorf("the hour that comes again changes nothing: %v, then %v", a, b)
		}
	})
	t.Run("goes on by half hours on Lord Howe Island", func(t *testing.T) {
		zone := "Australia/Lord_Howe" // 2026-04-05 02:00 becomes 01:30
		p := plan(t, oncall.Schedule{Zone: zone, Layers: []oncall.Layer{{ContactIDs: []string{"ann", "ben"}, Start: "2026-04-04T08:00", Every: 12, Unit: oncall.Hours}}})
		spans := p.Spans(local(t, zone, "2026-04-04 20:00"), local(t, zone, "2026-04-05 20:00"))
		if len(spans) != 2 || spans[0].To.Sub(spans[0].From) != 12*time.Hour+30*time.Minute || spans[1].To.Sub(spans[1].From) != 12*time.Hour {
			t.Errorf("%v", spans)
		}
	})
	t.Run("passes over the day that Apia never had", func(t *testing.T) {
		zone := "Pacific/Apia" // there was no 30 December 2011
		p := plan(t, oncall.Schedule{Zone: zone, Layers: []oncall.Layer{{ContactIDs: []string{"ann", "ben", "cid", "dan"}, Start: "2011-12-28T09:00", Every: 1, Unit: oncall.Days}}})
		for text, want := range map[string]string{
			"2011-12-28 10:00": "ann", "2011-12-29 10:00": "ben", "2011-12-29 23:59": "ben",
			"2011-12-31 00:00": "cid", "2011-12-31 08:59": "cid", "2011-12-31 09:00": "dan",
		} {
			if got := p.At(local(t, zone, text)).ContactID; got != want {
				t.Errorf("%s: %q, want %q", text, got, want)
			}
		}
	})
	t.Run("has nobody before it starts and after it ends", func(t *testing.T) {
		l := weekly("ann")
		l.Until = "2026-02-02T09:00"
		p := plan(t, oncall.Schedule{Layers: []oncall.Layer{l}})
		for text, want := range map[string]string{"2026-01-05 08:59": "", "2026-01-05 09:00": "ann", "2026-02-02 08:59": "ann", "2026-02-02 09:00": ""} {
			if got := p.At(local(t, "UTC", text)).ContactID; got != want {
				t.Errorf("%s: %q, want %q", text, got, want)
			}
		}
		if next := p.Next(local(t, "UTC", "2026-03-01 00:00")); !next.IsZero() {
			t.Errorf("next after its end: %s", next)
		}
	})
}

func TestLayers(t *testing.T) {
	night := weekly("nia")
	night.Name = "Nights"
	for d := range night.Weekdays {
		night.Weekdays[d] = []contact.Range{{From: 0, To: 6 * 60}, {From: 22 * 60, To: 1440}}
	}
	s := oncall.Schedule{Zone: "Europe/Berlin", Layers: []oncall.Layer{weekly("ann", "ben"), night}}
	p := plan(t, s)
	for text, want := range map[string]oncall.Duty{
		"2026-01-06 12:00": {ContactID: "ann", Layer: "Primary"},
		"2026-01-06 22:00": {ContactID: "nia", Layer: "Nights"},
		"2026-01-07 05:59": {ContactID: "nia", Layer: "Nights"},
		"2026-01-07 06:00": {ContactID: "ann", Layer: "Primary"},
	} {
		if got := p.At(local(t, "Europe/Berlin", text)); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	t.Run("stand below overrides, of which the one made last counts", func(t *testing.T) {
		from := local(t, "Europe/Berlin", "2026-01-06 12:00")
		s.Overrides = []oncall.Override{
			{ID: "o1", ContactID: "cid", From: from, To: from.Add(4 * time.Hour)},
			{ID: "o2", ContactID: "", From: from.Add(time.Hour), To: from.Add(2 * time.Hour)},
		}
		var got []string
		for _, x := range plan(t, s).Spans(from.Add(-time.Hour), from.Add(5*time.Hour)) {
			got = append(got, fmt.Sprintf("%s %s %s", x.From.In(from.Location()).Format("15:04"), x.ContactID, x.OverrideID))
		}
		want := "[11:00 ann  12:00 cid o1 13:00  o2 14:00 cid o1 16:00 ann ]"
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	})
}

// gapsOf are the stretches in which nobody is on call.
func gapsOf(spans []oncall.Span) (out []string) {
	for _, s := range spans {
		if s.ContactID == "" {
			out = append(out, s.From.Format("01-02 15:04")+"–"+s.To.Format("01-02 15:04"))
		}
	}
	return out
}

func TestGapsAndOverlaps(t *testing.T) {
	office := weekly("ann")
	for d := 1; d <= 5; d++ {
		office.Weekdays[d] = []contact.Range{{From: 9 * 60, To: 17 * 60}}
	}
	from := local(t, "UTC", "2026-01-05 00:00") // a Monday
	p := plan(t, oncall.Schedule{Layers: []oncall.Layer{office}})
	want := "[01-05 00:00–01-05 09:00 01-05 17:00–01-06 09:00 01-06 17:00–01-07 00:00]"
	if got := fmt.Sprint(gapsOf(p.Spans(from, from.Add(48*time.Hour)))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if next := p.Next(local(t, "UTC", "2026-01-09 18:00")); !next.Equal(local(t, "UTC", "2026-01-12 09:00")) {
		t.Errorf("after the weekend: %s", next)
	}
	t.Run("an override fills one, and one without a contact makes one", func(t *testing.T) {
		p := plan(t, oncall.Schedule{Layers: []oncall.Layer{office}, Overrides: []oncall.Override{
			{ID: "fills", ContactID: "ben", From: from.Add(17 * time.Hour), To: from.Add(33 * time.Hour)},
			{ID: "frees", From: from.Add(36 * time.Hour), To: from.Add(37 * time.Hour)},
		}})
		want := "[01-05 00:00–01-05 09:00 01-06 12:00–01-06 13:00 01-06 17:00–01-07 00:00]"
		if got := fmt.Sprint(gapsOf(p.Spans(from, from.Add(48*time.Hour)))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("of layers that overlap the upper one counts, and of it nothing is hidden", func(t *testing.T) {
		below, above := weekly("ben"), office
		above.Name = "Office"
		p := plan(t, oncall.Schedule{Layers: []oncall.Layer{below, above}})
		if got := gapsOf(p.Spans(from.Add(9*time.Hour), from.Add(7*24*time.Hour))); got != nil {
			t.Errorf("gaps: %v", got)
		}
		if a, b := p.At(from.Add(10*time.Hour)).Layer, p.At(from.Add(20*time.Hour)).Layer; a != "Office" || b != "Primary" {
			t.Errorf("%q, then %q", a, b)
		}
	})
}

// Whatever the schedule, Spans says the same as asking At each minute.
func TestSpansSayWhatAtSays(t *testing.T) {
	night := weekly("nia", "ned")
	night.Every, night.Unit = 3, oncall.Days
	night.Weekdays[0] = []contact.Range{{From: 90, To: 150}} // within what changes of the clock move
	night.Weekdays[6] = []contact.Range{{From: 0, To: 1440}}
	hours := oncall.Layer{ContactIDs: []string{"ann", "ben", "cid"}, Start: "2026-01-01T01:30", Every: 2, Unit: oncall.Hours}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		for _, day := range []string{"2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"} {
			from := local(t, zone, day+" 12:00")
			o := oncall.Override{ID: "o", ContactID: "odo", From: from.Add(13*time.Hour + 7*time.Minute), To: from.Add(16 * time.Hour)}
			p := plan(t, oncall.Schedule{Zone: zone, Layers: []oncall.Layer{hours, night}, Overrides: []oncall.Override{o}})
			spans := p.Spans(from, from.Add(36*time.Hour))
			i := 0
			for at := from; at.Before(from.Add(36 * time.Hour)); at = at.Add(time.Minute) {
				for !at.Before(spans[i].To) {
					i++
				}
				if got := p.At(at); got != spans[i].Duty {
					t.Fatalf("%s %s: %+v, but the span from %s says %+v", zone, at, got, spans[i].From, spans[i].Duty)
				}
			}
		}
	}
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	with := func(change func(*oncall.Layer)) oncall.Schedule {
		l := weekly("ann")
		change(&l)
		return oncall.Schedule{Name: "x", Layers: []oncall.Layer{l}}
	}
	now := time.Now()
	for field, s := range map[string]oncall.Schedule{
		"name":                     {},
		"zone":                     {Name: "x", Zone: "Mars/Olympus"},
		"layers[0].contact_ids":    with(func(l *oncall.Layer) { l.ContactIDs = nil }),
		"layers[0].every":          with(func(l *oncall.Layer) { l.Every, l.Unit = 5, oncall.Hours }),
		"layers[0].unit":           with(func(l *oncall.Layer) { l.Unit = "months" }),
		"layers[0].start":          with(func(l *oncall.Layer) { l.Start = "2026-02-30T09:00" }),
		"layers[0].until":          with(func(l *oncall.Layer) { l.Until = "2026-01-05T09:00" }),
		"layers[0].weekdays[1][0]": with(func(l *oncall.Layer) { l.Weekdays[1] = []contact.Range{{From: 60, To: 60}} }),
		"overrides[0].to":          {Name: "x", Overrides: []oncall.Override{{From: now, To: now}}},
	} {
		err := s.Validate()
		var fe *contact.FieldError
		if !errors.As(err, &fe) || fe.Field != field || fe.Mend == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func BenchmarkAt(b *testing.B) {
	s := oncall.Schedule{Zone: "Europe/Berlin", Layers: []oncall.Layer{weekly("ann", "ben")}}
	p, err := s.Plan()
	if err != nil {
		b.Fatal(err)
	}
	at := time.Now()
	for b.Loop() {
		p.At(at)
	}
}

func TestASchedulesCostIsBounded(t *testing.T) {
	s := oncall.Schedule{Name: "Bomb"}
	for range oncall.MaxLayers {
		l := oncall.Layer{ContactIDs: []string{"a"}, Start: "2026-01-01T00:00", Every: 1, Unit: oncall.Hours}
		for day := range l.Weekdays {
			for k := range 24 {
				l.Weekdays[day] = append(l.Weekdays[day], contact.Range{From: k * 60, To: k*60 + 1})
			}
		}
		s.Layers = append(s.Layers, l)
	}
	var wrong *contact.FieldError
	if err := s.Validate(); !errors.As(err, &wrong) || wrong.Field != "layers" {
		t.Errorf("20 layers of 168 times each: %v", err)
	}
	if s.Layers = s.Layers[:4]; s.Validate() != nil {
		t.Errorf("4 of them: %v", s.Validate())
	}
}

func TestAnOverrideLiesInYearsThatCanBeWritten(t *testing.T) {
	for _, end := range []time.Time{time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(1969, 1, 2, 0, 0, 0, 0, time.UTC)} {
		s := oncall.Schedule{Name: "Far", Overrides: []oncall.Override{{ID: "o", From: end.Add(-time.Hour), To: end}}}
		if s.Validate() == nil {
			t.Errorf("until %s is taken", end)
		}
	}
}
