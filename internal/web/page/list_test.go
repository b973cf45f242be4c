package page

import (
	"bytes"
	"fmt"
	"html/template"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tocsin/internal/markdown"
	"tocsin/internal/status"
)

// asTemplate is what lister writes by hand.
const asTemplate = `{{range .}}<li>
<div class="row"><span class="name">{{if .Link}}<a href="{{.Link}}">{{.Name}}</a>{{else}}{{.Name}}{{end}}</span><span class="state {{.Class}}">{{shape .Class}}{{.State}}</span></div>
{{with .About}}<p class="about">{{.}}</p>{{end}}
<svg class="bars" viewBox="0 0 450 30" preserveAspectRatio="none" role="img" aria-label="{{.Summary}}">{{range .Bars}}<path class="{{.Class}}" d="{{.Path}}"/>{{end}}</svg>
<p class="scale"><span>{{T "days_ago"}}</span><a href="{{home}}/uptime/{{.ID}}">{{.Uptime}}</a><span>{{T "today"}}</span></p>
{{if .Trouble}}<details class="table"><summary>{{T "day_table"}}</summary><table><thead><tr><th scope="col">{{T "day"}}</th><th scope="col">{{T "worst"}}</th><th scope="col">{{T "duration"}}</th></tr></thead><tbody>{{range .Trouble}}<tr><td>{{.Day}}</td><td><span class="state {{.Class}}">{{shape .Class}}{{.Worst}}</span></td><td>{{.For}}</td></tr>{{end}}</tbody></table></details>{{end}}
</li>{{end}}`

type drawnBar struct{ Class, Path string }

type troubleRow struct{ Day, Worst, Class, For string }

type listed struct {
	ID, Name, About, Link, Class, State, Uptime, Summary string

	Bars    []drawnBar
	Trouble []troubleRow
}

func listedOf(m *maker, c *status.ComponentView) listed {
	v := listed{ID: c.ID, Name: c.Name, About: c.About, Link: c.Link, Class: class(c.Shown), State: m.w.State(c.Shown), Uptime: m.w.T("uptime_unknown")}
	if c.Known {
		v.Uptime = m.w.T("uptime", "percent", m.w.Percent(c.Uptime))
	}
	for i := len(c.Days) - 1; i >= 0; i-- {
		if d := &c.Days[i]; d.Worst != status.Operational && d.Worst != status.NoData {
			v.Trouble = append(v.Trouble, troubleRow{m.day(d.Date), m.w.State(d.Worst), class(d.Worst), m.w.Span(d.Seconds[d.Worst])})
		}
	}
	summary := m.w.T("bars_all_well")
	if len(v.Trouble) > 0 {
		summary = m.w.N("bars_days", len(v.Trouble))
	}
	v.Summary = m.w.T("bars", "name", c.Name, "summary", summary)
	for _, s := range []string{"none", "ok", "maint", "degr", "part", "major"} {
		path, at := "", 0
		for i := range c.Days {
			if class(c.Days[i].Worst) != s {
				continue
			}
			if path == "" {
				path = fmt.Sprintf("M%d 0v30", 5*i+2)
			} else {
				path += fmt.Sprintf("m%d-30v30", 5*(i-at))
			}
			at = i
		}
		if path != "" {
			v.Bars = append(v.Bars, drawnBar{s, path})
		}
	}
	return v
}

func TestComponentsAreWhatATemplateMakesOfThem(t *testing.T) {
	r, err := NewRenderer(markdown.New())
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	texts := []string{"", "Mail", `"><script>alert(1)</script>{name}`, "Größe & 'Maß' + <b>\x00</b>", "\u202Ekcatta\u202C", "\xff\xfe", "a\nb\tc`=`", "{summary}", strings.Repeat("é", 300)}
	links := []string{"", "", "https://example.com/a b?x=1&y='\"<>+ä", "javascript:alert(1)", "//example.com", "http://[::1]/", "data:text/html,x", "mailto:a@b"}
	states := append(status.States(), status.NoData)
	now := time.Date(2026, 11, 22, 12, 34, 0, 0, time.UTC)
	var parts []status.ComponentView
	for i := range 400 {
		c := status.ComponentView{Component: status.Component{ID: fmt.Sprintf("0198f2c4-%04d", i), Name: texts[rnd.IntN(len(texts))], About: texts[rnd.IntN(len(texts))],
			Link: links[rnd.IntN(len(links))]}, Shown: states[rnd.IntN(len(states))], Known: rnd.IntN(5) > 0, Uptime: rnd.IntN(10001)}
		for d := range rnd.IntN(status.BarDays + 1) {
			day := status.Day{Date: now.AddDate(0, 0, d-status.BarDays).Format(status.DateFormat), Worst: status.Operational}
			if rnd.IntN(1+i%20) == 0 {
				day.Worst = states[rnd.IntN(len(states))]
				day.Seconds = map[status.State]int{day.Worst: rnd.IntN(86401)}
			}
			c.Days = append(c.Days, day)
		}
		parts = append(parts, c)
	}
	for _, tag := range r.Languages().Tags() {
		m := r.maker(status.Snapshot{}, r.Languages()[tag], time.UTC, Place{Home: "/s/main/" + tag})
		list := template.Must(template.New("").Funcs(template.FuncMap{"shape": shape, "T": func(key string) string { return m.w.T(key) },
			"home": func() string { return m.at.Home }}).Parse(asTemplate))
		l := newLister(m)
		for i := range parts {
			var want bytes.Buffer
			if err := list.Execute(&want, []listed{listedOf(m, &parts[i])}); err != nil {
				t.Fatal(err)
			}
			if got := l.list(parts[i : i+1]); string(got) != want.String() {
				t.Fatalf("%s, component %d is\n%s\nand not\n%s", tag, i, got, want.String())
			}
		}
	}
}
