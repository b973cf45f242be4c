// Package push holds what Web Push is about, without the sending: devices and
// what they want to hear, the keys that name this server to push services, the
// hosts that count as push services, and publications to many devices.
package push

import (
	"slices"
	"time"
)

// Subscription is one device: a browser that gave us an address to push to. It
// belongs to a user, whose contacts' alerts it gets, or to a visitor of a
// public page, of whom nothing else is known. A browser has one address for
// both, so it may be both: each part comes and goes by itself.
type Subscription struct {
	ID       string // UUIDv7, so ids ascend in the order of their making
	Endpoint string // where to push to; whoever knows it and Auth may change the row
	P256dh   []byte // the device's public key, 65 bytes, uncompressed
	Auth     []byte // the device's secret, 16 bytes
	KeyID    string // the server key that it was made with, see Key
	Language string // BCP 47, as the browser said; empty for the default

	// A contact's device.
	UserID string // empty for a visitor's
	Name   string // "Firefox on Linux", for its owner; empty for a visitor's

	// A visitor's device.
	Pages []Follow // the public pages that it follows, each once; none for what is a contact's device alone

	Created     time.Time
	Seen        time.Time // when its browser last sent it again; kept to the day for who is a visitor alone
	Expires     time.Time // as the browser said, zero for no end
	LastSuccess time.Time // last accepted by its push service; for a visitor only kept when a failure came before
	Failures    int       // in a row
	LastError   string    // of the last failure, for people; empty after a success
}

// Visitor says whether it is the device of a visitor alone: alerts go nowhere there.
func (s *Subscription) Visitor() bool { return s.UserID == "" }

// Subscribed says whether it is subscribed to a public page, as a visitor's; it
// may be a contact's device as well.
func (s *Subscription) Subscribed() bool { return len(s.Pages) > 0 }

// Follows answers what it wants of a page, nil if it does not follow it.
func (s *Subscription) Follows(pageID string) *Follow {
	for i := range s.Pages {
		if s.Pages[i].PageID == pageID {
			return &s.Pages[i]
		}
	}
	return nil
}

// Wants says whether a publication is to be told to it.
func (s *Subscription) Wants(p *Publication) bool {
	f := s.Follows(p.PageID)
	return f != nil && slices.ContainsFunc(f.Wants, func(w Want) bool { return w.Wants(p) })
}

// Kind is what a publication tells visitors.
type Kind string

// The kinds, by the triggers that people know.
const (
	IncidentNew        Kind = "incident_new"
	IncidentUpdate     Kind = "incident_update"
	IncidentResolved   Kind = "incident_resolved"
	ComponentDown      Kind = "component_down"
	ComponentRecovered Kind = "component_recovered"
	Maintenance        Kind = "maintenance"
)

// Kinds are all of them, in the order in which people are asked.
func Kinds() []Kind {
	return []Kind{IncidentNew, IncidentUpdate, IncidentResolved, ComponentDown, ComponentRecovered, Maintenance}
}

// DefaultKinds are those that a new subscription gets unless it says otherwise.
func DefaultKinds() []Kind { return []Kind{IncidentNew, IncidentUpdate, IncidentResolved} }

// Impact is how bad something is for visitors.
type Impact string

// The impacts, from harmless to worst.
const (
	ImpactNone     Impact = "none"
	ImpactMinor    Impact = "minor"
	ImpactMajor    Impact = "major"
	ImpactCritical Impact = "critical"
)

// Impacts are all of them, from harmless to worst.
func Impacts() []Impact { return []Impact{ImpactNone, ImpactMinor, ImpactMajor, ImpactCritical} }

// Rank orders impacts, 0 to 3; -1 for what is none.
func (i Impact) Rank() int { return slices.Index(Impacts(), i) }

