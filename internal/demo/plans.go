package demo

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/publish"
	"tocsin/internal/storm"
	"tocsin/internal/web"
	"tocsin/internal/window"
)

// zone is where the company is.
const zone = "Europe/Berlin"

// plans makes who is on call, what is done while nobody takes an alert, and the
// maintenance window behind the maintenance that the public page announces.
func plans(ctx context.Context, a *app.App) error {
	db := a.Store()
	all, err := db.Contacts(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	who := map[string]string{}
	for _, c := range all {
		who[c.Name] = c.ID
	}
	monday := time.Now().AddDate(0, 0, -int(time.Now().Weekday()+6)%7-7).Format("2006-01-02")
	evening := contact.Range{From: 18 * 60, To: 24 * 60}
	night := oncall.Layer{Name: "Evenings", ContactIDs: []string{who[dbaName]}, Start: monday + "T00:00", Every: 1, Unit: oncall.Weeks}
	for day := time.Monday; day <= time.Thursday; day++ {
		night.Weekdays[day] = []contact.Range{evening}
	}
	schedules := []oncall.Schedule{
		{ID: newID(), Name: "Operations", Zone: zone, Layers: []oncall.Layer{
			{Name: "Week", ContactIDs: []string{who[opsName], who[dbaName]}, Start: monday + "T09:00", Every: 1, Unit: oncall.Weeks},
		}},
		{ID: newID(), Name: "Web shop", Zone: zone, Layers: []oncall.Layer{
			{Name: "Days", ContactIDs: []string{who[shopName], who[opsName], who[dbaName]}, Start: monday + "T08:00", Every: 1, Unit: oncall.Days}, night,
		}},
	}
	for _, s := range schedules {
		if err := db.SaveSchedule(ctx, s); err != nil {
			return err //nolint:wrapcheck // says what it was
		}
	}
	nobody := escalation.Policy{ID: newID(), Name: "Nobody takes it", Remind: 30, Steps: []escalation.Step{
		{After: 10, ScheduleIDs: []string{schedules[0].ID, schedules[1].ID}}, {After: 20, ContactIDs: []string{who[bossName]}},
	}}
	if err := db.SavePolicy(ctx, nobody); err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	rules, err := db.Rules(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	for _, r := range rules {
		if r.Name == shopRule {
			r.PolicyID = nobody.ID
			if err := db.SaveRule(ctx, r); err != nil {
				return err //nolint:wrapcheck // says what it was
			}
		}
	}
	s, err := db.Settings(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	// Here one engine tells of everything, twice a minute for as long as the demo runs,
	// which would be a storm of its source.
	s.Storm.By = storm.ByHost
	if err := db.SaveSettings(ctx, s); err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	return hall2(ctx, a)
}

// hall2 is the window in which alerts about what the page announces are held back.
func hall2(ctx context.Context, a *app.App) error {
	db := a.Store()
	pages, err := db.StatusPages(ctx)
	if err != nil || len(pages) == 0 {
		return err //nolint:wrapcheck // says what it was
	}
	now := time.Now()
	coming, err := db.Maintenances(ctx, pages[0].ID, now, now.AddDate(0, 0, 2*soonDay))
	if err != nil || len(coming) == 0 {
		return err //nolint:wrapcheck // says what it was
	}
	m := coming[0]
	if len(m.Updates) == 0 {
		return errors.New("the maintenance that is announced says nothing")
	}
	desk, err := app.NewDesk(db)
	if err != nil {
		return err //nolint:wrapcheck // the constructor's own words
	}
	windows := web.WindowDesk{Store: db, Desk: desk, Status: db}
	_, err = windows.Save(ctx, publish.Who{Name: "Jonas Feld"}, window.Window{
		ID: newID(), Name: "Hall 2", Enabled: true, Note: "The network is away for some minutes twice", Zone: "UTC", Start: m.Start.UTC().Format(window.StartFormat),
		Minutes: int(m.End.Sub(m.Start) / time.Minute), Hosts: []string{"switch-hall2", "printer-*", "wlan-*"}, By: "Jonas Feld", Created: now,
		Page: window.Public{PageID: pages[0].ID, Title: m.Title, Body: m.Updates[0].Body, ComponentIDs: m.Components},
	})
	return err //nolint:wrapcheck // says which field
}
