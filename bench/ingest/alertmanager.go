package ingest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tocsin/test/port"
)

// startAlertmanager starts the one of Debian's package prometheus-alertmanager
// with a receiver that sends nothing.
func startAlertmanager(ctx context.Context, parent string) (*peer, error) {
	dir, err := dataDir(parent, "alertmanager")
	if err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	config := filepath.Join(dir, "alertmanager.yml")
	text := "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	address, err := port.Address()
	if err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	cmd := exec.Command("prometheus-alertmanager", "--config.file="+config, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	if err := answers(ctx, "http://"+address+"/-/ready"); err != nil {
		end()
		return nil, fmt.Errorf("alertmanager: %w", err)
	}
	head := "POST /api/v2/alerts HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\nContent-Length: "
	return &peer{
		name: alerts, address: address, pid: cmd.Process.Pid, end: end, runs: map[int][]run{},
		request: func(dst []byte, n int) []byte { return post(dst, head, alertmanagerAlert(n, time.Now())) },
	}, nil
}

// alertmanagerAlert is Event in Alertmanager's words.
func alertmanagerAlert(n int, now time.Time) []byte {
	ends, output := "", "CRITICAL - Socket timeout after 10 seconds while waiting for the answer of port 443"
	if (n/objects)%2 == 1 {
		ends = `,"endsAt":"` + now.UTC().Format(time.RFC3339) + `"`
		output = "HTTP OK: HTTP/1.1 200 OK - 9274 bytes in 0.034 second response time on port 443 ok"
	}
	return fmt.Appendf(nil, `[{"labels":{"alertname":"HTTP","instance":"web%04d.example.com","severity":"critical","team":"web","site":"fra1"},"annotations":{"summary":%q}%s}]`,
		n%objects, output, ends)
}

// answers waits until a server answers with success.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		}
	}
}
