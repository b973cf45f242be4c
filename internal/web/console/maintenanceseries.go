package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
)

// seriesDate is one of the next dates of a series.
type seriesDate struct {
	Text     string
	Note     string    // where it is not on the first one's clock
	At       time.Time // for the reader's own clock
	Path     string    // of what is announced, empty for none
	Overlaps []overlap
}

// shownDates is how many of the next dates a form shows.
const shownDates = 5

// planOfSeries is the series that the address names, zero for a new one, with its
// page's plan.
func (c *console) planOfSeries(v *visit) (publish.Planned, plan, error) {
	id := v.PathValue("id")
	if id == "new" {
		p, err := c.planOf(v)
		return publish.Planned{}, p, err
	}
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return publish.Planned{}, plan{}, err
	}
	for _, page := range pages {
		list, err := c.Store.StatusSeries(v.Context(), page.ID)
		if err != nil {
			return publish.Planned{}, plan{}, err
		}
		for _, s := range list {
			if s.ID == id {
				p, err := c.planFor(v, pageChoice{Page: page, Pages: pages})
				return s, p, err
			}
		}
	}
	return publish.Planned{}, plan{}, fault.ErrNotFound
}

// seriesTexts is what stands in the form's fields.
func seriesTexts(s *status.Series) url.Values {
	zone := zoneOf(s.Zone)
	first := s.Start.In(zone)
	in := url.Values{"title": {s.Title}, "body": {s.Body}, "components": s.Components, "impact": {string(s.Impact)}, "zone": {s.Zone},
		"start": {first.Format(wallForm)}, "hours": {strconv.Itoa(s.Minutes / 60)}, "minutes": {strconv.Itoa(s.Minutes % 60)}}
	ruleTexts(in, s.Rule, first)
	if !s.Until.IsZero() {
		in.Set("ends", "until")
		in.Set("until", s.Until.In(zone).Format(status.DateFormat))
	}
	return in
}

// readSeries puts what a form says into a series; have is what it was.
func readSeries(have status.Series, in url.Values) (status.Series, error) {
	s := have
	s.Title, s.Body, s.Components, s.Impact = text(in, "title"), noteBody(in), chosen(in, "components"), status.Impact(in.Get("impact"))
	s.Zone = text(in, "zone")
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "" || s.Zone == "Local" {
		return s, &status.FieldError{Field: "zone", Problem: "“" + s.Zone + "” is no time zone", Mend: "write one such as Europe/Berlin"}
	}
	if !slices.ContainsFunc(workImpacts(""), func(o option) bool { return o.Value == string(s.Impact) }) {
		return s, &status.FieldError{Field: "impact", Problem: "is none of the choices", Mend: "choose from the list"}
	}
	was := have.Start
	if have.Zone != s.Zone {
		was = time.Time{}
	}
	if s.Start, err = wallOr("start", in.Get("start"), was, zone); err != nil {
		return s, err
	}
	hours, minutes := 0, 0
	if t := text(in, "hours"); t != "" {
		hours, err = strconv.Atoi(t)
	}
	if t := text(in, "minutes"); t != "" && err == nil {
		minutes, err = strconv.Atoi(t)
	}
	if s.Minutes = hours*60 + minutes; err != nil || hours < 0 || minutes < 0 || hours > 336 || minutes > 336*60 || s.Minutes < 1 {
		return s, &status.FieldError{Field: "minutes", Problem: "is out of range", Mend: "use 1 minute to 14 days"}
	}
	if s.Rule, err = ruleOf(in, s.Start.In(zone)); err != nil {
		return s, err
	}
	s.Until = time.Time{}
	if in.Get("ends") == "until" {
		_, to, err := status.DayBounds(text(in, "until"), zone)
		if err != nil {
			return s, &status.FieldError{Field: "until", Problem: "is no date", Mend: "choose the last day on which it may begin"}
		}
		s.Until = to.Add(-time.Second)
	}
	return s, nil
}

