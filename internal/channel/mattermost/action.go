package mattermost

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

// click is what Mattermost sends when somebody clicks: it fills in the user
// itself, and hands back the context that only it and we know.
type click struct {
	UserID    string `json:"user_id"`
	UserName  string `json:"user_name"`
	ChannelID string `json:"channel_id"`
	PostID    string `json:"post_id"`
	TriggerID string `json:"trigger_id"`
	Context   struct {
		buttonContext
		Selected string `json:"selected_option"`
	} `json:"context"`
}

func (k *click) wellFormed() bool {
	return isID(k.UserID) && isID(k.ChannelID) && isID(k.PostID) && len(k.UserName) <= 200 &&
		len(k.Context.Secret) <= 200 && k.Context.Secret != ""
}

// action answers a click. It makes no request of its own but for a dialog, so
// that what was asked for is on its way as soon as it is written down.
func (c *Channel) action(ctx context.Context, r *http.Request, body []byte) any {
	var k click
	if err := json.Unmarshal(body, &k); err != nil || !k.wellFormed() {
		c.refuse(actions, "malformed", "it cannot be read", r)
		return private(saysNotOurs)
	}
	at, why, err := c.authenticate(ctx, &k)
	switch {
	case err != nil:
		c.failed(actions, "read the button", err)
		return private(saysFailed)
	case why != "":
		c.refuse(actions, "forged", why, r)
		return private(saysNotOurs)
	}
	if !c.door.user(k.UserID) {
		c.figures.count(actions, "limited")
		return private(saysMany)
	}
	b := at.Button
	s, err := c.sightOf(ctx, at.Settings)
	if err != nil {
		c.failed(actions, "read the settings", err)
		return private(saysFailed)
	}
	switch {
	case !s.buttons:
		c.figures.count(actions, "off")
		return private(saysOff)
	case !b.Used.IsZero():
		c.figures.count(actions, "replayed")
		return private(saysUsed)
	case !c.o.Now().Before(b.Expires):
		c.figures.count(actions, "expired")
		return private(saysExpired)
	}
	other, removed := otherServer(&at)
	if removed {
		c.figures.count(actions, "off")
		return private(saysRemoved)
	}
	who, says, err := c.actor(ctx, s.settings, k.UserID, k.UserName)
	if err != nil {
		c.failed(actions, "find out who it is", err)
		return private(saysFailed)
	}
	if other {
		who, says = c.stranger(s.settings, &b, &k)
	}
	if says != "" {
		c.figures.count(actions, "refused")
		return private(says)
	}
	return c.act(ctx, s, &b, &k, who)
}

const saysRemoved = "This room was removed in Tocsin, so nothing was done. Please use another post of the alert, `/tocsin`, or the console."

const saysOther = "This channel’s webhook is of another server than Mattermost’s address in Tocsin, so Tocsin cannot know who you are, and nothing was done. " +
	"If it is the same server, its admin enters the webhook’s URL with that address, under API → Mattermost."

// stranger is who clicks at another server. Who they are there is for that server
// to say, and is nobody of ours; and no dialog of ours opens there.
func (c *Channel) stranger(s chat.Settings, b *chat.Button, k *click) (who Actor, says string) {
	if !s.Unlinked || b.Action == chat.AckDialog {
		return who, saysOther
	}
	return unknown(k.UserID, k.UserName), ""
}

// otherServer says whether a room's webhook is of another server than the one that
// is set. Where none is set there is nothing to compare. Where the room was removed
// nobody knows whose it was.
func otherServer(at *chat.Clicked) (other, removed bool) {
	if _, direct := chat.DirectUser(at.Button.Destination); direct || at.Settings.ServerURL == "" {
		return false, false
	}
	if at.Room == nil || at.Room.Kind != chat.Webhook {
		return false, at.Room == nil
	}
	before, _, _ := strings.Cut(at.Room.WebhookURL, "/hooks/")
	return site(before) != site(at.Settings.ServerURL), false
}

// site is what tells servers apart: host, port and path.
func site(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	port := u.Port()
	if port == "80" || port == "443" {
		port = ""
	}
	return strings.ToLower(u.Hostname()) + ":" + port + strings.TrimRight(u.Path, "/")
}

