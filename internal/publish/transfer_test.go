package publish_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// hubs runs a test on both databases; each hub that it opens is a new one.
func hubs(t *testing.T, f func(t *testing.T, fresh func() *rig)) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   database.SQLite,
		"postgres": database.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, func() *rig {
				clock := begin
				db, err := store.Open(t.Context(), store.Options{URL: url(t), Node: "test"})
				must(t, err)
				t.Cleanup(func() { must(t, db.Close()) })
				desk, err := publish.New(db, publish.Options{Now: func() time.Time { return clock }})
				must(t, err)
				return &rig{t: t, db: db, desk: desk, clock: &clock}
			})
		})
	}
}

// written is an export as it stands in a file, without the lines that imports add to
// the audit trail.
func written(t *testing.T, r *rig) *transfer.Document {
	t.Helper()
	doc, err := r.desk.Export(t.Context(), "test")
	must(t, err)
	for i := range doc.Pages {
		doc.Pages[i].Audit = slices.DeleteFunc(doc.Pages[i].Audit, func(a transfer.Audit) bool { return a.What == "page.import" })
	}
	var b bytes.Buffer
	must(t, doc.Write(&b))
	again, err := transfer.Read(&b, *r.clock)
	must(t, err)
	return again
}

func imported(t *testing.T, r *rig, doc *transfer.Document, o publish.ImportOptions) []publish.Imported {
	t.Helper()
	o.Exported = doc.Exported
	o.Locked = func() (string, error) { return "$locked", nil }
	var list []publish.Imported
	for i := range doc.Pages {
		done, err := r.desk.Import(t.Context(), mira, &doc.Pages[i], o)
		must(t, err)
		list = append(list, done)
	}
	return list
}

// dice makes pages that have a bit of everything.
type dice struct {
	*rand.Rand
	n int
}

func (d *dice) id() string { d.n++; return fmt.Sprintf("id-%d-%d", d.IntN(1e9), d.n) }

func (d *dice) text() string {
	return []string{"API", "größer", "a <b> & \"c\"", "日本語", "  x", "line\nline", "**bold** [a](https://example.com)"}[d.IntN(7)] + fmt.Sprint(d.n)
}

func (d *dice) line() string { return strings.TrimSpace(strings.ReplaceAll(d.text(), "\n", " ")) }

func (d *dice) past() time.Time {
	return begin.Add(-time.Duration(d.IntN(400*24*3600*1000)) * time.Millisecond)
}

func (d *dice) maybe(t time.Time) time.Time {
	if d.IntN(2) == 0 {
		return time.Time{}
	}
	return t
}

func pick[T any](d *dice, list ...T) T { return list[d.IntN(len(list))] }

func (d *dice) some(ids []string) (out []string) {
	for _, id := range ids {
		if d.IntN(3) == 0 {
			out = append(out, id)
		}
	}
	return out
}

func (d *dice) yes() bool { return d.IntN(2) == 0 }

