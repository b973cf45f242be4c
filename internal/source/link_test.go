package source_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	"tocsin/internal/source/generic"
	"tocsin/internal/source/grafana"
	"tocsin/internal/source/icinga2"
	"tocsin/internal/source/nagios"
	"tocsin/internal/source/openitcockpit"
)

func kinds() []source.Kind {
	return []source.Kind{nagios.New(), nagios.Naemon(), openitcockpit.New(), icinga2.New(), alertmanager.New(), grafana.New(), generic.New()}
}

func TestLinkEscapesWhatItPutsIn(t *testing.T) {
	svc := alert.Object{Host: "web 01&x=1", Service: "Disk /var?#%", HostDisplay: "Größe"}
	for _, c := range []struct{ name, template, want string }{
		{"a query", "https://n.example.com/e.cgi?type=2&host={host}&service={service}",
			"https://n.example.com/e.cgi?type=2&host=web%2001%26x%3D1&service=Disk%20%2Fvar%3F%23%25"},
		{"a path", "http://n/hosts/{host}/x", "http://n/hosts/web%2001%26x%3D1/x"},
		{"a display name", "http://n/{host_display}", "http://n/Gr%C3%B6%C3%9Fe"},
		{"a display name that is not there", "http://n/{service_display}", "http://n/Disk%20%2Fvar%3F%23%25"},
		{"no template", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := source.Link(c.template, svc)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for _, bad := range []string{"http://n/{hostname}", "http://n/{host", "javascript:{host}", "/x/{host}"} {
		if got, err := source.Link(bad, svc); err == nil {
			t.Errorf("%s became %s", bad, got)
		}
	}
}

func TestTheObjectsOwnPageComesFirst(t *testing.T) {
	s := source.Source{HostURL: "https://n/h/{host}", ServiceURL: "https://n/s/{service}"}
	for _, c := range []struct {
		o    alert.Object
		want string
	}{
		{alert.Object{Host: "a"}, "https://n/h/a"},
		{alert.Object{Host: "a", Service: "b"}, "https://n/s/b"},
		{alert.Object{Host: "a", Service: "b", URL: "https://own/"}, "https://own/"},
	} {
		if got, err := s.ObjectURL(c.o); err != nil || got != c.want {
			t.Errorf("got %q, %v, want %q", got, err, c.want)
		}
	}
}

func TestValidateNamesWhatIsWrongWithASource(t *testing.T) {
	good := source.Source{Name: "nagios-1", Kind: "nagios", HostURL: "https://n/x?h={host}", ServiceURL: "https://n/{host_display}/{service}"}
	if err := good.Validate(kinds()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, field string
		spoil       func(*source.Source)
	}{
		{"no name", "name", func(s *source.Source) { s.Name = "" }},
		{"a capital", "name", func(s *source.Source) { s.Name = "Nagios" }},
		{"a hyphen first", "name", func(s *source.Source) { s.Name = "-n" }},
		{"a long name", "name", func(s *source.Source) { s.Name = strings.Repeat("n", 64) }},
		{"an unknown kind", "kind", func(s *source.Source) { s.Kind = "zabbix" }},
		{"a service in a host's page", "host_url", func(s *source.Source) { s.HostURL = "https://n/{service}" }},
		{"a brace without its other", "service_url", func(s *source.Source) { s.ServiceURL = "https://n/{host" }},
		{"no web address", "host_url", func(s *source.Source) { s.HostURL = "ftp://n/{host}" }},
		{"a script", "host_url", func(s *source.Source) { s.HostURL = "javascript:alert('{host}')" }},
		{"a server chosen by the event", "host_url", func(s *source.Source) { s.HostURL = "https://{host}/" }},
		{"and before a question mark", "host_url", func(s *source.Source) { s.HostURL = "https://n{host}?x" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.spoil(&s)
			var f *source.FieldError
			if err := s.Validate(kinds()); !errors.As(err, &f) || f.Field != c.field {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheTemplatesOfEveryKindAreValid(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range kinds() {
		s := source.Source{Name: "x", Kind: k.Name()}
		s.HostURL, s.ServiceURL = k.Templates("https://engine.example.com")
		if err := s.Validate(kinds()); err != nil {
			t.Errorf("%s: %v", k.Name(), err)
		}
		if seen[k.Name()] || k.Title() == "" {
			t.Errorf("kind %q, title %q", k.Name(), k.Title())
		}
		seen[k.Name()] = true
		if k.Name() == "alertmanager" || k.Name() == "grafana" {
			continue // they send what is theirs
		}
		events, err := k.Decode([]byte(typical), now, source.Options{})
		if err != nil || len(events) != 1 || events[0].Object.Host != "web01.example.com" {
			t.Errorf("%s: %v, %v", k.Name(), events, err)
		}
	}
}

func TestOpenITCOCKPITKnowsObjectsByUUID(t *testing.T) {
	events, err := openitcockpit.New().Decode([]byte(`{"type":"PROBLEM","state":"2",
		"host":"C36B8048-93CE-4385-AC19-AB5C90574B77","host_display":"default host",
		"service":"74f14950-a58f-4f18-b6c3-5cfa9dffef4e","service_display":"74F14950-A58F-4F18-B6C3-5CFA9DFFEF4E"}`), now, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := events[0].Object
	if o.Host != "c36b8048-93ce-4385-ac19-ab5c90574b77" || o.HostDisplay != "default host" || o.ServiceDisplay != "" {
		t.Errorf("got %+v", o)
	}
	if _, err := openitcockpit.New().Decode([]byte(`{}`), now, source.Options{}); err == nil {
		t.Error("an empty event was taken")
	}
}

func TestEveryKindSaysHowItIsSetUp(t *testing.T) {
	for _, k := range kinds() {
		g, ok := k.(source.Guided)
		if !ok {
			t.Errorf("%s does not say how it is set up", k.Name())
			continue
		}
		var with, without string
		for _, s := range g.Snippets(source.Setup{BaseURL: "https://hub.example.com/", Source: "prod", Token: "ts_secret"}) {
			if s.Title == "" || s.Where == "" || s.Text == "" || strings.HasSuffix(s.Text, "\n") {
				t.Errorf("%s: %+v", k.Name(), s)
			}
			with += s.Text
		}
		for _, s := range g.Snippets(source.Setup{BaseURL: "https://hub.example.com", Source: "prod"}) {
			without += s.Text
		}
		if !strings.Contains(with, "ts_secret") || !strings.Contains(with, "https://hub.example.com") || !strings.Contains(with, "prod") || strings.Contains(with, "com//") {
			t.Errorf("%s: token, hub or source is missing:\n%s", k.Name(), with)
		}
		if strings.ReplaceAll(with, "ts_secret", "ts_the-token-that-was-shown-once") != without {
			t.Errorf("%s: without a token more than that differs", k.Name())
		}
	}
}

// TestWhatIsPasted holds the configuration that people paste to what it was, for
// each kind: a flag or a macro that is lost there is missed by nobody soon.
func TestWhatIsPasted(t *testing.T) {
	for _, k := range kinds() {
		g, ok := k.(source.Guided)
		if !ok {
			continue
		}
		var all strings.Builder
		for _, s := range g.Snippets(source.Setup{BaseURL: "https://tocsin.example.com", Source: "berlin", Token: "ts_token"}) {
			fmt.Fprintf(&all, "# %s\n# %s\n# %s\n\n%s\n\n", s.Title, s.Where, s.Why, s.Text)
		}
		path := filepath.Join("testdata", "snippets", k.Name()+".golden.txt")
		if *update {
			if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), all.String()); diff != "" {
			t.Errorf("%s (-want +got; -update writes it anew):\n%s", k.Name(), diff)
		}
	}
}

func TestValidateKnowsWhatOnlySomeKindsHave(t *testing.T) {
	for _, c := range []struct {
		s     source.Source
		field string
	}{
		{source.Source{Name: "x", Kind: "generic", Mapping: &source.Mapping{Host: "/host"}}, ""},
		{source.Source{Name: "x", Kind: "generic", Mapping: &source.Mapping{}}, "mapping.host"},
		{source.Source{Name: "x", Kind: "nagios", Mapping: &source.Mapping{Host: "/host"}}, "mapping"},
		{source.Source{Name: "x", Kind: "grafana", Secret: "s"}, ""},
		{source.Source{Name: "x", Kind: "generic", Secret: "s"}, "secret"},
	} {
		var f *source.FieldError
		err := c.s.Validate(kinds())
		if errors.As(err, &f); (f == nil) != (c.field == "") || f != nil && f.Field != c.field {
			t.Errorf("%+v: got %v, want %q", c.s, err, c.field)
		}
	}
}
