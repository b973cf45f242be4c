package app

import (
	"context"
	"fmt"
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
