package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/push"
)

// publication is a push.Publication as it is kept, but for its columns.
type publication struct {
	Components []string             `json:"components,omitempty"`
	Kind       push.Kind            `json:"kind"`
	Impact     push.Impact          `json:"impact,omitempty"`
	Texts      map[string]push.Text `json:"texts"`
	URL        string               `json:"url,omitempty"`
	Icon       string               `json:"icon,omitempty"`
	Badge      string               `json:"badge,omitempty"`
	Topic      string               `json:"topic,omitempty"`
	Urgency    push.Urgency         `json:"urgency,omitempty"`
	By         string               `json:"by,omitempty"`
}

const publicationColumns = "p.id, p.page_id, p.body, p.created, p.expires"

type publicationRow struct {
	p                push.Publication
	body             string
	created, expires int64
}

func (r *publicationRow) dest(more []any) []any {
	return append(more, &r.p.ID, &r.p.PageID, &r.body, &r.created, &r.expires)
}

func (r *publicationRow) value() (push.Publication, error) {
	var b publication
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		return r.p, fmt.Errorf("read a stored publication: %w", err)
	}
	p := r.p
	p.Created, p.Expires = fromMillis(r.created), fromMillis(r.expires)
	p.Components, p.Kind, p.Impact, p.Texts, p.URL = b.Components, b.Kind, b.Impact, b.Texts, b.URL
	p.Icon, p.Badge, p.Topic, p.Urgency, p.By = b.Icon, b.Badge, b.Topic, b.Urgency, b.By
	return p, nil
}

func scanPublication(s scanner) (push.Publication, error) {
	var r publicationRow
	if err := s.Scan(r.dest(nil)...); err != nil {
		return r.p, err
	}
	return r.value()
}

// CreatePublication has a message sent to all who are subscribed to the page
// now and want it; who subscribes later does not get it. fault.ErrTaken when the
// id is in use. It costs a count of the page's subscriptions, some 100 ms for a
// million, outside of the transaction.
func (db *DB) CreatePublication(ctx context.Context, p push.Publication) error {
	to, err := db.Audience(ctx, p.PageID)
	if err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, w *work) error {
		if err := w.addPublication(ctx, p, to.Expected, to.Until); err != nil {
			return err
		}
		changes, err := audit.Diff(nil, &audit.State{Shown: shown{"kind": p.Kind, "impact": p.Impact, "texts": p.Texts, "url": p.URL, "topic": p.Topic}})
		if err != nil {
			return err //nolint:wrapcheck // says what it was
		}
		return w.record(ctx, audit.Entry{Action: "publication.created", Changes: changes,
			Subject: audit.Subject{Kind: "publication", ID: p.ID, Name: p.Text("").Title}})
	})
}

// addPublication writes a publication to the subscriptions of its page up to an
// id, of which there are so many.
func (w *work) addPublication(ctx context.Context, p push.Publication, expected int64, until string) error {
	if p.ID == "" || p.PageID == "" {
		return errors.New("a publication without an id or a page")
	}
	body := encodeJSON(publication{p.Components, p.Kind, p.Impact, p.Texts, p.URL, p.Icon, p.Badge, p.Topic, p.Urgency, cleaned(p.By, mostName)})
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	created, finished := p.Created, time.Time{}
	if created.IsZero() {
		created = now
	}
	if expected == 0 {
		finished = now
	}
	w.wake(topicPush)
	_, err = w.exec(ctx, `INSERT INTO publication (id, page_id, body, created, expires, taken, until_id, expected, position,
		pieces, planned, sent, gone, failed, expired, ended, finished, topic)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, $9, 0, 0, 0, 0, 0, $10, $11)`,
		p.ID, p.PageID, body, millis(created), millis(p.Expires), millis(now), until, expected, expected == 0, millis(finished), p.Topic)
	if err != nil {
		return taken(err, "publication", p.ID)
	}
	return w.addParts(ctx, &p, now)
}

