package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/web"
)

// AckLinkPath is below what the links in letters lead to. What follows is a secret:
// nothing logs it.
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
	// On says whether letters have links at all; nil: they do. Those that are out do
	// nothing when it was switched off.
	On      func(ctx context.Context) (bool, error)
	Sticky  func(ctx context.Context) bool // as the settings say
	Version string
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
}

// ackLinks is the page on which whoever has a letter acknowledges its alert. It needs
// no session and makes none. A GET changes nothing, for programs that look after
// mail open what is linked in it.
type ackLinks struct {
	AckLinkDeps
	c       *console // for its templates alone
	callers *callers
}

// NewAckLinks answers what is below AckLinkPath. It panics when its template does
// not parse, which is a fault of the build.
func NewAckLinks(d AckLinkDeps) http.Handler {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	c := &console{Deps: Deps{Now: d.Now, Log: d.Log, Version: d.Version}}
	c.pages = sync.OnceValue(func() *template.Template {
		return c.parse("templates/shell.html", "templates/parts.html", "templates/ack-link.html")
	})
	go c.pages()
	return &ackLinks{AckLinkDeps: d, c: c, callers: &callers{full: map[string]time.Time{}}}
}

// ackLinkView is the page. Where there is nothing to be done Heading and Text say why.
type ackLinkView struct {
	Title   string
	Version string
	Good    bool // Heading is good news
	Heading string
	Text    string
	Alert   *alert.Alert // shown; nil where the link does not show it any more
	Actor   string       // with a form: in whose name it is sent
	Confirm string       // the form's; empty: there is no form
	Expires time.Time
	Console string // where one who can sign in goes
	Comment string
}

const (
	mostLinkForm    = 16 << 10
	mostLinkComment = 2000
)

func (a *ackLinks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address is a secret
	h.Set("X-Robots-Tag", "noindex, nofollow")
	post := r.Method == http.MethodPost
	if !post && r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD, POST")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if wait := a.callers.take(caller(r.RemoteAddr), a.Now()); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		a.show(w, r, http.StatusTooManyRequests, ackLinkView{Heading: "Too many pages were opened", Text: "Wait a moment, then open the link again.", Console: "/console/alerts"})
		return
	}
	token := strings.TrimPrefix(r.URL.Path, AckLinkPath)
	if !mail.Token(token) {
		a.unknown(w, r)
		return
	}
	l, err := a.Store.AckLinkByHash(r.Context(), mail.HashToken(token))
	switch {
	case errors.Is(err, fault.ErrNotFound):
		a.unknown(w, r)
	case err != nil:
		a.failed(w, r, "look up a letter's link", "", err)
	case !a.Now().Before(l.Expires):
		a.show(w, r, http.StatusGone, ackLinkView{Heading: "This link is over", Text: "It could be used for some hours after its letter was sent. Who can sign in still acknowledges in Tocsin.", Console: consoleAlert(l.AlertID)})
	default:
		a.serve(w, r, l, token, post)
	}
}

func (a *ackLinks) unknown(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusNotFound, ackLinkView{Heading: "This link leads nowhere", Text: "It was cut off, or it is so old that it is forgotten. Open it in the letter once more, or sign in.", Console: "/console/alerts"})
}

func (a *ackLinks) failed(w http.ResponseWriter, r *http.Request, doing, alertID string, err error) {
	a.Log.ErrorContext(r.Context(), "letter's link not served", "doing", doing, "alert_id", alertID, "error", err)
	w.Header().Set("Retry-After", "10")
	a.show(w, r, http.StatusServiceUnavailable, ackLinkView{Heading: "That did not work just now", Text: "Nothing was changed. Open the link again in a moment.", Console: "/console/alerts"})
}

func consoleAlert(id string) string { return "/console/alerts/" + id }

// serve answers for a link that has not expired: it shows the alert, and does what is
// asked.
func (a *ackLinks) serve(w http.ResponseWriter, r *http.Request, l mail.AckLink, token string, post bool) {
	ctx := r.Context()
	if a.On != nil {
		on, err := a.On(ctx)
		if err != nil {
			a.failed(w, r, "whether letters have links", l.AlertID, err)
			return
		}
		if !on {
			a.show(w, r, http.StatusGone, ackLinkView{Heading: "Links in letters are switched off", Text: "Nothing was changed. Who can sign in acknowledges in Tocsin.", Console: consoleAlert(l.AlertID)})
			return
		}
	}
	current, err := a.Store.Alert(ctx, l.AlertID)
	if errors.Is(err, fault.ErrNotFound) {
		a.unknown(w, r)
		return
	}
	if err != nil {
		a.failed(w, r, "load the alert of a letter's link", l.AlertID, err)
		return
	}
	who, err := a.Actor(ctx, l.ContactID)
	if err != nil {
		a.failed(w, r, "who acts by a letter's link", l.AlertID, err)
		return
	}
	if !who.May {
		a.show(w, r, http.StatusForbidden, ackLinkView{Heading: "You may not acknowledge", Text: "The contact that this letter was written to is gone, or may no longer acknowledge alerts.", Console: consoleAlert(l.AlertID)})
		return
	}
	view := ackLinkView{Alert: &current, Console: consoleAlert(l.AlertID), Expires: l.Expires}
	if over := view.settled(l); over {
		status := http.StatusOK
		if post {
			status = http.StatusConflict
		}
		a.show(w, r, status, view)
		return
	}
	view.Actor, view.Confirm = who.Name, confirmation(token)
	if !post {
		a.show(w, r, http.StatusOK, view)
		return
	}
	a.acknowledge(w, r, l, token, who, view)
}

