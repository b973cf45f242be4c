package webpush

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/push"
)

// FanoutStore is what publications to many devices need of the storage.
type FanoutStore interface {
	// ClaimPiece claims one piece that is due, for the lease; nil and no error
	// when nothing is.
	ClaimPiece(ctx context.Context, node string, lease time.Duration) (*push.Piece, error)
	// PieceSubscriptions reads the devices of a piece with ids above after, up to
	// limit, ascending.
	PieceSubscriptions(ctx context.Context, p *push.Piece, after string, limit int) ([]push.Subscription, error)
	// AdvancePiece notes a page and moves the piece on, in one transaction, and
	// renews the lease. It answers fault.ErrNotFound when the claim was lost.
	AdvancePiece(ctx context.Context, p *push.Piece, page push.Page, lease time.Duration) error
	// ReleasePiece gives a claimed piece back, so that another node need not wait
	// for the end of the lease.
	ReleasePiece(ctx context.Context, p *push.Piece) error
	// ClaimRetries claims up to limit devices that are due to be tried again,
	// each with its subscription and publication.
	ClaimRetries(ctx context.Context, node string, limit int, lease time.Duration) ([]push.Retry, error)
	// CompleteRetries notes what became of claimed retries.
	CompleteRetries(ctx context.Context, rs []push.RetryResult) error
	// NextPush is when the next piece or retry is due; zero for none.
	NextPush(ctx context.Context) (time.Time, error)
}

// The bounds of a fan-out. In memory are at most Pieces × (Ahead + 1) pages of
// pieces and one of retries: with pages of 500 that is 3,500 devices of about
// 600 bytes and, of those on the wire, their messages of up to 2.7 KB.
const (
	defaultPage   = 500
	defaultPieces = 2 // at the same time, a node
	defaultAhead  = 2 // pages of a piece that are being sent; one more is being read
	// A node that was killed has its pieces taken over after this time; a piece
	// in work renews it at a third of it.
	defaultLease = 20 * time.Second
	defaultPoll  = 2 * time.Second
)

// FanoutOptions are what a Fanout needs besides sender and store. The zero
// value of each is its default.
type FanoutOptions struct {
	Node     string
	BaseURL  string        // where this server is reached: for addresses in messages
	PageSize int           // devices read and noted at once; 500
	Lease    time.Duration // how long a claim holds; renewed by every page; 20 s
	PageTime time.Duration // what is not sent by then is tried again alone; 15 s
	Drain    time.Duration // what the pages in flight get at the end; 5 s
	Poll     time.Duration // the safety net behind Wake; 2 s
	Retry    time.Duration // the wait before the first try again, more or less; it doubles; 5 s
	Pieces   int           // worked at, at the same time; 2
	Ahead    int           // pages of one piece on the wire; 2
	Log      *slog.Logger
	// Working is told when the first piece begins and when none is left: memory
	// may be looked after more closely meanwhile. Nil is told nothing.
	Working func(on bool)
	// Now is the time that ends of publications are measured by; nil is this
	// machine's. On PostgreSQL it should be the database's.
	Now func() time.Time
}

// Fanout sends publications to all who want them. Make one with NewFanout and
// call Run once.
//
// A publication is cut into pieces, ranges of subscription ids. A piece that was
// claimed is read page by page; some pages are on the wire while the next is
// read, and each is noted in one transaction when it and all before it are
// done. So a crash repeats no more than the pages in flight, and memory does
// not grow with the number of devices.
type Fanout struct {
	sender *Sender
	store  FanoutStore
	o      FanoutOptions
	wake   chan struct{}
	slow   slowOrigins
	stats  fanoutFigures
}

// NewFanout makes a Fanout. It does nothing before Run.
func NewFanout(sender *Sender, store FanoutStore, o FanoutOptions) *Fanout {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Lease, defaultLease)
	def(&o.PageTime, 15*time.Second)
	def(&o.Drain, 5*time.Second)
	def(&o.Poll, defaultPoll)
	def(&o.Retry, firstRetry)
	if o.PageSize <= 0 {
		o.PageSize = defaultPage
	}
	if o.Pieces <= 0 {
		o.Pieces = defaultPieces
	}
	if o.Ahead <= 0 {
		o.Ahead = defaultAhead
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Working == nil {
		o.Working = func(bool) {}
	}
	f := &Fanout{sender: sender, store: store, o: o, wake: make(chan struct{}, 1)}
	return f
}

