package icinga2_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/icinga2"
	"tocsin/test/icinga"
)

// nasty is a name with everything that means something in a filter.
const nasty = `HTTP "check" || true; {{{x}}} \ ü`

// lab is a running Icinga and the engine that tells it.
type lab struct {
	*testing.T
	ctx    context.Context
	icinga *icinga.Icinga
	engine source.Engine
}

func start(t *testing.T) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	n, err := icinga.Start(ctx, icinga.Config{Dir: t.TempDir(), Hosts: []string{"web01", "web02"},
		Services: []icinga.Service{{Host: "web01", Name: "HTTP Check"}, {Host: "web01", Name: nasty}, {Host: "web02", Name: "HTTP Check"}},
		Extra: `object ApiUser "few" { password = "x", permissions = [ "actions/acknowledge-problem", "objects/query/*" ] }
`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	l := &lab{T: t, ctx: ctx, icinga: n}
	l.engine = l.open(n.User, n.Password)
	return l
}

func (l *lab) open(user, password string) source.Engine {
	l.Helper()
	e, err := icinga2.API().Open(source.WriteBack{Kind: "icinga2", URL: l.icinga.URL, User: user, Secret: password,
		CA: l.icinga.CA, ServerName: icinga.Name}, source.EngineOptions{Now: time.Now})
	l.must(err)
	return e
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func command(verb source.Verb, host, service string) source.Command {
	return source.Command{ID: "d1", EventID: "e1", Verb: verb, AlertID: "0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11",
		Object: alert.Object{ID: "o", Host: host, Service: service}, Author: "Jane Döe", Comment: "looking \"into\" it; $(id)\nsecond line",
		Sticky: true, From: time.Now()}
}

func (l *lab) do(c source.Command, want alert.Confirmation, words string) source.Reply {
	l.Helper()
	r, err := l.engine.Do(l.ctx, c)
	l.must(err)
	if r.Confirmation != want || !strings.Contains(r.Words, words) {
		l.Errorf("%s: got %q %q, want %q with %q", c.Verb, r.Confirmation, r.Words, want, words)
	}
	return r
}

func (l *lab) number(host, service, attribute string) float64 {
	l.Helper()
	a, err := l.icinga.Attributes(l.ctx, host, service)
	l.must(err)
	n, ok := a[attribute].(float64)
	if !ok {
		l.Fatalf("no number %s in %v", attribute, a)
	}
	return n
}

func TestAcknowledgementsInTheRealIcinga(t *testing.T) {
	l := start(t)
	ack := command(source.Acknowledge, "web01", "HTTP Check")

	t.Run("what has no problem cannot be acknowledged, in Icinga's words", func(t *testing.T) {
		l.must(l.icinga.Result(l.ctx, "web01", "HTTP Check", 0, "fine"))
		l.do(ack, alert.Refused, "OK")
	})
	t.Run("an object that it does not know is said to be unknown", func(t *testing.T) {
		l.do(command(source.Acknowledge, "web01", "Nothing"), alert.Refused, "no such object")
		l.do(command(source.Acknowledge, "nothing", ""), alert.Refused, "no such object")
		l.do(command(source.Unacknowledge, "nothing", ""), alert.Refused, "no such object")
	})
	t.Run("a problem is acknowledged and confirmed at once", func(t *testing.T) {
		l.must(l.icinga.Result(l.ctx, "web01", "HTTP Check", 2, "no answer"))
		l.do(ack, alert.Confirmed, "Icinga 2")
		if n := l.number("web01", "HTTP Check", "acknowledgement"); n != 2 {
			t.Errorf("acknowledgement %v, want 2, sticky", n)
		}
		if n := l.number("web02", "HTTP Check", "acknowledgement"); n != 0 {
			t.Error("another host's service was acknowledged, too")
		}
	})
	t.Run("our own, handed over again after a crash, is confirmed", func(t *testing.T) {
		l.do(ack, alert.Confirmed, "")
	})
	t.Run("what another acknowledged is refused with their name", func(t *testing.T) {
		other := ack
		other.Author = "Joe"
		l.do(other, alert.Refused, "already acknowledged, by Jane Döe: looking")
	})
	t.Run("it is taken back", func(t *testing.T) {
		l.do(command(source.Unacknowledge, "web01", "HTTP Check"), alert.Confirmed, "")
		if n := l.number("web01", "HTTP Check", "acknowledgement"); n != 0 {
			t.Errorf("acknowledgement %v", n)
		}
		r, err := l.engine.Check(l.ctx, ack)
		l.must(err)
		if r.Confirmation != alert.Pending || r.Words == "" {
			t.Errorf("got %+v, want pending with words: it was read, and is not there", r)
		}
	})
	t.Run("one with a time, not sticky, of a host, ends by itself in Icinga", func(t *testing.T) {
		l.must(l.icinga.Result(l.ctx, "web02", "", 1, "dead"))
		c := command(source.Acknowledge, "web02", "")
		c.Sticky, c.Until = false, time.Now().Add(time.Hour)
		l.do(c, alert.Confirmed, "")
		if n, e := l.number("web02", "", "acknowledgement"), l.number("web02", "", "acknowledgement_expiry"); n != 1 || int64(e) != c.Until.Unix() {
			t.Errorf("acknowledgement %v until %v", n, e)
		}
	})
	t.Run("a time that is over is refused", func(t *testing.T) {
		c := ack
		c.Until = time.Now().Add(-time.Minute)
		l.do(c, alert.Refused, "over already")
	})
}

func TestNamesAreNoCodeInTheRealIcinga(t *testing.T) {
	l := start(t)
	for _, s := range []string{"HTTP Check", nasty} {
		l.must(l.icinga.Result(l.ctx, "web01", s, 2, "bad"))
	}
	l.must(l.icinga.Result(l.ctx, "web02", "HTTP Check", 2, "bad"))
	l.do(command(source.Acknowledge, "web01", nasty), alert.Confirmed, "")
	for _, host := range []string{"web01", "web02"} {
		if n := l.number(host, "HTTP Check", "acknowledgement"); n != 0 {
			t.Errorf("%s's other service was acknowledged, too", host)
		}
	}
	l.do(command(source.Acknowledge, `x" || true || "`, `y" || true || "`), alert.Refused, "no such object")
}

func TestCommentsAndDowntimesInTheRealIcinga(t *testing.T) {
	l := start(t)
	l.must(l.icinga.Result(l.ctx, "web01", "HTTP Check", 2, "bad"))

	t.Run("a comment is added once", func(t *testing.T) {
		c := command(source.Comment, "web01", "HTTP Check")
		l.do(c, alert.Confirmed, "comment")
		l.do(c, alert.Confirmed, "comment")
		_, body, err := l.icinga.Call(l.ctx, http.MethodGet, "/v1/objects/comments", nil)
		l.must(err)
		if n := strings.Count(string(body), `"text":`); n != 1 {
			t.Errorf("%d comments", n)
		}
		// The same words again, some time later, are another comment.
		c.From = time.Now().Add(time.Hour)
		l.do(c, alert.Pending, "does not show")
		l.do(command(source.Comment, "web02", ""), alert.Confirmed, "comment") // without a problem, and of a host
	})
	t.Run("a downtime is scheduled once and ended", func(t *testing.T) {
		c := command(source.ScheduleDowntime, "web01", "HTTP Check")
		c.Until = c.From.Add(time.Hour)
		first := l.do(c, alert.Confirmed, "downtime")
		again := l.do(c, alert.Confirmed, "downtime")
		if first.Note == "" || first.Note != again.Note {
			t.Errorf("notes %q and %q", first.Note, again.Note)
		}
		l.must(l.icinga.Until(l.ctx, func() bool { return l.number("web01", "HTTP Check", "downtime_depth") == 1 }))
		l.do(command(source.CancelDowntime, "web01", "HTTP Check"), alert.Confirmed, "no downtime")
		if n := l.number("web01", "HTTP Check", "downtime_depth"); n != 0 {
			t.Errorf("downtime depth %v", n)
		}
	})
	t.Run("a downtime of somebody else's is left alone", func(t *testing.T) {
		_, _, err := l.icinga.Call(l.ctx, http.MethodPost, "/v1/actions/schedule-downtime", map[string]any{"type": "Host", "filter": `host.name=="web02"`,
			"author": "x", "comment": "theirs", "fixed": true, "start_time": time.Now().Unix(), "end_time": time.Now().Add(time.Hour).Unix()})
		l.must(err)
		l.must(l.icinga.Until(l.ctx, func() bool { return l.number("web02", "", "downtime_depth") == 1 }))
		l.do(command(source.CancelDowntime, "web02", ""), alert.Refused, "not scheduled here")
	})
}

func TestWatchFindsWhatIcingaNoLongerHas(t *testing.T) {
	l := start(t)
	for _, s := range []string{"HTTP Check", nasty} {
		l.must(l.icinga.Result(l.ctx, "web01", s, 2, "bad"))
		l.do(command(source.Acknowledge, "web01", s), alert.Confirmed, "")
	}
	l.must(l.icinga.Result(l.ctx, "web01", "", 1, "bad"))
	l.do(command(source.Acknowledge, "web01", ""), alert.Confirmed, "")
	acks := []source.Command{command(source.Acknowledge, "web01", "HTTP Check"), command(source.Acknowledge, "web01", nasty),
		command(source.Acknowledge, "web01", ""), command(source.Acknowledge, "web01", "deleted")}
	watch := func(want ...string) {
		t.Helper()
		replies, err := l.engine.(source.Watcher).Watch(l.ctx, acks)
		l.must(err)
		for i, r := range replies {
			if got := fmt.Sprint(r.Confirmation, " ", r.Recovered); got != want[i] {
				t.Errorf("%q: got %s %q, want %s", acks[i].Object.Service, got, r.Words, want[i])
			}
		}
	}
	watch("confirmed false", "confirmed false", "confirmed false", "refused true")
	_, _, err := l.icinga.Call(l.ctx, http.MethodPost, "/v1/actions/remove-acknowledgement", map[string]any{"type": "Host", "filter": `host.name=="web01"`})
	l.must(err)
	l.must(l.icinga.Result(l.ctx, "web01", nasty, 0, "good again"))
	watch("confirmed false", "refused true", "refused false", "refused true")
	l.must(l.icinga.Restart(l.ctx)) // killed, it has lost its state
	watch("pending false", "pending false", "pending false", "refused true")
}

func TestProbeNamesWhatIsWrong(t *testing.T) {
	l := start(t)
	probe := func(e source.Engine) error { return e.(source.Prober).Probe(l.ctx) }
	if err := probe(l.engine); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, says string
		engine     source.Engine
	}{
		{"a wrong password", "refused (401)", l.open("root", "wrong")},
		{"missing permissions", "add actions/remove-acknowledgement, actions/add-comment", l.open("few", "x")},
	} {
		if err := probe(c.engine); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	r, err := l.open("few", "x").Do(l.ctx, command(source.Comment, "web01", ""))
	if err != nil || r.Confirmation != alert.Refused || !strings.Contains(r.Words, "permission") {
		t.Errorf("an action that is not permitted: %+v, %v", r, err)
	}
	for _, c := range []struct {
		name, says string
		w          source.WriteBack
	}{
		{"a CA that is not given", "(CA)", source.WriteBack{ServerName: icinga.Name}},
		{"a name that is not in the certificate", "server name", source.WriteBack{CA: l.icinga.CA}},
	} {
		c.w.URL, c.w.User, c.w.Secret = l.icinga.URL, "root", "x"
		e, err := icinga2.API().Open(c.w, source.EngineOptions{Now: time.Now})
		l.must(err)
		if err := probe(e); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestAnIcingaThatReloadsOrIsAwayIsTriedAgain(t *testing.T) {
	l := start(t)
	l.must(l.icinga.Result(l.ctx, "web01", "HTTP Check", 2, "bad"))
	c := command(source.Acknowledge, "web01", "HTTP Check")
	l.must(l.icinga.Reload())
	confirmed := func() bool {
		r, err := l.engine.Do(l.ctx, c)
		if err == nil && r.Confirmation != alert.Confirmed {
			t.Fatalf("got %+v", r) // while it reloads it may fail, but not be wrong
		}
		return err == nil
	}
	l.must(l.icinga.Until(l.ctx, confirmed))
	l.icinga.Stop()
	if r, err := l.engine.Do(l.ctx, c); err == nil || !strings.Contains(err.Error(), "could not be reached") || strings.Contains(err.Error(), l.icinga.Password) {
		t.Errorf("got %+v, %v", r, err)
	}
	l.must(l.icinga.Restart(l.ctx))
	l.must(l.icinga.Until(l.ctx, confirmed))
}

// answer serves one answer to everything.
func answer(t *testing.T, status int, kind, body string) source.Engine {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Location", "http://elsewhere.example.com/")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	e, err := icinga2.API().Open(source.WriteBack{URL: s.URL, User: "u", Secret: "s"}, source.EngineOptions{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnswersThatSayNothingAreErrors(t *testing.T) {
	for _, c := range []struct {
		name       string
		status     int
		kind, body string
		says       string
	}{
		{"reloading", 503, "application/json", `{"error":503,"status":"Icinga is reloading."}`, "reloading (503)"},
		{"an inner error", 500, "application/json", `{"results":[{"code":500,"status":"Dump failed"}]}`, "Dump failed"},
		{"a web page", 200, "text/html", "<html>Sign in</html>", "web page (200): is this the address of its API?"},
		{"a redirect", 302, "text/html", "", "redirect"},
		{"something else", 200, "application/json", "[]", "not its API's"},
		{"no code", 200, "application/json", `{"results":[{"status":"x"}]}`, "answered 0"},
		{"too long", 200, "application/json", `{"results":"` + strings.Repeat("x", 5<<20) + `"}`, "longer than 4 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := answer(t, c.status, c.kind, c.body).Do(t.Context(), command(source.Acknowledge, "h", "s"))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	t.Run("a request that is refused says why", func(t *testing.T) {
		r, err := answer(t, 400, "application/json", `{"results":[{"code":400,"status":"Acknowledgements require author and comment."}]}`).
			Do(t.Context(), command(source.Acknowledge, "h", "s"))
		if err != nil || r.Confirmation != alert.Refused || r.Words != "Acknowledgements require author and comment." {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func TestSettingsAreCheckedBeforeUse(t *testing.T) {
	good := source.WriteBack{URL: "https://icinga.example.com:5665", User: "u", Secret: "s"}
	proxy, _ := url.Parse("http://proxy.example.com:3128")
	for _, c := range []struct {
		name, field string
		change      func(*source.WriteBack)
	}{
		{"no address", "write_back.url", func(w *source.WriteBack) { w.URL = "" }},
		{"an address of nothing", "write_back.url", func(w *source.WriteBack) { w.URL = "icinga:5665" }},
		{"a password in the address", "write_back.url", func(w *source.WriteBack) { w.URL = "https://u:p@icinga.example.com" }},
		{"a query in the address", "write_back.url", func(w *source.WriteBack) { w.URL += "/?x=1" }},
		{"no user", "write_back.user", func(w *source.WriteBack) { w.User = "" }},
		{"no password", "write_back_secret", func(w *source.WriteBack) { w.Secret = "" }},
		{"a line break in the password", "write_back.secret", func(w *source.WriteBack) { w.Secret = "a\nb" }},
		{"a CA that is none", "write_back.ca", func(w *source.WriteBack) { w.CA = "x" }},
		{"a proxy that is not set", "write_back.use_proxy", func(w *source.WriteBack) { w.UseProxy = true }},
	} {
		w := good
		c.change(&w)
		_, err := icinga2.API().Open(w, source.EngineOptions{Now: time.Now})
		var f *source.FieldError
		if !errors.As(err, &f) || f.Field != c.field || f.Mend == "" {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	good.UseProxy = true
	if _, err := icinga2.API().Open(good, source.EngineOptions{Now: time.Now, Proxy: proxy}); err != nil {
		t.Error(err)
	}
}
