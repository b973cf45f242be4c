package console

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
)

type periodsView struct {
	shell
	Rows []periodRow
}

type periodRow struct {
	contact.TimePeriod
	Days []dayText
	Now  periodNow
	Used []string
}

type dayText struct{ Day, Ranges string }

// periodNow says whether a period covers this moment, and until when that
// stays so; Until is zero when it never changes.
type periodNow struct {
	Inside bool
	Until  time.Time
	Local  string // Until in the period's zone
}

func (c *console) nowIn(p contact.TimePeriod, now time.Time) periodNow {
	n := periodNow{Inside: p.Covers(now), Until: p.Next(now)}
	if loc, err := time.LoadLocation(p.Zone); err == nil && !n.Until.IsZero() {
		n.Local = n.Until.In(loc).Format("Mon 2 Jan 15:04 MST")
	}
	return n
}

// weekdays in the order of the form, Monday first.
func weekdays() []time.Weekday {
	return []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}
}

// dayTexts joins days in a row that have the same times.
func dayTexts(p contact.TimePeriod) []dayText {
	var out []dayText
	days := weekdays()
	for i := 0; i < len(days); {
		r := rangesText(p.Weekdays[days[i]])
		j := i
		for j+1 < len(days) && rangesText(p.Weekdays[days[j+1]]) == r {
			j++
		}
		name := days[i].String()[:3]
		if j > i {
			name += "–" + days[j].String()[:3]
		}
		switch r {
		case "":
			r = "closed"
		case "00:00-24:00":
			r = "all day"
		}
		out = append(out, dayText{name, r})
		i = j + 1
	}
	return out
}

func (c *console) periods(w http.ResponseWriter, v *visit) error {
	periods, err := c.Store.Periods(v.Context())
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := periodsView{shell: c.shell(w, v, "/console/periods", "Time periods")}
	for _, p := range periods {
		view.Rows = append(view.Rows, periodRow{TimePeriod: p, Days: dayTexts(p), Now: c.nowIn(p, v.now), Used: usersOf(p.ID, contacts)})
	}
	return c.show(w, v, "periods", view)
}

func usersOf(periodID string, contacts []contact.Contact) []string {
	var out []string
	for _, k := range contacts {
		if k.HostPeriodID == periodID || k.ServicePeriodID == periodID || k.QuietPeriodID == periodID {
			out = append(out, contactLabel(k))
		}
	}
	return out
}

func (c *console) loadPeriod(v *visit) (contact.TimePeriod, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Period(v.Context(), id)
	}
	return contact.TimePeriod{Zone: "Europe/Berlin"}, nil
}

// periodTexts is what stands in the form's fields.
func periodTexts(p contact.TimePeriod) url.Values {
	in := url.Values{"name": {p.Name}, "zone": {p.Zone}, "exceptions": {exceptionsText(p.Exceptions)}}
	for _, d := range weekdays() {
		in.Set("day_"+strconv.Itoa(int(d)), rangesText(p.Weekdays[d]))
	}
	return in
}

func (c *console) period(w http.ResponseWriter, v *visit) error {
	p, err := c.loadPeriod(v)
	if err != nil {
		return err
	}
	return c.showPeriod(w, v, http.StatusOK, p, periodTexts(p), nil)
}

func (c *console) showPeriod(w http.ResponseWriter, v *visit, status int, p contact.TimePeriod, in url.Values, why error) error {
	days := section{Title: "Weekdays", Hint: "As 09:00-17:00, 18:00-20:00. Empty is closed, 00:00-24:00 the whole day. A night is two ranges: 22:00-24:00 and, on the next day, 00:00-06:00."}
	for _, d := range weekdays() {
		name := "day_" + strconv.Itoa(int(d))
		days.Fields = append(days.Fields, field{Name: name, Label: d.String(), Kind: "text", Value: in.Get(name), Mono: true, Half: true, Auto: "off"})
	}
	id, heading := v.PathValue("id"), "New time period"
	f := form{
		Action: "/console/periods/" + id, Submit: "Save time period", Cancel: "/console/periods", Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true},
				{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), Half: true, List: "zones", Auto: "off", Hint: "As Europe/Berlin. Empty is UTC."},
			}},
			days,
			{Title: "Exceptions", Fields: []field{
				{Name: "exceptions", Label: "Days that differ", Kind: "textarea", Value: in.Get("exceptions"), Rows: 5, Mono: true,
					Hint: "One a line: 2026-12-24: 09:00-12:00 # Christmas Eve · 12-25 to 12-26: closed, which is every year. The first that fits a day counts."},
			}},
		},
	}
	view := formView{Intro: "When somebody wants to be told, in its own time zone."}
	if id != "new" {
		heading, f.Delete = p.Name, "/console/periods/"+id+"/delete"
		now := c.nowIn(p, v.now)
		view.Period = &now
	}
	if why != nil {
		view.Period = nil
		if !f.refused(why) {
			return why
		}
	}
	view.shell, view.Heading, view.Form = c.shell(w, v, "/console/periods", heading), heading, f
	return c.showForm(w, v, status, view)
}

func readPeriod(p contact.TimePeriod, in url.Values) (contact.TimePeriod, error) {
	p.Name, p.Zone = text(in, "name"), text(in, "zone")
	for _, d := range weekdays() {
		name := "day_" + strconv.Itoa(int(d))
		rs, err := parseRanges(name, in.Get(name))
		if err != nil {
			return p, err
		}
		p.Weekdays[d] = rs
	}
	var err error
	p.Exceptions, err = parseExceptions(in.Get("exceptions"))
	return p, err
}

func (c *console) savePeriod(w http.ResponseWriter, v *visit) error {
	old, err := c.loadPeriod(v)
	if err != nil {
		return err
	}
	p, err := readPeriod(old, v.PostForm)
	if err == nil {
		err = p.Validate()
	}
	if err == nil {
		if p.ID == "" {
			p.ID = c.NewID()
		}
		err = c.Store.SavePeriod(v.Context(), p)
	}
	if err != nil {
		return c.showPeriod(w, v, http.StatusUnprocessableEntity, old, v.PostForm, err)
	}
	return done(w, v, "/console/periods", "Saved the time period "+p.Name+".")
}

func (c *console) askDeletePeriod(w http.ResponseWriter, v *visit) error {
	p, err := c.Store.Period(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the time period " + p.Name + "?", Action: "/console/periods/" + p.ID + "/delete",
		Back: "/console/periods/" + p.ID, Button: "Delete time period"}
	for _, name := range usersOf(p.ID, contacts) {
		view.Refused = "Contacts still have this time period. Give them another one first."
		view.Effects = append(view.Effects, name+" has it.")
	}
	return c.confirm(w, v, "/console/periods", view)
}

func (c *console) deletePeriod(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeletePeriod(v.Context(), v.PathValue("id"))
	return c.deleted(w, v, err, "/console/periods", "The time period is deleted.", "Contacts still have this time period. Give them another one first.")
}
