package email_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tocsin/internal/channel/email"
	"tocsin/internal/mail"
	"tocsin/test/mailsink"
)

func settings(s *mailsink.Sink) mail.Settings {
	return mail.Settings{Enabled: true, Host: s.Host, Port: s.Port, Security: mail.StartTLS, CA: s.CA, From: "status@tocsin.example.org", FromName: `Größe "Status"`}
}

func sender(t testing.TB, set mail.Settings, o email.Options) *email.Sender {
	t.Helper()
	o.Settings = func(context.Context) (mail.Settings, error) { return set, nil }
	s := email.New(o)
	t.Cleanup(s.Close)
	return s
}

func letter() mail.Letter {
	return mail.Letter{To: "mira@example.org", Subject: "🔴 Störung: API", Text: "Grüße\n.\nEnde", HTML: "<p>Grüße</p>", ID: "p1.s1", Thread: "i1", Language: "de",
		Unsubscribe: "https://status.example.org/unsubscribe/abc", Date: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
}

func is(t testing.TB, r mail.Result, v mail.Verdict, detail string) {
	t.Helper()
	if r.Verdict != v || !strings.Contains(r.Detail, detail) {
		t.Fatalf("verdict is %d %q, want %d with %q", r.Verdict, r.Detail, v, detail)
	}
	if strings.Contains(r.Detail, "@") {
		t.Fatalf("%q names an address", r.Detail)
	}
}

func TestALetterArrivesAsItWasWritten(t *testing.T) {
	for name, change := range map[string]func(o *mailsink.Options, set *mail.Settings){
		"by STARTTLS":   func(*mailsink.Options, *mail.Settings) {},
		"by TLS":        func(o *mailsink.Options, set *mail.Settings) { o.TLS, set.Security = true, mail.TLS },
		"in plain text": func(o *mailsink.Options, set *mail.Settings) { o.Bare, set.Security = true, mail.Plain },
		"with a password": func(o *mailsink.Options, set *mail.Settings) {
			o.User, o.Password, set.Username, set.Password = "u", "päss", "u", "päss"
		},
		"with a password by TLS": func(o *mailsink.Options, set *mail.Settings) {
			o.TLS, set.Security = true, mail.TLS
			o.User, o.Password, set.Username, set.Password = "u", "p", "u", "p"
		},
	} {
		t.Run(name, func(t *testing.T) {
			var o mailsink.Options
			change(&o, &mail.Settings{})
			sink := mailsink.New(t, o)
			set := settings(sink)
			change(&o, &set)
			s := sender(t, set, email.Options{})
			is(t, s.Send(t.Context(), letter()), mail.Sent, "")
			l := sink.Await(t, 1)[0]
			if l.To != "mira@example.org" || l.From != "status@tocsin.example.org" || l.Subject() != "🔴 Störung: API" {
				t.Fatalf("letter is %s %s %q", l.From, l.To, l.Subject())
			}
			if strings.TrimSpace(strings.ReplaceAll(l.Text, "\r\n", "\n")) != "Grüße\n.\nEnde" || strings.TrimSpace(l.HTML) != "<p>Grüße</p>" {
				t.Fatalf("text is %q, html %q", l.Text, l.HTML)
			}
			from, err := l.Header.AddressList("From")
			if err != nil || from[0].Name != `Größe "Status"` {
				t.Fatalf("from is %v %v", from, err)
			}
			for key, want := range map[string]string{
				"Message-Id": "<p1.s1@tocsin.example.org>", "References": "<i1@tocsin.example.org>", "In-Reply-To": "<i1@tocsin.example.org>", "List-Unsubscribe": "<https://status.example.org/unsubscribe/abc>",
				"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Auto-Submitted": "auto-generated", "Content-Language": "de",
				"Date": "Sun, 22 Nov 2026 08:00:00 +0000",
			} {
				if got := l.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if l.Header.Get("User-Agent")+l.Header.Get("X-Mailer") != "" {
				t.Error("it says by which program it was written")
			}
		})
	}
}

func TestAConnectionCarriesManyLetters(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	s := sender(t, settings(sink), email.Options{})
	for range 30 {
		is(t, s.Send(t.Context(), letter()), mail.Sent, "")
	}
	if n := sink.Connections(); n > 2 { // STARTTLS begins a session anew
		t.Fatalf("%d connections for 30 letters one after the other", n)
	}
	if st := s.State(); st.LastOK.IsZero() || !st.Failing.IsZero() {
		t.Fatalf("state is %+v", st)
	}
}

func TestAServerThatRefusesEachLetterIsATrouble(t *testing.T) {
	answer := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "system not accepting network messages"}
	sink := mailsink.New(t, mailsink.Options{RefuseData: func(string) *smtp.SMTPError { return answer }})
	s := sender(t, settings(sink), email.Options{})
	is(t, s.Send(t.Context(), letter()), mail.Later, "451")
	if st := s.State(); !st.Failing.IsZero() || !st.LastOK.IsZero() {
		t.Fatalf("after one letter that was not taken the state is %+v", st)
	}
	for range 9 {
		is(t, s.Send(t.Context(), letter()), mail.Later, "451")
	}
	if st := s.State(); st.Failing.IsZero() || !strings.Contains(st.Problem, "not accepting") {
		t.Fatalf("state is %+v", st)
	}
	sink.Change(func(o *mailsink.Options) { o.RefuseData = nil })
	is(t, s.Test(t.Context(), settings(sink), letter()), mail.Sent, "")
	if st := s.State(); !st.Failing.IsZero() || st.LastOK.IsZero() {
		t.Fatalf("after a test that went well the state is %+v", st)
	}
	if n := s.Stats(); n["later"] != 10 || n["sent"] != 0 {
		t.Fatalf("counts are %v", n)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	refuse := func(code int, e smtp.EnhancedCode, text string) *smtp.SMTPError {
		return &smtp.SMTPError{Code: code, EnhancedCode: e, Message: text}
	}
	for _, row := range []struct {
		name string
		to   *smtp.SMTPError
		want mail.Verdict
	}{
		{"no such mailbox", refuse(550, smtp.EnhancedCode{5, 1, 1}, "<mira@example.org>: no such user"), mail.Refused},
		{"no such mailbox, said without a code", refuse(550, smtp.NoEnhancedCode, "User unknown mira@example.org"), mail.Refused},
		{"a mailbox that is disabled", refuse(550, smtp.EnhancedCode{5, 2, 1}, "disabled"), mail.Refused},
		{"a full mailbox", refuse(552, smtp.EnhancedCode{5, 2, 2}, "over quota"), mail.Failed},
		{"our own relay that does not know us", refuse(550, smtp.NoEnhancedCode, "relaying denied"), mail.Failed},
		{"a policy", refuse(550, smtp.EnhancedCode{5, 7, 1}, "blocked"), mail.Failed},
		{"a greylist", refuse(451, smtp.EnhancedCode{4, 7, 1}, "come back later"), mail.Later},
	} {
		t.Run(row.name, func(t *testing.T) {
			sink := mailsink.New(t, mailsink.Options{Refuse: func(to string) *smtp.SMTPError {
				if to == "mira@example.org" {
					return row.to
				}
				return nil
			}})
			s := sender(t, settings(sink), email.Options{})
			is(t, s.Send(t.Context(), letter()), row.want, "")
			other := letter()
			other.To = "noor@example.org"
			is(t, s.Send(t.Context(), other), mail.Sent, "")
			sink.Await(t, 1)
		})
	}
	t.Run("a refused text costs no address", func(t *testing.T) {
		sink := mailsink.New(t, mailsink.Options{RefuseData: func(string) *smtp.SMTPError { return refuse(554, smtp.EnhancedCode{5, 6, 0}, "spam") }})
		is(t, sender(t, settings(sink), email.Options{}).Send(t.Context(), letter()), mail.Failed, "554")
	})
	t.Run("a refused sender is our trouble", func(t *testing.T) {
		sink := mailsink.New(t, mailsink.Options{RefuseSender: func(string) *smtp.SMTPError { return refuse(553, smtp.NoEnhancedCode, "not yours: x@y.example") }})
		s := sender(t, settings(sink), email.Options{})
		is(t, s.Send(t.Context(), letter()), mail.Down, "sender")
		if st := s.State(); st.Failing.IsZero() || st.Problem == "" {
			t.Fatalf("state is %+v", st)
		}
	})
}

func TestNothingIsSentWithoutTheEncryptionThatIsSet(t *testing.T) {
	for _, row := range []struct {
		name   string
		sink   mailsink.Options
		change func(set *mail.Settings)
		says   string
	}{
		{"no STARTTLS offered", mailsink.Options{Bare: true}, func(*mail.Settings) {}, "offers no STARTTLS"},
		{"a certificate of nobody", mailsink.Options{}, func(s *mail.Settings) { s.CA = "" }, "nobody known here"},
		{"a certificate for another name", mailsink.Options{}, func(s *mail.Settings) { s.Host = "127.0.0.2" }, ""},
		{"TLS where there is none", mailsink.Options{Bare: true}, func(s *mail.Settings) { s.Security = mail.TLS }, "TLS"},
		{"a wrong password", mailsink.Options{User: "u", Password: "p"}, func(s *mail.Settings) { s.Username, s.Password = "u", "secret-word" }, "does not let us in"},
		{"a password where nobody can sign in", mailsink.Options{}, func(s *mail.Settings) { s.Username, s.Password = "u", "secret-word" }, "sign in"},
	} {
		t.Run(row.name, func(t *testing.T) {
			sink := mailsink.New(t, row.sink)
			set := settings(sink)
			row.change(&set)
			r := sender(t, set, email.Options{Connect: 5 * time.Second}).Send(t.Context(), letter())
			is(t, r, mail.Down, row.says)
			if strings.Contains(r.Detail, "secret-word") {
				t.Fatal("it says the password")
			}
			if len(sink.Letters()) > 0 {
				t.Fatal("it was sent all the same")
			}
		})
	}
	t.Run("nothing while it is switched off", func(t *testing.T) {
		set := settings(mailsink.New(t, mailsink.Options{}))
		set.Enabled = false
		is(t, sender(t, set, email.Options{}).Send(t.Context(), letter()), mail.Down, "switched off")
	})
}

func TestAServerThatHangsKeepsNobody(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	set := mail.Settings{Enabled: true, Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: mail.Plain, From: "a@example.org"}
	is(t, sender(t, set, email.Options{Connect: 100 * time.Millisecond}).Send(t.Context(), letter()), mail.Down, "does not answer in time")

	hang := make(chan struct{})
	defer close(hang)
	sink := mailsink.New(t, mailsink.Options{Before: func(string) { <-hang }})
	is(t, sender(t, settings(sink), email.Options{Letter: 300 * time.Millisecond}).Send(t.Context(), letter()), mail.Later, "")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	is(t, sender(t, settings(sink), email.Options{}).Send(ctx, letter()), mail.Later, "")
}

func TestAServerThatComesBackIsFoundAgain(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := mailsink.Serve(t, l, mailsink.Options{Bare: true})
	set := mail.Settings{Enabled: true, Host: first.Host, Port: first.Port, Security: mail.Plain, From: "a@example.org"}
	s := sender(t, set, email.Options{})
	is(t, s.Send(t.Context(), letter()), mail.Sent, "")
	first.Close()
	is(t, s.Send(t.Context(), letter()), mail.Down, "")
	if l, err = lc.Listen(t.Context(), "tcp", net.JoinHostPort(first.Host, strconv.Itoa(first.Port))); err != nil {
		t.Fatal(err)
	}
	mailsink.Serve(t, l, mailsink.Options{Bare: true})
	is(t, s.Send(t.Context(), letter()), mail.Sent, "")
}

func TestALetterCannotBringHeadersOfItsOwn(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	l := letter()
	l.Subject, l.ID, l.Unsubscribe = "a\r\nBcc: eve@example.org", "x>\r\nBcc: eve@example.org", "https://x/\r\nBcc: eve@example.org"
	is(t, sender(t, settings(sink), email.Options{}).Send(t.Context(), l), mail.Sent, "")
	if h := sink.Await(t, 1)[0].Header; h.Get("Bcc") != "" {
		t.Fatalf("headers are %v", h)
	}
}

func TestATestUsesSettingsThatAreNotSaved(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	s := sender(t, mail.Settings{}, email.Options{})
	set := settings(sink)
	is(t, s.Test(t.Context(), set, letter()), mail.Sent, "")
	set.Port = 1
	is(t, s.Test(t.Context(), set, letter()), mail.Down, "127.0.0.1:1")
}