// Want is what a visitor wants to hear of a page.
type Want struct {
	Components []string `json:"components,omitempty"` // ids; empty: the whole page
	Kinds      []Kind   `json:"kinds,omitempty"`      // empty: DefaultKinds
	MinImpact  Impact   `json:"min_impact,omitempty"` // empty: none
	Incident   string   `json:"incident,omitempty"`   // only this one, by the topic of its publications; empty: all
}

// Follow is what a device wants to hear of a page: what any of Wants asks for.
// One of them at most is about the page, each other one about one incident.
type Follow struct {
	PageID string
	Wants  []Want
}

// Of answers the want about an incident, about the page where that is empty;
// nil if there is none.
func (f *Follow) Of(incident string) *Want {
	if f != nil {
		for i := range f.Wants {
			if f.Wants[i].Incident == incident {
				return &f.Wants[i]
			}
		}
	}
	return nil
}

// Bounds of what one browser follows.
const (
	MaxFollows   = 50 // pages
	MaxIncidents = 20 // of a page; of more, the first go
)

// Following adds what is followed to what was followed: a want takes the place
// of the former one about the same. Neither list is changed.
func Following(was, more []Follow) []Follow {
	var out []Follow
	for _, f := range was {
		out = append(out, Follow{f.PageID, slices.Clone(f.Wants)})
	}
	for _, f := range more {
		i := slices.IndexFunc(out, func(g Follow) bool { return g.PageID == f.PageID })
		if i < 0 {
			i, out = len(out), append(out, Follow{PageID: f.PageID})
		}
		for _, w := range f.Wants {
			if old := out[i].Of(w.Incident); old != nil {
				*old = w
				continue
			}
			out[i].Wants = append(out[i].Wants, w)
		}
		for over := len(out[i].Wants) - MaxIncidents - 1; over > 0; over-- {
			first := slices.IndexFunc(out[i].Wants, func(w Want) bool { return w.Incident != "" })
			out[i].Wants = slices.Delete(out[i].Wants, first, first+1)
		}
	}
	return out
}

// Wants says whether a publication is to be told to somebody who wants w.
// A publication that names no component is about the whole page and fits
// every choice of components.
func (w *Want) Wants(p *Publication) bool {
	if len(w.Kinds) == 0 {
		if !slices.Contains(DefaultKinds(), p.Kind) {
			return false
		}
	} else if !slices.Contains(w.Kinds, p.Kind) {
		return false
	}
	if w.MinImpact != "" && p.Impact.Rank() < w.MinImpact.Rank() {
		return false
	}
	if w.Incident != "" {
		return p.Topic == w.Incident
	}
	if len(w.Components) == 0 || len(p.Components) == 0 {
		return true
	}
	for _, c := range p.Components {
		if slices.Contains(w.Components, c) {
			return true
		}
	}
	return false
}

// Urgency is how much a device should be woken up for a message (RFC 8030).
type Urgency string

// The urgencies. iOS is prompt only with High.
const (
	VeryLow Urgency = "very-low"
	Low     Urgency = "low"
	Normal  Urgency = "normal"
	High    Urgency = "high"
)

// Urgencies are all of them, from the least.
func Urgencies() []Urgency { return []Urgency{VeryLow, Low, Normal, High} }

// Text is what people read, in one language.
type Text struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	// Lead stands before Publication.Full where all of it is shown; a plain line.
	Lead string `json:"lead,omitempty"`
}

// Publication is one message to all subscribers of a page who want it.
type Publication struct {
	ID         string
	PageID     string
	Components []string // ids of those it is about; empty: the page as a whole
	Kind       Kind
	Impact     Impact
	Texts      map[string]Text // by language; "" is the one for all others and must be there
	Full       string          // all that was written, in Markdown; empty: Texts say all. Only read for who has room for it
	URL        string          // where a click leads: a path of ours or an https address
	Icon       string          // path of ours or https; empty: the program's
	Badge      string
	Topic      string // what later ones with the same topic replace: the incident's id
	Urgency    Urgency
	By         string // who published, for people
	Created    time.Time
	Expires    time.Time // what is undelivered then is not sent any more
}

