package source

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
)

// How far an event's clock may be off.
const (
	ahead  = 60 * time.Second     // a clock that much ahead is taken as now without a word
	late   = 5 * time.Minute      // older than this is marked late
	oldest = 365 * 24 * time.Hour // older than this is a mistake
)

const fields = "id, type, host, service, host_display, service_display, state, output, long_output, " +
	"author, comment, contact, contacts, user_id, time, url, labels, no_emoji"

// DecodeEvents reads the canonical event JSON that all kinds of engine here
// share: one event, an array of them, or {"events":[…]}, at most maxEvents.
//
//	{"type":"PROBLEM","host":"web01","service":"HTTP","state":2,"output":"…",
//	 "contact":"ops","time":1795299445}
//
// It refuses unknown and repeated fields, wrong types and anything after the
// end with a *FieldError that names the field, and then no event of the body is
// taken. What an engine is only sloppy about is accepted and marked: no state,
// a clock that is ahead, text that is not UTF-8 or too long. SourceID, ID,
// Alert, Received, Outcome and Why are left for others to fill.
func DecodeEvents(body []byte, now time.Time, maxEvents int) ([]alert.Event, error) {
	d := decoder{scanner: scanner{buf: body}, now: now.UTC().Truncate(time.Millisecond), index: -1, max: maxEvents}
	events, err := d.body()
	if err != nil {
		return nil, err // err is a *FieldError that is not nil
	}
	return events, nil
}

type decoder struct {
	scanner
	now   time.Time
	index int // of the event being read; -1: the body is one event
	max   int
}

func (d *decoder) body() ([]alert.Event, *FieldError) {
	var events []alert.Event
	var err *FieldError
	switch d.peek() {
	case '[':
		events, err = d.list()
	case '{':
		if d.envelope() {
			events, err = d.list()
			if err == nil && !d.take('}') {
				err = &FieldError{Field: "events", Problem: "is followed by " + d.after(), Mend: `send {"events":[…]} and nothing else`}
			}
			break
		}
		var e alert.Event
		e, err = d.event()
		events = []alert.Event{e}
	default:
		err = &FieldError{Field: "body", Problem: "is " + d.kind(), Mend: `send one event as an object, an array of events, or {"events":[…]}`}
	}
	if err != nil {
		return nil, err
	}
	if d.peek(); d.pos < len(d.buf) {
		return nil, &FieldError{Field: "body", Problem: "has something after its end at byte " + strconv.Itoa(d.pos), Mend: "send one JSON value in a request"}
	}
	return events, nil
}

// envelope consumes {"events": if that is what the body starts with.
func (d *decoder) envelope() bool {
	at := d.pos
	d.pos++
	if d.word(`"events"`) && d.take(':') {
		return true
	}
	d.pos = at
	return false
}

func (d *decoder) after() string {
	if d.peek() == ',' {
		return "another field"
	}
	return d.kind()
}

func (d *decoder) list() ([]alert.Event, *FieldError) {
	if d.peek() != '[' {
		return nil, &FieldError{Field: "events", Problem: "is " + d.kind(), Mend: "send an array of events"}
	}
	d.pos++
	if d.take(']') {
		return nil, &FieldError{Field: "events", Problem: "is empty", Mend: "send at least one event"}
	}
	// An event is seldom shorter than 150 bytes; a wrong guess only costs a copy.
	events := make([]alert.Event, 0, min(d.max, 1+(len(d.buf)-d.pos)/150))
	for {
		if len(events) == d.max {
			return nil, &FieldError{Field: "events", Problem: "holds more than " + strconv.Itoa(d.max) + " events", Mend: "send them in several requests"}
		}
		d.index = len(events)
		e, err := d.event()
		if err != nil {
			return nil, err
		}
		events = append(events, e)
		if d.take(']') {
			return events, nil
		}
		if !d.take(',') {
			return nil, d.syntax("", "is followed by "+d.kind(), "separate events with commas and end the array with ]")
		}
	}
}

// draft is an event while it is read: what can only be judged when all of it
// is known, and which fields were there.
type draft struct {
	alert.Event
	seen    uint32
	state   string
	time    string
	text    bool // text was cleaned
	cut     bool
	hasTime bool
}

