package nagios_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/nagios"
)

func TestTheKindsDifferInNamesOnly(t *testing.T) {
	for _, k := range []nagios.Kind{nagios.New(), nagios.Naemon()} {
		events, err := k.Decode([]byte(`{"type":"PROBLEM","host":"web01","service":"HTTP Check","state":2,"output":"x"}`), time.Now(), source.Options{})
		if err != nil || len(events) != 1 || events[0].State != alert.Critical {
			t.Errorf("%s: %+v, %v", k.Name(), events, err)
		}
		var all strings.Builder
		for _, s := range k.Snippets(source.Setup{BaseURL: "https://tocsin.example.com", Source: "berlin", Token: "ts_secret"}) {
			if s.Title == "" || s.Where == "" || s.Text == "" {
				t.Errorf("%+v", s)
			}
			all.WriteString(s.Where + "\n" + s.Text + "\n")
		}
		for _, want := range []string{"ts_secret", "TOCSIN_URL=https://tocsin.example.com", "TOCSIN_SOURCE=berlin", "$SERVICESTATEID$", "$HOSTSTATEID$", "sudo -u " + k.Name(), k.Name()} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no %s in\n%s", k.Name(), want, &all)
			}
		}
		for _, w := range []source.WriteBackKind{nagios.CommandFile(), nagios.Livestatus()} {
			if !strings.Contains(strings.Join(w.For(), " "), k.Name()) || w.Releases(source.WriteBack{}) || w.Title() == "" {
				t.Errorf("%s does not fit %s", w.Name(), k.Name())
			}
			for _, f := range w.Fields() {
				if f.Label == "" || f.Hint == "" || f.Kind == "" {
					t.Errorf("%+v", f)
				}
			}
		}
	}
}
