package writeback_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

func TestDowntimesAreLookedAfterWhereRecoveriesAreKeptSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		downtime := func(id string, open bool, left time.Duration) dispatch.Downtime {
			d := dispatch.Downtime{Object: alert.Object{ID: id, Host: id, Downtime: true},
				Asked: alert.Event{ID: "e-" + id, AlertID: "a-" + id, Until: now.Add(left), Time: now}}
			if open {
				d.Since = now
			}
			return d
		}
		gone := source.Reply{Confirmation: alert.Refused, Words: "it was ended there"}
		f := &fake{downtimes: []dispatch.Downtime{downtime("stands", true, time.Hour), downtime("recovered", true, time.Hour),
			downtime("known", false, time.Hour), downtime("over", false, time.Second), downtime("ended", true, time.Hour), downtime("unclear", true, time.Second)}}
		f.sources = []source.Source{berlin()}
		f.sources[0].WriteBack.Silence = true
		var verbs []source.Verb
		f.watch = func(cs []source.Command) ([]source.Reply, error) {
			for _, c := range cs {
				verbs = append(verbs, c.Verb)
			}
			recovered := source.Reply{Confirmation: alert.Confirmed, Words: "not listed", Recovered: true}
			return []source.Reply{confirmed(""), recovered, recovered, gone, gone, pending("")}, nil
		}
		during(t, f, 70*time.Second)
		if want := []string{"recovered not listed true", "over it was ended there false"}; !slices.Equal(f.gone, want) {
			t.Errorf("after one reading: %q", f.gone)
		}
		f.gone = nil
		during(t, f, 100*time.Second)
		if !slices.Contains(f.gone, "ended it was ended there false") {
			t.Errorf("after two: %q", f.gone)
		}
		for _, v := range verbs {
			if v != source.ScheduleDowntime {
				t.Errorf("asked with %s", v)
			}
		}
	})
}

// An engine tells of a downtime's end whom it is set to tell. Without us among them
// the object would be in a downtime for ever.
func TestADowntimeWhoseEndIsNotToldIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dispatch.Downtime{Object: alert.Object{ID: "o"}, Asked: alert.Event{ID: "e", Until: time.Now().Add(2 * time.Minute)}}
		f := &fake{downtimes: []dispatch.Downtime{d}}
		f.watch = func([]source.Command) ([]source.Reply, error) { t.Error("asked"); return nil, nil }
		during(t, f, 6*time.Minute)
		if len(f.gone) != 0 {
			t.Errorf("it is not waited for: %q", f.gone)
		}
		during(t, f, 70*time.Second)
		if want := "o its time is over, and the engine told nothing of its end false"; len(f.gone) == 0 || f.gone[0] != want {
			t.Errorf("%q", f.gone)
		}
	})
}

func TestDowntimesOfEnginesThatTellTheirEndAreLeftToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{downtimes: []dispatch.Downtime{{Object: alert.Object{ID: "o"}, Asked: alert.Event{Until: time.Now().Add(time.Hour)}}}}
		f.watch = func([]source.Command) ([]source.Reply, error) { t.Error("asked"); return nil, nil }
		during(t, f, 70*time.Second)
	})
}
