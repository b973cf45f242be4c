package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/oncall"
	"tocsin/internal/web"
)

// layerParts are the layers of a schedule's form, the one that counts first on top.
var layerParts = numbered{hidden: "layer", prefix: "l", most: oncall.MaxLayers}

type scheduleFormView struct {
	shell
	Heading   string
	New       bool
	Form      form
	Layers    []layerView
	Means     rotaMeans
	Overrides []overrideRow
	ID        string
	Used      []use
	Many      bool // no more layers can be added
}

// layerView is one layer of the form.
type layerView struct {
	Number  int // its fields are called by it
	Place   int // as warnings count it: 1 is the one at the bottom
	Title   string
	Fields  []field
	People  []turn
	Add     field // puts somebody into the rotation
	Limit   field
	Days    []field
	Problem string // of the rotation
	Mend    string
	First   bool // of the form: on top
	Last    bool
}

// turn is somebody's place in a rotation.
type turn struct {
	ID, Name    string
	First, Last bool
}

// rotaMeans is what comes of a schedule's form.
type rotaMeans struct {
	Problem  string
	Zone     string
	Shifts   []shiftRow
	Changes  string // when the clocks change next
	Warnings []web.Warning
}

// shiftRow is one shift in words, by the schedule's clock.
type shiftRow struct {
	web.Shift
	Text  string // "Mon 23 Nov 2026 09:00 – Mon 30 Nov 09:00 CET"
	Lasts string
	Notes []string
	Why   string // the layer, or whose override
	Going bool   // it is now
	Href  string // where it is handed over; empty: it cannot be
}

// overrideRow is an override that goes on or comes.
type overrideRow struct {
	oncall.Override
	Who, Text string
	Going     bool
}

// scheduleTexts is what stands in the form's fields.
func scheduleTexts(s *oncall.Schedule) url.Values {
	in := url.Values{"name": {s.Name}, "zone": {s.Zone}}
	for i := len(s.Layers) - 1; i >= 0; i-- {
		n := len(s.Layers) - 1 - i
		in.Add(layerParts.hidden, strconv.Itoa(n))
		layerTexts(in, n, &s.Layers[i])
	}
	return in
}

func layerTexts(in url.Values, n int, l *oncall.Layer) {
	set := func(name string, values ...string) { in[layerParts.name(n, name)] = values }
	set("name", l.Name)
	set("people", l.ContactIDs...)
	set("every", strconv.Itoa(l.Every))
	set("unit", string(l.Unit))
	set("start", l.Start)
	set("until", l.Until)
	if limited(l) {
		set("limit", "own")
	}
	for d := range l.Weekdays {
		set("day_"+strconv.Itoa(d), rangesText(l.Weekdays[d]))
	}
}

// freshLayer hands over weekly, from the Monday of this week at nine.
func freshLayer(now time.Time) oncall.Layer {
	back := (int(now.Weekday()) + 6) % 7
	monday := time.Date(now.Year(), now.Month(), now.Day()-back, 9, 0, 0, 0, time.UTC)
	return oncall.Layer{Every: 1, Unit: oncall.Weeks, Start: monday.Format(oncall.LocalFormat)}
}

// readSchedule puts what a form says into a schedule; what it could read is in it
// also when it answers an error.
func readSchedule(have oncall.Schedule, in url.Values) (oncall.Schedule, error) {
	s := have
	s.Name, s.Zone, s.Layers = text(in, "name"), text(in, "zone"), nil
	var first error
	numbers := layerParts.list(in)
	for i := len(numbers) - 1; i >= 0; i-- {
		l, err := readLayer(in, numbers[i], len(s.Layers))
		if first == nil {
			first = err
		}
		s.Layers = append(s.Layers, l)
	}
	return s, first
}

func readLayer(in url.Values, n, place int) (oncall.Layer, error) {
	get := func(name string) string { return text(in, layerParts.name(n, name)) }
	l := oncall.Layer{Name: get("name"), ContactIDs: filled(in[layerParts.name(n, "people")]), Unit: oncall.Unit(get("unit")),
		Start: clockText(get("start")), Until: clockText(get("until"))}
	var err error
	if l.Every, err = strconv.Atoi(get("every")); err != nil {
		err = &contact.FieldError{Field: fmt.Sprintf("layers[%d].every", place), Problem: "“" + get("every") + "” is no whole number", Mend: "write one, such as 1"}
	}
	if get("limit") != "own" {
		return l, err
	}
	for d := range l.Weekdays {
		ranges, bad := parseRanges(fmt.Sprintf("layers[%d].weekdays[%d]", place, d), get("day_"+strconv.Itoa(d)))
		if err == nil {
			err = bad
		}
		l.Weekdays[d] = ranges
	}
	if err == nil && !limited(&l) {
		err = &contact.FieldError{Field: fmt.Sprintf("layers[%d].limit", place), Problem: "no day has a time", Mend: "write the times of at least one day, or choose: at all times"}
	}
	return l, err
}

