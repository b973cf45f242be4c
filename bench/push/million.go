package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tocsin/bench/load"
	"tocsin/bench/push/device"
	"tocsin/bench/table"
	"tocsin/internal/push"
	"tocsin/internal/store"
	"tocsin/test/hub"
)

// large is one publication to very many devices.
type large struct {
	*bench
	s     *service
	hub   *hub.Hub
	id    string        // of the publication
	peak  int64         // bytes resident, the most of all processes that were killed
	cpu   time.Duration // of all of them
	kills []int64       // messages that the service had got when the program was killed
}

// million publishes to a million devices with the real program, which is killed
// on the way.
func (b *bench) million(ctx context.Context, w io.Writer) error {
	s, err := b.service(-1, b.o.Devices)
	if err != nil {
		return err
	}
	defer s.end()
	m := &large{bench: b, s: s}
	dir := filepath.Join(b.dir, "million")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begin := time.Now()
	if err := m.seed(ctx, dir); err != nil {
		return err
	}
	seeded := time.Since(begin)
	if m.hub, err = hub.New(hub.Options{Bin: b.o.Bin, Dir: dir, Env: []string{
		"TOCSIN_PUSH_PRIVATE=127.0.0.0/8", "SSL_CERT_FILE=" + s.ca, "VAPID_SUBJECT=mailto:admin@example.com",
	}}); err != nil {
		return err
	}
	defer m.hub.Kill()
	text, err := m.hub.CLI(ctx, "", "apikey", "add", "bench", "--scope", "config:write,config:read", "--json")
	if err != nil {
		return err
	}
	var key struct{ Key string }
	if err := json.Unmarshal(text, &key); err != nil || key.Key == "" {
		return fmt.Errorf("no API key in %s", text)
	}
	m.hub.Key = key.Key
	if err := m.hub.Start(ctx); err != nil {
		return err
	}
	begin = time.Now()
	if err := m.publish(ctx); err != nil {
		return fmt.Errorf("publish: %w; the hub said: %.3000s", err, m.hub.Log())
	}
	for i := range kills {
		// At a third, two thirds and nine tenths, about.
		at := int64(b.o.Devices) * [kills]int64{31, 63, 91}[i] / 100
		if err := m.kill(ctx, at); err != nil {
			return fmt.Errorf("kill %d: %w; the hub said: %.3000s", i+1, err, m.hub.Log())
		}
	}
	p, err := m.end(ctx)
	if err != nil {
		return fmt.Errorf("%w; the hub said: %.3000s", err, m.hub.Log())
	}
	return m.report(w, p, seeded, time.Since(begin))
}

// seed fills a new database with the devices, as one move from another program
// does.
func (m *large) seed(ctx context.Context, dir string) (err error) {
	db, err := store.Open(ctx, store.Options{DataDir: dir, Node: "bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	settings, err := db.Settings(ctx)
	if err != nil {
		return err
	}
	u, err := url.Parse(m.s.origin)
	if err != nil {
		return err
	}
	settings.PushHosts, settings.PushReady = []string{u.Host}, 0
	if err := db.SaveSettings(ctx, settings); err != nil {
		return err
	}
	key, err := push.GenerateKey(time.Now())
	if err != nil {
		return err
	}
	if err := db.SavePushKey(ctx, key); err != nil {
		return err
	}
	keys, err := device.Keys()
	if err != nil {
		return err
	}
	languages := []string{"en", "de", "fr", "en-GB"}
	const batch = 5000
	for first := 0; first < m.o.Devices; first += batch {
		subs := make([]push.Subscription, min(batch, m.o.Devices-first))
		for i := range subs {
			n := first + i
			subs[i] = push.Subscription{Endpoint: device.Endpoint(m.s.origin, n), P256dh: keys[n%device.Pool], Auth: device.Auth(n),
				KeyID: key.ID, Language: languages[n%len(languages)], Pages: []push.Follow{{PageID: "main", Wants: []push.Want{{}}}}}
		}
		added, err := db.AddSubscriptions(ctx, subs)
		if err != nil {
			return err
		}
		if added != len(subs) {
			return fmt.Errorf("%d of %d devices were added", added, len(subs))
		}
	}
	return nil
}

func (m *large) publish(ctx context.Context) error {
	p := Publication("main")
	texts := map[string]push.Text{"": p.Texts[""], "de": {Title: "Zahlungen verzögern sich", Body: "Kartenzahlungen dauern bis zu zehn Minuten. Wir sehen nach; keine Zahlung geht verloren."}}
	in := map[string]any{"page": "main", "kind": p.Kind, "impact": p.Impact, "texts": texts, "url": p.URL, "topic": p.Topic, "ttl_minutes": 60}
	var out struct{ ID string }
	if err := m.hub.Post(ctx, "/publications", in, &out); err != nil {
		return err
	}
	m.id = out.ID
	return nil
}

// kill kills the program once the service has got so many messages, and starts
// it again.
func (m *large) kill(ctx context.Context, at int64) error {
	var last int64
	if err := m.wait(ctx, func(seen Seen) (bool, error) {
		last = seen.Messages
		return last >= at, nil
	}); err != nil {
		return err
	}
	m.kills = append(m.kills, last)
	if err := m.measure(); err != nil {
		return err
	}
	m.hub.Kill()
	return m.hub.Start(ctx)
}

// measure notes what the program has used; the next one begins anew.
func (m *large) measure() error {
	peak, err := peak(m.hub.Pid())
	if err != nil {
		return err
	}
	cpu, err := load.CPU(m.hub.Pid())
	if err != nil {
		return err
	}
	m.peak = max(m.peak, peak)
	m.cpu += cpu
	return nil
}

// wait asks the service again and again until done says so.
func (m *large) wait(ctx context.Context, done func(Seen) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, err := m.s.seen()
		if err != nil {
			return err
		}
		if ok, err := done(seen); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the service got %d messages for %d devices: %w", seen.Messages, seen.Devices, ctx.Err())
		}
	}
}

