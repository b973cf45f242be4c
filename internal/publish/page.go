package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // so that DecodeConfig knows it
	_ "image/png"
	"slices"
	"strings"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// MainPage is the id of the page that visitors subscribe to who name none.
const MainPage = "main"

// refuse is a refusal that names the field and the mend.
func refuse(field, problem, mend string) error {
	return &status.FieldError{Field: field, Problem: problem, Mend: mend}
}

// SavePage makes a page, or changes one that has an id. The first one is the main
// page. fault.ErrTaken for its slug or host.
func (d *Desk) SavePage(ctx context.Context, who Who, p status.Page) (status.Page, error) {
	if err := p.Validate(); err != nil {
		return p, err
	}
	for k := range p.Triggers {
		if !slices.Contains(push.Kinds(), push.Kind(k)) {
			return p, refuse("triggers", fmt.Sprintf("%q is none", k), fmt.Sprintf("the triggers are %v", push.Kinds()))
		}
	}
	pages, err := d.store.StatusPages(ctx)
	if err != nil {
		return p, err
	}
	isNew := p.ID == ""
	if isNew {
		if len(pages) >= MaxPages {
			return p, refuse("page", fmt.Sprintf("there are %d already", len(pages)), "delete one first")
		}
		if p.ID = MainPage; slices.ContainsFunc(pages, func(o status.Page) bool { return o.ID == MainPage }) || !p.Main && len(pages) > 0 {
			if p.ID, err = newID(); err != nil {
				return p, err
			}
		}
		wanted := p.Main
		p.Main = p.Main || len(pages) == 0
		create := func(j *job) error {
			p.Created, p.Version = j.now, 1
			if err := j.tx.SavePage(ctx, &p); err != nil {
				return err
			}
			return j.audit("page.create", p.ID, p.Name, nil, &p)
		}
		if _, err = d.begin(ctx, "", who, true, create); !errors.Is(err, fault.ErrTaken) || p.ID != MainPage {
			return p, err
		}
		// Somebody made the first page a moment before; or its address is taken, then
		// this one is refused as well.
		p.Main = wanted
		if p.ID, err = newID(); err != nil {
			return p, err
		}
		_, err = d.begin(ctx, "", who, true, create)
		return p, err
	}
	_, err = d.change(ctx, p.ID, who, true, func(j *job) error {
		before := *j.page
		if before.Main && !p.Main {
			return refuse("main", "is the page at the address without a path", "make another page the main one")
		}
		if p.Logo != "" && p.Logo != before.Logo {
			images, err := j.tx.Images(ctx)
			if err != nil {
				return err
			}
			if !slices.Contains(images, p.Logo) {
				return refuse("logo", "is no image of this page", "upload one first")
			}
		}
		p.Created, p.Version, j.raised = before.Created, before.Version+1, true
		if err := j.tx.SavePage(ctx, &p); err != nil {
			return err
		}
		if p.Zone != before.Zone {
			if err := j.reopenDays(p.Zone); err != nil {
				return err
			}
		}
		return j.audit("page.change", p.ID, p.Name, &before, &p)
	})
	d.WakeClock()
	return p, err
}

// DeletePage deletes a page with all that is on it; its audit trail stays.
// fault.ErrInUse for the main page while there are others.
func (d *Desk) DeletePage(ctx context.Context, who Who, id string) error {
	pages, err := d.store.StatusPages(ctx)
	if err != nil {
		return err
	}
	_, err = d.change(ctx, id, who, true, func(j *job) error {
		if j.page.Main && len(pages) > 1 {
			return fmt.Errorf("page %q is the main one and %w; make another page the main one first", j.page.Slug, fault.ErrInUse)
		}
		if err := j.audit("page.delete", id, j.page.Name, j.page, nil); err != nil {
			return err
		}
		return j.tx.DeletePage(ctx)
	})
	return err
}

// SaveGroup makes a group, or changes one that has an id. Groups stand in others
// once.
func (d *Desk) SaveGroup(ctx context.Context, who Who, given status.Group) (status.Group, error) {
	if err := given.Validate(); err != nil {
		return given, err
	}
	var g status.Group
	_, err := d.change(ctx, given.PageID, who, true, func(j *job) error {
		g = given
		groups, err := j.tx.Groups(ctx)
		if err != nil {
			return err
		}
		if err := nesting(groups, &g); err != nil {
			return err
		}
		at := slices.IndexFunc(groups, func(o status.Group) bool { return o.ID == g.ID })
		var before any
		what := "group.change"
		switch {
		case g.ID != "" && at < 0:
			return fmt.Errorf("group %q: %w", g.ID, fault.ErrNotFound)
		case g.ID != "":
			was := groups[at]
			before, g.Created = &was, was.Created
		default:
			if len(groups) >= MaxGroups {
				return refuse("group", fmt.Sprintf("there are %d already", len(groups)), "delete one first")
			}
			what, g.Created = "group.create", j.now
			if g.ID, err = newID(); err != nil {
				return err
			}
			if g.Position == 0 && len(groups) > 0 {
				g.Position = groups[len(groups)-1].Position + 1
			}
		}
		j.raised = true
		if err := j.tx.SaveGroup(ctx, &g); err != nil {
			return err
		}
		return j.audit(what, g.ID, g.Name, before, &g)
	})
	return g, err
}

