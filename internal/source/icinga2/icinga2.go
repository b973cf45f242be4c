// Package icinga2 is the kind of source that is Icinga 2: its notification
// script runs `tocsin notify`, and its REST API takes back what was done here.
package icinga2

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is Icinga 2.
type Kind struct{}

// New is Icinga 2.
func New() Kind { return Kind{} }

// Name is the word of --kind.
func (Kind) Name() string { return "icinga2" }

// Title is the engine's name for people.
func (Kind) Title() string { return "Icinga 2" }

// Decode reads the canonical event JSON. Icinga's own words for types,
// FLAPPINGEND and DOWNTIMEREMOVED, are understood.
func (Kind) Decode(body []byte, now time.Time, _ source.Options) ([]alert.Event, error) {
	return source.DecodeEvents(body, now, source.MaxEvents)
}

// Templates are the pages of Icinga DB Web.
func (Kind) Templates(base string) (hostURL, serviceURL string) {
	return base + "/icingaweb2/icingadb/host?name={host}",
		base + "/icingaweb2/icingadb/service?name={service}&host.name={host}"
}
