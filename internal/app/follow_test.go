package app_test

import (
	"net/http"
	"testing"

	"tocsin/test/pushlab/device"
)

func TestABrowserFollowsSeveralPages(t *testing.T) {
	h := startPushHub(t)
	_, s := h.browserOf()
	main, _ := h.publicPage("main")
	shop, parts := h.publicPage("shop", "Web")
	post := func(path string, s device.Subscription, page, incident string) answer {
		t.Helper()
		return h.call("POST", "/api/v1/push/subscription/"+path, nil, text(map[string]string{"endpoint": s.Endpoint, "auth": s.Keys.Auth, "page": page, "incident": incident}))
	}
	for _, further := range [][]any{{"page", main, "min_impact", "critical"}, {"page", shop, "components", parts}} {
		if got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s, further...)); got.status != http.StatusOK {
			t.Fatalf("answer %d %s", got.status, got.body)
		}
	}
	if got := post("lookup", s, main, ""); got.field(t, "min_impact") != "critical" || got.field(t, "pages.1") != shop || got.field(t, "components.0") != "" {
		t.Errorf("main: %d %s", got.status, got.body)
	}
	if got := post("lookup", s, shop, ""); got.field(t, "page") != shop || got.field(t, "components.0") != parts[0] || got.field(t, "min_impact") != "none" {
		t.Errorf("shop: %d %s", got.status, got.body)
	}
	for _, c := range [][2]string{{"elsewhere", ""}, {main, "another"}} {
		if got := post("lookup", s, c[0], c[1]); got.status != http.StatusNotFound {
			t.Errorf("%v: %d %s", c, got.status, got.body)
		}
	}
	t.Run("and leaves one after the other", func(t *testing.T) {
		if got := post("delete", s, main, ""); got.status != http.StatusNoContent {
			t.Errorf("delete: %d %s", got.status, got.body)
		}
		if got := post("lookup", s, "", ""); got.field(t, "page") != shop || got.field(t, "pages.1") != "" {
			t.Errorf("what is left: %d %s", got.status, got.body)
		}
		if got := post("delete", s, "", ""); got.status != http.StatusNoContent {
			t.Errorf("delete: %d %s", got.status, got.body)
		}
		if got := post("lookup", s, shop, ""); got.status != http.StatusNotFound {
			t.Errorf("nothing is left: %d %s", got.status, got.body)
		}
	})
}
