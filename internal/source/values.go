package source

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/internal/alert"
)

// maxContacts bounds the contacts that one event names.
const maxContacts = 500

// raw reads a text as it is written: it may hold anything.
func (d *decoder) raw(name string) (string, bool, *FieldError) {
	if d.peek() != '"' {
		return "", false, d.syntax(name, "is "+d.kind(), "send a text in quotes")
	}
	text, broken, problem := d.text()
	if problem != "" {
		return "", false, d.fail(name, problem, `send valid JSON: line breaks are \n, other control characters \u00XX`)
	}
	return string(text), broken, nil
}

// name reads what names a host, a service or a contact. Control characters are
// refused, for a cleaned name would be another object's. Those that turn the
// direction of writing are taken out: they stand in no name of an engine but to
// make it look like another.
func (d *decoder) name(v *draft, name string) (string, *FieldError) {
	text, broken, err := d.raw(name)
	if err != nil || text == "" {
		return "", err
	}
	if !tidy(text, false) {
		valid := straight(strings.ToValidUTF8(text, "\uFFFD"))
		if !tidy(valid, false) {
			return "", d.fail(name, "has a control character", "send the name in one line without control characters")
		}
		text, broken = valid, true
	}
	if strings.TrimSpace(text) == "" {
		return "", d.fail(name, "is only white space", "send the name")
	}
	if long(text, MaxName) {
		return "", d.fail(name, "has "+strconv.Itoa(utf8.RuneCountInString(text))+" characters", "send at most "+strconv.Itoa(MaxName))
	}
	v.text = v.text || broken
	return text, nil
}

// long says whether s has more than limit characters.
func long(s string, limit int) bool {
	return len(s) > limit && utf8.RuneCountInString(s) > limit
}

func (d *decoder) prose(v *draft, name string, limit int) (string, *FieldError) {
	text, broken, err := d.raw(name)
	if err != nil {
		return "", err
	}
	text, cleaned, cut := Text(text, limit)
	v.text = v.text || cleaned || broken
	v.cut = v.cut || cut
	return text, nil
}

func (d *decoder) line(v *draft, name string, limit int) (string, *FieldError) {
	text, broken, err := d.raw(name)
	if err != nil {
		return "", err
	}
	text, cleaned, cut := Line(text, limit)
	v.text = v.text || cleaned || broken
	v.cut = v.cut || cut
	return text, nil
}

// wordOrNumber reads a value that engines write either way.
func (d *decoder) wordOrNumber(name, mend string) (string, *FieldError) {
	switch c := d.peek(); {
	case c == '"':
		text, _, err := d.raw(name)
		return text, err
	case c == '-' || (c >= '0' && c <= '9'):
		text, ok := d.number()
		if !ok {
			return "", d.fail(name, "is not a number at byte "+strconv.Itoa(d.pos), mend)
		}
		return text, nil
	}
	return "", d.syntax(name, "is "+d.kind(), mend)
}

func (d *decoder) callID() (string, *FieldError) {
	text, _, err := d.raw("id")
	if err != nil {
		return "", err
	}
	if len(text) > MaxCallID {
		return "", d.fail("id", "has more than "+strconv.Itoa(MaxCallID)+" characters", "send a shorter id, such as a UUID")
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return "", d.fail("id", "has a character that is not printable ASCII", "send letters, digits and punctuation, such as a UUID")
		}
	}
	return text, nil
}

func (d *decoder) eventType() (alert.Type, *FieldError) {
	text, _, err := d.raw("type")
	if err != nil {
		return "", err
	}
	t, ok := sentType(text)
	if !ok {
		shown, _, _ := Line(text, 40)
		if shown == "" {
			return "", d.fail("type", "is empty", "send one of: "+typeNames)
		}
		return "", d.fail("type", "is "+shown+", which is no type of event", "send one of: "+typeNames)
	}
	return t, nil
}

// sentType reads a type that a source may send: what people do here, and what
// becomes of it, are no such types.
func sentType(text string) (alert.Type, bool) {
	t, ok := alert.ParseType(text)
	switch t {
	case alert.Problem, alert.Recovery, alert.Acknowledgement, alert.FlappingStart, alert.FlappingStop, alert.FlappingDisabled,
		alert.DowntimeStart, alert.DowntimeEnd, alert.DowntimeCancelled, alert.Custom:
		return t, ok
	}
	return "", false
}

