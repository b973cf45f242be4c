package email_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"tocsin/internal/channel/email"
	"tocsin/internal/mail"
)

// dying is a server that says what it is told to, by the beginning of each line; it
// hangs up where it has nothing to say. A letter's end is the line ".".
func dying(t *testing.T, says map[string]string) mail.Settings {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go converse(c, says)
		}
	}()
	return mail.Settings{Enabled: true, Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: mail.Plain, From: "status@example.org"}
}

func converse(c net.Conn, says map[string]string) {
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprint(c, "220 mail.example.org ESMTP\r\n")
	in, data := bufio.NewScanner(c), 0
	for in.Scan() {
		line := strings.ToUpper(in.Text())
		if data > 0 && line != "." {
			if data++; data > 5 && says["MIDDLE"] == "" {
				return
			}
			continue
		}
		key := line
		if data == 0 && len(key) > 4 {
			key = key[:4]
		}
		answer, ok := says[key]
		if !ok {
			return
		}
		data = 0
		if strings.HasPrefix(answer, "354") {
			data = 1
		}
		_, _ = fmt.Fprint(c, answer+"\r\n")
	}
}

func TestWhateverTheServerDoesTheLetterIsNotLost(t *testing.T) {
	well := func(change map[string]string) map[string]string {
		out := map[string]string{"EHLO": "250 mail.example.org", "HELO": "250 mail.example.org", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "MIDDLE": "go on", ".": "250 taken", "RSET": "250 ok", "QUIT": "221 bye", "NOOP": "250 ok"}
		for k, v := range change {
			if out[k] = v; v == "" {
				delete(out, k)
			}
		}
		return out
	}
	for _, row := range []struct {
		name   string
		change map[string]string
		want   mail.Verdict
	}{
		{"it takes it", nil, mail.Sent},
		{"it takes all and dies before it says so", map[string]string{".": ""}, mail.Later},
		{"it dies in the middle of the letter", map[string]string{"MIDDLE": ""}, mail.Later},
		{"it dies at the recipient", map[string]string{"RCPT": ""}, mail.Later},
		{"it dies at the greeting", map[string]string{"EHLO": "", "HELO": ""}, mail.Down},
		{"it dies at the sender", map[string]string{"MAIL": ""}, mail.Down},
		{"it closes down", map[string]string{"RCPT": "421 4.3.2 shutting down"}, mail.Down},
		{"it talks nonsense", map[string]string{"RCPT": "what?"}, mail.Later},
		{"it says yes where it is to ask for more", map[string]string{"DATA": "250 ok"}, mail.Later},
		{"it never stops talking", map[string]string{"RCPT": strings.Repeat("250-more\r\n", 10) + "250-" + strings.Repeat("x", 1<<20)}, mail.Later},
		{"it says a line without an end", map[string]string{"EHLO": "250-" + strings.Repeat("x", 4<<20)}, mail.Down},
		{"it is too busy for ever", map[string]string{".": "451 4.3.0 try again"}, mail.Later},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := sender(t, dying(t, well(row.change)), email.Options{Connect: 2 * time.Second, Letter: time.Second})
			for range 2 { // a connection that is broken is not used again
				is(t, s.Send(t.Context(), letter()), row.want, "")
			}
		})
	}
}

func TestEncryptionThatIsTakenAwayIsNotGoneWithout(t *testing.T) {
	for name, says := range map[string]map[string]string{
		"refused":  {"EHLO": "250-mail.example.org\r\n250 STARTTLS", "STAR": "454 not now"},
		"cut out":  {"EHLO": "250-mail.example.org\r\n250 XXXXXXXA", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "MIDDLE": "go on", ".": "250 taken"},
		"answered": {"EHLO": "250-mail.example.org\r\n250 STARTTLS", "STAR": "220 go on\r\n250-mail.example.org\r\n250 AUTH PLAIN", "AUTH": "235 ok", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "MIDDLE": "go on", ".": "250 taken"},
	} {
		t.Run(name, func(t *testing.T) {
			set := dying(t, says)
			set.Security, set.Username, set.Password = mail.StartTLS, "u", "secret-word"
			s := sender(t, set, email.Options{Connect: 2 * time.Second})
			r := s.Send(t.Context(), letter())
			is(t, r, mail.Down, "")
			if strings.Contains(r.Detail, "secret-word") {
				t.Errorf("%q has the password", r.Detail)
			}
		})
	}
}
