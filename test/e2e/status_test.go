package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/nagios"
	"tocsin/test/pushlab"
)

// What the API says of a public page's things.
type (
	publicIncident struct {
		ID, Title, Phase string
		Draft, Automatic bool
		Components       []string
		Alerts           []string `json:"alert_ids"`
		Updates          []struct{ Phase, Body string }
	}
	publicMaintenance struct {
		ID, Title, Phase string
		Automatic        bool
		Components       []string
	}
	incidentList    struct{ Items []publicIncident }
	maintenanceList struct{ Items []publicMaintenance }
)

// A public page, a real Nagios, and two visitors who want to hear of one component:
// one in Chromium, one in Firefox, both closed when it matters.
type publicStory struct {
	*world
	engine   *nagios.Nagios
	editor   *person
	visitors []*pushed
	parts    map[string]string // ids of components, by name
	incident publicIncident
	pushes   int // that each visitor's push service should have taken
}

func TestFromNagiosToTheVisitor(t *testing.T) {
	t.Parallel()
	w, lab := beginPush(t)
	w.user("anna", "operator")
	w.serve()
	s := &publicStory{world: w, parts: map[string]string{}}
	s.page()
	s.engine = w.engine("anna")
	for _, b := range []start{browser.Chromium, browser.Firefox} {
		s.visitors = append(s.visitors, w.visitor(b, lab))
	}
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"visitors subscribe to one component, and close their browsers", s.subscribed},
		{"a problem in Nagios makes a draft, which nobody sees but the component does", s.drafted},
		{"an editor publishes it in the console", s.published},
		{"the visitors get it when their browsers start, and a click opens it", s.told},
		{"a recovery in Nagios mends the component, and ends what no person had a hand in", s.ended},
		{"a downtime in Nagios is a maintenance, and no outage", s.maintained},
	} {
		w.part(part.name, part.run)
		if w.Failed() {
			return // each goes on where the one before it ended
		}
	}
}

