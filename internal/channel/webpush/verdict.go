package webpush

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/push"
)

// answered judges what came back for a ticket, and notes it. news is true when
// the service has begun to refuse our key, or to take it again.
func (t *ticket) answered(subject string, a wire.Response, now time.Time) (r Result, news bool) {
	v := t.service
	v.mu.Lock()
	defer v.mu.Unlock()
	defer t.release()
	v.heard = now
	r = Result{Status: a.Status}
	if a.Err != nil {
		r.Verdict, r.Repeat = Again, wire.MaybeProcessed(a.Err)
		r.Detail = v.host + " gave no answer: " + a.Err.Error()
		v.failed(r.Detail, now)
		v.count(func(f *push.ServiceFigures) { f.Retried++ })
		t.lull.strike(r.Detail, 0, now)
		return r, false
	}
	switch kind(v.host, a.Status) {
	case kindAccepted:
		news = v.accepts(t, now)
		r.Verdict, r.Detail = Sent, v.accepted(a.Status)
		v.count(func(f *push.ServiceFigures) { f.Accepted++; f.LastSuccess = now })
	case kindGone:
		v.well(t.breaker)
		r.Verdict = Gone
		r.Detail = fmt.Sprintf("%s says that the device has unsubscribed (%s)", v.host, said(a.Status, a.Reason))
		v.count(func(f *push.ServiceFigures) { f.Gone++ })
	case kindRefused:
		why := fmt.Sprintf("%s refuses our key (%s); check subject and key under Settings → Notifications. No device is deleted for that", v.host, said(a.Status, a.Reason))
		alone := fmt.Sprintf("%s takes our key for others and refuses it for this device (%s); it is not deleted: have it subscribe anew", v.host, said(a.Status, a.Reason))
		r.Verdict = Paused
		r.After, r.Detail, news = t.refuse(subject, why, alone, now)
		v.failed(r.Detail, now)
		v.count(func(f *push.ServiceFigures) { f.Refused++ })
	case kindSlower:
		r.Verdict, r.Detail = Paused, fmt.Sprintf("%s asks for fewer messages (%s)", v.host, said(a.Status, a.Reason))
		t.slower(&r, a.RetryAfter, now)
	case kindAgain:
		r.Verdict, r.Detail = Again, fmt.Sprintf("%s is not able to take it now (%s)", v.host, said(a.Status, a.Reason))
		if a.RetryAfter > 0 {
			r.After = bounded(a.RetryAfter)
			v.pauseDevice(t.device, spell{now.Add(r.After), r.Detail}, now)
		}
		v.failed(r.Detail, now)
		v.count(func(f *push.ServiceFigures) { f.Retried++ })
		t.lull.strike(r.Detail, r.After, now)
	case kindTooLarge:
		v.well(t.breaker)
		r.Verdict, r.Detail = TooLarge, fmt.Sprintf("the message is too large for %s (%s)", v.host, said(a.Status, a.Reason))
	default:
		v.alive() // whether it takes our key is not said
		r.Verdict, r.Detail = Ours, fmt.Sprintf("%s does not take what we sent (%s); the device stays. %s", v.host, said(a.Status, a.Reason), mend(a.Status))
		v.failed(r.Detail, now)
		v.count(func(f *push.ServiceFigures) { f.Failed++ })
	}
	return r, news
}

// accepted is the sentence of a success, which is the same very often.
func (v *service) accepted(status int) string {
	if v.thanks == "" || v.thanked != status {
		v.thanked, v.thanks = status, fmt.Sprintf("accepted by %s (%d)", v.host, status)
	}
	return v.thanks
}

// slower pauses the device, or the service when it says so to many in a row.
func (t *ticket) slower(r *Result, asked time.Duration, now time.Time) {
	v, l := t.service, t.lull
	r.After = bounded(asked)
	if asked == 0 {
		r.After = 10 * time.Second
	}
	v.pauseDevice(t.device, spell{now.Add(r.After), r.Detail}, now)
	v.failed(r.Detail, now)
	v.count(func(f *push.ServiceFigures) { f.Retried++ })
	l.strike(r.Detail, r.After, now)
}

// What an answer means, whoever gives it.
type answerKind int

const (
	kindOurs answerKind = iota
	kindAccepted
	kindGone
	kindRefused
	kindSlower
	kindAgain
	kindTooLarge
)

func kind(host string, status int) answerKind {
	switch {
	case status >= 200 && status <= 299:
		return kindAccepted
	case status == http.StatusNotFound, status == http.StatusGone:
		return kindGone
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return kindRefused
	case status == http.StatusTooManyRequests:
		return kindSlower
	case status == http.StatusNotAcceptable && strings.HasSuffix(host, "notify.windows.com"):
		return kindSlower // so Windows says that a channel is throttled
	case status == http.StatusRequestEntityTooLarge:
		return kindTooLarge
	case status >= 500, status < 200,
		status == http.StatusRequestTimeout, status == http.StatusMisdirectedRequest, status == http.StatusTooEarly, status == http.StatusProxyAuthRequired:
		return kindAgain
	}
	return kindOurs
}

// mend is what may help against an answer that is our fault.
func mend(status int) string {
	switch {
	case status >= 300 && status <= 399:
		return "Push services do not redirect: look whether the outgoing proxy under Settings → Notifications answers in its place"
	case status == http.StatusMethodNotAllowed:
		return "The address is none to push to"
	}
	return "This is a fault of Tocsin: please report it with these words"
}
