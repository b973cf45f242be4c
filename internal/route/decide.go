package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

// Decide answers who hears of what happened and who does not, in an order that
// is the same every time. See Directory.Indexed when deciding often.
//
// Candidates are, for an event of the engine, the contacts it named; if it
// named none, or nobody who is known here, those that the rules choose. For
// what was done here they are those who were told of the problem before. A
// recovery that the machine found out by itself (see alert.Table: a downtime
// ended and all is well) goes to those who were told as well, for the engine
// named the contacts of the downtime, not of the problem.
//
// Then each candidate is asked: are notifications on, do the options want it,
// does the object flap, was this problem snoozed; and each channel: can it
// be used. What is told may be held back until a time period opens, or quiet hours
// or maintenance are over; see hold.go.
//
// Rooms of Mattermost and webhooks are no contacts: nobody's options and periods
// keep anything from them, and they get every notice; see rooms.go.
//
// Web Push is one decision for each device. A contact who never asked for it
// and is in no rule that names it does not want a line "no device" at every
// event: where nobody named the channel, it counts for those alone who have a
// device, as long as it is on in the settings.
func Decide(d Directory, q Question) []Decision {
	if q.Notice == alert.NoNotice {
		return nil
	}
	d = d.Indexed()
	c := newDecider(d, q)
	if c.here() {
		c.toldBefore()
		if len(c.out) == 0 {
			c.out = append(c.out, Decision{Reason: ReasonSilent,
				Why: "nobody had been told of the problem, so nobody is told what became of it"})
		}
		return c.out
	}
	if q.Notice == alert.NoticeRecovery && q.Event.Type != alert.Recovery {
		c.toldBefore()
	}
	if q.Joined {
		c.placesBefore()
	} else {
		c.everything()
	}
	if len(q.Event.Contacts) == 0 && len(q.Event.UserIDs) == 0 {
		c.byRules("")
		return c.out
	}
	if !q.Joined {
		c.placesOfRules()
	}
	if !c.byName() {
		c.byRules("the engine named nobody who is known here, so the rules were asked: ")
	}
	return c.out
}

// decider collects the decisions of one question.
type decider struct {
	Directory
	q       Question
	object  alert.Object
	refused map[int]bool // contacts that were turned away whatever the channel
	used    map[use]bool
	places  map[string]bool // rooms and webhooks that are decided; nil: none yet
	out     []Decision

	// What is worked out once it is needed.
	known        *facts
	duties       map[string]bool // contacts on call
	edges        map[edge]time.Time
	windows      []*preparedWindow
	windowsKnown bool
	placeHold    *hold
	fittings     []*preparedRule
}

func newDecider(d Directory, q Question) *decider {
	return &decider{Directory: d, q: q, object: objectOf(q), refused: map[int]bool{}, used: map[use]bool{}}
}

// use is one contact by one channel, which is decided once.
type use struct {
	contact int
	channel string
}

// objectOf is the object with the most that is known of it: the event's own is
// what the engine said this time.
func objectOf(q Question) alert.Object {
	o := q.Event.Object
	if q.Alert == nil {
		return o
	}
	known := q.Alert.Object
	if o.Host == "" {
		return known
	}
	if o.HostDisplay == "" {
		o.HostDisplay = known.HostDisplay
	}
	if o.ServiceDisplay == "" {
		o.ServiceDisplay = known.ServiceDisplay
	}
	if len(o.Labels) == 0 {
		o.Labels = known.Labels
	}
	return o
}

// here says whether somebody did it here, or asked the engine for it here; the
// engine did all else.
func (c *decider) here() bool {
	return c.q.Event.Origin.Here() || c.q.Event.Type == alert.EngineReply
}

// state is the state that options and rules look at.
func (c *decider) state() alert.State {
	switch a := c.q.Alert; {
	case a == nil:
		return c.q.Event.State
	case c.q.Notice == alert.NoticeRecovery:
		return a.Worst
	default:
		return a.State
	}
}

// toldBefore decides for those who were told of the problem, in the order of
// the directory, and before them for rooms and webhooks.
func (c *decider) toldBefore() {
	c.again(choice{ReasonTold, "was told of the problem, so hears what became of it", ""})
}

func (c *decider) again(ch choice) {
	var places []int
	channels := map[int][]string{}
	for _, t := range c.q.Told {
		if t.ContactID == "" {
			c.toldPlace(t.Destination, ch)
			continue
		}
		if i, ok := c.index.contacts[t.ContactID]; ok && !slices.Contains(places, i) {
			places = append(places, i)
			channels[i] = t.Channels
		}
	}
	slices.Sort(places)
	for _, i := range places {
		c.candidate(i, channels[i], ch)
	}
}

