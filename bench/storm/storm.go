// Package storm measures what happens when it rains: how many messages each contact
// gets of a storm, that each alert is accounted for, and how soon the first message
// is there; how long the simulator takes for a day; and what a decision costs with
// many rules.
package storm

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/window"
)

// Options say what is measured.
type Options struct {
	Bin      string                                    // the built program
	Dir      string                                    // for data
	Postgres func(ctx context.Context) (string, error) // an empty database
	Alerts   int                                       // of the storm
	Contacts int                                       // who are told of all of it
	Day      int                                       // alerts of the simulator's day
	Rules    int                                       // of routing
	Objects  int
}

// ways are the channels of the storm.
var ways = []string{route.Browser, route.Webpush, route.Email}

// Run measures a storm and writes the table.
func Run(ctx context.Context, w io.Writer, o Options) error {
	t := table.Table{Head: []string{"database", "storms are", "to tell", "messages", "a contact by a channel", "of these together", "accounted for", "events in", "first message", "last message"}}
	for i, name := range []string{"SQLite", "PostgreSQL"} {
		for _, off := range []bool{false, true} {
			url := "sqlite:" + filepath.Join(o.Dir, fmt.Sprintf("storm%d%t.db", i, off))
			if i > 0 {
				var err error
				if url, err = o.Postgres(ctx); err != nil {
					return err
				}
			}
			if err := measure(ctx, o, name, url, off, &t); err != nil {
				return fmt.Errorf("%s, storms off %t: %w", name, off, err)
			}
		}
	}
	fmt.Fprintf(w, "%s alerts come in as fast as eight callers send them, and each of %d contacts is to hear of all of them by %d channels, which take "+
		"everything at once. Beside it the same with storms switched off, where each alert is a message of its own. The first message is the time from the first "+
		"event on its way in to the first message given to a channel. Accounted for is what the delivery log has as sent, alone or together with others, of what was to be told.\n\n",
		table.Thousands(float64(o.Alerts)), o.Contacts, len(ways))
	return t.Write(w)
}

