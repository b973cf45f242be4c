package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/test/database"
)

// makes posts something and answers its id.
func (h *hub) makes(key any, path, body string) string {
	h.Helper()
	got := h.call("POST", "/api/v1"+path, key, body)
	if got.status != http.StatusCreated {
		h.Fatalf("POST %s: %d %s", path, got.status, got.body)
	}
	return got.field(h.T, "id")
}

// weekly is a schedule of one layer that hands over each Monday.
func weekly(name string, people ...string) string {
	return fmt.Sprintf(`{"name":%q,"zone":"Europe/Berlin","layers":[{"name":"Week","contact_ids":["%s"],"start":"2026-01-05T09:00","every":1,"unit":"weeks"}]}`, name, strings.Join(people, `","`))
}

func TestWhoIsOnCallIsSaidByTheAPI(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	ann, ben := h.makes(key, "/contacts", `{"name":"ann","display_name":"Ann"}`), h.makes(key, "/contacts", `{"name":"ben"}`)
	id := h.makes(key, "/schedules", weekly("Servers", ann, ben))
	h.call("POST", "/api/v1/schedules", key, weekly("servers", ann)).want(t, "the name again", http.StatusConflict, "body.name")

	at := h.call("GET", "/api/v1/on-call?at=2026-03-30T06:59:00Z", key, "") // the Monday after the change to summer time, 08:59
	for path, want := range map[string]string{
		"items.0.schedule": "Servers", "items.0.zone": "Europe/Berlin", "items.0.now.contact": "ben", "items.0.until": "2026-03-30T07:00:00Z",
		"items.0.next.contact": "Ann", "items.0.next.to": "2026-04-06T07:00:00Z", "items.0.now.layer": "Week",
	} {
		if got := at.field(t, path); got != want {
			t.Errorf("%s is %q, want %q: %s", path, got, want, at.body)
		}
	}
	shifts := h.call("GET", "/api/v1/schedules/"+id+"/shifts?from=2026-03-22T00:00:00Z&to=2026-04-01T00:00:00Z", key, "")
	if shifts.field(t, "items.0.contact") != "Ann" || shifts.field(t, "items.1.from") != "2026-03-23T08:00:00Z" || shifts.field(t, "items.2.from") != "2026-03-30T07:00:00Z" || shifts.field(t, "items.3.from") != "" {
		t.Errorf("shifts %s", shifts.body)
	}
	for query, detail := range map[string]string{"from=2026-03-22T00:00:00Z&to=2026-03-22T00:00:00Z": "not after", "from=2026-01-01T00:00:00Z&to=2029-01-01T00:00:00Z": "400 days"} {
		got := h.call("GET", "/api/v1/schedules/"+id+"/shifts?"+query, key, "")
		got.want(t, query, http.StatusUnprocessableEntity, "")
		if !strings.Contains(got.body, detail) {
			t.Error(got.body)
		}
	}

	t.Run("somebody stands in, and stops", func(t *testing.T) {
		now := time.Now().UTC()
		body := fmt.Sprintf(`{"contact_id":%q,"to":%q,"note":"dentist"}`, ben, now.Add(time.Hour).Format(time.RFC3339))
		path := "/api/v1/schedules/" + id + "/overrides"
		made := h.call("POST", path, key, body)
		made.want(t, "an override", http.StatusCreated, "")
		got := h.call("GET", "/api/v1/on-call", key, "")
		if got.field(t, "items.0.now.contact") != "ben" || got.field(t, "items.0.now.override_id") != made.field(t, "id") || got.field(t, "items.0.now.note") != "dentist" {
			t.Errorf("%s", got.body)
		}
		if by := h.call("GET", "/api/v1/schedules/"+id, key, "").field(t, "overrides.0.by"); by == "" {
			t.Error("who made it is not kept")
		}
		if got := h.call("PUT", "/api/v1/schedules/"+id, key, weekly("Servers", ann, ben)); got.field(t, "overrides.0.id") != made.field(t, "id") {
			t.Errorf("a change of the schedule lost its overrides: %s", got.body)
		}
		if got := h.call("DELETE", path+"/"+made.field(t, "id"), key, ""); got.status != http.StatusNoContent {
			t.Errorf("%d %s", got.status, got.body)
		}
		h.call("DELETE", path+"/"+made.field(t, "id"), key, "").want(t, "again", http.StatusNotFound, "")
		if got := h.call("GET", "/api/v1/on-call", key, "").field(t, "items.0.now.override_id"); got != "" {
			t.Error("it goes on")
		}
		for location, body := range map[string]string{
			"body.to":         fmt.Sprintf(`{"contact_id":%q,"to":"2020-01-01T00:00:00Z"}`, ben),
			"body.contact_id": fmt.Sprintf(`{"contact_id":"nobody","to":%q}`, now.Add(time.Hour).Format(time.RFC3339)),
		} {
			h.call("POST", path, key, body).want(t, location, http.StatusUnprocessableEntity, location)
		}
	})

	t.Run("what is perhaps not meant is said", func(t *testing.T) {
		got := h.call("POST", "/api/v1/schedules", key, fmt.Sprintf(`{"name":"Gaps","layers":[
			{"name":"Night","contact_ids":[%q],"start":"2026-01-05T00:00","every":1,"unit":"days","weekdays":{"monday":[{"from":"00:00","to":"12:00"}]}},
			{"name":"Day","contact_ids":[%q],"start":"2026-01-05T00:00","every":1,"unit":"days","weekdays":{"monday":[{"from":"08:00","to":"18:00"}]}},
			{"name":"Lost","contact_ids":[%q],"start":"2026-01-05T00:00","every":1,"unit":"weeks","weekdays":{"monday":[{"from":"20:00","to":"21:00"}]}},
			{"name":"Top","contact_ids":[%q],"start":"2026-01-05T00:00","every":1,"unit":"weeks","weekdays":{"monday":[{"from":"20:00","to":"21:00"}]}}]}`, ann, ben, ann, ben))
		got.want(t, "gaps", http.StatusCreated, "")
		kinds := map[string]string{}
		for i := range 10 {
			if k := got.field(t, fmt.Sprintf("warnings.%d.kind", i)); k != "" {
				kinds[k] += got.field(t, fmt.Sprintf("warnings.%d.field", i)) + " "
			}
		}
		if _, gap := kinds["gap"]; !gap || kinds["overlap"] != "layers[0] layers[2] " || kinds["hidden"] != "layers[2] " {
			t.Errorf("warnings %v of %s", kinds, got.body)
		}
	})
}

