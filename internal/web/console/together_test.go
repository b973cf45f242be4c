package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// filled are the fields of the form with an action as a browser would send them,
// those of its buttons left out.
func (v *visitor) filled(path, action string) url.Values {
	v.t.Helper()
	res, body := v.get(path)
	if res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %d", path, res.StatusCode)
	}
	return fieldsOf(v.t, body, action)
}

func fieldsOf(t *testing.T, body, action string) url.Values {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var form *html.Node
	for n := range doc.Descendants() {
		if n.Data == "form" && form == nil && attr(n, "method") == "post" && sendsTo(n) == action {
			form = n
		}
	}
	if form == nil {
		t.Fatalf("there is no form for %s", action)
	}
	in := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch n.Data {
		case "input":
			if k := attr(n, "type"); name == "" || (k == "checkbox" || k == "radio") && !hasAttr(n, "checked") {
				continue
			}
			value := attr(n, "value")
			if value == "" && attr(n, "type") == "checkbox" {
				value = "on"
			}
			in.Add(name, value)
		case "textarea":
			text := ""
			if n.FirstChild != nil {
				text = n.FirstChild.Data
			}
			in.Add(name, text)
		case "select":
			value, first := "", true
			for o := range n.Descendants() {
				if o.Data == "option" && (first || hasAttr(o, "selected")) {
					value, first = attr(o, "value"), false
				}
			}
			in.Add(name, value)
		}
	}
	return in
}

// sendsTo is where a form is sent, without its query.
func sendsTo(n *html.Node) string {
	path, _, _ := strings.Cut(attr(n, "action"), "?")
	return path
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func with(in url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, v := range in {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = []string{pairs[i+1]}
	}
	return out
}

func TestWhoSavesSecondIsToldOfTheFirst(t *testing.T) {
	n := newNewsroom(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	g, err := n.desk.SaveGroup(ctx, reporter, status.Group{PageID: n.page.ID, Name: "Europe"})
	must(err)
	tpl, err := n.desk.SaveTemplate(ctx, reporter, publish.Template{PageID: n.page.ID, Name: "Slow", Body: "It is slow."})
	must(err)
	i := n.open("Slow")
	over := n.open("Over")
	_, _, err = n.desk.PostUpdate(ctx, reporter, over.ID, publish.Note{Phase: status.Resolved, Body: "Done."})
	must(err)
	draft, _, err := n.desk.OpenIncident(ctx, reporter, publish.Opening{PageID: n.page.ID, Title: "A draft", Draft: true, Note: publish.Note{Body: "So far."}})
	must(err)
	start := time.Now().Add(48 * time.Hour)
	m, _, err := n.desk.SaveMaintenance(ctx, reporter, status.Maintenance{PageID: n.page.ID, Title: "Move", Start: start, End: start.Add(time.Hour)}, publish.Note{Body: "We move."})
	must(err)
	s, err := n.desk.SaveSeries(ctx, reporter, status.Series{PageID: n.page.ID, Title: "Weekly", Body: "Updates.", Rule: "FREQ=WEEKLY;BYDAY=SU", Zone: "Europe/Berlin", Start: start, Minutes: 60})
	must(err)
	inc, mnt := "/console/incidents/", "/console/maintenance/"
	for _, f := range []struct {
		what, path   string
		theirs, mine []string
	}{
		{"a page", "/console/pages/" + n.page.ID, []string{"about", "Theirs"}, []string{"support", "mailto:mine@example.com"}},
		{"a component", "/console/components/" + n.api.ID, []string{"about", "Theirs"}, []string{"name", "Mine"}},
		{"a group", "/console/component-groups/" + g.ID, []string{"about", "Theirs"}, []string{"name", "Mine"}},
		{"a template", "/console/templates/" + tpl.ID, []string{"title", "Theirs"}, []string{"body", "Mine"}},
		{"an incident", inc + i.ID + "/edit", []string{"impact", "critical"}, []string{"title", "Mine"}},
		{"what an update says", inc + i.ID + "/updates/" + i.Updates[0].ID, []string{"body", "Theirs"}, []string{"body", "Mine"}},
		{"a postmortem", inc + over.ID + "/postmortem", []string{"body", "Theirs", "silent", "on"}, []string{"body", "Mine", "silent", "on"}},
		{"a draft", inc + draft.ID + "/draft", []string{"body", "Theirs", "step", "save"}, []string{"title", "Mine", "step", "save"}},
		{"a maintenance", mnt + m.ID + "/edit", []string{"impact", "major"}, []string{"title", "Mine"}},
		{"what an update of a maintenance says", mnt + m.ID + "/updates/" + m.Updates[0].ID, []string{"body", "Theirs"}, []string{"body", "Mine"}},
		{"a series", "/console/series/" + s.ID, []string{"impact", "major"}, []string{"title", "Mine"}},
	} {
		t.Run(f.what, func(t *testing.T) {
			first, second := n.as("admin"), n.as("admin")
			in := second.filled(f.path, f.path)
			their := with(first.filled(f.path, f.path), f.theirs...)
			if res, body := first.post(f.path, their); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("the first: %d %s", res.StatusCode, problemsIn(body))
			}
			if res, body := first.post(f.path, their); res.StatusCode != http.StatusSeeOther {
				t.Errorf("the same sent twice: %d %s", res.StatusCode, problemsIn(body))
			}
			mine := with(in, f.mine...)
			res, body := second.post(f.path, mine)
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "while you wrote") {
				t.Fatalf("the second: %d %s", res.StatusCode, problemsIn(body))
			}
			again := fieldsOf(t, body, f.path)
			for k := 0; k < len(f.mine); k += 2 {
				if f.mine[k] != "step" && again.Get(f.mine[k]) != f.mine[k+1] {
					t.Errorf("%s is %q afterwards", f.mine[k], again.Get(f.mine[k]))
				}
			}
			if in.Get("step") == "" && mine.Get("step") != "" {
				again.Set("step", mine.Get("step"))
			}
			if res, body := second.post(f.path, again); res.StatusCode != http.StatusSeeOther {
				t.Errorf("sent again: %d %s", res.StatusCode, problemsIn(body))
			}
		})
	}
}

