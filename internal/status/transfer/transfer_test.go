package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

var now = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// site answers what a server of others does, and nothing else.
type site map[string]string

func (s site) get(_ context.Context, address string) ([]byte, error) {
	if body, ok := s[address]; ok {
		return []byte(body), nil
	}
	return nil, fmt.Errorf("fetch %s: %w", address, transfer.ErrNone)
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	must(t, err)
	return string(b)
}

// sound holds a page of others to the rules of our own document: whoever imports it
// is refused nothing.
func sound(t testing.TB, p *transfer.Page) {
	t.Helper()
	for i := range p.Components {
		c := p.Components[i].Own()
		must(t, c.Validate())
		last := time.Time{}
		for n, v := range p.Components[i].Intervals {
			if v.State.Rank() < 0 || v.Start.Before(last) || v.End.IsZero() != (n == len(p.Components[i].Intervals)-1) || !v.End.IsZero() && !v.End.After(v.Start) || v.Start.After(now) {
				t.Fatalf("interval %d of %s is %+v", n, c.Name, v)
			}
			last = v.End
		}
	}
	for i := range p.Groups {
		g := p.Groups[i].Own()
		must(t, g.Validate())
	}
	for i := range p.Incidents {
		n := p.Incidents[i].Own()
		must(t, n.Validate(now))
	}
	for i := range p.Maintenances {
		m := p.Maintenances[i].Own()
		must(t, m.Validate(now))
	}
	own := p.Own()
	must(t, own.Validate())
}

func TestStatuspageIsReadWholeAndByItsAddress(t *testing.T) {
	base := "https://status.example.com"
	s := site{base + "/api/v2/summary.json": file(t, "statuspage-summary.json"), base + "/api/v2/incidents.json": file(t, "statuspage-incidents.json"),
		base + "/api/v2/scheduled-maintenances.json": file(t, "statuspage-maintenances.json")}
	p, notes, err := transfer.FetchStatuspage(t.Context(), s.get, base+"/api/v2/summary.json", now)
	must(t, err)
	sound(t, &p)
	same(t, "notes", strings.Join(notes, "; "), "")
	same(t, "name", p.Name, "Acme Cloud")
	same(t, "slug", p.Slug, "acme")
	same(t, "zone", p.Zone, "America/Los_Angeles")
	same(t, "groups", len(p.Groups), 1)
	same(t, "components", len(p.Components), 3)
	same(t, "group of the API", p.Components[0].GroupID, p.Groups[0].ID)
	same(t, "state under maintenance", p.Components[2].State, status.Operational)
	same(t, "incidents", len(p.Incidents), 3)
	i := p.Incidents[0]
	same(t, "open incident", i.Phase, status.Identified)
	same(t, "updates", len(i.Updates), 2)
	same(t, "first update", i.Updates[0].Body, "We are **looking** into it.\n\n- [Details](https://example.com/a)")
	same(t, "its change", i.Updates[0].Changes[0], transfer.Change{ComponentID: "b13yz5g2cw10", From: status.Operational, To: status.Partial})
	same(t, "postmortem", p.Incidents[1].Phase, status.Postmortem)
	same(t, "postmortem's text", p.Incidents[1].Postmortem, "A cable.")
	same(t, "maintenances", len(p.Maintenances), 2)
	same(t, "one ahead begins by itself", p.Maintenances[0].AutoStart, true)
	same(t, "one that is over", p.Maintenances[1].Phase, status.Completed)
	var bad time.Duration
	for _, v := range p.Components[0].Intervals {
		if v.State == status.Partial {
			end := v.End
			if end.IsZero() {
				end = now
			}
			bad += end.Sub(v.Start)
		}
	}
	same(t, "recorded outage", bad, 22*time.Hour) // since the open incident's first update
	same(t, "recorded major outage", p.Components[0].Intervals[1].State, status.Major)
}

