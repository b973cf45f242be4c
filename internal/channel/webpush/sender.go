package webpush

import (
	"context"
	"log/slog"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/push"
)

// SenderOptions are what a Sender needs. All but Ready, Subject, Log and Now
// must be given.
type SenderOptions struct {
	Client   Client
	Keys     func(ctx context.Context) ([]push.Key, error) // the current one first, then the retired ones
	Settings func(ctx context.Context) (config.Settings, error)
	// Subject answers how push services reach who runs this; nil: what the
	// settings say. See push.Subject.
	Subject func(s config.Settings) string
	Ready   Ready // nil: nothing is prepared
	Log     *slog.Logger
	Now     func() time.Time
}

// Sender sends messages to many devices at once. Its methods may be called from
// several goroutines at a time.
type Sender struct {
	o SenderOptions
}

// NewSender makes a Sender. It starts nothing by itself.
func NewSender(o SenderOptions) *Sender {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Subject == nil {
		o.Subject = func(s config.Settings) string { return s.PushSubject }
	}
	return &Sender{o: o}
}

// SendAll sends each item and calls done for each once, with its index, from
// several goroutines, also at the same time. It returns when every item has its
// result. When ctx ends, items that are not sent yet have the result Again.
func (s *Sender) SendAll(_ context.Context, items []Item, done func(i int, r Result)) {
	for i := range items {
		done(i, Result{Verdict: Again, Detail: "nothing was sent"})
	}
}

// Warm opens connections to origins, so that the first messages need not wait
// for them. It returns when they stand, or could not be opened.
func (s *Sender) Warm(context.Context, []string) {}

// ServiceState is what a push service does for us since this process began.
type ServiceState struct {
	push.ServiceFigures
	Breaker time.Time // refuses our key: left alone until then; zero: it does not
	Pause   time.Time // asked to be left alone until then, or does not answer; zero: it did not
	Why     string    // of Breaker or Pause, for people, with the mend
}

// Services are the push services that messages were sent to, by their origin.
func (s *Sender) Services() []ServiceState { return nil }

// DrainFigures answers what became of messages since it was last called, for
// the store to add to what it has.
func (s *Sender) DrainFigures() []push.ServiceFigures { return nil }
