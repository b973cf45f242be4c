package app_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/window"
)

// step is a call of a writing route: where a name is given, the id that is answered
// stands for {NAME} from then on.
type step struct {
	route, body, name string
}

// story is what somebody does who sets all of it up, changes it and takes it down.
func story() []step {
	next := time.Now().UTC().Truncate(time.Hour).AddDate(1, 0, 0)
	from, to, start := next.Format(time.RFC3339), next.Add(time.Hour).Format(time.RFC3339), next.Format(window.StartFormat)
	return []step{
		{"PUT /settings", `{"retention_days":30}`, ""},
		{"POST /users", `{"name":"mira","role":"viewer","password":"a quiet evening"}`, "user"}, {"PUT /users/{user}", `{"role":"operator"}`, ""},
		{"POST /apikeys", `{"name":"script","scopes":["alerts:read"]}`, "key"}, {"DELETE /apikeys/{key}", "", ""},
		{"POST /contacts", `{"name":"mira","user_id":"{user}"}`, "contact"}, {"PUT /contacts/{contact}", `{"name":"mira","display_name":"Mira Sand","user_id":"{user}"}`, ""},
		{"POST /contacts/{contact}/calendar", "", ""}, {"DELETE /contacts/{contact}/calendar", "", ""},
		{"POST /groups", `{"name":"ops","contact_ids":["{contact}"]}`, "group"}, {"PUT /groups/{group}", `{"name":"operations","contact_ids":["{contact}"]}`, ""},
		{"POST /periods", `{"name":"night","zone":"UTC","weekdays":{"monday":[{"from":"20:00","to":"24:00"}]}}`, "period"},
		{"PUT /periods/{period}", `{"name":"nights","zone":"UTC","weekdays":{"monday":[{"from":"21:00","to":"24:00"}]}}`, ""},
		{"POST /schedules", `{"name":"week","zone":"UTC","layers":[{"start":"2026-03-02T09:00","every":1,"unit":"weeks","contact_ids":["{contact}"]}]}`, "schedule"},
		{"PUT /schedules/{schedule}", `{"name":"weeks","zone":"UTC","layers":[{"start":"2026-03-02T09:00","every":1,"unit":"weeks","contact_ids":["{contact}"]}]}`, ""},
		{"POST /schedules/{schedule}/overrides", `{"contact_id":"{contact}","from":"` + from + `","to":"` + to + `"}`, "override"},
		{"DELETE /schedules/{schedule}/overrides/{override}", "", ""},
		{"POST /policies", `{"name":"night","steps":[{"after_minutes":10,"contact_ids":["{contact}"]}]}`, "policy"},
		{"PUT /policies/{policy}", `{"name":"nights","steps":[{"after_minutes":15,"contact_ids":["{contact}"]}]}`, ""},
		{"POST /windows", `{"name":"patches","start":"` + start + `","minutes":60,"hosts":["mail*"]}`, "window"}, {"PUT /windows/{window}", `{"name":"patches","start":"` + start + `","minutes":90,"hosts":["mail*"]}`, ""},
		{"POST /webhooks", `{"name":"pager","form":"json","private":true,"url":"http://127.0.0.1:1/x"}`, "hook"}, {"PUT /webhooks/{hook}", `{"name":"pagers","form":"json","private":true}`, ""},
		{"PUT /mattermost", `{"enabled":true,"server_url":"https://chat.example.com/","bot_token":"abcdefghijklmnopqrstuvwxyz"}`, ""}, {"POST /mattermost/key", "", ""},
		{"POST /mattermost/rooms", `{"name":"ops","kind":"webhook","webhook_url":"https://chat.example.com/hooks/abcdefghijklmnop"}`, "room"},
		{"PUT /mattermost/rooms/{room}", `{"name":"operations","kind":"webhook"}`, ""},
		{"PUT /email", `{"enabled":false,"host":"mail.example.com","port":587,"security":"starttls","from":"tocsin@example.com"}`, ""},
		{"POST /rules", `{"name":"all","contact_ids":["{contact}"]}`, "rule"}, {"PUT /rules/{rule}", `{"name":"everything","contact_ids":["{contact}"]}`, ""},
		{"POST /sources", `{"name":"other","kind":"nagios"}`, "source"}, {"PUT /sources/{source}", `{"name":"another","kind":"nagios"}`, ""}, {"POST /sources/{source}/token", "", ""},
		{"POST /push/keys/rotate", "", ""},
		{"POST /alerts/{alert}/acknowledge", `{"comment":"mine"}`, ""}, {"DELETE /alerts/{alert}/acknowledge", "", ""}, {"POST /alerts/{alert}/comments", `{"comment":"looking"}`, ""},
		{"POST /alerts/{alert}/snooze", `{"minutes":30,"contacts":["{contact}"]}`, ""}, {"DELETE /alerts/{alert}/snooze?contact_id={contact}", "", ""},

		{"POST /status/pages", `{"slug":"main","name":"Main","zone":"UTC"}`, "page"}, {"PUT /status/pages/{page}", `{"slug":"main","name":"The main one","zone":"UTC"}`, ""},
		{"PUT /status/pages/{page}/triggers", `{"incident_new":false}`, ""},
		{"POST /status/groups", `{"page":"main","name":"Shop"}`, "pagegroup"}, {"PUT /status/groups/{pagegroup}", `{"name":"Shops"}`, ""},
		{"POST /status/components", `{"page":"main","name":"Checkout"}`, "component"}, {"PUT /status/components/{component}", `{"name":"Check-out"}`, ""},
		{"PUT /status/components/{component}/state", `{"state":"partial_outage"}`, ""},
		{"POST /status/incidents", `{"page":"main","title":"Slow","body":"We look.","impact":"minor"}`, "incident"},
		{"PUT /status/incidents/{incident}", `{"title":"Very slow","impact":"major"}`, ""}, {"POST /status/incidents/{incident}/updates", `{"phase":"identified","body":"Found."}`, ""},
		{"DELETE /status/incidents/{incident}", "", ""},
		{"POST /status/maintenance", `{"page":"main","title":"Patches","body":"Soon.","start":"` + from + `","end":"` + to + `"}`, "maintenance"},
		{"DELETE /status/maintenance/{maintenance}", "", ""},
		{"POST /publications", `{"page":"main","kind":"incident_new","texts":{"":{"title":"Slow","body":"We look."}}}`, ""},

		{"DELETE /status/components/{component}", "", ""}, {"DELETE /status/groups/{pagegroup}", "", ""}, {"DELETE /status/pages/{page}", "", ""},
		{"DELETE /rules/{rule}", "", ""}, {"DELETE /sources/{source}", "", ""}, {"DELETE /mattermost/rooms/{room}", "", ""}, {"DELETE /webhooks/{hook}", "", ""},
		{"DELETE /windows/{window}", "", ""}, {"DELETE /policies/{policy}", "", ""}, {"DELETE /schedules/{schedule}", "", ""}, {"DELETE /periods/{period}", "", ""},
		{"DELETE /groups/{group}", "", ""}, {"DELETE /contacts/{contact}", "", ""}, {"DELETE /users/{user}", "", ""},
	}
}