func TestUptimeKumaIsReadInBothOfItsForms(t *testing.T) {
	base := "https://kuma.example.com/sub"
	s := site{base + "/api/status-page/shop": file(t, "kuma-page.json"), base + "/api/status-page/heartbeat/shop": file(t, "kuma-heartbeat.json"),
		base + "/api/status-page/shop/incident-history":          `{"ok":true,"incidents":[{"id":7,"style":"danger","title":"Over","content":"was bad","pin":false,"active":false,"createdDate":"2026-11-01 10:00:00","lastUpdatedDate":"2026-11-01 12:00:00"}],"total":2,"nextCursor":"7","hasMore":true}`,
		base + "/api/status-page/shop/incident-history?cursor=7": `{"ok":true,"incidents":[{"id":6,"style":"info","title":"Older","content":"x","active":false,"createdDate":"2026-10-01 10:00:00","lastUpdatedDate":null}],"nextCursor":null,"hasMore":false}`}
	p, notes, err := transfer.FetchUptimeKuma(t.Context(), s.get, base+"/status/Shop", now)
	must(t, err)
	sound(t, &p)
	same(t, "slug", p.Slug, "shop")
	same(t, "groups", len(p.Groups), 2)
	same(t, "first group by weight", p.Groups[0].Name, "Front")
	same(t, "components", len(p.Components), 3)
	same(t, "address that may be told", p.Components[0].Link, "https://shop.example.com/")
	same(t, "address that may not", p.Components[1].Link, "")
	same(t, "state up", p.Components[0].State, status.Operational)
	same(t, "state down", p.Components[1].State, status.Major)
	same(t, "since", p.Components[1].Since.Format(time.RFC3339), "2026-11-20T07:59:00Z")
	same(t, "incidents", len(p.Incidents), 3)
	same(t, "pinned one", p.Incidents[0].Impact, status.ImpactMinor)
	same(t, "over", p.Incidents[1].ResolvedAt.Format(time.RFC3339), "2026-11-01T12:00:00Z")
	same(t, "single maintenance", len(p.Maintenances), 1)
	same(t, "its begin, in its zone", p.Maintenances[0].Start.Format(time.RFC3339), "2026-11-21T21:00:00Z")
	same(t, "series", len(p.Series), 3)
	same(t, "weekly", p.Series[0].Rule, "FREQ=WEEKLY;BYDAY=SU,WE")
	same(t, "monthly", p.Series[1].Rule, "FREQ=MONTHLY;BYMONTHDAY=1,-1")
	same(t, "every other day, over midnight", p.Series[2].Minutes, 90)
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "cron line") || !strings.Contains(all, "in several groups") {
		t.Fatalf("notes are %s", all)
	}

	old, _, err := transfer.UptimeKuma(now, []byte(`{"config":{"slug":"default","title":"Old"},"incident":{"id":1,"style":"danger","title":"Now","content":"x","pin":1,"createdDate":"2026-11-20 07:00:00.000"},"publicGroupList":[{"id":1,"name":"A","weight":1,"monitorList":[{"id":1,"name":"B"}]}]}`))
	must(t, err)
	same(t, "incident of an old one", old.Incidents[0].Phase, status.Investigating)
	for address, want := range map[string]string{"https://k.example.com": "default", "https://k.example.com/status": "default", "https://k.example.com/status/a-b?x": "a-b"} {
		asked := ""
		_, _, err := transfer.FetchUptimeKuma(t.Context(), func(_ context.Context, a string) ([]byte, error) {
			asked = a
			return nil, transfer.ErrNone
		}, address, now)
		refusedBy(t, err, "address")
		same(t, "asked for", asked, "https://k.example.com/api/status-page/"+want)
	}
}

