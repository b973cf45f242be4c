package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// Documents of Uptime Kuma's public interface: a status page, what its monitors
// lately said, and since 2.1 the incidents that are over.
type (
	kumaDocument struct {
		Config *struct {
			Slug        text `json:"slug"`
			Title       text `json:"title"`
			Description text `json:"description"`
		} `json:"config"`
		Incident     *kumaIncident         `json:"incident"`
		Incidents    list[kumaIncident]    `json:"incidents"`
		Groups       list[kumaGroup]       `json:"publicGroupList"`
		Maintenances list[kumaMaintenance] `json:"maintenanceList"`

		Beats beats `json:"heartbeatList"` // of the second document

		Next *text `json:"nextCursor"` // of the third
		More bool  `json:"hasMore"`
	}
	kumaGroup struct {
		ID       name              `json:"id"`
		Name     text              `json:"name"`
		Weight   number            `json:"weight"`
		Monitors list[kumaMonitor] `json:"monitorList"`
	}
	kumaMonitor struct {
		ID      name   `json:"id"`
		Name    text   `json:"name"`
		URL     text   `json:"url"`
		SendURL number `json:"sendUrl"`
	}
	kumaIncident struct {
		ID      name  `json:"id"`
		Style   text  `json:"style"`
		Title   text  `json:"title"`
		Content text  `json:"content"`
		Active  *bool `json:"active"` // missing before 2.1: then it is
		Created when  `json:"createdDate"`
		Updated when  `json:"lastUpdatedDate"`
	}
	kumaMaintenance struct {
		ID       name             `json:"id"`
		Title    text             `json:"title"`
		About    text             `json:"description"`
		Strategy text             `json:"strategy"`
		Every    number           `json:"intervalDay"`
		Active   *bool            `json:"active"`
		Dates    list[when]       `json:"dateRange"`
		Times    list[kumaClock]  `json:"timeRange"`
		Weekdays list[number]     `json:"weekdays"`
		Days     list[kumaDay]    `json:"daysOfMonth"`
		Slots    list[kumaSlot]   `json:"timeslotList"`
		Zone     text             `json:"timezone"`
		Status   text             `json:"status"`
		Cron     *json.RawMessage `json:"cron"`
	}
	kumaClock struct {
		Hours   number `json:"hours"`
		Minutes number `json:"minutes"`
	}
	kumaSlot struct {
		Start when `json:"startDate"`
		End   when `json:"endDate"`
	}
	kumaBeat struct {
		Status number `json:"status"`
		Time   when   `json:"time"`
	}
	beats map[string][]kumaBeat
	// kumaDay is a day of the month, or "lastDay1" for the last but none.
	kumaDay string
)

// UnmarshalJSON never fails.
func (b *beats) UnmarshalJSON(raw []byte) error {
	var all map[string]list[kumaBeat]
	if json.Unmarshal(raw, &all) == nil {
		*b = beats{}
		for id, l := range all {
			(*b)[id] = l
		}
	}
	return nil
}

// UnmarshalJSON never fails.
func (d *kumaDay) UnmarshalJSON(raw []byte) error {
	*d = kumaDay(strings.Trim(string(raw), `"`))
	return nil
}

// kumaPast is how many lists of incidents that are over are asked for.
const kumaPast = 100

// FetchUptimeKuma reads a status page of Uptime Kuma, given its address as visitors
// open it: https://kuma.example.com/status/SLUG.
func FetchUptimeKuma(ctx context.Context, get Get, address string, now time.Time) (Page, []string, error) {
	base, slug, err := kumaAddress(address)
	if err != nil {
		return Page{}, nil, err
	}
	front, err := get(ctx, base+"/api/status-page/"+slug)
	if errors.Is(err, ErrNone) {
		err = refuse("address", fmt.Sprintf("has no status page %q", slug), "give it as visitors open it: https://kuma.example.com/status/SLUG; the page must be published")
	}
	if err != nil {
		return Page{}, nil, err
	}
	bodies := [][]byte{front}
	b, err := get(ctx, base+"/api/status-page/heartbeat/"+slug)
	if err == nil {
		bodies = append(bodies, b)
	} else if !errors.Is(err, ErrNone) {
		return Page{}, nil, err
	}
	at := base + "/api/status-page/" + slug + "/incident-history"
	for n, more := 0, at; more != "" && n < kumaPast; n++ {
		b, err := get(ctx, more)
		var d kumaDocument
		if err != nil || isJSON(b) != nil || json.Unmarshal(b, &d) != nil {
			break // before 2.1 there is no such list
		}
		bodies = append(bodies, b)
		if more = ""; d.More && d.Next != nil && *d.Next != "" {
			more = at + "?cursor=" + url.QueryEscape(string(*d.Next))
		}
	}
	return UptimeKuma(now, bodies...)
}

