package simulate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/simulate"
)

// problems are so many at once.
func problems(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"type":"PROBLEM","host":"db%03d","state":1,"output":"down"}`+"\n", i)
	}
	return b.Bytes()
}

func TestAStormIsAHandfulOfMessagesAndEachAlertIsInOne(t *testing.T) {
	r := try(t, office(), simulate.Request{Events: problems(200), Clean: true})
	p := r.People[0]
	if r.Alerts != 200 || p.Told != 6 || p.Digests != 1 || p.Told-p.Digests+p.Together != 200 || p.Waiting != 0 {
		t.Errorf("%d alerts, %+v", r.Alerts, p)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PROBLEM and 190 more like it, the last of them db199", "195 alerts, Storm: source nagios (195 open", "and 190 more", "Who gets how much"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, text.String())
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := office(func(p *simulate.Plan) {
		p.Directory.Policies = []escalation.Policy{{ID: "p", Name: "Night", Steps: []escalation.Step{{After: 15, ContactIDs: []string{joe}}}}}
		p.Directory.Rules[0].PolicyID = "p"
	})
	problem := `{"type":"PROBLEM","host":"web01","state":1}`
	r := try(t, s, simulate.Request{Events: lines(problem), Clean: true})
	last := r.Lines[len(r.Lines)-1]
	if last.What != simulate.Told || last.ContactID != joe || !last.At.Equal(night.Add(15*time.Minute)) || !strings.Contains(last.Why, "step 1 of policy “Night”") {
		t.Errorf("%+v", last)
	}
	r = try(t, s, simulate.Request{Events: lines(problem, `{"type":"ACKNOWLEDGEMENT","host":"web01","by":"jane","time":"+14m"}`), Clean: true})
	for _, l := range r.Lines {
		if l.ContactID == joe && l.What == simulate.Told {
			t.Errorf("an acknowledgement does not stop it: %+v", l)
		}
	}
}

func TestItBeginsWithWhatIsOpenNow(t *testing.T) {
	s := office()
	id := alert.ObjectID(nagios, "web01", "")
	o := alert.Object{ID: id, SourceID: nagios, Host: "web01", State: alert.Down, Changed: night.Add(time.Hour)}
	s.standing.Records = map[string]*dispatch.Record{id: {Object: o, Known: true,
		Alert: &alert.Alert{ID: "open", Object: o, Status: alert.Firing, State: alert.Down, Worst: alert.Down, Since: night.Add(time.Hour)}}}
	again := lines(`{"type":"PROBLEM","host":"web01","state":1}`)
	if r := try(t, s, simulate.Request{Events: again}); r.Lines[0].Outcome != alert.Repeated || r.Lines[0].Alert != "open" || r.Alerts != 0 {
		t.Errorf("%+v", r.Lines[0])
	}
	if r := try(t, s, simulate.Request{Events: again, Clean: true}); r.Lines[0].Outcome != alert.Opened || r.Alerts != 1 {
		t.Errorf("a clean one: %+v", r.Lines[0])
	}
}

// A history is what came in, and before it, without a word, what led to it.
func TestAHistoryIsTriedOnceMore(t *testing.T) {
	s := office()
	came := func(after time.Duration, typ alert.Type, state alert.State, origin alert.Origin) alert.Event {
		return alert.Event{ID: fmt.Sprint(typ, after), SourceID: nagios, Type: typ, State: state, Origin: origin, Author: "Joe", Time: night.Add(after), Received: night.Add(after),
			Object: alert.Object{SourceID: nagios, Host: "web01"}}
	}
	s.before = []alert.Event{came(-time.Hour, alert.Problem, alert.Down, alert.FromEngine)}
	s.events = []alert.Event{
		came(time.Minute, alert.Acknowledgement, alert.Down, alert.FromConsole),
		came(2*time.Minute, alert.Snooze, alert.Down, alert.FromConsole),
		came(3*time.Minute, alert.EngineReply, "", alert.FromEngine),
		came(10*time.Minute, alert.Recovery, alert.Up, alert.FromEngine),
	}
	h := &simulate.History{From: night, To: night.Add(time.Hour)}
	r := try(t, s, simulate.Request{History: h})
	if r.Events != 2 || r.Alerts != 0 || r.Lines[0].Type != alert.Acknowledgement || r.Lines[0].Outcome != alert.Acked || r.Lines[0].Input != 1 ||
		len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "1 snoozes") || !r.From.Equal(night) {
		t.Errorf("%+v", r)
	}
	day := night.Add(12 * time.Hour)
	if r := try(t, s, simulate.Request{History: h, At: day}); !r.Lines[0].At.Equal(day.Add(time.Minute)) {
		t.Errorf("moved: %+v", r.Lines[0])
	}
}

func TestTheAnswerIsBoundedAndItsFiguresAreNot(t *testing.T) {
	r := try(t, office(), simulate.Request{Events: problems(100), Clean: true, Limit: 7})
	if len(r.Lines) != 7 || r.Left < 100 || r.People[0].Together != 95 {
		t.Errorf("%d lines, %d left, %+v", len(r.Lines), r.Left, r.People)
	}
}

func TestTheSameIsAnsweredEachTime(t *testing.T) {
	said := func() string {
		b, err := json.Marshal(try(t, office(), simulate.Request{Events: problems(50), Clean: true}))
		must(t, err)
		return string(b)
	}
	first := said()
	for range 5 {
		if again := said(); again != first {
			t.Fatal("it is not")
		}
	}
}

// blocked is a store that answers when it is let.
type blocked struct {
	*shelf
	here, leave chan struct{}
}

func (b blocked) SimulationPlan(ctx context.Context) (simulate.Plan, error) {
	b.here <- struct{}{}
	<-b.leave
	return b.shelf.SimulationPlan(ctx)
}

func TestOnlySoManyAtOnce(t *testing.T) {
	b := blocked{office(), make(chan struct{}), make(chan struct{})}
	s := simulate.New(b, simulate.Options{AtOnce: 1})
	done := make(chan error)
	go func() {
		_, err := s.Simulate(t.Context(), simulate.Request{Events: problems(1), Clean: true})
		done <- err
	}()
	<-b.here
	if _, err := s.Simulate(t.Context(), simulate.Request{Events: problems(1)}); !errors.Is(err, simulate.ErrBusy) {
		t.Error(err)
	}
	close(b.leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
