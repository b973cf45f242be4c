package writeback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/writeback"
)

func TestACommandIsHandedOverAndConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		f := &fake{check: func(c source.Command) (source.Reply, error) {
			if c.Note != "n1" || c.Verb != source.Acknowledge || c.Author != "jane.doe" || !c.Sticky || c.AlertID != "a1" || !c.From.Equal(begun) {
				t.Errorf("%+v", c)
			}
			if time.Since(begun) < 2*time.Second {
				return pending("status.dat does not show it"), nil
			}
			return confirmed("status.dat shows it"), nil
		}, do: func(context.Context, source.Command) (source.Reply, error) {
			return source.Reply{Confirmation: alert.Pending, Note: "n1"}, nil
		}}
		var waits []time.Duration
		err := deliver(t, newWriter(f), message(), time.Minute, func(s *channel.SendError) {
			waits = append(waits, s.After)
			if s.Handed && !strings.Contains(s.Error(), "handed to berlin; waiting for its confirmation") {
				t.Errorf("%v", s)
			}
		})
		if s := channel.As(err); !s.Accepted || s.Error() != "confirmed by berlin: status.dat shows it" {
			t.Errorf("%v", err)
		}
		if a := f.told(); len(a) != 1 || a[0].Confirmation != alert.Confirmed || a[0].EventID != "e1" || a[0].AlertID != "a1" {
			t.Errorf("%+v", a)
		}
		if n := len(f.handedOver()); n != 1 || waits[0] != 300*time.Millisecond || time.Since(begun) > 3*time.Second {
			t.Errorf("%d times, after %v: %v", n, time.Since(begun), waits)
		}
	})
}

func TestARefusalEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
			return source.Reply{Confirmation: alert.Refused, Words: "no such object"}, nil
		}}
		err := deliver(t, newWriter(f), message(), time.Minute)
		if s := channel.As(err); !s.Permanent || s.Moot || s.Error() != "refused by berlin: no such object" {
			t.Errorf("%v", err)
		}
		if a := f.told(); len(a) != 1 || a[0].Confirmation != alert.Refused || a[0].Words != "no such object" {
			t.Errorf("%+v", a)
		}
	})
}

func TestAnEngineThatIsAwayIsToldWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, handed := time.Now(), false
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
			if time.Since(begun) < 20*time.Minute {
				return source.Reply{}, errors.New("dial tcp: connection refused")
			}
			handed = true
			return pending(""), nil
		}, check: func(source.Command) (source.Reply, error) {
			if time.Since(begun) < 20*time.Minute {
				return source.Reply{}, errors.New("there is no status.dat")
			}
			if !handed {
				return pending("not there"), nil
			}
			return confirmed(""), nil
		}}
		w := newWriter(f)
		late := time.Duration(0)
		err := deliver(t, w, message(), time.Hour, func(*channel.SendError) {
			if late == 0 && len(f.told()) > 0 {
				late = time.Since(begun)
				s := w.States()
				if len(s) != 1 || s[0].Source != "berlin" || !s[0].Failing.Equal(begun) || s[0].Waiting != 1 || !strings.Contains(s[0].Problem, "connection refused") || !s[0].LastOK.IsZero() {
					t.Errorf("%+v", s)
				}
			}
		})
		if s := channel.As(err); !s.Accepted {
			t.Fatalf("%v", err)
		}
		a := f.told()
		if len(a) != 2 || a[0].Confirmation != alert.Unconfirmed || a[1].Confirmation != alert.Confirmed ||
			!strings.HasPrefix(a[0].Words, "could not be handed over: dial tcp: connection refused; it is tried again until ") {
			t.Errorf("%+v", a)
		}
		if late != 2*time.Minute {
			t.Errorf("it was said after %v", late)
		}
		if took := time.Since(begun); took > 21*time.Minute {
			t.Errorf("confirmed only after %v", took)
		}
		if s := w.States(); !s[0].Failing.IsZero() || s[0].Problem != "" || s[0].Waiting != 0 || s[0].LastOK.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatTheEngineDoesNotShowIsHandedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		f := &fake{check: func(source.Command) (source.Reply, error) {
			if time.Since(begun) > 10*time.Minute {
				return confirmed(""), nil
			}
			return pending("status.dat does not show it"), nil
		}}
		f.sources = []source.Source{berlin()}
		f.sources[0].WriteBack.ConfirmSeconds = 60
		var again []time.Duration
		err := deliver(t, newWriter(f), message(), time.Hour, func(*channel.SendError) {
			if n := len(f.handedOver()); n > len(again) {
				again = append(again, time.Since(begun))
			}
		})
		if !channel.As(err).Accepted {
			t.Fatalf("%v", err)
		}
		if len(again) != 3 || again[1] < 30*time.Second || again[1] > 50*time.Second || again[2]-again[1] < 30*time.Second {
			t.Errorf("handed over after %v", again)
		}
		a := f.told()
		if len(a) != 2 || a[0].Confirmation != alert.Unconfirmed || !strings.Contains(a[0].Words, "but berlin does not show it: status.dat does not show it") || a[1].Confirmation != alert.Confirmed {
			t.Errorf("%+v", a)
		}
	})
}

func TestAReadingThatIsTooOldIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		f := &fake{check: func(source.Command) (source.Reply, error) {
			if time.Since(begun) < 45*time.Second {
				return source.Reply{}, errors.Join(source.ErrNotYet)
			}
			return confirmed(""), nil
		}}
		w := newWriter(f)
		err := deliver(t, w, message(), time.Minute, func(*channel.SendError) {
			if s := w.States(); s[0].Problem != "" {
				t.Errorf("%+v", s)
			}
		})
		if !channel.As(err).Accepted || len(f.handedOver()) != 1 {
			t.Errorf("%v, %q", err, f.handedOver())
		}
	})
}

func TestAnEngineThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		begun := time.Now()
		err := deliver(t, newWriter(f), message(), time.Hour)
		if s := channel.As(err); !s.Accepted || !strings.Contains(s.Error(), "this engine cannot be read, so it is not known") || time.Since(begun) != 2*time.Minute {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if a := f.told(); len(a) != 1 || a[0].Confirmation != alert.Unconfirmed || len(f.handedOver()) != 1 {
			t.Errorf("%+v, %q", a, f.handedOver())
		}
	})
	t.Run("its own event confirms it", func(t *testing.T) {
		f := &fake{}
		m := message()
		m.Handed, m.Attempt = true, 2
		m.Alert.Ack.Confirmation = alert.Confirmed
		err := newWriter(f).SendAll(t.Context(), []channel.Message{m})[0]
		if s := channel.As(err); !s.Accepted || s.Error() != "the engine reported it" || len(f.handedOver()) != 0 || len(f.told()) != 0 {
			t.Errorf("%v", err)
		}
	})
}

// After a crash nobody knows whether it was handed over: the engine does.
func TestAfterACrashTheEngineIsAskedFirst(t *testing.T) {
	crashed := message()
	crashed.Attempt = 2
	t.Run("it has it", func(t *testing.T) {
		f := &fake{check: func(source.Command) (source.Reply, error) { return confirmed("status.dat shows it"), nil }}
		err := newWriter(f).SendAll(t.Context(), []channel.Message{crashed})[0]
		if !channel.As(err).Accepted || len(f.handedOver()) != 0 || len(f.told()) != 1 {
			t.Errorf("%v, %q", err, f.handedOver())
		}
	})
	for name, answer := range map[string]func(source.Command) (source.Reply, error){
		"it does not":       func(source.Command) (source.Reply, error) { return pending("not there"), nil },
		"it cannot be read": func(source.Command) (source.Reply, error) { return source.Reply{}, errors.New("gone") },
		"it is too old":     func(source.Command) (source.Reply, error) { return source.Reply{}, source.ErrNotYet },
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{check: answer}
			err := newWriter(f).SendAll(t.Context(), []channel.Message{crashed})[0]
			if !channel.As(err).Handed || len(f.handedOver()) != 1 {
				t.Errorf("%v, %q", err, f.handedOver())
			}
		})
	}
}

func TestWhatCannotBeNotedIsFoundOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{check: func(source.Command) (source.Reply, error) { return confirmed(""), nil }, refuses: errors.New("the database is away")}
		begun := time.Now()
		err := deliver(t, newWriter(f), message(), time.Minute, func(*channel.SendError) {
			if time.Since(begun) > 20*time.Second {
				f.mu.Lock()
				f.refuses = nil
				f.mu.Unlock()
			}
		})
		if !channel.As(err).Accepted || len(f.told()) != 1 || len(f.handedOver()) != 1 {
			t.Errorf("%v, %+v", err, f.told())
		}
	})
	t.Run("an alert that is gone is no trouble", func(t *testing.T) {
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) { return confirmed(""), nil }, refuses: fault.ErrNotFound}
		if err := newWriter(f).SendAll(t.Context(), []channel.Message{message()})[0]; !channel.As(err).Accepted {
			t.Errorf("%v", err)
		}
	})
}

