// Package alert holds what everything else is about: an Event that a source
// told us, the Object it is about, the Alert that an object's problem is, the
// Ack that somebody gave, and the state machine that leads from one to the
// next.
//
// The package is pure: no clock, no storage, no logging. Apply takes what is
// known of an object and one event, and answers what is true afterwards:
//
//	next := alert.Apply(alert.Situation{Object: o, Alert: a}, e, newID)
//
// The table behind it is Table, and docs/alert-states.md draws it.
package alert
