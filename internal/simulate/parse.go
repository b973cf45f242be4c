package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// input is one thing that comes in.
type input struct {
	line          int
	at            time.Time
	offset        time.Duration // from the beginning, where timed is byOffset
	timed         timing
	source        string // name, then id
	host, service string
	event         *alert.Event // nil: it stands in raw, which is a tenth of it
	raw           json.RawMessage
	late          time.Duration // how much older the engine's time of it is than at

	by      string // name of the contact that does it here; empty: the engine told it
	minutes int    // for how long
}

// what answers what it is, read once more where it stands in raw.
func (in *input) what() *alert.Event {
	if in.event == nil {
		if again, err := event(membersOf(in.raw), in.raw); err == nil { // it was read before
			in.event = again.event
		}
	}
	return in.event
}

// timing is how an input says when it comes.
type timing int

const (
	untimed  timing = iota // with the one before
	byOffset               // so long after the beginning
	byClock                // at that time
)

// own are the fields of a line besides those of an event.
const own = "source, by, minutes"

// member is one field of an object as it stands there.
type member struct {
	key string
	raw json.RawMessage
}

// parse reads events: JSON objects one after the other, each on a line of its own
// or over several, an array of them, or {"events":[…]}. An event is what
// source.DecodeEvents takes, and may besides have
//
//	time     "+5m", so long after the beginning; or a time as ever
//	source   the name of the source that it is from
//	by       the name of a contact, who acknowledges it here, takes that back
//	         (UNACKNOWLEDGED), or puts it off (SNOOZE)
//	minutes  for how long, of these
//
// Everything that is wrong is a *Error with its line.
func parse(body []byte) ([]*input, error) {
	if len(body) > MaxInput {
		return nil, &Error{Field: "events", Problem: fmt.Sprintf("have more than %d MiB", MaxInput>>20), Mend: "try a shorter stretch"}
	}
	p := &parser{body: body, line: 1}
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var raw json.RawMessage
		p.skip(int(dec.InputOffset()))
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &Error{Line: p.line, Field: "events", Problem: "is no JSON: " + plain(err), Mend: "write each event as a JSON object on a line of its own"}
		}
		if err := p.value(raw, p.line, true); err != nil {
			return nil, err
		}
	}
	if len(p.list) == 0 {
		return nil, &Error{Field: "events", Problem: "are none", Mend: `write one event a line, such as {"type":"PROBLEM","host":"web01","state":1}`}
	}
	return p.list, nil
}

// plain is what the JSON decoder says, without its package's name.
func plain(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it is cut off"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

type parser struct {
	body []byte
	pos  int // where line was counted to
	line int
	list []*input
}

// skip goes to the first byte of what follows an offset, and counts lines.
func (p *parser) skip(to int) {
	for to < len(p.body) && strings.IndexByte(" \t\r\n", p.body[to]) >= 0 {
		to++
	}
	if to > p.pos {
		p.line += bytes.Count(p.body[p.pos:to], []byte{'\n'})
		p.pos = to
	}
}

// value takes an event, or a list of them where that may be.
func (p *parser) value(raw json.RawMessage, line int, lists bool) error {
	if raw[0] == '[' && lists {
		return p.array(raw, line)
	}
	if raw[0] != '{' {
		return &Error{Line: line, Field: "events", Problem: "is no object", Mend: "write each event as a JSON object on a line of its own"}
	}
	members := membersOf(raw)
	if lists && len(members) == 1 && members[0].key == "events" && members[0].raw[0] == '[' {
		return p.array(members[0].raw, line)
	}
	if len(p.list) == MaxEvents {
		return &Error{Line: line, Field: "events", Problem: fmt.Sprintf("are more than %d", MaxEvents), Mend: "try a shorter stretch"}
	}
	in, err := event(members, raw)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Line = line
		}
		return err
	}
	in.line = line
	in.host, in.service = in.event.Object.Host, in.event.Object.Service
	in.event, in.raw = nil, raw // a day of them is much
	p.list = append(p.list, &in)
	return nil
}

