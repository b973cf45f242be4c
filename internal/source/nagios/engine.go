package nagios

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// grace is how long what an engine does not show may still be on its way: it has
// read the command and not yet written what came of it, or its RECOVERY is being
// sent.
const grace = 10 * time.Second

// slack is how far the clocks of two machines may differ. That of an engine on
// another one may be further off: then a comment must not be made again and again,
// because it looks older than it is.
const (
	slack        = 2 * time.Second
	commentSlack = 5 * time.Minute
)

// engine is a Nagios or Naemon as it is told and read.
type engine struct {
	tell  func(ctx context.Context, line string) error
	knock func(ctx context.Context) error // tries whether it could be told
	looks looker                          // nil: it cannot be read
	enc   Encoding                        // without the time
	now   func() time.Time
}

// Do hands a command over. What it notes is when.
func (e *engine) Do(ctx context.Context, c source.Command) (source.Reply, error) {
	now := e.now()
	switch {
	case c.Verb == source.Release:
		return source.Reply{Confirmation: alert.Confirmed}, nil // it keeps nothing beyond an alert's end
	case (c.Verb == source.Acknowledge || c.Verb == source.ScheduleDowntime) && !c.Until.IsZero() && !now.Before(c.Until):
		return refused("its time was over before the engine could be told"), nil
	}
	lines, over, err := e.lines(ctx, c, now)
	if err != nil || over != nil {
		return deref(over), err
	}
	for _, line := range lines {
		if err := e.tell(ctx, line); err != nil {
			return source.Reply{}, err
		}
	}
	return source.Reply{Confirmation: alert.Pending, Note: strconv.FormatInt(now.Unix(), 10)}, nil
}

// lines are what is handed over for a command; or the reply that needs no line.
func (e *engine) lines(ctx context.Context, c source.Command, now time.Time) ([]string, *source.Reply, error) {
	enc := e.enc
	enc.At = now
	if c.Verb != source.CancelDowntime || e.looks == nil {
		line, err := Encode(c, enc)
		if err != nil {
			r := refused(err.Error())
			return nil, &r, nil
		}
		return []string{line}, nil, nil
	}
	// Which downtimes are to be ended, only the engine knows.
	v, err := e.looks.look(ctx, []key{keyOf(c.Object)})
	if err != nil {
		return nil, nil, err
	}
	ours := v.of(keyOf(c.Object)).tagged(c.AlertID)
	if len(ours) == 0 {
		if !after(v.at, c.From) {
			return nil, nil, e.older(&v, c.From)
		}
		r := confirmed(e.looks.name() + " shows no downtime that was scheduled here")
		return nil, &r, nil
	}
	var lines []string
	for _, d := range ours {
		enc.Downtime = d
		line, err := Encode(c, enc)
		if err != nil {
			r := refused(err.Error())
			return nil, &r, nil
		}
		lines = append(lines, line)
	}
	return lines, nil, nil
}

func deref(r *source.Reply) source.Reply {
	if r == nil {
		return source.Reply{}
	}
	return *r
}

func confirmed(words string) source.Reply {
	return source.Reply{Confirmation: alert.Confirmed, Words: words}
}

func refused(words string) source.Reply {
	return source.Reply{Confirmation: alert.Refused, Words: words}
}

// notYet is a reply that says: it was looked for, and is not there.
func notYet(words string) source.Reply {
	return source.Reply{Confirmation: alert.Pending, Words: words}
}

// after says whether a view of whole seconds was certainly made after a moment.
func after(at, moment time.Time) bool { return at.Unix() > moment.Unix() }

