package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/auth"
	"tocsin/internal/web/console"
)

// signedIn is for everybody who is.
const signedIn auth.Scope = ""

// allowed are all routes of the console by what they ask for, written down here once
// more: a route that is new, or that asks for something else than before, fails until
// somebody has thought of who may.
func allowed() map[auth.Scope][]string {
	return map[auth.Scope][]string{
		signedIn: {
			"GET /console/",
			"GET /console/account",
			"POST /console/account/codes",
			"GET /console/account/confirm",
			"POST /console/account/confirm",
			"GET /console/account/link",
			"GET /console/account/linked",
			"POST /console/account/linked",
			"POST /console/account/passkeys/begin",
			"POST /console/account/passkeys/finish",
			"POST /console/account/passkeys/{id}",
			"GET /console/account/passkeys/{id}/remove",
			"POST /console/account/passkeys/{id}/remove",
			"POST /console/account/password",
			"POST /console/account/sessions/end",
			"POST /console/account/sessions/{id}/end",
			"POST /console/account/unlink",
			"GET /console/link/mattermost",
			"POST /console/link/mattermost",
			"GET /console/me",
			"POST /console/sign-out",
			"GET /console/{$}",
		},
		auth.ReadAlerts: {
			"GET /console/act/{id}",
			"GET /console/alerts",
			"GET /console/alerts/rows",
			"GET /console/alerts/{id}",
			"GET /console/deliveries",
			"GET /console/devices/{id}/remove",
			"POST /console/devices/{id}/remove",
			"POST /console/devices/{id}/test",
			"GET /console/health",
			"POST /console/mattermost/people/{id}/unlink",
			"GET /console/objects/{id}",
		},
		auth.AckAlerts: {
			"POST /console/alerts/acknowledge",
			"POST /console/alerts/{id}/acknowledge",
			"POST /console/alerts/{id}/comment",
			"POST /console/alerts/{id}/snooze",
			"POST /console/alerts/{id}/unacknowledge",
			"POST /console/alerts/{id}/unsnooze",
		},
		auth.Downtime: {
			"POST /console/alerts/{id}/downtime",
			"POST /console/alerts/{id}/downtime/cancel",
		},
		auth.ReadConfig: {
			"GET /console/component-groups/{id}",
			"GET /console/components",
			"POST /console/components/matches",
			"GET /console/components/{id}",
			"GET /console/contacts",
			"GET /console/contacts/{id}",
			"GET /console/groups",
			"GET /console/groups/{id}",
			"GET /console/incidents",
			"GET /console/incidents/audit",
			"GET /console/incidents/{id}",
			"GET /console/maintenance",
			"GET /console/maintenance/new",
			"GET /console/maintenance/{id}",
			"GET /console/maintenance/{id}/edit",
			"GET /console/mattermost",
			"GET /console/mattermost/rooms/{id}",
			"GET /console/on-call",
			"POST /console/on-call/calendar",
			"GET /console/on-call/calendar/end",
			"POST /console/on-call/calendar/end",
			"GET /console/pages",
			"GET /console/pages/export",
			"GET /console/pages/import",
			"GET /console/pages/{id}",
			"GET /console/pages/{id}/logo",
			"GET /console/periods",
			"GET /console/periods/{id}",
			"GET /console/policies",
			"GET /console/policies/{id}",
			"GET /console/rules",
			"GET /console/rules/{id}",
			"GET /console/schedules",
			"GET /console/schedules/{id}",
			"GET /console/series/{id}",
			"GET /console/settings",
			"GET /console/settings/email",
			"GET /console/settings/notifications",
			"GET /console/sources",
			"GET /console/sources/{id}",
			"GET /console/subscribers",
			"GET /console/templates",
			"GET /console/templates/{id}",
			"GET /console/webhooks",
			"GET /console/webhooks/{id}",
			"GET /console/windows",
			"GET /console/windows/{id}",
		},
		auth.WriteConfig: {
			"POST /console/component-groups/{id}",
			"GET /console/component-groups/{id}/delete",
			"POST /console/component-groups/{id}/delete",
			"POST /console/component-groups/{id}/move",
			"POST /console/components/order",
			"POST /console/components/{id}",
			"POST /console/components/{id}/bindings",
			"GET /console/components/{id}/delete",
			"POST /console/components/{id}/delete",
			"POST /console/components/{id}/hide",
			"POST /console/components/{id}/move",
			"POST /console/contacts/{id}",
			"GET /console/contacts/{id}/delete",
			"POST /console/contacts/{id}/delete",
			"POST /console/groups/{id}",
			"GET /console/groups/{id}/delete",
			"POST /console/groups/{id}/delete",
			"GET /console/on-call/override",
			"POST /console/on-call/override",
			"POST /console/pages/{id}",
			"POST /console/pages/{id}/logo",
			"POST /console/pages/{id}/logo/remove",
			"POST /console/periods/{id}",
			"GET /console/periods/{id}/delete",
			"POST /console/periods/{id}/delete",
			"POST /console/policies/{id}",
			"POST /console/policies/{id}/check",
			"GET /console/policies/{id}/delete",
			"POST /console/policies/{id}/delete",
			"POST /console/policies/{id}/steps",
			"POST /console/rules/{id}",
			"GET /console/rules/{id}/delete",
			"POST /console/rules/{id}/delete",
			"POST /console/rules/{id}/move",
			"POST /console/rules/{id}/switch",
			"POST /console/schedules/{id}",
			"POST /console/schedules/{id}/check",
			"GET /console/schedules/{id}/delete",
			"POST /console/schedules/{id}/delete",
			"POST /console/schedules/{id}/layers",
			"POST /console/schedules/{id}/overrides/{override}/end",
			"POST /console/series/{id}",
			"POST /console/series/{id}/check",
			"GET /console/series/{id}/delete",
			"POST /console/series/{id}/delete",
			"POST /console/settings/notifications/triggers/{id}",
			"GET /console/simulate",
			"POST /console/simulate",
			"POST /console/templates/{id}",
			"GET /console/templates/{id}/delete",
			"POST /console/templates/{id}/delete",
			"POST /console/windows/hold",
			"POST /console/windows/{id}",
			"POST /console/windows/{id}/check",
			"GET /console/windows/{id}/delete",
			"POST /console/windows/{id}/delete",
			"POST /console/windows/{id}/end",
		},
		auth.Publish: {
			"POST /console/components/{id}/follow",
			"GET /console/components/{id}/state",
			"POST /console/components/{id}/state",
			"GET /console/incidents/new",
			"POST /console/incidents/new",
			"GET /console/incidents/preview",
			"POST /console/incidents/preview",
			"POST /console/incidents/reach",
			"GET /console/incidents/{id}/delete",
			"POST /console/incidents/{id}/delete",
			"GET /console/incidents/{id}/discard",
			"POST /console/incidents/{id}/discard",
			"GET /console/incidents/{id}/draft",
			"POST /console/incidents/{id}/draft",
			"GET /console/incidents/{id}/edit",
			"POST /console/incidents/{id}/edit",
			"GET /console/incidents/{id}/postmortem",
			"POST /console/incidents/{id}/postmortem",
			"POST /console/incidents/{id}/publish",
			"GET /console/incidents/{id}/update",
			"POST /console/incidents/{id}/update",
			"GET /console/incidents/{id}/updates/{update}",
			"POST /console/incidents/{id}/updates/{update}",
			"POST /console/maintenance/new",
			"POST /console/maintenance/new/check",
			"GET /console/maintenance/{id}/cancel",
			"POST /console/maintenance/{id}/cancel",
			"POST /console/maintenance/{id}/check",
			"GET /console/maintenance/{id}/delete",
			"POST /console/maintenance/{id}/delete",
			"POST /console/maintenance/{id}/edit",
			"POST /console/maintenance/{id}/extend",
			"POST /console/maintenance/{id}/update",
			"GET /console/maintenance/{id}/updates/{update}",
			"POST /console/maintenance/{id}/updates/{update}",
		},
		auth.Administer: {
			"GET /console/audit-trail",
			"GET /console/keys",
			"GET /console/keys/new",
			"POST /console/keys/new",
			"GET /console/keys/{id}/delete",
			"POST /console/keys/{id}/delete",
			"POST /console/mattermost",
			"POST /console/mattermost/bot",
			"POST /console/mattermost/key",
			"POST /console/mattermost/rooms/{id}",
			"GET /console/mattermost/rooms/{id}/delete",
			"POST /console/mattermost/rooms/{id}/delete",
			"POST /console/mattermost/rooms/{id}/test",
			"POST /console/pages/import",
			"GET /console/pages/{id}/delete",
			"POST /console/pages/{id}/delete",
			"POST /console/settings",
			"POST /console/settings/email",
			"POST /console/settings/email/test",
			"POST /console/settings/notifications",
			"GET /console/settings/notifications/keys/{id}/delete",
			"POST /console/settings/notifications/keys/{id}/delete",
			"GET /console/settings/notifications/rotate",
			"POST /console/settings/notifications/rotate",
			"POST /console/sources/{id}",
			"GET /console/sources/{id}/delete",
			"POST /console/sources/{id}/delete",
			"POST /console/sources/{id}/probe",
			"POST /console/sources/{id}/token",
			"POST /console/sources/{id}/try",
			"GET /console/users",
			"GET /console/users/{id}",
			"POST /console/users/{id}",
			"GET /console/users/{id}/delete",
			"POST /console/users/{id}/delete",
			"POST /console/users/{id}/link",
			"GET /console/users/{id}/reset",
			"POST /console/users/{id}/reset",
			"POST /console/users/{id}/sessions/end",
			"POST /console/users/{id}/sessions/{session}/end",
			"POST /console/users/{id}/unlink",
			"POST /console/webhooks/{id}",
			"POST /console/webhooks/{id}/check",
			"GET /console/webhooks/{id}/delete",
			"POST /console/webhooks/{id}/delete",
			"POST /console/webhooks/{id}/secret",
			"POST /console/webhooks/{id}/test",
		},
	}
}

