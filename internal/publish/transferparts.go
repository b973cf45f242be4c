package publish

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

func kinds() (names []string) {
	for _, k := range push.Kinds() {
		names = append(names, string(k))
	}
	return names
}

// some is how often progress is told.
const some = 200

func (im *importer) putGroups() error {
	have := map[string]*status.Group{}
	last := 0
	for i := range im.was.Groups {
		g := &im.was.Groups[i]
		have[g.ID] = g
		last = max(last, g.Position+1)
	}
	merged := slices.Clone(im.was.Groups)
	var todo []status.Group
	for i := range im.given.Groups {
		g := im.given.Groups[i].Own()
		g.ID, g.ParentID, g.PageID = im.id(OfGroup, g.ID), im.id(OfGroup, g.ParentID), im.page.ID
		was := have[g.ID]
		switch {
		case was != nil && im.ours():
			g.Created = was.Created
		case was != nil: // where it stands is decided here
			name, about := g.Name, g.About
			g = *was
			g.Name, g.About = name, about
		case !im.ours():
			g.Position += last
		}
		if g.Created.IsZero() {
			g.Created = im.now
		}
		if err := g.Validate(); err != nil {
			return below(fmt.Sprintf("groups[%d].", i), err)
		}
		im.out.Groups.count(was == nil, was != nil && *was != g)
		if was == nil || *was != g {
			todo = append(todo, g)
		}
		if at := slices.IndexFunc(merged, func(o status.Group) bool { return o.ID == g.ID }); at >= 0 {
			merged[at] = g
		} else {
			merged = append(merged, g)
		}
	}
	if err := room("groups", len(merged), MaxGroups); err != nil {
		return err
	}
	for i := range merged {
		if err := nesting(merged, &merged[i]); err != nil {
			return below("groups.", err)
		}
	}
	for i := range todo {
		if err := im.tx.SaveGroup(im.ctx, &todo[i]); err != nil {
			return err
		}
	}
	return nil
}

func below(at string, err error) error {
	var f *status.FieldError
	if errors.As(err, &f) {
		return refuse(at+f.Field, f.Problem, f.Mend)
	}
	return err
}

// putComponents writes components with what was recorded of them.
func (im *importer) putComponents() error {
	if err := im.closeAll(); err != nil {
		return err
	}
	have, last, total := map[string]*status.Component{}, 0, len(im.was.Components)
	for i := range im.was.Components {
		c := &im.was.Components[i]
		have[c.ID] = c
		last = max(last, c.Position+1)
	}
	for i := range im.given.Components {
		if have[im.id(OfComponent, im.given.Components[i].ID)] == nil {
			total++
		}
	}
	if err := room("components", total, status.MaxParts); err != nil {
		return err
	}
	for i := range im.given.Components {
		if i%some == 0 {
			im.progress("components", i, len(im.given.Components))
		}
		given := &im.given.Components[i]
		c := given.Own()
		c.ID, c.GroupID, c.PageID = im.id(OfComponent, c.ID), im.id(OfGroup, c.GroupID), im.page.ID
		if !im.ours() && have[c.ID] == nil {
			c.Position += last
		}
		if err := im.putComponent(&c, have[c.ID], given); err != nil {
			return below(fmt.Sprintf("components[%d].", i), err)
		}
	}
	im.index, im.parts = nil, nil // they are others now
	if err := im.checkSources(); err != nil || !im.ours() {
		return err
	}
	if im.given.Closed > im.closed {
		if err := im.tx.Close(im.ctx, im.given.Closed); err != nil {
			return err
		}
		im.closed = im.given.Closed
	}
	if kept := im.given.Kept.UTC().Truncate(time.Millisecond); kept.After(im.kept) {
		im.kept = kept
		return im.tx.SetKept(im.ctx, kept)
	}
	return nil
}

// closeAll closes the days of the page that are over, so that what comes of them is
// written over them, and not the other way round.
func (im *importer) closeAll() error {
	if im.out.New && im.ours() {
		return nil // is closed as far as the export says
	}
	for more := true; more; {
		var err error
		if more, err = im.closeDays(); err != nil {
			return err
		}
		_, im.closed, _ = im.tx.Page()
	}
	return nil
}

