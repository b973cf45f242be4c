package notify

import (
	"fmt"
	"strings"
)

// flag is one flag of the command.
type flag struct {
	name string
	arg  string // what the help calls its value; empty for a switch
	// engine flags carry what the engine's macros say. Their value may be
	// empty, and an engine flag that directly follows one means that the shell
	// dropped an empty macro between them.
	engine bool
	help   string
	// A setting is in the environment and the file by its key; usual is in force without.
	key, usual string
}

// Flag is one flag of the command, for the documentation.
type Flag struct {
	Name       string // without hyphens
	Arg        string // what its value is called; empty for a switch
	Engine     bool   // it carries what the engine's macros say
	Help       string
	Key, Usual string // of a setting: in the environment and the file; and without
}

// Flags are all of them, in the order of the help.
func Flags() []Flag {
	var out []Flag
	for _, f := range flags() {
		out = append(out, Flag{f.name, f.arg, f.engine, strings.ReplaceAll(f.help, "\n", " "), f.key, f.usual})
	}
	return out
}

// flags are all of them in the order of the help.
func flags() []flag {
	return []flag{
		{"type", "Host|Service", true, "what the event is about; also -t", "", ""},
		{"notificationtype", "TYPE", true, "PROBLEM, RECOVERY, ACKNOWLEDGEMENT, FLAPPINGSTART, FLAPPINGSTOP,\nDOWNTIMESTART, DOWNTIMEEND, DOWNTIMECANCELLED, CUSTOM", "", ""},
		{"hostname", "NAME", true, "the host, as the engine names it", "", ""},
		{"hostuuid", "UUID", true, "the host's UUID (openITCOCKPIT)", "", ""},
		{"hostdisplayname", "NAME", true, "the host's name for people", "", ""},
		{"service", "NAME", true, "the service, as the engine names it", "", ""},
		{"serviceuuid", "UUID", true, "the service's UUID (openITCOCKPIT)", "", ""},
		{"servicedisplayname", "NAME", true, "the service's name for people", "", ""},
		{"state", "STATE", true, "0 to 2 for a host, 0 to 3 for a service, or the word;\nempty means Unreachable or Unknown", "", ""},
		{"output", "TEXT", true, "the check's output", "", ""},
		{"longoutput", "TEXT", true, "its further lines; \\n is a line break, as Nagios writes it", "", ""},
		{"ackauthor", "NAME", true, "who acknowledged, or set the downtime", "", ""},
		{"ackcomment", "TEXT", true, "and what they wrote", "", ""},
		{"contact", "NAME", true, "whom the engine tells; may be repeated", "", ""},
		{"user-id", "ID", true, "whom it tells, by the id of its user (openITCOCKPIT)", "", ""},
		{"time", "TIME", true, "Unix seconds or RFC 3339; default: now", "", ""},
		{"link", "URL", true, "the engine's page of the host or service", "", ""},
		{"label", "KEY=VALUE", true, "a label for the hub's rules; may be repeated", "", ""},
		{"problemid", "ID", true, "accepted and ignored", "", ""},
		{"id", "ID", true, "this call's own id; one id is taken once (default: a new one)", "", ""},
		{"no-emoji", "", true, "no emoji in the posts of this alert", "", ""},

		{"url", "URL", false, "the hub", "TOCSIN_URL", defaultURL},
		{"token-file", "FILE", false, "file with the source's token, - for stdin", "TOCSIN_TOKEN_FILE", ""},
		{"token", "TOKEN", false, "the token itself; others see it in ps", "TOCSIN_TOKEN", ""},
		{"source", "NAME", false, "the source", "TOCSIN_SOURCE", "the token's"},
		{"spool", "DIR", false, "where events wait for the hub", "TOCSIN_SPOOL", ""},
		{"timeout", "TIME", false, "longest run, such as 2s", "TOCSIN_TIMEOUT", "2s; 60s with --flush"},
		{"config", "FILE", false, "file with those settings", "TOCSIN_NOTIFY_CONFIG", defaultConfig + " if there"},
		{"flush", "", false, "hand in what waits in the spool, and nothing else", "", ""},
		{"json", "", false, "print what happened as JSON", "", ""},
		{"help", "", false, "this text; also -h", "", ""},
	}
}

// line is a parsed command line.
type line struct {
	values   map[string]string
	contacts []string
	labels   map[string]string
	warnings []string
}

func (l *line) on(name string) bool { return l.values[name] == "true" }

// usageError is a mistake in the flags: what is wrong and what to write
// instead, in one line.
func usageError(format string, args ...any) error {
	return fmt.Errorf(format, args...)
}

// parse reads the flags. Errors say what to write instead.
func parse(args []string) (*line, error) {
	p := parser{known: make(map[string]flag), given: make(map[string]bool),
		line: line{values: make(map[string]string), labels: make(map[string]string)}}
	for _, f := range flags() {
		p.known[f.name] = f
	}
	last := "output"
	for len(args) > 0 {
		name, value, inline, err := p.split(args[0], last)
		if err != nil {
			return nil, err
		}
		args = args[1:]
		f := p.known[name]
		p.given[name], last = true, name
		switch {
		case f.arg == "" && inline:
			return nil, usageError("--%s takes no value: write --%s alone", name, name)
		case f.arg == "":
			p.line.values[name] = "true"
			continue
		case !inline && len(args) > 0 && !p.dropped(f, args[0]):
			value, args = args[0], args[1:]
		case !inline && !f.engine:
			return nil, usageError("--%s needs a value: write --%s %s", name, name, f.arg)
		}
		if err := p.store(f, value); err != nil {
			return nil, err
		}
	}
	return &p.line, nil
}

type parser struct {
	known map[string]flag
	given map[string]bool
	one   bool // a flag was given with one hyphen, as openITCOCKPIT's newer command takes them
	line  line
}

