package contact

import (
	"fmt"
	"slices"
	"time"
)

// Limits of a time period: how many ranges a day and how many exceptions it
// may have, and how far ahead Next looks, in days.
const (
	MaxRanges     = 48
	MaxExceptions = 500
	NextDays      = 370
)

const dayMinutes = 24 * 60

// Schedule is a TimePeriod made ready for many questions: its zone is loaded
// and its dates are read. Nobody can change it.
type Schedule struct {
	zone       *time.Location
	weekdays   [7][]Range
	exceptions []dates
}

// dates are an exception's days as numbers, 20060102, or 102 for every year.
type dates struct {
	first, last int
	yearly      bool
	ranges      []Range
}

// Schedule makes the period ready. The error is a *FieldError for the first
// field that is wrong, so it is Validate of all but the name.
func (p TimePeriod) Schedule() (*Schedule, error) {
	s := &Schedule{zone: time.UTC}
	if p.Zone != "" {
		zone, err := time.LoadLocation(p.Zone)
		if err != nil || p.Zone == "Local" {
			return nil, &FieldError{"zone", fmt.Sprintf("%q is no time zone that is known here", p.Zone),
				"write it as Europe/Berlin, or leave it empty for UTC"}
		}
		s.zone = zone
	}
	for d, ranges := range p.Weekdays {
		if err := checkRanges(fmt.Sprintf("weekdays[%d]", d), ranges); err != nil {
			return nil, err
		}
		s.weekdays[d] = slices.Clone(ranges)
	}
	if n := len(p.Exceptions); n > MaxExceptions {
		return nil, &FieldError{"exceptions", fmt.Sprintf("there are %d", n), fmt.Sprintf("keep to %d", MaxExceptions)}
	}
	for i, e := range p.Exceptions {
		d, err := e.dates(fmt.Sprintf("exceptions[%d]", i))
		if err != nil {
			return nil, err
		}
		s.exceptions = append(s.exceptions, d)
	}
	return s, nil
}

// Validate answers a *FieldError for the first field that cannot be stored.
func (p TimePeriod) Validate() error {
	if err := CheckName("name", p.Name); err != nil {
		return err
	}
	_, err := p.Schedule()
	return err
}

// Covers says whether t lies in the period, by the clock of its zone: an hour
// that daylight saving skips is in no range, one that it repeats is in it
// twice. A period that Validate refuses covers everything, because nobody
// should miss an alert over it.
func (p TimePeriod) Covers(t time.Time) bool {
	s, err := p.Schedule()
	return err != nil || s.Covers(t)
}

// Next answers when the answer of Covers changes first after t, zero if it
// does not within NextDays. Loading the zone takes longer than the answer: ask
// a Schedule when asking often.
func (p TimePeriod) Next(t time.Time) time.Time {
	s, err := p.Schedule()
	if err != nil {
		return time.Time{}
	}
	return s.Next(t)
}

// Zone is the period's time zone.
func (s *Schedule) Zone() *time.Location { return s.zone }

// Covers is TimePeriod.Covers.
func (s *Schedule) Covers(t time.Time) bool {
	t = t.In(s.zone)
	minute := t.Hour()*60 + t.Minute()
	for _, r := range s.day(t.Date()) {
		if r.From <= minute && minute < r.To {
			return true
		}
	}
	return false
}

// Next is TimePeriod.Next. Between two changes of its zone's offset a local
// day has 1,440 minutes, so it goes from one such span to the next, and in
// each from one range's end to the next.
func (s *Schedule) Next(t time.Time) time.Time { return s.NextWithin(t, NextDays*24*time.Hour) }

// NextWithin is Next that looks no further ahead than d.
func (s *Schedule) NextWithin(t time.Time, d time.Duration) time.Time {
	limit := t.Add(d)
	covered := s.Covers(t)
	for at := t; at.Before(limit); {
		_, end := at.In(s.zone).ZoneBounds()
		if end.IsZero() || end.After(limit) {
			end = limit
		}
		if next := s.nextInSpan(at, end, covered); !next.IsZero() {
			return next
		}
		if s.Covers(end) != covered {
			return end.In(s.zone)
		}
		at = end
	}
	return time.Time{}
}

