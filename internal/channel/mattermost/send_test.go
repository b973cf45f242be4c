package mattermost_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	demo "tocsin/internal/demo/chat"
	"tocsin/internal/dispatch"
)

var (
	_ channel.Channel    = (*mattermost.Channel)(nil)
	_ channel.Parallel   = (*mattermost.Channel)(nil)
	_ channel.Persistent = (*mattermost.Channel)(nil)
	_ channel.Callback   = (*mattermost.Channel)(nil)
)

// apart gives each message an alert of its own: messages about one alert share a
// post.
type apart struct {
	*mattermost.Channel
	room string
}

func (c apart) SendAll(ctx context.Context, msgs []channel.Message) []error {
	own := slices.Clone(msgs)
	for i := range own {
		a := *own[i].Alert
		a.ID = "alert-of-" + own[i].DeliveryID
		own[i].Alert, own[i].Destination = &a, c.room
	}
	return c.Channel.SendAll(ctx, own)
}

func TestChannel(t *testing.T) {
	for _, room := range []string{botRoom, hookRoom} {
		t.Run(room, func(t *testing.T) {
			channeltest.Run(t, func(t *testing.T) channeltest.Subject {
				r := newRig(t)
				return channeltest.Subject{
					Channel: apart{r.ch, room},
					Break: func(err error) {
						if r.mm.Mend(); err != nil {
							r.mm.Fail(-1, demo.Broken(http.StatusServiceUnavailable))
							return
						}
						r.shift.Add(int64(time.Minute)) // it is left alone for a moment
					},
					Arrived: func() []string {
						var ids []string
						for _, p := range r.mm.Posts(r.town.ID) {
							ids = append(ids, p.Props["tocsin"].(map[string]any)["id"].(string))
						}
						return ids
					},
				}
			})
		})
	}
}

func TestOnePostFollowsItsAlert(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	if got := p.Actions(); !slices.Equal(got, []string{"ack", "ackdialog", "snooze"}) {
		t.Errorf("buttons %v", got)
	}
	if len(p.Mentions()) > 0 || !strings.Contains(p.Text(), "connection refused") || p.Attachments[0].TitleLink != r.web.URL+"/console/alerts/"+a.ID {
		t.Errorf("%s", p.Text())
	}

	a, err := r.hub.Acknowledge(t.Context(), a.ID, dispatch.AckRequest{Author: "Ann", Comment: "on it @all", Origin: alert.FromConsole})
	r.must(err)
	ack := r.message(botRoom, a, alert.NoticeAck, alert.Event{Type: alert.Acknowledgement, Outcome: alert.Acked, Author: "Ann", Comment: "on it @all", Origin: alert.FromConsole})
	if e := r.send(ack); !e.Accepted || e.Error() != "the post in Operations was brought up to date; replied in its thread" {
		t.Errorf("%+v", e)
	}
	p = r.post(p.ID)
	if got := p.Actions(); !slices.Equal(got, []string{"unack"}) || !strings.Contains(p.Text(), "waiting for Nagios north to confirm") {
		t.Errorf("%v\n%s", got, p.Text())
	}
	// The same delivery again, after a crash, changes nothing; and what is known to
	// stand there is not looked for.
	ack.Attempt = 2
	asked := len(r.mm.Requests())
	if e := r.send(ack); !e.Accepted || len(r.mm.Requests()) != asked {
		t.Errorf("%d requests, %+v", len(r.mm.Requests())-asked, e)
	}

	for range 2 {
		r.must(r.hub.Answer(t.Context(), dispatch.Answer{AlertID: a.ID, EventID: a.Ack.EventID, Confirmation: alert.Refused, Words: "no such service"}))
	}
	a = r.alert(a.ID)
	answer := r.message(botRoom, a, alert.NoticeAck, alert.Event{Type: alert.EngineReply, Outcome: alert.AckAnswered, Reply: alert.Refused, Comment: "no such service"})
	answer.Quiet = true
	if e := r.send(answer); !e.Accepted {
		t.Errorf("%+v", e)
	}
	if p = r.post(p.ID); !strings.Contains(p.Text(), "refused by Nagios north: no such service") {
		t.Errorf("%s", p.Text())
	}

	a = r.event(a.Object.Host, alert.Recovery, alert.OK, "HTTP OK")
	if e := r.send(r.message(botRoom, a, alert.NoticeRecovery, alert.Event{Type: alert.Recovery, Outcome: alert.Closed, Output: "HTTP OK"})); !e.Accepted {
		t.Errorf("%+v", e)
	}
	p = r.post(p.ID)
	if len(p.Actions()) > 0 || !strings.Contains(p.Text(), "RECOVERY") || p.Attachments[0].Color != "#5cb85c" {
		t.Errorf("%s", p.Text())
	}
	var said []string
	for _, reply := range r.mm.Thread(p.ID) {
		said = append(said, reply.Message)
		if len(reply.Mentions()) > 0 {
			t.Errorf("%q calls somebody", reply.Message)
		}
	}
	if len(said) != 3 || !strings.Contains(said[0], "**Acknowledged** by Ann") || !strings.Contains(said[1], "refused by Nagios north") || !strings.Contains(said[2], "**Recovered**") {
		t.Errorf("the thread says %q", said)
	}
	if n := len(r.mm.Posts(r.town.ID)); n != 4 {
		t.Errorf("%d posts", n)
	}
}

