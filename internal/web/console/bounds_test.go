package console_test

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tocsin/internal/config"
)

// What a browser lets somebody type, and what the console takes, are the bounds that
// the table of settings has.
func TestFieldsOfSettingsHaveTheBoundsOfTheTable(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	paths := map[string]string{"Settings": "/console/settings", "Settings, Notifications": "/console/settings/notifications", "Mattermost": "/console/mattermost"}
	found := 0
	for _, s := range config.SettingTable() {
		path := paths[s.Page]
		if !s.Number() || path == "" {
			continue
		}
		field := s.Name
		if field == "auto_close" {
			field = "auto_close_critical"
		}
		_, body := admin.get(path)
		doc, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		least, most := config.Bounds(s.Name)
		for n := range doc.Descendants() {
			if n.Data != "input" || attr(n, "name") != field {
				continue
			}
			if found++; attr(n, "min") != strconv.Itoa(least) || attr(n, "max") != strconv.Itoa(most) {
				t.Errorf("%s lets type %s to %s, and it may be %d to %d", field, attr(n, "min"), attr(n, "max"), least, most)
			}
		}
		if path == paths["Mattermost"] {
			continue // its form needs a bot
		}
		in := admin.filled(path, path)
		for _, wrong := range []int{least - 1, most + 1} {
			admin.refuses(path, with(in, field, strconv.Itoa(wrong)), field, "")
		}
	}
	if found < 23 {
		t.Errorf("found %d fields", found)
	}
}