// Wake says that a publication was made or something else may be due.
func (f *Fanout) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, lets the pages in flight finish for Drain, gives
// back what is left, and returns nil.
func (f *Fanout) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, f.o.Pieces)
	for range f.o.Pieces {
		free <- struct{}{}
	}
	// Retries have a loop of their own, so that they wait for no piece.
	again := make(chan struct{}, 1)
	all.Go(func() { f.retries(ctx, again) })
	failures, working := 0, false
	for {
		f.stats.looked()
		claimed, err := f.claim(ctx, free, &all)
		if now := claimed || f.running(0) > 0; now != working {
			working = now
			f.o.Working(working)
		}
		if ctx.Err() != nil {
			return nil
		}
		var wait time.Duration
		switch {
		case err != nil:
			f.stats.failed(err)
			f.o.Log.Error("claim of a publication failed", "error", err)
			failures++
			wait = backoff(failures)
		case claimed:
			failures = 0
			continue
		default:
			failures = 0
			wait = min(f.next(ctx), f.o.Poll)
		}
		select {
		case again <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-time.After(max(wait, 10*time.Millisecond)):
		}
	}
}

// next is how long nothing is due, at most Poll.
func (f *Fanout) next(ctx context.Context) time.Duration {
	at, err := f.store.NextPush(ctx)
	if err != nil || at.IsZero() {
		return f.o.Poll
	}
	// What is due already and was not claimed is in somebody's hands or is a
	// retry; asking again at once would turn the loop hot.
	return max(at.Sub(f.o.Now()), 100*time.Millisecond)
}

// claim takes one piece when there is room for it, and works at it beside the
// others. It answers whether there may be more.
func (f *Fanout) claim(ctx context.Context, free chan struct{}, all *sync.WaitGroup) (bool, error) {
	select {
	case <-free:
	case <-ctx.Done():
		return false, nil
	}
	piece, err := f.store.ClaimPiece(ctx, f.o.Node, f.o.Lease)
	if err != nil || piece == nil {
		free <- struct{}{}
		return false, err
	}
	f.running(1)
	all.Go(func() {
		defer func() { f.running(-1); free <- struct{}{}; f.Wake() }()
		if err := f.piece(ctx, piece); err != nil {
			f.stats.failed(err)
			f.o.Log.Error("part of a publication stopped", "publication_id", piece.Publication.ID, "piece", piece.Number, "error", err)
		}
	})
	return true, nil
}

// running counts pieces being worked at and answers how many there are now.
func (f *Fanout) running(change int) int {
	f.stats.mu.Lock()
	defer f.stats.mu.Unlock()
	f.stats.s.Pieces += change
	return f.stats.s.Pieces
}

// flight is a page on the wire.
type flight struct {
	page push.Page
	done chan struct{} // closed when page is complete
}

// piece works at one piece until its end, or until ctx ends or the claim is
// lost. Losing it is no error: another node goes on.
func (f *Fanout) piece(ctx context.Context, p *push.Piece) error {
	m := f.messages(p.Publication)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// When the program ends, what is on the wire gets a little longer.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(f.o.Drain, stop) })()
	reading, enough := context.WithCancel(ctx)
	defer enough()

	flights := make(chan *flight, f.o.Ahead-1)
	var readError error
	go func() {
		defer close(flights)
		mine := *p // AdvancePiece moves p on meanwhile
		readError = f.read(reading, sending, &mine, m, flights)
	}()
	// The pages that an earlier claim had on the wire may have been sent before.
	doubtful := 0
	if p.Attempt > 1 {
		doubtful = f.o.Ahead
	}
	var failed error
	for fl := range flights {
		if failed != nil {
			<-fl.done // its devices are in use until then
			continue
		}
		if failed = f.await(sending, p, fl); failed != nil {
			enough()
			stop()
			<-fl.done
			continue
		}
		if doubtful > 0 {
			doubtful--
			fl.page.Repeats += fl.page.Sent
		}
		if failed = f.advance(sending, p, fl.page); failed != nil {
			enough()
			stop()
			continue
		}
		f.stats.noted(&fl.page)
	}
	if errors.Is(failed, fault.ErrNotFound) {
		f.stats.lost.Add(1)
		f.o.Log.Info("another node has taken over a part of a publication", "publication_id", p.Publication.ID, "piece", p.Number)
		return nil
	}
	failed = errors.Join(failed, readError)
	if failed == nil && ctx.Err() == nil {
		return nil
	}
	// Given back even as the program ends, or others wait for the lease's end.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.o.Drain)
	defer cancel()
	if err := f.store.ReleasePiece(release, p); err != nil && !errors.Is(err, fault.ErrNotFound) {
		failed = errors.Join(failed, err)
	}
	return failed
}

