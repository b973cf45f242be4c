package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

// grace is for how long the buttons of an earlier rendering stay good after a new
// one: an edit of ours and the answer to a click may cross each other.
const grace = time.Minute

// keptReplies is how many deliveries are remembered that have a reply.
const keptReplies = 20

// tryLasts is for how long a post that somebody tries to make may still come to be.
const tryLasts = patience + 2*time.Second

// sendBot posts, edits and replies as the bot.
func (c *Channel) sendBot(ctx context.Context, s *sight, d *target, m *channel.Message) error {
	channelID, err := c.channelOf(ctx, d)
	if err != nil {
		return err
	}
	if m.Alert == nil {
		return c.sendLoose(ctx, s, d, m, channelID)
	}
	v := c.view(ctx, s, *m.Alert, m.Object)
	row, err := c.o.Store.Post(ctx, m.Alert.ID, d.key)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, fault.ErrNotFound):
		return fmt.Errorf("read what was posted before: %w", err)
	case known && row.Gone:
		return channel.Moot(fmt.Errorf("not sent: the post in %s was deleted in Mattermost, so nothing is posted there for this alert again", d.name))
	case known && row.Webhook:
		known = false // the room was a webhook then
	}
	if known && row.PostID == "" {
		if err := c.find(ctx, d, &row); err != nil {
			return err
		}
		if row.PostID == "" && row.Nonce != m.DeliveryID && c.o.Now().Sub(row.Tried) < tryLasts {
			return channel.RetryAfter(errLater, time.Second) // it may be made at this moment, by another node
		}
	}
	var done []string
	edited := false
	if !known || row.PostID == "" {
		if row, err = c.create(ctx, d, &v, m, channelID, row.Nonce); err != nil {
			return err
		}
		done = append(done, "posted in "+d.name)
	} else {
		var words string
		if words, edited, err = c.edit(ctx, d, &v, m, &row); err != nil {
			return err
		}
		done = append(done, words)
	}
	words, err := c.reply(ctx, d, &v, m, &row, edited)
	if err != nil {
		return err
	}
	if words != "" {
		done = append(done, words)
	}
	return channel.Accepted(strings.Join(done, "; "))
}

// channelOf is the id of a target's channel. It is looked up once.
func (c *Channel) channelOf(ctx context.Context, d *target) (string, error) {
	if d.user == "" && d.room.Team == "" && d.room.ChannelID != "" {
		return d.room.ChannelID, nil
	}
	name := "direct " + d.user
	if d.user == "" {
		name = d.room.Team + "/" + d.room.Channel
	}
	if id := c.servers.channel(&d.server, name); id != "" {
		return id, nil
	}
	var p place
	var err error
	if d.user == "" {
		p, err = c.client.channelByName(ctx, &d.server, d.room.Team, d.room.Channel)
	} else {
		var me user
		if me, err = c.who(ctx, &d.server); err == nil {
			p, err = c.client.direct(ctx, &d.server, me.ID, d.user)
		}
	}
	if err != nil {
		return "", err
	}
	c.servers.setChannel(&d.server, name, p.ID)
	return p.ID, nil
}

// find looks for a post whose making was never answered, by our id in it.
func (c *Channel) find(ctx context.Context, d *target, row *chat.Post) error {
	me, err := c.who(ctx, &d.server)
	if err != nil {
		return err
	}
	posts, err := c.client.lastPosts(ctx, &d.server, row.ChannelID)
	if err != nil {
		return err
	}
	for _, p := range posts {
		// Others may have copied what stands in our props.
		if p.UserID != me.ID || p.ours().ID != row.Nonce || row.Nonce == "" || !isID(p.ID) {
			continue
		}
		row.PostID, row.Updated = p.ID, c.o.Now()
		row.Gone = p.Deleted > 0
		return c.save(ctx, *row)
	}
	return nil
}

// create makes the post of an alert, in the place of the try with the nonce before.
// That it is tried is written down first, so that it is looked for and not made
// twice if nobody hears of its end.
func (c *Channel) create(ctx context.Context, d *target, v *view, m *channel.Message, channelID, before string) (chat.Post, error) {
	secrets, buttons := c.secrets(v, d.key, channelID, "")
	at := v.render(secrets)
	now := c.o.Now()
	row := chat.Post{
		AlertID: v.alert.ID, Destination: d.key, ChannelID: channelID, Nonce: m.DeliveryID, Tried: now,
		Hash: look(at), LastEvent: m.Event.ID, Created: now, Updated: now,
	}
	won, err := c.o.Store.ClaimPost(ctx, row, before, buttons)
	if err != nil {
		return row, fmt.Errorf("keep what is posted: %w", err)
	}
	if !won {
		return row, channel.RetryAfter(errLater, time.Second) // another node makes it
	}
	p, err := c.client.create(ctx, &d.server, newPost{
		ChannelID: channelID, Props: props{[]attachment{at}, ours{ID: row.Nonce}},
	})
	if err != nil {
		return row, err
	}
	row.PostID = p.ID
	return row, c.save(ctx, row)
}

