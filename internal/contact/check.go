package contact

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxName is how many characters a name may have, MaxText a description or a
// note.
const (
	MaxName = 100
	MaxText = 500
)

// FieldError says which field of a value is wrong, what is wrong with it and
// what to do about it. Field is the JSON path: "weekdays[1][0]".
type FieldError struct {
	Field   string
	Problem string
	Mend    string
}

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Mend }

// NewContact is a contact as it starts out: wants to hear of everything, at
// any time, in the browser and by e-mail too.
func NewContact(name string) Contact {
	return Contact{
		Name:              name,
		HostOptions:       "d,u,r,f,s",
		ServiceOptions:    "w,u,c,r,f,s",
		HostNotifications: true, ServiceNotifications: true,
		PushHost: true, PushService: true,
		MailHost: true, MailService: true,
	}
}

// ShownName is the contact's name for people.
func (c Contact) ShownName() string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	return c.Name
}

// Validate answers a *FieldError for the first field that cannot be stored,
// nil if there is none. Whether the user and the periods exist is the store's
// to know.
func (c Contact) Validate() error {
	if err := CheckName("name", c.Name); err != nil {
		return err
	}
	for _, f := range []struct{ field, text string }{
		{"display_name", c.DisplayName}, {"user_id", c.UserID}, {"engine_user_id", c.EngineUserID},
		{"host_period_id", c.HostPeriodID}, {"service_period_id", c.ServicePeriodID}, {"mattermost", c.Mattermost},
		{"hook", c.Hook}, {"quiet_period_id", c.QuietPeriodID},
	} {
		if err := CheckText(f.field, f.text, MaxName); err != nil {
			return err
		}
	}
	if c.Email != "" {
		a, err := mail.ParseAddress(c.Email)
		if err != nil || a.Address != c.Email || len(c.Email) > 254 {
			return &FieldError{"email", "is no e-mail address", "write it as name@example.org, or leave it empty"}
		}
	}
	switch c.QuietPass {
	case QuietNothing, QuietCritical, QuietWarning:
	default:
		return &FieldError{"quiet_pass", fmt.Sprintf("%q is nothing that passes quiet hours", c.QuietPass), "write critical or warning, or leave it empty for nothing"}
	}
	if _, err := ParseOptions("host", string(c.HostOptions)); err != nil {
		return err
	}
	if _, err := ParseOptions("service", string(c.ServiceOptions)); err != nil {
		return err
	}
	return nil
}

// Validate answers a *FieldError for the first field that cannot be stored.
func (g Group) Validate() error {
	if err := CheckName("name", g.Name); err != nil {
		return err
	}
	if err := CheckText("description", g.Description, MaxText); err != nil {
		return err
	}
	if err := CheckIDs("contact_ids", g.ContactIDs); err != nil {
		return err
	}
	return CheckIDs("schedule_ids", g.ScheduleIDs)
}

// CheckQuiet answers a *FieldError for a time period that cannot be somebody's quiet
// hours, as they would never be over: from now on it covers more than a week without a
// break.
func CheckQuiet(p TimePeriod, now time.Time) error {
	s, err := p.Schedule()
	if err != nil || !s.Covers(now) {
		return nil //nolint:nilerr // what cannot be read covers nothing; its own Validate says so
	}
	const week = 7 * 24 * time.Hour
	if s.NextWithin(now, week).IsZero() {
		return &FieldError{"quiet_period_id", fmt.Sprintf("the time period “%s” covers a whole week without a break, so nothing would ever be told", p.Name),
			"choose one that ends each day, or switch notifications off for this contact"}
	}
	return nil
}

// CheckName answers a *FieldError unless text is a name: 1 to MaxName
// characters that can be shown, with no space at its ends.
func CheckName(field, text string) error {
	if strings.TrimSpace(text) == "" {
		return &FieldError{field, "is empty", fmt.Sprintf("give a name of 1 to %d characters", MaxName)}
	}
	if strings.TrimSpace(text) != text {
		return &FieldError{field, "begins or ends with a space", "remove the space"}
	}
	return CheckText(field, text, MaxName)
}

// CheckText answers a *FieldError unless text is valid UTF-8 of one line
// without control characters and at most limit characters. It may be empty.
func CheckText(field, text string, limit int) error {
	if !utf8.ValidString(text) {
		return &FieldError{field, "is not valid UTF-8", "send the text in UTF-8"}
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return &FieldError{field, fmt.Sprintf("has %d characters", n), fmt.Sprintf("shorten it to %d", limit)}
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return &FieldError{field, "has a control character or a line break", "remove it"}
	}
	return nil
}

// CheckIDs answers a *FieldError for an empty id and for one given twice.
func CheckIDs(field string, ids []string) error {
	for i, id := range ids {
		at := fmt.Sprintf("%s[%d]", field, i)
		if id == "" {
			return &FieldError{at, "is empty", "give an id, or leave it out"}
		}
		if err := CheckText(at, id, MaxName); err != nil {
			return err
		}
		if slices.Contains(ids[:i], id) {
			return &FieldError{at, "is there twice", "leave one out"}
		}
	}
	return nil
}
