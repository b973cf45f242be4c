package chat_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"tocsin/internal/demo/chat"
)

func TestPage(t *testing.T) {
	l := newLab(t, chat.Options{Page: true})
	l.Describe(l.jane.ID, "linked to Operations")
	get := func(path, token, host string) *http.Response {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			q.Host = host
		}
		q.Header.Set("Authorization", "Bearer "+token)
		resp, err := l.httpClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	t.Run("it is complete, and loads nothing from elsewhere", func(t *testing.T) {
		for path, kind := range map[string]string{"/": "text/html", "/chat.js": "text/javascript", "/markdown.js": "text/javascript", "/dialog.js": "text/javascript", "/chat.css": "text/css", "/icon.svg": "image/svg"} {
			resp := get(path, "", "")
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) {
				t.Errorf("%s: %s %s %v", path, resp.Status, resp.Header.Get("Content-Type"), err)
			}
			if strings.Contains(string(body), "src=\"http") || strings.Contains(string(body), "href=\"http") || strings.Contains(string(body), "innerHTML") {
				t.Errorf("%s loads from elsewhere, or makes HTML of texts", path)
			}
			if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s has no policy", path)
			}
		}
	})
	t.Run("a name of somewhere else that leads here gets nothing", func(t *testing.T) {
		for _, path := range []string{"/", "/chat/people", "/chat/state", "/chat/live"} {
			if resp := get(path, l.jane.Token, "evil.example.com"); resp.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
	})
	t.Run("a visitor is one of the people, never the bot", func(t *testing.T) {
		var people []struct{ Name, About, Token string }
		if err := json.NewDecoder(get("/chat/people", "", "").Body).Decode(&people); err != nil {
			t.Fatal(err)
		}
		if len(people) != 2 || people[1].Name != "jane" || people[1].About != "linked to Operations" || people[1].Token != l.jane.Token {
			t.Errorf("got %v", people)
		}
	})
	t.Run("what stands there, and what comes", func(t *testing.T) {
		l.post()
		live := get("/chat/live", l.jane.Token, "")
		lines := bufio.NewScanner(live.Body)
		lines.Scan() // the stream stands
		body, err := io.ReadAll(get("/chat/state", l.jane.Token, "").Body)
		if err != nil || !strings.Contains(string(body), "web01 / HTTP Check is CRITICAL") || strings.Contains(string(body), "deadbeef") {
			t.Errorf("got %s %v", body, err)
		}
		if resp := get("/chat/state", "", ""); resp.StatusCode != http.StatusUnauthorized {
			t.Error(resp.Status)
		}
		l.post()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if !strings.Contains(data, `"posted"`) || strings.Contains(data, "deadbeef") {
					t.Error(data)
				}
				return
			}
		}
		t.Error("nothing came", lines.Err())
	})
}
