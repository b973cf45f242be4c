package simulate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
)

// shelf is a simulate.Store of what a test sets.
type shelf struct {
	plan     simulate.Plan
	standing simulate.Standing
	events   []alert.Event
	before   []alert.Event
}

func (s *shelf) SimulationPlan(context.Context) (simulate.Plan, error) { return s.plan, nil }

func (s *shelf) SimulationStanding(context.Context, []string) (simulate.Standing, error) {
	return s.standing, nil
}

func (s *shelf) SimulationEvents(_ context.Context, p simulate.Page) ([]alert.Event, string, error) {
	return s.events, "", nil
}

func (s *shelf) SimulationBefore(context.Context, time.Time, string, int) ([]alert.Event, error) {
	return s.before, nil
}

const (
	nagios = "source-1"
	jane   = "contact-jane"
	joe    = "contact-joe"
)

// office is a shelf with a source, jane, who is told of everything, and joe.
func office(change ...func(*simulate.Plan)) *shelf {
	s := &shelf{}
	p := &s.plan
	p.Settings = config.Defaults()
	p.Sources = []source.Source{{ID: nagios, Name: "nagios", Kind: "nagios"}}
	for _, id := range []string{jane, joe} {
		name := strings.TrimPrefix(id, "contact-")
		c := contact.NewContact(name)
		c.ID, c.UserID = id, "user-"+name
		p.Directory.Contacts = append(p.Directory.Contacts, c)
	}
	p.Directory.Sources = map[string]string{nagios: "nagios"}
	p.Directory.Users = map[string]bool{"user-jane": true, "user-joe": true}
	p.Directory.Rules = []route.Rule{{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}}}
	for _, f := range change {
		f(p)
	}
	return s
}

var night = time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC)

func try(t *testing.T, s *shelf, q simulate.Request) simulate.Result {
	t.Helper()
	r, err := simulate.New(s, simulate.Options{Now: func() time.Time { return night }}).Simulate(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines are JSON lines.
func lines(l ...string) []byte { return []byte(strings.Join(l, "\n")) }
