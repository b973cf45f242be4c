package transfer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tocsin/internal/status/transfer"
)

func TestHostileTextTakesNoLongTime(t *testing.T) {
	for _, s := range []string{"<a ", "<script ", "<a href=x>", "<", "&lt;", "<p><li><b>", "\u202e", "<a href='x'>y</a>", strings.Repeat("x", 100) + "\n\n\n"} {
		b, err := json.Marshal(strings.Repeat(s, (1<<18)/len(s)))
		must(t, err)
		begun := time.Now()
		p, _, err := transfer.Statuspage(now, []byte(`{"page":{"id":"p","name":`+string(b)+`},"incidents":[{"id":"i","name":`+string(b)+`,"created_at":"2026-11-01T00:00:00Z","incident_updates":[{"id":"u","body":`+string(b)+`,"created_at":"2026-11-01T00:00:00Z"}]}]}`))
		must(t, err)
		sound(t, &p)
		if took := time.Since(begun); took > 20*time.Second { // far more than it takes
			t.Errorf("%.10q takes %s", s, took)
		} else {
			t.Logf("%.10q takes %s", s, took)
		}
	}
}
