package webpush_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/push"
)

func TestAMessageReachesItsDevice(t *testing.T) {
	r := newRig(t, nil)
	p := r.phone("a", fcm)
	result := r.send(t, p)
	if result.Verdict != webpush.Sent || result.Status != 201 || result.Detail != "accepted by fcm.googleapis.com (201)" {
		t.Errorf("%+v", result)
	}
	got := r.office.take()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	l := got[0]
	if l.Origin != fcm || l.Path != "/send/a" || l.TTL != 3600 || l.Urgency != "high" || len(l.Topic) != 32 || len(l.Body) != 512+seal.Overhead {
		t.Errorf("%+v", l)
	}
	if p.open(t, l)["a"] != 1.0 {
		t.Error("it says something else")
	}
	claims, key, err := verified(l.Authorization)
	if err != nil || claims.Aud != fcm || claims.Sub != "mailto:ops@example.org" || key != r.keys[0].Public {
		t.Errorf("%+v, %v", claims, err)
	}
	if left := time.Unix(claims.Exp, 0).Sub(noon); left != 12*time.Hour {
		t.Errorf("it holds for %v", left)
	}
}

// FCM answers 400 to a TTL above four weeks, Firefox on Android is behind it.
func TestATimeToLiveIsOneThatAllServicesTake(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct {
		ttl  time.Duration
		want int
	}{{push.LongestLifetime, 2_419_200}, {30 * 24 * time.Hour, 2_419_200}, {1500 * time.Millisecond, 1}, {0, 0}, {-time.Hour, 0}} {
		i := item(r.phone("a", fcm), "{}")
		i.TTL = c.ttl
		r.all(t.Context(), t, i)
		if got := r.office.take(); len(got) != 1 || got[0].TTL != c.want {
			t.Errorf("%v: %+v", c.ttl, got)
		}
	}
}

// The example of RFC 8292, section 2.4, passes the check that ours pass.
func TestTheExampleOfTheRFCIsVerified(t *testing.T) {
	const example = "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
	claims, _, err := verified(example)
	if err != nil || claims.Aud != "https://push.example.net" || claims.Exp != 1453523768 || claims.Sub != "mailto:push@example.com" {
		t.Errorf("%+v, %v", claims, err)
	}
	if _, _, err := verified(strings.Replace(example, "i3CY", "i3CZ", 1)); err == nil {
		t.Error("a forged one passes, too")
	}
}

func TestHeadersAreMadeOncePerServiceAndKey(t *testing.T) {
	r := newRig(t, nil)
	a, b, c, old := r.phone("a", fcm), r.phone("b", fcm), r.phone("c", mozilla), r.phone("d", fcm)
	old.sub.KeyID = r.keys[1].ID
	header := func(p *phone) string {
		t.Helper()
		if result := r.send(t, p); result.Verdict != webpush.Sent {
			t.Fatal(result)
		}
		return r.office.take()[0].Authorization
	}
	first := header(a)
	if header(b) != first {
		t.Error("two devices of a service have different headers")
	}
	if other := header(c); other == first {
		t.Error("two services have the same header")
	}
	claims, key, err := verified(header(old))
	if err != nil || key != r.keys[1].Public || claims.Aud != fcm {
		t.Errorf("a device of a retired key: %v", err)
	}
	r.pass(11*time.Hour - time.Second)
	if header(a) != first {
		t.Error("made anew too early")
	}
	r.pass(time.Second)
	second := header(a)
	if claims, _, err := verified(second); err != nil || second == first || time.Unix(claims.Exp, 0).Sub(noon) != 23*time.Hour {
		t.Errorf("not made anew: %v", err)
	}
	r.settings.PushSubject = "https://tocsin.example.org"
	if claims, _, err := verified(header(a)); err != nil || claims.Sub != "https://tocsin.example.org" {
		t.Errorf("another subject: %+v, %v", claims, err)
	}
}

