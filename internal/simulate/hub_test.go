package simulate_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/window"
)

// taker is a channel that takes everything at once, and remembers what it was told
// of many.
type taker struct {
	mu   sync.Mutex
	many []together
}

// together is a message for many alerts.
type together struct {
	At      time.Duration
	Contact string
	Digest  simulate.Digest
}

func (c *taker) Name() string { return route.Browser }

func (c *taker) SendAll(_ context.Context, msgs []channel.Message) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range msgs {
		if d := msgs[i].Digest; d != nil {
			x := simulate.Digest{Title: d.Title, Total: d.Total, Open: d.Open, Acked: d.Acked, Recovered: d.Recovered, New: d.New, Over: d.Over, Worst: []string{}}
			for _, l := range d.Worst {
				x.Worst = append(x.Worst, l.Object.Name())
			}
			c.many = append(c.many, together{time.Since(bubble), msgs[i].ContactID, x})
		}
	}
	return make([]error, len(msgs))
}

// bubble is when time begins in testing/synctest.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// hub is what serves: dispatch with its loops and the outbox's worker, on a database.
type hub struct {
	db    *store.DB
	s     *dispatch.Service
	taken *taker
	stop  func()
}

func newHub(t *testing.T) *hub {
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), Node: "hub", Exclusive: true})
	must(t, err)
	furnish(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	h := &hub{db: db, s: dispatch.New(db, dispatch.Options{}), taken: &taker{}}
	var running sync.WaitGroup
	w := delivery.NewWorker(db, []channel.Channel{h.taken}, delivery.WorkerOptions{})
	for _, loop := range []func(context.Context) error{h.s.Run, h.s.RunExpiry, h.s.RunStorms, h.s.RunEscalation, h.s.RunFlapping, w.Run} {
		running.Go(func() {
			if err := loop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	h.stop = func() {
		cancel()
		running.Wait()
		must(t, db.Close())
	}
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// furnish sets what a team has: who is told of what, by which way, when not, and
// what is done when nobody answers.
func furnish(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.SaveSource(ctx, source.Source{ID: "a", Name: "nagios", Kind: "nagios", TokenHash: "a", CreatedAt: time.Now()}))
	must(t, db.SaveSource(ctx, source.Source{ID: "b", Name: "prometheus", Kind: "generic", TokenHash: "b", CreatedAt: time.Now()}))
	must(t, db.SavePeriod(ctx, contact.TimePeriod{ID: "day", Name: "day", Zone: "UTC", Weekdays: everyDay(8*60, 18*60)}))
	must(t, db.SavePeriod(ctx, contact.TimePeriod{ID: "lunch", Name: "lunch", Zone: "UTC", Weekdays: everyDay(20, 50)}))
	for _, name := range []string{"ann", "bob", "cid", "dot"} {
		must(t, db.SaveUser(ctx, auth.User{ID: "u-" + name, Name: name, Role: auth.Operator, CreatedAt: time.Now()}))
		c := contact.NewContact(name)
		c.ID, c.UserID = "c-"+name, "u-"+name
		if name == "bob" {
			c.QuietPeriodID, c.QuietPass = "lunch", "critical"
		}
		must(t, db.SaveContact(ctx, c))
	}
	must(t, db.SavePolicy(ctx, escalation.Policy{ID: "p", Name: "Night", Remind: 17, Rounds: 2, Steps: []escalation.Step{
		{After: 5, ContactIDs: []string{"c-cid"}}, {After: 7, ContactIDs: []string{"c-dot", "c-ann"}}}}))
	// Nothing is to be due at the very moment at which something else is over: there a
	// hub does what comes first, by a hair.
	set := config.Defaults()
	set.Storm.CalmFor = 287
	must(t, db.SaveSettings(ctx, set))
	must(t, db.SaveRule(ctx, route.Rule{ID: "r1", Name: "All", Enabled: true, ContactIDs: []string{"c-ann"}, PolicyID: "p", Position: 1}))
	must(t, db.SaveWindow(ctx, window.Window{ID: "w", Name: "works", Enabled: true, Zone: "UTC", Start: "2000-01-01T00:25", Minutes: 12, Hosts: []string{"web1", "db3"}}))
	must(t, db.SaveRule(ctx, route.Rule{ID: "r2", Name: "Web", Enabled: true, ContactIDs: []string{"c-bob"}, Hosts: []string{"web*"}, Position: 2}))
}

// everyDay is from one minute of each day to another one.
func everyDay(from, to int) (week [7][]contact.Range) {
	for i := range week {
		week[i] = []contact.Range{{From: from, To: to}}
	}
	return week
}

// thing is what comes in, so long after the beginning.
type thing struct {
	after time.Duration
	line  map[string]any
}

// weather makes an hour of things: storms, flapping, acknowledgements and quiet.
func weather(r *rand.Rand) []thing {
	var out []thing
	add := func(after time.Duration, fields ...any) {
		m := map[string]any{}
		for i := 0; i < len(fields); i += 2 {
			m[fields[i].(string)] = fields[i+1]
		}
		out = append(out, thing{after, m})
	}
	jitter := func() time.Duration { return time.Duration(r.IntN(3600_000)) * time.Millisecond }
	for range 3 + r.IntN(4) { // single troubles
		host, at := fmt.Sprintf("web%d", r.IntN(5)), jitter()
		src := []string{"nagios", "prometheus"}[r.IntN(2)]
		add(at, "source", src, "type", "PROBLEM", "host", host, "service", "HTTP", "state", 1+r.IntN(2))
		if r.IntN(2) == 0 {
			end := at + time.Duration(1+r.IntN(1500_000))*time.Millisecond
			add(end, "source", src, "type", "RECOVERY", "host", host, "service", "HTTP")
		}
		if r.IntN(3) == 0 {
			add(at+time.Duration(1+r.IntN(300_000))*time.Millisecond, "source", src, "type", "SNOOZE", "host", host, "service", "HTTP", "by", "ann", "minutes", 3+r.IntN(20))
		}
		if r.IntN(2) == 0 {
			ack := at + time.Duration(1+r.IntN(900_000))*time.Millisecond
			add(ack, "source", src, "type", "ACKNOWLEDGEMENT", "host", host, "service", "HTTP", "by", []string{"ann", "bob"}[r.IntN(2)], "minutes", 2+r.IntN(20))
		}
	}
	if r.IntN(3) > 0 { // a storm
		at := jitter()
		for i := range 5 + r.IntN(25) {
			begin := at + time.Duration(r.IntN(20_000))*time.Millisecond
			add(begin, "source", "nagios", "type", "PROBLEM", "host", fmt.Sprintf("db%d", i), "state", 1)
			if r.IntN(3) > 0 {
				add(begin+time.Duration(r.IntN(120_000))*time.Millisecond, "source", "nagios", "type", "RECOVERY", "host", fmt.Sprintf("db%d", i))
			}
		}
	}
	if r.IntN(2) == 0 { // something that flaps
		at := jitter()
		for i := range 8 {
			typ, state := "PROBLEM", 2
			if i%2 == 1 {
				typ, state = "RECOVERY", 0
			}
			add(at+time.Duration(i*40_000+r.IntN(30_000))*time.Millisecond, "source", "prometheus", "type", typ, "host", "web9", "service", "flap", "state", state)
		}
	}
	slices.SortStableFunc(out, func(a, b thing) int { return cmp.Compare(a.after, b.after) })
	return out
}

// play has the things come in at the hub, each at its time.
func (h *hub) play(t *testing.T, things []thing, after time.Duration) {
	begin := time.Now()
	for _, x := range things {
		<-time.After(x.after - time.Since(begin))
		src := map[string]string{"nagios": "a", "prometheus": "b"}[x.line["source"].(string)]
		if by, here := x.line["by"].(string); here {
			service, _ := x.line["service"].(string)
			id := alert.ObjectID(src, x.line["host"].(string), service)
			list, _, err := h.db.Alerts(t.Context(), alert.Filter{ObjectID: id, Status: []alert.Status{alert.Firing, alert.Acknowledged}})
			must(t, err)
			minutes := x.line["minutes"].(int)
			length := time.Duration(minutes) * time.Minute
			if len(list) == 1 && x.line["type"] == "SNOOZE" {
				_, _ = h.s.Snooze(t.Context(), list[0].ID, dispatch.SnoozeRequest{ContactIDs: []string{"c-" + by}, UserID: "u-" + by, Author: by,
					Origin: alert.FromConsole, For: length}) // likewise
			} else if len(list) == 1 {
				_, _ = h.s.Acknowledge(t.Context(), list[0].ID, dispatch.AckRequest{UserID: "u-" + by, Author: by, Origin: alert.FromConsole,
					Sticky: true, Until: time.Now().Add(length)}) // refused where somebody has it
			}
			continue
		}
		fields := map[string]any{}
		for k, v := range x.line {
			if k != "source" {
				fields[k] = v
			}
		}
		body, err := json.Marshal(fields)
		must(t, err)
		events, err := source.DecodeEvents(body, time.Now(), 1)
		must(t, err)
		_, err = h.s.Receive(t.Context(), src, events)
		must(t, err)
	}
	<-time.After(after)
}

// entry is one line of a delivery log, as both tell it.
type entry struct {
	Made, Done                  time.Duration // after the beginning
	What                        string
	Object, Notice, Contact, By string
	Reason, Why                 string
}

func (e entry) key() string {
	return strings.Join([]string{e.What, e.Object, e.Notice, e.Contact, e.By, e.Reason}, " | ")
}

// log is the hub's delivery log.
func (h *hub) log(t *testing.T, begin time.Time) (out []entry) {
	names := map[string]string{}
	for cursor := ""; ; {
		page, next, err := h.db.Deliveries(t.Context(), delivery.Filter{Limit: 500, Cursor: cursor})
		must(t, err)
		for i := range page {
			d := &page[i]
			if names[d.ObjectID] == "" {
				o, err := h.db.Object(t.Context(), d.ObjectID)
				must(t, err)
				names[d.ObjectID] = o.Name()
			}
			e := entry{Made: d.Created.Sub(begin), Done: d.Done.Sub(begin), Object: names[d.ObjectID], Notice: string(d.Notice),
				Contact: d.ContactID, By: d.Channel, Reason: string(d.Reason), Why: d.Why, What: string(d.State)}
			if d.Notice == alert.NoticeDigest {
				e.Object = ""
			}
			if d.Done.IsZero() {
				e.Done = d.Due.Sub(begin)
				e.What = "waiting"
			}
			out = append(out, e)
		}
		if cursor = next; next == "" {
			return out
		}
	}
}

// told is what a simulation says, as a delivery log.
func told(r simulate.Result) (out []entry) {
	for _, l := range r.Lines {
		if l.What == simulate.Happened {
			continue
		}
		e := entry{Made: l.Decided.Sub(r.From), Done: l.At.Sub(r.From), Object: l.Object, Notice: string(l.Notice), Contact: l.ContactID,
			By: l.Channel, Reason: string(l.Reason), Why: l.Why}
		switch l.What {
		case simulate.Told, simulate.Quietly, simulate.Together:
			e.What = "sent"
		case simulate.NotTold:
			e.What = "skipped"
		default:
			e.What = string(l.What)
		}
		out = append(out, e)
	}
	return out
}

// The promise that the simulator makes: what it says is what a hub does.
func TestTheSimulatorSaysWhatAHubDoes(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t)
				defer h.stop()
				things := weather(rand.New(rand.NewPCG(seed, 1)))
				begin := time.Now()
				h.play(t, things, 2*time.Hour)
				want := h.log(t, begin)
				var input []string
				for _, x := range things {
					x.line["time"] = "+" + x.after.String()
					b, err := json.Marshal(x.line)
					must(t, err)
					input = append(input, string(b))
				}
				r, err := simulate.New(h.db, simulate.Options{}).Simulate(t.Context(), simulate.Request{
					Events: lines(input...), At: begin, Clean: true, After: 2 * time.Hour, Limit: simulate.MaxLines})
				must(t, err)
				same(t, told(r), want)
				sameDigests(t, r, h.taken.many, begin)
			})
		})
	}
}

