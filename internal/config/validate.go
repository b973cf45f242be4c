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
	for _, x := range SettingTable() {
		if x.at == nil {
			continue
		}
		if err := x.check(x.Name, *x.at(&s)); err != nil {
			return err
		}
	}
	for _, err := range []error{s.validateAutoClose(), s.validatePasskeys(), s.validateStorm()} {
		if err != nil {
			return err
		}
	}
	return s.validatePush()
}

func (s Settings) validateAutoClose() error {
	known := Defaults().AutoClose
	for _, key := range slices.Sorted(maps.Keys(s.AutoClose)) {
		if _, ok := known[key]; !ok {
			return &FieldError{"auto_close." + key, "is not known", "the keys are " + fmt.Sprint(slices.Sorted(maps.Keys(known)))}
		}
		least, most := Bounds("auto_close")
		if v := s.AutoClose[key]; v < least || v > most {
			return &FieldError{"auto_close." + key, fmt.Sprintf("is %d", v), fmt.Sprintf("take %d to %d seconds; 0 stays until it is closed", least, most)}
		}
	}
	return nil
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
