package alert

// Any stands in Table for every status an object can be in.
const Any Status = "any"

// Transition is one row of Table: an object whose alert stands at From gets an
// event On, When holds, and so its alert stands at To afterwards.
type Transition struct {
	From    Status // None: the object has no open alert; Any: each of None, Firing, Acknowledged
	On      Type
	When    Condition
	To      Status // Any: stays as it is
	Outcome Outcome
	Notice  Notice
	Why     string // the sentence for the timeline; {state} and the like are filled in, see fill
}

// Condition is what must hold besides status and type, in words for people.
type Condition string

// The conditions. Always is the last row of its status and type.
const (
	Always      Condition = ""
	Outdated    Condition = "older than what is known, and it says otherwise"
	SameState   Condition = "same state as the alert's"
	ForAnother  Condition = "same state as the alert's, and told for the sake of another of its group"
	StickyAck   Condition = "another state, and the acknowledgement is sticky"
	GoodState   Condition = "its state is OK or Up"
	AckIsLocal  Condition = "the engine says it, and one made here is not confirmed yet"
	SameAck     Condition = "it is the same one"
	IsEcho      Condition = "it is one made here that was taken back meanwhile"
	RanOut      Condition = "its time ran out"
	IsFlapping  Condition = "is flapping already"
	NotFlapping Condition = "was not flapping"
	IsDowntime  Condition = "is in a downtime already"
	NotDowntime Condition = "was not in a downtime"

	EngineIsTold    Condition = "the engine is told"
	AckReply        Condition = "it is about this acknowledgement, and says more than was known"
	DowntimeReply   Condition = "the downtime that was asked for is confirmed, and it was in none"
	NoDowntimeReply Condition = "the end of the downtime is confirmed, and it was in one"
)

// Table is the state machine: for each type of event its rows, of which the
// first that fits is taken. Every status and type has a row with no condition,
// so that there is an answer to everything. Apply does what it says.
func Table() []Transition {
	var all []Transition
	for _, t := range Types() {
		all = append(all, Rows(t)...)
	}
	return all
}

// Rows are the rows of one type, in the order in which they are tried; none for
// a type that is not known.
func Rows(on Type) []Transition {
	switch on {
	case Problem:
		return problemRows()
	case Recovery:
		return recoveryRows()
	case Acknowledgement:
		return ackRows()
	case Unacknowledged:
		return unackRows()
	case Snooze:
		return snoozeRows()
	case Unsnoozed:
		return unsnoozedRows()
	case FlappingStart:
		return []Transition{
			outdated(on),
			{Any, on, IsFlapping, Any, Noted, NoNotice, "It is known to be flapping already."},
			{Any, on, Always, Any, FlappingBegan, NoticeFlapping, "The engine says it began to flap between states."},
		}
	case FlappingStop:
		return flappingOverRows(on, "The engine says it stopped flapping.")
	case FlappingDisabled:
		return flappingOverRows(on, "Flap detection was switched off in the engine.")
	case DowntimeStart:
		return []Transition{
			outdated(on),
			{Any, on, IsDowntime, Any, Noted, NoNotice, "It is known to be in a downtime already."},
			{Any, on, Always, Any, DowntimeBegan, NoticeDowntime, "A downtime began{by}."},
		}
	case DowntimeEnd:
		return downtimeOverRows(on, "The downtime ended.")
	case DowntimeCancelled:
		return downtimeOverRows(on, "The downtime was cancelled{by}.")
	case Custom:
		return []Transition{
			{Any, on, Always, Any, Noted, NoticeCustom, "A custom notification{by}."},
		}
	}
	if on == FlapDetected || on == FlapCalm {
		return foundRows(on)
	}
	return askingRows(on)
}