// array takes what is in a list. Its lines are counted from where it begins.
func (p *parser) array(raw json.RawMessage, line int) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("read a list: %w", err)
	}
	counted := 0
	for dec.More() {
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return fmt.Errorf("read a list: %w", err)
		}
		begin := int(dec.InputOffset()) - len(one)
		line += bytes.Count(raw[counted:begin], []byte{'\n'})
		counted = begin
		if err := p.value(one, line, false); err != nil {
			return err
		}
	}
	return nil
}

// membersOf are the fields of an object, in order, those that stand there twice too.
// The decoder has read it, so it is JSON.
func membersOf(raw json.RawMessage) []member {
	list := make([]member, 0, 8)
	pos := 1
	for {
		pos += gap(raw[pos:], ",")
		if raw[pos] == '}' {
			return list
		}
		end := pos + length(raw[pos:])
		m := member{key: text(raw[pos:end])}
		pos = end + gap(raw[end:], ":")
		end = pos + length(raw[pos:])
		m.raw = raw[pos:end:end]
		list, pos = append(list, m), end
	}
}

// gap is how many bytes there are before the next value: white space and one mark.
func gap(raw json.RawMessage, mark string) int {
	for i, c := range raw {
		if strings.IndexByte(" \t\r\n", c) < 0 && c != mark[0] {
			return i
		}
	}
	return len(raw)
}

// length is how long the value is with which raw begins.
func length(raw json.RawMessage) int {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return i // a number's end, or a word's
			} else if depth == 0 {
				return i + 1
			}
		case depth == 0 && strings.IndexByte(", \t\r\n", c) >= 0:
			return i
		}
	}
	return len(raw)
}

// text is a JSON text as what it says.
func text(raw json.RawMessage) string {
	if plainText(raw[1 : len(raw)-1]) {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it is one: the decoder has read it
	return s
}

// plainText says whether a text stands in JSON as it is.
func plainText[T string | json.RawMessage](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || strings.IndexByte(`\"<>&`, c) >= 0 {
			return false
		}
	}
	return true
}

// event reads one event. Errors are *Error without their line.
func event(members []member, raw json.RawMessage) (input, error) {
	var in input
	var rest []member
	for i, m := range members {
		mine := m.key == "time" || m.key == "source" || m.key == "by" || m.key == "minutes"
		if mine && slices.ContainsFunc(members[:i], func(o member) bool { return o.key == m.key }) {
			return in, &Error{Field: m.key, Problem: "is given twice", Mend: "give each field once"}
		}
		var err error
		switch {
		case !mine:
			rest = append(rest, m)
		case string(m.raw) == "null":
		case m.key == "time":
			err = in.time(m.raw)
		case m.key == "minutes":
			if json.Unmarshal(m.raw, &in.minutes) != nil || in.minutes < 1 {
				err = &Error{Field: m.key, Problem: "is no whole number of minutes", Mend: "write a number from 1 on"}
			}
		default:
			var name string
			if json.Unmarshal(m.raw, &name) != nil || name == "" {
				err = &Error{Field: m.key, Problem: "is no name", Mend: "write it as a text"}
			} else if m.key == "source" {
				in.source = name
			} else {
				in.by = name
			}
		}
		if err != nil {
			return in, err
		}
	}
	if in.by != "" {
		return in, in.done(rest)
	}
	if in.minutes > 0 {
		return in, &Error{Field: "minutes", Problem: "is given without by", Mend: "leave it out, or say in by which contact does it here"}
	}
	if len(rest) != len(members) {
		raw = object(rest)
	}
	events, err := source.DecodeEvents(raw, time.Unix(1<<30, 0), 1)
	if err != nil {
		return in, fieldError(err)
	}
	in.event = &events[0]
	return in, nil
}

