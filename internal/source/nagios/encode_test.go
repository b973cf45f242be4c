package nagios_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/nagios"
)

var noon = time.Unix(1795299457, 0)

// A command as Nagios takes it apart.
type parsed struct {
	at     int64
	name   string
	fields []string
}

// forms are the fields of each command, by Nagios' base/commands.c: the number of
// those that end at a semicolon, and whether there is one after them that goes on
// to the line's end. Naemon's forms are the same.
var forms = map[string]struct {
	split int
	rest  bool
}{
	"ACKNOWLEDGE_HOST_PROBLEM":        {5, true}, // host; sticky; notify; persistent; author; comment
	"ACKNOWLEDGE_SVC_PROBLEM":         {6, true},
	"ACKNOWLEDGE_HOST_PROBLEM_EXPIRE": {6, true}, // …; persistent; end; author; comment
	"ACKNOWLEDGE_SVC_PROBLEM_EXPIRE":  {7, true},
	"REMOVE_HOST_ACKNOWLEDGEMENT":     {1, false},
	"REMOVE_SVC_ACKNOWLEDGEMENT":      {2, false},
	"ADD_HOST_COMMENT":                {3, true}, // host; persistent; author; comment
	"ADD_SVC_COMMENT":                 {4, true},
	"SCHEDULE_HOST_DOWNTIME":          {7, true}, // host; start; end; fixed; trigger; duration; author; comment
	"SCHEDULE_SVC_DOWNTIME":           {8, true},
	"DEL_DOWNTIME_BY_HOST_NAME":       {4, false}, // host; service; start; comment, which ends at a semicolon, too
}

// take does what the engine does with bytes from its command file: lines end at a
// newline, spaces at their ends go, the time stands in brackets, a name ends at a
// semicolon, and each field as its command's form says. Bytes that are a zero end
// a text in C.
func take(bytes string) ([]parsed, error) {
	var out []parsed
	for line := range strings.SplitSeq(bytes, "\n") {
		line, _, _ = strings.Cut(line, "\x00")
		line = strings.Trim(line, " \t\r\n")
		if line == "" {
			continue
		}
		before, rest, ok := strings.Cut(line, "[")
		if !ok || before != "" {
			return nil, fmt.Errorf("no time at the beginning of %q", line)
		}
		stamp, rest, ok := strings.Cut(rest, "]")
		at, err := strconv.ParseInt(stamp, 10, 64)
		if !ok || err != nil || !strings.HasPrefix(rest, " ") {
			return nil, fmt.Errorf("no time in %q", line)
		}
		name, args, _ := strings.Cut(rest[1:], ";")
		form, ok := forms[name]
		if !ok {
			return nil, fmt.Errorf("unknown command %q", name)
		}
		p := parsed{at: at, name: name}
		for range form.split {
			var field string
			field, args, ok = strings.Cut(args, ";")
			p.fields = append(p.fields, field)
			if !ok {
				break
			}
		}
		if form.rest {
			p.fields = append(p.fields, args)
		} else if args != "" {
			return nil, fmt.Errorf("%q has fields that its command does not", line)
		}
		out = append(out, p)
	}
	return out, nil
}

// tame says whether a name can be a field of a command as it is.
func tame(s string) bool {
	return s != "" && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == ';' || unicode.IsControl(r) || r == 0x2028 || r == 0x2029 })
}

