package writeback

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/source"
)

// engine is one source's, as it is set at the moment, and how it fares.
type engine struct {
	w *Writer

	mu     sync.Mutex
	source source.Source
	proxy  string
	open   source.Engine // nil: its settings are wrong
	wrong  error
	busy   map[string]bool // objects that something is done about
	// held are downtimes that are still to be scheduled, by object and delivery, each
	// until when it is waited for.
	held    map[string]map[string]time.Time
	waiting map[string]time.Time // by delivery: when it was seen last
	lastOK  time.Time
	telling trouble
	reading trouble
	looking bool      // the watch is under way
	ended   time.Time // when it was looked last for downtimes that are over
}

// trouble is since when something does not work, and why.
type trouble struct {
	since   time.Time
	problem error
	pause   time.Time // no call before
	trying  bool      // one call finds out whether it is back
}

// pausing is the error for a command that was not even tried: the engine has just
// kept another one waiting for nothing.
type pausing struct {
	err  error
	left time.Duration
}

func (p *pausing) Error() string { return p.err.Error() }

// atOnce is how soon an engine says no that keeps nobody waiting: it may be about
// this one command, and is no reason to leave others.
const atOnce = time.Second

// longestPause is how long at most an engine is left alone that keeps callers
// waiting.
const longestPause = 30 * time.Second

// refresh takes over the sources as they are now.
func (w *Writer) refresh(ctx context.Context) error {
	sources, version, err := w.read(ctx)
	if err != nil {
		return err
	}
	var proxy *url.URL
	if w.o.Proxy != nil {
		proxy = w.o.Proxy()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if version < w.version {
		return nil // somebody else has read newer ones meanwhile
	}
	w.sources, w.version = sources, version
	told := map[string]bool{}
	for _, s := range sources {
		if s.Disabled || !s.WriteBack.On() {
			continue
		}
		told[s.ID] = true
		e := w.engines[s.ID]
		if e == nil {
			e = &engine{w: w, busy: map[string]bool{}, held: map[string]map[string]time.Time{}, waiting: map[string]time.Time{}}
			w.engines[s.ID] = e
		}
		e.set(s, proxy)
	}
	for id := range w.engines {
		if !told[id] {
			delete(w.engines, id)
		}
	}
	return nil
}

// read answers the sources, and the version that they have at least. They are read
// anew when that has risen.
func (w *Writer) read(ctx context.Context) (list []source.Source, version int64, err error) {
	if w.o.Version != nil {
		version = w.o.Version() // before they are read: what changes meanwhile is read again
		w.mu.Lock()
		list, known := w.sources, w.version
		w.mu.Unlock()
		if version != 0 && known == version {
			return list, version, nil
		}
	}
	list, err = w.o.Store.Sources(ctx)
	return list, version, err
}

// engine is a source's, nil when it is told nothing.
func (w *Writer) engine(sourceID string) *engine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engines[sourceID]
}

// all are the engines in order of the sources' names.
func (w *Writer) all() []*engine {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*engine, 0, len(w.engines))
	for _, e := range w.engines {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *engine) int { return strings.Compare(a.name(), b.name()) })
	return out
}

// set makes the engine anew where its settings have changed.
func (e *engine) set(s source.Source, proxy *url.URL) {
	via := ""
	if proxy != nil {
		via = proxy.String()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	same := (e.open != nil || e.wrong != nil) && e.source.WriteBack == s.WriteBack && e.source.Kind == s.Kind && e.proxy == via
	e.source, e.proxy = s, via
	if same {
		return
	}
	e.open, e.wrong = e.w.make(s, proxy)
	e.telling, e.reading = trouble{}, trouble{}
}

// make makes the engine of a source.
func (w *Writer) make(s source.Source, proxy *url.URL) (source.Engine, error) {
	kind := w.kinds[s.WriteBack.Kind]
	if kind == nil {
		return nil, &source.FieldError{Field: "write_back.kind", Problem: fmt.Sprintf("%q is unknown", s.WriteBack.Kind), Mend: "choose one of those that are offered"}
	}
	if !slices.Contains(kind.For(), s.Kind) {
		return nil, &source.FieldError{Field: "write_back.kind", Problem: fmt.Sprintf("%q does not fit a source of the kind %q", s.WriteBack.Kind, s.Kind), Mend: "choose one of those that are offered"}
	}
	return kind.Open(s.WriteBack, source.EngineOptions{Proxy: proxy, Now: w.o.Now})
}

func (e *engine) name() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.source.Name
}

// confirm is how long a confirmation is waited for.
func (e *engine) confirm() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.source.WriteBack.ConfirmSeconds; s > 0 {
		return time.Duration(s) * time.Second
	}
	return defConfirm
}

// take reserves an object, unless somebody else has it.
func (e *engine) take(object string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[object] {
		return false
	}
	e.busy[object] = true
	return true
}

func (e *engine) give(object string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, object)
}

// holds notes that a downtime is still to be scheduled, and is tried until then.
func (e *engine) holds(object, delivery string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held[object] == nil {
		e.held[object] = map[string]time.Time{}
	}
	e.held[object][delivery] = until
}