func TestWhatTheAnswerOfACreateGotLostIsNotPostedTwice(t *testing.T) {
	for name, restart := range map[string]bool{"the same process": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.firing()
			r.mm.Fail(1, demo.Fault{Method: http.MethodPost, Path: "/api/v4/posts", Take: true, Drop: true})
			m := r.opened(botRoom, a)
			if e := r.send(m); e.Accepted || e.Permanent {
				t.Fatalf("%+v", e)
			}
			if restart {
				r.renew()
			}
			r.shift.Add(int64(time.Minute))
			m.Attempt = 2
			if e := r.send(m); !e.Accepted {
				t.Fatalf("%+v", e)
			}
			posts := r.mm.Posts(r.town.ID)
			if len(posts) != 1 {
				t.Fatalf("%d posts", len(posts))
			}
			// Its buttons work.
			if said := r.click(posts[0], "ack", ""); !strings.Contains(said, "You have acknowledged") {
				t.Errorf("%q", said)
			}
		})
	}
	t.Run("a reply", func(t *testing.T) {
		r := newRig(t)
		a := r.firing()
		p := r.posted(botRoom, a)
		a = r.event(a.Object.Host, alert.Problem, alert.Warning, "slow")
		m := r.message(botRoom, a, alert.NoticeProblem, alert.Event{Type: alert.Problem, Outcome: alert.Changed})
		r.mm.Fail(1, demo.Fault{Method: http.MethodPost, Path: "/api/v4/posts", Take: true, Drop: true})
		if e := r.send(m); e.Accepted {
			t.Errorf("%+v", e)
		}
		r.shift.Add(int64(time.Minute))
		m.Attempt = 2
		if e := r.send(m); !e.Accepted || !strings.Contains(e.Error(), "replied in its thread before") {
			t.Errorf("%+v", e)
		}
		if n := len(r.mm.Thread(p.ID)); n != 1 {
			t.Errorf("%d replies", n)
		}
	})
}

// Two messages are under way at once, and the answer to the older one is read last.
func TestALateAnswerHidesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	room := chat.Room{ID: botRoom, Name: "Operations"}
	said := func() string {
		rooms, err := r.db.Rooms(t.Context())
		r.must(err)
		for _, have := range rooms {
			if have.ID == botRoom {
				return have.LastError
			}
		}
		return "no room"
	}
	older := r.now()
	newer := older.Add(time.Second)
	r.ch.Answered(t.Context(), room, newer, http.StatusNotFound)
	r.ch.Answered(t.Context(), room, older, 0)
	if s := said(); !strings.Contains(s, "finds no Operations") || len(r.ch.States()) != 1 || r.ch.States()[0].Problem == "" {
		t.Errorf("the room says %q, the channel %+v", s, r.ch.States())
	}
	r.ch.Answered(t.Context(), room, newer.Add(time.Second), 0)
	if s := said(); s != "" || r.ch.States()[0].Problem != "" {
		t.Errorf("it went well since, and the room says %q, the channel %+v", s, r.ch.States())
	}
}

