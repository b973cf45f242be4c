package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// What has been recorded of the company's page when the demo begins: so long, and
// in its zone.
const (
	recorded = 200 * 24 * time.Hour
	pageZone = "Europe/Berlin"
)

// part is one component: its name, what it stands for in the engine, and what
// becomes of the page when that has a problem.
type part struct {
	key, group  string
	name, about string
	bound       status.Binding
	bad         []spell
}

// spell is a time in which a component was not well: so many days ago, from that
// hour on.
type spell struct {
	days, hour, minutes int
	state               status.State
	by                  string
}

// The days of the two things that the page tells about.
const (
	badDay  = 9  // the incident
	workDay = 23 // the maintenance that is over
	soonDay = 4  // the one that is announced, in days from now
)

// parts are the company's components, as visitors know them, with troubles as
// they come in half a year.
func parts() []part {
	const wan, disk = "alert branch-north", "alert Disk /var on db01"
	return []part{
		{"shop", "front", "Shop", "Browsing, the basket and the checkout", status.Binding{Hosts: []string{"shop*"}, Incident: "draft"}, []spell{
			{badDay, 14, 25, status.Degraded, "alert HTTPS on shop01"}, {31, 3, 9, status.Major, "alert HTTPS on shop01"}, {58, 19, 44, status.Degraded, "alert HTTPS on shop02"},
			{112, 11, 17, status.Partial, "alert HTTPS on shop01"}, {163, 8, 31, status.Degraded, "alert HTTPS on shop02"},
		}},
		{"orders", "front", "Orders", "Placing orders, and seeing where they are", status.Binding{Hosts: []string{"db*"}, Incident: "publish", After: 1,
			States: map[string]status.State{"warning": status.Degraded, "critical": status.Partial}}, []spell{
			{badDay, 14, 38, status.Major, "Mira Sand"}, {workDay, 21, 60, status.Maintained, "maintenance Move to the new database servers"},
			{44, 6, 12, status.Degraded, disk}, {77, 16, 95, status.Partial, "alert Replication on db02"}, {131, 22, 21, status.Degraded, disk}, {171, 5, 53, status.Partial, disk},
		}},
		{"erp", "back", "Deliveries", "Handing orders to the carriers", status.Binding{Hosts: []string{"erp*"}}, []spell{
			{badDay, 15, 50, status.Degraded, "Mira Sand"}, {65, 2, 140, status.Degraded, "alert Backup on erp01"}, {149, 1, 75, status.Degraded, "alert Backup on erp01"},
		}},
		{"mail", "back", "E-mail", "Confirmations, and whoever writes to us", status.Binding{Hosts: []string{"mail*"}}, []spell{
			{17, 9, 80, status.Degraded, "alert Queue on mail01"}, {88, 13, 35, status.Degraded, "alert Queue on mail01"}, {120, 10, 15, status.Partial, "alert mail01"},
		}},
		{"office", "staff", "Head office network", "Cables and Wi-Fi in Hall 1 and Hall 2", status.Binding{Hosts: []string{"switch-*", "wlan-*", "cooling-*"},
			States: map[string]status.State{"down": status.Partial, "critical": status.Partial}}, []spell{
			{26, 12, 28, status.Partial, "alert switch-hall2"}, {101, 7, 190, status.Partial, "alert switch-hall2"},
		}},
		{"north", "staff", "Branch North", "", status.Binding{Hosts: []string{"branch-north"}, HoldDown: 5}, []spell{
			{5, 17, 22, status.Partial, wan}, {12, 8, 47, status.Partial, wan}, {38, 20, 260, status.Major, wan}, {71, 4, 33, status.Partial, wan}, {140, 9, 90, status.Major, wan},
		}},
		{"vpn", "staff", "VPN", "Working from elsewhere", status.Binding{Hosts: []string{"vpn*"}}, []spell{
			{49, 18, 40, status.Degraded, "alert Tunnels on vpn01"}, {95, 18, 66, status.Major, "alert Tunnels on vpn01"},
		}},
		{"print", "staff", "Printing", "A downtime of a printer is announced here by itself", status.Binding{Hosts: []string{"printer-*"}, Downtime: true}, []spell{
			{3, 10, 45, status.Maintained, "maintenance Work on printer-3f"}, {60, 15, 30, status.Maintained, "maintenance Work on printer-3f"},
		}},
	}
}

