package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// writing begins a form about an incident: of the page that in names for a new
// one, else of the incident with an id.
func (c *console) writing(v *visit, mode, id string, in url.Values) (*writing, error) {
	ctx := v.Context()
	w := &writing{mode: mode, in: in}
	pageID := in.Get("page")
	if mode != writeNew {
		var err error
		if w.stored, err = c.Store.Incident(ctx, id); err != nil {
			return nil, err
		}
		pageID = w.stored.PageID
	}
	pages, err := c.Store.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == pageID || pageID == "" && p.Main })
	if n < 0 {
		return nil, fmt.Errorf("page %q: %w", pageID, fault.ErrNotFound)
	}
	w.page, w.zone = pages[n], zoneOf(pages[n].Zone)
	if mode == writeText {
		of := v.PathValue("update")
		if of == "" {
			of = in.Get("update")
		}
		if w.at = slices.IndexFunc(w.stored.Updates, func(u status.Update) bool { return u.ID == of }); w.at < 0 {
			return nil, fmt.Errorf("update %q: %w", of, fault.ErrNotFound)
		}
	}
	w.groups, w.parts, err = c.Store.StatusParts(ctx, w.page.ID)
	return w, err
}

// editorView is a form about an incident with what it will look like and who will
// be told beside it.
type editorView struct {
	shell
	form
	Heading, Intro, Back string
	Mode, ID, Update     string
	Page                 status.Page
	Key                  string
	Templates            []option
	Parts                []statesGroup
	PartsCount           int
	Alerts               []alert.Alert
	AlertIDs             []string
	MoreAlerts           int
	Reach                reachView
	Languages            []option
	Preview              string // address of the frame; empty: there is no preview
	Discard              string
	Draft                bool // can be kept as one
	Automatic            whenView
}

// F is a field by its name; nil where the form has none.
func (e editorView) F(name string) *field {
	for i := range e.Sections[0].Fields {
		if e.Sections[0].Fields[i].Name == name {
			return &e.Sections[0].Fields[i]
		}
	}
	return nil
}

// Above are the fields above the components; all where there are none.
func (e editorView) Above() []field {
	fields := e.Sections[0].Fields
	if n := slices.IndexFunc(fields, isStates); n >= 0 {
		return fields[:n]
	}
	return fields
}

// Below are the fields below the components.
func (e editorView) Below() []field {
	fields := e.Sections[0].Fields
	if n := slices.IndexFunc(fields, isStates); n >= 0 {
		return fields[n+1:]
	}
	return nil
}

func isStates(f field) bool { return f.Kind == "states" }

// Lines are the alerts beside the form.
func (e editorView) Lines() alertLines { return alertLines{e.Alerts, e.MoreAlerts} }

// statesGroup is components under a heading, each with what may become of it.
type statesGroup struct {
	Title string
	Rows  []statesRow
}

type statesRow struct {
	ID, Name string
	Now      status.State
	Hidden   bool
	Touched  bool
	Options  []option
}

func (w *writing) states() (groups []statesGroup, n int) {
	byID := map[string]*status.Component{}
	for i := range w.parts {
		byID[w.parts[i].ID] = &w.parts[i]
	}
	shown := plan{Groups: componentGroups(w.groups, w.parts), Parts: map[string]string{}}
	for id, c := range byID {
		shown.Parts[id] = c.Name
	}
	ids, _ := w.chosen()
	for _, g := range shown.choose(ids) {
		out := statesGroup{Title: g.Title}
		for _, o := range g.Options {
			c := byID[o.Value]
			was := w.in.Get(part + c.ID)
			row := statesRow{ID: c.ID, Name: c.Name, Now: c.State, Hidden: c.Hidden, Touched: was != ""}
			if w.mode != writeUpdate || !slices.Contains(w.stored.Components, c.ID) {
				row.Options = append(row.Options, option{"", "Not affected", was == ""})
			}
			stays := "Affected, stays as it is"
			if w.mode == writeUpdate { // all of them may work again by a tick above
				stays = "Affected, no change here"
			}
			row.Options = append(row.Options, option{affected, stays, was == affected})
			for _, s := range handStates() {
				row.Options = append(row.Options, option{string(s), doing(s).Word, was == string(s)})
			}
			out.Rows, n = append(out.Rows, row), n+1
		}
		groups = append(groups, out)
	}
	return groups, n
}

