package hook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"tocsin/internal/contact"
	"tocsin/internal/guard"
)

// Bounds of what is set of a webhook.
const (
	MaxURL      = 2000
	MaxSecret   = 500 // of Secret and of Token
	MaxHeaders  = 20
	MaxTemplate = 16 << 10 // bytes of the template as JSON
	MaxDepth    = 8        // objects and lists inside each other, the template itself counted
	MaxEntries  = 300      // texts, numbers, objects and lists in a template
)

// Forms are all of them, those first that most will want.
func Forms() []Form { return []Form{JSON, Slack, Teams, Ntfy, Gotify, Fields} }

// Word is a form for people.
func (f Form) Word() string {
	switch f {
	case JSON:
		return "JSON with all that is known"
	case Slack:
		return "Slack and compatible (Mattermost, Rocket.Chat, Discord with /slack)"
	case Teams:
		return "Microsoft Teams (workflow)"
	case Ntfy:
		return "ntfy"
	case Gotify:
		return "Gotify"
	case Fields:
		return "JSON with your own fields"
	}
	return string(f)
}

// Networks are those that are not public and in which a Private webhook may stand:
// private ones, shared ones of carriers and overlays, and this machine. Link-local
// addresses, where clouds answer with their credentials, are never among them.
func Networks() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range [...]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

var (
	// As ntfy has it: https://docs.ntfy.sh/publish/
	topics      = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)
	headerNames = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$") // RFC 9110, section 5.6.2
	tokens      = regexp.MustCompile(`^[\x21-\x7e]*$`)
)

// ours are headers that are written here, or that change how a request is read.
var ours = []string{
	"host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
	"authorization", "proxy-authorization", "cookie", "x-gotify-key", "webhook-id", "webhook-timestamp", "webhook-signature",
}

// Validate answers a *contact.FieldError for the first field that cannot be stored,
// nil if there is none. Where a name leads to is looked at when it is dialled.
func (h Hook) Validate() error {
	if err := contact.CheckName("name", h.Name); err != nil {
		return err //nolint:wrapcheck // says which field
	}
	if !slices.Contains(Forms(), h.Form) {
		return &contact.FieldError{Field: "form", Problem: fmt.Sprintf("is %q, which is not known", h.Form), Mend: "give one of " + words(Forms())}
	}
	if err := h.checkURL(); err != nil {
		return err
	}
	switch {
	case h.Form == Ntfy && !topics.MatchString(h.Topic):
		return &contact.FieldError{Field: "topic", Problem: "is no topic of ntfy", Mend: "give 1 to 64 letters, digits, - or _"}
	case h.Form != Ntfy && h.Topic != "":
		return &contact.FieldError{Field: "topic", Problem: "is for ntfy alone", Mend: "leave it empty, or choose the form ntfy"}
	case len(h.Secret) > MaxSecret:
		return &contact.FieldError{Field: "secret", Problem: "is too long", Mend: fmt.Sprintf("shorten it to %d bytes", MaxSecret)}
	case strings.HasPrefix(h.Secret, secretPrefix) && h.Key() == nil:
		return &contact.FieldError{Field: "secret", Problem: "begins with " + secretPrefix + ", but what follows is no base64", Mend: "copy it whole, or give another text"}
	case len(h.Token) > MaxSecret || !tokens.MatchString(h.Token):
		return &contact.FieldError{Field: "token", Problem: "has characters that a token cannot have, or too many", Mend: fmt.Sprintf("copy it whole and without blanks; %d characters are the most", MaxSecret)}
	}
	if err := h.checkHeaders(); err != nil {
		return err
	}
	return h.checkTemplate()
}

func words(fs []Form) string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = string(f)
	}
	return strings.Join(out, ", ")
}

