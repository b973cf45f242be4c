package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
)

// subscribe has n browsers want something of the page.
func (h *city) subscribe(n int, w push.Want) {
	h.t.Helper()
	key, err := push.GenerateKey(time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.db.SavePushKey(h.t.Context(), key); err != nil {
		h.t.Fatal(err)
	}
	for i := range n {
		p256dh := make([]byte, 65)
		p256dh[0], p256dh[1] = 4, byte(i)
		_, _, err := h.db.SaveSubscription(h.t.Context(), push.Subscription{Endpoint: fmt.Sprintf("https://fcm.googleapis.com/%s/%d", key.ID, i), P256dh: p256dh, Auth: []byte("0123456789abcdef"),
			KeyID: key.ID, Pages: []push.Follow{{PageID: h.page.ID, Wants: []push.Want{w}}}, Created: time.Now(), Seen: time.Now()}, nil)
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestTriggers(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	ticked := func(body string) map[string]bool {
		on := map[string]bool{}
		for _, m := range regexp.MustCompile(`<label class="check trigger"><input type="checkbox" name="([a-z_]+)"( checked)?>`).FindAllStringSubmatch(body, -1) {
			on[m[1]] = m[2] != ""
		}
		return on
	}
	t.Run("stand under Settings, Notifications as they are on a new page", func(t *testing.T) {
		_, body := operator.get("/console/settings/notifications")
		if !strings.Contains(body, `id="triggers"`) {
			t.Fatal("there is no such part")
		}
		got := ticked(body)
		want := map[string]bool{"incident_new": true, "incident_update": true, "incident_resolved": true, "component_down": false, "component_recovered": false, "maintenance": false}
		if len(got) != len(want) {
			t.Fatalf("%v", got)
		}
		for k, on := range want {
			if got[k] != on {
				t.Errorf("%s is on: %v", k, got[k])
			}
		}
	})
	t.Run("are kept, and change nothing else of the page", func(t *testing.T) {
		res, _ := operator.post("/console/settings/notifications/triggers/"+h.page.ID, url.Values{"maintenance": {"on"}, "incident_new": {"on"}, "name": {"Evil"}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		body := operator.led(t, res)
		if got := ticked(body); !got["maintenance"] || !got["incident_new"] || got["incident_update"] || got["component_down"] {
			t.Errorf("%v", got)
		}
		if !strings.Contains(body, "Visitors of Sandbank are told of: New Incident, Maintenance Starting.") {
			t.Error("it is not said what they are told of")
		}
		pages, err := h.db.StatusPages(t.Context())
		if err != nil || pages[0].Name != "Sandbank" || !publish.Triggered(&pages[0], push.Maintenance) {
			t.Errorf("%+v %v", pages, err)
		}
		trail, _, err := h.db.StatusAudit(t.Context(), publish.AuditFilter{PageID: h.page.ID, Limit: 1})
		if err != nil || trail[0].What != "page.triggers" || trail[0].By != "operator" {
			t.Errorf("%+v %v", trail, err)
		}
	})
	t.Run("of a page that is none are not there", func(t *testing.T) {
		if res, _ := operator.post("/console/settings/notifications/triggers/none", nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("answered %d", res.StatusCode)
		}
	})
}

func TestSubscribersAreCountedAndNotNamed(t *testing.T) {
	h := newCity(t)
	viewer := h.as("viewer")
	if _, body := viewer.get("/console/subscribers"); !strings.Contains(body, "Nobody has subscribed yet.") {
		t.Error("does not say that there are none")
	}
	h.subscribe(4, push.Want{})
	h.subscribe(2, push.Want{Components: []string{h.shop.ID}, Kinds: []push.Kind{push.Maintenance}, MinImpact: push.ImpactMajor})
	_, body := viewer.get("/console/subscribers")
	line := func(table, name string) string {
		_, rest, _ := strings.Cut(body, `id="`+table+`"`)
		m := regexp.MustCompile(`(?s)<th scope="row">` + regexp.QuoteMeta(name) + `.*?<span class="share-n">(\d+)</span></td>`).FindStringSubmatch(rest)
		if m == nil {
			return "none"
		}
		return m[1]
	}
	for _, c := range []struct{ table, name, want string }{
		{"what", "The whole page", "4"}, {"what", "Components of their choice", "2"}, {"kinds", "New Incident", "4"}, {"kinds", "Maintenance Starting", "2"},
		{"kinds", "Component Down", "0"}, {"impacts", "Any impact", "4"}, {"impacts", "Major or worse", "2"}, {"parts", "Web shop", "2"},
	} {
		if got := line(c.table, c.name); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.table, c.name, got, c.want)
		}
	}
	if strings.Contains(body, "fcm.googleapis.com") {
		t.Error("shows where somebody is reached")
	}
	if !strings.Contains(body, "6 new in 30 days") || !strings.Contains(body, "<strong>6</strong> in all") {
		t.Error("does not count them")
	}
}
