package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/web/api"
	"tocsin/test/database"
)

// house is the API over a real database, with a key that may do everything at
// public pages.
type house struct {
	*testing.T
	db  *store.DB
	who *auth.Service
	api http.Handler
	key string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: database.SQLite(t), Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	who, err := auth.NewService(db, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	desk, err := publish.New(db, publish.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, db: db, who: who, api: api.New(api.Deps{Store: db, Auth: who, Desk: desk, Status: db, BaseURL: "https://hub.example.com"})}
	h.key = h.newKey("all", auth.ReadConfig, auth.WriteConfig, auth.Publish, auth.Administer)
	return h
}

func (h *house) newKey(name string, scopes ...auth.Scope) string {
	h.Helper()
	_, key, err := h.who.AddKey(h.Context(), name, scopes, time.Time{})
	if err != nil {
		h.Fatal(err)
	}
	return key
}

// said is an answer.
type said struct {
	status int
	text   string
	header http.Header
	value  map[string]any
}

func (h *house) call(route, body string, headers ...string) said {
	h.Helper()
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequestWithContext(h.Context(), method, api.Prefix+"/status"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+h.key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	out := said{status: w.Code, text: w.Body.String(), header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out.value); err != nil {
			h.Fatalf("%s: no JSON: %s", route, w.Body)
		}
	}
	return out
}

// must wants a status.
func (h *house) must(status int, route, body string, headers ...string) said {
	h.Helper()
	got := h.call(route, body, headers...)
	if got.status != status {
		h.Fatalf("%s %s: answer %d %s, want %d", route, body, got.status, got.text, status)
	}
	return got
}

// at is a field of an answer: "items.0.id".
func (a said) at(path string) string {
	var v any = a.value
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (h *house) is(what, got, want string) {
	h.Helper()
	if got != want {
		h.Errorf("%s is %q, want %q", what, got, want)
	}
}

// furnished is a house with a page, and the ids of two components of it.
func furnished(t *testing.T) (h *house, web, mail string) {
	t.Helper()
	h = newHouse(t)
	h.must(http.StatusCreated, "POST /pages", `{"slug":"main","name":"Example","zone":"Europe/Berlin"}`)
	web = h.must(http.StatusCreated, "POST /components", `{"name":"Web"}`).at("id")
	mail = h.must(http.StatusCreated, "POST /components", `{"page":"main","name":"Mail"}`).at("id")
	return h, web, mail
}

func TestPagesAreMadeChangedAndDeleted(t *testing.T) {
	h := newHouse(t)
	h.must(http.StatusConflict, "GET /components", "")
	main := h.must(http.StatusCreated, "POST /pages", `{"slug":"main","name":" Example ","zone":"Europe/Berlin","host":"Status.Example.com"}`)
	h.is("id", main.at("id"), "main")
	h.is("name", main.at("name"), "Example")
	h.is("host", main.at("host"), "status.example.com")
	h.is("url", main.at("url"), "https://status.example.com/")
	h.is("triggers", main.at("triggers.incident_new")+main.at("triggers.component_down"), "truefalse")
	inner := h.must(http.StatusCreated, "POST /pages", `{"slug":"inner","name":"Inner","zone":"UTC","private":{"password":"correct horse","networks":["10.0.0.0/8"]}}`)
	h.is("private", inner.at("private.has_password")+inner.at("private.networks.0"), "true10.0.0.0/8")
	if strings.Contains(inner.text, "argon2") || strings.Contains(inner.text, "correct horse") {
		t.Errorf("a secret is told: %s", inner.text)
	}
	t.Run("what is left out of private stays", func(t *testing.T) {
		got := h.must(http.StatusOK, "PUT /pages/inner", `{"slug":"inner","name":"Inner 2","zone":"UTC"}`)
		h.is("password", got.at("private.has_password")+got.at("name"), "trueInner 2")
		got = h.must(http.StatusOK, "PUT /pages/inner", `{"slug":"inner","name":"Inner","zone":"UTC","private":{"password":""}}`)
		h.is("private", got.at("private.has_password")+got.at("private.networks.0"), "false")
	})
	t.Run("its triggers are its own", func(t *testing.T) {
		got := h.must(http.StatusOK, "PUT /pages/inner/triggers", `{"component_down":true,"incident_update":false}`)
		h.is("triggers", got.at("component_down")+got.at("incident_update")+got.at("incident_new"), "truefalsetrue")
		h.is("kept", h.must(http.StatusOK, "GET /pages/inner/triggers", "").at("component_down"), "true")
		h.is("of the other", h.must(http.StatusOK, "GET /pages/main/triggers", "").at("component_down"), "false")
	})
	t.Run("its logo is a picture", func(t *testing.T) {
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
			t.Fatal(err)
		}
		h.must(http.StatusNoContent, "PUT /pages/main/logo", picture.String(), "Content-Type", "image/png")
		h.is("logo", h.must(http.StatusOK, "GET /pages/main", "").at("has_logo"), "true")
		h.must(http.StatusUnprocessableEntity, "PUT /pages/main/logo", `<svg onload="alert(1)"/>`, "Content-Type", "image/svg+xml")
		h.must(http.StatusUnprocessableEntity, "PUT /pages/main/logo", strings.Repeat("x", 300<<10), "Content-Type", "image/png")
		h.must(http.StatusNoContent, "DELETE /pages/main/logo", "")
		h.is("logo", h.must(http.StatusOK, "GET /pages/main", "").at("has_logo"), "false")
	})
	t.Run("names are nobody else's", func(t *testing.T) {
		got := h.must(http.StatusConflict, "POST /pages", `{"slug":"main","name":"x","zone":"UTC"}`)
		h.is("location", got.at("errors.0.location"), "body.slug")
		got = h.must(http.StatusConflict, "PUT /pages/inner", `{"slug":"inner","name":"x","zone":"UTC","host":"status.example.com"}`)
		h.is("location", got.at("errors.0.location"), "body.host")
	})
	h.must(http.StatusConflict, "DELETE /pages/main", "")
	h.must(http.StatusNoContent, "DELETE /pages/inner", "")
	h.must(http.StatusNotFound, "GET /pages/inner", "")
	h.is("the trail stays", h.must(http.StatusOK, "GET /audit?page="+inner.at("id")+"&limit=1", "").at("items.0.what"), "page.delete")
}

func TestGroupsAndComponentsAreArranged(t *testing.T) {
	h, web, mail := furnished(t)
	eu := h.must(http.StatusCreated, "POST /groups", `{"name":"Europe"}`).at("id")
	de := h.must(http.StatusCreated, "POST /groups", `{"name":"Germany","parent_id":"`+eu+`","open":true}`).at("id")
	got := h.must(http.StatusUnprocessableEntity, "POST /groups", `{"name":"Berlin","parent_id":"`+de+`"}`)
	h.is("location", got.at("errors.0.location"), "body.parent_id")
	h.must(http.StatusOK, "PUT /components/"+web, `{"name":"Web","group_id":"`+de+`","about":"The site","hidden":true}`)
	h.must(http.StatusNoContent, "PUT /pages/main/order", `{"groups":[{"id":"`+de+`"},{"id":"`+eu+`"}],"components":[{"id":"`+mail+`","group_id":"`+de+`"},{"id":"`+web+`"}]}`)
	groups, parts := h.must(http.StatusOK, "GET /groups", ""), h.must(http.StatusOK, "GET /components?page=main", "")
	h.is("groups", groups.at("items.0.id")+groups.at("items.0.parent_id"), de)
	h.is("components", parts.at("items.0.id")+parts.at("items.0.group_id")+parts.at("items.1.id")+parts.at("items.1.group_id"), mail+de+web)
	got = h.must(http.StatusUnprocessableEntity, "PUT /pages/main/order", `{"components":[{"id":"made up"}]}`)
	h.is("location", got.at("errors.0.location"), "body.components[0]")
	h.must(http.StatusOK, "PUT /groups/"+de, `{"name":"Germany","about":"All of it"}`)
	h.must(http.StatusNoContent, "DELETE /groups/"+de, "")
	h.is("its components stay", h.must(http.StatusOK, "GET /components/"+mail, "").at("group_id"), "")

	t.Run("pages of a list", func(t *testing.T) {
		one := h.must(http.StatusOK, "GET /components?limit=1", "")
		two := h.must(http.StatusOK, "GET /components?limit=1&cursor="+one.at("next"), "")
		h.is("second page", two.at("items.0.id")+two.at("next"), web)
	})
	t.Run("bindings name what there is", func(t *testing.T) {
		if err := h.db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h"}); err != nil {
			t.Fatal(err)
		}
		body := func(b string) string { return `{"name":"Web","bindings":[` + b + `]}` }
		got := h.must(http.StatusOK, "PUT /components/"+web, body(`{"source_ids":["s1"],"hosts":["web*"],"states":{"warning":"operational"},"hold_down_seconds":60,"incident":"publish","publish_after_minutes":5}`))
		h.is("binding", got.at("bindings.0.states.warning")+got.at("bindings.0.publish_after_minutes"), "operational5")
		for location, b := range map[string]string{
			"body.bindings[0].source_ids[0]":         `{"source_ids":["s2"]}`,
			"body.bindings[0]":                       `{}`,
			"body.bindings[0].states.warning":        `{"hosts":["a"],"states":{"warning":"bad"}}`,
			"body.bindings[0].states":                `{"hosts":["a"],"states":{"gone":"operational"}}`,
			"body.bindings[0].publish_after_minutes": `{"hosts":["a"],"publish_after_minutes":5}`,
			"body.bindings[0].hold_down_seconds":     `{"hosts":["a"],"hold_down_seconds":-1}`,
		} {
			h.is(b, h.must(http.StatusUnprocessableEntity, "PUT /components/"+web, body(b)).at("errors.0.location"), location)
		}
		h.must(http.StatusOK, "DELETE /components/"+web+"/state?silent=true", "")
		h.is("location", h.must(http.StatusUnprocessableEntity, "DELETE /components/"+mail+"/state", "").at("errors.0.location"), "body.bindings")
	})
	t.Run("a state by hand is recorded", func(t *testing.T) {
		got := h.must(http.StatusOK, "PUT /components/"+mail+"/state", `{"state":"major_outage","silent":true}`)
		h.is("state", got.at("state")+got.at("by_hand"), "major_outagetrue")
		list := h.must(http.StatusOK, "GET /components/"+mail+"/intervals", "")
		h.is("interval", list.at("items.1.state")+list.at("items.1.by")+list.at("items.1.end"), "major_outageall")
		got = h.must(http.StatusUnprocessableEntity, "PUT /components/"+mail+"/state", `{"state":"under_maintenance"}`)
		h.is("location", got.at("errors.0.location"), "body.state")
	})
	t.Run("what is named by an open incident is not deleted", func(t *testing.T) {
		i := h.must(http.StatusCreated, "POST /incidents", `{"title":"Down","body":"b","components":["`+mail+`"]}`).at("id")
		got := h.must(http.StatusConflict, "DELETE /components/"+mail, "")
		if !strings.Contains(got.at("detail"), "Down") || !strings.Contains(got.at("detail"), "hide it") {
			t.Errorf("detail %s", got.at("detail"))
		}
		h.must(http.StatusNoContent, "DELETE /incidents/"+i, "")
		h.must(http.StatusNoContent, "DELETE /components/"+mail, "")
		h.must(http.StatusNotFound, "GET /components/"+mail, "")
	})
}

