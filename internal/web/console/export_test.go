package console

import "tocsin/internal/auth"

// Routes are all pages and forms of people who are signed in, each with what it asks
// for, as the mux has them.
func Routes() map[string]auth.Scope {
	out := map[string]auth.Scope{}
	for _, r := range (&console{}).routes() {
		out[r.pattern] = r.scope
	}
	return out
}

// TrailDoes, TrailSubjects and SubjectWord are how the trail calls things.
func TrailDoes(action string) string { return trailDoes(action) }

// TrailSubjects are what it can be narrowed to.
func TrailSubjects() []string { return trailSubjects() }

// SubjectWord is one of them for people.
func SubjectWord(kind string) string { return subjectWord(kind) }