// settled says why there is nothing to acknowledge; false when there is.
func (v *ackLinkView) settled(l mail.AckLink) bool {
	switch a := v.Alert; {
	case a.Status == alert.Resolved:
		v.Good, v.Heading, v.Text = true, "It has recovered", "There is nothing to acknowledge any more."
	case a.Status == alert.Acknowledged && !l.Used.IsZero():
		v.Good, v.Heading, v.Text = true, "Acknowledged", "Everybody who was told of it hears that it is taken."
	case a.Status == alert.Acknowledged:
		v.Good, v.Heading, v.Text = true, "Somebody has it already", "Nothing was changed."
	case !l.Used.IsZero():
		v.Heading, v.Text = "This link was used already", "Nobody has the alert now. Who can sign in acknowledges it in Tocsin."
	default:
		return false
	}
	return true
}

func (a *ackLinks) acknowledge(w http.ResponseWriter, r *http.Request, l mail.AckLink, token string, who LinkActor, view ackLinkView) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, mostLinkForm)
	err := r.ParseForm()
	if err != nil || !web.Legible(r.PostForm) {
		view.Heading, view.Text = "That form could not be read", "Nothing was changed. Please try again."
		a.show(w, r, http.StatusBadRequest, view)
		return
	}
	view.Comment = strings.TrimSpace(r.PostForm.Get("comment"))
	// The page sends no Referer, so browsers send "Origin: null" from it: that says
	// nothing. What only the page has, and Sec-Fetch-Site where there is one, do.
	from := r.Header.Get("Sec-Fetch-Site")
	if from == "cross-site" || from == "same-site" || !hmac.Equal([]byte(view.Confirm), []byte(r.PostForm.Get("confirm"))) {
		view.Heading, view.Text = "Nothing was changed yet", "Please press the button on this page."
		a.show(w, r, http.StatusForbidden, view)
		return
	}
	if len([]rune(view.Comment)) > mostLinkComment {
		view.Heading, view.Text = "The comment is too long", "Nothing was changed. It may have "+strconv.Itoa(mostLinkComment)+" characters."
		a.show(w, r, http.StatusUnprocessableEntity, view)
		return
	}
	first, err := a.Store.UseAckLink(ctx, l.Hash, a.Now())
	if err != nil {
		a.failed(w, r, "use a letter's link", l.AlertID, err)
		return
	}
	if first {
		_, err = a.Acknowledge(ctx, l.AlertID, dispatch.AckRequest{UserID: who.UserID, Author: who.Name, Comment: view.Comment, Origin: alert.FromMail, Sticky: a.Sticky(ctx)})
		switch {
		case errors.Is(err, dispatch.ErrAckedBefore), errors.Is(err, dispatch.ErrNotOpen), errors.Is(err, fault.ErrNotFound):
			a.release(ctx, l) // the page says what came between
		case err != nil:
			a.release(ctx, l)
			a.failed(w, r, "acknowledge by a letter's link", l.AlertID, err)
			return
		default:
			a.Log.InfoContext(ctx, "acknowledged by the link in a letter", "alert_id", l.AlertID, "contact_id", l.ContactID)
		}
	}
	// Whoever loads the page again sends no form again.
	http.Redirect(w, r, AckLinkPath+token, http.StatusSeeOther) //nolint:gosec // a token has letters, digits, - and _ only
}

// release gives a use back, also when the request has ended.
func (a *ackLinks) release(ctx context.Context, l mail.AckLink) {
	held, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.Store.ReleaseAckLink(held, l.Hash); err != nil {
		a.Log.ErrorContext(ctx, "give back the use of a letter's link", "alert_id", l.AlertID, "error", err)
	}
}

func (a *ackLinks) show(w http.ResponseWriter, r *http.Request, status int, v ackLinkView) {
	v.Title, v.Version = v.Heading, a.Version
	if v.Title == "" {
		v.Title = "Acknowledge"
	}
	a.c.write(w, r, status, "ack-link", "acklink", v)
}

// confirmation is what the form has and a bare link has not: a program that tries
// what it finds in letters with a POST acknowledges nothing.
func confirmation(token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("acknowledge"))
	return hex.EncodeToString(m.Sum(nil))
}

// How many pages an address may open at once, and after how long one more.
const (
	callerBurst = 30
	callerEvery = 2 * time.Second
	mostCallers = 20_000
)

// callers bounds how often links are looked up. Their tokens cannot be guessed; this
// is for the database's sake.
type callers struct {
	mu   sync.Mutex
	full map[string]time.Time // when one has all of its pages again
}

// take takes one page, and answers how long to wait if there is none left.
func (c *callers) take(key string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.full[key]
	if at.Before(now) {
		at = now
	}
	at = at.Add(callerEvery)
	if wait := at.Sub(now) - callerBurst*callerEvery; wait > 0 {
		return wait
	}
	if len(c.full) >= mostCallers {
		for k, t := range c.full {
			if t.Before(now) || len(c.full) >= mostCallers {
				delete(c.full, k)
			}
		}
	}
	c.full[key] = at
	return 0
}

// caller is what is counted by: an IPv4 address, or the /64 that one household gets.
func caller(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
