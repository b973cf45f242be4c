package notify

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
)

// maxText bounds a text of an event in bytes, so that no event is larger than
// the hub takes (1 MiB). The hub's own limits are lower and leave a mark.
const maxText = 128 << 10

// event is the JSON that the hub takes.
type event struct {
	ID             string            `json:"id"`
	Type           alert.Type        `json:"type"`
	Host           string            `json:"host"`
	Service        string            `json:"service,omitempty"`
	HostDisplay    string            `json:"host_display,omitempty"`
	ServiceDisplay string            `json:"service_display,omitempty"`
	State          json.RawMessage   `json:"state"` // a number, a word or null
	Output         string            `json:"output,omitempty"`
	LongOutput     string            `json:"long_output,omitempty"`
	Author         string            `json:"author,omitempty"`
	Comment        string            `json:"comment,omitempty"`
	Contact        string            `json:"contact,omitempty"`
	Contacts       []string          `json:"contacts,omitempty"`
	UserID         string            `json:"user_id,omitempty"`
	Time           json.RawMessage   `json:"time"`
	URL            string            `json:"url,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	NoEmoji        bool              `json:"no_emoji,omitempty"`
}

// eventOf makes the event of a command line. Errors say what to write instead.
func eventOf(l *line, now time.Time) (event, error) {
	v := l.values
	e := event{
		HostDisplay:    v["hostdisplayname"],
		ServiceDisplay: v["servicedisplayname"],
		Author:         v["ackauthor"],
		Comment:        cut(v["ackcomment"]),
		UserID:         v["user-id"],
		URL:            v["link"],
		NoEmoji:        l.on("no-emoji"),
	}
	// openITCOCKPIT knows its objects by UUID; a name beside it is for people.
	e.Host, e.HostDisplay = identity(v["hostuuid"], v["hostname"], e.HostDisplay)
	e.Service, e.ServiceDisplay = identity(v["serviceuuid"], v["service"], e.ServiceDisplay)
	e.Output, e.LongOutput = texts(v["output"], v["longoutput"])
	if len(l.labels) > 0 {
		e.Labels = l.labels
	}
	switch len(l.contacts) {
	case 0:
	case 1:
		e.Contact = l.contacts[0]
	default:
		e.Contacts = l.contacts
	}
	kind, err := kindOf(v["type"], e)
	if err != nil {
		return event{}, err
	}
	if e.Host == "" {
		return event{}, usageError("the host is missing: write --hostname=\"$HOSTNAME$\" (or --hostuuid)")
	}
	if kind == alert.Service && e.Service == "" {
		return event{}, usageError("the service is missing: write --service=\"$SERVICEDESC$\" (or --serviceuuid), or --type Host for a host")
	}
	if e.Type, err = typeOf(v["notificationtype"]); err != nil {
		return event{}, err
	}
	if e.State, err = stateOf(kind, v["state"]); err != nil {
		return event{}, err
	}
	if e.Time, err = timeOf(v["time"], now); err != nil {
		return event{}, err
	}
	if e.ID, err = idOf(v["id"], now); err != nil {
		return event{}, err
	}
	return e, nil
}

func identity(uuid, name, display string) (id, shown string) {
	if uuid == "" || uuid == name {
		return name, display
	}
	if display == "" {
		display = name
	}
	return uuid, display
}

// kindOf reads --type, and infers it where it is missing.
func kindOf(text string, e event) (alert.Kind, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "host":
		if e.Service != "" {
			return "", usageError("--type Host and a service exclude each other: write --type Service, or leave --service out")
		}
		return alert.Host, nil
	case "service":
		return alert.Service, nil
	case "":
		if e.Service != "" {
			return alert.Service, nil
		}
		return alert.Host, nil
	}
	return "", usageError("--type %s is neither: write --type Host or --type Service", short(text))
}

// types are the notification types with the other engines' words for them.
func types() map[string]alert.Type {
	return map[string]alert.Type{
		"PROBLEM":           alert.Problem,
		"RECOVERY":          alert.Recovery,
		"ACKNOWLEDGEMENT":   alert.Acknowledgement,
		"FLAPPINGSTART":     alert.FlappingStart,
		"FLAPPINGSTOP":      alert.FlappingStop,
		"FLAPPINGDISABLED":  alert.FlappingDisabled,
		"DOWNTIMESTART":     alert.DowntimeStart,
		"DOWNTIMEEND":       alert.DowntimeEnd,
		"DOWNTIMECANCELLED": alert.DowntimeCancelled,
		"CUSTOM":            alert.Custom,
		// Icinga 2
		"FLAPPINGEND":     alert.FlappingStop,
		"DOWNTIMEREMOVED": alert.DowntimeCancelled,
	}
}

func typeOf(text string) (alert.Type, error) {
	word := strings.ToUpper(strings.TrimSpace(text))
	if t, ok := types()[word]; ok {
		return t, nil
	}
	if word == "" {
		return "", usageError("the notification's type is missing: write --notificationtype=\"$NOTIFICATIONTYPE$\"")
	}
	best, distance := "", 4
	for known := range types() {
		if d := editDistance(word, known); d < distance || d == distance && known < best {
			best, distance = known, d
		}
	}
	if best != "" {
		return "", usageError("--notificationtype %s is unknown: write %s", short(text), best)
	}
	return "", usageError("--notificationtype %s is unknown: write PROBLEM, RECOVERY, ACKNOWLEDGEMENT, FLAPPINGSTART, FLAPPINGSTOP, DOWNTIMESTART, DOWNTIMEEND, DOWNTIMECANCELLED or CUSTOM", short(text))
}

// stateOf reads --state. Engines leave it empty where they do not know it.
func stateOf(kind alert.Kind, text string) (json.RawMessage, error) {
	word := strings.ToLower(strings.TrimSpace(text))
	words, most, mend := []string{"ok", "warning", "critical", "unknown"}, 3, "0 OK, 1 Warning, 2 Critical or 3 Unknown"
	if kind == alert.Host {
		words, most, mend = []string{"up", "down", "unreachable"}, 2, "0 Up, 1 Down or 2 Unreachable"
	}
	if word == "" {
		return json.RawMessage("null"), nil
	}
	if n, err := strconv.Atoi(word); err == nil && n >= 0 && n <= most {
		return json.RawMessage(strconv.Itoa(n)), nil
	}
	for _, w := range words {
		if w == word {
			return json.RawMessage(`"` + w + `"`), nil
		}
	}
	return nil, usageError("--state %s is no state of a %s: write %s", short(text), kind, mend)
}

// timeOf reads --time. A call without it happens now.
func timeOf(text string, now time.Time) (json.RawMessage, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return json.RawMessage(strconv.FormatFloat(float64(now.UnixMilli())/1000, 'f', 3, 64)), nil
	}
	if plainNumber(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil && f > 0 && f < 1e11 {
			return json.RawMessage(text), nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.Year() < 3000 {
		return json.Marshal(text)
	}
	return nil, usageError("--time %s is no time: write --time=\"$TIMET$\" (Unix seconds), or 2026-11-22T10:30:00Z", short(text))
}

// plainNumber says that text is digits, perhaps with a point inside.
func plainNumber(text string) bool {
	whole, part, point := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && whole[0] != '0' && (!point || digits(part))
}

// idOf reads --id, or makes an id: a UUIDv7.
func idOf(text string, now time.Time) (string, error) {
	const most = 100
	if len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usageError("--id %s is no id: write up to %d letters, digits and signs without spaces, or leave it out", short(text), most)
	}
	if text != "" {
		return text, nil
	}
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	for i, ms := 5, now.UnixMilli(); i >= 0; i-- {
		u[i], ms = byte(ms), ms>>8
	}
	u[6], u[8] = u[6]&0x0f|0x70, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// texts puts the first line into the output and the others into the long
// output: Icinga passes all lines in one, Nagios and Naemon apart. In the long
// output these two write a line break as \n and a backslash as two.
func texts(output, long string) (first, rest string) {
	long = strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(long)
	first, more, _ := strings.Cut(strings.TrimLeft(output, "\r\n"), "\n")
	switch {
	case more == "":
		rest = long
	case long == "":
		rest = more
	default:
		rest = strings.TrimRight(more, "\n") + "\n" + long
	}
	return cut(strings.TrimRight(first, "\r")), cut(rest)
}

// cut bounds a text without breaking a character.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