func TestTroublesAreSaidWithTheirMend(t *testing.T) {
	for _, c := range []struct {
		name   string
		room   string
		breaks func(r *rig)
		mends  func(r *rig)
		says   string
		after  time.Duration
	}{
		{"too many requests", botRoom, func(r *rig) { r.mm.Fail(-1, demo.RateLimited(17*time.Second)) }, nil, "asks to be sent less for a moment (429)", 17 * time.Second},
		{"in trouble", botRoom, func(r *rig) { r.mm.Fail(-1, demo.Broken(502)) }, nil, "is in trouble: it answered 502", 5 * time.Second},
		{"HTML", botRoom, func(r *rig) { r.mm.Fail(-1, demo.HTML()) }, nil, "answered HTML: is this the address of a Mattermost server?", time.Minute},
		{"an address that leads elsewhere", botRoom, func(r *rig) {
			r.mm.Fail(-1, demo.Fault{Status: 301, Header: http.Header{"Location": {"https://elsewhere.example.com/secret"}}})
		}, nil, "leads elsewhere (301)", time.Minute},
		{"a token that was revoked", botRoom, func(r *rig) { r.mm.RevokeToken(r.token) }, func(r *rig) {
			token := r.mm.NewToken(r.bot.ID)
			r.settings(func(s *chat.Settings) { s.BotToken = token })
		}, "the bot’s token was refused (401): make a new one", 5 * time.Minute},
		{"not invited", botRoom, func(r *rig) { r.mm.Leave(r.town.ID, r.bot.ID) }, func(r *rig) { r.mm.Join(r.town.ID, r.bot.ID) }, "invite", 5 * time.Minute},
		{"archived", botRoom, func(r *rig) { r.mm.Archive(r.town.ID, true) }, func(r *rig) { r.mm.Archive(r.town.ID, false) }, "archived", 5 * time.Minute},
		{"nobody answers", botRoom, func(r *rig) { r.mm.Fail(-1, demo.Fault{Drop: true}) }, nil, "could not be reached", 5 * time.Second},
		{"a webhook that was removed", hookRoom, func(r *rig) { r.mm.RemoveHook(r.hook.ID) }, func(r *rig) {
			r.hook = r.mm.AddHook(r.town.ID, r.jane.ID, "anew")
			r.must(r.db.SaveRoom(r.Context(), chat.Room{ID: hookRoom, Name: "Simple", Kind: chat.Webhook, WebhookURL: r.hook.URL, Created: time.Now()}))
		}, "make a new one under Integrations → Incoming Webhooks", 5 * time.Minute},
		{"a webhook and HTML", hookRoom, func(r *rig) { r.mm.Fail(-1, demo.HTML()) }, nil, "answered HTML", time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.breaks(r)
			m := r.opened(c.room, r.firing())
			e := r.send(m)
			if e.Accepted || e.Permanent || !strings.Contains(e.Error(), c.says) || e.After != c.after {
				t.Fatalf("%+v: %v", e, e.Err)
			}
			// It is said on the room, and nobody is asked again before its time.
			room, err := r.db.Room(t.Context(), c.room)
			r.must(err)
			if !strings.Contains(room.LastError, c.says) {
				t.Errorf("the room says %q", room.LastError)
			}
			if s := r.ch.States(); len(s) != 1 || s[0].Room != c.room || !strings.Contains(s[0].Problem, c.says) || s[0].Since.IsZero() {
				t.Errorf("%+v", s)
			}
			asked := len(r.mm.Requests())
			if e := r.send(r.opened(c.room, r.firing())); !strings.HasPrefix(e.Error(), "not sent: ") || e.After <= 0 || e.After > c.after {
				t.Errorf("%+v: %v", e, e.Err)
			}
			if n := len(r.mm.Requests()); n != asked {
				t.Errorf("%d more requests", n-asked)
			}
			r.mm.Mend()
			if c.mends != nil {
				c.mends(r)
			}
			if c.name != "a token that was revoked" && c.name != "a webhook that was removed" { // another setting is tried at once
				r.shift.Add(int64(c.after + time.Second))
			}
			if e := r.send(m); !e.Accepted {
				t.Fatalf("mended: %+v: %v", e, e.Err)
			}
			if s := r.ch.States(); s[0].Problem != "" || s[0].LastOK.IsZero() {
				t.Errorf("%+v", s)
			}
			if room, err = r.db.Room(t.Context(), c.room); err != nil || room.LastError != "" {
				t.Errorf("%q, %v", room.LastError, err)
			}
			if n := len(r.mm.Posts(r.town.ID)); n != 1 {
				t.Errorf("%d posts", n)
			}
			for _, secret := range []string{r.token, r.hook.ID, "elsewhere.example.com"} {
				if strings.Contains(r.log.String(), secret) || strings.Contains(e.Error(), secret) {
					t.Errorf("a secret is told")
				}
			}
		})
	}
}

