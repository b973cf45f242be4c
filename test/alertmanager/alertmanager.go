// Package alertmanager runs Debian's Alertmanager in a folder of its own, with
// one webhook receiver.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tocsin/test/await"
	"tocsin/test/port"
)

// Config says whom Alertmanager tells.
type Config struct {
	Dir     string // of its own, empty
	Webhook string // the receiver's address
	Token   string // a bearer token for it, if any
	// Wait is how long it waits for further alerts of a group, and between two
	// tellings of one; 0: 100 ms.
	Wait time.Duration
}

// Alertmanager is a running one.
type Alertmanager struct {
	URL    string
	c      Config
	cmd    *exec.Cmd
	exited chan struct{}
	out    *bytes.Buffer
}

const exe = "/usr/bin/prometheus-alertmanager"

// Start writes the configuration, starts Alertmanager and waits until it is
// ready.
func Start(ctx context.Context, c Config) (*Alertmanager, error) {
	address, err := port.Address()
	if err != nil {
		return nil, err
	}
	a := &Alertmanager{c: c, URL: "http://" + address}
	if c.Wait == 0 {
		c.Wait = 100 * time.Millisecond
	}
	auth := ""
	if c.Token != "" {
		auth = fmt.Sprintf(", http_config: { authorization: { credentials: %q } }", c.Token)
	}
	config := fmt.Sprintf(`route: { receiver: hub, group_by: [ alertname ], group_wait: %s, group_interval: %s, repeat_interval: 1h }
receivers: [ { name: hub, webhook_configs: [ { url: %q%s } ] } ]
`, c.Wait, c.Wait, c.Webhook, auth)
	if err := os.WriteFile(a.path("alertmanager.yml"), []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("alertmanager.yml: %w", err)
	}
	if err := a.start(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Alertmanager) path(name string) string { return filepath.Join(a.c.Dir, name) }

func (a *Alertmanager) start(ctx context.Context) error {
	a.out = &bytes.Buffer{}
	cmd := exec.Command(exe, "--config.file="+a.path("alertmanager.yml"), "--storage.path="+a.path("data"), // it ends by Stop, not with a context
		"--web.listen-address="+a.URL[len("http://"):], "--cluster.listen-address=", "--log.level=warn")
	cmd.Dir = a.c.Dir
	cmd.Stdout, cmd.Stderr = a.out, a.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start alertmanager: %w", err)
	}
	exited := make(chan struct{})
	a.cmd, a.exited = cmd, exited
	go func() { _ = cmd.Wait(); close(exited) }()
	if err := a.Until(ctx, func() bool {
		status, _, err := a.Call(ctx, http.MethodGet, "/-/ready", nil)
		return err == nil && status == http.StatusOK
	}); err != nil {
		a.Stop()
		return fmt.Errorf("alertmanager is not ready: %w: %s", err, a.out)
	}
	return nil
}

// Stop ends it at once, as a crash would.
func (a *Alertmanager) Stop() {
	_ = a.cmd.Process.Kill()
	<-a.exited
}

// Forget ends it and starts it without anything that it knew: alerts and
// silences.
func (a *Alertmanager) Forget(ctx context.Context) error {
	a.Stop()
	if err := os.RemoveAll(a.path("data")); err != nil {
		return fmt.Errorf("alertmanager's data: %w", err)
	}
	return a.start(ctx)
}

// Until looks again and again.
func (a *Alertmanager) Until(ctx context.Context, ok func() bool) error {
	return await.Until(ctx, a.exited, ok)
}

// patient has a limit, also where its caller has none.
var patient = &http.Client{Timeout: time.Minute}

// Call asks its API and answers status and body.
func (a *Alertmanager) Call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, fmt.Errorf("write a request to alertmanager: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.URL+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, fmt.Errorf("make a request to alertmanager: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := patient.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("ask alertmanager: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read alertmanager's answer: %w", err)
	}
	return res.StatusCode, answer, nil
}

// Alert tells it of an alert, as Prometheus does: one that ends now, where ends
// is set, else one that fires for an hour from now on unless told again.
func (a *Alertmanager) Alert(ctx context.Context, labels, annotations map[string]string, starts time.Time, ended bool) error {
	ends := time.Now().Add(time.Hour)
	if ended {
		ends = time.Now()
	}
	status, answer, err := a.Call(ctx, http.MethodPost, "/api/v2/alerts", []map[string]any{{
		"labels": labels, "annotations": annotations, "startsAt": starts.Format(time.RFC3339Nano), "endsAt": ends.Format(time.RFC3339Nano),
		"generatorURL": "http://prometheus.example.com/graph"}})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("alertmanager took no alert: %d: %s", status, answer)
	}
	return nil
}

// Silence is one as Alertmanager shows it.
type Silence struct {
	ID        string    `json:"id"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	EndsAt    time.Time `json:"endsAt"`
	Status    struct {
		State string `json:"state"`
	} `json:"status"`
	Matchers []struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual bool   `json:"isEqual"`
	} `json:"matchers"`
}

// Silences are all that it knows, the ended ones too.
func (a *Alertmanager) Silences(ctx context.Context) ([]Silence, error) {
	status, answer, err := a.Call(ctx, http.MethodGet, "/api/v2/silences", nil)
	if err != nil {
		return nil, err
	}
	var list []Silence
	if err := json.Unmarshal(answer, &list); err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("alertmanager answered %d: %s", status, answer)
	}
	return list, nil
}