func TestAnUpdateIsNotPublishedOverOneThatNobodyRead(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("operator")
	resolve := func(id string) {
		t.Helper()
		if _, _, err := n.desk.PostUpdate(t.Context(), reporter, id, publish.Note{Phase: status.Resolved, Body: "It works again."}); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"the editor", "the list"} {
		t.Run(from, func(t *testing.T) {
			i := n.open("Slow")
			at := "/console/incidents/" + i.ID + "/update"
			path := at
			if from == "the list" {
				path = "/console/incidents"
			}
			in := with(v.filled(path, at), "phase", "identified", "body", "We know why.", "step", "publish")
			resolve(i.ID)
			res, body := v.post(at, in)
			wants(t, res, body, http.StatusUnprocessableEntity, "while you wrote", "Mira Sand", "Resolved", "works again", "opens it again", "We know why.")
			if got := n.stored(i.ID); got.Phase != status.Resolved || len(got.Updates) != 2 {
				t.Fatalf("it was published: %s", got.Phase)
			}
			again := with(fieldsOf(t, body, at), "step", "publish")
			v.sends(at, again)
			if got := n.stored(i.ID); got.Phase != status.Identified {
				t.Errorf("sent again it is %s", got.Phase)
			}
			if res, _ := v.post(at, again); res.StatusCode != http.StatusSeeOther || len(n.stored(i.ID).Updates) != 3 {
				t.Error("the same sent twice is not what it was")
			}
		})
	}
	t.Run("a draft that was published meanwhile keeps what is written", func(t *testing.T) {
		i, _, err := n.desk.OpenIncident(t.Context(), reporter, publish.Opening{PageID: n.page.ID, Title: "Draft", Draft: true, Note: publish.Note{Body: "So far."}})
		if err != nil {
			t.Fatal(err)
		}
		at := "/console/incidents/" + i.ID + "/draft"
		in := with(v.filled(at, at), "body", "Half an hour of work.", "step", "publish")
		if _, _, err := n.desk.PublishDraft(t.Context(), reporter, i.ID, false); err != nil {
			t.Fatal(err)
		}
		res, body := v.post(at, in)
		wants(t, res, body, http.StatusUnprocessableEntity, "while you wrote", "Half an hour of work.", `action="/console/incidents/`+i.ID+`/update"`)
	})
	t.Run("a draft is not published as it is when it is another one by now", func(t *testing.T) {
		i, _, err := n.desk.OpenIncident(t.Context(), reporter, publish.Opening{PageID: n.page.ID, Title: "Draft", Draft: true, Note: publish.Note{Body: "So far."}})
		if err != nil {
			t.Fatal(err)
		}
		at := "/console/incidents/" + i.ID + "/publish"
		in := v.filled("/console/incidents", at)
		title := "Everything is down"
		if _, err := n.desk.EditDraft(t.Context(), reporter, i.ID, publish.Edit{Title: &title}, publish.Note{Body: "Worse."}); err != nil {
			t.Fatal(err)
		}
		if res, _ := v.post(at, in); res.Header.Get("Location") != "/console/incidents/"+i.ID+"/draft" || !n.stored(i.ID).Draft {
			t.Errorf("leads to %s", res.Header.Get("Location"))
		}
	})
}