// nesting refuses a parent that there is not, that stands in another group, or
// that the group holds groups for.
func nesting(groups []status.Group, g *status.Group) error {
	if g.ParentID == "" {
		return nil
	}
	at := slices.IndexFunc(groups, func(o status.Group) bool { return o.ID == g.ParentID })
	if at < 0 {
		return refuse("parent_id", "is no group of this page", "choose one of the page's groups, or none")
	}
	if groups[at].ParentID != "" || slices.ContainsFunc(groups, func(o status.Group) bool { return g.ID != "" && o.ParentID == g.ID }) {
		return refuse("parent_id", "would make three levels", "groups stand in others once")
	}
	return nil
}

// DeleteGroup deletes a group; what was in it stands where the group stood.
func (d *Desk) DeleteGroup(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfGroup, id, who, true, func(j *job) error {
		groups, err := j.tx.Groups(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(groups, func(o status.Group) bool { return o.ID == id })
		if at < 0 {
			return fmt.Errorf("group %q: %w", id, fault.ErrNotFound)
		}
		gone := groups[at]
		for i := range groups {
			if groups[i].ParentID == id {
				groups[i].ParentID = gone.ParentID
				if err := j.tx.SaveGroup(ctx, &groups[i]); err != nil {
					return err
				}
			}
		}
		if err := j.components(); err != nil {
			return err
		}
		for i := range j.parts {
			if j.parts[i].GroupID == id {
				j.parts[i].GroupID = gone.ParentID
				if err := j.tx.SaveComponent(ctx, &j.parts[i]); err != nil {
					return err
				}
			}
		}
		j.raised = true
		if err := j.tx.DeleteGroup(ctx, id); err != nil {
			return err
		}
		return j.audit("group.delete", id, gone.Name, &gone, nil)
	})
	return err
}

// SaveComponent makes a component, or changes one that has an id: all but its
// state, which SetComponent and incidents change.
func (d *Desk) SaveComponent(ctx context.Context, who Who, given status.Component) (status.Component, error) {
	if given.State == "" {
		given.State = status.Operational
	}
	if err := given.Validate(); err != nil {
		return given, err
	}
	var c status.Component
	_, err := d.change(ctx, given.PageID, who, true, func(j *job) error {
		c = given
		if err := j.components(); err != nil {
			return err
		}
		groups, err := j.tx.Groups(ctx)
		if err != nil {
			return err
		}
		if c.GroupID != "" && !slices.ContainsFunc(groups, func(g status.Group) bool { return g.ID == c.GroupID }) {
			return refuse("group_id", "is no group of this page", "choose one of the page's groups, or none")
		}
		j.raised = true
		if c.ID == "" {
			return j.addComponent(&c)
		}
		have, err := j.component("id", c.ID)
		if err != nil {
			return fmt.Errorf("component %q: %w", c.ID, fault.ErrNotFound)
		}
		before := *have
		c.State, c.Since, c.ByHand, c.Created = before.State, before.Since, before.ByHand, before.Created
		if err := j.tx.SaveComponent(ctx, &c); err != nil {
			return err
		}
		return j.audit("component.change", c.ID, c.Name, &before, &c)
	})
	d.WakeAlerts()
	return c, err
}

func (j *job) addComponent(c *status.Component) error {
	if len(j.parts) >= status.MaxParts {
		return refuse("component", fmt.Sprintf("there are %d already", len(j.parts)), "delete one first, or make another page")
	}
	var err error
	if c.ID, err = newID(); err != nil {
		return err
	}
	if n := len(j.parts); c.Position == 0 && n > 0 {
		c.Position = j.parts[n-1].Position + 1
	}
	c.Created, c.Since, c.ByHand = j.now, j.now, false
	if err := j.tx.SaveComponent(j.ctx, c); err != nil {
		return err
	}
	if err := j.record(c, j.now, j.who.Name); err != nil {
		return err
	}
	return j.audit("component.create", c.ID, c.Name, nil, c)
}

