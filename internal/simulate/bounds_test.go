package simulate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tocsin/internal/simulate"
)

// All events of a file may come at the same moment, and each may be told to many:
// what waits then has a bound of its own.
func TestWhatWaitsAtOneMomentIsBounded(t *testing.T) {
	var all []string
	for i := range 3000 {
		all = append(all, fmt.Sprintf(`{"type":"PROBLEM","host":"h%d","state":1}`, i))
	}
	s := simulate.New(office(), simulate.Options{Waiting: 500, Now: func() time.Time { return night }})
	r, err := s.Simulate(t.Context(), simulate.Request{Events: lines(all...), Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Events >= 3000 || r.Events < 100 {
		t.Errorf("%d events were taken", r.Events)
	}
	if len(r.Notes) == 0 || !strings.Contains(strings.Join(r.Notes, " "), "more than 500 messages wait at the same time") {
		t.Errorf("notes %q", r.Notes)
	}
}
