package simulate

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/route"
)

// Write writes the result for people: what happens, in order of time, and then who
// gets how much.
func (r *Result) Write(w io.Writer) error {
	p := &page{r: r}
	p.all()
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

// page is the text while it is written.
type page struct {
	r   *Result
	b   strings.Builder
	day string
	at  string
}

func (p *page) all() {
	r := p.r
	fmt.Fprintf(&p.b, "Simulated %s from %s to %s (%s). Nobody was told of anything.\n", count(r.Events, "event"),
		r.From.Format("2 January 2006 15:04:05"), r.To.Format("2 January 2006 15:04:05"), r.Zone)
	for _, n := range r.Notes {
		fmt.Fprintf(&p.b, "Note: %s\n", n)
	}
	for i := 0; i < len(r.Lines); {
		n := p.together(i)
		if n == 0 {
			p.line(&r.Lines[i], i > 0 && r.Lines[i-1].What == Happened)
			n = 1 + p.likewise(i)
		}
		i += n
	}
	if r.Left > 0 {
		fmt.Fprintf(&p.b, "\n… and %s more; --limit shows them.\n", count(r.Left, "line"))
	}
	p.people()
}

// likewise passes over events that are like many before them, says how many they
// are, and answers that.
func (p *page) likewise(i int) int {
	const shown = 10
	l := p.r.Lines
	like := func(j int) bool {
		return j >= 0 && j < len(l) && l[j].What == Happened && l[j].Type == l[i].Type && l[j].Outcome == l[i].Outcome && l[i].Input > 0 && l[j].Input > 0
	}
	for back := range shown {
		if !like(i - back) {
			return 0
		}
	}
	n := 0
	for like(i + n + 1) {
		n++
	}
	if n > 0 {
		p.put(l[i+n].At, "*", fmt.Sprintf("… %s and %d more like it, the last of them %s", l[i].Type, n, l[i+n].Object), "")
	}
	return n
}

// line writes one line, with its reason below it. among says that the one before is
// an event as well.
func (p *page) line(l *Line, among bool) {
	if l.What == Happened {
		said := fmt.Sprintf("%s %s: %s", l.Type, l.Object, l.Why)
		if l.Output != "" && (l.Outcome == alert.Opened || l.Outcome == alert.Changed) {
			said += " (" + oneLine(l.Output) + ")"
		}
		if l.Input == 0 {
			said += " [by the clock]"
		}
		if !among {
			p.b.WriteString("\n")
		}
		p.put(l.At, "*", said, "")
		return
	}
	word := map[What]string{Told: "told", Quietly: "updated", Together: "together", NotTold: "not told", Cancelled: "cancelled", Expired: "expired", Waiting: "waiting"}[l.What]
	why := l.Why
	if l.Detail != "" {
		why = strings.TrimPrefix(why+"; "+l.Detail, "; ")
	}
	said := p.whom(l) + ": " + p.what(l)
	if l.What == NotTold {
		said = p.whom(l) + ", " + string(l.Notice) + " of " + l.Object
		why = string(l.Reason) + ": " + why
	}
	p.put(l.At, word, said, why)
}

// whom says who is told, and by which way.
func (p *page) whom(l *Line) string {
	who := cmp.Or(l.Contact, "nobody")
	if l.Channel == "" {
		return who
	}
	who += " by " + l.Channel
	if l.Destination != "" && l.Destination != l.Contact {
		who += " (" + l.Destination + ")"
	}
	return who
}

// what says what a message tells.
func (p *page) what(l *Line) string {
	x := l.Tells
	if x == nil {
		what := string(l.Notice) + " of " + l.Object
		if l.Notice == alert.NoticeDigest {
			what = "what was collected"
		}
		switch l.Reason {
		case route.ReasonEscalation:
			what += ", escalated"
		case route.ReasonReminder, route.ReasonSnoozeOver:
			what += ", a reminder"
		}
		return what
	}
	said := fmt.Sprintf("%s, %s", count(x.Total, "alert"), x.Title)
	if x.Over {
		said = "over: " + said
	}
	said += fmt.Sprintf(" (%d open, %d acknowledged, %d recovered; %d new)", x.Open, x.Acked, x.Recovered, x.New)
	if len(x.Worst) > 0 {
		said += ": " + strings.Join(x.Worst, ", ")
	}
	return said
}

// together writes the lines of what one message collected as one, and answers how
// many they are; 0 where the next line is none.
func (p *page) together(i int) int {
	first := &p.r.Lines[i]
	if first.What != Together {
		return 0
	}
	var names []string
	n := 0
	for ; i+n < len(p.r.Lines); n++ {
		l := &p.r.Lines[i+n]
		if l.What != Together || l.Digest != first.Digest {
			break
		}
		if n < 5 {
			names = append(names, string(l.Notice)+" of "+l.Object)
		}
	}
	said := fmt.Sprintf("%s by that message: %s", p.whom(first), strings.Join(names, ", "))
	if n > len(names) {
		said += fmt.Sprintf(" and %d more", n-len(names))
	}
	p.put(first.At, "together", said, first.Why)
	return n
}

// put writes a line with its time, which is left out where it is that of the line
// before.
func (p *page) put(at time.Time, word, said, why string) {
	if day := at.Format("Monday 2 January 2006"); day != p.day {
		fmt.Fprintf(&p.b, "%s\n", day)
		p.day, p.at = day, ""
	}
	clock := at.Format("15:04:05")
	if clock == p.at && word != "*" {
		clock = ""
	} else {
		p.at = clock
	}
	if word == "*" {
		fmt.Fprintf(&p.b, "%-8s  %s\n", clock, said)
	} else {
		fmt.Fprintf(&p.b, "%-8s    %-9s  %s\n", clock, word, said)
	}
	if why != "" {
		fmt.Fprintf(&p.b, "%-8s    %-9s  %s\n", "", "", "because: "+why)
	}
}

func (p *page) people() {
	if len(p.r.People) == 0 {
		p.b.WriteString("\nNobody would be told of anything.\n")
		return
	}
	p.b.WriteString("\nWho gets how much\n")
	w := tabwriter.NewWriter(&p.b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "contact\tby\tmessages\tof these together\talerts in these\tupdates\tnot told\tno longer true\texpired\tstill to come\n")
	for _, t := range p.r.People {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", cmp.Or(t.Contact, "-"), cmp.Or(t.Channel, "-"),
			t.Told, t.Digests, t.Together, t.Quiet, t.NotTold, t.Cancelled, t.Expired, t.Waiting)
	}
	_ = w.Flush() // a strings.Builder takes everything
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// oneLine is a text in one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
