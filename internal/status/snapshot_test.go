package status_test

import (
	"testing"
	"time"

	"tocsin/internal/status"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func component(id, group string, state status.State) status.Component {
	return status.Component{ID: id, GroupID: group, Name: id, State: state}
}

func TestTheWorstWinsUpwardsAndMaintenanceHidesNoOutage(t *testing.T) {
	r := status.Record{
		Groups: []status.Group{{ID: "eu", Name: "Europe"}, {ID: "eu-de", Name: "Germany", ParentID: "eu"}, {ID: "empty", Name: "Nothing here"}},
		Components: []status.Component{
			component("api", "eu-de", status.Major), component("www", "eu", status.Operational), component("mail", "gone", status.Degraded),
			{ID: "secret", Hidden: true, State: status.Major},
		},
		Maintenances: []status.Maintenance{{Phase: status.InProgress, Components: []string{"api", "www"}}},
	}
	s := status.Take(r, time.UTC, now)
	if s.State != status.Major {
		t.Errorf("the page is %s", s.State)
	}
	if len(s.Groups) != 2 || s.Groups[0].Name != "" || s.Groups[0].Components[0].ID != "mail" {
		t.Fatalf("%+v", s.Groups)
	}
	eu := s.Groups[1]
	if eu.State != status.Major || eu.Groups[0].State != status.Major || eu.Groups[0].Components[0].Shown != status.Major {
		t.Errorf("the outage is hidden: %+v", eu)
	}
	if eu.Components[0].Shown != status.Maintained {
		t.Errorf("www is %s under maintenance", eu.Components[0].Shown)
	}
}

func TestDraftsAndWhoMayAreNotShown(t *testing.T) {
	r := status.Record{
		Page:      status.Page{Private: status.Private{PasswordHash: "x"}},
		Incidents: []status.Incident{{ID: "d", Draft: true, Phase: status.Investigating, Started: now}, {ID: "i", Phase: status.Identified, Started: now}},
	}
	s := status.Take(r, time.UTC, now)
	if len(s.Open) != 1 || s.Open[0].ID != "i" || s.Page.Private.PasswordHash != "" {
		t.Errorf("%+v", s)
	}
}

func TestBarsAreFrozenDaysAndThenWhatIsRecorded(t *testing.T) {
	r := status.Record{
		Components: []status.Component{component("a", "", status.Operational)},
		Days:       map[string][]status.Day{"a": {{Date: "2026-11-20", Worst: status.Partial, Seconds: map[status.State]int{status.Partial: 86400}}}},
		Intervals:  map[string][]status.Interval{"a": {{State: status.Operational, Start: now.AddDate(0, 0, -1)}}},
	}
	c := status.Take(r, time.UTC, now).Groups[0].Components[0]
	if len(c.Days) != status.BarDays {
		t.Fatalf("%d days", len(c.Days))
	}
	last := c.Days[status.BarDays-3:]
	if last[0].Worst != status.Partial || last[1].Worst != status.Operational || last[1].Seconds[status.NoData] != 43200 || last[2].Date != "2026-11-22" {
		t.Errorf("%+v", last)
	}
	if c.Days[0].Worst != status.NoData || !c.Known {
		t.Errorf("%+v", c.Days[0])
	}
}

func TestAMaintenanceStartsEndsAndReminds(t *testing.T) {
	start := now.Add(48 * time.Hour)
	m := status.Maintenance{Phase: status.Scheduled, Start: start, End: start.Add(2 * time.Hour), AutoStart: true, AutoEnd: true, Created: now}
	for _, c := range []struct {
		name string
		at   time.Time
		done []string
		want status.Step
	}{
		{"long before", now, nil, status.Step{Next: start.Add(-24 * time.Hour)}},
		{"a day before", start.Add(-24 * time.Hour), nil, status.Step{Remind: "24h", Next: start.Add(-time.Hour)}},
		{"reminded", start.Add(-23 * time.Hour), []string{"24h"}, status.Step{Next: start.Add(-time.Hour)}},
		{"both missed", start.Add(-time.Minute), nil, status.Step{Remind: "1h", Next: start}},
		{"begins", start, []string{"24h", "1h"}, status.Step{To: status.InProgress, Next: start.Add(2 * time.Hour)}},
		{"was missed altogether", start.Add(5 * time.Hour), nil, status.Step{To: status.Completed}},
	} {
		m.Reminded = c.done
		if got := m.Tick(c.at); got != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
	}
	m.Reminded, m.Created = nil, start.Add(-30*time.Minute)
	if got := m.Tick(start.Add(-20 * time.Minute)); got.Remind != "" || got.Next != start {
		t.Errorf("announced half an hour before, reminds: %+v", got)
	}
	m.Phase = status.InProgress
	if got := m.Tick(m.End); got.To != status.Completed {
		t.Errorf("%+v at its end", got)
	}
	m.AutoEnd = false
	if got := m.Tick(m.End); got != (status.Step{}) {
		t.Errorf("%+v ends though a person is to end it", got)
	}
}
