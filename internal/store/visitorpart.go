package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/visitor"
)

// addParts has the subscribers of a page's other channels told of a publication,
// in the transaction that makes it.
func (w *work) addParts(ctx context.Context, p *push.Publication, now time.Time) error {
	n, err := w.exec(ctx, `INSERT INTO visitor_part (publication_id, channel, page_id, taken, expires, until_id, expected, position, due, attempt, node, waits,
		done, looked, sent, gone, failed, expired, unwanted, repeats, retried, ended, finished)
		SELECT $1, channel, page_id, CAST($2 AS BIGINT), CAST($3 AS BIGINT), max(id), count(*), '', CAST($2 AS BIGINT), 0, '', '',
			FALSE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM visitor WHERE page_id = $4 AND confirmed > 0 GROUP BY page_id, channel`,
		p.ID, millis(now), millis(p.Expires), p.PageID)
	if err != nil {
		return fmt.Errorf("have the subscribers of page %s told: %w", p.PageID, err)
	}
	if n == 0 {
		return nil
	}
	w.wake(topicVisitor)
	if p.Full == "" {
		return nil
	}
	if _, err := w.exec(ctx, "INSERT INTO visitor_text (publication_id, markdown) VALUES ($1, $2)", p.ID, p.Full); err != nil {
		return fmt.Errorf("keep the text of publication %s: %w", p.ID, err)
	}
	return nil
}

// wholePublication reads a publication with all of its text.
func wholePublication(ctx context.Context, w *work, id string) (*push.Publication, error) {
	p, err := readPublication(ctx, w, id)
	if err != nil {
		return &p, err
	}
	text, err := collect(ctx, w, scanText, "SELECT markdown FROM visitor_text WHERE publication_id = $1", id)
	if len(text) > 0 {
		p.Full = text[0]
	}
	return &p, err
}

// takeBackParts makes due what a hub that was killed had claimed. Only the one that
// serves alone may say that nobody else is at it.
func (db *DB) takeBackParts(ctx context.Context) error {
	return db.plain(ctx, "take back what visitors were being told", "UPDATE visitor_part SET due = 0, node = '' WHERE NOT done AND node <> ''")
}

// ClaimPart takes a publication's way to the subscribers of a channel that is due
// and that nobody else holds, the oldest first; nil if there is none. The claim is
// a lease, which AdvancePart renews.
func (db *DB) ClaimPart(ctx context.Context, c visitor.Channel, node string, lease time.Duration) (*visitor.Part, error) {
	var open int
	if err := db.reads.row(ctx, "SELECT count(*) FROM visitor_part WHERE channel = $1 AND NOT done", []any{string(c)}, &open); err != nil || open == 0 {
		return nil, err //nolint:wrapcheck // the caller says what it was
	}
	var part *visitor.Part
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		part = nil
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		over, err := collect(ctx, w, scanText, `UPDATE visitor_part SET expired = expired + CASE WHEN expected > looked THEN expected - looked ELSE 0 END,
			looked = CASE WHEN expected > looked THEN expected ELSE looked END, done = TRUE, attempt = attempt + 1
			WHERE channel = $1 AND NOT done AND due <= $2 AND expires <= $2 RETURNING publication_id`, string(c), millis(now))
		if err != nil {
			return err
		}
		for _, id := range over {
			if err := w.finishPart(ctx, id, c, now); err != nil {
				return err
			}
		}
		p, err := one(ctx, w, func(s scanner) (p visitor.Part, err error) {
			var taken int64
			p.Publication = &push.Publication{}
			err = s.Scan(&p.Publication.ID, &p.Position, &p.Until, &taken, &p.Attempt)
			p.Channel, p.Taken = c, fromMillis(taken)
			return p, err
		}, `WITH ready AS (SELECT publication_id FROM visitor_part WHERE channel = $1 AND NOT done AND due <= $2 ORDER BY publication_id LIMIT 1`+db.d.skipLocked+`)
			UPDATE visitor_part SET attempt = attempt + 1, due = $3, node = $4 WHERE channel = $1 AND publication_id = (SELECT publication_id FROM ready)
			RETURNING publication_id, position, until_id, taken, attempt`, string(c), millis(now), millis(now.Add(lease)), cleaned(node, mostName))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		p.Publication, err = wholePublication(ctx, w, p.Publication.ID)
		part = &p
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim a publication for visitors by %s: %w", c, err)
	}
	return part, nil
}

