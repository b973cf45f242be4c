package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/oncall"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

func (c *console) onCallRoutes() []routing {
	return []routing{
		{"GET " + onCallPath, auth.ReadConfig, c.onCall},
		{"GET " + overridePath, auth.WriteConfig, c.override},
		{"POST " + overridePath, auth.WriteConfig, c.saveOverride},
		{"POST " + calendarPath, auth.ReadConfig, c.makeCalendar},
		{"GET " + calendarPath + "/end", auth.ReadConfig, c.askEndCalendar},
		{"POST " + calendarPath + "/end", auth.ReadConfig, c.endCalendar},
	}
}

type onCallView struct {
	shell
	Now    []onCallCard
	Rotas  []rotaView
	Range  rotaRange
	Mine   []myShift
	Me     []string // names of the contacts that the visitor is
	Feeds  []feedView
	Fresh  string // address of a calendar, shown this once
	Anyone bool   // there are contacts to put on call
}

// onCallCard is who is on call in one schedule now.
type onCallCard struct {
	web.OnCall
	Who, Next    string
	UntilText    string
	NextText     string
	Gaps         []string // the first of them
	MoreGaps     int
	Soon         bool // the first gap is within a week
	IsMe         bool
	Quick        *overrideForm // nil: the visitor may not
	ScheduleName string
}

// myShift is when the visitor is on call.
type myShift struct {
	shiftRow
	Schedule, ScheduleID string
	At                   time.Time // for the reader's own clock
	Wall                 string    // the same on the schedule's
}

// feedView is the calendar of one contact of the visitor.
type feedView struct {
	ContactID, Contact string
	Made               time.Time // zero: there is none
}

// mySpan is how far ahead one's own shifts are listed, and mostMine how many.
const (
	mySpan   = 60 * 24 * time.Hour
	mostMine = 8
)

func (c *console) onCall(w http.ResponseWriter, v *visit) error {
	return c.showOnCall(w, v, "")
}

