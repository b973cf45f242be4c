package mattermost_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	demo "tocsin/internal/demo/chat"
)

// What a server answers is kept and put into addresses: an id is what Mattermost's
// ids are, or none.
func TestIdsThatAreNoneAreNotTaken(t *testing.T) {
	for name, id := range map[string]string{
		"a path": "../../users/me", "NUL": `a\u0000b`, "without an end": strings.Repeat("x", 1<<19), "a number": `1","id":1,"x":"`,
	} {
		for what, path := range map[string]string{"a post's": "/api/v4/posts", "a channel's": "/api/v4/teams/", "a user's": "/api/v4/users/me"} {
			t.Run(what+" "+name, func(t *testing.T) {
				r := newRig(t)
				a := r.firing()
				body := demo.Fault{Path: path, Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"id":"` + id + `"}`}
				m := r.opened(botRoom, a)
				if strings.HasSuffix(path, "me") {
					m = r.opened(chat.Direct(r.jane.ID), a) // for which it has to know who it is
				}
				r.mm.Fail(-1, body)
				if e := r.send(m); e.Accepted || !strings.Contains(e.Error(), "it answered 200: ") || len(e.Error()) > 500 {
					t.Fatalf("%.300s", e.Error())
				}
				if p, err := r.db.Post(t.Context(), a.ID, m.Destination); err == nil && p.PostID != "" {
					t.Errorf("it is kept: %.50q", p.PostID)
				}
				r.mm.Mend()
				r.renew()
				m.Attempt = 2
				if e := r.send(m); !e.Accepted {
					t.Errorf("and then: %v", e)
				}
			})
		}
	}
}

// A server that asks to be left alone for ever is asked again after ten minutes,
// not at once.
func TestHowLongAServerIsLeftAlone(t *testing.T) {
	for asked, want := range map[string]time.Duration{
		"99999999999999999": 10 * time.Minute, "9223372036854775807": 10 * time.Minute, "9300000000": 10 * time.Minute, "99999999999999999999999": time.Second,
		"-5": time.Second, "0": time.Second, "x": time.Second, "Fri, 31 Dec 9999 23:59:59 GMT": 10 * time.Minute, "Thu, 01 Jan 1970 00:00:00 GMT": time.Second,
	} {
		r := newRig(t)
		r.mm.Fail(-1, demo.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {asked}}})
		if e := r.send(r.opened(botRoom, r.firing())); e.After != want {
			t.Errorf("%s: %s, want %s", asked, e.After, want)
		}
	}
}

// A post is answered with a post: whoever answers more is not read to the end.
func TestAnAnswerWithoutAnEndIsNotRead(t *testing.T) {
	r := newRig(t)
	read := make(chan int, 1)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n := 0
		for chunk := strings.Repeat("x", 1<<16); n < 64<<20; n += len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				break
			}
		}
		read <- n
	}))
	defer far.Close()
	r.must(r.db.SaveRoom(t.Context(), chat.Room{ID: hookRoom, Name: "Simple", Kind: chat.Webhook, WebhookURL: far.URL + "/hooks/abc", Created: time.Now()}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e := r.send(r.opened(hookRoom, r.firing()))
	runtime.ReadMemStats(&after)
	if e.Accepted || !strings.Contains(e.Error(), "more than it should") {
		t.Errorf("%v", e)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d MiB for it", n>>20)
	}
	<-read
}

// What is no HTTP at all is repeated to people only in part, and without what is
// secret of the address or the token.
func TestWordsOfAServerThatSpeaksNoHTTP(t *testing.T) {
	const hook = "abcdefghijklmnop26secret00"
	for name, room := range map[string]string{"a webhook": hookRoom, "a bot": botRoom} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			r.must(err)
			defer func() { _ = l.Close() }()
			secret := hook
			if room == botRoom {
				secret = r.token
			}
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 1))
					_, _ = io.WriteString(conn, "HTTP/1.1 "+secret+strings.Repeat("z", 9000)+" x\r\n\r\n")
					_ = conn.Close()
				}
			}()
			base := "http://" + l.Addr().String()
			r.must(r.db.SaveRoom(t.Context(), chat.Room{ID: hookRoom, Name: "Simple", Kind: chat.Webhook, WebhookURL: base + "/hooks/" + hook + "/", Created: time.Now()}))
			r.settings(func(s *chat.Settings) { s.ServerURL = base })
			e := r.send(r.opened(room, r.firing()))
			if n := utf8.RuneCountInString(e.Error()); e.Accepted || n > 400 || strings.Contains(e.Error(), secret) {
				t.Errorf("%d characters: %.600s", n, e.Error())
			}
			if strings.Contains(r.log.String(), secret) {
				t.Error("it is logged")
			}
		})
	}
}

// A webhook may be of another server, whose admin can send us any click in the
// name of anybody: who somebody is there is not who they are on ours.
func TestAnotherServerSpeaksForNobodyOfOurs(t *testing.T) {
	r := newRig(t)
	other := demo.New(demo.Options{})
	r.must(other.Start("127.0.0.1:0"))
	defer other.Close()
	team := other.AddTeam("them", "Them")
	square := other.AddChannel(team.ID, "square", "Square", false)
	eve := other.AddUser("eve", "Eve")
	other.Join(square.ID, eve.ID)
	hook := other.AddHook(square.ID, eve.ID, "Tocsin")
	r.must(r.db.SaveRoom(t.Context(), chat.Room{ID: "room-other", Name: "Theirs", Kind: chat.Webhook, WebhookURL: hook.URL, Created: time.Now()}))
	click := func(a alert.Alert, action string) string {
		t.Helper()
		if e := r.send(r.opened("room-other", a)); !e.Accepted {
			t.Fatalf("%+v", e)
		}
		posts := other.Posts(square.ID)
		p := posts[len(posts)-1]
		in, ok := other.Secrets(p.ID, action)
		if !ok {
			t.Fatal("no button")
		}
		_, answer := r.forge("action", map[string]any{"user_id": r.jane.ID, "user_name": "eve", "channel_id": p.ChannelID, "post_id": p.ID,
			"trigger_id": "x", "context": in.Context})
		return answer["ephemeral_text"].(string)
	}
	a := r.firing()
	for _, action := range []string{"ack", "ackdialog"} {
		if said := click(a, action); !strings.Contains(said, "another server") || r.alert(a.ID).Status != alert.Firing {
			t.Errorf("%s: %q", action, said)
		}
	}
	// Where everybody may act, they act as who they say they are, and not as ours.
	r.settings(func(s *chat.Settings) { s.Unlinked = true })
	if said := click(a, "ack"); !strings.Contains(said, "You have acknowledged") {
		t.Errorf("%q", said)
	}
	if k := r.alert(a.ID).Ack; k == nil || k.UserID != "" || k.Author != "@eve (Mattermost)" {
		t.Errorf("%+v", k)
	}
	// The same server by another name of its own is no other one, if the settings say so.
	r.settings(func(s *chat.Settings) { s.ServerURL = "" })
	if said := click(r.firing(), "ack"); !strings.Contains(said, "You have acknowledged") {
		t.Errorf("without an address there is nothing to compare: %q", said)
	}
}

// Mattermost rewrites Slack's links and calls in the titles of webhooks, too.
func TestATitleIsNoSlackMarkup(t *testing.T) {
	for _, s := range []string{"<http://evil.example|Sign in>", "<!channel> is Down"} {
		if got := mattermost.Plain(s); strings.Contains(got, "<h") || strings.Contains(got, "<!") {
			t.Errorf("%q", got)
		}
	}
}
