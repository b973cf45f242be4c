package contact

// TimePeriod says when: ranges for each weekday, exceptions for days, both in
// its own time zone. Clock times are minutes since midnight, 0 to 1440; a
// range's end is exclusive, and 1440 is the midnight after.
type TimePeriod struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Zone       string      `json:"zone"`       // IANA name, e.g. "Europe/Berlin"; empty is UTC
	Weekdays   [7][]Range  `json:"weekdays"`   // index 0 is Sunday, as time.Weekday counts
	Exceptions []Exception `json:"exceptions"` // the first that fits a day replaces its weekday
}

// Range is a part of a day, From inclusive and To exclusive, From < To, in
// minutes since midnight.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Exception replaces the weekday's ranges on the days First to Last, both
// inclusive, written 2006-01-02, or 01-02 for every year. No ranges: closed.
type Exception struct {
	First  string  `json:"first"`
	Last   string  `json:"last"` // empty: First alone
	Ranges []Range `json:"ranges"`
	Note   string  `json:"note"`
}