// fields are those that a form of this mode has.
func (w *writing) fields() []field {
	in := w.in
	zone := "In the page’s time zone, " + w.page.Zone + "."
	title := field{Name: "title", Label: "Title", Kind: "text", Value: in.Get("title"), Required: true, Auto: "off", Hint: "What visitors notice, in a few words: “Card payments are refused”."}
	impact := field{Name: "impact", Label: "Impact", Kind: "select", Options: impactOptions(status.Impact(in.Get("impact"))), Half: true}
	phase := field{Name: "phase", Label: "Status", Kind: "select", Options: phaseOptions(status.Phase(in.Get("phase"))), Half: true}
	body := field{Name: "body", Label: "Message", Kind: "textarea", Value: in.Get("body"), Rows: 7, Hint: "Markdown: **bold**, *italic*, [a link](https://…), lists. What is known, what is done, when you write again."}
	at := field{Name: "at", Label: "Time of this message", Kind: "datetime-local", Value: in.Get("at"), Half: true, Hint: "Empty: now. " + zone}
	started := field{Name: "started", Label: "Began", Kind: "datetime-local", Value: in.Get("started"), Half: true, Hint: "Empty: now. May lie back. " + zone}
	silent := field{Name: "silent", Label: "Publish silently: it shows on the page, and nobody is told", Kind: "checkbox", Checked: w.silent()}
	switch w.mode {
	case writeNew, writeDraft:
		return []field{title, phase, impact, body, {Name: "components", Kind: "states"}, started, at, silent}
	case writeUpdate:
		restore := field{Name: "restore", Label: "All of its components work again", Kind: "checkbox", Checked: in.Get("restore") != "", When: "phase=" + string(status.Resolved)}
		phase.Half = false
		return []field{phase, body, restore, {Name: "components", Kind: "states"}, at, silent}
	case writeDetails:
		started.Hint = zone
		p := plan{Groups: componentGroups(w.groups, w.parts), Parts: map[string]string{}}
		for i := range w.parts {
			p.Parts[w.parts[i].ID] = w.parts[i].Name
		}
		return []field{title, impact, started, {Name: "components", Label: "Components that it is about", Kind: "parts", Groups: p.choose(chosen(in, "components")), Empty: "The page has no components."}}
	case writeText:
		at.Hint = zone
		return []field{body, at}
	case writePostmortem:
		body.Label, body.Rows, body.Hint = "Postmortem", 16, "What happened, why, and what is done so that it does not happen again. Markdown. Empty takes it away."
		return []field{body, silent}
	}
	return nil
}

// showEditor draws the form; why is what is wrong with it, nil for nothing.
func (c *console) showEditor(rw http.ResponseWriter, v *visit, w *writing, why error) error {
	ctx := v.Context()
	e := editorView{Mode: w.mode, ID: w.stored.ID, Page: w.page, Key: w.in.Get("key"), Back: incidentsPath + "/" + w.stored.ID, Draft: w.mode == writeNew}
	if e.Key == "" {
		e.Key = c.NewID()
	}
	e.Sections = []section{{Fields: w.fields()}}
	at := "/edit"
	switch w.mode {
	case writeNew:
		e.Heading, at, e.Back = "New incident", "", incidentsPath+pageChoice{Page: w.page}.Query()
		e.Intro = "Something is wrong, and visitors are to know."
	case writeDraft:
		e.Heading, at = "Draft: "+w.stored.Title, "/draft"
		e.Intro = "Visitors see nothing of it yet."
		e.Discard = e.Back + "/discard"
		e.Automatic = when(w.stored.PublishAt, v.now)
	case writeUpdate:
		e.Heading, at = "Update: "+w.stored.Title, "/update"
		if incidentOver(w.stored.Phase) {
			e.Heading, e.Intro = "Reopen: "+w.stored.Title, "It is over. Another update that is not “Resolved” opens it again."
		}
	case writeDetails:
		e.Heading, e.Intro = "Correct: "+w.stored.Title, "Nobody is told of a correction."
	case writeText:
		e.Heading, at, e.Update = "Correct an update: "+w.stored.Title, "/updates/"+w.stored.Updates[w.at].ID, w.stored.Updates[w.at].ID
		e.Intro = "Nobody is told of a correction."
	case writePostmortem:
		e.Heading, at = "Postmortem: "+w.stored.Title, "/postmortem"
	}
	if e.Action = incidentsPath + "/" + w.stored.ID + at; w.mode == writeNew {
		e.Action = incidentsPath + "/new"
	}
	if w.mode == writeNew || w.mode == writeDraft || w.mode == writeUpdate {
		e.Parts, e.PartsCount = w.states()
		templates, err := c.Store.StatusTemplates(ctx, w.page.ID)
		if err != nil {
			return err
		}
		if len(templates) > 0 {
			e.Templates = []option{{"", "No template", true}}
		}
		for _, t := range templates {
			e.Templates = append(e.Templates, option{Value: t.ID, Title: t.Name})
		}
		e.AlertIDs = w.stored.AlertIDs
		if w.mode == writeNew {
			e.AlertIDs = chosen(w.in, "alert")
		}
		if e.Alerts, e.MoreAlerts, err = c.alertsOf(ctx, e.AlertIDs, mostAlerts); err != nil {
			return err
		}
	}
	var err error
	if e.Reach, err = c.reach(ctx, w); err != nil {
		return err
	}
	if c.Preview != nil {
		e.Preview, e.Languages = w.previewAddress(), languageOptions(w.in.Get("lang"), w.page)
		// The frame beside the form is the only one that the console has.
		rw.Header().Set("Content-Security-Policy", contentPolicy+"; frame-src 'self'")
	}
	e.Seen = seenFrom(v, w.seen(), why)
	code := http.StatusOK
	if why != nil {
		code = http.StatusUnprocessableEntity
		if !e.refused(ofForm(why)) {
			return why
		}
	}
	e.shell = c.shell(rw, v, incidentsPath, e.Heading)
	c.write(rw, v.Request, code, "incident-edit", "shell", e)
	return nil
}

