package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/route"
	"tocsin/internal/status"
	"tocsin/internal/window"
)

type windowFormView struct {
	shell
	Heading string
	New     bool
	ID      string
	On      bool
	Until   string
	Form    form
	Means   windowMeans
}

// windowMeans is what comes of a window's form.
type windowMeans struct {
	Problem string
	Rule    string
	Times   []windowTime
	Over    bool
	All     bool // it holds everything back
	Match   *matchView
	Public  string // what visitors see of it
}

type windowTime struct {
	Text string
	On   bool
	Note string
}

// untilForm is how a rule says when it ends.
const untilForm = "20060102T150405Z"

// splitUntil takes the end out of a rule; zero where there is none that can be read.
func splitUntil(rule string, zone *time.Location) (rest string, until time.Time) {
	var parts []string
	for part := range strings.SplitSeq(rule, ";") {
		if s, ok := strings.CutPrefix(strings.ToUpper(part), "UNTIL="); ok {
			if t, err := time.Parse(untilForm, s); err == nil {
				until = t
				continue
			}
			if t, err := time.ParseInLocation("20060102", s, zone); err == nil {
				until = t
				continue
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ";"), until
}

// windowTexts is what stands in the form's fields.
func windowTexts(w *window.Window) url.Values {
	zone := zoneOf(w.Zone)
	in := url.Values{
		"name": {w.Name}, "note": {w.Note}, "zone": {w.Zone}, "start": {w.Start}, "hours": {strconv.Itoa(w.Minutes / 60)}, "minutes": {strconv.Itoa(w.Minutes % 60)},
		"source_ids": w.Sources, "hosts": {strings.Join(w.Hosts, "\n")}, "services": {strings.Join(w.Services, "\n")}, "labels": {strings.Join(labelLines(w.Labels), "\n")},
		"page": {w.Page.PageID}, "title": {w.Page.Title}, "body": {w.Page.Body},
	}
	if w.Enabled {
		in.Set("enabled", "on")
	}
	if w.Page.PageID != "" {
		in["components_"+w.Page.PageID] = w.Page.ComponentIDs
	}
	first, err := time.ParseInLocation(window.StartFormat, w.Start, zone)
	if err != nil {
		first = time.Now()
	}
	if w.RRule == "" {
		ruleTexts(in, "FREQ=WEEKLY", first)
		in.Set("repeat", "")
		return in
	}
	rule, until := splitUntil(w.RRule, zone)
	ruleTexts(in, rule, first)
	if !until.IsZero() {
		in.Set("ends", "until")
		in.Set("until", until.In(zone).Format(status.DateFormat))
	}
	return in
}

// readWindow puts what a form says into a window; what it could read is in it also
// when it answers an error.
func readWindow(have window.Window, in url.Values) (window.Window, error) {
	w := have
	w.Name, w.Note, w.Enabled, w.Zone = text(in, "name"), text(in, "note"), in.Get("enabled") != "", text(in, "zone")
	w.Sources, w.Hosts, w.Services = chosen(in, "source_ids"), lines(in.Get("hosts")), lines(in.Get("services"))
	page := in.Get("page")
	w.Page.PageID, w.Page.Title, w.Page.Body, w.Page.ComponentIDs = page, text(in, "title"), noteBody(in), chosen(in, "components_"+page)
	if page == "" {
		w.Page.Title, w.Page.Body = "", ""
	}
	var err error
	refuse := func(field, problem, mend string) {
		if err == nil {
			err = &contact.FieldError{Field: field, Problem: problem, Mend: mend}
		}
	}
	w.Labels = map[string]string{}
	for i, line := range lines(in.Get("labels")) {
		name, glob, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			refuse("labels", "line "+strconv.Itoa(i+1)+" is “"+line+"”", "write name=pattern, as in team=shop*")
			continue
		}
		w.Labels[name] = strings.TrimSpace(glob)
	}
	w.Start = clockText(text(in, "start"))
	hours, bad1 := strconv.Atoi(cmp.Or(text(in, "hours"), "0"))
	minutes, bad2 := strconv.Atoi(cmp.Or(text(in, "minutes"), "0"))
	if bad1 != nil || bad2 != nil || hours < 0 || minutes < 0 || hours > 336 || minutes > window.MaxMinutes {
		refuse("minutes", "is out of range", "use 1 minute to 14 days")
	}
	w.Minutes = hours*60 + minutes
	zone := zoneOf(w.Zone)
	first, bad := time.ParseInLocation(window.StartFormat, w.Start, zone)
	if bad != nil || in.Get("repeat") == "" {
		w.RRule = ""
		return w, err // the start is refused by the window itself
	}
	rule, bad := ruleOf(in, first)
	if bad != nil && err == nil {
		err = bad
	}
	w.RRule = rule
	if in.Get("ends") == "until" && rule != "" && !strings.Contains(strings.ToUpper(rule), "UNTIL=") {
		_, to, bad := status.DayBounds(text(in, "until"), zone)
		if bad != nil {
			refuse("until", "is no date", "choose the last day on which it may begin")
			return w, err
		}
		w.RRule += ";UNTIL=" + to.Add(-time.Second).UTC().Format(untilForm)
	}
	return w, err
}

// loadWindow is the window that the address names; a new one is of the object that it
// names, from the next full hour on.
func (c *console) loadWindow(v *visit) (window.Window, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Window(v.Context(), id)
	}
	zone, err := c.usualZone(v)
	if err != nil {
		return window.Window{}, err
	}
	start := v.now.In(zoneOf(zone)).Add(time.Hour).Truncate(time.Hour)
	fresh := window.Window{Enabled: true, Zone: zone, Start: start.Format(window.StartFormat), Minutes: 120}
	if id := v.URL.Query().Get("object"); id != "" {
		o, err := c.Store.Object(v.Context(), id)
		if err != nil {
			return fresh, err
		}
		fresh = windowOf(&o, v.now.In(zoneOf(zone)), zone, 120)
	}
	return fresh, nil
}

