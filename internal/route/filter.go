package route

import (
	"maps"
	"slices"
	"strings"

	"tocsin/internal/alert"
)

// facts is what rules and windows are compared with.
type facts struct {
	source                string
	host, hostShown       string // in lower case
	service, serviceShown string // in lower case
	isHost                bool
	state                 alert.State
	labels                map[string]string
}

// filter is which objects a rule or a window is about, prepared.
type filter struct {
	sources  []string
	hosts    []glob
	services []glob
	labels   []labelGlob // in order of name
}

type labelGlob struct {
	name  string
	value glob
}

func newFilter(sources, hosts, services []string, labels map[string]string) filter {
	f := filter{sources: sources}
	for _, h := range hosts {
		f.hosts = append(f.hosts, newGlob(h))
	}
	for _, s := range services {
		f.services = append(f.services, newGlob(s))
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		f.labels = append(f.labels, labelGlob{name, newGlob(labels[name])})
	}
	return f
}

// fits compares what is cheap first.
func (r *filter) fits(f *facts) bool {
	if len(r.sources) > 0 && !slices.Contains(r.sources, f.source) {
		return false
	}
	if len(r.hosts) > 0 && !f.hostFits(r.hosts) {
		return false
	}
	if len(r.services) > 0 && !slices.ContainsFunc(r.services, f.serviceFits) {
		return false
	}
	for i := range r.labels {
		if !f.labelFits(&r.labels[i]) {
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
func (f *facts) labelFits(l *labelGlob) bool {
	value, ok := f.labels[l.name]
	if !ok {
		return l.value.pattern == ""
	}
	return l.value.fits(strings.ToLower(value))
}

// finder finds, of thousands of rules, the few that may fit an object: each stands
// below one thing that it names, the most telling one, and only those that name
// nothing of the kind are tried for every object. Places are ascending.
type finder struct {
	hosts    names
	labels   map[string][]int // by label's name, a zero byte, and its value in lower case
	services names
	sources  map[string][]int
	rest     []int
}

// add puts a rule at its place; places only rise.
func (x *finder) add(f *filter, place int) {
	all := func(globs []glob) bool {
		return len(globs) > 0 && !slices.ContainsFunc(globs, func(g glob) bool { return !g.telling() })
	}
	if all(f.hosts) {
		x.hosts.add(f.hosts, place)
		return
	}
	for i := range f.labels {
		if l := &f.labels[i]; l.value.literal && l.value.pattern != "" {
			if x.labels == nil {
				x.labels = map[string][]int{}
			}
			once(x.labels, l.name+"\x00"+l.value.pattern, place)
			return
		}
	}
	switch {
	case all(f.services):
		x.services.add(f.services, place)
	case len(f.sources) > 0:
		if x.sources == nil {
			x.sources = map[string][]int{}
		}
		for _, id := range f.sources {
			once(x.sources, id, place)
		}
	default:
		x.rest = append(x.rest, place)
	}
}

func once(m map[string][]int, key string, place int) {
	if at := m[key]; len(at) == 0 || at[len(at)-1] != place {
		m[key] = append(at, place)
	}
}

// find answers the places that may fit, but for rest, ascending and each once.
func (x *finder) find(f *facts, out []int) []int {
	out = x.hosts.find(f.host, out)
	if f.hostShown != f.host {
		out = x.hosts.find(f.hostShown, out)
	}
	if len(x.labels) > 0 {
		for name, value := range f.labels {
			out = append(out, x.labels[name+"\x00"+strings.ToLower(value)]...)
		}
	}
	out = x.services.find(f.service, out)
	if f.serviceShown != f.service {
		out = x.services.find(f.serviceShown, out)
	}
	out = append(out, x.sources[f.source]...)
	slices.Sort(out)
	return slices.Compact(out)
}

// fitting calls yield with each rule that fits, in order, until it answers false or
// one that fits says Stop.
func (x *index) fitting(f *facts, yield func(*preparedRule) bool) {
	var room [32]int
	found, rest := x.finder.find(f, room[:0]), x.finder.rest
	for len(found)+len(rest) > 0 {
		var next int
		if len(rest) == 0 || len(found) > 0 && found[0] < rest[0] {
			next, found = found[0], found[1:]
		} else {
			next, rest = rest[0], rest[1:]
		}
		r := &x.rules[next]
		if len(r.States) > 0 && !slices.Contains(r.States, f.state) || !r.fits(f) {
			continue
		}
		if !yield(r) || r.Stop {
			return
		}
	}
}