func (c *console) oneSeries(w http.ResponseWriter, v *visit) error {
	s, p, err := c.planOfSeries(v)
	if err != nil {
		return err
	}
	if s.ID != "" {
		return c.showSeries(w, v, http.StatusOK, p, s, seriesTexts(&s.Series), nil)
	}
	// The next night from Saturday to Sunday.
	day := v.now.In(p.Zone).AddDate(0, 0, 1)
	for day.Weekday() != time.Sunday {
		day = day.AddDate(0, 0, 1)
	}
	fresh := status.Series{Impact: status.ImpactNone, Zone: p.Zone.String(), Minutes: 120, Rule: "FREQ=WEEKLY;BYDAY=SU",
		Start: time.Date(day.Year(), day.Month(), day.Day(), 4, 0, 0, 0, p.Zone)}
	return c.showSeries(w, v, http.StatusOK, p, publish.Planned{}, seriesTexts(&fresh), nil)
}

func selectField(in url.Values, name, label string, options ...option) field {
	for i := range options {
		options[i].Selected = options[i].Value == in.Get(name)
	}
	return field{Name: name, Label: label, Kind: "select", Options: options, Half: true}
}

// repeatFields ask how something comes again; where it may happen once, that is the
// first choice.
func repeatFields(in url.Values, once bool) []field {
	var days, nths, nthDays []option
	for _, d := range weekdays() {
		days = append(days, option{ruleDay(d), d.String(), slices.Contains(in["weekdays"], ruleDay(d))})
		nthDays = append(nthDays, option{Value: ruleDay(d), Title: d.String()})
	}
	for _, o := range ordinals() {
		nths = append(nths, option{Value: o[0], Title: strings.ToUpper(o[1][:1]) + o[1][1:]})
	}
	choices := []option{{Value: repeatDay, Title: "By days"}, {Value: repeatWeek, Title: "By weeks, on weekdays"}, {Value: repeatMonth, Title: "By months, on a day of the month"},
		{Value: repeatWeekday, Title: "By months, on a weekday"}, {Value: repeatYear, Title: "By years"}, {Value: repeatRule, Title: "By a rule of my own"}}
	if once {
		choices = slices.Insert(choices, 0, option{Value: "", Title: "Not at all: it happens once"})
	}
	notOwn := "repeat=day week month weekday year"
	fields := []field{
		selectField(in, "repeat", "Repeats", choices...),
		{Name: "every", Label: "Every so many", Kind: "number", Value: in.Get("every"), Min: "1", Max: strconv.Itoa(mostEvery), Half: true, When: notOwn, Hint: "1 is every one, 2 every other one."},
		{Name: "weekdays", Label: "On", Kind: "checks", Options: days, When: "repeat=week"},
		selectField(in, "monthday", "On", option{Value: "", Title: "The day of the first date"}, option{Value: "last", Title: "The last day of the month"}),
		selectField(in, "nth", "On the", nths...),
		selectField(in, "nthday", "Weekday", nthDays...),
		{Name: "rule", Label: "Rule", Kind: "text", Value: in.Get("rule"), Mono: true, Auto: "off", When: "repeat=rule", Sample: "FREQ=MONTHLY;BYDAY=2TU,4TU", Hint: "As in calendars (RFC 5545), daily at the most. The time of day is that of the first date."},
		selectField(in, "ends", "Ends", option{Value: "never", Title: "Never"}, option{Value: "until", Title: "On a date"}, option{Value: "count", Title: "After so many times"}),
		{Name: "until", Label: "Last day", Kind: "date", Value: in.Get("until"), Half: true, When: "ends=until"},
		{Name: "times", Label: "Times in all", Kind: "number", Value: in.Get("times"), Min: "1", Max: "999", Half: true, When: "ends=count;" + notOwn, Hint: "Counted from the first date on."},
	}
	fields[3].When, fields[4].When, fields[5].When = "repeat=month", "repeat=weekday", "repeat=weekday"
	if once {
		fields[7].When = notOwn + " rule"
		fields[8].When += ";" + notOwn + " rule"
	}
	return fields
}