// elsewhere are the writing routes that the story has not, and why.
func elsewhere() map[string]string {
	nothing, visitor, desk := "changes nothing that is set", "what visitors do for themselves is not in the trail", "goes through the desk, as the others of public pages"
	own := "changes the maker's own; tested where that is"
	ways := "needs a session or a passkey that is there: TestWaysInByAPI looks at its line"
	return map[string]string{
		"POST /simulate": nothing, "POST /sources/{id}/probe": nothing, "POST /email/test": nothing, "POST /mattermost/rooms/{id}/test": nothing,
		"POST /webhooks/{id}/test": nothing, "POST /push/devices/{id}/test": nothing, "POST /live/test": nothing, "POST /live/receipts": nothing, "POST /push/receipts": nothing,
		"POST /sources/{name}/heartbeat": "an engine says that it is alive",
		"POST /email/bounces":            "a mail server says what came back", "POST /push/subscription/lookup": visitor, "PUT /push/subscription": visitor,
		"POST /push/subscription/delete": visitor, "POST /push/change": visitor, "POST /push/act": "a button: its line is written by dispatch",
		"DELETE /me/sessions": ways, "DELETE /me/sessions/{id}": ways, "PUT /me/passkeys/{id}": ways, "DELETE /me/passkeys/{id}": ways,
		"DELETE /users/{id}/sessions": ways, "DELETE /users/{id}/sessions/{session}": ways, "DELETE /users/{id}/passkeys": ways, "DELETE /users/{id}/passkeys/{passkey}": ways,
		"PUT /push/devices": own, "DELETE /push/devices/{id}": own, "POST /mattermost/link": own, "DELETE /mattermost/people/{id}": own,
		"POST /alerts/{id}/downtime": "asks for an engine; its line is written as that of a comment", "DELETE /alerts/{id}/downtime": "as scheduling",
		"DELETE /status/components/{id}/state": desk, "PUT /status/pages/{id}/logo": desk, "DELETE /status/pages/{id}/logo": desk, "PUT /status/pages/{id}/order": desk,
		"POST /status/series": desk, "PUT /status/series/{id}": desk, "DELETE /status/series/{id}": desk,
		"POST /status/templates": desk, "PUT /status/templates/{id}": desk, "DELETE /status/templates/{id}": desk,
		"PUT /status/incidents/{id}/updates/{update}": desk, "POST /status/incidents/{id}/publish": desk, "POST /status/incidents/{id}/discard": desk,
		"PUT /status/incidents/{id}/postmortem": desk, "PUT /status/maintenance/{id}": desk, "POST /status/maintenance/{id}/updates": desk,
		"PUT /status/maintenance/{id}/updates/{update}": desk,
	}
}

