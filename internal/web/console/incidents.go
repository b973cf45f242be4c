package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// Where the lists that belong to incidents are.
const (
	templatesPath = "/console/templates"
	auditPath     = incidentsPath + "/audit"
)

// Incidents is what the pages of incidents read besides Status.
type Incidents interface {
	// OpenIncidents are those of a page that have not ended, drafts too, the newest
	// first.
	OpenIncidents(ctx context.Context, pageID string) ([]status.Incident, error)
	// Drafts are those that nobody has published, also when they have ended.
	Drafts(ctx context.Context, pageID string) ([]status.Incident, error)
	// PublicationsAbout are the messages to visitors about an incident, the newest
	// first, each with how far it is.
	PublicationsAbout(ctx context.Context, pageID, topic string, limit int) ([]push.Publication, []push.Progress, error)
}

// incidentRoutes are incidents, their drafts, templates and the audit trail.
func (c *console) incidentRoutes() []routing {
	one := incidentsPath + "/{id}"
	return []routing{
		{"GET " + incidentsPath, auth.ReadConfig, c.incidents},
		{"GET " + incidentsPath + "/new", auth.Publish, c.newIncident},
		{"POST " + incidentsPath + "/new", auth.Publish, c.openIncident},
		{"GET " + incidentsPath + "/preview", auth.Publish, c.previewIncident},
		{"POST " + incidentsPath + "/preview", auth.Publish, c.previewIncident},
		{"POST " + incidentsPath + "/reach", auth.Publish, c.incidentReach},
		{"GET " + one, auth.ReadConfig, c.incident},
		{"GET " + one + "/draft", auth.Publish, c.draft},
		{"POST " + one + "/draft", auth.Publish, c.saveDraft},
		{"POST " + one + "/publish", auth.Publish, c.publishDraft},
		{"GET " + one + "/discard", auth.Publish, c.askDiscardDraft},
		{"POST " + one + "/discard", auth.Publish, c.discardDraft},
		{"GET " + one + "/update", auth.Publish, c.writeUpdate},
		{"POST " + one + "/update", auth.Publish, c.postUpdate},
		{"GET " + one + "/edit", auth.Publish, c.editIncident},
		{"POST " + one + "/edit", auth.Publish, c.saveIncident},
		{"GET " + one + "/updates/{update}", auth.Publish, c.editUpdate},
		{"POST " + one + "/updates/{update}", auth.Publish, c.saveUpdate},
		{"GET " + one + "/postmortem", auth.Publish, c.postmortem},
		{"POST " + one + "/postmortem", auth.Publish, c.savePostmortem},
		{"GET " + one + "/delete", auth.Publish, c.askDeleteIncident},
		{"POST " + one + "/delete", auth.Publish, c.deleteIncident},

		{"GET " + templatesPath, auth.ReadConfig, c.incidentTemplates},
		{"GET " + templatesPath + "/{id}", auth.ReadConfig, c.incidentTemplate},
		{"POST " + templatesPath + "/{id}", auth.WriteConfig, c.saveIncidentTemplate},
		{"GET " + templatesPath + "/{id}/delete", auth.WriteConfig, c.askDeleteIncidentTemplate},
		{"POST " + templatesPath + "/{id}/delete", auth.WriteConfig, c.deleteIncidentTemplate},

		{"GET " + auditPath, auth.ReadConfig, c.audit},
	}
}

// incidentTabs are the lists that belong to incidents; On is the one that shows.
type incidentTabs struct{ On, Query string }

type incidentsView struct {
	shell
	Choice pageChoice
	Public string // address of the page
	Drafts []incidentCard
	Open   []incidentCard
	Past   []incidentCard
	Month  string
	Months monthsView
}

// monthsView leads to the months beside one.
type monthsView struct{ Earlier, Later, Name, Newest string }

// incidentCard is one incident in a list.
type incidentCard struct {
	status.Incident
	Page       status.Page
	Names      []string // of its components
	Last       *status.Update
	Alerts     []alert.Alert
	MoreAlerts int
	Lasted     string
	Phases     []option // of the next update
	Public     string   // address of what visitors see
	Key        string   // names one sending of the form beside
	Seen       string   // what that form was drawn from
}

// mostAlerts is how many alerts stand beside an incident; the others are counted.
const mostAlerts = 8

