package site

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// refPage is one page of the reference of the API.
type refPage struct {
	name, short, about string
	markdown           []byte
}

// document is what is read of an OpenAPI document.
type document struct {
	Info struct {
		Title, Description string
	}
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]operation

	Components struct {
		Schemas         map[string]*schema
		SecuritySchemes map[string]struct{ Description string }
	}
}

type operation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Parameters                        []parameter
	RequestBody                       *struct {
		Required bool
		Content  map[string]struct{ Schema *schema }
	}
	Responses map[string]struct {
		Description string
		Content     map[string]struct{ Schema *schema }
		Headers     map[string]struct{ Description string }
	}
	Security []map[string][]string
	Scope    string `json:"x-required-scope"`

	method, path string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
}

// verbs are the methods in the order in which a route's are shown.
var verbs = []string{"get", "post", "put", "patch", "delete"}

// reference makes pages of Markdown of an OpenAPI document: one that says what holds for all
// calls, one for each tag with its operations, and one with the types.
func reference(raw []byte) ([]refPage, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	tags, ops := doc.sorted()
	r := &refWriter{doc: doc}
	if len(doc.Servers) > 0 {
		r.base = doc.Servers[0].URL
	}
	pages := []refPage{{"api/README", "Reference", "all calls of the API, by what they are about", r.front(tags, ops)}}
	for _, tag := range tags {
		pages = append(pages, refPage{"api/" + tag, "API: " + tag, doc.about(tag), r.tag(tag, ops[tag])})
	}
	return append(pages, refPage{"api/types", "API: types", "what bodies and answers are made of", r.types()}), nil
}

