package console

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// wallForm is how a browser writes a time of day on a date.
const wallForm = "2006-01-02T15:04"

// wall reads a time as a zone's clock shows it.
func wall(fieldName, s string, zone *time.Location) (time.Time, error) {
	s = strings.Replace(strings.TrimSpace(s), " ", "T", 1)
	if len(s) > len(wallForm) {
		s = strings.TrimSuffix(s, ":00")
	}
	if s == "" {
		return time.Time{}, &status.FieldError{Field: fieldName, Problem: "is missing", Mend: "choose a date and a time"}
	}
	t, err := time.ParseInLocation(wallForm, s, zone)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}, &status.FieldError{Field: fieldName, Problem: fmt.Sprintf("“%.40s” is no time", s), Mend: "write it as 2026-11-24T22:00"}
	}
	if got := t.Format(wallForm); got != s {
		return time.Time{}, &status.FieldError{Field: fieldName, Problem: "does not exist in " + zone.String() + ": the clocks go forward then", Mend: "choose another time, such as " + t.Format("15:04")}
	}
	// Of a time that comes twice ours is the first one, as of a series.
	if earlier := t.Add(-time.Hour); earlier.Format(wallForm) == s {
		t = earlier
	}
	return t, nil
}

// wallOr is wall, but leaves what the field showed before as it was, to the second:
// a clock shows some times twice.
func wallOr(fieldName, s string, was time.Time, zone *time.Location) (time.Time, error) {
	if !was.IsZero() && s == was.In(zone).Format(wallForm) {
		return was, nil
	}
	return wall(fieldName, s, zone)
}

// means is what stands beside a form while it is filled in: what will come of it.
type means struct {
	Problem  string
	Text     template.HTML // what visitors read
	When     string        // in the page's zone
	Lasts    string
	Here     time.Time // for the reader's own clock
	Wall     string    // the same on the page's
	Past     string    // said when it lies back
	Reach    *workReach
	Silent   bool
	Remind   []string
	Overlaps []overlap
	Looked   bool // whether overlaps were looked for
	Dates    []seriesDate
	Rule     string // in words
	Raw      string
	Notes    []string
}

// workReach is who is told of something, before it is published.
type workReach struct {
	On       bool
	Total    int
	Channels []channelCount
	Triggers string // where it is switched on
}

type channelCount struct {
	Name string
	N    int
}