// foundRows are those of what is found here because the engine does not look for it,
// see Flap. A problem that there is when it is calm is told as one: while it flapped,
// no problem was.
func foundRows(on Type) []Transition {
	if on == FlapDetected {
		return []Transition{
			{Any, on, IsFlapping, Any, Noted, NoNotice, "It is known to be flapping already."},
			{Any, on, Always, Any, FlappingBegan, NoticeFlapping,
				"Its state changes too often: it flaps. Problems and recoveries are told to nobody until it is calm."},
		}
	}
	const calm = "It is calm: its state no longer changes so often. "
	return []Transition{
		{Any, on, NotFlapping, Any, Noted, NoNotice, "It was not known to flap, so nobody is told."},
		{None, on, Always, Any, FlappingOver, NoticeFlapping, calm + "It is {state}."},
		{Firing, on, Always, Any, FlappingOver, NoticeProblem, calm + "It is still {state}."},
		{Acknowledged, on, Always, Any, FlappingOver, NoticeFlapping, calm + "It is still {state}, and acknowledged by {holder}."},
	}
}

// askingRows are those of what the engine is asked for, and of what it answers.
// The asking itself changes nothing: an object is in a downtime when the engine
// says so.
func askingRows(on Type) []Transition {
	switch on {
	case Comment:
		return []Transition{
			{Any, on, EngineIsTold, Any, Noted, NoNotice, "A comment{by}, which is written to the engine, too."},
			{Any, on, Always, Any, Noted, NoNotice, "A comment{by}; the engine of this source takes none."},
		}
	case ScheduleDowntime:
		return []Transition{
			{Any, on, Always, Any, Noted, NoNotice, "A downtime was asked for{by}; it begins when the engine confirms it."},
		}
	case CancelDowntime:
		return []Transition{
			{Any, on, Always, Any, Noted, NoNotice, "The end of the downtime was asked for{by}; it ends when the engine confirms it."},
		}
	case EngineReply:
		return []Transition{
			{Acknowledged, on, AckReply, Acknowledged, AckAnswered, NoNotice, "The engine {reply} the acknowledgement by {holder}."},
			{Any, on, DowntimeReply, Any, DowntimeBegan, NoticeDowntime, "The downtime that was asked for{by} began: the engine confirmed it."},
			{Any, on, NoDowntimeReply, Any, DowntimeOver, NoticeDowntime, "The downtime was ended{by}: the engine confirmed it."},
			{Any, on, Always, Any, Noted, NoNotice, "The engine {reply} {asked}."},
		}
	}
	return nil
}

// outdated is the first row of all types that an engine tells, but for Custom,
// which tells no state that time could overtake.
func outdated(on Type) Transition {
	return Transition{Any, on, Outdated, Any, Stale, NoNotice,
		"Older than what is known of it, so it changes nothing and nobody is told."}
}

func problemRows() []Transition {
	return []Transition{
		outdated(Problem),
		{None, Problem, Always, Firing, Opened, NoticeProblem, "A new problem: {state}."},
		{Firing, Problem, ForAnother, Firing, Repeated, NoNotice,
			"Still {state}; it was only told along with others of its group, so nobody is told again."},
		{Firing, Problem, SameState, Firing, Repeated, NoticeProblem, "Still {state}; the engine told it again."},
		{Firing, Problem, Always, Firing, Changed, NoticeProblem, "Was {was}, is {state} now."},
		{Acknowledged, Problem, SameState, Acknowledged, Repeated, NoNotice,
			"Still {state}, but acknowledged by {holder}, so nobody is told again."},
		{Acknowledged, Problem, StickyAck, Acknowledged, Changed, NoNotice,
			"Was {was}, is {state} now; the acknowledgement by {holder} holds until recovery, so nobody is told."},
		{Acknowledged, Problem, Always, Firing, Reopened, NoticeProblem,
			"Was {was}, is {state} now, so the acknowledgement by {holder} no longer holds."},
	}
}

func recoveryRows() []Transition {
	return []Transition{
		outdated(Recovery),
		{None, Recovery, Always, None, Noted, NoNotice, "It recovered, but no alert was open here, so nobody is told."},
		{Firing, Recovery, Always, Resolved, Closed, NoticeRecovery, "It recovered: {state}."},
		{Acknowledged, Recovery, Always, Resolved, Closed, NoticeRecovery, "It recovered: {state}."},
	}
}

