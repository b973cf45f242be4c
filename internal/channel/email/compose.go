package email

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/mail"
)

//go:embed alert.html
var files embed.FS

// How much of a text a letter has, in characters.
const (
	mostName    = 120 // of an object, in a subject
	mostSubject = 200
	mostOutput  = 2000
	mostLong    = 8000
	mostComment = 2000
	mostLine    = 240 // of the output of one among many
	mostLabels  = 12
	mostLabel   = 200
)

// moment is a time for people, who may read it in another place.
const moment = "2 Jan 2006, 15:04 MST"

// view is a letter: both its parts say all of it.
type view struct {
	Title      string // what the window is called
	Badge      string // in one word what it is about
	Colour     template.CSS
	Heading    string
	Paragraphs []string
	Output     string // of the check
	Lines      []row
	More       string // how many there are besides
	Facts      []fact
	Link       *button // acknowledge
	LinkNote   string
	Open       *button
	Engine     *button
	Why        string
}

type fact struct{ Name, Value string }

type button struct{ Text, URL string }

// row is one alert among many.
type row struct {
	Word   string
	Colour template.CSS
	Name   string
	Output string
	Since  string
	URL    string
}

// Letter writes a message to an address.
func (c *Channel) Letter(m *channel.Message, to string, link Link) (mail.Letter, error) {
	l := mail.Letter{To: to, ID: m.DeliveryID, Host: c.host, Language: "en", Marks: marks(m)}
	var v view
	if d := m.Digest; d != nil {
		l.Thread, l.Subject = d.Storm, c.digest(&v, d)
		l.Urgent = !d.Over && len(d.Worst) > 0 && urgent(d.Worst[0].State)
	} else {
		l.Thread, l.Subject = m.Object.ID, c.single(&v, m, link)
		if m.Alert != nil {
			l.Thread = m.Alert.ID
		}
		l.Urgent = m.Notice == alert.NoticeProblem && urgent(stateOf(m))
	}
	l.Subject = channel.Cut(oneLine(l.Subject), mostSubject)
	v.Title = l.Subject
	v.Why = "You get this letter because you are the contact “" + oneLine(m.Contact) + "” in Tocsin."
	var html bytes.Buffer
	if err := c.page.Execute(&html, &v); err != nil {
		return l, fmt.Errorf("write a letter: %w", err)
	}
	l.HTML, l.Text = html.String(), v.plain()
	return l, nil
}

func urgent(s alert.State) bool { return s == alert.Critical || s == alert.Down }

// marks are ids for filters. None of them is anybody's text.
func marks(m *channel.Message) map[string]string {
	out := map[string]string{"X-Tocsin-Delivery": m.DeliveryID, "X-Tocsin-Notice": string(m.Notice), "X-Tocsin-Event": m.Event.ID}
	if d := m.Digest; d != nil {
		out["X-Tocsin-Storm"] = d.Storm
		delete(out, "X-Tocsin-Event") // it is but the first of them
		return out
	}
	out["X-Tocsin-Object"], out["X-Tocsin-Source"], out["X-Tocsin-State"] = m.Object.ID, m.Object.SourceID, string(stateOf(m))
	if m.Alert != nil {
		out["X-Tocsin-Alert"] = m.Alert.ID
	}
	return out
}

// stateOf is the state that a message tells: of a problem what is true now.
func stateOf(m *channel.Message) alert.State {
	if m.Notice == alert.NoticeProblem && m.Alert.Open() {
		return m.Alert.State
	}
	return m.Event.State
}

