package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// What a form about an incident is for.
const (
	writeNew        = "new"        // a new incident, published at once or kept as a draft
	writeDraft      = "draft"      // a draft, written anew
	writeUpdate     = "update"     // a further update
	writeDetails    = "details"    // what the incident itself says
	writeText       = "text"       // what one of its updates says
	writePostmortem = "postmortem" // what was learned from it
	asStored        = "stored"     // nothing: it is looked at as it is
)

// writing is a form about an incident: what is there, and what somebody writes.
type writing struct {
	mode   string
	page   status.Page
	zone   *time.Location
	groups []status.Group
	parts  []status.Component
	stored status.Incident // zero for a new one
	at     int             // index of the update whose text is changed; of mode text
	in     url.Values      // as the form has it
}

// part is the prefix of the field that says what becomes of a component; its id
// follows.
const part = "c_"

// affected is a component that an incident is about, and that stays as it is.
const affected = "affected"

const inputTime = "2006-01-02T15:04"

func (w *writing) local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(w.zone).Format(inputTime)
}

// time reads a field in the page's zone. One that says what was is was, to the
// second; an empty one is zero.
func (w *writing) time(name string, was time.Time) (time.Time, error) {
	s := text(w.in, name)
	if s == "" {
		return time.Time{}, nil
	}
	if !was.IsZero() && s == w.local(was) {
		return was, nil
	}
	return wall(name, s, w.zone)
}

// last is the stored update that is written anew, or that a new one follows; nil
// when there is none.
func (w *writing) last() *status.Update {
	if n := len(w.stored.Updates); n > 0 {
		return &w.stored.Updates[n-1]
	}
	return nil
}

// fill puts what is stored into the fields.
func (w *writing) fill() {
	i, in := &w.stored, w.in
	in.Set("title", i.Title)
	in.Set("impact", string(i.Impact))
	in.Set("started", w.local(i.Started))
	for _, id := range i.Components {
		in.Set(part+id, affected)
		in.Add("components", id)
	}
	switch w.mode {
	case writeNew:
		in.Set("phase", string(status.Investigating))
		in.Set("impact", string(status.ImpactMinor))
	case writeUpdate:
		in.Set("phase", string(nextPhase(i.Phase)))
		in.Set("restore", "on")
	case writeDraft:
		if u := w.last(); u != nil {
			in.Set("phase", string(u.Phase))
			in.Set("body", u.Body)
			in.Set("at", w.local(u.At))
			if !publish.ByAlerts(u) {
				for _, c := range u.Changes {
					in.Set(part+c.ComponentID, string(c.To))
				}
			}
		}
	case writeText:
		in.Set("body", i.Updates[w.at].Body)
		in.Set("at", w.local(i.Updates[w.at].At))
	case writePostmortem:
		in.Set("body", i.Postmortem)
	}
}

// use fills in a template. What somebody has written stays.
func (w *writing) use(t publish.Template) {
	in := w.in
	if w.mode != writeUpdate {
		if text(in, "title") == "" {
			in.Set("title", t.Title)
		}
		if t.Impact != "" {
			in.Set("impact", string(t.Impact))
		}
	}
	if t.Phase != "" {
		in.Set("phase", string(t.Phase))
	}
	switch body := strings.TrimSpace(in.Get("body")); {
	case body == "":
		in.Set("body", t.Body)
	case !strings.Contains(body, strings.TrimSpace(t.Body)):
		in.Set("body", body+"\n\n"+t.Body)
	}
	for _, id := range t.Components {
		if in.Get(part+id) == "" {
			in.Set(part+id, affected)
		}
	}
}

// chosen are the components that the form names, and what becomes of them. From is
// what each is now.
func (w *writing) chosen() (components []string, changes []status.Change) {
	for i := range w.parts {
		c := &w.parts[i]
		switch to := w.in.Get(part + c.ID); to {
		case "":
		case affected:
			components = append(components, c.ID)
		default:
			components = append(components, c.ID)
			changes = append(changes, status.Change{ComponentID: c.ID, From: c.State, To: status.State(to)})
		}
	}
	return components, changes
}

// about are the components of the incident when the form is sent. One that was
// deleted stays where it was named.
func (w *writing) about() []string {
	components, _ := w.chosen()
	if w.mode == writeDetails {
		components = chosen(w.in, "components")
	}
	for _, id := range w.stored.Components {
		gone := !slices.ContainsFunc(w.parts, func(c status.Component) bool { return c.ID == id })
		if (gone || w.mode == writeUpdate) && !slices.Contains(components, id) {
			components = append(components, id)
		}
	}
	return components
}

func (w *writing) silent() bool { return w.in.Get("silent") != "" }

// restores says whether the update ends an incident and with it what it did.
func (w *writing) restores() bool {
	return w.mode == writeUpdate && status.Phase(w.in.Get("phase")) == status.Resolved && w.in.Get("restore") != ""
}

// note is the update that the form says.
func (w *writing) note() (publish.Note, error) {
	n := publish.Note{Phase: status.Phase(w.in.Get("phase")), Body: strings.TrimSpace(strings.ReplaceAll(w.in.Get("body"), "\r\n", "\n")), Silent: w.silent(), Restore: w.restores(),
		Key: w.in.Get("key")}
	_, n.Changes = w.chosen()
	var was time.Time
	if u := w.last(); u != nil && w.mode == writeDraft {
		was = u.At
	}
	var err error
	n.At, err = w.time("at", was)
	return n, err
}

