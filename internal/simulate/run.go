package simulate

import (
	"errors"
)

// ErrBusy says that as many simulations run already as may.
var ErrBusy = errors.New("another simulation is running; try again in a moment")
