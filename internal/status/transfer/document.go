package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/status"
)

// Bounds of our own document. They are far above what a page can hold, and below
// what would trouble the machine that reads it.
const (
	MaxDocument = 256 << 20 // bytes
	mostPages   = 100
	mostGroups  = 200
	mostEntries = 100_000 // incidents, or maintenances, of a page
	mostSeries  = 100
	mostDrafts  = 200 // templates
	mostAudit   = 1_000_000
	mostHistory = 100_000 // intervals of a component
	mostDays    = 40_000  // of a component: a century
	mostAlerts  = 1_000   // of an incident
	mostLogo    = 256 << 10
	mostChanged = 256 << 10 // bytes of what a line of the audit trail shows
)

// Write writes the document, indented so that people and programs that compare can
// read it.
func (d *Document) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(d); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// Read reads an export of ours, up to MaxDocument bytes. It refuses whatever it
// does not know: a *status.FieldError names the field and the mend.
func Read(r io.Reader, now time.Time) (*Document, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	if len(raw) > MaxDocument {
		return nil, refuse("export", fmt.Sprintf("has more than %d MiB", MaxDocument>>20), "export its pages one by one: tocsin export --page SLUG")
	}
	return Parse(raw, now)
}

// Parse is Read of bytes.
func Parse(raw []byte, now time.Time) (*Document, error) {
	if err := isJSON(raw); err != nil {
		return nil, err
	}
	var head struct {
		Format  *string `json:"format"`
		Version int     `json:"version"`
	}
	err := json.Unmarshal(raw, &head)
	switch {
	case err == nil && (head.Format == nil || *head.Format != Format):
		return nil, refuse("format", "is not "+Format, "give a file that tocsin export wrote; pages of others are read by tocsin import statuspage, uptime-kuma and cachet")
	case err == nil && head.Version != Version:
		return nil, refuse("version", fmt.Sprintf("is %d, and this program reads %d", head.Version, Version), "use the version of Tocsin that wrote the file, or a newer one")
	}
	var d Document
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, explain(raw, err)
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return nil, refuse("export", "goes on behind its end", "give one file that tocsin export wrote, as it is")
	}
	if err := d.check(now); err != nil {
		return nil, err
	}
	return &d, nil
}

// isJSON says in words what comes instead of JSON: most often a web page.
func isJSON(raw []byte) error {
	start := bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	switch {
	case len(start) == 0:
		return refuse("content", "is empty", "give the JSON of the page")
	case start[0] == '<':
		return refuse("content", "is a web page (HTML), not JSON", "give the address of the page itself, or a file with the JSON of its interface; a sign-in or a firewall may stand before it")
	case start[0] != '{' && start[0] != '[':
		return refuse("content", "is not JSON", "give the JSON of the page")
	case !utf8.Valid(raw):
		return refuse("content", "is not valid UTF-8", "save it as UTF-8")
	}
	return nil
}

func refuse(field, problem, mend string) error {
	return &status.FieldError{Field: field, Problem: problem, Mend: mend}
}

// explain makes the decoder's error one for people.
func explain(raw []byte, err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var when *time.ParseError
	switch {
	case errors.As(err, &wrong):
		field := wrong.Field
		if field == "" {
			field = "content"
		}
		return refuse(field, fmt.Sprintf("is a %s in line %d", wrong.Value, lineOf(raw, wrong.Offset)), "write "+kindOf(wrong.Type))
	case errors.As(err, &syntax):
		return refuse("content", fmt.Sprintf("is not JSON in line %d: %s", lineOf(raw, syntax.Offset), syntax.Error()), "give the file whole, as it was written")
	case errors.As(err, &when):
		return refuse("content", fmt.Sprintf("has the time %s", clip(when.Value, 60)), `write times as "2026-11-22T12:00:00Z"`)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse("content", "ends in the middle", "give the file whole; it may have been cut off")
	}
	if name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		return refuse(clip(strings.TrimSuffix(name, `"`), 60), fmt.Sprintf("is no field of version %d", Version), "leave it out, or use the version of Tocsin that wrote the file")
	}
	return refuse("content", "cannot be read: "+clip(strings.TrimPrefix(err.Error(), "json: "), 200), "give the file as tocsin export wrote it")
}

func lineOf(raw []byte, offset int64) int {
	return 1 + bytes.Count(raw[:min(int(max(offset, 0)), len(raw))], []byte("\n"))
}

func kindOf(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // all that the document has
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a text in base64"
		}
		return "a list"
	case reflect.Map:
		return "an object"
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return `a time such as "2026-11-22T12:00:00Z"`
		}
		return "an object"
	}
	return "a text"
}

