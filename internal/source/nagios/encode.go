package nagios

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// maxLine is the length of a whole command with its newline. A pipe takes up to
// PIPE_BUF, 4,096 bytes, in one piece, so that no other writer's line gets in
// between; Nagios itself would read 8,192 (MAX_EXTERNAL_COMMAND_LENGTH).
const maxLine = 4096

// minComment is how many bytes are left for a comment at least: where names and
// author are longer than that allows, the command is refused.
const minComment = 80

// Encoding is how commands are put for one engine.
type Encoding struct {
	At     time.Time // the time of the command
	Expire bool      // the engine knows ACKNOWLEDGE_…_PROBLEM_EXPIRE
	Notify bool      // it tells its own contacts of the acknowledgement, too
	// Bare makes the comment of a downtime nothing but its tag, so that it can be
	// found again by an engine that cannot be read.
	Bare bool
	// Downtime is the one that CancelDowntime ends, as the engine shows it. The zero
	// value ends those that were scheduled Bare.
	Downtime Downtime
}

// Downtime is one that an engine shows.
type Downtime struct {
	Author, Comment string
	Start, End      time.Time
}

// Encode puts a command as one line for the engine's external commands, with its
// newline. Nothing in the command's texts adds a line or a field. An object's name
// that cannot be said in a line is refused, for another name would be another
// object; an author and a comment are made to fit.
//
// The form is that of Nagios: [time] NAME;field;field;…, in which only the last
// field may hold a semicolon, and nothing may hold a newline.
func Encode(c source.Command, o Encoding) (line string, err error) {
	l, err := encode(c, o)
	return l.line, err
}

// encoded is a command's line, with author and comment as they stand in it.
type encoded struct{ line, author, comment string }

func encode(c source.Command, o Encoding) (encoded, error) {
	object := c.Object.Host
	if err := checkName("host", object); err != nil {
		return encoded{}, err
	}
	if service := c.Object.Service; service != "" {
		if err := checkName("service", service); err != nil {
			return encoded{}, err
		}
		object += ";" + service
	}
	verb, fields, err := form(c, o)
	if err != nil {
		return encoded{}, err
	}
	l := encoded{author: Author(c.Author)}
	line := fmt.Sprintf("[%d] %s;%s", o.At.Unix(), verb, object)
	if len(fields) > 0 {
		line += ";" + strings.Join(fields, ";")
	}
	text, ok := comment(c, o)
	if ok {
		room := maxLine - len(line) - len(";\n")
		if room < minComment {
			return encoded{}, fmt.Errorf("the names of host, service and author make a command of %d bytes, and it may have %d with its comment", len(line), maxLine)
		}
		// What ends a downtime has its comment to the letter, or nothing would end.
		if c.Verb == source.CancelDowntime && (len(text) > room || !sayable(text)) {
			return encoded{}, fmt.Errorf("the comment %q of the downtime cannot be said in a command", fit(text, 100))
		}
		l.comment = fit(text, room)
		line += ";" + l.comment
	}
	if len(line) >= maxLine {
		return encoded{}, fmt.Errorf("the names of host and service make a command of %d bytes, and it may have %d", len(line), maxLine)
	}
	l.line = line + "\n"
	return l, nil
}

// sayable says whether s can be a field of a command as it is.
func sayable(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r == ';' || breaks(r) })
}

