package status

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/alert"
)

// Limits of what is stored. A title is what a notification has room for, a text
// what a person still reads.
const (
	MaxTitle      = 200                  // characters of a title or a name
	MaxAbout      = 2_000                // of a description
	MaxBody       = 20_000               // of an update
	MaxPostmortem = 60_000               // of a postmortem
	MaxUpdates    = 500                  // of an incident
	MaxParts      = 1_000                // components of a page
	MaxPatterns   = 100                  // of a list in a binding
	MaxBindings   = 50                   // of a component
	longest       = 366 * 24 * time.Hour // of a maintenance that is announced
	last          = 10                   // updates more that what ends may have: it can always be ended
)

// Times that a page tells of: what lies outside was mistyped, and the far ends of
// the calendar are more than every reader can read.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const latest = 10 // years ahead

// FieldError is a refusal that names the field and the mend.
type FieldError struct{ Field, Problem, Mend string }

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Mend }

var (
	slugForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	accentForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	hostForm   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Validate answers a *FieldError for the first field that cannot be stored, nil
// if there is none. Whether names and addresses are free is the store's to know.
func (p *Page) Validate() error {
	if !slugForm.MatchString(p.Slug) {
		return &FieldError{"slug", fmt.Sprintf("%q cannot be part of an address", p.Slug), "use up to 63 small letters, digits and hyphens, no hyphen at the ends"}
	}
	if p.Host != "" && (len(p.Host) > 253 || !hostForm.MatchString(p.Host)) {
		return &FieldError{"host", fmt.Sprintf("%q is no host name", p.Host), `write it in small letters without port, such as "status.example.com"`}
	}
	if err := line("name", p.Name, 1, MaxTitle); err != nil {
		return err
	}
	if err := text("about", p.About, MaxAbout); err != nil {
		return err
	}
	if len(p.Language) > 35 {
		return &FieldError{"language", "is no language", `write a tag such as "de" or "pt-BR"`}
	}
	if err := line("language", p.Language, 0, 35); err != nil {
		return err
	}
	if _, err := time.LoadLocation(p.Zone); err != nil || p.Zone == "" || p.Zone == "Local" {
		return &FieldError{"zone", fmt.Sprintf("%q is no time zone", p.Zone), `write one such as "Europe/Berlin"`}
	}
	if p.Accent != "" && !accentForm.MatchString(p.Accent) {
		return &FieldError{"accent", fmt.Sprintf("%q is no colour", p.Accent), `write six hexadecimal digits, such as "#1d5fd1"`}
	}
	if err := link("support", p.Support, "https", "http", "mailto"); err != nil {
		return err
	}
	for i, n := range p.Private.Networks {
		if _, err := netip.ParsePrefix(n); err != nil {
			return &FieldError{fmt.Sprintf("private.networks[%d]", i), fmt.Sprintf("%q is no network", n), `write one such as "10.0.0.0/8"`}
		}
	}
	if len(p.Private.Networks) > MaxPatterns {
		return &FieldError{"private.networks", "has too many entries", fmt.Sprintf("keep to %d", MaxPatterns)}
	}
	return nil
}

// Validate answers a *FieldError, or nil.
func (g *Group) Validate() error {
	if err := line("name", g.Name, 1, MaxTitle); err != nil {
		return err
	}
	if g.ID != "" && g.ParentID == g.ID {
		return &FieldError{"parent_id", "is the group itself", "choose another group, or none"}
	}
	return text("about", g.About, MaxAbout)
}

// Validate answers a *FieldError, or nil.
func (c *Component) Validate() error {
	if err := line("name", c.Name, 1, MaxTitle); err != nil {
		return err
	}
	if err := text("about", c.About, MaxAbout); err != nil {
		return err
	}
	if err := link("link", c.Link, "https", "http"); err != nil {
		return err
	}
	if err := state("state", c.State); err != nil {
		return err
	}
	if c.State == Maintained {
		return &FieldError{"state", "maintenance is announced, not set", "make a maintenance of this component"}
	}
	if len(c.Bindings) > MaxBindings {
		return &FieldError{"bindings", fmt.Sprintf("are %d", len(c.Bindings)), fmt.Sprintf("keep to %d", MaxBindings)}
	}
	for i := range c.Bindings {
		if err := c.Bindings[i].validate(fmt.Sprintf("bindings[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Binding) validate(at string) error {
	for _, l := range []struct {
		field string
		list  []string
	}{{"source_ids", b.SourceIDs}, {"hosts", b.Hosts}, {"services", b.Services}} {
		if len(l.list) > MaxPatterns {
			return &FieldError{at + l.field, fmt.Sprintf("has %d entries", len(l.list)), fmt.Sprintf("keep to %d", MaxPatterns)}
		}
		for i, s := range l.list {
			if err := line(fmt.Sprintf("%s%s[%d]", at, l.field, i), s, 0, MaxTitle); err != nil {
				return err
			}
		}
	}
	if len(b.SourceIDs)+len(b.Hosts)+len(b.Services)+len(b.Labels) == 0 {
		return &FieldError{strings.TrimSuffix(at, "."), "stands for everything", "name a source, a host, a service or a label"}
	}
	if len(b.Labels) > MaxPatterns || len(b.States) > MaxPatterns {
		return &FieldError{at + "labels", "or states are too many", fmt.Sprintf("keep to %d", MaxPatterns)}
	}
	for k, v := range b.Labels {
		if err := line(at+"labels", k, 1, MaxTitle); err != nil {
			return err
		}
		if err := line(at+"labels."+k, v, 0, MaxTitle); err != nil {
			return err
		}
	}
	for was, to := range b.States {
		if _, ok := DefaultStates()[alert.State(was)]; !ok {
			return &FieldError{at + "states", fmt.Sprintf("%.40q is no state of a problem", was), "use down, unreachable, warning, critical or unknown"}
		}
		if err := state(at+"states."+was, to); err != nil {
			return err
		}
	}
	if b.HoldDown < 0 || b.HoldDown > 86_400 {
		return &FieldError{at + "hold_down_seconds", "is out of range", "use 0 to 86400"}
	}
	if !slices.Contains([]string{"", "draft", "publish"}, b.Incident) {
		return &FieldError{at + "incident", fmt.Sprintf("%q is none of the choices", b.Incident), `write "draft", "publish" or leave it out`}
	}
	if b.After < 0 || b.After > 1440 || b.Incident != "publish" && b.After != 0 {
		return &FieldError{at + "publish_after_minutes", "is out of range", `use 0 to 1440, with incident "publish"`}
	}
	return nil
}

// Validate answers a *FieldError, or nil. now bounds its times.
func (i *Incident) Validate(now time.Time) error {
	if err := line("title", i.Title, 1, MaxTitle); err != nil {
		return err
	}
	if !slices.Contains([]Phase{Investigating, Identified, Monitoring, Resolved, Postmortem}, i.Phase) {
		return &FieldError{"phase", fmt.Sprintf("%q is no phase of an incident", i.Phase), "use investigating, identified, monitoring or resolved"}
	}
	if !slices.Contains([]Impact{ImpactNone, ImpactMinor, ImpactMajor, ImpactCritical}, i.Impact) {
		return &FieldError{"impact", fmt.Sprintf("%q is no impact", i.Impact), "use none, minor, major or critical"}
	}
	if !i.Started.IsZero() && i.Started.Before(earliest) {
		return &FieldError{"started", "lies too far back", "use a time of this century"}
	}
	if i.Started.After(now.Add(time.Minute)) {
		return &FieldError{"started", "lies ahead", "use now or earlier; work that is planned is a maintenance"}
	}
	if !i.ResolvedAt.IsZero() && i.ResolvedAt.Before(i.Started) {
		return &FieldError{"resolved_at", "is before its start", "use a later time"}
	}
	if err := ids("components", i.Components); err != nil {
		return err
	}
	if err := text("postmortem", i.Postmortem, MaxPostmortem); err != nil {
		return err
	}
	return updates(i.Updates, i.Phase == Resolved || i.Phase == Postmortem, now)
}

// Validate answers a *FieldError, or nil. now bounds its times.
func (m *Maintenance) Validate(now time.Time) error {
	if err := line("title", m.Title, 1, MaxTitle); err != nil {
		return err
	}
	if !slices.Contains([]Phase{Scheduled, InProgress, Verifying, Completed, Cancelled}, m.Phase) {
		return &FieldError{"phase", fmt.Sprintf("%q is no phase of a maintenance", m.Phase), "use scheduled, in_progress, verifying, completed or cancelled"}
	}
	switch {
	case m.Start.IsZero():
		return &FieldError{"start", "is missing", "say when it begins"}
	case m.Start.Before(earliest):
		return &FieldError{"start", "lies too far back", "use a time of this century"}
	case m.Start.After(now.AddDate(latest, 0, 0)):
		return &FieldError{"start", fmt.Sprintf("is more than %d years ahead", latest), "announce it later"}
	case !m.End.After(m.Start):
		return &FieldError{"end", "is not after its start", "use a later time"}
	case m.Phase == Scheduled && m.End.Sub(m.Start) > longest: // what goes on lasts for as long as it lasts
		return &FieldError{"end", "is more than a year after its start", "use several maintenances"}
	}
	if err := ids("components", m.Components); err != nil {
		return err
	}
	return updates(m.Updates, m.Phase == Completed || m.Phase == Cancelled, now)
}

func updates(us []Update, over bool, now time.Time) error {
	most := MaxUpdates
	if over {
		most += last
	}
	if len(us) > most {
		return &FieldError{"updates", fmt.Sprintf("are more than %d", MaxUpdates), "make a new one"}
	}
	for i := range us {
		u, at := &us[i], fmt.Sprintf("updates[%d].", i)
		if strings.TrimSpace(u.Body) == "" {
			return &FieldError{at + "body", "is empty", "say in a sentence what is known"}
		}
		if err := text(at+"body", u.Body, MaxBody); err != nil {
			return err
		}
		if !u.At.IsZero() && u.At.Before(earliest) {
			return &FieldError{at + "at", "lies too far back", "use a time of this century"}
		}
		if u.At.After(now.Add(time.Minute)) {
			return &FieldError{at + "at", "lies ahead", "use now or earlier"}
		}
		for j, c := range u.Changes {
			if err := state(fmt.Sprintf("%schanges[%d].to", at, j), c.To); err != nil {
				return err
			}
		}
	}
	return nil
}

func state(field string, s State) error {
	if s.Rank() < 0 {
		return &FieldError{field, fmt.Sprintf("%q is no state", s), "use operational, degraded_performance, partial_outage or major_outage"}
	}
	return nil
}

func ids(field string, list []string) error {
	if len(list) > MaxParts {
		return &FieldError{field, fmt.Sprintf("are more than %d", MaxParts), "name fewer"}
	}
	for i, id := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if id == "" || len(id) > 64 {
			return &FieldError{at, "is no id", "use one of the page's components"}
		}
		if slices.Contains(list[:i], id) {
			return &FieldError{at, "is there twice", "leave one out"}
		}
	}
	return nil
}

// line is a text in one line, with at least and at most so many characters.
func line(field, s string, least, most int) error {
	if strings.ContainsAny(s, "\n\t") {
		return &FieldError{field, "has more than one line", "write it in one line"}
	}
	if len(strings.TrimSpace(s)) < least {
		return &FieldError{field, "is empty", "write a name that visitors understand"}
	}
	return text(field, s, most)
}

func text(field, s string, most int) error {
	if !utf8.ValidString(s) {
		return &FieldError{field, "is not valid UTF-8", "send valid text"}
	}
	if n := utf8.RuneCountInString(s); n > most {
		return &FieldError{field, fmt.Sprintf("has %d characters", n), fmt.Sprintf("keep to %d", most)}
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return &FieldError{field, "has a control character", "write text"}
		}
		if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return &FieldError{field, "has a character that turns the direction of writing", "leave it out; browsers know which way a language runs"}
		}
	}
	return nil
}

func link(field, s string, schemes ...string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	ok := err == nil && slices.Contains(schemes, u.Scheme) && u.User == nil && len(s) <= 2000
	if ok && u.Scheme == "mailto" {
		ok = strings.Contains(u.Opaque, "@")
	} else if ok {
		ok = u.Host != ""
	}
	if !ok {
		return &FieldError{field, "is no address that visitors can be led to", "start it with " + strings.Join(schemes, ": or ") + ":"}
	}
	return line(field, s, 1, 2000)
}
