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
	"tocsin/internal/chat"
	demo "tocsin/internal/demo/chat"
	"tocsin/internal/dispatch"
)

func TestAClickAndTheMessageAboutItDoNotCross(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	r.click(p, "ack", "")
	a = r.alert(a.ID)
	edits := func() (n int) {
		for _, q := range r.mm.Requests() {
			if q.Method == http.MethodPut {
				n++
			}
		}
		return n
	}
	m := r.message(botRoom, a, alert.NoticeAck, alert.Event{
		Type: alert.Acknowledgement, Outcome: alert.Acked, Author: "Jane Doe", Origin: alert.FromMattermost, Time: a.Ack.At,
	})
	began := time.Now()
	if e := r.send(m); e.Error() != "the post in Operations says so already; replied in its thread" {
		t.Errorf("%+v", e)
	}
	if n := edits(); n != 0 || time.Since(a.Ack.At) < 700*time.Millisecond || time.Since(began) > 5*time.Second {
		t.Errorf("%d edits, %s after the click", n, time.Since(a.Ack.At))
	}
	// What comes later is written over it, and the buttons of the click's own answer
	// are good for a moment more, should it have come last.
	own := r.body(p, "unack")
	r.must(r.hub.Answer(t.Context(), dispatch.Answer{AlertID: a.ID, EventID: a.Ack.EventID, Confirmation: alert.Confirmed}))
	a = r.alert(a.ID)
	q := r.message(botRoom, a, alert.NoticeAck, alert.Event{Type: alert.EngineReply, Outcome: alert.AckAnswered, Reply: alert.Confirmed})
	q.Quiet = true
	if e := r.send(q); !e.Accepted || edits() != 1 || !strings.Contains(r.post(p.ID).Text(), "confirmed by Nagios north") || len(r.mm.Thread(p.ID)) != 1 {
		t.Errorf("%+v", e)
	}
	if _, answer := r.forge("action", own); !strings.Contains(answer["ephemeral_text"].(string), "You have removed") {
		t.Errorf("%v", answer)
	}
}

func TestTheButtonsOfEarlierPostsAreDropped(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	old := r.body(p, "ack")
	r.shift.Add(int64(2 * time.Minute))
	a = r.event(a.Object.Host, alert.Problem, alert.Warning, "slow")
	if e := r.send(r.message(botRoom, a, alert.NoticeProblem, alert.Event{Type: alert.Problem, Outcome: alert.Changed})); !e.Accepted {
		t.Fatalf("%+v", e)
	}
	if _, answer := r.forge("action", old); !strings.HasPrefix(answer["ephemeral_text"].(string), notOurs) {
		t.Errorf("%v", answer)
	}
	if said := r.click(r.post(p.ID), "ack", ""); !strings.Contains(said, "You have acknowledged") {
		t.Errorf("%q", said)
	}
}

