package grafana

import (
	"fmt"

	"tocsin/internal/source"
)

// Snippets say how Grafana is set up to call us.
func (Kind) Snippets(s source.Setup) []source.Snippet {
	return []source.Snippet{
		{Title: "Make a contact point", Where: "Alerting → Contact points, integration Webhook; or /etc/grafana/provisioning/alerting/tocsin.yaml",
			Why: "In the form: URL, HTTP method POST, authorisation scheme Bearer with the token as credentials. Then let a notification policy lead to it. With a secret, which Grafana 12 and newer can sign with, this source takes signed requests alone: give it the same one.",
			Text: fmt.Sprintf(`apiVersion: 1
contactPoints:
  - orgId: 1
    name: Tocsin
    receivers:
      - uid: tocsin
        type: webhook
        disableResolveMessage: false
        settings:
          url: %s
          httpMethod: POST
          authorization_scheme: Bearer
          authorization_credentials: %s
          # hmacConfig:
          #   secret: the secret of this source
          #   header: %s
          #   timestampHeader: %s`, s.EventsURL(), s.ShownToken(), signatureHeader, timestampHeader)},
		{Title: "Try it", Where: "the contact point's page", Why: "The page of this source turns green when it has arrived.", Text: "Press Test, then Send test notification."},
	}
}