// byName decides for the contacts that the engine named and answers whether
// any of them is known.
func (c *decider) byName() (known bool) {
	for _, name := range c.q.Event.Contacts {
		i, ok := c.index.named(name)
		if !ok {
			c.unknown(name, fmt.Sprintf("the engine named contact “%s”, who is not known here; "+
				"create a contact with exactly that name, or correct it in the engine", name))
			continue
		}
		known = true
		c.candidate(i, nil, choice{ReasonNamed, "the engine named this contact", ""})
	}
	for _, id := range c.q.Event.UserIDs {
		if len(c.index.engineIDs[id]) == 0 {
			c.unknown("user "+id, fmt.Sprintf("the engine named its user %s, whom no contact here stands for; "+
				"enter %s as the engine user id of a contact", id, id))
			continue
		}
		known = true
		for _, i := range c.index.engineIDs[id] {
			c.candidate(i, nil, choice{ReasonNamed, "the engine named its user " + id + ", who is this contact", ""})
		}
	}
	return known
}

func (c *decider) unknown(name, why string) {
	c.out = append(c.out, Decision{ContactName: name, Reason: ReasonUnknownContact, Why: why})
}

// byRules decides for the contacts that the rules choose.
func (c *decider) byRules(preface string) {
	fitted, people := "", 0
	later := false // one of them has a policy
	for _, r := range c.rules() {
		if fitted == "" {
			fitted = r.Name
		}
		later = later || c.index.policies[r.PolicyID] != nil
		people += c.follow(&r.lead, leader{reason: ReasonRule, head: preface + "rule “" + r.Name + "”", rule: r.Name, channels: r.Channels})
		people += len(r.lead.rooms) + len(r.lead.hooks) // whoever is there hears of it
	}
	switch {
	case fitted == "" && len(c.places) > 0:
	case fitted == "":
		c.out = append(c.out, Decision{Reason: ReasonNoRule, Why: preface + "no rule fits " + c.object.Name() +
			" (" + c.facts().state.Word() + "); make a rule that does, or one at the end that fits everything"})
	case people == 0 && len(c.places) == 0 && later:
		c.out = append(c.out, Decision{Reason: ReasonNoRule, Rule: fitted,
			Why: preface + "rule “" + fitted + "” fits, and leads to nobody at first; its policy tells others while nobody takes it"})
	case people == 0 && len(c.places) == 0:
		c.out = append(c.out, Decision{Reason: ReasonNoRule, Rule: fitted,
			Why: preface + "rule “" + fitted + "” fits, but leads to nobody; put contacts, a schedule, a room of Mattermost or a webhook into it, or contacts into its groups"})
	}
}

// rules are those that fit, in order.
func (c *decider) rules() []*preparedRule {
	if c.fittings == nil {
		c.fittings = []*preparedRule{}
		f := c.facts()
		c.index.fitting(&f, func(r *preparedRule) bool {
			c.fittings = append(c.fittings, r)
			return true
		})
	}
	return c.fittings
}

// facts are what rules are compared with.
func (c *decider) facts() facts {
	if c.known != nil {
		return *c.known
	}
	o := c.object
	f := facts{
		source: o.SourceID, isHost: o.Service == "", state: c.state(), labels: o.Labels,
		host: strings.ToLower(o.Host), hostShown: strings.ToLower(o.HostName()),
		service: strings.ToLower(o.Service), serviceShown: strings.ToLower(o.ServiceName()),
	}
	if f.source == "" {
		f.source = c.q.Event.SourceID
	}
	c.known = &f
	return f
}

// choice is why a contact came into question.
type choice struct {
	reason Reason
	why    string
	rule   string
}

// candidate decides for one contact and each of the channels, all if none are
// given.
func (c *decider) candidate(i int, channels []string, ch choice) {
	if c.refused[i] {
		return
	}
	who := &c.Contacts[i]
	if c.out == nil {
		c.out = make([]Decision, 0, 3) // by as many ways somebody is told, mostly
	}
	base := Decision{ContactID: who.ID, ContactName: who.ShownName(), UserID: who.UserID, Rule: ch.rule}
	if reason, why := c.refusal(who); reason != "" {
		c.refused[i] = true
		base.Reason, base.Why = reason, ch.why+", but "+why
		c.out = append(c.out, base)
		return
	}
	h := c.hold(who)
	if h.reason != "" && h.until.IsZero() {
		c.refused[i] = true
		base.Told = true
		base.Why = ch.why
		base.holdBack(h)
		c.out = append(c.out, base)
		return
	}
	if s := c.index.schedules[who.QuietPeriodID]; s != nil && h.reason == "" && s.Covers(c.q.Now) && c.isOnCall(who.ID) {
		ch.why += "; is on call, so quiet hours hold nothing back"
	}
	if len(channels) > 0 {
		for _, name := range channels {
			c.channel(i, name, base, ch, h)
		}
		return
	}
	c.channel(i, Browser, base, ch, h)
	if c.index.devices != nil && len(c.index.devices[i]) > 0 {
		c.channel(i, Webpush, base, ch, h)
	}
	if who.Mattermost != "" && c.Chat {
		c.channel(i, Mattermost, base, ch, h)
	}
	if c.mails(who) {
		c.channel(i, Email, base, ch, h)
	}
	if who.Hook != "" {
		c.channel(i, Webhook, base, ch, h)
	}
}