func (d *decoder) event() (alert.Event, *FieldError) {
	if d.peek() != '{' {
		return alert.Event{}, d.syntax("", "is "+d.kind(), "send each event as an object")
	}
	d.pos++
	var v draft
	if !d.take('}') {
		for {
			if err := d.member(&v); err != nil {
				return alert.Event{}, err
			}
			if d.take('}') {
				break
			}
			if !d.take(',') {
				return alert.Event{}, d.syntax("", "is not JSON at byte "+strconv.Itoa(d.pos), "separate fields with commas and end the object with }")
			}
		}
	}
	return d.finish(&v)
}

// member reads one field and its value.
func (d *decoder) member(v *draft) *FieldError {
	if d.peek() != '"' {
		return d.syntax("", "is not JSON at byte "+strconv.Itoa(d.pos), `write each field as "name": value`)
	}
	key, _, problem := d.text()
	if problem != "" {
		return d.syntax("", problem, "send valid JSON")
	}
	bit, name := field(key)
	if bit == 0 {
		shown, _, _ := Line(string(key), 40)
		if shown == "events" {
			return d.fail("events", "stands beside fields of an event", `send either one event or {"events":[…]}`)
		}
		return d.fail(shown, "is not a field of an event", "use one of: "+fields)
	}
	if v.seen&bit != 0 {
		return d.fail(name, "is given twice", "give each field once")
	}
	v.seen |= bit
	if !d.take(':') {
		return d.syntax(name, "has no value", `write each field as "name": value`)
	}
	if d.peek() == 'n' && d.word("null") {
		return nil // as if it were not there
	}
	return d.value(v, name)
}

// field answers the bit of a field and its name, 0 for an unknown one.
func field(key []byte) (uint32, string) {
	switch string(key) {
	case "id":
		return 1 << 0, "id"
	case "type":
		return 1 << 1, "type"
	case "host":
		return 1 << 2, "host"
	case "service":
		return 1 << 3, "service"
	case "host_display":
		return 1 << 4, "host_display"
	case "service_display":
		return 1 << 5, "service_display"
	case "state":
		return 1 << 6, "state"
	case "output":
		return 1 << 7, "output"
	case "long_output":
		return 1 << 8, "long_output"
	case "author":
		return 1 << 9, "author"
	case "comment":
		return 1 << 10, "comment"
	case "contact":
		return 1 << 11, "contact"
	case "contacts":
		return 1 << 12, "contacts"
	case "user_id":
		return 1 << 13, "user_id"
	case "time":
		return 1 << 14, "time"
	case "url":
		return 1 << 15, "url"
	case "labels":
		return 1 << 16, "labels"
	case "no_emoji":
		return 1 << 17, "no_emoji"
	}
	return 0, ""
}

func (d *decoder) value(v *draft, name string) (err *FieldError) {
	switch name {
	case "id":
		v.CallID, err = d.callID()
	case "type":
		v.Type, err = d.eventType()
	case "host":
		v.Object.Host, err = d.name(v, name)
	case "service":
		v.Object.Service, err = d.name(v, name)
	case "host_display":
		v.Object.HostDisplay, err = d.name(v, name)
	case "service_display":
		v.Object.ServiceDisplay, err = d.name(v, name)
	case "state":
		v.state, err = d.wordOrNumber(name, "send a number or a word such as 2 or \"critical\"")
	case "time":
		v.hasTime = true
		v.time, err = d.wordOrNumber(name, "send seconds since 1970, or RFC 3339 text such as 2026-03-01T12:00:00Z")
	case "output":
		v.Output, err = d.prose(v, name, MaxOutput)
	case "long_output":
		v.Long, err = d.prose(v, name, MaxLong)
	case "comment":
		v.Comment, err = d.prose(v, name, MaxComment)
	case "author":
		v.Author, err = d.line(v, name, MaxAuthor)
	case "contact":
		err = d.contact(v, name)
	case "contacts":
		err = d.contacts(v)
	case "user_id":
		err = d.userID(v, name)
	case "url":
		v.Object.URL, err = d.address(name)
	case "labels":
		err = d.labels(v)
	case "no_emoji":
		switch {
		case d.word("true"):
			v.Marks = append(v.Marks, alert.MarkNoEmoji)
		case !d.word("false"):
			err = d.fail(name, "is "+d.kind(), "send true or false")
		}
	}
	return err
}