func (im *importer) putComponent(c, was *status.Component, given *transfer.Component) error {
	if c.Created.IsZero() || c.Created.After(im.now) {
		c.Created = im.now
	}
	if c.Since.IsZero() || c.Since.After(im.now) {
		c.Since = im.now
	}
	if err := c.Validate(); err != nil {
		return err
	}
	switch {
	case was == nil:
	case im.ours():
		c.Created = was.Created
		if was.Since.After(im.cut) {
			c.State, c.Since, c.ByHand = was.State, was.Since, was.ByHand
		}
	default:
		return im.renewed(c, was)
	}
	changed := was == nil || !reflect.DeepEqual(*was, *c)
	if changed {
		if err := im.tx.SaveComponent(im.ctx, c); err != nil {
			return err
		}
	}
	history := given.History()
	for i := range history {
		history[i].ComponentID = c.ID
	}
	if was == nil && !im.ours() {
		im.out.Components.count(true, false)
		return im.putHistory(c, history)
	}
	moved, err := im.restore(c.ID, history, given)
	im.out.Components.count(was == nil, changed || moved)
	return err
}

// renewed is a component of others that was imported before: what is decided here,
// such as where it stands and what it is bound to, stays. Its state is taken over
// unless somebody or an alert sees to it here.
func (im *importer) renewed(c, was *status.Component) error {
	after := *was
	after.Name, after.About, after.Link = c.Name, c.About, c.Link
	to := was.State
	if len(was.Bindings) == 0 && !was.ByHand {
		to = c.State
	}
	im.out.Components.count(false, !reflect.DeepEqual(*was, after) || to != was.State)
	if !reflect.DeepEqual(*was, after) {
		if err := im.tx.SaveComponent(im.ctx, &after); err != nil {
			return err
		}
	}
	if to == was.State {
		return nil
	}
	return im.set(&after, to, im.now, im.who.Name, false)
}

// putHistory writes what was recorded elsewhere of a new component, and closes its
// days.
func (im *importer) putHistory(c *status.Component, list []status.Interval) error {
	if len(list) == 0 {
		return im.record(c, c.Created, im.who.Name)
	}
	if err := im.tx.PutIntervals(im.ctx, c.ID, time.Time{}, list); err != nil {
		return err
	}
	return im.recount(c.ID, list[0].Start)
}

// restore writes what an export has recorded. What was recorded here since it was
// written stays. moved says whether that is another than there was.
func (im *importer) restore(id string, list []status.Interval, given *transfer.Component) (moved bool, err error) {
	had := im.was.Intervals[id]
	next := list
	if len(had) > 0 {
		next = spliced(list, had, im.cut)
	}
	if moved = !slices.Equal(had, next); moved && len(next) > 0 {
		if err := im.tx.PutIntervals(im.ctx, id, time.Time{}, next); err != nil {
			return moved, err
		}
	}
	days := given.Unpack()
	for i := range days {
		days[i].ComponentID = id
	}
	if err := im.tx.SaveDays(im.ctx, days); err != nil || !moved || len(had) == 0 || im.given.Closed == "" || im.closed <= im.given.Closed {
		return moved, err
	}
	_, after, err := status.DayBounds(im.given.Closed, im.zone)
	if err != nil {
		return moved, err
	}
	return moved, im.recount(id, after)
}

// spliced is what was recorded in one list until a time, and in another from then
// on.
func spliced(before, after []status.Interval, cut time.Time) []status.Interval {
	var out []status.Interval
	for _, i := range before {
		if !i.Start.Before(cut) {
			break
		}
		if i.End.IsZero() || i.End.After(cut) {
			i.End = cut
		}
		out = append(out, i)
	}
	for _, i := range after {
		if !i.End.IsZero() && !i.End.After(cut) {
			continue
		}
		if i.Start.Before(cut) {
			i.Start = cut
		}
		if n := len(out) - 1; n >= 0 && out[n].State == i.State && out[n].By == i.By && out[n].End.Equal(i.Start) {
			out[n].End = i.End
			continue
		}
		out = append(out, i)
	}
	return out
}

