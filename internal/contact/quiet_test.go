package contact_test

import (
	"testing"
	"time"

	"tocsin/internal/contact"
)

func TestQuietHoursMustEnd(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday
	always := daily("Europe/Berlin", contact.Range{From: 0, To: 1440})
	wantField(t, contact.CheckQuiet(always, now), "quiet_period_id")
	pause := always
	pause.Weekdays[0] = []contact.Range{{From: 0, To: 1439}} // one minute a week
	night := daily("Europe/Berlin", contact.Range{From: 0, To: 360}, contact.Range{From: 1320, To: 1440})
	for name, p := range map[string]contact.TimePeriod{
		"one minute a week is open": pause, "a night": night, "never": daily(""), "one that cannot be read": daily("Mars/Olympus", contact.Range{From: 0, To: 1440}),
	} {
		if err := contact.CheckQuiet(p, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNextWithinLooksNoFurther(t *testing.T) {
	s, err := daily("Europe/Berlin", contact.Range{From: 0, To: 360}).Schedule()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // 13:00 there, so it begins in 11 hours
	if got := s.NextWithin(now, 10*time.Hour); !got.IsZero() {
		t.Errorf("looked further than it may: %s", got)
	}
	if got := s.NextWithin(now, 12*time.Hour); !got.Equal(now.Add(11 * time.Hour)) {
		t.Errorf("%s", got)
	}
}
