package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/visitor"
)

const visitorColumns = "id, page_id, channel, address, language, want, secret, created, confirmed, asked, failures"

func (db *DB) scanVisitor(s scanner) (visitor.Subscriber, error) {
	var v visitor.Subscriber
	var want, asked string
	var created, confirmed int64
	err := s.Scan(&v.ID, &v.PageID, &v.Channel, &v.Address, &v.Language, &want, &v.Secret, &created, &confirmed, &asked, &v.Failures)
	if err != nil {
		return v, err
	}
	v.Created, v.Confirmed = fromMillis(created), fromMillis(confirmed)
	var secret string
	if err := db.open(visitorSecret, v.ID, string(v.Secret), &secret); err != nil {
		return v, err
	}
	if v.Secret = []byte(secret); len(v.Secret) == 0 {
		v.Secret = nil
	}
	if err := db.open(visitorAddress, v.ID, v.Address, &v.Address); err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(want), &v.Want); err != nil {
		return v, fmt.Errorf("read what a visitor wants: %w", err)
	}
	if asked != "" {
		v.Asked = &push.Want{}
		if err := json.Unmarshal([]byte(asked), v.Asked); err != nil {
			return v, fmt.Errorf("read what a visitor asked for: %w", err)
		}
	}
	return v, nil
}

// visitorKey finds an address whatever its letters: mail is brought to the same
// person, and the path of a webhook in other letters is at worst another row's. Who
// follows one incident is a row of its own beside the one about the page, so that
// neither takes the other's place.
func visitorKey(c visitor.Channel, address, incident string) []byte {
	if c == visitor.Email {
		address = strings.ToLower(address)
	}
	text := string(c) + " " + address
	if incident != "" {
		text += " " + incident
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// askAgain is how long after one question an address is asked no other one.
const askAgain = 10 * time.Minute

// Subscribe takes an address that wants to be told of a page, and has it asked
// whether it does. What it answers says nothing of whether the address was known:
//   - who is not known, or has not confirmed yet, is asked;
//   - an e-mail address that has, is asked whether it wants this instead;
//   - a webhook that has, stays as it is: it is changed by the links that it is sent.
//
// No e-mail address is asked twice within ten minutes. visitor.ErrFull when too many of
// the page wait for their answer; fault.ErrNotFound for a page that there is not.
func (db *DB) Subscribe(ctx context.Context, s visitor.Subscriber) error {
	key := visitorKey(s.Channel, s.Address, s.Want.Incident)
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		// Before anybody is looked for: who is known is answered no other way.
		if err := w.roomForVisitors(ctx, s.PageID); err != nil {
			return err
		}
		known, err := collect(ctx, w, db.scanVisitor, "SELECT "+visitorColumns+" FROM visitor WHERE page_id = $1 AND address_key = $2", s.PageID, key)
		if err != nil {
			return err
		}
		w.wake(topicVisitor)
		if len(known) == 0 {
			return w.addVisitor(ctx, s, key, now)
		}
		if s.Channel == visitor.Webhook {
			// The secret that was just shown is the one that counts.
			sealed, err := db.sealed(known[0].ID, visitorSecret, string(s.Secret))
			if err != nil {
				return err
			}
			_, err = w.exec(ctx, `UPDATE visitor SET secret = $2, asked = $3, language = $4, asked_at = $5, question_attempt = 0, question_due = $5
				WHERE id = $1 AND confirmed = 0`, known[0].ID, []byte(sealed[0]), encodeJSON(s.Want), cleaned(s.Language, mostName), millis(now))
			return err
		}
		_, err = w.exec(ctx, `UPDATE visitor SET asked = $2, language = $3,
			question_due = CASE WHEN asked_at > $5 THEN question_due ELSE $4 END,
			question_attempt = CASE WHEN asked_at > $5 THEN question_attempt ELSE 0 END,
			asked_at = CASE WHEN asked_at > $5 THEN asked_at ELSE $4 END
			WHERE id = $1`, known[0].ID, encodeJSON(s.Want), cleaned(s.Language, mostName), millis(now), millis(now.Add(-askAgain)))
		return err
	})
	if err != nil {
		return fmt.Errorf("take an address for page %s: %w", s.PageID, err)
	}
	return nil
}

