package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/route"
	"tocsin/internal/web"
)

type rulesView struct {
	shell
	Rows    []ruleRow
	Preview preview
}

type ruleRow struct {
	route.Rule
	When  []string // its conditions in words; empty: every alert
	Tells []string
	// Policy is the name of the one that is followed while nobody takes it.
	Policy string
	First  bool
	Last   bool
}

// preview answers "who would be told?" of a problem that somebody makes up.
type preview struct {
	Asked     bool
	Host      string
	Service   string
	States    []option
	Sources   []option
	Decisions []route.Decision
}

func (c *console) rules(w http.ResponseWriter, v *visit) error {
	dir, err := c.Store.Directory(v.Context())
	if err != nil {
		return err
	}
	sources, err := c.sourceNames(v)
	if err != nil {
		return err
	}
	rooms, err := c.Store.Rooms(v.Context())
	if err != nil {
		return err
	}
	hooks, err := c.Store.Hooks(v.Context())
	if err != nil {
		return err
	}
	view := rulesView{shell: c.shell(w, v, "/console/rules", "Rules")}
	for i, r := range dir.Rules {
		row := ruleRow{Rule: r, First: i == 0, Last: i == len(dir.Rules)-1}
		row.When = conditions(r, sources)
		for _, g := range dir.Groups {
			if slices.Contains(r.GroupIDs, g.ID) {
				row.Tells = append(row.Tells, g.Name)
			}
		}
		for _, k := range dir.Contacts {
			if slices.Contains(r.ContactIDs, k.ID) {
				row.Tells = append(row.Tells, contactLabel(k))
			}
		}
		for _, s := range dir.Schedules {
			if slices.Contains(r.ScheduleIDs, s.ID) {
				row.Tells = append(row.Tells, "On call: "+s.Name)
			}
		}
		for _, m := range rooms {
			if slices.Contains(r.Rooms, m.ID) {
				row.Tells = append(row.Tells, "Mattermost: "+m.Name)
			}
		}
		for _, h := range hooks {
			if slices.Contains(r.Hooks, h.ID) {
				row.Tells = append(row.Tells, "Webhook: "+h.Name)
			}
		}
		if i := slices.IndexFunc(dir.Policies, func(p escalation.Policy) bool { return p.ID == r.PolicyID }); i >= 0 {
			row.Policy = dir.Policies[i].Name
		}
		view.Rows = append(view.Rows, row)
	}
	view.Preview = c.preview(v, dir, sources)
	return c.show(w, v, "rules", view)
}

func (c *console) sourceNames(v *visit) (map[string]string, error) {
	sources, err := c.Store.Sources(v.Context())
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, s := range sources {
		m[s.ID] = s.Name
	}
	return m, nil
}

func conditions(r route.Rule, sources map[string]string) []string {
	var out []string
	add := func(word string, values []string) {
		if len(values) > 0 {
			out = append(out, word+" "+strings.Join(values, " or "))
		}
	}
	var names, states []string
	for _, id := range r.SourceIDs {
		names = append(names, sources[id])
	}
	for _, s := range r.States {
		states = append(states, stateOf(s).Word)
	}
	add("source", names)
	add("host", r.Hosts)
	add("service", r.Services)
	add("state", states)
	for _, line := range labelLines(r.Labels) {
		out = append(out, "label "+line)
	}
	return out
}

// roomOptions are the rooms of Mattermost to choose from.
func (c *console) roomOptions(v *visit, chosen []string) ([]option, error) {
	rooms, err := c.Store.Rooms(v.Context())
	if err != nil {
		return nil, err
	}
	out := make([]option, 0, len(rooms))
	for _, r := range rooms {
		title := r.Name
		if r.Disabled {
			title += " (off)"
		}
		out = append(out, option{r.ID, title, slices.Contains(chosen, r.ID)})
	}
	return out, nil
}

