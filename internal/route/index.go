package route

import (
	"slices"
	"strings"

	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
)

// index is a Directory made ready for many decisions: everything can be looked
// up, globs are prepared, and rules are found by what they name of an object instead
// of being tried one by one, see finder.
type index struct {
	contacts   map[string]int // by id; the number is the place in Directory.Contacts
	names      map[string]int // by name
	lowerNames map[string]int // by name in lower case
	engineIDs  map[string][]int
	devices    [][]Device // by place in Directory.Contacts; nil when Web Push reaches nobody
	schedules  map[string]*contact.Schedule
	periods    map[string]string // id to name
	rules      []preparedRule    // enabled ones, in order
	finder     finder            // places in rules
	rooms      map[string]int    // by id to places in Directory.Rooms; nil when there are none
	everything []int             // places of the rooms that get everything
	hooks      map[string]int    // by id to places in Directory.Hooks; nil when there are none
	allHooks   []int             // places of the webhooks that get everything
	placeRules bool              // some rule names rooms or webhooks
	groups     map[string]*contact.Group
	rotas      map[string]*rota // by id of the schedule
	policies   map[string]*escalation.Policy
	windows    []preparedWindow
}

type preparedRule struct {
	*Rule
	filter
	lead
}

// Indexed is the directory made ready for many decisions. Without it Decide
// does this work at each call. Do it once for each snapshot.
func (d Directory) Indexed() Directory {
	if d.index != nil {
		return d
	}
	x := &index{
		contacts: map[string]int{}, names: map[string]int{}, lowerNames: map[string]int{}, engineIDs: map[string][]int{},
		schedules: map[string]*contact.Schedule{}, periods: map[string]string{},
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
	x.groups = make(map[string]*contact.Group, len(d.Groups))
	for i := range d.Groups {
		x.groups[d.Groups[i].ID] = &d.Groups[i]
	}
	x.plan(&d)
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Enabled {
			p := preparedRule{Rule: r, filter: newFilter(r.SourceIDs, r.Hosts, r.Services, r.Labels), lead: x.leads(r)}
			x.placeRules = x.placeRules || len(r.Rooms)+len(r.Hooks) > 0
			x.finder.add(&p.filter, len(x.rules))
			x.rules = append(x.rules, p)
		}
	}
	d.index = x
	return d
}

// plan prepares what has to do with time: schedules, policies, windows; and
// webhooks.
func (x *index) plan(d *Directory) {
	x.rotas = make(map[string]*rota, len(d.Schedules))
	for i := range d.Schedules {
		x.rotas[d.Schedules[i].ID] = newRota(&d.Schedules[i])
	}
	x.policies = make(map[string]*escalation.Policy, len(d.Policies))
	for i := range d.Policies {
		x.policies[d.Policies[i].ID] = &d.Policies[i]
	}
	for i := range d.Windows {
		// A window that cannot be read holds nothing back.
		if w := &d.Windows[i]; w.Enabled {
			if p, err := w.Plan(); err == nil {
				x.windows = append(x.windows, preparedWindow{name: w.Name, plan: p, filter: newFilter(w.Sources, w.Hosts, w.Services, w.Labels)})
			}
		}
	}
	if len(d.Hooks) > 0 {
		x.hooks = make(map[string]int, len(d.Hooks))
	}
	for i := range d.Hooks {
		x.hooks[d.Hooks[i].ID] = i
		if d.Hooks[i].Everything {
			x.allHooks = append(x.allHooks, i)
		}
	}
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

// Hook finds a webhook by its id.
func (d Directory) Hook(id string) (Hook, bool) {
	i := slices.IndexFunc(d.Hooks, func(h Hook) bool { return h.ID == id })
	if d.index != nil {
		var ok bool
		if i, ok = d.index.hooks[id]; !ok {
			i = -1
		}
	}
	if i < 0 {
		return Hook{}, false
	}
	return d.Hooks[i], true
}

// Mails says whether letters can go to a contact.
func (d Directory) Mails(contactID string) bool {
	who, ok := d.Contact(contactID)
	return ok && d.Mail && who.Email != ""
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