// idForm is what an id may be: part of an address, and of a file's name.
var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Fit says whether an id can stay what it is.
func Fit(id string) bool { return idForm.MatchString(id) }

func (d *Document) check(now time.Time) error {
	if d.Exported.IsZero() || d.Exported.After(now.Add(time.Minute)) {
		return refuse("exported", "is no time in the past", "give the file as tocsin export wrote it; the clock of this machine may be behind")
	}
	if len(d.Pages) == 0 || len(d.Pages) > mostPages {
		return refuse("pages", fmt.Sprintf("are %d", len(d.Pages)), fmt.Sprintf("give 1 to %d", mostPages))
	}
	ids, slugs := seen{}, seen{}
	for i := range d.Pages {
		at := fmt.Sprintf("pages[%d].", i)
		if err := ids.id(at+"id", d.Pages[i].ID); err != nil {
			return err
		}
		if err := slugs.once(at+"slug", d.Pages[i].Slug); err != nil {
			return err
		}
		if err := d.Pages[i].check(now); err != nil {
			return below(at, err)
		}
	}
	return nil
}

// seen are names that must not come twice.
type seen map[string]bool

func (s seen) id(field, id string) error {
	if !Fit(id) {
		return refuse(field, fmt.Sprintf("%q is no id", clip(id, 70)), "use up to 64 small letters, digits and hyphens")
	}
	return s.once(field, id)
}

func (s seen) once(field, name string) error {
	if s[name] {
		return refuse(field, fmt.Sprintf("%q is there twice", clip(name, 70)), "leave one out")
	}
	s[name] = true
	return nil
}

// below puts what a field belongs to before its name.
func below(at string, err error) error {
	var f *status.FieldError
	if errors.As(err, &f) {
		return refuse(at+f.Field, f.Problem, f.Mend)
	}
	return err
}

func few(field string, n, most int) error {
	if n > most {
		return refuse(field, fmt.Sprintf("are %d", n), fmt.Sprintf("keep to %d", most))
	}
	return nil
}

func (p *Page) check(now time.Time) error {
	own := p.Own()
	if err := own.Validate(); err != nil {
		return err
	}
	if err := p.dates(now); err != nil {
		return err
	}
	if l := p.Logo; l != nil {
		if !Fit(l.ID) || l.Kind != "image/png" && l.Kind != "image/jpeg" || len(l.Body) == 0 || len(l.Body) > mostLogo {
			return refuse("logo", "is neither PNG nor JPEG of up to 256 KiB", "leave it out, and upload one")
		}
	}
	for _, f := range []struct {
		field   string
		n, most int
	}{
		{"triggers", len(p.Triggers), 50}, {"groups", len(p.Groups), mostGroups}, {"components", len(p.Components), status.MaxParts},
		{"incidents", len(p.Incidents), mostEntries}, {"maintenances", len(p.Maintenances), mostEntries}, {"series", len(p.Series), mostSeries},
		{"templates", len(p.Templates), mostDrafts}, {"audit", len(p.Audit), mostAudit},
	} {
		if err := few(f.field, f.n, f.most); err != nil {
			return err
		}
	}
	parts, err := p.checkGroups()
	if err != nil {
		return err
	}
	ids := seen{}
	for i := range p.Components {
		at := fmt.Sprintf("components[%d].", i)
		if err := ids.id(at+"id", p.Components[i].ID); err != nil {
			return err
		}
		if err := p.Components[i].check(parts); err != nil {
			return below(at, err)
		}
	}
	if err := p.checkEntries(now); err != nil {
		return err
	}
	return p.checkRest(now)
}

// dates checks how far days are closed.
func (p *Page) dates(now time.Time) error {
	if p.Closed != "" {
		at, err := time.Parse(status.DateFormat, p.Closed)
		if err != nil || at.After(now) {
			return refuse("closed", fmt.Sprintf("%q is no date in the past", clip(p.Closed, 40)), `write one such as "2026-11-21"`)
		}
	}
	if p.Kept.After(now) || p.Created.After(now.Add(time.Minute)) {
		return refuse("created", "or kept lies ahead", "use a time in the past")
	}
	return nil
}

// checkGroups answers the ids of groups.
func (p *Page) checkGroups() (seen, error) {
	ids, top := seen{}, seen{}
	for i := range p.Groups {
		if err := ids.id(fmt.Sprintf("groups[%d].id", i), p.Groups[i].ID); err != nil {
			return nil, err
		}
		top[p.Groups[i].ID] = p.Groups[i].ParentID == ""
	}
	for i := range p.Groups {
		g, at := &p.Groups[i], fmt.Sprintf("groups[%d].", i)
		own := g.Own()
		if err := own.Validate(); err != nil {
			return nil, below(at, err)
		}
		if g.ParentID != "" && !top[g.ParentID] {
			return nil, refuse(at+"parent_id", fmt.Sprintf("%q is no group at the top", clip(g.ParentID, 70)), "groups stand in others once")
		}
	}
	return ids, nil
}

