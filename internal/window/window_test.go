package window_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin/internal/contact"
	"tocsin/internal/window"
)

func plan(t *testing.T, w window.Window) *window.Plan {
	t.Helper()
	w.Name = "Patches"
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := w.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// said are times that a window is on, in UTC, for comparing.
func said(spans []window.Span) string {
	var out []string
	for _, s := range spans {
		out = append(out, s.From.UTC().Format("01-02 15:04")+"–"+s.To.UTC().Format("01-02 15:04"))
	}
	return strings.Join(out, ", ")
}

func TestAWindowThatComesOnce(t *testing.T) {
	p := plan(t, window.Window{Zone: "Europe/Berlin", Start: "2026-11-28T22:00", Minutes: 120})
	begin, end := utc(t, "2026-11-28T21:00:00Z"), utc(t, "2026-11-28T23:00:00Z")
	for at, want := range map[time.Time]bool{
		begin.Add(-time.Second): false, begin: true, end.Add(-time.Second): true, end: false, end.AddDate(1, 0, 0): false,
	} {
		if p.Covers(at) != want {
			t.Errorf("%s: on %v", at, !want)
		}
	}
	if s, on := p.At(begin.Add(time.Hour)); !on || !s.From.Equal(begin) || !s.To.Equal(end) || s.To.Location().String() != "Europe/Berlin" {
		t.Errorf("%v %v", s, on)
	}
	if s, ok := p.Next(begin.Add(-48 * time.Hour)); !ok || !s.From.Equal(begin) {
		t.Errorf("next: %v %v", s, ok)
	}
	if s, ok := p.Next(begin); ok {
		t.Errorf("it comes again: %v", s)
	}
	if p.Over(begin.Add(-time.Hour)) || p.Over(begin) || !p.Over(end) {
		t.Error("over is wrong")
	}
}

// Known changes of daylight saving: a window keeps the time of the clock at which it
// begins, and lasts as long as it is said to.
func TestWindowsThroughDaylightSaving(t *testing.T) {
	for _, c := range []struct {
		name    string
		window  window.Window
		from    string
		spans   int
		want    string
		minutes bool
	}{
		{"Berlin in spring: 02:30 is left out", window.Window{Zone: "Europe/Berlin", Start: "2026-03-28T02:30", Minutes: 60, RRule: "FREQ=DAILY"},
			"2026-03-28T00:00:00Z", 3, "03-28 01:30–03-28 02:30, 03-29 01:30–03-29 02:30, 03-30 00:30–03-30 01:30", true},
		{"Berlin in autumn: 02:30 comes twice, the window once", window.Window{Zone: "Europe/Berlin", Start: "2026-10-24T02:30", Minutes: 60, RRule: "FREQ=DAILY"},
			"2026-10-24T00:00:00Z", 3, "10-24 00:30–10-24 01:30, 10-25 00:30–10-25 01:30, 10-26 01:30–10-26 02:30", true},
		{"Berlin, a night of 25 hours", window.Window{Zone: "Europe/Berlin", Start: "2026-10-18T22:00", Minutes: 480, RRule: "FREQ=WEEKLY;BYDAY=SA"},
			"2026-10-24T00:00:00Z", 1, "10-24 20:00–10-25 04:00", true},
		{"New York in spring", window.Window{Zone: "America/New_York", Start: "2026-03-07T02:00", Minutes: 30, RRule: "FREQ=DAILY"},
			"2026-03-07T00:00:00Z", 3, "03-07 07:00–03-07 07:30, 03-08 07:00–03-08 07:30, 03-09 06:00–03-09 06:30", true},
		{"New York in autumn", window.Window{Zone: "America/New_York", Start: "2026-10-31T01:30", Minutes: 30, RRule: "FREQ=DAILY"},
			"2026-10-31T00:00:00Z", 3, "10-31 05:30–10-31 06:00, 11-01 05:30–11-01 06:00, 11-02 06:30–11-02 07:00", true},
		{"Lord Howe, where it is half an hour", window.Window{Zone: "Australia/Lord_Howe", Start: "2026-04-04T01:45", Minutes: 30, RRule: "FREQ=DAILY"},
			"2026-04-03T00:00:00Z", 3, "04-03 14:45–04-03 15:15, 04-04 14:45–04-04 15:15, 04-05 15:15–04-05 15:45", true},
		{"Apia, whose 30 December 2011 never was", window.Window{Zone: "Pacific/Apia", Start: "2011-12-28T10:00", Minutes: 60, RRule: "FREQ=DAILY"},
			"2011-12-28T00:00:00Z", 4, "12-28 20:00–12-28 21:00, 12-29 20:00–12-29 21:00, 12-30 20:00–12-30 21:00, 12-31 20:00–12-31 21:00", true},
		{"whole days are days of the calendar: a weekend with a change of the clock", window.Window{Zone: "Europe/Berlin", Start: "2026-10-24T00:00", Minutes: 1440, RRule: "FREQ=WEEKLY;BYDAY=SA,SU"},
			"2026-10-23T12:00:00Z", 2, "10-23 22:00–10-25 23:00, 10-30 23:00–11-01 23:00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, c.window)
			spans := p.Upcoming(utc(t, c.from), c.spans)
			if got := said(spans); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, s := range spans {
				if c.minutes && s.To.Sub(s.From) != time.Duration(c.window.Minutes)*time.Minute {
					t.Errorf("%v lasts %s", s, s.To.Sub(s.From))
				}
			}
		})
	}
}