func (d *dice) page(slug string) transfer.Page {
	p := transfer.Page{ID: d.id(), Slug: slug, Name: d.line(), About: d.text(), Language: pick(d, "", "de", "pt-BR"), Zone: pick(d, "Europe/Berlin", "UTC", "America/New_York", "Asia/Kathmandu"),
		Accent: pick(d, "", "#1d5fd1"), Support: pick(d, "", "https://example.com/help", "mailto:a@example.com"), Created: d.past(),
		Private: transfer.Private{Password: d.yes(), SignedIn: d.yes(), Networks: pick(d, nil, []string{"10.0.0.0/8"})}}
	if d.yes() {
		p.Triggers = map[string]bool{string(pick(d, push.Kinds()...)): d.yes()}
	}
	if d.yes() {
		p.Host = slug + ".example.com"
	}
	if d.yes() {
		var b bytes.Buffer
		_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2)))
		p.Logo = &transfer.Logo{ID: d.id(), Kind: "image/png", Body: b.Bytes(), Created: d.past()}
	}
	p.Closed = begin.AddDate(0, 0, -1).Format(status.DateFormat)
	p.Kept = d.maybe(d.past())
	var groups, parts []string
	for range d.IntN(4) {
		g := transfer.Group{ID: d.id(), Name: d.line(), About: d.text(), Position: d.IntN(9), Open: d.yes(), Created: d.past()}
		if len(groups) > 0 && d.yes() {
			g.ParentID = groups[0]
		} else {
			groups = append(groups, g.ID)
		}
		p.Groups = append(p.Groups, g)
	}
	for range 1 + d.IntN(4) {
		c := d.component()
		if len(groups) > 0 && d.yes() {
			c.GroupID = pick(d, groups...)
		}
		parts = append(parts, c.ID)
		p.Components = append(p.Components, c)
	}
	parts = append(parts, "deleted-long-ago")
	for range d.IntN(5) {
		p.Incidents = append(p.Incidents, d.incident(parts))
	}
	for range d.IntN(3) {
		s := transfer.Series{ID: d.id(), Title: d.line(), Body: d.text(), Components: d.some(parts[:len(parts)-1]), Impact: status.ImpactMinor, Rule: pick(d, "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU"),
			Zone: "Europe/Berlin", Start: d.past().Truncate(time.Minute), Minutes: 1 + d.IntN(500), Planned: d.maybe(d.past())}
		p.Series = append(p.Series, s)
	}
	for range d.IntN(5) {
		m := d.maintenance(parts)
		if len(p.Series) > 0 && d.yes() {
			m.Series = p.Series[0].ID
		}
		p.Maintenances = append(p.Maintenances, m)
	}
	for n := range d.IntN(3) {
		p.Templates = append(p.Templates, transfer.Template{ID: d.id(), Name: fmt.Sprint("template ", n), Title: d.line(), Body: d.text(), Phase: status.Identified, Impact: status.ImpactMajor, Components: d.some(parts[:len(parts)-1])})
	}
	for range d.IntN(6) {
		a := transfer.Audit{ID: d.id(), At: d.past(), UserID: pick(d, "", "u1"), By: "Mira", What: "incident.open", SubjectID: d.id(), Name: d.line()}
		if d.yes() {
			a.After = json.RawMessage(`{"a":1,"b":"<ü>"}`)
		}
		p.Audit = append(p.Audit, a)
	}
	slices.SortFunc(p.Audit, func(a, b transfer.Audit) int { return strings.Compare(a.ID, b.ID) })
	return p
}

func (d *dice) component() transfer.Component {
	c := transfer.Component{ID: d.id(), Name: d.line(), About: d.text(), Link: pick(d, "", "https://example.com/?a=1&b=2"), Position: d.IntN(9), Hidden: d.yes(), ByHand: d.yes(), Created: d.past()}
	if d.yes() {
		c.Bindings = []status.Binding{{Hosts: []string{"db*"}, Labels: map[string]string{"a": "b"}, States: map[string]status.State{"critical": status.Partial}, HoldDown: 60, Incident: "publish", After: 5, Downtime: true}}
	}
	at := begin.AddDate(0, 0, -30)
	for range 1 + d.IntN(5) {
		end := at.Add(time.Duration(1+d.IntN(5*24*3600*1000)) * time.Millisecond)
		c.Intervals = append(c.Intervals, transfer.Interval{State: pick(d, status.States()...), Start: at, End: end, By: d.line()})
		at = end
	}
	last := &c.Intervals[len(c.Intervals)-1]
	last.End = time.Time{}
	if last.State == status.Maintained {
		last.State = status.Major
	}
	c.State, c.Since = last.State, last.Start
	for n := 200; n > 0; n -= 1 + d.IntN(60) {
		from := begin.AddDate(0, 0, -n)
		to := from.AddDate(0, 0, d.IntN(3))
		if k := len(c.Days); k > 0 && c.Days[k-1].To >= from.Format(status.DateFormat) || n < 5 {
			continue
		}
		bad := 1 + d.IntN(1000)
		c.Days = append(c.Days, transfer.Days{From: from.Format(status.DateFormat), To: to.Format(status.DateFormat), Worst: status.Major,
			Seconds: map[status.State]int{status.Operational: 86400 - bad, status.Major: bad}})
	}
	return c
}

