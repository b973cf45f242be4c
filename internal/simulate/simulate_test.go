package simulate_test

import (
	"fmt"
	"os"
	"testing"

	"tocsin/internal/simulate"
)

func TestDraft(t *testing.T) {
	var l []string
	for i := range 20 {
		l = append(l, fmt.Sprintf(`{"type":"PROBLEM","host":"web%02d","state":1,"output":"down"}`, i))
	}
	l = append(l, `{"type":"RECOVERY","host":"web01","time":"+5m"}`, `{"type":"ACKNOWLEDGEMENT","host":"web00","time":"+2m","by":"jane","minutes":10}`)
	r := try(t, office(), simulate.Request{Events: lines(l...), Clean: true, Zone: "Europe/Berlin"})
	r.Write(os.Stdout)
}
