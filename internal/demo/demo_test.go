package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/demo"
)

func TestDemoShowsAProblemToWhoSignsIn(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ready, done := make(chan demo.Access, 1), make(chan error, 1)
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	go func() {
		done <- demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", Out: &out, First: 50 * time.Millisecond, Pace: 50 * time.Millisecond,
			Ready: func(a demo.Access) { ready <- a },
		})
	}()
	var a demo.Access
	select {
	case a = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	signIn, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/console/sign-in", strings.NewReader(url.Values{"name": {a.Name}, "password": {a.Password}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	signIn.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(signIn)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	tab, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(tab)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	shown := false
	for lines := bufio.NewScanner(stream.Body); !shown && lines.Scan(); {
		shown = strings.Contains(lines.Text(), "PROBLEM: HTTPS on shop01 is Critical!")
	}
	if !shown {
		t.Errorf("status %d, and no problem was shown", stream.StatusCode)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := out.String(); !strings.Contains(text, a.URL+"/console/") || !strings.Contains(text, "status page is  "+a.URL+"/\n") || !strings.Contains(text, a.Password) || !strings.Contains(text, a.ChatURL) {
		t.Errorf("the demo says %q", text)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