func (c *console) preview(v *visit, dir route.Directory, sources map[string]string) preview {
	q := v.URL.Query()
	p := preview{Host: text(q, "host"), Service: text(q, "service"), Asked: text(q, "host") != ""}
	state := alert.State(q.Get("state"))
	if !slices.Contains(problemStates(), state) {
		state = alert.Critical
	}
	for _, s := range problemStates() {
		p.States = append(p.States, option{string(s), stateOf(s).Word, s == state})
	}
	p.Sources = []option{{"", "Any source", q.Get("source") == ""}}
	for id, name := range sources {
		p.Sources = append(p.Sources, option{id, name, q.Get("source") == id})
	}
	slices.SortFunc(p.Sources[1:], func(a, b option) int { return strings.Compare(a.Title, b.Title) })
	if !p.Asked {
		return p
	}
	// A host is down where a service is critical, and the other way round.
	switch {
	case p.Service == "" && (state == alert.Critical || state == alert.Warning):
		state = alert.Down
	case p.Service == "" && state == alert.Unknown:
		state = alert.Unreachable
	case p.Service != "" && state == alert.Down:
		state = alert.Critical
	case p.Service != "" && state == alert.Unreachable:
		state = alert.Unknown
	}
	for i := range p.States {
		p.States[i].Selected = p.States[i].Value == string(state)
	}
	o := alert.Object{SourceID: q.Get("source"), Host: p.Host, Service: p.Service, State: state}
	e := alert.Event{SourceID: o.SourceID, Object: o, Type: alert.Problem, State: state, Time: v.now, Received: v.now}
	a := alert.Alert{Object: o, Status: alert.Firing, State: state, Worst: state, Since: v.now, Updated: v.now}
	p.Decisions = route.Decide(dir, route.Question{Event: e, Alert: &a, Notice: alert.NoticeProblem, Now: v.now})
	return p
}

func problemStates() []alert.State {
	return []alert.State{alert.Critical, alert.Warning, alert.Unknown, alert.Down, alert.Unreachable}
}

func (c *console) loadRule(v *visit) (route.Rule, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.Rule(v.Context(), id)
	}
	return route.Rule{Enabled: true}, nil
}

func (c *console) rule(w http.ResponseWriter, v *visit) error {
	r, err := c.loadRule(v)
	if err != nil {
		return err
	}
	return c.showRule(w, v, http.StatusOK, r, strings.Join(labelLines(r.Labels), "\n"), nil)
}

func roomsHint(rooms []option) string {
	if len(rooms) == 0 {
		return ""
	}
	return "Posted there also when the engine names contacts itself."
}

func onCallHint(schedules []option) string {
	if len(schedules) == 0 {
		return ""
	}
	return "Whoever has the shift at that moment. Quiet hours do not keep it from them."
}

// hookOptions are the webhooks to choose from.
func (c *console) hookOptions(v *visit, chosen func(id string) bool) ([]option, error) {
	hooks, err := c.Store.Hooks(v.Context())
	if err != nil {
		return nil, err
	}
	out := make([]option, 0, len(hooks))
	for _, h := range hooks {
		title := h.Name
		if h.Disabled {
			title += " (off)"
		}
		out = append(out, option{h.ID, title, chosen(h.ID)})
	}
	return out, nil
}

func channelOptions(chosen []string) []option {
	var out []option
	for _, name := range route.Channels() {
		out = append(out, option{name, channelWord(name), slices.Contains(chosen, name)})
	}
	return out
}

func labelLines(labels map[string]string) []string {
	var out []string
	for k, g := range labels {
		out = append(out, k+"="+g)
	}
	slices.Sort(out)
	return out
}