// clockText is a time as browsers write it, who may add seconds.
func clockText(s string) string {
	s = strings.Replace(s, " ", "T", 1)
	if len(s) > len(oncall.LocalFormat) {
		s = strings.TrimSuffix(s, ":00")
	}
	return s
}

// filled are the values that are not empty; somebody may have two turns.
func filled(values []string) []string {
	out := []string{}
	for _, s := range values {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (c *console) loadSchedule(v *visit) (oncall.Schedule, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Schedule(v.Context(), id)
	}
	zone, err := c.usualZone(v)
	fresh := freshLayer(v.now.In(zoneOf(zone)))
	fresh.Name = "Week"
	return oncall.Schedule{Zone: zone, Layers: []oncall.Layer{fresh}}, err
}

// usualZone is the zone that new things begin with: that of the main status page, or
// of the first schedule.
func (c *console) usualZone(v *visit) (string, error) {
	all, err := c.Store.Schedules(v.Context())
	if err != nil {
		return "", err
	}
	for _, s := range all {
		if s.Zone != "" {
			return s.Zone, nil
		}
	}
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return "", err
	}
	for _, p := range pages {
		if p.Main && p.Zone != "" {
			return p.Zone, nil
		}
	}
	return "Europe/Berlin", nil
}

func (c *console) schedule(w http.ResponseWriter, v *visit) error {
	s, err := c.loadSchedule(v)
	if err != nil {
		return err
	}
	return c.showSchedule(w, v, http.StatusOK, s, scheduleTexts(&s), nil)
}

func (c *console) checkSchedule(w http.ResponseWriter, v *visit) error {
	s, err := c.loadSchedule(v)
	if err != nil {
		return err
	}
	return c.showSchedule(w, v, http.StatusOK, s, v.PostForm, nil)
}

// changeLayers draws the form anew with a layer more, less or elsewhere, or with
// somebody more, less or elsewhere in a rotation. It keeps nothing.
func (c *console) changeLayers(w http.ResponseWriter, v *visit) error {
	s, err := c.loadSchedule(v)
	if err != nil {
		return err
	}
	in, what := v.PostForm, v.PostFormValue("do")
	if rest, ok := strings.CutPrefix(what, "turn-"); ok {
		changeTurns(in, rest)
		what = ""
	}
	in = layerParts.do(in, what, func(in url.Values, n int) {
		l := freshLayer(v.now.In(zoneOf(text(in, "zone"))))
		layerTexts(in, n, &l)
	})
	if what == "add" { // a new one stands on top
		numbers := in[layerParts.hidden]
		in[layerParts.hidden] = append(numbers[len(numbers)-1:], numbers[:len(numbers)-1]...)
		in = layerParts.again(in)
	}
	return c.showSchedule(w, v, http.StatusOK, s, in, nil)
}

// changeTurns moves somebody in a rotation, takes them out, or puts in who is chosen
// to be added: "up 0 2" is the third of the layer 0.
func changeTurns(in url.Values, what string) {
	verb, rest, _ := strings.Cut(what, " ")
	number, place, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	name := layerParts.name(n, "people")
	people := filled(in[name])
	at, err := strconv.Atoi(place)
	inside := err == nil && at >= 0 && at < len(people)
	switch {
	case verb == "add":
		if id := in.Get(layerParts.name(n, "add")); id != "" {
			people = append(people, id)
		}
	case !inside:
	case verb == "remove":
		people = slices.Delete(people, at, at+1)
	case verb == "up" && at > 0:
		people[at-1], people[at] = people[at], people[at-1]
	case verb == "down" && at+1 < len(people):
		people[at+1], people[at] = people[at], people[at+1]
	}
	in[name] = people
}

func (c *console) saveSchedule(w http.ResponseWriter, v *visit) error {
	have, err := c.loadSchedule(v)
	if err != nil {
		return err
	}
	s, err := readSchedule(have, v.PostForm)
	if err == nil {
		err = web.CheckSchedule(v.Context(), c.Store, s)
	}
	if err == nil {
		if s.ID == "" {
			s.ID = c.NewID()
		}
		err = web.SaveRota(v.Context(), c.Store, s)
	}
	if err != nil {
		return c.showSchedule(w, v, http.StatusUnprocessableEntity, have, layerParts.again(v.PostForm), err)
	}
	return done(w, v, onCallPath+"#schedule-"+s.ID, "Saved the schedule “"+s.Name+"”. It is in force at once.")
}

