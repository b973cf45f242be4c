package page

import (
	"html/template"
	"strings"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// Text makes Markdown into HTML that may be shown.
type Text interface {
	HTML(markdown string) template.HTML
}

// frame is what every page has around it.
type frame struct {
	W       *words.Language
	Others  []other
	Page    status.Page
	Place           // where it stands
	Accent  *accent // nil: ours
	Title   string
	State   string // class of the overall state
	Shut    bool   // nothing but this may be seen
	Content string // changes with what is shown; empty where nothing is to be looked for
}

// other is the same page in another language.
type other struct{ Tag, Name, URL string }

// view is the page as its template sees it: texts only.
type view struct {
	frame
	Stale    string
	Headline string
	About    template.HTML
	AsOf     moment
	Open     []incident
	Active   []incident
	Upcoming []incident
	Groups   []group
	Past     []pastDay
}

// moment is a time that a script may show in the visitor's own zone.
type moment struct {
	At    string // RFC 3339
	Shown string
}

type incident struct {
	ID, Title, Class string
	Phase, Impact    string
	URL              string
	Affects          string
	From, To, Ended  moment
	Lasted           string
	IsOpen           bool
	Postmortem       template.HTML
	Updates          []update
}

type update struct {
	Phase string
	At    moment
	Body  template.HTML

	Changes []change
}

type change struct{ Name, Class, State string }

type group struct {
	Name, About, Class, State string
	Open                      bool
	Components                template.HTML // the rows of a list
	Groups                    []group
}

type pastDay struct {
	Day       string
	Incidents []incident
}

// class is a state's in the style sheet.
func class(s status.State) string {
	switch s {
	case status.Maintained:
		return "maint"
	case status.Degraded:
		return "degr"
	case status.Partial:
		return "part"
	case status.Major:
		return "major"
	case status.NoData:
		return "none"
	}
	return "ok"
}

// impactClass shows an incident in the colour of what it does.
func impactClass(i status.Impact) string {
	switch i {
	case status.ImpactMinor:
		return "degr"
	case status.ImpactMajor:
		return "part"
	case status.ImpactCritical:
		return "major"
	}
	return "none"
}

// maker makes views in one language.
type maker struct {
	s     status.Snapshot
	w     *words.Language
	zone  *time.Location
	text  Text
	at    Place
	all   words.Languages
	names map[string]string
	under int // level of the heading that updates stand below
}

// frame is around the page at path, which begins with a slash.
func (m *maker) frame(title, path string) frame {
	f := frame{W: m.w, Page: m.s.Page, Place: m.at, Title: m.s.Page.Name, State: class(m.s.State)}
	if title != "" {
		f.Title = title + " · " + m.s.Page.Name
	}
	f.Accent = accentOf(m.s.Page.Accent)
	for _, t := range m.all.Tags() {
		if t != m.w.Tag {
			f.Others = append(f.Others, other{t, m.all[t].Name, m.at.Base + "/" + t + path})
		}
	}
	return f
}

// stale says from when it all is, where it could not be renewed.
func (m *maker) stale() string {
	if !m.at.Stale {
		return ""
	}
	return m.w.T("stale", "time", m.w.Moment(m.s.At, m.zone))
}

func (m *maker) page() view {
	headline := m.w.Overall(m.s.State)
	v := view{frame: m.frame(headline, "/"), Headline: headline, AsOf: m.moment(m.s.At), Stale: m.stale()}
	if m.s.Page.About != "" {
		v.About = outline(m.text.HTML(m.s.Page.About), 1)
	}
	v.Content = contentOf(&m.s, m.at.Stale)
	for i := range m.s.Open {
		v.Open = append(v.Open, m.incident(&m.s.Open[i]))
	}
	for i := range m.s.Active {
		v.Active = append(v.Active, m.maintenance(&m.s.Active[i]))
	}
	for i := range m.s.Upcoming {
		v.Upcoming = append(v.Upcoming, m.maintenance(&m.s.Upcoming[i]))
	}
	l := newLister(m)
	for i := range m.s.Groups {
		v.Groups = append(v.Groups, m.group(&m.s.Groups[i], l))
	}
	v.Past = m.past()
	return v
}

func name(into map[string]string, groups []status.GroupView) {
	for i := range groups {
		for j := range groups[i].Components {
			into[groups[i].Components[j].ID] = groups[i].Components[j].Name
		}
		name(into, groups[i].Groups)
	}
}

func (m *maker) moment(t time.Time) moment {
	return moment{t.UTC().Format(time.RFC3339), m.w.Moment(t, m.zone)}
}

// affects names the components that visitors can see.
func (m *maker) affects(ids []string) string {
	var names []string
	for _, id := range ids {
		if n := m.names[id]; n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return m.w.T("affects", "names", strings.Join(names, ", "))
}

func (m *maker) incident(i *status.Incident) incident {
	return incident{ID: i.ID, Title: i.Title, Class: impactClass(i.Impact), Phase: m.w.Phase(i.Phase), Impact: m.w.Impact(i.Impact),
		URL: m.at.Home + "/incidents/" + i.ID, Affects: m.affects(i.Components), From: m.moment(i.Started), Updates: m.updates(i.Updates)}
}

func (m *maker) maintenance(x *status.Maintenance) incident {
	return incident{ID: x.ID, Title: x.Title, Class: "maint", Phase: m.w.Phase(x.Phase), URL: m.at.Home + "/incidents/" + x.ID,
		Affects: m.affects(x.Components), From: m.moment(x.Start), To: m.moment(x.End), Updates: m.updates(x.Updates)}
}

func (m *maker) updates(in []status.Update) []update {
	var out []update
	for i := len(in) - 1; i >= 0; i-- {
		u := update{Phase: m.w.Phase(in[i].Phase), At: m.moment(in[i].At), Body: outline(m.text.HTML(in[i].Body), m.under)}
		for _, c := range in[i].Changes {
			if n := m.names[c.ComponentID]; n != "" && c.To != c.From {
				u.Changes = append(u.Changes, change{n, class(c.To), m.w.State(c.To)})
			}
		}
		out = append(out, u)
	}
	return out
}

func (m *maker) group(g *status.GroupView, l *lister) group {
	v := group{Name: g.Name, About: g.About, Class: class(g.State), State: m.w.State(g.State), Open: g.Open || g.State != status.Operational,
		Components: l.list(g.Components)}
	for i := range g.Groups {
		v.Groups = append(v.Groups, m.group(&g.Groups[i], l))
	}
	return v
}

// past lists the days, the newest first. Days on end on which nothing happened
// are one.
func (m *maker) past() []pastDay {
	var out []pastDay
	for i := 0; i < len(m.s.Past); {
		end := i + 1
		for quiet(&m.s.Past[i]) && end < len(m.s.Past) && quiet(&m.s.Past[end]) {
			end++
		}
		v := m.pastDay(&m.s.Past[i])
		if end > i+1 {
			v.Day = m.w.T("from_to", "from", m.day(m.s.Past[end-1].Date), "to", v.Day)
		}
		out = append(out, v)
		i = end
	}
	return out
}

func quiet(d *status.PastDay) bool { return len(d.Incidents)+len(d.Maintenances) == 0 }

// day is a date for people.
func (m *maker) day(date string) string {
	day, err := time.Parse(status.DateFormat, date)
	if err != nil {
		return date
	}
	return m.w.Day(day)
}

func (m *maker) pastDay(d *status.PastDay) pastDay {
	v := pastDay{Day: m.day(d.Date)}
	for i := range d.Incidents {
		v.Incidents = append(v.Incidents, m.incident(&d.Incidents[i]))
	}
	for i := range d.Maintenances {
		v.Incidents = append(v.Incidents, m.maintenance(&d.Maintenances[i]))
	}
	return v
}
