package webhook_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tocsin/internal/channel"
	"tocsin/internal/channel/webhook"
)

// names is a name server that answers all names with one address, which changes.
type names struct {
	mu sync.Mutex
	at netip.Addr
}

func (n *names) set(a string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = netip.MustParseAddr(a)
}

// resolver starts it.
func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := n.answer(buf[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) answer(raw []byte) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA && n.at.Is4() {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}, Body: &dnsmessage.AResource{A: n.at.As4()},
		}}
	}
	return m.Pack()
}

// What a name leads to is looked at whenever it is dialled: that it was harmless when
// the webhook was set up, or a moment ago, says nothing.
func TestANameThatLeadsElsewhere(t *testing.T) {
	server := newReceiver(t, nil)
	_, port, err := net.SplitHostPort(server.host())
	if err != nil {
		t.Fatal(err)
	}
	dns := &names{}
	inside, public := to("inside", "http://hooks.example.org:"+port+"/"), to("public", "https://hooks.example.org:"+port+"/")
	public.Private = false
	r := newRig(t, webhook.ChannelOptions{Poster: webhook.Options{Resolver: dns.resolver(t)}}, inside, public)
	send := func(id, to string) *channel.SendError {
		return channel.As(r.SendAll(t.Context(), []channel.Message{about(id, to, id)})[0])
	}

	dns.set("127.0.0.1")
	if e := send("d1", "inside"); !e.Accepted {
		t.Fatalf("a name in the private network: %+v", e)
	}
	if e := send("d2", "public"); e.Accepted || e.Permanent {
		t.Fatalf("one that is not to lead there: %+v", e)
	} else {
		isIn(t, e.Error(), "the address is not a public one")
	}

	r.Close() // else the connection from before is used
	for _, a := range []string{"169.254.169.254", "0.0.0.0", "8.8.8.8"} {
		dns.set(a) // a cloud's credentials; this machine by another name; somebody on the way, without encryption
		r.shelf.mu.Lock()
		r.shelf.hooks[0].Token += "x" // as if somebody had changed it: it is called at once
		r.shelf.mu.Unlock()
		if e := send("d-"+a, "inside"); e.Accepted || e.Permanent {
			t.Errorf("a name that leads to %s now: %+v", a, e)
		} else {
			isIn(t, a+" "+e.Error(), "the address is not a public one")
		}
	}
	if got := server.got(); len(got) != 1 {
		t.Errorf("reached %v", got)
	}
}