func TestAMaintenanceIsWrittenOnceAndAfterWhatOthersWrote(t *testing.T) {
	h := newCity(t)
	v := h.as("operator")
	t.Run("announced twice is announced once", func(t *testing.T) {
		in := with(v.filled("/console/maintenance/new", "/console/maintenance/new"), "title", "Twice", "body", "We do it.")
		if one, two := v.announce(t, in), v.announce(t, in); one != two {
			t.Errorf("%s and %s", one, two)
		}
	})
	path := v.announce(t, h.fields(nil))
	at := path + "/update"
	t.Run("an update sent twice is posted once", func(t *testing.T) {
		in := with(v.filled(path, at), "body", "All is ready.")
		for range 2 {
			if res, body := v.post(at, in); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %s", res.StatusCode, problems(body))
			}
		}
		if got := len(h.stored(path).Updates); got != 2 {
			t.Errorf("there are %d updates", got)
		}
	})
	t.Run("what is refused keeps all of it", func(t *testing.T) {
		in := with(v.filled(path, at), "phase", "in_progress", "silent", "on", "body", strings.Repeat("x", 30_000))
		res, body := v.post(at, in)
		if res.StatusCode != http.StatusUnprocessableEntity {
			t.Fatalf("answered %d", res.StatusCode)
		}
		if got := fieldsOf(t, body, at); got.Get("phase") != "in_progress" || got.Get("silent") != "on" {
			t.Errorf("where it stands is %q, silent %q", got.Get("phase"), got.Get("silent"))
		}
	})
	t.Run("it does not begin anew because somebody looked at it before it began", func(t *testing.T) {
		in := with(v.filled(path, at), "body", "Five more minutes.")
		id := strings.TrimPrefix(path, "/console/maintenance/")
		if _, _, err := h.desk.PostMaintenance(t.Context(), planner, id, publish.Note{Phase: status.InProgress, Body: "We begin."}); err != nil {
			t.Fatal(err)
		}
		res, body := v.post(at, in)
		wants(t, res, body, http.StatusUnprocessableEntity, "while you wrote", "Mira Sand", "In progress", "We begin", "Five more minutes.")
		if got := h.stored(path).Phase; got != status.InProgress {
			t.Fatalf("it is %s", got)
		}
		if res, body := v.post(at, fieldsOf(t, body, at)); res.StatusCode != http.StatusSeeOther || h.stored(path).Phase != status.InProgress {
			t.Errorf("sent again: %d, %s %s", res.StatusCode, h.stored(path).Phase, problems(body))
		}
	})
	t.Run("made longer twice from one look is longer once", func(t *testing.T) {
		in := with(v.filled(path, path+"/extend"), "minutes", "30")
		end := h.stored(path).End
		for range 2 {
			if res, _ := v.post(path+"/extend", in); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("answered %d", res.StatusCode)
			}
		}
		if got := h.stored(path).End; !got.Equal(end.Add(30 * time.Minute)) {
			t.Errorf("it ends %s later", got.Sub(end))
		}
	})
}