func (c *console) showSchedule(w http.ResponseWriter, v *visit, code int, have oncall.Schedule, in url.Values, why error) error {
	names, err := c.places(v)
	if err != nil {
		return err
	}
	id := v.PathValue("id")
	base := schedulesPath + "/" + id
	view := scheduleFormView{Heading: "New schedule", New: id == "new", ID: have.ID}
	f := form{Action: base, Check: base + "/check", Submit: "Save schedule", Cancel: schedulesPath, Locked: !v.may(auth.WriteConfig),
		Sections: []section{{Fields: []field{
			{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true, Auto: "off", Sample: "Servers", Hint: "What people call it, in rules and on the page of who is on call."},
			{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), Half: true, List: "zones", Auto: "off", Hint: "As Europe/Berlin. Turns change by this clock, summer and winter."},
		}}}}
	if f.Locked {
		f.Check = ""
	}
	if !view.New {
		view.Heading, f.Delete = have.Name, base+"/delete"
		if view.Used, err = c.usesOfSchedule(v, have.ID); err != nil {
			return err
		}
	}
	numbers := layerParts.list(in)
	for i, n := range numbers {
		l := drawLayer(in, n, names)
		l.Place, l.First, l.Last = len(numbers)-i, i == 0, i == len(numbers)-1
		l.Title = "Layer " + strconv.Itoa(l.Place)
		view.Layers = append(view.Layers, l)
	}
	view.Many = len(numbers) >= oncall.MaxLayers
	s, bad := readSchedule(have, in)
	if view.Means, err = c.meansOfRota(v, s, bad); err != nil {
		return err
	}
	if why != nil {
		var fe *contact.FieldError
		if !errors.As(why, &fe) || !view.blame(fe) {
			if !f.refused(why) {
				return why
			}
		}
	}
	view.Form, view.Overrides = f, c.overrideRows(v, &have, names)
	view.shell = c.shell(w, v, schedulesPath, view.Heading)
	c.write(w, v.Request, code, "schedule", "shell", view)
	return nil
}

// blame puts a problem to the field of the layer that it names, and says whether
// there is one.
func (view *scheduleFormView) blame(fe *contact.FieldError) bool {
	rest, ok := strings.CutPrefix(fe.Field, "layers[")
	place, rest, ok2 := strings.Cut(rest, "]")
	n, err := strconv.Atoi(place)
	if !ok || !ok2 || err != nil || n < 0 || n >= len(view.Layers) {
		return false
	}
	l := &view.Layers[len(view.Layers)-1-n]
	name := strings.TrimPrefix(rest, ".")
	if day, ok := strings.CutPrefix(name, "weekdays["); ok {
		day, _, _ = strings.Cut(day, "]")
		name = "day_" + day
	}
	name, _, _ = strings.Cut(name, "[")
	for _, list := range [][]field{l.Fields, l.Days} {
		for i := range list {
			if list[i].Name == layerParts.name(l.Number, name) {
				list[i].Problem, list[i].Mend = sentence(fe.Problem), sentence(fe.Mend)
				return true
			}
		}
	}
	if name == "limit" {
		l.Limit.Problem, l.Limit.Mend = sentence(fe.Problem), sentence(fe.Mend)
		return true
	}
	l.Problem, l.Mend = sentence(fe.Problem), sentence(fe.Mend)
	return true
}

func drawLayer(in url.Values, n int, names places) layerView {
	name := func(s string) string { return layerParts.name(n, s) }
	get := func(s string) string { return in.Get(name(s)) }
	units := selectField(in, name("unit"), "Unit", option{Value: string(oncall.Hours), Title: "hours"}, option{Value: string(oncall.Days), Title: "days"}, option{Value: string(oncall.Weeks), Title: "weeks"})
	l := layerView{Number: n, Fields: []field{
		{Name: name("name"), Label: "Name", Kind: "text", Value: get("name"), Auto: "off", Sample: "Week, Night, Stand-in…"},
		{Name: name("every"), Label: "A turn lasts", Kind: "number", Value: get("every"), Min: "1", Max: strconv.Itoa(oncall.MaxEvery), Half: true},
		units,
		{Name: name("start"), Label: "The first turn begins", Kind: "datetime-local", Value: get("start"), Half: true, Hint: "Turns are handed over at this time of day."},
		{Name: name("until"), Label: "No turn after", Kind: "datetime-local", Value: get("until"), Half: true, Hint: "Empty: it goes on for ever."},
	}}
	people := filled(in[name("people")])
	for i, id := range people {
		l.People = append(l.People, turn{ID: id, Name: names.person(id), First: i == 0, Last: i == len(people)-1})
	}
	more := []option{{Value: "", Title: "Choose somebody…"}}
	for _, k := range names.contacts {
		title := contactLabel(k)
		if slices.Contains(people, k.ID) {
			title += " (once more)"
		}
		more = append(more, option{Value: k.ID, Title: title})
	}
	l.Add = field{Name: name("add"), Label: "Add to the rotation", Kind: "select", Options: more}
	l.Limit = selectField(in, name("limit"), "On call", option{Value: "", Title: "At all times"}, option{Value: "own", Title: "Only at these times of the week"})
	l.Limit.Half = false
	unset := !slices.ContainsFunc(weekdays(), func(d time.Weekday) bool { return get("day_"+strconv.Itoa(int(d))) != "" })
	for _, d := range weekdays() {
		value := get("day_" + strconv.Itoa(int(d)))
		if unset && get("limit") == "" && d != time.Saturday && d != time.Sunday {
			value = "09:00-17:00"
		}
		l.Days = append(l.Days, field{Name: name("day_" + strconv.Itoa(int(d))), Label: d.String(), Kind: "text", Value: value, Mono: true, Half: true, Auto: "off"})
	}
	return l
}
