package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

// told makes the hub's source one whose engine is told.
func (h *hub) told() {
	h.t.Helper()
	s, err := h.db.SourceByID(h.t.Context(), "s1")
	if err != nil {
		h.t.Fatal(err)
	}
	s.WriteBack = source.WriteBack{Kind: "command_file", CommandFile: "/var/lib/nagios4/rw/nagios.cmd", StatusFile: "/var/lib/nagios4/status.dat"}
	if err := h.db.SaveSource(h.t.Context(), s); err != nil {
		h.t.Fatal(err)
	}
}

func TestWhatTheEngineSaysStandsOnTheAlert(t *testing.T) {
	h := newHub(t)
	h.told()
	operator := h.as("operator")
	page := "/console/alerts/" + h.alert
	operator.post(page+"/acknowledge", url.Values{"form": {"page"}, "comment": {"on it"}, "expire": {"240"}})
	a, err := h.db.Alert(t.Context(), h.alert)
	if err != nil || a.Ack == nil || time.Until(a.Ack.Until) < 239*time.Minute || time.Until(a.Ack.Until) > 241*time.Minute {
		t.Fatalf("%+v %v", a.Ack, err)
	}
	if a.Ack.Confirmation != alert.Pending {
		t.Fatalf("it is %s", a.Ack.Confirmation)
	}
	for _, c := range []struct {
		answer alert.Confirmation
		words  string
		want   string
	}{
		{alert.Pending, "", "Waiting for hq to confirm"},
		{alert.Unconfirmed, "handed over, but hq does not show it", "Not confirmed by hq"},
		{alert.Refused, "external commands <off>", "Refused by hq"},
		{alert.Confirmed, "", "Confirmed by hq"},
	} {
		t.Run(string(c.answer)+" is said with a word and a shape", func(t *testing.T) {
			if c.answer != alert.Pending {
				if err := h.acks.Answer(t.Context(), dispatch.Answer{AlertID: h.alert, EventID: a.Ack.EventID, Confirmation: c.answer, Words: c.words}); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{page, "/console/act/" + h.alert, "/console/alerts"} {
				_, body := operator.get(path)
				if !strings.Contains(body, c.want) {
					t.Errorf("%s lacks %q", path, c.want)
				}
				if strings.Contains(body, "<off>") {
					t.Errorf("%s has the engine's words as markup", path)
				}
			}
		})
	}
}

func TestAnEndThatIsNoneIsRefused(t *testing.T) {
	h := newHub(t)
	operator := h.as("operator")
	for _, expire := range []string{"soon", "0", "-5", "99999999"} {
		operator.post("/console/alerts/"+h.alert+"/acknowledge", url.Values{"form": {"page"}, "expire": {expire}})
		if a, err := h.db.Alert(t.Context(), h.alert); err != nil || a.Status != alert.Firing {
			t.Errorf("%q: %s %v", expire, a.Status, err)
		}
	}
}

func TestCommentsAndDowntimes(t *testing.T) {
	h := newHub(t)
	operator := h.as("operator")
	page := "/console/alerts/" + h.alert
	t.Run("where the engine takes nothing, no downtime is offered", func(t *testing.T) {
		_, body := operator.get(page)
		if strings.Contains(body, "Schedule downtime") || !strings.Contains(body, "a downtime is set there") {
			t.Error("it is offered, or not said why it is not")
		}
		req := url.Values{"minutes": {"120"}}
		operator.post(page+"/downtime", req)
		if events, err := h.db.Events(t.Context(), h.alert, "", 100); err != nil || has(events, alert.ScheduleDowntime) {
			t.Errorf("asked for: %v", err)
		}
	})
	h.told()
	t.Run("a comment stands on the timeline", func(t *testing.T) {
		operator.post(page+"/comment", url.Values{"comment": {"the disk is ordered"}})
		if _, body := operator.get(page); !strings.Contains(body, "the disk is ordered") {
			t.Error("it does not")
		}
	})
	t.Run("a downtime is asked for, and what became of it is said", func(t *testing.T) {
		operator.post(page+"/downtime", url.Values{"minutes": {"120"}, "comment": {"new disk"}})
		events, err := h.db.Events(t.Context(), h.alert, "", 100)
		if err != nil || !has(events, alert.ScheduleDowntime) {
			t.Fatalf("not asked for: %v", err)
		}
		_, body := operator.get(page)
		for _, want := range []string{"new disk", "Waiting for hq to confirm", "Cancel downtime"} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		var id string
		for _, e := range events {
			if e.Type == alert.ScheduleDowntime {
				id = e.ID
			}
		}
		if err := h.acks.Answer(t.Context(), dispatch.Answer{AlertID: h.alert, EventID: id, Confirmation: alert.Confirmed}); err != nil {
			t.Fatal(err)
		}
		if _, body := operator.get(page); !strings.Contains(body, "Confirmed by hq") || !strings.Contains(body, "in downtime") {
			t.Error("its confirmation is not said")
		}
		operator.post(page+"/downtime/cancel", nil)
		if events, err := h.db.Events(t.Context(), h.alert, "", 100); err != nil || !has(events, alert.CancelDowntime) {
			t.Errorf("its end is not asked for: %v", err)
		}
	})
	t.Run("a downtime of no length is refused", func(t *testing.T) {
		for _, minutes := range []string{"", "0", "forever"} {
			if res, _ := operator.post(page+"/downtime", url.Values{"minutes": {minutes}}); res.StatusCode != http.StatusSeeOther {
				t.Errorf("%q: %d", minutes, res.StatusCode)
			}
		}
	})
	t.Run("what went to the engine is among the deliveries", func(t *testing.T) {
		if _, body := operator.get("/console/deliveries?channel=engine"); !strings.Contains(body, "tells hq what was done here") {
			t.Error("it is not")
		}
	})
}

func has(events []alert.Event, of alert.Type) bool {
	for _, e := range events {
		if e.Type == of {
			return true
		}
	}
	return false
}

func TestHowAnEngineIsTold(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	const at = "https://icinga.example.com:5665"
	icinga := func(more url.Values) url.Values {
		in := url.Values{"name": {"berlin"}, "kind": {"icinga2"}, "write_back": {"icinga2"}, "wb_icinga2_url": {at}, "wb_icinga2_user": {"tocsin"}}
		for k, v := range more {
			in[k] = v
		}
		return in
	}
	t.Run("a wrong field is named at the field of the way that was chosen", func(t *testing.T) {
		res, body := admin.post("/console/sources/s1", url.Values{"name": {"hq"}, "kind": {"nagios"}, "write_back": {"command_file"}, "wb_command_file_command_file": {"nagios.cmd"}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-wb_command_file_command_file-problem"`) {
			t.Errorf("%d", res.StatusCode)
		}
		res, body = admin.post("/console/sources/s1", url.Values{"name": {"hq"}, "kind": {"nagios"}, "write_back": {"command_file"}, "wb_command_file_command_file": {"/run/nagios.cmd"}, "wb_command_file_confirm_seconds": {"soon"}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-wb_command_file_confirm_seconds-problem"`) {
			t.Errorf("a number that is none: %d", res.StatusCode)
		}
	})
	t.Run("a way that is another engine's is refused", func(t *testing.T) {
		res, body := admin.post("/console/sources/s1", url.Values{"name": {"hq"}, "kind": {"nagios"}, "write_back": {"icinga2"}, "wb_icinga2_url": {at}, "wb_icinga2_user": {"u"}, "wb_icinga2_secret": {"p"}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-write_back-problem"`) {
			t.Errorf("%d", res.StatusCode)
		}
	})
	t.Run("a password is kept, never shown, and goes to no other address", func(t *testing.T) {
		admin.post("/console/sources/new", icinga(url.Values{"wb_icinga2_secret": {"correct-horse"}}))
		s, err := h.db.SourceByName(t.Context(), "berlin")
		if err != nil || s.WriteBack.Secret != "correct-horse" || s.WriteBack.URL != at {
			t.Fatalf("%+v %v", s.WriteBack, err)
		}
		if _, body := admin.get("/console/sources/" + s.ID); strings.Contains(body, "correct-horse") || !strings.Contains(body, "Stored.") {
			t.Error("the page shows it, or not that there is one")
		}
		if res, _ := admin.post("/console/sources/"+s.ID, icinga(nil)); res.StatusCode != http.StatusSeeOther {
			t.Errorf("left empty: %d", res.StatusCode)
		}
		for _, way := range []string{"", "/probe"} {
			res, body := admin.post("/console/sources/"+s.ID+way, icinga(url.Values{"wb_icinga2_url": {"https://evil.example.com"}}))
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-wb_icinga2_secret-problem"`) {
				t.Errorf("another address%s: %d", way, res.StatusCode)
			}
		}
		if s, err = h.db.SourceByID(t.Context(), s.ID); err != nil || s.WriteBack.Secret != "correct-horse" || s.WriteBack.URL != at {
			t.Errorf("%+v %v", s.WriteBack, err)
		}
	})
	t.Run("a test tries what stands in the form, says the mend, and keeps nothing", func(t *testing.T) {
		form := url.Values{"name": {"hq"}, "kind": {"nagios"}, "write_back": {"command_file"}, "wb_command_file_command_file": {"/run/other.cmd"}}
		h.deaf = errors.New("open /run/other.cmd: permission denied; add the user to the group nagios")
		_, body := admin.post("/console/sources/s1/probe", form)
		if !strings.Contains(body, "add the user to the group nagios") || h.probed.WriteBack.CommandFile != "/run/other.cmd" {
			t.Errorf("tried %+v", h.probed.WriteBack)
		}
		h.deaf = nil
		if _, body := admin.post("/console/sources/s1/probe", form); !strings.Contains(body, "It works") {
			t.Error("a good one is not said")
		}
		if s, err := h.db.SourceByID(t.Context(), "s1"); err != nil || s.WriteBack.On() {
			t.Errorf("kept: %+v %v", s.WriteBack, err)
		}
	})
}

func TestMappingOfAnotherJSON(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	form := url.Values{"name": {"plant"}, "kind": {"generic"}, "shape": {"own"}, "mapping_host": {"/where"}, "mapping_state": {"/how"}, "mapping_states": {"broken = down\nfine = up"}}
	with := func(k, v string) url.Values {
		out := url.Values{k: {v}}
		for name, values := range form {
			if name != k {
				out[name] = values
			}
		}
		return out
	}
	t.Run("an example is tried, and nothing is kept", func(t *testing.T) {
		_, body := admin.post("/console/sources/new/try", with("example", `{"where":"press 4","how":"broken"}`))
		if !strings.Contains(body, "Understood as 1 event. Problem of press 4: Down.") {
			t.Error("it is not said what it means")
		}
		if _, body := admin.post("/console/sources/new/try", with("example", `{"how":"broken"}`)); !strings.Contains(body, "said-bad") || !strings.Contains(body, "/where") {
			t.Error("what is missing is not named")
		}
		if _, err := h.db.SourceByName(t.Context(), "plant"); err == nil {
			t.Error("the source is kept")
		}
	})
	for field, value := range map[string]string{"mapping_host": "", "mapping_output": "nonsense", "mapping_states": "broken"} {
		t.Run(field+" that is wrong is refused at the field", func(t *testing.T) {
			res, body := admin.post("/console/sources/new", with(field, value))
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-`+field+`-problem"`) {
				t.Errorf("%d", res.StatusCode)
			}
		})
	}
	t.Run("what is saved comes back in the form", func(t *testing.T) {
		admin.post("/console/sources/new", form)
		s, err := h.db.SourceByName(t.Context(), "plant")
		if err != nil || s.Mapping == nil || s.Mapping.States["broken"] != "down" {
			t.Fatalf("%+v %v", s.Mapping, err)
		}
		_, body := admin.get("/console/sources/" + s.ID)
		for _, want := range []string{`value="/where"`, "broken = down", `<option value="own" selected`} {
			if !strings.Contains(body, want) {
				t.Errorf("the form lacks %q", want)
			}
		}
	})
}

func TestASourceTurnsGreenWithItsFirstEvent(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	_, body := admin.post("/console/sources/new", url.Values{"name": {"lab"}, "kind": {"nagios"}})
	if !strings.Contains(body, "arrival-wait") || !strings.Contains(body, "/etc/nagios4/conf.d/") || strings.Count(body, "ts_") < 2 {
		t.Error("the page does not wait, or lacks what to paste with the token")
	}
	if _, body := admin.get("/console/sources/s1"); !strings.Contains(body, "arrival-good") {
		t.Error("a source with an event is not green")
	}
}
