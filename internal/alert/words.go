package alert

import "strings"

// Types are all types of event, in the order of the documentation.
func Types() []Type {
	return []Type{
		Problem, Recovery, Acknowledgement, Unacknowledged, Snooze, Unsnoozed,
		FlappingStart, FlappingStop, FlappingDisabled,
		DowntimeStart, DowntimeEnd, DowntimeCancelled, Custom,
		Comment, ScheduleDowntime, CancelDowntime, EngineReply,
		FlapDetected, FlapCalm,
	}
}

// ParseType reads a type of event in any case, in the words of Nagios, and of
// Icinga where they differ. Those that only we make are not among them, see Ours.
func ParseType(text string) (Type, bool) {
	t := Type(strings.ToUpper(strings.TrimSpace(text)))
	switch t {
	case "FLAPPINGEND":
		return FlappingStop, true
	case "DOWNTIMEREMOVED":
		return DowntimeCancelled, true
	}
	return t, t.Valid() && !t.Ours()
}

// Ours says whether only we make events of this type, about what people did here
// and what became of it; no source may send them.
func (t Type) Ours() bool {
	switch t {
	case Snooze, Unsnoozed, Comment, ScheduleDowntime, CancelDowntime, EngineReply, FlapDetected, FlapCalm:
		return true
	}
	return false
}

// Valid says whether it is one of Types.
func (t Type) Valid() bool { return t.Word() != "" }

// Word is the type for people: "Downtime started". Empty for an unknown one.
func (t Type) Word() string {
	switch t {
	case Problem:
		return "Problem"
	case Recovery:
		return "Recovery"
	case Acknowledgement:
		return "Acknowledgement"
	case Unacknowledged:
		return "Acknowledgement taken back"
	case Snooze:
		return "Snoozed"
	case Unsnoozed:
		return "Snooze ended"
	case FlappingStart:
		return "Flapping started"
	case FlappingStop:
		return "Flapping stopped"
	case FlappingDisabled:
		return "Flap detection switched off"
	case DowntimeStart:
		return "Downtime started"
	case DowntimeEnd:
		return "Downtime ended"
	case DowntimeCancelled:
		return "Downtime cancelled"
	case Custom:
		return "Custom notification"
	case Comment:
		return "Comment"
	case ScheduleDowntime:
		return "Downtime asked for"
	case CancelDowntime:
		return "End of the downtime asked for"
	case EngineReply:
		return "Answer of the engine"
	case FlapDetected:
		return "Flapping found"
	case FlapCalm:
		return "Flapping over"
	}
	return ""
}

// thing is what an engine was asked for by an event of this type, within a
// sentence.
func (t Type) thing() string {
	switch t {
	case Acknowledgement:
		return "the acknowledgement"
	case Unacknowledged:
		return "that the acknowledgement was taken back"
	case Comment:
		return "the comment"
	case ScheduleDowntime:
		return "the downtime"
	case CancelDowntime:
		return "the end of the downtime"
	case Recovery:
		return "the end of what was kept for this alert"
	}
	return "what it was asked for"
}

// Word is the status for people: "Firing", and "No alert" for None.
func (s Status) Word() string {
	switch s {
	case None:
		return "No alert"
	case Firing:
		return "Firing"
	case Acknowledged:
		return "Acknowledged"
	case Resolved:
		return "Resolved"
	case Any:
		return "Any"
	}
	return string(s)
}

// Word is the outcome for people, as it stands on a timeline: "New alert".
func (o Outcome) Word() string {
	switch o {
	case Opened:
		return "New alert"
	case Changed:
		return "State changed"
	case Reopened:
		return "Firing again"
	case Repeated:
		return "Told again"
	case Acked:
		return "Acknowledged"
	case AckConfirmed:
		return "Acknowledgement confirmed"
	case AckAnswered:
		return "Answered by the engine"
	case Unacked:
		return "Acknowledgement taken back"
	case Closed:
		return "Resolved"
	case DowntimeBegan:
		return "Downtime began"
	case DowntimeOver:
		return "Downtime over"
	case FlappingBegan:
		return "Flapping began"
	case FlappingOver:
		return "Flapping over"
	case Noted:
		return "Noted"
	case Stale:
		return "Out of date"
	}
	return string(o)
}

// Word is the notice for people: "Recovery", and "None" for NoNotice.
func (n Notice) Word() string {
	switch n {
	case NoNotice:
		return "None"
	case NoticeProblem:
		return "Problem"
	case NoticeRecovery:
		return "Recovery"
	case NoticeAck:
		return "Acknowledgement"
	case NoticeFlapping:
		return "Flapping"
	case NoticeDowntime:
		return "Downtime"
	case NoticeCustom:
		return "Custom notification"
	case NoticeEngine:
		return "Told to the engine"
	case NoticeDigest:
		return "Several together"
	}
	return string(n)
}

// Word is for people what the engine made of what was done here: "Waiting for the
// engine".
func (c Confirmation) Word() string {
	switch c {
	case Local:
		return "Known here alone"
	case Pending:
		return "Waiting for the engine"
	case Confirmed:
		return "Confirmed by the engine"
	case Refused:
		return "Refused by the engine"
	case Unconfirmed:
		return "Not confirmed by the engine"
	}
	return string(c)
}

// verb is what the engine did, within a sentence.
func (c Confirmation) verb() string {
	switch c {
	case Confirmed:
		return "confirmed"
	case Refused:
		return "refused"
	case Unconfirmed:
		return "did not confirm"
	}
	return "has yet to confirm"
}

// Betters says whether next tells more than is known. What is confirmed stays so,
// until the engine is found not to have it any more; and what was refused is not
// made unknown again.
func (c Confirmation) Betters(next Confirmation) bool {
	switch next {
	case Confirmed:
		return c != Confirmed
	case Refused:
		return c != Confirmed && c != Refused
	case Unconfirmed:
		return c != Confirmed && c != Refused && c != Unconfirmed
	}
	return false
}

// Word says for people what was sloppy, as a clause without a full stop.
func (m Mark) Word() string {
	switch m {
	case MarkStateMissing:
		return "came without a usable state, so the worst guess of its kind was taken"
	case MarkClockAhead:
		return "was dated in the future, so its time of arrival was taken"
	case MarkLate:
		return "arrived long after its time"
	case MarkOutOfOrder:
		return "is older than what was known already"
	case MarkText:
		return "had characters that cannot be shown; they were replaced"
	case MarkCut:
		return "had a text that was too long; it was cut"
	case MarkContact:
		return "named a contact that is not known here"
	case MarkNoEmoji:
		return "asked for messages without emoji"
	}
	return string(m)
}
