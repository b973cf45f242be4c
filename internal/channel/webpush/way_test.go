package webpush_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/channel/webpush/wire"
)

// A push service that takes requests and does not answer is waited for a moment
// and then left aside, until it says something.
func TestASilentServiceIsLeftAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.office.held = make(chan *wire.Request, 1)
		first := make(chan []error, 1)
		began := time.Now()
		go func() { first <- d.channel.SendAll(t.Context(), []channel.Message{message("d1")}) }()
		synctest.Wait()
		d.pass(3 * time.Second)

		other := message("d2")
		other.Alert.ID = contactID
		e := channel.As(d.channel.SendAll(t.Context(), []channel.Message{other})[0])
		if time.Since(began) > 0 || e.Permanent || e.Accepted || e.After == 0 || !strings.Contains(e.Error(), "fcm.googleapis.com has not answered for 3 s") {
			t.Errorf("after %s: %+v", time.Since(began), e)
		}
		if got := d.office.take(); len(got) != 1 {
			t.Errorf("%d requests were made", len(got))
		}
		e = channel.As((<-first)[0])
		if took := time.Since(began); took != 5*time.Second || e.Permanent || e.Accepted {
			t.Errorf("the first one ended after %s: %+v", took, e)
		}

		r := <-d.office.held
		r.Done(r, wire.Response{Status: 201})
		d.office.held = nil
		if e, _ := d.sendMessage(t, other); !e.Accepted {
			t.Errorf("after the answer: %+v", e)
		}
	})
}

// One request without an answer, which may be an address that a visitor made up,
// does not keep the service's other devices waiting until its time is over.
func TestASilentServiceIsAskedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.office.held = make(chan *wire.Request, 3)
		hung := make(chan []error, 1)
		go func() { hung <- d.channel.SendAll(t.Context(), []channel.Message{message("d1")}) }()
		synctest.Wait()
		stuck := <-d.office.held
		d.office.take()
		d.pass(6 * time.Second)

		other, third := message("d2"), message("d2")
		other.Alert.ID = contactID
		asked := make(chan []error, 1)
		go func() { asked <- d.channel.SendAll(t.Context(), []channel.Message{other}) }()
		synctest.Wait()
		if got := d.office.take(); len(got) != 1 {
			t.Fatalf("%d requests were made", len(got))
		}
		third.Alert.ID = "0198c000-0000-7000-8000-0000000000ff"
		if e := channel.As(d.channel.SendAll(t.Context(), []channel.Message{third})[0]); e.Accepted || len(d.office.take()) != 0 {
			t.Errorf("a second one at a time: %+v", e)
		}
		r := <-d.office.held
		r.Done(r, wire.Response{Status: 201})
		if e := channel.As((<-asked)[0]); !e.Accepted {
			t.Errorf("%+v", e)
		}
		d.office.held = nil
		if e, _ := d.sendMessage(t, third); !e.Accepted {
			t.Errorf("after the answer: %+v", e)
		}
		<-hung
		stuck.Done(stuck, wire.Response{Status: 201})
	})
}

// What follows on a message that is still being sent waits for its end: on the
// way they could overtake each other.
func TestALaterMessageDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.office.held = make(chan *wire.Request, 2)
		first, second := make(chan []error, 1), make(chan []error, 1)
		go func() { first <- d.channel.SendAll(t.Context(), []channel.Message{message("d1")}) }()
		synctest.Wait()
		go func() { second <- d.channel.SendAll(t.Context(), []channel.Message{message("d2")}) }()
		synctest.Wait()
		if got := d.office.take(); len(got) != 1 {
			t.Fatalf("%d requests are on the way", len(got))
		}
		for _, sent := range []chan []error{first, second} {
			r := <-d.office.held
			r.Done(r, wire.Response{Status: 201})
			if e := channel.As((<-sent)[0]); !e.Accepted {
				t.Errorf("%+v", e)
			}
		}
	})
}
