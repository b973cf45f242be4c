package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

type incidentView struct {
	shell
	incidentCard
	Over     bool
	Parts    []incidentPart
	Messages []incidentMessage // the newest first
	Told     []sentRow
	Going    bool // messages to visitors are on their way
}

// incidentPart is a component that an incident is about, as it is now.
type incidentPart struct {
	Name string
	Now  status.State
	Gone bool // deleted since
}

type incidentMessage struct {
	status.Update
	Changes  []partChange
	ByAlerts bool
	Late     bool // shown with a time that lies before it was written
}

type partChange struct {
	Name     string
	From, To status.State
	Moved    bool
}

// sentRow is one message to visitors with how far it is.
type sentRow struct {
	Kind     string
	Title    string
	At       time.Time
	Total    int
	Percent  int
	Going    bool
	Look     look
	Detail   string
	Problems []sentProblem
}

type sentProblem struct {
	Text string
	N    int
}

func (c *console) incident(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	i, err := c.Store.Incident(ctx, v.PathValue("id"))
	if err != nil {
		return err
	}
	pages, err := c.Store.StatusPages(ctx)
	if err != nil {
		return err
	}
	var p status.Page
	if n := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == i.PageID }); n >= 0 {
		p = pages[n]
	}
	_, parts, err := c.Store.StatusParts(ctx, i.PageID)
	if err != nil {
		return err
	}
	byID, names := map[string]*status.Component{}, map[string]string{}
	for n := range parts {
		byID[parts[n].ID], names[parts[n].ID] = &parts[n], parts[n].Name
	}
	view := incidentView{incidentCard: c.card(p, &i, names), Over: incidentOver(i.Phase)}
	for n, id := range i.Components {
		part := incidentPart{Name: view.Names[n], Gone: byID[id] == nil}
		if !part.Gone {
			part.Now = byID[id].State
		}
		view.Parts = append(view.Parts, part)
	}
	for n := len(i.Updates) - 1; n >= 0; n-- {
		u := &i.Updates[n]
		m := incidentMessage{Update: *u, ByAlerts: publish.ByAlerts(u), Late: u.Posted.Sub(u.At) > 2*time.Minute}
		for _, ch := range u.Changes {
			name := names[ch.ComponentID]
			if name == "" {
				name = "a deleted component"
			}
			m.Changes = append(m.Changes, partChange{name, ch.From, ch.To, ch.From != "" && ch.From != ch.To})
		}
		view.Messages = append(view.Messages, m)
	}
	if view.Alerts, view.MoreAlerts, err = c.alertsOf(ctx, i.AlertIDs, 4*mostAlerts); err != nil {
		return err
	}
	if !i.Draft {
		items, progress, err := c.Store.PublicationsAbout(ctx, i.PageID, i.ID, 50)
		if err != nil {
			return err
		}
		for n := range items {
			view.Told = append(view.Told, sentOf(&items[n], &progress[n], v.now))
			view.Going = view.Going || view.Told[n].Going
		}
	}
	view.shell = c.shell(w, v, incidentsPath, i.Title)
	return c.show(w, v, "incident", view)
}

func sentOf(p *push.Publication, g *push.Progress, now time.Time) sentRow {
	sum, taken := *g, []string{}
	add := func(channel string, n int) {
		if n > 0 {
			taken = append(taken, thousands(n)+" by "+channelWord(channel))
		}
	}
	add("webpush", g.Sent)
	for _, name := range slices.Sorted(maps.Keys(g.Channels)) {
		by := g.Channels[name]
		add(name, by.Sent)
		sum.Total, sum.Sent, sum.Gone, sum.Failed, sum.Expired = sum.Total+by.Total, sum.Sent+by.Sent, sum.Gone+by.Gone, sum.Failed+by.Failed, sum.Expired+by.Expired
		sum.Waiting, sum.Retrying, sum.Done = sum.Waiting+by.Waiting, sum.Retrying+by.Retrying, sum.Done && by.Done
	}
	row := sentRow{Kind: kindOf(p.Kind), Title: p.Texts[""].Title, At: p.Created, Total: sum.Total, Percent: 100, Going: !sum.Done && p.Expires.After(now)}
	switch {
	case sum.Done && sum.Total == 0:
		row.Look, row.Detail = look{"Nobody wanted it", "dash", "dim"}, "Nobody was subscribed to such a change."
	case sum.Done && sum.Failed+sum.Expired > 0:
		row.Look = look{"Done, not all", "warn", "warn"}
	case sum.Done:
		row.Look = look{"Done", "ok", "good"}
	case !row.Going:
		row.Look = look{"Ended", "warn", "warn"}
	case sum.Retrying > 0 && sum.Retrying == sum.Waiting:
		row.Look, row.Percent = look{"Tried again", "wait", "warn"}, percent(sum.Total-sum.Waiting, sum.Total)
	default:
		row.Look, row.Percent = look{"On its way", "moved", "info"}, percent(sum.Total-sum.Waiting, sum.Total)
	}
	for _, x := range []struct {
		n    int
		text string
	}{{sum.Waiting, "still waiting"}, {sum.Gone, "had turned it off"}, {sum.Failed, "failed for good"}, {sum.Expired, "too late"}} {
		if x.n > 0 {
			taken = append(taken, thousands(x.n)+" "+x.text)
		}
	}
	if len(taken) > 0 {
		row.Detail = strings.Join(taken, ", ")
	}
	problems := func(g push.Progress) {
		for text, n := range g.Problems {
			row.Problems = append(row.Problems, sentProblem{text, n})
		}
	}
	problems(*g)
	for _, by := range g.Channels {
		problems(by)
	}
	slices.SortFunc(row.Problems, func(a, b sentProblem) int { return cmp.Or(b.N-a.N, strings.Compare(a.Text, b.Text)) })
	return row
}

