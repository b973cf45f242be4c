package mattermost_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/mattermost"
	demo "tocsin/internal/demo/chat"
)

func digest(total int) channel.Digest {
	line := func(id, host string, s alert.State, st alert.Status, output string) channel.Line {
		return channel.Line{
			AlertID: id, Object: alert.Object{ID: "o" + id, Host: host, Service: "HTTP"}, State: s, Status: st, Output: output, Since: at, URL: "/console/alerts/" + id,
		}
	}
	return channel.Digest{
		Storm: "st1", Title: "Storm: source Nagios_Berlin", About: "source Nagios_Berlin", Began: at, Total: total, Open: total - 2, Acked: 1, Recovered: 1, New: total,
		Worst: []channel.Line{
			line("a1", "web_01", alert.Critical, alert.Firing, "connection refused by @channel, see [x](http://y)"),
			line("a2", "web](02", alert.Critical, alert.Acknowledged, ""), line("a3", "web03", alert.Warning, alert.Firing, "slow"),
		},
		URL: "/console/alerts?storm=st1",
	}
}

func (r *rig) storm(destination string, d channel.Digest) channel.Message {
	return channel.Message{
		DeliveryID: uuid.NewString(), Attempt: 1, Notice: alert.NoticeDigest, Event: alert.Event{ID: uuid.NewString(), Type: alert.Problem, Time: at}, Digest: &d,
		Destination: destination, DestinationName: "Operations", Asked: r.now(), ExpiresAt: r.now().Add(time.Hour),
	}
}

func TestStormRendering(t *testing.T) {
	over := digest(12)
	over.Over, over.Open, over.Acked, over.Recovered, over.Worst = true, 0, 0, 12, nil
	for name, d := range map[string]channel.Digest{"storm": digest(12), "storm_over": over} {
		got, _ := mattermost.RenderStorm(d, true)
		file := filepath.Join("testdata", "render", name+".json")
		if *update {
			if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.TrimSpace(want), got) {
			t.Errorf("not as in %s:\n%s", file, got)
		}
	}
	long := digest(12)
	for i := range long.Worst {
		long.Worst[i].Object.Host, long.Worst[i].Output = strings.Repeat("@*_<", 400), strings.Repeat("@*_<", 400)
	}
	long.Title = strings.Repeat("<", 4000)
	long.About = long.Title
	if _, size := mattermost.RenderStorm(long, true); size > 7000 {
		t.Errorf("%d characters", size)
	}
}

func TestAStormIsOnePost(t *testing.T) {
	r := newRig(t)
	if e := r.send(r.storm(botRoom, digest(4))); !e.Accepted {
		t.Fatalf("%+v", e)
	}
	posts := r.mm.Posts(r.town.ID)
	if len(posts) != 1 || len(posts[0].Actions()) != 0 || len(posts[0].Mentions()) != 0 || posts[0].Attachments[0].TitleLink != r.web.URL+"/console/alerts?storm=st1" {
		t.Fatalf("%+v", posts)
	}
	id := posts[0].ID

	// It goes on: the post is edited, and the thread says that there is more.
	more := digest(9)
	more.New = 5
	if e := r.send(r.storm(botRoom, more)); !e.Accepted || !strings.Contains(e.Error(), "brought up to date; replied in its thread") {
		t.Fatalf("%+v", e)
	}
	if p := r.post(id); !strings.Contains(p.Text(), "9 alerts") {
		t.Errorf("%s", p.Text())
	}
	if replies := r.mm.Thread(id); len(replies) != 1 || !strings.Contains(replies[0].Message, "**5 more alerts**, now 7 open, 1 acknowledged, 1 recovered") {
		t.Errorf("%+v", replies)
	}

	// Quiet ones edit and say nothing; after a restart, too.
	r.renew()
	calm := digest(9)
	calm.Open, calm.Acked, calm.Recovered, calm.Worst, calm.New, calm.Over = 0, 0, 9, nil, 0, true
	last := r.storm(botRoom, calm)
	last.Quiet = true
	if e := r.send(last); !e.Accepted || strings.Contains(e.Error(), "replied") {
		t.Fatalf("%+v", e)
	}
	if p := r.post(id); !strings.Contains(p.Text(), "Over: ") || p.Attachments[0].Color != "#5cb85c" || len(r.mm.Thread(id)) != 1 {
		t.Errorf("%s", p.Text())
	}
	if e := r.send(last); !e.Accepted || !strings.Contains(e.Error(), "says so already") {
		t.Errorf("again: %+v", e)
	}

	// Another storm is another post; and what is quiet about one that never stood here makes none.
	other := digest(3)
	other.Storm = "st2"
	unseen := digest(3)
	unseen.Storm = "st3"
	quiet := r.storm(botRoom, unseen)
	quiet.Quiet = true
	if e := r.send(quiet); !e.Accepted || len(r.topLevel()) != 1 {
		t.Errorf("%+v", e)
	}
	if e := r.send(r.storm(botRoom, other)); !e.Accepted || len(r.topLevel()) != 2 {
		t.Errorf("%+v", e)
	}
}

