package webpush_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
)

// badAt makes the push services answer with a to those devices whose id begins
// with "bad", and take everything else.
func (r *rig) badAt(a wire.Response) {
	r.office.mu.Lock()
	defer r.office.mu.Unlock()
	r.office.answer = func(l letter) wire.Response {
		if strings.Contains(l.Path, "/bad") {
			return a
		}
		return wire.Response{Status: 201}
	}
}

func (r *rig) phones(origin string, visitors bool, ids ...string) []*phone {
	var out []*phone
	for _, id := range ids {
		p := r.phone(id, origin)
		if visitors {
			p.sub.UserID, p.sub.Name, p.sub.Pages = "", "", mainPage()
		}
		out = append(out, p)
	}
	return out
}

func TestDevicesThatAreRefusedForThemselves(t *testing.T) {
	sent := func(t *testing.T, r *rig, p *phone, verdict webpush.Verdict, requests int) webpush.Result {
		t.Helper()
		result := r.send(t, p)
		if n := len(r.office.take()); result.Verdict != verdict || n != requests {
			t.Fatalf("%s: %d requests, %+v", p.sub.ID, n, result)
		}
		return result
	}

	t.Run("hold up others once, for a minute at most", func(t *testing.T) {
		r := newRig(t, nil)
		r.badAt(wire.Response{Status: 403})
		bad, good := r.phones(fcm, false, "bad1", "bad2", "bad3"), r.phone("good", fcm)
		for _, p := range bad {
			sent(t, r, p, webpush.Paused, 1)
		}
		if result := sent(t, r, good, webpush.Paused, 0); result.After > time.Minute {
			t.Errorf("%+v", result)
		}
		r.pass(time.Minute)
		sent(t, r, bad[0], webpush.Paused, 0) // others first
		sent(t, r, good, webpush.Sent, 1)
		for range 5 {
			r.pass(time.Hour)
			for _, p := range bad {
				if result := sent(t, r, p, webpush.Paused, 1); !strings.Contains(result.Detail, "for this device") {
					t.Errorf("%+v", result)
				}
			}
			if s := r.sender.Services()[0]; !s.Breaker.IsZero() {
				t.Errorf("%+v", s)
			}
			sent(t, r, good, webpush.Sent, 1)
		}
	})
	t.Run("are asked less and less, until they are taken", func(t *testing.T) {
		r := newRig(t, nil)
		r.badAt(wire.Response{Status: 403})
		bad, good := r.phone("bad", fcm), r.phone("good", fcm)
		for _, wait := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			if result := sent(t, r, bad, webpush.Paused, 1); result.After != wait {
				t.Errorf("%+v, want %v", result, wait)
			}
			sent(t, r, good, webpush.Sent, 1)
			r.pass(wait)
		}
		r.office.answers(201)
		sent(t, r, bad, webpush.Sent, 1)
		r.office.answers(403)
		if result := sent(t, r, bad, webpush.Paused, 1); result.After != time.Minute || strings.Contains(result.Detail, "for this device") {
			t.Errorf("%+v", result)
		}
	})
	t.Run("do not decide alone when the time is over", func(t *testing.T) {
		r := newRig(t, nil)
		r.badAt(wire.Response{Status: 401})
		for i, p := range r.phones(fcm, true, "bad1", "bad2", "bad3", "bad4") {
			sent(t, r, p, webpush.Paused, min(1, 3-min(i, 3)))
		}
		r.pass(time.Minute)
		sent(t, r, r.phones(fcm, true, "bad4")[0], webpush.Paused, 1)
		sent(t, r, r.phones(fcm, true, "good")[0], webpush.Sent, 1)
	})
	t.Run("do not count once alerts are taken with the same key", func(t *testing.T) {
		r := newRig(t, nil)
		r.badAt(wire.Response{Status: 403})
		for _, p := range r.phones(fcm, true, "bad1", "bad2", "bad3") {
			sent(t, r, p, webpush.Paused, 1)
		}
		visitor := r.phones(fcm, true, "good")[0]
		sent(t, r, visitor, webpush.Paused, 0)
		sent(t, r, r.phone("contact", fcm), webpush.Sent, 1)
		sent(t, r, visitor, webpush.Sent, 1)
	})
	t.Run("are known again as refusing the key when nobody was taken for a day", func(t *testing.T) {
		r := newRig(t, nil)
		bad, good := r.phone("bad", fcm), r.phone("good", fcm)
		r.badAt(wire.Response{Status: 403})
		sent(t, r, bad, webpush.Paused, 1)
		sent(t, r, good, webpush.Sent, 1)
		r.pass(25 * time.Hour)
		sent(t, r, bad, webpush.Paused, 1)
		if s := r.sender.Services()[0]; s.Breaker.IsZero() {
			t.Errorf("%+v", s)
		}
	})
	t.Run("are tried at once with another subject", func(t *testing.T) {
		r := newRig(t, nil)
		bad, good := r.phone("bad", fcm), r.phone("good", fcm)
		r.badAt(wire.Response{Status: 403})
		sent(t, r, bad, webpush.Paused, 1)
		sent(t, r, good, webpush.Sent, 1)
		r.settings.PushSubject = "https://tocsin.example.org"
		sent(t, r, bad, webpush.Paused, 1)
	})
}

// A clock that was wrong when the header was made, and set since, would make
// services refuse it for hours.
func TestARefusedHeaderIsSignedAnew(t *testing.T) {
	r := newRig(t, nil)
	r.office.answers(403)
	p := r.phone("a", fcm)
	r.send(t, p)
	r.pass(time.Minute)
	r.send(t, p)
	got := r.office.take()
	if len(got) != 2 || got[0].Authorization == got[1].Authorization {
		t.Fatalf("%d requests, with the same header", len(got))
	}
	if claims, _, err := verified(got[1].Authorization); err != nil || time.Unix(claims.Exp, 0).Sub(noon) != 12*time.Hour+time.Minute {
		t.Errorf("%+v, %v", claims, err)
	}
}

func TestWhatVisitorsAddressesDoToAService(t *testing.T) {
	for _, a := range []wire.Response{
		{Status: 500}, {Status: 503, RetryAfter: time.Hour}, {Status: 429, RetryAfter: time.Hour}, {Err: errors.New("reset")},
	} {
		t.Run(fmt.Sprint("keeps no alert waiting: ", a.Status), func(t *testing.T) {
			r := newRig(t, nil)
			r.badAt(a)
			for i := range 20 {
				r.send(t, r.phones(fcm, true, fmt.Sprint("bad", i))[0])
			}
			if result := r.send(t, r.phones(fcm, true, "good")[0]); result.Verdict != webpush.Paused {
				t.Errorf("the service is not paused: %+v", result)
			}
			if result := r.send(t, r.phone("contact", fcm)); result.Verdict != webpush.Sent {
				t.Errorf("%+v", result)
			}
		})
	}
	t.Run("one that asks for an hour is left alone, and no other", func(t *testing.T) {
		r := newRig(t, nil)
		r.badAt(wire.Response{Status: 503, RetryAfter: time.Hour})
		bad := r.phone("bad", fcm)
		r.send(t, bad)
		r.office.take()
		if result := r.send(t, bad); result.Verdict != webpush.Paused || result.After != time.Hour || len(r.office.take()) != 0 {
			t.Errorf("%+v", result)
		}
		if result := r.send(t, r.phone("good", fcm)); result.Verdict != webpush.Sent {
			t.Errorf("%+v", result)
		}
	})
}