func TestWhatRefersToNothingIsRefusedWithItsField(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	ann := h.makes(key, "/contacts", `{"name":"ann"}`)
	group := h.makes(key, "/groups", fmt.Sprintf(`{"name":"ops","contact_ids":[%q]}`, ann))
	for location, call := range map[string][2]string{
		"body.steps[1].group_ids[0]":    {"/policies", fmt.Sprintf(`{"name":"p","steps":[{"after_minutes":5,"group_ids":[%q]},{"after_minutes":5,"group_ids":["gone"]}]}`, group)},
		"body.steps[0].schedule_ids[0]": {"/policies", `{"name":"p","steps":[{"after_minutes":5,"schedule_ids":["gone"]}]}`},
		"body.steps[0].hooks[0]":        {"/policies", `{"name":"p","steps":[{"after_minutes":5,"hooks":["gone"]}]}`},
		"body.steps[0].rooms[0]":        {"/policies", `{"name":"p","steps":[{"after_minutes":5,"rooms":["gone"]}]}`},
		"body.steps[0].channels[0]":     {"/policies", fmt.Sprintf(`{"name":"p","steps":[{"after_minutes":5,"group_ids":[%q],"channels":["fax"]}]}`, group)},
		"body.steps[0]":                 {"/policies", `{"name":"p","steps":[{"after_minutes":5}]}`},
		"body.steps":                    {"/policies", `{"name":"p"}`},
		"body.layers[0].contact_ids":    {"/schedules", `{"name":"s","layers":[{"contact_ids":[],"start":"2026-01-05T09:00","every":1,"unit":"weeks"}]}`},
		"body.layers[0].contact_ids[1]": {"/schedules", weekly("s", ann, "gone")},
		"body.zone":                     {"/schedules", `{"name":"s","zone":"Mars/Base"}`},
		"body.schedule_ids[0]":          {"/groups", `{"name":"g","schedule_ids":["gone"]}`},
		"body.policy_id":                {"/rules", fmt.Sprintf(`{"name":"r","contact_ids":[%q],"policy_id":"gone"}`, ann)},
		"body.hooks[0]":                 {"/rules", `{"name":"r","hooks":["gone"]}`},
		"body.quiet_period_id":          {"/contacts", `{"name":"c","quiet_period_id":"gone"}`},
		"body.hook":                     {"/contacts", `{"name":"c","hook":"gone"}`},
		"body.source_ids[0]":            {"/windows", `{"name":"w","start":"2026-11-28T22:00","minutes":60,"source_ids":["gone"]}`},
		"body.page.page_id":             {"/windows", `{"name":"w","start":"2026-11-28T22:00","minutes":60,"page":{"page_id":"gone","title":"t","body":"b"}}`},
		"body.rrule":                    {"/windows", `{"name":"w","start":"2026-11-28T22:00","minutes":60,"rrule":"FREQ=SECONDLY"}`},
	} {
		got := h.call("POST", "/api/v1"+call[0], h.key2(t, auth.WriteConfig, auth.ReadConfig, auth.Publish), call[1])
		got.want(t, location, http.StatusUnprocessableEntity, location)
		if msg := got.field(t, "errors.0.message"); !strings.Contains(msg, ";") {
			t.Errorf("%s: %q says no mend", location, msg)
		}
	}
	t.Run("what is used stays", func(t *testing.T) {
		s := h.makes(key, "/schedules", weekly("Servers", ann))
		p := h.makes(key, "/policies", fmt.Sprintf(`{"name":"Night","steps":[{"after_minutes":5,"schedule_ids":[%q]}],"remind_minutes":10}`, s))
		h.makes(key, "/rules", fmt.Sprintf(`{"name":"r","contact_ids":[%q],"policy_id":%q}`, ann, p))
		for _, path := range []string{"/schedules/" + s, "/policies/" + p} {
			h.call("DELETE", "/api/v1"+path, key, "").want(t, path, http.StatusConflict, "")
		}
	})
}

