// Package tell tells visitors of public pages by e-mail and by webhook what was
// published, and asks those who subscribed whether they meant it.
//
//	t, err := tell.New(tell.Options{Store: db, Mail: sender.Send, Post: …, Tokens: tokens, Pages: db.StatusPages, BaseURL: …})
//	go t.Run(ctx)
//
// Who is told is in the storage, who wants what says push.Want.Wants; what is said
// is in letter.go and payload.go; sending is Options.Mail's and Options.Post's.
//
// A publication goes to the subscribers of a channel in the order of their ids, so
// many at once (the window). As soon as the first of those under way is done, it
// and all behind it that are done are noted in one transaction. A node that is
// killed leaves at most one window of subscribers who are told twice, with the
// same Message-ID or Webhook-Id.
package tell

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
	"tocsin/internal/visitor"
)

// Store is what telling visitors needs of the storage.
type Store interface {
	ClaimQuestions(ctx context.Context, c visitor.Channel, limit int, lease time.Duration) ([]visitor.Question, error)
	AnswerQuestion(ctx context.Context, a visitor.Answer) error
	ClaimPart(ctx context.Context, c visitor.Channel, node string, lease time.Duration) (*visitor.Part, error)
	PartSubscribers(ctx context.Context, p *visitor.Part, after string, limit int) ([]visitor.Subscriber, error)
	AdvancePart(ctx context.Context, p *visitor.Part, s visitor.Step, lease time.Duration) error
	ReleasePart(ctx context.Context, p *visitor.Part, due time.Time, waits string) error
	ClaimVisitorRetries(ctx context.Context, c visitor.Channel, limit int, lease time.Duration) ([]visitor.Retry, error)
	CompleteVisitorRetry(ctx context.Context, o visitor.Outcome) error
	LaterPublications(ctx context.Context, p *push.Publication) ([]push.Publication, error)
	ToldAnyway(ctx context.Context, s *visitor.Subscriber, p *push.Publication) (bool, error)
	Subscriber(ctx context.Context, id string) (visitor.Subscriber, error)
	NextVisitor(ctx context.Context, c visitor.Channel) (time.Time, error)
}

// Message is what is posted to a webhook.
type Message struct {
	URL, ID string
	Secret  []byte
	Body    []byte
}

// Verdict is what became of a message.
type Verdict int

// The verdicts. Down is about us or the mail server: nobody gets anything.
const (
	Sent Verdict = iota
	Gone         // never again
	Failed
	Later
	Down
)

// Reply is a verdict with its reason.
type Reply struct {
	Verdict Verdict
	Detail  string        // for people; names no address
	After   time.Duration // not before; 0: it says nothing
	Body    []byte        // of a webhook's answer
}

// Text makes what people wrote, which is Markdown, into what others read.
type Text interface {
	HTML(markdown string) template.HTML
	Letter(markdown string) string // plain text
}

// Options are what a Teller needs. What has a default may be left zero.
type Options struct {
	Store   Store
	Mail    func(ctx context.Context, l mail.Letter) mail.Result
	Post    func(ctx context.Context, m Message) Reply
	Tokens  *visitor.Tokens
	Text    Text
	Pages   func(ctx context.Context) ([]status.Page, error)
	BaseURL string
	Node    string
	Log     *slog.Logger
	Now     func() time.Time

	Lease  time.Duration // how long a claim holds; renewed while it is worked at; 60 s
	Poll   time.Duration // the safety net behind Wake; 5 s
	Retry  time.Duration // the wait before the second try, more or less; it doubles; 30 s
	Drain  time.Duration // what is under way gets so long at the end; 5 s
	Window int           // under way at once, of each channel; 8
}

// Bounds of trying. The waits of eight attempts add up to two hours.
const (
	maxAttempts  = 8
	longestWait  = time.Hour
	hookAsked    = 3  // times that a webhook is asked
	mostFailures = 10 // publications in a row; then a webhook is forgotten
	readAtOnce   = 200
)

