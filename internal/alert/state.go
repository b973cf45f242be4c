package alert

import "strings"

// Information is the colour of what is no state: an acknowledgement, a
// downtime, a custom notification. It is openITCOCKPIT's, like the others.
const Information = "#1895f5"

// States are the states that an object of this kind can have, in Nagios'
// numbering: the index is the number.
func (k Kind) States() []State {
	if k == Service {
		return []State{OK, Warning, Critical, Unknown}
	}
	return []State{Up, Down, Unreachable}
}

// Good is the state of an object of this kind when nothing is wrong.
func (k Kind) Good() State {
	if k == Service {
		return OK
	}
	return Up
}

// Missing is the state that is taken when a source gives none: Unreachable
// for a host and Unknown for a service, as openITCOCKPIT does.
func (k Kind) Missing() State {
	if k == Service {
		return Unknown
	}
	return Unreachable
}

// Has says whether an object of this kind can have the state.
func (k Kind) Has(s State) bool {
	switch s {
	case Up, Down, Unreachable:
		return k != Service
	case OK, Warning, Critical, Unknown:
		return k == Service
	}
	return false
}

// ParseState reads a state as a number ("2") or a word in any case
// ("CRITICAL"); space around it does not count. It is false for a state that
// an object of this kind cannot have and for an empty text: whoever decodes
// takes Kind.Missing then and marks the event.
func ParseState(kind Kind, text string) (State, bool) {
	text = strings.TrimSpace(text)
	if len(text) == 1 && text[0] >= '0' && text[0] <= '9' {
		states := kind.States()
		if n := int(text[0] - '0'); n < len(states) {
			return states[n], true
		}
		return "", false
	}
	s := State(strings.ToLower(text))
	return s, kind.Has(s)
}

// Severity orders states for lists and for Alert.Worst: 0 is good, 1 Warning,
// 2 Unknown and Unreachable, 3 Critical, 4 Down. A host that is down counts
// as worse than a service, because it takes its services along; Unreachable is
// less than Down, because the cause is elsewhere.
func (s State) Severity() int {
	switch s {
	case Warning:
		return 1
	case Unknown, Unreachable:
		return 2
	case Critical:
		return 3
	case Down:
		return 4
	}
	return 0
}

// Problem says whether something is wrong. The empty state is no problem.
func (s State) Problem() bool { return s.Severity() > 0 }

// Word is the state for people: "Critical", "OK"; "not known" for none.
func (s State) Word() string {
	switch s {
	case Up:
		return "Up"
	case Down:
		return "Down"
	case Unreachable:
		return "Unreachable"
	case OK:
		return "OK"
	case Warning:
		return "Warning"
	case Critical:
		return "Critical"
	case Unknown:
		return "Unknown"
	}
	return "not known"
}

// Colour is the state's colour as openITCOCKPIT has it, "#rrggbb".
func (s State) Colour() string {
	switch s {
	case Up, OK:
		return "#5cb85c"
	case Warning:
		return "#f0ad4e"
	case Down, Critical:
		return "#d9534f"
	case Unreachable, Unknown:
		return "#adadad"
	}
	return Information
}

func worse(a, b State) State {
	if b.Severity() > a.Severity() {
		return b
	}
	return a
}