// DeleteComponent deletes a component with its history. fault.ErrInUse, with what
// it is, while something that is not over names it: hide it instead.
func (d *Desk) DeleteComponent(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfComponent, id, who, true, func(j *job) error {
		users, err := j.users(id)
		if err != nil {
			return err
		}
		c, err := j.component("id", id)
		if err != nil {
			return fmt.Errorf("component %q: %w", id, fault.ErrNotFound)
		}
		if len(users) > 0 {
			return fmt.Errorf("component %q is named by %s, so it %w; hide it, or end that first", c.Name, strings.Join(users, ", "), fault.ErrInUse)
		}
		j.raised = true
		if err := j.tx.DeleteComponent(ctx, id); err != nil {
			return err
		}
		return j.audit("component.delete", id, c.Name, c, nil)
	})
	return err
}

// users names what is not over and names a component.
func (j *job) users(id string) (names []string, err error) {
	incidents, err := j.tx.Incidents(j.ctx)
	if err != nil {
		return nil, err
	}
	for i := range incidents {
		if slices.Contains(incidents[i].Components, id) {
			names = append(names, "incident “"+incidents[i].Title+"”")
		}
	}
	if err := j.maintenances(); err != nil {
		return nil, err
	}
	for i := range j.active {
		if slices.Contains(j.active[i].Components, id) {
			names = append(names, "maintenance “"+j.active[i].Title+"”")
		}
	}
	series, err := j.tx.Series(j.ctx)
	for i := range series {
		if slices.Contains(series[i].Components, id) {
			names = append(names, "series “"+series[i].Title+"”")
		}
	}
	return names, err
}

// Place is where a component or a group is to stand.
type Place struct {
	ID       string
	ParentID string // a component's group, a group's parent; empty: none
}

// Reorder puts groups and components into an order. What is not named stays
// behind, in the order that it had.
func (d *Desk) Reorder(ctx context.Context, who Who, pageID string, groups, components []Place) error {
	_, err := d.change(ctx, pageID, who, true, func(j *job) error {
		have, err := j.tx.Groups(ctx)
		if err != nil {
			return err
		}
		before, were := order(have, nil), slices.Clone(have)
		byID := map[string]*status.Group{}
		for i := range have {
			byID[have[i].ID] = &have[i]
			have[i].Position += len(groups)
		}
		for i, p := range groups {
			g := byID[p.ID]
			if g == nil {
				return refuse(fmt.Sprintf("groups[%d]", i), fmt.Sprintf("%q is no group of this page", p.ID), "load the page anew")
			}
			g.Position, g.ParentID = i, p.ParentID
		}
		for i := range have {
			if err := nesting(have, &have[i]); err != nil {
				return err
			}
			if have[i].ParentID == have[i].ID {
				return refuse("groups", "a group stands in itself", "choose another group, or none")
			}
			if have[i] == were[i] {
				continue
			}
			if err := j.tx.SaveGroup(ctx, &have[i]); err != nil {
				return err
			}
		}
		if err := j.components(); err != nil {
			return err
		}
		stood := slices.Clone(j.parts)
		before["components"] = order(nil, j.parts)["components"]
		for i := range j.parts {
			j.parts[i].Position += len(components)
		}
		for i, p := range components {
			c, err := j.component(fmt.Sprintf("components[%d]", i), p.ID)
			if err != nil {
				return err
			}
			if p.ParentID != "" && byID[p.ParentID] == nil {
				return refuse(fmt.Sprintf("components[%d]", i), "is put into a group that this page does not have", "load the page anew")
			}
			c.Position, c.GroupID = i, p.ParentID
		}
		for i := range j.parts {
			if j.parts[i].Position == stood[i].Position && j.parts[i].GroupID == stood[i].GroupID {
				continue
			}
			if err := j.tx.SaveComponent(ctx, &j.parts[i]); err != nil {
				return err
			}
		}
		j.raised = true
		return j.audit("page.order", pageID, j.page.Name, before, order(have, j.parts))
	})
	return err
}

func order(groups []status.Group, parts []status.Component) map[string]any {
	gs, cs := [][2]string{}, [][2]string{}
	groups, parts = slices.Clone(groups), slices.Clone(parts)
	slices.SortStableFunc(groups, func(a, b status.Group) int { return a.Position - b.Position })
	slices.SortStableFunc(parts, func(a, b status.Component) int { return a.Position - b.Position })
	for i := range groups {
		gs = append(gs, [2]string{groups[i].ID, groups[i].ParentID})
	}
	for i := range parts {
		cs = append(cs, [2]string{parts[i].ID, parts[i].GroupID})
	}
	return map[string]any{"groups": gs, "components": cs}
}

// SetComponent gives a component a state by hand: alerts leave it alone until they
// agree.
func (d *Desk) SetComponent(ctx context.Context, who Who, id string, to status.State, silent bool) (Told, error) {
	if to.Rank() < 0 || to == status.Maintained {
		return Told{}, refuse("state", fmt.Sprintf("%q cannot be set", to), "use operational, degraded_performance, partial_outage or major_outage; make a maintenance of planned work")
	}
	return d.at(ctx, OfComponent, id, who, silent, func(j *job) error {
		c, err := j.component("id", id)
		if err != nil {
			return fmt.Errorf("component %q: %w", id, fault.ErrNotFound)
		}
		before := *c
		if err := j.apply([]status.Change{{ComponentID: id, To: to}}, j.now, j.who.Name, true); err != nil {
			return err
		}
		return j.audit("component.state", id, c.Name, &before, c)
	})
}

