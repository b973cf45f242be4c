package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/oncall"
	"tocsin/internal/oncall/ical"
)

// NewCalendar makes the address, below CalendarPath, of the calendar that says when
// a contact is on call, and ends the one before. It is answered this once: calendar
// programs know no other way to say who they are, so whoever has it can read when
// this contact is on call, and nothing else.
func NewCalendar(ctx context.Context, st Planning, contactID string, now time.Time) (path string, err error) {
	token, hash, _ := auth.NewToken(auth.CalendarPrefix)
	if err := st.SetCalendarToken(ctx, contactID, hash, now); err != nil {
		return "", fmt.Errorf("keep the address of the calendar of contact %s: %w", contactID, err)
	}
	return CalendarPath + token + ".ics", nil
}

// MayCalendar says whether somebody may make and end the address of a contact's
// calendar: their own; and who changes contacts, any.
func MayCalendar(p auth.Principal, c contact.Contact) bool {
	return p.UserID != "" && c.UserID == p.UserID || p.May(auth.WriteConfig)
}

// What a calendar shows.
const (
	calendarBack  = 90 * 24 * time.Hour
	calendarAhead = 180 * 24 * time.Hour
	calendarAgain = time.Hour
)

// CalendarOf is when a contact is on call, in all schedules. It is the same each
// time as long as nothing changes: it begins with a month, and ends with a day.
func CalendarOf(ctx context.Context, st Rota, c contact.Contact, now time.Time, baseURL, version string) (ical.Calendar, error) {
	all, err := st.Schedules(ctx)
	if err != nil {
		return ical.Calendar{}, fmt.Errorf("list schedules: %w", err)
	}
	now = now.UTC()
	// A turn that began before what is shown keeps its beginning, and with it its UID.
	y, m, _ := now.Add(-2 * calendarBack).Date()
	from := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	to := now.Add(calendarAhead).Truncate(24 * time.Hour)
	out := ical.Calendar{Name: "On call: " + c.ShownName(), Product: "Tocsin " + version, URL: baseURL + "/console/on-call", Stamp: from, Again: calendarAgain}
	for i := range all {
		s := &all[i]
		plan, err := planOf(s)
		if err != nil {
			continue // the console and System health say so
		}
		for _, e := range turns(s, plan, c.ID, from, to) {
			if now.Sub(e.To) < calendarBack {
				out.Events = append(out.Events, e)
			}
		}
	}
	return out, nil
}

// turns are the times of one contact in one schedule. Turns that follow one another
// are one, whatever layer or override they come from.
func turns(s *oncall.Schedule, plan *oncall.Plan, contactID string, from, to time.Time) []ical.Event {
	var out []ical.Event
	for _, span := range plan.Spans(from, to) {
		if span.ContactID != contactID {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(span.From) {
			out[n-1].To = span.To
			continue
		}
		id := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", s.ID, contactID, span.From.Unix()))
		out = append(out, ical.Event{UID: hex.EncodeToString(id[:16]) + "@tocsin", From: span.From, To: span.To, Title: "On call: " + s.Name, Text: because(s, span)})
	}
	return out
}

// because says by what somebody is on call.
func because(s *oncall.Schedule, span oncall.Span) string {
	if span.OverrideID == "" {
		if span.Layer == "" {
			return ""
		}
		return "Rotation: " + span.Layer
	}
	i := slices.IndexFunc(s.Overrides, func(o oncall.Override) bool { return o.ID == span.OverrideID })
	if i < 0 {
		return ""
	}
	text := "Stands in"
	if by := s.Overrides[i].By; by != "" {
		text += ", arranged by " + by
	}
	if note := s.Overrides[i].Note; note != "" {
		text += ": " + note
	}
	return text
}
