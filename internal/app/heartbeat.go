package app

import (
	"context"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/store"
)

// alive notes that a source said that it is alive, and ends at once what was alerted
// of its silence.
func (a *App) alive(ctx context.Context, sourceID string) error {
	if err := a.db.SourceAlive(ctx, sourceID); err != nil {
		return fmt.Errorf("source %s: %w", sourceID, err)
	}
	a.dispatch.Alive(sourceID)
	return nil
}

// shelf is the store as console and API have it: a source that is silent can be removed.
type shelf struct {
	*store.DB
	a *App
}

// DeleteSource removes a source. Its silence ends with it; any other open alert is in
// the way.
func (s shelf) DeleteSource(ctx context.Context, id string) error {
	open, _, err := s.Alerts(ctx, alert.Filter{SourceIDs: []string{id}, Status: []alert.Status{alert.Firing, alert.Acknowledged}, Limit: 2})
	if err != nil {
		return fmt.Errorf("open alerts of source %s: %w", id, err)
	}
	if len(open) == 1 && open[0].Object.Heartbeat() {
		if err := s.a.dispatch.EndSilence(ctx, id); err != nil {
			return fmt.Errorf("end the silence of source %s: %w", id, err)
		}
	}
	return s.DB.DeleteSource(ctx, id) //nolint:wrapcheck // as the store says it
}
