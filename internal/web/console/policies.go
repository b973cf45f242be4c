package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/web"
)

func (c *console) policyRoutes() []routing {
	return []routing{
		{"GET " + policiesPath, auth.ReadConfig, c.policies},
		{"GET " + policiesPath + "/{id}", auth.ReadConfig, c.policy},
		{"POST " + policiesPath + "/{id}", auth.WriteConfig, c.savePolicy},
		{"POST " + policiesPath + "/{id}/check", auth.WriteConfig, c.checkPolicy},
		{"POST " + policiesPath + "/{id}/steps", auth.WriteConfig, c.changeSteps},
		{"GET " + policiesPath + "/{id}/delete", auth.WriteConfig, c.askDeletePolicy},
		{"POST " + policiesPath + "/{id}/delete", auth.WriteConfig, c.deletePolicy},
	}
}

type policiesView struct {
	shell
	Rows []policyRow
}

type policyRow struct {
	escalation.Policy
	Does policyMeans
	Used []use
}

// policyMeans says in sentences what a policy does.
type policyMeans struct {
	Problem string
	Steps   []stepMeans
	Then    string // at the end of the list
	Remind  string
	Stops   string
}

type stepMeans struct {
	At   string // "After 15 minutes"
	Who  string
	Gone bool // nobody is left
}

func (c *console) policies(w http.ResponseWriter, v *visit) error {
	all, err := c.Store.Policies(v.Context())
	if err != nil {
		return err
	}
	names, err := c.places(v)
	if err != nil {
		return err
	}
	view := policiesView{shell: c.shell(w, v, policiesPath, "Escalation")}
	for _, p := range all {
		row := policyRow{Policy: p, Does: meansOfPolicy(&p, names)}
		if row.Used, err = c.usesOfPolicy(v, p.ID); err != nil {
			return err
		}
		view.Rows = append(view.Rows, row)
	}
	return c.show(w, v, "policies", view)
}

func (c *console) usesOfPolicy(v *visit, id string) ([]use, error) {
	return c.usesOf(v, uses{rule: func(r *route.Rule) bool { return r.PolicyID == id }})
}

// inMinutes is a number of minutes in words: "15 minutes", "1 h 30 min".
func inMinutes(n int) string { return lasts(time.Duration(n) * time.Minute) }

func meansOfPolicy(p *escalation.Policy, names places) policyMeans {
	var m policyMeans
	total := 0
	for _, s := range p.Steps {
		total += s.After
		who := names.told(&s)
		line := stepMeans{At: "After " + inMinutes(total), Who: listed(who), Gone: len(who) == 0}
		if line.Gone {
			line.Who = "nobody: choose whom"
		}
		if len(s.Channels) > 0 && len(s.ContactIDs)+len(s.GroupIDs)+len(s.ScheduleIDs) > 0 {
			var by []string
			for _, ch := range s.Channels {
				by = append(by, channelWord(ch))
			}
			line.Who += ", by " + listed(by) + " only"
		}
		m.Steps = append(m.Steps, line)
	}
	switch rounds := max(1, p.Rounds); {
	case len(p.Steps) == 0:
	case rounds == 2:
		m.Then = "Then all of it once more."
	case rounds > 2:
		m.Then = fmt.Sprintf("Then from the beginning, %d times in all.", rounds)
	}
	if p.Remind > 0 {
		every := map[int]string{1: "minute", 60: "hour"}[p.Remind]
		if every == "" {
			every = inMinutes(p.Remind)
		}
		m.Remind = "Whoever was told is reminded every " + every + "."
	}
	if len(p.Steps) > 0 || p.Remind > 0 {
		m.Stops = "An acknowledgement or the recovery stops it. When an acknowledgement ends before the problem does, it begins anew."
	}
	return m
}

// stepParts are the steps of a policy's form.
var stepParts = numbered{hidden: "step", prefix: "s", most: escalation.MaxSteps}

type policyFormView struct {
	shell
	Heading string
	New     bool
	Form    form
	Steps   []stepView
	Means   policyMeans
	Used    []use
	Many    bool
}

type stepView struct {
	Number      int
	Title       string
	Fields      []field
	First, Last bool
}

func policyTexts(p *escalation.Policy) url.Values {
	in := url.Values{"name": {p.Name}, "rounds": {strconv.Itoa(max(1, p.Rounds))}, "remind_minutes": {strconv.Itoa(p.Remind)}}
	for n := range p.Steps {
		in.Add(stepParts.hidden, strconv.Itoa(n))
		stepTexts(in, n, &p.Steps[n])
	}
	return in
}

