package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"tocsin/internal/auth"
)

// routes are all routes of the API and what each asks for. "session" is
// somebody signed in who may read alerts; "" is everybody known, "open" asks
// for nobody.
func routes() map[string]auth.Scope {
	out := map[string]auth.Scope{
		"GET /me": "", "GET /health": auth.ReadConfig, "GET /settings": auth.ReadConfig, "PUT /settings": auth.Administer,
		"GET /alerts": auth.ReadAlerts, "GET /alerts/{id}": auth.ReadAlerts, "GET /objects/{id}": auth.ReadAlerts,
		"GET /alerts/{id}/events": auth.ReadAlerts, "GET /objects/{id}/events": auth.ReadAlerts, "GET /deliveries": auth.ReadAlerts,
		"POST /alerts/{id}/acknowledge": auth.AckAlerts, "DELETE /alerts/{id}/acknowledge": auth.AckAlerts,
		"GET /sources": auth.ReadConfig, "GET /sources/{id}": auth.ReadConfig, "POST /sources": auth.Administer, "PUT /sources/{id}": auth.Administer,
		"DELETE /sources/{id}": auth.Administer, "POST /sources/{id}/token": auth.Administer,
		"POST /alerts/{id}/snooze": auth.AckAlerts, "DELETE /alerts/{id}/snooze": auth.AckAlerts,
		"POST /alerts/{id}/comments": auth.AckAlerts, "POST /alerts/{id}/downtime": auth.Downtime, "DELETE /alerts/{id}/downtime": auth.Downtime,
		"GET /sources/kinds": auth.ReadConfig, "POST /sources/{id}/probe": auth.Administer,
		"GET /email": auth.ReadConfig, "PUT /email": auth.Administer, "POST /email/test": auth.Administer, "POST /email/bounces": auth.Bounces,
		"GET /on-call": auth.ReadConfig, "GET /schedules/{id}/shifts": auth.ReadConfig, "POST /simulate": auth.WriteConfig,
		"POST /schedules/{id}/overrides": auth.WriteConfig, "DELETE /schedules/{id}/overrides/{override}": auth.WriteConfig,
		"GET /contacts/{id}/calendar": auth.ReadConfig, "POST /contacts/{id}/calendar": auth.ReadConfig, "DELETE /contacts/{id}/calendar": auth.ReadConfig,
		"GET /mattermost": auth.ReadConfig, "PUT /mattermost": auth.Administer, "POST /mattermost/key": auth.Administer,
		"GET /mattermost/rooms": auth.ReadConfig, "GET /mattermost/rooms/{id}": auth.ReadConfig, "POST /mattermost/rooms": auth.Administer,
		"PUT /mattermost/rooms/{id}": auth.Administer, "DELETE /mattermost/rooms/{id}": auth.Administer, "POST /mattermost/rooms/{id}/test": auth.Administer,
		"GET /mattermost/people": auth.ReadConfig, "DELETE /mattermost/people/{id}": auth.WriteConfig, "POST /mattermost/link": "session",
		"GET /push/key": "open", "PUT /push/subscription": "open", "POST /push/subscription/lookup": "open", "POST /push/subscription/delete": "open",
		"POST /push/change": "open", "POST /push/act": "open", "POST /push/receipts": "open",
		"GET /push/devices": "session", "PUT /push/devices": "session", "DELETE /push/devices/{id}": "session", "POST /push/devices/{id}/test": "session",
		"GET /push/keys": auth.Administer, "POST /push/keys/rotate": auth.Administer, "GET /push/services": auth.ReadConfig,
		"GET /publications": auth.ReadConfig, "GET /publications/{id}": auth.ReadConfig, "POST /publications": auth.WriteConfig,
		"GET /live": "session", "GET /live/pending": "session", "POST /live/receipts": "session", "POST /live/test": "session",
	}
	for _, many := range []string{"contacts", "groups", "rules", "periods", "policies", "schedules", "windows"} {
		out["GET /"+many], out["GET /"+many+"/{id}"] = auth.ReadConfig, auth.ReadConfig
		out["POST /"+many], out["PUT /"+many+"/{id}"], out["DELETE /"+many+"/{id}"] = auth.WriteConfig, auth.WriteConfig, auth.WriteConfig
	}
	out["GET /webhooks"], out["GET /webhooks/{id}"] = auth.ReadConfig, auth.ReadConfig
	for _, route := range []string{"POST /webhooks", "PUT /webhooks/{id}", "DELETE /webhooks/{id}", "POST /webhooks/{id}/test"} {
		out[route] = auth.Administer
	}
	for _, many := range []string{"users", "apikeys"} {
		out["GET /"+many], out["GET /"+many+"/{id}"], out["POST /"+many], out["DELETE /"+many+"/{id}"] = auth.Administer, auth.Administer, auth.Administer, auth.Administer
	}
	out["PUT /users/{id}"] = auth.Administer
	for _, route := range []string{"GET /me/sessions", "DELETE /me/sessions", "DELETE /me/sessions/{id}", "GET /me/passkeys", "PUT /me/passkeys/{id}", "DELETE /me/passkeys/{id}"} {
		out[route] = "session"
	}
	for _, route := range []string{"GET /users/{id}/sessions", "DELETE /users/{id}/sessions", "DELETE /users/{id}/sessions/{session}",
		"GET /users/{id}/passkeys", "DELETE /users/{id}/passkeys", "DELETE /users/{id}/passkeys/{passkey}"} {
		out[route] = auth.Administer
	}
	for _, many := range []string{"pages", "groups", "components", "series", "templates"} {
		many = "/status/" + many
		out["GET "+many], out["GET "+many+"/{id}"] = auth.ReadConfig, auth.ReadConfig
		out["POST "+many], out["PUT "+many+"/{id}"], out["DELETE "+many+"/{id}"] = auth.WriteConfig, auth.WriteConfig, auth.WriteConfig
	}
	out["DELETE /status/pages/{id}"] = auth.Administer
	for _, many := range []string{"incidents", "maintenance"} {
		many = "/status/" + many
		out["GET "+many], out["GET "+many+"/{id}"] = auth.ReadConfig, auth.ReadConfig
		for _, route := range []string{"POST " + many, "PUT " + many + "/{id}", "DELETE " + many + "/{id}", "POST " + many + "/{id}/updates", "PUT " + many + "/{id}/updates/{update}"} {
			out[route] = auth.Publish
		}
	}
	for _, route := range []string{"POST /status/incidents/{id}/publish", "POST /status/incidents/{id}/discard", "PUT /status/incidents/{id}/postmortem",
		"PUT /status/components/{id}/state", "DELETE /status/components/{id}/state"} {
		out[route] = auth.Publish
	}
	for _, route := range []string{"PUT /status/pages/{id}/logo", "DELETE /status/pages/{id}/logo", "PUT /status/pages/{id}/triggers", "PUT /status/pages/{id}/order"} {
		out[route] = auth.WriteConfig
	}
	for _, route := range []string{"GET /status/pages/{id}/triggers", "GET /status/pages/{id}/reach", "GET /status/pages/{id}/subscribers", "GET /status/audit",
		"GET /status/export", "GET /status/components/{id}/intervals"} {
		out[route] = auth.ReadConfig
	}
	out["GET /audit"], out["GET /audit.csv"] = auth.Administer, auth.Administer
	out["GET /status/incidents/{id}/alerts"] = auth.ReadAlerts
	return out
}

