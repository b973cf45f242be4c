package transfer_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// What ATStatus' own documentation shows of its interface, with some of each.
const (
	atComponents = `{"components":[
	 {"id":"comp_2","name":"Website","status":"operational","group":"Front","order":2},
	 {"id":"comp_1","name":"API","description":"Core API services","status":"PARTIAL_OUTAGE","group":"Infrastructure","order":1},
	 {"id":"comp_1","name":"Twice","status":"operational","order":9},{"id":3,"name":"Disks","status":"maintenance","groupId":"grp_1","order":3}],
	 "groups":[{"id":"grp_1","name":"Infrastructure","order":1},{"id":"grp_2","name":"Front","order":0}]}`
	atIncidents = `{"incidents":[{"id":"inc_1","title":"API Performance Degradation","status":"resolved","impact":"minor",
	 "createdAt":"2026-11-14T10:00:00Z","resolvedAt":"2026-11-14T12:30:00Z","affectedComponents":["comp_1",{"componentId":3},{"id":"comp_9"}],
	 "updates":[{"status":"resolved","message":"The issue <b>has been</b> resolved.","createdAt":"2026-11-14T12:30:00Z"},
	  {"status":"investigating","message":"We look.","createdAt":"2026-11-14T10:00:00Z"}]},
	 {"id":2,"title":"Open","status":"identified","impact":"critical","createdAt":"2026-11-19T10:00:00Z","updates":[]},
	 {"id":3,"title":"No time","status":"identified"}]}`
	atMaintenance = `{"maintenance":[{"id":"maint_1","title":"Database Migration","status":"scheduled","scheduledStart":"2026-11-25T02:00:00Z",
	 "scheduledEnd":"2026-11-25T04:00:00Z","affectedComponents":["comp_1","comp_2"]},
	 {"id":"maint_2","title":"Old","description":"New disks","status":"COMPLETED","scheduledStartTime":"2026-10-20T02:00:00Z","scheduledEndTime":"2026-10-20T04:00:00Z"}]}`
)

func TestATStatusIsReadByItsOpenInterface(t *testing.T) {
	const base = "https://status.example.com/api/public/status/shop"
	s := site{base + "/components": atComponents, base + "/incidents?limit=500": atIncidents, base + "/maintenance": atMaintenance}
	for _, address := range []string{"https://status.example.com/shop", "https://status.example.com/status/shop/", base, base + "/components"} {
		p, notes, err := transfer.FetchATStatus(t.Context(), s.get, address, now)
		must(t, err)
		sound(t, &p)
		same(t, "slug", p.Slug, "shop")
		same(t, "groups, by their order", p.Groups[0].Name, "Front")
		same(t, "components", len(p.Components), 3)
		same(t, "first", p.Components[0].Name, "API")
		same(t, "its state", p.Components[0].State, status.Partial)
		same(t, "its group, by its name", p.Components[0].GroupID, "grp_1")
		same(t, "a group by its id", p.Components[2].GroupID, "grp_1")
		same(t, "what is under maintenance works", p.Components[2].State, status.Operational)
		same(t, "incidents", len(p.Incidents), 2)
		i := p.Incidents[0]
		same(t, "phase", i.Phase, status.Resolved)
		same(t, "over", i.ResolvedAt.Format(time.RFC3339), "2026-11-14T12:30:00Z")
		same(t, "components that there are", strings.Join(i.Components, " "), "comp_1 3")
		same(t, "first update", i.Updates[0].Body, "We look.")
		same(t, "last update", i.Updates[1].Body, "The issue **has been** resolved.")
		same(t, "without updates", p.Incidents[1].Updates[0].Phase, status.Identified)
		same(t, "impact", p.Incidents[1].Impact, status.ImpactCritical)
		same(t, "maintenances", len(p.Maintenances), 2)
		same(t, "begins by itself", p.Maintenances[0].AutoStart, true)
		same(t, "text", p.Maintenances[1].Updates[0].Body, "New disks")
		same(t, "over", p.Maintenances[1].Phase, status.Completed)
		if all := strings.Join(notes, "\n"); !strings.Contains(all, "“No time” has no time") || !strings.Contains(all, "page's name") {
			t.Fatalf("notes are %s", all)
		}
	}
	_, _, err := transfer.FetchATStatus(t.Context(), site{}.get, "https://status.example.com/shop", now)
	refusedBy(t, err, "address")
	for _, address := range []string{"https://status.example.com", "https://status.example.com/", "shop", "https://a:b@status.example.com/shop"} {
		_, _, err = transfer.FetchATStatus(t.Context(), s.get, address, now)
		refusedBy(t, err, "address")
	}
	_, _, err = transfer.ATStatus("shop", now, []byte(atIncidents))
	refusedBy(t, err, "components")
	p, _, err := transfer.ATStatus("", now, []byte(`{"components":{"data":[{"id":1,"name":"REST","status":"degraded","groupId":null}]}}`))
	must(t, err)
	sound(t, &p)
	same(t, "as its API with a key answers", p.Components[0].State, status.Degraded)
}

func FuzzATStatus(f *testing.F) {
	for _, s := range []string{atComponents, atIncidents, atMaintenance} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, _, err := transfer.ATStatus("shop", now, []byte(`{"components":[{"id":"comp_1","name":"A"}]}`), b); err == nil {
			sound(t, &p)
		}
	})
}
