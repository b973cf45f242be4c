package console

import (
	"slices"

	"tocsin/internal/status"
)

// doing is how a component does: the shape and the word are those of the public page.
func doing(s status.State) look {
	icon := "is-" + string(s)
	switch s {
	case status.Operational:
		return look{"Operational", icon, "good"}
	case status.Maintained:
		return look{"Under maintenance", icon, "info"}
	case status.Degraded:
		return look{"Degraded performance", icon, "warn"}
	case status.Partial:
		return look{"Partial outage", icon, "part"}
	case status.Major:
		return look{"Major outage", icon, "bad"}
	}
	return look{"No data", "dash", "dim"}
}

// handStates are what a person can make of a component, from good to bad.
// Maintenance is announced, not set.
func handStates() []status.State {
	return slices.DeleteFunc(status.States(), func(s status.State) bool { return s == status.Maintained })
}
