package console

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

type maintenanceView struct {
	shell
	plan
	Work      *work
	At        string // of this page
	Lasts     string
	Wall      string // its beginning on the page's clock
	Over      bool
	Going     bool
	Updates   []updateRow
	Phases    []option
	Body      string // of an update that was refused
	Silent    bool   // it was
	Wrong     string
	Clash     *clash
	Seen, Key string
	Reach     *workReach
	Reminders []reminderRow
	Of        *publish.Planned // the series that it is of
	Address   string           // for visitors
	Trail     []trailRow
	Messages  []messageRow
	Extend    []int // minutes
}

type updateRow struct {
	status.Update
	Look look
	HTML template.HTML
	Time string // in the page's zone
	Edit string // empty: may not
}

// reminderRow is a reminder and what became of it.
type reminderRow struct {
	Word, When string
	Look       look
}

type trailRow struct {
	At       time.Time
	By, What string
}

// messageRow is a message to visitors and how far it is.
type messageRow struct {
	Title    string
	At       time.Time
	Progress push.Progress
}

func (c *console) maintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	return c.showMaintenance(w, v, http.StatusOK, m, p, "", nil)
}

func (c *console) showMaintenance(w http.ResponseWriter, v *visit, code int, m status.Maintenance, p plan, body string, why error) error {
	view := maintenanceView{plan: p, At: maintenancePath + "/" + m.ID, Work: p.work(m, v.now), Lasts: lasts(m.End.Sub(m.Start)), Wall: m.Start.In(p.Zone).Format(wallForm), Over: workOver(m.Phase), Body: body,
		Going: m.Phase == status.InProgress || m.Phase == status.Verifying, Address: publicAddress(p.Page, "/incidents/"+m.ID)}
	if why != nil {
		var f form
		if !f.refused(why) {
			return why
		}
		view.Wrong, view.Clash = f.Problem, f.Clash
	}
	view.Seen, view.Key, view.Silent = seenFrom(v, saidSeen(m.Updates), why), c.sendingKey(v), v.PostForm.Get("silent") != ""
	at := m.Phase
	if p := status.Phase(v.PostForm.Get("phase")); p == status.InProgress || p == status.Verifying || p == status.Completed {
		at = p
	}
	for _, u := range slices.Backward(m.Updates) {
		r := updateRow{Update: u, Look: workLook(u.Phase), HTML: c.Markdown(u.Body), Time: u.At.In(p.Zone).Format("Mon 2 Jan 2006, 15:04 MST")}
		if v.may(auth.Publish) {
			r.Edit = maintenancePath + "/" + m.ID + "/updates/" + u.ID
		}
		view.Updates = append(view.Updates, r)
	}
	if !view.Over {
		for _, s := range []status.Phase{status.Scheduled, status.InProgress, status.Verifying, status.Completed} {
			if s == status.Scheduled && m.Phase != status.Scheduled {
				continue
			}
			view.Phases = append(view.Phases, option{string(s), workLook(s).Word, s == at})
		}
		r, err := c.Desk.Reach(v.Context(), m.PageID, push.Maintenance, m.Impact, m.Components, m.ID)
		if err != nil {
			return err
		}
		view.Reach = workReachOf(r, m.PageID)
		view.Reminders = remindersOf(&m, r.On, v.now, p.Zone)
		if view.Going {
			view.Extend = []int{15, 30, 60, 120}
		}
	}
	for i := range p.Series {
		if p.Series[i].ID == m.Series {
			view.Of = &p.Series[i]
		}
	}
	trail, _, err := c.Store.StatusAudit(v.Context(), publish.AuditFilter{PageID: m.PageID, SubjectID: m.ID, Limit: 12})
	if err != nil {
		return err
	}
	for _, a := range trail {
		view.Trail = append(view.Trail, trailRow{a.At, a.By, maintenanceDeed(a.What)})
	}
	told, how, err := c.Store.PublicationsAbout(v.Context(), m.PageID, m.ID, 6)
	if err != nil {
		return err
	}
	for i, t := range told {
		view.Messages = append(view.Messages, messageRow{t.Text("en").Title, t.Created, how[i]})
	}
	view.shell = c.shell(w, v, maintenancePath, m.Title)
	c.write(w, v.Request, code, "maintenance-one", "shell", view)
	return nil
}

// remindersOf are the reminders of a maintenance that has not begun.
func remindersOf(m *status.Maintenance, on bool, now time.Time, zone *time.Location) []reminderRow {
	if m.Phase != status.Scheduled {
		return nil
	}
	var out []reminderRow
	for _, r := range []struct {
		name, word string
		before     time.Duration
	}{{status.RemindDay, "A day before", 24 * time.Hour}, {status.RemindHour, "An hour before", time.Hour}} {
		at := m.Start.Add(-r.before)
		row := reminderRow{Word: r.word, When: at.In(zone).Format("Mon 2 Jan 15:04 MST"), Look: look{"Will be sent", "wait", "info"}}
		switch {
		case slices.Contains(m.Reminded, r.name) && on:
			row.Look = look{"Sent", "ok", "good"}
		case !on:
			row.Look = look{"Off", "dash", "dim"}
		case !at.After(now) || m.Created.After(at):
			row.Look = look{"Announced later than that", "dash", "dim"}
		}
		out = append(out, row)
	}
	return out
}

