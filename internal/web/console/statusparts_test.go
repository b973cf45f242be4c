package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// seen are the names of components and groups in the order of the list; what
// stands in a group is further in.
func seen(body string) string {
	var out []string
	depth := 0
	for _, m := range regexp.MustCompile(`<li class="tree-(part|group)[^>]*data-name="([^"]*)"|<ol class="tree-|</ol>`).FindAllStringSubmatch(body, -1) {
		switch {
		case m[0] == "</ol>":
			depth--
		case m[2] == "":
			depth++
		default:
			out = append(out, strings.Repeat("-", depth-1)+m[2])
		}
	}
	return strings.Join(out, " ")
}

func TestComponentsStandInTheirGroups(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	bank := f.group("Banking", "")
	eu := f.group("Europe", bank)
	web, cards, sepa, app := f.part("Web", ""), f.part("Cards", bank), f.part("SEPA", eu), f.part("App", "")
	list := func() string { _, body := operator.get("/console/components"); return seen(body) }
	if got := list(); got != "Web App Banking -Cards -Europe --SEPA" {
		t.Fatalf("they stand as %q", got)
	}
	t.Run("they are moved by one without a script", func(t *testing.T) {
		operator.post("/console/components/"+app+"/move", url.Values{"way": {"up"}})
		if got := list(); got != "App Web Banking -Cards -Europe --SEPA" {
			t.Errorf("they stand as %q", got)
		}
		operator.post("/console/components/"+app+"/move", url.Values{"way": {"up"}}) // is the first already
		operator.post("/console/component-groups/"+bank+"/move", url.Values{"way": {"down"}})
		if got := list(); got != "App Web Banking -Cards -Europe --SEPA" {
			t.Errorf("they stand as %q", got)
		}
	})
	t.Run("an order is taken whole", func(t *testing.T) {
		res, body := operator.post("/console/components/order", url.Values{"page": {f.page.ID}, "place": {
			"c:" + web + ":", "g:" + eu + ":", "c:" + sepa + ":" + eu, "c:" + cards + ":" + eu, "g:" + bank + ":", "c:" + app + ":" + bank}})
		if res.StatusCode != http.StatusNoContent {
			t.Fatalf("answered %d %s", res.StatusCode, body)
		}
		if got := list(); got != "Web Europe -SEPA -Cards Banking -App" {
			t.Errorf("they stand as %q", got)
		}
	})
	t.Run("one that cannot be is refused with a sentence, and nothing is moved", func(t *testing.T) {
		for _, place := range [][]string{{"c:none:"}, {"g:" + eu + ":" + eu}, {"c:" + web + ":none"}, {"nonsense"}, {"g:" + eu + ":" + bank, "g:" + bank + ":" + eu}} {
			res, body := operator.post("/console/components/order", url.Values{"page": {f.page.ID}, "place": place})
			if res.StatusCode != http.StatusConflict || !strings.Contains(body, "Load the page anew") {
				t.Errorf("%v: %d %s", place, res.StatusCode, body)
			}
		}
		if res, _ := operator.post("/console/components/order", url.Values{"place": {"c:" + web + ":"}}); res.StatusCode != http.StatusConflict {
			t.Errorf("an order of no page: %d", res.StatusCode)
		}
		if got := list(); got != "Web Europe -SEPA -Cards Banking -App" {
			t.Errorf("they stand as %q", got)
		}
	})
	t.Run("what is in a group that is deleted stands where it stood", func(t *testing.T) {
		_, body := operator.get("/console/component-groups/" + eu + "/delete")
		if !strings.Contains(body, "Its components stay") {
			t.Error("it is not said what becomes of them")
		}
		operator.post("/console/component-groups/"+eu+"/delete", nil)
		if got := list(); got != "Web SEPA Cards Banking -App" && got != "SEPA Cards Web Banking -App" {
			t.Errorf("they stand as %q", got)
		}
	})
	t.Run("a component goes to the end of another group", func(t *testing.T) {
		res, _ := operator.post("/console/components/"+web, url.Values{"name": {"Website"}, "group_id": {bank}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		if got := list(); got != "SEPA Cards Banking -App -Website" {
			t.Errorf("they stand as %q", got)
		}
	})
}

func TestAGroupIsMadeAndRefused(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	res, _ := operator.post("/console/component-groups/new?page="+f.page.ID, url.Values{"name": {"Shop"}, "about": {"All of it"}, "open": {"on"}})
	groups, _, err := f.db.StatusParts(t.Context(), f.page.ID)
	if err != nil || res.StatusCode != http.StatusSeeOther || len(groups) != 1 || !groups[0].Open || groups[0].About != "All of it" {
		t.Fatalf("%d %+v %v", res.StatusCode, groups, err)
	}
	inner := f.group("Inner", groups[0].ID)
	for name, form := range map[string]url.Values{
		"no name":      {"name": {""}},
		"three levels": {"name": {"Deep"}, "parent_id": {inner}},
		"no group":     {"name": {"Deep"}, "parent_id": {"none"}},
	} {
		res, body := operator.post("/console/component-groups/new?page="+f.page.ID, form)
		wants(t, res, body, http.StatusUnprocessableEntity, `aria-invalid="true"`)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	res, body := operator.get("/console/component-groups/" + groups[0].ID)
	wants(t, res, body, http.StatusOK, "None: there are groups in it")
}

// known lets the hub know an object.
func (f *firm) known(host, service string, s alert.State, labels map[string]string) {
	f.t.Helper()
	kind := alert.Recovery
	if s.Problem() {
		kind = alert.Problem
	}
	o := alert.Object{SourceID: "s1", Host: host, Service: service, State: s, Labels: labels}
	o.ID = alert.ObjectID(o.SourceID, o.Host, o.Service)
	now := time.Now()
	if _, err := f.acks.Receive(f.t.Context(), "s1", []alert.Event{{SourceID: "s1", Object: o, Type: kind, State: s, Time: now, Received: now}}); err != nil {
		f.t.Fatal(err)
	}
}

func TestABindingIsWrittenWithWhatMatchesBesideIt(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	f.known("shop01", "HTTP", alert.Critical, map[string]string{"team": "shop"})
	f.known("shop02", "HTTP", alert.Warning, nil)
	f.known("shop02", "", alert.Up, nil)
	for _, h := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"} {
		f.known("many-"+h, "", alert.Up, nil)
	}
	matches := func(form url.Values) string {
		t.Helper()
		form.Add("binding", "0")
		res, body := operator.post("/console/components/matches", form)
		if res.StatusCode != http.StatusOK || strings.Contains(body, "<html") {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		return body
	}
	for _, c := range []struct {
		name       string
		form       url.Values
		want, lack []string
	}{
		{"a host stands for its services, the worst comes first", url.Values{"b0_hosts": {"shop*"}}, []string{"3 objects match now", "Major outage", "shop01 / HTTP", "makes it Major outage", "hq"}, []string{"more"}},
		{"with a service, hosts are left out", url.Values{"b0_hosts": {"SHOP02"}, "b0_services": {"http"}}, []string{"1 object matches now", "Degraded performance"}, []string{"shop01"}},
		{"labels", url.Values{"b0_labels": {"team=sh*"}}, []string{"1 object matches now", "shop01"}, nil},
		{"another mapping", url.Values{"b0_hosts": {"shop01"}, "b0_state_critical": {"partial_outage"}}, []string{"makes it Partial outage"}, []string{"Major"}},
		{"many are cut and counted", url.Values{"b0_hosts": {"many-*"}}, []string{"13 objects match now", "many-a", "and 1 more"}, []string{"many-m", "would make"}},
		{"none", url.Values{"b0_hosts": {"nothing*"}}, []string{"Nothing matches now", "first event"}, nil},
		{"nothing given", url.Values{}, []string{"Name a source"}, []string{"match now"}},
		{"labels that cannot be read", url.Values{"b0_labels": {"team"}}, []string{"cannot be read so far"}, nil},
		{"another source", url.Values{"b0_hosts": {"shop*"}, "b0_sources": {"none"}}, []string{"Nothing matches"}, nil},
		{"text from outside stays text", url.Values{"b0_hosts": {"web01"}}, []string{"&lt;script&gt;alert(1)"}, []string{"<script>alert"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := matches(c.form)
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("lacks %q:\n%s", want, body)
				}
			}
			for _, lack := range c.lack {
				if strings.Contains(body, lack) {
					t.Errorf("has %q:\n%s", lack, body)
				}
			}
		})
	}
	t.Run("it is stored as it was written, and shown so", func(t *testing.T) {
		res, body := operator.post("/console/components/new?page="+f.page.ID, url.Values{"name": {"Shop"}, "binding": {"3", "7"},
			"b3_hosts": {"shop*\r\nmall*"}, "b3_services": {"HTTP"}, "b3_sources": {"s1"}, "b3_labels": {"team = shop*"}, "b3_state_warning": {"partial_outage"}, "b3_state_critical": {"major_outage"},
			"b3_hold": {"90"}, "b3_incident": {"publish"}, "b3_after": {"15"}, "b3_downtime": {"on"},
			"b7_hosts": {"db*"}, "b7_incident": {"draft"}, "b7_after": {"10"}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		_, parts, err := f.db.StatusParts(t.Context(), f.page.ID)
		if err != nil || len(parts) != 1 || len(parts[0].Bindings) != 2 {
			t.Fatalf("%+v %v", parts, err)
		}
		b := parts[0].Bindings[0]
		if strings.Join(b.Hosts, "|") != "shop*|mall*" || b.Labels["team"] != "shop*" || len(b.States) != 1 || b.States["warning"] != status.Partial ||
			b.HoldDown != 90 || b.Incident != "publish" || b.After != 15 || !b.Downtime || b.SourceIDs[0] != "s1" {
			t.Errorf("the first is %+v", b)
		}
		if b := parts[0].Bindings[1]; b.Incident != "draft" || b.After != 0 || b.States != nil {
			t.Errorf("the second is %+v", b)
		}
		res, body = operator.get("/console/components/" + parts[0].ID)
		wants(t, res, body, http.StatusOK, "shop*\nmall*", `name="b0_hold"`, `value="90"`, "1 object matches now", "Binding 2", "follows alerts")
	})
	t.Run("one more and one less are drawn without keeping anything", func(t *testing.T) {
		at := "/console/components/new/bindings?page=" + f.page.ID
		form := url.Values{"name": {"Unsaved"}, "binding": {"0", "1"}, "b0_hosts": {"first*"}, "b1_hosts": {"second*"}, "b1_hold": {"nonsense"}}
		more := url.Values{"add": {"yes"}}
		for k, v := range form {
			more[k] = v
		}
		res, body := operator.post(at, more)
		wants(t, res, body, http.StatusOK, "Binding 3", "first*", "second*", `value="nonsense"`, `value="Unsaved"`)
		less := url.Values{"remove": {"0"}}
		for k, v := range form {
			less[k] = v
		}
		res, body = operator.post(at, less)
		wants(t, res, body, http.StatusOK, "second*", "Binding 1")
		if strings.Contains(body, "first*") || strings.Contains(body, "Binding 2") {
			t.Error("the first is still there")
		}
		if _, parts, _ := f.db.StatusParts(t.Context(), f.page.ID); len(parts) != 1 {
			t.Error("something was kept")
		}
	})
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"no name":                    {url.Values{"name": {""}}, "f-name-problem"},
		"a link that attacks":        {url.Values{"link": {"javascript:alert(1)"}}, "f-link-problem"},
		"a group of nowhere":         {url.Values{"group_id": {"none"}}, "f-group_id-problem"},
		"a binding for everything":   {url.Values{"binding": {"0"}}, "f-b0_hosts-problem"},
		"a label without a pattern":  {url.Values{"binding": {"0"}, "b0_labels": {"team"}}, "f-b0_labels-problem"},
		"seconds that are none":      {url.Values{"binding": {"0"}, "b0_hosts": {"a"}, "b0_hold": {"soon"}}, "f-b0_hold-problem"},
		"more seconds than a day":    {url.Values{"binding": {"0"}, "b0_hosts": {"a"}, "b0_hold": {"86401"}}, "f-b0_hold-problem"},
		"minutes that are too many":  {url.Values{"binding": {"0", "1"}, "b0_hosts": {"a"}, "b1_hosts": {"a"}, "b1_incident": {"publish"}, "b1_after": {"5000"}}, "f-b1_after-problem"},
		"a state that is none":       {url.Values{"binding": {"0"}, "b0_hosts": {"a"}, "b0_state_down": {"broken"}}, "f-b0_state_down-problem"},
		"an incident that is none":   {url.Values{"binding": {"0"}, "b0_hosts": {"a"}, "b0_incident": {"shout"}}, "f-b0_incident-problem"},
		"too many patterns":          {url.Values{"binding": {"0"}, "b0_hosts": {strings.Repeat("a\n", 101)}}, "f-b0_hosts-problem"},
		"a binding under a high one": {url.Values{"binding": {"900"}}, "f-b0_hosts-problem"},
	} {
		t.Run(name+" is refused at the field, and what was written stays", func(t *testing.T) {
			form := url.Values{"name": {"Bad"}, "about": {"kept as it was"}}
			for k, v := range c.form {
				form[k] = v
			}
			res, body := operator.post("/console/components/new?page="+f.page.ID, form)
			wants(t, res, body, http.StatusUnprocessableEntity, `id="`+c.want+`"`, "kept as it was")
		})
	}
}

func TestAStateIsSetByHand(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	web := f.part("Web", "", status.Binding{Hosts: []string{"web01"}})
	at := "/console/components/" + web
	f.page.Triggers = map[string]bool{string(push.ComponentDown): true}
	if _, err := f.desk.SavePage(t.Context(), f.who, f.page); err != nil {
		t.Fatal(err)
	}
	published := func() int {
		list, _, _, err := f.db.Publications(t.Context(), 100, "")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	t.Run("before, it is said who hears of it", func(t *testing.T) {
		res, body := operator.get(at + "/state")
		wants(t, res, body, http.StatusOK, "As it is now", "no visitor asked for it so far", "no outage begins or ends with it", `name="silent"`, "/console/incidents/new?page="+f.page.ID)
		if strings.Contains(body, `value="under_maintenance"`) {
			t.Error("maintenance is offered as a state")
		}
	})
	t.Run("silently, nobody is told", func(t *testing.T) {
		operator.post(at+"/state", url.Values{"state": {"major_outage"}, "silent": {"on"}})
		if c := f.stored(web); c.State != status.Major || !c.ByHand || published() != 0 {
			t.Errorf("it is %+v, and %d were published", c, published())
		}
		operator.post(at+"/state", url.Values{"state": {"operational"}})
	})
	t.Run("aloud, visitors are, and the way back leads where one came from", func(t *testing.T) {
		res, _ := operator.post(at+"/state", url.Values{"state": {"partial_outage"}, "back": {"component"}})
		if res.Header.Get("Location") != at || published() != 1 {
			t.Errorf("led to %q, %d published", res.Header.Get("Location"), published())
		}
		if body := operator.told(res); !strings.Contains(body, "Visitors are being told.") {
			t.Error("it is not said")
		}
	})
	t.Run("its page and the list say that a person did it", func(t *testing.T) {
		for _, path := range []string{at, "/console/components"} {
			res, body := operator.get(path)
			wants(t, res, body, http.StatusOK, "Partial outage", "by hand")
		}
		res, body := operator.get(at)
		wants(t, res, body, http.StatusOK, "Follow alerts again", "Lately", "operator")
	})
	t.Run("it is given back to its alerts", func(t *testing.T) {
		if _, err := f.desk.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		operator.post(at+"/follow", nil)
		if c := f.stored(web); c.State != status.Major || c.ByHand {
			t.Errorf("it is %+v", c)
		}
		bare := f.part("Bare", "")
		res, _ := operator.post("/console/components/"+bare+"/follow", nil)
		if body := operator.told(res); !strings.Contains(body, "is bound to nothing") {
			t.Error("following nothing is taken")
		}
	})
	t.Run("a state that is none is refused", func(t *testing.T) {
		for _, s := range []string{"", "broken", "under_maintenance", "no_data"} {
			res, body := operator.post(at+"/state", url.Values{"state": {s}})
			wants(t, res, body, http.StatusUnprocessableEntity, "cannot be set")
		}
	})
}

func TestAComponentIsHiddenShownAndDeleted(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	web := f.part("Web", "", status.Binding{Hosts: []string{"web*"}})
	at := "/console/components/" + web
	operator.post(at+"/hide", url.Values{"hidden": {"on"}})
	if c := f.stored(web); !c.Hidden || len(c.Bindings) != 1 {
		t.Fatalf("it is %+v", c)
	}
	res, body := operator.get("/console/components")
	wants(t, res, body, http.StatusOK, "hidden")
	operator.post(at+"/hide", nil)
	if f.stored(web).Hidden {
		t.Error("it is still hidden")
	}
	m := status.Maintenance{PageID: f.page.ID, Title: "New disks", Components: []string{web}, Phase: status.Scheduled, Start: time.Now().Add(time.Hour), End: time.Now().Add(2 * time.Hour)}
	m, _, err := f.desk.SaveMaintenance(t.Context(), f.who, m, publish.Note{Body: "Planned work."})
	if err != nil {
		t.Fatal(err)
	}
	res, _ = operator.post(at+"/delete", nil)
	if body := operator.told(res); !strings.Contains(body, "New disks") || !strings.Contains(body, "hide it") {
		t.Error("it is not said what names it, nor the mend")
	}
	if _, _, err := f.desk.CancelMaintenance(t.Context(), f.who, m.ID, "Not now.", true); err != nil {
		t.Fatal(err)
	}
	res, body = operator.get(at + "/delete")
	wants(t, res, body, http.StatusOK, "hide it instead")
	operator.post(at+"/delete", nil)
	if res, _ := operator.get(at); res.StatusCode != http.StatusNotFound {
		t.Errorf("it still answers %d", res.StatusCode)
	}
}

func TestMaintenanceShowsOnComponentsAndNeverHidesAnOutage(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	web, api := f.part("Web", ""), f.part("API", "")
	_, _, err := f.desk.SaveMaintenance(t.Context(), f.who, status.Maintenance{PageID: f.page.ID, Title: "Disks", Components: []string{web, api}, Phase: status.Scheduled, AutoStart: true,
		Start: time.Now().Add(-time.Minute), End: time.Now().Add(time.Hour)}, publish.Note{Body: "At work."})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.desk.SetComponent(t.Context(), f.who, api, status.Major, true); err != nil {
		t.Fatal(err)
	}
	res, body := operator.get("/console/components/" + web)
	wants(t, res, body, http.StatusOK, "Under maintenance", "without the work it is Operational")
	_, body = operator.get("/console/components/" + api)
	if now := regexp.MustCompile(`(?s)class="state-big">.*?</p>`).FindString(body); !strings.Contains(now, "Major outage") {
		t.Errorf("the work hides the outage: %s", now)
	}
	res, body = operator.get("/console/components")
	wants(t, res, body, http.StatusOK, "Under maintenance", "Major outage")
}