// Teller tells visitors. Make one with New and call Run once.
type Teller struct {
	o         Options
	languages words.Languages
	letters   *letters
	wakes     []chan struct{}
}

// New makes a Teller; an error is a defect of this program.
func New(o Options) (*Teller, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Lease, time.Minute)
	def(&o.Poll, 5*time.Second)
	def(&o.Retry, 30*time.Second)
	def(&o.Drain, 5*time.Second)
	if o.Window <= 0 {
		o.Window = 8
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	languages, err := words.Load()
	if err != nil {
		return nil, err //nolint:wrapcheck // says which file
	}
	l, err := newLetters()
	if err != nil {
		return nil, err
	}
	t := &Teller{o: o, languages: languages, letters: l}
	for range 3 * len(visitor.Channels()) {
		t.wakes = append(t.wakes, make(chan struct{}, 1))
	}
	return t, nil
}

// Wake says that something may be due. It never blocks.
func (t *Teller) Wake() {
	for _, w := range t.wakes {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Run works until ctx ends, lets what is under way finish for Drain, gives back
// what is left, and returns nil. Questions, publications and retries of each
// channel wait for nothing but their own.
func (t *Teller) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for i, c := range visitor.Channels() {
		for j, work := range []func(context.Context, visitor.Channel) (bool, error){t.questions, t.parts, t.retries} {
			all.Go(func() { t.loop(ctx, c, t.wakes[3*i+j], work) })
		}
	}
	all.Wait()
	return nil
}

// loop does one kind of work as long as there is some.
func (t *Teller) loop(ctx context.Context, c visitor.Channel, wake chan struct{}, work func(context.Context, visitor.Channel) (bool, error)) {
	failures := 0
	for ctx.Err() == nil {
		did, err := work(ctx, c)
		wait := t.o.Poll
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			wait = min(100*time.Millisecond<<min(failures, 10), 10*time.Second)
			t.o.Log.Error("visitors are not told", "channel", string(c), "error", err)
		case did:
			failures = 0
			continue
		default:
			failures = 0
			if at, err := t.o.Store.NextVisitor(ctx, c); err == nil && !at.IsZero() {
				wait = min(wait, max(at.Sub(t.o.Now()), 100*time.Millisecond))
			}
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// wait is how long to leave a subscriber alone after so many attempts.
func (t *Teller) wait(attempt int) time.Duration {
	d := min(t.o.Retry<<min(max(attempt-1, 0), 20), longestWait)
	return d + rand.N(d/5+1)
}

// page answers a page by its id; nil: it is gone.
func (t *Teller) page(ctx context.Context, id string) (*status.Page, error) {
	pages, err := t.o.Pages(ctx)
	if err != nil {
		return nil, err
	}
	for i := range pages {
		if pages[i].ID == id {
			return &pages[i], nil
		}
	}
	return nil, nil
}

// sending is the context of what goes out: when the program ends, it gets a little
// longer.
func (t *Teller) sending(ctx context.Context) (context.Context, func()) {
	out, stop := context.WithCancel(context.WithoutCancel(ctx))
	after := context.AfterFunc(ctx, func() { time.AfterFunc(t.o.Drain, stop) })
	return out, func() { after(); stop() }
}

// questions asks those who subscribed whether they meant it.
func (t *Teller) questions(ctx context.Context, c visitor.Channel) (bool, error) {
	list, err := t.o.Store.ClaimQuestions(ctx, c, t.o.Window, 2*t.o.Lease)
	if err != nil || len(list) == 0 {
		return false, err
	}
	out, stop := t.sending(ctx)
	defer stop()
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { errs[i] = t.o.Store.AnswerQuestion(context.WithoutCancel(ctx), t.ask(out, &list[i])) })
	}
	all.Wait()
	return true, errors.Join(errs...)
}

func (t *Teller) ask(ctx context.Context, q *visitor.Question) visitor.Answer {
	a := visitor.Answer{ID: q.ID, Attempt: q.Attempt}
	again := t.o.Now().Add(t.wait(q.Attempt))
	p, err := t.page(ctx, q.PageID)
	if err != nil || p == nil {
		a.Due = again
		return a
	}
	if q.Channel == visitor.Webhook {
		r := t.challenge(ctx, p, q)
		switch {
		case r.Verdict == Sent:
			a.Confirm = true
		case r.Verdict == Gone:
			a.Gone = r.Detail
		case q.Attempt < hookAsked:
			a.Due = again
		}
		return a
	}
	l, err := t.question(p, q)
	if err != nil {
		t.o.Log.Error("question to a visitor cannot be written", "error", err)
		return a
	}
	switch r := t.o.Mail(ctx, l); {
	case r.Verdict == mail.Refused:
		a.Gone = r.Detail
	case r.Verdict == mail.Down, r.Verdict == mail.Later && q.Attempt < maxAttempts:
		a.Due = again
	}
	return a
}

// tell brings a publication to one subscriber.
func (t *Teller) tell(ctx context.Context, page *status.Page, p *push.Publication, s *visitor.Subscriber) Reply {
	if page == nil {
		return Reply{Verdict: Failed, Detail: "the page is gone"}
	}
	if s.Channel == visitor.Webhook {
		r := t.post(ctx, page, p, s)
		if r.Verdict == Failed && s.Failures+1 >= mostFailures {
			r = Reply{Verdict: Gone, Detail: "so many messages in a row could not be brought there: " + r.Detail}
		}
		return r
	}
	l, err := t.letter(page, p, s)
	if err != nil {
		return Reply{Verdict: Failed, Detail: "it cannot be written as a letter"}
	}
	r := t.o.Mail(ctx, l)
	return Reply{Verdict: map[mail.Verdict]Verdict{mail.Sent: Sent, mail.Refused: Gone, mail.Failed: Failed, mail.Later: Later, mail.Down: Down}[r.Verdict], Detail: r.Detail}
}

// retries tells those again who could not be told.
func (t *Teller) retries(ctx context.Context, c visitor.Channel) (bool, error) {
	list, err := t.o.Store.ClaimVisitorRetries(ctx, c, t.o.Window, 2*t.o.Lease)
	if err != nil || len(list) == 0 {
		return false, err
	}
	out, stop := t.sending(ctx)
	defer stop()
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() {
			o, err := t.again(out, &list[i])
			if err == nil {
				err = t.o.Store.CompleteVisitorRetry(context.WithoutCancel(ctx), o)
			}
			if !errors.Is(err, fault.ErrNotFound) { // else another node had it, or it is gone
				errs[i] = err
			}
		})
	}
	all.Wait()
	return true, errors.Join(errs...)
}

