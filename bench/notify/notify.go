// Package notify compares `tocsin-notify`, and `tocsin notify`, as whole processes
// with curl posting the same event to the same sink on this machine, one call after
// the other in turns, so that all meet the same weather.
package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// rounds of one call each; warm-ups are not counted.
const (
	rounds  = 200
	warmUps = 10
)

// Run measures the binary at bin, and tocsin-notify beside it, and writes rows of a
// Markdown table. It fails when a call fails, when an event did not arrive, or without curl.
func Run(w io.Writer, bin string) error {
	curl, err := exec.LookPath("curl")
	if err != nil {
		return fmt.Errorf("find curl (apt-get install curl): %w", err)
	}
	dir, err := os.MkdirTemp("", "tocsin-bench-notify-")
	if err != nil {
		return fmt.Errorf("make a folder for the spool: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	arrived := make(chan []byte, 2)
	sink := &http.Server{Handler: take(arrived), ReadHeaderTimeout: time.Second}
	go func() { _ = sink.Serve(l) }()
	defer func() { _ = sink.Close() }()

	url := "http://" + l.Addr().String()
	env := append(os.Environ(), "TOCSIN_URL="+url, "TOCSIN_TOKEN=ts_bench", "TOCSIN_SPOOL="+filepath.Join(dir, "spool"))
	tocsin := func(bin string) *exec.Cmd {
		c := exec.Command(bin, "notify", "--type=Service", "--notificationtype=PROBLEM", "--hostname=web01", "--service=HTTP Check",
			"--state=2", "--output=CRITICAL - Socket timeout after 10 seconds", "--longoutput=", "--ackauthor=", "--ackcomment=",
			"--contact=ops", "--time=1795299445")
		c.Env = env
		return c
	}
	// The event that curl posts is the one tocsin sent, byte for byte.
	if _, err := timed(tocsin(bin)); err != nil {
		return err
	}
	body := filepath.Join(dir, "event.json")
	var sent []byte
	select {
	case sent = <-arrived:
	default:
		return fmt.Errorf("%s ended with 0 but nothing arrived", bin)
	}
	if err := os.WriteFile(body, sent, 0o600); err != nil {
		return fmt.Errorf("keep the event: %w", err)
	}
	post := func() *exec.Cmd {
		return exec.Command(curl, "-sS", "-f", "-o", "/dev/null", "-H", "Authorization: Bearer ts_bench", "-H", "Content-Type: application/json",
			"--data-binary", "@"+body, url+"/api/v1/sources/-/events")
	}
	small := filepath.Join(filepath.Dir(bin), "tocsin-notify")
	calls := []func() *exec.Cmd{func() *exec.Cmd { return tocsin(small) }, func() *exec.Cmd { return tocsin(bin) }, post}
	var took [3][]time.Duration
	for i := range warmUps + rounds {
		for n, call := range calls {
			d, err := timed(call())
			if err != nil {
				return err
			}
			<-arrived
			if i >= warmUps {
				took[n] = append(took[n], d)
			}
		}
	}
	for n := range took {
		slices.Sort(took[n])
	}
	fmt.Fprintf(w, "| one event of %d bytes, whole process, %d runs in turns | median | p95 | to curl, at most 1 |\n|---|---|---|---|\n", len(sent), rounds)
	for n, name := range []string{"`tocsin-notify` (spool included)", "`tocsin notify`, the same in the whole program", "`curl`"} {
		median := took[n][rounds/2]
		fmt.Fprintf(w, "| %s | %s | %s | %.2f |\n", name, ms(median), ms(took[n][rounds*95/100]), float64(median)/float64(took[2][rounds/2]))
	}
	return nil
}

// take answers as a hub does, and hands on what came. A full channel holds a
// caller up, so that no event goes uncounted.
func take(arrived chan<- []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		var in struct{ Events []json.RawMessage }
		if err != nil || json.Unmarshal(body, &in) != nil || len(in.Events) != 1 {
			http.Error(w, "one event, please", http.StatusBadRequest)
			return
		}
		select {
		case arrived <- body:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"receipts":[{"event_id":"01900000-0000-7000-8000-000000000000","duplicate":false,"outcome":"opened","deliveries":1}]}`)
	})
}

// timed runs one process and says how long it took, from start to end.
func timed(c *exec.Cmd) (time.Duration, error) {
	var said bytes.Buffer
	c.Stderr = &said
	start := time.Now()
	err := c.Run()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w: %s", c.Path, err, said.Bytes())
	}
	if said.Len() > 0 {
		return 0, fmt.Errorf("run %s: it said: %s", c.Path, said.Bytes())
	}
	return took, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
