package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Kind says what an object is.
type Kind string

// The kinds of object.
const (
	Host    Kind = "host"
	Service Kind = "service"
)

// State is an object's state in the engine's words.
type State string

// Host states and service states, in Nagios' numbering 0, 1, 2 and 0 to 3.
const (
	Up          State = "up"
	Down        State = "down"
	Unreachable State = "unreachable"

	OK       State = "ok"
	Warning  State = "warning"
	Critical State = "critical"
	Unknown  State = "unknown"
)

// Object is the host or the service that events are about. Host and Service
// are the engine's own names and its identity there; the display names are
// for people and may change.
type Object struct {
	ID             string // ObjectID(SourceID, Host, Service)
	SourceID       string
	Host           string
	Service        string // empty for a host
	HostDisplay    string // empty: show Host
	ServiceDisplay string // empty: show Service
	URL            string // the engine's page of it, if the event gave one
	Labels         map[string]string
	State          State
	Downtime       bool      // in a downtime of the engine
	Flapping       bool      // flapping, as the engine says, or as was found here
	Changed        time.Time // time of the newest event that told its state, in the engine's time

	// Of an object whose engine does not say when it flaps, see Flap: when its state
	// changed of late, by our clock, oldest first, at most MaxTurns; and since when it
	// flaps as was found here, zero while it does not.
	Turns []time.Time
	Flaps time.Time
}

// ObjectID makes an object's id from what identifies it, so that every node
// makes the same one without asking: 32 hex digits.
func ObjectID(sourceID, host, service string) string {
	h := sha256.Sum256([]byte(sourceID + "\x00" + host + "\x00" + service))
	return hex.EncodeToString(h[:16])
}

// Kind is Service when the object names a service, else Host.
func (o Object) Kind() Kind {
	if o.Service == "" {
		return Host
	}
	return Service
}

// HostName is the host's name for people.
func (o Object) HostName() string {
	if o.HostDisplay != "" {
		return o.HostDisplay
	}
	return o.Host
}

// ServiceName is the service's name for people, empty for a host.
func (o Object) ServiceName() string {
	if o.ServiceDisplay != "" {
		return o.ServiceDisplay
	}
	return o.Service
}

// Name is "HTTP Check on web01" for a service and "web01" for a host.
func (o Object) Name() string {
	if o.Service == "" {
		return o.HostName()
	}
	return o.ServiceName() + " on " + o.HostName()
}