// edit is what the form says of the incident itself.
func (w *writing) edit(now time.Time) (publish.Edit, error) {
	title, impact, about := text(w.in, "title"), status.Impact(w.in.Get("impact")), w.about()
	e := publish.Edit{Title: &title, Impact: &impact, Components: &about}
	began, err := w.time("started", w.stored.Started)
	if err != nil {
		return e, err
	}
	if began.After(now.Add(time.Minute)) {
		return e, &status.FieldError{Field: "started", Problem: "it lies ahead", Mend: "use now or earlier; work that is planned is a maintenance"}
	}
	if !began.IsZero() {
		e.Started = &began
	}
	return e, nil
}

// incident is what there would be once the form is sent, as far as it can be read:
// for the preview, which shows half a sentence as well.
func (w *writing) incident(now time.Time) status.Incident {
	i := w.stored
	i.Updates = slices.Clone(i.Updates)
	if i.ID == "" {
		i.ID = "new"
	}
	if w.mode == asStored {
		return i
	}
	n, _ := w.note() // a time that cannot be read is said beside its field
	if n.At.IsZero() {
		n.At = now
	}
	u := status.Update{ID: "new", Phase: n.Phase, Body: n.Body, At: n.At, Changes: n.Changes}
	switch w.mode {
	case writeNew, writeDraft, writeDetails:
		i.Title, i.Impact, i.Components = text(w.in, "title"), status.Impact(w.in.Get("impact")), w.about()
		if began, err := w.time("started", w.stored.Started); err == nil && !began.IsZero() {
			i.Started = began
		} else if i.Started.IsZero() {
			i.Started = n.At
		}
	}
	switch w.mode {
	case writeDraft:
		last := w.last()
		if last == nil {
			break
		}
		if publish.ByAlerts(last) && len(u.Changes) == 0 {
			u.Changes = last.Changes
		}
		i.Updates = i.Updates[:len(i.Updates)-1]
		i.Updates, i.Phase = append(i.Updates, u), u.Phase
	case writeNew, writeUpdate:
		if n.Restore {
			for _, c := range w.parts {
				if slices.Contains(i.Components, c.ID) && c.State != status.Operational && !slices.ContainsFunc(u.Changes, func(o status.Change) bool { return o.ComponentID == c.ID }) {
					u.Changes = append(u.Changes, status.Change{ComponentID: c.ID, From: c.State, To: status.Operational})
				}
			}
		}
		i.Components = w.about()
		i.Updates, i.Phase = append(i.Updates, u), u.Phase
	case writeText:
		i.Updates[w.at].Body, i.Updates[w.at].At = n.Body, n.At
	case writePostmortem:
		if i.Postmortem = n.Body; n.Body != "" {
			i.Phase = status.Postmortem
		}
	}
	switch {
	case !incidentOver(i.Phase):
		i.ResolvedAt = time.Time{}
	case i.ResolvedAt.IsZero():
		i.ResolvedAt = u.At
	}
	if strings.TrimSpace(i.Title) == "" {
		i.Title = "(no title yet)"
	}
	return i
}

// kind is what visitors would be told of, empty for nothing.
func (w *writing) kind() push.Kind {
	phase := status.Phase(w.in.Get("phase"))
	switch w.mode {
	case asStored:
		phase = w.stored.Phase
		fallthrough
	case writeNew, writeDraft:
		if incidentOver(phase) {
			return push.IncidentResolved // told of late
		}
		return push.IncidentNew
	case writeUpdate:
		if incidentOver(phase) && !incidentOver(w.stored.Phase) {
			return push.IncidentResolved
		}
		return push.IncidentUpdate
	case writePostmortem:
		if text(w.in, "body") == "" {
			return "" // it is taken away
		}
		return push.IncidentUpdate
	}
	return ""
}

// seen is what the form shows of what is stored, see meanwhile. What alerts alone
// wrote may change with each alert, and is not held against who takes it over.
func (w *writing) seen() url.Values {
	if w.mode == writeNew || w.mode == asStored || w.mode == writeDraft && w.stored.Automatic {
		return nil
	}
	if w.mode == writeUpdate {
		return saidSeen(w.stored.Updates)
	}
	x := *w
	x.in = url.Values{}
	x.fill()
	return x.shown()
}

// given is the same of what the form is sent with.
func (w *writing) given() url.Values { return w.shown() }

// shown are the fields that a form of this mode has, each as it is compared.
func (w *writing) shown() url.Values {
	out := url.Values{}
	take := func(names ...string) {
		for _, name := range names {
			out[name] = w.in[name]
		}
	}
	switch w.mode {
	case writeDraft:
		take("title", "impact", "started", "phase", "body", "at")
		for name := range w.in {
			if strings.HasPrefix(name, part) {
				take(name)
			}
		}
	case writeDetails:
		take("title", "impact", "started", "components")
	case writeText:
		take("body", "at")
	case writePostmortem:
		take("body")
	}
	return out
}