// form is a command's name, and its fields between the object and the comment.
func form(c source.Command, o Encoding) (verb string, fields []string, err error) {
	kind := "HOST"
	if c.Object.Kind() == alert.Service {
		kind = "SVC"
	}
	switch c.Verb {
	case source.Acknowledge:
		// Sticky is 2 or 0: Nagios and Naemon read 1 differently. The comment stays
		// after a restart.
		fields = []string{digit(c.Sticky, "2"), digit(o.Notify, "1"), "1"}
		verb = "ACKNOWLEDGE_" + kind + "_PROBLEM"
		if o.Expire && !c.Until.IsZero() {
			verb += "_EXPIRE"
			fields = append(fields, seconds(c.Until))
		}
		return verb, append(fields, Author(c.Author)), nil
	case source.Unacknowledge:
		return "REMOVE_" + kind + "_ACKNOWLEDGEMENT", nil, nil
	case source.Comment:
		return "ADD_" + kind + "_COMMENT", []string{"1", Author(c.Author)}, nil
	case source.ScheduleDowntime:
		if !c.Until.After(c.From) {
			return "", nil, fmt.Errorf("a downtime cannot end (%s) before it begins (%s)", c.Until.UTC().Format(time.RFC3339), c.From.UTC().Format(time.RFC3339))
		}
		// Fixed, triggered by none, and the length that only a flexible one would use.
		length := fmt.Sprint(c.Until.Unix() - c.From.Unix())
		return "SCHEDULE_" + kind + "_DOWNTIME", []string{seconds(c.From), seconds(c.Until), "1", "0", length, Author(c.Author)}, nil
	case source.CancelDowntime:
		if c.Object.Kind() == alert.Host {
			fields = []string{""} // no service: with the comment, which is of this one downtime
		}
		start := ""
		if !o.Downtime.Start.IsZero() {
			start = seconds(o.Downtime.Start)
		} else if fields == nil {
			start = "0" // any
		}
		return "DEL_DOWNTIME_BY_HOST_NAME", append(fields, start), nil
	}
	return "", nil, fmt.Errorf("no command of Nagios does %q", c.Verb)
}

// comment is a command's last field; ok is false for a command without one.
func comment(c source.Command, o Encoding) (text string, ok bool) {
	switch c.Verb {
	case source.Unacknowledge:
		return "", false
	case source.ScheduleDowntime:
		if o.Bare {
			return Tag(c.AlertID), true
		}
		// The command that ends it has its comment as the last of several fields that
		// end at a semicolon.
		return strings.ReplaceAll(Comment(c.Comment), ";", ",") + " " + Tag(c.AlertID), true
	case source.CancelDowntime:
		if o.Downtime.Comment != "" {
			return o.Downtime.Comment, true
		}
		return Tag(c.AlertID), true
	}
	return Comment(c.Comment), true
}

// Tag stands in the comment of each downtime that was scheduled here, so that it
// can be told from others.
func Tag(alertID string) string {
	return "(Tocsin " + strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, alertID) + ")"
}

// checkName says why a name cannot be put into a command, or nil.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the object has no %s name", what)
	case !utf8.ValidString(name):
		return fmt.Errorf("the %s name is not valid UTF-8", what)
	case strings.TrimSpace(name) != name:
		// Nagios takes spaces off a line's end.
		return fmt.Errorf("the %s name %q begins or ends with a space", what, name)
	}
	for _, r := range name {
		if r == ';' {
			return fmt.Errorf("the %s name %q has a semicolon, which ends a field of a command", what, name)
		}
		if breaks(r) {
			return fmt.Errorf("the %s name %q has a control character, which no command may have", what, name)
		}
	}
	return nil
}

// breaks says whether r is a control character or ends a line.
func breaks(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// Author is an author's name as a field: without control characters and
// semicolons, never empty.
func Author(name string) string {
	name = tidied(name, func(r rune) rune {
		if r == ';' {
			return '_'
		}
		return r
	})
	if name == "" {
		return "Tocsin"
	}
	return fit(name, 4*source.MaxAuthor)
}

// Comment is a comment as the last field: one line, no backslash (which engines
// and their pages read as the start of something), never empty.
func Comment(text string) string {
	text = tidied(text, func(r rune) rune {
		if r == '\\' {
			return '/'
		}
		return r
	})
	if text == "" {
		return "Tocsin"
	}
	return text
}

// tidied is s on one line, with each character as change makes it.
func tidied(s string, change func(rune) rune) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", " ")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if breaks(r) {
			return ' '
		}
		return change(r)
	}, s))
}

// fit cuts s between two characters to at most limit bytes. A cut text ends with
// an ellipsis, unless it is a tag that would be lost.
func fit(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const ellipsis = "…"
	tail := ellipsis
	if at := strings.LastIndex(s, " (Tocsin "); at > 0 && len(s)-at+len(ellipsis) < limit {
		tail = ellipsis + s[at:]
	}
	cut := limit - len(tail)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimRightFunc(s[:cut], unicode.IsSpace) + tail
}

func digit(on bool, yes string) string {
	if on {
		return yes
	}
	return "0"
}

func seconds(t time.Time) string { return fmt.Sprint(t.Unix()) }