// showRule draws the form of a rule; labels is the text of that field and why
// the error that refused it.
func (c *console) showRule(w http.ResponseWriter, v *visit, status int, r route.Rule, labels string, why error) error {
	dir, err := c.Store.Directory(v.Context())
	if err != nil {
		return err
	}
	names, err := c.sourceNames(v)
	if err != nil {
		return err
	}
	rooms, err := c.roomOptions(v, r.Rooms)
	if err != nil {
		return err
	}
	hooks, err := c.hookOptions(v, func(id string) bool { return slices.Contains(r.Hooks, id) })
	if err != nil {
		return err
	}
	var sources, states, groups, schedules []option
	for id, name := range names {
		sources = append(sources, option{id, name, slices.Contains(r.SourceIDs, id)})
	}
	slices.SortFunc(sources, func(a, b option) int { return strings.Compare(a.Title, b.Title) })
	for _, s := range problemStates() {
		states = append(states, option{string(s), stateOf(s).Word, slices.Contains(r.States, s)})
	}
	for _, g := range dir.Groups {
		groups = append(groups, option{g.ID, g.Name, slices.Contains(r.GroupIDs, g.ID)})
	}
	for _, s := range dir.Schedules {
		schedules = append(schedules, option{s.ID, s.Name, slices.Contains(r.ScheduleIDs, s.ID)})
	}
	policies := []option{{"", "Nothing more", r.PolicyID == ""}}
	for _, p := range dir.Policies {
		policies = append(policies, option{p.ID, p.Name, r.PolicyID == p.ID})
	}
	id, heading := v.PathValue("id"), "New rule"
	f := form{
		Action: "/console/rules/" + id, Submit: "Save rule", Cancel: "/console/rules", Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: r.Name, Required: true, Half: true},
				{Name: "enabled", Label: "The rule is on", Kind: "checkbox", Checked: r.Enabled, Half: true},
			}},
			{Title: "Fits alerts of", Hint: "Everything that is given must fit; what is left empty fits everything. Patterns may have * and ?, capitals do not matter.", Fields: []field{
				{Name: "source_ids", Label: "Sources", Kind: "checks", Options: sources, Empty: "There are no sources yet."},
				{Name: "hosts", Label: "Hosts", Kind: "textarea", Value: strings.Join(r.Hosts, "\n"), Rows: 3, Mono: true, Half: true, Hint: "One pattern a line: web*"},
				{Name: "services", Label: "Services", Kind: "textarea", Value: strings.Join(r.Services, "\n"), Rows: 3, Mono: true, Half: true, Hint: "One pattern a line. With one given, alerts of hosts themselves do not fit."},
				{Name: "states", Label: "States", Kind: "checks", Options: states},
				{Name: "labels", Label: "Labels", Kind: "textarea", Value: labels, Rows: 2, Mono: true, Hint: "One a line: team=storage*"},
			}},
			{Title: "Tells", Fields: []field{
				{Name: "group_ids", Label: "Groups", Kind: "checks", Options: groups, Empty: "There are no groups yet."},
				{Name: "contact_ids", Label: "Contacts", Kind: "checks", Options: contactOptions(dir.Contacts, r.ContactIDs), Empty: "There are no contacts yet. Add some, then come back."},
				{Name: "schedule_ids", Label: "Who is on call in", Kind: "checks", Options: schedules, Empty: "There are no schedules yet: see On call.", Hint: onCallHint(schedules)},
				{Name: "rooms", Label: "Rooms of Mattermost", Kind: "checks", Options: rooms, Empty: "There are no rooms yet: see Mattermost.", Hint: roomsHint(rooms)},
				{Name: "hooks", Label: "Webhooks", Kind: "checks", Options: hooks, Empty: "There are no webhooks yet: see Webhooks.", Hint: roomsHint(hooks)},
				{Name: "channels", Label: "Only by", Kind: "checks", Options: channelOptions(r.Channels), Hint: "Of the contacts, groups and schedules above. None ticked: by every channel that the contact has."},
				{Name: "stop", Label: "Stop here: rules below this one are not looked at when it fits", Kind: "checkbox", Checked: r.Stop},
			}},
			{Title: "When nobody takes it", Fields: []field{
				{Name: "policy_id", Label: "Then", Kind: "select", Options: policies, Half: true,
					Hint: "An escalation policy. Of several rules that fit, the first that names one counts, also when the engine names contacts itself."},
			}},
		},
	}
	if id != "new" {
		heading, f.Delete = r.Name, "/console/rules/"+id+"/delete"
	}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/rules", heading), Heading: heading,
		Intro: "Which contacts and rooms hear of which alerts. Contacts are chosen when the engine itself names nobody.", Form: f})
}

