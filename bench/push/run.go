package push

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/bench/table"
)

// Options say what is measured.
type Options struct {
	Bin     string // the built program
	Dir     string // for data
	Devices int    // of the large publication; 1,000,000
	Rounds  int    // of each figure; the median counts; 5
}

// The sizes of the measurement.
const (
	messages     = 40_000 // of a round of the sender
	prepared     = 20_000 // of a round with prepared keys: as many as the program keeps by default
	farMessages  = 100_000
	latency      = 50 * time.Millisecond
	every        = 97 // every so many devices one's message is decrypted
	kills        = 3
	inFlight     = 2 * 2 * 500 // devices of the pages that a fan-out has on the wire at most
	goPeer       = 8_000       // messages of a round of webpush-go
	nodePeer     = 3_000
	peerParallel = 64
)

// bench is one measurement.
type bench struct {
	o     Options
	dir   string
	root  string // of the module
	files int
}

func (b *bench) exe(name string) string { return filepath.Join(b.dir, name) }

// Run measures and writes tables to w. It needs the go command, node and npm,
// and some GB of disk for the devices.
func Run(ctx context.Context, w io.Writer, o Options) error {
	if o.Devices <= 0 {
		o.Devices = 1_000_000
	}
	if o.Rounds <= 0 {
		o.Rounds = 5
	}
	b := &bench{o: o, dir: filepath.Join(o.Dir, "push")}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	fmt.Fprintf(w, "The push service is a process of its own: HTTP/2 over TLS, 100 streams a connection, answers 201 with a location. It "+
		"decrypts every %dth device's message as its browser would. Messages are of %s. Medians of %d rounds; processor time "+
		"is that of the whole sending process, as the kernel counts it.\n\n", every, "a usual publication's text, padded to 1,024 bytes", o.Rounds)
	if err := b.costs(ctx, w); err != nil {
		return err
	}
	if err := b.far(w); err != nil {
		return err
	}
	return b.million(ctx, w)
}

// build builds the children and fetches the peers.
func (b *bench) build(ctx context.Context) error {
	root, err := command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "tocsin")
	if err != nil {
		return err
	}
	b.root = strings.TrimSpace(root)
	for _, name := range []string{"sink", "sender"} {
		if _, err := command(ctx, b.root, "go", "build", "-o", b.exe(name), "./bench/push/"+name); err != nil {
			return err
		}
	}
	peers := filepath.Join(b.root, "bench", "peers")
	if _, err := command(ctx, peers, "go", "build", "-o", b.exe("webpushgo"), "./webpushgo"); err != nil {
		return err
	}
	node := b.exe("node")
	if err := os.MkdirAll(node, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "webpush.js"} {
		text, err := os.ReadFile(filepath.Join(peers, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(node, name), text, 0o600); err != nil {
			return err
		}
	}
	_, err = command(ctx, node, "npm", "ci", "--ignore-scripts")
	return err
}

// command runs one and answers what it printed.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

func median[T int64 | float64](v []T) T {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// µs is a time of each of n messages.
func µs(ns int64, n int) float64 { return float64(ns) / float64(n) / 1e3 }

// goal prints whether one is reached.
func goal(w io.Writer, reached bool, format string, args ...any) {
	word := "missed"
	if reached {
		word = "reached"
	}
	fmt.Fprintf(w, "- Goal: "+format+": %s.\n", append(args, word)...)
}

// far measures with a service that takes 50 ms to answer.
func (b *bench) far(w io.Writer) error {
	s, err := b.service(-1, farMessages)
	if err != nil {
		return err
	}
	defer s.end()
	if err := s.ask(fmt.Sprintf("latency %d", latency.Milliseconds()), &Seen{}); err != nil {
		return err
	}
	c, err := b.sender(-1, s)
	if err != nil {
		return err
	}
	defer c.end()
	var rates []float64
	var last Done
	for range 3 {
		if last, err = do(c, "send", farMessages); err != nil {
			return err
		}
		rates = append(rates, float64(farMessages)/(float64(last.Wall)/1e9))
	}
	if _, err := s.seen(); err != nil {
		return err
	}
	rate := median(rates)
	fmt.Fprintf(w, "%s messages to a service that answers after %v, nothing prepared, sender and service on all processors: %s a second, "+
		"over %d connections.\n\n", table.Thousands(farMessages), latency, table.Thousands(rate), last.Connections)
	goal(w, rate >= 10_000, "at least 10,000 messages a second with 50 ms of latency, measured %s", table.Thousands(rate))
	fmt.Fprintln(w)
	return nil
}
