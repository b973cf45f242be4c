package route

import (
	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

// mailSwitch says whether a contact wants letters about objects of this kind.
func (c *decider) mailSwitch(who *contact.Contact) (on bool, kind string) {
	if c.object.Kind() == alert.Host {
		return who.MailHost, "hosts"
	}
	return who.MailService, "services"
}

// mail says where a letter to a contact goes, or why none does.
func (c *decider) mail(who *contact.Contact) (address string, reason Reason, why string) {
	on, kind := c.mailSwitch(who)
	switch {
	case !c.Mail:
		return "", ReasonChannelOff, "e-mail is switched off in the settings"
	case !on:
		return "", ReasonMailOff, "e-mail is switched off for " + kind + " for " + who.ShownName()
	case who.Email == "":
		return "", ReasonNoMail, "no e-mail address of " + who.ShownName() + " is known"
	case who.UserID != "" && !c.Users[who.UserID]:
		return "", ReasonUserDisabled, "the user of " + who.ShownName() + " may not sign in"
	}
	return who.Email, "", ""
}

// mails says whether a contact gets letters where nobody named the channel.
func (c *decider) mails(who *contact.Contact) bool {
	on, _ := c.mailSwitch(who)
	return on && c.Mail && who.Email != ""
}

// A webhook gets one message of an event, however many ways lead there, as a room of
// Mattermost does.

// hooksOf decides for the webhooks that a rule or a step names.
func (c *decider) hooksOf(ids []string, by leader) {
	for _, id := range ids {
		h, ok := c.Hook(id)
		switch {
		case c.taken(id):
		case ok:
			c.hook(&h, choice{by.reason, by.head + " names this webhook", by.rule})
		default:
			c.out = append(c.out, Decision{Channel: Webhook, Reason: ReasonChannelOff, Rule: by.rule,
				Why: by.head + " names a webhook that is switched off or gone; correct it"})
		}
	}
}

// hook tells a webhook that is taken.
func (c *decider) hook(h *Hook, ch choice) {
	c.place(Decision{ContactName: h.Name, Channel: Webhook, Destination: h.ID, DestinationName: h.Name, Rule: ch.rule}, ch)
}

// ownHook decides for the webhook of a contact.
func (c *decider) ownHook(i int, d Decision, ch choice, h hold) {
	who := &c.Contacts[i]
	k, ok := c.Hook(who.Hook)
	switch {
	case who.Hook == "":
		d.Reason, d.Why = ReasonNoHook, ch.why+", but "+who.ShownName()+" has no webhook; choose one at the contact"
		c.out = append(c.out, d)
	case !ok:
		d.Reason, d.Why = ReasonNoHook, ch.why+", but the webhook of "+who.ShownName()+" is switched off or gone; choose another one at the contact"
		c.out = append(c.out, d)
	default:
		d.Destination, d.DestinationName = k.ID, k.Name
		if c.taken(k.ID) {
			c.sooner(d, ch, h)
			return
		}
		c.placeFor(d, ch, h)
	}
}
