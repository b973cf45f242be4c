package hook_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/hook"
)

// schema is as much of JSON Schema as docs/webhook.schema.json uses. Any other
// keyword fails the test, so that nothing is promised that is not looked at.
type schema struct {
	root map[string]any
}

func load(t *testing.T) *schema {
	t.Helper()
	raw, err := os.ReadFile("../../docs/webhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &schema{}
	if err := json.Unmarshal(raw, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// check answers what is wrong with a value. strict: a field that the schema does not
// name is wrong, too, though the schema lets be what it does not know.
func (s *schema) check(path string, of map[string]any, v any, strict bool) (wrong []string) {
	fail := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for _, key := range slices.Sorted(maps.Keys(of)) {
		want := of[key]
		switch key {
		case "$schema", "$id", "$defs", "title", "description", "then":
		case "$ref":
			at := s.root["$defs"].(map[string]any)[strings.TrimPrefix(want.(string), "#/$defs/")]
			wrong = append(wrong, s.check(path, at.(map[string]any), v, strict)...)
		case "const":
			if !reflect.DeepEqual(v, want) {
				fail("is %v, not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				fail("is %v, none of %v", v, want)
			}
		case "type":
			if !isOf(v, want) {
				fail("is %T, not %v", v, want)
			}
		case "format":
			if text, ok := v.(string); ok {
				if at, err := time.Parse(time.RFC3339Nano, text); err != nil || at.Location() != time.UTC {
					fail("%q is no time in UTC", text)
				}
			}
		case "minimum":
			if n, ok := v.(float64); !ok || n < want.(float64) {
				fail("is %v", v)
			}
		case "maxItems":
			if l, ok := v.([]any); !ok || len(l) > int(want.(float64)) {
				fail("has too many")
			}
		case "items":
			list, _ := v.([]any)
			for i, x := range list {
				wrong = append(wrong, s.check(fmt.Sprintf("%s[%d]", path, i), want.(map[string]any), x, strict)...)
			}
		case "required":
			m, _ := v.(map[string]any)
			for _, name := range want.([]any) {
				if _, ok := m[name.(string)]; !ok {
					fail("has no %s", name)
				}
			}
		case "properties":
			m, ok := v.(map[string]any)
			for name, x := range m {
				if p, known := want.(map[string]any)[name].(map[string]any); known {
					wrong = append(wrong, s.check(path+"."+name, p, x, strict)...)
				} else if strict && of["type"] == "object" {
					fail("%s is not in the schema", name)
				}
			}
			if !ok {
				fail("is no object")
			}
		case "additionalProperties":
			for name, x := range v.(map[string]any) {
				wrong = append(wrong, s.check(path+"."+name, want.(map[string]any), x, strict)...)
			}
		case "allOf":
			for _, x := range want.([]any) {
				wrong = append(wrong, s.check(path, x.(map[string]any), v, strict)...)
			}
		case "if":
			if len(s.check(path, want.(map[string]any), v, false)) == 0 {
				wrong = append(wrong, s.check(path, of["then"].(map[string]any), v, strict)...)
			}
		default:
			fail("%s is not understood by this test", key)
		}
	}
	return wrong
}

func isOf(v, want any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return isOf(v, w) })
	}
	switch x := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && x == float64(int64(x))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

func TestTheSchemaHolds(t *testing.T) {
	s, h := load(t), hookOf(hook.JSON)
	for _, name := range append(slices.Sorted(maps.Keys(messages())), "test") {
		t.Run(name, func(t *testing.T) {
			var v map[string]any
			if err := json.Unmarshal(body(t, h, name), &v); err != nil {
				t.Fatal(err)
			}
			for _, wrong := range s.check("body", s.root, v, true) {
				t.Error(wrong)
			}
		})
	}
	t.Run("every field of the schema is written in some message", func(t *testing.T) {
		seen := map[string]bool{}
		for _, name := range append(slices.Sorted(maps.Keys(messages())), "test") {
			var v any
			if err := json.Unmarshal(body(t, h, name), &v); err != nil {
				t.Fatal(err)
			}
			fields(v, seen)
		}
		var named func(v any)
		named = func(v any) {
			m, ok := v.(map[string]any)
			if !ok {
				return
			}
			for key, x := range m {
				if key == "properties" {
					for name := range x.(map[string]any) {
						if !seen[name] && !slices.Contains([]string{"snoozed_until", "engine_words", "origin"}, name) {
							t.Errorf("%s is in the schema and in no message", name)
						}
					}
				}
				named(x)
			}
		}
		named(s.root)
	})
	t.Run("it refuses what is not so", func(t *testing.T) {
		for name, change := range map[string]func(map[string]any){
			"no title":            func(v map[string]any) { delete(v, "title") },
			"another type":        func(v map[string]any) { v["type"] = "outage" },
			"no alert":            func(v map[string]any) { delete(v, "alert") },
			"a number for a time": func(v map[string]any) { v["time"] = 5.0 },
			"a time elsewhere":    func(v map[string]any) { v["time"] = "2026-03-01T03:12:05+01:00" },
			"another version":     func(v map[string]any) { v["version"] = 2.0 },
			"a state":             func(v map[string]any) { v["object"].(map[string]any)["state"] = "bad" },
			"a label":             func(v map[string]any) { v["object"].(map[string]any)["labels"].(map[string]any)["n"] = 1.0 },
		} {
			var v map[string]any
			if err := json.Unmarshal(body(t, h, "problem"), &v); err != nil {
				t.Fatal(err)
			}
			if change(v); len(s.check("body", s.root, v, false)) == 0 {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

func fields(v any, seen map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			seen[k] = true
			fields(x, seen)
		}
	case []any:
		for _, x := range v {
			fields(x, seen)
		}
	}
}
