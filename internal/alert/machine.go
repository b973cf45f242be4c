package alert

// Situation is what is known of an object at one moment: the object with its
// downtime and flapping flags, and its open alert, nil if there is none.
type Situation struct {
	Object Object
	Alert  *Alert
}

// Outcome says what an event did.
type Outcome string

// The outcomes.
const (
	Opened        Outcome = "opened"         // a new alert
	Changed       Outcome = "changed"        // another problem state (worse or better)
	Reopened      Outcome = "reopened"       // an acknowledged alert fires again because its state changed
	Repeated      Outcome = "repeated"       // the same problem told again
	Acked         Outcome = "acknowledged"   // now acknowledged
	AckConfirmed  Outcome = "ack_confirmed"  // an acknowledgement made here came back from the engine
	AckAnswered   Outcome = "ack_answered"   // what the engine made of an acknowledgement is known, or known better
	Unacked       Outcome = "unacknowledged" // acknowledgement taken back
	Closed        Outcome = "resolved"       // recovered
	DowntimeBegan Outcome = "downtime_began"
	DowntimeOver  Outcome = "downtime_over"
	FlappingBegan Outcome = "flapping_began"
	FlappingOver  Outcome = "flapping_over"
	Noted         Outcome = "noted" // recorded, nothing changed (custom, or nothing to change)
	Stale         Outcome = "stale" // older than what is known: recorded, changes nothing, nobody is told
)

// Notice is the kind of message that an outcome asks for. Empty: nobody is to
// be told, and Result.Why says why.
type Notice string

// The notices, which contacts' options refer to.
const (
	NoNotice       Notice = ""
	NoticeProblem  Notice = "problem"
	NoticeRecovery Notice = "recovery"
	NoticeAck      Notice = "acknowledgement"
	NoticeFlapping Notice = "flapping" // start, stop, disabled
	NoticeDowntime Notice = "downtime" // start, end, cancelled
	NoticeCustom   Notice = "custom"

	// NoticeEngine is no message to people: it tells the engine what was done
	// here. Contacts' options do not know it.
	NoticeEngine Notice = "engine"

	// NoticeDigest tells of several alerts together: of a storm, or of what was
	// held back. What it tells of is looked up when it is sent. Contacts' options do
	// not know it; what it collects was wanted by them.
	NoticeDigest Notice = "digest"
)

// Result is what Apply answers: the situation after the event, what the event
// did, and the notice it asks for.
type Result struct {
	Situation // Alert is the one the event belongs to, also when it was just resolved; nil if none
	Outcome   Outcome
	Notice    Notice
	Why       string // one sentence for the timeline
	Marks     []Mark // the event's marks, with what Apply found: MarkOutOfOrder, MarkStateMissing
}
