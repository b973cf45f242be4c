package nodes_test

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// breakWith does what a migration does that programs of before cannot live with.
func (w *world) breakWith(version int64) error {
	conn, err := pgx.Connect(w.ctx, w.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(w.ctx))
	_, err = conn.Exec(w.ctx, "UPDATE counter SET value = $1 WHERE name = 'schema'", version)
	return err
}