func (h Hook) checkURL() error {
	wrong := func(problem, mend string) error {
		return &contact.FieldError{Field: "url", Problem: problem, Mend: mend}
	}
	if h.URL == "" {
		return wrong("is missing", "give the address that is posted to, with https://")
	}
	if len(h.URL) > MaxURL {
		return wrong("is too long", fmt.Sprintf("%d characters are the most", MaxURL))
	}
	u, err := url.Parse(h.URL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		// The error of url.Parse has the address, which is a secret.
		return wrong("is no web address", "copy it whole: https://host/path")
	case u.User != nil:
		return wrong("has a name or a password in it", "leave them out, and give a token")
	case u.Fragment != "":
		return wrong("has a # in it, which no server gets to see", "leave out what begins there")
	case u.Scheme != "https" && u.Scheme != "http":
		return wrong("does not begin with https://", "only https, and http in a private network, can be posted to")
	case u.Scheme == "http" && !h.Private:
		return wrong("begins with http://", "use https://; without encryption is possible only where “in a private network” is on")
	}
	var allow []netip.Prefix
	if h.Private {
		allow = Networks()
	}
	if err := guard.CheckHost(u.Hostname(), allow); err != nil {
		if !h.Private && guard.CheckHost(u.Hostname(), Networks()) == nil {
			return wrong("is in a private network", "give a public address, or switch on “in a private network”")
		}
		return wrong("is an address that nothing is posted to", "give a public address by its name")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && u.Scheme == "http" && !guard.Within(a.Unmap(), allow) {
		return wrong("begins with http:// and is a public address", "use https://")
	}
	if h.Form == Ntfy && strings.Trim(u.Path, "/") != "" {
		return wrong("has a path", "give the address of the ntfy server alone, https://ntfy.sh, and the topic in its own field")
	}
	return nil
}

func (h Hook) checkHeaders() error {
	if len(h.Headers) > MaxHeaders {
		return &contact.FieldError{Field: "headers", Problem: fmt.Sprintf("are %d", len(h.Headers)), Mend: fmt.Sprintf("%d are the most", MaxHeaders)}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		field := "headers." + name
		switch value := h.Headers[name]; {
		case !headerNames.MatchString(name):
			return &contact.FieldError{Field: "headers", Problem: fmt.Sprintf("have %q, which is no name of a header", name), Mend: "names have letters, digits and -"}
		case slices.Contains(ours, strings.ToLower(name)):
			return &contact.FieldError{Field: field, Problem: "is written by Tocsin", Mend: "leave it out; a token goes into the field for it, where it is kept secret"}
		case len(value) > MaxSecret || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return &contact.FieldError{Field: field, Problem: "is too long, or has other than plain characters", Mend: fmt.Sprintf("give at most %d letters, digits and signs of ASCII", MaxSecret)}
		}
	}
	return nil
}

func (h Hook) checkTemplate() error {
	switch {
	case h.Form != Fields && len(h.Template) > 0:
		return &contact.FieldError{Field: "template", Problem: "is for the form fields alone", Mend: "leave it empty, or choose the form fields"}
	case h.Form != Fields:
		return nil
	case len(h.Template) == 0:
		return &contact.FieldError{Field: "template", Problem: "is empty", Mend: `give a JSON object, as {"text": "{{title}}"}`}
	}
	entries := 0
	if err := checkValue("template", h.Template, 1, &entries); err != nil {
		return err
	}
	raw, err := json.Marshal(h.Template)
	if err != nil || len(raw) > MaxTemplate {
		return &contact.FieldError{Field: "template", Problem: "is too large", Mend: fmt.Sprintf("%d bytes are the most", MaxTemplate)}
	}
	return nil
}

// checkValue looks at one value of a template, at a path of it.
func checkValue(path string, v any, depth int, entries *int) error {
	if *entries++; *entries > MaxEntries {
		return &contact.FieldError{Field: "template", Problem: fmt.Sprintf("has more than %d entries", MaxEntries), Mend: "leave some out"}
	}
	if depth > MaxDepth {
		return &contact.FieldError{Field: path, Problem: fmt.Sprintf("is more than %d levels deep", MaxDepth), Mend: "make it flatter"}
	}
	switch v := v.(type) {
	case nil, bool, float64, int, int64, json.Number:
		return nil
	case string:
		return checkTemplateText(path, v)
	case []any:
		for i, x := range v {
			if err := checkValue(fmt.Sprintf("%s[%d]", path, i), x, depth+1, entries); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k == "" || len(k) > contact.MaxName {
				return &contact.FieldError{Field: path, Problem: "has a field whose name is empty or too long", Mend: fmt.Sprintf("give names of 1 to %d characters", contact.MaxName)}
			}
			if strings.Contains(k, "{{") {
				return &contact.FieldError{Field: path + "." + k, Problem: "is a name of a field with {{ in it", Mend: "only texts may name values"}
			}
			if err := checkValue(path+"."+k, v[k], depth+1, entries); err != nil {
				return err
			}
		}
		return nil
	}
	return &contact.FieldError{Field: path, Problem: "is no value of JSON", Mend: "give a text, a number, true, false, null, a list or an object"}
}

const secretPrefix = "whsec_"

// Key is what messages are signed with, nil for no signature: what follows whsec_,
// as base64, which is how libraries for Standard Webhooks take it; any other text as
// it is.
func (h Hook) Key() []byte {
	rest, coded := strings.CutPrefix(h.Secret, secretPrefix)
	if !coded {
		if h.Secret == "" {
			return nil
		}
		return []byte(h.Secret)
	}
	key, err := base64.StdEncoding.DecodeString(rest)
	if err != nil || len(key) == 0 {
		return nil
	}
	return key
}

// Address is where its messages are posted to: the URL; of a Gotify server with
// /message, of an ntfy server its root.
func (h Hook) Address() string {
	u, err := url.Parse(h.URL)
	if err != nil || h.Form != Gotify {
		return h.URL
	}
	if p := strings.TrimRight(u.Path, "/"); !strings.HasSuffix(p, "/message") {
		u.Path, u.RawPath = p+"/message", ""
	}
	return u.String()
}

// HostOf is the host of an address for people: with a port where one is given, and
// without anything that is secret. Empty for what is no address.
func HostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// Sent are the headers of its messages: those that were set, and the token.
func (h Hook) Sent() map[string]string {
	out := make(map[string]string, len(h.Headers)+1)
	maps.Copy(out, h.Headers)
	switch {
	case h.Token == "":
	case h.Form == Gotify:
		out["X-Gotify-Key"] = h.Token // https://gotify.net/docs/pushmsg
	case h.Form == Fields && h.names("token"):
	default:
		out["Authorization"] = "Bearer " + h.Token // https://docs.ntfy.sh/publish/#access-tokens
	}
	return out
}
