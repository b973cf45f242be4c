package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
)

// mostShown is how many rows of an answer the page has.
const mostShown = 500

// mostAlike is how many events that are alike, and of which nobody is told, stand
// one after the other before the rest of them is counted.
const mostAlike = 4

// trialView is an answer as the page shows it.
type trialView struct {
	From, To string // by the clock of the zone
	Zone     string
	Figures  []trialFigure
	People   []trialPerson
	Nobody   bool        // nobody is told of anything
	Why      []trialWhy  // where nobody is: what was decided instead
	Notes    []string    // what is to be known of the answer
	Days     []*trialDay // the timeline
	Left     int         // lines that are not shown
	Unseen   int         // lines of the answer that were not looked at
	Chosen   bool        // it is the part of somebody, or of a channel
	Command  string
}

type trialFigure struct {
	Count int
	Of    string
}

// trialPerson is what one contact, room or webhook gets by one channel.
type trialPerson struct {
	Who, Way string
	Told     int
	Besides  []string
}

// trialWhy is a reason with how often it was one.
type trialWhy struct {
	Reason string
	Count  int
}

// trialDay are moments under one date and one offset of the clock.
type trialDay struct {
	Title   string
	Moments []*trialMoment
}

// trialMoment is an event with what comes of it, or what comes of none.
type trialMoment struct {
	Clock string
	ISO   string
	Event *trialEvent
	Alike int    // more events like it follow, which are not shown
	Last  string // name of the last of these
	Told  []trialTold
}

type trialEvent struct {
	Word, Object, Why, Output string
	State                     *look // of a problem
	Author                    string
	Input                     int  // number of the line that it came from
	ByClock                   bool // nothing came in: the time did it
}

// trialTold is one message, or one decision that there is none.
type trialTold struct {
	Look     look
	Who, Way string
	What     string
	Worst    []string
	Reason   string
	Why      string
	Detail   string
	Number   string // of the message, as something to lead to
	By       string // number of the message that tells of it
	ByShown  bool   // which stands on the page
	Held     string // when it was decided, where that is earlier
	On       string // when it is to be told, of what is still to come
}

// seenTrial makes an answer ready to be shown: of a contact or a channel alone where
// they are named.
func seenTrial(r *simulate.Result, who, channel string) *trialView {
	const form = "Mon 2 January 2006, 15:04:05"
	view := &trialView{From: r.From.Format(form), To: r.To.Format(form), Zone: r.Zone, Notes: r.Notes, Unseen: r.Left, Chosen: who != "" || channel != ""}
	told, quiet, people := 0, 0, map[string]bool{}
	for i := range r.People {
		t := &r.People[i]
		told, quiet = told+t.Told, quiet+t.Quiet
		if t.Told > 0 {
			people[whoKey(t.ContactID, t.Contact)] = true
		}
		if who != "" && whoKey(t.ContactID, t.Contact) != who || channel != "" && t.Channel != channel {
			continue
		}
		view.People = append(view.People, personOf(t))
	}
	view.Figures = []trialFigure{{r.Events, noun(r.Events, "event", "events") + " came in"}, {r.Alerts, noun(r.Alerts, "alert was", "alerts were") + " opened"},
		{told, noun(told, "message that calls", "messages that call") + " somebody"}, {len(people), noun(len(people), "place that gets", "places that get") + " any"}}
	if quiet > 0 {
		view.Figures = slices.Insert(view.Figures, 3, trialFigure{quiet, "silent " + noun(quiet, "update", "updates")})
	}
	if told == 0 {
		view.Nobody, view.Why = true, reasonsOf(r)
	}
	b := trialPages{view: view, shown: map[string]bool{}}
	b.all(r.Lines, func(l *simulate.Line) bool {
		return (who == "" || whoKey(l.ContactID, l.Contact) == who) && (channel == "" || l.Channel == channel)
	})
	return view
}