func (d *dice) updates(since time.Time, phases []status.Phase, parts []string) (list []transfer.Update) {
	for range d.IntN(4) {
		since = since.Add(time.Duration(1+d.IntN(1000_000)) * time.Millisecond)
		u := transfer.Update{ID: d.id(), Phase: pick(d, phases...), Body: d.text(), At: since, Posted: since.Add(time.Second), By: "Mira", Silent: d.yes()}
		for _, id := range d.some(parts) {
			u.Changes = append(u.Changes, transfer.Change{ComponentID: id, From: status.Operational, To: status.Partial})
		}
		list = append(list, u)
	}
	return list
}

func (d *dice) incident(parts []string) transfer.Incident {
	i := transfer.Incident{ID: d.id(), Title: d.line(), Phase: status.Identified, Impact: pick(d, status.ImpactNone, status.ImpactCritical), Draft: d.yes(), Automatic: d.yes(), Created: d.past(),
		Started: d.past().Add(-24 * time.Hour), Components: d.some(parts)}
	if d.yes() {
		i.AlertIDs = []string{"a1", "a2"}
		i.PublishAt = d.maybe(begin.Add(time.Hour))
	}
	i.Updates = d.updates(i.Started, []status.Phase{status.Investigating, status.Monitoring}, parts)
	if d.yes() {
		i.Phase, i.ResolvedAt = status.Resolved, i.Started.Add(time.Hour)
		if d.yes() {
			i.Phase, i.Postmortem = status.Postmortem, d.text()
		}
	}
	return i
}

func (d *dice) maintenance(parts []string) transfer.Maintenance {
	m := transfer.Maintenance{ID: d.id(), Title: d.line(), Phase: pick(d, status.Scheduled, status.InProgress, status.Completed, status.Cancelled), Impact: status.ImpactNone, Components: d.some(parts),
		Start: d.past(), AutoStart: d.yes(), AutoEnd: d.yes(), Automatic: d.yes(), Created: d.past(), Reminded: pick(d, nil, []string{"24h"}, []string{"24h", "1h"})}
	m.End = m.Start.Add(time.Duration(1+d.IntN(1000)) * time.Minute)
	if m.Phase == status.Completed || m.Phase == status.Cancelled {
		m.Ended = m.End.Add(time.Second)
	}
	m.Updates = d.updates(m.Start, []status.Phase{status.Scheduled, status.InProgress}, parts)
	return m
}

// ordered is a document in the order in which one is written.
func ordered(t *testing.T, doc *transfer.Document) *transfer.Document {
	t.Helper()
	for n := range doc.Pages {
		p := &doc.Pages[n]
		slices.SortFunc(p.Groups, func(a, b transfer.Group) int { return byPlace(a.Position, b.Position, a.ID, b.ID) })
		slices.SortFunc(p.Components, func(a, b transfer.Component) int { return byPlace(a.Position, b.Position, a.ID, b.ID) })
		slices.SortFunc(p.Incidents, func(a, b transfer.Incident) int {
			return byPlace(int(a.Started.UnixMilli()), int(b.Started.UnixMilli()), a.ID, b.ID)
		})
		slices.SortFunc(p.Maintenances, func(a, b transfer.Maintenance) int {
			return byPlace(int(a.Start.UnixMilli()), int(b.Start.UnixMilli()), a.ID, b.ID)
		})
		slices.SortFunc(p.Series, func(a, b transfer.Series) int { return strings.Compare(a.ID, b.ID) })
	}
	slices.SortFunc(doc.Pages, func(a, b transfer.Page) int {
		return byPlace(int(a.Created.UnixMilli()), int(b.Created.UnixMilli()), a.ID, b.ID)
	})
	var b bytes.Buffer
	must(t, doc.Write(&b))
	again, err := transfer.Read(&b, begin)
	must(t, err)
	return again
}

