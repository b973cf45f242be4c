// Package mattermost measures how long people wait on the way between an engine
// and a chat: from a click in Mattermost to the line in the engine's command file,
// and from an alert that comes in to its post. The chat is the one of the demo, in
// this process, so both ends are on one clock.
package mattermost

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers that the program uses
	_ "modernc.org/sqlite"

	"tocsin/bench/table"
	"tocsin/internal/demo/chat"
	"tocsin/test/hub"
	"tocsin/test/team"
)

// Options say what is measured.
type Options struct {
	Bin      string
	Dir      string                                    // for data
	Postgres func(ctx context.Context) (string, error) // an empty database
	Clicks   int                                       // of each figure
	Alerts   int                                       // of each figure
}

// clickGoal is what a click may take beyond a commit, but for one in a hundred.
const clickGoal = 50 * time.Millisecond

// Run measures and writes the tables.
func Run(ctx context.Context, w io.Writer, o Options) error {
	address, err := o.Postgres(ctx)
	if err != nil {
		return err
	}
	clicks := table.Table{Head: []string{"click to the line in the command file", "clicks", "p50", "p99", "one commit p50", "p99 beyond it", "goal: below " + ms(clickGoal)}}
	posts := table.Table{Head: []string{"alert in to post out", "alerts", "p50", "p99"}}
	for i, d := range []struct{ name, base string }{{"SQLite", ""}, {"PostgreSQL", address}} {
		dir := filepath.Join(o.Dir, fmt.Sprintf("mattermost%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		if err := measure(ctx, o, d.name, d.base, dir, &clicks, &posts); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	fmt.Fprint(w, "Somebody presses Acknowledge below a post; the time ends when the line has been read at the other end of the engine's "+
		"command file. Mattermost's own call is part of it, and two commits: of the acknowledgement with its delivery, and of the attempt. "+
		"A commit is an INSERT of one row by itself, with fsync, in the same run.\n\n")
	if err := clicks.Write(w); err != nil {
		return err
	}
	fmt.Fprint(w, "An alert is posted to the hub by curl; the time ends when the chat has taken the post. Beside it curl posts the very body "+
		"that Tocsin had posted straight to the same chat, which keeps nothing and retries nothing. curl's start is part of both.\n\n")
	return posts.Write(w)
}

func measure(ctx context.Context, o Options, name, base, dir string, clicks, posts *table.Table) (err error) {
	l, err := team.New(ctx, team.Options{
		Hub: hub.Options{Bin: o.Bin, Dir: dir, Database: base}, Chat: chat.Options{Keep: 100_000}, Unlinked: true,
	})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := l.LinkJane(ctx); err != nil {
		return err
	}
	out, direct, err := postsOut(ctx, l, o.Alerts)
	if err != nil {
		return err
	}
	posts.Add("through Tocsin, on "+name, fmt.Sprint(len(out)), show(out, 50), show(out, 99))
	posts.Add("curl straight to the chat", fmt.Sprint(len(direct)), show(direct, 50), show(direct, 99))
	commit, err := commits(ctx, base, dir)
	if err != nil {
		return err
	}
	for _, people := range []int{1, 8} {
		took, err := press(ctx, l, people, o.Clicks)
		if err != nil {
			return err
		}
		who := "one after another"
		if people > 1 {
			who = fmt.Sprintf("%d people at once", people)
		}
		beyond, goal := at(took, 99)-at(commit, 50), "reached"
		if beyond >= clickGoal {
			goal = "missed"
		}
		clicks.Add(fmt.Sprintf("%s, %s", name, who), fmt.Sprint(len(took)), show(took, 50), show(took, 99), show(commit, 50), ms(beyond), goal)
	}
	return nil
}

// at is a percentile of what is sorted.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func show(sorted []time.Duration, percent int) string { return ms(at(sorted, percent)) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// postsOut measures the way out, by Tocsin and straight, in turns.
func postsOut(ctx context.Context, l *team.Lab, n int) (through, direct []time.Duration, err error) {
	event := filepath.Join(os.TempDir(), fmt.Sprintf("tocsin-bench-%d.json", os.Getpid()))
	defer os.Remove(event)
	curl := func(token, url string, body []byte) error {
		if err := os.WriteFile(event, body, 0o600); err != nil {
			return fmt.Errorf("body for curl: %w", err)
		}
		said, err := exec.CommandContext(ctx, "curl", "-sS", "--fail-with-body", "--noproxy", "*", "-H", "Content-Type: application/json",
			"-H", "Authorization: Bearer "+token, "--data-binary", "@"+event, url).CombinedOutput()
		if err != nil {
			return fmt.Errorf("curl %s: %w: %s", url, err, said)
		}
		return nil
	}
	for i := range n {
		host := fmt.Sprintf("out%05d", i)
		begin := time.Now()
		if err := curl(l.Token, l.Hub.URL+"/api/v1/sources/nagios/events", fmt.Appendf(nil,
			`{"type":"PROBLEM","host":%q,"service":"HTTP","state":2,"output":"CRITICAL - Socket timeout after 10 seconds","time":%d}`, host, begin.Unix())); err != nil {
			return nil, nil, err
		}
		post, err := l.Post(ctx, func(p chat.Post) bool { return strings.Contains(p.Attachments[0].Title, host) })
		if err != nil {
			return nil, nil, err
		}
		through = append(through, post.Arrived.Sub(begin))
		body, err := posted(ctx, l, host)
		if err != nil {
			return nil, nil, err
		}
		before := len(l.Chat.Posts(l.Channel.ID))
		begin = time.Now()
		if err := curl(l.BotToken, l.Chat.URL()+"/api/v4/posts", body); err != nil {
			return nil, nil, err
		}
		all := l.Chat.Posts(l.Channel.ID)
		if len(all) != before+1 {
			return nil, nil, fmt.Errorf("%d posts after one, of %d", len(all), before)
		}
		direct = append(direct, all[before].Arrived.Sub(begin))
		l.Chat.RemovePost(all[before].ID)
	}
	slices.Sort(through)
	slices.Sort(direct)
	return through, direct, nil
}

// posted is the body with which Tocsin made the post of a host. The chat notes a
// request when it has answered it.
func posted(ctx context.Context, l *team.Lab, host string) (body []byte, err error) {
	err = l.Chat.Wait(ctx, func() bool {
		all := l.Chat.Requests()
		for i := len(all) - 1; i >= 0; i-- {
			if r := all[i]; r.Method == http.MethodPost && r.Path == "/api/v4/posts" && bytes.Contains(r.Body, []byte(host)) {
				body = r.Body
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("no post of %s was asked for: %w", host, err)
	}
	return body, nil
}

// press has people press Acknowledge, each below posts of their own.
func press(ctx context.Context, l *team.Lab, people, clicks int) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var group sync.WaitGroup
	failed := make(chan error, people)
	each := clicks / people
	for p := range people {
		hosts := make([]string, each)
		made := make([]chat.Post, each)
		for i := range hosts {
			hosts[i] = fmt.Sprintf("in%d-%d-%05d", people, p, i)
			var err error
			if made[i], err = l.Alert(ctx, hosts[i], "HTTP", 2, "CRITICAL - Socket timeout after 10 seconds"); err != nil {
				return nil, err
			}
		}
		// Each person is a user of their own: one may click thirty times a minute.
		group.Go(func() {
			took, err := person(ctx, l, hosts, made)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	slices.Sort(all)
	return all, nil
}

// person clicks below the posts, one after the other, each when the line of the
// one before has come.
func person(ctx context.Context, l *team.Lab, hosts []string, posts []chat.Post) (took []time.Duration, err error) {
	var who chat.User
	for i, p := range posts {
		if i%20 == 0 {
			who = l.Chat.AddUser(fmt.Sprintf("%s-%d", hosts[0], i), "Somebody")
			l.Chat.Join(l.Channel.ID, who.ID)
		}
		begin := time.Now()
		if err := l.Chat.Click(ctx, who.ID, p.ID, "ack", ""); err != nil {
			return nil, fmt.Errorf("click below %s: %w", hosts[i], err)
		}
		line, err := l.Line(ctx, ";"+hosts[i]+";")
		if err != nil {
			return nil, err
		}
		took = append(took, line.At.Sub(begin))
	}
	return took, nil
}

// commits is how long commits of one row take, by themselves.
func commits(ctx context.Context, base, dir string) ([]time.Duration, error) {
	driver, address := "pgx", base
	if base == "" {
		driver, address = "sqlite", filepath.Join(dir, "commit.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return nil, fmt.Errorf("open a database for commits: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE one_commit (n BIGINT, text TEXT)"); err != nil {
		return nil, fmt.Errorf("make a table for commits: %w", err)
	}
	var took []time.Duration
	for i := range 200 {
		begin := time.Now()
		if _, err := db.ExecContext(ctx, "INSERT INTO one_commit (n, text) VALUES ($1, $2)", i, strings.Repeat("x", 300)); err != nil {
			return nil, fmt.Errorf("commit a row: %w", err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took, nil
}
