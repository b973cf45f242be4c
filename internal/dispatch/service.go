package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/trace"
)

// Options are what a Service needs besides its store. The zero value of each
// is its default.
type Options struct {
	Node     string        // this node's name, for the log
	MaxGroup int           // events in one transaction at most; 512
	Queue    int           // events that may wait; 8192
	Stuck    time.Duration // a commit that takes longer lets nobody in; 4 s
	NewID    func() string
	Settings func(context.Context) (config.Settings, error) // nil: the store's, read in each transaction
	Log      *slog.Logger
	Clock    func() time.Time // nil: the transaction's time
	// Inline commits each request at once and by itself, in the caller's goroutine;
	// Run is not needed then. It is for one caller who steps through time (package
	// simulate), not for a hub.
	Inline bool
	// Committed is told how long each transaction took; nil: nobody. It must not block.
	Committed func(took time.Duration)
	// Tracer: events that are received below a span (trace.From) get one for their
	// commit, and their deliveries are traced below that; what people do about alerts is
	// traced from here on. nil: nothing is.
	Tracer *trace.Tracer
}

// commitTime bounds one transaction, and also the time that the requests of a
// failed group get to be tried one by one. A notification command waits 2 s and
// then spools, so nobody gains from more.
const commitTime = 15 * time.Second

// Service receives events and acknowledgements and commits them in groups.
// Run must be running for anything to be answered.
type Service struct {
	store Store
	o     Options

	gate    sync.RWMutex // held to enqueue; held alone to close
	closed  bool
	queue   chan *request
	aside   chan *request // what nobody waits for who sits at a screen
	waiting atomic.Int64  // events in both

	// Only the committer touches these.
	spare     *work // of Inline
	directory *route.Directory
	version   int64
	ahead     int           // groups of queue since the last of aside
	crowd     int           // callers answered by the last commit, and those that waited at its end
	ended     time.Time     // the end of the last commit
	patience  time.Duration // for how long after it a group waits for as many

	figures figures

	beat   chan struct{}                   // wakes RunHeartbeats
	silent atomic.Pointer[map[string]bool] // sources that are alerted of as silent, as last seen; nil: none
}

// Random numbers are drawn 16 ids at a time instead of with a system call each.
// It holds for all of the program and is no safe thing to change while ids are
// made, so it is said before anything runs.
var _ = drawMany()

func drawMany() bool {
	uuid.EnableRandPool()
	return true
}

// New makes a Service. It does nothing before Run.
func New(st Store, o Options) *Service {
	if o.MaxGroup <= 0 {
		o.MaxGroup = 512
	}
	if o.Queue <= 0 {
		o.Queue = 8192
	}
	if o.Stuck <= 0 {
		o.Stuck = 4 * time.Second
	}
	if o.NewID == nil {
		o.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{store: st, o: o, queue: make(chan *request, o.Queue), aside: make(chan *request, o.Queue), beat: make(chan struct{}, 1)}
}

// request is one call of Receive, or of what is done about one alert.
type request struct {
	sourceID string
	events   []alert.Event
	ack      *ackCall    // instead of events
	snooze   *snoozeCall // instead of events
	act      act         // instead of events
	aside    bool        // an engine is behind it, and no person
	span     *trace.Span // of the commit; nil: not traced
	who      actor       // of what is done about one alert
	does     string      // what a person does, as its trace is called; empty: it has none

	state  atomic.Int32 // waitingState, takenState, leftState
	answer chan answer  // room for one
}

// act is all else that is done about one alert. It answers the alert as it is
// then, or an error that refused knows.
type act func(w *work) (alert.Alert, error)

const (
	waitingState = iota
	takenState   // the committer has it: it will be committed
	leftState    // the caller gave up first: it will be dropped
)

type answer struct {
	receipts []Receipt
	alert    alert.Alert
	until    time.Time
	err      error
}

func (r *request) size() int { return max(1, len(r.events)) }

// alone says whether it wants a transaction of its own: which object it will
// lock is known only after its alert was read, and locks that are not taken in
// order could deadlock with another node.
func (r *request) alone() bool { return r.ack != nil || r.snooze != nil || r.act != nil }

// Receive takes events of one source and answers a receipt for each when all
// of them, and the deliveries that they ask for, are on disk. All or none are
// taken. ErrBusy says that the queue is full. When ctx ends after the committer
// has taken the events, they are committed all the same; sending them again is
// harmless, for calls are taken once.
func (s *Service) Receive(ctx context.Context, sourceID string, events []alert.Event) ([]Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	r := &request{sourceID: sourceID, events: events}
	if s.o.Tracer != nil {
		r.span = trace.From(ctx).Child("commit", trace.Internal, time.Now())
	}
	a, err := s.call(ctx, r)
	return a.receipts, err
}

// call queues r and waits for its answer.
func (s *Service) call(ctx context.Context, r *request) (a answer, err error) {
	if s.o.Inline {
		return s.inline(ctx, r)
	}
	if r.alone() {
		r.who = actorOf(ctx)
	}
	if r.does != "" {
		root := s.o.Tracer.Start(trace.From(ctx).Parent(), r.does, trace.Server, time.Now())
		r.span = root.Child("commit", trace.Internal, time.Now())
		defer func() {
			if err != nil {
				root.Fail("not done") // why is said to who asked
			}
			root.End(time.Now())
		}()
	}
	r.answer = make(chan answer, 1)
	if err := s.enqueue(r); err != nil {
		s.figures.busy.Add(1)
		return answer{}, err
	}
	select {
	case a := <-r.answer:
		return a, a.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waitingState, leftState) {
		return answer{}, fmt.Errorf("waiting for a commit: %w", ctx.Err())
	}
	select {
	case a := <-r.answer: // it was ready as well
		return a, a.err
	default:
		return answer{}, fmt.Errorf("committing, not known to be done: %w", ctx.Err())
	}
}

func (s *Service) enqueue(r *request) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return ErrBusy
	}
	if s.stuck() {
		return ErrStuck
	}
	// A batch that is larger than the whole queue is let in when it is alone.
	n := int64(r.size())
	if now := s.waiting.Add(n); now > int64(s.o.Queue) && now > n {
		s.waiting.Add(-n)
		return ErrBusy
	}
	queue := s.queue
	if r.aside {
		queue = s.aside
	}
	select {
	case queue <- r:
		return nil
	default:
		s.waiting.Add(-n)
		return ErrBusy
	}
}

