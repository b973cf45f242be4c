package webpush

import "tocsin/internal/push"

// Padded is how many bytes a payload is filled up to: a few sizes, so that the
// length of a message tells little of it.
func Padded(payload []byte) int { return len(payload) }

// Topic is what push services know an alert, an incident or the like by: of two
// undelivered messages with the same topic only the later one stays. It says
// nothing of the id. Empty for none.
func Topic(id string) string { return id }

// PublicationPayload is a publication as a device with this language gets it.
// It is the same for all devices with the language.
func PublicationPayload(p *push.Publication, language, baseURL string) []byte { return nil }