// topLevel are the posts that are no replies.
func (r *rig) topLevel() []demo.Post {
	var out []demo.Post
	for _, p := range r.mm.Posts(r.town.ID) {
		if p.RootID == "" {
			out = append(out, p)
		}
	}
	return out
}

// Somebody deletes the post of a storm: what is quiet is let be, news is posted anew.
func TestAStormWhosePostWasDeleted(t *testing.T) {
	r := newRig(t)
	if e := r.send(r.storm(botRoom, digest(4))); !e.Accepted {
		t.Fatalf("%+v", e)
	}
	r.mm.RemovePost(r.mm.Posts(r.town.ID)[0].ID)
	quiet := r.storm(botRoom, digest(5))
	quiet.Quiet = true
	if e := r.send(quiet); !e.Moot {
		t.Errorf("%+v", e)
	}
	news := r.storm(botRoom, digest(9))
	e := r.send(news)
	if !e.Accepted && e.After > 0 {
		news.Attempt++
		e = r.send(news)
	}
	posts := r.topLevel()
	if !e.Accepted || len(posts) == 0 || !strings.Contains(posts[len(posts)-1].Text(), "9 alerts") {
		t.Errorf("%+v: %+v", e, posts)
	}
	if e := r.send(news); !e.Accepted || len(r.topLevel()) != len(posts) {
		t.Errorf("again: %+v", e)
	}
}

func TestAStormByAWebhook(t *testing.T) {
	r := newRig(t)
	for n, d := range []channel.Digest{digest(4), digest(9)} {
		if e := r.send(r.storm(hookRoom, d)); !e.Accepted || len(r.mm.Posts(r.town.ID)) != n+1 {
			t.Fatalf("%+v", e)
		}
	}
	last := r.storm(hookRoom, digest(9))
	last.Quiet = true
	if e := r.send(last); !e.Accepted || len(r.mm.Posts(r.town.ID)) != 2 {
		t.Errorf("%+v", e)
	}
}

func TestAnEscalationSaysWhy(t *testing.T) {
	r := newRig(t)
	for _, room := range []string{botRoom, hookRoom} {
		a := r.firing()
		m := r.opened(room, a)
		m.Duty = "not acknowledged for 15 minutes: step 2 of “Night”"
		before := len(r.mm.Posts(r.town.ID))
		if e := r.send(m); !e.Accepted {
			t.Fatalf("%+v", e)
		}
		said := ""
		for _, p := range r.mm.Posts(r.town.ID)[before:] {
			said += p.Message + p.Text()
			for _, reply := range r.mm.Thread(p.ID) {
				said += reply.Message
			}
		}
		if !strings.Contains(said, "Escalation") || !strings.Contains(said, "step 2 of “Night”") {
			t.Errorf("%s: %q", room, said)
		}
	}
}
