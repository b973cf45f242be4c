package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
)

// The bounds of a mapping.
const (
	maxPointer = 500 // bytes of a pointer or a fixed text
	maxWords   = 100 // entries of types and of states
	maxWord    = 100 // bytes of one of these
)

// mapped is one value of a mapping: the field of an event that it fills.
type mapped struct {
	field string // of the canonical event
	name  string // of the mapping
	value string
}

func (m *Mapping) values() []mapped {
	return []mapped{
		{"id", "id", m.ID}, {"type", "type", m.Type}, {"host", "host", m.Host}, {"service", "service", m.Service},
		{"state", "state", m.State}, {"output", "output", m.Output}, {"long_output", "long_output", m.Long},
		{"author", "author", m.Author}, {"comment", "comment", m.Comment}, {"contacts", "contact", m.Contact},
		{"time", "time", m.Time}, {"url", "url", m.URL}, {"labels", "labels", m.Labels},
	}
}

// Validate says what is wrong with a mapping as a *FieldError whose field starts
// with "mapping", or nil.
func (m *Mapping) Validate() error {
	if err := validPointer("mapping.events", m.Events, false); err != nil {
		return err
	}
	for _, v := range m.values() {
		if err := validPointer("mapping."+v.name, v.value, v.field != "labels"); err != nil {
			return err
		}
	}
	if m.Host == "" || m.Host == "=" {
		return &FieldError{Field: "mapping.host", Problem: "is missing", Mend: `point at the host's name, such as /labels/host, or give a text that is always the same: =web01`}
	}
	if err := validWords("mapping.types", m.Types, func(word string) bool {
		_, ok := sentType(word)
		return ok
	}, typeNames); err != nil {
		return err
	}
	return validWords("mapping.states", m.States, func(word string) bool {
		_, ofHost := alert.ParseState(alert.Host, word)
		_, ofService := alert.ParseState(alert.Service, word)
		return ofHost || ofService
	}, "ok, warning, critical, unknown, up, down or unreachable")
}

// validPointer answers an error that is nil as such, not a nil *FieldError.
func validPointer(field, value string, text bool) error {
	mend := "start it with / as in /labels/host"
	if text {
		mend += ", or with = for a text that is always the same"
	}
	switch {
	case len(value) > maxPointer:
		return &FieldError{Field: field, Problem: "is longer than " + strconv.Itoa(maxPointer) + " bytes", Mend: "use a shorter one"}
	case value == "" || value[0] == '=' && text:
		return nil
	case value[0] != '/':
		return &FieldError{Field: field, Problem: fmt.Sprintf("is %q, which is no JSON pointer", value), Mend: mend}
	}
	for rest := value; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return nil
		}
		if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
			return &FieldError{Field: field, Problem: "has a ~ that stands for nothing", Mend: "write ~0 for ~ and ~1 for / in a name"}
		}
		rest = after
	}
}

func validWords(field string, words map[string]string, good func(string) bool, allowed string) error {
	if len(words) > maxWords {
		return &FieldError{Field: field, Problem: "has more than " + strconv.Itoa(maxWords) + " words", Mend: "use fewer"}
	}
	for _, from := range slices.Sorted(maps.Keys(words)) {
		shown, _, _ := Line(from, 40)
		if len(from) > maxWord || len(words[from]) > maxWord {
			return &FieldError{Field: field + "." + shown, Problem: "is longer than " + strconv.Itoa(maxWord) + " bytes", Mend: "use shorter words"}
		}
		if !good(words[from]) {
			return &FieldError{Field: field + "." + shown, Problem: fmt.Sprintf("is %q", words[from]), Mend: "use one of: " + allowed}
		}
	}
	return nil
}