func stepTexts(in url.Values, n int, s *escalation.Step) {
	in.Set(stepParts.name(n, "after"), strconv.Itoa(s.After))
	in[stepParts.name(n, "channels")] = s.Channels
	var who []string
	for _, l := range []struct {
		kind string
		ids  []string
	}{{toContact, s.ContactIDs}, {toGroup, s.GroupIDs}, {toSchedule, s.ScheduleIDs}, {toRoom, s.Rooms}, {toHook, s.Hooks}} {
		for _, id := range l.ids {
			who = append(who, l.kind+":"+id)
		}
	}
	in[stepParts.name(n, "who")] = who
}

// readPolicy puts what a form says into a policy; what it could read is in it also
// when it answers an error.
func readPolicy(have escalation.Policy, in url.Values) (escalation.Policy, error) {
	p := have
	p.Name, p.Steps = text(in, "name"), nil
	var first error
	number := func(name, field string, empty int) int {
		s := text(in, name)
		if s == "" {
			return empty
		}
		n, err := strconv.Atoi(s)
		if err != nil && first == nil {
			first = &contact.FieldError{Field: field, Problem: "“" + s + "” is no whole number", Mend: "write one, such as 15"}
		}
		return n
	}
	p.Remind = number("remind_minutes", "remind_minutes", 0)
	if p.Rounds = number("rounds", "rounds", 1); p.Rounds == 1 {
		p.Rounds = 0
	}
	for i, n := range stepParts.list(in) {
		who := in[stepParts.name(n, "who")]
		p.Steps = append(p.Steps, escalation.Step{
			After:      number(stepParts.name(n, "after"), fmt.Sprintf("steps[%d].after_minutes", i), 0),
			ContactIDs: ofKind(who, toContact), GroupIDs: ofKind(who, toGroup), ScheduleIDs: ofKind(who, toSchedule), Rooms: ofKind(who, toRoom), Hooks: ofKind(who, toHook),
			Channels: chosen(in, stepParts.name(n, "channels")),
		})
	}
	return p, first
}

func (c *console) loadPolicy(v *visit) (escalation.Policy, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Policy(v.Context(), id)
	}
	return escalation.Policy{Steps: []escalation.Step{{After: 15}}}, nil
}

func (c *console) policy(w http.ResponseWriter, v *visit) error {
	p, err := c.loadPolicy(v)
	if err != nil {
		return err
	}
	return c.showPolicy(w, v, http.StatusOK, p, policyTexts(&p), nil)
}

func (c *console) checkPolicy(w http.ResponseWriter, v *visit) error {
	p, err := c.loadPolicy(v)
	if err != nil {
		return err
	}
	return c.showPolicy(w, v, http.StatusOK, p, v.PostForm, nil)
}

// changeSteps draws the form anew with a step more, less or elsewhere. It keeps
// nothing.
func (c *console) changeSteps(w http.ResponseWriter, v *visit) error {
	p, err := c.loadPolicy(v)
	if err != nil {
		return err
	}
	in := stepParts.do(v.PostForm, v.PostFormValue("do"), func(in url.Values, n int) {
		stepTexts(in, n, &escalation.Step{After: 15})
	})
	return c.showPolicy(w, v, http.StatusOK, p, in, nil)
}

func (c *console) savePolicy(w http.ResponseWriter, v *visit) error {
	have, err := c.loadPolicy(v)
	if err != nil {
		return err
	}
	p, err := readPolicy(have, v.PostForm)
	if err == nil {
		err = web.CheckPolicy(v.Context(), c.Store, p)
	}
	if err == nil {
		if p.ID == "" {
			p.ID = c.NewID()
		}
		err = c.Store.SavePolicy(v.Context(), p)
	}
	if err != nil {
		return c.showPolicy(w, v, http.StatusUnprocessableEntity, have, stepParts.again(v.PostForm), err)
	}
	used, err := c.usesOfPolicy(v, p.ID)
	if err != nil {
		return err
	}
	said := "Saved “" + p.Name + "”."
	if len(used) == 0 {
		said += " Now choose it in a rule: it works for the alerts that the rule fits."
	}
	return done(w, v, policiesPath, said)
}

