package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

type componentView struct {
	shell
	Row      partRow
	New      bool
	PageName string
	Form     form
	Bindings []bindingView
	Many     bool // no more bindings can be added
	Says     *look
	Lately   []status.Interval // the newest first
	Keep     string            // what its page is found by
	Trail    string            // address of what was done to it
}

// formComponent is the component that a form is about: a stored one, or a new one
// of the page that the address names.
func (c *console) formComponent(v *visit) (publish.Bound, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.StatusComponent(v.Context(), id)
	}
	p, err := c.choosePage(v)
	if err == nil && p.Page.ID == "" {
		err = fault.ErrNotFound
	}
	return publish.Bound{Component: status.Component{PageID: p.Page.ID, GroupID: v.URL.Query().Get("in")}}, err
}

func (c *console) component(w http.ResponseWriter, v *visit) error {
	b, err := c.formComponent(v)
	if err != nil {
		return err
	}
	return c.showComponent(w, v, http.StatusOK, &b, componentTexts(&b.Component), nil)
}

func componentTexts(p *status.Component) url.Values {
	in := url.Values{"name": {p.Name}, "about": {p.About}, "link": {p.Link}, "group_id": {p.GroupID}}
	if p.Hidden {
		in.Set("hidden", "on")
	}
	for i := range p.Bindings {
		bindingTexts(in, i, &p.Bindings[i])
	}
	return in
}

// lately is for how long a component's page tells what became of it.
const (
	lately     = 30 * 24 * time.Hour
	mostLately = 8
)

// showComponent draws the page of a component; in is what the form's fields hold
// and why the error that refused it.
func (c *console) showComponent(w http.ResponseWriter, v *visit, code int, b *publish.Bound, in url.Values, why error) error {
	p := &b.Component
	page, err := c.pageByID(v, p.PageID)
	if err != nil {
		return err
	}
	groups, _, err := c.Store.StatusParts(v.Context(), p.PageID)
	if err != nil {
		return err
	}
	id, heading := v.PathValue("id"), "New component"
	view := componentView{Row: partRow{Component: *p, Shown: p.State}, New: id == "new", PageName: page.Name, Keep: "?page=" + url.QueryEscape(p.PageID)}
	view.Form = form{
		Action: componentsPath + "/" + id + view.Keep, Submit: "Save component", Cancel: componentsOf(p.PageID), Locked: !v.may(auth.WriteConfig),
		Sections: []section{{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true, Sample: "Website", Hint: "As visitors know it."},
			{Name: "group_id", Label: "Group", Kind: "select", Options: groupOptions(groups, in.Get("group_id"), "", true), Half: true},
			{Name: "about", Label: "About", Kind: "textarea", Value: in.Get("about"), Rows: 2, Hint: "What it is, in a sentence or two. May be empty."},
			{Name: "link", Label: "Link", Kind: "text", Value: in.Get("link"), Sample: "https://www.example.com", Hint: "Where it is found. May be empty."},
			{Name: "hidden", Label: "Hidden: kept with its history, not shown", Kind: "checkbox", Checked: in.Get("hidden") != ""},
		}}},
	}
	if view.Bindings, err = c.bindingViews(v, in); err != nil {
		return err
	}
	view.Many = len(view.Bindings) >= status.MaxBindings
	if !view.New {
		heading, view.Trail = p.Name, auditPath+"?subject="+url.QueryEscape(p.ID)
		view.Form.Delete = componentsPath + "/" + id + "/delete"
		maintained, err := c.maintained(v, p.PageID)
		if err != nil {
			return err
		}
		if maintained[p.ID] {
			view.Row.Shown = status.Worst(p.State, status.Maintained)
		}
		if len(p.Bindings) > 0 {
			says := doing(b.Watch.State)
			view.Says = &says
		}
		if view.Lately, err = c.Store.StatusIntervals(v.Context(), p.ID, v.now.Add(-lately)); err != nil {
			return err
		}
		slices.Reverse(view.Lately)
		view.Lately = view.Lately[:min(mostLately, len(view.Lately))]
	}
	view.Form.Seen = seenFrom(v, componentTexts(p), why)
	if why != nil && !blameComponent(&view, why) {
		return why
	}
	view.shell = c.shell(w, v, componentsPath, heading)
	c.write(w, v.Request, code, "component", "shell", view)
	return nil
}

