// Package visitor is who is told of a public page by e-mail or by a webhook: what
// is kept of them, which addresses will do, and the tokens in links that act for
// one of them. What they want to hear is push.Want, of which push.Want.Wants is
// the one matcher for all channels.
package visitor

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/guard"
	"tocsin/internal/mail"
	"tocsin/internal/push"
)

// Channel is how a subscriber is told.
type Channel string

// The channels.
const (
	Email   Channel = "email"
	Webhook Channel = "webhook"
)

// Channels are all of them.
func Channels() []Channel { return []Channel{Email, Webhook} }

// Subscriber is an address that asked to be told of a page. Until it has confirmed
// that it wants so, it is sent nothing but the question.
type Subscriber struct {
	ID       string // UUIDv7
	PageID   string
	Channel  Channel
	Address  string // an e-mail address or the URL of a webhook
	Language string // BCP 47
	Want     push.Want
	// Asked is what it is to want once that is confirmed; nil: nothing was asked.
	Asked     *push.Want
	Secret    []byte    // of a webhook: signs what it is sent
	Created   time.Time // when it first asked
	Confirmed time.Time // zero: not yet
	Failures  int       // publications in a row that could not be brought there
}

// Bounds.
const (
	MaxURL = 1000
	// ConfirmWithin is for how long a question may be answered; who does not is
	// forgotten then.
	ConfirmWithin = 48 * time.Hour
	// SecretSize is how many bytes a webhook's secret has.
	SecretSize = 32
	// MaxUnconfirmed bounds how many of a page may wait for their answer.
	MaxUnconfirmed = 20_000
)

// ErrFull says that too many wait for their answer.
var ErrFull = errors.New("too many addresses wait to be confirmed")

// Clean checks the address and brings it into the form in which it is kept. It
// answers a *push.FieldError, as does what they want.
func (s *Subscriber) Clean(private []netip.Prefix) error {
	var err error
	switch s.Channel {
	case Email:
		if s.Address, err = mail.Address(s.Address); err != nil {
			return &push.FieldError{Field: "email", Problem: err.Error(), Mend: "write one like name@example.org"}
		}
	case Webhook:
		if s.Address, err = CheckURL(s.Address, private); err != nil {
			return &push.FieldError{Field: "url", Problem: err.Error(), Mend: "write one like https://example.org/hook"}
		}
	default:
		return fmt.Errorf("%q is no channel of visitors", s.Channel)
	}
	return s.Want.Validate()
}

// CheckURL answers the address of a webhook as it is kept. It goes by the URL
// alone: where its name leads is looked at when it is dialled. Without encryption
// it may only lead to what private allows.
func CheckURL(text string, private []netip.Prefix) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fmt.Errorf("is empty")
	}
	if len(text) > MaxURL {
		return "", fmt.Errorf("has %d bytes, more than %d", len(text), MaxURL)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			return "", fmt.Errorf("has a character that an address does not have")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", fmt.Errorf("is no web address")
	case u.Scheme != "https" && (u.Scheme != "http" || len(private) == 0):
		return "", fmt.Errorf("does not begin with https://")
	case u.User != nil:
		return "", fmt.Errorf("has a user name in it")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("has a port that is none")
		}
	}
	u.Host = strings.ToLower(u.Host)
	if guard.CheckHost(u.Hostname(), private) != nil {
		return "", fmt.Errorf("leads to an address that is not public")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// Question is a subscriber who is to be asked whether they meant it.
type Question struct {
	Subscriber
	Attempt int // rises at the claim
}

// Answer is what became of a question that was sent.
type Answer struct {
	ID      string
	Attempt int
	Due     time.Time // when it is to be sent again; zero: never
	Confirm bool      // it was answered at once, as webhooks do
	Gone    string    // why the address is forgotten; empty: it is not
}

// Part is a publication to one page's subscribers of a channel, claimed by one
// worker. Position moves on; a crash goes on from there.
type Part struct {
	Publication *push.Publication
	Channel     Channel
	Position    string // ids up to here are done
	Until       string // the last id
	Taken       time.Time
	Attempt     int // rises at the claim, and fences
}

// Step is what became of the subscribers from a Part's Position up to Position
// here.
type Step struct {
	Position string
	Last     bool
	Sent     int
	Unwanted int
	Failed   int
	Expired  int
	Repeats  int
	Gone     []Gone
	Retry    []Retry
	Healed   []string // ids that succeeded and had failures before
	Ailing   []string // ids that failed for good this time
	Problems map[string]int
}

// Gone is a subscriber that is ended, with the reason for people.
type Gone struct{ ID, Why string }

// Retry is a subscriber that a publication could not be brought to yet.
type Retry struct {
	PublicationID string
	Channel       Channel
	SubscriberID  string
	Attempt       int // how often it was tried
	Due           time.Time
	Detail        string // why, for people

	Subscriber  *Subscriber       // filled by the claim
	Publication *push.Publication // the same
}

// Outcome is what became of a claimed retry. Exactly one of Sent, Gone, Failed and
// Expired is set, or none: try again at Due.
type Outcome struct {
	Retry
	Sent, Failed, Expired bool
	Gone                  string // why it is ended
}

// Count is how many subscribers there are of one kind.
type Count struct {
	PageID    string
	Channel   Channel
	Confirmed int
	Waiting   int // for their confirmation
}

// Ended is a subscriber that was ended by what became of its messages. Its address
// is not kept.
type Ended struct {
	PageID  string
	Channel Channel
	At      time.Time
	Why     string
}
