package writeback

import (
	"context"
	"slices"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

// The times of looking after what stands in engines, and after names.
const (
	firstWatch = time.Minute
	watchEvery = 30 * time.Second
	watchTime  = 20 * time.Second // one reading
	nearEnd    = time.Minute      // an engine that ends an acknowledgement itself may be so early
	namesEvery = 10 * time.Minute
	namesRest  = 2 * time.Second // between two rounds that were asked for
)

// How many acknowledgements, and objects, are looked at in one go.
const (
	watchPage = 500
	namesPage = 500
)

// Run looks after acknowledgements that stand in engines, and after names, until
// ctx ends. Any number of nodes may do so.
func (w *Writer) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { w.watch(ctx) })
	running.Go(func() { w.names(ctx) })
	running.Wait()
	return nil
}

// watch asks the engines every now and then whether the acknowledgements made
// here still stand in them. One that is slow is waited for by nobody.
func (w *Writer) watch(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	missing := &missing{first: map[string]time.Time{}}
	timer := time.NewTimer(firstWatch)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(watchEvery)
		if err := w.refresh(ctx); err != nil {
			if ctx.Err() == nil {
				w.o.Log.Error("reading the sources failed", "error", err)
			}
			continue
		}
		missing.forget(w.o.Now())
		for _, e := range w.all() {
			if p, ok := e.prober(); ok {
				running.Go(func() { w.knock(ctx, e, p) })
			}
			watcher, ok := e.watcher()
			if !ok {
				continue
			}
			running.Go(func() {
				defer e.looked()
				if err := w.watchOne(ctx, e, watcher, missing); err != nil && ctx.Err() == nil {
					w.o.Log.Warn("looking after acknowledgements failed", "source", e.name(), "error", err)
				}
				if err := w.watchDowntimes(ctx, e, watcher, missing); err != nil && ctx.Err() == nil {
					w.o.Log.Warn("looking after downtimes failed", "source", e.name(), "error", err)
				}
			})
		}
	}
}

// prober is an engine that could not be told, or read, and can be tried: nobody may
// ask it for anything for a long time, and it is not to be said to be away for as
// long.
func (e *engine) prober() (source.Prober, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.open.(source.Prober)
	if !ok || e.telling.problem == nil && e.reading.problem == nil || e.telling.trying {
		return nil, false
	}
	e.telling.trying = true
	return p, true
}

// knock tries whether an engine is back, to be told and to be read.
func (w *Writer) knock(ctx context.Context, e *engine, p source.Prober) {
	begun := w.o.Now()
	trying, cancel := context.WithTimeout(ctx, 2*callTime)
	defer cancel()
	err := guarded(func() error { return p.Probe(trying) })
	switch ended := w.o.Now(); {
	case ctx.Err() != nil:
	case err == nil:
		e.result(&e.reading, nil, begun, ended)
		fallthrough
	default:
		e.result(&e.telling, err, begun, ended)
	}
}

// watcher is the engine as one that can be asked, unless it is being asked or
// cannot be.
func (e *engine) watcher() (source.Watcher, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.looking {
		return nil, false
	}
	watcher, ok := e.open.(source.Watcher)
	e.looking = ok
	return watcher, ok
}

func (e *engine) looked() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looking = false
}

// missing are acknowledgements that an engine did not show, by the event that
// they came with, and since when. Once is not enough: what is read may be older
// than what the engine has already told us.
type missing struct {
	mu    sync.Mutex
	first map[string]time.Time
}

func (m *missing) since(eventID string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first[eventID]
}

func (m *missing) note(eventID string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first[eventID].IsZero() {
		m.first[eventID] = now
	}
}

func (m *missing) found(eventID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.first, eventID)
}

// forget drops what was not seen again: its alert is over.
func (m *missing) forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, first := range m.first {
		if now.Sub(first) > time.Hour {
			delete(m.first, id)
		}
	}
}

// watchOne asks one engine about all acknowledgements of its source.
func (w *Writer) watchOne(ctx context.Context, e *engine, watcher source.Watcher, missing *missing) error {
	e.mu.Lock()
	sourceID := e.source.ID
	e.mu.Unlock()
	for after := ""; ; {
		alerts, err := w.o.Store.AckedAlerts(ctx, sourceID, after, watchPage)
		if err != nil || len(alerts) == 0 {
			return err
		}
		after = alerts[len(alerts)-1].ID
		var acked []alert.Alert
		var acks []source.Command
		for _, a := range alerts {
			if a.Ack == nil {
				continue
			}
			if a.Ack.Confirmation == alert.Pending {
				words := e.name() + " was not told: nobody was there to do it within a day"
				if err := w.o.Desk.Answer(ctx, dispatch.Answer{AlertID: a.ID, EventID: a.Ack.EventID, Confirmation: alert.Unconfirmed, Words: words}); err != nil {
					return err
				}
				continue
			}
			c := ackOf(a)
			// After a first miss only what is newer than it counts.
			if since := missing.since(a.Ack.EventID); since.After(c.From) {
				c.From = since
			}
			acked, acks = append(acked, a), append(acks, c)
		}
		if err := w.ask(ctx, e, watcher, acked, acks, missing); err != nil {
			return err
		}
		if len(alerts) < watchPage {
			return nil
		}
	}
}

