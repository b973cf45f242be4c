package console_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/window"
)

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
