// Package health says whether Tocsin itself is well: a Report with one Part
// for each thing that works in it, and a Warning with its mend for each that
// does not. Package app assembles it from what the workers say of themselves;
// the console, the API, /readyz and /metrics show it.
package health

import (
	"slices"
	"time"
)

// Report is the state of the whole program on one node.
type Report struct {
	At       time.Time
	Node     string
	Version  string
	OK       bool // no warnings
	Ready    bool // fit to take requests: the database answers and the workers run
	Warnings []Warning
	Parts    []Part
}

// Warning is one thing that is not well.
type Warning struct {
	Part    string // name of the part
	Problem string // one sentence
	Mend    string // one sentence: what to do
	// Vital says that the hub itself does not take, store or tell. An engine, a mail
	// server or a chat that is away, and what people have yet to do, is not: while only
	// that is amiss, nobody needs to be woken for Tocsin.
	Vital bool
}

// Part is one thing that works, or does not.
type Part struct {
	Name    string // "database", "committer", "delivery", "live", "queue", "push", "engines", "mattermost", "email", "webhooks", "on-call", "ping", "disk", "source:NAME"
	Title   string // for people
	OK      bool
	Detail  string    // one sentence
	Last    time.Time // when it last showed a sign of life; zero if it never did, or has none
	Figures []Figure
}

// Figure is one value of a part, for people.
type Figure struct {
	Name  string
	Value string
}

// Add puts a part into the report.
func (r *Report) Add(p Part) *Part {
	r.Parts = append(r.Parts, p)
	return &r.Parts[len(r.Parts)-1]
}

// Warn notes that the part of this name is not well.
func (r *Report) Warn(part, problem, mend string) {
	r.warn(Warning{Part: part, Problem: problem, Mend: mend})
}

// Fail notes that for the part of this name the hub does not do its work: the warning is
// vital.
func (r *Report) Fail(part, problem, mend string) {
	r.warn(Warning{Part: part, Problem: problem, Mend: mend, Vital: true})
}

func (r *Report) warn(w Warning) {
	r.Warnings = append(r.Warnings, w)
	r.OK = false
	if i := slices.IndexFunc(r.Parts, func(p Part) bool { return p.Name == w.Part }); i >= 0 {
		r.Parts[i].OK = false
	}
}

// Part answers the part of a name, nil if there is none.
func (r *Report) Part(name string) *Part {
	if i := slices.IndexFunc(r.Parts, func(p Part) bool { return p.Name == name }); i >= 0 {
		return &r.Parts[i]
	}
	return nil
}
