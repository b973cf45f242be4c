package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/dispatch"
)

const escalationSQL = "SELECT alert_id, policy_id, body, due FROM escalation WHERE alert_id = $1"

func scanEscalation(s scanner) (e dispatch.Escalation, err error) {
	var body string
	var due int64
	if err := s.Scan(&e.AlertID, &e.PolicyID, &body, &due); err != nil {
		return e, err
	}
	e.Due = fromMillis(due)
	if err := json.Unmarshal([]byte(body), &e.Run); err != nil {
		return e, fmt.Errorf("read how far a policy is: %w", err)
	}
	return e, nil
}

func readEscalation(ctx context.Context, q querier, alertID string) (*dispatch.Escalation, error) {
	e, err := one(ctx, q, scanEscalation, escalationSQL, alertID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read how far the policy of alert %s is: %w", alertID, err)
	}
	return &e, nil
}

func (t *tx) Escalation(ctx context.Context, alertID string) (*dispatch.Escalation, error) {
	return readEscalation(ctx, t, alertID)
}

// AlertEscalation answers how far the policy of an alert is, nil if none runs.
func (db *DB) AlertEscalation(ctx context.Context, alertID string) (*dispatch.Escalation, error) {
	return readEscalation(ctx, db.reads, alertID)
}

// DueEscalations answers up to limit alerts whose policy is due, the first due
// first, and when the next one is, zero if none is. That may lie in the past, when
// there are more than limit.
func (db *DB) DueEscalations(ctx context.Context, limit int) (alertIDs []string, next time.Time, err error) {
	alertIDs, next, err = db.due(ctx, "SELECT alert_id, due FROM escalation WHERE due > 0 ORDER BY due, alert_id LIMIT $1", limit)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("look for alerts that nobody took: %w", err)
	}
	return alertIDs, next, nil
}

// writeEscalations ends before it begins.
func (t *tx) writeEscalations(ctx context.Context, c *dispatch.Changes) error {
	ended := distinct(c.EndEscalations)
	err := t.db.t.endEscalation.each(len(ended), texts(ended), func(text string, args []any) error { return t.later(ctx, nil, text, args...) })
	if err != nil {
		return err
	}
	list := latest(c.Escalations, func(e *dispatch.Escalation) string { return e.AlertID })
	return t.db.t.escalation.write(ctx, t, len(list), func(i int, args []any) []any {
		e := list[i]
		return append(args, e.AlertID, e.PolicyID, encodeJSON(e.Run), millis(e.Due))
	})
}
