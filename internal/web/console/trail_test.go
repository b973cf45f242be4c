package console_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/web/console"
	"tocsin/internal/window"
)

// Whatever the program writes into the trail is said in words, and can be looked for.
func TestEveryLineOfTheTrailHasWords(t *testing.T) {
	t.Parallel()
	written := regexp.MustCompile(`Action: +"([a-z_]+)\.([a-z_]+)"`)
	things := regexp.MustCompile(`(?:thingOf|thing\{)\(?"([a-z_]+)"`)
	seen := map[string]bool{}
	internal := os.DirFS("../..")
	err := fs.WalkDir(internal, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(internal, path)
		for _, m := range written.FindAllStringSubmatch(string(text), -1) {
			seen[m[1]+"."+m[2]] = true
		}
		if strings.HasPrefix(path, "store/") {
			for _, m := range things.FindAllStringSubmatch(string(text), -1) {
				for _, did := range []string{"created", "changed", "deleted"} {
					seen[m[1]+"."+did] = true
				}
			}
		}
		return err
	})
	if err != nil || len(seen) < 30 {
		t.Fatal(len(seen), err)
	}
	for action := range seen {
		kind, _, _ := strings.Cut(action, ".")
		if says := console.TrailDoes(action); strings.Contains(says, "(") {
			t.Errorf("%s is said as %q", action, says)
		}
		if !slices.Contains(console.TrailSubjects(), kind) || console.SubjectWord(kind) == kind {
			t.Errorf("%s cannot be looked for", kind)
		}
	}
}

func TestTheTrailNamesWhatIsOnPages(t *testing.T) {
	h := newCity(t)
	w := window.Window{ID: "w1", Name: "Switch", Page: window.Public{PageID: h.page.ID, Title: "Switch", ComponentIDs: []string{h.shop.ID, "gone-1"}, MaintenanceID: "m1"}, Created: time.Now()}
	if err := h.db.SaveWindow(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	_, body := h.as("admin").get("/console/audit-trail?subject=window")
	for _, want := range []string{"made the maintenance window", h.page.Name, h.shop.Name, "something that was deleted (gone-1)", "m1"} {
		if !strings.Contains(body, want) {
			t.Errorf("does not say %q", want)
		}
	}
	for _, id := range []string{"deleted (" + h.page.ID, h.shop.ID, "deleted (m1)"} {
		if strings.Contains(body, id) {
			t.Errorf("shows %s instead of what it is called", id)
		}
	}
}