// single says one message of one object, and answers its subject.
func (c *Channel) single(v *view, m *channel.Message, link Link) string {
	name, state := channel.Cut(oneLine(m.Object.Name()), mostName), stateOf(m)
	word, e, a := state.Word(), &m.Event, m.Alert
	v.Colour, v.Badge = template.CSS(state.Colour()), m.Notice.Word() //nolint:gosec // one of ours
	v.Output = channel.Cut(e.Output, mostOutput)
	long := e.Long
	var subject string
	switch m.Notice {
	case alert.NoticeProblem:
		v.Heading = name + " is " + word
		subject = "PROBLEM: " + v.Heading
		if m.Snoozed || m.Reminder {
			v.Heading = name + " is still " + word
			v.Badge, subject = "Reminder", "REMINDER: "+v.Heading
		} else if m.Duty != "" {
			v.Badge, subject = "Escalated", "ESCALATED: "+v.Heading
		}
		if a.Open() {
			v.Output, long = channel.Cut(a.Output, mostOutput), a.Long
		}
	case alert.NoticeRecovery:
		v.Heading = name + " is " + word
		subject = "RECOVERY: " + v.Heading
	case alert.NoticeAck:
		subject = c.acked(v, m, name, word)
	case alert.NoticeDowntime, alert.NoticeFlapping:
		v.Badge, v.Colour = m.Notice.Word(), alert.Information
		v.Heading = began(e) + ": " + name
		subject = strings.ToUpper(began(e)) + ": " + name
		v.say(e.Author, e.Comment)
	default:
		v.Badge, v.Colour = "Note", alert.Information
		v.Heading = "A note on " + name + " (" + word + ")"
		subject = "NOTE: " + name + " (" + word + ")"
		v.say(e.Author, e.Comment)
	}
	if m.Duty != "" {
		v.Paragraphs = append(v.Paragraphs, "Why you: "+channel.Cut(oneLine(m.Duty), mostComment)+".")
	}
	if m.Snoozed {
		v.Paragraphs = append(v.Paragraphs, "You had put it off until now.")
	}
	if long = channel.Cut(long, mostLong); long != "" {
		v.Output = strings.TrimSpace(v.Output + "\n" + long)
	}
	c.facts(v, m)
	if link.URL != "" {
		v.Link = &button{"Acknowledge", link.URL}
		v.LinkNote = "The link opens a page that asks you first. It works once, until " + link.Until.In(c.o.Zone).Format(moment) +
			", for whoever has this letter: do not forward it."
	}
	if m.URL != "" {
		v.Open = &button{"Open in Tocsin", m.URL}
	}
	if web(m.EngineURL) {
		v.Engine = &button{"Open in the monitoring", m.EngineURL}
	}
	return subject
}

// web says whether a link that came from elsewhere leads to a page.
func web(u string) bool { return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") }

// began is what happened to the object, also where the engine's answer told it.
func began(e *alert.Event) string {
	switch {
	case e.Type != alert.EngineReply:
		return e.Type.Word()
	case e.Outcome == alert.DowntimeBegan:
		return alert.DowntimeStart.Word()
	}
	return alert.DowntimeEnd.Word()
}

// acked says that somebody took an alert, or gave it back, or what its engine made of
// that.
func (c *Channel) acked(v *view, m *channel.Message, name, word string) string {
	e := &m.Event
	v.Output = ""
	if e.Type == alert.Unacknowledged || m.Alert == nil || m.Alert.Ack == nil {
		v.Badge = "Given back"
		v.Heading = "Nobody has " + name + " any more (" + word + ")"
		v.say(e.Author, e.Comment)
		if e.Type != alert.Unacknowledged {
			v.Badge, v.Heading = "Acknowledged", name+" is acknowledged ("+word+")"
			return "ACKNOWLEDGED: " + name + " (" + word + ")"
		}
		return "GIVEN BACK: " + name + " (" + word + ")"
	}
	k := m.Alert.Ack
	who := channel.Cut(oneLine(k.Author), mostName)
	if who == "" {
		who = "Somebody"
	}
	v.Badge, v.Colour = "Acknowledged", alert.Information
	v.Heading = who + " has " + name + " (" + word + ")"
	v.say("", k.Comment)
	if k.Origin.Here() && k.Confirmation != alert.Local {
		if said := channel.EngineSays("the engine", k.Confirmation, channel.Cut(k.Words, mostComment)); said != "" {
			v.Paragraphs = append(v.Paragraphs, strings.ToUpper(said[:1])+said[1:])
		}
	}
	return "ACKNOWLEDGED: " + name + " (" + word + ")"
}

// say adds what a person said.
func (v *view) say(author, comment string) {
	author, comment = channel.Cut(oneLine(author), mostName), channel.Cut(comment, mostComment)
	switch {
	case author != "" && comment != "":
		v.Paragraphs = append(v.Paragraphs, author+": "+comment)
	case author+comment != "":
		v.Paragraphs = append(v.Paragraphs, author+comment)
	}
}

// facts are what else is known.
func (c *Channel) facts(v *view, m *channel.Message) {
	add := func(name, value string) {
		if value != "" {
			v.Facts = append(v.Facts, fact{name, value})
		}
	}
	o, a := &m.Object, m.Alert
	add("Host", channel.Cut(oneLine(o.HostName()), mostLabel))
	add("Service", channel.Cut(oneLine(o.ServiceName()), mostLabel))
	if a == nil {
		add("At", c.when(m.Event.Time))
	} else {
		since := c.when(a.Since)
		switch {
		case !a.Resolved.IsZero():
			since += ", until " + c.when(a.Resolved) + " (" + channel.Span(a.Resolved.Sub(a.Since)) + ")"
			if a.Worst.Problem() {
				add("Was", a.Worst.Word())
			}
		case m.Notice == alert.NoticeProblem:
			since += " (" + channel.Span(c.o.Now().Sub(a.Since)) + " before this letter)"
		}
		add("Since", since)
		if k := a.Ack; k != nil && a.Status == alert.Acknowledged {
			add("Acknowledged", strings.TrimSpace(c.when(k.At)+" by "+channel.Cut(oneLine(k.Author), mostName)))
			if !k.Until.IsZero() {
				add("Until", c.when(k.Until))
			}
		}
	}
	names := make([]string, 0, len(o.Labels))
	for name := range o.Labels {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), mostLabels)] {
		add("Label "+channel.Cut(oneLine(name), mostName), channel.Cut(oneLine(o.Labels[name]), mostLabel))
	}
}

