package tls_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// node is the built program on a folder of its own.
type node struct {
	*testing.T
	env []string
	cmd *exec.Cmd
	log lines
}

func newNode(t *testing.T, env ...string) *node {
	t.Helper()
	n := &node{T: t, env: append([]string{"TOCSIN_DATA=" + t.TempDir()}, env...)}
	t.Cleanup(func() {
		n.stop()
		if t.Failed() {
			t.Logf("the hub said:\n%s", n.log.String())
		}
	})
	return n
}

func (n *node) start() {
	n.Helper()
	n.cmd = exec.Command(bin, "serve")
	n.cmd.Env = append(os.Environ(), n.env...)
	n.cmd.Stdout, n.cmd.Stderr = &n.log, &n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(n.T, n.cmd.Start())
}

func (n *node) stop() {
	if n.cmd != nil && n.cmd.Process != nil {
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
		_ = n.cmd.Wait()
		n.cmd = nil
	}
}

// cli runs one command and answers what it printed.
func (n *node) cli(stdin string, args ...string) []byte {
	n.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), n.env...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		n.Fatalf("tocsin %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return out
}

// key makes an API key.
func (n *node) key() string {
	n.Helper()
	var out struct{ Key string }
	must(n.T, json.Unmarshal(n.cli("", "apikey", "add", "test", "--scope", "admin", "--json"), &out))
	return out.Key
}

// call makes a request and answers its status, header and body.
func call(t *testing.T, c *http.Client, method, to, key, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	must(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// warnings are what System health says of https.
func warnings(t *testing.T, c *http.Client, base, key string) string {
	t.Helper()
	status, _, body := call(t, c, "GET", base+"/api/v1/health", key, "")
	if status != http.StatusOK {
		t.Fatalf("health answered %d: %s", status, body)
	}
	var report struct {
		Warnings []struct{ Part, Problem, Mend string }
	}
	must(t, json.Unmarshal([]byte(body), &report))
	var out []string
	for _, w := range report.Warnings {
		if w.Part == "https" {
			out = append(out, w.Problem+" "+w.Mend)
		}
	}
	return strings.Join(out, "\n")
}

const password = "correct horse battery"

// signIn answers the session's cookie.
func signIn(t *testing.T, c *http.Client, base string) *http.Cookie {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/console/sign-in", strings.NewReader(url.Values{"name": {"anna"}, "password": {password}}.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	must(t, err)
	defer resp.Body.Close()
	for _, k := range resp.Cookies() {
		if k.HttpOnly {
			return k
		}
	}
	text, _ := io.ReadAll(resp.Body)
	t.Fatalf("no session: %d %.300s", resp.StatusCode, text)
	return nil
}
