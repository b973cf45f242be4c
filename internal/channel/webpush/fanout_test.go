package webpush_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	"tocsin/internal/push"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// A publication goes through the real store, sender and wire to a push service
// that speaks HTTP/2 over TLS.

// pushService counts what each device gets and answers as it is told to.
type pushService struct {
	*httptest.Server
	mu     sync.Mutex
	got    map[string]int                         // by path
	sizes  map[int]bool                           // of bodies
	topics map[string]bool                        //
	answer func(path string, n int) (status int)  // the n-th message to a path; nil: 201
	hold   func(ctx context.Context, path string) // before the answer
	came   chan struct{}                          // told of each message
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	s := &pushService{got: map[string]int{}, sizes: map[int]bool{}, topics: map[string]bool{}, came: make(chan struct{}, 100_000)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender has gone
		}
		s.mu.Lock()
		s.got[r.URL.Path]++
		n, answer, hold := s.got[r.URL.Path], s.answer, s.hold
		s.sizes[len(body)], s.topics[r.Header.Get("Topic")] = true, true
		s.mu.Unlock()
		if hold != nil {
			hold(r.Context(), r.URL.Path)
		}
		status := http.StatusCreated
		if answer != nil {
			status = answer(r.URL.Path, n)
		}
		w.WriteHeader(status)
		s.came <- struct{}{}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// devices answers how many got something, and how many messages came.
func (s *pushService) devices() (devices, messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.got {
		devices++
		messages += n
	}
	return devices, messages
}

// town is a database, a sender and push services.
type town struct {
	t        *testing.T
	db       *store.DB
	sender   *webpush.Sender
	services []*pushService
	key      push.Key
	p256dh   []byte
}

func eachTown(t *testing.T, services int, f func(t *testing.T, w *town)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   database.SQLite,
		"postgres": database.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			w := &town{t: t}
			var err error
			w.db, err = store.Open(t.Context(), store.Options{URL: url(t), Node: "test"})
			check(t, err)
			t.Cleanup(func() { check(t, w.db.Close()) })
			w.key, err = push.GenerateKey(time.Now())
			check(t, err)
			check(t, w.db.SavePushKey(t.Context(), w.key))
			k, err := ecdh.P256().GenerateKey(rand.Reader)
			check(t, err)
			w.p256dh = k.PublicKey().Bytes()
			settings := config.Defaults()
			settings.PushSubject = "mailto:ops@example.org"
			roots := x509.NewCertPool()
			for range services {
				s := newPushService(t)
				w.services = append(w.services, s)
				settings.PushHosts = append(settings.PushHosts, strings.TrimPrefix(s.URL, "https://"))
				roots.AddCert(s.Certificate())
			}
			client := wire.New(wire.Options{RootCAs: roots, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
			t.Cleanup(func() { _ = client.Close(context.Background()) })
			w.sender = webpush.NewSender(webpush.SenderOptions{Client: client, BaseURL: base, Keys: w.db.PushKeys,
				Settings: func(context.Context) (config.Settings, error) { return settings, nil }})
			f(t, w)
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// subscribe adds n devices, in turns at the services.
func (w *town) subscribe(n int, change func(i int, s *push.Subscription)) {
	w.t.Helper()
	subs := make([]push.Subscription, n)
	for i := range subs {
		subs[i] = push.Subscription{Endpoint: fmt.Sprintf("%s/d/%05d", w.services[i%len(w.services)].URL, i), P256dh: w.p256dh, Auth: make([]byte, 16),
			KeyID: w.key.ID, Pages: mainPage()}
		if change != nil {
			change(i, &subs[i])
		}
	}
	added, err := w.db.AddSubscriptions(w.t.Context(), subs)
	check(w.t, err)
	if added != n {
		w.t.Fatalf("%d of %d devices were added", added, n)
	}
}

func (w *town) publish(expires time.Duration) string {
	w.t.Helper()
	now := time.Now()
	p := push.Publication{ID: fmt.Sprintf("0198f2c4-0000-7000-8000-%012d", now.UnixNano()%1e12), PageID: "main", Kind: push.IncidentNew, Impact: push.ImpactMajor,
		Texts: map[string]push.Text{"": {Title: "Down", Body: "We look into it."}, "de": {Title: "Gestört", Body: "Wir sehen nach. " + strings.Repeat("Geduld! ", 60)}},
		URL:   "/", Topic: "incident-1", Urgency: push.High, Created: now, Expires: now.Add(expires)}
	check(w.t, w.db.CreatePublication(w.t.Context(), p))
	return p.ID
}

func quick(node string) webpush.FanoutOptions {
	return webpush.FanoutOptions{Node: node, BaseURL: base, PageSize: 50, Poll: 20 * time.Millisecond, Retry: 20 * time.Millisecond, Drain: time.Second}
}

// run runs a fan-out until the test stops it.
func run(t *testing.T, f *webpush.Fanout) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	once := sync.OnceFunc(func() {
		cancel()
		check(t, <-done)
	})
	t.Cleanup(once)
	return once
}

// until waits for the progress that fits, and holds every one seen on the way
// to its sum.
func (w *town) until(id string, fits func(push.Progress) bool) push.Progress {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, p, err := w.db.Publication(w.t.Context(), id)
		check(w.t, err)
		if sum := p.Sent + p.Gone + p.Failed + p.Expired + p.Waiting; sum != p.Total {
			w.t.Fatalf("%+v sums up to %d", p, sum)
		}
		if fits(p) {
			return p
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("progress stays %+v", p)
		}
	}
}

func done(p push.Progress) bool { return p.Done }

func TestAPublicationReachesAllWhoWantIt(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.subscribe(430, func(i int, s *push.Subscription) {
			if i%2 == 0 {
				s.Language = "de-AT"
			}
			if i%10 == 0 {
				s.Pages[0].Wants[0].Kinds = []push.Kind{push.Maintenance}
			}
		})
		id := w.publish(time.Hour)
		f := webpush.NewFanout(w.sender, w.db, quick("n1"))
		run(t, f)
		p := w.until(id, done)
		if p.Sent != 387 || p.Unwanted != 43 || p.Waiting != 0 || p.Repeats != 0 {
			t.Errorf("progress %+v", p)
		}
		devices, messages := w.services[0].devices()
		if devices != 387 || messages != 387 {
			t.Errorf("%d devices got %d messages", devices, messages)
		}
		// The German text is longer than the other, which shows in its padding.
		if len(w.services[0].sizes) != 2 || len(w.services[0].topics) != 1 {
			t.Errorf("sizes %v, topics %v", w.services[0].sizes, w.services[0].topics)
		}
		if s := f.Stats(); s.Sent != 387 || s.InFlight != 0 || s.LastLoop.IsZero() {
			t.Errorf("figures %+v", s)
		}
	})
}