// ackOf is an acknowledgement as the command that asked for it.
func ackOf(a alert.Alert) source.Command {
	return source.Command{
		EventID: a.Ack.EventID, Verb: source.Acknowledge, Object: a.Object, AlertID: a.ID, Since: a.Since,
		Author: a.Ack.Author, Comment: a.Ack.Comment, Sticky: a.Ack.Sticky, Until: a.Ack.Until, From: a.Ack.At,
	}
}

// ask puts some acknowledgements to an engine, and tells the desk what is new.
func (w *Writer) ask(ctx context.Context, e *engine, watcher source.Watcher, acked []alert.Alert, acks []source.Command, missing *missing) error {
	if len(acks) == 0 {
		return nil
	}
	replies := w.put(ctx, e, watcher, acks)
	for i, a := range acked[:min(len(acked), len(replies))] {
		if err := w.watched(ctx, a, replies[i], missing); err != nil {
			return err
		}
	}
	return nil
}

// put asks an engine about commands. An error is in its state, and is logged when
// it begins.
func (w *Writer) put(ctx context.Context, e *engine, watcher source.Watcher, commands []source.Command) (replies []source.Reply) {
	begun := w.o.Now()
	asking, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	err := guarded(func() (err error) { replies, err = watcher.Watch(asking, commands); return err })
	if ctx.Err() != nil {
		return nil
	}
	e.result(&e.reading, err, begun, w.o.Now())
	return replies
}

// watched tells the desk what an engine says of one acknowledgement.
func (w *Writer) watched(ctx context.Context, a alert.Alert, r source.Reply, missing *missing) error {
	id := a.Ack.EventID
	words, _, _ := source.Text(r.Words, maxWords)
	switch {
	case r.Confirmation == alert.Confirmed:
		missing.found(id)
		if a.Ack.Confirmation == alert.Confirmed {
			return nil
		}
		return w.o.Desk.Answer(ctx, dispatch.Answer{AlertID: a.ID, EventID: id, Confirmation: alert.Confirmed, Words: words})
	case !a.Ack.Until.IsZero() && !w.o.Now().Before(a.Ack.Until.Add(-nearEnd)):
		// It ends anyway, and those who were told hear of that.
	case r.Confirmation == alert.Refused && a.Ack.Confirmation == alert.Confirmed:
		if missing.since(id).IsZero() {
			missing.note(id, w.o.Now())
			return nil
		}
		missing.found(id)
		return w.o.Desk.Gone(ctx, a.ID, id, words, r.Recovered)
	}
	return nil // it cannot be told, or was never there
}

// names gives objects their names for people, where the engine knows them.
func (w *Writer) names(ctx context.Context) {
	for {
		w.nameAll(ctx)
		// What wakes it often wakes it more than once.
		if !sleep(ctx, namesRest, nil) || !sleep(ctx, namesEvery, w.wake) {
			return
		}
	}
}

// sleep waits, unless woken; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

func (w *Writer) nameAll(ctx context.Context) {
	if err := w.refresh(ctx); err != nil {
		if ctx.Err() == nil {
			w.o.Log.Error("reading the sources failed", "error", err)
		}
		return
	}
	var running sync.WaitGroup
	for _, e := range w.all() {
		e.mu.Lock()
		namer, ok := e.open.(source.Namer)
		sourceID := e.source.ID
		e.mu.Unlock()
		if !ok {
			continue
		}
		running.Go(func() {
			if err := w.nameOne(ctx, sourceID, namer); err != nil && ctx.Err() == nil {
				w.o.Log.Warn("looking up names failed", "source", e.name(), "error", err)
			}
		})
	}
	running.Wait()
}

// nameOne asks one engine for the names of its objects that have none, and of those
// that people look at now: names change. The engine remembers them for a while.
func (w *Writer) nameOne(ctx context.Context, sourceID string, namer source.Namer) error {
	objects, err := w.o.Store.UnnamedObjects(ctx, sourceID, namesPage)
	if err != nil {
		return err
	}
	open, err := w.o.Store.OpenObjects(ctx, sourceID, namesPage)
	if err != nil {
		return err
	}
	for _, o := range open {
		if !slices.ContainsFunc(objects, func(has alert.Object) bool { return has.ID == o.ID }) {
			objects = append(objects, o)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	var names map[string]source.Names
	err = guarded(func() (err error) { names, err = namer.Names(asking, objects); return err })
	for _, o := range objects { // what was found counts, also where not all could be asked for
		n, ok := names[o.ID]
		if !ok || n.Host == "" {
			continue
		}
		host, _, _ := source.Line(n.Host, source.MaxName)
		service, _, _ := source.Line(n.Service, source.MaxName)
		if host == o.HostDisplay && service == o.ServiceDisplay {
			continue
		}
		if err := w.o.Desk.Rename(ctx, o.ID, host, service); err != nil {
			return err
		}
	}
	return err
}