// authenticate finds the button by its secret's hash. why is for the log: people
// are not told which part was wrong.
func (c *Channel) authenticate(ctx context.Context, k *click) (at chat.Clicked, why string, err error) {
	hash := chat.Hash(k.Context.Secret)
	at, err = c.o.Store.Clicked(ctx, hash)
	b, p := &at.Button, at.Post
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return at, "no button has this secret", nil
	case err != nil:
		return at, "", err
	case subtle.ConstantTimeCompare([]byte(b.Hash), []byte(hash)) != 1:
		return at, "no button has this secret", nil
	case b.AlertID != k.Context.Alert:
		return at, "the secret is another alert's", nil
	case b.Action != k.Context.Action:
		return at, "the secret is another action's", nil
	case b.ChannelID != "" && b.ChannelID != k.ChannelID:
		return at, "the secret is another channel's", nil
	case b.PostID != "" && b.PostID != k.PostID:
		return at, "the secret is another post's", nil
	case b.PostID == "" && p != nil && !p.Webhook && p.PostID != "" && p.PostID != k.PostID:
		return at, "the secret is another post's", nil
	}
	return at, "", nil
}

// act does what an authenticated button is for.
func (c *Channel) act(ctx context.Context, s *sight, b *chat.Button, k *click, who Actor) any {
	switch b.Action {
	case chat.AckDialog:
		return c.askForComment(ctx, s, b, k)
	case chat.Snooze:
		return c.snooze(ctx, s, b, k, who)
	case chat.Ack:
		a, err := c.o.Desk.Acknowledge(ctx, b.AlertID, who, "", time.Time{}, nil)
		if err != nil {
			return c.unable(ctx, s, b, k, a, err)
		}
		return c.acted(ctx, s, b, k, a, "You have acknowledged "+named(a)+"."+c.engineHears(ctx, a))
	case chat.Unack:
		a, err := c.o.Desk.Unacknowledge(ctx, b.AlertID, who)
		if err != nil {
			return c.unable(ctx, s, b, k, a, err)
		}
		return c.acted(ctx, s, b, k, a, "You have removed the acknowledgement of "+named(a)+".")
	}
	c.figures.count(actions, "malformed")
	return private(saysNotOurs)
}

func named(a alert.Alert) string { return escapeInline(channel.Cut(a.Object.Name(), 200)) }

// engineHears is " Nagios is being told." where it is.
func (c *Channel) engineHears(ctx context.Context, a alert.Alert) string {
	name := c.o.Desk.EngineName(ctx, a.Object.SourceID)
	if name == "" || a.Ack == nil || a.Ack.Confirmation != alert.Pending {
		return ""
	}
	return " " + escapeInline(name) + " is being told."
}

// acted marks a button as used and answers the post as it is from now on. What
// was done was done, whatever goes wrong here.
func (c *Channel) acted(ctx context.Context, s *sight, b *chat.Button, k *click, a alert.Alert, says string) any {
	c.figures.count(actions, "done")
	ctx, cancel := detached(ctx)
	defer cancel()
	post, row, buttons, err := c.anew(ctx, s, b, k, a)
	if err == nil {
		err = c.o.Store.SaveClick(ctx, row, buttons, b.Hash, k.UserID, c.o.Now())
	}
	if err != nil {
		c.notKept(b, err)
		c.use(ctx, b, k)
		return private(says)
	}
	return actionAnswer{Update: post, Ephemeral: says}
}

// use marks a button as used, for good.
func (c *Channel) use(ctx context.Context, b *chat.Button, k *click) {
	if _, err := c.o.Store.UseButton(ctx, b.Hash, k.UserID, k.ChannelID, k.PostID, c.o.Now()); err != nil {
		c.o.Log.Error("marking a button of mattermost as used failed", "alert_id", b.AlertID, "error", err)
	}
}

// rewrite makes the post anew, and keeps how it looks; nil when it cannot be kept:
// better the old post than one whose buttons nobody knows.
func (c *Channel) rewrite(ctx context.Context, s *sight, b *chat.Button, k *click, a alert.Alert) *edit {
	post, row, buttons, err := c.anew(ctx, s, b, k, a)
	if err == nil {
		err = c.o.Store.SavePosts(ctx, []chat.Post{row}, buttons)
	}
	if err != nil {
		c.notKept(b, err)
		return nil
	}
	return post
}

func (c *Channel) notKept(b *chat.Button, err error) {
	c.o.Log.Error("keeping a post that was clicked in failed", "alert_id", b.AlertID, "error", err)
}

// anew makes the post anew with buttons of its own, and answers what is to be kept
// of both.
func (c *Channel) anew(ctx context.Context, s *sight, b *chat.Button, k *click, a alert.Alert) (*edit, chat.Post, []chat.Button, error) {
	v := c.view(ctx, s, a, a.Object)
	secrets, buttons := c.secrets(&v, b.Destination, k.ChannelID, k.PostID)
	at := v.render(secrets)
	now := c.o.Now()
	row, err := c.o.Store.Post(ctx, b.AlertID, b.Destination)
	if errors.Is(err, fault.ErrNotFound) {
		// A webhook's, of which nothing but the buttons was kept.
		row, err = chat.Post{AlertID: b.AlertID, Destination: b.Destination, Webhook: true, Created: now}, nil
	}
	if err != nil {
		return nil, row, nil, err
	}
	row.ChannelID, row.PostID, row.Hash, row.Updated = k.ChannelID, k.PostID, look(at), now
	return &edit{Props: props{[]attachment{at}, ours{ID: row.Nonce}}}, row, buttons, nil
}

