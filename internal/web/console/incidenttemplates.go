package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

type incidentTemplatesView struct {
	shell
	Choice pageChoice
	Rows   []templateRow
}

type templateRow struct {
	publish.Template
	Names []string
}

func (c *console) incidentTemplates(w http.ResponseWriter, v *visit) error {
	choice, err := c.choosePage(v)
	if err != nil {
		return err
	}
	view := incidentTemplatesView{shell: c.shell(w, v, incidentsPath, "Templates"), Choice: choice}
	if choice.Page.ID == "" {
		return c.show(w, v, "incident-templates", view)
	}
	names, err := c.partNames(v.Context(), choice.Page.ID)
	if err != nil {
		return err
	}
	list, err := c.Store.StatusTemplates(v.Context(), choice.Page.ID)
	if err != nil {
		return err
	}
	for _, t := range list {
		view.Rows = append(view.Rows, templateRow{t, namesOf(t.Components, names)})
	}
	return c.show(w, v, "incident-templates", view)
}

// loadTemplate answers a template with the page that it is of, which for a new one
// the address or the form names.
func (c *console) loadTemplate(v *visit) (publish.Template, status.Page, error) {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return publish.Template{}, status.Page{}, err
	}
	id := v.PathValue("id")
	if id == "new" {
		want := v.URL.Query().Get("page")
		if v.Method == http.MethodPost {
			want = v.PostForm.Get("page")
		}
		n := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == want || want == "" && p.Main })
		if n < 0 {
			return publish.Template{}, status.Page{}, fmt.Errorf("page %q: %w", want, fault.ErrNotFound)
		}
		return publish.Template{PageID: pages[n].ID}, pages[n], nil
	}
	for _, p := range pages {
		list, err := c.Store.StatusTemplates(v.Context(), p.ID)
		if err != nil {
			return publish.Template{}, p, err
		}
		if n := slices.IndexFunc(list, func(t publish.Template) bool { return t.ID == id }); n >= 0 {
			return list[n], p, nil
		}
	}
	return publish.Template{}, status.Page{}, fmt.Errorf("template %q: %w", id, fault.ErrNotFound)
}

func (c *console) incidentTemplate(w http.ResponseWriter, v *visit) error {
	t, p, err := c.loadTemplate(v)
	if isNotFound(err) && v.PathValue("id") == "new" && v.URL.Query().Get("page") == "" {
		http.Redirect(w, v.Request, templatesPath, http.StatusSeeOther) // which says that there is no page yet
		return nil
	}
	if err != nil {
		return err
	}
	return c.showTemplate(w, v, http.StatusOK, t, t, p, nil)
}

func templateTexts(t *publish.Template) url.Values {
	return url.Values{"name": {t.Name}, "title": {t.Title}, "phase": {string(t.Phase)}, "impact": {string(t.Impact)}, "body": {t.Body}, "components": t.Components}
}

// showTemplate draws the form of a template; t is what its fields hold.
func (c *console) showTemplate(w http.ResponseWriter, v *visit, code int, stored, t publish.Template, p status.Page, why error) error {
	groups, parts, err := c.Store.StatusParts(v.Context(), p.ID)
	if err != nil {
		return err
	}
	of := plan{Groups: componentGroups(groups, parts), Parts: map[string]string{}}
	for i := range parts {
		of.Parts[parts[i].ID] = parts[i].Name
	}
	keep := option{Title: "As it is when it is used", Selected: t.Phase == ""}
	list := templatesPath + pageChoice{Page: p}.Query()
	id, heading := v.PathValue("id"), "New template"
	f := form{
		Action: templatesPath + "/" + id, Submit: "Save template", Cancel: list, Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: t.Name, Required: true, Auto: "off", Hint: "For who writes in a hurry. Visitors do not see it."},
			}},
			{Title: "What it fills in", Hint: "What is left empty stays as it is. Everything can be changed before it is published.", Fields: []field{
				{Name: "title", Label: "Title", Kind: "text", Value: t.Title, Auto: "off"},
				{Name: "phase", Label: "Status", Kind: "select", Options: append([]option{keep}, phaseOptions(t.Phase)...), Half: true},
				{Name: "impact", Label: "Impact", Kind: "select", Options: append([]option{{Title: keep.Title, Selected: t.Impact == ""}}, impactOptions(t.Impact)...), Half: true},
				{Name: "body", Label: "Message", Kind: "textarea", Value: t.Body, Rows: 8, Hint: "Markdown. Mark what must be filled in, as in [time]."},
				{Name: "components", Label: "Components that it is about", Kind: "parts", Groups: of.choose(t.Components), Empty: "The page has no components yet."},
			}},
		},
	}
	if id == "new" {
		f.Action += pageChoice{Page: p}.Query()
	} else {
		heading, f.Delete = stored.Name, f.Action+"/delete"
	}
	f.Seen = seenFrom(v, templateTexts(&stored), why)
	if why != nil && !f.refused(ofForm(why)) {
		return why
	}
	return c.showForm(w, v, code, formView{shell: c.shell(w, v, incidentsPath, heading), Heading: heading, Intro: "A prepared text for incidents and updates of " + p.Name + ".", Form: f})
}

func (c *console) saveIncidentTemplate(w http.ResponseWriter, v *visit) error {
	if v.PathValue("id") == "new" {
		v.PostForm.Set("page", v.URL.Query().Get("page"))
	}
	stored, p, err := c.loadTemplate(v)
	if err != nil {
		return err
	}
	saved := readTemplate(stored, v.PostForm)
	t := saved
	if err = c.meanwhile(v, p.ID, stored.ID, templateTexts(&stored), templateTexts(&t)); err == nil {
		saved, err = c.Desk.SaveTemplate(v.Context(), v.author(), t)
	}
	if errors.Is(err, fault.ErrTaken) {
		err = &status.FieldError{Field: "name", Problem: "Another template has this name", Mend: "choose another one"}
	}
	if err != nil {
		return c.showTemplate(w, v, http.StatusUnprocessableEntity, stored, t, p, err)
	}
	return done(w, v, templatesPath+pageChoice{Page: p}.Query(), "Saved the template “"+saved.Name+"”.")
}

func readTemplate(t publish.Template, in url.Values) publish.Template {
	t.Name, t.Title, t.Phase, t.Impact = text(in, "name"), text(in, "title"), status.Phase(in.Get("phase")), status.Impact(in.Get("impact"))
	t.Body = strings.TrimSpace(strings.ReplaceAll(in.Get("body"), "\r\n", "\n"))
	t.Components = chosen(in, "components")
	return t
}

func (c *console) askDeleteIncidentTemplate(w http.ResponseWriter, v *visit) error {
	t, _, err := c.loadTemplate(v)
	if err != nil {
		return err
	}
	at := templatesPath + "/" + t.ID
	return c.confirm(w, v, incidentsPath, confirmView{Heading: "Delete the template “" + t.Name + "”?", Effects: []string{"What was written with it stays."},
		Action: at + "/delete", Back: at, Button: "Delete template"})
}

func (c *console) deleteIncidentTemplate(w http.ResponseWriter, v *visit) error {
	t, p, err := c.loadTemplate(v)
	if err == nil {
		err = c.Desk.DeleteTemplate(v.Context(), v.author(), t.ID)
	}
	if err != nil {
		return err
	}
	return done(w, v, templatesPath+pageChoice{Page: p}.Query(), "The template “"+t.Name+"” is deleted.")
}
