package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// city is a hub with a status page in Berlin's time, on a Friday in November.
type city struct {
	*hub
	zone  *time.Location
	today time.Time // the day on which the test began
	page  status.Page
	shop  status.Component
	mail  status.Component
}

var planner = publish.Who{Name: "Mira Sand"}

func newCity(t *testing.T) *city {
	t.Helper()
	h := &city{hub: newHub(t)}
	var err error
	if h.zone, err = time.LoadLocation("Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	if h.page, err = h.desk.SavePage(t.Context(), planner, status.Page{Slug: "status", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	h.today = time.Now().In(h.zone) // one day for the whole test, also about midnight
	h.shop, h.mail = h.component("Web shop"), h.component("Mail")
	return h
}

func (h *city) component(name string) status.Component {
	h.t.Helper()
	k, err := h.desk.SaveComponent(h.t.Context(), planner, status.Component{PageID: h.page.ID, Name: name})
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

// at is a time of day so many days ahead, and how a browser sends it.
func (h *city) at(days, hour, minute int) (time.Time, string) {
	n := h.today
	t := time.Date(n.Year(), n.Month(), n.Day()+days, hour, minute, 0, 0, h.zone)
	return t, t.Format("2006-01-02T15:04")
}

// fields are those of a maintenance that can be announced.
func (h *city) fields(more url.Values) url.Values {
	_, start := h.at(3, 22, 0)
	_, end := h.at(3, 23, 30)
	in := url.Values{"title": {"New storage"}, "body": {"We **replace** it."}, "start": {start}, "end": {end}, "impact": {"minor"},
		"components": {h.shop.ID}, "auto_start": {"on"}, "auto_end": {"on"}}
	for k, v := range more {
		in[k] = v
	}
	return in
}

// announce announces one and answers its address.
func (v *visitor) announce(t *testing.T, in url.Values) string {
	t.Helper()
	res, body := v.post("/console/maintenance/new", in)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
	}
	return res.Header.Get("Location")
}

// cell is a day of the calendar.
type cell struct {
	date, body string
	out        bool // of another month
}

func cells(body string) []cell {
	var out []cell
	for _, m := range regexp.MustCompile(`(?s)<td class="([^"]*)" data-date="([0-9-]+)".*?</td>`).FindAllStringSubmatch(body, -1) {
		out = append(out, cell{m[2], m[0], strings.Contains(m[1], "out")})
	}
	return out
}

// led is where a form leads, with what is said there.
func (v *visitor) led(t *testing.T, res *http.Response) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.server.URL+res.Header.Get("Location"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range res.Cookies() {
		r.AddCookie(k)
	}
	_, body := v.do(r)
	return body
}

func problems(body string) string {
	return strings.Join(regexp.MustCompile(`(?s)<p class="(?:problem|flash flash-bad)".*?</p>`).FindAllString(body, -1), "\n")
}

func (h *city) stored(path string) status.Maintenance {
	h.t.Helper()
	m, err := h.db.Maintenance(h.t.Context(), strings.TrimPrefix(path, "/console/maintenance/"))
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func TestMaintenanceIsAnnounced(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	start, _ := h.at(3, 22, 0)
	path := operator.announce(t, h.fields(nil))
	t.Run("at the page's clock, with who it was", func(t *testing.T) {
		m := h.stored(path)
		if !m.Start.Equal(start) || m.End.Sub(m.Start) != 90*time.Minute || m.Title != "New storage" || m.Phase != status.Scheduled || !m.AutoStart || !m.AutoEnd ||
			m.Impact != status.ImpactMinor || !slices.Equal(m.Components, []string{h.shop.ID}) || len(m.Updates) != 1 || m.Updates[0].By != "operator" {
			t.Errorf("%+v", m)
		}
		_, body := operator.get(path)
		for _, want := range []string{start.Format("Mon 2 Jan 2006, 15:04") + "–23:30", "Web shop", "announced it", "Scheduled", "lasts", "1 h 30 min"} {
			if want != "lasts" && !strings.Contains(body, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
	})
	t.Run("the calendar has it on its day", func(t *testing.T) {
		_, body := operator.get("/console/maintenance?month=" + start.Format("2006-01"))
		for _, cell := range cells(body) {
			if on := cell.date == start.Format("2006-01-02"); strings.Contains(cell.body, "New storage") != on {
				t.Errorf("%s has it: %v", cell.date, !on)
			}
		}
		for _, want := range []string{`id="day-` + start.Format("2006-01-02") + `"`, start.Format("Monday, 2 January 2006"), "22:00"} {
			if !strings.Contains(body, want) {
				t.Errorf("the calendar lacks %q", want)
			}
		}
	})
	t.Run("one that lies over several days is on each of them", func(t *testing.T) {
		_, from := h.at(5, 12, 0)
		_, to := h.at(8, 0, 0)
		operator.announce(t, h.fields(url.Values{"title": {"Machine room"}, "start": {from}, "end": {to}, "components": {h.mail.ID}}))
		seen := map[string]bool{}
		for _, m := range []int{0, 1} {
			_, body := operator.get("/console/maintenance?month=" + start.AddDate(0, m, 1-start.Day()).Format("2006-01"))
			for _, cell := range cells(body) {
				if strings.Contains(cell.body, "Machine room") {
					seen[cell.date] = true
				}
			}
		}
		for i := 4; i <= 8; i++ {
			day, _ := h.at(i, 12, 0)
			if want := i >= 5 && i <= 7; seen[day.Format("2006-01-02")] != want {
				t.Errorf("%d days ahead: there %v", i, !want)
			}
		}
	})
	t.Run("what is at the same time on the same components is said, and allowed", func(t *testing.T) {
		_, from := h.at(3, 23, 0)
		_, to := h.at(4, 1, 0)
		in := h.fields(url.Values{"title": {"Certificates"}, "start": {from}, "end": {to}})
		_, body := operator.post("/console/maintenance/new/check", in)
		if !strings.Contains(body, "on Web shop too:") || !strings.Contains(body, path) {
			t.Error("the form says nothing of the other one")
		}
		other := operator.announce(t, in)
		if _, body := operator.get(path); !strings.Contains(body, other) {
			t.Error("the first one does not say it")
		}
		if _, body := operator.get("/console/maintenance?month=" + start.Format("2006-01")); !strings.Contains(body, "At the same time on Web shop") {
			t.Error("the list does not say it")
		}
		_, body = operator.post("/console/maintenance/new/check", h.fields(url.Values{"components": {h.mail.ID}}))
		if strings.Contains(body, "on Web shop too:") || !strings.Contains(body, "on other components:") {
			t.Error("other components are not told apart")
		}
	})
	t.Run("it can be announced again", func(t *testing.T) {
		_, body := operator.get("/console/maintenance/new?like=" + strings.TrimPrefix(path, "/console/maintenance/"))
		for _, want := range []string{`value="New storage"`, "We **replace** it.", `T22:00"`, `T23:30"`, `value="` + h.shop.ID + `" checked`} {
			if !strings.Contains(body, want) {
				t.Errorf("the form lacks %q", want)
			}
		}
	})
}

func TestAMaintenanceThatCannotBeIsRefusedAtItsField(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	_, early := h.at(3, 21, 0)
	_, past := h.at(-3, 21, 0)
	_, pastEnd := h.at(-3, 22, 0)
	for _, c := range []struct {
		name, field, want string
		in                url.Values
	}{
		{"no title", "title", "is empty", url.Values{"title": {" "}}},
		{"no text", "body", "is empty", url.Values{"body": {""}}},
		{"an end before its start", "end", "not after its start", url.Values{"end": {early}}},
		{"no start", "start", "is missing", url.Values{"start": {""}}},
		{"a start that is none", "start", "is no time", url.Values{"start": {"<b>tomorrow"}}},
		{"a time that the clocks leave out", "start", "does not exist in Europe/Berlin", url.Values{"start": {"2027-03-28T02:30"}, "end": {"2027-03-28T05:00"}}},
		{"one that is over", "end", "lies back", url.Values{"start": {past}, "end": {pastEnd}}},
		{"a component of nobody", "components", "", url.Values{"components": {"0197aa00-0000-7000-8000-000000000001"}}},
		{"an impact that is none", "impact", "none of the choices", url.Values{"impact": {"huge"}}},
		{"a title that turns the writing", "title", "direction", url.Values{"title": {"a\u202eb"}}},
		{"a text of a megabyte's fourth", "body", "characters", url.Values{"body": {strings.Repeat("x", 100_000)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := operator.post("/console/maintenance/new", h.fields(c.in))
			if res.StatusCode != http.StatusUnprocessableEntity {
				t.Fatalf("answered %d", res.StatusCode)
			}
			if said := regexp.MustCompile(`(?s)id="f-` + c.field + `-problem".*?</p>`).FindString(body); said == "" || !strings.Contains(strings.ToLower(said), strings.ToLower(c.want)) {
				t.Errorf("beside the field: %q; elsewhere %s", said, problems(body))
			}
			if c.field != "title" && !strings.Contains(body, `value="New storage"`) {
				t.Error("what was typed is lost")
			}
		})
	}
	if list, err := h.db.Maintenances(t.Context(), h.page.ID, time.Now().AddDate(-1, 0, 0), time.Now().AddDate(2, 0, 0)); err != nil || len(list) > 0 {
		t.Errorf("%d were announced, %v", len(list), err)
	}
}

func TestMaintenanceIsChangedUpdatedAndCancelled(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	path := operator.announce(t, h.fields(nil))
	t.Run("a form that was only looked at changes nothing", func(t *testing.T) {
		before := h.stored(path)
		_, body := operator.get(path + "/edit")
		in := url.Values{}
		for _, m := range regexp.MustCompile(`<input type="(?:text|datetime-local)" name="([a-z_]+)" id="[^"]*" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			in.Set(m[1], m[2])
		}
		in.Set("impact", "minor")
		in.Set("auto_start", "on")
		in.Set("auto_end", "on")
		in.Set("components", h.shop.ID)
		if res, body := operator.post(path+"/edit", in); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
		}
		after := h.stored(path)
		if !after.Start.Equal(before.Start) || !after.End.Equal(before.End) || after.Title != before.Title || len(after.Updates) != 1 {
			t.Errorf("%+v", after)
		}
	})
	t.Run("it moves, and says why", func(t *testing.T) {
		start, from := h.at(4, 21, 0)
		_, to := h.at(4, 22, 0)
		if res, body := operator.post(path+"/edit", h.fields(url.Values{"start": {from}, "end": {to}, "body": {"A day later."}})); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
		}
		if m := h.stored(path); !m.Start.Equal(start) || len(m.Updates) != 2 || m.Updates[1].Body != "A day later." {
			t.Errorf("%+v", m)
		}
	})
	t.Run("an update begins it, and its end can be put off", func(t *testing.T) {
		if res, _ := operator.post(path+"/update", url.Values{"phase": {"in_progress"}, "body": {"We began."}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		end := h.stored(path).End
		if res, _ := operator.post(path+"/extend", url.Values{"minutes": {"30"}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		m := h.stored(path)
		if m.Phase != status.InProgress || m.End.Sub(end) != 30*time.Minute {
			t.Errorf("%s, ends %s", m.Phase, m.End)
		}
		if res, _ := operator.post(path+"/extend", url.Values{"minutes": {"100000"}}); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("70 days more: answered %d", res.StatusCode)
		}
		if _, body := operator.get("/console/maintenance"); !strings.Contains(body, `class="work-now`) {
			t.Error("the calendar does not say that it goes on")
		}
	})
	t.Run("what an update says can be corrected", func(t *testing.T) {
		u := h.stored(path).Updates[0]
		_, body := operator.get(path + "/updates/" + u.ID)
		at := regexp.MustCompile(`name="at" id="f-at" value="([^"]*)"`).FindStringSubmatch(body)
		if at == nil {
			t.Fatal("there is no form")
		}
		if res, body := operator.post(path+"/updates/"+u.ID, url.Values{"body": {"We replace all of it."}, "at": {at[1]}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
		}
		if got := h.stored(path).Updates[0]; got.Body != "We replace all of it." || !got.At.Equal(u.At) {
			t.Errorf("%+v", got)
		}
		if res, _ := operator.get(path + "/updates/none"); res.StatusCode != http.StatusNotFound {
			t.Errorf("an update that is none: %d", res.StatusCode)
		}
	})
	t.Run("cancelling asks first, and what is over stays as it is", func(t *testing.T) {
		if _, body := operator.get(path + "/cancel"); !strings.Contains(body, "Cancel “New storage”?") {
			t.Error("it does not ask")
		}
		if res, _ := operator.post(path+"/cancel", url.Values{"body": {""}}); res.StatusCode != http.StatusSeeOther || h.stored(path).Phase != status.Cancelled {
			t.Fatalf("answered %d, is %s", res.StatusCode, h.stored(path).Phase)
		}
		for _, form := range []string{"/edit", "/update", "/cancel", "/extend"} {
			res, _ := operator.post(path+form, h.fields(url.Values{"phase": {"completed"}, "minutes": {"30"}}))
			if res.StatusCode != http.StatusSeeOther || h.stored(path).Phase != status.Cancelled {
				t.Errorf("%s: answered %d, is %s", form, res.StatusCode, h.stored(path).Phase)
			}
			if body := operator.led(t, res); !strings.Contains(body, "cannot be changed any more") {
				t.Errorf("%s does not say that it is over", form)
			}
		}
	})
}

func TestWhoIsToldStandsBesideTheForm(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	if _, body := operator.get("/console/maintenance/new"); !strings.Contains(body, "is off on this page") {
		t.Error("does not say that the trigger is off")
	}
	h.subscribe(3, push.Want{Kinds: push.Kinds()})
	h.subscribe(2, push.Want{Kinds: push.Kinds(), MinImpact: push.ImpactMajor})
	if res, _ := operator.post("/console/settings/notifications/triggers/"+h.page.ID, url.Values{"incident_new": {"on"}, "maintenance": {"on"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d", res.StatusCode)
	}
	for impact, want := range map[string]string{"minor": "3 visitors", "major": "5 visitors"} {
		if _, body := operator.post("/console/maintenance/new/check", h.fields(url.Values{"impact": {impact}})); !strings.Contains(body, want) || !strings.Contains(body, "a day before, ") {
			t.Errorf("impact %s: the form does not say %q", impact, want)
		}
	}
	res, _ := operator.post("/console/maintenance/new", h.fields(nil))
	body := operator.led(t, res)
	for _, want := range []string{"Visitors are being told.", "Will be sent", "Told so far", "tell 3 visitors"} {
		if !strings.Contains(body, want) {
			t.Errorf("its page lacks %q", want)
		}
	}
	res, _ = operator.post("/console/maintenance/new", h.fields(url.Values{"silent": {"on"}}))
	if body := operator.led(t, res); strings.Contains(body, "Told so far") || !strings.Contains(body, "Nobody is told of it.") {
		t.Error("visitors are told of what was to be silent")
	}
}

func TestAMaintenanceThatNobodyHeardOfIsDeleted(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	path := operator.announce(t, h.fields(nil))
	if _, body := operator.get(path + "/delete"); !strings.Contains(body, "Delete “New storage”?") || !strings.Contains(body, "cancel it instead") {
		t.Error("it does not ask")
	}
	if res, _ := operator.post(path+"/delete", nil); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d", res.StatusCode)
	}
	for _, below := range []string{"", "/edit", "/cancel", "/delete"} {
		if res, _ := operator.get(path + below); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", below, res.StatusCode)
		}
	}
}

func TestWhatEndsNotByItselfIsSaidWhenItIsLate(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	_, start := h.at(1, 10, 0)
	_, end := h.at(1, 11, 0)
	in := h.fields(url.Values{"start": {start}, "end": {end}})
	in.Del("auto_start")
	in.Del("auto_end")
	path := operator.announce(t, in)
	h.ahead = 72 * time.Hour
	if _, body := operator.get("/console/maintenance"); !strings.Contains(body, "does not begin by itself") {
		t.Error("it is not said that it waits")
	}
	if _, body := operator.get(path); !strings.Contains(body, "waits for somebody to begin it") {
		t.Error("its page does not say that it waits")
	}
	operator.post(path+"/update", url.Values{"phase": {"in_progress"}})
	if _, body := operator.get("/console/maintenance"); !strings.Contains(body, "Visitors still see it as going on.") {
		t.Error("it is not said that it is late")
	}
	if _, body := operator.get(path); !strings.Contains(body, "past its end") {
		t.Error("its page does not say that it is late")
	}
}

func TestWhoMayLookAtMaintenanceCannotChangeIt(t *testing.T) {
	h := newCity(t)
	operator, viewer := h.as("operator"), h.as("viewer")
	path := operator.announce(t, h.fields(url.Values{"title": {`<script>alert(1)</script>"><img src=x>`}}))
	for _, p := range []string{"/console/maintenance", path, path + "/edit", "/console/maintenance/new", "/console/series/new", "/console/subscribers"} {
		res, body := viewer.get(p)
		if res.StatusCode != http.StatusOK || strings.Contains(body, "<script>alert(1)") || strings.Contains(body, "<img src=x") {
			t.Errorf("%s: %d, or markup", p, res.StatusCode)
		}
		if m := regexp.MustCompile(`<script(?:\s*>|[^>]*>[^<])|\sstyle="|\son[a-z]+="`).FindString(body); m != "" {
			t.Errorf("%s has inline script or style: %q", p, m)
		}
		if m := regexp.MustCompile(`href="[^"]*/(cancel|delete)"`).FindString(body); m != "" {
			t.Errorf("%s offers what it refuses: %s", p, m)
		}
	}
	for _, p := range []string{"/console/maintenance/new", "/console/maintenance/new/check", path + "/edit", path + "/check", path + "/update", path + "/extend", path + "/cancel", path + "/delete", path + "/updates/u",
		"/console/series/new", "/console/series/new/check", "/console/series/x/delete", "/console/settings/notifications/triggers/" + h.page.ID} {
		if res, _ := viewer.post(p, h.fields(nil)); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", p, res.StatusCode)
		}
	}
}

func TestSeveralPagesHaveCalendarsOfTheirOwn(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	other, err := h.desk.SavePage(t.Context(), planner, status.Page{Slug: "shop", Name: "Dune", Zone: "Asia/Tokyo", Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	path := operator.announce(t, h.fields(nil))
	in := h.fields(url.Values{"title": {"Elsewhere"}, "components": nil})
	res, body := operator.post("/console/maintenance/new?page="+other.ID, in)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
	}
	m := h.stored(res.Header.Get("Location"))
	if tokyo := m.Start.In(time.FixedZone("", 9*3600)).Format("2006-01-02T15:04"); m.PageID != other.ID || tokyo != in.Get("start") {
		t.Errorf("of page %s, at %s", m.PageID, tokyo)
	}
	_, mine := operator.get("/console/maintenance?month=" + m.Start.Format("2006-01"))
	_, theirs := operator.get("/console/maintenance?page=" + other.ID + "&month=" + m.Start.Format("2006-01"))
	if !strings.Contains(mine, path) || strings.Contains(mine, "Elsewhere") || strings.Contains(theirs, path) || !strings.Contains(theirs, "Elsewhere") {
		t.Error("the calendars are mixed up")
	}
	if !strings.Contains(theirs, "page="+other.ID+"&amp;month=") {
		t.Error("the next month is the other page's")
	}
	if res, body := operator.post("/console/maintenance/new?page="+other.ID, h.fields(nil)); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-components-problem"`) {
		t.Errorf("a component of another page: %d", res.StatusCode)
	}
	if res, _ := operator.get("/console/maintenance?page=none"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a page that is none: %d", res.StatusCode)
	}
}