// checkSources says which sources bindings name that are not here.
func (im *importer) checkSources() error {
	var ids []string
	for i := range im.given.Components {
		for j := range im.given.Components[i].Bindings {
			ids = append(ids, im.given.Components[i].Bindings[j].SourceIDs...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	held, err := im.tx.Held(im.ctx, OfSource, ids)
	if slices.ContainsFunc(ids, func(id string) bool { return held[id] == "" }) {
		im.note("Some components are bound to sources that this hub does not have: choose others for them.")
	}
	return err
}

func (im *importer) putTemplates() error {
	have, total := map[string]*Template{}, len(im.was.Templates)
	for i := range im.was.Templates {
		have[im.was.Templates[i].ID] = &im.was.Templates[i]
	}
	for k := range im.given.Templates {
		g := &im.given.Templates[k]
		t := Template{ID: im.id(OfTemplate, g.ID), PageID: im.page.ID, Name: g.Name, Title: g.Title, Body: g.Body, Phase: g.Phase, Impact: g.Impact, Components: im.parted(g.Components)}
		was := have[t.ID]
		var f *status.FieldError
		if err := im.checkTemplate(&t); err != nil && (!errors.As(err, &f) || !strings.HasPrefix(f.Field, "components")) {
			return below(fmt.Sprintf("templates[%d].", k), err)
		}
		changed := was == nil || !reflect.DeepEqual(*was, t)
		im.out.Templates.count(was == nil, changed)
		if was == nil {
			total++
		}
		if err := room("templates", total, MaxTemplates); err != nil {
			return err
		}
		if !changed {
			continue
		}
		if slices.ContainsFunc(im.was.Templates, func(o Template) bool {
			return o.ID != t.ID && strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(t.Name))
		}) {
			return refuse(fmt.Sprintf("templates[%d].name", k), fmt.Sprintf("%q is another one's here", t.Name), "rename one of them")
		}
		if err := im.tx.SaveTemplate(im.ctx, &t); err != nil {
			return err
		}
	}
	return nil
}

// putLogo makes the page's picture the one that an export has. One without leaves
// what there is.
func (im *importer) putLogo() error {
	l := im.given.Logo
	if l == nil {
		return nil
	}
	c, kind, err := image.DecodeConfig(bytes.NewReader(l.Body))
	if err != nil || "image/"+kind != l.Kind || len(l.Body) > MaxImage || c.Width > mostSide || c.Height > mostSide || c.Width < 1 || c.Height < 1 {
		return refuse("logo", "is neither PNG nor JPEG of up to 256 KiB and 4096 pixels", "leave it out, and upload one")
	}
	id := im.id(OfImage, l.ID)
	if im.page.Logo == id {
		return nil
	}
	have, err := im.tx.Images(im.ctx)
	if err != nil {
		return err
	}
	created := l.Created.UTC().Truncate(time.Millisecond)
	if created.IsZero() || created.After(im.now) {
		created = im.now
	}
	if !slices.Contains(have, id) {
		if err := im.tx.SaveImage(im.ctx, &Image{ID: id, PageID: im.page.ID, Kind: l.Kind, Body: l.Body, Created: created}); err != nil {
			return err
		}
	}
	old := im.page.Logo
	im.page.Logo = id
	if err := im.tx.SavePage(im.ctx, im.page); err != nil || old == "" {
		return err
	}
	return im.tx.DeleteImage(im.ctx, old)
}

// putAudit adds the audit trail that came along, as it was.
func (im *importer) putAudit() error {
	list := im.given.Audit
	if len(list) == 0 {
		return nil
	}
	ids := make([]string, 0, 2*len(list))
	for i := range list {
		ids = append(ids, list[i].ID, im.lineID(&list[i]))
	}
	held, err := im.tx.Held(im.ctx, OfAudit, ids)
	if err != nil {
		return err
	}
	const most = 10 * some
	lines := make([]Audit, 0, min(most, len(list)))
	for i := range list {
		if i%most == 0 {
			im.progress("audit trail", i, len(list))
			if err := im.tx.Audits(im.ctx, lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
		a, id := &list[i], list[i].ID
		switch holder := held[id]; {
		case holder == im.page.ID || held[im.lineID(a)] != "":
			continue
		case holder != "":
			id = im.lineID(a)
		}
		lines = append(lines, Audit{ID: id, PageID: im.page.ID, At: a.At.UTC().Truncate(time.Millisecond), UserID: a.UserID, By: a.By, What: a.What,
			SubjectID: a.SubjectID, Name: a.Name, Before: transfer.Compact(a.Before), After: transfer.Compact(a.After)})
		im.out.Audit++
	}
	return im.tx.Audits(im.ctx, lines)
}

// lineID is the id of a line of the audit trail whose own is another page's. Such
// ids ascend in time.
func (im *importer) lineID(a *transfer.Audit) string {
	id := uuid.MustParse(im.derived(OfAudit, a.ID))
	for i, ms := 5, a.At.UnixMilli(); i >= 0; i-- {
		id[i] = byte(ms)
		ms >>= 8
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	return id.String()
}
