package statuspage_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/status/statuspage"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 22, 12, 34, 56, 789e6, time.UTC)

// record has each state, each impact and each phase at least once.
func record() status.Record {
	made := now.AddDate(0, -2, 0)
	r := status.Record{Page: status.Page{ID: "0199a000-0000-7000-8000-000000000001", Name: "Sandbank Online", Zone: "Europe/Berlin", Created: made},
		Groups: []status.Group{{ID: "g-web", Name: "Website", About: "What is seen", Created: made}, {ID: "g-pay", Name: "Payments", Position: 1, Created: made}, {ID: "g-cards", ParentID: "g-pay", Name: "Cards", Created: made}}}
	for i, s := range []status.State{status.Operational, status.Degraded, status.Partial, status.Major} {
		r.Components = append(r.Components, status.Component{ID: fmt.Sprint("c-", i), Name: fmt.Sprint("Part ", i), About: []string{"", "A **part**"}[i%2], GroupID: []string{"g-web", "", "g-cards", "g-pay"}[i],
			State: s, Position: i, Created: made, Since: made.Add(time.Hour)})
	}
	r.Components = append(r.Components, status.Component{ID: "c-4", Name: "Storage", State: status.Operational, Position: 9, Created: made}, status.Component{ID: "c-hidden", Name: "Hidden", Hidden: true, State: status.Major})
	phases := []status.Phase{status.Investigating, status.Identified, status.Monitoring, status.Resolved, status.Postmortem}
	for i, p := range phases {
		at := now.Add(-time.Duration(i+1) * time.Hour)
		in := status.Incident{ID: fmt.Sprint("i-", i), Title: fmt.Sprint("Trouble ", i), Phase: p, Impact: []status.Impact{status.ImpactNone, status.ImpactMinor, status.ImpactMajor, status.ImpactCritical}[i%4],
			Created: at, Started: at.Add(-time.Minute), Components: []string{"c-2", "c-hidden"}}
		for j, q := range phases[:min(i+1, 4)] {
			u := status.Update{ID: fmt.Sprintf("u-%d-%d", i, j), Phase: q, Body: "We *know* <more>.", At: at.Add(time.Duration(j) * time.Minute), Posted: at.Add(time.Duration(j)*time.Minute + time.Second), Silent: j == 1}
			if j == 0 {
				u.Changes = []status.Change{{ComponentID: "c-2", From: status.Operational, To: status.Partial}, {ComponentID: "c-hidden", To: status.Major}}
			}
			in.Updates = append(in.Updates, u)
		}
		if i >= 3 {
			in.ResolvedAt = at.Add(30 * time.Minute)
		}
		r.Incidents = append(r.Incidents, in)
	}
	r.Incidents = append(r.Incidents, status.Incident{ID: "i-draft", Title: "Not to be told", Draft: true, Phase: status.Investigating, Created: now})
	for i, p := range []status.Phase{status.Scheduled, status.InProgress, status.Verifying, status.Completed, status.Cancelled} {
		begin := now.Add([]time.Duration{48 * time.Hour, -time.Hour, -2 * time.Hour, -50 * time.Hour, time.Hour}[i])
		r.Maintenances = append(r.Maintenances, status.Maintenance{ID: fmt.Sprint("m-", i), Title: fmt.Sprint("Work ", i), Phase: p, Components: []string{"c-4"}, Start: begin, End: begin.Add(90 * time.Minute), Created: made,
			Updates: []status.Update{{ID: fmt.Sprint("mu-", i), Phase: p, Body: "It is *planned*.", At: made, Posted: made}}})
	}
	return r
}

func writer(t *testing.T) *statuspage.Writer {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := record()
	w := &statuspage.Writer{Snapshot: status.Take(r, zone, now), Zone: zone, URL: "https://status.example.com", Updated: statuspage.Changed(&r), Text: markdown.New().Text}
	w.Ended, w.Done = r.Incidents[3:5], r.Maintenances[3:4]
	return w
}

// documents are all, by the names of their addresses.
func documents(t *testing.T) map[string][]byte {
	t.Helper()
	w := writer(t)
	out := map[string][]byte{}
	for name, v := range map[string]any{
		"summary": w.Summary(), "status": w.Status(), "components": w.Components(), "incidents": w.Incidents(), "incidents-unresolved": w.Unresolved(),
		"scheduled-maintenances": w.Maintenances(), "scheduled-maintenances-upcoming": w.Upcoming(), "scheduled-maintenances-active": w.Active(),
	} {
		body, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		out[name] = append(body, '\n')
	}
	return out
}

