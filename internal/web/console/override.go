package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/oncall"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

// overrideForm is the short form on the page of who is on call.
type overrideForm struct {
	ScheduleID, Schedule string
	Who                  []option
	To                   string
	Zone                 string
	Next                 string
}

// someUntil is when an override ends that nobody has said the end of: with the shift,
// if that is soon enough to be meant.
func someUntil(o web.OnCall, now time.Time) time.Time {
	if !o.Until.IsZero() && o.Until.Sub(now) <= 14*24*time.Hour {
		return o.Until
	}
	n := now.In(o.Zone)
	return time.Date(n.Year(), n.Month(), n.Day()+1, 9, 0, 0, 0, o.Zone)
}

// quickOverride offers to take over, or to hand over what is one's own.
func quickOverride(o web.OnCall, names places, mine []string, now time.Time) *overrideForm {
	if len(names.contacts) == 0 {
		return nil
	}
	f := &overrideForm{ScheduleID: o.ScheduleID, Schedule: o.Schedule, To: someUntil(o, now).In(o.Zone).Format(wallForm), Zone: o.Zone.String()}
	isMine := slices.Contains(mine, o.Now.ContactID)
	for _, k := range names.contacts {
		me := slices.Contains(mine, k.ID)
		if k.ID == o.Now.ContactID {
			continue
		}
		opt := option{Value: k.ID, Title: contactLabel(k)}
		if me {
			opt.Title += " (you)"
			opt.Selected = !isMine && !slices.ContainsFunc(f.Who, func(o option) bool { return o.Selected })
		}
		f.Who = append(f.Who, opt)
	}
	return f
}

// overrideTexts is what stands in the long form's fields.
func (c *console) overrideTexts(v *visit, schedules []oncall.Schedule) url.Values {
	in := url.Values{}
	for _, name := range []string{"schedule", "contact", "from", "to", "note"} {
		in.Set(name, v.FormValue(name))
	}
	if in.Get("schedule") == "" && len(schedules) > 0 {
		in.Set("schedule", schedules[0].ID)
	}
	return in
}

func (c *console) override(w http.ResponseWriter, v *visit) error {
	return c.showOverride(w, v, http.StatusOK, nil)
}

func (c *console) showOverride(w http.ResponseWriter, v *visit, code int, why error) error {
	names, err := c.places(v)
	if err != nil {
		return err
	}
	if len(names.schedules) == 0 {
		http.Redirect(w, v.Request, onCallPath, http.StatusSeeOther)
		return nil
	}
	in := c.overrideTexts(v, names.schedules)
	i := slices.IndexFunc(names.schedules, func(s oncall.Schedule) bool { return s.ID == in.Get("schedule") })
	if i < 0 {
		return fault.ErrNotFound
	}
	s := names.schedules[i]
	o, err := web.OnCallIn(v.Context(), c.Store, s, v.now)
	if err != nil {
		return err
	}
	if in.Get("from") == "" {
		in.Set("from", v.now.In(zoneOf(s.Zone)).Format(wallForm))
	}
	if in.Get("to") == "" {
		in.Set("to", someUntil(o, v.now).In(zoneOf(s.Zone)).Format(wallForm))
	}
	mine, err := c.ownContacts(v)
	if err != nil {
		return err
	}
	if in.Get("contact") == "" && len(mine) > 0 && v.Method == http.MethodGet {
		in.Set("contact", mine[0])
	}
	var schedules, people []option
	for _, x := range names.schedules {
		schedules = append(schedules, option{Value: x.ID, Title: x.Name + " (" + zoneOf(x.Zone).String() + ")"})
	}
	for _, k := range names.contacts {
		title := contactLabel(k)
		if slices.Contains(mine, k.ID) {
			title += " (you)"
		}
		people = append(people, option{Value: k.ID, Title: title})
	}
	people = append(people, option{Value: "nobody", Title: "Nobody: a gap on purpose"})
	f := form{Action: overridePath, Submit: "Put on call", Cancel: onCallPath + "#schedule-" + s.ID, Sections: []section{{Fields: []field{
		selectField(in, "schedule", "Schedule", schedules...),
		selectField(in, "contact", "On call is", people...),
		{Name: "from", Label: "From", Kind: "datetime-local", Value: in.Get("from"), Half: true, Hint: "By the clock of the schedule. A time that is over means from now on."},
		{Name: "to", Label: "Until", Kind: "datetime-local", Value: in.Get("to"), Required: true, Half: true},
		{Name: "note", Label: "Why", Kind: "text", Value: in.Get("note"), Auto: "off", Sample: "Anna is at the dentist", Hint: "Shown to all who see the calendar."},
	}}}}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, code, formView{shell: c.shell(w, v, onCallPath, "Take over or hand over"), Heading: "Take over or hand over", Form: f,
		Intro: "Puts somebody else on call for a while, over all layers of “" + s.Name + "”. Of several at once the one that was made last counts."})
}

func (c *console) saveOverride(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.Schedule(v.Context(), v.PostFormValue("schedule"))
	if err != nil {
		return err
	}
	o, err := c.readOverride(v, &s)
	if err == nil {
		o, err = web.AddOverride(v.Context(), c.Store, s.ID, o, v.now)
	}
	var fe *status.FieldError
	if errors.As(err, &fe) || err != nil {
		return c.showOverride(w, v, http.StatusUnprocessableEntity, err)
	}
	names, err := c.places(v)
	if err != nil {
		return err
	}
	who := "Nobody"
	if o.ContactID != "" {
		who = names.person(o.ContactID)
	}
	zone := zoneOf(s.Zone)
	said := who + " is on call in “" + s.Name + "” until " + o.To.In(zone).Format("Mon 2 Jan 15:04 MST") + "."
	if o.From.After(v.now) {
		said = who + " will be on call in “" + s.Name + "”: " + spanText(o.From, o.To, zone) + "."
	}
	return done(w, v, onCallPath+"#schedule-"+s.ID, said)
}

func (c *console) readOverride(v *visit, s *oncall.Schedule) (oncall.Override, error) {
	in, zone := v.PostForm, zoneOf(s.Zone)
	o := oncall.Override{ID: c.NewID(), From: v.now, ContactID: in.Get("contact"), Note: text(in, "note"), By: v.who.Label()}
	switch o.ContactID {
	case "":
		return o, &status.FieldError{Field: "contact", Problem: "is not chosen", Mend: "choose who is on call"}
	case "nobody":
		o.ContactID = ""
	}
	if from := text(in, "from"); from != "" {
		t, err := wall("from", from, zone)
		if err != nil {
			return o, err
		}
		o.From = later(t, v.now)
	}
	var err error
	o.To, err = wall("to", in.Get("to"), zone)
	return o, err
}

func (c *console) endOverride(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	err := web.EndOverride(v.Context(), c.Store, id, v.PathValue("override"), v.now)
	back := schedulesPath + "/" + id + "#overrides"
	if errors.Is(err, fault.ErrNotFound) {
		if _, err := c.Store.Schedule(v.Context(), id); err != nil {
			return err
		}
		return done(w, v, back, "That override is over already.")
	}
	if err != nil {
		return err
	}
	return done(w, v, back, "The override is ended: the layers count again.")
}
