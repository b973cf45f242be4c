package e2e_test

import (
	"net/url"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/hub"
)

// publicScene makes a public page with something of everything, and answers the
// paths of what belongs to it: in the console, and for everybody.
func (w *world) publicScene() (console, public []string) {
	w.Helper()
	made := func(kind string, body map[string]any) (id, path string) {
		w.Helper()
		var out struct{ ID, URL string }
		w.must(w.hub.Post(w.ctx, "/status/"+kind, body, &out))
		u, err := url.Parse(out.URL)
		w.must(err)
		return out.ID, u.Path
	}
	page, _ := made("pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "Europe/Berlin", "language": "en", "about": "How **we** are doing.", "support": "mailto:help@example.com"})
	group, _ := made("groups", map[string]any{"name": "Shop", "open": true})
	inner, _ := made("groups", map[string]any{"name": "Behind it", "parent_id": group, "open": true})
	site, _ := made("components", map[string]any{"name": "Website", "group_id": group, "about": "Looking and buying", "bindings": []any{map[string]any{"hosts": []string{"web*"}, "incident": "draft"}}})
	orders, _ := made("components", map[string]any{"name": "Orders", "group_id": inner})
	mail, _ := made("components", map[string]any{"name": "Mail"})
	open, openPath := made("incidents", map[string]any{
		"title": "Orders come late", "impact": "major", "body": "We **look into it**:\n\n- the queue\n- the database", "changes": []any{map[string]string{"component_id": orders, "to": "partial_outage"}},
	})
	draft, _ := made("incidents", map[string]any{"title": "The website is slow", "body": "Perhaps.", "draft": true, "components": []string{site}})
	over, overPath := made("incidents", map[string]any{"title": "Mail was away", "body": "It is back.", "phase": "resolved", "components": []string{mail}})
	w.must(w.hub.Call(w.ctx, "PUT", "/status/incidents/"+over+"/postmortem", w.hub.Key, map[string]any{"postmortem": "## Why\n\nA disk was full."}, nil))
	tomorrow := time.Now().Add(24 * time.Hour)
	work, workPath := made("maintenance", map[string]any{"title": "New memory", "body": "A few minutes.", "components": []string{mail}, "start": tomorrow, "end": tomorrow.Add(time.Hour)})
	series, _ := made("series", map[string]any{"title": "Updates", "body": "Short breaks.", "rule": "FREQ=MONTHLY;BYDAY=1SU", "zone": "Europe/Berlin", "start": tomorrow, "minutes": 30, "components": []string{site}})
	template, _ := made("templates", map[string]any{"name": "First word", "title": "It is slow", "body": "We look into it.", "phase": "investigating", "impact": "minor"})

	const at = "/console/incidents/"
	console = []string{
		at[:len(at)-1], "/console/templates", "/console/maintenance", "/console/components", "/console/pages", at + "new", at + open, at + open + "/update", at + open + "/edit", at + open + "/delete", at + draft + "/draft", at + over, at + over + "/postmortem", "/console/templates/" + template,
		"/console/maintenance/" + work, "/console/maintenance/" + work + "/edit", "/console/maintenance/" + work + "/cancel", "/console/series/" + series, "/console/pages/" + page, "/console/components/" + site, "/console/component-groups/" + group, "/console/components/" + site + "/state", "/console/components/" + site + "/delete", "/console/pages/" + page + "/delete",
	}
	return console, []string{"/", "/de/", "/history", "/uptime", "/subscribe", "/embed", openPath, overPath, workPath}
}

// A public page and the pages of the console that make it, with something of
// everything on them, each in one way: test/browser has such pages in two.
func TestPublicPagesHaveNoBarriers(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("anna", "admin")
	w.serve()
	console, public := w.publicScene()
	anna := w.sit("anna", browser.Chromium, browser.Granted)
	anna.signIn()
	for _, path := range append(public, console...) {
		w.must(anna.tab.Go(w.ctx, w.hub.URL+path))
		var there bool
		w.must(anna.tab.Eval(w.ctx, "performance.getEntriesByType('navigation')[0].responseStatus === 200", &there))
		if !there {
			t.Errorf("%s is not there", path)
			continue
		}
		w.glance(anna.tab, path)
	}
}
