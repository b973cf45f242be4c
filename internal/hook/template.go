package hook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin/internal/channel"
	"tocsin/internal/contact"
)

// Value is something that a template may name: {{state}}.
type Value struct {
	Name  string
	About string // for people
}

// labelPrefix is that of labels, of which each installation has its own.
const labelPrefix = "label."

// Values are all that a template may name, besides labels: {{label.NAME}}, empty
// where the object has no such label.
func Values() []Value {
	return []Value{
		{"type", "what is told: " + strings.Join(typeWords(), ", ")},
		{"title", "one line: “PROBLEM: HTTP on web01 is Critical!”"},
		{"text", "what follows it: the check’s output, who acknowledged, the counts of a storm"},
		{"url", "the alert’s page here; of a storm the list of its alerts"},
		{"engine_url", "the object’s page in the engine, where it is known"},
		{"id", "of this message; the same when it is posted again"},
		{"key", "the same for all messages about one alert, or one storm"},
		{"action", "trigger, acknowledge or resolve: what an alert manager elsewhere is to do with the key"},
		{"severity", "critical, error, warning or info"},
		{"colour", "#rrggbb, of the state"},
		{"time", "of the event, RFC 3339 in UTC"},
		{"timestamp", "the same, in seconds since 1970 (a number)"},
		{"state", "down, unreachable, up, critical, warning, unknown, ok; of a storm the worst that is open"},
		{"state_word", "the state as people write it: “Critical”"},
		{"worst_state", "the worst since the alert began"},
		{"status", "firing, acknowledged or resolved; empty where there is no alert"},
		{"since", "when the alert began, or the storm"},
		{"output", "the check’s first line"},
		{"long_output", "its further lines"},
		{"object", "for people: “HTTP on web01”"},
		{"kind", "host or service"},
		{"host", "the host’s name in the engine"},
		{"host_name", "the host’s name for people"},
		{"service", "the service’s name in the engine; empty for a host"},
		{"service_name", "the service’s name for people"},
		{"source", "the name of the source"},
		{"source_id", "its id"},
		{"object_id", "of the host or service"},
		{"alert_id", "of the alert; empty where there is none"},
		{"event_id", "of the event"},
		{"event_type", "PROBLEM, RECOVERY, ACKNOWLEDGEMENT, …"},
		{"author", "who acknowledged, made the downtime or wrote the notification"},
		{"comment", "what they wrote"},
		{"contact", "for whom it is, where it is for a contact"},
		{"duty", "why somebody is told who was not at first: the step of a policy"},
		{"reminder", "true when it was told before and nobody has it (true or false)"},
		{"labels", "all labels of the object (an object)"},
		{"storm", "the id of a storm; empty else"},
		{"about", "what the alerts of a storm have in common"},
		{"total", "how many alerts the message tells of (a number)"},
		{"open", "of them firing (a number)"},
		{"acknowledged", "of them acknowledged (a number)"},
		{"recovered", "of them over (a number)"},
		{"new", "of them told of for the first time (a number)"},
		{"worst", "the worst of a storm (a list of objects as in the form JSON)"},
		{"token", "the token, which is kept secret; where a template names it no header has it"},
	}
}

func typeWords() []string {
	return []string{"problem", "recovery", "acknowledgement", "flapping", "downtime", "custom", "digest", typeOver, typeTest}
}

func known(name string) bool {
	if rest, ok := strings.CutPrefix(name, labelPrefix); ok {
		return rest != ""
	}
	return slices.ContainsFunc(Values(), func(v Value) bool { return v.Name == name })
}

// piece is a part of a template's text: words as they are, or the name of a value.
type piece struct{ words, name string }

// pieces takes a text apart; ok is false where a {{ has no }}.
func pieces(text string) (out []piece, ok bool) {
	for text != "" {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			out = append(out, piece{words: before})
		}
		if !found {
			return out, true
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, false
		}
		out = append(out, piece{name: strings.TrimSpace(name)})
		if text = after; strings.TrimSpace(name) == "" {
			out[len(out)-1].name = " " // no value has this name
		}
	}
	return out, true
}

// checkTemplateText answers a *contact.FieldError for a text that refers to nothing.
func checkTemplateText(path, text string) error {
	parts, ok := pieces(text)
	if !ok {
		return &contact.FieldError{Field: path, Problem: "has {{ without }}", Mend: "write values as {{state}}"}
	}
	for _, p := range parts {
		if p.name != "" && !known(p.name) {
			names := make([]string, 0, len(Values()))
			for _, v := range Values() {
				names = append(names, v.Name)
			}
			return &contact.FieldError{
				Field: path, Problem: fmt.Sprintf("names {{%s}}, which there is not", channel.Cut(strings.ToValidUTF8(strings.TrimSpace(p.name), "?"), 60)),
				Mend: "the values are " + strings.Join(names, ", ") + ", and label.NAME",
			}
		}
	}
	return nil
}

// names says whether the template names a value.
func (h Hook) names(value string) bool { return names(h.Template, value) }

func names(v any, value string) bool {
	switch v := v.(type) {
	case string:
		parts, _ := pieces(v)
		return slices.ContainsFunc(parts, func(p piece) bool { return p.name == value })
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return names(x, value) })
	case map[string]any:
		for x := range maps.Values(v) {
			if names(x, value) {
				return true
			}
		}
	}
	return false
}

// filled is a template with its values. A text that is nothing but one value becomes
// what that is, a number for instance; in a longer one it becomes words. What there
// is not, as in a template of another version, becomes nothing.
func filled(v any, values map[string]any, labels map[string]string) any {
	switch v := v.(type) {
	case string:
		return filledText(v, values, labels)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = filled(x, values, labels)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = filled(x, values, labels)
		}
		return out
	}
	return v
}

func filledText(text string, values map[string]any, labels map[string]string) any {
	parts, ok := pieces(text)
	if !ok {
		return text
	}
	value := func(name string) any {
		if label, ok := strings.CutPrefix(name, labelPrefix); ok {
			return labels[label]
		}
		if v, ok := values[name]; ok {
			return v
		}
		return ""
	}
	if len(parts) == 1 && parts[0].name != "" {
		return value(parts[0].name)
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.words)
		if p.name == "" {
			continue
		}
		switch v := value(p.name).(type) {
		case string:
			b.WriteString(v)
		case int, int64, bool:
			fmt.Fprint(&b, v)
		default:
			raw, err := json.Marshal(v)
			if err == nil {
				b.Write(raw)
			}
		}
	}
	return b.String()
}
