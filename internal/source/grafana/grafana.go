// Package grafana is the kind of source that is Grafana's alerting.
package grafana

import (
	"net/http"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is Grafana.
type Kind struct{}

// New is Grafana.
func New() Kind { return Kind{} }

// Name is the word of --kind.
func (Kind) Name() string { return "grafana" }

// Title is the engine's name for people.
func (Kind) Title() string { return "Grafana" }

// Decode reads a request of Grafana's webhook contact point.
func (Kind) Decode(body []byte, now time.Time, _ source.Options) ([]alert.Event, error) {
	return source.DecodeWebhook(body, now, source.MaxEvents, "grafana")
}

// Verify checks the signature of a request.
func (Kind) Verify(h http.Header, body []byte, secret string, now time.Time) error {
	return nil
}

// Templates are Grafana's list of alerts.
func (Kind) Templates(base string) (hostURL, serviceURL string) {
	return "", base + "/alerting/list"
}