func (c *console) showOnCall(w http.ResponseWriter, v *visit, fresh string) error {
	now, err := web.OnCallAt(v.Context(), c.Store, v.now)
	if err != nil {
		return err
	}
	names, err := c.places(v)
	if err != nil {
		return err
	}
	mine, err := c.ownContacts(v)
	if err != nil {
		return err
	}
	view := onCallView{Fresh: fresh, Anyone: len(names.contacts) > 0, Range: rangeOf(v)}
	for _, id := range mine {
		view.Me = append(view.Me, names.person(id))
		feed := feedView{ContactID: id, Contact: names.person(id)}
		if feed.Made, err = c.Store.CalendarToken(v.Context(), id); err != nil && !errors.Is(err, fault.ErrNotFound) {
			return err
		}
		view.Feeds = append(view.Feeds, feed)
	}
	looks := looksOf(names.schedules)
	for _, o := range now {
		i := slices.IndexFunc(names.schedules, func(s oncall.Schedule) bool { return s.ID == o.ScheduleID })
		if i < 0 {
			continue
		}
		s := &names.schedules[i]
		card := cardOf(o, mine, v.now)
		if v.may(auth.WriteConfig) && o.Problem == "" {
			card.Quick = quickOverride(o, names, mine, v.now)
		}
		view.Now = append(view.Now, card)
		if o.Problem != "" {
			continue
		}
		rota, err := c.drawRota(v, s, looks, names, view.Range)
		if err != nil {
			return err
		}
		view.Rotas = append(view.Rotas, rota)
		shifts, err := web.Shifts(v.Context(), c.Store, *s, v.now, v.now.Add(mySpan))
		if err != nil {
			return err
		}
		for _, x := range shifts {
			if x.ContactID == "" || !slices.Contains(mine, x.ContactID) {
				continue
			}
			row := shiftWords(x, o.Zone, v.now)
			if v.may(auth.WriteConfig) {
				row.Href = handOver(s.ID, later(x.From, v.now), x.To, o.Zone)
			}
			view.Mine = append(view.Mine, myShift{row, s.Name, s.ID, x.From, x.From.In(o.Zone).Format(wallForm)})
		}
	}
	slices.SortStableFunc(view.Mine, func(a, b myShift) int { return a.From.Compare(b.From) })
	view.Mine = view.Mine[:min(len(view.Mine), mostMine)]
	view.shell = c.shell(w, v, onCallPath, "On call")
	return c.show(w, v, "on-call", view)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clock is a moment by a schedule's clock, as short as it is clear: "Mon 09:00".
func clock(t, now time.Time, zone *time.Location) string {
	t = t.In(zone)
	switch d := t.Sub(now); {
	case t.Format(status.DateFormat) == now.In(zone).Format(status.DateFormat):
		return "today " + t.Format("15:04")
	case d < 6*24*time.Hour:
		return t.Format("Mon 15:04")
	case t.Year() == now.In(zone).Year() || d < 90*24*time.Hour:
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("Mon 2 Jan 2006 15:04")
}

func cardOf(o web.OnCall, mine []string, now time.Time) onCallCard {
	card := onCallCard{OnCall: o, Who: o.Now.Contact, ScheduleName: o.Schedule, IsMe: o.Now.ContactID != "" && slices.Contains(mine, o.Now.ContactID)}
	if !o.Until.IsZero() {
		card.UntilText = clock(o.Until, now, o.Zone)
		card.Next = o.Next.Contact
		if !o.NextUntil.IsZero() {
			card.NextText = clock(o.NextUntil, now, o.Zone)
		}
	}
	for i, g := range o.Gaps {
		if i == 3 {
			card.MoreGaps = len(o.Gaps) - 3
			break
		}
		card.Gaps = append(card.Gaps, spanText(g.From, g.To, o.Zone))
	}
	card.Soon = len(o.Gaps) > 0 && o.Gaps[0].From.Before(now.AddDate(0, 0, 7))
	return card
}

// rotaRange is which days the calendars show.
type rotaRange struct {
	From  string // the first day, empty: from today on
	Weeks int
	now   time.Time
}

// rangeOf reads "?from=2026-11-23&weeks=2".
func rangeOf(v *visit) rotaRange {
	r := rotaRange{Weeks: 2, now: v.now}
	if n, err := strconv.Atoi(v.URL.Query().Get("weeks")); err == nil && (n == 1 || n == 4) {
		r.Weeks = n
	}
	if t, err := time.Parse(status.DateFormat, v.URL.Query().Get("from")); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
		r.From = t.Format(status.DateFormat)
	}
	return r
}

// first is the first day in a zone.
func (r rotaRange) first(zone *time.Location) time.Time {
	if t, err := time.ParseInLocation(status.DateFormat, r.From, zone); err == nil && r.From != "" {
		return t
	}
	n := r.now.In(zone)
	return time.Date(n.Year(), n.Month(), n.Day(), 0, 0, 0, 0, zone)
}

func (r rotaRange) path(from string, weeks int) string {
	q := url.Values{}
	if from != "" {
		q.Set("from", from)
	}
	if weeks != 2 {
		q.Set("weeks", strconv.Itoa(weeks))
	}
	if len(q) == 0 {
		return onCallPath + "#calendar"
	}
	return onCallPath + "?" + q.Encode() + "#calendar"
}

func (r rotaRange) moved(weeks int) string {
	return r.path(r.first(time.UTC).AddDate(0, 0, 7*weeks).Format(status.DateFormat), r.Weeks)
}

// Earlier, Later, Today and Of lead to other days.
func (r rotaRange) Earlier() string { return r.moved(-r.Weeks) }

// Later leads to the days after these.
func (r rotaRange) Later() string { return r.moved(r.Weeks) }

// Today leads to the days from today on.
func (r rotaRange) Today() string { return r.path("", r.Weeks) }

// Of leads to as many weeks from the same day on.
func (r rotaRange) Of(weeks int) string { return r.path(r.From, weeks) }

// Words are the days that are shown.
func (r rotaRange) Words() string {
	a := r.first(time.UTC)
	b := a.AddDate(0, 0, 7*r.Weeks-1)
	return a.Format("2 Jan") + " – " + b.Format("2 Jan 2006")
}

// ownFeed is the contact that a request names, if the visitor may make its calendar.
func (c *console) ownFeed(v *visit) (contact.Contact, error) {
	k, err := c.Store.Contact(v.Context(), v.FormValue("contact"))
	if err != nil {
		return k, err
	}
	if !web.MayCalendar(v.who, k) {
		return k, fault.ErrNotFound
	}
	return k, nil
}

func (c *console) makeCalendar(w http.ResponseWriter, v *visit) error {
	k, err := c.ownFeed(v)
	if err != nil {
		return err
	}
	path, err := web.NewCalendar(v.Context(), c.Store, k.ID, v.now)
	if err != nil {
		return err
	}
	return c.showOnCall(w, v, c.base(v)+path)
}

func (c *console) askEndCalendar(w http.ResponseWriter, v *visit) error {
	k, err := c.ownFeed(v)
	if err != nil {
		return err
	}
	return c.confirm(w, v, onCallPath, confirmView{Heading: "Revoke the calendar link of " + contactLabel(k) + "?", Action: calendarPath + "/end?contact=" + url.QueryEscape(k.ID), Back: onCallPath + "#mine",
		Button: "Revoke link", Effects: []string{"Calendars that follow it get nothing any more.", "The shifts stay as they are. A new link can be made at any time."}})
}

func (c *console) endCalendar(w http.ResponseWriter, v *visit) error {
	k, err := c.ownFeed(v)
	if err != nil {
		return err
	}
	if err := c.Store.SetCalendarToken(v.Context(), k.ID, "", v.now); err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	return done(w, v, onCallPath+"#mine", "The calendar link is revoked.")
}
