package browser

import (
	"fmt"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/config"
)

// maxBody is how many characters of text a notification carries. Desktops
// show between 100 and 250 of them.
const maxBody = 300

// Notification is the body of a frame of the kind FrameKind, for one user.
type Notification struct {
	DeliveryID string       `json:"delivery_id"` // empty for a test
	AlertID    string       `json:"alert_id"`
	ObjectID   string       `json:"object_id"`
	Notice     alert.Notice `json:"notice"`
	State      alert.State  `json:"state"`
	Title      string       `json:"title"`
	Body       string       `json:"body"`
	Icon       string       `json:"icon"`       // path of a PNG, 192 by 192
	Colour     string       `json:"colour"`     // #rrggbb
	Tag        string       `json:"tag"`        // notifications with the same tag replace each other
	URL        string       `json:"url"`        // where a click leads
	AutoClose  int          `json:"auto_close"` // seconds, 0: until somebody closes it
	At         time.Time    `json:"at"`
	Test       bool         `json:"test"`
}

// Frame is a message as open tabs show it.
func Frame(m *channel.Message, s config.Settings) Notification {
	n := Notification{
		DeliveryID: m.DeliveryID, ObjectID: m.Object.ID, Notice: m.Notice, State: m.Event.State,
		URL: m.URL, At: m.Event.Time.UTC(), Tag: "alert-" + m.Object.ID,
	}
	output := m.Event.Output
	if m.Alert != nil {
		n.AlertID, n.Tag = m.Alert.ID, "alert-"+m.Alert.ID
		if m.Notice == alert.NoticeProblem && m.Alert.Open() {
			// It may have become worse since: what is said is what is true now.
			n.State, output = m.Alert.State, m.Alert.Output
		}
	}
	name, word := m.Object.Name(), n.State.Word()
	n.Icon, n.Colour = icon(string(m.Notice)), alert.Information
	closes := string(m.Notice)
	switch m.Notice {
	case alert.NoticeProblem:
		n.Title = fmt.Sprintf("PROBLEM: %s is %s!", name, word)
		n.Body = cut(output, maxBody)
		closes = string(n.State)
		n.Icon, n.Colour = stateIcon(m.Object.Kind(), n.State), n.State.Colour()
	case alert.NoticeRecovery:
		n.Title = fmt.Sprintf("RECOVERY: %s is %s!", name, word)
		n.Body = recoveryBody(output, m.Alert)
		n.Icon, n.Colour = stateIcon(m.Object.Kind(), n.State), n.State.Colour()
	case alert.NoticeAck:
		n.Title = fmt.Sprintf("Acknowledgement for %s (%s)", path(m.Object), word)
		n.Body = said(m.Event)
	case alert.NoticeDowntime, alert.NoticeFlapping:
		n.Title = m.Event.Type.Word() + " for " + name
		n.Body = said(m.Event)
	default:
		n.Title = fmt.Sprintf("Custom notification for %s (%s)", path(m.Object), word)
		n.Body = said(m.Event)
		n.Icon = icon("custom")
	}
	n.AutoClose = s.AutoClose[closes]
	return n
}

// TestFrame is the notification of "Send me a test notification": it has no
// delivery behind it. url is where a click leads.
func TestFrame(url string, now time.Time, s config.Settings) Notification {
	return Notification{
		Notice: alert.NoticeCustom,
		Title:  "Test notification from Tocsin",
		Body:   "If you can read this, alerts reach you in this browser.",
		Icon:   icon("app"), Colour: alert.Information, Tag: "test", URL: url,
		AutoClose: s.AutoClose["custom"], At: now.UTC(), Test: true,
	}
}

func icon(name string) string { return "/static/icons/" + name + ".png" }

func stateIcon(k alert.Kind, s alert.State) string {
	if !k.Has(s) {
		return icon("app")
	}
	return icon(string(k) + "-" + string(s))
}

// path is HOST/SVC, as openITCOCKPIT writes it on acknowledgements.
func path(o alert.Object) string {
	if o.Service == "" {
		return o.HostName()
	}
	return o.HostName() + "/" + o.ServiceName()
}

// said is "author: comment", or the check's output where nobody said anything.
func said(e alert.Event) string {
	switch {
	case e.Author != "" && e.Comment != "":
		return cut(e.Author+": "+e.Comment, maxBody)
	case e.Comment != "":
		return cut(e.Comment, maxBody)
	case e.Author != "":
		return cut(e.Author, maxBody)
	}
	return cut(e.Output, maxBody)
}

// recoveryBody puts how long it lasted below the output, which is cut to leave
// room for that.
func recoveryBody(output string, a *alert.Alert) string {
	if a == nil || a.Resolved.IsZero() || !a.Worst.Problem() {
		return cut(output, maxBody)
	}
	lasted := "was " + a.Worst.Word() + " for " + span(a.Resolved.Sub(a.Since))
	if output = cut(output, maxBody-len(lasted)-1); output == "" {
		return lasted
	}
	return output + "\n" + lasted
}

// span is a duration for people, in its two largest units at most.
func span(d time.Duration) string {
	d = max(d, 0)
	switch m := int(d / time.Minute); {
	case m == 0:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case m < 60:
		return fmt.Sprintf("%d min", m)
	case m < 24*60:
		return trim(m/60, "h", m%60, "min")
	default:
		return trim(m/(24*60), "d", m/60%24, "h")
	}
}

func trim(big int, bigUnit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", big, bigUnit)
	}
	return fmt.Sprintf("%d %s %d %s", big, bigUnit, small, smallUnit)
}

// cut shortens a text to at most limit characters, the ellipsis included,
// without tearing apart what is seen as one: a flag, a family, a letter with
// its accents.
func cut(s string, limit int) string {
	s = strings.TrimSpace(s)
	if len(s) <= limit {
		return s
	}
	count, end, keep := 0, 0, 0
	state, rest := -1, s
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		count += len([]rune(cluster))
		end += len(cluster)
		if count <= limit-1 {
			keep = end
		}
		if count > limit {
			return strings.TrimRight(s[:keep], " \n\t") + "…"
		}
	}
	return s
}
