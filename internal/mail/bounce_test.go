package mail_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/mail"
)

func dsn(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "bounces", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestWhatMailServersSayOfLettersThatCameBack(t *testing.T) {
	for name, want := range map[string]mail.Bounced{
		"postfix.eml":  {Address: "mira@example.org", Action: mail.ActionFailed, Status: "5.1.1", Words: "550 5.1.1 <mira@example.org>: Recipient address rejected: User unknown in virtual mailbox table", By: "mx.example.org"},
		"exim.eml":     {Address: "mira@example.org", Action: mail.ActionFailed, Status: "5.0.0", Words: "550 No such user here", By: "mx.example.org"},
		"exchange.eml": {Address: "mira@example.org", Action: mail.ActionFailed, Status: "5.1.10", Words: "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient mira@example.org not found by SMTP address lookup", By: "DB8PR01MB0001.eurprd01.prod.example.com"},
		"delayed.eml":  {Address: "mira@example.org", Action: mail.ActionDelayed, Status: "4.4.1", Words: "connect to mx.example.org[192.0.2.1]:25: Connection timed out", By: "relay.example.net"},
	} {
		t.Run(name, func(t *testing.T) {
			for form, text := range map[string]string{
				"as it is": dsn(t, name), "piped": "From MAILER-DAEMON  Sun Nov 22 12:00:00 2026\n" + dsn(t, name), "by wire": strings.ReplaceAll(dsn(t, name), "\n", "\r\n"),
			} {
				b, err := mail.ReadBounce(strings.NewReader(text))
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if b.MessageID != "0199e1f0-7a3b-7c00-8000-000000000001@tocsin.example.org" || len(b.Recipients) != 1 || b.Recipients[0] != want {
					t.Errorf("%s: %+v", form, b)
				}
			}
		})
	}
}

func TestAnotherLetterIsNoBounce(t *testing.T) {
	good := dsn(t, "postfix.eml")
	for name, row := range map[string]struct {
		text string
		none bool // it is no notification at all
		says string
	}{
		"nothing":               {"", true, ""},
		"a person's":            {"From: a@example.org\nSubject: Re: PROBLEM\nContent-Type: text/plain\n\nI am away.\n", true, ""},
		"no headers":            {"hello\n\nworld", true, ""},
		"a report of reading":   {strings.Replace(good, "report-type=delivery-status", "report-type=disposition-notification", 1), true, ""},
		"no part for machines":  {strings.Replace(good, "message/delivery-status", "text/plain", 1), false, "of no recipient"},
		"nothing of the letter": {strings.Replace(good, "text/rfc822-headers", "text/plain", 1), false, "which letter"},
		"a letter without id":   {strings.Replace(good, "Message-ID: <", "Message-ID: ", 1), false, "which letter"},
		"an action of nobody":   {strings.Replace(good, "Action: failed", "Action: exploded", 1), false, "of no recipient"},
		"cut off":               {good[:strings.Index(good, "Diagnostic-Code")], true, ""},
		"very long":             {good + strings.Repeat("x", mail.MaxBounce), true, ""},
		"very many":             {strings.Replace(good, "\nFinal-Recipient", strings.Repeat("\nFinal-Recipient: rfc822; a@example.org\nAction: failed\n\n", 30)+"\nFinal-Recipient", 1), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := mail.ReadBounce(strings.NewReader(row.text))
			if err == nil || errors.Is(err, mail.ErrNoBounce) != row.none || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
}

func FuzzReadBounce(f *testing.F) {
	for _, name := range []string{"postfix.eml", "exim.eml", "exchange.eml", "delayed.eml"} {
		f.Add(dsn(f, name))
	}
	f.Add("Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\nZg==\n--b--\n")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := mail.ReadBounce(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(b.Recipients) == 0 || len(b.Recipients) > 20 || len(b.MessageID) > 250 || strings.Count(b.MessageID, "@") < 1 || strings.ContainsAny(b.MessageID, " \r\n<>") {
			t.Errorf("%+v", b)
		}
		for _, r := range b.Recipients {
			for _, s := range []string{r.Address, r.Words, r.By, r.Status, r.Says()} {
				if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00\x1b") || utf8.RuneCountInString(s) > 700 {
					t.Errorf("%q", s)
				}
			}
			if r.Address == "" || r.Action == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestWhatIsSaidOfALetterIsBoundedInBytes(t *testing.T) {
	b := mail.Bounced{By: strings.Repeat("先", 300), Status: "5.1.1", Words: strings.Repeat("宛", 300)}
	if s := b.Says(); len(s) > 900 || !utf8.ValidString(s) || !strings.HasSuffix(s, "…") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}
