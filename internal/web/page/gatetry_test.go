package page

import (
	"testing"
	"time"

	"tocsin/internal/status"
)

// Whoever knows the password of one page guesses no faster at another's.
func TestAPasswordThatIsRightGivesNoMoreTriesAtAnotherPage(t *testing.T) {
	now := time.Now()
	g, err := newGate(Gate{}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	known, other := &pageSet{page: status.Page{ID: "known"}}, &pageSet{page: status.Page{ID: "other"}}
	const from = "203.0.113.9:1234"
	looked := 0
	for range 40 {
		if g.take(other, from) == 0 {
			looked++
		}
		if g.take(known, from) == 0 {
			g.giveBack(known, from)
		}
	}
	if looked != tries {
		t.Errorf("%d guesses were looked at, not %d", looked, tries)
	}
}
