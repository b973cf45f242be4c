package console

import (
	"errors"
	"html/template"
	"regexp"
	"strings"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

func isNotFound(err error) bool { return errors.Is(err, fault.ErrNotFound) }

// incidentPhases are those that an update can have, in their order.
func incidentPhases() []status.Phase {
	return []status.Phase{status.Investigating, status.Identified, status.Monitoring, status.Resolved}
}

func incidentImpacts() []status.Impact {
	return []status.Impact{status.ImpactNone, status.ImpactMinor, status.ImpactMajor, status.ImpactCritical}
}

// phaseOf is where an incident or a maintenance stands.
func phaseOf(p status.Phase) look {
	switch p {
	case status.Investigating:
		return look{"Investigating", "search", "bad"}
	case status.Identified:
		return look{"Identified", "warn", "warn"}
	case status.Monitoring:
		return look{"Monitoring", "health", "info"}
	case status.Resolved:
		return look{"Resolved", "ok", "good"}
	case status.Postmortem:
		return look{"Postmortem", "ok", "good"}
	case status.Scheduled:
		return look{"Scheduled", "calendar", "info"}
	case status.InProgress:
		return look{"In progress", "is-under_maintenance", "info"}
	case status.Verifying:
		return look{"Verifying", "health", "info"}
	case status.Completed:
		return look{"Completed", "ok", "good"}
	case status.Cancelled:
		return look{"Cancelled", "no", "dim"}
	}
	return look{string(p), "dash", "dim"}
}

// impactOf is how bad an incident is, in the shapes of what it does.
func impactOf(i status.Impact) look {
	switch i {
	case status.ImpactMinor:
		return look{"Minor impact", "is-degraded_performance", "warn"}
	case status.ImpactMajor:
		return look{"Major impact", "is-partial_outage", "part"}
	case status.ImpactCritical:
		return look{"Critical impact", "is-major_outage", "bad"}
	}
	return look{"No impact", "dash", "dim"}
}

func phaseOptions(chosen status.Phase) []option {
	var out []option
	for _, p := range incidentPhases() {
		out = append(out, option{string(p), phaseOf(p).Word, p == chosen})
	}
	return out
}

func impactOptions(chosen status.Impact) []option {
	means := map[status.Impact]string{
		status.ImpactNone: "None: nobody notices", status.ImpactMinor: "Minor: slow, or fails at times",
		status.ImpactMajor: "Major: much of it fails", status.ImpactCritical: "Critical: nothing works",
	}
	var out []option
	for _, i := range incidentImpacts() {
		out = append(out, option{string(i), means[i], i == chosen})
	}
	return out
}

// kindOf is what a message to visitors is about, as a heading and in a sentence.
func kindOf(k push.Kind) string {
	switch k {
	case push.IncidentNew:
		return "New Incident"
	case push.IncidentUpdate:
		return "Incident Update"
	case push.IncidentResolved:
		return "Incident Resolved"
	case push.ComponentDown:
		return "Component Down"
	case push.ComponentRecovered:
		return "Component Recovered"
	case push.Maintenance:
		return "Maintenance Starting"
	}
	return string(k)
}

// excerpt is the beginning of a text in one line.
func excerpt(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most])) + "…"
	}
	return s
}

var (
	headingOpens  = regexp.MustCompile(`<h[3-6]>`)
	headingCloses = regexp.MustCompile(`</h[3-6]>`)
)

// quoted is what people wrote, as visitors read it, within a page of ours: its
// headings are none of the page's.
func (c *console) quoted(source string) template.HTML {
	s := headingCloses.ReplaceAllString(headingOpens.ReplaceAllString(string(c.Markdown(source)), "<p><strong>"), "</strong></p>")
	return template.HTML(s) //nolint:gosec // made safe by Markdown; only tags of ours are put in
}