func TestAnIncidentFromOpenToPostmortem(t *testing.T) {
	h, web, mail := furnished(t)
	draft := h.must(http.StatusCreated, "POST /incidents", `{"title":"Slow","impact":"minor","body":"We look.","components":["`+web+`"],"draft":true}`)
	id := draft.at("id")
	h.is("told", draft.at("publications.0")+draft.at("draft"), "true")
	h.is("drafts", h.must(http.StatusOK, "GET /incidents?state=draft&page=main", "").at("items.0.id"), id)
	h.is("open", h.must(http.StatusOK, "GET /incidents?state=open", "").at("items.0.id"), "")
	h.must(http.StatusUnprocessableEntity, "PUT /incidents/"+id+"/postmortem", `{"postmortem":"Too early"}`)
	shown := h.must(http.StatusOK, "POST /incidents/"+id+"/publish", "")
	h.is("draft", shown.at("draft")+shown.at("phase"), "falseinvestigating")
	h.must(http.StatusConflict, "POST /incidents/"+id+"/publish", `{"silent":true}`)
	h.must(http.StatusConflict, "POST /incidents/"+id+"/discard", "")

	got := h.must(http.StatusCreated, "POST /incidents/"+id+"/updates", `{"phase":"identified","body":"The disk.","changes":[{"component_id":"`+mail+`","to":"degraded_performance"}],"silent":true}`, "Idempotency-Key", "u1")
	h.is("components", got.at("components.1")+got.at("updates.1.silent"), mail+"true")
	again := h.must(http.StatusOK, "POST /incidents/"+id+"/updates", `{"phase":"resolved","body":"Another."}`, "Idempotency-Key", "u1")
	h.is("again", again.at("repeated")+again.at("phase")+again.at("updates.2.id"), "trueidentified")
	got = h.must(http.StatusOK, "PUT /incidents/"+id+"/updates/"+got.at("updates.1.id"), `{"body":"The disk of the mail server."}`)
	h.is("corrected", got.at("updates.1.body"), "The disk of the mail server.")
	h.must(http.StatusNotFound, "PUT /incidents/"+id+"/updates/made-up", `{"body":"x"}`)
	got = h.must(http.StatusOK, "PUT /incidents/"+id, `{"title":"Mail is slow","components":["`+mail+`"],"started":"2026-01-02T03:04:05Z"}`)
	h.is("edited", got.at("title")+got.at("impact")+got.at("components.1")+got.at("started"), "Mail is slowminor2026-01-02T03:04:05Z")
	got = h.must(http.StatusCreated, "POST /incidents/"+id+"/updates", `{"phase":"resolved","body":"Done.","restore":true}`)
	h.is("resolved", got.at("phase"), "resolved")
	h.is("restored", h.must(http.StatusOK, "GET /components/"+mail, "").at("state"), "operational")
	got = h.must(http.StatusOK, "PUT /incidents/"+id+"/postmortem", `{"postmortem":"`+strings.Repeat("Ü", 60_000)+`","silent":true}`)
	h.is("phase", got.at("phase"), "postmortem")
	h.is("phase", h.must(http.StatusOK, "PUT /incidents/"+id+"/postmortem", `{"postmortem":""}`).at("phase"), "resolved")
	h.is("over", h.must(http.StatusOK, "GET /incidents?state=over&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", "").at("items.0.id"), id)
	h.is("trail", h.must(http.StatusOK, "GET /audit?subject="+id+"&limit=1", "").at("items.0.before.phase"), "postmortem")

	t.Run("a draft that is not wanted goes", func(t *testing.T) {
		id := h.must(http.StatusCreated, "POST /incidents", `{"title":"x","body":"b","draft":true}`).at("id")
		h.must(http.StatusNoContent, "POST /incidents/"+id+"/discard", "")
		h.must(http.StatusNotFound, "POST /incidents/"+id+"/discard", "")
	})
	t.Run("alerts beside it are for who may see alerts", func(t *testing.T) {
		got := h.must(http.StatusUnprocessableEntity, "POST /incidents", `{"title":"x","body":"b","alert_ids":["made-up"]}`)
		h.is("location", got.at("errors.0.location"), "body.alert_ids[0]")
		h.must(http.StatusOK, "GET /incidents/"+id+"/alerts", "")
		h.must(http.StatusForbidden, "GET /incidents/"+id+"/alerts", "", "Authorization", "Bearer "+h.newKey("pages", auth.ReadConfig, auth.Publish))
	})
	t.Run("the same key is somebody else's own", func(t *testing.T) {
		a := h.must(http.StatusCreated, "POST /incidents", `{"title":"x","body":"b"}`, "Idempotency-Key", "1")
		b := h.must(http.StatusCreated, "POST /incidents", `{"title":"x","body":"b"}`, "Idempotency-Key", "1", "Authorization", "Bearer "+h.newKey("other", auth.Publish))
		if a.at("id") == b.at("id") {
			t.Error("one key's call is another's")
		}
	})
}