func (c *console) window(w http.ResponseWriter, v *visit) error {
	win, err := c.loadWindow(v)
	if err != nil {
		return err
	}
	return c.showWindow(w, v, http.StatusOK, win, windowTexts(&win), nil)
}

func (c *console) checkWindow(w http.ResponseWriter, v *visit) error {
	win, err := c.loadWindow(v)
	if err != nil {
		return err
	}
	return c.showWindow(w, v, http.StatusOK, win, v.PostForm, nil)
}

func (c *console) saveWindow(w http.ResponseWriter, v *visit) error {
	have, err := c.loadWindow(v)
	if err != nil {
		return err
	}
	win, err := readWindow(have, v.PostForm)
	if err == nil {
		if win.ID == "" {
			win.ID, win.By, win.Created = c.NewID(), v.who.Label(), v.now
		}
		_, err = c.Windows.Save(v.Context(), v.author(), win)
	}
	if err != nil {
		return c.showWindow(w, v, http.StatusUnprocessableEntity, have, v.PostForm, err)
	}
	return done(w, v, windowsPath, "Saved the maintenance window “"+win.Name+"”.")
}

func (c *console) showWindow(w http.ResponseWriter, v *visit, code int, have window.Window, in url.Values, why error) error {
	sources, err := c.sourceNames(v)
	if err != nil {
		return err
	}
	id := v.PathValue("id")
	base := windowsPath + "/" + id
	view := windowFormView{Heading: "New maintenance window", New: id == "new", ID: have.ID}
	f := form{Action: base, Check: base + "/check", Submit: "Save window", Cancel: windowsPath, Locked: !v.may(auth.WriteConfig)}
	if f.Locked {
		f.Check = ""
	}
	if !view.New {
		view.Heading, f.Delete = have.Name, base+"/delete"
		if row := rowOfWindow(&have, sources, nil, v.now); row.On {
			view.On, view.Until = true, row.Until.In(zoneOf(have.Zone)).Format("Mon 2 Jan 15:04 MST")
		}
	}
	var options []option
	for sid, name := range sources {
		options = append(options, option{sid, name, slices.Contains(in["source_ids"], sid)})
	}
	slices.SortFunc(options, func(a, b option) int { return strings.Compare(a.Title, b.Title) })
	public, err := c.publicFields(v, in)
	if err != nil {
		return err
	}
	f.Sections = []section{
		{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true, Auto: "off", Sample: "Patch night"},
			{Name: "note", Label: "Note", Kind: "text", Value: in.Get("note"), Half: true, Auto: "off", Sample: "The change’s number, who does it"},
			{Name: "enabled", Label: "The window is on", Kind: "checkbox", Checked: in.Get("enabled") != "", Hint: "Off, it holds nothing back and visitors see nothing of it."},
		}},
		{Title: "When", Fields: []field{
			{Name: "start", Label: "Begins", Kind: "datetime-local", Value: in.Get("start"), Required: true, Half: true, Hint: "The first time, where it comes again."},
			{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), Half: true, List: "zones", Auto: "off", Hint: "As Europe/Berlin. Empty is UTC."},
			{Name: "hours", Label: "Lasts hours", Kind: "number", Value: in.Get("hours"), Min: "0", Max: "336", Half: true},
			{Name: "minutes", Label: "and minutes", Kind: "number", Value: in.Get("minutes"), Min: "0", Max: strconv.Itoa(window.MaxMinutes), Half: true},
		}},
		{Title: "How it comes again", Fields: repeatFields(in, true)},
		{Title: "What it holds back", Hint: "Alerts about what fits are not told before the window’s end. Everything that is given must fit; what is left empty fits everything. Patterns may have * and ?, capitals do not matter.", Fields: []field{
			{Name: "source_ids", Label: "Sources", Kind: "checks", Options: options, Empty: "There are no sources yet."},
			{Name: "hosts", Label: "Hosts", Kind: "textarea", Value: in.Get("hosts"), Rows: 3, Mono: true, Half: true, Sample: "web*.example.com", Hint: "One pattern a line. Hosts alone stand for their services too."},
			{Name: "services", Label: "Services", Kind: "textarea", Value: in.Get("services"), Rows: 3, Mono: true, Half: true, Sample: "HTTP*", Hint: "One pattern a line. With one given, hosts themselves are left out."},
			{Name: "labels", Label: "Labels", Kind: "textarea", Value: in.Get("labels"), Rows: 2, Mono: true, Sample: "team=shop*", Hint: "One name=pattern a line."},
		}, Buttons: []formButton{{Title: "Show what it does", Action: base + "/check", Wait: "Looking…"}}},
		{Title: "On a status page", Fields: public},
	}
	if why != nil && !f.refused(inWindowForm(why, in)) {
		return why
	}
	view.Form = f
	win, bad := readWindow(have, in)
	if view.Means, err = c.meansOfWindow(v, win, bad, sources); err != nil {
		return err
	}
	view.shell = c.shell(w, v, windowsPath, view.Heading)
	c.write(w, v.Request, code, "window", "shell", view)
	return nil
}