func (c *Component) check(groups seen) error {
	own := c.Own()
	if err := own.Validate(); err != nil {
		return err
	}
	if c.GroupID != "" && !groups[c.GroupID] {
		return refuse("group_id", fmt.Sprintf("%q is no group of this page", clip(c.GroupID, 70)), "name one of its groups, or none")
	}
	if err := few("intervals", len(c.Intervals), mostHistory); err != nil {
		return err
	}
	if err := checkIntervals(c.Intervals); err != nil {
		return err
	}
	return checkDays(c.Days)
}

func checkIntervals(list []Interval) error {
	for i := range list {
		v, at := &list[i], fmt.Sprintf("intervals[%d].", i)
		if v.State.Rank() < 0 {
			return refuse(at+"state", fmt.Sprintf("%q is no state", clip(string(v.State), 40)), "use operational, degraded_performance, partial_outage, major_outage or under_maintenance")
		}
		if v.Start.IsZero() || i > 0 && v.Start.Before(list[i-1].End) {
			return refuse(at+"start", "is missing or before the end of the one before", "put them into their order")
		}
		if v.End.IsZero() && i < len(list)-1 {
			return refuse(at+"end", "is missing", "only the last one goes on")
		}
		if !v.End.IsZero() && !v.End.After(v.Start) {
			return refuse(at+"end", "is not after its start", "use a later time")
		}
		if len(v.By) > 4*status.MaxTitle {
			return refuse(at+"by", "is too long", fmt.Sprintf("keep to %d characters", status.MaxTitle))
		}
	}
	return nil
}

func checkDays(list []Days) error {
	last, total := "", 0
	for i := range list {
		d, at := &list[i], fmt.Sprintf("days[%d].", i)
		from, err := time.Parse(status.DateFormat, d.From)
		to, err2 := time.Parse(status.DateFormat, d.To)
		if err != nil || err2 != nil || to.Before(from) || d.From <= last {
			return refuse(at+"from", "and to are no dates in order", `write them as "2026-11-21", each after the ones before`)
		}
		last = d.To
		if total += int(to.Sub(from).Hours()/24) + 1; total > mostDays {
			return refuse("days", fmt.Sprintf("are more than %d", mostDays), "leave the oldest out")
		}
		sum := 0
		for s, n := range d.Seconds {
			if s.Rank() < 0 && s != status.NoData || n < 1 || n > 90_000 {
				return refuse(at+"seconds", fmt.Sprintf("of %q is no part of a day", clip(string(s), 40)), "use the states' names and whole seconds")
			}
			sum += n
		}
		if sum < 1 || sum > 90_000 { // 25 hours, when clocks are set back
			return refuse(at+"seconds", fmt.Sprintf("are %d in all", sum), "a day has 23 to 25 hours")
		}
		if d.Worst.Rank() < 0 && d.Worst != status.NoData {
			return refuse(at+"worst", fmt.Sprintf("%q is no state", clip(string(d.Worst), 40)), "use the worst of the day's states")
		}
	}
	return nil
}

// checkEntries checks incidents and maintenances: they share their addresses.
func (p *Page) checkEntries(now time.Time) error {
	ids, updates, series := seen{}, seen{}, seen{}
	for i := range p.Series {
		series[p.Series[i].ID] = true
	}
	for i := range p.Incidents {
		n, at := &p.Incidents[i], fmt.Sprintf("incidents[%d].", i)
		if err := ids.id(at+"id", n.ID); err != nil {
			return err
		}
		own := n.Own()
		if err := own.Validate(now); err != nil {
			return below(at, err)
		}
		over := n.Phase == status.Resolved || n.Phase == status.Postmortem
		if n.Started.IsZero() || over == n.ResolvedAt.IsZero() {
			return refuse(at+"resolved_at", "does not go with its phase, or started is missing", "an incident has it once it is resolved, and only then")
		}
		if err := few(at+"alert_ids", len(n.AlertIDs), mostAlerts); err != nil {
			return err
		}
		if slices.ContainsFunc(n.AlertIDs, func(id string) bool { return id == "" || len(id) > 64 || clean(id) != id }) {
			return refuse(at+"alert_ids", "hold what is no id", "leave it out")
		}
		if err := checkUpdates(at, n.Updates, updates); err != nil {
			return err
		}
	}
	type begin struct {
		series string
		at     int64
	}
	begins := map[begin]bool{}
	for i := range p.Maintenances {
		m, at := &p.Maintenances[i], fmt.Sprintf("maintenances[%d].", i)
		if err := ids.id(at+"id", m.ID); err != nil {
			return err
		}
		own := m.Own()
		if err := own.Validate(now); err != nil {
			return below(at, err)
		}
		if err := impact(at+"impact", m.Impact); err != nil {
			return err
		}
		over := m.Phase == status.Completed || m.Phase == status.Cancelled
		if over == m.Ended.IsZero() {
			return refuse(at+"ended", "does not go with its phase", "a maintenance has it once it is completed or cancelled, and only then")
		}
		if m.Series != "" && !Fit(m.Series) {
			return refuse(at+"series", "is no id", "leave it out")
		}
		if b := (begin{m.Series, m.Start.UnixMilli()}); m.Series != "" {
			if begins[b] {
				return refuse(at+"start", "is that of another one of its series", "leave one out")
			}
			begins[b] = true
		}
		if slices.ContainsFunc(m.Reminded, func(s string) bool { return s != status.RemindDay && s != status.RemindHour }) || len(m.Reminded) > 2 {
			return refuse(at+"reminded", "holds what is no reminder", `use "24h" and "1h"`)
		}
		if err := checkUpdates(at, m.Updates, updates); err != nil {
			return err
		}
	}
	return nil
}

