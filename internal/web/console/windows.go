package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
	"tocsin/internal/window"
)

func (c *console) windowRoutes() []routing {
	return []routing{
		{"GET " + windowsPath, auth.ReadConfig, c.windows},
		{"POST " + windowsPath + "/hold", auth.WriteConfig, c.holdObject},
		{"GET " + windowsPath + "/{id}", auth.ReadConfig, c.window},
		{"POST " + windowsPath + "/{id}", auth.WriteConfig, c.saveWindow},
		{"POST " + windowsPath + "/{id}/check", auth.WriteConfig, c.checkWindow},
		{"POST " + windowsPath + "/{id}/end", auth.WriteConfig, c.endWindow},
		{"GET " + windowsPath + "/{id}/delete", auth.WriteConfig, c.askDeleteWindow},
		{"POST " + windowsPath + "/{id}/delete", auth.WriteConfig, c.deleteWindow},
	}
}

type windowsView struct {
	shell
	Groups []windowGroup
	Any    bool
}

type windowGroup struct {
	ID, Title string
	Rows      []windowRow
}

type windowRow struct {
	window.Window
	On, Over bool
	What     []string // what it holds back; empty: everything
	When     string   // of the time that is on, or the next
	Begin    time.Time
	Until    time.Time // of the time that is on
	Rule     string    // in words; empty: it happens once
	PageName string
	PagePath string
	Problem  string // its times cannot be read
	Hours    string // how long one lasts
}

func (c *console) windows(w http.ResponseWriter, v *visit) error {
	all, err := c.Store.Windows(v.Context())
	if err != nil {
		return err
	}
	sources, err := c.sourceNames(v)
	if err != nil {
		return err
	}
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return err
	}
	now, coming := windowGroup{ID: "now", Title: "Now"}, windowGroup{ID: "coming", Title: "Coming"}
	off, over := windowGroup{ID: "off", Title: "Switched off"}, windowGroup{ID: "over", Title: "Over"}
	for i := range all {
		row := rowOfWindow(&all[i], sources, pages, v.now)
		switch {
		case row.Over:
			over.Rows = append(over.Rows, row)
		case !row.Enabled:
			off.Rows = append(off.Rows, row)
		case row.On:
			now.Rows = append(now.Rows, row)
		default:
			coming.Rows = append(coming.Rows, row)
		}
	}
	view := windowsView{shell: c.shell(w, v, windowsPath, "Maintenance windows"), Any: len(all) > 0}
	for _, g := range []windowGroup{now, coming, off, over} {
		slices.SortStableFunc(g.Rows, func(a, b windowRow) int {
			d := cmp.Or(a.Begin.Compare(b.Begin), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
			if g.ID == over.ID {
				d = -d
			}
			return d
		})
		if len(g.Rows) > 0 || g.ID == now.ID {
			view.Groups = append(view.Groups, g)
		}
	}
	return c.show(w, v, "windows", view)
}

func rowOfWindow(w *window.Window, sources map[string]string, pages []status.Page, now time.Time) windowRow {
	row := windowRow{Window: *w, Hours: lasts(time.Duration(w.Minutes) * time.Minute),
		What: conditions(route.Rule{SourceIDs: w.Sources, Hosts: w.Hosts, Services: w.Services, Labels: w.Labels}, sources)}
	for _, p := range pages {
		if p.ID == w.Page.PageID {
			row.PageName, row.PagePath = p.Name, maintenancePath+(pageChoice{Page: p}).Query()
		}
	}
	plan, err := w.Plan()
	if err != nil {
		row.Problem = sentence(err.Error())
		return row
	}
	zone := plan.Zone()
	first, err := time.ParseInLocation(window.StartFormat, w.Start, zone)
	if err == nil && w.RRule != "" {
		rule, until := splitUntil(w.RRule, zone)
		row.Rule = ruleWords(rule, first)
		if !until.IsZero() {
			row.Rule += ", until " + until.In(zone).Format("2 Jan 2006")
		}
	}
	row.Over = plan.Over(now)
	span, on := plan.At(now)
	row.On = on && w.Enabled
	if !on {
		span, on = plan.Next(now)
	}
	switch {
	case on:
		row.When, row.Begin = spanText(span.From, span.To, zone), span.From
		if row.On {
			row.Until = span.To
		}
	case err == nil: // over: when it was first
		row.When, row.Begin = spanText(first, first.Add(time.Duration(w.Minutes)*time.Minute), zone), first
	}
	return row
}

