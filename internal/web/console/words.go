package console

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// look is a state as people see it: a word, a shape and a colour's class.
type look struct {
	Word, Icon, Class string
}

func stateOf(s alert.State) look {
	switch s {
	case alert.Up:
		return look{s.Word(), "host-up", "good"}
	case alert.Down:
		return look{s.Word(), "host-down", "bad"}
	case alert.Unreachable:
		return look{s.Word(), "host-unreachable", "dim"}
	case alert.OK:
		return look{s.Word(), "service-ok", "good"}
	case alert.Warning:
		return look{s.Word(), "service-warning", "warn"}
	case alert.Critical:
		return look{s.Word(), "service-critical", "bad"}
	case alert.Unknown:
		return look{s.Word(), "service-unknown", "dim"}
	}
	return look{"Not told", "service-unknown", "dim"}
}

func statusOf(s alert.Status) look {
	switch s {
	case alert.Firing:
		return look{s.Word(), "alerts", "bad"}
	case alert.Acknowledged:
		return look{s.Word(), "ok", "info"}
	case alert.Resolved:
		return look{s.Word(), "ok", "good"}
	}
	return look{s.Word(), "dash", "dim"}
}

// toldOf is where a delivery stands, in a word with a shape.
func toldOf(s delivery.State) look {
	switch s {
	case delivery.Waiting:
		return look{"Waiting", "wait", "info"}
	case delivery.Handed:
		return look{"Handed over", "moved", "info"}
	case delivery.Sent:
		return look{"Told", "ok", "good"}
	case delivery.Expired:
		return look{"Expired", "warn", "warn"}
	case delivery.Cancelled:
		return look{"Cancelled", "dash", "dim"}
	case delivery.Dead:
		return look{"Not delivered", "no", "bad"}
	case delivery.Skipped:
		return look{"Not told", "dash", "dim"}
	case delivery.Collected:
		return look{"Collected", "wait", "info"}
	}
	return look{string(s), "dash", "dim"}
}

func outcomeWord(o alert.Outcome) string {
	switch o {
	case alert.Opened:
		return "opened the alert"
	case alert.Changed:
		return "changed its state"
	case alert.Reopened:
		return "made it fire again"
	case alert.Repeated:
		return "repeated what was known"
	case alert.Acked:
		return "acknowledged it"
	case alert.AckConfirmed:
		return "confirmed the acknowledgement"
	case alert.AckAnswered:
		return "answered for the acknowledgement"
	case alert.Unacked:
		return "took the acknowledgement back"
	case alert.Closed:
		return "resolved the alert"
	case alert.DowntimeBegan:
		return "began a downtime"
	case alert.DowntimeOver:
		return "ended the downtime"
	case alert.FlappingBegan:
		return "began flapping"
	case alert.FlappingOver:
		return "ended flapping"
	case alert.Noted:
		return "was noted"
	case alert.Stale:
		return "came too late to change anything"
	}
	return string(o)
}

func originWord(o alert.Origin) string {
	switch o {
	case alert.FromEngine:
		return "in the engine"
	case alert.FromConsole:
		return "in the console"
	case alert.FromAPI:
		return "by API"
	case alert.FromNotification:
		return "from the notification"
	case alert.FromMattermost:
		return "in Mattermost"
	case alert.FromMail:
		return "by the link in an e-mail"
	case alert.FromExpiry:
		return "by the clock"
	}
	return ""
}

// marked is a mark with what it means.
type marked struct {
	Word, Means string
}

func markOf(m alert.Mark) marked {
	switch m {
	case alert.MarkStateMissing:
		return marked{"no state given", "The engine gave no state, so it was taken as Unreachable or Unknown."}
	case alert.MarkClockAhead:
		return marked{"clock ahead", "The engine's time lay in the future, so the time of arrival was taken. Check the clocks of both machines."}
	case alert.MarkLate:
		return marked{"arrived late", "The event arrived long after it happened, as from a spool that was handed in."}
	case alert.MarkOutOfOrder:
		return marked{"out of order", "The event is older than what was known already."}
	case alert.MarkText:
		return marked{"text cleaned", "Bytes that are not text, control characters, or characters that turn the direction of writing were replaced or taken out."}
	case alert.MarkCut:
		return marked{"text cut", "A text longer than its limit was cut."}
	case alert.MarkContact:
		return marked{"unknown contact", "The engine named a contact that is not known here. Add it under Contacts with the engine's name."}
	case alert.MarkNoEmoji:
		return marked{"no emoji", "The command was called with --no-emoji, so posts in Mattermost have none."}
	}
	return marked{string(m), ""}
}

