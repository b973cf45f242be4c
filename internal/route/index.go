package route

import (
	"maps"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
)

// index is a Directory made ready for many decisions: everything can be looked
// up, globs are prepared, and rules that name their hosts outright are found by
// the host instead of being tried one by one.
type index struct {
	contacts   map[string]int // by id; the number is the place in Directory.Contacts
	names      map[string]int // by name
	lowerNames map[string]int // by name in lower case
	engineIDs  map[string][]int
	devices    [][]Device // by place in Directory.Contacts; nil when Web Push reaches nobody
	schedules  map[string]*contact.Schedule
	periods    map[string]string // id to name
	rules      []preparedRule    // enabled ones, in order
	byHost     map[string][]int  // literal host in lower case to places in rules, ascending
	rooms      map[string]int    // by id to places in Directory.Rooms; nil when there are none
	everything []int             // places of the rooms that get everything
	roomRules  bool              // some rule names rooms
	anyHost    []int             // places of the rules that must be tried for each host, ascending
}

type preparedRule struct {
	*Rule
	hosts    []glob
	services []glob
	labels   []labelGlob // in order of name
	people   []person
}

type labelGlob struct {
	name  string
	value glob
}

// person is a contact that a rule leads to; group is the name of the group that
// it is in, empty if the rule names it itself.
type person struct {
	contact int
	group   string
}

// Indexed is the directory made ready for many decisions. Without it Decide
// does this work at each call. Do it once for each snapshot.
func (d Directory) Indexed() Directory {
	if d.index != nil {
		return d
	}
	x := &index{
		contacts: map[string]int{}, names: map[string]int{}, lowerNames: map[string]int{}, engineIDs: map[string][]int{},
		schedules: map[string]*contact.Schedule{}, periods: map[string]string{}, byHost: map[string][]int{},
	}
	for i, c := range d.Contacts {
		x.contacts[c.ID] = i
		x.names[c.Name] = i
		if _, taken := x.lowerNames[strings.ToLower(c.Name)]; !taken {
			x.lowerNames[strings.ToLower(c.Name)] = i
		}
		if c.EngineUserID != "" {
			x.engineIDs[c.EngineUserID] = append(x.engineIDs[c.EngineUserID], i)
		}
	}
	if d.WebPush && len(d.Devices) > 0 {
		x.devices = make([][]Device, len(d.Contacts))
		for i := range d.Contacts {
			if id := d.Contacts[i].UserID; id != "" {
				x.devices[i] = d.Devices[id]
			}
		}
	}
	if d.Chat && len(d.Rooms) > 0 {
		x.rooms = make(map[string]int, len(d.Rooms))
		for i := range d.Rooms {
			x.rooms[d.Rooms[i].ID] = i
			if d.Rooms[i].Everything {
				x.everything = append(x.everything, i)
			}
		}
	}
	for _, p := range d.Periods {
		// A period that cannot be read keeps nobody from an alert.
		if s, err := p.Schedule(); err == nil {
			x.schedules[p.ID] = s
			x.periods[p.ID] = p.Name
		}
	}
	groups := make(map[string]*contact.Group, len(d.Groups))
	for i := range d.Groups {
		groups[d.Groups[i].ID] = &d.Groups[i]
	}
	for i := range d.Rules {
		if d.Rules[i].Enabled {
			x.add(&d.Rules[i], groups)
		}
	}
	d.index = x
	return d
}

func (x *index) add(r *Rule, groups map[string]*contact.Group) {
	p := preparedRule{Rule: r}
	literal := len(r.Hosts) > 0
	for _, h := range r.Hosts {
		g := newGlob(h)
		p.hosts = append(p.hosts, g)
		literal = literal && g.literal
	}
	for _, s := range r.Services {
		p.services = append(p.services, newGlob(s))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		p.labels = append(p.labels, labelGlob{name, newGlob(r.Labels[name])})
	}
	p.people = x.people(r, groups)
	x.roomRules = x.roomRules || len(r.Rooms) > 0
	place := len(x.rules)
	x.rules = append(x.rules, p)
	if !literal {
		x.anyHost = append(x.anyHost, place)
		return
	}
	for _, g := range p.hosts {
		if at := x.byHost[g.pattern]; len(at) == 0 || at[len(at)-1] != place {
			x.byHost[g.pattern] = append(at, place)
		}
	}
}

// people are the contacts of a rule and then those of its groups, each once.
func (x *index) people(r *Rule, groups map[string]*contact.Group) []person {
	var out []person
	seen := map[int]bool{}
	add := func(id, group string) {
		if i, ok := x.contacts[id]; ok && !seen[i] {
			seen[i] = true
			out = append(out, person{i, group})
		}
	}
	for _, id := range r.ContactIDs {
		add(id, "")
	}
	for _, id := range r.GroupIDs {
		if g := groups[id]; g != nil {
			for _, member := range g.ContactIDs {
				add(member, g.Name)
			}
		}
	}
	return out
}

