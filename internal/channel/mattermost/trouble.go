package mattermost

import (
	"context"
	"time"

	"tocsin/internal/chat"
)

// RoomState is how posting into a room goes, for System health.
type RoomState struct {
	Room    string // id; for direct messages chat.Direct
	Name    string
	LastOK  time.Time // of the last message that Mattermost took from here; zero: none yet
	Since   time.Time // since when there is a problem; zero: there is none
	Problem string    // with what mends it
}

// States answers the rooms that were written to since the channel was made, in
// order of name.
func (c *Channel) States() []RoomState { return c.rooms.states() }

// Test posts a test message into a room. detail says what Mattermost answered;
// err is about what stands in the way, with what mends it.
func (c *Channel) Test(ctx context.Context, room chat.Room) (detail string, err error) {
	return "", nil
}

// Check answers what a bot's token can see of a server, without changing anything.
func (c *Channel) Check(ctx context.Context, settings chat.Settings) (Seen, error) {
	return Seen{}, nil
}
