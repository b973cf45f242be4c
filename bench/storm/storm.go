// Package storm measures what happens when it rains: how many messages each contact
// gets of a storm, that each alert is accounted for, and how soon the first message
// is there; how long the simulator takes for a day; and what a decision costs with
// many rules.
package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
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
	Rounds   int // of the time until the first message
}

// ways are the channels of the storm.
var ways = []string{route.Browser, route.Webpush, route.Email}

// Run measures a storm and writes the tables.
func Run(ctx context.Context, w io.Writer, o Options) error {
	t := table.Table{Head: []string{"database", "storms are", "events a call", "messages", "a contact by a channel", "of these together", "accounted for",
		"answered: p50", "p99", "all", "last message", "processor time of the hub"}}
	for _, name := range databases {
		for _, how := range []struct {
			off   bool
			batch int
		}{{false, 1}, {false, 100}, {true, 1}, {true, 100}} {
			url, err := o.database(ctx, name, fmt.Sprintf("storm%t%d", how.off, how.batch))
			if err != nil {
				return err
			}
			if err := measure(ctx, o, name, url, how.off, how.batch, &t); err != nil {
				return fmt.Errorf("%s, storms off %t, %d a call: %w", name, how.off, how.batch, err)
			}
		}
	}
	fmt.Fprintf(w, "%s alerts are sent within one second, whether those before are answered or not, as many checks or an Alertmanager would: one by one, or many in a call. "+
		"Each of %d contacts is to hear of all of them by %d channels, which take everything at once: %s deliveries in the log. Beside it the same with storms switched off, "+
		"where each alert is a message of its own. A call is answered when its events, and all that they are to tell, are on disk; all are answered so long after the first was sent. "+
		"Accounted for is what the delivery log has as sent, alone or together with others, of what was to be told. Events come in by the function that the HTTP edge calls, without HTTP.\n\n",
		table.Thousands(float64(o.Alerts)), o.Contacts, len(ways), table.Thousands(float64(o.Alerts*o.Contacts*len(ways))))
	if err := t.Write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return first(ctx, w, o)
}

// databases are those that are measured.
var databases = []string{"SQLite", "PostgreSQL"}

// database is an empty one.
func (o Options) database(ctx context.Context, kind, name string) (string, error) {
	if kind == "PostgreSQL" {
		return o.Postgres(ctx)
	}
	return "sqlite:" + filepath.Join(o.Dir, name+".db"), nil
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

// hub is what takes events and tells of them.
type hub struct {
	*dispatch.Service
	db   *store.DB
	got  *seen
	stop func()

	before int // was told before
}

// start starts one that has told somebody of something before, by another source, and
// nothing for a while since.
func start(ctx context.Context, o Options, url string, off bool) (*hub, error) {
	db, err := store.Open(ctx, store.Options{URL: url, Node: "bench", Exclusive: true})
	if err != nil {
		return nil, err
	}
	set := config.Defaults()
	set.Storm.Off = off
	err = errors.Join(furnish(ctx, db, o.Contacts, false), db.SaveSettings(ctx, set),
		db.SaveSource(ctx, source.Source{ID: "other", Name: "other", Kind: "nagios", TokenHash: "o", CreatedAt: time.Now()}))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	h := &hub{Service: dispatch.New(db, dispatch.Options{}), db: db, got: &seen{got: map[string]int{}}}
	var channels []channel.Channel
	for _, c := range ways {
		channels = append(channels, taker{c, h.got})
	}
	work := delivery.NewWorker(db, channels, delivery.WorkerOptions{})
	db.OnWake("delivery", work.Wake)
	running, stop := context.WithCancel(ctx)
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context) error{h.Run, h.RunStorms, work.Run} {
		loops.Go(func() { _ = loop(running) })
	}
	h.stop = func() {
		stop()
		loops.Wait()
		_ = db.Close()
	}
	// What is done for the first time only is no part of a storm.
	for range 2 {
		if _, err := h.Receive(ctx, "other", []alert.Event{problem("warm-up", alert.Problem, alert.Down)}); err != nil {
			h.stop()
			return nil, err
		}
	}
	if h.before, err = settled(ctx, db, 1); err != nil {
		h.stop()
		return nil, err
	}
	<-time.After(1500 * time.Millisecond)
	h.got.mu.Lock()
	h.got.first, h.got.got, h.got.many = time.Time{}, map[string]int{}, 0
	h.got.mu.Unlock()
	return h, nil
}

func measure(ctx context.Context, o Options, name, url string, off bool, batch int, t *table.Table) error {
	h, err := start(ctx, o, url, off)
	if err != nil {
		return err
	}
	defer h.stop()
	begin, used := time.Now(), processor()
	took, err := rain(ctx, h.Service, o.Alerts, batch)
	if err != nil {
		return err
	}
	in := time.Since(begin)
	want := o.Alerts * o.Contacts * len(ways)
	if err := quiet(ctx, h.db, want); err != nil {
		return err
	}
	used = processor() - used
	sent, err := settled(ctx, h.db, want)
	if err != nil {
		return err
	}
	got := h.got
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
	slices.Sort(took)
	t.Add(name, word, fmt.Sprint(batch), table.Thousands(float64(total)), spread, fmt.Sprint(got.many), table.Thousands(float64(sent-h.before)),
		ms(took[len(took)/2]), ms(took[len(took)*99/100]), fmt.Sprintf("%.2f s", in.Seconds()),
		fmt.Sprintf("%.1f s", got.last.Sub(begin).Seconds()), fmt.Sprintf("%.1f s", used.Seconds()))
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// processor is how much processor time this process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func problem(host string, typ alert.Type, state alert.State) alert.Event {
	return alert.Event{Object: alert.Object{Host: host}, Type: typ, State: state, Output: "CRITICAL - Host Unreachable", Origin: alert.FromEngine, Time: time.Now()}
}

// aSecond is how many alerts a storm has in a second.
const aSecond = 2800

// rain has the alerts come in, so many in a second and so many in a call, whether
// those before are answered or not. It answers how long each call took.
func rain(ctx context.Context, s *dispatch.Service, n, batch int) ([]time.Duration, error) {
	begin := time.Now()
	calls := (n + batch - 1) / batch
	took, failed := make([]time.Duration, calls), make([]error, calls)
	var open sync.WaitGroup
	for c := range calls {
		var events []alert.Event
		for i := c * batch; i < min(n, (c+1)*batch); i++ {
			events = append(events, problem(fmt.Sprintf("host%05d", i), alert.Problem, alert.Down))
		}
		if wait := time.Until(begin.Add(time.Second * time.Duration(c*batch) / aSecond)); wait > 0 {
			<-time.After(wait)
		}
		open.Go(func() {
			sent := time.Now()
			_, failed[c] = s.Receive(ctx, "s", events)
			took[c] = time.Since(sent)
		})
	}
	open.Wait()
	return took, errors.Join(failed...)
}

// quiet waits until all that was to be told is.
func quiet(ctx context.Context, db *store.DB, want int) error {
	deadline := time.Now().Add(10 * time.Minute)
	for {
		q, err := db.QueueFigures(ctx)
		if err != nil {
			return err
		}
		open := q.Waiting + q.Handed
		if open == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d still wait", open, want)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for messages: %w", ctx.Err())
		}
	}
}

// settled waits until all that was to be told is, and answers how much that is by
// the delivery log.
func settled(ctx context.Context, db *store.DB, want int) (int, error) {
	if err := quiet(ctx, db, want); err != nil {
		return 0, err
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