func TestPermissions(t *testing.T) {
	h := startHub(t)
	type visitor struct {
		who    any
		is     auth.Principal
		people bool
	}
	visitors := map[string]visitor{"nobody": {}}
	for _, r := range auth.AllRoles() {
		h.user(string(r), r)
		visitors[string(r)] = visitor{h.cookie(string(r)), auth.Principal{UserID: "a user", Scopes: r.Scopes()}, true}
	}
	for _, s := range auth.AllScopes() {
		visitors["key "+string(s)] = visitor{h.key(s), auth.Principal{Scopes: []auth.Scope{s}}, false}
	}
	for route, scope := range routes() {
		method, path, _ := strings.Cut(route, " ")
		if path == "/live" {
			continue // it does not end; TestLive looks at it
		}
		for name, v := range visitors {
			want := ""
			switch {
			case scope == "open":
			case v.who == nil:
				want = "401"
			case scope == "session":
				if !v.people {
					want = "403"
				}
			case scope != "" && !v.is.May(scope):
				want = "403"
			}
			if scope == "open" && v.who != nil {
				continue // they are nobody there, and addresses are limited
			}
			body := ""
			if method == "POST" || method == "PUT" {
				body = `{"no_such_field":1}` // is refused only after the permission was looked at
			}
			got := h.call(method, "/api/v1"+strings.ReplaceAll(path, "{id}", "nothing"), v.who, body)
			refused := ""
			if got.status == http.StatusUnauthorized {
				refused = "401"
			} else if got.status == http.StatusForbidden {
				refused = "403"
			}
			if refused != want || got.status >= 500 {
				t.Errorf("%s as %s: answer %d %s; want refusal %q", route, name, got.status, got.body, want)
			}
		}
	}
	t.Run("the table has every route of the document", func(t *testing.T) {
		got := h.call("GET", "/api/v1/openapi.json", nil, "")
		var doc struct {
			OpenAPI string `json:"openapi"`
			Paths   map[string]map[string]struct {
				Scope string `json:"x-required-scope"`
			} `json:"paths"`
		}
		if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(doc.OpenAPI, "3.1") {
			t.Errorf("OpenAPI %s", doc.OpenAPI)
		}
		table := routes()
		n := 0
		for path, methods := range doc.Paths {
			for method, op := range methods {
				n++
				route := strings.ToUpper(method) + " " + path
				scope, ok := table[route]
				if !ok && route != "POST /sources/{name}/events" && route != "POST /sources/{name}/heartbeat" {
					t.Errorf("%s is not in the table", route)
				}
				if scope == "open" {
					scope = ""
				}
				if scope != "session" && string(scope) != op.Scope {
					t.Errorf("%s: the document says %q, the table %q", route, op.Scope, scope)
				}
			}
		}
		if n != len(table)+2 {
			t.Errorf("the document has %d routes, the table %d and what engines call", n, len(table))
		}
	})
}