// publicFields ask what visitors of a status page see of a window.
func (c *console) publicFields(v *visit, in url.Values) ([]field, error) {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return nil, err
	}
	choices := []option{{Value: "", Title: "Nowhere: visitors see nothing of it"}}
	var ids []string
	for _, p := range pages {
		choices = append(choices, option{Value: p.ID, Title: p.Name})
		ids = append(ids, p.ID)
	}
	where := selectField(in, "page", "Shown on", choices...)
	where.Half = false
	where.Hint = "A window that happens once is a maintenance there, one that comes again a series of them: announced ahead, begun and ended by itself."
	if len(pages) == 0 {
		where.Hint = "There is no status page yet."
		return []field{where}, nil
	}
	when := "page=" + strings.Join(ids, " ")
	fields := []field{where,
		{Name: "title", Label: "Title for visitors", Kind: "text", Value: in.Get("title"), Auto: "off", When: when, Sample: "Weekly updates of the servers"},
		{Name: "body", Label: "What is done, and what visitors notice of it", Kind: "textarea", Value: in.Get("body"), Rows: 3, When: when, Hint: "Markdown."},
	}
	for _, p := range pages {
		groups, components, err := c.Store.StatusParts(v.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		list := componentGroups(groups, components)
		name := "components_" + p.ID
		for i := range list {
			for j := range list[i].Options {
				list[i].Options[j].Selected = slices.Contains(in[name], list[i].Options[j].Value)
			}
		}
		label := "Components"
		if len(pages) > 1 {
			label += " of " + p.Name
		}
		fields = append(fields, field{Name: name, Label: label, Kind: "parts", Groups: list, When: "page=" + p.ID, Empty: "The page has no components yet."})
	}
	return fields, nil
}

