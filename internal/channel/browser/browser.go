// Package browser is the channel to open tabs: it appends each message as a
// frame to the live log, from which the tab's stream reads it. The tab shows a
// desktop notification and sends a receipt, which ends the delivery; without a
// receipt it is sent again.
//
// Only users with an open tab can be reached. Deliveries to others wait
// unclaimed until one opens, or their time runs out.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/live"
)

// Name is the channel's name, in rules and on deliveries.
const Name = "browser"

// FrameKind is the kind of the live frames that carry notifications.
const FrameKind = "notification"

// receiptWithin is how long a tab gets to say that it has shown a message.
// A tab in the background may be slowed down by its browser to one step a
// second, a laptop takes some seconds to wake up.
const receiptWithin = 20 * time.Second

// Log is the live log as this channel writes it.
type Log interface {
	AppendLive(ctx context.Context, frames []live.Frame) error
}

// Reach knows who has a tab open.
type Reach interface {
	ReachableUsers() []string
}

// Channel is the browser channel.
type Channel struct {
	frames   Log
	reach    Reach
	settings func(context.Context) (config.Settings, error)
}

// New makes the channel. settings says how long notifications stay.
func New(frames Log, reach Reach, settings func(context.Context) (config.Settings, error)) *Channel {
	return &Channel{frames: frames, reach: reach, settings: settings}
}

// Name is "browser".
func (c *Channel) Name() string { return Name }

// ReachableUsers are those with a tab open at this node.
func (c *Channel) ReachableUsers() []string { return c.reach.ReachableUsers() }

// SendAll appends a frame for each message, all at once. What went well is
// answered with channel.Handed: the receipt is still to come.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	settings, err := c.settings(ctx)
	if err != nil {
		err = fmt.Errorf("read settings: %w", err)
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	frames := make([]live.Frame, 0, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		if m.UserID == "" {
			errs[i] = channel.Permanent(errors.New("no user is linked to the contact, so there is no browser to reach"))
			continue
		}
		body, err := json.Marshal(Frame(m, settings))
		if err != nil {
			errs[i] = channel.Permanent(fmt.Errorf("write the notification: %w", err))
			continue
		}
		frames = append(frames, live.Frame{UserID: m.UserID, Kind: FrameKind, Body: string(body)})
	}
	if len(frames) == 0 {
		return errs
	}
	err = c.frames.AppendLive(ctx, frames)
	for i := range errs {
		switch {
		case errs[i] != nil:
		case err != nil:
			errs[i] = fmt.Errorf("append to the live log: %w", err)
		default:
			errs[i] = channel.Handed("handed to the open tabs of "+msgs[i].Contact, receiptWithin)
		}
	}
	return errs
}