func (c *console) incidents(w http.ResponseWriter, v *visit) error {
	choice, err := c.choosePage(v)
	if err != nil {
		return err
	}
	view := incidentsView{shell: c.shell(w, v, incidentsPath, "Incidents"), Choice: choice}
	if choice.Page.ID == "" {
		return c.show(w, v, "incidents", view)
	}
	ctx, p := v.Context(), choice.Page
	view.Public = publicAddress(p, "/")
	names, err := c.partNames(ctx, p.ID)
	if err != nil {
		return err
	}
	drafts, err := c.Store.Drafts(ctx, p.ID)
	if err != nil {
		return err
	}
	open, err := c.Store.OpenIncidents(ctx, p.ID)
	if err != nil {
		return err
	}
	for i := range drafts {
		card := c.card(p, &drafts[i], names)
		if card.Alerts, card.MoreAlerts, err = c.alertsOf(ctx, drafts[i].AlertIDs, mostAlerts); err != nil {
			return err
		}
		view.Drafts = append(view.Drafts, card)
	}
	for i := range open {
		if !open[i].Draft {
			view.Open = append(view.Open, c.card(p, &open[i], names))
		}
	}
	past, months, err := c.pastMonth(v, p)
	if err != nil {
		return err
	}
	view.Months = months
	for i := range past {
		if incidentOver(past[i].Phase) {
			view.Past = append(view.Past, c.card(p, &past[i], names))
		}
	}
	return c.show(w, v, "incidents", view)
}

// pastMonth are the incidents that began in the month that the address names, the
// newest first.
func (c *console) pastMonth(v *visit, p status.Page) ([]status.Incident, monthsView, error) {
	zone := zoneOf(p.Zone)
	now := v.now.In(zone)
	this := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, zone)
	of := this
	if t, err := time.ParseInLocation("2006-01", v.URL.Query().Get("month"), zone); err == nil && !t.After(this) && t.Year() > 1970 {
		of = t
	}
	from, to := of, of.AddDate(0, 1, 0)
	list, _, err := c.Store.StatusMonth(v.Context(), p.ID, from, to)
	slices.Reverse(list)
	at := func(t time.Time) string {
		q := url.Values{"month": {t.Format("2006-01")}}
		if !p.Main {
			q.Set("page", p.ID)
		}
		return incidentsPath + "?" + q.Encode() + "#past"
	}
	m := monthsView{Name: of.Format("January 2006"), Earlier: at(of.AddDate(0, -1, 0))}
	if of.Before(this) {
		m.Later, m.Newest = at(to), at(this)
	}
	return list, m, err
}

func incidentOver(p status.Phase) bool { return p == status.Resolved || p == status.Postmortem }

// partNames are the names of a page's components by their ids.
func (c *console) partNames(ctx context.Context, pageID string) (map[string]string, error) {
	_, parts, err := c.Store.StatusParts(ctx, pageID)
	names := make(map[string]string, len(parts))
	for i := range parts {
		names[parts[i].ID] = parts[i].Name
	}
	return names, err
}

func namesOf(ids []string, names map[string]string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if n := names[id]; n != "" {
			out = append(out, n)
		} else {
			out = append(out, "a deleted component")
		}
	}
	return out
}

func (c *console) card(p status.Page, i *status.Incident, names map[string]string) incidentCard {
	card := incidentCard{Incident: *i, Page: p, Names: namesOf(i.Components, names), Public: publicAddress(p, "/incidents/"+i.ID), Key: c.NewID(),
		Phases: phaseOptions(nextPhase(i.Phase))}
	if n := len(i.Updates); n > 0 {
		card.Last = &i.Updates[n-1]
	}
	w := &writing{mode: writeUpdate, stored: *i, zone: zoneOf(p.Zone)}
	if i.Draft {
		w.mode = writeDraft
	}
	card.Seen = seenAs(w.seen())
	if incidentOver(i.Phase) && !i.ResolvedAt.IsZero() {
		card.Lasted = length(i.ResolvedAt.Sub(i.Started))
	}
	return card
}

// nextPhase is where an update most likely leads: on, never back.
func nextPhase(p status.Phase) status.Phase {
	switch p {
	case status.Resolved, status.Postmortem:
		return status.Investigating
	case "":
		return status.Investigating
	}
	return p
}

// alertsOf are alerts by their ids, those that are still open first; those that
// were forgotten since are left out. more is how many there are besides.
func (c *console) alertsOf(ctx context.Context, ids []string, most int) (list []alert.Alert, more int, err error) {
	if n := len(ids) - 200; n > 0 { // a storm has thousands: who reads wants some
		more, ids = n, ids[n:]
	}
	for _, id := range ids {
		a, err := c.Store.Alert(ctx, id)
		switch {
		case err == nil:
			list = append(list, a)
		case !isNotFound(err):
			return nil, 0, err
		}
	}
	slices.SortStableFunc(list, func(a, b alert.Alert) int {
		if a.Open() != b.Open() {
			if a.Open() {
				return -1
			}
			return 1
		}
		return b.Since.Compare(a.Since)
	})
	if len(list) > most {
		list, more = list[:most], more+len(list)-most
	}
	return list, more, nil
}
