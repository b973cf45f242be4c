package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

const (
	// atOnce is how many destinations one call of SendAll writes to at the same
	// time. Messages to one destination go one after the other.
	atOnce = 8
	// settling is how long after a click its post is left alone: Mattermost writes
	// what the click was answered, and must not write it over something newer.
	settling = 700 * time.Millisecond
	// turnWithin is how long a message waits for an earlier one about the same.
	turnWithin = 10 * time.Second
)

// errLater is the answer for a message whose turn did not come.
var errLater = errors.New("not sent: an earlier message about it is still on its way")

// sight is what a call of SendAll, or a callback, goes by.
type sight struct {
	settings chat.Settings
	rooms    map[string]chat.Room
	buttons  bool // they are switched on, and their key is good
	base     string
	callback string
	zone     *time.Location // of the times that people read
}

// sight reads the settings as they are now.
func (c *Channel) sight(ctx context.Context) (*sight, error) {
	s, err := c.o.Store.ChatSettings(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the settings of Mattermost: %w", err)
	}
	return c.sightOf(ctx, s)
}

func (c *Channel) sightOf(ctx context.Context, s chat.Settings) (*sight, error) {
	var err error
	out := &sight{settings: s, base: strings.TrimRight(c.o.BaseURL, "/"), callback: strings.TrimRight(s.CallbackURL, "/")}
	out.zone = c.zones.get(s.TimeZone)
	if out.callback == "" {
		out.callback = out.base
	}
	if s.Enabled && s.TwoWay && out.callback != "" {
		if out.buttons, err = c.o.Desk.KeyValid(ctx); err != nil {
			return nil, fmt.Errorf("look whether the API key of Mattermost is valid: %w", err)
		}
	}
	return out, nil
}

// withRooms is sight with the rooms that there are.
func (c *Channel) withRooms(ctx context.Context) (*sight, error) {
	s, err := c.sight(ctx)
	if err != nil {
		return nil, err
	}
	list, err := c.o.Store.Rooms(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the rooms of Mattermost: %w", err)
	}
	s.rooms = make(map[string]chat.Room, len(list))
	for _, r := range list {
		s.rooms[r.ID] = r
	}
	return s, nil
}

// view is what the post of an alert shows.
func (c *Channel) view(ctx context.Context, s *sight, a alert.Alert, o alert.Object) view {
	v := view{
		alert: a, object: o, callback: s.callback, buttons: s.buttons, dialog: s.settings.ServerURL != "",
		emoji: !s.settings.NoEmoji && !slices.Contains(a.Marks, alert.MarkNoEmoji), zone: s.zone, now: c.o.Now(),
	}
	if a.ID != "" && s.base != "" {
		v.url = s.base + "/console/alerts/" + a.ID
	}
	if a.Ack != nil {
		v.engine = c.o.Desk.EngineName(ctx, o.SourceID)
	}
	return v
}

// SendAll posts, edits and replies. Messages about one alert reach a room in
// their order; what stands in the way of one room or server holds up no other.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	if len(msgs) == 0 {
		return errs
	}
	s, err := c.withRooms(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && !s.settings.Enabled {
		err = channel.Moot(errors.New("not sent: Mattermost is switched off under API → Mattermost"))
	}
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	tickets := c.queue.Enter(msgs)
	var order []string
	by := map[string][]int{}
	for i := range msgs {
		d := msgs[i].Destination
		if by[d] == nil {
			order = append(order, d)
		}
		by[d] = append(by[d], i)
	}
	var running sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, d := range order {
		running.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			for _, i := range by[d] {
				errs[i] = c.inTurn(ctx, s, &msgs[i], tickets[i])
			}
		})
	}
	running.Wait()
	return errs
}

// inTurn sends a message when no earlier one about the same is on its way.
func (c *Channel) inTurn(ctx context.Context, s *sight, m *channel.Message, t *channel.Ticket) (err error) {
	defer t.Leave()
	defer func() {
		if p := recover(); p != nil {
			c.o.Log.Error("sending to mattermost panicked", "delivery_id", m.DeliveryID, "panic", p)
			err = fmt.Errorf("sending it panicked: %v", p)
		}
	}()
	waiting, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	if t.Wait(waiting) != nil {
		return channel.RetryAfter(errLater, time.Second)
	}
	if err := c.settle(ctx, m); err != nil {
		return channel.RetryAfter(errLater, time.Second)
	}
	d, err := c.destination(s, m.Destination, m.DestinationName)
	if err != nil {
		return err
	}
	began := c.o.Now()
	if err := c.servers.held(&d.server, d.id, began); err != nil {
		return err
	}
	if d.webhook {
		return c.judge(ctx, d, began, c.sendHook(ctx, s, d, m))
	}
	return c.judge(ctx, d, began, c.sendBot(ctx, s, d, m))
}

