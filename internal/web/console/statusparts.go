package console

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// partTree is a page's components in their groups, as visitors see them in order:
// those without a group, then the groups; in a group its components, then those
// that stand in it.
type partTree struct {
	State  status.State // the worst that visitors see
	Count  int          // components, hidden ones too
	Groups int
	partBranch
}

type partBranch struct {
	Parts    []partRow
	Branches []groupBranch
}

type partRow struct {
	status.Component
	Shown       status.State // with maintenance
	First, Last bool         // in its group
}

type groupBranch struct {
	status.Group
	State       status.State
	Count       int // components in it, those of groups in it too
	First, Last bool
	partBranch
}

// Top says whether the group stands in no other.
func (g groupBranch) Top() bool { return g.ParentID == "" }

// tree is what is on a page.
func (c *console) tree(v *visit, pageID string) (partTree, error) {
	groups, parts, err := c.Store.StatusParts(v.Context(), pageID)
	if err != nil {
		return partTree{}, err
	}
	maintained, err := c.maintained(v, pageID)
	if err != nil {
		return partTree{}, err
	}
	return branches(groups, parts, maintained), nil
}

// maintained are the components that are worked on now, by id.
func (c *console) maintained(v *visit, pageID string) (map[string]bool, error) {
	list, _, err := c.Store.StatusMaintenances(v.Context(), publish.MaintenanceFilter{PageID: pageID, Which: publish.Active, Limit: publish.MaxOpen})
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i := range list {
		for _, id := range list[i].Components {
			out[id] = true
		}
	}
	return out, nil
}

// branches puts components into their groups. What names a group that is not there
// stands with those that have none.
func branches(groups []status.Group, parts []status.Component, maintained map[string]bool) partTree {
	known := map[string]bool{}
	for _, g := range groups {
		known[g.ID] = true
	}
	rows := map[string][]partRow{}
	for _, p := range parts {
		row := partRow{Component: p, Shown: p.State}
		if maintained[p.ID] {
			row.Shown = status.Worst(p.State, status.Maintained)
		}
		at := p.GroupID
		if !known[at] {
			at = ""
		}
		rows[at] = append(rows[at], row)
	}
	below := map[string][]status.Group{}
	for _, g := range groups {
		if !known[g.ParentID] || g.ParentID == g.ID {
			g.ParentID = ""
		}
		below[g.ParentID] = append(below[g.ParentID], g)
	}
	t := partTree{Count: len(parts), Groups: len(groups)}
	t.partBranch, t.State, _ = branch("", rows, below, 2)
	return t
}

func branch(id string, rows map[string][]partRow, below map[string][]status.Group, levels int) (b partBranch, worst status.State, n int) {
	worst = status.Operational
	b.Parts = rows[id]
	n = len(b.Parts)
	for i := range b.Parts {
		b.Parts[i].First, b.Parts[i].Last = i == 0, i == n-1
		if !b.Parts[i].Hidden {
			worst = status.Worst(worst, b.Parts[i].Shown)
		}
	}
	if levels == 0 {
		return b, worst, n
	}
	for i, g := range below[id] {
		k := groupBranch{Group: g, First: i == 0, Last: i == len(below[id])-1}
		k.partBranch, k.State, k.Count = branch(g.ID, rows, below, levels-1)
		b.Branches = append(b.Branches, k)
		worst, n = status.Worst(worst, k.State), n+k.Count
	}
	return b, worst, n
}

// places are the groups and the components in the order of the tree.
func (b *partBranch) places(parent string, groups, parts []publish.Place) (g, p []publish.Place) {
	for i := range b.Parts {
		parts = append(parts, publish.Place{ID: b.Parts[i].ID, ParentID: parent})
	}
	for i := range b.Branches {
		k := &b.Branches[i]
		groups = append(groups, publish.Place{ID: k.ID, ParentID: parent})
		groups, parts = k.places(k.ID, groups, parts)
	}
	return groups, parts
}

// treeLevel is one level of the tree as its template draws it.
type treeLevel struct {
	View   componentsView
	May    may
	Branch partBranch
	Parent string // id of the group, empty at the top
	Name   string // of the group
	Nest   bool   // groups can stand here
}

// levelOf is what the template of a level is given: the page, and what is on it or
// in one of its groups.
func levelOf(view any, in any, parent string) (treeLevel, error) {
	page, ok := view.(componentsView)
	if !ok {
		return treeLevel{}, fmt.Errorf("draw a level of %T", view)
	}
	l := treeLevel{View: page, May: page.May, Parent: parent}
	switch b := in.(type) {
	case partTree:
		l.Branch, l.Nest = b.partBranch, true
	case groupBranch:
		l.Branch, l.Name, l.Nest = b.partBranch, b.Name, b.Top()
	default:
		return l, fmt.Errorf("draw a level of %T", in)
	}
	return l, nil
}

type componentsView struct {
	shell
	pageChoice
	Tree    partTree
	Address string
}

