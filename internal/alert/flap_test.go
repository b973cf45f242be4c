package alert_test

import (
	"testing"
	"time"

	"tocsin/internal/alert"
)

// watched is an event of an engine that does not say when something flaps.
func watched(minute int, t alert.Type, s alert.State) alert.Event {
	e := at(minute*60, t, s)
	e.Watched, e.Received = true, e.Time
	return e
}

// upsAndDowns are so many changes of state, one a minute.
func upsAndDowns(n int) []alert.Event {
	var out []alert.Event
	for i := range n {
		if i%2 == 0 {
			out = append(out, watched(i, alert.Problem, alert.Critical))
		} else {
			out = append(out, watched(i, alert.Recovery, alert.OK))
		}
	}
	return out
}

var six = alert.Flap{Changes: 6, Within: 15 * time.Minute}

func TestFlappingBeginsWithTheChangesThatAreSet(t *testing.T) {
	for n, want := range map[int]bool{5: false, 6: true, 7: true} {
		r := play(upsAndDowns(n)...)
		if len(r.Object.Turns) != n || six.Begins(&r.Object, r.Object.Changed) != want {
			t.Errorf("%d changes: %v, begins %v", n, r.Object.Turns, !want)
		}
	}
	r := play(upsAndDowns(6)...)
	if late := r.Object.Changed.Add(10*time.Minute + time.Second); six.Begins(&r.Object, late) {
		t.Error("the first of six changes is too long ago, and it flaps")
	}
	if (alert.Flap{}).Begins(&r.Object, r.Object.Changed) {
		t.Error("it is not looked for, and it flaps")
	}
	r.Object.Flapping = true
	if six.Begins(&r.Object, r.Object.Changed) {
		t.Error("the engine says that it flaps already")
	}
}

func TestWhatIsNoChangeIsNotCounted(t *testing.T) {
	problem, again := watched(0, alert.Problem, alert.Critical), watched(1, alert.Problem, alert.Critical)
	worse := watched(2, alert.Problem, alert.Warning)
	old := watched(3, alert.Recovery, alert.OK)
	old.Time = problem.Time.Add(-time.Hour)
	unwatched := watched(4, alert.Recovery, alert.OK)
	unwatched.Watched = false
	if r := play(problem, again, old); len(r.Object.Turns) != 1 {
		t.Errorf("told again and out of order: %v", r.Object.Turns)
	}
	if r := play(problem, worse, unwatched); len(r.Object.Turns) != 2 {
		t.Errorf("worse, and of an engine that is not watched: %v", r.Object.Turns)
	}
	if r := play(watched(0, alert.Recovery, alert.OK)); len(r.Object.Turns) != 0 {
		t.Errorf("the first that is heard of it is that it is well: %v", r.Object.Turns)
	}
}

func TestChangesAreCountedByOurClock(t *testing.T) {
	wrong := watched(30, alert.Problem, alert.Critical)
	wrong.Time = wrong.Time.Add(-5 * time.Hour)
	if r := play(wrong); !r.Object.Turns[0].Equal(wrong.Received) {
		t.Errorf("by the engine's, which is behind: %v", r.Object.Turns)
	}
	wrong.Marks = []alert.Mark{alert.MarkLate}
	if r := play(wrong); !r.Object.Turns[0].Equal(wrong.Time) {
		t.Errorf("what was spooled counts when it happened: %v", r.Object.Turns)
	}
	if r := play(upsAndDowns(50)...); len(r.Object.Turns) != alert.MaxTurns || !r.Object.Turns[alert.MaxTurns-1].Equal(r.Object.Changed) {
		t.Errorf("kept %d", len(r.Object.Turns))
	}
}

func TestCalmIsLessThanHalf(t *testing.T) {
	found := at(6*60, alert.FlapDetected, "")
	found.Origin = alert.FromDetection
	r := play(append(upsAndDowns(6), found)...)
	if !r.Object.Flapping || r.Object.Flaps.IsZero() || r.Outcome != alert.FlappingBegan || r.Notice != alert.NoticeFlapping {
		t.Fatalf("%+v", r)
	}
	// The changes were in minutes 0 to 5. Three of them are within 15 minutes up to 18.
	start := r.Object.Turns[0]
	for after, want := range map[time.Duration]bool{17 * time.Minute: false, 18 * time.Minute: true, time.Hour: true} {
		if six.Calm(&r.Object, start.Add(after)) != want {
			t.Errorf("after %s: calm %v", after, !want)
		}
	}
	if !(alert.Flap{}).Calm(&r.Object, start) {
		t.Error("it is no longer looked for, and it flaps for ever")
	}
	t.Run("also where a clock was put back", func(t *testing.T) {
		if !six.Calm(&r.Object, start.Add(-24*time.Hour)) {
			t.Error("it flaps for a day")
		}
	})
	t.Run("is told as the problem that there is, as a flapping that is over otherwise", func(t *testing.T) {
		calm := at(40*60, alert.FlapCalm, "")
		calm.Origin = alert.FromDetection
		for state, want := range map[alert.State]alert.Notice{alert.Critical: alert.NoticeProblem, alert.OK: alert.NoticeFlapping} {
			last := watched(30, alert.Problem, alert.Critical)
			if state == alert.OK {
				last = watched(30, alert.Recovery, alert.OK)
			}
			r := play(append(upsAndDowns(6), found, last, calm)...)
			if r.Object.Flapping || !r.Object.Flaps.IsZero() || r.Outcome != alert.FlappingOver || r.Notice != want {
				t.Errorf("%s: %+v", state, r)
			}
		}
	})
	t.Run("an engine that says it stopped is believed", func(t *testing.T) {
		r := play(append(upsAndDowns(6), found, at(7*60, alert.FlappingStop, ""))...)
		if r.Object.Flapping || !r.Object.Flaps.IsZero() {
			t.Errorf("%+v", r.Object)
		}
	})
}
