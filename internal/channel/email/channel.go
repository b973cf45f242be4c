package email

import (
	"context"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/contact"
	"tocsin/internal/mail"
)

// Name is this channel's, as rules and deliveries have it.
const Name = "email"

// Store is what a Channel needs of the storage.
type Store interface {
	// Contact answers whom a letter goes to; fault.ErrNotFound.
	Contact(ctx context.Context, id string) (contact.Contact, error)
	// SaveAckLink keeps the link of a letter until it expires.
	SaveAckLink(ctx context.Context, l mail.AckLink) error
}

// ChannelOptions are what a Channel needs. Log and Now may be left out.
type ChannelOptions struct {
	Store Store
	// Send brings one letter to the mail server.
	Send func(ctx context.Context, l mail.Letter) mail.Result
	// On says whether e-mail is switched on.
	On func(ctx context.Context) bool
	// LinkFor is for how long a link acknowledges; 0: letters have none.
	LinkFor func(ctx context.Context) time.Duration
	// May says whether a contact may acknowledge.
	May func(ctx context.Context, contactID string) (bool, error)
	// BaseURL is how people reach the hub, without a slash at the end.
	BaseURL string
	Now     func() time.Time
}

// Channel tells contacts by letters: of one alert, or of many together.
type Channel struct{ o ChannelOptions }

// NewChannel makes a Channel.
func NewChannel(o ChannelOptions) *Channel {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Channel{o: o}
}

// Name implements channel.Channel.
func (c *Channel) Name() string { return Name }

// SendAll implements channel.Channel.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	return nil
}
