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

// rendering is what stands in a post, and of what.
type rendering struct {
	key     string // what the post is of: the id of an alert, or stormKey
	at      attachment
	buttons []chat.Button
	words   string // what the thread says about what happened; empty: nothing
	again   bool   // these words are said also where the post has just been made
}

// rendered is the post of an alert, or of a storm, with buttons of its own.
func (c *Channel) rendered(ctx context.Context, s *sight, d *target, m *channel.Message, channelID, postID string) rendering {
	if m.Digest != nil {
		v := stormView{digest: m.Digest, base: s.base, emoji: !s.settings.NoEmoji, zone: s.zone}
		return rendering{key: stormKey(m), at: v.render(), words: v.reply(m)}
	}
	v := c.view(ctx, s, *m.Alert, m.Object)
	secrets, buttons := c.secrets(&v, d.key, channelID, postID)
	return rendering{key: v.alert.ID, at: v.render(secrets), buttons: buttons, words: v.reply(m), again: m.Duty != ""}
}

// sendBot posts, edits and replies as the bot.
func (c *Channel) sendBot(ctx context.Context, s *sight, d *target, m *channel.Message) error {
	channelID, err := c.channelOf(ctx, d)
	if err != nil {
		return err
	}
	if m.Alert == nil && m.Digest == nil {
		return c.sendLoose(ctx, s, d, m, channelID)
	}
	row, err := c.o.Store.Post(ctx, postKey(m), d.key)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, fault.ErrNotFound):
		return fmt.Errorf("read what was posted before: %w", err)
	case known && row.Gone && m.Digest != nil && !m.Quiet:
		// There is news that stood in no post: a new one is made in its place.
		row.Gone, row.PostID, row.Replies, row.Tried = false, "", "", time.Time{}
		if err := c.save(ctx, row); err != nil {
			return err
		}
	case known && row.Gone:
		return channel.Moot(fmt.Errorf("not sent: the post in %s was deleted in Mattermost, so nothing is posted there for %s again", d.name, thing(m)))
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
	r := c.rendered(ctx, s, d, m, channelID, row.PostID)
	switch {
	case known && row.PostID != "":
		var words string
		if words, edited, err = c.edit(ctx, d, r, m, &row); err != nil {
			return err
		}
		done = append(done, words)
	case m.Digest != nil && m.Quiet:
		return channel.Accepted("nothing to bring up to date in " + d.name)
	default:
		if row, err = c.create(ctx, d, r, m, channelID, row.Nonce); err != nil {
			return err
		}
		done = append(done, "posted in "+d.name)
	}
	words, err := c.reply(ctx, d, r, m, &row, edited)
	if err != nil {
		return err
	}
	if words != "" {
		done = append(done, words)
	}
	return channel.Accepted(strings.Join(done, "; "))
}

// thing is what a post is of, for people.
func thing(m *channel.Message) string {
	if m.Digest != nil {
		return "this storm"
	}
	return "this alert"
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

// create makes a post, in the place of the try with the nonce before.
// That it is tried is written down first, so that it is looked for and not made
// twice if nobody hears of its end.
func (c *Channel) create(ctx context.Context, d *target, r rendering, m *channel.Message, channelID, before string) (chat.Post, error) {
	now := c.o.Now()
	row := chat.Post{
		AlertID: r.key, Destination: d.key, ChannelID: channelID, Nonce: m.DeliveryID, Tried: now,
		Hash: look(r.at), LastEvent: m.Event.ID, Created: now, Updated: now,
	}
	won, err := c.o.Store.ClaimPost(ctx, row, before, r.buttons)
	if err != nil {
		return row, fmt.Errorf("keep what is posted: %w", err)
	}
	if !won {
		return row, channel.RetryAfter(errLater, time.Second) // another node makes it
	}
	p, err := c.client.create(ctx, &d.server, newPost{
		ChannelID: channelID, Props: props{[]attachment{r.at}, ours{ID: row.Nonce}},
	})
	if err != nil {
		return row, err
	}
	row.PostID = p.ID
	return row, c.save(ctx, row)
}

// edit brings a post up to date, and answers what it did in words, and whether
// there was anything new.
func (c *Channel) edit(ctx context.Context, d *target, r rendering, m *channel.Message, row *chat.Post) (words string, edited bool, err error) {
	hash := look(r.at)
	if hash == row.Hash {
		return "the post in " + d.name + " says so already", false, nil
	}
	made := c.o.Now()
	if len(r.buttons) > 0 {
		if err := c.o.Store.SavePosts(ctx, nil, r.buttons); err != nil {
			return "", false, fmt.Errorf("keep the buttons of a post: %w", err)
		}
	}
	err = c.client.edit(ctx, &d.server, row.PostID, edit{Props: props{[]attachment{r.at}, ours{ID: row.Nonce}}})
	switch status := statusOf(err); {
	case err == nil:
	case status == http.StatusForbidden || status == http.StatusNotFound:
		return "", false, c.lost(ctx, d, m, row, err)
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
func (c *Channel) lost(ctx context.Context, d *target, m *channel.Message, row *chat.Post, refused error) error {
	p, err := c.client.post(ctx, &d.server, row.PostID)
	if status := statusOf(err); err == nil && p.Deleted == 0 || err != nil && status != http.StatusNotFound {
		return refused
	}
	row.Gone, row.Updated = true, c.o.Now()
	if err := c.save(ctx, *row); err != nil {
		return err
	}
	if m.Digest != nil && !m.Quiet {
		return channel.RetryAfter(fmt.Errorf("the post in %s was deleted in Mattermost: a new one is made", d.name), time.Second)
	}
	return channel.Moot(fmt.Errorf("not sent: the post in %s was deleted in Mattermost, so nothing is posted there for %s again", d.name, thing(m)))
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
func (c *Channel) reply(ctx context.Context, d *target, r rendering, m *channel.Message, row *chat.Post, edited bool) (string, error) {
	inPost := m.Digest != nil || m.Notice == alert.NoticeProblem || m.Notice == alert.NoticeRecovery || m.Notice == alert.NoticeAck
	before := row.Nonce == m.DeliveryID || !m.Asked.IsZero() && !m.Asked.After(row.Tried) && !edited
	if r.words == "" || inPost && before && !r.again {
		return "", nil
	}
	replied := strings.Split(row.Replies, ",")
	if slices.Contains(replied, m.DeliveryID) {
		return "replied in its thread before", nil
	}
	if m.Attempt > 1 {
		there, err := c.hasReply(ctx, d, m, row)
		if err != nil {
			return "", err
		}
		if there {
			return "replied in its thread before", nil
		}
	}
	_, err := c.client.create(ctx, &d.server, newPost{
		ChannelID: row.ChannelID, RootID: row.PostID, Message: r.words, Props: props{Tocsin: ours{Reply: m.DeliveryID}},
	})
	switch status := statusOf(err); {
	case err == nil:
	case status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusNotFound:
		// A root that is gone is answered 400.
		return "", c.lost(ctx, d, m, row, err)
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

func (c *Channel) hasReply(ctx context.Context, d *target, m *channel.Message, row *chat.Post) (bool, error) {
	me, err := c.who(ctx, &d.server)
	if err != nil {
		return false, err
	}
	posts, err := c.client.thread(ctx, &d.server, row.PostID)
	if status := statusOf(err); status == http.StatusForbidden || status == http.StatusNotFound {
		return false, c.lost(ctx, d, m, row, err)
	} else if err != nil {
		return false, err
	}
	for _, p := range posts {
		if p.UserID == me.ID && p.ours().Reply == m.DeliveryID {
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