// general is a route as the router has it: {NAME} is {id}, a second one keeps its name.
func general(route string) string {
	parts := strings.Split(route, "/")
	first := true
	for i, p := range parts {
		if strings.HasPrefix(p, "{") && first {
			parts[i], first = "{id}", false
		}
	}
	return strings.Join(parts, "/")
}

func TestEveryWritingRouteLeavesALine(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.user("root", auth.Admin)
	root := h.cookie("root")
	newest := func() (id, action, who, address string) {
		got := h.call("GET", "/api/v1/audit?limit=1", root, "")
		return got.field(t, "items.0.id"), got.field(t, "items.0.action"), got.field(t, "items.0.actor.name"), got.field(t, "items.0.address")
	}
	if _, action, who, from := newest(); action != "session.signed_in" || who != "root" || from != "127.0.0.1" {
		t.Errorf("signing in is %s of %s from %s", action, who, from)
	}
	ids := map[string]string{"alert": h.tell(`{"type":"PROBLEM","host":"web01","service":"HTTP","state":2,"output":"refused"}`)}
	walked := map[string]bool{}
	for _, s := range story() {
		route, _, _ := strings.Cut(s.route, "?")
		walked[general(route)] = true
		method, path, _ := strings.Cut(s.route, " ")
		body := s.body
		for name, id := range ids {
			path, body = strings.ReplaceAll(path, "{"+name+"}", id), strings.ReplaceAll(body, "{"+name+"}", id)
		}
		before, _, _, _ := newest()
		got := h.call(method, "/api/v1"+path, root, body)
		if got.status/100 != 2 {
			t.Errorf("%s: %d %s", s.route, got.status, got.body)
			continue
		}
		if s.name != "" {
			ids[s.name] = got.field(t, "id")
		}
		after, action, who, _ := newest()
		if after == before || who != "root" {
			t.Errorf("%s leaves no line of its maker: the newest is %s of %s", s.route, action, who)
		}
	}
	for route := range routes() {
		if strings.HasPrefix(route, "GET ") || walked[route] || elsewhere()[route] != "" {
			continue
		}
		t.Errorf("%s is in no story: have it leave a line, and put it into story(), or say in elsewhere() why not", route)
	}
}