func (c *Channel) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(c.o.Zone).Format(moment)
}

// digest says many alerts together, and answers the subject.
func (c *Channel) digest(v *view, d *channel.Digest) string {
	title := channel.Cut(oneLine(d.Title), mostName)
	alerts := count(d.Total, "alert", "alerts")
	v.Badge, v.Colour = "Storm", alert.Information
	if d.Held {
		v.Badge = "Held back"
	}
	if len(d.Worst) > 0 && !d.Over {
		v.Colour = template.CSS(d.Worst[0].State.Colour()) //nolint:gosec // one of ours
	}
	now := tally(d)
	v.Heading = title + ": " + alerts
	of := alerts + ", " + fmt.Sprint(d.Open) + " open (" + strings.TrimPrefix(title, "Storm: ") + ")"
	subject := strings.ToUpper(v.Badge) + ": " + of
	if d.Over {
		v.Badge = "Over"
		subject = "STORM OVER: " + of
		v.Paragraphs = append(v.Paragraphs, "It is over: nothing more has come for a while.")
	}
	v.Paragraphs = append(v.Paragraphs, "Now: "+now+".")
	if d.New > 0 && d.New < d.Total {
		v.Paragraphs = append(v.Paragraphs, count(d.New, "of them is new", "of them are new")+" since the letter before.")
	}
	if d.About != "" {
		v.Facts = append(v.Facts, fact{"Of", channel.Cut(oneLine(d.About), mostLabel)})
	}
	if !d.Began.IsZero() {
		v.Facts = append(v.Facts, fact{"Since", c.when(d.Began)})
	}
	for _, w := range d.Worst[:min(len(d.Worst), channel.MaxWorst)] {
		one := row{Word: w.State.Word(), Colour: template.CSS(w.State.Colour()), Name: channel.Cut(oneLine(w.Object.Name()), mostName), //nolint:gosec // one of ours
			Output: channel.Cut(oneLine(w.Output), mostLine), Since: c.when(w.Since), URL: w.URL}
		if w.Status == alert.Acknowledged {
			one.Word += ", acknowledged"
		}
		v.Lines = append(v.Lines, one)
	}
	if rest := d.Open + d.Acked - len(v.Lines); rest > 0 {
		v.More = count(rest, "more is not over.", "more are not over.")
	}
	if d.URL != "" {
		v.Open = &button{"See all in Tocsin", d.URL}
	}
	return subject
}

// tally is how many stand where.
func tally(d *channel.Digest) string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{d.Open, "open"}, {d.Acked, "acknowledged"}, {d.Recovered, "recovered"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprint(p.n)+" "+p.word)
		}
	}
	if len(parts) == 0 {
		return "none open"
	}
	return strings.Join(parts, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + many
}

// plain is the letter for who reads text.
func (v *view) plain() string {
	var b strings.Builder
	para := func(s string) {
		if s != "" {
			b.WriteString(s + "\n\n")
		}
	}
	para(v.Heading)
	for _, p := range v.Paragraphs {
		para(p)
	}
	para(v.Output)
	for _, l := range v.Lines {
		b.WriteString("* " + l.Word + ": " + l.Name)
		if l.Since != "" {
			b.WriteString(", since " + l.Since)
		}
		b.WriteString("\n")
		for _, s := range []string{l.Output, l.URL} {
			if s != "" {
				b.WriteString("  " + s + "\n")
			}
		}
		b.WriteString("\n")
	}
	para(v.More)
	for _, f := range v.Facts {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	b.WriteString("\n")
	if v.Link != nil {
		para(v.Link.Text + ":\n" + v.Link.URL + "\n" + v.LinkNote)
	}
	for _, l := range []*button{v.Open, v.Engine} {
		if l != nil {
			para(l.Text + ":\n" + l.URL)
		}
	}
	b.WriteString("-- \n" + v.Why + "\n")
	return b.String()
}