func TestCachetIsReadPageByPage(t *testing.T) {
	base, page := "https://cachet.example.com", "?per_page=100&page="
	list := func(items string, n, of int) string {
		return fmt.Sprintf(`{"meta":{"pagination":{"total":9,"count":1,"per_page":100,"current_page":%d,"total_pages":%d,"links":{"next_page":null,"previous_page":null}}},"data":[%s]}`, n, of, items)
	}
	s := site{
		base + "/api/v1/components" + page + "1":        list(`{"id":1,"name":"API","description":"The API","link":"https:\/\/api.example.com","status":3,"order":1,"group_id":2,"created_at":"2026-01-01 10:00:00","deleted_at":null,"enabled":true}`, 1, 2),
		base + "/api/v1/components" + page + "2":        list(`{"id":2,"name":"Web","status":"1","order":0,"group_id":0,"enabled":false}`, 2, 2),
		base + "/api/v1/components/groups" + page + "1": list(`{"id":2,"name":"Back","order":1,"collapsed":0}`, 1, 1),
		base + "/api/v1/incidents" + page + "1": list(`{"id":5,"component_id":1,"name":"Slow","status":4,"visible":1,"message":"It *is* slow","occurred_at":"2026-11-01 10:00:00","created_at":"2026-11-01 10:00:00","updated_at":"2026-11-01 12:00:00","deleted_at":null,
		 "updates":[{"id":2,"incident_id":5,"status":4,"message":"Fixed.","created_at":"2026-11-01 11:30:00"},{"id":1,"incident_id":5,"status":2,"message":"Found.","created_at":"2026-11-01 11:00:00"}]},
		 {"id":6,"component_id":0,"name":"Hidden","status":1,"visible":0,"message":"x","created_at":"2026-11-01 10:00:00"},
		 {"id":7,"component_id":0,"name":"Old work","status":0,"visible":1,"message":"x","scheduled_at":"2025-11-01 10:00:00","created_at":"2025-10-01 10:00:00","updates":[]}`, 1, 1),
		base + "/api/v1/schedules" + page + "1": list(`{"id":1,"name":"Work","message":"New disks","status":0,"scheduled_at":"2026-11-21 22:00:00","completed_at":null,"created_at":"2026-11-10 10:00:00","components":[{"id":1,"component_id":2,"component_status":4}]}`, 1, 1),
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	p, notes, err := transfer.FetchCachet(t.Context(), s.get, base, zone, now)
	must(t, err)
	sound(t, &p)
	same(t, "components", len(p.Components), 2)
	same(t, "first by order", p.Components[0].Name, "Web")
	same(t, "hidden", p.Components[0].Hidden, true)
	same(t, "state", p.Components[1].State, status.Partial)
	same(t, "group", p.Components[1].GroupID, "2")
	same(t, "incidents", len(p.Incidents), 1)
	i := p.Incidents[0]
	same(t, "updates", len(i.Updates), 3)
	same(t, "first phase", i.Updates[0].Phase, status.Investigating)
	same(t, "started, in the zone that was given", i.Started.Format(time.RFC3339), "2026-11-01T09:00:00Z")
	same(t, "resolved", i.ResolvedAt.Format(time.RFC3339), "2026-11-01T10:30:00Z")
	same(t, "maintenances", len(p.Maintenances), 2)
	same(t, "work of old times", p.Maintenances[0].Phase, status.Completed)
	same(t, "work ahead", p.Maintenances[1].Components[0], "2")
	same(t, "ends by itself", p.Maintenances[1].AutoEnd, false)
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "hidden from visitors") || !strings.Contains(all, "when “Work” ends") {
		t.Fatalf("notes are %s", all)
	}
	_, _, err = transfer.FetchCachet(t.Context(), site{}.get, base, zone, now)
	refusedBy(t, err, "address")
	whole, _, err := transfer.Cachet(zone, now, []byte(`{"components":`+s[base+"/api/v1/components"+page+"1"]+`,"incidents":[]}`))
	must(t, err)
	same(t, "components of a file", len(whole.Components), 1)
}

