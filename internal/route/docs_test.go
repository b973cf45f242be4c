package route_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

// What the documentation shows can be saved as it is.
func TestTheExamplesOfTheDocumentationAreValid(t *testing.T) {
	read := func(text string, v any) error {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		return d.Decode(v)
	}
	found := map[string]int{}
	for _, page := range []string{"on-call", "quiet"} {
		raw, err := os.ReadFile("../../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
			switch text := m[1]; {
			case strings.Contains(text, `"layers"`):
				var s oncall.Schedule
				if err := read(text, &s); err != nil || s.Validate() != nil {
					t.Errorf("%s: %v, %v", page, err, s.Validate())
				}
				found["schedule"]++
			case strings.Contains(text, `"steps"`):
				var p escalation.Policy
				if err := read(text, &p); err != nil || route.CheckPolicy(&p) != nil {
					t.Errorf("%s: %v, %v", page, err, route.CheckPolicy(&p))
				}
				found["policy"]++
			case strings.Contains(text, `"minutes"`):
				var w window.Window
				if err := read(text, &w); err != nil || w.Validate() != nil {
					t.Errorf("%s: %v, %v", page, err, w.Validate())
				}
				found["window"]++
			default:
				t.Errorf("%s: what is this?\n%s", page, text)
			}
		}
	}
	if len(found) != 3 {
		t.Errorf("found only %v", found)
	}
}
