package webpush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// maxAttempts is how often a delivery is tried: with ten minutes between, for
// more than a day. What ends it is its time.
const maxAttempts = 200

// longestWait is when a delivery comes again although its service is to be left
// alone for longer: somebody may have mended the key or the subject, and to ask
// the Sender costs no request.
const longestWait = 5 * time.Minute

// Channel is the Web Push channel: each message goes to one device.
type Channel struct {
	sender   *Sender
	devices  DeviceStore
	settings settingsFunc
	base     string
	tokens   *push.Tokens
	way      way
}

// New makes the channel. baseURL is this server's address as browsers reach it,
// tokens make what the buttons of a notification act with.
func New(sender *Sender, devices DeviceStore, settings settingsFunc, baseURL string, tokens *push.Tokens) *Channel {
	return &Channel{sender: sender, devices: devices, settings: settings, base: baseURL, tokens: tokens}
}

// Name is "webpush".
func (c *Channel) Name() string { return Name }

// MaxAttempts is how often a delivery is tried. A push service that is away, or
// refuses our key until somebody mends it, is waited for until the delivery's
// time runs out.
func (c *Channel) MaxAttempts() int { return maxAttempts }

// Lanes is how many calls of SendAll there may be at the same time.
func (c *Channel) Lanes() int { return lanes }

// SendAll sends each message to the device that is its Destination. Messages
// about one alert reach a device in their order.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	if len(msgs) == 0 {
		return errs
	}
	all := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	settings, err := c.settings(ctx)
	if err != nil {
		return all(fmt.Errorf("read settings: %w", err))
	}
	if !settings.WebPush {
		return all(channel.Moot(errors.New("not sent: Web Push is switched off under Settings → Notifications")))
	}
	var ids []string
	for i := range msgs {
		if d := msgs[i].Destination; d != "" && !slices.Contains(ids, d) {
			ids = append(ids, d)
		}
	}
	devices, err := c.devices.DevicesByID(ctx, ids)
	if err != nil {
		return all(fmt.Errorf("read devices: %w", err))
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for left := c.letters(msgs, errs, devices, settings); len(left) > 0; {
		free, held, change := c.way.enter(left)
		func() {
			defer c.way.leave(free)
			c.send(ctx, waiting, c.notSilent(free, errs), errs)
		}()
		if left = held; len(free) > 0 || len(held) == 0 {
			continue
		}
		select {
		case <-change:
		case <-waiting.Done():
			for _, l := range held {
				errs[l.index] = channel.RetryAfter(errAfterEarlier, shortestPause)
			}
			return errs
		}
	}
	return errs
}

// letter is a message as it is sent.
type letter struct {
	item  Item
	index int // of the message
	about subject
	turn  int // how many messages about the same go to the device before it
}

// letters makes an item of each message that can be sent, and an error of each
// other.
func (c *Channel) letters(msgs []channel.Message, errs []error, devices map[string]push.Subscription, settings config.Settings) []letter {
	now := c.sender.o.Now()
	turns := map[subject]int{}
	var out []letter
	for i := range msgs {
		m := &msgs[i]
		d, ok := devices[m.Destination]
		switch {
		case m.Destination == "":
			errs[i] = channel.Permanent(errors.New("no device is named that it is for"))
			continue
		case !ok:
			errs[i] = channel.Moot(errors.New("the device has unsubscribed, or was removed"))
			continue
		case d.UserID != m.UserID:
			errs[i] = channel.Moot(errors.New("the device is not this contact’s any more: its user turned Web Push off there, or somebody else signed in"))
			continue
		}
		ttl := time.Duration(settings.PushTTL) * time.Minute
		if !m.ExpiresAt.IsZero() {
			if !now.Before(m.ExpiresAt) {
				errs[i] = channel.Moot(errors.New("its time ran out at " + m.ExpiresAt.UTC().Format(time.RFC3339)))
				continue
			}
			ttl = min(ttl, m.ExpiresAt.Sub(now))
		}
		text, t := messagePayload(m, settings, c.base, c.token(m, now, ttl))
		about := subject{m.Destination, t.Tag}
		out = append(out, letter{index: i, about: about, turn: turns[about], item: Item{
			Sub: &d, Payload: text, Pad: Padded(text), TTL: ttl, Urgency: urgency(m, t, settings), Topic: Topic(t.Tag),
		}})
		turns[about]++
	}
	return out
}