// split takes one argument apart: the flag's name, and its value when it is
// written with it. last is the flag before, for the message about a stray word.
func (p *parser) split(arg, last string) (name, value string, inline bool, err error) {
	switch {
	case arg == "-h":
		return "help", "", false, nil
	case arg == "-t":
		return "type", "", false, nil
	case strings.HasPrefix(arg, "-t=") || strings.EqualFold(arg, "-thost") || strings.EqualFold(arg, "-tservice"):
		return "type", strings.TrimPrefix(arg[2:], "="), true, nil
	case strings.HasPrefix(arg, "--") && len(arg) > 2:
		name, value, inline = strings.Cut(arg[2:], "=")
	case strings.HasPrefix(arg, "-") && len(arg) > 1:
		name, value, inline = strings.Cut(arg[1:], "=")
		if f, ok := p.known[name]; ok && !f.engine {
			return "", "", false, usageError("there is no flag %s: write --%s", short(arg), name)
		}
		p.one = true
	default:
		return "", "", false, usageError("%s belongs to no flag: if it is part of a value, put that in quotes, as in --%s=\"…\"", short(arg), last)
	}
	if _, ok := p.known[name]; ok {
		return name, value, inline, nil
	}
	if near := p.nearest(name); near != "" {
		return "", "", false, usageError("there is no flag %s: write --%s", short("--"+name), near)
	}
	return "", "", false, usageError("there is no flag %s: `tocsin notify --help` lists all", short("--"+name))
}

// dropped says that next is not f's value but the next flag, because the shell
// dropped an empty macro that was not in quotes. Outputs come from the machines
// that are monitored, so this must not let them give flags: only engine flags
// without "=" that were not given yet count, never a setting such as --url.
func (p *parser) dropped(f flag, next string) bool {
	if next == "-t" {
		next = "--type"
	}
	name, two := strings.CutPrefix(next, "--")
	if !two {
		var hyphen bool
		if name, hyphen = strings.CutPrefix(next, "-"); !hyphen || !p.one {
			return false
		}
	}
	n, ok := p.known[name]
	if !ok {
		return false
	}
	if !f.engine {
		return true // a setting without its value: better refused than taken for one
	}
	return n.engine && (!p.given[n.name] || n.name == "contact" || n.name == "label")
}

// store keeps a value. What a flag said before is not undone by an empty one.
func (p *parser) store(f flag, value string) error {
	if f.engine && unresolved(value) {
		p.line.warnings = append(p.line.warnings, fmt.Sprintf("the engine did not resolve %s; --%s is taken as empty: see whether that macro exists for this kind of notification", value, f.name))
		value = ""
	}
	switch {
	case value == "":
	case f.name == "contact":
		p.line.contacts = append(p.line.contacts, value)
	case f.name == "label":
		key, val, ok := strings.Cut(value, "=")
		if !ok || key == "" {
			return usageError("--label %s is no label: write --label KEY=VALUE", short(value))
		}
		if val != "" && !unresolved(val) {
			p.line.labels[key] = val
		}
	default:
		p.line.values[f.name] = value
	}
	return nil
}

// unresolved says that a value is a macro's name, such as $SERVICEDESC$ or
// $_HOSTTEAM$, which engines pass on as it is when they do not know it.
func unresolved(value string) bool {
	if len(value) < 3 || value[0] != '$' || value[len(value)-1] != '$' {
		return false
	}
	return !strings.ContainsFunc(value[1:len(value)-1], func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == ':' || r == '.' || r == '-')
	})
}

// nearest is the flag that was probably meant, or empty.
func (p *parser) nearest(name string) string {
	low := strings.ToLower(name)
	if _, ok := p.known[low]; ok {
		return low
	}
	plain := strings.NewReplacer("-", "", "_", "").Replace(low)
	for _, f := range flags() {
		if strings.ReplaceAll(f.name, "-", "") == plain {
			return f.name
		}
	}
	if said := otherWords()[plain]; said != "" {
		return said
	}
	best, distance := "", 3
	for _, f := range flags() {
		if d := editDistance(plain, f.name); d < distance && d < len(f.name)/2 {
			best, distance = f.name, d
		}
	}
	return best
}

// otherWords are the names that other commands have for our flags, and the
// macros' own names, without hyphens.
func otherWords() map[string]string {
	return map[string]string{
		"host": "hostname", "hostid": "hostname", "hostalias": "hostdisplayname", "hostdisplay": "hostdisplayname",
		"servicedesc": "service", "servicename": "service", "servicedescription": "service", "svc": "service",
		"servicedisplay": "servicedisplayname", "objecttype": "type", "ntype": "notificationtype", "notification": "notificationtype",
		"hoststate": "state", "servicestate": "state", "hoststateid": "state", "servicestateid": "state", "stateid": "state", "status": "state",
		"hostoutput": "output", "serviceoutput": "output", "message": "output", "text": "output",
		"longhostoutput": "longoutput", "longserviceoutput": "longoutput", "details": "longoutput",
		"author": "ackauthor", "notificationauthor": "ackauthor", "comment": "ackcomment", "notificationcomment": "ackcomment",
		"contactname": "contact", "contacts": "contact", "user": "user-id", "timet": "time", "timestamp": "time", "date": "time",
		"hub": "url", "server": "url", "endpoint": "url", "tokenpath": "token-file", "apikey": "token-file", "key": "token-file",
		"notesurl": "link", "actionurl": "link", "objecturl": "link", "tag": "label", "queue": "spool", "hosts": "hostname",
		"hostproblemid": "problemid", "serviceproblemid": "problemid", "configfile": "config",
	}
}

// editDistance counts the letters to add, drop or change from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// short quotes a foreign text for a message of one line.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