// first is the button that Enter presses in a form's fields.
func first(t *testing.T, body, action string) (name, to string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Data != "form" || attr(n, "method") != "post" || sendsTo(n) != action {
			continue
		}
		for b := range n.Descendants() {
			if b.Data == "button" && attr(b, "type") != "button" {
				return attr(b, "name"), attr(b, "formaction")
			}
		}
	}
	return "", "no form"
}

func TestEnterSavesAndTakesNothingAway(t *testing.T) {
	n := newNewsroom(t)
	v := n.as("admin")
	for _, path := range []string{"/console/components/" + n.api.ID, "/console/components/" + n.web.ID, "/console/components/new", "/console/settings/email"} {
		_, body := v.get(path)
		if name, to := first(t, body, path); name != "" || to != "" {
			t.Errorf("%s: Enter presses %q, which sends it to %q", path, name, to)
		}
	}
}

func TestTheFirstPageIsTheMainOne(t *testing.T) {
	h := newHub(t)
	if _, body := h.as("admin").get("/console/pages/new"); strings.Contains(body, `name="main"`) || !strings.Contains(body, "The first page is") {
		t.Error("it is asked what cannot be chosen")
	}
}

func TestATimeThatTheClocksLeaveOutIsNoTimeOfAnIncident(t *testing.T) {
	n := newNewsroom(t)
	in := with(n.as("operator").filled("/console/incidents/new", "/console/incidents/new"), "title", "Late", "body", "b", "started", "2026-03-29T02:30", "step", "publish")
	res, body := n.as("operator").post("/console/incidents/new", in)
	wants(t, res, body, http.StatusUnprocessableEntity, "the clocks go forward")
}

func TestAFormThatIsTooLargeIsSaidToBe(t *testing.T) {
	n := newNewsroom(t)
	res, body := n.as("operator").post("/console/incidents/new", url.Values{"body": {strings.Repeat("x", 300<<10)}})
	wants(t, res, body, http.StatusRequestEntityTooLarge, "too long", "256 KiB")
}

func TestTriggersThatTwoSwitchAreBothSwitched(t *testing.T) {
	h := newCity(t)
	v := h.as("admin")
	at := "/console/settings/notifications/triggers/" + h.page.ID
	one, two := v.filled("/console/settings/notifications", at), v.filled("/console/settings/notifications", at)
	two.Del("incident_update")
	for _, in := range []url.Values{with(one, "component_down", "on"), with(two, "maintenance", "on")} {
		if res, _ := v.post(at, in); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
	}
	got := v.filled("/console/settings/notifications", at)
	if !got.Has("component_down") || !got.Has("maintenance") || got.Has("incident_update") || !got.Has("incident_new") {
		t.Errorf("they are %v", got)
	}
	if res, body := v.post(at, two); res.StatusCode != http.StatusSeeOther || !strings.Contains(v.led(t, res), "Component Down") {
		t.Errorf("what the other one switched is not said: %s", problems(body))
	}
}

func TestAPageWithNothingOnItIsNotSaidToWork(t *testing.T) {
	h := newHub(t)
	if _, err := h.desk.SavePage(t.Context(), planner, status.Page{Slug: "empty", Name: "Empty", Zone: "UTC", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	if _, body := h.as("admin").get("/console/pages"); strings.Contains(body, "Operational") || !strings.Contains(body, "Nothing is on it yet") {
		t.Error("it is said to work")
	}
}
