// Package grafana is the kind of source that is Grafana's alerting. Its contact
// point sends what Alertmanager's webhook does, and a little more; and it can
// sign its requests.
package grafana

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// The headers of a signed request. Grafana's form lets one name them; the first
// is its default, the second is empty there, and then no time is signed.
const (
	signatureHeader = "X-Grafana-Alerting-Signature"
	timestampHeader = "X-Grafana-Alerting-Timestamp"
)

// window is how far the time of a signed request may be off.
const window = 5 * time.Minute

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

// Verify checks the signature of a request: HMAC-SHA256 in hexadecimal digits of
// the body, or of TIME:BODY where the request has a time, in Unix seconds. A
// signed time must be recent; a request without one can be played back by who
// could read it, but then repeats what is known.
func (Kind) Verify(h http.Header, body []byte, secret string, now time.Time) error {
	given := strings.TrimSpace(h.Get(signatureHeader))
	if given == "" {
		return &source.FieldError{Field: signatureHeader, Problem: "is missing", Mend: "set the secret of this source in the contact point, under HMAC signature, with this header"}
	}
	signature, err := hex.DecodeString(given)
	if err != nil {
		signature = nil // wrong, as any other that does not fit
	}
	stamp := h.Get(timestampHeader)
	mac := hmac.New(sha256.New, []byte(secret))
	if stamp != "" {
		mac.Write([]byte(stamp + ":"))
	}
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return &source.FieldError{Field: signatureHeader, Problem: "does not fit the body",
			Mend: "set the same secret here and in the contact point; if a timestamp header is set there, name it " + timestampHeader}
	}
	if stamp == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return &source.FieldError{Field: timestampHeader, Problem: "is no time in Unix seconds", Mend: "leave the header to Grafana"}
	}
	if seconds < now.Add(-window).Unix() || seconds > now.Add(window).Unix() {
		return &source.FieldError{Field: timestampHeader, Problem: "is more than five minutes off", Mend: "set both clocks right"}
	}
	return nil
}

// Templates are Grafana's list of alerts.
func (Kind) Templates(base string) (hostURL, serviceURL string) { return "", base + "/alerting/list" }