// endWindow ends the time that is on. What comes again does so from its next time on.
func (c *console) endWindow(w http.ResponseWriter, v *visit) error {
	win, err := c.Store.Window(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	back := local(v.PostFormValue("back"))
	if v.PostFormValue("back") == "" {
		back = windowsPath
	}
	ended, on, err := endedNow(win, v.now)
	if err != nil {
		return err
	}
	if !on {
		return done(w, v, back, "“"+win.Name+"” is not on now.")
	}
	if _, err := c.Windows.Save(v.Context(), v.author(), ended); err != nil {
		return err
	}
	said := "“" + win.Name + "” is ended. What is still wrong is told now."
	if win.RRule != "" && ended.Enabled {
		said += " It comes again as planned."
	}
	return done(w, v, back, said)
}

// endedNow is a window whose time that is on now is over: one that happens once
// becomes shorter, one that comes again begins with its next time.
func endedNow(w window.Window, now time.Time) (ended window.Window, on bool, err error) {
	plan, err := w.Plan()
	if err != nil {
		return w, false, err
	}
	span, on := plan.At(now)
	if !on || !w.Enabled {
		return w, false, nil
	}
	if w.RRule == "" {
		if w.Minutes = int(now.Sub(span.From) / time.Minute); w.Minutes < 1 {
			w.Enabled, w.Minutes = false, 1
		}
		return w, true, nil
	}
	next, more := plan.Next(now)
	if !more {
		w.Enabled = false
		return w, true, nil
	}
	zone := plan.Zone()
	first, err := time.Parse(window.StartFormat, w.Start)
	if err != nil {
		return w, false, fmt.Errorf("the start of window %q: %w", w.Name, err)
	}
	if parts := strings.Split(strings.ToUpper(w.RRule), ";"); slices.ContainsFunc(parts, func(s string) bool { return strings.HasPrefix(s, "COUNT=") }) {
		rule, err := recur.ParseLocal(w.RRule, zone, first)
		if err != nil {
			return w, false, fmt.Errorf("the rule of window %q: %w", w.Name, err)
		}
		for i, s := range parts {
			if n, ok := strings.CutPrefix(s, "COUNT="); ok {
				all, _ := strconv.Atoi(n)
				left := len(rule.After(now, all))
				parts[i] = "COUNT=" + strconv.Itoa(max(left, 1))
			}
		}
		w.RRule = strings.Join(parts, ";")
	}
	w.Start = next.From.In(zone).Format(window.StartFormat)
	return w, true, nil
}

// holdView is what holds alerts about an object back now, and what may do so.
type holdView struct {
	Object string
	Held   []heldBy
	May    bool
	Read   bool // windows may be looked at
	Back   string
	Whole  bool // the object is a host: its services are held too
}

type heldBy struct {
	ID, Name, Until string
	Begins          time.Time
	Ends            time.Time
	Again           bool
}

// hold says which windows hold alerts about an object back.
func (c *console) hold(v *visit, o *alert.Object) (holdView, error) {
	view := holdView{Object: o.ID, May: v.may(auth.WriteConfig), Read: v.may(auth.ReadConfig), Back: v.URL.Path, Whole: o.Service == ""}
	all, err := c.Store.Windows(v.Context())
	if err != nil {
		return view, err
	}
	for _, w := range all {
		if !w.Enabled {
			continue
		}
		until, names := route.Held(route.Directory{Windows: []window.Window{w}}, *o, v.now)
		if len(names) == 0 {
			continue
		}
		view.Held = append(view.Held, heldBy{ID: w.ID, Name: w.Name, Until: until.In(zoneOf(w.Zone)).Format("Mon 2 Jan 15:04 MST"), Ends: until, Again: w.RRule != ""})
	}
	return view, nil
}

// holdObject makes a window that is on from now on, for one object.
func (c *console) holdObject(w http.ResponseWriter, v *visit) error {
	o, err := c.Store.Object(v.Context(), v.PostFormValue("object"))
	if err != nil {
		return err
	}
	minutes, err := strconv.Atoi(v.PostFormValue("minutes"))
	if err != nil || minutes < 1 || minutes > 24*60 {
		minutes = 60
	}
	zone, err := c.usualZone(v)
	if err != nil {
		return err
	}
	// A window begins with a minute: this one that has begun does not count.
	win := windowOf(&o, v.now.In(zoneOf(zone)), zone, minutes+1)
	win.ID, win.By, win.Created = c.NewID(), v.who.Label(), v.now
	if _, err := c.Windows.Save(v.Context(), v.author(), win); err != nil {
		return err
	}
	back := local(v.PostFormValue("back"))
	return done(w, v, back, "Alerts about "+o.Name()+" are held back for "+lasts(time.Duration(minutes)*time.Minute)+". What is still wrong then is told.")
}

// windowOf holds back what is about an object: of a host that is its services too.
func windowOf(o *alert.Object, start time.Time, zone string, minutes int) window.Window {
	w := window.Window{Name: "Hold " + o.Name(), Enabled: true, Zone: zone, Start: start.Format(window.StartFormat), Minutes: minutes, Sources: []string{o.SourceID}, Hosts: []string{o.Host}}
	if o.Service != "" {
		w.Services = []string{o.Service}
	}
	if r := []rune(w.Name); len(r) > 90 {
		w.Name = string(r[:90]) + "…"
	}
	return w
}

func (c *console) askDeleteWindow(w http.ResponseWriter, v *visit) error {
	win, err := c.Store.Window(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	row := rowOfWindow(&win, nil, nil, v.now)
	view := confirmView{Heading: "Delete the maintenance window “" + win.Name + "”?", Action: windowsPath + "/" + win.ID + "/delete", Back: windowsPath + "/" + win.ID, Button: "Delete window"}
	if row.On {
		view.Effects = append(view.Effects, "It is on now: what it holds back and is still wrong is told at once.")
	}
	if win.Page.PageID != "" {
		view.Effects = append(view.Effects, "What is still to come of it leaves the status page; what goes on there is over.")
	}
	view.Effects = append(view.Effects, "What was held back because of it says so in the timelines.")
	return c.confirm(w, v, windowsPath, view)
}

func (c *console) deleteWindow(w http.ResponseWriter, v *visit) error {
	err := c.Windows.Delete(v.Context(), v.author(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, windowsPath, "The maintenance window is deleted.", "The maintenance window is in use.")
}
