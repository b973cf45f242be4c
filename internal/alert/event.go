package alert

import "time"

// Type is what kind of thing a source told us.
type Type string

// The types of event, in the words of Nagios. Those from Unacknowledged on are
// ours, for what people do here and what becomes of it: no source may send them.
const (
	Problem           Type = "PROBLEM"
	Recovery          Type = "RECOVERY"
	Acknowledgement   Type = "ACKNOWLEDGEMENT"
	FlappingStart     Type = "FLAPPINGSTART"
	FlappingStop      Type = "FLAPPINGSTOP"
	FlappingDisabled  Type = "FLAPPINGDISABLED"
	DowntimeStart     Type = "DOWNTIMESTART"
	DowntimeEnd       Type = "DOWNTIMEEND"
	DowntimeCancelled Type = "DOWNTIMECANCELLED"
	Custom            Type = "CUSTOM"
	Unacknowledged    Type = "UNACKNOWLEDGED"
	Snooze            Type = "SNOOZE"
	Unsnoozed         Type = "UNSNOOZED"

	// These ask the engine for something; they change nothing here by themselves.
	Comment          Type = "COMMENT"          // a comment for the engine's page of it
	ScheduleDowntime Type = "SCHEDULEDOWNTIME" // until Until
	CancelDowntime   Type = "CANCELDOWNTIME"   // those that were scheduled here
	// EngineReply is what became of what the engine was asked for: Reply says it,
	// ReplyTo is the event that asked, Comment has the engine's words.
	// Author and UserID are those of who asked.
	EngineReply Type = "ENGINEREPLY"

	// These are found here, of objects whose engine does not look for it, see Flap.
	FlapDetected Type = "FLAPDETECTED"
	FlapCalm     Type = "FLAPCALM"
)

// Mark says that an event was accepted although something about it was
// sloppy. Marks are shown on the timeline.
type Mark string

// The marks.
const (
	MarkStateMissing Mark = "state_missing" // no state: taken as Unreachable or Unknown
	MarkClockAhead   Mark = "clock_ahead"   // time in the future: the time of arrival was taken
	MarkLate         Mark = "late"          // arrived long after its time (a spool handed in)
	MarkOutOfOrder   Mark = "out_of_order"  // older than what the object already went through
	MarkText         Mark = "text_cleaned"  // invalid UTF-8, control characters or those that turn the direction of writing were replaced or taken out
	MarkCut          Mark = "text_cut"      // a text longer than its limit was cut
	MarkContact      Mark = "contact_unknown"
	MarkNoEmoji      Mark = "no_emoji" // not sloppy: the command asked for messages without emoji
)

// Event is one thing a source told us. Decoders fill everything but ID, Alert,
// Received, Outcome and Why.
type Event struct {
	ID       string // UUIDv7, given on receipt
	CallID   string // the sender's id of this call, empty if it has none; one id is taken once
	SourceID string
	AlertID  string // empty when the object had no alert then
	Object   Object
	Type     Type
	State    State
	Output   string
	Long     string
	Author   string // of an acknowledgement, downtime or custom notification
	Comment  string
	UserID   string    // the user here who caused it, empty when the engine did
	Origin   Origin    // where it was made
	Contacts []string  // contacts the engine named, by their name there; none: our rules choose
	UserIDs  []string  // contacts the engine named by the id of its user (--user-id)
	Time     time.Time // in the engine's time, not after Received
	Received time.Time
	Marks    []Mark
	Sticky   bool      // of an acknowledgement made here
	Until    time.Time // of a snooze, an acknowledgement, a downtime asked for: when it ends; of Unsnoozed: when the last of the others ends, zero if none is left. Kept for what the engine is asked for

	Pending bool // of what was done here: the engine is to be told. Not kept with the event
	Echo    bool // of an acknowledgement of the engine: it is one made here, which was taken back meanwhile. Not kept with the event
	// Grouped, of what was told with a group: the sender tells all of the group again
	// whenever something in it changes, and as a repetition when nothing does.
	// Restated, of a problem: it is told for the sake of another one. Began, of a
	// problem: since when it lasts, as the sender says. None is kept with the event.
	Grouped, Restated bool
	Began             time.Time

	// Watched, of what the engine tells: its changes of state are counted, see
	// Object.Turns. Not kept with the event.
	Watched bool

	ReplyTo string       // of EngineReply: the id of the event that asked
	Asked   Type         // of EngineReply: the type of that event. Not kept with the event
	Reply   Confirmation // of EngineReply

	Outcome Outcome // what it did to the alert
	Why     string  // one sentence: why it did that, for people
}
