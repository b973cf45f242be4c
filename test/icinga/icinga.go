// Package icinga runs Debian's Icinga 2 in a folder of its own, with its REST
// API and a small configuration: hosts and services whose state the test says,
// and a contact whose notification command is the one under test.
package icinga

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tocsin/test/await"
	"tocsin/test/port"
)

// Name stands in the certificate of the API, which listens on 127.0.0.1.
const Name = "icinga.test"

// Service is one service on a host.
type Service struct{ Host, Name string }

// Config says what Icinga watches and whom it tells.
type Config struct {
	Dir      string    // of its own, empty
	Contacts []string  // all of them are told of everything
	Hosts    []string  // up at first
	Services []Service // ok at first
	// Script is a notification script, which Icinga runs with the arguments that
	// the usual NotificationCommand gives it, see Arguments. None: nobody is told.
	Script string
	// Arguments are the script's, for hosts and for services, in Icinga's language:
	// a list such as [ "--state", "$service.state_id$" ].
	HostArguments, ServiceArguments string
	Env                             []string // for Icinga, and so for the script
	// Extra is configuration of the test's own.
	Extra string
}

// Icinga is a running one.
type Icinga struct {
	URL            string // of the API
	CA             string // PEM of who signed its certificate
	User, Password string // of an API user with all permissions
	c              Config
	port           int
	cmd            *exec.Cmd
	exited         chan struct{}
	out            bytes.Buffer
	api            *http.Client
}

const exe = "/usr/sbin/icinga2"

// Start writes the configuration, starts Icinga and waits until its API answers.
func Start(ctx context.Context, c Config) (*Icinga, error) {
	spare, err := port.Spare()
	if err != nil {
		return nil, err
	}
	n := &Icinga{c: c, port: spare, URL: fmt.Sprintf("https://127.0.0.1:%d", spare), User: "root", Password: "icinga's own"}
	for _, dir := range []string{"conf", "data/certs", "log", "cache", "spool", "run"} {
		if err := os.MkdirAll(n.path(dir), 0o700); err != nil {
			return nil, fmt.Errorf("icinga's folder: %w", err)
		}
	}
	if n.CA, err = certify(n.path("data/certs")); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.path("conf/icinga2.conf"), []byte(n.configuration()), 0o600); err != nil {
		return nil, fmt.Errorf("icinga2.conf: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(n.CA))
	n.api = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: Name, MinVersion: tls.VersionTLS12}}}
	if err := n.Restart(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Restart starts it, again if it ran before, and waits until its API answers.
func (n *Icinga) Restart(ctx context.Context) error {
	if n.cmd != nil {
		n.Stop()
	}
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("icinga's user: %w", err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return fmt.Errorf("icinga's group: %w", err)
	}
	args := []string{"daemon", "-c", n.path("conf/icinga2.conf")}
	for name, value := range map[string]string{"ConfigDir": n.path("conf"), "DataDir": n.path("data"), "LogDir": n.path("log"),
		"CacheDir": n.path("cache"), "SpoolDir": n.path("spool"), "InitRunDir": n.path("run"), "PidPath": n.path("run/icinga2.pid"),
		"VarsPath": n.path("cache/icinga2.vars"), "ObjectsPath": n.path("cache/icinga2.debug"), "ModAttrPath": n.path("data/modified-attributes.conf"),
		"StatePath": n.path("data/icinga2.state"), "RunAsUser": me.Username, "RunAsGroup": group.Name, "Concurrency": "2"} {
		args = append(args, "-DConfiguration."+name+"="+value)
	}
	cmd := exec.Command(exe, args...) // it ends by Stop, not with a context
	cmd.Env = append(append(os.Environ(), "ICINGA2_USER="+me.Username, "ICINGA2_GROUP="+group.Name), n.c.Env...)
	cmd.Dir = n.c.Dir
	cmd.Stdout, cmd.Stderr = &n.out, &n.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start icinga: %w", err)
	}
	exited := make(chan struct{})
	n.cmd, n.exited = cmd, exited
	go func() { _ = cmd.Wait(); close(exited) }()
	if err := n.Until(ctx, func() bool {
		status, _, err := n.Call(ctx, http.MethodGet, "/v1/status/IcingaApplication", nil)
		return err == nil && status == http.StatusOK
	}); err != nil {
		n.Stop()
		return fmt.Errorf("icinga's API does not answer: %w: %s%s", err, n.out.String(), n.Log())
	}
	return nil
}

func (n *Icinga) path(name string) string { return filepath.Join(n.c.Dir, name) }

// Until looks again and again: Icinga has no event for what it did but its API
// and its log.
func (n *Icinga) Until(ctx context.Context, ok func() bool) error {
	return await.Until(ctx, n.exited, ok)
}

// Log is Icinga's log file.
func (n *Icinga) Log() string {
	b, _ := os.ReadFile(n.path("log/icinga2.log")) // there is none before it starts to log
	return string(b)
}

// Stop ends Icinga and everything that it started.
func (n *Icinga) Stop() {
	_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
	<-n.exited
}

// Reload makes it read its configuration anew, as an administrator would.
func (n *Icinga) Reload() error {
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload icinga: %w", err)
	}
	return nil
}

// Call asks its API with all permissions, and answers status and body.
func (n *Icinga) Call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, fmt.Errorf("write a request to icinga: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, n.URL+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, fmt.Errorf("make a request to icinga: %w", err)
	}
	r.SetBasicAuth(n.User, n.Password)
	r.Header.Set("Accept", "application/json")
	res, err := n.api.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("ask icinga: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read icinga's answer: %w", err)
	}
	return res.StatusCode, answer, nil
}

// Result says the state of a service (0 to 3), or of a host (0 up, 1 down) where
// service is empty, and its output, as a check would.
func (n *Icinga) Result(ctx context.Context, host, service string, state int, output string) error {
	body := map[string]any{"type": "Host", "filter": "host.name == h", "exit_status": state, "plugin_output": output}
	vars := map[string]string{"h": host}
	if service != "" {
		body["type"], body["filter"], vars["s"] = "Service", "host.name == h && service.name == s", service
	}
	body["filter_vars"] = vars
	status, answer, err := n.Call(ctx, http.MethodPost, "/v1/actions/process-check-result", body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("icinga took no check result: %d: %s", status, answer)
	}
	return nil
}

// Attributes reads a service, or a host where service is empty.
func (n *Icinga) Attributes(ctx context.Context, host, service string) (map[string]any, error) {
	path := "/v1/objects/hosts/" + host
	if service != "" {
		path = "/v1/objects/services/" + host + "!" + strings.ReplaceAll(service, " ", "%20")
	}
	status, answer, err := n.Call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	var body struct {
		Results []struct {
			Attrs map[string]any `json:"attrs"`
		} `json:"results"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || len(body.Results) != 1 {
		return nil, fmt.Errorf("icinga answered %d: %s", status, answer)
	}
	return body.Results[0].Attrs, nil
}