// blameComponent puts what a component was refused for to the field that it is
// about, be it one of a binding.
func blameComponent(view *componentView, why error) bool {
	var field *status.FieldError
	if errors.As(why, &field) {
		for i := range view.Bindings {
			if rest, ok := strings.CutPrefix(field.Field, fmt.Sprintf("bindings[%d]", i)); ok {
				view.Bindings[i].blame(strings.TrimPrefix(rest, "."), field.Problem, field.Mend)
				return true
			}
		}
	}
	return view.Form.refused(why)
}

// readComponent puts a form into a component. What it could read stays in it when
// it answers an error.
func readComponent(p status.Component, in url.Values) (status.Component, error) {
	p.Name, p.About, p.Link, p.Hidden = text(in, "name"), text(in, "about"), text(in, "link"), in.Get("hidden") != ""
	p.GroupID = in.Get("group_id")
	p.Bindings = nil
	var first error
	for i, n := range bindingsOf(in) {
		b, err := readBinding(in, n)
		if err != nil && first == nil {
			var f *status.FieldError
			if errors.As(err, &f) {
				err = &status.FieldError{Field: fmt.Sprintf("bindings[%d].%s", i, f.Field), Problem: f.Problem, Mend: f.Mend}
			}
			first = err
		}
		p.Bindings = append(p.Bindings, b)
	}
	return p, first
}

func (c *console) saveComponent(w http.ResponseWriter, v *visit) error {
	stored, err := c.formComponent(v)
	if err != nil {
		return err
	}
	was := stored.Component
	given, err := readComponent(was, v.PostForm)
	if err == nil && given.ID != "" && given.GroupID != was.GroupID {
		// It goes to the end of where it goes.
		_, parts, err := c.Store.StatusParts(v.Context(), was.PageID)
		if err != nil {
			return err
		}
		for i := range parts {
			given.Position = max(given.Position, parts[i].Position+1)
		}
	}
	if err == nil {
		err = c.meanwhile(v, was.PageID, was.ID, componentTexts(&was), componentTexts(&given))
	}
	if err == nil {
		_, err = c.Desk.SaveComponent(v.Context(), v.author(), given)
	}
	if err != nil {
		return c.showComponent(w, v, http.StatusUnprocessableEntity, &stored, bindingParts.again(v.PostForm), err)
	}
	return done(w, v, componentsOf(was.PageID), "Saved the component “"+given.Name+"”.")
}

// redrawBindings draws the form with one binding more, or less, and keeps nothing.
func (c *console) redrawBindings(w http.ResponseWriter, v *visit) error {
	b, err := c.formComponent(v)
	if err != nil {
		return err
	}
	in := v.PostForm
	if gone := in.Get("remove"); gone != "" {
		in["binding"] = slices.DeleteFunc(in["binding"], func(n string) bool { return n == gone })
	}
	in = bindingParts.again(in)
	if in.Get("add") != "" && len(in["binding"]) < status.MaxBindings {
		bindingTexts(in, len(in["binding"]), &status.Binding{Incident: "draft"})
	}
	return c.showComponent(w, v, http.StatusOK, &b, in, nil)
}

// hideComponent hides a component, or shows it again.
func (c *console) hideComponent(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	p := b.Component
	p.Hidden = v.PostFormValue("hidden") != ""
	if _, err := c.Desk.SaveComponent(v.Context(), v.author(), p); err != nil {
		return err
	}
	word := "Visitors see “" + p.Name + "” again."
	if p.Hidden {
		word = "“" + p.Name + "” is hidden. Its history is kept."
	}
	return done(w, v, componentsOf(p.PageID), word)
}

func (c *console) askDeleteComponent(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	p := b.Component
	return c.confirm(w, v, componentsPath, confirmView{Heading: "Delete the component “" + p.Name + "”?", Button: "Delete component",
		Effects: []string{"Its history goes: the bars, the uptime, who changed it and when.", "Incidents that are over keep their texts.", "To take it off the page and keep its history, hide it instead."},
		Action:  componentsPath + "/" + p.ID + "/delete", Back: componentsPath + "/" + p.ID})
}

