package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/test/port"
)

// TestTheStartIsAsWritten runs the commands of docs/start.md in their order, as
// somebody does who pastes them: in one shell, with a hub of its own. What they
// paste in place of ts_… and tk_… is what was printed before.
func TestTheStartIsAsWritten(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newReader(t)
	sections := regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatchIndex(string(page), -1)
	ran := 0
	for i, at := range sections {
		end := len(page)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		title := string(page[at[2]:at[3]])
		var said strings.Builder
		for _, b := range regexp.MustCompile("(?ms)^```sh\n(.+?)^```$").FindAllStringSubmatch(string(page[at[0]:end]), -1) {
			ran++
			said.WriteString(s.run(b[1]))
		}
		s.look(title, said.String())
	}
	if ran < 12 {
		t.Errorf("%d blocks were found in docs/start.md; are they still marked as sh?", ran)
	}
}

// reader is somebody who follows the page.
type reader struct {
	t       *testing.T
	hub     string // its address here, in place of 127.0.0.1:8080
	folder  string
	env     []string
	in      io.WriteCloser
	out     *bufio.Reader
	secrets map[string]string // what was printed last, by its first letters
}

func newReader(t *testing.T) *reader {
	hub, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, hub: hub, folder: t.TempDir(), secrets: map[string]string{}}
	r.env = append(os.Environ(), "HOME="+r.folder, "GORACE=atexit_sleep_ms=50", "TOCSIN_LISTEN="+r.hub, "TOCSIN_URL=http://"+r.hub)
	shell := exec.CommandContext(t.Context(), "bash", "--norc")
	shell.Dir, shell.Env = r.folder, r.env
	if r.in, err = shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	shell.Stderr = shell.Stdout
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.in.Close()
		_ = shell.Wait()
	})
	// A failing command is seen, curl fails at what it is refused, and a password is
	// typed twice. A page follows a moment after what was changed of it.
	r.run(`set -Eo pipefail; trap 'echo "FAILED: $BASH_COMMAND"' ERR
curl() { case "$*" in */api/v2/*) set -- --retry 20 --retry-delay 1 --retry-all-errors "$@";; esac; command curl -fsS --max-time 10 "$@" && echo; }
tocsin() { case "$1 $2" in "user add") echo 'a quiet evening' | command tocsin "$@" --password-stdin;; *) command tocsin "$@";; esac; }
`)
	return r
}

// run runs one block, and answers what it printed.
func (r *reader) run(block string) string {
	r.t.Helper()
	block = strings.ReplaceAll(block, "127.0.0.1:8080", r.hub)
	for first, secret := range r.secrets {
		block = strings.ReplaceAll(block, first+"_…", secret)
	}
	if strings.Contains(block, "tocsin serve") {
		r.serve(strings.TrimSpace(block))
		return ""
	}
	const mark = "-- that was it --"
	if _, err := io.WriteString(r.in, block+"\necho '"+mark+"'\n"); err != nil {
		r.t.Fatal(err)
	}
	var all strings.Builder
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%s\n%s%v", block, all.String(), err)
		}
		if line == mark+"\n" {
			break
		}
		all.WriteString(line)
	}
	said := all.String()
	if strings.Contains(said, "FAILED: ") {
		r.t.Fatalf("%s\n%s", block, said)
	}
	for _, m := range regexp.MustCompile(`\b(t[sk])_[A-Za-z0-9_-]{40,}`).FindAllStringSubmatch(said, -1) {
		r.secrets[m[1]] = m[0]
	}
	return said
}

// serve starts the hub by the line of the page, and waits until it is ready.
func (r *reader) serve(line string) {
	r.t.Helper()
	hub := exec.CommandContext(r.t.Context(), "bash", "-c", "exec env "+line)
	hub.Dir, hub.Env = filepath.Join(r.folder, "tocsin-trial"), r.env
	var log bytes.Buffer
	hub.Stdout, hub.Stderr = &log, &log
	hub.Cancel = func() error { return hub.Process.Signal(os.Interrupt) }
	hub.WaitDelay = 10 * time.Second
	if err := hub.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = hub.Cancel()
		_ = hub.Wait()
		if r.t.Failed() {
			r.t.Logf("the hub said:\n%s", log.String())
		}
	})
	r.until("/readyz", "")
}

// until waits until the hub answers an address with a text.
func (r *reader) until(path, want string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	var last string
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		status, body := r.get(http.DefaultClient, path)
		if status == http.StatusOK && strings.Contains(body, want) {
			return
		}
		last = fmt.Sprint(status, " ", body)
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%s never said %q; at last: %s", path, want, last)
		}
	}
}

func (r *reader) get(client *http.Client, path string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.hub+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = a.Body.Close() }() // only read
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return 0, err.Error()
	}
	return a.StatusCode, string(body)
}

// look is what the reader sees after a section.
func (r *reader) look(section, said string) {
	r.t.Helper()
	want := func(words ...string) {
		r.t.Helper()
		for _, w := range words {
			if !strings.Contains(said, w) {
				r.t.Fatalf("%s: it does not say %q:\n%s", section, w, said)
			}
		}
	}
	switch {
	case strings.HasPrefix(section, "3."):
		r.signIn()
	case strings.HasPrefix(section, "4."), strings.HasPrefix(section, "5."):
		want(`"outcome":"opened"`, `"deliveries":1`)
	case strings.HasPrefix(section, "6."):
		want("HTTP", "Disk /var", `"status":"firing"`)
	case strings.HasPrefix(section, "7."):
		want(`"name":"Shop"`, `"page"`)
		r.until("/api/v2/summary.json", "major_outage")
		r.until("/", "Example Inc.")
	case strings.HasPrefix(section, "8."):
		want(`"outcome":"resolved"`)
		r.until("/api/v2/summary.json", `"status":"operational"`)
	case strings.HasPrefix(section, "9."):
		want("define command {", "TOCSIN_SOURCE=nagios", `"accepted":true`)
	}
}

// signIn does so in the console, where the alerts are.
func (r *reader) signIn() {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	form := url.Values{"name": {"anna"}, "password": {"a quiet evening"}}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.hub+"/console/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = a.Body.Close()
	for _, words := range []string{"Send me a test notification", "Turn on Web Push here"} {
		if status, body := r.get(client, "/console/me"); status != http.StatusOK || !strings.Contains(body, words) {
			r.t.Errorf("My notifications answers %d, and has no %q", status, words)
		}
	}
}
