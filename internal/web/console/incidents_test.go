package console_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

var reporter = publish.Who{UserID: "u1", Name: "Mira Sand"}

// newsroom is a hub with a status page, components and visitors.
type newsroom struct {
	*hub
	page     status.Page
	api, web status.Component
}

func newNewsroom(t *testing.T) *newsroom {
	t.Helper()
	n := &newsroom{hub: newHub(t)}
	ctx := t.Context()
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n.page, err = n.desk.SavePage(ctx, reporter, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"})
	check()
	n.api, err = n.desk.SaveComponent(ctx, reporter, status.Component{PageID: n.page.ID, Name: "API Service"})
	check()
	n.web, err = n.desk.SaveComponent(ctx, reporter, status.Component{PageID: n.page.ID, Name: "Website", Bindings: []status.Binding{{Hosts: []string{"web01"}, Incident: "draft"}}})
	check()
	for i, w := range []push.Want{{}, {Components: []string{n.api.ID}}, {MinImpact: push.ImpactCritical}} {
		key := make([]byte, 65)
		key[0] = 4
		_, _, err = n.db.SaveSubscription(ctx, push.Subscription{Endpoint: fmt.Sprintf("https://updates.push.services.mozilla.com/wpush/v2/%d", i), P256dh: key,
			Auth: []byte(fmt.Sprintf("%016d", i)), KeyID: base64.RawURLEncoding.EncodeToString(make([]byte, 16)), Pages: []push.Follow{{PageID: n.page.ID, Wants: []push.Want{w}}}}, nil)
		check()
	}
	return n
}

func (n *newsroom) open(title string, changes ...status.Change) status.Incident {
	n.t.Helper()
	i, _, err := n.desk.OpenIncident(n.t.Context(), reporter, publish.Opening{PageID: n.page.ID, Title: title, Impact: status.ImpactMajor, Note: publish.Note{Body: "We are **looking**.", Changes: changes}})
	if err != nil {
		n.t.Fatal(err)
	}
	return i
}

// stored is an incident as it is now.
func (n *newsroom) stored(id string) status.Incident {
	n.t.Helper()
	i, err := n.db.Incident(n.t.Context(), id)
	if err != nil {
		n.t.Fatal(err)
	}
	return i
}

func (n *newsroom) told(id string) int {
	n.t.Helper()
	items, _, err := n.db.PublicationsAbout(n.t.Context(), n.page.ID, id, 50)
	if err != nil {
		n.t.Fatal(err)
	}
	return len(items)
}

// sends posts a form that is to be taken, and answers the id of the incident that it leads to.
func (v *visitor) sends(path string, form url.Values) string {
	v.t.Helper()
	res, body := v.post(path, form)
	to := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/console/incidents") {
		v.t.Fatalf("%s: %d to %q: %s", path, res.StatusCode, to, problemsIn(body))
	}
	return strings.TrimPrefix(to, "/console/incidents/")
}

func problemsIn(body string) string {
	var out []string
	if _, flash, ok := strings.Cut(body, "flash-bad"); ok {
		flash, _, _ = strings.Cut(flash, "</p>")
		out = append(out, flash)
	}
	for _, part := range strings.Split(body, `class="problem"`)[1:] {
		part, _, _ = strings.Cut(part, "</p>")
		out = append(out, part)
	}
	return strings.Join(out, "\n")
}

func holds(t *testing.T, body string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
}

