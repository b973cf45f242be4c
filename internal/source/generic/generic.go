// Package generic is the kind of source for everything else: whatever can
// POST the canonical event JSON, or a JSON of its own that a mapping explains.
package generic

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is the generic kind.
type Kind struct{}

// New is the generic kind.
func New() Kind { return Kind{} }

// Name is the word of --kind.
func (Kind) Name() string { return "generic" }

// Title is its name for people.
func (Kind) Title() string { return "Generic" }

// Decode reads the canonical event JSON, or by the source's mapping.
func (Kind) Decode(body []byte, now time.Time, o source.Options) ([]alert.Event, error) {
	if o.Mapping != nil {
		return o.Mapping.Decode(body, now, source.MaxEvents)
	}
	return source.DecodeEvents(body, now, source.MaxEvents)
}

// Templates are empty: nobody knows the pages.
func (Kind) Templates(string) (hostURL, serviceURL string) { return "", "" }