func TestRoutesByRole(t *testing.T) {
	table := map[string]auth.Scope{}
	for scope, patterns := range allowed() {
		for _, p := range patterns {
			if _, twice := table[p]; twice {
				t.Errorf("%s stands in the table twice", p)
			}
			table[p] = scope
		}
	}
	have := console.Routes()
	for p, scope := range have {
		if want, ok := table[p]; !ok {
			t.Errorf("%s is not in the table: who may?", p)
		} else if want != scope {
			t.Errorf("%s asks for %q, the table says %q", p, scope, want)
		}
	}
	for p := range table {
		if _, ok := have[p]; !ok {
			t.Errorf("%s is in the table, and there is no such route", p)
		}
	}

	h := newHub(t)
	roles := map[string]auth.Role{"": "", "viewer": auth.Viewer, "responder": auth.Responder, "operator": auth.Operator, "admin": auth.Admin}
	wild := regexp.MustCompile(`\{[^}]*\}`)
	for name, role := range roles {
		v := h.as(name)
		may := auth.Principal{UserID: "somebody", Scopes: role.Scopes()}
		for p, scope := range table {
			method, path, _ := strings.Cut(p, " ")
			if path == "/console/sign-out" && name != "" {
				continue // it would end the test; TestSignIn looks at it
			}
			path = wild.ReplaceAllString(strings.TrimSuffix(path, "{$}"), "nothing")
			var res *http.Response
			if method == http.MethodGet {
				res, _ = v.get(path)
			} else {
				res, _ = v.post(path, url.Values{})
			}
			door := strings.HasPrefix(res.Header.Get("Location"), "/console/sign-in")
			switch {
			case name == "":
				if res.StatusCode != http.StatusSeeOther || !door {
					t.Errorf("%s without a session: %d, to %q; want the door", p, res.StatusCode, res.Header.Get("Location"))
				}
			case scope == signedIn || may.May(scope):
				if res.StatusCode == http.StatusForbidden || res.StatusCode >= 500 || door {
					t.Errorf("%s as %s: %d, to %q; want to be let in", p, name, res.StatusCode, res.Header.Get("Location"))
				}
			case res.StatusCode != http.StatusForbidden:
				t.Errorf("%s as %s: %d; want 403", p, name, res.StatusCode)
			}
		}
	}
}

