package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tocsin/internal/auth"
	"tocsin/internal/channel/webpush"
	"tocsin/internal/delivery"
)

// metrics are the figures for Prometheus. What the workers count themselves is
// read when somebody asks.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	commits  prometheus.Histogram
	calls    *prometheus.CounterVec
	events   prometheus.Counter

	mu   sync.Mutex
	good map[string]time.Time // hashes of API keys that may read the figures, and when that was known last
}

func newMetrics(a *App) *metrics {
	m := &metrics{
		good:     map[string]time.Time{},
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tocsin_http_request_duration_seconds", Help: "Time to answer, by area; streams left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"area"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tocsin_commit_duration_seconds", Help: "Time that a transaction of the committer took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
		calls:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_ingest_calls_total", Help: "Calls of the events route, by status."}, []string{"status"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_ingest_events_total", Help: "Events that were answered with success, duplicates included."}),
	}
	m.registry.MustRegister(m.requests, m.commits, m.calls, m.events, &figures{a}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) served(area string, d time.Duration) {
	m.requests.WithLabelValues(area).Observe(d.Seconds())
}

func (m *metrics) ingested(status, events int) {
	m.calls.WithLabelValues(strconv.Itoa(status)).Inc()
	if status == http.StatusOK {
		m.events.Add(float64(events))
	}
}

// keyAway is for how long a key that was good is taken while the database cannot be
// asked about it: that is when somebody looks at the figures.
const keyAway = time.Hour

// may says whether a token may read the figures. Its error is the database's.
func (m *metrics) may(ctx context.Context, a *App, token, remote string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	hash, now := auth.Hash(token), time.Now()
	p, err := a.auth.Key(ctx, token, remote)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && p.May(auth.ReadConfig):
		maps.DeleteFunc(m.good, func(_ string, at time.Time) bool { return now.Sub(at) > keyAway })
		m.good[hash] = now
		return true, nil
	case err == nil || errors.Is(err, auth.ErrSignIn):
		delete(m.good, hash)
		return false, nil
	}
	at, known := m.good[hash]
	return known && now.Sub(at) <= keyAway, err
}

// handler serves /metrics to this machine where no proxy is likely, and else
// with an API key of the scope config:read: figures tell much about a company.
func (m *metrics) handler(a *App) http.Handler {
	serve := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	alone := noProxyExpected(a.cfg.BaseURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !alone || !local(r) {
			scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			ok, err := false, error(nil)
			if strings.EqualFold(scheme, "Bearer") {
				ok, err = m.may(r.Context(), a, strings.TrimSpace(token), r.RemoteAddr)
			}
			if !ok && err != nil {
				w.Header().Set("Retry-After", "5")
				http.Error(w, "The database does not answer, so it is not known whether this API key may read the figures.", http.StatusServiceUnavailable)
				return
			}
			if !ok {
				w.Header().Set("WWW-Authenticate", `Bearer realm="Tocsin"`)
				http.Error(w, "/metrics asks for an API key with the scope config:read, unless it is called from this machine, through no proxy, and TOCSIN_BASE_URL is http on localhost.", http.StatusUnauthorized)
				return
			}
		}
		serve.ServeHTTP(w, r)
	})
}