// channel decides for one contact and one channel, and for each device where
// the channel has devices.
func (c *decider) channel(i int, name string, d Decision, ch choice, h hold) {
	if c.used[use{i, name}] {
		return
	}
	c.used[use{i, name}] = true
	d.Channel = name
	switch name {
	case Mattermost:
		c.chat(i, d, ch, h)
		return
	case Webhook:
		c.ownHook(i, d, ch, h)
		return
	}
	var address string
	reason, why := c.blocked(i, name)
	if name == Email {
		address, reason, why = c.mail(&c.Contacts[i])
	}
	if reason != "" {
		d.Reason, d.Why = reason, ch.why+", but "+why
		c.out = append(c.out, d)
		return
	}
	d.Told, d.Reason, d.Why = true, ch.reason, ch.why
	d.holdBack(h)
	if name != Webpush {
		d.DestinationName = address
		c.out = append(c.out, d)
		return
	}
	for _, v := range c.index.devices[i] {
		d.Destination, d.DestinationName = v.ID, v.Name
		c.out = append(c.out, d)
	}
}

// refusal says why a contact is not told by whatever channel; the empty reason
// lets it pass.
func (c *decider) refusal(who *contact.Contact) (Reason, string) {
	if c.here() && who.UserID != "" && who.UserID == c.q.Event.UserID {
		return ReasonOwn, "did it in person"
	}
	kind, on, options := "service", who.ServiceNotifications, who.ServiceOptions
	if c.object.Kind() == alert.Host {
		kind, on, options = "host", who.HostNotifications, who.HostOptions
	}
	if !on {
		return ReasonDisabled, "all notifications for " + kind + "s are switched off for " + who.ShownName()
	}
	if letter, what := c.option(); letter != 0 && !options.Has(letter) {
		return ReasonOption, fmt.Sprintf("the %s options of %s leave out %s (%c)", kind, who.ShownName(), what, letter)
	}
	if c.flaps() {
		return ReasonFlapping, flapping
	}
	if !c.canWait() {
		if s := c.period(who); s != nil && !s.Covers(c.q.Now) {
			return ReasonPeriod, fmt.Sprintf("it is outside the time period “%s”, %s", c.index.periods[c.periodID(who)], opens(c.nextOf(s, c.q.Now), s))
		}
		if s := c.index.schedules[who.QuietPeriodID]; s != nil && s.Covers(c.q.Now) && !c.passes(who) {
			return ReasonQuiet, who.ShownName() + " has quiet hours (“" + c.index.periods[who.QuietPeriodID] + "”)"
		}
	}
	if until, ok := c.q.Snoozed[who.ID]; ok && c.q.Notice == alert.NoticeProblem && c.q.Now.Before(until) {
		return ReasonSnoozed, who.ShownName() + " snoozed this problem until " + until.UTC().Format("15:04 MST on 2 January") + ", when a reminder follows"
	}
	return "", ""
}

// flapping is why nobody is told of what an object does that flaps.
const flapping = "it flaps, which was told; what it is when it is calm again is told then"

// flaps says whether the object flaps, as was found here, and this is a problem or a
// recovery that goes with it.
func (c *decider) flaps() bool { return c.q.Flapping && c.canWait() }

// option is the letter that a contact's options must have, 0 if none is
// needed: like Nagios, acknowledgements and custom notifications are not
// subject to them.
func (c *decider) option() (letter byte, what string) {
	switch c.q.Notice {
	case alert.NoticeRecovery:
		return 'r', "recoveries"
	case alert.NoticeFlapping:
		return 'f', "flapping"
	case alert.NoticeDowntime:
		return 's', "downtimes"
	case alert.NoticeProblem:
		s := c.state()
		if s.Problem() {
			return string(s)[0], s.Word() // d u, w u c: the letters are the states' first
		}
	}
	return 0, ""
}

// blocked says why a channel of the browser cannot reach a contact; the empty
// reason lets it pass.
func (c *decider) blocked(i int, channel string) (Reason, string) {
	who := &c.Contacts[i]
	if channel != Browser && channel != Webpush {
		return ReasonChannelOff, "there is no channel “" + channel + "” here"
	}
	push, kind := who.PushService, "services"
	if c.object.Kind() == alert.Host {
		push, kind = who.PushHost, "hosts"
	}
	switch {
	case channel == Webpush && !c.WebPush:
		return ReasonChannelOff, "Web Push is switched off in the settings"
	case !push:
		return ReasonPushOff, "push is switched off for " + kind + " for " + who.ShownName()
	case who.UserID == "":
		return ReasonNoUser, "no user is linked to " + who.ShownName() + ", so there is no browser to reach"
	case !c.Users[who.UserID]:
		return ReasonUserDisabled, "the user of " + who.ShownName() + " may not sign in"
	case channel == Webpush && (c.index.devices == nil || len(c.index.devices[i]) == 0):
		return ReasonNoDevice, "no device of " + who.ShownName() + " takes Web Push yet; it is switched on in the console under My devices"
	}
	return "", ""
}
