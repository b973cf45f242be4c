package publish_test

import (
	"testing"

	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
)

func TestTriggersChangeWithoutTheRestOfThePage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		p, err := r.desk.SetTriggers(ctx, mira, r.page.ID, map[string]bool{"maintenance": true, "incident_new": false})
		must(t, err)
		same(t, "maintenance", publish.Triggered(&p, push.Maintenance), true)
		same(t, "a new incident", publish.Triggered(&p, push.IncidentNew), false)
		same(t, "an update, which was not named,", publish.Triggered(&p, push.IncidentUpdate), true)

		renamed := p
		renamed.Name = "Dune"
		renamed, err = r.desk.SavePage(ctx, mira, renamed)
		must(t, err)
		p, err = r.desk.SetTriggers(ctx, mira, r.page.ID, map[string]bool{"incident_new": true})
		must(t, err)
		same(t, "the name that somebody else gave it", p.Name, "Dune")
		same(t, "maintenance, as before,", publish.Triggered(&p, push.Maintenance), true)

		pages, err := r.db.StatusPages(ctx)
		must(t, err)
		same(t, "the stored name", pages[0].Name, "Dune")
		same(t, "the stored trigger", publish.Triggered(&pages[0], push.IncidentNew), true)
		if pages[0].Version <= renamed.Version {
			t.Errorf("the version is %d, as before", pages[0].Version)
		}
		before := pages[0].Version
		_, err = r.desk.SetTriggers(ctx, mira, r.page.ID, map[string]bool{"incident_new": true})
		must(t, err)
		pages, err = r.db.StatusPages(ctx)
		must(t, err)
		same(t, "the version after no change", pages[0].Version, before)
		trail, _, err := r.db.StatusAudit(ctx, publish.AuditFilter{PageID: r.page.ID})
		must(t, err)
		same(t, "the last line of the audit trail", trail[0].What+" by "+trail[0].By, "page.triggers by Mira Sand")
		same(t, "the one before it", trail[1].What, "page.change")

		_, err = r.desk.SetTriggers(ctx, mira, r.page.ID, map[string]bool{"weather": true})
		refused(t, err, "triggers")
		_, err = r.desk.SetTriggers(ctx, mira, "none", map[string]bool{"maintenance": true})
		wants(t, err, fault.ErrNotFound)
	})
}