func TestAnIncidentIsWrittenInTheConsole(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("operator")
	form := url.Values{"page": {n.page.ID}, "mode": {"new"}, "title": {"Card payments are refused"}, "impact": {"major"}, "phase": {"investigating"}, "body": {"We are **looking** into it."},
		"c_" + n.api.ID: {"major_outage"}, "c_" + n.web.ID: {"affected"}, "key": {"k1"}, "step": {"publish"}}

	t.Run("who will be told stands there before", func(t *testing.T) {
		_, body := v.post("/console/incidents/reach", form)
		holds(t, body, "New Incident", "<b>2</b> by Web Push", "Publish and tell 2 visitors")
		silent := url.Values{"silent": {"on"}}
		for k, x := range form {
			silent[k] = x
		}
		_, body = v.post("/console/incidents/reach", silent)
		holds(t, body, "Nobody.", "Publish silently")
	})
	t.Run("the preview is the public page's own", func(t *testing.T) {
		res, body := v.post("/console/incidents/preview", form)
		holds(t, body, "Card payments are refused", "<strong>looking</strong>", "API Service: ", "Major outage")
		if p := res.Header.Get("Content-Security-Policy"); !strings.Contains(p, "frame-ancestors 'self'") || strings.Contains(p, "script-src") || res.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
			t.Errorf("its policy is %q", p)
		}
		if res, _ := v.get("/console/incidents/new"); !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-src 'self'") {
			t.Error("the editor may not show it")
		}
		if list, err := n.db.OpenIncidents(t.Context(), n.page.ID); err != nil || len(list) > 0 {
			t.Errorf("a preview stored %d incidents: %v", len(list), err)
		}
	})
	id := v.sends("/console/incidents/new", form)
	t.Run("it is published once, however often the form is sent", func(t *testing.T) {
		if again := v.sends("/console/incidents/new", form); again != id {
			t.Errorf("the same form made %s and %s", id, again)
		}
		i := n.stored(id)
		if i.Draft || len(i.Components) != 2 || i.Updates[0].Changes[0].To != status.Major || n.told(id) != 1 {
			t.Errorf("it is %+v, told %d times", i, n.told(id))
		}
	})
	t.Run("its page says how far the message is, and what became of components", func(t *testing.T) {
		_, body := v.get("/console/incidents/" + id)
		holds(t, body, "Who was told", "On its way", "3 still waiting", "<strong>looking</strong>", "Major outage", `data-refresh="2"`)
	})
	t.Run("a quick update from the list, silently", func(t *testing.T) {
		_, body := v.get("/console/incidents")
		holds(t, body, "Card payments are refused", "Update → notify")
		v.sends("/console/incidents/"+id+"/update", url.Values{"mode": {"update"}, "id": {id}, "phase": {"identified"}, "body": {"It is a switch."}, "silent": {"on"}})
		if i := n.stored(id); i.Phase != status.Identified || len(i.Components) != 2 || n.told(id) != 1 {
			t.Errorf("it is %s about %d, told %d times", i.Phase, len(i.Components), n.told(id))
		}
	})
	t.Run("resolving it makes its components work again", func(t *testing.T) {
		v.sends("/console/incidents/"+id+"/update", url.Values{"phase": {"resolved"}, "restore": {"on"}, "body": {"All is well."}})
		_, parts, err := n.db.StatusParts(t.Context(), n.page.ID)
		if err != nil || parts[0].State != status.Operational || n.told(id) != 2 {
			t.Errorf("the component is %s, told %d times: %v", parts[0].State, n.told(id), err)
		}
	})
	t.Run("a postmortem is published silently, and taken away", func(t *testing.T) {
		v.sends("/console/incidents/"+id+"/postmortem", url.Values{"body": {"## What we *learned*"}, "silent": {"on"}})
		if i := n.stored(id); i.Phase != status.Postmortem || n.told(id) != 2 {
			t.Errorf("it is %s, told %d times", i.Phase, n.told(id))
		}
		v.sends("/console/incidents/"+id+"/postmortem", url.Values{"body": {""}})
		if i := n.stored(id); i.Postmortem != "" || n.told(id) != 2 {
			t.Errorf("it still says %q", i.Postmortem)
		}
	})
	t.Run("it can be opened again", func(t *testing.T) {
		_, body := v.get("/console/incidents/" + id + "/update")
		holds(t, body, "Reopen")
		v.sends("/console/incidents/"+id+"/update", url.Values{"phase": {"investigating"}, "body": {"It is back."}})
		if i := n.stored(id); !i.ResolvedAt.IsZero() {
			t.Error("it is over")
		}
	})
	t.Run("deleting it asks first", func(t *testing.T) {
		_, body := v.get("/console/incidents/" + id + "/delete")
		holds(t, body, "for good?", "It is still open")
		v.sends("/console/incidents/"+id+"/delete", nil)
		if res, _ := v.get("/console/incidents/" + id); res.StatusCode != http.StatusNotFound {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

func TestDraftsOfAlertsStandBesideTheirAlerts(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("operator")
	now := time.Now()
	o := alert.Object{SourceID: "s1", Host: "web01", State: alert.Down}
	o.ID = alert.ObjectID(o.SourceID, o.Host, "")
	if _, err := n.acks.Receive(t.Context(), "s1", []alert.Event{{SourceID: "s1", Object: o, Type: alert.Problem, State: alert.Down, Output: "PING CRITICAL", Time: now, Received: now}}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.desk.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	drafts, err := n.db.Drafts(t.Context(), n.page.ID)
	if err != nil || len(drafts) != 1 {
		t.Fatalf("%d drafts: %v", len(drafts), err)
	}
	id := drafts[0].ID
	_, body := v.get("/console/incidents")
	holds(t, body, "Drafts", "from alerts", "PING CRITICAL", "Publish as it is", "Discard…")
	_, body = v.get("/console/incidents/" + id + "/draft")
	holds(t, body, "PING CRITICAL", "Website", "Affected, stays as it is", "Publish and tell")

	form := url.Values{"mode": {"draft"}, "id": {id}, "title": {"The website is away"}, "impact": {"critical"}, "phase": {"identified"}, "body": {"A power supply died."}, "c_" + n.web.ID: {"affected"}}
	form.Set("step", "save")
	v.sends("/console/incidents/"+id+"/draft", form)
	if i := n.stored(id); !i.Draft || i.Automatic || i.Title != "The website is away" || i.Phase != status.Identified || i.Updates[0].Body != "A power supply died." {
		t.Errorf("the draft is %+v", i)
	}
	form.Set("step", "publish")
	v.sends("/console/incidents/"+id+"/draft", form)
	if i := n.stored(id); i.Draft || n.told(id) != 1 {
		t.Errorf("draft: %v, told %d times", i.Draft, n.told(id))
	}
	t.Run("what was written meanwhile is not published over it", func(t *testing.T) {
		v.sends("/console/incidents/"+id+"/draft", form) // a second click
		form.Set("body", "Too late.")
		if res, body := v.post("/console/incidents/"+id+"/draft", form); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Too late.") {
			t.Errorf("answered %d", res.StatusCode)
		}
		if i := n.stored(id); strings.Contains(i.Updates[0].Body, "Too late") {
			t.Error("a published incident was written over")
		}
	})
	t.Run("an alert proposes the components that are bound to it", func(t *testing.T) {
		list, _, err := n.db.Alerts(t.Context(), alert.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.Object.Host == "web01" && a.Object.Service == "" {
				_, body := v.get("/console/incidents/new?alert=" + a.ID)
				holds(t, body, `name="alert" value="`+a.ID, "states-row touched", "PING CRITICAL")
			}
		}
	})
	t.Run("a draft that is discarded is gone", func(t *testing.T) {
		i, _, err := n.desk.OpenIncident(t.Context(), reporter, publish.Opening{PageID: n.page.ID, Title: "Perhaps", Draft: true, Note: publish.Note{Body: "b"}})
		if err != nil {
			t.Fatal(err)
		}
		_, body := v.get("/console/incidents/" + i.ID + "/discard")
		holds(t, body, "Visitors never saw it")
		v.sends("/console/incidents/"+i.ID+"/discard", nil)
		if _, err := n.db.Incident(t.Context(), i.ID); err == nil {
			t.Error("it is still there")
		}
	})
}

func TestWrongInputIsSaidBesideItsFieldAndNothingIsLost(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("operator")
	long := strings.Repeat("long ", 5000)
	for _, c := range []struct{ name, field, value, want string }{
		{"no title", "title", "", "f-title-problem"},
		{"a title of two lines", "title", "a\nb", "f-title-problem"},
		{"no message", "body", " ", "f-body-problem"},
		{"a message without end", "body", long, "f-body-problem"},
		{"no such impact", "impact", "huge", "f-impact-problem"},
		{"no such status", "phase", "scheduled", "f-phase-problem"},
		{"a begin that lies ahead", "started", "2099-01-01T10:00", "f-started-problem"},
		{"a begin that is no time", "started", "yesterday", "f-started-problem"},
		{"a message of before the begin", "at", "2020-01-01T10:00", "f-at-problem"},
		{"a state that cannot be set", "c_" + n.api.ID, "under_maintenance", "f-components-problem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			form := url.Values{"page": {n.page.ID}, "mode": {"new"}, "title": {"A title that was typed"}, "impact": {"minor"}, "phase": {"investigating"}, "body": {"A text that was typed."}, "step": {"publish"}}
			if c.field == "at" {
				form.Set("started", time.Now().AddDate(0, 0, -2).Format("2006-01-02")+"T10:00")
			}
			form.Set(c.field, c.value)
			res, body := v.post("/console/incidents/new", form)
			if res.StatusCode != http.StatusUnprocessableEntity {
				t.Fatalf("%d", res.StatusCode)
			}
			holds(t, body, c.want)
			if c.field != "body" {
				holds(t, body, "A text that was typed.")
			}
			if c.field != "title" {
				holds(t, body, "A title that was typed")
			}
		})
	}
	if list, err := n.db.OpenIncidents(t.Context(), n.page.ID); err != nil || len(list) > 0 {
		t.Errorf("%d incidents were made: %v", len(list), err)
	}
	t.Run("markup stays text", func(t *testing.T) {
		i := n.open(`<script>alert(1)</script>`)
		for _, path := range []string{"/console/incidents", "/console/incidents/" + i.ID, "/console/incidents/" + i.ID + "/edit", "/console/incidents/audit"} {
			_, body := v.get(path)
			if strings.Contains(body, "<script>alert") {
				t.Errorf("%s has markup of a title", path)
			}
		}
	})
}

func TestTimesAreThePagesOwnAndMayLieBack(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("operator")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().In(berlin).AddDate(0, 0, -2)
	began := time.Date(day.Year(), day.Month(), day.Day(), 10, 0, 0, 0, berlin) // no hour that the clocks show twice
	id := v.sends("/console/incidents/new", url.Values{"page": {n.page.ID}, "mode": {"new"}, "title": {"It was slow"}, "impact": {"minor"}, "phase": {"resolved"}, "body": {"It is over."}, "silent": {"on"},
		"started": {began.Format("2006-01-02T15:04")}, "at": {began.Add(2 * time.Hour).Format("2006-01-02T15:04")}, "step": {"publish"}})
	i := n.stored(id)
	if !i.Started.Equal(began) || !i.ResolvedAt.Equal(began.Add(2*time.Hour)) || n.told(id) != 0 {
		t.Errorf("it lasted from %s to %s, told %d times", i.Started, i.ResolvedAt, n.told(id))
	}
	t.Run("a correction that leaves the time alone keeps it to the second", func(t *testing.T) {
		i := n.open("Slow")
		was := i.Updates[0]
		v.sends("/console/incidents/"+i.ID+"/updates/"+was.ID, url.Values{"body": {"Corrected."}, "at": {was.At.In(berlin).Format("2006-01-02T15:04")}})
		if u := n.stored(i.ID).Updates[0]; u.Body != "Corrected." || !u.At.Equal(was.At) {
			t.Errorf("it says %q at %s, and was at %s", u.Body, u.At, was.At)
		}
		v.sends("/console/incidents/"+i.ID+"/edit", url.Values{"title": {"Very slow"}, "impact": {"critical"}, "components": {n.web.ID}, "started": {i.Started.In(berlin).Format("2006-01-02T15:04")}})
		if got := n.stored(i.ID); got.Title != "Very slow" || !got.Started.Equal(i.Started) || len(got.Components) != 1 || n.told(i.ID) != 1 {
			t.Errorf("it is %+v, told %d times", got, n.told(i.ID))
		}
	})
}

func TestTemplatesFillInAndTakeNothingAway(t *testing.T) {
	n := newNewsroom(t)
	admin, operator := n.as("admin"), n.as("operator")
	res, body := admin.post("/console/templates/new", url.Values{"name": {"Card network"}, "title": {"Cards are refused"}, "phase": {"identified"}, "impact": {"major"}, "body": {"The card network is away."}, "components": {n.api.ID}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", res.StatusCode, problemsIn(body))
	}
	list, err := n.db.StatusTemplates(t.Context(), n.page.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d templates: %v", len(list), err)
	}
	at := "/console/templates/" + list[0].ID
	_, body = operator.get("/console/incidents/new?template=" + list[0].ID)
	holds(t, body, "Cards are refused", "The card network is away.", "states-row touched")
	_, body = operator.post("/console/incidents/new", url.Values{"page": {n.page.ID}, "mode": {"new"}, "title": {"My own title"}, "body": {"My own words."}, "template": {list[0].ID}, "step": {"template"}})
	holds(t, body, "My own title", "My own words.", "The card network is away.")
	if res, body := admin.post("/console/templates/new", url.Values{"name": {"card NETWORK"}, "body": {"b"}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "f-name-problem") {
		t.Errorf("a name twice: %d", res.StatusCode)
	}
	if res, body := admin.post(at, url.Values{"name": {"Card network"}, "body": {""}}); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "f-body-problem") {
		t.Errorf("an empty template: %d", res.StatusCode)
	}
	if res, _ := admin.post(at+"/delete", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("%d", res.StatusCode)
	}
	_, body = admin.get("/console/templates")
	holds(t, body, "No templates yet")
}

func TestTheAuditTrailShowsBeforeAndAfter(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("viewer")
	i := n.open("Slow transfers", status.Change{ComponentID: n.api.ID, To: status.Degraded})
	if err := n.desk.EditUpdate(t.Context(), reporter, publish.OfIncident, i.ID, i.Updates[0].ID, strings.Repeat("The same words. ", 12)+"And new ones.", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := n.desk.EditUpdate(t.Context(), reporter, publish.OfIncident, i.ID, i.Updates[0].ID, strings.Repeat("The same words. ", 12)+"And better ones.", time.Time{}); err != nil {
		t.Fatal(err)
	}
	title := "Transfers are slow"
	if _, err := n.desk.EditIncident(t.Context(), reporter, i.ID, publish.Edit{Title: &title}); err != nil {
		t.Fatal(err)
	}
	other := n.open("Something else")
	_, body := v.get("/console/incidents/audit")
	holds(t, body, "Mira Sand", "opened the incident", "API Service: Operational → Degraded performance", "made the component", "<del>Slow transfers</del>", "<ins>Transfers are slow</ins>",
		"<del>new </del>", "<ins>better </ins>", "Something else")
	_, body = v.get("/console/incidents/audit?subject=" + i.ID)
	holds(t, body, "only: ", "Open it")
	if strings.Contains(body, other.Title) || strings.Contains(body, "made the component") {
		t.Error("the trail of one thing has another's")
	}
	_, body = v.get("/console/incidents/audit?page=" + n.page.ID)
	holds(t, body, "Something else")
	if res, _ := v.get("/console/incidents/audit?cursor=nonsense"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a cursor of another list: %d", res.StatusCode)
	}
}

func TestViewersReadIncidentsAndPublishNothing(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("viewer")
	i := n.open("Slow")
	for _, path := range []string{"/console/incidents", "/console/incidents/" + i.ID, "/console/templates", "/console/templates/new", "/console/incidents/audit"} {
		res, body := v.get(path)
		if res.StatusCode != http.StatusOK || strings.Contains(body, "Write an update") || strings.Contains(body, "Update → notify") {
			t.Errorf("%s: %d, or offers to publish", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/new", "/preview", "/reach", "/" + i.ID + "/update", "/" + i.ID + "/edit", "/" + i.ID + "/delete", "/" + i.ID + "/postmortem", "/" + i.ID + "/publish", "/" + i.ID + "/discard", "/" + i.ID + "/draft", "/" + i.ID + "/updates/" + i.Updates[0].ID} {
		if res, _ := v.post("/console/incidents"+path, url.Values{"id": {i.ID}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if res, _ := v.post("/console/templates/new", url.Values{"name": {"x"}, "body": {"y"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("templates: %d", res.StatusCode)
	}
	t.Run("before there is a page every list says what to do", func(t *testing.T) {
		empty := newHub(t).as("admin")
		for _, path := range []string{"/console/incidents", "/console/templates"} {
			_, body := empty.get(path)
			holds(t, body, "There is no status page yet", "/console/pages/new")
		}
		if res, _ := empty.get("/console/incidents/new"); res.StatusCode != http.StatusSeeOther {
			t.Errorf("%d", res.StatusCode)
		}
	})
}