// edit brings a post up to date, and answers what it did in words, and whether
// there was anything new.
func (c *Channel) edit(ctx context.Context, d *target, v *view, m *channel.Message, row *chat.Post) (words string, edited bool, err error) {
	secrets, buttons := c.secrets(v, d.key, row.ChannelID, row.PostID)
	at := v.render(secrets)
	hash := look(at)
	if hash == row.Hash {
		return "the post in " + d.name + " says so already", false, nil
	}
	made := c.o.Now()
	if len(buttons) > 0 {
		if err := c.o.Store.SavePosts(ctx, nil, buttons); err != nil {
			return "", false, fmt.Errorf("keep the buttons of a post: %w", err)
		}
	}
	err = c.client.edit(ctx, &d.server, row.PostID, edit{Props: props{[]attachment{at}, ours{ID: row.Nonce}}})
	switch status := statusOf(err); {
	case err == nil:
	case status == http.StatusForbidden || status == http.StatusNotFound:
		return "", false, c.lost(ctx, d, row, err)
	case status == http.StatusBadRequest && strings.Contains(idOf(err), "time_limit"):
		// Its admin lets nobody edit what is older: what happened is said in the
		// thread all the same.
		return "the post in " + d.name + " could not be edited: Mattermost’s System Console allows it for a time only (Posts → Post edit time limit)", true, nil
	default:
		return "", false, err
	}
	row.Hash, row.LastEvent, row.Updated = hash, m.Event.ID, c.o.Now()
	writing, cancel := detached(ctx)
	defer cancel()
	if err := c.o.Store.SaveEdit(writing, *row, made.Add(-grace)); err != nil {
		return "", false, fmt.Errorf("keep what was posted: %w", err)
	}
	return "the post in " + d.name + " was brought up to date", true, nil
}

// lost finds out why a post cannot be edited: it was deleted, or we may not.
func (c *Channel) lost(ctx context.Context, d *target, row *chat.Post, refused error) error {
	p, err := c.client.post(ctx, &d.server, row.PostID)
	if status := statusOf(err); err == nil && p.Deleted == 0 || err != nil && status != http.StatusNotFound {
		return refused
	}
	row.Gone, row.Updated = true, c.o.Now()
	if err := c.save(ctx, *row); err != nil {
		return err
	}
	return channel.Moot(fmt.Errorf("not sent: the post in %s was deleted in Mattermost, so nothing is posted there for this alert again", d.name))
}

func idOf(err error) string {
	var e *answerError
	if errors.As(err, &e) {
		return e.id
	}
	return ""
}

// reply says in the thread what people should notice. What the post said from the
// start is not said again.
func (c *Channel) reply(ctx context.Context, d *target, v *view, m *channel.Message, row *chat.Post, edited bool) (string, error) {
	inPost := m.Notice == alert.NoticeProblem || m.Notice == alert.NoticeRecovery || m.Notice == alert.NoticeAck
	before := row.Nonce == m.DeliveryID || !m.Asked.IsZero() && !m.Asked.After(row.Tried) && !edited
	if inPost && before {
		return "", nil
	}
	words := v.reply(m)
	if words == "" {
		return "", nil
	}
	replied := strings.Split(row.Replies, ",")
	if slices.Contains(replied, m.DeliveryID) {
		return "replied in its thread before", nil
	}
	if m.Attempt > 1 {
		there, err := c.hasReply(ctx, d, m.DeliveryID, row)
		if err != nil {
			return "", err
		}
		if there {
			return "replied in its thread before", nil
		}
	}
	_, err := c.client.create(ctx, &d.server, newPost{
		ChannelID: row.ChannelID, RootID: row.PostID, Message: words, Props: props{Tocsin: ours{Reply: m.DeliveryID}},
	})
	switch status := statusOf(err); {
	case err == nil:
	case status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusNotFound:
		// A root that is gone is answered 400.
		return "", c.lost(ctx, d, row, err)
	default:
		return "", err
	}
	if replied[0] == "" {
		replied = nil
	}
	replied = append(replied, m.DeliveryID)
	row.Replies = strings.Join(replied[max(0, len(replied)-keptReplies):], ",")
	row.LastEvent, row.Updated = m.Event.ID, c.o.Now()
	return "replied in its thread", c.save(ctx, *row)
}

func (c *Channel) hasReply(ctx context.Context, d *target, delivery string, row *chat.Post) (bool, error) {
	me, err := c.who(ctx, &d.server)
	if err != nil {
		return false, err
	}
	posts, err := c.client.thread(ctx, &d.server, row.PostID)
	if status := statusOf(err); status == http.StatusForbidden || status == http.StatusNotFound {
		return false, c.lost(ctx, d, row, err)
	} else if err != nil {
		return false, err
	}
	for _, p := range posts {
		if p.UserID == me.ID && p.ours().Reply == delivery {
			return true, nil
		}
	}
	return false, nil
}

// sendLoose posts a message about an object that has no alert: a downtime, a
// custom notification. Nothing of it is edited later.
func (c *Channel) sendLoose(ctx context.Context, s *sight, d *target, m *channel.Message, channelID string) error {
	if m.Quiet {
		return channel.Accepted("nothing to bring up to date")
	}
	if m.Attempt > 1 {
		me, err := c.who(ctx, &d.server)
		if err != nil {
			return err
		}
		posts, err := c.client.lastPosts(ctx, &d.server, channelID)
		if err != nil {
			return err
		}
		for _, p := range posts {
			if p.UserID == me.ID && p.ours().ID == m.DeliveryID {
				return channel.Accepted("posted in " + d.name + " before")
			}
		}
	}
	v := c.view(ctx, s, alert.Alert{}, m.Object)
	_, err := c.client.create(ctx, &d.server, newPost{
		ChannelID: channelID, Props: props{[]attachment{v.loose(m)}, ours{ID: m.DeliveryID}},
	})
	if err != nil {
		return err
	}
	return channel.Accepted("posted in " + d.name)
}

// save keeps a post. What was posted was posted, also when the time for sending
// is over.
func (c *Channel) save(ctx context.Context, row chat.Post) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := c.o.Store.SavePosts(ctx, []chat.Post{row}, nil); err != nil {
		return fmt.Errorf("keep what was posted: %w", err)
	}
	return nil
}
