// Package team is a hub with a team around it: a chat server that behaves as
// Mattermost, with Tocsin's bot, a webhook and the slash command; and a
// monitoring engine that is told by its command file and read by its status.dat.
//
//	l, err := team.New(ctx, team.Options{Hub: hub.Options{Bin: bin, Dir: dir}})
//	defer l.Close()
//	post, err := l.Alert(ctx, "web01", "HTTP", 2, "CRITICAL - no answer")
//	err = l.Chat.Click(ctx, l.Jane.ID, post.ID, "ack", "")
//	line, err := l.Line(ctx, "web01")
package team

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tocsin/internal/demo/chat"
	"tocsin/internal/demo/station"
	"tocsin/test/hub"
)

// Options say what there is.
type Options struct {
	Hub  hub.Options
	Chat chat.Options
	// Webhook makes the room one of an incoming webhook; else it is a bot's.
	Webhook bool
	// Unlinked lets people who are linked to nobody acknowledge.
	Unlinked bool
	// OneWay has no buttons.
	OneWay bool
}

// Lab is the hub and its team.
type Lab struct {
	Hub     *hub.Hub
	Chat    *chat.Server
	Station *station.Station
	Token   string // of the source "nagios"
	Source  string // its id

	Team      chat.Team
	Channel   chat.Channel // of the room, which gets every alert
	Jane, Eve chat.User    // Jane is linked to the contact jane; Eve to nobody
	Bot       chat.User
	BotToken  string
	Hook      chat.Hook
	Command   chat.Command
	Room      string // its id in Tocsin
	Password  string // of Tocsin's user jane, an administrator

	mu    sync.Mutex
	lines []Line
	news  chan struct{} // closed at each line, then another

	stop func()
	done chan error
}

// Line is one of the engine's command file.
type Line struct {
	Text string
	At   time.Time
}

// New starts all of it.
func New(ctx context.Context, o Options) (*Lab, error) {
	l := &Lab{Chat: chat.New(o.Chat), news: make(chan struct{}), Password: "correct horse battery", done: make(chan error, 1)}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	err := l.start(ctx, running, o)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx, running context.Context, o Options) (err error) {
	if err := l.Chat.Start("127.0.0.1:0"); err != nil {
		return err
	}
	if l.Station, err = station.New(filepath.Join(o.Hub.Dir, "engine")); err != nil {
		return err
	}
	l.Station.Every = 100 * time.Millisecond
	l.Station.Heard = l.heard
	go func() { l.done <- l.Station.Run(running) }()
	if l.Hub, err = hub.New(o.Hub); err != nil {
		return err
	}
	for _, c := range []struct {
		field string
		into  *string
		stdin string
		args  []string
	}{
		{"token", &l.Token, "", []string{"source", "add", "nagios", "--kind", "nagios", "--json"}},
		{"key", &l.Hub.Key, "", []string{"apikey", "add", "test", "--scope", "admin", "--json"}},
		{"", nil, l.Password + "\n", []string{"user", "add", "jane", "--role", "admin", "--password-stdin"}},
		{"", nil, "", []string{"contact", "add", "jane", "--user", "jane"}},
	} {
		out, err := l.Hub.CLI(ctx, c.stdin, c.args...)
		if err != nil {
			return err
		}
		if c.into != nil {
			var m map[string]any
			if err := json.Unmarshal(out, &m); err != nil {
				return fmt.Errorf("tocsin %s: %s: %w", strings.Join(c.args, " "), out, err)
			}
			*c.into, _ = m[c.field].(string)
		}
	}
	if err := l.Hub.Start(ctx); err != nil {
		return err
	}
	if err := l.Hub.OneByOne(ctx); err != nil {
		return err
	}
	l.people()
	return l.furnish(ctx, o)
}

// people makes the chat's world.
func (l *Lab) people() {
	s := l.Chat
	l.Team = s.AddTeam("ops", "Operations")
	l.Channel = s.AddChannel(l.Team.ID, "alerts", "Alerts", false)
	l.Jane, l.Eve = s.AddUser("jane", "Jane Doe"), s.AddUser("eve", "Eve Stone")
	s.Describe(l.Jane.ID, "linked")
	l.Bot, l.BotToken = s.AddBot("tocsin", "Tocsin")
	s.Join(l.Channel.ID, l.Jane.ID, l.Eve.ID, l.Bot.ID)
	l.Hook = s.AddHook(l.Channel.ID, l.Jane.ID, "Tocsin")
	l.Command = s.AddCommand(l.Team.ID, "tocsin", l.Hub.URL+"/callback/mattermost/command")
}

type object = map[string]any

