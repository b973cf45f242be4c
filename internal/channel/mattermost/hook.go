package mattermost

import (
	"context"
	"errors"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

// hookPost is what an incoming webhook takes. It answers nothing but that it did,
// not even the id of the post.
type hookPost struct {
	Channel     string       `json:"channel,omitempty"`
	Attachments []attachment `json:"attachments"`
	Props       hookProps    `json:"props"`
}

type hookProps struct {
	Tocsin ours `json:"tocsin"`
}

// sendHook posts a message by an incoming webhook: each notice anew. What only
// brings a post up to date is left out, for there is no way to; but that an engine
// refused an acknowledgement, or does not show it, is worth a post.
func (c *Channel) sendHook(ctx context.Context, s *sight, d *target, m *channel.Message) error {
	var a alert.Alert
	if m.Alert != nil {
		a = *m.Alert
	}
	v := c.view(ctx, s, a, m.Object)
	if m.Quiet && !bad(m) {
		return channel.Accepted("nothing to send: what a webhook has posted cannot be edited")
	}
	payload := hookPost{Channel: d.room.Override, Props: hookProps{ours{ID: m.DeliveryID}}}
	if m.Alert == nil {
		payload.Attachments = []attachment{v.loose(m)}
		if m.Digest != nil {
			storm := stormView{digest: m.Digest, base: s.base, emoji: v.emoji, zone: s.zone}
			payload.Attachments = []attachment{storm.render()}
		}
		if err := c.client.hook(ctx, &d.server, d.room.WebhookURL, payload); err != nil {
			return err
		}
		return channel.Accepted("posted in " + d.name)
	}
	before, err := c.o.Store.Post(ctx, a.ID, d.key)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return fmt.Errorf("read what was posted before: %w", err)
	}
	secrets, buttons := c.secrets(&v, d.key, "", "")
	at := v.render(secrets)
	hash := look(at)
	if m.Notice == alert.NoticeAck && before.PostID != "" && before.Hash == hash && !bad(m) {
		return channel.Accepted("the post in " + d.name + " says so since somebody clicked in it")
	}
	if m.Notice != alert.NoticeProblem && m.Notice != alert.NoticeRecovery {
		// The attachment says how things stand; what happened stands in front of it.
		if words := v.reply(m); words != "" {
			at.Text = words
			hash = look(at)
		}
	}
	if m.Duty != "" {
		at.Fields = append(at.Fields, field{Title: "Escalation", Value: escape(channel.Cut(m.Duty, fullLimits.words))})
	}
	payload.Attachments = []attachment{at}
	now := c.o.Now()
	row := chat.Post{
		AlertID: a.ID, Destination: d.key, Webhook: true, Nonce: m.DeliveryID, Tried: now, Hash: hash,
		LastEvent: m.Event.ID, Created: now, Updated: now,
	}
	// The buttons are known before anybody can click them.
	if err := c.o.Store.SavePosts(ctx, []chat.Post{row}, buttons); err != nil {
		return fmt.Errorf("keep what is posted: %w", err)
	}
	if err := c.client.hook(ctx, &d.server, d.room.WebhookURL, payload); err != nil {
		return err
	}
	return channel.Accepted("posted in " + d.name)
}

// bad says whether a message is about an engine that refused an acknowledgement,
// or does not show it.
func bad(m *channel.Message) bool {
	return m.Event.Type == alert.EngineReply && (m.Event.Reply == alert.Refused || m.Event.Reply == alert.Unconfirmed)
}
