package chat_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/demo/chat"
)

func TestPosts(t *testing.T) {
	l := newLab(t, chat.Options{})
	id := l.post()
	t.Run("an edit replaces message and props, in place", func(t *testing.T) {
		status, p := l.do(l.token, http.MethodPut, "/api/v4/posts/"+id, object{"id": id, "message": "", "props": object{"tocsin": object{"id": "n1"}, "attachments": []any{object{"text": "recovered"}}}})
		if status != http.StatusOK {
			t.Fatal(status, p)
		}
		got, _ := l.Post(id)
		if len(got.Actions()) != 0 || got.Attachments[0].Text != "recovered" || len(l.Posts(l.room.ID)) != 1 || got.Props["tocsin"] == nil {
			t.Errorf("got %+v", got)
		}
		if status, p := l.do(l.token, http.MethodPut, "/api/v4/posts/"+id, object{"message": "no id"}); status != http.StatusBadRequest {
			t.Error(status, p)
		}
	})
	t.Run("a reply is in the thread, and found there", func(t *testing.T) {
		status, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "root_id": id, "message": "Recovered"})
		if status != http.StatusCreated || p["root_id"] != id {
			t.Fatal(status, p)
		}
		if th := l.Thread(id); len(th) != 1 || th[0].Message != "Recovered" {
			t.Errorf("got %+v", th)
		}
		_, list := l.do(l.token, http.MethodGet, "/api/v4/posts/"+id+"/thread", nil)
		if order := list["order"].([]any); len(order) != 2 || order[1] != id {
			t.Error(order)
		}
		if status, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "root_id": p["id"], "message": "deeper"}); status != http.StatusBadRequest {
			t.Error(status, p)
		}
	})
	t.Run("too long a message is refused, not cut", func(t *testing.T) {
		for n, want := range map[int]int{16383: http.StatusCreated, 16384: http.StatusBadRequest} {
			if status, _ := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "message": strings.Repeat("ä", n)}); status != want {
				t.Errorf("%d characters: %d", n, status)
			}
		}
	})
	t.Run("a post that is gone: 404 to read, 403 to edit, 400 to reply", func(t *testing.T) {
		id := l.post()
		l.RemovePost(id)
		for _, c := range []struct {
			method, path string
			body         object
			want         int
		}{
			{http.MethodGet, "/api/v4/posts/" + id, nil, 404},
			{http.MethodPut, "/api/v4/posts/" + id, object{"id": id}, 403},
			{http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "root_id": id, "message": "x"}, 400},
		} {
			if status, p := l.do(l.token, c.method, c.path, c.body); status != c.want {
				t.Errorf("%s %s: %d %v", c.method, c.path, status, p)
			}
		}
	})
	t.Run("a bot that is no member, a channel that is archived or gone, a token that is revoked", func(t *testing.T) {
		create := func() int {
			status, _ := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "message": "x"})
			return status
		}
		l.Leave(l.room.ID, l.bot.ID)
		if s := create(); s != http.StatusForbidden {
			t.Error("no member:", s)
		}
		l.Join(l.room.ID, l.bot.ID)
		l.Archive(l.room.ID, true)
		if s := create(); s != http.StatusBadRequest {
			t.Error("archived:", s)
		}
		l.Archive(l.room.ID, false)
		l.RemoveChannel(l.room.ID)
		if s := create(); s != http.StatusForbidden {
			t.Error("gone:", s)
		}
		l.RevokeToken(l.token)
		if s := create(); s != http.StatusUnauthorized {
			t.Error("revoked:", s)
		}
	})
}