// settle waits until what a click in the post was answered stands there.
func (c *Channel) settle(ctx context.Context, m *channel.Message) error {
	var last time.Time
	if m.Event.Origin == alert.FromMattermost {
		last = m.Event.Time
	}
	if m.Alert != nil && m.Alert.Ack != nil && m.Alert.Ack.Origin == alert.FromMattermost && m.Alert.Ack.At.After(last) {
		last = m.Alert.Ack.At
	}
	left := last.Add(settling).Sub(c.o.Now())
	if last.IsZero() || left <= 0 || left > settling {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// target is where messages go: a room, or a person.
type target struct {
	key     string // the destination
	id      string // key, and what it is set to: another setting is another room to try
	name    string // for people: "Operations"
	server  server
	webhook bool
	room    chat.Room // zero for a person
	user    string    // of a direct message
}

// destination finds out what a delivery's destination is.
func (c *Channel) destination(s *sight, key, name string) (*target, error) {
	if u, ok := chat.DirectUser(key); ok {
		if s.settings.BotToken == "" || s.settings.ServerURL == "" {
			return nil, channel.Moot(errors.New("not sent: direct messages need the server’s address and a bot’s token, which are not set under API → Mattermost"))
		}
		if name == "" {
			name = "direct message"
		}
		return &target{key: key, id: key, name: name, user: u, server: c.server(s.settings)}, nil
	}
	room, ok := s.rooms[key]
	switch {
	case !ok:
		c.rooms.forget(key)
		return nil, channel.Moot(errors.New("not sent: that room of Mattermost was removed"))
	case room.Disabled:
		c.rooms.forget(key)
		return nil, channel.Moot(fmt.Errorf("not sent: %s is switched off", room.Name))
	}
	return c.roomTarget(s.settings, room)
}

func (c *Channel) roomTarget(s chat.Settings, room chat.Room) (*target, error) {
	d := &target{key: room.ID, name: room.Name, room: room}
	if room.Kind == chat.Webhook {
		u, err := url.Parse(room.WebhookURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, channel.RetryAfter(fmt.Errorf("%s has no webhook URL that is one: enter it anew under API → Mattermost", room.Name), untilMended)
		}
		d.webhook, d.server = true, server{base: u.Scheme + "://" + u.Host}
		d.server.proxy = c.proxy(s)
		d.id = room.ID + chat.Hash(room.WebhookURL+"\x00"+room.Override)
		return d, nil
	}
	if s.BotToken == "" || s.ServerURL == "" {
		return nil, channel.RetryAfter(fmt.Errorf("%s needs the server’s address and a bot’s token: enter them under API → Mattermost", room.Name), untilMended)
	}
	d.server = c.server(s)
	d.id = room.ID + chat.Hash(room.Team+"\x00"+room.Channel)
	return d, nil
}

// server is the one of the settings, as the bot.
func (c *Channel) server(s chat.Settings) server {
	return server{base: strings.TrimRight(s.ServerURL, "/"), token: s.BotToken, proxy: c.proxy(s)}
}

func (c *Channel) proxy(s chat.Settings) *url.URL {
	if !s.UseProxy {
		return nil
	}
	return c.o.Proxy()
}

// judge notes how a message went, and answers what its delivery is told. It is noted for
// when the message began: of two under way at once, the answer to the older one may be
// read last, and must not hide what has befallen the room since.
func (c *Channel) judge(ctx context.Context, d *target, began time.Time, err error) error {
	var sent *channel.SendError
	if err == nil || errors.As(err, &sent) {
		if err == nil || sent.Accepted {
			c.note(ctx, d, "", began)
		}
		return err
	}
	var away *awayError
	var answered *answerError
	if ctx.Err() != nil || !errors.As(err, &away) && !errors.As(err, &answered) {
		return err // our own: the store, or the end of our time
	}
	at := d.name
	if d.room.Team != "" {
		at += " (" + d.room.Team + "/" + d.room.Channel + ")"
	}
	t := diagnose(err, d.server.host(), at, d.webhook)
	c.servers.pause(&d.server, d.id, t, c.o.Now())
	c.note(ctx, d, t.words, began)
	return t.result()
}

func (c *Channel) note(ctx context.Context, d *target, problem string, now time.Time) {
	c.rooms.note(d.key, d.name, problem, now)
	if d.room.ID == "" {
		return
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := c.o.Store.NoteRoom(ctx, d.room.ID, now, problem); err != nil && !errors.Is(err, fault.ErrNotFound) {
		c.o.Log.Error("noting how posting to mattermost went failed", "room", d.name, "error", err)
	}
}
