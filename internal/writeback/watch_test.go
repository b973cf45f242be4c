package writeback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/source"
	"tocsin/internal/writeback"
)

func acked(id string, c alert.Confirmation) alert.Alert {
	return alert.Alert{
		ID: id, Object: alert.Object{ID: "o-" + id, Host: id}, Status: alert.Acknowledged,
		Ack: &alert.Ack{EventID: "e-" + id, At: time.Now(), Origin: alert.FromConsole, Confirmation: c},
	}
}

// during lets a Writer run for some time.
func during(t *testing.T, f *fake, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := newWriter(f).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestWatchTellsWhatDoesNotStandAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var asked []time.Duration
		var from []time.Time
		f := &fake{acked: []alert.Alert{
			acked("stands", alert.Confirmed), acked("gone", alert.Confirmed), acked("recovered", alert.Confirmed),
			acked("late", alert.Unconfirmed), acked("never", alert.Unconfirmed), acked("unknown", alert.Confirmed),
		}}
		f.watch = func(acks []source.Command) ([]source.Reply, error) {
			asked = append(asked, time.Since(begun))
			from = append(from, acks[1].From)
			return []source.Reply{
				confirmed(""), {Confirmation: alert.Refused, Words: "taken back"}, {Confirmation: alert.Refused, Words: "OK there", Recovered: true},
				confirmed("shown"), {Confirmation: alert.Refused, Words: "taken back"}, pending("older"),
			}, nil
		}
		during(t, f, 100*time.Second)
		if want := []time.Duration{60 * time.Second, 90 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("asked after %v", asked)
		}
		// Once is not enough, and the second time only what is newer than the first counts.
		if want := []string{"gone e-gone taken back false", "recovered e-recovered OK there true"}; !slices.Equal(f.gone, want) {
			t.Errorf("%q", f.gone)
		}
		if !from[1].Equal(begun.Add(60 * time.Second)) {
			t.Errorf("asked for what is newer than %v", from)
		}
		for _, a := range f.told() {
			if a.AlertID != "late" || a.Confirmation != alert.Confirmed || a.Words != "shown" {
				t.Errorf("%+v", a)
			}
		}
		if len(f.told()) == 0 {
			t.Error("a late confirmation was not told")
		}
	})
}

func TestOneMissedLookIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{acked: []alert.Alert{acked("a", alert.Confirmed)}}
		n := 0
		f.watch = func([]source.Command) ([]source.Reply, error) {
			n++
			switch n % 3 {
			case 1:
				return []source.Reply{{Confirmation: alert.Refused}}, nil
			case 2:
				return nil, errors.New("away")
			}
			return []source.Reply{confirmed("")}, nil
		}
		during(t, f, 10*time.Minute)
		if len(f.gone) != 0 {
			t.Errorf("%q", f.gone)
		}
	})
}

// Nobody was there to tell the engine, and what was to tell it has ended.
func TestAnAcknowledgementThatWasNeverToldIsNotPendingForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{acked: []alert.Alert{acked("lost", alert.Pending), acked("stands", alert.Confirmed)}}
		f.watch = func(acks []source.Command) ([]source.Reply, error) {
			if len(acks) != 1 || acks[0].AlertID != "stands" {
				t.Errorf("asked about %+v", acks)
			}
			return []source.Reply{confirmed("")}, nil
		}
		during(t, f, 70*time.Second)
		if got := f.told(); len(got) != 1 || got[0].EventID != "e-lost" || got[0].Confirmation != alert.Unconfirmed || got[0].Words != "berlin was not told: nobody was there to do it within a day" {
			t.Errorf("%+v", got)
		}
	})
}

// An engine that was told when it ends ends it itself, perhaps by a clock that is
// ahead: that its time ran out is said here, to those who were told.
func TestAnAcknowledgementWhoseTimeRunsOutIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acked("ends", alert.Confirmed)
		a.Ack.Until = time.Now().Add(2 * time.Minute)
		f := &fake{acked: []alert.Alert{a}}
		f.watch = func([]source.Command) ([]source.Reply, error) {
			if time.Until(a.Ack.Until) > time.Minute {
				return []source.Reply{confirmed("")}, nil
			}
			return []source.Reply{{Confirmation: alert.Refused, Words: "not there"}}, nil
		}
		during(t, f, 5*time.Minute)
		if len(f.gone) != 0 {
			t.Errorf("%q", f.gone)
		}
	})
}

// prober is an engine that can be tried.
type prober struct {
	*fake
	problem error
}

func (p *prober) Probe(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.problem
}

type proberKind struct {
	kind
	p *prober
}

func (k proberKind) Open(source.WriteBack, source.EngineOptions) (source.Engine, error) {
	return k.p, nil
}

// Nobody may ask an engine for anything for a long time.
func TestAnEngineThatIsBackIsNotSaidToBeAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("nobody reads the command file")
		f := &fake{sources: []source.Source{berlin()}, do: func(context.Context, source.Command) (source.Reply, error) { return source.Reply{}, away }}
		f.check = func(source.Command) (source.Reply, error) {
			return source.Reply{}, errors.New("there is no status file")
		}
		p := &prober{fake: f, problem: away}
		w := writeback.New(writeback.Options{Store: f, Desk: f, Kinds: []source.WriteBackKind{proberKind{kind{}, p}}})
		f.watch = func([]source.Command) ([]source.Reply, error) { return nil, nil }
		if err := w.Probe(t.Context(), berlin()); !errors.Is(err, away) {
			t.Errorf("%v", err)
		}
		again := message()
		again.Attempt = 2
		w.SendAll(t.Context(), []channel.Message{again})
		if s := w.States(); s[0].Problem != "nobody reads the command file; there is no status file" {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); _ = w.Run(ctx) }()
		<-time.After(61 * time.Second)
		if s := w.States(); !strings.HasPrefix(s[0].Problem, away.Error()) {
			t.Errorf("%+v", s)
		}
		p.mu.Lock()
		p.problem = nil
		p.mu.Unlock()
		<-time.After(30 * time.Second)
		if s := w.States(); s[0].Problem != "" || !s[0].Failing.IsZero() {
			t.Errorf("%+v", s)
		}
		cancel()
		<-over
	})
}

func TestNamesAreLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{
			watch:   func([]source.Command) ([]source.Reply, error) { return nil, nil },
			unnamed: []alert.Object{{ID: "o1", Host: "c36b8048", Service: "74fd8f59"}, {ID: "o2", Host: "unknown"}, {ID: "o3", Host: "h", HostDisplay: "web03"}},
			names:   map[string]source.Names{"o1": {Host: "web01\n", Service: "Ping"}, "o3": {Host: "web03"}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := newWriter(f)
		over := make(chan struct{})
		go func() { defer close(over); _ = w.Run(ctx) }()
		synctest.Wait()
		if want := []string{"o1 web01 /Ping"}; !slices.Equal(f.named(), want) {
			t.Errorf("%q", f.named())
		}
		<-time.After(5 * time.Second)
		w.Wake()
		synctest.Wait()
		if len(f.named()) != 2 {
			t.Errorf("woken: %q", f.named())
		}
		<-time.After(11 * time.Minute)
		synctest.Wait()
		if len(f.named()) != 3 {
			t.Errorf("after a while: %q", f.named())
		}
		cancel()
		<-over
	})
}
