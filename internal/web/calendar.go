package web

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
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