// Whatever was asked before, the answer is the same: a plan remembers.
func TestAPlanAnswersTheSameInAnyOrder(t *testing.T) {
	w := window.Window{Zone: "Europe/Berlin", Start: "2026-10-01T23:00", Minutes: 200, RRule: "FREQ=DAILY;INTERVAL=2"}
	used := plan(t, w)
	at := utc(t, "2026-10-23T00:00:00Z")
	for i := range 400 {
		moment := at.Add(time.Duration(i*7919%5760) * time.Minute) // four days, hither and thither
		fresh := plan(t, w)
		gotSpan, got := used.At(moment)
		wantSpan, want := fresh.At(moment)
		gotNext, gotOK := used.Next(moment)
		wantNext, wantOK := fresh.Next(moment)
		if got != want || !gotSpan.From.Equal(wantSpan.From) || !gotSpan.To.Equal(wantSpan.To) || gotOK != wantOK || !gotNext.From.Equal(wantNext.From) {
			t.Fatalf("%s: %v %v, then %v; a new plan says %v %v, then %v", moment, got, gotSpan, gotNext, want, wantSpan, wantNext)
		}
	}
}

func TestARuleWithoutAnEndComesOn(t *testing.T) {
	p := plan(t, window.Window{Start: "2001-01-01T00:00", Minutes: 1, RRule: "FREQ=DAILY"})
	if s, ok := p.Next(utc(t, "2026-11-22T12:00:00Z")); !ok || s.From.UTC().Format(time.DateOnly) != "2026-11-23" {
		t.Errorf("%v %v", s, ok)
	}
	if n := len(p.Upcoming(utc(t, "2026-11-22T12:00:00Z"), 50)); n != 50 {
		t.Errorf("%d of 50", n)
	}
}

