package email_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/channel/email"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/test/mailsink"
)

// desk is the storage, and who may acknowledge.
type desk struct {
	mu    sync.Mutex
	links []mail.AckLink
	fails bool
	none  bool
}

func (d *desk) Contact(_ context.Context, id string) (contact.Contact, error) {
	switch id {
	case "gone":
		return contact.Contact{}, fmt.Errorf("contact: %w", fault.ErrNotFound)
	case "mute":
		return contact.Contact{ID: id, Name: "mute"}, nil
	case "odd":
		return contact.Contact{ID: id, Name: "odd", Email: "odd@example.org>\r\nRCPT TO:<eve@example.org"}, nil
	case "c1":
		return contact.Contact{ID: id, Name: "mira", Email: "mira@example.org"}, nil
	}
	return contact.Contact{ID: id, Name: id, Email: id + "@example.org"}, nil
}

func (d *desk) SaveAckLink(_ context.Context, l mail.AckLink) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails {
		return errors.New("the database is away")
	}
	d.links = append(d.links, l)
	return nil
}

func (d *desk) kept() []mail.AckLink {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]mail.AckLink(nil), d.links...)
}

var noon = time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)

func newChannel(t testing.TB, send func(context.Context, mail.Letter) mail.Result, d *desk) *email.Channel {
	t.Helper()
	c, err := email.NewChannel(email.ChannelOptions{
		Store: d, Send: send, On: func(ctx context.Context) bool { return ctx.Err() == nil },
		LinkFor: func(context.Context) time.Duration { return 4 * time.Hour },
		May:     func(context.Context, string) (bool, error) { return !d.none, nil },
		BaseURL: "https://tocsin.example.org", Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sinkChannel(t testing.TB, sink *mailsink.Sink, d *desk) *email.Channel {
	t.Helper()
	return newChannel(t, sender(t, settings(sink), email.Options{}).Send, d)
}

func TestItPassesTheSuiteOfChannels(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		sink := mailsink.New(t, mailsink.Options{})
		return channeltest.Subject{
			Channel: sinkChannel(t, sink, &desk{}),
			Arrived: func() []string {
				var ids []string
				for _, l := range sink.Letters() {
					ids = append(ids, l.Header.Get("X-Tocsin-Delivery"))
				}
				return ids
			},
			Break: func(err error) {
				sink.Change(func(o *mailsink.Options) {
					if o.RefuseSender = nil; err != nil {
						o.RefuseSender = func(string) *smtp.SMTPError { return &smtp.SMTPError{Code: 451, Message: err.Error()} }
					}
				})
			},
		}
	})
}

func send1(t testing.TB, c *email.Channel, m channel.Message) *channel.SendError {
	t.Helper()
	errs := c.SendAll(t.Context(), []channel.Message{m})
	if len(errs) != 1 || errs[0] == nil {
		t.Fatalf("results are %v", errs)
	}
	return channel.As(errs[0])
}

func TestWhatTheServerSaysIsWhatBecomesOfADelivery(t *testing.T) {
	refuse := func(code int, e smtp.EnhancedCode, text string) func(string) *smtp.SMTPError {
		return func(to string) *smtp.SMTPError {
			if to != "mira@example.org" {
				return nil
			}
			return &smtp.SMTPError{Code: code, EnhancedCode: e, Message: text}
		}
	}
	for _, row := range []struct {
		name      string
		o         mailsink.Options
		permanent bool
		after     time.Duration
		says      string
	}{
		{"there is no such mailbox", mailsink.Options{Refuse: refuse(550, smtp.EnhancedCode{5, 1, 1}, "<mira@example.org>: no such user")}, true, 0, "550 5.1.1"},
		{"a policy", mailsink.Options{Refuse: refuse(554, smtp.EnhancedCode{5, 7, 1}, "blocked by policy")}, true, 0, "blocked by policy"},
		{"the text is refused", mailsink.Options{RefuseData: refuse(554, smtp.EnhancedCode{5, 6, 0}, "looks like spam")}, true, 0, "looks like spam"},
		{"a greylist", mailsink.Options{Refuse: refuse(451, smtp.EnhancedCode{4, 7, 1}, "greylisted, come back")}, false, time.Minute, "greylisted"},
		{"a full disk over there", mailsink.Options{RefuseData: refuse(452, smtp.EnhancedCode{4, 3, 1}, "insufficient storage")}, false, time.Minute, "insufficient"},
	} {
		t.Run(row.name, func(t *testing.T) {
			sink := mailsink.New(t, row.o)
			c := sinkChannel(t, sink, &desk{})
			noor := channeltest.Message("d2")
			noor.ContactID = "noor"
			errs := c.SendAll(t.Context(), []channel.Message{channeltest.Message("d1"), noor})
			got := channel.As(errs[0])
			if got.Permanent != row.permanent || got.Moot || got.Accepted || got.After != row.after || !strings.Contains(got.Error(), row.says) {
				t.Errorf("%+v: %v", got, got)
			}
			if strings.Contains(got.Error(), "mira@") {
				t.Errorf("%q names the address", got)
			}
			if !channel.As(errs[1]).Accepted {
				t.Errorf("the other recipient: %v", errs[1])
			}
			if l := sink.Await(t, 1); len(l) != 1 || l[0].To != "noor@example.org" {
				t.Errorf("letters: %v", l)
			}
		})
	}
}

func TestALetterThatNoAnswerCameForIsSentAgainAndNotForEver(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{Dies: func(string) (string, bool) { return "", true }})
	c := sinkChannel(t, sink, &desk{})
	m := channeltest.Message("d1")
	for i := 1; ; i++ {
		m.Attempt = i
		got := send1(t, c, m)
		if got.Permanent {
			if i != 3 || !strings.Contains(got.Error(), "3 times") || !strings.Contains(got.Error(), "may have arrived") {
				t.Errorf("given up at attempt %d: %v", i, got)
			}
			break
		}
		if got.Accepted || got.After < time.Minute || got.Note == "" {
			t.Fatalf("attempt %d: %+v", i, got)
		}
		m.Note = got.Note
	}
	letters := sink.Letters()
	for _, l := range letters {
		// Mail programs and servers know a letter by its Message-ID, and keep one of them.
		if l.Header.Get("Message-Id") != "<d1@tocsin.example.org>" {
			t.Errorf("Message-ID is %s", l.Header.Get("Message-Id"))
		}
	}
	if len(letters) != 3 {
		t.Errorf("it was sent whole %d times", len(letters))
	}
}