// noProxyExpected says whether browsers come straight to this process: the base
// URL is http at this machine. Elsewhere a proxy probably stands on this
// machine, and what it passes on looks local when it sends no header of its own.
func noProxyExpected(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

// local says whether the request comes from this machine, and not through a
// proxy that says so.
func local(r *http.Request) bool {
	for name := range r.Header {
		switch {
		case name == "Forwarded", name == "Via", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded-"):
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// figures collects what the workers count.
type figures struct{ a *App }

// Describe sends nothing: which deliveries there are is seen when they end.
func (f *figures) Describe(chan<- *prometheus.Desc) {}

// Collect reads the workers' figures.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	count := func(name, help string, v float64, kv ...string) {
		send(out, prometheus.CounterValue, name, help, v, kv...)
	}
	gauge := func(name, help string, v float64, kv ...string) {
		send(out, prometheus.GaugeValue, name, help, v, kv...)
	}

	d := f.a.dispatch.Stats()
	gauge("tocsin_ingest_queue_events", "Events that wait for the committer.", float64(d.Queue))
	count("tocsin_commits_total", "Transactions of the committer.", float64(d.Groups))
	count("tocsin_commit_failures_total", "Transactions of the committer that failed.", float64(d.Failures))
	gauge("tocsin_commit_last_events", "Events in the last transaction.", float64(d.LastGroup))
	gauge("tocsin_commit_largest_events", "Events in the largest transaction.", float64(d.LargestSize))
	count("tocsin_events_total", "Events stored, by what they were.", float64(d.Events), "kind", "new")
	count("tocsin_events_total", "Events stored, by what they were.", float64(d.Duplicates), "kind", "duplicate")
	count("tocsin_events_total", "Events stored, by what they were.", float64(d.Joined), "kind", "joined")
	count("tocsin_acknowledgements_total", "Acknowledgements made or taken back here.", float64(d.Acks))
	count("tocsin_ingest_busy_total", "Calls refused because the queue was full.", float64(d.Refused))
	count("tocsin_deliveries_made_total", "Deliveries made, decisions not to tell included.", float64(d.Deliveries))

	w := f.a.worker.Stats()
	count("tocsin_deliveries_swept_total", "Deliveries whose time ran out before they were tried.", float64(w.Swept))
	for _, ch := range w.Channels {
		// Each is there from the start: Prometheus sees no increase of what begins with 1,
		// and would alert of the second message that is lost, and not of the first.
		for _, state := range []delivery.State{delivery.Sent, delivery.Handed, delivery.Waiting, delivery.Expired, delivery.Cancelled, delivery.Dead} {
			count("tocsin_delivery_attempts_total", "Attempts, by what became of the delivery.", float64(ch.Ended[state]), "channel", ch.Name, "state", string(state))
		}
	}
	h := f.a.hub.Stats()
	count("tocsin_page_requests_total", "Requests for public pages that were answered from memory before all else.", float64(f.a.public.served()))
	gauge("tocsin_live_streams", "Open streams.", float64(h.Streams))
	gauge("tocsin_live_users", "Users with an open stream.", float64(h.Users))
	count("tocsin_live_frames_total", "Frames written to streams.", float64(h.FramesOut))
	count("tocsin_live_dropped_total", "Streams closed because they were too slow.", float64(h.Dropped))

	f.push(count, gauge)
	f.engines(count, gauge)
	f.a.visitors.figures(count, gauge)
	f.a.letters.figures(count)
	f.a.hooks.figures(count)

	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	f.observed(ctx, count, gauge)
	report := f.a.Health(ctx)
	gauge("tocsin_healthy", "1 when System health has no warning.", truth(report.OK))
	warnings := map[string]int{"on-call": 0, "webhooks": 0, "email": 0} // there when all is well, too: alerts are made of them
	for _, w := range report.Warnings {
		part, _, _ := strings.Cut(w.Part, ":") // sources are one
		warnings[part]++
	}
	for part, n := range warnings {
		gauge("tocsin_health_warnings", "Warnings of System health, by the part that is not well.", float64(n), "part", part)
	}
	gauge("tocsin_ready", "1 when fit to take requests.", truth(report.Ready))
	q, err := f.a.db.QueueFigures(ctx)
	if err != nil {
		return
	}
	gauge("tocsin_deliveries_open", "Deliveries that go on, by state.", float64(q.Waiting), "state", "waiting")
	gauge("tocsin_deliveries_open", "Deliveries that go on, by state.", float64(q.Handed), "state", "handed")
	age := 0.0
	if !q.Oldest.IsZero() {
		age = time.Since(q.Oldest).Seconds()
	}
	gauge("tocsin_delivery_oldest_seconds", "Age of the oldest delivery that goes on.", age)
}

// push collects what Web Push did since this process began.
func (f *figures) push(count, gauge func(name, help string, v float64, kv ...string)) {
	p := f.a.push
	now := time.Now()
	states := map[string]int{"open": 0, "paused": 0, "stopped": 0}
	services := p.sender.Services()
	label := serviceLabels(services)
	messages := map[[2]string]int64{}
	for _, s := range services {
		for result, n := range map[string]int64{"accepted": s.Accepted, "gone": s.Gone, "failed": s.Failed, "retried": s.Retried, "refused": s.Refused} {
			messages[[2]string{label(s.Origin), result}] += n
		}
		switch {
		case !s.Breaker.IsZero():
			states["stopped"]++
		case s.Pause.After(now):
			states["paused"]++
		default:
			states["open"]++
		}
	}
	for of, n := range messages {
		count("tocsin_push_messages_total", "Messages to push services, by what they answered.", float64(n), "service", of[0], "result", of[1])
	}
	for state, n := range states {
		gauge("tocsin_push_services", "Push services met; stopped: it refuses our key.", float64(n), "state", state)
	}
	wires := map[string]struct{ conns, active, window int }{}
	for _, s := range p.client.Stats() {
		sum := wires[label(s.Origin)]
		sum.conns, sum.active, sum.window = sum.conns+s.Conns, sum.active+s.Active, sum.window+s.Window
		wires[label(s.Origin)] = sum
	}
	for service, sum := range wires {
		gauge("tocsin_push_connections", "Open connections to push services.", float64(sum.conns), "service", service)
		gauge("tocsin_push_requests", "Requests to push services that are under way.", float64(sum.active), "service", service)
		gauge("tocsin_push_window", "How many requests may be under way at a time.", float64(sum.window), "service", service)
	}
	o := p.fanout.Stats()
	gauge("tocsin_push_pieces", "Pieces of publications being worked at.", float64(o.Pieces))
	gauge("tocsin_push_in_flight", "Devices of the pages on the wire.", float64(o.InFlight))
	for result, n := range map[string]int64{"sent": o.Sent, "gone": o.Gone, "failed": o.Failed, "expired": o.Expired, "retried": o.Retried} {
		count("tocsin_push_visitors_total", "Devices of visitors that publications were for, by what became of it.", float64(n), "result", result)
	}
	count("tocsin_push_repeats_total", "Messages to visitors that were perhaps sent twice, after a crash.", float64(o.Repeats))
	r := p.ready.Stats()
	gauge("tocsin_push_prepared", "Devices that the next message is prepared for.", float64(r.Prepared))
	gauge("tocsin_push_prepared_bytes", "Memory for that, about.", float64(r.Bytes))
	count("tocsin_push_prepared_total", "Messages that were prepared when their time came, and that were not.", float64(r.Used), "used", "yes")
	count("tocsin_push_prepared_total", "Messages that were prepared when their time came, and that were not.", float64(r.Missed), "used", "no")
}

// engines collects what engines were told, and what came from Mattermost, since
// this process began. Its labels are words of this program: kinds and results.
func (f *figures) engines(count, gauge func(name, help string, v float64, kv ...string)) {
	for of, n := range f.a.engines.figures() {
		count("tocsin_writeback_total", "What engines were asked for, by the way of telling them and by what became of the attempt.", float64(n), "kind", of[0], "result", of[1])
	}
	failing, waiting := 0, 0
	for _, s := range f.a.engines.States() {
		waiting += s.Waiting
		if !s.Failing.IsZero() {
			failing++
		}
	}
	gauge("tocsin_writeback_waiting", "What engines have neither confirmed nor refused yet.", float64(waiting))
	gauge("tocsin_writeback_failing", "Sources whose engine cannot be told at present.", float64(failing))
	s := f.a.chat.channel.Stats()
	for kind, results := range map[string]map[string]int64{"action": s.Actions, "dialog": s.Dialogs, "command": s.Commands} {
		for result, n := range results {
			count("tocsin_mattermost_callbacks_total", "What Mattermost called us for, by what became of it.", float64(n), "kind", kind, "result", result)
		}
	}
	trouble := 0
	for _, r := range f.a.chat.channel.States() {
		if r.Problem != "" {
			trouble++
		}
	}
	gauge("tocsin_mattermost_rooms_failing", "Rooms of Mattermost, and direct messages, where posting failed last.", float64(trouble))
}

// mostServiceLabels is how many push services have figures of their own. There
// are about ten; Windows has a name for each region.
const mostServiceLabels = 100

// serviceLabels answers under which name a push service is counted: its own when
// it has taken a message, or has refused our key, else "other". Any visitor can
// make up names below a push service, and each would be series for ever.
func serviceLabels(services []webpush.ServiceState) func(origin string) string {
	known := slices.DeleteFunc(slices.Clone(services), func(s webpush.ServiceState) bool { return s.Accepted+s.Refused == 0 })
	slices.SortFunc(known, func(a, b webpush.ServiceState) int {
		return cmp.Or(cmp.Compare(b.Accepted, a.Accepted), cmp.Compare(a.Origin, b.Origin))
	})
	own := map[string]bool{}
	for _, s := range known[:min(len(known), mostServiceLabels)] {
		own[s.Origin] = true
	}
	return func(origin string) string {
		if own[origin] {
			return origin
		}
		return "other"
	}
}

func send(out chan<- prometheus.Metric, kind prometheus.ValueType, name, help string, v float64, kv ...string) {
	labels := prometheus.Labels{}
	for i := 0; i+1 < len(kv); i += 2 {
		labels[kv[i]] = kv[i+1]
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), kind, v)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
