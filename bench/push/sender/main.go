// Command sender is the program's real Web Push sender, as a process of its
// own for the push benchmark.
//
//	sender ORIGIN CA-FILE
//
// It sends to the numbered devices of the push service at ORIGIN. It is asked by
// lines on standard input and answers each with a line of JSON, a push.Done:
//
//	crypto N           encrypts N messages and sends none
//	send N             sends N messages, nothing prepared
//	prepare N          prepares the next message of N devices
//	ready N            sends N messages with what was prepared
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/bench/push"
	"tocsin/bench/push/device"
	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	domain "tocsin/internal/push"
)

// A fan-out has so many pages of so many devices on the wire, with the two
// pieces that it works at.
const (
	page  = 500
	pages = 4
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sender:", err)
		os.Exit(1)
	}
}

type sender struct {
	origin string
	keys   [][]byte
	key    domain.Key
	plain  *webpush.Sender // with nothing prepared
	quick  *webpush.Sender
	ready  *webpush.ReadyAhead
	most   atomic.Int64 // devices to prepare for
	busy   atomic.Bool  // nothing is prepared now
	item   webpush.Item
	conns  *wire.Client
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: sender ORIGIN CA-FILE")
	}
	s, err := newSender(args[0], args[1])
	if err != nil {
		return err
	}
	go func() { _ = s.ready.Run(ctx) }()
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, arg, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("%q: %w", in.Text(), err)
		}
		d := push.Done{Messages: n}
		runtime.GC()
		cpu, begin := used(), time.Now()
		switch word {
		case "crypto":
			err = s.crypto(n)
		case "send":
			err = s.send(ctx, s.plain, n)
		case "ready":
			err = s.send(ctx, s.quick, n)
		case "prepare":
			d.Heap, err = s.prepare(ctx, n)
		default:
			return fmt.Errorf("asked to %q", word)
		}
		d.CPU, d.Wall = used()-cpu, time.Since(begin).Nanoseconds()
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		for _, o := range s.conns.Stats() {
			d.Connections, d.Writes, d.Sent = o.Conns, o.Writes, o.Sent
		}
		d.Ready = s.ready.Stats().Prepared
		if err := out.Encode(d); err != nil {
			return err
		}
	}
	return nil
}

func newSender(origin, ca string) (*sender, error) {
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	s := &sender{origin: origin}
	s.busy.Store(true)
	if s.keys, err = device.Keys(); err != nil {
		return nil, err
	}
	if s.key, err = domain.GenerateKey(time.Now()); err != nil {
		return nil, err
	}
	settings := config.Defaults()
	settings.PushHosts, settings.PushSubject = []string{u.Host}, "mailto:admin@example.com"
	s.conns = wire.New(wire.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RootCAs: roots})
	o := webpush.SenderOptions{
		Client: s.conns, BaseURL: "https://tocsin.example.com",
		Keys:     func(context.Context) ([]domain.Key, error) { return []domain.Key{s.key}, nil },
		Settings: func(context.Context) (config.Settings, error) { return settings, nil },
	}
	s.plain = webpush.NewSender(o)
	s.ready = webpush.NewReady(webpush.ReadyOptions{Max: func() int { return int(s.most.Load()) }, Next: s.next, Busy: s.busy.Load, Pause: time.Millisecond})
	o.Ready = s.ready
	s.quick = webpush.NewSender(o)
	p := push.Publication("main")
	payload := webpush.PublicationPayload(&p, "", o.BaseURL)
	s.item = webpush.Item{Payload: payload, Pad: webpush.Padded(payload), TTL: time.Hour, Urgency: domain.High, Topic: webpush.Topic(p.Topic)}
	return s, nil
}

func (s *sender) device(i int) domain.Subscription {
	return domain.Subscription{
		ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", i), Endpoint: device.Endpoint(s.origin, i),
		P256dh: s.keys[i%device.Pool], Auth: device.Auth(i), KeyID: s.key.ID, Pages: []domain.Follow{{PageID: "main", Wants: []domain.Want{{}}}},
	}
}

func (s *sender) next(_ context.Context, after string, limit int) ([]domain.Subscription, error) {
	first := 0
	if after != "" {
		n, err := strconv.Atoi(strings.TrimLeft(after[24:], "0"))
		if err == nil {
			first = n + 1
		} else {
			first = 1
		}
	}
	var out []domain.Subscription
	for i := first; i < int(s.most.Load()) && len(out) < limit; i++ {
		out = append(out, s.device(i))
	}
	return out, nil
}

// crypto is the bare cryptography of n messages.
func (s *sender) crypto(n int) error {
	var body []byte
	for i := range n {
		var err error
		if body, err = seal.Seal(body[:0], s.keys[i%device.Pool], device.Auth(i), s.item.Payload, s.item.Pad); err != nil {
			return err
		}
	}
	return nil
}

// send sends to the devices 0 to n-1, in pages as a fan-out does.
func (s *sender) send(ctx context.Context, to *webpush.Sender, n int) error {
	to.Warm(ctx, []string{s.origin})
	var (
		all    sync.WaitGroup
		room   = make(chan struct{}, pages)
		mu     sync.Mutex
		failed error
	)
	for first := 0; first < n; first += page {
		room <- struct{}{}
		subs := make([]domain.Subscription, min(page, n-first))
		items := make([]webpush.Item, len(subs))
		for i := range subs {
			subs[i] = s.device(first + i)
			items[i] = s.item
			items[i].Sub = &subs[i]
		}
		all.Go(func() {
			defer func() { <-room }()
			to.SendAll(ctx, items, func(_ int, r webpush.Result) {
				if r.Verdict != webpush.Sent {
					mu.Lock()
					failed = fmt.Errorf("verdict %d, status %d: %s", r.Verdict, r.Status, r.Detail)
					mu.Unlock()
				}
			})
		})
	}
	all.Wait()
	return failed
}

// prepare makes ready for n devices, as the program does while it is idle, and
// answers the bytes of memory that it took.
func (s *sender) prepare(ctx context.Context, n int) (int64, error) {
	before := heap()
	s.most.Store(int64(n))
	s.busy.Store(false)
	defer s.busy.Store(true)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.ready.Stats().Prepared < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return heap() - before, nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// used is the processor time of this process so far, in nanoseconds.
func used() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