// finish judges what needs the whole event.
func (d *decoder) finish(v *draft) (alert.Event, *FieldError) {
	if v.Type == "" {
		return alert.Event{}, d.fail("type", "is missing", "send one of: "+typeNames)
	}
	if v.Object.Host == "" {
		return alert.Event{}, d.fail("host", "is missing", "send the host's name in the engine")
	}
	if v.Object.Service == "" && v.Object.ServiceDisplay != "" {
		return alert.Event{}, d.fail("service_display", "is given without a service", "send the service's name as service")
	}
	if err := d.finishState(v); err != nil {
		return alert.Event{}, err
	}
	if err := d.finishTime(v); err != nil {
		return alert.Event{}, err
	}
	if v.text {
		v.Marks = append(v.Marks, alert.MarkText)
	}
	if v.cut {
		v.Marks = append(v.Marks, alert.MarkCut)
	}
	v.Origin = alert.FromEngine
	v.Object.State = v.State
	return v.Event, nil
}

// finishState makes the state of what was written. An engine that is sloppy
// about it is believed as far as its type goes: a recovery is a recovery.
func (d *decoder) finishState(v *draft) *FieldError {
	kind := v.Object.Kind()
	good, missing, allowed := alert.Up, alert.Unreachable, "0 Up, 1 Down or 2 Unreachable"
	if kind == alert.Service {
		good, missing, allowed = alert.OK, alert.Unknown, "0 OK, 1 Warning, 2 Critical or 3 Unknown"
	}
	text := strings.TrimSpace(v.state)
	if text == "" {
		if v.Type == alert.Recovery {
			v.State = good
			return nil
		}
		v.State = missing
		v.Marks = append(v.Marks, alert.MarkStateMissing)
		return nil
	}
	state, ok := alert.ParseState(kind, text)
	if !ok {
		shown, _, _ := Line(text, 40)
		return d.fail("state", "is "+shown+", which is no state of a "+string(kind), "send "+allowed)
	}
	switch {
	case v.Type == alert.Recovery:
		state = good
	case v.Type == alert.Problem && state == good:
		return d.fail("state", "is "+string(state)+", which is no problem", "send the type RECOVERY, or the problem's state: "+allowed)
	}
	v.State = state
	return nil
}

func (d *decoder) finishTime(v *draft) *FieldError {
	text := strings.TrimSpace(v.time)
	if text == "" {
		v.Time = d.now
		return nil
	}
	at, ok := parseTime(text)
	if !ok {
		shown, _, _ := Line(text, 40)
		return d.fail("time", "is "+shown+", which is no time", "send seconds since 1970, or RFC 3339 text such as 2026-03-01T12:00:00Z")
	}
	age := d.now.Sub(at)
	switch {
	case at.Unix() <= 0 || age > oldest:
		return d.fail("time", "is more than a year ago", "send the time of the event, or leave it out for now")
	case age < -ahead:
		v.Marks = append(v.Marks, alert.MarkClockAhead)
		at = d.now
	case age < 0:
		at = d.now
	case age > late:
		v.Marks = append(v.Marks, alert.MarkLate)
	}
	v.Time = at
	return nil
}

// parseTime reads Unix seconds, with decimals if need be, or RFC 3339, to the
// millisecond.
func parseTime(text string) (time.Time, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		const far = 1 << 40 // the year 36812: what lies beyond would overflow
		return time.Unix(max(min(n, far), -far), 0).UTC(), true
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > -1e12 && f < 1e12 {
		return time.UnixMilli(int64(f * 1000)).UTC(), true
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC().Truncate(time.Millisecond), err == nil
}

// path puts the event before a field's name: "events[3].state", or "state"
// where the body is one event.
func (d *decoder) path(name string) string {
	if d.index < 0 {
		if name == "" {
			return "body"
		}
		return name
	}
	at := "events[" + strconv.Itoa(d.index) + "]"
	if name == "" {
		return at
	}
	return at + "." + name
}

func (d *decoder) fail(name, problem, mend string) *FieldError {
	return &FieldError{Field: d.path(name), Problem: problem, Mend: mend}
}

// syntax is fail for what is not JSON.
func (d *decoder) syntax(name, problem, mend string) *FieldError {
	if d.peek() == 0 && d.pos == len(d.buf) {
		return d.fail(name, "ends too early, the JSON is cut off", "send the whole body")
	}
	return d.fail(name, problem, mend)
}

// isAddress says whether s is an http or https address that names a host.
func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && utf8.ValidString(s) && tidy(s, false)
}
