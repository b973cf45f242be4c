package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/status"
)

// bindingView is one binding of a component's form. Its fields are called b0_…,
// b1_… by its number.
type bindingView struct {
	Number int
	Fields []field // what it stands for
	States []field // what a component is while an alert has a state
	Usual  bool    // as where nobody says otherwise
	Then   []field // when it counts, and what becomes of it
	Match  *matchView
}

// bindingParts are the bindings of a component's form.
var bindingParts = numbered{hidden: "binding", prefix: "b", most: status.MaxBindings}

func bindingName(n int, name string) string { return bindingParts.name(n, name) }

// blame puts a problem to the field of the binding that the desk names.
func (b *bindingView) blame(name, problem, mend string) {
	name, state, _ := strings.Cut(name, ".")
	name, _, _ = strings.Cut(name, "[")
	switch name {
	case "":
		name = "hosts"
	case "source_ids":
		name = "sources"
	case "hold_down_seconds":
		name = "hold"
	case "publish_after_minutes":
		name = "after"
	case "states":
		name = "state_" + state
	}
	name = bindingName(b.Number, name)
	for _, list := range [][]field{b.Fields, b.States, b.Then} {
		for i := range list {
			if list[i].Name == name {
				list[i].Problem, list[i].Mend = sentence(problem), sentence(mend)
				return
			}
		}
	}
	b.Fields[1].Problem, b.Fields[1].Mend = sentence(problem), sentence(mend)
}

// bindingTexts puts a binding into a form under a number.
func bindingTexts(in url.Values, n int, b *status.Binding) {
	set := func(name string, values ...string) { in[bindingName(n, name)] = values }
	in.Add("binding", strconv.Itoa(n))
	set("sources", b.SourceIDs...)
	set("hosts", strings.Join(b.Hosts, "\n"))
	set("services", strings.Join(b.Services, "\n"))
	set("labels", strings.Join(labelLines(b.Labels), "\n"))
	for _, s := range problemStates() {
		set("state_"+string(s), string(b.Of(s)))
	}
	set("hold", strconv.Itoa(b.HoldDown))
	set("incident", b.Incident)
	after := b.After
	if b.Incident != "publish" {
		after = 10
	}
	set("after", strconv.Itoa(after))
	if b.Downtime {
		set("downtime", "on")
	}
}

func bindingsOf(in url.Values) []int { return bindingParts.list(in) }

// readBinding is the binding of a number in a form. What it could read is in it
// also when it answers an error.
func readBinding(in url.Values, n int) (b status.Binding, err error) {
	get := func(name string) string { return text(in, bindingName(n, name)) }
	refuse := func(field, problem, mend string) {
		if err == nil {
			err = &status.FieldError{Field: field, Problem: problem, Mend: mend}
		}
	}
	number := func(name, field string) int {
		s := get(name)
		if s == "" {
			return 0
		}
		i, bad := strconv.Atoi(s)
		if bad != nil {
			refuse(field, "“"+s+"” is no whole number", "write one, such as 60")
		}
		return i
	}
	b.SourceIDs = chosen(in, bindingName(n, "sources"))
	b.Hosts, b.Services = lines(get("hosts")), lines(get("services"))
	for i, line := range lines(get("labels")) {
		name, glob, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			refuse("labels", fmt.Sprintf("line %d is “%s”", i+1, line), "write name=pattern, as in team=shop*")
			continue
		}
		if b.Labels == nil {
			b.Labels = map[string]string{}
		}
		b.Labels[name] = strings.TrimSpace(glob)
	}
	usual := status.DefaultStates()
	for _, s := range problemStates() {
		to := status.State(get("state_" + string(s)))
		if to == "" || to == usual[s] {
			continue
		}
		if b.States == nil {
			b.States = map[string]status.State{}
		}
		b.States[string(s)] = to
	}
	b.HoldDown = number("hold", "hold_down_seconds")
	b.Incident = get("incident")
	if b.Incident == "publish" {
		b.After = number("after", "publish_after_minutes")
	}
	b.Downtime = get("downtime") != ""
	return b, err
}

// bindingViews are a form's bindings, with what each stands for now.
func (c *console) bindingViews(v *visit, in url.Values) ([]bindingView, error) {
	names, err := c.sourceNames(v)
	if err != nil {
		return nil, err
	}
	matches := c.look(v.Context(), in, names)
	var views []bindingView
	for i, n := range bindingsOf(in) {
		views = append(views, drawBinding(in, n, names))
		views[i].Match = &matches[i]
	}
	return views, nil
}