// sorted are the tags in the document's order, and each one's operations by path and method.
func (d *document) sorted() (tags []string, ops map[string][]operation) {
	ops = map[string][]operation{}
	for _, p := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range verbs {
			op, ok := d.Paths[p][method]
			if !ok {
				continue
			}
			op.method, op.path = strings.ToUpper(method), p
			tag := "other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			ops[tag] = append(ops[tag], op)
		}
	}
	for _, t := range d.Tags {
		if ops[t.Name] != nil {
			tags = append(tags, t.Name)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(ops)) {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	return tags, ops
}

func (d *document) about(tag string) string {
	for _, t := range d.Tags {
		if t.Name == tag {
			return t.Description
		}
	}
	return ""
}

// refWriter writes the pages.
type refWriter struct {
	doc  document
	base string
	bytes.Buffer
}

func (r *refWriter) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

func (r *refWriter) taken() []byte {
	out := slices.Clone(r.Bytes())
	r.Reset()
	return out
}

func (r *refWriter) front(tags []string, ops map[string][]operation) []byte {
	r.line("# Reference of the API\n\n%s\n", r.doc.Info.Description)
	r.line("Each path begins with `%s`. [The API, for who writes a program](../api.md) says how to begin; a program finds all of this in\n`%s/openapi.json`.\n", r.base, r.base)
	r.line("## Who may call\n\n| by | |\n|---|---|")
	for _, name := range slices.Sorted(maps.Keys(r.doc.Components.SecuritySchemes)) {
		r.line("| %s | %s |", cell(keyWord(name)), cell(r.doc.Components.SecuritySchemes[name].Description))
	}
	r.line("\n## Errors\n\nAn error is a document of the type `application/problem+json` (RFC 9457): [its fields](types.md#errormodel). `detail` says what was wrong, and names the field; `errors`\nlists all that were.\n\n| status | |\n|---|---|")
	for _, e := range errorWords {
		r.line("| %s | %s |", e[0], e[1])
	}
	r.line("\n## All calls\n")
	for _, tag := range tags {
		r.line("### %s\n\n%s\n\n| call | |\n|---|---|", title(tag), cmp.Or(r.doc.about(tag), "Calls about "+tag+"."))
		seen := anchors{}
		for _, op := range ops[tag] {
			r.line("| `%s %s` | [%s](%s.md#%s) |", op.method, op.path, cell(op.Summary), tag, seen.of(op.Summary))
		}
		r.line("")
	}
	return r.taken()
}

// errorWords are what refusals mean, on whatever route.
var errorWords = [][2]string{
	{"400", "no JSON, or not as it must be"},
	{"401", "nobody known: sign in, give a key, or the source's token"},
	{"403", "known, and not allowed: another scope or role is needed"},
	{"404", "there is nothing by this id"},
	{"409", "it does not fit what there is: a name that is taken, a thing that is in use, a state that has gone on"},
	{"410", "it was there and is over"},
	{"413", "too large"},
	{"422", "a field is wrong; nothing was changed"},
	{"429", "too often; `Retry-After` says when to come again"},
	{"500", "the hub made a mistake; its log says which, by the `instance` of the answer"},
	{"503", "the database is away, or too much comes at once: wait as `Retry-After` says, and send the same again"},
}

func keyWord(scheme string) string {
	switch scheme {
	case "apiKey":
		return "API key"
	case "sourceToken":
		return "token of a source"
	}
	return scheme
}

func title(tag string) string { return strings.ToUpper(tag[:1]) + tag[1:] }

// anchors gives headings of one page their ends of addresses, as the page itself does.
type anchors map[string]int

func (a anchors) of(words string) string {
	id := anchor(words)
	n := a[id]
	a[id]++
	if n > 0 {
		a[fmt.Sprintf("%s-%d", id, n)]++
		return fmt.Sprintf("%s-%d", id, n)
	}
	return id
}

// tag writes the page of one tag.
func (r *refWriter) tag(tag string, ops []operation) []byte {
	r.line("# API: %s\n\n%s\n\n[What holds for all calls](README.md): who may, errors, lists.\n", tag, cmp.Or(r.doc.about(tag), "Calls about "+tag+"."))
	for _, op := range ops {
		r.operation(op)
	}
	return r.taken()
}

func (r *refWriter) operation(op operation) {
	r.line("## %s\n\n```http\n%s %s%s\n```\n", op.Summary, op.method, r.base, op.path)
	about, _, _ := strings.Cut(op.Description, "Asks for the scope `")
	if about = strings.TrimSpace(about); about != "" {
		r.line("%s\n", about)
	}
	r.line("**Who may:** %s\n", who(op))
	r.parameters(op.Parameters)
	if b := op.RequestBody; b != nil {
		for _, media := range slices.Sorted(maps.Keys(b.Content)) {
			lead := "Body"
			if !b.Required {
				lead += ", may be left out"
			}
			r.body(lead, media, b.Content[media].Schema, true)
		}
	}
	var errs []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		a := op.Responses[status]
		words := ""
		if !standard(a.Description) {
			words = " (" + lower(a.Description) + ")"
		}
		if status >= "400" {
			errs = append(errs, status+words)
			continue
		}
		if len(a.Content) == 0 {
			r.line("**Answers %s%s**, without a body.\n", status, words)
		}
		for _, media := range slices.Sorted(maps.Keys(a.Content)) {
			r.body("Answers "+status+words, media, a.Content[media].Schema, false)
		}
	}
	if len(errs) > 0 {
		r.line("**[Errors](README.md#errors):** %s\n", strings.Join(errs, ", "))
	}
}

// standard says whether a description only repeats what a status means.
func standard(words string) bool {
	switch words {
	case "", "OK", "Created", "Accepted", "No Content", "Bad Request", "Unauthorized", "Forbidden", "Not Found", "Conflict", "Gone", "Request Entity Too Large",
		"Unprocessable Entity", "Too Many Requests", "Internal Server Error", "Service Unavailable":
		return true
	}
	return false
}

func lower(words string) string { return strings.ToLower(words[:1]) + words[1:] }

// who says who may call a route.
func who(op operation) string {
	var by []string
	for _, s := range op.Security {
		for name := range s {
			switch name {
			case "session":
				by = append(by, "people who are signed in")
			case "apiKey":
				by = append(by, "an API key")
			case "sourceToken":
				by = append(by, "a source, with its token")
			default:
				by = append(by, name)
			}
		}
	}
	if len(by) == 0 {
		return "everybody, without a key"
	}
	out := strings.Join(by, ", ")
	if op.Scope != "" {
		return "scope `" + op.Scope + "`; " + out
	}
	return out
}

func (r *refWriter) parameters(all []parameter) {
	if len(all) == 0 {
		return
	}
	r.line("| parameter | in | type | meaning |\n|---|---|---|---|")
	for _, p := range all {
		name := "`" + p.Name + "`"
		if p.Required && p.In != "path" {
			name += ", needed"
		}
		r.line("| %s | %s | %s | %s |", name, p.In, r.kind(p.Schema), cell(join(cmp.Or(p.Description, p.Schema.about()), r.bounds(p.Schema))))
	}
	r.line("")
}
