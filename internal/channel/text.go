package channel

import (
	"fmt"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"tocsin/internal/alert"
)

// maxBody is how many characters of text a notification carries. Desktops
// show between 100 and 250 of them.
const maxBody = 300

// Text is a message as people read it on a notification, whichever channel
// shows it: the same words, icon and tag, so that a tab and a push replace
// each other instead of standing side by side.
type Text struct {
	Title  string
	Body   string
	Icon   string // path of a PNG of ours, 192 by 192
	Colour string // #rrggbb
	Tag    string // notifications with the same tag replace each other
	// Closes is the word that the settings know it by (auto-close, urgency): a
	// state in trouble for a problem, else the notice.
	Closes  string
	AlertID string      // empty when the object has no alert
	State   alert.State // the one that is told, as it is now
	At      time.Time   // of the event, in UTC
}

// Present puts a message into words.
func Present(m *Message) Text {
	t := Text{
		State: m.Event.State, At: m.Event.Time.UTC(), Tag: "alert-" + m.Object.ID,
		Icon: Icon(string(m.Notice)), Colour: alert.Information, Closes: string(m.Notice),
	}
	output := m.Event.Output
	if m.Alert != nil {
		t.AlertID, t.Tag = m.Alert.ID, "alert-"+m.Alert.ID
		if m.Notice == alert.NoticeProblem && m.Alert.Open() {
			// It may have become worse since: what is said is what is true now.
			t.State, output = m.Alert.State, m.Alert.Output
		}
	}
	if m.Digest != nil {
		return presentDigest(m.Digest, t)
	}
	name, word := m.Object.Name(), t.State.Word()
	switch m.Notice {
	case alert.NoticeProblem:
		t.Title = fmt.Sprintf("PROBLEM: %s is %s!", name, word)
		if m.Snoozed || m.Reminder {
			t.Title = fmt.Sprintf("REMINDER: %s is still %s!", name, word)
		}
		t.Body = withDuty(m, output)
		t.Closes = string(t.State)
		t.Icon, t.Colour = stateIcon(m.Object.Kind(), t.State), t.State.Colour()
	case alert.NoticeRecovery:
		t.Title = fmt.Sprintf("RECOVERY: %s is %s!", name, word)
		t.Body = recoveryBody(output, m.Alert)
		t.Icon, t.Colour = stateIcon(m.Object.Kind(), t.State), t.State.Colour()
	case alert.NoticeAck:
		t.Title = fmt.Sprintf("Acknowledgement for %s (%s)", path(m.Object), word)
		t.Body = acked(m)
	case alert.NoticeDowntime, alert.NoticeFlapping:
		t.Title = began(m.Event) + " for " + name
		t.Body = said(m.Event)
	default:
		t.Title = fmt.Sprintf("Custom notification for %s (%s)", path(m.Object), word)
		t.Body = said(m.Event)
		t.Icon = Icon("custom")
	}
	return t
}

// Icon is the path of an icon of ours, by its name.
func Icon(name string) string { return "/static/icons/" + name + ".png" }

func stateIcon(k alert.Kind, s alert.State) string {
	if !k.Has(s) {
		return Icon("app")
	}
	return Icon(string(k) + "-" + string(s))
}

// path is HOST/SVC, as openITCOCKPIT writes it on acknowledgements.
func path(o alert.Object) string {
	if o.Service == "" {
		return o.HostName()
	}
	return o.HostName() + "/" + o.ServiceName()
}

// began is what happened to the object, also where the engine's answer told it.
func began(e alert.Event) string {
	switch {
	case e.Type != alert.EngineReply:
		return e.Type.Word()
	case e.Outcome == alert.DowntimeBegan:
		return alert.DowntimeStart.Word()
	}
	return alert.DowntimeEnd.Word()
}

// said is "author: comment", or the check's output where nobody said anything.
func said(e alert.Event) string {
	switch {
	case e.Author != "" && e.Comment != "":
		return Cut(e.Author+": "+e.Comment, maxBody)
	case e.Comment != "":
		return Cut(e.Comment, maxBody)
	case e.Author != "":
		return Cut(e.Author, maxBody)
	}
	return Cut(e.Output, maxBody)
}

// acked is what an acknowledgement's message says: who made it, and below whether
// the engine knows of it, where it is to.
func acked(m *Message) string {
	e := m.Event
	if m.Alert == nil || m.Alert.Status != alert.Acknowledged || m.Alert.Ack == nil || e.Type == alert.Unacknowledged {
		return said(e)
	}
	k := m.Alert.Ack
	if e.Type == alert.EngineReply || e.Outcome == alert.AckConfirmed {
		// The event has the engine's words. Who took the alert is said as well,
		// for this message takes the place of the one that said it first.
		e.Author, e.Comment = k.Author, k.Comment
	}
	if !k.Origin.Here() || k.Confirmation == alert.Local {
		return said(e)
	}
	engine := Cut(EngineSays("the engine", k.Confirmation, k.Words), maxBody/2)
	if engine == "" {
		return said(e)
	}
	if body := Cut(said(e), maxBody-len([]rune(engine))-1); body != "" {
		return body + "\n" + engine
	}
	return engine
}

// EngineSays is for people whether an engine knows of an acknowledgement that was
// made here: "waiting for Nagios to confirm". Empty where it is not told.
func EngineSays(engine string, c alert.Confirmation, words string) string {
	s := ""
	switch c {
	case alert.Pending:
		return "waiting for " + engine + " to confirm"
	case alert.Confirmed:
		s = "confirmed by " + engine
	case alert.Refused:
		s = "refused by " + engine
	case alert.Unconfirmed:
		s = "not confirmed by " + engine
	}
	if s != "" && words != "" {
		s += ": " + words
	}
	return s
}

// recoveryBody puts how long it lasted below the output, which is cut to leave
// room for that.
func recoveryBody(output string, a *alert.Alert) string {
	if a == nil || a.Resolved.IsZero() || !a.Worst.Problem() {
		return Cut(output, maxBody)
	}
	lasted := "was " + a.Worst.Word() + " for " + Span(a.Resolved.Sub(a.Since))
	if output = Cut(output, maxBody-len(lasted)-1); output == "" {
		return lasted
	}
	return output + "\n" + lasted
}

// Span is a duration for people, in its two largest units at most: "3 h 5 min".
func Span(d time.Duration) string {
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

// Cut shortens a text to at most limit characters, the ellipsis included,
// without tearing apart what is seen as one: a flag, a family, a letter with
// its accents. Space around the text is taken off.
func Cut(s string, limit int) string {
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