func TestNames(t *testing.T) {
	l := newLab(t, chat.Options{})
	for path, want := range map[string]int{
		"/api/v4/users/me":                                200,
		"/api/v4/users/" + l.jane.ID:                      200,
		"/api/v4/users/username/jane":                     200,
		"/api/v4/teams/name/ops":                          200,
		"/api/v4/teams/name/ops/channels/name/alerts":     200,
		"/api/v4/teams/name/ops/channels/name/gone-away":  404,
		"/api/v4/teams/name/nobody":                       404,
		"/api/v4/channels/" + l.room.ID:                   200,
		"/api/v4/channels/" + l.room.ID + "/members/me":   200,
		"/api/v4/channels/aaaaaaaaaaaaaaaaaaaaaaaaaa":     404,
		"/api/v4/nothing":                                 404,
		"/api/v4/channels/" + l.room.ID + "/posts?page=x": 400,
	} {
		if status, said := l.do(l.token, http.MethodGet, path, nil); status != want {
			t.Errorf("%s: %d %v", path, status, said)
		}
	}
	t.Run("a bot writes to a person directly", func(t *testing.T) {
		status, r := l.do(l.token, http.MethodPost, "/api/v4/channels/direct", []string{l.bot.ID, l.jane.ID})
		if status != http.StatusCreated || r["id"] != l.Direct(l.jane.ID, l.bot.ID).ID {
			t.Fatal(status, r)
		}
		if status, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": r["id"], "message": "x"}); status != http.StatusCreated {
			t.Error(status, p)
		}
	})
	t.Run("a bot that is no administrator posts no ephemeral message", func(t *testing.T) {
		if status, said := l.do(l.token, http.MethodPost, "/api/v4/posts/ephemeral", object{"user_id": l.jane.ID, "post": object{"channel_id": l.room.ID, "message": "x"}}); status != http.StatusForbidden {
			t.Error(status, said)
		}
	})
}

func TestFaults(t *testing.T) {
	l := newLab(t, chat.Options{})
	create := func(ctx context.Context) (*http.Response, error) {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL()+"/api/v4/posts", strings.NewReader(`{"channel_id":"`+l.room.ID+`","message":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+l.token)
		return l.httpClient.Do(q)
	}
	t.Run("one too many", func(t *testing.T) {
		l.Fail(1, chat.RateLimited(2*time.Second))
		resp, err := create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" || resp.Header.Get("X-Ratelimit-Reset") != "2" {
			t.Error(resp.Status, resp.Header)
		}
		if resp, err = create(t.Context()); err != nil || resp.StatusCode != http.StatusCreated {
			t.Error(resp, err)
		}
		resp.Body.Close()
	})
	t.Run("an answer that is lost: the post is there all the same", func(t *testing.T) {
		before := len(l.Posts(l.room.ID))
		l.Fail(1, chat.Lost())
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			_ = l.Wait(t.Context(), func() bool { return len(l.Posts(l.room.ID)) > before })
		}()
		if resp, err := create(ctx); err == nil {
			resp.Body.Close()
			t.Error(resp.Status)
		}
		if n := len(l.Posts(l.room.ID)); n != before+1 {
			t.Errorf("%d posts, want %d", n, before+1)
		}
	})
	t.Run("HTML, a bad gateway, a connection that breaks; people go on", func(t *testing.T) {
		l.Fail(-1, chat.HTML())
		resp, err := create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Error(resp.Header)
		}
		if _, err := l.Say(t.Context(), l.jane.ID, l.room.ID, "", "hello"); err != nil {
			t.Error(err)
		}
		l.Mend()
		l.Fail(1, chat.Broken(http.StatusBadGateway))
		if resp, err = create(t.Context()); err != nil || resp.StatusCode != http.StatusBadGateway {
			t.Error(resp, err)
		}
		resp.Body.Close()
		l.Fail(1, chat.Fault{Drop: true})
		if resp, err := create(t.Context()); err == nil {
			resp.Body.Close()
			t.Error(resp.Status)
		}
	})
	t.Run("requests of programs are kept", func(t *testing.T) {
		all := l.Requests()
		if len(all) < 6 || all[0].Status != http.StatusTooManyRequests || all[0].Path != "/api/v4/posts" {
			t.Errorf("got %+v", all)
		}
	})
}
