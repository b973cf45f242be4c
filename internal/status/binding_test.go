package status_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/status"
)

func TestABindingStandsForWhatItNames(t *testing.T) {
	db := &alert.Object{SourceID: "s1", Host: "db01", HostDisplay: "Datenbank Süd", Service: "Disk /var", Labels: map[string]string{"team": "ops"}}
	host := &alert.Object{SourceID: "s1", Host: "db01"}
	for name, c := range map[string]struct {
		b             status.Binding
		service, host bool
	}{
		"nothing named is nothing bound":  {status.Binding{}, false, false},
		"a source":                        {status.Binding{SourceIDs: []string{"s0", "s1"}}, true, true},
		"another source":                  {status.Binding{SourceIDs: []string{"s2"}}, false, false},
		"hosts with all of theirs":        {status.Binding{Hosts: []string{"web*", "DB??"}}, true, true},
		"a name for people":               {status.Binding{Hosts: []string{"*s?d"}}, true, false},
		"a service alone":                 {status.Binding{Services: []string{"disk*"}}, true, false},
		"host and service":                {status.Binding{Hosts: []string{"db*"}, Services: []string{"cpu"}}, false, false},
		"a label":                         {status.Binding{Labels: map[string]string{"team": "ops"}}, true, false},
		"a pattern that goes back often":  {status.Binding{Hosts: []string{strings.Repeat("*d", 40)}}, false, false},
		"brackets are nothing special":    {status.Binding{Hosts: []string{"db[0-9]1"}}, false, false},
		"a slash neither":                 {status.Binding{Services: []string{"*var"}}, true, false},
		"a star at the end is also empty": {status.Binding{Hosts: []string{"db01*"}}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.b.Matches(db); got != c.service {
				t.Errorf("service: %t", got)
			}
			if got := c.b.Matches(host); got != c.host {
				t.Errorf("host: %t", got)
			}
		})
	}
	b := status.Binding{States: map[string]status.State{"warning": status.Operational}}
	if b.Of(alert.Warning) != status.Operational || b.Of(alert.Critical) != status.Major || b.Of(alert.OK) != status.Operational {
		t.Error("states are not mapped")
	}
}

func TestDaysHaveBounds(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from, to, err := status.DayBounds("2026-10-25", berlin)
	if err != nil || to.Sub(from) != 25*time.Hour {
		t.Errorf("%s to %s, %v", from, to, err)
	}
	if _, _, err := status.DayBounds("2026-02-30", berlin); err == nil {
		t.Error("a date that there is not has bounds")
	}
}