// progressSQL answers the publications of a page of them (the %s) and how far
// they are, in one statement: all figures are of one moment.
const progressSQL = `WITH p AS (SELECT * FROM publication %s) SELECT ` + publicationColumns + `,
	p.sent + COALESCE(s.sent, 0), p.gone + COALESCE(s.gone, 0), p.failed + COALESCE(s.failed, 0), p.expired + COALESCE(s.expired, 0),
	COALESCE(s.unwanted, 0), COALESCE(s.repeats, 0), COALESCE(s.retried, 0) - p.ended, COALESCE(s.open, 0),
	CASE WHEN p.planned OR COALESCE(s.size, 0) > p.expected THEN 0 ELSE p.expected - COALESCE(s.size, 0) END, p.finished
	FROM p LEFT JOIN (SELECT publication_id, CAST(sum(size) AS BIGINT) AS size, CAST(sum(sent) AS BIGINT) AS sent,
		CAST(sum(gone) AS BIGINT) AS gone, CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(expired) AS BIGINT) AS expired,
		CAST(sum(unwanted) AS BIGINT) AS unwanted, CAST(sum(repeats) AS BIGINT) AS repeats, CAST(sum(retried) AS BIGINT) AS retried,
		CAST(sum(CASE WHEN done OR looked >= size THEN 0 ELSE size - looked END) AS BIGINT) AS open
		FROM publication_piece WHERE publication_id IN (SELECT id FROM p) GROUP BY publication_id) s ON s.publication_id = p.id
	ORDER BY p.id DESC`

func scanProgress(s scanner) (v struct {
	push.Publication
	push.Progress
}, err error) {
	var r publicationRow
	g := &v.Progress
	var retrying, open, unplanned int
	var finished int64
	err = s.Scan(append(r.dest(nil), &g.Sent, &g.Gone, &g.Failed, &g.Expired, &g.Unwanted, &g.Repeats, &retrying, &open, &unplanned, &finished)...)
	if err != nil {
		return v, err
	}
	if finished > 0 {
		g.Done, g.Finished = true, fromMillis(finished)
	} else {
		g.Retrying, g.Waiting = retrying, open+unplanned+retrying
	}
	g.Total = g.Sent + g.Gone + g.Failed + g.Expired + g.Waiting
	v.Publication, err = r.value()
	return v, err
}

// Publication answers a publication and how far it is; fault.ErrNotFound if
// there is none.
func (db *DB) Publication(ctx context.Context, id string) (push.Publication, push.Progress, error) {
	v, err := find(ctx, db.reads, scanProgress, "publication", id, fmt.Sprintf(progressSQL, "WHERE id = $1"), id)
	if err != nil {
		return v.Publication, v.Progress, err
	}
	problems, err := db.problems(ctx, []string{id})
	if err != nil {
		return v.Publication, v.Progress, err
	}
	v.Problems = problems[id]
	channels, err := db.channelProgress(ctx, []string{id})
	v.Channels = channels[id]
	return v.Publication, v.Progress, err
}

// Publications lists the newest first, each with how far it is.
// fault.ErrCursor for a cursor that is not of this list.
func (db *DB) Publications(ctx context.Context, limit int, after string) ([]push.Publication, []push.Progress, string, error) {
	var c conditions
	if after != "" {
		at, err := parseCursor("publications", after)
		if err != nil {
			return nil, nil, "", err
		}
		c.add("id < " + c.arg(at.ID))
	}
	limit = pageLimit(limit)
	items, progress, err := db.publications(ctx, c.String()+" ORDER BY id DESC LIMIT "+c.arg(int64(limit+1)), c.args...)
	if err != nil {
		return nil, nil, "", fmt.Errorf("list publications: %w", err)
	}
	next := ""
	if len(items) > limit {
		items, progress = items[:limit], progress[:limit]
		next = cursor{List: "publications", ID: items[limit-1].ID}.String()
	}
	return items, progress, next, nil
}

// PublicationsAbout lists those of a page that have a topic, the newest first, each
// with how far it is. The topic is the id of an incident or a maintenance.
func (db *DB) PublicationsAbout(ctx context.Context, pageID, topic string, limit int) ([]push.Publication, []push.Progress, error) {
	items, progress, err := db.publications(ctx, "WHERE page_id = $1 AND topic = $2 AND topic <> '' ORDER BY id DESC LIMIT $3",
		pageID, topic, int64(pageLimit(limit)))
	if err != nil {
		return nil, nil, fmt.Errorf("list the publications about %s: %w", topic, err)
	}
	return items, progress, nil
}

