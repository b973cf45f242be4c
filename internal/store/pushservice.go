package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tocsin/internal/push"
)

// mostServices is of how many push services figures are kept: some give each
// region, or each device, a name of its own.
const mostServices = 500

const serviceColumns = "origin, accepted, gone, failed, retried, refused, last_success, last_failure, last_error"

// AddServiceFigures adds to the figures of push services what happened since
// it was last called.
func (db *DB) AddServiceFigures(ctx context.Context, list []push.ServiceFigures) error {
	if len(list) == 0 {
		return nil
	}
	sums := map[string]*push.ServiceFigures{}
	for _, f := range list {
		if s := sums[f.Origin]; s != nil {
			addFigures(s, &f)
		} else {
			sums[f.Origin] = &f
		}
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		var n int
		if err := w.row(ctx, "SELECT count(*) FROM push_service", nil, &n); err != nil {
			return err
		}
		for _, origin := range slices.Sorted(maps.Keys(sums)) {
			added, err := w.addFigures(ctx, sums[origin], n < mostServices)
			if err != nil {
				return err
			}
			if added {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add the figures of push services: %w", err)
	}
	return nil
}

// addFigures adds to the row of a push service, and makes it if it may.
func (w *work) addFigures(ctx context.Context, f *push.ServiceFigures, may bool) (added bool, err error) {
	args := []any{cleaned(f.Origin, mostDetail), f.Accepted, f.Gone, f.Failed, f.Retried, f.Refused, millis(f.LastSuccess), millis(f.LastFailure),
		cleaned(f.LastError, mostDetail)}
	n, err := w.exec(ctx, `UPDATE push_service SET accepted = accepted + $2, gone = gone + $3, failed = failed + $4,
		retried = retried + $5, refused = refused + $6,
		last_success = CASE WHEN $7 > last_success THEN $7 ELSE last_success END,
		last_error = CASE WHEN $8 >= last_failure AND $9 <> '' THEN $9 ELSE last_error END,
		last_failure = CASE WHEN $8 > last_failure THEN $8 ELSE last_failure END WHERE origin = $1`, args...)
	if err != nil || n > 0 || !may {
		return false, err
	}
	// Another node may make it at this moment.
	n, err = w.exec(ctx, "INSERT INTO push_service ("+serviceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (origin) DO UPDATE SET accepted = push_service.accepted + excluded.accepted, gone = push_service.gone + excluded.gone,
		failed = push_service.failed + excluded.failed, retried = push_service.retried + excluded.retried,
		refused = push_service.refused + excluded.refused`, args...)
	return n > 0, err
}

// addFigures adds g to f.
func addFigures(f, g *push.ServiceFigures) {
	f.Accepted += g.Accepted
	f.Gone += g.Gone
	f.Failed += g.Failed
	f.Retried += g.Retried
	f.Refused += g.Refused
	if g.LastSuccess.After(f.LastSuccess) {
		f.LastSuccess = g.LastSuccess
	}
	if g.LastFailure.After(f.LastFailure) {
		f.LastFailure = g.LastFailure
	}
	if g.LastError != "" {
		f.LastError = g.LastError
	}
}

// ServiceFigures lists what became of messages at each push service.
func (db *DB) ServiceFigures(ctx context.Context) ([]push.ServiceFigures, error) {
	list, err := collect(ctx, db.reads, func(s scanner) (f push.ServiceFigures, err error) {
		var success, failure int64
		err = s.Scan(&f.Origin, &f.Accepted, &f.Gone, &f.Failed, &f.Retried, &f.Refused, &success, &failure, &f.LastError)
		f.LastSuccess, f.LastFailure = fromMillis(success), fromMillis(failure)
		return f, err
	}, "SELECT "+serviceColumns+" FROM push_service ORDER BY origin")
	if err != nil {
		return nil, fmt.Errorf("list push services: %w", err)
	}
	return list, nil
}