func kumaAddress(address string) (base, slug string, err error) {
	for _, path := range []string{"/api/status-page/", "/status/"} {
		if _, rest, found := strings.Cut(address, path); found {
			base, err = cutAt(address, path)
			slug, _, _ = strings.Cut(strings.TrimPrefix(rest, "heartbeat/"), "/")
			slug, _, _ = strings.Cut(slug, "?")
			slug, _, _ = strings.Cut(slug, "#")
			break
		}
	}
	if base == "" && err == nil { // https://kuma.example.com, or with /status alone
		base, err = cutAt(strings.TrimSuffix(strings.TrimRight(address, "/"), "/status"), "/status-page")
		slug = "default"
	}
	if slug = strings.ToLower(slug); err == nil && !idForm.MatchString(slug) {
		err = refuse("address", "names no status page", "give it as visitors open it: https://kuma.example.com/status/SLUG")
	}
	return base, slug, err
}

// UptimeKuma reads documents of one status page: /api/status-page/SLUG, and
// /api/status-page/heartbeat/SLUG and its incident-history where they are at hand.
func UptimeKuma(now time.Time, bodies ...[]byte) (Page, []string, error) {
	r := kumaReader{now: now, beats: beats{}, ids: map[name]bool{}}
	for _, b := range bodies {
		var d kumaDocument
		if err := loose(b, &d); err != nil {
			return Page{}, nil, err
		}
		if d.Config != nil {
			r.front = &d
		}
		for id, l := range d.Beats {
			r.beats[id] = l
		}
		if d.Incident != nil {
			r.incidents = append(r.incidents, *d.Incident)
		}
		r.incidents = append(r.incidents, d.Incidents...)
	}
	if r.front == nil {
		return Page{}, nil, refuse("config", "is missing", "give the JSON of /api/status-page/SLUG")
	}
	return r.read()
}

type kumaReader struct {
	now       time.Time
	front     *kumaDocument
	beats     beats
	incidents []kumaIncident
	ids       map[name]bool
	notes     notes
	page      Page
}

func (r *kumaReader) read() (Page, []string, error) {
	c := r.front.Config
	slug := Slug(string(c.Slug))
	r.page = Page{From: FromUptimeKuma, ID: slug, Slug: slug, Name: cmp.Or(oneLine(string(c.Title), status.MaxTitle), "Status"), About: body(string(c.Description), status.MaxAbout), Zone: "UTC"}
	slices.SortStableFunc(r.front.Groups, func(a, b kumaGroup) int { return cmp.Compare(a.Weight, b.Weight) })
	for i := range r.front.Groups {
		r.group(&r.front.Groups[i])
	}
	for i := range r.incidents {
		r.incident(&r.incidents[i])
	}
	for i := range r.front.Maintenances {
		r.maintenance(&r.front.Maintenances[i])
	}
	return r.page, r.notes.list, nil
}