// publicPage makes the company's status page, in one go: components bound to the
// simulated engine, what has been recorded of them, an incident and a maintenance
// of the past, and one that is announced. Where there is a page already, it is left
// as it is.
func publicPage(ctx context.Context, a *app.App, sourceID string) error {
	db := a.Store()
	have, err := db.StatusPages(ctx)
	if err != nil || len(have) > 0 {
		return err //nolint:wrapcheck // says what it was
	}
	desk, err := app.NewDesk(db)
	if err != nil {
		return err //nolint:wrapcheck // the constructor's own words
	}
	p, err := company(sourceID, time.Now())
	if err != nil {
		return err
	}
	_, err = desk.Import(ctx, publish.Who{Name: "Tocsin, for the demo"}, p, publish.ImportOptions{})
	return err //nolint:wrapcheck // says which field
}

// company is the page with all that is on it.
func company(sourceID string, now time.Time) (*transfer.Page, error) {
	zone, err := time.LoadLocation(pageZone)
	if err != nil {
		return nil, fmt.Errorf("load the zone of the page: %w", err)
	}
	now = now.In(zone).Truncate(time.Second)
	begin := now.Add(-recorded)
	p := &transfer.Page{
		ID: publish.MainPage, Slug: "harbour", Main: true, Name: "Harbour Shop", Language: "en", Zone: pageZone, Accent: "#0f6b7a", Created: begin,
		About: "How our shop and what is behind it are doing. It follows the monitoring by itself; people write what else there is to say.",
		Kept:  begin, Closed: now.AddDate(0, 0, -1).Format(status.DateFormat),
	}
	groups := map[string]string{}
	for i, g := range []struct {
		key, above, name, about string
		open                    bool
	}{
		{"front", "", "Web shop", "", true}, {"back", "front", "Behind the shop", "What orders need after they are placed", true}, {"staff", "", "For our staff", "", false},
	} {
		groups[g.key] = newID()
		p.Groups = append(p.Groups, transfer.Group{ID: groups[g.key], ParentID: groups[g.above], Name: g.name, About: g.about, Position: i, Open: g.open, Created: begin})
	}
	ids := map[string]string{}
	for i, c := range parts() {
		ids[c.key] = newID()
		c.bound.SourceIDs = []string{sourceID}
		history := recordOf(ids[c.key], c.bad, begin, now)
		days := status.Days(ids[c.key], history, zone, begin, now)
		one := &status.Component{ID: ids[c.key], GroupID: groups[c.group], Name: c.name, About: c.about, Position: i, State: status.Operational,
			Since: history[len(history)-1].Start, Created: begin, Bindings: []status.Binding{c.bound}}
		p.Components = append(p.Components, transfer.ComponentOf(one, history, days[:len(days)-1]))
	}
	p.Incidents = []transfer.Incident{incident(ids, now)}
	p.Maintenances = maintenances(ids, now)
	p.Templates = templates(ids)
	return p, nil
}

// ago is a time of day, so many days back or, where negative, ahead.
func ago(now time.Time, days, hour, minute int) time.Time {
	return time.Date(now.Year(), now.Month(), now.Day()-days, hour, minute, 0, 0, now.Location())
}

// recordOf is what was recorded of a component: it was well but for its spells.
func recordOf(id string, bad []spell, begin, now time.Time) []status.Interval {
	var out []status.Interval
	at := begin
	for _, s := range slices.Backward(bad) { // the oldest first
		from := ago(now, s.days, s.hour, 0)
		to := from.Add(time.Duration(s.minutes) * time.Minute)
		out = append(out, status.Interval{ComponentID: id, State: status.Operational, Start: at, End: from, By: "monitoring"},
			status.Interval{ComponentID: id, State: s.state, Start: from, End: to, By: s.by})
		at = to
	}
	return append(out, status.Interval{ComponentID: id, State: status.Operational, Start: at, By: "monitoring"})
}

