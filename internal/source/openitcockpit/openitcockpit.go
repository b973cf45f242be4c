// Package openitcockpit is the kind of source that is openITCOCKPIT. Its
// engine knows hosts and services by UUID, so "host" and "service" of its
// events are UUIDs and the identity; the names that people gave them come as
// "host_display" and "service_display" and may change at any time.
package openitcockpit

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is openITCOCKPIT.
type Kind struct{}

// New is openITCOCKPIT.
func New() Kind { return Kind{} }

// Name is the word of --kind.
func (Kind) Name() string { return "openitcockpit" }

// Title is the engine's name for people.
func (Kind) Title() string { return "openITCOCKPIT" }

// Decode reads the canonical event JSON. UUIDs are the same in upper and in
// lower case, so they are kept in lower case. A display name that only repeats
// the identity is no name for people.
func (Kind) Decode(body []byte, now time.Time, _ source.Options) ([]alert.Event, error) {
	events, err := source.DecodeEvents(body, now, source.MaxEvents)
	if err != nil {
		return nil, err
	}
	for i := range events {
		o := &events[i].Object
		o.Host, o.HostDisplay = identity(o.Host, o.HostDisplay)
		o.Service, o.ServiceDisplay = identity(o.Service, o.ServiceDisplay)
	}
	return events, nil
}

func identity(id, display string) (string, string) {
	if strings.EqualFold(id, display) {
		display = ""
	}
	if len(id) == 36 && uuid.Validate(id) == nil {
		id = strings.ToLower(id)
	}
	return id, display
}

// Templates are the pages of openITCOCKPIT 4; from 5.6 on they lie below /a.
func (Kind) Templates(base string) (hostURL, serviceURL string) {
	return base + "/hosts/browser/{host}", base + "/services/browser/{service}"
}