// ofForm names the fields of a refusal as these forms do: the last update is the
// one that is written.
func ofForm(err error) error {
	var f *status.FieldError
	if !errors.As(err, &f) {
		return err
	}
	g := *f
	if rest, ok := strings.CutPrefix(f.Field, "updates["); ok {
		if _, name, ok := strings.Cut(rest, "]."); ok {
			g.Field = name
		}
	}
	if strings.HasPrefix(f.Field, "changes") {
		g.Field = "components"
	}
	if f.Field == "resolved_at" {
		g.Field = "at"
	}
	if f.Field == "postmortem" {
		g.Field = "body"
	}
	return &g
}

// prepare answers what every form offers besides its own buttons: to fill in a
// template, and to look at it without sending it. It says whether that was it.
func (c *console) prepare(rw http.ResponseWriter, v *visit, w *writing) (shown bool, err error) {
	switch w.in.Get("step") {
	case "template":
		templates, err := c.Store.StatusTemplates(v.Context(), w.page.ID)
		if err != nil {
			return true, err
		}
		if n := slices.IndexFunc(templates, func(t publish.Template) bool { return t.ID == w.in.Get("template") }); n >= 0 {
			w.use(templates[n])
		}
		return true, c.showEditor(rw, v, w, nil)
	case "review":
		return true, c.showEditor(rw, v, w, nil)
	}
	return false, nil
}