func drawBinding(in url.Values, n int, names map[string]string) bindingView {
	get := func(name string) string { return in.Get(bindingName(n, name)) }
	name := func(s string) string { return bindingName(n, s) }
	var sources []option
	for id, title := range names {
		sources = append(sources, option{id, title, slices.Contains(in[name("sources")], id)})
	}
	slices.SortFunc(sources, func(a, b option) int { return strings.Compare(a.Title, b.Title) })
	view := bindingView{Number: n, Usual: true}
	view.Fields = []field{
		{Name: name("sources"), Label: "Sources", Kind: "checks", Options: sources, Empty: "There are no sources yet: add one, and its objects can be named here."},
		{Name: name("hosts"), Label: "Hosts", Kind: "textarea", Value: get("hosts"), Rows: 3, Mono: true, Half: true, Sample: "web*.example.com", Hint: "One pattern a line, with * and ?. Hosts alone stand for their services too."},
		{Name: name("services"), Label: "Services", Kind: "textarea", Value: get("services"), Rows: 3, Mono: true, Half: true, Sample: "HTTP*", Hint: "With one given, hosts themselves are left out."},
		{Name: name("labels"), Label: "Labels", Kind: "textarea", Value: get("labels"), Rows: 2, Mono: true, Sample: "team=shop*", Hint: "One name=pattern a line."},
	}
	usual := status.DefaultStates()
	for _, s := range problemStates() {
		to := status.State(get("state_" + string(s)))
		if to == "" {
			to = usual[s]
		}
		view.Usual = view.Usual && to == usual[s]
		var options []option
		for _, k := range handStates() {
			title := doing(k).Word
			if k == usual[s] {
				title += " (usual)"
			}
			options = append(options, option{string(k), title, k == to})
		}
		view.States = append(view.States, field{Name: name("state_" + string(s)), Label: stateOf(s).Word, Kind: "select", Options: options, Look: ptr(stateOf(s))})
	}
	then := get("incident")
	view.Then = []field{
		{Name: name("hold"), Label: "Seconds until it counts", Kind: "number", Value: get("hold"), Min: "0", Max: "86400", Half: true, Hint: "So long it must be bad before visitors see it. Getting better counts at once."},
		{Name: name("incident"), Label: "What an alert does besides", Kind: "select", Half: true, Options: []option{
			{"", "Nothing: only the component changes", then == ""},
			{"draft", "Writes a draft for a person to publish", then == "draft"},
			{"publish", "Writes a draft, and publishes it after a while", then == "publish"}}, Hint: "Alerts that come together are one incident."},
		{Name: name("after"), Label: "Minutes until it is published", Kind: "number", Value: get("after"), Min: "0", Max: "1440", Half: true, When: name("incident") + "=publish", Hint: "Time for a person to write it better, or to throw it away."},
		{Name: name("downtime"), Label: "A downtime in the engine is a maintenance here", Kind: "checkbox", Checked: get("downtime") != "", Hint: "What goes wrong in it is no outage then."},
	}
	return view
}

func ptr[T any](v T) *T { return &v }

// matchView is what a binding stands for now.
type matchView struct {
	Number  int
	Problem string // it cannot be said
	Count   int
	Rows    []matchRow // the worst first
	More    int
	Now     status.State // what it would make of the component
}

type matchRow struct {
	alert.Object
	Look   look
	Source string
	Makes  status.State // of the component; empty: nothing
}

// mostMatches is how many objects a binding shows.
const mostMatches = 12

// look finds what the bindings of a form stand for, the same way as the desk does.
// A binding that cannot be read, or a database that takes too long, is said in its
// place: nobody's form is lost for that.
func (c *console) look(ctx context.Context, in url.Values, sources map[string]string) []matchView {
	numbers := bindingsOf(in)
	views, bindings := make([]matchView, len(numbers)), make([]status.Binding, len(numbers))
	wanted := false
	for i, n := range numbers {
		views[i] = matchView{Number: n, Now: status.Operational}
		b, err := readBinding(in, n)
		p := status.Component{Name: "x", State: status.Operational, Bindings: []status.Binding{b}}
		if err == nil {
			err = p.Validate()
		}
		var f *status.FieldError
		switch {
		case errors.As(err, &f) && strings.HasSuffix(f.Field, "labels"):
			views[i].Problem = "The labels cannot be read so far."
		case len(b.SourceIDs)+len(b.Hosts)+len(b.Services)+len(b.Labels) == 0:
			views[i].Problem = "Name a source, a host, a service or a label, and what it stands for is listed here."
		default:
			bindings[i], wanted = b, true
		}
	}
	if !wanted {
		return views
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	err := c.Store.EachObject(ctx, func(o *alert.Object) bool {
		for i := range bindings {
			if bindings[i].Matches(o) {
				views[i].add(&bindings[i], o, sources)
			}
		}
		return true
	})
	for i := range views {
		if err != nil && views[i].Problem == "" {
			views[i].Problem = "It took too long to look through all objects. Saving works all the same."
		}
		views[i].More = views[i].Count - len(views[i].Rows)
	}
	return views
}

// add counts an object, and keeps it while it is among the worst.
func (m *matchView) add(b *status.Binding, o *alert.Object, sources map[string]string) {
	m.Count++
	row := matchRow{Object: *o, Look: stateOf(o.State), Source: sources[o.SourceID]}
	if o.State.Severity() > 0 && (!b.Downtime || !o.Downtime) {
		if row.Makes = b.Of(o.State); row.Makes == status.Operational {
			row.Makes = ""
		}
		m.Now = status.Worst(m.Now, b.Of(o.State))
	}
	m.keep(row)
}

// keep puts an object among those that are shown, while it is one of the worst.
func (m *matchView) keep(row matchRow) {
	at, _ := slices.BinarySearchFunc(m.Rows, row, func(a, b matchRow) int {
		return cmp.Or(cmp.Compare(b.Makes.Rank(), a.Makes.Rank()), cmp.Compare(b.State.Severity(), a.State.Severity()),
			strings.Compare(a.HostName(), b.HostName()), strings.Compare(a.ServiceName(), b.ServiceName()), strings.Compare(a.ID, b.ID))
	})
	if at >= mostMatches {
		return
	}
	m.Rows = slices.Insert(m.Rows, at, row)
	m.Rows = m.Rows[:min(mostMatches, len(m.Rows))]
}

// matches answers what the bindings of a form that is being filled in stand for.
func (c *console) matches(w http.ResponseWriter, v *visit) error {
	names, err := c.sourceNames(v)
	if err != nil {
		return err
	}
	c.write(w, v.Request, http.StatusOK, "component", "matches", c.look(v.Context(), v.PostForm, names))
	return nil
}