func byPlace(a, b int, x, y string) int {
	if a != b {
		return a - b
	}
	return strings.Compare(x, y)
}

func TestWhatIsExportedIsImportedWithoutLoss(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		const rounds = 5
		for seed := range uint64(rounds) {
			d := &dice{Rand: rand.New(rand.NewPCG(seed, 7))}
			doc := &transfer.Document{Format: transfer.Format, Version: transfer.Version, Exported: begin, Program: "test", Pages: []transfer.Page{d.page("one"), d.page("two")}}
			doc.Pages[0].Main = true
			given := ordered(t, doc)
			first, second := fresh(), fresh()
			// The main page is the first one that comes.
			slices.SortFunc(doc.Pages, func(a, b transfer.Page) int { return strings.Compare(a.Slug, b.Slug) })
			imported(t, first, doc, publish.ImportOptions{})
			out := written(t, first)
			if diff := cmp.Diff(given, out); diff != "" {
				t.Fatalf("seed %d: what was imported is not what is exported (-given +exported):\n%s", seed, diff)
			}
			slices.SortFunc(out.Pages, func(a, b transfer.Page) int { return strings.Compare(a.Slug, b.Slug) })
			imported(t, second, out, publish.ImportOptions{})
			for _, done := range imported(t, second, out, publish.ImportOptions{}) {
				for what, n := range map[string]publish.Tally{"groups": done.Groups, "components": done.Components, "incidents": done.Incidents, "maintenances": done.Maintenances, "series": done.Series, "templates": done.Templates} {
					if n.New+n.Changed != 0 {
						t.Fatalf("seed %d: a second import changes %s: %+v", seed, what, n)
					}
				}
			}
			if diff := cmp.Diff(given, written(t, second)); diff != "" {
				t.Fatalf("seed %d: after a second round:\n%s", seed, diff)
			}
		}
	})
}

// summary is what a page of Statuspage says.
func summary(status string, updates ...string) []byte {
	return []byte(`{"page":{"id":"y2j98763l56x","name":"Acme","url":"https://acme.statuspage.io","time_zone":"Europe/Berlin"},
	"components":[
	 {"id":"g1","name":"Services","group":true,"status":"operational","position":1,"created_at":"2026-01-01T00:00:00.000Z"},
	 {"id":"c1","name":"API","group_id":"g1","status":"` + status + `","position":1,"created_at":"2026-11-01T00:00:00.000Z"},
	 {"id":"c2","name":"Website","group_id":null,"status":"operational","position":2,"created_at":"2026-11-01T00:00:00.000Z"}],
	"incidents":[{"id":"i1","name":"Slow","status":"identified","impact":"major","created_at":"2026-11-19T10:00:00.000Z","started_at":"2026-11-19T10:00:00.000Z",
	 "incident_updates":[` + strings.Join(updates, ",") + `]}],
	"scheduled_maintenances":[{"id":"m1","name":"Work","status":"scheduled","impact":"none","created_at":"2026-11-19T10:00:00.000Z",
	 "scheduled_for":"2026-11-20T20:00:00.000Z","scheduled_until":"2026-11-20T22:00:00.000Z","components":[{"id":"c2","name":"Website"}],
	 "incident_updates":[{"id":"u9","status":"scheduled","body":"We move.","created_at":"2026-11-19T10:00:00.000Z","display_at":"2026-11-19T10:00:00.000Z"}]}]}`)
}