func TestDocumentsStayWhatTheyAre(t *testing.T) {
	for name, got := range documents(t) {
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what it was; look at the difference, and run with -update if it is meant", name)
		}
	}
}

// The types of a client, written from what Statuspage publishes of its API and
// its clients declare, and from nothing here: each field is there, none is more,
// each word is one of those that they know. A * is a field that may be null.
type (
	clientPage struct {
		ID        *string `json:"id"`
		Name      *string `json:"name"`
		URL       *string `json:"url"`
		TimeZone  *string `json:"time_zone"`
		UpdatedAt *string `json:"updated_at"`
	}
	clientStatus struct {
		Indicator   string `json:"indicator"`
		Description string `json:"description"`
	}
	clientComponent struct {
		ID                 string   `json:"id"`
		Name               string   `json:"name"`
		Status             string   `json:"status"`
		CreatedAt          string   `json:"created_at"`
		UpdatedAt          string   `json:"updated_at"`
		Position           int      `json:"position"`
		Description        *string  `json:"description"`
		Showcase           *bool    `json:"showcase"`
		StartDate          *string  `json:"start_date"`
		GroupID            *string  `json:"group_id"`
		PageID             string   `json:"page_id"`
		Group              *bool    `json:"group"`
		OnlyShowIfDegraded *bool    `json:"only_show_if_degraded"`
		Components         []string `json:"components"`
	}
	clientAffected struct {
		Code      string `json:"code"`
		Name      string `json:"name"`
		OldStatus string `json:"old_status"`
		NewStatus string `json:"new_status"`
	}
	clientUpdate struct {
		ID                   string           `json:"id"`
		Status               string           `json:"status"`
		Body                 string           `json:"body"`
		IncidentID           string           `json:"incident_id"`
		CreatedAt            string           `json:"created_at"`
		UpdatedAt            string           `json:"updated_at"`
		DisplayAt            string           `json:"display_at"`
		AffectedComponents   []clientAffected `json:"affected_components"`
		DeliverNotifications *bool            `json:"deliver_notifications"`
		CustomTweet          *string          `json:"custom_tweet"`
		TweetID              *string          `json:"tweet_id"`
	}
	clientIncident struct {
		ID              string            `json:"id"`
		Name            string            `json:"name"`
		Status          string            `json:"status"`
		CreatedAt       string            `json:"created_at"`
		UpdatedAt       string            `json:"updated_at"`
		MonitoringAt    *string           `json:"monitoring_at"`
		ResolvedAt      *string           `json:"resolved_at"`
		Impact          string            `json:"impact"`
		Shortlink       string            `json:"shortlink"`
		StartedAt       string            `json:"started_at"`
		PageID          string            `json:"page_id"`
		IncidentUpdates []clientUpdate    `json:"incident_updates"`
		Components      []clientComponent `json:"components"`
		ScheduledFor    *string           `json:"scheduled_for"`
		ScheduledUntil  *string           `json:"scheduled_until"`
	}
	clientDocument struct {
		Page                  clientPage        `json:"page"`
		Status                *clientStatus     `json:"status"`
		Components            []clientComponent `json:"components"`
		Incidents             []clientIncident  `json:"incidents"`
		ScheduledMaintenances []clientIncident  `json:"scheduled_maintenances"`
	}
)

var (
	componentWords   = []string{"operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"}
	indicatorWords   = []string{"none", "minor", "major", "critical", "maintenance"}
	impactWords      = []string{"none", "minor", "major", "critical"}
	incidentWords    = []string{"investigating", "identified", "monitoring", "resolved", "postmortem"}
	maintenanceWords = []string{"scheduled", "in_progress", "verifying", "completed"}
)