// page makes the page by the API.
func (s *publicStory) page() {
	s.Helper()
	s.must(s.hub.Post(s.ctx, "/status/pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "Europe/Berlin", "language": "en"}, nil))
	for name, binding := range map[string]map[string]any{
		"Website": {"hosts": []string{"web01"}, "services": []string{"HTTP*"}, "incident": "draft"},
		"Reports": {"hosts": []string{"web01"}, "services": []string{"Disk*"}, "incident": "publish"},
		"Cards":   {"hosts": []string{"db01"}, "downtime": true},
		"Mail":    nil,
	} {
		var made struct{ ID string }
		body := map[string]any{"name": name}
		if binding != nil {
			body["bindings"] = []any{binding}
		}
		s.must(s.hub.Post(s.ctx, "/status/components", body, &made))
		s.parts[name] = made.ID
	}
}

// visitor sits before a browser of their own, and is nobody the hub knows.
func (w *world) visitor(s start, lab *pushlab.Lab) *pushed {
	w.Helper()
	bus, err := notifyd.StartBus(w.ctx)
	w.must(err)
	w.Cleanup(bus.Close)
	p := &pushed{person: &person{world: w, name: "a visitor", desktop: bus}, lab: lab, start: s, dir: w.TempDir()}
	w.Cleanup(func() {
		if p.browser != nil {
			p.browser.Close()
		}
	})
	return p
}

// state answers what visitors' programs read of a component.
func (s *publicStory) state(name string) (state string) {
	s.Helper()
	var all struct{ Components []struct{ ID, Status string } }
	s.must(s.public("/api/v2/components.json", &all))
	for _, c := range all.Components {
		if c.ID == s.parts[name] {
			state = c.Status
		}
	}
	return state
}

// until waits for what a page should be in a moment.
func (s *publicStory) until(tab browser.Tab, expr string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, moment)
	defer cancel()
	if err := browser.Until(ctx, tab, expr); err != nil {
		have, _ := browser.Text(s.ctx, tab, "body")
		s.Fatalf("%v; the page is\n%s", err, have)
	}
}

// public reads JSON as everybody can.
func (s *publicStory) public(path string, out any) error {
	return getJSON(s.ctx, "http://"+s.hub.Listen+path, out)
}

// accepted waits until the push service of each visitor has taken what it should.
func (s *publicStory) accepted(more int) {
	s.Helper()
	s.pushes += more
	for _, v := range s.visitors {
		v.waits("the visitor's push service has the messages", func() bool { return v.box.Accepted(v.token) >= s.pushes })
		if got := v.box.Accepted(v.token); got != s.pushes {
			s.Errorf("%s got %d messages, not %d", v.name, got, s.pushes)
		}
	}
}

func (s *publicStory) subscribed() {
	for _, v := range s.visitors {
		v.opens()
		tab, err := v.browser.Open(s.ctx, s.hub.URL+"/")
		s.must(err)
		s.must(browser.Click(s.ctx, tab, "header button[aria-pressed=false]"))
		s.until(tab, "location.pathname === '/subscribe' && document.querySelector('[data-remove]')?.hidden === false")
		s.must(browser.Click(s.ctx, tab, "input[name=what][value=some]"))
		s.must(browser.Click(s.ctx, tab, "input[name=component][value='"+s.parts["Website"]+"']"))
		s.must(browser.Click(s.ctx, tab, "[data-push] [type=submit]"))
		s.until(tab, "document.querySelector('[data-says]').textContent === document.querySelector('[data-says]').dataset.sayIssaved")
		v.follows(tab)
		v.browser.Close()
	}
	for _, v := range s.visitors {
		v.waits("the browser is gone", func() bool { return !v.box.Online(v.token) })
	}
	var n struct{ Channels map[string]int }
	s.must(s.hub.Get(s.ctx, "/status/pages/main/reach?kind=incident_new&components="+s.parts["Website"], &n))
	if n.Channels["webpush"] != 2 {
		s.Errorf("an incident of the website would reach %v", n.Channels)
	}
}

func (s *publicStory) drafted() {
	s.must(s.engine.Service("web01", "HTTP Check", 2, "CRITICAL - Socket timeout after 10 seconds"))
	var drafts incidentList
	s.eventually("a draft", func() bool {
		s.must(s.hub.Get(s.ctx, "/status/incidents?state=draft", &drafts))
		return len(drafts.Items) == 1
	})
	s.incident = drafts.Items[0]
	if !s.incident.Draft || !s.incident.Automatic || !slices.Equal(s.incident.Components, []string{s.parts["Website"]}) {
		s.Errorf("the draft is %+v", s.incident)
	}
	s.eventually("the component shows what Nagios says", func() bool { return s.state("Website") == "major_outage" })
	var open struct{ Incidents []struct{ ID string } }
	s.must(s.public("/api/v2/incidents/unresolved.json", &open))
	if len(open.Incidents) != 0 {
		s.Errorf("visitors see a draft: %+v", open)
	}
	resp, err := http.Get("http://" + s.hub.Listen + "/incidents/" + s.incident.ID)
	s.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		s.Errorf("the address of a draft answers %s", resp.Status)
	}
}

func (s *publicStory) published() {
	// What is published of another component reaches nobody who chose this one.
	s.must(s.hub.Post(s.ctx, "/status/incidents", map[string]any{
		"title": "Mail comes late", "body": "We look into it.", "changes": []any{map[string]string{"component_id": s.parts["Mail"], "to": "degraded_performance"}},
	}, nil))
	s.editor = s.sit("anna", browser.Chromium, browser.Denied)
	tab, err := s.editor.browser.Open(s.ctx, s.hub.URL+"/console/sign-in?next=/console/incidents")
	s.must(err)
	s.editor.tab = tab
	s.must(browser.Type(s.ctx, tab, "input[name=name]", "anna"))
	s.must(browser.Type(s.ctx, tab, "input[name=password]", password))
	s.must(browser.Click(s.ctx, tab, "button[type=submit]"))
	s.until(tab, "location.pathname === '/console/incidents' && document.readyState === 'complete'")
	s.editor.reads(tab, "HTTP Check", "2 by Web Push") // the alert beside it, and who will be told
	s.must(browser.Click(s.ctx, tab, ".draft-do button[type=submit]"))
	s.until(tab, "location.pathname === '/console/incidents/"+s.incident.ID+"' && !document.querySelector('.headline-dim')")
	s.accepted(1)
}