func TestAnAnswerThatBreaksOffIsAnAnswer(t *testing.T) {
	for answer, want := range map[string]bool{"250-2.0.0 taken\r\n": true, "250 2.0.0 tak": true, "25": false, "2500": false, "451-4.3.0 late": false} {
		t.Run(answer, func(t *testing.T) {
			sink := mailsink.New(t, mailsink.Options{Dies: func(string) (string, bool) { return answer, true }})
			c := sinkChannel(t, sink, &desk{})
			if got := send1(t, c, channeltest.Message("d1")); got.Accepted != want || got.Permanent {
				t.Errorf("%+v: %v", got, got)
			}
			if sink.Change(func(o *mailsink.Options) { o.Dies = nil }); !send1(t, c, channeltest.Message("d2")).Accepted {
				t.Error("the next letter did not get through")
			}
		})
	}
}

func TestAServerThatIsAwayIsNotWaitedForByEachLetter(t *testing.T) {
	asked := 0
	c := newChannel(t, func(context.Context, mail.Letter) mail.Result {
		asked++
		return mail.Result{Verdict: mail.Down, Detail: "127.0.0.1:25 does not answer in time"}
	}, &desk{})
	var msgs []channel.Message
	for i := range 20 {
		msgs = append(msgs, channeltest.Message(fmt.Sprint("d", i)))
	}
	for i, err := range c.SendAll(t.Context(), msgs) {
		if e := channel.As(err); e.Permanent || e.Accepted || !strings.Contains(e.Error(), "does not answer in time") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestWhoCannotBeWrittenToIsNot(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	c := sinkChannel(t, sink, &desk{})
	quiet := channeltest.Message("d")
	quiet.Quiet = true
	to := func(id string) channel.Message {
		m := channeltest.Message("d")
		m.ContactID = id
		return m
	}
	for name, m := range map[string]channel.Message{"gone": to("gone"), "mute": to("mute"), "quiet": quiet} {
		if got := send1(t, c, m); !got.Moot {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := send1(t, c, to("odd")); !got.Permanent || got.Moot || !strings.Contains(got.Error(), "change it under Contacts") {
		t.Errorf("%+v", got)
	}
	if n := len(sink.Letters()); n > 0 {
		t.Errorf("%d letters", n)
	}
}

func TestTheLinkIsKnownByItsHashAlone(t *testing.T) {
	sink, d := mailsink.New(t, mailsink.Options{}), &desk{}
	c := sinkChannel(t, sink, d)
	if got := send1(t, c, channeltest.Message("d1")); !got.Accepted {
		t.Fatal(got)
	}
	l, kept := sink.Await(t, 1)[0], d.kept()
	if len(kept) != 1 || kept[0].AlertID != "a1" || kept[0].ContactID != "c1" || !kept[0].Expires.Equal(noon.Add(4*time.Hour)) || !kept[0].Used.IsZero() {
		t.Fatalf("links are %+v", kept)
	}
	_, rest, ok := strings.Cut(l.Text, "https://tocsin.example.org/a/")
	token, _, _ := strings.Cut(rest, "\n")
	if token = strings.TrimSpace(token); !ok || !mail.Token(token) || mail.HashToken(token) != kept[0].Hash || !strings.Contains(l.HTML, "/a/"+token) {
		t.Fatalf("token is %q of\n%s", token, l.Text)
	}
	for name, values := range l.Header {
		if strings.Contains(strings.Join(values, " "), token) {
			t.Errorf("%s has the token", name)
		}
	}
}

func TestOnlyWhatCanBeAcknowledgedHasALink(t *testing.T) {
	for name, change := range map[string]func(m *channel.Message, d *desk){
		"acknowledged": func(m *channel.Message, _ *desk) { m.Alert.Status, m.Alert.Ack = alert.Acknowledged, &alert.Ack{} },
		"recovered":    func(m *channel.Message, _ *desk) { m.Notice, m.Alert.Status = alert.NoticeRecovery, alert.Resolved },
		"no alert":     func(m *channel.Message, _ *desk) { m.Alert = nil },
		"many": func(m *channel.Message, _ *desk) {
			m.Notice, m.Digest = alert.NoticeDigest, &channel.Digest{Storm: "s"}
		},
		"may not":          func(_ *channel.Message, d *desk) { d.none = true },
		"cannot be stored": func(_ *channel.Message, d *desk) { d.fails = true },
	} {
		t.Run(name, func(t *testing.T) {
			sink, d := mailsink.New(t, mailsink.Options{}), &desk{}
			m := channeltest.Message("d")
			change(&m, d)
			if got := send1(t, sinkChannel(t, sink, d), m); !got.Accepted {
				t.Fatalf("%v", got)
			}
			if l := sink.Await(t, 1)[0]; strings.Contains(l.Text+l.HTML, "/a/") || len(d.kept()) > 0 {
				t.Errorf("it has a link:\n%s", l.Text)
			}
		})
	}
}
