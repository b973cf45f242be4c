package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client has a limit: a hub that hangs must fail the test and not hang it.
var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// Get reads path of /api/v1 with the hub's key.
func (h *Hub) Get(ctx context.Context, path string, out any) error {
	return h.Call(ctx, http.MethodGet, path, h.Key, nil, out)
}

// Post posts in to path of /api/v1 with the hub's key.
func (h *Hub) Post(ctx context.Context, path string, in, out any) error {
	return h.Call(ctx, http.MethodPost, path, h.Key, in, out)
}

// OneByOne switches storms off, for what looks at each message by itself.
func (h *Hub) OneByOne(ctx context.Context) error {
	return h.Call(ctx, http.MethodPut, "/settings", h.Key, map[string]any{"storm": map[string]any{"off": true}}, nil)
}

// RefusedError is an answer that is no success.
type RefusedError struct {
	Status int
	Body   string
}

// Error is the status and the problem document.
func (r *RefusedError) Error() string { return fmt.Sprintf("answered %d: %s", r.Status, r.Body) }

// Call makes one request with a bearer token. out is filled from the JSON
// that is answered unless it is nil; an answer that is no success is a *RefusedError.
func (h *Hub) Call(ctx context.Context, method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	// Past the proxy: what a test looks at must be seen when the line is cut.
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.Listen+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s %s %w", method, path, &RefusedError{resp.StatusCode, strings.TrimSpace(string(text))})
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s answered %.200s: %w", method, path, text, err)
	}
	return nil
}