func (c *console) components(w http.ResponseWriter, v *visit) error {
	choice, err := c.choosePage(v)
	if err != nil {
		return err
	}
	view := componentsView{pageChoice: choice}
	if choice.Page.ID != "" {
		view.Address = c.pageAddress(v, &choice.Page)
		if view.Tree, err = c.tree(v, choice.Page.ID); err != nil {
			return err
		}
	}
	view.shell = c.shell(w, v, componentsPath, "Components")
	return c.show(w, v, "components", view)
}

// componentsOf leads to the list that has a page's components.
func componentsOf(pageID string) string { return componentsPath + "?page=" + url.QueryEscape(pageID) }

// orderComponents takes the order that somebody gave the list by dragging or by
// keys: "g:ID:PARENT" and "c:ID:GROUP", from the top. It answers 204, or 409 with
// a sentence.
func (c *console) orderComponents(w http.ResponseWriter, v *visit) error {
	var groups, parts []publish.Place
	for _, place := range v.PostForm["place"] {
		kind, rest, _ := strings.Cut(place, ":")
		id, parent, ok := strings.Cut(rest, ":")
		switch {
		case ok && kind == "g":
			groups = append(groups, publish.Place{ID: id, ParentID: parent})
		case ok && kind == "c":
			parts = append(parts, publish.Place{ID: id, ParentID: parent})
		default:
			http.Error(w, "The order that was sent cannot be read. Load the page anew.", http.StatusConflict)
			return nil
		}
	}
	err := c.Desk.Reorder(v.Context(), v.author(), v.PostForm.Get("page"), groups, parts)
	var refused *status.FieldError
	switch {
	case errors.As(err, &refused), errors.Is(err, fault.ErrNotFound):
		http.Error(w, "The list was changed by somebody else meanwhile. Load the page anew, then move it again.", http.StatusConflict)
		return nil
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// moveComponent changes places with the neighbour above or below in the group.
func (c *console) moveComponent(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.move(w, v, b.Component.PageID, b.Component.Name, func(t *partTree) bool {
		return t.each(func(in *partBranch) bool {
			return swapped(in.Parts, v.PostFormValue("way"), func(p *partRow) bool { return p.ID == b.Component.ID })
		})
	})
}

func (c *console) movePartGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.Store.StatusGroup(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.move(w, v, g.PageID, g.Name, func(t *partTree) bool {
		return t.each(func(in *partBranch) bool {
			return swapped(in.Branches, v.PostFormValue("way"), func(b *groupBranch) bool { return b.ID == g.ID })
		})
	})
}

// move puts the tree into the order that change makes of it.
func (c *console) move(w http.ResponseWriter, v *visit, pageID, name string, change func(t *partTree) bool) error {
	t, err := c.tree(v, pageID)
	if err != nil {
		return err
	}
	if !change(&t) {
		http.Redirect(w, v.Request, componentsOf(pageID), http.StatusSeeOther)
		return nil
	}
	groups, parts := t.places("", nil, nil)
	if err := c.Desk.Reorder(v.Context(), v.author(), pageID, groups, parts); err != nil {
		return err
	}
	return done(w, v, componentsOf(pageID), "Moved “"+name+"”.")
}

// each calls fn with every level until it answers true.
func (b *partBranch) each(fn func(b *partBranch) bool) bool {
	if fn(b) {
		return true
	}
	for i := range b.Branches {
		if b.Branches[i].each(fn) {
			return true
		}
	}
	return false
}

// swapped changes the places of the one that is meant and its neighbour.
func swapped[T any](list []T, way string, meant func(*T) bool) bool {
	i := slices.IndexFunc(list, func(x T) bool { return meant(&x) })
	j := i + 1
	if way == "up" {
		j = i - 1
	}
	if i < 0 || j < 0 || j >= len(list) {
		return false
	}
	list[i], list[j] = list[j], list[i]
	return true
}

// groupOptions are the groups of a page to stand in, those in others as "Outer ›
// Inner". Without is one that is left out, and nested leaves out those that stand
// in another one already.
func groupOptions(groups []status.Group, chosen, without string, nested bool) []option {
	out := []option{{"", "None: at the top", chosen == ""}}
	add := func(g *status.Group, title string) {
		if g.ID != without {
			out = append(out, option{g.ID, title, g.ID == chosen})
		}
	}
	for i := range groups {
		g := &groups[i]
		if g.ParentID != "" {
			continue
		}
		add(g, g.Name)
		for k := range groups {
			if inner := &groups[k]; nested && inner.ParentID == g.ID {
				add(inner, g.Name+" › "+inner.Name)
			}
		}
	}
	return out
}

func (c *console) formGroup(v *visit) (status.Group, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.StatusGroup(v.Context(), id)
	}
	p, err := c.choosePage(v)
	if err == nil && p.Page.ID == "" {
		err = fault.ErrNotFound
	}
	return status.Group{PageID: p.Page.ID, ParentID: v.URL.Query().Get("in")}, err
}

func (c *console) partGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.formGroup(v)
	if err != nil {
		return err
	}
	return c.showPartGroup(w, v, http.StatusOK, g, g, nil)
}