// token is what the buttons of a problem act with, empty for other messages.
func (c *Channel) token(m *channel.Message, now time.Time, ttl time.Duration) string {
	if c.tokens == nil || m.Notice != alert.NoticeProblem || m.Alert == nil || !m.Alert.Open() {
		return ""
	}
	token, err := c.tokens.Make(m.Alert.ID, m.ContactID, now.Add(min(max(ttl, 8*time.Hour), 24*time.Hour)))
	if err != nil {
		// It is shown without buttons then; a click still leads to the alert.
		c.sender.o.Log.Error("making an action token failed", "delivery_id", m.DeliveryID, "error", err)
		return ""
	}
	return token
}

// urgency is what the settings say for the word of the text. A message that
// replaces what is shown need not wake a device up.
func urgency(m *channel.Message, t channel.Text, s config.Settings) push.Urgency {
	if u := push.Urgency(s.PushUrgency[t.Closes]); slices.Contains(push.Urgencies(), u) {
		if m.Quiet && u == push.High {
			return push.Normal
		}
		return u
	}
	if m.Notice == alert.NoticeProblem && !m.Quiet {
		return push.High
	}
	return push.Normal
}

// send sends letters turn by turn, within waiting, and writes down what became
// of them.
func (c *Channel) send(ctx, waiting context.Context, letters []letter, errs []error) {
	results := make([]Result, len(errs))
	for turn := 0; ; turn++ {
		var items []Item
		var index []int
		for i := range letters {
			if letters[i].turn == turn {
				items, index = append(items, letters[i].item), append(index, letters[i].index)
			}
		}
		if len(items) == 0 {
			break
		}
		c.sender.SendAll(waiting, items, func(i int, r Result) { results[index[i]] = r })
	}
	now := c.sender.o.Now()
	var notes []push.Note
	for i := range letters {
		l := &letters[i]
		r := results[l.index]
		errs[l.index] = outcome(r)
		if n, ok := note(l.item.Sub.ID, r, now); ok {
			notes = append(notes, n)
		}
	}
	c.note(ctx, notes)
}

// outcome is what the delivery worker is told.
func outcome(r Result) error {
	err := errors.New(r.Detail)
	switch r.Verdict {
	case Sent:
		return channel.Accepted(r.Detail)
	case Gone:
		return channel.Moot(fmt.Errorf("%w; it was taken off the list of devices", err))
	case Ours, TooLarge:
		return channel.Permanent(err)
	}
	return channel.RetryAfter(err, min(r.After, longestWait))
}

// note is what is kept about the device. What says nothing of it is not: a
// service that is left alone was not asked, and one that is away is no fault of the device.
func note(id string, r Result, now time.Time) (push.Note, bool) {
	n := push.Note{SubscriptionID: id, At: now, OK: r.Verdict == Sent, Gone: r.Verdict == Gone}
	if !n.OK {
		n.Error = r.Detail
	}
	return n, r.Status != 0 || r.Verdict == Ours || r.Verdict == TooLarge
}

func (c *Channel) note(ctx context.Context, notes []push.Note) {
	if len(notes) == 0 {
		return
	}
	// What was sent was sent, also when the time for sending is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.devices.NotePush(ctx, notes); err != nil {
		c.sender.o.Log.Error("noting what became of pushes failed", "count", len(notes), "error", err)
	}
}

// testTTL is how long a test message is kept for a device that is just away.
const testTTL = time.Minute

// SendTest sends a test message to a device and answers what its push service
// said. What it says of the device is noted, too: one that is gone is deleted.
func (c *Channel) SendTest(ctx context.Context, d push.Subscription) Result {
	settings, err := c.settings(ctx)
	if err != nil {
		return Result{Verdict: Again, Detail: fmt.Sprintf("not sent: read settings: %v", err)}
	}
	now := c.sender.o.Now()
	text := testPayload(c.base, now, settings)
	var result Result
	c.sender.SendAll(ctx, []Item{{
		Sub: &d, Payload: text, Pad: Padded(text), TTL: testTTL, Urgency: push.High, Topic: Topic("test"),
	}}, func(_ int, r Result) { result = r })
	if n, ok := note(d.ID, result, now); ok {
		c.note(ctx, []push.Note{n})
	}
	return result
}
