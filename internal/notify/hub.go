package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxAnswer bounds the hub's answer in bytes: 100 receipts are some 30 KB.
const maxAnswer = 1 << 20

// hub is where events are handed in.
type hub struct {
	url       string
	token     string
	noToken   string
	transport *http.Transport
	wait      time.Duration
}

func newHub(s settings) *hub {
	return &hub{
		url:     s.url + "/api/v1/sources/" + s.source + "/events",
		token:   s.token,
		noToken: s.noToken,
		wait:    s.timeout,
		// One connection, HTTP/1.1: there is one request at a time. The time
		// limit is the context's.
		transport: &http.Transport{
			Proxy:              http.ProxyFromEnvironment,
			DialContext:        (&net.Dialer{}).DialContext,
			MaxIdleConns:       1,
			DisableCompression: true,
		},
	}
}

func (h *hub) close() { h.transport.CloseIdleConnections() }

// refusal is the hub's word that an event is wrong and will always be.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// failure is any other answer than success: the event may be handed in later.
type failure struct {
	reason     string
	retryAfter time.Duration
}

func (f *failure) Error() string { return f.reason }

// post hands in events in their order and answers with a receipt for each.
// waiting is how many wait behind them. Errors are a *refusal or a *failure.
func (h *hub) post(ctx context.Context, events [][]byte, waiting int) ([]json.RawMessage, error) {
	if h.token == "" {
		return nil, &failure{reason: h.noToken}
	}
	body := append([]byte(`{"events":[`), bytes.Join(events, []byte{','})...)
	body = append(body, "]}"...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{reason: err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tocsin-notify")
	req.Header.Set("Tocsin-Spool", strconv.Itoa(waiting))
	// The transport, not a client: a redirect would carry the token elsewhere.
	res, err := h.transport.RoundTrip(req)
	if err != nil {
		return nil, h.unreachable(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, h.unreachable(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, h.judge(res, answer)
	}
	var got struct {
		Receipts []json.RawMessage `json:"receipts"`
	}
	if json.Unmarshal(answer, &got) != nil || len(got.Receipts) != len(events) {
		return nil, &failure{reason: "what answers at " + h.url + " is no Tocsin hub: see TOCSIN_URL"}
	}
	return got.Receipts, nil
}

// judge reads an answer that is not 200.
func (h *hub) judge(res *http.Response, answer []byte) error {
	f := &failure{}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	said, problem := "", strings.TrimSpace(kind) == "application/problem+json"
	if problem {
		said = problemText(answer)
	}
	switch code := res.StatusCode; {
	case problem && (code == http.StatusBadRequest || code == http.StatusRequestEntityTooLarge || code == http.StatusUnprocessableEntity):
		return &refusal{status: code, reason: first(said, res.Status)}
	case code == http.StatusUnauthorized:
		f.reason = "the hub does not take this token for this source (401): leave TOCSIN_SOURCE out or correct it, or put a new token of the source into TOCSIN_TOKEN_FILE"
	case code == http.StatusForbidden:
		f.reason = "the hub takes nothing from this source (403): if it is disabled, enable it in the console under Sources"
	case code == http.StatusNotFound:
		f.reason = "TOCSIN_URL does not lead to Tocsin (404 at " + h.url + "): write its address, without a path"
	case code >= 300 && code < 400:
		f.reason = fmt.Sprintf("the hub answered %d to %s: write that address into TOCSIN_URL", code, short(res.Header.Get("Location")))
	default:
		f.reason = "the hub answered " + res.Status
	}
	if said != "" {
		f.reason += ": " + said
	}
	f.retryAfter = retryAfter(res.Header.Get("Retry-After"))
	return f
}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longestDown/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// problemText is one line of a problem document.
func problemText(answer []byte) string {
	var p struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	if json.Unmarshal(answer, &p) != nil {
		return ""
	}
	out := first(p.Detail, p.Title)
	for i, e := range p.Errors {
		if i == 3 {
			out += " …"
			break
		}
		if e.Message != "" && !strings.Contains(out, e.Message) {
			out += " (" + strings.TrimPrefix(e.Location+": ", ": ") + e.Message + ")"
		}
	}
	out = strings.Join(strings.Fields(out), " ")
	const most = 500
	if r := []rune(out); len(r) > most {
		out = string(r[:most]) + "…"
	}
	return out
}

// unreachable words a network error for people.
func (h *hub) unreachable(ctx context.Context, err error) error {
	u, _ := url.Parse(h.url)
	at := u.Scheme + "://" + u.Host
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return &failure{reason: fmt.Sprintf("no answer from the hub at %s within %s", at, h.wait)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &failure{reason: "no hub runs at " + at + " (connection refused)"}
	case errors.As(err, &dns):
		return &failure{reason: "the hub's name is not known: " + dns.Error()}
	}
	return &failure{reason: fmt.Sprintf("reach the hub at %s: %v", at, err)}
}
