package transfer

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"tocsin/internal/status"
)

// Things as the program has them, and back.

// ms is a time as it is kept: in UTC and whole milliseconds.
func ms(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// Own is the page without its logo, its password and what is on it.
func (p *Page) Own() status.Page {
	return status.Page{ID: p.ID, Slug: p.Slug, Host: p.Host, Main: p.Main, Name: p.Name, About: p.About, Language: p.Language, Zone: p.Zone, Accent: p.Accent,
		Support: p.Support, Triggers: p.Triggers, Created: ms(p.Created), Private: status.Private{SignedIn: p.Private.SignedIn, Networks: p.Private.Networks}}
}

// PageOf is the reverse. The password stays here.
func PageOf(p *status.Page, closed string, kept time.Time) Page {
	return Page{ID: p.ID, Slug: p.Slug, Host: p.Host, Main: p.Main, Name: p.Name, About: p.About, Language: p.Language, Zone: p.Zone, Accent: p.Accent,
		Support: p.Support, Triggers: p.Triggers, Created: p.Created, Closed: closed, Kept: kept,
		Private: Private{Password: p.Private.PasswordHash != "", SignedIn: p.Private.SignedIn, Networks: p.Private.Networks}}
}

// Own is the group.
func (g *Group) Own() status.Group {
	return status.Group{ID: g.ID, ParentID: g.ParentID, Name: g.Name, About: g.About, Position: g.Position, Open: g.Open, Created: ms(g.Created)}
}

// GroupOf is the reverse.
func GroupOf(g *status.Group) Group {
	return Group{ID: g.ID, ParentID: g.ParentID, Name: g.Name, About: g.About, Position: g.Position, Open: g.Open, Created: g.Created}
}

// Own is the component without what was recorded of it.
func (c *Component) Own() status.Component {
	return status.Component{ID: c.ID, GroupID: c.GroupID, Name: c.Name, About: c.About, Link: c.Link, Position: c.Position, Hidden: c.Hidden, State: c.State,
		Since: ms(c.Since), ByHand: c.ByHand, Created: ms(c.Created), Bindings: c.Bindings}
}

// ComponentOf is the reverse, with what was recorded.
func ComponentOf(c *status.Component, history []status.Interval, days []status.Day) Component {
	out := Component{ID: c.ID, GroupID: c.GroupID, Name: c.Name, About: c.About, Link: c.Link, Position: c.Position, Hidden: c.Hidden, State: c.State,
		Since: c.Since, ByHand: c.ByHand, Created: c.Created, Bindings: c.Bindings, Days: pack(days)}
	for _, i := range history {
		out.Intervals = append(out.Intervals, Interval{i.State, i.Start, i.End, i.By})
	}
	return out
}

// History is what was recorded.
func (c *Component) History() []status.Interval {
	out := make([]status.Interval, len(c.Intervals))
	for n, i := range c.Intervals {
		out[n] = status.Interval{ComponentID: c.ID, State: i.State, Start: ms(i.Start), End: ms(i.End), By: i.By}
	}
	return out
}

// Unpack are the closed days, one by one.
func (c *Component) Unpack() []status.Day {
	var out []status.Day
	for i := range c.Days {
		r := &c.Days[i]
		for at, err := time.Parse(status.DateFormat, r.From); err == nil; at = at.AddDate(0, 0, 1) {
			date := at.Format(status.DateFormat)
			if date > r.To {
				break
			}
			out = append(out, status.Day{ComponentID: c.ID, Date: date, Seconds: r.Seconds, Worst: r.Worst})
		}
	}
	return out
}

// pack joins days that follow each other and are alike.
func pack(days []status.Day) []Days {
	var out []Days
	for i := range days {
		d := &days[i]
		if n := len(out) - 1; n >= 0 && out[n].Worst == d.Worst && dayAfter(out[n].To) == d.Date && maps.Equal(out[n].Seconds, d.Seconds) {
			out[n].To = d.Date
			continue
		}
		out = append(out, Days{From: d.Date, To: d.Date, Seconds: d.Seconds, Worst: d.Worst})
	}
	return out
}

func dayAfter(date string) string {
	at, err := time.Parse(status.DateFormat, date)
	if err != nil {
		return ""
	}
	return at.AddDate(0, 0, 1).Format(status.DateFormat)
}

// Own is the incident.
func (i *Incident) Own() status.Incident {
	return status.Incident{ID: i.ID, Title: i.Title, Phase: i.Phase, Impact: i.Impact, Draft: i.Draft, Automatic: i.Automatic, PublishAt: ms(i.PublishAt),
		Created: ms(i.Created), Started: ms(i.Started), ResolvedAt: ms(i.ResolvedAt), Components: i.Components, Updates: own(i.Updates), AlertIDs: i.AlertIDs, Postmortem: i.Postmortem}
}

// IncidentOf is the reverse.
func IncidentOf(i *status.Incident) Incident {
	return Incident{ID: i.ID, Title: i.Title, Phase: i.Phase, Impact: i.Impact, Draft: i.Draft, Automatic: i.Automatic, PublishAt: i.PublishAt,
		Created: i.Created, Started: i.Started, ResolvedAt: i.ResolvedAt, Components: i.Components, Updates: updatesOf(i.Updates), AlertIDs: i.AlertIDs, Postmortem: i.Postmortem}
}

func own(list []Update) []status.Update {
	var out []status.Update
	for i := range list {
		u := &list[i]
		v := status.Update{ID: u.ID, Phase: u.Phase, Body: u.Body, At: ms(u.At), Posted: ms(u.Posted), By: u.By, Silent: u.Silent}
		for _, c := range u.Changes {
			v.Changes = append(v.Changes, status.Change(c))
		}
		out = append(out, v)
	}
	return out
}

func updatesOf(list []status.Update) []Update {
	var out []Update
	for i := range list {
		u := &list[i]
		v := Update{ID: u.ID, Phase: u.Phase, Body: u.Body, At: u.At, Posted: u.Posted, By: u.By, Silent: u.Silent}
		for _, c := range u.Changes {
			v.Changes = append(v.Changes, Change(c))
		}
		out = append(out, v)
	}
	return out
}

// Own is the maintenance.
func (m *Maintenance) Own() status.Maintenance {
	return status.Maintenance{ID: m.ID, Title: m.Title, Phase: m.Phase, Impact: m.Impact, Components: m.Components, Start: ms(m.Start), End: ms(m.End),
		Updates: own(m.Updates), AutoStart: m.AutoStart, AutoEnd: m.AutoEnd, Series: m.Series, Reminded: m.Reminded, Automatic: m.Automatic, Created: ms(m.Created)}
}

// MaintenanceOf is the reverse. ended is when it was over.
func MaintenanceOf(m *status.Maintenance, ended time.Time) Maintenance {
	return Maintenance{ID: m.ID, Title: m.Title, Phase: m.Phase, Impact: m.Impact, Components: m.Components, Start: m.Start, End: m.End, Ended: ended,
		Updates: updatesOf(m.Updates), AutoStart: m.AutoStart, AutoEnd: m.AutoEnd, Series: m.Series, Reminded: m.Reminded, Automatic: m.Automatic, Created: m.Created}
}

// Own is the series.
func (s *Series) Own() status.Series {
	return status.Series{ID: s.ID, Title: s.Title, Body: s.Body, Components: s.Components, Impact: s.Impact, Rule: s.Rule, Zone: s.Zone, Start: ms(s.Start),
		Minutes: s.Minutes, Until: ms(s.Until)}
}

// SeriesOf is the reverse.
func SeriesOf(s *status.Series, planned time.Time) Series {
	return Series{ID: s.ID, Title: s.Title, Body: s.Body, Components: s.Components, Impact: s.Impact, Rule: s.Rule, Zone: s.Zone, Start: s.Start,
		Minutes: s.Minutes, Until: s.Until, Planned: planned}
}

// Compact is JSON without spaces, so that what is kept is what was written; nothing
// for what is none.
func Compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if len(raw) == 0 || string(raw) == "null" || json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// sorted puts updates into their order.
func sorted(list []Update) []Update {
	slices.SortStableFunc(list, func(a, b Update) int { return a.At.Compare(b.At) })
	return list
}