func workReachOf(r publish.Reach, pageID string) *workReach {
	v := &workReach{On: r.On, Triggers: notificationsPath + "#triggers-" + pageID}
	for name, n := range r.Channels {
		v.Total += n
		if n > 0 {
			v.Channels = append(v.Channels, channelCount{channelWord(name), n})
		}
	}
	slices.SortFunc(v.Channels, func(a, b channelCount) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// maintenanceFormView is the form of one maintenance, or of one that comes again.
type maintenanceFormView struct {
	shell
	plan
	Heading, Intro, Back string
	Form                 form
	Means                means
	Series               bool
}

func workImpacts(now status.Impact) []option {
	out := []option{{Value: string(status.ImpactNone), Title: "None: visitors notice nothing"}, {Value: string(status.ImpactMinor), Title: "Minor: some things are slower"},
		{Value: string(status.ImpactMajor), Title: "Major: some things do not work"}, {Value: string(status.ImpactCritical), Title: "Critical: nothing works"}}
	for i := range out {
		out[i].Selected = out[i].Value == string(now)
	}
	return out
}

// maintenanceTexts is what stands in the form's fields.
func maintenanceTexts(m status.Maintenance, zone *time.Location) url.Values {
	in := url.Values{"title": {m.Title}, "components": m.Components, "impact": {string(m.Impact)}}
	if !m.Start.IsZero() {
		in.Set("start", m.Start.In(zone).Format(wallForm))
		in.Set("end", m.End.In(zone).Format(wallForm))
	}
	for name, on := range map[string]bool{"auto_start": m.AutoStart, "auto_end": m.AutoEnd} {
		if on {
			in.Set(name, "on")
		}
	}
	return in
}

// readMaintenance puts what a form says into a maintenance; have is what it was.
func readMaintenance(have status.Maintenance, in url.Values, zone *time.Location) (m status.Maintenance, n publish.Note, err error) {
	m = have
	m.Title, m.Components, m.Impact = text(in, "title"), chosen(in, "components"), status.Impact(in.Get("impact"))
	m.AutoStart, m.AutoEnd = in.Get("auto_start") != "", in.Get("auto_end") != ""
	n = publish.Note{Body: noteBody(in), Silent: in.Get("silent") != "", Key: in.Get("key")}
	if !slices.ContainsFunc(workImpacts(""), func(o option) bool { return o.Value == string(m.Impact) }) {
		return m, n, &status.FieldError{Field: "impact", Problem: "is none of the choices", Mend: "choose from the list"}
	}
	// Seconds are no part of what the form shows.
	if m.Start, err = wallOr("start", in.Get("start"), have.Start, zone); err != nil {
		return m, n, err
	}
	m.End, err = wallOr("end", in.Get("end"), have.End, zone)
	return m, n, err
}

func (c *console) newMaintenance(w http.ResponseWriter, v *visit) error {
	p, err := c.planOf(v)
	if err != nil {
		return err
	}
	return c.showMaintenanceForm(w, v, http.StatusOK, p, status.Maintenance{}, c.freshMaintenance(v, &p), nil)
}

// freshMaintenance is what a new form begins with: tonight, the date that was
// clicked, or what another one was.
func (c *console) freshMaintenance(v *visit, p *plan) url.Values {
	now := v.now.In(p.Zone)
	day := now.AddDate(0, 0, 1)
	if d, err := time.ParseInLocation(status.DateFormat, v.URL.Query().Get("date"), p.Zone); err == nil {
		day = d
	}
	m := status.Maintenance{Impact: status.ImpactNone, AutoStart: true, AutoEnd: true}
	const quarter = 15 * time.Minute
	start := time.Date(day.Year(), day.Month(), day.Day(), 22, 0, 0, 0, p.Zone)
	if !start.After(v.now) { // it is late on the day that was clicked
		start = now.Truncate(quarter).Add(quarter)
	}
	length := time.Hour
	body := ""
	if id := v.URL.Query().Get("like"); id != "" {
		if o, err := c.Store.Maintenance(v.Context(), id); err == nil && o.PageID == p.Page.ID {
			m.Title, m.Impact, m.AutoStart, m.AutoEnd = o.Title, o.Impact, o.AutoStart, o.AutoEnd
			for _, id := range o.Components {
				if p.Parts[id] != "" {
					m.Components = append(m.Components, id)
				}
			}
			if len(o.Updates) > 0 {
				body = o.Updates[0].Body
			}
			at := o.Start.In(p.Zone)
			start, length = time.Date(day.Year(), day.Month(), day.Day(), at.Hour(), at.Minute(), 0, 0, p.Zone), o.End.Sub(o.Start)
		}
	}
	m.Start, m.End = start, start.Add(length)
	in := maintenanceTexts(m, p.Zone)
	in.Set("body", body)
	return in
}

// showMaintenanceForm draws the form of one maintenance; have has an id where it is
// announced already.
func (c *console) showMaintenanceForm(w http.ResponseWriter, v *visit, code int, p plan, have status.Maintenance, in url.Values, why error) error {
	isNew := have.ID == ""
	view := maintenanceFormView{plan: p, Heading: "Announce maintenance", Back: maintenancePath + p.Query(),
		Intro: "Visitors see it at once, and it stands in the calendar that they can subscribe to."}
	base := maintenancePath + "/new"
	query := p.Query()
	submit := "Announce"
	if !isNew {
		base, query, submit = maintenancePath+"/"+have.ID, "", "Save changes"
		view.Heading, view.Back, view.Intro = have.Title, base, "What visitors see changes at once. Whoever was told of it is told again when it begins at another time, or when you write something below."
	}
	if p.Page.ID == "" {
		view.shell = c.shell(w, v, maintenancePath, view.Heading)
		c.write(w, v.Request, code, "maintenance-form", "shell", view)
		return nil
	}
	f := form{Action: base, Check: base + "/check" + query, Submit: submit, Cancel: view.Back, Locked: !v.may(auth.Publish)}
	if !isNew {
		f.Action += "/edit"
	}
	if f.Locked {
		f.Check = ""
	}
	f.Action += query
	body := field{Name: "body", Label: "What is done, and what visitors notice of it", Kind: "textarea", Value: in.Get("body"), Rows: 5,
		Sample: "We replace the storage of the shop. It can be slow at times; no order is lost.", Hint: "Markdown: **bold**, lists, [links](https://example.org)."}
	if !isNew {
		body.Label, body.Sample, body.Rows = "Tell visitors why it changes", "", 3
		body.Hint = "Stands on the page as an update. Empty: none is written."
	}
	zoneName := p.Zone.String()
	when := section{Title: "When", Hint: "On the clock of " + zoneName + ", the page’s time zone. It is " + v.now.In(p.Zone).Format("15:04 MST") + " there now.", Fields: []field{
		{Name: "start", Label: "Begins", Kind: "datetime-local", Value: in.Get("start"), Required: true, Half: true},
		{Name: "end", Label: "Ends", Kind: "datetime-local", Value: in.Get("end"), Required: true, Half: true},
		{Name: "auto_start", Label: "Begins by itself", Kind: "checkbox", Checked: in.Get("auto_start") != "", Half: true, Hint: "Its components are shown under maintenance from then on."},
		{Name: "auto_end", Label: "Ends by itself", Kind: "checkbox", Checked: in.Get("auto_end") != "", Half: true, Hint: "Otherwise it goes on until somebody completes it."},
	}}
	f.Sections = []section{
		{Fields: []field{
			{Name: "title", Label: "Title", Kind: "text", Value: in.Get("title"), Required: true, Auto: "off", Sample: "New storage for the shop"},
			body,
		}},
		when,
		{Title: "What it concerns", Fields: []field{
			{Name: "components", Label: "Components", Kind: "parts", Groups: p.choose(in["components"]), Empty: "The page has no components yet. Add some under Components; a maintenance without any is of the page as a whole."},
			{Name: "impact", Label: "What visitors notice", Kind: "select", Options: workImpacts(status.Impact(in.Get("impact"))), Half: true, Hint: "Some visitors want to hear of the worse ones only."},
		}},
		{Title: "Telling visitors", Fields: []field{
			{Name: "silent", Label: "Tell nobody of this", Kind: "checkbox", Checked: in.Get("silent") != "", Hint: "It stands on the page all the same. Reminders and its beginning are told as usual."},
		}, Buttons: []formButton{{Title: "What will this do?", Action: base + "/check" + query, Wait: "Looking…"}}},
	}
	if isNew {
		f.Key = c.sendingKey(v)
	} else {
		f.Seen = seenFrom(v, maintenanceTexts(have, p.Zone), why)
	}
	if why != nil && !f.refused(why) {
		return why
	}
	view.Form = f
	var err error
	if view.Means, err = c.meansOf(v.Context(), v, p, have, in, why); err != nil {
		return err
	}
	view.shell = c.shell(w, v, maintenancePath, view.Heading)
	c.write(w, v.Request, code, "maintenance-form", "shell", view)
	return nil
}

// meansOf says what will come of a form as it is.
func (c *console) meansOf(ctx context.Context, v *visit, p plan, have status.Maintenance, in url.Values, why error) (means, error) {
	m, n, err := readMaintenance(have, in, p.Zone)
	out := means{Silent: n.Silent, Text: c.Markdown(n.Body)}
	if err == nil && !m.End.After(m.Start) {
		err = &status.FieldError{Field: "end", Problem: "is not after its start", Mend: "use a later time"}
	}
	if err == nil {
		out.When, out.Lasts, out.Here = spanText(m.Start, m.End, p.Zone), lasts(m.End.Sub(m.Start)), m.Start
		out.Wall = m.Start.In(p.Zone).Format(wallForm)
		out.Overlaps, out.Looked = overlapsOf(have.ID, m.Components, m.Start, m.End, p.Open, p.Parts, p.Zone), true
		switch {
		case !m.End.After(v.now):
			out.Past = "This lies back."
		case !m.Start.After(v.now) && have.ID == "" && m.AutoStart:
			out.Past = "This has begun: it is shown in progress at once."
		}
	}
	if why == nil {
		why = err
	}
	if why != nil {
		var f form
		f.refused(why)
		out.Problem = f.Problem
	}
	r, err := c.Desk.Reach(ctx, p.Page.ID, push.Maintenance, m.Impact, m.Components, have.ID)
	if err != nil {
		return out, err
	}
	out.Reach = workReachOf(r, p.Page.ID)
	if have.ID != "" && m.Start.Equal(have.Start) && n.Body == "" {
		out.Notes = append(out.Notes, "Nobody is told: it begins when it did before, and you wrote nothing.")
		out.Silent = true
	}
	if out.Looked && r.On && (have.ID == "" || have.Phase == status.Scheduled) {
		for _, b := range []struct {
			word string
			d    time.Duration
		}{{"a day", 24 * time.Hour}, {"an hour", time.Hour}} {
			if at := m.Start.Add(-b.d); at.After(v.now) {
				out.Remind = append(out.Remind, b.word+" before, "+at.In(p.Zone).Format("Mon 2 Jan 15:04"))
			}
		}
	}
	return out, nil
}

func (c *console) announceMaintenance(w http.ResponseWriter, v *visit) error {
	p, err := c.planOf(v)
	if err != nil {
		return err
	}
	m, n, err := readMaintenance(status.Maintenance{PageID: p.Page.ID}, v.PostForm, p.Zone)
	if err == nil {
		var told publish.Told
		if m, told, err = c.Desk.SaveMaintenance(v.Context(), v.author(), m, n); err == nil {
			if told.Again {
				return done(w, v, maintenancePath+"/"+m.ID, "That was announced a moment ago: it is not announced twice.")
			}
			return done(w, v, maintenancePath+"/"+m.ID, "Announced: "+m.Title+"."+toldWords(told))
		}
	}
	return c.showMaintenanceForm(w, v, http.StatusUnprocessableEntity, p, status.Maintenance{}, v.PostForm, err)
}

// toldWords says after a change whether visitors are told of it.
func toldWords(t publish.Told) string {
	if len(t.Publications) == 0 {
		return " Nobody is told of it."
	}
	return " Visitors are being told."
}

func (c *console) checkNewMaintenance(w http.ResponseWriter, v *visit) error {
	p, err := c.planOf(v)
	if err != nil {
		return err
	}
	return c.showMaintenanceForm(w, v, http.StatusOK, p, status.Maintenance{}, v.PostForm, nil)
}

// planOfMaintenance is the one that the address names, with its page's plan.
func (c *console) planOfMaintenance(v *visit) (status.Maintenance, plan, error) {
	m, err := c.Store.Maintenance(v.Context(), v.PathValue("id"))
	if err != nil {
		return m, plan{}, err
	}
	p, err := c.planForPage(v, m.PageID)
	return m, p, err
}

func (c *console) planForPage(v *visit, pageID string) (plan, error) {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return plan{}, err
	}
	choice := pageChoice{Pages: pages}
	for _, o := range pages {
		if o.ID == pageID {
			choice.Page = o
		}
	}
	return c.planFor(v, choice)
}

func (c *console) editMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	if workOver(m.Phase) {
		return sayOver(w, v, m)
	}
	return c.showMaintenanceForm(w, v, http.StatusOK, p, m, maintenanceTexts(m, p.Zone), nil)
}