// check holds one encoding to what an encoder promises.
func check(t *testing.T, c source.Command, o nagios.Encoding) {
	t.Helper()
	line, err := nagios.Encode(c, o)
	service := c.Object.Service
	good := tame(c.Object.Host) && (service == "" || tame(service))
	long := len(c.Object.Host)+len(service) > 2*4*source.MaxName
	downtime := c.Verb == source.ScheduleDowntime && !c.Until.After(c.From)
	cancel := c.Verb == source.CancelDowntime && o.Downtime.Comment != ""
	if err != nil {
		if good && !long && !downtime && !cancel {
			t.Fatalf("%+v is refused: %v", c, err)
		}
		if line != "" {
			t.Fatalf("refused, and yet there is a line: %q", line)
		}
		return
	}
	if !good {
		t.Fatalf("%q;%q is put into a command: %q", c.Object.Host, service, line)
	}
	if len(line) > 4096 || !strings.HasSuffix(line, "\n") || strings.Count(line, "\n") != 1 {
		t.Fatalf("it is no line for a pipe: %d bytes, %q", len(line), line)
	}
	if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) || !utf8.ValidString(line) {
		t.Fatalf("control characters: %q", line)
	}
	ps, err := take(line)
	if err != nil || len(ps) != 1 {
		t.Fatalf("%q is %d commands: %v", line, len(ps), err)
	}
	same(t, ps[0], c, o, line)
}