func (w *work) roomForVisitors(ctx context.Context, pageID string) error {
	var pages, waiting int
	err := w.row(ctx, "SELECT (SELECT count(*) FROM page WHERE id = $1), (SELECT count(*) FROM visitor WHERE page_id = $1 AND confirmed = 0)",
		[]any{pageID}, &pages, &waiting)
	switch {
	case err != nil:
		return err
	case pages == 0:
		return notFound("page", pageID)
	case waiting >= visitor.MaxUnconfirmed:
		return visitor.ErrFull
	}
	return nil
}

func (w *work) addVisitor(ctx context.Context, s visitor.Subscriber, key []byte, now time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	sealed, err := w.db.sealed(id.String(), visitorSecret, string(s.Secret), visitorAddress, s.Address)
	if err != nil {
		return err
	}
	want := encodeJSON(s.Want)
	_, err = w.exec(ctx, `INSERT INTO visitor (id, page_id, channel, address, address_key, language, want, secret, created, confirmed, asked, asked_at,
		question_due, question_attempt, failures) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $7, $9, $9, 0, 0)
		ON CONFLICT (page_id, address_key) DO NOTHING`,
		id.String(), s.PageID, string(s.Channel), sealed[1], key, cleaned(s.Language, mostName), want, []byte(sealed[0]), millis(now))
	return err
}

// Subscriber answers one by its id; fault.ErrNotFound.
func (db *DB) Subscriber(ctx context.Context, id string) (visitor.Subscriber, error) {
	return find(ctx, db.reads, db.scanVisitor, "subscriber", id, "SELECT "+visitorColumns+" FROM visitor WHERE id = $1", id)
}

// ToldAnyway says whether the address of who follows one incident is told of a
// publication as a subscriber of the page, too.
func (db *DB) ToldAnyway(ctx context.Context, s *visitor.Subscriber, p *push.Publication) (bool, error) {
	if s.Want.Incident == "" {
		return false, nil
	}
	list, err := collect(ctx, db.reads, db.scanVisitor, "SELECT "+visitorColumns+" FROM visitor WHERE page_id = $1 AND address_key = $2 AND confirmed > 0 AND confirmed <= $3",
		s.PageID, visitorKey(s.Channel, s.Address, ""), millis(p.Created))
	if err != nil {
		return false, fmt.Errorf("look who is told anyway: %w", err)
	}
	return len(list) > 0 && list[0].Want.Wants(p), nil
}

// ConfirmSubscriber makes what an address was asked true, once or more often;
// fault.ErrNotFound when it is not known any more.
func (db *DB) ConfirmSubscriber(ctx context.Context, id string) error {
	return db.oneVisitor(ctx, id, func(ctx context.Context, w *work, now time.Time) (int64, error) {
		return w.confirm(ctx, id, now)
	})
}

func (w *work) confirm(ctx context.Context, id string, now time.Time) (int64, error) {
	return w.exec(ctx, `UPDATE visitor SET want = CASE WHEN asked <> '' THEN asked ELSE want END, confirmed = CASE WHEN confirmed > 0 THEN confirmed ELSE $2 END,
		asked = '', asked_at = 0, question_due = 0 WHERE id = $1`, id, millis(now))
}

// ChangeSubscriber has one that confirmed want something else from now on, in a
// language. fault.ErrNotFound.
func (db *DB) ChangeSubscriber(ctx context.Context, id string, want push.Want, language string) error {
	return db.oneVisitor(ctx, id, func(ctx context.Context, w *work, _ time.Time) (int64, error) {
		return w.exec(ctx, "UPDATE visitor SET want = $2, language = $3, asked = '', asked_at = 0, question_due = 0 WHERE id = $1 AND confirmed > 0",
			id, encodeJSON(want), cleaned(language, mostName))
	})
}

// EndSubscriber forgets an address, because its owner said so; fault.ErrNotFound
// when it is not known any more.
func (db *DB) EndSubscriber(ctx context.Context, id string) error {
	return db.oneVisitor(ctx, id, func(ctx context.Context, w *work, _ time.Time) (int64, error) {
		return w.exec(ctx, "DELETE FROM visitor WHERE id = $1", id)
	})
}

func (db *DB) oneVisitor(ctx context.Context, id string, change func(ctx context.Context, w *work, now time.Time) (int64, error)) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		n, err := change(ctx, w, now)
		if err == nil && n == 0 {
			err = fault.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change subscriber %s: %w", id, err)
	}
	return nil
}