func TestADeletedPostIsTheEndOfIt(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	r.mm.RemovePost(p.ID)
	a = r.event(a.Object.Host, alert.Problem, alert.Warning, "slow")
	for range 2 {
		m := r.message(botRoom, a, alert.NoticeProblem, alert.Event{Type: alert.Problem, Outcome: alert.Changed})
		if e := r.send(m); !e.Moot || !strings.Contains(e.Error(), "was deleted in Mattermost") {
			t.Fatalf("%+v: %v", e, e.Err)
		}
	}
	// Another alert is posted all the same.
	if e := r.send(r.opened(botRoom, r.firing())); !e.Accepted {
		t.Errorf("%+v", e)
	}
}

func TestOneRoomInTroubleHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	r.must(r.db.SaveRoom(t.Context(), chat.Room{ID: "lost", Name: "Lost", Kind: chat.Bot, Team: "ops", Channel: "nowhere", Created: time.Now()}))
	a := r.firing()
	errs := r.ch.SendAll(t.Context(), []channel.Message{r.opened("lost", a), r.opened(botRoom, a), r.opened("removed", a), r.opened(chat.Direct(r.jane.ID), a), r.opened(hookRoom, a)})
	if e := channel.As(errs[0]); e.Permanent || e.After != 5*time.Minute || !strings.Contains(e.Error(), "Lost (ops/nowhere)") {
		t.Errorf("%+v", e)
	}
	if e := channel.As(errs[2]); !e.Moot {
		t.Errorf("%+v", e)
	}
	for _, i := range []int{1, 3, 4} {
		if e := channel.As(errs[i]); !e.Accepted {
			t.Errorf("%d: %+v", i, e)
		}
	}
	if direct := r.mm.Posts(r.mm.Direct(r.jane.ID, r.bot.ID).ID); len(direct) != 1 || len(direct[0].Actions()) != 3 {
		t.Errorf("%+v", direct)
	}
}