func refusedBy(t testing.TB, err error, field string) {
	t.Helper()
	var f *status.FieldError
	if !errors.As(err, &f) || f.Field != field || f.Mend == "" || f.Problem == "" {
		t.Fatalf("error is %v, want one of the field %s", err, field)
	}
}

const small = `{"format":"tocsin-status","version":1,"exported":"2026-11-20T07:00:00Z","pages":[{"id":"main","slug":"main","name":"x","zone":"UTC"%s}]}`

func TestOurOwnDocumentIsReadStrictly(t *testing.T) {
	_, err := transfer.Parse(fmt.Appendf(nil, small, ""), now)
	must(t, err)
	page := func(more string) string { return fmt.Sprintf(small, ","+more) }
	for body, field := range map[string]string{
		"":                                       "content",
		"<!doctype html><title>x":                "content",
		"hello":                                  "content",
		"{\"format\":\"\xff\"}":                  "content",
		"[]":                                     "content",
		`{"format":"other"}`:                     "format",
		`{"format":"tocsin-status","version":2}`: "version",
		fmt.Sprintf(small, "") + "{}":            "export",
		fmt.Sprintf(small, "")[:100]:             "content",
		page(`"colour":"red"`):                   "colour",
		page(`"main":"yes"`):                     "pages.main",
		page(`"created":"yesterday"`):            "content",
		strings.Replace(fmt.Sprintf(small, ""), "2026-11-20T07", "2027-11-20T07", 1):                                                                                                                     "exported",
		strings.Replace(fmt.Sprintf(small, ""), `"slug":"main"`, `"slug":"Ma in"`, 1):                                                                                                                    "pages[0].slug",
		strings.Replace(fmt.Sprintf(small, ""), `"zone":"UTC"`, `"zone":"Nowhere"`, 1):                                                                                                                   "pages[0].zone",
		strings.Replace(fmt.Sprintf(small, ""), `"id":"main"`, `"id":"../x"`, 1):                                                                                                                         "pages[0].id",
		page(`"groups":[{"id":"g","name":"g","position":0,"parent_id":"h"}]`):                                                                                                                            "pages[0].groups[0].parent_id",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"on fire"}]`):                                                                                                                      "pages[0].components[0].state",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational"},{"id":"c","name":"c","position":0,"state":"operational"}]`):                                                         "pages[0].components[1].id",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational","group_id":"g"}]`):                                                                                                   "pages[0].components[0].group_id",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational","intervals":[{"state":"operational","start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}]}]`):                "pages[0].components[0].intervals[0].end",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational","days":[{"from":"2026-01-01","to":"9999-12-31","seconds":{"operational":86400},"worst":"operational"}]}]`):           "pages[0].components[0].days",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational","days":[{"from":"2026-01-01","to":"2026-01-01","seconds":{"operational":-1},"worst":"operational"}]}]`):              "pages[0].components[0].days[0].seconds",
		page(`"components":[{"id":"c","name":"c","position":0,"state":"operational","bindings":[{}]}]`):                                                                                                  "pages[0].components[0].bindings[0]",
		page(`"incidents":[{"id":"i","title":"a\u202eb","phase":"resolved","impact":"none","started":"2026-01-01T00:00:00Z"}]`):                                                                          "pages[0].incidents[0].title",
		page(`"incidents":[{"id":"i","title":"a","phase":"resolved","impact":"none","started":"2026-01-01T00:00:00Z"}]`):                                                                                 "pages[0].incidents[0].resolved_at",
		page(`"incidents":[{"id":"i","title":"a","phase":"identified","impact":"none","started":"2026-01-01T00:00:00Z","updates":[{"id":"u","phase":"panic","body":"b","at":"2026-01-01T00:00:00Z"}]}]`): "pages[0].incidents[0].updates[0].phase",
		page(`"maintenances":[{"id":"m","title":"a","phase":"scheduled","impact":"none","start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}]`):                                                  "pages[0].maintenances[0].end",
		page(`"logo":{"id":"l","kind":"image/svg+xml","body":"PHN2Zz4="}`):                                                                                                                               "pages[0].logo",
		page(`"audit":[{"id":"a","at":"2027-01-01T00:00:00Z","what":"x"}]`):                                                                                                                              "pages[0].audit[0].at",
	} {
		_, err := transfer.Parse([]byte(body), now)
		t.Run(field, func(t *testing.T) { refusedBy(t, err, field) })
	}
}