func (t *Teller) again(ctx context.Context, r *visitor.Retry) (visitor.Outcome, error) {
	o := visitor.Outcome{Retry: *r}
	if !t.o.Now().Before(r.Publication.Expires) {
		o.Expired = true
		return o, nil
	}
	// A person who reads late reads what is true now; a program wants all of it.
	if r.Channel == visitor.Email {
		later, err := t.o.Store.LaterPublications(ctx, r.Publication)
		if err != nil {
			return o, err
		}
		for i := range later {
			if r.Subscriber.Want.Wants(&later[i]) {
				o.Expired, o.Detail = true, "later news took its place"
				return o, nil
			}
		}
	}
	page, err := t.page(ctx, r.Publication.PageID)
	if err != nil {
		return o, err
	}
	reply := t.tell(ctx, page, r.Publication, r.Subscriber)
	o.Detail = reply.Detail
	switch {
	case reply.Verdict == Sent:
		o.Sent = true
	case reply.Verdict == Gone:
		o.Gone = reply.Detail
	case reply.Verdict == Failed, reply.Verdict == Later && r.Attempt >= maxAttempts:
		o.Failed = true
		if r.Channel == visitor.Webhook && r.Subscriber.Failures+1 >= mostFailures {
			o.Failed, o.Gone = false, "so many messages in a row could not be brought there: "+reply.Detail
		}
	default:
		o.Due = t.o.Now().Add(max(t.wait(r.Attempt), reply.After))
	}
	return o, nil
}
