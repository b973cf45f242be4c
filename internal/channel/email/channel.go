package email

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
)

// Name is the channel's, as rules and deliveries have it.
const Name = "email"

const (
	// maxAttempts is how often a delivery is tried: with ten minutes between, for
	// more than a day. What ends it is its time.
	maxAttempts = 200
	// mostMaybe is how often a letter is sent whole to a server that does not say
	// whether it took it. Each of them may have arrived.
	mostMaybe = 3
	// A server that says "later" means some minutes, most of all a greylist.
	laterWait = time.Minute
	maybeWait = 2 * time.Minute
	// abreast is how many people are written to at the same time.
	abreast = 4
	// wordy is how long looking up a contact and keeping a link may take.
	wordy = 5 * time.Second
)

// Store is what a Channel needs of the storage.
type Store interface {
	// Contact answers whom a letter goes to; fault.ErrNotFound.
	Contact(ctx context.Context, id string) (contact.Contact, error)
	// SaveAckLink keeps the link of a letter until it expires.
	SaveAckLink(ctx context.Context, l mail.AckLink) error
}

// ChannelOptions are what a Channel needs. Zone, Log and Now may be left out.
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
	Zone    *time.Location // of the times in letters; nil: UTC
	Log     *slog.Logger
	Now     func() time.Time
}

// Channel tells contacts by letters: of one alert, or of many together. It is safe
// for use by several goroutines at once.
type Channel struct {
	o    ChannelOptions
	host string // behind the @ of what letters are known by
	page *template.Template
}

// NewChannel makes a Channel.
func NewChannel(o ChannelOptions) (*Channel, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	page, err := template.ParseFS(files, "alert.html")
	if err != nil {
		return nil, fmt.Errorf("read the letter's template: %w", err)
	}
	return &Channel{o: o, host: mail.IDHost(o.BaseURL), page: page}, nil
}

// Name implements channel.Channel.
func (c *Channel) Name() string { return Name }

// MaxAttempts is how often a delivery is tried. A mail server that is away is waited
// for until the delivery's time runs out.
func (c *Channel) MaxAttempts() int { return maxAttempts }

// SendAll implements channel.Channel. What goes to one contact goes in its order.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	byContact, order := map[string][]int{}, []string{}
	for i := range msgs {
		id := msgs[i].ContactID
		if byContact[id] == nil {
			order = append(order, id)
		}
		byContact[id] = append(byContact[id], i)
	}
	var down blocked
	var running sync.WaitGroup
	room := make(chan struct{}, abreast)
	for _, id := range order {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			for _, i := range byContact[id] {
				errs[i] = c.send(ctx, &msgs[i], &down)
			}
		})
	}
	running.Wait()
	return errs
}

// blocked is why nothing gets through to the mail server: nobody waits for it a
// second time.
type blocked struct {
	mu  sync.Mutex
	why string
}

func (b *blocked) get() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

func (b *blocked) set(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
}

func (c *Channel) send(ctx context.Context, m *channel.Message, down *blocked) (err error) {
	defer func() { // one message that cannot be written costs the others nothing
		if p := recover(); p != nil {
			c.o.Log.Error("letter not written", "delivery_id", m.DeliveryID, "panic", p)
			err = fmt.Errorf("the letter cannot be written: %v", p)
		}
	}()
	if m.Quiet {
		return channel.Moot(errors.New("a letter replaces nothing that was read before"))
	}
	if why := down.get(); why != "" {
		return fmt.Errorf("not tried: %s", why)
	}
	if !c.o.On(ctx) {
		if ctx.Err() != nil {
			return errors.New("there was no time left to send it")
		}
		return channel.Moot(errors.New("e-mail is switched off"))
	}
	short, cancel := context.WithTimeout(ctx, wordy)
	defer cancel()
	k, err := c.o.Store.Contact(short, m.ContactID)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return channel.Moot(errors.New("the contact is not there any more"))
	case err != nil:
		return fmt.Errorf("look up contact %s: %w", m.ContactID, err)
	case strings.TrimSpace(k.Email) == "":
		return channel.Moot(errors.New("the contact has no e-mail address any more"))
	}
	to, err := mail.Address(k.Email)
	if err != nil {
		return channel.Permanent(fmt.Errorf("the contact's e-mail address %w: change it under Contacts", err))
	}
	l, err := c.Letter(m, to, c.link(short, m))
	if err != nil {
		return channel.Permanent(err)
	}
	return c.outcome(m, c.o.Send(ctx, l), down)
}

// outcome is what a verdict means for a delivery.
func (c *Channel) outcome(m *channel.Message, r mail.Result, down *blocked) error {
	err := errors.New(r.Detail)
	switch {
	case r.Verdict == mail.Sent:
		return channel.Accepted("the mail server took it")
	case r.Verdict == mail.Refused, r.Verdict == mail.Failed:
		return channel.Permanent(err)
	case r.Verdict == mail.Down:
		down.set(r.Detail)
		return err
	case !r.Maybe:
		return channel.RetryAfter(err, laterWait)
	}
	times := maybes(m.Note) + 1
	if times >= mostMaybe {
		return channel.Permanent(fmt.Errorf("%s; it had all of the letter %d times and never said whether it took it, so it may have arrived", r.Detail, times))
	}
	return channel.Noted(channel.RetryAfter(fmt.Errorf("%s; it had all of the letter, which may arrive", r.Detail), maybeWait), maybeNote+strconv.Itoa(times))
}

// maybeNote begins a delivery's note that says how often its letter may have been
// taken.
const maybeNote = "maybe taken "

func maybes(note string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(note, maybeNote))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Link is where a letter's reader acknowledges.
type Link struct {
	URL   string // empty: the letter has none
	Until time.Time
}

// link makes the link of a letter about one alert that nobody has. Without it a
// letter is still better than no letter.
func (c *Channel) link(ctx context.Context, m *channel.Message) Link {
	if m.Notice != alert.NoticeProblem || m.Digest != nil || m.Alert == nil || m.Alert.Status != alert.Firing {
		return Link{}
	}
	length := c.o.LinkFor(ctx)
	if length <= 0 {
		return Link{}
	}
	may, err := c.o.May(ctx, m.ContactID)
	if err == nil && !may {
		return Link{}
	}
	token, now := mail.NewToken(), c.o.Now()
	until := now.Add(length)
	if err == nil {
		err = c.o.Store.SaveAckLink(ctx, mail.AckLink{Hash: mail.HashToken(token), AlertID: m.Alert.ID, ContactID: m.ContactID, Made: now, Expires: until})
	}
	if err != nil {
		c.o.Log.Warn("letter without a link to acknowledge", "delivery_id", m.DeliveryID, "error", err)
		return Link{}
	}
	return Link{URL: c.o.BaseURL + "/a/" + token, Until: until}
}
