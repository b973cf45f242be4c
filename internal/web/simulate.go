package web

import (
	"context"

	"tocsin/internal/simulate"
)

// Simulator tries events against what is set now, and tells nobody. What cannot be
// tried is answered with a *simulate.Error, which names line, field and mend;
// simulate.ErrBusy where others are at it.
type Simulator interface {
	Simulate(ctx context.Context, r simulate.Request) (simulate.Result, error)
}

// MaxSimulation is how many bytes of events the HTTP edge takes.
const MaxSimulation = 4 << 20
