package route_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/route"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "anything", true}, {"?", "", false}, {"?", "ü", true},
		{"web*", "web01", true}, {"web*", "WEB", true}, {"web*", "my web", false}, {"*web*", "my web 1", true},
		{"w?b", "web", true}, {"w?b", "wb", false}, {"*01", "web0101", true}, {"*01", "web010", false},
		{"ÜBER*", "über alles", true}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"**", "x", true},
		{"[a-z]", "a", false}, {"a.c", "abc", false}, {"*ü?", "aüb", true},
	}
	for _, tt := range tests {
		if got := route.Match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.text, got)
		}
	}
}

// FuzzMatch compares with the regular expression that a pattern stands for.
func FuzzMatch(f *testing.F) {
	f.Add("*a*a*a*a*a*a*b", strings.Repeat("a", 100))
	f.Add("w?b*", "web01")
	f.Add("*ü?", "aüb")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern) > route.MaxPattern {
			return
		}
		expr := regexp.QuoteMeta(strings.ToLower(pattern))
		expr = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expr)
		want := regexp.MustCompile(`(?s)\A` + expr + `\z`).MatchString(strings.ToLower(text))
		if got := route.Match(pattern, text); got != want {
			t.Errorf("Match(%q, %q) = %v, the expression says %v", pattern, text, got, want)
		}
	})
}

func TestRuleValidateNamesTheField(t *testing.T) {
	many := make([]string, route.MaxEntries+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	tests := []struct {
		field  string
		change func(*route.Rule)
	}{
		{"name", func(r *route.Rule) { r.Name = "" }},
		{"source_ids[1]", func(r *route.Rule) { r.SourceIDs = []string{"a", "a"} }},
		{"hosts[0]", func(r *route.Rule) { r.Hosts = []string{""} }},
		{"hosts[1]", func(r *route.Rule) { r.Hosts = []string{"a", strings.Repeat("*", route.MaxPattern+1)} }},
		{"hosts", func(r *route.Rule) { r.Hosts = many }},
		{"services[0]", func(r *route.Rule) { r.Services = []string{"a\nb"} }},
		{"states[0]", func(r *route.Rule) { r.States = []alert.State{"bad"} }},
		{"states[1]", func(r *route.Rule) { r.States = []alert.State{alert.Down, alert.Down} }},
		{"labels", func(r *route.Rule) { r.Labels = map[string]string{"": "x"} }},
		{"labels.team", func(r *route.Rule) { r.Labels = map[string]string{"team": "a\x00"} }},
		{"channels[0]", func(r *route.Rule) { r.Channels = []string{"pigeon"} }},
		{"channels[1]", func(r *route.Rule) { r.Channels = []string{"browser", "browser"} }},
		{"contact_ids", func(r *route.Rule) { r.ContactIDs, r.GroupIDs = nil, nil }},
		{"contact_ids", func(r *route.Rule) { r.ContactIDs = many }},
		{"group_ids[0]", func(r *route.Rule) { r.GroupIDs = []string{""} }},
	}
	for _, tt := range tests {
		r := route.Rule{Name: "R", Hosts: []string{"web*"}, Services: []string{"", "http"}, States: []alert.State{alert.Critical, alert.Down},
			Labels: map[string]string{"team": ""}, ContactIDs: []string{"a"}, GroupIDs: []string{"g"}, Channels: []string{route.Browser, route.Webpush}}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		tt.change(&r)
		var f *contact.FieldError
		if err := r.Validate(); !errors.As(err, &f) || f.Field != tt.field || f.Problem == "" || f.Mend == "" {
			t.Errorf("want an error about %s, got %v", tt.field, err)
		}
	}
}
