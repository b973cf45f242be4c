package contact_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tocsin/internal/contact"
)

// daily is a period with the same ranges every day.
func daily(zone string, ranges ...contact.Range) contact.TimePeriod {
	p := contact.TimePeriod{Name: "p", Zone: zone}
	for d := range p.Weekdays {
		p.Weekdays[d] = ranges
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

func TestCoversByTheClockOfItsZone(t *testing.T) {
	work := contact.TimePeriod{Zone: "Europe/Berlin"}
	for d := time.Monday; d <= time.Friday; d++ {
		work.Weekdays[d] = []contact.Range{{From: 8 * 60, To: 12 * 60}, {From: 13 * 60, To: 17 * 60}}
	}
	work.Exceptions = []contact.Exception{
		{First: "2026-12-24", Last: "2026-12-26", Note: "closed"},
		{First: "12-31", Last: "01-01", Ranges: []contact.Range{{From: 0, To: 60}}},
		{First: "02-29", Ranges: []contact.Range{{From: 0, To: 1440}}},
	}
	if err := work.Validate(); err == nil {
		t.Error("a period without a name is valid")
	}
	work.Name = "work"
	if err := work.Validate(); err != nil {
		t.Fatal(err)
	}
	early := daily("Europe/Berlin", contact.Range{From: 150, To: 210}) // 02:30 to 03:30
	tests := []struct {
		name   string
		period contact.TimePeriod
		at     string
		want   bool
	}{
		{"first minute in winter", work, "2026-11-23T08:00:00+01:00", true},
		{"a second before", work, "2026-11-23T07:59:59+01:00", false},
		{"first minute in summer", work, "2026-07-06T08:00:00+02:00", true},
		{"lunch", work, "2026-11-23T12:00:00+01:00", false},
		{"last minute", work, "2026-11-23T16:59:59+01:00", true},
		{"the end is exclusive", work, "2026-11-23T17:00:00+01:00", false},
		{"Sunday", work, "2026-11-22T10:00:00+01:00", false},
		{"an exception's last day", work, "2026-12-26T10:00:00+01:00", false},
		{"a yearly exception in the old year", work, "2026-12-31T00:30:00+01:00", true},
		{"a yearly exception in the new year", work, "2027-01-01T00:30:00+01:00", true},
		{"a yearly exception replaces the weekday", work, "2026-12-31T10:00:00+01:00", false},
		{"29 February", work, "2028-02-29T23:59:00+01:00", true},
		{"1 March is not 29 February", work, "2027-03-01T23:59:00+01:00", false},
		{"midnight after is in a range to 24:00", daily("", contact.Range{From: 1380, To: 1440}), "2026-11-22T23:59:59Z", true},
		{"midnight itself is not", daily("", contact.Range{From: 1380, To: 1440}), "2026-11-23T00:00:00Z", false},
		{"02:30 before the skipped hour", early, "2026-03-29T01:59:59+01:00", false},
		{"03:00, when 02:00 is skipped", early, "2026-03-29T03:00:00+02:00", true},
		{"the repeated hour, first time", early, "2026-10-25T02:45:00+02:00", true},
		{"the repeated hour, begun again", early, "2026-10-25T02:15:00+01:00", false},
		{"the repeated hour, second time", early, "2026-10-25T02:45:00+01:00", true},
		{"a zone nobody knows keeps nobody from an alert", daily("Mars/Olympus"), "2026-10-25T02:45:00Z", true},
	}
	for _, tt := range tests {
		if got := tt.period.Covers(utc(t, tt.at)); got != tt.want {
			t.Errorf("%s: Covers(%s) = %v", tt.name, tt.at, got)
		}
	}
}

func TestNextChange(t *testing.T) {
	night := daily("Europe/Berlin", contact.Range{From: 0, To: 360}, contact.Range{From: 1200, To: 1440})
	half := daily("Australia/Lord_Howe", contact.Range{From: 105, To: 150}) // 01:45 to 02:30
	ny := daily("America/New_York", contact.Range{From: 120, To: 150})      // 02:00 to 02:30, which the spring change skips
	apia := contact.TimePeriod{Zone: "Pacific/Apia"}                        // has no 30 December 2011
	apia.Weekdays[time.Friday] = []contact.Range{{From: 0, To: 1440}}       // that would have been a Friday
	apia.Weekdays[time.Saturday] = []contact.Range{{From: 60, To: 120}}
	leap := contact.TimePeriod{Exceptions: []contact.Exception{{First: "02-29", Ranges: []contact.Range{{From: 0, To: 60}}}}}
	tests := []struct {
		name   string
		period contact.TimePeriod
		at     string
		want   string // empty: none
	}{
		{"over midnight it goes on", night, "2026-11-22T21:00:00+01:00", "2026-11-23T06:00:00+01:00"},
		{"in the day", night, "2026-11-22T12:00:30+01:00", "2026-11-22T20:00:00+01:00"},
		{"at a change it is the one after", night, "2026-11-22T20:00:00+01:00", "2026-11-23T06:00:00+01:00"},
		{"a night with a skipped hour", night, "2026-03-28T23:00:00+01:00", "2026-03-29T06:00:00+02:00"},
		{"a night with a repeated hour", night, "2026-10-24T23:00:00+02:00", "2026-10-25T06:00:00+01:00"},
		{"a range that is skipped does not come", ny, "2026-03-08T01:00:00-05:00", "2026-03-09T02:00:00-04:00"},
		{"half an hour skipped: it begins", half, "2026-10-04T01:00:00+10:30", "2026-10-04T01:45:00+10:30"},
		{"half an hour skipped: it ends at once", half, "2026-10-04T01:45:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"half an hour repeated: it begins", half, "2026-04-05T01:00:00+11:00", "2026-04-05T01:45:00+11:00"},
		{"half an hour repeated: the clock goes back into it", half, "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30"},
		{"half an hour repeated: it begins again", half, "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30"},
		{"the day that Apia left out", apia, "2011-12-29T12:00:00-10:00", "2011-12-31T01:00:00+14:00"},
		{"always", daily("", contact.Range{From: 0, To: 1440}), "2026-11-22T12:00:00Z", ""},
		{"never", daily("Europe/Berlin"), "2026-11-22T12:00:00Z", ""},
		{"further ahead than it looks", leap, "2026-11-22T12:00:00Z", ""},
		{"within what it looks ahead", leap, "2027-11-22T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"one that cannot be read", daily("Mars/Olympus"), "2026-11-22T12:00:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want time.Time
			if tt.want != "" {
				want = utc(t, tt.want)
			}
			if got := tt.period.Next(utc(t, tt.at)); !got.Equal(want) {
				t.Errorf("Next(%s) = %v, want %v", tt.at, got, want)
			}
		})
	}
}

// TestNextIsTheFirstChange walks minute by minute around the changes of the
// clock and compares.
func TestNextIsTheFirstChange(t *testing.T) {
	around := map[string][]string{
		"Europe/Berlin":       {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
		"America/New_York":    {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
		"Australia/Lord_Howe": {"2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"},
		"Pacific/Apia":        {"2011-12-30T10:00:00Z"},
		"Asia/Kathmandu":      {"2026-11-22T00:00:00Z"},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for zone, times := range around {
		for range 6 {
			p := contact.TimePeriod{Name: "p", Zone: zone}
			for d := range p.Weekdays {
				for from := rnd.IntN(200); from < 1440; {
					to := min(from+1+rnd.IntN(400), 1440)
					p.Weekdays[d] = append(p.Weekdays[d], contact.Range{From: from, To: to})
					from = to + rnd.IntN(300)
				}
			}
			s, err := p.Schedule()
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range times {
				walk(t, s, utc(t, text).Add(-12*time.Hour))
			}
		}
	}
}

func walk(t *testing.T, s *contact.Schedule, from time.Time) {
	t.Helper()
	last, next := from, s.Next(from)
	for at := from.Add(time.Minute); at.Before(from.Add(24 * time.Hour)); at = at.Add(time.Minute) {
		if s.Covers(at) == s.Covers(last) {
			continue
		}
		if !next.Equal(at) {
			t.Fatalf("%s: after %v comes %v, but Next says %v", s.Zone(), last, at, next)
		}
		last, next = at, s.Next(at)
	}
}

func TestTimePeriodValidateNamesTheField(t *testing.T) {
	tests := []struct {
		field  string
		change func(*contact.TimePeriod)
	}{
		{"name", func(p *contact.TimePeriod) { p.Name = "a\nb" }},
		{"zone", func(p *contact.TimePeriod) { p.Zone = "Europe/Bielefeld" }},
		{"zone", func(p *contact.TimePeriod) { p.Zone = "Local" }},
		{"zone", func(p *contact.TimePeriod) { p.Zone = "../../etc/passwd" }},
		{"weekdays[0][0]", func(p *contact.TimePeriod) { p.Weekdays[0] = []contact.Range{{From: -1, To: 5}} }},
		{"weekdays[1][0]", func(p *contact.TimePeriod) { p.Weekdays[1] = []contact.Range{{From: 0, To: 1441}} }},
		{"weekdays[2][0]", func(p *contact.TimePeriod) { p.Weekdays[2] = []contact.Range{{From: 1200, To: 360}} }},
		{"weekdays[3][1]", func(p *contact.TimePeriod) { p.Weekdays[3] = []contact.Range{{From: 0, To: 60}, {From: 59, To: 70}} }},
		{"weekdays[4]", func(p *contact.TimePeriod) { p.Weekdays[4] = make([]contact.Range, 49) }},
		{"exceptions[0].first", func(p *contact.TimePeriod) { p.Exceptions = []contact.Exception{{First: "2026-02-29"}} }},
		{"exceptions[0].first", func(p *contact.TimePeriod) { p.Exceptions = []contact.Exception{{First: "02-30"}} }},
		{"exceptions[0].first", func(p *contact.TimePeriod) { p.Exceptions = []contact.Exception{{First: ""}} }},
		{"exceptions[0].last", func(p *contact.TimePeriod) { p.Exceptions = []contact.Exception{{First: "12-24", Last: "24.12."}} }},
		{"exceptions[0].last", func(p *contact.TimePeriod) {
			p.Exceptions = []contact.Exception{{First: "2026-12-24", Last: "12-26"}}
		}},
		{"exceptions[0].last", func(p *contact.TimePeriod) {
			p.Exceptions = []contact.Exception{{First: "2026-12-24", Last: "2026-12-23"}}
		}},
		{"exceptions[0].ranges[0]", func(p *contact.TimePeriod) {
			p.Exceptions = []contact.Exception{{First: "12-24", Ranges: []contact.Range{{From: 60, To: 60}}}}
		}},
		{"exceptions[0].note", func(p *contact.TimePeriod) {
			p.Exceptions = []contact.Exception{{First: "12-24", Note: strings.Repeat("x", 501)}}
		}},
		{"exceptions", func(p *contact.TimePeriod) { p.Exceptions = make([]contact.Exception, 501) }},
	}
	for _, tt := range tests {
		p := daily("Europe/Berlin", contact.Range{From: 0, To: 60}, contact.Range{From: 60, To: 1440})
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		tt.change(&p)
		wantField(t, p.Validate(), tt.field)
	}
}

func BenchmarkScheduleNextOfAPeriodThatNeverChanges(b *testing.B) {
	s, err := daily("Europe/Berlin", contact.Range{From: 0, To: 1440}).Schedule()
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for b.Loop() {
		s.Next(now)
	}
}