// sayOver leads back from what cannot be done any more.
func sayOver(w http.ResponseWriter, v *visit, m status.Maintenance) error {
	say(w, "bad", m.Title+" is "+strings.ToLower(workLook(m.Phase).Word)+" and cannot be changed any more. Its updates can still be corrected.")
	http.Redirect(w, v.Request, maintenancePath+"/"+m.ID, http.StatusSeeOther)
	return nil
}

func (c *console) checkMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	return c.showMaintenanceForm(w, v, http.StatusOK, p, m, v.PostForm, nil)
}

func (c *console) changeMaintenance(w http.ResponseWriter, v *visit) error {
	have, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	if workOver(have.Phase) {
		return sayOver(w, v, have)
	}
	m, n, err := readMaintenance(have, v.PostForm, p.Zone)
	if err == nil {
		err = c.meanwhile(v, m.PageID, m.ID, maintenanceTexts(have, p.Zone), maintenanceTexts(m, p.Zone))
	}
	if err == nil {
		var told publish.Told
		if m, told, err = c.Desk.SaveMaintenance(v.Context(), v.author(), m, n); err == nil {
			return done(w, v, maintenancePath+"/"+m.ID, "Saved."+toldWords(told))
		}
	}
	return c.showMaintenanceForm(w, v, http.StatusUnprocessableEntity, p, have, v.PostForm, err)
}
