package config_test

import (
	"errors"
	"testing"

	"tocsin/internal/config"
)

func TestSettingsThatCannotBeAreNamed(t *testing.T) {
	if err := config.Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*config.Settings){
		"mail_ttl_minutes": func(s *config.Settings) { s.MailTTL = 0 },
		"hook_ttl_minutes": func(s *config.Settings) { s.HookTTL = 43201 },
		"ack_link_hours":   func(s *config.Settings) { s.AckLinkHours = 169 },
		"flap_changes":     func(s *config.Settings) { s.FlapChanges = 2 },
		"flap_minutes":     func(s *config.Settings) { s.FlapMinutes = 0 },
		"storm.by":         func(s *config.Settings) { s.Storm.By = "moon" },
		"storm.at_most":    func(s *config.Settings) { s.Storm.Wait, s.Storm.AtMost = 60, 10 },
	} {
		s := config.Defaults()
		change(&s)
		var wrong *config.FieldError
		if err := s.Validate(); !errors.As(err, &wrong) || wrong.Field != field || wrong.Mend == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	s := config.Defaults()
	if s.FlapChanges = 0; s.Validate() != nil {
		t.Error("never is refused")
	}
}
