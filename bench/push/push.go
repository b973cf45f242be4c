// Package push measures the sending of Web Push: what a message costs beside
// its bare cryptography, against other senders, with keys made ahead, to a
// million devices with the program killed on the way, and with a far service.
//
// The push service is a process of its own (bench/push/sink), which costs
// little, counts what every device got and decrypts a sample. The sender is
// another one (bench/push/sender) around the program's real sender, or the
// program itself.
package push

import (
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/push"
)

// Done is what the sender says of one thing that it did.
type Done struct {
	Messages    int
	CPU         int64 // nanoseconds of the process, user and system
	Wall        int64
	Heap        int64 // bytes that preparing took
	Ready       int   // devices that something is prepared for
	Connections int
	Sent        int64 // requests since the beginning
	Writes      int64 // calls of write for them
}

// Publication is what is published: text of a usual length.
func Publication(page string) push.Publication {
	now := time.Now()
	return push.Publication{
		PageID: page, Kind: push.IncidentNew, Impact: push.ImpactMajor, URL: "/status/incidents/0198f2c4", Topic: "incident-0198f2c4",
		Urgency: push.High, By: "bench", Created: now, Expires: now.Add(4 * time.Hour),
		Texts: map[string]push.Text{"": {Title: "Payments are delayed", Body: "Card payments take up to ten minutes. We are looking into it, and no payment is lost."}},
	}
}

// Seen is what the push service says of itself since the last reset.
type Seen struct {
	Origin      string
	Messages    int64
	Bytes       int64 // of bodies
	Connections int64 // opened
	Devices     int   // that got something
	Most        int   // messages that one device got
	Read        int   // samples that were decrypted
	Text        string
	Topics      []string // of the samples
	Sizes       []int    // of their bodies
	Wrong       []string // what no browser could have read, or no service would take
	CPU         int64    // nanoseconds of the process since its start
}

// Payload is the publication as a device gets it, and how long its encrypted
// body is.
func Payload(p *push.Publication) (payload []byte, body int) {
	payload = webpush.PublicationPayload(p, "", "https://tocsin.example.com")
	return payload, webpush.Padded(payload) + seal.Overhead
}
