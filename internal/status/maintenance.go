package status

import "time"

// The reminders before a maintenance.
const (
	RemindDay  = "24h"
	RemindHour = "1h"
)

// Step is what the clock asks of a maintenance: another phase, or that visitors
// are reminded; nothing while both are empty. Next is when it is to be looked at
// again, zero for never.
type Step struct {
	To     Phase
	Remind string
	Next   time.Time
}

// Tick says what is to be done of a maintenance by now. What was missed while
// nobody looked is done once: a reminder whose hour has passed is not sent when
// the work has begun, and of two that are due the later one is.
func (m *Maintenance) Tick(now time.Time) Step {
	switch m.Phase {
	case Scheduled:
		if !now.Before(m.Start) {
			if !m.AutoStart {
				return Step{}
			}
			if m.AutoEnd && !now.Before(m.End) {
				return Step{To: Completed}
			}
			return Step{To: InProgress, Next: m.End}
		}
		return m.remind(now)
	case InProgress, Verifying:
		if !m.AutoEnd {
			return Step{}
		}
		if now.Before(m.End) {
			return Step{Next: m.End}
		}
		return Step{To: Completed}
	}
	return Step{}
}

func (m *Maintenance) remind(now time.Time) Step {
	next := m.Start
	for _, r := range []struct {
		name   string
		before time.Duration
	}{{RemindHour, time.Hour}, {RemindDay, 24 * time.Hour}} {
		due := m.Start.Add(-r.before)
		if now.Before(due) {
			next = due
			continue
		}
		// Announced that late, the announcement itself is the reminder.
		if m.reminded(r.name) || m.Created.After(due) {
			break
		}
		return Step{Remind: r.name, Next: next}
	}
	return Step{Next: next}
}

func (m *Maintenance) reminded(name string) bool {
	for _, r := range m.Reminded {
		if r == name {
			return true
		}
	}
	return false
}
