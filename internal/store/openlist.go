package store

import (
	"context"
	"fmt"
	"strings"

	"tocsin/internal/alert"
)

// gravestSQL is the order of OpenAlerts: what nobody has taken first, then by
// alert.State.Severity, then the newest.
const gravestSQL = ` ORDER BY a.rank DESC, CASE a.state WHEN 'down' THEN 4 WHEN 'critical' THEN 3 WHEN 'unknown' THEN 2
	WHEN 'unreachable' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END DESC, a.since DESC, a.id DESC`

// OpenAlerts answers up to limit open alerts, those that nobody has taken first,
// then the worst, then the newest; with a text, those that have it in a name. It
// walks through all that are open, on the connections that keep little in memory,
// and loads only those that it answers.
func (db *DB) OpenAlerts(ctx context.Context, text string, limit int) ([]alert.Alert, error) {
	args := []any{int64(atLeastOne(limit))}
	from := "alert a WHERE a.rank IN (1, 2)"
	if text != "" {
		args = append(args, likeEscaped(strings.ToLower(text)))
		from = `alert a JOIN object o ON o.id = a.object_id WHERE a.rank IN (1, 2) AND o.search LIKE $2 ESCAPE '\'`
	}
	list, err := collect(ctx, db.many, scanAlert, "SELECT "+objectColumns+", "+alertColumns+
		" FROM (SELECT a.id AS found FROM "+from+gravestSQL+" LIMIT $1) f JOIN alert a ON a.id = f.found JOIN object o ON o.id = a.object_id"+gravestSQL, args...)
	if err != nil {
		return nil, fmt.Errorf("list open alerts: %w", err)
	}
	return list, nil
}

// CountOpen answers how many alerts are open, from the index alone.
func (db *DB) CountOpen(ctx context.Context) (n int, err error) {
	if err := db.many.row(ctx, "SELECT count(*) FROM alert WHERE rank IN (1, 2)", nil, &n); err != nil {
		return 0, fmt.Errorf("count open alerts: %w", err)
	}
	return n, nil
}
