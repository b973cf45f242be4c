// Package route decides who hears of an alert.
//
// Decide takes what happened and the directory of contacts, groups, rules and
// time periods, and answers one Decision for each contact and channel that
// came into question, told or not, each with its reason. The engine may name
// the contacts; when it names none, the rules choose.
package route

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/window"
)

// Directory is all that decisions depend on besides the event. It is a
// snapshot: nobody changes it after it was made.
type Directory struct {
	Contacts []contact.Contact
	Groups   []contact.Group
	Rules    []Rule // in the order of their position
	Periods  []contact.TimePeriod
	Users    map[string]bool     // ids of users that may sign in
	WebPush  bool                // the setting: Web Push is used at all
	Devices  map[string][]Device // by user id: where Web Push reaches them, oldest first; nil when there is none at all

	Chat   bool              // the setting: Mattermost is used at all
	Rooms  []Room            // of Mattermost, those that are on, in order of name
	Direct map[string]string // by contact id: the Mattermost user who gets its direct messages; only with a bot

	Mail  bool   // the setting: e-mail is used at all
	Hooks []Hook // webhooks that are on, in order of name

	Schedules []oncall.Schedule
	Policies  []escalation.Policy
	Windows   []window.Window // those that are on and not over

	Sources map[string]string    // names of sources, by id, for what is said of them
	Engines map[string]WriteBack // by source id: whose engines are told what was done here

	// FlapsHere are, by id, the sources whose engines do not say when something flaps
	// (see source.DetectsFlapping), so that it is looked for here.
	FlapsHere map[string]bool

	index *index // see Indexed
}

// Room is a place in Mattermost where alerts are posted.
type Room struct {
	ID         string
	Name       string
	Everything bool // gets every alert
	Bot        bool // its posts can be edited; else it is a webhook
}

// Hook is a webhook to which alerts are posted.
type Hook struct {
	ID         string
	Name       string
	Everything bool // gets every alert
	Storms     bool // is told when a storm is over (see hook.Form): a program reads it, and no person a new message
}

// WriteBack is an engine that is told what was done here.
type WriteBack struct {
	Name     string // of the source
	Releases bool   // it must be told of an alert's end, too
}

// Device is a browser of a user that takes Web Push.
type Device struct {
	ID   string // of its push.Subscription
	Name string // for its owner: "Firefox on Linux"
}

// Rule says which contacts and channels hear of which alerts. All conditions
// that are given must fit; an empty one fits everything. Host and service
// patterns are globs (* and ?), compared without regard to case, with the
// engine's name and the display name.
type Rule struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Position   int               `json:"position"`
	Enabled    bool              `json:"enabled"`
	SourceIDs  []string          `json:"source_ids"`
	Hosts      []string          `json:"hosts"`
	Services   []string          `json:"services"` // a host alert has no service: only an empty list or "" fits it
	States     []alert.State     `json:"states"`   // the alert's problem state; for a recovery, the worst it had
	Labels     map[string]string `json:"labels"`   // label name to glob
	ContactIDs []string          `json:"contact_ids"`
	GroupIDs   []string          `json:"group_ids"`
	Channels   []string          `json:"channels"` // empty: every channel that the contact has
	Rooms      []string          `json:"rooms"`    // ids of rooms of Mattermost that get it, besides
	Hooks      []string          `json:"hooks"`    // ids of webhooks that get it, besides

	ScheduleIDs []string `json:"schedule_ids"` // who is on call there is told
	PolicyID    string   `json:"policy_id"`    // what is done while nobody takes it; empty: nothing. The first rule that fits and names one counts
	Stop        bool     `json:"stop"`         // rules after this one are not looked at when it fits
}

// Reason is a decision's reason as a word that does not change, for filters,
// figures and translations.
type Reason string

