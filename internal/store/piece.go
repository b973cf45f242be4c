package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/push"
)

// pieceSize is how many subscriptions a piece has. At some thousand messages a
// second it is done within seconds, so a node that ends has little to hand over.
const pieceSize = 10_000

const pieceColumns = "publication_id, number, from_id, to_id, position, attempt"

func scanPiece(s scanner) (push.Piece, error) {
	var p push.Piece
	var id string
	err := s.Scan(&id, &p.Number, &p.From, &p.To, &p.Position, &p.Attempt)
	p.Publication = &push.Publication{ID: id}
	return p, err
}

// takeBackPieces makes due what a hub that was killed had claimed. Only the one
// that serves alone may say that nobody else is at it.
func (db *DB) takeBackPieces(ctx context.Context) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, "UPDATE publication_piece SET due = 0 WHERE NOT done AND due > 0")
		if err != nil {
			return fmt.Errorf("take back the pieces of publications: %w", err)
		}
		return nil
	})
}

// ClaimPiece takes a piece that nobody else holds, of the publication that is
// the least far, and answers nil if there is none. Pieces are planned when they
// are claimed, one at a time. The claim is a lease, which AdvancePiece renews.
func (db *DB) ClaimPiece(ctx context.Context, node string, lease time.Duration) (*push.Piece, error) {
	var open int
	if err := db.reads.row(ctx, "SELECT count(*) FROM publication WHERE finished = 0", nil, &open); err != nil {
		return nil, fmt.Errorf("look for publications: %w", err)
	}
	if open == 0 {
		return nil, nil
	}
	var p *push.Piece
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		over, err := collect(ctx, w, scanText, "SELECT id FROM publication WHERE finished = 0 AND expires > 0 AND expires <= $1 ORDER BY id", millis(now))
		if err != nil {
			return err
		}
		for _, id := range over {
			if err := w.expire(ctx, id, now); err != nil {
				return err
			}
		}
		p, err = w.claimPiece(ctx, node, now, lease)
		return err
	})
	for more := true; err == nil && more && p == nil; {
		p, more, err = db.planPiece(ctx, node, lease)
	}
	if err != nil {
		return nil, fmt.Errorf("claim a piece of a publication: %w", err)
	}
	return p, nil
}

// claimPiece takes one that was planned before and that nobody works on.
func (w *work) claimPiece(ctx context.Context, node string, now time.Time, lease time.Duration) (*push.Piece, error) {
	p, err := one(ctx, w, scanPiece, `WITH ready AS (SELECT publication_id, number FROM publication_piece WHERE NOT done AND due <= $1
		ORDER BY number, publication_id LIMIT 1`+w.db.d.skipLocked+`)
		UPDATE publication_piece SET attempt = attempt + 1, due = $2, node = $3
		WHERE publication_id = (SELECT publication_id FROM ready) AND number = (SELECT number FROM ready) RETURNING `+pieceColumns,
		millis(now), millis(now.Add(lease)), node)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	v, err := readPublication(ctx, w, p.Publication.ID)
	p.Publication = &v
	return &p, err
}

func readPublication(ctx context.Context, q querier, id string) (push.Publication, error) {
	return find(ctx, q, scanPublication, "publication", id, "SELECT "+publicationColumns+" FROM publication p WHERE p.id = $1", id)
}

// plan is where the planning of a publication stands, and its next piece.
type plan struct {
	push.Piece        // Number is that of the piece before
	until      string // the last id of the publication
	size       int64
}

// nextPlan looks for the next piece of the publication that has the fewest. It
// reads outside of the transaction that writes the plan: ten thousand ids would
// hold up everybody, and fill the cache of the connection that writes.
func (db *DB) nextPlan(ctx context.Context) (*plan, error) {
	p, err := one(ctx, db.many, func(s scanner) (p plan, err error) {
		var r publicationRow
		if err := s.Scan(append(r.dest(nil), &p.From, &p.until, &p.Number)...); err != nil {
			return p, err
		}
		v, err := r.value()
		p.Publication = &v
		return p, err
	}, "SELECT "+publicationColumns+", position, until_id, pieces FROM publication p WHERE finished = 0 AND NOT planned ORDER BY pieces, id LIMIT 1")
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	err = db.many.row(ctx, `SELECT count(*), COALESCE(max(id), '') FROM (SELECT subscription_id AS id FROM subscription_page
		WHERE page_id = $1 AND subscription_id > $2 AND subscription_id <= $3 ORDER BY subscription_id LIMIT $4) AS ids`,
		[]any{p.Publication.PageID, p.From, p.until, int64(pieceSize)}, &p.size, &p.To)
	if err != nil {
		return nil, fmt.Errorf("plan a piece of publication %s: %w", p.Publication.ID, err)
	}
	return &p, nil
}