// incident is the one that the page looks back to.
func incident(ids map[string]string, now time.Time) transfer.Incident {
	at := func(hour, minute int) time.Time { return ago(now, badDay, hour, minute) }
	const who = "Mira Sand"
	change := func(key string, from, to status.State) transfer.Change {
		return transfer.Change{ComponentID: ids[key], From: from, To: to}
	}
	return transfer.Incident{
		ID: newID(), Title: "Orders could not be placed", Phase: status.Postmortem, Impact: status.ImpactMajor, Created: at(14, 4), Started: at(14, 0), ResolvedAt: at(15, 50),
		Components: []string{ids["orders"], ids["shop"], ids["erp"]},
		Updates: []transfer.Update{
			{ID: newID(), Phase: status.Investigating, At: at(14, 4), By: who, Changes: []transfer.Change{change("orders", status.Operational, status.Major), change("shop", status.Operational, status.Degraded)},
				Body: "Orders are refused at the moment. What is in your basket stays there. We are looking for the cause."},
			{ID: newID(), Phase: status.Identified, At: at(14, 21), By: who, Body: "The disk of the database that takes orders is full. We are making room."},
			{ID: newID(), Phase: status.Monitoring, At: at(14, 38), By: who, Changes: []transfer.Change{change("orders", status.Major, status.Operational), change("shop", status.Degraded, status.Operational)},
				Body: "Orders can be placed again. Handing them to the carriers is still **slower than usual**."},
			{ID: newID(), Phase: status.Resolved, At: at(15, 50), By: who, Changes: []transfer.Change{change("erp", status.Degraded, status.Operational)}, Body: "All orders of the afternoon are on their way. We are sorry for the trouble."},
		},
		Postmortem: "## What happened\n\nThe backup of the night before had stayed on the database server. Early in the afternoon its disk was full, and for 38 minutes no order could be written.\n\n" +
			"## Why it took so long\n\nThe disk had warned at 12 %, but only by e-mail to people who were at lunch.\n\n" +
			"## What we have changed\n\n- Backups are moved away as soon as they are made.\n- A disk that warns is a push notification to whoever is on duty, and stays one until somebody acknowledges it.\n",
	}
}

// maintenances are one that is over and one to come.
func maintenances(ids map[string]string, now time.Time) []transfer.Maintenance {
	over := func(hour int) time.Time { return ago(now, workDay, hour, 0) }
	soon := ago(now, -soonDay, 22, 0)
	return []transfer.Maintenance{
		{
			ID: newID(), Title: "Move to the new database servers", Phase: status.Completed, Impact: status.ImpactMinor, Components: []string{ids["orders"]},
			Start: over(21), End: over(22), Ended: over(22), AutoStart: true, AutoEnd: true, Reminded: []string{status.RemindDay, status.RemindHour}, Created: ago(now, workDay+7, 10, 0),
			Updates: []transfer.Update{
				{ID: newID(), Phase: status.Scheduled, At: ago(now, workDay+7, 10, 0), By: "Jonas Feld", Body: "For up to an hour orders cannot be placed."},
				{ID: newID(), Phase: status.InProgress, At: over(21), By: "the clock", Body: "The work has begun."},
				{ID: newID(), Phase: status.Completed, At: over(22), By: "the clock", Body: "The work is done."},
			},
		},
		{
			ID: newID(), Title: "New switch in Hall 2", Phase: status.Scheduled, Impact: status.ImpactMinor, Components: []string{ids["office"], ids["print"]},
			Start: soon, End: soon.Add(2 * time.Hour), AutoStart: true, AutoEnd: true, Created: ago(now, 1, 9, 30),
			Updates: []transfer.Update{{ID: newID(), Phase: status.Scheduled, At: ago(now, 1, 9, 30), By: "Jonas Feld",
				Body: "The network in Hall 2 is away for some minutes twice. **The shop is not concerned.**"}},
		},
	}
}

// templates are texts that an editor finds prepared.
func templates(ids map[string]string) []transfer.Template {
	return []transfer.Template{
		{ID: newID(), Name: "Orders: first word", Title: "Orders are slow or fail", Phase: status.Investigating, Impact: status.ImpactMajor, Components: []string{ids["orders"]},
			Body: "Some orders are slow or fail at the moment. What is in your basket stays there. We are looking for the cause."},
		{ID: newID(), Name: "All is well again", Phase: status.Resolved, Impact: status.ImpactNone, Body: "Everything works again. We are sorry for the trouble."},
	}
}