func (c *console) showPolicy(w http.ResponseWriter, v *visit, code int, have escalation.Policy, in url.Values, why error) error {
	names, err := c.places(v)
	if err != nil {
		return err
	}
	id := v.PathValue("id")
	base := policiesPath + "/" + id
	view := policyFormView{Heading: "New escalation policy", New: id == "new"}
	f := form{Action: base, Check: base + "/check", Submit: "Save policy", Cancel: policiesPath, Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Auto: "off", Sample: "Night", Hint: "What rules call it."},
			}},
			{Title: "At the end, and meanwhile", Fields: []field{
				{Name: "rounds", Label: "Goes through the steps", Kind: "number", Value: in.Get("rounds"), Min: "1", Max: strconv.Itoa(escalation.MaxRounds), Half: true, Hint: "So often in all; 1 is once."},
				{Name: "remind_minutes", Label: "Minutes between reminders", Kind: "number", Value: in.Get("remind_minutes"), Min: "0", Max: strconv.Itoa(escalation.Longest), Half: true, Hint: "For whoever was told already. 0 is never."},
			}},
		}}
	if f.Locked {
		f.Check = ""
	}
	if !view.New {
		view.Heading, f.Delete = have.Name, base+"/delete"
		if view.Used, err = c.usesOfPolicy(v, have.ID); err != nil {
			return err
		}
	}
	numbers := stepParts.list(in)
	for i, n := range numbers {
		view.Steps = append(view.Steps, drawStep(in, n, i, len(numbers), names))
	}
	view.Many = len(numbers) >= escalation.MaxSteps
	p, bad := readPolicy(have, in)
	view.Means = meansOfPolicy(&p, names)
	var fe *contact.FieldError
	if errors.As(bad, &fe) {
		view.Means = policyMeans{Problem: sentence(fe.Problem) + " " + sentence(fe.Mend)}
	}
	if why != nil && (!errors.As(why, &fe) || !view.blame(fe)) && !f.refused(why) {
		return why
	}
	view.Form, view.shell = f, c.shell(w, v, policiesPath, view.Heading)
	c.write(w, v.Request, code, "policy", "shell", view)
	return nil
}

// blame puts a problem to the field of the step that it names, and says whether there
// is one.
func (view *policyFormView) blame(fe *contact.FieldError) bool {
	rest, ok := strings.CutPrefix(fe.Field, "steps[")
	place, rest, ok2 := strings.Cut(rest, "]")
	n, err := strconv.Atoi(place)
	if !ok || !ok2 || err != nil || n < 0 || n >= len(view.Steps) {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), "[")
	s := &view.Steps[n]
	switch name {
	case "after_minutes":
		name = "after"
	case "channels":
	default:
		name = "who"
	}
	for i := range s.Fields {
		if s.Fields[i].Name == stepParts.name(s.Number, name) {
			s.Fields[i].Problem, s.Fields[i].Mend = sentence(fe.Problem), sentence(fe.Mend)
			return true
		}
	}
	return false
}

func drawStep(in url.Values, n, at, of int, names places) stepView {
	name := func(s string) string { return stepParts.name(n, s) }
	after := "Minutes after the beginning without an acknowledgement"
	if at > 0 {
		after = "Minutes after the step before"
	}
	return stepView{Number: n, Title: "Step " + strconv.Itoa(at+1), First: at == 0, Last: at == of-1, Fields: []field{
		{Name: name("after"), Label: after, Kind: "number", Value: in.Get(name("after")), Min: "1", Max: strconv.Itoa(escalation.Longest), Half: true},
		{Name: name("who"), Label: "Tells", Kind: "parts", Groups: names.choose(in[name("who")]), Empty: "There is nobody to tell yet. Add contacts, then come back."},
		{Name: name("channels"), Label: "Only by", Kind: "checks", Options: channelOptions(in[name("channels")]), Hint: "None ticked: by every channel that a contact has."},
	}}
}

func (c *console) askDeletePolicy(w http.ResponseWriter, v *visit) error {
	p, err := c.Store.Policy(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	used, err := c.usesOfPolicy(v, p.ID)
	if err != nil {
		return err
	}
	return c.confirm(w, v, policiesPath, confirmView{Heading: "Delete the escalation policy “" + p.Name + "”?", Action: policiesPath + "/" + p.ID + "/delete", Back: policiesPath + "/" + p.ID,
		Button: "Delete policy", Refused: inUse(used), Effects: []string{"Alerts that it goes through now go no further.", "What was told because of it stays in the timelines."}})
}

func (c *console) deletePolicy(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeletePolicy(v.Context(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, policiesPath, "The escalation policy is deleted.", "A rule names the policy. Take it out there first.")
}