func TestMaintenanceIsAnnouncedMovedAndCancelled(t *testing.T) {
	h, web, _ := furnished(t)
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	body := `{"title":"Move","body":"We move.","components":["` + web + `"],"start":"` + at(time.Hour) + `","end":"` + at(3*time.Hour) + `"}`
	one := h.must(http.StatusCreated, "POST /maintenance", body, "Idempotency-Key", "move")
	h.is("again", h.must(http.StatusOK, "POST /maintenance", body, "Idempotency-Key", "move").at("id"), one.at("id"))
	h.is("by itself", one.at("auto_start")+one.at("auto_end")+one.at("phase"), "truetruescheduled")
	two := h.must(http.StatusCreated, "POST /maintenance", body)
	h.is("overlaps", two.at("overlaps.0"), one.at("id"))
	got := h.must(http.StatusOK, "PUT /maintenance/"+two.at("id"), `{"title":"Move","start":"`+at(4*time.Hour)+`","end":"`+at(5*time.Hour)+`","auto_end":false,"components":["`+web+`"]}`)
	h.is("moved", got.at("overlaps.0")+got.at("auto_end")+got.at("updates.1.id"), "false")
	got = h.must(http.StatusCreated, "POST /maintenance/"+two.at("id")+"/updates", `{"phase":"in_progress"}`)
	h.is("begun", got.at("phase"), "in_progress")
	h.is("active", h.must(http.StatusOK, "GET /maintenance?state=active", "").at("items.0.id"), two.at("id"))
	if got.at("updates.1.body") == "" {
		t.Error("an update without words says nothing")
	}
	got = h.must(http.StatusOK, "PUT /maintenance/"+two.at("id")+"/updates/"+got.at("updates.1.id"), `{"body":"Now."}`)
	h.is("corrected", got.at("updates.1.body"), "Now.")
	h.must(http.StatusCreated, "POST /maintenance/"+two.at("id")+"/updates", `{"phase":"cancelled","body":"Not today.","silent":true}`)
	h.must(http.StatusConflict, "POST /maintenance/"+two.at("id")+"/updates", `{"body":"x"}`)
	h.must(http.StatusConflict, "PUT /maintenance/"+two.at("id"), body)
	h.is("open", h.must(http.StatusOK, "GET /maintenance?state=open", "").at("items.0.id"), one.at("id"))
	h.must(http.StatusNoContent, "DELETE /maintenance/"+one.at("id"), "")
	h.must(http.StatusNotFound, "GET /maintenance/"+one.at("id"), "")

	t.Run("what comes again is planned ahead", func(t *testing.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		// Three days ahead, whatever day it is: none of them goes on now.
		n := time.Now().In(berlin)
		start := time.Date(n.Year(), n.Month(), n.Day()+3-30*7, 3, 0, 0, 0, berlin)
		series := `{"title":"Updates","body":"We update.","rule":"FREQ=WEEKLY;BYDAY=` + strings.ToUpper(start.Weekday().String()[:2]) +
			`","zone":"Europe/Berlin","start":"` + start.Format(time.RFC3339) + `","minutes":60}`
		made := h.must(http.StatusCreated, "POST /series", series)
		next, err := time.Parse(time.RFC3339, made.at("next.4"))
		if err != nil || next.Before(time.Now().AddDate(0, 0, 28)) {
			t.Errorf("next %s", made.text)
		}
		h.is("announced", h.must(http.StatusOK, "GET /maintenance?state=upcoming", "").at("items.2.series_id"), made.at("id"))
		h.is("one", h.must(http.StatusOK, "GET /series/"+made.at("id"), "").at("title"), "Updates")
		h.must(http.StatusOK, "PUT /series/"+made.at("id"), strings.Replace(series, "Updates", "Patches", 1))
		h.is("renamed", h.must(http.StatusOK, "GET /series", "").at("items.0.title"), "Patches")
		h.must(http.StatusNoContent, "DELETE /series/"+made.at("id"), "")
		h.is("withdrawn", h.must(http.StatusOK, "GET /maintenance?state=upcoming", "").at("items.0.id"), "")
	})
	t.Run("templates", func(t *testing.T) {
		made := h.must(http.StatusCreated, "POST /templates", `{"name":"Slow","body":"We look.","impact":"minor","components":["`+web+`"]}`)
		got := h.must(http.StatusConflict, "POST /templates", `{"name":"slow","body":"We look."}`)
		h.is("location", got.at("errors.0.location"), "body.name")
		h.must(http.StatusOK, "PUT /templates/"+made.at("id"), `{"name":"Slow","body":"We look into it."}`)
		h.is("body", h.must(http.StatusOK, "GET /templates", "").at("items.0.body"), "We look into it.")
		h.must(http.StatusNoContent, "DELETE /templates/"+made.at("id"), "")
		h.must(http.StatusNotFound, "GET /templates/"+made.at("id"), "")
	})
}