func TestEveryAnswerHasItsConsequence(t *testing.T) {
	long := strings.Repeat("z", 300)
	for _, c := range []struct {
		answer  wire.Response
		origin  string
		verdict webpush.Verdict
		after   time.Duration
		detail  string
	}{
		{wire.Response{Status: 200}, fcm, webpush.Sent, 0, "accepted"},
		{wire.Response{Status: 201}, fcm, webpush.Sent, 0, "accepted by fcm.googleapis.com (201)"},
		{wire.Response{Status: 202}, fcm, webpush.Sent, 0, "accepted"},
		{wire.Response{Status: 204}, fcm, webpush.Sent, 0, "accepted"},
		{wire.Response{Status: 404}, fcm, webpush.Gone, 0, "unsubscribed"},
		{wire.Response{Status: 410, Reason: "Unregistered"}, fcm, webpush.Gone, 0, "410: Unregistered"},
		{wire.Response{Status: 400, Reason: "InvalidTTL"}, fcm, webpush.Ours, 0, "400: InvalidTTL"},
		{wire.Response{Status: 401}, mozilla, webpush.Paused, time.Minute, "check subject and key"},
		{wire.Response{Status: 403, Reason: "BadJwtToken"}, "https://web.push.apple.com", webpush.Paused, time.Minute, "403: BadJwtToken"},
		{wire.Response{Status: 429, RetryAfter: 90 * time.Second}, fcm, webpush.Paused, 90 * time.Second, "fewer messages"},
		{wire.Response{Status: 429}, fcm, webpush.Paused, 10 * time.Second, "fewer messages"},
		{wire.Response{Status: 429, RetryAfter: 1000 * time.Hour}, fcm, webpush.Paused, time.Hour, "fewer messages"},
		{wire.Response{Status: 429, RetryAfter: time.Millisecond}, fcm, webpush.Paused, time.Second, "fewer messages"},
		{wire.Response{Status: 406}, "https://wns2-by3p.notify.windows.com", webpush.Paused, 10 * time.Second, "fewer messages"},
		{wire.Response{Status: 406}, fcm, webpush.Ours, 0, "406"},
		{wire.Response{Status: 415}, fcm, webpush.Ours, 0, "415"},
		{wire.Response{Status: 301}, fcm, webpush.Ours, 0, "redirect"},
		{wire.Response{Status: 307}, fcm, webpush.Ours, 0, "redirect"},
		{wire.Response{Status: 405}, fcm, webpush.Ours, 0, "405"},
		{wire.Response{Status: 408}, fcm, webpush.Again, 0, "408"},
		{wire.Response{Status: 500, Reason: long}, fcm, webpush.Again, 0, long},
		{wire.Response{Status: 502}, fcm, webpush.Again, 0, "502"},
		{wire.Response{Status: 503, RetryAfter: 40 * time.Second}, fcm, webpush.Again, 40 * time.Second, "503"},
		{wire.Response{Status: 599}, fcm, webpush.Again, 0, "599"},
		{wire.Response{Status: 100}, fcm, webpush.Again, 0, "100"},
		{wire.Response{Err: errors.New("connection refused")}, fcm, webpush.Again, 0, "connection refused"},
	} {
		t.Run(fmt.Sprintf("%d %s", c.answer.Status, c.answer.Reason[:min(12, len(c.answer.Reason))]), func(t *testing.T) {
			r := newRig(t, nil)
			r.office.answersWith(c.answer)
			p := r.phone("a", c.origin)
			result := r.send(t, p)
			if result.Verdict != c.verdict || result.Status != c.answer.Status || result.After != c.after || !strings.Contains(result.Detail, c.detail) {
				t.Errorf("%+v", result)
			}
			if strings.Contains(result.Detail, "/send/a") {
				t.Error("the device's address shows")
			}
			if n := len(r.office.take()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("no answer, though the service may have the message", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answersWith(wire.Response{Err: &wire.Error{Origin: fcm, Step: wire.StepAnswer, Maybe: true, Err: wire.ErrTimeout}})
		if result := r.send(t, r.phone("a", fcm)); result.Verdict != webpush.Again || !result.Repeat {
			t.Errorf("%+v", result)
		}
	})
}

func TestAServiceThatRefusesOurKey(t *testing.T) {
	sent := func(t *testing.T, r *rig, p *phone, verdict webpush.Verdict, requests int) webpush.Result {
		t.Helper()
		result := r.send(t, p)
		if n := len(r.office.take()); result.Verdict != verdict || n != requests {
			t.Fatalf("%d requests, %+v", n, result)
		}
		return result
	}
	state := func(r *rig) webpush.ServiceState { return r.sender.Services()[0] }

	t.Run("is left alone for 1, 5 and 30 minutes, and warned of", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answersWith(wire.Response{Status: 403, Reason: "BadJwtToken"})
		p := r.phone("a", fcm)
		for _, pause := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			if result := sent(t, r, p, webpush.Paused, 1); result.After != pause {
				t.Errorf("wait %v, want %v", result.After, pause)
			}
			if s := state(r); s.Breaker.Sub(r.now) != pause || !strings.Contains(s.Why, "BadJwtToken") || !strings.Contains(s.Why, "Settings") {
				t.Errorf("%+v", s)
			}
			r.pass(pause - time.Second)
			if result := sent(t, r, p, webpush.Paused, 0); result.Status != 0 || result.After != time.Second || result.Detail == "" {
				t.Errorf("%+v", result)
			}
			r.pass(time.Second)
		}
		r.office.answers(201)
		sent(t, r, p, webpush.Sent, 1)
		sent(t, r, p, webpush.Sent, 1)
		if s := state(r); !s.Breaker.IsZero() || s.Why != "" || s.Refused != 4 || s.Accepted != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("is tried again at once with another subject", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answers(401)
		p := r.phone("a", mozilla)
		sent(t, r, p, webpush.Paused, 1)
		sent(t, r, p, webpush.Paused, 0)
		r.office.answers(201)
		r.settings.PushSubject = "https://tocsin.example.org"
		sent(t, r, p, webpush.Sent, 1)
	})
	t.Run("may take another key all the same, and other services ours", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answers(401)
		sent(t, r, r.phone("a", fcm), webpush.Paused, 1)
		r.office.answers(201)
		old := r.phone("b", fcm)
		old.sub.KeyID = r.keys[1].ID
		sent(t, r, old, webpush.Sent, 1)
		sent(t, r, r.phone("c", mozilla), webpush.Sent, 1)
	})
	t.Run("is asked for a second and a third device, not for a fourth", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answers(403)
		for i, requests := range []int{1, 1, 1, 0, 0} {
			sent(t, r, r.phone(fmt.Sprint(i), fcm), webpush.Paused, requests)
		}
	})
	t.Run("for one device only does not silence the others", func(t *testing.T) {
		r := newRig(t, nil)
		bad, good := r.phone("bad", fcm), r.phone("good", fcm)
		r.office.answers(403)
		sent(t, r, bad, webpush.Paused, 1)
		r.office.answers(201)
		sent(t, r, good, webpush.Sent, 1)
		sent(t, r, bad, webpush.Paused, 0)
		if s := state(r); !s.Breaker.IsZero() {
			t.Errorf("%+v", s)
		}
	})
	t.Run("for visitors does not keep alerts back", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answers(403)
		for i := range 4 {
			v := r.phone(fmt.Sprint(i), fcm)
			v.sub.UserID, v.sub.Pages = "", mainPage()
			r.send(t, v)
		}
		r.office.take()
		r.office.answers(201)
		sent(t, r, r.phone("a", fcm), webpush.Sent, 1)
	})
	t.Run("is asked by one message at a time when the time is over", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answers(403)
		var items []webpush.Item
		for i := range 3 {
			r.send(t, r.phone(fmt.Sprint(i), fcm))
		}
		r.office.take()
		r.pass(time.Minute)
		for i := range 10 {
			items = append(items, item(r.phone(fmt.Sprint("n", i), fcm), "{}"))
		}
		// The first answer comes late; who is let through after it is answered, too.
		r.office.held = make(chan *wire.Request, 10)
		defer close(r.office.held)
		go func() {
			for held := range r.office.held {
				held.Done(held, wire.Response{Status: 201})
			}
		}()
		verdicts := map[webpush.Verdict]int{}
		for _, result := range r.all(t.Context(), t, items...) {
			verdicts[result.Verdict]++
		}
		if verdicts[webpush.Sent]+verdicts[webpush.Paused] != 10 || verdicts[webpush.Sent] < 1 || len(r.office.take()) != verdicts[webpush.Sent] {
			t.Errorf("%v", verdicts)
		}
	})
}