// lines are the lines of a text that are not empty; commas divide as well.
func lines(s string) []string {
	out := []string{}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func readRule(r route.Rule, in url.Values) (route.Rule, error) {
	r.Name, r.Enabled, r.Stop = text(in, "name"), in.Get("enabled") != "", in.Get("stop") != ""
	r.SourceIDs, r.GroupIDs, r.ContactIDs, r.Channels = chosen(in, "source_ids"), chosen(in, "group_ids"), chosen(in, "contact_ids"), chosen(in, "channels")
	r.Rooms, r.Hooks, r.ScheduleIDs, r.PolicyID = chosen(in, "rooms"), chosen(in, "hooks"), chosen(in, "schedule_ids"), in.Get("policy_id")
	r.Hosts, r.Services = lines(in.Get("hosts")), lines(in.Get("services"))
	r.States = []alert.State{}
	for _, s := range chosen(in, "states") {
		r.States = append(r.States, alert.State(s))
	}
	r.Labels = map[string]string{}
	for i, line := range lines(in.Get("labels")) {
		name, glob, ok := strings.Cut(line, "=")
		name, glob = strings.TrimSpace(name), strings.TrimSpace(glob)
		if !ok || name == "" {
			return r, &contact.FieldError{Field: "labels", Problem: "line " + strconv.Itoa(i+1) + " is “" + line + "”", Mend: "write name=pattern, as in team=storage*"}
		}
		r.Labels[name] = glob
	}
	return r, nil
}

func (c *console) saveRule(w http.ResponseWriter, v *visit) error {
	r, err := c.loadRule(v)
	if err != nil {
		return err
	}
	if r, err = readRule(r, v.PostForm); err == nil {
		err = web.CheckRule(v.Context(), c.Store, r)
	}
	if err == nil && r.ID == "" {
		var all []route.Rule
		if all, err = c.Store.Rules(v.Context()); err != nil {
			return err
		}
		r.ID = c.NewID()
		for _, x := range all {
			r.Position = max(r.Position, x.Position+1)
		}
	}
	if err == nil {
		err = c.Store.SaveRule(v.Context(), r)
	}
	if err != nil {
		return c.showRule(w, v, http.StatusUnprocessableEntity, r, v.PostForm.Get("labels"), err)
	}
	return done(w, v, "/console/rules", "Saved the rule “"+r.Name+"”. It is in force with the next event.")
}

// moveRule changes places with the neighbour above or below.
func (c *console) moveRule(w http.ResponseWriter, v *visit) error {
	all, err := c.Store.Rules(v.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(r route.Rule) bool { return r.ID == v.PathValue("id") })
	j := i + 1
	if v.PostFormValue("way") == "up" {
		j = i - 1
	}
	if i < 0 || j < 0 || j >= len(all) {
		http.Redirect(w, v.Request, "/console/rules", http.StatusSeeOther)
		return nil
	}
	all[i], all[j] = all[j], all[i]
	for n, r := range all {
		if r.Position == n {
			continue
		}
		r.Position = n
		if err := c.Store.SaveRule(v.Context(), r); err != nil {
			return err
		}
	}
	return done(w, v, "/console/rules", "Moved the rule “"+all[j].Name+"”.")
}

func (c *console) switchRule(w http.ResponseWriter, v *visit) error {
	r, err := c.Store.Rule(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	r.Enabled = v.PostFormValue("on") != ""
	if err := c.Store.SaveRule(v.Context(), r); err != nil {
		return err
	}
	word := "off"
	if r.Enabled {
		word = "on"
	}
	return done(w, v, "/console/rules", "The rule “"+r.Name+"” is "+word+".")
}

func (c *console) askDeleteRule(w http.ResponseWriter, v *visit) error {
	r, err := c.Store.Rule(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.confirm(w, v, "/console/rules", confirmView{Heading: "Delete the rule “" + r.Name + "”?",
		Effects: []string{"Contacts that only this rule chose are not told of new alerts any more.", "Its contacts and groups stay."},
		Action:  "/console/rules/" + r.ID + "/delete", Back: "/console/rules/" + r.ID, Button: "Delete rule"})
}

func (c *console) deleteRule(w http.ResponseWriter, v *visit) error {
	return c.deleted(w, v, c.Store.DeleteRule(v.Context(), v.PathValue("id")), "/console/rules", "The rule is deleted.", "The rule is in use.")
}