// Text answers the text for a language: the same, else the same without
// region, else the default.
func (p *Publication) Text(language string) Text {
	for l := language; l != ""; {
		if t, ok := p.Texts[l]; ok {
			return t
		}
		i := len(l) - 1
		for i >= 0 && l[i] != '-' {
			i--
		}
		l = l[:max(i, 0)]
	}
	return p.Texts[""]
}

// Progress is how far a publication is. Total is Sent, Gone, Failed, Expired
// and Waiting together; it is an upper bound until all were looked at, as some
// do not want it.
type Progress struct {
	Total    int
	Sent     int // accepted by their push service
	Gone     int // the device had unsubscribed; deleted
	Failed   int // refused for good, with the reason in Problems
	Expired  int // its time ran out first
	Waiting  int // still to be sent, for the first time or again
	Retrying int // those of Waiting that failed before
	Unwanted int // looked at and not interested
	Repeats  int // perhaps sent twice, after a crash: made invisible by topic and tag
	Done     bool
	Finished time.Time      // zero until done
	Problems map[string]int // what went wrong, for people, with how often
	// Channels is how far it is by the other channels, "email" and "webhook"; all
	// above is Web Push alone. Only those with subscribers are there.
	Channels map[string]Progress
}

// Piece is a range of subscription ids that one worker has claimed, of a
// publication. Position moves on page by page; a crash goes on from there.
type Piece struct {
	Publication *Publication
	Number      int
	From        string // ids above From …
	To          string // … up to and with To
	Position    string // ids up to here are done; From at first
	Attempt     int    // rises at the claim, and fences: see AdvancePiece of the store
}

// Page is what became of the subscriptions of a piece from its Position up to
// Position here.
type Page struct {
	Position string
	Last     bool // the piece is done
	Sent     int
	Unwanted int
	Failed   int
	Expired  int
	Repeats  int      // of an earlier claim's page in flight, as far as it is known
	Gone     []string // ids: deleted in the same transaction
	Retry    []Retry  // to be tried again, each alone
	Healed   []string // ids that succeeded and had failures before
	Problems map[string]int
}

// Retry is one device that a publication could not be sent to yet.
type Retry struct {
	PublicationID  string
	SubscriptionID string
	Attempt        int // how often it was tried
	Due            time.Time
	Detail         string // why, for people

	Subscription *Subscription // filled by ClaimRetries
	Publication  *Publication  // the same
}

// RetryResult is what became of a claimed retry. Exactly one of Sent, Gone,
// Failed, Expired is set, or none: try again at Due.
type RetryResult struct {
	Retry
	Sent, Gone, Failed, Expired bool
}

// Note is what a push service said of a contact's device.
type Note struct {
	SubscriptionID string
	At             time.Time
	OK             bool
	Gone           bool   // 404 or 410: delete it
	Error          string // for people
}

// ServiceFigures are what became of messages at one push service (an origin).
type ServiceFigures struct {
	Origin      string // https://host[:port]
	Accepted    int64
	Gone        int64
	Failed      int64 // refused for good
	Retried     int64 // answered with a request to come again, or not at all
	Refused     int64 // 401 and 403: our key
	LastSuccess time.Time
	LastFailure time.Time
	LastError   string // for people
}

// Key is a key pair that names this server to push services (VAPID, RFC 8292).
// A device is bound to the one that it subscribed with.
type Key struct {
	ID          string // made from the public key, see KeyID
	Public      string // base64url without padding, 65 bytes, as browsers want it
	Private     string `json:"-"` // base64url without padding, 32 bytes; never shown
	Created     time.Time
	Retired     time.Time // zero: the one that new subscriptions are made with
	Environment bool      // given as VAPID_…, not made here

	Subscriptions int // devices still bound to it
}
