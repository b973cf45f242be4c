package console

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/mail"
)

// AckLinkPath is below what the links in letters lead to.
const AckLinkPath = "/a/"

// AckLinkStore is what the page behind a letter's link needs of the storage.
type AckLinkStore interface {
	// AckLinkByHash answers a link, used or expired ones too; fault.ErrNotFound.
	AckLinkByHash(ctx context.Context, hash string) (mail.AckLink, error)
	// UseAckLink marks a link as used; first is false when it was before, or has
	// expired. Of two at the same moment one is the first.
	UseAckLink(ctx context.Context, hash string, now time.Time) (first bool, err error)
	// ReleaseAckLink gives back a use that came to nothing.
	ReleaseAckLink(ctx context.Context, hash string) error
	Alert(ctx context.Context, id string) (alert.Alert, error) // fault.ErrNotFound
}

// LinkActor is whom a link acts for.
type LinkActor struct {
	UserID string // empty: nobody signs in for the contact
	Name   string
	May    bool // acknowledge; false too for a contact that there is not any more
}

// AckLinkDeps is what the page behind a letter's link stands on.
type AckLinkDeps struct {
	Store       AckLinkStore
	Acknowledge func(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Actor       func(ctx context.Context, contactID string) (LinkActor, error)
	Sticky      func(ctx context.Context) bool // as the settings say
	Version     string
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: slog.Default
}

type ackLinks struct {
	AckLinkDeps
	page *template.Template
}

// NewAckLinks answers what is below AckLinkPath.
func NewAckLinks(d AckLinkDeps) http.Handler { return &ackLinks{AckLinkDeps: d} }

func (a *ackLinks) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
