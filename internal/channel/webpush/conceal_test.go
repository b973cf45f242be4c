package webpush_test

import (
	"errors"
	"strings"
	"testing"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
)

func TestWhatServicesRepeatOfARequestIsNotShown(t *testing.T) {
	const device = "dQw4w9WgXcQ-APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"
	for _, c := range []struct {
		name   string
		answer func(l letter) wire.Response
		keeps  string
	}{
		{"its path", func(l letter) wire.Response {
			return wire.Response{Status: 400, Reason: "The requested URL " + l.Path + " was not understood: InvalidEncoding"}
		}, "was not understood: InvalidEncoding"},
		{"a part of its path, cut off", func(l letter) wire.Response {
			return wire.Response{Status: 500, Reason: "no route to " + l.Path[:30]}
		}, "no route to"},
		{"its key", func(l letter) wire.Response {
			return wire.Response{Status: 403, Reason: "bad token in " + l.Authorization}
		}, "bad token in vapid"},
		{"its path, where no HTTP was answered", func(l letter) wire.Response {
			err := errors.New("malformed HTTP response " + l.Path + strings.Repeat(" x", 20_000))
			return wire.Response{Err: &wire.Error{Origin: fcm, Step: wire.StepAnswer, Maybe: true, Err: err}}
		}, "malformed HTTP response"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			p := r.phone(device, fcm)
			var authorization string
			r.office.answer = func(l letter) wire.Response {
				authorization = l.Authorization
				return c.answer(l)
			}
			result := r.send(t, p)
			jwt := strings.TrimPrefix(authorization, "vapid t=")[:60]
			for _, text := range []string{result.Detail, r.sender.Services()[0].LastError} {
				if strings.Contains(text, device[:12]) || strings.Contains(text, jwt[40:]) || !strings.Contains(text, c.keeps) || len(text) > 1000 {
					t.Errorf("%d bytes: %.300s", len(text), text)
				}
			}
			if c.answer(letter{Path: strings.Repeat("x", 40)}).Err != nil && (!result.Repeat || result.Verdict != webpush.Again) {
				t.Errorf("%+v", result.Verdict)
			}
		})
	}
}
