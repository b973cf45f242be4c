package alertmanager_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	am "tocsin/test/alertmanager"
)

// lab is a running Alertmanager and the engine that tells it, whose clock can be
// put forward.
type lab struct {
	*testing.T
	ctx    context.Context
	am     *am.Alertmanager
	engine source.Engine
	ahead  time.Duration
}

func start(t *testing.T, silence bool) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	a, err := am.Start(ctx, am.Config{Dir: t.TempDir(), Webhook: "http://127.0.0.1:1/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	l := &lab{T: t, ctx: ctx, am: a}
	l.engine, err = alertmanager.API().Open(source.WriteBack{Kind: "alertmanager", URL: a.URL, Silence: silence},
		source.EngineOptions{Now: func() time.Time { return time.Now().Add(l.ahead) }})
	l.must(err)
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func labels() map[string]string {
	return map[string]string{"alertname": "DiskFull", "instance": "web01:9100", "path": `C:\x "y" .*`, "severity": "critical", "empty": ""}
}

func command(verb source.Verb) source.Command {
	return source.Command{ID: "d1", EventID: "e1", Verb: verb, AlertID: "0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11",
		Object: alert.Object{ID: "o", Host: "web01:9100", Service: "DiskFull{…}", Labels: labels()}, Author: "Jane Döe", Comment: "mine",
		From: time.Now().Add(-time.Second)}
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

func (l *lab) watch() source.Reply {
	l.Helper()
	r, err := l.engine.(source.Watcher).Watch(l.ctx, []source.Command{command(source.Acknowledge)})
	l.must(err)
	if len(r) != 1 {
		l.Fatalf("%d replies", len(r))
	}
	return r[0]
}

// standing are the silences that are active.
func (l *lab) standing() []am.Silence {
	l.Helper()
	all, err := l.am.Silences(l.ctx)
	l.must(err)
	var list []am.Silence
	for _, s := range all {
		if s.Status.State == "active" {
			list = append(list, s)
		}
	}
	return list
}

func (l *lab) fire() {
	l.Helper()
	l.must(l.am.Alert(l.ctx, labels(), nil, time.Now().Add(-time.Minute), false))
}

// silenced says whether Alertmanager takes the alert with these labels for
// silenced.
func (l *lab) silenced(name string) bool {
	l.Helper()
	_, body, err := l.am.Call(l.ctx, http.MethodGet, "/api/v2/alerts?active=false&inhibited=false&unprocessed=false&silenced=true", nil)
	l.must(err)
	return strings.Contains(string(body), name)
}

func TestWithoutSilencesAnAcknowledgementIsKeptHere(t *testing.T) {
	l := start(t, false)
	l.fire()
	l.do(command(source.Acknowledge), alert.Confirmed, "Tocsin stops its own reminders")
	l.do(command(source.Unacknowledge), alert.Confirmed, "")
	l.do(command(source.Release), alert.Confirmed, "")
	l.do(command(source.Comment), alert.Confirmed, "kept here")
	l.do(command(source.ScheduleDowntime), alert.Refused, "not switched on")
	if r := l.watch(); r.Confirmation != alert.Confirmed {
		t.Errorf("watch: %+v", r)
	}
	if n := len(l.standing()); n != 0 {
		t.Errorf("%d silences", n)
	}
	if alertmanager.API().Releases(source.WriteBack{}) || !alertmanager.API().Releases(source.WriteBack{Silence: true}) {
		t.Error("an end is to be told exactly where silences are made")
	}
}

func TestASilenceIsForThisAlertAlone(t *testing.T) {
	l := start(t, true)
	l.fire()
	other := labels()
	other["path"] = `C:\x "y" z`
	l.must(l.am.Alert(l.ctx, other, nil, time.Now(), false))
	r := l.do(command(source.Acknowledge), alert.Confirmed, "silenced in Alertmanager until")
	s := l.standing()
	if len(s) != 1 || s[0].ID != r.Note || s[0].CreatedBy != "Jane Döe" || !strings.HasPrefix(s[0].Comment, "mine [tocsin ") {
		t.Fatalf("silences %+v, note %q", s, r.Note)
	}
	if d := time.Until(s[0].EndsAt); d < 59*time.Minute || d > 61*time.Minute {
		t.Errorf("it ends in %v", d)
	}
	want := labels()
	delete(want, "empty")
	for _, m := range s[0].Matchers {
		if m.IsRegex || !m.IsEqual || want[m.Name] != m.Value {
			t.Errorf("matcher %+v", m)
		}
		delete(want, m.Name)
	}
	if len(want) != 0 {
		t.Errorf("no matchers for %v", want)
	}
	l.must(l.am.Until(l.ctx, func() bool { return l.silenced(`.*`) }))
	if l.silenced(`\"y\" z`) {
		t.Error("another alert is silenced, too")
	}
	t.Run("handed over again it is the same one", func(t *testing.T) {
		l.do(command(source.Acknowledge), alert.Confirmed, "")
		if n := len(l.standing()); n != 1 {
			t.Errorf("%d silences", n)
		}
	})
	t.Run("it is deleted at the end, without its id being known", func(t *testing.T) {
		check, err := l.engine.Check(l.ctx, command(source.Release))
		l.must(err)
		if check.Confirmation != alert.Pending {
			t.Errorf("before: %+v", check)
		}
		l.do(command(source.Release), alert.Confirmed, "no silence")
		l.do(command(source.Release), alert.Confirmed, "no silence")
		if n := len(l.standing()); n != 0 {
			t.Errorf("%d silences", n)
		}
	})
	t.Run("one with a time ends then", func(t *testing.T) {
		c := command(source.Acknowledge)
		c.Until = time.Now().Add(3 * time.Hour).Truncate(time.Second)
		l.do(c, alert.Confirmed, "")
		if s := l.standing(); len(s) != 1 || !s[0].EndsAt.Equal(c.Until) {
			t.Errorf("got %+v", s)
		}
		l.do(command(source.Unacknowledge), alert.Confirmed, "")
	})
	t.Run("an alert whose labels are not known exactly is not silenced", func(t *testing.T) {
		c := command(source.Acknowledge)
		c.Object.Labels[source.TrueFingerprint] = "84f7db89a6524b3d"
		l.do(c, alert.Refused, "not be for this alert alone")
		c.Object.Labels = nil
		l.do(c, alert.Refused, "not be for this alert alone")
		if n := len(l.standing()); n != 0 {
			t.Errorf("%d silences", n)
		}
	})
}

func TestASilenceIsKeptUp(t *testing.T) {
	l := start(t, true)
	l.fire()
	first := l.do(command(source.Acknowledge), alert.Confirmed, "").Note

	t.Run("while more than half is left nothing is changed", func(t *testing.T) {
		l.ahead = 29 * time.Minute
		before := l.standing()[0].EndsAt
		if r := l.watch(); r.Confirmation != alert.Confirmed || !l.standing()[0].EndsAt.Equal(before) {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("then it is extended in place", func(t *testing.T) {
		l.ahead = 31 * time.Minute
		if r := l.watch(); r.Confirmation != alert.Confirmed || r.Note != first {
			t.Errorf("got %+v, want the same id", r)
		}
		if d := time.Until(l.standing()[0].EndsAt); d < 90*time.Minute {
			t.Errorf("it ends in %v", d)
		}
		l.ahead = 0
	})
	t.Run("one that Alertmanager forgot is made anew", func(t *testing.T) {
		l.must(l.am.Forget(l.ctx))
		if n := len(l.standing()); n != 0 {
			t.Fatalf("%d silences: it did not forget", n)
		}
		r, err := l.engine.Check(l.ctx, command(source.Acknowledge))
		l.must(err)
		if r.Confirmation != alert.Pending || r.Words == "" {
			t.Errorf("check: %+v", r)
		}
		if r := l.watch(); r.Confirmation != alert.Confirmed || len(l.standing()) != 1 {
			t.Errorf("watch: %+v, %d silences", r, len(l.standing()))
		}
	})
	t.Run("one that somebody ended there is not", func(t *testing.T) {
		_, _, err := l.am.Call(l.ctx, http.MethodDelete, "/api/v2/silence/"+l.standing()[0].ID, nil)
		l.must(err)
		for _, from := range []time.Duration{-time.Second, time.Hour} { // after a first miss the watch asks for newer things alone
			c := command(source.Acknowledge)
			c.From = time.Now().Add(from)
			r, err := l.engine.(source.Watcher).Watch(l.ctx, []source.Command{c})
			l.must(err)
			if r[0].Confirmation != alert.Refused || r[0].Recovered || r[0].Words != "the silence was ended in Alertmanager" {
				t.Errorf("got %+v", r)
			}
		}
	})
}

func TestARecoveryThatIsSilencedIsFound(t *testing.T) {
	for _, silence := range []bool{true, false} {
		l := start(t, silence)
		l.fire()
		l.do(command(source.Acknowledge), alert.Confirmed, "")
		for range 2 {
			l.ahead += 6 * time.Minute
			if r := l.watch(); r.Recovered {
				t.Fatalf("it still fires: %+v", r)
			}
		}
		l.must(l.am.Alert(l.ctx, labels(), nil, time.Now().Add(-time.Minute), true))
		l.must(l.am.Until(l.ctx, func() bool {
			_, body, err := l.am.Call(l.ctx, http.MethodGet, "/api/v2/alerts", nil)
			l.must(err)
			return !strings.Contains(string(body), "DiskFull")
		}))
		if r := l.watch(); r.Recovered {
			t.Errorf("at once: %+v", r)
		}
		l.ahead += 4 * time.Minute
		if r := l.watch(); r.Recovered {
			t.Errorf("after four minutes: %+v", r)
		}
		other := command(source.Acknowledge)
		other.Object.Labels = map[string]string{"alertname": "Other"}
		_, err := l.engine.(source.Watcher).Watch(l.ctx, []source.Command{other}) // of the next page
		l.must(err)
		l.ahead += 2 * time.Minute
		if r := l.watch(); !r.Recovered || r.Confirmation != alert.Refused {
			t.Errorf("after six minutes: %+v", r)
		}
		l.must(l.am.Forget(l.ctx))
		if r := l.watch(); r.Recovered {
			t.Errorf("after a restart, when it knows no alert yet: %+v", r)
		}
	}
}

func TestADowntimeIsASilenceForThatTime(t *testing.T) {
	l := start(t, true)
	l.fire()
	l.do(command(source.Acknowledge), alert.Confirmed, "")
	c := command(source.ScheduleDowntime)
	c.Until = time.Now().Add(2 * time.Hour)
	l.do(c, alert.Confirmed, "silenced")
	if n := len(l.standing()); n != 2 {
		t.Errorf("%d silences, want the acknowledgement's and the downtime's", n)
	}
	l.do(command(source.CancelDowntime), alert.Confirmed, "")
	if s := l.standing(); len(s) != 1 || strings.Contains(s[0].Comment, "downtime") {
		t.Errorf("got %+v", s)
	}
}

// Alertmanager tells neither of what recovers in a silence nor of its end.
func TestADowntimeIsLookedAfter(t *testing.T) {
	l := start(t, true)
	l.fire()
	c := command(source.ScheduleDowntime)
	c.Until, c.Since = time.Now().Add(20*time.Minute), time.Now()
	l.do(c, alert.Confirmed, "silenced")
	look := func(c source.Command, want alert.Confirmation, recovered bool) {
		t.Helper()
		r, err := l.engine.(source.Watcher).Watch(l.ctx, []source.Command{c})
		l.must(err)
		if r[0].Confirmation != want || r[0].Recovered != recovered {
			t.Errorf("got %+v, want %q, recovered %v", r[0], want, recovered)
		}
	}
	look(c, alert.Confirmed, false)
	l.must(l.am.Forget(l.ctx)) // its silences, too
	l.fire()
	look(c, alert.Confirmed, false)
	if s := l.standing(); len(s) != 1 || !strings.Contains(s[0].Comment, "downtime") || s[0].EndsAt.Sub(c.Until).Abs() > time.Second {
		t.Errorf("it is not made anew as it was: %+v", s)
	}
	l.ahead = 6 * time.Minute
	l.must(l.am.Alert(l.ctx, labels(), nil, time.Now().Add(-time.Minute), true))
	l.must(l.am.Until(l.ctx, func() bool {
		_, body, err := l.am.Call(l.ctx, http.MethodGet, "/api/v2/alerts", nil)
		l.must(err)
		return !strings.Contains(string(body), "DiskFull")
	}))
	look(c, alert.Pending, false)
	l.ahead = 21 * time.Minute
	look(c, alert.Confirmed, true)
	closed := c
	closed.Since = time.Time{}
	look(closed, alert.Refused, false) // its time is over
	l.ahead = 7 * time.Minute
	other := closed
	other.EventID, other.From = "e2", time.Now().Add(-time.Second)
	look(other, alert.Confirmed, false)
	for _, s := range l.standing() {
		_, _, err := l.am.Call(l.ctx, http.MethodDelete, "/api/v2/silence/"+s.ID, nil)
		l.must(err)
	}
	look(other, alert.Refused, false) // somebody ended it
	if n := len(l.standing()); n != 0 {
		t.Errorf("%d silences were made after that", n)
	}
}

func TestProbeSaysWhatIsThere(t *testing.T) {
	l := start(t, false)
	l.must(l.engine.(source.Prober).Probe(l.ctx))
	e, err := alertmanager.API().Open(source.WriteBack{URL: l.am.URL + "/nowhere"}, source.EngineOptions{Now: time.Now})
	l.must(err)
	if err := e.(source.Prober).Probe(l.ctx); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
	l.am.Stop()
	for _, ask := range []func() error{
		func() error { return l.engine.(source.Prober).Probe(l.ctx) },
		func() error {
			_, err := l.engine.(source.Watcher).Watch(l.ctx, []source.Command{command(source.Acknowledge)})
			return err
		},
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "could not be reached") {
			t.Errorf("got %v", err)
		}
	}
}
