package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tocsin/internal/audit"
)

// The two tables of the trail as one: the first has what it keeps, the second what
// public pages keep, whose kind of subject is the word before the dot.
const (
	trailSQL = `SELECT id, happened, actor_kind, actor_id, actor, address, action, subject_kind, subject_id, subject, note, changes,
		'' AS page_id, '' AS was, '' AS is_now FROM audit`
	pageTrailSQL = `SELECT id, happened, CASE WHEN actor_kind <> '' THEN actor_kind WHEN user_id <> '' THEN 'user' ELSE 'system' END AS actor_kind,
		CASE WHEN actor_id <> '' THEN actor_id ELSE user_id END AS actor_id, author AS actor, address, what AS action, '' AS subject_kind, subject_id,
		name AS subject, '' AS note, '' AS changes, page_id, was, is_now FROM page_audit`
)

func scanEntry(s scanner) (e audit.Entry, err error) {
	var at int64
	var kind, changes, was, is string
	err = s.Scan(&e.ID, &at, &kind, &e.Actor.ID, &e.Actor.Name, &e.Address, &e.Action, &e.Subject.Kind, &e.Subject.ID, &e.Subject.Name, &e.Note, &changes,
		&e.PageID, &was, &is)
	if err != nil {
		return e, err
	}
	e.At, e.Actor.Kind = fromMillis(at), audit.Kind(kind)
	if e.Subject.Kind == "" {
		e.Subject.Kind, _, _ = strings.Cut(e.Action, ".")
	}
	switch {
	case changes != "":
		err = json.Unmarshal([]byte(changes), &e.Changes)
	case was != "" || is != "":
		e.Changes, err = audit.Between(json.RawMessage(was), json.RawMessage(is))
	}
	if err != nil {
		return e, fmt.Errorf("read line %s of the audit trail: %w", e.ID, err)
	}
	return e, nil
}

// Trail lists the audit trail, that of public pages with it, the newest first.
// fault.ErrCursor for a cursor that is not of this list.
func (db *DB) Trail(ctx context.Context, f audit.Filter) (list []audit.Entry, next string, err error) {
	var c conditions
	if f.Actor != "" {
		c.add("actor_kind = " + c.arg(string(f.Actor)))
	}
	if f.ActorID != "" {
		c.add("actor_id = " + c.arg(f.ActorID))
	}
	if f.Address != "" {
		c.add("address = " + c.arg(f.Address))
	}
	if f.Subject != "" {
		c.add("action LIKE " + c.arg(strings.TrimPrefix(likeEscaped(f.Subject+"."), "%")) + ` ESCAPE '\'`)
	}
	if f.SubjectID != "" {
		c.add("subject_id = " + c.arg(f.SubjectID))
	}
	if f.PageID != "" {
		c.add("page_id = " + c.arg(f.PageID))
	}
	switch {
	case strings.Contains(f.Action, "."):
		c.add("action = " + c.arg(f.Action))
	case f.Action != "":
		c.add("action LIKE " + c.arg(strings.TrimSuffix(likeEscaped("."+f.Action), "%")) + ` ESCAPE '\'`)
	}
	if f.Text != "" {
		p := c.arg(likeEscaped(strings.ToLower(f.Text)))
		var fits []string
		for _, column := range []string{"actor", "address", "action", "subject", "note", "changes", "was", "is_now"} {
			fits = append(fits, "lower("+column+") LIKE "+p+` ESCAPE '\'`)
		}
		c.add("(" + strings.Join(fits, " OR ") + ")")
	}
	if !f.From.IsZero() {
		c.add("happened >= " + c.arg(millis(f.From)))
	}
	if !f.To.IsZero() {
		c.add("happened < " + c.arg(millis(f.To)))
	}
	if f.Cursor != "" {
		at, err := parseCursor("audit", f.Cursor)
		if err != nil {
			return nil, "", err
		}
		when, id := c.arg(at.At), c.arg(at.ID)
		c.add("(happened, id) < (" + when + ", " + id + ")")
	}
	limit := pageLimit(f.Limit)
	tail := " ORDER BY happened DESC, id DESC LIMIT " + c.arg(int64(limit+1))
	// Each table by itself gives no more than the page has, by its index.
	part := func(table, of string) string {
		return "SELECT * FROM (SELECT * FROM (" + of + ") AS " + table + c.String() + tail + ") AS " + table + "_part"
	}
	list, err = collect(ctx, db.reads, scanEntry, part("own", trailSQL)+" UNION ALL "+part("pages", pageTrailSQL)+tail, c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list the audit trail: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		last := &list[limit-1]
		next = cursor{List: "audit", At: millis(last.At), ID: last.ID}.String()
	}
	return list, next, nil
}
