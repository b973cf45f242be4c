package ping_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/health"
	"tocsin/internal/ping"
)

const secret = "/5f0c-secret-word"

// outside is a service that is pinged.
type outside struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string
	answer int
}

func newOutside(t *testing.T) *outside {
	o := &outside{answer: 200}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.got = append(o.got, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		if o.answer == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(o.answer)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *outside) last(t *testing.T) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.got) == 0 {
		return ""
	}
	return o.got[len(o.got)-1]
}

var well = health.Report{Node: "a", OK: true}

var ill = health.Report{Node: "a", Warnings: []health.Warning{
	{Part: "database", Problem: "The disk is full.", Mend: "Make room.", Vital: true}, {Part: "queue", Problem: "1 delivery could not be delivered.", Mend: "Look there."},
}}

func pinger(report *health.Report, log io.Writer) *ping.Pinger {
	return ping.New(ping.Options{
		Health: func(context.Context) health.Report { return *report }, Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Timeout: 2 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

func TestWhatIsTold(t *testing.T) {
	o := newOutside(t)
	worried := health.Report{Node: "a", Warnings: ill.Warnings[1:]}
	for name, row := range map[string]struct {
		address string
		report  health.Report
		want    string
	}{
		"well":                      {o.URL + secret, well, "GET " + secret},
		"not well":                  {o.URL + secret, ill, "POST " + secret + "/fail Tocsin on a does not do its work:\nThe disk is full. Make room."},
		"with a query":              {o.URL + secret + "?rid=1", ill, "POST " + secret + "/fail?rid=1 Tocsin on a does not do its work:\nThe disk is full. Make room."},
		"a word for it":             {o.URL + secret + "?status={status}", well, "GET " + secret + "?status=up"},
		"a word for it, not well":   {o.URL + secret + "?status={status}", ill, "GET " + secret + "?status=down"},
		"what is not the hub's own": {o.URL + secret, worried, "GET " + secret},
	} {
		t.Run(name, func(t *testing.T) {
			report := row.report
			s := pinger(&report, io.Discard).Ping(t.Context(), row.address)
			if got := o.last(t); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if s.Problem != "" || s.Status != 200 || s.Taken != 1 || s.LastOK.IsZero() || !strings.HasPrefix(s.Host, "127.0.0.1:") {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	o := newOutside(t)
	dead := httptest.NewServer(nil)
	dead.Close()
	for name, row := range map[string]struct {
		address string
		answer  int
		says    string
	}{
		"refused":        {o.URL + secret, 404, "404 Not Found"},
		"sent elsewhere": {o.URL + secret, 302, "302 Found"},
		"nobody there":   {dead.URL + secret, 0, "connection refused"},
		"a private one":  {"http://10.1.2.3" + secret, 0, "TOCSIN_PING_PRIVATE"},
		"this machine":   {"http://localhost" + secret, 0, ""},
		"no such host":   {"http://nobody.invalid" + secret, 0, "resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			o.mu.Lock()
			o.answer = row.answer
			o.mu.Unlock()
			var log bytes.Buffer
			report := well
			p := pinger(&report, &log)
			s := p.Ping(t.Context(), row.address)
			if s.Problem == "" || !strings.Contains(s.Problem, row.says) || s.Failing.IsZero() || s.NotTaken != 1 {
				t.Errorf("%+v", s)
			}
			if all := s.Problem + log.String(); strings.Contains(all, "secret-word") {
				t.Errorf("the address is told: %s", all)
			}
			if log.Len() == 0 {
				t.Error("nothing is logged")
			}
			logged := log.Len()
			if p.Ping(t.Context(), row.address); log.Len() != logged {
				t.Error("it is logged each time")
			}
		})
	}
	if got := o.last(t); strings.Contains(got, "elsewhere") {
		t.Error("it went where it was sent to")
	}
}

func TestOneNodeOfSeveralPings(t *testing.T) {
	o := newOutside(t)
	for name, row := range map[string]struct {
		mine  bool
		err   error
		pings bool
	}{
		"its turn":           {true, nil, true},
		"another's":          {false, nil, false},
		"nobody knows whose": {false, errors.New("the database is away"), true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			asked := make(chan struct{}, 8)
			p := ping.New(ping.Options{
				Where: func(context.Context) (string, time.Duration, error) {
					return o.URL + "/" + strings.ReplaceAll(name, " ", "-"), time.Hour, nil
				},
				Health: func(context.Context) health.Report { return well },
				Turn: func(context.Context, time.Duration) (bool, error) {
					asked <- struct{}{}
					return row.mine, row.err
				},
				Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, First: time.Millisecond,
			})
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			<-asked
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for s := p.State(); s.Taken == 0 && !s.Other; s = p.State() {
				<-tick.C
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if s := p.State(); (s.Taken == 1) != row.pings || s.Other == row.pings {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestWhatLastsAMomentIsNotTold(t *testing.T) {
	t.Parallel()
	down := "POST " + secret + "/fail Tocsin on a does not do its work:\nThe disk is full. Make room."
	for name, row := range map[string]struct {
		reports []health.Report // the last one stays
		want    []string
	}{
		"a moment":        {[]health.Report{ill, well}, []string{"GET " + secret}},
		"it lasts":        {[]health.Report{ill}, []string{down, down}},
		"one and another": {[]health.Report{well, ill, well, ill, well}, []string{"GET " + secret, "GET " + secret, "GET " + secret}},
		"it lasts, later": {[]health.Report{well, ill, ill, well}, []string{"GET " + secret, down, "GET " + secret}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutside(t)
			ctx, cancel := context.WithCancel(t.Context())
			looked := 0
			p := ping.New(ping.Options{
				Where: func(context.Context) (string, time.Duration, error) { return o.URL + secret, time.Millisecond, nil },
				Health: func(context.Context) health.Report {
					looked++
					return row.reports[min(looked, len(row.reports))-1]
				},
				Turn:    func(context.Context, time.Duration) (bool, error) { return true, nil },
				Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, First: time.Millisecond, Again: time.Millisecond,
			})
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for p.State().Taken < int64(len(row.want)) {
				<-tick.C
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			if got := o.got[:len(row.want)]; !slices.Equal(got, row.want) {
				t.Errorf("called %q, want %q", got, row.want)
			}
		})
	}
}