func (c *console) newIncident(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeNew, "", v.URL.Query())
	if isNotFound(err) && v.URL.Query().Get("page") == "" {
		say(rw, "bad", "There is no status page yet: make one first.")
		http.Redirect(rw, v.Request, incidentsPath, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	in, components := url.Values{"page": {w.page.ID}, "alert": chosen(w.in, "alert")}, chosen(w.in, "component")
	w.in = in
	w.fill()
	for _, id := range components {
		in.Set(part+id, affected)
	}
	in.Set("started", "")
	for _, id := range in["alert"] {
		a, err := c.Store.Alert(v.Context(), id)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		w.from(&a)
	}
	templates, err := c.Store.StatusTemplates(v.Context(), w.page.ID)
	if err != nil {
		return err
	}
	if n := slices.IndexFunc(templates, func(t publish.Template) bool { return t.ID == v.URL.Query().Get("template") }); n >= 0 {
		w.use(templates[n])
	}
	return c.showEditor(rw, v, w, nil)
}

// from proposes what an alert says of components that are bound to its object.
func (w *writing) from(a *alert.Alert) {
	if w.in.Get("started") == "" || a.Since.In(w.zone).Format(inputTime) < w.in.Get("started") {
		w.in.Set("started", w.local(a.Since))
	}
	for i := range w.parts {
		p := &w.parts[i]
		for j := range p.Bindings {
			if !p.Bindings[j].Matches(&a.Object) {
				continue
			}
			to := p.Bindings[j].Of(a.State)
			had := status.State(w.in.Get(part + p.ID))
			if to == p.State || to.Rank() <= 0 || to == status.Maintained {
				if had == "" {
					w.in.Set(part+p.ID, affected)
				}
			} else if had.Rank() < to.Rank() {
				w.in.Set(part+p.ID, string(to))
			}
		}
	}
}

func (c *console) openIncident(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeNew, "", v.PostForm)
	if err != nil {
		return err
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	n, err := w.note()
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	e, err := w.edit(v.now)
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	o := publish.Opening{PageID: w.page.ID, Title: *e.Title, Impact: *e.Impact, Components: *e.Components, Draft: w.in.Get("step") == "draft", AlertIDs: chosen(w.in, "alert"), Note: n}
	if e.Started != nil {
		o.Started = *e.Started
	}
	made, told, err := c.Desk.OpenIncident(v.Context(), v.author(), o)
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	if made.Draft {
		return done(rw, v, incidentsPath+"/"+made.ID, "Kept as a draft. Visitors see nothing of it until it is published.")
	}
	return done(rw, v, incidentsPath+"/"+made.ID, published("Published.", told, n.Silent))
}

// published is what there is to say after something was.
func published(what string, t publish.Told, silent bool) string {
	switch {
	case t.Again:
		return "That was published a moment ago: it is not published twice."
	case silent:
		return what + " Nobody was told."
	case len(t.Publications) == 0:
		return what + " Visitors are not told of this kind of change: see the triggers under Settings → Notifications."
	}
	return what + " Whoever asked for it is being told: below stands how far that is."
}

func (c *console) draft(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeDraft, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	if !w.stored.Draft {
		http.Redirect(rw, v.Request, incidentsPath+"/"+w.stored.ID, http.StatusSeeOther)
		return nil
	}
	w.fill()
	return c.showEditor(rw, v, w, nil)
}

func (c *console) saveDraft(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeDraft, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	back := incidentsPath + "/" + w.stored.ID
	if !w.stored.Draft {
		return c.goOnAsUpdate(rw, v)
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	n, err := w.note()
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	e, err := w.edit(v.now)
	if err == nil {
		err = c.meanwhile(v, w.page.ID, w.stored.ID, w.seen(), w.given())
	}
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	if _, err := c.Desk.EditDraft(v.Context(), v.author(), w.stored.ID, e, n); err != nil {
		return c.showEditor(rw, v, w, err)
	}
	if w.in.Get("step") != "publish" {
		return done(rw, v, back, "Saved the draft. It waits for somebody to publish it.")
	}
	return c.publish(rw, v, w.stored.ID, n.Silent)
}

// goOnAsUpdate shows what somebody wrote into a draft that was published meanwhile
// as an update of it.
func (c *console) goOnAsUpdate(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeUpdate, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	n, _ := w.note() // a time that cannot be read is the draft's
	if u := w.last(); u != nil && u.Body == n.Body && u.Phase == n.Phase {
		return done(rw, v, incidentsPath+"/"+w.stored.ID, "It was published already.")
	}
	for _, name := range []string{"at", "seen"} { // are the draft's
		w.in.Del(name)
	}
	w.in.Set("restore", "on")
	why := c.clashOf(v, w.page.ID, w.stored.ID)
	why.Did, why.Next = "published this draft", "What you wrote stands below as an update of it, and is not published yet. Its title and impact are changed with “Correct”."
	return c.showEditor(rw, v, w, why)
}

func (c *console) publishDraft(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeDraft, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	if changed := c.meanwhile(v, w.page.ID, w.stored.ID, w.seen(), nil); w.stored.Draft && changed != nil {
		say(rw, "bad", "It was changed since you looked at it, and is not published. This is how it is now.")
		http.Redirect(rw, v.Request, incidentsPath+"/"+w.stored.ID+"/draft", http.StatusSeeOther)
		return nil //nolint:nilerr // was said
	}
	return c.publish(rw, v, w.stored.ID, v.PostFormValue("silent") != "")
}

func (c *console) publish(rw http.ResponseWriter, v *visit, id string, silent bool) error {
	_, told, err := c.Desk.PublishDraft(v.Context(), v.author(), id, silent)
	if isNotFound(err) {
		if _, there := c.Store.Incident(v.Context(), id); there != nil {
			return err
		}
		return done(rw, v, incidentsPath+"/"+id, "It was published already.")
	}
	if err != nil {
		return err
	}
	return done(rw, v, incidentsPath+"/"+id, published("Published.", told, silent))
}
