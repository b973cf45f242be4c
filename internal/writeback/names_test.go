package writeback_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

func TestNamesThatChangeAreFollowedWhereSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{
			watch:   func([]source.Command) ([]source.Reply, error) { return nil, nil },
			unnamed: []alert.Object{{ID: "o1", Host: "c36b8048"}},
			open: []alert.Object{{ID: "o1", Host: "c36b8048"}, {ID: "o2", Host: "h", HostDisplay: "web02"},
				{ID: "o3", Host: "h3", HostDisplay: "web03"}, {ID: "o4", Host: "h4", HostDisplay: "web04"}},
			names: map[string]source.Names{"o1": {Host: "web01"}, "o2": {Host: "web02-new"}, "o3": {Host: "web03"}},
		}
		during(t, f, 5*time.Second)
		if want := []string{"o1 web01/", "o2 web02-new/"}; !slices.Equal(f.named(), want) {
			t.Errorf("%q", f.named())
		}
	})
}
