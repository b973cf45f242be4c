package mattermost

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
)

// The refusals of a Desk, on which answers depend.
var (
	ErrNotFound = errors.New("there is no such alert")
	ErrNotOpen  = errors.New("the alert has recovered")
	ErrAcked    = errors.New("the alert is acknowledged already")
	ErrNotAcked = errors.New("the alert is not acknowledged")
	ErrBusy     = errors.New("too much is going on; try again in a moment")
)

// Actor is who acts in Mattermost, as they are known here.
type Actor struct {
	UserID    string // of the user here; empty when the contact has none, or nobody is linked
	ContactID string // empty when nobody is linked
	Name      string // as it is recorded and shown
	Linked    bool   // to a contact
	May       bool   // that contact may acknowledge
	Barred    bool   // its user is disabled or gone: who may not sign in here sees nothing in Mattermost either
}

// OnCall is a contact, and whether it is told of problems at this time.
type OnCall struct {
	Contact string
	Now     bool
	Until   time.Time // when that changes; zero: not within the next days
}

// Rota is who is on call in a schedule.
type Rota struct {
	Schedule string
	Now      string    // the contact; empty: nobody
	Until    time.Time // when that changes; zero: not for a year
	Next     string    // who is from then on; empty: nobody
}

// Many is the number of alerts that were not counted.
const Many = -1

// Desk is what the hub does for people in Mattermost. What is done is recorded
// with the origin alert.FromMattermost.
type Desk interface {
	// Acknowledge takes an alert. sticky nil is as the settings say. The alert is
	// answered also with ErrNotOpen and ErrAcked, as it is then; ErrNotFound,
	// ErrBusy.
	Acknowledge(ctx context.Context, alertID string, who Actor, comment string, until time.Time, sticky *bool) (alert.Alert, error)
	// Unacknowledge gives it back: ErrNotOpen, ErrNotAcked, ErrNotFound, ErrBusy.
	Unacknowledge(ctx context.Context, alertID string, who Actor) (alert.Alert, error)
	// Snooze leaves the linked contact, and the destination where the button
	// stands, in peace about the alert for a time: ErrNotOpen, ErrAcked,
	// ErrNotFound, ErrBusy.
	Snooze(ctx context.Context, alertID string, who Actor, destination string, d time.Duration) (until time.Time, err error)

	// Open lists open alerts that have text in their names or their output, those
	// first that nobody has taken, of them the worst, of them the newest; total is
	// how many there are, Many where more than limit are not counted.
	Open(ctx context.Context, text string, limit int) (alerts []alert.Alert, total int, err error)
	// Alert answers one: ErrNotFound.
	Alert(ctx context.Context, id string) (alert.Alert, error)
	// Find answers the open alerts whose id ends in short.
	Find(ctx context.Context, short string) ([]alert.Alert, error)
	// Rotas answers who is on call in each schedule, by their names; none where there
	// are no schedules. OnCall answers who is told at all.
	Rotas(ctx context.Context) ([]Rota, error)
	OnCall(ctx context.Context) ([]OnCall, error)

	// Who answers who a Mattermost user is here; not Linked for somebody unknown,
	// which is no error.
	Who(ctx context.Context, mattermostUserID string) (Actor, error)
	// EngineName is the name of a source whose engine is told what is done here,
	// empty for one that is not.
	EngineName(ctx context.Context, sourceID string) string
	// KeyValid says whether the API key in whose name buttons act is still good.
	KeyValid(ctx context.Context) (bool, error)
}

// Store keeps what this channel must not forget. fault.ErrNotFound is answered
// for what there is not.
type Store interface {
	ChatSettings(ctx context.Context) (chat.Settings, error)
	Rooms(ctx context.Context) ([]chat.Room, error)
	// NoteRoom keeps how posting into a room went; problem is empty when it went
	// well.
	NoteRoom(ctx context.Context, id string, at time.Time, problem string) error

	Post(ctx context.Context, alertID, destination string) (chat.Post, error)
	// SavePosts writes posts over what is there of the same alert and destination,
	// and adds buttons, all in one transaction.
	SavePosts(ctx context.Context, posts []chat.Post, buttons []chat.Button) error
	// ClaimPost writes a post that is about to be made, in the place of the try with
	// the nonce before, and its buttons: of many nodes at once one does.
	ClaimPost(ctx context.Context, p chat.Post, before string, buttons []chat.Button) (won bool, err error)
	// SaveEdit writes a post that was edited, and deletes its buttons that were made
	// before a time.
	SaveEdit(ctx context.Context, p chat.Post, madeBefore time.Time) error
	// SaveClick writes a post that was clicked in with its new buttons, and uses the
	// button with the hash up, as UseButton does.
	SaveClick(ctx context.Context, p chat.Post, buttons []chat.Button, hash, userID string, now time.Time) error
	// Clicked answers a button, and what is read with it.
	Clicked(ctx context.Context, hash string) (chat.Clicked, error)
	// UseButton marks a button as used and binds it to a channel and a post where
	// it was not; first is false when it had been used, or stands elsewhere.
	UseButton(ctx context.Context, hash, userID, channelID, postID string, now time.Time) (first bool, err error)
	// ReserveButton keeps a button for who presses it first, for as long as what it
	// is for may take: UseButton or ReleaseButton follows, unless the hub is killed.
	ReserveButton(ctx context.Context, hash, channelID, postID string, now time.Time) (first bool, err error)
	// ReleaseButton gives back a use, or a reservation, that came to nothing.
	ReleaseButton(ctx context.Context, hash string) error

	// Secret answers 32 bytes that every node has, by name.
	Secret(ctx context.Context, name string) ([]byte, error)
	// UseToken, FinishToken and ReleaseToken make a nonce usable once.
	UseToken(ctx context.Context, nonce string, expires time.Time) (first bool, err error)
	FinishToken(ctx context.Context, nonce string) error
	ReleaseToken(ctx context.Context, nonce string) error

	SaveLink(ctx context.Context, l chat.Link) error
}