const (
	firstUpdate = `{"id":"u1","status":"investigating","body":"We look.","created_at":"2026-11-19T10:00:00.000Z","display_at":"2026-11-19T10:00:00.000Z",
	 "affected_components":[{"code":"c1","name":"API","old_status":"operational","new_status":"partial_outage"}]}`
	secondUpdate = `{"id":"u2","status":"identified","body":"A disk.","created_at":"2026-11-19T12:00:00.000Z","display_at":"2026-11-19T12:00:00.000Z","affected_components":null}`
)

func statuspage(t *testing.T, body []byte) *transfer.Page {
	t.Helper()
	p, _, err := transfer.Statuspage(begin, body)
	must(t, err)
	return &p
}

func TestAPageOfOthersComesInAndComesAgain(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		r, ctx := fresh(), t.Context()
		in := func(p *transfer.Page, o publish.ImportOptions) publish.Imported {
			t.Helper()
			done, err := r.desk.Import(ctx, mira, p, o)
			must(t, err)
			return done
		}
		p := statuspage(t, summary("partial_outage", firstUpdate))

		dry := in(p, publish.ImportOptions{DryRun: true})
		same(t, "components of a dry run", dry.Components, publish.Tally{New: 2})
		pages, err := r.db.StatusPages(ctx)
		must(t, err)
		same(t, "pages after a dry run", len(pages), 0)

		done := in(p, publish.ImportOptions{})
		same(t, "page", done.Slug, "acme")
		same(t, "is new", done.New, true)
		same(t, "id of the first page", done.PageID, publish.MainPage)
		r.page.ID = done.PageID
		same(t, "state of a component, by the id that it had", r.state("c1").State, status.Partial)
		rec := r.record()
		same(t, "open incidents", len(rec.Incidents), 1)
		same(t, "maintenances", len(rec.Maintenances), 1)
		same(t, "who is told", strings.Join(r.published(), " "), "")

		zone, _ := time.LoadLocation("Europe/Berlin")
		view := status.Take(rec, zone, begin)
		var days []status.Day
		for _, g := range view.Groups {
			for _, c := range g.Components {
				if c.ID == "c1" {
					days = c.Days
				}
			}
		}
		if n := len(days); n < 2 || days[n-2].Seconds[status.Partial] != 46800 { // from 11:00 to midnight in Berlin
			t.Fatalf("the bars do not show what incidents say: %v", days[len(days)-2:])
		}

		again := in(p, publish.ImportOptions{})
		same(t, "components that come again", again.Components, publish.Tally{Same: 2})
		same(t, "incidents that come again", again.Incidents, publish.Tally{Same: 1})
		same(t, "maintenances that come again", again.Maintenances, publish.Tally{Same: 1})

		// What was decided here stays; what goes on there comes.
		c := r.state("c2")
		c.Name, c.Hidden, c.Bindings = "Shop", true, []status.Binding{{Hosts: []string{"web*"}}}
		_, err = r.desk.SaveComponent(ctx, mira, c)
		must(t, err)
		r.pass(time.Hour)
		more := in(statuspage(t, summary("operational", firstUpdate, secondUpdate)), publish.ImportOptions{Page: "acme"})
		same(t, "incidents", more.Incidents, publish.Tally{Changed: 1})
		same(t, "state", r.state("c1").State, status.Operational)
		same(t, "name", r.state("c2").Name, "Website")
		same(t, "hidden here", r.state("c2").Hidden, true)
		same(t, "bindings", len(r.state("c2").Bindings), 1)
		i, err := r.db.Incident(ctx, "i1")
		must(t, err)
		same(t, "updates", len(i.Updates), 2)

		t.Run("into a second page, with ids of its own", func(t *testing.T) {
			other := in(p, publish.ImportOptions{Page: "copy"})
			same(t, "components", other.Components, publish.Tally{New: 2})
			if i, err := r.db.Incident(ctx, "i1"); err != nil || i.PageID != done.PageID {
				t.Fatalf("the first page's incident is %v, %v", i.PageID, err)
			}
			once := in(p, publish.ImportOptions{Page: "copy"})
			same(t, "components that come again", once.Components, publish.Tally{Same: 2})
		})
		t.Run("a page that was not meant is left alone", func(t *testing.T) {
			_, err := r.desk.SavePage(ctx, mira, status.Page{Slug: "other", Name: "x", Zone: "UTC"})
			must(t, err)
			strange := *p
			strange.Slug, strange.Components, strange.Incidents = "other", []transfer.Component{{ID: "c7", Name: "x", State: status.Operational}}, nil
			_, err = r.desk.Import(ctx, mira, &strange, publish.ImportOptions{})
			refused(t, err, "page")
		})
	})
}

