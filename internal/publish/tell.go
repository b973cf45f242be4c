package publish

import (
	"strings"
	"time"
	"unicode"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// message is what visitors are to be told.
type message struct {
	kind       push.Kind
	impact     status.Impact
	components []string
	topic      string // id of what it is about; what comes later takes its place
	path       string // below the page's address
	urgency    push.Urgency
	lasts      time.Duration
	title      func(l *words.Language) string // without sign; nil: the components' names
	sign       string
	word       func(l *words.Language) string
	lead       func(l *words.Language) string // a line before the text
	body       string                         // Markdown
}

// shownBody is how many characters of a text a device is sent: none shows more.
// Who has room for all of it gets Publication.Full.
const shownBody = 300

// tell has visitors told, unless the change is silent or the page does not tell
// of such.
func (j *job) tell(m message) error {
	if j.silent || !Triggered(j.page, m.kind) {
		return nil
	}
	if err := j.components(); err != nil { // for their names
		return err
	}
	id, err := newID()
	if err != nil {
		return err
	}
	base := address(j.page)
	p := push.Publication{
		ID: id, PageID: j.page.ID, Components: told(m.components), Kind: m.kind, Impact: push.Impact(m.impact), Texts: map[string]push.Text{},
		URL: base + m.path, Topic: cut(m.topic, push.MaxTopic), Urgency: m.urgency, By: cut(plain(j.who.Name), push.MaxPublisher),
		Created: j.now, Expires: j.now.Add(min(m.lasts, push.LongestLifetime)),
	}
	if j.page.Logo != "" {
		p.Icon = base + "/logo"
	}
	for tag, l := range j.d.languages {
		p.Texts[tag] = j.text(&m, l)
	}
	p.Texts[""] = j.text(&m, j.language())
	if !j.private() {
		p.Full = cut(lines(m.body), push.MaxFull)
	}
	if err := p.Validate(); err != nil {
		// A page that cannot be told of is still better than one that says what is
		// not true any more.
		j.d.o.Log.Error("visitors are not told of a change", "page_id", j.page.ID, "kind", string(m.kind), "error", err)
		return nil
	}
	j.told = append(j.told, id)
	return j.tx.Publish(j.ctx, p, j.to)
}

// text is what a device shows. Of a private page it says only that there is
// something to see: who may see it is asked there.
func (j *job) text(m *message, l *words.Language) push.Text {
	if j.private() {
		return push.Text{Title: cut(plain(j.page.Name), push.MaxTitle), Body: l.T("private_news")}
	}
	title := j.names(l, m.components)
	if m.title != nil {
		title = m.title(l)
	}
	t := push.Text{Title: cut(plain(m.sign+" "+m.word(l)+": "+title), push.MaxTitle)}
	if m.lead != nil {
		t.Lead = plain(m.lead(l))
	}
	t.Body = cut(strings.TrimSpace(t.Lead+" "+plain(j.d.o.Text(m.body))), shownBody)
	return t
}

// private says whether not everybody may see the page.
func (j *job) private() bool {
	p := &j.page.Private
	return p.PasswordHash != "" || p.SignedIn || len(p.Networks) > 0
}

// lines is a text without the control characters that a message may not carry.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// plain is a text in one line.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// address is where a page is, as far as a message needs to say it.
func address(p *status.Page) string {
	switch {
	case p.Host != "":
		return "https://" + p.Host
	case p.Main:
		return ""
	}
	return "/s/" + p.Slug
}

// told is the list of components that a publication carries. One about more than
// it may name is about the whole page.
func told(ids []string) []string {
	if len(ids) > push.MaxComponents {
		return nil
	}
	return ids
}

func sign(s status.State) string {
	switch s {
	case status.Major:
		return "🔴"
	case status.Partial:
		return "🟠"
	case status.Degraded:
		return "🟡"
	case status.Maintained:
		return "🔧"
	}
	return "🟢"
}

// worstOf is how bad an incident is shown: by the states that it gave components,
// else by its impact.
func (j *job) worstOf(i *status.Incident, u *status.Update) status.State {
	worst := status.Operational
	for _, id := range i.Components {
		if at, ok := j.index[id]; ok {
			worst = status.Worst(worst, j.parts[at].State)
		}
	}
	for _, c := range u.Changes {
		worst = status.Worst(worst, c.To)
	}
	return worst
}

func (j *job) incidentMessage(kind push.Kind, i *status.Incident, u *status.Update) message {
	m := message{kind: kind, impact: i.Impact, components: i.Components, topic: i.ID, path: "/incidents/" + i.ID, urgency: push.Normal,
		lasts: 24 * time.Hour, title: func(*words.Language) string { return i.Title }, body: u.Body}
	if i.Impact == status.ImpactMajor || i.Impact == status.ImpactCritical {
		m.urgency = push.High
	}
	worst := j.worstOf(i, u)
	switch {
	case kind == push.IncidentResolved:
		m.sign, m.word = "🟢", func(l *words.Language) string { return l.Phase(u.Phase) }
	case kind == push.IncidentUpdate:
		m.sign, m.word = "🔵", func(l *words.Language) string { return l.Phase(u.Phase) }
	case worst != status.Operational:
		m.sign, m.word = sign(worst), func(l *words.Language) string { return l.State(worst) }
	default:
		m.sign = map[status.Impact]string{status.ImpactCritical: "🔴", status.ImpactMajor: "🟠", status.ImpactMinor: "🟡"}[i.Impact]
		if m.sign == "" {
			m.sign = "🔵"
		}
		m.word = func(l *words.Language) string { return l.Phase(u.Phase) }
	}
	return m
}

func componentMessage(kind push.Kind, s status.State, ids []string) message {
	m := message{kind: kind, components: ids, topic: "component-" + ids[0], path: "/", urgency: push.Normal, lasts: 4 * time.Hour,
		sign: sign(s), word: func(l *words.Language) string { return l.State(s) }}
	switch s {
	case status.Major:
		m.impact, m.urgency = status.ImpactCritical, push.High
	case status.Partial:
		m.impact, m.urgency = status.ImpactMajor, push.High
	case status.Degraded:
		m.impact = status.ImpactMinor
	default:
		// Whoever heard that it was down is to hear that it is not.
		m.impact = status.ImpactCritical
	}
	return m
}

func (j *job) maintenanceMessage(m *status.Maintenance, word func(l *words.Language) string, body string) message {
	zone := j.zone
	return message{kind: push.Maintenance, impact: impactOf(m.Impact), components: m.Components, topic: m.ID, path: "/incidents/" + m.ID, urgency: push.Normal,
		lasts: max(time.Hour, m.End.Sub(j.now)), title: func(*words.Language) string { return m.Title }, sign: "🔧", word: word,
		lead: func(l *words.Language) string {
			return l.T("from_to", "from", l.Moment(m.Start, zone), "to", l.Moment(m.End, zone))
		}, body: body}
}

func impactOf(i status.Impact) status.Impact {
	if i == "" {
		return status.ImpactNone
	}
	return i
}