func TestAMattermostThatLetsNobodyEditIsRepliedTo(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	p := r.posted(botRoom, a)
	a = r.event(a.Object.Host, alert.Recovery, alert.OK, "HTTP OK")
	r.mm.Fail(1, demo.Fault{Method: http.MethodPut, Path: "/api/v4/posts", Status: 400, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"id":"api.post.update_post.permissions_time_limit.app_error","message":"Post edit is only allowed for 5 seconds."}`})
	e := r.send(r.message(botRoom, a, alert.NoticeRecovery, alert.Event{Type: alert.Recovery, Outcome: alert.Closed}))
	if !e.Accepted || !strings.Contains(e.Error(), "Post edit time limit") || len(r.mm.Thread(p.ID)) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	kind := http.Header{"Content-Type": {"application/json"}}
	for name, f := range map[string]demo.Fault{
		"more than it should": {Method: http.MethodPost, Path: "/api/v4/posts", Status: 201, Header: kind, Body: strings.Repeat(" ", 17<<20)},
		"an array":            {Method: http.MethodPost, Path: "/api/v4/posts", Status: 201, Header: kind, Body: "[]"},
		"a post without id":   {Method: http.MethodPost, Path: "/api/v4/posts", Status: 201, Header: kind, Body: `{"id":""}`},
		"no channel":          {Path: "/api/v4/teams", Status: 200, Header: kind, Body: `{}`},
		"words without end":   {Path: "/api/v4/teams", Status: 500, Header: kind, Body: `{"message":"` + strings.Repeat("@all ", 20000) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.mm.Fail(1, f)
			m := r.opened(botRoom, r.firing())
			if e := r.send(m); e.Accepted || e.Permanent || len(e.Error()) > 500 {
				t.Fatalf("%+v", e)
			}
			r.shift.Add(int64(time.Minute))
			m.Attempt = 2
			if e := r.send(m); !e.Accepted || len(r.mm.Posts(r.town.ID)) != 1 {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestAServerThatHangsIsLeftInTime(t *testing.T) {
	r := newRig(t)
	r.mm.Fail(-1, demo.Hanging())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	a, b := r.firing(), r.firing()
	for _, err := range r.ch.SendAll(ctx, []channel.Message{r.opened(botRoom, a), r.opened(botRoom, b), r.opened(hookRoom, a)}) {
		if e := channel.As(err); e.Accepted || e.Permanent {
			t.Errorf("%+v", e)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTwoNodesMakeOnePost(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	first, second := r.opened(botRoom, a), r.opened(botRoom, a)
	one := r.ch
	r.renew()
	// The one is killed while it posts; whether Mattermost took it is not known.
	r.mm.Fail(1, demo.Fault{Method: http.MethodPost, Path: "/api/v4/posts", Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if e := channel.As(one.SendAll(ctx, []channel.Message{first})[0]); e.Accepted {
		t.Fatalf("%+v", e)
	}
	if e := r.send(second); e.Accepted || e.Permanent || e.After != time.Second {
		t.Errorf("%+v", e)
	}
	r.shift.Add(int64(15 * time.Second))
	for range 2 {
		if e := r.send(second); !e.Accepted || len(r.mm.Posts(r.town.ID)) != 1 {
			t.Errorf("%+v", e)
		}
	}
}

func TestManyNodesAtOnceMakeOnePost(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	var running sync.WaitGroup
	for range 6 {
		r.renew()
		node, m := r.ch, r.opened(botRoom, a)
		running.Go(func() {
			if e := channel.As(node.SendAll(t.Context(), []channel.Message{m})[0]); e.Permanent {
				t.Errorf("%+v", e)
			}
		})
	}
	running.Wait()
	r.shift.Add(int64(15 * time.Second))
	if e := r.send(r.opened(botRoom, a)); !e.Accepted {
		t.Errorf("%+v", e)
	}
	tops := slices.DeleteFunc(r.mm.Posts(r.town.ID), func(p demo.Post) bool { return p.RootID != "" })
	if len(tops) != 1 {
		t.Errorf("%d posts", len(tops))
	}
}

func TestDirectMessages(t *testing.T) {
	r := newRig(t)
	a := r.firing()
	to := "direct:" + r.jane.ID
	if e := r.send(r.opened(to, a)); !e.Accepted {
		t.Fatalf("%+v", e)
	}
	room := r.mm.Direct(r.jane.ID, r.bot.ID)
	p := r.mm.Posts(room.ID)[0]
	if said := r.click(p, "ack", ""); !strings.Contains(said, "You have acknowledged") || !slices.Equal(r.post(p.ID).Actions(), []string{"unack"}) {
		t.Errorf("%q", said)
	}
}

func BenchmarkClick(b *testing.B) {
	r := newRig(b)
	var bodies []map[string]any
	for range b.N {
		a := r.firing()
		if e := r.send(r.opened(botRoom, a)); !e.Accepted {
			b.Fatal(e)
		}
		posts := r.mm.Posts(r.town.ID)
		body := r.body(posts[len(posts)-1], "ack")
		body["user_id"] = r.mm.AddUser("u", "U").ID
		bodies = append(bodies, body)
	}
	r.settings(func(s *chat.Settings) { s.Unlinked = true })
	b.ResetTimer()
	for _, body := range bodies {
		r.forge("action", body)
	}
}
