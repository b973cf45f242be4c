package web

import (
	"context"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/hook"
	"tocsin/internal/oncall"
	"tocsin/internal/window"
)

// Planning is what the HTTP edge reads and changes of who is told when nobody
// answers, of when nobody is, and of webhooks. Every change raises the directory
// version in its transaction. fault.ErrNotFound for what there is not,
// fault.ErrTaken for a name that is in use.
type Planning interface {
	Policies(ctx context.Context) ([]escalation.Policy, error)
	Policy(ctx context.Context, id string) (escalation.Policy, error)
	SavePolicy(ctx context.Context, p escalation.Policy) error
	DeletePolicy(ctx context.Context, id string) error // fault.ErrInUse while a rule names it

	Schedules(ctx context.Context) ([]oncall.Schedule, error)
	Schedule(ctx context.Context, id string) (oncall.Schedule, error)
	SaveSchedule(ctx context.Context, s oncall.Schedule) error
	// ChangeSchedule has a schedule changed that nobody else changes meanwhile. change
	// may run again; its error comes back as it is, and nothing is kept then.
	ChangeSchedule(ctx context.Context, id string, change func(oncall.Schedule) (oncall.Schedule, error)) error
	DeleteSchedule(ctx context.Context, id string) error // fault.ErrInUse while a rule, a group or a policy names it

	Windows(ctx context.Context) ([]window.Window, error)
	Window(ctx context.Context, id string) (window.Window, error)
	SaveWindow(ctx context.Context, w window.Window) error
	DeleteWindow(ctx context.Context, id string) error

	// Hooks are webhooks with their secrets, which are for those who send: the edge
	// never shows them.
	Hooks(ctx context.Context) ([]hook.Hook, error)
	Hook(ctx context.Context, id string) (hook.Hook, error)
	SaveHook(ctx context.Context, h hook.Hook) error
	DeleteHook(ctx context.Context, id string) error // fault.ErrInUse while a rule, a contact or a policy names it

	// AlertEscalation answers how far the policy of an alert is, nil if none runs.
	AlertEscalation(ctx context.Context, alertID string) (*dispatch.Escalation, error)

	// SetCalendarToken keeps the hash of the address of a contact's calendar, over
	// the one before; an empty one ends it. CalendarToken answers when it was made,
	// fault.ErrNotFound where there is none, and CalendarContact whose it is. None of
	// them raises the directory version.
	SetCalendarToken(ctx context.Context, contactID, hash string, made time.Time) error
	CalendarToken(ctx context.Context, contactID string) (made time.Time, err error)
	CalendarContact(ctx context.Context, hash string) (contactID string, err error)
}

// OnCall is who is on call in one schedule at a moment.
type OnCall struct {
	ScheduleID string
	Schedule   string
	Zone       *time.Location // of the schedule
	Now        Duty
	Until      time.Time // when somebody else, or nobody, is; zero: not within oncall.MaxSpan
	Next       Duty      // who is from Until on
	NextUntil  time.Time // likewise
	Gaps       []Gap     // of the next GapsAhead, those first that come first, at most 50
	Problem    string    // why it could not be worked out; empty: it could
}

// GapsAhead is how far ahead gaps are looked for.
const GapsAhead = 30 * 24 * time.Hour

// Duty is an oncall.Duty with names.
type Duty struct {
	oncall.Duty
	Contact string // as shown; empty: nobody
	Note    string // of the override
	By      string // who made the override
}

// Nobody says whether nobody is on call.
func (d Duty) Nobody() bool { return d.ContactID == "" }

// Gap is a stretch in which nobody is on call. One that an override makes on
// purpose is none.
type Gap struct{ From, To time.Time }

// Shift is a Duty and for how long it lasts.
type Shift struct {
	Duty
	From, To time.Time
}

// Warning is something about a schedule that works, and is perhaps not what was
// meant.
type Warning struct {
	Kind    string // WarnNobody, …
	Field   string // where: "layers[1]"; may be empty
	Problem string
	Mend    string
	From    time.Time // of the first time that it happens; may be zero
	To      time.Time
}

// The kinds of Warning.
const (
	WarnNobody  = "nobody"      // a rotation with nobody in it
	WarnUnknown = "unknown"     // somebody who is no contact any more
	WarnGap     = "gap"         // nobody is on call
	WarnOverlap = "overlap"     // two layers have somebody at the same time
	WarnHidden  = "hidden"      // a layer of which nothing is left
	WarnReach   = "unreachable" // a contact who is told by no channel
)

// CalendarPath is where calendars of who is on call are.
const CalendarPath = "/oncall/"

// HookTest is what became of a test message to a webhook.
type HookTest struct {
	OK     bool
	Detail string // that it was taken; or what stands in the way, and the mend
}

// TestHook posts a test message to a webhook that need not be saved.
type TestHook func(ctx context.Context, h hook.Hook) (HookTest, error)

// people are contacts by id.
type people map[string]contact.Contact

func (p people) name(id string) string {
	if c, ok := p[id]; ok {
		return c.ShownName()
	}
	if id == "" {
		return ""
	}
	return "somebody who is no contact any more"
}
