package page

import (
	"context"
	"fmt"
	"html/template"
	"strconv"
	"sync"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// uptimeView is how available the page was in the last months, or one component.
type uptimeView struct {
	frame
	Heading string
	Whole   bool // of the page
	About   string
	Chart   *chart // nil: no day is over yet
	Groups  []uptimeGroup
}

type uptimeGroup struct {
	Name  string
	Parts []uptimePart
}

// uptimePart is a component in a list, with its chart in small.
type uptimePart struct {
	Name, URL, Percent string
	Lines              *lines
}

// chart is a drawing of weeks with the words that say the same.
type chart struct {
	Summary string // instead of the drawing
	Percent string // of all the time
	lines
	Top, Bottom string // of the scale
	Months      []monthMark
	Rows        []weekRow // newest first
}

// lines are the drawing: a step for each week, 10 wide, on a scale of 100.
type lines struct {
	Width      int
	Line, Area string
}

type monthMark struct {
	Name, Long string
	Column     int
}

type weekRow struct{ Week, Percent, Down string }

// scales are what charts may begin with, in hundredths of a percent: most are
// above 99 %, and a day without anything is to be seen, too.
var scales = []int{9900, 9500, 9000, 7500, 5000, 0}

// newChart draws weeks; nil where nothing is known of any.
func (m *maker) newChart(name string, weeks []status.Week) *chart {
	var all status.Tally
	low, at := 10001, 0
	for i := range weeks {
		all.Plus(weeks[i].Tally)
		if u, ok := weeks[i].Uptime(); ok && u < low {
			low, at = u, i
		}
	}
	total, known := all.Uptime()
	if !known {
		return nil
	}
	scale := scaleFor(low)
	c := &chart{Percent: m.w.Percent(total), lines: draw(weeks, scale), Top: m.w.Percent(10000), Bottom: m.w.Percent(scale)}
	if low == 10000 {
		c.Summary = m.w.T("chart_well", "name", name)
	} else {
		c.Summary = m.w.T("chart", "name", name, "percent", c.Percent, "low", m.w.Percent(low), "day", m.w.Day(weeks[at].From))
	}
	for i, w := range weeks {
		// A month's name stands where it begins.
		if w.To.Day() <= 7 && i+3 < len(weeks) {
			long := m.w.Months[w.To.Month()-1]
			c.Months = append(c.Months, monthMark{Name: short(long), Long: long, Column: i + 1})
		}
	}
	for i := len(weeks) - 1; i >= 0; i-- {
		w := &weeks[i]
		r := weekRow{Week: m.w.Day(w.From), Percent: m.w.State(status.NoData)}
		if u, ok := w.Uptime(); ok {
			r.Percent = m.w.Percent(u) + " %"
			if w.Down() > 0 {
				r.Down = m.w.Span(w.Down())
			}
		}
		c.Rows = append(c.Rows, r)
	}
	// What was before the first day that is known needs no rows.
	for n := len(c.Rows); n > 0 && c.Rows[n-1].Percent == m.w.State(status.NoData); n-- {
		c.Rows = c.Rows[:n-1]
	}
	return c
}

// short is the beginning of a month's name, as calendars have it.
func short(month string) string {
	r := []rune(month)
	return string(r[:min(3, len(r))])
}

// draw makes the paths: a line along what is known, and the area below it.
func draw(weeks []status.Week, scale int) lines {
	var line, area []byte
	var last, from int // of the line that is being drawn; from is below 0 where there is none
	from = -1
	end := func(i int) {
		if from >= 0 {
			area = strconv.AppendInt(append(area, 'H'), int64(i*10), 10)
			area = append(area, "V100H"...)
			area = append(strconv.AppendInt(area, int64(from*10), 10), 'Z')
		}
		from = -1
	}
	for i := range weeks {
		u, ok := weeks[i].Uptime()
		if !ok {
			end(i)
			continue
		}
		y := (10000 - u) * 100 / (10000 - scale)
		if from < 0 {
			start := fmt.Sprintf("M%d %d", i*10, y)
			line, area, from = append(append(line, start...), "h10"...), append(area, start...), i
		} else {
			step := "h10"
			if y != last {
				step = fmt.Sprintf("V%dh10", y)
				area = fmt.Appendf(area, "H%dV%d", i*10, y)
			}
			line = append(line, step...)
		}
		last = y
	}
	end(len(weeks))
	return lines{Width: 10 * len(weeks), Line: string(line), Area: string(area)}
}

// Uptime makes the page of the last months' weeks: of the whole page, with its
// components below it, or of one of them. chart is of closed days.
func (r *Renderer) Uptime(s status.Snapshot, c *status.Chart, componentID string, language *words.Language, zone *time.Location, at Place) ([]byte, error) {
	m := r.maker(s, language, zone, at)
	v := uptimeView{Heading: m.w.T("uptime_title"), Whole: componentID == ""}
	if !v.Whole {
		part := componentOf(s.Groups, componentID)
		v.frame = m.frame(part.Name+": "+v.Heading, "/uptime/"+componentID)
		v.Heading, v.About = part.Name, part.About
		v.Chart = m.newChart(part.Name, c.For(componentID))
		return r.execute("uptime", v)
	}
	v.frame = m.frame(v.Heading, "/uptime")
	var ids []string
	parts(s.Groups, func(id string) { ids = append(ids, id) })
	scale := scaleOf(c, ids) // the same for all, so that they can be compared
	var walk func(groups []status.GroupView, above string)
	walk = func(groups []status.GroupView, above string) {
		for i := range groups {
			g := &groups[i]
			name := g.Name
			if above != "" {
				name = above + " – " + name
			}
			out := uptimeGroup{Name: name}
			for j := range g.Components {
				out.Parts = append(out.Parts, m.uptimePart(&g.Components[j], c, scale))
			}
			if len(out.Parts) > 0 {
				v.Groups = append(v.Groups, out)
			}
			walk(g.Groups, name)
		}
	}
	walk(s.Groups, "")
	v.Chart = m.newChart(s.Page.Name, c.For(ids...))
	return r.execute("uptime", v)
}

// scaleOf is what the charts of components may begin with.
func scaleOf(c *status.Chart, ids []string) int {
	low := 10000
	for _, id := range ids {
		for _, t := range c.Of[id] {
			if u, ok := t.Uptime(); ok {
				low = min(low, u)
			}
		}
	}
	return scaleFor(low)
}

func scaleFor(low int) int {
	for _, s := range scales {
		if low >= s {
			return s
		}
	}
	return 0
}

func (m *maker) uptimePart(part *status.ComponentView, c *status.Chart, scale int) uptimePart {
	weeks := c.For(part.ID)
	var all status.Tally
	for i := range weeks {
		all.Plus(weeks[i].Tally)
	}
	p := uptimePart{Name: part.Name, URL: m.at.Home + "/uptime/" + part.ID, Percent: m.w.State(status.NoData)}
	u, ok := all.Uptime()
	if !ok {
		return p
	}
	l := draw(weeks, scale)
	p.Percent, p.Lines = m.w.Percent(u)+" %", &l
	return p
}

// componentOf answers one that visitors see, nil if there is none.
func componentOf(groups []status.GroupView, id string) *status.ComponentView {
	for i := range groups {
		for j := range groups[i].Components {
			if groups[i].Components[j].ID == id {
				return &groups[i].Components[j]
			}
		}
		if c := componentOf(groups[i].Groups, id); c != nil {
			return c
		}
	}
	return nil
}

// year is the chart of a page's closed days, made when it is first asked for and
// kept for a while: a page changes with every update of an incident, and its
// closed days do not.
type year struct {
	mu    sync.Mutex
	last  string // the last day in it
	made  time.Time
	chart *status.Chart
}

// yearKept is for how long days that were brought in later may be missing.
const yearKept = time.Minute

// charts answers the chart of the days before today.
func (s *Site) charts(ctx context.Context, set *pageSet) (*status.Chart, error) {
	x := set.year
	last := set.taken.In(set.zone).AddDate(0, 0, -1).Format(status.DateFormat)
	x.mu.Lock()
	defer x.mu.Unlock()
	now := s.o.Now()
	if x.chart != nil && x.last == last && now.Sub(x.made) < yearKept {
		return x.chart, nil
	}
	weeks := status.Weeks(last, status.ChartMonths)
	err := s.ask(ctx, func(ctx context.Context) error {
		days, err := s.store.StatusDays(ctx, set.page.ID, weeks[0].From.Format(status.DateFormat), last)
		if err != nil {
			return err
		}
		c := status.ChartOf(days, last)
		x.last, x.made, x.chart = last, now, &c
		return nil
	})
	if err != nil && x.chart != nil {
		return x.chart, nil // while the database is away
	}
	return x.chart, err
}

// uptime makes the page of the chart, of one component where that is named.
func (s *Site) uptime(ctx context.Context, set *pageSet, a address, componentID string) (*document, error) {
	if componentID != "" && componentOf(set.snapshot.Groups, componentID) == nil {
		return nil, nil
	}
	c, err := s.charts(ctx, set)
	if err != nil {
		return nil, err
	}
	body, err := s.renderer.Uptime(set.snapshot, c, componentID, a.language, set.zone, a.place(set))
	return inHTML(body, err, a, nobodys)
}

// columns is the grid that the names of months stand in.
func columns(width int) template.CSS {
	return template.CSS("grid-template-columns:repeat(" + strconv.Itoa(width/10) + ",1fr)") //nolint:gosec // a number
}
