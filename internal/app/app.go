// Package app puts the rooms together and runs them: it alone knows all.
//
//	err := app.Run(ctx, cfg)
//
// serves until ctx ends. Start does the same and returns once requests are
// taken, for the demo and for tests.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/auth/oidc"
	"tocsin/internal/channel"
	"tocsin/internal/channel/browser"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/live"
	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	"tocsin/internal/source/generic"
	"tocsin/internal/source/grafana"
	"tocsin/internal/source/icinga2"
	"tocsin/internal/source/nagios"
	"tocsin/internal/source/openitcockpit"
	"tocsin/internal/store"
	"tocsin/internal/trace"
	"tocsin/internal/web/api"
	"tocsin/internal/writeback"
)

// Version is set by the linker: -X tocsin/internal/app.Version=v1.2.3.
var Version = "development"

// Options are what Start needs besides the configuration. All may be left zero.
type Options struct {
	Log *slog.Logger
	// ReadTimeout is how long a request may take to arrive as a whole; 30 s.
	ReadTimeout time.Duration
	// AnswerTimeout is how long the answer to a page or a call of the API may
	// take, when the database hangs for instance; 10 s.
	AnswerTimeout time.Duration
	// WriteTimeout is how long the client may take to take an answer; 5 min.
	// Streams, which last, set their own.
	WriteTimeout time.Duration
}

// App is a running Tocsin.
type App struct {
	cfg     config.Config
	log     *slog.Logger
	started time.Time

	db       *store.DB
	auth     *auth.Service
	provider *oidc.Provider // nil: nobody signs in by one
	dispatch *dispatch.Service
	worker   *delivery.Worker
	hub      *live.Hub
	push     *webPush
	chat     *mattermostChat
	engines  *engines
	public   *public
	visitors *visitors
	letters  *letters
	hooks    *hooks
	planning *planning
	tracer   *trace.Tracer // nil: nothing is traced
	ping     *pinger
	channels []channel.Channel
	api      *api.API
	links    *links
	metrics  *metrics
	health   healthCache
	clock    clockWatch
	state    workers

	gate     *gate
	listener net.Listener
	server   *http.Server
	draining atomic.Bool
	failed   chan error // of what must not stop
	stop     func()
	stopped  sync.WaitGroup
}

// Kinds are the kinds of source, in the order in which they are offered.
func Kinds() []source.Kind {
	return []source.Kind{
		nagios.New(), nagios.Naemon(), openitcockpit.New(), icinga2.New(), alertmanager.New(), grafana.New(), generic.New(),
	}
}

// usualGarbage is how much garbage there may be, in percent of what is in use.
const usualGarbage = 300

// garbage keeps memory small while that matters more than the time for it: at
// the start, and while a publication goes out to very many devices, whose pages
// live for long.
type garbage struct {
	mu    sync.Mutex
	tight int // reasons for it
}

// keepSmall adds a reason or takes one back.
func (g *garbage) keepSmall(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if on {
		g.tight++
	} else {
		g.tight--
	}
	switch {
	case os.Getenv("GOGC") != "":
	case g.tight > 0:
		debug.SetGCPercent(100)
		debug.FreeOSMemory() // what starting and ingest have left
	default:
		debug.FreeOSMemory()
		debug.SetGCPercent(usualGarbage)
	}
}

// Run serves until ctx ends, then finishes what was begun.
func Run(ctx context.Context, cfg config.Config) error {
	log := newLog(os.Stderr, cfg)
	a, err := Start(ctx, cfg, Options{Log: log})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop before it had begun
		}
		return err
	}
	// The live heap is some megabytes, and every event leaves some kilobytes of
	// garbage: at Go's own 100 % ingest would mostly collect. What starting left
	// behind is given back before.
	a.push.garbage.keepSmall(false)
	a.greet(ctx)
	select {
	case <-ctx.Done():
		a.drain()
	case err = <-a.failed:
		log.Error("stopping because a part failed", "error", err)
	}
	return errors.Join(err, a.Stop())
}