func TestTextOfOthersIsMadeHarmless(t *testing.T) {
	body := `{"page":{"id":"p","name":"\u202eEvil <script>alert(1)</script>","time_zone":"Mars/Base"},"components":[{"id":"c","name":"` + strings.Repeat("x", 500) + `","status":"nonsense"},{"id":"d"},7,null,{"id":{"a":1},"name":"n"}],
	"incidents":[{"id":"i","name":"","status":"weird","impact":"huge","created_at":"2026-11-01T00:00:00Z","incident_updates":[{"id":"u","status":"x","body":"<script>x</script><a href=\"javascript:alert(1)\">click</a><img src=x onerror=y>&lt;b&gt;","created_at":"2027-11-01T00:00:00Z"}]},
	 {"id":"j","name":"No time"}],"scheduled_maintenances":{"not":"a list"}}`
	p, notes, err := transfer.Statuspage(now, []byte(body))
	must(t, err)
	sound(t, &p)
	same(t, "name", p.Name, "Evil alert(1)")
	same(t, "zone", p.Zone, "UTC")
	same(t, "components", len(p.Components), 1)
	same(t, "length of a name", len([]rune(p.Components[0].Name)), status.MaxTitle)
	same(t, "incidents", len(p.Incidents), 1)
	same(t, "update", p.Incidents[0].Updates[0].Body, "click<b>")
	same(t, "time that lies ahead", p.Incidents[0].Updates[0].At, now)
	if len(notes) < 3 {
		t.Errorf("notes are %q", notes)
	}
	for _, bad := range []string{"", "<html>", "{", `{"page":null}`, `{"page":{}}`, `"x"`, `[1]`} {
		if _, _, err := transfer.Statuspage(now, []byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzOthers(f *testing.F) {
	for _, name := range []string{"statuspage-summary.json", "statuspage-incidents.json", "kuma-page.json", "kuma-heartbeat.json"} {
		f.Add([]byte(file(f, name)))
	}
	f.Add([]byte(`{"components":[{"id":1,"name":"a","status":2,"created_at":1420036705}],"incidents":{"data":[{"id":1,"name":"x","status":4,"message":"m","created_at":"2026-01-01 00:00:00"}]},"schedules":[{"id":1,"scheduled_at":"2026-01-01 00:00:00","status":2}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, _, err := transfer.Statuspage(now, b); err == nil {
			sound(t, &p)
		}
		if p, _, err := transfer.UptimeKuma(now, b, []byte(`{"config":{"slug":"a","title":"b"}}`)); err == nil {
			sound(t, &p)
		}
		if p, _, err := transfer.Cachet(time.UTC, now, b); err == nil {
			sound(t, &p)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(fmt.Appendf(nil, small, ""))
	f.Add(fmt.Appendf(nil, small, `,"components":[{"id":"c","name":"c","position":0,"state":"operational","days":[{"from":"2026-01-01","to":"2026-01-03","seconds":{"operational":86400},"worst":"operational"}]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := transfer.Parse(b, now)
		if err != nil {
			return
		}
		var out bytes.Buffer
		must(t, d.Write(&out))
		if _, err := transfer.Parse(out.Bytes(), now); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		for i := range d.Pages {
			for j := range d.Pages[i].Components {
				d.Pages[i].Components[j].Unpack()
			}
		}
	})
}