// An API key, a form and what is refused.
func TestWhoStandsInTheTrail(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.user("root", auth.Admin)
	root, key := h.cookie("root"), h.key(auth.WriteConfig)
	h.call("POST", "/api/v1/groups", key, `{"name":"ops"}`)
	of := func(query string) answer { return h.call("GET", "/api/v1/audit?"+query, root, "") }
	if got := of("subject=group"); got.field(t, "items.0.actor.kind") != "key" || got.field(t, "items.0.actor.name") == "" {
		t.Errorf("a key: %s", got.body)
	}
	form := url.Values{"name": {"root"}, "password": {"wrong wrong wrong"}}
	h.call("POST", "/console/sign-in", nil, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if got := of("action=session.refused"); got.field(t, "items.0.actor.kind") != "visitor" || got.field(t, "items.0.address") != "127.0.0.1" || strings.Contains(got.body, "wrong wrong") {
		t.Errorf("a sign-in that was refused: %s", got.body)
	}
	table := h.call("GET", "/api/v1/audit.csv?subject=group", root, "")
	if table.status != http.StatusOK || !strings.HasPrefix(table.header.Get("Content-Type"), "text/csv") || strings.Count(table.body, "\n") != 2 || !strings.Contains(table.body, "group.created") {
		t.Errorf("as a table: %d %s", table.status, table.body)
	}
	if got := h.call("GET", "/api/v1/audit", key, ""); got.status != http.StatusForbidden {
		t.Errorf("to others: %d", got.status)
	}
	page := h.call("GET", "/console/audit-trail?subject=group", root, "")
	if page.status != http.StatusOK || !strings.Contains(page.body, "made the group") || !strings.Contains(page.body, "ops") {
		t.Errorf("the page: %d", page.status)
	}
	h.call("POST", "/console/sign-out", root, "", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	again := h.cookie("root")
	if got := h.call("GET", "/api/v1/audit?action=signed_out", again, ""); got.field(t, "items.0.actor.name") != "root" {
		t.Errorf("signing out: %s", got.body)
	}
}

// Each kind of answer has the headers that keep browsers from doing more with it than
// it is for.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.user("root", auth.Admin)
	root, key := h.cookie("root"), h.key(auth.Administer)
	h.call("POST", "/api/v1/status/pages", key, `{"slug":"main","name":"Main","zone":"UTC"}`)
	for name, a := range map[string]struct {
		method, path string
		who          any
		body         string
		policy       bool // a content policy, which every page has
		kept         bool // a browser may keep it
	}{
		"a page":                            {"GET", "/console/alerts", root, "", true, false},
		"the page for signing in":           {"GET", "/console/sign-in", nil, "", true, false},
		"a page that there is not":          {"GET", "/console/nothing", root, "", true, false},
		"a form from elsewhere":             {"POST", "/console/settings", root, "", true, false},
		"an answer of the API":              {"GET", "/api/v1/me", root, "", false, false},
		"an error of the API":               {"GET", "/api/v1/nothing", root, "", false, false},
		"nobody at the API":                 {"GET", "/api/v1/alerts", nil, "", false, false},
		"the description":                   {"GET", "/api/v1/openapi.json", key, "", false, false},
		"events that are refused":           {"POST", "/api/v1/sources/lab/events", nil, "{", false, false},
		"a table":                           {"GET", "/api/v1/audit.csv", root, "", false, false},
		"a callback":                        {"POST", "/callback/mattermost/action", nil, "{}", true, false},
		"a calendar that there is not":      {"GET", "/oncall/nothing.ics", nil, "", true, true},
		"a link in a letter":                {"GET", "/a/nothing", nil, "", true, false},
		"health":                            {"GET", "/healthz", nil, "", true, true},
		"figures":                           {"GET", "/metrics", nil, "", true, true},
		"a script":                          {"GET", "/sw-push.js", nil, "", true, true},
		"a public page":                     {"GET", "/main", nil, "", true, true},
		"nothing at all":                    {"GET", "/nothing/at/all", nil, "", true, true},
		"an address that is no text":        {"GET", "/console/alerts?x=%ff", root, "", true, false},
		"a path that climbs":                {"GET", "/static/../../etc/passwd", nil, "", true, true},
		"a method that nobody knows":        {"BREW", "/console/alerts", root, "", true, false},
		"a public page that there is not":   {"GET", "/nothing", nil, "", true, true},
		"the feed of a page":                {"GET", "/main/feed.atom", nil, "", false, true},
		"the JSON of a page":                {"GET", "/main/api/v2/summary.json", nil, "", false, true},
		"somebody who may not do something": {"POST", "/api/v1/users", h.key(auth.ReadAlerts), "{}", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{}
			if name == "a form from elsewhere" {
				headers = []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
			}
			got := h.call(a.method, a.path, a.who, a.body, headers...)
			if got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d: browsers may guess what it is", got.status)
			}
			policy := got.header.Get("Content-Security-Policy")
			if a.policy && (policy == "" || strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "unsafe-eval")) {
				t.Errorf("%d: its content policy is %q", got.status, policy)
			}
			if !a.kept && !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
				t.Errorf("%d: it may be kept: %q", got.status, got.header.Get("Cache-Control"))
			}
			for _, c := range got.header.Values("Set-Cookie") {
				if !strings.Contains(c, "SameSite=Lax") && !strings.Contains(c, "SameSite=Strict") {
					t.Errorf("a cookie that other sites send: %s", strings.SplitN(c, "=", 2)[0])
				}
			}
		})
	}
}

