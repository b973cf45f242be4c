package push

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tocsin/bench/push/device"
	"tocsin/bench/table"
	"tocsin/internal/push"
)

// round is one of each, in turns, so that a noisy moment meets all.
type round struct {
	crypto, send, ready, same Done
	webpushgo, node           peerDone
}

type peerDone struct {
	Messages  int
	CPU, Wall int64
}

// costs measures what a message costs: bare, with this sender, with others,
// and with keys made ahead.
func (b *bench) costs(ctx context.Context, w io.Writer) error {
	s, err := b.service(1, messages)
	if err != nil {
		return err
	}
	defer s.end()
	c, err := b.sender(0, s)
	if err != nil {
		return err
	}
	defer c.end()
	job, err := b.job(s)
	if err != nil {
		return err
	}
	if _, err := do(c, "send", messages/4); err != nil { // connections stand, memory is warm
		return err
	}
	var rounds []round
	var heap int64
	for range b.o.Rounds {
		var r round
		if err := b.round(ctx, c, s, job, &r, &heap); err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	seen, err := s.seen()
	if err != nil {
		return err
	}
	return b.report(w, rounds, heap, seen)
}

func (b *bench) round(ctx context.Context, c *child, s *service, job string, r *round, heap *int64) (err error) {
	if r.crypto, err = do(c, "crypto", messages/2); err != nil {
		return err
	}
	if r.send, err = do(c, "send", messages); err != nil {
		return err
	}
	crypto, err := do(c, "crypto", messages/2)
	if err != nil {
		return err
	}
	// Before and after: a machine that turns slower in between slows both.
	r.crypto.CPU, r.crypto.Messages = r.crypto.CPU+crypto.CPU, messages
	filled, err := do(c, "prepare", prepared)
	if err != nil {
		return err
	}
	*heap = max(*heap, filled.Heap/prepared)
	if r.ready, err = do(c, "ready", prepared); err != nil {
		return err
	}
	if r.ready.Ready != 0 {
		return fmt.Errorf("%d prepared messages were not used", r.ready.Ready)
	}
	if r.same, err = do(c, "send", prepared); err != nil {
		return err
	}
	if r.webpushgo, err = b.peer(ctx, s, goPeer, b.exe("webpushgo"), job); err != nil {
		return err
	}
	r.node, err = b.peer(ctx, s, nodePeer, "node", filepath.Join(b.exe("node"), "webpush.js"), job)
	return err
}

// job writes what the peers are to send.
func (b *bench) job(s *service) (string, error) {
	key, err := push.GenerateKey(time.Now())
	if err != nil {
		return "", err
	}
	keys, err := device.Keys()
	if err != nil {
		return "", err
	}
	type browser struct {
		Endpoint string            `json:"endpoint"`
		Keys     map[string]string `json:"keys"`
	}
	var subs []browser
	for i := range 2 * device.Pool {
		subs = append(subs, browser{device.Endpoint(s.origin, i), map[string]string{
			"p256dh": base64.RawURLEncoding.EncodeToString(keys[i%device.Pool]), "auth": base64.RawURLEncoding.EncodeToString(device.Auth(i)),
		}})
	}
	p := Publication("main")
	payload, size := Payload(&p)
	text, err := json.Marshal(map[string]any{
		"subscriptions": subs, "payload": string(payload), "body": size, "public": key.Public, "private": key.Private,
		"subject": "admin@example.com", "topic": "incident-0198f2c4", "ttl": 3600, "parallel": peerParallel,
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "job.json")
	return file, os.WriteFile(file, text, 0o600)
}

// peer runs another sender on the processor where ours is, too.
func (b *bench) peer(ctx context.Context, s *service, n int, name string, args ...string) (d peerDone, err error) {
	cmd := pinned(0, name, append(args, fmt.Sprint(n))...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.ca, "NODE_EXTRA_CA_CERTS="+s.ca)
	cmd.Stderr = os.Stderr
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	out, err := cmd.Output()
	if err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	return d, json.Unmarshal(out, &d)
}

func (b *bench) report(w io.Writer, rounds []round, heap int64, seen Seen) error {
	pick := func(f func(r *round) float64) float64 {
		var v []float64
		for i := range rounds {
			v = append(v, f(&rounds[i]))
		}
		return median(v)
	}
	crypto := func(r *round) float64 { return µs(r.crypto.CPU, r.crypto.Messages) }
	send := func(r *round) float64 { return µs(r.send.CPU, r.send.Messages) }
	gopher := func(r *round) float64 { return µs(r.webpushgo.CPU, r.webpushgo.Messages) }
	node := func(r *round) float64 { return µs(r.node.CPU, r.node.Messages) }
	t := table.Table{Head: []string{"nothing prepared", "µs of CPU a message", "messages per CPU-second"}}
	row := func(name string, f func(r *round) float64) {
		t.Add(name, fmt.Sprintf("%.1f", pick(f)), table.Thousands(1e6/pick(f)))
	}
	row("the cryptography alone", crypto)
	row("Tocsin", send)
	row("webpush-go 1.4.0", gopher)
	row("npm web-push 3.6.7", node)
	if err := t.Write(w); err != nil {
		return err
	}
	ratio := pick(func(r *round) float64 { return send(r) / crypto(r) })
	overGo := pick(func(r *round) float64 { return gopher(r) / send(r) })
	overNode := pick(func(r *round) float64 { return node(r) / send(r) })
	speed := func(d Done) float64 { return float64(d.Messages) / (float64(d.Wall) / 1e9) }
	gain := pick(func(r *round) float64 { return speed(r.ready) / speed(r.same) })
	t = table.Table{Head: []string{"sender on one processor, service on another", "messages a second", "µs of CPU a message"}}
	t.Add("prepared ahead", table.Thousands(pick(func(r *round) float64 { return speed(r.ready) })),
		fmt.Sprintf("%.1f", pick(func(r *round) float64 { return µs(r.ready.CPU, r.ready.Messages) })))
	t.Add("not prepared", table.Thousands(pick(func(r *round) float64 { return speed(r.same) })),
		fmt.Sprintf("%.1f", pick(func(r *round) float64 { return µs(r.same.CPU, r.same.Messages) })))
	if err := t.Write(w); err != nil {
		return err
	}
	last := rounds[len(rounds)-1]
	fmt.Fprintf(w, "A prepared device takes %d bytes of memory. %.0f messages went out in one write, on %d connections. The service saw %s "+
		"messages, read %s of them as browsers do, and found all right.\n\n", heap, float64(last.same.Sent)/float64(max(last.same.Writes, 1)),
		last.same.Connections, table.Thousands(float64(seen.Messages)), table.Thousands(float64(seen.Read)))
	goal(w, ratio <= 1.15, "a message costs at most 1.15 × its cryptography, measured %.2f×", ratio)
	goal(w, overGo >= 3, "at least 3 × the messages per CPU-second of webpush-go, measured %.1f×", overGo)
	goal(w, overNode >= 10, "at least 10 × the messages per CPU-second of npm web-push, measured %.1f×", overNode)
	goal(w, gain >= 4, "prepared keys give at least 4 × the throughput, measured %.1f×", gain)
	fmt.Fprintln(w)
	return nil
}
