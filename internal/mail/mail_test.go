package mail_test

import (
	"strings"
	"testing"

	"tocsin/internal/mail"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		" Mira@Example.ORG ":      "Mira@example.org",
		"mira+status@example.org": "mira+status@example.org",
		"mira@münchen.example":    "",
		"":                        "", "mira": "", "@example.org": "", "mira@": "", "mira@localhost": "", "mira@example.org.": "",
		"mira@127.0.0.1": "", "mira@[127.0.0.1]": "", "mira@１２７.0.0.1": "", "mira@a@b.example": "", "mira@exa mple.org": "",
		`"mira b"@example.org`: "", `"mira@x"@example.org`: "", "Mira <mira@example.org>": "", "mira@example.org\r\nBcc: x@example.org": "",
		"mira@example.org>\r\nRCPT TO:<x@example.org": "", "mira@example.org,x@example.org": "", "mi\x00ra@example.org": "", "mїra@example.org": "",
		".mira@example.org": "", "mi..ra@example.org": "", "mira.@example.org": "", strings.Repeat("a", 65) + "@example.org": "",
		"mira@" + strings.Repeat("a.", 130) + "example": "", "mira@-x.example": "", "mira@example.123": "", "mira@ex\u202eample.org": "",
	} {
		got, err := mail.Address(in)
		if (err == nil) != (want != "") || got != want {
			t.Errorf("%q becomes %q, %v; want %q", in, got, err, want)
		}
	}
}