// progress is what the program says of the publication.
type progress struct {
	Total, Sent, Gone, Failed, Expired, Waiting, Retrying, Repeats int
	Done                                                           bool
	Problems                                                       map[string]int
}

// end waits until the program says that it is done.
func (m *large) end(ctx context.Context) (progress, error) {
	var out struct{ Progress progress }
	err := m.wait(ctx, func(Seen) (bool, error) {
		err := m.hub.Get(ctx, "/publications/"+m.id, &out)
		return out.Progress.Done, err
	})
	if err != nil {
		return out.Progress, fmt.Errorf("%w; progress %+v", err, out.Progress)
	}
	return out.Progress, m.measure()
}

func (m *large) report(w io.Writer, p progress, seeded, took time.Duration) error {
	seen, err := m.s.seen()
	if err != nil {
		return err
	}
	devices := m.o.Devices
	repeats := seen.Messages - int64(seen.Devices)
	whole := func(n int64) string { return table.Thousands(float64(n)) }
	var moments []string
	for _, n := range m.kills {
		moments = append(moments, whole(n))
	}
	at := strings.Join(moments, " / ")
	t := table.Table{Head: []string{"one publication, program killed " + strconv.Itoa(kills) + " times", ""}}
	t.Add("devices, on SQLite", whole(int64(devices)))
	t.Add("got it", whole(int64(seen.Devices)))
	t.Add("messages that the service had at the kills", at)
	t.Add("messages in all", whole(seen.Messages))
	t.Add("repeats", whole(repeats))
	t.Add("repeats that the program counts", whole(int64(p.Repeats)))
	t.Add("most that one device got", whole(int64(seen.Most)))
	t.Add("topics of all messages", whole(int64(len(seen.Topics))))
	t.Add("from the publication to the end, with "+strconv.Itoa(kills)+" starts", took.Round(time.Second).String())
	t.Add("µs of CPU of the program a message, database included", fmt.Sprintf("%.1f", µs(m.cpu.Nanoseconds(), int(seen.Messages))))
	t.Add("peak resident memory of the program", fmt.Sprintf("%.0f MB", float64(m.peak)/1e6))
	t.Add("time to add the devices before", seeded.Round(time.Second).String())
	if err := t.Write(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "Devices share %d key pairs, each with a secret of its own. All messages have one Topic, so a service that still keeps the first "+
		"of two drops it, and one tag, so a device shows one.\n\n", device.Pool)
	bound := int64(kills * inFlight)
	goal(w, float64(m.peak) < 100e6, "less than 100 MB resident at the peak for %s devices, nothing prepared, measured %.0f MB", whole(int64(devices)), float64(m.peak)/1e6)
	each := seen.Devices == devices && p.Done && p.Sent == devices
	goal(w, each, "each device gets it although the program is killed %d times, measured %s of %s", kills, whole(int64(seen.Devices)), whole(int64(devices)))
	goal(w, repeats <= bound && len(seen.Topics) == 1 && int64(p.Repeats) >= repeats,
		"repeats only of the pages in flight, at most %s, all counted, all of one topic; measured %s, counted %s", whole(bound), whole(repeats), whole(int64(p.Repeats)))
	if !each {
		return fmt.Errorf("%d of %d devices got it; progress %+v", seen.Devices, devices, p)
	}
	return nil
}

// peak is the most memory that a process had resident, in bytes.
func peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmHWM in /proc")
}
