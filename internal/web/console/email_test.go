package console_test

import (
	"strings"
	"testing"

	"tocsin/internal/mail"
	"tocsin/internal/web"
)

func TestAPasswordOfTheMailServerGoesNowhereElse(t *testing.T) {
	was := mail.Settings{Enabled: true, Host: "mail.example.org", Security: mail.StartTLS, Username: "u", Password: "p", From: "a@example.org"}
	for name, change := range map[string]func(s *mail.Settings){
		"server": func(s *mail.Settings) { s.Host = "mail.example.net" }, "port": func(s *mail.Settings) { s.Port = 2525 },
		"encryption": func(s *mail.Settings) { s.Security = mail.Plain }, "user": func(s *mail.Settings) { s.Username = "v" },
	} {
		s := was
		s.Password = ""
		change(&s)
		if _, err := web.ChangedMail(was, s, nil); err == nil || !strings.Contains(err.Error(), "password") {
			t.Errorf("another %s: %v", name, err)
		}
		again := "again"
		if got, err := web.ChangedMail(was, s, &again); err != nil || got.Password != "again" {
			t.Errorf("another %s with the password: %v %v", name, got.Password, err)
		}
	}
	s := was
	s.FromName, s.Password = "Status", ""
	if got, err := web.ChangedMail(was, s, nil); err != nil || got.Password != "p" {
		t.Errorf("the password is lost: %v", err)
	}
}