// maintenanceDeed says what a line of the audit trail is about.
func maintenanceDeed(what string) string {
	words := map[string]string{
		"maintenance.announce": "announced it", "maintenance.change": "changed it", "maintenance.update": "wrote an update", "maintenance.update.change": "corrected an update",
		"maintenance.downtime": "saw a downtime in the engine", "maintenance.in_progress": "began it", "maintenance.completed": "completed it", "maintenance.cancelled": "cancelled it",
	}
	if w := words[what]; w != "" {
		return w
	}
	return what
}

func (c *console) postMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	n := publish.Note{Phase: status.Phase(v.PostForm.Get("phase")), Body: noteBody(v.PostForm), Silent: v.PostForm.Get("silent") != "", Key: v.PostForm.Get("key")}
	if n.Phase == status.Cancelled {
		n.Phase = "" // has a page of its own, which asks first
	}
	var told publish.Told
	if err = saidMeanwhile(v, m.Updates, n, workLook); err == nil {
		_, told, err = c.Desk.PostMaintenance(v.Context(), v.author(), m.ID, n)
	}
	switch {
	case errors.Is(err, publish.ErrOver):
		return sayOver(w, v, m)
	case err != nil:
		return c.showMaintenance(w, v, http.StatusUnprocessableEntity, m, p, n.Body, err)
	}
	if told.Again {
		return done(w, v, maintenancePath+"/"+m.ID, "That was posted a moment ago: it is not posted twice.")
	}
	return done(w, v, maintenancePath+"/"+m.ID, "Posted."+toldWords(told))
}

func noteBody(in url.Values) string {
	return strings.ReplaceAll(strings.TrimSpace(in.Get("body")), "\r\n", "\n")
}

// extendMaintenance has one that goes on end later. Visitors see it; nobody is woken.
func (c *console) extendMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	minutes, err := strconv.Atoi(v.PostForm.Get("minutes"))
	if err != nil || minutes < 1 || minutes > 24*60 {
		return c.showMaintenance(w, v, http.StatusUnprocessableEntity, m, p, "", &status.FieldError{Field: "minutes", Problem: "is out of range", Mend: "use 1 to 1440"})
	}
	if workOver(m.Phase) {
		return sayOver(w, v, m)
	}
	if was := v.PostForm.Get("end"); was != "" && was != strconv.FormatInt(m.End.UnixMilli(), 10) {
		say(w, "bad", "It has another end by now: "+m.End.In(p.Zone).Format("15:04 MST")+". If it takes longer still, choose again.")
		http.Redirect(w, v.Request, maintenancePath+"/"+m.ID, http.StatusSeeOther)
		return nil
	}
	if m.End.Before(v.now) {
		m.End = v.now
	}
	m.End = m.End.Add(time.Duration(minutes) * time.Minute)
	switch m, _, err = c.Desk.SaveMaintenance(v.Context(), v.author(), m, publish.Note{Silent: true}); {
	case errors.Is(err, publish.ErrOver):
		return sayOver(w, v, m)
	case err != nil:
		return c.showMaintenance(w, v, http.StatusUnprocessableEntity, m, p, "", err)
	}
	return done(w, v, maintenancePath+"/"+m.ID, "It ends at "+m.End.In(p.Zone).Format("15:04 MST")+" now. The page says so; nobody is told.")
}

func (c *console) askCancelMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	if workOver(m.Phase) {
		return sayOver(w, v, m)
	}
	return c.showCancel(w, v, http.StatusOK, m, p, "", nil)
}

func (c *console) showCancel(w http.ResponseWriter, v *visit, code int, m status.Maintenance, p plan, body string, why error) error {
	at := maintenancePath + "/" + m.ID
	f := form{Action: at + "/cancel", Submit: "Cancel the maintenance", Cancel: at, Stay: "Keep it", Delete: at + "/delete", Sections: []section{{Fields: []field{
		{Name: "body", Label: "Why", Kind: "textarea", Value: body, Rows: 3, Hint: "Markdown. Empty: the page says that it does not take place."},
		{Name: "silent", Label: "Tell nobody of this", Kind: "checkbox", Checked: v.PostForm.Get("silent") != ""},
	}}}}
	if why != nil && !f.refused(why) {
		return why
	}
	view := maintenanceFormView{plan: p, Heading: "Cancel “" + m.Title + "”?", Back: at, Form: f,
		Intro: "It stays on the page as cancelled. A cancelled maintenance does not come back; announce it again when it is to take place later."}
	if m.Series != "" {
		view.Intro = "Only this date is cancelled: it stays on the page as cancelled, the others of its series take place."
	}
	r, err := c.Desk.Reach(v.Context(), m.PageID, push.Maintenance, m.Impact, m.Components, m.ID)
	if err != nil {
		return err
	}
	view.Means = means{When: spanText(m.Start, m.End, p.Zone), Lasts: lasts(m.End.Sub(m.Start)), Here: m.Start, Wall: m.Start.In(p.Zone).Format(wallForm), Reach: workReachOf(r, m.PageID)}
	view.shell = c.shell(w, v, maintenancePath, view.Heading)
	c.write(w, v.Request, code, "maintenance-form", "shell", view)
	return nil
}

