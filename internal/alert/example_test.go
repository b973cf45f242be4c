package alert_test

import (
	"fmt"
	"time"

	"tocsin/internal/alert"
)

func ExampleApply() {
	web := alert.Object{ID: alert.ObjectID("nagios", "web01", "HTTP"), SourceID: "nagios", Host: "web01", Service: "HTTP"}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	newID := func() string { return "1" }

	s := alert.Situation{Object: web}
	for _, e := range []alert.Event{
		{Object: web, Type: alert.Problem, State: alert.Critical, Time: now},
		{Object: web, Type: alert.Acknowledgement, State: alert.Critical, Author: "Jane", Time: now.Add(time.Minute)},
		{Object: web, Type: alert.Problem, State: alert.Critical, Time: now.Add(2 * time.Minute)},
		{Object: web, Type: alert.Recovery, State: alert.OK, Time: now.Add(3 * time.Minute)},
	} {
		r := alert.Apply(s, e, newID)
		fmt.Printf("%-13s %-16s %s\n", r.Alert.Status, r.Notice.Word(), r.Why)
		s = r.Situation
	}
	// Output:
	// firing        Problem          A new problem: Critical.
	// acknowledged  Acknowledgement  Acknowledged by Jane.
	// acknowledged  None             Still Critical, but acknowledged by Jane, so nobody is told again.
	// resolved      Recovery         It recovered: OK.
}
