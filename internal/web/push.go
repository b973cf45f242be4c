package web

import (
	"time"

	"tocsin/internal/push"
)

// PushTest is what became of a test.
type PushTest struct {
	Accepted bool
	Status   int    // of the push service; 0 when it did not answer
	Detail   string // which step failed and the mend; or that it was accepted
}

// PushService is a push service, with what it did and how it stands now.
type PushService struct {
	push.ServiceFigures
	State string    // "open", "paused" (it asked for a pause), "stopped" (it refuses our key)
	Until time.Time // when it is tried again; zero when State is "open"
	Why   string    // of the pause or the stop
}
