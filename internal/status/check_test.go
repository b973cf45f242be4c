package status_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin/internal/status"
)

func TestWhatCannotBeShownIsRefusedWithItsMend(t *testing.T) {
	page := func(change func(*status.Page)) func() error {
		return func() error {
			p := status.Page{Slug: "main", Name: "Shop", Zone: "Europe/Berlin", Host: "status.example.com", Accent: "#1d5fd1", Support: "mailto:a@example.com"}
			change(&p)
			return p.Validate()
		}
	}
	component := func(change func(*status.Component)) func() error {
		return func() error {
			c := status.Component{Name: "API", State: status.Operational, Link: "https://x.example", Bindings: []status.Binding{{Hosts: []string{"api*"}}}}
			change(&c)
			return c.Validate()
		}
	}
	incident := func(change func(*status.Incident)) func() error {
		return func() error {
			i := status.Incident{Title: "Slow", Phase: status.Identified, Impact: status.ImpactMinor, Started: now, Components: []string{"c"},
				Updates: []status.Update{{Body: "x", At: now, Changes: []status.Change{{ComponentID: "c", To: status.Degraded}}}}}
			change(&i)
			return i.Validate(now)
		}
	}
	work := func(change func(*status.Maintenance)) func() error {
		return func() error {
			m := status.Maintenance{Title: "Move", Phase: status.Scheduled, Start: now, End: now.Add(time.Hour)}
			change(&m)
			return m.Validate(now)
		}
	}
	for _, c := range []struct {
		name, field string
		try         func() error
	}{
		{"a good page", "", page(func(*status.Page) {})},
		{"a slug with a slash", "slug", page(func(p *status.Page) { p.Slug = "a/b" })},
		{"a host with a port", "host", page(func(p *status.Page) { p.Host = "status.example.com:80" })},
		{"a zone that does not exist", "zone", page(func(p *status.Page) { p.Zone = "Mars/Olympus" })},
		{"a zone that is this machine's", "zone", page(func(p *status.Page) { p.Zone = "Local" })},
		{"a colour that is more", "accent", page(func(p *status.Page) { p.Accent = "#fff;}" })},
		{"support by javascript", "support", page(func(p *status.Page) { p.Support = "javascript:alert(1)" })},
		{"a network that is none", "private.networks[0]", page(func(p *status.Page) { p.Private.Networks = []string{"10.0.0.1"} })},
		{"a good component", "", component(func(*status.Component) {})},
		{"a name that turns the writing", "name", component(func(c *status.Component) { c.Name = "a\u202eb" })},
		{"a name of two lines", "name", component(func(c *status.Component) { c.Name = "a\nb" })},
		{"a link with a password", "link", component(func(c *status.Component) { c.Link = "https://u:p@x.example" })},
		{"a state that is none", "state", component(func(c *status.Component) { c.State = "fine" })},
		{"maintenance by hand", "state", component(func(c *status.Component) { c.State = status.Maintained })},
		{"a binding of everything", "bindings[0]", component(func(c *status.Component) { c.Bindings = []status.Binding{{}} })},
		{"publishing after days", "bindings[0].publish_after_minutes", component(func(c *status.Component) { c.Bindings[0].Incident, c.Bindings[0].After = "publish", 5000 })},
		{"a good incident", "", incident(func(*status.Incident) {})},
		{"a title of a megabyte", "title", incident(func(i *status.Incident) { i.Title = strings.Repeat("x", 1<<20) })},
		{"a start tomorrow", "started", incident(func(i *status.Incident) { i.Started = now.Add(24 * time.Hour) })},
		{"an end before the start", "resolved_at", incident(func(i *status.Incident) { i.ResolvedAt = now.Add(-time.Hour) })},
		{"an empty update", "updates[0].body", incident(func(i *status.Incident) { i.Updates[0].Body = " \n" })},
		{"a component twice", "components[1]", incident(func(i *status.Incident) { i.Components = []string{"c", "c"} })},
		{"a change to nothing", "updates[0].changes[0].to", incident(func(i *status.Incident) { i.Updates[0].Changes[0].To = "" })},
		{"a good maintenance", "", work(func(*status.Maintenance) {})},
		{"one that ends before it begins", "end", work(func(m *status.Maintenance) { m.End = m.Start.Add(-time.Second) })},
		{"one without a start", "start", work(func(m *status.Maintenance) { m.Start = time.Time{} })},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.try()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *status.FieldError
			if !errors.As(err, &e) || e.Field != c.field || e.Problem == "" || e.Mend == "" {
				t.Errorf("%v, not about %s", err, c.field)
			}
		})
	}
}
