package source

import (
	"fmt"
	"net/url"
	"strings"

	"tocsin/internal/alert"
)

// Link puts an object into the template of an engine's page. {host} and
// {service} are the engine's names, {host_display} and {service_display} the
// names for people. What is put in is escaped, so that a name can never reach
// beyond its place. An empty template is no link.
func Link(template string, o alert.Object) (string, error) {
	if template == "" {
		return "", nil
	}
	var b strings.Builder
	rest := template
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("link template %q: { without }", template)
		}
		switch name {
		case "host":
			escape(&b, o.Host)
		case "service":
			escape(&b, o.Service)
		case "host_display":
			escape(&b, o.HostName())
		case "service_display":
			escape(&b, o.ServiceName())
		default:
			return "", fmt.Errorf("link template %q: {%s} is unknown", template, name)
		}
		rest = tail
	}
	if !isAddress(b.String()) {
		return "", fmt.Errorf("link template %q: is no web address", template)
	}
	return b.String(), nil
}

// ObjectURL is the engine's page of an object: the one that its events gave,
// else the one that the source's template makes, else none.
func (s Source) ObjectURL(o alert.Object) (string, error) {
	if o.URL != "" {
		return o.URL, nil
	}
	if o.Kind() == alert.Service {
		return Link(s.ServiceURL, o)
	}
	return Link(s.HostURL, o)
}

// escape writes everything but RFC 3986's unreserved characters as %XX, which
// is right in a path and in a query alike.
func escape(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

// Validate says what is wrong with a source as a *FieldError, or nil. kinds
// are those that this program knows.
func (s Source) Validate(kinds []Kind) error {
	if !validName(s.Name) {
		return &FieldError{Field: "name", Problem: fmt.Sprintf("is %q", s.Name),
			Mend: "use up to 63 lower-case letters, digits and hyphens, the first no hyphen"}
	}
	names := make([]string, len(kinds))
	known := false
	for i, k := range kinds {
		names[i] = k.Name()
		known = known || k.Name() == s.Kind
	}
	if !known {
		return &FieldError{Field: "kind", Problem: fmt.Sprintf("is %q", s.Kind), Mend: "use one of: " + strings.Join(names, ", ")}
	}
	if err := validTemplate("host_url", s.HostURL, "host", "host_display"); err != nil {
		return err
	}
	if err := validTemplate("service_url", s.ServiceURL, "host", "host_display", "service", "service_display"); err != nil {
		return err
	}
	if s.QuietMinutes < 0 || s.QuietMinutes > mostQuiet {
		return &FieldError{Field: "silent_after_minutes", Problem: fmt.Sprintf("is %d", s.QuietMinutes), Mend: "take 1 to 43200 minutes (30 days), or 0 for never"}
	}
	return s.validOptions(kinds)
}

// mostQuiet is for how many minutes a source may be silent at most that is watched.
const mostQuiet = 30 * 24 * 60

// validOptions is Validate for what only some kinds have.
func (s Source) validOptions(kinds []Kind) error {
	if s.Mapping != nil {
		if s.Kind != "generic" {
			return &FieldError{Field: "mapping", Problem: "is given for the kind " + s.Kind, Mend: "leave it out: only the kind generic has one"}
		}
		if err := s.Mapping.Validate(); err != nil {
			return err
		}
	}
	if s.Secret == "" {
		return nil
	}
	for _, k := range kinds {
		if _, signs := k.(Signed); k.Name() == s.Kind && !signs {
			return &FieldError{Field: "secret", Problem: "is given for the kind " + s.Kind, Mend: "leave it out: " + k.Title() + " does not sign its requests"}
		}
	}
	return nil
}

func validName(name string) bool {
	if name == "" || len(name) > 63 || name[0] == '-' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// validTemplate answers an error that is nil as such, not a nil *FieldError.
func validTemplate(field, template string, allowed ...string) error {
	if template == "" {
		return nil
	}
	if len(template) > MaxURL {
		return &FieldError{Field: field, Problem: fmt.Sprintf("is longer than %d bytes", MaxURL), Mend: "use a shorter address"}
	}
	filled := template
	for _, name := range allowed {
		filled = strings.ReplaceAll(filled, "{"+name+"}", "x")
	}
	if strings.ContainsAny(filled, "{}") {
		return &FieldError{Field: field, Problem: "has braces around something unknown",
			Mend: "use only {" + strings.Join(allowed, "}, {") + "}"}
	}
	u, err := url.Parse(filled)
	if err != nil || !isAddress(filled) {
		return &FieldError{Field: field, Problem: "is not a web address", Mend: "start it with https:// or http:// and the engine's host name"}
	}
	// A name from an event must not choose the server that a click leads to.
	server := template[len(u.Scheme)+len("://"):]
	if end := strings.IndexAny(server, "/?#"); end >= 0 {
		server = server[:end]
	}
	if strings.Contains(server, "{") {
		return &FieldError{Field: field, Problem: "has braces in the server's name", Mend: "put them into the path or after the question mark"}
	}
	return nil
}