// time reads when an event comes.
func (in *input) time(raw json.RawMessage) error {
	wrong := func(shown string) error {
		shown, _, _ = source.Line(shown, 40)
		return &Error{Field: "time", Problem: fmt.Sprintf("is %s, which is no time", shown),
			Mend: `write "+5m" for five minutes after the beginning, RFC 3339 such as 2026-03-01T12:00:00Z, or seconds since 1970`}
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw) // a number
	}
	text = strings.TrimSpace(text)
	if after, ok := strings.CutPrefix(text, "+"); ok {
		d, err := time.ParseDuration(after)
		if err != nil {
			if n, bad := strconv.ParseFloat(after, 64); bad == nil && n >= 0 && n < 1e9 {
				d, err = time.Duration(n*float64(time.Second)), nil // "+90": seconds
			}
		}
		if err != nil || d < 0 {
			return wrong(text)
		}
		if d > MaxSpan {
			return &Error{Field: "time", Problem: "is more than 31 days after the beginning", Mend: "try a shorter stretch"}
		}
		in.offset, in.timed = d.Truncate(time.Millisecond), byOffset
		return nil
	}
	at, ok := moment(text)
	if !ok {
		return wrong(text)
	}
	in.at, in.timed = at, byClock
	return nil
}

// moment reads Unix seconds, with decimals if need be, or RFC 3339.
func moment(text string) (time.Time, bool) {
	const far = 1 << 34 // the year 2514
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(max(min(n, far), 0) * 1000)).UTC(), n > 0 && n < far
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC().Truncate(time.Millisecond), err == nil && at.Unix() > 0 && at.Unix() < far
}

// done reads what somebody does here.
func (in *input) done(rest []member) error {
	var v struct {
		Type, Host, Service, Comment string
	}
	for i, m := range rest {
		if slices.ContainsFunc(rest[:i], func(o member) bool { return o.key == m.key }) {
			return &Error{Field: m.key, Problem: "is given twice", Mend: "give each field once"}
		}
		into := map[string]*string{"type": &v.Type, "host": &v.Host, "service": &v.Service, "comment": &v.Comment}[m.key]
		if into == nil {
			shown, _, _ := source.Line(m.key, 40)
			return &Error{Field: shown, Problem: "is not a field of what somebody does here", Mend: "use one of: type, host, service, comment, time, " + own}
		}
		if json.Unmarshal(m.raw, into) != nil {
			return &Error{Field: m.key, Problem: "is no text", Mend: "write it as a text"}
		}
	}
	e := &alert.Event{}
	in.event = e
	e.Type = alert.Type(strings.ToUpper(strings.TrimSpace(v.Type)))
	e.Object = alert.Object{Host: v.Host, Service: v.Service}
	e.Comment, _, _ = source.Text(v.Comment, source.MaxComment)
	e.Origin = alert.FromConsole
	switch {
	case e.Type != alert.Acknowledgement && e.Type != alert.Unacknowledged && e.Type != alert.Snooze:
		return &Error{Field: "type", Problem: "is nothing that somebody does here", Mend: "use ACKNOWLEDGEMENT, UNACKNOWLEDGED or SNOOZE with by"}
	case e.Object.Host == "":
		return &Error{Field: "host", Problem: "is missing", Mend: "write the host's name in the engine"}
	case e.Type == alert.Snooze && in.minutes == 0:
		return &Error{Field: "minutes", Problem: "is missing", Mend: "write for how many minutes"}
	case e.Type == alert.Unacknowledged && in.minutes > 0:
		return &Error{Field: "minutes", Problem: "is given", Mend: "leave it out: what is taken back has no end"}
	}
	return nil
}

// object writes fields as an object again.
func object(members []member) json.RawMessage {
	size := 2
	for _, m := range members {
		size += len(m.key) + len(m.raw) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		if plainText(m.key) {
			b = append(append(append(b, '"'), m.key...), '"')
		} else if key, err := json.Marshal(m.key); err == nil { // a text always can be written
			b = append(b, key...)
		}
		b = append(append(b, ':'), m.raw...)
	}
	return append(b, '}')
}

// fieldError is a refusal of an event, with the fields that there are besides.
func fieldError(err error) error {
	var f *source.FieldError
	if !errors.As(err, &f) {
		return &Error{Field: "events", Problem: "cannot be read: " + err.Error(), Mend: "write one event a line"}
	}
	field := strings.TrimPrefix(f.Field, "events[0].")
	mend := f.Mend
	if strings.HasPrefix(mend, "use one of: id, ") {
		mend += ", " + own
	}
	return &Error{Field: field, Problem: f.Problem, Mend: mend}
}