// same says whether the engine's fields are those of the command.
func same(t *testing.T, p parsed, c source.Command, o nagios.Encoding, line string) {
	t.Helper()
	form := forms[p.name]
	want := form.split
	if form.rest {
		want++
	}
	if len(p.fields) != want || p.at != o.At.Unix() {
		t.Fatalf("%q has %d fields and not %d", line, len(p.fields), want)
	}
	f := p.fields
	next := func() string { s := f[0]; f = f[1:]; return s }
	if got := next(); got != c.Object.Host {
		t.Fatalf("the host %q became %q", c.Object.Host, got)
	}
	if c.Object.Service != "" || p.name == "DEL_DOWNTIME_BY_HOST_NAME" {
		if got := next(); got != c.Object.Service {
			t.Fatalf("the service %q became %q", c.Object.Service, got)
		}
	}
	switch c.Verb {
	case source.Acknowledge:
		for i, on := range []bool{c.Sticky, o.Notify, true} {
			if got, want := next(), [][2]string{{"0", "2"}, {"0", "1"}, {"0", "1"}}[i]; got != want[0] && got != want[1] || (got == want[1]) != on {
				t.Fatalf("switch %d of %q is %q", i, line, got)
			}
		}
		if expire := o.Expire && !c.Until.IsZero(); expire != strings.HasSuffix(p.name, "_EXPIRE") {
			t.Fatalf("%q", line)
		} else if expire {
			if got := next(); got != fmt.Sprint(c.Until.Unix()) {
				t.Fatalf("the end is %q in %q", got, line)
			}
		}
	case source.Comment:
		next()
	case source.ScheduleDowntime:
		if got := strings.Join(f[:5], " "); got != fmt.Sprintf("%d %d 1 0 %d", c.From.Unix(), c.Until.Unix(), c.Until.Unix()-c.From.Unix()) {
			t.Fatalf("the downtime is %q in %q", got, line)
		}
		f = f[5:]
	case source.CancelDowntime:
		next()
		if got := next(); !strings.Contains(got, "Tocsin") && got != o.Downtime.Comment {
			t.Fatalf("the downtime's comment is %q in %q", got, line)
		}
		return
	case source.Unacknowledge:
		return
	}
	if got := next(); got == "" || tame(c.Author) && got != c.Author && len(c.Author) <= 4*source.MaxAuthor {
		t.Fatalf("the author %q became %q", c.Author, got)
	}
	got := next()
	plain := tame(c.Comment) && !strings.Contains(c.Comment, `\`) && len(line) < 4000
	if got == "" || plain && !strings.HasPrefix(got, c.Comment) && !o.Bare {
		t.Fatalf("the comment %q became %q", c.Comment, got)
	}
}

var verbs = []source.Verb{
	source.Acknowledge, source.Unacknowledge, source.Comment, source.ScheduleDowntime, source.CancelDowntime,
}

// nasty are pieces that have injected something somewhere.
var nasty = []string{
	"\n", "\r", "\r\n", ";", "\x00", "\x1b[2J", "\\n", `\`, "\n[1795299457] DISABLE_NOTIFICATIONS", "[0] ", "]", "\u0085", "\u2028", "\u2029",
	"\u202e", "é", "日本", "\xff", "\xc2", " ", "\t", "|", "$USER1$", "`id`", "'\"<>&~", "web01", "HTTP Check", "Looking into it", "%s%n", "…",
	strings.Repeat("A", 300), strings.Repeat("日", 1500),
}

func TestNothingInjectsIntoACommand(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteString(nasty[r.IntN(len(nasty))])
		}
		return b.String()
	}
	name := func() string {
		if r.IntN(3) > 0 {
			return []string{"web01", "HTTP Check", "Platte C:", "böse Zeichen", "a.b-c_d"}[r.IntN(5)]
		}
		return text()
	}
	for range 30000 {
		c := source.Command{
			Verb: verbs[r.IntN(len(verbs))], Object: alert.Object{Host: name()}, Author: text(), Comment: text(), AlertID: text(),
			Sticky: r.IntN(2) > 0, From: noon, Until: noon.Add(time.Duration(r.IntN(7200)-600) * time.Second),
		}
		if r.IntN(2) > 0 {
			c.Object.Service = name()
		}
		o := nagios.Encoding{At: noon, Expire: r.IntN(2) > 0, Notify: r.IntN(2) > 0, Bare: r.IntN(4) == 0}
		if r.IntN(4) == 0 {
			o.Downtime = nagios.Downtime{Comment: text(), Start: noon}
		}
		check(t, c, o)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(uint8(0), "web01", "HTTP Check", "jane.doe", "Looking into it", "0198", uint8(1), int64(3600))
	f.Add(uint8(0), "web01", "", "a;b", "x\n[0] DISABLE_NOTIFICATIONS", "0198", uint8(6), int64(3600))
	f.Add(uint8(3), "web01", "Disk C:\\", "", "a;b", "0198\n", uint8(0), int64(60))
	f.Add(uint8(4), "web01", "", "", "(Tocsin 0198)", "", uint8(24), int64(60))
	f.Fuzz(func(t *testing.T, verb uint8, host, service, author, comment, id string, flags uint8, length int64) {
		c := source.Command{
			Verb: verbs[int(verb)%len(verbs)], Object: alert.Object{Host: host, Service: service}, Author: author, Comment: comment, AlertID: id,
			Sticky: flags&1 > 0, From: noon, Until: noon.Add(time.Duration(length%1e6) * time.Second),
		}
		o := nagios.Encoding{At: noon, Notify: flags&2 > 0, Expire: flags&4 > 0, Bare: flags&8 > 0}
		if flags&16 > 0 {
			o.Downtime = nagios.Downtime{Comment: comment, Start: noon}
		}
		check(t, c, o)
	})
}

func TestEncode(t *testing.T) {
	host, service := alert.Object{Host: "web01"}, alert.Object{Host: "web01", Service: "HTTP Check"}
	base := source.Command{Author: "jane.doe", Comment: "Looking into it", AlertID: "0198c1d2", From: noon, Until: noon.Add(time.Hour), Sticky: true}
	for _, c := range []struct {
		name   string
		object alert.Object
		change func(c *source.Command, o *nagios.Encoding)
		want   string
	}{
		{"acknowledge a service", service, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.Acknowledge }, "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;jane.doe;Looking into it"},
		{"acknowledge a host", host, func(c *source.Command, o *nagios.Encoding) {
			c.Verb, c.Sticky, o.Notify = source.Acknowledge, false, true
		}, "ACKNOWLEDGE_HOST_PROBLEM;web01;0;1;1;jane.doe;Looking into it"},
		{"with an end", service, func(c *source.Command, o *nagios.Encoding) { c.Verb, o.Expire = source.Acknowledge, true }, "ACKNOWLEDGE_SVC_PROBLEM_EXPIRE;web01;HTTP Check;2;0;1;1795303057;jane.doe;Looking into it"},
		{"take it back", service, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.Unacknowledge }, "REMOVE_SVC_ACKNOWLEDGEMENT;web01;HTTP Check"},
		{"take it back from a host", host, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.Unacknowledge }, "REMOVE_HOST_ACKNOWLEDGEMENT;web01"},
		{"comment", service, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.Comment }, "ADD_SVC_COMMENT;web01;HTTP Check;1;jane.doe;Looking into it"},
		{"downtime", service, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.ScheduleDowntime }, "SCHEDULE_SVC_DOWNTIME;web01;HTTP Check;1795299457;1795303057;1;0;3600;jane.doe;Looking into it (Tocsin 0198c1d2)"},
		{"downtime of an engine that cannot be read", host, func(c *source.Command, o *nagios.Encoding) { c.Verb, o.Bare = source.ScheduleDowntime, true }, "SCHEDULE_HOST_DOWNTIME;web01;1795299457;1795303057;1;0;3600;jane.doe;(Tocsin 0198c1d2)"},
		{"end of a downtime that is seen", host, func(c *source.Command, o *nagios.Encoding) {
			c.Verb, o.Downtime = source.CancelDowntime, nagios.Downtime{Start: noon, Comment: "Disk (Tocsin 0198c1d2)"}
		}, "DEL_DOWNTIME_BY_HOST_NAME;web01;;1795299457;Disk (Tocsin 0198c1d2)"},
		{"end of one that is not", service, func(c *source.Command, _ *nagios.Encoding) { c.Verb = source.CancelDowntime }, "DEL_DOWNTIME_BY_HOST_NAME;web01;HTTP Check;0;(Tocsin 0198c1d2)"},
		{"no comment and no author", service, func(c *source.Command, _ *nagios.Encoding) {
			c.Verb, c.Comment, c.Author = source.Acknowledge, "\n", ";\t"
		}, "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;_;Tocsin"},
		{"a comment of several lines", service, func(c *source.Command, _ *nagios.Encoding) {
			c.Verb, c.Comment, c.Author = source.Acknowledge, " C:\\disk;\r\nsecond\nthird\x00 ", "jane\ndoe"
		}, "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP Check;2;0;1;jane doe;C:/disk; second third"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, o := base, nagios.Encoding{At: noon}
			cmd.Object = c.object
			c.change(&cmd, &o)
			line, err := nagios.Encode(cmd, o)
			if want := "[1795299457] " + c.want + "\n"; err != nil || line != want {
				t.Errorf("%v\n got %q\nwant %q", err, line, want)
			}
		})
	}
}

func TestNamesThatNoCommandCanSayAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"web01\n[0] DISABLE_NOTIFICATIONS": "control character", "web;01": "semicolon", "web01 ": "space", "": "no host name",
		"web\x00": "control character", "web\xff": "UTF-8", strings.Repeat("日", 1400): "names of host",
	} {
		_, err := nagios.Encode(source.Command{Verb: source.Acknowledge, Object: alert.Object{Host: name}}, nagios.Encoding{At: noon})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func TestALongCommentIsCutBetweenCharacters(t *testing.T) {
	for _, comment := range []string{strings.Repeat("A", 6000), strings.Repeat("日本", 3000)} {
		line, err := nagios.Encode(source.Command{Verb: source.ScheduleDowntime, Object: alert.Object{Host: "web01"}, Comment: comment, AlertID: "0198", From: noon, Until: noon.Add(time.Hour)}, nagios.Encoding{At: noon})
		if err != nil || len(line) > 4096 || len(line) < 4090 || !utf8.ValidString(line) || !strings.HasSuffix(line, "… (Tocsin 0198)\n") {
			t.Errorf("%v: %d bytes, …%q", err, len(line), line[max(0, len(line)-40):])
		}
	}
}