// PartSubscribers answers the subscribers of a part above an id, ascending. Who
// confirmed when the publication was there already is left out.
func (db *DB) PartSubscribers(ctx context.Context, p *visitor.Part, after string, limit int) ([]visitor.Subscriber, error) {
	list, err := collect(ctx, db.reads, db.scanVisitor, "SELECT "+visitorColumns+` FROM visitor
		WHERE page_id = $1 AND channel = $2 AND id > $3 AND id <= $4 AND confirmed > 0 AND confirmed <= $5 ORDER BY id LIMIT $6`,
		p.Publication.PageID, string(p.Channel), max(after, p.Position), p.Until, millis(p.Taken), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read who is told of publication %s by %s: %w", p.Publication.ID, p.Channel, err)
	}
	return list, nil
}

func partName(p *visitor.Part) string {
	return fmt.Sprintf("publication %s by %s", p.Publication.ID, p.Channel)
}

// AdvancePart writes what became of the subscribers up to a position, all in one
// transaction, and renews the lease. It is void when the claim was lost meanwhile:
// fault.ErrNotFound.
func (db *DB) AdvancePart(ctx context.Context, p *visitor.Part, s visitor.Step, lease time.Duration) error {
	if s.Position < p.Position {
		return errLost(partName(p), errBackwards)
	}
	looked := s.Sent + s.Unwanted + s.Failed + s.Expired + len(s.Gone) + len(s.Retry)
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, `UPDATE visitor_part SET position = $4, done = $5, due = $6, waits = '', looked = looked + $7, sent = sent + $8, gone = gone + $9,
			failed = failed + $10, expired = expired + $11, unwanted = unwanted + $12, repeats = repeats + $13, retried = retried + $14
			WHERE publication_id = $1 AND channel = $2 AND attempt = $3 AND NOT done`,
			p.Publication.ID, string(p.Channel), int64(p.Attempt), s.Position, s.Last, millis(now.Add(lease)), int64(looked), int64(s.Sent), int64(len(s.Gone)),
			int64(s.Failed), int64(s.Expired), int64(s.Unwanted), int64(s.Repeats), int64(len(s.Retry)))
		if err != nil {
			return err
		}
		if n == 0 {
			return errLost(partName(p), nil)
		}
		for i := range s.Retry {
			r := &s.Retry[i]
			_, err := w.exec(ctx, `INSERT INTO visitor_retry (publication_id, visitor_id, channel, attempt, due, detail) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (publication_id, visitor_id) DO NOTHING`,
				p.Publication.ID, r.SubscriberID, string(p.Channel), int64(r.Attempt), millis(r.Due), cleaned(r.Detail, mostDetail))
			if err != nil {
				return err
			}
		}
		for _, g := range s.Gone {
			if err := w.endVisitor(ctx, g.ID, g.Why, now); err != nil {
				return err
			}
		}
		if err := w.noteVisitors(ctx, s.Healed, s.Ailing); err != nil {
			return err
		}
		if err := w.addVisitorProblems(ctx, p.Publication.ID, p.Channel, s.Problems); err != nil {
			return err
		}
		if !s.Last {
			return nil
		}
		w.wake(topicVisitor)
		return w.finishPart(ctx, p.Publication.ID, p.Channel, now)
	})
	if err != nil {
		return fmt.Errorf("note who was told: %w", err)
	}
	p.Position = s.Position
	return nil
}

func (w *work) noteVisitors(ctx context.Context, healed, ailing []string) error {
	for _, x := range []struct {
		ids []string
		set string
	}{{healed, "0"}, {ailing, "failures + 1"}} {
		if len(x.ids) == 0 {
			continue
		}
		if _, err := w.exec(ctx, "UPDATE visitor SET failures = "+x.set+" WHERE "+w.db.d.among("id", w.db.d.list("$1")), encodeList(x.ids)); err != nil {
			return err
		}
	}
	return nil
}