// nextInSpan looks for the change after from and before end, between which
// the zone's offset stays the same.
func (s *Schedule) nextInSpan(from, end time.Time, covered bool) time.Time {
	_, offset := from.In(s.zone).Zone()
	local := from.In(time.FixedZone("", offset))
	for midnight := local.Add(-sinceMidnight(local)); midnight.Before(end); midnight = midnight.Add(24 * time.Hour) {
		ranges := s.day(midnight.Date())
		for at := 0; at < dayMinutes; at = nextEdge(ranges, at) {
			t := midnight.Add(time.Duration(at) * time.Minute)
			if !t.Before(end) {
				return time.Time{}
			}
			if t.After(from) && contains(ranges, at) != covered {
				return t.In(s.zone)
			}
		}
	}
	return time.Time{}
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// nextEdge is the first beginning or end of a range after a minute, the day's
// end if there is none.
func nextEdge(ranges []Range, after int) int {
	edge := dayMinutes
	for _, r := range ranges {
		for _, m := range [2]int{r.From, r.To} {
			if m > after && m < edge {
				edge = m
			}
		}
	}
	return edge
}

func contains(ranges []Range, minute int) bool {
	for _, r := range ranges {
		if r.From <= minute && minute < r.To {
			return true
		}
	}
	return false
}

// day are the ranges of a day of the calendar.
func (s *Schedule) day(year int, month time.Month, day int) []Range {
	monthDay := int(month)*100 + day
	for _, e := range s.exceptions {
		if e.fits(year*10000+monthDay, monthDay) {
			return e.ranges
		}
	}
	return s.weekdays[time.Date(year, month, day, 12, 0, 0, 0, time.UTC).Weekday()]
}

func (d dates) fits(date, monthDay int) bool {
	if !d.yearly {
		return d.first <= date && date <= d.last
	}
	if d.first <= d.last {
		return d.first <= monthDay && monthDay <= d.last
	}
	return d.first <= monthDay || monthDay <= d.last // over New Year
}

// dates reads and checks an exception that stands at a JSON path.
func (e Exception) dates(path string) (dates, error) {
	if err := CheckText(path+".note", e.Note, MaxText); err != nil {
		return dates{}, err
	}
	if err := checkRanges(path+".ranges", e.Ranges); err != nil {
		return dates{}, err
	}
	first, yearly, ok := readDate(e.First)
	if !ok {
		return dates{}, noDate(path+".first", e.First)
	}
	last, lastYearly := first, yearly
	if e.Last != "" {
		if last, lastYearly, ok = readDate(e.Last); !ok {
			return dates{}, noDate(path+".last", e.Last)
		}
	}
	if yearly != lastYearly {
		return dates{}, &FieldError{path + ".last", "one date has a year and the other has none",
			"write both with the year, or both without for every year"}
	}
	if !yearly && last < first {
		return dates{}, &FieldError{path + ".last", fmt.Sprintf("%s is before %s", e.Last, e.First), "swap the two dates"}
	}
	return dates{first: first, last: last, yearly: yearly, ranges: slices.Clone(e.Ranges)}, nil
}

// readDate reads 2006-01-02 as 20060102, and 01-02, every year, as 102. The
// 29th of February of every year is one: it comes in leap years.
func readDate(text string) (number int, yearly, ok bool) {
	if t, err := time.Parse("2006-01-02", text); err == nil {
		return t.Year()*10000 + int(t.Month())*100 + t.Day(), false, true
	}
	t, err := time.Parse("2006-01-02", "2004-"+text) // a leap year
	return int(t.Month())*100 + t.Day(), true, err == nil
}

func noDate(field, text string) error {
	return &FieldError{field, fmt.Sprintf("%q is no date", text), "write 2026-12-24, or 12-24 for every year"}
}

// checkRanges answers a *FieldError unless the ranges lie in a day, in order
// and apart. One may begin where the one before ends.
func checkRanges(path string, ranges []Range) error {
	if n := len(ranges); n > MaxRanges {
		return &FieldError{path, fmt.Sprintf("there are %d ranges", n), fmt.Sprintf("keep to %d a day", MaxRanges)}
	}
	end := 0
	for i, r := range ranges {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case r.From < 0 || r.To > dayMinutes:
			return &FieldError{at, fmt.Sprintf("%d to %d leaves the day", r.From, r.To), "use minutes since midnight, 0 to 1440"}
		case r.From >= r.To:
			return &FieldError{at, fmt.Sprintf("ends at %s, not after it begins at %s", clock(r.To), clock(r.From)),
				"let it end later; a night is one range to 24:00 and one from 00:00 on the next day"}
		case r.From < end:
			return &FieldError{at, fmt.Sprintf("begins at %s, before the range in front of it ends at %s", clock(r.From), clock(end)),
				"put the ranges in order and do not let them overlap"}
		}
		end = r.To
	}
	return nil
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
