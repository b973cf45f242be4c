package contact

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
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
// any time, in the browser too.
func NewContact(name string) Contact {
	return Contact{
		Name:              name,
		HostOptions:       "d,u,r,f,s",
		ServiceOptions:    "w,u,c,r,f,s",
		HostNotifications: true, ServiceNotifications: true,
		PushHost: true, PushService: true,
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
	return CheckIDs("contact_ids", g.ContactIDs)
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