// publications answers some of them, each with how far it is.
func (db *DB) publications(ctx context.Context, where string, args ...any) ([]push.Publication, []push.Progress, error) {
	list, err := collect(ctx, db.reads, scanProgress, fmt.Sprintf(progressSQL, where), args...)
	if err != nil {
		return nil, nil, err
	}
	items, progress, ids := make([]push.Publication, len(list)), make([]push.Progress, len(list)), make([]string, len(list))
	for i := range list {
		items[i], progress[i], ids[i] = list[i].Publication, list[i].Progress, list[i].ID
	}
	problems, err := db.problems(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	channels, err := db.channelProgress(ctx, ids)
	for i := range progress {
		progress[i].Problems, progress[i].Channels = problems[ids[i]], channels[ids[i]]
	}
	return items, progress, err
}

// problems are what went wrong with publications, by id, with how often.
func (db *DB) problems(ctx context.Context, ids []string) (map[string]map[string]int, error) {
	found := map[string]map[string]int{}
	_, err := collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var id, problem string
		var n int
		err := s.Scan(&id, &problem, &n)
		if found[id] == nil {
			found[id] = map[string]int{}
		}
		found[id][problem] += n
		return struct{}{}, err
	}, "SELECT publication_id, problem, times FROM publication_problem WHERE "+db.d.among("publication_id", db.d.list("$1")), orEmpty(ids))
	if err != nil {
		return nil, fmt.Errorf("read what went wrong with publications: %w", err)
	}
	return found, nil
}

// orEmpty is a list as dialect.list takes it, of no texts as well.
func orEmpty(ids []string) string {
	if len(ids) == 0 {
		return "[]"
	}
	return encodeList(ids)
}

// finish ends a publication when nothing of it is left to do. Its row is held
// first: of two nodes that do the last two things at once, the second sees what
// the first did.
func (w *work) finish(ctx context.Context, id string, now time.Time) error {
	if w.db.d.forUpdate != "" {
		if _, err := collect(ctx, w, scanText, "SELECT id FROM publication WHERE id = $1"+w.db.d.forUpdate, id); err != nil {
			return fmt.Errorf("hold publication %s: %w", id, err)
		}
	}
	first, last := retriesOf(id)
	_, err := w.exec(ctx, `UPDATE publication SET finished = $2 WHERE id = $1 AND finished = 0 AND planned
		AND NOT EXISTS (SELECT 1 FROM publication_piece WHERE publication_id = $1 AND NOT done)
		AND NOT EXISTS (SELECT 1 FROM publication_retry WHERE id > $3 AND id < $4)`, id, millis(now), first, last)
	if err != nil {
		return fmt.Errorf("finish publication %s: %w", id, err)
	}
	return nil
}

// expireStep is how many retries of a publication whose time ran out are ended
// in one transaction.
const expireStep = 5000

// expire ends what is left of a publication whose time ran out. What a worker
// holds is left to it, until its lease ends.
func (w *work) expire(ctx context.Context, id string, now time.Time) error {
	if _, err := collect(ctx, w, scanText, "SELECT id FROM publication WHERE id = $1"+w.db.d.forUpdate, id); err != nil {
		return fmt.Errorf("hold publication %s: %w", id, err)
	}
	_, err := w.exec(ctx, `UPDATE publication_piece SET expired = expired + CASE WHEN looked < size THEN size - looked ELSE 0 END,
		looked = size, done = TRUE, attempt = attempt + 1 WHERE publication_id = $1 AND NOT done AND due <= $2`, id, millis(now))
	if err != nil {
		return fmt.Errorf("expire the pieces of publication %s: %w", id, err)
	}
	first, last := retriesOf(id)
	retries, err := w.exec(ctx, "DELETE FROM publication_retry WHERE "+w.db.d.among("id",
		"SELECT id FROM publication_retry WHERE id > $1 AND id < $2 AND due <= $3 LIMIT $4"), first, last, millis(now), int64(expireStep))
	if err != nil {
		return fmt.Errorf("expire the retries of publication %s: %w", id, err)
	}
	_, err = w.exec(ctx, `UPDATE publication SET ended = ended + $2, planned = TRUE, expired = expired + $2 + CASE WHEN planned THEN 0 ELSE
		(SELECT CASE WHEN CAST(COALESCE(sum(size), 0) AS BIGINT) < expected THEN expected - CAST(COALESCE(sum(size), 0) AS BIGINT) ELSE 0 END
		FROM publication_piece WHERE publication_id = $1) END WHERE id = $1`, id, retries)
	if err != nil {
		return fmt.Errorf("expire publication %s: %w", id, err)
	}
	return w.finish(ctx, id, now)
}
