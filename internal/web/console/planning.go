package console

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/hook"
	"tocsin/internal/oncall"
	"tocsin/internal/publish"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

// Where the pages are of who is told when nobody answers, of when nobody is, and of
// webhooks.
const (
	onCallPath    = "/console/on-call"
	overridePath  = onCallPath + "/override"
	calendarPath  = onCallPath + "/calendar"
	schedulesPath = "/console/schedules"
	policiesPath  = "/console/policies"
	windowsPath   = "/console/windows"
	webhooksPath  = "/console/webhooks"
)

// Windows changes maintenance windows and what visitors see of them;
// *web.WindowDesk is one.
type Windows interface {
	Save(ctx context.Context, who publish.Who, w window.Window) (window.Window, error)
	Delete(ctx context.Context, who publish.Who, id string) error
}

func (c *console) planningRoutes() []routing {
	return slices.Concat(c.onCallRoutes(), c.scheduleRoutes(), c.policyRoutes(), c.windowRoutes(), c.webhookRoutes())
}

// numbered are parts of a form of which there may be several: bindings, layers,
// steps. The fields of each are called by its number, "b0_hosts", and a hidden field
// lists the numbers in their order.
type numbered struct {
	hidden, prefix string
	most           int
}

// name is what a field of a part is called.
func (p numbered) name(n int, field string) string { return p.prefix + strconv.Itoa(n) + "_" + field }

// list are the numbers of a form's parts, in their order.
func (p numbered) list(in url.Values) (list []int) {
	for _, s := range in[p.hidden] {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 1000 && !slices.Contains(list, n) {
			list = append(list, n)
		}
		if len(list) > p.most {
			break // one more than there can be, so that it is refused
		}
	}
	return list
}

// again is a form whose parts are called from 0 on, in their order: some may have
// been moved or removed.
func (p numbered) again(in url.Values) url.Values {
	out := url.Values{}
	numbers := p.list(in)
	for key, values := range in {
		number, name, ok := strings.Cut(strings.TrimPrefix(key, p.prefix), "_")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || !strings.HasPrefix(key, p.prefix) {
			if key != p.hidden {
				out[key] = values
			}
			continue
		}
		if at := slices.Index(numbers, n); at >= 0 {
			out[p.name(at, name)] = values
		}
	}
	for i := range numbers {
		out.Add(p.hidden, strconv.Itoa(i))
	}
	return out
}

// do changes the parts as a button asks: "up 1", "down 1", "remove 1", "add"; fresh
// puts a new one into the form under a number. What it does not know changes nothing.
func (p numbered) do(in url.Values, what string, fresh func(in url.Values, n int)) url.Values {
	verb, rest, _ := strings.Cut(what, " ")
	numbers := p.list(in)
	n, err := strconv.Atoi(rest)
	at := slices.Index(numbers, n)
	switch {
	case verb == "add" && len(numbers) < p.most:
		n = 0
		for _, x := range numbers {
			n = max(n, x+1)
		}
		fresh(in, n)
		numbers = append(numbers, n)
	case err != nil || at < 0:
	case verb == "remove":
		numbers = slices.Delete(numbers, at, at+1)
	case verb == "up" && at > 0:
		numbers[at-1], numbers[at] = numbers[at], numbers[at-1]
	case verb == "down" && at+1 < len(numbers):
		numbers[at+1], numbers[at] = numbers[at], numbers[at+1]
	}
	in.Del(p.hidden)
	for _, n := range numbers {
		in.Add(p.hidden, strconv.Itoa(n))
	}
	return p.again(in)
}

// partDo is what moves a part of a form, and takes it away.
type partDo struct {
	Number        int
	Action, Title string
	First, Last   bool
}

func partOf(number int, action, title string, first, last bool) partDo {
	return partDo{Number: number, Action: action, Title: title, First: first, Last: last}
}

// places are all that can be told, to choose from and to name.
type places struct {
	contacts  []contact.Contact
	groups    []contact.Group
	schedules []oncall.Schedule
	rooms     []chat.Room
	hooks     []hook.Hook
}

func (c *console) places(v *visit) (p places, err error) {
	ctx := v.Context()
	if p.contacts, err = c.Store.Contacts(ctx); err != nil {
		return p, err
	}
	if p.groups, err = c.Store.Groups(ctx); err != nil {
		return p, err
	}
	if p.schedules, err = c.Store.Schedules(ctx); err != nil {
		return p, err
	}
	if p.rooms, err = c.Store.Rooms(ctx); err != nil {
		return p, err
	}
	p.hooks, err = c.Store.Hooks(ctx)
	return p, err
}

