package console

import (
	"net/http"
	"slices"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/web"
)

type groupsView struct {
	shell
	Rows []groupRow
}

type groupRow struct {
	contact.Group
	Members []string
	Rules   []string
}

func (c *console) groups(w http.ResponseWriter, v *visit) error {
	groups, err := c.Store.Groups(v.Context())
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	rules, err := c.Store.Rules(v.Context())
	if err != nil {
		return err
	}
	schedules, err := c.Store.Schedules(v.Context())
	if err != nil {
		return err
	}
	view := groupsView{shell: c.shell(w, v, "/console/groups", "Groups")}
	for _, g := range groups {
		r := groupRow{Group: g}
		for _, k := range contacts {
			if slices.Contains(g.ContactIDs, k.ID) {
				r.Members = append(r.Members, contactLabel(k))
			}
		}
		for _, s := range schedules {
			if slices.Contains(g.ScheduleIDs, s.ID) {
				r.Members = append(r.Members, "On call: "+s.Name)
			}
		}
		for _, x := range rules {
			if slices.Contains(x.GroupIDs, g.ID) {
				r.Rules = append(r.Rules, x.Name)
			}
		}
		view.Rows = append(view.Rows, r)
	}
	return c.show(w, v, "groups", view)
}

func (c *console) loadGroup(v *visit) (contact.Group, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Group(v.Context(), id)
	}
	return contact.Group{}, nil
}

func (c *console) group(w http.ResponseWriter, v *visit) error {
	g, err := c.loadGroup(v)
	if err != nil {
		return err
	}
	return c.showGroup(w, v, http.StatusOK, g, nil)
}

// showGroup draws the form of a group; why is the error that refused it.
func (c *console) showGroup(w http.ResponseWriter, v *visit, status int, g contact.Group, why error) error {
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	members := contactOptions(contacts, g.ContactIDs)
	schedules, err := c.Store.Schedules(v.Context())
	if err != nil {
		return err
	}
	var duties []option
	for _, s := range schedules {
		duties = append(duties, option{s.ID, s.Name, slices.Contains(g.ScheduleIDs, s.ID)})
	}
	id, heading := v.PathValue("id"), "New group"
	f := form{
		Action: "/console/groups/" + id, Submit: "Save group", Cancel: "/console/groups", Locked: !v.may(auth.WriteConfig),
		Sections: []section{{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: g.Name, Required: true, Half: true},
			{Name: "description", Label: "Description", Kind: "text", Value: g.Description, Half: true},
			{Name: "contact_ids", Label: "Contacts", Kind: "checks", Options: members, Empty: "There are no contacts yet. Add some, then come back."},
			{Name: "schedule_ids", Label: "And who is on call in", Kind: "checks", Options: duties, Empty: "There are no schedules yet: see On call.", Hint: onCallHint(duties)},
		}}},
	}
	if id != "new" {
		heading, f.Delete = g.Name, "/console/groups/"+id+"/delete"
	}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/groups", heading), Heading: heading,
		Intro: "Several contacts under one name, for rules.", Form: f})
}

func contactOptions(contacts []contact.Contact, ids []string) []option {
	var out []option
	for _, k := range contacts {
		out = append(out, option{k.ID, contactLabel(k), slices.Contains(ids, k.ID)})
	}
	return out
}

func (c *console) saveGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.loadGroup(v)
	if err != nil {
		return err
	}
	g.Name, g.Description, g.ContactIDs = text(v.PostForm, "name"), text(v.PostForm, "description"), chosen(v.PostForm, "contact_ids")
	g.ScheduleIDs = chosen(v.PostForm, "schedule_ids")
	if err := web.CheckGroup(v.Context(), c.Store, g); err != nil {
		return c.showGroup(w, v, http.StatusUnprocessableEntity, g, err)
	}
	if g.ID == "" {
		g.ID = c.NewID()
	}
	if err := c.Store.SaveGroup(v.Context(), g); err != nil {
		return c.showGroup(w, v, http.StatusUnprocessableEntity, g, err)
	}
	return done(w, v, "/console/groups", "Saved the group "+g.Name+".")
}

func (c *console) askDeleteGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.Store.Group(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	rules, err := c.Store.Rules(v.Context())
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the group " + g.Name + "?", Action: "/console/groups/" + g.ID + "/delete",
		Back: "/console/groups/" + g.ID, Button: "Delete group", Effects: []string{"Its contacts stay."}}
	for _, r := range rules {
		if slices.Contains(r.GroupIDs, g.ID) {
			view.Refused = "A rule still chooses this group. Take it out there first."
			view.Effects = append(view.Effects, "The rule “"+r.Name+"” chooses it.")
		}
	}
	return c.confirm(w, v, "/console/groups", view)
}

func (c *console) deleteGroup(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteGroup(v.Context(), v.PathValue("id"))
	return c.deleted(w, v, err, "/console/groups", "The group is deleted.", "A rule still chooses this group. Take it out there first.")
}
