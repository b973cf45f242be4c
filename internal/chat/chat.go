// Package chat is what there is to say about Mattermost before anything is sent:
// its settings, the rooms where alerts are posted, the posts that were made, the
// secrets of their buttons, and which of its users are contacts here. Pure.
//
// A room is one place where alerts appear: an incoming webhook, or a channel
// where our bot posts. A direct message to a contact has no row; its key is made
// by Direct.
package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"tocsin/internal/alert"
)

// Settings are what a person sets for Mattermost as a whole.
type Settings struct {
	Enabled     bool   `json:"enabled"`
	ServerURL   string `json:"server_url"`   // https://chat.example.com; needed for the bot and dialogs
	TwoWay      bool   `json:"two_way"`      // buttons, dialogs and the slash command
	CallbackURL string `json:"callback_url"` // under which Mattermost reaches us; empty: the base URL
	UseProxy    bool   `json:"use_proxy"`
	Unlinked    bool   `json:"allow_unlinked"` // people who are linked to no contact may acknowledge, too
	NoEmoji     bool   `json:"no_emoji"`
	TimeZone    string `json:"time_zone"`  // of times in posts and answers, as Europe/Berlin; empty is UTC
	APIKeyID    string `json:"api_key_id"` // the API key in whose name buttons act; when it is revoked, they stop

	// Secrets, stored apart and never shown: the bot's token, and the SHA-256 in
	// hex of the tokens that Mattermost made for the slash command, one a team.
	BotToken      string   `json:"-"`
	CommandHashes []string `json:"-"`
}

// Kind is how a room is reached.
type Kind string

// The kinds of room.
const (
	Webhook Kind = "webhook"
	Bot     Kind = "bot"
)

// Room is one place in Mattermost where alerts are posted.
type Room struct {
	ID         string
	Name       string // for people, unique here: "Operations"
	Kind       Kind
	WebhookURL string // of a webhook; secret, never shown
	Override   string // of a webhook: another channel than its own, "town-square" or "@jane"
	Team       string // of a bot's: names as in Mattermost's addresses
	Channel    string
	ChannelID  string // of a bot's, found by Team and Channel; empty until then
	Everything bool   // gets every alert; else what rules and contacts send there
	Disabled   bool

	LastPost    time.Time // of the last message that was taken
	LastError   string    // since then; empty: all is well
	LastErrorAt time.Time
	Created     time.Time
}

const direct = "direct:"

// Direct is the destination of direct messages to a Mattermost user.
func Direct(userID string) string { return direct + userID }

// DirectUser is the Mattermost user of a destination made by Direct.
func DirectUser(destination string) (userID string, ok bool) {
	return strings.CutPrefix(destination, direct)
}

// Post is what stands in a room of one alert.
type Post struct {
	AlertID     string // or StormPrefix and the id of a storm
	Destination string // id of the room, or Direct
	ChannelID   string
	PostID      string // empty while it is not known whether it was made; a webhook's, until somebody clicked in it
	Webhook     bool   // it can only be edited in answer to a click
	Nonce       string // our id in the post's props, looked for after a time-out
	Tried       time.Time
	Hash        string // of what stands there, so that nothing is edited in vain
	LastEvent   string // id of the event that was told last
	Replies     string // ids of deliveries that have a reply in the thread, comma separated, the last 20
	Gone        bool   // deleted in Mattermost: nothing is posted there for this alert again
	Created     time.Time
	Updated     time.Time
}

// StormPrefix begins the AlertID of a post that is of a storm, and not of one alert;
// the storm's id follows.
const StormPrefix = "storm:"

// Action is what a button does.
type Action string

// The actions. Dialog opens the dialog of AckDialog, whose submission acts.
const (
	Ack       Action = "ack"
	AckDialog Action = "ackdialog"
	Snooze    Action = "snooze"
	Unack     Action = "unack"
)

// Button is the secret of one button of one rendering of a post. Only its hash is
// kept. It is good for one act, of one alert, in one channel, and in one post as
// soon as that is known.
type Button struct {
	Hash        string // SHA-256 of the secret, hex
	AlertID     string
	Destination string
	Action      Action
	ChannelID   string // empty where it is not known before (webhook): the first click says it
	PostID      string // likewise
	Made        time.Time
	Expires     time.Time
	Used        time.Time // zero: not yet
	UsedBy      string    // id of the Mattermost user
}

// Clicked is a button that was pressed, where it stands, and how Mattermost is set.
type Clicked struct {
	Button   Button
	Post     *Post // in which it stands as far as is known; nil: nothing is
	Room     *Room // nil: it was removed, or the post is a direct message
	Settings Settings
}

// Person is a Mattermost user who is linked to a contact here.
type Person struct {
	UserID    string // Mattermost's, which never changes
	Name      string // user name as last seen, for people
	ContactID string
	Linked    time.Time
}

// Link is a one-time link that was given to a Mattermost user.
type Link struct {
	Hash    string // SHA-256 of its token, hex
	UserID  string
	Name    string
	Expires time.Time
}

// Entry is one line of an alert in a list in chat.
type Entry struct {
	Short string // what /tocsin ack takes: the last characters of the alert's id
	alert.Alert
}

// Hash is what is kept of a secret, a token or a link: its SHA-256, in hex.
func Hash(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}
