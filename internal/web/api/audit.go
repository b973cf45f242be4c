package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
)

// TrailIn narrows the audit trail. It is exported because huma passes over embedded
// fields that are not.
type TrailIn struct {
	Actor     string    `query:"actor" enum:"user,key,cli,channel,visitor,system" doc:"What whoever acted is"`
	ActorID   string    `query:"actor_id" maxLength:"100" doc:"Id of the user, the API key or the contact"`
	Address   string    `query:"address" maxLength:"100" doc:"Where the request came from"`
	Subject   string    `query:"subject" maxLength:"50" doc:"What kind of thing was changed" example:"contact"`
	SubjectID string    `query:"subject_id" maxLength:"100" doc:"Id of the thing"`
	Action    string    `query:"action" maxLength:"100" doc:"What was done, or its last word" example:"contact.changed"`
	Page      string    `query:"page" maxLength:"100" doc:"Id of the public page that it belongs to"`
	Text      string    `query:"text" maxLength:"200" doc:"Anywhere in it"`
	From      time.Time `query:"from" doc:"From this time on"`
	To        time.Time `query:"to" doc:"Before this time"`
}

func (in *TrailIn) filter() audit.Filter {
	return audit.Filter{Actor: audit.Kind(in.Actor), ActorID: in.ActorID, Address: in.Address, Subject: in.Subject, SubjectID: in.SubjectID,
		Action: in.Action, PageID: in.Page, Text: strings.TrimSpace(in.Text), From: in.From, To: in.To}
}

type trailIn struct {
	TrailIn
	Paging
}

// EntryOut is one line of the audit trail.
type EntryOut struct {
	ID      string         `json:"id"`
	At      time.Time      `json:"at"`
	Actor   audit.Actor    `json:"actor" doc:"Who acted; as named then"`
	Address string         `json:"address" doc:"Where the request came from; empty for commands and for Tocsin itself"`
	Action  string         `json:"action" example:"contact.changed"`
	Subject audit.Subject  `json:"subject" doc:"What was changed; as named then"`
	PageID  string         `json:"page_id" doc:"The public page that it belongs to, if any"`
	Note    string         `json:"note"`
	Changes []ChangeOfItem `json:"changes" doc:"The fields that differ"`
}

// ChangeOfItem is one field that differs.
type ChangeOfItem struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before" doc:"null: it was not there"`
	After  json.RawMessage `json:"after" doc:"null: it is not there any more"`
	Secret bool            `json:"secret" doc:"The values are not shown; where there is one, “set” stands"`
}

func entryOut(e audit.Entry) EntryOut {
	out := EntryOut{ID: e.ID, At: e.At.UTC(), Actor: e.Actor, Address: e.Address, Action: e.Action, Subject: e.Subject, PageID: e.PageID, Note: e.Note, Changes: []ChangeOfItem{}}
	for _, c := range e.Changes {
		item := ChangeOfItem{c.Field, c.Before, c.After, c.Secret}
		if len(item.Before) == 0 {
			item.Before = nothingThere
		}
		if len(item.After) == 0 {
			item.After = nothingThere
		}
		out.Changes = append(out.Changes, item)
	}
	return out
}

// mostExported is how many lines one export has at most.
const mostExported = 50_000

func (a *API) auditRoutes() {
	admin := access{scope: auth.Administer}
	register(a, admin, route("administration", http.MethodGet, "/audit", "list-audit", "Who changed what, and who signed in; the newest first"),
		func(ctx context.Context, in *trailIn) (*body[list[EntryOut]], error) {
			f := in.filter()
			f.Cursor, f.Limit = in.Cursor, in.Limit
			lines, next, err := a.d.Store.Trail(ctx, f)
			if err != nil {
				return nil, err
			}
			return give(list[EntryOut]{Items: each(lines, entryOut), Next: next}), nil
		})
	export := route("administration", http.MethodGet, "/audit.csv", "export-audit", "The same as a table, for a spreadsheet or an archive")
	export.Description = fmt.Sprintf("The newest %d lines that fit, in UTF-8 with a head; `changes` is JSON.", mostExported)
	register(a, admin, export, a.exportAudit)
}

// tableOut is a file that is downloaded.
type tableOut struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (a *API) exportAudit(ctx context.Context, in *TrailIn) (*tableOut, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"at", "actor_kind", "actor", "actor_id", "address", "action", "subject_kind", "subject", "subject_id", "page_id", "note", "changes", "id"})
	f := in.filter()
	f.Limit = 500
	for n := 0; n < mostExported; {
		lines, next, err := a.d.Store.Trail(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, e := range lines {
			changes := ""
			if len(e.Changes) > 0 {
				text, err := json.Marshal(e.Changes)
				if err != nil {
					return nil, fmt.Errorf("write line %s of the audit trail: %w", e.ID, err)
				}
				changes = string(text)
			}
			_ = w.Write([]string{e.At.UTC().Format(time.RFC3339), string(e.Actor.Kind), cell(e.Actor.Name), e.Actor.ID, e.Address, e.Action,
				e.Subject.Kind, cell(e.Subject.Name), e.Subject.ID, e.PageID, cell(e.Note), changes, e.ID})
		}
		n += len(lines)
		if f.Cursor = next; next == "" {
			break
		}
	}
	w.Flush() // into memory: it does not fail
	return &tableOut{"text/csv; charset=utf-8", `attachment; filename="tocsin-audit.csv"`, b.Bytes()}, nil
}

// cell keeps a text that people gave from being a formula in a spreadsheet.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