// ReleasePart gives a part back before its end, to be claimed again at due, with
// what it waits for; fault.ErrNotFound when the claim was lost.
func (db *DB) ReleasePart(ctx context.Context, p *visitor.Part, due time.Time, waits string) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		w.wake(topicVisitor)
		n, err := w.exec(ctx, "UPDATE visitor_part SET due = $4, node = '', waits = $5 WHERE publication_id = $1 AND channel = $2 AND attempt = $3 AND NOT done",
			p.Publication.ID, string(p.Channel), int64(p.Attempt), millis(due), cleaned(waits, mostDetail))
		if err == nil && n == 0 {
			err = errLost(partName(p), nil)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("give back %s: %w", partName(p), err)
	}
	return nil
}

// finishPart ends a part when nothing of it is left to do. Its row is held first,
// as that of a publication.
func (w *work) finishPart(ctx context.Context, id string, c visitor.Channel, now time.Time) error {
	if w.db.d.forUpdate != "" {
		if _, err := collect(ctx, w, scanText, "SELECT publication_id FROM visitor_part WHERE publication_id = $1 AND channel = $2"+w.db.d.forUpdate, id, string(c)); err != nil {
			return err
		}
	}
	_, err := w.exec(ctx, `UPDATE visitor_part SET finished = $3, waits = '' WHERE publication_id = $1 AND channel = $2 AND done AND finished = 0
		AND NOT EXISTS (SELECT 1 FROM visitor_retry r WHERE r.publication_id = $1 AND r.channel = $2)`, id, string(c), millis(now))
	return err
}

func (w *work) addVisitorProblems(ctx context.Context, id string, c visitor.Channel, problems map[string]int) error {
	if len(problems) == 0 {
		return nil
	}
	known, err := collect(ctx, w, scanText, "SELECT problem FROM visitor_problem WHERE publication_id = $1 AND channel = $2", id, string(c))
	if err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(problems)) {
		n := problems[what]
		if what = cleaned(what, mostDetail); !slices.Contains(known, what) {
			if len(known) >= mostProblems {
				what = otherProblems
			}
			known = append(known, what)
		}
		_, err := w.exec(ctx, `INSERT INTO visitor_problem (publication_id, channel, problem, times) VALUES ($1, $2, $3, $4)
			ON CONFLICT (publication_id, channel, problem) DO UPDATE SET times = visitor_problem.times + excluded.times`, id, string(c), what, int64(n))
		if err != nil {
			return err
		}
	}
	return nil
}

// channelProgress is how far publications are by the channels other than Web
// Push, by id and channel.
func (db *DB) channelProgress(ctx context.Context, ids []string) (map[string]map[string]push.Progress, error) {
	found := map[string]map[string]push.Progress{}
	_, err := collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var id, channel, waits string
		var g push.Progress
		var done bool
		var expected, looked int
		var finished int64
		err := s.Scan(&id, &channel, &expected, &looked, &done, &g.Sent, &g.Gone, &g.Failed, &g.Expired, &g.Unwanted, &g.Repeats, &g.Retrying, &finished, &waits)
		if finished > 0 {
			g.Done, g.Finished, g.Retrying = true, fromMillis(finished), 0
		} else if g.Waiting = g.Retrying; !done {
			g.Waiting += max(expected-looked, 0)
		}
		g.Total = g.Sent + g.Gone + g.Failed + g.Expired + g.Waiting
		if waits != "" {
			g.Problems = map[string]int{waits: g.Waiting}
		}
		if found[id] == nil {
			found[id] = map[string]push.Progress{}
		}
		found[id][channel] = g
		return struct{}{}, err
	}, `SELECT publication_id, channel, expected, looked, done, sent, gone, failed, expired, unwanted, repeats, retried - ended, finished, waits
		FROM visitor_part WHERE `+db.d.among("publication_id", db.d.list("$1")), orEmpty(ids))
	if err != nil || len(found) == 0 {
		return nil, wrapped("read how far publications are", err)
	}
	_, err = collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var id, channel, problem string
		var n int
		err := s.Scan(&id, &channel, &problem, &n)
		if g, ok := found[id][channel]; ok && err == nil {
			if g.Problems == nil {
				g.Problems = map[string]int{}
			}
			g.Problems[problem] += n
			found[id][channel] = g
		}
		return struct{}{}, err
	}, "SELECT publication_id, channel, problem, times FROM visitor_problem WHERE "+db.d.among("publication_id", db.d.list("$1")), orEmpty(ids))
	return found, wrapped("read what went wrong with publications", err)
}

func wrapped(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