func TestEdges(t *testing.T) {
	h := startHub(t)
	h.user("anna", auth.Admin)
	anna := h.cookie("anna")
	t.Run("another site cannot use the cookie", func(t *testing.T) {
		got := h.call("POST", "/api/v1/contacts", anna, `{"name":"ops"}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		if got.status != http.StatusForbidden || got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, "TOCSIN_BASE_URL") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("an address that there is not is a problem document", func(t *testing.T) {
		if got := h.call("GET", "/api/v1/nothing", anna, ""); got.status != http.StatusNotFound || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("a method that there is not names those there are", func(t *testing.T) {
		got := h.call("PUT", "/api/v1/contacts", anna, `{}`)
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, POST" {
			t.Errorf("answer %d, Allow %q", got.status, got.header.Get("Allow"))
		}
	})
	t.Run("an unknown field is named", func(t *testing.T) {
		got := h.call("POST", "/api/v1/contacts", anna, `{"name":"ops","pushhost":true}`)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"location":"body.pushhost"`) {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("a body beyond 64 KiB is refused", func(t *testing.T) {
		got := h.call("POST", "/api/v1/contacts", anna, `{"name":"`+strings.Repeat("x", 70<<10)+`"}`)
		if got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("answer %d", got.status)
		}
	})
	t.Run("an id that refers to nothing is named", func(t *testing.T) {
		got := h.call("POST", "/api/v1/groups", anna, `{"name":"g","contact_ids":["nobody"]}`)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"location":"body.contact_ids[0]"`) {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("a parameter that will not do is named", func(t *testing.T) {
		for query, field := range map[string]string{"limit=0": "query.limit", "status=red": "query.status[0]", "stat=firing": "query.stat"} {
			got := h.call("GET", "/api/v1/alerts?"+query, anna, "")
			if got.status != http.StatusUnprocessableEntity || got.field(t, "type") != "about:blank" ||
				!strings.HasPrefix(got.field(t, "detail"), field+": ") || got.field(t, "errors.0.location") != field {
				t.Errorf("%s: %d %s", query, got.status, got.body)
			}
		}
	})
	t.Run("a refused body is not repeated", func(t *testing.T) {
		got := h.call("POST", "/api/v1/users", anna, `{"name":"eve","role":"viewer","password":"a secret of hers","nick":"e"}`)
		if got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body.nick" || strings.Contains(got.body, "secret of hers") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("a cursor that no list gave is refused", func(t *testing.T) {
		for _, path := range []string{"/contacts", "/alerts", "/deliveries"} {
			if got := h.call("GET", "/api/v1"+path+"?cursor=%21%21", anna, ""); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: answer %d %s", path, got.status, got.body)
			}
		}
	})
	t.Run("the last admin stays", func(t *testing.T) {
		id := h.call("GET", "/api/v1/me", anna, "").field(t, "user_id")
		if got := h.call("DELETE", "/api/v1/users/"+id, anna, ""); got.status != http.StatusUnprocessableEntity {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("no list tells a secret", func(t *testing.T) {
		key := h.call("POST", "/api/v1/apikeys", anna, `{"name":"one","scopes":["alerts:read"]}`).field(t, "key")
		made := h.call("POST", "/api/v1/sources", anna, `{"name":"two","kind":"generic"}`).field(t, "token")
		if key == "" || made == "" {
			t.Fatal("no secret at the making")
		}
		all := h.call("GET", "/api/v1/apikeys", anna, "").body + h.call("GET", "/api/v1/sources", anna, "").body + h.call("GET", "/api/v1/users", anna, "").body
		for _, secret := range []string{key, made, auth.Hash(key), auth.Hash(made), "argon2id"} {
			if strings.Contains(all, secret) {
				t.Errorf("a list tells %q", secret)
			}
		}
	})
	t.Run("a revoked key is refused at once", func(t *testing.T) {
		made := h.call("POST", "/api/v1/apikeys", anna, `{"name":"brief","scopes":["alerts:read"]}`)
		if got := h.call("DELETE", "/api/v1/apikeys/"+made.field(t, "id"), anna, ""); got.status != http.StatusNoContent {
			t.Fatalf("revoke: %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/alerts", made.field(t, "key"), ""); got.status != http.StatusUnauthorized {
			t.Errorf("answer %d", got.status)
		}
	})
}

func TestConfigurationByAPI(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	post := func(t *testing.T, path, body string) answer {
		t.Helper()
		got := h.call("POST", "/api/v1"+path, admin, body)
		if got.status != http.StatusCreated {
			t.Fatalf("POST %s: %d %s", path, got.status, got.body)
		}
		return got
	}
	period := post(t, "/periods", `{"name":"Office","zone":"Europe/Berlin","weekdays":{"monday":[{"from":"08:00","to":"12:00"},{"from":"13:00","to":"24:00"}]},"exceptions":[{"first":"12-24","last":"12-26","note":"Christmas"}]}`)
	if period.field(t, "weekdays.monday.1.to") != "24:00" || period.field(t, "exceptions.0.last") != "12-26" {
		t.Errorf("period: %s", period.body)
	}
	ops := post(t, "/contacts", `{"name":"ops","host_options":"r, d","service_period_id":"`+period.field(t, "id")+`","push_host":false}`)
	if ops.field(t, "host_options") != "d,r" || ops.field(t, "service_options") != "w,u,c,r,f,s" || ops.field(t, "push_host") != "false" || ops.field(t, "push_service") != "true" {
		t.Errorf("contact: %s", ops.body)
	}
	group := post(t, "/groups", `{"name":"team","contact_ids":["`+ops.field(t, "id")+`"]}`)
	rule := post(t, "/rules", `{"name":"all","states":["down"],"group_ids":["`+group.field(t, "id")+`"]}`)
	if rule.field(t, "enabled") != "true" {
		t.Errorf("rule: %s", rule.body)
	}
	t.Run("a rule is in force for the next event", func(t *testing.T) {
		id := h.tell(`{"type":"PROBLEM","host":"web01","state":1}`)
		if got := h.call("GET", "/api/v1/alerts/"+id, admin, ""); got.field(t, "deliveries.0.contact_name") != "ops" {
			t.Errorf("alert: %s", got.body)
		}
	})
	t.Run("what is in use stays", func(t *testing.T) {
		for _, path := range []string{"/groups/" + group.field(t, "id"), "/periods/" + period.field(t, "id"), "/sources/lab"} {
			if got := h.call("DELETE", "/api/v1"+path, admin, ""); got.status != http.StatusConflict {
				t.Errorf("DELETE %s: %d %s", path, got.status, got.body)
			}
		}
	})
	t.Run("a name that is taken is a conflict", func(t *testing.T) {
		if got := h.call("POST", "/api/v1/contacts", admin, `{"name":"ops"}`); got.status != http.StatusConflict {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
	t.Run("pages follow each other without a gap", func(t *testing.T) {
		for _, name := range []string{"a", "b", "c", "d"} {
			post(t, "/contacts", `{"name":"`+name+`"}`)
		}
		var names []string
		cursor := ""
		for range 10 {
			got := h.call("GET", "/api/v1/contacts?limit=2&cursor="+cursor, admin, "")
			for _, i := range []string{"0", "1"} {
				if n := got.field(t, "items."+i+".name"); n != "" {
					names = append(names, n)
				}
			}
			if cursor = got.field(t, "next"); cursor == "" {
				break
			}
		}
		if strings.Join(names, " ") != "a b c d ops" {
			t.Errorf("names %v", names)
		}
	})
	t.Run("settings that are left out stay, and bounds are kept", func(t *testing.T) {
		got := h.call("PUT", "/api/v1/settings", admin, `{"collapse_after":9,"auto_close":{"critical":60}}`)
		if got.field(t, "collapse_after") != "9" || got.field(t, "auto_close.critical") != "60" || got.field(t, "auto_close.warning") != "20" {
			t.Errorf("settings: %s", got.body)
		}
		if bad := h.call("PUT", "/api/v1/settings", admin, `{"retention_days":0}`); bad.status != http.StatusUnprocessableEntity || !strings.Contains(bad.body, "body.retention_days") {
			t.Errorf("answer %d %s", bad.status, bad.body)
		}
	})
}

func TestAcknowledge(t *testing.T) {
	h := startHub(t)
	h.user("anna", auth.Operator)
	anna, key := h.cookie("anna"), h.key(auth.AckAlerts, auth.ReadAlerts)
	id := h.tell(problem)
	path := "/api/v1/alerts/" + id + "/acknowledge"
	got := h.call("POST", path, anna, `{"comment":"on it"}`)
	if got.status != http.StatusOK || got.field(t, "status") != "acknowledged" || got.field(t, "acknowledgement.author") != "anna" ||
		got.field(t, "acknowledgement.comment") != "on it" || got.field(t, "acknowledgement.origin") != "console" || got.field(t, "acknowledgement.sticky") != "true" {
		t.Errorf("acknowledge: %d %s", got.status, got.body)
	}
	if again := h.call("POST", path, key, `{}`); again.status != http.StatusConflict {
		t.Errorf("a second time: %d %s", again.status, again.body)
	}
	if back := h.call("DELETE", path, anna, ""); back.status != http.StatusOK || back.field(t, "status") != "firing" {
		t.Errorf("take back: %d %s", back.status, back.body)
	}
	if back := h.call("DELETE", path, anna, ""); back.status != http.StatusConflict {
		t.Errorf("take back twice: %d %s", back.status, back.body)
	}
	if byKey := h.call("POST", path, key, ""); byKey.status != http.StatusOK || byKey.field(t, "acknowledgement.origin") != "api" {
		t.Errorf("by a key, without a body: %d %s", byKey.status, byKey.body)
	}
	h.call("DELETE", path, anna, "")
	if byKey := h.call("POST", path, key, `{"origin":"notification"}`); byKey.status != http.StatusOK || byKey.field(t, "acknowledgement.origin") != "api" {
		t.Errorf("by a key that says it is a person: %d %s", byKey.status, byKey.body)
	}
	h.call("DELETE", path, anna, "")
	for _, origin := range []string{"api", "engine", "elsewhere"} {
		if got := h.call("POST", path, anna, `{"origin":"`+origin+`"}`); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "body.origin") {
			t.Errorf("by a person who says %q: %d %s", origin, got.status, got.body)
		}
	}
	if click := h.call("POST", path, anna, `{"origin":"notification"}`); click.status != http.StatusOK || click.field(t, "acknowledgement.origin") != "notification" {
		t.Errorf("on the notification: %d %s", click.status, click.body)
	}
	if page := h.call("GET", "/console/alerts/"+id, anna, ""); !strings.Contains(page.body, "from the notification") {
		t.Errorf("the alert's page does not say where it was acknowledged: %d", page.status)
	}
	h.tell(`{"type":"RECOVERY","host":"web01","service":"HTTP","state":0}`)
	if late := h.call("POST", path, anna, `{}`); late.status != http.StatusConflict {
		t.Errorf("after the recovery: %d %s", late.status, late.body)
	}
	if none := h.call("POST", "/api/v1/alerts/nothing/acknowledge", anna, `{}`); none.status != http.StatusNotFound {
		t.Errorf("of nothing: %d %s", none.status, none.body)
	}
}
