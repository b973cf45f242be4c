package route_test

import (
	"fmt"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/route"
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
	b.Run("index 5000 contacts and rules", func(b *testing.B) {
		d := town(n, "host%d")
		d.Groups = []contact.Group{{ID: "g", Name: "g", ContactIDs: []string{"1", "2"}}}
		for b.Loop() {
			d.Indexed()
		}
	})
}
