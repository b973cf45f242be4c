package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Key is one key of the environment and of configuration files. The table of them,
// Table, is what is read, refused, listed by `tocsin config` and printed in
// docs/settings.md and in the sample of /etc/tocsin/tocsin.env.
type Key struct {
	Name    string
	Section string // under which it is listed
	// Default is in force where nothing is given; empty: nothing is. Otherwise says
	// in words when it is another one, or how it is found.
	Default   string
	Otherwise string
	Shape     string // what a value looks like: "`host:port`"
	Limits    string // what else is refused; empty: nothing
	Meaning   string // a sentence or more in Markdown, links as from docs/
	Example   string // in the sample file
	Flag      string // that goes before it; empty: none
	// Secret values are shown nowhere; File says that NAME_FILE may name a file that
	// has the value.
	Secret, File bool

	now func(Config) string // as it is in force, without secrets; nil: as it was given
}

// Foreign is a variable of the environment that is not ours and that is heeded.
type Foreign struct {
	Name    string
	Command string // which part heeds it
	Meaning string
}

// Foreigners are all of them.
func Foreigners() []Foreign {
	return []Foreign{
		{"GOGC", "`tocsin serve`", "Go's own: how much garbage there may be, in percent. 300 unless you set it: the program trades some memory for speed. While a publication goes out to visitors it is 100"},
		{"GOMEMLIMIT", "`tocsin serve`", "Go's own: how much memory the program tries to stay below, as `512MiB`"},
		{"GOMAXPROCS", "`tocsin serve`", "Go's own: how many processors are used; by itself as many as the machine or the container has"},
		{"TZ", "all", "the time zone of times that commands print; pages, posts and schedules have time zones of their own"},
		{"SSL_CERT_FILE", "all", "a file with the root certificates, PEM, that are believed instead of the system's. `SSL_CERT_DIR` is the same for a folder"},
		{"SSL_CERT_DIR", "all", "see `SSL_CERT_FILE`"},
		{"HTTPS_PROXY", "`tocsin notify`", "the proxy to the hub. **The hub does not heed it**: it has `TOCSIN_PUSH_PROXY`"},
		{"HTTP_PROXY", "`tocsin notify`", "the same for a hub without https"},
		{"NO_PROXY", "`tocsin notify`", "hosts that are reached without"},
		{"XDG_STATE_HOME", "`tocsin notify`", "where the spool is if `/var/spool/tocsin` cannot be written"},
		{"HOME", "`tocsin notify`", "the same, below `.local/state`"},
		{"TMPDIR", "`tocsin notify`, `tocsin demo`", "where temporary files are; `/tmp` by itself"},
		{"NO_COLOR", "`tocsin doctor`", "set to anything: no colours"},
		{"TERM", "`tocsin doctor`", "`dumb`: no colours"},
		{"LC_ALL", "`tocsin doctor`", "with `UTF-8` in it: ticks and crosses instead of letters. Else `LC_CTYPE` and `LANG` are looked at"},
		{"LC_CTYPE", "`tocsin doctor`", "see `LC_ALL`"},
		{"LANG", "`tocsin doctor`", "see `LC_ALL`"},
		{"SUDO_USER", "all", "who called sudo: named in the [audit trail](audit.md) beside the user"},
		{"PGSSLMODE", "all", "of PostgreSQL, as other `PG…` variables of its programs: for what `TOCSIN_DATABASE_URL` leaves out"},
	}
}

// Keys are the names of all keys of serve and of the other commands that work on the
// database, with those of their files.
func Keys() []string {
	var out []string
	for _, k := range Table() {
		out = append(out, k.Name)
		if k.File {
			out = append(out, k.Name+"_FILE")
		}
	}
	return out
}

// OtherKeys belong to `tocsin notify` and `tocsin bounce`, which read them themselves,
// and may stand beside the others.
func OtherKeys() []string {
	return []string{"TOCSIN_URL", "TOCSIN_TOKEN", "TOCSIN_TOKEN_FILE", "TOCSIN_SOURCE", "TOCSIN_SPOOL", "TOCSIN_TIMEOUT", "TOCSIN_NOTIFY_CONFIG", "TOCSIN_KEY_FILE"}
}