func checkUpdates(at string, list []Update, ids seen) error {
	for i := range list {
		u, at := &list[i], fmt.Sprintf("%supdates[%d].", at, i)
		if err := ids.id(at+"id", u.ID); err != nil {
			return err
		}
		if u.At.IsZero() || len(u.By) > 4*status.MaxTitle {
			return refuse(at+"at", "is missing, or by is too long", "give the file as tocsin export wrote it")
		}
		if len(u.Phase) > 20 || !phases[u.Phase] {
			return refuse(at+"phase", fmt.Sprintf("%q is no phase", clip(string(u.Phase), 40)), "use investigating, identified, monitoring, resolved, scheduled, in_progress, verifying, completed or cancelled")
		}
		for j := range u.Changes {
			if c := &u.Changes[j]; !Fit(c.ComponentID) || c.From != "" && c.From.Rank() < 0 {
				return refuse(fmt.Sprintf("%schanges[%d]", at, j), "names no component, or no state", "leave it out")
			}
		}
		if len(u.Changes) > status.MaxParts {
			return refuse(at+"changes", "are too many", fmt.Sprintf("keep to %d", status.MaxParts))
		}
	}
	return nil
}

var phases = map[status.Phase]bool{status.Investigating: true, status.Identified: true, status.Monitoring: true, status.Resolved: true, status.Postmortem: true,
	status.Scheduled: true, status.InProgress: true, status.Verifying: true, status.Completed: true, status.Cancelled: true}

func impact(field string, i status.Impact) error {
	switch i {
	case status.ImpactNone, status.ImpactMinor, status.ImpactMajor, status.ImpactCritical:
		return nil
	}
	return refuse(field, fmt.Sprintf("%q is no impact", clip(string(i), 40)), "use none, minor, major or critical")
}

// checkRest checks series, templates and the audit trail; whoever imports looks at
// the rules and texts of the first two.
func (p *Page) checkRest(now time.Time) error {
	ids := seen{}
	for i := range p.Series {
		if err := ids.id(fmt.Sprintf("series[%d].id", i), p.Series[i].ID); err != nil {
			return err
		}
		if err := impact(fmt.Sprintf("series[%d].impact", i), p.Series[i].Impact); err != nil {
			return err
		}
	}
	ids = seen{}
	names := seen{}
	for i := range p.Templates {
		at := fmt.Sprintf("templates[%d].", i)
		if err := ids.id(at+"id", p.Templates[i].ID); err != nil {
			return err
		}
		if err := names.once(at+"name", strings.ToLower(strings.TrimSpace(p.Templates[i].Name))); err != nil {
			return err
		}
	}
	ids = seen{}
	for i := range p.Audit {
		a, at := &p.Audit[i], fmt.Sprintf("audit[%d].", i)
		if err := ids.id(at+"id", a.ID); err != nil {
			return err
		}
		if a.At.IsZero() || a.At.After(now.Add(time.Minute)) || a.What == "" || len(a.What) > 100 {
			return refuse(at+"at", "or what is missing or lies ahead", "give the file as tocsin export wrote it")
		}
		if len(a.UserID) > 64 || len(a.SubjectID) > 64 || len(a.By) > 4*status.MaxTitle || len(a.Name) > 4*status.MaxTitle {
			return refuse(at+"name", "or another text of it is too long", "give the file as tocsin export wrote it")
		}
		if len(a.Before) > mostChanged || len(a.After) > mostChanged {
			return refuse(at+"after", "or before is too long", "leave the line out")
		}
	}
	return nil
}
