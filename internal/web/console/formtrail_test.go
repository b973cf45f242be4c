package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tocsin/internal/audit"
	"tocsin/internal/web/console"
)

// sending is a form as somebody sends it: where it stands (empty: it is sent without
// looking at it), where it goes, and what is filled in. The id of what it made is {name}
// from then on.
type sending struct {
	page, route string
	fill        []string
	name        string
}

// same is the form that stands on the page it is sent to.
func same(route string, fill ...string) sending {
	return sending{page: route, route: route, fill: fill}
}

// bare is a form of a few fields, all of which are given.
func bare(route string, fill ...string) sending { return sending{route: route, fill: fill} }

// makes says what the form makes.
func (s sending) makes(name string) sending { s.name = name; return s }

// walk is what an administrator does with the console, who sets all of it up, changes it,
// and takes it down.
func walk() []sending {
	return []sending{
		same("/console/users/new", "name", "mira", "display_name", "Mira", "role", "viewer", "password", "a quiet evening").makes("user"),
		same("/console/users/{user}", "display_name", "Mira Sand", "role", "operator"), bare("/console/users/{user}/reset"),
		same("/console/keys/new", "name", "script", "lasts", "30").makes("key"), bare("/console/keys/{key}/delete"),
		same("/console/contacts/new", "name", "mira").makes("contact"), same("/console/contacts/{contact}", "display_name", "Mira Sand"),
		same("/console/groups/new", "name", "night").makes("group"), same("/console/groups/{group}", "name", "nights"),
		same("/console/periods/new", "name", "evening").makes("period"), same("/console/periods/{period}", "name", "evenings"),
		{page: "/console/rules/r1", route: "/console/rules/new", fill: []string{"name", "second"}, name: "rule"}, same("/console/rules/{rule}", "name", "the second"),
		bare("/console/rules/{rule}/move", "way", "up"), bare("/console/rules/{rule}/switch"), bare("/console/rules/{rule}/switch", "on", "on"),
		same("/console/sources/new", "name", "other", "kind", "nagios").makes("source"), bare("/console/sources/{source}/token"), same("/console/sources/{source}", "name", "another"),
		same("/console/settings", "retention_days", "33"), same("/console/settings/notifications", "push_subject", "mailto:ops@example.org"), bare("/console/settings/notifications/rotate"),
		same("/console/settings/email", "host", "mail.example.org", "from", "tocsin@example.org"), {page: "/console/mattermost", route: "/console/mattermost/key"},
		same("/console/webhooks/new", "name", "pager", "form", "json", "url", "https://pager.example.org/x").makes("hook"), same("/console/webhooks/{hook}", "name", "pagers"),
		bare("/console/webhooks/{hook}/secret"),
		same("/console/schedules/s1", "name", "Weeks"), same("/console/policies/esc", "name", "By day"),
		bare("/console/windows/hold", "object", "{object}", "minutes", "30").makes("window"), bare("/console/windows/{window}/end"), bare("/console/windows/{window}/delete"),
		bare("/console/alerts/{alert}/acknowledge", "form", "page", "comment", "mine"), bare("/console/alerts/{alert}/comment", "comment", "looking"), bare("/console/alerts/{alert}/unacknowledge"),
		bare("/console/alerts/acknowledge", "id", "{alert}"), bare("/console/alerts/{alert}/unacknowledge"),

		same("/console/pages/new", "name", "Main", "slug", "main", "zone", "UTC").makes("page"), same("/console/pages/{page}", "name", "The main one"),
		bare("/console/settings/notifications/triggers/{page}", "was", "incident_new"),
		{page: "/console/component-groups/new?page={page}", route: "/console/component-groups/new", fill: []string{"name", "Shop"}, name: "part"},
		{page: "/console/components/new?page={page}", route: "/console/components/new", fill: []string{"name", "Checkout"}, name: "component"},
		{page: "/console/components/new?page={page}", route: "/console/components/new", fill: []string{"name", "Search"}, name: "second"},
		bare("/console/components/{second}/move", "way", "up"), bare("/console/components/{second}/hide", "hidden", "on"),
		bare("/console/components/{component}/state", "state", "partial_outage"),
		bare("/console/components/{component}/delete"), bare("/console/component-groups/{part}/delete"), bare("/console/pages/{page}/delete"),

		bare("/console/account/sessions/end"),
		bare("/console/webhooks/{hook}/delete"), bare("/console/rules/{rule}/delete"), bare("/console/sources/{source}/delete"), bare("/console/periods/{period}/delete"),
		bare("/console/groups/{group}/delete"), bare("/console/contacts/{contact}/delete"), bare("/console/users/{user}/delete"),
		bare("/console/account/password", "current", password, "password", "another quiet evening"),
	}
}