// planPiece makes a publication's next piece and takes it. more says to ask
// again: there were no further subscriptions, or another node was first.
func (db *DB) planPiece(ctx context.Context, node string, lease time.Duration) (p *push.Piece, more bool, err error) {
	n, err := db.nextPlan(ctx)
	if err != nil || n == nil {
		return nil, false, err
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		p, more = nil, true
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		return w.writePlan(ctx, n, now, func(number int) error {
			piece := n.Piece
			piece.Number, piece.Position, piece.Attempt = number, n.From, 1
			p = &piece
			_, err := w.exec(ctx, `INSERT INTO publication_piece (publication_id, number, from_id, to_id, position, size, looked, due, attempt, node,
				done, sent, gone, failed, expired, unwanted, repeats, retried) VALUES ($1, $2, $3, $4, $3, $5, 0, $6, 1, $7, FALSE, 0, 0, 0, 0, 0, 0, 0)`,
				n.Publication.ID, int64(number), n.From, n.To, n.size, millis(now.Add(lease)), node)
			return err
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("plan a piece of publication %s: %w", n.Publication.ID, err)
	}
	return p, more, nil
}

// writePlan moves the planning of a publication on, unless another node did,
// and has add write the piece, unless it would be an empty one.
func (w *work) writePlan(ctx context.Context, n *plan, now time.Time, add func(number int) error) error {
	to, number := n.To, n.Number
	if n.size > 0 {
		number++
	} else {
		to = n.until
	}
	planned := n.size < pieceSize || to == n.until
	moved, err := w.exec(ctx, "UPDATE publication SET position = $2, pieces = $3, planned = $4 WHERE id = $1 AND position = $5 AND NOT planned",
		n.Publication.ID, to, int64(number), planned, n.From)
	if err != nil || moved == 0 {
		return err
	}
	if n.size == 0 {
		return w.finish(ctx, n.Publication.ID, now)
	}
	return add(number)
}

// PieceSubscriptions answers the subscriptions of a piece above an id,
// ascending, with what a message to them needs and no more. Who subscribed when
// the publication was there already is left out, also where the clocks of nodes
// differ. Of the pages that each follows only the piece's is answered; devices
// that want the same share it.
func (db *DB) PieceSubscriptions(ctx context.Context, p *push.Piece, after string, limit int) ([]push.Subscription, error) {
	// The bounds are said of both tables: PostgreSQL infers no such thing, and
	// would read the devices from the first one on.
	rows, err := db.many.query(db.brief(ctx), "SELECT "+sendingColumns+`, f.want FROM subscription_page f
		JOIN push_subscription ON id = f.subscription_id WHERE f.page_id = $1 AND f.subscription_id > $2 AND f.subscription_id <= $3
		AND id > $2 AND id <= $3 AND f.joined <= (SELECT taken FROM publication WHERE publication.id = $4)
		ORDER BY f.subscription_id LIMIT $5`,
		p.Publication.PageID, max(after, p.From), p.To, p.Publication.ID, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions of piece %d: %w", p.Number, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says the same
	d := devices{page: p.Publication.PageID}
	list := make([]push.Subscription, 0, min(limit, pieceSize))
	for rows.Next() {
		s, err := d.following(rows)
		if err != nil {
			return nil, fmt.Errorf("read the subscriptions of piece %d: %w", p.Number, err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the subscriptions of piece %d: %w", p.Number, err)
	}
	return list, nil
}

// errPieceLost says that a claim is over: another worker has the piece, or it is done.
func errPieceLost(p *push.Piece) error {
	return fmt.Errorf("claim %d of piece %d of publication %s: %w", p.Attempt, p.Number, p.Publication.ID, fault.ErrNotFound)
}

// AdvancePiece writes what became of a page of a piece, all in one transaction,
// moves the piece on to the page's position and renews the lease. It is void
// when the claim was lost meanwhile: fault.ErrNotFound.
func (db *DB) AdvancePiece(ctx context.Context, p *push.Piece, page push.Page, lease time.Duration) error {
	if page.Position < p.Position {
		return fmt.Errorf("piece %d of publication %s goes back from %s to %s", p.Number, p.Publication.ID, p.Position, page.Position)
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		retried, err := w.addRetries(ctx, p.Publication, page.Retry, now)
		if err != nil {
			return err
		}
		looked := page.Sent + page.Unwanted + page.Failed + page.Expired + len(page.Gone) + len(page.Retry)
		n, err := w.exec(ctx, `UPDATE publication_piece SET position = $4, looked = looked + $5, due = $6, done = $7, sent = sent + $8,
			gone = gone + $9, failed = failed + $10, expired = expired + $11, unwanted = unwanted + $12, repeats = repeats + $13,
			retried = retried + $14 WHERE publication_id = $1 AND number = $2 AND attempt = $3 AND NOT done`,
			p.Publication.ID, int64(p.Number), int64(p.Attempt), page.Position, int64(looked), millis(now.Add(lease)), page.Last,
			int64(page.Sent), int64(len(page.Gone)), int64(page.Failed), int64(page.Expired), int64(page.Unwanted), int64(page.Repeats), retried)
		if err != nil {
			return err
		}
		if n == 0 {
			return errPieceLost(p)
		}
		if err := w.deleteSubscriptions(ctx, page.Gone, now); err != nil {
			return err
		}
		healed := distinct(page.Healed)
		err = db.t.note.write(ctx, w, len(healed), func(i int, args []any) []any { return append(args, healed[i], millis(now), int64(0), "") })
		if err != nil {
			return err
		}
		if err := w.addProblems(ctx, p.Publication.ID, p.Number, page.Problems); err != nil {
			return err
		}
		if !page.Last {
			return nil
		}
		return w.finish(ctx, p.Publication.ID, now)
	})
	if err != nil {
		return fmt.Errorf("advance piece %d of publication %s: %w", p.Number, p.Publication.ID, err)
	}
	p.Position = page.Position
	return nil
}

// ReleasePiece gives a piece back before its end, for the next who claims;
// fault.ErrNotFound when the claim was lost.
func (db *DB) ReleasePiece(ctx context.Context, p *push.Piece) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		w.wake(topicPush)
		n, err := w.exec(ctx, "UPDATE publication_piece SET due = $4, node = '' WHERE publication_id = $1 AND number = $2 AND attempt = $3 AND NOT done",
			p.Publication.ID, int64(p.Number), int64(p.Attempt), millis(now))
		if err != nil {
			return fmt.Errorf("release piece %d of publication %s: %w", p.Number, p.Publication.ID, err)
		}
		if n == 0 {
			return errPieceLost(p)
		}
		return nil
	})
}

// mostProblems is how many different things that went wrong are told apart, of
// a piece; otherProblems stands for the rest.
const (
	mostProblems  = 20
	otherProblems = "other reasons"
)

func (w *work) addProblems(ctx context.Context, id string, piece int, problems map[string]int) error {
	if len(problems) == 0 {
		return nil
	}
	sums := map[string]int{}
	for what, n := range problems {
		sums[cleaned(what, mostDetail)] += n
	}
	known, err := collect(ctx, w, scanText, "SELECT problem FROM publication_problem WHERE publication_id = $1 AND piece = $2", id, int64(piece))
	if err != nil {
		return fmt.Errorf("read what went wrong with publication %s: %w", id, err)
	}
	for _, what := range slices.Sorted(maps.Keys(sums)) {
		n := sums[what]
		if !slices.Contains(known, what) {
			if len(known) >= mostProblems {
				what = otherProblems
			}
			known = append(known, what)
		}
		_, err := w.exec(ctx, `INSERT INTO publication_problem (publication_id, piece, problem, times) VALUES ($1, $2, $3, $4)
			ON CONFLICT (publication_id, piece, problem) DO UPDATE SET times = publication_problem.times + excluded.times`,
			id, int64(piece), what, int64(n))
		if err != nil {
			return fmt.Errorf("write what went wrong with publication %s: %w", id, err)
		}
	}
	return nil
}