func (r *kumaReader) group(g *kumaGroup) {
	if g.ID == "" || len(r.page.Groups) >= mostGroups || r.ids["g"+g.ID] {
		return
	}
	r.ids["g"+g.ID] = true
	r.page.Groups = append(r.page.Groups, Group{ID: string(g.ID), Name: cmp.Or(oneLine(string(g.Name), status.MaxTitle), "Services"), Position: len(r.page.Groups)})
	for i := range g.Monitors {
		m := &g.Monitors[i]
		title := oneLine(string(m.Name), status.MaxTitle)
		switch {
		case m.ID == "" || title == "":
			continue
		case r.ids["m"+m.ID]:
			r.notes.add("“%s” is in several groups: it stands in the first of them.", title)
			continue
		case len(r.page.Components) >= status.MaxParts:
			r.notes.add("There are more than %d monitors: the others are left out.", status.MaxParts)
			return
		}
		r.ids["m"+m.ID] = true
		c := Component{ID: string(m.ID), GroupID: string(g.ID), Name: title, Position: len(r.page.Components), State: status.Operational}
		if m.SendURL != 0 {
			c.Link = web(string(m.URL))
		}
		r.history(&c)
		r.page.Components = append(r.page.Components, c)
	}
}

// history is what the last heartbeats say, minutes to a day back. 0 is down, 1 up,
// 2 not yet sure, 3 under maintenance.
func (r *kumaReader) history(c *Component) {
	list := r.beats[c.ID]
	for i := range list {
		b := &list[i]
		at := b.Time.in(time.UTC)
		if at.IsZero() || at.After(r.now) || b.Status == 2 {
			continue
		}
		state := map[number]status.State{0: status.Major, 1: status.Operational, 3: status.Maintained}[b.Status]
		k := len(c.Intervals) - 1
		switch {
		case state == "" || k >= 0 && (c.Intervals[k].State == state || !at.After(c.Intervals[k].Start)):
			continue
		case k >= 0:
			c.Intervals[k].End = at
		}
		c.Intervals = append(c.Intervals, Interval{State: state, Start: at, By: "Uptime Kuma"})
	}
	if k := len(c.Intervals) - 1; k >= 0 {
		last := &c.Intervals[k]
		c.Created, c.Since, c.State = c.Intervals[0].Start, last.Start, last.State
		if last.State == status.Maintained { // is announced here, not a state
			c.State = status.Operational
			if ended := ms(r.now); ended.After(last.Start) {
				last.End = ended
				c.Intervals = append(c.Intervals, Interval{State: status.Operational, Start: ended, By: "Uptime Kuma"})
			} else {
				last.State = status.Operational
				c.Intervals = joined(c.Intervals)
			}
			c.Since = c.Intervals[len(c.Intervals)-1].Start
		}
	}
}

func (r *kumaReader) incident(n *kumaIncident) {
	if n.ID == "" || r.ids["i"+n.ID] {
		return
	}
	r.ids["i"+n.ID] = true
	words := body(string(n.Content), status.MaxBody)
	i := Incident{ID: string(n.ID), Title: cmp.Or(oneLine(string(n.Title), status.MaxTitle), "Incident"), Phase: status.Investigating, Impact: status.ImpactNone, Created: n.Created.in(time.UTC)}
	switch n.Style {
	case "danger":
		i.Impact = status.ImpactMajor
	case "warning":
		i.Impact = status.ImpactMinor
	}
	if n.Active != nil && !*n.Active {
		i.Phase, i.ResolvedAt = status.Resolved, n.Updated.in(time.UTC)
	}
	if i.Created.IsZero() {
		r.notes.add("“%s” has no time: it was left out.", i.Title)
		return
	}
	if i.Created.After(r.now) {
		i.Created = ms(r.now)
	}
	if words != "" {
		i.Updates = []Update{{ID: string(n.ID), Phase: status.Investigating, Body: words, At: i.Created, Posted: i.Created, By: "Uptime Kuma"}}
	}
	finishIncident(&i, r.now)
	r.page.Incidents = append(r.page.Incidents, i)
}

