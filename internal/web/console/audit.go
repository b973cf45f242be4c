package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// auditView is the audit trail: every public change, who made it, and what it was
// before and after.
type auditView struct {
	shell
	Pages   []option
	Page    string
	Subject string // id of the one thing whose changes these are, empty for all
	Name    string // of that thing
	Open    string // address of that thing in the console, empty when it is gone
	Rows    []auditRow
	Older   string
	First   string
	Clear   string
}

type auditRow struct {
	publish.Audit
	Page    string // name; empty when the page is gone
	Does    string // "published the incident"
	Kind    string // "incident"
	Machine bool   // the clock or an alert
	Icon    string
	Fields  []auditField
	Of      string // address of the changes of the same thing
}

func (c *console) audit(w http.ResponseWriter, v *visit) error {
	ctx, in := v.Context(), v.URL.Query()
	pages, err := c.Store.StatusPages(ctx)
	if err != nil {
		return err
	}
	view := auditView{shell: c.shell(w, v, incidentsPath, "Audit trail"), Subject: in.Get("subject"), Pages: []option{{"", "All pages", in.Get("page") == ""}}}
	f := publish.AuditFilter{SubjectID: view.Subject, Cursor: in.Get("cursor"), Limit: 50}
	pageNames := map[string]string{}
	for _, p := range pages {
		pageNames[p.ID] = p.Name
		view.Pages = append(view.Pages, option{p.ID, p.Name, p.ID == in.Get("page")})
		if p.ID == in.Get("page") {
			f.PageID, view.Page = p.ID, p.ID
		}
	}
	lines, next, err := c.Store.StatusAudit(ctx, f)
	if err != nil {
		return err
	}
	names, err := c.auditNames(ctx, lines, pages)
	if err != nil {
		return err
	}
	at := func(subject, cursor string) string {
		q := url.Values{}
		for key, value := range map[string]string{"page": view.Page, "subject": subject, "cursor": cursor} {
			if value != "" {
				q.Set(key, value)
			}
		}
		if len(q) == 0 {
			return auditPath
		}
		return auditPath + "?" + q.Encode()
	}
	for _, a := range lines {
		view.Rows = append(view.Rows, auditRow{Audit: a, Page: pageNames[a.PageID], Does: auditDoes(a.What), Kind: auditKind(a.What), Machine: a.UserID == "",
			Icon: auditIcon(a.What), Fields: auditFields(a.Before, a.After, names, zoneOf(zoneName(pages, a.PageID))), Of: at(a.SubjectID, "")})
		if view.Name == "" {
			view.Name = a.Name
		}
	}
	if view.Subject != "" {
		view.Clear, view.Open = at("", ""), c.standing(ctx, view.Subject, lines)
	}
	if f.Cursor != "" {
		view.First = at(view.Subject, "")
	}
	if next != "" {
		view.Older = at(view.Subject, next)
	}
	return c.show(w, v, "audit", view)
}

func zoneName(pages []status.Page, id string) string {
	if n := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == id }); n >= 0 {
		return pages[n].Zone
	}
	return "UTC"
}

// auditNames are the names of what lines may refer to by id.
func (c *console) auditNames(ctx context.Context, lines []publish.Audit, pages []status.Page) (map[string]string, error) {
	names := map[string]string{}
	return names, c.namePages(ctx, names, slices.DeleteFunc(slices.Clone(pages), func(p status.Page) bool {
		return !slices.ContainsFunc(lines, func(a publish.Audit) bool { return a.PageID == p.ID })
	}))
}

// namePages adds the names of pages, and of their groups and components.
func (c *console) namePages(ctx context.Context, names map[string]string, pages []status.Page) error {
	for _, p := range pages {
		names[p.ID] = p.Name
		groups, parts, err := c.Store.StatusParts(ctx, p.ID)
		if err != nil {
			return err
		}
		for _, g := range groups {
			names[g.ID] = g.Name
		}
		for i := range parts {
			names[parts[i].ID] = parts[i].Name
		}
	}
	return nil
}

// standing is where the subject of lines is in the console, if it still is.
func (c *console) standing(ctx context.Context, id string, lines []publish.Audit) string {
	if len(lines) == 0 {
		return ""
	}
	switch auditKind(lines[0].What) {
	case "incident":
		if _, err := c.Store.Incident(ctx, id); err == nil {
			return incidentsPath + "/" + id
		}
	case "maintenance":
		if _, err := c.Store.Maintenance(ctx, id); err == nil {
			return maintenancePath + "/" + id
		}
	}
	return ""
}

// auditKind is what a line is about: its word before the dot.
func auditKind(what string) string {
	kind, _, _ := strings.Cut(what, ".")
	return kind
}

func auditIcon(what string) string {
	switch auditKind(what) {
	case "incident":
		return "incidents"
	case "maintenance", "series":
		return "calendar"
	case "component":
		return "components"
	case "group":
		return "groups"
	case "page":
		return "globe"
	case "template":
		return "rules"
	}
	return "dash"
}

// auditDoes says what somebody did, as in "Mira Sand published the incident".
func auditDoes(what string) string {
	says := map[string]string{
		"incident.open": "opened the incident", "incident.draft": "drafted the incident", "incident.update": "wrote an update of", "incident.change": "changed the incident",
		"incident.publish": "published the incident", "incident.discard": "discarded the draft", "incident.delete": "deleted the incident",
		"incident.postmortem": "wrote the postmortem of", "incident.update.change": "corrected an update of", "incident.grow": "added to the incident", "incident.again": "told anew of the incident",
		"incident.recovered":    "ended the incident",
		"maintenance.announce":  "announced the maintenance",
		"maintenance.change":    "changed the maintenance",
		"maintenance.update":    "wrote an update of",
		"maintenance.downtime":  "took up the downtime",
		"maintenance.completed": "completed the maintenance", "maintenance.cancelled": "cancelled the maintenance", "maintenance.in_progress": "began the maintenance",
		"maintenance.verifying": "went on to verify", "maintenance.scheduled": "scheduled the maintenance", "maintenance.update.change": "corrected an update of",
		"component.create": "made the component", "component.change": "changed the component", "component.state": "set the state of", "component.delete": "deleted the component",
		"group.create": "made the group", "group.change": "changed the group", "group.delete": "deleted the group",
		"page.create": "made the page", "page.change": "changed the page", "page.delete": "deleted the page", "page.order": "put in another order", "page.logo": "changed the logo of", "page.import": "imported the page",
		"component.follow": "gave back to its alerts", "page.triggers": "changed what visitors are told of on", "maintenance.delete": "deleted the maintenance",
		"series.save": "changed the series", "series.delete": "ended the series", "template.save": "saved the template", "template.delete": "deleted the template",
	}
	if s, ok := says[what]; ok {
		return s
	}
	if rest, ok := strings.CutPrefix(what, "maintenance.reminder."); ok {
		return "reminded visitors (" + rest + ") of"
	}
	kind, did, _ := strings.Cut(what, ".")
	return strings.ReplaceAll(strings.ReplaceAll(did, ".", " "), "_", " ") + " (" + kind + ")"
}
