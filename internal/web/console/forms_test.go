package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tocsin/internal/alert"
)

func TestAcknowledge(t *testing.T) {
	h := newHub(t)
	operator := h.as("operator")
	t.Run("a comment and its author stand on the alert", func(t *testing.T) {
		res, _ := operator.post("/console/alerts/"+h.alert+"/acknowledge", url.Values{"form": {"page"}, "comment": {"on it <b>"}, "sticky": {"on"}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("answered %d", res.StatusCode)
		}
		a, err := h.db.Alert(t.Context(), h.alert)
		if err != nil || a.Status != alert.Acknowledged || a.Ack.Comment != "on it <b>" || a.Ack.Author != "operator" || !a.Ack.Sticky {
			t.Fatalf("%+v %v", a.Ack, err)
		}
		if _, body := operator.get("/console/alerts/" + h.alert); !strings.Contains(body, "on it &lt;b&gt;") {
			t.Error("the comment is not on the page")
		}
	})
	t.Run("the row follows, and leaves a list that it no longer fits", func(t *testing.T) {
		row := `id="alert-` + h.alert + `"`
		if _, body := operator.get("/console/alerts/rows?ids=" + h.alert); !strings.Contains(body, row) || !strings.Contains(body, "Acknowledged") {
			t.Error("the row is missing or old")
		}
		if _, body := operator.get("/console/alerts/rows?status=firing&ids=" + h.alert); strings.Contains(body, row) {
			t.Error("an acknowledged alert is listed as firing")
		}
	})
	t.Run("a second one is told that somebody was first", func(t *testing.T) {
		res, _ := operator.post("/console/alerts/acknowledge", url.Values{"id": {h.alert}, "back": {"/console/alerts"}})
		if res.StatusCode != http.StatusSeeOther {
			t.Errorf("answered %d", res.StatusCode)
		}
	})
	t.Run("it can be taken back", func(t *testing.T) {
		operator.post("/console/alerts/"+h.alert+"/unacknowledge", nil)
		if a, err := h.db.Alert(t.Context(), h.alert); err != nil || a.Status != alert.Firing {
			t.Errorf("%s %v", a.Status, err)
		}
	})
}

func TestForms(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	many := admin.filled("/console/settings", "/console/settings")
	many.Set("retention_days", "many")
	wrong := []struct {
		name, path, want string
		form             url.Values
	}{
		{"a contact without a name", "/console/contacts/new", `id="f-name-problem"`, url.Values{}},
		{"a name that is taken", "/console/contacts/new", "This name is taken", url.Values{"name": {"ops"}}},
		{"a range that is none", "/console/periods/new", `id="f-day_1-problem"`, url.Values{"name": {"x"}, "day_1": {"nine to five"}}},
		{"a range that ends before it begins", "/console/periods/new", "ends before it begins", url.Values{"name": {"x"}, "day_1": {"22:00-06:00"}}},
		{"a zone that is none", "/console/periods/new", `id="f-zone-problem"`, url.Values{"name": {"x"}, "zone": {"Mars/Olympus"}}},
		{"a label without a pattern", "/console/rules/new", `id="f-labels-problem"`, url.Values{"name": {"x"}, "labels": {"team"}, "contact_ids": {"c1"}}},
		{"a source with spaces", "/console/sources/new", `id="f-name-problem"`, url.Values{"name": {"my engine"}, "kind": {"nagios"}}},
		{"a number that is none", "/console/settings", `id="f-retention_days-problem"`, many},
		{"a short password", "/console/users/new", `id="f-password-problem"`, url.Values{"name": {"new"}, "role": {"viewer"}, "password": {"short"}}},
		{"a key that may nothing", "/console/keys/new", `id="f-scopes-problem"`, url.Values{"name": {"x"}}},
	}
	for _, c := range wrong {
		t.Run(c.name+" is refused at the field", func(t *testing.T) {
			res, body := admin.post(c.path, c.form)
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
				t.Errorf("%d, and the page lacks %q", res.StatusCode, c.want)
			}
		})
	}
	t.Run("a source's token is shown once", func(t *testing.T) {
		_, body := admin.post("/console/sources/new", url.Values{"name": {"lab"}, "kind": {"generic"}})
		token := regexp.MustCompile(`ts_[A-Za-z0-9_-]{43}`).FindString(body)
		if token == "" {
			t.Fatal("no token shown")
		}
		s, err := h.db.SourceByName(t.Context(), "lab")
		if err != nil {
			t.Fatal(err)
		}
		if _, body := admin.get("/console/sources/" + s.ID); strings.Contains(body, token) {
			t.Error("the token is shown again")
		}
	})
	t.Run("a contact's options come back as they were ticked", func(t *testing.T) {
		admin.post("/console/contacts/c1", url.Values{"name": {"ops"}, "host_options": {"r", "d"}, "service_options": {"c"}, "push_host": {"on"}, "host_notifications": {"on"}})
		k, err := h.db.Contact(t.Context(), "c1")
		if err != nil || k.HostOptions != "d,r" || k.ServiceOptions != "c" || !k.PushHost || k.PushService {
			t.Errorf("%+v %v", k, err)
		}
	})
	t.Run("a period keeps its ranges and exceptions", func(t *testing.T) {
		admin.post("/console/periods/p1", url.Values{"name": {"Office"}, "zone": {"Europe/Berlin"}, "day_1": {"09:00-12:00, 13:00-17:00"}, "exceptions": {"12-25 to 12-26: closed # Christmas\n2026-12-24: 09:00-12:00"}})
		_, body := admin.get("/console/periods/p1")
		for _, want := range []string{`value="09:00-12:00, 13:00-17:00"`, "12-25 to 12-26: closed # Christmas", "2026-12-24: 09:00-12:00"} {
			if !strings.Contains(body, want) {
				t.Errorf("form lacks %q", want)
			}
		}
	})
	t.Run("what is in use is not deleted", func(t *testing.T) {
		if _, body := admin.get("/console/groups/g1/delete"); !strings.Contains(body, "“All”") {
			t.Error("the page does not name the rule")
		}
		admin.post("/console/groups/g1/delete", nil)
		if _, err := h.db.Group(t.Context(), "g1"); err != nil {
			t.Errorf("the group is gone: %v", err)
		}
	})
}
