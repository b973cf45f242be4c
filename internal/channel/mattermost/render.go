package mattermost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
)

const (
	// maxProps is how many characters an attachment has as JSON, buttons
	// included. Mattermost before 6.0 takes 8,000 characters of props
	// (POST_PROPS_MAX_RUNES) and needs 400 of them itself; what it adds to an
	// attachment counts, too. Its limit of text, 16,383, is beyond that.
	maxProps = 7000
	// besideText is how much of it all but the check's output may take.
	besideText = 4500
	// moment is a time for people. Mattermost shows a post to all in one form, so
	// it says which zone.
	moment = "2 Jan 2006, 15:04 MST"
)

// limits are how long single texts may be, in characters before they are escaped.
type limits struct{ name, comment, words int }

// fullLimits are those that people will notice least. An escaped character can
// take seven in JSON, so texts of nothing else get less.
var fullLimits = limits{150, 1000, 300}

// maxNote is how much of a comment stands in a reply: the post has all of it.
const maxNote = 300

// attachment is a message attachment, in Mattermost's words.
type attachment struct {
	Fallback  string   `json:"fallback"`
	Color     string   `json:"color"`
	Title     string   `json:"title"`
	TitleLink string   `json:"title_link,omitempty"`
	Text      string   `json:"text,omitempty"`
	Fields    []field  `json:"fields,omitempty"`
	Footer    string   `json:"footer,omitempty"`
	Actions   []button `json:"actions,omitempty"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// button is one action below an attachment. Its id has letters and digits only:
// Mattermost answers 404 to a click on any other.
type button struct {
	ID          string      `json:"id"`
	Type        string      `json:"type"`
	Name        string      `json:"name"`
	Style       string      `json:"style,omitempty"`
	Options     []option    `json:"options,omitempty"`
	Integration integration `json:"integration"`
}

type option struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// integration is what Mattermost calls and hands back. It never shows it to
// those who read the post.
type integration struct {
	URL     string        `json:"url"`
	Context buttonContext `json:"context"`
}

type buttonContext struct {
	Secret string      `json:"secret"`
	Alert  string      `json:"alert"`
	Action chat.Action `json:"action"`
}

// view is all that the post of an alert depends on.
type view struct {
	alert    alert.Alert
	object   alert.Object
	url      string // of the alert's page here
	engine   string // name of the source, where it is told what is done here
	callback string // base of what Mattermost calls
	buttons  bool
	dialog   bool
	emoji    bool
	zone     *time.Location // of the times that are shown; nil is UTC
	now      time.Time
}

// actions are what can be done now.
func (v *view) actions() []chat.Action {
	switch {
	case !v.buttons:
		return nil
	case v.alert.Status == alert.Firing && v.dialog:
		return []chat.Action{chat.Ack, chat.AckDialog, chat.Snooze}
	case v.alert.Status == alert.Firing:
		return []chat.Action{chat.Ack, chat.Snooze}
	case v.alert.Status == alert.Acknowledged:
		return []chat.Action{chat.Unack}
	}
	return nil
}

// snoozes are for how long one can put an alert off, in minutes.
var snoozes = []option{{"30 minutes", "30"}, {"2 hours", "120"}, {"8 hours", "480"}}

// render makes the attachment. secrets are those of actions, by action.
func (v *view) render(secrets map[chat.Action]string) attachment {
	a := &v.alert
	at := attachment{TitleLink: v.url, Footer: "Tocsin"}
	for _, act := range v.actions() {
		at.Actions = append(at.Actions, v.button(act, secrets[act]))
	}
	for part := 1; part <= 16; part *= 2 {
		v.head(&at, limits{fullLimits.name / part, fullLimits.comment / part, fullLimits.words / part})
		if size(&at) <= besideText {
			break
		}
	}
	text := a.Output
	if a.Long != "" {
		text += "\n" + a.Long
	}
	fit(&at, text)
	return at
}

// head writes what stands around the output.
func (v *view) head(at *attachment, l limits) {
	a := &v.alert
	name := channel.Cut(v.object.Name(), 2*l.name)
	at.Color = a.State.Colour()
	title := fmt.Sprintf("PROBLEM: %s is %s", name, a.State.Word())
	mark := stateMark(a.State)
	switch a.Status {
	case alert.Acknowledged:
		at.Color, mark = alert.Information, "🔵"
		title = fmt.Sprintf("ACKNOWLEDGED: %s is %s", name, a.State.Word())
	case alert.Resolved:
		title = fmt.Sprintf("RECOVERY: %s is %s", name, a.State.Word())
	}
	at.Fallback = plain(title)
	at.Title = v.title(title, mark)
	at.Fields = v.fields(l)
}

// title is plain where it is a link: Mattermost shows it as it is then, and reads
// Markdown in one without.
func (v *view) title(s, mark string) string {
	if v.url == "" {
		s = escapeInline(s)
	} else {
		s = plain(s)
	}
	if v.emoji {
		return mark + " " + s
	}
	return s
}

// stateMark is a state as a sign. A word stands beside it.
func stateMark(s alert.State) string {
	switch s {
	case alert.OK, alert.Up:
		return "🟢"
	case alert.Warning:
		return "🟠"
	case alert.Critical, alert.Down:
		return "🔴"
	}
	return "⚪"
}

func (v *view) fields(l limits) []field {
	a, o := &v.alert, &v.object
	fs := []field{short("Host", o.HostName(), l.name)}
	if o.Service != "" {
		fs = append(fs, short("Service", o.ServiceName(), l.name))
	}
	state := a.State.Word()
	if a.Status == alert.Resolved && a.Worst.Problem() && !a.Resolved.IsZero() {
		state += ", was " + a.Worst.Word() + " for " + channel.Span(a.Resolved.Sub(a.Since))
	}
	fs = append(fs, short("State", state, l.name), short("Since", when(a.Since, v.zone), l.name))
	if n := o.Labels["attempt"]; n != "" {
		fs = append(fs, short("Attempt", n, 20))
	}
	if a.Snoozed.After(v.now) && a.Status == alert.Firing {
		fs = append(fs, short("Snoozed until", when(a.Snoozed, v.zone), l.name))
	}
	if k := a.Ack; k != nil && a.Status != alert.Firing {
		fs = append(fs, short("Acknowledged by", author(k), l.name))
		if !k.Until.IsZero() && a.Status == alert.Acknowledged {
			fs = append(fs, short("Expires", when(k.Until, v.zone), l.name))
		}
		if said(k.Author, k.Comment) {
			fs = append(fs, field{Title: "Comment", Value: escape(channel.Cut(k.Comment, l.comment))})
		}
		if s := v.engineSays(k); s != "" && a.Status == alert.Acknowledged {
			fs = append(fs, field{Title: "Engine", Value: escape(channel.Cut(s, l.words))})
		}
	}
	return fs
}

func short(title, value string, limit int) field {
	return field{Title: title, Value: escapeInline(channel.Cut(value, limit)), Short: true}
}

func when(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(moment)
}

func author(k *alert.Ack) string {
	switch {
	case k.Author != "":
		return k.Author
	case k.Origin == alert.FromEngine:
		return "somebody in the engine"
	}
	return "somebody"
}

// engineSays is whether the engine knows of an acknowledgement, empty where it is
// not to be told, or did it itself.
func (v *view) engineSays(k *alert.Ack) string {
	if !k.Origin.Here() || k.Confirmation == alert.Local {
		return ""
	}
	name := v.engine
	if name == "" {
		name = "the engine"
	}
	return channel.EngineSays(name, k.Confirmation, k.Words)
}

func (v *view) button(act chat.Action, secret string) button {
	b := button{
		ID: string(act), Type: "button",
		Integration: integration{v.callback + "/callback/mattermost/action", buttonContext{secret, v.alert.ID, act}},
	}
	switch act {
	case chat.Ack:
		b.Name, b.Style = "Acknowledge", "primary"
	case chat.AckDialog:
		b.Name = "Acknowledge with comment"
	case chat.Snooze:
		b.Name, b.Type, b.Options = "Snooze", "select", snoozes
	case chat.Unack:
		b.Name = "Remove acknowledgement"
	}
	return b
}

// fit gives an attachment as much of a text as there is room for.
func fit(at *attachment, text string) {
	at.Text = ""
	left := maxProps - size(at) - 20 // for the name of the field
	for room := left; room > 0; {
		at.Text = escapeCut(text, room)
		over := size(at) - maxProps
		if over <= 0 {
			return
		}
		// A character has up to six in JSON.
		room = min(room*left/(left+over), room-1)
		at.Text = ""
	}
}

// size is how many characters an attachment has as Mattermost keeps it. Go's
// JSON, which is Mattermost's, writes < > & with six.
func size(at *attachment) int {
	raw, err := json.Marshal(at)
	if err != nil {
		return maxProps + 1 // cannot happen: it has nothing but texts
	}
	return utf8.RuneCount(raw)
}

// look is what people see of an attachment as a hash, without what differs each
// time it is made: the buttons' secrets.
func look(at attachment) string {
	actions := at.Actions
	at.Actions = make([]button, len(actions))
	for i, b := range actions {
		b.Integration = integration{URL: b.Integration.URL}
		at.Actions[i] = b
	}
	raw, err := json.Marshal(at)
	if err != nil {
		return ""
	}
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:16])
}

// loose is the attachment of a message about an object that has no alert.
func (v *view) loose(m *channel.Message) attachment {
	t := channel.Present(m)
	at := attachment{
		Fallback: plain(t.Title), Title: v.title(channel.Cut(t.Title, 2*fullLimits.name), "🔵"), TitleLink: v.url,
		Color: t.Colour, Footer: "Tocsin",
	}
	at.Fields = []field{short("Host", v.object.HostName(), fullLimits.name)}
	if v.object.Service != "" {
		at.Fields = append(at.Fields, short("Service", v.object.ServiceName(), fullLimits.name))
	}
	fit(&at, t.Body)
	return at
}

// reply is what stands in the thread about what happened, empty when the edited
// post says enough.
func (v *view) reply(m *channel.Message) string {
	e, a := &m.Event, &v.alert
	output := escape(channel.Cut(a.Output, maxNote))
	if output != "" {
		output = ": " + output
	}
	k := a.Ack
	switch {
	case e.Type == alert.EngineReply:
		if k == nil || a.Status != alert.Acknowledged || (k.Confirmation != alert.Refused && k.Confirmation != alert.Unconfirmed) {
			return ""
		}
		return v.sign("⚠️") + "Acknowledged by " + escapeInline(author(k)) + ", but " + escapeInline(v.engineSays(k))
	case m.Quiet:
		return ""
	case m.Notice == alert.NoticeRecovery:
		s := v.sign(stateMark(a.State)) + "**Recovered**: " + a.State.Word()
		if a.Worst.Problem() && !a.Resolved.IsZero() {
			s += " after " + channel.Span(a.Resolved.Sub(a.Since))
		}
		return s + output
	case m.Notice == alert.NoticeAck && e.Type == alert.Unacknowledged:
		return v.sign("↩️") + "**Acknowledgement removed**" + v.by(e)
	case m.Notice == alert.NoticeAck:
		return v.sign("🔵") + "**Acknowledged**" + v.by(e)
	case m.Notice == alert.NoticeProblem && m.Duty != "":
		return v.sign("📣") + "**Escalation**: " + escapeInline(channel.Cut(m.Duty, fullLimits.words)) + ". Still " + a.State.Word() + output
	case m.Notice == alert.NoticeProblem && (m.Snoozed || m.Reminder):
		return v.sign("⏰") + "**Reminder**: still " + a.State.Word() + output
	case m.Notice == alert.NoticeProblem && e.Type == alert.Unacknowledged:
		return v.sign(stateMark(a.State)) + "**Not acknowledged any more**" + v.by(e) + ", still " + a.State.Word()
	case m.Notice == alert.NoticeProblem && e.Outcome == alert.Reopened:
		return v.sign(stateMark(a.State)) + "**Now " + a.State.Word() + "**, so the acknowledgement ended" + output
	case m.Notice == alert.NoticeProblem:
		return v.sign(stateMark(a.State)) + "**Now " + a.State.Word() + "**" + output
	}
	word := e.Type.Word()
	if word == "" {
		word = "Note"
	}
	return v.sign("🔵") + "**" + word + "**" + v.by(e)
}

// by is " by author: comment", of what there is.
func (v *view) by(e *alert.Event) string {
	s := ""
	if e.Author != "" {
		s = " by " + escapeInline(channel.Cut(e.Author, fullLimits.name))
	}
	if said(e.Author, e.Comment) {
		s += ": " + escape(channel.Cut(e.Comment, maxNote))
	}
	return s
}

// said says whether a comment is one: where nobody writes any, the engine is
// given "Acknowledged by AUTHOR", which stands in the post already.
func said(author, comment string) bool {
	return comment != "" && comment != "Acknowledged by "+author
}

func (v *view) sign(s string) string {
	if v.emoji {
		return s + " "
	}
	return ""
}
