// Package window is about maintenance windows: stretches of time, once or again and
// again, in which alerts about some objects are held back. Pure.
//
// A window begins at the time of the clock in its own zone that its start names, on
// each date of its rule. Where daylight saving leaves that time out it begins as long
// after the gap's beginning as it would have; of a time that comes twice the first
// counts. It lasts so many minutes, whatever the clock does meanwhile, but whole days
// are days of the calendar: two days from Saturday at midnight end on Monday at
// midnight. That is how RFC 5545 reads times and durations.
package window

import "time"

// Window is one maintenance window.
type Window struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Enabled  bool              `json:"enabled"`
	Note     string            `json:"note"`
	Zone     string            `json:"zone"`    // IANA name; empty is UTC
	Start    string            `json:"start"`   // "2006-01-02T15:04" by that clock; of the first one where it comes again
	Minutes  int               `json:"minutes"` // how long one lasts
	RRule    string            `json:"rrule"`   // RFC 5545 without DTSTART; empty: once
	Sources  []string          `json:"source_ids"`
	Hosts    []string          `json:"hosts"`    // globs, as of route.Rule
	Services []string          `json:"services"` // likewise
	Labels   map[string]string `json:"labels"`   // label name to glob
	Page     Public            `json:"page"`     // what visitors see of it
	By       string            `json:"by"`       // who made it, for people
	Created  time.Time         `json:"created"`
}

// Public is a window as visitors of a status page see it: a maintenance, or a
// series of them.
type Public struct {
	PageID       string   `json:"page_id"` // empty: they see nothing of it
	Title        string   `json:"title"`
	Body         string   `json:"body"` // Markdown
	ComponentIDs []string `json:"component_ids"`
	// MaintenanceID is the maintenance, or the series, that was made of it.
	MaintenanceID string `json:"maintenance_id"`
	// Pending says that what visitors see is not yet as the window says.
	Pending bool `json:"pending,omitempty"`
}
