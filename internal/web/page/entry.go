package page

import (
	"slices"
	"strings"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// entryView is the page of one incident or maintenance.
type entryView struct {
	frame
	Stale string
	Entry incident
}

// Incident makes the page of an incident.
func (r *Renderer) Incident(s status.Snapshot, i *status.Incident, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	m.under = 2
	x := m.incident(i)
	if x.IsOpen = i.Phase != status.Resolved && i.Phase != status.Postmortem; !x.IsOpen && !i.ResolvedAt.IsZero() {
		x.Ended = m.moment(i.ResolvedAt)
		x.Lasted = m.w.T("lasted", "span", m.w.Span(int(i.ResolvedAt.Sub(i.Started).Seconds())))
	}
	if i.Postmortem != "" {
		x.Postmortem = outline(m.text.HTML(i.Postmortem), 2)
	}
	return r.entry(m, x)
}

// Maintenance makes the page of a maintenance.
func (r *Renderer) Maintenance(s status.Snapshot, w *status.Maintenance, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	m.under = 2
	x := m.maintenance(w)
	x.IsOpen = w.Phase != status.Completed && w.Phase != status.Cancelled
	return r.entry(m, x)
}

func (r *Renderer) entry(m *maker, x incident) ([]byte, error) {
	v := entryView{frame: m.frame(x.Title, "/incidents/"+x.ID), Entry: x}
	if x.IsOpen { // what is over changes seldom, and is shown as it was
		v.Stale, v.Content = m.stale(), contentOf(&m.s, m.at.Stale)
	}
	return r.execute("entry", v)
}

// historyView is a month.
type historyView struct {
	frame
	Stale          string
	Month          string
	Earlier, Later *monthLink
	Days           []pastDay
}

type monthLink struct{ Name, URL string }

const monthFormat = "2006-01"

// Month is what happened in one, with the months beside it. Zero Earlier or Later
// are none.
type Month struct {
	Of             time.Time // its first day
	Earlier, Later time.Time
	Incidents      []status.Incident
	Maintenances   []status.Maintenance
}

// History makes the page of a month, the newest first.
func (r *Renderer) History(s status.Snapshot, month Month, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	name := m.w.MonthOf(month.Of)
	v := historyView{frame: m.frame(m.w.T("history")+": "+name, "/history/"+month.Of.Format(monthFormat)), Month: name}
	beside := func(t time.Time) *monthLink {
		if t.IsZero() {
			return nil
		}
		return &monthLink{m.w.MonthOf(t), at.Home + "/history/" + t.Format(monthFormat)}
	}
	v.Earlier, v.Later = beside(month.Earlier), beside(month.Later)
	type dated struct {
		at time.Time
		x  incident
	}
	var all []dated
	for i := range month.Incidents {
		all = append(all, dated{month.Incidents[i].Started, m.incident(&month.Incidents[i])})
	}
	for i := range month.Maintenances {
		all = append(all, dated{month.Maintenances[i].Start, m.maintenance(&month.Maintenances[i])})
	}
	slices.SortStableFunc(all, func(a, b dated) int { return b.at.Compare(a.at) })
	for _, d := range all {
		day := m.w.Day(d.at.In(zone))
		if n := len(v.Days); n == 0 || v.Days[n-1].Day != day {
			v.Days = append(v.Days, pastDay{Day: day})
		}
		last := &v.Days[len(v.Days)-1]
		last.Incidents = append(last.Incidents, d.x)
	}
	return r.execute("history", v)
}

// subscribeView is the page of those who want to be told.
type subscribeView struct {
	frame
	Stale   string
	Says    []saying
	Groups  []choices
	Kinds   []choice
	Impacts []choice
}

type saying struct{ Key, Text string }

type choice struct {
	Value, Name string
	On          bool
}

type choices struct {
	Name   string
	Parts  []choice
	Groups []choices
}

// pushStates are what a browser may say of itself, see push.js, and what became
// of a click.
var pushStates = []string{"on", "off", "saved", "ended", "failed", "denied", "insecure", "unsupported", "needs-install", "disabled", "stale"}

// Subscribe makes the page where visitors choose what they want to hear.
func (r *Renderer) Subscribe(s status.Snapshot, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	v := subscribeView{frame: m.frame(m.w.T("subscribe"), "/subscribe"), Groups: choosable(s.Groups)}
	for _, k := range pushStates {
		// The template refuses names that begin with "on", or have a hyphen.
		v.Says = append(v.Says, saying{"is" + strings.ReplaceAll(k, "-", ""), m.w.T("push." + k)})
	}
	for _, k := range push.Kinds() {
		if told(&s.Page, k) {
			v.Kinds = append(v.Kinds, choice{string(k), m.w.T("kind." + string(k)), slices.Contains(push.DefaultKinds(), k)})
		}
	}
	for _, i := range push.Impacts() {
		v.Impacts = append(v.Impacts, choice{Value: string(i), Name: m.w.T("from." + string(i))})
	}
	return r.execute("subscribe", v)
}

// told says whether visitors of a page are told of a kind at all. Where nobody
// said so, they are told of what is told by default.
func told(p *status.Page, k push.Kind) bool {
	if on, said := p.Triggers[string(k)]; said {
		return on
	}
	return slices.Contains(push.DefaultKinds(), k)
}

func choosable(groups []status.GroupView) []choices {
	var out []choices
	for i := range groups {
		g := &groups[i]
		c := choices{Name: g.Name, Groups: choosable(g.Groups)}
		for j := range g.Components {
			c.Parts = append(c.Parts, choice{Value: g.Components[j].ID, Name: g.Components[j].Name})
		}
		out = append(out, c)
	}
	return out
}

// messageView says one thing; with a gate it is all that is to be seen.
type messageView struct {
	frame
	Heading, Words string
	Gate           *gateView
}

type gateView struct {
	Password    bool
	SignIn      string
	To, Problem string
}

// Message makes a page that says one thing.
func (r *Renderer) message(s status.Snapshot, heading, text string, language *words.Language, at Place, gate *gateView) ([]byte, error) {
	m := r.maker(s, language, time.UTC, at)
	v := messageView{frame: m.frame(heading, "/"), Heading: heading, Words: text, Gate: gate}
	if gate != nil {
		v.Shut, v.Title, v.State = true, heading, "none" // not even its name or state
		v.Page = status.Page{Name: heading}
	}
	return r.execute("message", v)
}

// embedView is the page in small, for a frame in another one.
type embedView struct {
	frame
	Headline, Address string
	AsOf              moment
	Open              []incident
}

// Embed makes the page in small. Its links lead out of the frame, with the host.
func (r *Renderer) Embed(s status.Snapshot, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	headline := m.w.Overall(s.State)
	v := embedView{frame: m.frame(headline, "/embed"), Headline: headline, Address: at.URL + "/", AsOf: m.moment(s.At)}
	v.Content = contentOf(&s, at.Stale)
	for i := range s.Open {
		x := m.incident(&s.Open[i])
		x.URL = at.URL + "/incidents/" + s.Open[i].ID
		v.Open = append(v.Open, x)
	}
	return r.execute("embed", v)
}