func ackRows() []Transition {
	return []Transition{
		outdated(Acknowledgement),
		{None, Acknowledgement, GoodState, None, Noted, NoNotice,
			"Acknowledged by {author}, but nothing is wrong with it, so nobody is told."},
		{None, Acknowledgement, Always, Acknowledged, Acked, NoticeAck,
			"Acknowledged by {author}; the problem itself was never told here."},
		{Firing, Acknowledgement, IsEcho, Firing, Noted, NoNotice,
			"The engine tells of the acknowledgement by {author} that was made here; it was taken back in the meantime."},
		{Firing, Acknowledgement, Always, Acknowledged, Acked, NoticeAck, "Acknowledged by {author}."},
		{Acknowledged, Acknowledgement, AckIsLocal, Acknowledged, AckConfirmed, NoNotice,
			"The engine knows of the acknowledgement by {holder} now; people were told when it was made."},
		{Acknowledged, Acknowledgement, SameAck, Acknowledged, Noted, NoNotice,
			"The acknowledgement by {holder} was told before."},
		{Acknowledged, Acknowledgement, Always, Acknowledged, Acked, NoticeAck,
			"Acknowledged by {author}, before that by {holder}."},
	}
}

func unackRows() []Transition {
	return []Transition{
		outdated(Unacknowledged),
		{None, Unacknowledged, Always, None, Noted, NoNotice, "No alert is open, so there is no acknowledgement to take back."},
		{Firing, Unacknowledged, Always, Firing, Noted, NoNotice, "It is not acknowledged, so there is nothing to take back."},
		{Acknowledged, Unacknowledged, RanOut, Firing, Unacked, NoticeProblem,
			"The time of the acknowledgement by {holder} ran out, and it is still {state}."},
		{Acknowledged, Unacknowledged, Always, Firing, Unacked, NoNotice,
			"The acknowledgement by {holder} was taken back{by}."},
	}
}

// snoozeRows change no status: a snooze is one contact's, and all others are told
// as before. A problem that somebody has is told to nobody anyhow.
func snoozeRows() []Transition {
	return []Transition{
		{None, Snooze, Always, None, Noted, NoNotice, "No alert is open, so there is nothing to snooze."},
		{Firing, Snooze, Always, Firing, Noted, NoNotice, "Snoozed by {author}; a reminder follows at the end of it, unless it recovered or somebody took it by then."},
		{Acknowledged, Snooze, Always, Acknowledged, Noted, NoNotice,
			"It is acknowledged by {holder}, so nobody is told of it and there is nothing to snooze."},
	}
}

// unsnoozedRows tell nobody: who ends a snooze knows of the problem.
func unsnoozedRows() []Transition {
	return []Transition{
		{None, Unsnoozed, Always, None, Noted, NoNotice, "No alert is open, so there is no snooze to end."},
		{Firing, Unsnoozed, Always, Firing, Noted, NoNotice, "The snooze was ended{by}; what happens from now on is told again, and no reminder follows."},
		{Acknowledged, Unsnoozed, Always, Acknowledged, Noted, NoNotice, "It is acknowledged by {holder}, which ended every snooze of it."},
	}
}

// flappingOverRows and downtimeOverRows also end the alert of an object that
// is well: while it flaps or is in a downtime an engine keeps its recovery to
// itself, and it does not make up for it later, so the alert would stay open
// for ever.
func flappingOverRows(on Type, why string) []Transition {
	const recovered = " It is {state}: it recovered in the meantime, which the engine does not tell while it flaps."
	return []Transition{
		outdated(on),
		{Firing, on, GoodState, Resolved, Closed, NoticeRecovery, why + recovered},
		{Acknowledged, on, GoodState, Resolved, Closed, NoticeRecovery, why + recovered},
		{Any, on, NotFlapping, Any, Noted, NoNotice, why + " It was not known to flap, so nobody is told."},
		{Any, on, Always, Any, FlappingOver, NoticeFlapping, why},
	}
}

func downtimeOverRows(on Type, why string) []Transition {
	const recovered = " It is {state}: it recovered in the meantime, which the engine does not tell during a downtime."
	return []Transition{
		outdated(on),
		{Firing, on, GoodState, Resolved, Closed, NoticeRecovery, why + recovered},
		{Acknowledged, on, GoodState, Resolved, Closed, NoticeRecovery, why + recovered},
		{Any, on, NotDowntime, Any, Noted, NoNotice, why + " It was not known to be in one, so nobody is told."},
		{Any, on, Always, Any, DowntimeOver, NoticeDowntime, why},
	}
}