func (s *publicStory) told() {
	for _, v := range s.visitors {
		v.opens()
		ctx, cancel := context.WithTimeout(s.ctx, moment)
		n, err := v.desktop.Wait(ctx, func(n notifyd.Notification) bool { return strings.Contains(n.Summary, s.incident.Title) })
		if err != nil {
			s.Fatalf("%s: the visitor sees %s: %v", v.browser.Name(), v.desktop, err)
		}
		if !strings.HasPrefix(n.Summary, "🔴") || n.Body == "" {
			s.Errorf("the visitor reads %q, %q", n.Summary, n.Body)
		}
		s.must(v.desktop.Click(n.ID, "default"))
		tab, err := browser.UntilTab(ctx, v.browser, "/incidents/"+s.incident.ID)
		cancel()
		s.must(err)
		v.reads(tab, s.incident.Title, "Website")
		if all := v.desktop.List(); len(all) != 1 {
			s.Errorf("the visitor saw %s", v.desktop)
		}
		v.browser.Close()
	}
}

func (s *publicStory) ended() {
	phase := func(id string) string {
		s.Helper()
		var i publicIncident
		s.must(s.hub.Get(s.ctx, "/status/incidents/"+id, &i))
		return i.Phase
	}
	s.must(s.engine.Service("web01", "HTTP Check", 0, "HTTP OK: 200"))
	s.eventually("the component is well", func() bool { return s.state("Website") == "operational" })
	if got := phase(s.incident.ID); got != "investigating" {
		s.Errorf("what a person published is %s", got)
	}
	s.must(s.hub.Post(s.ctx, "/status/incidents/"+s.incident.ID+"/updates", map[string]any{"phase": "resolved", "body": "All is well again."}, nil))
	s.accepted(1)

	s.must(s.engine.Service("web01", "Disk /", 1, "DISK WARNING - 9 % free"))
	var own publicIncident
	s.eventually("an incident that is published by itself", func() bool {
		var open incidentList
		s.must(s.hub.Get(s.ctx, "/status/incidents?state=open", &open))
		i := slices.IndexFunc(open.Items, func(i publicIncident) bool { return slices.Equal(i.Components, []string{s.parts["Reports"]}) })
		if i >= 0 {
			own = open.Items[i]
		}
		return i >= 0
	})
	s.eventually("the component is not well", func() bool { return s.state("Reports") == "degraded_performance" })
	s.must(s.engine.Service("web01", "Disk /", 0, "DISK OK - 40 % free"))
	s.eventually("it ends by itself", func() bool { return phase(own.ID) == "resolved" })
	s.eventually("and its component is well", func() bool { return s.state("Reports") == "operational" })
	s.accepted(0)
}

func (s *publicStory) maintained() {
	s.must(s.engine.Command(append([]string{"SCHEDULE_HOST_DOWNTIME", "db01"}, downtime(time.Hour)...)...))
	var m publicMaintenance
	s.eventually("a maintenance", func() bool {
		var list maintenanceList
		s.must(s.hub.Get(s.ctx, "/status/maintenance", &list))
		if len(list.Items) != 1 {
			return false
		}
		m = list.Items[0]
		return m.Phase == "in_progress"
	})
	if !m.Automatic || !slices.Equal(m.Components, []string{s.parts["Cards"]}) {
		s.Errorf("the maintenance is %+v", m)
	}
	s.must(s.engine.Host("db01", 1, "PING CRITICAL - 100 % lost"))
	s.eventually("the component is under maintenance", func() bool { return s.state("Cards") == "under_maintenance" })
	s.must(s.engine.Host("db01", 0, "PING OK"))
	s.must(s.engine.Command("DEL_DOWNTIME_BY_HOST_NAME", "db01"))
	s.eventually("it ends with the downtime", func() bool {
		s.must(s.hub.Get(s.ctx, "/status/maintenance/"+m.ID, &m))
		return m.Phase == "completed"
	})
	s.eventually("the component is well", func() bool { return s.state("Cards") == "operational" })
}

func getJSON(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