// Start opens the database, starts the workers and takes requests. ctx bounds
// the starting only; Stop ends it.
func Start(ctx context.Context, cfg config.Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = 30 * time.Second
	}
	if o.AnswerTimeout <= 0 {
		o.AnswerTimeout = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 5 * time.Minute
	}
	a := &App{cfg: cfg, log: o.Log, started: time.Now(), failed: make(chan error, 8)}
	a.clock.read = steady()
	if a.cfg.Node == "" {
		a.cfg.Node = nodeName(cfg.Listen)
	}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	if err := a.open(ctx); err != nil {
		a.gate.close()
		return nil, errors.Join(err, a.listener.Close())
	}
	if err := a.assemble(ctx, o); err != nil {
		a.gate.close()
		return nil, errors.Join(err, a.db.Close(), a.listener.Close())
	}
	a.run()
	a.log.Info("serving", "url", a.cfg.BaseURL, "listen", a.listener.Addr().String(), "database", a.db.Engine(), "node", a.cfg.Node, "version", Version)
	return a, nil
}

// URL is how browsers reach it.
func (a *App) URL() string { return a.cfg.BaseURL }

// Auth answers who somebody is; the demo makes its users with it.
func (a *App) Auth() *auth.Service { return a.auth }

// Store is the open database.
func (a *App) Store() *store.DB { return a.db }

// Hub keeps the streams of open tabs.
func (a *App) Hub() *live.Hub { return a.hub }

func nodeName(listen string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	if _, port, err := net.SplitHostPort(listen); err == nil {
		host += ":" + port
	}
	return host
}

// listen comes first: that a port is taken is the commonest mistake, and
// nothing has been touched then.
func (a *App) listen(ctx context.Context) error {
	if err := a.cfg.CheckPlain(); err != nil {
		return err //nolint:wrapcheck // says which key, and the mend
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program, perhaps another Tocsin: stop it, or choose another address with --listen or TOCSIN_LISTEN", a.cfg.Listen)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on %s: let it (AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit), or choose a port from 1024 on with --listen or TOCSIN_LISTEN, and put a proxy in front", a.cfg.Listen)
	case err != nil:
		return fmt.Errorf("listen on %s (--listen, TOCSIN_LISTEN): %w", a.cfg.Listen, err)
	}
	a.listener = l
	a.cfg.BaseURL = withPort(a.cfg.BaseURL, l) // with port 0 the system chose one
	if a.gate, err = newGate(a.cfg, a.log); err == nil {
		err = a.gate.open(ctx)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

func (a *App) open(ctx context.Context) error {
	if !a.cfg.Postgres() {
		if err := writable(a.cfg.DataDir); err != nil {
			return err
		}
	}
	db, err := a.openOrStandIn(ctx)
	if err != nil {
		if a.cfg.Postgres() {
			return fmt.Errorf("open the database: %w: look at TOCSIN_DATABASE_URL, and whether PostgreSQL runs and lets this user in", err)
		}
		return fmt.Errorf("open the database: %w", err)
	}
	a.db = db
	return nil
}

// writable makes the data folder and says in plain words when it cannot be used.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("the data folder %s cannot be made: %w: make it for this user, or name another one with --data or TOCSIN_DATA", dir, cause(err))
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be written to: %w: give it to this user, or name another one with --data or TOCSIN_DATA", dir, cause(err))
	}
	return errors.Join(probe.Close(), os.Remove(filepath.Clean(probe.Name())))
}

