package publish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

func TestAnIncidentFromItsBeginToItsPostmortem(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api, web := r.component("API Service"), r.component("Website")
		r.visitor(1, push.Want{})
		r.visitor(2, push.Want{Components: []string{web.ID}})
		r.visitor(3, push.Want{MinImpact: push.ImpactCritical})
		r.pass(time.Hour)

		reach, err := r.desk.Reach(ctx, r.page.ID, push.IncidentNew, status.ImpactMajor, []string{api.ID}, "")
		must(t, err)
		same(t, "to be told", reach.Channels["webpush"], 1)
		reach, err = r.desk.Reach(ctx, r.page.ID, push.ComponentDown, status.ImpactMajor, []string{api.ID}, "")
		must(t, err)
		same(t, "of components", reach.On || reach.Channels["webpush"] > 0, false)

		before := r.version()
		i, told, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Card payments are refused", Impact: status.ImpactMajor,
			Note: publish.Note{Body: "We are **looking** into it.", At: begin.Add(30 * time.Minute), Changes: []status.Change{{ComponentID: api.ID, To: status.Major}}}})
		must(t, err)
		same(t, "messages", len(told.Publications), 1)
		same(t, "version", r.version() > before, true)
		same(t, "state", r.state(api.ID).State, status.Major)
		same(t, "by hand", r.state(api.ID).ByHand, true)
		same(t, "since", r.state(api.ID).Since, begin.Add(30*time.Minute))
		same(t, "components", i.Components[0], api.ID)
		if d := cmp.Diff([]string{"incident_new 🔴 Major outage: Card payments are refused"}, r.published()); d != "" {
			t.Fatal(d)
		}
		p, _, err := r.db.Publication(ctx, told.Publications[0])
		must(t, err)
		same(t, "address", p.URL, "/incidents/"+i.ID)
		same(t, "topic", p.Topic, i.ID)
		same(t, "in German", p.Texts["de"].Title, "🔴 Ausfall: Card payments are refused")

		r.pass(time.Hour)
		i, told, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Phase: status.Identified, Body: "A switch is being replaced.", Silent: true})
		must(t, err)
		same(t, "messages of a silent update", len(told.Publications), 0)
		r.pass(time.Hour)
		i, _, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Phase: status.Resolved, Body: "All is well.", Restore: true})
		must(t, err)
		same(t, "resolved", i.ResolvedAt, *r.clock)
		same(t, "state", r.state(api.ID).State, status.Operational)
		same(t, "what it was", i.Updates[2].Changes[0].From, status.Major)
		containsAll(t, "messages", r.published(), "incident_resolved 🟢 Resolved: Card")

		list, err := r.db.StatusIntervals(ctx, api.ID, time.Time{})
		must(t, err)
		want := []status.Interval{
			{ComponentID: api.ID, State: status.Operational, Start: begin, End: begin.Add(30 * time.Minute), By: "Mira Sand"},
			{ComponentID: api.ID, State: status.Major, Start: begin.Add(30 * time.Minute), End: begin.Add(3 * time.Hour), By: "Mira Sand"},
			{ComponentID: api.ID, State: status.Operational, Start: begin.Add(3 * time.Hour), By: "Mira Sand"},
		}
		if d := cmp.Diff(want, list); d != "" {
			t.Fatal(d)
		}
		_, err = r.desk.Postmortem(ctx, mira, i.ID, "What we **learned**.", true)
		must(t, err)
		got, err := r.db.Incident(ctx, i.ID)
		must(t, err)
		same(t, "phase", got.Phase, status.Postmortem)
		same(t, "updates", len(got.Updates), 3)
		same(t, "told silently", got.Updates[1].Silent, true)

		is, _, err := r.db.StatusMonth(ctx, r.page.ID, begin.AddDate(0, 0, -1), begin.AddDate(0, 0, 1))
		must(t, err)
		same(t, "of the month", len(is), 1)
		is, _, err = r.db.StatusMonth(ctx, r.page.ID, begin.AddDate(0, 0, 1), begin.AddDate(0, 1, 0))
		must(t, err)
		same(t, "of another", len(is), 0)

		t.Run("every change is in the audit trail with before and after", func(t *testing.T) {
			trail, _, err := r.db.StatusAudit(ctx, publish.AuditFilter{SubjectID: i.ID})
			must(t, err)
			same(t, "lines", len(trail), 4)
			same(t, "who", trail[0].By+" "+trail[0].UserID, "Mira Sand u1")
			same(t, "before", strings.Contains(string(trail[1].Before), `"phase":"identified"`), true)
			same(t, "after", strings.Contains(string(trail[1].After), "All is well."), true)
		})
	})
}