func TestWhatIsNoWindowIsRefused(t *testing.T) {
	good := window.Window{Name: "Patches", Zone: "Europe/Berlin", Start: "2026-11-28T22:00", Minutes: 60, RRule: "FREQ=MONTHLY;BYDAY=2TU",
		Hosts: []string{"web*"}, Services: []string{""}, Labels: map[string]string{"team": "a*"}, Sources: []string{"s"}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field  string
		change func(*window.Window)
		says   string
	}{
		{"name", func(w *window.Window) { w.Name = "" }, ""},
		{"note", func(w *window.Window) { w.Note = "a\nb" }, ""},
		{"zone", func(w *window.Window) { w.Zone = "Mars/Olympus" }, ""},
		{"zone", func(w *window.Window) { w.Zone = "Local" }, ""},
		{"start", func(w *window.Window) { w.Start = "2026-02-30T22:00" }, ""},
		{"start", func(w *window.Window) { w.Start = "tonight" }, ""},
		{"minutes", func(w *window.Window) { w.Minutes = 0 }, ""},
		{"minutes", func(w *window.Window) { w.Minutes = window.MaxMinutes + 1 }, ""},
		{"rrule", func(w *window.Window) { w.RRule = "every night" }, ""},
		{"rrule", func(w *window.Window) { w.RRule = "FREQ=HOURLY" }, "more often than daily"},
		{"rrule", func(w *window.Window) { w.RRule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }, "would never come"},
		{"rrule", func(w *window.Window) { w.RRule = "FREQ=DAILY;UNTIL=20200101T000000Z" }, "would never come"},
		{"minutes", func(w *window.Window) { w.RRule, w.Minutes = "FREQ=DAILY", 26*60 }, "is not over when the next one begins"},
		{"source_ids[1]", func(w *window.Window) { w.Sources = []string{"s", "s"} }, ""},
		{"hosts[0]", func(w *window.Window) { w.Hosts = []string{""} }, ""},
		{"services[0]", func(w *window.Window) { w.Services = []string{strings.Repeat("x", 201)} }, ""},
		{"labels.team", func(w *window.Window) { w.Labels = map[string]string{"team": "a\x00"} }, ""},
		{"page.title", func(w *window.Window) { w.Page.PageID = "p" }, ""},
		{"page.body", func(w *window.Window) {
			w.Page = window.Public{PageID: "p", Title: "t", Body: strings.Repeat("x", 10_001)}
		}, ""},
	} {
		w := good
		c.change(&w)
		var fe *contact.FieldError
		err := w.Validate()
		if !errors.As(err, &fe) || fe.Field != c.field || fe.Mend == "" || !strings.Contains(fe.Problem, c.says) {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

// FuzzPlan holds that no rule, however odd, makes a plan that hangs or contradicts
// itself.
func FuzzPlan(f *testing.F) {
	f.Add("FREQ=WEEKLY;BYDAY=SA,SU", "Europe/Berlin", "2026-10-24T00:00", 1440, int64(1792836000))
	f.Add("FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1", "Pacific/Apia", "2011-12-28T10:00", 60, int64(1325239200))
	f.Add("", "", "2026-11-28T22:00", 1, int64(0))
	f.Fuzz(func(t *testing.T, rule, zone, start string, minutes int, unix int64) {
		w := window.Window{Name: "w", Zone: zone, Start: start, Minutes: minutes, RRule: rule}
		if w.Validate() != nil {
			return
		}
		p, err := w.Plan()
		if err != nil {
			t.Fatalf("valid, and no plan: %v", err)
		}
		at := time.Unix(unix%(1<<36), 0)
		s, on := p.At(at)
		if on && (at.Before(s.From) || !at.Before(s.To)) {
			t.Fatalf("on at %s, from %s to %s", at, s.From, s.To)
		}
		spans := p.Upcoming(at, 4)
		if !slices.IsSortedFunc(spans, func(a, b window.Span) int { return a.From.Compare(b.From) }) {
			t.Fatal(fmt.Sprint(spans))
		}
		for _, s := range spans {
			if !p.Covers(s.From) || !s.To.After(s.From) {
				t.Fatalf("not on when it begins: %v", s)
			}
		}
	})
}

func BenchmarkAt(b *testing.B) {
	w := window.Window{Start: "2021-11-01T22:00", Zone: "Europe/Berlin", Minutes: 60, RRule: "FREQ=DAILY"}
	p, err := w.Plan()
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		p.Covers(at)
	}
}
