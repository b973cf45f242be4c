package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// Mark is what stands in an entry where there is a secret.
const Mark = "set"

// mark is Mark as the value of a field.
func mark() json.RawMessage { return json.RawMessage(`"` + Mark + `"`) }

// State is something as the trail compares it: what may be shown, and what is secret.
type State struct {
	Name    string            // for people
	Shown   any               // JSON makes an object of it
	Secrets map[string]string // by field; compared, and never shown
}

// Diff answers the fields that differ between two states, by name; nil for a state
// that is not there. Fields that are empty on both sides, or empty and not there, do
// not differ. Of a field that is an object on both sides, only what differs in it is told.
func Diff(before, after *State) ([]Change, error) {
	was, err := fields(before)
	if err != nil {
		return nil, err
	}
	is, err := fields(after)
	if err != nil {
		return nil, err
	}
	var list []Change
	for _, name := range names(was, is) {
		if a, b := differing(was[name], is[name]); !bytes.Equal(a, b) {
			list = append(list, Change{Field: name, Before: a, After: b})
		}
	}
	return append(list, secrets(before, after)...), nil
}

// Between is Diff of what JSON has of two states already, of which either may be nil.
func Between(before, after json.RawMessage) ([]Change, error) {
	state := func(raw json.RawMessage) *State {
		if len(raw) == 0 {
			return nil
		}
		return &State{Shown: raw}
	}
	return Diff(state(before), state(after))
}

func secrets(before, after *State) (list []Change) {
	var was, is map[string]string
	if before != nil {
		was = before.Secrets
	}
	if after != nil {
		is = after.Secrets
	}
	for _, name := range names(was, is) {
		a, b := was[name], is[name]
		if a == b {
			continue
		}
		c := Change{Field: name, Secret: true}
		if a != "" {
			c.Before = mark()
		}
		if b != "" {
			c.After = mark()
		}
		list = append(list, c)
	}
	return list
}

func names[T any](a, b map[string]T) []string {
	list := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func fields(s *State) (map[string]json.RawMessage, error) {
	if s == nil || s.Shown == nil {
		return nil, nil
	}
	raw, err := json.Marshal(s.Shown)
	if err != nil {
		return nil, fmt.Errorf("make an entry of the audit trail of %s: %w", s.Name, err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("make an entry of the audit trail of %s: %w", s.Name, err)
	}
	return m, nil
}

// kept is a field as it is kept, nil for an empty one: what is told is what was
// filled in.
func kept(raw json.RawMessage) json.RawMessage {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}", "0", "false", `"0001-01-01T00:00:00Z"`:
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// differing is what is kept of two values that may differ; of two objects, those of
// their fields that do.
func differing(was, is json.RawMessage) (a, b json.RawMessage) {
	a, b = kept(was), kept(is)
	var x, y map[string]json.RawMessage
	if bytes.Equal(a, b) || json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return a, b
	}
	from, to := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for _, name := range names(x, y) {
		c, d := differing(x[name], y[name])
		if bytes.Equal(c, d) {
			continue
		}
		if c != nil {
			from[name] = c
		}
		if d != nil {
			to[name] = d
		}
	}
	return object(from), object(to)
}

// object is a map as JSON, nil for an empty one.
func object(m map[string]json.RawMessage) json.RawMessage {
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic("what was JSON is no more: " + err.Error())
	}
	return b
}

// host is an address without its port.
func host(remote string) string {
	if h, _, err := net.SplitHostPort(remote); err == nil {
		return h
	}
	return strings.Trim(remote, "[]")
}