// unwalked are the forms that the walk has not, and why.
func unwalked() map[string]string {
	why := map[string]string{}
	for reason, patterns := range map[string][]string{
		"changes nothing that is kept": {"/alerts/rows", "/sources/{id}/probe", "/sources/{id}/try", "/mattermost/bot", "/mattermost/rooms/{id}/test", "/settings/email/test", "/devices/{id}/test",
			"/webhooks/{id}/test", "/simulate", "/components/matches", "/components/{id}/bindings", "/policies/{id}/steps", "/schedules/{id}/layers", "/incidents/preview", "/incidents/reach"},
		"TestSigningInByAProvider, TestLinkingAnAccount, test/signin and TestWaysInByAPI look at it": {"/account/codes", "/account/confirm", "/account/linked", "/account/unlink", "/account/passkeys/begin",
			"/account/passkeys/finish", "/account/passkeys/{id}", "/account/passkeys/{id}/remove", "/account/sessions/{id}/end", "/users/{id}/sessions/end", "/users/{id}/sessions/{session}/end",
			"/users/{id}/link", "/users/{id}/unlink", "/sign-out"},
		"saves by the very call of the API, whose line TestEveryWritingRouteLeavesALine looks at": {"/mattermost", "/mattermost/rooms/{id}", "/mattermost/rooms/{id}/delete", "/mattermost/people/{id}/unlink",
			"/link/mattermost", "/devices/{id}/remove", "/settings/notifications/keys/{id}/delete", "/windows/{id}", "/schedules/{id}/delete", "/policies/{id}/delete", "/alerts/{id}/snooze", "/alerts/{id}/unsnooze",
			"/alerts/{id}/downtime", "/alerts/{id}/downtime/cancel", "/on-call/override", "/on-call/calendar", "/on-call/calendar/end", "/schedules/{id}/overrides/{override}/end",
			"/incidents/new", "/incidents/{id}/delete", "/incidents/{id}/discard", "/incidents/{id}/draft", "/incidents/{id}/edit", "/incidents/{id}/postmortem", "/incidents/{id}/publish", "/incidents/{id}/update",
			"/incidents/{id}/updates/{update}", "/maintenance/new", "/maintenance/{id}/cancel", "/maintenance/{id}/delete", "/maintenance/{id}/edit", "/maintenance/{id}/extend", "/maintenance/{id}/update",
			"/maintenance/{id}/updates/{update}", "/series/{id}", "/series/{id}/delete", "/templates/{id}", "/templates/{id}/delete", "/component-groups/{id}", "/component-groups/{id}/move", "/components/order", "/components/{id}/follow",
			"/pages/import", "/pages/{id}/logo", "/pages/{id}/logo/remove"},
	} {
		for _, p := range patterns {
			why["POST /console"+p] = reason
		}
	}
	return why
}

func TestEveryFormLeavesALine(t *testing.T) {
	t.Parallel()
	h := planned(t)
	admin := h.as("admin")
	h.as("admin") // which is ended with all other sessions
	newest := func() audit.Entry {
		t.Helper()
		list, _, err := h.db.Trail(t.Context(), audit.Filter{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0]
	}
	ids := []string{"{alert}", h.alert, "{object}", h.object}
	walked := map[string]bool{}
	for _, s := range walk() {
		with := strings.NewReplacer(ids...)
		to := with.Replace(s.route)
		in := url.Values{}
		if s.page != "" {
			in = admin.filled(with.Replace(s.page), with.Replace(strings.SplitN(s.page, "?", 2)[0]))
		}
		for i := 0; i+1 < len(s.fill); i += 2 {
			in.Set(s.fill[i], with.Replace(s.fill[i+1]))
		}
		before := newest()
		res, body := admin.post(to, in)
		if res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d: %s", s.route, res.StatusCode, problems(body))
			continue
		}
		after := newest()
		if after.ID == before.ID || after.Actor.Kind != audit.User || after.Actor.Name != "admin" {
			t.Errorf("%s (%d) leaves no line of its sender: the newest is %s of %s by %s %q: %s", s.route, res.StatusCode, after.Action, after.Subject.Name, after.Actor.Kind, after.Actor.Name, problems(body))
		}
		if s.name != "" {
			ids = append(ids, "{"+s.name+"}", after.Subject.ID)
		}
		walked[pattern(s.route)] = true
	}
	for route := range console.Routes() {
		if !strings.HasPrefix(route, "POST ") || strings.HasSuffix(route, "/check") || walked[route] || unwalked()[route] != "" {
			continue
		}
		t.Errorf("%s is in no walk: send it there, or say in unwalked() why not", route)
	}
}

// pattern is a route as the router has it: whatever is made or named is {id}.
func pattern(route string) string {
	parts := strings.Split(route, "/")
	for i, p := range parts {
		switch {
		case strings.HasPrefix(p, "{"), p == "r1", p == "s1", p == "esc", p == "new" && !strings.Contains(route, "/keys/"):
			parts[i] = "{id}"
		}
	}
	return "POST " + strings.Join(parts, "/")
}
