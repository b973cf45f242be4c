package recur_test

import (
	"errors"
	"testing"
	"time"

	"tocsin/internal/status/recur"
)

func TestTheTimeOfDayStaysWhateverDaylightSavingDoes(t *testing.T) {
	for _, c := range []struct {
		name, zone, rule, first string
		after                   string
		want                    []string
	}{
		{"every Sunday in Berlin over the spring change", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=SU", "2026-03-15T02:30", "2026-03-16T00:00",
			[]string{"2026-03-22T02:30+01:00", "2026-03-29T03:30+02:00", "2026-04-05T02:30+02:00"}},
		{"over the autumn change it comes once", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=SU", "2026-10-18T02:30", "2026-10-18T12:00",
			[]string{"2026-10-25T02:30+02:00", "2026-11-01T02:30+01:00"}},
		{"New York", "America/New_York", "FREQ=DAILY", "2026-03-07T22:00", "2026-03-07T00:00",
			[]string{"2026-03-07T22:00-05:00", "2026-03-08T22:00-04:00"}},
		{"second Tuesday of the month", "UTC", "RRULE:FREQ=MONTHLY;BYDAY=2TU", "2026-11-10T04:00", "2026-11-22T00:00",
			[]string{"2026-12-08T04:00Z", "2027-01-12T04:00Z"}},
		{"an end", "UTC", "FREQ=DAILY;COUNT=2", "2026-11-22T04:00", "2026-11-22T00:00", []string{"2026-11-22T04:00Z", "2026-11-23T04:00Z"}},
		{"a day that some months lack", "UTC", "FREQ=MONTHLY;BYMONTHDAY=31", "2026-10-31T04:00", "2026-11-01T00:00",
			[]string{"2026-12-31T04:00Z", "2027-01-31T04:00Z", "2027-03-31T04:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			z, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			parse := func(s string) time.Time {
				v, err := time.ParseInLocation("2006-01-02T15:04", s, z)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			r, err := recur.Parse(c.rule, c.zone, parse(c.first))
			if err != nil {
				t.Fatal(err)
			}
			n := len(c.want)
			if c.name == "an end" {
				n = 10
			}
			got := r.After(parse(c.after), n)
			if len(got) != len(c.want) {
				t.Fatalf("%v", got)
			}
			for i := range got {
				if s := got[i].Format("2006-01-02T15:04Z07:00"); s != c.want[i] {
					t.Errorf("%d is %s, not %s", i, s, c.want[i])
				}
			}
		})
	}
}

func TestRulesThatAskForTooMuchAreRefused(t *testing.T) {
	for _, c := range []struct{ rule, zone, field string }{
		{"FREQ=SECONDLY", "UTC", "rule"},
		{"FREQ=HOURLY", "UTC", "rule"},
		{"FREQ=DAILY;BYSECOND=1,2,3", "UTC", "rule"},
		{"FREQ=DAILY;INTERVAL=-1", "UTC", "rule"},
		{"nonsense", "UTC", "rule"},
		{"", "UTC", "rule"},
		{"FREQ=DAILY\nFREQ=WEEKLY", "UTC", "rule"},
		{"FREQ=DAILY", "Mars/Olympus", "zone"},
		{"FREQ=DAILY", "", "zone"},
	} {
		_, err := recur.Parse(c.rule, c.zone, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		var e *recur.Error
		if !errors.As(err, &e) || e.Field != c.field || e.Mend == "" {
			t.Errorf("%q in %q: %v", c.rule, c.zone, err)
		}
	}
}

func TestARuleThatNeverComesEnds(t *testing.T) {
	r, err := recur.Parse("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "UTC", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.After(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 3); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("FREQ=DAILY;BYSETPOS=-1;BYDAY=MO", int64(1_780_000_000))
	f.Add("FREQ=YEARLY;BYWEEKNO=53;BYEASTER=0", int64(0))
	f.Fuzz(func(t *testing.T, rule string, first int64) {
		at := time.Unix(first%4_000_000_000, 0)
		r, err := recur.Parse(rule, "Europe/Berlin", at)
		if err != nil {
			return
		}
		begin := time.Now()
		for _, x := range r.After(at, 3) {
			if !x.After(at) {
				t.Fatal("not after")
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Fatalf("%q took %s", rule, took)
		}
	})
}