// inWindowForm names the field of an error as the form has it.
func inWindowForm(err error, in url.Values) error {
	var fe *contact.FieldError
	if !errors.As(err, &fe) {
		return err
	}
	name, _, _ := strings.Cut(fe.Field, "[")
	switch name {
	case "rrule":
		name = "repeat"
		if in.Get("repeat") == repeatRule {
			name = "rule"
		}
	case "page.page_id":
		name = "page"
	case "page.component_ids":
		name = "components_" + in.Get("page")
	default:
		name = strings.TrimPrefix(name, "page.")
	}
	return &contact.FieldError{Field: name, Problem: fe.Problem, Mend: fe.Mend}
}

// mostTimes is how many of a window's next times its form shows.
const mostTimes = 5

// meansOfWindow says when a window would be on and what it would hold back; bad is
// why its form could not be read.
func (c *console) meansOfWindow(v *visit, w window.Window, bad error, sources map[string]string) (windowMeans, error) {
	var m windowMeans
	named := w
	if named.Name == "" {
		named.Name = "x" // is asked for on saving
	}
	named.Page = window.Public{}
	if bad == nil {
		bad = named.Validate()
	}
	if bad != nil {
		var f form
		if !f.refused(bad) {
			return m, bad
		}
		m.Problem = f.Problem
	} else {
		row := rowOfWindow(&w, sources, nil, v.now)
		plan, err := w.Plan()
		if err != nil {
			return m, err //nolint:wrapcheck // was looked at just now
		}
		m.Rule, m.Over = row.Rule, row.Over
		clock := w.Start[len(w.Start)-len("15:04"):]
		for _, s := range plan.Upcoming(v.now, mostTimes) {
			t := windowTime{Text: spanText(s.From, s.To, plan.Zone()), On: !s.From.After(v.now)}
			if got := s.From.In(plan.Zone()).Format("15:04"); got != clock {
				t.Note = "the clocks go forward: there is no " + clock + " that day"
			}
			m.Times = append(m.Times, t)
		}
	}
	m.All = len(w.Sources)+len(w.Hosts)+len(w.Services)+len(w.Labels) == 0
	m.Match = c.heldNow(v.Context(), w, sources)
	if w.Page.PageID != "" {
		m.Public = "a maintenance"
		if w.RRule != "" {
			m.Public = "a series of maintenance"
		}
	}
	return m, nil
}

// heldNow finds the objects that a window is about, the same way as alerts are held.
func (c *console) heldNow(ctx context.Context, w window.Window, sources map[string]string) *matchView {
	m := &matchView{}
	now := c.Now().UTC()
	alone := window.Window{ID: "x", Name: "x", Enabled: true, Start: now.Format(window.StartFormat), Minutes: 60, Sources: w.Sources, Hosts: w.Hosts, Services: w.Services, Labels: w.Labels}
	dir := route.Directory{Windows: []window.Window{alone}}.Indexed()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	err := c.Store.EachObject(ctx, func(o *alert.Object) bool {
		if _, names := route.Held(dir, *o, now); len(names) > 0 {
			m.Count++
			m.keep(matchRow{Object: *o, Look: stateOf(o.State), Source: sources[o.SourceID]})
		}
		return true
	})
	if err != nil {
		m.Problem = "It took too long to look through all objects. Saving works all the same."
	}
	m.More = m.Count - len(m.Rows)
	return m
}
