package route

import (
	"strings"
	"time"

	"tocsin/internal/alert"
)

// Still is what becomes of a message that is held back, as things are by now.
type Still struct {
	Until  time.Time // not after Question.Now: nothing holds it back any more
	Reason Reason    // of the hold; empty if nothing holds it back any more
	Why    string    // the delivery's, from now on
}

// StillHeld answers until when a message is held back that was held back before, for
// a contact, or for a room or a webhook where contactID is empty. why is the
// delivery's so far. ok is false where it stays as it is: the contact is no longer
// there, or it would not be told at all if it came now. What was promised for a moment
// is told at that moment then.
func StillHeld(d Directory, q Question, contactID, why string) (s Still, ok bool) {
	c := newDecider(d.Indexed(), q)
	h, ok := c.holdOf(contactID)
	if !ok || h.reason != "" && h.until.IsZero() {
		return Still{}, false
	}
	head, _, _ := strings.Cut(why, heldBack)
	if h.reason == "" {
		return Still{Until: q.Now, Why: head + "; was held back, until what held it back was changed"}, true
	}
	return Still{Until: h.until, Reason: h.reason, Why: head + heldBack + h.why}, true
}

func (c *decider) holdOf(contactID string) (h hold, ok bool) {
	if contactID == "" {
		return c.hold(nil), true
	}
	i, ok := c.index.contacts[contactID]
	if !ok {
		return hold{}, false
	}
	who := &c.Contacts[i]
	if c.q.Notice == alert.NoticeFlapping { // its period was open when it was decided
		return c.hold(nil), true
	}
	return c.hold(who), true
}