func TestGoneRefusedAndBusyDevices(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.services[0].answer = func(path string, n int) int {
			switch {
			case strings.HasSuffix(path, "7"):
				return http.StatusGone
			case strings.HasSuffix(path, "8"):
				return http.StatusBadRequest
			case strings.HasSuffix(path, "9") && n == 1:
				return http.StatusServiceUnavailable
			}
			return http.StatusCreated
		}
		w.subscribe(200, nil)
		id := w.publish(time.Hour)
		run(t, webpush.NewFanout(w.sender, w.db, quick("n1")))
		p := w.until(id, done)
		if p.Sent != 160 || p.Gone != 20 || p.Failed != 20 || len(p.Problems) == 0 {
			t.Errorf("progress %+v", p)
		}
		left, err := w.db.CountSubscriptions(t.Context(), "main")
		check(t, err)
		if left != 180 {
			t.Errorf("%d devices are left", left)
		}
	})
}

func TestAServiceThatRefusesOurKeyLosesNoDevice(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.services[0].answer = func(string, int) int { return http.StatusUnauthorized }
		w.subscribe(120, nil)
		id := w.publish(time.Hour)
		run(t, webpush.NewFanout(w.sender, w.db, quick("n1")))
		p := w.until(id, func(p push.Progress) bool { return p.Retrying == 120 })
		if p.Sent+p.Gone+p.Failed+p.Expired != 0 {
			t.Errorf("progress %+v", p)
		}
		if _, messages := w.services[0].devices(); messages >= 120 {
			t.Errorf("%d messages, though the first was refused for our key", messages)
		}
	})
}

func TestWhatHasNotBeenSentInTimeExpires(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.services[0].answer = func(string, int) int { return http.StatusServiceUnavailable }
		w.subscribe(30, nil)
		id := w.publish(3 * time.Second)
		run(t, webpush.NewFanout(w.sender, w.db, quick("n1")))
		if p := w.until(id, done); p.Expired != 30 {
			t.Errorf("progress %+v", p)
		}
	})
}