func channelWord(name string) string {
	switch name {
	case "":
		return "—"
	case "browser":
		return "Browser"
	case "webpush":
		return "Web Push"
	case "mattermost":
		return "Mattermost"
	case "email":
		return "E-mail"
	case "webhook":
		return "Webhook"
	case route.Engine:
		return "The engine"
	}
	return name
}

func reasonWord(r route.Reason) string {
	switch r {
	case route.ReasonNamed:
		return "Named by the engine"
	case route.ReasonRule:
		return "Chosen by a rule"
	case route.ReasonTold:
		return "Was told before"
	case route.ReasonUnknownContact:
		return "Unknown contact"
	case route.ReasonNoRule:
		return "No rule fits"
	case route.ReasonOption:
		return "Option is off"
	case route.ReasonPeriod:
		return "Outside the time period"
	case route.ReasonDisabled:
		return "Notifications are off"
	case route.ReasonPushOff:
		return "Push is off"
	case route.ReasonChannelOff:
		return "The channel is off in the settings"
	case route.ReasonNoDevice:
		return "No device takes Web Push"
	case route.ReasonSnoozed:
		return "Snoozed"
	case route.ReasonSnoozeOver:
		return "Reminder after a snooze"
	case route.ReasonRoom:
		return "The room gets every alert"
	case route.ReasonWriteBack:
		return "Tells the engine what was done here"
	case route.ReasonNoChat:
		return "Not to be reached in Mattermost"
	case route.ReasonReplace:
		return "Replaces what is shown"
	case route.ReasonNeverTold:
		return "The problem was never told"
	case route.ReasonNoUser:
		return "No user is linked"
	case route.ReasonUserDisabled:
		return "The user is disabled"
	case route.ReasonOwn:
		return "Did it themselves"
	case route.ReasonSilent:
		return "Nothing to tell"
	case route.ReasonEscalation:
		return "Nobody took it in time"
	case route.ReasonReminder:
		return "Reminder: nobody has it yet"
	case route.ReasonHook:
		return "The webhook gets every alert"
	case route.ReasonStorm:
		return "A storm, told together"
	case route.ReasonOver:
		return "The storm is over"
	case route.ReasonQuiet:
		return "Quiet hours"
	case route.ReasonWindow:
		return "Maintenance window"
	case route.ReasonNobody:
		return "Leads to nobody"
	case route.ReasonFlapping:
		return "It flaps"
	case route.ReasonMailOff:
		return "E-mail is off"
	case route.ReasonNoMail:
		return "No e-mail address is known"
	case route.ReasonNoHook:
		return "No webhook is set"
	}
	return string(r)
}

func roleWord(r auth.Role) string {
	switch r {
	case auth.Viewer:
		return "Viewer"
	case auth.Responder:
		return "Responder"
	case auth.Operator:
		return "Operator"
	case auth.Admin:
		return "Administrator"
	}
	return string(r)
}

// count is "1 alert", "3 alerts".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func initials(name string) string {
	var out []rune
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		out = append(out, []rune(strings.ToUpper(word))[0])
		if len(out) == 2 {
			break
		}
	}
	return string(out)
}

// whenView is a time as the page shows it; the script keeps Text true and puts
// the title into the browser's zone.
type whenView struct {
	ISO, Full, Text, Style string
}

func when(t, now time.Time) whenView {
	if t.IsZero() {
		return whenView{}
	}
	v := whenView{ISO: t.UTC().Format("2006-01-02T15:04:05.000Z"), Full: t.UTC().Format("2 Jan 2006 15:04:05 MST"), Style: "ago"}
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		v.Text = "in " + length(-d)
	case d < time.Minute:
		v.Text = "just now"
	default:
		v.Text = length(d) + " ago"
	}
	return v
}

// span is how long ago, without "ago": a duration that goes on.
func span(t, now time.Time) whenView {
	v := when(t, now)
	if v.ISO != "" {
		v.Style, v.Text = "span", length(now.Sub(t))
		if now.Sub(t) < time.Minute {
			v.Text = "under 1 min" // seconds would be wrong before they are read
		}
	}
	return v
}

// length is a duration in its two largest units.
func length(d time.Duration) string {
	d = max(d, 0)
	s := int(d / time.Second)
	switch {
	case s < 60:
		return count(s, "second", "seconds")
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 86400:
		if m := s % 3600 / 60; m > 0 {
			return fmt.Sprintf("%d h %d min", s/3600, m)
		}
		return fmt.Sprintf("%d h", s/3600)
	}
	if h := s % 86400 / 3600; h > 0 && s < 14*86400 {
		return fmt.Sprintf("%d d %d h", s/86400, h)
	}
	return fmt.Sprintf("%d d", s/86400)
}