// Redirects and streams have them too; and no redirect leads away from here.
func TestRedirectsAndStreamsAreGuarded(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.user("root", auth.Admin)
	root := h.cookie("root")
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, path, body string) *http.Response {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if body == "" {
			req.AddCookie(root)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); _ = resp.Body.Close() })
		return resp
	}
	guarded := func(what string, resp *http.Response, kept bool) {
		t.Helper()
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %v", what, resp.Header)
		}
		if !kept && !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s may be kept: %q", what, resp.Header.Get("Cache-Control"))
		}
	}
	for path, to := range map[string]string{
		"/": "/console/", "/console": "/console/", "/console/": "/console/alerts", "/favicon.ico": "/static/", "/console/sign-in": "/console/alerts",
		"/console/sign-in/second": "/console/sign-in?next=",
	} {
		resp := ask("GET", path, "")
		if resp.StatusCode/100 != 3 || !strings.HasPrefix(resp.Header.Get("Location"), to) {
			t.Errorf("%s: %d to %q", path, resp.StatusCode, resp.Header.Get("Location"))
		}
		guarded(path, resp, !strings.HasPrefix(path, "/console/"))
	}
	for _, next := range []string{"https://evil.example/", "//evil.example/console/", "/\\evil.example/console/", "/console/\r\nSet-Cookie: x=y", "javascript:alert(1)", "/console/../../evil",
		"/console//evil.example", "\t//evil.example", "/console/sign-out", "https:/console/x", "/console/alerts#@evil.example"} {
		resp := ask("POST", "/console/sign-in", url.Values{"name": {"root"}, "password": {password}, "next": {next}}.Encode())
		to, err := resp.Location()
		if err != nil || to.Scheme+"://"+to.Host != h.url || !strings.HasPrefix(to.Path, "/console/") || len(resp.Header.Values("Set-Cookie")) != 1 {
			t.Errorf("%q leads to %q: %v %v", next, resp.Header.Get("Location"), err, resp.Header.Values("Set-Cookie"))
		}
		guarded("signing in", resp, false)
	}
	stream := ask("GET", "/api/v1/live", "")
	if stream.StatusCode != http.StatusOK || stream.Header.Get("Content-Type") != "text/event-stream" || stream.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a stream: %d %v", stream.StatusCode, stream.Header)
	}
	guarded("a stream", stream, false)
}