// ByName is one key; false: there is none of that name.
func ByName(name string) (Key, bool) {
	for _, k := range Table() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// Lookup is ByName for what a person writes: in small letters, too, and without the
// _FILE. Its error is an *Error that names what is near.
func Lookup(name string) (Key, error) {
	for _, text := range []string{name, strings.ToUpper(name)} {
		if k, ok := ByName(strings.TrimSuffix(text, "_FILE")); ok {
			return k, nil
		}
	}
	return Key{}, unknown(name, "tocsin config")
}

// value is one setting and where it was found.
type value struct {
	text  string
	where string
	// via is where the file was named that has the value; empty: it was given itself.
	via string
}

// found are the values that were given, by key.
type found map[string]value

// get is what was given for a key, else its default.
func (f found) get(key string) value {
	if v := f[key]; v.text != "" {
		return v
	}
	k, _ := ByName(key)
	return value{text: k.Default, where: "default"}
}

// given says whether there is more than a default.
func (f found) given(key string) bool { return f[key].text != "" }

// Value is a key as it is in force.
type Value struct {
	Key
	Text string // without secrets
	// From is "default", "environment", "/etc/tocsin/tocsin.env line 3", "flag --listen",
	// or the name of the file that has the value, and where that was named.
	From  string
	Given bool // else it is the default
}

// Hidden stands where a secret is.
const Hidden = "(hidden)"

// InForce says of all keys what is in force and where it is from. Its error is that of
// Load.
func InForce(s Sources) ([]Value, error) {
	f, err := gather(s)
	if err != nil {
		return nil, err
	}
	c, err := fill(f)
	if err != nil {
		return nil, err
	}
	all := Table()
	out := make([]Value, len(all))
	for i, k := range all {
		v := f.get(k.Name)
		out[i] = Value{Key: k, Text: v.text, From: v.where, Given: f.given(k.Name)}
		if v.via != "" {
			out[i].From += " (" + k.Name + "_FILE, " + v.via + ")"
		}
		if k.now != nil {
			out[i].Text = k.now(c)
		}
		if k.Secret && k.now == nil && v.text != "" {
			out[i].Text = Hidden
		}
	}
	return out, nil
}

// shown is an address without what is secret in it: a password, and values behind a
// question mark that are one.
func shown(address string) string {
	if address == "" || strings.HasPrefix(address, "sqlite:") {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return Hidden
	}
	var user string
	if u.User != nil {
		user = u.User.Username()
		if _, with := u.User.Password(); with {
			user += ":" + Hidden
		}
		user += "@"
	}
	text := u.Scheme + "://" + user + u.Host + u.EscapedPath()
	var rest []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if strings.Contains(strings.ToLower(name), "pass") {
			pair = name + "=" + Hidden
		}
		if pair != "" {
			rest = append(rest, pair)
		}
	}
	if len(rest) > 0 {
		text += "?" + strings.Join(rest, "&")
	}
	return text
}

func prefixes(all []netip.Prefix) string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.String()
		if p.IsSingleIP() {
			out[i] = p.Addr().String()
		}
	}
	return strings.Join(out, ", ")
}

// listed is a list of groups as it is written.
func listed(groups []string) string {
	sep := ", "
	if slices.ContainsFunc(groups, func(g string) bool { return strings.Contains(g, ",") }) {
		sep = "; "
	}
	return strings.Join(groups, sep)
}

func share(ratio float64) string { return strconv.FormatFloat(ratio, 'f', -1, 64) }

var (
	links = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)
	marks = strings.NewReplacer("`", "", "**", "")
)

// Plain is Markdown of a table without its marks; of a link its words and the page.
func Plain(markdown string) string {
	text := links.ReplaceAllStringFunc(markdown, func(link string) string {
		m := links.FindStringSubmatch(link)
		page, _, _ := strings.Cut(m[2], "#")
		switch {
		case page == "" || strings.Contains(page, "://"):
			return m[1]
		case m[1] == page:
			return "docs/" + page
		}
		return m[1] + " (docs/" + page + ")"
	})
	return marks.Replace(text)
}

// Sentence is Plain with a full stop and a capital, unless it begins with a word that
// is to be written as it stands.
func Sentence(markdown string) string {
	text := Plain(markdown) + "."
	if strings.HasPrefix(markdown, "`") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