func TestBadInputAboutPagesIsNamedAndChangesNothing(t *testing.T) {
	h, web, _ := furnished(t)
	inner := h.must(http.StatusCreated, "POST /pages", `{"slug":"inner","name":"Inner","zone":"UTC"}`).at("id")
	other := h.must(http.StatusCreated, "POST /components", `{"page":"`+inner+`","name":"Payroll"}`).at("id")
	open := h.must(http.StatusCreated, "POST /incidents", `{"title":"x","body":"b"}`).at("id")
	trail := h.must(http.StatusOK, "GET /audit?limit=500", "").text
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	maintenance := func(further string) string {
		return `{"title":"x","body":"b","start":"` + at(time.Hour) + `","end":"` + at(2*time.Hour) + `"` + further + `}`
	}
	series := func(rule, zone string) string {
		return `{"title":"x","body":"b","rule":"` + rule + `","zone":"` + zone + `","start":"2026-03-01T03:00:00Z","minutes":60}`
	}
	for _, row := range []struct{ what, route, body, location string }{
		{"a title that turns", "POST /incidents", `{"title":"a\u202eb","body":"b"}`, "body.title"},
		{"a title of two lines", "POST /incidents", `{"title":"a\nb","body":"b"}`, "body.title"},
		{"a title with NUL", "POST /incidents", `{"title":"a\u0000b","body":"b"}`, "body.title"},
		{"a long title", "POST /incidents", `{"title":"` + strings.Repeat("x", 201) + `","body":"b"}`, "body.title"},
		{"no title", "POST /incidents", `{"title":" ","body":"b"}`, "body.title"},
		{"no words", "POST /incidents", `{"title":"x","body":" \n"}`, "body.body"},
		{"words with NUL", "POST /incidents", `{"title":"x","body":"a\u0000"}`, "body.body"},
		{"words that turn", "POST /incidents/" + open + "/updates", `{"body":"a\u2066b"}`, "body.body"},
		{"a phase that is none", "POST /incidents", `{"title":"x","body":"b","phase":"scheduled"}`, "body.phase"},
		{"an impact that is none", "POST /incidents", `{"title":"x","body":"b","impact":"huge"}`, "body.impact"},
		{"a page that there is not", "POST /incidents", `{"page":"nowhere","title":"x","body":"b"}`, "body.page"},
		{"a page with NUL", "POST /incidents", `{"page":"a\u0000","title":"x","body":"b"}`, "body.page"},
		{"a component of another page", "POST /incidents", `{"title":"x","body":"b","components":["` + other + `"]}`, "body.components[0]"},
		{"a change of another page's", "POST /incidents/" + open + "/updates", `{"body":"b","changes":[{"component_id":"` + other + `","to":"major_outage"}]}`, "body.changes[0].component_id"},
		{"a component twice", "POST /incidents", `{"title":"x","body":"b","components":["` + web + `","` + web + `"]}`, "body.components[1]"},
		{"maintenance as a state", "POST /incidents", `{"title":"x","body":"b","changes":[{"component_id":"` + web + `","to":"under_maintenance"}]}`, "body.changes[0].to"},
		{"a start that lies ahead", "POST /incidents", `{"title":"x","body":"b","started":"` + at(time.Hour) + `"}`, "body.started"},
		{"a start before there were computers", "POST /incidents", `{"title":"x","body":"b","started":"0044-03-15T12:00:00Z"}`, "body.started"},
		{"an update that lies ahead", "POST /incidents/" + open + "/updates", `{"body":"b","at":"` + at(time.Hour) + `"}`, "body.at"},
		{"an update before the incident", "POST /incidents/" + open + "/updates", `{"body":"b","at":"2020-01-01T00:00:00Z"}`, "body.at"},
		{"an alert with NUL", "POST /incidents", `{"title":"x","body":"b","alert_ids":["\u0000"]}`, "body.alert_ids[0]"},
		{"an unknown field", "POST /incidents", `{"title":"x","body":"b","colour":"red"}`, "body.colour"},
		{"no time", "POST /incidents", `{"title":"x","body":"b","started":"yesterday"}`, "body.started"},
		{"an end before its start", "POST /maintenance", maintenance(`,"end":"` + at(-time.Hour) + `"`), "body.end"},
		{"an end that no clock shows", "POST /maintenance", `{"title":"x","body":"b","start":"9999-12-31T23:00:00-12:00","end":"9999-12-31T23:30:00-12:00"}`, "body.start"},
		{"more than a year", "POST /maintenance", maintenance(`,"end":"` + at(400*24*time.Hour) + `"`), "body.end"},
		{"maintenance of another page's", "POST /maintenance", maintenance(`,"components":["` + other + `"]`), "body.components[0]"},
		{"maintenance without words", "POST /maintenance", strings.Replace(maintenance(""), `"body":"b"`, `"body":""`, 1), "body.body"},
		{"a rule that is none", "POST /series", series("EVERY DAY", "UTC"), "body.rule"},
		{"a rule of every second", "POST /series", series("FREQ=SECONDLY", "UTC"), "body.rule"},
		{"a zone that there is not", "POST /series", series("FREQ=DAILY", "Europe/Atlantis"), "body.zone"},
		{"a zone that is a file", "POST /series", series("FREQ=DAILY", "../../etc/passwd"), "body.zone"},
		{"no minutes", "POST /series", strings.Replace(series("FREQ=DAILY", "UTC"), `"minutes":60`, `"minutes":0`, 1), "body.minutes"},
		{"a page's zone", "POST /pages", `{"slug":"x","name":"x","zone":"Local"}`, "body.zone"},
		{"a page's slug", "POST /pages", `{"slug":"../x","name":"x","zone":"UTC"}`, "body.slug"},
		{"a page's host", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","host":"a b"}`, "body.host"},
		{"a page's accent", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","accent":"red"}`, "body.accent"},
		{"a page's support", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","support":"javascript:alert(1)"}`, "body.support"},
		{"a page's network", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","private":{"networks":["10.0.0.0/99"]}}`, "body.private.networks[0]"},
		{"a page's password", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","private":{"password":"short"}}`, "body.private.password"},
		{"a trigger that is none", "POST /pages", `{"slug":"x","name":"x","zone":"UTC","triggers":{"gossip":true}}`, "body.triggers"},
		{"a component's link", "POST /components", `{"name":"x","link":"javascript:alert(1)"}`, "body.link"},
		{"a component's group", "POST /components", `{"name":"x","group_id":"made up"}`, "body.group_id"},
		{"a template's name", "POST /templates", `{"name":" ","body":"b"}`, "body.name"},
		{"a template's words", "POST /templates", `{"name":"x","body":""}`, "body.body"},
		{"a template's component", "POST /templates", `{"name":"x","body":"b","components":["` + other + `"]}`, "body.components[0]"},
		{"a list's page", "GET /components?page=nowhere", "", "query.page"},
		{"a list's cursor", "GET /incidents?cursor=AAAA", "", "query.cursor"},
		{"another list's cursor", "GET /components?cursor=%21", "", "query.cursor"},
		{"a list's parameter", "GET /incidents?colour=red", "", "query.colour"},
		{"a list's state", "GET /maintenance?state=draft", "", "query.state"},
		{"reach without a kind", "GET /pages/main/reach", "", "query.kind"},
	} {
		got := h.call(row.route, row.body)
		if got.status != http.StatusUnprocessableEntity || got.at("errors.0.location") != row.location || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: answer %d %s, want 422 at %s", row.what, got.status, got.text, row.location)
		}
	}
	for what, row := range map[string]struct {
		route, body string
		status      int
	}{
		"a megabyte":         {"POST /incidents", `{"title":"x","body":"` + strings.Repeat("<script>", 1<<17) + `"}`, http.StatusRequestEntityTooLarge},
		"no JSON":            {"POST /incidents", `{`, http.StatusBadRequest},
		"nothing":            {"POST /incidents", ``, http.StatusBadRequest},
		"deep JSON":          {"POST /incidents", strings.Repeat("[", 100_000), http.StatusBadRequest},
		"no such incident":   {"GET /incidents/made-up", "", http.StatusNotFound},
		"an id with NUL":     {"GET /incidents/" + url.PathEscape("a\x00b"), "", http.StatusBadRequest},
		"an update of none":  {"POST /incidents/made-up/updates", `{"body":"b"}`, http.StatusNotFound},
		"a method there not": {"POST /audit", "{}", http.StatusMethodNotAllowed},
		"a path there not":   {"GET /gossip", "", http.StatusNotFound},
	} {
		if got := h.call(row.route, row.body); got.status != row.status || got.at("detail") == "" {
			t.Errorf("%s: answer %d %.300s, want %d", what, got.status, got.text, row.status)
		}
	}
	if got := h.must(http.StatusOK, "GET /audit?limit=500", "").text; got != trail {
		t.Error("something was changed")
	}

	t.Run("Markdown is kept as it was written, for pages make it safe", func(t *testing.T) {
		const evil = `<script>alert(1)</script> [x](javascript:alert(1)) ![](https://evil.example/x.png)`
		text, err := json.Marshal(evil)
		if err != nil {
			t.Fatal(err)
		}
		h.is("body", h.must(http.StatusCreated, "POST /incidents", `{"title":"`+"<b>x</b>"+`","body":`+string(text)+`}`).at("updates.0.body"), evil)
	})
}

func FuzzStatusRoutes(f *testing.F) {
	for _, route := range []string{"POST /pages", "POST /groups", "POST /components", "POST /incidents", "POST /maintenance", "POST /series", "POST /templates", "PUT /pages/main/order", "PUT /pages/main/triggers"} {
		f.Add(route, `{"name":"x","title":"x","body":"b","slug":"x","zone":"UTC","start":"2026-12-01T00:00:00Z","end":"2026-12-01T01:00:00Z","rule":"FREQ=DAILY","minutes":5}`)
		f.Add(route, `{"name":"\u0000","title":"\ud800","body":"`+string(alert.Critical)+`"}`)
	}
	f.Add("GET /audit?page=%ff", "")
	f.Add("GET /incidents?from=0000-01-01T00:00:00Z&alert=x", "")
	f.Fuzz(func(t *testing.T, route, body string) {
		method, path, ok := strings.Cut(route, " ")
		if _, err := url.ParseRequestURI("http://x" + api.Prefix + "/status" + path); !ok || err != nil || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \x00\r\n") ||
			method != "GET" && method != "POST" && method != "PUT" && method != "DELETE" {
			return // no request
		}
		h := newHouse(t)
		h.must(http.StatusCreated, "POST /pages", `{"slug":"main","name":"Example","zone":"Europe/Berlin"}`)
		if got := h.call(route, body); got.status >= 500 {
			t.Errorf("%s %s: answer %d %s", route, body, got.status, got.text)
		}
	})
}
