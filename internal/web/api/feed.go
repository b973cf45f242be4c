package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/oncall/ical"
	"tocsin/internal/web"
)

// calendarNames are what is below web.CalendarPath: tokens as auth.NewToken makes them.
var calendarNames = regexp.MustCompile(`^` + auth.CalendarPrefix + `[A-Za-z0-9_-]{43}\.ics$`)

// Calendar serves the calendars of who is on call, at web.CalendarPath. Whoever asks
// is known by the address alone, which is a secret: it gets into no log and no answer,
// and no answer says more of an address that is wrong than that it is none.
func (a *API) Calendar(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "A calendar can only be read.", http.StatusMethodNotAllowed)
		return
	}
	if wait := a.feeds.take(r.RemoteAddr); wait > 0 {
		h.Set("Retry-After", seconds(wait))
		http.Error(w, "Too many requests; try again later.", http.StatusTooManyRequests)
		return
	}
	c, err := a.whoseCalendar(r.Context(), strings.TrimPrefix(r.URL.Path, web.CalendarPath))
	if errors.Is(err, fault.ErrNotFound) {
		http.Error(w, "There is no calendar at this address. Its owner can make a new one in Tocsin.", http.StatusNotFound)
		return
	}
	var text []byte
	if err == nil {
		var cal ical.Calendar
		cal, err = web.CalendarOf(r.Context(), a.d.Store, c, a.d.Now(), a.d.BaseURL, a.d.Version)
		text = cal.Text()
	}
	if err != nil {
		a.d.Log.Error("calendar not read", "error", err)
		h.Set("Retry-After", "60")
		http.Error(w, "The calendar cannot be read just now; try again in a minute.", http.StatusServiceUnavailable)
		return
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h.Set("ETag", tag)
	if unchanged(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", ical.ContentType)
	h.Set("Content-Disposition", `inline; filename="on-call.ics"`)
	_, _ = w.Write(text) //nolint:gosec // a calendar, which no browser takes for a page; of a HEAD net/http leaves it out
}

// whoseCalendar answers the contact whose calendar has an address. Whose user may
// not sign in any more has none.
func (a *API) whoseCalendar(ctx context.Context, name string) (contact.Contact, error) {
	if !calendarNames.MatchString(name) {
		return contact.Contact{}, fault.ErrNotFound
	}
	id, err := a.d.Store.CalendarContact(ctx, auth.Hash(strings.TrimSuffix(name, ".ics")))
	if err != nil {
		return contact.Contact{}, err
	}
	c, err := a.d.Store.Contact(ctx, id)
	if err != nil || c.UserID == "" {
		return c, err
	}
	u, err := a.d.Store.UserByID(ctx, c.UserID)
	if err == nil && u.Disabled {
		err = fault.ErrNotFound
	}
	return c, err
}

// unchanged says whether If-None-Match names what there is.
func unchanged(header, tag string) bool {
	for _, given := range strings.Split(header, ",") {
		if given = strings.TrimPrefix(strings.TrimSpace(given), "W/"); given == tag || given == "*" {
			return true
		}
	}
	return false
}
