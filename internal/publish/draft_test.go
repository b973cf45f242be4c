package publish_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

func TestADraftIsWrittenAnewBeforeItIsPublished(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api, web := r.component("API"), r.component("Website")
		i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Slow", Draft: true,
			Note: publish.Note{Body: "It is slow.", Changes: []status.Change{{ComponentID: api.ID, To: status.Degraded}}}})
		must(t, err)
		v := r.version()
		r.pass(time.Minute)
		title, impact, about, began := "The website is slow", status.ImpactMajor, []string{web.ID}, begin.Add(-time.Hour)
		edit := publish.Edit{Title: &title, Impact: &impact, Components: &about, Started: &began}
		got, err := r.desk.EditDraft(ctx, mira, i.ID, edit,
			publish.Note{Phase: status.Identified, Body: "It is the website.", Changes: []status.Change{{ComponentID: web.ID, To: status.Partial}}})
		must(t, err)
		same(t, "updates", len(got.Updates), 1)
		same(t, "version", r.version(), v)
		same(t, "state", r.state(web.ID).State, status.Operational)
		stored, err := r.db.Incident(ctx, i.ID)
		must(t, err)
		same(t, "title", stored.Title, title)
		same(t, "phase", stored.Phase, status.Identified)
		same(t, "began", stored.Started.Equal(began), true)
		same(t, "says", stored.Updates[0].Body, "It is the website.")
		trail, _, err := r.db.StatusAudit(ctx, publish.AuditFilter{SubjectID: i.ID})
		must(t, err)
		same(t, "before", strings.Contains(string(trail[0].Before), "It is slow."), true)
		same(t, "after", strings.Contains(string(trail[0].After), "It is the website."), true)

		_, _, err = r.desk.PublishDraft(ctx, mira, i.ID, true)
		must(t, err)
		same(t, "the website", r.state(web.ID).State, status.Partial)
		same(t, "what was taken back", r.state(api.ID).State, status.Operational)
		_, err = r.desk.EditDraft(ctx, mira, i.ID, edit, publish.Note{Body: "Once more."})
		wants(t, err, fault.ErrNotFound)
	})
}

func TestWhatAlertsMadeOfComponentsStaysTheirsInADraft(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		web := r.component("Website", status.Binding{Hosts: []string{"web*"}, Incident: "draft"})
		r.alert("web01", "HTTP", alert.Critical)
		r.watch()
		drafts, err := r.db.Drafts(ctx, r.page.ID)
		must(t, err)
		same(t, "drafts", len(drafts), 1)
		same(t, "by alerts", publish.ByAlerts(&drafts[0].Updates[0]), true)
		got, err := r.desk.EditDraft(ctx, mira, drafts[0].ID, publish.Edit{}, publish.Note{Body: "We see it and are on it."})
		must(t, err)
		same(t, "automatic", got.Automatic, false)
		same(t, "changes", len(got.Updates[0].Changes), 1)
		_, _, err = r.desk.PublishDraft(ctx, mira, drafts[0].ID, true)
		must(t, err)
		same(t, "state", r.state(web.ID).State, status.Major)
		same(t, "by hand", r.state(web.ID).ByHand, false)
		r.alert("web01", "HTTP", alert.OK)
		r.watch()
		same(t, "after the recovery", r.state(web.ID).State, status.Operational)
	})
}