func TestMessagesAboutOneAlertKeepTheirOrder(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	a = r.event(a.Object.Host, alert.Problem, alert.Warning, "slow")
	var msgs []channel.Message
	var want []string
	for _, word := range []string{"one", "two", "three", "four", "five", "six"} {
		msgs = append(msgs, r.message(botRoom, a, alert.NoticeCustom, alert.Event{Type: alert.Custom, Comment: word}))
		want = append(want, "🔵 **Custom notification**: "+word)
	}
	var running sync.WaitGroup
	for i := range 3 {
		started := make(chan struct{})
		running.Go(func() {
			close(started)
			for j, err := range r.ch.SendAll(t.Context(), msgs[2*i:2*i+2]) {
				if !channel.As(err).Accepted {
					t.Errorf("%d: %v", 2*i+j, err)
				}
			}
		})
		<-started
		if err := r.mm.Wait(t.Context(), func() bool { return len(r.mm.Thread(p.ID)) > 2*i }); err != nil {
			t.Fatal(err)
		}
	}
	running.Wait()
	var got []string
	for _, reply := range r.mm.Thread(p.ID) {
		got = append(got, reply.Message)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestASimpleRoomGetsAPostForEachNotice(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	first := r.posted(hookRoom, a)
	quiet := r.opened(hookRoom, a)
	quiet.Quiet = true
	if e := r.send(quiet); !e.Accepted || len(r.mm.Posts(r.town.ID)) != 1 {
		t.Errorf("%+v", e)
	}
	// An acknowledgement by a click in the post changes that post.
	if said := r.click(first, "ack", ""); !strings.Contains(said, "Nagios north is being told") {
		t.Errorf("%q", said)
	}
	a = r.alert(a.ID)
	own := r.message(hookRoom, a, alert.NoticeAck, alert.Event{Type: alert.Acknowledgement, Outcome: alert.Acked, Origin: alert.FromMattermost, Time: time.Now()})
	if e := r.send(own); !e.Accepted || len(r.mm.Posts(r.town.ID)) != 1 {
		t.Errorf("%+v: %d posts", e, len(r.mm.Posts(r.town.ID)))
	}
	if first = r.post(first.ID); !slices.Equal(first.Actions(), []string{"unack"}) || first.Props["override_username"] != nil && first.Props["from_webhook"] != "true" {
		t.Errorf("%v", first.Actions())
	}
	// What the engine does not take is worth a post.
	r.must(r.hub.Answer(t.Context(), dispatch.Answer{AlertID: a.ID, EventID: a.Ack.EventID, Confirmation: alert.Unconfirmed, Words: "it does not show it"}))
	a = r.alert(a.ID)
	bad := r.message(hookRoom, a, alert.NoticeAck, alert.Event{Type: alert.EngineReply, Outcome: alert.AckAnswered, Reply: alert.Unconfirmed})
	bad.Quiet = true
	if e := r.send(bad); !e.Accepted {
		t.Errorf("%+v", e)
	}
	a = r.event(a.Object.Host, alert.Recovery, alert.OK, "HTTP OK")
	if e := r.send(r.message(hookRoom, a, alert.NoticeRecovery, alert.Event{Type: alert.Recovery, Outcome: alert.Closed})); !e.Accepted {
		t.Errorf("%+v", e)
	}
	posts := r.mm.Posts(r.town.ID)
	if len(posts) != 3 || !strings.Contains(posts[1].Text(), "not confirmed by Nagios north: it does not show it") || !strings.Contains(posts[2].Text(), "RECOVERY") || len(posts[2].Actions()) > 0 {
		t.Fatalf("%+v", posts)
	}
	// A click in the old post is told, and the post changes, for nothing else could.
	if said := r.click(posts[1], "unack", ""); !strings.Contains(said, "has recovered (") || len(r.post(posts[1].ID).Actions()) > 0 {
		t.Errorf("%q", said)
	}
}

func TestAnObjectWithoutAnAlertIsPosted(t *testing.T) {
	r := newRig(t)
	m := r.opened(botRoom, r.firing())
	m.Alert, m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = nil, alert.NoticeDowntime, alert.DowntimeStart, "Ann", "patching @here"
	r.mm.Fail(1, demo.Fault{Method: http.MethodPost, Path: "/api/v4/posts", Take: true, Drop: true})
	if e := r.send(m); e.Accepted {
		t.Errorf("%+v", e)
	}
	r.shift.Add(int64(time.Minute))
	m.Attempt = 2
	if e := r.send(m); !e.Accepted {
		t.Errorf("%+v", e)
	}
	m.Destination = hookRoom
	if e := r.send(m); !e.Accepted {
		t.Errorf("%+v", e)
	}
	posts := r.mm.Posts(r.town.ID)
	if len(posts) != 2 || len(posts[0].Mentions())+len(posts[1].Mentions()) > 0 || !strings.Contains(posts[0].Text(), "Downtime started for HTTP") {
		t.Errorf("%+v", posts)
	}
}

func TestSwitchedOff(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	r.settings(func(s *chat.Settings) { s.TwoWay = false; s.NoEmoji = true })
	if p := r.posted(botRoom, a); len(p.Actions()) > 0 || !strings.HasPrefix(p.Attachments[0].Title, "PROBLEM: ") {
		t.Errorf("%v %s", p.Actions(), p.Text())
	}
	r.settings(func(s *chat.Settings) { s.ServerURL, s.BotToken = "", "" })
	if p := r.posted(hookRoom, r.firing()); !slices.Equal(p.Actions(), []string{"ack", "snooze"}) {
		t.Errorf("%v", p.Actions())
	}
	for _, m := range []channel.Message{r.opened(botRoom, a), r.opened(chat.Direct(r.jane.ID), a)} {
		if e := r.send(m); e.Accepted || !strings.Contains(e.Error(), "API → Mattermost") {
			t.Errorf("%+v", e)
		}
	}
	r.settings(func(s *chat.Settings) { s.Enabled = false })
	if e := r.send(r.opened(botRoom, a)); !e.Moot {
		t.Errorf("%+v", e)
	}
}

func TestTheProxyIsUsedWhereItIsSetAndNeverElse(t *testing.T) {
	r := newRig(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	through := proxy(t)
	r.proxy.Store(through.url)
	r.posted(hookRoom, r.firing())
	if n := through.n.Load(); n != 0 {
		t.Errorf("%d requests went by the proxy", n)
	}
	r.settings(func(s *chat.Settings) { s.UseProxy = true })
	r.posted(hookRoom, r.firing())
	r.posted(botRoom, r.firing())
	if n := through.n.Load(); n < 2 {
		t.Errorf("%d requests went by the proxy", n)
	}
}

func TestTestMessages(t *testing.T) {
	r := newRig(t)
	for id, want := range map[string]string{botRoom: "Posted as @tocsin in ops/alerts.", hookRoom: "Mattermost took the message from the webhook."} {
		room, err := r.db.Room(t.Context(), id)
		r.must(err)
		if got, err := r.ch.Test(t.Context(), room); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if n := len(r.mm.Posts(r.town.ID)); n != 2 {
		t.Errorf("%d posts", n)
	}
	if _, err := r.ch.Test(t.Context(), chat.Room{Name: "New", Kind: chat.Bot, Team: "ops", Channel: "nowhere"}); err == nil || !strings.Contains(err.Error(), "New (ops/nowhere)") {
		t.Errorf("%v", err)
	}
	if _, err := r.ch.Test(t.Context(), chat.Room{Name: "New", Kind: chat.Webhook, WebhookURL: "::"}); err == nil {
		t.Error("no error")
	}
	s, err := r.db.ChatSettings(t.Context())
	r.must(err)
	if seen, err := r.ch.Check(t.Context(), s); err != nil || seen.UserName != "tocsin" || !seen.Bot {
		t.Errorf("%+v, %v", seen, err)
	}
	s.BotToken = "wrong"
	if _, err := r.ch.Check(t.Context(), s); err == nil || !strings.Contains(err.Error(), "refused (401)") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
}

func TestACommandThatWantsNoEmojiGetsNone(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	if p := r.posted(botRoom, a); strings.HasPrefix(p.Attachments[0].Title, "PROBLEM: ") {
		t.Fatalf("no emoji where nobody asked for that: %s", p.Text())
	}
	b := r.firing()
	b.Marks = append(b.Marks, alert.MarkNoEmoji)
	if p := r.posted(botRoom, b); !strings.HasPrefix(p.Attachments[0].Title, "PROBLEM: ") {
		t.Errorf("--no-emoji left one: %s", p.Text())
	}
}
