package grafana_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"tocsin/internal/source"
	"tocsin/internal/source/grafana"
)

// sign is what Grafana does, written from its documentation.
func sign(secret, message string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(message))
	return hex.EncodeToString(m.Sum(nil))
}

func TestSignedRequests(t *testing.T) {
	now := time.Unix(1795219190, 0)
	const body, secret = `{"alerts":[]}`, "s3cret"
	stamp := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for _, c := range []struct {
		name, signature, stamp, field string
	}{
		{"the body alone", sign(secret, body), "", ""},
		{"the time and the body", sign(secret, stamp(0)+":"+body), stamp(0), ""},
		{"a clock that is a little off", sign(secret, stamp(4*time.Minute)+":"+body), stamp(4 * time.Minute), ""},
		{"no signature", "", "", "X-Grafana-Alerting-Signature"},
		{"another secret", sign("x", body), "", "X-Grafana-Alerting-Signature"},
		{"another body", sign(secret, body+" "), "", "X-Grafana-Alerting-Signature"},
		{"no signature but letters", "zz", "", "X-Grafana-Alerting-Signature"},
		{"half of it", sign(secret, body)[:32], "", "X-Grafana-Alerting-Signature"},
		{"a time that is not signed", sign(secret, body), stamp(0), "X-Grafana-Alerting-Signature"},
		{"a time that was taken away", sign(secret, stamp(0)+":"+body), "", "X-Grafana-Alerting-Signature"},
		{"an old one, played back", sign(secret, stamp(-6*time.Minute)+":"+body), stamp(-6 * time.Minute), "X-Grafana-Alerting-Timestamp"},
		{"one of the future", sign(secret, stamp(6*time.Minute)+":"+body), stamp(6 * time.Minute), "X-Grafana-Alerting-Timestamp"},
		{"a time that is none", sign(secret, "now:"+body), "now", "X-Grafana-Alerting-Timestamp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			for name, value := range map[string]string{"X-Grafana-Alerting-Signature": c.signature, "X-Grafana-Alerting-Timestamp": c.stamp} {
				if value != "" {
					h.Set(name, value)
				}
			}
			err := grafana.New().Verify(h, []byte(body), secret, now)
			var f *source.FieldError
			if errors.As(err, &f); (f == nil) != (c.field == "") || f != nil && (f.Field != c.field || f.Mend == "") {
				t.Errorf("got %v, want %q", err, c.field)
			}
		})
	}
}