func TestADraftIsShownToNobodyUntilItIsPublished(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		v := r.version()
		open := func() status.Incident {
			i, told, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Slow", Draft: true,
				Note: publish.Note{Body: "It is slow.", Changes: []status.Change{{ComponentID: api.ID, To: status.Degraded}}}})
			must(t, err)
			same(t, "messages", len(told.Publications), 0)
			return i
		}
		i := open()
		same(t, "version", r.version(), v)
		same(t, "state", r.state(api.ID).State, status.Operational)
		same(t, "shown", len(r.record().Incidents), 0)
		i, told, err := r.desk.PublishDraft(ctx, mira, i.ID, false)
		must(t, err)
		same(t, "messages", len(told.Publications), 1)
		same(t, "state", r.state(api.ID).State, status.Degraded)
		same(t, "shown", len(r.record().Incidents), 1)
		_, _, err = r.desk.PublishDraft(ctx, mira, i.ID, false)
		wants(t, err, fault.ErrNotFound)
		wants(t, r.desk.DiscardDraft(ctx, mira, i.ID), fault.ErrNotFound)
		other := open()
		must(t, r.desk.DiscardDraft(ctx, mira, other.ID))
		_, err = r.db.Incident(ctx, other.ID)
		wants(t, err, fault.ErrNotFound)
	})
}

func TestBadInputIsRefusedAndNothingIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		elsewhere, err := r.desk.SavePage(ctx, mira, status.Page{Slug: "other", Name: "Other", Zone: "UTC"})
		must(t, err)
		foreign, err := r.desk.SaveComponent(ctx, mira, status.Component{PageID: elsewhere.ID, Name: "Foreign"})
		must(t, err)
		lines, v := len(r.lines()), r.version()
		note := publish.Note{Body: "b"}
		for field, o := range map[string]publish.Opening{
			"title":                   {Title: " ", Note: note},
			"updates[0].body":         {Title: "x", Note: publish.Note{Body: strings.Repeat("x", 1<<20)}},
			"impact":                  {Title: "x", Impact: "bad", Note: note},
			"components[0]":           {Title: "x", Components: []string{foreign.ID}, Note: note},
			"at":                      {Title: "x", Started: begin, Note: publish.Note{Body: "b", At: begin.Add(-time.Hour)}},
			"started":                 {Title: "x", Started: begin.Add(time.Hour), Note: publish.Note{Body: "b", At: begin.Add(2 * time.Hour)}},
			"changes[0].to":           {Title: "x", Note: publish.Note{Body: "b", Changes: []status.Change{{ComponentID: api.ID, To: status.Maintained}}}},
			"changes[0].component_id": {Title: "x", Note: publish.Note{Body: "b", Changes: []status.Change{{ComponentID: foreign.ID, To: status.Major}}}},
		} {
			o.PageID = r.page.ID
			_, _, err := r.desk.OpenIncident(ctx, mira, o)
			refused(t, err, field)
		}
		_, _, err = r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: "none", Title: "x", Note: note})
		wants(t, err, fault.ErrNotFound)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Maintained, true)
		refused(t, err, "state")
		_, err = r.desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Twice", Zone: "UTC"})
		wants(t, err, fault.ErrTaken)
		_, err = r.desk.SavePage(ctx, mira, status.Page{Slug: "x", Name: "x", Zone: "Europe/Atlantis"})
		refused(t, err, "zone")
		must(t, func() error {
			_, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "x", Components: []string{api.ID}, Note: note})
			return err
		}())
		err = r.desk.DeleteComponent(ctx, mira, api.ID)
		wants(t, err, fault.ErrInUse)
		same(t, "names it", strings.Contains(err.Error(), "incident “x”"), true)
		same(t, "lines of the audit trail", len(r.lines()), lines+1)
		same(t, "version", r.version(), v+1)
	})
}

func TestPagesGroupsAndOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		same(t, "the first is the main one", r.page.ID, publish.MainPage)
		group := func(name, parent string) status.Group {
			g, err := r.desk.SaveGroup(ctx, mira, status.Group{PageID: r.page.ID, Name: name, ParentID: parent})
			must(t, err)
			return g
		}
		top, inner := group("Top", ""), group("Other", "")
		sub := group("Sub", top.ID)
		_, err := r.desk.SaveGroup(ctx, mira, status.Group{PageID: r.page.ID, Name: "Third", ParentID: sub.ID})
		refused(t, err, "parent_id")
		a, b := r.component("A"), r.component("B")
		must(t, r.desk.Reorder(ctx, mira, r.page.ID, []publish.Place{{ID: inner.ID}, {ID: top.ID}}, []publish.Place{{ID: b.ID, ParentID: sub.ID}, {ID: a.ID}}))
		rec := r.record()
		same(t, "first group", rec.Groups[0].ID, inner.ID)
		same(t, "first component", rec.Components[0].ID, b.ID)
		same(t, "its group", rec.Components[0].GroupID, sub.ID)
		refused(t, r.desk.Reorder(ctx, mira, r.page.ID, []publish.Place{{ID: top.ID, ParentID: top.ID}}, nil), "parent_id")
		must(t, r.desk.DeleteGroup(ctx, mira, sub.ID))
		same(t, "moved up", r.record().Components[0].GroupID, top.ID)

		r.pass(time.Second)
		other, err := r.desk.SavePage(ctx, mira, status.Page{Slug: "other", Name: "Other", Zone: "UTC", Private: status.Private{PasswordHash: "secret-hash"}})
		must(t, err)
		other.Main = true
		_, err = r.desk.SavePage(ctx, mira, other)
		must(t, err)
		pages, err := r.db.StatusPages(ctx)
		must(t, err)
		same(t, "main", pages[0].Main, false)
		same(t, "main", pages[1].Main, true)
		same(t, "password", pages[1].Private.PasswordHash, "secret-hash")
		trail, _, err := r.db.StatusAudit(ctx, publish.AuditFilter{PageID: other.ID})
		must(t, err)
		for _, l := range trail {
			if strings.Contains(string(l.Before)+string(l.After), "secret-hash") {
				t.Error("the audit trail has a secret")
			}
		}
		must(t, r.desk.DeletePage(ctx, mira, r.page.ID))
		_, err = r.db.StatusRecord(ctx, r.page.ID)
		wants(t, err, fault.ErrNotFound)
		containsAll(t, "lines", r.lines(), "page.delete", "page.order", "group.delete")

		t.Run("a logo is a picture and nothing else", func(t *testing.T) {
			refused(t, r.desk.SetLogo(ctx, mira, other.ID, []byte("<svg onload=alert(1)>")), "logo")
			refused(t, r.desk.SetLogo(ctx, mira, other.ID, make([]byte, publish.MaxImage+1)), "logo")
			must(t, r.desk.SetLogo(ctx, mira, other.ID, dot()))
			must(t, r.desk.SetLogo(ctx, mira, other.ID, dot()))
			pages, err := r.db.StatusPages(ctx)
			must(t, err)
			i, err := r.db.StatusImage(ctx, pages[0].Logo)
			must(t, err)
			same(t, "kind", i.Kind, "image/png")
		})
		t.Run("a template has a name of its own", func(t *testing.T) {
			tpl := publish.Template{PageID: other.ID, Name: "Network", Title: "Network trouble", Body: "We are looking."}
			saved, err := r.desk.SaveTemplate(ctx, mira, tpl)
			must(t, err)
			tpl.Name = "NETWORK"
			_, err = r.desk.SaveTemplate(ctx, mira, tpl)
			wants(t, err, fault.ErrTaken)
			list, err := r.db.StatusTemplates(ctx, other.ID)
			must(t, err)
			if d := cmp.Diff([]publish.Template{saved}, list); d != "" {
				t.Fatal(d)
			}
			must(t, r.desk.DeleteTemplate(ctx, mira, saved.ID))
		})
	})
}

func TestMessagesOfAPrivatePageTellNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.page.Private.SignedIn = true
		var err error
		r.page, err = r.desk.SavePage(ctx, mira, r.page)
		must(t, err)
		i, told, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Secret plans", Note: publish.Note{Body: "Secret words."}})
		must(t, err)
		p, _, err := r.db.Publication(ctx, told.Publications[0])
		must(t, err)
		for _, text := range p.Texts {
			same(t, "title", text.Title, "Sandbank")
			same(t, "secret", strings.Contains(text.Body, "ecret"), false)
		}
		same(t, "address", p.URL, "/incidents/"+i.ID)
	})
}

func TestAChangeThatFailsLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api, web := r.component("API"), r.component("Website")
		lines, v := len(r.lines()), r.version()
		// The second change is refused after the first was made.
		_, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: strings.Repeat("x", 201), Note: publish.Note{Body: "b",
			Changes: []status.Change{{ComponentID: api.ID, To: status.Major}, {ComponentID: web.ID, To: status.Major}}}})
		refused(t, err, "title")
		same(t, "state", r.state(api.ID).State, status.Operational)
		same(t, "lines", len(r.lines()), lines)
		same(t, "version", r.version(), v)
		same(t, "messages", len(r.published()), 0)
	})
}

func TestUpdatesAreCorrectedWithoutTellingAnybody(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "x", Note: publish.Note{Body: "tpyo"}})
		must(t, err)
		r.pass(time.Hour)
		i, _, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Phase: status.Resolved, Body: "over", Silent: true})
		must(t, err)
		must(t, r.desk.EditUpdate(ctx, mira, publish.OfIncident, i.ID, i.Updates[0].ID, "typo", time.Time{}))
		must(t, r.desk.EditUpdate(ctx, mira, publish.OfIncident, i.ID, i.Updates[1].ID, "over", begin.Add(30*time.Minute)))
		got, err := r.db.Incident(ctx, i.ID)
		must(t, err)
		same(t, "body", got.Updates[0].Body, "typo")
		same(t, "resolved", got.ResolvedAt, begin.Add(30*time.Minute))
		same(t, "messages", len(r.published()), 1)
		refused(t, r.desk.EditUpdate(ctx, mira, publish.OfIncident, i.ID, i.Updates[1].ID, "over", begin.Add(-time.Hour)), "at")
		refused(t, r.desk.EditUpdate(ctx, mira, publish.OfIncident, i.ID, i.Updates[1].ID, " ", time.Time{}), "updates[1].body")
		wants(t, r.desk.EditUpdate(ctx, mira, publish.OfIncident, i.ID, "none", "b", time.Time{}), fault.ErrNotFound)
		same(t, "not this one's", r.desk.EditUpdate(ctx, mira, publish.OfMaintenance, i.ID, "none", "b", time.Time{}) != nil, true)
		v := r.version()
		must(t, r.desk.DeleteIncident(ctx, mira, i.ID))
		same(t, "version", r.version(), v+1)
	})
}
