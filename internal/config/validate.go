package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"tocsin/internal/contact"
	"tocsin/internal/storm"
)

// FieldError refuses a setting: which, what is wrong with it, and the mend.
type FieldError struct {
	Field   string // in the API's words: "retention_days"
	Problem string
	Mend    string
}

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem + "; " + e.Mend }

// Validate says what is wrong with the settings; nil if nothing. The error is
// a *FieldError.
func (s Settings) Validate() error {
	for _, key := range slices.Sorted(maps.Keys(s.AutoClose)) {
		if _, ok := Defaults().AutoClose[key]; !ok {
			return &FieldError{"auto_close." + key, "is not known", "the keys are " + fmt.Sprint(slices.Sorted(maps.Keys(Defaults().AutoClose)))}
		}
		if err := within("auto_close."+key, s.AutoClose[key], 0, 3600, "0 to 3600 seconds; 0 stays until it is closed"); err != nil {
			return err
		}
	}
	checks := []error{
		within("browser_ttl_minutes", s.BrowserTTL, 1, 7*24*60, "1 to 10080 minutes (a week)"),
		within("collapse_after", s.CollapseAfter, 1, 50, "1 to 50"),
		within("retention_days", s.RetentionDays, 1, 3650, "1 to 3650 days"),
		within("audit_days", s.AuditDays, 1, 3650, "1 to 3650 days"),
		within("source_quiet_minutes", s.SourceQuietMinutes, 0, 30*24*60, "0 to 43200 minutes; 0 never warns"),
		within("ping_every_seconds", s.PingEvery, 10, 24*60*60, "10 to 86400 seconds (a day)"),
		within("mattermost_ttl_minutes", s.MattermostTTL, 1, 30*24*60, "1 to 43200 minutes (30 days)"),
		within("mail_ttl_minutes", s.MailTTL, 1, 30*24*60, "1 to 43200 minutes (30 days)"),
		within("hook_ttl_minutes", s.HookTTL, 1, 30*24*60, "1 to 43200 minutes (30 days)"),
		within("flap_minutes", s.FlapMinutes, 1, 24*60, "1 to 1440 minutes (a day)"),
		within("ack_link_hours", s.AckLinkHours, 0, 7*24, "1 to 168 hours (a week), or 0 for letters without a link"),
		s.validatePasskeys(),
		s.validateFlapping(),
		s.validateStorm(),
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return s.validatePush()
}

// validateFlapping: fewer than three changes are any problem and its recovery, and
// more than 20 are not remembered of an object.
func (s Settings) validateFlapping() error {
	if s.FlapChanges == 0 {
		return nil
	}
	return within("flap_changes", s.FlapChanges, 3, 20, "3 to 20 changes, or 0 for never")
}

// mostStorms is how many sources may have rules of their own.
const mostStorms = 1000

func (s Settings) validateStorm() error {
	if err := validRules("storm", s.Storm); err != nil {
		return err
	}
	if n := len(s.StormBySource); n > mostStorms {
		return &FieldError{"storm_by_source", fmt.Sprintf("names %d sources", n), fmt.Sprintf("keep to %d", mostStorms)}
	}
	for _, id := range slices.Sorted(maps.Keys(s.StormBySource)) {
		if id == "" || len(id) > contact.MaxName {
			return &FieldError{"storm_by_source", fmt.Sprintf("names a source %q", id), "write the id of a source, as /api/v1/sources has it"}
		}
		if err := validRules("storm_by_source."+id, s.StormBySource[id]); err != nil {
			return err
		}
	}
	return nil
}

func validRules(field string, r storm.Rules) error {
	err := r.Validate()
	var wrong *contact.FieldError
	if errors.As(err, &wrong) {
		return &FieldError{field + "." + wrong.Field, wrong.Problem, wrong.Mend}
	}
	return err //nolint:wrapcheck // there is no other one
}

func within(field string, v, least, most int, words string) error {
	if v < least || v > most {
		return &FieldError{field, fmt.Sprintf("is %d", v), "take " + words}
	}
	return nil
}
