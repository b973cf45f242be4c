// Package notifykill kills the built client of `tocsin notify` with -9 at random
// moments, while the hub fails in its own ways, and then counts.
package notifykill

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hub takes one id once, and is in trouble as often as told.
type hub struct {
	mu      sync.Mutex
	random  *rand.Rand
	trouble float64
	seen    map[string]bool
	order   []string // outputs as first taken
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct {
		Events []struct{ ID, Output string }
	}
	if err != nil || json.Unmarshal(body, &in) != nil {
		return // the client was killed while it wrote
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before, after := h.random.Float64() < h.trouble/2, h.random.Float64() < h.trouble/2
	if before {
		http.Error(w, "oh", http.StatusInternalServerError)
		return
	}
	for _, e := range in.Events {
		if !h.seen[e.ID] {
			h.seen[e.ID] = true
			h.order = append(h.order, e.Output)
		}
	}
	if after {
		// Taken, and the answer lost.
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = c.Close()
		}
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"receipts": make([]struct{}, len(in.Events))})
}

func (h *hub) set(trouble float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = trouble
}

// buildClient builds the small client beside this test.
func buildClient(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "client")
	build := exec.Command("go", "build", "-o", bin, "./client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	return bin
}

func TestKilledCallsLoseAndDoubleNothing(t *testing.T) {
	const (
		engines = 4
		calls   = 100 // of each engine; about half of them are killed
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := &hub{seen: make(map[string]bool), random: rand.New(rand.NewPCG(seed, 1)), trouble: 0.4}
	s := httptest.NewServer(h)
	defer s.Close()
	bin, spool := buildClient(t), filepath.Join(t.TempDir(), "spool")
	config := filepath.Join(t.TempDir(), "notify.env")
	if err := os.WriteFile(config, []byte("TOCSIN_SPOOL="+spool+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Env = append(os.Environ(), "TOCSIN_URL="+s.URL, "TOCSIN_TOKEN=ts_kill", "TOCSIN_NOTIFY_CONFIG="+config)
		return c
	}
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		promised = make(map[string]bool) // calls that ended with 0
		killed   int
	)
	for engine := range engines {
		random := rand.New(rand.NewPCG(seed, uint64(engine+2)))
		wg.Go(func() {
			for n := range calls {
				name := fmt.Sprintf("%d/%d", engine, n)
				c := run("--type=Host", "--notificationtype=PROBLEM", "--hostname=web01", "--state=1", "--output="+name)
				if random.IntN(10) == 0 {
					c = run("--flush") // killed as well, half of the times
					name = ""
				}
				if err := c.Start(); err != nil {
					t.Error(err)
					return
				}
				var timer *time.Timer
				if random.IntN(2) == 0 {
					timer = time.AfterFunc(time.Duration(random.IntN(12_000))*time.Microsecond, func() { _ = c.Process.Kill() })
				}
				err := c.Wait()
				if timer != nil {
					timer.Stop()
				}
				mu.Lock()
				switch {
				case err == nil && name != "":
					promised[name] = true
				case c.ProcessState.ExitCode() == -1:
					killed++
				case err != nil && name != "":
					t.Errorf("call %s ended with %v", name, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	h.set(0)
	if out, err := run("--flush").CombinedOutput(); err != nil {
		t.Fatalf("the last flush: %v\n%s", err, out)
	}
	t.Logf("%d calls ended with 0, %d were killed, the hub has %d events", len(promised), killed, len(h.order))
	if killed < 100 {
		t.Errorf("only %d calls were killed: the test proves too little", killed)
	}
	count := make(map[string]int)
	last := make(map[string]int)
	for _, output := range h.order {
		if count[output]++; count[output] > 1 {
			t.Errorf("call %s came twice", output)
		}
		engine, text, _ := strings.Cut(output, "/")
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatalf("the hub has %q", output)
		}
		if before, ok := last[engine]; ok && n < before {
			t.Errorf("call %s came after %d", output, before)
		}
		last[engine] = n
	}
	for name := range promised {
		if count[name] == 0 {
			t.Errorf("call %s ended with 0 and is lost", name)
		}
	}
	left, err := filepath.Glob(filepath.Join(spool, "*", "[0-9]*.json"))
	if err != nil || len(left) > 0 {
		t.Errorf("the spool still holds %v (%v)", left, err)
	}
}
