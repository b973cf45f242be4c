package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/demo"
)

// Somebody opens the chat, and nothing else: problems come, a click on
// Acknowledge goes to the simulated engine by its command file, and the post says
// that the engine has confirmed it.
func TestDemoClickIsConfirmed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	for _, name := range []string{"in a new folder", "and in one that was used before, with a new chat"} {
		t.Run(name, func(t *testing.T) { clickStory(t, dir) })
	}
}

func clickStory(t *testing.T, dir string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ready, done := make(chan demo.Access, 1), make(chan error, 1)
	go func() {
		done <- demo.Run(ctx, demo.Options{
			Listen: "127.0.0.1:0", DataDir: dir, First: 50 * time.Millisecond, Pace: 4 * time.Second, Ready: func(a demo.Access) { ready <- a },
		})
	}()
	var a demo.Access
	select {
	case a = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(method, path, token, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, a.ChatURL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	var people []struct{ Name, About, Token string }
	if err := json.NewDecoder(ask(http.MethodGet, "/chat/people", "", "").Body).Decode(&people); err != nil {
		t.Fatal(err)
	}
	if len(people) != 2 || people[0].Name != "dana" {
		t.Fatalf("got %v", people)
	}
	live := bufio.NewScanner(ask(http.MethodGet, "/chat/live", people[0].Token, "").Body)
	live.Buffer(nil, 1<<20)
	clicked := ""
	var seen bytes.Buffer
	for live.Scan() {
		data, ok := strings.CutPrefix(live.Text(), "data: ")
		if !ok {
			continue
		}
		seen.WriteString(data + "\n")
		var e struct {
			Event string
			Post  struct{ ID string }
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		if clicked == "" && strings.Contains(data, `"id":"ack"`) {
			clicked = e.Post.ID
			if resp := ask(http.MethodPost, "/api/v4/posts/"+clicked+"/actions/ack", people[0].Token, "{}"); resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status)
			}
		}
		if e.Post.ID == clicked && strings.Contains(data, "ACKNOWLEDGED") && strings.Contains(data, "confirmed by lighthouse") {
			break
		}
	}
	if err := live.Err(); err != nil {
		t.Errorf("%v; the chat said\n%s", err, seen.String())
	}
	followsProblems(ctx, t, client, a.URL)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// followsProblems waits until the public page says of the shop what the engine says,
// and looks at what else a newcomer finds there: once, however often the demo was
// started.
func followsProblems(ctx context.Context, t *testing.T, client *http.Client, url string) {
	t.Helper()
	get := func(path string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		return string(body)
	}
	for look := time.NewTicker(50 * time.Millisecond); ; <-look.C {
		var all struct {
			Components []struct{ Name, Status string }
		}
		if err := json.Unmarshal([]byte(get("/api/v2/components.json")), &all); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(all.Components, func(c struct{ Name, Status string }) bool {
			return c.Name == "Shop" && c.Status == "major_outage"
		}) {
			break
		}
	}
	page := get("/")
	for _, want := range []string{"Harbour Shop", "Major outage", "Behind the shop", "99.9", "New switch in Hall 2", "Postmortem"} {
		if !strings.Contains(page, want) {
			t.Errorf("the public page does not say %q", want)
		}
	}
	if n := strings.Count(get("/api/v2/scheduled-maintenances/upcoming.json"), `"name":"New switch in Hall 2"`); n != 1 {
		t.Errorf("the maintenance that a window is bound to is there %d times", n)
	}
	if n := strings.Count(get("/history.atom"), "<title>Orders could not be placed"); n != 1 {
		t.Errorf("the incident of the past is there %d times", n)
	}
}