// What a responder sees leads nowhere that it may not go.
func TestResponder(t *testing.T) {
	h := newHub(t)
	h.told()
	v := h.as("responder")
	link := regexp.MustCompile(`(?:href|action|formaction)="(/console/[^"#]*)"`)
	var tried []string
	for _, path := range []string{"/console/alerts", "/console/alerts/" + h.alert, "/console/act/" + h.alert, "/console/objects/" + h.object, "/console/deliveries", "/console/me", "/console/health"} {
		res, body := v.get(path)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if slices.Contains(tried, to) || strings.Contains(m[0], "action=") {
				continue
			}
			tried = append(tried, to)
			if res, _ := v.get(to); res.StatusCode >= 400 {
				t.Errorf("%s links to %s, which answers %d", path, to, res.StatusCode)
			}
		}
	}
	_, body := v.get("/console/alerts/" + h.alert)
	for _, want := range []string{"/acknowledge", "/comment"} {
		if !strings.Contains(body, "/console/alerts/"+h.alert+want) {
			t.Errorf("the alert's page offers no %s", want)
		}
	}
	if strings.Contains(body, "/downtime") {
		t.Error("the alert's page offers a downtime")
	}
	if res, _ := v.post("/console/alerts/"+h.alert+"/acknowledge", url.Values{"comment": {"on it"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("acknowledge: %d", res.StatusCode)
	}
}