// Decode reads a JSON that is not ours by a mapping that is valid. Each event is
// made into a canonical one and then read as such, so that all its rules hold; a
// refusal names the pointer: "events[2].state (/status)".
func (m *Mapping) Decode(body []byte, now time.Time, maxEvents int) ([]alert.Event, error) {
	var root any
	if err := unmarshal(body, &root); err != nil {
		return nil, err
	}
	found, err := m.events(root)
	if err != nil {
		return nil, err
	}
	if len(found) > maxEvents {
		return nil, &FieldError{Field: m.field("events", m.Events), Problem: "holds more than " + strconv.Itoa(maxEvents) + " events", Mend: "send them in several requests"}
	}
	events := make([]alert.Event, 0, len(found))
	for i, one := range found {
		canonical, err := m.canonical(one, i)
		if err != nil {
			return nil, err
		}
		text, jsonErr := json.Marshal(canonical)
		if jsonErr != nil {
			return nil, &FieldError{Field: fmt.Sprintf("events[%d]", i), Problem: "cannot be written as JSON", Mend: "send valid JSON"}
		}
		decoded, decodeErr := decodeOne(text, now)
		if decodeErr != nil {
			return nil, m.explain(decodeErr, i)
		}
		events = append(events, decoded)
	}
	return events, nil
}

// decodeOne is DecodeEvents for one canonical event.
func decodeOne(text []byte, now time.Time) (alert.Event, *FieldError) {
	d := decoder{scanner: scanner{buf: text}, now: now.UTC().Truncate(time.Millisecond), index: -1, max: 1}
	return d.event()
}

// explain says which pointer a refusal comes from.
func (m *Mapping) explain(err *FieldError, i int) *FieldError {
	at := fmt.Sprintf("events[%d].%s", i, err.Field)
	name, _, _ := strings.Cut(err.Field, ".")
	name, _, _ = strings.Cut(name, "[")
	mend := err.Mend
	for _, v := range m.values() {
		if v.field != name {
			continue
		}
		at = m.field(at, v.value)
		switch {
		case name == "state":
			mend = `give it a meaning in the mapping's states, such as {"firing": "critical", "resolved": "ok"}`
		case name == "type" && v.value != "":
			mend = `give it a meaning in the mapping's types, such as {"alert": "PROBLEM", "clear": "RECOVERY"}`
		case strings.HasSuffix(err.Problem, "missing"):
			mend = "correct the mapping's " + v.name + ", or send it there"
		}
	}
	return &FieldError{Field: at, Problem: err.Problem, Mend: mend}
}

func (m *Mapping) field(name, pointer string) string {
	if pointer == "" {
		return name
	}
	return name + " (" + pointer + ")"
}

// events are the values that hold one event each.
func (m *Mapping) events(root any) ([]any, error) {
	at := m.field("events", m.Events)
	found, ok := resolve(root, m.Events)
	if !ok {
		return nil, &FieldError{Field: at, Problem: "is not in the body", Mend: "correct the mapping's events: it points at the array of events"}
	}
	switch v := found.(type) {
	case []any:
		if len(v) == 0 {
			return nil, &FieldError{Field: at, Problem: "is empty", Mend: "send at least one event"}
		}
		return v, nil
	case map[string]any:
		return []any{v}, nil
	}
	return nil, &FieldError{Field: at, Problem: "is " + describe(found), Mend: "point at an event or at an array of events"}
}

// canonical is one event with the fields' names of ours.
func (m *Mapping) canonical(one any, i int) (map[string]any, error) {
	out := make(map[string]any, 12)
	for _, v := range m.values() {
		if v.value == "" {
			continue
		}
		found, ok := any(strings.TrimPrefix(v.value, "=")), true
		if v.value[0] == '/' {
			found, ok = resolve(one, v.value)
		}
		if !ok || found == nil {
			continue
		}
		fit, ok := fitting(v.field, found)
		if !ok {
			return nil, &FieldError{Field: m.field(fmt.Sprintf("events[%d].%s", i, v.field), v.value), Problem: "is " + describe(found),
				Mend: "point at a text or a number; of labels at an object"}
		}
		out[v.field] = fit
	}
	m.translate(out)
	return out, nil
}

