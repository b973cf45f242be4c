package page

import (
	"bytes"
	"html/template"
	"net/url"
	"strconv"

	"tocsin/internal/status"
)

// A large page is mostly its components: each has a row, bars of its days and a
// table of those that were not well. They are written by hand, which takes a tenth
// of what a template takes; a test holds the bytes equal to those that
// html/template makes of the same.

// lister writes components in one language.
type lister struct {
	m *maker
	b []byte

	daysAgo, today, table, uptime []byte // the same for each, marked up
}

func newLister(m *maker) *lister {
	l := &lister{m: m}
	text := func(before, key, after string) []byte {
		return append(append([]byte(before), escapedBytes(m.w.T(key))...), after...)
	}
	l.daysAgo, l.today = text(`<p class="scale"><span>`, "days_ago", `</span><a href="`), text(`</a><span>`, "today", "</span></p>\n")
	l.table = text(`<details class="table"><summary>`, "day_table", `</summary><table><thead><tr>`)
	for _, key := range []string{"day", "worst", "duration"} {
		l.table = append(l.table, text(`<th scope="col">`, key, `</th>`)...)
	}
	l.table = append(l.table, `</tr></thead><tbody>`...)
	l.uptime = append(escapedBytes(m.at.Home), `/uptime/`...)
	return l
}

// list is what stands in the list of a group.
func (l *lister) list(parts []status.ComponentView) template.HTML {
	l.b = l.b[:0]
	for i := range parts {
		l.component(&parts[i])
	}
	return template.HTML(l.b) //nolint:gosec // every text is escaped
}

func (l *lister) raw(s string)  { l.b = append(l.b, s...) }
func (l *lister) text(s string) { l.b = appendEscaped(l.b, s) }

func (l *lister) state(class, name string) {
	l.raw(`<span class="state `)
	l.raw(class)
	l.raw(`">`)
	l.raw(string(shape(class)))
	l.text(name)
	l.raw(`</span>`)
}

func (l *lister) component(c *status.ComponentView) {
	m := l.m
	troubled := 0
	for i := range c.Days {
		if isTrouble(&c.Days[i]) {
			troubled++
		}
	}
	l.raw("<li>\n<div class=\"row\"><span class=\"name\">")
	if c.Link != "" {
		l.b = append(l.b, linked(c.Link, c.Name)...)
	} else {
		l.text(c.Name)
	}
	l.raw(`</span>`)
	l.state(class(c.Shown), m.w.State(c.Shown))
	l.raw("</div>\n")
	if c.About != "" {
		l.raw(`<p class="about">`)
		l.text(c.About)
		l.raw(`</p>`)
	}
	summary := m.w.T("bars_all_well")
	if troubled > 0 {
		summary = m.w.N("bars_days", troubled)
	}
	l.raw("\n" + `<svg class="bars" viewBox="0 0 450 30" preserveAspectRatio="none" role="img" aria-label="`)
	l.text(m.w.T("bars", "name", c.Name, "summary", summary))
	l.raw(`">`)
	l.b = appendBars(l.b, c.Days)
	l.raw("</svg>\n")
	l.b = append(l.b, l.daysAgo...)
	l.b = append(l.b, l.uptime...)
	l.text(url.PathEscape(c.ID))
	l.raw(`">`)
	if c.Known {
		l.text(m.w.T("uptime", "percent", m.w.Percent(c.Uptime)))
	} else {
		l.text(m.w.T("uptime_unknown"))
	}
	l.b = append(l.b, l.today...)
	if troubled > 0 {
		l.b = append(l.b, l.table...)
		for i := len(c.Days) - 1; i >= 0; i-- {
			if isTrouble(&c.Days[i]) {
				l.row(&c.Days[i])
			}
		}
		l.raw(`</tbody></table></details>`)
	}
	l.raw("\n</li>")
}

// isTrouble says whether a day stands in the table.
func isTrouble(d *status.Day) bool {
	return d.Worst != status.Operational && d.Worst != status.NoData
}

func (l *lister) row(d *status.Day) {
	l.raw(`<tr><td>`)
	l.text(l.m.day(d.Date))
	l.raw(`</td><td>`)
	l.state(class(d.Worst), l.m.w.State(d.Worst))
	l.raw(`</td><td>`)
	l.text(l.m.w.Span(d.Seconds[d.Worst]))
	l.raw(`</td></tr>`)
}

// order is how bars are drawn: worse states last.
var order = [...]string{"none", "ok", "maint", "degr", "part", "major"}

// appendBars draws the days of each state in one stroke, 5 wide and 30 high each: a
// page of 50 components has 4,500 days, and an element for each would be most of
// its weight.
func appendBars(b []byte, days []status.Day) []byte {
	for _, c := range order {
		last := -1
		for i := range days {
			switch {
			case class(days[i].Worst) != c:
				continue
			case last < 0:
				b = append(append(append(b, `<path class="`...), c...), `" d="M`...)
				b = append(strconv.AppendInt(b, int64(i*5+2), 10), " 0v30"...)
			default:
				b = append(strconv.AppendInt(append(b, 'm'), int64((i-last)*5), 10), "-30v30"...)
			}
			last = i
		}
		if last >= 0 {
			b = append(b, `"/>`...)
		}
	}
	return b
}

// byHand is for what few components have: what an address may be is html/template's
// to know.
var byHand = template.Must(template.New("").Parse(`<a href="{{.Link}}">{{.Name}}</a>`))

func linked(link, name string) []byte {
	var b bytes.Buffer
	if err := byHand.Execute(&b, struct{ Link, Name string }{link, name}); err != nil { // it never does
		return escapedBytes(name)
	}
	return b.Bytes()
}

func escapedBytes(s string) []byte { return appendEscaped(nil, s) }

// appendEscaped adds a text as html/template does, within an element or a quoted
// attribute.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		var as string
		switch s[i] {
		case 0:
			as = "\uFFFD"
		case '"':
			as = "&#34;"
		case '&':
			as = "&amp;"
		case '\'':
			as = "&#39;"
		case '+':
			as = "&#43;"
		case '<':
			as = "&lt;"
		case '>':
			as = "&gt;"
		default:
			continue
		}
		b, from = append(append(b, s[from:i]...), as...), i+1
	}
	return append(b, s[from:]...)
}