func (c *console) showSeries(w http.ResponseWriter, v *visit, code int, p plan, have publish.Planned, in url.Values, why error) error {
	isNew := have.ID == ""
	base, query := seriesPath+"/new", p.Query()
	view := maintenanceFormView{plan: p, Heading: "Maintenance that comes again", Back: maintenancePath + p.Query(), Series: true,
		Intro: "The next three dates are announced ahead, each as a maintenance of its own that can be moved or cancelled. They begin and end by themselves."}
	if !isNew {
		base, query = seriesPath+"/"+have.ID, ""
		view.Heading = have.Title
	}
	f := form{Action: base + query, Check: base + "/check" + query, Submit: "Save series", Cancel: view.Back, Locked: !v.may(auth.WriteConfig)}
	if f.Locked {
		f.Check = ""
	}
	if !isNew {
		f.Delete = base + "/delete"
		view.Intro += " Saving announces anew what has not begun yet: dates that were moved by hand go back to the rule, cancelled ones stay cancelled."
	}
	if p.Page.ID == "" {
		view.shell = c.shell(w, v, maintenancePath, view.Heading)
		c.write(w, v.Request, code, "maintenance-form", "shell", view)
		return nil
	}
	repeat := section{Title: "How it comes again", Fields: repeatFields(in, false), Buttons: []formButton{{Title: "Show the next dates", Action: base + "/check" + query, Wait: "Looking…"}}}
	f.Sections = []section{
		{Fields: []field{
			{Name: "title", Label: "Title", Kind: "text", Value: in.Get("title"), Required: true, Auto: "off", Sample: "Weekly updates of the servers"},
			{Name: "body", Label: "What is done, and what visitors notice of it", Kind: "textarea", Value: in.Get("body"), Rows: 4, Hint: "Markdown. Stands on each of its dates."},
		}},
		{Title: "When", Fields: []field{
			{Name: "start", Label: "First date", Kind: "datetime-local", Value: in.Get("start"), Required: true, Half: true, Hint: "Each one begins at this time of day, whatever daylight saving does to it."},
			{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), Half: true, List: "zones", Auto: "off", Hint: "As Europe/Berlin."},
			{Name: "hours", Label: "Lasts hours", Kind: "number", Value: in.Get("hours"), Min: "0", Max: "336", Half: true},
			{Name: "minutes", Label: "and minutes", Kind: "number", Value: in.Get("minutes"), Min: "0", Max: "20160", Half: true},
		}},
		repeat,
		{Title: "What it concerns", Fields: []field{
			{Name: "components", Label: "Components", Kind: "parts", Groups: p.choose(in["components"]), Empty: "The page has no components yet. Add some under Components; a maintenance without any is of the page as a whole."},
			selectField(in, "impact", "What visitors notice", workImpacts("")...),
		}},
	}
	if !isNew {
		f.Seen = seenFrom(v, seriesTexts(&have.Series), why)
	}
	if why != nil && !f.refused(why) {
		return why
	}
	view.Form = f
	var err error
	if view.Means, err = c.meansOfSeries(v, &p, have, in, why); err != nil {
		return err
	}
	view.shell = c.shell(w, v, maintenancePath, view.Heading)
	c.write(w, v.Request, code, "maintenance-form", "shell", view)
	return nil
}

// meansOfSeries says what will come of the form of a series.
func (c *console) meansOfSeries(v *visit, p *plan, have publish.Planned, in url.Values, why error) (means, error) {
	s, err := readSeries(have.Series, in)
	out := means{Text: c.Markdown(s.Body)}
	var rule *recur.Rule
	if err == nil {
		if rule, err = recur.Parse(s.Rule, s.Zone, s.Start); err != nil {
			err = ruleRefused(err)
		}
	}
	if why == nil {
		why = err
	}
	if why != nil {
		var f form
		f.refused(why)
		out.Problem = f.Problem
	}
	if rule != nil {
		c.datesOf(&out, v, p, &s, rule)
	}
	r, err := c.Desk.Reach(v.Context(), p.Page.ID, push.Maintenance, s.Impact, s.Components, "")
	out.Reach = workReachOf(r, p.Page.ID)
	return out, err
}

// ruleRefused is what is wrong with a rule, as forms know it.
func ruleRefused(err error) error {
	var e *recur.Error
	if errors.As(err, &e) {
		return &status.FieldError{Field: e.Field, Problem: e.Problem, Mend: e.Mend}
	}
	return err
}