func percent(n, of int) int {
	if of <= 0 {
		return 0
	}
	return min(99, n*100/of)
}

// thousands writes a number so that large ones can be read: 12 345.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0 && n >= 10_000; at -= 3 {
		s = s[:at] + "\u202f" + s[at:]
	}
	return s
}

// ShownAlerts are the alerts that stand beside.
func (c incidentCard) ShownAlerts() alertLines { return alertLines{c.Alerts, c.MoreAlerts} }

// alertLines are alerts in short, and how many there are besides.
type alertLines struct {
	Alerts []alert.Alert
	More   int
}

func (c *console) askDiscardDraft(w http.ResponseWriter, v *visit) error {
	i, err := c.Store.Incident(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	at := incidentsPath + "/" + i.ID
	if !i.Draft {
		return done(w, v, at, "It was published meanwhile.")
	}
	return c.confirm(w, v, incidentsPath, confirmView{Heading: "Discard the draft “" + i.Title + "”?",
		Effects: []string{"Visitors never saw it, and nothing changes for them.", "Components stay as they are, and so do its alerts.", "The audit trail keeps what it said."},
		Action:  at + "/discard", Back: at, Button: "Discard draft"})
}

func (c *console) discardDraft(w http.ResponseWriter, v *visit) error {
	i, err := c.Store.Incident(v.Context(), v.PathValue("id"))
	if err == nil {
		err = c.Desk.DiscardDraft(v.Context(), v.author(), i.ID)
	}
	if isNotFound(err) && i.ID != "" {
		say(w, "bad", "It was published or discarded meanwhile.")
		http.Redirect(w, v.Request, incidentsPath, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return done(w, v, c.listOf(v, i.PageID), "Discarded the draft “"+i.Title+"”.")
}

// listOf is the list of the incidents of a page.
func (c *console) listOf(v *visit, pageID string) string {
	pages, err := c.Store.StatusPages(v.Context())
	if n := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == pageID }); err == nil && n >= 0 {
		return incidentsPath + pageChoice{Page: pages[n]}.Query()
	}
	return incidentsPath
}

func (c *console) askDeleteIncident(w http.ResponseWriter, v *visit) error {
	i, err := c.Store.Incident(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	at := incidentsPath + "/" + i.ID
	effects := []string{"It goes from the page, its history and its feeds at once, and does not come back.", "What was recorded of its components stays: their bars and uptime do not change.",
		"Whoever follows a link to it finds nothing.", "The audit trail keeps that it was there."}
	if !incidentOver(i.Phase) && !i.Draft {
		effects = append([]string{"It is still open. If it is over, resolve it: visitors then read that it is."}, effects...)
	}
	return c.confirm(w, v, incidentsPath, confirmView{Heading: "Delete “" + i.Title + "” for good?", Effects: effects,
		Action: at + "/delete", Back: at, Button: "Delete incident"})
}

func (c *console) deleteIncident(w http.ResponseWriter, v *visit) error {
	i, err := c.Store.Incident(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	if err := c.Desk.DeleteIncident(v.Context(), v.author(), i.ID); err != nil {
		return err
	}
	return done(w, v, c.listOf(v, i.PageID), "Deleted “"+i.Title+"”.")
}
