// Package webpush is the channel to devices with no tab open: it encrypts
// messages for them and hands them to their browsers' push services.
//
// A Sender sends to many devices at once and says of each what became of it;
// alerts go through it by way of Channel, publications by way of Fanout. The
// encryption is in seal, the connections are in wire.
package webpush

import (
	"context"
	"time"

	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// Name is the channel's name, in rules and on deliveries.
const Name = "webpush"

// Item is one message to one device.
type Item struct {
	Sub     *push.Subscription // Endpoint, P256dh, Auth, KeyID and ID are read
	Payload []byte             // as Payload makes it; may be shared between items
	Pad     int                // bytes that the payload is filled up to, see Padded
	TTL     time.Duration      // how long the push service keeps it for a device that is off; 0: now or never
	Urgency push.Urgency
	Topic   string // see Topic; empty: replaces nothing
}

// Verdict is what became of a message.
type Verdict int

// The verdicts. Only Sent and Gone and Ours are final.
const (
	Sent     Verdict = iota // accepted by the push service
	Gone                    // the device has unsubscribed: delete it
	Again                   // it did not work and may later: Result.After, if the service said when
	Paused                  // not sent: its service or device is to be left alone until After has passed
	Ours                    // refused for good; the fault is on our side, the device stays
	TooLarge                // refused for its size, also when shortened; the device stays
)

// Result is what became of one Item.
type Result struct {
	Verdict Verdict
	Status  int           // of the answer; 0 when there was none
	After   time.Duration // when to come again, at the earliest; 0: the caller's back-off
	Detail  string        // for people; names the service, never the device's address
	// Repeat is true when the service may have taken the message although no
	// answer came, so that sending it again may repeat it.
	Repeat bool
}

// Client is what carries requests; *wire.Client is one.
type Client interface {
	Send(ctx context.Context, r *wire.Request) error
	Warm(ctx context.Context, origin string) error
}

// Ready gives out what was prepared for a device's next message.
type Ready interface {
	Take(sub *push.Subscription) (seal.Prepared, bool)
}

// DeviceStore is what the channel needs to know and tell about devices.
type DeviceStore interface {
	DevicesByID(ctx context.Context, ids []string) (map[string]push.Subscription, error)
	NotePush(ctx context.Context, notes []push.Note) error
}

type settingsFunc = func(context.Context) (config.Settings, error)