func TestAServiceThatWantsFewerMessages(t *testing.T) {
	t.Run("from one device is left alone for that device", func(t *testing.T) {
		r := newRig(t, nil)
		busy, other := r.phone("a", fcm), r.phone("b", fcm)
		r.office.answersWith(wire.Response{Status: 429, RetryAfter: time.Minute})
		r.send(t, busy)
		r.office.answers(201)
		r.pass(20 * time.Second)
		if result := r.send(t, busy); result.Verdict != webpush.Paused || result.After != 40*time.Second {
			t.Errorf("%+v", result)
		}
		if result := r.send(t, other); result.Verdict != webpush.Sent {
			t.Errorf("%+v", result)
		}
		r.pass(40 * time.Second)
		if result := r.send(t, busy); result.Verdict != webpush.Sent {
			t.Errorf("%+v", result)
		}
	})
	t.Run("from many is left alone as a whole, then tried by one", func(t *testing.T) {
		r := newRig(t, nil)
		r.office.answersWith(wire.Response{Status: 429, RetryAfter: time.Minute})
		for i := range 5 {
			r.send(t, r.phone(fmt.Sprint(i), fcm))
		}
		r.office.take()
		other := r.phone("b", fcm)
		if result := r.send(t, other); result.Verdict != webpush.Paused || result.After != time.Minute || len(r.office.take()) != 0 {
			t.Errorf("%+v", result)
		}
		if s := r.sender.Services()[0]; s.Pause.Sub(r.now) != time.Minute || s.Why == "" {
			t.Errorf("%+v", s)
		}
		r.pass(time.Minute)
		r.office.answers(201)
		if result := r.send(t, other); result.Verdict != webpush.Sent {
			t.Errorf("%+v", result)
		}
		if s := r.sender.Services()[0]; !s.Pause.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

func TestAServiceThatDoesNotAnswer(t *testing.T) {
	r := newRig(t, nil)
	r.office.answersWith(wire.Response{Err: errors.New("connection refused")})
	sent := 0
	var waits []time.Duration
	for range 200 {
		result := r.send(t, r.phone("a", fcm))
		sent += len(r.office.take())
		if result.Verdict == webpush.Paused {
			waits = append(waits, result.After)
			r.pass(result.After)
		}
	}
	if sent > 110 || sent < 90 || len(waits) < 90 {
		t.Errorf("%d requests, %d pauses", sent, len(waits))
	}
	if first, last := waits[0], waits[len(waits)-1]; first > 4*time.Second || last < 40*time.Second || last > 80*time.Second {
		t.Errorf("the first pause took %v, the last %v", first, last)
	}
	if s := r.sender.Services()[0]; s.Why == "" || s.Retried != int64(sent) || !strings.Contains(s.LastError, "connection refused") {
		t.Errorf("%+v", s)
	}
	r.pass(2 * time.Minute)
	r.office.answers(201)
	for range 3 {
		if result := r.send(t, r.phone("a", fcm)); result.Verdict != webpush.Sent {
			t.Errorf("%+v", result)
		}
	}
}

func TestWhatIsTooLargeIsShortenedOnce(t *testing.T) {
	r := newRig(t, nil)
	p := r.phone("a", fcm)
	publication := &push.Publication{ID: "p", PageID: "main", Kind: push.IncidentNew, Texts: map[string]push.Text{"": {Title: "Shop is down", Body: strings.Repeat("long ", 400)}}, Created: noon}
	text := webpush.PublicationPayload(publication, "", base)
	large := item(p, string(text))
	large.Pad = webpush.Padded(text)
	r.office.answer = func(l letter) wire.Response {
		if len(l.Body) > 1200 {
			return wire.Response{Status: 413}
		}
		return wire.Response{Status: 201}
	}
	if result := r.all(t.Context(), t, large)[0]; result.Verdict != webpush.Sent {
		t.Fatalf("%+v", result)
	}
	got := r.office.take()
	if len(got) != 2 {
		t.Fatalf("%d requests", len(got))
	}
	n := p.open(t, got[1])["notification"].(map[string]any)
	if n["title"] != "Shop is down" || !strings.HasSuffix(n["body"].(string), "…") || n["data"].(map[string]any)["publication"] != "p" {
		t.Errorf("%v", n)
	}
	t.Run("and given up when that is too large, too", func(t *testing.T) {
		r.office.answers(413)
		if result := r.all(t.Context(), t, large)[0]; result.Verdict != webpush.TooLarge || len(r.office.take()) != 2 || !strings.Contains(result.Detail, "shortened") {
			t.Errorf("%+v", result)
		}
		if s := r.sender.Services()[0]; s.Failed != 1 || s.Accepted != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("and not sent twice when it cannot be made shorter", func(t *testing.T) {
		if result := r.send(t, p); result.Verdict != webpush.TooLarge || len(r.office.take()) != 1 {
			t.Errorf("%+v", result)
		}
	})
}

func TestWhenTheTimeForSendingEnds(t *testing.T) {
	r := newRig(t, nil)
	r.office.held = make(chan *wire.Request, 2)
	ctx, cancel := context.WithCancel(t.Context())
	a, b := r.phone("a", fcm), r.phone("b", fcm)
	var late []*wire.Request
	go func() {
		late = append(late, <-r.office.held, <-r.office.held)
		cancel()
	}()
	for i, result := range r.all(ctx, t, item(a, "{}"), item(b, "{}")) {
		if result.Verdict != webpush.Again || !result.Repeat || result.Detail != "no answer in time" {
			t.Errorf("%d: %+v", i, result)
		}
	}
	for _, held := range late { // an answer that comes late changes the figures only
		held.Done(held, wire.Response{Status: 201})
	}
	if s := r.sender.Services()[0]; s.Accepted != 2 {
		t.Errorf("%+v", s)
	}
	r.office.held = nil
	r.office.take()
	for _, result := range r.all(ctx, t, item(a, "{}")) {
		if result.Verdict != webpush.Again || result.Repeat || len(r.office.take()) != 0 {
			t.Errorf("%+v", result)
		}
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	r := newRig(t, nil)
	good := r.phone("a", fcm)
	for _, c := range []struct {
		name, detail string
		change       func(s *push.Subscription)
	}{
		{"a host that is no push service", "not known as a push service", func(s *push.Subscription) { s.Endpoint = "https://10.0.0.1/x.google.com/" }},
		{"an address with a line end", "character", func(s *push.Subscription) { s.Endpoint = fcm + "/x\r\nHost: y" }},
		{"no address", "missing", func(s *push.Subscription) { s.Endpoint = "" }},
		{"a key that is gone", "subscribes anew", func(s *push.Subscription) { s.KeyID = "gone" }},
		{"a device's key that is none", "not encrypted", func(s *push.Subscription) { s.P256dh = make([]byte, 65) }},
		{"a device's secret that is none", "not encrypted", func(s *push.Subscription) { s.Auth = nil }},
	} {
		t.Run(c.name+" is our fault", func(t *testing.T) {
			p := *good
			c.change(&p.sub)
			results := r.all(t.Context(), t, item(&p, "{}"), item(good, "{}"))
			if results[0].Verdict != webpush.Ours || !strings.Contains(results[0].Detail, c.detail) || results[1].Verdict != webpush.Sent {
				t.Errorf("%+v", results)
			}
			if n := len(r.office.take()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("a text that is too long is our fault", func(t *testing.T) {
		if result := r.all(t.Context(), t, item(good, strings.Repeat("x", 5000)))[0]; result.Verdict != webpush.Ours {
			t.Errorf("%+v", result)
		}
	})
	t.Run("a further host is one as long as the settings say so", func(t *testing.T) {
		p := r.phone("b", "https://push.example.net:8443")
		for _, c := range []struct {
			hosts []string
			want  webpush.Verdict
		}{{nil, webpush.Ours}, {[]string{"push.example.net:8443"}, webpush.Sent}, {[]string{"other.example.net"}, webpush.Ours}} {
			r.settings.PushHosts = c.hosts
			if result := r.send(t, p); result.Verdict != c.want {
				t.Errorf("%v: %+v", c.hosts, result)
			}
		}
	})
	t.Run("a server key that is spoilt spoils no other", func(t *testing.T) {
		r := newRig(t, nil)
		r.keys[1].Private = "spoilt"
		bound := r.phone("b", fcm)
		bound.sub.KeyID = r.keys[1].ID
		results := r.all(t.Context(), t, item(r.phone("a", fcm), "{}"), item(bound, "{}"))
		if results[0].Verdict != webpush.Sent || results[1].Verdict != webpush.Ours {
			t.Errorf("%+v", results)
		}
	})
	t.Run("without any server key, it may be tried again", func(t *testing.T) {
		r := newRig(t, nil)
		p := r.phone("a", fcm)
		r.keys = nil
		if result := r.send(t, p); result.Verdict != webpush.Again {
			t.Errorf("%+v", result)
		}
	})
	t.Run("when the wire does not take it, it may be tried again", func(t *testing.T) {
		r.office.refuse = wire.ErrTooMany
		defer func() { r.office.refuse = nil }()
		if result := r.send(t, good); result.Verdict != webpush.Again || result.Repeat {
			t.Errorf("%+v", result)
		}
	})
	t.Run("without settings, nothing is", func(t *testing.T) {
		r.broken = errors.New("the database is away")
		defer func() { r.broken = nil }()
		if result := r.send(t, good); result.Verdict != webpush.Again || !strings.Contains(result.Detail, "the database is away") {
			t.Errorf("%+v", result)
		}
	})
	t.Run("when Web Push is off, nothing is", func(t *testing.T) {
		r.settings.WebPush = false
		defer func() { r.settings.WebPush = true }()
		r.office.take()
		if result := r.send(t, good); result.Verdict != webpush.Paused || len(r.office.take()) != 0 {
			t.Errorf("%+v", result)
		}
	})
	t.Run("without a subject, nothing is", func(t *testing.T) {
		r := newRig(t, nil)
		r.settings.PushSubject = ""
		if result := r.send(t, r.phone("a", fcm)); result.Verdict != webpush.Paused || !strings.Contains(result.Detail, "VAPID_SUBJECT") {
			t.Errorf("%+v", result)
		}
	})
}

func TestManyAtSeveralServices(t *testing.T) {
	r := newRig(t, nil)
	var items []webpush.Item
	phones := map[string]*phone{}
	for i := range 300 {
		p := r.phone(fmt.Sprint(i), []string{fcm, mozilla, "https://web.push.apple.com"}[i%3])
		phones["/send/"+p.sub.ID] = p
		items = append(items, item(p, fmt.Sprintf(`{"n":%d}`, i)))
	}
	for i, result := range r.all(t.Context(), t, items...) {
		if result.Verdict != webpush.Sent {
			t.Fatalf("%d: %+v", i, result)
		}
	}
	for _, l := range r.office.take() {
		p := phones[l.Path]
		if fmt.Sprint(p.open(t, l)["n"]) != p.sub.ID {
			t.Fatal("it went to another device")
		}
		delete(phones, l.Path)
	}
	if len(phones) != 0 {
		t.Errorf("%d got nothing", len(phones))
	}
	for _, s := range r.sender.Services() {
		if s.Accepted != 100 || !s.LastSuccess.Equal(noon) {
			t.Errorf("%+v", s)
		}
	}
}

func TestFigures(t *testing.T) {
	r := newRig(t, nil)
	p := r.phone("a", fcm)
	for _, status := range []int{201, 410, 400, 500} {
		r.office.answers(status)
		r.send(t, p)
	}
	got := r.sender.DrainFigures()
	if len(got) != 1 || got[0].Origin != fcm || got[0].Accepted != 1 || got[0].Gone != 1 || got[0].Failed != 1 || got[0].Retried != 1 || !strings.Contains(got[0].LastError, "500") {
		t.Fatalf("%+v", got)
	}
	if again := r.sender.DrainFigures(); len(again) != 0 {
		t.Errorf("drained twice: %+v", again)
	}
}

func TestWarm(t *testing.T) {
	r := newRig(t, nil)
	r.sender.Warm(t.Context(), []string{fcm, "https://evil.example", mozilla, "https://127.0.0.1"})
	if len(r.office.warmed) != 2 {
		t.Errorf("%v", r.office.warmed)
	}
}

// shelf gives out what was prepared for each device, once.
type shelf map[string]seal.Prepared

func (s shelf) Take(sub *push.Subscription) (seal.Prepared, bool) {
	p, ok := s[sub.ID]
	delete(s, sub.ID)
	return p, ok
}

func TestWhatIsPreparedIsUsed(t *testing.T) {
	ready := shelf{}
	r := newRig(t, ready)
	p := r.phone("a", fcm)
	made, err := seal.Prepare(p.P256dh(), p.Auth)
	if err != nil {
		t.Fatal(err)
	}
	copied := made
	want := copied.Seal(nil, []byte(`{"a":1}`), 512)
	ready["a"] = made
	r.send(t, p)
	r.send(t, p)
	got := r.office.take()
	if string(got[0].Body) != string(want) {
		t.Error("it was not used")
	}
	if string(got[1].Body) == string(want) || p.open(t, got[1])["a"] != 1.0 {
		t.Error("it was used twice")
	}
}

func TestASlowServiceHoldsUpNoOther(t *testing.T) {
	r := newRig(t, nil)
	stuck := &stuckAt{office: r.office, origin: mozilla, free: make(chan struct{})}
	r.sender = webpush.NewSender(webpush.SenderOptions{
		Client: stuck, Keys: func(context.Context) ([]push.Key, error) { return r.keys, nil },
		Settings: settingsOf(r), Now: func() time.Time { return noon },
	})
	items := []webpush.Item{item(r.phone("a", mozilla), "{}"), item(r.phone("b", fcm), "{}")}
	done := make(chan int, 2)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.sender.SendAll(t.Context(), items, func(i int, _ webpush.Result) { done <- i })
	}()
	if first := <-done; first != 1 {
		t.Errorf("item %d was first", first)
	}
	close(stuck.free)
	<-finished
}

type stuckAt struct {
	*office
	origin string
	free   chan struct{}
}

func (s *stuckAt) Send(ctx context.Context, r *wire.Request) error {
	if r.Origin == s.origin {
		<-s.free
	}
	return s.office.Send(ctx, r)
}