// stuck says whether the commit that goes on takes for ever. Nobody is let in to
// wait behind it: a database that was paused, or that a network was cut off from,
// would else have thousands waiting for seconds, who are better told to come again.
// A commit takes some milliseconds, and one that waits for a disk under load not a
// second.
func (s *Service) stuck() bool {
	since := s.figures.since.Load()
	return since > 0 && time.Since(time.Unix(0, since)) > s.o.Stuck
}

// Run commits what is received until ctx ends, and then what had been accepted
// by then. After that everything is answered with ErrBusy. Run it once.
func (s *Service) Run(ctx context.Context) error {
	var held *request // taken from the queue, but it did not fit into the group
	for {
		s.engineTurn(context.WithoutCancel(ctx))
		first := held
		if first == nil {
			first = s.first(ctx)
		}
		if first == nil {
			return s.drain(context.WithoutCancel(ctx))
		}
		held = s.commitNext(context.WithoutCancel(ctx), first)
		if !first.aside {
			s.ahead++
		}
	}
}

// mostAhead is after how many groups of events, and of what people do, one of what
// engines have answered gets its turn.
const mostAhead = 4

// engineTurn commits one of what engines have answered, if it is its turn.
func (s *Service) engineTurn(ctx context.Context) {
	if s.ahead < mostAhead {
		return
	}
	select {
	case r := <-s.aside:
		s.commitNext(ctx, r) // it goes alone, so it holds nobody
		s.ahead = 0
	default:
	}
}

// first answers the request that begins the next group, nil when ctx has ended. An
// engine may answer a hundred acknowledgements at once; somebody who takes an alert
// meanwhile is not to wait for all of them.
func (s *Service) first(ctx context.Context) *request {
	select {
	case r := <-s.queue:
		return r
	default:
	}
	select {
	case r := <-s.queue:
		return r
	case r := <-s.aside:
		return r
	case <-ctx.Done():
		return nil
	}
}

// drain commits what is left and lets nothing more in.
func (s *Service) drain(ctx context.Context) error {
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	var held *request
	for {
		first := held
		if first == nil {
			select {
			case first = <-s.queue:
			case first = <-s.aside:
			default:
				return nil
			}
		}
		held = s.commitNext(ctx, first)
	}
}

