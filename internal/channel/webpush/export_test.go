package webpush

import (
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// Header makes what signs with a key.
func Header(k push.Key) (func(origin, subject string, expires time.Time) (string, error), error) {
	s, err := newSigner(k)
	if err != nil {
		return nil, err
	}
	return s.authorization, nil
}

// MessagePayload is messagePayload.
func MessagePayload(m *channel.Message, s config.Settings, base, token string) []byte {
	text, _ := messagePayload(m, s, base, token)
	return text
}