const typeNames = "PROBLEM, RECOVERY, ACKNOWLEDGEMENT, FLAPPINGSTART, FLAPPINGSTOP, FLAPPINGDISABLED, " +
	"DOWNTIMESTART, DOWNTIMEEND, DOWNTIMECANCELLED, CUSTOM"

// contact reads one contact's name; an empty one names nobody.
func (d *decoder) contact(v *draft, name string) *FieldError {
	text, err := d.name(v, name)
	if err != nil {
		return err
	}
	if text == "" || slices.Contains(v.Contacts, text) {
		return nil
	}
	if len(v.Contacts) == maxContacts {
		return d.fail(name, "names more than "+strconv.Itoa(maxContacts)+" contacts", "send a contact group's members in several events")
	}
	v.Contacts = append(v.Contacts, text)
	return nil
}

func (d *decoder) contacts(v *draft) *FieldError {
	if d.peek() != '[' {
		return d.syntax("contacts", "is "+d.kind(), `send an array of names, or one name as "contact"`)
	}
	d.pos++
	if d.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := d.contact(v, "contacts["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
		if d.take(']') {
			return nil
		}
		if !d.take(',') {
			return d.syntax("contacts", "is not JSON at byte "+strconv.Itoa(d.pos), "separate names with commas and end the array with ]")
		}
	}
}

// userID reads the engine's user of a contact, which openITCOCKPIT passes as
// --user-id; an empty one is none.
func (d *decoder) userID(v *draft, name string) *FieldError {
	var text string
	var err *FieldError
	if d.peek() == '"' {
		text, err = d.name(v, name)
	} else {
		text, err = d.wordOrNumber(name, "send the user's id as a text or a number")
	}
	if err != nil || text == "" {
		return err
	}
	if long(text, MaxName) {
		return d.fail(name, "is longer than "+strconv.Itoa(MaxName)+" characters", "send the user's id in the engine")
	}
	v.UserIDs = []string{text}
	return nil
}

func (d *decoder) address(name string) (string, *FieldError) {
	text, _, err := d.raw(name)
	if err != nil || text == "" {
		return "", err
	}
	if len(text) > MaxURL {
		return "", d.fail(name, "is longer than "+strconv.Itoa(MaxURL)+" bytes", "send a shorter address")
	}
	if !isAddress(text) {
		return "", d.fail(name, "is not a web address", "send one that starts with https:// or http://")
	}
	return text, nil
}

func (d *decoder) labels(v *draft) *FieldError {
	if d.peek() != '{' {
		return d.syntax("labels", "is "+d.kind(), `send an object of texts: {"site":"Fulda"}`)
	}
	d.pos++
	if d.take('}') {
		return nil
	}
	labels := make(map[string]string)
	for {
		if err := d.label(v, labels); err != nil {
			return err
		}
		if d.take('}') {
			break
		}
		if !d.take(',') {
			return d.syntax("labels", "is not JSON at byte "+strconv.Itoa(d.pos), "separate labels with commas and end the object with }")
		}
	}
	v.Object.Labels = labels
	return nil
}

func (d *decoder) label(v *draft, labels map[string]string) *FieldError {
	if d.peek() != '"' {
		return d.syntax("labels", "is not JSON at byte "+strconv.Itoa(d.pos), `write each label as "name": "text"`)
	}
	key, err := d.name(v, "labels")
	if err != nil {
		return err
	}
	at := "labels." + key
	switch _, twice := labels[key]; {
	case key == "":
		return d.fail("labels", "has a label without a name", "name every label")
	case long(key, MaxLabel):
		return d.fail("labels", "has a name of more than "+strconv.Itoa(MaxLabel)+" characters", "send shorter names")
	case twice:
		return d.fail(at, "is given twice", "give each label once")
	case len(labels) == MaxLabels:
		return d.fail("labels", "has more than "+strconv.Itoa(MaxLabels)+" labels", "send fewer")
	}
	if !d.take(':') {
		return d.syntax(at, "has no value", `write each label as "name": "text"`)
	}
	if d.word("null") {
		return nil
	}
	value, broken, err := d.raw(at)
	if err != nil {
		return err
	}
	value, cleaned, _ := Text(value, len(value)*3) // a replacement is three bytes
	if long(value, MaxValue) {
		return d.fail(at, "is longer than "+strconv.Itoa(MaxValue)+" characters", "send a shorter text")
	}
	v.text = v.text || cleaned || broken
	labels[key] = value
	return nil
}