// scheduled notes that a downtime was handed over.
func (e *engine) scheduled(object, delivery string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.held[object], delivery)
	if len(e.held[object]) == 0 {
		delete(e.held, object)
	}
}

// scheduling says whether a downtime of the object is still to be scheduled.
func (e *engine) scheduling(object string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for delivery, until := range e.held[object] {
		if now.Before(until) {
			return true
		}
		delete(e.held[object], delivery)
	}
	delete(e.held, object)
	return false
}

// do hands a command over, or says why not yet.
func (e *engine) do(ctx context.Context, c source.Command, now func() time.Time) (source.Reply, error) {
	return e.call(ctx, &e.telling, now, func(ctx context.Context, to source.Engine) (source.Reply, error) { return to.Do(ctx, c) })
}

// check looks what became of a command.
func (e *engine) check(ctx context.Context, c source.Command, now func() time.Time) (source.Reply, error) {
	return e.call(ctx, &e.reading, now, func(ctx context.Context, of source.Engine) (source.Reply, error) { return of.Check(ctx, c) })
}

// call makes one call, unless the engine is left alone at the moment: then the
// error is a *pausing. While it is not known whether an engine is back, one call
// finds out, and the others wait for it.
func (e *engine) call(ctx context.Context, t *trouble, now func() time.Time, f func(context.Context, source.Engine) (source.Reply, error)) (source.Reply, error) {
	e.mu.Lock()
	engine, begun := e.open, now()
	switch left := t.pause.Sub(begun); {
	case e.wrong != nil:
		err := e.wrong
		e.mu.Unlock()
		e.result(t, err, begun, begun)
		return source.Reply{}, err
	case left > 0:
		defer e.mu.Unlock()
		return source.Reply{}, &pausing{t.problem, left}
	case t.problem != nil && t.trying:
		defer e.mu.Unlock()
		return source.Reply{}, &pausing{t.problem, time.Second}
	}
	t.trying = true
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var reply source.Reply
	err := guarded(func() (err error) { reply, err = f(ctx, engine); return err })
	e.result(t, err, begun, now())
	return reply, err
}

// guarded makes a panic an error: what an engine answers comes from outside, and
// must not end the program.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// result notes how a call went. An engine that keeps callers waiting is left
// alone for ten times as long; one that says no at once need not be.
func (e *engine) result(t *trouble, err error, begun, ended time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil || errors.Is(err, source.ErrNotYet) {
		if t.problem != nil {
			e.w.o.Log.Info("engine works again", "source", e.source.Name, "source_id", e.source.ID)
		}
		*t = trouble{}
		e.lastOK = ended
		return
	}
	if t.problem == nil {
		t.since = ended
		e.w.o.Log.Warn("engine cannot be told or read", "source", e.source.Name, "source_id", e.source.ID, "error", err)
	}
	t.problem, t.trying = err, false
	if took := ended.Sub(begun); took >= atOnce {
		t.pause = ended.Add(min(longestPause, 10*took))
	}
}

// waits notes that a delivery is not settled.
func (e *engine) waits(delivery string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting[delivery] = now
}

// settled notes that a delivery has ended.
func (e *engine) settled(delivery string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, delivery)
}

// forgotten is after how long a delivery that was not seen again has ended
// without us: it was cancelled, or another node has it.
const forgotten = 3 * time.Minute

// state is how the engine fares.
func (e *engine) state(now time.Time) State {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, seen := range e.waiting {
		if now.Sub(seen) > forgotten {
			delete(e.waiting, id)
		}
	}
	s := State{SourceID: e.source.ID, Source: e.source.Name, LastOK: e.lastOK, Waiting: len(e.waiting)}
	var problems []string
	for _, t := range []trouble{e.telling, e.reading} {
		if t.problem == nil {
			continue
		}
		if p := t.problem.Error(); !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
		if s.Failing.IsZero() || t.since.Before(s.Failing) {
			s.Failing = t.since
		}
	}
	s.Problem, _, _ = source.Text(strings.Join(problems, "; "), maxWords)
	return s
}

// States are how the engines fare, in order of the sources' names.
func (w *Writer) States() []State {
	now := w.o.Now()
	var out []State
	for _, e := range w.all() {
		out = append(out, e.state(now))
	}
	return out
}

// Probe tries a source's engine with the settings as given, whether they are
// stored or not, and without changing anything: nil when it can be reached and
// lets us in. ErrNoProbe where that cannot be tried; a *source.FieldError where
// the settings are at fault; else the text says the mend.
func (w *Writer) Probe(ctx context.Context, s source.Source) error {
	var proxy *url.URL
	if w.o.Proxy != nil {
		proxy = w.o.Proxy()
	}
	e, err := w.make(s, proxy)
	if err != nil {
		return err
	}
	p, ok := e.(source.Prober)
	if !ok {
		return ErrNoProbe
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callTime)
	defer cancel()
	return p.Probe(ctx)
}
