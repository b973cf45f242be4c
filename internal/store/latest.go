package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tocsin/internal/alert"
)

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