func (r *kumaReader) maintenance(n *kumaMaintenance) {
	title := cmp.Or(oneLine(string(n.Title), status.MaxTitle), "Maintenance")
	if n.ID == "" || r.ids["w"+n.ID] || n.Active != nil && !*n.Active || n.Status == "inactive" {
		return
	}
	r.ids["w"+n.ID] = true
	zoneName := string(n.Zone)
	zone, err := time.LoadLocation(zoneName)
	if err != nil || zoneName == "" || zoneName == "Local" {
		zoneName, zone = "UTC", time.UTC
	}
	words := cmp.Or(body(string(n.About), status.MaxBody), title)
	switch n.Strategy {
	case "single":
		m := Maintenance{ID: string(n.ID), Title: title, Impact: status.ImpactNone, Phase: status.Scheduled}
		if len(n.Slots) > 0 {
			m.Start, m.End = n.Slots[0].Start.in(zone), n.Slots[0].End.in(zone)
		} else if len(n.Dates) > 1 {
			m.Start, m.End = n.Dates[0].in(zone), n.Dates[1].in(zone)
		}
		switch {
		case m.Start.IsZero():
		case n.Status == "ended" || !m.End.IsZero() && m.End.Before(r.now):
			m.Phase, m.Ended = status.Completed, m.End
		case n.Status == "under-maintenance" || m.Start.Before(r.now):
			m.Phase = status.InProgress
		}
		at := ms(r.now)
		if m.Start.Before(at) {
			at = m.Start
		}
		m.Updates = []Update{{ID: string(n.ID), Phase: status.Scheduled, Body: words, At: at, Posted: at, By: "Uptime Kuma"}}
		if !finishMaintenance(&m, r.now) {
			r.notes.add("“%s” has no time: it was left out.", title)
			return
		}
		r.page.Maintenances = append(r.page.Maintenances, m)
	case "manual", "cron":
		r.notes.add("The maintenance “%s” cannot be carried over (%s): announce it here.", title, map[bool]string{true: "it is switched by hand and has no times", false: "it recurs by a cron line"}[n.Strategy == "manual"])
		return
	default:
		r.series(n, title, words, zoneName, zone)
	}
	r.notes.add("Uptime Kuma does not say which monitors a maintenance is of: choose the components of “%s”.", title)
}

// series makes maintenance that comes again.
func (r *kumaReader) series(n *kumaMaintenance, title, words, zoneName string, zone *time.Location) {
	s := Series{ID: string(n.ID), Title: title, Body: words, Impact: status.ImpactNone, Zone: zoneName, Rule: kumaRule(n)}
	from := ms(r.now)
	if len(n.Dates) > 0 && !n.Dates[0].in(zone).IsZero() {
		from = n.Dates[0].in(zone)
	}
	if len(n.Dates) > 1 {
		s.Until = n.Dates[1].in(zone)
	}
	if s.Rule == "" || len(n.Times) < 2 {
		r.notes.add("The maintenance “%s” recurs in a way that is not known here: make a series of it.", title)
		return
	}
	begin, end := n.Times[0], n.Times[1]
	day := from.In(zone)
	s.Start = time.Date(day.Year(), day.Month(), day.Day(), int(begin.Hours), int(begin.Minutes), 0, 0, zone).UTC()
	s.Minutes = int(end.Hours-begin.Hours)*60 + int(end.Minutes-begin.Minutes)
	if s.Minutes <= 0 {
		s.Minutes += 24 * 60
	}
	r.page.Series = append(r.page.Series, s)
}

// kumaRule is a recurrence as RFC 5545 has it, empty for one that cannot be said so.
func kumaRule(n *kumaMaintenance) string {
	switch n.Strategy {
	case "recurring-interval":
		return fmt.Sprintf("FREQ=DAILY;INTERVAL=%d", min(max(1, int(n.Every)), 1000))
	case "recurring-weekday":
		names := []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA", "SU"}
		var days []string
		for _, d := range n.Weekdays {
			if d >= 0 && int(d) < len(names) && !slices.Contains(days, names[d]) {
				days = append(days, names[d])
			}
		}
		if len(days) > 0 {
			return "FREQ=WEEKLY;BYDAY=" + strings.Join(days, ",")
		}
	case "recurring-day-of-month":
		var days []string
		for _, d := range n.Days {
			s := strings.Replace(string(d), "lastDay", "-", 1)
			var i int
			if _, err := fmt.Sscanf(s, "%d", &i); err == nil && i != 0 && i >= -31 && i <= 31 && !slices.Contains(days, fmt.Sprint(i)) {
				days = append(days, fmt.Sprint(i))
			}
		}
		if len(days) > 0 {
			return "FREQ=MONTHLY;BYMONTHDAY=" + strings.Join(days, ",")
		}
	}
	return ""
}