func TestAnExportComesBackOverWhatHappenedSince(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		r, ctx := fresh(), t.Context()
		var err error
		r.page, err = r.desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Private: status.Private{PasswordHash: "secret-hash"}})
		must(t, err)
		c := r.component("API")
		r.pass(time.Hour)
		made, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Slow", Note: publish.Note{Body: "b", Changes: []status.Change{{ComponentID: c.ID, To: status.Degraded}}}})
		must(t, err)
		r.pass(time.Hour)
		doc := written(t, r)
		var b bytes.Buffer
		must(t, doc.Write(&b))
		if strings.Contains(b.String(), "secret-hash") {
			t.Fatal("the password is in the export")
		}
		r.pass(time.Hour)
		_, err = r.desk.SetComponent(ctx, mira, c.ID, status.Major, true)
		must(t, err)
		r.pass(time.Hour)
		title := "Renamed"
		_, err = r.desk.EditIncident(ctx, mira, made.ID, publish.Edit{Title: &title})
		must(t, err)
		told := len(r.published())

		done := imported(t, r, doc, publish.ImportOptions{})
		same(t, "incidents", done[0].Incidents, publish.Tally{Changed: 1})
		i, err := r.db.Incident(ctx, made.ID)
		must(t, err)
		same(t, "title", i.Title, "Slow")
		same(t, "state since the export", r.state(c.ID).State, status.Major)
		list, err := r.db.StatusIntervals(ctx, c.ID, time.Time{})
		must(t, err)
		same(t, "intervals", len(list), 3)
		same(t, "password", r.record().Page.Private.PasswordHash, "secret-hash")
		same(t, "who is told", len(r.published()), told)

		t.Run("a page with a password stays closed where it comes to", func(t *testing.T) {
			other := fresh()
			*other.clock = *r.clock
			done := imported(t, other, doc, publish.ImportOptions{})
			other.page.ID = done[0].PageID
			same(t, "password", other.record().Page.Private.PasswordHash, "$locked")
			if !slices.ContainsFunc(done[0].Notes, func(s string) bool { return strings.Contains(s, "password") }) {
				t.Errorf("notes are %q", done[0].Notes)
			}
			third := fresh()
			*third.clock = *r.clock
			_, err := third.desk.Import(ctx, mira, &doc.Pages[0], publish.ImportOptions{})
			refused(t, err, "private.password")
		})
		t.Run("an id of another page is not taken over", func(t *testing.T) {
			done := imported(t, r, doc, publish.ImportOptions{Page: "second"})
			same(t, "incidents", done[0].Incidents, publish.Tally{New: 1})
			i, err := r.db.Incident(ctx, made.ID)
			must(t, err)
			same(t, "page", i.PageID, r.page.ID)
			same(t, "updates", len(i.Updates), 1)
			again := imported(t, r, doc, publish.ImportOptions{Page: "second"})
			same(t, "incidents that come again", again[0].Incidents, publish.Tally{Same: 1})
			same(t, "audit lines that come again", again[0].Audit, 0)
		})
	})
}