func noun(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// whoKey names a contact, a room or a webhook among those of an answer.
func whoKey(id, name string) string { return cmp.Or(id, name) }

func personOf(t *simulate.Tally) trialPerson {
	p := trialPerson{Who: cmp.Or(t.Contact, "Nobody"), Way: channelWord(t.Channel), Told: t.Told}
	add := func(n int, one, many string) {
		if n > 0 {
			p.Besides = append(p.Besides, count(n, one, many))
		}
	}
	add(t.Digests, "of them for several alerts", "of them for several alerts")
	add(t.Together, "told in these", "told in these")
	add(t.Quiet, "silent update", "silent updates")
	add(t.NotTold, "time not told", "times not told")
	add(t.Cancelled, "no longer true when its turn came", "no longer true when their turn came")
	add(t.Expired, "expired", "expired")
	add(t.Waiting, "still to come", "still to come")
	return p
}

// reasonsOf are the reasons for which nobody is told, the most frequent first.
func reasonsOf(r *simulate.Result) []trialWhy {
	counts := map[route.Reason]int{}
	for i := range r.Lines {
		if l := &r.Lines[i]; l.What == simulate.NotTold {
			counts[l.Reason]++
		}
	}
	var out []trialWhy
	for reason, n := range counts {
		out = append(out, trialWhy{reasonWord(reason), n})
	}
	slices.SortFunc(out, func(a, b trialWhy) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Reason, b.Reason)) })
	return out
}

// trialPages puts lines under moments and days, as many as the page has.
type trialPages struct {
	view  *trialView
	rows  int
	day   string
	shown map[string]bool // messages that stand on the page
	alike int             // events like the last one that stand there, in a row
	last  *simulate.Line  // the event of the last moment
}

func (b *trialPages) all(lines []simulate.Line, wanted func(l *simulate.Line) bool) {
	for i := 0; i < len(lines); {
		l := &lines[i]
		if l.What == simulate.Happened {
			if follows := b.follows(lines, i, wanted); b.view.Chosen && !follows {
				i++
				continue
			} else if !b.event(l, follows) {
				b.view.Left++
			}
			i++
			continue
		}
		n := 1
		for l.What == simulate.Together && i+n < len(lines) && lines[i+n].What == l.What && lines[i+n].Digest == l.Digest {
			n++
		}
		if wanted(l) && !b.message(lines[i:i+n]) {
			b.view.Left += n
		}
		i += n
	}
}

// follows says whether a message that is wanted comes of an event.
func (b *trialPages) follows(lines []simulate.Line, i int, wanted func(l *simulate.Line) bool) bool {
	for _, l := range lines[i+1:] {
		if l.What == simulate.Happened {
			return false
		}
		if wanted(&l) {
			return true
		}
	}
	return false
}

// event adds an event, unless the page is full. One of which nothing comes, and that
// is like those before it, is counted there.
func (b *trialPages) event(l *simulate.Line, follows bool) bool {
	alike := b.last != nil && !follows && l.Input > 0 && b.last.Input > 0 && b.last.Type == l.Type && b.last.Outcome == l.Outcome
	if b.alike++; !alike {
		b.alike = 0
	}
	if b.last = l; follows {
		b.last = nil
	}
	if b.alike > mostAlike {
		day := b.view.Days[len(b.view.Days)-1]
		m := day.Moments[len(day.Moments)-1]
		m.Alike, m.Last = m.Alike+1, l.Object
		return true
	}
	m := b.moment(l.At)
	if m == nil {
		return false
	}
	e := &trialEvent{Word: l.Type.Word(), Object: l.Object, Why: l.Why, Input: l.Input, ByClock: l.Input == 0}
	if !strings.Contains(l.Why, l.Author) {
		e.Author = l.Author
	}
	if l.Type == alert.Problem && l.State != "" {
		s := stateOf(l.State)
		e.State = &s
	}
	if l.Outcome == alert.Opened || l.Outcome == alert.Changed {
		e.Output = l.Output
	}
	m.Event = e
	return true
}

// moment begins a new one; nil where the page is full.
func (b *trialPages) moment(at time.Time) *trialMoment {
	if b.rows++; b.rows > mostShown {
		return nil
	}
	if title := at.Format("Monday, 2 January 2006 (MST)"); title != b.day {
		b.day = title
		b.view.Days = append(b.view.Days, &trialDay{Title: title})
	}
	day := b.view.Days[len(b.view.Days)-1]
	m := &trialMoment{Clock: at.Format("15:04:05"), ISO: at.Format(time.RFC3339)}
	day.Moments = append(day.Moments, m)
	return m
}