// furnish makes a source and contacts who are told of everything by three channels;
// split shares the hosts among them instead, with a policy and a window.
func furnish(ctx context.Context, db *store.DB, contacts int, split bool) error {
	if err := db.SaveSource(ctx, source.Source{ID: "s", Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}); err != nil {
		return err
	}
	if err := db.SaveMailSettings(ctx, mail.Settings{Enabled: true, Host: "mail.example.com", Port: 587, From: "tocsin@example.com"}); err != nil {
		return err
	}
	all := route.Rule{ID: "all", Name: "All", Enabled: true}
	for i := range contacts {
		id := fmt.Sprint(i)
		if err := db.SaveUser(ctx, auth.User{ID: "u" + id, Name: "user" + id, Role: auth.Operator, CreatedAt: time.Now()}); err != nil {
			return err
		}
		c := contact.NewContact("contact" + id)
		c.ID, c.UserID, c.Email = "c"+id, "u"+id, "c"+id+"@example.com"
		c.MailHost, c.MailService = true, true
		if err := db.SaveContact(ctx, c); err != nil {
			return err
		}
		if _, _, err := db.SaveSubscription(ctx, push.Subscription{ID: "d" + id, UserID: "u" + id, Endpoint: "https://push.example.com/" + id,
			Auth: make([]byte, 16), P256dh: make([]byte, 65), Created: time.Now(), Seen: time.Now()}, nil); err != nil {
			return err
		}
		all.ContactIDs = append(all.ContactIDs, c.ID)
		if split {
			r := route.Rule{ID: id, Name: "Hosts " + id, Enabled: true, Position: i, ContactIDs: []string{c.ID}, Hosts: []string{"host*" + id}, PolicyID: "p"}
			if i == 0 {
				r.Hosts = append(r.Hosts, "host00*")
			}
			if err := db.SaveRule(ctx, r); err != nil {
				return err
			}
		}
	}
	if !split {
		return db.SaveRule(ctx, all)
	}
	if err := db.SavePolicy(ctx, escalation.Policy{ID: "p", Name: "Nobody answers", Remind: 30, Steps: []escalation.Step{
		{After: 15, ContactIDs: []string{"c1"}}, {After: 15, ContactIDs: []string{"c2"}}}}); err != nil {
		return err
	}
	return db.SaveWindow(ctx, window.Window{ID: "w", Name: "Works", Enabled: true, Start: time.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04"), Minutes: 60, Hosts: []string{"host0001*"}})
}

// taker is a channel that takes everything at once, and notes when.
type taker struct {
	name string
	s    *seen
}

// seen is what all channels have taken.
type seen struct {
	mu    sync.Mutex
	first time.Time
	last  time.Time
	got   map[string]int // by contact and channel
	many  int
}

func (c taker) Name() string { return c.name }

func (c taker) SendAll(_ context.Context, msgs []channel.Message) []error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.last = time.Now()
	if c.s.first.IsZero() {
		c.s.first = c.s.last
	}
	for i := range msgs {
		c.s.got[msgs[i].ContactID+" "+c.name]++
		if msgs[i].Digest != nil {
			c.s.many++
		}
	}
	return make([]error, len(msgs))
}

func measure(ctx context.Context, o Options, name, url string, off bool, t *table.Table) (err error) {
	db, err := store.Open(ctx, store.Options{URL: url, Node: "bench", Exclusive: true})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := furnish(ctx, db, o.Contacts, false); err != nil {
		return err
	}
	set := config.Defaults()
	set.Storm.Off = off
	if err := db.SaveSettings(ctx, set); err != nil {
		return err
	}
	s := dispatch.New(db, dispatch.Options{})
	got := &seen{got: map[string]int{}}
	var channels []channel.Channel
	for _, c := range ways {
		channels = append(channels, taker{c, got})
	}
	work := delivery.NewWorker(db, channels, delivery.WorkerOptions{})
	db.OnWake("delivery", work.Wake)
	running, stop := context.WithCancel(ctx)
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context) error{s.Run, s.RunStorms, work.Run} {
		loops.Go(func() { _ = loop(running) })
	}
	defer loops.Wait()
	defer stop()
	// The first transaction loads the directory, which is no part of a storm.
	if _, err := s.Receive(ctx, "s", []alert.Event{problem("warm-up", alert.Recovery, alert.Up)}); err != nil {
		return err
	}
	begin := time.Now()
	if err := rain(ctx, s, o.Alerts, begin); err != nil {
		return err
	}
	in := time.Since(begin)
	want := o.Alerts * o.Contacts * len(ways)
	sent, err := settled(ctx, db, want)
	if err != nil {
		return err
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	var each []int
	total := 0
	for _, n := range got.got {
		each = append(each, n)
		total += n
	}
	slices.Sort(each)
	if len(each) != o.Contacts*len(ways) {
		return fmt.Errorf("%d places were told, of %d", len(each), o.Contacts*len(ways))
	}
	spread := fmt.Sprint(each[0])
	if each[len(each)-1] != each[0] {
		spread = fmt.Sprintf("%d to %d", each[0], each[len(each)-1])
	}
	word := map[bool]string{false: "on", true: "off"}[off]
	t.Add(name, word, table.Thousands(float64(want)), table.Thousands(float64(total)), spread, fmt.Sprint(got.many), table.Thousands(float64(sent)),
		fmt.Sprintf("%.2f s", in.Seconds()), fmt.Sprintf("%d ms", got.first.Sub(begin).Milliseconds()), fmt.Sprintf("%.1f s", got.last.Sub(begin).Seconds()))
	return nil
}

func problem(host string, typ alert.Type, state alert.State) alert.Event {
	return alert.Event{Object: alert.Object{Host: host}, Type: typ, State: state, Output: "CRITICAL - Host Unreachable", Origin: alert.FromEngine, Time: time.Now()}
}

// rain has the alerts come in, spread over a second, from eight callers.
func rain(ctx context.Context, s *dispatch.Service, n int, begin time.Time) error {
	const callers = 8
	failed := make(chan error, callers)
	for c := range callers {
		go func() {
			for i := c; i < n; i += callers {
				due := begin.Add(time.Second * time.Duration(i) / time.Duration(n))
				if wait := time.Until(due); wait > 0 {
					<-time.After(wait)
				}
				if _, err := s.Receive(ctx, "s", []alert.Event{problem(fmt.Sprintf("host%05d", i), alert.Problem, alert.Down)}); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	var first error
	for range callers {
		if err := <-failed; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// settled waits until all that was to be told is, and answers how much that is by
// the delivery log.
func settled(ctx context.Context, db *store.DB, want int) (int, error) {
	deadline := time.Now().Add(10 * time.Minute)
	for {
		q, err := db.QueueFigures(ctx)
		if err != nil {
			return 0, err
		}
		open := q.Waiting + q.Handed
		if open == 0 {
			break
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%d of %d still wait", open, want)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for messages: %w", ctx.Err())
		}
	}
	sent := 0
	for cursor := ""; ; {
		page, next, err := db.Deliveries(ctx, delivery.Filter{Limit: 500, Cursor: cursor})
		if err != nil {
			return 0, err
		}
		for i := range page {
			switch d := &page[i]; {
			case d.Notice == alert.NoticeDigest:
			case d.Notice == alert.NoticeProblem && d.State == delivery.Sent:
				sent++
			case d.Notice == alert.NoticeProblem:
				return 0, fmt.Errorf("a delivery is %s: %s %s", d.State, strings.TrimSpace(d.Why), d.Detail)
			}
		}
		if cursor = next; next == "" {
			return sent, nil
		}
	}
}