// Contact finds a contact by its id.
func (d Directory) Contact(id string) (contact.Contact, bool) {
	i, ok := d.Indexed().index.contacts[id]
	if !ok {
		return contact.Contact{}, false
	}
	return d.Contacts[i], true
}

// Pushes says whether Web Push can reach anybody at all.
func (d Directory) Pushes() bool { return d.WebPush && len(d.Devices) > 0 }

// Reaches says whether Web Push may be used for this device of the user.
func (d Directory) Reaches(userID, deviceID string) bool {
	return d.WebPush && d.Users[userID] && slices.ContainsFunc(d.Devices[userID], func(v Device) bool { return v.ID == deviceID })
}

// Chats says whether Mattermost can reach anybody at all.
func (d Directory) Chats() bool { return d.Chat && (len(d.Rooms) > 0 || len(d.Direct) > 0) }

// ReachesRoom says whether Mattermost may be used for this destination.
func (d Directory) ReachesRoom(destination string) bool {
	if !d.Chat {
		return false
	}
	if user, direct := chat.DirectUser(destination); direct {
		for _, known := range d.Direct {
			if known == user {
				return true
			}
		}
		return false
	}
	_, ok := d.Room(destination)
	return ok
}

// Room finds a room of Mattermost by its id.
func (d Directory) Room(id string) (Room, bool) {
	if d.index != nil {
		i, ok := d.index.rooms[id]
		if !ok {
			return Room{}, false
		}
		return d.Rooms[i], true
	}
	i := slices.IndexFunc(d.Rooms, func(r Room) bool { return r.ID == id })
	if i < 0 {
		return Room{}, false
	}
	return d.Rooms[i], true
}

// named finds a contact by the engine's name of it: as written, else without
// regard to case.
func (x *index) named(name string) (int, bool) {
	if i, ok := x.names[name]; ok {
		return i, true
	}
	i, ok := x.lowerNames[strings.ToLower(strings.TrimSpace(name))]
	return i, ok
}

// facts is what rules are compared with.
type facts struct {
	source                string
	host, hostShown       string // in lower case
	service, serviceShown string // in lower case
	isHost                bool
	state                 alert.State
	labels                map[string]string
}

// fitting calls yield with each rule that fits, in order, until one that fits
// says Stop.
func (x *index) fitting(f *facts, yield func(*preparedRule)) {
	lists := [][]int{x.anyHost, x.byHost[f.host], nil}
	if f.hostShown != f.host {
		lists[2] = x.byHost[f.hostShown]
	}
	for last := -1; ; {
		next := -1
		for i, l := range lists {
			for len(l) > 0 && l[0] <= last {
				l = l[1:]
			}
			lists[i] = l
			if len(l) > 0 && (next < 0 || l[0] < next) {
				next = l[0]
			}
		}
		if next < 0 {
			return
		}
		last = next
		r := &x.rules[next]
		if !r.fits(f) {
			continue
		}
		yield(r)
		if r.Stop {
			return
		}
	}
}

// fits compares what is cheap first.
func (r *preparedRule) fits(f *facts) bool {
	if len(r.States) > 0 && !slices.Contains(r.States, f.state) {
		return false
	}
	if len(r.SourceIDs) > 0 && !slices.Contains(r.SourceIDs, f.source) {
		return false
	}
	if len(r.hosts) > 0 && !f.hostFits(r.hosts) {
		return false
	}
	if len(r.services) > 0 && !slices.ContainsFunc(r.services, f.serviceFits) {
		return false
	}
	for _, l := range r.labels {
		if !f.labelFits(l) {
			return false
		}
	}
	return true
}

func (f *facts) hostFits(globs []glob) bool {
	for i := range globs {
		if globs[i].fits(f.host) || f.hostShown != f.host && globs[i].fits(f.hostShown) {
			return true
		}
	}
	return false
}

// serviceFits: the empty pattern means the host itself, and only it does.
func (f *facts) serviceFits(g glob) bool {
	if f.isHost || g.pattern == "" {
		return f.isHost && g.pattern == ""
	}
	return g.fits(f.service) || g.fits(f.serviceShown)
}

// labelFits: a label that the object does not have fits the empty pattern
// alone.
func (f *facts) labelFits(l labelGlob) bool {
	value, ok := f.labels[l.name]
	if !ok {
		return l.value.pattern == ""
	}
	return l.value.fits(strings.ToLower(value))
}
