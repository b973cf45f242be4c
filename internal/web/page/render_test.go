package page_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/web/page"
)

var now = time.Date(2026, 11, 22, 12, 34, 0, 0, time.UTC)

// company is a page of 50 components, 90 days and three open incidents.
func company() status.Record { return companyAt(now) }

func companyAt(now time.Time) status.Record { return companyOf(50, now) }

func companyOf(components int, now time.Time) status.Record {
	rnd := rand.New(rand.NewPCG(3, 4))
	r := status.Record{Page: status.Page{ID: "p", Name: "Sandbank Online", Language: "en"}, Days: map[string][]status.Day{}, Intervals: map[string][]status.Interval{}}
	for g := range 6 {
		r.Groups = append(r.Groups, status.Group{ID: fmt.Sprint("g", g), Name: []string{"Website", "Payments", "Accounts", "Mobile apps", "Interfaces", "Back office"}[g], Position: g})
	}
	for i := range components {
		id := fmt.Sprintf("c%02d", i)
		c := status.Component{ID: id, GroupID: fmt.Sprint("g", i%6), Name: fmt.Sprintf("Service %02d", i), State: status.Operational, Position: i}
		switch i {
		case 1:
			c.State = status.Major
		case 6:
			c.State = status.Partial
		case 8:
			c.State = status.Degraded
		}
		if i > components-3 {
			c.GroupID = ""
		}
		r.Components = append(r.Components, c)
		for d := 89; d > 0; d-- {
			day := status.Day{ComponentID: id, Date: now.AddDate(0, 0, -d).Format(status.DateFormat), Worst: status.Operational, Seconds: map[status.State]int{status.Operational: 86400}}
			if i%7 == 3 && d > 60 {
				day.Worst, day.Seconds = status.NoData, map[status.State]int{status.NoData: 86400}
			} else if rnd.IntN(40) == 0 {
				day.Worst = status.States()[1+rnd.IntN(4)]
				n := 60 + rnd.IntN(20000)
				day.Seconds = map[status.State]int{status.Operational: 86400 - n, day.Worst: n}
			}
			r.Days[id] = append(r.Days[id], day)
		}
		r.Intervals[id] = []status.Interval{{ComponentID: id, State: c.State, Start: now.Add(-3 * time.Hour)}}
	}
	for i, title := range []string{"Card payments are refused", "Slow statements", "App shows yesterday's balance"} {
		start := now.Add(-time.Duration(i+1) * time.Hour)
		r.Incidents = append(r.Incidents, status.Incident{ID: fmt.Sprint("i", i), Title: title, Phase: status.Identified, Impact: []status.Impact{status.ImpactCritical, status.ImpactMinor, status.ImpactMajor}[i],
			Started: start, Created: start, Components: []string{"c01", "c07"},
			Updates: []status.Update{{Phase: status.Investigating, Body: "We are **looking** into it.", At: start, Posted: start},
				{Phase: status.Identified, Body: "A switch is being replaced, see [details](https://example.com).", At: start.Add(20 * time.Minute), Posted: start.Add(20 * time.Minute)}}})
	}
	r.Incidents = append(r.Incidents, status.Incident{ID: "old", Title: "Sign-in did not work", Phase: status.Resolved, Impact: status.ImpactMajor, Started: now.AddDate(0, 0, -3), ResolvedAt: now.AddDate(0, 0, -3).Add(time.Hour),
		Updates: []status.Update{{Phase: status.Resolved, Body: "All is well again.", At: now.AddDate(0, 0, -3).Add(time.Hour)}}})
	r.Maintenances = []status.Maintenance{{ID: "m", Title: "New storage", Phase: status.Scheduled, Start: now.AddDate(0, 0, 2), End: now.AddDate(0, 0, 2).Add(2 * time.Hour), Components: []string{"c10"},
		Updates: []status.Update{{Phase: status.Scheduled, Body: "Short interruptions are possible.", At: now}}}}
	return r
}

func TestAPageIsSmallAndSaysWhatIsTrue(t *testing.T) {
	r, err := page.NewRenderer(markdown.New())
	if err != nil {
		t.Fatal(err)
	}
	s := status.Take(company(), time.UTC, now)
	for _, tag := range r.Languages().Tags() {
		body, err := r.Page(s, r.Languages()[tag], time.UTC, page.Place{})
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		_, _ = z.Write(body)
		_ = z.Close()
		t.Logf("%s: %d bytes, %d packed", tag, len(body), packed.Len())
		if packed.Len() > 30<<10 {
			t.Errorf("%s: %d bytes packed", tag, packed.Len())
		}
		if n := strings.Count(string(body), `class="bars"`); n != 50 {
			t.Errorf("%d components", n)
		}
		if strings.Count(string(body), "<script") != 1 || strings.Contains(string(body), "\x01") || strings.Contains(string(body), "\uFFFD") {
			t.Error("a script or a mark is left in it")
		}
		if out := os.Getenv("TOCSIN_TEST_PAGE"); out != "" {
			if err := os.WriteFile(out+tag+".html", body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNamesCannotBreakThePage(t *testing.T) {
	r, err := page.NewRenderer(markdown.New())
	if err != nil {
		t.Fatal(err)
	}
	bad := `"><script>alert(1)</script>{names}`
	rec := status.Record{Page: status.Page{ID: "p", Name: bad, About: bad, Accent: "red;background:url(//x)", Support: "javascript:alert(1)"},
		Groups:     []status.Group{{ID: "g", Name: bad, About: bad}},
		Components: []status.Component{{ID: "c", GroupID: "g", Name: bad, About: bad, Link: "javascript:alert(1)", State: status.Major}},
		Incidents:  []status.Incident{{ID: "i", Title: bad, Phase: status.Identified, Components: []string{"c"}, Updates: []status.Update{{Body: bad}}}}}
	body, err := r.Page(status.Take(rec, time.UTC, now), r.Languages()["en"], time.UTC, page.Place{Stale: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"<script>", "javascript:", "url(//x)"} {
		if strings.Contains(string(body), not) {
			t.Errorf("%s got through", not)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	r, err := page.NewRenderer(markdown.New())
	if err != nil {
		b.Fatal(err)
	}
	rec := company()
	for b.Loop() {
		if _, err := r.Page(status.Take(rec, time.UTC, now), r.Languages()["en"], time.UTC, page.Place{}); err != nil {
			b.Fatal(err)
		}
	}
}
