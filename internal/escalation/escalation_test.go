package escalation_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/escalation"
)

var began = time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC)

func step(after int, who ...string) escalation.Step {
	return escalation.Step{After: after, ContactIDs: who}
}

// history is what happens to an alert that nobody takes, as "minute: steps".
func history(p *escalation.Policy, until time.Duration) (out []string) {
	r := p.Begin(began)
	for at := r.When(); !at.IsZero() && at.Sub(began) <= until; at = r.When() {
		var steps []int
		var remind bool
		steps, remind, r = p.Next(r, at)
		said := fmt.Sprintf("%d:%v", int(at.Sub(began).Minutes()), steps)
		if remind {
			said += " remind"
		}
		out = append(out, said)
	}
	return out
}

func TestAPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy escalation.Policy
		want   string
	}{
		"goes through its steps once":                  {escalation.Policy{Steps: []escalation.Step{step(5, "a"), step(10, "b"), step(15, "c")}}, "[5:[0] 15:[1] 30:[2]]"},
		"begins again as often as it has rounds":       {escalation.Policy{Rounds: 2, Steps: []escalation.Step{step(5, "a"), step(10, "b")}}, "[5:[0] 15:[1] 20:[0] 30:[1]]"},
		"reminds between the steps and after the last": {escalation.Policy{Remind: 20, Steps: []escalation.Step{step(30, "a")}}, "[20:[] remind 30:[0] 40:[] remind 60:[] remind]"},
		"may do nothing but remind":                    {escalation.Policy{Remind: 30}, "[30:[] remind 60:[] remind]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(history(&c.policy, time.Hour)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatWasMissedIsDoneOnceAndAtOnce(t *testing.T) {
	p := escalation.Policy{Rounds: 10, Remind: 5, Steps: []escalation.Step{step(5, "a"), step(5, "b")}}
	now := began.Add(33 * time.Minute)
	steps, remind, next := p.Next(p.Begin(began), now)
	if fmt.Sprint(steps) != "[0 1]" || !remind || !next.Due.Equal(began.Add(35*time.Minute)) || !next.Reminder.After(now) {
		t.Errorf("%v %v %+v", steps, remind, next)
	}
	if steps, remind, again := p.Next(next, now); steps != nil || remind || again != next {
		t.Errorf("a second look: %v %v %+v", steps, remind, again)
	}
}

func TestAPolicyThatWasChangedMeanwhile(t *testing.T) {
	p := escalation.Policy{Steps: []escalation.Step{step(5, "a"), step(5, "b"), step(5, "c")}}
	_, _, r := p.Next(p.Begin(began), began.Add(10*time.Minute))
	p.Steps = p.Steps[:1]
	if steps, _, r := p.Next(r, began.Add(time.Hour)); steps != nil || !r.When().IsZero() {
		t.Errorf("%v %+v", steps, r)
	}
	p.Steps, p.Remind = nil, 10
	if _, _, r := p.Next(r, began.Add(time.Hour)); !r.When().Equal(began.Add(70 * time.Minute)) {
		t.Errorf("%+v", r)
	}
}

func TestNobodyIsRemindedForEver(t *testing.T) {
	p := escalation.Policy{Remind: 1}
	if n := len(history(&p, 1000*time.Hour)); n != 200 {
		t.Errorf("reminded %d times", n)
	}
}

func TestWhatIsNoPolicyIsRefused(t *testing.T) {
	for field, p := range map[string]escalation.Policy{
		"name":                    {},
		"steps":                   {Name: "x"},
		"steps[0].after_minutes":  {Name: "x", Steps: []escalation.Step{step(0, "a")}},
		"steps[1]":                {Name: "x", Steps: []escalation.Step{step(1, "a"), step(1)}},
		"steps[0].contact_ids[0]": {Name: "x", Steps: []escalation.Step{step(1, "")}},
		"steps[0].contact_ids[1]": {Name: "x", Steps: []escalation.Step{step(1, "a", "a")}},
		"rounds":                  {Name: "x", Steps: []escalation.Step{step(1, "a")}, Rounds: 21},
		"remind_minutes":          {Name: "x", Remind: -1},
	} {
		var fe *contact.FieldError
		if err := p.Validate(); !errors.As(err, &fe) || fe.Field != field || fe.Mend == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAClockThatStoodStillMovesAllThatIsDue(t *testing.T) {
	p := escalation.Policy{Remind: 7, Steps: []escalation.Step{step(5, "a"), step(5, "b")}}
	r := p.Begin(began).Shift(time.Hour)
	if !r.Due.Equal(began.Add(65*time.Minute)) || !r.Reminder.Equal(began.Add(67*time.Minute)) || !r.Began.Equal(began) {
		t.Errorf("%+v", r)
	}
	if r := (escalation.Run{}).Shift(time.Hour); !r.When().IsZero() {
		t.Errorf("nothing is due, and then at %s", r.When())
	}
}
