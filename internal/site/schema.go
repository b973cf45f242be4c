package site

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schema is what is read of a JSON schema.
type schema struct {
	Ref         string `json:"$ref"`
	Type        kinds
	Format      string
	Description string
	Default     any
	Enum        []any
	Examples    []any
	Items       *schema
	Properties  map[string]*schema
	Required    []string
	OneOf       []*schema
	Additional  json.RawMessage `json:"additionalProperties"`

	MinLength, MaxLength, MinItems, MaxItems *int
	Minimum, Maximum                         *float64
	Pattern                                  string
	WriteOnly, ReadOnly                      bool
}

// kinds is one type, or several.
type kinds []string

// UnmarshalJSON takes both ways of writing it.
func (k *kinds) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*k = kinds{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return fmt.Errorf("type of a schema: %w", err)
	}
	*k = many
	return nil
}

func (s *schema) about() string {
	if s == nil {
		return ""
	}
	return s.Description
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// kind is a schema's type in words, with links to those that have a name.
func (r *refWriter) kind(s *schema) string {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		name := refName(s.Ref)
		return "[" + name + "](types.md#" + anchor(name) + ")"
	}
	var out []string
	for _, t := range s.Type {
		switch {
		case t == "null":
			continue
		case t == "array":
			out = append(out, "list of "+cmp.Or(r.kind(s.Items), "anything"))
		case t == "object" && len(s.Properties) == 0:
			var of schema
			if json.Unmarshal(s.Additional, &of) == nil && (len(of.Type) > 0 || of.Ref != "") {
				out = append(out, "object of "+r.kind(&of))
			} else {
				out = append(out, "object")
			}
		case t == "string" && s.Format == "date-time":
			out = append(out, "time")
		case t == "string" && s.Format != "":
			out = append(out, t+" ("+s.Format+")")
		default:
			out = append(out, t)
		}
	}
	for _, one := range s.OneOf {
		out = append(out, r.kind(one))
	}
	if slices.Contains(s.Type, "null") && !slices.Contains(s.Type, "array") {
		out = append(out, "null")
	}
	return strings.Join(out, " or ")
}

// bounds are what a value must keep to.
func (r *refWriter) bounds(s *schema) string {
	if s == nil {
		return ""
	}
	var out []string
	if len(s.Enum) > 0 {
		var all []string
		for _, v := range s.Enum {
			all = append(all, "`"+literal(v)+"`")
		}
		out = append(out, "one of "+strings.Join(all, ", "))
	}
	between := func(what string, low, high *int) {
		switch {
		case low != nil && high != nil && *low > 0:
			out = append(out, fmt.Sprintf("%d to %d %s", *low, *high, what))
		case high != nil:
			out = append(out, fmt.Sprintf("at most %d %s", *high, what))
		case low != nil && *low > 0:
			out = append(out, fmt.Sprintf("at least %d %s", *low, what))
		}
	}
	between("characters", s.MinLength, s.MaxLength)
	between("items", s.MinItems, s.MaxItems)
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		out = append(out, fmt.Sprintf("%v to %v", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		out = append(out, fmt.Sprintf("%v or more", *s.Minimum))
	case s.Maximum != nil:
		out = append(out, fmt.Sprintf("%v at most", *s.Maximum))
	}
	if s.Pattern != "" {
		out = append(out, "as `"+s.Pattern+"`")
	}
	if s.Default != nil {
		out = append(out, "else `"+literal(s.Default)+"`")
	}
	if len(s.Examples) > 0 && len(s.Enum) == 0 {
		out = append(out, "such as `"+literal(s.Examples[0])+"`")
	}
	if s.WriteOnly {
		out = append(out, "never answered")
	}
	if s.Items != nil && (len(s.Items.Enum) > 0 || s.Items.MaxLength != nil) {
		out = append(out, "each "+r.bounds(s.Items))
	}
	return strings.Join(out, "; ")
}

// literal is a value as it is written in JSON, a word without its quotes.
func literal(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// body writes what a request or an answer consists of, behind a word for which it is.
func (r *refWriter) body(lead, media string, s *schema, in bool) {
	said, of := "**"+lead+":**", s
	if media != "application/json" {
		said += " `" + media + "`"
	}
	if s.Ref != "" {
		if named := r.doc.Components.Schemas[refName(s.Ref)]; named != nil {
			of = named
		}
	}
	if s.Ref != "" || len(of.Properties) == 0 {
		said += " " + r.kind(s)
	}
	r.line("%s\n", strings.TrimSpace(said))
	if of.Description != "" {
		r.line("%s\n", of.Description)
	}
	if len(of.Properties) > 0 {
		r.fields(of, in)
	}
	r.either(of, in)
}

// either writes the forms that a value may have that have no name.
func (r *refWriter) either(s *schema, in bool) {
	for _, one := range s.OneOf {
		if len(one.Properties) > 0 {
			r.line("The object has:\n")
			r.fields(one, in)
		}
	}
}

// fields writes a type's fields; those that must be there come first in what is sent.
func (r *refWriter) fields(s *schema, in bool) {
	r.line("| field | type | meaning |\n|---|---|---|")
	names := slices.Sorted(maps.Keys(s.Properties))
	if in {
		slices.SortStableFunc(names, func(a, b string) int {
			return cmp.Compare(btoi(!slices.Contains(s.Required, a)), btoi(!slices.Contains(s.Required, b)))
		})
	}
	for _, name := range names {
		f := s.Properties[name]
		said := "`" + name + "`"
		if in && slices.Contains(s.Required, name) {
			said += ", needed"
		}
		r.line("| %s | %s | %s |", said, cell(r.kind(f)), cell(join(f.Description, r.bounds(f))))
	}
	r.line("")
}

func btoi(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	case strings.HasSuffix(a, "."), strings.HasSuffix(a, "?"):
		return a + " " + strings.ToUpper(b[:1]) + b[1:]
	}
	return a + "; " + b
}

// cell is text within a table: on one line, with its bars told apart from the table's.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// types writes the page of all types that have a name.
func (r *refWriter) types() []byte {
	r.line("# API: types\n\nWhat bodies and answers of [the calls](README.md) are made of. A field that is needed must be sent; in answers all fields are\nthere unless something else is said.\n")
	for _, name := range slices.Sorted(maps.Keys(r.doc.Components.Schemas)) {
		s := r.doc.Components.Schemas[name]
		r.line("## %s\n", name)
		if s.Description != "" {
			r.line("%s\n", s.Description)
		}
		if len(s.Properties) == 0 {
			r.line("%s\n", cmp.Or(join(r.kind(s), r.bounds(s)), "object"))
			continue
		}
		r.fields(s, strings.HasSuffix(name, "In") || strings.HasSuffix(name, "Body") || strings.HasSuffix(name, "New"))
	}
	return r.taken()
}
