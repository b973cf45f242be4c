// Package nagios is the kinds of source that are Nagios and Naemon: their
// notification commands send the canonical event by tocsin notify, with the
// macros of $NOTIFICATIONTYPE$ and its like as they are.
//
// The other way, it is how these engines are told what was done here: lines for
// their external commands (Encode), given to the command file or to Livestatus,
// and read back from status.dat or from Livestatus.
package nagios

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is Nagios or Naemon. They differ in nothing that we see of them but
// their names and the usual place of their pages.
type Kind struct {
	name, title, cgi string
}

// New is Nagios Core.
func New() Kind { return Kind{"nagios", "Nagios", "/nagios/cgi-bin/extinfo.cgi"} }

// Naemon is Naemon with Thruk, the interface that it is usually seen in.
func Naemon() Kind { return Kind{"naemon", "Naemon", "/thruk/cgi-bin/extinfo.cgi"} }

// Name is the word of --kind.
func (k Kind) Name() string { return k.name }

// Title is the engine's name for people.
func (k Kind) Title() string { return k.title }

// Decode reads the canonical event JSON.
func (k Kind) Decode(body []byte, now time.Time, _ source.Options) ([]alert.Event, error) {
	return source.DecodeEvents(body, now, source.MaxEvents)
}

// Templates are the pages of extinfo.cgi: type 1 is a host, type 2 a service.
func (k Kind) Templates(base string) (hostURL, serviceURL string) {
	return base + k.cgi + "?type=1&host={host}", base + k.cgi + "?type=2&host={host}&service={service}"
}