// person is a contact's name; of one that is gone it says so.
func (p places) person(id string) string {
	for _, k := range p.contacts {
		if k.ID == id {
			return contactLabel(k)
		}
	}
	return "somebody who is no contact any more"
}

// Kinds of places as a form's values begin with them: "group:ID".
const (
	toContact  = "contact"
	toGroup    = "group"
	toSchedule = "schedule"
	toRoom     = "room"
	toHook     = "hook"
)

// choose are all places, those first that most will want.
func (p places) choose(chosen []string) []optionGroup {
	var out []optionGroup
	add := func(title, kind, id, name string) {
		if n := len(out); n == 0 || out[n-1].Title != title {
			out = append(out, optionGroup{Title: title})
		}
		g, value := &out[len(out)-1], kind+":"+id
		g.Options = append(g.Options, option{value, name, slices.Contains(chosen, value)})
	}
	for _, x := range p.schedules {
		add("Who is on call in", toSchedule, x.ID, x.Name)
	}
	for _, x := range p.groups {
		add("Groups", toGroup, x.ID, x.Name)
	}
	for _, x := range p.contacts {
		add("Contacts", toContact, x.ID, contactLabel(x))
	}
	for _, x := range p.rooms {
		add("Rooms of Mattermost", toRoom, x.ID, x.Name)
	}
	for _, x := range p.hooks {
		add("Webhooks", toHook, x.ID, x.Name)
	}
	return out
}

// ofKind are the ids of the values of one kind.
func ofKind(values []string, kind string) []string {
	out := []string{}
	for _, v := range values {
		if id, ok := strings.CutPrefix(v, kind+":"); ok && id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// told says in words whom a step leads to: "who is on call in “Night”".
func (p places) told(s *escalation.Step) []string {
	var out []string
	for _, x := range p.schedules {
		if slices.Contains(s.ScheduleIDs, x.ID) {
			out = append(out, "who is on call in “"+x.Name+"”")
		}
	}
	for _, x := range p.groups {
		if slices.Contains(s.GroupIDs, x.ID) {
			out = append(out, "the group “"+x.Name+"”")
		}
	}
	for _, x := range p.contacts {
		if slices.Contains(s.ContactIDs, x.ID) {
			out = append(out, contactLabel(x))
		}
	}
	for _, x := range p.rooms {
		if slices.Contains(s.Rooms, x.ID) {
			out = append(out, "the room “"+x.Name+"”")
		}
	}
	for _, x := range p.hooks {
		if slices.Contains(s.Hooks, x.ID) {
			out = append(out, "the webhook “"+x.Name+"”")
		}
	}
	return out
}

// use is something that names another thing.
type use struct{ What, Path string }

// uses are the rules, groups, policies and contacts for which a test answers yes; a
// test that is nil is not asked.
type uses struct {
	rule    func(*route.Rule) bool
	group   func(*contact.Group) bool
	policy  func(*escalation.Policy) bool
	contact func(*contact.Contact) bool
}

func (c *console) usesOf(v *visit, u uses) ([]use, error) {
	var out []use
	if u.rule != nil {
		all, err := c.Store.Rules(v.Context())
		if err != nil {
			return nil, err
		}
		for i := range all {
			if u.rule(&all[i]) {
				out = append(out, use{"the rule “" + all[i].Name + "”", "/console/rules/" + all[i].ID})
			}
		}
	}
	if u.group != nil {
		all, err := c.Store.Groups(v.Context())
		if err != nil {
			return nil, err
		}
		for i := range all {
			if u.group(&all[i]) {
				out = append(out, use{"the group “" + all[i].Name + "”", "/console/groups/" + all[i].ID})
			}
		}
	}
	if u.policy != nil {
		all, err := c.Store.Policies(v.Context())
		if err != nil {
			return nil, err
		}
		for i := range all {
			if u.policy(&all[i]) {
				out = append(out, use{"the escalation policy “" + all[i].Name + "”", policiesPath + "/" + all[i].ID})
			}
		}
	}
	if u.contact != nil {
		all, err := c.Store.Contacts(v.Context())
		if err != nil {
			return nil, err
		}
		for i := range all {
			if u.contact(&all[i]) {
				out = append(out, use{"the contact " + contactLabel(all[i]), "/console/contacts/" + all[i].ID})
			}
		}
	}
	return out, nil
}

// inUse is why something cannot be deleted while others name it; empty if none does.
func inUse(all []use) string {
	if len(all) == 0 {
		return ""
	}
	var words []string
	for i, u := range all {
		if i == 5 {
			words = append(words, "others")
			break
		}
		words = append(words, u.What)
	}
	return "It is named by " + listed(words) + ". Take it out there first."
}
