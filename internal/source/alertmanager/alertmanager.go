// Package alertmanager is the kind of source that is Prometheus' Alertmanager.
// Its webhook sends groups of alerts; its API shows which it knows, and takes
// silences.
package alertmanager

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// Kind is Alertmanager.
type Kind struct{}

// New is Alertmanager.
func New() Kind { return Kind{} }

// Name is the word of --kind.
func (Kind) Name() string { return "alertmanager" }

// Title is the engine's name for people.
func (Kind) Title() string { return "Alertmanager" }

// Decode reads a request of Alertmanager's webhook.
func (Kind) Decode(body []byte, now time.Time, _ source.Options) ([]alert.Event, error) {
	return source.DecodeWebhook(body, now, source.MaxEvents, "alertmanager")
}

// Templates are Alertmanager's list of alerts.
func (Kind) Templates(base string) (hostURL, serviceURL string) { return "", base + "/#/alerts" }
