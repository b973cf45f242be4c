package store

import (
	"context"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/live"
	"tocsin/internal/source"
)

// unnamedSQL is the condition of an object o that lacks a name for people.
const unnamedSQL = "(o.host_display = '' OR o.service <> '' AND o.service_display = '')"

// UnnamedObjects answers objects of a source that lack a name for people, the
// host's or the service's: those with an open alert first, then those that an
// event was about lately.
func (db *DB) UnnamedObjects(ctx context.Context, sourceID string, limit int) ([]alert.Object, error) {
	limit = atLeastOne(limit)
	list, err := collect(ctx, db.reads, scanObject, "SELECT "+objectColumns+` FROM alert a JOIN object o ON o.id = a.object_id
		WHERE a.rank IN (1, 2) AND o.source_id = $1 AND `+unnamedSQL+" ORDER BY a.since DESC, o.id LIMIT $2", sourceID, int64(limit))
	if err == nil && len(list) < limit {
		var rest []alert.Object
		rest, err = collect(ctx, db.reads, scanObject, "SELECT "+objectColumns+" FROM object o WHERE o.source_id = $1 AND o.alert_id IN ('', '"+keepAlert+"') AND "+
			unnamedSQL+" ORDER BY o.changed DESC, o.id LIMIT $2", sourceID, int64(limit-len(list)))
		list = append(list, rest...)
	}
	if err != nil {
		return nil, fmt.Errorf("look for objects of source %s without names: %w", sourceID, err)
	}
	return list, nil
}

// OpenObjects answers objects of the source with an open alert, whether they have
// names for people or not, those of the newest alerts first.
func (db *DB) OpenObjects(ctx context.Context, sourceID string, limit int) ([]alert.Object, error) {
	list, err := collect(ctx, db.reads, scanObject, "SELECT "+objectColumns+` FROM alert a JOIN object o ON o.id = a.object_id
		WHERE a.rank IN (1, 2) AND o.source_id = $1 ORDER BY a.since DESC, o.id LIMIT $2`, sourceID, int64(atLeastOne(limit)))
	if err != nil {
		return nil, fmt.Errorf("look for objects of source %s with an open alert: %w", sourceID, err)
	}
	return list, nil
}

// Rename gives an object its names for people; an empty one stays as it was. Open
// tabs hear of it. It answers whether a name is another one now;
// fault.ErrNotFound if there is no such object.
func (t *tx) Rename(ctx context.Context, id, hostDisplay, serviceDisplay string) (bool, error) {
	o, err := find(ctx, t, scanObject, "object", id, "SELECT "+objectColumns+" FROM object o WHERE o.id = $1"+t.db.d.forUpdate, id)
	if err != nil {
		return false, err
	}
	named := o
	if hostDisplay != "" {
		named.HostDisplay = cleaned(hostDisplay, 4*source.MaxName)
	}
	if serviceDisplay != "" && o.Service != "" {
		named.ServiceDisplay = cleaned(serviceDisplay, 4*source.MaxName)
	}
	if named.HostDisplay == o.HostDisplay && named.ServiceDisplay == o.ServiceDisplay {
		return false, nil
	}
	_, err = t.exec(ctx, "UPDATE object SET host_display = $2, service_display = $3, search = $4 WHERE id = $1",
		id, named.HostDisplay, named.ServiceDisplay, searchable(&named))
	if err != nil {
		return false, fmt.Errorf("name object %s: %w", id, err)
	}
	t.db.recall.drop(id)
	return true, t.tellName(ctx, named)
}

// tellName has open tabs draw what they show of an object anew.
func (w *work) tellName(ctx context.Context, o alert.Object) error {
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	f := dispatch.AlertFrame{
		ObjectID: o.ID, State: o.State, Worst: o.State, Outcome: alert.Noted, Name: o.Name(), Host: o.HostName(), Service: o.ServiceName(),
		SourceID: o.SourceID, Updated: now, Downtime: o.Downtime, Flapping: o.Flapping,
	}
	open, err := collect(ctx, w, scanAlert, "SELECT "+objectColumns+", "+alertColumns+
		" FROM object o JOIN alert a ON a.id = o.alert_id WHERE o.id = $1", o.ID)
	if err != nil {
		return fmt.Errorf("read the open alert of object %s: %w", o.ID, err)
	}
	for i := range open {
		a := &open[i]
		f.ID, f.Status, f.State, f.Worst = a.ID, a.Status, a.State, a.Worst
		f.Output, f.Since, f.Updated, f.Snoozed = cleaned(a.Output, frameOutput), a.Since, a.Updated, a.Snoozed
		if k := a.Ack; k != nil {
			f.Author, f.Comment, f.Confirmation, f.EngineWords, f.AckUntil = k.Author, k.Comment, k.Confirmation, k.Words, k.Until
		}
	}
	return w.appendLive(ctx, []live.Frame{{Kind: dispatch.FrameKind, Body: encodeJSON(f), At: now}})
}

// frameOutput is how many bytes of a check's output such a frame carries.
const frameOutput = 200

// FlappingObjects answers up to limit objects that flap as was found here, in order
// of id, those after one id.
func (db *DB) FlappingObjects(ctx context.Context, after string, limit int) ([]alert.Object, error) {
	list, err := collect(ctx, db.reads, scanObject, "SELECT "+objectColumns+" FROM object o WHERE o.flaps > 0 AND o.id > $1 ORDER BY o.id LIMIT $2",
		after, int64(atLeastOne(limit)))
	if err != nil {
		return nil, fmt.Errorf("look for objects that flap: %w", err)
	}
	return list, nil
}