// unable answers why something could not be done. A webhook's post, which nobody
// else can edit, is brought up to date on the occasion; and so is one of an alert
// that is over, should the message about that not have come through. Nothing newer
// can cross it there.
func (c *Channel) unable(ctx context.Context, s *sight, b *chat.Button, k *click, a alert.Alert, err error) any {
	says := c.why(ctx, s, b.AlertID, &a, err)
	if says == "" {
		c.failed(actions, string(b.Action), err)
		return private(saysFailed)
	}
	c.figures.count(actions, "refused")
	answer := private(says)
	if a.ID == "" {
		return answer
	}
	if p, err := c.o.Store.Post(ctx, b.AlertID, b.Destination); err == nil && (p.Webhook || a.Status == alert.Resolved) {
		answer.Update = c.rewrite(ctx, s, b, k, a)
	}
	return answer
}

// why is for people why an alert was not changed, empty for a fault of ours. It
// fills in the alert where the refusal came without one.
func (c *Channel) why(ctx context.Context, s *sight, id string, a *alert.Alert, err error) string {
	switch {
	case errors.Is(err, ErrNotFound):
		return "That alert is not kept any more, so nothing was done."
	case errors.Is(err, ErrBusy):
		return saysBusy
	case !errors.Is(err, ErrNotOpen) && !errors.Is(err, ErrAcked) && !errors.Is(err, ErrNotAcked):
		return ""
	}
	if a.ID == "" {
		now, err := c.o.Desk.Alert(ctx, id)
		if err != nil {
			return "The alert has changed since, so nothing was done."
		}
		*a = now
	}
	switch {
	case errors.Is(err, ErrNotOpen):
		return named(*a) + " has recovered (" + when(a.Resolved, s.zone) + "), so there is nothing left to do."
	case errors.Is(err, ErrNotAcked):
		return named(*a) + " is not acknowledged any more, so nothing was done."
	case a.Ack != nil:
		return named(*a) + " is acknowledged already, by " + escapeInline(author(a.Ack)) + " (" + when(a.Ack.At, s.zone) + "). Nothing was done."
	}
	return named(*a) + " is acknowledged already. Nothing was done."
}

// snooze reserves the button first: unlike an acknowledgement, the alert
// itself would not refuse a second one.
func (c *Channel) snooze(ctx context.Context, s *sight, b *chat.Button, k *click, who Actor) any {
	minutes, err := strconv.Atoi(k.Context.Selected)
	if err != nil || !isSnooze(k.Context.Selected) {
		c.figures.count(actions, "malformed")
		return private("Please choose for how long to snooze it: 30 minutes, 2 hours or 8 hours. Nothing was done.")
	}
	first, err := c.o.Store.ReserveButton(ctx, b.Hash, k.ChannelID, k.PostID, c.o.Now())
	if err != nil {
		c.failed(actions, "reserve the button", err)
		return private(saysFailed)
	}
	if !first {
		c.figures.count(actions, "replayed")
		return private(saysUsed)
	}
	until, err := c.o.Desk.Snooze(ctx, b.AlertID, who, b.Destination, time.Duration(minutes)*time.Minute)
	if err != nil {
		release, cancel := detached(ctx)
		defer cancel()
		if err := c.o.Store.ReleaseButton(release, b.Hash); err != nil {
			c.o.Log.Error("giving back a button of mattermost failed", "alert_id", b.AlertID, "error", err)
		}
		return c.unable(ctx, s, b, k, alert.Alert{}, err)
	}
	whom := "this room hears"
	if who.Linked {
		whom = "this room and you hear"
	}
	says := fmt.Sprintf("Snoozed until %s: %s of it again then, if it is still firing.", when(until, s.zone), whom)
	a, err := c.o.Desk.Alert(ctx, b.AlertID)
	if err != nil {
		c.o.Log.Error("reading an alert that was snoozed failed", "alert_id", b.AlertID, "error", err)
		c.figures.count(actions, "done")
		c.use(ctx, b, k)
		return private(says)
	}
	return c.acted(ctx, s, b, k, a, says)
}

func isSnooze(minutes string) bool {
	for _, o := range snoozes {
		if o.Value == minutes {
			return true
		}
	}
	return false
}