// SaveTemplate makes a template, or changes one that has an id. fault.ErrTaken
// for its name.
func (d *Desk) SaveTemplate(ctx context.Context, who Who, given Template) (Template, error) {
	var t Template
	_, err := d.change(ctx, given.PageID, who, true, func(j *job) error {
		t = given
		if err := j.checkTemplate(&t); err != nil {
			return err
		}
		have, err := j.tx.Templates(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(have, func(o Template) bool { return o.ID == t.ID })
		var before any
		switch {
		case t.ID != "" && at < 0:
			return fmt.Errorf("template %q: %w", t.ID, fault.ErrNotFound)
		case t.ID != "":
			before = have[at]
		case len(have) >= MaxTemplates:
			return refuse("template", fmt.Sprintf("there are %d already", len(have)), "delete one first")
		default:
			if t.ID, err = newID(); err != nil {
				return err
			}
		}
		if err := j.tx.SaveTemplate(ctx, &t); err != nil {
			return err
		}
		return j.audit("template.save", t.ID, t.Name, before, t)
	})
	return t, err
}

func (j *job) checkTemplate(t *Template) error {
	if strings.TrimSpace(t.Name) == "" {
		return refuse("name", "is empty", "write a name that whoever writes in a hurry understands")
	}
	// The same rules as for what is made of it.
	i := status.Incident{Title: t.Title, Phase: t.Phase, Impact: t.Impact, Components: t.Components,
		Updates: []status.Update{{Body: t.Body}}}
	if i.Title == "" {
		i.Title = t.Name
	}
	if i.Impact == "" {
		i.Impact = status.ImpactNone
	}
	if i.Phase == "" {
		i.Phase = status.Investigating
	}
	if err := i.Validate(j.now); err != nil {
		return err
	}
	i.Title = t.Name
	if err := i.Validate(j.now); err != nil {
		return err
	}
	return j.known(t.Components)
}

// DeleteTemplate deletes a template.
func (d *Desk) DeleteTemplate(ctx context.Context, who Who, id string) error {
	_, err := d.at(ctx, OfTemplate, id, who, true, func(j *job) error {
		have, err := j.tx.Templates(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(have, func(o Template) bool { return o.ID == id })
		if at < 0 {
			return fmt.Errorf("template %q: %w", id, fault.ErrNotFound)
		}
		if err := j.tx.DeleteTemplate(ctx, id); err != nil {
			return err
		}
		return j.audit("template.delete", id, have[at].Name, have[at], nil)
	})
	return err
}

// mostSide is how many pixels a logo has at most in a direction.
const mostSide = 4096

// SetLogo keeps a picture, PNG or JPEG, as the page's logo, in the place of the
// one before; none takes it away. Nothing that could hold a script is a picture
// here.
func (d *Desk) SetLogo(ctx context.Context, who Who, pageID string, body []byte) error {
	var picture Image
	if len(body) > 0 {
		if len(body) > MaxImage {
			return refuse("logo", fmt.Sprintf("has %d bytes", len(body)), fmt.Sprintf("keep to %d", MaxImage))
		}
		c, kind, err := image.DecodeConfig(bytes.NewReader(body))
		if err != nil || kind != "png" && kind != "jpeg" {
			return refuse("logo", "is neither PNG nor JPEG", "save it as one of them")
		}
		if c.Width > mostSide || c.Height > mostSide || c.Width < 1 || c.Height < 1 {
			return refuse("logo", fmt.Sprintf("has %d × %d pixels", c.Width, c.Height), fmt.Sprintf("keep to %d in each direction", mostSide))
		}
		picture = Image{PageID: pageID, Kind: "image/" + kind, Body: body}
	}
	_, err := d.change(ctx, pageID, who, true, func(j *job) error {
		before, after := *j.page, *j.page
		after.Logo = ""
		if len(body) > 0 {
			id, err := newID()
			if err != nil {
				return err
			}
			picture.ID, picture.Created, after.Logo = id, j.now, id
			if err := j.tx.SaveImage(ctx, &picture); err != nil {
				return err
			}
		}
		if err := j.tx.SavePage(ctx, &after); err != nil {
			return err
		}
		if before.Logo != "" {
			if err := j.tx.DeleteImage(ctx, before.Logo); err != nil && !errors.Is(err, fault.ErrNotFound) {
				return err
			}
		}
		j.raised = true
		return j.audit("page.logo", pageID, after.Name, &before, &after)
	})
	return err
}