func (c *console) cancelMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	body := noteBody(v.PostForm)
	_, told, err := c.Desk.CancelMaintenance(v.Context(), v.author(), m.ID, body, v.PostForm.Get("silent") != "")
	switch {
	case errors.Is(err, publish.ErrOver):
		return sayOver(w, v, m)
	case err != nil:
		return c.showCancel(w, v, http.StatusUnprocessableEntity, m, p, body, err)
	}
	return done(w, v, maintenancePath+"/"+m.ID, "Cancelled: "+m.Title+"."+toldWords(told))
}

func (c *console) askDeleteMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	at := maintenancePath + "/" + m.ID
	view := confirmView{Heading: "Delete “" + m.Title + "”?", Action: at + "/delete", Back: at, Button: "Delete maintenance", Effects: []string{
		"It goes from the page, from the history and from the calendars of those who subscribed to them, with all of its updates. Nobody is told.",
		"What was recorded of its components stays, and so does the audit trail."}}
	if !workOver(m.Phase) {
		view.Effects = append(view.Effects, "Whoever has heard of it is not told that it does not take place: cancel it instead, if anybody has.")
	}
	if m.Series != "" && slices.ContainsFunc(p.Series, func(s publish.Planned) bool { return s.ID == m.Series }) {
		view.Effects = append(view.Effects, "The other dates of its series stay.")
	}
	return c.confirm(w, v, maintenancePath, view)
}

func (c *console) deleteMaintenance(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	if err := c.Desk.DeleteMaintenance(v.Context(), v.author(), m.ID); err != nil {
		return err
	}
	return done(w, v, maintenancePath+p.Query(), "Deleted: "+m.Title+".")
}

// updateOf is the update that the address names.
func updateOf(v *visit, m *status.Maintenance) (status.Update, error) {
	for _, u := range m.Updates {
		if u.ID == v.PathValue("update") {
			return u, nil
		}
	}
	return status.Update{}, fmt.Errorf("update %q: %w", v.PathValue("update"), fault.ErrNotFound)
}

func (c *console) editMaintenanceUpdate(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	u, err := updateOf(v, &m)
	if err != nil {
		return err
	}
	return c.showUpdateForm(w, v, http.StatusOK, m, p, url.Values{"body": {u.Body}, "at": {u.At.In(p.Zone).Format(wallForm)}}, nil)
}

func (c *console) showUpdateForm(w http.ResponseWriter, v *visit, code int, m status.Maintenance, p plan, in url.Values, why error) error {
	back := maintenancePath + "/" + m.ID
	f := form{Action: back + "/updates/" + v.PathValue("update"), Submit: "Save", Cancel: back, Sections: []section{{Fields: []field{
		{Name: "body", Label: "Text", Kind: "textarea", Value: in.Get("body"), Rows: 8, Hint: "Markdown."},
		{Name: "at", Label: "When", Kind: "datetime-local", Value: in.Get("at"), Half: true, Hint: "On the clock of " + p.Zone.String() + "."},
	}}}}
	if why != nil && !f.refused(why) {
		return why
	}
	if u, err := updateOf(v, &m); err == nil {
		f.Seen = seenFrom(v, saidTexts(&u), why)
	}
	view := maintenanceFormView{plan: p, Heading: "Correct an update", Back: back, Form: f, Intro: "Of “" + m.Title + "”. Nobody is told of a correction; the audit trail keeps what it said before."}
	view.shell = c.shell(w, v, maintenancePath, view.Heading)
	c.write(w, v.Request, code, "maintenance-form", "shell", view)
	return nil
}

func (c *console) changeMaintenanceUpdate(w http.ResponseWriter, v *visit) error {
	m, p, err := c.planOfMaintenance(v)
	if err != nil {
		return err
	}
	u, err := updateOf(v, &m)
	if err != nil {
		return err
	}
	at, err := wallOr("at", v.PostForm.Get("at"), u.At, p.Zone)
	if err == nil {
		err = c.meanwhile(v, m.PageID, m.ID, saidTexts(&u), saidTexts(&status.Update{Body: noteBody(v.PostForm), At: at}))
	}
	if err == nil {
		err = c.Desk.EditUpdate(v.Context(), v.author(), publish.OfMaintenance, m.ID, u.ID, noteBody(v.PostForm), at)
	}
	if err != nil {
		return c.showUpdateForm(w, v, http.StatusUnprocessableEntity, m, p, v.PostForm, err)
	}
	return done(w, v, maintenancePath+"/"+m.ID, "The update is corrected.")
}
