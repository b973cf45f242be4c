package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"tocsin/internal/audit"
)

func TestDiff(t *testing.T) {
	type shown struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
		On   bool     `json:"on"`
	}
	storm := func(burst, wait int, label string) map[string]any {
		return map[string]any{"storm": map[string]any{"burst": burst, "wait": wait, "by": map[string]string{"label": label}}}
	}
	tests := []struct {
		name          string
		before, after *audit.State
		want          string
	}{
		{"nothing differs", &audit.State{Shown: shown{Name: "a"}}, &audit.State{Shown: shown{Name: "a", Tags: []string{}}}, ""},
		{"what is made shows what was filled in", nil, &audit.State{Shown: shown{Name: "a", On: true}}, `name:  -> "a"; on:  -> true`},
		{"what is deleted shows what was there", &audit.State{Shown: shown{Name: "a"}}, nil, `name: "a" -> `},
		{"one field of several", &audit.State{Shown: shown{"a", []string{"x"}, true}}, &audit.State{Shown: shown{"a", []string{"x", "y"}, true}}, `tags: ["x"] -> ["x","y"]`},
		{"of an object what differs in it", &audit.State{Shown: storm(5, 60, "x")}, &audit.State{Shown: storm(9, 60, "y")}, `storm: {"burst":5,"by":{"label":"x"}} -> {"burst":9,"by":{"label":"y"}}`},
		{"of an object what it has no more", &audit.State{Shown: storm(5, 60, "x")}, &audit.State{Shown: storm(5, 0, "x")}, `storm: {"wait":60} -> `},
		{"an object in which nothing differs", &audit.State{Shown: storm(5, 0, "x")}, &audit.State{Shown: map[string]any{"storm": map[string]any{"burst": 5, "by": map[string]string{"label": "x"}}}}, ""},
		{"a secret is said to have changed", &audit.State{Secrets: map[string]string{"password": "hunter2"}}, &audit.State{Secrets: map[string]string{"password": "hunter3"}}, `password: "set" -> "set"`},
		{"a secret that is new", nil, &audit.State{Shown: shown{}, Secrets: map[string]string{"password": "hunter2", "token": ""}}, `password:  -> "set"`},
		{"a secret that goes", &audit.State{Secrets: map[string]string{"token": "t"}}, &audit.State{Secrets: map[string]string{"token": ""}}, `token: "set" -> `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := audit.Diff(tt.before, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, c := range list {
				said = append(said, fmt.Sprintf("%s: %s -> %s", c.Field, c.Before, c.After))
			}
			if got := strings.Join(said, "; "); got != tt.want {
				t.Errorf("differs by %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhoActs(t *testing.T) {
	ctx := t.Context()
	if a, ok := audit.From(ctx); ok || a.Kind != audit.System {
		t.Errorf("nobody in particular is %+v, %v", a, ok)
	}
	mira := audit.Actor{Kind: audit.User, ID: "u1", Name: "mira"}
	ctx = audit.With(audit.At(ctx, "192.0.2.7:4711"), mira)
	e := audit.Entry{Action: "contact.changed"}.Fill(ctx)
	if e.Actor != mira || e.Address != "192.0.2.7" {
		t.Errorf("the entry says %+v from %q", e.Actor, e.Address)
	}
	other := audit.Actor{Kind: audit.Visitor, Name: "somebody"}
	if e := (audit.Entry{Actor: other}).Fill(ctx); e.Actor != other {
		t.Errorf("an entry that names its actor says %+v", e.Actor)
	}
	if got := audit.Address(audit.At(t.Context(), "[2001:db8::1]:443")); got != "2001:db8::1" {
		t.Errorf("an address of version 6 is %q", got)
	}
}
