package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// heartRig is a source that is to be heard of every ten minutes, and a clock that is
// moved by hand.
type heartRig struct {
	nightRig
	since time.Time // hubs listen since then
}

func (r *heartRig) Heartbeats(ctx context.Context) ([]dispatch.Heartbeat, error) {
	return r.db.Heartbeats(ctx)
}

func (r *heartRig) Listening(context.Context, string, string, time.Duration) (since, now time.Time, err error) {
	return r.since, r.now(), nil
}

func beating(t *testing.T, db *store.DB, edit ...func(*source.Source)) *heartRig {
	t.Helper()
	r := &heartRig{since: time.Now().Add(-time.Hour)}
	r.db = db
	r.move(0)
	r.save(t, edit...)
	set := config.Defaults()
	set.Storm.Off = true
	r.s = dispatch.New(db, dispatch.Options{Inline: true, Clock: r.now, Settings: func(context.Context) (config.Settings, error) { return set, nil }})
	return r
}

func (r *heartRig) save(t *testing.T, edit ...func(*source.Source)) {
	t.Helper()
	s := source.Source{ID: sourceID, Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now().Add(-time.Hour), QuietMinutes: 10}
	for _, f := range edit {
		f(&s)
	}
	must(t, r.db.SaveSource(t.Context(), s))
}

func (r *heartRig) after(t *testing.T, d time.Duration) {
	t.Helper()
	r.move(d)
	r.s.Heartbeats(t.Context(), r)
}

// said are the events of the source's heartbeat, oldest first: "PROBLEM opened".
func (r *heartRig) said(t *testing.T) []string {
	t.Helper()
	events, err := r.db.Events(t.Context(), "", alert.HeartbeatID(sourceID), 500)
	must(t, err)
	var out []string
	for i := range events {
		out = append(out, string(events[i].Type)+" "+string(events[i].Outcome)+": "+events[i].Output)
	}
	return out
}

func (r *heartRig) last(t *testing.T, n int, begins string) {
	t.Helper()
	all := r.said(t)
	if len(all) != n || n > 0 && !strings.HasPrefix(all[n-1], begins) {
		t.Fatalf("%d events, want %d, the last beginning with %q: %q", len(all), n, begins, all)
	}
}

func TestASilentSourceIsAnAlert(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db)
		r.receive(t, event(at(r.now())))
		before := len(r.told(t))
		r.after(t, 9*time.Minute)
		r.last(t, 0, "")
		r.after(t, 2*time.Minute)
		r.last(t, 1, "PROBLEM opened: Nothing was heard of the source nagios for 11 minutes, since ")
		inOrder(t, "by the rules", r.told(t)[before:], "jane problem waiting")
		s, err := db.SourceByID(t.Context(), sourceID)
		must(t, err)
		if s.SilentSince.IsZero() || !s.SilentSince.Equal(s.LastEventAt) {
			t.Errorf("silent since %s, heard at %s", s.SilentSince, s.LastEventAt)
		}
		r.after(t, time.Hour)
		r.last(t, 1, "") // once
		r.receive(t, event(at(r.now()), recovered))
		r.after(t, 0)
		r.last(t, 2, "RECOVERY resolved: The source nagios is heard of again after 71 minutes")
		if s, err = db.SourceByID(t.Context(), sourceID); err != nil || !s.SilentSince.IsZero() {
			t.Errorf("silent since %s: %v", s.SilentSince, err)
		}
		r.after(t, 11*time.Minute)
		r.last(t, 3, "PROBLEM opened")
	})
}

func TestASignOfLifeIsEnough(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db)
		r.after(t, 11*time.Minute)
		r.last(t, 1, "PROBLEM opened: Nothing has ever been heard of the source nagios.")
		must(t, db.SourceAlive(t.Context(), sourceID))
		r.after(t, 0)
		r.last(t, 2, "RECOVERY resolved")
	})
}

func TestNoEngineHearsOfItsOwnSilence(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db, func(s *source.Source) { s.WriteBack = source.WriteBack{Kind: "command_file", Silence: true} })
		r.after(t, 11*time.Minute)
		a := r.open1(t)
		got, err := r.s.Acknowledge(t.Context(), a, dispatch.AckRequest{UserID: janeUser, Author: "Jane", Comment: "on it", Origin: alert.FromConsole})
		must(t, err)
		if got.Ack == nil || got.Ack.Confirmation != alert.Local {
			t.Errorf("acknowledged as %+v", got.Ack)
		}
		if _, err := r.s.ScheduleDowntime(t.Context(), a, dispatch.DowntimeRequest{Author: "Jane", Origin: alert.FromConsole, For: time.Hour}); err == nil {
			t.Error("a downtime was asked for")
		}
		must(t, db.SourceAlive(t.Context(), sourceID))
		r.after(t, 0)
		r.last(t, 3, "RECOVERY resolved")
		ds := r.deliveries(t, a)
		for _, d := range ds {
			if d.Channel == route.Engine {
				t.Errorf("the engine is told: %+v", d)
			}
		}
		if len(ds) == 0 {
			t.Error("nobody was told")
		}
	})
}

