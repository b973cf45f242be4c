package source

import (
	"time"

	"tocsin/internal/alert"
)

// DecodeWebhook reads the body that Alertmanager's webhook (version 4) and
// Grafana's contact point send. fallback is the host of alerts that name none.
func DecodeWebhook(body []byte, now time.Time, maxEvents int, fallback string) ([]alert.Event, error) {
	return nil, &FieldError{Field: "body", Problem: "is no webhook", Mend: "send one"}
}