// older is the error of a view that is older than what is to be seen in it.
func (e *engine) older(v *view, than time.Time) error {
	return fmt.Errorf("%w: %s is of %s, and the command of %s", source.ErrNotYet, e.looks.name(), clock(v.at), clock(than))
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 MST") }

// Check looks whether the engine has done a command.
func (e *engine) Check(ctx context.Context, c source.Command) (source.Reply, error) {
	if c.Verb == source.Release {
		return confirmed(""), nil
	}
	if e.looks == nil {
		return source.Reply{Confirmation: alert.Pending}, nil
	}
	k := keyOf(c.Object)
	v, err := e.looks.look(ctx, []key{k})
	if err != nil {
		return source.Reply{}, err
	}
	handed := c.From
	if n, err := strconv.ParseInt(c.Note, 10, 64); err == nil {
		handed = time.Unix(n, 0)
	}
	reply, ok := e.judge(c, v.of(k))
	switch {
	case ok:
		return reply, nil
	case !after(v.at, handed):
		return source.Reply{}, e.older(&v, handed)
	case !v.of(k).known && !v.at.Before(handed.Add(grace)):
		return refused(fmt.Sprintf("%s does not know %s", e.looks.name(), k)), nil
	}
	return e.missing(c, &v, handed), nil
}

// judge says whether what is seen shows that the command was done. It looks at
// what only the command can have caused, so the view may be of any time.
func (e *engine) judge(c source.Command, s *sight) (source.Reply, bool) {
	enc := e.enc
	enc.At = e.now()         // as long as it was, or a text would be cut elsewhere
	l, err := encode(c, enc) // for the texts as they were handed over
	if err != nil && c.Verb != source.CancelDowntime {
		return refused(err.Error()), true
	}
	seen := confirmed(e.looks.name() + " shows it")
	since := c.From.Add(-slack)
	switch c.Verb {
	case source.Acknowledge:
		return seen, s.acked && s.has(true, l.author, l.comment, since)
	case source.Comment:
		return seen, s.has(false, l.author, l.comment, c.From.Add(-commentSlack))
	case source.ScheduleDowntime:
		for _, d := range s.downtimes {
			if d.Comment == l.comment && (d.Start.IsZero() || d.Start.Unix() == c.From.Unix()) {
				return seen, true
			}
		}
	}
	return source.Reply{}, false
}

// missing is the reply for a command whose trace is not in a view that was made
// after it was handed over.
func (e *engine) missing(c source.Command, v *view, handed time.Time) source.Reply {
	k := keyOf(c.Object)
	s := v.of(k)
	// Since is in the engine's time: what it showed before says nothing of the problem.
	settled := !v.at.Before(handed.Add(grace)) && !v.at.Before(c.Since.Add(grace))
	at := e.looks.name() + " of " + clock(v.at)
	switch c.Verb {
	case source.Acknowledge:
		switch {
		case s.acked && settled:
			// Somebody else's, or ours with its comment deleted: the engine has one.
			return confirmed(at + " shows it as acknowledged" + by(s))
		case s.known && s.state == 0 && settled:
			return refused(fmt.Sprintf("%s shows %s as %s, so there is nothing to acknowledge", at, k, good(k)))
		}
		return notYet(at + " does not show it")
	case source.Unacknowledge:
		if !s.acked {
			return confirmed(at + " shows it as not acknowledged")
		}
		if r, ok := s.acknowledger(); ok && after(r.at, handed) {
			return confirmed(at + " shows it as acknowledged anew" + by(s))
		}
		return notYet(at + " still shows it as acknowledged")
	case source.CancelDowntime:
		if len(s.tagged(c.AlertID)) == 0 {
			return confirmed(at + " shows no downtime that was scheduled here")
		}
		return notYet(at + " still shows the downtime")
	}
	return notYet(at + " does not show it")
}

// by is who has acknowledged an object, as a part of a sentence.
func by(s *sight) string {
	r, ok := s.acknowledger()
	if !ok || r.author == "" {
		return ""
	}
	who, _, _ := source.Line(r.author, source.MaxAuthor)
	return " by " + who
}

func good(k key) string {
	if k.service == "" {
		return "up"
	}
	return "OK"
}

// Watch looks whether acknowledgements still stand, all in one reading.
func (e *engine) Watch(ctx context.Context, acks []source.Command) ([]source.Reply, error) {
	replies := make([]source.Reply, len(acks))
	if e.looks == nil {
		for i := range replies {
			replies[i] = source.Reply{Confirmation: alert.Pending}
		}
		return replies, nil
	}
	keys := make([]key, len(acks))
	for i, c := range acks {
		keys[i] = keyOf(c.Object)
	}
	v, err := e.looks.look(ctx, keys)
	if err != nil {
		return nil, err
	}
	at := e.looks.name() + " of " + clock(v.at)
	for i, c := range acks {
		s := v.of(keys[i])
		switch {
		case s.acked:
			replies[i] = confirmed(at + " shows it")
		case !after(v.at, c.From):
			replies[i] = notYet(at + " is older than it")
		case !s.known:
			replies[i] = refused(fmt.Sprintf("%s does not know %s any more", at, keys[i]))
		case s.state == 0:
			replies[i] = refused(fmt.Sprintf("%s shows %s as %s", at, keys[i], good(keys[i])))
			replies[i].Recovered = true
		default:
			replies[i] = refused("the acknowledgement was taken back there: " + at + " does not show it")
		}
	}
	return replies, nil
}

// Probe tries whether the engine can be told and read, and changes nothing.
func (e *engine) Probe(ctx context.Context) error {
	if err := e.knock(ctx); err != nil {
		return err
	}
	if e.looks == nil {
		return nil
	}
	return e.looks.probe(ctx)
}