// furnish makes Tocsin know the chat and how the engine is told, by its API.
func (l *Lab) furnish(ctx context.Context, o Options) error {
	var sources struct {
		Items []struct{ ID, Name string }
	}
	if err := l.Hub.Get(ctx, "/sources", &sources); err != nil {
		return err
	}
	l.Source = sources.Items[0].ID
	if err := l.WriteBack(ctx, object{"kind": "command_file", "command_file": l.Station.Commands, "status_file": l.Station.Status}); err != nil {
		return err
	}
	if err := l.Hub.Post(ctx, "/mattermost/key", nil, nil); err != nil {
		return err
	}
	settings := object{"enabled": true, "two_way": !o.OneWay, "allow_unlinked": o.Unlinked, "command_tokens": []string{l.Command.Token}}
	room := object{"name": "Alerts", "kind": "webhook", "webhook_url": l.Hook.URL, "everything": true}
	if !o.Webhook {
		settings["server_url"], settings["bot_token"] = l.Chat.URL(), l.BotToken
		room = object{"name": "Alerts", "kind": "bot", "team": l.Team.Name, "channel": l.Channel.Name, "everything": true}
	}
	if err := l.Settings(ctx, settings); err != nil {
		return err
	}
	var made struct{ ID string }
	if err := l.Hub.Post(ctx, "/mattermost/rooms", room, &made); err != nil {
		return err
	}
	l.Room = made.ID
	return nil
}

// Settings changes the settings of Mattermost.
func (l *Lab) Settings(ctx context.Context, changes map[string]any) error {
	return l.Hub.Call(ctx, http.MethodPut, "/mattermost", l.Hub.Key, changes, nil)
}

// WriteBack sets how the engine is told.
func (l *Lab) WriteBack(ctx context.Context, w map[string]any) error {
	return l.Hub.Call(ctx, http.MethodPut, "/sources/"+l.Source, l.Hub.Key, object{"name": "nagios", "kind": "nagios", "write_back": w}, nil)
}

// LinkJane makes Jane known as the contact jane, as she would do it: by /tocsin
// link, and the page that its link leads to.
func (l *Lab) LinkJane(ctx context.Context) error {
	said, err := l.Chat.Say(ctx, l.Jane.ID, l.Channel.ID, "", "/tocsin link")
	if err != nil {
		return err
	}
	_, token, ok := strings.Cut(said, "/console/link/mattermost#")
	if !ok {
		return fmt.Errorf("/tocsin link answers %q", said)
	}
	var contacts struct {
		Items []struct{ ID, Name string }
	}
	if err := l.Hub.Get(ctx, "/contacts", &contacts); err != nil {
		return err
	}
	tab, err := l.Hub.SignIn(ctx, "jane", l.Password)
	if err != nil {
		return err
	}
	return tab.Ask(ctx, http.MethodPost, "/mattermost/link", object{"token": strings.TrimSpace(token), "contact_id": contacts.Items[0].ID}, nil)
}

func (l *Lab) heard(line string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, Line{line, at})
	close(l.news)
	l.news = make(chan struct{})
}

// Lines are those of the engine's command file so far.
func (l *Lab) Lines() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line(nil), l.lines...)
}

// Line waits for a line of the command file that has all of the parts.
func (l *Lab) Line(ctx context.Context, parts ...string) (Line, error) {
	for {
		l.mu.Lock()
		lines, news := l.lines, l.news
		l.mu.Unlock()
	next:
		for _, line := range lines {
			for _, p := range parts {
				if !strings.Contains(line.Text, p) {
					continue next
				}
			}
			return line, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return Line{}, fmt.Errorf("no line with %q came to the command file, which has %q: %w", parts, lines, ctx.Err())
		}
	}
}

// Send sends an event of the source, as the engine sees it, too.
func (l *Lab) Send(ctx context.Context, kind, host, service string, state int, output string) error {
	word := []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[state]
	l.Station.See(kind, host, service, word, "", "")
	e := object{"type": kind, "host": host, "service": service, "state": state, "output": output, "time": time.Now().Format(time.RFC3339Nano)}
	if err := l.Hub.Call(ctx, http.MethodPost, "/sources/nagios/events", l.Token, e, nil); err != nil {
		return fmt.Errorf("send %s of %s: %w", kind, host, err)
	}
	return nil
}

// Alert sends a problem and waits for its post in the channel.
func (l *Lab) Alert(ctx context.Context, host, service string, state int, output string) (chat.Post, error) {
	if err := l.Send(ctx, "PROBLEM", host, service, state, output); err != nil {
		return chat.Post{}, err
	}
	return l.Post(ctx, func(p chat.Post) bool { return p.RootID == "" && strings.Contains(p.Text(), host) })
}

// Post waits for a post in the channel.
func (l *Lab) Post(ctx context.Context, fits func(chat.Post) bool) (found chat.Post, err error) {
	var last []chat.Post
	err = l.Chat.Wait(ctx, func() bool {
		last = l.Chat.Posts(l.Channel.ID)
		for _, p := range last {
			if fits(p) {
				found = p
				return true
			}
		}
		return false
	})
	if err != nil {
		texts := []string{}
		for _, p := range last {
			texts = append(texts, p.Text())
		}
		return found, fmt.Errorf("the channel has %q: %w", texts, err)
	}
	return found, nil
}

// Until waits until a post's text has all of the parts.
func (l *Lab) Until(ctx context.Context, postID string, parts ...string) (chat.Post, error) {
	return l.Post(ctx, func(p chat.Post) bool {
		if p.ID != postID {
			return false
		}
		for _, s := range parts {
			if !strings.Contains(p.Text(), s) {
				return false
			}
		}
		return true
	})
}

// Close ends all of it.
func (l *Lab) Close() error {
	if l.Hub != nil {
		l.Hub.Kill()
	}
	l.Chat.Close()
	l.stop()
	if l.Station == nil {
		return nil
	}
	return <-l.done
}
