package dispatch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"tocsin/internal/alert"
)

// callKey is what a call of the source is known by: the id that the sender gave
// it, or what identifies the event. Texts are no part of that: an engine that
// tells the same problem twice with the same text tells two events, and one
// that sends a call again sends it with the same time.
func callKey(sourceID string, e *alert.Event) CallKey {
	if e.CallID != "" {
		return CallKey{SourceID: sourceID, Key: "id:" + e.CallID}
	}
	b := make([]byte, 0, 256)
	field := func(s string) { // its length first: no two lists of texts make the same bytes
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	list := func(names []string) {
		b = binary.AppendUvarint(b, uint64(len(names)))
		for _, n := range names {
			field(n)
		}
	}
	field(e.Object.Host)
	field(e.Object.Service)
	field(string(e.Type))
	field(string(e.State))
	b = binary.AppendVarint(b, e.Time.UnixMilli())
	list(e.Contacts)
	list(e.UserIDs)
	sum := sha256.Sum256(b)
	return CallKey{SourceID: sourceID, Key: hex.EncodeToString(sum[:16])}
}
