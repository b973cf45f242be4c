package live

import (
	"context"
	"time"
)

// Frame is one entry of the live log.
type Frame struct {
	Seq    int64  // given by the store; ascends in the order of commits, without regard to node
	UserID string // whom it is for; empty: everybody who is signed in
	Kind   string // the event name in the stream: "alert", "notification", …
	Body   string // one JSON object, no newline
	At     time.Time
}

// Log is the live log as the hub reads it. The log is the truth; a wake only
// makes the hub look earlier than its poll would.
type Log interface {
	// LiveAfter answers frames with Seq > after in ascending order, at most
	// limit. With userID given only those for that user and for everybody.
	LiveAfter(ctx context.Context, after int64, userID string, limit int) ([]Frame, error)
	// LiveBounds answers the oldest and newest Seq that are kept, 0 and the
	// last given one if the log is empty.
	LiveBounds(ctx context.Context) (oldest, newest int64, err error)
}
