package store

import (
	"context"
	"encoding/json"
	"fmt"

	"tocsin/internal/audit"
	"tocsin/internal/publish"
)

const auditColumns = "id, page_id, happened, user_id, author, what, subject_id, name, was, is_now"

func scanAudit(s scanner) (a publish.Audit, err error) {
	var at int64
	var was, is string
	err = s.Scan(&a.ID, &a.PageID, &at, &a.UserID, &a.By, &a.What, &a.SubjectID, &a.Name, &was, &is)
	a.At = fromMillis(at)
	if was != "" {
		a.Before = json.RawMessage(was)
	}
	if is != "" {
		a.After = json.RawMessage(is)
	}
	return a, err
}

func (t *pageTx) Audit(ctx context.Context, a publish.Audit) error {
	who, _ := audit.From(ctx)
	_, err := t.exec(ctx, "INSERT INTO page_audit ("+auditColumns+", actor_kind, actor_id, address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
		a.ID, a.PageID, millis(a.At), a.UserID, cleaned(a.By, mostName), a.What, a.SubjectID, cleaned(a.Name, mostDetail), string(a.Before), string(a.After),
		string(who.Kind), who.ID, cleaned(audit.Address(ctx), mostName))
	return taken(err, "line of the audit trail", a.ID)
}

// StatusAudit lists what was done to public pages, the newest first. fault.ErrCursor
// for a cursor that is not of this list.
func (db *DB) StatusAudit(ctx context.Context, f publish.AuditFilter) (list []publish.Audit, next string, err error) {
	var c conditions
	if f.PageID != "" {
		c.add("page_id = " + c.arg(f.PageID))
	}
	if f.SubjectID != "" {
		c.add("subject_id = " + c.arg(f.SubjectID))
	}
	if f.Cursor != "" {
		at, err := parseCursor("page_audit", f.Cursor)
		if err != nil {
			return nil, "", err
		}
		c.add("id < " + c.arg(at.ID))
	}
	limit := pageLimit(f.Limit)
	list, err = collect(ctx, db.reads, scanAudit, "SELECT "+auditColumns+" FROM page_audit"+c.String()+" ORDER BY id DESC LIMIT "+c.arg(int64(limit+1)), c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list the audit trail: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursor{List: "page_audit", ID: list[limit-1].ID}.String()
	}
	return list, next, nil
}

func scanTemplate(s scanner) (t publish.Template, err error) {
	var id, page, body string
	if err = s.Scan(&id, &page, &body); err != nil {
		return t, err
	}
	if err = json.Unmarshal([]byte(body), &t); err != nil {
		return t, fmt.Errorf("read the stored template %s: %w", id, err)
	}
	t.ID, t.PageID = id, page
	return t, nil
}

func readTemplates(ctx context.Context, q querier, pageID string) ([]publish.Template, error) {
	list, err := collect(ctx, q, scanTemplate, "SELECT id, page_id, body FROM page_template WHERE page_id = $1 ORDER BY name_key", pageID)
	if err != nil {
		return nil, fmt.Errorf("list the templates of page %s: %w", pageID, err)
	}
	return list, nil
}

// StatusTemplates lists the templates of a page by name.
func (db *DB) StatusTemplates(ctx context.Context, pageID string) ([]publish.Template, error) {
	return readTemplates(ctx, db.reads, pageID)
}

func (t *pageTx) Templates(ctx context.Context) ([]publish.Template, error) {
	return readTemplates(ctx, t, t.held.ID)
}

func (t *pageTx) SaveTemplate(ctx context.Context, v *publish.Template) error {
	_, err := t.exec(ctx, `INSERT INTO page_template (id, page_id, name, name_key, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, body = excluded.body`,
		v.ID, t.held.ID, v.Name, nameKey(v.Name), encodeJSON(v))
	return taken(err, "template", v.Name)
}

func (t *pageTx) DeleteTemplate(ctx context.Context, id string) error {
	return t.drop(ctx, "template", "page_template", id)
}

func scanImage(s scanner) (i publish.Image, err error) {
	var created int64
	err = s.Scan(&i.ID, &i.PageID, &i.Kind, &i.Body, &created)
	i.Created = fromMillis(created)
	return i, err
}

// StatusImage answers a picture; fault.ErrNotFound if there is none.
func (db *DB) StatusImage(ctx context.Context, id string) (publish.Image, error) {
	return find(ctx, db.reads, scanImage, "image", id, "SELECT id, page_id, kind, body, created FROM page_image WHERE id = $1", id)
}

func (t *pageTx) Images(ctx context.Context) ([]string, error) {
	list, err := collect(ctx, t, scanText, "SELECT id FROM page_image WHERE page_id = $1 ORDER BY created, id", t.held.ID)
	if err != nil {
		return nil, fmt.Errorf("list the images of page %s: %w", t.held.Slug, err)
	}
	return list, nil
}

func (t *pageTx) SaveImage(ctx context.Context, i *publish.Image) error {
	_, err := t.exec(ctx, "INSERT INTO page_image (id, page_id, kind, body, created) VALUES ($1, $2, $3, $4, $5)",
		i.ID, t.held.ID, i.Kind, i.Body, millis(i.Created))
	return taken(err, "image", i.ID)
}

func (t *pageTx) DeleteImage(ctx context.Context, id string) error {
	return t.drop(ctx, "image", "page_image", id)
}