// A dead engine holds up no other, and is not waited for again and again.
func TestADeadEngineHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		dead := &fake{do: func(ctx context.Context, _ source.Command) (source.Reply, error) {
			<-ctx.Done()
			return source.Reply{}, ctx.Err()
		}}
		var alive time.Duration
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
			alive = time.Since(begun)
			return confirmed(""), nil
		}}
		paris := berlin()
		paris.ID, paris.Name, paris.WriteBack.CommandFile = "s2", "paris", "two"
		f.sources = []source.Source{berlin(), paris}
		w := newWriter(f, dead)
		var msgs []channel.Message
		for _, object := range []string{"o1", "o2", "o3"} {
			m := of(alert.Acknowledgement, "dead-"+object, object, "x")
			m.Destination = "s2"
			msgs = append(msgs, m)
		}
		msgs = append(msgs, of(alert.Acknowledgement, "alive", "o1", "x"))
		errs := w.SendAll(t.Context(), msgs)
		if !channel.As(errs[3]).Accepted || alive != 0 {
			t.Errorf("the other one after %v: %v", alive, errs[3])
		}
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("the dead one was waited for %v", took)
		}
		for _, err := range errs[:3] {
			if s := channel.As(err); s.Accepted || s.Handed || s.Permanent {
				t.Errorf("%v", err)
			}
		}
		// Now it is left alone for a while.
		begun = time.Now()
		errs = w.SendAll(t.Context(), msgs[:1])
		if s := channel.As(errs[0]); time.Since(begun) != 0 || s.After < 20*time.Second || !strings.Contains(s.Error(), "could not be handed over: context deadline exceeded") {
			t.Errorf("after %v: %v, %v", time.Since(begun), s, s.After)
		}
	})
}

// Looking at a dead engine costs a batch no more than telling it does.
func TestADeadEngineIsNotLookedAtForEachOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{check: func(source.Command) (source.Reply, error) {
			<-time.After(5 * time.Second)
			return source.Reply{}, errors.New("no answer within 5s")
		}}
		var msgs []channel.Message
		for n := range 100 {
			m := of(alert.Acknowledgement, fmt.Sprint("d", n), fmt.Sprint("o", n), "x")
			m.Handed, m.Attempt, m.Note = true, 2, `{"d":1}`
			msgs = append(msgs, m)
		}
		begun := time.Now()
		for i, err := range newWriter(f).SendAll(t.Context(), msgs) {
			if s := channel.As(err); !s.Handed {
				t.Fatalf("%d: %v", i, err)
			}
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAnEngineThatPanicsFailsAlone(t *testing.T) {
	f := &fake{do: func(context.Context, source.Command) (source.Reply, error) { panic("index out of range") }}
	err := newWriter(f).SendAll(t.Context(), []channel.Message{message()})[0]
	if s := channel.As(err); s.Permanent || s.Accepted || !strings.Contains(s.Error(), "panic: index out of range") {
		t.Errorf("%v", err)
	}
}

func TestWhatConcernsOneObjectIsDoneInOrder(t *testing.T) {
	t.Run("in one batch", func(t *testing.T) {
		f := &fake{}
		errs := newWriter(f).SendAll(t.Context(), []channel.Message{
			of(alert.Comment, "d1", "o1", "1"), of(alert.Comment, "d2", "o1", "2"), of(alert.Unacknowledged, "d3", "o1", "3"),
		})
		if got := strings.Join(f.handedOver(), ","); got != "comment 1,comment 2,unacknowledge 3" {
			t.Errorf("%s, %v", got, errs)
		}
	})
	t.Run("what comes after one that failed waits", func(t *testing.T) {
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) { return source.Reply{}, errors.New("away") }}
		errs := newWriter(f).SendAll(t.Context(), []channel.Message{of(alert.Comment, "d1", "o1", "1"), of(alert.Comment, "d2", "o1", "2")})
		if s := channel.As(errs[1]); len(f.handedOver()) != 1 || s.Handed || s.After <= 0 {
			t.Errorf("%q, %v", f.handedOver(), errs)
		}
	})
	t.Run("in two batches", func(t *testing.T) {
		begun, end := make(chan struct{}), make(chan struct{})
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
			close(begun)
			<-end
			return confirmed(""), nil
		}}
		w := newWriter(f)
		first := make(chan error)
		go func() { first <- w.SendAll(t.Context(), []channel.Message{of(alert.Comment, "d1", "o1", "1")})[0] }()
		<-begun
		if s := channel.As(w.SendAll(t.Context(), []channel.Message{of(alert.Comment, "d2", "o1", "2")})[0]); s.After != 200*time.Millisecond {
			t.Errorf("%v, %v", s, s.After)
		}
		close(end)
		if err := <-first; !channel.As(err).Accepted {
			t.Error(err)
		}
	})
	t.Run("a downtime is not cancelled before it is scheduled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			away := true
			f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
				if away {
					return source.Reply{}, errors.New("away")
				}
				return confirmed(""), nil
			}}
			w := newWriter(f)
			schedule, cancel := of(alert.ScheduleDowntime, "d1", "o1", "schedule"), of(alert.CancelDowntime, "d2", "o1", "cancel")
			w.SendAll(t.Context(), []channel.Message{schedule})
			away = false
			if s := channel.As(w.SendAll(t.Context(), []channel.Message{cancel})[0]); s.Accepted || s.After != time.Second {
				t.Errorf("%v", s)
			}
			if err := w.SendAll(t.Context(), []channel.Message{schedule})[0]; !channel.As(err).Accepted {
				t.Error(err)
			}
			if err := w.SendAll(t.Context(), []channel.Message{cancel})[0]; !channel.As(err).Accepted {
				t.Error(err)
			}
		})
	})
}

