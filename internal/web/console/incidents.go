package console

import (
	"context"

	"tocsin/internal/push"
	"tocsin/internal/status"
)

// Incidents is what the pages of incidents read besides Status.
type Incidents interface {
	// OpenIncidents are those of a page that have not ended, drafts too, the newest
	// first.
	OpenIncidents(ctx context.Context, pageID string) ([]status.Incident, error)
	// Drafts are those that nobody has published, also when they have ended.
	Drafts(ctx context.Context, pageID string) ([]status.Incident, error)
	// PublicationsAbout are the messages to visitors about an incident, the newest
	// first, each with how far it is.
	PublicationsAbout(ctx context.Context, pageID, topic string, limit int) ([]push.Publication, []push.Progress, error)
}

// incidentRoutes are incidents, their drafts, templates and the audit trail.
func (c *console) incidentRoutes() []routing {
	return nil
}