// endVisitor forgets an address because of what became of its messages, and
// keeps why.
func (w *work) endVisitor(ctx context.Context, id, why string, now time.Time) error {
	end, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	_, err = w.exec(ctx, `INSERT INTO visitor_end (id, page_id, channel, at, why) SELECT $1, page_id, channel, CAST($2 AS BIGINT), $3 FROM visitor WHERE id = $4 AND confirmed > 0`,
		end.String(), millis(now), cleaned(why, mostDetail), id)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, "DELETE FROM visitor WHERE id = $1", id)
	return err
}

// ClaimQuestions takes up to limit subscribers of a channel who are to be asked
// whether they meant it. What is not answered within the lease is claimed again.
func (db *DB) ClaimQuestions(ctx context.Context, c visitor.Channel, limit int, lease time.Duration) (list []visitor.Question, err error) {
	var waiting int
	if err := db.reads.row(ctx, "SELECT count(*) FROM visitor WHERE channel = $1 AND question_due > 0", []any{string(c)}, &waiting); err != nil || waiting == 0 {
		return nil, err //nolint:wrapcheck // the caller says what it was
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		list, err = collect(ctx, w, func(s scanner) (q visitor.Question, err error) {
			q.Subscriber, err = db.scanVisitor(&more{s, []any{&q.Attempt}})
			return q, err
		}, "UPDATE visitor SET question_attempt = question_attempt + 1, question_due = $2 WHERE "+
			db.d.among("id", "SELECT id FROM visitor WHERE channel = $1 AND question_due > 0 AND question_due <= $3 ORDER BY question_due LIMIT $4"+db.d.skipLocked)+
			" RETURNING "+visitorColumns+", question_attempt", string(c), millis(now.Add(lease)), millis(now), int64(limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim questions to visitors: %w", err)
	}
	return list, nil
}

// more scans further columns behind those that somebody else knows.
type more struct {
	scanner
	dest []any
}

func (m *more) Scan(dest ...any) error { return m.scanner.Scan(append(dest, m.dest...)...) }

// AnswerQuestion notes what became of a claimed question. It is void when the
// claim was lost.
func (db *DB) AnswerQuestion(ctx context.Context, a visitor.Answer) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, "UPDATE visitor SET question_due = $3 WHERE id = $1 AND question_attempt = $2 AND question_due > 0",
			a.ID, int64(a.Attempt), millis(a.Due))
		if err != nil || n == 0 {
			return err
		}
		switch {
		case a.Gone != "":
			return w.endVisitor(ctx, a.ID, a.Gone, now)
		case a.Confirm:
			_, err = w.confirm(ctx, a.ID, now)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("note a question to a visitor: %w", err)
	}
	return nil
}

// NextVisitor is when something is due next for a channel's subscribers; zero for
// nothing.
func (db *DB) NextVisitor(ctx context.Context, c visitor.Channel) (time.Time, error) {
	var due int64
	err := db.reads.row(ctx, `SELECT COALESCE(min(due), 0) FROM (
		SELECT min(due) AS due FROM visitor_part WHERE channel = $1 AND NOT done
		UNION ALL SELECT min(due) FROM visitor_retry WHERE channel = $1
		UNION ALL SELECT min(question_due) FROM visitor WHERE channel = $1 AND question_due > 0) AS next`, []any{string(c)}, &due)
	if err != nil {
		return time.Time{}, fmt.Errorf("look when visitors are told next: %w", err)
	}
	return fromMillis(due), nil
}

// VisitorCounts are how many subscribers a page has, by channel; of all pages
// where pageID is empty. A channel without any is not there.
func (db *DB) VisitorCounts(ctx context.Context, pageID string) ([]visitor.Count, error) {
	list, err := collect(ctx, db.reads, func(s scanner) (c visitor.Count, err error) {
		err = s.Scan(&c.PageID, &c.Channel, &c.Confirmed, &c.Waiting)
		return c, err
	}, `SELECT page_id, channel, CAST(sum(CASE WHEN confirmed > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(CASE WHEN confirmed > 0 THEN 0 ELSE 1 END) AS BIGINT)
		FROM visitor WHERE $1 = '' OR page_id = $1 GROUP BY page_id, channel ORDER BY page_id, channel`, pageID)
	if err != nil {
		return nil, fmt.Errorf("count the subscribers of pages: %w", err)
	}
	return list, nil
}