// The reasons. Those up to ReasonSnoozeOver tell, the others do not.
const (
	ReasonNamed Reason = "named_by_engine" // the engine named the contact
	ReasonRule  Reason = "rule"            // a rule chose the contact
	ReasonTold  Reason = "told_before"     // was told of the problem, so also of what became of it

	ReasonRoom Reason = "room_everything" // the room gets every alert

	// These three are given by dispatch, not by Decide.
	ReasonReplace    Reason = "replace"     // quietly replaces what this device, or this post, shows
	ReasonWriteBack  Reason = "write_back"  // tells the engine what was done here
	ReasonSnoozeOver Reason = "snooze_over" // the reminder that a snooze asked for

	ReasonEscalation Reason = "escalation" // nobody took it in time; Why names the policy and the step
	ReasonReminder   Reason = "reminder"   // was told, and nobody has it yet
	ReasonHook       Reason = "hook_everything"
	ReasonOver       Reason = "storm_over"  // the last message of a storm
	ReasonStorm      Reason = "storm"       // of a digest: it tells of a storm; given by dispatch
	ReasonQuiet      Reason = "quiet_hours" // told when the contact's quiet hours are over
	ReasonWindow     Reason = "maintenance_window"

	ReasonUnknownContact Reason = "contact_unknown"   // the engine named somebody we do not know
	ReasonNoRule         Reason = "no_rule"           // nobody named and no rule fits
	ReasonOption         Reason = "option_off"        // the contact's options leave this out
	ReasonPeriod         Reason = "outside_period"    // outside the contact's time period
	ReasonDisabled       Reason = "notifications_off" // notifications are off for hosts or services
	ReasonPushOff        Reason = "push_off"          // push is off for hosts or services
	ReasonChannelOff     Reason = "channel_off"       // the channel is off in the settings
	ReasonNoUser         Reason = "no_user"           // no user is linked, so no browser to reach
	ReasonNoDevice       Reason = "no_device"         // a rule names Web Push and no device of the contact takes it
	ReasonNoChat         Reason = "no_mattermost"     // the contact is to hear in Mattermost, and no user or room there is known
	ReasonUserDisabled   Reason = "user_disabled"     // the linked user may not sign in
	ReasonOwn            Reason = "own_action"        // the person who did it need not be told
	ReasonSnoozed        Reason = "snoozed"           // asked to be left in peace about this problem for a while
	ReasonNeverTold      Reason = "never_told"        // the problem was over before it was told; given by dispatch, not by Decide
	ReasonFlapping       Reason = "flapping"          // it flaps, which was told
	ReasonMailOff        Reason = "mail_off"          // e-mail is switched off for hosts or services
	ReasonNoMail         Reason = "no_address"        // no e-mail address is known
	ReasonNoHook         Reason = "no_webhook"        // a rule names the channel and the contact has no webhook
	ReasonNobody         Reason = "nobody"            // nobody is on call, or what a rule or a step names is gone or empty; Why says the mend
	ReasonSilent         Reason = "silent"            // the event asks for no notice (Why says why)
)

// Question is what Decide is asked.
type Question struct {
	Event  alert.Event  // with Contacts and UserIDs as the engine named them
	Alert  *alert.Alert // after the event; nil if the object has none
	Notice alert.Notice
	// Snoozed are the contacts, by id, that want no problem notice of this
	// alert, each with the time until which.
	// A room of Mattermost stands in it as SnoozedRoom.
	Snoozed map[string]time.Time
	// Joined says that this is a further call of an event that was decided before,
	// for the contacts that it names: rooms have it. Before and BeforeIDs are those
	// that the calls before it named.
	Joined            bool
	Before, BeforeIDs []string

	// Flapping says that the object flaps as was found here: problems and recoveries
	// are told to nobody until it is calm.
	Flapping bool

	Told []Told // who was told of this alert's problem before; for a notice made here (an acknowledgement in the console) these hear of it
	Now  time.Time
}

// Told is a contact who was told of a problem, and by which channels; or, with no
// ContactID, a room of Mattermost or a webhook that was.
type Told struct {
	ContactID   string
	Channels    []string // empty: every channel that the contact has
	Destination string   // the id of the room or webhook, where ContactID is empty
}

// SnoozedRoom stands for a place in Mattermost among contacts that have an alert
// snoozed.
func SnoozedRoom(destination string) string { return "room:" + destination }

// Decision is one contact and channel, told or not, and why. For somebody who
// is not known here ContactID is empty and ContactName is what the engine said.
type Decision struct {
	ContactID   string
	ContactName string
	UserID      string // whom a browser delivery goes to
	Channel     string // empty when no channel came into question

	Destination     string // of a told one: by Web Push the id of the device, by Mattermost the room's or chat.Direct
	DestinationName string

	Told   bool
	Reason Reason
	Why    string // a sentence for people: "rule “Night shift” chose group Operators"
	Rule   string // name of the rule that chose, if one did

	// HoldUntil is until when a told one is held back, zero: not at all; Reason is
	// then ReasonQuiet, ReasonPeriod or ReasonWindow, and Why names the end.
	HoldUntil time.Time
}