// read reads the piece's pages and puts each on the wire while it reads the next.
// It ends with the piece's last page, or when ctx ends.
func (f *Fanout) read(ctx, sending context.Context, p *push.Piece, m *messages, flights chan<- *flight) error {
	after := p.Position
	for first := true; ; first = false {
		subs, err := f.store.PieceSubscriptions(ctx, p, after, f.o.PageSize)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if err != nil {
			return err
		}
		if first {
			f.sender.Warm(sending, origins(subs))
		}
		fl := &flight{done: make(chan struct{})}
		if len(subs) < f.o.PageSize {
			fl.page.Last, fl.page.Position = true, p.To
		} else {
			fl.page.Position = subs[len(subs)-1].ID
		}
		after = fl.page.Position
		select {
		case flights <- fl:
		case <-ctx.Done():
			return nil
		}
		f.stats.inFlight.Add(int64(len(subs)))
		go func() {
			defer close(fl.done)
			f.page(sending, m, subs, &fl.page)
			f.stats.inFlight.Add(-int64(len(subs)))
		}()
		if fl.page.Last {
			return nil
		}
	}
}

// await waits for a page. A page that takes long must not cost the lease: it is
// renewed by a page of nothing.
func (f *Fanout) await(ctx context.Context, p *push.Piece, fl *flight) error {
	renew := time.NewTicker(f.o.Lease / 3)
	defer renew.Stop()
	for {
		select {
		case <-fl.done:
			return nil
		case <-renew.C:
			if err := f.advance(ctx, p, push.Page{Position: p.Position}); err != nil {
				return err
			}
		}
	}
}

// advance notes a page. The database may be away for a moment: as long as the
// lease holds it is tried again, since giving up would send the page twice.
func (f *Fanout) advance(ctx context.Context, p *push.Piece, page push.Page) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.o.Lease/2)
	defer cancel()
	for failures := 1; ; failures++ {
		err := f.store.AdvancePiece(ctx, p, page, f.o.Lease)
		if err == nil || errors.Is(err, fault.ErrNotFound) {
			return err
		}
		f.stats.failed(err)
		f.o.Log.Warn("a page of a publication could not be noted yet", "publication_id", p.Publication.ID, "piece", p.Number, "error", err)
		select {
		case <-time.After(backoff(failures)):
		case <-ctx.Done():
			return err
		}
	}
}

// backoff is how long to wait after so many failures of the store in a row.
func backoff(failures int) time.Duration {
	d := min(100*time.Millisecond<<min(failures-1, 10), 10*time.Second)
	return d + rand.N(d/2)
}

// FanoutStats is how a Fanout is doing.
type FanoutStats struct {
	LastLoop    time.Time // its last look for something to do: when it is old, it hangs
	Pieces      int       // being worked at
	InFlight    int       // devices of the pages on the wire
	Sent        int64
	Gone        int64
	Failed      int64
	Expired     int64
	Retried     int64 // given to be tried again
	Repeats     int64 // perhaps sent twice
	Lost        int64 // pieces that another node took over
	LastPage    time.Time
	LastError   string // of the storage, or of a piece that stopped
	LastErrorAt time.Time
}

// Stats answers the figures of this moment.
func (f *Fanout) Stats() FanoutStats {
	f.stats.mu.Lock()
	defer f.stats.mu.Unlock()
	s := f.stats.s
	s.InFlight, s.Lost = int(f.stats.inFlight.Load()), f.stats.lost.Load()
	return s
}

type fanoutFigures struct {
	inFlight, lost atomic.Int64

	mu sync.Mutex
	s  FanoutStats
}

func (f *fanoutFigures) looked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.LastLoop = time.Now()
}

func (f *fanoutFigures) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.LastError, f.s.LastErrorAt = err.Error(), time.Now()
}

func (f *fanoutFigures) noted(p *push.Page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.Sent += int64(p.Sent)
	f.s.Gone += int64(len(p.Gone))
	f.s.Failed += int64(p.Failed)
	f.s.Expired += int64(p.Expired)
	f.s.Retried += int64(len(p.Retry))
	f.s.Repeats += int64(p.Repeats)
	f.s.LastPage = time.Now()
}
