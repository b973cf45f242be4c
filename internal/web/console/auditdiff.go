package console

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/status"
)

// auditField is what one field was, and what it became.
type auditField struct {
	Label  string
	Before []auditPiece // nil: it was not there
	After  []auditPiece // nil: it is not there any more
	Long   bool         // a text, which stands below its label
}

// auditPiece is a piece of a value; Changed when the other side has it not.
type auditPiece struct {
	Text    string
	Changed bool
}

// auditFields are the fields that differ between two states of something, as the
// trail keeps them; all of them where there is one state alone. names are those of
// what is referred to by id.
func auditFields(before, after json.RawMessage, names map[string]string, zone *time.Location) []auditField {
	was, is := auditValues(before), auditValues(after)
	var keys []string
	for k := range was {
		keys = append(keys, k)
	}
	for k := range is {
		if _, both := was[k]; !both {
			keys = append(keys, k)
		}
	}
	order := auditOrder()
	place := func(k string) int {
		if n := slices.Index(order, k); n >= 0 {
			return n
		}
		return len(order)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if n := place(a) - place(b); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	var out []auditField
	for _, k := range keys {
		a, hadA := was[k]
		b, hadB := is[k]
		textA, textB := auditText(k, a, names, zone), auditText(k, b, names, zone)
		if v, no := b.(bool); !hadA && no && !v {
			continue // a switch that was never on
		}
		if textA == textB || k == "update.id" || k == "id" || k == "page_id" {
			continue
		}
		f := auditField{Label: auditLabel(k), Long: len(textA)+len(textB) > 120 || strings.Contains(textA+textB, "\n")}
		if hadA && hadB && textA != "" && textB != "" && f.Long {
			f.Before, f.After = textDiff(textA, textB)
		} else {
			if textA != "" {
				f.Before = []auditPiece{{Text: textA, Changed: hadB}}
			}
			if textB != "" {
				f.After = []auditPiece{{Text: textB, Changed: hadA}}
			}
		}
		out = append(out, f)
	}
	return out
}

// auditValues are the fields of a state by their names. An incident that was kept
// with its update has that one's below "update.".
func auditValues(raw json.RawMessage) map[string]any {
	var m map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return map[string]any{}
	}
	i, ok1 := m["incident"].(map[string]any)
	u, ok2 := m["update"].(map[string]any)
	if !ok1 || !ok2 {
		return m
	}
	for k, v := range u {
		i["update."+k] = v
	}
	return i
}

func auditOrder() []string {
	return []string{"name", "title", "phase", "impact", "state", "draft", "update.phase", "update.body", "update.at", "update.changes", "update.silent", "body", "at", "changes", "silent",
		"started", "resolved_at", "start", "end", "components", "postmortem"}
}

func auditLabel(key string) string {
	labels := map[string]string{
		"name": "Name", "title": "Title", "phase": "Status", "impact": "Impact", "state": "State", "draft": "Draft", "automatic": "Kept by alerts", "started": "Began",
		"resolved_at": "Ended", "components": "Components", "postmortem": "Postmortem", "body": "Message", "at": "Time shown", "silent": "Silent", "changes": "Makes",
		"update.phase": "Update: status", "update.body": "Update: message", "update.at": "Update: time shown", "update.silent": "Update: silent", "update.changes": "Update: makes",
		"start": "Begins", "end": "Ends", "auto_start": "Begins by itself", "auto_end": "Ends by itself", "series": "Of a series", "rule": "Comes again", "zone": "Time zone",
		"minutes": "Lasts (minutes)", "until": "Until", "slug": "Address", "host": "Host name", "main": "Main page", "about": "Description", "language": "Language",
		"accent": "Accent colour", "logo": "Logo", "support": "Get help", "triggers": "Visitors are told of", "signed_in": "For people who are signed in", "networks": "For networks",
		"password": "With a password", "parent_id": "In the group", "group_id": "In the group", "position": "Position", "open": "Unfolded", "link": "Link", "hidden": "Hidden",
		"by_hand": "Set by hand", "bindings": "Bound to", "groups": "Order of groups",
	}
	if s, ok := labels[key]; ok {
		return s
	}
	s := strings.ReplaceAll(strings.ReplaceAll(key, ".", ": "), "_", " ")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// auditText is a value for people.
func auditText(key string, v any, names map[string]string, zone *time.Location) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		return auditWord(key, v, names, zone)
	case []any:
		if len(v) == 0 {
			return ""
		}
		return auditList(key, v, names, zone)
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
		return auditMap(v, names, zone)
	}
	return ""
}

