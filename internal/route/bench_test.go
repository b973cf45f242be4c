package route_test

import (
	"fmt"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

// town is a directory of many rules and as many contacts, each rule with
// hosts of its own, by name or by pattern.
func town(n int, host string) route.Directory {
	d := route.Directory{Users: map[string]bool{}}
	for i := range n {
		id := fmt.Sprint(i)
		d.Contacts = append(d.Contacts, person(id, "contact"+id))
		d.Users["user-"+id] = true
		d.Rules = append(d.Rules, route.Rule{ID: id, Name: "rule" + id, Enabled: true, ContactIDs: []string{id},
			Hosts: []string{fmt.Sprintf(host, i)}, States: []alert.State{alert.Critical, alert.Down}})
	}
	return d
}

// city is a directory with rules by host, by pattern, by label, by service and by
// source, and with maintenance windows.
func city(n int) route.Directory {
	d := town(n, "host%d")
	for i := range d.Rules {
		switch r := &d.Rules[i]; i % 10 {
		case 0, 1, 2:
		case 3, 4, 5:
			r.Hosts = []string{fmt.Sprintf("host%d*", i)}
		case 6, 7:
			r.Hosts, r.Labels = nil, map[string]string{"team": fmt.Sprint("team", i)}
		case 8:
			r.Hosts, r.Services = []string{"*"}, []string{fmt.Sprintf("service%d?", i)}
		case 9:
			r.Hosts, r.SourceIDs = nil, []string{fmt.Sprint("source", i)}
		}
	}
	for i := range 200 {
		d.Windows = append(d.Windows, window.Window{Name: fmt.Sprint(i), Enabled: true, Zone: "Europe/Berlin", Start: "2025-01-01T22:00", Minutes: 60,
			RRule: "FREQ=DAILY", Hosts: []string{fmt.Sprintf("host%d*", i*40)}})
	}
	d.Rules = append(d.Rules, route.Rule{ID: "rest", Name: "rest", Enabled: true, ContactIDs: []string{"1"}})
	return d.Indexed()
}

func BenchmarkDecide(b *testing.B) {
	const n = 5000
	byName := problem(alert.Object{SourceID: "s", Host: "host4999", Service: "HTTP"}, alert.Critical)
	named := byName
	named.Event.Contacts = []string{"contact17"}
	one := office(route.Rule{Name: "all", ContactIDs: []string{"a", "b"}})
	for _, bb := range []struct {
		name string
		dir  route.Directory
		q    route.Question
	}{
		{"engine names one of 5000 contacts", town(n, "host%d").Indexed(), named},
		{"5000 rules by host name", town(n, "host%d").Indexed(), byName},
		{"5000 rules by pattern", town(n, "host%d*").Indexed(), byName},
		{"one rule", one.Indexed(), byName},
		{"one rule, not indexed", one, byName},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(route.Decide(bb.dir, bb.q)) == 0 {
					b.Fatal("nobody")
				}
			}
		})
	}
	b.Run("10000 rules of every kind, 100000 objects", func(b *testing.B) {
		d := city(10_000)
		objects := make([]route.Question, 100_000)
		for i := range objects {
			o := alert.Object{SourceID: fmt.Sprint("source", i%20), Host: fmt.Sprintf("host%d", i/10), Service: fmt.Sprintf("service%d", i%10),
				Labels: map[string]string{"team": fmt.Sprint("team", i%500)}}
			objects[i] = problem(o, alert.Critical)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if len(route.Decide(d, objects[i*7919%len(objects)])) == 0 {
				b.Fatal("nobody")
			}
		}
	})
	b.Run("index 5000 contacts and rules", func(b *testing.B) {
		d := town(n, "host%d")
		d.Groups = []contact.Group{{ID: "g", Name: "g", ContactIDs: []string{"1", "2"}}}
		for b.Loop() {
			d.Indexed()
		}
	})
}