func groupTexts(g *status.Group) url.Values {
	return url.Values{"name": {g.Name}, "about": {g.About}, "parent_id": {g.ParentID}, "open": {strconv.FormatBool(g.Open)}}
}

// showPartGroup draws the form of a group; g is what its fields hold.
func (c *console) showPartGroup(w http.ResponseWriter, v *visit, code int, stored, g status.Group, why error) error {
	groups, _, err := c.Store.StatusParts(v.Context(), g.PageID)
	if err != nil {
		return err
	}
	id, heading := v.PathValue("id"), "New group"
	parent := field{Name: "parent_id", Label: "Stands in", Kind: "select", Options: groupOptions(groups, g.ParentID, g.ID, false), Half: true, Hint: "Groups stand in others once."}
	if g.ID != "" && slices.ContainsFunc(groups, func(o status.Group) bool { return o.ParentID == g.ID }) {
		parent = field{Label: "Stands in", Kind: "static", Value: "None: there are groups in it", Half: true}
	}
	f := form{
		Action: componentGroupsPath + "/" + id + "?page=" + url.QueryEscape(g.PageID), Submit: "Save group", Cancel: componentsOf(g.PageID), Locked: !v.may(auth.WriteConfig),
		Sections: []section{{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: g.Name, Required: true, Half: true, Sample: "Europe"},
			parent,
			{Name: "about", Label: "About", Kind: "textarea", Value: g.About, Rows: 2, Hint: "One or two sentences for visitors. May be empty."},
			{Name: "open", Label: "Unfolded even when all is well in it", Kind: "checkbox", Checked: g.Open, Hint: "A group with trouble in it is always unfolded."},
		}}},
	}
	if id != "new" {
		heading, f.Delete = stored.Name, componentGroupsPath+"/"+id+"/delete"
	}
	f.Seen = seenFrom(v, groupTexts(&stored), why)
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, code, formView{shell: c.shell(w, v, componentsPath, heading), Heading: heading,
		Intro: "A heading over components. Visitors see the worst of what is in it.", Form: f})
}

func (c *console) savePartGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.formGroup(v)
	if err != nil {
		return err
	}
	given := g
	given.Name, given.About, given.Open = text(v.PostForm, "name"), text(v.PostForm, "about"), v.PostForm.Get("open") != ""
	if v.PostForm.Has("parent_id") {
		given.ParentID = v.PostForm.Get("parent_id")
	}
	if given.ID != "" && given.ParentID != g.ParentID {
		// It goes to the end of where it goes.
		groups, _, err := c.Store.StatusParts(v.Context(), g.PageID)
		if err != nil {
			return err
		}
		for _, o := range groups {
			given.Position = max(given.Position, o.Position+1)
		}
	}
	err = c.meanwhile(v, g.PageID, g.ID, groupTexts(&g), groupTexts(&given))
	if err == nil {
		_, err = c.Desk.SaveGroup(v.Context(), v.author(), given)
	}
	if err != nil {
		return c.showPartGroup(w, v, http.StatusUnprocessableEntity, g, given, err)
	}
	return done(w, v, componentsOf(g.PageID), "Saved the group “"+given.Name+"”.")
}

func (c *console) askDeletePartGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.Store.StatusGroup(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.confirm(w, v, componentsPath, confirmView{Heading: "Delete the group “" + g.Name + "”?", Button: "Delete group",
		Effects: []string{"Its components stay, with their history. They stand where the group stood."},
		Action:  componentGroupsPath + "/" + g.ID + "/delete", Back: componentGroupsPath + "/" + g.ID})
}

func (c *console) deletePartGroup(w http.ResponseWriter, v *visit) error {
	g, err := c.Store.StatusGroup(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	if err := c.Desk.DeleteGroup(v.Context(), v.author(), g.ID); err != nil {
		return err
	}
	return done(w, v, componentsOf(g.PageID), "The group “"+g.Name+"” is deleted. Its components stay.")
}

// reachWords is who hears of something, in a sentence.
func reachWords(r publish.Reach) string {
	total := 0
	var ways []string
	for _, name := range slices.Sorted(maps.Keys(r.Channels)) {
		if n := r.Channels[name]; n > 0 {
			total += n
			ways = append(ways, fmt.Sprintf("%d by %s", n, channelWord(name)))
		}
	}
	switch {
	case !r.On:
		return "Tells nobody: this page does not tell of it"
	case total == 0:
		return "Tells nobody: no visitor asked for it so far"
	case len(ways) == 1:
		return "Tells " + count(total, "visitor", "visitors") + strings.TrimPrefix(ways[0], strconv.Itoa(total))
	}
	return "Tells " + count(total, "visitor", "visitors") + ": " + strings.Join(ways, ", ")
}
