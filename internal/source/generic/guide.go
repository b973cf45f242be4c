package generic

import (
	"fmt"

	"tocsin/internal/source"
)

// Snippets say how anything that can send JSON calls us.
func (Kind) Snippets(s source.Setup) []source.Snippet {
	return []source.Snippet{
		{Title: "Send events as JSON", Where: "anywhere", Why: `One event, an array of them, or {"events":[…]}. The answer comes when they are on disk.`,
			Text: fmt.Sprintf(`curl %s \
  -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
  -d '{"type":"PROBLEM","host":"web01","service":"HTTP","state":"critical","output":"no answer"}'`, s.EventsURL(), s.ShownToken())},
		{Title: "Or have a JSON of its own understood", Where: "this source's mapping",
			Why: `Where the sender's JSON cannot be changed. Values point into an event (JSON pointers), or begin with = and are always the same. This one is for {"checks":[{"machine":"web01","name":"HTTP","status":"red","message":"no answer"}]}.`,
			Text: `{
  "events": "/checks",
  "host": "/machine",
  "service": "/name",
  "state": "/status",
  "states": {"red": "critical", "yellow": "warning", "green": "ok"},
  "output": "/message"
}`},
	}
}
