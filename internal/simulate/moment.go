package simulate

import (
	"fmt"
	"time"
)

// Moment reads a time as people write one: 2026-03-29T02:30, by the clock of the
// zone (IANA; empty is UTC), or RFC 3339 with an offset of its own. A time that
// daylight saving skips is the first moment after the gap; one that it has twice,
// the first of both. What is none is a *Error about the field.
func Moment(field, text, zone string) (time.Time, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return time.Time{}, &Error{Field: "zone", Problem: fmt.Sprintf("%.60q is no time zone", zone), Mend: "write one such as Europe/Berlin"}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		at, err := time.ParseInLocation(form, text, loc)
		if err != nil {
			continue
		}
		if shown := at.Format(form); shown != text { // there is no such time
			start, end := at.ZoneBounds()
			if shown > text {
				return start, nil
			}
			return end, nil
		}
		if start, _ := at.ZoneBounds(); !start.IsZero() { // the one before, if there are two
			_, now := at.Zone()
			_, was := start.Add(-time.Second).Zone()
			if first := at.Add(-time.Duration(was-now) * time.Second); was > now && first.Before(start) && first.Format(form) == text {
				return first, nil
			}
		}
		return at, nil
	}
	return time.Time{}, &Error{Field: field, Problem: fmt.Sprintf("%.60q is no time", text), Mend: "write it as 2026-03-29T02:30, or with its zone as 2026-03-29T02:30:00+01:00"}
}