// datesOf are the next dates of a series, on its own clock.
func (c *console) datesOf(out *means, v *visit, p *plan, s *status.Series, rule *recur.Rule) {
	zone := zoneOf(s.Zone)
	out.Rule, out.Raw = ruleWords(s.Rule, s.Start.In(zone)), rule.String()
	out.Lasts = lasts(time.Duration(s.Minutes) * time.Minute)
	clock := s.Start.In(zone).Format("15:04")
	for _, at := range rule.After(v.now, shownDates) {
		if !s.Until.IsZero() && at.After(s.Until) {
			break
		}
		d := seriesDate{Text: at.In(zone).Format("Mon 2 Jan 2006, 15:04 MST"), At: at}
		if got := at.In(zone).Format("15:04"); got != clock {
			d.Note = "the clocks go forward: there is no " + clock + " that day"
		}
		for _, m := range p.Open {
			if s.ID != "" && m.Series == s.ID && m.Start.Equal(at) {
				d.Path = maintenancePath + "/" + m.ID
			}
		}
		others := slices.DeleteFunc(slices.Clone(p.Open), func(m status.Maintenance) bool { return s.ID != "" && m.Series == s.ID })
		for _, o := range overlapsOf("", s.Components, at, at.Add(time.Duration(s.Minutes)*time.Minute), others, p.Parts, p.Zone) {
			if len(o.Shared) > 0 {
				d.Overlaps = append(d.Overlaps, o)
			}
		}
		out.Dates = append(out.Dates, d)
	}
	if len(out.Dates) == 0 {
		out.Problem = "No date is left: the series would announce nothing. Choose a later end, or another rule."
	}
	if in, day := ruleTextsOf(s.Rule, s.Start.In(zone)), s.Start.In(zone).Day(); in.Get("repeat") == repeatMonth && in.Get("monthday") == "" && day > 28 {
		out.Notes = append(out.Notes, "Months without a day "+strconv.Itoa(day)+" are left out. “The last day of the month” takes place in each.")
	}
	if len(out.Dates) > 1 && out.Dates[1].At.Sub(out.Dates[0].At) < time.Duration(s.Minutes)*time.Minute {
		out.Notes = append(out.Notes, "It lasts longer than until the next one: they overlap each other.")
	}
}

func ruleTextsOf(rule string, first time.Time) url.Values {
	in := url.Values{}
	ruleTexts(in, rule, first)
	return in
}

func (c *console) checkSeries(w http.ResponseWriter, v *visit) error {
	s, p, err := c.planOfSeries(v)
	if err != nil {
		return err
	}
	return c.showSeries(w, v, http.StatusOK, p, s, v.PostForm, nil)
}

func (c *console) saveSeries(w http.ResponseWriter, v *visit) error {
	have, p, err := c.planOfSeries(v)
	if err != nil {
		return err
	}
	s, err := readSeries(have.Series, v.PostForm)
	if err == nil && have.ID != "" {
		err = c.meanwhile(v, p.Page.ID, have.ID, seriesTexts(&have.Series), seriesTexts(&s))
	}
	if err == nil {
		s.PageID = p.Page.ID
		if _, err = c.Desk.SaveSeries(v.Context(), v.author(), s); err == nil {
			return done(w, v, maintenancePath+p.Query(), "Saved: "+s.Title+". Its next dates are announced.")
		}
	}
	return c.showSeries(w, v, http.StatusUnprocessableEntity, p, have, v.PostForm, err)
}

func (c *console) askDeleteSeries(w http.ResponseWriter, v *visit) error {
	s, p, err := c.planOfSeries(v)
	if err != nil {
		return err
	}
	if s.ID == "" {
		return fault.ErrNotFound
	}
	waiting, going := 0, 0
	for _, m := range p.Open {
		switch {
		case m.Series != s.ID:
		case m.Phase == status.Scheduled:
			waiting++
		default:
			going++
		}
	}
	view := confirmView{Heading: "Delete the series “" + s.Title + "”?", Action: seriesPath + "/" + s.ID + "/delete", Back: seriesPath + "/" + s.ID, Button: "Delete series",
		Effects: []string{count(waiting, "date that is announced and has not begun goes", "dates that are announced and have not begun go") + " from the page and from the calendar. Nobody is told."}}
	if going > 0 {
		view.Effects = append(view.Effects, "What is going on now goes on until its end.")
	}
	view.Effects = append(view.Effects, "What took place stays in the history.")
	return c.confirm(w, v, maintenancePath, view)
}

func (c *console) deleteSeries(w http.ResponseWriter, v *visit) error {
	s, p, err := c.planOfSeries(v)
	if err != nil {
		return err
	}
	if err := c.Desk.DeleteSeries(v.Context(), v.author(), s.ID); err != nil {
		return err
	}
	return done(w, v, maintenancePath+p.Query(), "The series “"+s.Title+"” is deleted.")
}