// EndedVisitors are the last that were ended because of what became of their
// messages, within 30 days, the newest first.
func (db *DB) EndedVisitors(ctx context.Context, pageID string, limit int) ([]visitor.Ended, error) {
	list, err := collect(ctx, db.reads, func(s scanner) (e visitor.Ended, err error) {
		var at int64
		err = s.Scan(&e.PageID, &e.Channel, &at, &e.Why)
		e.At = fromMillis(at)
		return e, err
	}, "SELECT page_id, channel, at, why FROM visitor_end WHERE page_id = $1 ORDER BY at DESC, id DESC LIMIT $2", pageID, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list the subscribers of page %s that were ended: %w", pageID, err)
	}
	return list, nil
}

// PruneVisitors forgets addresses that did not answer for 48 hours, what was
// kept of publications and ended subscribers for 30 days, and who followed one
// incident or maintenance, by whatever channel, that has been over for as long.
func (db *DB) PruneVisitors(ctx context.Context) error {
	if err := db.pruneFollows(ctx); err != nil {
		return fmt.Errorf("forget what devices wanted of what is over: %w", err)
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		late, old := millis(now.Add(-visitor.ConfirmWithin)), millis(now.Add(-publicationsKept))
		for _, s := range []struct {
			sql string
			arg int64
		}{
			{"DELETE FROM visitor WHERE confirmed = 0 AND asked_at > 0 AND asked_at < $1", late},
			{"UPDATE visitor SET asked = '', asked_at = 0, question_due = 0 WHERE confirmed > 0 AND asked_at > 0 AND asked_at < $1", late},
			{"DELETE FROM visitor_end WHERE at < $1", old},
			{"DELETE FROM visitor_problem WHERE publication_id IN (SELECT publication_id FROM visitor_part WHERE finished > 0 AND finished < $1)", old},
			{"DELETE FROM visitor_text WHERE publication_id IN (SELECT publication_id FROM visitor_part WHERE finished > 0 AND finished < $1)", old},
			{"DELETE FROM visitor_part WHERE finished > 0 AND finished < $1", old},
		} {
			if _, err := w.exec(ctx, s.sql, s.arg); err != nil {
				return err
			}
		}
		return w.pruneFollowers(ctx, old)
	})
	if err != nil {
		return fmt.Errorf("forget addresses that were not confirmed: %w", err)
	}
	return nil
}

// pruneFollowers forgets who followed one incident or maintenance that ended before
// a time, or that there is not any more: nothing is left to tell them.
func (w *work) pruneFollowers(ctx context.Context, old int64) error {
	list, err := collect(ctx, w, w.db.scanVisitor, "SELECT "+visitorColumns+` FROM visitor WHERE want LIKE '%"incident":"%'`)
	if err != nil {
		return err
	}
	over := map[string]bool{}
	for i := range list {
		id := list[i].Want.Incident
		if _, known := over[id]; !known {
			if over[id], err = isOver(ctx, w, id, old); err != nil {
				return err
			}
		}
		if !over[id] {
			continue
		}
		if _, err := w.exec(ctx, "DELETE FROM visitor WHERE id = $1", list[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// interestedVisitors adds who of the subscribers would be told of a publication now.
func (db *DB) interestedVisitors(ctx context.Context, p *push.Publication, told map[string]int) error {
	type wish struct {
		channel string
		want    push.Want
		n       int
	}
	wishes, err := collect(ctx, db.reads, func(s scanner) (w wish, err error) {
		var want string
		if err = s.Scan(&w.channel, &want, &w.n); err == nil {
			err = json.Unmarshal([]byte(want), &w.want)
		}
		return w, err
	}, "SELECT channel, want, count(*) FROM visitor WHERE page_id = $1 AND confirmed > 0 GROUP BY channel, want", p.PageID)
	if err != nil {
		return fmt.Errorf("count who wants to hear of page %s: %w", p.PageID, err)
	}
	for i := range wishes {
		if wishes[i].want.Wants(p) {
			told[wishes[i].channel] += wishes[i].n
		}
	}
	return nil
}

// errLost says that a claim is over.
func errLost(what string, err error) error {
	if err == nil {
		err = fault.ErrNotFound
	}
	return fmt.Errorf("the claim of %s is over: %w", what, err)
}

var errBackwards = errors.New("it goes back")