// fitting is a value as the field of an event takes it.
func fitting(field string, found any) (any, bool) {
	switch v := found.(type) {
	case map[string]any:
		if field != "labels" {
			return nil, false
		}
		return labelsOf(v), true
	case []any:
		if field != "contacts" {
			return nil, false
		}
		names := make([]string, 0, len(v))
		for _, value := range v {
			text, ok := scalar(value)
			if !ok {
				return nil, false
			}
			names = append(names, text)
		}
		return names, true
	}
	text, ok := scalar(found)
	switch {
	case !ok || field == "labels":
		return nil, false
	case field == "contacts":
		return []string{text}, true
	case field == "time":
		return seconds(text), true
	}
	return text, true
}

// labelsOf are those of an object's values that can be labels, as many as an event
// may have: what nobody wrote for us may hold anything.
func labelsOf(v map[string]any) map[string]string {
	labels := make(map[string]string, min(len(v), MaxLabels))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		text, ok := scalar(v[name])
		if clean, _, cut := Line(name, MaxLabel); !ok || cut || strings.TrimSpace(clean) == "" || clean != name || len(labels) == MaxLabels {
			continue
		}
		if long(text, MaxValue) {
			text = string([]rune(text)[:MaxValue])
		}
		labels[name] = text
	}
	return labels
}

// scalar is a text, a number or a truth as text. A number without a fraction is
// written without one.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		const exact = 1 << 53 // further ones a float64 cannot tell apart
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") && f == math.Trunc(f) && math.Abs(f) < exact {
			return strconv.FormatFloat(f, 'f', 0, 64), true
		}
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// seconds takes what can only be milliseconds, microseconds or nanoseconds since
// 1970, because it would lie beyond the year 5000, as such.
func seconds(text string) string {
	const most = 1e11
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < most || f >= most*1e9 {
		return text
	}
	for f >= most {
		f /= 1000
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// translate gives words their meaning, and the event its type where it is told
// by the state alone.
func (m *Mapping) translate(out map[string]any) {
	kind := alert.Host
	if service, _ := out["service"].(string); service != "" {
		kind = alert.Service
	}
	state, _ := out["state"].(string)
	if word, ok := meaning(m.States, state); ok {
		state = likewise(kind, word)
		out["state"] = state
	}
	word, _ := out["type"].(string)
	if meant, ok := meaning(m.Types, word); ok {
		word = meant
	}
	if word == "" {
		word = string(alert.Problem)
		if s, ok := alert.ParseState(kind, state); ok && !s.Problem() {
			word = string(alert.Recovery)
		}
	}
	out["type"] = word
}

// meaning looks a word up, exactly first, then in any case.
func meaning(words map[string]string, word string) (string, bool) {
	if to, ok := words[word]; ok {
		return to, true
	}
	for _, from := range slices.Sorted(maps.Keys(words)) {
		if strings.EqualFold(from, strings.TrimSpace(word)) {
			return words[from], true
		}
	}
	return "", false
}

// likewise is a state in the words of an object of that kind, because one
// mapping may speak of hosts and of services.
func likewise(kind alert.Kind, word string) string {
	if _, ok := alert.ParseState(kind, word); ok {
		return word
	}
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "ok":
		return string(alert.Up)
	case "warning", "critical":
		return string(alert.Down)
	case "unknown":
		return string(alert.Unreachable)
	case "up":
		return string(alert.OK)
	case "down":
		return string(alert.Critical)
	case "unreachable":
		return string(alert.Unknown)
	}
	return word
}

// resolve follows a JSON pointer (RFC 6901).
func resolve(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch in := v.(type) {
		case map[string]any:
			found, ok := in[part]
			if !ok {
				return nil, false
			}
			v = found
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(in) || strconv.Itoa(i) != part {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "an array"
	}
	return "an object"
}
