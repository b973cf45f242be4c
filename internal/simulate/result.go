package simulate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// mostOutput is how many characters of a check's output a line has.
const mostOutput = 200

// means says whether a contact is who does an input.
func (in *input) means(c contact.Contact) bool {
	return strings.EqualFold(c.Name, in.by) || strings.EqualFold(c.ShownName(), in.by)
}

// note adds what is to be known of the answer, some of them.
func (r *run) note(text string) {
	const most = 20
	switch {
	case slices.Contains(r.result.Notes, text) || len(r.result.Notes) > most:
	case len(r.result.Notes) == most:
		r.result.Notes = append(r.result.Notes, "There is more of the kind.")
	default:
		r.result.Notes = append(r.result.Notes, text)
	}
}

// brief says whether the answer is full, and counts a line that is left out.
func (r *run) brief() bool {
	if len(r.result.Lines) < r.request.Limit {
		return false
	}
	r.result.Left++
	r.mem.brief = true
	return true
}

// line adds to the answer.
func (r *run) line(l *Line) {
	l.At = l.At.In(r.zone)
	if !l.Decided.IsZero() {
		l.Decided = l.Decided.In(r.zone)
	}
	r.result.Lines = append(r.result.Lines, *l)
}

// named fills what a line says of an object.
func (r *run) named(l *Line, o *alert.Object) {
	l.Source, l.Host, l.Service, l.Object = r.sources[o.SourceID], o.Host, o.Service, o.Name()
}

// wrote tells what a transaction did.
func (r *run) wrote(c *dispatch.Changes) {
	if r.silent {
		return
	}
	for i := range c.Events {
		e := &c.Events[i]
		if e.Outcome == alert.Opened {
			r.result.Alerts++
		}
		if r.brief() {
			continue
		}
		l := Line{At: r.mem.now, What: Happened, Event: e.ID, Alert: e.AlertID, Input: r.current,
			Type: e.Type, State: e.State, Author: e.Author, Outcome: e.Outcome, Why: e.Why, Output: e.Output}
		if len(l.Output) > mostOutput {
			l.Output = strings.ToValidUTF8(l.Output[:mostOutput], "") + "…"
		}
		r.named(&l, &e.Object)
		r.line(&l)
	}
}

// number is the number of a message, which it gets when it is spoken of first.
func (r *run) number(id string) string {
	n, ok := r.numbers[id]
	if !ok {
		n = len(r.numbers) + 1
		r.numbers[id] = n
	}
	return strconv.Itoa(n)
}

type tallyKey struct{ id, name, channel string }

// ended tells what became of a message, or of a decision that there is none.
func (r *run) ended(d *row, x *channel.Digest) {
	if r.silent {
		return
	}
	if r.messages++; r.messages >= MaxTold && !r.full {
		r.full = true
		r.note("There are more than 3,000,000 messages and decisions; the simulation ended there. Try a shorter stretch.")
	}
	what := r.count(d, x != nil)
	if r.brief() {
		return
	}
	l := Line{At: r.mem.now, What: what, Event: d.EventID, Alert: d.AlertID, Notice: d.Notice, Contact: d.ContactName, ContactID: d.ContactID,
		Channel: d.Channel, Destination: d.DestinationName, Decided: d.Created, Reason: d.Reason, Why: d.Why, Detail: d.Detail}
	if what == Waiting {
		l.At = d.Due
	}
	if d.Bundle != "" && (what == Together || what == Waiting) {
		l.Digest = r.number(d.Bundle)
	}
	if what != NotTold && d.Bundle == "" {
		l.Message = r.number(d.ID)
	}
	if x != nil {
		l.Tells = digestOf(x)
	}
	if d.Notice == alert.NoticeDigest {
		l.Event, l.Alert = "", ""
	} else if d.object != nil {
		r.named(&l, &d.object.Object)
	}
	r.line(&l)
}

// count counts what became of a message, and says it. many says that it tells of
// several alerts.
func (r *run) count(d *row, many bool) What {
	t := r.tally(d)
	switch d.State {
	case delivery.Sent:
		switch {
		case d.Bundle != "":
			t.Together++
			return Together
		case d.Quiet:
			t.Quiet++
			return Quietly
		}
		t.Told++
		if many {
			t.Digests++
		}
		return Told
	case delivery.Cancelled:
		t.Cancelled++
		return Cancelled
	case delivery.Expired:
		t.Expired++
		return Expired
	case delivery.Skipped:
		t.NotTold++
		return NotTold
	}
	t.Waiting++
	return Waiting
}

func (r *run) tally(d *row) *Tally {
	k := tallyKey{d.ContactID, d.ContactName, d.Channel}
	if r.lately != nil && r.latelyKey == k { // as of what one message tells
		return r.lately
	}
	t := r.tallies[k]
	if t == nil {
		t = &Tally{Contact: d.ContactName, ContactID: d.ContactID, Channel: d.Channel}
		r.tallies[k] = t
	}
	r.lately, r.latelyKey = t, k
	return t
}

func digestOf(x *channel.Digest) *Digest {
	d := &Digest{Title: x.Title, Total: x.Total, Open: x.Open, Acked: x.Acked, Recovered: x.Recovered, New: x.New, Over: x.Over, Worst: []string{}}
	for i := range x.Worst {
		d.Worst = append(d.Worst, x.Worst[i].Object.Name())
	}
	return d
}

// rest tells what is still to be told when the simulation ends.
func (r *run) rest() {
	r.silent = false
	left := slices.Clone(r.mem.rows)
	slices.SortFunc(left, func(a, b *row) int { return cmp.Or(a.Due.Compare(b.Due), strings.Compare(a.ID, b.ID)) })
	for _, d := range left {
		r.ended(d, nil)
	}
	if r.result.To.IsZero() {
		r.result.To = r.mem.now
	}
}

// answer is the result as it is given.
func (r *run) answer() Result {
	out := r.result
	out.From, out.To = out.From.In(r.zone), out.To.In(r.zone)
	for _, t := range r.tallies {
		out.People = append(out.People, *t)
	}
	slices.SortFunc(out.People, func(a, b Tally) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Contact), strings.ToLower(b.Contact)), strings.Compare(a.ContactID, b.ContactID), strings.Compare(a.Channel, b.Channel))
	})
	if out.People == nil {
		out.People = []Tally{}
	}
	if out.Lines == nil {
		out.Lines = []Line{}
	}
	if out.Notes == nil {
		out.Notes = []string{}
	}
	return out
}
