package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// Asked answers an event of an alert by which its engine was asked for something,
// and the newest answer to it; fault.ErrNotFound if there is no such event.
func (t *tx) Asked(ctx context.Context, alertID, eventID string) (dispatch.Asked, error) {
	const from = " FROM event e LEFT JOIN object o ON o.id = e.object_id WHERE e.alert_id = $1 AND "
	columns := "SELECT " + orNone(objectColumns) + ", " + eventColumns
	e, err := find(ctx, t, scanEvent, "event", eventID, columns+from+"e.id = $2", alertID, eventID)
	if err != nil {
		return dispatch.Asked{}, err
	}
	replies, err := collect(ctx, t, scanEvent, columns+from+"e.type = $2 AND e.reply_to = $3 ORDER BY e.id DESC LIMIT 1",
		alertID, string(alert.EngineReply), eventID)
	if err != nil {
		return dispatch.Asked{}, fmt.Errorf("read what the engine answered to event %s: %w", eventID, err)
	}
	asked := dispatch.Asked{Event: e}
	if len(replies) > 0 {
		asked.Reply = &replies[0]
	}
	return asked, nil
}

func (t *tx) Latest(ctx context.Context, alertID string, typ alert.Type) (*alert.Event, error) {
	e, err := one(ctx, t, scanEvent, "SELECT "+orNone(objectColumns)+", "+eventColumns+
		` FROM event e LEFT JOIN object o ON o.id = e.object_id
		WHERE e.alert_id = $1 AND e.type = $2 ORDER BY e.id DESC LIMIT 1`, alertID, string(typ))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the latest %s of alert %s: %w", typ, alertID, err)
	}
	return &e, nil
}