// key2 is a key of its own for scopes that another one has, too.
func (h *hub) key2(t *testing.T, scopes ...auth.Scope) string {
	t.Helper()
	_, key, err := h.app.Auth().AddKey(t.Context(), fmt.Sprintf("%v %d", scopes, keys.Add(1)), scopes, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var keys atomic.Int64

func TestAWindowIsAMaintenanceOnItsPage(t *testing.T) {
	for name, settings := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"TOCSIN_DATABASE_URL=" + database.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			h := startPushHub(t, settings()...)
			page, parts := h.publicPage("main", "Mail")
			key := h.key(auth.WriteConfig, auth.ReadConfig, auth.Publish)
			start := time.Now().UTC().Add(48 * time.Hour).Truncate(time.Minute)
			body := func(name, rrule, title, page string, enabled bool) string {
				return fmt.Sprintf(`{"name":%q,"enabled":%v,"start":%q,"minutes":90,"rrule":%q,"hosts":["mail*"],"page":{"page_id":%q,"title":%q,"body":"We work on it.","component_ids":[%q]}}`,
					name, enabled, start.Format("2006-01-02T15:04"), rrule, page, title, parts[0])
			}
			got := h.call("POST", "/api/v1/windows", key, body("Patches", "", "Patching", page, true))
			got.want(t, "a window", http.StatusCreated, "")
			id, shown := got.field(t, "id"), got.field(t, "page.maintenance_id")
			m := h.call("GET", "/api/v1/status/maintenance/"+shown, key, "")
			if m.field(t, "title") != "Patching" || m.field(t, "start") != start.Format(time.RFC3339) || m.field(t, "end") != start.Add(90*time.Minute).Format(time.RFC3339) || m.field(t, "phase") != "scheduled" ||
				m.field(t, "components.0") != parts[0] || got.field(t, "page.pending") != "false" || got.field(t, "by") == "" || got.field(t, "next.0.from") != start.Format(time.RFC3339) {
				t.Fatalf("%s\n%s", got.body, m.body)
			}
			again := h.call("PUT", "/api/v1/windows/"+id, key, body("Patches", "", "Patching mail", page, true))
			if again.field(t, "page.maintenance_id") != shown || h.call("GET", "/api/v1/status/maintenance/"+shown, key, "").field(t, "title") != "Patching mail" {
				t.Errorf("a change: %s", again.body)
			}
			t.Run("what an editor changed on the page stays while the window's public side does", func(t *testing.T) {
				edit := fmt.Sprintf(`{"title":"By hand","start":%q,"end":%q}`, start.Format(time.RFC3339), start.Add(90*time.Minute).Format(time.RFC3339))
				h.call("PUT", "/api/v1/status/maintenance/"+shown, key, edit).want(t, "edit", http.StatusOK, "")
				h.call("PUT", "/api/v1/windows/"+id, key, strings.Replace(body("Patches", "", "Patching mail", page, true), `"mail*"`, `"mx*"`, 1)).want(t, "save", http.StatusOK, "")
				if title := h.call("GET", "/api/v1/status/maintenance/"+shown, key, "").field(t, "title"); title != "By hand" {
					t.Errorf("it is %q again", title)
				}
			})
			t.Run("what a crash left pending is mended", func(t *testing.T) {
				db := h.app.Store()
				w, err := db.Window(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				w.Page.Pending, w.Page.Title, w.Page.MaintenanceID = true, "By hand", "" // made on the page, and killed before it was kept
				w.Page.ComponentIDs = nil
				if err := db.SaveWindow(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				if err := h.app.MendWindows(t.Context()); err != nil {
					t.Fatal(err)
				}
				if w, err = db.Window(t.Context(), id); err != nil || w.Page.Pending || w.Page.MaintenanceID != shown {
					t.Errorf("%+v %v", w.Page, err)
				}
				if all := h.call("GET", "/api/v1/status/maintenance?page=main", key, ""); all.field(t, "items.1.id") != "" {
					t.Errorf("it was made twice: %s", all.body)
				}
			})
			t.Run("one that comes again is a series", func(t *testing.T) {
				got := h.call("PUT", "/api/v1/windows/"+id, key, body("Patches", "FREQ=WEEKLY", "Patching", page, true))
				got.want(t, "series", http.StatusOK, "")
				series := got.field(t, "page.maintenance_id")
				if s := h.call("GET", "/api/v1/status/series/"+series, key, ""); s.field(t, "rule") != "FREQ=WEEKLY" {
					t.Errorf("%s", s.body)
				}
				if phase := h.call("GET", "/api/v1/status/maintenance/"+shown, key, "").field(t, "phase"); phase != "cancelled" {
					t.Errorf("the one before is %s", phase)
				}
				h.call("PUT", "/api/v1/windows/"+id, key, body("Patches", "FREQ=WEEKLY", "Patching", page, false)).want(t, "off", http.StatusOK, "")
				h.call("GET", "/api/v1/status/series/"+series, key, "").want(t, "switched off", http.StatusNotFound, "")
				h.call("PUT", "/api/v1/windows/"+id, key, body("Patches", "FREQ=WEEKLY", "Patching", page, true)).want(t, "on", http.StatusOK, "")
			})
			t.Run("two nodes announce once what was left pending", func(t *testing.T) {
				db := h.app.Store()
				w, err := db.Window(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				w.ID, w.Name, w.Page.Title = "left-pending", "Left", "Left pending" // killed before the page was changed
				w.Page.Pending, w.Page.MaintenanceID = true, ""
				if err := db.SaveWindow(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				if err := h.app.MendWindowsOnTwoNodes(t.Context()); err != nil {
					t.Fatal(err)
				}
				all := h.call("GET", "/api/v1/status/series?page=main", key, "")
				if w, err = db.Window(t.Context(), w.ID); err != nil || w.Page.Pending || strings.Count(all.body, "Left pending") != 1 {
					t.Errorf("%+v %v: %s", w.Page, err, all.body)
				}
				h.call("DELETE", "/api/v1/windows/"+w.ID, key, "").want(t, "deleted", http.StatusNoContent, "")
			})
			t.Run("what the page's desk refuses changes nothing", func(t *testing.T) {
				bad := strings.Replace(body("Bad", "", strings.Repeat("x", 150), page, true), start.Format("2006"), "9000", 1)
				got := h.call("POST", "/api/v1/windows", key, bad)
				got.want(t, "far away", http.StatusUnprocessableEntity, "body.start")
				if all := h.call("GET", "/api/v1/windows", key, ""); strings.Contains(all.body, `"Bad"`) {
					t.Errorf("it is kept: %s", all.body)
				}
			})
			h.call("PUT", "/api/v1/windows/"+id, h.key2(t, auth.WriteConfig, auth.ReadConfig), body("Patches", "", "x", page, true)).want(t, "without the scope", http.StatusForbidden, "")
			if got := h.call("DELETE", "/api/v1/windows/"+id, key, ""); got.status != http.StatusNoContent {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if all := h.call("GET", "/api/v1/status/series?page=main", key, ""); all.field(t, "items.0.id") != "" {
				t.Errorf("left on the page: %s", all.body)
			}
		})
	}
}

func TestAWebhooksSecretsAreNotShown(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	var heard atomic.Value
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { heard.Store(r.URL.Path); w.WriteHeader(http.StatusOK) }))
	defer receiver.Close()
	got := h.call("POST", "/api/v1/webhooks", admin, fmt.Sprintf(`{"name":"Phone","form":"json","url":"%s/very-secret-path","secret":"signing-secret","token":"token-secret","private":true}`, receiver.URL))
	got.want(t, "a webhook", http.StatusCreated, "")
	id := got.field(t, "id")
	for _, a := range []answer{got, h.call("GET", "/api/v1/webhooks", admin, ""), h.call("GET", "/api/v1/webhooks/"+id, admin, "")} {
		if strings.Contains(a.body, "secret-") || strings.Contains(a.body, "-secret") || !strings.Contains(a.body, `"has_url":true`) {
			t.Errorf("%s", a.body)
		}
	}
	tried := h.call("POST", "/api/v1/webhooks/"+id+"/test", admin, "")
	if tried.field(t, "ok") != "true" || heard.Load() != "/very-secret-path" || strings.Contains(tried.body, "very-secret") {
		t.Errorf("%v %s", heard.Load(), tried.body)
	}
	h.call("PUT", "/api/v1/webhooks/"+id, admin, `{"name":"Phone","form":"json","private":true,"everything":true}`).want(t, "secrets left out", http.StatusOK, "")
	kept, err := h.app.Store().Hook(t.Context(), id)
	if err != nil || kept.Token != "token-secret" || kept.Secret != "signing-secret" || !kept.Everything {
		t.Errorf("%+v %v", kept, err)
	}
	h.call("PUT", "/api/v1/webhooks/"+id, admin, `{"name":"Phone","form":"json","url":"https://elsewhere.example.org/x"}`).want(t, "a token for another server", http.StatusUnprocessableEntity, "body.token")
	h.call("POST", "/api/v1/webhooks", admin, `{"name":"x","form":"fields","url":"https://example.org/","template":{"a":"{{nothing}}"}}`).want(t, "a template", http.StatusUnprocessableEntity, "")
}

func TestACalendarIsKnownByItsAddressAlone(t *testing.T) {
	h := startHub(t)
	user := h.user("vera", auth.Viewer)
	vera, key := h.cookie("vera"), h.key(auth.WriteConfig, auth.ReadConfig)
	mine := h.makes(key, "/contacts", fmt.Sprintf(`{"name":"vera","display_name":"Vera, of Ops","user_id":%q}`, user))
	other := h.makes(key, "/contacts", `{"name":"ben"}`)
	h.makes(key, "/schedules", weekly("Servers; all", mine, other))

	h.call("POST", "/api/v1/contacts/"+other+"/calendar", vera, "").want(t, "another one's", http.StatusForbidden, "")
	if got := h.call("GET", "/api/v1/contacts/"+mine+"/calendar", vera, ""); got.field(t, "made") != "" {
		t.Errorf("%s", got.body)
	}
	made := h.call("POST", "/api/v1/contacts/"+mine+"/calendar", vera, "")
	made.want(t, "my own", http.StatusCreated, "")
	path := strings.TrimPrefix(made.field(t, "url"), h.url)
	got := h.call("GET", path, nil, "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/calendar; charset=utf-8" || got.header.Get("X-Robots-Tag") == "" || !strings.Contains(got.header.Get("Cache-Control"), "private") {
		t.Fatalf("%d %v", got.status, got.header)
	}
	unfolded := strings.ReplaceAll(got.body, "\r\n ", "")
	now := time.Now()
	n := strings.Count(unfolded, "BEGIN:VEVENT")
	if n < 18 || n > 21 || !strings.Contains(unfolded, `SUMMARY:On call: Servers\; all`) || !strings.Contains(unfolded, `X-WR-CALNAME:On call: Vera\, of Ops`) || strings.Contains(unfolded, "ben") {
		t.Errorf("%d events about 270 days by every other week: %s", n, unfolded)
	}
	for _, line := range strings.Split(unfolded, "\r\n") {
		if begin, ok := strings.CutPrefix(line, "DTSTART:"); ok {
			at, err := time.Parse("20060102T150405Z", begin)
			if err != nil || at.Before(now.AddDate(0, 0, -97)) || at.After(now.AddDate(0, 0, 181)) {
				t.Errorf("%s %v", line, err)
			}
		}
	}
	if same := h.call("GET", path, nil, "", "If-None-Match", got.header.Get("ETag")); same.status != http.StatusNotModified || same.body != "" {
		t.Errorf("unchanged: %d %s", same.status, same.body)
	}
	if head := h.call("HEAD", path, nil, ""); head.status != http.StatusOK || head.body != "" {
		t.Errorf("HEAD: %d", head.status)
	}
	h.call("POST", path, nil, "{}").wantText(t, http.StatusMethodNotAllowed)

	newer := strings.TrimPrefix(h.call("POST", "/api/v1/contacts/"+mine+"/calendar", vera, "").field(t, "url"), h.url)
	h.call("GET", path, nil, "").wantText(t, http.StatusNotFound)
	if again := h.call("GET", newer, nil, ""); again.body != got.body || again.header.Get("ETag") != got.header.Get("ETag") {
		t.Error("another address, another calendar")
	}
	for _, wrong := range []string{"/oncall/", "/oncall/x.ics", "/oncall/tc_" + strings.Repeat("x", 43) + ".ics", "/oncall/" + strings.Repeat("x", 5000), strings.Replace(newer, "tc_", "tc_"+newer[len(newer)-5:len(newer)-4], 1), strings.TrimSuffix(newer, ".ics")} {
		h.call("GET", wrong, nil, "").wantText(t, http.StatusNotFound)
	}
	off := true
	if _, err := h.app.Auth().ChangeUser(t.Context(), user, auth.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	h.call("GET", newer, nil, "").wantText(t, http.StatusNotFound)
	off = false
	if _, err := h.app.Auth().ChangeUser(t.Context(), user, auth.UserChange{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	h.call("GET", newer, nil, "").wantText(t, http.StatusOK)
	h.call("PUT", "/api/v1/contacts/"+mine, key, fmt.Sprintf(`{"name":"vera","user_id":%q}`, user)).want(t, "another name", http.StatusOK, "")
	h.call("GET", newer, nil, "").wantText(t, http.StatusOK)
	if got := h.call("DELETE", "/api/v1/contacts/"+mine+"/calendar", key, ""); got.status != http.StatusNoContent {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.call("GET", newer, nil, "").wantText(t, http.StatusNotFound)
	limited := 0
	for range 300 {
		if h.call("GET", newer, nil, "").status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Error("whoever tries addresses is never slowed down")
	}
}

func (a answer) wantText(t *testing.T, status int) {
	t.Helper()
	if a.status != status || strings.Contains(a.body, "tc_") {
		t.Errorf("%d %s, want %d", a.status, a.body, status)
	}
}

func TestEventsAreTriedWithoutTellingAnybody(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig, auth.ReadAlerts)
	user := h.user("ann", auth.Operator)
	ann := h.makes(key, "/contacts", fmt.Sprintf(`{"name":"ann","display_name":"Ann","user_id":%q}`, user))
	h.makes(key, "/rules", fmt.Sprintf(`{"name":"All","contact_ids":[%q]}`, ann))
	body, err := json.Marshal(map[string]any{"events": `{"type":"PROBLEM","host":"web01","service":"HTTP","state":2,"output":"down"}`, "source": "lab"})
	if err != nil {
		t.Fatal(err)
	}
	got := h.call("POST", "/api/v1/simulate", key, string(body))
	got.want(t, "a simulation", http.StatusOK, "")
	if got.field(t, "people.0.contact") != "Ann" || got.field(t, "people.0.told") != "1" {
		t.Errorf("%s", got.body)
	}
	if all := h.call("GET", "/api/v1/alerts", key, ""); all.field(t, "items.0.id") != "" {
		t.Errorf("it left something: %s", all.body)
	}
	h.call("POST", "/api/v1/simulate", key, `{"events":"{\"type\":"}`).want(t, "no JSON", http.StatusUnprocessableEntity, "body.events")
	h.call("POST", "/api/v1/simulate", key, `{}`).want(t, "nothing", http.StatusUnprocessableEntity, "")
	h.call("POST", "/api/v1/simulate", h.key2(t, auth.WriteConfig), string(body)).want(t, "without alerts:read", http.StatusForbidden, "")
	if got := h.call("POST", "/api/v1/simulate", key, `{"events":"`+strings.Repeat("x", 6<<20)+`"}`); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too much: %d", got.status)
	}
}

func TestAnAlertShowsHowFarItsPolicyIs(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig, auth.ReadAlerts, auth.AckAlerts)
	ann := h.makes(key, "/contacts", `{"name":"ann"}`)
	p := h.makes(key, "/policies", fmt.Sprintf(`{"name":"Night","steps":[{"after_minutes":15,"contact_ids":[%q]}],"remind_minutes":5}`, ann))
	h.makes(key, "/rules", fmt.Sprintf(`{"name":"All","contact_ids":[%q],"policy_id":%q}`, ann, p))
	id := h.tell(`{"type":"PROBLEM","host":"web01","service":"HTTP","state":2}`)
	got := h.call("GET", "/api/v1/alerts/"+id, key, "")
	if got.field(t, "escalation.policy") != "Night" || got.field(t, "escalation.step") != "0" || got.field(t, "escalation.next") == "" || got.field(t, "escalation.reminder") == "" {
		t.Errorf("%s", got.body)
	}
	h.call("POST", "/api/v1/alerts/"+id+"/acknowledge", key, `{}`).want(t, "ack", http.StatusOK, "")
	if got := h.call("GET", "/api/v1/alerts/"+id, key, ""); got.field(t, "escalation") != "" {
		t.Errorf("it goes on: %s", got.body)
	}
}

func TestSystemHealthKnowsWhoIsOnCall(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	ann := h.makes(key, "/contacts", `{"name":"ann"}`)
	s := h.makes(key, "/schedules", fmt.Sprintf(`{"name":"Later","layers":[{"contact_ids":[%q],"start":"2090-01-05T09:00","every":1,"unit":"weeks"}]}`, ann))
	health := func() string { return h.call("GET", "/api/v1/health", key, "").body }
	if strings.Contains(health(), "Nobody is on call") {
		t.Error("nothing leads to that schedule")
	}
	p := h.makes(key, "/policies", fmt.Sprintf(`{"name":"Night","steps":[{"after_minutes":15,"schedule_ids":[%q]}]}`, s))
	h.makes(key, "/rules", fmt.Sprintf(`{"name":"All","contact_ids":[%q],"policy_id":%q}`, ann, p))
	h.await("the warnings", func() bool {
		got := health()
		return strings.Contains(got, "Nobody is on call in “Later”") && strings.Contains(got, "“Night” leads to nobody at any step")
	})
	h.call("POST", "/api/v1/schedules/"+s+"/overrides", key, fmt.Sprintf(`{"contact_id":%q,"to":%q}`, ann, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))).want(t, "an override", http.StatusCreated, "")
	h.await("that all is well", func() bool { return !strings.Contains(health(), "obody") })
}