// commitNext commits first together with what waits behind it, and answers a
// request that was taken from the queue but must go into the next group. What a
// person does goes alone.
func (s *Service) commitNext(ctx context.Context, first *request) (held *request) {
	var group []*request
	events := 0
	for next := first; next != nil; next = s.next(len(group), events) {
		if len(group) > 0 && (next.alone() || group[0].alone() || events+next.size() > s.o.MaxGroup) {
			held = next
			break
		}
		s.waiting.Add(-int64(next.size()))
		if !next.state.CompareAndSwap(waitingState, takenState) {
			continue // its caller has left
		}
		group = append(group, next)
		events += next.size()
		if next.alone() {
			break // there is nobody to wait for
		}
	}
	if len(group) == 0 {
		return held
	}
	begin := time.Now()
	s.commit(ctx, group, events)
	s.ended = time.Now()
	s.crowd = len(group) + len(s.queue)
	s.patience = min(s.ended.Sub(begin), mostPatience)
	return held
}

// mostPatience bounds the waiting for callers who may come again.
const mostPatience = 10 * time.Millisecond

// next answers the next request for a group that has some, nil when it is to be
// committed. Callers that were answered a moment ago are often about to come
// again: the group waits until as many are there as at the end of the last
// commit, at most as long as that took, and only while they keep coming. Without
// that they would split into two crowds, each waiting for the other's commit. A
// lone caller, and one that comes later, waits for nobody.
func (s *Service) next(requests, events int) *request {
	select {
	case r := <-s.queue:
		return r
	default:
	}
	if requests >= s.crowd || events >= s.o.MaxGroup {
		return nil
	}
	left := s.patience - time.Since(s.ended)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(min(left, s.patience/4))
	defer timer.Stop()
	select {
	case r := <-s.queue:
		return r
	case <-timer.C:
		return nil
	}
}

// commit runs a group and answers every request of it. When the group fails,
// each request is tried alone, so that one that cannot be stored does not take
// the others with it.
func (s *Service) commit(ctx context.Context, group []*request, events int) {
	begin := time.Now()
	s.figures.since.Store(begin.UnixNano())
	defer s.figures.since.Store(0)
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	answers, err := s.attempt(ctx, group)
	if err == nil {
		s.committed(begin, group, answers, events)
		for i, r := range group {
			r.answer <- answers[i]
		}
		return
	}
	s.figures.failed(err)
	if len(group) == 1 {
		untraced(group[0])
		group[0].answer <- answer{err: err}
		return
	}
	s.o.Log.Warn("group commit failed, trying each request alone", "node", s.o.Node, "requests", len(group), "error", err)
	for _, r := range group {
		begin := time.Now()
		one := []*request{r}
		answers, err := s.attempt(ctx, one)
		if err != nil {
			s.figures.failed(err)
			untraced(r)
			r.answer <- answer{err: err}
			continue
		}
		s.committed(begin, one, answers, r.size())
		r.answer <- answers[0]
	}
}

// committed counts a transaction that went well.
func (s *Service) committed(begin time.Time, group []*request, answers []answer, events int) {
	took := time.Since(begin)
	s.figures.committed(took, group, answers, events)
	if s.silent.Load() != nil {
		for _, r := range group {
			s.Alive(r.sourceID)
		}
	}
	if s.o.Committed != nil {
		s.o.Committed(took)
	}
	if s.o.Tracer != nil {
		traced(group, answers, events)
	}
}

// attempt is one transaction. A panic in it, which would be a defect of ours,
// costs the requests of this group and not the program.
func (s *Service) attempt(ctx context.Context, group []*request) (answers []answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.o.Log.Error("committing panicked", "node", s.o.Node, "panic", p)
			err = fmt.Errorf("committing: panic: %v", p)
		}
	}()
	err = s.store.Commit(ctx, func(ctx context.Context, tx Tx) error {
		answers = make([]answer, len(group)) // anew, should the store try again
		w, err := s.open(ctx, tx)
		if err != nil {
			return err
		}
		switch r := group[0]; {
		case r.ack != nil:
			answers[0].alert, err = w.acknowledge(*r.ack)
		case r.snooze != nil:
			answers[0].until, answers[0].alert, err = w.snoozeOrEnd(*r.snooze)
		case r.act != nil:
			answers[0].alert, err = r.act(w)
		default:
			err = w.receive(group, answers)
			w.trace(group, answers)
		}
		if refused(err) {
			answers[0].err = err
			return nil
		}
		if err != nil {
			return err
		}
		if group[0].alone() {
			w.who = &group[0].who
			w.traceActs(group[0])
		}
		return w.write()
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// refused says whether err is an answer to the caller rather than a fault.
func refused(err error) bool {
	for _, r := range []error{ErrNotOpen, ErrAckedBefore, ErrNotAcked, ErrNotSnoozed, ErrSnoozeContact,
		ErrAckLength, ErrDowntimeLength, ErrNoComment, ErrNoEngine, fault.ErrNotFound} {
		if errors.Is(err, r) {
			return true
		}
	}
	return false
}