func TestASlowServiceDoesNotHoldUpAnother(t *testing.T) {
	eachTown(t, 2, func(t *testing.T, w *town) {
		slow, good := w.services[0], w.services[1]
		slow.hold = func(ctx context.Context, _ string) { <-ctx.Done() }
		w.subscribe(600, nil)
		id := w.publish(time.Hour)
		o := quick("n1")
		o.PageTime = 300 * time.Millisecond
		stop := run(t, webpush.NewFanout(w.sender, w.db, o))
		p := w.until(id, func(p push.Progress) bool { return p.Sent == 300 })
		if devices, _ := good.devices(); devices != 300 || p.Waiting != 300 {
			t.Errorf("%d devices of the good service, progress %+v", devices, p)
		}
		stop()
		slow.CloseClientConnections()
	})
}

// dying is a store that is cut off, as by a crash: nothing that is written after
// a number of pages arrives.
type dying struct {
	*store.DB
	pages atomic.Int64
	dead  chan struct{}
}

var errDead = errors.New("cut off")

func (d *dying) AdvancePiece(ctx context.Context, p *push.Piece, page push.Page, lease time.Duration) error {
	left := d.pages.Load()
	if page.Position != p.Position { // else it only renews the lease
		if left = d.pages.Add(-1); left == -1 {
			close(d.dead)
		}
	}
	if left < 0 {
		return errDead
	}
	return d.DB.AdvancePiece(ctx, p, page, lease)
}

func (d *dying) ReleasePiece(context.Context, *push.Piece) error { return errDead }

func TestACrashRepeatsThePagesInFlightAtMost(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.subscribe(700, nil)
		id := w.publish(time.Hour)
		o := quick("n1")
		o.Lease = 400 * time.Millisecond
		d := &dying{DB: w.db, dead: make(chan struct{})}
		d.pages.Store(4)
		stop := run(t, webpush.NewFanout(w.sender, d, o))
		<-d.dead
		stop()
		before := w.until(id, func(push.Progress) bool { return true })
		o.Node, o.Lease = "n2", time.Minute // however slow the machine is: this one is alive
		run(t, webpush.NewFanout(w.sender, w.db, o))
		p := w.until(id, done)
		devices, messages := w.services[0].devices()
		repeats, bound := messages-devices, 3*50 // two pages on the wire and one that was noted too late
		if before.Sent != 200 || p.Sent != 700 || devices != 700 {
			t.Errorf("before %+v, at the end %+v, %d devices", before, p, devices)
		}
		if repeats == 0 || repeats > bound || p.Repeats < repeats {
			t.Errorf("%d repeats, at most %d, counted %d", repeats, bound, p.Repeats)
		}
	})
}

func TestTwoNodesShareAPublication(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		// More than one piece; most are not interested, which makes it quick.
		w.subscribe(10_400, func(i int, s *push.Subscription) {
			if i%20 != 0 {
				s.Pages[0].Wants[0].Kinds = []push.Kind{push.Maintenance}
			}
		})
		id := w.publish(time.Hour)
		var nodes []*webpush.Fanout
		for _, name := range []string{"n1", "n2"} {
			o := quick(name)
			o.PageSize, o.Pieces = 500, 1
			nodes = append(nodes, webpush.NewFanout(w.sender, w.db, o))
		}
		for _, f := range nodes {
			run(t, f)
		}
		p := w.until(id, done)
		devices, messages := w.services[0].devices()
		if p.Sent != 520 || p.Unwanted != 9880 || devices != 520 || messages != 520 {
			t.Errorf("progress %+v, %d devices, %d messages", p, devices, messages)
		}
		if a, b := nodes[0].Stats().Sent, nodes[1].Stats().Sent; a+b != 520 {
			t.Errorf("the nodes sent %d and %d", a, b)
		}
	})
}

func TestANodeThatEndsHandsItsPieceOverAtOnce(t *testing.T) {
	eachTown(t, 1, func(t *testing.T, w *town) {
		w.subscribe(2000, nil)
		id := w.publish(time.Hour)
		o := quick("n1")
		o.Lease = time.Hour
		stop := run(t, webpush.NewFanout(w.sender, w.db, o))
		for range 100 {
			<-w.services[0].came
		}
		stop()
		o.Node = "n2"
		run(t, webpush.NewFanout(w.sender, w.db, o))
		p := w.until(id, done)
		devices, messages := w.services[0].devices()
		if p.Sent != 2000 || devices != 2000 || messages != 2000 {
			t.Errorf("progress %+v, %d devices, %d messages", p, devices, messages)
		}
	})
}