// cause is a file error without the path, which the sentence names already.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (a *App) assemble(ctx context.Context, o Options) error {
	var err error
	a.auth, err = auth.NewService(a.db, a.who(auth.Options{
		Secure:       a.cfg.Secure(),
		SessionEnded: func(s string) { a.hub.CloseSession(s) },
		UserEnded:    func(id string) { a.hub.CloseUser(id) },
		Log:          a.log,
	}))
	if err != nil {
		return err
	}
	a.links = &links{db: a.db}
	a.tracer = newTracer(a)
	a.metrics = newMetrics(a)
	a.hub = live.NewHub(a.db, live.Options{Node: a.cfg.Node, Log: a.log})
	// Set by `make bench`, which measures what a commit for each event costs.
	group, _ := strconv.Atoi(os.Getenv("TOCSIN_TEST_INGEST_GROUP")) // else 0, the default
	a.dispatch = dispatch.New(a.db, dispatch.Options{Node: a.cfg.Node, MaxGroup: group, Log: a.log, Tracer: a.tracer,
		Committed: func(took time.Duration) { a.metrics.commits.Observe(took.Seconds()) }})
	tabs := browser.New(a.db, a.hub, a.db.Settings)
	if a.push, err = newWebPush(ctx, a.db, a.cfg, a.log, a.busy); err != nil {
		return err
	}
	a.chat = newChat(a)
	a.engines = &engines{links: a.links, counts: map[[2]string]int64{}, Writer: writeback.New(writeback.Options{
		Store: a.db, Desk: a.dispatch, Kinds: WriteBacks(), Version: a.db.ConfigVersion, Proxy: a.push.proxy, Log: a.log,
	})}
	if a.visitors, err = newVisitors(ctx, a); err != nil {
		return err
	}
	if a.letters, err = newLetters(a); err != nil {
		return err
	}
	if a.public, err = newPublic(ctx, a); err != nil {
		return err
	}
	a.visitors.at(a.public.site)
	a.gate.site.Store(a.public.site)
	if a.gate.keeper != nil {
		a.db.OnWake("page", a.gate.keeper.Wake)
	}
	a.planning = newPlanning(a)
	a.hooks = newHooks(a)
	a.ping = newPinger(a)
	a.channels = []channel.Channel{tabs, a.push.channel, a.chat.channel, a.engines, a.letters.channel, a.hooks.channel}
	a.worker = delivery.NewWorker(a.db, a.channels, delivery.WorkerOptions{Node: a.cfg.Node, Links: a.links.of, Log: a.log, Sent: a.sent()})

	a.db.OnWake("live", a.hub.Wake)
	for _, c := range a.channels {
		a.db.OnWake("delivery/"+c.Name(), func() { a.worker.WakeChannel(c.Name()) })
	}
	a.db.OnWake("push", a.push.fanout.Wake)
	a.db.OnWake("config", a.engines.Wake)
	a.hub.OnReach(a.worker.Wake)

	a.api = api.New(api.Deps{
		Store: shelf{a.db, a}, Dispatch: ingest{a.dispatch, a}, Streams: a.hub, Auth: a.auth, Kinds: Kinds(),
		WriteBacks: WriteBacks(), Probe: a.engines.probe, TestRoom: a.chat.test,
		Health: a.Health, Pending: a.pending, Test: a.test, Push: a.push.forAPI(), Mail: a.db, TestMail: a.visitors.testMail, TestHook: a.hooks.test,
		Windows: a.planning.windows, Simulator: a.planning.simulator,
		Desk: a.public.desk, Status: a.db, Visitors: a.public.site, BaseURL: a.cfg.BaseURL, Version: Version,
		Log: a.log, Ingested: a.metrics.ingested, Alive: a.alive, Tracer: a.tracer,
	})
	a.server = &http.Server{
		Handler:           a.identified(a.handler(o.AnswerTimeout)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       o.ReadTimeout,
		WriteTimeout:      o.WriteTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// run starts everything that goes on by itself. It stops in the order of the
// data: first no more requests, then what they left behind is committed.
func (a *App) run() {
	edge, stopEdge := context.WithCancel(context.Background()) // watchers and upkeep
	tell, stopTell := context.WithCancel(context.Background()) // what sends
	work, stopWork := context.WithCancel(context.Background()) // committer, hub, clocks
	loop := func(ctx context.Context, name string, f func(context.Context) error) {
		a.stopped.Go(func() {
			err := f(ctx)
			if ctx.Err() == nil {
				if err == nil {
					err = errors.New("it ended by itself")
				}
				a.state.stop(name)
				a.failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	loop(work, "committer", a.dispatch.Run)
	loop(tell, "delivery", a.worker.Run)
	loop(work, "live", a.hub.Run)
	loop(work, "expiry of acknowledgements", a.dispatch.RunExpiry)
	loop(work, "storms", a.dispatch.RunStorms)
	loop(work, "what is held back", a.dispatch.RunHolds)
	loop(work, "escalation", a.dispatch.RunEscalation)
	loop(work, "flapping", a.dispatch.RunFlapping)
	loop(work, "heartbeats", func(ctx context.Context) error { return a.dispatch.RunHeartbeats(ctx, a.db) })
	loop(work, "write-back", a.engines.Run)
	loop(work, "public pages", a.public.site.Run)
	loop(work, "clock of public pages", a.public.desk.RunClock)
	loop(work, "alerts on public pages", a.public.desk.RunAlerts)
	loop(tell, "push", a.push.fanout.Run)
	loop(tell, "telling visitors", a.visitors.teller.Run)
	loop(work, "push preparation", a.push.ready.Run)
	loop(edge, "push figures", a.push.writeFigures)
	changed := make(chan struct{}, 1)
	a.db.OnWake("config", func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	loop(edge, "watch of users", func(ctx context.Context) error { return a.watchUsers(ctx, changed) })
	loop(edge, "watch of sessions", a.watchSessions)
	loop(edge, "watch of health", a.watchHealth)
	loop(edge, "upkeep", a.upkeep)
	loop(edge, "watch of the clock", a.watchClock)
	loop(edge, "ping", a.ping.Run)
	loop(work, "traces", a.tracer.Run)
	loop(edge, "version of the database", a.watchSchema)
	loop(edge, "profiles", a.profiles)
	loop(edge, "windows on status pages", a.planning.run)
	a.public.first(work)
	if a.gate.keeper != nil {
		a.gate.keeper.Use(work, a.db)
	}
	loop(edge, "certificates", a.gate.run)
	// Over TLS net/http answers all, by HTTP/2; the front is for those who stand behind
	// a proxy.
	from := a.gate.over(a.listener)
	if a.gate.holder == nil {
		a.public.front = a.public.site.Front(a.listener)
		from = a.public.front
	}
	a.stopped.Go(func() {
		if err := a.server.Serve(from); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve: %w", err)
		}
	})
	a.stop = func() {
		drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		a.draining.Store(true)
		stopEdge()
		a.gate.close()
		stopTell()         // beside the rest: what is under way gets some seconds, and is given back then
		a.hub.Drain(drain) // streams never end by themselves, and Shutdown would wait for them
		if err := a.server.Shutdown(drain); err != nil {
			a.log.Warn("requests were cut off", "error", err)
			_ = a.server.Close()
		}
		stopWork()
		a.stopped.Wait()
		a.push.close()
		a.visitors.close()
		a.letters.close()
		a.hooks.close()
		if a.provider != nil {
			a.provider.Close()
		}
		a.ping.Close()
	}
}

// Stop takes no more requests, finishes what was begun and closes the database.
func (a *App) Stop() error {
	a.stop()
	if err := a.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	a.log.Info("stopped")
	return nil
}

// busy says whether there is better to do than to prepare messages: events
// come in, or a publication goes out.
func (a *App) busy() bool {
	return a.dispatch.Stats().Queue > 0 || a.push.fanout.Stats().Pieces > 0
}

// greet tells a newcomer what comes next.
func (a *App) greet(ctx context.Context) {
	fmt.Fprintf(os.Stderr, "\n  Tocsin is at %s\n", a.cfg.BaseURL)
	users, err := a.db.Users(ctx)
	if err == nil && len(users) == 0 {
		fmt.Fprint(os.Stderr, "  Nobody can sign in yet. Make a first user, from another terminal in the same folder:\n"+
			"      tocsin user add NAME --role admin\n")
	}
	fmt.Fprintln(os.Stderr)
}