func auditWord(key, s string, names map[string]string, zone *time.Location) string {
	if s == "" {
		return ""
	}
	switch _, last, ok := strings.Cut(key, "."); {
	case ok:
		key = last
	}
	switch key {
	case "phase":
		return phaseOf(status.Phase(s)).Word
	case "impact":
		return impactOf(status.Impact(s)).Word
	case "state":
		return doing(status.State(s)).Word
	case "body", "postmortem", "about", "title", "name":
		return s
	}
	if n, ok := names[s]; ok {
		return n
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.In(zone).Format("2 Jan 2006 15:04:05 MST")
	}
	switch {
	case key == "maintenance_id" || key == "incident_id":
		return s // there are too many to know all names
	case key == "components" || strings.HasSuffix(key, "_id") || strings.HasSuffix(key, "_ids"):
		return "something that was deleted (" + s + ")"
	}
	return s
}

func auditList(key string, list []any, names map[string]string, zone *time.Location) string {
	var out []string
	for _, x := range list {
		switch x := x.(type) {
		case map[string]any:
			if from, to, id := str(x["from"]), str(x["to"]), str(x["component_id"]); id != "" {
				line := auditWord("components", id, names, zone) + ": "
				if from != "" && from != to {
					line += doing(status.State(from)).Word + " → "
				}
				out = append(out, line+doing(status.State(to)).Word)
				continue
			}
			out = append(out, auditMap(x, names, zone))
		case []any: // where something stands: what it is, and in what
			line := ""
			for n, part := range x {
				if s := str(part); s != "" && n == 0 {
					line = auditWord("components", s, names, zone)
				} else if s != "" {
					line += " (in " + auditWord("components", s, names, zone) + ")"
				}
			}
			out = append(out, line)
		default:
			out = append(out, auditText(key, x, names, zone))
		}
	}
	if key == "components" && len(out) <= 12 && !slices.ContainsFunc(list, func(x any) bool { _, pair := x.([]any); return pair }) {
		return strings.Join(out, ", ")
	}
	return strings.Join(out, "\n")
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func auditMap(m map[string]any, names map[string]string, zone *time.Location) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var out []string
	for _, k := range keys {
		if s := auditText(k, m[k], names, zone); s != "" {
			out = append(out, auditLabel(k)+": "+strings.ReplaceAll(s, "\n", ", "))
		}
	}
	return strings.Join(out, "\n")
}

// mostCompared bounds how many words of two texts are compared with each other.
const mostCompared = 600

// textDiff marks in two texts the words that the other one has not.
func textDiff(a, b string) (before, after []auditPiece) {
	x, y := wordsOf(a), wordsOf(b)
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	add := func(to *[]auditPiece, text string, changed bool) {
		if text == "" {
			return
		}
		if n := len(*to); n > 0 && (*to)[n-1].Changed == changed {
			(*to)[n-1].Text += text
			return
		}
		*to = append(*to, auditPiece{text, changed})
	}
	both := func(text string) { add(&before, text, false); add(&after, text, false) }
	both(strings.Join(x[:head], ""))
	p, q := x[head:len(x)-tail], y[head:len(y)-tail]
	if len(p) > mostCompared || len(q) > mostCompared {
		add(&before, strings.Join(p, ""), true)
		add(&after, strings.Join(q, ""), true)
	} else {
		// common[i][j] is how many words p from i and q from j have in common at most.
		common := make([][]uint16, len(p)+1)
		for i := range common {
			common[i] = make([]uint16, len(q)+1)
		}
		for i := len(p) - 1; i >= 0; i-- {
			for j := len(q) - 1; j >= 0; j-- {
				if common[i][j] = max(common[i+1][j], common[i][j+1]); p[i] == q[j] {
					common[i][j] = common[i+1][j+1] + 1
				}
			}
		}
		i, j := 0, 0
		for i < len(p) && j < len(q) {
			switch {
			case p[i] == q[j]:
				both(p[i])
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				add(&before, p[i], true)
				i++
			default:
				add(&after, q[j], true)
				j++
			}
		}
		add(&before, strings.Join(p[i:], ""), true)
		add(&after, strings.Join(q[j:], ""), true)
	}
	both(strings.Join(x[len(x)-tail:], ""))
	return before, after
}

// wordsOf cuts a text into words, each with the white space that follows it.
func wordsOf(s string) []string {
	var out []string
	start, space := 0, false
	for i, r := range s {
		is := r == ' ' || r == '\n' || r == '\t'
		if space && !is {
			out = append(out, s[start:i])
			start = i
		}
		space = is
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}