// apart is how far the times of both may be apart: the hub's loops look a moment
// after something is due.
const (
	apart         = 2 * time.Second
	lookedForCalm = 16 * time.Second
)

func same(t *testing.T, got, want []entry) {
	t.Helper()
	order := func(a, b entry) int { return cmp.Or(strings.Compare(a.key(), b.key()), cmp.Compare(a.Made, b.Made)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	for i := range max(len(got), len(want)) {
		var g, w entry
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		apart := apart
		if w.Notice == string(alert.NoticeFlapping) {
			apart = lookedForCalm
		}
		if g.key() != w.key() || (g.Made-w.Made).Abs() > apart || (g.Done-w.Done).Abs() > apart {
			t.Fatalf("entry %d of %d and %d:\n simulated %+v\n the hub's %+v", i, len(got), len(want), g, w)
		}
	}
}

// sameDigests says where messages for many tell something else.
func sameDigests(t *testing.T, r simulate.Result, want []together, begin time.Time) {
	t.Helper()
	var got []together
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Tells != nil {
			got = append(got, together{l.At.Sub(begin), l.ContactID, *l.Tells})
		}
	}
	for i := range want {
		want[i].At -= begin.Sub(bubble)
	}
	order := func(a, b together) int {
		return cmp.Or(strings.Compare(a.Contact, b.Contact), cmp.Compare(a.At.Round(apart), b.At.Round(apart)), cmp.Compare(a.Digest.New, b.Digest.New))
	}
	slices.SortStableFunc(got, order)
	slices.SortStableFunc(want, order)
	if len(got) != len(want) {
		t.Fatalf("%d messages for many, the hub's are %d", len(got), len(want))
	}
	for i := range got {
		if diff := gocmp.Diff(want[i].Digest, got[i].Digest); got[i].Contact != want[i].Contact || diff != "" {
			t.Fatalf("message %d for many to %s at %s, the hub's to %s at %s:\n%s", i, got[i].Contact, got[i].At, want[i].Contact, want[i].At, diff)
		}
	}
}
