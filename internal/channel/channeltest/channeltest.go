// Package channeltest is the suite that every channel passes: what the
// delivery worker relies on.
package channeltest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// Subject is one channel under test and the outside that it sends to.
type Subject struct {
	Channel channel.Channel
	// Arrived answers the delivery ids of what reached the outside, in order.
	Arrived func() []string
	// Break makes the outside fail from now on, in a way that passes; nil makes
	// it work again.
	Break func(err error)
}

// Message makes a message that every channel can send.
func Message(id string) channel.Message {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := alert.Object{ID: "o1", SourceID: "s1", Host: "web01", Service: "HTTP", State: alert.Critical}
	return channel.Message{
		DeliveryID: id, Attempt: 1, Notice: alert.NoticeProblem,
		Event:     alert.Event{ID: "e1", SourceID: "s1", AlertID: "a1", Object: o, Type: alert.Problem, State: alert.Critical, Output: "connection refused", Time: at},
		Object:    o,
		Alert:     &alert.Alert{ID: "a1", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Output: "connection refused", Since: at, Updated: at},
		ContactID: "c1", Contact: "ops", UserID: "u1", Destination: "s1", DestinationName: "Firefox on Linux", URL: "https://tocsin.example.com/console/alerts/a1",
		ExpiresAt: at.Add(time.Hour),
	}
}

func messages(n int) ([]channel.Message, []string) {
	var msgs []channel.Message
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("d%03d", i))
		msgs = append(msgs, Message(ids[i]))
	}
	return msgs, ids
}

// went says whether a result means that the message is on its way.
func went(err error) bool {
	return err == nil || channel.As(err).Handed || channel.As(err).Accepted
}

// Run runs the suite; newSubject makes a fresh channel for each test.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	t.Run("its name is one word that fits into a rule", func(t *testing.T) {
		if name := newSubject(t).Channel.Name(); !regexp.MustCompile(`^[a-z][a-z0-9]*$`).MatchString(name) {
			t.Errorf("name is %q", name)
		}
	})
	t.Run("no messages give no results", func(t *testing.T) {
		if errs := newSubject(t).Channel.SendAll(t.Context(), nil); len(errs) != 0 {
			t.Errorf("got %v", errs)
		}
	})
	t.Run("every message gets a result and arrives in order", func(t *testing.T) {
		s := newSubject(t)
		msgs, ids := messages(50)
		errs := s.Channel.SendAll(t.Context(), msgs)
		if len(errs) != len(msgs) {
			t.Fatalf("%d results for %d messages", len(errs), len(msgs))
		}
		for i, err := range errs {
			if !went(err) {
				t.Errorf("message %d: %v", i, err)
			}
		}
		if got := s.Arrived(); !slices.Equal(got, ids) {
			t.Errorf("arrived %v", got)
		}
	})
	t.Run("it does not keep the slice", func(t *testing.T) {
		s := newSubject(t)
		msgs, ids := messages(3)
		s.Channel.SendAll(t.Context(), msgs)
		for i := range msgs {
			msgs[i] = Message("overwritten")
		}
		if got := s.Arrived(); !slices.Equal(got, ids) {
			t.Errorf("arrived %v", got)
		}
	})
	t.Run("a fault that passes is not permanent", func(t *testing.T) {
		s := newSubject(t)
		fault := errors.New("the outside is away")
		s.Break(fault)
		msgs, ids := messages(2)
		for i, err := range s.Channel.SendAll(t.Context(), msgs) {
			if err == nil || channel.As(err).Permanent || channel.As(err).Handed {
				t.Errorf("message %d: %v", i, err)
			}
		}
		if got := s.Arrived(); len(got) != 0 {
			t.Errorf("arrived %v", got)
		}
		s.Break(nil)
		s.Channel.SendAll(t.Context(), msgs)
		if got := s.Arrived(); !slices.Equal(got, ids) {
			t.Errorf("when it is back, arrived %v", got)
		}
	})
	t.Run("a context that has ended sends nothing and loses nothing", func(t *testing.T) {
		s := newSubject(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		msgs, _ := messages(2)
		for i, err := range s.Channel.SendAll(ctx, msgs) {
			if err == nil || channel.As(err).Permanent || channel.As(err).Handed {
				t.Errorf("message %d: %v", i, err)
			}
		}
	})
	t.Run("calls at the same time do not mix", func(t *testing.T) {
		s := newSubject(t)
		var running sync.WaitGroup
		for i := range 8 {
			running.Go(func() {
				errs := s.Channel.SendAll(t.Context(), []channel.Message{Message(fmt.Sprintf("p%d", i))})
				if len(errs) != 1 || !went(errs[0]) {
					t.Errorf("call %d: %v", i, errs)
				}
			})
		}
		running.Wait()
		got := s.Arrived()
		slices.Sort(got)
		if want := []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"}; !slices.Equal(got, want) {
			t.Errorf("arrived %v", got)
		}
	})
}