func TestAClientOfStatuspageUnderstandsThem(t *testing.T) {
	for name, raw := range documents(t) {
		t.Run(name, func(t *testing.T) {
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.DisallowUnknownFields()
			var d clientDocument
			if err := dec.Decode(&d); err != nil {
				t.Fatal(err)
			}
			if p := d.Page; p.ID == nil || *p.ID == "" || p.Name == nil || p.URL == nil || *p.TimeZone != "Europe/Berlin" {
				t.Errorf("page: %+v", p)
			}
			stamp(t, *d.Page.UpdatedAt)
			if s := d.Status; s != nil && (!slices.Contains(indicatorWords, s.Indicator) || s.Description == "") {
				t.Errorf("status: %+v", s)
			}
			known := map[string]bool{}
			groups := map[string]bool{}
			for _, c := range d.Components {
				known[c.ID], groups[c.ID] = true, *c.Group
			}
			for i, c := range d.Components {
				component(t, c)
				if c.Position != i+1 || *c.Group != (c.Components != nil) || c.GroupID != nil && (!groups[*c.GroupID] || *c.Group) {
					t.Errorf("component: %+v", c)
				}
				for _, id := range c.Components {
					if !known[id] || groups[id] {
						t.Errorf("group %s has %s", c.Name, id)
					}
				}
			}
			for _, i := range d.Incidents {
				incident(t, i, incidentWords, impactWords)
				if i.ScheduledFor != nil || (i.ResolvedAt != nil) != slices.Contains([]string{"resolved", "postmortem"}, i.Status) {
					t.Errorf("incident: %+v", i)
				}
			}
			for _, m := range d.ScheduledMaintenances {
				incident(t, m, maintenanceWords, []string{"maintenance"})
				if m.ScheduledFor == nil || m.ScheduledUntil == nil {
					t.Errorf("maintenance without its times: %+v", m)
				}
			}
			if bytes.Contains(raw, []byte("idden")) || bytes.Contains(raw, []byte("draft")) {
				t.Error("it tells what is not shown")
			}
		})
	}
}

func component(t *testing.T, c clientComponent) {
	t.Helper()
	if c.ID == "" || c.Name == "" || c.PageID == "" || c.Showcase == nil || c.Group == nil || c.OnlyShowIfDegraded == nil || !slices.Contains(componentWords, c.Status) {
		t.Errorf("component: %+v", c)
	}
	stamp(t, c.CreatedAt)
	stamp(t, c.UpdatedAt)
	if c.StartDate != nil {
		if _, err := time.Parse(time.DateOnly, *c.StartDate); err != nil {
			t.Error(err)
		}
	}
}

func incident(t *testing.T, i clientIncident, phases, impacts []string) {
	t.Helper()
	if i.ID == "" || i.Name == "" || i.PageID == "" || i.Shortlink == "" || i.Components == nil || i.IncidentUpdates == nil ||
		!slices.Contains(phases, i.Status) || !slices.Contains(impacts, i.Impact) {
		t.Errorf("%+v", i)
	}
	for _, s := range []*string{&i.CreatedAt, &i.UpdatedAt, &i.StartedAt, i.MonitoringAt, i.ResolvedAt, i.ScheduledFor, i.ScheduledUntil} {
		if s != nil {
			stamp(t, *s)
		}
	}
	for _, c := range i.Components {
		component(t, c)
	}
	for n, u := range i.IncidentUpdates {
		if u.ID == "" || u.IncidentID != i.ID || u.Body == "" || u.DeliverNotifications == nil || !slices.Contains(phases, u.Status) {
			t.Errorf("update: %+v", u)
		}
		if n > 0 && stamp(t, u.DisplayAt).After(stamp(t, i.IncidentUpdates[n-1].DisplayAt)) {
			t.Error("updates are not the newest first")
		}
		for _, a := range u.AffectedComponents {
			if a.Code == "" || a.Name == "" || !slices.Contains(componentWords, a.OldStatus) || !slices.Contains(componentWords, a.NewStatus) {
				t.Errorf("affected: %+v", a)
			}
		}
	}
}

// stamp is a time as Statuspage writes it: with milliseconds and an offset.
func stamp(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000Z07:00", s)
	if err != nil {
		t.Error(err)
	}
	return at
}

func TestIdsAndTimesStayWhilePagesAreOnlyMadeAnew(t *testing.T) {
	r := record()
	zone := time.UTC
	text := func(s string) string { return s }
	first := &statuspage.Writer{Snapshot: status.Take(r, zone, now), Zone: zone, Updated: statuspage.Changed(&r), Text: text}
	again := &statuspage.Writer{Snapshot: status.Take(r, zone, now.Add(time.Minute)), Zone: zone, Updated: statuspage.Changed(&r), Text: text}
	a, _ := json.Marshal(first.Summary())
	b, _ := json.Marshal(again.Summary())
	if !bytes.Equal(a, b) {
		t.Error("a minute later the summary is another one, though nothing changed")
	}
}