func TestASilentSourceCanBeRemoved(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db)
		must(t, r.s.EndSilence(t.Context(), sourceID))
		r.last(t, 0, "") // there is none yet
		r.after(t, 11*time.Minute)
		if err := db.DeleteSource(t.Context(), sourceID); !errors.Is(err, fault.ErrInUse) {
			t.Errorf("removed with an open alert: %v", err)
		}
		must(t, r.s.EndSilence(t.Context(), sourceID))
		r.last(t, 2, "RECOVERY resolved: The source nagios was removed.")
		must(t, db.DeleteSource(t.Context(), sourceID))
		r.after(t, time.Hour)
		r.last(t, 2, "")
	})
}

// open1 is the id of the one open alert of the heartbeat.
func (r *heartRig) open1(t *testing.T) string {
	t.Helper()
	events, err := r.db.Events(t.Context(), "", alert.HeartbeatID(sourceID), 1)
	must(t, err)
	if len(events) != 1 || events[0].AlertID == "" {
		t.Fatalf("%+v", events)
	}
	return events[0].AlertID
}

func TestWhatIsNoSilence(t *testing.T) {
	rows := []struct {
		name string
		edit func(*source.Source)
		do   func(t *testing.T, r *heartRig)
	}{
		{"a source that is not watched", func(s *source.Source) { s.QuietMinutes = 0 }, nil},
		{"a disabled one", func(s *source.Source) { s.Disabled = true }, nil},
		{"while no hub listened", nil, func(_ *testing.T, r *heartRig) { r.since = r.now().Add(5 * time.Minute) }},
		{"a clock that was put back", nil, func(_ *testing.T, r *heartRig) {
			r.move(-3 * time.Hour)
			r.since = r.now().Add(11 * time.Minute)
		}},
		{"from when it may say nothing for so long", nil, func(t *testing.T, r *heartRig) {
			r.save(t, func(s *source.Source) { s.QuietMinutes = 30 })
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				edit := row.edit
				if edit == nil {
					edit = func(*source.Source) {}
				}
				r := beating(t, db, edit)
				if row.do != nil {
					row.do(t, r)
				}
				r.after(t, 11*time.Minute)
				r.last(t, 0, "")
			})
		})
	}
}

func TestItEndsWhenItIsNoLongerWatched(t *testing.T) {
	for name, row := range map[string]struct {
		edit func(*source.Source)
		says string
	}{
		"switched off": {func(s *source.Source) { s.QuietMinutes = 0 }, "RECOVERY resolved: It is no longer watched"},
		"disabled":     {func(s *source.Source) { s.Disabled = true }, "RECOVERY resolved: The source nagios was disabled"},
		"given longer": {func(s *source.Source) { s.QuietMinutes = 600 }, "RECOVERY resolved: The source nagios may be silent for 10 hours now"},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r := beating(t, db)
				r.after(t, 11*time.Minute)
				r.last(t, 1, "PROBLEM opened")
				r.save(t, row.edit)
				r.after(t, 0)
				r.last(t, 2, row.says)
				r.after(t, time.Minute)
				r.last(t, 2, "")
			})
		})
	}
}

func TestOfSeveralNodesOneTells(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db)
		r.move(11 * time.Minute)
		var all sync.WaitGroup
		for range 3 {
			s := run(t, db, dispatch.Options{Clock: r.now})
			all.Go(func() { s.Heartbeats(t.Context(), r) })
		}
		all.Wait()
		r.last(t, 1, "PROBLEM opened")
		ds, _, err := db.Deliveries(t.Context(), delivery.Filter{Limit: 10})
		must(t, err)
		if len(ds) != 1 {
			t.Errorf("%d deliveries", len(ds))
		}
	})
}

func TestAnObjectOfTheEngineWithTheSameNameIsAnother(t *testing.T) {
	o := alert.HeartbeatOf(sourceID, "nagios")
	if !o.Heartbeat() {
		t.Error("it does not know itself")
	}
	o.ID = alert.ObjectID(sourceID, o.Host, o.Service)
	if o.Heartbeat() {
		t.Error("an engine's object is taken for it")
	}
}

func TestItsEndIsToldAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := beating(t, db)
		r.move(11 * time.Minute)
		r.s = run(t, db, dispatch.Options{Clock: r.now})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.s.RunHeartbeats(ctx, r) }()
		defer func() { stop(); must(t, <-done) }()
		wait := func(n int) {
			t.Helper()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for len(r.said(t)) < n {
				select {
				case <-tick.C:
				case <-ctx.Done():
					t.Fatalf("%d events do not come", n)
				}
			}
		}
		wait(1)
		begin := time.Now()
		r.receive(t, event(at(r.now())))
		wait(2)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it was heard after %s, as late as the next look", took)
		}
	})
}
