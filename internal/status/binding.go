package status

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/internal/alert"
)

// DefaultStates says what a component is when an alert that it is bound to has
// a state, unless the binding says otherwise.
func DefaultStates() map[alert.State]State {
	return map[alert.State]State{
		alert.Down: Major, alert.Unreachable: Partial,
		alert.Critical: Major, alert.Warning: Degraded, alert.Unknown: Degraded,
	}
}

// Of is what the component is when an alert has the state.
func (b *Binding) Of(s alert.State) State {
	if to, ok := b.States[string(s)]; ok {
		return to
	}
	if to, ok := DefaultStates()[s]; ok {
		return to
	}
	return Operational
}

// Matches says whether the binding stands for an object. Each list that is given
// must have it; hosts without services are the hosts and all of their services.
// Names are compared without regard to case, those for people as well as the
// engine's own; "*" is any text and "?" any one character.
func (b *Binding) Matches(o *alert.Object) bool {
	if len(b.SourceIDs)+len(b.Hosts)+len(b.Services)+len(b.Labels) == 0 {
		return false
	}
	if len(b.SourceIDs) > 0 && !slices.Contains(b.SourceIDs, o.SourceID) {
		return false
	}
	if len(b.Hosts) > 0 && !among(b.Hosts, o.Host, o.HostDisplay) {
		return false
	}
	if len(b.Services) > 0 && (o.Service == "" || !among(b.Services, o.Service, o.ServiceDisplay)) {
		return false
	}
	for k, want := range b.Labels {
		if have, ok := o.Labels[k]; !ok || !glob(strings.ToLower(want), strings.ToLower(have)) {
			return false
		}
	}
	return true
}

func among(patterns []string, names ...string) bool {
	for _, n := range names {
		if n == "" {
			continue
		}
		n = strings.ToLower(n)
		for _, p := range patterns {
			if glob(strings.ToLower(p), n) {
				return true
			}
		}
	}
	return false
}

// glob goes back to the last star only, so it takes no longer than the product
// of both lengths, whatever the pattern.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(s[i:])
			p, i = p+1, i+n
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
