package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/demo/chat"
	"tocsin/test/await"
	"tocsin/test/team"
)

// tops are the posts of the channel that are no replies and are about a host.
func (f *office) tops(host string) (out []chat.Post) {
	for _, p := range f.Chat.Posts(f.Channel.ID) {
		if p.RootID == "" && strings.Contains(p.Text(), host) {
			out = append(out, p)
		}
	}
	return out
}

// health waits until System health says something of Mattermost.
func (f *office) health(parts ...string) {
	f.Helper()
	f.eventually(strings.Join(parts, ", ")+" in System health", func() bool {
		var h struct {
			Warnings []struct{ Part, Problem, Mend string }
		}
		f.must(f.Hub.Get(f.ctx, "/health", &h))
		for _, w := range h.Warnings {
			text := w.Part + " " + w.Problem + " " + w.Mend
			fits := true
			for _, p := range parts {
				fits = fits && strings.Contains(strings.ToLower(text), p)
			}
			if fits {
				return true
			}
		}
		return false
	})
}

// detail waits until a delivery of an alert says something.
func (f *office) detail(host, part string) {
	f.Helper()
	f.eventually(part+" on the alert", func() bool {
		for _, d := range f.alertOf(host, "HTTP").Deliveries {
			if d.Channel == "mattermost" && strings.Contains(d.Detail, part) {
				return true
			}
		}
		return false
	})
}

func TestMattermostFailures(t *testing.T) {
	t.Parallel()
	t.Run("an answer that is lost, after the post was made: there is one post", func(t *testing.T) {
		t.Parallel() // it waits for a time-out
		f := newOffice(t, team.Options{})
		f.Chat.Fail(1, chat.Lost())
		f.must(f.Send(f.ctx, "PROBLEM", "lost01", "HTTP", 2, "CRITICAL"))
		f.eventually("the delivery is accepted", func() bool {
			for _, d := range f.alertOf("lost01", "HTTP").Deliveries {
				if d.Channel == "mattermost" && d.State == "sent" {
					return true
				}
			}
			return false
		})
		if n := len(f.tops("lost01")); n != 1 {
			t.Errorf("%d posts", n)
		}
		// It is known which it is: the recovery edits it.
		id := f.tops("lost01")[0].ID
		f.must(f.Send(f.ctx, "RECOVERY", "lost01", "HTTP", 0, "OK"))
		f.reads(id, "RECOVERY")
	})
	t.Run("a hub that is killed while it posts makes no second post", func(t *testing.T) {
		t.Parallel() // it waits for the end of a lease
		f := newOffice(t, team.Options{})
		f.Chat.Fail(1, chat.Lost())
		f.must(f.Send(f.ctx, "PROBLEM", "kill01", "HTTP", 2, "CRITICAL"))
		_, err := f.Post(f.soon(), func(p chat.Post) bool { return strings.Contains(p.Text(), "kill01") })
		f.must(err)
		f.Hub.Kill()
		f.must(f.Hub.Start(f.ctx))
		id := f.tops("kill01")[0].ID
		f.must(f.Send(f.ctx, "PROBLEM", "kill01", "HTTP", 1, "WARNING"))
		f.reads(id, "Warning")
		// What the killed one had claimed is tried again.
		f.must(await.True(f.ctx, func() bool {
			return !slices.ContainsFunc(f.alertOf("kill01", "HTTP").Deliveries, func(d delivery) bool {
				return d.Channel == "mattermost" && d.State != "sent" && d.State != "cancelled"
			})
		}))
		if n := len(f.tops("kill01")); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("too many requests, and a server in trouble: it comes later, once", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.Chat.Fail(1, chat.RateLimited(1e9))
		f.Chat.Fail(1, chat.Broken(http.StatusBadGateway))
		f.alerts("busy01")
		if n := len(f.tops("busy01")); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("a token that is revoked is said, and its successor goes on", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.alerts("first01")
		f.Chat.RevokeToken(f.BotToken)
		f.must(f.Send(f.ctx, "PROBLEM", "token01", "HTTP", 2, "CRITICAL"))
		f.detail("token01", "401")
		f.health("mattermost", "token")
		if strings.Contains(f.Hub.Log(), f.BotToken) {
			t.Error("the token is in the log")
		}
		f.must(f.Settings(f.ctx, map[string]any{"bot_token": f.Chat.NewToken(f.Bot.ID)}))
		f.alerts("second01")
	})
	t.Run("a channel that is gone is said", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.alerts("first02")
		f.Chat.RemoveChannel(f.Channel.ID)
		f.must(f.Send(f.ctx, "PROBLEM", "gone01", "HTTP", 2, "CRITICAL"))
		f.health("mattermost", "alerts")
	})
	t.Run("a channel that is archived is said", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.alerts("first03")
		f.Chat.Archive(f.Channel.ID, true)
		f.must(f.Send(f.ctx, "PROBLEM", "archived01", "HTTP", 2, "CRITICAL"))
		f.health("mattermost", "alerts")
	})
	t.Run("something else at the address is said", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.Chat.Fail(-1, chat.HTML())
		f.must(f.Send(f.ctx, "PROBLEM", "html01", "HTTP", 2, "CRITICAL"))
		f.detail("html01", "HTML")
		f.Chat.Mend()
	})
	t.Run("a webhook that was removed is said", func(t *testing.T) {
		f := newOffice(t, team.Options{Webhook: true})
		f.alerts("first04")
		f.Chat.RemoveHook(f.Hook.ID)
		f.must(f.Send(f.ctx, "PROBLEM", "hook01", "HTTP", 2, "CRITICAL"))
		f.health("mattermost", "webhook")
		if strings.Contains(f.Hub.Log(), f.Hook.ID) {
			t.Error("the webhook's address is in the log")
		}
	})
	t.Run("a post that somebody deleted stays deleted", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		p := f.alerts("deleted01")
		f.Chat.RemovePost(p.ID)
		f.must(f.Send(f.ctx, "RECOVERY", "deleted01", "HTTP", 0, "OK"))
		f.alerts("next01")
		if n := len(f.tops("deleted01")); n != 0 {
			t.Errorf("%d posts", n)
		}
	})
	t.Run("a Mattermost that may not call this machine says so to who clicks, and nothing is done", func(t *testing.T) {
		f := newOffice(t, team.Options{})
		f.must(f.LinkJane(f.ctx))
		p := f.alerts("inside01")
		f.Chat.AllowInternal(false)
		if err := f.Chat.Click(f.ctx, f.Jane.ID, p.ID, "ack", ""); err == nil {
			t.Error("no error")
		}
		f.Chat.AllowInternal(true)
		f.clicks(f.Jane, p.ID, "ack", "")
		f.reads(p.ID, "confirmed by nagios")
	})
}
