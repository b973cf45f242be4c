package alertmanager

import (
	"fmt"

	"tocsin/internal/source"
)

// Snippets say how Alertmanager is set up to call us.
func (Kind) Snippets(s source.Setup) []source.Snippet {
	return []source.Snippet{
		{Title: "Keep the token in a file", Where: "Alertmanager's machine, as root", Why: "With Alertmanager's user in place of prometheus if it has another name.",
			Text: fmt.Sprintf(`install -m 0600 -o prometheus -g prometheus /dev/null /etc/prometheus/tocsin.token
echo '%s' > /etc/prometheus/tocsin.token`, s.ShownToken())},
		{Title: "Add the receiver", Where: "alertmanager.yml", Why: "Then have it read its configuration anew. Alertmanager before 0.22 has bearer_token_file in place of authorization.",
			Text: fmt.Sprintf(`route:
  receiver: tocsin
  group_by: [alertname, instance]

receivers:
  - name: tocsin
    webhook_configs:
      - url: %s
        send_resolved: true
        max_alerts: 0
        http_config:
          authorization:
            credentials_file: /etc/prometheus/tocsin.token`, s.EventsURL())},
		{Title: "Try it", Where: "Alertmanager's machine", Why: "An alert that is over after a minute. The page of this source turns green when it has arrived.",
			Text: `amtool --alertmanager.url=http://127.0.0.1:9093 alert add TocsinTest \
  instance="$(hostname)" severity=warning --annotation=summary="Hello from here" \
  --end="$(date -u -d '+1 minute' +%Y-%m-%dT%H:%M:%SZ)"`},
	}
}