func TestASourceThatIsToldNothingAnyMore(t *testing.T) {
	for name, change := range map[string]func(s *source.Source){
		"write-back is off": func(s *source.Source) { s.WriteBack = source.WriteBack{} },
		"disabled":          func(s *source.Source) { s.Disabled = true },
		"deleted":           func(s *source.Source) { s.ID = "s9" },
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{sources: []source.Source{berlin()}}
			w := newWriter(f)
			w.SendAll(t.Context(), []channel.Message{of(alert.Comment, "d0", "o9", "before")})
			f.mu.Lock()
			change(&f.sources[0])
			f.mu.Unlock()
			err := w.SendAll(t.Context(), []channel.Message{message()})[0]
			if s := channel.As(err); !s.Moot || s.Error() != "berlin is not told any more what is done here" || len(f.handedOver()) != 1 {
				t.Errorf("%v", err)
			}
			if a := f.told(); len(a) != 1 || a[0].Confirmation != alert.Unconfirmed {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestSettingsThatAreWrongAreSaid(t *testing.T) {
	f := &fake{sources: []source.Source{berlin()}}
	f.sources[0].WriteBack.CommandFile = "nowhere"
	w := newWriter(f)
	if s := channel.As(w.SendAll(t.Context(), []channel.Message{message()})[0]); s.Permanent || !strings.Contains(s.Error(), "write_back.command_file: is missing; give one") {
		t.Errorf("%v", s)
	}
	if s := w.States(); len(s) != 1 || !strings.Contains(s[0].Problem, "is missing") {
		t.Errorf("%+v", s)
	}
	// Once they are right it goes on.
	f.mu.Lock()
	f.sources[0] = berlin()
	f.mu.Unlock()
	if s := channel.As(w.SendAll(t.Context(), []channel.Message{message()})[0]); !s.Handed {
		t.Errorf("%v", s)
	}
}

func TestAnEventThatAsksForNothing(t *testing.T) {
	m := of(alert.Custom, "d1", "o1", "x")
	if s := channel.As(newWriter(&fake{}).SendAll(t.Context(), []channel.Message{m})[0]); !s.Permanent {
		t.Errorf("%v", s)
	}
}

func TestTheEndOfWhatItWasKeptForReleasesWithoutAWord(t *testing.T) {
	for _, typ := range []alert.Type{alert.Recovery, alert.Problem} {
		f := &fake{do: func(context.Context, source.Command) (source.Reply, error) { return confirmed("deleted"), nil }}
		err := newWriter(f).SendAll(t.Context(), []channel.Message{of(typ, "d1", "o1", "")})[0]
		if got := f.handedOver(); !channel.As(err).Accepted || len(got) != 1 || got[0] != "release " || len(f.told()) != 0 {
			t.Errorf("%s: %v, %q, %+v", typ, err, got, f.told())
		}
	}
}

func TestProbe(t *testing.T) {
	w := newWriter(&fake{})
	if err := w.Probe(t.Context(), berlin()); !errors.Is(err, writeback.ErrNoProbe) {
		t.Errorf("%v", err)
	}
	for _, change := range []func(s *source.Source){
		func(s *source.Source) { s.WriteBack.Kind = "telegraph" },
		func(s *source.Source) { s.Kind = "grafana" },
		func(s *source.Source) { s.WriteBack.CommandFile = "" },
	} {
		s := berlin()
		change(&s)
		var field *source.FieldError
		if err := w.Probe(t.Context(), s); !errors.As(err, &field) {
			t.Errorf("%v", err)
		}
	}
}

// Something that cannot be handed over must not leave what was asked for after it
// pending for as long as that lasts.
func TestWhatWaitsBehindSomethingElseIsNotPendingForEver(t *testing.T) {
	f := &fake{do: func(_ context.Context, c source.Command) (source.Reply, error) {
		if c.Verb == source.Comment {
			return source.Reply{}, errors.New("it has no room for comments")
		}
		return confirmed(""), nil
	}}
	w := newWriter(f)
	both := func(asked time.Time) []error {
		msgs := []channel.Message{of(alert.Comment, "d1", "o1", "why"), of(alert.Acknowledgement, "d2", "o1", "mine")}
		for i := range msgs {
			msgs[i].Asked = asked
		}
		return w.SendAll(t.Context(), msgs)
	}
	if s := channel.As(both(time.Now())[1]); s.Accepted || s.After <= 0 || s.After > 2*time.Second {
		t.Errorf("it does not wait: %+v", s)
	}
	if s := channel.As(both(time.Now().Add(-119 * time.Second))[1]); s.Accepted || s.After > time.Second {
		t.Errorf("it waits for longer than a confirmation is waited for: %+v", s)
	}
	if s := channel.As(both(time.Now().Add(-2 * time.Minute))[1]); !s.Accepted {
		t.Errorf("it waits for ever: %+v", s)
	}
}

// A day is as long as a command is tried, and may be as long as a confirmation is
// waited for.
func TestAnAcknowledgementIsNotPendingAfterItsTime(t *testing.T) {
	f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
		return source.Reply{}, errors.New("connection refused")
	}}
	f.sources = []source.Source{berlin()}
	f.sources[0].WriteBack.ConfirmSeconds = 86400
	m := message()
	m.Asked = time.Now().Add(-24*time.Hour + time.Minute)
	m.ExpiresAt = m.Asked.Add(24 * time.Hour)
	newWriter(f).SendAll(t.Context(), []channel.Message{m})
	if got := f.told(); len(got) != 1 || got[0].Confirmation != alert.Unconfirmed || !strings.Contains(got[0].Words, "connection refused") {
		t.Errorf("%+v", got)
	}
}

// One that waits for a downtime that cannot be scheduled is tried as often as that.
func TestTheEndOfADowntimeThatIsStillToBeScheduledIsNotTriedAllTheTime(t *testing.T) {
	f := &fake{do: func(context.Context, source.Command) (source.Reply, error) {
		return source.Reply{}, errors.New("connection refused")
	}}
	w := newWriter(f)
	start := of(alert.ScheduleDowntime, "d1", "o1", "x")
	start.Asked = time.Now().Add(-3 * time.Minute)
	w.SendAll(t.Context(), []channel.Message{start})
	end := of(alert.CancelDowntime, "d2", "o1", "x")
	end.Asked = start.Asked
	if s := channel.As(w.SendAll(t.Context(), []channel.Message{end})[0]); s.Accepted || s.After < 5*time.Second {
		t.Errorf("%+v", s)
	}
	if got := f.told(); len(got) != 2 || got[1].EventID != "e-d2" || got[1].Confirmation != alert.Unconfirmed {
		t.Errorf("what is known of it: %+v", got)
	}
	if n := w.MaxAttempts(); n < 24*60*60 {
		t.Errorf("it is given up after %d attempts, which may be less than a day", n)
	}
}

func TestSourcesAreReadWhenTheyHaveChanged(t *testing.T) {
	f := &fake{sources: []source.Source{berlin()}, do: func(context.Context, source.Command) (source.Reply, error) { return confirmed(""), nil }}
	version := int64(1)
	w := writeback.New(writeback.Options{Store: f, Desk: f, Kinds: []source.WriteBackKind{kind{"one": f}}, Version: func() int64 { return version }})
	send := func() *channel.SendError { return channel.As(w.SendAll(t.Context(), []channel.Message{message()})[0]) }
	_, _ = send(), send()
	if f.reads != 1 {
		t.Errorf("read %d times", f.reads)
	}
	f.sources[0].Disabled = true
	version++
	if s := send(); !s.Moot || f.reads != 2 {
		t.Errorf("a source that was switched off is told: %v; read %d times", s, f.reads)
	}
}