func (c *console) deleteComponent(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	p := b.Component
	err = c.Desk.DeleteComponent(v.Context(), v.author(), p.ID)
	if errors.Is(err, fault.ErrInUse) {
		// The desk says by what.
		sayOf(w, "", "bad", sentence(err.Error()))
		http.Redirect(w, v.Request, componentsPath+"/"+p.ID, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return done(w, v, componentsOf(p.PageID), "The component “"+p.Name+"” is deleted.")
}

type stateView struct {
	shell
	Row      partRow
	Choices  []stateChoice
	Back     string
	Problem  string
	Incident string // where an incident of it is begun
	Follow   *look  // what its alerts say, where a person's hand is on it
	Triggers string // where it is said what the page tells of; empty where that tells of it
}

// stateChoice is a state to set, with who would hear of it.
type stateChoice struct {
	State   status.State
	Now     bool
	Tells   string
	Aloud   bool // somebody hears of it
	Checked bool
}

func (c *console) askState(w http.ResponseWriter, v *visit) error {
	return c.showState(w, v, http.StatusOK, "", nil)
}

func (c *console) showState(w http.ResponseWriter, v *visit, code int, chosen status.State, why error) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	p := &b.Component
	view := stateView{Row: partRow{Component: *p, Shown: p.State}, Back: stateBack(v, p),
		Incident: incidentsPath + "/new?page=" + url.QueryEscape(p.PageID) + "&component=" + url.QueryEscape(p.ID)}
	if p.ByHand && len(p.Bindings) > 0 {
		says := doing(b.Watch.State)
		view.Follow = &says
	}
	if chosen == "" {
		chosen = p.State
	}
	tells := map[push.Kind]stateChoice{}
	for _, s := range handStates() {
		choice := stateChoice{State: s, Now: s == p.State, Checked: s == chosen, Tells: "Tells nobody: no outage begins or ends with it"}
		kind, impact := toldOfState(p.State, s)
		switch known, ok := tells[kind]; {
		case choice.Now:
			choice.Tells = "As it is now"
		case p.Hidden:
			choice.Tells = "Tells nobody: it is hidden"
		case kind == "":
		case ok:
			choice.Tells, choice.Aloud = known.Tells, known.Aloud
		default:
			r, err := c.Desk.Reach(v.Context(), p.PageID, kind, impact, []string{p.ID}, "")
			if err != nil {
				return err
			}
			choice.Tells = reachWords(r)
			if !r.On {
				view.Triggers = notificationsPath + "?page=" + url.QueryEscape(p.PageID) + "#triggers"
			}
			for _, n := range r.Channels {
				choice.Aloud = choice.Aloud || r.On && n > 0
			}
			tells[kind] = choice
		}
		view.Choices = append(view.Choices, choice)
	}
	if why != nil {
		var f form
		if !f.refused(why) {
			return why
		}
		view.Problem = f.Problem
	}
	view.shell = c.shell(w, v, componentsPath, "State of "+p.Name)
	c.write(w, v.Request, code, "component-state", "shell", view)
	return nil
}

// stateBack is where whoever sets a state goes on.
func stateBack(v *visit, p *status.Component) string {
	if v.FormValue("back") == "component" {
		return componentsPath + "/" + p.ID
	}
	return componentsOf(p.PageID)
}

// toldOfState is what visitors are told of when a component's state changes: an
// outage that begins, or one that ends; empty for neither.
func toldOfState(from, to status.State) (push.Kind, status.Impact) {
	switch was, is := from.Rank() >= status.Partial.Rank(), to.Rank() >= status.Partial.Rank(); {
	case is && !was && to == status.Major:
		return push.ComponentDown, status.ImpactCritical
	case is && !was:
		return push.ComponentDown, status.ImpactMajor
	case was && !is:
		return push.ComponentRecovered, status.ImpactCritical
	}
	return "", ""
}

func (c *console) setState(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	to := status.State(v.PostForm.Get("state"))
	told, err := c.Desk.SetComponent(v.Context(), v.author(), b.Component.ID, to, v.PostForm.Get("silent") != "")
	if err != nil {
		return c.showState(w, v, http.StatusUnprocessableEntity, to, err)
	}
	return done(w, v, stateBack(v, &b.Component), "“"+b.Component.Name+"”: "+doing(to).Word+". "+toldSentence(told))
}

func toldSentence(t publish.Told) string {
	if len(t.Publications) == 0 {
		return "Nobody was told."
	}
	return "Visitors are being told."
}

func (c *console) followAlerts(w http.ResponseWriter, v *visit) error {
	b, err := c.Store.StatusComponent(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	told, err := c.Desk.FollowAlerts(v.Context(), v.author(), b.Component.ID, v.PostForm.Get("silent") != "")
	var refused *status.FieldError
	if errors.As(err, &refused) {
		say(w, "bad", "“"+b.Component.Name+"” is bound to nothing. "+sentence(refused.Mend))
		http.Redirect(w, v.Request, stateBack(v, &b.Component), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return done(w, v, stateBack(v, &b.Component), "“"+b.Component.Name+"” follows its alerts again. "+toldSentence(told))
}