// message adds what became of one message, or of several that one message told.
func (b *trialPages) message(lines []simulate.Line) bool {
	l := &lines[0]
	var m *trialMoment
	if n := len(b.view.Days); n > 0 {
		day := b.view.Days[n-1]
		if m = day.Moments[len(day.Moments)-1]; m.ISO != l.At.Format(time.RFC3339) || m.Alike > 0 || l.What == simulate.Waiting {
			m = nil
		}
	}
	if m == nil {
		if m = b.moment(l.At); m == nil {
			return false
		}
		b.last = nil
	} else if b.rows++; b.rows > mostShown {
		return false
	}
	m.Told = append(m.Told, b.told(l, lines))
	if l.Message != "" {
		b.shown[l.Message] = true
	}
	return true
}

func (b *trialPages) told(l *simulate.Line, all []simulate.Line) trialTold {
	t := trialTold{Look: trialLook(l.What), Who: cmp.Or(l.Contact, "Nobody"), Why: l.Why, Detail: l.Detail, Number: l.Message,
		By: l.Digest, ByShown: b.shown[l.Digest], What: l.Notice.Word() + ": " + l.Object, Reason: reasonWord(l.Reason)}
	if l.Channel != "" {
		t.Way = channelWord(l.Channel)
		if l.Destination != "" && l.Destination != l.Contact {
			t.Way += ", " + l.Destination
		}
	}
	switch x := l.Tells; {
	case x != nil:
		t.What = fmt.Sprintf("%s, %s: %d open, %d acknowledged, %d recovered; %d new", count(x.Total, "alert", "alerts"), x.Title, x.Open, x.Acked, x.Recovered, x.New)
		if x.Over {
			t.What = "It is over. " + t.What
		}
		t.Worst = x.Worst
	case l.What == simulate.Together:
		var names []string
		for i := range all {
			if name := all[i].Notice.Word() + ": " + all[i].Object; i < 8 {
				names = append(names, name)
			}
		}
		if t.What = strings.Join(names, ", "); len(all) > len(names) {
			t.What += fmt.Sprintf(" and %d more", len(all)-len(names))
		}
		t.Why = cmp.Or(l.Why, all[0].Why)
	case l.Notice == alert.NoticeDigest:
		t.What = "What was collected"
	}
	if d := l.Decided; !d.IsZero() && l.At.Sub(d) >= time.Second {
		form := "15:04:05"
		if d.Format(time.DateOnly) != l.At.Format(time.DateOnly) {
			form = "2 January 15:04:05"
		}
		t.Held = d.Format(form)
	}
	return t
}

// trialLook is what became of a message, in a word with a shape.
func trialLook(w simulate.What) look {
	switch w {
	case simulate.Told:
		return toldOf(delivery.Sent)
	case simulate.Quietly:
		return look{"Updated silently", "ok", "dim"}
	case simulate.Together:
		return look{"Told together", "ok", "info"}
	case simulate.Cancelled:
		return look{"No longer true", "dash", "dim"}
	case simulate.Expired:
		return toldOf(delivery.Expired)
	case simulate.Waiting:
		return look{"Still to come", "wait", "info"}
	}
	return toldOf(delivery.Skipped)
}

// trialChoices are the contacts and channels of an answer, to show the part of one.
func trialChoices(r *simulate.Result, who, channel string) (people, channels []option) {
	people, channels = []option{{"", "Everybody", who == ""}}, []option{{"", "Every way", channel == ""}}
	has := func(list []option, value string) bool {
		return slices.ContainsFunc(list, func(o option) bool { return o.Value == value })
	}
	for i := range r.People {
		t := &r.People[i]
		if key := whoKey(t.ContactID, t.Contact); !has(people, key) {
			people = append(people, option{key, t.Contact, key == who})
		}
		if !has(channels, t.Channel) {
			channels = append(channels, option{t.Channel, channelWord(t.Channel), t.Channel == channel})
		}
	}
	for value, list := range map[string]*[]option{who: &people, channel: &channels} {
		if value != "" && !has(*list, value) {
			*list = append(*list, option{value, "Chosen before, not in this answer", true})
		}
	}
	return people, channels
}
